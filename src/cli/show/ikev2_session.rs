//! `show crypto ikev2 session [detailed]`.

use std::{
    fmt::{self, Write},
    net::IpAddr,
};

use super::{
    Address,
    crypto_session::{children, status},
    ikev2_sa::{entry, is_ipv6},
    integrity, text,
};
use crate::state::{ChildSa, IkeSa, State};

/// The IKE SAs with their child SAs, IPv4 first; nothing at all where there are none.
#[must_use]
pub fn ikev2_session(state: &State, detailed: bool) -> String {
    if state.ike_sas.is_empty() {
        return String::new();
    }
    text(|out| {
        for (family, ipv6) in [("IPv4", false), ("IPv6", true)] {
            writeln!(out, " {family} Crypto IKEv2 Session ")?;
            writeln!(out)?;
            let sas = state.ike_sas.iter();
            for sa in sas.filter(|sa| is_ipv6(&sa.remote) == ipv6) {
                session(out, sa, detailed)?;
                writeln!(out)?;
            }
        }
        Ok(())
    })
}

fn session(out: &mut impl Write, sa: &IkeSa, detailed: bool) -> fmt::Result {
    let children = children(sa);
    writeln!(
        out,
        "Session-id:{}, Status:{}, IKE count:1, CHILD count:{}",
        sa.session_id,
        status(sa),
        children.len()
    )?;
    writeln!(out)?;
    entry(out, sa, detailed)?;
    children
        .iter()
        .try_for_each(|one| child(out, one, detailed))
}

fn child(out: &mut impl Write, child: &ChildSa, detailed: bool) -> fmt::Result {
    // A router has one of each; further ones stand below.
    let mut title = "Child sa:";
    for (side, ranges) in [
        ("local selector  ", &child.local),
        ("remote selector ", &child.remote),
    ] {
        for range in ranges {
            writeln!(out, "{title:<9} {side}{}", Selector(*range))?;
            title = "";
        }
    }
    writeln!(
        out,
        "          ESP spi in/out: 0x{:X}/0x{:X}  ",
        child.inbound_spi, child.outbound_spi
    )?;
    if !detailed {
        return Ok(());
    }
    writeln!(out, "          AH spi in/out: 0x0/0x0  ")?;
    writeln!(out, "          CPI in/out: 0x0/0x0  ")?;
    let (name, bits) = child.cipher.parts();
    writeln!(
        out,
        "          Encr: {name}, keysize: {bits}, esp_hmac: {}",
        integrity(child.integrity)
    )?;
    writeln!(
        out,
        "          ah_hmac: None, comp: IPCOMP_NONE, mode tunnel"
    )
}

/// Displays a range of addresses with every port.
struct Selector((IpAddr, IpAddr));

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.0;
        write!(f, "{}/0 - {}/65535", Address(first), Address(last))
    }
}
