//! `show crypto ipsec sa [detail] [peer A | interface I]` and `show crypto ipsec sa count`.
//!
//! Where a router has an opaque number (`sibling_flags`) it is the one of its samples. An SA that is on its way out or in has
//! no `sa timing` line here: the dataplane counts for both together.

use std::{
    fmt::{self, Write},
    net::{IpAddr, Ipv4Addr},
};

use super::{
    Address,
    crypto_session::{children, is_network},
    text,
};
use crate::state::{ChildSa, Cipher, Flow, Hash, IkeSa, Session, State};

/// Which SAs are shown, and how much of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct IpsecSaQuery {
    /// `detail`
    pub detail: bool,
    /// Only these.
    pub filter: Option<IpsecSaFilter>,
}

/// What an SA has to have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IpsecSaFilter {
    /// `interface virtual-access N`
    Interface(u32),
    /// `peer A`
    Peer(IpAddr),
}

impl IpsecSaQuery {
    pub(super) fn wants(&self, sa: &IkeSa) -> bool {
        let number = sa.session.as_ref().map(|session| session.virtual_access);
        match self.filter {
            None => true,
            Some(IpsecSaFilter::Interface(wanted)) => number == Some(wanted),
            Some(IpsecSaFilter::Peer(address)) => sa.remote.ip().to_canonical() == address,
        }
    }
}

/// The child SAs by their interfaces.
#[must_use]
pub fn ipsec_sa(state: &State, query: &IpsecSaQuery) -> String {
    let wanted = || {
        let sas = state.ike_sas.iter().filter(|sa| query.wants(sa));
        sas.filter_map(|sa| Some((sa, sa.session.as_ref()?)))
            .filter(|(_, session)| !session.children.is_empty())
    };
    if wanted().next().is_none() {
        return "No IPSec SA found.\n".to_owned();
    }
    text(|out| wanted().try_for_each(|(sa, session)| interface(out, sa, session, query.detail)))
}

/// `show crypto ipsec sa count`
#[must_use]
pub fn ipsec_sa_count(state: &State) -> String {
    let (active, rekeying) = count(state);
    let total = active.saturating_add(rekeying);
    format!(
        "IPsec SA total: {total}, active: {active}, rekeying: {rekeying}, unused: 0, invalid: 0\n"
    )
}

/// How many SAs are sent or received on for good, and how many beside them while those are rekeyed.
pub(super) fn count(state: &State) -> (usize, usize) {
    let mut counted = (0_usize, 0_usize);
    for child in state.ike_sas.iter().flat_map(children) {
        let more = child.rekeying.len().saturating_mul(2);
        counted.0 = counted.0.saturating_add(2);
        counted.1 = counted.1.saturating_add(more);
    }
    counted
}

fn interface(out: &mut impl Write, sa: &IkeSa, session: &Session, detail: bool) -> fmt::Result {
    let number = session.virtual_access;
    let local = Address(sa.local.ip());
    writeln!(out)?;
    writeln!(out, "interface: Virtual-Access{number}")?;
    writeln!(
        out,
        "    Crypto map tag: Virtual-Access{number}-head-0, local addr {local}"
    )?;
    for child in &session.children {
        for (inner, outer) in idents(child) {
            one_flow(out, sa, (child, number), (inner, outer), detail)?;
        }
    }
    Ok(())
}

/// The flows of a child SA: each network here with each of its family there, as a router has one of each.
fn idents(child: &ChildSa) -> impl Iterator<Item = (Ident, Ident)> {
    child.local.iter().flat_map(|local| {
        let remote = child.remote.iter();
        let of_family = remote.filter(|remote| remote.0.is_ipv4() == local.0.is_ipv4());
        of_family.map(|remote| (Ident(*local), Ident(*remote)))
    })
}

/// A flow, with the SAs and the counters that all flows of a child SA have in common.
fn one_flow(
    out: &mut impl Write,
    sa: &IkeSa,
    (child, number): (&ChildSa, u32),
    (inside, outside): (Ident, Ident),
    detail: bool,
) -> fmt::Result {
    let (local, remote) = (Address(sa.local.ip()), Address(sa.remote.ip()));
    writeln!(out)?;
    writeln!(out, "   protected vrf: (none)")?;
    writeln!(out, "   local  ident (addr/mask/prot/port): ({inside})")?;
    writeln!(out, "   remote ident (addr/mask/prot/port): ({outside})")?;
    writeln!(out, "   current_peer {remote} port {}", sa.remote.port())?;
    writeln!(out, "     PERMIT, flags={{origin_is_acl,}}")?;
    counters(out, child, detail)?;
    writeln!(out)?;
    writeln!(
        out,
        "     local crypto endpt.: {local}, remote crypto endpt.: {remote}"
    )?;
    let plaintext = plaintext_mtu(sa.path_mtu, sa.remote.ip().to_canonical(), child);
    let mtu = sa.path_mtu;
    let device = sa.interface.as_deref().unwrap_or("(none)");
    writeln!(
        out,
        "     plaintext mtu {plaintext}, path mtu {mtu}, ip mtu {mtu}, ip mtu idb {device}"
    )?;
    writeln!(
        out,
        "     current outbound spi: {}",
        Spi(child.outbound_spi)
    )?;
    pfs(out, child)?;
    sas(out, child, number)
}

fn pfs(out: &mut impl Write, child: &ChildSa) -> fmt::Result {
    match child.pfs_group {
        None => write!(out, "     PFS (Y/N): N, DH group: none")?,
        Some(group) => write!(out, "     PFS (Y/N): Y, DH group: group{group}")?,
    }
    if !child.pfs_pqc.is_empty() {
        write!(out, ", PQC Key Exchange: {}", child.pfs_pqc.join(" "))?;
    }
    writeln!(out)
}

fn counters(out: &mut impl Write, child: &ChildSa, detail: bool) -> fmt::Result {
    let (sent, received) = (child.outbound.packets, child.inbound.packets);
    writeln!(
        out,
        "    #pkts encaps: {sent}, #pkts encrypt: {sent}, #pkts digest: {sent}"
    )?;
    writeln!(
        out,
        "    #pkts decaps: {received}, #pkts decrypt: {received}, #pkts verify: {received}"
    )?;
    writeln!(out, "    #pkts compressed: 0, #pkts decompressed: 0")?;
    writeln!(out, "    #pkts not compressed: 0, #pkts compr. failed: 0")?;
    writeln!(
        out,
        "    #pkts not decompressed: 0, #pkts decompress failed: 0"
    )?;
    if detail {
        return errors(out, child);
    }
    writeln!(
        out,
        "    #send errors {}, #recv errors {}",
        child.outbound.drops, child.inbound.drops
    )
}

/// What a router counts in rows of its own; what has no row here is an internal error there.
fn errors(out: &mut impl Write, child: &ChildSa) -> fmt::Result {
    let of = |flow: &Flow, reasons: &[&str]| {
        let counts = reasons
            .iter()
            .map(|reason| flow.drop_reasons.get(reason).copied().unwrap_or(0));
        counts.fold(0, u64::saturating_add)
    };
    let sent = |reasons: &[&str]| of(&child.outbound, reasons);
    let received = |reasons: &[&str]| of(&child.inbound, reasons);
    let no_sa = sent(&["no_route", "expired"]);
    let encaps = sent(&["sequence_exhausted", "bad_tun_packet"]);
    let invalid_sa = received(&["unknown_spi", "expired"]);
    let decaps = received(&["bad_padding", "bad_inner_packet", "congestion_mark"]);
    let protocol = received(&["bad_next_header", "dummy"]);
    let verify = received(&["bad_icv"]);
    let identity = received(&["selector_mismatch"]);
    let length = received(&["truncated", "misaligned"]);
    let replayed = received(&["replayed"]);
    let rest = |all: u64, told: &[u64]| {
        told.iter()
            .fold(all, |left, told| left.saturating_sub(*told))
    };
    let internal = (
        rest(child.outbound.drops, &[no_sa, encaps]),
        rest(
            child.inbound.drops,
            &[
                invalid_sa, decaps, protocol, verify, identity, length, replayed,
            ],
        ),
    );
    writeln!(
        out,
        "    #pkts no sa (send) {no_sa}, #pkts invalid sa (rcv) {invalid_sa}"
    )?;
    writeln!(
        out,
        "    #pkts encaps failed (send) {encaps}, #pkts decaps failed (rcv) {decaps}"
    )?;
    writeln!(
        out,
        "    #pkts invalid prot (recv) {protocol}, #pkts verify failed: {verify}"
    )?;
    writeln!(
        out,
        "    #pkts invalid identity (recv) {identity}, #pkts invalid len (rcv) {length}"
    )?;
    writeln!(
        out,
        "    #pkts replay rollover (send): 0, #pkts replay rollover (rcv) 0"
    )?;
    writeln!(out, "    ##pkts replay failed (rcv): {replayed}")?;
    writeln!(out, "    #pkts tagged (send): 0, #pkts untagged (rcv): 0")?;
    writeln!(
        out,
        "    #pkts not tagged (send): 0, #pkts not untagged (rcv): 0"
    )?;
    writeln!(
        out,
        "    #pkts internal err (send): {}, #pkts internal err (recv) {}",
        internal.0, internal.1
    )
}

fn sas(out: &mut impl Write, child: &ChildSa, number: u32) -> fmt::Result {
    let directions = [("inbound", &child.inbound), ("outbound", &child.outbound)];
    for (direction, flow) in directions {
        let inbound = direction == "inbound";
        writeln!(out)?;
        writeln!(out, "     {direction} esp sas:")?;
        let beside = child.rekeying.iter();
        let beside = beside.map(|pair| {
            let spi = if inbound {
                pair.inbound_spi
            } else {
                pair.outbound_spi
            };
            (spi, pair.sa_number, None)
        });
        let used = if inbound {
            child.inbound_spi
        } else {
            child.outbound_spi
        };
        let used = (used, child.sa_number, Some(flow));
        for (spi, sa_number, flow) in [used].into_iter().chain(beside) {
            // Each direction has a number of its own on a router.
            let flow_id = sa_number.saturating_mul(2).saturating_sub(inbound.into());
            esp(out, child, (spi, flow_id, number), flow)?;
        }
        for other in ["ah", "pcp"] {
            writeln!(out)?;
            writeln!(out, "     {direction} {other} sas:")?;
        }
    }
    Ok(())
}

fn esp(
    out: &mut impl Write,
    child: &ChildSa,
    (spi, flow_id, number): (u32, u32, u32),
    flow: Option<&Flow>,
) -> fmt::Result {
    writeln!(out, "      spi: {}", Spi(spi))?;
    writeln!(out, "        transform: {} ,", Transform(child))?;
    let encapsulation = if child.udp_encapsulated {
        " UDP-Encaps"
    } else {
        ""
    };
    let esn = if child.esn { "esn" } else { "" };
    writeln!(
        out,
        "        in use settings ={{Tunnel{encapsulation}, {esn}}}"
    )?;
    writeln!(
        out,
        "        conn id: {}, flow_id: SW:{flow_id}, sibling_flags FFFFFFFF80004048, crypto map: Virtual-Access{number}-head-0, initiator : False",
        flow_id.saturating_add(2000)
    )?;
    match flow.map(|flow| (flow.kilobytes_left, flow.seconds_left)) {
        Some((Some(kilobytes), seconds)) => writeln!(
            out,
            "        sa timing: remaining key lifetime (k/sec): ({kilobytes}/{seconds})"
        )?,
        Some((None, seconds)) => {
            writeln!(
                out,
                "        sa timing: remaining key lifetime (sec): {seconds}"
            )?;
            writeln!(out, "        Kilobyte Volume Rekey has been disabled")?;
        }
        None => {}
    }
    writeln!(out, "        IV size: {} bytes", overhead(child).iv)?;
    match child.replay_window {
        0 => writeln!(out, "        replay detection support: N")?,
        window => writeln!(
            out,
            "        replay detection support: Y  replay window size: {window}"
        )?,
    }
    writeln!(out, "        Status: ACTIVE(ACTIVE)")
}

/// What ESP adds to a packet, in octets.
struct Overhead {
    /// Ciphertext is a multiple of this.
    block: u16,
    iv: u16,
    icv: u16,
}

const fn overhead(child: &ChildSa) -> Overhead {
    let icv = match child.integrity {
        None | Some(Hash::Sha256) => 16,
        Some(Hash::Sha1) => 12,
        Some(Hash::Sha384) => 24,
        Some(Hash::Sha512) => 32,
    };
    let (block, iv) = match child.cipher {
        Cipher::AesCbc(_) => (16, 16),
        Cipher::AesGcm(_) => (4, 8),
    };
    Overhead { block, iv, icv }
}

/// The largest inner packet whose ESP packet the path carries whole: what is left of the headers, in whole blocks, without
/// the pad length and the next header.
fn plaintext_mtu(path: u16, peer: IpAddr, child: &ChildSa) -> u16 {
    const UDP: u16 = 8;
    const ESP: u16 = 8;
    const TRAILER: u16 = 2;
    let Overhead { block, iv, icv } = overhead(child);
    let ip = if peer.is_ipv6() { 40 } else { 20 };
    let udp = if child.udp_encapsulated { UDP } else { 0 };
    let headers = [ip, udp, ESP, iv, icv];
    let left = headers
        .into_iter()
        .fold(path, |left, header| left.saturating_sub(header));
    let blocks = left.checked_div(block).unwrap_or(0);
    blocks.saturating_mul(block).saturating_sub(TRAILER)
}

/// Displays the transforms by their names in a configuration.
struct Transform<'a>(&'a ChildSa);

impl fmt::Display for Transform<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.cipher {
            Cipher::AesCbc(128) => f.write_str("esp-aes")?,
            Cipher::AesCbc(bits) => write!(f, "esp-{bits}-aes")?,
            Cipher::AesGcm(128) => f.write_str("esp-gcm")?,
            Cipher::AesGcm(bits) => write!(f, "esp-gcm {bits}")?,
        }
        f.write_str(match self.0.integrity {
            None => "",
            Some(Hash::Sha1) => " esp-sha-hmac",
            Some(Hash::Sha256) => " esp-sha256-hmac",
            Some(Hash::Sha384) => " esp-sha384-hmac",
            Some(Hash::Sha512) => " esp-sha512-hmac",
        })
    }
}

/// Displays an SPI in both ways.
struct Spi(u32);

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{0:X}({0})", self.0)
    }
}

/// Displays a range of addresses as a router's identity: address, mask or length, any protocol and port. What is no network
/// stands by its ends.
#[derive(Clone, Copy)]
struct Ident((IpAddr, IpAddr));

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.0;
        match (first, last) {
            (IpAddr::V4(low), IpAddr::V4(high)) => {
                let wildcard = low.to_bits() ^ high.to_bits();
                if is_network(low.to_bits().into(), wildcard.into()) {
                    return write!(f, "{low}/{}/0/0", Ipv4Addr::from_bits(!wildcard));
                }
            }
            (IpAddr::V6(low), IpAddr::V6(high)) => {
                let wildcard = low.to_bits() ^ high.to_bits();
                if is_network(low.to_bits(), wildcard) {
                    return write!(f, "{}/{}/0/0", Address(first), wildcard.leading_zeros());
                }
            }
            _ => {}
        }
        write!(f, "{}-{}/0/0", Address(first), Address(last))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::state::Flow;

    fn child(cipher: Cipher, integrity: Option<Hash>, udp_encapsulated: bool) -> ChildSa {
        ChildSa {
            flow_id: 1,
            sa_number: 1,
            inbound_spi: 1,
            outbound_spi: 2,
            rekeying: Vec::new(),
            cipher,
            integrity,
            esn: false,
            pfs_group: None,
            pfs_pqc: Vec::new(),
            local: Vec::new(),
            remote: Vec::new(),
            udp_encapsulated,
            replay_window: 64,
            inbound: Flow::default(),
            outbound: Flow::default(),
        }
    }

    // The first four are figures of routers.
    #[test]
    fn the_plaintext_mtu_is_that_of_routers() {
        let four = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let cbc = Cipher::AesCbc(256);
        for (peer, path, cipher, integrity, udp, expected) in [
            (four, 1500, cbc, Some(Hash::Sha1), false, 1438),
            (four, 1500, cbc, Some(Hash::Sha256), false, 1438),
            (four, 1500, cbc, Some(Hash::Sha256), true, 1422),
            (four, 1500, Cipher::AesGcm(128), None, false, 1446),
            (four, 1500, cbc, Some(Hash::Sha512), false, 1422),
            (six, 1500, Cipher::AesGcm(256), None, true, 1418),
            (four, 40, cbc, Some(Hash::Sha512), true, 0),
        ] {
            let child = child(cipher, integrity, udp);
            assert_eq!(plaintext_mtu(path, peer, &child), expected);
        }
    }
}
