//! AUTH by digital signature: method 1, RSA with a hash that the two ends must guess alike; methods 9, 10
//! and 11, ECDSA with a hash for each curve (RFC 4754); and method 14, which says what it used (RFC 7427).

use alloc::vec::Vec;

use crate::crypto::Provider;
use crate::crypto::ecdsa::{self, Curve};
use crate::crypto::public_key::PublicKey;
use crate::crypto::sign::{SignatureError, SignatureScheme, SigningKey};
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

/// The authentication data of ECDSA-256, ECDSA-384 or ECDSA-521 out of a signature as DER sequence: r and s
/// side by side, each as long as the curve's order (RFC 4754 §7). `None` for what is no such signature.
pub fn encode_ecdsa(curve: Curve, signature: &[u8]) -> Option<Vec<u8>> {
    ecdsa::side_by_side_of(curve, signature)
}

/// Judges a peer's signature by the RFC 4754 method of `curve`.
///
/// # Errors
/// [`SignatureError::WrongKind`] for a key that is not on the curve, [`SignatureError::Length`],
/// [`SignatureError::Mismatch`], or what is wrong with the key.
pub fn verify_ecdsa(
    provider: &dyn Provider,
    curve: Curve,
    spki_der: &[u8],
    octets: &[u8],
    data: &[u8],
) -> Result<SignatureScheme, SignatureError> {
    let scheme = curve.scheme();
    match PublicKey::read(spki_der)? {
        PublicKey::Ec(found, _) if found == curve => {}
        // RFC 4754 §3: each method is of one curve and one hash.
        _ => return Err(SignatureError::WrongKind { scheme }),
    }
    let signature = ecdsa::sequence_of(curve, data).ok_or_else(|| SignatureError::Length {
        expected: curve.number_len().saturating_mul(2),
        found: data.len(),
    })?;
    provider.verify(scheme, spki_der, octets, &signature)?;
    Ok(scheme)
}

/// The scheme of our method 14 signature: of those that our key makes with a hash that the peer announced in
/// SIGNATURE_HASH_ALGORITHMS, by their numbers, the strongest. `None` if there is none.
///
/// An RSA key signs by RSASSA-PKCS1-v1_5, which is what peers expect, unless the peer itself has just signed
/// by RSASSA-PSS (`answers_pss`). An ECDSA key signs with the hash of its curve alone.
// RFC 7427 §4#1: the hash is one that the peer has sent.
pub fn scheme_for_peer(
    key: SigningKey,
    announced: impl IntoIterator<Item = u16>,
    answers_pss: bool,
) -> Option<SignatureScheme> {
    // RFC 8247 §3.2: SHA-1 is no hash of digital signatures.
    let hashes = announced
        .into_iter()
        .filter_map(Hash::from_number)
        .filter(|hash| *hash != Hash::Sha1);
    match key {
        SigningKey::Rsa => {
            let hash = hashes.max_by_key(|hash| hash.output_len())?;
            match SignatureScheme::rsa_pss(hash) {
                Some(scheme) if answers_pss => Some(scheme),
                _ => Some(SignatureScheme::rsa_pkcs1(hash)),
            }
        }
        SigningKey::Ecdsa(curve) => {
            let scheme = curve.scheme();
            hashes
                .into_iter()
                .any(|hash| hash == scheme.hash())
                .then_some(scheme)
        }
    }
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
        let choose =
            |numbers: &[u16]| scheme_for_peer(SigningKey::Rsa, numbers.iter().copied(), false);
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

    #[test]
    fn pss_answers_pss() {
        let choose = |numbers: &[u16]| {
            let numbers = numbers.iter().copied();
            scheme_for_peer(SigningKey::Rsa, numbers, true)
        };
        assert_eq!(choose(&[2, 3, 4]), Some(SignatureScheme::RsaPssSha512));
        assert_eq!(choose(&[2]), Some(SignatureScheme::RsaPssSha256));
        assert_eq!(choose(&[1]), None);
    }

    // RFC 7427 §4.
    #[test]
    fn a_curve_signs_with_its_own_hash_and_only_if_that_was_announced() {
        for (curve, number) in [(Curve::P256, 2), (Curve::P384, 3), (Curve::P521, 4)] {
            let key = SigningKey::Ecdsa(curve);
            for pss in [false, true] {
                let all = scheme_for_peer(key, [1, 2, 3, 4, 5], pss);
                assert_eq!(all, Some(curve.scheme()));
                assert_eq!(scheme_for_peer(key, [number], pss), all);
                let others = [1, 2, 3, 4, 5].into_iter().filter(|one| *one != number);
                assert_eq!(scheme_for_peer(key, others, pss), None);
            }
        }
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
