//! The cryptographic libraries behind [`Provider`].

// The providers keep one Montgomery context per group for the whole process, and so need `std` where
// the rest of the crate does not.
extern crate std;

#[cfg(feature = "aws-lc")]
pub mod aws_lc;
#[cfg(feature = "aws-lc")]
mod aws_lc_ffi;
#[cfg(feature = "ring")]
pub mod ring;

#[cfg(feature = "aws-lc")]
pub use self::aws_lc::RsaSigner;
#[cfg(all(feature = "ring", not(feature = "aws-lc")))]
pub use self::ring::RsaSigner;
use super::Provider;

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
