//! Every octet of every message of a login flipped, one at a time, in either direction. Nothing of it
//! may end the process, bring up an SA with a wrong peer, or change state where it is not authentic.
//!
//! Every test first runs its unharmed twin to success, so that it cannot pass because nothing works.
//! Contradictory first requests are in `hostile_init.rs`, exchanges out of place in
//! `hostile_states.rs`, fragments and floods in files of their own.

use std::{cell::RefCell, rc::Rc, time::Duration};

use ironflex_ikev2::{
    crypto::Rng as _,
    event::Discard,
    wire::{
        Header,
        registry::{ExchangeType, PayloadType},
    },
};

use crate::support::*;

// --- Logins that are harmed ---

/// The three kinds of login, with the fewest octets that exercise each.
fn setups() -> [(&'static str, Setup); 3] {
    let mut ietf = Setup::new(GCM);
    ietf.server.fragmentation.ietf = true;
    ietf.connect.fragmentation.ietf = true;
    ietf.eap_rounds = 2;
    let mut cisco = Setup::new(CBC);
    cisco.eap_rounds = 2;
    let mut certificate = Setup::with_certificate(GCM);
    certificate.connect.fragmentation.cisco = false;
    [
        ("EAP, Cisco's fragments", cisco),
        ("EAP, RFC 7383 fragments", ietf),
        ("certificate, whole messages", certificate),
    ]
}

/// A login whose SAs answer for themselves: both up, with each other, under the right names.
fn assert_right_peers(pair: &Pair, what: &str) {
    assert!(
        pair.both_up(),
        "{what}: {:?} {:?}",
        pair.server.log,
        pair.client.log
    );
    pair.assert_children_match();
    let identity = |end: &End| end.endpoint.views().next().unwrap().identity.cloned();
    assert_eq!(
        identity(&pair.server),
        Some(pair.setup.connect.identity.clone())
    );
    assert_eq!(
        identity(&pair.client),
        Some(pair.setup.peer.local_identity.clone())
    );
}

fn unharmed(setup: &Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup.clone(), seed);
    pair.connect();
    pair.run(20);
    assert_right_peers(&pair, "the unharmed twin");
    pair
}

/// What an outsider can see of an end, in one comparable value.
fn snapshot(end: &End) -> Vec<String> {
    let endpoint = &end.endpoint;
    let counts = format!("{} {}", endpoint.len(), endpoint.half_open());
    endpoint
        .views()
        .map(|view| {
            format!(
                "{} {} next {} queued {} expected {} window {} ready {} at {:?} as {:?} child {}",
                view.id,
                view.state,
                view.next_request,
                view.queued,
                view.next_expected,
                view.window,
                view.ready,
                view.path,
                view.identity,
                view.child.is_some(),
            )
        })
        .chain([counts])
        .chain(end.log.iter().cloned())
        .chain([format!("{} installed", end.installed.len())])
        .collect()
}

fn end(pair: &Pair, server: bool) -> &End {
    if server { &pair.server } else { &pair.client }
}

/// The exchange type in a header.
fn is_init(octets: &[u8]) -> bool {
    octets[18] == ExchangeType::IKE_SA_INIT.0
}

fn is_cisco_fragment(octets: &[u8]) -> bool {
    octets[16] == PayloadType::CISCO_FRAGMENT.0
}

/// Every single bit of the header, and one mask for each other octet, the same in every run.
fn masks(at: usize) -> Vec<u8> {
    if at < Header::LEN {
        (0..8).map(|bit| 1 << bit).collect()
    } else {
        let mut mask = [0];
        Seeded(0xf11b_0000 + at as u64).fill(&mut mask);
        vec![mask[0].max(1)]
    }
}

// RFC 7296 §2.21.4: what is not authentic changes nothing and ends nothing.
#[test]
fn a_flipped_octet_of_an_encrypted_message_changes_no_state() {
    for (name, setup) in setups() {
        unharmed(&setup, 1);
        let mut pair = Pair::new(setup, 1);
        pair.connect();
        let far = pair.now.after(Duration::from_secs(20));
        let mut tried = 0;
        while let Some((to_server, path, octets)) = pair.next_flight() {
            // Messages in clear and Cisco's fragments prove nothing by themselves: see below.
            if !is_init(&octets) && !is_cisco_fragment(&octets) {
                let before = snapshot(end(&pair, to_server));
                for at in 0..octets.len() {
                    for mask in masks(at) {
                        let mut changed = octets.to_vec();
                        changed[at] ^= mask;
                        let (sent, seen) = (pair.sent, end(&pair, to_server).discarded.len());
                        pair.deliver(to_server, path, &changed);
                        tried += 1;
                        let what = format!("{name}: octet {at} ^ {mask:#x} of {octets:02x?}");
                        assert_eq!(snapshot(end(&pair, to_server)), before, "{what}");
                        let end = end(&pair, to_server);
                        assert_eq!(end.discarded.len(), seen + 1, "{what}");
                        let answered = match end.discarded.last().unwrap() {
                            Discard::Repeated => 1..=4,
                            Discard::MajorVersion(3..) => 0..=1,
                            // RFC 7296 §2.21.4: INVALID_IKE_SPI, in clear.
                            Discard::UnknownSpiAnswered => 1..=1,
                            _ => 0..=0,
                        };
                        assert!(answered.contains(&(pair.sent - sent)), "{what}");
                    }
                }
            }
            if !pair.step(far) {
                break;
            }
        }
        assert!(tried > 2_000, "{name}: only {tried} flips");
        assert_right_peers(&pair, name);
    }
}

/// The datagrams of an unharmed login in the order of their arrival.
fn arrivals(setup: &Setup, seed: u64) -> Vec<Vec<u8>> {
    let seen: Rc<RefCell<Vec<Vec<u8>>>> = Rc::default();
    let mut pair = Pair::new(setup.clone(), seed);
    let tap = Rc::clone(&seen);
    pair.tamper = Some(Box::new(move |_, octets| {
        tap.borrow_mut().push(octets.clone());
        true
    }));
    pair.connect();
    pair.run(20);
    assert_right_peers(&pair, "the unharmed twin");
    seen.take()
}

/// A login in which one octet of the datagram that arrives as number `which` is changed on its way.
fn with_flip(setup: &Setup, seed: u64, which: usize, at: usize, mask: u8) -> Pair {
    let mut pair = Pair::new(setup.clone(), seed);
    let mut number = 0;
    pair.tamper = Some(Box::new(move |_, octets| {
        if number == which {
            octets[at] ^= mask;
        }
        number += 1;
        true
    }));
    pair.connect();
    pair.run(30);
    pair
}

// RFC 7296 §2.1: the datagram with the flipped octet is as good as lost, and the login comes up by
// retransmission. In Cisco's fragments the flip drops the buffer, and the same holds.
#[test]
fn a_login_survives_a_flipped_octet_in_any_encrypted_datagram() {
    for (name, setup) in setups() {
        let arrivals = arrivals(&setup, 2);
        let mut logins = 0;
        for (which, octets) in arrivals.iter().enumerate() {
            if is_init(octets) {
                continue;
            }
            for at in 0..octets.len() {
                let mask = masks(at)[at % masks(at).len()];
                let pair = with_flip(&setup, 2, which, at, mask);
                logins += 1;
                let what = format!("{name}: datagram {which}, octet {at} ^ {mask:#x}");
                assert_right_peers(&pair, &what);
            }
        }
        assert!(logins > 1_500, "{name}: only {logins} logins");
    }
}

// RFC 7296 §2.15: IKE_SA_INIT is in clear, so a flip may well be acted on; but AUTH covers every octet
// of it, so nobody comes up with anybody who saw other octets, and nothing stays behind.
#[test]
fn a_flipped_octet_of_ike_sa_init_never_brings_up_a_wrong_peer() {
    let (mut up, mut down) = (0, 0);
    for (name, setup) in setups() {
        let arrivals = arrivals(&setup, 3);
        for (which, octets) in arrivals.iter().enumerate().filter(|(_, one)| is_init(one)) {
            for at in 0..octets.len() {
                let mask = masks(at)[at % masks(at).len()];
                let mut pair = with_flip(&setup, 3, which, at, mask);
                let what = format!("{name}: datagram {which}, octet {at} ^ {mask:#x}");
                if pair.client.ready() > 0 {
                    up += 1;
                    assert_right_peers(&pair, &what);
                    // The server may hold a half-open SA of the flipped request for a while.
                    pair.run(60);
                    assert_eq!(pair.server.endpoint.len(), 1, "{what}");
                    continue;
                }
                pair.run(400);
                assert_eq!(pair.client.endpoint.len(), 0, "{what}");
                down += 1;
                pair.assert_clean();
            }
        }
    }
    assert!(up > 200 && down > 500, "{up} up, {down} down");
}
