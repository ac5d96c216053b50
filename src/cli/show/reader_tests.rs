//! A reader that knows the layouts of IOS-XE gets back from the texts every fact that went into them.
//!
//! What it reads is compared with the facts. That it reads everything is shown by what is left: with all that is read blotted
//! out, the texts of two sessions that differ in every fact are the same.

mod reader;

use self::reader::{CHILD, ESP, IKE, Read, SESSION, between, blotted, read};
use super::{
    tests::{
        DETAIL, DETAILED, address, dual_stack_sa, gcm_sa, ipv6_sa, negotiating_sa, pools, range,
        rekeying_sa, seed_sa, state,
    },
    *,
};
use crate::state::{
    AuthMethod, ChildSa, Cipher, Flow, Fragmentation, IkeSa, IkeStatus, IkeSuite, Messages, Nat,
    Session,
};

/// Another session that looks like the seed's, and differs from it in every fact.
fn other_sa() -> IkeSa {
    let mut sa = seed_sa();
    (sa.tunnel_id, sa.ce_id, sa.session_id) = (27, 31_027, 427);
    sa.local = "198.51.100.77:45000".parse().unwrap();
    sa.remote = "203.0.113.9:7".parse().unwrap();
    sa.suite = IkeSuite {
        cipher: Cipher::AesCbc(128),
        integrity: Some(Hash::Sha512),
        prf: Hash::Sha384,
        group: 21,
        pqc: Vec::new(),
    };
    (sa.auth_sign, sa.auth_verify) = (AuthMethod::Ecdsa, Some(AuthMethod::Psk));
    sa.lifetime = 3_333;
    sa.active = Duration::from_secs(44);
    (sa.local_spi, sa.remote_spi) = (0xAAAA, 0xBBBB);
    sa.local_id = Some("other.example.com".into());
    sa.remote_id = Some("somebody else".into());
    sa.remote_eap_id = Some("somebody".into());
    sa.messages = Messages {
        local_request: 101,
        remote_request: 102,
        local_next: 103,
        remote_next: 104,
        local_queued: 105,
        remote_queued: 106,
        local_window: 107,
        remote_window: 108,
    };
    sa.dpd = (71, 72);
    sa.nat = Nat::Inside;
    sa.assigned = vec![address("10.9.9.9")];
    sa.initiator = true;
    sa.interface = Some("GigabitEthernet7".into());
    sa.path_mtu = 1_280;
    sa.profile = Some("others".into());
    let session = sa.session.as_mut().unwrap();
    session.virtual_access = 99;
    session.uptime = Duration::from_secs(77_777);
    let child = &mut session.children[0];
    child.sa_number = 55;
    (child.inbound_spi, child.outbound_spi) = (0x11, 0x22);
    (child.cipher, child.integrity) = (Cipher::AesCbc(192), Some(Hash::Sha384));
    child.esn = true;
    child.pfs_group = Some(19);
    child.local = vec![range("10.1.0.0", "10.1.0.6")];
    child.remote = vec![range("10.9.9.0", "10.9.9.255")];
    child.udp_encapsulated = false;
    child.replay_window = 0;
    let reasons = [
        "unknown_spi",
        "bad_padding",
        "bad_next_header",
        "bad_icv",
        "selector_mismatch",
        "truncated",
        "replayed",
        "kernel",
    ];
    child.inbound = Flow {
        packets: 1_001,
        bytes: 1_002,
        drops: 36,
        drop_reasons: reasons.into_iter().zip(1..).collect(),
        kilobytes_left: Some(1_003),
        seconds_left: 1_004,
    };
    let reasons = ["no_route", "sequence_exhausted", "kernel"];
    child.outbound = Flow {
        packets: 2_001,
        bytes: 2_002,
        drops: 6,
        drop_reasons: reasons.into_iter().zip(1..).collect(),
        kilobytes_left: Some(2_003),
        seconds_left: 2_004,
    };
    sa
}

/// The row of a table and the lines of both ends, without which IKE's text is the same for everybody.
fn without_row(text: &str) -> String {
    let mut row = false;
    let lines = text.lines().filter(|line| {
        let skipped = row;
        row = line.starts_with("Tunnel-id");
        !skipped
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_no_reader_reads_is_the_same_for_everybody() {
    let (one, other) = (state(vec![seed_sa()]), state(vec![other_sa()]));
    let ike = |state| blotted(&without_row(&ikev2_sa(state, &DETAILED)), IKE);
    assert_eq!(ike(&one), ike(&other));
    let session = |state| blotted(&crypto_session(state, &DETAIL), SESSION);
    assert_eq!(session(&one), session(&other));
    let child = |state| {
        let detail = true;
        let text = ipsec_sa(
            state,
            &IpsecSaQuery {
                detail,
                filter: None,
            },
        );
        let (both, each) = text.split_once("inbound esp sas:").unwrap();
        blotted(both, CHILD) + &blotted(each, ESP)
    };
    assert_eq!(child(&one), child(&other));
    // A fact that is added needs a place: in a reader, or here with those that none of these commands says.
    let IkeSa {
        tunnel_id: _,
        ce_id: _,
        session_id: _,
        local: _,
        remote: _,
        status: _,
        suite: _,
        auth_sign: _,
        auth_verify: _,
        ppk: _,
        lifetime: _,
        active: _,
        local_spi: _,
        remote_spi: _,
        local_id: _,
        remote_id: _,
        remote_eap_id: _,
        messages: _,
        dpd: _,
        fragmentation: _,
        nat: _,
        assigned: _,
        initiator: _,
        interface: _,
        path_mtu: _,
        profile: _,
        session,
    } = seed_sa();
    // The interface's lines are of `show derived-config`, the routes of `show ip route`; the device is in JSON alone.
    let Session {
        virtual_access: _,
        uptime: _,
        derived: _,
        device: _,
        routes: _,
        mut children,
    } = session.unwrap();
    let ChildSa {
        flow_id: _,
        sa_number: _,
        inbound_spi: _,
        outbound_spi: _,
        rekeying: _,
        cipher: _,
        integrity: _,
        esn: _,
        pfs_group: _,
        pfs_pqc: _,
        local: _,
        remote: _,
        udp_encapsulated: _,
        replay_window: _,
        inbound,
        outbound: _,
    } = children.remove(0);
    // Octets are of `show interfaces`.
    let Flow {
        packets: _,
        bytes: _,
        drops: _,
        drop_reasons: _,
        kilobytes_left: _,
        seconds_left: _,
    } = inbound;
}

fn all() -> [IkeSa; 7] {
    [
        seed_sa(),
        other_sa(),
        rekeying_sa(),
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
        let mut got = read(&text, IKE);
        got.insert("tunnel", columns[0].to_owned());
        got.insert("status", (*columns.last().unwrap()).to_owned());
        let assigned = text
            .lines()
            .filter_map(|line| between(line, "Assigned host addr: ", ""));
        got.insert("address", assigned.collect::<Vec<_>>().join(" "));
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
                .to_owned()
                + if sa.ppk { ", QR" } else { "" },
        ),
        ("life", format!("{}/{}", sa.lifetime, sa.active.as_secs())),
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
    let assigned = sa.assigned.iter();
    let assigned: Vec<String> = assigned.map(|one| one.to_string().to_uppercase()).collect();
    facts.insert("address", assigned.join(" "));
    if !sa.suite.pqc.is_empty() {
        facts.insert("pqc", sa.suite.pqc.join(" "));
        facts.insert("quantum", sa.suite.pqc.join(" "));
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
        let mut got = read(&text, SESSION);
        let ike = got.remove("ike").unwrap();
        // Two addresses of IPv6 are wider than a line.
        let ike = match between(&text, "          remote ", "") {
            Some(remote) => format!("{ike} remote {remote}"),
            None => ike,
        };
        got.insert("ike", ike);
        let flows = text
            .lines()
            .filter_map(|line| between(line, "IPSEC FLOW: permit ", ""));
        let flows: Vec<_> = flows.map(|flow| flow_of(&flow)).collect();
        got.remove("flow");
        let children = sa.session.iter().flat_map(|session| &session.children);
        assert_eq!(flows, children.flat_map(flows_of).collect::<Vec<_>>());
        // Every flow says what the flows of its child SA have in common; the first one is compared below.
        let blocks = text.split("IPSEC FLOW: ").skip(1);
        let mut blocks = blocks.map(|flow| flow.split_once('\n').unwrap().1.trim());
        if let Some(first) = blocks.next() {
            assert!(blocks.all(|one| one == first), "{text}");
        }
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
                "ike",
                format!(
                    "{} remote {} {}",
                    end(&sa.local),
                    end(&sa.remote),
                    if ready { "Active" } else { "Inactive" }
                ),
            ),
            (
                "lifetime",
                if ready {
                    let whole = Duration::from_secs(sa.lifetime.into());
                    Elapsed(whole.saturating_sub(sa.active)).to_string()
                } else {
                    "0".into()
                },
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
                facts.insert("sas", (2 + 2 * child.rekeying.len()).to_string());
                for (name, flow) in [("received", &child.inbound), ("sent", &child.outbound)] {
                    let volume = flow
                        .kilobytes_left
                        .map_or_else(|| "KB Vol Rekey Disabled".into(), |left| left.to_string());
                    let Flow {
                        packets,
                        drops,
                        seconds_left,
                        ..
                    } = flow;
                    let all =
                        format!("{packets} drop {drops} life (KB/Sec) {volume}/{seconds_left}");
                    facts.insert(name, all);
                }
            }
        }
        assert_eq!(got, facts);
    }
}

type Range = (IpAddr, IpAddr);

/// Each network here with each of its family there.
fn flows_of(child: &ChildSa) -> Vec<(Range, Range)> {
    let pairs = child
        .local
        .iter()
        .flat_map(|local| child.remote.iter().map(move |remote| (*local, *remote)));
    pairs
        .filter(|(local, remote)| local.0.is_ipv4() == remote.0.is_ipv4())
        .collect()
}

/// A selector as a router writes it: `host A`, a network with its mask or length, or both ends.
fn flow_of(text: &str) -> (Range, Range) {
    let mut words = text.split(' ').skip(1);
    let mut next = || match words.next().unwrap() {
        "host" => {
            let one = address(words.next().unwrap());
            (one, one)
        }
        other => range_of(other),
    };
    (next(), next())
}

fn range_of(text: &str) -> Range {
    if let Some((first, last)) = text.split_once('-') {
        return (address(first), address(last));
    }
    let (first, mask) = text.split_once('/').unwrap();
    match (address(first), mask.parse::<u32>()) {
        (IpAddr::V6(first), Ok(length)) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            (
                first.into(),
                std::net::Ipv6Addr::from_bits(first.to_bits() | host).into(),
            )
        }
        (IpAddr::V4(first), _) => {
            let mask: std::net::Ipv4Addr = mask.parse().unwrap();
            let last = std::net::Ipv4Addr::from_bits(first.to_bits() | !mask.to_bits());
            (first.into(), last.into())
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_reader_of_child_sas_gets_every_fact_back() {
    for sa in all().into_iter().filter(|sa| sa.session.is_some()) {
        let detail = true;
        let filter = None;
        let text = ipsec_sa(&state(vec![sa.clone()]), &IpsecSaQuery { detail, filter });
        let flows = text.split("   protected vrf: (none)\n").skip(1);
        // Every flow says what the flows of its child SA have in common; the first one is compared below.
        let mut blocks = flows.map(|flow| {
            let lines = flow.lines().filter(|line| !line.contains(" ident "));
            lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
        });
        let first = blocks.next().unwrap();
        assert!(blocks.all(|one| one == first), "{text}");
        let (head, _) = text.split_once("   protected vrf: ").unwrap();
        let one = format!("{head}{first}\n");
        let (both, each) = one.split_once("inbound esp sas:").unwrap();
        let (inbound, outbound) = each.split_once("outbound esp sas:").unwrap();
        let session = sa.session.as_ref().unwrap();
        let child = &session.children[0];
        let mut got = read(both, CHILD);
        // What follows from the others is tested beside its formula.
        got.remove("plaintext");
        let idents = |name| -> Vec<Range> {
            let of = |line| between(line, name, "");
            let lines = text.lines().filter_map(of);
            lines
                .map(|text| {
                    let text = text.trim_matches(['(', ')']);
                    range_of(text.strip_suffix("/0/0").unwrap())
                })
                .collect()
        };
        let (local, remote): (Vec<_>, Vec<_>) = flows_of(child).into_iter().unzip();
        assert_eq!(idents("local  ident (addr/mask/prot/port): "), local);
        assert_eq!(idents("remote ident (addr/mask/prot/port): "), remote);
        // Every reason has a place, and nothing is told twice.
        for (sign, flow) in [('<', &child.inbound), ('>', &child.outbound)] {
            let of = got.iter().filter(|(name, _)| name.starts_with(sign));
            let told: u64 = of.map(|(_, count)| count.parse::<u64>().unwrap()).sum();
            assert_eq!(told, flow.drops);
        }
        let dropped = |reason| {
            let count: Option<&u64> = child.inbound.drop_reasons.get(reason);
            count.copied().unwrap_or(0).to_string()
        };
        for (name, reason) in [
            ("< verify", "bad_icv"),
            ("< replayed", "replayed"),
            ("< internal", "kernel"),
        ] {
            assert_eq!(got[name], dropped(reason));
        }
        got.retain(|name, _| !name.starts_with(['<', '>']));
        let pqc = match child.pfs_pqc.as_slice() {
            [] => String::new(),
            some => format!(", PQC Key Exchange: {}", some.join(" ")),
        };
        let pfs = child.pfs_group.map_or_else(
            || "N, DH group: none".into(),
            |one| format!("Y, DH group: group{one}"),
        );
        let interface = format!("Virtual-Access{}", session.virtual_access);
        let map = format!("{interface}-head-0");
        let (local, remote) = (
            sa.local.ip().to_string().to_uppercase(),
            sa.remote.ip().to_string().to_uppercase(),
        );
        let spi = |spi: u32| format!("0x{spi:X}({spi})");
        let (sent, received) = (
            child.outbound.packets.to_string(),
            child.inbound.packets.to_string(),
        );
        let facts = Read::from([
            ("interface", interface),
            ("map", map.clone()),
            ("local", local.clone()),
            ("local end", local),
            ("peer", remote.clone()),
            ("remote end", remote),
            ("port", sa.remote.port().to_string()),
            ("encaps", sent.clone()),
            ("encrypt", sent.clone()),
            ("digest", sent),
            ("decaps", received.clone()),
            ("decrypt", received.clone()),
            ("verify", received),
            ("path mtu", sa.path_mtu.to_string()),
            ("ip mtu", sa.path_mtu.to_string()),
            ("device", sa.interface.clone().unwrap()),
            ("current", spi(child.outbound_spi)),
            ("pfs", pfs + &pqc),
        ]);
        assert_eq!(got, facts);
        let others: (Vec<u32>, Vec<u32>) = child
            .rekeying
            .iter()
            .map(|pair| (pair.inbound_spi, pair.outbound_spi))
            .unzip();
        for (text, flow_id, used, others, flow) in [
            (
                inbound,
                child.sa_number * 2 - 1,
                child.inbound_spi,
                others.0,
                &child.inbound,
            ),
            (
                outbound,
                child.sa_number * 2,
                child.outbound_spi,
                others.1,
                &child.outbound,
            ),
        ] {
            let spis: Vec<String> = text
                .lines()
                .filter_map(|line| between(line, "  spi: ", ""))
                .collect();
            let all: Vec<String> = [used].into_iter().chain(others).map(spi).collect();
            assert_eq!(spis, all);
            let mut got = read(text, ESP);
            got.remove("spi");
            let (name, bits) = child.cipher.parts();
            let facts = Read::from([
                ("transform", transform(name, bits, child.integrity)),
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
                ("connection", (flow_id + 2000).to_string()),
                ("flow", format!("SW:{flow_id}")),
                ("map", map.clone()),
                (
                    "life",
                    match flow.kilobytes_left {
                        Some(left) => format!("(k/sec): ({left}/{})", flow.seconds_left),
                        None => format!("(sec): {}", flow.seconds_left),
                    },
                ),
                ("iv", if name == "AES-GCM" { "8" } else { "16" }.to_owned()),
                (
                    "replay",
                    match child.replay_window {
                        0 => "N".to_owned(),
                        window => format!("Y  replay window size: {window}"),
                    },
                ),
            ]);
            assert_eq!(got, facts);
        }
    }
}

/// The names of a configuration.
fn transform(cipher: &str, bits: u16, hash: Option<Hash>) -> String {
    let cipher = match (cipher, bits) {
        ("AES-CBC", 128) => "esp-aes".to_owned(),
        ("AES-CBC", bits) => format!("esp-{bits}-aes"),
        (_, 128) => "esp-gcm".to_owned(),
        (_, bits) => format!("esp-gcm {bits}"),
    };
    let hash = match hash {
        None => "",
        Some(Hash::Sha1) => " esp-sha-hmac",
        Some(Hash::Sha256) => " esp-sha256-hmac",
        Some(Hash::Sha384) => " esp-sha384-hmac",
        Some(Hash::Sha512) => " esp-sha512-hmac",
    };
    cipher + hash
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
        let ranges = state.pools.iter().filter(|one| one.name == pool.name);
        let free: Vec<String> = ranges
            .flat_map(|one| {
                let all = one.first.to_bits()..=one.last.to_bits();
                let held = |address| one.in_use.iter().any(|used| used.address == address);
                let all = all.map(std::net::Ipv4Addr::from_bits);
                all.filter(move |address| !held(*address)).take(4096)
            })
            .map(|address| format!("   {address}"))
            .collect();
        let (_, available) = named.split_once("Available addresses:\n").unwrap();
        let listed = available
            .lines()
            .take_while(|line| !line.is_empty() && *line != "   ...");
        assert_eq!(listed.collect::<Vec<_>>(), free);
    }
    assert_eq!(rows.next(), None);
}
