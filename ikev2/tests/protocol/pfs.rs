//! Child SAs with peers of which one wants a key exchange in every rekeying (perfect forward secrecy) and the
//! other is not configured for any (RFC 7296 §1.3, §1.3.3).

use std::time::Duration;

use ironflex_ikev2::{
    config::Pfs,
    crypto::suite::Group,
    event::Path,
    refusal::Refusal,
    wire::{
        Header, Payload,
        payload::{ConfigAttribute, Notify, Transform},
        registry::{ConfigAttributeType, ExchangeType, NotifyType, ProtocolId, TransformType},
    },
};

use crate::{
    holder::Holder,
    rekey::{assert_settled, inbound, rekey_child, rekey_ike, run},
    support::*,
};

/// The group that both ends have for the IKE SA.
const OF_IKE: Group = Group::Curve25519;

fn up(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.server.endpoint.key_log(true);
    pair.client.endpoint.key_log(true);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    pair.wire.clear();
    pair
}

/// Neither end wants a key exchange.
fn indifferent() -> Setup {
    let mut setup = Setup::with_certificate(GCM);
    // Each message is one datagram.
    setup.connect.fragmentation.cisco = false;
    setup
}

/// One end, the server or the client, insists on one of these groups.
fn insisting(server: bool, groups: &[Group]) -> Setup {
    let mut setup = indifferent();
    let upkeep = if server {
        &mut setup.peer.upkeep
    } else {
        &mut setup.connect.upkeep
    };
    upkeep.pfs = Pfs::Required(groups.to_vec());
    setup
}

/// The key exchange of each request for a child SA since the last look, by whom it was sent.
fn asked(pair: &mut Pair, by_server: bool) -> Vec<Option<Group>> {
    let holders: Vec<Holder> = pair
        .server
        .ike_keys
        .iter()
        .filter_map(Holder::from_log)
        .collect();
    let wire = std::mem::take(&mut pair.wire);
    let requests = wire.iter().filter(|(to_server, octets)| {
        let header = Header::peek(octets).unwrap();
        let request =
            header.exchange == ExchangeType::CREATE_CHILD_SA && !header.flags.is_response();
        *to_server != by_server && request
    });
    let opened = requests.map(|(_, octets)| {
        let spi = Header::peek(octets).unwrap().initiator_spi;
        let holder = holders.iter().find(|one| one.initiator_spi == spi);
        holder.unwrap().open(octets).1
    });
    opened.filter_map(|payloads| exchange(&payloads)).collect()
}

/// The key exchange of a request for a child SA; `None` for one that asks for another thing.
fn exchange(payloads: &[Payload]) -> Option<Option<Group>> {
    let offer = payloads.iter().find_map(|one| match one {
        Payload::Sa(sa) => sa.proposals.first(),
        _ => None,
    });
    let offer = offer.filter(|offer| offer.protocol == ProtocolId::ESP)?;
    let sent = payloads.iter().find_map(|one| match one {
        Payload::Ke(ke) => Some(ke.group.0),
        _ => None,
    });
    // RFC 9370: what comes in addition comes to a first one.
    let additional = TransformType::ADDKE1.0..=TransformType::ADDKE7.0;
    let further = |one: &Transform| additional.contains(&one.kind.0);
    assert!(sent.is_some() || !offer.transforms.iter().any(further));
    // RFC 7296 §1.3: what is sent is offered, and without a KE payload there is no offer of one.
    let mut offered = offer.transforms_of(TransformType::KE).map(|one| one.id);
    assert!(match sent {
        Some(sent) => offered.any(|one| one == sent),
        None => offered.next().is_none(),
    });
    Some(sent.map(|sent| Group::from_number(sent).unwrap()))
}

/// A rekeying that succeeds, and the key exchanges of its requests.
fn rekeyed(pair: &mut Pair, by_server: bool) -> Vec<Option<Group>> {
    let before = (inbound(pair, true), inbound(pair, false));
    pair.wire.clear();
    rekey_child(pair, by_server);
    run(pair, 9);
    let after = (inbound(pair, true), inbound(pair, false));
    assert!(
        before.0 != after.0 && before.1 != after.1,
        "{:?} {:?}",
        pair.server.log,
        pair.client.log
    );
    asked(pair, by_server)
}

#[test]
fn a_peer_that_takes_none_without_a_key_exchange_is_asked_again_with_one_and_from_then_on_at_once()
{
    for server in [true, false] {
        let mut pair = up(insisting(!server, &[OF_IKE]), 700);
        assert_eq!(rekeyed(&mut pair, server), [None, Some(OF_IKE)]);
        assert_settled(&mut pair);
        assert_eq!(rekeyed(&mut pair, server), [Some(OF_IKE)]);
        // The new IKE SA is with the same peer.
        rekey_ike(&mut pair, server);
        run(&mut pair, 9);
        assert_eq!(rekeyed(&mut pair, server), [Some(OF_IKE)]);
        assert_settled(&mut pair);
    }
}

// RFC 7296 §1.3#3: what the peer prefers to the group of the IKE SA it names, since that is offered too.
#[test]
fn a_peer_that_wants_another_group_than_that_of_the_ike_sa_gets_it() {
    for server in [true, false] {
        let mut pair = up(insisting(!server, &[Group::EcpP384]), 701);
        let wanted = Some(Group::EcpP384);
        assert_eq!(rekeyed(&mut pair, server), [None, Some(OF_IKE), wanted]);
        assert_eq!(rekeyed(&mut pair, server), [wanted]);
        assert_settled(&mut pair);
    }
}

#[test]
fn a_peer_that_has_rekeyed_with_a_key_exchange_is_not_asked_without_one() {
    for server in [true, false] {
        let mut pair = up(insisting(!server, &[Group::EcpP256]), 702);
        let theirs = Some(Group::EcpP256);
        assert_eq!(rekeyed(&mut pair, !server), [theirs]);
        assert_eq!(rekeyed(&mut pair, server), [theirs]);
        assert_settled(&mut pair);
    }
}

// Its configuration may be another by then: once refused, what was learned is forgotten, and another try is made without.
#[test]
fn a_peer_that_takes_no_key_exchange_any_more_is_asked_without_one_again() {
    let no = Notify::plain(NotifyType::NO_PROPOSAL_CHOSEN);
    let of_ike = Some(OF_IKE);
    let mut pair = up(insisting(true, &[OF_IKE]), 708);
    assert_eq!(rekeyed(&mut pair, false), [None, of_ike]);
    rekey_child(&mut pair, false);
    let said = std::slice::from_ref(&no);
    assert_eq!(refuse(&mut pair, 9, said), [of_ike, None]);
    // From then on as with one of which nothing is known.
    let asked = refuse(&mut pair, 60, said);
    assert!(!asked.is_empty());
    assert_eq!(asked, [None, of_ike].repeat(asked.len() / 2));
    assert!(pair.both_up());
    // Where another group was named on the way it is the same.
    let mut pair = up(insisting(true, &[OF_IKE]), 709);
    assert_eq!(rekeyed(&mut pair, false), [None, of_ike]);
    rekey_child(&mut pair, false);
    let (other, said) = (Group::EcpP256, [names(Group::EcpP256), no]);
    assert_eq!(refuse(&mut pair, 9, &said), [of_ike, Some(other), None]);
    assert!(pair.both_up());
}

// What its own end could not install says nothing: the peer has got no child SA with that key exchange.
#[test]
fn a_key_exchange_that_came_to_nothing_is_not_learned() {
    for server in [true, false] {
        let mut setup = insisting(!server, &[Group::EcpP256]);
        // Only the end that is asked refuses.
        setup.install_further = if server {
            |server| !server
        } else {
            |server| server
        };
        let mut pair = up(setup, 710);
        let before = inbound(&pair, server);
        rekey_child(&mut pair, !server);
        run(&mut pair, 5);
        assert_eq!(asked(&mut pair, !server), [Some(Group::EcpP256)]);
        assert_eq!(inbound(&pair, server), before);
        rekey_child(&mut pair, server);
        run(&mut pair, 3);
        assert_eq!(asked(&mut pair, server)[0], None);
    }
}

// A client does as the headend's `pfs` says, and the headend by its own configuration. Nothing is lost on one that says so and
// takes none.
#[test]
fn a_client_that_is_told_to_exchange_keys_does() {
    for (value, expected) in [(&[0, 1][..], Some(OF_IKE)), (&[0, 0], None), (&[], None)] {
        let mut setup = indifferent();
        let said = ConfigAttribute::new(ConfigAttributeType::UNITY_PFS, value.to_vec());
        setup.assigned = vec![said];
        let mut pair = up(setup.clone(), 714);
        assert_eq!(rekeyed(&mut pair, false), [expected]);
        let mut pair = up(setup.clone(), 715);
        assert_eq!(rekeyed(&mut pair, true), [None]);
        setup.peer.upkeep.pfs = Pfs::Accepted(Vec::new());
        let mut pair = up(setup, 716);
        assert_eq!(rekeyed(&mut pair, false).last(), Some(&None));
    }
}

// `set pfs` decides at its own end, whatever the peer does.
#[test]
fn the_groups_of_the_configuration_are_used_whatever_the_peer_uses() {
    for server in [true, false] {
        let (ours, theirs) = ([Group::EcpP384, Group::EcpP256], Group::EcpP256);
        let mut setup = insisting(server, &ours);
        let other = if server {
            &mut setup.connect.upkeep
        } else {
            &mut setup.peer.upkeep
        };
        other.pfs = Pfs::Required(vec![theirs, Group::EcpP384]);
        let mut pair = up(setup, 703);
        assert_eq!(rekeyed(&mut pair, !server), [Some(theirs)]);
        assert_eq!(rekeyed(&mut pair, server)[0], Some(ours[0]));
        assert_settled(&mut pair);
    }
}

// Where neither wants one there is none, however often.
#[test]
fn nobody_has_a_key_exchange_that_nobody_wants() {
    let mut pair = up(indifferent(), 704);
    for server in [true, false, true] {
        assert_eq!(rekeyed(&mut pair, server), [None]);
    }
}

// Nor further ones, whatever may come beside it.
#[cfg(feature = "aws-lc")]
#[test]
fn further_key_exchanges_are_not_offered_without_a_first_one() {
    let mut setup = indifferent();
    for upkeep in [&mut setup.peer.upkeep, &mut setup.connect.upkeep] {
        upkeep.pfs_additional = vec![Group::ML_KEM.to_vec()];
    }
    let mut pair = up(setup, 713);
    for server in [false, true] {
        assert_eq!(rekeyed(&mut pair, server), [None]);
    }
}

/// Answers every request of the client for a child SA with these notifies in turn, for so long. Gives the key
/// exchanges of the requests.
fn refuse(pair: &mut Pair, seconds: u64, said: &[Notify]) -> Vec<Option<Group>> {
    let holder = Holder::of(&pair.client);
    let until = pair.now.after(Duration::from_secs(seconds));
    let mut asked = Vec::new();
    let mut said = said.iter().cycle();
    loop {
        let flight = pair.next_flight().filter(|(to_server, ..)| *to_server);
        if let Some((_, path, octets)) = flight {
            let (header, payloads) = holder.open(&octets);
            if let Some(exchange) = exchange(&payloads) {
                pair.lose_flights();
                asked.push(exchange);
                let header = holder.header(header.exchange, false, true, header.message_id.0);
                let answer = Payload::Notify(said.next().unwrap().clone());
                let (local, remote) = (path.remote, path.local);
                let path = Path {
                    local,
                    remote,
                    ..path
                };
                pair.deliver(false, path, &holder.seal(&header, &[answer]));
                assert!(asked.len() < 100, "no rest");
                continue;
            }
        }
        if !pair.step(until) {
            pair.now = until;
            return asked;
        }
    }
}

fn names(group: Group) -> Notify {
    Notify::new(
        NotifyType::INVALID_KE_PAYLOAD,
        group.number().to_be_bytes().to_vec(),
    )
}

// RFC 7296 §1.3.1#3: what is refused with and without a key exchange is left alone for a while, and nothing is lost.
#[test]
fn a_peer_that_refuses_everything_is_asked_twice_and_then_left_alone_for_a_while() {
    let no = Notify::plain(NotifyType::NO_PROPOSAL_CHOSEN);
    let mut pair = up(indifferent(), 705);
    let before = inbound(&pair, false);
    rekey_child(&mut pair, false);
    assert_eq!(
        refuse(&mut pair, 9, std::slice::from_ref(&no)),
        [None, Some(OF_IKE)]
    );
    let refused = format!("rekey refused: {}", Refusal::ByPeer(no.kind));
    let told = |pair: &Pair| {
        pair.client
            .log
            .iter()
            .filter(|one| **one == refused)
            .count()
    };
    assert_eq!(told(&pair), 1);
    // Every ten to twenty seconds, in the same way.
    let asked = refuse(&mut pair, 270, std::slice::from_ref(&no));
    let tries = asked.len() / 2;
    assert!((13..=28).contains(&tries), "{tries}");
    assert_eq!(asked, [None, Some(OF_IKE)].repeat(tries));
    assert_eq!(told(&pair), tries + 1);
    assert_eq!(inbound(&pair, false), before);
    assert!(pair.both_up());
}

#[test]
fn a_peer_that_names_one_group_after_the_other_is_not_followed_for_long() {
    let no = Notify::plain(NotifyType::NO_PROPOSAL_CHOSEN);
    let (one, other) = (Group::EcpP256, Group::EcpP384);
    let answers: [(&[Notify], &[Option<Group>]); 3] = [
        (&[names(one), names(other)], &[None, Some(one), Some(other)]),
        (
            &[no.clone(), names(one), names(other)],
            &[None, Some(OF_IKE), Some(one)],
        ),
        // Once with a key exchange it is never asked for without one.
        (&[names(one), no], &[None, Some(one)]),
    ];
    for (said, expected) in answers {
        let mut pair = up(indifferent(), 706);
        rekey_child(&mut pair, false);
        assert_eq!(refuse(&mut pair, 9, said), expected);
        assert!(
            pair.client
                .log
                .iter()
                .any(|one| one.starts_with("rekey refused"))
        );
        assert!(pair.both_up());
    }
}

// Who takes no key exchange at all does not offer one either.
#[test]
fn a_group_that_the_configuration_does_not_take_is_not_tried() {
    for taken in [vec![], vec![Group::EcpP256]] {
        let mut setup = insisting(true, &[OF_IKE]);
        setup.connect.upkeep.pfs = Pfs::Accepted(taken);
        let mut pair = up(setup, 707);
        let before = inbound(&pair, false);
        rekey_child(&mut pair, false);
        run(&mut pair, 9);
        assert_eq!(asked(&mut pair, false), [None]);
        assert_eq!(inbound(&pair, false), before);
        assert!(pair.both_up());
    }
}
