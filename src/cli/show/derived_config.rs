//! `show derived-config interface virtual-access N`.

use std::fmt::{self, Write};

use super::{Address, text};
use crate::state::{DerivedInterface, State};

/// What a router counts beyond the text that it prints, in octets.
const UNCOUNTED: usize = 2;

/// What a session's interface has taken from its template and its policy, as configuration lines.
///
/// # Errors
///
/// The text for whoever asks, if no session has this interface.
pub fn derived_config(state: &State, virtual_access: u32) -> Result<String, String> {
    let mut sessions = state.ike_sas.iter().filter_map(|sa| sa.session.as_ref());
    let Some(session) = sessions.find(|session| session.virtual_access == virtual_access) else {
        return Err(format!("% Virtual-Access{virtual_access} does not exist"));
    };
    let lines = text(|out| interface(out, virtual_access, &session.derived));
    Ok(text(|out| {
        writeln!(out, "Building configuration...")?;
        writeln!(out)?;
        writeln!(
            out,
            "Derived configuration : {} bytes",
            lines.len().saturating_add(UNCOUNTED)
        )?;
        writeln!(out, "{lines}")?;
        writeln!(out)
    }))
}

/// From the exclamation mark to `end`, without its line feed.
fn interface(out: &mut impl Write, number: u32, derived: &DerivedInterface) -> fmt::Result {
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
    let family = if derived.tunnel_source.to_canonical().is_ipv4() {
        "ipv4"
    } else {
        "ipv6"
    };
    writeln!(out, " tunnel source {}", Address(derived.tunnel_source))?;
    writeln!(out, " tunnel mode ipsec {family}")?;
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
