//! Public keys as certificates hold them (RFC 5280 §4.1.2.7), told apart by kind.

use super::der::{Der, tag};
use super::ecdsa::Curve;
use super::sign::{SignatureError, SignatureScheme, pss_parameters};

/// The octet in front of an uncompressed point (SEC 1 §2.3.3), which IKE leaves out (RFC 5903 §7).
pub(crate) const UNCOMPRESSED: u8 = 0x04;

/// A public key out of a SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey<'a> {
    /// A DER RSAPublicKey (RFC 8017 A.1.1) for any scheme.
    Rsa(&'a [u8]),
    /// The same, for RSASSA-PSS alone, and for one scheme where the key says so (RFC 4055 §1.2).
    RsaPss(Option<SignatureScheme>, &'a [u8]),
    /// An uncompressed point, with its leading 0x04.
    Ec(Curve, &'a [u8]),
}

impl<'a> PublicKey<'a> {
    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`SignatureError::MalformedKey`] and [`SignatureError::UnsupportedKey`].
    pub(crate) fn read(spki: &'a [u8]) -> Result<Self, SignatureError> {
        let (algorithm, mut parameters, key) =
            spki_parts(spki).ok_or(SignatureError::MalformedKey)?;
        match algorithm {
            oid::RSA_ENCRYPTION => {
                parameters
                    .null_or_nothing()
                    .ok_or(SignatureError::MalformedKey)?;
                Ok(Self::Rsa(key))
            }
            oid::RSASSA_PSS => {
                let scheme = if parameters.is_empty() {
                    None
                } else {
                    Some(pss_parameters(parameters).ok_or(SignatureError::UnsupportedKey)?)
                };
                Ok(Self::RsaPss(scheme, key))
            }
            oid::EC_PUBLIC_KEY => {
                let curve = match parameters.element(tag::OBJECT_IDENTIFIER) {
                    Some(oid::P256) => Curve::P256,
                    Some(oid::P384) => Curve::P384,
                    Some(oid::P521) => Curve::P521,
                    _ => return Err(SignatureError::UnsupportedKey),
                };
                // RFC 5480 §2.2: uncompressed points are the form that must be supported.
                let length = curve.number_len().saturating_mul(2).saturating_add(1);
                if key.len() != length
                    || key.first() != Some(&UNCOMPRESSED)
                    || !parameters.is_empty()
                {
                    return Err(SignatureError::MalformedKey);
                }
                Ok(Self::Ec(curve, key))
            }
            _ => Err(SignatureError::UnsupportedKey),
        }
    }
}

/// Algorithm OID, a reader of its parameters, and the key's octets.
fn spki_parts(spki: &[u8]) -> Option<(&[u8], Der<'_>, &[u8])> {
    let mut outer = Der::new(spki);
    let mut info = outer.inside(tag::SEQUENCE)?;
    outer.finish()?;
    let mut identifier = info.inside(tag::SEQUENCE)?;
    let (unused_bits, key) = info.element(tag::BIT_STRING)?.split_first()?;
    info.finish()?;
    let algorithm = identifier.element(tag::OBJECT_IDENTIFIER)?;
    (*unused_bits == 0).then_some((algorithm, identifier, key))
}

/// Contents of OBJECT IDENTIFIERs (RFC 8017 A.1 and A.2.3, RFC 5480 §2.1.1).
#[rustfmt::skip]
pub(crate) mod oid {
    pub(crate) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    pub(crate) const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    pub(crate) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    pub(crate) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    pub(crate) const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    pub(crate) const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
}
