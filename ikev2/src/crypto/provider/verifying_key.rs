//! Public keys out of certificates, read far enough to refuse by name what a library would refuse
//! without a word or spend much time on.

use crate::crypto::der::{Der, tag};
use crate::crypto::ecdsa::Curve;
use crate::crypto::public_key::PublicKey;
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

impl<'a> VerifyingKey<'a> {
    /// Reads a SubjectPublicKeyInfo for use with `scheme`.
    ///
    /// # Errors
    /// [`SignatureError`]: all but `Mismatch`, `Truncated` and `UnsupportedScheme`.
    pub(super) fn read(scheme: SignatureScheme, spki: &'a [u8]) -> Result<Self, SignatureError> {
        let wrong = Err(SignatureError::WrongKind { scheme });
        match (scheme.family(), PublicKey::read(spki)?) {
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
            // RFC 4055 §1.2: a key that names one set of parameters is used with no other.
            (Family::RsaPss(_), PublicKey::RsaPss(Some(only), _)) if only != scheme => wrong,
            (Family::RsaPss(hash), PublicKey::Rsa(key) | PublicKey::RsaPss(_, key)) => {
                check_rsa(key, 2048)?;
                Ok(Self::RsaPss(hash, key))
            }
            (Family::Ecdsa(hash), PublicKey::Ec(curve, point)) => {
                Ok(Self::Ecdsa(curve, hash, point))
            }
            (Family::RsaPkcs1(_), PublicKey::RsaPss(..) | PublicKey::Ec(..))
            | (Family::RsaPss(_), PublicKey::Ec(..))
            | (Family::Ecdsa(_), PublicKey::Rsa(_) | PublicKey::RsaPss(..)) => wrong,
        }
    }
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
