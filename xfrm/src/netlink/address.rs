//! Addresses on links.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, parse_ip};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, CacheInfo,
};

use super::error::NetlinkError;
use super::message::{AttributesOf, Request};
use super::network::{LinkIndex, Network};

/// Message types of linux/rtnetlink.h.
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

/// Attribute types of linux/if_addr.h.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Octets of `struct ifaddrmsg`.
const HEADER_OCTETS: usize = 8;

/// INFINITY_LIFE_TIME of linux/if_addr.h, in seconds.
const FOR_EVER: u32 = u32::MAX;

/// How often a new IPv6 address is looked for, and the time between.
const OWN_TRIES: u32 = 1000;
const OWN_AGAIN: Duration = Duration::from_millis(1);

/// An address on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkAddress {
    /// The link.
    pub link: LinkIndex,
    /// The address itself, host bits and all.
    pub address: IpAddr,
    /// Length of the prefix of the network that it puts the link into, in bits.
    pub prefix_length: u8,
}

impl Network {
    /// Puts an address on a link. IPv6 addresses are usable at once, without duplicate address detection.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`], with EEXIST when it is there already.
    pub fn add_address(&mut self, address: &LinkAddress) -> Result<(), NetlinkError> {
        self.add(address, wire(address))
    }

    /// The same for an address that is to be used only where a route or a program names it: nothing else is sent from it by the
    /// kernel's own choice. With IPv6 that is a deprecated one (RFC 4862 §5.5.4); with IPv4 the kernel chooses by the routes
    /// alone.
    ///
    /// # Errors
    ///
    /// As [`add_address`](Self::add_address).
    pub fn add_address_beside(&mut self, address: &LinkAddress) -> Result<(), NetlinkError> {
        let mut message = wire(address);
        if address.address.is_ipv6() {
            let mut lifetimes = CacheInfo::default();
            lifetimes.ifa_preferred = 0;
            lifetimes.ifa_valid = FOR_EVER;
            message
                .attributes
                .push(AddressAttribute::CacheInfo(lifetimes));
        }
        self.add(address, message)
    }

    fn add(&mut self, address: &LinkAddress, message: AddressMessage) -> Result<(), NetlinkError> {
        let operation = format!(
            "add {}/{} to {}",
            address.address, address.prefix_length, address.link
        );
        let request = Request::new(operation, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
        self.socket.execute(request.emit(&message))?;
        if address.address.is_ipv6() {
            self.await_own(address.address)?;
        }
        Ok(())
    }

    /// The kernel begins to take packets for an IPv6 address some moments after it has taken the address, by a task of its own.
    /// On a link that is down it does not, so nothing waits for long.
    fn await_own(&mut self, address: IpAddr) -> Result<(), NetlinkError> {
        for _ in 0..OWN_TRIES {
            match self.is_own(address) {
                // Without any way to it, it is not taken for our own either.
                Ok(false) | Err(NetlinkError::Refused { .. }) => thread::sleep(OWN_AGAIN),
                other => return other.map(|_| ()),
            }
        }
        Ok(())
    }

    /// Takes an address off a link.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]; [`NetlinkError::is_absent`] when it is not there.
    pub fn delete_address(&mut self, address: &LinkAddress) -> Result<(), NetlinkError> {
        let operation = format!(
            "delete {}/{} from {}",
            address.address, address.prefix_length, address.link
        );
        self.socket
            .execute(Request::new(operation, RTM_DELADDR, 0).emit(&wire(address)))
    }

    /// Every address on every link.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Malformed`] and as the socket fails.
    pub fn addresses(&mut self) -> Result<Vec<LinkAddress>, NetlinkError> {
        let operation = "list addresses";
        self.socket.dump(
            || Request::dump(operation, RTM_GETADDR).emit(&AddressMessage::default()),
            |message_type, body| match message_type {
                RTM_NEWADDR => parse(operation, body),
                _ => Ok(None),
            },
        )
    }
}

fn wire(address: &LinkAddress) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = address.prefix_length;
    message.header.index = address.link.value();
    if address.address.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message
        .attributes
        .push(AddressAttribute::Local(address.address));
    message
        .attributes
        .push(AddressAttribute::Address(address.address));
    message
}

/// Reads `struct ifaddrmsg` and the attributes behind it. `None` for a family that is not IP.
pub(super) fn parse(operation: &str, body: &[u8]) -> Result<Option<LinkAddress>, NetlinkError> {
    let short = || NetlinkError::malformed(operation, "an address without its header");
    let [_, prefix_length, _, _, i0, i1, i2, i3] =
        *body.first_chunk::<HEADER_OCTETS>().ok_or_else(short)?;
    let index = LinkIndex::new(u32::from_ne_bytes([i0, i1, i2, i3]));
    let link = index
        .ok_or_else(|| NetlinkError::malformed(operation, "an address on a link with number 0"))?;
    let (mut own, mut any) = (None, None);
    for (kind, value) in AttributesOf(body.get(HEADER_OCTETS..).unwrap_or_default()) {
        match kind {
            // On a point-to-point link IFA_ADDRESS is the other end's; IPv6 mostly has no IFA_LOCAL.
            IFA_LOCAL => own = parse_ip(value).ok(),
            IFA_ADDRESS => any = parse_ip(value).ok(),
            _ => {}
        }
    }
    Ok(own.or(any).map(|address| LinkAddress {
        link,
        address,
        prefix_length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;

    #[test]
    fn what_is_sent_is_read_back() {
        for text in ["10.10.0.1", "2001:db8::1"] {
            let address = LinkAddress {
                link: LinkIndex::new(3).unwrap(),
                address: text.parse().unwrap(),
                prefix_length: 24,
            };
            let message = wire(&address);
            let mut octets = vec![0; message.buffer_len()];
            message.emit(&mut octets);
            assert_eq!(parse("test", &octets), Ok(Some(address)));
            for cut in 0..octets.len() {
                let result = parse("test", &octets[..cut]);
                assert_eq!(result.is_err(), cut < HEADER_OCTETS, "cut to {cut}");
            }
        }
    }
}
