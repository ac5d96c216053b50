//! Texts compared octet for octet with files under `tests/golden/show`.
//!
//! `seed_*` are written by hand from the example of the public document on AnyConnect over IKEv2 with
//! local users, whose values the facts below take over. With `IRONFLEX_UPDATE_GOLDENS=1` the others are
//! written anew.

use std::{collections::BTreeMap, fs, path::Path};

use super::*;
use crate::{
    cli::{
        debug_words::DebugFlags,
        exec::{DebugFlag, NamedInterface, absent},
    },
    state::{
        AuthMethod, ChildSa, Cipher, DerivedInterface, DerivedIpv6, Flow, Fragmentation, IkeSa,
        IkeStatus, IkeSuite, Ipv6Pool, Messages, Nat, Pool, PoolUse, Session, SpiPair, State,
    },
    statistics::{Operations, Outcome, Ppks, Row, SaCount, Statistics, Timers, Tokens},
};

pub(super) fn assert_golden(name: &str, actual: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/show");
    let file = folder.join(format!("{name}.txt"));
    let update = std::env::var_os("IRONFLEX_UPDATE_GOLDENS").is_some_and(|value| value == "1");
    if update && !name.starts_with("seed_") {
        fs::write(&file, actual).unwrap();
    }
    let expected =
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(actual, expected, "{}", file.display());
}

pub(super) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn range(first: &str, last: &str) -> (IpAddr, IpAddr) {
    (address(first), address(last))
}

/// The seed's session as `show crypto ikev2 sa detailed` saw it.
pub(super) fn seed_sa() -> IkeSa {
    IkeSa {
        tunnel_id: 1,
        ce_id: 1004,
        session_id: 4,
        local: "192.0.2.1:4500".parse().unwrap(),
        remote: "192.0.2.100:50899".parse().unwrap(),
        status: IkeStatus::Ready,
        suite: IkeSuite {
            cipher: Cipher::AesCbc(256),
            integrity: Some(Hash::Sha256),
            prf: Hash::Sha256,
            group: 14,
            pqc: Vec::new(),
        },
        auth_sign: AuthMethod::Rsa,
        auth_verify: Some(AuthMethod::AnyConnectEap),
        ppk: false,
        lifetime: 86_400,
        active: Duration::from_secs(758),
        local_spi: 0x4131_12E8_3D49_3428,
        remote_spi: 0x696F_A782_92A2_1EA5,
        local_id: Some("192.0.2.1".into()),
        remote_id: Some("*$AnyConnectClient$*".into()),
        remote_eap_id: Some("test".into()),
        messages: Messages {
            local_request: 0,
            remote_request: 31,
            local_next: 0,
            remote_next: 31,
            local_queued: 0,
            remote_queued: 31,
            local_window: 5,
            remote_window: 1,
        },
        dpd: (0, 0),
        fragmentation: Fragmentation::NotConfigured,
        nat: Nat::Outside,
        assigned: vec![address("192.168.10.8")],
        initiator: false,
        interface: Some("GigabitEthernet1".into()),
        path_mtu: 1500,
        profile: Some("AnyConnect-EAP".into()),
        session: Some(seed_session()),
    }
}

pub(super) fn seed_session() -> Session {
    Session {
        virtual_access: 1,
        uptime: Duration::from_secs(14 * 60 + 54),
        derived: DerivedInterface {
            unnumbered: Some("Loopback100".into()),
            mtu: Some(1400),
            tcp_adjust_mss: None,
            nat_inside: true,
            ipv6: DerivedIpv6::default(),
            tunnel_source: address("192.0.2.1"),
            tunnel_destination: address("192.0.2.100"),
            ipsec_profile: "AnyConnect-EAP".into(),
        },
        device: Some("laptop".into()),
        routes: vec!["192.168.10.8/32".into()],
        children: vec![ChildSa {
            flow_id: 1,
            sa_number: 1,
            inbound_spi: 0x232C_B82D,
            outbound_spi: 0x3076_7B6E,
            rekeying: Vec::new(),
            cipher: Cipher::AesCbc(256),
            integrity: Some(Hash::Sha256),
            esn: false,
            pfs_group: None,
            pfs_pqc: Vec::new(),
            local: vec![range("0.0.0.0", "255.255.255.255")],
            remote: vec![range("192.168.10.8", "192.168.10.8")],
            udp_encapsulated: true,
            replay_window: 64,
            inbound: Flow {
                packets: 89,
                bytes: 10_000,
                drops: 0,
                drop_reasons: BTreeMap::new(),
                kilobytes_left: Some(4_607_990),
                seconds_left: 2705,
            },
            outbound: Flow {
                packets: 2,
                bytes: 400,
                drops: 0,
                drop_reasons: BTreeMap::new(),
                kilobytes_left: Some(4_607_999),
                seconds_left: 2705,
            },
        }],
    }
}

/// The same as `show crypto session detail` saw it a little later and under another session ID.
pub(super) fn seed_sa_of_crypto_session() -> IkeSa {
    IkeSa {
        session_id: 8,
        active: Duration::from_secs(14 * 60 + 54),
        ..seed_sa()
    }
}

/// Without NAT, with AES-GCM, fragmentation, DPD and no volume limit, from a certificate.
pub(super) fn gcm_sa() -> IkeSa {
    let mut sa = seed_sa();
    sa.tunnel_id = 12;
    sa.ce_id = 1012;
    sa.session_id = 12;
    sa.local = "192.0.2.1:500".parse().unwrap();
    sa.remote = "198.51.100.200:500".parse().unwrap();
    sa.suite = IkeSuite {
        cipher: Cipher::AesGcm(256),
        integrity: None,
        prf: Hash::Sha384,
        group: 20,
        pqc: vec!["ML-KEM-768".into()],
    };
    sa.auth_verify = Some(AuthMethod::Rsa);
    sa.ppk = true;
    sa.active = Duration::from_secs(3 * 3600 + 5);
    sa.local_id = Some("vpn.example.com".into());
    sa.remote_id = Some("spoke.example.com".into());
    sa.remote_eap_id = None;
    sa.messages.local_request = 271;
    sa.messages.local_next = 271;
    sa.dpd = (60, 5);
    sa.fragmentation = Fragmentation::Enabled { mtu: 1400 };
    sa.nat = Nat::None;
    sa.assigned = vec![address("192.168.10.9")];
    sa.profile = Some("spokes".into());
    let session = sa.session.as_mut().unwrap();
    session.virtual_access = 2;
    session.uptime = Duration::from_secs(3 * 86_400 + 18 * 3600 + 61);
    let child = session.children.first_mut().unwrap();
    child.cipher = Cipher::AesGcm(256);
    child.integrity = None;
    child.local = vec![
        range("10.0.0.0", "10.255.255.255"),
        range("172.16.0.5", "172.16.0.9"),
    ];
    child.remote = vec![range("192.168.10.9", "192.168.10.9")];
    child.udp_encapsulated = false;
    child.esn = true;
    child.pfs_group = Some(20);
    child.pfs_pqc = vec!["ML-KEM-768".into()];
    child.inbound.drops = 7;
    child.inbound.drop_reasons = BTreeMap::from([("bad_icv", 4), ("replayed", 2), ("kernel", 1)]);
    child.inbound.kilobytes_left = None;
    child.outbound.kilobytes_left = None;
    sa
}

/// Over IPv6, behind a NAT of ours, with SHA-1.
pub(super) fn ipv6_sa() -> IkeSa {
    let mut sa = seed_sa();
    sa.tunnel_id = 3;
    sa.ce_id = 1003;
    sa.session_id = 3;
    sa.local = "[2001:db8::1]:4500".parse().unwrap();
    sa.remote = "[2001:db8:ffff::abcd]:50900".parse().unwrap();
    sa.suite.integrity = Some(Hash::Sha1);
    sa.suite.prf = Hash::Sha1;
    sa.fragmentation = Fragmentation::Enabled { mtu: 1400 };
    sa.nat = Nat::Inside;
    let session = sa.session.as_mut().unwrap();
    session.virtual_access = 3;
    session.derived.tunnel_source = sa.local.ip();
    session.derived.tunnel_destination = sa.remote.ip();
    let child = session.children.first_mut().unwrap();
    child.local = vec![range("2001:db8:1::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff")];
    child.remote = vec![range("2001:db8:2::8", "2001:db8:2::8")];
    sa.assigned = vec![address("2001:db8:2::8")];
    sa
}

/// Over IPv4, with addresses of both families.
pub(super) fn dual_stack_sa() -> IkeSa {
    let mut sa = seed_sa();
    sa.assigned.push(address("2001:db8:2:8::1"));
    let session = sa.session.as_mut().unwrap();
    session.derived.ipv6 = DerivedIpv6 {
        unnumbered: Some("Loopback100".into()),
        enable: true,
    };
    let child = session.children.first_mut().unwrap();
    child
        .local
        .push(range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    child
        .remote
        .push(range("2001:db8:2:8::", "2001:db8:2:8:ffff:ffff:ffff:ffff"));
    sa
}

/// Not yet anybody.
pub(super) fn negotiating_sa() -> IkeSa {
    IkeSa {
        tunnel_id: 2,
        ce_id: 1005,
        session_id: 5,
        remote: "203.0.113.77:61000".parse().unwrap(),
        status: IkeStatus::InNegotiation,
        auth_verify: None,
        active: Duration::from_secs(3),
        local_id: None,
        remote_id: None,
        remote_eap_id: None,
        fragmentation: Fragmentation::Configured,
        assigned: Vec::new(),
        profile: None,
        session: None,
        ..seed_sa()
    }
}

/// The seed's session while its child SA is rekeyed.
pub(super) fn rekeying_sa() -> IkeSa {
    let mut sa = seed_sa();
    let session = sa.session.as_mut().unwrap();
    session.children[0].rekeying = vec![SpiPair {
        sa_number: 2,
        inbound_spi: 0x0ABC_DEF0,
        outbound_spi: 0xFEDC_BA98,
    }];
    sa
}

pub(super) fn state(ike_sas: Vec<IkeSa>) -> State {
    State {
        counters_cleared: Default::default(),
        hostname: "Router".into(),
        sessions_begun: 7,
        ike_sas,
        pools: Vec::new(),
        ipv6_pools: Vec::new(),
    }
}

pub(crate) fn several() -> State {
    state(vec![seed_sa(), negotiating_sa(), ipv6_sa(), gcm_sa()])
}

pub(super) const DETAILED: Ikev2SaQuery = Ikev2SaQuery {
    detailed: true,
    filter: None,
};

pub(super) const DETAIL: SessionQuery = SessionQuery {
    detail: true,
    filter: None,
};

/// Numbers in which no two lines have the same.
pub(super) fn statistics() -> Statistics {
    let row = |name: &str, counts: [u64; 4]| Row {
        name: name.into(),
        sent_requests: counts[0],
        sent_responses: counts[1],
        received_requests: counts[2],
        received_responses: counts[3],
    };
    Statistics {
        sa_limit: 2_000,
        negotiating_limits: (40, 400),
        incoming: SaCount {
            active: 11,
            negotiating: 2,
        },
        outgoing: SaCount::default(),
        accepted: 140,
        rejected: 23,
        low_resources: 9,
        negotiating_limited: 6,
        sa_limited: 4,
        queue_limited: 3,
        undispatched: 71,
        fragments_kept: 12,
        challenged: 30_001,
        cookies_accepted: 17,
        cookies_rejected: 5,
        cookies_missing: 29_996,
        crash_tokens: Tokens {
            sent: 40,
            accepted: 2,
            rejected: 1,
        },
        quantum_sessions: 6,
        ppks: Ppks {
            used: 21,
            unused: 4,
            refused: 12,
            required: 11,
            unknown: 5,
            wrong: 3,
            wrong_required: 2,
        },
        exchanges: vec![
            row("IKE_SA_INIT", [0, 30_141, 30_164, 0]),
            row("IKE_AUTH", [0, 600, 600, 0]),
            row("CREATE_CHILD_SA", [7, 9, 9, 7]),
            row("CREATE_CHILD_SA_IPSEC_REKEY", [6, 9, 9, 6]),
            row("CREATE_CHILD_SA_IKE_REKEY", [1, 0, 0, 1]),
            row("INFORMATIONAL", [40, 55, 55, 39]),
        ],
        errors: vec![row("NO_PROPOSAL_CHOSEN", [0, 7, 0, 0])],
        notifies: vec![
            row("COOKIE", [0, 30_001, 22, 0]),
            row("INITIAL_CONTACT", [0, 0, 120, 0]),
            row("DELETE", [3, 0, 12, 0]),
            row("DPD", [37, 43, 43, 37]),
        ],
        without_nat: 31,
        configurations: vec![
            row("CFG_REQUEST", [0, 0, 120, 0]),
            row("CFG_REPLY", [0, 118, 0, 0]),
        ],
        timers: Timers {
            auth: 8,
            retransmissions: 1,
            liveness: 6,
        },
        operations: Operations {
            eap: Outcome {
                passed: 118,
                failed: 14,
            },
            authorization: Outcome {
                passed: 116,
                failed: 2,
            },
            sa_creation: Outcome {
                passed: 115,
                failed: 1,
            },
            sa_deletion: Outcome {
                passed: 104,
                failed: 0,
            },
            signature: Outcome {
                passed: 132,
                failed: 0,
            },
            certificate: Outcome {
                passed: 10,
                failed: 3,
            },
            policy: Outcome {
                passed: 116,
                failed: 4,
            },
            public_values: Outcome {
                passed: 140,
                failed: 0,
            },
            secrets: Outcome {
                passed: 139,
                failed: 1,
            },
            verification: Outcome {
                passed: 9,
                failed: 1,
            },
            issuers: Outcome {
                passed: 138,
                failed: 0,
            },
            own_certificates: Outcome {
                passed: 132,
                failed: 0,
            },
            certified_names: Outcome {
                passed: 10,
                failed: 0,
            },
        },
        discards: vec![("cookie_sent".into(), 30_001), ("forged".into(), 19)],
        refusals: vec![("no_proposal_chosen".into(), 7)],
    }
}

#[test]
fn statistics_are_printed_in_every_form() {
    for (name, which) in [
        ("ikev2_stats", Ikev2Stats::Summary),
        ("ikev2_stats_exchange", Ikev2Stats::Exchange),
        ("ikev2_stats_ext_service", Ikev2Stats::ExtService),
        ("ikev2_stats_timeout", Ikev2Stats::Timeout),
    ] {
        assert_golden(name, &ikev2_stats(&statistics(), which));
    }
}

#[test]
fn prints_the_example_of_the_seed() {
    let sa = state(vec![seed_sa()]);
    assert_golden("seed_ikev2_sa_detailed", &ikev2_sa(&sa, &DETAILED));
    let session = state(vec![seed_sa_of_crypto_session()]);
    assert_golden(
        "seed_crypto_session_detail",
        &crypto_session(&session, &DETAIL),
    );
    assert_golden("seed_derived_config", &derived_config(&sa, 1).unwrap());
}

#[test]
fn prints_nothing_or_a_heading_where_there_is_nothing() {
    let none = State::default();
    assert_golden("ip_local_pool_none", &ip_local_pool(&none, None).unwrap());
    let absent = absent(&NamedInterface::VirtualAccess(1), "");
    assert_eq!(derived_config(&none, 1), Err(absent));
    assert_eq!(
        ip_local_pool(&none, Some("ACPool")),
        Err("% Pool ACPool does not exist".into())
    );
    assert_eq!(debugging(&DebugFlags::default()), "");
}

#[test]
fn tells_sessions_without_a_child_and_those_that_end() {
    let mut idle = seed_sa();
    idle.session.as_mut().unwrap().children.clear();
    let mut ending = seed_sa();
    ending.status = IkeStatus::Delete;
    let text = |sa: IkeSa| crypto_session(&state(vec![sa]), &DETAIL);
    assert!(text(idle.clone()).contains("\nSession status: UP-IDLE       \n"));
    assert!(!text(idle).contains("IPSEC FLOW"));
    let ending = text(ending);
    assert!(
        ending.contains("\nSession status: DOWN          \n"),
        "{ending}"
    );
    assert!(ending.contains(" Inactive \n          Capabilities:N connid:1 lifetime:0\n"));
}

#[test]
fn filters_by_address_and_user() {
    let state = several();
    let tunnels = |filter| {
        let query = Ikev2SaQuery {
            detailed: false,
            filter: Some(filter),
        };
        let text = ikev2_sa(&state, &query);
        text.matches("Tunnel-id").count()
    };
    assert_eq!(tunnels(Ikev2SaFilter::Local(address("192.0.2.1"))), 3);
    assert_eq!(tunnels(Ikev2SaFilter::Remote(address("192.0.2.100"))), 1);
    assert_eq!(
        tunnels(Ikev2SaFilter::Remote(address("2001:db8:ffff::abcd"))),
        1
    );
    assert_eq!(tunnels(Ikev2SaFilter::Remote(address("192.0.2.101"))), 0);

    let sessions = |filter| {
        let query = SessionQuery {
            detail: false,
            filter: Some(filter),
        };
        crypto_session(&state, &query)
            .matches("Session status:")
            .count()
    };
    assert_eq!(sessions(SessionFilter::Username("TEST".into())), 2);
    assert_eq!(sessions(SessionFilter::Username("other".into())), 0);
    assert_eq!(
        sessions(SessionFilter::Remote(address("198.51.100.200"))),
        1
    );
    assert_eq!(sessions(SessionFilter::Local(address("2001:db8::1"))), 1);
}

#[test]
fn finds_a_mapped_ipv4_address_under_its_own() {
    let mut sa = seed_sa();
    sa.local = "[::ffff:192.0.2.1]:4500".parse().unwrap();
    sa.remote = "[::ffff:192.0.2.100]:50899".parse().unwrap();
    let query = Ikev2SaQuery {
        detailed: true,
        filter: Some(Ikev2SaFilter::Remote(address("192.0.2.100"))),
    };
    assert_golden(
        "seed_ikev2_sa_detailed",
        &ikev2_sa(&state(vec![sa]), &query),
    );
}

/// The user's name comes from the client's XML.
#[test]
fn a_user_name_cannot_steer_the_terminal() {
    let mut sa = seed_sa();
    sa.remote_eap_id = Some("x\u{1b}]0;owned\u{7}\nRemote EAP id: admin".into());
    let text = ikev2_sa(&state(vec![sa]), &DETAILED);
    assert!(
        text.contains("      Remote EAP id: x.]0;owned..Remote EAP id: admin\n"),
        "{text}"
    );
}

#[test]
fn prints_derived_config_without_what_is_not_configured_and_over_ipv6() {
    let mut sa = ipv6_sa();
    let derived = &mut sa.session.as_mut().unwrap().derived;
    derived.unnumbered = None;
    derived.mtu = None;
    derived.nat_inside = false;
    assert_golden(
        "derived_config_bare_ipv6",
        &derived_config(&state(vec![sa]), 3).unwrap(),
    );
}

pub(super) fn ipv6_pools() -> State {
    let used = |address: &str, virtual_access| PoolUse {
        address: address.parse().unwrap(),
        virtual_access,
        user: Some("test".into()),
    };
    let pool = |name: &str, prefix: &str, length, assigned, size, in_use| Ipv6Pool {
        name: name.into(),
        prefix: (prefix.parse().unwrap(), length),
        assigned,
        size,
        in_use,
    };
    let held = vec![used("2001:db8:a::", 1), used("2001:db8:a:1::", 12)];
    State {
        ipv6_pools: vec![
            pool("ACPool6", "2001:db8:a::", 48, 64, 65_536, held),
            pool("Huge", "2001:db8:b::", 32, 128, u64::MAX, vec![]),
        ],
        ..State::default()
    }
}

#[test]
fn prints_ipv6_pools_and_who_holds_what_of_one() {
    let state = ipv6_pools();
    let show = |name| ipv6_local_pool(&state, name);
    assert_golden("ipv6_local_pool", &show(None).unwrap());
    assert_golden("ipv6_local_pool_named", &show(Some("ACPool6")).unwrap());
    assert_eq!(show(Some("x")), Err("% Pool x does not exist".into()));
}

pub(super) fn pools() -> State {
    let used = |address: &str, virtual_access| PoolUse {
        address: address.parse().unwrap(),
        virtual_access,
        user: Some("test".into()),
    };
    let pool = |name: &str, first: &str, last: &str, in_use| Pool {
        name: name.into(),
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        in_use,
    };
    State {
        pools: vec![
            pool(
                "ACPool",
                "192.168.10.5",
                "192.168.10.10",
                vec![used("192.168.10.8", 1)],
            ),
            pool(
                "Two",
                "172.16.0.60",
                "172.16.0.61",
                vec![used("172.16.0.60", 2), used("172.16.0.61", 13)],
            ),
            pool("Two", "172.16.0.30", "172.16.0.30", vec![]),
            pool("Big", "100.64.0.0", "100.127.255.255", vec![]),
        ],
        ..State::default()
    }
}

#[test]
fn prints_pools_and_the_addresses_of_one() {
    let state = pools();
    assert_golden("ip_local_pool", &ip_local_pool(&state, None).unwrap());
    assert_golden(
        "ip_local_pool_named",
        &ip_local_pool(&state, Some("ACPool")).unwrap(),
    );
    assert_golden(
        "ip_local_pool_exhausted",
        &ip_local_pool(&state, Some("Two")).unwrap(),
    );
    let big = ip_local_pool(&state, Some("Big")).unwrap();
    assert!(big.contains("   100.64.15.255\n   ...\n\nInuse addresses:\n"));
    assert_eq!(big.lines().count(), 2 + 1 + 4096 + 1 + 2);
    assert!(
        big.contains(" 100.127.255.255 4194304       0         0\n"),
        "{}",
        &big[..200]
    );
}

#[test]
fn prints_what_debug_has_turned_on() {
    let mut flags = DebugFlags::default();
    for flag in [
        DebugFlag::Ikev2,
        DebugFlag::Ikev2Packet,
        DebugFlag::AaaAuthorization,
    ] {
        flags.set(flag, true);
    }
    assert_eq!(
        debugging(&flags),
        "General OS:\n  AAA Authorization debugging is on\n\n\
         IKEV2:\n  IKEv2 default debugging is on\n  IKEv2 packet debugging is on\n\n"
    );
}

#[test]
fn elapsed_times_change_their_form_at_a_day_a_week_and_a_year() {
    let text = |seconds| Elapsed(Duration::from_secs(seconds)).to_string();
    for (seconds, expected) in [
        (0, "00:00:00"),
        (894, "00:14:54"),
        (86_399, "23:59:59"),
        (86_400, "1d00h"),
        (3 * 86_400 + 18 * 3600, "3d18h"),
        (7 * 86_400 - 1, "6d23h"),
        (9 * 86_400, "1w2d"),
        (364 * 86_400, "52w0d"),
        (400 * 86_400, "1y05w"),
    ] {
        assert_eq!(text(seconds), expected, "{seconds}");
    }
}
