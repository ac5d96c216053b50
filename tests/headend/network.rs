//! Whose packets go where: hairpin, full tunnel, address translation, forged sources.

use std::{
    fs,
    net::{IpAddr, UdpSocket},
};

use ironflex_xfrm::{
    AesKeySize, Dataplane, Encapsulation, EspAlgorithm, EspSpi, Integrity, IpPrefix, Limits,
    OuterPath, ReplayWindow, SaKeys, SaPair, SaSpec, Selectors, SessionId,
    esp::{Tun, Userspace},
};
use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{
        HEADEND, INSIDE, LOOPBACK, Lab, OUTSIDE, OUTSIDE_DEVICE, OUTSIDE_INTERFACE, USER,
        connected, ip,
    },
    pki::PASSWORD,
    traffic::{Echo, ask, copy, has_no_way, tell},
};

pub(crate) const CASES: &[Case] = &[
    (
        "network::clients_of_a_full_tunnel_reach_each_other_and_the_headend",
        clients_of_a_full_tunnel_reach_each_other_and_the_headend,
    ),
    (
        "network::clients_leave_the_outside_interface_with_its_address",
        clients_leave_the_outside_interface_with_its_address,
    ),
    (
        "network::a_client_cannot_send_as_another",
        a_client_cannot_send_as_another,
    ),
    (
        "network::plaintext_with_an_address_of_the_pool_is_dropped",
        plaintext_with_an_address_of_the_pool_is_dropped,
    ),
    (
        "network::an_address_of_the_pool_without_a_session_leads_nowhere",
        an_address_of_the_pool_without_a_session_leads_nowhere,
    ),
];

fn clients_of_a_full_tunnel_reach_each_other_and_the_headend() {
    let lab = Lab::new();
    lab.tunnel_everything();
    let (one, other) = (lab.client(), lab.client());
    // The tunnel's routes have to win over a way to everywhere, and the headend has to stay beside them.
    one.host.route(IpPrefix::ANY_V4, one.router);
    let headend = lab.start();
    let (mut first, tunnel) = lab.log_in(&one, USER);
    let (_second, far) = lab.log_in(&other, USER);
    assert_eq!(tunnel.routes, ["0.0.0.0/1", "128.0.0.0/1"]);
    headend.nth_line(2, "Crypto tunnel v2 is UP.");

    let server = Echo::tcp(&other.host.namespace, far.address);
    copy(&one.host.namespace, server.address, 2 << 20);
    assert_eq!(server.asker(), tunnel.address);
    let server = Echo::udp(&lab.headend.namespace, LOOPBACK);
    ask(&one.host.namespace, tunnel.address, server.address);
    assert_eq!(server.asker(), tunnel.address);

    assert_eq!(first.end_by(Signal::SIGINT), Some(0));
    // The way to everywhere is back: the question comes in clear.
    ask(&one.host.namespace, one.outer, server.address);
    assert_eq!(server.asker(), one.outer);
}

fn clients_leave_the_outside_interface_with_its_address() {
    let lab = Lab::new();
    lab.tunnel_everything();
    let (inside, outside, client) = (lab.inside(), lab.outside(), lab.client());
    let tie = format!("GigabitEthernet1={OUTSIDE_DEVICE}");
    let headend = lab.start_with(&["--device", &tie]);
    assert!(
        !headend.output().contains("has no effect"),
        "{}",
        headend.output()
    );
    let (_process, tunnel) = lab.log_in(&client, USER);
    let server = Echo::tcp(&outside.namespace, OUTSIDE);
    copy(&client.host.namespace, server.address, 1 << 20);
    assert_eq!(server.asker(), OUTSIDE_INTERFACE);
    // Only what leaves by that interface is translated.
    let server = Echo::tcp(&inside.namespace, INSIDE);
    copy(&client.host.namespace, server.address, 1 << 10);
    assert_eq!(server.asker(), tunnel.address);
    // The tied device's own address is never touched.
    assert!(lab.headend.has_address(OUTSIDE_INTERFACE));
}

/// One direction of ESP out of a key table.
struct EspLine {
    source: IpAddr,
    spec: SaSpec,
}

/// Reads Wireshark's table of ESP SAs, as `--keylog` writes it for the example's transform set.
fn read_esp_table(text: &str) -> Vec<EspLine> {
    let octets = |hex: &str| -> Vec<u8> {
        let digits = hex.strip_prefix("0x").unwrap().as_bytes();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|two| pair(two).unwrap()).collect()
    };
    let line = |line: &str| {
        let fields: Vec<&str> = line
            .split(',')
            .map(|field| field.trim_matches('"'))
            .collect();
        let spi = u32::from_str_radix(fields[3].strip_prefix("0x").unwrap(), 16).unwrap();
        let algorithm = EspAlgorithm::AesCbcHmac {
            key_size: AesKeySize::Aes256,
            integrity: Integrity::HmacSha256_128,
        };
        let keys = SaKeys::new(algorithm, &octets(fields[5]), &octets(fields[7]));
        EspLine {
            source: ip(fields[1]),
            spec: SaSpec {
                spi: EspSpi::new(spi).unwrap(),
                keys: keys.unwrap(),
                esn: false,
                replay_window: ReplayWindow::MAX,
                soft: Limits::NONE,
                hard: Limits::NONE,
            },
        }
    };
    text.lines().map(line).collect()
}

/// The port from which a client at `outer` speaks with the headend.
fn peer_port(lab: &Lab, outer: IpAddr) -> u16 {
    let detail = lab.exec("show crypto session detail");
    let (_, after) = detail.split_once(&format!("Peer: {outer} port ")).unwrap();
    after.split_whitespace().next().unwrap().parse().unwrap()
}

/// The client is replaced by one of our own with the same keys that sends whatever it is given: the headend alone can
/// stop it.
// RFC 3948 §3.1.1#1: a client has the source address that it was given, and no other.
fn a_client_cannot_send_as_another() {
    let lab = Lab::new();
    let (inside, client, other) = (lab.inside(), lab.client(), lab.client());
    let headend = lab.start();
    let server = Echo::udp(&inside.namespace, INSIDE);
    let (_victim, victim_tunnel) = lab.log_in(&other, USER);
    let folder = lab.name("keys");
    let login = [USER, PASSWORD];
    let arguments = ["--keylog", folder.as_str()];
    let mut process = lab.connect_to(&HEADEND.to_string(), &client, login, &arguments);
    let tunnel = connected(&process);
    headend.nth_line(2, "Crypto tunnel v2 is UP.");
    let port = peer_port(&lab, client.outer);
    // Without a Delete; and without a packet, so that the sequence numbers are all unused still.
    process.end_by(Signal::SIGKILL);
    // What a killed client leaves lets nothing out with the tunnel's address, ours neither.
    client.host.delete_rules();

    let mut table = read_esp_table(&fs::read_to_string(lab.path("keys/esp_sa")).unwrap());
    let (outbound, inbound) = match (table.pop(), table.pop(), table.pop()) {
        (Some(one), Some(two), None) if one.source == client.outer => (one.spec, two.spec),
        (Some(one), Some(two), None) => (two.spec, one.spec),
        _ => panic!("two SAs expected in the table"),
    };
    let pair = SaPair {
        id: SessionId::new(1).unwrap(),
        path: OuterPath {
            local: client.outer,
            remote: HEADEND,
            encapsulation: Encapsulation::Udp {
                local_port: port,
                remote_port: 4500,
            },
        },
        selectors: Selectors {
            local: vec![IpPrefix::ANY_V4],
            remote: vec![IpPrefix::ANY_V4],
        },
        inbound,
        outbound,
        follow_peer: false,
        if_id: None,
    };
    let start = || {
        let tun = Tun::create("forger", 1400).unwrap();
        let socket = UdpSocket::bind((client.outer, port)).unwrap();
        Userspace::start(vec![socket], tun, Box::new(|_| ())).unwrap()
    };
    let mut engine = client.host.namespace.run(start).unwrap();
    engine.install(&pair).unwrap();
    client.host.set_up("forger");
    for address in [tunnel.address, victim_tunnel.address, ip("10.9.9.9")] {
        client.host.add_address("forger", address, 32);
    }
    client.host.route_onto(IpPrefix::host(INSIDE), "forger");

    // Everything takes one way in one order: had a forged one come through, it would be the first.
    for forged in [victim_tunnel.address, ip("10.9.9.9")] {
        tell(&client.host.namespace, forged, server.address);
    }
    ask(&client.host.namespace, tunnel.address, server.address);
    assert_eq!(server.asker(), tunnel.address);
    let detail = lab.exec("show crypto session detail");
    assert!(detail.contains("#pkts dec'ed 1 drop 2"), "{detail}");
}

fn plaintext_with_an_address_of_the_pool_is_dropped() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let forged = ip("192.168.10.5");
    client.host.add_address("lo", forged, 32);
    client.host.route(IpPrefix::host(INSIDE), client.router);
    let server = Echo::udp(&inside.namespace, INSIDE);
    // Without a headend it gets there, which is what makes the second half mean something.
    tell(&client.host.namespace, forged, server.address);
    assert_eq!(server.asker(), forged);

    let _headend = lab.start();
    tell(&client.host.namespace, forged, server.address);
    tell(&client.host.namespace, client.outer, server.address);
    assert_eq!(server.asker(), client.outer);
}

fn an_address_of_the_pool_without_a_session_leads_nowhere() {
    let lab = Lab::new();
    let client = lab.client();
    // A way to everywhere, by which packets for a client that has gone would leave in clear.
    lab.headend.route(IpPrefix::ANY_V4, client.outer);
    let pooled = "192.168.10.7:4000".parse().unwrap();
    let connect = || UdpSocket::bind(("0.0.0.0", 0)).unwrap().connect(pooled);
    lab.headend.namespace.run(connect).unwrap().unwrap();
    let _headend = lab.start();
    has_no_way(&lab.headend.namespace, pooled);
}
