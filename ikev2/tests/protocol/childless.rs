//! IKE SAs that begin without a child SA (RFC 6023), in both roles.

use std::{net::Ipv4Addr, time::Duration};

use ironflex_ikev2::{
    config::LINGER,
    event::{Ask, CloseReason, Command},
    refusal::{PeerIncompatible, PeerMisbehaved},
    wire::{
        Header, PartialMessage, Payload,
        payload::{AddressRange, Delete, Nonce, Notify, TrafficSelector, TrafficSelectors},
        registry::{ExchangeType, NotifyType, PayloadType, ProtocolId},
    },
};

use crate::{holder::Holder, requirements::esp, support::*};

/// A headend that takes it, and a client that wants it.
fn setup() -> Setup {
    let mut setup = Setup::with_certificate(GCM);
    setup.server.childless = true;
    setup.connect.childless = true;
    setup
}

fn login(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.connect();
    pair.run(20);
    pair
}

/// Where the headend announces it: in its answers to IKE_SA_INIT.
fn announced(pair: &Pair) -> Vec<Notify> {
    let sent = pair.wire.iter().filter(|(to_server, _)| !to_server);
    sent.map(|(_, octets)| PartialMessage::parse(octets).unwrap())
        .filter(|message| message.header.exchange == ExchangeType::IKE_SA_INIT)
        .flat_map(|message| message.outer)
        .filter_map(|one| match one {
            Payload::Notify(said) => Some(said),
            _ => None,
        })
        .filter(|said| said.kind == NotifyType::CHILDLESS_IKEV2_SUPPORTED)
        .collect()
}

/// A login up to its IKE_AUTH request, of which these payloads are taken out; and what is answered.
fn without(kinds: &[PayloadType], offered: bool) -> (Pair, Vec<Payload>) {
    let mut setup = Setup::with_pre_shared_key(GCM);
    setup.server.childless = offered;
    let mut pair = Pair::new(setup, 8);
    pair.client.endpoint.key_log(true);
    pair.connect();
    let deadline = pair.now.after(Duration::from_secs(5));
    let (path, octets) = loop {
        let (to_server, path, octets) = pair.next_flight().unwrap();
        let exchange = PartialMessage::parse(&octets).unwrap().header.exchange;
        if to_server && exchange == ExchangeType::IKE_AUTH {
            break (path, octets);
        }
        assert!(pair.step(deadline));
    };
    pair.lose_flights();
    let holder = Holder::of(&pair.client);
    let (header, mut payloads) = holder.open(&octets);
    let before = payloads.len();
    payloads.retain(|one| !kinds.contains(&one.kind()));
    assert_eq!(payloads.len(), before - kinds.len());
    pair.inject(path, &holder.seal(&header, &payloads));
    let (to_server, answer) = pair.wire.last().unwrap();
    assert!(!to_server);
    let answer = holder.open(answer).1;
    (pair, answer)
}

fn assert_alone(pair: &Pair) {
    assert!(
        pair.both_up(),
        "{:?} {:?}",
        pair.server.log,
        pair.client.log
    );
    for end in [&pair.server, &pair.client] {
        assert!(end.log.contains(&"established child=false".to_owned()));
        assert!(end.installed.is_empty() && end.receiving.is_empty());
    }
}

// RFC 6023 §3#1, §4#1-3: who takes it says so by a notify of its number, about IKE and without an SPI.
#[test]
fn it_is_announced_by_who_takes_it_and_by_nobody_else() {
    let pair = login(setup(), 9);
    assert_alone(&pair);
    let mut said = Notify::plain(NotifyType(16_418));
    said.protocol = ProtocolId::IKE;
    assert_eq!(announced(&pair), [said]);
    // RFC 6023 §3#6-7: where it is not configured it is not announced.
    assert_eq!(announced(&login(Setup::with_certificate(GCM), 9)), []);
}

// RFC 6023 §3#3-4: where it was offered a request without a child SA is taken, and answered without one.
// RFC 6023 §3#6, §3#8: where it was not it is INVALID_SYNTAX, as everywhere is one that lacks a part.
#[test]
fn a_request_without_a_child_sa_is_taken_where_it_was_offered() {
    const CHILD: [PayloadType; 3] = [PayloadType::SA, PayloadType::TS_I, PayloadType::TS_R];
    let (pair, answer) = without(&CHILD, true);
    assert!(
        pair.server
            .log
            .contains(&"established child=false".to_owned())
    );
    assert!(answer.iter().any(|one| one.kind() == PayloadType::AUTH));
    assert!(answer.iter().all(|one| !CHILD.contains(&one.kind())));
    for (lacking, offered) in [
        (&CHILD[..], false),
        (&CHILD[..1], true),
        (&CHILD[1..2], true),
        (&CHILD[2..], true),
        (&CHILD[..2], true),
        (&CHILD[1..], true),
    ] {
        let (pair, answer) = without(lacking, offered);
        let invalid = Notify::plain(NotifyType::INVALID_SYNTAX);
        assert_eq!(answer, [Payload::Notify(invalid)]);
        let missing = PeerMisbehaved::MissingPayload(lacking[0]);
        assert_eq!(pair.server.closed, [CloseReason::Refused(missing.into())]);
    }
}

#[test]
fn an_ike_sa_comes_up_alone_and_goes_with_its_delete() {
    let mut pair = login(setup(), 1);
    assert_alone(&pair);
    pair.command(false, Command::Probe(pair.client.sas[0]));
    pair.run(30);
    assert_alone(&pair);
    pair.command(false, Command::Delete(pair.client.sas[0]));
    pair.run(30);
    pair.assert_clean();
}

#[test]
fn its_first_child_sa_comes_when_it_is_wanted() {
    let mut setup = setup();
    // As a headend is: one child SA a client.
    setup.peer.upkeep.further_children = false;
    let mut pair = login(setup, 2);
    assert_alone(&pair);
    pair.command(false, Command::NewChild(pair.client.sas[0]));
    pair.run(10);
    pair.assert_children_match();
    let child = pair.client.installed.values().next().unwrap();
    assert_eq!(
        child.configuration.len(),
        1,
        "the address that came with IKE_AUTH"
    );
    // There is one now, and the headend takes no other.
    pair.command(false, Command::NewChild(pair.client.sas[0]));
    pair.run(10);
    pair.assert_children_match();
    assert!(pair.both_up());
}

#[test]
fn a_client_that_asks_for_no_address_gets_its_ike_sa_without_one() {
    let mut setup = setup();
    setup.connect.request.clear();
    assert_alone(&login(setup.clone(), 3));
    // Nor does it need one that is there to be given.
    setup.lease = false;
    assert_alone(&login(setup.clone(), 4));
    // Its twin wants one, and there is none.
    setup.connect.request = Setup::new(GCM).connect.request;
    let pair = login(setup, 5);
    assert_eq!(pair.server.ready() + pair.client.ready(), 0);
}

// RFC 6023 §3#5: nobody is answered without a child SA who asked for one.
#[test]
fn where_the_client_does_not_want_it_the_child_sa_comes_as_ever() {
    let mut setup = setup();
    setup.connect.childless = false;
    let pair = login(setup, 6);
    assert!(pair.both_up());
    pair.assert_children_match();
}

// RFC 6023 §3#2: who was not offered it does not leave the child SA out.
// RFC 6023 §3#7: Cisco's clients are not offered it.
#[test]
fn a_client_that_is_not_offered_it_goes_no_further() {
    let mut plain = setup();
    plain.server.childless = false;
    let mut eap = Setup::new(GCM);
    eap.server.childless = true;
    eap.connect.childless = true;
    for setup in [plain, eap] {
        let pair = login(setup, 7);
        let reason = PeerIncompatible::NotChildless.into();
        assert_eq!(pair.client.closed, [CloseReason::Refused(reason)]);
        let exchanges = pair.wire.iter();
        let mut exchanges = exchanges.map(|(_, octets)| Header::peek(octets).unwrap().exchange);
        assert!(exchanges.all(|one| one == ExchangeType::IKE_SA_INIT));
    }
}

// RFC 7296 §1.3.1#3: a child SA that fails leaves the IKE SA up, also where it would have been the first.
#[test]
fn a_first_child_sa_that_cannot_be_installed_leaves_the_ike_sa_up() {
    let mut setup = setup();
    setup.silent = |ask| matches!(ask, Ask::Install(_));
    for installs in [true, false] {
        let mut pair = login(setup.clone(), 10);
        assert_alone(&pair);
        let id = pair.server.sas[0];
        pair.command(true, Command::NewChild(id));
        pair.run(1);
        pair.setup.install = installs;
        assert!(pair.answer_withheld());
        pair.run(5);
        assert!(pair.both_up(), "{:?}", pair.server.log);
        if installs {
            pair.assert_children_match();
            continue;
        }
        assert!(pair.server.installed.is_empty() && pair.client.installed.is_empty());
        // Another comes up in its place.
        pair.setup.install = true;
        pair.command(false, Command::NewChild(pair.client.sas[0]));
        pair.run(1);
        assert!(pair.answer_withheld());
        pair.run(30);
        assert!(pair.both_up(), "{:?}", pair.server.log);
        pair.assert_children_match();
    }
}

// RFC 7296 §1.4.1: the headend deletes the first child SA before its answer has come to the client, or while the outside of that
// is at work on it. Either way it has been there, and the IKE SA that is of no use without one ends.
#[test]
fn an_ike_sa_ends_with_its_first_child_sa_that_is_deleted_before_it_is_there() {
    for installing in [false, true] {
        let mut setup = setup();
        if installing {
            setup.client_silent = |ask| matches!(ask, Ask::Install(_));
        }
        let mut pair = Pair::new(setup, 12);
        pair.server.endpoint.key_log(true);
        pair.connect();
        pair.run(20);
        assert_alone(&pair);
        let id = pair.client.sas[0];
        pair.command(false, Command::NewChild(id));
        let (_, path, request) = pair.take_flights().remove(0);
        pair.deliver(true, path, &request);
        let (_, path, agreed) = pair.take_flights().remove(0);
        if installing {
            pair.deliver(false, path, &agreed);
        }
        let headend = Holder::of(&pair.server);
        let spi = pair.server.installed[&pair.server.sas[0]].inbound_spi;
        let next = pair.client.endpoint.view(id).unwrap().next_expected;
        let header = headend.header(ExchangeType::INFORMATIONAL, false, false, next);
        let delete = [Payload::Delete(Delete::esp(&[spi.to_be_bytes()]))];
        pair.deliver(false, path, &headend.seal(&header, &delete));
        pair.take_flights();
        if installing {
            assert!(pair.answer_withheld_by(false));
        } else {
            pair.deliver(false, path, &agreed);
            let (_, path, undo) = pair.take_flights().remove(0);
            pair.deliver(true, path, &undo);
            let (_, path, undone) = pair.take_flights().remove(0);
            pair.deliver(false, path, &undone);
        }
        assert!(pair.client.installed.is_empty() && pair.client.receiving.is_empty());
        assert_eq!(pair.client.ready(), 1);
        // The client finds that by itself, whatever the headend says: its Delete is not answered.
        let until = pair.now.after(LINGER * 2);
        while pair.client.ready() == 1 {
            assert!(pair.step(until));
            pair.take_flights();
        }
        let until = pair.now.after(Duration::from_secs(200));
        while pair.client.closed.is_empty() {
            assert!(pair.step(until));
            pair.take_flights();
        }
        assert_eq!(pair.client.closed, [CloseReason::TimedOut]);
    }
}

// What the headend may add lies within what it has given, whenever the first child SA came.
#[test]
fn a_headend_adds_nothing_beside_what_its_first_child_sa_selects() {
    let other = Ipv4Addr::new(192, 168, 10, 6);
    for (theirs, taken) in [(ASSIGNED, true), (other, false)] {
        let mut setup = setup();
        setup.peer.upkeep.further_children = true;
        setup.connect.fragmentation.cisco = false;
        let mut pair = Pair::new(setup, 11);
        pair.client.endpoint.key_log(true);
        pair.connect();
        pair.run(20);
        assert_alone(&pair);
        pair.command(false, Command::NewChild(pair.client.sas[0]));
        pair.run(10);
        pair.assert_children_match();
        let holder = Holder::of(&pair.client);
        let select = |range| TrafficSelectors {
            selectors: vec![TrafficSelector::addresses(range)],
            skipped: 0,
        };
        let request = [
            esp(0x1234_5678),
            Payload::Nonce(Nonce::new(vec![7; 32]).unwrap()),
            Payload::TsI(select(AddressRange::ANY_V4)),
            Payload::TsR(select(AddressRange::host(theirs.into()))),
        ];
        let view = pair.client.endpoint.view(pair.client.sas[0]).unwrap();
        let (path, next) = (view.path, view.next_expected);
        let header = holder.header(ExchangeType::CREATE_CHILD_SA, false, false, next);
        let before = pair.wire.len();
        pair.deliver(false, path, &holder.seal(&header, &request));
        let (_, answer) = holder.open(&pair.wire[before].1);
        assert_eq!(
            answer.iter().any(|one| one.kind() == PayloadType::SA),
            taken
        );
        let unacceptable = Notify::plain(NotifyType::TS_UNACCEPTABLE);
        assert_eq!(answer == [Payload::Notify(unacceptable)], !taken);
    }
}
