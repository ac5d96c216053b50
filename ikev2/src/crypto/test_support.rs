//! What the tests of this module share.

use alloc::vec::Vec;

use super::Rng;

/// Octets of a hexadecimal string; white space may stand anywhere.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| u8::try_from(character.to_digit(16).expect("hexadecimal digit")).unwrap())
        .collect();
    assert_eq!(digits.len() % 2, 0, "odd number of digits");
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// A reproducible source that is good enough to spread bits: SplitMix64.
pub(crate) struct CountingRng(u64);

impl CountingRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Rng for CountingRng {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *octet = (mixed >> 56) as u8;
        }
    }
}
