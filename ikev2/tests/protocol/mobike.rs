//! Clients that move (RFC 4555): the update, the check that they are heard at their new address, NATs that
//! come and go, and what moves nothing.

mod replaced;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ironflex_ikev2::{
    event::{CloseReason, Command, Discard, Framing, Path, SaId},
    refusal::PeerMisbehaved,
    wire::{
        Header, Payload,
        payload::Notify,
        registry::{ExchangeType, NotifyType},
    },
};

use crate::{holder::Holder, requirements::ask, support::*};

const ELSEWHERE: &str = "203.0.113.77:4500";
const FURTHER: &str = "203.0.113.88:4500";

fn setup(mobike: bool) -> Setup {
    let mut setup = Setup::new(GCM);
    setup.peer.upkeep.mobike = mobike;
    setup.connect.upkeep.mobike = true;
    setup
}

fn up(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up(), "{:?}", pair.server.log);
    pair
}

fn client(pair: &Pair) -> SaId {
    pair.client.sas[0]
}

/// Where the headend sends ESP, and whether in UDP.
fn esp(pair: &Pair) -> (IpAddr, bool) {
    let child = pair.server.installed.values().next().unwrap();
    (child.path.remote.ip(), child.udp_encapsulation)
}

/// Where the headend sends IKE.
fn ike(pair: &Pair) -> SocketAddr {
    let view = pair.server.endpoint.view(pair.server.sas[0]);
    view.unwrap().path.remote
}

fn go_elsewhere(pair: &mut Pair) {
    go(pair, ELSEWHERE);
}

fn go(pair: &mut Pair, there: &str) {
    let path = Path {
        local: address(there),
        remote: SocketAddr::new(address(SERVER).ip(), 4500),
        framing: Framing::Marked,
    };
    let id = client(pair);
    pair.command(false, Command::Move(id, path));
}

#[test]
fn a_client_that_moves_is_followed_when_it_has_been_heard_there() {
    let mut pair = up(setup(true), 1);
    let before = pair.sent;
    let old = esp(&pair);
    go_elsewhere(&mut pair);
    let until = pair.now.after(Duration::from_millis(10));
    while pair.step(until) {}
    // The update is there: IKE goes to the new address, ESP still to the old one.
    assert_eq!((ike(&pair), esp(&pair)), (address(ELSEWHERE), old));
    pair.run(5);
    assert_eq!(esp(&pair), (address(ELSEWHERE).ip(), false));
    // The update and the check, each with its answer.
    assert_eq!(pair.sent, before + 4);
    assert!(pair.both_up());
    pair.assert_children_match();
}

// RFC 4555 §3.7#1-2: whoever claims an address that it does not receive at moves no traffic there.
#[test]
fn an_address_that_nobody_is_heard_at_gets_no_traffic() {
    let mut pair = up(setup(true), 2);
    let old = esp(&pair);
    go_elsewhere(&mut pair);
    pair.tamper = Some(Box::new(|to_server, _| to_server));
    pair.run(60);
    assert_eq!(esp(&pair), old);
    pair.run(100);
    assert_eq!(pair.server.closed, [CloseReason::Unanswered]);
}

// RFC 4555 §3.8#4: with MOBIKE a request without an update moves nothing, and its answer goes back the way
// that it came (RFC 7296 §2.11).
#[test]
fn a_request_from_elsewhere_moves_nothing_with_mobike() {
    for mobike in [true, false] {
        let mut pair = up(setup(mobike), 3);
        let (old, old_ike) = (esp(&pair), ike(&pair));
        pair.nat = Some(|from| SocketAddr::new(address(ELSEWHERE).ip(), from.port()));
        pair.unnat = Some(|to| {
            assert_eq!(to.ip(), address(ELSEWHERE).ip());
            SocketAddr::new(address(CLIENT).ip(), to.port())
        });
        let (before, id) = (pair.sent, client(&pair));
        let spi = pair.client.installed[&id].inbound_spi;
        pair.command(false, Command::RekeyChild(id, spi));
        pair.run(1);
        // The child SA and the Delete of the one before, each with its answer.
        assert_eq!(pair.sent, before + 4);
        let there = address(ELSEWHERE).ip();
        if mobike {
            assert_eq!((ike(&pair), esp(&pair)), (old_ike, old));
        } else {
            assert_eq!((ike(&pair).ip(), esp(&pair).0), (there, there));
        }
        // The next question for a sign of life finds the NAT that has come in between.
        pair.command(false, Command::Probe(id));
        pair.run(1);
        assert_eq!((ike(&pair).ip(), esp(&pair).0), (there, there));
        assert_eq!(esp(&pair).1, mobike);
    }
}

// A stranger who replays the update from an address of its own gets the answer again, and nothing else.
#[test]
fn a_replayed_update_moves_nothing() {
    let mut pair = up(setup(true), 4);
    go_elsewhere(&mut pair);
    pair.run(5);
    let here = (ike(&pair), esp(&pair));
    let sent: Vec<Vec<u8>> = pair
        .wire
        .iter()
        .filter(|(to_server, _)| *to_server)
        .map(|(_, octets)| octets.to_vec())
        .collect();
    let path = Path {
        local: SocketAddr::new(address(SERVER).ip(), 4500),
        remote: address("198.18.0.66:4500"),
        framing: Framing::Marked,
    };
    for octets in sent {
        pair.inject(path, &octets);
        pair.lose_flights();
        assert_eq!((ike(&pair), esp(&pair)), here);
    }
    assert!(pair.server.discarded.contains(&Discard::Repeated));
    pair.run(5);
    assert_eq!((ike(&pair), esp(&pair)), here);
    assert_eq!((pair.server.ready(), pair.client.ready()), (1, 1));
}

// RFC 4555 §3.5: NAT detection is done again; ESP goes in UDP behind a NAT and without one it does not.
#[test]
fn a_nat_on_the_new_way_is_found() {
    let mut pair = up(setup(true), 5);
    assert!(!esp(&pair).1);
    pair.nat = Some(|from| {
        if from.ip() == address(ELSEWHERE).ip() {
            address("198.51.100.200:61000")
        } else {
            from
        }
    });
    pair.unnat = Some(|to| {
        if to == address("198.51.100.200:61000") {
            address(ELSEWHERE)
        } else {
            to
        }
    });
    go_elsewhere(&mut pair);
    pair.run(5);
    assert_eq!(ike(&pair), address("198.51.100.200:61000"));
    assert_eq!(esp(&pair), (address("198.51.100.200:61000").ip(), true));
    pair.assert_children_match();
}

// RFC 4555 §1.3: the client stays the client when the headend has rekeyed the IKE SA.
#[test]
fn a_client_moves_after_either_end_has_rekeyed() {
    for server in [true, false] {
        let mut pair = up(setup(true), 6);
        let end = if server { &pair.server } else { &pair.client };
        let id = end.sas[0];
        pair.command(server, Command::Rekey(id));
        pair.run(10);
        go_elsewhere(&mut pair);
        pair.run(5);
        assert_eq!(esp(&pair), (address(ELSEWHERE).ip(), false));
        assert_eq!(ike(&pair), address(ELSEWHERE));
        assert!(pair.both_up());
    }
}

// RFC 4555 §3.5: a request that waits for its answer is sent again the new way, and the update follows.
#[test]
fn a_move_in_the_middle_of_a_rekeying_loses_nothing() {
    for seed in 0..20 {
        let mut pair = up(setup(true), 100 + seed);
        pair.weather.loss = 20;
        let id = client(&pair);
        pair.command(false, Command::Rekey(id));
        if seed % 2 == 0 {
            let until = pair.now.after(Duration::from_millis(10));
            while pair.step(until) {}
        }
        go_elsewhere(&mut pair);
        pair.run(200);
        assert_eq!(esp(&pair), (address(ELSEWHERE).ip(), false));
        pair.assert_traffic_flows();
        assert!(pair.both_up());
    }
}

// RFC 4555 §3.8#2-3: with MOBIKE the headend follows no request of itself; a client behind a NAT asks with its probes where it
// is seen, and says so when that is another place than before.
#[test]
fn a_nat_that_makes_a_new_mapping_is_noticed_by_the_next_probe() {
    const NAT: &str = "198.51.100.9:0";
    let mut pair = Pair::new(setup(true), 9);
    pair.nat = Some(|from| SocketAddr::new(address(NAT).ip(), from.port() + 1_000));
    pair.unnat = Some(|to| SocketAddr::new(address(CLIENT).ip(), to.port() - 1_000));
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    let id = client(&pair);
    let probe = |pair: &mut Pair| {
        pair.command(false, Command::Probe(id));
        pair.run(2);
    };
    probe(&mut pair);
    assert_eq!(ike(&pair).port(), 5_500);
    // Once it knows where it is seen, a probe is a probe.
    let before = pair.sent;
    probe(&mut pair);
    assert_eq!(pair.sent, before + 2);
    pair.nat = Some(|from| SocketAddr::new(address(NAT).ip(), from.port() + 2_000));
    pair.unnat = Some(|to| SocketAddr::new(address(CLIENT).ip(), to.port() - 2_000));
    probe(&mut pair);
    assert_eq!(ike(&pair).port(), 6_500);
    let child = pair.server.installed.values().next().unwrap();
    assert_eq!(child.path.remote.port(), 6_500);
    // The headend is heard again.
    let server = pair.server.sas[0];
    pair.command(true, Command::Probe(server));
    pair.run(60);
    assert!(pair.both_up() && pair.server.closed.is_empty());
}

// RFC 3948 §4, RFC 4555 §3.5: whether there is a NAT to be reminded of the client is found out anew where it has moved,
// also where ESP goes in UDP in any case.
#[test]
fn a_client_that_moves_behind_a_nat_reminds_it_and_one_that_leaves_it_does_not() {
    const SEEN: &str = "198.51.100.200:61000";
    for forced in [false, true] {
        let mut setup = setup(true);
        setup.connect.upkeep.keepalive = Some(Duration::from_secs(20));
        setup.connect.force_encapsulation = forced;
        let mut pair = up(setup, 10);
        let reminds = |pair: &mut Pair| {
            pair.client.log.clear();
            pair.run(61);
            let log = pair.client.log.iter();
            log.filter(|one| *one == "keepalive").count()
        };
        assert_eq!(reminds(&mut pair), 0);
        pair.nat = Some(|from| {
            if from == address(ELSEWHERE) {
                address(SEEN)
            } else {
                from
            }
        });
        pair.unnat = Some(|to| {
            if to == address(SEEN) {
                address(ELSEWHERE)
            } else {
                to
            }
        });
        go(&mut pair, ELSEWHERE);
        pair.run(5);
        assert_eq!(esp(&pair), (address(SEEN).ip(), true));
        assert_eq!(reminds(&mut pair), 3, "forced: {forced}");
        go(&mut pair, FURTHER);
        pair.run(5);
        assert_eq!(esp(&pair), (address(FURTHER).ip(), forced));
        assert_eq!(reminds(&mut pair), 0, "forced: {forced}");
        assert!(pair.both_up());
    }
}

// --- What comes late, crosses or is lost ---

// RFC 4555 §3.7#3, §4.2.5#1: a client that is on its way out returns COOKIE2 too; else the headend would take it for a liar.
#[test]
fn a_client_that_leaves_while_it_is_checked_has_just_left() {
    let mut pair = up(setup(true), 21);
    let id = client(&pair);
    go_elsewhere(&mut pair);
    let until = pair.now.after(Duration::from_millis(10));
    while pair.step(until) {}
    // The check is under way to the client, and its Delete is lost once.
    pair.tamper = Some(Box::new(|to_server, octets| {
        !to_server || Header::peek(octets).unwrap().flags.is_response()
    }));
    pair.command(false, Command::Delete(id));
    pair.run(1);
    assert!(pair.server.closed.is_empty(), "{:?}", pair.server.closed);
    assert_eq!(esp(&pair).0, address(ELSEWHERE).ip());
    pair.tamper = None;
    pair.run(30);
    assert_eq!(pair.server.closed, [CloseReason::PeerDeleted]);
    assert_eq!(pair.client.closed, [CloseReason::Deleted]);
    pair.assert_clean();
}

// RFC 4555 §3.7#1-2: nor is a child SA made for an address at which nobody has been heard yet.
#[test]
fn a_child_sa_that_is_made_during_the_check_takes_the_old_way_until_then() {
    let mut pair = up(setup(true), 22);
    let old = esp(&pair);
    go_elsewhere(&mut pair);
    let until = pair.now.after(Duration::from_millis(10));
    while pair.step(until) {}
    // The headend's check does not come through.
    pair.tamper = Some(Box::new(|to_server, octets| {
        to_server || Header::peek(octets).unwrap().flags.is_response()
    }));
    let id = client(&pair);
    let before = pair.server.installed.values().next().unwrap().inbound_spi;
    let spi = pair.client.installed[&id].inbound_spi;
    pair.command(false, Command::RekeyChild(id, spi));
    pair.run(1);
    let after = pair.server.installed.values().next().unwrap().inbound_spi;
    assert_ne!(before, after);
    assert_eq!((ike(&pair), esp(&pair)), (address(ELSEWHERE), old));
    pair.tamper = None;
    pair.run(5);
    assert_eq!(esp(&pair), (address(ELSEWHERE).ip(), false));
    pair.assert_children_match();
}

// RFC 4555 §3.5: what the headend has asked where the client is no more, it asks at once where that is now.
#[test]
fn what_the_headend_waits_for_is_asked_again_where_the_client_is() {
    let mut pair = up(setup(true), 23);
    let server = pair.server.sas[0];
    pair.command(true, Command::Rekey(server));
    pair.lose_flights();
    // As long again as it has waited until its first repeat, and more.
    pair.tamper = Some(Box::new(|to_server, _| to_server));
    pair.run(7);
    pair.tamper = None;
    go_elsewhere(&mut pair);
    pair.run(1);
    assert!(pair.server.log.contains(&"rekeyed".to_owned()));
    pair.run(5);
    assert_eq!(esp(&pair), (address(ELSEWHERE).ip(), false));
    assert!(pair.both_up());
}

// Somebody on the wire sends a copy of the last IKE_AUTH request from elsewhere, and it is the first to come. With MOBIKE the
// headend follows no request after that (RFC 4555 §3.8#4); the client finds out by its first question for a sign of life.
#[test]
fn a_client_that_the_headend_takes_to_be_elsewhere_from_the_beginning_puts_it_right() {
    let mut setup = Setup::with_pre_shared_key(GCM);
    setup.peer.upkeep.mobike = true;
    setup.connect.upkeep.mobike = true;
    let mut pair = Pair::new(setup, 24);
    pair.connect();
    let until = pair.now.after(Duration::from_secs(5));
    loop {
        let (to_server, mut path, octets) = pair.next_flight().unwrap();
        let exchange = Header::peek(&octets).unwrap().exchange;
        if to_server && exchange == ExchangeType::IKE_AUTH {
            path.remote = address(ELSEWHERE);
            pair.inject(path, &octets);
            break;
        }
        assert!(pair.step(until));
    }
    let here = SocketAddr::new(address(CLIENT).ip(), 4500);
    pair.run(20);
    assert!(pair.both_up());
    assert_eq!(ike(&pair), address(ELSEWHERE));
    let id = client(&pair);
    for round in 0..2 {
        let before = pair.sent;
        pair.command(false, Command::Probe(id));
        pair.run(5);
        assert_eq!((ike(&pair), esp(&pair)), (here, (here.ip(), false)));
        // The update and the check, once.
        assert_eq!(pair.sent, before + if round == 0 { 6 } else { 2 });
        // Where no NAT is in between, it is sure of that also after a rekeying.
        if round == 0 {
            pair.command(false, Command::Rekey(id));
            pair.run(5);
        }
    }
}

// Both ends have asked for a new IKE SA. The client has its own in use, and says there that it has moved, while the headend's
// request has not come through: to the headend it is still one of two that may be.
#[test]
fn an_update_on_an_ike_sa_whose_fate_is_open_is_obeyed() {
    for nat in [false, true] {
        let mut pair = up(setup(true), 26);
        let (server, id) = (pair.server.sas[0], client(&pair));
        let old = pair.server.endpoint.view(server).unwrap().responder_spi;
        pair.command(true, Command::Rekey(server));
        pair.lose_flights();
        pair.command(false, Command::Rekey(id));
        let until = pair.now.after(Duration::from_secs(1));
        let rekeyed = "rekeyed".to_owned();
        while !pair.client.log.contains(&rekeyed) {
            assert!(pair.step(until));
        }
        // What is asked on the old one is lost until the update is through.
        pair.tamper = Some(Box::new(move |_, octets| {
            let header = Header::peek(octets).unwrap();
            header.responder_spi != Some(old) || header.flags.is_response()
        }));
        if nat {
            pair.nat = Some(|_| address("198.51.100.200:61000"));
            pair.unnat = Some(|_| address(ELSEWHERE));
        }
        go_elsewhere(&mut pair);
        pair.run(1);
        assert!(!pair.server.log.contains(&rekeyed));
        pair.tamper = None;
        pair.run(60);
        let there = if nat {
            address("198.51.100.200:61000")
        } else {
            address(ELSEWHERE)
        };
        assert_eq!((ike(&pair), esp(&pair)), (there, (there.ip(), nat)));
        assert!(pair.both_up() && pair.server.log.contains(&rekeyed));
        pair.assert_children_match();
    }
}

// --- With the keys in hand ---

fn up_with_keys(seed: u64) -> (Pair, Holder) {
    let mut pair = Pair::new(setup(true), seed);
    pair.server.endpoint.key_log(true);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    let holder = Holder::of(&pair.server);
    (pair, holder)
}

fn said(payloads: &[Payload], kind: NotifyType) -> Option<&Notify> {
    payloads.iter().find_map(|one| match one {
        Payload::Notify(said) if said.kind == kind => Some(said),
        _ => None,
    })
}

/// The headend's COOKIE2 on its way to the client, which does not get it.
fn cookie2(pair: &mut Pair, holder: &Holder) -> (Header, Notify) {
    let until = pair.now.after(Duration::from_millis(50));
    loop {
        let (to_server, _, octets) = pair.next_flight().unwrap();
        if !to_server {
            let (header, payloads) = holder.open(&octets);
            if let Some(cookie) = said(&payloads, NotifyType::COOKIE2) {
                pair.lose_flights();
                return (header, cookie.clone());
            }
        }
        assert!(pair.step(until));
    }
}

fn answer(pair: &mut Pair, holder: &Holder, asked: Header, payloads: &[Payload]) {
    let header = holder.header(asked.exchange, true, true, asked.message_id.0);
    let path = pair.server.endpoint.view(pair.server.sas[0]).unwrap().path;
    pair.deliver(true, path, &holder.seal(&header, payloads));
}

// RFC 4555 §3.3#1: without a NAT too they are at port 4500.
// RFC 4555 §3.6#1: a client that moves again before its update is answered tells it anew.
#[test]
fn who_moves_twice_tells_it_twice() {
    let (mut pair, holder) = up_with_keys(7);
    let here = SocketAddr::new(address(CLIENT).ip(), 4500);
    assert_eq!((ike(&pair), esp(&pair)), (here, (here.ip(), false)));
    let before = pair.wire.len();
    go(&mut pair, ELSEWHERE);
    pair.lose_flights();
    go(&mut pair, FURTHER);
    pair.run(10);
    let sent = pair.wire[before..].iter().filter(|(way, _)| *way);
    let updates = sent.filter_map(|(_, octets)| {
        let (header, payloads) = holder.open(octets);
        said(&payloads, NotifyType::UPDATE_SA_ADDRESSES).map(|_| header.message_id.0)
    });
    let mut updates: Vec<u32> = updates.collect();
    updates.dedup();
    assert_eq!(updates.len(), 2);
    assert_eq!(ike(&pair), address(FURTHER));
    assert_eq!(esp(&pair), (address(FURTHER).ip(), false));
    assert!(pair.both_up());
}

// RFC 4555 §3.7#4-5: another COOKIE2 than the headend's ends the IKE SA.
// RFC 4555 §4.2.5#2-3: it has 8 to 64 octets, new ones for each check.
#[test]
fn a_cookie2_of_another_value_ends_the_sa() {
    for harm in [false, true] {
        let (mut pair, holder) = up_with_keys(8);
        go(&mut pair, ELSEWHERE);
        let (asked, cookie) = cookie2(&mut pair, &holder);
        assert!((8..=64).contains(&cookie.data.len()));
        let mut returned = cookie.clone();
        if harm {
            returned.data[0] ^= 1;
        }
        answer(&mut pair, &holder, asked, &[Payload::Notify(returned)]);
        if harm {
            assert!(pair.server.installed.is_empty(), "its traffic ends at once");
            pair.run(200);
            let wrong = CloseReason::Refused(PeerMisbehaved::WrongCookie2.into());
            assert_eq!(pair.server.closed, [wrong]);
            continue;
        }
        assert_eq!(esp(&pair).0, address(ELSEWHERE).ip());
        assert_eq!(pair.server.closed, []);
        pair.run(5);
        go(&mut pair, FURTHER);
        let (_, another) = cookie2(&mut pair, &holder);
        assert_ne!(another.data, cookie.data);
    }
}

// RFC 4555 §3.7#3, §4.2.5#1: COOKIE2 is copied.
// RFC 4555 §3.8#1: NAT detection is answered by NAT detection.
// RFC 4555 §3.9#2,5: NO_NATS_ALLOWED is compared with the addresses of the packet, and moves nothing.
#[test]
fn what_a_request_says_of_addresses_is_answered() {
    let (mut pair, holder) = up_with_keys(9);
    let informational = ExchangeType::INFORMATIONAL;
    let notify = |kind, data: &[u8]| Payload::Notify(Notify::new(kind, data.to_vec()));
    let cookie = [notify(NotifyType::COOKIE2, &[7; 9])];
    assert_eq!(ask(&mut pair, &holder, informational, &cookie), cookie);

    let kinds = [
        NotifyType::NAT_DETECTION_SOURCE_IP,
        NotifyType::NAT_DETECTION_DESTINATION_IP,
    ];
    let hashes = kinds.map(|kind| notify(kind, &[0; 20]));
    let reply = ask(&mut pair, &holder, informational, &hashes);
    assert!(kinds.iter().all(|kind| said(&reply, *kind).is_some()));

    let path = pair.server.endpoint.view(pair.server.sas[0]).unwrap().path;
    let (IpAddr::V4(theirs), IpAddr::V4(ours)) = (path.remote.ip(), path.local.ip()) else {
        panic!("{path:?}")
    };
    let mut addresses = [theirs.octets(), ours.octets()].concat();
    addresses.extend(path.remote.port().to_be_bytes());
    addresses.extend(path.local.port().to_be_bytes());
    let update = notify(NotifyType::UPDATE_SA_ADDRESSES, &[]);
    let before = (ike(&pair), esp(&pair));
    for harm in [true, false] {
        addresses[0] ^= u8::from(harm);
        let no_nats = notify(NotifyType::NO_NATS_ALLOWED, &addresses);
        let reply = ask(
            &mut pair,
            &holder,
            informational,
            &[no_nats, update.clone()],
        );
        addresses[0] ^= u8::from(harm);
        let found = said(&reply, NotifyType::UNEXPECTED_NAT_DETECTED).is_some();
        assert_eq!(found, harm);
        assert_eq!((ike(&pair), esp(&pair)), before);
    }
}

// RFC 4555 §3.5, RFC 7296 §2.3: a request that overtakes another is served when that has come, and says what the way was
// that it came itself.
#[test]
fn an_update_ahead_of_its_turn_is_from_where_it_came() {
    for overtakes in [false, true] {
        let (mut pair, holder) = up_with_keys(14);
        let view = pair.server.endpoint.view(pair.server.sas[0]).unwrap();
        let (here, next) = (view.path, view.next_expected);
        let there = Path {
            remote: address(ELSEWHERE),
            ..here
        };
        let request = |id, payloads: &[Payload]| {
            let header = holder.header(ExchangeType::INFORMATIONAL, true, false, id);
            holder.seal(&header, payloads)
        };
        let probe = request(next, &[]);
        let update = Notify::plain(NotifyType::UPDATE_SA_ADDRESSES);
        let update = request(next + 1, &[Payload::Notify(update)]);
        let mut arrivals = [(here, probe), (there, update)];
        if overtakes {
            arrivals.reverse();
        }
        for (path, octets) in arrivals {
            pair.inject(path, &octets);
        }
        assert_eq!(ike(&pair), address(ELSEWHERE), "overtakes: {overtakes}");
        // Each answer goes where its request came from.
        let mut answers = Vec::new();
        while let Some((false, path, octets)) = pair.next_flight() {
            let header = Header::peek(&octets).unwrap();
            if header.flags.is_response() {
                answers.push((header.message_id.0, path.local));
            }
            let far = pair.now.after(Duration::from_secs(1));
            assert!(pair.step(far));
        }
        let expected = [(next, here.remote), (next + 1, address(ELSEWHERE))];
        assert_eq!(answers, expected);
    }
}
