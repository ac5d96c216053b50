//! The cryptographic libraries behind [`Provider`].

// The providers keep one Montgomery context per group for the whole process, and so need `std` where
// the rest of the crate does not.
extern crate std;

#[cfg(feature = "aws-lc")]
pub mod aws_lc;
#[cfg(feature = "aws-lc")]
mod aws_lc_ffi;
#[cfg(feature = "aws-lc")]
mod ml_kem;
mod modp;
mod private_key;
#[cfg(feature = "ring")]
pub mod ring;
mod verifying_key;

#[cfg(feature = "aws-lc")]
pub use self::aws_lc::Signer;
#[cfg(all(feature = "ring", not(feature = "aws-lc")))]
pub use self::ring::Signer;
use super::Provider;
use super::kex::KexError;
use super::public_key::UNCOMPRESSED;
use super::suite::Group;
use crate::secret::{SecretBytes, SharedSecret};

/// The provider that the Cargo features choose: `aws-lc` if it is on, `ring` otherwise.
pub fn default_provider() -> &'static dyn Provider {
    #[cfg(feature = "aws-lc")]
    {
        &aws_lc::AwsLc
    }
    #[cfg(not(feature = "aws-lc"))]
    {
        &ring::Ring
    }
}

// --- What both libraries are handed and hand back ---

/// Refuses a public value of the wrong length.
fn check_length(group: Group, peer: &[u8]) -> Result<(), KexError> {
    // RFC 7296 §3.4, RFC 5903 §7, RFC 8031 §3.1: a public value has one length for each group.
    let (expected, found) = (group.public_len(), peer.len());
    if found == expected {
        Ok(())
    } else {
        Err(KexError::Length {
            group,
            expected,
            found,
        })
    }
}

/// Refuses a Curve25519 secret of zeros, in constant time.
fn check_contributory(group: Group, secret: SecretBytes) -> Result<SharedSecret, KexError> {
    let secret = SharedSecret::new(secret);
    // RFC 7748 §6.1: an all-zero outcome, which a point of low order forces, is refused.
    if secret.is_all_zero() {
        Err(KexError::ZeroSecret { group })
    } else {
        Ok(secret)
    }
}

/// How often a scalar is drawn before the random source counts as broken. Of P-521's draws half fit, of
/// the other curves' nearly all.
const SCALAR_ATTEMPTS: usize = 64;

/// Clears the bits that no scalar of the group's curve has: P-521's first octet carries one bit.
fn clear_excess_bits(group: Group, scalar: &mut [u8]) {
    if let (Group::EcpP521, Some(first)) = (group, scalar.first_mut()) {
        *first &= 0x01;
    }
}
