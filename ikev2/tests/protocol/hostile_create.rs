//! CREATE_CHILD_SA requests and answers of a peer that holds the keys: SAs that are not its own, selectors and public values
//! that nobody can take, attributes said twice, answers said twice and late. Whatever is refused has an unharmed twin that is not.

use std::sync::Arc;

use ironflex_ikev2::{
    config::Pfs,
    crypto::suite::{Group, IkeSuite},
    event::{CloseReason, Command, Path},
    refusal::{PeerMisbehaved, Refusal},
    wire::{
        Header, Payload,
        payload::{
            AddressRange, AttributeValue, KePayload, Nonce, Notify, Proposal, SaPayload,
            TrafficSelector, TrafficSelectors, Transform, TransformAttribute,
        },
        registry::{EncryptionId, EsnId, ExchangeType, GroupId, NotifyType, PrfId, ProtocolId},
    },
};

use crate::{bad_publics::bad_publics, holder::Holder, support::*};

const CREATE: ExchangeType = ExchangeType::CREATE_CHILD_SA;

/// Two ends that are up, one of which is asked by a test in the other's name.
struct Asked {
    pair: Pair,
    /// Whether it is the server.
    server: bool,
    holder: Holder,
    path: Path,
    next: u32,
}

impl Asked {
    fn new(setup: Setup, server: bool) -> Self {
        let mut pair = Pair::new(setup, 800);
        pair.server.endpoint.key_log(true);
        pair.client.endpoint.key_log(true);
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        let holder = Holder::of(&pair.server);
        let end = if server { &pair.server } else { &pair.client };
        let view = end.endpoint.views().next().unwrap();
        Self {
            server,
            holder,
            path: view.path,
            next: view.next_expected,
            pair,
        }
    }

    fn end(&self) -> &End {
        if self.server {
            &self.pair.server
        } else {
            &self.pair.client
        }
    }

    /// The SPIs of its child SA: what it receives on, what the peer does.
    fn child(&self) -> (u32, u32) {
        let child = self.end().installed.values().next().unwrap();
        (child.inbound_spi, child.outbound_spi)
    }

    /// Everything that a request could have changed.
    fn sight(&self) -> String {
        let end = self.end();
        let views = end.endpoint.views().map(|view| {
            let children = view.children();
            let children = children.map(|one| (one.inbound_spi, one.outbound_spi, one.sending));
            let children: Vec<_> = children.collect();
            let beside: Vec<_> = view.beside().collect();
            (view.id, view.state, view.responder_spi, children, beside)
        });
        let views: Vec<_> = views.collect();
        let receiving: Vec<_> = end.receiving.keys().collect();
        let sending: Vec<_> = end.sending().map(|one| one.inbound_spi).collect();
        format!("{views:?} {receiving:?} {sending:?} {:?}", end.closed)
    }

    /// Sends the next request in the peer's name: the payloads of the answer.
    fn ask(&mut self, payloads: &[Payload]) -> Vec<Payload> {
        // Who is asked as the server is asked by the IKE SA's initiator.
        let header = self.holder.header(CREATE, self.server, false, self.next);
        self.next += 1;
        let sealed = self.holder.seal(&header, payloads);
        let before = self.pair.wire.len();
        self.pair.deliver(self.server, self.path, &sealed);
        self.pair.lose_flights();
        let answers: Vec<Arc<[u8]>> = self.pair.wire[before..]
            .iter()
            .map(|(_, octets)| Arc::clone(octets))
            .collect();
        assert_eq!(answers.len(), 1);
        let (answer, said) = self.holder.open(&answers[0]);
        assert!(answer.flags.is_response() && answer.message_id == header.message_id);
        said
    }

    /// As [`ask`](Self::ask); the answer is this notify alone, and nothing has changed.
    #[track_caller]
    fn refused(&mut self, payloads: &[Payload], kind: NotifyType) -> Notify {
        let before = self.sight();
        let said = self.ask(payloads);
        let [Payload::Notify(said)] = &said[..] else {
            panic!("{} payloads, not {kind}", said.len())
        };
        assert_eq!(said.kind, kind);
        assert_eq!(self.sight(), before);
        said.clone()
    }

    /// The selectors of a child SA that replaces the present one, as the peer asks for them.
    fn selectors(&self) -> [Vec<TrafficSelector>; 2] {
        let child = self.end().installed.values().next().unwrap();
        [child.remote.clone(), child.local.clone()]
    }

    /// Asks for a child SA in the place of the one that this notify names.
    fn rekeying(&self, protocol: ProtocolId, spi: &[u8]) -> Vec<Payload> {
        let rekeys = Payload::Notify(Notify {
            protocol,
            spi: spi.to_vec(),
            kind: NotifyType::REKEY_SA,
            data: Vec::new(),
        });
        let mut payloads = further(self.selectors(), gcm());
        payloads.insert(0, rekeys);
        payloads
    }
}

fn gcm() -> Vec<Transform> {
    vec![
        Transform::encryption(EncryptionId::ENCR_AES_GCM_16, Some(256)),
        Transform::esn(EsnId::NO_ESN),
    ]
}

fn sa(protocol: ProtocolId, spi: &[u8], transforms: Vec<Transform>) -> Payload {
    Payload::Sa(SaPayload::single(Proposal {
        number: 1,
        protocol,
        spi: spi.to_vec(),
        transforms,
    }))
}

fn nonce() -> Payload {
    Payload::Nonce(Nonce::new(vec![7; 32]).unwrap())
}

fn ke(group: Group, data: Vec<u8>) -> Payload {
    Payload::Ke(KePayload {
        group: GroupId(group.number()),
        data,
    })
}

/// Asks for a further child SA.
fn further([initiator, responder]: [Vec<TrafficSelector>; 2], esp: Vec<Transform>) -> Vec<Payload> {
    vec![
        sa(ProtocolId::ESP, &[0xc1, 0x1e, 0x7e, 0x57], esp),
        nonce(),
        Payload::TsI(TrafficSelectors::from(initiator)),
        Payload::TsR(TrafficSelectors::from(responder)),
    ]
}

// --- SAs that are not the peer's ---

// RFC 7296 §2.25#5, §2.25.1#4: what is not the peer's own child SA of this IKE SA is not there, by whatever number.
#[test]
fn a_rekeying_of_what_is_not_the_peers_is_not_found_and_changes_nothing() {
    for server in [true, false] {
        let mut twin = Asked::new(Setup::new(GCM), server);
        let (_, theirs) = twin.child();
        let said = twin.ask(&twin.rekeying(ProtocolId::ESP, &theirs.to_be_bytes()));
        assert!(matches!(said[0], Payload::Sa(_)));
        assert_eq!(twin.end().receiving.len(), 2);

        // Another session of the same two ends, whose child SA is as much the same peer's: but not here.
        let mut asked = Asked::new(Setup::new(GCM), server);
        asked.pair.connect();
        asked.pair.run(20);
        assert_eq!(asked.pair.server.ready(), 2);
        let others: Vec<_> = asked.end().receiving.values().collect();
        let (ours, theirs) = asked.child();
        let other = others
            .iter()
            .find(|one| (one.inbound_spi, one.outbound_spi) != (ours, theirs))
            .unwrap();
        let (others_inbound, others_outbound) = (other.inbound_spi, other.outbound_spi);
        let esp = ProtocolId::ESP;
        let of_others = [others_outbound, others_inbound].into_iter();
        let of_others = of_others.filter(|&spi| spi != theirs);
        let cases: Vec<(ProtocolId, u32)> = [theirs ^ 1, 0, 1, 255, u32::MAX, ours]
            .into_iter()
            .chain(of_others)
            .map(|spi| (esp, spi))
            .chain([
                (ProtocolId::AH, theirs),
                (ProtocolId::NONE, theirs),
                (ProtocolId(4), theirs),
                (ProtocolId(255), theirs),
            ])
            .collect();
        assert!(cases.len() > 10);
        for (protocol, spi) in cases {
            let request = asked.rekeying(protocol, &spi.to_be_bytes());
            let said = asked.refused(&request, NotifyType::CHILD_SA_NOT_FOUND);
            // RFC 7296 §2.25: the notify says which one is meant.
            assert_eq!(said.protocol, protocol);
            assert_eq!(said.spi, spi.to_be_bytes());
        }
        // And its own is still there to be replaced.
        let said = asked.ask(&asked.rekeying(esp, &theirs.to_be_bytes()));
        assert!(matches!(said[0], Payload::Sa(_)));
    }
}

// --- Selectors ---

fn v4(number: u8) -> TrafficSelector {
    TrafficSelector::addresses(AddressRange::host([10, 9, 8, number].into()))
}

/// 254 hosts that are nobody's, and behind them this range.
fn crowd(last: AddressRange) -> Vec<TrafficSelector> {
    let hosts = (1..=254).map(v4);
    hosts.chain([TrafficSelector::addresses(last)]).collect()
}

fn any_v6() -> Vec<TrafficSelector> {
    vec![TrafficSelector::addresses(AddressRange::ANY_V6)]
}

// RFC 7296 §2.9, §3.13: the login goes on, with or without a child SA.
#[test]
fn selectors_in_ike_auth_are_narrowed_or_refused_however_many_there_are() {
    let everything = vec![TrafficSelector::addresses(AddressRange::ANY_V4)];
    let crowded = crowd(AddressRange::ANY_V4);
    for (local, remote, taken) in [
        (everything.clone(), everything.clone(), true),
        (crowded.clone(), crowded.clone(), true),
        (crowded.clone(), everything.clone(), true),
        (everything.clone(), (1..=8).map(v4).collect(), true),
        // More policies than a client is worth.
        (everything.clone(), crowd(AddressRange::ANY_V6), false),
        ((1..=255).map(v4).collect(), everything.clone(), false),
        (any_v6(), everything.clone(), false),
        (everything.clone(), any_v6(), false),
        (any_v6(), any_v6(), false),
        (Vec::new(), everything.clone(), false),
        (everything.clone(), Vec::new(), false),
    ] {
        let mut setup = Setup::new(GCM);
        (setup.connect.local, setup.connect.remote) = (local.clone(), remote);
        let mut pair = Pair::new(setup, 801);
        pair.connect();
        pair.run(5);
        let child = pair
            .server
            .log
            .iter()
            .find(|line| line.starts_with("established"));
        assert_eq!(
            child.map(String::as_str),
            Some(if taken {
                "established child=true"
            } else {
                "established child=false"
            }),
            "{local:?} {:?} {:?}",
            pair.server.log,
            pair.client.log
        );
        assert_eq!(pair.server.sending().count(), usize::from(taken));
        assert_eq!(pair.client.sending().count(), usize::from(taken));
        if taken {
            pair.assert_children_match();
            let child = pair.server.installed.values().next().unwrap();
            // What it has was assigned, however it was asked for.
            assert_eq!(
                child.remote,
                [TrafficSelector::addresses(AddressRange::host(
                    ASSIGNED.into()
                ))]
            );
        }
    }
}

// RFC 7296 §2.9, §3.13: a further child SA, and one that replaces the first.
#[test]
fn selectors_in_create_child_sa_are_narrowed_or_refused_however_many_there_are() {
    for server in [true, false] {
        for rekeys in [false, true] {
            let twin = || {
                let mut asked = Asked::new(Setup::new(GCM), server);
                let both = asked.selectors();
                let said = create(&mut asked, rekeys, both);
                assert!(matches!(said[0], Payload::Sa(_)));
                asked
            };
            twin();
            // More than there is to be had, beside all of it: as if only that had been asked for.
            let mut asked = Asked::new(Setup::new(GCM), server);
            let [initiator, responder] = asked.selectors();
            let crowded = |wanted: &[TrafficSelector]| {
                let hosts = (1..=254).map(v4);
                hosts.chain(wanted.to_vec()).collect::<Vec<_>>()
            };
            let both = [crowded(&initiator), crowded(&responder)];
            let said = create(&mut asked, rekeys, both);
            let found = said.iter().find_map(|one| match one {
                Payload::TsI(found) => Some(found.selectors.clone()),
                _ => None,
            });
            assert_eq!(found.unwrap(), initiator);
            // Nothing of what there is.
            for both in [
                [any_v6(), responder.clone()],
                [initiator.clone(), any_v6()],
                [any_v6(), any_v6()],
                [Vec::new(), responder.clone()],
                [initiator.clone(), Vec::new()],
            ] {
                let mut asked = Asked::new(Setup::new(GCM), server);
                let request = request(&asked, rekeys, both);
                asked.refused(&request, NotifyType::TS_UNACCEPTABLE);
            }
        }
    }
}

fn request(asked: &Asked, rekeys: bool, both: [Vec<TrafficSelector>; 2]) -> Vec<Payload> {
    let mut payloads = further(both, gcm());
    if rekeys {
        let (_, theirs) = asked.child();
        let rekeying = asked.rekeying(ProtocolId::ESP, &theirs.to_be_bytes());
        payloads.insert(0, rekeying[0].clone());
    }
    payloads
}

fn create(asked: &mut Asked, rekeys: bool, both: [Vec<TrafficSelector>; 2]) -> Vec<Payload> {
    let request = request(asked, rekeys, both);
    asked.ask(&request)
}

// --- Public values ---

fn with_group(group: Group) -> Setup {
    let mut setup = Setup::with_pre_shared_key(IkeSuite { group, ..GCM });
    setup.connect.fragmentation.cisco = false;
    for upkeep in [&mut setup.peer.upkeep, &mut setup.connect.upkeep] {
        upkeep.pfs = Pfs::Required(vec![group]);
    }
    setup
}

/// A good public value of this group: that of somebody's key, whom nobody knows.
fn good(group: Group) -> Vec<u8> {
    let pair = ironflex_ikev2::crypto::default_provider()
        .key_exchange(group, &mut Seeded(5))
        .unwrap();
    pair.public().to_vec()
}

/// A request for a new IKE SA, or for a child SA in the place of the present one, with this public value.
fn exchanging(asked: &Asked, ike: bool, group: Group, value: Vec<u8>) -> Vec<Payload> {
    if ike {
        let transforms = vec![
            Transform::encryption(EncryptionId::ENCR_AES_GCM_16, Some(256)),
            Transform::prf(PrfId::PRF_HMAC_SHA2_384),
            Transform::group(GroupId(group.number())),
        ];
        return vec![
            sa(ProtocolId::IKE, &[7; 8], transforms),
            nonce(),
            ke(group, value),
        ];
    }
    let (_, theirs) = asked.child();
    let mut payloads = asked.rekeying(ProtocolId::ESP, &theirs.to_be_bytes());
    let transforms = [gcm(), vec![Transform::group(GroupId(group.number()))]].concat();
    payloads[1] = sa(ProtocolId::ESP, &[0xc1, 0x1e, 0x7e, 0x57], transforms);
    payloads.push(ke(group, value));
    payloads
}

// RFC 6989 §2, RFC 8031 §3, RFC 7296 §2.21.3: as in IKE_SA_INIT, nothing is derived from it. An authentic peer that sends it is broken, and
// the SA ends.
#[test]
fn rekeyings_with_a_public_value_of_no_member_of_the_group_end_the_sa() {
    for (group, values) in bad_publics() {
        for server in [true, false] {
            for ike in [true, false] {
                let mut twin = Asked::new(with_group(group), server);
                let said = twin.ask(&exchanging(&twin, ike, group, good(group)));
                assert!(matches!(said[0], Payload::Sa(_)), "{group:?}");
                let enough = if server { values.len() } else { 1 };
                for value in &values[..enough] {
                    let mut asked = Asked::new(with_group(group), server);
                    let keys = asked.end().key_log;
                    let said = asked.ask(&exchanging(&asked, ike, group, value.clone()));
                    let invalid = Notify::plain(NotifyType::INVALID_SYNTAX);
                    assert_eq!(said, [Payload::Notify(invalid)], "{group:?} {value:02x?}");
                    let refused = Refusal::from(PeerMisbehaved::BadKeyExchange);
                    let end = asked.end();
                    assert_eq!(end.closed, [CloseReason::Refused(refused)]);
                    assert_eq!(end.key_log, keys, "keys were made of it");
                    assert!(end.receiving.is_empty());
                }
            }
        }
    }
}

/// Takes the one request that is under way out of the network.
fn intercept(pair: &mut Pair) -> Arc<[u8]> {
    let mut flights = pair.take_flights();
    assert_eq!(flights.len(), 1);
    flights.remove(0).2
}

// The same in answers: what the asking end has asked for is not made, and the SA ends by its Delete.
#[test]
fn answers_with_a_public_value_of_no_member_of_the_group_end_the_sa() {
    for (group, values) in bad_publics() {
        for server in [true, false] {
            for ike in [true, false] {
                let enough = if server { values.len() } else { 1 };
                let bad = values[..enough].iter().map(|value| (value.clone(), false));
                for (value, taken) in [(good(group), true)].into_iter().chain(bad) {
                    let mut asked = Asked::new(with_group(group), server);
                    let end = asked.end();
                    let (id, keys) = (end.sas[0], end.key_log);
                    let command = if ike {
                        Command::Rekey(id)
                    } else {
                        Command::RekeyChild(id, asked.child().0)
                    };
                    asked.pair.command(server, command);
                    let request = intercept(&mut asked.pair);
                    let (header, offered) = asked.holder.open(&request);
                    let mut answer = offered
                        .into_iter()
                        .filter(|one| !matches!(one, Payload::Notify(_)))
                        .collect::<Vec<_>>();
                    for payload in &mut answer {
                        match payload {
                            Payload::Sa(sa) => {
                                let length = sa.proposals[0].spi.len();
                                sa.proposals[0].spi = vec![0x77; length];
                            }
                            Payload::Ke(ke) => ke.data.clone_from(&value),
                            Payload::Nonce(one) => *one = Nonce::new(vec![9; 32]).unwrap(),
                            _ => {}
                        }
                    }
                    let reply = asked
                        .holder
                        .header(CREATE, server, true, header.message_id.0);
                    let sealed = asked.holder.seal(&reply, &answer);
                    asked.pair.deliver(server, asked.path, &sealed);
                    let end = asked.end();
                    assert_eq!(end.key_log != keys, taken, "{group:?} {value:02x?}");
                    assert_eq!(end.endpoint.views().next().unwrap().closing, !taken);
                    if !taken {
                        assert!(end.receiving.is_empty(), "its traffic ends at once");
                        let (said, _) = asked.holder.open(&intercept(&mut asked.pair));
                        assert_eq!(said.exchange, ExchangeType::INFORMATIONAL);
                    }
                }
            }
        }
    }
}

// --- Attributes ---

// RFC 7296 §3.3#7, §3.3.6#7-8: a transform that says one attribute twice is one that nobody offers, be both the same or not; another
// beside it is taken.
#[test]
fn a_transform_that_says_its_key_length_twice_is_not_chosen() {
    const KEY_LENGTH: u16 = 14;
    let doubled = |bits| {
        let mut transforms = gcm();
        transforms[0].attributes = vec![TransformAttribute {
            kind: KEY_LENGTH,
            value: AttributeValue::Short(bits),
        }];
        transforms
    };
    for server in [true, false] {
        for bits in [256, 128, 0] {
            let mut asked = Asked::new(Setup::new(GCM), server);
            let both = asked.selectors();
            let request = further(both.clone(), doubled(bits));
            asked.refused(&request, NotifyType::NO_PROPOSAL_CHOSEN);
            let mut transforms = doubled(bits);
            transforms.insert(1, gcm()[0].clone());
            let said = asked.ask(&further(both, transforms));
            let Payload::Sa(chosen) = &said[0] else {
                panic!("{said:?}")
            };
            assert_eq!(chosen.proposals[0].transforms, gcm());
        }
    }
}

// --- Answers ---

/// Delivers what is under way one by one; behind each answer to this end come all that it had before, the last one first.
/// Gives how many datagrams that were.
fn with_old_answers(
    pair: &mut Pair,
    server: bool,
    seconds: u64,
    had: &mut Vec<(Path, Arc<[u8]>)>,
) -> usize {
    let until = pair.now.after(std::time::Duration::from_secs(seconds));
    let mut again = 0;
    loop {
        let (flight, delivered) = (pair.next_flight(), pair.delivered);
        if !pair.step(until) {
            return again;
        }
        let flight = flight.filter(|_| pair.delivered > delivered);
        let Some((to_server, path, octets)) = flight else {
            continue;
        };
        if to_server == server && Header::peek(&octets).unwrap().flags.is_response() {
            had.push((path, octets));
            for (path, octets) in had.iter().rev() {
                pair.deliver(server, *path, octets);
                again += 1;
            }
        }
    }
}

// RFC 7296 §2.1, §2.3: an answer counts once; those of requests that are answered already, in any order, change nothing.
#[test]
fn a_peer_that_answers_every_request_twice_and_out_of_order_does_no_harm() {
    for server in [true, false] {
        for setup in [Setup::new(GCM), Setup::with_pre_shared_key(CBC)] {
            let mut pair = Pair::new(setup, 802);
            pair.connect();
            let mut had = Vec::new();
            let mut again = with_old_answers(&mut pair, server, 5, &mut had);
            assert!(
                pair.both_up(),
                "{:?} {:?}",
                pair.server.log,
                pair.client.log
            );
            let id = |pair: &Pair| {
                if server {
                    pair.server.sas[0]
                } else {
                    pair.client.sas[0]
                }
            };
            let mut seen = Vec::new();
            for round in 0..6 {
                let id = id(&pair);
                let end = if server { &pair.server } else { &pair.client };
                let inbound = end.installed[&id].inbound_spi;
                let ike = end.endpoint.view(id).unwrap().initiator_spi;
                assert!(!seen.contains(&(inbound, ike)));
                seen.push((inbound, ike));
                pair.command(
                    server,
                    match round % 3 {
                        0 => Command::RekeyChild(id, inbound),
                        1 => Command::Rekey(id),
                        _ => Command::RekeyChild(id, inbound),
                    },
                );
                again += with_old_answers(&mut pair, server, 8, &mut had);
                pair.assert_traffic_flows();
                pair.assert_children_match();
            }
            assert!(again > 60, "{again}");
            assert_eq!(pair.server.receiving.len(), 1);
            assert_eq!(pair.client.receiving.len(), 1);
            assert!(pair.server.closed.is_empty() && pair.client.closed.is_empty());
            let command = Command::Delete(id(&pair));
            pair.command(server, command);
            with_old_answers(&mut pair, server, 60, &mut had);
            pair.assert_clean();
        }
    }
}
