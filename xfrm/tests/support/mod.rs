//! Two network namespaces with a cable between them, and a userspace dataplane in each.
//!
//! ```text
//!   headend: 203.0.113.80, fd00:80::80 on lo                        client: 10.9.0.1, fd00:9::1 on the TUN device
//!            192.0.2.1, fd00:2::1 on the cable ───────────────────── 192.0.2.100, fd00:2::100
//! ```
#![allow(unreachable_pub, reason = "shared by a test and a benchmark")]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ironflex_xfrm::esp::{Tun, Userspace};
use ironflex_xfrm::netlink::{
    LinkAddress, LinkKind, Network, NetworkNamespace, NewLink, Owner, Route, RouteTarget,
};
use ironflex_xfrm::{
    Dataplane, Encapsulation, EspAlgorithm, EspSpi, IpPrefix, Limits, OuterPath, ReplayWindow,
    SaKeys, SaPair, SaSpec, Selectors, SessionId,
};

pub const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 80));
pub const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 1));
pub const INNER_MTU: u16 = 1400;
/// How long a test waits for what should come at once.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// An IKE message as the sink got it: contents, remote, local.
pub type Ike = (Vec<u8>, SocketAddr, SocketAddr);

pub struct Side {
    pub namespace: NetworkNamespace,
    pub engine: Userspace,
    /// A clone of the engine's socket, as the daemon has one to send IKE by.
    pub socket: UdpSocket,
    pub ike: Receiver<Ike>,
}

pub struct World {
    pub headend: Side,
    pub client: Side,
}

/// What a world is made with.
#[derive(Clone, Copy)]
pub struct Plan {
    pub algorithm: EspAlgorithm,
    pub outer_ipv6: bool,
    pub outer_mtu: u32,
    pub esn: bool,
}

impl Plan {
    pub const fn new(algorithm: EspAlgorithm) -> Self {
        Self {
            algorithm,
            outer_ipv6: false,
            outer_mtu: 1500,
            esn: false,
        }
    }

    fn outer(&self, host: u8) -> IpAddr {
        if self.outer_ipv6 {
            [0xfd00, 2, 0, 0, 0, 0, 0, u16::from(host)].into()
        } else {
            [192, 0, 2, host].into()
        }
    }

    fn outer_prefix(&self) -> u8 {
        if self.outer_ipv6 { 64 } else { 24 }
    }

    /// The SA whose receiver chose `spi`.
    pub fn sa(&self, spi: u32) -> SaSpec {
        let key = |count: usize, salt: usize| -> Vec<u8> {
            (0..count)
                .map(|n| (n * 7 + salt + spi as usize) as u8)
                .collect()
        };
        let keys = SaKeys::new(
            self.algorithm,
            &key(self.algorithm.encryption_octets(), 1),
            &key(self.algorithm.integrity_octets(), 2),
        );
        SaSpec {
            spi: EspSpi::new(spi).unwrap(),
            keys: keys.unwrap(),
            esn: self.esn,
            replay_window: ReplayWindow::MAX,
            soft: Limits::NONE,
            hard: Limits::NONE,
        }
    }

    /// The session as one end sees it.
    pub fn session(&self, headend: bool) -> SaPair {
        let server_side = vec![IpPrefix::ANY_V4, IpPrefix::ANY_V6];
        let client_side = vec![
            IpPrefix::host(CLIENT),
            IpPrefix::host("fd00:9::1".parse().unwrap()),
        ];
        let (local, remote) = (self.outer(1), self.outer(100));
        let encapsulation = Encapsulation::Udp {
            local_port: 4500,
            remote_port: 4500,
        };
        let (up, down) = (self.sa(0x1000_0001), self.sa(0x2000_0002));
        let id = session();
        if headend {
            SaPair {
                id,
                path: OuterPath {
                    local,
                    remote,
                    encapsulation,
                },
                selectors: Selectors {
                    local: server_side,
                    remote: client_side,
                },
                inbound: up,
                outbound: down,
                follow_peer: true,
                if_id: None,
            }
        } else {
            SaPair {
                id,
                path: OuterPath {
                    local: remote,
                    remote: local,
                    encapsulation,
                },
                selectors: Selectors {
                    local: client_side,
                    remote: server_side,
                },
                inbound: down,
                outbound: up,
                follow_peer: false,
                if_id: None,
            }
        }
    }
}

pub fn session() -> SessionId {
    SessionId::new(1).unwrap()
}

/// Two namespaces with a cable between them; addresses as in the picture, no dataplane yet.
pub fn cable(plan: &Plan) -> (NetworkNamespace, NetworkNamespace) {
    let (headend, client) = (
        NetworkNamespace::create().unwrap(),
        NetworkNamespace::create().unwrap(),
    );
    headend
        .run(|| {
            let mut network = Network::open(Owner::Headend).unwrap();
            network
                .create_link(&NewLink {
                    name: "cable0".to_owned(),
                    alias: None,
                    kind: LinkKind::Veth {
                        peer: "cable1".to_owned(),
                    },
                })
                .unwrap();
            let other = network.link("cable1").unwrap().unwrap().index;
            network.move_link(other, client.as_fd()).unwrap();
            end_of_cable(plan, &mut network, "cable0", 1);
            let lo = network.link("lo").unwrap().unwrap().index;
            for address in [SERVER, "fd00:80::80".parse().unwrap()] {
                network
                    .add_address(&LinkAddress {
                        link: lo,
                        address,
                        prefix_length: IpPrefix::host(address).length(),
                    })
                    .unwrap();
            }
        })
        .unwrap();
    client
        .run(|| {
            end_of_cable(
                plan,
                &mut Network::open(Owner::Headend).unwrap(),
                "cable1",
                100,
            )
        })
        .unwrap();
    (headend, client)
}

fn end_of_cable(plan: &Plan, network: &mut Network, name: &str, host: u8) {
    for name in ["lo", name] {
        let index = network.link(name).unwrap().unwrap().index;
        network.set_up(index, true).unwrap();
    }
    let link = network.link(name).unwrap().unwrap().index;
    network.set_mtu(link, plan.outer_mtu).unwrap();
    network
        .add_address(&LinkAddress {
            link,
            address: plan.outer(host),
            prefix_length: plan.outer_prefix(),
        })
        .unwrap();
}

impl World {
    /// Both ends with the session installed.
    pub fn new(plan: &Plan) -> Self {
        let mut world = Self::without_session(plan);
        world.headend.engine.install(&plan.session(true)).unwrap();
        world.client.engine.install(&plan.session(false)).unwrap();
        world
    }

    pub fn without_session(plan: &Plan) -> Self {
        let (headend, client) = cable(plan);
        let headend = Side::start(
            headend,
            plan.outer(1),
            &[],
            &["10.9.0.1".parse().unwrap(), "fd00:9::1".parse().unwrap()].map(IpPrefix::host),
        );
        let client = Side::start(
            client,
            plan.outer(100),
            &[CLIENT, "fd00:9::1".parse().unwrap()],
            &[
                IpPrefix::new("203.0.113.0".parse().unwrap(), 24).unwrap(),
                IpPrefix::new("fd00:80::".parse().unwrap(), 64).unwrap(),
            ],
        );
        Self { headend, client }
    }
}

impl Side {
    fn start(
        namespace: NetworkNamespace,
        outer: IpAddr,
        addresses: &[IpAddr],
        routes: &[IpPrefix],
    ) -> Self {
        let (sender, ike) = mpsc::channel();
        let (engine, socket) = namespace
            .run(move || {
                let tun = Tun::create("ironflex%d", INNER_MTU).unwrap();
                let mut network = Network::open(Owner::Headend).unwrap();
                let link = network.link(tun.name()).unwrap().unwrap();
                assert_eq!(link.mtu, u32::from(INNER_MTU));
                network.set_up(link.index, true).unwrap();
                for address in addresses {
                    network
                        .add_address(&LinkAddress {
                            link: link.index,
                            address: *address,
                            prefix_length: IpPrefix::host(*address).length(),
                        })
                        .unwrap();
                }
                for destination in routes {
                    network
                        .add_route(&Route {
                            target: RouteTarget::Link(link.index),
                            ..Route::onto(Owner::Headend, *destination, link.index)
                        })
                        .unwrap();
                }
                let socket = UdpSocket::bind((outer, 4500)).unwrap();
                let clone = socket.try_clone().unwrap();
                let sink = Box::new(move |message: ironflex_xfrm::esp::NonEsp<'_>| {
                    let _ = sender.send((message.data.to_vec(), message.remote, message.local));
                });
                (Userspace::start(vec![socket], tun, sink).unwrap(), clone)
            })
            .unwrap();
        Self {
            namespace,
            engine,
            socket,
            ike,
        }
    }
}

/// A TCP server in `namespace` that serves one connection after the other by `serve`, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(
        namespace: &NetworkNamespace,
        address: IpAddr,
        serve: impl Fn(TcpStream) + Send + 'static,
    ) -> Self {
        let listener = namespace
            .run(|| TcpListener::bind((address, 0)).unwrap())
            .unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut word = [0];
                stream.read_exact(&mut word).unwrap();
                match word {
                    [b'q'] => return,
                    _ => serve(stream),
                }
            }
        });
        Self {
            address,
            thread: Some(thread),
        }
    }

    pub fn connect(&self, namespace: &NetworkNamespace) -> TcpStream {
        let mut stream = namespace
            .run(|| TcpStream::connect_timeout(&self.address, PATIENCE).unwrap())
            .unwrap();
        stream.write_all(b"s").unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Ends the server; `namespace` is one that reaches it.
    pub fn stop(mut self, namespace: &NetworkNamespace) {
        let mut stream = namespace
            .run(|| TcpStream::connect_timeout(&self.address, PATIENCE).unwrap())
            .unwrap();
        stream.write_all(b"q").unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Writes zeros for `time`; returns Mbit/s of payload that the reader at the other end reports having read.
pub fn pump(mut stream: TcpStream, time: Duration) -> f64 {
    let block = vec![0; 128 << 10];
    let start = Instant::now();
    while start.elapsed() < time {
        stream.write_all(&block).unwrap();
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut report = [0; 16];
    stream.read_exact(&mut report).unwrap();
    let (octets, nanoseconds) = report.split_at(8);
    let octets = u64::from_be_bytes(octets.try_into().unwrap());
    let nanoseconds = u64::from_be_bytes(nanoseconds.try_into().unwrap());
    octets as f64 * 8000.0 / nanoseconds as f64
}

/// Reads to the end, then says how many octets these were and how many nanoseconds lay between the first and the last.
pub fn swallow(mut stream: TcpStream) {
    let mut block = vec![0; 128 << 10];
    let mut octets = 0_u64;
    let start = Instant::now();
    while let Ok(count @ 1..) = stream.read(&mut block) {
        octets += count as u64;
    }
    let nanoseconds = start.elapsed().as_nanos() as u64;
    let report = [octets.to_be_bytes(), nanoseconds.to_be_bytes()].concat();
    let _ = stream.write_all(&report);
}
