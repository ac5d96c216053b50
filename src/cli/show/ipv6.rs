//! `show ipv6 interface brief` and `show ipv6 route`.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    access_lists::{RouteFacts, route_facts},
    text,
};
use crate::state::State;

/// What an interface has of IPv6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ipv6InterfaceFacts {
    /// Its name.
    pub name: String,
    /// `up`, `down` or `administratively down`
    pub status: &'static str,
    /// `up` or `down`: whether packets go through it.
    pub protocol: &'static str,
    /// Its own addresses.
    pub addresses: Vec<String>,
    /// The interface whose addresses it borrows.
    pub unnumbered: Option<String>,
}

/// `show ipv6 interface brief`
#[must_use]
pub(super) fn ipv6_interface_brief(all: &[Ipv6InterfaceFacts]) -> String {
    text(|out| {
        for one in all {
            let Ipv6InterfaceFacts {
                name,
                status,
                protocol,
                addresses,
                unnumbered,
            } = one;
            writeln!(out, "{name:<22} [{status}/{protocol}]")?;
            for address in addresses {
                writeln!(out, "    {}", address.to_ascii_uppercase())?;
            }
            match unnumbered {
                Some(other) => writeln!(out, "    unnumbered ({other})")?,
                None if addresses.is_empty() => writeln!(out, "    unassigned")?,
                None => {}
            }
        }
        Ok(())
    })
}

/// The routes to the clients, of IPv6.
pub(super) fn ipv6_route_facts(state: &State) -> Vec<RouteFacts> {
    let mut routes = route_facts(state);
    routes.retain(|route| route.prefix.contains(':'));
    routes
}

/// `show ipv6 route`: what the headend has put in, as `show ip route` does.
#[must_use]
pub(super) fn ipv6_route(state: &State) -> String {
    let routes = ipv6_route_facts(state);
    text(|out| {
        let entries = routes.len();
        writeln!(out, "IPv6 Routing Table - default - {entries} entries")?;
        writeln!(
            out,
            "Codes: S - Static, by the headend; the other routes are the machine's: ip -6 route"
        )?;
        for route in routes {
            writeln!(out, "S   {} [1/0]", route.prefix.to_ascii_uppercase())?;
            writeln!(out, "     via {}, directly connected", route.interface)?;
        }
        Ok(())
    })
}
