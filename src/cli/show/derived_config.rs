//! `show derived-config interface virtual-access N`, `show interfaces virtual-access N configuration`.

use std::{
    fmt::{self, Write},
    net::IpAddr,
};

use super::{Address, text};
use crate::{
    cli::exec::{NamedInterface, absent},
    state::{DerivedInterface, IkeSa, Session, State},
};

/// What a router counts beyond the text that it prints, in octets.
pub(super) const UNCOUNTED: usize = 2;

/// What a session's interface has taken from its template and its policy, as configuration lines.
///
/// # Errors
///
/// The text for whoever asks, if no session has this interface.
pub fn derived_config(state: &State, virtual_access: u32) -> Result<String, String> {
    under("Building configuration...\n", state, virtual_access)
}

/// The same under the heading of `show interfaces virtual-access N configuration`.
///
/// # Errors
///
/// As [`derived_config`].
pub(super) fn interface_configuration(
    state: &State,
    virtual_access: u32,
) -> Result<String, String> {
    let heading = format!("Virtual-Access{virtual_access} is in use, but purpose is unknown");
    under(&heading, state, virtual_access)
}

fn under(heading: &str, state: &State, virtual_access: u32) -> Result<String, String> {
    let (sa, session) = derived_session(state, virtual_access)?;
    let mode = tunnel_mode(session.derived.tunnel_source, &sa.assigned);
    let lines = text(|out| interface(out, virtual_access, &session.derived, mode));
    Ok(text(|out| {
        writeln!(out, "{heading}")?;
        writeln!(
            out,
            "Derived configuration : {} bytes",
            lines.len().saturating_add(UNCOUNTED)
        )?;
        writeln!(out, "{lines}")?;
        writeln!(out)
    }))
}

/// The session that has this interface.
///
/// # Errors
///
/// The text for whoever asks, if there is none.
pub(super) fn derived_session(
    state: &State,
    virtual_access: u32,
) -> Result<(&IkeSa, &Session), String> {
    let sessions = state.ike_sas.iter();
    let mut sessions = sessions.filter_map(|sa| Some((sa, sa.session.as_ref()?)));
    let found = sessions.find(|(_, one)| one.virtual_access == virtual_access);
    found.ok_or_else(|| absent(&NamedInterface::VirtualAccess(virtual_access), ""))
}

/// What the tunnel carries, and in what, whatever the template says: the client's address outside decides on the one, its
/// addresses inside on the other.
fn tunnel_mode(outer: IpAddr, inner: &[IpAddr]) -> &'static str {
    let ipv4 = inner.iter().any(IpAddr::is_ipv4);
    let ipv6 = inner.iter().any(IpAddr::is_ipv6);
    match (outer.to_canonical(), ipv4, ipv6) {
        (_, true, true) => "dual-overlay",
        (IpAddr::V4(_), false, true) => "ipv4 v6-overlay",
        (IpAddr::V4(_), _, false) => "ipv4",
        (IpAddr::V6(_), true, false) => "ipv6 v4-overlay",
        (IpAddr::V6(_), false, _) => "ipv6",
    }
}

/// From the exclamation mark to `end`, without its line feed.
fn interface(
    out: &mut impl Write,
    number: u32,
    derived: &DerivedInterface,
    mode: &str,
) -> fmt::Result {
    writeln!(out, "!")?;
    writeln!(out, "interface Virtual-Access{number}")?;
    match &derived.unnumbered {
        Some(interface) => writeln!(out, " ip unnumbered {interface}")?,
        None => writeln!(out, " no ip address")?,
    }
    if let Some(mtu) = derived.mtu {
        writeln!(out, " ip mtu {mtu}")?;
    }
    if derived.nat_inside {
        writeln!(out, " ip nat inside")?;
    }
    if let Some(size) = derived.tcp_adjust_mss {
        writeln!(out, " ip tcp adjust-mss {size}")?;
    }
    if let Some(interface) = &derived.ipv6.unnumbered {
        writeln!(out, " ipv6 unnumbered {interface}")?;
    }
    if derived.ipv6.enable {
        writeln!(out, " ipv6 enable")?;
    }
    writeln!(out, " tunnel source {}", Address(derived.tunnel_source))?;
    writeln!(out, " tunnel mode ipsec {mode}")?;
    writeln!(
        out,
        " tunnel destination {}",
        Address(derived.tunnel_destination)
    )?;
    writeln!(
        out,
        " tunnel protection ipsec profile {}",
        derived.ipsec_profile
    )?;
    writeln!(out, " no tunnel protection ipsec initiate")?;
    write!(out, "end")
}
