//! Floods: half-open SAs from forged addresses, requests said again and again, cookies of others. What
//! is kept stays bounded, and a real client gets in all the same.

use ironflex_ikev2::{
    config::{COOKIE_WATERMARK, HALF_OPEN_TIMEOUT, REPEATS_PER_SECOND},
    event::Discard,
    wire::{Payload, write_message},
};

use crate::{flood::*, support::*};

// RFC 7296 §2.6#2: up to the watermark each is answered; above it nothing is kept of those who only
// claim an address, and no key exchange is done for them.
#[test]
fn ten_thousand_forged_first_requests_leave_memory_bounded_and_a_client_gets_in() {
    let name = "ten_thousand_forged_first_requests_leave_memory_bounded_and_a_client_gets_in";
    if !alone(&format!("exhaustion::{name}")) {
        return;
    }
    let mut twin = Pair::new(Setup::new(CBC), 81);
    twin.connect();
    twin.run(20);
    assert!(twin.both_up());

    let mould = Mould::new();
    let mut pair = Pair::new(Setup::new(CBC), 81);
    let mut demanded = 0;
    let mut flood = |pair: &mut Pair, numbers: std::ops::Range<u32>| {
        for number in numbers {
            let request = mould.request(number, None);
            let (answers, discards) = send(pair, from(number), &request);
            assert_eq!(answers.len(), 1);
            if discards == [Discard::CookieSent] {
                demanded += 1;
                // Whoever's address is forged gets less than was sent.
                assert!(answers[0].len() < request.len());
            } else {
                assert_eq!(discards, []);
            }
            assert!(pair.server.endpoint.len() <= COOKIE_WATERMARK);
        }
    };
    flood(&mut pair, 0..1_000);
    assert_eq!(pair.server.endpoint.half_open(), COOKIE_WATERMARK);
    let before = resident();
    flood(&mut pair, 1_000..10_000);
    assert_eq!(demanded, 10_000 - COOKIE_WATERMARK);
    assert_eq!(pair.server.endpoint.len(), COOKIE_WATERMARK);
    // 9,000 further requests of 260 octets would be 2.3 MB if only their octets were kept.
    let growth = resident().saturating_sub(before);
    assert!(growth < 2_000_000, "{growth} octets more");

    pair.connect();
    pair.run(10);
    assert_eq!((pair.server.ready(), pair.client.ready()), (1, 1));
    pair.assert_children_match();
    assert_eq!(pair.server.discarded, [Discard::CookieSent]);

    // Nobody goes on: all of it is gone in its time, and the client's SA stays.
    pair.run(HALF_OPEN_TIMEOUT.as_secs() + 1);
    assert_eq!(pair.server.endpoint.half_open(), 0);
    assert_eq!(pair.server.endpoint.len(), 1);
    assert!(pair.both_up());
}

// A flood from addresses that do receive: the table has an end even for those with a cookie.
#[test]
fn the_half_open_table_is_bounded_for_those_with_a_cookie_too() {
    let mould = Mould::new();
    let mut setup = Setup::new(CBC);
    setup.server.cookie_watermark = 10;
    setup.server.half_open_limit = 50;
    let mut pair = Pair::new(setup, 82);
    let mut full = 0;
    for number in 0..200 {
        let (answers, discards) = send(&mut pair, from(number), &mould.request(number, None));
        if discards.is_empty() {
            continue;
        }
        assert_eq!(discards, [Discard::CookieSent]);
        let request = mould.request(number, Some(&cookie(&answers[0])));
        let (answers, discards) = send(&mut pair, from(number), &request);
        if discards == [Discard::HalfOpenTableFull] {
            assert_eq!(answers.len(), 0);
            full += 1;
        } else {
            assert_eq!((answers.len(), &discards[..]), (1, &[][..]));
        }
    }
    assert_eq!((full, pair.server.endpoint.len()), (150, 50));
    // Room again once they have not gone on.
    pair.run(HALF_OPEN_TIMEOUT.as_secs() + 1);
    assert_eq!(pair.server.endpoint.len(), 0);
    pair.connect();
    pair.run(10);
    assert!(pair.both_up());
}

// RFC 7296 §2.6#5: a cookie is good for the address, the SPI and the nonce that it was made for.
#[test]
fn a_cookie_of_another_address_or_request_is_refused() {
    let mould = Mould::new();
    let mut setup = Setup::new(CBC);
    setup.server.cookie_watermark = 0;
    let mut pair = Pair::new(setup, 83);
    let (answers, _) = send(&mut pair, from(1), &mould.request(1, None));
    let good = cookie(&answers[0]);
    let mut flipped = good.clone();
    flipped[5] ^= 1;
    for (path, number, offered) in [
        (from(2), 1, &good[..]),
        (from(1), 2, &good),
        (from(1), 1, &flipped),
        (from(1), 1, &good[..good.len() - 1]),
        (from(1), 1, &[]),
        (from(1), 1, &[7; 64]),
        (from(1), 1, &[7; 65]),
        (from(1), 1, &[7; 3_000]),
    ] {
        let (answers, discards) = send(&mut pair, path, &mould.request(number, Some(offered)));
        assert_eq!(discards, [Discard::CookieSent], "{offered:02x?}");
        assert_ne!(cookie(&answers[0]), offered);
        assert_eq!(pair.server.endpoint.len(), 0);
    }
    // A nonce of another request.
    let mut other = Mould::new();
    for payload in &mut other.payloads {
        if let Payload::Nonce(nonce) = payload {
            *nonce = ironflex_ikev2::wire::payload::Nonce::new(vec![7; 32]).unwrap();
        }
    }
    let (_, discards) = send(&mut pair, from(1), &other.request(1, Some(&good)));
    assert_eq!(discards, [Discard::CookieSent]);
    let (answers, discards) = send(&mut pair, from(1), &mould.request(1, Some(&good)));
    assert_eq!((answers.len(), discards.len()), (1, 0));
    assert_eq!(pair.server.endpoint.len(), 1);
}

// docs/anyconnect-eap.md: a repeated first request is known by its octets; it makes no second SA.
#[test]
fn repeated_first_requests_are_answered_from_the_cache_at_a_limited_rate() {
    let mould = Mould::new();
    let mut pair = Pair::new(Setup::new(CBC), 84);
    let (first, discards) = send(&mut pair, from(1), &mould.octets);
    assert_eq!((first.len(), discards.len()), (1, 0));
    for second in 0..3 {
        let mut answered = 0;
        for _ in 0..50 {
            let (answers, discards) = send(&mut pair, from(1), &mould.octets);
            if discards == [Discard::Repeated] {
                assert_eq!(answers, first);
                answered += 1;
            } else {
                assert_eq!((answers.len(), discards), (0, vec![Discard::RepeatLimited]));
            }
        }
        assert_eq!(answered, REPEATS_PER_SECOND, "second {second}");
        assert_eq!(pair.server.endpoint.len(), 1);
        pair.run(1);
    }
}

// The SPI and address are another client's, the octets are not: this is a client of its own.
#[test]
fn the_same_spi_and_address_with_other_octets_is_another_client() {
    let mould = Mould::new();
    let mut pair = Pair::new(Setup::new(CBC), 85);
    send(&mut pair, from(1), &mould.octets);
    let mut other = Mould::new();
    for payload in &mut other.payloads {
        if let Payload::Nonce(nonce) = payload {
            *nonce = ironflex_ikev2::wire::payload::Nonce::new(vec![7; 32]).unwrap();
        }
    }
    let mut out = Vec::new();
    write_message(&other.header, &other.payloads, &mut out);
    let (answers, discards) = send(&mut pair, from(1), &out);
    assert_eq!((answers.len(), discards.len()), (1, 0));
    assert_eq!(pair.server.endpoint.len(), 2);
}

// RFC 7296 §2.4, docs/anyconnect-eap.md: every AnyConnect client has the same identity, so
// INITIAL_CONTACT in one IKE SA closes no other here; whose sessions those are is the outside's to know.
// RFC 7296 §2.6#1: each SA has SPIs of its own.
#[test]
fn a_second_client_with_the_same_identity_and_address_gets_an_sa_of_its_own() {
    let mut pair = Pair::new(Setup::new(CBC), 86);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    pair.connect();
    pair.run(20);
    assert_eq!((pair.server.ready(), pair.client.ready()), (2, 2));
    assert_eq!((pair.server.closed.len(), pair.client.closed.len()), (0, 0));
    let children: Vec<_> = pair.server.installed.values().collect();
    assert_eq!(children.len(), 2);
    assert_ne!(children[0].inbound_spi, children[1].inbound_spi);
    assert!(children[0].keys.inbound != children[1].keys.inbound);
    let views: Vec<_> = pair.server.endpoint.views().collect();
    assert_eq!(views[0].identity, views[1].identity);
    assert_eq!(views[0].path, views[1].path);
    assert_ne!(views[0].initiator_spi, views[1].initiator_spi);
}

// The other way of filling memory: messages for SAs that there are not.
#[test]
fn messages_for_unknown_sas_are_not_answered_and_nothing_is_kept_of_them() {
    let mould = Mould::new();
    let mut pair = Pair::new(Setup::new(CBC), 87);
    for number in 0..10_000u32 {
        let mut octets = mould.request(number, None);
        octets[8..12].copy_from_slice(&number.to_be_bytes());
        octets[15] = 1;
        octets[18] = 35 + u8::try_from(number % 3).unwrap();
        octets[19] = [0x08, 0x20, 0x28, 0x00][usize::try_from(number % 4).unwrap()];
        let (answers, discards) = send(&mut pair, from(number), &octets);
        assert_eq!((answers.len(), discards), (0, vec![Discard::UnknownSpi]));
    }
    assert_eq!(pair.server.endpoint.len(), 0);
    pair.connect();
    pair.run(10);
    assert!(pair.both_up());
}
