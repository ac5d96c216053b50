//! Both captured logins replayed through the core: our responder answers the captured client, and
//! our initiator asks the captured headend, although neither other end is there. The one thing that a
//! replay cannot know, the private key of the key exchange, is stood in for by the g^ir that was
//! written down beside the capture; nonces, SPIs and public values are the captured ones.
//!
//! What follows is the core's own: every message is opened and put together from Cisco's or RFC 7383
//! fragments by it, AUTH is judged by it, and the child SA's keys must be those of the capture's
//! table. The codec and the key schedule alone are tried in `wire_captures.rs` and `key_schedule.rs`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]

mod support;

#[path = "support/pcap.rs"]
mod pcap;

use std::{path::Path as FilePath, sync::Arc, time::Duration};

use ironflex_ikev2::{
    Endpoint, Input, Output,
    config::{
        ConnectConfig, EndpointConfig, FragmentationConfig, IkePolicy, InitiatorAuthentication,
        PeerConfig, RemoteAuthentication,
    },
    crypto::{
        CryptoError, KexError, KeyExchange, Provider, Rng, SignatureError, SignatureScheme,
        cipher::MessageKeys, default_provider, keys::ProtectionKeys, suite::*,
    },
    event::{
        Answer, Ask, ChildSa, CloseReason, Command, Discard, EapContext, EapInput, EapOutput,
        Event, Framing, Instant, Lease, Path, Transmit,
    },
    secret::{SecretBytes, SharedSecret},
    wire::{
        Body, PartialMessage, Payload,
        payload::{AddressRange, Identification, KnownVendor, TrafficSelector},
        registry::{ExchangeType, IdType, PayloadType},
    },
};
use support::{ANYCONNECT_ID, CLIENT, SERVER, address, proposal};

// --- The captures ---

struct Login {
    name: &'static str,
    ike: IkeSuite,
    esp: EspSuite,
    /// The identity type that the captured client used.
    id_type: IdType,
    ietf: bool,
    cisco: bool,
    provider: &'static Recorded,
}

const CBC: Protection =
    Protection::EncryptThenMac(CbcAlgorithm::AesCbc256, Integrity::HmacSha2_256_128);
const GCM: Protection = Protection::Aead(AeadAlgorithm::AesGcm16_256);

static CISCO: Login = Login {
    name: "anyconnect-eap-cert",
    ike: IkeSuite {
        protection: CBC,
        prf: PrfAlgorithm::HmacSha2_256,
        group: Group::Modp2048,
    },
    esp: EspSuite {
        protection: CBC,
        esn: false,
    },
    id_type: IdType::CISCO_GROUP_NAME,
    ietf: false,
    cisco: true,
    provider: &Recorded {
        name: "anyconnect-eap-cert",
    },
};
static SKF: Login = Login {
    name: "anyconnect-eap-cert-skf",
    ike: IkeSuite {
        protection: GCM,
        prf: PrfAlgorithm::HmacSha2_384,
        group: Group::EcpP384,
    },
    esp: EspSuite {
        protection: GCM,
        esn: false,
    },
    id_type: IdType::ID_KEY_ID,
    ietf: true,
    cisco: false,
    provider: &Recorded {
        name: "anyconnect-eap-cert-skf",
    },
};

fn file(name: &str, file: &str) -> String {
    let vectors = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    std::fs::read_to_string(vectors.join(name).join(file)).unwrap()
}

fn hex(digits: &str) -> Vec<u8> {
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn secret(name: &str, field: &str) -> Vec<u8> {
    let secrets: serde_json::Value = serde_json::from_str(&file(name, "secrets.json")).unwrap();
    hex(secrets[field].as_str().unwrap())
}

/// One direction of `esp_sa`: SPI, encryption key, integrity key.
struct EspRow {
    spi: u32,
    encryption: Vec<u8>,
    integrity: Vec<u8>,
}

impl Login {
    /// Both rows, the initiator's direction first.
    fn table(&self) -> [EspRow; 2] {
        let rows: Vec<EspRow> = file(self.name, "esp_sa")
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(',').map(|one| one.trim_matches('"')).collect();
                EspRow {
                    spi: u32::from_str_radix(&fields[3][2..], 16).unwrap(),
                    encryption: hex(fields[5]),
                    integrity: hex(fields[7]),
                }
            })
            .collect();
        rows.try_into().ok().unwrap()
    }

    /// What one side sent, in order.
    fn sent(&self, by_initiator: bool) -> Vec<pcap::Datagram> {
        let mut all = pcap::read(self.name);
        all.retain(|one| one.from_initiator == by_initiator);
        all
    }

    /// The payloads of one side's IKE_SA_INIT.
    fn init(&self, by_initiator: bool) -> Init {
        let datagram = self.sent(by_initiator).remove(0).message;
        let message = PartialMessage::parse(&datagram).unwrap();
        let mut init = Init {
            spi: if by_initiator {
                message.header.initiator_spi.get()
            } else {
                message.header.responder_spi.unwrap().get()
            },
            nonce: Vec::new(),
            public: Vec::new(),
        };
        for payload in message.outer {
            match payload {
                Payload::Nonce(nonce) => init.nonce = nonce.as_bytes().to_vec(),
                Payload::Ke(ke) => init.public = ke.data,
                _ => {}
            }
        }
        init
    }

    /// What the core draws on this side, in its order: the cookie's secret, the SPI, the nonce.
    fn script(&self, by_initiator: bool) -> Script {
        let init = self.init(by_initiator);
        let drawn = [vec![0x5a; 32], init.spi.to_be_bytes().to_vec(), init.nonce];
        Script(drawn.into_iter().collect())
    }

    fn fragmentation(&self) -> FragmentationConfig {
        FragmentationConfig {
            ietf: self.ietf,
            cisco: self.cisco,
            mtu: 576,
        }
    }

    fn endpoint(&self, by_initiator: bool) -> Endpoint {
        let shard = self.init(by_initiator).spi.to_be_bytes()[0];
        let config = EndpointConfig {
            shard,
            fragmentation: self.fragmentation(),
            vendor_ids: vec![KnownVendor::AnyConnectEap.bytes().to_vec()],
            ..EndpointConfig::new(vec![IkePolicy {
                local: Vec::new(),
                proposals: vec![proposal(self.ike)],
            }])
        };
        let rng = Box::new(self.script(by_initiator));
        Endpoint::new(NOW, config, self.provider, rng)
    }
}

struct Init {
    spi: u64,
    nonce: Vec<u8>,
    public: Vec<u8>,
}

const NOW: Instant = Instant::new(Duration::from_secs(1));

/// Gives out what was captured, then anything.
struct Script(std::collections::VecDeque<Vec<u8>>);

impl Rng for Script {
    fn fill(&mut self, out: &mut [u8]) {
        match self.0.pop_front() {
            Some(octets) => out.copy_from_slice(&octets),
            None => out.fill(0xa5),
        }
    }
}

/// The default provider, but for a key exchange that comes out as the captured one did.
struct Recorded {
    name: &'static str,
}

impl Provider for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn key_exchange(
        &self,
        group: Group,
        _rng: &mut dyn Rng,
    ) -> Result<Box<dyn KeyExchange>, CryptoError> {
        Ok(Box::new(RecordedExchange {
            name: self.name,
            group,
            publics: [&CISCO, &SKF]
                .into_iter()
                .filter(|login| login.name == self.name)
                .flat_map(|login| [true, false].map(|initiator| login.init(initiator).public))
                .collect(),
        }))
    }

    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        default_provider().verify(scheme, spki_der, message, signature)
    }
}

struct RecordedExchange {
    name: &'static str,
    group: Group,
    /// The initiator's public value and the responder's.
    publics: Vec<Vec<u8>>,
}

impl KeyExchange for RecordedExchange {
    fn group(&self) -> Group {
        self.group
    }

    /// Either will do: what is sent out meets nobody.
    fn public(&self) -> &[u8] {
        &self.publics[0]
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError> {
        assert!(self.publics.iter().any(|one| one == peer));
        let g_ir = secret(self.name, "g_ir");
        Ok(SharedSecret::new(SecretBytes::new(g_ir)))
    }
}

// --- The ends ---

/// What came of a replay.
#[derive(Default)]
struct Replay {
    child: Option<Box<ChildSa>>,
    events: Vec<String>,
    discarded: Vec<Discard>,
    transmitted: Vec<Transmit>,
    /// Every EAP packet that the core handed out.
    eap: Vec<Vec<u8>>,
    context: Option<EapContext>,
    closed: Option<CloseReason>,
}

impl Replay {
    /// Drains the endpoint, the outside answering by `outside`.
    fn drain(
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
            Event::ChildRefused(why) => self.events.push(format!("child refused: {why}")),
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
fn path(to_server: bool, port: u16) -> Path {
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

fn contains(packet: &[u8], text: &str) -> bool {
    packet
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn everything() -> Vec<TrafficSelector> {
    vec![TrafficSelector::addresses(AddressRange::ANY_V4)]
}

/// Our responder, asked by the captured client.
fn replay_client(login: &Login) -> Replay {
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
                certificates: vec![Arc::from(support::certificate())],
                remote_authentication: RemoteAuthentication {
                    anyconnect_eap: true,
                    signature: false,
                },
                esp: vec![login.esp],
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
            }))
        }
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
fn replay_headend(login: &Login) -> Replay {
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
        esp: vec![login.esp],
        spi: to_initiator.spi,
        request: Vec::new(),
        local: everything(),
        remote: everything(),
        authorities: Vec::new(),
        vendor_ids: vec![KnownVendor::AnyConnectEap.bytes().to_vec()],
        signature_hashes: false,
        fragmentation: login.fragmentation(),
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
fn assert_child(login: &Login, replay: &Replay, by_initiator: bool) {
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

// --- DER, as far as these tests need it ---

/// One element: tag, content, and what stands behind it.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (length, header) = match der[1] {
        short if short < 0x80 => (usize::from(short), 2),
        0x81 => (usize::from(der[2]), 3),
        0x82 => (usize::from(u16::from_be_bytes([der[2], der[3]])), 4),
        other => panic!("length form {other:#x}"),
    };
    let end = header + length;
    (der[0], &der[header..end], &der[end..])
}

/// The element at the front with its header, and what stands behind it.
fn whole(der: &[u8]) -> (&[u8], &[u8]) {
    let rest = element(der).2;
    der.split_at(der.len() - rest.len())
}

/// The SubjectPublicKeyInfo of a certificate (RFC 5280 §4.1): the seventh element of the TBS part that
/// has an explicit version.
fn subject_public_key_info(certificate: &[u8]) -> &[u8] {
    let (_, outer, behind) = element(certificate);
    assert_eq!(behind, b"");
    let (_, mut tbs, _) = element(outer);
    assert_eq!(tbs[0], 0xa0, "an explicit version");
    for _ in 0..6 {
        tbs = element(tbs).2;
    }
    whole(tbs).0
}

/// The first certificate of a degenerate SignedData (RFC 5652 §5.1, docs/anyconnect-eap.md): the leaf,
/// by wire order.
fn first_certificate(pkcs7: &[u8]) -> &[u8] {
    let (_, content_info, _) = element(pkcs7);
    let (tag, _, content) = element(content_info);
    assert_eq!(tag, 6, "the content type");
    let (_, signed_data, _) = element(element(content).1);
    let mut rest = signed_data;
    while rest[0] != 0xa0 {
        rest = element(rest).2;
    }
    whole(element(rest).1).0
}

/// The TLVs of an AnyConnect-EAP packet (docs/anyconnect-eap.md): behind the 12 octets of framing, each
/// two octets of type and two of length.
fn tlvs(packet: &[u8]) -> Vec<(u16, &[u8])> {
    assert_eq!(packet[4..12], *b"\xfe\x00\x00\x09DBRP");
    let mut rest = &packet[12..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let [kind, length] = [0, 2].map(|at| u16::from_be_bytes([rest[at], rest[at + 1]]));
        let (value, behind) = rest[4..].split_at(usize::from(length));
        found.push((kind, value));
        rest = behind;
    }
    found
}

// --- The captured client at our responder ---

// RFC 7296 §2.15, §2.16: every message of the client opens, its final MIC holds under SK_pi, and the
// child SA comes out as its peer had it.
#[test]
fn the_captured_client_logs_in_at_our_responder_and_deletes_its_sa() {
    for login in [&CISCO, &SKF] {
        let replay = replay_client(login);
        assert_eq!(replay.discarded, [], "{}", login.name);
        assert_eq!(
            replay.events,
            [
                "authenticated *$AnyConnectClient$* alice",
                "established true"
            ],
            "{}",
            login.name
        );
        assert_child(login, &replay, false);
        assert_eq!(replay.closed, Some(CloseReason::PeerDeleted));
        // IKE_SA_INIT, six IKE_AUTH and the acknowledgement of the delete; our long ones are cut.
        let mut ids: Vec<u8> = replay
            .transmitted
            .iter()
            .map(|transmit| transmit.octets[23])
            .collect();
        ids.dedup();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn the_client_s_documents_come_out_of_both_kinds_of_fragments() {
    for login in [&CISCO, &SKF] {
        let replay = replay_client(login);
        let said: Vec<&str> = replay
            .eap
            .iter()
            .map(|packet| {
                let (_, document) = *tlvs(packet).iter().find(|(kind, _)| *kind == 0).unwrap();
                let text = std::str::from_utf8(document).unwrap();
                ["init", "auth-reply", "ack"]
                    .into_iter()
                    .find(|kind| contains(text.as_bytes(), &format!("type=\"{kind}\"")))
                    .unwrap()
            })
            .collect();
        assert_eq!(
            said,
            ["init", "init", "auth-reply", "ack"],
            "{}",
            login.name
        );
        assert_eq!(
            replay.eap[1].len(),
            usize::from(u16::from_be_bytes([replay.eap[1][2], replay.eap[1][3],]))
        );
    }
}

// docs/anyconnect-eap.md: TLV 1 signs the octets that the initiator's AUTH would sign, with the hash of
// the PRF, under the leaf of TLV 3; these octets are what the core hands to the EAP method.
#[test]
fn the_client_s_tlv_1_signs_what_the_core_hands_to_eap() {
    for login in [&CISCO, &SKF] {
        let replay = replay_client(login);
        let context = replay.context.as_ref().unwrap();
        let proof = tlvs(&replay.eap[1]);
        let kinds: Vec<u16> = proof.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [3, 1, 0], "in the order of the capture");
        let (pkcs7, signature) = (proof[0].1, proof[1].1);
        if login.cisco {
            let vectors = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
            let file = vectors.join(login.name).join("client-pkcs7.der");
            assert_eq!(pkcs7, std::fs::read(file).unwrap());
        }
        let spki = subject_public_key_info(first_certificate(pkcs7));
        let scheme = SignatureScheme::rsa_pkcs1(context.prf.hash());
        let judge = |octets: &[u8]| default_provider().verify(scheme, spki, octets, signature);
        assert_eq!(judge(&context.initiator_signed_octets), Ok(()));
        let mut other = context.initiator_signed_octets.clone();
        other[40] ^= 1;
        assert_eq!(judge(&other), Err(SignatureError::Mismatch));
    }
}

// RFC 7296 §2.2: the captured login said again changes nothing; only the last answer is still kept.
#[test]
fn the_captured_client_said_again_is_answered_from_the_cache_or_not_at_all() {
    for login in [&CISCO, &SKF] {
        let mut endpoint = login.endpoint(false);
        let init = login.sent(true).remove(0);
        let mut replay = Replay::default();
        for _ in 0..3 {
            endpoint.handle(NOW, Input::Datagram(path(true, 500), &init.message));
            replay.drain(&mut endpoint, &mut |_, _| panic!("nothing to ask"));
        }
        assert_eq!(replay.discarded, [Discard::Repeated, Discard::Repeated]);
        assert_eq!(endpoint.len(), 1);
        assert_eq!(replay.transmitted.len(), 3);
        assert!(replay.transmitted.windows(2).all(|two| two[0] == two[1]));
    }
}

// --- The captured headend at our initiator ---

// RFC 7296 §2.15, §2.16: the headend's RSA signature holds under the key of its certificate, its final
// MIC under SK_pr, and the child SA comes out as its peer had it.
#[test]
fn our_initiator_logs_in_at_the_captured_headend() {
    for login in [&CISCO, &SKF] {
        let replay = replay_headend(login);
        assert_eq!(replay.discarded, [], "{}", login.name);
        assert_eq!(replay.events.len(), 2, "{:?}", replay.events);
        assert_eq!(replay.events[1], "established true");
        assert_child(login, &replay, true);
        assert_eq!(replay.closed, None);
        let codes: Vec<u8> = replay.eap.iter().map(|packet| packet[0]).collect();
        assert_eq!(codes, [1, 1, 1, 1, 3], "four requests, then EAP-Success");
        let child = replay.child.unwrap();
        let assigned = &child.configuration;
        assert_eq!(assigned[0].value, [10, 99, 0, 1]);
        assert_eq!(assigned[1].value, [10, 50, 0, 53]);
    }
}

// RFC 7296 §2.15: one octet of the headend's answer to IKE_SA_INIT changed, and its signature is worth
// nothing any more although every key still comes out right.
#[test]
fn the_captured_headend_is_refused_when_its_first_answer_was_changed() {
    for login in [&CISCO, &SKF] {
        let mut endpoint = login.endpoint(true);
        let datagrams = login.sent(false);
        let message = PartialMessage::parse(&datagrams[0].message).unwrap();
        let at = datagrams[0]
            .message
            .windows(4)
            .position(|window| window == b"2009")
            .unwrap();
        assert!(
            message
                .outer
                .iter()
                .any(|one| one.kind() == PayloadType::VENDOR)
        );
        let mut judged = false;
        let mut replay = Replay::default();
        let mut outside = |_: &mut Replay, ask| match ask {
            Ask::Chain { certificates, .. } => {
                judged = true;
                Answer::Chain {
                    spki: subject_public_key_info(&certificates[0]).to_vec(),
                }
            }
            _ => panic!("the headend has not proven itself"),
        };
        let [_, to_initiator] = login.table();
        let connect = ConnectConfig {
            spi: to_initiator.spi,
            proposals: vec![proposal(login.ike)],
            fragmentation: login.fragmentation(),
            ..support::Setup::new(login.ike).connect
        };
        endpoint.handle(NOW, Input::Command(Command::Connect(Box::new(connect))));
        replay.drain(&mut endpoint, &mut outside);
        for (number, datagram) in datagrams.iter().enumerate() {
            let mut octets = datagram.message.clone();
            if number == 0 {
                octets[at] ^= 1;
            }
            let id = octets[23];
            if id < 2 {
                endpoint.handle(NOW, Input::Datagram(path(false, 4500), &octets));
                replay.drain(&mut endpoint, &mut outside);
            }
        }
        assert!(judged, "{}", login.name);
        assert!(replay.child.is_none());
        assert!(replay.events.is_empty(), "{:?}", replay.events);
    }
}

// --- What both ends wrote, written again ---

struct Once(Vec<u8>);

impl Rng for Once {
    fn fill(&mut self, out: &mut [u8]) {
        out.copy_from_slice(&self.0);
    }
}

// RFC 7296 §3.14, RFC 3602: under the captured IV our cipher and check value make the captured octets.
// (A combined mode's IV is a counter of our own, so only the first capture can be written again.)
#[test]
fn the_captured_messages_are_sealed_again_octet_for_octet() {
    let mut sealed_again = 0;
    for datagram in pcap::read(CISCO.name) {
        let message = PartialMessage::parse(&datagram.message).unwrap();
        let Body::Encrypted(closed) = message.body else {
            continue;
        };
        let side = if datagram.from_initiator { "i" } else { "r" };
        let key = |field: &str| SecretBytes::new(secret(CISCO.name, &format!("sk_{field}{side}")));
        let mut keys = MessageKeys::new(ProtectionKeys::EncryptThenMac {
            cipher: CbcAlgorithm::AesCbc256,
            key: key("e"),
            integrity: Integrity::HmacSha2_256_128,
            integrity_key: key("a"),
        });
        let plain = keys.open(closed.aad, closed.sealed).unwrap();
        let mut again = [&[0; 16], plain.as_bytes(), &[0; 16]].concat();
        let mut iv = Once(closed.sealed[..16].to_vec());
        keys.seal(&mut iv, closed.aad, &mut again).unwrap();
        assert_eq!(again, closed.sealed);
        sealed_again += 1;
    }
    assert!(sealed_again >= 8, "only {sealed_again} messages");
}
