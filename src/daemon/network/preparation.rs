//! Puts the headend's part of the network in place, one thing after the other, and takes it back if a later one fails.

use std::collections::BTreeMap;

use ironflex_profiles::snapshot::Snapshot;
use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        Firewall, KernelErrno, LinkAddress, LinkIndex, LinkKind, Masquerade, NetlinkError, Network,
        NewLink, Owner, PoolGuard, Route, Ruleset, SourceRule, xfrm_interfaces,
    },
};

use super::{Carrier, Warning, loopback_device, loopbacks, template_device, templates};

/// Something that was made and goes again if the start fails. Addresses go with their device.
enum Made {
    Link(LinkIndex),
    Route(Route),
}

/// The network while it is being put in place: devices, addresses, the routes that lead nowhere beneath the pools.
/// Dropped before its end, it takes back what it made, the newest first, and leaves what it found.
pub(super) struct Preparation<'a> {
    snapshot: &'a Snapshot,
    network: &'a mut Network,
    made: Vec<Made>,
    carrier: Carrier,
    /// The names of the devices on which clients' packets are in clear of right.
    carriers: Vec<String>,
    pools: Vec<IpPrefix>,
    warnings: Vec<Warning>,
}

impl Drop for Preparation<'_> {
    fn drop(&mut self) {
        for made in self.made.drain(..).rev() {
            // Over the socket that made it: another one may be what could not be had. And the error that led here is the
            // one to report.
            let _ = match made {
                Made::Link(index) => self.network.delete_link(index),
                Made::Route(route) => self.network.delete_route(&route),
            };
        }
    }
}

impl<'a> Preparation<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, network: &'a mut Network) -> Self {
        Self {
            snapshot,
            network,
            made: Vec::new(),
            carrier: Carrier::Policies,
            carriers: Vec::new(),
            pools: pools(snapshot),
            warnings: Vec::new(),
        }
    }

    /// Warns of interfaces that are tied to devices which are not there, as they may be later.
    pub(super) fn missing_devices(&mut self) -> Result<(), NetlinkError> {
        for interface in self.snapshot.interfaces.values() {
            let Some(device) = &interface.device else {
                continue;
            };
            if self.network.link(device.as_str())?.is_none() {
                self.warnings.push(format!(
                    "{} is tied to {device}, and there is no such device here",
                    interface.name
                ));
            }
        }
        Ok(())
    }

    /// `device` is the TUN device, if there is one.
    pub(super) fn devices(&mut self, device: Option<&str>) -> Result<(), NetlinkError> {
        match device {
            Some(name) => self.take_device(name),
            None if xfrm_interfaces(self.network)? => self.xfrm_interfaces(),
            None => Ok(()),
        }
    }

    /// Beneath each pool a route that leads nowhere, before anything can be sent to a client.
    pub(super) fn guards(&mut self) -> Result<(), NetlinkError> {
        let found = self.network.routes()?;
        for &pool in &self.pools {
            let guard = Route::guard(Owner::Headend, pool);
            // One that a crash left is not ours to take back.
            if !found.contains(&guard) {
                self.network.add_route(&guard)?;
                self.made.push(Made::Route(guard));
            }
        }
        Ok(())
    }

    /// Clients' packets come and go by a device that is there already.
    fn take_device(&mut self, name: &str) -> Result<(), NetlinkError> {
        let index = find(self.network, name)?;
        self.network.set_alias(index, &Owner::Headend.alias())?;
        self.network.set_up(index, true)?;
        self.carriers.push(name.to_owned());
        self.carrier = Carrier::Device(index);
        Ok(())
    }

    /// An xfrm interface for each Virtual-Template.
    fn xfrm_interfaces(&mut self) -> Result<(), NetlinkError> {
        let mut made = BTreeMap::new();
        for (number, mtu) in templates(self.snapshot) {
            let Some(if_id) = Owner::Headend.if_id(number) else {
                continue;
            };
            let name = template_device(number);
            let index = self.network.create_link(&NewLink {
                name: name.clone(),
                alias: Some(Owner::Headend.alias()),
                kind: LinkKind::Xfrm {
                    if_id: if_id.get(),
                    underlying: None,
                },
            })?;
            self.made.push(Made::Link(index));
            self.network.set_mtu(index, u32::from(mtu))?;
            self.network.set_up(index, true)?;
            self.carriers.push(name);
            made.insert(number, (index, if_id));
        }
        self.carrier = Carrier::XfrmInterfaces(made);
        Ok(())
    }

    /// Loopback interfaces: addresses on a device of our own; on the carrier where the kernel has no
    /// dummy devices.
    pub(super) fn loopbacks(&mut self) -> Result<(), NetlinkError> {
        for (name, addresses) in loopbacks(self.snapshot) {
            let made = self.network.create_link(&NewLink {
                name: loopback_device(name),
                alias: Some(Owner::Headend.alias()),
                kind: LinkKind::Dummy,
            });
            let link = match (made, &self.carrier) {
                (Ok(index), _) => {
                    self.made.push(Made::Link(index));
                    self.network.set_up(index, true)?;
                    index
                }
                (Err(_), Carrier::Device(index)) => *index,
                (Err(error), _) => {
                    for (address, _) in addresses {
                        self.warnings.push(format!(
                            "{name} has no device, so its address {address} is not there: {error}"
                        ));
                    }
                    continue;
                }
            };
            for (address, prefix_length) in addresses {
                self.network.add_address(&LinkAddress {
                    link,
                    address,
                    prefix_length,
                })?;
            }
        }
        Ok(())
    }

    /// Gives up what a crash left beneath pools that are not configured any more. From here on everything stays.
    pub(super) fn keep(mut self) -> (Carrier, Vec<Warning>) {
        self.made.clear();
        if let Err(error) = give_up_other_guards(self.network, &self.pools) {
            self.warnings.push(format!(
                "an unreachable route of an earlier run may still be there: {error}"
            ));
        }
        let carrier = std::mem::replace(&mut self.carrier, Carrier::Nothing);
        (carrier, std::mem::take(&mut self.warnings))
    }

    fn ruleset(&mut self, kernel_ipsec: bool) -> Ruleset {
        let mut ruleset = Ruleset::default();
        for rule in &self.snapshot.nat {
            let Some(device) = &rule.interface.device else {
                self.warnings.push(format!(
                    "ip nat inside source list {} interface {} overload has no effect: {} is tied to no device \
                     ('device NAME' under the interface, or --device {}=NAME)",
                    rule.access_list, rule.interface.name, rule.interface.name, rule.interface.name
                ));
                continue;
            };
            let sources = rule.networks.iter().filter_map(|network| {
                Some(SourceRule {
                    network: IpPrefix::new(network.address().into(), network.length())?,
                    permit: true,
                })
            });
            ruleset.masquerades.push(Masquerade {
                outside: device.as_str().to_owned(),
                sources: sources.collect(),
                kernel_ipsec,
            });
        }
        if !self.pools.is_empty() {
            ruleset.guard = Some(PoolGuard {
                pools: self.pools.clone(),
                carriers: self.carriers.clone(),
                kernel_ipsec,
            });
        }
        ruleset
    }

    /// Replaces the rules around the pools in one transaction: they are the new ones or, after an error, the old ones.
    pub(super) fn rules(&mut self, kernel_ipsec: bool) -> Result<(), NetlinkError> {
        let ruleset = self.ruleset(kernel_ipsec);
        let error = match Firewall::open().and_then(|mut firewall| firewall.replace(&ruleset)) {
            Err(error) if is_unsupported(&error) => error,
            result => return result,
        };
        // Where a table can be made, what is lacking is something else, and a guard that is wanted and cannot be had is
        // an error.
        if has_tables()? {
            return Err(error);
        }
        // The unreachable routes hold without it, and with the kernel's ESP so do the policies of each session.
        self.warnings.push(format!(
            "this kernel has no nf_tables ({error}): packets that claim a pool address{} are not dropped{}",
            match self.carrier {
                Carrier::Policies => " which no client holds",
                _ => "",
            },
            match ruleset.masquerades.is_empty() {
                true => "",
                false => ", and 'ip nat inside source' has no effect",
            }
        ));
        Ok(())
    }
}

/// Whether nf_tables takes a table at all, found out by making one where none of ours is.
fn has_tables() -> Result<bool, NetlinkError> {
    let mut firewall = match Firewall::open() {
        Ok(firewall) => firewall,
        Err(error) if is_unsupported(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    if firewall.exists()? {
        return Ok(true);
    }
    if firewall.replace(&Ruleset::default()).is_err() {
        return Ok(false);
    }
    firewall.delete()
}

/// The networks that the pools' ranges make up.
fn pools(snapshot: &Snapshot) -> Vec<IpPrefix> {
    let pools = snapshot.pools.values();
    let ranges = pools.flat_map(|pool| &pool.ranges);
    let ipv6 = snapshot.ipv6_pools.values().map(|pool| pool.range.prefix());
    ranges
        .flat_map(|range| IpPrefix::spanning(range.first().into(), range.last().into()))
        .chain(ipv6.filter_map(|net| IpPrefix::new(net.address().into(), net.length())))
        .collect()
}

fn is_unsupported(error: &NetlinkError) -> bool {
    matches!(
        error.errno(),
        Some(KernelErrno::EOPNOTSUPP | KernelErrno::EPROTONOSUPPORT)
    )
}

/// Removes the unreachable routes that a crashed process left beneath pools which are not configured any more.
fn give_up_other_guards(network: &mut Network, pools: &[IpPrefix]) -> Result<(), NetlinkError> {
    for route in network.routes()? {
        let guard = route == Route::guard(Owner::Headend, route.destination);
        if guard && !pools.contains(&route.destination) {
            match network.delete_route(&route) {
                Err(error) if !error.is_absent() => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn find(network: &mut Network, name: &str) -> Result<LinkIndex, NetlinkError> {
    match network.link(name)? {
        Some(link) => Ok(link.index),
        None => Err(NetlinkError::Unusable {
            operation: format!("use device {name}"),
            what: "it is not there".into(),
        }),
    }
}
