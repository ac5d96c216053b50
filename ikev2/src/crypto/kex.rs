//! Key exchange: what a provider's groups look like from outside, and the faults of public values.

use alloc::boxed::Box;

use super::suite::Group;
use crate::secret::SharedSecret;

/// One fresh key pair, to be used for one agreement (RFC 7296 §2.12: none is used again).
///
/// [`Provider::key_exchange`](super::Provider::key_exchange) makes it.
pub trait KeyExchange: Send {
    /// The group of the pair.
    fn group(&self) -> Group;

    /// The public value for a KE payload: exactly [`Group::public_len`] octets.
    fn public(&self) -> &[u8];

    /// Combines the private value with the peer's public one, taken from its KE payload without the
    /// payload's header.
    ///
    /// # Errors
    /// [`KexError`]: the peer is to blame for all but [`KexError::Provider`].
    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError>;
}

/// Why no secret came out of a peer's public value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KexError {
    /// It does not have the one length that its group knows.
    #[error("public value of {group} has {found} octets instead of {expected}")]
    Length {
        /// The group of the KE payload.
        group: Group,
        /// [`Group::public_len`].
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
    /// Curve25519 came out as zero: the peer sent a point of low order.
    #[error("shared secret of {group} is zero: the public value is a point of low order")]
    ZeroSecret {
        /// The group of the KE payload.
        group: Group,
    },
}
