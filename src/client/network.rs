//! Address, routes and name servers of the tunnel, and their undoing.
//!
//! ```text
//!   main table        HEADEND via what led there before        (ESP stays out of the tunnel)
//!                     each assigned network dev TUNNEL src ADDRESS
//!   rule              from ADDRESS lookup the client's own table
//!   that table        each network that the SA carries dev TUNNEL, everything else unreachable
//! ```
//!
//! The rule is for packets that have the tunnel's address without having been routed to it: answers to whom the split list does
//! not name, or of a program that binds the address. They take the tunnel or nothing; by the main table alone
//! they would leave in clear by the default route.

use std::net::{IpAddr, Ipv4Addr};

use ironflex_ikev2::wire::{payload::ConfigAttribute, registry::ConfigAttributeType as Kind};
use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        LinkAddress, LinkIndex, MAIN_TABLE, NetlinkError, Network, NextHop, Owner, Route,
        RouteTarget, Rule,
    },
};

use super::resolver::Resolver;

/// What the headend assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Our address inside.
    pub address: Option<Ipv4Addr>,
    /// Networks that go through the tunnel; none means everything.
    pub networks: Vec<IpPrefix>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Text to show.
    pub banner: Option<String>,
    /// The domain that short names are looked up in.
    pub domain: Option<String>,
}

impl Assigned {
    /// Reads a CFG_REPLY; what is not understood is passed over.
    #[must_use]
    pub fn read(attributes: &[ConfigAttribute]) -> Self {
        let mut assigned = Self::default();
        for attribute in attributes {
            match attribute.kind {
                Kind::INTERNAL_IP4_ADDRESS => assigned.address = attribute.ipv4(),
                Kind::INTERNAL_IP4_DNS => {
                    assigned.dns.extend(attribute.ipv4().map(IpAddr::V4));
                }
                Kind::INTERNAL_IP4_SUBNET => {
                    let network = attribute.ipv4_subnet().and_then(|(address, mask)| {
                        let bits = u32::from(mask);
                        let length = bits.leading_ones();
                        // A mask with holes is no network.
                        (bits.count_ones() == length)
                            .then(|| IpPrefix::new(address.into(), u8::try_from(length).ok()?))
                            .flatten()
                    });
                    assigned.networks.extend(network);
                }
                Kind::UNITY_BANNER => assigned.banner = attribute.text().map(str::to_owned),
                Kind::UNITY_DEF_DOMAIN => assigned.domain = attribute.text().map(str::to_owned),
                _ => {}
            }
        }
        assigned
    }

    /// What is routed into the tunnel. Everything is two halves, so that the default route stays as it
    /// is beneath them.
    #[must_use]
    pub fn destinations(&self) -> Vec<IpPrefix> {
        if !self.networks.is_empty() {
            return self.networks.clone();
        }
        [Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(128, 0, 0, 0)]
            .into_iter()
            .filter_map(|half| IpPrefix::new(half.into(), 1))
            .collect()
    }
}

/// What was put into the kernel.
pub struct TunnelNetwork {
    network: Network,
    owner: Owner,
    address: Option<LinkAddress>,
    routes: Vec<Route>,
    rule: Option<Rule>,
    dns: Option<Resolver>,
    /// The device that ESP leaves by, where the tunnel has none of its own.
    outer: Option<LinkIndex>,
}

/// How packets get into the tunnel.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Where the tunnel's address goes.
    pub place: Place,
    /// The headend's address outside, which keeps the way that it has now.
    pub headend: IpAddr,
    /// The networks on the headend's side that the SA carries.
    pub carried: &'a [IpPrefix],
}

/// Where the tunnel's address goes.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Onto a device of the tunnel's own.
    Device(LinkIndex),
    /// Onto the device that ESP leaves by; the kernel's policies do the rest.
    Outer(LinkIndex),
}

impl TunnelNetwork {
    /// Puts address, routes and rule in place, under the marks of `owner`.
    ///
    /// # Errors
    ///
    /// Of netlink; what was done is undone.
    pub fn set_up(owner: Owner, way: &Way<'_>, assigned: &Assigned) -> Result<Self, NetlinkError> {
        let mut tunnel = Self {
            network: Network::open(owner)?,
            owner,
            address: None,
            routes: Vec::new(),
            rule: None,
            dns: None,
            outer: match way.place {
                Place::Device(_) => None,
                Place::Outer(link) => Some(link),
            },
        };
        match tunnel.fill(way, assigned) {
            Ok(()) => Ok(tunnel),
            Err(error) => {
                tunnel.tear_down();
                Err(error)
            }
        }
    }

    fn fill(&mut self, way: &Way<'_>, assigned: &Assigned) -> Result<(), NetlinkError> {
        let link = match way.place {
            Place::Device(link) => {
                self.network.set_alias(link, &self.owner.alias())?;
                self.network.set_up(link, true)?;
                link
            }
            Place::Outer(link) => link,
        };
        let Some(address) = assigned.address else {
            return Ok(());
        };
        // Our own ESP must not go into the tunnel: the headend keeps its present way.
        let present = self.network.next_hop(way.headend)?;
        self.add(self.way_to(way.headend, &present))?;
        self.confine(link, address, way.carried)?;
        // The routes stand before the address is there, or what is sent from it in between leaves in
        // clear by the default route. The outer device is no tunnel: there the address comes first.
        let mut source = None;
        if matches!(way.place, Place::Outer(_)) {
            self.add_address(link, address)?;
            source = Some(address.into());
        }
        self.lead(link, assigned, source)?;
        if source.is_none() {
            self.add_address(link, address)?;
            self.lead(link, assigned, Some(address.into()))?;
        }
        Ok(())
    }

    /// The route that keeps the headend out of the tunnel.
    fn way_to(&self, headend: IpAddr, hop: &NextHop) -> Route {
        Route {
            destination: IpPrefix::host(headend),
            target: match hop.gateway {
                Some(address) => RouteTarget::Gateway {
                    address,
                    link: Some(hop.link),
                },
                None => RouteTarget::Link(hop.link),
            },
            metric: self.owner.metric(),
            source: None,
            table: MAIN_TABLE,
        }
    }

    /// The network is another: the headend is reached by the way that others' routes give now. False where that is by
    /// another device than the one that the tunnel's routes are on.
    ///
    /// # Errors
    ///
    /// Of netlink; there is no way then.
    pub fn follow(&mut self, headend: IpAddr) -> Result<bool, NetlinkError> {
        let Some(hop) = self.network.next_hop_of_others(headend)? else {
            return Err(NetlinkError::Unusable {
                operation: format!("find the way to {headend}"),
                what: "there is none".into(),
            });
        };
        if self.outer.is_some_and(|outer| outer != hop.link) {
            return Ok(false);
        }
        let wanted = self.way_to(headend, &hop);
        // A device that went down has taken the route with it.
        let stands = self.routes.contains(&wanted) && self.network.routes()?.contains(&wanted);
        if !stands {
            self.add(wanted)?;
        }
        Ok(true)
    }

    /// What has the tunnel's address takes the tunnel or nothing. The table is complete before the rule names it.
    fn confine(
        &mut self,
        link: LinkIndex,
        address: Ipv4Addr,
        carried: &[IpPrefix],
    ) -> Result<(), NetlinkError> {
        let table = self.owner.table();
        self.add(Route {
            table,
            ..Route::guard(self.owner, IpPrefix::ANY_V4)
        })?;
        let ipv4 = carried.iter().filter(|one| one.address().is_ipv4());
        for &destination in ipv4 {
            self.add(Route {
                table,
                ..Route::onto(self.owner, destination, link)
            })?;
        }
        let rule = Rule {
            source: IpPrefix::host(address.into()),
            table,
            priority: self.owner.rule_priority(),
        };
        self.network.add_rule(&rule)?;
        self.rule = Some(rule);
        Ok(())
    }

    fn add_address(&mut self, link: LinkIndex, address: Ipv4Addr) -> Result<(), NetlinkError> {
        let on_link = LinkAddress {
            link,
            address: address.into(),
            prefix_length: 32,
        };
        self.network.add_address(&on_link)?;
        self.address = Some(on_link);
        Ok(())
    }

    /// Leads what is assigned into the tunnel; routes that are there take the new source.
    fn lead(
        &mut self,
        link: LinkIndex,
        assigned: &Assigned,
        source: Option<IpAddr>,
    ) -> Result<(), NetlinkError> {
        for destination in assigned.destinations() {
            self.add(Route {
                source,
                ..Route::onto(self.owner, destination, link)
            })?;
        }
        Ok(())
    }

    fn add(&mut self, route: Route) -> Result<(), NetlinkError> {
        self.network.add_route(&route)?;
        // Put in place of the same one without its source.
        self.routes.retain(|one| {
            (one.destination, one.table, one.metric)
                != (route.destination, route.table, route.metric)
        });
        self.routes.push(route);
        Ok(())
    }

    /// Hands the name servers to systemd-resolved or resolvconf, whichever is there.
    ///
    /// # Errors
    ///
    /// That there is neither, or that it refused.
    pub fn set_dns(&mut self, device: &str, assigned: &Assigned) -> Result<(), String> {
        if assigned.dns.is_empty() {
            return Ok(());
        }
        let resolver = Resolver::set(device, assigned)?;
        self.dns = Some(resolver);
        Ok(())
    }

    /// Takes everything away again.
    pub fn tear_down(&mut self) {
        if let Some(resolver) = self.dns.take() {
            resolver.unset();
        }
        // Each is tried whatever happens to the others; what a device took with it is gone already. The
        // address goes first: nothing is sent from it any more when its routes are gone.
        if let Some(address) = self.address.take() {
            let _ = self.network.delete_address(&address);
        }
        for route in self.routes.drain(..).rev() {
            let _ = self.network.delete_route(&route);
        }
        if let Some(rule) = self.rule.take() {
            let _ = self.network.delete_rule(&rule);
        }
    }
}

impl Drop for TunnelNetwork {
    fn drop(&mut self) {
        self.tear_down();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_the_split_list_or_both_halves_of_everything() {
        let subnet = |address: [u8; 4], mask: [u8; 4]| {
            ConfigAttribute::from_ipv4_subnet(
                Kind::INTERNAL_IP4_SUBNET,
                address.into(),
                mask.into(),
            )
        };
        let split = Assigned::read(&[
            ConfigAttribute::from_ipv4(Kind::INTERNAL_IP4_ADDRESS, Ipv4Addr::new(192, 168, 10, 8)),
            subnet([10, 0, 0, 0], [255, 0, 0, 0]),
            subnet([10, 0, 0, 0], [255, 0, 255, 0]),
        ]);
        let words = |assigned: &Assigned| {
            let all = assigned.destinations();
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(words(&split), ["10.0.0.0/8"]);
        assert_eq!(words(&Assigned::default()), ["0.0.0.0/1", "128.0.0.0/1"]);
    }
}
