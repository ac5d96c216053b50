//! The MODP groups of RFC 3526: their primes, the size of a private exponent, and the test that a
//! peer's value passes. The arithmetic on secrets is the providers'.

use super::check_length;
use crate::crypto::kex::KexError;
use crate::crypto::suite::Group;
use crate::crypto::{CryptoError, Rng};
use crate::secret::SecretBytes;

/// The generator of every group here (RFC 3526 §3 to §5).
pub(super) const GENERATOR: u8 = 2;

/// A MODP group. Only these reach the modular arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModpGroup {
    Modp2048,
    Modp3072,
    Modp4096,
}

impl ModpGroup {
    pub(super) const fn group(self) -> Group {
        match self {
            Self::Modp2048 => Group::Modp2048,
            Self::Modp3072 => Group::Modp3072,
            Self::Modp4096 => Group::Modp4096,
        }
    }

    /// The prime modulus, most significant word first.
    pub(super) const fn prime(self) -> &'static [u32] {
        match self {
            Self::Modp2048 => &MODP_2048,
            Self::Modp3072 => &MODP_3072,
            Self::Modp4096 => &MODP_4096,
        }
    }

    /// The prime modulus in octets, most significant first.
    pub(super) fn prime_octets(self) -> impl Iterator<Item = u8> {
        self.prime().iter().flat_map(|word| word.to_be_bytes())
    }

    /// Bits of a private exponent: twice the larger of RFC 3526 §8's estimates of the group's strength.
    /// A full-length exponent would cost seven times as much and add nothing.
    pub(super) const fn exponent_bits(self) -> u32 {
        match self {
            Self::Modp2048 => 320,
            Self::Modp3072 => 420,
            Self::Modp4096 => 480,
        }
    }

    /// A private exponent of [`Self::exponent_bits`], most significant octet first.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`] if `rng` gave nothing but zeros.
    pub(super) fn draw_exponent(self, rng: &mut dyn Rng) -> Result<SecretBytes, CryptoError> {
        let bits = self.exponent_bits();
        let length = bits.div_ceil(8);
        let mut exponent = SecretBytes::zeroed(usize::try_from(length).unwrap_or(0));
        rng.fill(exponent.as_mut_bytes());
        if let Some(first) = exponent.as_mut_bytes().first_mut() {
            let excess = length.saturating_mul(8).saturating_sub(bits);
            *first &= u8::MAX.checked_shr(excess).unwrap_or(0);
        }
        if exponent == SecretBytes::zeroed(exponent.len()) {
            return Err(CryptoError::Randomness);
        }
        Ok(exponent)
    }

    /// Refuses a peer's public value that would give the secret away. The value is public, so this
    /// need not take constant time.
    pub(super) fn check_public(self, peer: &[u8]) -> Result<(), KexError> {
        let group = self.group();
        check_length(group, peer)?;
        // RFC 6989 §2.1: the value lies strictly between 1 and p − 1. For a safe prime that leaves no
        // small subgroup. p is odd, so p − 1 is p with its last bit cleared.
        let (last, front) = peer.split_last().ok_or(KexError::OutOfRange { group })?;
        let above_one = *last > 1 || front.iter().any(|octet| *octet != 0);
        let below_top = peer.iter().copied().lt(self.prime_minus_one());
        if above_one && below_top {
            Ok(())
        } else {
            Err(KexError::OutOfRange { group })
        }
    }

    fn prime_minus_one(self) -> impl Iterator<Item = u8> {
        let last = self.prime().len().saturating_sub(1);
        self.prime()
            .iter()
            .enumerate()
            .flat_map(move |(at, word)| (if at == last { word & !1 } else { *word }).to_be_bytes())
    }
}

/// The prime of RFC 3526 §3, most significant word first.
#[rustfmt::skip]
const MODP_2048: [u32; 64] = [
    0xffff_ffff, 0xffff_ffff, 0xc90f_daa2, 0x2168_c234, 0xc4c6_628b, 0x80dc_1cd1, 0x2902_4e08, 0x8a67_cc74,
    0x020b_bea6, 0x3b13_9b22, 0x514a_0879, 0x8e34_04dd, 0xef95_19b3, 0xcd3a_431b, 0x302b_0a6d, 0xf25f_1437,
    0x4fe1_356d, 0x6d51_c245, 0xe485_b576, 0x625e_7ec6, 0xf44c_42e9, 0xa637_ed6b, 0x0bff_5cb6, 0xf406_b7ed,
    0xee38_6bfb, 0x5a89_9fa5, 0xae9f_2411, 0x7c4b_1fe6, 0x4928_6651, 0xece4_5b3d, 0xc200_7cb8, 0xa163_bf05,
    0x98da_4836, 0x1c55_d39a, 0x6916_3fa8, 0xfd24_cf5f, 0x8365_5d23, 0xdca3_ad96, 0x1c62_f356, 0x2085_52bb,
    0x9ed5_2907, 0x7096_966d, 0x670c_354e, 0x4abc_9804, 0xf174_6c08, 0xca18_217c, 0x3290_5e46, 0x2e36_ce3b,
    0xe39e_772c, 0x180e_8603, 0x9b27_83a2, 0xec07_a28f, 0xb5c5_5df0, 0x6f4c_52c9, 0xde2b_cbf6, 0x9558_1718,
    0x3995_497c, 0xea95_6ae5, 0x15d2_2618, 0x98fa_0510, 0x1572_8e5a, 0x8aac_aa68, 0xffff_ffff, 0xffff_ffff,
];

/// The prime of RFC 3526 §4, most significant word first.
#[rustfmt::skip]
const MODP_3072: [u32; 96] = [
    0xffff_ffff, 0xffff_ffff, 0xc90f_daa2, 0x2168_c234, 0xc4c6_628b, 0x80dc_1cd1, 0x2902_4e08, 0x8a67_cc74,
    0x020b_bea6, 0x3b13_9b22, 0x514a_0879, 0x8e34_04dd, 0xef95_19b3, 0xcd3a_431b, 0x302b_0a6d, 0xf25f_1437,
    0x4fe1_356d, 0x6d51_c245, 0xe485_b576, 0x625e_7ec6, 0xf44c_42e9, 0xa637_ed6b, 0x0bff_5cb6, 0xf406_b7ed,
    0xee38_6bfb, 0x5a89_9fa5, 0xae9f_2411, 0x7c4b_1fe6, 0x4928_6651, 0xece4_5b3d, 0xc200_7cb8, 0xa163_bf05,
    0x98da_4836, 0x1c55_d39a, 0x6916_3fa8, 0xfd24_cf5f, 0x8365_5d23, 0xdca3_ad96, 0x1c62_f356, 0x2085_52bb,
    0x9ed5_2907, 0x7096_966d, 0x670c_354e, 0x4abc_9804, 0xf174_6c08, 0xca18_217c, 0x3290_5e46, 0x2e36_ce3b,
    0xe39e_772c, 0x180e_8603, 0x9b27_83a2, 0xec07_a28f, 0xb5c5_5df0, 0x6f4c_52c9, 0xde2b_cbf6, 0x9558_1718,
    0x3995_497c, 0xea95_6ae5, 0x15d2_2618, 0x98fa_0510, 0x1572_8e5a, 0x8aaa_c42d, 0xad33_170d, 0x0450_7a33,
    0xa855_21ab, 0xdf1c_ba64, 0xecfb_8504, 0x58db_ef0a, 0x8aea_7157, 0x5d06_0c7d, 0xb397_0f85, 0xa6e1_e4c7,
    0xabf5_ae8c, 0xdb09_33d7, 0x1e8c_94e0, 0x4a25_619d, 0xcee3_d226, 0x1ad2_ee6b, 0xf12f_fa06, 0xd98a_0864,
    0xd876_0273, 0x3ec8_6a64, 0x521f_2b18, 0x177b_200c, 0xbbe1_1757, 0x7a61_5d6c, 0x7709_88c0, 0xbad9_46e2,
    0x08e2_4fa0, 0x74e5_ab31, 0x43db_5bfc, 0xe0fd_108e, 0x4b82_d120, 0xa93a_d2ca, 0xffff_ffff, 0xffff_ffff,
];

/// The prime of RFC 3526 §5, most significant word first.
#[rustfmt::skip]
const MODP_4096: [u32; 128] = [
    0xffff_ffff, 0xffff_ffff, 0xc90f_daa2, 0x2168_c234, 0xc4c6_628b, 0x80dc_1cd1, 0x2902_4e08, 0x8a67_cc74,
    0x020b_bea6, 0x3b13_9b22, 0x514a_0879, 0x8e34_04dd, 0xef95_19b3, 0xcd3a_431b, 0x302b_0a6d, 0xf25f_1437,
    0x4fe1_356d, 0x6d51_c245, 0xe485_b576, 0x625e_7ec6, 0xf44c_42e9, 0xa637_ed6b, 0x0bff_5cb6, 0xf406_b7ed,
    0xee38_6bfb, 0x5a89_9fa5, 0xae9f_2411, 0x7c4b_1fe6, 0x4928_6651, 0xece4_5b3d, 0xc200_7cb8, 0xa163_bf05,
    0x98da_4836, 0x1c55_d39a, 0x6916_3fa8, 0xfd24_cf5f, 0x8365_5d23, 0xdca3_ad96, 0x1c62_f356, 0x2085_52bb,
    0x9ed5_2907, 0x7096_966d, 0x670c_354e, 0x4abc_9804, 0xf174_6c08, 0xca18_217c, 0x3290_5e46, 0x2e36_ce3b,
    0xe39e_772c, 0x180e_8603, 0x9b27_83a2, 0xec07_a28f, 0xb5c5_5df0, 0x6f4c_52c9, 0xde2b_cbf6, 0x9558_1718,
    0x3995_497c, 0xea95_6ae5, 0x15d2_2618, 0x98fa_0510, 0x1572_8e5a, 0x8aaa_c42d, 0xad33_170d, 0x0450_7a33,
    0xa855_21ab, 0xdf1c_ba64, 0xecfb_8504, 0x58db_ef0a, 0x8aea_7157, 0x5d06_0c7d, 0xb397_0f85, 0xa6e1_e4c7,
    0xabf5_ae8c, 0xdb09_33d7, 0x1e8c_94e0, 0x4a25_619d, 0xcee3_d226, 0x1ad2_ee6b, 0xf12f_fa06, 0xd98a_0864,
    0xd876_0273, 0x3ec8_6a64, 0x521f_2b18, 0x177b_200c, 0xbbe1_1757, 0x7a61_5d6c, 0x7709_88c0, 0xbad9_46e2,
    0x08e2_4fa0, 0x74e5_ab31, 0x43db_5bfc, 0xe0fd_108e, 0x4b82_d120, 0xa921_0801, 0x1a72_3c12, 0xa787_e6d7,
    0x8871_9a10, 0xbdba_5b26, 0x99c3_2718, 0x6af4_e23c, 0x1a94_6834, 0xb615_0bda, 0x2583_e9ca, 0x2ad4_4ce8,
    0xdbbb_c2db, 0x04de_8ef9, 0x2e8e_fc14, 0x1fbe_caa6, 0x287c_5947, 0x4e6b_c05d, 0x99b2_964f, 0xa090_c3a2,
    0x233b_a186, 0x515b_e7ed, 0x1f61_2970, 0xcee2_d7af, 0xb81b_dd76, 0x2170_481c, 0xd006_9127, 0xd5b0_5aa9,
    0x93b4_ea98, 0x8d8f_ddc1, 0x86ff_b7dc, 0x90a6_c08f, 0x4df4_35c9, 0x3406_3199, 0xffff_ffff, 0xffff_ffff,
];

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "big numbers do not overflow"
)]
mod tests {
    use num_bigint::{BigInt, BigUint};

    use super::*;
    use crate::crypto::test_support::CountingRng;

    const ALL: [ModpGroup; 3] = [
        ModpGroup::Modp2048,
        ModpGroup::Modp3072,
        ModpGroup::Modp4096,
    ];

    fn prime(group: ModpGroup) -> BigUint {
        BigUint::from_bytes_be(&group.prime_octets().collect::<Vec<u8>>())
    }

    /// ⌊2^bits · π⌋ by Machin's formula, with guard bits.
    fn scaled_pi(bits: u32) -> BigUint {
        let guard = 64;
        let one = BigInt::from(1) << (bits + guard);
        let arctan_of_inverse = |x: u32| {
            let (mut power, mut sum, mut odd) = (&one / x, BigInt::from(0), 1_u32);
            while power != BigInt::from(0) {
                let term = &power / odd;
                sum += if odd % 4 == 1 { term } else { -term };
                power /= x * x;
                odd += 2;
            }
            sum
        };
        let pi =
            BigInt::from(4) * (BigInt::from(4) * arctan_of_inverse(5) - arctan_of_inverse(239));
        (pi >> guard).to_biguint().unwrap()
    }

    // RFC 3526 §3 to §5 say how each prime is made from the digits of π.
    #[test]
    fn the_primes_follow_from_pi() {
        for (group, bits, constant) in [
            (ModpGroup::Modp2048, 2048_u32, 124_476_u32),
            (ModpGroup::Modp3072, 3072, 1_690_314),
            (ModpGroup::Modp4096, 4096, 240_904),
        ] {
            let one = BigUint::from(1_u32);
            let made = (&one << bits) - (&one << (bits - 64)) - &one
                + ((scaled_pi(bits - 130) + constant) << 64);
            assert_eq!(prime(group), made, "{group:?}");
            assert_eq!(
                group.group().public_len() * 8,
                usize::try_from(bits).unwrap()
            );
        }
    }

    // RFC 6989 §2.1.
    #[test]
    fn refuses_values_that_are_not_between_two_and_p_minus_two() {
        for group in ALL {
            let length = group.group().public_len();
            let fixed = |value: BigUint| {
                let octets = value.to_bytes_be();
                let mut out = vec![0; length - octets.len()];
                out.extend(octets);
                out
            };
            let refused = Err(KexError::OutOfRange {
                group: group.group(),
            });
            let p = prime(group);
            for value in [
                BigUint::from(0_u32),
                BigUint::from(1_u32),
                &p - 1_u32,
                p.clone(),
                &p + 1_u32,
            ] {
                assert_eq!(group.check_public(&fixed(value)), refused);
            }
            assert_eq!(group.check_public(&vec![0xff; length]), refused);
            for value in [
                BigUint::from(2_u32),
                BigUint::from(256_u32),
                &p - 2_u32,
                &p - 256_u32,
            ] {
                assert_eq!(group.check_public(&fixed(value)), Ok(()));
            }
        }
    }

    // RFC 7296 §3.4#1: the value has the length of the modulus, zeros in front if need be.
    #[test]
    fn refuses_values_of_another_length() {
        for group in ALL {
            let expected = group.group().public_len();
            for found in [0, 1, expected - 1, expected + 1] {
                assert_eq!(
                    group.check_public(&vec![2; found]),
                    Err(KexError::Length {
                        group: group.group(),
                        expected,
                        found
                    })
                );
            }
        }
    }

    #[test]
    fn exponents_have_their_bits_and_no_more() {
        for group in ALL {
            let mut widest = 0;
            for seed in 0..64 {
                let exponent = group.draw_exponent(&mut CountingRng::new(seed)).unwrap();
                widest = widest.max(BigUint::from_bytes_be(exponent.as_bytes()).bits());
            }
            assert_eq!(widest, u64::from(group.exponent_bits()));
        }
    }

    #[test]
    fn a_source_of_zeros_is_no_source_of_randomness() {
        struct Zeros;
        impl Rng for Zeros {
            fn fill(&mut self, out: &mut [u8]) {
                out.fill(0);
            }
        }
        for group in ALL {
            assert!(matches!(
                group.draw_exponent(&mut Zeros),
                Err(CryptoError::Randomness)
            ));
        }
    }
}
