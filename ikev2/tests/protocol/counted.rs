//! What an endpoint counts of messages, by what they are for.

use ironflex_ikev2::{
    counters::Messages,
    event::Command,
    wire::{
        Payload,
        payload::{Delete, Notify},
        registry::{ExchangeType, NotifyType, PayloadType},
    },
};

use crate::{holder::Holder, support::*};

fn up(setup: Setup) -> Pair {
    let mut pair = Pair::new(setup, 80);
    pair.server.endpoint.key_log(true);
    pair.connect();
    pair.run(5);
    assert!(pair.both_up());
    pair
}

/// Messages of one end that began exchanges, and of the other that answered them.
fn asked(count: u64) -> Messages {
    Messages {
        sent_requests: count,
        received_responses: count,
        ..Messages::default()
    }
}

fn answered(count: u64) -> Messages {
    Messages {
        received_requests: count,
        sent_responses: count,
        ..Messages::default()
    }
}

// RFC 7296 §1.4: empty; RFC 4555 §3.8#2: with the hashes of NAT detection where the client has MOBIKE.
#[test]
fn a_question_for_a_sign_of_life_is_counted_as_one_whatever_it_looks_for_besides() {
    for mobike in [false, true] {
        let mut setup = Setup::new(GCM);
        setup.peer.upkeep.mobike = mobike;
        setup.connect.upkeep.mobike = mobike;
        let mut pair = up(setup);
        let (server, client) = (pair.server.sas[0], pair.client.sas[0]);
        for _ in 0..3 {
            pair.command(false, Command::Probe(client));
            pair.run(2);
        }
        let probes = |end: &End| end.endpoint.counters().probes;
        let expected = (answered(3), asked(3));
        assert_eq!((probes(&pair.server), probes(&pair.client)), expected);
        pair.command(true, Command::Probe(server));
        pair.run(2);
        assert_eq!(probes(&pair.client).received_requests, 1, "{mobike}");
        assert_eq!(probes(&pair.server).received_responses, 1, "{mobike}");
        // A Delete is none, and neither is its answer.
        let before = probes(&pair.client);
        pair.command(false, Command::Delete(client));
        pair.run(2);
        assert_eq!(probes(&pair.client), before);
    }
}

#[test]
fn the_answers_to_create_child_sa_are_counted_as_what_they_answer() {
    let mut pair = up(Setup::new(GCM));
    let id = pair.server.sas[0];
    let child = pair.server.installed[&id].inbound_spi;
    pair.command(true, Command::RekeyChild(id, child));
    pair.run(5);
    for _ in 0..2 {
        pair.command(true, Command::Rekey(id));
        pair.run(5);
    }
    let creations = |end: &End| end.endpoint.counters().creations;
    let (ours, theirs) = (creations(&pair.server), creations(&pair.client));
    assert_eq!((ours.child_rekey, ours.ike_rekey), (asked(1), asked(2)));
    let other = (theirs.child_rekey, theirs.ike_rekey);
    assert_eq!(other, (answered(1), answered(2)));
    assert_eq!([ours.child, theirs.child], [Messages::default(); 2]);
}

// What it was for nobody knows.
#[test]
fn a_request_that_cannot_be_read_is_counted_by_its_exchange_alone() {
    for exchange in [ExchangeType::INFORMATIONAL, ExchangeType::CREATE_CHILD_SA] {
        for readable in [true, false] {
            let pair = &mut up(Setup::new(GCM));
            let holder = Holder::of(&pair.server);
            let view = pair.server.endpoint.views().next().unwrap();
            let header = holder.header(exchange, true, false, view.next_expected);
            let path = view.path;
            let octets = if readable {
                holder.seal(&header, &[])
            } else {
                holder.seal_octets(&header, PayloadType::NOTIFY, &[0, 0, 0, 3])
            };
            pair.deliver(true, path, &octets);
            let counters = pair.server.endpoint.counters();
            let messages = &counters.exchanges[&Some(exchange)];
            assert_eq!(
                (messages.received_requests, messages.sent_responses),
                (1, 1)
            );
            let probes = counters.probes.received_requests;
            let creations = counters.creations.ike_rekey.received_requests;
            let expected = u64::from(readable);
            assert_eq!(probes + creations, expected, "{exchange}, {readable}");
        }
    }
}

// A notify that is no part of NAT detection asks for something, and so does a Delete.
#[test]
fn an_informational_that_says_anything_else_is_no_probe() {
    let hash = |kind| Payload::Notify(Notify::new(kind, vec![0; 20]));
    let source = hash(NotifyType::NAT_DETECTION_SOURCE_IP);
    let target = hash(NotifyType::NAT_DETECTION_DESTINATION_IP);
    let cookie = Payload::Notify(Notify::new(NotifyType::COOKIE2, vec![1; 8]));
    for (payloads, is_probe) in [
        (vec![source.clone(), target.clone()], true),
        (vec![source.clone(), target, cookie], false),
        (vec![source, Payload::Delete(Delete::esp(&[[9; 4]]))], false),
    ] {
        let mut pair = up(Setup::new(GCM));
        let holder = Holder::of(&pair.server);
        let view = pair.server.endpoint.views().next().unwrap();
        let next = view.next_expected;
        let header = holder.header(ExchangeType::INFORMATIONAL, true, false, next);
        let path = view.path;
        pair.deliver(true, path, &holder.seal(&header, &payloads));
        let probes = pair.server.endpoint.counters().probes;
        assert_eq!(probes, answered(u64::from(is_probe)), "{payloads:?}");
    }
}

// RFC 7296 §2.23: of who sends no hashes it is not known whether there is a NAT.
#[test]
fn no_nat_is_counted_where_the_peer_has_looked_for_one() {
    for looks in [true, false] {
        let mut pair = Pair::new(Setup::with_pre_shared_key(GCM), 81);
        pair.tamper = (!looks).then(|| -> Tamper {
            Box::new(|to_server, octets| without_nat_detection(to_server, octets))
        });
        pair.connect();
        pair.step(pair.now.after(std::time::Duration::from_secs(1)));
        let counters = pair.server.endpoint.counters();
        let taken = counters.exchanges[&Some(ExchangeType::IKE_SA_INIT)];
        assert_eq!((taken.received_requests, taken.sent_responses), (1, 1));
        assert_eq!(counters.without_nat, u64::from(looks));
    }
}

/// NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP (16388, 16389) become notifies that nobody knows.
fn without_nat_detection(to_server: bool, octets: &mut [u8]) -> bool {
    if to_server && octets[18] == ExchangeType::IKE_SA_INIT.0 {
        for at in 0..octets.len() - 1 {
            if octets[at] == 0x40 && [4, 5].contains(&octets[at + 1]) {
                octets[at] = 0xa0;
            }
        }
    }
    true
}
