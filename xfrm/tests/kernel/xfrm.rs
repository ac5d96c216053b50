//! The kernel dataplane: real ESP between two namespaces.
//!
//! ```text
//!  10.1.0.1 [ left: headend ] 192.0.2.1 ════ cable ════ 192.0.2.2 [ right: client ] 10.10.0.5
//! ```

use std::net::UdpSocket;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use ironflex_xfrm::netlink::{
    ALL_ALGORITHMS, CleanupScope, DEVICE_ALIAS, KernelDataplane, KernelOptions, LinkKind,
    Masquerade, Network, NewLink, PoolGuard, Removed, Route, Ruleset, SourceRule, bypass_policies,
    cleanup, missing_algorithms, take_esp_in_udp, xfrm_interfaces,
};
use ironflex_xfrm::{
    AesKeySize, Counters, Dataplane, Direction, DropReason, Encapsulation, Error, EspAlgorithm,
    EspSpi, Event, Integrity, Limits, Object, OuterPath, ReplayWindow, SaKeys, SaPair, SaSpec,
    Selectors, SessionId,
};

use crate::support::{Side, cabled, ip, prefix};
use crate::{Case, Outcome, firewall};

pub(crate) const CASES: &[Case] = &[
    (
        "xfrm::a_kernel_without_esp_is_named_and_left_clean",
        a_kernel_without_esp_is_named_and_left_clean,
    ),
    (
        "xfrm::every_algorithm_carries_packets_bare_and_in_udp",
        every_algorithm_carries_packets_bare_and_in_udp,
    ),
    (
        "xfrm::extended_sequence_numbers_and_every_window_carry_packets",
        extended_numbers_and_windows,
    ),
    (
        "xfrm::ipv6_travels_inside_ipv4_and_ipv4_inside_ipv6",
        families_travel_inside_each_other,
    ),
    (
        "xfrm::a_failed_install_is_undone_in_reverse",
        a_failed_install_is_undone_in_reverse,
    ),
    (
        "xfrm::a_later_session_keeps_the_policies_it_took_over",
        a_later_session_keeps_the_policies_it_took_over,
    ),
    (
        "xfrm::two_clients_behind_one_address_keep_apart",
        two_clients_behind_one_address_keep_apart,
    ),
    (
        "xfrm::a_rekey_loses_no_packet_and_no_count",
        a_rekey_loses_no_packet_and_no_count,
    ),
    (
        "xfrm::a_moved_port_is_told_once_and_followed",
        a_moved_port_is_told_once_and_followed,
    ),
    (
        "xfrm::a_moved_address_keeps_numbers_windows_and_counts",
        a_moved_address_keeps_numbers_windows_and_counts,
    ),
    (
        "xfrm::limits_are_told_and_the_counts_outlive_the_sa",
        limits_are_told_and_the_counts_outlive_the_sa,
    ),
    (
        "xfrm::clear_packets_of_a_session_are_refused",
        clear_packets_of_a_session_are_refused,
    ),
    (
        "xfrm::the_firewall_leaves_alone_what_sas_carry",
        the_firewall_leaves_alone_what_sas_carry,
    ),
    (
        "xfrm::cleanup_clears_a_crash_and_leaves_foreign_sas",
        cleanup_clears_a_crash_and_leaves_foreign_sas,
    ),
    (
        "xfrm::an_interface_ties_sas_and_policies_together",
        an_interface_ties_sas_and_policies_together,
    ),
];

const GCM: EspAlgorithm = EspAlgorithm::AesGcm16(AesKeySize::Aes256);

/// Both ends of the cable with a dataplane each, and what they have open.
struct Lab {
    left: Side,
    right: Side,
    headend: KernelDataplane,
    client: KernelDataplane,
    sockets: Vec<UdpSocket>,
}

impl Lab {
    /// Two namespaces with their inner addresses and routes; `Err` on a kernel that cannot do `needed`.
    fn new(needed: &[EspAlgorithm]) -> Result<Self, Outcome> {
        let (mut left, mut right) = cabled();
        let open = |side: &Side| {
            side.namespace
                .run(|| KernelDataplane::open(KernelOptions::default()))
                .unwrap()
                .unwrap()
        };
        let (mut headend, client) = (open(&left), open(&right));
        if let Some((_, error)) = missing_algorithms(&mut headend, needed).first() {
            return Err(Outcome::Ignored(error.to_string()));
        }
        if left.output("ip", &["-V"]).is_none() {
            return Err(Outcome::Ignored(
                "there is no program ip to look at the kernel with".into(),
            ));
        }
        left.add_address(left.lo, "10.1.0.1/32");
        right.add_address(right.lo, "10.10.0.5/32");
        left.route("10.10.0.5/32", None, Some("10.1.0.1"));
        right.route("10.1.0.1/32", None, Some("10.10.0.5"));
        Ok(Self {
            left,
            right,
            headend,
            client,
            sockets: Vec::new(),
        })
    }

    /// A socket that the kernel takes ESP out of, as IKE has it on port 4500.
    fn open_udp(&mut self, right: bool, address: &str) {
        let side = if right { &self.right } else { &self.left };
        let socket = side
            .namespace
            .run(|| UdpSocket::bind(address).unwrap())
            .unwrap();
        take_esp_in_udp(&socket).unwrap();
        bypass_policies(&socket).unwrap();
        self.sockets.push(socket);
    }

    fn install(&mut self, pair: &SaPair) {
        self.headend.install(pair).unwrap();
        self.client.install(&mirrored(pair)).unwrap();
    }

    fn remove(&mut self, id: SessionId) -> (Counters, Counters) {
        (
            self.headend.remove(id).unwrap(),
            self.client.remove(id).unwrap(),
        )
    }

    /// Pings between the inner addresses, from the client.
    fn ping(&self, octets: usize) -> bool {
        self.right.pings("10.10.0.5", "10.1.0.1", octets)
    }

    /// What iproute2 sees on one side: states, then policies, each in an order of its own. Sockets' own policies are
    /// not listed.
    fn listing(side: &Side) -> (String, String) {
        let sorted = |arguments: &[&str]| {
            let listing = side.output("ip", arguments).unwrap();
            // Every entry begins in the first column.
            let mut entries: Vec<String> = listing
                .split("\nsrc ")
                .map(|entry| entry.trim_end().to_owned())
                .collect();
            if let Some(first) = entries.first_mut() {
                *first = first.trim_start_matches("src ").to_owned();
            }
            entries.sort();
            entries.join("\n")
        };
        (
            sorted(&["xfrm", "state"]),
            sorted(&["xfrm", "policy", "list", "nosock"]),
        )
    }

    fn assert_clean(&self) {
        for side in [&self.left, &self.right] {
            assert_eq!(Self::listing(side), (String::new(), String::new()));
        }
    }
}

fn id(number: u32) -> SessionId {
    SessionId::new(number).unwrap()
}

fn spi(value: u32) -> EspSpi {
    EspSpi::new(value).unwrap()
}

/// An SA whose keys are made from its SPI.
fn spec(value: u32, algorithm: EspAlgorithm) -> SaSpec {
    let key = |octets: usize, salt: u32| -> Vec<u8> {
        (0..octets)
            .map(|at| u8::try_from((value + salt + u32::try_from(at).unwrap() * 7) % 251).unwrap())
            .collect()
    };
    let keys = SaKeys::new(
        algorithm,
        &key(algorithm.encryption_octets(), 1),
        &key(algorithm.integrity_octets(), 101),
    );
    SaSpec {
        spi: spi(value),
        keys: keys.unwrap(),
        esn: false,
        replay_window: ReplayWindow::DEFAULT,
        soft: Limits::NONE,
        hard: Limits::NONE,
    }
}

const UDP: Encapsulation = Encapsulation::Udp {
    local_port: 4500,
    remote_port: 4500,
};

/// The headend's side of a session with the client at 10.10.0.5.
fn pair(number: u32, algorithm: EspAlgorithm, encapsulation: Encapsulation) -> SaPair {
    let base = 0x1000 + number * 0x10;
    SaPair {
        id: id(number),
        path: OuterPath {
            local: ip("192.0.2.1"),
            remote: ip("192.0.2.2"),
            encapsulation,
        },
        selectors: Selectors {
            local: vec![prefix("0.0.0.0/0")],
            remote: vec![prefix("10.10.0.5/32")],
        },
        inbound: spec(base, algorithm),
        outbound: spec(base + 1, algorithm),
        follow_peer: true,
        if_id: None,
    }
}

/// The same session seen from the client, which sends everything through it.
fn mirrored(pair: &SaPair) -> SaPair {
    let encapsulation = match pair.path.encapsulation {
        Encapsulation::None => Encapsulation::None,
        Encapsulation::Udp {
            local_port,
            remote_port,
        } => Encapsulation::Udp {
            local_port: remote_port,
            remote_port: local_port,
        },
    };
    SaPair {
        id: pair.id,
        path: OuterPath {
            local: pair.path.remote,
            remote: pair.path.local,
            encapsulation,
        },
        selectors: Selectors {
            local: pair.selectors.remote.clone(),
            remote: pair.selectors.local.clone(),
        },
        inbound: pair.outbound.clone(),
        outbound: pair.inbound.clone(),
        follow_peer: false,
        if_id: None,
    }
}

/// The next event of a dataplane, which must come.
fn event(dataplane: &mut KernelDataplane) -> Event {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(event) = dataplane.poll_event() {
            return event;
        }
        let left = until.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "no event came");
        wait_readable(dataplane, left);
    }
}

fn wait_readable(dataplane: &KernelDataplane, limit: Duration) {
    let fd = dataplane.event_fd().unwrap();
    let timeout = rustix::time::Timespec::try_from(limit).unwrap();
    rustix::event::poll(
        &mut [rustix::event::PollFd::new(
            &fd,
            rustix::event::PollFlags::IN,
        )],
        Some(&timeout),
    )
    .unwrap();
}

fn a_kernel_without_esp_is_named_and_left_clean() -> Outcome {
    let (left, _right) = cabled();
    let mut dataplane = left
        .namespace
        .run(|| KernelDataplane::open(KernelOptions::default()))
        .unwrap()
        .unwrap();
    let missing = missing_algorithms(&mut dataplane, &ALL_ALGORITHMS);
    if missing.is_empty() {
        return Outcome::Ignored("the kernel has ESP with every algorithm".into());
    }
    for (algorithm, error) in &missing {
        assert!(
            matches!(error, Error::Unsupported(_)),
            "{algorithm}: {error}"
        );
    }
    let error = dataplane
        .install(&pair(1, missing[0].0, Encapsulation::None))
        .unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
    assert_eq!(dataplane.counters(id(1)), Err(Error::NoSuchSession(id(1))));
    assert!(
        left.namespace
            .run(|| cleanup(CleanupScope::Everything))
            .unwrap()
            .unwrap()
            .is_empty()
    );
    Outcome::Passed
}

fn every_algorithm_carries_packets_bare_and_in_udp() -> Outcome {
    let mut lab = match Lab::new(&ALL_ALGORITHMS) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    lab.open_udp(false, "192.0.2.1:4500");
    lab.open_udp(true, "192.0.2.2:4500");
    let mut number = 1;
    for algorithm in ALL_ALGORITHMS {
        for encapsulation in [Encapsulation::None, UDP] {
            lab.install(&pair(number, algorithm, encapsulation));
            let sizes = [0, 1, 56, 1300];
            for octets in sizes {
                assert!(lab.ping(octets), "{algorithm} {encapsulation:?} {octets}");
            }
            let (headend, client) = lab.remove(id(number));
            let octets: u64 = sizes
                .iter()
                .map(|octets| 28 + u64::try_from(*octets).unwrap())
                .sum();
            for (ours, theirs) in [
                (headend.inbound, client.outbound),
                (headend.outbound, client.inbound),
            ] {
                assert_eq!(
                    (ours.packets, ours.bytes),
                    (4, octets),
                    "{algorithm} {encapsulation:?}"
                );
                assert_eq!(ours, theirs, "{algorithm} {encapsulation:?}");
                assert_eq!(ours.drops.total(), 0);
            }
            lab.assert_clean();
            number += 1;
        }
    }
    Outcome::Passed
}

fn extended_numbers_and_windows() -> Outcome {
    let cbc = EspAlgorithm::AesCbcHmac {
        key_size: AesKeySize::Aes256,
        integrity: Integrity::HmacSha256_128,
    };
    let mut lab = match Lab::new(&[GCM, cbc]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    let mut number = 1;
    for algorithm in [GCM, cbc] {
        for esn in [false, true] {
            for window in [0, 64, 100, 1024] {
                let mut pair = pair(number, algorithm, Encapsulation::None);
                for sa in [&mut pair.inbound, &mut pair.outbound] {
                    sa.esn = esn;
                    sa.replay_window = ReplayWindow::new(window).unwrap();
                }
                lab.install(&pair);
                for _ in 0..3 {
                    assert!(lab.ping(100), "{algorithm} esn {esn} window {window}");
                }
                let states = Lab::listing(&lab.left).0;
                let width = if esn && window == 0 { 1024 } else { window };
                if width > 0 {
                    assert!(
                        states.contains(&format!("replay_window {width},")),
                        "{states}"
                    );
                }
                assert_eq!(states.contains("flag af-unspec esn"), esn, "{states}");
                lab.remove(id(number));
                lab.assert_clean();
                number += 1;
            }
        }
    }
    Outcome::Passed
}

fn families_travel_inside_each_other() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    lab.left.add_address(lab.left.lo, "2001:db8:1::1/128");
    lab.right.add_address(lab.right.lo, "2001:db8:10::5/128");
    lab.left.route("2001:db8:10::5/128", None, None);
    lab.right.route("2001:db8:1::1/128", None, None);
    let v6_path = OuterPath {
        local: ip("2001:db8:2::1"),
        remote: ip("2001:db8:2::2"),
        encapsulation: Encapsulation::None,
    };
    for (number, path) in [(1, pair(1, GCM, Encapsulation::None).path), (2, v6_path)] {
        let mut pair = pair(number, GCM, Encapsulation::None);
        pair.path = path;
        pair.selectors.local.push(prefix("::/0"));
        pair.selectors.remote.push(prefix("2001:db8:10::5/128"));
        lab.install(&pair);
        assert!(lab.ping(500), "IPv4 over {}", path.local);
        assert!(
            lab.right.pings("2001:db8:10::5", "2001:db8:1::1", 500),
            "IPv6 over {}",
            path.local
        );
        let (headend, _) = lab.remove(id(number));
        assert_eq!(
            (headend.inbound.packets, headend.outbound.packets),
            (2, 2),
            "over {}",
            path.local
        );
        lab.assert_clean();
    }
    Outcome::Passed
}

fn a_failed_install_is_undone_in_reverse() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    let pair = pair(1, GCM, Encapsulation::None);

    // Someone else's policy for the last of ours, and later someone else's SA in the place of the outbound one, which
    // comes after everything else.
    let policy = ["src", "0.0.0.0/0", "dst", "10.10.0.5/32", "dir", "out"];
    let add = [["xfrm", "policy", "add"].as_slice(), &policy].concat();
    lab.left.output("ip", &add).unwrap();
    let before = Lab::listing(&lab.left);
    assert_eq!(
        lab.headend.install(&pair),
        Err(Error::Exists(Object::Policy))
    );
    assert_eq!(Lab::listing(&lab.left), before);
    let delete = [["xfrm", "policy", "delete"].as_slice(), &policy].concat();
    lab.left.output("ip", &delete).unwrap();

    let foreign_spi = format!("{:#x}", pair.outbound.spi.value());
    let key = format!("0x{}", "77".repeat(20));
    let state = [
        "src",
        "192.0.2.1",
        "dst",
        "192.0.2.2",
        "proto",
        "esp",
        "spi",
        &foreign_spi,
    ];
    let algorithm = [
        "mode",
        "tunnel",
        "reqid",
        "1",
        "aead",
        "rfc4106(gcm(aes))",
        &key,
        "128",
    ];
    lab.left
        .output(
            "ip",
            &[["xfrm", "state", "add"].as_slice(), &state, &algorithm].concat(),
        )
        .unwrap();
    let before = Lab::listing(&lab.left);
    assert_eq!(
        lab.headend.install(&pair),
        Err(Error::Exists(Object::Outbound(pair.outbound.spi)))
    );
    assert_eq!(
        Lab::listing(&lab.left),
        before,
        "the foreign SA is untouched, and nothing of ours is there"
    );
    lab.left
        .output(
            "ip",
            &[["xfrm", "state", "delete"].as_slice(), &state].concat(),
        )
        .unwrap();

    // A session that was about to take over policies gives them back.
    lab.install(&pair);
    assert!(lab.ping(100));
    let mut second = super::xfrm::pair(2, GCM, Encapsulation::None);
    second.outbound.spi = pair.outbound.spi;
    let before = Lab::listing(&lab.left).1;
    assert_eq!(
        lab.headend.install(&second),
        Err(Error::Exists(Object::Outbound(pair.outbound.spi)))
    );
    assert_eq!(Lab::listing(&lab.left).1, before);
    assert!(lab.ping(100));
    assert_eq!(
        lab.headend.install(&pair),
        Err(Error::Exists(Object::Session(id(1))))
    );
    second.inbound.spi = pair.inbound.spi;
    assert_eq!(
        lab.headend.install(&second),
        Err(Error::Exists(Object::Inbound(pair.inbound.spi)))
    );
    lab.remove(id(1));
    lab.assert_clean();
    Outcome::Passed
}

fn a_later_session_keeps_the_policies_it_took_over() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    lab.install(&pair(1, GCM, Encapsulation::None));
    assert!(lab.ping(100));
    lab.install(&pair(2, GCM, Encapsulation::None));
    assert!(lab.ping(100));
    assert_eq!(
        lab.headend.counters(id(2)).unwrap().inbound.packets,
        1,
        "the new session carries it"
    );
    lab.remove(id(1));
    assert!(lab.ping(100));
    lab.remove(id(2));
    lab.assert_clean();
    assert_eq!(lab.headend.remove(id(2)), Err(Error::NoSuchSession(id(2))));
    Outcome::Passed
}

fn two_clients_behind_one_address_keep_apart() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    lab.open_udp(false, "192.0.2.1:4500");
    lab.open_udp(true, "192.0.2.2:4500");
    lab.open_udp(true, "192.0.2.2:4501");
    lab.right.add_address(lab.right.lo, "10.10.0.6/32");
    lab.left.route("10.10.0.6/32", None, Some("10.1.0.1"));
    let first = pair(1, GCM, UDP);
    let mut second = pair(
        2,
        GCM,
        Encapsulation::Udp {
            local_port: 4500,
            remote_port: 4501,
        },
    );
    second.selectors.remote = vec![prefix("10.10.0.6/32")];
    lab.install(&first);
    lab.install(&second);
    for _ in 0..3 {
        assert!(lab.left.pings("10.1.0.1", "10.10.0.5", 100));
    }
    assert!(lab.left.pings("10.1.0.1", "10.10.0.6", 100));
    let (one, _) = lab.remove(id(1));
    let (two, _) = lab.remove(id(2));
    assert_eq!((one.outbound.packets, one.inbound.packets), (3, 3));
    assert_eq!((two.outbound.packets, two.inbound.packets), (1, 1));
    lab.assert_clean();
    Outcome::Passed
}

fn a_rekey_loses_no_packet_and_no_count() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    let pair = pair(1, GCM, Encapsulation::None);
    lab.install(&pair);
    assert!(lab.ping(100));
    let (to_headend, to_client) = (spec(0x2000, GCM), spec(0x2001, GCM));
    lab.headend.add_inbound(id(1), &to_headend).unwrap();
    assert_eq!(
        lab.headend.add_inbound(id(1), &to_headend),
        Err(Error::Exists(Object::Inbound(to_headend.spi)))
    );
    lab.client.add_inbound(id(1), &to_client).unwrap();
    lab.client.replace_outbound(id(1), &to_headend).unwrap();
    assert!(lab.ping(100), "the headend still sends on its old SA");
    lab.headend.replace_outbound(id(1), &to_client).unwrap();
    assert!(lab.ping(100));
    lab.headend.remove_inbound(id(1), pair.inbound.spi).unwrap();
    assert_eq!(
        lab.headend.remove_inbound(id(1), pair.inbound.spi),
        Err(Error::NoSuchSa {
            id: id(1),
            spi: pair.inbound.spi
        })
    );
    lab.client.remove_inbound(id(1), pair.outbound.spi).unwrap();
    assert!(lab.ping(100));
    let (headend, client) = lab.remove(id(1));
    assert_eq!((headend.inbound.packets, headend.outbound.packets), (4, 4));
    assert_eq!((client.inbound.packets, client.outbound.packets), (4, 4));
    lab.assert_clean();
    Outcome::Passed
}

fn a_moved_port_is_told_once_and_followed() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    for (right, address) in [
        (false, "192.0.2.1:4500"),
        (true, "192.0.2.2:4500"),
        (true, "192.0.2.2:61234"),
    ] {
        lab.open_udp(right, address);
    }
    let pair = pair(1, GCM, UDP);
    lab.install(&pair);
    assert!(lab.ping(100));
    assert_eq!(lab.headend.poll_event(), None);

    // As behind a NAT that forgot: the same client from another port.
    let moved = OuterPath {
        encapsulation: Encapsulation::Udp {
            local_port: 61_234,
            remote_port: 4500,
        },
        ..mirrored(&pair).path
    };
    lab.client.move_peer(id(1), moved).unwrap();
    for _ in 0..3 {
        // The answer still goes to the old port, where the client's SA no longer expects it but takes it all the same.
        lab.ping(100);
    }
    let remote = "192.0.2.2:61234".parse().unwrap();
    assert_eq!(
        event(&mut lab.headend),
        Event::PeerMoved { id: id(1), remote }
    );
    assert_eq!(lab.headend.poll_event(), None, "told once");
    let before = lab.headend.counters(id(1)).unwrap();
    lab.headend
        .move_peer(id(1), pair.path.with_remote_udp(remote))
        .unwrap();
    assert!(lab.ping(100));
    assert_eq!(lab.headend.poll_event(), None, "it is where we think it is");
    let after = lab.headend.counters(id(1)).unwrap();
    assert_eq!(
        after.inbound.packets,
        before.inbound.packets + 1,
        "the SA is the same one"
    );
    let states = Lab::listing(&lab.left).0;
    assert!(
        states.contains("sport 4500 dport 61234") && states.contains("sport 61234 dport 4500"),
        "{states}"
    );
    lab.remove(id(1));
    lab.assert_clean();
    Outcome::Passed
}

fn a_moved_address_keeps_numbers_windows_and_counts() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    lab.right.add_address(lab.right.cable, "192.0.2.3/24");
    for (right, address) in [
        (false, "192.0.2.1:4500"),
        (true, "192.0.2.2:4500"),
        (true, "192.0.2.3:4500"),
    ] {
        lab.open_udp(right, address);
    }
    for (number, esn) in [(1, false), (2, true)] {
        let mut pair = pair(number, GCM, UDP);
        (pair.inbound.esn, pair.outbound.esn) = (esn, esn);
        lab.install(&pair);
        // More than a window, so that sequence numbers that began again would be refused as too old.
        for _ in 0..100 {
            assert!(lab.ping(10));
        }
        let client_path = mirrored(&pair).path;
        let moved = OuterPath {
            local: ip("192.0.2.3"),
            ..client_path
        };
        lab.client.move_peer(id(number), moved).unwrap();
        lab.ping(10);
        let remote = "192.0.2.3:4500".parse().unwrap();
        assert_eq!(
            event(&mut lab.headend),
            Event::PeerMoved {
                id: id(number),
                remote
            }
        );
        lab.headend
            .move_peer(id(number), pair.path.with_remote_udp(remote))
            .unwrap();
        assert!(lab.ping(10));
        let states = Lab::listing(&lab.left).0;
        assert!(!states.contains("192.0.2.2"), "{states}");
        let sent = oseq(&states);
        assert!(
            sent.iter().all(|numbers| *numbers < 200),
            "no number was left out: {sent:?}"
        );
        assert!(
            sent.iter().any(|numbers| *numbers >= 100),
            "nor used again: {sent:?}"
        );
        assert!(
            !Lab::listing(&lab.left).1.contains("192.0.2.2"),
            "the templates follow"
        );

        // And from UDP to bare ESP at its old address.
        let bare = OuterPath {
            encapsulation: Encapsulation::None,
            ..pair.path
        };
        lab.headend.move_peer(id(number), bare).unwrap();
        lab.client
            .move_peer(
                id(number),
                OuterPath {
                    encapsulation: Encapsulation::None,
                    ..client_path
                },
            )
            .unwrap();
        assert!(lab.ping(10));

        let (headend, client) = lab.remove(id(number));
        // The answer to the one ping between the two moves went to an address whose SA was gone.
        assert_eq!(
            (headend.inbound.packets, headend.outbound.packets),
            (103, 103),
            "esn {esn}"
        );
        assert_eq!(
            (client.inbound.packets, client.outbound.packets),
            (102, 103),
            "esn {esn}"
        );
        assert_eq!(headend.inbound.drops.of(DropReason::Replayed), 0);
        assert_eq!(client.inbound.drops.of(DropReason::Replayed), 0);
        lab.assert_clean();
    }
    Outcome::Passed
}

/// The sequence numbers last sent, of every SA in a listing of iproute2.
fn oseq(states: &str) -> Vec<u32> {
    let numbers = states.split("oseq 0x").skip(1);
    numbers
        .map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
            u32::from_str_radix(&digits, 16).unwrap()
        })
        .collect()
}

fn limits_are_told_and_the_counts_outlive_the_sa() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    let mut pair = pair(1, GCM, Encapsulation::None);
    pair.outbound.soft.packets = NonZeroU64::new(3);
    pair.outbound.hard.packets = NonZeroU64::new(6);
    lab.headend.install(&pair).unwrap();
    let mut client = mirrored(&pair);
    (client.inbound.soft, client.inbound.hard) = (Limits::NONE, Limits::NONE);
    lab.client.install(&client).unwrap();
    for _ in 0..4 {
        assert!(lab.ping(10));
    }
    let (spi, direction) = (pair.outbound.spi, Direction::Outbound);
    assert_eq!(
        event(&mut lab.headend),
        Event::SoftExpired {
            id: id(1),
            spi,
            direction
        }
    );
    assert_eq!(lab.headend.poll_event(), None, "once");
    for _ in 0..3 {
        lab.left.pings_in_vain("10.1.0.1", "10.10.0.5");
    }
    assert_eq!(
        event(&mut lab.headend),
        Event::HardExpired {
            id: id(1),
            spi,
            direction
        }
    );
    let counters = lab.headend.remove(id(1)).unwrap();
    assert!((5..=6).contains(&counters.outbound.packets), "{counters:?}");
    lab.client.remove(id(1)).unwrap();
    lab.assert_clean();
    Outcome::Passed
}

fn clear_packets_of_a_session_are_refused() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    assert!(lab.ping(10), "in clear, since there is no session yet");
    let pair = pair(1, GCM, Encapsulation::None);
    lab.headend.install(&pair).unwrap();
    let before = lab
        .headend
        .unmatched()
        .unwrap()
        .of(DropReason::SelectorMismatch);
    assert!(lab.right.pings_in_vain("10.10.0.5", "10.1.0.1"));
    let refused = lab
        .headend
        .unmatched()
        .unwrap()
        .of(DropReason::SelectorMismatch)
        - before;
    if std::path::Path::new("/proc/net/xfrm_stat").exists() {
        assert_eq!(refused, 1);
    }
    lab.headend.remove(id(1)).unwrap();
    assert!(lab.ping(10));
    Outcome::Passed
}

fn the_firewall_leaves_alone_what_sas_carry() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    let ruleset = |kernel_ipsec| Ruleset {
        masquerades: vec![Masquerade {
            outside: "cable".into(),
            sources: vec![SourceRule {
                network: prefix("10.0.0.0/8"),
                permit: true,
            }],
            kernel_ipsec,
        }],
        guard: Some(PoolGuard {
            pools: vec![prefix("10.10.0.0/16")],
            carriers: vec![],
            kernel_ipsec,
        }),
    };
    let mut firewall = match firewall::apply(&lab.left, &ruleset(true)) {
        Ok(firewall) => firewall,
        Err(outcome) => return outcome,
    };
    assert!(
        lab.right.pings_in_vain("10.10.0.5", "10.1.0.1"),
        "a pool address in clear, before the session"
    );
    let pair = pair(1, GCM, Encapsulation::None);
    lab.install(&pair);
    assert!(lab.ping(100));
    assert!(lab.left.pings("10.1.0.1", "10.10.0.5", 100), "untranslated");
    assert_eq!(lab.headend.counters(id(1)).unwrap().outbound.packets, 2);
    // What the conditions on IPsec are for.
    firewall.replace(&ruleset(false)).unwrap();
    assert!(lab.right.pings_in_vain("10.10.0.5", "10.1.0.1"));
    firewall.replace(&ruleset(true)).unwrap();
    assert!(lab.ping(100));

    lab.headend.remove(id(1)).unwrap();
    lab.client.remove(id(1)).unwrap();
    lab.assert_clean();
    assert!(
        lab.left.pings_in_vain("10.1.0.1", "10.10.0.5"),
        "nor after it"
    );
    firewall.delete().unwrap();
    assert!(
        lab.left.pings("10.1.0.1", "10.10.0.5", 10),
        "only the table was in the way"
    );
    Outcome::Passed
}

fn cleanup_clears_a_crash_and_leaves_foreign_sas() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    let key = format!("0x{}", "77".repeat(20));
    lab.left
        .output(
            "ip",
            &[
                "xfrm",
                "state",
                "add",
                "src",
                "192.0.2.9",
                "dst",
                "192.0.2.1",
                "proto",
                "esp",
                "spi",
                "0x9999",
                "mode",
                "tunnel",
                "reqid",
                "1",
                "aead",
                "rfc4106(gcm(aes))",
                &key,
                "128",
            ],
        )
        .unwrap();
    lab.left
        .output(
            "ip",
            &[
                "xfrm",
                "policy",
                "add",
                "src",
                "10.98.0.1",
                "dst",
                "10.98.0.2",
                "dir",
                "out",
                "tmpl",
                "proto",
                "esp",
                "reqid",
                "1",
            ],
        )
        .unwrap();
    let before = Lab::listing(&lab.left);
    lab.headend
        .install(&pair(1, GCM, Encapsulation::None))
        .unwrap();
    lab.headend.install(&pair(2, GCM, UDP)).unwrap();
    assert_ne!(Lab::listing(&lab.left), before);
    // Forgotten, as by a crash.
    lab.headend = lab
        .left
        .namespace
        .run(|| KernelDataplane::open(KernelOptions::default()))
        .unwrap()
        .unwrap();
    let removed = lab
        .left
        .namespace
        .run(|| cleanup(CleanupScope::KeepGuards))
        .unwrap()
        .unwrap();
    // Two sessions with the same selectors: three policies, and the one route of the laboratory.
    assert_eq!(
        removed,
        Removed {
            routes: 1,
            policies: 3,
            states: 4,
            ..Removed::default()
        }
    );
    assert_eq!(Lab::listing(&lab.left), before);
    Outcome::Passed
}

fn an_interface_ties_sas_and_policies_together() -> Outcome {
    let mut lab = match Lab::new(&[GCM]) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    if !xfrm_interfaces(&mut lab.left.network).unwrap() {
        return Outcome::Ignored("the kernel has no xfrm interfaces".into());
    }
    let if_id = NonZeroU32::new(7);
    let kind = LinkKind::Xfrm {
        if_id: 7,
        underlying: None,
    };
    let new = NewLink {
        name: "ironflex1".into(),
        alias: Some(DEVICE_ALIAS.into()),
        kind,
    };
    let tunnel = lab.left.network.create_link(&new).unwrap();
    lab.left.network.set_up(tunnel, true).unwrap();
    let cable_route = lab.left.network.routes().unwrap()[0];
    lab.left.network.delete_route(&cable_route).unwrap();
    let mut network = lab.left.namespace.run(Network::open).unwrap().unwrap();
    network
        .add_route(&Route {
            source: Some(ip("10.1.0.1")),
            ..Route::session(prefix("10.10.0.0/16"), tunnel)
        })
        .unwrap();

    let pair = SaPair {
        if_id,
        ..pair(1, GCM, Encapsulation::None)
    };
    lab.install(&pair);
    assert!(lab.ping(1000));
    assert!(lab.left.pings("10.1.0.1", "10.10.0.5", 1000));
    let (headend, _) = lab.remove(id(1));
    assert_eq!((headend.inbound.packets, headend.outbound.packets), (2, 2));
    lab.assert_clean();

    // A crash with the interface in use.
    lab.headend.install(&pair).unwrap();
    let removed = lab
        .left
        .namespace
        .run(|| cleanup(CleanupScope::Everything))
        .unwrap()
        .unwrap();
    let expected = Removed {
        routes: 1,
        policies: 3,
        states: 2,
        links: vec!["ironflex1".into()],
        table: false,
    };
    assert_eq!(removed, expected);
    Outcome::Passed
}
