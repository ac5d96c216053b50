//! Public keys out of certificates, read far enough to refuse by name what a library would refuse
//! without a word or spend much time on.

use super::UNCOMPRESSED;
use crate::crypto::der::{Der, tag};
use crate::crypto::sign::{Family, Sha2, SignatureError, SignatureScheme};
use crate::crypto::suite::Hash;

/// A public key out of a certificate together with the scheme that it was found fit for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VerifyingKey<'a> {
    /// A DER RSAPublicKey (RFC 8017 A.1.1).
    RsaPkcs1(Hash, &'a [u8]),
    /// The same.
    RsaPss(Sha2, &'a [u8]),
    /// An uncompressed point, with its leading 0x04.
    Ecdsa(Curve, Sha2, &'a [u8]),
}

/// The curves of ECDSA keys (RFC 5480 §2.1.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl<'a> VerifyingKey<'a> {
    /// Reads a SubjectPublicKeyInfo for use with `scheme`.
    ///
    /// # Errors
    /// [`SignatureError`]: all but `Mismatch`, `Truncated` and `UnsupportedScheme`.
    pub(super) fn read(scheme: SignatureScheme, spki: &'a [u8]) -> Result<Self, SignatureError> {
        match (scheme.family(), read_spki(spki)?) {
            (Family::RsaPkcs1(hash), PublicKey::Rsa(key)) => {
                // The libraries have no parameters for short keys with SHA-384.
                let least = if hash == Hash::Sha2_384 {
                    2048
                } else {
                    RSA_MODULUS_LEAST_BITS
                };
                check_rsa(key, least)?;
                Ok(Self::RsaPkcs1(hash, key))
            }
            (Family::RsaPss(hash), PublicKey::Rsa(key)) => {
                check_rsa(key, 2048)?;
                Ok(Self::RsaPss(hash, key))
            }
            (Family::Ecdsa(hash), PublicKey::Ec(curve, point)) => {
                Ok(Self::Ecdsa(curve, hash, point))
            }
            (Family::RsaPkcs1(_) | Family::RsaPss(_), PublicKey::Ec(_, _))
            | (Family::Ecdsa(_), PublicKey::Rsa(_)) => Err(SignatureError::WrongKind { scheme }),
        }
    }
}

/// A public key as a certificate holds it.
enum PublicKey<'a> {
    Rsa(&'a [u8]),
    Ec(Curve, &'a [u8]),
}

fn read_spki(spki: &[u8]) -> Result<PublicKey<'_>, SignatureError> {
    let (algorithm, mut parameters, key) = spki_parts(spki).ok_or(SignatureError::MalformedKey)?;
    match algorithm {
        oid::RSA_ENCRYPTION => {
            parameters
                .null_or_nothing()
                .ok_or(SignatureError::MalformedKey)?;
            Ok(PublicKey::Rsa(key))
        }
        oid::EC_PUBLIC_KEY => {
            let (curve, length) = match parameters.element(tag::OBJECT_IDENTIFIER) {
                Some(oid::P256) => (Curve::P256, 65),
                Some(oid::P384) => (Curve::P384, 97),
                Some(oid::P521) => (Curve::P521, 133),
                _ => return Err(SignatureError::UnsupportedKey),
            };
            // RFC 5480 §2.2: uncompressed points are the form that must be supported.
            if key.len() != length || key.first() != Some(&UNCOMPRESSED) || !parameters.is_empty() {
                return Err(SignatureError::MalformedKey);
            }
            Ok(PublicKey::Ec(curve, key))
        }
        _ => Err(SignatureError::UnsupportedKey),
    }
}

/// Algorithm OID, a reader of its parameters, and the key's octets.
fn spki_parts(spki: &[u8]) -> Option<(&[u8], Der<'_>, &[u8])> {
    let mut outer = Der::new(spki);
    let mut info = outer.inside(tag::SEQUENCE)?;
    outer.finish()?;
    let mut identifier = info.inside(tag::SEQUENCE)?;
    let (unused_bits, key) = info.element(BIT_STRING)?.split_first()?;
    info.finish()?;
    let algorithm = identifier.element(tag::OBJECT_IDENTIFIER)?;
    (*unused_bits == 0).then_some((algorithm, identifier, key))
}

/// Refuses moduli and exponents that a library would refuse without saying why, or choke on.
fn check_rsa(pkcs1: &[u8], least: usize) -> Result<(), SignatureError> {
    let (modulus, exponent) = rsa_parts(pkcs1).ok_or(SignatureError::MalformedKey)?;
    let most = RSA_MODULUS_MOST_BITS;
    let bits = bit_length(modulus);
    if !(least..=most).contains(&bits) {
        return Err(SignatureError::ModulusLength { bits, least, most });
    }
    // RFC 8017 §3.1: the modulus is a product of odd primes; the exponent is at least 3 and, being
    // coprime to an even number, odd.
    if modulus.last().is_none_or(|last| last & 1 == 0) {
        return Err(SignatureError::MalformedKey);
    }
    let odd = exponent.last().is_some_and(|last| last & 1 == 1);
    if !odd || exponent == [1] || bit_length(exponent) > 33 {
        return Err(SignatureError::Exponent);
    }
    Ok(())
}

fn rsa_parts(pkcs1: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut outer = Der::new(pkcs1);
    let mut key = outer.inside(tag::SEQUENCE)?;
    outer.finish()?;
    let (modulus, exponent) = (key.magnitude()?, key.magnitude()?);
    key.finish()?;
    Some((modulus, exponent))
}

/// Bits of a magnitude without leading zero octets.
fn bit_length(magnitude: &[u8]) -> usize {
    let first = magnitude.first().map_or(0, |first| first.leading_zeros());
    magnitude
        .len()
        .saturating_mul(8)
        .saturating_sub(usize::try_from(first).unwrap_or(0))
}

/// Bits of the shortest RSA modulus that anything is verified with.
const RSA_MODULUS_LEAST_BITS: usize = 1024;

/// Bits of the longest RSA modulus that anything is verified with; longer ones cost a peer nothing and
/// us milliseconds.
const RSA_MODULUS_MOST_BITS: usize = 8192;

/// The tag of a BIT STRING.
const BIT_STRING: u8 = 0x03;

/// Contents of OBJECT IDENTIFIERs (RFC 8017 A.1, RFC 5480 §2.1.1).
#[rustfmt::skip]
mod oid {
    pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    pub(super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    pub(super) const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    pub(super) const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
}
