//! AUTH by digital signature: method 1, RSA with a hash that the two ends must guess alike, and method
//! 14 of RFC 7427, which says what it used.

use alloc::vec::Vec;

use crate::crypto::Provider;
use crate::crypto::sign::{SignatureError, SignatureScheme};
use crate::crypto::suite::{Hash, PrfAlgorithm};

/// The scheme of our own method 1 signature.
///
/// RFC 7296 §3.8 lets SHA-1 be the default there; Cisco's implementations take the hash of the
/// negotiated PRF. `peer_is_anyconnect` says whether the peer announced the AnyConnect-EAP vendor ID
/// and therefore reads it that way (docs/anyconnect-eap.md).
pub const fn method1_scheme_to_send(
    peer_is_anyconnect: bool,
    algorithm: PrfAlgorithm,
) -> SignatureScheme {
    SignatureScheme::rsa_pkcs1(if peer_is_anyconnect {
        algorithm.hash()
    } else {
        Hash::Sha1
    })
}

/// Judges a peer's method 1 signature under both readings, the PRF's hash first, and says which held.
///
/// # Errors
/// [`SignatureError::Mismatch`] if neither held, otherwise what is wrong with the key. A provider or key
/// that cannot do one of the readings at all does not keep the other from being tried.
pub fn verify_method1(
    provider: &dyn Provider,
    algorithm: PrfAlgorithm,
    spki_der: &[u8],
    octets: &[u8],
    signature: &[u8],
) -> Result<SignatureScheme, SignatureError> {
    let judge = |hash| {
        let scheme = SignatureScheme::rsa_pkcs1(hash);
        provider
            .verify(scheme, spki_der, octets, signature)
            .map(|()| scheme)
    };
    let by_prf = judge(algorithm.hash());
    if by_prf.is_ok() || algorithm.hash() == Hash::Sha1 {
        return by_prf;
    }
    judge(Hash::Sha1)
}

/// The strongest RSASSA-PKCS1-v1_5 scheme among the hashes that the peer announced in
/// SIGNATURE_HASH_ALGORITHMS, by their numbers (RFC 7427 §4); `None` if it knows none of ours.
///
/// SHA-1 is not among the answers: who knows RFC 7427 knows better hashes (RFC 8247 §3.2).
pub fn rsa_scheme_for_peer(announced: impl IntoIterator<Item = u16>) -> Option<SignatureScheme> {
    announced
        .into_iter()
        .filter_map(Hash::from_number)
        .filter(|hash| *hash != Hash::Sha1)
        .max_by_key(|hash| hash.output_len())
        .map(SignatureScheme::rsa_pkcs1)
}

/// The hashes to announce in SIGNATURE_HASH_ALGORITHMS, strongest first (RFC 7427 §4).
pub const ANNOUNCED_HASHES: [Hash; 3] = [Hash::Sha2_512, Hash::Sha2_384, Hash::Sha2_256];

/// The authentication data of method 14: length of the AlgorithmIdentifier, the AlgorithmIdentifier,
/// the signature (RFC 7427 §3).
pub fn encode_method14(scheme: SignatureScheme, signature: &[u8]) -> Vec<u8> {
    let identifier = scheme.algorithm_identifier();
    // The longest identifier has 67 octets; the codec's tests go through them all.
    let length = u8::try_from(identifier.len()).unwrap_or(u8::MAX);
    [&[length], identifier, signature].concat()
}

/// Takes the authentication data of method 14 apart into scheme and signature.
///
/// # Errors
/// [`SignatureError::Truncated`] if the identifier does not fit or nothing follows it,
/// [`SignatureError::UnknownAlgorithm`] if it is none of ours, [`SignatureError::HashNotAnnounced`] if
/// it uses SHA-1.
pub fn decode_method14(data: &[u8]) -> Result<(SignatureScheme, &[u8]), SignatureError> {
    let (length, rest) = data.split_first().ok_or(SignatureError::Truncated)?;
    let (identifier, signature) = rest
        .split_at_checked(usize::from(*length))
        .ok_or(SignatureError::Truncated)?;
    if signature.is_empty() {
        return Err(SignatureError::Truncated);
    }
    Ok((
        SignatureScheme::from_algorithm_identifier(identifier)?,
        signature,
    ))
}
