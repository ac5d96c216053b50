//! The interfaces of the configuration and of the sessions, as they are at this moment.

use std::{collections::BTreeMap, net::IpAddr};

use ironflex_profiles::{
    Snapshot,
    model::{
        Located,
        interface::{Addressing, Interface, InterfaceKind, InterfaceName},
        nat::NatSide,
    },
};
use ironflex_xfrm::netlink::{LinkIndex, LinkTraffic};

use super::{
    driver::Driver,
    network::{DEFAULT_MTU, Device, loopback_device},
};
use crate::{
    cli::show::{InterfaceCounters, InterfaceFacts, RouteFacts},
    state::State,
};

/// An address and the prefix length of its network.
type Prefix = (IpAddr, u8);

/// Their state: status and line protocol.
type Standing = (&'static str, &'static str);

const UP: Standing = ("up", "up");
const DOWN: Standing = ("down", "down");
const SHUT_DOWN: Standing = ("administratively down", "down");
/// What a router says of a template: nothing goes through it itself.
const TEMPLATE: Standing = ("up", "down");

/// What a router says of a Loopback's MTU where no line says otherwise, in octets.
const LOOPBACK_MTU: u32 = 1514;

/// The devices that interfaces of the configuration are or stand for, with what has gone through each, by their names.
pub(super) fn traffic(driver: &mut Driver) -> BTreeMap<String, (LinkIndex, LinkTraffic)> {
    let devices = devices(driver);
    let snapshot = &driver.house.plan.snapshot;
    let used = snapshot.interfaces.keys();
    let used = used.filter_map(|name| device_of(name, snapshot));
    let traffic = used.filter_map(|name| {
        let device = devices.get(&name)?;
        Some((name, (device.index, device.traffic)))
    });
    traffic.collect()
}

/// The interfaces that stand for devices or are some, by the devices' names.
pub(super) fn of_devices(driver: &Driver) -> BTreeMap<String, String> {
    let snapshot = &driver.house.plan.snapshot;
    let all = snapshot.interfaces.keys();
    all.filter_map(|name| Some((device_of(name, snapshot)?, name.to_string())))
        .collect()
}

fn devices(driver: &mut Driver) -> BTreeMap<String, Device> {
    let house = &mut driver.house;
    house.network.devices().unwrap_or_else(|error| {
        house.log.trouble(&error);
        BTreeMap::new()
    })
}

/// The name of the device that an interface is or stands for. Of two that are tied to one, only one is it.
fn device_of(name: &InterfaceName, snapshot: &Snapshot) -> Option<String> {
    match name.kind() {
        InterfaceKind::GigabitEthernet => {
            let device = snapshot.interfaces.get(name)?.device.as_ref()?;
            Some(device.to_string())
        }
        InterfaceKind::Loopback => Some(loopback_device(name)),
        InterfaceKind::VirtualTemplate => None,
    }
}

/// The routes to the networks of the interfaces that the headend has made, and to their addresses.
pub(super) fn connected(all: &[InterfaceFacts]) -> Vec<RouteFacts> {
    let made = all.iter().filter(|one| {
        let name = InterfaceName::parse(&one.name);
        let is_own = name.is_ok_and(|name| name.kind() == InterfaceKind::Loopback);
        is_own && (one.status, one.protocol) == UP && one.unnumbered.is_none()
    });
    let routes = made.filter_map(|one| {
        let address: IpAddr = one.address.as_deref()?.parse().ok()?;
        RouteFacts::connected(address, one.prefix_length?, &one.name)
    });
    routes.flatten().collect()
}

/// All of them, in the order of a running configuration; those of sessions behind.
pub(super) fn facts(driver: &mut Driver, state: &State) -> Vec<InterfaceFacts> {
    let devices = devices(driver);
    let (house, now) = (&driver.house, driver.clock.now());
    let cleared = &driver.cleared_counters;
    let (all, snapshot) = (&house.configured.interfaces, &*house.plan.snapshot);
    let ipv4 = |device: &Device| {
        let mut addresses = device.addresses.iter();
        addresses.find(|(address, _)| address.is_ipv4()).copied()
    };
    // The address of an interface with the prefix length of its network, and whether its own lines say it.
    let own = |name: &InterfaceName, lines: &Interface| -> Option<(Prefix, bool)> {
        let configured = match &lines.addressing {
            Addressing::Static(Located { value, .. }) => {
                Some((IpAddr::from(value.address), value.network.length()))
            }
            Addressing::None | Addressing::Unnumbered(_) => None,
        };
        if name.kind() == InterfaceKind::GigabitEthernet {
            // The device is Linux's, and so are its addresses.
            let device = devices.get(&device_of(name, snapshot)?)?;
            let address = ipv4(device)?;
            let is_own = configured.is_some_and(|(configured, _)| configured == address.0);
            return Some((address, is_own));
        }
        configured.map(|address| (address, true))
    };
    let borrowed = |name: &InterfaceName| {
        let (name, entry) = all.get_key_value(name)?;
        own(name, &entry.value).map(|(address, _)| address)
    };
    let mut facts = Vec::new();
    for (name, entry) in all {
        let lines = &entry.value;
        let device = device_of(name, snapshot).filter(|device| devices.contains_key(device));
        let known = device.as_ref().and_then(|device| devices.get(device));
        let (status, protocol) = match (name.kind(), known) {
            (InterfaceKind::GigabitEthernet, Some(known)) if !known.up => SHUT_DOWN,
            (InterfaceKind::GigabitEthernet, Some(known)) if known.running => UP,
            (InterfaceKind::GigabitEthernet, _) => DOWN,
            _ if lines.shutdown => SHUT_DOWN,
            (InterfaceKind::VirtualTemplate, _) => TEMPLATE,
            // Where the kernel has no such devices, its address is on another.
            (InterfaceKind::Loopback, _) => UP,
        };
        let (address, method) = match (own(name, lines), &lines.addressing) {
            (Some((address, true)), _) => (Some(address), "NVRAM"),
            (Some((address, false)), _) => (Some(address), "other"),
            (None, Addressing::Unnumbered(other)) => (borrowed(&other.value), "unset"),
            (None, _) => (None, "unset"),
        };
        let unnumbered = match &lines.addressing {
            Addressing::Unnumbered(other) => Some(other.value.to_string()),
            Addressing::None | Addressing::Static(_) => None,
        };
        let said = lines.ip_mtu.map(u32::from);
        let mtu = match (name.kind(), known) {
            (InterfaceKind::Loopback, _) => Some(said.unwrap_or(LOOPBACK_MTU)),
            (InterfaceKind::VirtualTemplate, _) => Some(said.unwrap_or_else(|| DEFAULT_MTU.into())),
            (InterfaceKind::GigabitEthernet, known) => known.map(|known| known.mtu),
        };
        let counters = known.map(|known| {
            let LinkTraffic { received, sent } = cleared.through(known.index, known.traffic);
            InterfaceCounters {
                packets_input: received.packets,
                bytes_input: received.octets,
                input_errors: received.errors,
                input_drops: received.dropped,
                packets_output: sent.packets,
                bytes_output: sent.octets,
                output_errors: sent.errors,
                output_drops: sent.dropped,
            }
        });
        let name = name.to_string();
        facts.push(InterfaceFacts {
            cleared_seconds_ago: cleared.ago(&name, now).map(|ago| ago.as_secs()),
            name,
            description: lines.description.clone(),
            address: address.map(|(address, _)| address.to_string()),
            prefix_length: address.map(|(_, length)| length),
            unnumbered,
            method,
            status,
            protocol,
            mtu,
            counters,
            nat: lines.nat.map(NatSide::keyword),
            device,
            virtual_access: None,
        });
    }
    // A router names what can be touched first.
    facts.sort_by_key(|one| !one.name.starts_with("GigabitEthernet"));
    let sessions = state.ike_sas.iter().filter_map(|sa| sa.session.as_ref());
    facts.extend(sessions.map(|session| {
        let unnumbered = session.derived.unnumbered.as_deref();
        let unnumbered = unnumbered.and_then(|name| InterfaceName::parse(name).ok());
        let address = unnumbered.and_then(|name| borrowed(&name));
        let (status, protocol) = if session.children.is_empty() {
            TEMPLATE
        } else {
            UP
        };
        InterfaceFacts {
            name: format!("Virtual-Access{}", session.virtual_access),
            description: None,
            address: address.map(|(address, _)| address.to_string()),
            prefix_length: address.map(|(_, length)| length),
            unnumbered: session.derived.unnumbered.clone(),
            method: "unset",
            status,
            protocol,
            device: None,
            mtu: session.derived.mtu.map(u32::from),
            nat: session
                .derived
                .nat_inside
                .then_some(NatSide::Inside.keyword()),
            virtual_access: Some(session.virtual_access),
            counters: Some(InterfaceCounters::of_session(session)),
            cleared_seconds_ago: state
                .counters_cleared
                .get(&session.virtual_access)
                .map(std::time::Duration::as_secs),
        }
    }));
    facts
}
