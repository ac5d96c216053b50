//! Which names and lengths the kernel knows our algorithms by.

use netlink_packet_xfrm::{Alg, AlgAead, AlgAuth, XfrmAttrs};
use zeroize::Zeroize;

use crate::{EspAlgorithm, Integrity, SaKeys};

/// Octets of an algorithm's name in XFRM's structures, NUL-padded.
const NAME_OCTETS: usize = 64;

/// Bits of the check value of AES-GCM-16.
const GCM_ICV_BITS: u32 = 128;

/// The kernel's name of an algorithm and, for its separate parts, of each of them: what an error should name.
pub(crate) fn describe(algorithm: EspAlgorithm) -> String {
    match algorithm {
        EspAlgorithm::AesGcm16(size) => format!("rfc4106(gcm(aes)) with a {}-bit key", size.bits()),
        EspAlgorithm::AesCbcHmac {
            key_size,
            integrity,
        } => format!(
            "cbc(aes) with a {}-bit key and {}",
            key_size.bits(),
            integrity_name(integrity)
        ),
    }
}

/// The attributes that carry an SA's algorithms and keys.
///
/// They hold plain copies of the keys (the packet crate's vectors): [`wipe`] them as soon as they are encoded.
pub(crate) fn attributes(keys: &SaKeys) -> Vec<XfrmAttrs> {
    match keys.algorithm() {
        // The key that the kernel's rfc4106 template takes ends with the four octets of salt, and so does the
        // keying material of RFC 4106 §8.1; the length in the attribute counts both.
        EspAlgorithm::AesGcm16(_) => vec![XfrmAttrs::EncryptionAlgAead(AlgAead {
            alg_name: padded("rfc4106(gcm(aes))"),
            alg_key_len: bits(keys.encryption()),
            alg_icv_len: GCM_ICV_BITS,
            alg_key: keys.encryption().to_vec(),
        })],
        // Always with an explicit truncation: XFRMA_ALG_AUTH alone leaves the kernel's default, which for
        // hmac(sha256) is 96 bits where RFC 4868 §2.3 has 128.
        EspAlgorithm::AesCbcHmac { integrity, .. } => vec![
            XfrmAttrs::EncryptionAlg(Alg {
                alg_name: padded("cbc(aes)"),
                alg_key_len: bits(keys.encryption()),
                alg_key: keys.encryption().to_vec(),
            }),
            XfrmAttrs::AuthenticationAlgTrunc(AlgAuth {
                alg_name: padded(integrity_name(integrity)),
                alg_key_len: bits(keys.integrity()),
                alg_trunc_len: truncation_bits(integrity),
                alg_key: keys.integrity().to_vec(),
            }),
        ],
    }
}

/// Overwrites the keys in attributes that are no longer needed.
pub(crate) fn wipe(attributes: &mut [XfrmAttrs]) {
    for attribute in attributes {
        match attribute {
            XfrmAttrs::EncryptionAlgAead(algorithm) => algorithm.alg_key.zeroize(),
            XfrmAttrs::EncryptionAlg(algorithm) | XfrmAttrs::AuthenticationAlg(algorithm) => {
                algorithm.alg_key.zeroize();
            }
            XfrmAttrs::AuthenticationAlgTrunc(algorithm) => algorithm.alg_key.zeroize(),
            _ => {}
        }
    }
}

const fn integrity_name(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::HmacSha1_96 => "hmac(sha1)",
        Integrity::HmacSha256_128 => "hmac(sha256)",
        Integrity::HmacSha384_192 => "hmac(sha384)",
        Integrity::HmacSha512_256 => "hmac(sha512)",
    }
}

/// RFC 2404 §2 and RFC 4868 §2.3: how much of the HMAC travels.
const fn truncation_bits(integrity: Integrity) -> u32 {
    match integrity {
        Integrity::HmacSha1_96 => 96,
        Integrity::HmacSha256_128 => 128,
        Integrity::HmacSha384_192 => 192,
        Integrity::HmacSha512_256 => 256,
    }
}

fn padded(name: &str) -> [u8; NAME_OCTETS] {
    let mut octets = [0; NAME_OCTETS];
    for (to, from) in octets.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    octets
}

fn bits(key: &[u8]) -> u32 {
    u32::try_from(key.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AesKeySize;
    use netlink_packet_core::Emitable;

    fn encoded(algorithm: EspAlgorithm) -> Vec<Vec<u8>> {
        let encryption: Vec<u8> = (0x40..).take(algorithm.encryption_octets()).collect();
        let integrity: Vec<u8> = (0x80..).take(algorithm.integrity_octets()).collect();
        let keys = SaKeys::new(algorithm, &encryption, &integrity).unwrap();
        attributes(&keys)
            .iter()
            .map(|attribute| {
                let mut octets = vec![0xa5; attribute.buffer_len()];
                attribute.emit(&mut octets);
                octets
            })
            .collect()
    }

    /// Header, name to 64 octets, the lengths in bits, the key: what linux/xfrm.h lays down.
    fn golden(kind: u16, name: &str, lengths: &[u32], key: impl Iterator<Item = u8>) -> Vec<u8> {
        let key: Vec<u8> = key.collect();
        let mut octets = u16::try_from(4 + 64 + 4 * lengths.len() + key.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        octets.extend_from_slice(&kind.to_ne_bytes());
        octets.extend_from_slice(name.as_bytes());
        octets.resize(4 + 64, 0);
        for length in lengths {
            octets.extend_from_slice(&length.to_ne_bytes());
        }
        octets.extend_from_slice(&key);
        octets
    }

    #[test]
    fn gcm_key_and_salt_are_one_key_with_a_128_bit_check_value() {
        for (size, octets) in [
            (AesKeySize::Aes128, 20_u8),
            (AesKeySize::Aes192, 28),
            (AesKeySize::Aes256, 36),
        ] {
            assert_eq!(
                encoded(EspAlgorithm::AesGcm16(size)),
                [golden(
                    18,
                    "rfc4106(gcm(aes))",
                    &[u32::from(octets) * 8, 128],
                    0x40..0x40 + octets
                )]
            );
        }
    }

    #[test]
    fn hmacs_are_truncated_as_their_rfcs_say() {
        for (integrity, name, key, truncation) in [
            (Integrity::HmacSha1_96, "hmac(sha1)", 20_u8, 96),
            (Integrity::HmacSha256_128, "hmac(sha256)", 32, 128),
            (Integrity::HmacSha384_192, "hmac(sha384)", 48, 192),
            (Integrity::HmacSha512_256, "hmac(sha512)", 64, 256),
        ] {
            assert_eq!(
                encoded(EspAlgorithm::AesCbcHmac {
                    key_size: AesKeySize::Aes256,
                    integrity
                }),
                [
                    golden(2, "cbc(aes)", &[256], 0x40..0x60),
                    golden(
                        20,
                        name,
                        &[u32::from(key) * 8, truncation],
                        0x80..0x80 + key
                    ),
                ]
            );
        }
    }

    #[test]
    fn wiping_leaves_no_key() {
        for algorithm in [
            EspAlgorithm::AesGcm16(AesKeySize::Aes128),
            EspAlgorithm::AesCbcHmac {
                key_size: AesKeySize::Aes128,
                integrity: Integrity::HmacSha1_96,
            },
        ] {
            let encryption = vec![0xee; algorithm.encryption_octets()];
            let integrity = vec![0xee; algorithm.integrity_octets()];
            let mut attributes =
                attributes(&SaKeys::new(algorithm, &encryption, &integrity).unwrap());
            wipe(&mut attributes);
            for attribute in &attributes {
                let mut octets = vec![0; 4 + 72 + 64];
                match attribute {
                    XfrmAttrs::EncryptionAlgAead(a) => assert_eq!(a.alg_key, [0; 0]),
                    XfrmAttrs::EncryptionAlg(a) => assert_eq!(a.alg_key, [0; 0]),
                    XfrmAttrs::AuthenticationAlgTrunc(a) => assert_eq!(a.alg_key, [0; 0]),
                    other => panic!("unexpected attribute {}", {
                        octets.clear();
                        netlink_packet_core::Nla::kind(other)
                    }),
                }
            }
        }
    }
}
