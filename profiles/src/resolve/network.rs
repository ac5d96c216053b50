//! Pools, interfaces, access lists, address translation, and SSL policies.

use alloc::{collections::BTreeMap, format, string::ToString, sync::Arc, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Block, ByName, Resolver};
use crate::{
    error::{Diagnostic, Fault, Span},
    model::{
        Entry, Located,
        acl::{AccessList, NotNetworks},
        interface::{Addressing, DEFAULT_TUNNEL_MTU, DeviceName, InterfaceKind, InterfaceName},
        name::Name,
        nat::NatSide,
        net::{Ipv4Net, Ipv6Net},
        pool::{self, PoolRange},
    },
    snapshot::{Interface, Ipv6Pool, NatRule, Pool, SslPolicy, SslProfile, Trustpoint},
};

/// Addresses that are no host's, by what they are (RFC 6890, RFC 4291 §2.4).
const NO_HOSTS: [(&str, IpAddr, IpAddr); 10] = {
    const fn v4(first: [u8; 2], last: [u8; 2]) -> (IpAddr, IpAddr) {
        let ([a, b], [c, d]) = (first, last);
        (
            IpAddr::V4(Ipv4Addr::new(a, b, 0, 0)),
            IpAddr::V4(Ipv4Addr::new(c, d, 255, 255)),
        )
    }
    const fn v6(first: u128, last: u128) -> (IpAddr, IpAddr) {
        (
            IpAddr::V6(Ipv6Addr::from_bits(first)),
            IpAddr::V6(Ipv6Addr::from_bits(last)),
        )
    }
    const fn named(
        name: &'static str,
        (first, last): (IpAddr, IpAddr),
    ) -> (&'static str, IpAddr, IpAddr) {
        (name, first, last)
    }
    [
        named("addresses of 0.0.0.0/8", v4([0, 0], [0, 255])),
        named("loopback addresses", v4([127, 0], [127, 255])),
        named("link-local addresses", v4([169, 254], [169, 254])),
        named("multicast addresses", v4([224, 0], [239, 255])),
        named("addresses of 240.0.0.0/4", v4([240, 0], [255, 255])),
        named("the unspecified address", v6(0, 0)),
        named("the loopback address", v6(1, 1)),
        named(
            "IPv4-mapped addresses",
            v6(0xffff_0000_0000, 0xffff_ffff_ffff),
        ),
        named(
            "link-local addresses",
            v6(0xfe80 << 112, (0xfec0 << 112) - 1),
        ),
        named("multicast addresses", v6(0xff00 << 112, u128::MAX)),
    ]
};

/// Addresses of interfaces, with their names and where they begin.
type Own<'a> = BTreeMap<IpAddr, (&'a InterfaceName, &'a Span)>;

impl<'a> Resolver<'a> {
    pub(super) fn pools(&mut self) -> ByName<Pool> {
        let mut pools = ByName::new();
        // By their first address: none of them has one in common with another, so the nearest before tells.
        let own_addresses = self.own_addresses();
        let mut taken: BTreeMap<Ipv4Addr, (&Name, &Located<PoolRange>)> = BTreeMap::new();
        for entry in self.candidate.pools.iter() {
            self.begin();
            let mut own = Vec::new();
            for range in entry.value.ranges() {
                let what = format!("range {} of pool `{}`", range.value, entry.name);
                let nearest = taken.range(..=range.value.last()).next_back();
                match nearest.filter(|(_, (_, other))| other.value.overlaps(range.value)) {
                    Some((_, (name, other))) => {
                        let message =
                            format!("the {what} overlaps {} of pool `{name}`", other.value);
                        let fault = Diagnostic::error(Fault::Conflict, range.at.clone(), message);
                        self.report(fault.beside(other.at.clone(), "that range"));
                    }
                    None => own.push((range.value.first(), (&entry.name, range))),
                }
                let ends = (range.value.first().into(), range.value.last().into());
                self.not_for_clients(&own_addresses, &range.at, &what, ends);
            }
            if !self.is_whole(&format!("ip local pool {}", entry.name)) {
                continue;
            }
            taken.extend(own);
            let ranges = entry
                .value
                .ranges()
                .iter()
                .map(|range| range.value)
                .collect();
            let name = entry.name.clone();
            pools.insert(name.clone(), Arc::new(Pool { name, ranges }));
        }
        pools
    }

    pub(super) fn ipv6_pools(&mut self) -> ByName<Ipv6Pool> {
        let mut pools = ByName::new();
        let own_addresses = self.own_addresses();
        let mut taken: BTreeMap<Ipv6Addr, &Entry<pool::Ipv6Pool>> = BTreeMap::new();
        for entry in self.candidate.ipv6_pools.iter() {
            let range = entry.value;
            self.begin();
            let prefix = range.prefix();
            let what = format!("prefix {prefix} of pool `{}`", entry.name);
            let nearest = taken.range(..=prefix.last()).next_back();
            match nearest.filter(|(_, other)| other.value.prefix().overlaps(prefix)) {
                Some((_, other)) => {
                    let (name, theirs) = (&other.name, other.value.prefix());
                    let message = format!("the {what} overlaps {theirs} of pool `{name}`");
                    let fault = Diagnostic::error(Fault::Conflict, entry.at.clone(), message);
                    self.report(fault.beside(other.at.clone(), "that pool"));
                }
                None => drop(taken.insert(prefix.address(), entry)),
            }
            let ends = (prefix.address().into(), prefix.last().into());
            self.not_for_clients(&own_addresses, &entry.at, &what, ends);
            if !self.is_whole(&format!("ipv6 local pool {}", entry.name)) {
                continue;
            }
            let name = entry.name.clone();
            pools.insert(name.clone(), Arc::new(Ipv6Pool { name, range }));
        }
        pools
    }

    /// Tells of a pool with addresses that no client can have: those of no host, and those that the configuration gives to
    /// interfaces. Beneath each pool there is a route that leads nowhere, which would cut them off.
    fn not_for_clients(
        &mut self,
        own: &Own<'a>,
        at: &Span,
        what: &str,
        (first, last): (IpAddr, IpAddr),
    ) {
        if let Some((of_no_host, _, _)) = NO_HOSTS.iter().find(|(_, from, to)| {
            from.is_ipv4() == first.is_ipv4() && *from <= last && first <= *to
        }) {
            let message = format!("the {what} has {of_no_host}, which no client can have");
            self.report(Diagnostic::error(Fault::Conflict, at.clone(), message));
            return;
        }
        let (at, own) = (at.clone(), own.range(first..=last).next());
        if let Some((own, (name, interface))) = own {
            let message = format!("the {what} has {own}, which is {name}'s own address");
            let fault = Diagnostic::error(Fault::Conflict, at, message);
            self.report(fault.beside((*interface).clone(), "that interface"));
        }
    }

    /// The addresses that the configuration gives to interfaces, and where these begin.
    fn own_addresses(&self) -> Own<'a> {
        let interfaces = self.candidate.interfaces.iter();
        interfaces
            .flat_map(|(name, entry)| {
                let ipv4 = match &entry.value.addressing {
                    Addressing::Static(own) => Some(IpAddr::from(own.value.address)),
                    Addressing::None | Addressing::Unnumbered(_) => None,
                };
                let ipv6 = entry.value.ipv6.addresses.iter();
                let all = ipv4
                    .into_iter()
                    .chain(ipv6.map(|own| own.value.address.into()));
                all.map(move |own| (own, (name, &entry.at)))
            })
            .collect()
    }

    /// The device of each interface that has one. What two want has the one that the command line ties to it, or else the first.
    fn ties(&mut self) -> BTreeMap<&'a InterfaceName, &'a DeviceName> {
        let interfaces = &self.candidate.interfaces;
        let by_option = interfaces.iter().filter_map(|(name, entry)| {
            let device = entry.value.tied.as_ref()?;
            Some((name, device, true))
        });
        let by_line = interfaces.iter().filter_map(|(name, entry)| {
            let lines = &entry.value;
            let device = lines.device.as_ref().filter(|_| lines.tied.is_none())?;
            Some((name, device, false))
        });
        let option =
            |name: &InterfaceName, device: &DeviceName| format!("--device {name}={device}");
        let mut ties = BTreeMap::new();
        let mut taken: BTreeMap<&DeviceName, (&InterfaceName, &Span, bool)> = BTreeMap::new();
        for (name, Located { value: device, at }, is_option) in by_option.chain(by_line) {
            let Some((other, other_at, is_by_option)) = taken.get(device) else {
                taken.insert(device, (name, at, is_option));
                ties.insert(name, device);
                continue;
            };
            let vain = match is_option {
                true => option(name, device),
                false => format!("device {device}"),
            };
            let keeps = match is_by_option {
                true => format!("{other}, tied by {}", option(other, device)),
                false => format!("{other} already"),
            };
            let message = format!("`{vain}` ties {name} to nothing: `{device}` is {keeps}");
            let fault = Diagnostic::error(Fault::Conflict, at.clone(), message);
            self.diagnostics
                .push(fault.beside((*other_at).clone(), "tied here"));
        }
        ties
    }

    pub(super) fn interfaces(&mut self) -> BTreeMap<InterfaceName, Arc<Interface>> {
        let mut interfaces = BTreeMap::new();
        let ties = self.ties();
        for (name, entry) in &self.candidate.interfaces {
            let lines = &entry.value;
            let tied = ties.get(name);
            if lines.shutdown && name.kind() == InterfaceKind::GigabitEthernet {
                let message =
                    format!("{name} is a device of Linux, which `shutdown` does not take down");
                let at = entry.at.clone();
                self.diagnostics
                    .push(Diagnostic::warning(Fault::Unsupported, at, message));
            }
            let is_loose = name.subinterface().is_some() && lines.device_at_work().is_none();
            if is_loose && !lines.shutdown {
                let message = format!(
                    "{name} is a sub-interface, which the headend does not make: VLANs are devices of Linux, and tied to none \
                     it has no effect"
                );
                let fault = Diagnostic::warning(Fault::Unsupported, entry.at.clone(), message);
                self.diagnostics
                    .push(fault.expecting(["device DEVICE".to_string()]));
            }
            let vain_mtu = match name.kind() {
                InterfaceKind::VirtualTemplate => None,
                InterfaceKind::GigabitEthernet => Some(format!(
                    "{name} is a device of Linux, whose MTU `ip mtu` does not set"
                )),
                InterfaceKind::Loopback => Some(format!(
                    "`ip mtu` below {name} has no effect: what tunnels carry is that of their Virtual-Template"
                )),
            };
            if let Some(message) = vain_mtu.filter(|_| lines.ip_mtu.is_some()) {
                let at = entry.at.clone();
                self.diagnostics
                    .push(Diagnostic::warning(Fault::Unsupported, at, message));
            }
            let default_mtu =
                (name.kind() == InterfaceKind::VirtualTemplate).then_some(DEFAULT_TUNNEL_MTU);
            let interface = Interface {
                name: name.clone(),
                description: lines.description.clone(),
                shutdown: lines.shutdown,
                device: tied.map(|&device| device.clone()),
                addressing: lines.addressing.clone(),
                ipv6: lines.ipv6.clone(),
                ip_mtu: lines.ip_mtu.or(default_mtu),
                tcp_adjust_mss: lines.tcp_adjust_mss,
                nat: lines.nat,
            };
            interfaces.insert(name.clone(), Arc::new(interface));
        }
        interfaces
    }

    pub(super) fn nat(
        &mut self,
        interfaces: &BTreeMap<InterfaceName, Arc<Interface>>,
    ) -> Vec<NatRule> {
        let candidate = self.candidate;
        let inside: Vec<InterfaceName> = interfaces
            .values()
            .filter(|interface| interface.nat == Some(NatSide::Inside))
            .map(|interface| interface.name.clone())
            .collect();
        let mut rules = Vec::new();
        for rule in &candidate.nat_rules {
            let name = rule.value.access_list.value.to_string();
            let block = Block {
                title: "ip nat inside source list",
                name,
                at: &rule.at,
            };
            let used = &rule.value.access_list;
            let list = self.access_list(used, &block);
            let networks = list.and_then(|list| self.networks(list, used, "address translation"));
            let interface = self
                .bind_interface(interfaces, &rule.value.interface, &block)
                .cloned();
            let (Some(networks), Some(interface)) = (networks, interface) else {
                continue;
            };
            if interface.nat != Some(NatSide::Outside) {
                let message = format!("{} is no outside interface", interface.name);
                let at = rule.value.interface.at.clone();
                let fault = Diagnostic::warning(Fault::Incomplete, at, message);
                self.report(fault.expecting(["ip nat outside".to_string()]));
            }
            if inside.is_empty() {
                let message = "there is no inside interface, so nothing is translated";
                let fault = Diagnostic::warning(Fault::Incomplete, rule.at.clone(), message);
                self.report(fault.expecting(["ip nat inside".to_string()]));
            }
            let access_list = used.value.clone();
            rules.push(NatRule {
                access_list,
                networks,
                interface,
                inside: inside.clone(),
            });
        }
        rules
    }

    pub(super) fn ssl_policies(&mut self, trustpoints: &ByName<Trustpoint>) -> ByName<SslPolicy> {
        let mut policies = ByName::new();
        for entry in self.candidate.ssl_policies.iter() {
            self.begin();
            let lines = &entry.value;
            let block = Block::of("crypto ssl policy", entry);
            let trustpoint = lines.trustpoint.as_ref().and_then(|used| {
                self.bind(
                    &self.candidate.trustpoints,
                    used,
                    "crypto pki trustpoint",
                    &block,
                )?;
                trustpoints.get(&used.value).cloned()
            });
            let mut missing = Vec::new();
            if lines.trustpoint.is_none() {
                missing.push("pki trustpoint WORD sign".to_string());
            }
            if lines.local.is_none() {
                missing.push("ip address local A.B.C.D".to_string());
            }
            if lines.enabled && !missing.is_empty() {
                let message = format!("the SSL policy `{}` is not complete", entry.name);
                let fault = Diagnostic::error(Fault::Incomplete, entry.at.clone(), message);
                self.report(fault.expecting(missing));
            }
            let name = entry.name.clone();
            let policy = SslPolicy {
                name: name.clone(),
                trustpoint,
                local: lines.local,
                enabled: lines.enabled,
            };
            if self.is_whole(&format!("crypto ssl policy {name}")) {
                policies.insert(name, Arc::new(policy));
            }
        }
        policies
    }

    pub(super) fn ssl_profiles(&mut self, policies: &ByName<SslPolicy>) -> ByName<SslProfile> {
        let mut profiles = ByName::new();
        for entry in self.candidate.ssl_profiles.iter() {
            self.begin();
            let block = Block::of("crypto ssl profile", entry);
            let policy = entry.value.policy.as_ref().and_then(|used| {
                self.bind(
                    &self.candidate.ssl_policies,
                    used,
                    "crypto ssl policy",
                    &block,
                )?;
                let line = format!("crypto ssl policy {}", used.value);
                self.part(&line, policies.get(&used.value).cloned())
            });
            if entry.value.enabled && entry.value.policy.is_none() {
                let message = format!("the SSL profile `{}` is not complete", entry.name);
                let fault = Diagnostic::error(Fault::Incomplete, entry.at.clone(), message);
                self.report(fault.expecting(["match policy WORD".to_string()]));
            }
            let name = entry.name.clone();
            let profile = SslProfile {
                name: name.clone(),
                policy,
                enabled: entry.value.enabled,
            };
            if !self.broken {
                profiles.insert(name, Arc::new(profile));
            }
        }
        profiles
    }

    pub(super) fn access_list(
        &mut self,
        used: &Located<Name>,
        block: &Block<'_>,
    ) -> Option<&'a AccessList> {
        self.bind(&self.candidate.access_lists, used, "ip access-list", block)
    }

    pub(super) fn networks(
        &mut self,
        list: &AccessList,
        used: &Located<Name>,
        purpose: &str,
    ) -> Option<Vec<Ipv4Net>> {
        let at = self.candidate.access_lists.entry(used.value.as_str());
        let at = at.map(|list| &list.at);
        self.only_networks(list.networks(), used, at, purpose)
    }

    pub(super) fn ipv6_networks(
        &mut self,
        used: &Located<Name>,
        block: &Block<'_>,
        purpose: &str,
    ) -> Option<Vec<Ipv6Net>> {
        let lists = &self.candidate.ipv6_access_lists;
        let list = self.bind(lists, used, "ipv6 access-list", block)?;
        let at = lists.entry(used.value.as_str()).map(|list| &list.at);
        self.only_networks(list.networks(), used, at, purpose)
    }

    /// Tells of a list, of either family, that says more than networks. `list` is where it begins.
    fn only_networks<N>(
        &mut self,
        networks: Result<Vec<N>, NotNetworks>,
        used: &Located<Name>,
        list: Option<&Span>,
        purpose: &str,
    ) -> Option<Vec<N>> {
        let why = match networks {
            Ok(networks) => return Some(networks),
            Err(why) => why,
        };
        let place = match &why {
            NotNetworks::Empty => list.map(|at| (at.clone(), "the access list")),
            NotNetworks::Wildcard(at) | NotNetworks::Destination(at) => {
                Some((at.clone(), "that entry"))
            }
            NotNetworks::Hole { denied, .. } => Some((denied.clone(), "denied here")),
        };
        let message = format!("`{}` cannot be used for {purpose}: {why}", used.value);
        let mut fault = Diagnostic::error(Fault::Conflict, used.at.clone(), message);
        if let Some((at, note)) = place {
            fault = fault.beside(at, note);
        }
        self.report(fault);
        None
    }
}
