//! Sealing and opening the contents of SK and SKF payloads: one interface over combined modes and
//! encrypt-then-MAC.
//!
//! Padding is not looked at here, and neither is the layout of a message: callers hand over the octets
//! to authenticate and the `IV ∣ ciphertext ∣ ICV` behind them (RFC 7296 §3.14, RFC 5282 §3).

use super::keys::ProtectionKeys;
use super::suite::Protection;
use super::{CryptoError, Rng, aead, cbc};
use crate::secret::SecretBytes;

/// The octets were not sealed under these keys, or were changed on their way, or are too few to have
/// been sealed at all. Which of them is deliberately not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the integrity check value does not match the message")]
pub struct Forged;

/// SK_e and SK_a of one direction of an IKE SA.
pub struct MessageKeys {
    keys: ProtectionKeys,
    /// The next combined-mode IV: never the same twice under one key (RFC 5282 §4).
    next_iv: u64,
}

impl MessageKeys {
    /// Wraps the keys of one direction; no IV of theirs may have been used before.
    pub fn new(keys: ProtectionKeys) -> Self {
        Self { keys, next_iv: 0 }
    }

    /// The algorithms, from which a message's layout follows.
    pub fn protection(&self) -> Protection {
        self.keys.protection()
    }

    /// The keys themselves, for `debug crypto ikev2 keylog` and nothing else.
    pub fn keys(&self) -> &ProtectionKeys {
        &self.keys
    }

    /// Seals in place. `sealed` is laid out as [`Protection`] says, `IV ∣ plaintext ∣ ICV`: only the
    /// plaintext is filled in, padding included; this call writes the IV and the check value. `aad` is
    /// everything in front, from the first octet of the IKE header on.
    ///
    /// The IV is the direction's own counter for a combined mode, so that it cannot repeat, and comes
    /// from `rng` for CBC, so that it cannot be foretold (RFC 7296 §3.14).
    ///
    /// # Errors
    /// [`CryptoError::Layout`] if there is no room for IV and check value, or the plaintext is not a
    /// multiple of the block; [`CryptoError::IvExhausted`] after 2^64 − 1 messages.
    pub fn seal(
        &mut self,
        rng: &mut dyn Rng,
        aad: &[u8],
        sealed: &mut [u8],
    ) -> Result<(), CryptoError> {
        match self.protection() {
            Protection::Aead(_) => {
                let iv = self.next_iv.to_be_bytes();
                self.next_iv = self
                    .next_iv
                    .checked_add(1)
                    .ok_or(CryptoError::IvExhausted)?;
                self.seal_with_iv(&iv, aad, sealed)
            }
            Protection::EncryptThenMac(_, _) => {
                // RFC 7296 §3.14#3: drawn anew for each message.
                let mut iv = [0; cbc::BLOCK_LEN];
                rng.fill(&mut iv);
                self.seal_with_iv(&iv, aad, sealed)
            }
        }
    }

    /// Opens `sealed`, which is `IV ∣ ciphertext ∣ ICV`, and gives back the plaintext with its padding
    /// still on. `aad` is everything in front of the IV, from the first octet of the IKE header on.
    ///
    /// Nothing is decrypted before the check value has been judged, in constant time.
    ///
    /// # Errors
    /// [`Forged`]; such a message is dropped without an answer (RFC 7296 §2.4, §2.21).
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, Forged> {
        let protection = self.protection();
        // RFC 7296 §3.14#4: any IV is taken.
        let (iv, rest) = sealed.split_at_checked(protection.iv_len()).ok_or(Forged)?;
        let text_len = rest.len().checked_sub(protection.icv_len()).ok_or(Forged)?;
        let (ciphertext, icv) = rest.split_at_checked(text_len).ok_or(Forged)?;
        match &self.keys {
            ProtectionKeys::Aead { algorithm, key } => {
                aead::open(*algorithm, key.as_bytes(), iv, aad, ciphertext, icv)
            }
            ProtectionKeys::EncryptThenMac {
                cipher,
                key,
                integrity,
                integrity_key,
            } => {
                // RFC 7296 §3.14#8: the check value covers the message from the start of its header to
                // the end of the ciphertext, pad length included.
                let covered = [aad, iv, ciphertext];
                if !super::prf::integrity_holds(*integrity, integrity_key.as_bytes(), &covered, icv)
                {
                    return Err(Forged);
                }
                cbc::decrypt(*cipher, key.as_bytes(), iv, ciphertext).map_err(|_| Forged)
            }
        }
    }

    /// [`Self::seal`] under a given IV, for published vectors.
    pub(crate) fn seal_with_iv(
        &self,
        iv: &[u8],
        aad: &[u8],
        sealed: &mut [u8],
    ) -> Result<(), CryptoError> {
        let protection = self.protection();
        let (iv_space, rest) = sealed
            .split_at_mut_checked(protection.iv_len())
            .ok_or(CryptoError::Layout)?;
        let text_len = rest
            .len()
            .checked_sub(protection.icv_len())
            .ok_or(CryptoError::Layout)?;
        let (text, icv) = rest
            .split_at_mut_checked(text_len)
            .ok_or(CryptoError::Layout)?;
        if iv.len() != iv_space.len() {
            return Err(CryptoError::Layout);
        }
        iv_space.copy_from_slice(iv);
        match &self.keys {
            ProtectionKeys::Aead { algorithm, key } => {
                aead::seal(*algorithm, key.as_bytes(), iv, aad, text, icv)
            }
            ProtectionKeys::EncryptThenMac {
                cipher,
                key,
                integrity,
                integrity_key,
            } => {
                cbc::encrypt(*cipher, key.as_bytes(), iv, text)?;
                let covered: [&[u8]; 3] = [aad, iv, text];
                let check =
                    super::prf::integrity_check(*integrity, integrity_key.as_bytes(), &covered);
                icv.copy_from_slice(check.as_bytes());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::crypto::suite::{AeadAlgorithm, CbcAlgorithm, Integrity};
    use crate::crypto::test_support::{CountingRng, hex};

    fn protections() -> Vec<Protection> {
        let cbc = CbcAlgorithm::ALL.into_iter().flat_map(|cipher| {
            Integrity::ALL.map(|integrity| Protection::EncryptThenMac(cipher, integrity))
        });
        AeadAlgorithm::ALL
            .map(Protection::Aead)
            .into_iter()
            .chain(cbc)
            .collect()
    }

    fn keys(protection: Protection, seed: u64) -> MessageKeys {
        let mut rng = CountingRng::new(seed);
        let mut key = |length| {
            let mut key = SecretBytes::zeroed(length);
            rng.fill(key.as_mut_bytes());
            key
        };
        MessageKeys::new(match protection {
            Protection::Aead(algorithm) => ProtectionKeys::Aead {
                algorithm,
                key: key(algorithm.key_len()),
            },
            Protection::EncryptThenMac(cipher, integrity) => ProtectionKeys::EncryptThenMac {
                cipher,
                key: key(cipher.key_len()),
                integrity,
                integrity_key: key(integrity.key_len()),
            },
        })
    }

    /// `IV ∣ text ∣ ICV`, with what `seal` writes filled with a pattern first.
    fn layout(protection: Protection, text: &[u8]) -> Vec<u8> {
        [
            &vec![0xa5; protection.iv_len()],
            text,
            &vec![0xa5; protection.icv_len()],
        ]
        .concat()
    }

    // The GCM specification's test cases 4, 10 and 16, whose IV is salt ∣ explicit IV.
    #[test]
    fn gcm_gives_the_published_vectors() {
        let plain = hex(
            "d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72
             1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b39",
        );
        let key = "feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308";
        let vectors = [
            (
                AeadAlgorithm::AesGcm16_128,
                "42831ec2217774244b7221b784d0d49c e3aa212f2c02a4e035c17e2329aca12e
                 21d514b25466931c7d8f6a5aac84aa05 1ba30b396a0aac973d58e091
                 5bc94fbc3221a5db94fae95ae7121a47",
            ),
            (
                AeadAlgorithm::AesGcm16_192,
                "3980ca0b3c00e841eb06fac4872a2757 859e1ceaa6efd984628593b40ca1e19c
                 7d773d00c144c525ac619d18c84a3f47 18e2448b2fe324d9ccda2710
                 2519498e80f1478f37ba55bd6d27618c",
            ),
            (
                AeadAlgorithm::AesGcm16_256,
                "522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa
                 8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662
                 76fc6ece0f4e1768cddf8853bb2d551b",
            ),
        ];
        let aad = hex("feedfacedeadbeeffeedfacedeadbeef abaddad2");
        for (algorithm, expected) in vectors {
            let key = [&hex(key)[..algorithm.cipher_key_len()], &hex("cafebabe")].concat();
            let keys = MessageKeys::new(ProtectionKeys::Aead {
                algorithm,
                key: SecretBytes::new(key),
            });
            let iv = hex("facedbaddecaf888");
            let mut sealed = layout(Protection::Aead(algorithm), &plain);
            assert_eq!(keys.seal_with_iv(&iv, &aad, &mut sealed), Ok(()));
            assert_eq!(sealed, [iv, hex(expected)].concat());
            assert_eq!(keys.open(&aad, &sealed).ok().unwrap().as_bytes(), plain);
        }
    }

    // RFC 5282 §4: an IV is used once under a key.
    #[test]
    fn combined_modes_count_their_ivs() {
        let mut keys = keys(Protection::Aead(AeadAlgorithm::AesGcm16_128), 1);
        let mut rng = CountingRng::new(1);
        for count in 0_u64..3 {
            let mut sealed = layout(keys.protection(), b"text");
            assert_eq!(keys.seal(&mut rng, b"", &mut sealed), Ok(()));
            assert_eq!(sealed[..8], count.to_be_bytes());
        }
        keys.next_iv = u64::MAX;
        let mut sealed = layout(keys.protection(), b"text");
        assert_eq!(
            keys.seal(&mut rng, b"", &mut sealed),
            Err(CryptoError::IvExhausted)
        );
    }

    // RFC 7296 §3.14#3: CBC's IV cannot be foretold.
    #[test]
    fn cbc_draws_its_ivs() {
        let protection =
            Protection::EncryptThenMac(CbcAlgorithm::AesCbc128, Integrity::HmacSha2_256_128);
        let mut sealed = layout(protection, &[0; 16]);
        let mut drawn = [0; 16];
        CountingRng::new(5).fill(&mut drawn);
        assert_eq!(
            keys(protection, 1).seal(&mut CountingRng::new(5), b"", &mut sealed),
            Ok(())
        );
        assert_eq!(sealed[..16], drawn);
    }

    #[test]
    fn refuses_to_seal_what_has_no_room_or_a_broken_block() {
        for protection in protections() {
            let mut keys = keys(protection, 1);
            let mut rng = CountingRng::new(1);
            let overhead = protection.iv_len() + protection.icv_len();
            for length in 0..overhead {
                let mut sealed = vec![0; length];
                assert_eq!(
                    keys.seal(&mut rng, b"", &mut sealed),
                    Err(CryptoError::Layout)
                );
            }
            for extra in 1..protection.block_len() {
                let mut sealed = vec![0; overhead + extra];
                assert_eq!(
                    keys.seal(&mut rng, b"", &mut sealed),
                    Err(CryptoError::Layout)
                );
            }
        }
    }

    #[test]
    fn keys_of_a_wrong_length_seal_and_open_nothing() {
        let mut keys = MessageKeys::new(ProtectionKeys::Aead {
            algorithm: AeadAlgorithm::AesGcm16_256,
            key: SecretBytes::zeroed(32),
        });
        let mut sealed = vec![0; 40];
        let sealing = keys.seal(&mut CountingRng::new(1), b"", &mut sealed);
        assert_eq!(sealing, Err(CryptoError::Layout));
        assert_eq!(keys.open(b"", &sealed).err(), Some(Forged));
    }

    proptest! {
        #[test]
        fn opens_what_was_sealed_and_nothing_that_was_changed(
            seed: u64,
            aad in proptest::collection::vec(any::<u8>(), 0..64),
            blocks in 0_usize..5,
            flip: proptest::sample::Index,
            bit in 0_u32..8,
            cut: proptest::sample::Index,
        ) {
            for protection in protections() {
                let mut keys = keys(protection, seed);
                let text = vec![0x3c; blocks * protection.block_len()];
                let mut sealed = layout(protection, &text);
                keys.seal(&mut CountingRng::new(seed), &aad, &mut sealed).unwrap();
                let opened = keys.open(&aad, &sealed).ok().unwrap();
                prop_assert_eq!(opened.as_bytes(), &text);

                let mut whole = [aad.clone(), sealed.clone()].concat();
                let at = flip.index(whole.len());
                whole[at] ^= 1 << bit;
                let (changed_aad, changed) = whole.split_at(aad.len());
                prop_assert_eq!(keys.open(changed_aad, changed).err(), Some(Forged));

                let shorter = &sealed[..cut.index(sealed.len())];
                prop_assert_eq!(keys.open(&aad, shorter).err(), Some(Forged));
                prop_assert_eq!(keys.open(&aad, &[&sealed[..], &[0]].concat()).err(), Some(Forged));
            }
        }
    }
}
