//! ECDSA as IKEv2 meets it: its curves, and the two forms in which r and s travel.

use alloc::vec;
use alloc::vec::Vec;

use super::der::{Der, tag};
use super::sign::SignatureScheme;

/// The curves of ECDSA keys (RFC 5480 §2.1.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

impl Curve {
    /// Every curve.
    pub const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Octets of a number below the curve's order, and of a coordinate.
    pub const fn number_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The scheme whose hash is as strong as the curve; RFC 4754 §3 knows no other.
    pub const fn scheme(self) -> SignatureScheme {
        match self {
            Self::P256 => SignatureScheme::EcdsaSha256,
            Self::P384 => SignatureScheme::EcdsaSha384,
            Self::P521 => SignatureScheme::EcdsaSha512,
        }
    }
}

/// A signature as the sequence of r and s that libraries and RFC 7427 take (RFC 3279 §2.2.3), out of r and
/// s side by side (RFC 4754 §7); `None` unless both have the curve's length. Whether they are numbers that a
/// signature may have is not judged here.
pub(crate) fn sequence_of(curve: Curve, side_by_side: &[u8]) -> Option<Vec<u8>> {
    let length = curve.number_len();
    let (r, s) = side_by_side.split_at_checked(length)?;
    if s.len() != length {
        return None;
    }
    element(tag::SEQUENCE, &[integer(r)?, integer(s)?].concat())
}

/// The other way round. `None` if this is no DER sequence of two numbers that fit the curve.
pub(crate) fn side_by_side_of(curve: Curve, sequence: &[u8]) -> Option<Vec<u8>> {
    let mut outer = Der::new(sequence);
    let mut numbers = outer.inside(tag::SEQUENCE)?;
    outer.finish()?;
    let (r, s) = (numbers.magnitude()?, numbers.magnitude()?);
    numbers.finish()?;
    // RFC 4754 §7: zeros go in front until each has the length of the curve's order.
    let mut octets = Vec::new();
    for number in [r, s] {
        let missing = curve.number_len().checked_sub(number.len())?;
        octets.extend(vec![0; missing]);
        octets.extend_from_slice(number);
    }
    Some(octets)
}

/// A DER INTEGER that is not negative.
fn integer(octets: &[u8]) -> Option<Vec<u8>> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let magnitude = octets.get(zeros..)?;
    let sign: &[u8] = match magnitude.first() {
        Some(first) if first & 0x80 == 0 => &[],
        // Zero is one octet of its own.
        Some(_) | None => &[0],
    };
    element(tag::INTEGER, &[sign, magnitude].concat())
}

/// A DER element of at most 255 octets: two numbers of P-521 have 138.
fn element(tag: u8, contents: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(contents.len()).ok()?;
    let head: &[u8] = match length {
        0..=0x7f => &[tag, length],
        _ => &[tag, 0x81, length],
    };
    Some([head, contents].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of this curve that look different in the two forms.
    fn numbers(curve: Curve) -> [Vec<u8>; 5] {
        let length = curve.number_len();
        let mut small = vec![0; length];
        *small.last_mut().unwrap() = 5;
        let mut short = vec![0x80; length];
        short[0] = 0;
        [
            vec![0; length],
            small,
            short,
            vec![0x7f; length],
            vec![0xff; length],
        ]
    }

    #[test]
    fn both_forms_say_the_same_numbers() {
        for curve in Curve::ALL {
            for r in numbers(curve) {
                for s in numbers(curve) {
                    let side_by_side = [&r[..], &s[..]].concat();
                    let sequence = sequence_of(curve, &side_by_side).unwrap();
                    assert_eq!(side_by_side_of(curve, &sequence), Some(side_by_side));
                }
            }
        }
    }

    #[test]
    fn no_other_length_is_two_numbers_of_the_curve() {
        for curve in Curve::ALL {
            let whole = 2 * curve.number_len();
            assert!(sequence_of(curve, &vec![1; whole]).is_some());
            for length in (0..whole).chain(whole + 1..whole + 4) {
                assert_eq!(sequence_of(curve, &vec![1; length]), None, "{length}");
            }
        }
    }

    #[test]
    fn a_sequence_of_larger_numbers_or_of_other_things_is_refused() {
        let fits = sequence_of(Curve::P256, &[1; 64]).unwrap();
        assert!(side_by_side_of(Curve::P256, &fits).is_some());
        let larger = sequence_of(Curve::P384, &[1; 96]).unwrap();
        assert_eq!(side_by_side_of(Curve::P256, &larger), None);
        for length in 0..fits.len() {
            assert_eq!(side_by_side_of(Curve::P256, &fits[..length]), None);
        }
        let longer = [&fits[..], &[0]].concat();
        assert_eq!(side_by_side_of(Curve::P256, &longer), None);
        // A negative number, a padded one, three numbers.
        for junk in [
            &[0x30, 6, 2, 1, 0xff, 2, 1, 1][..],
            &[0x30, 7, 2, 2, 0, 1, 2, 1, 1],
            &[0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1],
        ] {
            assert_eq!(side_by_side_of(Curve::P256, junk), None);
        }
    }
}
