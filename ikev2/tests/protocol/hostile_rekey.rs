//! CREATE_CHILD_SA with a peer that holds the keys and says what an honest one would not.

use std::{sync::Arc, time::Duration};

use ironflex_ikev2::{
    config::MAX_CHILDREN,
    event::{Ask, CloseReason, Command, Discard, Path, SaId},
    refusal::{PeerIncompatible, Refusal},
    wire::{
        Header, PartialMessage, Payload,
        payload::{
            AddressRange, Delete, Nonce, Notify, Proposal, SaPayload, TrafficSelector,
            TrafficSelectors, Transform, UnknownPayload,
        },
        registry::{EncryptionId, EsnId, ExchangeType, NotifyType, PayloadType, ProtocolId},
    },
};

use crate::{holder::Holder, rekey::inbound, support::*};

fn up(setup: Setup) -> Pair {
    let mut pair = Pair::new(setup, 600);
    pair.server.endpoint.key_log(true);
    pair.client.endpoint.key_log(true);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    pair.server.discarded.clear();
    pair
}

fn path(end: &End) -> Path {
    end.endpoint.views().next().unwrap().path
}

fn notify(kind: NotifyType, data: &[u8]) -> Payload {
    Payload::Notify(Notify::new(kind, data.to_vec()))
}

// --- Against the headend ---

/// A request for a further child SA.
fn further_child() -> Vec<Payload> {
    let selectors = |range| TrafficSelectors {
        selectors: vec![TrafficSelector::addresses(range)],
        skipped: 0,
    };
    vec![
        Payload::Sa(SaPayload::single(Proposal {
            number: 1,
            protocol: ProtocolId::ESP,
            spi: vec![0xc1, 0x1e, 0x7e, 0x57],
            transforms: vec![
                Transform::encryption(EncryptionId::ENCR_AES_GCM_16, Some(256)),
                Transform::esn(EsnId::NO_ESN),
            ],
        })),
        Payload::Nonce(Nonce::new(vec![7; 32]).unwrap()),
        Payload::TsI(selectors(AddressRange::host(ASSIGNED.into()))),
        Payload::TsR(selectors(AddressRange::ANY_V4)),
    ]
}

/// A request for what replaces the child SA that the peer receives on under `old`, which it is to receive on under `spi`.
fn successor(old: u32, spi: u32) -> Vec<Payload> {
    let mut payloads = further_child();
    if let Some(Payload::Sa(SaPayload { proposals, .. })) = payloads.first_mut() {
        proposals[0].spi = spi.to_be_bytes().to_vec();
    }
    payloads.push(Payload::Notify(Notify {
        protocol: ProtocolId::ESP,
        spi: old.to_be_bytes().to_vec(),
        kind: NotifyType::REKEY_SA,
        data: Vec::new(),
    }));
    payloads
}

// RFC 7296 §1.3, §2.8: whoever has its child SA replaced without a pause has no more of them by not deleting any, while those that it
// has deleted still receive.
#[test]
fn child_sas_that_are_replaced_and_kept_are_no_more_than_those_that_are_deleted() {
    let mut pair = up(Setup::new(GCM));
    let holder = Holder::of(&pair.server);
    let path = path(&pair.server);
    let say = |pair: &mut Pair, exchange, payloads: &[Payload]| {
        let id = pair.server.endpoint.views().next().unwrap().next_expected;
        let header = holder.header(exchange, true, false, id);
        pair.inject(path, &holder.seal(&header, payloads));
    };
    let mut old = inbound(&pair, false);
    let mut most = 0;
    for (number, spi) in (0x1000..).take(4 * MAX_CHILDREN).enumerate() {
        let asked = successor(old, spi);
        say(&mut pair, ExchangeType::CREATE_CHILD_SA, &asked);
        if number < 2 * MAX_CHILDREN {
            let delete = Payload::Delete(Delete::esp(&[old.to_be_bytes()]));
            say(&mut pair, ExchangeType::INFORMATIONAL, &[delete]);
        }
        most = most.max(pair.server.receiving.len());
        old = spi;
    }
    assert_eq!(most, 2 * MAX_CHILDREN);
    assert_eq!(pair.server.ready(), 1);
}

// RFC 7296 §2.3: within the window requests may come in any order; none has to be said twice, also where
// the one before it had to wait for the outside.
#[test]
fn a_request_that_came_before_its_turn_is_answered_when_the_outside_has_answered() {
    let mut pair = up(Setup::new(GCM));
    let holder = Holder::of(&pair.server);
    let (path, next) = (path(&pair.server), {
        let mut views = pair.server.endpoint.views();
        views.next().unwrap().next_expected
    });
    let header = |exchange, id| holder.header(exchange, true, false, id);
    let early = holder.seal(&header(ExchangeType::INFORMATIONAL, next + 1), &[]);
    let further = holder.seal(
        &header(ExchangeType::CREATE_CHILD_SA, next),
        &further_child(),
    );
    let before = pair.wire.len();
    pair.inject(path, &early);
    assert_eq!(pair.wire.len(), before);
    pair.inject(path, &further);
    let answered: Vec<u32> = pair.wire[before..]
        .iter()
        .map(|(_, octets)| holder.open(octets).0.message_id.0)
        .collect();
    assert_eq!(answered, [next, next + 1]);
    assert_eq!(pair.server.receiving.len(), 2);
    assert_eq!(pair.server.discarded, [Discard::AheadOfWindow]);
}

// RFC 7296 §2.3: also where the one before it has replaced the IKE SA, and on an IKE SA that is replaced.
#[test]
fn a_request_that_came_before_its_turn_is_answered_on_a_replaced_ike_sa() {
    for replaced_before in [false, true] {
        let mut pair = up(Setup::with_pre_shared_key(GCM));
        let holder = Holder::of(&pair.server);
        let path = path(&pair.server);
        let next = pair.server.endpoint.views().next().unwrap().next_expected;
        let request = |id| {
            let header = holder.header(ExchangeType::INFORMATIONAL, true, false, id);
            holder.seal(&header, &[])
        };
        let id = pair.client.sas[0];
        pair.command(false, Command::Rekey(id));
        let before = pair.wire.len();
        if !replaced_before {
            pair.inject(path, &request(next + 1));
        }
        let until = pair.now.after(Duration::from_secs(5));
        while spi(&pair.server) == holder.responder_spi.get() {
            assert!(pair.step(until));
        }
        if replaced_before {
            pair.inject(path, &request(next + 2));
            pair.inject(path, &request(next + 1));
        }
        let of_old = pair.wire[before..].iter().filter(|(to_server, octets)| {
            !to_server && Header::peek(octets).unwrap().initiator_spi == holder.initiator_spi
        });
        let answered: Vec<u32> = of_old
            .map(|(_, octets)| Header::peek(octets).unwrap().message_id.0)
            .collect();
        let last = next + if replaced_before { 2 } else { 1 };
        assert_eq!(answered, (next..=last).collect::<Vec<_>>());
        pair.run(60);
        assert!(pair.both_up());
        pair.assert_traffic_flows();
    }
}

/// The SPI that an end has of the IKE SA in use, the responder's.
fn spi(end: &End) -> u64 {
    end.endpoint.views().next().unwrap().responder_spi.get()
}

// RFC 7296 §2.3, §2.23#16-18: without MOBIKE the peer is where its last new request came from. What was kept until its turn
// came before that, and its answer goes back the way that it came (§2.11).
#[test]
fn a_request_that_was_kept_does_not_move_the_peer_back() {
    let elsewhere = address("203.0.113.77:61000");
    for moved_first in [false, true] {
        let mut setup = Setup::new(GCM);
        setup.peer.upkeep.mobike = false;
        let mut pair = up(setup);
        let holder = Holder::of(&pair.server);
        let here = path(&pair.server);
        let there = Path {
            remote: elsewhere,
            ..here
        };
        let next = pair.server.endpoint.views().next().unwrap().next_expected;
        let request = |id| {
            let header = holder.header(ExchangeType::INFORMATIONAL, true, false, id);
            holder.seal(&header, &[])
        };
        let (kept, due) = if moved_first {
            (there, here)
        } else {
            (here, there)
        };
        pair.inject(kept, &request(next + 1));
        // It is authentic, and new.
        assert_eq!(path(&pair.server), kept);
        // Once more, by whoever has a copy.
        let copy = Path {
            remote: address("192.0.2.66:4500"),
            ..here
        };
        pair.inject(copy, &request(next + 1));
        assert_eq!(path(&pair.server), kept);
        pair.lose_flights();
        pair.inject(due, &request(next));
        assert_eq!(path(&pair.server), due);
        let mut answers = Vec::new();
        let far = pair.now.after(Duration::from_secs(1));
        while let Some((false, path, octets)) = pair.next_flight() {
            answers.push((holder.open(&octets).0.message_id.0, path.local));
            assert!(pair.step(far));
        }
        assert_eq!(answers, [(next, due.remote), (next + 1, kept.remote)]);
    }
}

// RFC 7296 §2.3, §2.11: what comes before its turn does not lead the answer to what is being worked on astray.
#[test]
fn a_request_ahead_of_its_turn_leaves_the_way_of_the_answer_before_it() {
    let mut setup = Setup::new(GCM);
    setup.peer.upkeep.mobike = false;
    let mut pair = up(setup);
    pair.setup.silent = |ask| matches!(ask, Ask::Install(_));
    let holder = Holder::of(&pair.server);
    let here = path(&pair.server);
    let there = Path {
        remote: address("203.0.113.77:61000"),
        ..here
    };
    let next = pair.server.endpoint.views().next().unwrap().next_expected;
    let header = |exchange, id| holder.header(exchange, true, false, id);
    let further = header(ExchangeType::CREATE_CHILD_SA, next);
    pair.inject(here, &holder.seal(&further, &further_child()));
    let probe = header(ExchangeType::INFORMATIONAL, next + 1);
    pair.inject(there, &holder.seal(&probe, &[]));
    assert!(pair.next_flight().is_none());
    assert!(pair.answer_withheld());
    let mut answers = Vec::new();
    let far = pair.now.after(Duration::from_secs(1));
    while let Some((false, path, octets)) = pair.next_flight() {
        answers.push((holder.open(&octets).0.message_id.0, path.local));
        assert!(pair.step(far));
    }
    assert_eq!(answers, [(next, here.remote), (next + 1, there.remote)]);
}

// RFC 7296 §1.3: who takes no child SAs beside the first says so, and everything else goes on.
#[test]
fn a_further_child_is_refused_where_it_is_not_wanted() {
    for wanted in [true, false] {
        let mut setup = Setup::new(GCM);
        setup.peer.upkeep.further_children = wanted;
        let mut pair = up(setup);
        let holder = Holder::of(&pair.server);
        let (path, next) = (path(&pair.server), {
            let mut views = pair.server.endpoint.views();
            views.next().unwrap().next_expected
        });
        let header = holder.header(ExchangeType::CREATE_CHILD_SA, true, false, next);
        let request = holder.seal(&header, &further_child());
        let before = pair.wire.len();
        pair.inject(path, &request);
        let (_, said) = holder.open(&pair.wire[before].1);
        let refused = [notify(NotifyType::NO_ADDITIONAL_SAS, &[])];
        assert_eq!(said == refused, !wanted);
        assert_eq!(pair.server.receiving.len(), 1 + usize::from(wanted));
        assert!(pair.both_up());
    }
}

// An IKE SA that is replaced and not deleted yet takes fragments too: they are counted as all others are.
#[test]
fn fragments_for_a_replaced_ike_sa_are_within_the_budget() {
    const BUDGET: usize = 8 * 1024;
    let mut setup = Setup::new(GCM);
    setup.server.fragmentation.ietf = true;
    setup.connect.fragmentation.ietf = true;
    setup.server.fragment_budget = BUDGET;
    let mut pair = up(setup);
    let holder = Holder::of(&pair.server);
    let client = pair.client.sas[0];
    pair.command(false, Command::Rekey(client));
    let until = pair.now.after(Duration::from_secs(1));
    while !pair.server.log.contains(&"rekeyed".to_owned()) {
        assert!(pair.step(until));
    }
    pair.lose_flights();
    let path = path(&pair.server);
    let expected = 1 + {
        // The rekeying was the last request on the old one.
        let sent = pair.wire.iter().rev().find(|(to_server, _)| *to_server);
        PartialMessage::parse(&sent.unwrap().1)
            .unwrap()
            .header
            .message_id
            .0
    };
    let header = holder.header(ExchangeType::INFORMATIONAL, true, false, expected);
    let mut kept = 0;
    for number in 1..=40 {
        let piece = holder.seal_fragment(&header, PayloadType::NONE, (number, 41), &[0; 500]);
        pair.inject(path, &piece);
        kept = pair.server.endpoint.fragment_octets().max(kept);
        assert!(pair.server.endpoint.fragment_octets() <= BUDGET);
    }
    assert!(kept > BUDGET / 2, "{kept}");
    assert!(pair.server.discarded.contains(&Discard::FragmentsEvicted));
}

// --- Against the client ---

/// Gives the client's next request an answer in the headend's name, instead of the headend's own.
/// None when the client asks nothing within three minutes.
fn answer_client(pair: &mut Pair, payloads: &[Payload]) -> Option<Header> {
    let until = pair.now.after(Duration::from_secs(180));
    loop {
        let flight = pair.next_flight().filter(|(to_server, ..)| *to_server);
        if let Some((_, _, octets)) = flight {
            pair.lose_flights();
            return Some(answer(pair, &octets, payloads));
        }
        if !pair.step(until) {
            pair.now = until;
            return None;
        }
    }
}

fn answer(pair: &mut Pair, octets: &Arc<[u8]>, payloads: &[Payload]) -> Header {
    let holder = Holder::of(&pair.client);
    let (asked, _) = holder.open(octets);
    let header = holder.header(asked.exchange, false, true, asked.message_id.0);
    let path = path(&pair.client);
    pair.deliver(false, path, &holder.seal(&header, payloads));
    asked
}

/// As [`answer_client`], but the headend hears the request too: only its answer is not the one that arrives.
fn answer_heard(pair: &mut Pair, payloads: &[Payload]) {
    let (_, _, octets) = pair.next_flight().unwrap();
    let until = pair.now.after(Duration::from_millis(10));
    while pair.step(until) {}
    pair.lose_flights();
    answer(pair, &octets, payloads);
}

fn rekey_child(pair: &mut Pair) -> SaId {
    let id = pair.client.sas[0];
    let spi = pair.client.installed[&id].inbound_spi;
    pair.command(false, Command::RekeyChild(id, spi));
    id
}

// RFC 7296 §1.3: a group that is not ours cannot be followed, and what there is goes on.
#[test]
fn a_group_that_is_not_ours_leaves_everything_as_it_was() {
    const UNKNOWN: [u8; 2] = [0x03, 0xe7];
    let other = notify(NotifyType::INVALID_KE_PAYLOAD, &UNKNOWN);
    for payload in [other, notify(NotifyType::INVALID_KE_PAYLOAD, &[])] {
        for ike in [false, true] {
            let mut pair = up(Setup::new(GCM));
            let id = pair.client.sas[0];
            if ike {
                pair.command(false, Command::Rekey(id));
            } else {
                rekey_child(&mut pair);
            }
            let asked = answer_client(&mut pair, std::slice::from_ref(&payload)).unwrap();
            assert_eq!(asked.exchange, ExchangeType::CREATE_CHILD_SA);
            let refused = Refusal::ByPeer(NotifyType::INVALID_KE_PAYLOAD);
            let last = pair.client.log.last().unwrap();
            assert_eq!(*last, format!("rekey refused: {refused}"));
            assert!(pair.client.closed.is_empty());
            assert_eq!(pair.client.installed.len(), 1);
        }
    }
}

// RFC 7296 §2.25#6: a child SA that the peer has lost is made anew.
#[test]
fn a_child_that_the_peer_does_not_know_is_made_anew() {
    let mut pair = up(Setup::new(GCM));
    let id = rekey_child(&mut pair);
    let before = pair.client.installed[&id].inbound_spi;
    answer_heard(&mut pair, &[notify(NotifyType::CHILD_SA_NOT_FOUND, &[])]);
    assert!(pair.client.installed.is_empty());
    pair.run(5);
    let new = &pair.client.installed[&id];
    assert_ne!(new.inbound_spi, before);
    let there = pair.server.beside.values().next().unwrap();
    assert_eq!(there.outbound_spi, new.inbound_spi);
    // The one that the client takes for lost is still there at the headend, which was not asked.
    let server_receives = pair.server.receiving.values();
    assert_eq!(unheard(std::iter::once(new), server_receives), None);
    let client_receives = pair.client.receiving.values();
    assert_eq!(unheard(std::iter::once(there), client_receives), None);
}

// RFC 7296 §1.3.1#3: nothing was to be replaced by the first child SA, so that none can be lost: it is refused, and whoever
// wants it hears so.
#[test]
fn a_new_child_that_the_peer_does_not_find_is_refused() {
    for kind in [
        NotifyType::NO_ADDITIONAL_SAS,
        NotifyType::CHILD_SA_NOT_FOUND,
    ] {
        let mut setup = Setup::with_certificate(GCM);
        setup.server.childless = true;
        setup.connect.childless = true;
        let mut pair = up(setup);
        assert!(pair.client.installed.is_empty());
        pair.command(false, Command::NewChild(pair.client.sas[0]));
        let asked = answer_client(&mut pair, &[notify(kind, &[])]).unwrap();
        assert_eq!(asked.exchange, ExchangeType::CREATE_CHILD_SA);
        let refused = format!("rekey refused: {}", Refusal::ByPeer(kind));
        assert_eq!(pair.client.log.last(), Some(&refused));
        assert!(pair.client.closed.is_empty());
    }
}

// RFC 7296 §2.25#2-4: what is put off is tried again after a wait, and TEMPORARY_FAILURE for minutes means
// that both ends disagree.
#[test]
fn a_peer_that_is_busy_for_ever_is_given_up() {
    let mut pair = up(Setup::new(GCM));
    let begun = pair.now;
    rekey_child(&mut pair);
    let busy = [notify(NotifyType::TEMPORARY_FAILURE, &[])];
    let mut asked = 0;
    while let Some(header) = answer_client(&mut pair, &busy) {
        if header.exchange == ExchangeType::CREATE_CHILD_SA {
            asked += 1;
        }
        assert!(asked < 100);
    }
    // Every five to ten seconds, for three minutes.
    assert!((18..=40).contains(&asked), "{asked}");
    assert!(pair.now.since(begun) >= Duration::from_secs(180));
    let busy = CloseReason::Refused(PeerIncompatible::Busy.into());
    assert_eq!(pair.client.closed, [busy]);
}

// RFC 7296 §2.8#1-2: an SA that is not replaced in time is closed.
#[test]
fn an_ike_sa_that_the_peer_does_not_replace_ends_with_its_lifetime() {
    let mut setup = Setup::new(GCM);
    setup.connect.upkeep.lifetime = Some(Duration::from_secs(600));
    let mut pair = up(setup);
    pair.run(450);
    let refused = [notify(NotifyType::NO_ADDITIONAL_SAS, &[])];
    let asked = answer_client(&mut pair, &refused).unwrap();
    assert_eq!(asked.exchange, ExchangeType::CREATE_CHILD_SA);
    // It is asked again and again; then comes the Delete.
    let mut tries = 1;
    while answer_client(&mut pair, &refused).unwrap().exchange == ExchangeType::CREATE_CHILD_SA {
        tries += 1;
    }
    assert!((3..=13).contains(&tries), "{tries}");
    assert_eq!(pair.client.closed, [CloseReason::Expired]);
    assert!(pair.client.installed.is_empty());
}

// RFC 7296 §2.21.3: an authentic answer that is wrong says that the ends disagree: the SA is deleted, with a word to the
// peer. RFC 7296 §2.21.3: after INVALID_SYNTAX nothing needs to be said.
#[test]
fn a_wrong_answer_ends_the_sa_with_a_delete() {
    let nonsense: [Payload; 1] = [Payload::Nonce(Nonce::new(vec![7; 32]).unwrap())];
    let invalid = [notify(NotifyType::INVALID_SYNTAX, &[])];
    let unreadable = [Payload::Unknown(UnknownPayload {
        kind: PayloadType::SA,
        critical: false,
        data: vec![7],
    })];
    for (payloads, told) in [(&nonsense, true), (&unreadable, true), (&invalid, false)] {
        for ike in [false, true] {
            let mut pair = up(Setup::new(GCM));
            if ike {
                let id = pair.client.sas[0];
                pair.command(false, Command::Rekey(id));
            } else {
                rekey_child(&mut pair);
            }
            answer_heard(&mut pair, payloads);
            assert!(pair.client.installed.is_empty(), "its traffic ends at once");
            let flight = pair.next_flight();
            let holder = Holder::of(&pair.client);
            let said = flight.map(|(_, _, octets)| holder.open(&octets));
            let delete = said.is_some_and(|(header, payloads)| {
                let ends = matches!(&payloads[..], [Payload::Delete(delete)] if delete.protocol == ProtocolId::IKE);
                header.exchange == ExchangeType::INFORMATIONAL && ends
            });
            assert_eq!(delete, told);
            pair.run(30);
            assert_eq!(pair.client.endpoint.len(), 0);
            assert_eq!(pair.client.closed.len(), 1, "{:?}", pair.client.closed);
            // A new IKE SA that nobody could name is the peer's own affair.
            assert_eq!(pair.server.closed.len(), usize::from(told && !ike));
        }
    }
}
