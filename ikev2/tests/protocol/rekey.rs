//! CREATE_CHILD_SA: rekeying of child SAs and of the IKE SA by either end, by both at once, and against
//! Deletes (RFC 7296 §1.3, §2.8, §2.25). After every step, whatever one end sends, the other can read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ironflex_ikev2::{
    config::{MAX_CHILDREN, Pfs},
    crypto::{Role, suite::Group},
    event::{CloseReason, Command, Discard, Instant, SaId},
    refusal::Refusal,
    wire::{
        Header,
        header::{InitiatorSpi, ResponderSpi},
        registry::{ExchangeType, NotifyType},
    },
};

use crate::support::*;

pub(crate) fn up(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.connect();
    pair.run(20);
    assert!(
        pair.both_up(),
        "{:?} {:?}",
        pair.server.log,
        pair.client.log
    );
    pair.assert_traffic_flows();
    pair
}

/// Runs step by step; traffic flows after each.
pub(crate) fn run(pair: &mut Pair, seconds: u64) {
    let until = pair.now.after(Duration::from_secs(seconds));
    let mut steps = 0;
    while pair.step(until) {
        pair.assert_traffic_flows();
        steps += 1;
        assert!(steps < 20_000, "no rest");
    }
    pair.now = until;
}

pub(crate) fn id(pair: &Pair, server: bool) -> SaId {
    let end = if server { &pair.server } else { &pair.client };
    end.sas[0]
}

pub(crate) fn inbound(pair: &Pair, server: bool) -> u32 {
    let end = if server { &pair.server } else { &pair.client };
    end.installed[&end.sas[0]].inbound_spi
}

pub(crate) fn rekey_child(pair: &mut Pair, server: bool) {
    let command = Command::RekeyChild(id(pair, server), inbound(pair, server));
    pair.command(server, command);
}

pub(crate) fn rekey_ike(pair: &mut Pair, server: bool) {
    let command = Command::Rekey(id(pair, server));
    pair.command(server, command);
}

pub(crate) fn spis(pair: &Pair, server: bool) -> (u64, u64) {
    let end = if server { &pair.server } else { &pair.client };
    let view = end.endpoint.view(end.sas[0]).unwrap();
    (view.initiator_spi.get(), view.responder_spi.get())
}

/// One child SA in use at both ends, one that is received on, one IKE SA.
fn assert_one_of_each(pair: &Pair) {
    pair.assert_children_match();
    assert_eq!(
        (pair.server.receiving.len(), pair.client.receiving.len()),
        (1, 1),
        "{:?} {:?}",
        pair.server.log,
        pair.client.log
    );
    assert_eq!(spis(pair, true), spis(pair, false));
    assert!(pair.server.closed.is_empty() && pair.client.closed.is_empty());
}

/// One of each, and it all still works.
pub(crate) fn assert_settled(pair: &mut Pair) {
    assert_one_of_each(pair);
    for server in [true, false] {
        let before = pair.sent;
        pair.command(server, Command::Probe(id(pair, server)));
        run(pair, 5);
        assert_eq!(pair.sent, before + 2, "{:?}", pair.discards());
    }
}

pub(crate) fn assert_ends_cleanly(mut pair: Pair, server: bool) {
    pair.command(server, Command::Delete(id(&pair, server)));
    pair.run(200);
    pair.assert_clean();
}

// RFC 7296 §2.4#8, §2.8#6: the old one ends at the peer by a Delete; until then every packet can be
// read.
#[test]
fn either_end_replaces_a_child_sa_and_no_packet_would_be_lost() {
    for suite in [CBC, GCM] {
        for server in [true, false] {
            let mut pair = up(Setup::new(suite), 1);
            let before = (inbound(&pair, true), inbound(&pair, false));
            rekey_child(&mut pair, server);
            run(&mut pair, 30);
            let after = (inbound(&pair, true), inbound(&pair, false));
            assert!(before.0 != after.0 && before.1 != after.1);
            assert_settled(&mut pair);
            assert_ends_cleanly(pair, server);
        }
    }
}

// RFC 7296 §2.8: what is under way on the replaced one is still received for a while.
#[test]
fn the_replaced_one_is_received_on_for_five_seconds() {
    let mut pair = up(Setup::new(GCM), 2);
    rekey_child(&mut pair, false);
    run(&mut pair, 4);
    assert_eq!(pair.server.receiving.len(), 2);
    assert_eq!(pair.client.receiving.len(), 2);
    run(&mut pair, 4);
    assert_settled(&mut pair);
}

#[test]
fn the_first_packet_on_the_new_one_is_enough_to_send_on_it() {
    let mut pair = up(Setup::new(GCM), 3);
    rekey_child(&mut pair, false);
    // The answer is on its way and the Delete will be lost: the server still sends on the old one.
    run(&mut pair, 0);
    while pair.server.receiving.len() < 2 {
        let until = pair.now.after(Duration::from_secs(1));
        assert!(pair.step(until));
    }
    let old = inbound(&pair, true);
    let new = pair.server.receiving.keys().map(|&(_, spi)| spi);
    let new = new.into_iter().find(|&spi| spi != old).unwrap();
    let until = pair.now.after(Duration::from_millis(15));
    while pair.step(until) {}
    pair.lose_flights();
    let command = Command::ChildUsed(id(&pair, true), new);
    pair.command(true, command);
    assert_eq!(inbound(&pair, true), new);
    pair.assert_traffic_flows();
    run(&mut pair, 30);
    assert_settled(&mut pair);
}

#[test]
fn a_child_sa_is_replaced_with_a_key_exchange_where_one_is_required() {
    for server in [true, false] {
        let mut setup = Setup::new(CBC);
        let pfs = Pfs::Required(vec![Group::EcpP256]);
        setup.peer.upkeep.pfs = pfs.clone();
        setup.connect.upkeep.pfs = pfs;
        let mut pair = up(setup, 4);
        rekey_child(&mut pair, server);
        run(&mut pair, 30);
        assert_settled(&mut pair);
        assert!(pair.server.log.contains(&"child switched".to_owned()));
    }
}

// RFC 7296 §1.3#3: the responder names its group, and the exchange is tried again with it.
#[test]
fn another_group_is_taken_when_the_peer_names_one() {
    let mut setup = Setup::new(CBC);
    setup.peer.upkeep.pfs = Pfs::Required(vec![Group::EcpP384]);
    setup.connect.upkeep.pfs = Pfs::Required(vec![Group::EcpP256, Group::EcpP384]);
    let mut pair = up(setup, 5);
    rekey_child(&mut pair, false);
    run(&mut pair, 30);
    assert_settled(&mut pair);
    assert!(pair.client.log.contains(&"child switched".to_owned()));
}

// RFC 7296 §1.3.1#3: a failed attempt leaves everything as it was.
#[test]
fn a_child_sa_that_is_refused_leaves_the_old_one_in_use() {
    let mut setup = Setup::new(CBC);
    setup.peer.upkeep.pfs = Pfs::Required(vec![Group::EcpP384]);
    setup.connect.upkeep.pfs = Pfs::Accepted(Vec::new());
    let mut pair = up(setup, 6);
    let before = inbound(&pair, false);
    rekey_child(&mut pair, false);
    run(&mut pair, 30);
    assert_eq!(inbound(&pair, false), before);
    assert_one_of_each(&pair);
    // It is tried again every ten to twenty seconds, for as long as the old one lives.
    run(&mut pair, 270);
    let refused = Refusal::ByPeer(NotifyType::NO_PROPOSAL_CHOSEN);
    let refused = format!("rekey refused: {refused}");
    let tries = pair.client.log.iter().filter(|one| **one == refused);
    let tries = tries.count();
    assert!((15..=31).contains(&tries), "{tries}");
    assert_eq!(inbound(&pair, false), before);
}

// RFC 7296 §2.8: what the peer lacked may be there the next time.
#[test]
fn a_child_sa_that_was_refused_is_replaced_when_the_peer_takes_it() {
    for server in [true, false] {
        let mut setup = Setup::new(GCM);
        setup.install_further = if server {
            |server| server
        } else {
            |server| !server
        };
        let mut pair = up(setup, 8);
        let before = inbound(&pair, false);
        rekey_child(&mut pair, server);
        run(&mut pair, 9);
        assert_eq!(inbound(&pair, false), before);
        pair.setup.install_further = |_| true;
        run(&mut pair, 30);
        assert_ne!(inbound(&pair, false), before);
        assert_settled(&mut pair);
    }
}

#[test]
fn what_the_dataplane_refuses_is_refused_to_the_peer_or_deleted() {
    let refusing: [fn(bool) -> bool; 2] = [|server| !server, |server| server];
    for (of_server, install_further) in [true, false].into_iter().zip(refusing) {
        for server in [true, false] {
            let mut setup = Setup::new(CBC);
            setup.install_further = install_further;
            let mut pair = up(setup, 7);
            let before = (inbound(&pair, true), inbound(&pair, false));
            rekey_child(&mut pair, server);
            run(&mut pair, 9);
            assert_one_of_each(&pair);
            let after = (inbound(&pair, true), inbound(&pair, false));
            assert_eq!(before, after);
            let asked = if server { &pair.server } else { &pair.client };
            let why = if server == of_server {
                Refusal::Denied("no memory".into())
            } else {
                Refusal::ByPeer(NotifyType::NO_PROPOSAL_CHOSEN)
            };
            assert!(asked.log.contains(&format!("rekey refused: {why}")));
        }
    }
}

// RFC 7296 §1.4#3: its children are rekeyed and deleted under the new IKE SA.
#[test]
fn either_end_replaces_the_ike_sa_and_its_child_goes_on() {
    for suite in [CBC, GCM] {
        for server in [true, false] {
            let mut pair = up(Setup::new(suite), 8);
            let (ike, child) = (spis(&pair, true), inbound(&pair, true));
            rekey_ike(&mut pair, server);
            run(&mut pair, 30);
            let after = spis(&pair, true);
            assert!(ike.0 != after.0 && ike.1 != after.1);
            assert_eq!(inbound(&pair, true), child);
            assert_settled(&mut pair);
            // RFC 7296 §1.3.2: the one who asked is the new one's initiator.
            let view = pair.server.endpoint.view(id(&pair, true)).unwrap();
            assert_eq!(
                view.role,
                if server {
                    Role::Initiator
                } else {
                    Role::Responder
                }
            );
            rekey_child(&mut pair, !server);
            run(&mut pair, 30);
            assert_settled(&mut pair);
            rekey_ike(&mut pair, !server);
            run(&mut pair, 30);
            assert_settled(&mut pair);
            assert_ends_cleanly(pair, !server);
        }
    }
}

// RFC 7296 §2.18#4: message IDs begin again, and the old SA is gone at both ends.
#[test]
fn the_old_ike_sa_is_gone_and_message_ids_begin_again() {
    let mut pair = up(Setup::new(GCM), 9);
    rekey_ike(&mut pair, false);
    run(&mut pair, 30);
    let view = pair.client.endpoint.view(id(&pair, false)).unwrap();
    assert_eq!((view.next_request, view.next_expected), (0, 0));
    assert_eq!(pair.server.endpoint.len(), 1);
    assert_eq!(pair.client.endpoint.len(), 1);
}

/// One end begins to replace something.
type Rekey = fn(&mut Pair, bool);

/// Both ends begin in the same instant, and what they send passes the other's on the way.
fn both(pair: &mut Pair, first: Rekey, second: Rekey) {
    first(pair, true);
    second(pair, false);
    run(pair, 60);
}

/// The four nonces of two exchanges that cross, by their first octets: each end's own, then the one in its
/// answer to the other. The lowest of all is in the exchange that `server` began, or in the other.
const NONCES: [([u8; 2], [u8; 2], bool); 4] = [
    // (server's own, its answer), (client's own, its answer): is the server's exchange the one to lose?
    ([1, 9], [5, 7], true),
    ([9, 1], [5, 7], false),
    ([9, 5], [1, 7], false),
    ([9, 5], [7, 1], true),
];

/// `draws` is how many times 32 octets are drawn for one exchange: a private key is as long as a nonce, and
/// is drawn first.
fn force(pair: &Pair, server: [u8; 2], client: [u8; 2], draws: usize) {
    for (end, nonces) in [(&pair.server, server), (&pair.client, client)] {
        let each = nonces.into_iter().flat_map(|lead| vec![vec![lead]; draws]);
        end.leads.lock().unwrap().extend(each);
    }
}

fn assert_forced(pair: &Pair) {
    assert!(pair.server.leads.lock().unwrap().is_empty());
    assert!(pair.client.leads.lock().unwrap().is_empty());
}

// RFC 7296 §2.8.1#2-3, §2.25.1#2-3: of two that replace the same one, the one whose exchange had the lowest of the four
// nonces is closed by the end that made it, and the maker of the other deletes the old one.
// RFC 7296 §2.3#3: each end serves a request while its own is out.
#[test]
fn child_rekeyings_that_cross_leave_the_one_without_the_lowest_nonce() {
    for (seed, (server, client, server_loses)) in (0..).zip(NONCES) {
        let mut pair = up(Setup::new(GCM), 100 + seed);
        let old = inbound(&pair, true);
        force(&pair, server, client, 1);
        rekey_child(&mut pair, true);
        rekey_child(&mut pair, false);
        // Until the answers are there both ends send on the old one and receive on two.
        assert_eq!(inbound(&pair, true), old);
        let until = pair.now.after(Duration::from_millis(10));
        while pair.step(until) {
            pair.assert_traffic_flows();
        }
        assert_eq!(
            (pair.server.receiving.len(), pair.client.receiving.len()),
            (2, 2)
        );
        assert_forced(&pair);
        let until = pair.now.after(Duration::from_millis(10));
        while pair.step(until) {
            pair.assert_traffic_flows();
        }
        // Each end has the answer to its own: whoever won sends on what it made, the other not yet.
        assert_eq!(
            (pair.server.receiving.len(), pair.client.receiving.len()),
            (3, 3)
        );
        assert_eq!(inbound(&pair, true) == old, server_loses);
        run(&mut pair, 60);
        assert_settled(&mut pair);
        assert_ends_cleanly(pair, seed % 2 == 0);
    }
}

// The peer's answer may come while the outside is still at work for the peer's own request.
#[test]
fn child_rekeyings_that_cross_are_settled_also_when_the_outside_is_slow() {
    for (seed, (server, client, _)) in (0..).zip(NONCES) {
        let mut setup = Setup::new(GCM);
        setup.silent = |ask| matches!(ask, ironflex_ikev2::event::Ask::Rekey(_));
        let mut pair = up(setup, 150 + seed);
        force(&pair, server, client, 1);
        rekey_child(&mut pair, true);
        rekey_child(&mut pair, false);
        run(&mut pair, 1);
        assert_forced(&pair);
        assert_eq!(pair.server.withheld.len(), 2);
        while pair.answer_withheld() {}
        run(&mut pair, 60);
        assert_settled(&mut pair);
        assert_ends_cleanly(pair, seed % 2 == 0);
    }
}

// RFC 7296 §2.8.2#1-2, §2.25.2#1-2: of two new IKE SAs the one whose exchange had the lowest nonce is deleted by the end that
// made it; the other has the child.
#[test]
fn ike_rekeyings_that_cross_leave_the_one_without_the_lowest_nonce() {
    for (seed, (server, client, server_loses)) in (0..).zip(NONCES) {
        let mut pair = up(Setup::new(GCM), 200 + seed);
        let old = spis(&pair, true);
        force(&pair, server, client, 2);
        rekey_ike(&mut pair, true);
        rekey_ike(&mut pair, false);
        let until = pair.now.after(Duration::from_millis(10));
        while pair.step(until) {
            pair.assert_traffic_flows();
        }
        // Both have answered and neither has its answer: the old one is still in use.
        assert_forced(&pair);
        assert_eq!((spis(&pair, true), spis(&pair, false)), (old, old));
        let until = pair.now.after(Duration::from_millis(10));
        while pair.step(until) {
            pair.assert_traffic_flows();
        }
        assert_eq!(spis(&pair, true), spis(&pair, false));
        let view = pair.server.endpoint.view(id(&pair, true)).unwrap();
        assert_eq!(view.role == Role::Responder, server_loses);
        run(&mut pair, 60);
        assert_settled(&mut pair);
        assert_ends_cleanly(pair, seed % 2 == 0);
    }
}

// RFC 7296 §2.25.1#8, §2.25.2#6: while the IKE SA is rekeyed its children are not, and the other way round; both
// come to pass one after the other.
#[test]
fn an_ike_rekeying_that_crosses_a_childs_is_put_off() {
    for swap in [false, true] {
        let mut pair = up(Setup::new(GCM), 300);
        let (ike, child) = (spis(&pair, true), inbound(&pair, true));
        if swap {
            both(&mut pair, rekey_ike, rekey_child);
        } else {
            both(&mut pair, rekey_child, rekey_ike);
        }
        assert_settled(&mut pair);
        assert_ne!(ike, spis(&pair, true));
        assert_ne!(child, inbound(&pair, true));
    }
}

// RFC 7296 §2.25.2: what was put off is not wanted any more when the peer has done it meanwhile.
#[test]
fn an_ike_rekeying_that_was_put_off_is_forgotten_when_the_peer_does_it() {
    let mut pair = up(Setup::new(GCM), 303);
    rekey_child(&mut pair, false);
    rekey_ike(&mut pair, true);
    run(&mut pair, 2);
    let put_off = format!("notified {}", NotifyType::TEMPORARY_FAILURE);
    assert!(pair.server.log.contains(&put_off));
    rekey_ike(&mut pair, false);
    run(&mut pair, 60);
    let rekeyed = pair.server.log.iter().filter(|line| *line == "rekeyed");
    assert_eq!(rekeyed.count(), 1);
    assert_settled(&mut pair);
}

// RFC 7296 §2.25.2#4: a Delete of the IKE SA is obeyed whatever we had in mind.
#[test]
fn a_delete_ends_everything_that_is_being_replaced() {
    for rekey in [rekey_child, rekey_ike] {
        for server in [true, false] {
            let mut pair = up(Setup::new(GCM), 301);
            rekey(&mut pair, server);
            let command = Command::Delete(id(&pair, !server));
            pair.command(!server, command);
            pair.run(200);
            pair.assert_clean();
        }
    }
}

// RFC 7296 §1.4.1, §2.8: who is told to end while its own request for a new IKE SA is out ends that one: a
// Delete of the one before would leave it at the peer, with the children.
#[test]
fn an_end_while_a_new_ike_sa_is_being_made_leaves_none_at_the_peer() {
    for server in [true, false] {
        for loss in [false, true] {
            let mut pair = up(Setup::new(GCM), 303);
            rekey_ike(&mut pair, server);
            if loss {
                // The peer has made it, and its answer must be asked for again.
                let until = pair.now.after(Duration::from_millis(10));
                while pair.step(until) {}
                pair.lose_flights();
            }
            pair.command(server, Command::Delete(id(&pair, server)));
            let end = if server { &pair.server } else { &pair.client };
            assert!(end.installed.is_empty(), "its traffic ends at once");
            let view = end.endpoint.views().next().unwrap();
            assert!(view.closing && !view.ready);
            pair.run(60);
            pair.assert_clean();
            let (end, peer) = if server {
                (&pair.server, &pair.client)
            } else {
                (&pair.client, &pair.server)
            };
            assert_eq!(end.closed, [CloseReason::Deleted]);
            assert_eq!(peer.closed, [CloseReason::PeerDeleted]);
        }
    }
}

// RFC 7296 §2.3: a message ID is not passed over. What was not answered yet when the peer replaced the IKE SA is
// sent there until it is, and only then comes the Delete.
#[test]
fn a_request_that_waits_on_a_replaced_ike_sa_keeps_its_message_id() {
    for server in [true, false] {
        let mut pair = up(Setup::new(GCM), 304);
        let before = spis(&pair, true);
        let deaf = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&deaf);
        // Whatever one end asks is lost, its answers are not.
        pair.tamper = Some(Box::new(move |to_server, octets| {
            let answers = octets[19] & 0x20 != 0;
            to_server == server || answers || !still.load(Ordering::Relaxed)
        }));
        pair.command(server, Command::Probe(id(&pair, server)));
        rekey_ike(&mut pair, !server);
        // The peer's Delete of the one before is lost too: it is still there when requests pass again.
        let until = pair.now.after(Duration::from_millis(25));
        while pair.step(until) {}
        assert_ne!(before, spis(&pair, server));
        deaf.store(false, Ordering::Relaxed);
        run(&mut pair, 200);
        assert!(
            pair.discards()
                .iter()
                .all(|one| **one != Discard::AheadOfWindow)
        );
        assert_settled(&mut pair);
    }
}

// RFC 7296 §2.8: the child SAs are inherited, and with them what is still to be done about them: what has not been asked for
// yet when the peer replaces the IKE SA is asked for on the new one, and on no other.
#[test]
fn what_waits_for_its_turn_is_asked_for_on_the_ike_sa_that_replaces() {
    for server in [true, false] {
        let mut pair = up(Setup::new(GCM), 305);
        let (before, child) = (spis(&pair, true), inbound(&pair, server));
        let deaf = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&deaf);
        // Whatever one end asks is lost, its answers are not.
        pair.tamper = Some(Box::new(move |to_server, octets| {
            let answers = octets[19] & 0x20 != 0;
            to_server == server || answers || !still.load(Ordering::Relaxed)
        }));
        pair.command(server, Command::Probe(id(&pair, server)));
        let sent = pair.wire.len();
        rekey_child(&mut pair, server);
        assert_eq!(pair.wire.len(), sent, "the question before is still open");
        rekey_ike(&mut pair, !server);
        let until = pair.now.after(Duration::from_millis(25));
        while pair.step(until) {}
        let after = spis(&pair, server);
        assert_ne!(before, after);
        deaf.store(false, Ordering::Relaxed);
        run(&mut pair, 200);
        assert_ne!(inbound(&pair, server), child);
        assert_settled(&mut pair);
        let requests = pair
            .wire
            .iter()
            .filter(|(to_server, _)| *to_server != server);
        let requests = requests.map(|(_, octets)| Header::peek(octets).unwrap());
        let on: Vec<_> = requests
            .filter(|one| one.exchange == ExchangeType::CREATE_CHILD_SA && !one.flags.is_response())
            .map(|one| (one.initiator_spi, one.responder_spi))
            .collect();
        assert!(!on.is_empty());
        let (initiator, responder) = after;
        let new = |&(ours, theirs): &(InitiatorSpi, Option<ResponderSpi>)| {
            ours.get() == initiator && theirs.is_some_and(|one| one.get() == responder)
        };
        assert!(on.iter().all(new), "{on:?}");
    }
}

// RFC 7296 §2.25.1#1: a child SA that is being deleted is not rekeyed.
#[test]
fn a_child_deleted_while_the_peer_rekeys_it_ends_the_session() {
    for server in [true, false] {
        let mut pair = up(Setup::new(GCM), 302);
        let command = Command::DeleteChild(id(&pair, server), inbound(&pair, server));
        pair.command(server, command);
        rekey_child(&mut pair, !server);
        pair.run(400);
        pair.assert_clean();
        let end = if server { &pair.server } else { &pair.client };
        assert_eq!(end.closed, [CloseReason::Expired]);
    }
}

// Every order of loss: the same rekeyings over a network that loses, repeats and reorders.
#[test]
fn rekeyings_settle_over_a_bad_network() {
    for seed in 0..60 {
        let mut pair = up(Setup::new(GCM), 400 + seed);
        pair.weather = Weather {
            loss: 25,
            duplication: 10,
            reordering: 30,
        };
        let (first, second): (Rekey, Rekey) = match seed % 3 {
            0 => (rekey_child, rekey_child),
            1 => (rekey_ike, rekey_ike),
            _ => (rekey_child, rekey_ike),
        };
        first(&mut pair, true);
        second(&mut pair, false);
        pair.run(400);
        let lost = pair
            .server
            .closed
            .iter()
            .chain(&pair.client.closed)
            .any(|reason| *reason == CloseReason::Unanswered);
        if lost {
            // Six losses in a row do happen; then it is over at both ends sooner or later.
            continue;
        }
        pair.weather = Weather::default();
        pair.run(60);
        assert_settled(&mut pair);
    }
}

#[test]
fn a_child_that_is_not_there_is_not_replaced() {
    let mut pair = up(Setup::new(GCM), 500);
    let (known, sent) = (inbound(&pair, false), pair.sent);
    let command = Command::RekeyChild(id(&pair, false), known ^ 1);
    pair.command(false, command);
    run(&mut pair, 5);
    assert_eq!((inbound(&pair, false), pair.sent), (known, sent));
    assert_settled(&mut pair);
}

#[test]
fn an_ike_sa_is_replaced_before_its_lifetime_is_over() {
    for (ours, theirs) in [
        (Some(1_000), None),
        (None, Some(1_000)),
        (Some(1_000), Some(1_000)),
    ] {
        let mut setup = Setup::new(GCM);
        setup.peer.upkeep.lifetime = ours.map(Duration::from_secs);
        setup.connect.upkeep.lifetime = theirs.map(Duration::from_secs);
        let mut pair = up(setup, 501);
        let begun: Instant = pair.now;
        for _ in 0..5 {
            let before = spis(&pair, true);
            run(&mut pair, 1_000);
            assert_ne!(before, spis(&pair, true));
        }
        assert!(pair.now.since(begun) >= Duration::from_secs(5_000));
        assert_settled(&mut pair);
    }
}

// RFC 7296 §2.8: what was to replace a child SA and could not be installed is deleted again, and the old one
// may be replaced by another.
#[test]
fn a_child_sa_whose_replacement_the_asking_end_cannot_install_may_be_replaced_again() {
    for server in [true, false] {
        let mut pair = up(Setup::new(GCM), 504);
        let old = inbound(&pair, server);
        rekey_child(&mut pair, server);
        let asked = |pair: &Pair| {
            let end = if server { &pair.client } else { &pair.server };
            end.receiving.len()
        };
        while asked(&pair) < 2 {
            let until = pair.now.after(Duration::from_secs(1));
            assert!(pair.step(until));
        }
        pair.setup.install_further = |_| false;
        run(&mut pair, 9);
        assert_one_of_each(&pair);
        assert_eq!(inbound(&pair, server), old);
        pair.setup.install_further = |_| true;
        for again in [server, !server] {
            let before = inbound(&pair, server);
            rekey_child(&mut pair, again);
            run(&mut pair, 30);
            assert_settled(&mut pair);
            assert_ne!(inbound(&pair, server), before);
        }
    }
}

// RFC 7296 §2.1, §2.8: a peer repeats its request for minutes, and until its answer comes it uses the IKE SA
// that the other end has replaced.
#[test]
fn a_replaced_ike_sa_is_not_deleted_while_its_peer_may_still_wait_for_the_answer() {
    for server in [true, false] {
        let mut pair = up(Setup::new(GCM), 505);
        let before = spis(&pair, true);
        let deaf = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&deaf);
        pair.tamper = Some(Box::new(move |to_server, _| {
            to_server != server || !still.load(Ordering::Relaxed)
        }));
        rekey_ike(&mut pair, server);
        pair.run(61);
        deaf.store(false, Ordering::Relaxed);
        run(&mut pair, 200);
        assert_settled(&mut pair);
        assert_ne!(before, spis(&pair, true));
    }
}

/// Has one end replace its child SA, while traffic flows. Whether it has come to pass.
fn replace(pair: &mut Pair, server: bool) -> bool {
    let before = inbound(pair, server);
    rekey_child(pair, server);
    let until = pair.now.after(Duration::from_millis(60));
    while pair.step(until) {
        pair.assert_traffic_flows();
    }
    for end in [&pair.server, &pair.client] {
        assert!(end.receiving.len() <= 2 * MAX_CHILDREN);
    }
    inbound(pair, server) != before
}

// RFC 7296 §1.3, §2.8: what replaces a child SA is no further one, however many still receive what is under way to them, and
// however fast a small volume is used up. Those that have waited longest make room.
#[test]
fn a_child_sa_may_be_replaced_more_often_than_there_may_be_child_sas() {
    for server in [true, false] {
        let mut pair = up(Setup::new(GCM), 506);
        for number in 0..5 * MAX_CHILDREN {
            assert!(replace(&mut pair, server), "{number}");
        }
        run(&mut pair, 60);
        assert_settled(&mut pair);
    }
}

// RFC 7296 §2.25: where each costs a key exchange there is an end to it, for a while.
#[test]
fn a_child_sa_may_not_be_replaced_without_a_pause_where_that_is_costly() {
    for server in [true, false] {
        let mut setup = Setup::new(GCM);
        for upkeep in [&mut setup.peer.upkeep, &mut setup.connect.upkeep] {
            upkeep.pfs = Pfs::Required(vec![Group::Curve25519]);
        }
        let mut pair = up(setup, 507);
        for number in 0..MAX_CHILDREN + 8 {
            assert!(replace(&mut pair, server), "{number}");
        }
        let mut replaced = 0;
        while replace(&mut pair, server) {
            replaced += 1;
            assert!(replaced < MAX_CHILDREN);
        }
        let before = inbound(&pair, server);
        run(&mut pair, 8);
        assert_ne!(inbound(&pair, server), before, "it is not asked for again");
        run(&mut pair, 60);
        assert_settled(&mut pair);
    }
}
