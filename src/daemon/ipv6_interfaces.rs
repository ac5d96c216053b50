//! What the interfaces of the configuration and of the sessions have of IPv6 at this moment.

use std::net::IpAddr;

use ironflex_profiles::model::interface::{InterfaceKind, InterfaceName};

use super::{driver::Driver, interfaces};
use crate::{cli::show::Ipv6InterfaceFacts, state::State};

/// All of them, in the order of `show ip interface brief`.
pub(super) fn facts(driver: &mut Driver, state: &State) -> Vec<Ipv6InterfaceFacts> {
    let all = interfaces::facts(driver, state);
    let house = &mut driver.house;
    let devices = house.network.devices().unwrap_or_default();
    let lines = &house.configured.interfaces;
    all.into_iter()
        .map(|one| {
            let name = InterfaceName::parse(&one.name).ok();
            let entry = name.as_ref().and_then(|name| lines.get_key_value(name));
            let device = one.device.as_ref().and_then(|device| devices.get(device));
            let mut addresses = Vec::new();
            let mut unnumbered = None;
            match entry {
                // The device is Linux's, and so are its addresses.
                Some((name, _)) if name.kind() == InterfaceKind::GigabitEthernet => {
                    let of_linux = device.into_iter().flat_map(|device| &device.addresses);
                    let ipv6 = of_linux.filter_map(|(address, _)| match address {
                        IpAddr::V6(address) => Some(address.to_string()),
                        IpAddr::V4(_) => None,
                    });
                    addresses.extend(ipv6);
                }
                Some((_, entry)) => {
                    let ipv6 = &entry.value.ipv6;
                    addresses.extend(
                        ipv6.addresses
                            .iter()
                            .map(|one| one.value.address.to_string()),
                    );
                    let other = ipv6.unnumbered.as_ref();
                    unnumbered = other.map(|other| other.value.to_string());
                }
                None => {}
            }
            Ipv6InterfaceFacts {
                name: one.name,
                status: one.status,
                protocol: one.protocol,
                addresses,
                unnumbered,
            }
        })
        .collect()
}
