//! Addresses, routes and name servers of the tunnel, and their undoing.
//!
//! ```text
//!   main table        HEADEND via what led there before        (ESP stays out of the tunnel; the barrier's)
//!                     each assigned network dev TUNNEL src ADDRESS
//!                     a family without an address: unreachable (unless there is a split list)
//!   rules             from each ADDRESS lookup the client's own table
//!   that table        each network that the SA carries dev TUNNEL, everything else unreachable
//!   further rules     from each address of an earlier tunnel that a program is bound to, to a table that leads nowhere
//! ```
//!
//! The rules are for packets that have a tunnel's address without having been routed to it: answers to whom the split list does
//! not name, or of a program that binds the address. They take the tunnel or nothing; by the main table alone
//! they would leave in clear by the default route.
//!
//! Where everything is to go through the tunnel and the headend assigns an address of one family alone, the other family goes
//! nowhere: in clear, it would pass the tunnel by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ironflex_ikev2::wire::{payload::ConfigAttribute, registry::ConfigAttributeType as Kind};
use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        LinkAddress, LinkIndex, MAIN_TABLE, NetlinkError, Network, Owner, Route, RouteTarget, Rule,
    },
};

use super::{
    barrier::Barrier,
    bound::is_bound,
    resolver::{Resolver, Tools, is_host_name},
};

/// What the headend assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Our IPv4 address inside.
    pub ipv4: Option<Ipv4Addr>,
    /// Our IPv6 address inside.
    pub ipv6: Option<Ipv6Addr>,
    /// Networks that go through the tunnel; none of a family means all of it.
    pub networks: Vec<IpPrefix>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Text to show.
    pub banner: Option<String>,
    /// The domain that short names are looked up in.
    pub domain: Option<String>,
    /// The headend named one that is no name of a host.
    pub has_no_such_domain: bool,
}

impl Assigned {
    /// Reads a CFG_REPLY; what is not understood is passed over.
    #[must_use]
    pub fn read(attributes: &[ConfigAttribute]) -> Self {
        let mut assigned = Self::default();
        for attribute in attributes {
            match attribute.kind {
                Kind::INTERNAL_IP4_ADDRESS => assigned.ipv4 = attribute.ipv4(),
                // RFC 7296 §3.15.1: with a prefix length. The address alone is ours: what else lies in its network is
                // for the split list to say.
                Kind::INTERNAL_IP6_ADDRESS => {
                    assigned.ipv6 = attribute.ipv6_prefix().map(|(address, _)| address);
                }
                Kind::INTERNAL_IP4_DNS => {
                    assigned.dns.extend(attribute.ipv4().map(IpAddr::V4));
                }
                Kind::INTERNAL_IP6_DNS => {
                    assigned.dns.extend(attribute.ipv6().map(IpAddr::V6));
                }
                Kind::INTERNAL_IP6_SUBNET => {
                    let network = attribute
                        .ipv6_prefix()
                        .and_then(|(address, length)| IpPrefix::new(address.into(), length));
                    assigned.networks.extend(network);
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
                Kind::UNITY_DEF_DOMAIN => {
                    let domain = attribute.text().filter(|text| is_host_name(text));
                    assigned.has_no_such_domain = domain.is_none();
                    assigned.domain = domain.map(str::to_owned);
                }
                _ => {}
            }
        }
        assigned
    }

    /// The same, of which no more is left than the SA carries on the headend's side (RFC 7296 §2.9: the headend may narrow what it was
    /// offered): what it does not carry keeps the way that it has. Without a split list, what is carried is one, if it is not
    /// everything; an address of a family of which nothing is carried is of no use.
    #[must_use]
    pub fn within(mut self, carried: &[IpPrefix]) -> Self {
        let of = |all: &[IpPrefix], ipv4: bool| {
            let all = all.iter().copied();
            all.filter(|one| one.address().is_ipv4() == ipv4)
                .collect::<Vec<_>>()
        };
        let mut networks = Vec::new();
        for (ipv4, any) in [(true, IpPrefix::ANY_V4), (false, IpPrefix::ANY_V6)] {
            let (wanted, carried) = (of(&self.networks, ipv4), of(carried, ipv4));
            if wanted.is_empty() && carried.contains(&any) {
                continue;
            }
            let wanted = if wanted.is_empty() { vec![any] } else { wanted };
            let common: Vec<_> = wanted
                .iter()
                .flat_map(|one| carried.iter().filter_map(|other| common(*one, *other)))
                .collect();
            if common.is_empty() {
                if ipv4 {
                    self.ipv4 = None;
                } else {
                    self.ipv6 = None;
                }
            }
            networks.extend(common);
        }
        self.networks = networks;
        self
    }

    /// Our addresses inside, that of IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let ipv4 = self.ipv4.map(IpAddr::V4);
        ipv4.into_iter().chain(self.ipv6.map(IpAddr::V6))
    }

    /// What is routed into the tunnel: of each family that we have an address of, the split list or all.
    #[must_use]
    pub fn destinations(&self) -> Vec<IpPrefix> {
        self.addresses()
            .flat_map(|address| self.destinations_of(address))
            .collect()
    }

    /// What is routed into the tunnel of the family of one address.
    fn destinations_of(&self, family: IpAddr) -> Vec<IpPrefix> {
        let networks = self.networks.iter().copied();
        let networks: Vec<_> = networks
            .filter(|network| network.address().is_ipv4() == family.is_ipv4())
            .collect();
        if networks.is_empty() {
            halves(family)
        } else {
            networks
        }
    }

    /// What must not leave at all: the family that we have no address of, unless there is a split list.
    #[must_use]
    pub fn blocked(&self) -> Vec<IpPrefix> {
        match (self.ipv4, self.ipv6) {
            _ if !self.networks.is_empty() => Vec::new(),
            (Some(_), None) => halves(Ipv6Addr::UNSPECIFIED.into()),
            (None, Some(_)) => halves(Ipv4Addr::UNSPECIFIED.into()),
            _ => Vec::new(),
        }
    }
}

/// What lies in both of two networks of one family: the narrower, if the other holds it.
fn common(one: IpPrefix, other: IpPrefix) -> Option<IpPrefix> {
    let (wide, narrow) = if one.length() <= other.length() {
        (one, other)
    } else {
        (other, one)
    };
    (IpPrefix::new(narrow.address(), wide.length()) == Some(wide)).then_some(narrow)
}

/// Everything of a family, as two halves, so that the default route stays as it is beneath them.
fn halves(family: IpAddr) -> Vec<IpPrefix> {
    let halves: [IpAddr; 2] = match family {
        IpAddr::V4(_) => [
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::new(128, 0, 0, 0).into(),
        ],
        IpAddr::V6(_) => [
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0).into(),
        ],
    };
    let halves = halves.into_iter();
    halves.filter_map(|half| IpPrefix::new(half, 1)).collect()
}

/// What was put into the kernel.
pub struct TunnelNetwork {
    network: Network,
    owner: Owner,
    addresses: Vec<LinkAddress>,
    routes: Vec<Route>,
    rules: Vec<Rule>,
    dns: Option<Resolver>,
    /// The device that ESP leaves by, where the tunnel has none of its own.
    outer: Option<LinkIndex>,
}

/// Where the headend is to be reached once the network is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The tunnel's own route to it leads there.
    Led,
    /// By another device than the one that the tunnel's routes are on.
    Elsewhere,
    /// There is no way.
    Nowhere,
}

/// How packets get into the tunnel.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Where the tunnel's addresses go.
    pub place: Place,
    /// The headend's address outside, which keeps the way that it has now.
    pub headend: IpAddr,
    /// The networks on the headend's side that the SA carries.
    pub carried: &'a [IpPrefix],
}

/// Where the tunnel's addresses go.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Onto a device of the tunnel's own.
    Device(LinkIndex),
    /// Onto the device that ESP leaves by; the kernel's policies do the rest.
    Outer(LinkIndex),
}

impl TunnelNetwork {
    /// Puts addresses, routes and rules in place, under the marks of `owner`, and before them the `barrier` that keeps in what
    /// goes into the tunnel, when that is gone.
    ///
    /// # Errors
    ///
    /// Of netlink; what was done is undone, but for the barrier.
    pub(super) fn set_up(
        owner: Owner,
        way: &Way<'_>,
        assigned: &Assigned,
        barrier: &mut Barrier,
    ) -> Result<Self, NetlinkError> {
        let mut tunnel = Self {
            network: Network::open(owner)?,
            owner,
            addresses: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            dns: None,
            outer: match way.place {
                Place::Device(_) => None,
                Place::Outer(link) => Some(link),
            },
        };
        match tunnel.fill(way, assigned, barrier) {
            Ok(()) => Ok(tunnel),
            Err(error) => {
                tunnel.tear_down();
                Err(error)
            }
        }
    }

    fn fill(
        &mut self,
        way: &Way<'_>,
        assigned: &Assigned,
        barrier: &mut Barrier,
    ) -> Result<(), NetlinkError> {
        let link = match way.place {
            Place::Device(link) => {
                self.network.set_alias(link, &self.owner.alias())?;
                self.network.set_up(link, true)?;
                link
            }
            Place::Outer(link) => link,
        };
        if assigned.addresses().next().is_none() {
            return Ok(());
        }
        // Our own ESP must not go into the tunnel: the headend keeps its present way.
        let present = self.network.next_hop(way.headend)?;
        let kept_in = [assigned.destinations(), assigned.blocked()].concat();
        barrier.put_up(way.headend, &present, &kept_in)?;
        self.block(&assigned.blocked())?;
        self.lay_to_rest(assigned)?;
        for address in assigned.addresses() {
            self.confine(link, address, way.carried)?;
            self.take(way.place, link, address, &assigned.destinations_of(address))?;
        }
        Ok(())
    }

    /// The network is another: the headend is reached by the way that others' routes give now.
    ///
    /// # Errors
    ///
    /// Of netlink: the way is what it was.
    pub(super) fn follow(
        &self,
        headend: IpAddr,
        barrier: &mut Barrier,
    ) -> Result<Reach, NetlinkError> {
        let hop = barrier.lead(headend)?;
        Ok(match hop {
            None => Reach::Nowhere,
            Some(hop) if self.outer.is_some_and(|outer| outer != hop.link) => Reach::Elsewhere,
            Some(_) => Reach::Led,
        })
    }

    /// What would pass the tunnel by goes nowhere.
    fn block(&mut self, networks: &[IpPrefix]) -> Result<(), NetlinkError> {
        for &destination in networks {
            let blocked = Route {
                target: RouteTarget::Unreachable,
                metric: self.owner.metric(),
                source: None,
                table: MAIN_TABLE,
                destination,
            };
            match self.add(blocked) {
                // Where the family is switched off, nothing leaves by it.
                Err(_) if !speaks(&mut self.network, destination.address())? => return Ok(()),
                result => result?,
            }
        }
        Ok(())
    }

    /// Takes one address, and leads what goes through the tunnel from it.
    fn take(
        &mut self,
        place: Place,
        link: LinkIndex,
        address: IpAddr,
        destinations: &[IpPrefix],
    ) -> Result<(), NetlinkError> {
        let on_link = LinkAddress {
            link,
            address,
            prefix_length: IpPrefix::host(address).length(),
        };
        // The outer device is no tunnel: there the address comes first.
        if matches!(place, Place::Outer(_)) {
            // What goes in clear beside a split list is not to be sent from it.
            self.network.add_address_beside(&on_link)?;
            self.addresses.push(on_link);
            return self.lead(link, destinations, Some(address));
        }
        // The routes stand before the address is there, or what is sent from it in between leaves in
        // clear by the default route.
        self.lead(link, destinations, None)?;
        self.network.add_address(&on_link)?;
        self.addresses.push(on_link);
        // A route of IPv6 cannot be replaced without a gap, and needs no source: the tunnel's own address is the
        // nearest one (RFC 6724 §5, rule 5).
        if address.is_ipv4() {
            self.lead(link, destinations, Some(address))?;
        }
        Ok(())
    }

    /// What has one of the tunnel's addresses takes the tunnel or nothing. The table is complete before the rule names it.
    fn confine(
        &mut self,
        link: LinkIndex,
        address: IpAddr,
        carried: &[IpPrefix],
    ) -> Result<(), NetlinkError> {
        let table = self.owner.table();
        let rule = Rule {
            source: IpPrefix::host(address),
            table,
            priority: self.owner.rule_priority(),
        };
        // It may stand already: then the guard must not go without it.
        self.rules.push(rule);
        self.add(self.nowhere(table, address))?;
        let carried = carried.iter();
        for &destination in carried.filter(|one| one.address().is_ipv4() == address.is_ipv4()) {
            self.add(Route {
                table,
                ..Route::onto(self.owner, destination, link)
            })?;
        }
        self.add_rule(&rule)?;
        // Of the same priority, and asked before.
        let former = Rule {
            table: self.owner.nowhere_table(),
            ..rule
        };
        match self.network.delete_rule(&former) {
            Err(error) if !error.is_absent() => Err(error),
            _ => Ok(()),
        }
    }

    /// What earlier tunnels had to leave for programs that are bound to their addresses, leads nowhere, and not into this
    /// tunnel, which is not for them.
    fn lay_to_rest(&mut self, assigned: &Assigned) -> Result<(), NetlinkError> {
        let table = self.owner.nowhere_table();
        for former in self.network.rules()? {
            let is_ours = |address| IpPrefix::host(address) == former.source;
            if former.table == table || assigned.addresses().any(is_ours) {
                continue;
            }
            let nowhere = self.nowhere(table, former.source.address());
            self.network.add_route(&nowhere)?;
            self.add_rule(&Rule { table, ..former })?;
            self.network.delete_rule(&former)?;
        }
        Ok(())
    }

    /// The route of a table that leads nowhere whatever the others do not lead elsewhere, of the family of one address.
    fn nowhere(&self, table: u32, family: IpAddr) -> Route {
        let everything = match family {
            IpAddr::V4(_) => IpPrefix::ANY_V4,
            IpAddr::V6(_) => IpPrefix::ANY_V6,
        };
        Route {
            table,
            ..Route::guard(self.owner, everything)
        }
    }

    /// Adds a rule, unless it is there: an earlier connection may have had to leave it.
    fn add_rule(&mut self, rule: &Rule) -> Result<(), NetlinkError> {
        match self.network.add_rule(rule) {
            Err(error) if error.is_present() => Ok(()),
            added => added,
        }
    }

    /// Leads networks into the tunnel; routes that are there take the new source.
    fn lead(
        &mut self,
        link: LinkIndex,
        destinations: &[IpPrefix],
        source: Option<IpAddr>,
    ) -> Result<(), NetlinkError> {
        for &destination in destinations {
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
        let resolver = Resolver::set(&Tools::default(), device, assigned)?;
        self.dns = Some(resolver);
        Ok(())
    }

    /// Takes everything away again, but for what keeps programs from sending in clear that are still bound to an IPv6 address
    /// of the tunnel: the rule for it, and the table's unreachable route. A client that starts when no program is bound to it any
    /// more takes that away. Returns these addresses.
    pub fn tear_down(&mut self) -> Vec<IpAddr> {
        if let Some(resolver) = self.dns.take() {
            resolver.unset(&Tools::default());
        }
        // Each is tried whatever happens to the others; what a device took with it is gone already. The
        // addresses go first: nothing is sent from them any more when their routes are gone.
        for address in self.addresses.drain(..).rev() {
            let _ = self.network.delete_address(&address);
        }
        let (kept, gone): (Vec<_>, Vec<_>) = self.rules.drain(..).partition(
            |rule| matches!(rule.source.address(), IpAddr::V6(address) if is_bound(address)),
        );
        let guard = self.nowhere(self.owner.table(), Ipv6Addr::UNSPECIFIED.into());
        for route in self.routes.drain(..).rev() {
            if kept.is_empty() || route != guard {
                let _ = self.network.delete_route(&route);
            }
        }
        for rule in gone.iter().rev() {
            let _ = self.network.delete_rule(rule);
        }
        kept.iter().map(|rule| rule.source.address()).collect()
    }
}

/// Whether some device has an address of a family by which others can be reached.
pub(super) fn speaks(network: &mut Network, family: IpAddr) -> Result<bool, NetlinkError> {
    let addresses = network.addresses()?;
    Ok(addresses
        .iter()
        .any(|one| one.address.is_ipv4() == family.is_ipv4() && !one.address.is_loopback()))
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
    fn a_domain_that_is_no_name_is_left_out() {
        let domain = |text: &str| {
            let attribute = ConfigAttribute::new(Kind::UNITY_DEF_DOMAIN, text.as_bytes().to_vec());
            let assigned = Assigned::read(&[attribute]);
            (assigned.domain, assigned.has_no_such_domain)
        };
        assert_eq!(domain("corp.example"), (Some("corp.example".into()), false));
        assert_eq!(domain("x\nnameserver 192.0.2.66"), (None, true));
    }

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
        let words = |all: Vec<IpPrefix>| {
            let words = all.iter().map(ToString::to_string);
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(split.destinations()), "10.0.0.0/8");
        assert_eq!(words(split.blocked()), "");
        let whole = Assigned {
            networks: Vec::new(),
            ..split.clone()
        };
        assert_eq!(words(whole.destinations()), "0.0.0.0/1 128.0.0.0/1");
        // Without a split list nothing passes the tunnel by, of no family.
        assert_eq!(words(whole.blocked()), "::/1 8000::/1");
        let six = ConfigAttribute::from_ipv6_prefix(
            Kind::INTERNAL_IP6_ADDRESS,
            "2001:db8:a::1".parse().unwrap(),
            64,
        );
        let dual = Assigned {
            ipv4: whole.ipv4,
            ..Assigned::read(&[six])
        };
        let addresses: Vec<String> = dual.addresses().map(|one| one.to_string()).collect();
        assert_eq!(addresses, ["192.168.10.8", "2001:db8:a::1"]);
        assert_eq!(
            words(dual.destinations()),
            "0.0.0.0/1 128.0.0.0/1 ::/1 8000::/1"
        );
        assert_eq!(words(dual.blocked()), "");
        // No more is led into the tunnel than the SA carries.
        let network = |text: &str, length| IpPrefix::new(text.parse().unwrap(), length).unwrap();
        let (ten, twelve) = (network("10.1.0.0", 16), network("172.16.0.0", 12));
        let (any, any_v6) = (IpPrefix::ANY_V4, IpPrefix::ANY_V6);
        let within = |from: &Assigned, carried: &[IpPrefix]| {
            let assigned = from.clone().within(carried);
            let addresses = assigned.addresses().count();
            (
                addresses,
                words(assigned.destinations()),
                words(assigned.blocked()),
            )
        };
        let told = |addresses, routes: &str, blocked: &str| {
            (addresses, routes.to_owned(), blocked.to_owned())
        };
        assert_eq!(within(&split, &[any]), told(1, "10.0.0.0/8", ""));
        assert_eq!(within(&split, &[ten, twelve]), told(1, "10.1.0.0/16", ""));
        assert_eq!(
            within(&whole, &[ten, twelve]),
            told(1, "10.1.0.0/16 172.16.0.0/12", "")
        );
        assert_eq!(
            within(&whole, &[any]),
            told(1, "0.0.0.0/1 128.0.0.0/1", "::/1 8000::/1")
        );
        assert_eq!(
            within(&dual, &[any, any_v6]),
            told(2, "0.0.0.0/1 128.0.0.0/1 ::/1 8000::/1", "")
        );
        assert_eq!(
            within(&dual, &[any]),
            told(1, "0.0.0.0/1 128.0.0.0/1", "::/1 8000::/1")
        );
        let alone = Assigned { ipv4: None, ..dual };
        assert_eq!(words(alone.destinations()), "::/1 8000::/1");
        assert_eq!(words(alone.blocked()), "0.0.0.0/1 128.0.0.0/1");
    }
}
