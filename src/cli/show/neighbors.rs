//! `show arp`, `show ip arp` and `show ipv6 neighbors`: the kernel's neighbours.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr};

use ironflex_xfrm::netlink::{Neighbour, NeighbourState};
use serde::Serialize;

use super::{Address, text};

/// A neighbour on a network that the machine is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeighborFacts {
    /// Its address.
    pub address: IpAddr,
    /// Minutes since it was last heard of; `null` for one that somebody has entered for good, and for the machine's own.
    pub age_minutes: Option<u64>,
    /// Its hardware address, as `aabb.cc00.0100`; `null` where it does not answer.
    pub hardware_address: Option<String>,
    /// `incomplete`, `reachable`, `stale`, `delay`, `probe`, `failed`, `permanent` or `own`
    pub state: &'static str,
    /// The interface that it is behind: the one that stands for the device, or the device.
    pub interface: String,
    /// The device of Linux.
    pub device: String,
}

impl NeighborFacts {
    /// Of the kernel's list, with the interfaces that stand for devices.
    #[must_use]
    pub fn of(all: Vec<Neighbour>, interfaces: &BTreeMap<String, String>) -> Vec<Self> {
        let facts = |one: Neighbour| Self {
            address: one.address,
            age_minutes: (!matches!(one.state, NeighbourState::Own | NeighbourState::Permanent))
                .then_some(one.age.as_secs() / 60),
            hardware_address: one.hardware.as_deref().map(grouped),
            state: match one.state {
                NeighbourState::Incomplete => "incomplete",
                NeighbourState::Reachable => "reachable",
                NeighbourState::Stale => "stale",
                NeighbourState::Delay => "delay",
                NeighbourState::Probe => "probe",
                NeighbourState::Failed => "failed",
                NeighbourState::Permanent => "permanent",
                NeighbourState::Own => "own",
            },
            interface: interfaces.get(&one.device).unwrap_or(&one.device).clone(),
            device: one.device,
        };
        let mut all: Vec<Self> = all.into_iter().map(facts).collect();
        all.sort_by(|one, other| (one.address, &one.device).cmp(&(other.address, &other.device)));
        all
    }

    fn age(&self) -> String {
        let minutes = self.age_minutes.map(|minutes| minutes.to_string());
        minutes.unwrap_or_else(|| "-".to_owned())
    }
}

/// A hardware address in groups of four digits.
fn grouped(octets: &[u8]) -> String {
    let groups = octets.chunks(2).map(|pair| {
        let digits = pair.iter().map(|octet| format!("{octet:02x}"));
        digits.collect::<String>()
    });
    groups.collect::<Vec<_>>().join(".")
}

/// `show arp`
#[must_use]
pub(super) fn arp(all: &[NeighborFacts]) -> String {
    text(|out| {
        writeln!(
            out,
            "Protocol  Address          Age (min)  Hardware Addr   Type   Interface"
        )?;
        for one in all {
            let hardware = one.hardware_address.as_deref().unwrap_or("Incomplete");
            writeln!(
                out,
                "Internet  {:<15}{:>10}   {hardware:<15} ARPA   {}",
                one.address.to_string(),
                one.age(),
                one.interface,
            )?;
        }
        Ok(())
    })
}

/// `show ipv6 neighbors`
#[must_use]
pub(super) fn ipv6_neighbors(all: &[NeighborFacts]) -> String {
    text(|out| {
        writeln!(
            out,
            "IPv6 Address                              Age Link-layer Addr State Interface"
        )?;
        for one in all {
            let state = match one.state {
                "reachable" | "permanent" => "REACH",
                "stale" => "STALE",
                "delay" => "DELAY",
                "probe" => "PROBE",
                _ => "INCMP",
            };
            writeln!(
                out,
                "{:<39} {:>5} {:<15} {state:<5} {}",
                Address(one.address),
                one.age(),
                one.hardware_address.as_deref().unwrap_or("-"),
                short(&one.interface),
            )?;
        }
        Ok(())
    })
}

/// An interface as a router shortens its name in narrow columns.
fn short(interface: &str) -> String {
    for (kind, short) in [("GigabitEthernet", "Gi"), ("Loopback", "Lo")] {
        if let Some(number) = interface.strip_prefix(kind) {
            return format!("{short}{number}");
        }
    }
    interface.to_owned()
}
