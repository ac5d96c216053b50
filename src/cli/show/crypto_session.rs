//! `show crypto session [detail]`.

use std::{
    fmt::{self, Write},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::{Address, Elapsed, End, text};
use crate::{
    cli::Printable,
    state::{ChildSa, Flow, Fragmentation, IkeSa, IkeStatus, Nat, Session, State},
};

/// Which sessions are shown, and how much of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SessionQuery {
    /// `detail`
    pub detail: bool,
    /// Only these.
    pub filter: Option<SessionFilter>,
}

/// What a session has to have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SessionFilter {
    /// `local A`
    Local(IpAddr),
    /// `remote A`
    Remote(IpAddr),
    /// `username U`, in any case
    Username(String),
}

impl SessionQuery {
    fn wants(&self, sa: &IkeSa) -> bool {
        match &self.filter {
            None => true,
            Some(SessionFilter::Local(address)) => sa.local.ip().to_canonical() == *address,
            Some(SessionFilter::Remote(address)) => sa.remote.ip().to_canonical() == *address,
            Some(SessionFilter::Username(user)) => sa
                .remote_eap_id
                .as_ref()
                .is_some_and(|own| own.eq_ignore_ascii_case(user)),
        }
    }
}

/// The sessions, one per IKE SA; only the heading where there are none.
#[must_use]
pub fn crypto_session(state: &State, query: &SessionQuery) -> String {
    text(|out| {
        writeln!(out, "Crypto session current status")?;
        writeln!(out)?;
        if query.detail {
            // The first two lines are padded.
            writeln!(
                out,
                "Code: C - IKE Configuration mode, D - Dead Peer Detection     "
            )?;
            writeln!(
                out,
                "K - Keepalives, N - NAT-traversal, T - cTCP encapsulation     "
            )?;
            writeln!(
                out,
                "X - IKE Extended Authentication, F - IKE Fragmentation"
            )?;
            writeln!(out, "R - IKE Auto Reconnect, U - IKE Dynamic Route Update")?;
            writeln!(out, "S - SIP VPN")?;
            writeln!(out)?;
        }
        for sa in state.ike_sas.iter().filter(|sa| query.wants(sa)) {
            entry(out, sa, query.detail)?;
            writeln!(out)?;
        }
        Ok(())
    })
}

fn entry(out: &mut impl Write, sa: &IkeSa, detail: bool) -> fmt::Result {
    // Before the session is up it has no interface of its own: it is named by the one that its messages come to.
    match (&sa.session, &sa.interface) {
        (Some(session), _) => {
            writeln!(out, "Interface: Virtual-Access{}", session.virtual_access)?;
        }
        (None, Some(interface)) => writeln!(out, "Interface: {interface}")?,
        (None, None) => {}
    }
    if let Some(profile) = &sa.profile {
        writeln!(out, "Profile: {profile}")?;
    }
    if let (Some(session), true) = (&sa.session, detail) {
        writeln!(out, "Uptime: {}", Elapsed(session.uptime))?;
    }
    let child = sa
        .session
        .as_ref()
        .and_then(|session: &Session| session.child.as_ref());
    let status = match (sa.status, child) {
        (IkeStatus::Ready, Some(_)) => "UP-ACTIVE",
        (IkeStatus::Ready, None) => "UP-IDLE",
        (IkeStatus::InNegotiation, _) => "DOWN-NEGOTIATING",
        (IkeStatus::Delete, _) => "DOWN",
    };
    writeln!(out, "Session status: {status:<14}")?;
    let (remote, port) = (Address(sa.remote.ip()), sa.remote.port());
    if detail {
        writeln!(out, "Peer: {remote} port {port} fvrf: (none) ivrf: (none)")?;
        let identity = Printable(sa.remote_id.as_deref().unwrap_or("(none)"));
        writeln!(out, "      Phase1_id: {identity}")?;
        writeln!(out, "      Desc: (none)")?;
    } else {
        writeln!(out, "Peer: {remote} port {port} ")?;
    }
    writeln!(out, "  Session ID: {}  ", sa.session_id)?;
    ike(out, sa, detail)?;
    child.map_or(Ok(()), |child| flows(out, child, detail))
}

fn ike(out: &mut impl Write, sa: &IkeSa, detail: bool) -> fmt::Result {
    let ready = sa.status == IkeStatus::Ready;
    let activity = if ready { "Active" } else { "Inactive" };
    let (local, remote) = (End(&sa.local), End(&sa.remote));
    if sa.remote.ip().to_canonical().is_ipv6() {
        // Two addresses may be wider than a line.
        writeln!(out, "  IKEv2 SA: local {local}")?;
        writeln!(out, "          remote {remote} {activity} ")?;
    } else {
        writeln!(out, "  IKEv2 SA: local {local} remote {remote} {activity} ")?;
    }
    if !detail {
        return Ok(());
    }
    write!(
        out,
        "          Capabilities:{} connid:{} lifetime:",
        capabilities(sa),
        sa.tunnel_id
    )?;
    if ready {
        let lifetime = Duration::from_secs(sa.lifetime.into());
        writeln!(out, "{}", Elapsed(lifetime.saturating_sub(sa.active)))
    } else {
        writeln!(out, "0")
    }
}

/// Letters of the list that `detail` begins with, in the order of a router.
const fn capabilities(sa: &IkeSa) -> &'static str {
    let dpd = sa.dpd.0 != 0;
    let nat = !matches!(sa.nat, Nat::None);
    let fragmentation = matches!(sa.fragmentation, Fragmentation::Enabled { .. });
    match (dpd, nat, fragmentation) {
        (false, false, false) => "(none)",
        (false, false, true) => "F",
        (false, true, false) => "N",
        (false, true, true) => "NF",
        (true, false, false) => "D",
        (true, false, true) => "DF",
        (true, true, false) => "DN",
        (true, true, true) => "DNF",
    }
}

fn flows(out: &mut impl Write, child: &ChildSa, detail: bool) -> fmt::Result {
    for local in &child.local {
        let family = if local.0.is_ipv4() { "ip" } else { "ipv6" };
        for remote in child
            .remote
            .iter()
            .filter(|remote| remote.0.is_ipv4() == local.0.is_ipv4())
        {
            let (local, remote) = (Selector(*local), Selector(*remote));
            writeln!(out, "  IPSEC FLOW: permit {family} {local} {remote} ")?;
        }
    }
    writeln!(out, "        Active SAs: 2, origin: crypto map")?;
    if detail {
        writeln!(
            out,
            "        Inbound:  #pkts dec'ed {}",
            Life(&child.inbound)
        )?;
        writeln!(
            out,
            "        Outbound: #pkts enc'ed {}",
            Life(&child.outbound)
        )?;
    }
    Ok(())
}

/// Displays what a direction has carried and what it may still carry.
struct Life<'a>(&'a Flow);

impl fmt::Display for Life<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flow {
            packets,
            drops,
            kilobytes_left,
            seconds_left,
            ..
        } = self.0;
        write!(f, "{packets} drop {drops} life (KB/Sec) ")?;
        match kilobytes_left {
            Some(kilobytes) => write!(f, "{kilobytes}/{seconds_left}"),
            None => write!(f, "KB Vol Rekey Disabled/{seconds_left}"),
        }
    }
}

/// Displays a range of addresses: one as a host, a network with its mask, and what is neither by its ends.
struct Selector((IpAddr, IpAddr));

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.0;
        if first == last {
            return write!(f, "host {}", Address(first));
        }
        match (first, last) {
            (IpAddr::V4(low), IpAddr::V4(high)) => {
                let wildcard = low.to_bits() ^ high.to_bits();
                if is_network(low.to_bits().into(), wildcard.into()) {
                    return write!(f, "{low}/{}", Ipv4Addr::from_bits(!wildcard));
                }
            }
            (IpAddr::V6(low), IpAddr::V6(high)) => {
                let wildcard = low.to_bits() ^ high.to_bits();
                if is_network(low.to_bits(), wildcard) {
                    return write!(f, "{}/{}", Address(first), wildcard.leading_zeros());
                }
            }
            _ => {}
        }
        write!(f, "{}-{}", Address(first), Address(last))
    }
}

/// Whether addresses that differ in the bits of `wildcard` are all those of one network from `first`.
const fn is_network(first: u128, wildcard: u128) -> bool {
    wildcard & wildcard.wrapping_add(1) == 0 && first & wildcard == 0
}
