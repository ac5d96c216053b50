//! What is between the two ends: weather, blackouts, and a NAT in front of the client.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ironflex_ikev2::event::{Framing, Instant, Path, Transmit};

use super::{
    scenario::Side,
    support::{CLIENT, SERVER, Seeded, address},
};

/// What the network does to a datagram, in percent, and how long each takes at least.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub loss: u64,
    pub duplication: u64,
    pub reordering: u64,
    pub latency: Duration,
}

impl Weather {
    /// Nothing goes wrong.
    pub const FAIR: Self = Self {
        loss: 0,
        duplication: 0,
        reordering: 0,
        latency: Duration::from_millis(10),
    };
}

/// A datagram under way.
#[derive(Clone, Debug)]
pub struct Flight {
    pub to: Side,
    /// As its receiver sees it. Towards the client `local` is still the NAT's outer address.
    pub path: Path,
    pub octets: Arc<[u8]>,
    /// An end made these octets; the attacker may have sent them.
    pub genuine: bool,
}

/// The network's own state.
pub struct Network {
    pub weather: Weather,
    random: Seeded,
    /// Until when nothing arrives, towards the headend and towards the client.
    dark: [Instant; 2],
    /// How often the client's host has moved.
    moves: u8,
    /// It is behind a NAT where it is now.
    nat: bool,
    /// How often the NAT has made new mappings there.
    rebound: u16,
    pub losses: u64,
}

impl Network {
    pub const fn new(weather: Weather, nat: bool, random: Seeded) -> Self {
        Self {
            weather,
            random,
            dark: [Instant::new(Duration::ZERO); 2],
            moves: 0,
            nat,
            rebound: 0,
            losses: 0,
        }
    }

    pub const fn rebind(&mut self) {
        self.rebound += 1;
    }

    /// The client's host goes elsewhere; nothing that is sent to where it was reaches it any more.
    pub const fn move_on(&mut self, nat: bool) {
        self.moves += 1;
        self.nat = nat;
        self.rebound = 0;
    }

    pub const fn behind_nat(&self) -> bool {
        self.nat
    }

    /// The address that the client's host has.
    pub fn host(&self) -> IpAddr {
        match self.moves {
            0 => address(CLIENT).ip(),
            moves => Ipv4Addr::new(203, 0, 113, moves).into(),
        }
    }

    /// Where the headend is to see a client that has floated to port 4500.
    pub fn seen(&self) -> SocketAddr {
        self.outer(SocketAddr::new(self.host(), 4500))
    }

    /// Whether an ESP packet that this end sends so now arrives.
    pub fn carries(&self, now: Instant, from: Side, path: &Path, in_udp: bool) -> bool {
        let dark = self.dark_until(from.other());
        let there = match from {
            Side::Client => path.local.ip() == self.host(),
            Side::Headend if in_udp => path.remote == self.seen(),
            // A NAT lets in only what is in UDP.
            Side::Headend => !self.nat && path.remote.ip() == self.host(),
        };
        now >= dark && there
    }

    const fn dark_until(&self, to: Side) -> Instant {
        match to {
            Side::Headend => self.dark[0],
            Side::Client => self.dark[1],
        }
    }

    pub fn black_out(&mut self, towards: [bool; 2], until: Instant) {
        for (end, dark) in towards.into_iter().zip(&mut self.dark) {
            if end {
                *dark = until.max(*dark);
            }
        }
    }

    /// Everything works again.
    pub fn mend(&mut self) {
        self.weather = Weather::FAIR;
        self.dark = [Instant::default(); 2];
    }

    /// The client's address as the headend sees it.
    fn outer(&self, inner: SocketAddr) -> SocketAddr {
        if self.nat {
            let nat = Ipv4Addr::new(198, 18, 0, 1 + self.moves);
            SocketAddr::new(nat.into(), inner.port() + 10_000 + self.rebound)
        } else {
            SocketAddr::new(inner.ip(), inner.port() + self.rebound)
        }
    }

    /// What an end sends, as its receiver is to see it; none where its host does not have the address that it is to
    /// leave from.
    pub fn flight(&self, from: Side, transmit: &Transmit) -> Option<Flight> {
        let Path {
            local,
            remote,
            framing,
        } = transmit.path;
        let source = match from {
            Side::Headend => local,
            Side::Client if local.ip() != self.host() => return None,
            Side::Client => self.outer(local),
        };
        Some(Flight {
            to: from.other(),
            path: Path {
                local: remote,
                remote: source,
                framing,
            },
            octets: Arc::clone(&transmit.octets),
            genuine: true,
        })
    }

    /// How long each copy of a datagram takes; none where it is lost.
    pub fn delays(&mut self, now: Instant, to: Side) -> Vec<Duration> {
        if now < self.dark_until(to) || self.random.chance(self.weather.loss) {
            self.losses += 1;
            return Vec::new();
        }
        let copies = 1 + usize::from(self.random.chance(self.weather.duplication));
        (0..copies).map(|_| self.delay()).collect()
    }

    /// How long a datagram takes: less than the five seconds for which a replaced child SA still receives.
    pub fn delay(&mut self) -> Duration {
        let late = self.random.chance(self.weather.reordering);
        let more = if late { self.random.next() % 3_000 } else { 0 };
        self.weather.latency + Duration::from_millis(more)
    }

    /// The path as the receiver sees it in the end; none where no mapping leads to the client.
    pub fn arrive(&self, flight: &Flight) -> Option<Path> {
        let mut path = flight.path;
        if flight.to == Side::Headend {
            return (path.local.ip() == address(SERVER).ip()).then_some(path);
        }
        let inner = match path.framing {
            Framing::Bare => 500,
            Framing::Marked => 4500,
        };
        let inner = SocketAddr::new(self.host(), inner);
        if path.local != self.outer(inner) {
            return None;
        }
        path.local = inner;
        Some(path)
    }
}
