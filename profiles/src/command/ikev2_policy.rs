//! `crypto ikev2 authorization policy`.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::{Args, Edit, add, ipv6, objection};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        Located,
        ikev2::{LIST_LIMIT, RouteAccept, RouteSetInterface},
        name::Name,
        net::Ipv4Net,
    },
    tree::{Node, Token},
};

/// Longest banner, in octets.
const BANNER_LIMIT: usize = 1024;

pub(super) const AUTHORIZATION: &[Node] = &[
    Node::word("pool", "Specify address pool")
        .then(&[Node::name("Specify the name of pool").set(|edit, args| {
            edit.authorization_policy()?.pool = Some(args.name()?);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.authorization_policy()?.pool = None;
            Ok(())
        }),
    Node::word("netmask", "Specify netmask of the address")
        .then(&[Node::value(Token::Netmask, "Netmask").set(|edit, args| {
            edit.authorization_policy()?.netmask = Some(args.netmask()?.value);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.authorization_policy()?.netmask = None;
            Ok(())
        }),
    Node::word("dns", "Specify DNS Addresses")
        .then(&[Node::value(Token::Ipv4, "Primary DNS server")
            .set(set_dns)
            .then(&[Node::value(Token::Ipv4, "Secondary DNS server").set(set_dns)])])
        .unset(|edit, _| {
            edit.authorization_policy()?.dns.clear();
            Ok(())
        }),
    Node::word("wins", "Specify WINS Addresses")
        .then(&[Node::value(Token::Ipv4, "Primary WINS server")
            .set(set_wins)
            .then(&[Node::value(Token::Ipv4, "Secondary WINS server").set(set_wins)])])
        .unset(|edit, _| {
            edit.authorization_policy()?.wins.clear();
            Ok(())
        }),
    Node::word(
        "def-domain",
        "Specify default domain name to send to client",
    )
    .then(&[Node::text("Default domain name").set(|edit, args| {
        edit.authorization_policy()?.def_domain = Some(args.name()?.value);
        Ok(())
    })])
    .unset(|edit, _| {
        edit.authorization_policy()?.def_domain = None;
        Ok(())
    }),
    Node::word("split-dns", "DNS name to append for resolution")
        .then(&[Node::text("Name of domain")
            .set(|edit, args| {
                let name = args.name()?;
                let list = &mut edit.authorization_policy()?.split_dns;
                add_bounded(list, name.value).map_err(|why| objection(Fault::Limit, name.at, why))
            })
            .unset(|edit, args| {
                let name = args.name()?.value;
                edit.authorization_policy()?
                    .split_dns
                    .retain(|known| *known != name);
                Ok(())
            })])
        .unset(|edit, _| {
            edit.authorization_policy()?.split_dns.clear();
            Ok(())
        }),
    Node::word("banner", "Specify banner")
        .then(&[Node::value(
            Token::Delimited,
            "c banner-text c, where 'c' is a delimiting character",
        )
        .set(|edit, args| {
            let text = String::from(args.rest());
            if text.len() > BANNER_LIMIT {
                let at = args.rest_span().unwrap_or_else(|| edit.at.clone());
                let why = format!(
                    "a banner of {} octets, more than {BANNER_LIMIT}",
                    text.len()
                );
                return Err(objection(Fault::Limit, at, why));
            }
            edit.authorization_policy()?.banner = Some(text);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.authorization_policy()?.banner = None;
            Ok(())
        }),
    Node::word(
        "include-local-lan",
        "Enable Local LAN Access with no split tunnel",
    )
    .set(|edit, _| {
        edit.authorization_policy()?.include_local_lan = true;
        Ok(())
    })
    .unset(|edit, _| {
        edit.authorization_policy()?.include_local_lan = false;
        Ok(())
    }),
    Node::word("pfs", "The client should propose PFS")
        .set(|edit, _| {
            edit.authorization_policy()?.pfs = true;
            Ok(())
        })
        .unset(|edit, _| {
            edit.authorization_policy()?.pfs = false;
            Ok(())
        }),
    Node::word("backup-gateway", "Specify the backup gateways")
        .then(&[Node::text("IPv4 address or host name of a gateway")
            .set(|edit, args| {
                let name = args.name()?;
                let list = &mut edit.authorization_policy()?.backup_gateways;
                add_bounded(list, name.value).map_err(|why| objection(Fault::Limit, name.at, why))
            })
            .unset(|edit, args| {
                let name = args.name()?.value;
                edit.authorization_policy()?
                    .backup_gateways
                    .retain(|known| *known != name);
                Ok(())
            })])
        .unset(|edit, _| {
            edit.authorization_policy()?.backup_gateways.clear();
            Ok(())
        }),
    Node::word("session-lifetime", "Lifetime of the session")
        .then(&[
            Node::number(120, 25_920_000, "Lifetime in seconds").set(|edit, args| {
                edit.authorization_policy()?.session_lifetime = Some(args.number()?);
                Ok(())
            }),
        ])
        .unset(|edit, _| {
            edit.authorization_policy()?.session_lifetime = None;
            Ok(())
        }),
    Node::word("route", "Route options").then(&[
        Node::word("set", "Set routes").then(&[
            Node::word("interface", "Interface whose address is announced")
                .set(|edit, _| {
                    let route = Some(RouteSetInterface::Tunnel);
                    edit.authorization_policy()?.route_set_interface = route;
                    Ok(())
                })
                .then(&[
                    Node::value(Token::Interface, "Interface name").set(|edit, args| {
                        let route = Some(RouteSetInterface::Named(args.interface()?));
                        edit.authorization_policy()?.route_set_interface = route;
                        Ok(())
                    }),
                ])
                .unset(|edit, _| {
                    edit.authorization_policy()?.route_set_interface = None;
                    Ok(())
                }),
            Node::word("access-list", "Specify networks by access-list")
                .then(&[
                    ipv6::ACCESS_LIST,
                    Node::name("Access-list name or number").set(set_access_list),
                ])
                .unset(forget_access_list),
            Node::word("remote", "Remote routes").then(&[
                Node::word("ipv4", "IPv4 networks").then(&[Node::value(Token::Ipv4, "Network")
                    .then(&[Node::value(Token::Netmask, "Netmask of the network")
                        .set(|edit, args| {
                            let network = remote_network(args)?;
                            add(&mut edit.authorization_policy()?.route_set_remote, network);
                            Ok(())
                        })
                        .unset(|edit, args| {
                            let network = remote_network(args)?;
                            let routes = &mut edit.authorization_policy()?.route_set_remote;
                            routes.retain(|known| *known != network);
                            Ok(())
                        })])]),
                ipv6::REMOTE,
            ]),
            Node::refused("local", "static routes of a session"),
        ]),
        Node::word("accept", "Accept routes of the peer")
            .then(&[
                Node::word("any", "Accept any route").set(accept).then(&[
                    Node::word("tag", "Tag of the routes").then(&[Node::number(
                        1,
                        497_777,
                        "Tag value",
                    )
                    .set(accept)
                    .then(&[Node::word("distance", "Distance of the routes")
                        .then(&[Node::number(1, 255, "Distance metric").set(accept)])])]),
                    Node::word("distance", "Distance of the routes").then(&[Node::number(
                        1,
                        255,
                        "Distance metric",
                    )
                    .set(accept)]),
                ]),
                Node::refused("route-map", "routing protocols"),
            ])
            .unset(|edit, _| {
                edit.authorization_policy()?.route_accept = None;
                Ok(())
            }),
        Node::refused("redistribute", "routing protocols"),
    ]),
    // What `route set access-list` was called before IOS 15.2.
    Node::word("subnet-acl", "Specify networks by access-list")
        .then(&[Node::name("Access-list name or number").set(set_access_list)])
        .unset(forget_access_list),
    Node::word("aaa", "AAA attributes").then(&[Node::refused("attribute", "AAA attribute lists")]),
    Node::refused("configuration", "configuration by URL"),
    Node::refused("dhcp", "addresses by DHCP"),
    Node::refused("ipsec", "limits on flows"),
    ipv6::AUTHORIZATION,
    Node::refused("mobileopt-serv", "mobile options"),
    Node::refused(
        "smartcard-removal-disconnect",
        "smart card rules of the client",
    ),
];

fn set_dns(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let (first, second) = (args.ipv4()?, args.maybe_ipv4());
    let servers = core::iter::once(first)
        .chain(second)
        .map(|server| server.value)
        .collect();
    edit.authorization_policy()?.dns = servers;
    Ok(())
}

fn set_wins(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let (first, second) = (args.ipv4()?, args.maybe_ipv4());
    let servers = core::iter::once(first)
        .chain(second)
        .map(|server| server.value)
        .collect();
    edit.authorization_policy()?.wins = servers;
    Ok(())
}

fn set_access_list(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    edit.authorization_policy()?.route_set_access_list = Some(args.name()?);
    Ok(())
}

fn forget_access_list(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let policy = edit.authorization_policy()?;
    if args.has("ipv6") {
        policy.ipv6.route_set_access_list = None;
    } else {
        policy.route_set_access_list = None;
    }
    Ok(())
}

fn accept(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let tag = if args.has("tag") {
        args.maybe_number()
    } else {
        None
    };
    let distance = if args.has("distance") {
        args.maybe_number()
    } else {
        None
    };
    let accept = RouteAccept {
        tag: tag.map(|tag| tag.value),
        distance: distance.map(|distance| distance.value),
    };
    let accept = Located::new(accept, edit.at.clone());
    edit.authorization_policy()?.route_accept = Some(accept);
    Ok(())
}

fn remote_network(args: &mut Args<'_>) -> Result<Ipv4Net, Box<Diagnostic>> {
    let (address, mask) = (args.ipv4()?, args.netmask()?);
    Ipv4Net::with_mask(address.value, mask.value)
        .filter(|network| network.address() == address.value)
        .ok_or_else(|| {
            objection(
                Fault::Value,
                address.at,
                "the address has bits outside its netmask",
            )
        })
}

fn add_bounded(list: &mut Vec<Name>, name: Name) -> Result<(), String> {
    if list.len() >= LIST_LIMIT && !list.contains(&name) {
        return Err(format!("more than {LIST_LIMIT} of these lines"));
    }
    add(list, name);
    Ok(())
}
