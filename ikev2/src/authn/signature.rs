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
/// [`SignatureError::Mismatch`] if neither held, otherwise what is wrong with the key. That one of the
/// readings cannot be judged under the key does not keep the other from being tried.
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
/// [`SignatureError::UnknownAlgorithm`] if it is none of ours,
/// [`SignatureError::HashNotAnnounced`] if it uses SHA-1.
pub fn decode_method14(data: &[u8]) -> Result<(SignatureScheme, &[u8]), SignatureError> {
    let (length, rest) = data.split_first().ok_or(SignatureError::Truncated)?;
    let (identifier, signature) = rest
        .split_at_checked(usize::from(*length))
        .ok_or(SignatureError::Truncated)?;
    if signature.is_empty() {
        return Err(SignatureError::Truncated);
    }
    let scheme = SignatureScheme::from_algorithm_identifier(identifier)?;
    // RFC 7427 §4: a peer signs with a hash that it was told of. RFC 8247 §3.2 rules SHA-1 out here.
    if !ANNOUNCED_HASHES.contains(&scheme.hash()) {
        return Err(SignatureError::HashNotAnnounced {
            hash: scheme.hash(),
        });
    }
    Ok((scheme, signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    // docs/anyconnect-eap.md: the PRF's hash towards AnyConnect, SHA-1 towards everyone else.
    #[test]
    fn method_1_takes_its_hash_from_the_prf_for_anyconnect_alone() {
        for algorithm in PrfAlgorithm::ALL {
            let by_prf = SignatureScheme::rsa_pkcs1(algorithm.hash());
            assert_eq!(method1_scheme_to_send(true, algorithm), by_prf);
            let default = SignatureScheme::RsaPkcs1Sha1;
            assert_eq!(method1_scheme_to_send(false, algorithm), default);
        }
    }

    // RFC 7427 §4#1: one that the peer has named; of RFC 8247 §3.2 the ban on SHA-1.
    #[test]
    fn the_strongest_announced_hash_is_chosen_and_sha_1_never() {
        let choose = |numbers: &[u16]| rsa_scheme_for_peer(numbers.iter().copied());
        let [sha256, sha384, sha512] = [
            SignatureScheme::RsaPkcs1Sha256,
            SignatureScheme::RsaPkcs1Sha384,
            SignatureScheme::RsaPkcs1Sha512,
        ];
        assert_eq!(choose(&[1, 2, 3, 4, 5]), Some(sha512));
        assert_eq!(choose(&[3, 2]), Some(sha384));
        assert_eq!(choose(&[2]), Some(sha256));
        assert_eq!(choose(&[1]), None);
        assert_eq!(choose(&[0, 5, 65535]), None);
        assert_eq!(choose(&[]), None);
    }

    // RFC 7427 §3.
    #[test]
    fn method_14_data_is_read_as_it_was_written() {
        for scheme in SignatureScheme::ALL {
            let data = encode_method14(scheme, b"signature");
            assert_eq!(usize::from(data[0]), scheme.algorithm_identifier().len());
            let expected = match scheme.hash() {
                Hash::Sha1 => Err(SignatureError::HashNotAnnounced { hash: Hash::Sha1 }),
                _ => Ok((scheme, b"signature".as_slice())),
            };
            assert_eq!(decode_method14(&data), expected);
        }
    }

    #[test]
    fn rejects_method_14_data_that_ends_too_early() {
        let data = encode_method14(SignatureScheme::RsaPkcs1Sha256, b"s");
        for length in 0..data.len() {
            let cut = decode_method14(&data[..length]);
            assert_eq!(cut, Err(SignatureError::Truncated));
        }
        assert_eq!(
            decode_method14(&[0xff; 255]),
            Err(SignatureError::Truncated)
        );
        assert_eq!(
            decode_method14(&[0, 1]),
            Err(SignatureError::UnknownAlgorithm)
        );
    }
}
