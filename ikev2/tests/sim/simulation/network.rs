//! What is between the two ends: weather, blackouts, and a NAT in front of the client.

use std::{net::SocketAddr, sync::Arc, time::Duration};

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
    /// How often the NAT has made new mappings.
    rebound: u16,
    pub losses: u64,
}

impl Network {
    pub const fn new(weather: Weather, random: Seeded) -> Self {
        Self {
            weather,
            random,
            dark: [Instant::new(Duration::ZERO); 2],
            rebound: 0,
            losses: 0,
        }
    }

    pub const fn rebind(&mut self) {
        self.rebound += 1;
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
        SocketAddr::new(inner.ip(), inner.port() + self.rebound)
    }

    /// What an end sends, as its receiver is to see it.
    pub fn flight(&self, from: Side, transmit: &Transmit) -> Flight {
        let Path {
            local,
            remote,
            framing,
        } = transmit.path;
        let source = match from {
            Side::Headend => local,
            Side::Client => self.outer(local),
        };
        Flight {
            to: from.other(),
            path: Path {
                local: remote,
                remote: source,
                framing,
            },
            octets: Arc::clone(&transmit.octets),
            genuine: true,
        }
    }

    /// How long each copy of a datagram takes; none where it is lost.
    pub fn delays(&mut self, now: Instant, to: Side) -> Vec<Duration> {
        let dark = match to {
            Side::Headend => self.dark[0],
            Side::Client => self.dark[1],
        };
        if now < dark || self.random.chance(self.weather.loss) {
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
        let inner = SocketAddr::new(address(CLIENT).ip(), inner);
        if path.local != self.outer(inner) {
            return None;
        }
        path.local = inner;
        Some(path)
    }
}
