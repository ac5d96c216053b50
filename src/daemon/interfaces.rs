//! The interfaces of the configuration and of the sessions, as they are at this moment.

use std::net::IpAddr;

use ironflex_profiles::model::{
    interface::{Addressing, Interface, InterfaceKind, InterfaceName},
    nat::NatSide,
};

use super::{
    driver::Driver,
    network::{Device, loopback_device},
};
use crate::{cli::show::InterfaceFacts, state::State};

/// An address and the prefix length of its network.
type Prefix = (IpAddr, u8);

/// Their state: status and line protocol.
type Standing = (&'static str, &'static str);

const UP: Standing = ("up", "up");
const DOWN: Standing = ("down", "down");
const SHUT_DOWN: Standing = ("administratively down", "down");
/// What a router says of a template: nothing goes through it itself.
const TEMPLATE: Standing = ("up", "down");

/// All of them, in the order of a running configuration; those of sessions behind.
pub(super) fn facts(driver: &mut Driver, state: &State) -> Vec<InterfaceFacts> {
    let house = &mut driver.house;
    let devices = house.network.devices().unwrap_or_else(|error| {
        house.log.trouble(&error);
        Default::default()
    });
    let all = &house.configured.interfaces;
    let ipv4 = |device: &Device| {
        let mut addresses = device.addresses.iter();
        addresses.find(|(address, _)| address.is_ipv4()).copied()
    };
    let device_of = |name: &InterfaceName, lines: &Interface| match name.kind() {
        InterfaceKind::GigabitEthernet => lines.device_at_work().map(|one| one.value.to_string()),
        InterfaceKind::Loopback => Some(loopback_device(name)),
        InterfaceKind::VirtualTemplate => None,
    };
    // The address of an interface with the prefix length of its network, and whether its own lines say it.
    let own = |name: &InterfaceName, lines: &Interface| -> Option<(Prefix, bool)> {
        let configured = match &lines.addressing {
            Addressing::Static(address) => {
                Some((IpAddr::from(address.address), address.network.length()))
            }
            Addressing::None | Addressing::Unnumbered(_) => None,
        };
        if name.kind() == InterfaceKind::GigabitEthernet {
            // The device is Linux's, and so are its addresses.
            let device = devices.get(lines.device_at_work()?.value.as_str())?;
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
        let device = device_of(name, lines).filter(|device| devices.contains_key(device));
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
        let tunnels = name.kind() == InterfaceKind::VirtualTemplate;
        facts.push(InterfaceFacts {
            name: name.to_string(),
            description: lines.description.clone(),
            address: address.map(|(address, _)| address.to_string()),
            prefix_length: address.map(|(_, length)| length),
            unnumbered,
            method,
            status,
            protocol,
            mtu: match known {
                Some(known) => Some(known.mtu),
                None => lines.ip_mtu.filter(|_| tunnels).map(u32::from),
            },
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
        }
    }));
    facts
}
