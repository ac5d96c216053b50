//! IKE SAs that another has replaced, while their Delete is awaited: what they say of addresses.

use super::*;

/// The client has rekeyed the IKE SA and its Delete of the old one is under way: that SA's keys, and the Delete with the way
/// that it would come. From here on nothing of that SA reaches the headend by itself.
fn replaced(pair: &mut Pair, old: &Holder) -> (Path, Vec<u8>) {
    let id = client(pair);
    pair.command(false, Command::Rekey(id));
    let far = pair.now.after(Duration::from_secs(1));
    let spi = old.responder_spi;
    let delete = loop {
        if let Some((true, path, octets)) = pair.next_flight() {
            let header = Header::peek(&octets).unwrap();
            if header.exchange == ExchangeType::INFORMATIONAL && header.responder_spi == Some(spi) {
                break (path, octets.to_vec());
            }
        }
        assert!(pair.step(far));
    };
    pair.tamper = Some(Box::new(move |to_server, octets| {
        !to_server || Header::peek(octets).unwrap().responder_spi != Some(spi)
    }));
    delete
}

// RFC 4555 §3.8#4: a late request on an IKE SA that has been replaced does not move the client back.
#[test]
fn a_late_request_on_a_replaced_sa_moves_nothing_back() {
    for late in [false, true] {
        let (mut pair, old) = up_with_keys(11);
        let (path, delete) = replaced(&mut pair, &old);
        if !late {
            pair.inject(path, &delete);
        }
        go(&mut pair, ELSEWHERE);
        pair.run(5);
        assert_eq!(
            (ike(&pair), esp(&pair).0),
            (address(ELSEWHERE), address(ELSEWHERE).ip())
        );
        if late {
            let before = pair.wire.len();
            pair.inject(path, &delete);
            // It is obeyed, and answered.
            let (header, payloads) = old.open(&pair.wire[before].1);
            assert!(header.flags.is_response() && payloads.is_empty());
        }
        assert_eq!(
            (ike(&pair), esp(&pair).0),
            (address(ELSEWHERE), address(ELSEWHERE).ip())
        );
        pair.lose_flights();
        let server = pair.server.sas[0];
        pair.command(true, Command::Probe(server));
        let (_, probed, _) = pair.next_flight().unwrap();
        assert_eq!(probed.local, address(ELSEWHERE));
    }
}

// RFC 4555 §3.5: all IKE SAs with the client go where it says that it is.
#[test]
fn what_the_headend_still_says_on_a_replaced_sa_follows_the_client() {
    let (mut pair, old) = up_with_keys(12);
    replaced(&mut pair, &old);
    go(&mut pair, ELSEWHERE);
    let far = pair.now.after(Duration::from_secs(300));
    loop {
        if let Some((false, path, octets)) = pair.next_flight()
            && Header::peek(&octets).unwrap().responder_spi == Some(old.responder_spi)
        {
            assert_eq!(path.local, address(ELSEWHERE));
            break;
        }
        assert!(pair.step(far));
    }
}

/// Says on an old IKE SA, where the headend expects this message ID, that the client is at this address. Gives the answer.
fn update_on(pair: &mut Pair, old: &Holder, (here, id): (Path, u32), there: &str) -> Vec<Payload> {
    let update = Notify::plain(NotifyType::UPDATE_SA_ADDRESSES);
    let cookie = Notify::new(NotifyType::COOKIE2, vec![7; 9]);
    let header = old.header(ExchangeType::INFORMATIONAL, true, false, id);
    let request = old.seal(&header, &[update, cookie].map(Payload::Notify));
    let path = Path {
        remote: address(there),
        ..here
    };
    let before = pair.wire.len();
    pair.inject(path, &request);
    let answers = pair.wire[before..].iter().filter(|(_, octets)| {
        let header = Header::peek(octets).unwrap();
        header.flags.is_response() && header.responder_spi == Some(old.responder_spi)
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), 1);
    old.open(&answers[0].1).1
}

// RFC 4555 §3.5: what a client says of its address before it knows that the IKE SA has a successor counts, whichever end made
// that; its answer says so too.
#[test]
fn an_update_on_a_replaced_sa_is_obeyed() {
    for by_client in [true, false] {
        let (mut pair, old) = up_with_keys(15);
        let at = if by_client {
            let (path, delete) = replaced(&mut pair, &old);
            (path, Header::peek(&delete).unwrap().message_id.0)
        } else {
            let server = pair.server.sas[0];
            let view = pair.server.endpoint.view(server).unwrap();
            let at = (view.path, view.next_expected);
            pair.command(true, Command::Rekey(server));
            let far = pair.now.after(Duration::from_secs(1));
            // The headend's Delete of the old one is under way, and does not come through.
            let rekeyed = "rekeyed".to_owned();
            while !pair.server.log.contains(&rekeyed) {
                assert!(pair.step(far));
            }
            pair.lose_flights();
            let spi = old.responder_spi;
            pair.tamper = Some(Box::new(move |_, octets| {
                Header::peek(octets).unwrap().responder_spi != Some(spi)
            }));
            at
        };
        let before = pair.wire.len();
        assert_eq!(update_on(&mut pair, &old, at, ELSEWHERE).len(), 1);
        assert_eq!(ike(&pair), address(ELSEWHERE), "by client: {by_client}");
        let again = pair.wire[before..].iter().any(|(to_server, octets)| {
            let header = Header::peek(octets).unwrap();
            let ours = header.responder_spi == Some(old.responder_spi);
            !to_server && ours && !header.flags.is_response()
        });
        // What the headend waits for there is asked where the client is now.
        assert_eq!(again, !by_client);
        pair.run(5);
        assert_eq!(esp(&pair).0, address(ELSEWHERE).ip());
        assert!(pair.both_up());
    }
}

// RFC 4555 §3.5: where the client has said on the successor that it is elsewhere, what comes late on the old one is from before.
#[test]
fn a_late_update_on_a_replaced_sa_moves_nothing_back() {
    let (mut pair, old) = up_with_keys(16);
    let (path, delete) = replaced(&mut pair, &old);
    let id = Header::peek(&delete).unwrap().message_id.0;
    go(&mut pair, ELSEWHERE);
    pair.run(5);
    assert_eq!(ike(&pair), address(ELSEWHERE));
    assert_eq!(update_on(&mut pair, &old, (path, id), FURTHER).len(), 1);
    assert_eq!(ike(&pair), address(ELSEWHERE));
    pair.run(5);
    assert_eq!(esp(&pair).0, address(ELSEWHERE).ip());
    assert!(pair.both_up());
}

// RFC 4555 §3.7#3, §4.2.5#1: COOKIE2 is copied on every IKE SA that there is.
// RFC 4555 §3.8#1: and hashes are answered with hashes.
#[test]
fn a_replaced_sa_answers_what_is_asked_about_addresses() {
    let kinds = [
        NotifyType::NAT_DETECTION_SOURCE_IP,
        NotifyType::NAT_DETECTION_DESTINATION_IP,
    ];
    let mut asked = kinds.map(|kind| Notify::new(kind, vec![0; 20])).to_vec();
    asked.push(Notify::new(NotifyType::COOKIE2, vec![7; 9]));
    let asked: Vec<Payload> = asked.into_iter().map(Payload::Notify).collect();
    let (mut pair, old) = up_with_keys(13);
    let (path, delete) = replaced(&mut pair, &old);
    let id = Header::peek(&delete).unwrap().message_id.0;
    let request = old.header(ExchangeType::INFORMATIONAL, true, false, id);
    let before = pair.wire.len();
    pair.inject(path, &old.seal(&request, &asked));
    let (header, answer) = old.open(&pair.wire[before].1);
    assert!(header.flags.is_response());
    assert_eq!(answer.len(), 3);
    assert!(kinds.iter().all(|kind| said(&answer, *kind).is_some()));
    assert_eq!(answer.last(), asked.last());
}
