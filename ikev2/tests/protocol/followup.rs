//! Further key exchanges after CREATE_CHILD_SA, in IKE_FOLLOWUP_KE (RFC 9370).

#![cfg(feature = "aws-lc")]

use std::time::Duration;

use ironflex_ikev2::{
    config::{Pfs, Upkeep},
    crypto::suite::{Additional, Group, IkeSuite},
    event::{CloseReason, Command},
    refusal::{PeerMisbehaved, Refusal},
    wire::{
        Header, Payload,
        payload::{KePayload, Nonce, Notify, Proposal, SaPayload, Transform},
        registry::{
            EncryptionId, ExchangeType, GroupId, NotifyType, PrfId, ProtocolId, TransformType,
        },
    },
};

use crate::{
    holder::Holder,
    rekey::{assert_ends_cleanly, assert_settled, inbound, rekey_child, rekey_ike, run, spis, up},
    support::*,
};

fn hybrid(suite: IkeSuite, groups: &[Group]) -> IkeSuite {
    IkeSuite {
        additional: Additional::of(groups),
        ..suite
    }
}

fn setup(groups: &[Group]) -> Setup {
    let mut setup = Setup::with_pre_shared_key(hybrid(GCM, groups));
    // Each message is one datagram.
    setup.connect.fragmentation.cisco = false;
    for upkeep in [&mut setup.peer.upkeep, &mut setup.connect.upkeep] {
        *upkeep = Upkeep {
            pfs: Pfs::Required(vec![Group::EcpP256]),
            pfs_additional: groups.iter().map(|&group| vec![group]).collect(),
            ..upkeep.clone()
        };
    }
    setup
}

/// How many requests of this exchange there were, repeats and fragments left out.
fn requests(pair: &Pair, exchange: ExchangeType) -> usize {
    let headers = pair
        .wire
        .iter()
        .map(|(_, octets)| Header::peek(octets).unwrap());
    let mut ids: Vec<_> = headers
        .filter(|one| one.exchange == exchange && !one.flags.is_response())
        .map(|one| {
            let initiator = one.flags.is_initiator();
            (one.initiator_spi, initiator, one.message_id.0)
        })
        .collect();
    ids.sort();
    ids.dedup();
    ids.len()
}

// RFC 9370 §rules#7, RFC 9370 §rules#8: linked to each other by what the responder gives.
#[test]
fn either_end_replaces_the_ike_sa_with_one_or_more_further_exchanges() {
    for groups in [
        &[Group::MlKem768][..],
        &[Group::MlKem512, Group::EcpP384, Group::MlKem1024],
    ] {
        for server in [true, false] {
            let mut pair = up(setup(groups), 1);
            for round in 1..=2 {
                let before = spis(&pair, server);
                rekey_ike(&mut pair, server);
                run(&mut pair, 30);
                assert_ne!(spis(&pair, server), before);
                assert_settled(&mut pair);
                let sent = requests(&pair, ExchangeType::IKE_FOLLOWUP_KE);
                assert_eq!(sent, groups.len() * round);
            }
            let view = pair.server.endpoint.views().next().unwrap();
            assert_eq!(view.suite.additional, Additional::of(groups));
            // What comes of it is as good as any.
            rekey_child(&mut pair, !server);
            run(&mut pair, 30);
            assert_settled(&mut pair);
            assert_ends_cleanly(pair, server);
        }
    }
}

#[test]
fn either_end_replaces_a_child_sa_with_further_exchanges() {
    for groups in [&[Group::MlKem768][..], &[Group::MlKem1024, Group::MlKem512]] {
        for server in [true, false] {
            let mut pair = up(setup(groups), 2);
            let before = (inbound(&pair, true), inbound(&pair, false));
            rekey_child(&mut pair, server);
            run(&mut pair, 30);
            let after = (inbound(&pair, true), inbound(&pair, false));
            assert!(before.0 != after.0 && before.1 != after.1);
            assert_settled(&mut pair);
            let sent = requests(&pair, ExchangeType::IKE_FOLLOWUP_KE);
            assert_eq!(sent, groups.len());
        }
    }
}

// RFC 7296 §2.25#1: who is closing the SA brings nothing to its end there; its peer has not misbehaved by having begun.
#[test]
fn a_series_that_a_delete_crosses_is_put_off_and_the_sa_ends_as_deleted() {
    let mut pair = up(setup(&[Group::MlKem768]), 8);
    rekey_child(&mut pair, false);
    let until = pair.now.after(Duration::from_secs(5));
    loop {
        let (to_server, _, octets) = pair.next_flight().unwrap();
        if to_server && Header::peek(&octets).unwrap().exchange == ExchangeType::IKE_FOLLOWUP_KE {
            break;
        }
        assert!(pair.step(until));
    }
    // The Delete is lost once, so that the key exchange is the first to be answered.
    pair.tamper = Some(Box::new(|to_server, octets| {
        to_server || Header::peek(octets).unwrap().flags.is_response()
    }));
    let id = pair.server.sas[0];
    pair.command(true, Command::Delete(id));
    pair.run(1);
    assert!(pair.client.closed.is_empty(), "{:?}", pair.client.closed);
    pair.tamper = None;
    pair.run(30);
    assert_eq!(pair.client.closed, [CloseReason::PeerDeleted]);
    assert_eq!(pair.server.closed, [CloseReason::Deleted]);
    pair.assert_clean();
}

#[test]
fn a_responder_that_asks_for_none_takes_what_it_may() {
    let mut setup = setup(&[Group::MlKem768]);
    setup.peer.upkeep.pfs = Pfs::default();
    setup.peer.upkeep.pfs_additional = vec![Group::ML_KEM.to_vec()];
    let mut pair = up(setup, 3);
    rekey_child(&mut pair, false);
    run(&mut pair, 30);
    assert_settled(&mut pair);
    assert_eq!(requests(&pair, ExchangeType::IKE_FOLLOWUP_KE), 1);
    // Its own are as before.
    let mut plain = up(
        {
            let mut setup = pair.setup.clone();
            setup.connect.upkeep.pfs = Pfs::default();
            setup.connect.upkeep.pfs_additional = Vec::new();
            setup
        },
        4,
    );
    rekey_child(&mut plain, true);
    run(&mut plain, 30);
    assert_settled(&mut plain);
    assert_eq!(requests(&plain, ExchangeType::IKE_FOLLOWUP_KE), 0);
}

// A peer that takes no child SA without further exchanges says no more than NO_PROPOSAL_CHOSEN to one without.
#[test]
fn who_is_configured_for_no_key_exchange_has_the_further_ones_that_its_peer_wants() {
    for server in [true, false] {
        let mut setup = setup(&[Group::MlKem768]);
        let asking = if server {
            &mut setup.peer.upkeep
        } else {
            &mut setup.connect.upkeep
        };
        asking.pfs = Pfs::default();
        asking.pfs_additional = vec![Group::ML_KEM.to_vec()];
        let mut pair = up(setup, 5);
        // Once without any, once with the group of the IKE SA, and then as the peer wants it.
        for (round, asked) in [(1, 3), (2, 1)] {
            pair.wire.clear();
            let before = (inbound(&pair, true), inbound(&pair, false));
            rekey_child(&mut pair, server);
            run(&mut pair, 30);
            let after = (inbound(&pair, true), inbound(&pair, false));
            assert!(before.0 != after.0 && before.1 != after.1, "round {round}");
            assert_settled(&mut pair);
            assert_eq!(requests(&pair, ExchangeType::CREATE_CHILD_SA), asked);
            assert_eq!(requests(&pair, ExchangeType::IKE_FOLLOWUP_KE), 1);
        }
    }
}

// RFC 7296 §2.25#1: on an IKE SA that is being deleted nothing is made; that is no fault of either end.
#[test]
fn a_further_exchange_that_meets_a_delete_is_put_off() {
    for server in [true, false] {
        for rekey in [rekey_child, rekey_ike as fn(&mut Pair, bool)] {
            let mut pair = up(setup(&[Group::MlKem768]), 6);
            rekey(&mut pair, !server);
            while requests(&pair, ExchangeType::IKE_FOLLOWUP_KE) == 0 {
                let until = pair.now.after(Duration::from_secs(1));
                assert!(pair.step(until));
            }
            // The Delete has to be said again, so that the answer to the exchange is there first.
            let mut lost = false;
            pair.tamper = Some(Box::new(move |_, octets| {
                let delete = Header::peek(octets).unwrap().exchange == ExchangeType::INFORMATIONAL;
                let heard = lost || !delete;
                lost |= delete;
                heard
            }));
            let end = if server { &pair.server } else { &pair.client };
            pair.command(server, Command::Delete(end.sas[0]));
            pair.run(200);
            pair.assert_clean();
            let asked = if server { &pair.client } else { &pair.server };
            assert_eq!(asked.closed, [CloseReason::PeerDeleted]);
        }
    }
}

#[test]
fn ml_kem_may_be_the_only_key_exchange_of_a_rekeying() {
    let mut setup = Setup::with_pre_shared_key(IkeSuite {
        group: Group::MlKem768,
        ..GCM
    });
    for upkeep in [&mut setup.peer.upkeep, &mut setup.connect.upkeep] {
        upkeep.pfs = Pfs::Required(vec![Group::MlKem512]);
    }
    for server in [true, false] {
        let mut pair = up(setup.clone(), 5);
        rekey_ike(&mut pair, server);
        run(&mut pair, 30);
        rekey_child(&mut pair, server);
        run(&mut pair, 30);
        assert_settled(&mut pair);
    }
}

// RFC 7296 §2.8, RFC 9370: whoever is faster, one of each remains.
#[test]
fn both_ends_may_begin_at_once_and_one_of_each_remains() {
    for seed in 0..40 {
        for kind in [rekey_ike as fn(&mut Pair, bool), rekey_child] {
            let mut pair = up(setup(&[Group::MlKem768, Group::MlKem512]), seed);
            pair.weather = Weather {
                loss: seed % 2 * 5,
                duplication: 10,
                reordering: seed % 3 * 20,
            };
            let first = seed % 2 == 0;
            kind(&mut pair, first);
            for _ in 0..seed % 9 {
                let until = pair.now.after(Duration::from_millis(500));
                pair.step(until);
            }
            kind(&mut pair, !first);
            run(&mut pair, 240);
            pair.weather = Weather::default();
            run(&mut pair, 240);
            assert_settled(&mut pair);
        }
    }
}

// --- A peer that holds the keys ---

/// An SA that is up, the client's keys, its path, and the number of its next request.
fn held() -> (Pair, Holder, ironflex_ikev2::event::Path, u32) {
    let mut pair = Pair::new(setup(&[Group::MlKem768]), 700);
    pair.server.endpoint.key_log(true);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    let holder = Holder::of(&pair.server);
    let (path, next) = {
        let view = pair.server.endpoint.views().next().unwrap();
        (view.path, view.next_expected)
    };
    (pair, holder, path, next)
}

fn ke(group: Group, length: usize) -> Payload {
    Payload::Ke(KePayload {
        group: GroupId(group.number()),
        data: vec![9; length],
    })
}

fn link(data: &[u8]) -> Payload {
    let kind = NotifyType::ADDITIONAL_KEY_EXCHANGE;
    Payload::Notify(Notify::new(kind, data.to_vec()))
}

/// Asks for a new IKE SA with one further key exchange.
fn rekeying() -> Vec<Payload> {
    let transforms = vec![
        Transform::encryption(EncryptionId::ENCR_AES_GCM_16, Some(256)),
        Transform::prf(PrfId::PRF_HMAC_SHA2_384),
        Transform::group(GroupId(31)),
        Transform::new(TransformType::ADDKE1, 36),
    ];
    vec![
        Payload::Sa(SaPayload::single(Proposal {
            number: 1,
            protocol: ProtocolId::IKE,
            spi: vec![7; 8],
            transforms,
        })),
        Payload::Nonce(Nonce::new(vec![7; 32]).unwrap()),
        ke(Group::Curve25519, 32),
    ]
}

/// Sends a request in the client's place; the payloads of the answer.
fn ask(
    pair: &mut Pair,
    holder: &Holder,
    path: ironflex_ikev2::event::Path,
    (exchange, id): (ExchangeType, u32),
    payloads: &[Payload],
) -> Vec<Payload> {
    let sealed = holder.seal(&holder.header(exchange, true, false, id), payloads);
    let before = pair.wire.len();
    pair.inject(path, &sealed);
    let (_, answer) = &pair.wire[before];
    holder.open(answer).1
}

fn said(payloads: &[Payload]) -> Vec<NotifyType> {
    let notifies = payloads.iter().filter_map(|one| match one {
        Payload::Notify(said) => Some(said.kind),
        _ => None,
    });
    notifies.collect()
}

fn link_in(payloads: &[Payload]) -> Vec<u8> {
    let found = payloads.iter().find_map(|one| match one {
        Payload::Notify(said) if said.kind == NotifyType::ADDITIONAL_KEY_EXCHANGE => {
            Some(said.data.clone())
        }
        _ => None,
    });
    found.unwrap()
}

const CREATE: ExchangeType = ExchangeType::CREATE_CHILD_SA;
const FOLLOW: ExchangeType = ExchangeType::IKE_FOLLOWUP_KE;

/// The unharmed twin: the peer's rekeying goes through.
fn unharmed() {
    let (mut pair, holder, path, next) = held();
    let answer = ask(&mut pair, &holder, path, (CREATE, next), &rekeying());
    let link = link(&link_in(&answer));
    // A value of zeros is an encapsulation key like any other.
    let value = Payload::Ke(KePayload {
        group: GroupId(36),
        data: vec![0; 1184],
    });
    let answer = ask(&mut pair, &holder, path, (FOLLOW, next + 1), &[value, link]);
    assert!(matches!(answer[..], [Payload::Ke(_)]), "{}", answer.len());
    assert!(pair.server.log.contains(&"rekeyed".to_owned()));
}

// RFC 9370 §rules#9: a key exchange that follows nothing is refused, and nothing else happens.
#[test]
fn a_key_exchange_that_follows_nothing_is_refused_and_the_sa_goes_on() {
    unharmed();
    let (mut pair, holder, path, next) = held();
    let value = || ke(Group::MlKem768, 1184);
    let lost = [NotifyType::STATE_NOT_FOUND];
    let answer = ask(
        &mut pair,
        &holder,
        path,
        (FOLLOW, next),
        &[value(), link(b"x")],
    );
    assert_eq!(said(&answer), lost);
    let answer = ask(&mut pair, &holder, path, (CREATE, next + 1), &rekeying());
    let named = link_in(&answer);
    let mut other = named.clone();
    other[0] ^= 1;
    for (id, payloads) in (next + 2..).zip([
        vec![value()],
        vec![value(), link(&other)],
        vec![value(), link(&[])],
    ]) {
        let answer = ask(&mut pair, &holder, path, (FOLLOW, id), &payloads);
        assert_eq!(said(&answer), lost);
    }
    // While one is half done no other begins.
    let answer = ask(&mut pair, &holder, path, (CREATE, next + 5), &rekeying());
    assert_eq!(said(&answer), [NotifyType::TEMPORARY_FAILURE]);
    assert!(pair.server.closed.is_empty());
    assert!(!pair.server.log.contains(&"rekeyed".to_owned()));
}

// RFC 9370 §rules#9: half-done state is not kept for ever.
#[test]
fn what_is_half_done_is_forgotten_after_twenty_seconds() {
    unharmed();
    let (mut pair, holder, path, next) = held();
    let answer = ask(&mut pair, &holder, path, (CREATE, next), &rekeying());
    let link = link(&link_in(&answer));
    pair.tamper = Some(Box::new(|_, _| false));
    pair.run(21);
    let value = ke(Group::MlKem768, 1184);
    let answer = ask(&mut pair, &holder, path, (FOLLOW, next + 1), &[value, link]);
    assert_eq!(said(&answer), [NotifyType::STATE_NOT_FOUND]);
    let answer = ask(&mut pair, &holder, path, (CREATE, next + 2), &rekeying());
    assert!(!link_in(&answer).is_empty());
    assert!(pair.server.closed.is_empty());
}

#[test]
fn a_bad_value_in_a_further_exchange_ends_the_sa_as_one_in_the_first_does() {
    unharmed();
    for (group, length) in [
        (Group::MlKem768, 1183),
        (Group::MlKem512, 800),
        (Group::Curve25519, 32),
    ] {
        let (mut pair, holder, path, next) = held();
        let answer = ask(&mut pair, &holder, path, (CREATE, next), &rekeying());
        let link = link(&link_in(&answer));
        let answer = ask(
            &mut pair,
            &holder,
            path,
            (FOLLOW, next + 1),
            &[ke(group, length), link],
        );
        assert_eq!(said(&answer), [NotifyType::INVALID_SYNTAX]);
        let refused = Refusal::from(PeerMisbehaved::BadKeyExchange);
        assert_eq!(pair.server.closed, [CloseReason::Refused(refused)]);
    }
}

// The headend forgets in the middle: the client begins anew.
#[test]
fn an_initiator_whose_exchange_was_forgotten_begins_anew() {
    let mut pair = up(setup(&[Group::MlKem768]), 9);
    // The first of them and its repeats are lost, until the headend has forgotten.
    let mut lost = 0;
    pair.tamper = Some(Box::new(move |to_server, octets| {
        let follows = to_server && Header::peek(octets).unwrap().exchange == FOLLOW;
        lost += u32::from(follows);
        !follows || lost > 4
    }));
    let id = pair.client.sas[0];
    pair.command(false, Command::Rekey(id));
    run(&mut pair, 200);
    pair.tamper = None;
    assert!(pair.client.log.contains(&"rekeyed".to_owned()));
    assert!(
        pair.client
            .log
            .contains(&"notified STATE_NOT_FOUND".to_owned())
    );
    assert_settled(&mut pair);
}
