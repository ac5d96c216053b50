//! Octets from hexadecimal, and sources of octets that are the same in every run.

#![allow(dead_code, reason = "each test file uses its part of the support")]

use ironflex_ikev2::crypto::{Provider, Rng, provider};

/// Octets of a hexadecimal string; white space may stand anywhere.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_digit(16).expect("hexadecimal digit"))
        .collect();
    assert_eq!(digits.len() % 2, 0, "odd number of digits");
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

/// Every provider that the Cargo features bring in, the default one first.
pub(crate) fn providers() -> Vec<&'static dyn Provider> {
    vec![
        #[cfg(feature = "aws-lc")]
        &provider::aws_lc::AwsLc,
        #[cfg(feature = "ring")]
        &provider::ring::Ring,
    ]
}

/// Spreads a seed over any number of octets: SplitMix64. No source of keys outside of tests.
pub(crate) struct SeededRng(pub(crate) u64);

impl Rng for SeededRng {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *octet = mixed.to_be_bytes()[0];
        }
    }
}

/// Gives out the one value it was made from: the private values of published vectors.
pub(crate) struct FixedRng(pub(crate) Vec<u8>);

impl Rng for FixedRng {
    fn fill(&mut self, out: &mut [u8]) {
        out.copy_from_slice(&self.0);
    }
}

/// A broken source: the same octet for ever.
pub(crate) struct StuckRng(pub(crate) u8);

impl Rng for StuckRng {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(self.0);
    }
}
