//! The Configuration payload (RFC 7296 §3.15).
//!
//! Attributes of any type and length are accepted: what one means, and whether its length fits, is asked of each by its
//! reader ([`ConfigAttribute::ipv4`] and the others), not of the payload as a whole.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{LengthGuard, Reader, Wire},
        registry::{ConfigAttributeType, ConfigType},
    },
};

/// How many attributes a request may have. A client asks for some sixty; without a bound a 64 KiB message holds 16,000,
/// which take eight times their octets once they are read.
pub const MAX_ATTRIBUTES: usize = 255;

/// How many attributes an answer may have: a headend names every network that goes into the tunnel.
const MAX_ANSWERED: usize = 4096;

/// A request for, or a grant of, addresses and what belongs to them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Configuration {
    /// What it does.
    pub kind: ConfigType,
    /// The attributes in their order; many may come more than once.
    pub attributes: Vec<ConfigAttribute>,
}

/// One attribute.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigAttribute {
    /// Its number, 15 bits.
    pub kind: ConfigAttributeType,
    /// Its value; empty in a request that leaves the value to the other side.
    pub value: Vec<u8>,
}

impl Configuration {
    /// The attributes of one number, in their order.
    pub fn attributes_of(
        &self,
        kind: ConfigAttributeType,
    ) -> impl Iterator<Item = &ConfigAttribute> {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.kind == kind)
    }
}

impl ConfigAttribute {
    /// An attribute with any value.
    #[must_use]
    pub const fn new(kind: ConfigAttributeType, value: Vec<u8>) -> Self {
        Self { kind, value }
    }

    /// An attribute without a value: a wish.
    #[must_use]
    pub const fn empty(kind: ConfigAttributeType) -> Self {
        Self::new(kind, Vec::new())
    }

    /// An attribute whose value is an IPv4 address or netmask.
    #[must_use]
    pub fn from_ipv4(kind: ConfigAttributeType, address: Ipv4Addr) -> Self {
        Self::new(kind, address.octets().to_vec())
    }

    /// An attribute whose value is an IPv4 network, such as INTERNAL_IP4_SUBNET: address and netmask.
    #[must_use]
    pub fn from_ipv4_subnet(
        kind: ConfigAttributeType,
        network: Ipv4Addr,
        netmask: Ipv4Addr,
    ) -> Self {
        Self::new(
            kind,
            [network.octets(), netmask.octets()].as_flattened().to_vec(),
        )
    }

    /// An attribute whose value is an IPv6 address.
    #[must_use]
    pub fn from_ipv6(kind: ConfigAttributeType, address: Ipv6Addr) -> Self {
        Self::new(kind, address.octets().to_vec())
    }

    /// An attribute whose value is an IPv6 address and a prefix length, such as INTERNAL_IP6_ADDRESS.
    #[must_use]
    pub fn from_ipv6_prefix(kind: ConfigAttributeType, address: Ipv6Addr, length: u8) -> Self {
        let mut value = address.octets().to_vec();
        value.push(length);
        Self::new(kind, value)
    }

    /// The value as an IPv4 address or netmask, `None` unless it has 4 octets.
    #[must_use]
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        <[u8; 4]>::try_from(self.value.as_slice())
            .ok()
            .map(Ipv4Addr::from)
    }

    /// The value as an IPv4 network, address and netmask. `None` unless it has 8 octets.
    #[must_use]
    pub fn ipv4_subnet(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        match self.value.as_chunks::<4>() {
            ([network, netmask], []) => Some(((*network).into(), (*netmask).into())),
            _ => None,
        }
    }

    /// The value as an IPv6 address, `None` unless it has 16 octets.
    #[must_use]
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        <[u8; 16]>::try_from(self.value.as_slice())
            .ok()
            .map(Ipv6Addr::from)
    }

    /// The value as an IPv6 address and a prefix length, `None` unless it has 17 octets and the prefix length is at most
    /// 128.
    #[must_use]
    pub fn ipv6_prefix(&self) -> Option<(Ipv6Addr, u8)> {
        match self.value.split_first_chunk::<16>() {
            Some((address, [length])) if *length <= 128 => Some(((*address).into(), *length)),
            _ => None,
        }
    }

    /// The value as a number of 32 bits, such as INTERNAL_ADDRESS_EXPIRY in seconds. `None` unless it has 4 octets.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        <[u8; 4]>::try_from(self.value.as_slice())
            .ok()
            .map(u32::from_be_bytes)
    }

    /// The value as text, `None` unless it is UTF-8. It may hold control characters.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        core::str::from_utf8(&self.value).ok()
    }
}

impl Wire for Configuration {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let kind = ConfigType::read(reader)?;
        // RFC 7296 §3.15#2: what they hold is passed over.
        reader.array::<3>("configuration")?;
        let limit = if kind == ConfigType::CFG_REPLY {
            MAX_ANSWERED
        } else {
            MAX_ATTRIBUTES
        };
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            if attributes.len() >= limit {
                return Err(InvalidMessage::TooMany {
                    what: "configuration attributes",
                    limit,
                });
            }
            attributes.push(ConfigAttribute::read(reader)?);
        }
        Ok(Self { kind, attributes })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.kind.write(out);
        // RFC 7296 §3.15#1: the reserved octets are zero.
        out.extend_from_slice(&[0; 3]);
        for attribute in &self.attributes {
            attribute.write(out);
        }
    }
}

impl Wire for ConfigAttribute {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        // RFC 7296 §3.15.1#1-2: the first bit is reserved, the type has fifteen.
        let kind = ConfigAttributeType(reader.u16("configuration attribute")? & 0x7fff);
        let length = reader.u16("configuration attribute length")?;
        let value = reader
            .take(usize::from(length), "configuration attribute value")?
            .to_vec();
        Ok(Self { kind, value })
    }

    fn write(&self, out: &mut Vec<u8>) {
        // RFC 7296 §3.15.1#1: the first bit is zero.
        out.extend_from_slice(&(self.kind.0 & 0x7fff).to_be_bytes());
        let mut length = LengthGuard::<2>::open_after(out);
        length.out().extend_from_slice(&self.value);
        length.finish();
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn read(octets: &[u8]) -> Result<Configuration, InvalidMessage> {
        Configuration::read(&mut Reader::new(octets))
    }

    #[test]
    fn reads_a_captured_request() {
        let octets = [1, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0];
        let request = Configuration {
            kind: ConfigType::CFG_REQUEST,
            attributes: vec![
                ConfigAttribute::empty(ConfigAttributeType::INTERNAL_IP4_ADDRESS),
                ConfigAttribute::empty(ConfigAttributeType::INTERNAL_IP4_DNS),
            ],
        };
        assert_eq!(read(&octets), Ok(request.clone()));
        let mut out = Vec::new();
        request.write(&mut out);
        assert_eq!(out, octets);
    }

    #[test]
    fn accepts_any_number_with_any_length_and_ignores_the_reserved_bit() {
        // RFC 7296 §3.15#1-2, §3.15.1#1-2, §1.7#5: reserved fields are passed over, sent as zero, and any
        // number is read (docs/anyconnect-eap.md).
        let read = read(&[1, 9, 9, 9, 0xf0, 0x05, 0, 3, 1, 2, 3]).unwrap();
        let mut out = Vec::new();
        read.write(&mut out);
        assert_eq!(out, [1, 0, 0, 0, 0x70, 0x05, 0, 3, 1, 2, 3]);
        assert_eq!(
            read.attributes,
            [ConfigAttribute::new(
                ConfigAttributeType(28677),
                vec![1, 2, 3]
            )]
        );
    }

    #[test]
    fn rejects_an_attribute_that_overruns() {
        assert_eq!(
            read(&[2, 0, 0, 0, 0, 1, 0, 4, 10, 0, 0]),
            Err(InvalidMessage::Truncated {
                what: "configuration attribute value",
                needed: 4,
                available: 3
            })
        );
        assert_eq!(
            read(&[2, 0, 0, 0, 0, 1, 0]),
            Err(InvalidMessage::Truncated {
                what: "configuration attribute length",
                needed: 2,
                available: 1
            })
        );
    }

    #[test]
    fn values_read_back_as_what_they_were_made_of() {
        let kind = ConfigAttributeType::INTERNAL_IP4_SUBNET;
        let network = Ipv4Addr::new(10, 1, 0, 0);
        let netmask = Ipv4Addr::new(255, 255, 0, 0);
        let subnet = ConfigAttribute::from_ipv4_subnet(kind, network, netmask);
        assert_eq!(subnet.ipv4_subnet(), Some((network, netmask)));
        assert_eq!(subnet.ipv4(), None);
        assert_eq!(
            ConfigAttribute::from_ipv4(kind, network).ipv4(),
            Some(network)
        );
        let v6 = Ipv6Addr::LOCALHOST;
        assert_eq!(ConfigAttribute::from_ipv6(kind, v6).ipv6(), Some(v6));
        assert_eq!(
            ConfigAttribute::from_ipv6_prefix(kind, v6, 64).ipv6_prefix(),
            Some((v6, 64))
        );
        assert_eq!(
            ConfigAttribute::from_ipv6_prefix(kind, v6, 129).ipv6_prefix(),
            None
        );
    }

    #[test]
    fn values_of_the_wrong_size_read_as_nothing() {
        for length in [0, 1, 3, 5, 7, 9, 15, 18] {
            let attribute = ConfigAttribute::new(ConfigAttributeType(1), vec![0; length]);
            assert_eq!(attribute.ipv4(), None);
            assert_eq!(attribute.ipv4_subnet(), None);
            assert_eq!(attribute.ipv6(), None);
            assert_eq!(attribute.ipv6_prefix(), None);
            assert_eq!(attribute.number(), None);
        }
    }

    #[test]
    fn refuses_more_attributes_than_anybody_asks_for() {
        let of_kind = |kind, count: usize| {
            let mut octets = [kind, 0, 0, 0].to_vec();
            octets.extend([0, 1, 0, 0].repeat(count));
            Configuration::read(&mut Reader::new(&octets))
        };
        for (kind, limit) in [(1, MAX_ATTRIBUTES), (2, MAX_ANSWERED), (3, MAX_ATTRIBUTES)] {
            let of = |count| of_kind(kind, count);
            assert_eq!(of(limit).unwrap().attributes.len(), limit);
            let many = InvalidMessage::TooMany {
                what: "configuration attributes",
                limit,
            };
            assert_eq!(of(limit + 1), Err(many));
        }
    }
}
