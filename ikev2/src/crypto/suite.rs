//! The algorithms that this crate can run, and the complete choices made of them.
//!
//! A value of these types can always be carried out: what only a registry knows lives with the codec.
//! Combined and separate modes are told apart by [`Protection`], so that nowhere an optional integrity
//! algorithm has to be looked at. All lengths are in octets.

use core::fmt;

/// A hash function, as RFC 7427 §7 and the PRFs name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-1: NAT detection, CERTREQ and peers of the older kind only.
    Sha1,
    /// SHA2-256.
    Sha2_256,
    /// SHA2-384.
    Sha2_384,
    /// SHA2-512.
    Sha2_512,
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA-1",
            Self::Sha2_256 => "SHA2-256",
            Self::Sha2_384 => "SHA2-384",
            Self::Sha2_512 => "SHA2-512",
        })
    }
}

impl Hash {
    /// Every hash function, weakest first.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha2_256, Self::Sha2_384, Self::Sha2_512];

    /// Length of a digest.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha2_256 => 32,
            Self::Sha2_384 => 48,
            Self::Sha2_512 => 64,
        }
    }

    /// The number in the IKEv2 hash algorithm registry that RFC 7427 §4 opened.
    pub const fn number(self) -> u16 {
        match self {
            Self::Sha1 => 1,
            Self::Sha2_256 => 2,
            Self::Sha2_384 => 3,
            Self::Sha2_512 => 4,
        }
    }

    /// The hash function with that number (RFC 7427 §4), if it is one of these.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Sha1),
            2 => Some(Self::Sha2_256),
            3 => Some(Self::Sha2_384),
            4 => Some(Self::Sha2_512),
            _ => None,
        }
    }
}

/// A pseudorandom function (RFC 7296 §2.13): HMAC with one of the [`enum@Hash`]es.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrfAlgorithm {
    /// PRF_HMAC_SHA1 (RFC 2104).
    HmacSha1,
    /// PRF_HMAC_SHA2_256 (RFC 4868).
    HmacSha2_256,
    /// PRF_HMAC_SHA2_384 (RFC 4868).
    HmacSha2_384,
    /// PRF_HMAC_SHA2_512 (RFC 4868).
    HmacSha2_512,
}

impl PrfAlgorithm {
    /// Every PRF, shortest output first.
    pub const ALL: [Self; 4] = [
        Self::HmacSha1,
        Self::HmacSha2_256,
        Self::HmacSha2_384,
        Self::HmacSha2_512,
    ];

    /// The hash function inside.
    pub const fn hash(self) -> Hash {
        match self {
            Self::HmacSha1 => Hash::Sha1,
            Self::HmacSha2_256 => Hash::Sha2_256,
            Self::HmacSha2_384 => Hash::Sha2_384,
            Self::HmacSha2_512 => Hash::Sha2_512,
        }
    }

    /// Length of an output block, which for an HMAC is also the preferred key length (RFC 4868 §2.4)
    /// and so the length of SK_d, SK_pi and SK_pr (RFC 7296 §2.14).
    // RFC 7296 §2.13#3, §2.14#1, §5#1: as long as the hash's output, 160 bits at least.
    pub const fn key_len(self) -> usize {
        self.hash().output_len()
    }
}

/// An integrity algorithm: HMAC, cut to its first octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Integrity {
    /// AUTH_HMAC_SHA1_96 (RFC 2404).
    HmacSha1_96,
    /// AUTH_HMAC_SHA2_256_128 (RFC 4868).
    HmacSha2_256_128,
    /// AUTH_HMAC_SHA2_384_192 (RFC 4868).
    HmacSha2_384_192,
    /// AUTH_HMAC_SHA2_512_256 (RFC 4868).
    HmacSha2_512_256,
}

impl Integrity {
    /// Every integrity algorithm, shortest check value first.
    pub const ALL: [Self; 4] = [
        Self::HmacSha1_96,
        Self::HmacSha2_256_128,
        Self::HmacSha2_384_192,
        Self::HmacSha2_512_256,
    ];

    /// The same HMAC, uncut.
    pub const fn prf(self) -> PrfAlgorithm {
        match self {
            Self::HmacSha1_96 => PrfAlgorithm::HmacSha1,
            Self::HmacSha2_256_128 => PrfAlgorithm::HmacSha2_256,
            Self::HmacSha2_384_192 => PrfAlgorithm::HmacSha2_384,
            Self::HmacSha2_512_256 => PrfAlgorithm::HmacSha2_512,
        }
    }

    /// Key length: the whole output of the hash (RFC 2404 §2, RFC 4868 §2.1.1).
    pub const fn key_len(self) -> usize {
        self.prf().key_len()
    }

    /// Length of the integrity check value.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::HmacSha1_96 => 12,
            Self::HmacSha2_256_128 => 16,
            Self::HmacSha2_384_192 => 24,
            Self::HmacSha2_512_256 => 32,
        }
    }
}

/// AES-GCM with a 16-octet check value (RFC 4106 for ESP, RFC 5282 for IKE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AeadAlgorithm {
    /// AES-GCM-16 with a 128-bit key.
    AesGcm16_128,
    /// AES-GCM-16 with a 192-bit key.
    AesGcm16_192,
    /// AES-GCM-16 with a 256-bit key.
    AesGcm16_256,
}

impl AeadAlgorithm {
    /// Every combined-mode algorithm, shortest key first.
    pub const ALL: [Self; 3] = [Self::AesGcm16_128, Self::AesGcm16_192, Self::AesGcm16_256];

    /// Octets of salt that end the keying material (RFC 5282 §7.1, RFC 4106 §8.1).
    pub const SALT_LEN: usize = 4;

    /// Length of the AES key alone, as the Key Length attribute says it, in octets.
    pub const fn cipher_key_len(self) -> usize {
        match self {
            Self::AesGcm16_128 => 16,
            Self::AesGcm16_192 => 24,
            Self::AesGcm16_256 => 32,
        }
    }

    /// Length of the keying material: AES key and salt.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesGcm16_128 => 16 + Self::SALT_LEN,
            Self::AesGcm16_192 => 24 + Self::SALT_LEN,
            Self::AesGcm16_256 => 32 + Self::SALT_LEN,
        }
    }
}

/// AES-CBC (RFC 3602), to be joined with an [`Integrity`] algorithm.
// RFC 7296 §5#2: ENCR_NULL is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CbcAlgorithm {
    /// AES-CBC with a 128-bit key.
    AesCbc128,
    /// AES-CBC with a 192-bit key.
    AesCbc192,
    /// AES-CBC with a 256-bit key.
    AesCbc256,
}

impl CbcAlgorithm {
    /// Every CBC cipher, shortest key first.
    pub const ALL: [Self; 3] = [Self::AesCbc128, Self::AesCbc192, Self::AesCbc256];

    /// Key length.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCbc128 => 16,
            Self::AesCbc192 => 24,
            Self::AesCbc256 => 32,
        }
    }
}

/// How the contents of an SA's packets are protected: always both confidential and authentic.
// RFC 7296 §3.14#2: nothing else can be agreed: each of these has its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protection {
    /// One algorithm does both.
    Aead(AeadAlgorithm),
    /// Encryption, then a MAC over the result.
    EncryptThenMac(CbcAlgorithm, Integrity),
}

impl Protection {
    /// Length of the encryption key in the keying material: SK_e, or ESP's. A combined mode's ends in
    /// its salt.
    pub const fn encryption_key_len(self) -> usize {
        match self {
            Self::Aead(algorithm) => algorithm.key_len(),
            Self::EncryptThenMac(cipher, _) => cipher.key_len(),
        }
    }

    /// Length of the integrity key in the keying material; 0 for a combined mode, which takes none
    /// (RFC 5282 §7).
    pub const fn integrity_key_len(self) -> usize {
        match self {
            Self::Aead(_) => 0,
            Self::EncryptThenMac(_, integrity) => integrity.key_len(),
        }
    }

    /// Length of the IV that travels in front of the ciphertext.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::Aead(_) => 8,
            Self::EncryptThenMac(_, _) => 16,
        }
    }

    /// The multiple to which an IKE message's plaintext and its padding must come. GCM has none, that
    /// is 1 (RFC 5282 §3).
    pub const fn block_len(self) -> usize {
        match self {
            Self::Aead(_) => 1,
            Self::EncryptThenMac(_, _) => 16,
        }
    }

    /// Length of the integrity check value that ends a packet.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::Aead(_) => 16,
            Self::EncryptThenMac(_, integrity) => integrity.icv_len(),
        }
    }

    /// Whether one algorithm both encrypts and authenticates.
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::Aead(_))
    }
}

/// A key exchange method, under its Transform Type 4 number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Group {
    /// 2048-bit MODP (RFC 3526 §3).
    Modp2048 = 14,
    /// 3072-bit MODP (RFC 3526 §4).
    Modp3072 = 15,
    /// 4096-bit MODP (RFC 3526 §5).
    Modp4096 = 16,
    /// 256-bit random ECP, P-256 (RFC 5903).
    EcpP256 = 19,
    /// 384-bit random ECP, P-384 (RFC 5903).
    EcpP384 = 20,
    /// 521-bit random ECP, P-521 (RFC 5903).
    EcpP521 = 21,
    /// Curve25519 (RFC 8031).
    Curve25519 = 31,
    /// ML-KEM-512 (FIPS 203).
    MlKem512 = 35,
    /// ML-KEM-768 (FIPS 203).
    MlKem768 = 36,
    /// ML-KEM-1024 (FIPS 203).
    MlKem1024 = 37,
}

impl Group {
    /// Every method, by number.
    pub const ALL: [Self; 10] = [
        Self::Modp2048,
        Self::Modp3072,
        Self::Modp4096,
        Self::EcpP256,
        Self::EcpP384,
        Self::EcpP521,
        Self::Curve25519,
        Self::MlKem512,
        Self::MlKem768,
        Self::MlKem1024,
    ];

    /// The methods in which each end has a public value of its own choosing.
    pub const DIFFIE_HELLMAN: [Self; 7] = [
        Self::Modp2048,
        Self::Modp3072,
        Self::Modp4096,
        Self::EcpP256,
        Self::EcpP384,
        Self::EcpP521,
        Self::Curve25519,
    ];

    /// The methods in which the responder encapsulates a secret for the initiator's public value.
    pub const ML_KEM: [Self; 3] = [Self::MlKem512, Self::MlKem768, Self::MlKem1024];

    /// Whether it is one of [`ML_KEM`](Self::ML_KEM).
    pub const fn is_ml_kem(self) -> bool {
        matches!(self, Self::MlKem512 | Self::MlKem768 | Self::MlKem1024)
    }

    /// The Transform Type 4 number, which is also the KE payload's.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The group with that number, if it is one of these.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.number() == number)
    }

    /// Length of the public value in the initiator's KE payload: MODP the modulus length (RFC 7296 §3.4),
    /// ECP x and y without a leading octet (RFC 5903 §7), Curve25519 32 (RFC 8031 §3.1), ML-KEM the
    /// encapsulation key (FIPS 203 §8).
    pub const fn public_len(self) -> usize {
        match self {
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
            Self::EcpP256 => 64,
            Self::EcpP384 => 96,
            Self::EcpP521 => 132,
            Self::Curve25519 => 32,
            // RFC 9370 §rules#12: the encapsulation key, and below the ciphertext and the secret.
            Self::MlKem512 => 800,
            Self::MlKem768 => 1184,
            Self::MlKem1024 => 1568,
        }
    }

    /// Length of the responder's: as the initiator's, with ML-KEM the ciphertext (FIPS 203 §8).
    pub const fn answer_len(self) -> usize {
        match self {
            Self::MlKem512 => 768,
            Self::MlKem768 => 1088,
            Self::MlKem1024 => 1568,
            _ => self.public_len(),
        }
    }

    /// Length of the shared secret: MODP the modulus length (RFC 7296 §2.14), ECP x alone
    /// (RFC 5903 §7), Curve25519 32 (RFC 8031 §3.1), ML-KEM 32 (FIPS 203 §8).
    pub const fn secret_len(self) -> usize {
        match self {
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
            Self::EcpP256 => 32,
            Self::EcpP384 => 48,
            Self::EcpP521 => 66,
            Self::Curve25519 | Self::MlKem512 | Self::MlKem768 | Self::MlKem1024 => 32,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MlKem512 => f.write_str("ML-KEM-512"),
            Self::MlKem768 => f.write_str("ML-KEM-768"),
            Self::MlKem1024 => f.write_str("ML-KEM-1024"),
            _ => write!(f, "group {}", self.number()),
        }
    }
}

/// The key exchanges beside the first (RFC 9370), each in its slot: slot 0 is Transform Type 6. They take
/// place in the order of their slots, each with another method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Additional([Option<Group>; Self::SLOTS]);

impl Additional {
    /// How many there may be: Transform Types 6 to 12.
    pub const SLOTS: usize = 7;

    /// None at all.
    pub const NONE: Self = Self([None; Self::SLOTS]);

    /// These, one slot after the other; what has no slot is left out.
    pub fn of(groups: &[Group]) -> Self {
        let mut all = Self::NONE;
        for (slot, &group) in all.0.iter_mut().zip(groups) {
            *slot = Some(group);
        }
        all
    }

    /// With `group` in `slot`.
    #[must_use]
    pub fn with(mut self, slot: usize, group: Group) -> Self {
        if let Some(place) = self.0.get_mut(slot) {
            *place = Some(group);
        }
        self
    }

    /// The slots that are used, in order, each with its method.
    pub fn slots(self) -> impl Iterator<Item = (usize, Group)> {
        self.0
            .into_iter()
            .enumerate()
            .filter_map(|(slot, group)| Some((slot, group?)))
    }

    /// The methods in order.
    pub fn groups(self) -> impl Iterator<Item = Group> {
        self.0.into_iter().flatten()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

/// Everything that an IKE SA's proposal decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IkeSuite {
    /// How SK and SKF payloads are sealed.
    pub protection: Protection,
    /// The PRF of the key derivation and of AUTH.
    pub prf: PrfAlgorithm,
    /// The key exchange of IKE_SA_INIT, or of the CREATE_CHILD_SA that made the SA.
    pub group: Group,
    /// Those after it.
    pub additional: Additional,
}

/// Everything that a child SA's proposal decides about ESP. Its key exchange, if it has one of its
/// own, is spent before the SA exists and so is no part of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EspSuite {
    /// How ESP packets are sealed.
    pub protection: Protection,
    /// Whether sequence numbers have 64 bits (RFC 4303 §2.2.1).
    pub esn: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_is_found_by_its_number_and_no_other_is() {
        for group in Group::ALL {
            assert_eq!(Group::from_number(group.number()), Some(group));
        }
        for number in [0, 1, 2, 5, 17, 18, 22, 32, 34, 38, u16::MAX] {
            assert_eq!(Group::from_number(number), None);
        }
    }

    #[test]
    fn every_hash_is_found_by_its_number_and_identity_is_none() {
        for hash in Hash::ALL {
            assert_eq!(Hash::from_number(hash.number()), Some(hash));
        }
        assert_eq!(Hash::from_number(0), None);
        assert_eq!(Hash::from_number(5), None);
    }

    // RFC 5282 §7.1: the keying material of AES-GCM is four octets longer than its key.
    #[test]
    fn gcm_keying_material_carries_four_octets_of_salt() {
        for algorithm in AeadAlgorithm::ALL {
            assert_eq!(algorithm.key_len(), algorithm.cipher_key_len() + 4);
        }
    }
}
