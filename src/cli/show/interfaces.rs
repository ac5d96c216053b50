//! `show ip interface [brief]`, `show interfaces [description]` and `show running-config interface NAME`.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use ironflex_profiles::model::interface::InterfaceName;
use serde::Serialize;

use super::{Elapsed, derived_config::UNCOUNTED, interface::interface, text};
use crate::{
    cli::exec::{NamedInterface, absent},
    state::{ChildSa, Flow, Session, State},
};

/// An interface, as the configuration and the machine have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterfaceFacts {
    /// Its name.
    pub name: String,
    /// `description`
    pub description: Option<String>,
    /// Its IPv4 address, or the one that it borrows.
    pub address: Option<String>,
    /// The length of the prefix of that address's network.
    pub prefix_length: Option<u8>,
    /// The interface whose address it borrows.
    pub unnumbered: Option<String>,
    /// Where that comes from: `NVRAM`, which is a line of its own, `other`, which is Linux, or `unset`.
    pub method: &'static str,
    /// `up`, `down` or `administratively down`
    pub status: &'static str,
    /// `up` or `down`: whether packets go through it.
    pub protocol: &'static str,
    /// The device of Linux that it is or stands for, if there is one.
    pub device: Option<String>,
    /// The largest packet that it sends, in octets, if that is known.
    pub mtu: Option<u32>,
    /// The side of address translation that it is on, `inside` or `outside`.
    pub nat: Option<&'static str>,
    /// The number of a session's interface.
    pub virtual_access: Option<u32>,
    /// What has gone through its device since `clear counters`, or since there is the device. A session's are its SAs': packets that
    /// they have dropped are errors.
    pub counters: Option<InterfaceCounters>,
    /// How long ago that was, in seconds.
    pub cleared_seconds_ago: Option<u64>,
}

/// What has gone through an interface's device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InterfaceCounters {
    /// Packets received.
    pub packets_input: u64,
    /// Their octets.
    pub bytes_input: u64,
    /// Received packets with errors.
    pub input_errors: u64,
    /// Received packets that nobody took.
    pub input_drops: u64,
    /// Packets sent.
    pub packets_output: u64,
    /// Their octets.
    pub bytes_output: u64,
    /// Packets that could not be sent.
    pub output_errors: u64,
    /// Packets that were let fall before they were sent.
    pub output_drops: u64,
}

impl InterfaceCounters {
    /// What has gone through a session's SAs. What they have dropped are errors.
    #[must_use]
    pub fn of_session(session: &Session) -> Self {
        let sum = |flow: fn(&ChildSa) -> &Flow, count: fn(&Flow) -> u64| {
            let counts = session.children.iter().map(|child| count(flow(child)));
            counts.fold(0, u64::saturating_add)
        };
        Self {
            packets_input: sum(|child| &child.inbound, |flow| flow.packets),
            bytes_input: sum(|child| &child.inbound, |flow| flow.bytes),
            input_errors: sum(|child| &child.inbound, |flow| flow.drops),
            input_drops: 0,
            packets_output: sum(|child| &child.outbound, |flow| flow.packets),
            bytes_output: sum(|child| &child.outbound, |flow| flow.bytes),
            output_errors: sum(|child| &child.outbound, |flow| flow.drops),
            output_drops: 0,
        }
    }
}

impl InterfaceFacts {
    /// What a router says first of an interface.
    fn standing(&self, out: &mut String) -> fmt::Result {
        let Self {
            name,
            status,
            protocol,
            ..
        } = self;
        writeln!(out, "{name} is {status}, line protocol is {protocol}")
    }

    /// Its address, or whose it uses.
    fn addressing(&self, out: &mut String) -> fmt::Result {
        match (&self.address, &self.unnumbered) {
            (None, None) => Ok(()),
            (None, Some(used)) => {
                writeln!(
                    out,
                    "  Interface is unnumbered. Using address of {used} (unassigned)"
                )
            }
            (Some(address), Some(used)) => {
                writeln!(
                    out,
                    "  Interface is unnumbered. Using address of {used} ({address})"
                )
            }
            (Some(address), None) => {
                write!(out, "  Internet address is {address}")?;
                match self.prefix_length {
                    Some(length) => writeln!(out, "/{length}"),
                    None => writeln!(out),
                }
            }
        }
    }

    /// What it is made of.
    fn hardware(&self, out: &mut String) -> fmt::Result {
        let router = match self.kind() {
            "Loopback" => Some("Loopback"),
            "Virtual-Template" => Some("Virtual Template interface"),
            _ => None,
        };
        match (router, &self.device) {
            (Some(router), Some(device)) => {
                writeln!(out, "  Hardware is {router}, device {device} of Linux")
            }
            (Some(router), None) => writeln!(out, "  Hardware is {router}"),
            (None, Some(device)) => writeln!(out, "  Hardware is device {device} of Linux"),
            (None, None) => Ok(()),
        }
    }

    /// What has gone through it. Rates, queues and the like of a router are not kept here.
    fn counted(&self, out: &mut String) -> fmt::Result {
        match self.cleared_seconds_ago.map(Duration::from_secs) {
            Some(ago) => writeln!(
                out,
                "  Last clearing of \"show interface\" counters {}",
                Elapsed(ago)
            )?,
            None => writeln!(out, "  Last clearing of \"show interface\" counters never")?,
        }
        let Some(counters) = self.counters else {
            return Ok(());
        };
        let InterfaceCounters {
            packets_input,
            bytes_input,
            input_errors,
            input_drops,
            packets_output,
            bytes_output,
            output_errors,
            output_drops,
        } = counters;
        writeln!(
            out,
            "  Total input drops: {input_drops}; Total output drops: {output_drops}"
        )?;
        writeln!(
            out,
            "     {packets_input} packets input, {bytes_input} bytes, 0 no buffer"
        )?;
        writeln!(out, "     {input_errors} input errors")?;
        writeln!(
            out,
            "     {packets_output} packets output, {bytes_output} bytes, 0 underruns"
        )?;
        writeln!(out, "     {output_errors} output errors")
    }

    /// The name without its number.
    fn kind(&self) -> &str {
        let digits = self.name.find(|one: char| one.is_ascii_digit());
        let kind = digits.and_then(|digits| self.name.get(..digits));
        kind.unwrap_or(&self.name)
    }

    /// The name as a router shortens it: two letters and the number.
    fn short_name(&self) -> String {
        let kind = self.kind();
        let number = self.name.get(kind.len()..).unwrap_or_default();
        // `Vt` and `Vi` would be one otherwise.
        let short = match kind {
            "Virtual-Template" => "Vt",
            "Virtual-Access" => "Vi",
            other => other.get(..2).unwrap_or(other),
        };
        format!("{short}{number}")
    }
}

/// `show interfaces description`
#[must_use]
pub fn interfaces_description(all: &[InterfaceFacts]) -> String {
    let row = |out: &mut String, [name, status, protocol, description]: [&str; 4]| {
        writeln!(out, "{name:<30} {status:<14} {protocol:<8} {description}")
    };
    text(|out| {
        row(out, ["Interface", "Status", "Protocol", "Description"])?;
        for one in all {
            let status = match one.status {
                "administratively down" => "admin down",
                other => other,
            };
            let description = one.description.as_deref().unwrap_or_default();
            row(out, [&one.short_name(), status, one.protocol, description])?;
        }
        Ok(())
    })
}

/// `show ip interface`: of each what is known here of IPv4. What has no address has nothing to do with it.
#[must_use]
pub fn ip_interface(all: &[InterfaceFacts]) -> String {
    text(|out| {
        for one in all {
            one.standing(out)?;
            if one.address.is_none() && one.unnumbered.is_none() {
                writeln!(out, "  Internet protocol processing disabled")?;
                continue;
            }
            one.addressing(out)?;
            writeln!(out, "  Broadcast address is 255.255.255.255")?;
            match one.method {
                "NVRAM" => writeln!(out, "  Address determined by non-volatile memory")?,
                "other" => writeln!(out, "  Address determined by Linux")?,
                _ => {}
            }
            if let Some(mtu) = one.mtu {
                writeln!(out, "  MTU is {mtu} bytes")?;
            }
            // No line of such a kind is served.
            writeln!(out, "  Helper address is not set")?;
            writeln!(out, "  Outgoing access list is not set")?;
            writeln!(out, "  Inbound  access list is not set")?;
            match one.nat {
                Some(side) => writeln!(
                    out,
                    "  Network address translation is enabled, interface in domain {side}"
                )?,
                None => writeln!(out, "  Network address translation is disabled")?,
            }
        }
        Ok(())
    })
}

/// `show ip interface brief`
#[must_use]
pub fn ip_interface_brief(all: &[InterfaceFacts]) -> String {
    let row = |out: &mut String, [name, address, ok, method, status, protocol]: [&str; 6]| {
        writeln!(
            out,
            "{name:<22} {address:<15} {ok:<3} {method:<6} {status:<21} {protocol:<8}"
        )
    };
    text(|out| {
        let heading = [
            "Interface",
            "IP-Address",
            "OK?",
            "Method",
            "Status",
            "Protocol",
        ];
        row(out, heading)?;
        for one in all {
            let address = one.address.as_deref().unwrap_or("unassigned");
            let columns = [
                &one.name,
                address,
                "YES",
                one.method,
                one.status,
                one.protocol,
            ];
            row(out, columns)?;
        }
        Ok(())
    })
}

/// `show interfaces`: of each what is known here; those of sessions with what went through them.
#[must_use]
pub fn interfaces(all: &[InterfaceFacts], state: &State) -> String {
    text(|out| {
        for one in all {
            if let Some(number) = one.virtual_access {
                // It may have gone since.
                out.push_str(&interface(state, number).unwrap_or_default());
                continue;
            }
            one.standing(out)?;
            one.hardware(out)?;
            if let Some(description) = &one.description {
                writeln!(out, "  Description: {description}")?;
            }
            one.addressing(out)?;
            if let Some(mtu) = one.mtu {
                writeln!(out, "  MTU {mtu} bytes")?;
            }
            if one.kind() == "Loopback" {
                writeln!(out, "  Encapsulation LOOPBACK, loopback not set")?;
            }
            one.counted(out)?;
        }
        Ok(())
    })
}

/// The one of these that a line names.
///
/// # Errors
///
/// The text for whoever asks, if it is not there.
pub fn interface_named(
    all: Vec<InterfaceFacts>,
    named: &NamedInterface,
) -> Result<InterfaceFacts, String> {
    let name = named.to_string();
    let mut all = all.into_iter();
    let found = all.find(|one| match named {
        NamedInterface::Device(_) => one.device.as_ref() == Some(&name),
        NamedInterface::Configured(_) | NamedInterface::VirtualAccess(_) => one.name == name,
    });
    found.ok_or_else(|| absent(named, ""))
}

/// The lines of one interface in a running configuration, none where it has none.
#[must_use]
pub fn lines_of(configuration: &str, name: &InterfaceName) -> String {
    let begins = format!("interface {name}");
    let mut lines = configuration.lines().skip_while(|line| {
        let rest = line.strip_prefix(begins.as_str());
        !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    });
    let first = lines.next().into_iter();
    let block = first.chain(lines.take_while(|line| line.starts_with(' ')));
    block.map(|line| format!("{line}\n")).collect()
}

/// `show running-config interface NAME`
#[must_use]
pub fn running_config_interface(lines: &str) -> String {
    let block = format!("!\n{lines}end");
    format!(
        "Building configuration...\n\nCurrent configuration : {} bytes\n{block}\n\n",
        block.len().saturating_add(UNCOUNTED)
    )
}
