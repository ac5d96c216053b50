//! Who replaces a worn IKE SA, and when (RFC 7296 §2.8, §2.8.1).

use std::time::Duration;

use ironflex_ikev2::wire::{Header, registry::ExchangeType};

use crate::{rekey::up, support::*};

/// Seconds of the lifetime of these IKE SAs.
const LIFETIME: u64 = 1_000;

/// When one end, the only one that has a lifetime, asks for a new IKE SA: milliseconds after the login began.
fn asks_after(server: bool, seed: u64) -> u128 {
    let mut setup = Setup::with_pre_shared_key(GCM);
    let upkeep = if server {
        &mut setup.peer.upkeep
    } else {
        &mut setup.connect.upkeep
    };
    upkeep.lifetime = Some(Duration::from_secs(LIFETIME));
    let mut pair = Pair::new(setup, seed);
    let begun = pair.now;
    pair.connect();
    let until = begun.after(Duration::from_secs(LIFETIME));
    loop {
        let asked = pair.wire.iter().any(|(to_server, octets)| {
            let exchange = Header::peek(octets).unwrap().exchange;
            *to_server != server && exchange == ExchangeType::CREATE_CHILD_SA
        });
        if asked {
            return pair.now.since(begun).as_millis();
        }
        assert!(pair.step(until), "it was not asked for");
    }
}

// RFC 7296 §2.8.1#1: the times of both are jittered, within bounds; whatever both draw, the client goes first.
#[test]
fn the_time_of_a_rekeying_is_jittered_and_the_client_goes_before_its_headend() {
    let spread = |server| {
        let times: Vec<u128> = (0..120).map(|seed| asks_after(server, seed)).collect();
        (*times.iter().min().unwrap(), *times.iter().max().unwrap())
    };
    let (client_least, client_most) = spread(false);
    let (headend_least, headend_most) = spread(true);
    // A second for the login and the steps of the clock.
    assert!(client_least >= 800_000, "{client_least}");
    assert!(client_most <= 901_000, "{client_most}");
    assert!(headend_least >= 950_000, "{headend_least}");
    assert!(headend_most <= 976_000, "{headend_most}");
    assert!(client_most - client_least > 80_000, "not jittered");
    assert!(headend_most - headend_least > 20_000, "not jittered");
}

#[test]
fn with_one_lifetime_at_both_ends_only_the_client_asks() {
    for seed in 0..10 {
        let mut setup = Setup::new(GCM);
        let lifetime = Some(Duration::from_secs(LIFETIME));
        (setup.peer.upkeep.lifetime, setup.connect.upkeep.lifetime) = (lifetime, lifetime);
        let mut pair = up(setup, seed);
        pair.run(5 * LIFETIME);
        let asked = |server| {
            let requests = pair.wire.iter().filter(|(to_server, octets)| {
                let header = Header::peek(octets).unwrap();
                *to_server != server
                    && header.exchange == ExchangeType::CREATE_CHILD_SA
                    && !header.flags.is_response()
            });
            requests.count()
        };
        assert_eq!(asked(true), 0);
        assert!(asked(false) >= 5);
    }
}
