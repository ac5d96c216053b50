//! Post-quantum pre-shared keys in both roles (RFC 8784).

use ironflex_ikev2::{
    config::{Ppk, Redirection},
    counters::PostQuantumKeys,
    event::{CloseReason, Command},
    refusal::{AuthFault, PeerIncompatible, PeerMisbehaved, Refusal},
    wire::{
        Header, Payload,
        payload::{Gateway, Notify},
        registry::{ExchangeType, NotifyType},
    },
};

use crate::{holder::Holder, support::*};

fn ppk(id: &str, key: &[u8], required: bool) -> Option<Ppk> {
    Some(Ppk {
        id: id.as_bytes().to_vec(),
        key: pre_shared_key(key),
        required,
    })
}

/// The same login with PPKs at both ends, the server's first.
fn login(mut setup: Setup, server: Option<Ppk>, client: Option<Ppk>, seed: u64) -> Pair {
    setup.server.ppk = server.is_some();
    setup.peer.ppk = server;
    setup.connect.ppk = client;
    let mut pair = Pair::new(setup, seed);
    pair.server.endpoint.key_log(true);
    pair.connect();
    pair.run(30);
    pair
}

/// Whether both ends use one; the login has succeeded.
fn used(pair: &Pair) -> bool {
    assert!(
        pair.both_up(),
        "{:?} {:?}",
        pair.server.log,
        pair.client.log
    );
    pair.assert_children_match();
    let of = |end: &End| end.endpoint.views().next().unwrap().ppk;
    assert_eq!(of(&pair.server), of(&pair.client));
    of(&pair.server)
}

/// What the server has counted of them.
fn assert_counted(pair: &Pair, expected: PostQuantumKeys) {
    assert_eq!(pair.server.endpoint.counters().ppks, expected);
}

const KINDS: [fn() -> Setup; 3] = [
    || Setup::new(GCM),
    || Setup::with_certificate(CBC),
    || Setup::with_pre_shared_key(GCM),
];

// RFC 8784 §3#1: named in IKE_SA_INIT whether or not it is required.
#[test]
fn both_ends_use_the_key_that_both_have_with_each_kind_of_proof() {
    for (seed, kind) in (1..).zip(KINDS) {
        for required in [false, true] {
            let own = || ppk("lab", b"a post-quantum key", required);
            let mut pair = login(kind(), own(), own(), seed);
            assert!(used(&pair));
            let counted = PostQuantumKeys {
                used: 1,
                ..PostQuantumKeys::default()
            };
            assert_counted(&pair, counted);
            // RFC 8784 §3#3: only the initial exchanges mix it in; the SA goes on with what came of it.
            let id = pair.client.sas[0];
            pair.command(false, Command::Rekey(id));
            pair.run(20);
            assert!(used(&pair));
            pair.assert_traffic_flows();
        }
    }
}

// RFC 8784 §3, RFC 5685 §6#3: the answer that redirects says of the key what every other does.
#[test]
fn a_client_that_uses_the_key_is_redirected_once_it_is_authenticated() {
    for (seed, kind) in (6..).zip(KINDS) {
        for required in [false, true] {
            let own = || ppk("lab", b"a post-quantum key", required);
            let mut setup = kind();
            setup.connect.redirection = Redirection::Followed;
            assert!(used(&login(setup.clone(), own(), own(), seed)));
            let elsewhere = Gateway::address("192.0.2.7".parse().unwrap());
            setup.peer.redirect.clone_from(&elsewhere);
            let pair = login(setup, own(), own(), seed);
            let redirected = [CloseReason::Redirected(elsewhere.unwrap())];
            assert_eq!(pair.client.closed, redirected, "required: {required}");
            assert_eq!(pair.server.closed, redirected);
        }
    }
}

// RFC 8784 §3: SK_d, SK_pi and SK_pr are mixed, and the keys of messages are not.
#[test]
fn the_key_changes_the_child_sa_and_not_the_protection_of_messages() {
    let plain = login(Setup::with_pre_shared_key(GCM), None, None, 5);
    let own = || ppk("lab", b"a post-quantum key", true);
    let mixed = login(Setup::with_pre_shared_key(GCM), own(), own(), 5);
    let ike = |pair: &Pair| match &pair.server.ike_keys[0] {
        ironflex_ikev2::event::KeyLog::Ike { keys, .. } => keys[0].as_bytes().to_vec(),
        ironflex_ikev2::event::KeyLog::Esp { .. } => Vec::new(),
    };
    let child = |pair: &Pair| {
        let child = pair.server.installed.values().next().unwrap();
        child.keys.inbound.encryption().as_bytes().to_vec()
    };
    assert_eq!(ike(&plain), ike(&mixed));
    assert_ne!(child(&plain), child(&mixed));
}

// RFC 8784 §3#2, RFC 8784 §3#9: who must have it ends what goes without.
#[test]
fn an_end_without_the_key_is_served_where_it_is_optional_and_not_where_it_is_required() {
    for (seed, kind) in (10..).zip(KINDS) {
        let key = |required| ppk("lab", b"a post-quantum key", required);
        let pair = login(kind(), None, key(false), seed);
        assert!(!used(&pair));
        assert_counted(&pair, PostQuantumKeys::default());
        let pair = login(kind(), key(false), None, seed);
        assert!(!used(&pair));
        let unused = PostQuantumKeys {
            unused: 1,
            ..PostQuantumKeys::default()
        };
        assert_counted(&pair, unused);
        let refused = Refusal::from(PeerIncompatible::NoPpk);

        let pair = login(kind(), None, key(true), seed);
        assert_eq!(*refusal(&pair.client.closed[0]), refused);
        assert_eq!(pair.server.ready(), 0);

        let pair = login(kind(), key(true), None, seed);
        assert_eq!(*refusal(&pair.server.closed[0]), refused);
        let required = PostQuantumKeys {
            required: 1,
            ..PostQuantumKeys::default()
        };
        assert_counted(&pair, required);
        let told = Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED);
        assert_eq!(pair.client.closed, [CloseReason::Refused(told)]);
    }
}

// RFC 8784 §3#4-5: another name than the responder's.
#[test]
fn ends_with_keys_of_different_names_do_without_if_both_may() {
    for (seed, kind) in (20..).zip(KINDS) {
        for (server, client, expected) in [
            (false, false, true),
            (true, false, false),
            (false, true, false),
            (true, true, false),
        ] {
            let theirs = ppk("headend", b"a post-quantum key", server);
            let ours = ppk("client", b"a post-quantum key", client);
            let pair = login(kind(), theirs, ours, seed);
            let counted = PostQuantumKeys {
                unknown: 1,
                unused: expected.into(),
                required: server.into(),
                ..PostQuantumKeys::default()
            };
            assert_counted(&pair, counted);
            if expected {
                assert!(!used(&pair));
                continue;
            }
            let refused = Refusal::from(PeerIncompatible::NoPpk);
            assert_eq!(*refusal(&pair.server.closed[0]), refused);
            assert_eq!(pair.client.ready(), 0);
        }
    }
}

#[test]
fn another_key_of_the_same_name_fails_and_is_no_reason_to_do_without() {
    for (seed, kind) in (30..).zip(KINDS) {
        for required in [false, true] {
            let theirs = ppk("lab", b"a post-quantum key", required);
            let ours = ppk("lab", b"another post-quantum key", false);
            let pair = login(kind(), theirs, ours, seed);
            let failed = Refusal::from(PeerMisbehaved::AuthenticationFailed(
                AuthFault::OtherKeyOrPpk,
            ));
            assert_eq!(*refusal(&pair.server.closed[0]), failed);
            assert_eq!(pair.client.ready(), 0);
            let unproven = PostQuantumKeys {
                unproven: 1,
                unproven_required: required.into(),
                ..PostQuantumKeys::default()
            };
            assert_counted(&pair, unproven);
        }
    }
}

// RFC 8784 §3: USE_PPK is not protected, and who takes it away is found out where the key is required; a
// better answer is waited for, since nothing of IKE_SA_INIT is proven.
#[test]
fn an_answer_without_use_ppk_is_not_believed_where_the_key_is_required() {
    let key = || ppk("lab", b"a post-quantum key", true);
    let mut setup = Setup::with_pre_shared_key(GCM);
    setup.server.ppk = true;
    setup.peer.ppk = key();
    setup.connect.ppk = key();
    let mut pair = Pair::new(setup, 40);
    let mut harmed = false;
    pair.tamper = Some(Box::new(move |to_server, octets| {
        let init = Header::peek(octets).unwrap().exchange == ExchangeType::IKE_SA_INIT;
        if init && !to_server && !harmed {
            harmed = true;
            let said = NotifyType::USE_PPK.0.to_be_bytes();
            let at = octets.windows(2).rposition(|pair| pair == said).unwrap();
            octets[at..][..2].copy_from_slice(&[0xff, 0xfe]);
        }
        true
    }));
    pair.connect();
    pair.run(30);
    assert!(used(&pair));
}

// RFC 8784 §3#8: that the responder says it counts, and not what it holds.
#[test]
fn what_the_responders_ppk_identity_holds_is_ignored() {
    for held in [&b""[..], b"lab", b"somebody else's", &[0xff; 300]] {
        let mut setup = Setup::with_pre_shared_key(GCM);
        // Each message is one datagram.
        setup.connect.fragmentation.cisco = false;
        let own = || ppk("lab", b"a post-quantum key", true);
        (setup.server.ppk, setup.peer.ppk, setup.connect.ppk) = (true, own(), own());
        let mut pair = Pair::new(setup, 77);
        pair.client.endpoint.key_log(true);
        pair.connect();
        let until = pair.now.after(std::time::Duration::from_secs(5));
        let (path, octets) = loop {
            if let Some((false, path, octets)) = pair.next_flight()
                && Header::peek(&octets).unwrap().exchange == ExchangeType::IKE_AUTH
            {
                break (path, octets);
            }
            assert!(pair.step(until));
        };
        pair.lose_flights();
        let holder = Holder::of(&pair.client);
        let (header, mut payloads) = holder.open(&octets);
        let said = payloads.iter_mut().find_map(|one| match one {
            Payload::Notify(said) if said.kind == NotifyType::PPK_IDENTITY => Some(said),
            _ => None,
        });
        *said.unwrap() = Notify::new(NotifyType::PPK_IDENTITY, held.to_vec());
        let sealed = holder.seal(&header, &payloads);
        pair.deliver(false, path, &sealed);
        pair.run(5);
        assert!(used(&pair), "{held:?}");
    }
}
