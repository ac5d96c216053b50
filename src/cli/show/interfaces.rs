//! `show ip interface brief`, `show interfaces` and `show running-config interface NAME`.

use std::fmt::Write as _;

use ironflex_profiles::model::interface::InterfaceName;
use serde::Serialize;

use super::{derived_config::UNCOUNTED, interface::interface, text};
use crate::state::State;

/// An interface, as the configuration and the machine have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterfaceFacts {
    /// Its name.
    pub name: String,
    /// Its IPv4 address, or the one that it borrows.
    pub address: Option<String>,
    /// Where that comes from: `NVRAM`, which is a line of its own, `other`, which is Linux, or `unset`.
    pub method: &'static str,
    /// `up`, `down` or `administratively down`
    pub status: &'static str,
    /// `up` or `down`: whether packets go through it.
    pub protocol: &'static str,
    /// The device of Linux that it is or stands for, if there is one.
    pub device: Option<String>,
    /// The largest packet of that device, in octets.
    pub mtu: Option<u32>,
    /// The number of a session's interface.
    pub virtual_access: Option<u32>,
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
            writeln!(
                out,
                "{} is {}, line protocol is {}",
                one.name, one.status, one.protocol
            )?;
            if let Some(device) = &one.device {
                writeln!(out, "  Hardware is device {device} of Linux")?;
            }
            if let Some(address) = &one.address {
                writeln!(out, "  Internet address is {address}")?;
            }
            if let Some(mtu) = one.mtu {
                writeln!(out, "  MTU {mtu} bytes")?;
            }
        }
        Ok(())
    })
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
