//! The key that a profile's headend proves itself by.

use ironflex_ikev2::crypto::{Signer, SigningKey};
use ironflex_profiles::snapshot::LocalMethod;

/// The private key, if it is of the kind that the method wants; else the method and why not.
pub(super) fn signer(method: &LocalMethod, pkcs8: &[u8]) -> Result<Signer, (&'static str, String)> {
    let (word, is_ecdsa) = match method {
        LocalMethod::EcdsaSig(_) => ("ecdsa-sig", true),
        LocalMethod::RsaSig(_) | LocalMethod::PreShare(_) => ("rsa-sig", false),
    };
    let signer = Signer::from_pkcs8(pkcs8).map_err(|error| (word, error.to_string()))?;
    match signer.kind() {
        SigningKey::Rsa if is_ecdsa => Err((
            word,
            "it is an RSA key; 'authentication local rsa-sig' is for those".to_owned(),
        )),
        SigningKey::Ecdsa(_) if !is_ecdsa => Err((
            word,
            "it is an elliptic-curve key; 'authentication local ecdsa-sig' is for those".to_owned(),
        )),
        _ => Ok(signer),
    }
}
