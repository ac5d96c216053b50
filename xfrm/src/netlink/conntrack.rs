//! The kernel's table of connections (linux/netfilter/nfnetlink_conntrack.h), as far as it translates addresses.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::error::{KernelErrno, NetlinkError};
use super::message::{AttributesOf, Request};
use super::socket::{NetlinkSocket, Subsystem};
use crate::IpPrefix;

/// NFNL_SUBSYS_CTNETLINK of linux/netfilter/nfnetlink.h, in the upper octet of every message type.
const SUBSYSTEM: u16 = 1;

/// Message types of the subsystem.
const NEW: u16 = 0;
const GET: u16 = 1;

/// NFPROTO_IPV4 of linux/netfilter.h.
const FAMILY_IPV4: u8 = 2;

/// Octets of `struct nfgenmsg`.
const HEADER_OCTETS: usize = 4;

/// Attribute types.
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const STATUS: u16 = 3;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IPV4_SOURCE: u16 = 1;
const IPV4_DESTINATION: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
const ICMP_IDENTIFIER: u16 = 4;

/// IPS_SRC_NAT of linux/netfilter/nf_conntrack_common.h: the source is another on the way out.
const SOURCE_TRANSLATED: u32 = 1 << 4;

/// One connection whose source address the kernel translates. Of ICMP the identifier stands in the place of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Translation {
    /// The protocol above IP, by its number.
    pub protocol: u8,
    /// Who began, as it calls itself.
    pub inside_local: SocketAddrV4,
    /// The same as the other end sees it.
    pub inside_global: SocketAddrV4,
    /// The other end, as who began calls it.
    pub outside_local: SocketAddrV4,
    /// The same as it answers.
    pub outside_global: SocketAddrV4,
}

/// The translations of connections that began at these networks, in the network namespace of the calling thread; `None` where the
/// kernel has no such table to be looked at.
///
/// # Errors
///
/// [`NetlinkError::Refused`] without the right to look, and as the socket fails.
pub fn translations(inside: &[IpPrefix]) -> Result<Option<Vec<Translation>>, NetlinkError> {
    let mut socket = NetlinkSocket::open(Subsystem::Netfilter)?;
    let wanted = |one: &Translation| {
        let source = (*one.inside_local.ip()).into();
        inside.iter().any(|network| network.contains(source))
    };
    let listed = socket.dump(
        || {
            Request::dump("list connections", (SUBSYSTEM << 8) | GET).octets(&[
                FAMILY_IPV4,
                0,
                0,
                0,
            ])
        },
        |message_type, body| {
            let is_connection = message_type == (SUBSYSTEM << 8) | NEW;
            let read = is_connection.then(|| read(body)).flatten();
            Ok(read.filter(wanted))
        },
    );
    match listed {
        Err(error)
            if matches!(
                error.errno(),
                Some(KernelErrno::EOPNOTSUPP | KernelErrno::EINVAL)
            ) =>
        {
            // No module answers for the subsystem.
            Ok(None)
        }
        Err(error) => Err(error),
        Ok(mut found) => {
            found.sort_unstable();
            Ok(Some(found))
        }
    }
}

/// Reads a connection of the kernel's list; `None` for one whose source is not translated.
fn read(body: &[u8]) -> Option<Translation> {
    let (mut original, mut reply, mut status) = (None, None, 0);
    for (kind, value) in AttributesOf(body.get(HEADER_OCTETS..)?) {
        match kind {
            TUPLE_ORIGINAL => original = Tuple::read(value),
            TUPLE_REPLY => reply = Tuple::read(value),
            STATUS => status = u32::from_be_bytes(*value.first_chunk()?),
            _ => {}
        }
    }
    let (original, reply) = (original?, reply?);
    (status & SOURCE_TRANSLATED != 0).then_some(Translation {
        protocol: original.protocol,
        inside_local: original.source,
        inside_global: reply.destination,
        outside_local: original.destination,
        outside_global: reply.source,
    })
}

/// One direction of a connection.
struct Tuple {
    protocol: u8,
    source: SocketAddrV4,
    destination: SocketAddrV4,
}

impl Tuple {
    fn read(octets: &[u8]) -> Option<Self> {
        let (mut source, mut destination, mut protocol) = (None, None, None);
        let (mut source_port, mut destination_port) = (0, 0);
        let address = |value: &[u8]| value.first_chunk::<4>().map(|four| Ipv4Addr::from(*four));
        let port = |value: &[u8]| {
            value
                .first_chunk()
                .map_or(0, |two| u16::from_be_bytes(*two))
        };
        for (kind, value) in AttributesOf(octets) {
            match kind {
                TUPLE_IP => {
                    for (kind, value) in AttributesOf(value) {
                        match kind {
                            IPV4_SOURCE => source = address(value),
                            IPV4_DESTINATION => destination = address(value),
                            _ => {}
                        }
                    }
                }
                TUPLE_PROTOCOL => {
                    for (kind, value) in AttributesOf(value) {
                        match kind {
                            PROTOCOL_NUMBER => protocol = value.first().copied(),
                            SOURCE_PORT => source_port = port(value),
                            DESTINATION_PORT => destination_port = port(value),
                            ICMP_IDENTIFIER => {
                                source_port = port(value);
                                destination_port = port(value);
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Some(Self {
            protocol: protocol?,
            source: SocketAddrV4::new(source?, source_port),
            destination: SocketAddrV4::new(destination?, destination_port),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::Attributes;

    fn tuple(source: ([u8; 4], u16), destination: ([u8; 4], u16)) -> Attributes {
        let ip = Attributes::new()
            .attribute(IPV4_SOURCE, &source.0)
            .attribute(IPV4_DESTINATION, &destination.0);
        let protocol = Attributes::new()
            .attribute(PROTOCOL_NUMBER, &[6])
            .attribute(SOURCE_PORT, &source.1.to_be_bytes())
            .attribute(DESTINATION_PORT, &destination.1.to_be_bytes());
        Attributes::new()
            .nested(TUPLE_IP, &ip)
            .nested(TUPLE_PROTOCOL, &protocol)
    }

    /// A connection of 10.0.0.1 to 192.0.2.9, behind 192.0.2.1.
    fn connection(status: u32) -> Vec<u8> {
        let original = tuple(([10, 0, 0, 1], 5000), ([192, 0, 2, 9], 80));
        let reply = tuple(([192, 0, 2, 9], 80), ([192, 0, 2, 1], 6000));
        let request = Request::dump("test", 0)
            .octets(&[FAMILY_IPV4, 0, 0, 0])
            .nested(TUPLE_ORIGINAL, &original)
            .nested(TUPLE_REPLY, &reply)
            .attribute(STATUS, &status.to_be_bytes());
        request.wire()[16..].to_vec()
    }

    #[test]
    fn a_translated_connection_is_read_from_both_ends_and_another_passed_over() {
        let end = |address: [u8; 4], port| SocketAddrV4::new(address.into(), port);
        assert_eq!(
            read(&connection(SOURCE_TRANSLATED | 1)),
            Some(Translation {
                protocol: 6,
                inside_local: end([10, 0, 0, 1], 5000),
                inside_global: end([192, 0, 2, 1], 6000),
                outside_local: end([192, 0, 2, 9], 80),
                outside_global: end([192, 0, 2, 9], 80),
            })
        );
        assert_eq!(read(&connection(1)), None);
        // What is cut off anywhere is none, and harms nobody.
        let whole = connection(SOURCE_TRANSLATED);
        for length in 0..whole.len() - 8 {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
    }
}
