//! What the headend puts into the kernel beside SAs: devices, addresses, routes, the guard around
//! the pools, address translation. All of it is known by our marks and goes when the daemon goes.
//!
//! ```text
//!   clear_leftovers ──► Preparation ──► HouseNetwork ──► tear_down
//!                          │ dropped: everything that it made goes again, the newest first
//! ```

mod machine;
#[cfg(test)]
pub(in crate::daemon) mod model;
mod preparation;
#[cfg(test)]
mod tests;
mod wanted;

use std::{collections::BTreeMap, fmt, net::IpAddr, num::NonZeroU32};

use ironflex_profiles::{
    model::{
        Located,
        interface::{Addressing, DEFAULT_TUNNEL_MTU, DeviceName, InterfaceKind, InterfaceName},
    },
    snapshot::{Interface, Snapshot},
};
use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        CleanupScope, Firewall, Link, LinkIndex, LinkTraffic, NetlinkError, Network, Owner,
        PROBE_DEVICE, Removed, Route, RouteTarget, cleanup, sysctl,
    },
};

pub use self::wanted::{Difference, Wanted};
use self::{
    machine::Machine,
    preparation::{InPlace, Preparation, give_up_other_guards, own_addresses, tied_devices},
};

/// The TUN device of userspace ESP.
pub const TUN: &str = "ironflex0";

/// The MTU of sessions' devices where no template says `ip mtu`, in octets.
pub const DEFAULT_MTU: u16 = DEFAULT_TUNNEL_MTU;

/// How clients' packets get in and out.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// By one device for all: the TUN device of userspace ESP.
    Device(LinkIndex),
    /// By an xfrm interface for each Virtual-Template, by its number.
    XfrmInterfaces(BTreeMap<u32, (LinkIndex, NonZeroU32)>),
    /// By policies alone, with a route to each client on the outer device.
    Policies,
    /// Not at all: SAs are only recorded.
    Nothing,
}

/// The headend's part of the network.
pub struct HouseNetwork {
    network: Option<Box<dyn Machine>>,
    in_place: InPlace,
    wanted: Wanted,
}

/// A Linux device.
#[derive(Debug)]
pub struct Device {
    /// Its number: a device that is made again has another.
    pub index: LinkIndex,
    /// What has gone through it since it was made.
    pub traffic: LinkTraffic,
    /// The largest packet that it sends, in octets.
    pub mtu: u32,
    /// Its addresses, with the prefix lengths of their networks.
    pub addresses: Vec<(IpAddr, u8)>,
    /// It is set up.
    pub up: bool,
    /// Packets can go through it.
    pub running: bool,
}

/// Why a change was not made. Everything is as before it, but for what [`Self::left`] says.
#[derive(Debug)]
pub struct NotChanged {
    /// What was refused.
    pub error: NetlinkError,
    /// What could not be put back.
    pub left: Vec<NetlinkError>,
}

impl fmt::Display for NotChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error, left } = self;
        write!(f, "{error}")?;
        for one in left {
            write!(f, "; and what was changed by then stays: {one}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotChanged {}

/// Something that could not be put in place, though the headend can run without it.
pub type Warning = String;

/// Which Virtual-Templates there are, with their MTU.
pub fn templates(snapshot: &Snapshot) -> impl Iterator<Item = (u32, u16)> {
    snapshot.interfaces.values().filter_map(|interface| {
        let number = template_number(&interface.name)?;
        Some((number, interface.ip_mtu.unwrap_or(DEFAULT_MTU)))
    })
}

/// The number of a Virtual-Template.
#[must_use]
pub fn template_number(name: &InterfaceName) -> Option<u32> {
    (name.kind() == InterfaceKind::VirtualTemplate)
        .then(|| name.to_string())
        .and_then(|text| text.strip_prefix("Virtual-Template")?.parse().ok())
}

/// The device of a Virtual-Template, where the kernel has xfrm interfaces.
fn template_device(number: u32) -> String {
    format!("ironflex-vt{number}")
}

/// The device of a Loopback interface, where the kernel has dummy devices. A name has 15 octets at most: from 10000 on the
/// number stands in it to the base 36.
pub(super) fn loopback_device(name: &InterfaceName) -> String {
    let name = name.to_string();
    let number = name.trim_start_matches("Loopback");
    match number.parse() {
        Ok(number @ 10_000_u32..) => format!("ironflexl{}", base36(number)),
        _ => format!("ironflex-lo{number}"),
    }
}

fn base36(number: u32) -> String {
    let mut digits = Vec::new();
    let mut rest = number;
    while rest > 0 {
        digits.extend(char::from_digit(rest % 36, 36));
        rest /= 36;
    }
    digits.into_iter().rev().collect()
}

/// Every device that a start may make, for the journal. The TUN device is not among them: the kernel takes it
/// away with the process.
pub fn devices(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    let loopbacks = loopbacks(snapshot).map(|(name, _)| loopback_device(name));
    templates(snapshot)
        .map(|(number, _)| template_device(number))
        .chain(loopbacks)
        .chain([PROBE_DEVICE.to_owned()])
}

/// The Loopback interfaces that have addresses, with the prefix lengths of their networks.
fn loopbacks(snapshot: &Snapshot) -> impl Iterator<Item = (&InterfaceName, Vec<(IpAddr, u8)>)> {
    let interfaces = snapshot.interfaces.values();
    interfaces
        .filter(|interface| interface.name.kind() == InterfaceKind::Loopback)
        .map(|interface| (&interface.name, configured_addresses(interface)))
        .filter(|(_, addresses)| !addresses.is_empty())
}

/// The addresses that an interface has by its lines, with the prefix lengths of their networks.
///
/// One that is shut down has none.
pub(super) fn configured_addresses(interface: &Interface) -> Vec<(IpAddr, u8)> {
    if interface.shutdown {
        return Vec::new();
    }
    let ipv4 = match &interface.addressing {
        Addressing::Static(Located { value, .. }) => {
            Some((value.address.into(), value.network.length()))
        }
        Addressing::None | Addressing::Unnumbered(_) => None,
    };
    let ipv6 = interface.ipv6.addresses.iter();
    ipv4.into_iter()
        .chain(ipv6.map(|one| (one.value.address.into(), one.value.network.length())))
        .collect()
}

/// Warns of the addresses that an interface has by its lines alone: its device has `own`, and gets no other by a line.
pub fn vain_addresses(
    interface: &Interface,
    device: &DeviceName,
    own: &[IpAddr],
) -> impl Iterator<Item = Warning> {
    // A Loopback keeps a device of ours, whatever else it is tied to.
    let is_tied = interface.name.kind() == InterfaceKind::GigabitEthernet;
    let lines = configured_addresses(interface).into_iter();
    let vain = lines.filter(move |(address, _)| is_tied && !own.contains(address));
    vain.map(move |(address, _)| {
        let (word, none) = match address {
            IpAddr::V4(_) => ("ip", "no IPv4 address"),
            IpAddr::V6(_) => ("ipv6", "no IPv6 address"),
        };
        let same = own.iter().filter(|one| one.is_ipv4() == address.is_ipv4());
        let has: Vec<String> = same.map(ToString::to_string).collect();
        let has = match has.as_slice() {
            [] => none.to_owned(),
            _ => has.join(", "),
        };
        format!(
            "'{word} address {address}' under {} has no effect: the addresses of a Linux device are the machine's to set, and \
             {device} has {has}",
            interface.name
        )
    })
}

/// Removes what an earlier process left, but for what keeps pool addresses from travelling in clear. `unfinished` are
/// the devices that its journal names: one that it had made and not marked yet is marked now, so that it goes too.
///
/// # Errors
///
/// Of netlink.
pub fn clear_leftovers(unfinished: &[String]) -> Result<Removed, NetlinkError> {
    if !unfinished.is_empty() {
        let mut network = Network::open(Owner::Headend)?;
        let links = network.links()?;
        for link in links.iter().filter(|link| is_unfinished(link, unfinished)) {
            network.set_alias(link.index, &Owner::Headend.alias())?;
        }
    }
    cleanup(Owner::Headend, CleanupScope::KeepGuards)
}

/// What an earlier run that did not come to its end has left to keep its clients' addresses from travelling in clear. It
/// stands until this run's own is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    routes: usize,
    table: bool,
}

impl Guards {
    /// Looks for them.
    ///
    /// # Errors
    ///
    /// Of netlink.
    pub fn left() -> Result<Self, NetlinkError> {
        let routes = Network::open(Owner::Headend)?.routes()?;
        let unreachable = |route: &&Route| route.target == RouteTarget::Unreachable;
        let table = match Firewall::open() {
            Ok(mut firewall) => firewall.exists()?,
            // Without nf_tables there is no table of ours.
            Err(_) => false,
        };
        Ok(Self {
            routes: routes.iter().filter(unreachable).count(),
            table,
        })
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.routes == 0 && !self.table
    }
}

impl fmt::Display for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.routes {
            0 => {}
            1 => f.write_str("1 unreachable route")?,
            count => write!(f, "{count} unreachable routes")?,
        }
        match (self.routes, self.table) {
            (_, false) => Ok(()),
            (0, true) => f.write_str("the nftables table"),
            (_, true) => f.write_str(", the nftables table"),
        }
    }
}

/// The kernel takes a device's alias only after it has made the device. A process that was killed in between leaves one
/// of a name that its journal holds, of a kind that we make, unmarked and down.
fn is_unfinished(link: &Link, journal: &[String]) -> bool {
    let kind = matches!(link.kind.as_deref(), Some("dummy" | "xfrm"));
    kind && !link.up && link.alias.is_none() && journal.contains(&link.name)
}

/// What to say about forwarding of the families that clients get addresses of, which is the administrator's to turn on.
fn forwarding(snapshot: &Snapshot) -> impl Iterator<Item = Warning> {
    let told = |family, setting, state: Result<bool, NetlinkError>| match state {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "{setting} is 0: clients reach this machine and nothing behind it{}; \
             'sysctl -w {setting}=1' turns forwarding on",
            if family == "IPv6" { " by IPv6" } else { "" },
        )),
        Err(error) => Some(format!(
            "cannot tell whether {family} is forwarded: {error}"
        )),
    };
    let only_ipv6 = snapshot.pools.is_empty() && !snapshot.ipv6_pools.is_empty();
    let ipv4 = (!only_ipv6)
        .then(|| told("IPv4", "net.ipv4.ip_forward", sysctl::ipv4_forwarding()))
        .flatten();
    let ipv6 = (!snapshot.ipv6_pools.is_empty())
        .then(|| {
            let setting = "net.ipv6.conf.all.forwarding";
            told("IPv6", setting, sysctl::ipv6_forwarding())
        })
        .flatten();
    ipv4.into_iter().chain(ipv6)
}

impl HouseNetwork {
    /// A network that touches nothing, for the recorder.
    #[must_use]
    pub const fn untouched() -> Self {
        Self {
            network: None,
            in_place: InPlace {
                carrier: Carrier::Nothing,
                device: None,
                loopbacks: BTreeMap::new(),
                rules: None,
            },
            wanted: Wanted::NOTHING,
        }
    }

    /// Puts everything in place that does not belong to a session. `device` is the TUN device, if there is one; it is
    /// the caller's.
    ///
    /// # Errors
    ///
    /// Of netlink, where the headend would leak or could not carry anything without it; everything is as it was then.
    pub fn set_up(
        snapshot: &Snapshot,
        device: Option<&str>,
        kernel_ipsec: bool,
    ) -> Result<(Self, Vec<Warning>), NetlinkError> {
        let network = Network::open(Owner::Headend)?;
        Self::set_up_on(Box::new(network), snapshot, device, kernel_ipsec)
    }

    /// The same on a machine.
    pub(in crate::daemon) fn set_up_on(
        mut machine: Box<dyn Machine>,
        snapshot: &Snapshot,
        device: Option<&str>,
        kernel_ipsec: bool,
    ) -> Result<(Self, Vec<Warning>), NetlinkError> {
        let network = &mut *machine;
        let mut warnings = tied_devices(snapshot, network)?;
        let wanted = Wanted::of(snapshot, std::iter::empty());
        warnings.extend(own_addresses(&wanted, network)?);
        let difference = Wanted::NOTHING.until(&wanted);
        // An earlier run's rules are another's.
        let difference = Difference {
            rules: true,
            ..difference
        };
        let nothing = InPlace {
            carrier: Carrier::Policies,
            device: None,
            loopbacks: BTreeMap::new(),
            rules: None,
        };
        let mut preparation = Preparation::new(&wanted, &difference, network, nothing);
        preparation.carrier(device)?;
        preparation.all(kernel_ipsec)?;
        let (in_place, more) = preparation.keep();
        warnings.extend(more);
        if let Err(error) = give_up_other_guards(network, &wanted) {
            warnings.push(format!(
                "an unreachable route of an earlier run may still be there: {error}"
            ));
        }
        warnings.extend(forwarding(snapshot));
        Ok((
            Self {
                network: Some(machine),
                in_place,
                wanted,
            },
            warnings,
        ))
    }

    /// What is wanted of it.
    #[must_use]
    pub const fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Brings it from what is wanted now to what is wanted then: makes what is new, and takes away what is not needed any
    /// more. A Virtual-Template that `in_use` knows keeps its device. `kernel_ipsec` as in [`Self::set_up`].
    ///
    /// # Errors
    ///
    /// [`NotChanged`], where something new cannot be made.
    pub fn change(
        &mut self,
        then: Wanted,
        in_use: impl Fn(u32) -> bool,
        kernel_ipsec: bool,
    ) -> Result<Vec<Warning>, NotChanged> {
        let Some(network) = self.network.as_deref_mut() else {
            self.wanted = then;
            return Ok(Vec::new());
        };
        let mut then = then;
        for (&number, &mtu) in &self.wanted.templates {
            if !then.templates.contains_key(&number) && in_use(number) {
                then.templates.insert(number, mtu);
                if let Some(&size) = self.wanted.segments.get(&number) {
                    then.segments.insert(number, size);
                }
            }
        }
        let difference = self.wanted.until(&then);
        if difference.is_empty() {
            return Ok(Vec::new());
        }
        let mut preparation = Preparation::new(&then, &difference, network, self.in_place.clone());
        if let Err(error) = preparation.all(kernel_ipsec) {
            let left = preparation.take_back();
            return Err(NotChanged { error, left });
        }
        let (in_place, mut warnings) = preparation.keep();
        self.in_place = in_place;
        self.wanted = then;
        warnings.extend(self.remove(&difference));
        Ok(warnings)
    }

    /// Takes away what is gone. What cannot be taken away is told of: it harms nobody but who wonders.
    fn remove(&mut self, difference: &Difference) -> Vec<Warning> {
        let Some(network) = &mut self.network else {
            return Vec::new();
        };
        let mut results = Vec::new();
        for name in &difference.gone_loopbacks {
            if let Some((link, true)) = self.in_place.loopbacks.remove(name) {
                results.push(network.delete_link(link));
            }
        }
        if let Carrier::XfrmInterfaces(made) = &mut self.in_place.carrier {
            for number in &difference.gone_templates {
                if let Some((link, _)) = made.remove(number) {
                    results.push(network.delete_link(link));
                }
            }
        }
        for &clients in &difference.gone_clients {
            results.push(network.delete_route(&Route::guard(Owner::Headend, clients)));
        }
        let errors = results.into_iter().filter_map(Result::err);
        errors
            .filter(|error| !error.is_absent())
            .map(|error| error.to_string())
            .collect()
    }

    /// Warns of interfaces of a configuration that are tied to devices which are not there, or which have other addresses.
    ///
    /// # Errors
    ///
    /// Of netlink.
    pub fn tied_devices(&mut self, snapshot: &Snapshot) -> Result<Vec<Warning>, NetlinkError> {
        match self.network.as_deref_mut() {
            Some(network) => tied_devices(snapshot, network),
            None => Ok(Vec::new()),
        }
    }

    /// Linux devices with their addresses, by name.
    ///
    /// # Errors
    ///
    /// Of netlink.
    pub fn devices(&mut self) -> Result<BTreeMap<String, Device>, NetlinkError> {
        let Some(network) = &mut self.network else {
            return Ok(BTreeMap::new());
        };
        let links = network.links()?;
        let mut devices: BTreeMap<LinkIndex, (String, Device)> = links
            .into_iter()
            .map(|link| {
                let device = Device {
                    index: link.index,
                    traffic: link.traffic,
                    mtu: link.mtu,
                    addresses: Vec::new(),
                    up: link.up,
                    running: link.running,
                };
                (link.index, (link.name, device))
            })
            .collect();
        for one in network.addresses()? {
            if let Some((_, device)) = devices.get_mut(&one.link) {
                device.addresses.push((one.address, one.prefix_length));
            }
        }
        Ok(devices.into_values().collect())
    }

    /// The `if_id` of a Virtual-Template's interface, where there are xfrm interfaces.
    #[must_use]
    pub fn if_id(&self, template: u32) -> Option<NonZeroU32> {
        match &self.in_place.carrier {
            Carrier::XfrmInterfaces(made) => made.get(&template).map(|&(_, if_id)| if_id),
            _ => None,
        }
    }

    /// Leads a session's client, which has these networks, to its tunnel. Returns the routes that were made.
    ///
    /// # Errors
    ///
    /// Of netlink; nothing stays then.
    pub fn add_session(
        &mut self,
        template: u32,
        peer: IpAddr,
        client: &[IpPrefix],
    ) -> Result<Vec<Route>, NetlinkError> {
        let Some(network) = self.network.as_mut().filter(|_| !client.is_empty()) else {
            return Ok(Vec::new());
        };
        let link = match &self.in_place.carrier {
            Carrier::Device(index) => Some(*index),
            Carrier::XfrmInterfaces(made) => made.get(&template).map(|&(index, _)| index),
            // Where reverse path filtering wants it: on the device that ESP comes in by.
            Carrier::Policies => Some(network.next_hop(peer)?),
            Carrier::Nothing => None,
        };
        let Some(link) = link else {
            return Ok(Vec::new());
        };
        let mut routes = Vec::with_capacity(client.len());
        for &one in client {
            let route = Route::onto(Owner::Headend, one, link);
            if let Err(error) = network.add_route(&route) {
                for made in &routes {
                    // The error that led here is the one to report.
                    let _ = network.delete_route(made);
                }
                return Err(error);
            }
            routes.push(route);
        }
        Ok(routes)
    }

    /// Takes a session's routes away; one that is gone already is no error.
    ///
    /// # Errors
    ///
    /// Of netlink.
    pub fn remove_session(&mut self, routes: &[Route]) -> Result<(), NetlinkError> {
        let Some(network) = &mut self.network else {
            return Ok(());
        };
        for route in routes {
            match network.delete_route(route) {
                Err(error) if !error.is_absent() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes everything of ours.
    ///
    /// # Errors
    ///
    /// Of netlink; the rest was still tried.
    pub fn tear_down(self) -> Result<(), NetlinkError> {
        if self.network.is_some() {
            cleanup(Owner::Headend, CleanupScope::Everything)?;
        }
        Ok(())
    }
}
