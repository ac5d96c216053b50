//! Key exchange and signatures that cost nothing and that the fuzzer's octets cannot forge.

use std::cell::Cell;

use ironflex_ikev2::{
    crypto::{
        CryptoError, Provider, Rng,
        kex::{KexError, KeyExchange},
        sign::{SignatureError, SignatureScheme},
        suite::Group,
    },
    event::Answer,
    secret::{SecretBytes, SharedSecret},
};
use sha2::{Digest, Sha256};

/// The server's, then the client's.
pub(super) const PROVIDERS: [&dyn Provider; 2] = [&Toy { server: true }, &Toy { server: false }];

thread_local! {
    /// Signatures that held: at the client, at the server.
    static VERIFIED: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
}

/// How many signatures have held at an end.
pub(super) fn verified(server: bool) -> usize {
    VERIFIED.get()[usize::from(server)]
}

pub(super) fn forget() {
    VERIFIED.set([0; 2]);
}

/// Signs as both ends do.
pub(super) fn sign(_: SignatureScheme, octets: &[u8]) -> Answer {
    Answer::Signature(signature(octets).to_vec())
}

/// A fuzzer that mutates octets does not come upon a hash over them.
fn signature(octets: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"a signing key")
        .chain_update(octets)
        .finalize()
        .into()
}

struct Toy {
    server: bool,
}

impl Provider for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn key_exchange(
        &self,
        group: Group,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn KeyExchange>, CryptoError> {
        let mut public = vec![0; group.public_len()];
        rng.fill(&mut public);
        Ok(Box::new(Pair { group, public }))
    }

    fn verify(
        &self,
        _: SignatureScheme,
        _: &[u8],
        message: &[u8],
        claimed: &[u8],
    ) -> Result<(), SignatureError> {
        if claimed != signature(message) {
            return Err(SignatureError::Mismatch);
        }
        let mut counts = VERIFIED.get();
        counts[usize::from(self.server)] += 1;
        VERIFIED.set(counts);
        Ok(())
    }
}

/// The secret of two pairs is the one public value added to the other, bit by bit.
struct Pair {
    group: Group,
    public: Vec<u8>,
}

impl KeyExchange for Pair {
    fn group(&self) -> Group {
        self.group
    }

    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError> {
        if peer.len() != self.public.len() {
            return Err(KexError::Length {
                group: self.group,
                expected: self.public.len(),
                found: peer.len(),
            });
        }
        let octets = self
            .public
            .iter()
            .zip(peer)
            .map(|(own, theirs)| own ^ theirs);
        Ok(SharedSecret::new(SecretBytes::new(octets.collect())))
    }
}
