//! The Traffic Selector payloads (RFC 7296 §3.13).

use alloc::vec::Vec;
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{LengthGuard, Reader, Wire, count_u8},
        registry::TsType,
    },
};

/// The traffic of one end of a child SA: a packet fits if it fits one of the selectors.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrafficSelectors {
    /// The selectors of known types. Empty where a peer sent none of them, which nothing can be narrowed to.
    pub selectors: Vec<TrafficSelector>,
    /// How many selectors of unknown types were passed over in reading. Not written.
    pub skipped: usize,
}

/// A range of addresses, ports and one protocol or all.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TrafficSelector {
    /// The IP protocol, 0 for all.
    pub protocol: u8,
    /// The first port; with ICMP the type and code. 0 to 65535 is every port, 65535 to 0 is OPAQUE (RFC 7296 §3.13.1).
    pub start_port: u16,
    /// The last port.
    pub end_port: u16,
    /// The addresses.
    pub addresses: AddressRange,
}

/// Addresses of one family from `start` to `end`, both included. In a received range `start` is not above `end`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AddressRange {
    /// TS_IPV4_ADDR_RANGE.
    V4 {
        /// The first address.
        start: Ipv4Addr,
        /// The last address.
        end: Ipv4Addr,
    },
    /// TS_IPV6_ADDR_RANGE.
    V6 {
        /// The first address.
        start: Ipv6Addr,
        /// The last address.
        end: Ipv6Addr,
    },
}

impl AddressRange {
    /// Every IPv4 address.
    pub const ANY_V4: Self = Self::V4 {
        start: Ipv4Addr::UNSPECIFIED,
        end: Ipv4Addr::BROADCAST,
    };

    /// Every IPv6 address.
    pub const ANY_V6: Self = Self::V6 {
        start: Ipv6Addr::UNSPECIFIED,
        end: Ipv6Addr::from_bits(u128::MAX),
    };

    /// A range, `None` if the families differ or `start` is above `end`.
    #[must_use]
    pub fn new(start: IpAddr, end: IpAddr) -> Option<Self> {
        match (start, end) {
            (IpAddr::V4(start), IpAddr::V4(end)) if start <= end => Some(Self::V4 { start, end }),
            (IpAddr::V6(start), IpAddr::V6(end)) if start <= end => Some(Self::V6 { start, end }),
            _ => None,
        }
    }

    /// The range that holds one address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4 {
                start: address,
                end: address,
            },
            IpAddr::V6(address) => Self::V6 {
                start: address,
                end: address,
            },
        }
    }

    /// The first address.
    #[must_use]
    pub const fn start(&self) -> IpAddr {
        match *self {
            Self::V4 { start, .. } => IpAddr::V4(start),
            Self::V6 { start, .. } => IpAddr::V6(start),
        }
    }

    /// The last address.
    #[must_use]
    pub const fn end(&self) -> IpAddr {
        match *self {
            Self::V4 { end, .. } => IpAddr::V4(end),
            Self::V6 { end, .. } => IpAddr::V6(end),
        }
    }

    /// The selector type that carries it.
    #[must_use]
    pub const fn kind(&self) -> TsType {
        match self {
            Self::V4 { .. } => TsType::TS_IPV4_ADDR_RANGE,
            Self::V6 { .. } => TsType::TS_IPV6_ADDR_RANGE,
        }
    }
}

impl TrafficSelector {
    /// Every protocol and port of these addresses.
    #[must_use]
    pub const fn addresses(addresses: AddressRange) -> Self {
        Self {
            // RFC 7296 §3.13.1#1-3: all ports are 0 to 65535.
            protocol: 0,
            start_port: 0,
            end_port: u16::MAX,
            addresses,
        }
    }

    /// Whether the ports are OPAQUE: for packets whose ports cannot be seen (RFC 7296 §3.13.1).
    #[must_use]
    pub const fn is_opaque(&self) -> bool {
        // RFC 7296 §3.13.1#4: OPAQUE ports.
        self.start_port == u16::MAX && self.end_port == 0
    }
}

impl From<Vec<TrafficSelector>> for TrafficSelectors {
    fn from(selectors: Vec<TrafficSelector>) -> Self {
        Self {
            selectors,
            skipped: 0,
        }
    }
}

impl Wire for TrafficSelectors {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let count = usize::from(reader.u8("traffic selector count")?);
        // RFC 7296 §3.13#2: what they hold is passed over.
        reader.array::<3>("traffic selectors")?;
        let mut selectors = Vec::new();
        let mut found = 0_usize;
        while !reader.is_empty() {
            found = found.saturating_add(1);
            let kind = TsType::read(reader)?;
            let protocol = reader.u8("traffic selector protocol")?;
            let length = reader.u16("traffic selector length")?;
            let mut body = reader.body(length, 4, "traffic selector")?;
            if let Some(selector) = read_selector(kind, protocol, &mut body)? {
                selectors.push(selector);
            }
        }
        if found != count {
            return Err(InvalidMessage::Count {
                what: "traffic selectors",
                count,
                found,
            });
        }
        let skipped = found.saturating_sub(selectors.len());
        Ok(Self { selectors, skipped })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(count_u8(self.selectors.len()));
        // RFC 7296 §3.13#1: the reserved octets are zero.
        out.extend_from_slice(&[0; 3]);
        for selector in &self.selectors {
            selector.write(out);
        }
    }
}

/// Reads what follows a selector's length: `None` for an unknown type.
fn read_selector(
    kind: TsType,
    protocol: u8,
    body: &mut Reader<'_>,
) -> Result<Option<TrafficSelector>, InvalidMessage> {
    let expected = match kind {
        TsType::TS_IPV4_ADDR_RANGE => 16,
        TsType::TS_IPV6_ADDR_RANGE => 40,
        // RFC 7296 §2.9: a type that is not understood makes only its own selector unusable.
        _ => return Ok(None),
    };
    let length = body.remaining().saturating_add(4);
    if length != expected {
        return Err(InvalidMessage::SelectorLength {
            kind,
            length,
            expected,
        });
    }
    let start_port = body.u16("traffic selector start port")?;
    let end_port = body.u16("traffic selector end port")?;
    let (start, end): (IpAddr, IpAddr) = if kind == TsType::TS_IPV4_ADDR_RANGE {
        let start = body.array::<4>("traffic selector start address")?;
        let end = body.array::<4>("traffic selector end address")?;
        (start.into(), end.into())
    } else {
        let start = body.array::<16>("traffic selector start address")?;
        let end = body.array::<16>("traffic selector end address")?;
        (start.into(), end.into())
    };
    let addresses =
        AddressRange::new(start, end).ok_or(InvalidMessage::SelectorRange { what: "address" })?;
    let selector = TrafficSelector {
        protocol,
        start_port,
        end_port,
        addresses,
    };
    if start_port > end_port && !selector.is_opaque() {
        return Err(InvalidMessage::SelectorRange { what: "port" });
    }
    Ok(Some(selector))
}

impl TrafficSelector {
    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.addresses.kind().write(out);
        out.push(self.protocol);
        let mut length = LengthGuard::<2>::open(out, start);
        let body = length.out();
        body.extend_from_slice(&self.start_port.to_be_bytes());
        body.extend_from_slice(&self.end_port.to_be_bytes());
        match self.addresses {
            AddressRange::V4 { start, end } => {
                body.extend_from_slice(&start.octets());
                body.extend_from_slice(&end.octets());
            }
            AddressRange::V6 { start, end } => {
                body.extend_from_slice(&start.octets());
                body.extend_from_slice(&end.octets());
            }
        }
        length.finish();
    }
}

impl fmt::Display for TrafficSelector {
    /// `start/start-port - end/end-port`, as `show crypto ikev2 sa detailed` prints a selector.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = (self.addresses.start(), self.addresses.end());
        write!(f, "{start}/{} - {end}/{}", self.start_port, self.end_port)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    const ANY_V4: &[u8] = &[
        1, 0, 0, 0, // one selector
        7, 0, 0, 16, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];

    fn read(octets: &[u8]) -> Result<TrafficSelectors, InvalidMessage> {
        TrafficSelectors::read(&mut Reader::new(octets))
    }

    // RFC 7296 §3.13#1-2, §3.13.1#1-3: reserved octets are sent as zero and passed over when received; a
    // selector of addresses alone has every port.
    #[test]
    fn ignores_the_reserved_octets() {
        let selectors: TrafficSelectors =
            Vec::from([TrafficSelector::addresses(AddressRange::ANY_V4)]).into();
        let mut out = Vec::new();
        selectors.write(&mut out);
        let expected = [
            1, 0, 0, 0, 7, 0, 0, 16, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        ];
        assert_eq!(out, expected);
        out[1..4].fill(0xff);
        let read = TrafficSelectors::read(&mut Reader::new(&out));
        assert_eq!(read, Ok(selectors));
    }

    #[test]
    fn reads_and_writes_every_address() {
        let any = TrafficSelectors::from(vec![TrafficSelector::addresses(AddressRange::ANY_V4)]);
        assert_eq!(read(ANY_V4), Ok(any.clone()));
        let mut out = Vec::new();
        any.write(&mut out);
        assert_eq!(out, ANY_V4);
        assert_eq!(
            any.selectors[0].to_string(),
            "0.0.0.0/0 - 255.255.255.255/65535"
        );
    }

    #[test]
    fn rejects_every_truncation() {
        for length in 0..ANY_V4.len() {
            assert!(read(&ANY_V4[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn skips_and_counts_unknown_types() {
        // RFC 7296 §2.9.
        let mut octets = ANY_V4.to_vec();
        octets[0] = 2;
        octets.extend_from_slice(&[9, 0, 0, 7, 1, 2, 3]);
        let read = read(&octets).unwrap();
        assert_eq!((read.selectors.len(), read.skipped), (1, 1));
    }

    #[test]
    fn rejects_counts_that_lie() {
        for count in [0, 2, 255] {
            let mut octets = ANY_V4.to_vec();
            octets[0] = count;
            assert_eq!(
                read(&octets),
                Err(InvalidMessage::Count {
                    what: "traffic selectors",
                    count: usize::from(count),
                    found: 1
                })
            );
        }
    }

    #[test]
    fn rejects_lengths_that_are_not_the_types() {
        let mut octets = ANY_V4.to_vec();
        octets[4] = 8;
        assert_eq!(
            read(&octets),
            Err(InvalidMessage::SelectorLength {
                kind: TsType::TS_IPV6_ADDR_RANGE,
                length: 16,
                expected: 40
            })
        );
        let mut octets = ANY_V4.to_vec();
        octets[7] = 3;
        assert_eq!(
            read(&octets),
            Err(InvalidMessage::LengthTooSmall {
                what: "traffic selector",
                length: 3,
                least: 4
            })
        );
    }

    #[test]
    fn rejects_ranges_that_end_before_they_start() {
        let mut octets = ANY_V4.to_vec();
        octets[12..].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
        assert_eq!(
            read(&octets),
            Err(InvalidMessage::SelectorRange { what: "address" })
        );
        let mut octets = ANY_V4.to_vec();
        octets[8..12].copy_from_slice(&[0, 2, 0, 1]);
        assert_eq!(
            read(&octets),
            Err(InvalidMessage::SelectorRange { what: "port" })
        );
    }

    #[test]
    fn accepts_opaque_ports() {
        // RFC 7296 §3.13.1#4: 65535 to 0 stands for ports that cannot be seen.
        let mut octets = ANY_V4.to_vec();
        octets[8..12].copy_from_slice(&[0xff, 0xff, 0, 0]);
        assert!(read(&octets).unwrap().selectors[0].is_opaque());
    }

    #[test]
    fn makes_no_range_of_two_families() {
        assert_eq!(
            AddressRange::new(Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
            None
        );
    }
}
