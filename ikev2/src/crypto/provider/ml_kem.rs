//! ML-KEM (FIPS 203) of aws-lc-rs, as a key exchange: the initiator's public value is its encapsulation
//! key, the responder's is the ciphertext.

use alloc::boxed::Box;
use alloc::vec::Vec;

use aws_lc_rs::kem::{
    Algorithm, Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_512, ML_KEM_768, ML_KEM_1024,
};

use super::check_length;
use crate::crypto::CryptoError;
use crate::crypto::kex::{Answered, KexError, KeyExchange};
use crate::crypto::suite::Group;
use crate::secret::{SecretBytes, SharedSecret};

fn algorithm(group: Group) -> Option<&'static Algorithm> {
    match group {
        Group::MlKem512 => Some(&ML_KEM_512),
        Group::MlKem768 => Some(&ML_KEM_768),
        Group::MlKem1024 => Some(&ML_KEM_1024),
        _ => None,
    }
}

// RFC 9370 §rules#12: the initiator sends the encapsulation key, the responder the ciphertext.

/// The initiator's key pair.
struct Pair {
    group: Group,
    private: DecapsulationKey,
    public: Vec<u8>,
}

/// A fresh key pair, of the library's own randomness.
pub(super) fn pair(group: Group) -> Result<Box<dyn KeyExchange>, CryptoError> {
    let algorithm = algorithm(group).ok_or(CryptoError::Unsupported(group))?;
    let failed = |_| CryptoError::Provider("ML-KEM key pair");
    let private = DecapsulationKey::generate(algorithm).map_err(failed)?;
    let public = private
        .encapsulation_key()
        .and_then(|key| Ok(key.key_bytes()?.as_ref().to_vec()))
        .map_err(failed)?;
    Ok(Box::new(Pair {
        group,
        private,
        public,
    }))
}

impl KeyExchange for Pair {
    fn group(&self) -> Group {
        self.group
    }

    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError> {
        let group = self.group;
        // FIPS 203 §7.3: a ciphertext has one length. One of it that is not for this key leads to another
        // secret, and nobody is told.
        let (expected, found) = (group.answer_len(), peer.len());
        if found != expected {
            return Err(KexError::Length {
                group,
                expected,
                found,
            });
        }
        let secret = self.private.decapsulate(Ciphertext::from(peer));
        secret
            .map(|secret| SharedSecret::new(SecretBytes::copied_from(secret.as_ref())))
            .map_err(|_| KexError::Provider { group })
    }
}

/// The responder's part.
pub(super) fn encapsulate(group: Group, peer: &[u8]) -> Result<Answered, KexError> {
    let algorithm = algorithm(group).ok_or(KexError::Provider { group })?;
    check_length(group, peer)?;
    // FIPS 203 §7.2: the key's coefficients must be below the modulus. The library looks at them when it
    // encapsulates, and nothing else can go wrong there but want of memory.
    let (ciphertext, secret) = EncapsulationKey::new(algorithm, peer)
        .map_err(|_| KexError::NotAKey { group })?
        .encapsulate()
        .map_err(|_| KexError::NotAKey { group })?;
    Ok(Answered {
        public: ciphertext.as_ref().to_vec(),
        secret: SharedSecret::new(SecretBytes::copied_from(secret.as_ref())),
    })
}
