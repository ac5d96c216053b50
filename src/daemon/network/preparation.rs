//! Puts the headend's part of the network in place, one step after the other, and takes them back if a later one fails.

use std::{collections::BTreeMap, net::IpAddr};

use ironflex_profiles::{model::interface::InterfaceName, snapshot::Snapshot};
use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        Clamp, ClampPlace, Link, LinkAddress, LinkIndex, LinkKind, Masquerade, NetlinkError,
        NewLink, Owner, PoolGuard, Route, Ruleset, SourceRule,
    },
};

use super::{
    Carrier, Warning, configured_addresses, loopback_device,
    machine::{Filtered, Machine, is_unsupported},
    template_device, vain_addresses,
    wanted::{Difference, Wanted},
};

/// A step that is taken back if a later one fails.
enum Step {
    /// The device was made.
    Made(LinkIndex),
    /// The address was put on its device.
    PutOn(LinkAddress),
    /// The address was taken off its device.
    TakenOff(LinkAddress),
    /// The route was made.
    Led(Route),
    /// The device had another MTU, this one.
    Resized(LinkIndex, u32),
    /// The rules were these, and may be others now.
    Ruled(Ruleset),
}

/// The network while it is being put in place: devices, addresses, the routes that lead nowhere beneath the pools.
/// Dropped before its end, it takes its steps back, the newest first, and leaves what it found.
pub(super) struct Preparation<'a> {
    wanted: &'a Wanted,
    /// What is to be made.
    difference: &'a Difference,
    network: &'a mut dyn Machine,
    steps: Vec<Step>,
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
    /// The rules that this run has put there; nothing before the first ones, and where the kernel takes none.
    pub(super) rules: Option<Ruleset>,
}

impl InPlace {
    /// The names of the devices on which clients' packets are in clear of right, but for Virtual-Templates that go.
    fn carriers(&self, gone: &[u32]) -> Vec<String> {
        match (&self.carrier, &self.device) {
            (Carrier::XfrmInterfaces(made), _) => {
                let stay = made.keys().filter(|number| !gone.contains(number));
                stay.map(|&number| template_device(number)).collect()
            }
            (_, device) => device.iter().cloned().collect(),
        }
    }
}

impl Drop for Preparation<'_> {
    fn drop(&mut self) {
        // The error that led here is the one to report.
        self.take_back();
    }
}

impl<'a> Preparation<'a> {
    pub(super) const fn new(
        wanted: &'a Wanted,
        difference: &'a Difference,
        network: &'a mut dyn Machine,
        in_place: InPlace,
    ) -> Self {
        Self {
            wanted,
            difference,
            network,
            steps: Vec::new(),
            in_place,
            warnings: Vec::new(),
        }
    }

    /// Finds out by what devices clients come and go. `device` is the TUN device, if there is one.
    pub(super) fn carrier(&mut self, device: Option<&str>) -> Result<(), NetlinkError> {
        match device {
            Some(name) => self.take_device(name),
            None if self.network.has_xfrm_interfaces()? => {
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
                self.steps.push(Step::Led(guard));
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
        let Difference {
            templates,
            gone_templates,
            ..
        } = self.difference;
        if let (&Carrier::Device(index), Some(mtu)) = (&self.in_place.carrier, self.wanted.mtu())
            && !(templates.is_empty() && gone_templates.is_empty())
        {
            return self.resize(index, u32::from(mtu));
        }
        for &(number, mtu) in templates {
            let Carrier::XfrmInterfaces(present) = &self.in_place.carrier else {
                return Ok(());
            };
            if let Some(&(index, _)) = present.get(&number) {
                self.resize(index, u32::from(mtu))?;
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
            self.steps.push(Step::Made(index));
            self.network.set_mtu(index, u32::from(mtu))?;
            self.network.set_up(index, true)?;
            if let Carrier::XfrmInterfaces(present) = &mut self.in_place.carrier {
                present.insert(number, (index, if_id));
            }
        }
        Ok(())
    }

    /// Gives a device that is there already another MTU.
    fn resize(&mut self, index: LinkIndex, mtu: u32) -> Result<(), NetlinkError> {
        let links = self.network.links()?;
        let link = links.iter().find(|link| link.index == index);
        let before = link.map(|link| link.mtu);
        if before != Some(mtu) {
            self.network.set_mtu(index, mtu)?;
            let step = before.map(|mtu| Step::Resized(index, mtu));
            self.steps.extend(step);
        }
        Ok(())
    }

    /// Loopback interfaces: addresses on a device of our own; on the carrier where the kernel has no
    /// dummy devices.
    ///
    /// What is to go goes first: an IPv6 address is on a device once, whatever its prefix, and an IPv4 address that comes
    /// to a network which the device is in already would go with the one that it came behind.
    fn loopbacks(&mut self) -> Result<(), NetlinkError> {
        for (name, address, prefix_length) in &self.difference.gone_addresses {
            match self.in_place.loopbacks.get(name) {
                // They go with their device.
                Some((_, true)) if self.difference.gone_loopbacks.contains(name) => {}
                Some(&(link, _)) => self.take_off(LinkAddress {
                    link,
                    address: *address,
                    prefix_length: *prefix_length,
                })?,
                None => {}
            }
        }
        for (name, address, prefix_length) in &self.difference.addresses {
            let Some(link) = self.loopback(name)? else {
                continue;
            };
            self.put_on(LinkAddress {
                link,
                address: *address,
                prefix_length: *prefix_length,
            })?;
        }
        Ok(())
    }

    fn put_on(&mut self, address: LinkAddress) -> Result<(), NetlinkError> {
        self.network.add_address(&address)?;
        self.steps.push(Step::PutOn(address));
        Ok(())
    }

    /// Takes an address off a device, and nothing else with it: from an IPv4 network the kernel removes all that came
    /// behind the address (`promote_secondaries` is 0 by default), and those are put on again.
    fn take_off(&mut self, address: LinkAddress) -> Result<(), NetlinkError> {
        let mut before = self.network.addresses()?;
        before.retain(|other| is_behind(other, &address));
        match self.network.delete_address(&address) {
            Err(error) if error.is_absent() => return Ok(()),
            result => result?,
        }
        // Before what follows may fail: all of it is to come back, in the order in which it came at first.
        let steps = before.iter().map(|other| Step::TakenOff(*other));
        self.steps.extend(steps);
        self.steps.push(Step::TakenOff(address));
        if !before.is_empty() {
            let after = self.network.addresses()?;
            for lost in before {
                if after.contains(&lost) {
                    continue;
                }
                self.put_on(lost)?;
            }
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
                self.steps.push(Step::Made(index));
                self.network.set_up(index, true)?;
                (index, true)
            }
            (Err(error), Carrier::Device(index)) if is_unsupported(&error) => (*index, false),
            // It may lack such devices, or somebody else may have one of that name: a headend can do without the address.
            (Err(error), _) if is_unsupported(&error) || error.is_present() => {
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
            (Err(error), _) => return Err(error),
        };
        self.in_place.loopbacks.insert(name.clone(), (link, own));
        Ok(Some(link))
    }

    /// From here on everything stays.
    pub(super) fn keep(mut self) -> (InPlace, Vec<Warning>) {
        self.steps.clear();
        (self.in_place.clone(), std::mem::take(&mut self.warnings))
    }

    /// Takes everything back. Returns what could not be.
    pub(super) fn take_back(&mut self) -> Vec<NetlinkError> {
        // Over the socket that made it: another one may be what could not be had.
        let network = &mut self.network;
        let undone = self.steps.drain(..).rev().map(|step| match step {
            Step::Made(index) => network.delete_link(index),
            Step::PutOn(address) => network.delete_address(&address),
            Step::TakenOff(address) => match network.add_address(&address) {
                // It had not gone, or something has brought it back.
                Err(error) if error.is_present() => Ok(()),
                result => result,
            },
            Step::Led(route) => network.delete_route(&route),
            Step::Resized(index, mtu) => network.set_mtu(index, mtu),
            Step::Ruled(before) => network.replace_rules(&before).map(|_| ()),
        });
        undone.filter_map(Result::err).collect()
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
                carriers: self.in_place.carriers(&self.difference.gone_templates),
                kernel_ipsec,
            });
        }
        ruleset.clamps = self.clamps();
        ruleset
    }

    /// `ip tcp adjust-mss`. Where no device tells the Virtual-Templates apart, the smallest size is everybody's.
    fn clamps(&self) -> Vec<Clamp> {
        let least = self.wanted.segments.values().min();
        let of_templates: Vec<Clamp> = match (&self.in_place.carrier, &self.in_place.device) {
            (Carrier::XfrmInterfaces(made), _) => made
                .keys()
                .filter_map(|number| {
                    let size = *self.wanted.segments.get(number)?;
                    let place = ClampPlace::Device(template_device(*number));
                    Some(Clamp { place, size })
                })
                .collect(),
            (_, Some(device)) => least
                .map(|&size| {
                    let place = ClampPlace::Device(device.clone());
                    Clamp { place, size }
                })
                .into_iter()
                .collect(),
            (_, None) => least
                .into_iter()
                .flat_map(|&size| {
                    let clients = self.wanted.clients.iter();
                    clients.map(move |&network| Clamp {
                        place: ClampPlace::Network(network),
                        size,
                    })
                })
                .collect(),
        };
        let of_devices = self.wanted.device_segments.iter();
        let of_devices = of_devices.map(|(device, &size)| Clamp {
            place: ClampPlace::Device(device.as_str().to_owned()),
            size,
        });
        of_templates.into_iter().chain(of_devices).collect()
    }

    /// Replaces the rules around the pools in one transaction: they are the new ones or, after an error, the old ones. Where the
    /// answer was lost they may be either, and the old ones are put there again; a start that ends by that may leave its own.
    fn rules(&mut self, kernel_ipsec: bool) -> Result<(), NetlinkError> {
        if !self.difference.rules {
            return Ok(());
        }
        let ruleset = self.ruleset(kernel_ipsec);
        let error = match self.network.replace_rules(&ruleset) {
            Ok(Filtered::Done) => {
                self.in_place.rules = Some(ruleset);
                return Ok(());
            }
            Ok(Filtered::Lacking(error)) => error,
            Err(error @ NetlinkError::Unanswered { .. }) => {
                let before = self.in_place.rules.clone();
                self.steps.extend(before.map(Step::Ruled));
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        // The unreachable routes hold without it, and with the kernel's ESP so do the policies of each session.
        self.warnings.push(format!(
            "this kernel has no nf_tables ({error}): packets that claim a pool address{} are not dropped{}{}",
            match self.in_place.carrier {
                Carrier::Policies => " which no client holds",
                _ => "",
            },
            match ruleset.masquerades.is_empty() {
                true => "",
                false => ", and 'ip nat inside source' has no effect",
            },
            match ruleset.clamps.is_empty() {
                true => "",
                false => ", and 'ip tcp adjust-mss' has no effect",
            }
        ));
        Ok(())
    }
}

/// Whether an IPv4 address may have come behind another one, to the same network on the same device.
fn is_behind(address: &LinkAddress, first: &LinkAddress) -> bool {
    let network = |one: &LinkAddress| match one.address {
        IpAddr::V4(address) => IpPrefix::new(address.into(), one.prefix_length),
        IpAddr::V6(_) => None,
    };
    address != first
        && address.link == first.link
        && network(address).is_some_and(|own| Some(own) == network(first))
}

/// Warns of interfaces that are tied to devices which are not there, as they may be later, and of addresses that those which are
/// there do not have.
pub(super) fn tied_devices(
    snapshot: &Snapshot,
    network: &mut dyn Machine,
) -> Result<Vec<Warning>, NetlinkError> {
    let mut warnings = Vec::new();
    let tied = snapshot.interfaces.values();
    let tied = tied.filter_map(|interface| Some((interface, interface.device.as_ref()?)));
    for (interface, device) in tied {
        let Some(link) = link(network, device.as_str())? else {
            let rules = snapshot.nat.iter();
            let rules = rules.filter(|rule| rule.interface.name == interface.name);
            let lists: Vec<String> = rules.map(|rule| rule.access_list.to_string()).collect();
            let consequence = if lists.is_empty() {
                String::new()
            } else {
                format!(
                    ": until there is one, 'ip nat inside source list {} interface {} overload' translates nothing",
                    lists.join(" / "),
                    interface.name
                )
            };
            warnings.push(format!(
                "{} is tied to {device}, and there is no such device here{consequence}",
                interface.name
            ));
            continue;
        };
        if configured_addresses(interface).is_empty() {
            continue;
        }
        let own = network.addresses()?.into_iter();
        let own: Vec<IpAddr> = own
            .filter(|one| one.link == link.index)
            .map(|one| one.address)
            .collect();
        warnings.extend(vain_addresses(interface, device, &own));
    }
    Ok(warnings)
}

/// Warns of pools that have addresses of this machine: the route beneath a pool, and what guards it, cut them off.
pub(super) fn own_addresses(
    wanted: &Wanted,
    network: &mut dyn Machine,
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
    network: &mut dyn Machine,
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

/// The device of that name.
fn link(network: &mut dyn Machine, name: &str) -> Result<Option<Link>, NetlinkError> {
    let mut links = network.links()?.into_iter();
    Ok(links.find(|link| link.name == name))
}

fn find(network: &mut dyn Machine, name: &str) -> Result<LinkIndex, NetlinkError> {
    match link(network, name)? {
        Some(link) => Ok(link.index),
        None => Err(NetlinkError::Unusable {
            operation: format!("use device {name}"),
            what: "it is not there".into(),
        }),
    }
}
