//! Peers that fall silent, NATs that would forget, and sessions that have lasted long enough (RFC 7296
//! §2.4, RFC 3948 §4).

use std::time::Duration;

use ironflex_ikev2::{
    config::Liveness,
    event::{CloseReason, Command},
};

use crate::support::*;

const DPD: Liveness = Liveness {
    interval: Duration::from_secs(60),
    retry: Duration::from_secs(5),
};

fn up(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up(), "{:?}", pair.server.log);
    pair
}

fn count(end: &End, what: &str) -> usize {
    end.log.iter().filter(|&line| line == what).count()
}

#[test]
fn a_silent_peer_is_asked_at_the_interval_and_lives_on() {
    let mut setup = Setup::new(GCM);
    setup.peer.upkeep.liveness = Some(DPD);
    let mut pair = up(setup, 1);
    let before = pair.sent;
    pair.run(305);
    assert_eq!(count(&pair.server, "quiet"), 5);
    // A request and its answer each.
    assert_eq!(pair.sent, before + 10);
    assert!(pair.both_up());
}

#[test]
fn whoever_hears_the_peer_elsewhere_does_not_ask() {
    let mut setup = Setup::new(GCM);
    setup.peer.upkeep.liveness = Some(DPD);
    setup.knows_better = true;
    let mut pair = up(setup, 2);
    let before = pair.sent;
    pair.run(305);
    assert_eq!((count(&pair.server, "quiet"), pair.sent), (5, before));
}

// Any message of the peer is a sign of life: its own probes spare ours.
#[test]
fn a_peer_that_asks_is_not_asked() {
    let mut setup = Setup::new(GCM);
    setup.peer.upkeep.liveness = Some(DPD);
    setup.connect.upkeep.liveness = Some(Liveness {
        interval: Duration::from_secs(20),
        ..DPD
    });
    let mut pair = up(setup, 3);
    pair.run(300);
    assert_eq!(count(&pair.server, "quiet"), 0);
    assert!(count(&pair.client, "quiet") >= 14);
}

// As on IOS: after the interval one try and five more, the retry interval apart, and it is dead.
#[test]
fn a_dead_peer_is_given_up_after_six_tries() {
    let mut setup = Setup::new(GCM);
    setup.peer.upkeep.liveness = Some(DPD);
    let mut pair = up(setup, 4);
    // What the server sends is lost from here on.
    pair.tamper = Some(Box::new(|to_server, _| to_server));
    let before = pair.sent;
    pair.run(60 + 5 * 6 - 25);
    assert!(pair.server.closed.is_empty());
    pair.run(30);
    assert_eq!(pair.server.closed, [CloseReason::Unanswered]);
    assert_eq!(pair.sent, before + 6);
    assert!(pair.server.receiving.is_empty());
}

// RFC 3948 §4#2: a NAT in front of us is reminded of us, and nobody is without one.
#[test]
fn whoever_is_behind_a_nat_keeps_it_awake() {
    for behind in [true, false] {
        let mut setup = Setup::new(GCM);
        setup.connect.upkeep.keepalive = Some(Duration::from_secs(20));
        setup.peer.upkeep.keepalive = Some(Duration::from_secs(20));
        let mut pair = Pair::new(setup, 5);
        if behind {
            pair.nat =
                Some(|from| std::net::SocketAddr::new(address("198.51.100.9:1").ip(), from.port()));
            pair.unnat = Some(|to| std::net::SocketAddr::new(address(CLIENT).ip(), to.port()));
        }
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        pair.run(100);
        let expected = if behind { 5..=6 } else { 0..=0 };
        assert!(
            expected.contains(&count(&pair.client, "keepalive")),
            "{:?}",
            pair.client.log
        );
        assert_eq!(count(&pair.server, "keepalive"), 0);
    }
}

// RFC 3948 §4#2: and so does ESP, which the outside knows of; where it ends the NAT is reminded soon.
#[test]
fn esp_is_as_good_as_a_keepalive() {
    let mut setup = Setup::new(GCM);
    setup.connect.upkeep.keepalive = Some(Duration::from_secs(20));
    setup.sends_esp = true;
    let mut pair = Pair::new(setup, 8);
    pair.nat = Some(|from| std::net::SocketAddr::new(address("198.51.100.9:1").ip(), from.port()));
    pair.unnat = Some(|to| std::net::SocketAddr::new(address(CLIENT).ip(), to.port()));
    pair.connect();
    pair.run(5);
    assert!(pair.both_up());
    pair.run(200);
    assert_eq!(count(&pair.client, "keepalive"), 0, "{:?}", pair.client.log);
    pair.setup.sends_esp = false;
    pair.run(6);
    assert_eq!(count(&pair.client, "keepalive"), 1);
    // From then on as ever.
    pair.run(100);
    assert_eq!(count(&pair.client, "keepalive"), 6);
}

// RFC 3948 §4#2: what IKE sends keeps the NAT awake too; only what would have been silence is filled.
#[test]
fn an_ike_message_is_as_good_as_a_keepalive() {
    for probed in [false, true] {
        let mut setup = Setup::new(GCM);
        setup.connect.upkeep.keepalive = Some(Duration::from_secs(20));
        let mut pair = Pair::new(setup, 7);
        pair.nat =
            Some(|from| std::net::SocketAddr::new(address("198.51.100.9:1").ip(), from.port()));
        pair.unnat = Some(|to| std::net::SocketAddr::new(address(CLIENT).ip(), to.port()));
        pair.connect();
        pair.run(5);
        assert!(pair.both_up());
        for _ in 0..20 {
            pair.run(10);
            if probed {
                let id = pair.client.sas[0];
                pair.command(false, Command::Probe(id));
            }
        }
        let expected = if probed { 0..=0 } else { 9..=10 };
        assert!(
            expected.contains(&count(&pair.client, "keepalive")),
            "{:?}",
            pair.client.log
        );
    }
}

#[test]
fn a_session_ends_when_it_has_lasted_as_long_as_it_may() {
    let mut setup = Setup::new(GCM);
    setup.session_lifetime = Some(Duration::from_secs(500));
    setup.peer.upkeep.lifetime = Some(Duration::from_secs(200));
    let mut pair = up(setup, 6);
    pair.run(400);
    // Rekeyed in between, which does not make it any younger.
    assert!(count(&pair.server, "rekeyed") >= 1);
    assert!(pair.both_up());
    pair.run(100);
    assert_eq!(pair.server.closed, [CloseReason::Expired]);
    assert_eq!(pair.client.closed, [CloseReason::PeerDeleted]);
    pair.run(60);
    pair.assert_clean();
}

// RFC 7296 §2.3#2,4-5: where the peer takes several requests at once, our last word does not wait for the answer to what was
// asked before it; where it has said nothing, one is outstanding.
#[test]
fn a_delete_goes_out_beside_an_open_question_where_the_peer_takes_several() {
    for (window, at_once) in [(1, false), (5, true)] {
        let mut setup = Setup::new(GCM);
        setup.client.window = window;
        let mut pair = Pair::new(setup, 41);
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        let id = pair.server.sas[0];
        let announced = pair.server.endpoint.view(id).unwrap().peer_window;
        assert_eq!(announced, window);
        pair.command(true, Command::Probe(id));
        let before = pair.wire.len();
        pair.command(true, Command::Delete(id));
        assert_eq!(pair.wire.len() - before, usize::from(at_once));
        // Both are lost, and sent again each for itself.
        pair.lose_flights();
        pair.run(60);
        pair.assert_clean();
        assert_eq!(pair.client.closed, [CloseReason::PeerDeleted]);
        assert_eq!(pair.server.closed, [CloseReason::Deleted]);
    }
}

// RFC 7296 §2.3, §2.18#4: a new IKE SA begins with a window of one; the first answer on it says what was configured.
#[test]
fn the_window_holds_after_a_rekey() {
    for by_server in [false, true] {
        let mut pair = up(Setup::new(GCM), 43);
        let ends = |pair: &Pair| (pair.server.sas[0], pair.client.sas[0]);
        let (server, client) = ends(&pair);
        for round in 0..2 {
            pair.command(
                by_server,
                Command::Rekey(if by_server { server } else { client }),
            );
            pair.run(20);
            assert_eq!(count(&pair.server, "rekeyed"), round + 1);
            let windows = |pair: &Pair| {
                let server = pair.server.endpoint.view(server).unwrap();
                let client = pair.client.endpoint.view(client).unwrap();
                [
                    (server.window, client.peer_window),
                    (client.window, server.peer_window),
                ]
            };
            pair.command(false, Command::Probe(client));
            pair.run(5);
            pair.command(true, Command::Probe(server));
            pair.run(5);
            assert_eq!(windows(&pair), [(5, 5); 2], "{by_server} {round}");
        }
        // Two requests are out at once on the new one.
        pair.command(false, Command::Probe(client));
        let before = pair.wire.len();
        pair.command(false, Command::Delete(client));
        assert_eq!(pair.wire.len() - before, 1);
        pair.run(30);
        pair.assert_clean();
    }
}

// RFC 7296 §2.3: a window is a number of requests; what is no number, or zero, says nothing.
#[test]
fn a_window_that_is_none_leaves_one_request_outstanding() {
    let mut setup = Setup::new(GCM);
    setup.server.window = 0;
    let mut pair = Pair::new(setup, 42);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    let id = pair.client.sas[0];
    assert_eq!(pair.client.endpoint.view(id).unwrap().peer_window, 1);
}
