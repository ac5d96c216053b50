//! Address, routes and name servers of the tunnel, and their undoing.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr},
    process::{Command, Stdio},
};

use ironflex_ikev2::wire::{payload::ConfigAttribute, registry::ConfigAttributeType as Kind};
use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        DEVICE_ALIAS, LinkAddress, LinkIndex, MAIN_TABLE, NetlinkError, Network, Route,
        RouteTarget, SESSION_METRIC,
    },
};

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
    address: Option<LinkAddress>,
    routes: Vec<Route>,
    dns: Option<Resolver>,
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
    /// Puts address and routes in place. `headend` keeps the way that it has now.
    ///
    /// # Errors
    ///
    /// Of netlink; what was done is undone.
    pub fn set_up(
        place: Place,
        assigned: &Assigned,
        headend: IpAddr,
    ) -> Result<Self, NetlinkError> {
        let mut tunnel = Self {
            network: Network::open()?,
            address: None,
            routes: Vec::new(),
            dns: None,
        };
        match tunnel.fill(place, assigned, headend) {
            Ok(()) => Ok(tunnel),
            Err(error) => {
                tunnel.tear_down();
                Err(error)
            }
        }
    }

    fn fill(
        &mut self,
        place: Place,
        assigned: &Assigned,
        headend: IpAddr,
    ) -> Result<(), NetlinkError> {
        let link = match place {
            Place::Device(link) => {
                self.network.set_alias(link, DEVICE_ALIAS)?;
                self.network.set_up(link, true)?;
                link
            }
            Place::Outer(link) => link,
        };
        let Some(address) = assigned.address else {
            return Ok(());
        };
        // Our own ESP must not go into the tunnel: the headend keeps its present way.
        let way = self.network.next_hop(headend)?;
        self.add(Route {
            destination: IpPrefix::host(headend),
            target: match way.gateway {
                Some(address) => RouteTarget::Gateway {
                    address,
                    link: Some(way.link),
                },
                None => RouteTarget::Link(way.link),
            },
            metric: SESSION_METRIC,
            source: None,
            table: MAIN_TABLE,
        })?;
        // The routes stand before the address is there, or what is sent from it in between leaves in
        // clear by the default route. The outer device is no tunnel: there the address comes first.
        let mut source = None;
        if matches!(place, Place::Outer(_)) {
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
                destination,
                target: RouteTarget::Link(link),
                metric: SESSION_METRIC,
                source,
                table: MAIN_TABLE,
            })?;
        }
        Ok(())
    }

    fn add(&mut self, route: Route) -> Result<(), NetlinkError> {
        self.network.add_route(&route)?;
        self.routes
            .retain(|one| one.destination != route.destination);
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
    }
}

impl Drop for TunnelNetwork {
    fn drop(&mut self) {
        self.tear_down();
    }
}

/// Who was given the name servers.
enum Resolver {
    Resolved(String),
    Resolvconf(String),
}

impl Resolver {
    fn set(device: &str, assigned: &Assigned) -> Result<Self, String> {
        let servers: Vec<String> = assigned.dns.iter().map(ToString::to_string).collect();
        let quiet = |command: &mut Command| {
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        if quiet(
            Command::new("resolvectl")
                .arg("dns")
                .arg(device)
                .args(&servers),
        ) {
            if let Some(domain) = &assigned.domain {
                quiet(Command::new("resolvectl").args(["domain", device, domain]));
            }
            return Ok(Self::Resolved(device.to_owned()));
        }
        let name = format!("{device}.ironflex");
        let mut text = String::new();
        if let Some(domain) = &assigned.domain {
            text.push_str(&format!("search {domain}\n"));
        }
        for server in &servers {
            text.push_str(&format!("nameserver {server}\n"));
        }
        let child = Command::new("resolvconf")
            .args(["-a", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let done = child.and_then(|mut child| {
            if let Some(stdin) = &mut child.stdin {
                stdin.write_all(text.as_bytes())?;
            }
            drop(child.stdin.take());
            child.wait()
        });
        match done {
            Ok(status) if status.success() => Ok(Self::Resolvconf(name)),
            _ => Err("neither systemd-resolved nor resolvconf takes the name servers".into()),
        }
    }

    fn unset(self) {
        let mut command = match &self {
            Self::Resolved(device) => {
                let mut command = Command::new("resolvectl");
                command.args(["revert", device]);
                command
            }
            Self::Resolvconf(name) => {
                let mut command = Command::new("resolvconf");
                command.args(["-d", name]);
                command
            }
        };
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
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
