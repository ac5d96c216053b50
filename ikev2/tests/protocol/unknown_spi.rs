//! INVALID_IKE_SPI and other errors in clear: when they are said, and that nobody believes them
//! (RFC 7296 §2.21.4).

use ironflex_ikev2::{
    event::{Command, Discard, Path},
    wire::{
        Body, Flags, Header, InitiatorSpi, PartialMessage, Payload, ResponderSpi,
        payload::{Delete, Notify},
        registry::{ExchangeType, NotifyType},
    },
};

use crate::{flood::send, holder::Holder, support::*};

/// Both ends up, and the keys of their SA.
fn up() -> (Pair, Holder, Path) {
    let mut pair = Pair::new(Setup::new(GCM), 96);
    pair.server.endpoint.key_log(true);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    pair.server.discarded.clear();
    pair.server.log.clear();
    pair.client.discarded.clear();
    let path = pair.server.endpoint.views().next().unwrap().path;
    let holder = Holder::of(&pair.server);
    (pair, holder, path)
}

// RFC 7296 §2.21.4#2-4: in clear, with the SPIs and the message ID of the request, and the response flag.
// RFC 7296 §2.5#5, §3.1#5,8,13,18: an answer is of version 2.0 and has the flags of an answer.
#[test]
fn a_protected_request_for_a_forgotten_sa_is_told_so() {
    let (mut pair, holder, path) = up();
    let header = holder.header(ExchangeType::INFORMATIONAL, true, false, 7);
    let request = holder.seal(&header, &[]);
    let id = pair.server.sas[0];
    pair.command(true, Command::Forget(id));
    let (answers, discards) = send(&mut pair, path, &request);
    assert_eq!(discards, [Discard::UnknownSpiAnswered]);
    assert_eq!(answers.len(), 1);
    assert!(answers[0].len() <= request.len());
    let answer = PartialMessage::parse(&answers[0]).unwrap();
    let mut expected = Header {
        flags: Flags::new(false, true),
        ..header
    };
    (expected.next_payload, expected.length) = (answer.header.next_payload, answer.header.length);
    assert_eq!(answer.header, expected);
    assert_eq!(answer.body, Body::Clear);
    let said = Notify::plain(NotifyType::INVALID_IKE_SPI);
    assert_eq!(answer.outer, [Payload::Notify(said)]);
}

// The peer may have an IKE SA already that we are still making, and use it: it is no stranger, and the SA not lost.
#[test]
fn a_request_for_an_sa_that_is_being_made_is_not_called_unknown() {
    let (mut pair, holder, _) = up();
    let client = pair.client.sas[0];
    pair.command(false, Command::Rekey(client));
    let (to_server, _, octets) = pair.next_flight().unwrap();
    assert!(to_server);
    let (_, payloads) = holder.open(&octets);
    let spi = payloads.iter().find_map(|payload| match payload {
        Payload::Sa(sa) => <[u8; 8]>::try_from(sa.proposals[0].spi.as_slice()).ok(),
        _ => None,
    });
    let path = pair.client.endpoint.views().next().unwrap().path;
    let mut header = holder.header(ExchangeType::INFORMATIONAL, false, false, 0);
    header.responder_spi = ResponderSpi::new(0x0bad_cafe);
    for (coming, spi) in [
        (true, u64::from_be_bytes(spi.unwrap())),
        (false, 0x0bad_f00d),
    ] {
        header.initiator_spi = InitiatorSpi::new(spi).unwrap();
        let (sent, seen) = (pair.wire.len(), pair.client.discarded.len());
        pair.deliver(false, path, &holder.seal(&header, &[]));
        let expected = if coming {
            (0, &[Discard::UnknownSpi])
        } else {
            (1, &[Discard::UnknownSpiAnswered])
        };
        let said = &pair.client.discarded[seen..];
        assert_eq!(
            (pair.wire.len() - sent, said),
            (expected.0, &expected.1[..])
        );
    }
    pair.run(10);
    assert!(pair.both_up());
}

// RFC 7296 §1.5#1, §2.21.4#1: nobody answers an answer.
#[test]
fn responses_and_what_is_in_clear_are_never_answered() {
    let (mut pair, holder, path) = up();
    let id = pair.server.sas[0];
    pair.command(true, Command::Forget(id));
    let unknown = vec![Discard::UnknownSpi];
    for exchange in [ExchangeType::IKE_AUTH, ExchangeType::INFORMATIONAL] {
        for by_initiator in [true, false] {
            let response = holder.header(exchange, by_initiator, true, 7);
            let sealed = holder.seal(&response, &[]);
            assert_eq!(send(&mut pair, path, &sealed), (vec![], unknown.clone()));
            let request = holder.header(exchange, by_initiator, false, 7);
            let clear = Holder::clear(&request, &[Payload::Delete(Delete::ike_sa())]);
            assert_eq!(send(&mut pair, path, &clear), (vec![], unknown.clone()));
            let sealed = holder.seal(&request, &[]);
            let cut = &sealed[..sealed.len() - 1];
            assert_eq!(send(&mut pair, path, cut).0.len(), 0);
        }
    }
}

#[test]
fn so_many_a_second_are_told_a_tenth_of_them_one_source_and_no_more() {
    let (mut pair, holder, path) = up();
    let id = pair.server.sas[0];
    pair.command(true, Command::Forget(id));
    for second in 0..3 {
        let mut told = |sources: u8| {
            let mut told = 0;
            for number in 0..1_000 {
                let header = holder.header(ExchangeType::INFORMATIONAL, true, false, number);
                let [.., last] = (number % u32::from(sources)).to_be_bytes();
                let from = Path {
                    remote: ([203, 0, last, 1], 4_500).into(),
                    ..path
                };
                let (answers, _) = send(&mut pair, from, &holder.seal(&header, &[]));
                told += answers.len();
            }
            told
        };
        // Whoever asks most leaves the others theirs.
        assert_eq!(told(1), 5, "second {second}");
        assert_eq!(told(2), 5, "second {second}");
        assert_eq!(told(200), 40, "second {second}");
        pair.run(1);
    }
}

/// Errors in clear with the right SPIs, in every form that they could have.
fn forged(holder: &Holder, id: u32) -> Vec<Vec<u8>> {
    let kinds = [
        NotifyType::INVALID_IKE_SPI,
        NotifyType::INVALID_SYNTAX,
        NotifyType::AUTHENTICATION_FAILED,
        NotifyType::INVALID_MESSAGE_ID,
    ];
    let said = kinds.map(|kind| Payload::Notify(Notify::plain(kind)));
    let exchanges = [ExchangeType::INFORMATIONAL, ExchangeType::IKE_AUTH];
    let all = exchanges.into_iter().flat_map(|exchange| {
        let header = holder.header(exchange, true, true, id);
        said.each_ref()
            .map(|one| Holder::clear(&header, std::slice::from_ref(one)))
    });
    all.collect()
}

// RFC 7296 §2.4#3,5, §2.21.4#5-7: they change no SA and are not answered; they are a hint to ask for a sign of life,
// and not with each of them.
#[test]
fn an_error_in_clear_starts_a_liveness_check_and_ends_nothing() {
    let (mut pair, holder, path) = up();
    let next = pair.server.endpoint.views().next().unwrap().next_request;
    let forged = forged(&holder, next);
    let sent = pair.wire.len();
    let before = pair.server.discarded.len();
    for octets in forged.iter().cycle().take(80) {
        pair.deliver(true, path, octets);
    }
    // One request, encrypted.
    let [(false, probe)] = &pair.wire[sent..] else {
        panic!("{:02x?}", &pair.wire[sent..])
    };
    let (header, payloads) = holder.open(probe);
    assert_eq!(header.exchange, ExchangeType::INFORMATIONAL);
    assert!(!header.flags.is_response());
    assert_eq!(payloads, []);
    let discards = pair.server.discarded[before..].to_vec();
    assert_eq!(discards[0], Discard::Hint);
    assert!(discards[1..].iter().all(|one| *one == Discard::Unprotected));
    // It is answered, and all is as before.
    pair.run(5);
    assert!(pair.both_up());
    assert_eq!((pair.server.log.len(), pair.server.closed.len()), (0, 0));
    // Later, once more.
    pair.run(30);
    let sent = pair.wire.len();
    pair.deliver(true, path, &forged[0]);
    assert_eq!(pair.wire.len() - sent, 1);
}

// The same hint when it is true: the peer has forgotten the SA, answers nothing, and the check says so.
// RFC 7296 §2.4#4: its word in clear is not believed, its silence is.
#[test]
fn a_peer_that_really_forgot_is_found_by_the_check() {
    let (mut pair, ..) = up();
    let id = pair.client.sas[0];
    pair.command(false, Command::Forget(id));
    let id = pair.server.sas[0];
    pair.command(true, Command::Probe(id));
    pair.run(1);
    // The client's answer to the probe was INVALID_IKE_SPI; nothing is believed yet.
    assert_eq!(pair.client.discarded, [Discard::UnknownSpiAnswered]);
    assert_eq!(pair.server.discarded, [Discard::Unprotected]);
    assert_eq!(pair.server.ready(), 1);
    pair.run(130);
    assert_eq!(pair.server.endpoint.len(), 0);
    assert_eq!(
        pair.server.closed,
        [ironflex_ikev2::event::CloseReason::Unanswered]
    );
}
