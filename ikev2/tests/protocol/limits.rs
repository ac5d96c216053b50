//! `crypto ikev2 limit`: what there is no room for is refused by name, and who only claims an address
//! takes no room from those who are there.

use std::time::Duration;

use ironflex_ikev2::{
    config::{EAP_TIMEOUT, HALF_OPEN_TIMEOUT},
    event::{CloseReason, Command, Discard},
};

use crate::{flood::*, support::*};

/// A server with room for so many SAs.
fn careful(limit: usize) -> Setup {
    let mut setup = Setup::new(CBC);
    setup.server.sa_limit = Some(limit);
    setup
}

#[test]
fn an_sa_too_many_is_refused_by_name_and_the_others_go_on() {
    let mut pair = Pair::new(careful(2), 180);
    for up in 1..=2 {
        pair.connect();
        pair.run(10);
        assert_eq!((pair.server.ready(), pair.client.ready()), (up, up));
    }
    pair.server.discarded.clear();
    pair.connect();
    pair.run(10);
    assert_eq!(pair.server.ready(), 2);
    assert!(!pair.server.discarded.is_empty());
    assert!(
        pair.server
            .discarded
            .iter()
            .all(|discard| *discard == Discard::SaLimited)
    );
    // The client asks again, and comes in once there is room.
    let first = pair.server.endpoint.views().next().unwrap().id;
    pair.command(true, Command::Delete(first));
    pair.run(60);
    assert_eq!(pair.server.ready(), 2);
    assert_eq!(pair.server.endpoint.len(), 2);
}

// RFC 7296 §2.6: half of the room is for those who receive what is sent to their address.
#[test]
fn forged_requests_leave_half_of_the_room_for_sas() {
    let mould = Mould::new();
    for limit in [
        |setup: &mut Setup| setup.server.sa_limit = Some(10),
        |setup: &mut Setup| setup.server.negotiating_limit = 10,
    ] {
        let mut setup = Setup::new(CBC);
        limit(&mut setup);
        let mut pair = Pair::new(setup, 181);
        for number in 0..100 {
            let (answers, discards) = send(&mut pair, from(number), &mould.request(number, None));
            assert_eq!(answers.len(), 1);
            let expected: &[Discard] = if number < 5 {
                &[]
            } else {
                &[Discard::CookieSent]
            };
            assert_eq!(discards, expected);
        }
        assert_eq!(pair.server.endpoint.len(), 5);
        pair.connect();
        pair.run(10);
        assert_eq!((pair.server.ready(), pair.client.ready()), (1, 1));
    }
}

// docs/anyconnect-eap.md: a user inside EAP may type for minutes and is not half-open; who has not sent a
// valid IKE_AUTH has seconds.
#[test]
fn who_types_has_minutes_and_who_says_nothing_has_seconds() {
    let mut setup = Setup::new(CBC);
    // The client's response comes when its user has typed: its first copy is lost.
    setup.client.retransmit_first = Duration::from_secs(150);
    for (pause, comes_in) in [(149, true), (EAP_TIMEOUT.as_secs() + 1, false)] {
        let mut pair = Pair::new(setup.clone(), 182);
        pair.connect();
        let end = pair.now.after(Duration::from_secs(1));
        let typing = |pair: &Pair| {
            let mut views = pair.server.endpoint.views();
            views.any(|view| view.state == "R_WAIT_EAP_RESP")
        };
        while !typing(&pair) {
            assert!(pair.step(end));
        }
        pair.tamper = Some(Box::new(|to_server, _| !to_server));
        pair.run(pause);
        assert_eq!(pair.server.endpoint.half_open(), 0);
        assert_eq!(pair.server.endpoint.len(), usize::from(comes_in));
        pair.tamper = None;
        pair.run(20);
        assert_eq!(pair.both_up(), comes_in);
        let timed_out: &[CloseReason] = &[CloseReason::TimedOut];
        let closed = if comes_in { &[] } else { timed_out };
        assert_eq!(pair.server.closed, closed);
    }

    let mut pair = Pair::new(setup, 183);
    send(&mut pair, from(1), &Mould::new().request(1, None));
    pair.run(HALF_OPEN_TIMEOUT.as_secs() - 1);
    assert_eq!(pair.server.endpoint.half_open(), 1);
    pair.run(2);
    assert_eq!(pair.server.endpoint.len(), 0);
}
