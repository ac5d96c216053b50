//! Signatures of every scheme, made by OpenSSL and by the providers, and keys that are refused.

#![cfg(any(feature = "aws-lc", feature = "ring"))]
use std::path::Path;

use ironflex_ikev2::authn::signature::{encode_ecdsa, verify_ecdsa, verify_method1};
use ironflex_ikev2::crypto::{
    Curve, PrfAlgorithm, Provider, SignatureError, SignatureScheme, Signer, SignerError,
    SigningKey, default_provider,
};

use crate::support::{hex, providers};

const MESSAGE: &[u8] = b"octets to be signed";

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/signatures");
    std::fs::read(folder.join(name)).expect("the vector is in the tree")
}

/// Scheme, key, signature.
const MADE_BY_OPENSSL: [(SignatureScheme, &str, &str); 14] = {
    use SignatureScheme::*;
    [
        (RsaPkcs1Sha1, "rsa-2048.spki", "rsa-2048-pkcs1-sha1.sig"),
        (RsaPkcs1Sha256, "rsa-2048.spki", "rsa-2048-pkcs1-sha256.sig"),
        (RsaPkcs1Sha384, "rsa-2048.spki", "rsa-2048-pkcs1-sha384.sig"),
        (RsaPkcs1Sha512, "rsa-2048.spki", "rsa-2048-pkcs1-sha512.sig"),
        (RsaPssSha256, "rsa-2048.spki", "rsa-2048-pss-sha256.sig"),
        (
            RsaPssSha256,
            "rsa-pss-2048.spki",
            "rsa-pss-2048-pss-sha256.sig",
        ),
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
    let signer = Signer::from_pkcs8(&file("rsa-2048.pk8")).ok().unwrap();
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
    let signer = Signer::from_pkcs8(&file("rsa-2048.pk8")).ok().unwrap();
    let spki = file("rsa-2048.spki");
    assert!(spki.ends_with(signer.public_key()));
    assert_eq!(spki.len() - signer.public_key().len(), 24);
}

#[test]
fn refuses_files_that_hold_no_private_key() {
    let whole = file("rsa-2048.pk8");
    for bad in [
        &file("rsa-2048.spki")[..],
        &file("ec-p256.spki"),
        &file("ec-p256.pk8")[..137],
        &whole[..whole.len() - 1],
        &[],
    ] {
        let error = Signer::from_pkcs8(bad).err();
        assert!(matches!(error, Some(SignerError::BadKey(_))), "{error:?}");
    }
}

#[test]
fn signs_from_many_threads_at_once() {
    let signer = Signer::from_pkcs8(&file("rsa-2048.pk8")).ok().unwrap();
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

/// Private keys on the curves, beside their public halves.
const CURVES: [(Curve, &str, &str); 3] = [
    (Curve::P256, "ec-p256.pk8", "ec-p256.spki"),
    (Curve::P384, "signing-p384.pk8", "signing-p384.spki"),
    (Curve::P521, "signing-p521.pk8", "signing-p521.spki"),
];

#[test]
fn an_ecdsa_key_signs_with_the_hash_of_its_curve_alone() {
    for (curve, private, public) in CURVES {
        let signer = match Signer::from_pkcs8(&file(private)) {
            Ok(signer) => signer,
            Err(error) => {
                assert_eq!(error, SignerError::BadKey("ring has no P-521"));
                assert_eq!(default_provider().name(), "ring");
                continue;
            }
        };
        assert_eq!(signer.kind(), SigningKey::Ecdsa(curve));
        assert!(file(public).ends_with(signer.public_key()));
        for scheme in SignatureScheme::ALL {
            let provider = default_provider();
            match signer.sign(scheme, MESSAGE) {
                Ok(signature) => {
                    assert_eq!(scheme, curve.scheme());
                    let judged = provider.verify(scheme, &file(public), MESSAGE, &signature);
                    assert_eq!(judged, Ok(()));
                }
                Err(error) => {
                    assert_ne!(scheme, curve.scheme());
                    let provider = provider.name();
                    assert_eq!(error, SignerError::UnsupportedScheme { scheme, provider });
                }
            }
        }
    }
}

// RFC 4055 §1.2: a key that is for RSASSA-PSS with one hash verifies nothing else.
#[test]
fn a_key_for_pss_verifies_only_the_scheme_that_it_names() {
    let key = file("rsa-pss-2048.spki");
    let signature = file("rsa-pss-2048-pss-sha256.sig");
    for provider in providers() {
        for scheme in SignatureScheme::ALL {
            let expected = match scheme {
                SignatureScheme::RsaPssSha256 => Ok(()),
                scheme => Err(SignatureError::WrongKind { scheme }),
            };
            let judged = provider.verify(scheme, &key, MESSAGE, &signature);
            assert_eq!(judged, expected, "{scheme:?}");
        }
    }
}

// --- RFC 4754 ---

/// RFC 4754 §8: public key, and the authentication data for the message "abc".
const RFC_4754: [(Curve, &str, &str); 3] = [
    (
        Curve::P256,
        "2442A5CC 0ECD015F A3CA31DC 8E2BBC70 BF42D60C BCA20085 E0822CB0 4235E970
         6FC98BD7 E50211A4 A27102FA 3549DF79 EBCB4BF2 46B80945 CDDFE7D5 09BBFD7D",
        "CB28E099 9B9C7715 FD0A80D8 E47A7707 9716CBBF 917DD72E 97566EA1 C066957C
         86FA3BB4 E26CAD5B F90B7F81 899256CE 7594BB1E A0C89212 748BFF3B 3D5B0315",
    ),
    (
        Curve::P384,
        "96281BF8 DD5E0525 CA049C04 8D345D30 82968D10 FEDF5C5A CA0C64E6 465A97EA
         5CE10C9D FEC21797 41571072 1F437922 447688BA 94708EB6 E2E4D59F 6AB6D7ED
         FF9301D2 49FE49C3 3096655F 5D502FAD 3D383B91 C5E7EDAA 2B714CC9 9D5743CA",
        "FB017B91 4E291494 32D8BAC2 9A514640 B46F53DD AB2C6994 8084E293 0F1C8F7E
         08E07C9C 63F2D21A 07DCB56A 6AF56EB3 B263A130 5E057F98 4D38726A 1B468741
         09F417BC A112674C 528262A4 0A629AF1 CBB9F516 CE0FA7D2 FF630863 A00E8B9F",
    ),
    (
        Curve::P521,
        "0151518F 1AF0F563 517EDD54 85190DF9 5A4BF57B 5CBA4CF2 A9A3F647 4725A35F
         7AFE0A6D DEB8BEDB CD6A197E 592D4018 8901CECD 650699C9 B5E456AE A5ADD190
         52A8006F 3B142EA1 BFFF7E28 37AD44C9 E4FF6D2D 34C73184 BBAD9002 6DD5E6E8
         5317D9DF 45CAD780 3C6C2003 5B2F3FF6 3AFF4E1B A64D1C07 7577DA3F 4286C58F
         0AEAE643",
        "0154FD38 36AF92D0 DCA57DD5 341D3053 988534FD E8318FC6 AAAAB68E 2E6F4339
         B19F2F28 1A7E0B22 C269D93C F8794A92 78880ED7 DBB8D936 2CAEACEE 54432055
         22510177 05A70302 90D1CEB6 05A9A1BB 03FF9CDD 521E87A6 96EC926C 8C10C836
         2DF49753 67101F67 D1CF9BCC BF2F3D23 9534FA50 9E70AAC8 51AE01AA C68D62F8
         66472660",
    ),
];

/// The SubjectPublicKeyInfo around a point, by the head of another on the same curve.
fn ec_spki(curve: Curve, point: &[u8]) -> Vec<u8> {
    let (_, _, like) = CURVES.into_iter().find(|one| one.0 == curve).unwrap();
    let like = file(like);
    [&like[..like.len() - point.len()], point].concat()
}

#[test]
fn the_published_ecdsa_authentications_hold() {
    for provider in providers() {
        for (curve, key, data) in RFC_4754 {
            if !supported(provider, curve.scheme()) {
                continue;
            }
            let (key, data) = (ec_spki(curve, &hex(key)), hex(data));
            let judge =
                |message: &[u8], data: &[u8]| verify_ecdsa(provider, curve, &key, message, data);
            assert_eq!(judge(b"abc", &data), Ok(curve.scheme()));
            assert_eq!(judge(b"abd", &data), Err(SignatureError::Mismatch));
            for at in [0, data.len() / 2, data.len() - 1] {
                let mut changed = data.clone();
                changed[at] ^= 1;
                assert_eq!(judge(b"abc", &changed), Err(SignatureError::Mismatch));
            }
            // Neither number is ever zero or as large as the curve's order.
            for octet in [0, 0xff] {
                let half = data.len() / 2;
                let number = vec![octet; half];
                for bad in [[&number, &data[half..]], [&data[..half], &number]] {
                    assert_eq!(judge(b"abc", &bad.concat()), Err(SignatureError::Mismatch));
                }
            }
            for bad in [&[][..], &data[1..], &[&data[..], &[0]].concat()] {
                let expected = data.len();
                let found = bad.len();
                let length = SignatureError::Length { expected, found };
                assert_eq!(judge(b"abc", bad), Err(length));
            }
        }
    }
}

// RFC 4754 §7: AUTH has r and s side by side, where the libraries make a sequence of them.
#[test]
fn our_ecdsa_authentications_hold_under_their_curve_alone() {
    for (curve, private, public) in CURVES {
        let Ok(signer) = Signer::from_pkcs8(&file(private)) else {
            continue;
        };
        let signature = signer.sign(curve.scheme(), MESSAGE).unwrap();
        let data = encode_ecdsa(curve, &signature).unwrap();
        assert_eq!(data.len(), 2 * curve.number_len());
        let provider = default_provider();
        let judged =
            |method: Curve, key: &str| verify_ecdsa(provider, method, &file(key), MESSAGE, &data);
        assert_eq!(judged(curve, public), Ok(curve.scheme()));
        for other in Curve::ALL.into_iter().filter(|other| *other != curve) {
            let scheme = other.scheme();
            let wrong = Err(SignatureError::WrongKind { scheme });
            assert_eq!(judged(other, public), wrong);
        }
        let scheme = curve.scheme();
        let wrong = Err(SignatureError::WrongKind { scheme });
        assert_eq!(judged(curve, "rsa-2048.spki"), wrong);
    }
}
