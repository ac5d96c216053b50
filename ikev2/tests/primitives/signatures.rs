//! Signatures of every scheme, made by OpenSSL and by the providers, and keys that are refused.

#![cfg(any(feature = "aws-lc", feature = "ring"))]
use std::path::Path;

use ironflex_ikev2::authn::signature::verify_method1;
use ironflex_ikev2::crypto::{
    PrfAlgorithm, Provider, RsaSigner, SignatureError, SignatureScheme, SignerError,
    default_provider,
};

use crate::support::{hex, providers};

const MESSAGE: &[u8] = b"octets to be signed";

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/signatures");
    std::fs::read(folder.join(name)).expect("the vector is in the tree")
}

/// Scheme, key, signature.
const MADE_BY_OPENSSL: [(SignatureScheme, &str, &str); 13] = {
    use SignatureScheme::*;
    [
        (RsaPkcs1Sha1, "rsa-2048.spki", "rsa-2048-pkcs1-sha1.sig"),
        (RsaPkcs1Sha256, "rsa-2048.spki", "rsa-2048-pkcs1-sha256.sig"),
        (RsaPkcs1Sha384, "rsa-2048.spki", "rsa-2048-pkcs1-sha384.sig"),
        (RsaPkcs1Sha512, "rsa-2048.spki", "rsa-2048-pkcs1-sha512.sig"),
        (RsaPssSha256, "rsa-2048.spki", "rsa-2048-pss-sha256.sig"),
        (RsaPssSha384, "rsa-2048.spki", "rsa-2048-pss-sha384.sig"),
        (RsaPssSha512, "rsa-2048.spki", "rsa-2048-pss-sha512.sig"),
        (RsaPkcs1Sha1, "rsa-1024.spki", "rsa-1024-pkcs1-sha1.sig"),
        (RsaPkcs1Sha256, "rsa-1024.spki", "rsa-1024-pkcs1-sha256.sig"),
        (RsaPkcs1Sha256, "rsa-8192.spki", "rsa-8192-pkcs1-sha256.sig"),
        (EcdsaSha256, "ec-p256.spki", "ec-p256-sha256.sig"),
        (EcdsaSha384, "ec-p384.spki", "ec-p384-sha384.sig"),
        (EcdsaSha512, "ec-p521.spki", "ec-p521-sha512.sig"),
    ]
};

fn supported(provider: &dyn Provider, scheme: SignatureScheme) -> bool {
    provider.name() != "ring" || scheme != SignatureScheme::EcdsaSha512
}

#[test]
fn signatures_made_by_openssl_hold() {
    for provider in providers() {
        for (scheme, key, signature) in MADE_BY_OPENSSL {
            let judged = provider.verify(scheme, &file(key), MESSAGE, &file(signature));
            let name = provider.name();
            let expected = if supported(provider, scheme) {
                Ok(())
            } else {
                Err(SignatureError::UnsupportedScheme {
                    scheme,
                    provider: name,
                })
            };
            assert_eq!(judged, expected, "{name}: {signature}");
        }
    }
}

#[test]
fn a_changed_message_or_signature_does_not_hold() {
    for provider in providers() {
        for (scheme, key, name) in MADE_BY_OPENSSL {
            if !supported(provider, scheme) {
                continue;
            }
            let (key, signature) = (file(key), file(name));
            let mismatch = Err(SignatureError::Mismatch);
            let judge =
                |message, signature: &[u8]| provider.verify(scheme, &key, message, signature);
            assert_eq!(
                judge(b"octets to be signee", &signature),
                mismatch,
                "{name}"
            );
            let mut changed = signature.clone();
            *changed.last_mut().unwrap() ^= 1;
            assert_eq!(judge(MESSAGE, &changed), mismatch, "{name}");
            assert_eq!(judge(MESSAGE, &signature[1..]), mismatch, "{name}");
            assert_eq!(
                judge(MESSAGE, &[&[0], &signature[..]].concat()),
                mismatch,
                "{name}"
            );
            assert_eq!(judge(MESSAGE, &[]), mismatch, "{name}");
        }
    }
}

#[test]
fn a_signature_under_another_scheme_does_not_hold() {
    for provider in providers() {
        let (key, signature) = (file("rsa-2048.spki"), file("rsa-2048-pkcs1-sha256.sig"));
        for scheme in SignatureScheme::ALL {
            let expected = match scheme {
                SignatureScheme::RsaPkcs1Sha256 => Ok(()),
                scheme if scheme.is_rsa() => Err(SignatureError::Mismatch),
                scheme => Err(SignatureError::WrongKind { scheme }),
            };
            assert_eq!(provider.verify(scheme, &key, MESSAGE, &signature), expected);
        }
        let scheme = SignatureScheme::RsaPkcs1Sha256;
        assert_eq!(
            provider.verify(scheme, &file("ec-p256.spki"), MESSAGE, &signature),
            Err(SignatureError::WrongKind { scheme })
        );
    }
}

// --- Method 1 ---

// docs/anyconnect-eap.md: method 1 is read as the PRF's hash and as SHA-1.
#[test]
fn method_1_holds_under_both_readings_and_says_which() {
    let key = file("rsa-2048.spki");
    for provider in providers() {
        for (algorithm, scheme, signature) in [
            (
                PrfAlgorithm::HmacSha1,
                SignatureScheme::RsaPkcs1Sha1,
                "sha1",
            ),
            (
                PrfAlgorithm::HmacSha2_256,
                SignatureScheme::RsaPkcs1Sha256,
                "sha256",
            ),
            (
                PrfAlgorithm::HmacSha2_384,
                SignatureScheme::RsaPkcs1Sha384,
                "sha384",
            ),
            (
                PrfAlgorithm::HmacSha2_512,
                SignatureScheme::RsaPkcs1Sha512,
                "sha512",
            ),
            (
                PrfAlgorithm::HmacSha2_256,
                SignatureScheme::RsaPkcs1Sha1,
                "sha1",
            ),
            (
                PrfAlgorithm::HmacSha2_512,
                SignatureScheme::RsaPkcs1Sha1,
                "sha1",
            ),
        ] {
            let signature = file(&format!("rsa-2048-pkcs1-{signature}.sig"));
            assert_eq!(
                verify_method1(provider, algorithm, &key, MESSAGE, &signature),
                Ok(scheme)
            );
        }
        let other = file("rsa-2048-pkcs1-sha384.sig");
        assert_eq!(
            verify_method1(provider, PrfAlgorithm::HmacSha2_256, &key, MESSAGE, &other),
            Err(SignatureError::Mismatch)
        );
    }
}

// A 1024-bit key cannot be judged with SHA-384 at all; that must not hide a good SHA-1 signature.
#[test]
fn method_1_tries_sha_1_where_the_first_reading_cannot_be_judged() {
    for provider in providers() {
        let (key, signature) = (file("rsa-1024.spki"), file("rsa-1024-pkcs1-sha1.sig"));
        assert_eq!(
            verify_method1(
                provider,
                PrfAlgorithm::HmacSha2_384,
                &key,
                MESSAGE,
                &signature
            ),
            Ok(SignatureScheme::RsaPkcs1Sha1)
        );
    }
}

// --- Keys that are refused ---

fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let head = match length {
        0..0x80 => vec![tag, u8::try_from(length).unwrap()],
        0x80..0x100 => vec![tag, 0x81, u8::try_from(length).unwrap()],
        _ => [
            &[tag, 0x82],
            &u16::try_from(length).unwrap().to_be_bytes()[..],
        ]
        .concat(),
    };
    [&head, contents].concat()
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if magnitude[0] & 0x80 == 0 { &[] } else { &[0] };
    der(0x02, &[sign, magnitude].concat())
}

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = der(0x30, &[integer(modulus), integer(exponent)].concat());
    let algorithm = hex("300d 0609 2a86 4886 f70d 0101 0105 00");
    der(
        0x30,
        &[algorithm, der(0x03, &[&[0], &key[..]].concat())].concat(),
    )
}

fn refusal(spki: &[u8], scheme: SignatureScheme) -> SignatureError {
    let refusals: Vec<_> = providers()
        .into_iter()
        .map(|provider| {
            provider
                .verify(scheme, spki, MESSAGE, &[1; 256])
                .unwrap_err()
        })
        .collect();
    assert!(
        refusals.iter().all(|refusal| refusal == &refusals[0]),
        "{refusals:?}"
    );
    refusals[0].clone()
}

/// A modulus of this many bits, odd.
fn modulus(bits: usize) -> Vec<u8> {
    let mut octets = vec![0xa5; bits.div_ceil(8)];
    let unused = octets.len() * 8 - bits;
    octets[0] = 0x80 >> unused;
    octets
}

#[test]
fn refuses_moduli_that_are_too_short_or_too_long_by_their_length() {
    let scheme = SignatureScheme::RsaPkcs1Sha256;
    for bits in [8, 512, 1016, 1023, 8193, 8200, 16384] {
        let key = rsa_spki(&modulus(bits), &[1, 0, 1]);
        let expected = SignatureError::ModulusLength {
            bits,
            least: 1024,
            most: 8192,
        };
        assert_eq!(refusal(&key, scheme), expected);
    }
    for bits in [1024, 1025, 8192] {
        let key = rsa_spki(&modulus(bits), &[1, 0, 1]);
        assert_eq!(refusal(&key, scheme), SignatureError::Mismatch, "{bits}");
    }
    for scheme in [
        SignatureScheme::RsaPkcs1Sha384,
        SignatureScheme::RsaPssSha256,
    ] {
        let key = rsa_spki(&modulus(1024), &[1, 0, 1]);
        let expected = SignatureError::ModulusLength {
            bits: 1024,
            least: 2048,
            most: 8192,
        };
        assert_eq!(refusal(&key, scheme), expected);
    }
}

// RFC 8017 §3.1.
#[test]
fn refuses_exponents_that_are_even_one_or_huge() {
    let modulus = modulus(2048);
    let judge = |exponent: &[u8]| {
        refusal(
            &rsa_spki(&modulus, exponent),
            SignatureScheme::RsaPkcs1Sha256,
        )
    };
    for exponent in [
        &[0][..],
        &[1],
        &[2],
        &[4],
        &[1, 0, 0],
        &[2, 0, 0, 0, 1],
        &[0x7f; 256],
    ] {
        assert_eq!(judge(exponent), SignatureError::Exponent, "{exponent:02x?}");
    }
    for exponent in [&[3][..], &[17], &[1, 0, 1], &[1, 0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(judge(exponent), SignatureError::Mismatch, "{exponent:02x?}");
    }
}

#[test]
fn refuses_an_even_modulus() {
    let mut even = modulus(2048);
    *even.last_mut().unwrap() &= 0xfe;
    assert_eq!(
        refusal(
            &rsa_spki(&even, &[1, 0, 1]),
            SignatureScheme::RsaPkcs1Sha256
        ),
        SignatureError::MalformedKey
    );
}

#[test]
fn refuses_keys_of_other_kinds_and_compressed_points() {
    let scheme = SignatureScheme::EcdsaSha256;
    assert_eq!(
        refusal(&file("ed25519.spki"), scheme),
        SignatureError::UnsupportedKey
    );
    // secp256k1 in the place of P-256.
    let point = der(0x03, &[&[0, 4], &[1; 64][..]].concat());
    let k1 = der(0x30, &hex("06072a8648ce3d0201 06052b8104000a"));
    let key = der(0x30, &[k1, point].concat());
    assert_eq!(refusal(&key, scheme), SignatureError::UnsupportedKey);
    let p256 = der(0x30, &hex("06072a8648ce3d0201 06082a8648ce3d030107"));
    let compressed = der(0x03, &[&[0, 2], &[1; 32][..]].concat());
    let key = der(0x30, &[p256.clone(), compressed].concat());
    assert_eq!(refusal(&key, scheme), SignatureError::MalformedKey);
    // A point that is not on its curve is the library's to refuse, as no signature holds under it.
    let off_curve = der(0x03, &[&[0, 4], &[1; 64][..]].concat());
    let key = der(0x30, &[p256, off_curve].concat());
    assert_eq!(refusal(&key, scheme), SignatureError::Mismatch);
}

#[test]
fn rejects_truncated_and_extended_keys() {
    for name in ["rsa-2048.spki", "ec-p384.spki"] {
        let key = file(name);
        let scheme = match name {
            "rsa-2048.spki" => SignatureScheme::RsaPkcs1Sha256,
            _ => SignatureScheme::EcdsaSha384,
        };
        for length in 0..key.len() {
            assert_eq!(
                refusal(&key[..length], scheme),
                SignatureError::MalformedKey
            );
        }
        let longer = [&key[..], &[0]].concat();
        assert_eq!(refusal(&longer, scheme), SignatureError::MalformedKey);
    }
}

#[test]
fn survives_every_flipped_byte_of_a_key() {
    for provider in providers() {
        for (name, scheme, signature) in [
            (
                "rsa-1024.spki",
                SignatureScheme::RsaPkcs1Sha256,
                "rsa-1024-pkcs1-sha256.sig",
            ),
            (
                "ec-p256.spki",
                SignatureScheme::EcdsaSha256,
                "ec-p256-sha256.sig",
            ),
        ] {
            let (key, signature) = (file(name), file(signature));
            for at in 0..key.len() {
                let mut changed = key.clone();
                changed[at] ^= 0xff;
                assert!(
                    provider
                        .verify(scheme, &changed, MESSAGE, &signature)
                        .is_err(),
                    "{name} {at}"
                );
            }
        }
    }
}

// --- Signing ---

#[test]
fn our_signatures_hold_and_pkcs1_ones_equal_openssl_s() {
    let signer = RsaSigner::from_pkcs8(&file("rsa-2048.pk8")).ok().unwrap();
    let provider = default_provider();
    for scheme in SignatureScheme::ALL {
        let refused = !scheme.is_rsa()
            || (provider.name() == "ring" && scheme == SignatureScheme::RsaPkcs1Sha1);
        let signature = match signer.sign(scheme, MESSAGE) {
            Ok(signature) => signature,
            Err(error) => {
                let provider = provider.name();
                assert_eq!(error, SignerError::UnsupportedScheme { scheme, provider });
                assert!(refused, "{scheme:?}");
                continue;
            }
        };
        assert!(!refused, "{scheme:?}");
        assert_eq!(signature.len(), 256);
        for provider in providers() {
            let judged = provider.verify(scheme, &file("rsa-2048.spki"), MESSAGE, &signature);
            assert_eq!(judged, Ok(()), "{scheme:?}");
        }
        // RFC 8017 §8.2: PKCS #1 v1.5 signatures are deterministic.
        let by_openssl = match scheme {
            SignatureScheme::RsaPkcs1Sha1 => "rsa-2048-pkcs1-sha1.sig",
            SignatureScheme::RsaPkcs1Sha256 => "rsa-2048-pkcs1-sha256.sig",
            SignatureScheme::RsaPkcs1Sha384 => "rsa-2048-pkcs1-sha384.sig",
            SignatureScheme::RsaPkcs1Sha512 => "rsa-2048-pkcs1-sha512.sig",
            _ => continue,
        };
        assert_eq!(signature, file(by_openssl));
    }
}

#[test]
fn a_signer_shows_the_public_key_that_its_certificate_has() {
    let signer = RsaSigner::from_pkcs8(&file("rsa-2048.pk8")).ok().unwrap();
    let spki = file("rsa-2048.spki");
    assert!(spki.ends_with(signer.public_key()));
    assert_eq!(spki.len() - signer.public_key().len(), 24);
}

#[test]
fn refuses_files_that_hold_no_rsa_key() {
    let whole = file("rsa-2048.pk8");
    for bad in [
        &file("ec-p256.pk8")[..],
        &file("rsa-2048.spki"),
        &whole[..whole.len() - 1],
        &[],
    ] {
        let error = RsaSigner::from_pkcs8(bad).err();
        assert!(matches!(error, Some(SignerError::BadKey(_))), "{error:?}");
    }
}

#[test]
fn signs_from_many_threads_at_once() {
    let signer = RsaSigner::from_pkcs8(&file("rsa-2048.pk8")).ok().unwrap();
    let expected = file("rsa-2048-pkcs1-sha256.sig");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..8 {
                    let scheme = SignatureScheme::RsaPkcs1Sha256;
                    assert_eq!(signer.sign(scheme, MESSAGE).as_ref(), Ok(&expected));
                    if let Ok(legacy) = signer.sign(SignatureScheme::RsaPkcs1Sha1, MESSAGE) {
                        assert_eq!(legacy, file("rsa-2048-pkcs1-sha1.sig"));
                    }
                }
            });
        }
    });
}
