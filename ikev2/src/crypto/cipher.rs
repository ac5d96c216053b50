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
                // RFC 7296 §3.14: the check value covers the message from the start of its header to
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
