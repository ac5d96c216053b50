//! Every group of every provider, against published vectors, against num-bigint, and against itself.

#![cfg(any(feature = "aws-lc", feature = "ring"))]
use ironflex_ikev2::crypto::{CryptoError, Group, KexError, KeyExchange, Provider, Rng};
use num_bigint::BigUint;

use crate::support::{FixedRng, SeededRng, StuckRng, hex, providers};

/// One agreement of RFC 5903 §8: both private values, both points, the common x.
struct EcpVector {
    group: Group,
    initiator: &'static str,
    responder: &'static str,
    initiator_x: &'static str,
    initiator_y: &'static str,
    responder_x: &'static str,
    responder_y: &'static str,
    secret: &'static str,
}

const RFC_5903: [EcpVector; 3] = [
    EcpVector {
        group: Group::EcpP256,
        initiator: "c88f01f5 10d9ac3f 70a292da a2316de5 44e9aab8 afe84049 c62a9c57 862d1433",
        responder: "c6ef9c5d 78ae012a 011164ac b397ce20 88685d8f 06bf9be0 b283ab46 476bee53",
        initiator_x: "dad0b653 94221cf9 b051e1fe ca5787d0 98dfe637 fc90b9ef 945d0c37 72581180",
        initiator_y: "5271a046 1cdb8252 d61f1c45 6fa3e59a b1f45b33 accf5f58 389e0577 b8990bb3",
        responder_x: "d12dfb52 89c8d4f8 1208b702 70398c34 2296970a 0bccb74c 736fc755 4494bf63",
        responder_y: "56fbf3ca 366cc23e 8157854c 13c58d6a ac23f046 ada30f83 53e74f33 039872ab",
        secret: "d6840f6b 42f6edaf d13116e0 e1256520 2fef8e9e ce7dce03 812464d0 4b9442de",
    },
    EcpVector {
        group: Group::EcpP384,
        initiator: "099f3c70 34d4a2c6 99884d73 a375a67f 7624ef7c 6b3c0f16 0647b674 14dce655 \
             e35b5380 41e649ee 3faef896 783ab194",
        responder: "41cb0779 b4bdb85d 47846725 fbec3c94 30fab46c c8dc5060 855cc9bd a0aa2942 \
             e0308312 916b8ed2 960e4bd5 5a7448fc",
        initiator_x: "667842d7 d180ac2c de6f74f3 7551f557 55c7645c 20ef73e3 1634fe72 b4c55ee6 \
             de3ac808 acb4bdb4 c88732ae e95f41aa",
        initiator_y: "9482ed1f c0eeb9ca fc498462 5ccfc23f 65032149 e0e144ad a0241815 35a0f38e \
             eb9fcff3 c2c947da e69b4c63 4573a81c",
        responder_x: "e558dbef 53eecde3 d3fccfc1 aea08a89 a987475d 12fd950d 83cfa417 32bc509d \
             0d1ac43a 0336def9 6fda41d0 774a3571",
        responder_y: "dcfbec7a acf31964 72169e83 8430367f 66eebe3c 6e70c416 dd5f0c68 759dd1ff \
             f83fa401 42209dff 5eaad96d b9e6386c",
        secret: "11187331 c279962d 93d60424 3fd592cb 9d0a926f 422e4718 7521287e 7156c5c4 \
             d6031355 69b9e9d0 9cf5d4a2 70f59746",
    },
    EcpVector {
        group: Group::EcpP521,
        initiator: "0037ade9 319a89f4 dabdb3ef 411aaccc a5123c61 acab57b5 393dce47 608172a0 \
             95aa85a3 0fe1c295 2c6771d9 37ba9777 f5957b26 39bab072 462f68c2 7a57382d \
             4a52",
        responder: "0145ba99 a847af43 793fdd0e 872e7cdf a16be30f dc780f97 bccc3f07 8380201e \
             9c677d60 0b343757 a3bdbf2a 3163e4c2 f869cca7 458aa4a4 effc311f 5cb15168 \
             5eb9",
        initiator_x: "0015417e 84dbf28c 0ad3c278 713349dc 7df153c8 97a1891b d98bab43 57c9ecbe \
             e1e3bf42 e00b8e38 0aeae57c 2d107564 94188594 2af5a7f4 601723c4 195d176c \
             ed3e",
        initiator_y: "017cae20 b6641d2e eb695786 d8c94614 6239d099 e18e1d5a 514c739d 7cb4a10a \
             d8a78801 5ac405d7 799dc75e 7b7d5b6c f2261a6a 7f150743 8bf01beb 6ca3926f \
             9582",
        responder_x: "00d0b397 5ac4b799 f5bea16d 5e13e9af 971d5e9b 984c9f39 728b5e57 39735a21 \
             9b97c356 436adc6e 95bb0352 f6be64a6 c2912d4e f2d0433c ed2b6171 640012d9 \
             460f",
        responder_y: "015c6822 6383956e 3bd066e7 97b623c2 7ce0eac2 f551a10c 2c724d98 52077b87 \
             220b6536 c5c408a1 d2aebb8e 86d678ae 49cb5709 1f473229 6579ab44 fcd17f0f \
             c56a",
        secret: "01144c7d 79ae6956 bc8edb8e 7c787c45 21cb086f a64407f9 7894e5e6 b2d79b04 \
             d1427e73 ca4baa24 0a347868 59810c06 b3c715a3 a8cc3151 f2bee417 996d19f3 \
             ddea",
    },
];

fn pair(provider: &dyn Provider, group: Group, rng: &mut dyn Rng) -> Box<dyn KeyExchange> {
    provider.key_exchange(group, rng).unwrap()
}

fn refusal(provider: &dyn Provider, group: Group, peer: &[u8]) -> Option<KexError> {
    pair(provider, group, &mut SeededRng(1)).agree(peer).err()
}

/// ring draws the scalars of these two groups by itself.
fn takes_scalar(provider: &dyn Provider, group: Group) -> bool {
    provider.name() != "ring" || !matches!(group, Group::EcpP256 | Group::EcpP384)
}

// RFC 5903 §8.
#[test]
fn ecp_groups_give_the_vectors_of_rfc_5903() {
    for provider in providers() {
        for vector in &RFC_5903 {
            let group = vector.group;
            if !takes_scalar(provider, group) {
                continue;
            }
            let initiator = pair(provider, group, &mut FixedRng(hex(vector.initiator)));
            let responder = pair(provider, group, &mut FixedRng(hex(vector.responder)));
            let ke_i = [hex(vector.initiator_x), hex(vector.initiator_y)].concat();
            let ke_r = [hex(vector.responder_x), hex(vector.responder_y)].concat();
            assert_eq!(initiator.public(), ke_i, "{group}");
            assert_eq!(responder.public(), ke_r, "{group}");
            // RFC 5903 §7: the secret is x alone.
            assert_eq!(
                initiator.agree(&ke_r).ok().unwrap().as_bytes(),
                hex(vector.secret)
            );
            assert_eq!(
                responder.agree(&ke_i).ok().unwrap().as_bytes(),
                hex(vector.secret)
            );
        }
    }
}

// RFC 7748 §6.1 and RFC 8031 appendix A.
#[test]
fn curve25519_gives_the_published_vectors() {
    let vectors = [
        [
            "77076d0a7318a57d3c16c17251b26645 df4c2f87ebc0992ab177fba51db92c2a",
            "5dab087e624a8a4b79e17f8b83800ee6 6f3bb1292618b6fd1c2f8b27ff88e0eb",
            "8520f0098930a754748b7ddcb43ef75a 0dbf3a0d26381af4eba4a98eaa9b4e6a",
            "de9edb7d7b7dc1b4d35b61c2ece43537 3f8343c85b78674dadfc7e146f882b4f",
            "4a5d9d5ba4ce2de1728e3bf480350f25 e07e21c947d19e3376f09b3c1e161742",
        ],
        [
            "751fb4308655b476b6789b7325f9ea8c ddd16a58533ff6d9e60009464a5f9d94",
            "0a54645253290d60ddadd0e030bacd9e 5501efdc220755a1e978f1b839a05688",
            "48d5ddd4061257ba166fa3f9bbdb74f1 a4e81c089384fa77f790709f0dfbc766",
            "0be7c1f5aad87d7e448662673298a443 478b859745179eaf564c79c0ef6eee25",
            "c74950607a12327f3204d94b6825bfb0 68b7f8319a9e3708ed3d43ce8130c950",
        ],
    ];
    let group = Group::Curve25519;
    for provider in providers() {
        for [random_i, random_r, ke_i, ke_r, secret] in vectors {
            let initiator = pair(provider, group, &mut FixedRng(hex(random_i)));
            let responder = pair(provider, group, &mut FixedRng(hex(random_r)));
            assert_eq!(initiator.public(), hex(ke_i));
            assert_eq!(responder.public(), hex(ke_r));
            assert_eq!(
                initiator.agree(&hex(ke_r)).ok().unwrap().as_bytes(),
                hex(secret)
            );
            assert_eq!(
                responder.agree(&hex(ke_i)).ok().unwrap().as_bytes(),
                hex(secret)
            );
        }
    }
}

#[test]
fn two_ends_agree_in_every_group_and_at_its_lengths() {
    for (at, ours) in providers().into_iter().enumerate() {
        // The other end runs the other provider where both are built in.
        let theirs = providers().into_iter().rev().nth(at).unwrap();
        for group in Group::DIFFIE_HELLMAN {
            let initiator = pair(ours, group, &mut SeededRng(2));
            let responder = pair(theirs, group, &mut SeededRng(3));
            assert_eq!((initiator.group(), responder.group()), (group, group));
            assert_eq!(initiator.public().len(), group.public_len());
            let (ke_i, ke_r) = (initiator.public().to_vec(), responder.public().to_vec());
            assert_ne!(ke_i, ke_r);
            let secret = initiator.agree(&ke_r).ok().unwrap();
            assert_eq!(secret.as_bytes().len(), group.secret_len());
            assert_eq!(
                secret.as_bytes(),
                responder.agree(&ke_i).ok().unwrap().as_bytes()
            );
        }
    }
}

// --- MODP against num-bigint ---

const MODP: [Group; 3] = [Group::Modp2048, Group::Modp3072, Group::Modp4096];

/// RFC 3526: 2^n − 2^(n−64) − 1 + 2^64 · (⌊2^(n−130) π⌋ + c). The digits of π are checked in the crate.
fn prime(group: Group) -> BigUint {
    let text = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/modp-primes.txt"),
    )
    .unwrap();
    let label = format!("{}:", group.number());
    let digits = text
        .lines()
        .find_map(|line| line.strip_prefix(&label))
        .unwrap();
    BigUint::from_bytes_be(&hex(digits))
}

/// The exponent that a provider makes of this source: RFC 3526 §8's bits of the first octets.
fn exponent(group: Group, rng: &mut dyn Rng) -> BigUint {
    let bits = match group {
        Group::Modp2048 => 320,
        Group::Modp3072 => 420,
        Group::Modp4096 => 480,
        other => panic!("{other} is no MODP group"),
    };
    let mut octets = vec![0; usize::div_ceil(bits, 8)];
    rng.fill(&mut octets);
    BigUint::from_bytes_be(&octets) % (BigUint::from(1_u32) << bits)
}

fn left_padded(value: &BigUint, length: usize) -> Vec<u8> {
    let octets = value.to_bytes_be();
    [vec![0; length - octets.len()], octets].concat()
}

#[test]
fn modp_groups_agree_with_num_bigint() {
    for provider in providers() {
        for group in MODP {
            let (p, g) = (prime(group), BigUint::from(2_u32));
            for seed in 10..13 {
                let x = exponent(group, &mut SeededRng(seed));
                let peer = g.modpow(&exponent(group, &mut SeededRng(seed + 100)), &p);
                let ours = pair(provider, group, &mut SeededRng(seed));
                let length = group.public_len();
                assert_eq!(ours.public(), left_padded(&g.modpow(&x, &p), length));
                let secret = ours.agree(&left_padded(&peer, length)).ok().unwrap();
                assert_eq!(secret.as_bytes(), left_padded(&peer.modpow(&x, &p), length));
            }
        }
    }
}

// RFC 7296 §3.4#1, §2.14: public value and secret keep the modulus' length when they are smaller.
#[test]
fn modp_values_with_leading_zeros_keep_their_length() {
    let group = Group::Modp2048;
    let (p, g, length) = (prime(group), BigUint::from(2_u32), group.public_len());
    let small = |value: &BigUint| value.bits() <= 2040;
    let short_public = (0..)
        .find(|seed| small(&g.modpow(&exponent(group, &mut SeededRng(*seed)), &p)))
        .unwrap();
    let x = exponent(group, &mut SeededRng(0));
    let peer = (3_u32..)
        .map(BigUint::from)
        .find(|peer| small(&peer.modpow(&x, &p)))
        .unwrap();
    for provider in providers() {
        let ours = pair(provider, group, &mut SeededRng(short_public));
        assert_eq!((ours.public().len(), ours.public()[0]), (length, 0));
        let secret = pair(provider, group, &mut SeededRng(0)).agree(&left_padded(&peer, length));
        let secret = secret.ok().unwrap();
        assert_eq!(secret.as_bytes(), left_padded(&peer.modpow(&x, &p), length));
        assert_eq!(secret.as_bytes()[0], 0);
    }
}

// RFC 6989 §2.1.
#[test]
fn modp_groups_refuse_values_that_give_the_secret_away() {
    for provider in providers() {
        for group in MODP {
            let (p, length) = (prime(group), group.public_len());
            for value in [
                BigUint::ZERO,
                BigUint::from(1_u32),
                &p - 1_u32,
                p.clone(),
                &p + 2_u32,
            ] {
                assert_eq!(
                    refusal(provider, group, &left_padded(&value, length)),
                    Some(KexError::OutOfRange { group })
                );
            }
            assert_eq!(
                refusal(provider, group, &left_padded(&(&p - 2_u32), length)),
                None
            );
        }
    }
}

// --- Public values that are refused ---

#[test]
fn every_group_refuses_values_of_another_length() {
    for provider in providers() {
        for group in Group::DIFFIE_HELLMAN {
            let expected = group.public_len();
            for found in [0, 1, expected - 1, expected + 1, 2 * expected] {
                assert_eq!(
                    refusal(provider, group, &vec![2; found]),
                    Some(KexError::Length {
                        group,
                        expected,
                        found
                    })
                );
            }
        }
    }
}

// RFC 6989 §2.3.
#[test]
fn ecp_groups_refuse_what_is_not_on_their_curve() {
    for provider in providers() {
        for vector in &RFC_5903 {
            let group = vector.group;
            let point = [hex(vector.initiator_x), hex(vector.initiator_y)].concat();
            assert_eq!(refusal(provider, group, &point), None);
            let mut moved = point.clone();
            *moved.last_mut().unwrap() ^= 1;
            let mut beyond_the_field = point.clone();
            beyond_the_field[..group.secret_len()].fill(0xff);
            // The point at infinity has no coordinates; some write it as zeros.
            let zeros = vec![0; point.len()];
            for bad in [moved, beyond_the_field, zeros] {
                assert_eq!(
                    refusal(provider, group, &bad),
                    Some(KexError::NotOnCurve { group })
                );
            }
        }
    }
}

// RFC 7748 §6.1: the points of order 1, 2, 4 and 8, and their other spellings.
#[test]
fn curve25519_refuses_points_of_low_order() {
    let group = Group::Curve25519;
    let low = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for provider in providers() {
        for point in low {
            assert_eq!(
                refusal(provider, group, &hex(point)),
                Some(KexError::ZeroSecret { group }),
                "{point}"
            );
        }
    }
}

// RFC 8031 §3.2: the top bit is masked, and values beyond the field are reduced.
#[test]
fn curve25519_masks_the_top_bit_and_takes_values_beyond_the_field() {
    let group = Group::Curve25519;
    let agree = |provider, peer: &[u8]| {
        let secret = pair(provider, group, &mut SeededRng(4)).agree(peer);
        secret.ok().unwrap().as_bytes().to_vec()
    };
    for provider in providers() {
        let mut nine = [0; 32];
        nine[0] = 9;
        let mut masked = nine;
        masked[31] = 0x80;
        let mut beyond = [0xff; 32];
        (beyond[0], beyond[31]) = (0xed + 9, 0x7f);
        assert_eq!(agree(provider, &nine), agree(provider, &masked));
        assert_eq!(agree(provider, &nine), agree(provider, &beyond));
    }
}

// --- Randomness ---

#[test]
fn a_broken_source_makes_no_key_pair() {
    for provider in providers() {
        let made = |group, octet| provider.key_exchange(group, &mut StuckRng(octet)).err();
        for group in MODP {
            assert_eq!(made(group, 0), Some(CryptoError::Randomness));
        }
        for group in [Group::EcpP256, Group::EcpP384, Group::EcpP521] {
            if takes_scalar(provider, group) {
                assert_eq!(made(group, 0), Some(CryptoError::Randomness));
                assert_eq!(made(group, 0xff), Some(CryptoError::Randomness));
            }
        }
    }
}
