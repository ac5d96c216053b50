//! One end: its endpoint, its outside, a model of its dataplane, and what is known of each of its SAs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ironflex_ikev2::{
    Endpoint,
    config::{
        AcceptedProofs, EndpointConfig, LocalAuthentication, PeerConfig, RemoteAuthentication,
    },
    crypto::default_provider,
    event::{
        Answer, Ask, ChildId, ChildSa, CloseReason, EapInput, Event, Instant, Lease, SaId, Transmit,
    },
    wire::{
        Header,
        payload::{AddressRange, ConfigAttribute, Identification, TrafficSelector},
        registry::{ConfigAttributeType, ExchangeType, NotifyType, PayloadType},
    },
};

use super::{
    scenario::{Login, Side},
    session::Record,
    support::{
        ASSIGNED, RSA, Seeded, Setup, certificate, copy_of, eap_authenticator, eap_peer,
        pre_shared_key,
    },
};

/// What those know who prove themselves by a pre-shared key.
pub const KEY: &[u8] = b"a key of both ends";

/// Both SPIs of an IKE SA, the initiator's first.
pub type Spis = (u64, u64);

/// A request of this end, as the wire shows it.
pub struct Asked {
    exchange: ExchangeType,
    pub first: Instant,
    pub sends: u32,
    /// This end began the IKE SA, so its peer's answers say that they come from the other.
    by_initiator: bool,
    /// A whole answer of the peer's has arrived.
    pub answered: bool,
}

pub struct End {
    pub side: Side,
    pub endpoint: Endpoint,
    pub deadline: Option<Instant>,
    pub records: BTreeMap<SaId, Record>,
    /// What the dataplane sends on.
    pub sending: BTreeMap<(SaId, ChildId), ChildSa>,
    /// What the dataplane receives on, by inbound SPI.
    pub receiving: BTreeMap<(SaId, u32), ChildSa>,
    /// What it received on until it was deleted with all that had replaced it.
    pub gone: BTreeSet<u32>,
    /// All that it has ever received on.
    pub had: BTreeSet<u32>,
    /// What it sent on first of child SAs that replace each other: the SPI of its peer.
    pub firsts: BTreeSet<u32>,
    /// The inbound SPIs of the child SAs that it was told to delete because they are worn out.
    pub worn_out: BTreeSet<u32>,
    /// What it sends on because that which it replaces is worn out: the SPI of its peer.
    pub hurried: BTreeSet<u32>,
    /// Requests by SPIs and message ID.
    pub asked: BTreeMap<(Spis, u32), Asked>,
    /// The IKE SAs on which a CREATE_CHILD_SA of this end is under way.
    pub creating: BTreeSet<Spis>,
    /// SAs that ended and are not judged yet.
    pub ended: Vec<(SaId, CloseReason)>,
    /// SAs that came up and are not judged yet.
    pub came_up: Vec<SaId>,
    /// Whoever logs in with the next SA.
    pub login: Option<Login>,
    pub rekeys: u64,
    used: BTreeSet<(SaId, u32)>,
    next_spi: u32,
    random: Seeded,
}

impl End {
    pub fn new(side: Side, config: EndpointConfig, seed: u64) -> Self {
        Self {
            side,
            endpoint: Endpoint::new(
                Instant::default(),
                config,
                default_provider(),
                Box::new(Seeded(seed)),
            ),
            deadline: None,
            records: BTreeMap::new(),
            sending: BTreeMap::new(),
            receiving: BTreeMap::new(),
            gone: BTreeSet::new(),
            had: BTreeSet::new(),
            firsts: BTreeSet::new(),
            worn_out: BTreeSet::new(),
            hurried: BTreeSet::new(),
            asked: BTreeMap::new(),
            creating: BTreeSet::new(),
            ended: Vec::new(),
            came_up: Vec::new(),
            login: None,
            rekeys: 0,
            used: BTreeSet::new(),
            next_spi: match side {
                Side::Headend => 0x5e4e_0000,
                Side::Client => 0xc11e_0000,
            },
            random: Seeded(!seed),
        }
    }

    /// The SAs that are up.
    pub fn up(&self) -> impl Iterator<Item = SaId> {
        let up = self.records.iter().filter(|(_, record)| record.is_up());
        up.map(|(&id, _)| id)
    }

    /// The child SAs that it sends on of this SA.
    pub fn children(&self, id: SaId) -> impl Iterator<Item = &ChildSa> {
        let sending = self.sending.iter();
        sending
            .filter(move |((sa, _), _)| *sa == id)
            .map(|(_, child)| child)
    }

    /// Whether nothing can be sent on a child SA: what is left of it is worn out, beside what the peer has deleted already. The
    /// successor had lost to a rival and went first.
    pub fn is_spent(&self, id: SaId, child: ChildId, peer: &Self) -> bool {
        let view = self.endpoint.view(id);
        let left = view.iter().flat_map(|view| view.children());
        let left = left.filter(|one| one.id == child);
        let (worn, rest): (Vec<_>, Vec<_>) =
            left.partition(|one| self.worn_out.contains(&one.inbound_spi));
        let is_read = |spi| peer.receiving.keys().any(|&(_, inbound)| inbound == spi);
        !worn.is_empty() && !rest.iter().any(|one| is_read(one.outbound_spi))
    }

    /// Whether this end need not read what comes on this SPI: it has deleted it, or its peer has made a child SA that it was asked
    /// for, and the answer is not here yet.
    pub fn may_be_deaf(&self, peer: &Self, spi: u32) -> bool {
        let early = peer.firsts.contains(&spi) || peer.hurried.contains(&spi);
        self.gone.contains(&spi) || early && !self.had.contains(&spi)
    }

    /// An inbound SPI that was never used.
    pub const fn fresh_spi(&mut self) -> u32 {
        self.next_spi += 1;
        self.next_spi
    }

    /// Whether this is the first packet on a child SA.
    pub fn first_use(&mut self, id: SaId, spi: u32) -> bool {
        self.used.insert((id, spi))
    }

    // --- The wire ---

    /// Notes a request that leaves. True for a CREATE_CHILD_SA that leaves for the first time: its SPIs.
    pub fn sends(&mut self, now: Instant, transmit: &Transmit) -> Option<Spis> {
        let header = Header::peek(&transmit.octets).expect("an end sends IKE messages");
        let spis = spis(&header);
        if header.flags.is_response() {
            return None;
        }
        let asked = self.asked.entry((spis, header.message_id.0));
        let asked = asked.or_insert_with(|| Asked {
            exchange: header.exchange,
            first: now,
            sends: 0,
            by_initiator: header.flags.is_initiator(),
            answered: false,
        });
        asked.sends += 1;
        let begins = asked.sends == 1 && header.exchange == ExchangeType::CREATE_CHILD_SA;
        begins.then(|| {
            self.creating.insert(spis);
            spis
        })
    }

    /// Notes a genuine answer that arrives.
    pub fn hears(&mut self, octets: &[u8]) {
        let Ok(header) = Header::peek(octets) else {
            return;
        };
        if !header.flags.is_response() || header.next_payload != PayloadType::SK {
            return;
        }
        let spis = spis(&header);
        // The attacker may have sent this end's own answer back to it.
        let asked = self.asked.get_mut(&(spis, header.message_id.0));
        let asked = asked.filter(|one| one.by_initiator != header.flags.is_initiator());
        let Some(asked) = asked else {
            return;
        };
        asked.answered = true;
        if header.exchange == ExchangeType::CREATE_CHILD_SA {
            self.creating.remove(&spis);
        }
    }

    /// Whether some request of an SA, one of INFORMATIONAL alone where that is asked for, has gone without an answer
    /// through its whole schedule, until now.
    pub fn gave_up(
        &self,
        now: Instant,
        id: SaId,
        (whole, tries): (Duration, u32),
        informational: bool,
    ) -> bool {
        let spis = &self.records[&id].spis;
        self.asked.iter().any(|((of, _), asked)| {
            spis.contains(of)
                && !asked.answered
                && asked.sends >= tries
                && now.since(asked.first) >= whole
                && (!informational || asked.exchange == ExchangeType::INFORMATIONAL)
        })
    }

    // --- The outside ---

    /// What the outside answers, and does.
    pub fn decide(&mut self, setup: &Setup, refusals: u64, id: SaId, ask: Ask) -> Answer {
        let refused = |why: &str| Answer::Refused(Arc::from(why));
        let honest = self.records[&id].login.is_none_or(|login| login.honest);
        match ask {
            Ask::Peer(question) => Answer::Peer(Arc::new(profile(setup, &question.identity))),
            Ask::Chain { certificates, .. } if certificates == [certificate()] => Answer::Chain {
                spki: RSA.spki.to_vec(),
            },
            Ask::Chain { .. } => refused("unknown issuer"),
            Ask::Sign { scheme, octets } => match RSA.sign(scheme, &octets) {
                Answer::Signature(mut signature) if !honest => {
                    signature[0] ^= 1;
                    Answer::Signature(signature)
                }
                answer => answer,
            },
            Ask::Eap(input) if self.side == Side::Headend => {
                let record = self.records.get_mut(&id).unwrap();
                record.eap_rounds += 1;
                let (round, rounds) = (record.eap_rounds, setup.eap_rounds);
                Answer::Eap(eap_authenticator(round, rounds, setup.password, input))
            }
            Ask::Eap(EapInput::Begin(_, packet) | EapInput::Packet(packet)) => {
                eap_peer(&packet, if honest { b"cisco123" } else { b"letmein!" })
            }
            Ask::Eap(EapInput::Start(_)) => panic!("the client was asked to start EAP"),
            Ask::Lease(_) => Answer::Lease(Box::new(Lease {
                reply: vec![ConfigAttribute::from_ipv4(
                    ConfigAttributeType::INTERNAL_IP4_ADDRESS,
                    ASSIGNED,
                )],
                remote: vec![TrafficSelector::addresses(AddressRange::host(
                    ASSIGNED.into(),
                ))],
                local: vec![TrafficSelector::addresses(AddressRange::ANY_V4)],
                spi: self.fresh_spi(),
                session_lifetime: None,
            })),
            Ask::Install(_) | Ask::Rekey(_) if self.random.chance(refusals) => refused("no memory"),
            Ask::Install(child) => {
                if let Some(record) = self.records.get_mut(&id) {
                    record.had_child = true;
                }
                self.firsts.insert(child.outbound_spi);
                self.sending.insert((id, child.id), copy_of(&child));
                self.receive_on(id, *child);
                Answer::Installed
            }
            Ask::Rekey(child) => {
                self.receive_on(id, *child);
                Answer::Installed
            }
        }
    }

    fn receive_on(&mut self, id: SaId, child: ChildSa) {
        let spi = child.inbound_spi;
        // What is installed beside others takes the way that they take: whoever moves, moves them all.
        let mut beside = self.receiving.range((id, 0)..=(id, u32::MAX));
        let way = (child.path, child.udp_encapsulation);
        let apart = beside.find(|(_, other)| (other.path, other.udp_encapsulation) != way);
        assert!(
            apart.is_none(),
            "{id}: {spi:08X} goes by {}",
            child.path.remote
        );
        self.had.insert(spi);
        let twice = self.receiving.insert((id, spi), child);
        assert!(twice.is_none(), "{id}: {spi:08X} is installed twice");
    }

    /// What happened to an SA: noted, and done in the dataplane.
    pub fn note(&mut self, now: Instant, id: SaId, event: Event) -> String {
        let record = self.records.entry(id).or_insert_with(|| Record {
            login: self.login.take(),
            ..Record::default()
        });
        assert!(
            record.over.is_none(),
            "{:?} {id}: an event after it was closed",
            self.side
        );
        match event {
            Event::Initiated => "initiated".into(),
            Event::HalfOpen => "half-open".into(),
            Event::Authenticated(_) => {
                record.authenticated = true;
                "authenticated".into()
            }
            Event::Established { child } => {
                record.established = true;
                record.disturbed |= !child;
                self.came_up.push(id);
                format!("established child={child}")
            }
            Event::ChildRefused { why, .. } => {
                record.disturbed = true;
                self.remove(id, None);
                format!("child refused: {why}")
            }
            Event::ChildSwitched { child, inbound_spi } => {
                self.rekeys += 1;
                let to = self.receiving.get(&(id, inbound_spi));
                let to = to.unwrap_or_else(|| panic!("{inbound_spi:08X} is not installed"));
                let left = self.sending.get(&(id, child));
                if left.is_some_and(|left| self.worn_out.contains(&left.inbound_spi)) {
                    self.hurried.insert(to.outbound_spi);
                }
                self.sending.insert((id, child), copy_of(to));
                format!("child {child} switched to {inbound_spi:08X}")
            }
            Event::ChildRetired { inbound_spi, .. } => {
                let retired = self.receiving.remove(&(id, inbound_spi));
                assert!(retired.is_some(), "{inbound_spi:08X} is not installed");
                format!("{inbound_spi:08X} retired")
            }
            Event::ChildDeleted { child, inbound_spi } => {
                self.remove(id, Some(child));
                let alone = self.children(id).next().is_none();
                self.records.get_mut(&id).unwrap().disturbed |= alone;
                format!("child {child} deleted, {inbound_spi:08X}")
            }
            Event::Rekeyed { .. } => {
                self.rekeys += 1;
                "rekeyed".into()
            }
            Event::Quiet => "quiet".into(),
            Event::RekeyRefused(why) => format!("rekey refused: {why}"),
            Event::RequestRefused(why) => format!("request refused: {why}"),
            Event::PeerMoved {
                path,
                udp_encapsulation,
            } => {
                let sending = self.sending.iter_mut().map(|(&(sa, _), one)| (sa, one));
                let receiving = self.receiving.iter_mut().map(|(&(sa, _), one)| (sa, one));
                for (_, child) in sending.chain(receiving).filter(|(sa, _)| *sa == id) {
                    (child.path, child.udp_encapsulation) = (path, udp_encapsulation);
                }
                format!(
                    "takes the way {} {}, in UDP: {udp_encapsulation}",
                    path.local, path.remote
                )
            }
            Event::Notified(kind) => {
                if matches!(
                    kind,
                    NotifyType::TEMPORARY_FAILURE | NotifyType::STATE_NOT_FOUND
                ) {
                    record.put_off.push(now);
                }
                format!("notified {kind}")
            }
            Event::Closed(reason) => {
                let text = format!("closed: {reason}");
                record.disturbed = true;
                record.ended_alone = !self.sending.keys().any(|(sa, _)| *sa == id);
                record.over = Some(reason.clone());
                self.ended.push((id, reason));
                self.remove(id, None);
                text
            }
            Event::Trace(_) | Event::KeyLog(_) => panic!("neither was asked for"),
        }
    }

    /// The dataplane has nothing of an SA any more, or of one name of it.
    fn remove(&mut self, id: SaId, child: Option<ChildId>) {
        let kept = |sa: SaId, one: &ChildSa| sa != id || child.is_some_and(|child| one.id != child);
        self.sending.retain(|&(sa, _), one| kept(sa, one));
        self.receiving.retain(|&(sa, spi), one| {
            let kept = kept(sa, one);
            if !kept {
                self.gone.insert(spi);
            }
            kept
        });
    }
}

/// The client that proves itself by a pre-shared key calls itself so.
pub const HOLDER: &str = "holder.example";

/// The headend's profile for whoever calls itself so.
fn profile(setup: &Setup, identity: &Identification) -> PeerConfig {
    let mut profile = setup.peer.clone();
    if *identity == Identification::fqdn(HOLDER) {
        let key = pre_shared_key(KEY);
        profile.local_authentication = LocalAuthentication::PreSharedKey(key.clone());
        profile.remote_authentication = RemoteAuthentication {
            anyconnect_eap: false,
            proofs: AcceptedProofs {
                pre_shared_key: Some(key),
                ..AcceptedProofs::default()
            },
        };
    }
    profile
}

fn spis(header: &Header) -> Spis {
    let responder = header.responder_spi.map_or(0, |spi| spi.get());
    (header.initiator_spi.get(), responder)
}
