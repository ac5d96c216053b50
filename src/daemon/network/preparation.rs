//! Puts the headend's part of the network in place, one thing after the other, and takes it back if a later one fails.

use std::collections::BTreeMap;

use ironflex_profiles::{model::interface::InterfaceName, snapshot::Snapshot};
use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        Firewall, KernelErrno, LinkAddress, LinkIndex, LinkKind, Masquerade, NetlinkError, Network,
        NewLink, Owner, PoolGuard, Route, Ruleset, SourceRule, xfrm_interfaces,
    },
};

use super::{
    Carrier, Warning, loopback_device, template_device,
    wanted::{Difference, Wanted},
};

/// Something that was made and goes again if a later step fails.
enum Made {
    Link(LinkIndex),
    Address(LinkAddress),
    Route(Route),
}

/// The network while it is being put in place: devices, addresses, the routes that lead nowhere beneath the pools.
/// Dropped before its end, it takes back what it made, the newest first, and leaves what it found.
pub(super) struct Preparation<'a> {
    wanted: &'a Wanted,
    /// What is to be made.
    difference: &'a Difference,
    network: &'a mut Network,
    made: Vec<Made>,
    in_place: InPlace,
    warnings: Vec<Warning>,
}

/// What is there.
#[derive(Clone, Debug)]
pub(super) struct InPlace {
    pub(super) carrier: Carrier,
    /// The device that is there for all clients.
    pub(super) device: Option<String>,
    /// On which link the addresses of a Loopback interface are, and whether it is its own.
    pub(super) loopbacks: BTreeMap<InterfaceName, (LinkIndex, bool)>,
}

impl InPlace {
    /// The names of the devices on which clients' packets are in clear of right.
    fn carriers(&self) -> Vec<String> {
        match (&self.carrier, &self.device) {
            (Carrier::XfrmInterfaces(made), _) => {
                made.keys().map(|&number| template_device(number)).collect()
            }
            (_, device) => device.iter().cloned().collect(),
        }
    }
}

impl Drop for Preparation<'_> {
    fn drop(&mut self) {
        for made in self.made.drain(..).rev() {
            // Over the socket that made it: another one may be what could not be had. And the error that led here is the
            // one to report.
            let _ = match made {
                Made::Link(index) => self.network.delete_link(index),
                Made::Address(address) => self.network.delete_address(&address),
                Made::Route(route) => self.network.delete_route(&route),
            };
        }
    }
}

impl<'a> Preparation<'a> {
    pub(super) const fn new(
        wanted: &'a Wanted,
        difference: &'a Difference,
        network: &'a mut Network,
        in_place: InPlace,
    ) -> Self {
        Self {
            wanted,
            difference,
            network,
            made: Vec::new(),
            in_place,
            warnings: Vec::new(),
        }
    }

    /// Finds out by what devices clients come and go. `device` is the TUN device, if there is one.
    pub(super) fn carrier(&mut self, device: Option<&str>) -> Result<(), NetlinkError> {
        match device {
            Some(name) => self.take_device(name),
            None if xfrm_interfaces(self.network)? => {
                self.in_place.carrier = Carrier::XfrmInterfaces(BTreeMap::new());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Makes everything that is new.
    pub(super) fn all(&mut self, kernel_ipsec: bool) -> Result<(), NetlinkError> {
        self.templates()?;
        self.guards()?;
        self.loopbacks()?;
        // Last, because it replaces rules that may be an earlier run's and could not be put back.
        self.rules(kernel_ipsec)
    }

    /// Beneath each pool a route that leads nowhere, before anything can be sent to a client.
    fn guards(&mut self) -> Result<(), NetlinkError> {
        if self.difference.clients.is_empty() {
            return Ok(());
        }
        let found = self.network.routes()?;
        for &pool in &self.difference.clients {
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
        self.in_place.device = Some(name.to_owned());
        self.in_place.carrier = Carrier::Device(index);
        Ok(())
    }

    /// An xfrm interface for each Virtual-Template, where the kernel has them.
    fn templates(&mut self) -> Result<(), NetlinkError> {
        if let (Carrier::Device(index), Some(mtu), false) = (
            &self.in_place.carrier,
            self.wanted.mtu(),
            self.difference.templates.is_empty(),
        ) {
            return self.network.set_mtu(*index, u32::from(mtu));
        }
        let Carrier::XfrmInterfaces(present) = &mut self.in_place.carrier else {
            return Ok(());
        };
        for &(number, mtu) in &self.difference.templates {
            if let Some((index, _)) = present.get(&number) {
                self.network.set_mtu(*index, u32::from(mtu))?;
                continue;
            }
            let Some(if_id) = Owner::Headend.if_id(number) else {
                continue;
            };
            let index = self.network.create_link(&NewLink {
                name: template_device(number),
                alias: Some(Owner::Headend.alias()),
                kind: LinkKind::Xfrm {
                    if_id: if_id.get(),
                    underlying: None,
                },
            })?;
            self.made.push(Made::Link(index));
            self.network.set_mtu(index, u32::from(mtu))?;
            self.network.set_up(index, true)?;
            present.insert(number, (index, if_id));
        }
        Ok(())
    }

    /// Loopback interfaces: addresses on a device of our own; on the carrier where the kernel has no
    /// dummy devices.
    fn loopbacks(&mut self) -> Result<(), NetlinkError> {
        for (name, address, prefix_length) in &self.difference.addresses {
            let Some(link) = self.loopback(name)? else {
                continue;
            };
            let address = LinkAddress {
                link,
                address: *address,
                prefix_length: *prefix_length,
            };
            self.network.add_address(&address)?;
            self.made.push(Made::Address(address));
        }
        Ok(())
    }

    /// The link of a Loopback interface, made if there is none.
    fn loopback(&mut self, name: &InterfaceName) -> Result<Option<LinkIndex>, NetlinkError> {
        if let Some((link, _)) = self.in_place.loopbacks.get(name) {
            return Ok(Some(*link));
        }
        let made = self.network.create_link(&NewLink {
            name: loopback_device(name),
            alias: Some(Owner::Headend.alias()),
            kind: LinkKind::Dummy,
        });
        let (link, own) = match (made, &self.in_place.carrier) {
            (Ok(index), _) => {
                self.made.push(Made::Link(index));
                self.network.set_up(index, true)?;
                (index, true)
            }
            (Err(error), Carrier::Device(index)) if is_unsupported(&error) => (*index, false),
            (Err(error), _) => {
                let addresses = self.difference.addresses.iter();
                for (_, address, _) in addresses.filter(|(of, _, _)| of == name) {
                    let warning = format!(
                        "{name} has no device, so its address {address} is not there: {error}"
                    );
                    if !self.warnings.contains(&warning) {
                        self.warnings.push(warning);
                    }
                }
                return Ok(None);
            }
        };
        self.in_place.loopbacks.insert(name.clone(), (link, own));
        Ok(Some(link))
    }

    /// From here on everything stays.
    pub(super) fn keep(mut self) -> (InPlace, Vec<Warning>) {
        self.made.clear();
        (self.in_place.clone(), std::mem::take(&mut self.warnings))
    }

    fn ruleset(&mut self, kernel_ipsec: bool) -> Ruleset {
        let mut ruleset = Ruleset::default();
        for rule in &self.wanted.nat {
            let Some(device) = &rule.interface.device else {
                if !self.difference.nat.contains(rule) {
                    continue;
                }
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
        if !self.wanted.clients.is_empty() {
            ruleset.guard = Some(PoolGuard {
                pools: self.wanted.clients.iter().copied().collect(),
                carriers: self.in_place.carriers(),
                kernel_ipsec,
            });
        }
        ruleset
    }

    /// Replaces the rules around the pools in one transaction: they are the new ones or, after an error, the old ones.
    fn rules(&mut self, kernel_ipsec: bool) -> Result<(), NetlinkError> {
        if !self.difference.rules {
            return Ok(());
        }
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
            match self.in_place.carrier {
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

fn is_unsupported(error: &NetlinkError) -> bool {
    matches!(
        error.errno(),
        Some(KernelErrno::EOPNOTSUPP | KernelErrno::EPROTONOSUPPORT)
    )
}

/// Warns of interfaces that are tied to devices which are not there, as they may be later.
pub(super) fn missing_devices(
    snapshot: &Snapshot,
    network: &mut Network,
) -> Result<Vec<Warning>, NetlinkError> {
    let mut warnings = Vec::new();
    for interface in snapshot.interfaces.values() {
        let Some(device) = &interface.device else {
            continue;
        };
        if network.link(device.as_str())?.is_none() {
            warnings.push(format!(
                "{} is tied to {device}, and there is no such device here",
                interface.name
            ));
        }
    }
    Ok(warnings)
}

/// Warns of pools that have addresses of this machine: the route beneath a pool, and what guards it, cut them off.
pub(super) fn own_addresses(
    wanted: &Wanted,
    network: &mut Network,
) -> Result<Vec<Warning>, NetlinkError> {
    let held = |address| {
        wanted
            .clients
            .iter()
            .any(|clients| clients.contains(address))
    };
    let all = network.addresses()?.into_iter();
    let own = all.map(|one| one.address).filter(|own| held(*own));
    Ok(own
        .map(|own| {
            format!(
                "a pool has {own}, which is this machine's own address: a client that is given it, and what calls it here, reach nobody"
            )
        })
        .collect())
}

/// Removes the unreachable routes that a crashed process left beneath pools which are not configured any more.
pub(super) fn give_up_other_guards(
    network: &mut Network,
    wanted: &Wanted,
) -> Result<(), NetlinkError> {
    for route in network.routes()? {
        let guard = route == Route::guard(Owner::Headend, route.destination);
        if guard && !wanted.clients.contains(&route.destination) {
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
