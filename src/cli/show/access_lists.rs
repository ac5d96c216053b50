//! `show ip access-lists [NAME]`, `show ip nat {statistics|translations}` and `show ip route`.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ironflex_profiles::{
    Candidate,
    model::{
        acl::{AccessEntry, AccessListKind, AddressMatch},
        acl6::Ipv6AccessEntry,
        nat::NatSide,
        net::Ipv6Net,
    },
};
use ironflex_xfrm::netlink::Translation;
use serde::Serialize;

use super::text;
use crate::state::State;

/// An access list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessListFacts {
    /// Its name or number.
    pub name: String,
    /// `standard`, `extended` or `ipv6`
    pub kind: &'static str,
    /// Its rules in their order.
    pub entries: Vec<AccessEntryFacts>,
}

/// A rule of an access list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessEntryFacts {
    /// Its number.
    pub sequence: u32,
    /// `permit` or `deny`
    pub decision: &'static str,
    /// Where a packet comes from, in the words of a configuration.
    pub source: String,
    /// Where it goes to; `null` in a standard list.
    pub destination: Option<String>,
}

/// Address translation, as far as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NatFacts {
    /// Interfaces with `ip nat outside`.
    pub outside: Vec<String>,
    /// Interfaces with `ip nat inside`.
    pub inside: Vec<String>,
    /// `ip nat inside source list …`
    pub mappings: Vec<NatMapping>,
    /// Clients' connections that are translated at this moment; `null` where the kernel lists none.
    pub active: Option<usize>,
}

/// One line of address translation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NatMapping {
    /// Whose packets.
    pub access_list: String,
    /// Whose address they get.
    pub interface: String,
}

/// A connection whose address is translated. Of ICMP the identifier stands in the place of ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TranslationFacts {
    /// `tcp`, `udp`, `icmp`, or the number.
    pub protocol: String,
    /// The client and its port, as the other end sees them.
    pub inside_global: String,
    /// The same as it calls itself.
    pub inside_local: String,
    /// The other end, as the client calls it.
    pub outside_local: String,
    /// The same as it answers.
    pub outside_global: String,
}

/// A route that the headend has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteFacts {
    /// Where it comes from: `connected` and `local`, which are the network and the address of an interface that the headend has made,
    /// or `static`.
    pub source: &'static str,
    /// Address and length.
    pub prefix: String,
    /// The interface that it leads to.
    pub interface: String,
    /// The number of that interface where it is a session's.
    pub virtual_access: Option<u32>,
}

impl RouteFacts {
    /// Those of an interface with an address: to the network that it is in, and to itself where that is more than it.
    pub fn connected(address: IpAddr, length: u8, interface: &str) -> Option<Vec<Self>> {
        let network = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(length.into())?);
                Ipv4Addr::from_bits(address.to_bits() & mask.unwrap_or(0)).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(length.into())?);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask.unwrap_or(0)))
            }
        };
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let of = |source, address: IpAddr, length: u8| Self {
            source,
            prefix: format!("{address}/{length}"),
            interface: interface.to_owned(),
            virtual_access: None,
        };
        let mut routes = vec![of("connected", network, length)];
        if length < whole {
            routes.push(of("local", address, whole));
        }
        Some(routes)
    }

    /// The letter that a router has for where it comes from.
    fn code(&self) -> char {
        match self.source {
            "connected" => 'C',
            "local" => 'L',
            _ => 'S',
        }
    }
}

/// An address in the words of a configuration.
fn words(one: AddressMatch) -> String {
    match (one.address(), one.wildcard()) {
        (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST) => "any".to_owned(),
        (address, Ipv4Addr::UNSPECIFIED) => format!("host {address}"),
        (address, wildcard) => format!("{address} {wildcard}"),
    }
}

/// The access lists of a configuration, or one.
pub(super) fn access_list_facts(
    configured: &Candidate,
    name: Option<&str>,
) -> Vec<AccessListFacts> {
    let lists = configured.access_lists.iter();
    lists
        .filter(|entry| name.is_none_or(|name| entry.name.as_str() == name))
        .map(|list| {
            let rules = list.value.entries.iter();
            let extended = list.value.kind == AccessListKind::Extended;
            let entries = rules.filter_map(|(&sequence, entry)| match &entry.value {
                AccessEntry::Remark(_) => None,
                AccessEntry::Rule {
                    decision,
                    source,
                    destination,
                } => Some(AccessEntryFacts {
                    sequence,
                    decision: decision.keyword(),
                    source: words(*source),
                    destination: extended.then(|| words(*destination)),
                }),
            });
            AccessListFacts {
                name: list.name.to_string(),
                kind: list.value.kind.keyword(),
                entries: entries.collect(),
            }
        })
        .collect()
}

/// The IPv6 access lists of a configuration, or one.
pub(super) fn ipv6_access_list_facts(
    configured: &Candidate,
    name: Option<&str>,
) -> Vec<AccessListFacts> {
    let words = |network: Ipv6Net| match network {
        Ipv6Net::ANY => "any".to_owned(),
        network => network.to_string().to_ascii_uppercase(),
    };
    let lists = configured.ipv6_access_lists.iter();
    lists
        .filter(|entry| name.is_none_or(|name| entry.name.as_str() == name))
        .map(|list| {
            let rules = list.value.entries.iter();
            let entries = rules.filter_map(|(&sequence, entry)| match &entry.value {
                Ipv6AccessEntry::Remark(_) => None,
                Ipv6AccessEntry::Rule {
                    decision,
                    source,
                    destination,
                } => Some(AccessEntryFacts {
                    sequence,
                    decision: decision.keyword(),
                    source: words(*source),
                    destination: Some(words(*destination)),
                }),
            });
            AccessListFacts {
                name: list.name.to_string(),
                kind: "ipv6",
                entries: entries.collect(),
            }
        })
        .collect()
}

/// The IPv6 part of `show access-lists [NAME]`.
#[must_use]
pub fn ipv6_access_lists(configured: &Candidate, name: Option<&str>) -> String {
    text(|out| {
        for list in ipv6_access_list_facts(configured, name) {
            writeln!(out, "IPv6 access list {}", list.name)?;
            for entry in list.entries {
                let (number, decision, from) = (entry.sequence, entry.decision, entry.source);
                let to = entry.destination.unwrap_or_default();
                writeln!(out, "    {decision} ipv6 {from} {to} sequence {number}")?;
            }
        }
        Ok(())
    })
}

/// `show ip access-lists [NAME]`
#[must_use]
pub fn ip_access_lists(configured: &Candidate, name: Option<&str>) -> String {
    text(|out| {
        for list in access_list_facts(configured, name) {
            let kind = match list.kind {
                "standard" => "Standard",
                _ => "Extended",
            };
            writeln!(out, "{kind} IP access list {}", list.name)?;
            for entry in list.entries {
                let (number, decision) = (entry.sequence, entry.decision);
                match &entry.destination {
                    Some(to) => {
                        writeln!(out, "    {number} {decision} ip {} {to}", entry.source)?;
                    }
                    None => {
                        let source = entry.source.trim_start_matches("host ");
                        let source = source.replacen(' ', ", wildcard bits ", 1);
                        writeln!(out, "    {number} {decision} {source}")?;
                    }
                }
            }
        }
        Ok(())
    })
}

/// What is configured of address translation.
pub(super) fn nat_facts(configured: &Candidate, active: Option<usize>) -> NatFacts {
    let of = |side| {
        let interfaces = configured.interfaces.iter();
        interfaces
            .filter(|(_, interface)| interface.value.nat == Some(side))
            .map(|(name, _)| name.to_string())
            .collect()
    };
    let rules = configured.nat_rules.iter();
    NatFacts {
        outside: of(NatSide::Outside),
        inside: of(NatSide::Inside),
        mappings: rules
            .map(|rule| NatMapping {
                access_list: rule.value.access_list.value.to_string(),
                interface: rule.value.interface.value.to_string(),
            })
            .collect(),
        active,
    }
}

/// `show ip nat statistics`: how many connections of clients are translated, and what is configured. Packets are the kernel's, and so the
/// lines of a router that count them are not here.
#[must_use]
pub fn ip_nat_statistics(configured: &Candidate, active: Option<usize>) -> String {
    let facts = nat_facts(configured, active);
    text(|out| {
        if let Some(active) = active {
            writeln!(
                out,
                "Total active translations: {active} (0 static, {active} dynamic; {active} extended)"
            )?;
        }
        for (title, interfaces) in [("Outside", &facts.outside), ("Inside", &facts.inside)] {
            writeln!(out, "{title} interfaces:")?;
            writeln!(out, "  {}", interfaces.join(", "))?;
        }
        writeln!(out, "Dynamic mappings:")?;
        writeln!(out, "-- Inside Source")?;
        for (number, mapping) in (1..).zip(&facts.mappings) {
            let (list, interface) = (&mapping.access_list, &mapping.interface);
            writeln!(
                out,
                "[Id: {number}] access-list {list} interface {interface}"
            )?;
        }
        Ok(())
    })
}

/// Clients' connections whose addresses the kernel translates.
pub(super) fn translation_facts(all: &[Translation]) -> Vec<TranslationFacts> {
    let facts = all.iter().map(|one| TranslationFacts {
        protocol: match one.protocol {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            other => other.to_string(),
        },
        inside_global: one.inside_global.to_string(),
        inside_local: one.inside_local.to_string(),
        outside_local: one.outside_local.to_string(),
        outside_global: one.outside_global.to_string(),
    });
    facts.collect()
}

/// `show ip nat translations`: those of clients' connections.
#[must_use]
pub fn ip_nat_translations(all: &[Translation]) -> String {
    let row = |out: &mut String, columns: [&str; 5]| {
        let [
            protocol,
            inside_global,
            inside_local,
            outside_local,
            outside_global,
        ] = columns;
        writeln!(
            out,
            "{protocol:<4} {inside_global:<21} {inside_local:<21} {outside_local:<21} {outside_global}"
        )
    };
    text(|out| {
        let heading = [
            "Pro",
            "Inside global",
            "Inside local",
            "Outside local",
            "Outside global",
        ];
        row(out, heading)?;
        for one in translation_facts(all) {
            let columns = [
                &one.protocol,
                &one.inside_global,
                &one.inside_local,
                &one.outside_local,
                &one.outside_global,
            ];
            row(out, columns.map(String::as_str))?;
        }
        writeln!(out, "Total number of translations: {}", all.len())
    })
}

/// The routes to the clients.
pub(super) fn route_facts(state: &State) -> Vec<RouteFacts> {
    let sessions = state.ike_sas.iter().filter_map(|sa| sa.session.as_ref());
    sessions
        .flat_map(|session| {
            let routes = session.routes.iter();
            routes.map(|prefix| RouteFacts {
                source: "static",
                prefix: prefix.clone(),
                interface: format!("Virtual-Access{}", session.virtual_access),
                virtual_access: Some(session.virtual_access),
            })
        })
        .collect()
}

/// Those of the headend's own interfaces, and behind them those to the clients.
pub(super) fn with_connected(state: &State, connected: &[RouteFacts]) -> Vec<RouteFacts> {
    let mut all = connected.to_vec();
    all.extend(route_facts(state));
    all
}

/// `show ip route`: what the headend has put in. The machine's other routes are the administrator's, and `ip route` tells them.
#[must_use]
pub fn ip_route(state: &State, connected: &[RouteFacts]) -> String {
    text(|out| {
        writeln!(
            out,
            "Codes: L - local, C - connected, S - static, by the headend;\n       the other routes are the machine's: ip route"
        )?;
        writeln!(out)?;
        for route in with_connected(state, connected) {
            writeln!(
                out,
                "{}        {} is directly connected, {}",
                route.code(),
                route.prefix,
                route.interface
            )?;
        }
        Ok(())
    })
}
