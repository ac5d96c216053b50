//! The cryptographic library with a count of what it was asked for: `show crypto ikev2 stats ext-service` tells it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ironflex_ikev2::{
    crypto::{
        Answered, CryptoError, Group, KexError, KeyExchange, Provider, Rng, SignatureError,
        SignatureScheme, default_provider,
    },
    secret::SharedSecret,
};

use crate::statistics::Outcome;

/// How often something went well, and how often not.
#[derive(Debug, Default)]
struct Count {
    passed: AtomicU64,
    failed: AtomicU64,
}

impl Count {
    fn ended(&self, passed: bool) {
        let count = if passed { &self.passed } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            passed: self.passed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    public_values: Count,
    secrets: Count,
    verifications: Count,
}

/// A library that counts.
pub struct CountedProvider {
    library: &'static dyn Provider,
    counts: Arc<Counts>,
}

impl CountedProvider {
    /// The library of this build. It stays for as long as the process, which makes one headend.
    #[must_use]
    pub fn new() -> &'static Self {
        Box::leak(Box::new(Self {
            library: default_provider(),
            counts: Arc::default(),
        }))
    }

    /// Public values of key exchanges that were made.
    #[must_use]
    pub fn public_values(&self) -> Outcome {
        self.counts.public_values.outcome()
    }

    /// Secrets that were made of them.
    #[must_use]
    pub fn secrets(&self) -> Outcome {
        self.counts.secrets.outcome()
    }

    /// Signatures that were judged.
    #[must_use]
    pub fn verifications(&self) -> Outcome {
        self.counts.verifications.outcome()
    }
}

impl Provider for CountedProvider {
    fn name(&self) -> &'static str {
        self.library.name()
    }

    fn key_exchange(
        &self,
        group: Group,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn KeyExchange>, CryptoError> {
        let pair = self.library.key_exchange(group, rng);
        self.counts.public_values.ended(pair.is_ok());
        let counts = Arc::clone(&self.counts);
        Ok(Box::new(CountedPair {
            pair: pair?,
            counts,
        }))
    }

    fn supports(&self, group: Group) -> bool {
        self.library.supports(group)
    }

    fn answer_exchange(
        &self,
        group: Group,
        rng: &mut dyn Rng,
        peer: &[u8],
    ) -> Result<Answered, KexError> {
        let answered = self.library.answer_exchange(group, rng, peer);
        // What is wrong with the peer's value is found out once there is one of ours.
        let made = !matches!(answered, Err(KexError::Provider { .. }));
        self.counts.public_values.ended(made);
        if made {
            self.counts.secrets.ended(answered.is_ok());
        }
        answered
    }

    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let judged = self.library.verify(scheme, spki_der, message, signature);
        self.counts.verifications.ended(judged.is_ok());
        judged
    }
}

/// A key pair whose agreement is counted.
struct CountedPair {
    pair: Box<dyn KeyExchange>,
    counts: Arc<Counts>,
}

impl KeyExchange for CountedPair {
    fn group(&self) -> Group {
        self.pair.group()
    }

    fn public(&self) -> &[u8] {
        self.pair.public()
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError> {
        let Self { pair, counts } = *self;
        let secret = pair.agree(peer);
        counts.secrets.ended(secret.is_ok());
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;

    #[test]
    fn what_the_library_was_asked_for_is_counted_by_how_it_ended() {
        let outcome = |passed, failed| Outcome { passed, failed };
        let provider = CountedProvider::new();
        let group = Group::EcpP256;
        let ours = provider.key_exchange(group, &mut OsRandom).unwrap();
        let answered = provider.answer_exchange(group, &mut OsRandom, ours.public());
        ours.agree(&answered.unwrap().public).unwrap();
        assert_eq!(provider.public_values(), outcome(2, 0));
        assert_eq!(provider.secrets(), outcome(2, 0));
        assert!(
            provider
                .answer_exchange(group, &mut OsRandom, &[0; 64])
                .is_err()
        );
        assert_eq!(provider.public_values(), outcome(3, 0));
        assert_eq!(provider.secrets(), outcome(2, 1));
        let scheme = SignatureScheme::rsa_pkcs1(ironflex_ikev2::crypto::Hash::Sha2_256);
        assert!(provider.verify(scheme, &[], &[], &[]).is_err());
        assert_eq!(provider.verifications(), outcome(0, 1));
    }
}
