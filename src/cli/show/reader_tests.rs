//! A reader that knows the layouts of IOS-XE gets back from the texts every fact that went into them.

use std::collections::BTreeMap;

use super::{
    tests::{
        DETAIL, DETAILED, dual_stack_sa, gcm_sa, ipv6_sa, negotiating_sa, pools, seed_sa, state,
    },
    *,
};
use crate::state::{ChildSa, Fragmentation, IkeSa, IkeStatus, Nat};

type Read = BTreeMap<&'static str, String>;

/// What stands between two texts of the first line that has both.
fn between(text: &str, before: &str, behind: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(before)?;
        let value = match behind {
            "" => rest,
            behind => rest.split_once(behind)?.0,
        };
        Some(value.trim().to_owned())
    })
}

fn read(text: &str, fields: &[(&'static str, &str, &str)]) -> Read {
    let found = fields
        .iter()
        .filter_map(|(name, before, behind)| Some((*name, between(text, before, behind)?)));
    found.collect()
}

fn all() -> [IkeSa; 5] {
    [
        seed_sa(),
        gcm_sa(),
        ipv6_sa(),
        dual_stack_sa(),
        negotiating_sa(),
    ]
}

fn end(end: &SocketAddr) -> String {
    let address = end.ip().to_string().to_uppercase();
    format!("{address}/{}", end.port())
}

#[test]
fn a_reader_of_ike_sas_gets_every_fact_back() {
    for sa in all() {
        let text = ikev2_sa(&state(vec![sa.clone()]), &DETAILED);
        let row = text
            .lines()
            .skip_while(|line| !line.starts_with("Tunnel-id"))
            .nth(1)
            .unwrap();
        let columns: Vec<&str> = row.split_whitespace().collect();
        let mut got = read(
            &text,
            &[
                ("cipher", "Encr: ", ","),
                ("key", "keysize: ", ","),
                ("prf", "PRF: ", ","),
                ("hash", "Hash: ", ","),
                ("group", "DH Grp:", ","),
                ("sign", "Auth sign: ", ","),
                ("lifetime", "Life/Active Time: ", "/"),
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
                ("fragmentation", "Fragmentation ", "."),
                ("mtu", "Fragmentation MTU in use: ", " bytes"),
                ("nat", "NAT-T is ", ""),
                ("address", "Assigned host addr: ", ""),
                ("initiator", "Initiator of SA : ", ""),
                ("pqc", "PQC Key Exchange: ", ""),
            ],
        );
        got.insert("tunnel", columns[0].to_owned());
        got.insert("status", (*columns.last().unwrap()).to_owned());
        let verify = between(&text, "Auth verify: ", "").unwrap();
        let (verify, ppk) = match verify.strip_suffix(", QR") {
            Some(verify) => (verify.to_owned(), true),
            None => (verify, false),
        };
        got.insert("verify", verify);
        got.insert("ppk", ppk.to_string());
        let active = text.split_once("Active Time: ").unwrap().1;
        let active = active.split(['/', ' ']).nth(1).unwrap();
        got.insert("active", active.to_owned());
        let (local, remote) = if sa.remote.is_ipv6() {
            let of = |name| between(&text, name, "").unwrap();
            (of("Local  "), of("Remote  "))
        } else {
            (columns[1].to_owned(), columns[2].to_owned())
        };
        got.insert("local", local);
        got.insert("remote", remote);
        assert_eq!(got, facts_of_ike(&sa));
    }
}

fn facts_of_ike(sa: &IkeSa) -> Read {
    let (cipher, key) = sa.suite.cipher.parts();
    let messages = &sa.messages;
    let unknown = || "(none)".to_owned();
    let mut facts = Read::from([
        ("tunnel", sa.tunnel_id.to_string()),
        ("ce", sa.ce_id.to_string()),
        ("session", sa.session_id.to_string()),
        ("local", end(&sa.local)),
        ("remote", end(&sa.remote)),
        (
            "status",
            match sa.status {
                IkeStatus::Ready => "READY",
                IkeStatus::InNegotiation => "IN-NEG",
                IkeStatus::Delete => "DELETE",
            }
            .to_owned(),
        ),
        (
            "state",
            match sa.status {
                IkeStatus::Ready => "Negotiation done",
                IkeStatus::InNegotiation => "Negotiation in progress",
                IkeStatus::Delete => "Deleting",
            }
            .to_owned(),
        ),
        ("cipher", cipher.to_owned()),
        ("key", key.to_string()),
        ("prf", hash(sa.suite.prf).to_owned()),
        ("hash", integrity(sa.suite.integrity).to_owned()),
        ("group", sa.suite.group.to_string()),
        ("sign", sa.auth_sign.name().to_owned()),
        (
            "verify",
            sa.auth_verify
                .map_or("Unknown - 0", |one| one.name())
                .to_owned(),
        ),
        ("ppk", sa.ppk.to_string()),
        ("lifetime", sa.lifetime.to_string()),
        ("active", sa.active.as_secs().to_string()),
        ("local spi", format!("{:016X}", sa.local_spi)),
        ("remote spi", format!("{:016X}", sa.remote_spi)),
        ("local id", sa.local_id.clone().unwrap_or_else(unknown)),
        ("remote id", sa.remote_id.clone().unwrap_or_else(unknown)),
        ("local request", messages.local_request.to_string()),
        ("remote request", messages.remote_request.to_string()),
        ("local next", messages.local_next.to_string()),
        ("remote next", messages.remote_next.to_string()),
        ("local queued", messages.local_queued.to_string()),
        ("remote queued", messages.remote_queued.to_string()),
        ("local window", messages.local_window.to_string()),
        ("remote window", messages.remote_window.to_string()),
        ("dpd", sa.dpd.0.to_string()),
        ("retry", sa.dpd.1.to_string()),
        (
            "fragmentation",
            match sa.fragmentation {
                Fragmentation::NotConfigured => "not  configured",
                Fragmentation::Configured => "configured",
                Fragmentation::Enabled { .. } => "enabled",
            }
            .to_owned(),
        ),
        (
            "nat",
            match sa.nat {
                Nat::None => "not detected",
                Nat::Outside => "detected  outside",
                Nat::Inside => "detected  inside",
            }
            .to_owned(),
        ),
        (
            "initiator",
            if sa.initiator { "Yes" } else { "No" }.to_owned(),
        ),
    ]);
    if let Some(user) = &sa.remote_eap_id {
        facts.insert("user", user.clone());
    }
    if let Some(address) = sa.assigned.first() {
        facts.insert("address", address.to_string().to_uppercase());
    }
    if !sa.suite.pqc.is_empty() {
        facts.insert("pqc", sa.suite.pqc.join(" "));
    }
    if let Fragmentation::Enabled { mtu } = sa.fragmentation {
        let headers = if sa.remote.is_ipv6() { 48 } else { 28 };
        facts.insert("mtu", mtu.saturating_sub(headers).to_string());
    }
    facts
}

#[test]
fn a_reader_of_sessions_gets_every_fact_back() {
    for sa in all() {
        let text = crypto_session(&state(vec![sa.clone()]), &DETAIL);
        let got = read(
            &text,
            &[
                ("interface", "Interface: ", ""),
                ("profile", "Profile: ", ""),
                ("uptime", "Uptime: ", ""),
                ("status", "Session status: ", ""),
                ("peer", "Peer: ", " port"),
                ("port", " port ", " "),
                ("identity", "Phase1_id: ", ""),
                ("session", "Session ID: ", ""),
                ("connection", "connid:", " "),
                ("capabilities", "Capabilities:", " "),
                ("decrypted", "dec'ed ", " "),
                ("encrypted", "enc'ed ", " "),
                ("sas", "Active SAs: ", ","),
            ],
        );
        let letters: String = [
            (sa.dpd.0 > 0, 'D'),
            (sa.nat != Nat::None, 'N'),
            (
                matches!(sa.fragmentation, Fragmentation::Enabled { .. }),
                'F',
            ),
        ]
        .into_iter()
        .filter_map(|(has, letter)| has.then_some(letter))
        .collect();
        let letters = if letters.is_empty() {
            "(none)".into()
        } else {
            letters
        };
        let ready = sa.status == IkeStatus::Ready;
        let mut facts = Read::from([
            ("peer", sa.remote.ip().to_string().to_uppercase()),
            ("port", sa.remote.port().to_string()),
            ("session", sa.session_id.to_string()),
            ("connection", sa.tunnel_id.to_string()),
            ("capabilities", letters),
            (
                "identity",
                sa.remote_id.clone().unwrap_or_else(|| "(none)".into()),
            ),
            (
                "status",
                if ready {
                    "UP-ACTIVE"
                } else {
                    "DOWN-NEGOTIATING"
                }
                .into(),
            ),
        ]);
        if let Some(profile) = &sa.profile {
            facts.insert("profile", profile.clone());
        }
        match &sa.session {
            None => {
                facts.insert("interface", sa.interface.clone().unwrap());
            }
            Some(session) => {
                let child = &session.children[0];
                let number = session.virtual_access;
                facts.insert("interface", format!("Virtual-Access{number}"));
                facts.insert("uptime", Elapsed(session.uptime).to_string());
                facts.insert("decrypted", child.inbound.packets.to_string());
                facts.insert("encrypted", child.outbound.packets.to_string());
                facts.insert("sas", "2".into());
                for flow in [&child.inbound, &child.outbound] {
                    let volume = flow
                        .kilobytes_left
                        .map_or_else(|| "KB Vol Rekey Disabled".into(), |left| left.to_string());
                    let (drops, seconds) = (flow.drops, flow.seconds_left);
                    let life = format!("drop {drops} life (KB/Sec) {volume}/{seconds}\n");
                    assert!(text.contains(&life), "{life}{text}");
                }
            }
        }
        assert_eq!(got, facts);
        let flows: usize = sa
            .session
            .iter()
            .flat_map(|one| &one.children)
            .map(pairs)
            .sum();
        assert_eq!(text.matches("IPSEC FLOW: permit").count(), flows);
    }
}

/// The pairs of selectors of one family.
fn pairs(child: &ChildSa) -> usize {
    let of = |ranges: &[(IpAddr, IpAddr)], ipv4: bool| {
        ranges
            .iter()
            .filter(|range| range.0.is_ipv4() == ipv4)
            .count()
    };
    let families = [true, false];
    let pairs = families.map(|ipv4| of(&child.local, ipv4).saturating_mul(of(&child.remote, ipv4)));
    pairs.iter().sum()
}

#[test]
fn a_reader_of_child_sas_gets_every_fact_back() {
    for sa in all().into_iter().filter(|sa| sa.session.is_some()) {
        let detail = true;
        let filter = None;
        let text = ipsec_sa(&state(vec![sa.clone()]), &IpsecSaQuery { detail, filter });
        let (_, outbound) = text.split_once("outbound esp sas:").unwrap();
        let mut got = read(
            &text,
            &[
                ("interface", "interface: ", ""),
                ("local", "local addr ", ""),
                ("peer", "current_peer ", " port"),
                ("port", " port ", ""),
                ("encaps", "#pkts encaps: ", ","),
                ("decaps", "#pkts decaps: ", ","),
                ("verify failed", "#pkts verify failed: ", ""),
                ("replayed", "##pkts replay failed (rcv): ", ""),
                ("internal", "internal err (recv) ", ""),
                ("path mtu", "path mtu ", ","),
                ("device", "ip mtu idb ", ""),
                ("current", "current outbound spi: 0x", "("),
                ("pfs", "DH group: ", ""),
                ("inbound", "spi: 0x", "("),
                ("settings", "in use settings =", ""),
                ("window", "replay window size: ", ""),
            ],
        );
        // The first of all is the current one.
        let (_, inbound) = text.split_once("inbound esp sas:").unwrap();
        got.insert("inbound", between(inbound, "spi: 0x", "(").unwrap());
        got.insert("outbound", between(outbound, "spi: 0x", "(").unwrap());
        let session = sa.session.as_ref().unwrap();
        let child = &session.children[0];
        let dropped = |reason| {
            let count: Option<&u64> = child.inbound.drop_reasons.get(reason);
            count.copied().unwrap_or(0).to_string()
        };
        let pqc = match child.pfs_pqc.as_slice() {
            [] => String::new(),
            some => format!(", PQC Key Exchange: {}", some.join(" ")),
        };
        let group = child
            .pfs_group
            .map_or_else(|| "none".into(), |one| format!("group{one}"));
        let facts = Read::from([
            (
                "interface",
                format!("Virtual-Access{}", session.virtual_access),
            ),
            ("local", sa.local.ip().to_string().to_uppercase()),
            ("peer", sa.remote.ip().to_string().to_uppercase()),
            ("port", sa.remote.port().to_string()),
            ("encaps", child.outbound.packets.to_string()),
            ("decaps", child.inbound.packets.to_string()),
            ("verify failed", dropped("bad_icv")),
            ("replayed", dropped("replayed")),
            ("internal", dropped("kernel")),
            ("path mtu", sa.path_mtu.to_string()),
            ("device", sa.interface.clone().unwrap()),
            ("current", format!("{:X}", child.outbound_spi)),
            ("pfs", group + &pqc),
            ("inbound", format!("{:X}", child.inbound_spi)),
            ("outbound", format!("{:X}", child.outbound_spi)),
            (
                "settings",
                format!(
                    "{{Tunnel{}, {}}}",
                    if child.udp_encapsulated {
                        " UDP-Encaps"
                    } else {
                        ""
                    },
                    if child.esn { "esn" } else { "" }
                ),
            ),
            ("window", child.replay_window.to_string()),
        ]);
        assert_eq!(got, facts);
        for flow in [&child.inbound, &child.outbound] {
            let life = match flow.kilobytes_left {
                Some(left) => format!("(k/sec): ({left}/{})", flow.seconds_left),
                None => format!("(sec): {}", flow.seconds_left),
            };
            assert!(text.contains(&life), "{life}{text}");
        }
    }
}

#[test]
fn a_reader_of_pools_gets_every_fact_back() {
    let state = pools();
    let text = ip_local_pool(&state, None).unwrap();
    let mut name = String::new();
    let mut rows = text.lines().skip(1);
    for pool in &state.pools {
        let row = rows.next().unwrap();
        let mut columns: Vec<&str> = row.split_whitespace().collect();
        if columns.len() == 6 {
            name = columns.remove(0).to_owned();
        }
        let size = u32::from(pool.last) - u32::from(pool.first) + 1;
        let used = u32::try_from(pool.in_use.len()).unwrap();
        let told = [
            pool.first.to_string(),
            pool.last.to_string(),
            (size - used).to_string(),
            used.to_string(),
            "0".to_owned(),
        ];
        assert_eq!(columns, told);
        assert_eq!(name, pool.name);
        let named = ip_local_pool(&state, Some(&pool.name)).unwrap();
        for one in &pool.in_use {
            let row = format!(
                "   {:<16}Virtual-Access{}\n",
                one.address.to_string(),
                one.virtual_access
            );
            assert!(named.contains(&row), "{named}");
        }
    }
    assert_eq!(rows.next(), None);
}
