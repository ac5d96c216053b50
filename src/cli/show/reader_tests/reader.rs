//! Where the facts stand in the texts.

use std::collections::BTreeMap;

pub(super) type Read = BTreeMap<&'static str, String>;

/// A fact's name, and what stands before and behind it in its line.
pub(super) type Field = (&'static str, &'static str, &'static str);

/// What `show crypto ikev2 sa detailed` says beside the row of a table.
pub(super) const IKE: &[Field] = &[
    ("cipher", "Encr: ", ","),
    ("key", "keysize: ", ","),
    ("prf", "PRF: ", ","),
    ("hash", "Hash: ", ","),
    ("group", "DH Grp:", ","),
    ("sign", "Auth sign: ", ","),
    ("verify", "Auth verify: ", ""),
    ("life", "Life/Active Time: ", " sec"),
    ("ce", "CE id: ", ","),
    ("session", "Session-id: ", ""),
    ("state", "Status Description: ", ""),
    ("local spi", "Local spi: ", " "),
    ("remote spi", "Remote spi: ", ""),
    ("local id", "Local id: ", ""),
    ("remote id", "Remote id: ", ""),
    ("user", "Remote EAP id: ", ""),
    ("local request", "Local req msg id:  ", "Remote"),
    ("remote request", "Remote req msg id:  ", ""),
    ("local next", "Local next msg id: ", "Remote"),
    ("remote next", "Remote next msg id: ", ""),
    ("local queued", "Local req queued:  ", "Remote"),
    ("remote queued", "Remote req queued:  ", ""),
    ("local window", "Local window:      ", "Remote"),
    ("remote window", "Remote window:      ", ""),
    ("dpd", "DPD configured for ", " seconds"),
    ("retry", "seconds, retry ", ""),
    ("mtu", "Fragmentation MTU in use: ", " bytes"),
    ("fragmentation", "Fragmentation ", "."),
    ("nat", "NAT-T is ", ""),
    ("address", "Assigned host addr: ", ""),
    ("initiator", "Initiator of SA : ", ""),
    ("pqc", "PQC Key Exchange: ", ""),
    ("quantum", "Quantum-safe Encryption using PQC: ", ""),
];

/// What `show crypto session detail` says.
pub(super) const SESSION: &[Field] = &[
    ("interface", "Interface: ", ""),
    ("profile", "Profile: ", ""),
    ("uptime", "Uptime: ", ""),
    ("status", "Session status: ", ""),
    ("peer", "Peer: ", " port"),
    ("port", " port ", " "),
    ("identity", "Phase1_id: ", ""),
    ("session", "Session ID: ", ""),
    ("ike", "IKEv2 SA: local ", ""),
    ("capabilities", "Capabilities:", " "),
    ("connection", "connid:", " "),
    ("lifetime", " lifetime:", ""),
    ("flow", "IPSEC FLOW: permit ", ""),
    ("sas", "Active SAs: ", ","),
    ("received", "Inbound:  #pkts dec'ed ", ""),
    ("sent", "Outbound: #pkts enc'ed ", ""),
];

/// What `show crypto ipsec sa detail` says of both directions.
pub(super) const CHILD: &[Field] = &[
    ("interface", "interface: ", ""),
    ("map", "Crypto map tag: ", ","),
    ("local", "local addr ", ""),
    ("local ident", "local  ident (addr/mask/prot/port): ", ""),
    ("remote ident", "remote ident (addr/mask/prot/port): ", ""),
    ("peer", "current_peer ", " port"),
    ("port", " port ", ""),
    ("encaps", "#pkts encaps: ", ","),
    ("encrypt", "#pkts encrypt: ", ","),
    ("digest", "#pkts digest: ", ""),
    ("decaps", "#pkts decaps: ", ","),
    ("decrypt", "#pkts decrypt: ", ","),
    ("verify", "#pkts verify: ", ""),
    ("> no sa", "#pkts no sa (send) ", ","),
    ("< invalid sa", "#pkts invalid sa (rcv) ", ""),
    ("> encaps", "#pkts encaps failed (send) ", ","),
    ("< decaps", "#pkts decaps failed (rcv) ", ""),
    ("< protocol", "#pkts invalid prot (recv) ", ","),
    ("< verify", "#pkts verify failed: ", ""),
    ("< identity", "#pkts invalid identity (recv) ", ","),
    ("< length", "#pkts invalid len (rcv) ", ""),
    ("< replayed", "##pkts replay failed (rcv): ", ""),
    ("> internal", "#pkts internal err (send): ", ","),
    ("< internal", "#pkts internal err (recv) ", ""),
    ("local end", "local crypto endpt.: ", ","),
    ("remote end", "remote crypto endpt.: ", ""),
    ("plaintext", "plaintext mtu ", ","),
    ("path mtu", "path mtu ", ","),
    ("ip mtu", " ip mtu ", ","),
    ("device", "ip mtu idb ", ""),
    ("current", "current outbound spi: ", ""),
    ("pfs", "PFS (Y/N): ", ""),
];

/// And of each.
pub(super) const ESP: &[Field] = &[
    ("spi", "spi: ", ""),
    ("transform", "transform: ", " ,"),
    ("settings", "in use settings =", ""),
    ("connection", "conn id: ", ","),
    ("flow", "flow_id: ", ","),
    ("map", "crypto map: ", ","),
    ("life", "sa timing: remaining key lifetime ", ""),
    ("iv", "IV size: ", " bytes"),
    ("replay", "replay detection support: ", ""),
];

/// What stands between two texts of the first line that has both.
pub(super) fn between(text: &str, before: &str, behind: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(before)?;
        let value = match behind {
            "" => rest,
            behind => rest.split_once(behind)?.0,
        };
        Some(value.trim().to_owned())
    })
}

pub(super) fn read(text: &str, fields: &[Field]) -> Read {
    let found = fields
        .iter()
        .filter_map(|(name, before, behind)| Some((*name, between(text, before, behind)?)));
    found.collect()
}

/// A text without what is read of it, and without its columns.
pub(super) fn blotted(text: &str, fields: &[Field]) -> String {
    let lines = text.lines().map(|line| {
        let mut line = line.to_owned();
        for (name, before, behind) in fields {
            if let Some(value) = between(&line, before, behind)
                && let Some((front, rest)) = line.split_once(before)
            {
                line = format!("{front}{before}<{name}>{}", rest.replacen(&value, "", 1));
            }
        }
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}
