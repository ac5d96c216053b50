//! The Internet checksum (RFC 1071).

use std::net::IpAddr;

/// Adds `octets` to a running sum of big-endian 16-bit words; an odd last octet counts as a word's high half.
///
/// Sums are kept in 64 bits and folded by [`finish`] alone; with fewer than 2^32 octets nothing is lost.
pub(in crate::esp) fn sum(octets: &[u8], start: u64) -> u64 {
    // 32-bit words in eight 64-bit lanes: the compiler turns this into vector additions. RFC 1071 §2(B): the
    // sum does not depend on byte order, so words are taken as they lie and turned once at the end.
    let (chunks, rest) = octets.as_chunks::<32>();
    let mut lanes = [0_u64; 8];
    for chunk in chunks {
        let (words, _) = chunk.as_chunks::<4>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane = lane.wrapping_add(u64::from(u32::from_ne_bytes(*word)));
        }
    }
    let mut native = lanes
        .iter()
        .fold(0_u64, |total, lane| total.wrapping_add(*lane));
    let (pairs, last) = rest.as_chunks::<2>();
    for pair in pairs {
        native = native.wrapping_add(u64::from(u16::from_ne_bytes(*pair)));
    }
    if let [octet] = last {
        native = native.wrapping_add(u64::from(u16::from_ne_bytes([*octet, 0])));
    }
    start.wrapping_add(u64::from(u16::from_be(fold(native))))
}

/// The sum of a TCP or UDP pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1) with this upper-layer `length`.
pub(in crate::esp) fn pseudo_header(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    length: usize,
) -> u64 {
    let mut total = u64::from(protocol).wrapping_add(length as u64);
    for address in [source, destination] {
        total = match address {
            IpAddr::V4(v4) => sum(&v4.octets(), total),
            IpAddr::V6(v6) => sum(&v6.octets(), total),
        };
    }
    total
}

/// The 16-bit one's complement sum.
pub(in crate::esp) const fn fold(sum: u64) -> u16 {
    // Two foldings bring 64 bits to 33, two more to 16; each adds the carries back in.
    let sum = (sum & 0xffff_ffff).wrapping_add(sum >> 32);
    let sum = (sum & 0xffff_ffff).wrapping_add(sum >> 32);
    let sum = (sum & 0xffff).wrapping_add(sum >> 16);
    let sum = (sum & 0xffff).wrapping_add(sum >> 16);
    (sum & 0xffff).wrapping_add(sum >> 16) as u16
}

/// The checksum field: the complement of the sum.
pub(in crate::esp) const fn finish(sum: u64) -> u16 {
    !fold(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // RFC 1071 §3, the worked example.
    #[test]
    fn sums_the_example() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&octets, 0)), 0xddf2);
        assert_eq!(finish(sum(&octets, 0)), !0xddf2);
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(octets in prop::collection::vec(any::<u8>(), 0..300), start in any::<u16>()) {
            let mut expected = u32::from(start);
            for pair in octets.chunks(2) {
                expected += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
                expected = (expected & 0xffff) + (expected >> 16);
            }
            prop_assert_eq!(fold(sum(&octets, u64::from(start))), expected as u16);
        }
    }
}
