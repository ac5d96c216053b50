//! ESP algorithms, and keys that fit them.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;

/// The length of an AES key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AesKeySize {
    /// 128 bits.
    Aes128,
    /// 192 bits.
    Aes192,
    /// 256 bits.
    Aes256,
}

impl AesKeySize {
    /// In bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        match self {
            Self::Aes128 => 128,
            Self::Aes192 => 192,
            Self::Aes256 => 256,
        }
    }

    /// In octets.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

/// The integrity algorithm beside a cipher that has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Integrity {
    /// HMAC-SHA-1, 96 bits of it (RFC 2404).
    HmacSha1_96,
    /// HMAC-SHA-256, 128 bits of it (RFC 4868).
    HmacSha256_128,
    /// HMAC-SHA-384, 192 bits of it (RFC 4868).
    HmacSha384_192,
    /// HMAC-SHA-512, 256 bits of it (RFC 4868).
    HmacSha512_256,
}

impl Integrity {
    /// Octets of the key: the hash's whole output (RFC 2404 §3, RFC 4868 §2.1.1).
    #[must_use]
    pub const fn key_octets(self) -> usize {
        match self {
            Self::HmacSha1_96 => 20,
            Self::HmacSha256_128 => 32,
            Self::HmacSha384_192 => 48,
            Self::HmacSha512_256 => 64,
        }
    }

    /// Octets of the integrity check value in a packet.
    #[must_use]
    pub const fn icv_octets(self) -> usize {
        match self {
            Self::HmacSha1_96 => 12,
            Self::HmacSha256_128 => 16,
            Self::HmacSha384_192 => 24,
            Self::HmacSha512_256 => 32,
        }
    }
}

/// A complete choice of ESP algorithms: there is none without integrity protection.
// RFC 4303 §1#4: confidentiality and integrity, always both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EspAlgorithm {
    /// AES-GCM with a 16-octet check value (RFC 4106).
    AesGcm16(AesKeySize),
    /// AES-CBC (RFC 3602) with a truncated HMAC.
    AesCbcHmac {
        /// The cipher's key.
        key_size: AesKeySize,
        /// What protects the packet.
        integrity: Integrity,
    },
}

impl EspAlgorithm {
    /// Octets of the salt that follow the key of AES-GCM (RFC 4106 §8.1).
    pub const GCM_SALT_OCTETS: usize = 4;

    /// Octets of [`SaKeys::encryption`], GCM's salt included.
    #[must_use]
    pub const fn encryption_octets(self) -> usize {
        match self {
            Self::AesGcm16(key_size) => key_size.octets().saturating_add(Self::GCM_SALT_OCTETS),
            Self::AesCbcHmac { key_size, .. } => key_size.octets(),
        }
    }

    /// Octets of [`SaKeys::integrity`]; 0 for AES-GCM.
    #[must_use]
    pub const fn integrity_octets(self) -> usize {
        match self {
            Self::AesGcm16(_) => 0,
            Self::AesCbcHmac { integrity, .. } => integrity.key_octets(),
        }
    }
}

impl fmt::Display for EspAlgorithm {
    /// In the words of an IOS transform set: `esp-gcm 256`, `esp-256-aes esp-sha256-hmac`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AesGcm16(key_size) => write!(f, "esp-gcm {}", key_size.bits()),
            Self::AesCbcHmac {
                key_size,
                integrity,
            } => {
                match key_size {
                    AesKeySize::Aes128 => f.write_str("esp-aes")?,
                    AesKeySize::Aes192 => f.write_str("esp-192-aes")?,
                    AesKeySize::Aes256 => f.write_str("esp-256-aes")?,
                }
                f.write_str(match integrity {
                    Integrity::HmacSha1_96 => " esp-sha-hmac",
                    Integrity::HmacSha256_128 => " esp-sha256-hmac",
                    Integrity::HmacSha384_192 => " esp-sha384-hmac",
                    Integrity::HmacSha512_256 => " esp-sha512-hmac",
                })
            }
        }
    }
}

/// One SA's algorithm and the keys for it, of the right lengths. Zeroed when dropped; never printed.
#[derive(Clone)]
pub struct SaKeys {
    algorithm: EspAlgorithm,
    encryption: Zeroizing<Vec<u8>>,
    integrity: Zeroizing<Vec<u8>>,
}

impl SaKeys {
    /// Keys for `algorithm`: `encryption` is AES-GCM's key ‖ 4-octet salt or AES-CBC's key, `integrity` the
    /// HMAC key, empty for AES-GCM.
    ///
    /// # Errors
    /// [`Error::KeyLength`].
    pub fn new(
        algorithm: EspAlgorithm,
        encryption: &[u8],
        integrity: &[u8],
    ) -> Result<Self, Error> {
        for (key, octets, expected) in [
            ("encryption", encryption, algorithm.encryption_octets()),
            ("integrity", integrity, algorithm.integrity_octets()),
        ] {
            if octets.len() != expected {
                return Err(Error::KeyLength {
                    algorithm,
                    key,
                    expected,
                    actual: octets.len(),
                });
            }
        }
        Ok(Self {
            algorithm,
            encryption: Zeroizing::new(encryption.to_vec()),
            integrity: Zeroizing::new(integrity.to_vec()),
        })
    }

    /// What the keys are for.
    #[must_use]
    pub const fn algorithm(&self) -> EspAlgorithm {
        self.algorithm
    }

    /// The cipher's key; AES-GCM's is followed by its 4-octet salt, the form that both IKE's keying
    /// material and the kernel use.
    #[must_use]
    pub fn encryption(&self) -> &[u8] {
        &self.encryption
    }

    /// The HMAC's key; empty for AES-GCM.
    #[must_use]
    pub fn integrity(&self) -> &[u8] {
        &self.integrity
    }
}

impl Zeroize for SaKeys {
    fn zeroize(&mut self) {
        self.encryption.zeroize();
        self.integrity.zeroize();
    }
}

impl ZeroizeOnDrop for SaKeys {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_their_algorithm_or_are_refused() {
        let gcm = EspAlgorithm::AesGcm16(AesKeySize::Aes128);
        assert!(SaKeys::new(gcm, &[0; 20], &[]).is_ok());
        let wrong = |key, expected, actual| Error::KeyLength {
            algorithm: gcm,
            key,
            expected,
            actual,
        };
        assert_eq!(
            SaKeys::new(gcm, &[0; 16], &[]).err(),
            Some(wrong("encryption", 20, 16))
        );
        assert_eq!(
            SaKeys::new(gcm, &[0; 20], &[0; 20]).err(),
            Some(wrong("integrity", 0, 20))
        );
        assert_eq!(
            wrong("integrity", 0, 20).to_string(),
            "esp-gcm 128: integrity key has 20 octets, expected 0"
        );
        let cbc = EspAlgorithm::AesCbcHmac {
            key_size: AesKeySize::Aes256,
            integrity: Integrity::HmacSha384_192,
        };
        assert!(SaKeys::new(cbc, &[0; 32], &[0; 48]).is_ok());
        assert_eq!(cbc.to_string(), "esp-256-aes esp-sha384-hmac");
    }
}
