//! Answers to IKE_SA_INIT that an attacker gets in before the responder's: nothing in them is proven, so
//! none but a good one ends the waiting at once (RFC 7296 §2.21.1).

use std::time::Duration;

use ironflex_ikev2::{
    crypto::suite::{Group, IkeSuite},
    event::{CloseReason, Path},
    refusal::{PeerMisbehaved, Refusal},
    wire::{
        Flags, Header, PartialMessage, Payload, ResponderSpi,
        payload::{KePayload, Notify},
        registry::{GroupId, NotifyType, PayloadType},
        write_message,
    },
};

use crate::{bad_publics::bad_publics, support::*};

/// A client whose first request is on its way, seen by an attacker.
struct Seen {
    pair: Pair,
    /// As the client sees what comes from the responder's address.
    path: Path,
    request: Header,
}

impl Seen {
    fn new(setup: Setup) -> Self {
        let mut pair = Pair::new(setup, 97);
        let path = pair.setup.connect.path;
        pair.connect();
        let (_, _, octets) = pair.next_flight().unwrap();
        let request = PartialMessage::parse(&octets).unwrap().header;
        Self {
            pair,
            path,
            request,
        }
    }

    /// Hands the client an answer with these payloads, under this responder SPI.
    fn inject(&mut self, spi: u64, payloads: &[Payload]) {
        let header = Header::new(
            self.request.initiator_spi,
            ResponderSpi::new(spi),
            self.request.exchange,
            Flags::new(false, true),
            self.request.message_id,
        );
        let mut octets = Vec::new();
        write_message(&header, payloads, &mut octets);
        self.pair.deliver(false, self.path, &octets);
    }

    fn say(&mut self, kind: NotifyType, data: &[u8]) {
        let said = Notify::new(kind, data.to_vec());
        self.inject(0, &[Payload::Notify(said)]);
    }

    fn assert_logs_in(mut self) {
        self.pair.run(20);
        assert!(self.pair.both_up(), "{:?}", self.pair.client.log);
        self.pair.assert_children_match();
        assert_eq!(self.pair.client.closed, []);
    }
}

/// The unharmed twin, then the same for harm.
fn seen(setup: &Setup) -> Seen {
    Seen::new(setup.clone()).assert_logs_in();
    Seen::new(setup.clone())
}

#[test]
fn an_injected_error_does_not_keep_the_good_answer_out() {
    let setup = Setup::new(GCM);
    for kind in [
        NotifyType::NO_PROPOSAL_CHOSEN,
        NotifyType::INVALID_SYNTAX,
        NotifyType::INVALID_MAJOR_VERSION,
        NotifyType::AUTHENTICATION_FAILED,
        NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD,
        NotifyType(8_191),
    ] {
        let mut seen = seen(&setup);
        for _ in 0..3 {
            seen.say(kind, &[]);
        }
        assert_eq!(
            seen.pair.client.log,
            ["initiated", &format!("notified {kind}")]
        );
        seen.assert_logs_in();
    }
}

// The responder's first answer is lost besides: the request is said again all the same.
#[test]
fn a_retransmission_is_answered_after_an_injected_error() {
    let setup = Setup::new(GCM);
    let mut seen = seen(&setup);
    seen.say(NotifyType::NO_PROPOSAL_CHOSEN, &[]);
    seen.pair.lose_flights();
    seen.pair.run(3);
    seen.assert_logs_in();
}

#[test]
fn an_error_that_nothing_better_follows_is_believed_after_a_while() {
    let mut seen = seen(&Setup::new(GCM));
    seen.say(NotifyType::NO_PROPOSAL_CHOSEN, &[]);
    seen.pair.tamper = Some(Box::new(|_, _| false));
    seen.pair.run(7);
    assert_eq!(seen.pair.client.closed, []);
    seen.pair.run(2);
    let refused = Refusal::ByPeer(NotifyType::NO_PROPOSAL_CHOSEN);
    assert_eq!(seen.pair.client.closed, [CloseReason::Refused(refused)]);
    assert_eq!(seen.pair.client.endpoint.len(), 0);
}

// An answer that chooses what was not offered, or has not what it must: not followed, and no end.
// RFC 7296 §3.3.6#6: an answer that was not offered leads nowhere.
#[test]
fn injected_answers_that_are_no_good_do_not_keep_the_good_one_out() {
    let setup = Setup::new(GCM);
    let mut twin = Seen::new(setup.clone());
    twin.pair.step(twin.pair.now.after(Duration::from_secs(1)));
    let (to_server, _, good) = twin.pair.next_flight().unwrap();
    assert!(!to_server);
    let good = PartialMessage::parse(&good).unwrap().outer;
    let without = |kind: PayloadType| -> Vec<Payload> {
        good.iter()
            .filter(|one| one.kind() != kind)
            .cloned()
            .collect()
    };
    let with_ke = |group: u16, length: usize| -> Vec<Payload> {
        let ke = Payload::Ke(KePayload {
            group: GroupId(group),
            data: vec![9; length],
        });
        without(PayloadType::KE).into_iter().chain([ke]).collect()
    };
    let mut other = Setup::new(CBC);
    other.server.cookie_watermark = usize::MAX;
    let other_suite = {
        let mut seen = Seen::new(other);
        seen.pair.step(seen.pair.now.after(Duration::from_secs(1)));
        let (_, _, octets) = seen.pair.next_flight().unwrap();
        PartialMessage::parse(&octets).unwrap().outer
    };
    for (spi, payloads) in [
        (0, good.clone()),
        (7, Vec::new()),
        (7, without(PayloadType::SA)),
        (7, without(PayloadType::KE)),
        (7, without(PayloadType::NONCE)),
        (7, with_ke(19, 64)),
        (7, with_ke(31, 31)),
        (7, with_ke(31, 33)),
        (7, [&good[..], &good[..]].concat()),
        (7, other_suite),
    ] {
        let mut seen = Seen::new(setup.clone());
        seen.inject(spi, &payloads);
        assert_eq!(seen.pair.client.log, ["initiated"]);
        seen.assert_logs_in();
    }
}

// RFC 7296 §2.6.1#2: asked for one cookie after the other, or sent from group to group, the initiator stops
// following. Even then a good answer is taken.
#[test]
fn endless_demands_are_followed_so_often_and_no_more() {
    let mut setup = Setup::new(GCM);
    setup.connect.proposals[0].groups = vec![Group::Curve25519, Group::EcpP384];
    setup.server.policies[0].proposals[0].groups = vec![Group::Curve25519, Group::EcpP384];
    let cookies = |seen: &mut Seen| {
        for number in 0..100u8 {
            seen.say(NotifyType::COOKIE, &[number; 32]);
        }
    };
    let groups = |seen: &mut Seen| {
        for number in 0..100 {
            let group = [Group::EcpP384, Group::Curve25519][number % 2];
            seen.say(
                NotifyType::INVALID_KE_PAYLOAD,
                &group.number().to_be_bytes(),
            );
        }
    };
    for demand in [cookies as fn(&mut Seen), groups] {
        let mut seen = seen(&setup);
        let sent = seen.pair.wire.len();
        demand(&mut seen);
        assert_eq!(seen.pair.wire.len() - sent, 5);
        // Of all the requests only the last one, said again, gets through.
        seen.pair.lose_flights();
        seen.assert_logs_in();

        let mut seen = Seen::new(setup.clone());
        seen.pair.tamper = Some(Box::new(|_, _| false));
        demand(&mut seen);
        seen.pair.run(9);
        let endless = Refusal::Misbehaved(PeerMisbehaved::EndlessInit);
        assert_eq!(seen.pair.client.closed, [CloseReason::Refused(endless)]);
    }
}

// RFC 7296 §2.6: a cookie has 1 to 64 octets; one that was brought is asked for again only by a repeat.
#[test]
fn cookies_of_impossible_lengths_and_repeated_demands_change_nothing() {
    let mut seen = seen(&Setup::new(GCM));
    let sent = seen.pair.wire.len();
    seen.say(NotifyType::COOKIE, &[]);
    seen.say(NotifyType::COOKIE, &[7; 65]);
    assert_eq!(seen.pair.wire.len() - sent, 0);
    for _ in 0..50 {
        seen.say(NotifyType::COOKIE, &[7; 64]);
    }
    assert_eq!(seen.pair.wire.len() - sent, 1);
    seen.pair.lose_flights();
    seen.assert_logs_in();
}

// RFC 7296 §1.2, §2.21.1: a group that was never offered, or the one that was sent, is no way to go on.
#[test]
fn groups_that_were_not_offered_are_not_followed() {
    for data in [
        &[][..],
        &[0],
        &[0, 31, 0],
        &Group::Modp2048.number().to_be_bytes(),
        &Group::Curve25519.number().to_be_bytes(),
        &[0xff, 0xff],
    ] {
        let mut seen = Seen::new(Setup::new(GCM));
        let sent = seen.pair.wire.len();
        seen.say(NotifyType::INVALID_KE_PAYLOAD, data);
        assert_eq!(seen.pair.wire.len() - sent, 0, "{data:?}");
        seen.assert_logs_in();
    }
}

// RFC 6989 §2, RFC 8031 §3: no keys are made of a value that is no member of its group. The private key is
// spent on it, so the attempt is over; nothing is sent under keys that others could know.
#[test]
fn an_answer_with_a_bad_public_value_ends_the_attempt_without_keys() {
    for (group, values) in bad_publics() {
        let setup = Setup::new(IkeSuite { group, ..GCM });
        let answer = |seen: &mut Seen| {
            seen.pair.step(seen.pair.now.after(Duration::from_secs(1)));
            let (to_server, _, octets) = seen.pair.next_flight().unwrap();
            assert!(!to_server);
            seen.pair.lose_flights();
            let message = PartialMessage::parse(&octets).unwrap();
            (message.header.responder_spi.unwrap().get(), message.outer)
        };
        // The unharmed twin goes on to IKE_AUTH.
        let mut twin = Seen::new(setup.clone());
        let (spi, payloads) = answer(&mut twin);
        twin.inject(spi, &payloads);
        twin.assert_logs_in();

        for value in values {
            let mut seen = Seen::new(setup.clone());
            let (spi, mut payloads) = answer(&mut seen);
            for payload in &mut payloads {
                if let Payload::Ke(ke) = payload {
                    assert_ne!(ke.data, value);
                    ke.data.clone_from(&value);
                }
            }
            seen.pair.client.endpoint.key_log(true);
            let sent = seen.pair.wire.len();
            seen.inject(spi, &payloads);
            let bad = Refusal::Misbehaved(PeerMisbehaved::BadKeyExchange);
            let what = format!("{group:?}: {value:02x?}");
            assert_eq!(
                seen.pair.client.closed,
                [CloseReason::Refused(bad)],
                "{what}"
            );
            let left = (seen.pair.client.endpoint.len(), seen.pair.wire.len() - sent);
            assert_eq!((left, seen.pair.client.key_log), ((0, 0), 0), "{what}");
        }
    }
}
