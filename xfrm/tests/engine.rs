//! The userspace dataplane between two network namespaces: the machine's own TCP and UDP run through it.
//!
//! Without libtest, whose threads would be in the way: without root the process first enters a user namespace of its own,
//! which only a single thread may. Without the right to that, or without TUN devices, all cases are skipped by name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test outside #[test]"
)]

#[allow(dead_code, reason = "the benchmark uses the rest")]
mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroU64;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ironflex_xfrm::esp::Tun;
use ironflex_xfrm::netlink::{Network, NetworkNamespace, Owner, namespace};
use ironflex_xfrm::{
    AesKeySize, Dataplane, Direction, DropReason, Encapsulation, Error, EspAlgorithm, Event,
    Integrity, Limit, Object, OuterPath,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use support::{CLIENT, INNER_MTU, PATIENCE, Plan, SERVER, Server, World, session};

const GCM_256: EspAlgorithm = EspAlgorithm::AesGcm16(AesKeySize::Aes256);

const CASES: [(&str, fn()); 12] = [
    (
        "every_algorithm_carries_tcp_both_ways",
        every_algorithm_carries_tcp_both_ways,
    ),
    (
        "every_size_of_datagram_passes",
        every_size_of_datagram_passes,
    ),
    (
        "ipv6_passes_inside_and_outside",
        ipv6_passes_inside_and_outside,
    ),
    (
        "a_narrow_way_fragments_the_outer_packets",
        a_narrow_way_fragments_the_outer_packets,
    ),
    (
        "ike_and_keepalives_are_told_from_esp",
        ike_and_keepalives_are_told_from_esp,
    ),
    (
        "a_peer_behind_a_rebinding_nat_is_followed",
        a_peer_behind_a_rebinding_nat_is_followed,
    ),
    ("a_rekey_loses_nothing", a_rekey_loses_nothing),
    (
        "a_removed_session_carries_nothing",
        a_removed_session_carries_nothing,
    ),
    (
        "lifetimes_in_seconds_are_told",
        lifetimes_in_seconds_are_told,
    ),
    (
        "dropping_it_removes_the_device_and_frees_the_port",
        dropping_it_removes_the_device_and_frees_the_port,
    ),
    (
        "refuses_paths_that_it_cannot_take",
        refuses_paths_that_it_cannot_take,
    ),
    ("no_device_with_a_name_in_use", no_device_with_a_name_in_use),
];

fn main() -> ExitCode {
    if let Err(reason) = prepare() {
        for (name, _) in CASES {
            println!("test {name} ... ignored, {reason}");
        }
        println!(
            "\ntest result: ok. 0 passed; 0 failed; {} ignored; 0 measured; 0 filtered out",
            CASES.len()
        );
        return ExitCode::SUCCESS;
    }
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let (mut passed, mut failed, mut filtered) = (0, 0, 0);
    for (name, case) in CASES {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            filtered += 1;
            continue;
        }
        let start = Instant::now();
        let good = panic::catch_unwind(AssertUnwindSafe(case)).is_ok();
        let verdict = if good { "ok" } else { "FAILED" };
        println!("test {name} ... {verdict} ({:.1?})", start.elapsed());
        if good {
            passed += 1;
        } else {
            failed += 1;
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out"
    );
    ExitCode::from(u8::from(failed > 0))
}

/// Makes sure that namespaces and TUN devices can be had; else says which cannot.
fn prepare() -> Result<(), String> {
    if NetworkNamespace::create().is_err() {
        namespace::enter_user_namespace().map_err(|error| error.to_string())?;
    }
    let namespace = NetworkNamespace::create().map_err(|error| error.to_string())?;
    namespace
        .run(|| Tun::create("probe%d", INNER_MTU).map(drop))
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

const fn cbc(key_size: AesKeySize, integrity: Integrity) -> EspAlgorithm {
    EspAlgorithm::AesCbcHmac {
        key_size,
        integrity,
    }
}

/// Sends `count` octets through an echo server and looks at each that comes back.
fn echo(world: &World, server: &Server, count: usize) {
    let mut stream = server.connect(&world.client.namespace);
    let contents: Vec<u8> = (0..count).map(|n| (n * 31 + n / 1000) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let sent = contents.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == contents, "what came back is not what was sent");
}

fn echo_server(world: &World, address: IpAddr) -> Server {
    Server::start(&world.headend.namespace, address, |mut stream| {
        let mut reader = stream.try_clone().unwrap();
        std::io::copy(&mut reader, &mut stream).unwrap();
    })
}

/// Nothing was discarded anywhere but for the reasons allowed.
fn assert_no_drops(world: &mut World, allowed: &[DropReason]) {
    for side in [&mut world.headend, &mut world.client] {
        let counters = side.engine.counters(session()).unwrap();
        let unmatched = side.engine.unmatched().unwrap();
        for drops in [
            &counters.inbound.drops,
            &counters.outbound.drops,
            &unmatched,
        ] {
            for (reason, count) in drops.iter() {
                assert!(
                    allowed.contains(&reason),
                    "{count} packets: {}",
                    reason.name()
                );
            }
        }
    }
}

/// What the kernel sends from a fresh device on its own account has no SA to go by.
const OWN: [DropReason; 2] = [DropReason::NoRoute, DropReason::SelectorMismatch];

fn every_algorithm_carries_tcp_both_ways() {
    for (algorithm, esn) in [
        (GCM_256, false),
        (GCM_256, true),
        (EspAlgorithm::AesGcm16(AesKeySize::Aes128), false),
        (cbc(AesKeySize::Aes256, Integrity::HmacSha256_128), false),
        (cbc(AesKeySize::Aes128, Integrity::HmacSha1_96), false),
        (cbc(AesKeySize::Aes192, Integrity::HmacSha384_192), false),
        (cbc(AesKeySize::Aes256, Integrity::HmacSha512_256), true),
    ] {
        let mut plan = Plan::new(algorithm);
        plan.esn = esn;
        let mut world = World::new(&plan);
        let server = echo_server(&world, SERVER);
        echo(&world, &server, 5_000_000);
        server.stop(&world.client.namespace);
        let counters = world.headend.engine.counters(session()).unwrap();
        for traffic in [counters.inbound, counters.outbound] {
            assert!(traffic.packets > 3000, "{algorithm}: {traffic:?}");
            assert!(traffic.bytes > 5_000_000, "{algorithm}: {traffic:?}");
        }
        assert_no_drops(&mut world, &OWN);
    }
}

/// An echo by UDP: what the other end of `socket` answers to `payload`.
fn ask(socket: &UdpSocket, payload: &[u8]) -> Vec<u8> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(payload).unwrap();
    let mut answer = vec![0; 65_536];
    let count = socket.recv(&mut answer).unwrap();
    answer.truncate(count);
    answer
}

/// A UDP server at the headend that echoes until it is sent nothing but "q"; and a socket to ask it by.
fn udp_echo(world: &World, server: IpAddr, client: IpAddr) -> (thread::JoinHandle<()>, UdpSocket) {
    let socket = world
        .headend
        .namespace
        .run(|| UdpSocket::bind((server, 0)).unwrap())
        .unwrap();
    let to = socket.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        loop {
            let (count, from) = socket.recv_from(&mut buffer).unwrap();
            if buffer[..count] == *b"q" {
                return;
            }
            socket.send_to(&buffer[..count], from).unwrap();
        }
    });
    let asking = world
        .client
        .namespace
        .run(|| {
            let socket = UdpSocket::bind((client, 0)).unwrap();
            socket.connect(to).unwrap();
            socket
        })
        .unwrap();
    (thread, asking)
}

fn every_size_of_datagram_passes() {
    for algorithm in [GCM_256, cbc(AesKeySize::Aes128, Integrity::HmacSha1_96)] {
        let mut world = World::new(&Plan::new(algorithm));
        let (thread, socket) = udp_echo(&world, SERVER, CLIENT);
        // 1372 fills the device's MTU; the last ones come as fragments.
        for size in (0..1400).chain([3000, 20_000]) {
            let payload: Vec<u8> = (0..size).map(|n| (n + size) as u8).collect();
            assert!(
                ask(&socket, &payload) == payload,
                "{algorithm}: {size} octets"
            );
        }
        socket.send(b"q").unwrap();
        thread.join().unwrap();
        assert_no_drops(&mut world, &OWN);
    }
}

fn ipv6_passes_inside_and_outside() {
    for outer_ipv6 in [false, true] {
        let mut plan = Plan::new(GCM_256);
        plan.outer_ipv6 = outer_ipv6;
        let mut world = World::new(&plan);
        for server in [SERVER, "fd00:80::80".parse().unwrap()] {
            let server = echo_server(&world, server);
            echo(&world, &server, 5_000_000);
            server.stop(&world.client.namespace);
        }
        assert_no_drops(&mut world, &OWN);
    }
}

/// An outer way too narrow for a whole ESP packet: there the kernel will not segment, but fragments.
fn a_narrow_way_fragments_the_outer_packets() {
    let mut plan = Plan::new(GCM_256);
    plan.outer_mtu = 1400;
    let mut world = World::new(&plan);
    let server = echo_server(&world, SERVER);
    echo(&world, &server, 2_000_000);
    server.stop(&world.client.namespace);
    assert_no_drops(&mut world, &OWN);
}

/// Waits until a counter says so.
fn eventually(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain");
        thread::yield_now();
    }
}

// RFC 3948 §2.3#5, §4#1: a keepalive reaches neither IKE nor the tunnel, so that it is nobody's
// sign of life.
fn ike_and_keepalives_are_told_from_esp() {
    let mut world = World::new(&Plan::new(GCM_256));
    let to: SocketAddr = "192.0.2.1:4500".parse().unwrap();
    let socket = &world.client.socket;
    socket.send_to(&[0xff], to).unwrap();
    socket.send_to(b"\0\0\0\0an IKE message", to).unwrap();
    socket.send_to(b"\0\0\xff\xffnobody's ESP", to).unwrap();
    socket.send_to(&[0, 0, 0], to).unwrap();
    let (data, remote, local) = world.headend.ike.recv_timeout(PATIENCE).unwrap();
    assert_eq!(data, b"an IKE message");
    assert_eq!(remote, "192.0.2.100:4500".parse().unwrap());
    assert_eq!(local, to);
    let engine = &mut world.headend.engine;
    let reasons = [
        DropReason::Keepalive,
        DropReason::UnknownSpi,
        DropReason::Truncated,
    ];
    eventually(|| {
        let drops = engine.unmatched().unwrap();
        reasons.iter().all(|reason| drops.of(*reason) == 1)
    });
    // The daemon's clone sends while the engine reads.
    world
        .headend
        .socket
        .send_to(b"\0\0\0\0an answer", remote)
        .unwrap();
    let (data, remote, _) = world.client.ike.recv_timeout(PATIENCE).unwrap();
    assert_eq!((&data[..], remote), (&b"an answer"[..], to));
}

/// Waits for the engine's next event by its descriptor, as the daemon does.
fn next_event(engine: &mut dyn Dataplane) -> Event {
    let start = Instant::now();
    loop {
        if let Some(event) = engine.poll_event() {
            return event;
        }
        assert!(start.elapsed() < PATIENCE, "no event came");
        let wait = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let descriptor = engine.event_fd().unwrap();
        poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&wait)).unwrap();
    }
}

/// A NAT between the two, made of sockets: first it sends from one port, then from another.
fn a_peer_behind_a_rebinding_nat_is_followed() {
    let plan = Plan::new(GCM_256);
    let mut world = World::new(&plan);
    let [inside, first, second] = world
        .client
        .namespace
        .run(|| [(); 3].map(|()| UdpSocket::bind("192.0.2.100:0").unwrap()))
        .unwrap();
    for socket in [&inside, &first, &second] {
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
    }
    let mut path = plan.session(false).path;
    path.remote = path.local;
    path.encapsulation = Encapsulation::Udp {
        local_port: 4500,
        remote_port: inside.local_addr().unwrap().port(),
    };
    world.client.engine.move_peer(session(), path).unwrap();

    let rebound = Arc::new(AtomicBool::new(false));
    let stop = Arc::new(AtomicBool::new(false));
    let places = [first.local_addr().unwrap(), second.local_addr().unwrap()];
    let nat = {
        let (rebound, stop) = (Arc::clone(&rebound), Arc::clone(&stop));
        thread::spawn(move || {
            let headend: SocketAddr = "192.0.2.1:4500".parse().unwrap();
            let client: SocketAddr = "192.0.2.100:4500".parse().unwrap();
            let mut buffer = [0; 2000];
            while !stop.load(Ordering::Relaxed) {
                let waiting = inside.recv(&mut buffer);
                let outside = if rebound.load(Ordering::SeqCst) {
                    &second
                } else {
                    &first
                };
                if let Ok(count) = waiting {
                    outside.send_to(&buffer[..count], headend).unwrap();
                }
                // Only the present mapping lets anything in.
                if let Ok(count) = outside.recv(&mut buffer) {
                    inside.send_to(&buffer[..count], client).unwrap();
                }
            }
        })
    };
    let (echo, socket) = udp_echo(&world, SERVER, CLIENT);
    let moved = |remote| Event::PeerMoved {
        id: session(),
        remote,
    };
    assert_eq!(ask(&socket, b"through the NAT"), b"through the NAT");
    assert_eq!(next_event(&mut world.headend.engine), moved(places[0]));
    assert_eq!(ask(&socket, b"again"), b"again");
    assert_eq!(world.headend.engine.poll_event(), None);

    rebound.store(true, Ordering::SeqCst);
    assert_eq!(ask(&socket, b"from elsewhere"), b"from elsewhere");
    assert_eq!(next_event(&mut world.headend.engine), moved(places[1]));
    assert_eq!(world.headend.engine.poll_event(), None);

    socket.send(b"q").unwrap();
    echo.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    nat.join().unwrap();
}

fn a_rekey_loses_nothing() {
    let plan = Plan::new(GCM_256);
    let mut world = World::new(&plan);
    let (thread, socket) = udp_echo(&world, SERVER, CLIENT);
    let mut old = [plan.session(true).inbound, plan.session(true).outbound];
    for round in 0..20_u32 {
        assert_eq!(ask(&socket, &round.to_be_bytes()), round.to_be_bytes());
        let new = [1, 2].map(|which| plan.sa(0x3000_0000 + 10 * round + which));
        let [up, down] = &new;
        let (headend, client) = (&mut world.headend.engine, &mut world.client.engine);
        headend.add_inbound(session(), up).unwrap();
        client.add_inbound(session(), down).unwrap();
        client.replace_outbound(session(), up).unwrap();
        assert_eq!(ask(&socket, b"between"), b"between");
        headend.replace_outbound(session(), down).unwrap();
        assert_eq!(ask(&socket, b"after"), b"after");
        headend.remove_inbound(session(), old[0].spi).unwrap();
        client.remove_inbound(session(), old[1].spi).unwrap();
        old = new;
    }
    socket.send(b"q").unwrap();
    thread.join().unwrap();
    assert_no_drops(&mut world, &OWN);
}

fn a_removed_session_carries_nothing() {
    let plan = Plan::new(GCM_256);
    let mut world = World::new(&plan);
    let (thread, socket) = udp_echo(&world, SERVER, CLIENT);
    assert_eq!(ask(&socket, b"while it is there"), b"while it is there");
    let counters = world.headend.engine.remove(session()).unwrap();
    assert!(counters.inbound.packets >= 1 && counters.outbound.packets >= 1);
    socket.send(b"after").unwrap();
    let engine = &mut world.headend.engine;
    eventually(|| engine.unmatched().unwrap().of(DropReason::UnknownSpi) == 1);
    engine.install(&plan.session(true)).unwrap();
    // A fresh outbound SA starts at 1 again, so the client, which has seen that number, needs fresh ones too.
    world.client.engine.remove(session()).unwrap();
    world.client.engine.install(&plan.session(false)).unwrap();
    assert_eq!(ask(&socket, b"once more"), b"once more");
    socket.send(b"q").unwrap();
    thread.join().unwrap();
}

fn lifetimes_in_seconds_are_told() {
    let plan = Plan::new(GCM_256);
    let mut world = World::without_session(&plan);
    let mut pair = plan.session(true);
    pair.inbound.soft.seconds = NonZeroU64::new(1);
    pair.outbound.hard.seconds = NonZeroU64::new(2);
    world.headend.engine.install(&pair).unwrap();
    let engine = &mut world.headend.engine;
    assert_eq!(
        next_event(engine),
        Event::SoftExpired {
            id: session(),
            spi: pair.inbound.spi,
            direction: Direction::Inbound,
            limit: Limit::Seconds,
        }
    );
    assert_eq!(
        next_event(engine),
        Event::HardExpired {
            id: session(),
            spi: pair.outbound.spi,
            direction: Direction::Outbound,
            limit: Limit::Seconds,
        }
    );
    assert_eq!(engine.poll_event(), None);
    // What is gone before its time is not told of.
    engine.remove(session()).unwrap();
    engine.install(&pair).unwrap();
    engine.remove(session()).unwrap();
    let wait = Timespec {
        tv_sec: 1,
        tv_nsec: 200_000_000,
    };
    let descriptor = engine.event_fd().unwrap();
    poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&wait)).unwrap();
    assert_eq!(engine.poll_event(), None);
}

fn dropping_it_removes_the_device_and_frees_the_port() {
    let World { headend, client } = World::new(&Plan::new(GCM_256));
    let support::Side {
        namespace,
        engine,
        socket,
        ..
    } = headend;
    let name = engine.tun().name().to_owned();
    let links = || {
        namespace
            .run(|| Network::open(Owner::Headend).unwrap().link(&name).unwrap())
            .unwrap()
    };
    assert!(links().is_some());
    let start = Instant::now();
    drop(engine);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(links(), None);
    drop(socket);
    namespace
        .run(|| UdpSocket::bind("192.0.2.1:4500").unwrap())
        .unwrap();
    drop(client);
}

fn refuses_paths_that_it_cannot_take() {
    let plan = Plan::new(GCM_256);
    let mut world = World::without_session(&plan);
    let engine = &mut world.headend.engine;
    let good = plan.session(true);
    let with = |change: fn(&mut OuterPath)| {
        let mut pair = good.clone();
        change(&mut pair.path);
        pair
    };
    assert_eq!(
        engine.install(&with(|path| path.encapsulation = Encapsulation::None)),
        Err(Error::Unsupported(
            "ESP without UDP encapsulation (userspace)".to_owned()
        ))
    );
    assert_eq!(
        engine.install(&with(|path| path.remote = "fd00:2::100".parse().unwrap())),
        Err(Error::Misuse("outer addresses of different families"))
    );
    let ipv6 = with(|path| {
        path.local = "fd00:2::1".parse().unwrap();
        path.remote = "fd00:2::100".parse().unwrap();
    });
    let no_socket = Error::Misuse("no UDP socket of the outer address family");
    assert_eq!(engine.install(&ipv6), Err(no_socket.clone()));
    assert_eq!(
        engine.counters(session()),
        Err(Error::NoSuchSession(session()))
    );
    engine.install(&good).unwrap();
    assert_eq!(engine.move_peer(session(), ipv6.path), Err(no_socket));
    for algorithm in [GCM_256, cbc(AesKeySize::Aes128, Integrity::HmacSha1_96)] {
        assert_eq!(engine.probe(algorithm), Ok(()));
    }
}

fn no_device_with_a_name_in_use() {
    let namespace = NetworkNamespace::create().unwrap();
    namespace
        .run(|| {
            let first = Tun::create("ironflex0", INNER_MTU).unwrap();
            assert_eq!(first.name(), "ironflex0");
            assert_eq!(
                Tun::create("ironflex0", INNER_MTU).err(),
                Some(Error::Exists(Object::Device))
            );
            let second = Tun::create("ironflex%d", INNER_MTU).unwrap();
            assert_eq!(second.name(), "ironflex1");
        })
        .unwrap();
}
