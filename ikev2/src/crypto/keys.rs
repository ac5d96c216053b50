//! The key schedule: SKEYSEED → the seven SK_* → the keys of child SAs, and the schedule of rekeying
//! (RFC 7296 §2.14, §2.17, §2.18).
//!
//! Keys are sorted by direction when they are derived and by role once, in `into_role`; after that
//! nobody asks who initiated.
//!
//! ```text
//! SkeySeed::initial ──┐
//!                     ├─ derive ─> IkeKeys ── into_role ─> RoleKeys
//! SkeySeed::rekeyed ──┘                                       │
//!      ▲                                                 DerivationKey ── child_keys ─> ChildKeys
//!      └──────────────────────────────────────────────────────┘
//! ```

use subtle::ConstantTimeEq;

use super::cipher::MessageKeys;
use super::prf::{PrfPlus, prf};
use super::suite::{
    AeadAlgorithm, CbcAlgorithm, EspSuite, IkeSuite, Integrity, PrfAlgorithm, Protection,
};
use crate::secret::{PreSharedKey, SecretBytes, SharedSecret};

/// Which end of an exchange this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sent the request.
    Initiator,
    /// Sent the response.
    Responder,
}

/// SKEYSEED: one PRF output from which the keys of an IKE SA are cut.
pub struct SkeySeed(SecretBytes);

impl SkeySeed {
    /// The seed of the initial exchange: prf(Ni ∣ Nr, g^ir).
    ///
    /// `ni` and `nr` are the nonces' data without payload header. A repeated IKE_SA_INIT (COOKIE,
    /// INVALID_KE_PAYLOAD) may change `ni`'s message but it is the last one's nonce that counts.
    pub fn initial(algorithm: PrfAlgorithm, ni: &[u8], nr: &[u8], secret: &SharedSecret) -> Self {
        // RFC 7296 §2.14: the nonces together are the key, the shared secret is the message.
        let nonces = SecretBytes::new([ni, nr].concat());
        Self(prf(algorithm, nonces.as_bytes(), &[secret.as_bytes()]))
    }

    /// The seed after a further key exchange of the initial exchanges: prf(SK_d so far, SK(n) ∣ Ni ∣ Nr)
    /// (RFC 9370).
    pub fn advanced(so_far: &DerivationKey, secret: &SharedSecret, ni: &[u8], nr: &[u8]) -> Self {
        Self(prf(
            so_far.algorithm,
            so_far.key.as_bytes(),
            &[secret.as_bytes(), ni, nr],
        ))
    }

    /// The seed of an IKE SA that replaces another: prf(old SK_d, g^ir ∣ Ni ∣ Nr), under the old SA's
    /// PRF; after `further` key exchanges prf(old SK_d, SK(0) ∣ Ni ∣ Nr ∣ SK(1) ∣ … ∣ SK(n)) (RFC 9370).
    pub fn rekeyed(
        old: &DerivationKey,
        secret: &SharedSecret,
        (ni, nr): (&[u8], &[u8]),
        further: &[SharedSecret],
    ) -> Self {
        // RFC 7296 §2.18: the old SA's key and PRF make the seed, the new SA's PRF the keys.
        // RFC 9370 §rules#10: the further secrets follow the nonces.
        let mut parts = alloc::vec![secret.as_bytes(), ni, nr];
        parts.extend(further.iter().map(SharedSecret::as_bytes));
        Self(prf(old.algorithm, old.key.as_bytes(), &parts))
    }

    /// Cuts SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi and SK_pr, in this order, from
    /// prf+(SKEYSEED, Ni ∣ Nr ∣ SPIi ∣ SPIr) (RFC 7296 §2.14).
    ///
    /// `suite` is the one agreed for the SA that gets the keys, `spi_i` and `spi_r` are that SA's too.
    pub fn derive(&self, suite: IkeSuite, ni: &[u8], nr: &[u8], spi_i: u64, spi_r: u64) -> IkeKeys {
        let (protection, prf_len) = (suite.protection, suite.prf.key_len());
        let mut stream = PrfPlus::new(
            suite.prf,
            self.0.as_bytes(),
            &[ni, nr, &spi_i.to_be_bytes(), &spi_r.to_be_bytes()],
        );
        let d = stream.take(prf_len);
        // RFC 5282 §7: a combined mode's integrity keys have no length, so nothing is cut for them.
        let ai = stream.take(protection.integrity_key_len());
        let ar = stream.take(protection.integrity_key_len());
        let ei = stream.take(protection.encryption_key_len());
        let er = stream.take(protection.encryption_key_len());
        let pi = stream.take(prf_len);
        let pr = stream.take(prf_len);
        IkeKeys {
            derivation: DerivationKey {
                algorithm: suite.prf,
                key: d,
            },
            initiator_proof: pi,
            responder_proof: pr,
            initiator_to_responder: MessageKeys::new(ProtectionKeys::new(protection, ei, ai)),
            responder_to_initiator: MessageKeys::new(ProtectionKeys::new(protection, er, ar)),
        }
    }

    /// The octets, for `debug crypto ikev2 keylog` and nothing else.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// SK_d with the PRF it belongs to: what an IKE SA keeps to derive further keys with.
pub struct DerivationKey {
    algorithm: PrfAlgorithm,
    key: SecretBytes,
}

impl DerivationKey {
    /// The keys of a child SA: KEYMAT = prf+(SK_d, \[g^ir ∣\] Ni ∣ Nr) (RFC 7296 §2.17).
    ///
    /// `secret` is present where the CREATE_CHILD_SA exchange had KE payloads. For the child of IKE_AUTH
    /// the nonces are those of IKE_SA_INIT and there is no secret; otherwise they are the
    /// CREATE_CHILD_SA exchange's own.
    pub fn child_keys(
        &self,
        suite: EspSuite,
        secret: Option<&SharedSecret>,
        ni: &[u8],
        nr: &[u8],
    ) -> ChildKeys {
        self.child_keys_after(suite, secret, (ni, nr), &[])
    }

    /// As [`child_keys`](Self::child_keys), with the secrets of the key exchanges after the first:
    /// KEYMAT = prf+(SK_d, SK(0) ∣ Ni ∣ Nr ∣ SK(1) ∣ … ∣ SK(n)) (RFC 9370).
    pub fn child_keys_after(
        &self,
        suite: EspSuite,
        secret: Option<&SharedSecret>,
        (ni, nr): (&[u8], &[u8]),
        further: &[SharedSecret],
    ) -> ChildKeys {
        let secret = secret.map(SharedSecret::as_bytes).unwrap_or_default();
        // RFC 9370 §rules#11: the further secrets follow the nonces.
        let mut parts = alloc::vec![secret, ni, nr];
        parts.extend(further.iter().map(SharedSecret::as_bytes));
        let mut stream = PrfPlus::new(self.algorithm, self.key.as_bytes(), &parts);
        // RFC 7296 §2.17#1-3: initiator's direction first; in each direction encryption before integrity.
        let mut direction = || {
            let encryption = stream.take(suite.protection.encryption_key_len());
            let integrity = stream.take(suite.protection.integrity_key_len());
            ProtectionKeys::new(suite.protection, encryption, integrity)
        };
        ChildKeys {
            initiator_to_responder: direction(),
            responder_to_initiator: direction(),
        }
    }

    /// SK_d with a post-quantum pre-shared key mixed in: prf+ (PPK, SK_d') (RFC 8784 §3).
    pub fn mixed(&self, ppk: &PreSharedKey) -> Self {
        Self {
            algorithm: self.algorithm,
            key: mixed(self.algorithm, ppk, &self.key),
        }
    }

    /// The PRF agreed for the IKE SA.
    pub fn algorithm(&self) -> PrfAlgorithm {
        self.algorithm
    }

    /// SK_d itself.
    pub fn as_bytes(&self) -> &[u8] {
        self.key.as_bytes()
    }
}

/// prf+ (PPK, key), as long as the key (RFC 8784 §3).
pub fn mixed(algorithm: PrfAlgorithm, ppk: &PreSharedKey, key: &SecretBytes) -> SecretBytes {
    PrfPlus::new(algorithm, ppk.as_bytes(), &[key.as_bytes()]).take(key.len())
}

/// The keys of one IKE SA, by direction.
pub struct IkeKeys {
    /// SK_d and its PRF.
    pub derivation: DerivationKey,
    /// SK_pi, the initiator's part in AUTH (RFC 7296 §2.15).
    pub initiator_proof: SecretBytes,
    /// SK_pr, the responder's part in AUTH.
    pub responder_proof: SecretBytes,
    /// SK_ei and SK_ai.
    pub initiator_to_responder: MessageKeys,
    /// SK_er and SK_ar.
    pub responder_to_initiator: MessageKeys,
}

impl IkeKeys {
    /// Sorts the keys for the end that had `role` in the exchange which made the SA.
    pub fn into_role(self, role: Role) -> RoleKeys {
        let (outbound, inbound, local_proof, remote_proof) = match role {
            Role::Initiator => (
                self.initiator_to_responder,
                self.responder_to_initiator,
                self.initiator_proof,
                self.responder_proof,
            ),
            Role::Responder => (
                self.responder_to_initiator,
                self.initiator_to_responder,
                self.responder_proof,
                self.initiator_proof,
            ),
        };
        RoleKeys {
            derivation: self.derivation,
            local_proof,
            remote_proof,
            inbound,
            outbound,
        }
    }
}

/// The keys of one IKE SA, as one of its ends uses them.
pub struct RoleKeys {
    /// SK_d and its PRF.
    pub derivation: DerivationKey,
    /// SK_pi or SK_pr, whichever goes into this end's own AUTH.
    pub local_proof: SecretBytes,
    /// The other one, which goes into the peer's AUTH.
    pub remote_proof: SecretBytes,
    /// Opens what the peer sends.
    pub inbound: MessageKeys,
    /// Seals what this end sends.
    pub outbound: MessageKeys,
}

/// The keys of a pair of child SAs, by direction. Initiator is here the end that started the exchange
/// which made the pair, whoever started the IKE SA (RFC 7296 §2.17).
pub struct ChildKeys {
    /// Protects what that exchange's initiator sends.
    pub initiator_to_responder: ProtectionKeys,
    /// Protects what that exchange's responder sends.
    pub responder_to_initiator: ProtectionKeys,
}

impl ChildKeys {
    /// Sorts the keys for the end that had `role` in the exchange which made the pair.
    pub fn into_role(self, role: Role) -> RoleChildKeys {
        let (outbound, inbound) = match role {
            Role::Initiator => (self.initiator_to_responder, self.responder_to_initiator),
            Role::Responder => (self.responder_to_initiator, self.initiator_to_responder),
        };
        RoleChildKeys { inbound, outbound }
    }
}

/// The keys of a pair of child SAs, as one of its ends installs them.
pub struct RoleChildKeys {
    /// Of the SA that packets arrive on.
    pub inbound: ProtectionKeys,
    /// Of the SA that packets leave on.
    pub outbound: ProtectionKeys,
}

/// The keys of one direction, each at the length that its algorithm takes: complete like the
/// [`Protection`] they were cut for.
pub enum ProtectionKeys {
    /// A combined mode.
    Aead {
        /// What the key is for.
        algorithm: AeadAlgorithm,
        /// The AES key, followed by its 4-octet salt: [`AeadAlgorithm::key_len`] octets. The kernel's
        /// rfc4106 takes it so.
        key: SecretBytes,
    },
    /// Encryption, then a MAC.
    EncryptThenMac {
        /// What `key` is for.
        cipher: CbcAlgorithm,
        /// [`CbcAlgorithm::key_len`] octets.
        key: SecretBytes,
        /// What `integrity_key` is for.
        integrity: Integrity,
        /// [`Integrity::key_len`] octets.
        integrity_key: SecretBytes,
    },
}

impl ProtectionKeys {
    /// `encryption` and `integrity` have the lengths that `protection` states: both come from the
    /// stream by those lengths.
    fn new(protection: Protection, encryption: SecretBytes, integrity: SecretBytes) -> Self {
        match protection {
            Protection::Aead(algorithm) => Self::Aead {
                algorithm,
                key: encryption,
            },
            Protection::EncryptThenMac(cipher, algorithm) => Self::EncryptThenMac {
                cipher,
                key: encryption,
                integrity: algorithm,
                integrity_key: integrity,
            },
        }
    }

    /// What the keys are for.
    pub fn protection(&self) -> Protection {
        match self {
            Self::Aead { algorithm, .. } => Protection::Aead(*algorithm),
            Self::EncryptThenMac {
                cipher, integrity, ..
            } => Protection::EncryptThenMac(*cipher, *integrity),
        }
    }

    /// The encryption key; a combined mode's with its salt.
    pub fn encryption(&self) -> &SecretBytes {
        match self {
            Self::Aead { key, .. } | Self::EncryptThenMac { key, .. } => key,
        }
    }

    /// The integrity key, where the mode takes one.
    pub fn integrity(&self) -> Option<&SecretBytes> {
        match self {
            Self::Aead { .. } => None,
            Self::EncryptThenMac { integrity_key, .. } => Some(integrity_key),
        }
    }
}

/// Constant-time in the keys. The algorithms are no secret.
impl PartialEq for ProtectionKeys {
    fn eq(&self, other: &Self) -> bool {
        let integrity = match (self.integrity(), other.integrity()) {
            (None, None) => 1.into(),
            (Some(ours), Some(theirs)) => ours.ct_eq(theirs),
            (None, Some(_)) | (Some(_), None) => 0.into(),
        };
        self.protection() == other.protection()
            && (self.encryption().ct_eq(other.encryption()) & integrity).into()
    }
}

impl Eq for ProtectionKeys {}

// RFC 7296 §2.13: prf+ ends after 255 blocks. The longest key stream of any suite fits into those of
// the shortest PRF; the child SA's stream is shorter still.
const _: () = {
    let longest = 3 * PrfAlgorithm::HmacSha2_512.key_len()
        + 2 * AeadAlgorithm::AesGcm16_256.key_len()
        + 2 * Integrity::HmacSha2_512_256.key_len();
    assert!(longest <= PrfPlus::limit(PrfAlgorithm::HmacSha1));
};
