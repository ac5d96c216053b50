//! The `ipv6` lines: pools, interfaces, and what an authorization policy gives of IPv6.

use alloc::{boxed::Box, string::String};

use super::{Args, Edit, acl6, add, objection};
use crate::{
    error::{Diagnostic, Fault},
    model::{Located, pool::Ipv6Pool},
    tree::{Node, Token},
};

// --- Outside every object ---

pub(super) const LINES: &[Node] = &[
    Node::word("ipv6", "Global IPv6 configuration commands").then(&[
        acl6::OPEN,
        Node::word("local", "Specify local options").then(&[
            Node::word("pool", "Configure an IPv6 prefix pool").then(&[Node::name(
                "Name of the pool",
            )
            .unset(|edit, args| {
                let name = args.name()?;
                edit.candidate.ipv6_pools.remove(name.value.as_str());
                Ok(())
            })
            .then(&[
                Node::value(Token::Ipv6Net, "Prefix of the pool").then(&[Node::number(
                    0,
                    128,
                    "Length of the prefix that a client is given, in bits",
                )
                .set(add_pool)
                .then(&[
                    Node::refused("shared", "pools that several clients share an address of"),
                    Node::refused("cache-size", "the cache of a pool"),
                ])]),
            ])]),
            Node::refused("policy", "routing protocols"),
        ]),
        Node::refused_even_negated("cef", "forwarding by the router (it is Linux's)"),
        Node::refused_block("dhcp", "DHCP"),
        Node::refused("general-prefix", "general prefixes"),
        Node::refused_even_negated("hop-limit", "hop limits (they are Linux's)"),
        Node::refused("host", "the router's own name resolution"),
        Node::refused_even_negated("icmp", "ICMP by command"),
        Node::refused("mld", "multicast"),
        Node::refused("multicast-routing", "multicast"),
        Node::refused_block("nat", "NAT of IPv6"),
        Node::refused_block("nd", "neighbour discovery by command"),
        Node::refused("neighbor", "neighbour discovery by command"),
        Node::refused("prefix-list", "routing protocols"),
        Node::refused_even_negated("route", "static routes (they are Linux's)"),
        Node::refused_block("router", "routing protocols"),
        Node::refused("source-route", "source routing"),
        Node::refused_even_negated(
            "unicast-routing",
            "forwarding by the router (it is Linux's)",
        ),
    ]),
];

fn add_pool(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let name = args.name()?;
    let prefix = args.ipv6_net()?;
    let assigned = args.located_number::<u8>()?;
    let Some(pool) = Ipv6Pool::new(prefix, assigned.value) else {
        let why = "the assigned length is shorter than the pool's own";
        let range = alloc::format!("<{}-128>", prefix.length());
        let fault = objection(Fault::Value, assigned.at, why);
        return Err(fault.expecting([range]).into());
    };
    if let Some(known) = edit.candidate.ipv6_pools.entry(name.value.as_str()) {
        if known.value == pool {
            return Ok(());
        }
        let fault = objection(Fault::Conflict, name.at, "the pool has another prefix");
        return Err(fault.beside(known.at.clone(), "it was made here").into());
    }
    let named = Located::new(name.value, edit.at.clone());
    let pools = &mut edit.candidate.ipv6_pools;
    pools.get_or_insert_with(&named, || pool);
    Ok(())
}

// --- Authorization policies ---

pub(super) const ACCESS_LIST: Node = Node::word("ipv6", "Specify an IPv6 access-list")
    .then(&[Node::name("IPv6 access-list name").set(set_access_list)]);

pub(super) const REMOTE: Node =
    Node::word("ipv6", "IPv6 networks").then(&[Node::value(Token::Ipv6Net, "Network")
        .set(|edit, args| {
            let network = args.ipv6_net()?;
            let routes = &mut edit.authorization_policy()?.ipv6.route_set_remote;
            add(routes, network);
            Ok(())
        })
        .unset(|edit, args| {
            let network = args.ipv6_net()?;
            let routes = &mut edit.authorization_policy()?.ipv6.route_set_remote;
            routes.retain(|known| *known != network);
            Ok(())
        })]);

pub(super) const AUTHORIZATION: Node = Node::word("ipv6", "Specify the ipv6 attributes").then(&[
    Node::word("pool", "Specify local IPv6 address pool")
        .then(&[Node::name("IPv6 address pool name").set(|edit, args| {
            edit.authorization_policy()?.ipv6.pool = Some(args.name()?);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.authorization_policy()?.ipv6.pool = None;
            Ok(())
        }),
    Node::word("dns", "Specify IPv6 dns")
        .then(&[Node::value(Token::Ipv6, "Primary DNS server")
            .set(set_dns)
            .then(&[Node::value(Token::Ipv6, "Secondary DNS server").set(set_dns)])])
        .unset(|edit, _| {
            edit.authorization_policy()?.ipv6.dns.clear();
            Ok(())
        }),
    Node::word("prefix", "Specify ipv6 prefix length of the config address")
        .then(&[Node::number(1, 128, "Prefix length").set(|edit, args| {
            edit.authorization_policy()?.ipv6.prefix = Some(args.number()?);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.authorization_policy()?.ipv6.prefix = None;
            Ok(())
        }),
    // What `route set access-list ipv6` was called before IOS 15.2.
    Node::word("subnet-acl", "Specify networks by access-list")
        .then(&[Node::name("IPv6 access-list name").set(set_access_list)])
        .unset(|edit, _| {
            edit.authorization_policy()?.ipv6.route_set_access_list = None;
            Ok(())
        }),
    Node::refused("route", "static routes of a session"),
]);

fn set_dns(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let (first, second) = (args.ipv6()?, args.maybe_ipv6());
    let servers = core::iter::once(first).chain(second);
    edit.authorization_policy()?.ipv6.dns = servers.map(|server| server.value).collect();
    Ok(())
}

fn set_access_list(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    edit.authorization_policy()?.ipv6.route_set_access_list = Some(args.name()?);
    Ok(())
}

// --- Interfaces ---

/// The `ipv6` lines of an interface: its own, and those of every kind.
macro_rules! interface {
    ($($own:expr),*) => {
        Node::word("ipv6", "IPv6 interface subcommands").then(&[
            $($own,)*
            Node::word("enable", "Enable IPv6 on interface")
                .set(|edit, _| {
                    edit.interface()?.ipv6.enable = true;
                    Ok(())
                })
                .unset(|edit, _| {
                    edit.interface()?.ipv6.enable = false;
                    Ok(())
                }),
            Node::refused("dhcp", "DHCP"),
            Node::refused("eigrp", "routing protocols"),
            Node::refused("flow", "flow monitoring"),
            Node::refused("inspect", "zone firewalls"),
            Node::refused("mld", "multicast"),
            Node::refused("mtu", "an MTU of IPv6 alone (ip mtu is for both)"),
            Node::refused_even_negated("nd", "neighbour discovery by command"),
            Node::refused("ospf", "routing protocols"),
            Node::refused_even_negated("redirects", "ICMP by command"),
            Node::refused("rip", "routing protocols"),
            Node::refused("router", "routing protocols"),
            Node::refused("tcp", "an MSS of IPv6 alone (ip tcp adjust-mss is for both)"),
            Node::refused("traffic-filter", "packet filters"),
            Node::refused_even_negated("unreachables", "ICMP by command"),
            Node::refused_even_negated("verify", "reverse path checks (they are Linux's)")
        ])
    };
}

pub(super) const INTERFACE: Node = interface!(ADDRESS);
pub(super) const VIRTUAL_TEMPLATE: Node = interface!(NO_ADDRESS, UNNUMBERED);

const ADDRESS: Node = Node::word("address", "Configure IPv6 address on interface")
    .then(&[
        Node::value(Token::Ipv6Interface, "IPv6 address and prefix length")
            .set(|edit, args| {
                let address = args.ipv6_interface()?;
                let host = address.value.address;
                if host.is_unspecified() || host.is_multicast() {
                    let why = "not an address of a host";
                    return Err(objection(Fault::Value, address.at, why));
                }
                add(&mut edit.interface()?.ipv6.addresses, address);
                Ok(())
            })
            .unset(|edit, args| {
                let address = args.ipv6_interface()?;
                let addresses = &mut edit.interface()?.ipv6.addresses;
                addresses.retain(|known| *known != address);
                Ok(())
            })
            .then(&[
                Node::refused("anycast", "anycast addresses"),
                Node::refused("eui-64", "addresses made from those of the link"),
            ]),
        Node::refused(
            "autoconfig",
            "addresses by router advertisement (they are Linux's)",
        ),
        Node::refused("dhcp", "addresses by DHCP (they are Linux's)"),
    ])
    .unset(|edit, _| {
        edit.interface()?.ipv6.addresses.clear();
        Ok(())
    });

/// As with IPv4, a Virtual-Template borrows its address.
const NO_ADDRESS: Node = Node::word("address", "Configure IPv6 address on interface")
    .then(&[
        Node::value(Token::Line, "A Virtual-Template borrows its address").set(|edit, _| {
            let why = "a Virtual-Template has no address of its own";
            let fault = objection(Fault::Value, edit.at.clone(), why);
            let instead = [String::from("ipv6 unnumbered INTERFACE")];
            Err(fault.expecting(instead).into())
        }),
    ])
    .unset(|_, _| Ok(()));

const UNNUMBERED: Node = Node::word(
    "unnumbered",
    "Preferred interface for source address selection",
)
.then(&[
    Node::value(Token::Interface, "Interface whose address is used").set(|edit, args| {
        edit.interface()?.ipv6.unnumbered = Some(args.interface()?);
        Ok(())
    }),
])
.unset(|edit, _| {
    edit.interface()?.ipv6.unnumbered = None;
    Ok(())
});
