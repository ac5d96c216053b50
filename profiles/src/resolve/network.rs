//! Pools, interfaces, access lists, address translation, and SSL policies.

use alloc::{collections::BTreeMap, format, string::ToString, sync::Arc, vec::Vec};

use super::{Block, ByName, Resolver};
use crate::{
    error::{Diagnostic, Fault, Span},
    model::{
        Entry, Located,
        acl::{AccessList, NotNetworks},
        interface::InterfaceName,
        name::Name,
        nat::NatSide,
        net::{Ipv4Net, Ipv6Net},
        pool::{self, PoolRange},
    },
    snapshot::{Interface, Ipv6Pool, NatRule, Pool, SslPolicy, SslProfile, Trustpoint},
};

impl<'a> Resolver<'a> {
    pub(super) fn pools(&mut self) -> ByName<Pool> {
        let mut pools = ByName::new();
        let mut taken: Vec<&Located<PoolRange>> = Vec::new();
        for entry in self.candidate.pools.iter() {
            self.begin();
            for range in &entry.value.ranges {
                if let Some(other) = taken.iter().find(|other| other.value.overlaps(range.value)) {
                    let message = "the range overlaps one of another pool";
                    let fault = Diagnostic::error(Fault::Conflict, range.at.clone(), message);
                    self.report(fault.beside(other.at.clone(), "that range"));
                }
            }
            if self.broken {
                continue;
            }
            taken.extend(&entry.value.ranges);
            let ranges = entry.value.ranges.iter().map(|range| range.value).collect();
            let name = entry.name.clone();
            pools.insert(name.clone(), Arc::new(Pool { name, ranges }));
        }
        pools
    }

    pub(super) fn ipv6_pools(&mut self) -> ByName<Ipv6Pool> {
        let mut pools = ByName::new();
        let mut taken: Vec<&Entry<pool::Ipv6Pool>> = Vec::new();
        for entry in self.candidate.ipv6_pools.iter() {
            let range = entry.value;
            let overlaps =
                |other: &&&Entry<pool::Ipv6Pool>| other.value.prefix().overlaps(range.prefix());
            if let Some(other) = taken.iter().find(overlaps) {
                let message = "the prefix overlaps that of another pool";
                let fault = Diagnostic::error(Fault::Conflict, entry.at.clone(), message);
                self.report(fault.beside(other.at.clone(), "that pool"));
                continue;
            }
            taken.push(entry);
            let name = entry.name.clone();
            pools.insert(name.clone(), Arc::new(Ipv6Pool { name, range }));
        }
        pools
    }

    pub(super) fn interfaces(&mut self) -> BTreeMap<InterfaceName, Arc<Interface>> {
        let mut interfaces = BTreeMap::new();
        let mut devices: BTreeMap<&str, (&InterfaceName, &Span)> = BTreeMap::new();
        for (name, entry) in &self.candidate.interfaces {
            let lines = &entry.value;
            let mut tied = lines.device.as_ref();
            if let Some(device) = tied {
                if let Some((other, at)) = devices.get(device.value.as_str()) {
                    tied = None;
                    let message = format!("`{}` is {other} already", device.value);
                    let fault = Diagnostic::error(Fault::Conflict, device.at.clone(), message);
                    self.diagnostics
                        .push(fault.beside((*at).clone(), "tied here"));
                } else {
                    devices.insert(device.value.as_str(), (name, &device.at));
                }
            }
            let interface = Interface {
                name: name.clone(),
                description: lines.description.clone(),
                shutdown: lines.shutdown,
                device: tied.map(|device| device.value.clone()),
                addressing: lines.addressing.clone(),
                ipv6: lines.ipv6.clone(),
                ip_mtu: lines.ip_mtu,
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
            if !self.broken {
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
                self.part(policies.get(&used.value).cloned())
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
