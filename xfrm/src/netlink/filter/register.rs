//! What is known of the registers of a rule, and the expressions that compare them.

use std::collections::BTreeMap;

use super::set::Part;
use super::{Holds, attribute, number};
use crate::netlink::message::name_of;

/// What is known of a register.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// These octets.
    Is(Vec<u8>),
    /// Any device but loopback.
    Device,
    /// The number of such a device.
    DeviceNumber,
    /// Whatever it is; how many octets, if that is known.
    Unknown(Option<usize>),
}

impl Value {
    /// How many octets there are.
    const fn octets(&self) -> Option<usize> {
        match self {
            Self::Is(octets) => Some(octets.len()),
            Self::Device => Some(Part::Device.octets()),
            Self::DeviceNumber => Some(Part::DeviceNumber.octets()),
            Self::Unknown(octets) => *octets,
        }
    }
}

/// What is known of the registers, by the first of the words of four octets that a value stands in.
#[derive(Default)]
pub(super) struct Registers(BTreeMap<u32, Value>);

impl Registers {
    /// The first word of a register: those of 16 octets (NFT_REG_1 to 4) and of 4 (from NFT_REG32_00 on) are the same memory.
    const fn word(register: u32) -> u32 {
        match register {
            0..=7 => register.saturating_sub(1).saturating_mul(4),
            _ => register.saturating_sub(8),
        }
    }

    fn get(&self, register: u32) -> Option<&Value> {
        self.0.get(&Self::word(register))
    }

    pub(super) fn insert(&mut self, register: u32, value: Value) {
        self.0.insert(Self::word(register), value);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// So many octets from a register on, by what is known of their parts.
    pub(super) fn parts(&self, register: u32, octets: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        let (mut word, mut left) = (Self::word(register), octets);
        while left > 0 {
            let part = match self.0.get(&word) {
                // How long it is, is not known either.
                None => Part::Unknown(left),
                Some(value) if value.octets().is_none_or(|octets| octets == 0) => {
                    Part::Unknown(left)
                }
                Some(Value::Is(octets)) => Part::Is(octets.clone()),
                Some(Value::Device) => Part::Device,
                Some(Value::DeviceNumber) => Part::DeviceNumber,
                Some(Value::Unknown(octets)) => Part::Unknown(octets.unwrap_or(left)),
            };
            let words = part.octets().div_ceil(4);
            let taken = words.saturating_mul(4);
            left = left.saturating_sub(taken);
            word = word.saturating_add(u32::try_from(words).unwrap_or(u32::MAX));
            parts.push(part);
        }
        parts
    }
}

/// The octets of a value in an attribute (NFTA_DATA_VALUE).
fn octets(data: &[u8], wanted: u16) -> Option<&[u8]> {
    attribute(attribute(data, wanted)?, 1)
}

pub(super) fn compared(data: &[u8], registers: &Registers) -> Holds {
    const SOURCE: u16 = 1;
    const OPERATOR: u16 = 2;
    const DATA: u16 = 3;
    /// enum nft_cmp_ops.
    const EQUAL: u32 = 0;
    const NOT_EQUAL: u32 = 1;
    const LESS: u32 = 2;
    const AT_MOST: u32 = 3;
    const MORE: u32 = 4;
    const AT_LEAST: u32 = 5;
    let found = number(data, SOURCE).and_then(|register| registers.get(register));
    let (Some(found), Some(with)) = (found, octets(data, DATA)) else {
        return Holds::Perhaps;
    };
    let operator = number(data, OPERATOR);
    let loopback = match found {
        Value::Device => name_of(with) == "lo",
        // Loopback is the first device of every network namespace.
        Value::DeviceNumber => with == 1_u32.to_ne_bytes(),
        Value::Is(_) | Value::Unknown(_) => false,
    };
    match (found, operator) {
        (Value::Device | Value::DeviceNumber, Some(EQUAL)) if loopback => Holds::No,
        (Value::Device | Value::DeviceNumber, Some(NOT_EQUAL)) if loopback => Holds::Yes,
        (Value::Is(found), Some(operator)) if found.len() >= with.len() => {
            let found = found.get(..with.len()).unwrap_or_default();
            match operator {
                EQUAL => (found == with).into(),
                NOT_EQUAL => (found != with).into(),
                LESS => (found < with).into(),
                AT_MOST => (found <= with).into(),
                MORE => (found > with).into(),
                AT_LEAST => (found >= with).into(),
                _ => Holds::Perhaps,
            }
        }
        _ => Holds::Perhaps,
    }
}

pub(super) fn within(data: &[u8], registers: &Registers) -> Holds {
    const SOURCE: u16 = 1;
    const OPERATOR: u16 = 2;
    const FROM: u16 = 3;
    const TO: u16 = 4;
    const EQUAL: u32 = 0;
    let found = number(data, SOURCE).and_then(|register| registers.get(register));
    let (Some(Value::Is(found)), Some(from), Some(to)) =
        (found, octets(data, FROM), octets(data, TO))
    else {
        return Holds::Perhaps;
    };
    let inside = found.as_slice() >= from && found.as_slice() <= to;
    (inside == (number(data, OPERATOR) == Some(EQUAL))).into()
}

pub(super) fn masked(data: &[u8], registers: &mut Registers) -> Holds {
    const SOURCE: u16 = 1;
    const DESTINATION: u16 = 2;
    const MASK: u16 = 4;
    const XOR: u16 = 5;
    let found = number(data, SOURCE).and_then(|register| registers.get(register));
    let value = match (found, octets(data, MASK), octets(data, XOR)) {
        (Some(Value::Is(found)), Some(mask), Some(xor)) => {
            let masked = found.iter().zip(mask.iter().zip(xor));
            Value::Is(
                masked
                    .map(|(octet, (mask, xor))| (octet & mask) ^ xor)
                    .collect(),
            )
        }
        (found, ..) => Value::Unknown(found.and_then(Value::octets)),
    };
    if let Some(register) = number(data, DESTINATION) {
        registers.insert(register, value);
    }
    Holds::Yes
}

/// Numbers from the machine's order of octets into the network's, or back, which is the same: what is left over stays.
pub(super) fn turned(data: &[u8], registers: &mut Registers) -> Holds {
    const SOURCE: u16 = 1;
    const DESTINATION: u16 = 2;
    const LENGTH: u16 = 4;
    const SIZE: u16 = 5;
    let found = number(data, SOURCE).and_then(|register| registers.get(register));
    let count = |kind| usize::try_from(number(data, kind).unwrap_or_default()).unwrap_or_default();
    let (length, size) = (count(LENGTH), count(SIZE).max(1));
    let value = match found {
        Some(Value::Is(octets)) => {
            let mut octets = octets.clone();
            let turned = octets.get_mut(..length).unwrap_or_default();
            if cfg!(target_endian = "little") {
                turned.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
            Value::Is(octets)
        }
        _ => Value::Unknown(Some(length)),
    };
    if let Some(register) = number(data, DESTINATION) {
        registers.insert(register, value);
    }
    Holds::Yes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_put_together_of_what_stands_behind_each_other() {
        let mut registers = Registers::default();
        registers.insert(1, Value::Is(vec![17]));
        registers.insert(9, Value::Unknown(Some(4)));
        registers.insert(10, Value::Is(vec![1, 244]));
        registers.insert(2, Value::Device);
        let known = [Part::Is(vec![17]), Part::Unknown(4), Part::Is(vec![1, 244])];
        assert_eq!(registers.parts(1, 12), known);
        assert_eq!(registers.parts(8, 4), [Part::Is(vec![17])]);
        assert_eq!(registers.parts(2, 16), [Part::Device]);
        // What was never put there, and what has no octets.
        assert_eq!(registers.parts(3, 8), [Part::Unknown(8)]);
        for none in [
            Value::Is(Vec::new()),
            Value::Unknown(Some(0)),
            Value::Unknown(None),
        ] {
            registers.insert(3, none);
            assert_eq!(registers.parts(3, 8), [Part::Unknown(8)]);
        }
    }
}
