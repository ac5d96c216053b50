//! Routes: all of them carry the protocol number of whom the [`Network`] was opened for, and only such ones are listed or
//! removed.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, parse_ip};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use super::error::NetlinkError;
use super::message::{AttributesOf, Request};
use super::network::{LinkIndex, Network};
use super::owner::Owner;
use crate::IpPrefix;

/// Message types of linux/rtnetlink.h.
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;

/// Attribute types of linux/rtnetlink.h.
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;

/// RTNH_F_DEAD and RTNH_F_LINKDOWN: nothing is sent there.
const DEAD_OR_DOWN: u32 = 1 | 16;

/// Octets of `struct rtnexthop`.
const HOP_OCTETS: usize = 8;

/// Octets of `struct rtmsg`.
const HEADER_OCTETS: usize = 12;

/// Route types of linux/rtnetlink.h.
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const RTN_UNREACHABLE: u8 = 7;

/// The main routing table.
pub const MAIN_TABLE: u32 = 254;

/// A route that a [`Network`] makes or has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Which packets take it.
    pub destination: IpPrefix,
    /// Where they go.
    pub target: RouteTarget,
    /// Among routes for the same prefix the smallest wins. Not 0, for which IPv6 has another number of its own.
    pub metric: u32,
    /// The address that our own packets have as their source by default.
    pub source: Option<IpAddr>,
    /// The routing table; [`MAIN_TABLE`] mostly.
    pub table: u32,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteTarget {
    /// Straight onto a link.
    Link(LinkIndex),
    /// To a router.
    Gateway {
        /// The router's address.
        address: IpAddr,
        /// The link that it is on; `None`: the kernel finds out.
        link: Option<LinkIndex>,
    },
    /// Nowhere: the sender is told so (ICMP). Needs no link.
    Unreachable,
}

/// The way that packets to one address take at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// The link that they leave by.
    pub link: LinkIndex,
    /// The router that they are handed to; `None`: the address is on the link itself.
    pub gateway: Option<IpAddr>,
    /// The source address that the kernel would choose.
    pub source: Option<IpAddr>,
}

impl Route {
    /// A route of the main table onto a link: a session's to its client, a client's into its tunnel.
    #[must_use]
    pub const fn onto(owner: Owner, destination: IpPrefix, link: LinkIndex) -> Self {
        Self {
            destination,
            target: RouteTarget::Link(link),
            metric: owner.metric(),
            source: None,
            table: MAIN_TABLE,
        }
    }

    /// The route beneath a pool: what is sent to an address without a session goes nowhere, instead of out by the
    /// default route in clear. It loses to every other route for the same prefix, so that a pool of one address works too.
    #[must_use]
    pub const fn guard(owner: Owner, pool: IpPrefix) -> Self {
        Self {
            destination: pool,
            target: RouteTarget::Unreachable,
            metric: owner.guard_metric(),
            source: None,
            table: MAIN_TABLE,
        }
    }

    fn words(&self, verb: &str) -> String {
        match self.target {
            RouteTarget::Link(link) => format!("{verb} route {} on {link}", self.destination),
            RouteTarget::Gateway { address, .. } => {
                format!("{verb} route {} via {address}", self.destination)
            }
            RouteTarget::Unreachable => format!("{verb} unreachable route {}", self.destination),
        }
    }
}

impl Network {
    /// Adds a route. One of the same owner with the same destination and metric gives way to it, which is what a client that
    /// reconnects with its address needs; anyone else's does not.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`], with EEXIST when a foreign route has this destination and metric, with ENODEV or
    /// ENETDOWN when the link is gone or down.
    pub fn add_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        let message = wire(route, self.protocol());
        let fresh = Request::new(route.words("add"), RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
            .emit(&message);
        match self.socket.execute(fresh) {
            Err(error) if error.is_present() => {
                let same_place = |other: &Route| {
                    other.destination == route.destination
                        && other.metric == route.metric
                        && other.table == route.table
                };
                let Some(ours) = self.routes()?.into_iter().find(same_place) else {
                    return Err(error);
                };
                // A guard that stands is not to be gone for a moment.
                if ours == *route {
                    return Ok(());
                }
                // IPv6 keeps several routes of one metric side by side and will not replace one kind by another.
                if ours.destination.address().is_ipv6() {
                    self.delete_route(&ours)?;
                    let mut add = |route: &Route| {
                        let flags = NLM_F_CREATE | NLM_F_EXCL;
                        let request = Request::new(route.words("add"), RTM_NEWROUTE, flags);
                        let message = wire(route, self.protocol());
                        self.socket.execute(request.emit(&message))
                    };
                    return add(route).inspect_err(|_| {
                        // The former way, should the kernel still take it, is better than none.
                        let _ = add(&ours);
                    });
                }
                let replacing = Request::new(
                    route.words("replace"),
                    RTM_NEWROUTE,
                    NLM_F_CREATE | NLM_F_REPLACE,
                );
                self.socket.execute(replacing.emit(&message))
            }
            result => result,
        }
    }

    /// Removes a route of this handle's owner.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]; [`NetlinkError::is_absent`] when there is no such route with the owner's protocol number.
    pub fn delete_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        let message = wire(route, self.protocol());
        self.socket
            .execute(Request::new(route.words("delete"), RTM_DELROUTE, 0).emit(&message))
    }

    /// The way to an address, whoever made the route: what a full-tunnel client nails down for its headend before
    /// everything else goes into the tunnel.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] with ENETUNREACH or EHOSTUNREACH when there is no way.
    pub fn next_hop(&mut self, address: IpAddr) -> Result<NextHop, NetlinkError> {
        let (operation, request) = lookup(address);
        let mut found = None;
        self.socket.query(request, |message_type, body| {
            if message_type == RTM_NEWROUTE {
                let attributes = Attributes::read(&operation, body)?;
                found = attributes.link.map(|link| NextHop {
                    link,
                    gateway: attributes.gateway,
                    source: attributes.source,
                });
            }
            Ok(())
        })?;
        found.ok_or_else(|| NetlinkError::malformed(operation, "a route without a link"))
    }

    /// The way to an address by the main table, if there were no routes of ours: of all owners', for one client's way may
    /// not lead through another's tunnel. Of a route with several next hops it is the first one that is alive. `None` when there
    /// is none, or only one of a form that is not understood here.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Malformed`] and as the socket fails.
    pub fn next_hop_of_others(&mut self, address: IpAddr) -> Result<Option<NextHop>, NetlinkError> {
        let operation = "list routes";
        let of_whom = family(&IpPrefix::host(address));
        let routes = self.socket.dump(
            || {
                let mut message = RouteMessage::default();
                message.header.address_family = of_whom;
                Request::dump(operation, RTM_GETROUTE).emit(&message)
            },
            |message_type, body| match message_type {
                RTM_NEWROUTE if is_alive(body) => parse_if(
                    operation,
                    |protocol| !Owner::is_route_protocol(protocol),
                    body,
                ),
                _ => Ok(None),
            },
        )?;
        let best = routes
            .into_iter()
            .filter(|route| route.table == MAIN_TABLE && route.destination.contains(address))
            .max_by_key(|route| {
                (
                    route.destination.length(),
                    u32::MAX.saturating_sub(route.metric),
                )
            });
        Ok(best.and_then(|route| {
            let (link, gateway) = match route.target {
                RouteTarget::Link(link) => (link, None),
                RouteTarget::Gateway { address, link } => (link?, Some(address)),
                RouteTarget::Unreachable => return None,
            };
            Some(NextHop {
                link,
                gateway,
                source: route.source,
            })
        }))
    }

    /// Whether the machine takes what is sent to an address for its own.
    ///
    /// # Errors
    ///
    /// As [`next_hop`](Self::next_hop).
    pub(super) fn is_own(&mut self, address: IpAddr) -> Result<bool, NetlinkError> {
        let (_, request) = lookup(address);
        let mut own = false;
        self.socket.query(request, |message_type, body| {
            let header = body.first_chunk::<HEADER_OCTETS>();
            let kind = header.map(|&[.., kind, _, _, _, _]| kind);
            own |= message_type == RTM_NEWROUTE && kind == Some(RTN_LOCAL);
            Ok(())
        })?;
        Ok(own)
    }

    /// Every route with the owner's protocol number, in every table.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Malformed`] and as the socket fails.
    pub fn routes(&mut self) -> Result<Vec<Route>, NetlinkError> {
        let operation = "list routes";
        let protocol = self.protocol();
        let mut ours = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            ours.extend(self.socket.dump(
                || {
                    let mut message = RouteMessage::default();
                    message.header.address_family = family;
                    Request::dump(operation, RTM_GETROUTE).emit(&message)
                },
                |message_type, body| match message_type {
                    RTM_NEWROUTE => parse(operation, protocol, body),
                    _ => Ok(None),
                },
            )?);
        }
        Ok(ours)
    }
}

/// The question for the way to an address.
fn lookup(address: IpAddr) -> (String, Request) {
    let operation = format!("look up the route to {address}");
    let target = IpPrefix::host(address);
    let mut message = RouteMessage::default();
    message.header.address_family = family(&target);
    message.header.destination_prefix_length = target.length();
    message
        .attributes
        .push(RouteAttribute::Destination(RouteAddress::from(address)));
    let request = Request::new(operation.clone(), RTM_GETROUTE, 0).emit(&message);
    (operation, request)
}

fn family(prefix: &IpPrefix) -> AddressFamily {
    match prefix.address() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

pub(super) fn wire(route: &Route, protocol: u8) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(&route.destination);
    message.header.destination_prefix_length = route.destination.length();
    message.header.protocol = RouteProtocol::from(protocol);
    // The header's table has eight bits; RTA_TABLE says the rest.
    message.header.table = u8::try_from(route.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.attributes.push(RouteAttribute::Table(route.table));
    message
        .attributes
        .push(RouteAttribute::Destination(RouteAddress::from(
            route.destination.address(),
        )));
    message
        .attributes
        .push(RouteAttribute::Priority(route.metric));
    let (kind, scope) = match route.target {
        RouteTarget::Link(link) => {
            message.attributes.push(RouteAttribute::Oif(link.value()));
            (RouteType::Unicast, RouteScope::Link)
        }
        RouteTarget::Gateway { address, link } => {
            message
                .attributes
                .push(RouteAttribute::Gateway(RouteAddress::from(address)));
            message
                .attributes
                .extend(link.map(|link| RouteAttribute::Oif(link.value())));
            (RouteType::Unicast, RouteScope::Universe)
        }
        RouteTarget::Unreachable => (RouteType::Unreachable, RouteScope::Universe),
    };
    message.header.kind = kind;
    message.header.scope = scope;
    message.attributes.extend(
        route
            .source
            .map(|source| RouteAttribute::PrefSource(RouteAddress::from(source))),
    );
    message
}

/// Reads `struct rtmsg` and the attributes behind it. `None` for a route of another protocol number or of a form that we
/// never make.
pub(super) fn parse(operation: &str, ours: u8, body: &[u8]) -> Result<Option<Route>, NetlinkError> {
    parse_if(operation, |protocol| protocol == ours, body)
}

/// Whether the link that a route leads onto can carry anything.
fn is_alive(body: &[u8]) -> bool {
    let flags = body.get(8..HEADER_OCTETS).and_then(<[u8]>::first_chunk);
    flags.is_some_and(|&octets| u32::from_ne_bytes(octets) & DEAD_OR_DOWN == 0)
}

fn parse_if(
    operation: &str,
    wanted: impl Fn(u8) -> bool,
    body: &[u8],
) -> Result<Option<Route>, NetlinkError> {
    let short = || NetlinkError::malformed(operation, "a route without its header");
    let [family, prefix_length, _, _, table, protocol, _, kind, ..] =
        *body.first_chunk::<HEADER_OCTETS>().ok_or_else(short)?;
    if !wanted(protocol) {
        return Ok(None);
    }
    let any = match AddressFamily::from(family) {
        AddressFamily::Inet => IpPrefix::ANY_V4.address(),
        AddressFamily::Inet6 => IpPrefix::ANY_V6.address(),
        _ => return Ok(None),
    };
    let attributes = Attributes::read(operation, body)?;
    // None of ours has several.
    let hop = attributes
        .several
        .filter(|_| !Owner::is_route_protocol(protocol));
    let (gateway, link) = match hop {
        Some((link, gateway)) => (gateway, Some(link)),
        None => (attributes.gateway, attributes.link),
    };
    let target = match (kind, gateway, link) {
        (RTN_UNREACHABLE, _, _) => RouteTarget::Unreachable,
        (RTN_UNICAST, Some(address), link) => RouteTarget::Gateway { address, link },
        (RTN_UNICAST, None, Some(link)) => RouteTarget::Link(link),
        _ => return Ok(None),
    };
    let destination = attributes.destination.unwrap_or(any);
    let destination = IpPrefix::new(destination, prefix_length)
        .ok_or_else(|| NetlinkError::malformed(operation, "a prefix longer than its address"))?;
    Ok(Some(Route {
        destination,
        target,
        metric: attributes.metric,
        source: attributes.source,
        table: attributes.table.unwrap_or_else(|| table.into()),
    }))
}

/// The attributes of a route that matter here.
#[derive(Default)]
struct Attributes {
    destination: Option<IpAddr>,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
    link: Option<LinkIndex>,
    /// Of several next hops the first one that is alive.
    several: Option<(LinkIndex, Option<IpAddr>)>,
    metric: u32,
    table: Option<u32>,
}

impl Attributes {
    fn read(operation: &str, body: &[u8]) -> Result<Self, NetlinkError> {
        let malformed = |error| NetlinkError::malformed(operation, error);
        let number = |value: &[u8]| {
            let octets = value.first_chunk::<4>();
            octets.map(|octets| u32::from_ne_bytes(*octets))
        };
        let mut read = Self::default();
        for (kind, value) in AttributesOf(body.get(HEADER_OCTETS..).unwrap_or_default()) {
            match kind {
                RTA_DST => read.destination = Some(parse_ip(value).map_err(malformed)?),
                RTA_GATEWAY => read.gateway = Some(parse_ip(value).map_err(malformed)?),
                RTA_PREFSRC => read.source = Some(parse_ip(value).map_err(malformed)?),
                RTA_OIF => read.link = number(value).and_then(LinkIndex::new),
                RTA_MULTIPATH => read.several = first_alive(value),
                RTA_PRIORITY => read.metric = number(value).unwrap_or(0),
                RTA_TABLE => read.table = number(value),
                _ => {}
            }
        }
        Ok(read)
    }
}

/// Reads `struct rtnexthop`s, each with the attributes behind it, up to the first one that carries something. One whose router
/// has an address of the other family is passed over.
fn first_alive(hops: &[u8]) -> Option<(LinkIndex, Option<IpAddr>)> {
    let mut rest = hops;
    while let Some(&[l0, l1, flags, _, i0, i1, i2, i3]) = rest.first_chunk::<HOP_OCTETS>() {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let attributes = rest.get(HOP_OCTETS..length)?;
        let link = LinkIndex::new(u32::from_ne_bytes([i0, i1, i2, i3]));
        let of = |wanted| AttributesOf(attributes).find(|&(kind, _)| kind == wanted);
        if u32::from(flags) & DEAD_OR_DOWN == 0
            && of(RTA_VIA).is_none()
            && let Some(link) = link
        {
            let gateway = of(RTA_GATEWAY).map(|(_, value)| parse_ip(value));
            return Some((link, gateway.transpose().ok()?));
        }
        rest = rest.get(length.checked_next_multiple_of(4)?..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;
    use netlink_packet_route::route::{RouteNextHop, RouteNextHopFlags};

    const OURS: u8 = Owner::Headend.route_protocol();

    fn prefix(text: &str, length: u8) -> IpPrefix {
        IpPrefix::new(text.parse().unwrap(), length).unwrap()
    }

    #[test]
    fn what_is_sent_is_recognised_again() {
        let link = LinkIndex::new(4).unwrap();
        for route in [
            Route::onto(Owner::Headend, prefix("10.10.0.5", 32), link),
            Route::guard(Owner::Headend, prefix("10.10.0.0", 16)),
            Route::guard(Owner::Headend, prefix("2001:db8::", 64)),
            Route {
                destination: IpPrefix::ANY_V4,
                target: RouteTarget::Gateway {
                    address: "192.0.2.254".parse().unwrap(),
                    link: Some(link),
                },
                metric: 7,
                source: Some("192.0.2.1".parse().unwrap()),
                table: 1000,
            },
        ] {
            let message = wire(&route, OURS);
            let mut octets = vec![0; message.buffer_len()];
            message.emit(&mut octets);
            assert_eq!(parse("test", OURS, &octets), Ok(Some(route)));
            for cut in 0..HEADER_OCTETS {
                assert!(parse("test", OURS, &octets[..cut]).is_err(), "cut to {cut}");
            }
            // The kernel's own routes, or an administrator's.
            octets[5] = 4;
            assert_eq!(parse("test", OURS, &octets), Ok(None));
        }
    }

    #[test]
    fn of_several_next_hops_the_first_that_is_alive_is_the_way() {
        let hop = |flags, index, gateway: Option<[u8; 4]>| {
            let gateway = gateway
                .map(|octets| RouteAttribute::Gateway(RouteAddress::from(IpAddr::from(octets))));
            let mut hop = RouteNextHop::default();
            hop.attributes.extend(gateway);
            hop.flags = flags;
            hop.interface_index = index;
            hop
        };
        let read = |hops: Vec<RouteNextHop>, protocol| {
            let default = Route::guard(Owner::Headend, IpPrefix::ANY_V4);
            let mut message = wire(&default, protocol);
            message.header.kind = RouteType::Unicast;
            message.attributes.push(RouteAttribute::MultiPath(hops));
            let mut octets = vec![0; message.buffer_len()];
            message.emit(&mut octets);
            let others = |protocol| !Owner::is_route_protocol(protocol);
            let route = parse_if("test", others, &octets).unwrap();
            assert_eq!(parse("test", OURS, &octets), Ok(None));
            route.map(|route| route.target)
        };
        let (none, dead) = (RouteNextHopFlags::empty(), RouteNextHopFlags::Dead);
        let down = RouteNextHopFlags::Linkdown;
        let first = || hop(none, 4, Some([192, 0, 2, 254]));
        let via = |octets: [u8; 4], index| RouteTarget::Gateway {
            address: octets.into(),
            link: LinkIndex::new(index),
        };
        let both = vec![first(), hop(none, 5, None)];
        assert_eq!(read(both, 4), Some(via([192, 0, 2, 254], 4)));
        let second = vec![
            hop(dead, 3, None),
            hop(down, 6, Some([192, 0, 2, 1])),
            first(),
        ];
        assert_eq!(read(second, 4), Some(via([192, 0, 2, 254], 4)));
        let onto = vec![hop(dead, 4, Some([192, 0, 2, 254])), hop(none, 5, None)];
        let link = LinkIndex::new(5).unwrap();
        assert_eq!(read(onto, 4), Some(RouteTarget::Link(link)));
        assert_eq!(read(vec![hop(dead, 4, None)], 4), None);
        assert_eq!(read(vec![first()], OURS), None);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_next_hops_or_none(octets: Vec<u8>) {
            let _ = first_alive(&octets);
        }
    }

    #[test]
    fn a_guard_loses_to_every_session() {
        let link = LinkIndex::new(4).unwrap();
        assert!(
            Route::onto(Owner::Headend, prefix("10.10.0.5", 32), link).metric
                < Route::guard(Owner::Headend, prefix("10.10.0.5", 32)).metric
        );
    }

    proptest::proptest! {
        #[test]
        fn any_route_is_recognised_again(
            address: std::net::Ipv4Addr, length in 0..=32_u8, index in 1..=u32::MAX, metric: u32, table in 1..=u32::MAX,
        ) {
            let route = Route {
                destination: IpPrefix::new(address.into(), length).unwrap(),
                target: RouteTarget::Link(LinkIndex::new(index).unwrap()),
                metric,
                source: None,
                table,
            };
            let message = wire(&route, OURS);
            let mut octets = vec![0; message.buffer_len()];
            message.emit(&mut octets);
            proptest::prop_assert_eq!(parse("test", OURS, &octets), Ok(Some(route)));
        }

        #[test]
        fn any_octets_are_a_route_or_an_error(mut octets: Vec<u8>) {
            if let Some(protocol) = octets.get_mut(5) {
                *protocol = OURS;
            }
            proptest::prop_assert!(parse("test", OURS, &octets).is_err() || octets.len() >= HEADER_OCTETS);
        }
    }
}
