//! Neighbours: which hardware address the kernel has found for an address on a network that it is on (ARP, and neighbour
//! discovery of IPv6).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::parse_ip;

use super::error::NetlinkError;
use super::link::Link;
use super::message::{AttributesOf, Request};
use super::network::{LinkIndex, Network};

/// Message types of linux/rtnetlink.h.
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;

/// Attribute types of linux/neighbour.h.
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_CACHEINFO: u16 = 3;

/// Octets of `struct ndmsg`.
const HEADER_OCTETS: usize = 12;

/// How many of its ticks the kernel tells programs for a second (USER_HZ).
const TICKS_PER_SECOND: u64 = 100;

/// Families of linux/socket.h.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// It is being asked for.
    Incomplete,
    /// It was heard of lately.
    Reachable,
    /// It was heard of a while ago.
    Stale,
    /// Something was sent to it, which it may still answer.
    Delay,
    /// It is being asked for again.
    Probe,
    /// It has not answered.
    Failed,
    /// Somebody has entered it for good.
    Permanent,
    /// It is the machine itself.
    Own,
}

impl NeighbourState {
    /// The state by its bit in linux/neighbour.h; `None` for what is nobody on a network, as a group's address.
    const fn of(bits: u16) -> Option<Self> {
        Some(match bits {
            0x01 => Self::Incomplete,
            0x02 => Self::Reachable,
            0x04 => Self::Stale,
            0x08 => Self::Delay,
            0x10 => Self::Probe,
            0x20 => Self::Failed,
            0x80 => Self::Permanent,
            _ => return None,
        })
    }
}

/// A neighbour as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The name of the link that it is behind.
    pub device: String,
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address, where it is known.
    pub hardware: Option<Vec<u8>>,
    /// What is known of it.
    pub state: NeighbourState,
    /// How long ago it was last heard of.
    pub age: Duration,
}

impl Network {
    /// The neighbours of one family, and with IPv4 the machine's own addresses among them, as ARP tables have them.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Malformed`] and as the socket fails.
    pub fn neighbours(&mut self, ipv6: bool) -> Result<Vec<Neighbour>, NetlinkError> {
        let operation = "list neighbours";
        let family = if ipv6 { AF_INET6 } else { AF_INET };
        let mut header = [0; HEADER_OCTETS];
        if let Some(first) = header.first_mut() {
            *first = family;
        }
        let found = self.socket.dump(
            || Request::dump(operation, RTM_GETNEIGH).octets(&header),
            |message_type, body| match message_type {
                RTM_NEWNEIGH => parse(operation, body),
                _ => Ok(None),
            },
        )?;
        let links = self.links()?.into_iter();
        let links: BTreeMap<LinkIndex, Link> = links.map(|link| (link.index, link)).collect();
        // What is behind a link that has gone meanwhile is no neighbour any more.
        let named = found.into_iter().filter_map(|(link, neighbour)| {
            let device = links.get(&link)?.name.clone();
            Some(Neighbour {
                device,
                ..neighbour
            })
        });
        let mut all: Vec<Neighbour> = named.collect();
        if !ipv6 {
            let own = self.addresses()?.into_iter().filter_map(|own| {
                let link = links.get(&own.link).filter(|_| own.address.is_ipv4())?;
                Some(Neighbour {
                    device: link.name.clone(),
                    address: own.address,
                    hardware: Some(link.hardware?.to_vec()),
                    state: NeighbourState::Own,
                    age: Duration::ZERO,
                })
            });
            all.extend(own);
        }
        Ok(all)
    }
}

/// Reads `struct ndmsg` and the attributes behind it; without a name for the link. `None` for what is no neighbour.
pub(super) fn parse(
    operation: &str,
    body: &[u8],
) -> Result<Option<(LinkIndex, Neighbour)>, NetlinkError> {
    let short = || NetlinkError::malformed(operation, "a neighbour without its header");
    let [_, _, _, _, i0, i1, i2, i3, s0, s1, _, _] =
        *body.first_chunk::<HEADER_OCTETS>().ok_or_else(short)?;
    let link = LinkIndex::new(u32::from_ne_bytes([i0, i1, i2, i3]))
        .ok_or_else(|| NetlinkError::malformed(operation, "a neighbour on a link with number 0"))?;
    let (mut address, mut hardware, mut age) = (None, None, Duration::ZERO);
    for (kind, value) in AttributesOf(body.get(HEADER_OCTETS..).unwrap_or_default()) {
        match kind {
            NDA_DST => address = parse_ip(value).ok(),
            NDA_LLADDR => hardware = (!value.is_empty()).then(|| value.to_vec()),
            // struct nda_cacheinfo begins with when it was last confirmed.
            NDA_CACHEINFO => {
                let ticks = value
                    .first_chunk()
                    .map_or(0, |four| u32::from_ne_bytes(*four));
                age = Duration::from_secs(u64::from(ticks) / TICKS_PER_SECOND);
            }
            _ => {}
        }
    }
    let state = NeighbourState::of(u16::from_ne_bytes([s0, s1]));
    Ok(state.zip(address).map(|(state, address)| {
        let neighbour = Neighbour {
            device: String::new(),
            address,
            hardware,
            state,
            age,
        };
        (link, neighbour)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(state: u16, address: &[u8], hardware: &[u8]) -> Vec<u8> {
        let mut header = [0; HEADER_OCTETS];
        header[0] = AF_INET;
        header[4..8].copy_from_slice(&3_u32.to_ne_bytes());
        header[8..10].copy_from_slice(&state.to_ne_bytes());
        let mut times = [0; 16];
        times[..4].copy_from_slice(&12_345_u32.to_ne_bytes());
        let request = Request::new("test", RTM_NEWNEIGH, 0)
            .octets(&header)
            .attribute(NDA_DST, address)
            .attribute(NDA_LLADDR, hardware)
            .attribute(NDA_CACHEINFO, &times);
        request.wire()[16..].to_vec()
    }

    #[test]
    fn a_neighbour_is_read_with_its_age_and_what_is_none_is_passed_over() {
        let body = message(0x02, &[192, 0, 2, 9], &[2, 0, 0, 0, 0, 9]);
        let neighbour = Neighbour {
            device: String::new(),
            address: "192.0.2.9".parse().unwrap(),
            hardware: Some(vec![2, 0, 0, 0, 0, 9]),
            state: NeighbourState::Reachable,
            age: Duration::from_secs(123),
        };
        let link = LinkIndex::new(3).unwrap();
        assert_eq!(parse("test", &body), Ok(Some((link, neighbour))));
        // One that does not answer has no hardware address.
        let body = message(0x20, &[192, 0, 2, 9], &[]);
        let (_, failed) = parse("test", &body).unwrap().unwrap();
        assert_eq!(
            (failed.state, failed.hardware),
            (NeighbourState::Failed, None)
        );
        // A group's address needs none (NUD_NOARP).
        assert_eq!(
            parse("test", &message(0x40, &[224, 0, 0, 1], &[])),
            Ok(None)
        );
        for cut in 0..body.len() {
            let result = parse("test", &body[..cut]);
            assert_eq!(result.is_err(), cut < HEADER_OCTETS, "cut to {cut}");
        }
    }
}
