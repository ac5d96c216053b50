//! Public values that are no members of their groups, or that give the secret away.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]

use ironflex_ikev2::crypto::suite::Group;

/// Big-endian octets of the prime of this MODP group.
fn prime(group: Group) -> Vec<u8> {
    let text = include_str!("../vectors/modp-primes.txt");
    let label = format!("{}:", group.number());
    let line = text.lines().find_map(|line| line.strip_prefix(&label));
    octets(line.unwrap().trim())
}

fn octets(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// 0, 1, p − 1, p, and what is beyond.
fn modp(group: Group) -> Vec<Vec<u8>> {
    let p = prime(group);
    let mut one = vec![0; p.len()];
    let mut less = p.clone();
    *one.last_mut().unwrap() = 1;
    *less.last_mut().unwrap() -= 1;
    vec![vec![0; p.len()], one, less, vec![0xff; p.len()], p]
}

/// Zeros, coordinates beyond the field's prime, and points off the curve.
fn ecp(group: Group) -> Vec<Vec<u8>> {
    let length = group.public_len();
    let mut small = vec![0; length];
    small[length / 2 - 1] = 5;
    small[length - 1] = 5;
    vec![vec![0; length], vec![0xff; length], small]
}

/// Points of Curve25519 of low order, and the same beyond the field's prime (RFC 7748 §6.1: their
/// secret is zero).
fn low_order() -> Vec<Vec<u8>> {
    [
        "00".repeat(32),
        format!("01{}", "00".repeat(31)),
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800".into(),
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157".into(),
        format!("ec{}7f", "ff".repeat(30)),
        format!("ed{}7f", "ff".repeat(30)),
        format!("ee{}7f", "ff".repeat(30)),
    ]
    .map(|digits| octets(&digits))
    .to_vec()
}

/// Every group with the values that it must refuse.
pub(crate) fn bad_publics() -> [(Group, Vec<Vec<u8>>); 7] {
    use Group::*;
    [
        (Modp2048, modp(Modp2048)),
        (Modp3072, modp(Modp3072)),
        (Modp4096, modp(Modp4096)),
        (EcpP256, ecp(EcpP256)),
        (EcpP384, ecp(EcpP384)),
        (EcpP521, ecp(EcpP521)),
        (Curve25519, low_order()),
    ]
}
