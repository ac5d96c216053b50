//! What a configuration wants of the network, and the difference between two of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ironflex_profiles::{
    model::interface::{DeviceName, InterfaceName},
    snapshot::{NatRule, Snapshot},
};
use ironflex_xfrm::IpPrefix;

use super::{loopbacks, template_number, templates};

/// What a configuration wants of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Virtual-Templates by their numbers, with the MTU of their clients' packets.
    pub(super) templates: BTreeMap<u32, u16>,
    /// Loopback interfaces with their addresses and the prefix lengths of their networks.
    pub(super) loopbacks: BTreeMap<InterfaceName, BTreeSet<(IpAddr, u8)>>,
    /// The networks of the clients: what the pools have, and what is still held of pools that are gone.
    pub(super) clients: BTreeSet<IpPrefix>,
    /// `ip nat inside source`.
    pub(super) nat: Vec<NatRule>,
    /// `ip tcp adjust-mss` of Virtual-Templates by their numbers, in octets.
    pub(super) segments: BTreeMap<u32, u16>,
    /// The same of Linux devices that interfaces stand for.
    pub(super) device_segments: BTreeMap<DeviceName, u16>,
}

impl Wanted {
    /// Nothing.
    pub(super) const NOTHING: Self = Self {
        templates: BTreeMap::new(),
        loopbacks: BTreeMap::new(),
        clients: BTreeSet::new(),
        nat: Vec::new(),
        segments: BTreeMap::new(),
        device_segments: BTreeMap::new(),
    };

    /// What a configuration wants, with the addresses that clients hold beside its pools.
    pub fn of(snapshot: &Snapshot, strays: impl Iterator<Item = IpPrefix>) -> Self {
        let pools = snapshot.pools.values();
        let ranges = pools.flat_map(|pool| &pool.ranges);
        let ipv6 = snapshot.ipv6_pools.values().map(|pool| pool.range.prefix());
        Self {
            templates: templates(snapshot).collect(),
            loopbacks: loopbacks(snapshot)
                .map(|(name, addresses)| (name.clone(), addresses.into_iter().collect()))
                .collect(),
            clients: ranges
                .flat_map(|range| IpPrefix::spanning(range.first().into(), range.last().into()))
                .chain(ipv6.filter_map(|net| IpPrefix::new(net.address().into(), net.length())))
                .chain(strays)
                .collect(),
            nat: snapshot.nat.clone(),
            segments: snapshot
                .interfaces
                .values()
                .filter_map(|one| Some((template_number(&one.name)?, one.tcp_adjust_mss?)))
                .collect(),
            device_segments: snapshot
                .interfaces
                .values()
                .filter_map(|one| Some((one.device.clone()?, one.tcp_adjust_mss?)))
                .collect(),
        }
    }

    /// The networks of the clients.
    #[must_use]
    pub fn clients(&self) -> Vec<IpPrefix> {
        self.clients.iter().copied().collect()
    }

    /// The largest packet that every client's device takes.
    pub(super) fn mtu(&self) -> Option<u16> {
        self.templates.values().copied().min()
    }

    /// What has to be made and taken away to get from here to there.
    #[must_use]
    pub fn until(&self, then: &Self) -> Difference {
        let addresses = |one: &Self, other: &Self| -> Vec<(InterfaceName, IpAddr, u8)> {
            let loopbacks = one.loopbacks.iter();
            loopbacks
                .flat_map(|(name, addresses)| {
                    let others = other.loopbacks.get(name);
                    let missing = addresses.iter().filter(move |address| {
                        !others.is_some_and(|others| others.contains(address))
                    });
                    missing.map(|&(address, length)| (name.clone(), address, length))
                })
                .collect()
        };
        let new_templates = then.templates.iter();
        Difference {
            clients: then.clients.difference(&self.clients).copied().collect(),
            gone_clients: self.clients.difference(&then.clients).copied().collect(),
            templates: new_templates
                .filter(|(number, mtu)| self.templates.get(number) != Some(mtu))
                .map(|(&number, &mtu)| (number, mtu))
                .collect(),
            gone_templates: self
                .templates
                .keys()
                .filter(|number| !then.templates.contains_key(number))
                .copied()
                .collect(),
            addresses: addresses(then, self),
            gone_addresses: addresses(self, then),
            gone_loopbacks: self
                .loopbacks
                .keys()
                .filter(|name| !then.loopbacks.contains_key(name))
                .cloned()
                .collect(),
            nat: then
                .nat
                .iter()
                .filter(|rule| !self.nat.contains(rule))
                .cloned()
                .collect(),
            rules: self.clients != then.clients
                || self.nat != then.nat
                || self.segments != then.segments
                || self.device_segments != then.device_segments
                || !self.templates.keys().eq(then.templates.keys()),
        }
    }
}

/// What leads from one [`Wanted`] to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Networks of clients that are new.
    pub(super) clients: Vec<IpPrefix>,
    /// Networks that are clients' no more.
    pub(super) gone_clients: Vec<IpPrefix>,
    /// Virtual-Templates that are new or have another MTU.
    pub(super) templates: Vec<(u32, u16)>,
    /// Virtual-Templates that are gone.
    pub(super) gone_templates: Vec<u32>,
    /// Addresses that are new.
    pub(super) addresses: Vec<(InterfaceName, IpAddr, u8)>,
    /// Addresses that are gone.
    pub(super) gone_addresses: Vec<(InterfaceName, IpAddr, u8)>,
    /// Loopback interfaces that have no address any more.
    pub(super) gone_loopbacks: Vec<InterfaceName>,
    /// Address translation that is new.
    pub(super) nat: Vec<NatRule>,
    /// Whether the packet filter is another.
    pub(super) rules: bool,
}

impl Difference {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use ironflex_profiles::{parse, resolve_live};

    use super::*;

    fn wanted(text: &str) -> Wanted {
        let parsed = parse(text, "test");
        assert_eq!(parsed.diagnostics, []);
        Wanted::of(&resolve_live(&parsed.candidate).snapshot, [].into_iter())
    }

    const BEFORE: &str = "ip local pool a 192.0.2.0 192.0.2.255\n\
        interface Loopback1\n ip address 10.0.0.1 255.255.255.0\n\
        interface Virtual-Template1 type tunnel\n";

    fn prefix(address: [u8; 4], length: u8) -> IpPrefix {
        IpPrefix::new(address.into(), length).unwrap()
    }

    #[test]
    fn between_the_same_there_is_no_difference() {
        assert!(wanted(BEFORE).until(&wanted(BEFORE)).is_empty());
        // What is no part of the network makes none.
        let more = format!("{BEFORE}username a password b\ncrypto ikev2 window 9\n");
        assert!(wanted(BEFORE).until(&wanted(&more)).is_empty());
    }

    #[test]
    fn from_nothing_everything_is_new_and_to_nothing_everything_is_gone() {
        let (none, all) = (Wanted::default(), wanted(BEFORE));
        let there = none.until(&all);
        assert_eq!(there.clients, [prefix([192, 0, 2, 0], 24)]);
        assert_eq!(there.templates, [(1, super::super::DEFAULT_MTU)]);
        assert_eq!(there.addresses.len(), 1);
        assert!(there.rules);
        let back = all.until(&none);
        assert_eq!(back.gone_clients, there.clients);
        assert_eq!(back.gone_templates, [1]);
        assert_eq!(back.gone_addresses, there.addresses);
        assert_eq!(back.gone_loopbacks.len(), 1);
        assert!(back.rules);
    }

    #[test]
    fn a_size_of_segments_is_a_matter_of_the_rules_alone() {
        let gigabit = "interface GigabitEthernet1\n device eth0\n";
        for (before, after) in [
            (
                BEFORE.to_owned(),
                format!("{BEFORE} ip tcp adjust-mss 1300\n"),
            ),
            (
                format!("{BEFORE}{gigabit}"),
                format!("{BEFORE}{gigabit} ip tcp adjust-mss 1300\n"),
            ),
        ] {
            let change = wanted(&before).until(&wanted(&after));
            let rules = Difference {
                rules: true,
                ..Difference::default()
            };
            assert_eq!(change, rules);
        }
    }

    #[test]
    fn the_address_of_a_loopback_that_is_shut_down_goes() {
        let after = BEFORE.replace("255.255.255.0\n", "255.255.255.0\n shutdown\n");
        let change = wanted(BEFORE).until(&wanted(&after));
        assert_eq!(
            (change.addresses.len(), change.gone_addresses.len()),
            (0, 1)
        );
        assert_eq!(wanted(&after).until(&wanted(BEFORE)).addresses.len(), 1);
    }

    #[test]
    fn an_mtu_and_an_address_change_by_themselves() {
        let after = BEFORE.replace("10.0.0.1", "10.0.0.2") + " ip mtu 1300\n";
        let change = wanted(BEFORE).until(&wanted(&after));
        assert_eq!(change.templates, [(1, 1300)]);
        assert_eq!(
            (change.addresses.len(), change.gone_addresses.len()),
            (1, 1)
        );
        assert_eq!(change.gone_loopbacks, []);
        assert!(!change.rules && change.clients.is_empty() && change.gone_clients.is_empty());
    }
}
