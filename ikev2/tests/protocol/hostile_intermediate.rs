//! IKE_INTERMEDIATE out of place, misshapen, missing, one too many and forged (RFC 9242, RFC 9370), by
//! strangers and by a peer that holds the keys.
//!
//! Every test first runs its unharmed twin to success, so that it cannot pass because nothing works.

#![cfg(feature = "aws-lc")]

use std::{sync::Arc, time::Duration};

use ironflex_ikev2::{
    crypto::suite::{Additional, Group, IkeSuite},
    event::{Ask, CloseReason, Discard, Path},
    refusal::{AuthFault, PeerMisbehaved, Refusal},
    wire::{
        Header, Payload,
        payload::{KePayload, Notify},
        registry::{ExchangeType, GroupId, NotifyType, PayloadType},
    },
};

use crate::{holder::Holder, support::*};

const HYBRID: Group = Group::MlKem768;

fn setup() -> Setup {
    let mut setup = Setup::with_pre_shared_key(IkeSuite {
        additional: Additional::of(&[HYBRID]),
        ..GCM
    });
    // In one piece: what a test changes is then one datagram.
    setup.connect.fragmentation.cisco = false;
    setup
}

/// A login until a datagram of this exchange is under way, and that datagram.
fn until(to_server: bool, exchange: ExchangeType) -> (Pair, Path, Arc<[u8]>) {
    let mut pair = Pair::new(setup(), 80);
    pair.server.endpoint.key_log(true);
    pair.client.endpoint.key_log(true);
    pair.connect();
    let far = pair.now.after(Duration::from_secs(20));
    loop {
        if let Some((to, path, octets)) = pair.next_flight()
            && to == to_server
            && Header::peek(&octets).unwrap().exchange == exchange
        {
            return (pair, path, octets);
        }
        assert!(pair.step(far), "no {exchange}");
    }
}

fn assert_logs_in(mut pair: Pair) {
    pair.run(30);
    assert!(
        pair.both_up(),
        "{:?} {:?}",
        pair.server.log,
        pair.client.log
    );
    pair.assert_children_match();
}

fn unharmed() {
    let (pair, ..) = until(true, ExchangeType::IKE_INTERMEDIATE);
    assert_logs_in(pair);
}

/// The first request is the holder's in the client's place: the server has ended with this.
fn first_request(payloads: &[Payload]) -> Vec<CloseReason> {
    let (mut pair, path, octets) = until(true, ExchangeType::IKE_INTERMEDIATE);
    let header = Header::peek(&octets).unwrap();
    let forged = Holder::of(&pair.server).seal(&header, payloads);
    pair.lose_flights();
    pair.inject(path, &forged);
    assert_eq!(pair.server.ready(), 0);
    pair.server.closed.clone()
}

fn ke(group: u16, data: Vec<u8>) -> Payload {
    Payload::Ke(KePayload {
        group: GroupId(group),
        data,
    })
}

// RFC 9370 §rules#12: an encapsulation key has one length.
#[test]
fn a_public_value_of_another_length_or_method_ends_the_sa() {
    unharmed();
    let bad = CloseReason::Refused(PeerMisbehaved::BadKeyExchange.into());
    for (group, length) in [
        (36, 0),
        (36, 1183),
        (36, 1185),
        (36, 1088),
        (35, 800),
        (31, 32),
        (0, 1184),
    ] {
        assert_eq!(
            first_request(&[ke(group, vec![0; length])]),
            std::slice::from_ref(&bad),
            "{group}"
        );
    }
    // FIPS 203 §7.2: every coefficient is too large.
    assert_eq!(first_request(&[ke(36, vec![0xff; 1184])]), [bad]);
}

#[test]
fn a_message_without_a_key_exchange_or_with_two_ends_the_sa() {
    unharmed();
    let missing = PeerMisbehaved::MissingPayload(PayloadType::KE);
    assert_eq!(first_request(&[]), [CloseReason::Refused(missing.into())]);
    let repeated = PeerMisbehaved::RepeatedPayload(PayloadType::KE);
    let value = ke(36, vec![0; 1184]);
    assert_eq!(
        first_request(&[value.clone(), value]),
        [CloseReason::Refused(repeated.into())]
    );
}

// RFC 9242 §3.2#2-3: all of them come before IKE_AUTH, and nothing is up before that.
#[test]
fn ike_auth_in_the_place_of_the_exchange_is_refused() {
    unharmed();
    let (mut pair, path, octets) = until(true, ExchangeType::IKE_INTERMEDIATE);
    let id = Header::peek(&octets).unwrap().message_id.0;
    let holder = Holder::of(&pair.server);
    let header = holder.header(ExchangeType::IKE_AUTH, true, false, id);
    let forged = holder.seal(&header, &[]);
    pair.lose_flights();
    pair.inject(path, &forged);
    let unexpected = PeerMisbehaved::UnexpectedExchange;
    assert_eq!(
        pair.server.closed,
        [CloseReason::Refused(unexpected.into())]
    );
}

// RFC 9242 §5#1: how many there are is agreed on before.
#[test]
fn one_exchange_more_than_was_agreed_on_is_refused() {
    unharmed();
    let (mut pair, path, octets) = until(true, ExchangeType::IKE_AUTH);
    let id = Header::peek(&octets).unwrap().message_id.0;
    let holder = Holder::of(&pair.server);
    let header = holder.header(ExchangeType::IKE_INTERMEDIATE, true, false, id);
    let forged = holder.seal(&header, &[ke(36, vec![0; 1184])]);
    pair.lose_flights();
    pair.inject(path, &forged);
    let unexpected = PeerMisbehaved::UnexpectedExchange;
    assert_eq!(
        pair.server.closed,
        [CloseReason::Refused(unexpected.into())]
    );
    // And where none was agreed on at all.
    let mut plain = Pair::new(Setup::with_pre_shared_key(GCM), 81);
    plain.server.endpoint.key_log(true);
    plain.connect();
    let far = plain.now.after(Duration::from_secs(1));
    while plain.server.endpoint.is_empty() {
        assert!(plain.step(far));
    }
    let holder = Holder::of(&plain.server);
    let header = holder.header(ExchangeType::IKE_INTERMEDIATE, true, false, 1);
    let forged = holder.seal(&header, &[ke(36, vec![0; 1184])]);
    plain.inject(path, &forged);
    assert_eq!(
        plain.server.closed,
        [CloseReason::Refused(unexpected.into())]
    );
}

// RFC 9242 §3.2#5: message IDs follow each other, and the window is 1.
#[test]
fn another_message_id_is_discarded_and_the_login_goes_on() {
    unharmed();
    for (id, why) in [
        // Message 0 is answered: whoever holds the keys gets the answer to IKE_SA_INIT again.
        (0, Discard::Repeated),
        (2, Discard::AheadOfWindow),
        (u32::MAX, Discard::AheadOfWindow),
    ] {
        let (mut pair, path, octets) = until(true, ExchangeType::IKE_INTERMEDIATE);
        let holder = Holder::of(&pair.server);
        let header = Header::peek(&octets).unwrap();
        let (_, payloads) = holder.open(&octets);
        let other = holder.header(header.exchange, true, false, id);
        let before = pair.server.discarded.len();
        let mut sealed = holder.seal(&other, &payloads);
        pair.inject(path, &sealed);
        // Whoever does not gets nothing.
        let unheld = if id == 0 {
            Discard::Forged
        } else {
            why.clone()
        };
        *sealed.last_mut().unwrap() ^= 1;
        pair.inject(path, &sealed);
        assert_eq!(pair.server.discarded[before..], [why, unheld]);
        assert_logs_in(pair);
    }
}

// RFC 9242 §3.2#6-7: a key exchange in clear is none.
#[test]
fn forged_messages_change_nothing_at_either_end() {
    unharmed();
    for to_server in [true, false] {
        let (mut pair, path, octets) = until(to_server, ExchangeType::IKE_INTERMEDIATE);
        for at in [29, 40, octets.len() - 1] {
            let mut forged = octets.to_vec();
            forged[at] ^= 1;
            pair.deliver(to_server, path, &forged);
        }
        let header = Header::peek(&octets).unwrap();
        let clear = Holder::clear(&header, &[ke(36, vec![0; 1184])]);
        pair.deliver(to_server, path, &clear);
        let end = if to_server {
            &pair.server
        } else {
            &pair.client
        };
        let expected = [
            Discard::Forged,
            Discard::Forged,
            Discard::Forged,
            Discard::Unprotected,
        ];
        assert_eq!(end.discarded, expected);
        assert_logs_in(pair);
    }
}

#[test]
fn an_exchange_before_its_sa_is_known_is_discarded() {
    unharmed();
    // The client's own IKE_SA_INIT is under way; nobody has keys.
    let mut pair = Pair::new(setup(), 82);
    pair.connect();
    let (_, path, init) = pair.next_flight().unwrap();
    let init = Header::peek(&init).unwrap();
    let header = Header::new(
        init.initiator_spi,
        ironflex_ikev2::wire::ResponderSpi::new(7),
        ExchangeType::IKE_INTERMEDIATE,
        ironflex_ikev2::wire::Flags::new(true, false),
        ironflex_ikev2::wire::MessageId(1),
    );
    let forged = Holder::clear(&header, &[ke(36, vec![0; 1184])]);
    pair.inject(path, &forged);
    let answer = Header {
        flags: ironflex_ikev2::wire::Flags::new(false, true),
        ..header
    };
    let forged = Holder::clear(&answer, &[ke(36, vec![0; 1088])]);
    let back = Path {
        local: path.remote,
        remote: path.local,
        framing: path.framing,
    };
    pair.deliver(false, back, &forged);
    assert_eq!(pair.server.discarded, [Discard::UnknownSpi]);
    assert_eq!(pair.client.discarded, [Discard::UnknownSpi]);
    assert!(pair.server.endpoint.is_empty());
    assert_logs_in(pair);
}

// RFC 9242 §3.3.2#1, RFC 9370 §rules#6: whoever could change an exchange in between is found out in IKE_AUTH.
#[test]
fn auth_covers_the_exchange_in_both_directions() {
    for to_server in [true, false] {
        for harmed in [false, true] {
            let (mut pair, path, octets) = until(to_server, ExchangeType::IKE_INTERMEDIATE);
            let from = if to_server {
                &pair.client
            } else {
                &pair.server
            };
            // The keys of the exchange are those of IKE_SA_INIT, whoever has moved on.
            let holder = Holder::first_of(from);
            let (header, mut payloads) = holder.open(&octets);
            if harmed {
                let said = Notify::new(NotifyType(40_000), vec![1]);
                payloads.push(Payload::Notify(said));
            }
            let sealed = holder.seal(&header, &payloads);
            pair.lose_flights();
            pair.deliver(to_server, path, &sealed);
            if !harmed {
                assert_logs_in(pair);
                continue;
            }
            pair.run(30);
            assert_eq!(pair.server.ready() + pair.client.ready(), 0);
            let failed = Refusal::from(PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey));
            assert_eq!(*refusal(&pair.server.closed[0]), failed);
        }
    }
}

// FIPS 203 §6.3: another ciphertext is another secret. Nothing that follows can be read.
#[test]
fn another_ciphertext_leads_to_no_sa() {
    unharmed();
    let (mut pair, path, octets) = until(false, ExchangeType::IKE_INTERMEDIATE);
    let holder = Holder::first_of(&pair.client);
    let (header, mut payloads) = holder.open(&octets);
    for payload in &mut payloads {
        if let Payload::Ke(value) = payload {
            value.data[17] ^= 4;
        }
    }
    let sealed = holder.seal(&header, &payloads);
    pair.lose_flights();
    pair.deliver(false, path, &sealed);
    pair.run(200);
    assert!(pair.server.discarded.contains(&Discard::Forged));
    assert_eq!(pair.client.closed, [CloseReason::Unanswered]);
    pair.assert_clean();
}

// RFC 7296 §2.1: a repeat is answered with the same octets although the keys have changed since; one
// that was sealed anew is answered too, and one that is forged is not.
#[test]
fn a_repeated_exchange_is_answered_from_memory_under_the_keys_that_it_had() {
    let (mut pair, path, octets) = until(true, ExchangeType::IKE_INTERMEDIATE);
    let holder = Holder::first_of(&pair.client);
    let (header, payloads) = holder.open(&octets);
    let far = pair.now.after(Duration::from_secs(1));
    pair.step(far);
    let answers = |pair: &Pair| -> Vec<Arc<[u8]>> {
        let sent = pair.wire.iter().filter(|(to_server, octets)| {
            !to_server && Header::peek(octets).unwrap().exchange == header.exchange
        });
        sent.map(|(_, octets)| Arc::clone(octets)).collect()
    };
    assert_eq!(answers(&pair).len(), 1);
    pair.inject(path, &octets);
    assert_eq!(answers(&pair).len(), 2);
    let mut padded = payloads;
    padded.push(Payload::Notify(Notify::plain(NotifyType(40_000))));
    pair.inject(path, &holder.seal(&header, &padded));
    let all = answers(&pair);
    assert!(all.len() == 3 && all.iter().all(|one| *one == all[0]));
    let mut forged = octets.to_vec();
    forged[40] ^= 1;
    pair.inject(path, &forged);
    assert_eq!(answers(&pair).len(), 3);
    assert_eq!(pair.server.discarded.last(), Some(&Discard::Forged));
    assert_logs_in(pair);
}

// Whoever goes no further than this is half-open all the same, and is given up like one.
#[test]
fn an_sa_after_the_exchange_is_half_open_until_ike_auth_and_is_dropped_in_time() {
    unharmed();
    let (mut pair, ..) = until(true, ExchangeType::IKE_AUTH);
    assert_eq!(pair.server.endpoint.half_open(), 1);
    pair.lose_flights();
    pair.tamper = Some(Box::new(|_, _| false));
    pair.run(31);
    assert_eq!(pair.server.closed, [CloseReason::TimedOut]);
    assert_eq!(pair.server.endpoint.half_open(), 0);
    assert!(pair.server.endpoint.is_empty());
}

// Each step is a sign of life, and yet there is an end: a slot for half-open SAs is not to be had for minutes.
#[test]
fn who_drags_the_exchanges_out_is_dropped_in_time() {
    let mut setup = Setup::with_pre_shared_key(IkeSuite {
        additional: Additional::of(&[HYBRID, Group::EcpP256, Group::EcpP384, Group::MlKem512]),
        ..GCM
    });
    setup.connect.fragmentation.cisco = false;
    for (wait, comes_in) in [(10, true), (28, false)] {
        // The first copy of each request is lost.
        setup.client.retransmit_first = Duration::from_secs(wait);
        let mut pair = Pair::new(setup.clone(), 83);
        let mut seen = Vec::new();
        pair.tamper = Some(Box::new(move |to_server, octets| {
            let header = Header::peek(octets).unwrap();
            if !to_server || header.exchange != ExchangeType::IKE_INTERMEDIATE {
                return true;
            }
            let again = seen.contains(&header.message_id.0);
            seen.push(header.message_id.0);
            again
        }));
        pair.connect();
        pair.run(59);
        let half_open = pair.server.endpoint.half_open();
        assert_eq!(half_open, usize::from(!comes_in));
        pair.run(2);
        assert_eq!(pair.both_up(), comes_in);
        assert_eq!(pair.server.endpoint.len(), usize::from(comes_in));
        let timed_out: &[CloseReason] = &[CloseReason::TimedOut];
        let closed = if comes_in { &[] } else { timed_out };
        assert_eq!(pair.server.closed, closed);
    }
}

// The keys of before are for repeats alone, and not for longer than there may be some.
#[test]
fn what_is_sealed_with_the_keys_of_before_is_forged_once_the_next_request_has_come() {
    for asked in [false, true] {
        let (mut pair, path, octets) = until(true, ExchangeType::IKE_INTERMEDIATE);
        let holder = Holder::first_of(&pair.client);
        let (header, mut payloads) = holder.open(&octets);
        payloads.push(Payload::Notify(Notify::plain(NotifyType(40_000))));
        let anew = holder.seal(&header, &payloads);
        pair.setup.silent = |ask| matches!(ask, Ask::Peer(_));
        if asked {
            let soon = pair.now.after(Duration::from_secs(1));
            while pair.step(soon) {}
            assert_eq!(pair.server.withheld.len(), 1);
        } else {
            let far = pair.now.after(Duration::from_secs(1));
            assert!(pair.step(far));
        }
        for (repeat, why) in [
            (&octets[..], Discard::Repeated),
            (
                &anew,
                if asked {
                    Discard::Forged
                } else {
                    Discard::Repeated
                },
            ),
        ] {
            pair.inject(path, repeat);
            assert_eq!(pair.server.discarded.last(), Some(&why));
        }
        pair.setup.silent = |_| false;
        pair.answer_withheld();
        assert_logs_in(pair);
    }
}
