//! `show crypto ikev2 sa [detailed]`.

use std::{
    fmt::{self, Write},
    net::{IpAddr, SocketAddr},
};

use serde::Serialize;

use super::{Address, End, hash, integrity, text};
use crate::{
    cli::Printable,
    state::{AuthMethod, Fragmentation, IkeSa, IkeStatus, Nat, State},
};

/// How many IKE SAs there are and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SaNumbers {
    /// Not authenticated yet.
    pub negotiating: u64,
    /// Sessions.
    pub sessions: u64,
    /// Authenticated.
    pub active: u64,
    /// All since the start.
    pub created: u64,
    /// Those of them that are over.
    pub deleted: u64,
    /// Those that are being ended.
    pub closing: u64,
}

/// `show crypto ikev2 sa count`
#[must_use]
pub(super) fn ikev2_sa_count(numbers: &SaNumbers) -> String {
    let rows = [
        (numbers.negotiating, "Negotiating SAs"),
        (numbers.sessions, "Session"),
        (numbers.active, "Active SAs"),
        (numbers.created, "Created SAs"),
        (numbers.deleted, "Deleted SAs"),
        (numbers.closing, "Marked for Deletion SAs"),
    ];
    rows.map(|(number, what)| format!("    {number} {what}\n"))
        .concat()
}

/// Which SAs are shown, and how much of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ikev2SaQuery {
    /// `detailed`
    pub detailed: bool,
    /// Only these.
    pub filter: Option<Ikev2SaFilter>,
}

/// Which end has to have an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ikev2SaFilter {
    /// `local A`
    Local(IpAddr),
    /// `remote A`
    Remote(IpAddr),
}

impl Ikev2SaQuery {
    pub(super) fn wants(&self, sa: &IkeSa) -> bool {
        match self.filter {
            None => true,
            Some(Ikev2SaFilter::Local(address)) => sa.local.ip().to_canonical() == address,
            Some(Ikev2SaFilter::Remote(address)) => sa.remote.ip().to_canonical() == address,
        }
    }
}

/// The IKE SAs, IPv4 first; nothing at all where there are none.
#[must_use]
pub fn ikev2_sa(state: &State, query: &Ikev2SaQuery) -> String {
    let wanted = || state.ike_sas.iter().filter(|sa| query.wants(sa));
    if wanted().next().is_none() {
        return String::new();
    }
    text(|out| {
        for (family, ipv6) in [("IPv4", false), ("IPv6", true)] {
            writeln!(out, " {family} Crypto IKEv2  SA ")?;
            writeln!(out)?;
            for sa in wanted().filter(|sa| is_ipv6(&sa.remote) == ipv6) {
                entry(out, sa, query.detailed)?;
                writeln!(out)?;
            }
        }
        Ok(())
    })
}

pub(super) const fn is_ipv6(end: &SocketAddr) -> bool {
    end.ip().to_canonical().is_ipv6()
}

/// One SA, its heading included: a router prints it again for each.
pub(super) fn entry(out: &mut impl Write, sa: &IkeSa, detailed: bool) -> fmt::Result {
    let status = match sa.status {
        IkeStatus::Ready => "READY",
        IkeStatus::InNegotiation => "IN-NEG",
        IkeStatus::Delete => "DELETE",
    };
    let (local, remote) = (End(&sa.local), End(&sa.remote));
    if is_ipv6(&sa.remote) {
        // Two addresses may be wider than a line.
        writeln!(out, "Tunnel-id    fvrf/ivrf              Status")?;
        writeln!(out, "{:<11}{:<22}{status}", sa.tunnel_id, "none/none")?;
        writeln!(out, "Local  {local}")?;
        writeln!(out, "Remote  {remote}")?;
    } else {
        writeln!(
            out,
            "Tunnel-id Local                 Remote                fvrf/ivrf            Status "
        )?;
        writeln!(
            out,
            "{:<10}{:<22}{:<22}{:<21}{status:<7}",
            sa.tunnel_id,
            local.to_string(),
            remote.to_string(),
            "none/none",
        )?;
    }
    let (name, bits) = sa.suite.cipher.parts();
    writeln!(
        out,
        "      Encr: {name}, keysize: {bits}, PRF: {}, Hash: {}, DH Grp:{}, Auth sign: {}, Auth verify: {}{}",
        hash(sa.suite.prf),
        integrity(sa.suite.integrity),
        sa.suite.group,
        method(Some(sa.auth_sign)),
        method(sa.auth_verify),
        if sa.ppk { ", QR" } else { "" },
    )?;
    if !sa.suite.pqc.is_empty() {
        writeln!(out, "      PQC Key Exchange: {}", sa.suite.pqc.join(" "))?;
    }
    writeln!(
        out,
        "      Life/Active Time: {}/{} sec",
        sa.lifetime,
        sa.active.as_secs()
    )?;
    if detailed {
        details(out, sa)?;
    }
    Ok(())
}

fn details(out: &mut impl Write, sa: &IkeSa) -> fmt::Result {
    let mut line = |line: fmt::Arguments<'_>| writeln!(out, "      {line}");
    line(format_args!(
        "CE id: {}, Session-id: {}",
        sa.ce_id, sa.session_id
    ))?;
    line(format_args!(
        "Status Description: {}",
        match sa.status {
            IkeStatus::Ready => "Negotiation done",
            // No text of a router's is on record for these two.
            IkeStatus::InNegotiation => "Negotiation in progress",
            IkeStatus::Delete => "Deleting",
        }
    ))?;
    line(format_args!(
        "Local spi: {:016X}       Remote spi: {:016X}",
        sa.local_spi, sa.remote_spi
    ))?;
    line(format_args!("Local id: {}", known(sa.local_id.as_deref())))?;
    line(format_args!(
        "Remote id: {}",
        known(sa.remote_id.as_deref())
    ))?;
    if let Some(user) = &sa.remote_eap_id {
        line(format_args!("Remote EAP id: {}", Printable(user)))?;
    }
    let messages = &sa.messages;
    for (what, local, remote) in [
        (
            "req msg id:",
            messages.local_request,
            messages.remote_request,
        ),
        ("next msg id:", messages.local_next, messages.remote_next),
        ("req queued:", messages.local_queued, messages.remote_queued),
        ("window:", messages.local_window, messages.remote_window),
    ] {
        line(format_args!(
            "Local {what:<12} {local:<15}Remote {what:<12} {remote:<10}"
        ))?;
    }
    line(format_args!(
        "DPD configured for {} seconds, retry {}",
        sa.dpd.0, sa.dpd.1
    ))?;
    line(format_args!(
        "{}",
        match sa.fragmentation {
            Fragmentation::NotConfigured => "Fragmentation not  configured.",
            Fragmentation::Configured => "IETF Std Fragmentation  configured.",
            Fragmentation::Enabled { .. } => "IETF Std Fragmentation  enabled.",
        }
    ))?;
    if sa.ppk {
        line(format_args!("Quantum-safe Encryption using Manual PPK"))?;
    }
    if !sa.suite.pqc.is_empty() {
        let methods = sa.suite.pqc.join(" ");
        line(format_args!("Quantum-safe Encryption using PQC: {methods}"))?;
    }
    line(format_args!("Dynamic Route Update: disabled"))?;
    if let Fragmentation::Enabled { mtu } = sa.fragmentation {
        // What is left of the configured size without the headers of IP and UDP.
        let headers = if is_ipv6(&sa.remote) { 48 } else { 28 };
        line(format_args!(
            "IETF Std Fragmentation MTU in use: {} bytes.",
            mtu.saturating_sub(headers)
        ))?;
    }
    line(format_args!("Extended Authentication not configured."))?;
    line(format_args!(
        "NAT-T is {}",
        match sa.nat {
            Nat::None => "not detected  ",
            Nat::Outside => "detected  outside",
            Nat::Inside => "detected  inside",
        }
    ))?;
    line(format_args!("Cisco Trust Security SGT is disabled"))?;
    for assigned in &sa.assigned {
        line(format_args!("Assigned host addr: {}", Address(*assigned)))?;
    }
    line(format_args!(
        "Initiator of SA : {}",
        if sa.initiator { "Yes" } else { "No" }
    ))
}

/// Displays an identity that may not be known yet.
const fn known(identity: Option<&str>) -> Printable<'_> {
    Printable(match identity {
        Some(identity) => identity,
        None => "(none)",
    })
}

const fn method(method: Option<AuthMethod>) -> &'static str {
    match method {
        Some(method) => method.name(),
        None => "Unknown - 0",
    }
}
