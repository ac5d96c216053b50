//! The kernel dataplane: real ESP between two namespaces.
//!
//! ```text
//!  10.1.0.1 [ left: headend ] 192.0.2.1 ════ cable ════ 192.0.2.2 [ right: client ] 10.10.0.5
//! ```

pub(crate) mod carriage;
pub(crate) mod install;
pub(crate) mod lifetime;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ironflex_xfrm::netlink::{
    KernelDataplane, bypass_policies, missing_algorithms, take_esp_in_udp,
};
use ironflex_xfrm::{
    AesKeySize, Counters, Dataplane, Encapsulation, EspAlgorithm, EspSpi, Event, Limits, OuterPath,
    ReplayWindow, SaKeys, SaPair, SaSpec, Selectors, SessionId,
};

use crate::Ignored;
use crate::support::{Side, cabled, ip, prefix};

/// The left side's end of the cable.
const HEADEND: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

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
    fn new(needed: &[EspAlgorithm]) -> Result<Self, Ignored> {
        let (mut left, mut right) = cabled();
        let (mut headend, client) = (left.dataplane(), right.dataplane());
        if let Some((_, error)) = missing_algorithms(&mut headend, needed).first() {
            return Err(Ignored(error.to_string()));
        }
        left.needs_ip()?;
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

    /// Sockets that the kernel takes ESP out of, as IKE has one on port 4500, each on the side that has its address.
    fn open_udp(&mut self, addresses: &[&str]) {
        for address in addresses {
            let address: SocketAddr = address.parse().unwrap();
            let side = if address.ip() == HEADEND {
                &self.left
            } else {
                &self.right
            };
            let bind = || UdpSocket::bind(address).unwrap();
            let socket = side.namespace.run(bind).unwrap();
            take_esp_in_udp(&socket).unwrap();
            bypass_policies(&socket).unwrap();
            self.sockets.push(socket);
        }
    }

    /// Installs a session at both ends.
    fn install(&mut self, pair: &SaPair) {
        self.headend.install(pair).unwrap();
        self.client.install(&mirrored(pair)).unwrap();
    }

    /// Removes a session at both ends; its last counts, the headend's first.
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
        let sorted = |words: &str| {
            let listing = side.ip(words);
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
        (sorted("xfrm state"), sorted("xfrm policy list nosock"))
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
            local: HEADEND,
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
