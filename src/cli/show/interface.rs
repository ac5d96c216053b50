//! `show interfaces virtual-access N`.

use std::fmt::Write as _;

use super::{Address, Elapsed, InterfaceCounters, derived_session, text};
use crate::state::State;

/// A session's interface with what went through it. Rates, queues and the like of a router are not kept here, and their lines
/// are left out.
///
/// # Errors
///
/// The text for whoever asks, if no session has this interface.
pub(super) fn interface(state: &State, virtual_access: u32) -> Result<String, String> {
    let (_, session) = derived_session(state, virtual_access)?;
    let derived = &session.derived;
    let counted = InterfaceCounters::of_session(session);
    Ok(text(|out| {
        let protocol = if session.children.is_empty() {
            "down"
        } else {
            "up"
        };
        writeln!(
            out,
            "Virtual-Access{virtual_access} is up, line protocol is {protocol}"
        )?;
        writeln!(out, "  Hardware is Virtual Access interface")?;
        if let Some(used) = &derived.unnumbered {
            writeln!(out, "  Interface is unnumbered. Using address of {used}")?;
        }
        if let Some(mtu) = derived.mtu {
            writeln!(out, "  MTU {mtu} bytes")?;
        }
        writeln!(out, "  Encapsulation TUNNEL")?;
        writeln!(out, "  Tunnel vaccess")?;
        writeln!(
            out,
            "  Tunnel source {}, destination {}",
            Address(derived.tunnel_source),
            Address(derived.tunnel_destination)
        )?;
        writeln!(out, "  Tunnel protocol/transport IPSEC/IP")?;
        writeln!(
            out,
            "  Tunnel protection via IPSec (profile \"{}\")",
            derived.ipsec_profile
        )?;
        match state.counters_cleared.get(&virtual_access).copied() {
            Some(ago) => writeln!(
                out,
                "  Last clearing of \"show interface\" counters {}",
                Elapsed(ago)
            )?,
            None => writeln!(out, "  Last clearing of \"show interface\" counters never")?,
        }
        writeln!(
            out,
            "     {} packets input, {} bytes, 0 no buffer",
            counted.packets_input, counted.bytes_input
        )?;
        writeln!(out, "     {} input errors", counted.input_errors)?;
        writeln!(
            out,
            "     {} packets output, {} bytes, 0 underruns",
            counted.packets_output, counted.bytes_output
        )?;
        writeln!(out, "     {} output errors", counted.output_errors)
    }))
}
