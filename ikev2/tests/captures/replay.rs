//! A captured side against an endpoint of ours, and what comes of it.

use std::sync::Arc;

use ironflex_ikev2::{
    Endpoint, Input, Output,
    config::{
        AcceptedProofs, ConnectConfig, InitiatorAuthentication, PeerConfig, Redirection,
        RemoteAuthentication, Upkeep,
    },
    event::{
        Answer, Ask, ChildSa, CloseReason, Command, Discard, EapContext, EapInput, EapOutput,
        Event, Framing, Lease, Path, Transmit,
    },
    secret::SecretBytes,
    wire::{
        PartialMessage,
        payload::{AddressRange, Identification, KnownVendor, TrafficSelector},
        registry::ExchangeType,
    },
};

use crate::{
    der::subject_public_key_info,
    login::{Login, NOW},
    support::{self, ANYCONNECT_ID, CLIENT, SERVER, address, proposal},
};

/// What came of a replay.
#[derive(Default)]
pub(crate) struct Replay {
    pub(crate) child: Option<Box<ChildSa>>,
    pub(crate) events: Vec<String>,
    pub(crate) discarded: Vec<Discard>,
    pub(crate) transmitted: Vec<Transmit>,
    /// Every EAP packet that the core handed out.
    pub(crate) eap: Vec<Vec<u8>>,
    pub(crate) context: Option<EapContext>,
    pub(crate) closed: Option<CloseReason>,
}

impl Replay {
    /// Drains the endpoint, the outside answering by `outside`.
    pub(crate) fn drain(
        &mut self,
        endpoint: &mut Endpoint,
        outside: &mut dyn FnMut(&mut Self, Ask) -> Answer,
    ) {
        let mut answers = std::collections::VecDeque::new();
        loop {
            match endpoint.poll() {
                Output::Transmit(transmit) => self.transmitted.push(transmit),
                Output::Ask(id, name, ask) => answers.push_back((id, name, outside(self, ask))),
                Output::Event(_, event) => self.note(event),
                Output::Keepalive(..) => panic!("nothing is configured to be kept alive"),
                Output::Discarded(_, Discard::FragmentKept) => {}
                Output::Discarded(_, discard) => self.discarded.push(discard),
                Output::Timeout(_) => {
                    let Some((id, name, answer)) = answers.pop_front() else {
                        return;
                    };
                    endpoint.handle(NOW, Input::Answer(id, name, answer));
                }
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Authenticated(who) => {
                let user = who.eap_user.unwrap_or_else(|| Arc::from("-"));
                self.events
                    .push(format!("authenticated {} {user}", who.peer));
            }
            Event::Established { child } => self.events.push(format!("established {child}")),
            Event::Closed(reason) => self.closed = Some(reason),
            Event::ChildRefused { why, .. } => self.events.push(format!("child refused: {why}")),
            _ => {}
        }
    }

    fn start_eap(&mut self, input: EapInput) {
        match input {
            EapInput::Start(context) => self.context = Some(context),
            EapInput::Begin(context, packet) => {
                self.context = Some(context);
                self.eap.push(packet);
            }
            EapInput::Packet(packet) => self.eap.push(packet),
        }
    }
}

/// The path of a captured datagram at its receiver.
pub(crate) fn path(to_server: bool, port: u16) -> Path {
    let (local, remote) = if to_server {
        (SERVER, CLIENT)
    } else {
        (CLIENT, SERVER)
    };
    let at = |text| std::net::SocketAddr::new(address(text).ip(), port);
    Path {
        local: at(local),
        remote: at(remote),
        framing: if port == 4500 {
            Framing::Marked
        } else {
            Framing::Bare
        },
    }
}

pub(crate) fn contains(packet: &[u8], text: &str) -> bool {
    packet
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

pub(crate) fn everything() -> Vec<TrafficSelector> {
    vec![TrafficSelector::addresses(AddressRange::ANY_V4)]
}

/// Our responder, asked by the captured client.
pub(crate) fn replay_client(login: &Login) -> Replay {
    let mut endpoint = login.endpoint(false);
    let mut replay = Replay::default();
    let [to_responder, _] = login.table();
    let mut outside = |replay: &mut Replay, ask| match ask {
        Ask::Peer(question) => {
            assert!(question.wants_eap && question.anyconnect);
            assert_eq!(question.identity.kind, login.id_type);
            assert_eq!(question.identity.data, ANYCONNECT_ID);
            Answer::Peer(Arc::new(PeerConfig {
                name: Arc::from("replay"),
                local_identity: Identification::address(address(SERVER).ip()),
                local_authentication: support::own_certificate(),
                remote_authentication: RemoteAuthentication {
                    anyconnect_eap: true,
                    proofs: AcceptedProofs::default(),
                },
                ppk: None,
                esp: vec![login.esp],
                upkeep: Upkeep::default(),
                redirect: None,
            }))
        }
        // Nobody is there to judge it.
        Ask::Sign { scheme, .. } => {
            assert_eq!(scheme.hash(), login.ike.prf.hash());
            Answer::Signature(vec![0; 256])
        }
        Ask::Eap(input) => {
            replay.start_eap(input);
            let said_ack = replay
                .eap
                .last()
                .is_some_and(|packet| contains(packet, "type=\"ack\""));
            Answer::Eap(if said_ack {
                EapOutput::Success {
                    packet: vec![3, 4, 0, 4],
                    user: Arc::from("alice"),
                    msk: None,
                }
            } else {
                EapOutput::Packet(vec![1, 1, 0, 4])
            })
        }
        Ask::Lease(question) => {
            assert!(!question.requested.is_empty());
            Answer::Lease(Box::new(Lease {
                reply: Vec::new(),
                remote: everything(),
                local: everything(),
                spi: to_responder.spi,
                session_lifetime: None,
            }))
        }
        Ask::Rekey(_) => panic!("nothing was rekeyed"),
        Ask::Install(child) => {
            replay.child = Some(child);
            Answer::Installed
        }
        Ask::Chain { .. } => panic!("the captured client has no CERT of its own"),
    };
    for datagram in login.sent(true) {
        let path = path(true, datagram.ports.1);
        endpoint.handle(NOW, Input::Datagram(path, &datagram.message));
        replay.drain(&mut endpoint, &mut outside);
    }
    replay
}

/// Our initiator, answered by the captured headend.
pub(crate) fn replay_headend(login: &Login) -> Replay {
    let mut endpoint = login.endpoint(true);
    let mut replay = Replay::default();
    let [_, to_initiator] = login.table();
    let mut outside = |replay: &mut Replay, ask| match ask {
        Ask::Chain { certificates, .. } => Answer::Chain {
            spki: subject_public_key_info(&certificates[0]).to_vec(),
        },
        Ask::Eap(input) => {
            replay.start_eap(input);
            let last = replay.eap.last().unwrap();
            Answer::Eap(match last[0] {
                3 => EapOutput::Concluded { msk: None },
                _ => EapOutput::Packet(vec![2, last[1], 0, 4]),
            })
        }
        Ask::Install(child) => {
            replay.child = Some(child);
            Answer::Installed
        }
        _ => panic!("not a question of an EAP client"),
    };
    let connect = ConnectConfig {
        path: path(false, 500),
        float_path: path(false, 4500),
        always_float: true,
        force_encapsulation: false,
        proposals: vec![proposal(login.ike)],
        identity: Identification::new(login.id_type, ANYCONNECT_ID.to_vec()),
        wanted: None,
        authentication: InitiatorAuthentication::AnyConnectEap,
        responder: AcceptedProofs {
            rsa_signature: true,
            ..AcceptedProofs::default()
        },
        ppk: None,
        esp: vec![login.esp],
        spi: to_initiator.spi,
        request: Vec::new(),
        local: everything(),
        remote: everything(),
        authorities: Vec::new(),
        vendor_ids: vec![KnownVendor::AnyConnectEap.bytes().to_vec()],
        childless: false,
        signature_hashes: false,
        fragmentation: login.fragmentation(),
        upkeep: Upkeep::default(),
        redirection: Redirection::Refused,
    };
    endpoint.handle(NOW, Input::Command(Command::Connect(Box::new(connect))));
    replay.drain(&mut endpoint, &mut outside);
    let mut ids = Vec::new();
    for datagram in login.sent(false) {
        // The captured delete was the client's; ours has not asked for it.
        let header = PartialMessage::parse(&datagram.message).unwrap().header;
        if header.exchange == ExchangeType::INFORMATIONAL {
            continue;
        }
        ids.push(header.message_id.0);
        let path = path(false, datagram.ports.0);
        endpoint.handle(NOW, Input::Datagram(path, &datagram.message));
        replay.drain(&mut endpoint, &mut outside);
    }
    ids.dedup();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6]);
    replay
}

/// The child SA that was installed has the captured keys and SPIs, crosswise for the responder.
pub(crate) fn assert_child(login: &Login, replay: &Replay, by_initiator: bool) {
    let child = replay.child.as_ref().expect("a child SA was installed");
    let [from_initiator, from_responder] = login.table();
    let (inbound, outbound) = if by_initiator {
        (from_responder, from_initiator)
    } else {
        (from_initiator, from_responder)
    };
    assert_eq!(child.suite, login.esp);
    for (row, spi, keys) in [
        (inbound, child.inbound_spi, &child.keys.inbound),
        (outbound, child.outbound_spi, &child.keys.outbound),
    ] {
        assert_eq!(spi, row.spi);
        assert_eq!(keys.encryption().as_bytes(), row.encryption);
        let integrity = keys.integrity().map(SecretBytes::as_bytes);
        assert_eq!(integrity.unwrap_or_default(), row.integrity);
    }
}
