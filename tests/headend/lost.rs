//! Between a tunnel that is lost and the next one: what belongs into it stays in, and nobody who has not proven to be the headend
//! ends the client.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use ironflex_xfrm::{IpPrefix, netlink::NetworkNamespace};
use nix::sys::signal::Signal;

use crate::support::{
    capture::Capture,
    cases::Case,
    lab::{ClientHost, Connected, HEADEND, Lab, OUTSIDE, OUTSIDE_INTERFACE, USER, connected, ip},
    pki::PASSWORD,
    process::Process,
    traffic::{Echo, has_no_way, tell},
};

pub(crate) const CASES: &[Case] = &[
    (
        "lost::nothing_leaves_in_clear_between_a_loss_and_the_next_tunnel",
        nothing_leaves_in_clear_between_a_loss_and_the_next_tunnel,
    ),
    (
        "lost::a_client_that_moves_without_a_tunnel_finds_its_headend_and_keeps_the_rest_in",
        a_client_that_moves_without_a_tunnel_finds_its_headend_and_keeps_the_rest_in,
    ),
    (
        "lost::who_is_not_proven_ends_no_client_that_was_connected",
        who_is_not_proven_ends_no_client_that_was_connected,
    ),
];

/// How long a client with its pauses may take to come back.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program that sends to one address without a pause, whatever comes of it.
struct Sending {
    over: Arc<AtomicBool>,
    thread: JoinHandle<(u64, u64)>,
}

impl Sending {
    fn begin(namespace: &NetworkNamespace, target: SocketAddr) -> Self {
        let bind = || UdpSocket::bind("0.0.0.0:0").unwrap();
        let socket = namespace.run(bind).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let (mut sent, mut refused) = (0, 0);
            while !ends.load(Ordering::Relaxed) {
                match socket.send_to(b"for the tunnel alone", target) {
                    Ok(_) => sent += 1,
                    Err(_) => refused += 1,
                }
                thread::sleep(Duration::from_millis(1));
            }
            (sent, refused)
        });
        Self { over, thread }
    }

    /// Ends it. Returns how many datagrams were sent and how many were not.
    fn end(self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// A headend that everything of its clients goes to, a client with a default route, and a host beyond.
struct Scene {
    lab: Lab,
    client: ClientHost,
    far: Echo,
    /// An address of the client's that nothing is sent from but what tells the end.
    marker: IpAddr,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        lab.tunnel_everything();
        let (outside, client) = (lab.outside(), lab.client());
        let pool = IpPrefix::new(ip("192.168.10.0"), 24).unwrap();
        outside.route(pool, OUTSIDE_INTERFACE);
        client.host.route(IpPrefix::ANY_V4, client.router);
        client.host.route(IpPrefix::ANY_V6, client.router_v6);
        let marker = ip("198.51.100.130");
        client.host.add_address(&client.device, marker, 32);
        let far = Echo::udp(&outside.namespace, OUTSIDE);
        Self {
            lab,
            client,
            far,
            marker,
        }
    }

    fn connect(&self) -> (Process, Connected) {
        let target = HEADEND.to_string();
        let process = self
            .lab
            .connect_for_good(&target, &self.client, [USER, PASSWORD], &[]);
        let tunnel = connected(&process);
        (process, tunnel)
    }

    /// Demands that nothing of what belongs into the tunnel can leave.
    fn is_kept_in(&self) {
        let namespace = &self.client.host.namespace;
        has_no_way(namespace, self.far.address);
        has_no_way(namespace, "[2001:db8:77::1]:9".parse().unwrap());
    }

    /// All clear packets to the host beyond, once the client has ended.
    fn clear(&self, cable: &Capture) -> Vec<IpAddr> {
        tell(&self.client.host.namespace, self.marker, self.far.address);
        cable.sources_until(self.marker, OUTSIDE)
    }
}

fn again(process: &Process) -> Connected {
    let line = process.line_within(PATIENCE, 2, r#"{"event":"connected""#);
    serde_json::from_str(&line).unwrap()
}

fn nothing_leaves_in_clear_between_a_loss_and_the_next_tunnel() {
    let scene = Scene::new();
    let (lab, client) = (&scene.lab, &scene.client);
    let namespace = &client.host.namespace;
    let mut headend = lab.start();
    let cable = Capture::start(namespace, client.host.link(&client.device));
    // Without a tunnel it is seen.
    assert_eq!(scene.clear(&cable), [] as [IpAddr; 0]);
    tell(namespace, client.outer, scene.far.address);
    assert_eq!(scene.clear(&cable), [client.outer]);
    for asker in [scene.marker, client.outer, scene.marker] {
        assert_eq!(scene.far.asker(), asker);
    }

    let (mut process, tunnel) = scene.connect();
    let sending = Sending::begin(namespace, scene.far.address);
    assert_eq!(scene.far.asker(), tunnel.address);
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    process.line(r#"{"event":"reconnecting""#);
    scene.is_kept_in();
    process.nth_line(2, r#"{"event":"connecting""#);
    scene.is_kept_in();
    let _headend = lab.start();
    assert_eq!(again(&process).address, tunnel.address);
    let (sent, refused) = sending.end();
    assert!(sent > 0 && refused > 0, "{sent} {refused}");

    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
    assert!(
        client.host.routes().is_empty(),
        "{:?}",
        client.host.routes()
    );
    assert_eq!(scene.clear(&cable), [] as [IpAddr; 0]);
}

fn a_client_that_moves_without_a_tunnel_finds_its_headend_and_keeps_the_rest_in() {
    let scene = Scene::new();
    let (lab, client) = (&scene.lab, &scene.client);
    let mut headend = lab.start();
    let (mut process, _) = scene.connect();
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    process.line(r#"{"event":"reconnecting""#);
    let (router, new) = (ip("198.51.100.65"), ip("198.51.100.66"));
    let near = client.device.trim_end_matches("-2");
    lab.headend.add_address(near, router, 30);
    client.host.add_address(&client.device, new, 30);
    client.host.route(IpPrefix::host(HEADEND), router);
    client.host.delete_address(&client.device, client.outer, 30);
    scene.is_kept_in();
    let _headend = lab.start();
    again(&process);
    let session = lab.exec("show crypto session detail");
    assert!(session.contains(&format!("Peer: {new} ")), "{session}");
    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
    assert!(
        client.host.routes().is_empty(),
        "{:?}",
        client.host.routes()
    );
}

fn who_is_not_proven_ends_no_client_that_was_connected() {
    let scene = Scene::new();
    let lab = &scene.lab;
    let mut headend = lab.start();
    let (mut process, _) = scene.connect();
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    let (ours, other) = (
        "match identity remote key-id ",
        "match identity remote key-id other-",
    );
    lab.edit(ours, other);
    let mut headend = lab.start();
    let refused = process.line_within(PATIENCE, 1, "has no profile for this client");
    let told = ["connecting again", r#"{"event":"reconnecting""#];
    assert!(told.iter().any(|part| refused.contains(part)), "{refused}");
    scene.is_kept_in();
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    lab.edit(other, ours);
    let _headend = lab.start();
    again(&process);
    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
}
