//! Which kind of private key a PKCS #8 structure holds.

use crate::crypto::der::{Der, tag};
use crate::crypto::ecdsa::Curve;
use crate::crypto::public_key::oid;
use crate::crypto::sign::{SignerError, SigningKey};

/// Reads the algorithm of an unencrypted PrivateKeyInfo (RFC 5958 §2). The key itself is for the library.
///
/// # Errors
/// [`SignerError::BadKey`] for what is no such structure, and for kinds that sign nothing here.
pub(super) fn kind(pkcs8: &[u8]) -> Result<SigningKey, SignerError> {
    let mut identifier = identifier(pkcs8).ok_or(SignerError::BadKey("no PKCS #8 structure"))?;
    match identifier.element(tag::OBJECT_IDENTIFIER) {
        Some(oid::RSA_ENCRYPTION) => Ok(SigningKey::Rsa),
        Some(oid::EC_PUBLIC_KEY) => match identifier.element(tag::OBJECT_IDENTIFIER) {
            Some(oid::P256) => Ok(SigningKey::Ecdsa(Curve::P256)),
            Some(oid::P384) => Ok(SigningKey::Ecdsa(Curve::P384)),
            Some(oid::P521) => Ok(SigningKey::Ecdsa(Curve::P521)),
            _ => Err(SignerError::BadKey("P-256, P-384 or P-521 is expected")),
        },
        _ => Err(SignerError::BadKey(
            "an RSA or an elliptic-curve key is expected",
        )),
    }
}

fn identifier(pkcs8: &[u8]) -> Option<Der<'_>> {
    let mut outer = Der::new(pkcs8);
    let mut info = outer.inside(tag::SEQUENCE)?;
    outer.finish()?;
    info.magnitude()?;
    info.inside(tag::SEQUENCE)
}
