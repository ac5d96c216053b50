//! AUTH payloads as a peer may make them, right and wrong ones side by side.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]

use alloc::vec;

use super::*;
use crate::crypto::{Signer, default_provider, suite::Hash};

const OCTETS: &[u8] = b"octets to be signed";

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/vectors/signatures/", $name))
    };
}

const RSA_SPKI: &[u8] = vector!("rsa-2048.spki");
const P256_SPKI: &[u8] = vector!("ec-p256.spki");
const P384_SPKI: &[u8] = vector!("signing-p384.spki");
const P521_SPKI: &[u8] = vector!("signing-p521.spki");

const ALL: AcceptedProofs = AcceptedProofs {
    rsa_signature: true,
    ecdsa_signature: true,
    pre_shared_key: None,
};

fn announced(hashes: &[Hash]) -> PeerTraits {
    PeerTraits {
        signature_hashes_sent: true,
        signature_hashes: hashes.to_vec(),
        ..PeerTraits::default()
    }
}

type Judged = Result<(PeerProof, Option<SignatureScheme>), Refusal>;

/// What becomes of an AUTH payload; one that does not hold is [`FAILED`] for whatever reason.
fn judge(traits: &PeerTraits, method: AuthMethod, data: &[u8], spki: &[u8]) -> Judged {
    match fault(traits, method, data, spki) {
        Err(Refusal::Misbehaved(PeerMisbehaved::AuthenticationFailed(_))) => FAILED,
        other => other,
    }
}

/// The same with the reason.
fn fault(traits: &PeerTraits, method: AuthMethod, data: &[u8], spki: &[u8]) -> Judged {
    let data = data.to_vec();
    let auth = AuthPayload { method, data };
    let prf = PrfAlgorithm::HmacSha2_256;
    ALL.verify_signature(default_provider(), traits, &auth, spki, prf, OCTETS)
        .map(|verified| (verified.by, verified.scheme))
}

fn signed(pkcs8: &[u8], scheme: SignatureScheme) -> Vec<u8> {
    Signer::from_pkcs8(pkcs8)
        .unwrap()
        .sign(scheme, OCTETS)
        .unwrap()
}

/// Each curve's method, its public key, and a signature of it.
fn curves() -> [(Curve, AuthMethod, &'static [u8], Vec<u8>); 3] {
    let sign = |curve: Curve, pkcs8| signed(pkcs8, curve.scheme());
    [
        (
            Curve::P256,
            AuthMethod::ECDSA_256,
            P256_SPKI,
            sign(Curve::P256, vector!("ec-p256.pk8")),
        ),
        (
            Curve::P384,
            AuthMethod::ECDSA_384,
            P384_SPKI,
            sign(Curve::P384, vector!("signing-p384.pk8")),
        ),
        (
            Curve::P521,
            AuthMethod::ECDSA_521,
            P521_SPKI,
            sign(Curve::P521, vector!("signing-p521.pk8")),
        ),
    ]
}

const FAILED: Judged = failed(AuthFault::OtherKey);

const fn failed(fault: AuthFault) -> Judged {
    Err(Refusal::Misbehaved(PeerMisbehaved::AuthenticationFailed(
        fault,
    )))
}

const UNEXPECTED: Judged = Err(Refusal::Misbehaved(PeerMisbehaved::UnexpectedAuthMethod));

// RFC 4754 §3: each method is of one curve; no other key and no RSA key is judged by it.
#[test]
fn a_method_of_rfc_4754_takes_its_own_curve_alone() {
    let traits = PeerTraits::default();
    for (curve, method, spki, signature) in curves() {
        let data = encode_ecdsa(curve, &signature).unwrap();
        let good = Ok((PeerProof::EcdsaSignature, Some(curve.scheme())));
        assert_eq!(judge(&traits, method, &data, spki), good);
        for (_, other, other_spki, _) in curves() {
            if other != method {
                assert_eq!(judge(&traits, other, &data, spki), FAILED);
                assert_eq!(judge(&traits, method, &data, other_spki), FAILED);
            }
        }
        assert_eq!(judge(&traits, method, &data, RSA_SPKI), FAILED);
        // RSA's method with a key of the curve, and a sequence where two numbers are due.
        let rsa = AuthMethod::RSA_DIGITAL_SIGNATURE;
        assert_eq!(judge(&traits, rsa, &data, spki), FAILED);
        assert_eq!(judge(&traits, method, &signature, spki), FAILED);
    }
}

#[test]
fn garbage_in_the_place_of_a_signature_is_refused_by_every_method() {
    let traits = announced(&[Hash::Sha2_256]);
    let mut kept = 0;
    for (curve, method, spki, signature) in curves() {
        let whole = encode_ecdsa(curve, &signature).unwrap();
        assert!(judge(&traits, method, &whole, spki).is_ok());
        let named = encode_method14(curve.scheme(), &signature);
        assert!(judge(&traits, AuthMethod::DIGITAL_SIGNATURE, &named, spki).is_ok());
        for (method, data) in [(method, whole), (AuthMethod::DIGITAL_SIGNATURE, named)] {
            for length in 0..data.len() {
                assert_eq!(judge(&traits, method, &data[..length], spki), FAILED);
            }
            let longer = [&data[..], &[0]].concat();
            assert_eq!(judge(&traits, method, &longer, spki), FAILED);
            for at in 0..data.len() {
                let mut changed = data.clone();
                changed[at] ^= 0x40;
                assert_eq!(judge(&traits, method, &changed, spki), FAILED, "octet {at}");
                kept += 1;
            }
            assert_eq!(judge(&traits, method, &vec![0; data.len()], spki), FAILED);
            assert_eq!(
                judge(&traits, method, &vec![0xff; data.len()], spki),
                FAILED
            );
        }
    }
    assert!(kept > 400);
}

#[test]
fn why_a_signature_does_not_hold_is_known() {
    let traits = announced(&[Hash::Sha2_256]);
    let (named, old) = (AuthMethod::DIGITAL_SIGNATURE, AuthMethod::ECDSA_256);
    let p256 = SignatureScheme::EcdsaSha256;
    let signature = signed(vector!("ec-p256.pk8"), p256);
    let good = encode_method14(p256, &signature);
    assert!(fault(&traits, named, &good, P256_SPKI).is_ok());
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let sha1 = encode_method14(SignatureScheme::RsaPkcs1Sha1, b"signature");
    for (method, data, spki, expected) in [
        (named, &forged[..], P256_SPKI, AuthFault::OtherKey),
        (
            named,
            &[2, 0x30, 0, 1],
            P256_SPKI,
            AuthFault::UnknownAlgorithm,
        ),
        (
            named,
            &sha1,
            RSA_SPKI,
            AuthFault::HashNotAnnounced(Hash::Sha1),
        ),
        (named, &good, RSA_SPKI, AuthFault::UnfitKey),
        (named, &good[..3], P256_SPKI, AuthFault::Malformed),
        (old, b"not of 64 octets", P256_SPKI, AuthFault::Malformed),
    ] {
        assert_eq!(fault(&traits, method, data, spki), failed(expected));
    }
}

// RFC 7427 §3: only between ends that have both announced hashes.
#[test]
fn the_method_of_rfc_7427_needs_an_announcement() {
    let method = AuthMethod::DIGITAL_SIGNATURE;
    for (curve, _, spki, signature) in curves() {
        let data = encode_method14(curve.scheme(), &signature);
        let good = Ok((PeerProof::EcdsaSignature, Some(curve.scheme())));
        assert_eq!(judge(&announced(&[]), method, &data, spki), good);
        assert_eq!(
            judge(&PeerTraits::default(), method, &data, spki),
            UNEXPECTED
        );
    }
}

// RFC 7427 §4, RFC 8247 §3.2: SHA-1 is never announced for it.
#[test]
fn a_hash_that_was_not_announced_is_refused() {
    let traits = announced(&[Hash::Sha2_256]);
    let method = AuthMethod::DIGITAL_SIGNATURE;
    for (scheme, expected) in [
        (SignatureScheme::RsaPkcs1Sha256, true),
        (SignatureScheme::RsaPssSha512, true),
        (SignatureScheme::RsaPkcs1Sha1, false),
    ] {
        let signature = signed(vector!("rsa-2048.pk8"), scheme);
        let data = encode_method14(scheme, &signature);
        let good = Ok((PeerProof::RsaSignature, Some(scheme)));
        let expected = if expected { good } else { FAILED };
        assert_eq!(judge(&traits, method, &data, RSA_SPKI), expected);
    }
    // The same signature is good where SHA-1 has its place.
    let legacy = signed(vector!("rsa-2048.pk8"), SignatureScheme::RsaPkcs1Sha1);
    assert!(
        judge(
            &traits,
            AuthMethod::RSA_DIGITAL_SIGNATURE,
            &legacy,
            RSA_SPKI
        )
        .is_ok()
    );
}

#[test]
fn methods_that_are_no_signatures_of_ours_are_unexpected() {
    let traits = announced(&[Hash::Sha2_256]);
    let legacy = signed(vector!("rsa-2048.pk8"), SignatureScheme::RsaPkcs1Sha256);
    for number in 0..=u8::MAX {
        let method = AuthMethod(number);
        let expected = match number {
            1 => Ok((
                PeerProof::RsaSignature,
                Some(SignatureScheme::RsaPkcs1Sha256),
            )),
            9 | 10 | 11 | 14 => FAILED,
            _ => UNEXPECTED,
        };
        assert_eq!(
            judge(&traits, method, &legacy, RSA_SPKI),
            expected,
            "{number}"
        );
    }
}

#[test]
fn each_peer_is_signed_for_in_the_form_that_it_verifies() {
    let prf = PrfAlgorithm::HmacSha2_384;
    let keys = Curve::ALL.map(SigningKey::Ecdsa);
    let form = |traits: &PeerTraits, key, answers| AuthForm::for_peer(traits, prf, key, answers);
    let silent = PeerTraits::default();
    let cisco = PeerTraits {
        anyconnect: true,
        ..announced(&[Hash::Sha2_512])
    };
    for traits in [&silent, &cisco] {
        for (key, curve) in keys.into_iter().zip(Curve::ALL) {
            assert_eq!(form(traits, key, None), Ok(AuthForm::Ecdsa(curve)));
        }
    }
    let rsa = |scheme| Ok(AuthForm::RsaDigitalSignature(scheme));
    let sha1 = rsa(SignatureScheme::RsaPkcs1Sha1);
    assert_eq!(form(&silent, SigningKey::Rsa, None), sha1);
    let by_prf = rsa(SignatureScheme::RsaPkcs1Sha384);
    assert_eq!(form(&cisco, SigningKey::Rsa, None), by_prf);

    let modern = announced(&[Hash::Sha2_256, Hash::Sha2_384]);
    let digital = |scheme| Ok(AuthForm::DigitalSignature(scheme));
    let expected = digital(SignatureScheme::RsaPkcs1Sha384);
    assert_eq!(form(&modern, SigningKey::Rsa, None), expected);
    // RFC 8247 §3.2: who signs by RSASSA-PSS verifies it, and may verify nothing else.
    let pss = Some(SignatureScheme::RsaPssSha256);
    let expected = digital(SignatureScheme::RsaPssSha384);
    assert_eq!(form(&modern, SigningKey::Rsa, pss), expected);
    let expected = digital(SignatureScheme::EcdsaSha256);
    assert_eq!(form(&modern, SigningKey::Ecdsa(Curve::P256), pss), expected);
    // RFC 7427 §3#2: no other method between such peers, so without a hash in common there is none.
    let none = Err(PeerIncompatible::NoSignatureScheme);
    assert_eq!(form(&modern, SigningKey::Ecdsa(Curve::P521), None), none);
}
