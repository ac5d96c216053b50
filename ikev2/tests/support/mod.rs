//! Two endpoints, a virtual clock, a bad network by seed, and an outside that answers questions.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of the support"
)]

use std::{
    collections::{BTreeMap, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use ironflex_ikev2::{
    Endpoint, Input, Output,
    config::{
        AcceptedProofs, Ciphers, ConnectConfig, EndpointConfig, FragmentationConfig, IkePolicy,
        IkeProposal, InitiatorAuthentication, LocalAuthentication, NatConfig, PeerConfig,
        Redirection, RemoteAuthentication, Upkeep,
    },
    crypto::{
        Provider, Rng, SignatureScheme, SigningKey, default_provider,
        keys::{ProtectionKeys, RoleChildKeys},
        suite::*,
    },
    event::{
        Answer, Ask, AskId, ChildId, ChildSa, CloseReason, Command, Discard, EapInput, Event,
        Framing, Instant, KeyLog, Lease, Path, PeerProof, SaId, Transmit,
    },
    refusal::Refusal,
    secret::{PreSharedKey, SecretBytes},
    wire::{
        Header,
        payload::{AddressRange, ConfigAttribute, Identification, KnownVendor, TrafficSelector},
        registry::{ConfigAttributeType, ExchangeType},
    },
};

mod outside;
mod setup;
mod toy;

use outside::{note, outside};
pub use setup::*;
pub use toy::*;

/// Random octets that depend on a seed alone.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True in `percent` of a hundred draws.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

impl Rng for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let octets = self.next().to_le_bytes();
            chunk.copy_from_slice(&octets[..chunk.len()]);
        }
    }
}

/// As [`Seeded`], but what is drawn for nonces begins with the octets that a test has put here, first come, first served.
pub struct Leading {
    inner: Seeded,
    leads: Leads,
}

/// The first octets of the nonces to come, for each as many as there are.
pub type Leads = Arc<Mutex<VecDeque<Vec<u8>>>>;

impl Rng for Leading {
    fn fill(&mut self, out: &mut [u8]) {
        const NONCE: usize = 32;
        self.inner.fill(out);
        if out.len() == NONCE
            && let Some(lead) = self.leads.lock().unwrap().pop_front()
        {
            out[..lead.len()].copy_from_slice(&lead);
        }
    }
}

/// One end: its endpoint, what it was told, and what its outside has done.
pub struct End {
    pub endpoint: Endpoint,
    /// How the nonces to come begin.
    pub leads: Leads,
    pub log: Vec<String>,
    pub discarded: Vec<Discard>,
    /// What each SA sends on: of its first child SA.
    pub installed: BTreeMap<SaId, ChildSa>,
    /// What each SA sends on of its further child SAs.
    pub beside: BTreeMap<(SaId, ChildId), ChildSa>,
    /// What each SA receives on, by inbound SPI.
    pub receiving: BTreeMap<(SaId, u32), ChildSa>,
    pub closed: Vec<CloseReason>,
    pub sas: Vec<SaId>,
    /// How the peers proved themselves.
    pub proofs: Vec<PeerProof>,
    /// With which schemes this end was to sign.
    pub signed: Vec<SignatureScheme>,
    /// The questions that have not been answered.
    pub withheld: VecDeque<(SaId, AskId, Ask)>,
    pub key_log: usize,
    /// The keys of IKE SAs, when the key log is on.
    pub ike_keys: Vec<KeyLog>,
    eap_rounds: BTreeMap<SaId, u32>,
    next_spi: u32,
    deadline: Option<Instant>,
}

impl End {
    fn new(config: EndpointConfig, provider: &'static dyn Provider, seed: u64) -> Self {
        Self::at(Instant::default(), config, provider, seed)
    }

    fn at(
        now: Instant,
        config: EndpointConfig,
        provider: &'static dyn Provider,
        seed: u64,
    ) -> Self {
        let leads = Leads::default();
        Self {
            endpoint: Endpoint::new(
                now,
                config,
                provider,
                Box::new(Leading {
                    inner: Seeded(seed),
                    leads: Arc::clone(&leads),
                }),
            ),
            leads,
            log: Vec::new(),
            discarded: Vec::new(),
            installed: BTreeMap::new(),
            beside: BTreeMap::new(),
            receiving: BTreeMap::new(),
            closed: Vec::new(),
            sas: Vec::new(),
            proofs: Vec::new(),
            signed: Vec::new(),
            withheld: VecDeque::new(),
            key_log: 0,
            ike_keys: Vec::new(),
            eap_rounds: BTreeMap::new(),
            next_spi: 0x5e4e_0000,
            deadline: None,
        }
    }

    /// Everything installed of an SA, or of one child SA of it, is gone.
    fn forget(&mut self, id: SaId, child: Option<ChildId>) {
        let kept = |sa: SaId, one: &ChildSa| sa != id || child.is_some_and(|child| one.id != child);
        self.installed.retain(|&sa, one| kept(sa, one));
        self.beside.retain(|&(sa, _), one| kept(sa, one));
        self.receiving.retain(|&(sa, _), one| kept(sa, one));
    }

    /// An SA sends on this one from now on.
    fn send_on(&mut self, id: SaId, child: ChildSa) {
        let first = self.installed.get(&id);
        if first.is_none_or(|first| first.id == child.id) {
            self.installed.insert(id, child);
        } else {
            self.beside.insert((id, child.id), child);
        }
    }

    /// All that this end sends on.
    pub fn sending(&self) -> impl Iterator<Item = &ChildSa> + Clone {
        self.installed.values().chain(self.beside.values())
    }

    /// How many of this end's SAs are up.
    pub fn ready(&self) -> usize {
        self.endpoint.views().filter(|view| view.ready).count()
    }
}

/// What the network does to a datagram, in percent.
#[derive(Clone, Copy, Default)]
pub struct Weather {
    pub loss: u64,
    pub duplication: u64,
    pub reordering: u64,
}

/// A datagram under way, as the receiver sees its path.
#[derive(Clone)]
struct Flight {
    arrival: Instant,
    number: u64,
    to_server: bool,
    path: Path,
    octets: Arc<[u8]>,
}

/// What is done to every datagram before it is delivered; `None` loses it.
pub type Tamper = Box<dyn FnMut(bool, &mut Vec<u8>) -> bool>;

pub struct Pair {
    pub setup: Setup,
    pub server: End,
    pub client: End,
    pub now: Instant,
    pub weather: Weather,
    pub tamper: Option<Tamper>,
    /// The client's address as the server sees it (a NAT), if not its own.
    pub nat: Option<fn(SocketAddr) -> SocketAddr>,
    pub unnat: Option<fn(SocketAddr) -> SocketAddr>,
    pub sent: usize,
    /// How many datagrams have come out of the network.
    pub delivered: usize,
    /// Every datagram sent: whether to the server, and its octets.
    pub wire: Vec<(bool, Arc<[u8]>)>,
    random: Seeded,
    flights: Vec<Flight>,
    counter: u64,
}

impl Pair {
    pub fn new(setup: Setup, seed: u64) -> Self {
        Self::with_providers(setup, [default_provider(); 2], seed)
    }

    /// The server's cryptography, then the client's.
    pub fn with_providers(
        setup: Setup,
        [server, client]: [&'static dyn Provider; 2],
        seed: u64,
    ) -> Self {
        Self {
            server: End::new(setup.server.clone(), server, seed ^ 1),
            client: End::new(setup.client.clone(), client, seed ^ 2),
            now: Instant::new(Duration::from_secs(1)),
            weather: Weather::default(),
            tamper: None,
            nat: None,
            unnat: None,
            sent: 0,
            delivered: 0,
            wire: Vec::new(),
            random: Seeded(seed),
            flights: Vec::new(),
            counter: 0,
            setup,
        }
    }

    /// One end loses all that it knows, as by SIGKILL, and begins anew with the configuration of the setup.
    pub fn restart(&mut self, server: bool) {
        let (end, config) = if server {
            (&mut self.server, &self.setup.server)
        } else {
            (&mut self.client, &self.setup.client)
        };
        let seed = self.random.next();
        *end = End::at(self.now, config.clone(), default_provider(), seed);
    }

    pub fn connect(&mut self) {
        let command = Command::Connect(Box::new(self.setup.connect.clone()));
        self.client
            .endpoint
            .handle(self.now, Input::Command(command));
        self.drain(false);
    }

    pub fn command(&mut self, server: bool, command: Command) {
        let end = if server {
            &mut self.server
        } else {
            &mut self.client
        };
        end.endpoint.handle(self.now, Input::Command(command));
        self.drain(server);
    }

    /// Puts octets in front of the server as if they came from the client's address.
    pub fn inject(&mut self, path: Path, octets: &[u8]) {
        self.deliver(true, path, octets);
    }

    /// Puts octets in front of one end.
    pub fn deliver(&mut self, to_server: bool, path: Path, octets: &[u8]) {
        let end = if to_server {
            &mut self.server
        } else {
            &mut self.client
        };
        end.endpoint.handle(self.now, Input::Datagram(path, octets));
        self.drain(to_server);
    }

    /// The datagram that would be delivered next: whether to the server, on which path, its octets.
    pub fn next_flight(&mut self) -> Option<(bool, Path, Arc<[u8]>)> {
        self.flights.sort_by_key(|one| (one.arrival, one.number));
        let flight = self.flights.first()?;
        Some((flight.to_server, flight.path, Arc::clone(&flight.octets)))
    }

    /// Takes every datagram out of the network, in the order in which they were sent: whether to the server, on which path,
    /// its octets.
    pub fn take_flights(&mut self) -> Vec<(bool, Path, Arc<[u8]>)> {
        let mut flights = std::mem::take(&mut self.flights);
        flights.sort_by_key(|one| one.number);
        let parts = flights.into_iter();
        parts
            .map(|flight| (flight.to_server, flight.path, flight.octets))
            .collect()
    }

    /// Does something whose datagrams are lost; those that are under way already stay so.
    pub fn aside<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let flights = std::mem::take(&mut self.flights);
        let done = act(self);
        self.flights = flights;
        done
    }

    /// Goes on until the next datagram is one of this exchange to this end.
    pub fn wait_for(&mut self, to_server: bool, exchange: ExchangeType) {
        let until = self.now.after(Duration::from_secs(5));
        loop {
            if let Some((to, _, octets)) = self.next_flight()
                && to == to_server
                && Header::peek(&octets).unwrap().exchange == exchange
            {
                return;
            }
            assert!(self.step(until), "no {exchange} comes");
        }
    }

    /// Loses every datagram that is under way.
    pub fn lose_flights(&mut self) {
        self.flights.clear();
    }

    fn send(&mut self, from_server: bool, transmit: Transmit) {
        self.sent += 1;
        self.wire.push((!from_server, Arc::clone(&transmit.octets)));
        let copies = if self.random.chance(self.weather.loss) {
            0
        } else {
            1 + usize::from(self.random.chance(self.weather.duplication))
        };
        for _ in 0..copies {
            let mut delay = 10;
            if self.random.chance(self.weather.reordering) {
                delay += self.random.next() % 3_000;
            }
            let Path {
                local,
                remote,
                framing,
            } = transmit.path;
            let (mut local, mut remote) = (remote, local);
            if from_server {
                if let Some(unnat) = self.unnat {
                    local = unnat(local);
                }
            } else if let Some(nat) = self.nat {
                remote = nat(remote);
            }
            self.counter += 1;
            self.flights.push(Flight {
                arrival: self.now.after(Duration::from_millis(delay)),
                number: self.counter,
                to_server: !from_server,
                path: Path {
                    local,
                    remote,
                    framing,
                },
                octets: Arc::clone(&transmit.octets),
            });
        }
    }

    /// Answers the oldest question that the server's outside has been silent about; false if there is none.
    pub fn answer_withheld(&mut self) -> bool {
        self.answer_withheld_by(true)
    }

    /// As [`answer_withheld`](Self::answer_withheld), at either end.
    pub fn answer_withheld_by(&mut self, server: bool) -> bool {
        let end = if server {
            &mut self.server
        } else {
            &mut self.client
        };
        let Some((id, ask, question)) = end.withheld.pop_front() else {
            return false;
        };
        let answer = outside(&self.setup, server, end, id, question);
        let input = Input::Answer(id, ask, answer);
        end.endpoint.handle(self.now, input);
        self.drain(server);
        true
    }

    fn drain(&mut self, server: bool) {
        let mut answers: VecDeque<(SaId, AskId, Answer)> = VecDeque::new();
        let mut commands: VecDeque<Command> = VecDeque::new();
        let silent = if server {
            self.setup.silent
        } else {
            self.setup.client_silent
        };
        loop {
            let end = if server {
                &mut self.server
            } else {
                &mut self.client
            };
            match end.endpoint.poll() {
                Output::Transmit(transmit) => self.send(server, transmit),
                Output::Ask(id, ask, question) if silent(&question) => {
                    end.withheld.push_back((id, ask, question));
                }
                Output::Ask(id, ask, question) => {
                    let answer = outside(&self.setup, server, end, id, question);
                    answers.push_back((id, ask, answer));
                }
                Output::Keepalive(id, _) if self.setup.sends_esp => {
                    commands.push_back(Command::EspSent(id));
                }
                Output::Keepalive(..) => end.log.push("keepalive".into()),
                Output::Event(id, event) => {
                    if matches!(event, Event::Quiet) && !self.setup.knows_better {
                        commands.push_back(Command::Probe(id));
                    }
                    note(end, id, event);
                }
                Output::Discarded(_, discard) => end.discarded.push(discard),
                Output::Timeout(at) => {
                    end.deadline = at;
                    if let Some(command) = commands.pop_front() {
                        end.endpoint.handle(self.now, Input::Command(command));
                        continue;
                    }
                    let Some((id, ask, answer)) = answers.pop_front() else {
                        return;
                    };
                    end.endpoint
                        .handle(self.now, Input::Answer(id, ask, answer));
                }
            }
        }
    }

    /// Moves the clock to what happens next; false when nothing does before `until`.
    pub fn step(&mut self, until: Instant) -> bool {
        self.flights.sort_by_key(|one| (one.arrival, one.number));
        let arrival = self.flights.first().map(|one| one.arrival);
        let next = [arrival, self.server.deadline, self.client.deadline]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next.filter(|&next| next <= until) else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let flight = self.flights.remove(0);
            self.delivered += 1;
            let mut octets = flight.octets.to_vec();
            if let Some(tamper) = &mut self.tamper
                && !tamper(flight.to_server, &mut octets)
            {
                return true;
            }
            let end = if flight.to_server {
                &mut self.server
            } else {
                &mut self.client
            };
            end.endpoint
                .handle(self.now, Input::Datagram(flight.path, &octets));
            self.drain(flight.to_server);
            return true;
        }
        for server in [true, false] {
            let end = if server {
                &mut self.server
            } else {
                &mut self.client
            };
            if end.deadline.is_some_and(|at| at <= self.now) {
                end.endpoint.handle(self.now, Input::Timeout);
                self.drain(server);
            }
        }
        true
    }

    /// Runs for this long, at most 20,000 steps: more would be a ping-pong.
    pub fn run(&mut self, seconds: u64) {
        let until = self.now.after(Duration::from_secs(seconds));
        for _ in 0..20_000 {
            if !self.step(until) {
                self.now = until;
                return;
            }
        }
        panic!("no rest after 20,000 steps");
    }

    pub fn both_up(&self) -> bool {
        self.server.ready() == 1 && self.client.ready() == 1
    }

    /// Both dataplanes hold the same pair of SAs, crosswise.
    pub fn assert_children_match(&self) {
        let (server, client) = (&self.server.installed, &self.client.installed);
        assert_eq!((server.len(), client.len()), (1, 1));
        let (server, client) = (
            server.values().next().unwrap(),
            client.values().next().unwrap(),
        );
        assert_eq!(server.inbound_spi, client.outbound_spi);
        assert_eq!(server.outbound_spi, client.inbound_spi);
        assert!(server.keys.inbound == client.keys.outbound);
        assert!(server.keys.outbound == client.keys.inbound);
        assert!(server.keys.inbound != server.keys.outbound);
        assert_eq!(server.suite, client.suite);
        assert_eq!(
            (&server.local, &server.remote),
            (&client.remote, &client.local)
        );
        assert_eq!(server.udp_encapsulation, client.udp_encapsulation);
    }

    /// What was discarded, other than fragments on their way to being whole.
    pub fn discards(&self) -> Vec<&Discard> {
        let all = self.server.discarded.iter().chain(&self.client.discarded);
        all.filter(|&one| *one != Discard::FragmentKept).collect()
    }

    /// Nothing is left at either end.
    pub fn assert_clean(&self) {
        assert_eq!(
            self.server.endpoint.len(),
            0,
            "server: {:?}",
            self.server.log
        );
        assert_eq!(
            self.client.endpoint.len(),
            0,
            "client: {:?}",
            self.client.log
        );
        assert_eq!(self.server.endpoint.half_open(), 0);
        assert_eq!(self.server.sending().count(), 0);
        assert_eq!(self.client.sending().count(), 0);
        assert!(self.server.receiving.is_empty() && self.client.receiving.is_empty());
    }

    /// What each end sends now, the other can read: the SA that it sends on is one that the other
    /// receives on, under the same keys.
    pub fn assert_traffic_flows(&self) {
        for (from, to) in [(&self.server, &self.client), (&self.client, &self.server)] {
            let deaf = unheard(from.sending(), to.receiving.values());
            assert_eq!(deaf, None, "{:?} {:?}", self.server.log, self.client.log);
        }
    }
}

/// The SPI of the first of these SAs, on which one end sends, that the other does not receive on under the
/// same keys.
pub fn unheard<'a>(
    mut sending: impl Iterator<Item = &'a ChildSa>,
    receiving: impl Iterator<Item = &'a ChildSa> + Clone,
) -> Option<u32> {
    let heard = |child: &ChildSa| {
        receiving.clone().any(|other| {
            other.inbound_spi == child.outbound_spi && other.keys.inbound == child.keys.outbound
        })
    };
    sending
        .find(|child| !heard(child))
        .map(|child| child.outbound_spi)
}

/// The same SA once more; nobody but a test has two.
pub fn copy_of(child: &ChildSa) -> ChildSa {
    let direction = |keys: &ProtectionKeys| match keys {
        ProtectionKeys::Aead { algorithm, key } => ProtectionKeys::Aead {
            algorithm: *algorithm,
            key: key.duplicate(),
        },
        ProtectionKeys::EncryptThenMac {
            cipher,
            key,
            integrity,
            integrity_key,
        } => ProtectionKeys::EncryptThenMac {
            cipher: *cipher,
            key: key.duplicate(),
            integrity: *integrity,
            integrity_key: integrity_key.duplicate(),
        },
    };
    ChildSa {
        id: child.id,
        suite: child.suite,
        exchanges: child.exchanges,
        keys: RoleChildKeys {
            inbound: direction(&child.keys.inbound),
            outbound: direction(&child.keys.outbound),
        },
        inbound_spi: child.inbound_spi,
        outbound_spi: child.outbound_spi,
        local: child.local.clone(),
        remote: child.remote.clone(),
        path: child.path,
        udp_encapsulation: child.udp_encapsulation,
        configuration: child.configuration.clone(),
        by_peer: child.by_peer,
    }
}

/// The refusal with which an SA was closed.
pub fn refusal(reason: &CloseReason) -> &Refusal {
    match reason {
        CloseReason::Refused(refusal) => refusal,
        other => panic!("closed for another reason: {other:?}"),
    }
}

/// NAT detection where only ESP in UDP is received.
pub const USERSPACE: NatConfig = NatConfig {
    force_encapsulation: true,
    encapsulation_required: true,
};
