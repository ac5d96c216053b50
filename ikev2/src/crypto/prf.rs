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
// RFC 7296 §1.7#10: keys may have any length.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::hex;

    fn check(algorithm: PrfAlgorithm, key: &[u8], data: &[u8], expected: &str) {
        let (front, back) = data.split_at(data.len() / 2);
        let whole = prf(algorithm, key, &[data]);
        assert_eq!(whole.as_bytes(), hex(expected), "{algorithm:?}");
        assert!(whole == prf(algorithm, key, &[front, &[], back]));
    }

    // RFC 2202 §3, cases 2 and 6.
    #[test]
    fn hmac_sha_1_gives_the_vectors_of_rfc_2202() {
        let algorithm = PrfAlgorithm::HmacSha1;
        let question = b"what do ya want for nothing?";
        check(
            algorithm,
            b"Jefe",
            question,
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        );
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        check(
            algorithm,
            &[0xaa; 80],
            long,
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        );
    }

    // RFC 4231 §4.3.
    #[test]
    fn hmac_sha_2_gives_the_vectors_of_rfc_4231_for_a_short_key() {
        let question = b"what do ya want for nothing?";
        check(
            PrfAlgorithm::HmacSha2_256,
            b"Jefe",
            question,
            "5bdcc146bf60754e6a042426089575c7 5a003f089d2739839dec58b964ec3843",
        );
        check(
            PrfAlgorithm::HmacSha2_384,
            b"Jefe",
            question,
            "af45d2e376484031617f78d2b58a6b1b 9c7ef464f5a01b47e42ec3736322445e
             8e2240ca5e69e2c78b3239ecfab21649",
        );
        check(
            PrfAlgorithm::HmacSha2_512,
            b"Jefe",
            question,
            "164b7a7bfcf819e2e395fbe73b56e0a3 87bd64222e831fd610270cd7ea250554
             9758bf75c05a994a6d034f65f8f0e6fd caeab1a34d4a6b4b636e070a38bce737",
        );
    }

    // RFC 4231 §4.7: a key of 131 octets, longer than every block.
    #[test]
    fn hmac_sha_2_gives_the_vectors_of_rfc_4231_for_a_long_key() {
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        check(
            PrfAlgorithm::HmacSha2_256,
            &[0xaa; 131],
            long,
            "60e431591ee0b67f0d8a26aacbf5b77f 8e0bc6213728c5140546040f0ee37f54",
        );
        check(
            PrfAlgorithm::HmacSha2_384,
            &[0xaa; 131],
            long,
            "4ece084485813e9088d2c63a041bc5b4 4f9ef1012a2b588f3cd11f05033ac4c6
             0c2ef6ab4030fe8296248df163f44952",
        );
        check(
            PrfAlgorithm::HmacSha2_512,
            &[0xaa; 131],
            long,
            "80b24263c7c1a3ebb71493c1dd7be8b4 9b46d1f41b4aeec1121b013783f8f352
             6b56d037e05f2598bd0fd2215d6a1e52 95e64f73f63f0aec8b915a985d786598",
        );
    }

    // RFC 2104 §2: a key of exactly one block is used as it is, one octet more is hashed.
    // RFC 7296 §1.7#10: keys shorter and longer than a block.
    #[test]
    fn a_key_of_a_block_is_not_hashed_and_a_longer_one_is() {
        for (algorithm, block) in [
            (PrfAlgorithm::HmacSha1, 64),
            (PrfAlgorithm::HmacSha2_256, 64),
            (PrfAlgorithm::HmacSha2_384, 128),
            (PrfAlgorithm::HmacSha2_512, 128),
        ] {
            let hash = |octets: &[u8]| crate::crypto::hash::digest(algorithm.hash(), &[octets]);
            let by_hand = |key: &[u8]| {
                let mut padded = key.to_vec();
                padded.resize(block, 0);
                let pad = |octet: u8| padded.iter().map(|key| key ^ octet).collect::<Vec<u8>>();
                let inner = hash(&[pad(0x36), b"data".to_vec()].concat());
                hash(&[pad(0x5c), inner].concat())
            };
            let key = vec![7; block + 1];
            assert_eq!(
                prf(algorithm, &key[..block], &[b"data"]).as_bytes(),
                by_hand(&key[..block])
            );
            assert_eq!(
                prf(algorithm, &key, &[b"data"]).as_bytes(),
                by_hand(&hash(&key))
            );
        }
    }

    // RFC 4868 §2.1, RFC 2404 §2: the leading octets are kept.
    #[test]
    fn an_integrity_check_is_the_front_of_the_mac_and_nothing_else_holds() {
        for algorithm in Integrity::ALL {
            let mac = prf(algorithm.prf(), b"key", &[b"da", b"ta"]);
            let icv = integrity_check(algorithm, b"key", &[b"data"]);
            assert_eq!(icv.as_bytes(), &mac.as_bytes()[..algorithm.icv_len()]);
            let holds = |icv: &[u8]| integrity_holds(algorithm, b"key", &[b"data"], icv);
            assert!(holds(icv.as_bytes()));
            assert!(!holds(mac.as_bytes()));
            assert!(!holds(&icv.as_bytes()[1..]));
            assert!(!holds(&[]));
            for bit in 0..8 {
                let mut changed = icv.as_bytes().to_vec();
                changed[0] ^= 1 << bit;
                assert!(!holds(&changed));
            }
        }
    }

    // RFC 7296 §2.13.
    #[test]
    fn prf_plus_chains_its_blocks_and_keys_run_over_their_borders() {
        for algorithm in PrfAlgorithm::ALL {
            let t1 = prf(algorithm, b"key", &[b"seed", &[1]]);
            let t2 = prf(algorithm, b"key", &[t1.as_bytes(), b"seed", &[2]]);
            let t3 = prf(algorithm, b"key", &[t2.as_bytes(), b"seed", &[3]]);
            let blocks = [t1.as_bytes(), t2.as_bytes(), t3.as_bytes()].concat();
            let mut stream = PrfPlus::new(algorithm, b"key", &[b"se", b"ed"]);
            let mut taken = Vec::new();
            for length in [1, algorithm.key_len(), 0, algorithm.key_len() + 3] {
                taken.extend_from_slice(stream.take(length).as_bytes());
            }
            assert_eq!(taken, blocks[..taken.len()]);
        }
    }

    #[test]
    fn prf_plus_gives_all_of_its_255_blocks() {
        let algorithm = PrfAlgorithm::HmacSha1;
        let mut stream = PrfPlus::new(algorithm, b"key", &[b"seed"]);
        let all = stream.take(PrfPlus::limit(algorithm));
        let blocks: Vec<&[u8]> = all.as_bytes().chunks(algorithm.key_len()).collect();
        let last = prf(algorithm, b"key", &[blocks[253], b"seed", &[255]]);
        assert_eq!((blocks.len(), blocks[254]), (255, last.as_bytes()));
    }
}
