//! aws-lc: through aws-lc-rs where it can, through the small wrapper beside this file where not.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use aws_lc_rs::agreement::{self, ParsedPublicKey, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, RsaKeyPair, VerificationAlgorithm,
};

use super::aws_lc_ffi::{Modulus, Sha1Signer};
use super::ml_kem;
use super::modp::{GENERATOR, ModpGroup};
use super::std::sync::OnceLock;
use super::verifying_key::VerifyingKey;
use super::{
    SCALAR_ATTEMPTS, UNCOMPRESSED, check_contributory, check_length, clear_excess_bits, private_key,
};
use crate::crypto::ecdsa::Curve;
use crate::crypto::hash::sha1;
use crate::crypto::kex::{Answered, KexError, KeyExchange};
use crate::crypto::sign::{Family, Sha2, SignatureError, SignatureScheme, SignerError, SigningKey};
use crate::crypto::suite::{Group, Hash};
use crate::crypto::{CryptoError, Provider, Rng};
use crate::secret::{SecretBytes, SharedSecret};

const NAME: &str = "aws-lc";

/// The aws-lc provider.
#[derive(Clone, Copy, Debug)]
pub struct AwsLc;

impl Provider for AwsLc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn key_exchange(
        &self,
        group: Group,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn KeyExchange>, CryptoError> {
        match group {
            Group::Modp2048 => modp_pair(ModpGroup::Modp2048, rng),
            Group::Modp3072 => modp_pair(ModpGroup::Modp3072, rng),
            Group::Modp4096 => modp_pair(ModpGroup::Modp4096, rng),
            Group::EcpP256 => curve_pair(group, &agreement::ECDH_P256, rng),
            Group::EcpP384 => curve_pair(group, &agreement::ECDH_P384, rng),
            Group::EcpP521 => curve_pair(group, &agreement::ECDH_P521, rng),
            Group::Curve25519 => curve_pair(group, &agreement::X25519, rng),
            Group::MlKem512 | Group::MlKem768 | Group::MlKem1024 => ml_kem::pair(group),
        }
    }

    fn supports(&self, _: Group) -> bool {
        true
    }

    fn answer_exchange(
        &self,
        group: Group,
        rng: &mut dyn Rng,
        peer: &[u8],
    ) -> Result<Answered, KexError> {
        if group.is_ml_kem() {
            return ml_kem::encapsulate(group, peer);
        }
        Answered::by_pair(self.key_exchange(group, rng), group, peer)
    }

    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let (algorithm, key) = verification(VerifyingKey::read(scheme, spki_der)?);
        signature::UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .map_err(|_| SignatureError::Mismatch)
    }
}

fn verification(key: VerifyingKey<'_>) -> (&'static dyn VerificationAlgorithm, &[u8]) {
    match key {
        VerifyingKey::RsaPkcs1(hash, key) => match hash {
            Hash::Sha1 => (
                &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                key,
            ),
            Hash::Sha2_256 => (
                &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
                key,
            ),
            Hash::Sha2_384 => (&signature::RSA_PKCS1_2048_8192_SHA384, key),
            Hash::Sha2_512 => (
                &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
                key,
            ),
        },
        VerifyingKey::RsaPss(hash, key) => match hash {
            Sha2::Sha256 => (&signature::RSA_PSS_2048_8192_SHA256, key),
            Sha2::Sha384 => (&signature::RSA_PSS_2048_8192_SHA384, key),
            Sha2::Sha512 => (&signature::RSA_PSS_2048_8192_SHA512, key),
        },
        // RFC 7427 §3#3: a hash longer than the order is shortened to its leftmost bits, by the
        // provider.
        VerifyingKey::Ecdsa(curve, hash, point) => match (curve, hash) {
            (Curve::P256, Sha2::Sha256) => (&signature::ECDSA_P256_SHA256_ASN1, point),
            (Curve::P256, Sha2::Sha384) => (&signature::ECDSA_P256_SHA384_ASN1, point),
            (Curve::P256, Sha2::Sha512) => (&signature::ECDSA_P256_SHA512_ASN1, point),
            (Curve::P384, Sha2::Sha256) => (&signature::ECDSA_P384_SHA256_ASN1, point),
            (Curve::P384, Sha2::Sha384) => (&signature::ECDSA_P384_SHA384_ASN1, point),
            (Curve::P384, Sha2::Sha512) => (&signature::ECDSA_P384_SHA512_ASN1, point),
            (Curve::P521, Sha2::Sha256) => (&signature::ECDSA_P521_SHA256_ASN1, point),
            (Curve::P521, Sha2::Sha384) => (&signature::ECDSA_P521_SHA384_ASN1, point),
            (Curve::P521, Sha2::Sha512) => (&signature::ECDSA_P521_SHA512_ASN1, point),
        },
    }
}

// --- MODP ---

struct ModpPair {
    group: ModpGroup,
    exponent: SecretBytes,
    public: Vec<u8>,
}

fn modp_pair(group: ModpGroup, rng: &mut dyn Rng) -> Result<Box<dyn KeyExchange>, CryptoError> {
    let modulus = modulus(group).ok_or(CryptoError::Provider("Montgomery context"))?;
    let exponent = group.draw_exponent(rng)?;
    // RFC 7296 §3.4#1: the public value has the length of the modulus, zeros in front if need be.
    let mut public = vec![0; group.group().public_len()];
    modulus
        .power(&[GENERATOR], exponent.as_bytes(), &mut public)
        .ok_or(CryptoError::Provider("modular exponentiation"))?;
    Ok(Box::new(ModpPair {
        group,
        exponent,
        public,
    }))
}

impl KeyExchange for ModpPair {
    fn group(&self) -> Group {
        self.group.group()
    }

    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError> {
        self.group.check_public(peer)?;
        let group = self.group.group();
        // RFC 7296 §2.14: g^ir has the length of the modulus as well.
        let mut secret = SecretBytes::zeroed(group.secret_len());
        modulus(self.group)
            .and_then(|modulus| {
                modulus.power(peer, self.exponent.as_bytes(), secret.as_mut_bytes())
            })
            .ok_or(KexError::Provider { group })?;
        Ok(SharedSecret::new(secret))
    }
}

/// The group's modulus, prepared at its first use; `None` only where memory ran out then.
fn modulus(group: ModpGroup) -> Option<&'static Modulus> {
    static MODP_2048: OnceLock<Option<Modulus>> = OnceLock::new();
    static MODP_3072: OnceLock<Option<Modulus>> = OnceLock::new();
    static MODP_4096: OnceLock<Option<Modulus>> = OnceLock::new();
    let prepared = match group {
        ModpGroup::Modp2048 => &MODP_2048,
        ModpGroup::Modp3072 => &MODP_3072,
        ModpGroup::Modp4096 => &MODP_4096,
    };
    prepared
        .get_or_init(|| Modulus::new(&group.prime_octets().collect::<Vec<u8>>()))
        .as_ref()
}

// --- Elliptic curves ---

struct CurvePair {
    group: Group,
    private: PrivateKey,
    public: Vec<u8>,
}

fn curve_pair(
    group: Group,
    algorithm: &'static agreement::Algorithm,
    rng: &mut dyn Rng,
) -> Result<Box<dyn KeyExchange>, CryptoError> {
    let private = draw_private(group, algorithm, rng)?;
    let encoded = private
        .compute_public_key()
        .map_err(|_| CryptoError::Provider("public value"))?;
    // RFC 5903 §7: x and y alone; the octet in front, which says "uncompressed", stays home.
    let public = match group {
        Group::Curve25519 => Some(encoded.as_ref()),
        _ => encoded.as_ref().strip_prefix(&[UNCOMPRESSED]),
    }
    .filter(|public| public.len() == group.public_len())
    .ok_or(CryptoError::Provider("form of the public value"))?
    .to_vec();
    Ok(Box::new(CurvePair {
        group,
        private,
        public,
    }))
}

/// A scalar between 1 and the curve's order, by drawing until one fits. On these curves the first or
/// second one does, unless the source of randomness is broken.
fn draw_private(
    group: Group,
    algorithm: &'static agreement::Algorithm,
    rng: &mut dyn Rng,
) -> Result<PrivateKey, CryptoError> {
    // On these curves a scalar has the length of a coordinate, and so of the secret.
    let mut octets = SecretBytes::zeroed(group.secret_len());
    for _ in 0..SCALAR_ATTEMPTS {
        rng.fill(octets.as_mut_bytes());
        clear_excess_bits(group, octets.as_mut_bytes());
        if let Ok(private) = PrivateKey::from_private_key(algorithm, octets.as_bytes()) {
            return Ok(private);
        }
    }
    Err(CryptoError::Randomness)
}

impl KeyExchange for CurvePair {
    fn group(&self) -> Group {
        self.group
    }

    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError> {
        let group = self.group;
        check_length(group, peer)?;
        let encoded = match group {
            Group::Curve25519 => peer.to_vec(),
            _ => [&[UNCOMPRESSED], peer].concat(),
        };
        // RFC 6989 §2.3: the point must be on the curve. The parser refuses any other, and there is no
        // encoding of the point at infinity that has this length.
        let point =
            ParsedPublicKey::try_from(UnparsedPublicKey::new(self.private.algorithm(), encoded))
                .map_err(|_| KexError::NotOnCurve { group })?;
        // The library itself refuses a Curve25519 secret of zeros; nothing else can go wrong there but
        // want of memory.
        let failure = match group {
            Group::Curve25519 => KexError::ZeroSecret { group },
            _ => KexError::Provider { group },
        };
        let secret = agreement::agree(&self.private, point, failure, |secret| {
            Ok(SecretBytes::copied_from(secret))
        })?;
        if secret.len() != group.secret_len() {
            return Err(KexError::Provider { group });
        }
        match group {
            Group::Curve25519 => check_contributory(group, secret),
            _ => Ok(SharedSecret::new(secret)),
        }
    }
}

// --- Signing ---

/// A private key.
pub struct Signer {
    key: Key,
    random: SystemRandom,
}

enum Key {
    Rsa(RsaKeyPair, Sha1Signer),
    /// Bound to the hash of [`Curve::scheme`].
    Ecdsa(Curve, EcdsaKeyPair),
}

impl Signer {
    /// Reads a PKCS #8 PrivateKeyInfo (RFC 5958), unencrypted, as DER.
    ///
    /// # Errors
    /// [`SignerError::BadKey`] if it is neither an RSA key of 2048 to 8192 bits nor one on a
    /// [`Curve`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SignerError> {
        let key = match private_key::kind(der)? {
            SigningKey::Rsa => {
                let expected = "2048 to 8192 bits of RSA in PKCS #8 are expected";
                let bad = SignerError::BadKey(expected);
                let key = RsaKeyPair::from_pkcs8(der).map_err(|_| bad.clone())?;
                Key::Rsa(key, Sha1Signer::from_pkcs8(der).ok_or(bad)?)
            }
            SigningKey::Ecdsa(curve) => {
                let key = EcdsaKeyPair::from_pkcs8(ecdsa_signing(curve), der);
                let bad = SignerError::BadKey("the elliptic-curve key is broken");
                Key::Ecdsa(curve, key.map_err(|_| bad)?)
            }
        };
        Ok(Self {
            key,
            random: SystemRandom::new(),
        })
    }

    /// What kind of key it is.
    pub const fn kind(&self) -> SigningKey {
        match &self.key {
            Key::Rsa(..) => SigningKey::Rsa,
            Key::Ecdsa(curve, _) => SigningKey::Ecdsa(*curve),
        }
    }

    /// Signs `message`, which is hashed here. An RSA signature is as long as the modulus, an ECDSA signature
    /// a DER sequence.
    ///
    /// # Errors
    /// [`SignerError::UnsupportedScheme`] for a scheme of another kind of key, or with another hash than that
    /// of [`Curve::scheme`]; [`SignerError::Provider`] if the library fails.
    pub fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        match &self.key {
            Key::Rsa(key, legacy) => self.sign_rsa(key, legacy, scheme, message),
            Key::Ecdsa(curve, key) if scheme == curve.scheme() => key
                .sign(&self.random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SignerError::Provider),
            Key::Ecdsa(..) => Err(unsupported(scheme)),
        }
    }

    fn sign_rsa(
        &self,
        key: &RsaKeyPair,
        legacy: &Sha1Signer,
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        let padding: &'static dyn signature::RsaEncoding = match scheme.family() {
            // aws-lc-rs signs with no SHA-1, and peers without RFC 7427 know nothing else
            // (RFC 7296 §3.8).
            Family::RsaPkcs1(Hash::Sha1) => {
                return legacy.sign(&sha1(&[message])).ok_or(SignerError::Provider);
            }
            Family::RsaPkcs1(Hash::Sha2_256) => &signature::RSA_PKCS1_SHA256,
            Family::RsaPkcs1(Hash::Sha2_384) => &signature::RSA_PKCS1_SHA384,
            Family::RsaPkcs1(Hash::Sha2_512) => &signature::RSA_PKCS1_SHA512,
            Family::RsaPss(Sha2::Sha256) => &signature::RSA_PSS_SHA256,
            Family::RsaPss(Sha2::Sha384) => &signature::RSA_PSS_SHA384,
            Family::RsaPss(Sha2::Sha512) => &signature::RSA_PSS_SHA512,
            Family::Ecdsa(_) => return Err(unsupported(scheme)),
        };
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(padding, &self.random, message, &mut signature)
            .map_err(|_| SignerError::Provider)?;
        Ok(signature)
    }

    /// The public half: the DER RSAPublicKey (RFC 8017 A.1.1), or the uncompressed point (SEC 1 §2.3.3), that
    /// a certificate's SubjectPublicKeyInfo wraps.
    pub fn public_key(&self) -> &[u8] {
        match &self.key {
            Key::Rsa(key, _) => key.public_key().as_ref(),
            Key::Ecdsa(_, key) => key.public_key().as_ref(),
        }
    }
}

const fn ecdsa_signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        Curve::P521 => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
    }
}

const fn unsupported(scheme: SignatureScheme) -> SignerError {
    SignerError::UnsupportedScheme {
        scheme,
        provider: NAME,
    }
}
