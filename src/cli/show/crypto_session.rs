//! `show crypto session [detail]`, `show crypto session brief` and `show crypto session summary`.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::{Address, Elapsed, End, text};
use crate::{
    cli::Printable,
    state::{ChildSa, Flow, Fragmentation, IkeSa, IkeStatus, Nat, State},
};

/// The status of a session that carries traffic.
const ACTIVE: &str = "UP-ACTIVE";

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
    /// `active`: up, and with a child SA
    Active,
    /// `interface virtual-access N`
    Interface(u32),
    /// `local A`
    Local(IpAddr),
    /// `remote A`
    Remote(IpAddr),
    /// `username U`, in any case
    Username(String),
}

impl SessionQuery {
    pub(super) fn wants(&self, sa: &IkeSa) -> bool {
        match &self.filter {
            None => true,
            Some(SessionFilter::Active) => status(sa) == ACTIVE,
            Some(SessionFilter::Interface(number)) => sa
                .session
                .as_ref()
                .is_some_and(|session| session.virtual_access == *number),
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

/// `show crypto session brief`: a line for each. A router's columns are not on record; the headings are.
#[must_use]
pub fn crypto_session_brief(state: &State) -> String {
    text(|out| {
        writeln!(
            out,
            "Status: A- Active, U - Up, D - Down, I - Idle, S - Standby, N - Negotiating "
        )?;
        writeln!(out, "        K - No IKE")?;
        writeln!(out, "ivrf = (none) ")?;
        writeln!(
            out,
            "{:>15} {:<9} {:<20} {:<24} {:<9} Status",
            "Peer", "I/F", "Username", "Group/Phase1_id", "Uptime"
        )?;
        for sa in &state.ike_sas {
            let session = sa.session.as_ref();
            let interface = session.map_or_else(
                || sa.interface.as_deref().map(short).unwrap_or_default(),
                |session| format!("Vi{}", session.virtual_access),
            );
            let uptime = session.map_or_else(String::new, |one| Elapsed(one.uptime).to_string());
            let letters = match (sa.status, children(sa)) {
                (IkeStatus::Ready, [_, ..]) => "UA",
                (IkeStatus::Ready, []) => "UI",
                (IkeStatus::InNegotiation, _) => "DN",
                (IkeStatus::Delete, _) => "D",
            };
            let user = Printable(sa.remote_eap_id.as_deref().unwrap_or_default()).to_string();
            let identity = Printable(sa.remote_id.as_deref().unwrap_or_default()).to_string();
            let peer = Address(sa.remote.ip()).to_string();
            writeln!(
                out,
                "{peer:>15} {interface:<9} {user:<20} {identity:<24} {uptime:<9} {letters}"
            )?;
        }
        Ok(())
    })
}

/// An interface by the first two letters of its kind and its number.
fn short(interface: &str) -> String {
    let (kind, number) = interface.split_at(
        interface
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(interface.len()),
    );
    format!("{kind:.2}{number}")
}

/// How many sessions each user of each group has. A group is an IKEv2 profile here.
fn groups(state: &State) -> BTreeMap<&str, BTreeMap<&str, u32>> {
    let mut groups: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
    let up = state.ike_sas.iter().filter(|sa| sa.session.is_some());
    for sa in up {
        let user = sa.remote_eap_id.as_deref().or(sa.remote_id.as_deref());
        let users = groups.entry(sa.profile.as_deref().unwrap_or("(none)"));
        let users = users.or_default();
        let logins = users.entry(user.unwrap_or("(none)")).or_default();
        *logins = logins.saturating_add(1);
    }
    groups
}

fn group(out: &mut impl Write, name: &str, users: &BTreeMap<&str, u32>) -> fmt::Result {
    let logins = users.values();
    let connections = logins.fold(0, |all, one| u32::saturating_add(all, *one));
    writeln!(out, "Group {name} has {connections} connections")
}

/// `show crypto session groups`: how many sessions each group has.
#[must_use]
pub fn crypto_session_groups(state: &State) -> String {
    text(|out| {
        let groups = groups(state);
        let mut groups = groups.iter();
        groups.try_for_each(|(name, users)| group(out, name, users))
    })
}

/// `show crypto session summary`: the same with their users.
#[must_use]
pub fn crypto_session_summary(state: &State) -> String {
    text(|out| {
        for (name, users) in groups(state) {
            group(out, name, &users)?;
            writeln!(out, "  User (Logins)")?;
            for (user, logins) in users {
                writeln!(out, "  {} ({logins})", Printable(user))?;
            }
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
    writeln!(out, "Session status: {:<14}", status(sa))?;
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
    let mut children = children(sa).iter();
    children.try_for_each(|child| flows(out, child, detail))
}

pub(super) fn children(sa: &IkeSa) -> &[ChildSa] {
    sa.session
        .as_ref()
        .map_or(&[], |session| session.children.as_slice())
}

pub(super) fn status(sa: &IkeSa) -> &'static str {
    match (sa.status, children(sa)) {
        (IkeStatus::Ready, [_, ..]) => ACTIVE,
        (IkeStatus::Ready, []) => "UP-IDLE",
        (IkeStatus::InNegotiation, _) => "DOWN-NEGOTIATING",
        (IkeStatus::Delete, _) => "DOWN",
    }
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
            flow(out, child, detail)?;
        }
    }
    Ok(())
}

/// What is below a flow. Flows of one child SA have their SAs, and what these have carried, in common.
fn flow(out: &mut impl Write, child: &ChildSa, detail: bool) -> fmt::Result {
    let sas = child.rekeying.len().saturating_add(1).saturating_mul(2);
    writeln!(out, "        Active SAs: {sas}, origin: crypto map")?;
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
pub(super) const fn is_network(first: u128, wildcard: u128) -> bool {
    wildcard & wildcard.wrapping_add(1) == 0 && first & wildcard == 0
}
