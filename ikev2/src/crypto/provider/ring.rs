//! ring, and what it lacks: MODP through crypto-bigint, P-521 through p521, X25519 through
//! x25519-dalek. All three take the same time for every secret.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair, VerificationAlgorithm};
use zeroize::Zeroizing;

use super::modp::{GENERATOR, ModpGroup};
use super::std::sync::OnceLock;
use super::verifying_key::VerifyingKey;
use super::{
    SCALAR_ATTEMPTS, UNCOMPRESSED, check_contributory, check_length, clear_excess_bits, private_key,
};
use crate::crypto::ecdsa::Curve;
use crate::crypto::kex::{KexError, KeyExchange};
use crate::crypto::sign::{Family, Sha2, SignatureError, SignatureScheme, SignerError, SigningKey};
use crate::crypto::suite::{Group, Hash};
use crate::crypto::{CryptoError, Provider, Rng};
use crate::secret::{SecretBytes, SharedSecret};

const NAME: &str = "ring";

/// The ring provider.
#[derive(Clone, Copy, Debug)]
pub struct Ring;

impl Provider for Ring {
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
            Group::EcpP256 => curve_pair(group, &agreement::ECDH_P256),
            Group::EcpP384 => curve_pair(group, &agreement::ECDH_P384),
            Group::EcpP521 => p521_pair(rng),
            Group::Curve25519 => Ok(x25519_pair(rng)),
            Group::MlKem512 | Group::MlKem768 | Group::MlKem1024 => {
                Err(CryptoError::Unsupported(group))
            }
        }
    }

    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let (algorithm, key) = verification(VerifyingKey::read(scheme, spki_der)?).ok_or(
            SignatureError::UnsupportedScheme {
                scheme,
                provider: NAME,
            },
        )?;
        signature::UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .map_err(|_| SignatureError::Mismatch)
    }
}

fn verification(key: VerifyingKey<'_>) -> Option<(&'static dyn VerificationAlgorithm, &[u8])> {
    Some(match key {
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
        VerifyingKey::Ecdsa(curve, hash, point) => match (curve, hash) {
            (Curve::P256, Sha2::Sha256) => (&signature::ECDSA_P256_SHA256_ASN1, point),
            (Curve::P256, Sha2::Sha384) => (&signature::ECDSA_P256_SHA384_ASN1, point),
            (Curve::P384, Sha2::Sha256) => (&signature::ECDSA_P384_SHA256_ASN1, point),
            (Curve::P384, Sha2::Sha384) => (&signature::ECDSA_P384_SHA384_ASN1, point),
            (Curve::P256 | Curve::P384, Sha2::Sha512) | (Curve::P521, _) => return None,
        },
    })
}

// --- MODP ---

struct ModpPair {
    group: ModpGroup,
    exponent: SecretBytes,
    public: Vec<u8>,
}

fn modp_pair(group: ModpGroup, rng: &mut dyn Rng) -> Result<Box<dyn KeyExchange>, CryptoError> {
    let exponent = group.draw_exponent(rng)?;
    let public = power(group, &[GENERATOR], &exponent)
        .ok_or(CryptoError::Provider("modular exponentiation"))?
        .as_bytes()
        .to_vec();
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
        power(self.group, peer, &self.exponent)
            .map(SharedSecret::new)
            .ok_or(KexError::Provider { group })
    }
}

/// base ^ exponent modulo the group's prime, with zeros in front up to the modulus length
/// (RFC 7296 §2.14, §3.4). The time depends on the exponent's number of bits, which the group fixes.
fn power(group: ModpGroup, base: &[u8], exponent: &SecretBytes) -> Option<SecretBytes> {
    let parameters = parameters(group)?;
    let bits = group.exponent_bits();
    let base = BoxedUint::from_be_slice(base, parameters.bits_precision()).ok()?;
    let exponent = Zeroizing::new(
        BoxedUint::from_be_slice(exponent.as_bytes(), bits.next_multiple_of(64)).ok()?,
    );
    let base = BoxedMontyForm::new(base, parameters);
    let raised = Zeroizing::new(base.pow_bounded_exp(&exponent, bits));
    let plain = Zeroizing::new(raised.retrieve());
    Some(SecretBytes::new(plain.to_be_bytes().into_vec()))
}

/// The group's modulus, prepared at its first use.
fn parameters(group: ModpGroup) -> Option<&'static BoxedMontyParams> {
    static MODP_2048: OnceLock<Option<BoxedMontyParams>> = OnceLock::new();
    static MODP_3072: OnceLock<Option<BoxedMontyParams>> = OnceLock::new();
    static MODP_4096: OnceLock<Option<BoxedMontyParams>> = OnceLock::new();
    let prepared = match group {
        ModpGroup::Modp2048 => &MODP_2048,
        ModpGroup::Modp3072 => &MODP_3072,
        ModpGroup::Modp4096 => &MODP_4096,
    };
    prepared
        .get_or_init(|| {
            let octets: Vec<u8> = group.prime_octets().collect();
            let prime = BoxedUint::from_be_slice_vartime(&octets);
            Option::from(Odd::new(prime)).map(BoxedMontyParams::new_vartime)
        })
        .as_ref()
}

// --- P-256 and P-384 ---

struct CurvePair {
    group: Group,
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

/// ring takes no scalar from outside, so these pairs come of its own randomness.
fn curve_pair(
    group: Group,
    algorithm: &'static agreement::Algorithm,
) -> Result<Box<dyn KeyExchange>, CryptoError> {
    let private = EphemeralPrivateKey::generate(algorithm, &SystemRandom::new())
        .map_err(|_| CryptoError::Provider("key pair"))?;
    let encoded = private
        .compute_public_key()
        .map_err(|_| CryptoError::Provider("public value"))?;
    // RFC 5903 §7: x and y alone.
    let public = encoded
        .as_ref()
        .strip_prefix(&[UNCOMPRESSED])
        .filter(|public| public.len() == group.public_len())
        .ok_or(CryptoError::Provider("form of the public value"))?
        .to_vec();
    Ok(Box::new(CurvePair {
        group,
        private,
        public,
    }))
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
        let encoded = [&[UNCOMPRESSED], peer].concat();
        let point = UnparsedPublicKey::new(self.private.algorithm(), encoded);
        // RFC 6989 §2.3: the point must be on the curve. ring checks that first of all, and nothing
        // else can fail.
        agreement::agree_ephemeral(self.private, &point, SecretBytes::copied_from)
            .map(SharedSecret::new)
            .map_err(|_| KexError::NotOnCurve { group })
    }
}

// --- P-521 ---

struct P521Pair {
    private: p521::SecretKey,
    public: Vec<u8>,
}

fn p521_pair(rng: &mut dyn Rng) -> Result<Box<dyn KeyExchange>, CryptoError> {
    let group = Group::EcpP521;
    let mut octets = SecretBytes::zeroed(group.secret_len());
    for _ in 0..SCALAR_ATTEMPTS {
        rng.fill(octets.as_mut_bytes());
        clear_excess_bits(group, octets.as_mut_bytes());
        // Refuses zero and whatever is not below the curve's order.
        let Ok(private) = p521::SecretKey::from_slice(octets.as_bytes()) else {
            continue;
        };
        let public = private
            .public_key()
            .to_sec1_bytes()
            .strip_prefix(&[UNCOMPRESSED])
            .filter(|public| public.len() == group.public_len())
            .ok_or(CryptoError::Provider("form of the public value"))?
            .to_vec();
        return Ok(Box::new(P521Pair { private, public }));
    }
    Err(CryptoError::Randomness)
}

impl KeyExchange for P521Pair {
    fn group(&self) -> Group {
        Group::EcpP521
    }

    fn public(&self) -> &[u8] {
        &self.public
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError> {
        let group = Group::EcpP521;
        check_length(group, peer)?;
        // RFC 6989 §2.3: the point must be on the curve, which the parser sees to.
        let point = p521::PublicKey::from_sec1_bytes(&[&[UNCOMPRESSED], peer].concat())
            .map_err(|_| KexError::NotOnCurve { group })?;
        let secret = self.private.diffie_hellman(&point);
        Ok(SharedSecret::new(SecretBytes::copied_from(
            secret.raw_secret_bytes(),
        )))
    }
}

// --- Curve25519 ---

struct X25519Pair {
    private: x25519_dalek::StaticSecret,
    public: x25519_dalek::PublicKey,
}

fn x25519_pair(rng: &mut dyn Rng) -> Box<dyn KeyExchange> {
    let mut octets = Zeroizing::new([0; 32]);
    rng.fill(octets.as_mut_slice());
    let private = x25519_dalek::StaticSecret::from(*octets);
    let public = x25519_dalek::PublicKey::from(&private);
    Box::new(X25519Pair { private, public })
}

impl KeyExchange for X25519Pair {
    fn group(&self) -> Group {
        Group::Curve25519
    }

    fn public(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError> {
        let group = Group::Curve25519;
        let Ok(octets) = <[u8; 32]>::try_from(peer) else {
            return Err(KexError::Length {
                group,
                expected: group.public_len(),
                found: peer.len(),
            });
        };
        let secret = self
            .private
            .diffie_hellman(&x25519_dalek::PublicKey::from(octets));
        check_contributory(group, SecretBytes::copied_from(secret.as_bytes()))
    }
}

// --- Signing ---

/// A private key.
pub struct Signer {
    key: Key,
    random: SystemRandom,
}

enum Key {
    Rsa(RsaKeyPair),
    /// Bound to the hash of [`Curve::scheme`].
    Ecdsa(Curve, EcdsaKeyPair),
}

impl Signer {
    /// Reads a PKCS #8 PrivateKeyInfo (RFC 5958), unencrypted, as DER.
    ///
    /// # Errors
    /// [`SignerError::BadKey`] if it is neither an RSA key of 2048 to 4096 bits nor one on P-256 or P-384
    /// with its public half.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SignerError> {
        let random = SystemRandom::new();
        let key = match private_key::kind(der)? {
            SigningKey::Rsa => {
                let bad = SignerError::BadKey("2048 to 4096 bits of RSA in PKCS #8 are expected");
                Key::Rsa(RsaKeyPair::from_pkcs8(der).map_err(|_| bad)?)
            }
            SigningKey::Ecdsa(curve) => {
                let algorithm = match curve {
                    Curve::P256 => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
                    Curve::P384 => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
                    Curve::P521 => return Err(SignerError::BadKey("ring has no P-521")),
                };
                let bad = SignerError::BadKey(
                    "the elliptic-curve key is broken or has no public half beside it",
                );
                let key = EcdsaKeyPair::from_pkcs8(algorithm, der, &random);
                Key::Ecdsa(curve, key.map_err(|_| bad)?)
            }
        };
        Ok(Self { key, random })
    }

    /// What kind of key it is.
    pub const fn kind(&self) -> SigningKey {
        match &self.key {
            Key::Rsa(_) => SigningKey::Rsa,
            Key::Ecdsa(curve, _) => SigningKey::Ecdsa(*curve),
        }
    }

    /// Signs `message`, which is hashed here. An RSA signature is as long as the modulus, an ECDSA signature
    /// a DER sequence.
    ///
    /// # Errors
    /// [`SignerError::UnsupportedScheme`] for a scheme of another kind of key, with another hash than that of
    /// [`Curve::scheme`], or with SHA-1, which ring does not sign with; [`SignerError::Provider`] if the
    /// library fails.
    pub fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        match &self.key {
            Key::Rsa(key) => self.sign_rsa(key, scheme, message),
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
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        let padding: &'static dyn signature::RsaEncoding = match scheme.family() {
            Family::RsaPkcs1(Hash::Sha2_256) => &signature::RSA_PKCS1_SHA256,
            Family::RsaPkcs1(Hash::Sha2_384) => &signature::RSA_PKCS1_SHA384,
            Family::RsaPkcs1(Hash::Sha2_512) => &signature::RSA_PKCS1_SHA512,
            Family::RsaPss(Sha2::Sha256) => &signature::RSA_PSS_SHA256,
            Family::RsaPss(Sha2::Sha384) => &signature::RSA_PSS_SHA384,
            Family::RsaPss(Sha2::Sha512) => &signature::RSA_PSS_SHA512,
            Family::RsaPkcs1(Hash::Sha1) | Family::Ecdsa(_) => return Err(unsupported(scheme)),
        };
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(padding, &self.random, message, &mut signature)
            .map_err(|_| SignerError::Provider)?;
        Ok(signature)
    }

    /// The public half: the DER RSAPublicKey (RFC 8017 A.1.1), or the uncompressed point (SEC 1 §2.3.3), that
    /// a certificate's SubjectPublicKeyInfo wraps.
    pub fn public_key(&self) -> &[u8] {
        match &self.key {
            Key::Rsa(key) => key.public_key().as_ref(),
            Key::Ecdsa(_, key) => key.public_key().as_ref(),
        }
    }
}

const fn unsupported(scheme: SignatureScheme) -> SignerError {
    SignerError::UnsupportedScheme {
        scheme,
        provider: NAME,
    }
}
