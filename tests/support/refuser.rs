//! A client that logs in by a key, replaces no SA and refuses whenever it is asked to: the core of IKEv2 with a setting that no
//! program of ours has, for none of them wants a key exchange less than its peer does. It has no dataplane, and what comes to it
//! by ESP is lost.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use ironflex::{
    clock::Clock,
    random::OsRandom,
    translate,
    udp::{MAX_DATAGRAM, NON_ESP_MARKER, UdpEndpoint},
};
use ironflex_ikev2::{
    Endpoint, Input, Output,
    config::{
        AcceptedProofs, Ciphers, ConnectConfig, EndpointConfig, FragmentationConfig, IkeProposal,
        InitiatorAuthentication, LocalAuthentication, Pfs, Redirection, Upkeep,
    },
    crypto::{
        default_provider,
        suite::{CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm, Protection},
    },
    event::{Answer, Ask, Command, Event, Framing, Path},
    secret::{PreSharedKey, SecretBytes},
    wire::{
        payload::{AddressRange, ConfigAttribute, Identification, TrafficSelector},
        registry::ConfigAttributeType,
    },
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    PATIENCE,
    lab::{ClientHost, HEADEND},
};

/// How long it listens before it looks whether it is over, in milliseconds.
const LOOK: u16 = 20;

/// The client, until it is dropped.
pub(crate) struct Refuser {
    told: Receiver<Event>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Refuser {
    /// Logs in, and waits until the tunnel's SA is there.
    pub(crate) fn log_in(client: &ClientHost, identity: &str, key: &str) -> Self {
        let (sender, told) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let outer = client.outer;
        let mut peer = client
            .host
            .namespace
            .run(move || Peer::new(outer, sender))
            .unwrap();
        peer.connect(client, identity, key);
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                peer.turn();
            }
        });
        let refuser = Self {
            told,
            over,
            thread: Some(thread),
        };
        refuser.hears("that it is up", |event| {
            matches!(event, Event::Established { child: true })
        });
        refuser
    }

    /// Waits until the core tells of this.
    pub(crate) fn hears(&self, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
        loop {
            match self.told.recv_timeout(PATIENCE) {
                Ok(event) if is_it(&event) => return event,
                Ok(_) => {}
                Err(_) => panic!("the client does not hear {what}"),
            }
        }
    }
}

impl Drop for Refuser {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Peer {
    endpoint: Endpoint,
    clock: Clock,
    /// For IKE alone, and for IKE behind the non-ESP marker.
    sockets: [UdpEndpoint; 2],
    buffer: Vec<u8>,
    sender: Sender<Event>,
}

const FRAMINGS: [Framing; 2] = [Framing::Bare, Framing::Marked];

impl Peer {
    fn new(outer: IpAddr, sender: Sender<Event>) -> Self {
        let bind = || UdpEndpoint::bind(SocketAddr::new(outer, 0)).unwrap();
        let clock = Clock::start();
        let config = EndpointConfig::new(Vec::new());
        let random = Box::new(OsRandom);
        Self {
            endpoint: Endpoint::new(clock.now(), config, default_provider(), random),
            clock,
            sockets: [bind(), bind()],
            buffer: vec![0; MAX_DATAGRAM],
            sender,
        }
    }

    fn connect(&mut self, client: &ClientHost, identity: &str, key: &str) {
        let [bare, marked] = self.sockets.each_ref().map(UdpEndpoint::port);
        let path = |framing, ours, theirs| Path {
            local: SocketAddr::new(client.outer, ours),
            remote: SocketAddr::new(HEADEND, theirs),
            framing,
        };
        let key = PreSharedKey::new(SecretBytes::copied_from(key.as_bytes())).unwrap();
        let everything = || vec![TrafficSelector::addresses(AddressRange::ANY_V4)];
        let (cipher, integrity) = (CbcAlgorithm::AesCbc256, Integrity::HmacSha2_256_128);
        let config = ConnectConfig {
            path: path(Framing::Bare, bare, 500),
            float_path: path(Framing::Marked, marked, 4500),
            always_float: true,
            force_encapsulation: true,
            proposals: vec![IkeProposal {
                ciphers: Ciphers::EncryptThenMac(vec![cipher], vec![integrity]),
                prf: vec![PrfAlgorithm::HmacSha2_256],
                groups: vec![Group::Modp2048],
                additional: Vec::new(),
            }],
            identity: Identification::fqdn(identity),
            wanted: None,
            authentication: InitiatorAuthentication::Auth(LocalAuthentication::PreSharedKey(
                key.clone(),
            )),
            responder: AcceptedProofs {
                pre_shared_key: Some(key),
                ..AcceptedProofs::default()
            },
            ppk: None,
            esp: vec![EspSuite {
                protection: Protection::EncryptThenMac(cipher, integrity),
                esn: false,
            }],
            spi: translate::fresh_spi(),
            request: vec![ConfigAttribute::empty(
                ConfigAttributeType::INTERNAL_IP4_ADDRESS,
            )],
            local: everything(),
            remote: everything(),
            authorities: Vec::new(),
            vendor_ids: Vec::new(),
            childless: false,
            signature_hashes: false,
            fragmentation: FragmentationConfig {
                ietf: true,
                cisco: false,
                mtu: 1280,
            },
            // It has no group for a key exchange of a child SA.
            upkeep: Upkeep {
                pfs: Pfs::Accepted(Vec::new()),
                ..Upkeep::default()
            },
            redirection: Redirection::Refused,
        };
        self.command(Command::Connect(Box::new(config)));
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.now();
        self.endpoint.handle(now, Input::Command(command));
        self.drain();
    }

    /// Takes what arrives within a moment, and does what is due.
    fn turn(&mut self) {
        let mut ready = self
            .sockets
            .each_ref()
            .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        poll(&mut ready, PollTimeout::from(LOOK)).unwrap();
        let mut buffer = std::mem::take(&mut self.buffer);
        for (which, framing) in FRAMINGS.into_iter().enumerate() {
            while let Some(received) = self.sockets[which].receive(&mut buffer).unwrap() {
                let octets = &buffer[..received.len];
                let message = match framing {
                    Framing::Bare => Some(octets),
                    Framing::Marked => octets.strip_prefix(&NON_ESP_MARKER),
                };
                let Some(message) = message else {
                    continue;
                };
                let path = Path {
                    local: received.local,
                    remote: received.remote,
                    framing,
                };
                let now = self.clock.now();
                self.endpoint.handle(now, Input::Datagram(path, message));
                self.drain();
            }
        }
        self.buffer = buffer;
        let now = self.clock.now();
        self.endpoint.handle(now, Input::Timeout);
        self.drain();
    }

    fn drain(&mut self) {
        let mut answers = VecDeque::new();
        loop {
            match self.endpoint.poll() {
                Output::Transmit(transmit) => {
                    let path = transmit.path;
                    let marked = path.framing == Framing::Marked;
                    let socket = &self.sockets[usize::from(marked)];
                    // What cannot be sent is lost and comes again.
                    let _ = socket.send(path.local.ip(), path.remote, marked, &transmit.octets);
                }
                Output::Ask(sa, ask, question) => {
                    assert!(matches!(question, Ask::Install(_)), "it rekeys");
                    answers.push_back((sa, ask));
                }
                // Nobody may wait for it any more.
                Output::Event(_, event) => drop(self.sender.send(event)),
                Output::Keepalive(..) | Output::Discarded(..) => {}
                Output::Timeout(_) => {
                    let Some((sa, ask)) = answers.pop_front() else {
                        return;
                    };
                    let now = self.clock.now();
                    self.endpoint
                        .handle(now, Input::Answer(sa, ask, Answer::Installed));
                }
            }
        }
    }
}
