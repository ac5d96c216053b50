//! What the headend keeps beside sessions, in a router's layouts.

use std::{
    net::SocketAddrV4,
    time::{Duration, SystemTime},
};

use ironflex_profiles::model::interface::InterfaceName;
use ironflex_xfrm::netlink::{Neighbour, NeighbourState, Translation};

use super::{
    admission::Memory,
    directory::{Directory, FileFacts},
    json_tests::configured,
    neighbors::NeighborFacts,
    pki::{CertificateFacts, TrustpointFacts},
    tests::{DETAIL, address, assert_golden, seed_sa, several, state, statistics},
    *,
};
use crate::{
    cli::{
        debug_words::DebugFlags,
        exec::{DebugFlag, KeyKind, NamedInterface, absent},
    },
    kernel_clock::Standing,
    state::{
        State,
        attempts::{
            Attempt, AttemptOutcome, AttemptStep, Difference, EarlierFailure, Failure,
            InactiveProfile, Room, StepKind, Transforms,
        },
        logging::{ConditionFacts, LogFacts, LoggedLine, Severity},
    },
};

fn moment() -> SystemTime {
    let since = Duration::from_millis(1_795_682_253_007);
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap()
}

pub(super) fn log() -> LogFacts {
    LogFacts {
        size: 4096,
        logged: 1,
        lines: vec![LoggedLine {
            time: moment(),
            severity: Severity::Informational,
            text: "ready".into(),
        }],
    }
}

pub(super) fn trustpoints() -> Vec<TrustpointFacts> {
    let lines = |text: &[&str]| text.iter().map(|line| (*line).to_owned()).collect();
    let certificate = |authority, subject: &[&str]| CertificateFacts {
        trustpoint: "IKEv2-TP".into(),
        authority,
        serial: "02".into(),
        subject: subject.join(","),
        subject_lines: lines(subject),
        issuer: "cn=ROOT".into(),
        issuer_lines: lines(&["cn=ROOT"]),
        names: lines(&["DNS:vpn.example.com", "IP:192.0.2.1"]),
        not_before: 1_636_581_530,
        not_after: 1_668_117_530,
        start_date: "21:58:50 UTC Nov 10 2021".into(),
        end_date: "21:58:50 UTC Nov 10 2022".into(),
        version: 3,
        key: "RSA 2048 bits".into(),
        signature_algorithm: "sha256WithRSAEncryption".into(),
        fingerprint_sha1: "01234567 89ABCDEF 01234567 89ABCDEF 01234567".into(),
        key_usage: Some("digitalSignature, keyEncipherment".into()),
        key_usage_bits: Some("A0000000".into()),
        ca: authority.then_some(true),
        subject_key_id: Some("89ABCDEF 01234567 89ABCDEF 01234567 89ABCDEF".into()),
        authority_key_id: Some("0A1B2C3D 4E5F6071 8293A4B5 C6D7E8F9 0A1B2C3D".into()),
        crl_locations: lines(&["http://pki.example.com/root.crl"]),
        public_key: "30820122300D06092A864886F70D01010105000382010F003082010A02820101".into(),
        extended_key_usage: Some(lines(&["serverAuth", "ikeIntermediate"])),
    };
    vec![
        TrustpointFacts {
            name: "IKEv2-TP".into(),
            has_key: true,
            certificate: Some(certificate(false, &["cn=vpn.example.com", "o=Example"])),
            authorities: vec![certificate(true, &["cn=ROOT"])],
        },
        TrustpointFacts {
            name: "EMPTY".into(),
            has_key: false,
            certificate: None,
            authorities: Vec::new(),
        },
    ]
}

/// One that came up, and one for each way to fail.
pub(super) fn attempts() -> Vec<Attempt> {
    let step = |millis, what, passed, detail: Option<&str>| AttemptStep {
        after: Duration::from_millis(millis),
        what,
        passed,
        detail: detail.map(str::to_owned),
    };
    let attempt = |failure: Option<Failure>| Attempt {
        begun: moment(),
        peer: "192.0.2.100:50899".parse().unwrap(),
        identity: Some("*$AnyConnectClient$*".into()),
        user: Some("test".into()),
        profile: Some("AnyConnect-EAP".into()),
        tries: 1,
        steps: vec![
            step(0, StepKind::Init, true, None),
            step(31, StepKind::Profile, true, None),
            step(
                4_207,
                StepKind::Login,
                failure.is_none(),
                Some("wrong\u{1b}[2J password"),
            ),
        ],
        outcome: match failure {
            None => AttemptOutcome::Up,
            Some(Failure::LeftEarly { .. }) => AttemptOutcome::Left,
            Some(_) => AttemptOutcome::Failed,
        },
        failure,
        earlier: Vec::new(),
    };
    let names = |names: &[&str]| names.iter().map(|one| (*one).to_owned()).collect();
    let sides = |group: &[&str]| Transforms {
        encryption: names(&["aes-cbc-256"]),
        integrity: names(&["sha256"]),
        prf: names(&["sha256"]),
        group: names(group),
        esn: Vec::new(),
    };
    let why = || "the reason".to_owned();
    let failures = [
        Failure::NoProfile {
            identity: "key ID \"abc\"".into(),
            nearest: names(&["key-id *$AnyConnectClient$*"]),
            inactive: Vec::new(),
        },
        Failure::NoProfile {
            identity: "key-id \"*$AnyConnectClient$*\"".into(),
            nearest: Vec::new(),
            inactive: vec![InactiveProfile {
                profile: "AnyConnect-EAP".into(),
                why: why(),
            }],
        },
        Failure::TemplateShutDown {
            profile: "AnyConnect-EAP".into(),
            template: "Virtual-Template100".into(),
        },
        Failure::NothingFits {
            protocol: "IKE",
            offered: vec![sides(&["2"])],
            allowed: vec![sides(&["14", "19"])],
            differing: Some(Difference {
                what: "group",
                offered: names(&["2"]),
                allowed: names(&["14", "19"]),
            }),
        },
        Failure::NothingFits {
            protocol: "IKE",
            offered: vec![sides(&["2"])],
            allowed: vec![],
            differing: None,
        },
        Failure::Login {
            user: "test".into(),
            list: "a-eap-authen-local".into(),
            why: "wrong password".into(),
            locked_out: false,
        },
        Failure::Certificate { why: why() },
        Failure::Authorization { why: why() },
        Failure::Child { why: why() },
        Failure::AnswerLost {
            octets: 1_892,
            repeats: 3,
            fragmentation: false,
        },
        Failure::NotGoneOn {
            after: StepKind::Signature,
        },
        Failure::LeftEarly { seconds: 2 },
        Failure::Other { why: why() },
    ];
    let failed = failures.into_iter().map(|failure| attempt(Some(failure)));
    let several = Attempt {
        tries: 3,
        earlier: vec![EarlierFailure {
            failure: Failure::NothingFits {
                protocol: "IKE",
                offered: vec![sides(&["2"])],
                allowed: vec![sides(&["14"])],
                differing: None,
            },
            tries: 2,
            last: moment(),
        }],
        ..attempt(Some(Failure::Other { why: why() }))
    };
    let all = [attempt(None)].into_iter().chain(failed);
    all.chain([several]).collect()
}

#[test]
fn attempts_are_told_with_their_steps_and_one_sentence_each() {
    assert_golden("ikev2_diagnose", &ikev2_diagnose(&attempts(), None));
    let of = |filter| ikev2_diagnose(&attempts(), Some(&filter));
    let none = "No attempts are on record.\n";
    assert_eq!(of(DiagnoseFilter::Username("other".into())), none);
    assert_eq!(of(DiagnoseFilter::Peer(address("192.0.2.101"))), none);
    let all = of(DiagnoseFilter::Peer(address("192.0.2.100")));
    assert_eq!(all, of(DiagnoseFilter::Username("TEST".into())));
    assert_eq!(all.matches("Verdict: ").count(), 15);
    let room = Room {
        most: 160,
        displaced: 3,
    };
    let errors = |attempts: &[Attempt]| ikev2_diagnose_error(attempts, room);
    assert_golden("ikev2_diagnose_error", &errors(&attempts()));
    assert_eq!(
        errors(&[]),
        "Exit Path Table - status: enable, current entry 0, deleted 3, max allow 160\n"
    );
    assert_eq!(ikev2_diagnose(&[], None), none);
}

pub(super) fn terminals() -> Vec<TerminalFacts> {
    let terminal = |user: &str, does, terminal: Option<&str>, idle: Option<u64>| TerminalFacts {
        user: user.into(),
        does,
        terminal: terminal.map(str::to_owned),
        process: Some(4711),
        idle_seconds: idle,
        asks: user == "bob",
    };
    vec![
        terminal("root", "configure", Some("/dev/pts/3"), Some(75)),
        terminal("bob", "idle", Some("/dev/pts/4"), Some(0)),
        terminal("ann", "monitor", None, None),
    ]
}

#[test]
fn users_and_their_lists_are_told() {
    let text = |facts: Facts| facts.text().unwrap();
    assert_golden("users", &text(Facts::Users(state(vec![]), terminals())));
    for (name, which) in [
        ("aaa_method_lists", MethodLists::All),
        ("aaa_method_lists_authorization", MethodLists::Authorization),
    ] {
        assert_golden(name, &text(Facts::AaaMethodLists(configured(), which)));
    }
    let accounting = Facts::AaaMethodLists(configured(), MethodLists::Accounting);
    assert_eq!(text(accounting), "");
}

#[test]
fn certificates_and_trustpoints_are_told() {
    let text = |facts: Facts| facts.text().unwrap();
    let certificates = |verbose| text(Facts::PkiCertificates(trustpoints(), verbose));
    assert_golden("pki_certificates", &certificates(false));
    assert_golden("pki_certificates_verbose", &certificates(true));
    let shown = |status| text(Facts::PkiTrustpoints(trustpoints(), status));
    assert_golden("pki_trustpoints", &shown(false));
    assert_golden("pki_trustpoints_status", &shown(true));
    let ec = text(Facts::MyPublicKeys(trustpoints(), KeyKind::Ec));
    assert!(!ec.contains("RSA"), "{ec}");
    let keys = text(Facts::MyPublicKeys(trustpoints(), KeyKind::Rsa));
    assert_golden("my_public_keys", &keys);
}

/// A client's web page and its ping.
pub(super) fn translations() -> Vec<Translation> {
    let of = |protocol, ports: [u16; 3]| {
        let [local, global, server] = ports;
        let server = SocketAddrV4::new([198, 51, 100, 9].into(), server);
        Translation {
            protocol,
            inside_local: SocketAddrV4::new([192, 168, 10, 8].into(), local),
            inside_global: SocketAddrV4::new([203, 0, 113, 1].into(), global),
            outside_local: server,
            outside_global: server,
        }
    };
    vec![of(1, [1234, 1234, 1234]), of(6, [50_899, 50_899, 443])]
}

/// Of a network, in every state.
pub(super) fn neighbors(ipv6: bool) -> Vec<NeighborFacts> {
    let of = |both: [&str; 2], hardware: Option<[u8; 6]>, device: &str, state, seconds| {
        let [ipv4_address, ipv6_address] = both;
        Neighbour {
            device: device.into(),
            address: address(if ipv6 { ipv6_address } else { ipv4_address }),
            hardware: hardware.map(Vec::from),
            state,
            age: Duration::from_secs(seconds),
        }
    };
    let router = Some([0x02, 0, 0x0A, 0xBB, 0xCC, 1]);
    let device = Some([0x02, 0, 0x0A, 0xBB, 0xCC, 2]);
    use NeighbourState::{Failed, Incomplete, Own, Permanent, Reachable, Stale};
    let mut found = vec![
        of(["192.0.2.1", "fe80::2"], device, "eth0", Own, 0),
        of(["192.0.2.254", "fe80::1"], router, "eth0", Reachable, 59),
        of(["192.0.2.9", "2001:db8::9"], device, "eth0", Stale, 7_260),
        of(["192.0.2.10", "2001:db8::10"], None, "eth0", Incomplete, 0),
        of(["192.0.2.11", "2001:db8::11"], None, "eth0", Failed, 60),
        of(
            ["203.0.113.1", "2001:db8:1::1"],
            device,
            "wan0",
            Permanent,
            0,
        ),
    ];
    // Only ARP tables have the machine itself.
    found.retain(|one| !ipv6 || one.state != Own);
    let interfaces = [("eth0".to_owned(), "GigabitEthernet1".to_owned())];
    NeighborFacts::of(found, &interfaces.into())
}

/// One of each kind.
pub(super) fn interface_facts() -> Vec<InterfaceFacts> {
    let of = |name: &str, address: Option<&str>, method, (status, protocol)| InterfaceFacts {
        name: name.into(),
        description: None,
        address: address.map(str::to_owned),
        prefix_length: address.map(|_| 24),
        unnumbered: name.starts_with("Virtual-").then(|| "Loopback100".into()),
        method,
        status,
        protocol,
        device: None,
        mtu: None,
        nat: None,
        virtual_access: None,
        counters: None,
        cleared_seconds_ago: None,
    };
    let (up, half) = (("up", "up"), ("up", "down"));
    vec![
        InterfaceFacts {
            description: Some("to the provider".into()),
            device: Some("eth0".into()),
            mtu: Some(1500),
            nat: Some("outside"),
            counters: Some(InterfaceCounters {
                packets_input: 12,
                bytes_input: 3_456,
                input_errors: 1,
                input_drops: 2,
                packets_output: 7,
                bytes_output: 890,
                output_errors: 3,
                output_drops: 4,
            }),
            cleared_seconds_ago: Some(3_661),
            ..of("GigabitEthernet1", Some("203.0.113.1"), "other", up)
        },
        of(
            "GigabitEthernet2",
            None,
            "unset",
            ("administratively down", "down"),
        ),
        InterfaceFacts {
            mtu: Some(1514),
            ..of("Loopback100", Some("10.0.0.1"), "NVRAM", up)
        },
        of("Virtual-Template100", Some("10.0.0.1"), "unset", half),
        InterfaceFacts {
            mtu: Some(1400),
            nat: Some("inside"),
            virtual_access: Some(1),
            ..of("Virtual-Access1", Some("10.0.0.1"), "unset", up)
        },
    ]
}

#[test]
fn interfaces_are_told_in_brief_and_in_full_and_by_their_lines() {
    let text = |facts: Facts| facts.text().unwrap();
    assert_golden(
        "ip_interface_brief",
        &text(Facts::InterfaceBrief(interface_facts())),
    );
    let mut described = interface_facts();
    // One that borrows from nobody that has one.
    described.push(InterfaceFacts {
        name: "Virtual-Template7".into(),
        address: None,
        ..described[3].clone()
    });
    assert_golden(
        "interfaces_description",
        &text(Facts::InterfaceDescription(described.clone())),
    );
    assert_golden("ip_interface", &text(Facts::IpInterface(described)));
    let full = text(Facts::Interfaces(interface_facts(), several()));
    assert_golden("interfaces", &full);
    let cleared = State {
        counters_cleared: [(1, Duration::from_secs(61))].into(),
        ..several()
    };
    let told = text(Facts::Interface(cleared, 1));
    assert!(
        told.contains("  Last clearing of \"show interface\" counters 00:01:01\n"),
        "{told}"
    );
    let one = text(Facts::Interface(several(), 1));
    assert!(full.ends_with(&one), "{full}");
    let running = ironflex_profiles::render(&configured().lines);
    let of = |name: &str| lines_of(&running, &InterfaceName::parse(name).unwrap());
    assert_golden(
        "running_config_interface",
        &text(Facts::RunningConfigInterface(of("vt100"))),
    );
    assert_eq!(
        of("gi1"),
        "interface GigabitEthernet1\n no ip address\n ip nat outside\n"
    );
    // Nothing but the whole name is meant.
    assert_eq!([of("lo10"), of("gi2")], [""; 2]);
}

#[test]
fn access_lists_of_both_families_are_told() {
    let lines = "ip access-list standard A\n permit 10.0.0.0 0.255.255.255\n\
        ipv6 access-list B\n permit ipv6 2001:db8::/32 any\n";
    let told = |name: Option<&str>| {
        let mut configured = configured();
        configured.lines = ironflex_profiles::parse(lines, "test").candidate;
        let facts = Facts::AccessLists(configured, name.map(str::to_owned));
        facts.text().unwrap()
    };
    assert_golden("access_lists", &told(None));
    assert!(told(Some("B")).starts_with("IPv6 access list B\n"));
    assert_eq!(told(Some("x")), "");
}

#[test]
fn lists_routes_and_interfaces_are_told() {
    let text = |facts: Facts| facts.text().unwrap();
    assert_golden(
        "ip_access_lists",
        &text(Facts::IpAccessLists(configured(), None)),
    );
    let unknown = Facts::IpAccessLists(configured(), Some("x".into()));
    assert_eq!(text(unknown), "");
    assert_golden(
        "ip_nat_statistics",
        &text(Facts::IpNatStatistics(configured(), Some(2))),
    );
    assert_golden(
        "ip_nat_translations",
        &text(Facts::IpNatTranslations(translations())),
    );
    assert_golden("arp", &text(Facts::Arp(neighbors(false))));
    assert_golden(
        "ipv6_neighbors",
        &text(Facts::Ipv6Neighbors(neighbors(true))),
    );
    assert!(text(Facts::IpNatTranslations(vec![])).ends_with("translations: 0\n"));
    let unknown = Facts::Interface(several(), 9).text();
    assert_eq!(unknown, Err(absent(&NamedInterface::VirtualAccess(9), "")));
    assert_golden(
        "call_admission",
        &text(Facts::CallAdmission(Box::new(statistics()))),
    );
}

/// Of a version that stays.
pub(super) fn version_facts() -> Box<Version> {
    Box::new(Version {
        software: "ironflex",
        version: "1.2.3",
        hostname: "Router".into(),
        uptime: Duration::from_secs(9 * 86_400 + 7_380),
        image: Some("/usr/bin/ironflex".into()),
        kernel: "6.1.0-18-amd64".into(),
        architecture: "x86_64",
        machine: "vpn.example.com".into(),
        dataplane: "kernel",
    })
}

/// A machine at work.
pub(super) fn processor() -> ProcessorFacts {
    let load = |five_seconds, one_minute, five_minutes| Load {
        five_seconds,
        one_minute,
        five_minutes,
    };
    ProcessorFacts {
        machine: load(12.4, 7.6, 3.0),
        interrupts: 9.2,
        process: 4711,
        own: load(1.234, 0.5, 0.0),
        runtime: Duration::from_millis(61_007),
        switches: 2_000,
    }
}

/// A folder with a file and another folder.
pub(super) fn listed() -> Directory {
    let file = |name: &str, number, permissions: &str, size, changed| FileFacts {
        name: name.into(),
        number,
        permissions: permissions.into(),
        size,
        changed,
    };
    Directory {
        files: vec![
            file("IKEv2-TP.p12", 12, "-rw-", 2_629, 1_636_581_530),
            file("archive\u{1b}[2J", 104_417, "drwx", 4_096, 1_486_134_905),
        ],
        total: 1_940_303_872,
        free: 1_036_210_176,
    }
}

#[test]
fn the_house_itself_is_told() {
    let text = |facts: Facts| facts.text().unwrap();
    assert_golden("logging", &text(Facts::Logging(log())));
    let conditions = |peers: &[&str], usernames: &[&str]| {
        text(Facts::DebugCondition(ConditionFacts {
            peers: peers.iter().map(|one| address(one)).collect(),
            usernames: usernames.iter().map(|one| (*one).to_owned()).collect(),
        }))
    };
    assert_golden("debug_condition_none", &conditions(&[], &[]));
    let some = conditions(&["192.0.2.1", "2001:db8::1"], &["test", "other"]);
    assert_golden("debug_condition", &some);
    let mut flags = DebugFlags::default();
    assert_eq!(text(Facts::Debugging(flags)), "");
    for flag in [
        DebugFlag::AaaAuthentication,
        DebugFlag::AaaAuthorization,
        DebugFlag::CryptoIpsec,
        DebugFlag::CryptoPki,
        DebugFlag::Ikev2,
        DebugFlag::Ikev2Error,
        DebugFlag::Ikev2Internal,
        DebugFlag::Ikev2Packet,
    ] {
        flags.set(flag, true);
    }
    assert_golden("debugging", &text(Facts::Debugging(flags)));
    let memory = Memory::read(
        "VmPeak:     4096 kB\nVmHWM:      2048 kB\nVmRSS:      1024 kB\n",
        "MemTotal:       8192 kB\nMemAvailable:   4096 kB\n",
    );
    assert_golden("processes_memory", &text(Facts::Memory(memory)));
    let locked = [("test", 0), ("a\u{1b}[2J name that is longer than", 90)];
    let locked = locked.map(|(user, later)| LockedOutUser {
        user: user.to_owned(),
        since: moment() + Duration::from_secs(later),
    });
    let locked = locked.to_vec();
    assert_golden("aaa_lockout", &text(Facts::AaaLockout(Vec::new())));
    assert_golden("aaa_lockout_two", &text(Facts::AaaLockout(locked)));
    let clock = |standing, detail| text(Facts::Clock(moment(), standing, detail));
    assert_golden("clock", &clock(Standing::Synchronised, false));
    assert_golden("clock_detail", &clock(Standing::Set, true));
    assert!(clock(Standing::Unanswered, false).starts_with('*'));
    let pending = Facts::RollbackTimer(Some(RollbackFacts {
        left: Duration::from_secs(95),
        by: "user 'ann' process '7' from terminal '/dev/pts/3'".into(),
    }));
    assert_golden("archive_config_rollback_timer", &text(pending));
    let numbers = SaNumbers {
        negotiating: 1,
        sessions: 2,
        active: 3,
        created: 9,
        deleted: 5,
        closing: 0,
    };
    assert_golden("ikev2_sa_count", &text(Facts::Ikev2SaCount(numbers)));
    let lists = text(Facts::Ipv6AccessLists(configured(), None));
    assert!(!lists.contains("IP access list "), "{lists}");
    let of = |name: &str, addresses: &[&str], unnumbered: Option<&str>| Ipv6InterfaceFacts {
        name: name.into(),
        status: "up",
        protocol: "up",
        addresses: addresses.iter().map(|&one| one.to_owned()).collect(),
        unnumbered: unnumbered.map(str::to_owned),
    };
    let all = vec![
        of("GigabitEthernet1", &["fe80::1", "2001:db8::1"], None),
        of("Loopback100", &[], None),
        of("Virtual-Template100", &[], Some("Loopback100")),
    ];
    assert_golden(
        "ipv6_interface_brief",
        &text(Facts::Ipv6InterfaceBrief(all)),
    );
    assert_golden("version", &text(Facts::Version(version_facts())));
    assert_golden("inventory", &text(Facts::Inventory(version_facts())));
    assert_golden("isakmp_sa", &text(Facts::IsakmpSa));
    assert_golden("processes_cpu", &text(Facts::Processor(processor())));
    assert_golden("directory", &text(Facts::Directory(listed())));
    let nothing = Facts::Directory(Directory::default());
    assert_eq!(
        text(nothing),
        "Directory of bootflash:/\n\nNo files in directory\n\n0 bytes total (0 bytes free)\n"
    );
    let lines = "!\nhostname Router\n!\nend\n";
    assert_golden("running_config", &text(Facts::RunningConfig(lines.into())));
}

#[test]
fn what_helpers_ask_for_has_every_command_below_its_name_and_goes_on_behind_a_failure() {
    let commands = vec![
        (
            "show ip route",
            Facts::IpRoute(State::default(), Vec::new(), None),
        ),
        ("show broken", Facts::Refused("% broken".into())),
        ("show logging", Facts::Logging(log())),
    ];
    let text = Facts::TechSupport(commands, Secrets::default())
        .text()
        .unwrap();
    let mut from = 0;
    for part in [
        "\n------------------ show ip route ------------------\n\nCodes: L - local, C - connected, S - static, by the headend;\n",
        "\n------------------ show broken ------------------\n\n% broken\n",
        "\n------------------ show logging ------------------\n\nSyslog logging: enabled",
    ] {
        from = usize::saturating_add(from, text[from..].find(part).expect(part));
    }
}

// Somebody has typed his password where his name belongs.
#[test]
fn what_helpers_get_has_no_password_that_somebody_typed_as_his_name() {
    let lines = "username bob password hunter2hunter2\n";
    let secrets = Secrets::of(&ironflex_profiles::parse(lines, "").candidate);
    let mut log = log();
    log.lines.extend(log.lines.first().cloned());
    if let Some(line) = log.lines.last_mut() {
        line.text = "Login failed [user: \"hunter2hunter2\"]".into();
    }
    let commands = vec![("show logging", Facts::Logging(log))];
    let support = Facts::TechSupport(commands, secrets);
    for told in [support.text().unwrap(), support.json().unwrap()] {
        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.contains("Login failed [user: "), "{told}");
        assert!(told.contains("<removed>"), "{told}");
    }
}

/// How long it takes is measured with optimization, by `make bench`.
#[test]
fn ten_thousand_sessions_are_all_told() {
    let one = seed_sa();
    let state = state(vec![one; 10_000]);
    let text = Facts::CryptoSession(state, DETAIL).text().unwrap();
    assert_eq!(text.matches("Session status: ").count(), 10_000);
}
