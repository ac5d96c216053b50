//! The load generator: AnyConnect-EAP logins, many at once over a few UDP sockets, without tunnels.
//!
//! Reads a number a line, logs in so many clients, and says the number back when all of them are up. The sessions stay
//! up on the headend; here each is forgotten as soon as it is there.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, BufRead, Write},
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsFd,
};

use ironflex::{
    clock::Clock,
    daemon::{IKE_PORT, NAT_PORT},
    random::{self, OsRandom},
    translate,
    udp::{MAX_DATAGRAM, NON_ESP_MARKER, UdpEndpoint},
};
use ironflex_eap::{
    Secret,
    anyconnect::{Answer as FormAnswer, Client, ClientConfig, ClientStep, config_auth::DeviceInfo},
};
use ironflex_ikev2::{
    Endpoint, Input, Output,
    config::{
        AcceptedProofs, Ciphers, ConnectConfig, EndpointConfig, FragmentationConfig, IkeProposal,
        InitiatorAuthentication, Redirection, Upkeep,
    },
    crypto::{
        default_provider,
        suite::{CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm, Protection},
    },
    event::{
        Answer, Ask, AskId, Command, EapInput, EapOutput, Event, Framing, Instant, Path, SaId,
    },
    wire::{
        payload::{AddressRange, ConfigAttribute, Identification, KnownVendor, TrafficSelector},
        registry::ConfigAttributeType,
    },
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::headend::ADDRESS;

/// The argument that makes this program the load generator.
pub(crate) const WORD: &str = "load-generator";

/// Logins under way at a time: far below the headend's cookie watermark.
const AT_ONCE: usize = 32;

/// Pairs of sockets.
const SOCKETS: usize = 4;

/// Runs until its input ends. The one argument names the file with the headend's public key.
pub(crate) fn run(arguments: &[String]) {
    let [spki] = arguments else {
        panic!("the headend's public key is missing");
    };
    let mut fleet = Fleet::new(std::fs::read(spki).unwrap());
    for line in io::stdin().lock().lines() {
        let count = line.unwrap().trim().parse().unwrap();
        fleet.login(count);
        let mut out = io::stdout();
        writeln!(out, "{count}").unwrap();
        out.flush().unwrap();
    }
}

/// The first request of a login, as the load generator would send it.
pub(crate) fn first_request() -> Vec<u8> {
    let mut fleet = Fleet::new(Vec::new());
    let connect = Command::Connect(Box::new(fleet.connect()));
    let now = fleet.clock.now();
    fleet.endpoint.handle(now, Input::Command(connect));
    loop {
        match fleet.endpoint.poll() {
            Output::Transmit(transmit) => return transmit.octets.to_vec(),
            Output::Timeout(_) => panic!("a client sends nothing"),
            _ => {}
        }
    }
}

struct Fleet {
    endpoint: Endpoint,
    clock: Clock,
    /// For IKE alone, and for IKE behind the non-ESP marker.
    sockets: Vec<[UdpEndpoint; 2]>,
    buffer: Vec<u8>,
    spki: Vec<u8>,
    logins: HashMap<SaId, Option<Client>>,
    /// SAs that are up and can be forgotten.
    up: Vec<SaId>,
    started: usize,
    next_device: u64,
}

impl Fleet {
    fn new(spki: Vec<u8>) -> Self {
        let any = || UdpEndpoint::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)).unwrap();
        let clock = Clock::start();
        Self {
            endpoint: Endpoint::new(
                clock.now(),
                EndpointConfig::new(Vec::new()),
                default_provider(),
                Box::new(OsRandom),
            ),
            clock,
            sockets: (0..SOCKETS).map(|_| [any(), any()]).collect(),
            buffer: vec![0; MAX_DATAGRAM],
            spki,
            logins: HashMap::new(),
            up: Vec::new(),
            started: 0,
            next_device: u64::from_be_bytes(random::octets()),
        }
    }

    fn login(&mut self, count: usize) {
        let mut left = count;
        let mut done = 0;
        while done < count {
            while left > 0 && self.logins.len() < AT_ONCE {
                left -= 1;
                let connect = self.connect();
                let now = self.clock.now();
                let command = Command::Connect(Box::new(connect));
                self.endpoint.handle(now, Input::Command(command));
                self.drain();
            }
            let deadline = self.turn();
            for sa in std::mem::take(&mut self.up) {
                done += 1;
                self.logins.remove(&sa);
                let now = self.clock.now();
                self.endpoint
                    .handle(now, Input::Command(Command::Forget(sa)));
                self.drain();
            }
            if done < count && self.logins.len() == AT_ONCE.min(count - done) {
                self.wait(deadline);
            }
        }
    }

    /// Takes everything that has arrived or is due. Returns when something is due next.
    fn turn(&mut self) -> Option<Instant> {
        let mut buffer = std::mem::take(&mut self.buffer);
        for pair in 0..self.sockets.len() {
            for (which, framing) in [Framing::Bare, Framing::Marked].into_iter().enumerate() {
                while let Some(received) = self.sockets[pair][which].receive(&mut buffer).unwrap() {
                    let octets = &buffer[..received.len];
                    let octets = match framing {
                        Framing::Bare => octets,
                        Framing::Marked => octets.strip_prefix(&NON_ESP_MARKER).unwrap(),
                    };
                    let path = Path {
                        local: received.local,
                        remote: received.remote,
                        framing,
                    };
                    let now = self.clock.now();
                    self.endpoint.handle(now, Input::Datagram(path, octets));
                    self.drain();
                }
            }
        }
        self.buffer = buffer;
        self.endpoint.handle(self.clock.now(), Input::Timeout);
        self.drain()
    }

    fn wait(&self, deadline: Option<Instant>) {
        let mut set: Vec<PollFd<'_>> = self
            .sockets
            .iter()
            .flatten()
            .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
            .collect();
        let wait = deadline.map_or(0, |instant| self.clock.until(instant).as_millis() + 1);
        poll(&mut set, PollTimeout::try_from(wait).unwrap()).unwrap();
    }

    fn drain(&mut self) -> Option<Instant> {
        let mut answers: VecDeque<(SaId, AskId, Answer)> = VecDeque::new();
        loop {
            match self.endpoint.poll() {
                Output::Transmit(transmit) => {
                    let path = transmit.path;
                    let marked = path.framing == Framing::Marked;
                    let port = path.local.port();
                    let mut sockets = self.sockets.iter().map(|pair| &pair[usize::from(marked)]);
                    let socket = sockets.find(|socket| socket.port() == port).unwrap();
                    // What cannot be sent is lost and comes again.
                    let _ = socket.send(path.local.ip(), path.remote, marked, &transmit.octets);
                }
                Output::Ask(sa, ask, question) => {
                    answers.push_back((sa, ask, self.answer(sa, question)));
                }
                Output::Event(sa, Event::Initiated) => {
                    let client = self.client();
                    self.logins.insert(sa, Some(client));
                }
                Output::Keepalive(..) => {}
                Output::Event(sa, Event::Established { child: true }) => self.up.push(sa),
                Output::Event(sa, Event::Closed(reason)) => {
                    assert!(!self.logins.contains_key(&sa), "a login failed: {reason}");
                }
                Output::Event(_, Event::ChildRefused { why, .. }) => panic!("no child SA: {why}"),
                Output::Event(..) | Output::Discarded(..) => {}
                Output::Timeout(instant) => {
                    let Some((sa, ask, answer)) = answers.pop_front() else {
                        return instant;
                    };
                    let now = self.clock.now();
                    self.endpoint.handle(now, Input::Answer(sa, ask, answer));
                }
            }
        }
    }

    fn answer(&mut self, sa: SaId, ask: Ask) -> Answer {
        match ask {
            // The chain is judged by `ironflex connect`; what is measured here is the other side.
            Ask::Chain { .. } => Answer::Chain {
                spki: self.spki.clone(),
            },
            Ask::Eap(EapInput::Begin(_, packet) | EapInput::Packet(packet)) => {
                let login = self.logins.get_mut(&sa).unwrap();
                Answer::Eap(eap(login, &packet))
            }
            Ask::Install(_) => Answer::Installed,
            _ => panic!("a client is not asked this"),
        }
    }

    fn client(&mut self) -> Client {
        self.next_device = self.next_device.wrapping_add(1);
        Client::new(ClientConfig {
            device: DeviceInfo {
                client_version: Some(concat!("ironflex ", env!("CARGO_PKG_VERSION")).into()),
                computer_name: Some("bench".into()),
                platform: Some("linux-64".into()),
                unique_id_global: Some(format!("{:040X}", self.next_device)),
                ..DeviceInfo::default()
            },
            group_access: Some(ADDRESS.to_string()),
            ..ClientConfig::default()
        })
    }

    /// What `ironflex connect` sends, with the one suite that is measured: aes-cbc-256, sha256, group 14.
    fn connect(&mut self) -> ConnectConfig {
        let [bare, marked] = &self.sockets[self.started % self.sockets.len()];
        self.started += 1;
        let path = |framing, ours: &UdpEndpoint, theirs| Path {
            local: SocketAddr::new(ADDRESS, ours.port()),
            remote: SocketAddr::new(ADDRESS, theirs),
            framing,
        };
        let everything = || vec![TrafficSelector::addresses(AddressRange::ANY_V4)];
        ConnectConfig {
            path: path(Framing::Bare, bare, IKE_PORT),
            float_path: path(Framing::Marked, marked, NAT_PORT),
            always_float: true,
            force_encapsulation: false,
            proposals: vec![IkeProposal {
                ciphers: Ciphers::EncryptThenMac(
                    vec![CbcAlgorithm::AesCbc256],
                    vec![Integrity::HmacSha2_256_128],
                ),
                prf: vec![PrfAlgorithm::HmacSha2_256],
                groups: vec![Group::Modp2048],
                additional: Vec::new(),
            }],
            identity: Identification::key_id(b"*$AnyConnectClient$*".to_vec()),
            wanted: None,
            authentication: InitiatorAuthentication::AnyConnectEap,
            responder: AcceptedProofs {
                rsa_signature: true,
                ..AcceptedProofs::default()
            },
            ppk: None,
            esp: vec![EspSuite {
                protection: Protection::EncryptThenMac(
                    CbcAlgorithm::AesCbc256,
                    Integrity::HmacSha2_256_128,
                ),
                esn: false,
            }],
            spi: translate::fresh_spi(),
            request: [
                ConfigAttributeType::INTERNAL_IP4_ADDRESS,
                ConfigAttributeType::INTERNAL_IP4_NETMASK,
                ConfigAttributeType::INTERNAL_IP4_DNS,
                ConfigAttributeType::INTERNAL_IP4_SUBNET,
                ConfigAttributeType::APPLICATION_VERSION,
            ]
            .map(ConfigAttribute::empty)
            .to_vec(),
            local: everything(),
            remote: everything(),
            authorities: Vec::new(),
            vendor_ids: [
                KnownVendor::DeleteReason,
                KnownVendor::Copyright,
                KnownVendor::AnyConnectEap,
            ]
            .map(|vendor| vendor.bytes().to_vec())
            .to_vec(),
            childless: false,
            signature_hashes: false,
            fragmentation: FragmentationConfig {
                ietf: true,
                cisco: true,
                mtu: 1280,
            },
            upkeep: Upkeep::default(),
            redirection: Redirection::Refused,
        }
    }
}

/// One step of a login as the user of the example.
fn eap(login: &mut Option<Client>, packet: &[u8]) -> EapOutput {
    let client = login.take().expect("the login goes on");
    let mut step = client.handle(packet);
    loop {
        step = match step {
            ClientStep::Respond(client, response) => {
                *login = Some(client);
                return EapOutput::Packet(response);
            }
            ClientStep::AskCredentials(waiting, form) => {
                assert!(form.error.is_none(), "the headend refuses the password");
                let answer = FormAnswer {
                    username: "test".into(),
                    password: Secret::from("cisco123"),
                    group: None,
                };
                waiting.answer(answer).ok().expect("an answer to send")
            }
            ClientStep::AskCertificate(waiting) => waiting.decline(),
            ClientStep::Succeeded(_) => return EapOutput::Concluded { msk: None },
            ClientStep::Failed(failure) => panic!("the login failed: {failure}"),
            ClientStep::Discard(_, reason) => panic!("an EAP packet out of place: {reason}"),
        };
    }
}
