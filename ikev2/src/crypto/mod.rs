//! Cryptography: the algorithms of IKEv2 behind types that cannot be combined wrongly.
//!
//! HMAC, AES-CBC, AES-GCM and the plain hashes are the same code everywhere; they are needed for IKE
//! messages only, where volume is low. Key exchange and signatures come from a [`Provider`], chosen by
//! Cargo feature:
//!
//! | feature | key exchange | verifies | signs |
//! | --- | --- | --- | --- |
//! | `aws-lc` | all of [`Group`] | RSA PKCS #1 v1.5 and PSS; ECDSA | RSA; ECDSA with the curve's own hash |
//! | `ring` | all of [`Group`] but ML-KEM | the same without P-521 and ECDSA with SHA-512 | the same without SHA-1 and P-521 |
//! | neither | – | – | – |
//!
//! `aws-lc` is the default, and wins where both are on.
//!
//! Nothing here knows message formats or registries beyond the few numbers that name an algorithm, and
//! nothing here does I/O or reads a clock. Private exponents, scalars and IVs are made of the caller's
//! [`Rng`]; the exceptions are the library's own: blinding and PSS salts when signing, ML-KEM, and the
//! P-256 and P-384 key pairs of `ring`, which takes no scalar from outside.

mod aead;
mod cbc;
pub mod cipher;
mod der;
pub mod ecdsa;
pub mod hash;
pub mod kex;
pub mod keys;
pub mod prf;
#[cfg(any(feature = "aws-lc", feature = "ring"))]
pub mod provider;
pub(crate) mod public_key;
pub mod sign;
pub mod suite;
#[cfg(test)]
pub(crate) mod test_support;

use alloc::boxed::Box;

pub use self::cipher::{Forged, MessageKeys};
pub use self::ecdsa::Curve;
pub use self::kex::{Answered, KexError, KeyExchange};
pub use self::keys::{ChildKeys, DerivationKey, IkeKeys, ProtectionKeys, Role, SkeySeed};
#[cfg(any(feature = "aws-lc", feature = "ring"))]
pub use self::provider::{Signer, default_provider};
pub use self::sign::{SignatureError, SignatureScheme, SignerError, SigningKey};
pub use self::suite::{
    Additional, AeadAlgorithm, CbcAlgorithm, EspSuite, Group, Hash, IkeSuite, Integrity,
    PrfAlgorithm, Protection,
};

/// A source of unpredictable octets. Keys are made of them, so outside of tests it is the operating
/// system's generator or one seeded from it.
pub trait Rng {
    /// Fills `out`. There is no way to fail: a source that runs dry must wait or end the process.
    fn fill(&mut self, out: &mut [u8]);
}

/// What a cryptographic library provides.
pub trait Provider: Send + Sync {
    /// The library's name, for logs and `show version`.
    fn name(&self) -> &'static str;

    /// Makes a fresh key pair.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`] if `rng` is broken, [`CryptoError::Provider`] if the library is.
    fn key_exchange(
        &self,
        group: Group,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn KeyExchange>, CryptoError>;

    /// Whether [`key_exchange`](Self::key_exchange) knows this method. A configuration that names another
    /// is refused.
    fn supports(&self, group: Group) -> bool {
        !group.is_ml_kem()
    }

    /// Answers an initiator's public value, taken from its KE payload without the payload's header.
    ///
    /// # Errors
    /// [`KexError`]: the initiator is to blame for all but [`KexError::Provider`].
    fn answer_exchange(
        &self,
        group: Group,
        rng: &mut dyn Rng,
        peer: &[u8],
    ) -> Result<Answered, KexError> {
        Answered::by_pair(self.key_exchange(group, rng), group, peer)
    }

    /// Judges `signature` over `message` (which is hashed here) under the key of a certificate, given
    /// as its SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    ///
    /// RSA keys have 1024 to 8192 bits and an odd exponent of 3 to 2^33 − 1; with SHA-384 and with PSS
    /// the libraries start at 2048 bits.
    ///
    /// # Errors
    /// [`SignatureError`], which keeps a wrong signature apart from a key or scheme that cannot be
    /// judged at all.
    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError>;
}

/// Faults of our own side; no peer can cause them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// All 2^64 − 1 combined-mode IVs of a key are spent.
    #[error("no unused initialization vector is left under this key")]
    IvExhausted,
    /// The buffer to seal is not laid out as the algorithm wants it.
    #[error("buffer to seal does not have the lengths that its algorithm takes")]
    Layout,
    /// The library has no such method.
    #[error("the cryptographic library does not have {0}")]
    Unsupported(Group),
    /// The library failed: memory, or a bug.
    #[error("the cryptographic library failed at {0}")]
    Provider(&'static str),
    /// The random source gave nothing usable.
    #[error("the random source gave no usable octets")]
    Randomness,
}
