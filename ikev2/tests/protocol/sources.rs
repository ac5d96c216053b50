//! Floods from one source, or in one source's name: it has its share of the table, which is not the
//! whole, and whoever owns a forged address still gets in.

use std::net::{Ipv6Addr, SocketAddr};

use ironflex_ikev2::{
    config::{HALF_OPEN_TIMEOUT, LINGER, SOURCE_LIMIT, SOURCE_WATERMARK},
    event::{Ask, Discard, Framing, Path},
};

use crate::{flood::*, support::*};

/// As the server sees a datagram from the client's address.
fn from_client() -> Path {
    Path {
        local: address(SERVER),
        remote: address(CLIENT),
        framing: Framing::Bare,
    }
}

/// Asks for an SA and brings the cookie if one is demanded: what was discarded in the end.
fn knock(pair: &mut Pair, mould: &Mould, path: Path, number: u32) -> Vec<Discard> {
    let (answers, discards) = send(pair, path, &mould.request(number, None));
    if discards != [Discard::CookieSent] {
        return discards;
    }
    let request = mould.request(number, Some(&cookie(&answers[0])));
    send(pair, path, &request).1
}

// RFC 7296 §2.6: requests in somebody's name take no more than what needs no cookie; the owner of the
// name brings one.
#[test]
fn ten_thousand_requests_in_a_clients_name_do_not_lock_it_out() {
    let mut twin = Pair::new(Setup::new(CBC), 90);
    twin.connect();
    twin.run(20);
    assert!(twin.both_up());

    let mould = Mould::new();
    let mut pair = Pair::new(Setup::new(CBC), 90);
    for number in 0..10_000 {
        let (answers, discards) = send(&mut pair, from_client(), &mould.request(number, None));
        assert_eq!(answers.len(), 1);
        let free = usize::try_from(number).unwrap() < SOURCE_WATERMARK;
        assert_eq!(discards.is_empty(), free, "{number}: {discards:?}");
    }
    assert_eq!(pair.server.endpoint.len(), SOURCE_WATERMARK);
    pair.connect();
    pair.run(10);
    assert_eq!((pair.server.ready(), pair.client.ready()), (1, 1));
    assert_eq!(pair.server.discarded, [Discard::CookieSent]);
    pair.assert_children_match();
}

#[test]
fn a_source_with_cookies_is_dropped_at_its_limit_and_others_are_not() {
    let mould = Mould::new();
    let mut pair = Pair::new(Setup::new(CBC), 91);
    let mut dropped = 0;
    for number in 0..1_000 {
        match &knock(&mut pair, &mould, from(7), number)[..] {
            [] => {}
            [Discard::SourceLimited] => dropped += 1,
            other => panic!("{other:?}"),
        }
    }
    let held = pair.server.endpoint.half_open();
    assert_eq!((held, dropped), (SOURCE_LIMIT, 1_000 - SOURCE_LIMIT));
    // Nobody else is even asked for a cookie.
    pair.connect();
    pair.run(10);
    assert_eq!((pair.server.ready(), pair.client.ready()), (1, 1));
    assert_eq!(pair.server.discarded, []);
    // Its share is free again when its SAs have not gone on.
    pair.run(HALF_OPEN_TIMEOUT.as_secs());
    assert_eq!(knock(&mut pair, &mould, from(7), 5_000), []);
}

// However little room is configured: one host that receives what is sent to it does not take it all, nor does who
// only claims to be that host take its share.
#[test]
fn a_source_has_its_share_of_what_little_room_there_is() {
    let mould = Mould::new();
    for limit in [
        |setup: &mut Setup| setup.server.sa_limit = Some(16),
        |setup: &mut Setup| setup.server.negotiating_limit = 16,
    ] {
        let mut setup = Setup::new(CBC);
        limit(&mut setup);
        let mut pair = Pair::new(setup, 95);
        for number in 0..100 {
            send(&mut pair, from(7), &mould.request(number, None));
        }
        assert_eq!(pair.server.endpoint.len(), 2);
        let mut dropped = 0;
        for number in 100..200 {
            match &knock(&mut pair, &mould, from(7), number)[..] {
                [] => {}
                [Discard::SourceLimited] => dropped += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((pair.server.endpoint.len(), dropped), (4, 98));
        // Everybody else comes in.
        pair.connect();
        pair.run(10);
        assert_eq!((pair.server.ready(), pair.client.ready()), (1, 1));
        pair.assert_children_match();
    }
}

// What is left is little where many SAs are up.
#[test]
fn a_source_has_its_share_of_the_room_that_those_who_are_up_leave() {
    let mould = Mould::new();
    let mut setup = Setup::new(CBC);
    setup.server.sa_limit = Some(6);
    let mut pair = Pair::new(setup, 96);
    for up in 1..=4 {
        pair.connect();
        pair.run(10);
        assert_eq!(pair.server.ready(), up);
    }
    pair.server.discarded.clear();
    for number in 0..100 {
        let expected: &[_] = if number == 0 {
            &[]
        } else {
            &[Discard::SourceLimited]
        };
        assert_eq!(knock(&mut pair, &mould, from(7), number), expected);
    }
    pair.connect();
    pair.run(10);
    assert_eq!(pair.server.ready(), 5);
}

// A host has a /64 to itself and may send from every address in it.
#[test]
fn the_addresses_of_one_ipv6_network_share_one_limit() {
    let mould = Mould::new();
    let mut pair = Pair::new(Setup::new(CBC), 92);
    let at = |network: u16, host: u32| {
        let [high, low] = [host >> 16, host & 0xffff].map(|one| u16::try_from(one).unwrap());
        let remote = Ipv6Addr::new(0x2001, 0xdb8, 0, network, 1, 2, high, low);
        Path {
            local: "[2001:db8:ffff::1]:500".parse().unwrap(),
            remote: SocketAddr::new(remote.into(), 500),
            framing: Framing::Bare,
        }
    };
    let mut dropped = 0;
    for number in 0..500 {
        let discards = knock(&mut pair, &mould, at(1, number * 70_000), number);
        dropped += usize::from(discards == [Discard::SourceLimited]);
    }
    assert_eq!(dropped, 500 - SOURCE_LIMIT);
    assert_eq!(knock(&mut pair, &mould, at(2, 1), 600), []);
}

// A site has as many /64s as it likes, and receives in each of them.
#[test]
fn the_networks_of_one_site_do_not_lock_everybody_out() {
    let mould = Mould::new();
    let mut setup = Setup::new(CBC);
    setup.server.half_open_limit = 400;
    setup.server.source_limit = 40;
    let at = |site: u16, network: u16| Path {
        local: "[2001:db8:ffff::1]:500".parse().unwrap(),
        remote: SocketAddr::new(
            Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1).into(),
            500,
        ),
        framing: Framing::Bare,
    };
    for (sites, held) in [(1, 160), (8, 300)] {
        let mut pair = Pair::new(setup.clone(), 97);
        let mut number = 0;
        for network in 0..20 {
            for site in 0..sites {
                for _ in 0..40 / sites {
                    number += 1;
                    let discards = knock(&mut pair, &mould, at(site, network * 256), number);
                    assert!(discards.is_empty() || discards == [Discard::SourceLimited]);
                }
            }
        }
        assert_eq!(pair.server.endpoint.half_open(), held);
        pair.connect();
        pair.run(10);
        assert_eq!((pair.server.ready(), pair.client.ready()), (1, 1));
    }
}

// An SA inside EAP is not half-open and lives for minutes: a source has a share of these as well.
#[test]
fn a_source_may_not_fill_the_table_with_logins_that_never_end() {
    let mut setup = Setup::new(CBC);
    setup.server.source_negotiating_limit = 3;
    let mut twin = Pair::new(setup.clone(), 93);
    for _ in 0..3 {
        twin.connect();
    }
    twin.run(20);
    assert_eq!((twin.server.ready(), twin.client.ready()), (3, 3));
    // Those that are up are no strangers any more.
    twin.connect();
    twin.run(20);
    assert_eq!(twin.server.ready(), 4);

    setup.silent = |ask| matches!(ask, Ask::Eap(_));
    let mut pair = Pair::new(setup, 93);
    for _ in 0..5 {
        pair.connect();
    }
    pair.run(1);
    assert_eq!(pair.server.endpoint.len(), 3);
    assert_eq!(pair.server.endpoint.half_open(), 0);
    let limited = [Discard::SourceLimited, Discard::SourceLimited];
    assert_eq!(pair.server.discarded, limited);
}

// What was refused lingers to say so again: that too is memory that a stranger takes.
#[test]
fn a_refused_login_counts_until_it_is_forgotten() {
    let mut setup = Setup::new(CBC);
    setup.server.source_negotiating_limit = 1;
    setup.password = b"another password";
    let mut pair = Pair::new(setup, 94);
    pair.connect();
    pair.run(1);
    assert_eq!(pair.server.closed.len(), 1, "{:?}", pair.server.log);
    let mould = Mould::new();
    assert_eq!(
        knock(&mut pair, &mould, from_client(), 1),
        [Discard::SourceLimited]
    );
    assert_eq!(knock(&mut pair, &mould, from(9), 2), []);
    pair.run(LINGER.as_secs());
    assert_eq!(knock(&mut pair, &mould, from_client(), 3), []);
}
