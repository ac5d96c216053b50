//! `show interfaces virtual-access N`.

use std::fmt::Write as _;

use super::{Address, Elapsed, derived_session, text};
use crate::state::{Flow, State};

/// A session's interface with what went through it. Rates, queues and the like of a router are not kept here, and their lines
/// are left out.
///
/// # Errors
///
/// The text for whoever asks, if no session has this interface.
pub(super) fn interface(state: &State, virtual_access: u32) -> Result<String, String> {
    let (_, session) = derived_session(state, virtual_access)?;
    let derived = &session.derived;
    let sum = |flow: fn(&crate::state::ChildSa) -> &Flow| {
        let flows = session.children.iter().map(flow);
        flows.fold((0_u64, 0_u64, 0_u64), |all, one| {
            (
                all.0.saturating_add(one.packets),
                all.1.saturating_add(one.bytes),
                all.2.saturating_add(one.drops),
            )
        })
    };
    let (received, sent) = (sum(|child| &child.inbound), sum(|child| &child.outbound));
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
            received.0, received.1
        )?;
        writeln!(out, "     {} input errors", received.2)?;
        writeln!(
            out,
            "     {} packets output, {} bytes, 0 underruns",
            sent.0, sent.1
        )?;
        writeln!(out, "     {} output errors", sent.2)
    }))
}
