//! Requirements of RFC 7296 that show on the wire and nowhere else: what the messages of a login, of a
//! rekeying and of a Delete say, in which order, and how often.

use std::time::Duration;

use crate::{holder::Holder, support::*};
use ironflex_ikev2::{
    config::{AGAIN_AFTER, Pfs},
    crypto::suite::Group,
    event::{CloseReason, Command, Framing, Path},
    refusal::{PeerIncompatible, Refusal},
    wire::{
        Body, Header, PartialMessage, Payload,
        payload::{
            AddressRange, Delete, KePayload, Nonce, Notify, Proposal, SaPayload, TrafficSelector,
            TrafficSelectors, Transform,
        },
        registry::{
            ConfigAttributeType, ConfigType, EncryptionId, EsnId, ExchangeType, GroupId,
            NotifyType, PayloadType, PrfId, ProtocolId, TransformType,
        },
    },
};

/// A pair with key logs, before its login.
fn pair(setup: Setup) -> Pair {
    let mut pair = Pair::new(setup, 700);
    pair.server.endpoint.key_log(true);
    pair.client.endpoint.key_log(true);
    pair
}

fn up(setup: Setup) -> Pair {
    let mut pair = pair(setup);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    pair
}

fn path(end: &End) -> Path {
    end.endpoint.views().next().unwrap().path
}

/// The payloads of the IKE_SA_INIT messages that went this way.
fn inits(pair: &Pair, to_server: bool) -> Vec<Vec<Payload>> {
    let sent = pair.wire.iter().filter(|(way, _)| *way == to_server);
    sent.map(|(_, octets)| PartialMessage::parse(octets).unwrap())
        .filter(|message| message.header.exchange == ExchangeType::IKE_SA_INIT)
        .map(|message| message.outer)
        .collect()
}

/// The whole messages of an IKE SA that went this way, opened.
fn opened(pair: &Pair, holder: &Holder, to_server: bool) -> Vec<(Header, Vec<Payload>)> {
    let sent = pair.wire.iter().filter(|(way, _)| *way == to_server);
    sent.filter(|(_, octets)| {
        let message = PartialMessage::parse(octets).unwrap();
        matches!(message.body, Body::Encrypted(_))
            && message.header.initiator_spi == holder.initiator_spi
            && message.header.responder_spi == Some(holder.responder_spi)
    })
    .map(|(_, octets)| holder.open(octets))
    .collect()
}

fn place(payloads: &[Payload], kind: PayloadType) -> Option<usize> {
    payloads.iter().position(|one| one.kind() == kind)
}

fn said(payloads: &[Payload], kind: NotifyType) -> Option<&Notify> {
    payloads.iter().find_map(|one| match one {
        Payload::Notify(said) if said.kind == kind => Some(said),
        _ => None,
    })
}

fn nonce(payloads: &[Payload]) -> &Nonce {
    let nonce = payloads.iter().find_map(|one| match one {
        Payload::Nonce(nonce) => Some(nonce),
        _ => None,
    });
    nonce.unwrap()
}

fn notify(kind: NotifyType) -> Payload {
    Payload::Notify(Notify::plain(kind))
}

fn selectors(range: AddressRange) -> TrafficSelectors {
    vec![TrafficSelector::addresses(range)].into()
}

pub(crate) fn esp(spi: u32) -> Payload {
    Payload::Sa(SaPayload::single(Proposal {
        number: 1,
        protocol: ProtocolId::ESP,
        spi: spi.to_be_bytes().to_vec(),
        transforms: vec![
            Transform::encryption(EncryptionId::ENCR_AES_GCM_16, Some(256)),
            Transform::esn(EsnId::NO_ESN),
        ],
    }))
}

/// Asks the server something in the client's name: its answer's payloads.
pub(crate) fn ask(
    pair: &mut Pair,
    holder: &Holder,
    exchange: ExchangeType,
    said: &[Payload],
) -> Vec<Payload> {
    let view = pair.server.endpoint.views().next().unwrap();
    let (path, next) = (view.path, view.next_expected);
    let request = holder.seal(&holder.header(exchange, true, false, next), said);
    let before = pair.wire.len();
    pair.inject(path, &request);
    let answers = &pair.wire[before..];
    let answer = answers.iter().map(|(_, octets)| holder.open(octets));
    let mut answer = answer.filter(|(header, _)| header.flags.is_response());
    let (header, payloads) = answer.next().expect("an answer");
    assert_eq!(header.message_id.0, next);
    payloads
}

/// Takes the client's request off the way: its header and payloads.
fn intercept(pair: &mut Pair, holder: &Holder) -> (Header, Vec<Payload>) {
    let (to_server, _, octets) = pair.next_flight().unwrap();
    assert!(to_server);
    pair.lose_flights();
    holder.open(&octets)
}

fn answer(pair: &mut Pair, holder: &Holder, asked: &Header, payloads: &[Payload]) {
    let header = holder.header(asked.exchange, false, true, asked.message_id.0);
    let path = path(&pair.client);
    pair.deliver(false, path, &holder.seal(&header, payloads));
}

fn rekey_child(pair: &mut Pair, server: bool) {
    let end = if server { &pair.server } else { &pair.client };
    let id = end.sas[0];
    let command = Command::RekeyChild(id, end.installed[&id].inbound_spi);
    pair.command(server, command);
}

// --- The login ---

// RFC 7296 §2.10#1-3, §3.9#2: nonces have 32 octets, half of the longest PRF key, and none comes twice.
#[test]
fn nonces_are_long_enough_and_never_the_same() {
    let mut seen = Vec::new();
    let mut pair = up(Setup::new(GCM));
    let holder = Holder::of(&pair.server);
    for to_server in [true, false] {
        seen.push(nonce(&inits(&pair, to_server)[0]).clone());
    }
    for _ in 0..3 {
        rekey_child(&mut pair, false);
        pair.run(10);
    }
    for to_server in [true, false] {
        for (header, payloads) in opened(&pair, &holder, to_server) {
            if header.exchange == ExchangeType::CREATE_CHILD_SA {
                seen.push(nonce(&payloads).clone());
            }
        }
    }
    assert_eq!(seen.len(), 8);
    assert!(seen.iter().all(|nonce| nonce.as_bytes().len() == 32));
    for (at, one) in seen.iter().enumerate() {
        assert!(!seen[..at].contains(one));
    }
}

// RFC 7296 §2.4#2: INITIAL_CONTACT stands in the first IKE_AUTH request.
// RFC 7296 §2.19#1-4, §4#7: the client asks for an address there, and CP stands before SA in the message
// that has it, asked and answered.
// RFC 7296 §2.3#1: SET_WINDOW_SIZE has the number in four octets.
// RFC 7296 §1.2#6: an SA payload of IKE_AUTH has no transform for a group.
// RFC 7296 §4#8-9: a request for an address is answered by one.
#[test]
fn ike_auth_asks_for_an_address_before_the_child_and_tells_the_window() {
    let mut setup = Setup::with_pre_shared_key(GCM);
    setup.server.window = 0x0102;
    let pair = up(setup);
    let holder = Holder::of(&pair.server);
    let (_, request) = &opened(&pair, &holder, true)[0];
    let (_, reply) = &opened(&pair, &holder, false)[0];
    let contact = said(request, NotifyType::INITIAL_CONTACT);
    assert!(contact.is_some_and(|said| said.data.is_empty()));
    for (payloads, kind) in [
        (request, ConfigType::CFG_REQUEST),
        (reply, ConfigType::CFG_REPLY),
    ] {
        let cp = place(payloads, PayloadType::CP).unwrap();
        let sa = place(payloads, PayloadType::SA).unwrap();
        assert!(cp < sa);
        let (Payload::Cp(cp), Payload::Sa(sa)) = (&payloads[cp], &payloads[sa]) else {
            panic!("{payloads:?}")
        };
        assert_eq!(cp.kind, kind);
        let address = ConfigAttributeType::INTERNAL_IP4_ADDRESS;
        assert!(cp.attributes.iter().any(|one| one.kind == address));
        let groups = sa.proposals[0].transforms_of(TransformType::KE);
        assert_eq!(groups.count(), 0);
    }
    let window = said(reply, NotifyType::SET_WINDOW_SIZE).unwrap();
    assert_eq!(window.data, [0, 0, 1, 2]);
}

// RFC 7383 §2.3#1-3, RFC 4555 §3.2#1: what is spoken is announced by its number, without protocol, SPI or data;
// MOBIKE beside the SA payload.
// RFC 7427 §3#2: who has announced hashes is answered by method 14.
#[test]
fn extensions_are_announced_by_their_numbers() {
    let mut setup = Setup::with_certificate(GCM);
    setup.connect.fragmentation.cisco = false;
    setup.connect.upkeep.mobike = true;
    setup.peer.upkeep.mobike = true;
    let pair = up(setup.clone());
    let holder = Holder::of(&pair.server);
    for to_server in [true, false] {
        let (_, auth) = &opened(&pair, &holder, to_server)[0];
        assert!(place(auth, PayloadType::SA).is_some());
        let mobike = said(auth, NotifyType(16_396)).unwrap();
        assert!(mobike.spi.is_empty() && mobike.data.is_empty());
        let Payload::Auth(proof) = &auth[place(auth, PayloadType::AUTH).unwrap()] else {
            panic!("{auth:?}")
        };
        assert_eq!(proof.method.0, 14);
    }
    setup.connect.fragmentation.ietf = true;
    setup.server.fragmentation.ietf = true;
    let pair = up(setup);
    for to_server in [true, false] {
        let fragments = inits(&pair, to_server)[0].clone();
        let fragments = said(&fragments, NotifyType(16_430)).unwrap();
        assert_eq!(fragments.protocol, ProtocolId::NONE);
        assert!(fragments.spi.is_empty() && fragments.data.is_empty());
    }
}

// RFC 7296 §2.19#5: without a CFG_REQUEST there is no CFG_REPLY.
// RFC 7296 §2.19#6: where one is required its absence is FAILED_CP_REQUIRED.
#[test]
fn who_asks_for_no_configuration_gets_none_or_is_told_to() {
    for lease in [true, false] {
        let mut setup = Setup::with_pre_shared_key(GCM);
        let mut pair = pair(setup.clone());
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        setup.connect.request.clear();
        setup.lease = lease;
        let mut pair = self::pair(setup);
        pair.connect();
        pair.run(20);
        let holder = Holder::of(&pair.server);
        let (_, reply) = &opened(&pair, &holder, false)[0];
        assert_eq!(place(reply, PayloadType::CP), None);
        let failed = said(reply, NotifyType::FAILED_CP_REQUIRED).is_some();
        assert_eq!((pair.both_up(), failed), (lease, !lease));
    }
}

// RFC 7296 §1.2#4-5: the group that the responder names is taken, and everything is offered again.
#[test]
fn another_group_is_tried_with_the_whole_offer() {
    let mut setup = Setup::new(GCM);
    setup.connect.proposals[0].groups = vec![Group::EcpP384, Group::Curve25519];
    let pair = up(setup);
    let sent = inits(&pair, true);
    let offer = |payloads: &[Payload]| payloads[place(payloads, PayloadType::SA).unwrap()].clone();
    let group = |payloads: &[Payload]| match &payloads[place(payloads, PayloadType::KE).unwrap()] {
        Payload::Ke(ke) => ke.group,
        other => panic!("{other:?}"),
    };
    let [first, second] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(offer(first), offer(second));
    assert_eq!(
        (group(first), group(second)),
        (GroupId(20), GroupId::CURVE25519)
    );
}

// RFC 7296 §2.6#3-4: a cookie has 1 to 64 octets, and stands in front of a request that is otherwise as before.
#[test]
fn a_cookie_stands_in_front_of_the_same_request() {
    for force in [false, true] {
        let mut setup = Setup::new(GCM);
        setup.server.cookie_watermark = 0;
        setup.connect.force_encapsulation = force;
        let pair = up(setup);
        let sent = inits(&pair, true);
        let demand = &inits(&pair, false)[0];
        let cookie = said(demand, NotifyType::COOKIE).unwrap();
        assert!((1..=64).contains(&cookie.data.len()));
        assert_eq!(
            sent[1],
            [&demand[..], &sent[0]].concat(),
            "the same, {force}"
        );
    }
}

// RFC 7296 §2.23#9: both ends send both hashes.
// RFC 7296 §2.23#4,12-13: the initiator compares them, and goes to port 4500 where there is a NAT.
#[test]
fn a_nat_is_looked_for_and_moves_the_initiator_to_port_4500() {
    for behind in [false, true] {
        let mut setup = Setup::new(GCM);
        setup.connect.always_float = false;
        let mut pair = pair(setup);
        if behind {
            pair.nat = Some(|from| {
                let port = 50_000 + u32::from(from.port());
                format!("198.51.100.7:{port}").parse().unwrap()
            });
            pair.unnat = Some(|to| {
                let port = u32::from(to.port()) - 50_000;
                format!("192.0.2.100:{port}").parse().unwrap()
            });
        }
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        let way = path(&pair.client);
        let port = if behind { 4500 } else { 500 };
        assert_eq!((way.local.port(), way.remote.port()), (port, port));
        let marked = way.framing == Framing::Marked;
        assert_eq!(marked, behind);
        for to_server in [true, false] {
            let sent = &inits(&pair, to_server)[0];
            for kind in [
                NotifyType::NAT_DETECTION_SOURCE_IP,
                NotifyType::NAT_DETECTION_DESTINATION_IP,
            ] {
                assert!(said(sent, kind).is_some_and(|said| said.data.len() == 20));
            }
        }
    }
}

// --- Requests ---

// RFC 7296 §2.3#2: with a window of one, one request is out and the others wait for its answer.
// RFC 7296 §2.1#3,6-7, §2.2#1, §2.3#6: it is kept, and said again in the same octets under the same ID.
#[test]
fn one_request_is_out_and_is_said_again_octet_for_octet() {
    let mut setup = Setup::new(GCM);
    setup.server.window = 1;
    let mut pair = up(setup);
    let holder = Holder::of(&pair.server);
    let id = pair.client.sas[0];
    let before = pair.wire.len();
    pair.tamper = Some(Box::new(|to_server, _| !to_server));
    pair.command(false, Command::Probe(id));
    rekey_child(&mut pair, false);
    pair.command(false, Command::Rekey(id));
    pair.run(20);
    let sent = &pair.wire[before..];
    assert!(sent.len() >= 4, "{}", sent.len());
    assert!(sent.iter().all(|one| *one == sent[0]));
    let first = holder.open(&sent[0].1).0.message_id.0;
    pair.tamper = None;
    pair.run(40);
    assert!(pair.both_up());
    // Each had its turn: the probe, the child, its Delete, and the IKE SA.
    let after = opened(&pair, &holder, true);
    let exchanges: Vec<_> = after
        .iter()
        .filter(|(header, _)| header.message_id.0 > first && !header.flags.is_response())
        .map(|(header, _)| header.exchange)
        .collect();
    assert!(exchanges.starts_with(&[
        ExchangeType::CREATE_CHILD_SA,
        ExchangeType::INFORMATIONAL,
        ExchangeType::CREATE_CHILD_SA,
    ]));
}

// RFC 7296 §3.10.1#1: an error that is not known means that what was asked for has failed.
#[test]
fn an_answer_with_an_unknown_error_is_a_refusal() {
    let mut pair = up(Setup::new(GCM));
    let holder = Holder::of(&pair.server);
    let before = pair.client.installed[&pair.client.sas[0]].inbound_spi;
    rekey_child(&mut pair, false);
    let (asked, _) = intercept(&mut pair, &holder);
    // Everything that it takes, but for the error.
    let payloads = [
        notify(NotifyType(8_191)),
        esp(0x1234_5678),
        Payload::Nonce(Nonce::new(vec![7; 32]).unwrap()),
        Payload::TsI(selectors(AddressRange::host(ASSIGNED.into()))),
        Payload::TsR(selectors(AddressRange::ANY_V4)),
    ];
    answer(&mut pair, &holder, &asked, &payloads);
    let refused = Refusal::ByPeer(NotifyType(8_191));
    assert_eq!(
        pair.client.log.last(),
        Some(&format!("rekey refused: {refused}"))
    );
    let after = pair.client.installed[&pair.client.sas[0]].inbound_spi;
    assert_eq!((after, pair.client.receiving.len()), (before, 1));
}

// --- Child SAs ---

// RFC 7296 §1.3#1-2, §3.4#2: with a KE payload its group is the first that is offered.
// RFC 7296 §3.4#4: without a group in the offer there is no KE payload.
// RFC 7296 §1.3.3#1, §3.10#1: REKEY_SA names what is replaced, as an ESP SA by its SPI.
#[test]
fn a_rekeying_names_the_old_child_and_its_group_if_it_has_one() {
    for groups in [vec![], vec![Group::EcpP384, Group::EcpP256]] {
        let mut setup = Setup::new(GCM);
        if !groups.is_empty() {
            setup.connect.upkeep.pfs = Pfs::Required(groups.clone());
        }
        let mut pair = up(setup);
        let holder = Holder::of(&pair.server);
        let old = pair.client.installed[&pair.client.sas[0]].inbound_spi;
        rekey_child(&mut pair, false);
        let (_, request) = intercept(&mut pair, &holder);
        let rekeys = said(&request, NotifyType::REKEY_SA).unwrap();
        assert_eq!(
            (rekeys.protocol, &rekeys.spi[..]),
            (ProtocolId::ESP, &old.to_be_bytes()[..])
        );
        let Payload::Sa(sa) = &request[place(&request, PayloadType::SA).unwrap()] else {
            panic!("{request:?}")
        };
        let offered = sa.proposals[0].transforms_of(TransformType::KE);
        let offered: Vec<u16> = offered.map(|one| one.id).collect();
        let wanted: Vec<u16> = groups.iter().map(|group| group.number()).collect();
        assert_eq!(offered, wanted);
        let sent = request.iter().find_map(|one| match one {
            Payload::Ke(ke) => Some(ke.group.0),
            _ => None,
        });
        assert_eq!(sent, wanted.first().copied());
    }
}

// RFC 7296 §2.9.2#1: an answer that is narrower than what is replaced leaves that in use, and what the
// responder has made is deleted.
#[test]
fn a_replacement_that_is_narrower_is_deleted_again() {
    let net = AddressRange::new([10, 0, 0, 0].into(), [10, 255, 255, 255].into()).unwrap();
    for (range, taken) in [(AddressRange::ANY_V4, true), (net, false)] {
        let mut pair = up(Setup::new(GCM));
        let holder = Holder::of(&pair.server);
        let before = pair.client.installed[&pair.client.sas[0]].inbound_spi;
        rekey_child(&mut pair, false);
        let (asked, request) = intercept(&mut pair, &holder);
        let Payload::Sa(sa) = &request[place(&request, PayloadType::SA).unwrap()] else {
            panic!("{request:?}")
        };
        let new = <[u8; 4]>::try_from(&sa.proposals[0].spi[..]).unwrap();
        let payloads = [
            esp(0x1234_5678),
            Payload::Nonce(Nonce::new(vec![7; 32]).unwrap()),
            Payload::TsI(selectors(AddressRange::host(ASSIGNED.into()))),
            Payload::TsR(selectors(range)),
        ];
        answer(&mut pair, &holder, &asked, &payloads);
        let (deleting, next) = intercept(&mut pair, &holder);
        let deleted = if taken { before.to_be_bytes() } else { new };
        assert_eq!(next, [Payload::Delete(Delete::esp(&[deleted]))]);
        let after = pair.client.installed[&pair.client.sas[0]].inbound_spi;
        assert_eq!(after != before, taken);
        let refused: Refusal = PeerIncompatible::TsUnacceptable.into();
        let told = format!("rekey refused: {refused}");
        assert_eq!(pair.client.log.contains(&told), !taken);
        assert!(pair.client.closed.is_empty());
        if taken {
            continue;
        }
        // What was not replaced is tried again, later.
        answer(&mut pair, &holder, &deleting, &[]);
        let soon = pair.now.after(AGAIN_AFTER.mul_f32(2.0));
        while pair.next_flight().is_none() {
            assert!(pair.step(soon));
        }
        let (again, _) = intercept(&mut pair, &holder);
        assert_eq!(again.exchange, ExchangeType::CREATE_CHILD_SA);
    }
}

// RFC 7296 §2.9.2#3: asked for less than what is replaced, the responder does not narrow it to that.
#[test]
fn a_rekeying_that_asks_for_less_is_refused() {
    let net = AddressRange::new([10, 0, 0, 0].into(), [10, 255, 255, 255].into()).unwrap();
    for (range, taken) in [(AddressRange::ANY_V4, true), (net, false)] {
        let mut pair = up(Setup::new(GCM));
        let holder = Holder::of(&pair.server);
        let theirs = pair.client.installed[&pair.client.sas[0]].inbound_spi;
        let request = [
            Payload::Notify(Notify {
                protocol: ProtocolId::ESP,
                spi: theirs.to_be_bytes().to_vec(),
                kind: NotifyType::REKEY_SA,
                data: Vec::new(),
            }),
            esp(0x1234_5678),
            Payload::Nonce(Nonce::new(vec![7; 32]).unwrap()),
            Payload::TsI(selectors(AddressRange::host(ASSIGNED.into()))),
            Payload::TsR(selectors(range)),
        ];
        let reply = ask(&mut pair, &holder, ExchangeType::CREATE_CHILD_SA, &request);
        let refused = reply == [notify(NotifyType::TS_UNACCEPTABLE)];
        assert_eq!(refused, !taken);
        assert_eq!(pair.server.receiving.len(), 1 + usize::from(taken));
        assert_eq!(pair.server.closed, []);
    }
}

// RFC 7296 §1.4.1#5, §2.25.1#5: where both ends delete a pair at once, neither answer deletes it once more.
#[test]
fn deletes_of_a_child_that_cross_are_answered_with_nothing_inside() {
    let mut pair = up(Setup::new(GCM));
    let holder = Holder::of(&pair.server);
    let id = pair.server.sas[0];
    let child = &pair.server.installed[&id];
    let (ours, theirs) = (child.inbound_spi, child.outbound_spi);
    pair.command(true, Command::DeleteChild(id, ours));
    let (_, _, octets) = pair.next_flight().unwrap();
    let delete = |spi: u32| [Payload::Delete(Delete::esp(&[spi.to_be_bytes()]))];
    assert_eq!(holder.open(&octets).1, delete(ours));
    pair.lose_flights();
    let reply = ask(
        &mut pair,
        &holder,
        ExchangeType::INFORMATIONAL,
        &delete(theirs),
    );
    assert_eq!(reply, []);
    assert!(pair.server.receiving.is_empty());
}

// --- The IKE SA ---

// RFC 7296 §2.8#4, §1.4#2: the Delete of a replaced IKE SA goes under its own keys, and is the last request
// there.
#[test]
fn the_delete_is_the_last_request_on_a_replaced_ike_sa() {
    for server in [true, false] {
        let mut pair = up(Setup::new(GCM));
        let old = Holder::of(&pair.server);
        let end = if server { &pair.server } else { &pair.client };
        let id = end.sas[0];
        pair.command(server, Command::Rekey(id));
        pair.run(1);
        rekey_child(&mut pair, server);
        pair.run(30);
        let requests: Vec<_> = opened(&pair, &old, !server)
            .into_iter()
            .filter(|(header, _)| !header.flags.is_response())
            .collect();
        let (_, last) = requests.last().unwrap();
        assert_eq!(last, &[Payload::Delete(Delete::ike_sa())]);
        // What came afterwards went under the new keys.
        let new = Holder::of(&pair.server);
        assert!(new.initiator_spi != old.initiator_spi);
        assert!(opened(&pair, &new, !server).len() >= 2);
    }
}

// RFC 7296 §1.3.2#1, §2.18#1-3: an IKE SA is replaced with a key exchange or not at all, whoever asks.
#[test]
fn an_ike_sa_is_not_replaced_without_a_key_exchange() {
    let group = |id| Transform::group(id);
    let offer = |last: Option<Transform>| {
        let mut transforms = vec![
            Transform::encryption(EncryptionId::ENCR_AES_GCM_16, Some(256)),
            Transform::prf(PrfId::PRF_HMAC_SHA2_384),
        ];
        transforms.extend(last);
        Payload::Sa(SaPayload::single(Proposal {
            number: 1,
            protocol: ProtocolId::IKE,
            spi: vec![7; 8],
            transforms,
        }))
    };
    let nonce = || Payload::Nonce(Nonce::new(vec![7; 32]).unwrap());
    let mut client = up(Setup::new(GCM));
    let holder = Holder::of(&client.server);
    let id = client.client.sas[0];
    client.command(false, Command::Rekey(id));
    let (_, asked) = intercept(&mut client, &holder);
    let Payload::Ke(ours) = &asked[place(&asked, PayloadType::KE).unwrap()] else {
        panic!("{asked:?}")
    };
    let Payload::Sa(sa) = &asked[place(&asked, PayloadType::SA).unwrap()] else {
        panic!("{asked:?}")
    };
    for proposal in &sa.proposals {
        let groups: Vec<u16> = proposal
            .transforms_of(TransformType::KE)
            .map(|one| one.id)
            .collect();
        assert!(!groups.is_empty() && !groups.contains(&GroupId::NONE.0));
    }
    let ke = |group: GroupId| {
        Payload::Ke(KePayload {
            group,
            data: ours.data.clone(),
        })
    };
    let curve = GroupId::CURVE25519;
    assert_eq!(ours.group, curve);
    let none = vec![notify(NotifyType::NO_PROPOSAL_CHOSEN)];
    let invalid = vec![notify(NotifyType::INVALID_SYNTAX)];
    for (request, refused) in [
        (vec![offer(Some(group(curve))), nonce(), ke(curve)], None),
        (vec![ke(curve), nonce(), offer(Some(group(curve)))], None),
        (vec![offer(Some(group(curve))), nonce()], Some(&invalid)),
        (vec![offer(None), nonce(), ke(curve)], Some(&none)),
        (
            vec![offer(Some(group(GroupId::NONE))), nonce(), ke(curve)],
            Some(&none),
        ),
        (
            vec![
                offer(Some(group(GroupId::NONE))),
                nonce(),
                ke(GroupId::NONE),
            ],
            Some(&none),
        ),
    ] {
        let mut pair = up(Setup::new(GCM));
        let holder = Holder::of(&pair.server);
        let reply = ask(&mut pair, &holder, ExchangeType::CREATE_CHILD_SA, &request);
        match refused {
            Some(refused) => assert_eq!(&reply, refused),
            None => assert!(place(&reply, PayloadType::KE).is_some(), "{reply:?}"),
        }
        let rekeyed = pair.server.log.contains(&"rekeyed".to_owned());
        assert_eq!(rekeyed, refused.is_none());
    }
}

// RFC 7296 §2.4#6: the waits between the tries of a request grow twofold, and have an end.
#[test]
fn an_established_peer_that_is_silent_is_asked_after_ever_longer_waits() {
    let mut pair = up(Setup::new(GCM));
    let id = pair.client.sas[0];
    pair.tamper = Some(Box::new(|to_server, _| !to_server));
    pair.command(false, Command::Rekey(id));
    let mut sent: Vec<Duration> = Vec::new();
    let begun = pair.now;
    let until = pair.now.after(Duration::from_secs(600));
    let mut count = pair.wire.len() - 1;
    while pair.step(until) {
        if pair.wire.len() > count {
            count = pair.wire.len();
            sent.push(pair.now.since(begun));
        }
    }
    let waits: Vec<_> = sent.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(waits.len() >= 4);
    assert!(
        waits[1..].windows(2).all(|two| two[1] == two[0] * 2),
        "{waits:?}"
    );
    assert_eq!(pair.client.closed, [CloseReason::Unanswered]);
}
