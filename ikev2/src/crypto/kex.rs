//! Key exchange: what a provider's groups look like from outside, and the faults of public values.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::CryptoError;
use super::suite::Group;
use crate::secret::SharedSecret;

/// One fresh key pair, to be used for one agreement (RFC 7296 §2.12: none is used again).
// RFC 7296 §2.12#1: it is spent by the agreement; what is derived is wiped with the SA that holds it.
///
/// [`Provider::key_exchange`](super::Provider::key_exchange) makes it.
pub trait KeyExchange: Send {
    /// The group of the pair.
    fn group(&self) -> Group;

    /// The public value for the initiator's KE payload, or either's with Diffie-Hellman: exactly
    /// [`Group::public_len`] octets.
    fn public(&self) -> &[u8];

    /// Combines the private value with the peer's public one, taken from its KE payload without the
    /// payload's header. With ML-KEM that is the responder's ciphertext.
    ///
    /// # Errors
    /// [`KexError`]: the peer is to blame for all but [`KexError::Provider`].
    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError>;
}

/// The responder's part of a key exchange: its public value, of [`Group::answer_len`] octets, and the secret.
pub struct Answered {
    /// For the responder's KE payload.
    pub public: Vec<u8>,
    /// What both ends have now.
    pub secret: SharedSecret,
}

impl Answered {
    /// With a pair of the responder's own, where the method has one.
    pub(crate) fn by_pair(
        pair: Result<Box<dyn KeyExchange>, CryptoError>,
        group: Group,
        peer: &[u8],
    ) -> Result<Self, KexError> {
        let pair = pair.map_err(|_| KexError::Provider { group })?;
        let public = pair.public().to_vec();
        let secret = pair.agree(peer)?;
        Ok(Self { public, secret })
    }
}

/// Why no secret came out of a peer's public value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KexError {
    /// It does not have the one length that its group knows.
    #[error("public value of {group} has {found} octets instead of {expected}")]
    Length {
        /// The group of the KE payload.
        group: Group,
        /// [`Group::public_len`], or [`Group::answer_len`] of a responder.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// A coordinate is no field element, or the point is not on the curve.
    #[error("public value of {group} is no point of its curve")]
    NotOnCurve {
        /// The group of the KE payload.
        group: Group,
    },
    /// A MODP value outside 2 … p − 2, which would make the secret known to anyone.
    #[error("public value of {group} is not between 2 and p - 2")]
    OutOfRange {
        /// The group of the KE payload.
        group: Group,
    },
    /// The cryptographic library failed; the peer has no part in it.
    #[error("the cryptographic library failed at {group}")]
    Provider {
        /// The group of the KE payload.
        group: Group,
    },
    /// An encapsulation key with a coefficient that is none (FIPS 203 §7.2).
    #[error("public value of {group} is no encapsulation key")]
    NotAKey {
        /// The method of the KE payload.
        group: Group,
    },
    /// Curve25519 came out as zero: the peer sent a point of low order.
    #[error("shared secret of {group} is zero: the public value is a point of low order")]
    ZeroSecret {
        /// The group of the KE payload.
        group: Group,
    },
}
