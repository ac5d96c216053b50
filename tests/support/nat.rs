//! A router that translates a client's addresses and forgets its mappings when it is told to: what it forwards comes from
//! another port, or another address too, and nothing that is sent to the old one comes through any more.
//!
//! ```text
//!   client 10.99.0.2 ── 10.99.0.1 near side │ far side 198.51.100.2 ── 198.51.100.1 headend
//!                        192.0.2.1 on lo    │
//! ```
//!
//! It is two namespaces, for on the client's side the headend's address is its own, and threads that carry datagrams from the
//! one to the other. No kernel's translation is needed, which not all have, and none would change a mapping while packets flow.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use ironflex_xfrm::IpPrefix;

use super::lab::{ClientHost, HEADEND, Host, Lab, ip, neighbour_of};

/// The ports of IKE, and of ESP in UDP beside it.
const PORTS: [u16; 2] = [500, 4500];

/// How often who waits for datagrams looks whether its mapping is still one.
const LOOK: Duration = Duration::from_millis(20);

/// Room for the longest datagram.
const DATAGRAM: usize = 65_536;

/// One port of the headend's, as the client reaches it.
struct Door {
    /// Bears the headend's address and port towards the client.
    near: UdpSocket,
    /// Whom the answers are for: who was heard last.
    client: Mutex<Option<SocketAddr>>,
    /// What stands for the client towards the headend.
    far: RwLock<Arc<UdpSocket>>,
    /// The headend.
    target: SocketAddr,
    /// The exchange of IKE whose requests get lost, by its number (RFC 7296 §3.1); 0 for none.
    loses: AtomicU8,
}

/// The router, until it is dropped.
pub(crate) struct Nat {
    /// Who is behind it.
    pub(crate) client: ClientHost,
    /// Its own side towards the headend.
    far: ClientHost,
    _near: Host,
    doors: Vec<Arc<Door>>,
}

impl Nat {
    /// A router between the headend and a new client.
    pub(crate) fn new(lab: &Lab) -> Self {
        let near = Host::new();
        near.add_address("lo", HEADEND, 32);
        let client = client_of(&near);
        let far = lab.client();
        let doors = PORTS.map(|port| {
            let target = SocketAddr::new(HEADEND, port);
            let door = Arc::new(Door {
                near: bind(&near, target),
                client: Mutex::new(None),
                far: RwLock::new(Arc::new(bind(&far.host, (far.outer, 0).into()))),
                target,
                loses: AtomicU8::new(0),
            });
            begin(&door);
            door
        });
        Self {
            client,
            far,
            _near: near,
            doors: doors.to_vec(),
        }
    }

    /// Forgets the mappings: what the client sends comes from another port from now on.
    pub(crate) fn another_port(&self) {
        self.map(self.far.outer);
    }

    /// The same, and the router's own address is another too.
    pub(crate) fn another_address(&self, lab: &Lab) {
        let (router, new) = (ip("198.51.100.65"), ip("198.51.100.66"));
        let near = self.far.device.trim_end_matches("-2");
        lab.headend.add_address(near, router, 30);
        self.far.host.add_address(&self.far.device, new, 30);
        self.far.host.route(IpPrefix::host(HEADEND), router);
        let old = self.far.outer;
        self.map(new);
        self.far.host.delete_address(&self.far.device, old, 30);
    }

    /// What the client sends of an exchange of IKE gets lost from now on; nothing does any more without one.
    pub(crate) fn lose(&self, exchange: Option<u8>) {
        for door in &self.doors {
            let exchange = exchange.unwrap_or_default();
            door.loses.store(exchange, Ordering::Relaxed);
        }
    }

    /// Where ESP and IKE on port 4500 seem to come from.
    pub(crate) fn seen_at(&self) -> SocketAddr {
        self.doors.last().unwrap().mapping().local_addr().unwrap()
    }

    /// Makes new mappings at an address of the far side.
    fn map(&self, at: IpAddr) {
        for door in &self.doors {
            let new = Arc::new(bind(&self.far.host, (at, 0).into()));
            *door.far.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
            listen(door, &new);
        }
    }
}

/// A socket whose readers look up now and then.
fn bind(host: &Host, at: SocketAddr) -> UdpSocket {
    let socket = host.namespace.run(|| UdpSocket::bind(at).unwrap()).unwrap();
    socket.set_read_timeout(Some(LOOK)).unwrap();
    socket
}

/// Carries what comes by a door, both ways, until the router is dropped.
fn begin(door: &Arc<Door>) {
    listen(door, &door.mapping());
    let door = Arc::downgrade(door);
    thread::spawn(move || {
        let mut buffer = vec![0; DATAGRAM];
        while let Some(door) = door.upgrade() {
            door.carry_out(&mut buffer);
        }
    });
}

/// Carries what comes for a mapping, until that is forgotten.
fn listen(door: &Arc<Door>, mapping: &Arc<UdpSocket>) {
    let (door, mapping) = (Arc::downgrade(door), Arc::downgrade(mapping));
    thread::spawn(move || {
        let mut buffer = vec![0; DATAGRAM];
        while let (Some(door), Some(mapping)) = (door.upgrade(), mapping.upgrade()) {
            door.carry_in(&mapping, &mut buffer);
        }
    });
}

/// A client that knows no way but by the router, and has no IPv6.
fn client_of(near: &Host) -> ClientHost {
    let (router, outer) = (ip("10.99.0.1"), ip("10.99.0.2"));
    let host = neighbour_of(near, "behind", &[(router, outer, 30)]);
    host.route(IpPrefix::host(HEADEND), router);
    ClientHost {
        host,
        device: "behind-2".to_owned(),
        outer,
        router,
        outer_v6: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        router_v6: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// The exchange that an IKE message is of; none of ESP. On port 4500 four octets of nothing stand in front of it.
fn exchange(datagram: &[u8], port: u16) -> Option<u8> {
    let message = match port {
        500 => datagram,
        _ => datagram.strip_prefix(&[0; 4])?,
    };
    message.get(18).copied()
}

/// What a socket has, or nothing when nothing came for a while.
fn received(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    match socket.recv_from(buffer) {
        Ok(received) => Some(received),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        // Nobody listens at the headend: it has not started yet, or has ended.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) => panic!("the router: {error}"),
    }
}

impl Door {
    fn mapping(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.far.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn carry_out(&self, buffer: &mut [u8]) {
        let Some((length, from)) = received(&self.near, buffer) else {
            return;
        };
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
        let lost = self.loses.load(Ordering::Relaxed);
        if lost != 0 && exchange(&buffer[..length], self.target.port()) == Some(lost) {
            return;
        }
        // A router says nothing of what it cannot send.
        let _ = self.mapping().send_to(&buffer[..length], self.target);
    }

    /// What came for a mapping goes to the client, unless the mapping is forgotten.
    fn carry_in(&self, mapping: &Arc<UdpSocket>, buffer: &mut [u8]) {
        let Some((length, from)) = received(mapping, buffer) else {
            return;
        };
        let stands = Arc::ptr_eq(&self.mapping(), mapping) && from == self.target;
        let client = *self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = client.filter(|_| stands) {
            let _ = self.near.send_to(&buffer[..length], client);
        }
    }
}
