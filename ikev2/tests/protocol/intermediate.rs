//! Key exchanges after the first, in IKE_INTERMEDIATE (RFC 9242, RFC 9370), between two endpoints.

#![cfg(feature = "aws-lc")]

use ironflex_ikev2::{
    config::{FragmentationConfig, IkePolicy},
    crypto::suite::{Additional, Group, IkeSuite},
    event::{CloseReason, Command},
    refusal::Refusal,
    wire::{
        Header,
        registry::{ExchangeType, NotifyType},
    },
};

use crate::support::*;

fn with(suite: IkeSuite, groups: &[Group]) -> IkeSuite {
    IkeSuite {
        additional: Additional::of(groups),
        ..suite
    }
}

fn login(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.connect();
    pair.run(30);
    pair
}

fn assert_up(pair: &Pair) {
    assert!(
        pair.both_up(),
        "{:?} {:?}",
        pair.server.log,
        pair.client.log
    );
    pair.assert_children_match();
}

/// The exchanges of the datagrams to the server, in order.
fn exchanges(pair: &Pair) -> Vec<ExchangeType> {
    let sent = pair.wire.iter().filter(|(to_server, _)| *to_server);
    sent.map(|(_, octets)| Header::peek(octets).unwrap().exchange)
        .collect()
}

fn intermediates(pair: &Pair) -> usize {
    let all = exchanges(pair).into_iter();
    all.filter(|&one| one == ExchangeType::IKE_INTERMEDIATE)
        .count()
}

/// The suite of the SA, which both ends must see alike.
fn suite(pair: &Pair) -> IkeSuite {
    let of = |end: &End| end.endpoint.views().next().unwrap().suite;
    assert_eq!(of(&pair.server), of(&pair.client));
    of(&pair.server)
}

// RFC 9370 §rules#12: both ends agree on all three, each value at its length.
#[test]
fn logs_in_with_each_parameter_set_by_each_kind_of_proof() {
    let kinds = [
        Setup::new as fn(IkeSuite) -> Setup,
        Setup::with_certificate,
        Setup::with_pre_shared_key,
    ];
    for (seed, group) in (1..).zip(Group::ML_KEM) {
        for kind in kinds {
            for plain in [CBC, GCM] {
                let wanted = with(plain, &[group]);
                let mut pair = login(kind(wanted), seed);
                assert_up(&pair);
                assert_eq!(suite(&pair), wanted);
                let expected = [
                    ExchangeType::IKE_SA_INIT,
                    ExchangeType::IKE_INTERMEDIATE,
                    ExchangeType::IKE_AUTH,
                ];
                let mut seen = exchanges(&pair);
                seen.dedup();
                assert_eq!(seen, expected);
                pair.command(false, Command::Delete(pair.client.sas[0]));
                pair.run(30);
                pair.assert_clean();
            }
        }
    }
}

// RFC 9370 §rules#4, RFC 9242 §3.2#1,4: each exchange has its own message ID and new keys. The last keys are those of IKE_AUTH.
#[test]
fn several_exchanges_follow_each_other_and_each_changes_the_keys() {
    let groups = [Group::MlKem1024, Group::EcpP384, Group::MlKem512];
    let mut setup = Setup::with_pre_shared_key(with(GCM, &groups));
    setup.connect.fragmentation.cisco = false;
    let mut pair = Pair::new(setup, 4);
    pair.server.endpoint.key_log(true);
    pair.client.endpoint.key_log(true);
    pair.connect();
    pair.run(30);
    assert_up(&pair);
    assert_eq!(suite(&pair).additional.groups().collect::<Vec<_>>(), groups);
    assert_eq!(intermediates(&pair), 3);
    let ids: Vec<u32> = pair
        .wire
        .iter()
        .filter(|(to_server, _)| *to_server)
        .map(|(_, octets)| Header::peek(octets).unwrap().message_id.0)
        .collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    let keys = |end: &End| -> Vec<Vec<u8>> {
        let each = end.ike_keys.iter().map(|log| match log {
            ironflex_ikev2::event::KeyLog::Ike { keys, .. } => keys[0].as_bytes().to_vec(),
            ironflex_ikev2::event::KeyLog::Esp { .. } => Vec::new(),
        });
        each.collect()
    };
    let mut generations = keys(&pair.server);
    assert_eq!(generations, keys(&pair.client));
    assert_eq!(generations.len(), 4);
    generations.sort();
    generations.dedup();
    assert_eq!(generations.len(), 4);
}

#[test]
fn ml_kem_may_be_the_first_key_exchange_and_the_only_one() {
    for group in Group::ML_KEM {
        let first = IkeSuite { group, ..GCM };
        let pair = login(Setup::new(first), 5);
        assert_up(&pair);
        assert_eq!((suite(&pair), intermediates(&pair)), (first, 0));
    }
    let both = IkeSuite {
        group: Group::MlKem512,
        additional: Additional::of(&[Group::EcpP256]),
        ..GCM
    };
    let pair = login(Setup::new(both), 6);
    assert_up(&pair);
    assert_eq!(suite(&pair), both);
}

// RFC 9370 §rules#3: an initiator for which they are optional offers a proposal without them too.
#[test]
fn an_old_peer_connects_as_before_where_they_are_optional_and_not_where_they_are_required() {
    let hybrid = with(GCM, &[Group::MlKem768]);
    let policy = |suites: &[IkeSuite]| {
        vec![IkePolicy {
            local: Vec::new(),
            proposals: suites.iter().map(|&one| proposal(one)).collect(),
        }]
    };
    let setup = |server: &[IkeSuite], client: &[IkeSuite]| {
        let mut setup = Setup::with_pre_shared_key(GCM);
        setup.connect.fragmentation.cisco = false;
        setup.server.policies = policy(server);
        setup.connect.proposals = client.iter().map(|&one| proposal(one)).collect();
        setup
    };
    let cases = [
        (&[hybrid, GCM][..], &[hybrid, GCM][..], Some(hybrid)),
        (&[hybrid, GCM], &[hybrid], Some(hybrid)),
        (&[hybrid], &[hybrid, GCM], Some(hybrid)),
        (&[hybrid, GCM], &[GCM], Some(GCM)),
        (&[GCM], &[hybrid, GCM], Some(GCM)),
        (&[hybrid], &[GCM], None),
        (&[GCM], &[hybrid], None),
    ];
    for (seed, (server, client, expected)) in (7..).zip(cases) {
        let pair = login(setup(server, client), seed);
        let Some(expected) = expected else {
            let told = Refusal::ByPeer(NotifyType::NO_PROPOSAL_CHOSEN);
            assert_eq!(pair.client.closed, [CloseReason::Refused(told)]);
            assert!(pair.server.endpoint.is_empty());
            continue;
        };
        assert_up(&pair);
        assert_eq!(suite(&pair), expected);
        assert_eq!(intermediates(&pair), usize::from(expected == hybrid));
    }
}

// RFC 9370 §rules#1: IKE_INTERMEDIATE must have been announced by both. The announcement is not protected
// then, but AUTH covers the messages that it stood in.
#[test]
fn nothing_additional_is_chosen_without_the_announcement_of_both() {
    let announcement = NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED.0.to_be_bytes();
    assert_up(&login(Setup::new(with(GCM, &[Group::MlKem768])), 20));
    for from_client in [true, false] {
        let mut pair = Pair::new(Setup::new(with(GCM, &[Group::MlKem768])), 20);
        pair.tamper = Some(Box::new(move |to_server, octets| {
            let header = Header::peek(octets).unwrap();
            if header.exchange == ExchangeType::IKE_SA_INIT && to_server == from_client {
                let at = octets.windows(2).rposition(|pair| pair == announcement);
                octets[at.unwrap()..][..2].copy_from_slice(&[0xff, 0xfe]);
            }
            true
        }));
        pair.connect();
        pair.run(30);
        assert_eq!(pair.server.ready() + pair.client.ready(), 0);
        let refused = pair.client.closed.iter().map(refusal).collect::<Vec<_>>();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(intermediates(&pair) == 0);
    }
}

// RFC 9242 §3.3.2#1-2: AUTH covers the messages as if they had come in one piece.
#[test]
fn the_exchanges_may_be_cut_in_either_form() {
    let ietf = FragmentationConfig {
        ietf: true,
        cisco: false,
        mtu: 576,
    };
    let cisco = FragmentationConfig {
        ietf: false,
        cisco: true,
        mtu: 576,
    };
    for fragmentation in [ietf, cisco] {
        for plain in [CBC, GCM] {
            let mut setup = Setup::with_pre_shared_key(with(plain, &[Group::MlKem1024]));
            setup.server.fragmentation = fragmentation;
            setup.connect.fragmentation = fragmentation;
            let pair = login(setup, 30);
            assert_up(&pair);
            assert!(intermediates(&pair) > 1, "{:?}", exchanges(&pair));
        }
    }
}

#[test]
fn every_login_succeeds_in_bad_weather() {
    for seed in 0..60 {
        let mut setup = Setup::with_pre_shared_key(with(GCM, &[Group::MlKem768, Group::MlKem512]));
        let fragmentation = FragmentationConfig {
            ietf: seed % 2 == 0,
            cisco: seed % 4 == 1,
            mtu: 576,
        };
        setup.server.fragmentation = fragmentation;
        setup.connect.fragmentation = fragmentation;
        let mut pair = Pair::new(setup, seed);
        pair.weather = Weather {
            loss: 10,
            duplication: 10,
            reordering: 20,
        };
        pair.connect();
        pair.run(120);
        assert!(
            pair.both_up(),
            "seed {seed}: {:?} {:?} {:?}",
            pair.server.log,
            pair.client.log,
            pair.discards()
        );
        pair.assert_children_match();
    }
}
