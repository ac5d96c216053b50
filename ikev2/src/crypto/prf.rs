//! prf and prf+ of RFC 7296 §2.13, and the truncated HMACs made of the same function.

use hmac::digest::Key;
use hmac::digest::block_api::EagerHash;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::suite::{Integrity, PrfAlgorithm};
use crate::secret::SecretBytes;

/// prf(key, parts\[0\] ∣ parts\[1\] ∣ …); [`PrfAlgorithm::key_len`] octets.
///
/// The key may have any length: HMAC pads a short one and hashes a long one (RFC 2104 §2), so nonces
/// go in whole where RFC 7296 §2.14 keys the PRF with them.
pub fn prf(algorithm: PrfAlgorithm, key: &[u8], parts: &[&[u8]]) -> SecretBytes {
    match algorithm {
        PrfAlgorithm::HmacSha1 => hmac::<Sha1>(key, parts),
        PrfAlgorithm::HmacSha2_256 => hmac::<Sha256>(key, parts),
        PrfAlgorithm::HmacSha2_384 => hmac::<Sha384>(key, parts),
        PrfAlgorithm::HmacSha2_512 => hmac::<Sha512>(key, parts),
    }
}

/// The integrity check value over `parts`: the first [`Integrity::icv_len`] octets of the HMAC
/// (RFC 4868 §2.1, RFC 2404 §2).
pub fn integrity_check(algorithm: Integrity, key: &[u8], parts: &[&[u8]]) -> SecretBytes {
    let mut mac = prf(algorithm.prf(), key, parts);
    mac.truncate(algorithm.icv_len());
    mac
}

/// Whether `icv` is the integrity check value over `parts`, judged in constant time. Any other length
/// than [`Integrity::icv_len`] is wrong.
pub fn integrity_holds(algorithm: Integrity, key: &[u8], parts: &[&[u8]], icv: &[u8]) -> bool {
    integrity_check(algorithm, key, parts)
        .as_bytes()
        .ct_eq(icv)
        .into()
}

/// prf+ as a stream from which keys are cut in order.
///
/// RFC 7296 §2.13: T1 = prf(K, S ∣ 0x01), Tn = prf(K, Tn−1 ∣ S ∣ n), and keys run on over the borders
/// of the blocks. The counter is one octet, so 255 blocks are the most there is; `keys` proves at
/// compile time that no suite comes near.
pub(crate) struct PrfPlus<'a> {
    algorithm: PrfAlgorithm,
    key: &'a [u8],
    seed: SecretBytes,
    block: SecretBytes,
    used: usize,
    counter: u8,
}

impl<'a> PrfPlus<'a> {
    /// The most octets that one stream may give (RFC 7296 §2.13).
    pub(crate) const fn limit(algorithm: PrfAlgorithm) -> usize {
        255_usize.saturating_mul(algorithm.key_len())
    }

    /// prf+(key, seed\[0\] ∣ seed\[1\] ∣ …), nothing of it taken yet.
    pub(crate) fn new(algorithm: PrfAlgorithm, key: &'a [u8], seed: &[&[u8]]) -> Self {
        Self {
            algorithm,
            key,
            seed: SecretBytes::new(seed.concat()),
            block: SecretBytes::zeroed(0),
            used: 0,
            counter: 0,
        }
    }

    /// The next `length` octets.
    pub(crate) fn take(&mut self, length: usize) -> SecretBytes {
        let mut out = SecretBytes::zeroed(length);
        for octet in out.as_mut_bytes() {
            if self.used >= self.block.len() {
                self.next_block();
            }
            *octet = self
                .block
                .as_bytes()
                .get(self.used)
                .copied()
                .unwrap_or_default();
            self.used = self.used.saturating_add(1);
        }
        out
    }

    fn next_block(&mut self) {
        debug_assert!(self.counter < u8::MAX, "prf+ gives at most 255 blocks");
        self.counter = self.counter.saturating_add(1);
        self.block = prf(
            self.algorithm,
            self.key,
            &[self.block.as_bytes(), self.seed.as_bytes(), &[self.counter]],
        );
        self.used = 0;
    }
}

fn hmac<D: EagerHash + Digest>(key: &[u8], parts: &[&[u8]]) -> SecretBytes {
    // RFC 2104 §2: a key longer than a block is hashed first, any other is padded with zeros. Done
    // here because the package's any-length constructor returns a Result that cannot fail.
    let mut padded = Key::<Hmac<D>>::default();
    if let Some(front) = padded.get_mut(..key.len()) {
        front.copy_from_slice(key);
    } else {
        let hashed = <D as Digest>::digest(key);
        for (octet, hashed) in padded.iter_mut().zip(hashed) {
            *octet = hashed;
        }
    }
    let mut state = <Hmac<D> as KeyInit>::new(&padded);
    padded.as_mut_slice().zeroize();
    for part in parts {
        state.update(part);
    }
    let mut mac = state.finalize().into_bytes();
    let out = SecretBytes::copied_from(&mac);
    mac.as_mut_slice().zeroize();
    out
}
