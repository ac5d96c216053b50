//! Quick crash detection: tokens that end the IKE SA of a peer that has lost it, and how nobody else gets at them or does
//! anything without (RFC 6290).

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use ironflex_ikev2::{
    counters::Messages,
    crash_detection::QcdSecret,
    crypto::Role,
    event::{CloseReason, Command, Discard, Path},
    secret::SecretBytes,
    view::SaView,
    wire::{
        Body, Flags, Header, InitiatorSpi, MessageId, PartialMessage, Payload, ResponderSpi,
        payload::Notify,
        registry::{ExchangeType, NotifyType, PayloadType, ProtocolId},
    },
};

use crate::{
    flood::{from, send},
    holder::Holder,
    rekey::{id, rekey_ike, run, spis, up},
    support::*,
};

const TOKEN: NotifyType = NotifyType::QUICK_CRASH_DETECTION;

fn secret(octet: u8) -> Option<QcdSecret> {
    QcdSecret::new(SecretBytes::copied_from(&[octet; QcdSecret::LEN]))
}

/// Both ends make tokens, and take them.
fn both(mut setup: Setup) -> Setup {
    setup.server.crash_detection.secret = secret(1);
    setup.client.crash_detection.secret = secret(2);
    setup
}

fn told(payloads: &[Payload]) -> Vec<Notify> {
    let tokens = payloads.iter().filter_map(|payload| match payload {
        Payload::Notify(said) if said.kind == TOKEN => Some(said.clone()),
        _ => None,
    });
    tokens.collect()
}

/// The tokens that an answer in clear brings.
fn in_clear(octets: &[u8]) -> Vec<Notify> {
    let message = PartialMessage::parse(octets).unwrap();
    assert_eq!(message.body, Body::Clear);
    told(&message.outer)
}

/// What looks like a sealed request to whoever has no key for it, from one of the two.
fn request(spi_i: u64, spi_r: u64, by_initiator: bool, id: u32) -> Vec<u8> {
    let header = Header::new(
        InitiatorSpi::new(spi_i).unwrap(),
        ResponderSpi::new(spi_r),
        ExchangeType::INFORMATIONAL,
        Flags::new(by_initiator, false),
        MessageId(id),
    );
    let mut octets = Holder::clear(&header, &[Payload::Notify(Notify::plain(TOKEN))]);
    octets[16] = PayloadType::SK.0;
    octets.truncate(Header::LEN);
    octets.extend([0, 0, 0, 60]);
    octets.extend([0x5a; 56]);
    let length = u32::try_from(octets.len()).unwrap();
    octets[24..28].copy_from_slice(&length.to_be_bytes());
    octets
}

/// Both ends up by a setup that needs few messages, with the keys of their SA and the way between them, as the server
/// sees it.
fn up_with_keys(setup: Setup, seed: u64) -> (Pair, Holder, Path) {
    let mut pair = Pair::new(setup, seed);
    pair.server.endpoint.key_log(true);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up(), "{:?}", pair.server.log);
    let path = pair.server.endpoint.views().next().unwrap().path;
    let holder = Holder::of(&pair.server);
    (pair, holder, path)
}

/// The server's answer in clear to a request of an SA that it has just lost, and the way back.
fn crash(pair: &mut Pair, holder: &Holder, path: Path) -> (Vec<u8>, Path) {
    pair.restart(true);
    let header = holder.header(ExchangeType::INFORMATIONAL, true, false, 7);
    let (answers, discards) = send(pair, path, &holder.seal(&header, &[]));
    assert_eq!(discards, [Discard::UnknownSpiAnswered]);
    let [answer] = &answers[..] else {
        panic!("{} answers", answers.len())
    };
    let back = Path {
        local: path.remote,
        remote: path.local,
        framing: path.framing,
    };
    (answer.clone(), back)
}

/// The same message with other notifies.
fn rewritten(octets: &[u8], said: &[Notify]) -> Vec<u8> {
    let header = Header::peek(octets).unwrap();
    let said: Vec<_> = said.iter().cloned().map(Payload::Notify).collect();
    Holder::clear(&header, &said)
}

// RFC 6290 §3#1: the token is kept, as its effect shows. RFC 6290 §4.1#1-3: protocol 1, no SPI, message type 16419.
#[test]
fn both_ends_give_their_tokens_in_ike_auth_behind_their_proof() {
    let (pair, holder, _) = up_with_keys(both(Setup::with_pre_shared_key(GCM)), 1);
    let mut tokens = Vec::new();
    for (_, octets) in &pair.wire {
        if Header::peek(octets).unwrap().exchange != ExchangeType::IKE_AUTH {
            continue;
        }
        let (_, payloads) = holder.open(octets);
        let at = |kind: fn(&Payload) -> bool| payloads.iter().position(kind).unwrap();
        let token = at(|one| matches!(one, Payload::Notify(said) if said.kind == TOKEN));
        assert!(at(|one| matches!(one, Payload::Auth(_))) < token);
        assert!(token < at(|one| matches!(one, Payload::Cp(_))));
        assert!(token < at(|one| matches!(one, Payload::Sa(_))));
        tokens.extend(told(&payloads));
    }
    let [one, other] = &tokens[..] else {
        panic!("{} tokens", tokens.len())
    };
    for token in [one, other] {
        assert_eq!((token.protocol, token.spi.len()), (ProtocolId::IKE, 0));
        assert_eq!((token.kind.0, token.data.len()), (16419, 16));
    }
    assert_ne!(one.data, other.data);
}

// With EAP they are in the first request and in the last answer (RFC 6290 §3), once each.
#[test]
fn with_eap_they_are_in_the_first_request_and_the_last_answer() {
    let pair = up(both(Setup::new(GCM)), 2);
    let counts = |end: &End| end.endpoint.counters().notifies.get(&Some(TOKEN)).copied();
    let server = Messages {
        sent_responses: 1,
        received_requests: 1,
        ..Messages::default()
    };
    let client = Messages {
        sent_requests: 1,
        received_responses: 1,
        ..Messages::default()
    };
    assert_eq!(counts(&pair.server), Some(server));
    assert_eq!(counts(&pair.client), Some(client));
    // Nobody has to.
    let pair = up(Setup::new(GCM), 2);
    assert_eq!((counts(&pair.server), counts(&pair.client)), (None, None));
}

// RFC 6290 §1.1#1, §3#2-3,5, §4.5#2: the end that has lost the SA says the token that it makes anew, and the other end
// forgets SA and children without another word.
#[test]
fn an_end_that_crashed_is_found_out_by_the_first_question() {
    for suite in [CBC, GCM] {
        for server in [true, false] {
            let mut pair = up(both(Setup::new(suite)), 3);
            pair.restart(server);
            let asks = id(&pair, !server);
            let sent = pair.sent;
            pair.command(!server, Command::Probe(asks));
            pair.run(1);
            let (crashed, other) = if server {
                (&pair.server, &pair.client)
            } else {
                (&pair.client, &pair.server)
            };
            assert_eq!(other.closed, [CloseReason::PeerCrashed]);
            assert_eq!((other.endpoint.len(), other.receiving.len()), (0, 0));
            assert_eq!(other.endpoint.counters().tokens.accepted, 1);
            assert_eq!(crashed.endpoint.counters().tokens.sent, 1);
            assert_eq!(pair.sent, sent + 2);
            pair.run(200);
            assert_eq!(pair.sent, sent + 2);
            // Both begin anew.
            pair.server.closed.clear();
            pair.client.sas.clear();
            pair.server.sas.clear();
            pair.connect();
            pair.run(20);
            assert!(pair.both_up());
            pair.assert_traffic_flows();
        }
    }
}

// RFC 6290 §4.2#1: a peer that gives no token is what it was without: its silence ends the SA, and nothing in clear does.
#[test]
fn without_a_token_silence_is_what_counts() {
    let mut deaf = both(Setup::new(GCM));
    deaf.client.crash_detection.taker = false;
    // No token; one that is not taken; one that is made of another secret after the crash.
    for (setup, after) in [
        (Setup::new(GCM), None),
        (deaf, secret(1)),
        (both(Setup::new(GCM)), secret(9)),
    ] {
        let mut pair = up(setup, 4);
        pair.setup.server.crash_detection.secret = after;
        pair.restart(true);
        let asks = id(&pair, false);
        pair.command(false, Command::Probe(asks));
        pair.run(60);
        assert!(pair.client.closed.is_empty(), "{:?}", pair.client.closed);
        assert_eq!(pair.client.ready(), 1);
        pair.run(100);
        assert_eq!(pair.client.closed, [CloseReason::Unanswered]);
    }
}

// RFC 6290 §3#6: it counts from whatever address and port it comes. RFC 6290 §8.2#2: beside INVALID_SPI as beside
// INVALID_IKE_SPI, and alone (§7).
#[test]
fn a_token_counts_from_anywhere_and_beside_whatever() {
    let errors = [
        Some(NotifyType::INVALID_IKE_SPI),
        Some(NotifyType::INVALID_SPI),
        None,
    ];
    for error in errors {
        for (elsewhere, response) in [(false, true), (true, true), (true, false)] {
            let (mut pair, holder, path) = up_with_keys(both(Setup::new(GCM)), 5);
            let (answer, mut back) = crash(&mut pair, &holder, path);
            let [token] = &in_clear(&answer)[..] else {
                panic!("not one token")
            };
            if elsewhere {
                back.remote = address("203.0.113.77:4711");
            }
            let said = error.map(Notify::plain).into_iter().chain([token.clone()]);
            let mut octets = rewritten(&answer, &said.collect::<Vec<_>>());
            if !response {
                octets[19] &= !0x20;
            }
            pair.deliver(false, back, &octets);
            assert_eq!(pair.client.closed, [CloseReason::PeerCrashed], "{error:?}");
        }
    }
}

// RFC 6290 §4.5#1: the one that fits may be the last of four.
#[test]
fn one_of_four_tokens_is_enough() {
    for at in 0..4 {
        let (mut pair, holder, path) = up_with_keys(both(Setup::new(GCM)), 6);
        let (answer, back) = crash(&mut pair, &holder, path);
        let right = in_clear(&answer).remove(0);
        let mut said = vec![Notify::plain(NotifyType::INVALID_IKE_SPI)];
        for number in 0..4 {
            let mut token = right.clone();
            if number != at {
                token.data[number] ^= 1;
            }
            said.push(token);
        }
        pair.deliver(false, back, &rewritten(&answer, &said));
        assert_eq!(pair.client.closed, [CloseReason::PeerCrashed], "{at}");
    }
}

// RFC 6290 §3#4, §4.5#3, §8.2#3: a token that does not fit ends nothing, is not answered but by the sign of life that any error in
// clear is a hint to ask for, and is told the log.
#[test]
fn a_wrong_token_ends_nothing() {
    let (mut pair, holder, path) = up_with_keys(both(Setup::new(GCM)), 7);
    // The unharmed twin, in another pair of the same seed.
    let (mut twin, ..) = up_with_keys(both(Setup::new(GCM)), 7);
    let (answer, back) = crash(&mut twin, &holder, path);
    let right = in_clear(&answer).remove(0);
    twin.deliver(false, back, &answer);
    assert_eq!(twin.client.closed, [CloseReason::PeerCrashed]);

    let changed = |change: &dyn Fn(&mut Notify)| {
        let mut said = right.clone();
        change(&mut said);
        said
    };
    let invalid = Notify::plain(NotifyType::INVALID_IKE_SPI);
    let wrong = [
        changed(&|said| said.data[0] ^= 0x80),
        changed(&|said| said.data.truncate(15)),
        changed(&|said| said.data.push(0)),
        changed(&|said| said.data.clear()),
        changed(&|said| said.data.fill(0)),
        // As if it were about a child SA, and another notify altogether.
        changed(&|said| said.spi = vec![1, 2, 3, 4]),
        changed(&|said| said.kind = NotifyType::COOKIE),
    ];
    let before = pair.client.endpoint.counters().tokens;
    for (at, said) in wrong.iter().enumerate() {
        for alone in [true, false] {
            let said = if alone {
                vec![said.clone()]
            } else {
                vec![invalid.clone(), said.clone()]
            };
            pair.client.discarded.clear();
            pair.deliver(false, back, &rewritten(&answer, &said));
            assert_eq!(pair.client.discarded.len(), 1, "{at}");
            pair.run(1);
        }
    }
    let counted = pair.client.endpoint.counters().tokens;
    assert_eq!(counted.accepted, before.accepted);
    assert_eq!(counted.rejected, before.rejected + 10);
    pair.run(5);
    assert!(pair.both_up() && pair.client.closed.is_empty());
    pair.assert_traffic_flows();
    // Nor does the right one in a message that answers the first request.
    let mut header = Header::peek(&answer).unwrap();
    header.exchange = ExchangeType::IKE_SA_INIT;
    let octets = Holder::clear(&header, &[Payload::Notify(right.clone())]);
    pair.deliver(false, back, &octets);
    assert!(pair.both_up());
}

// A recorded token is worth nothing: its SA is gone (RFC 6290 §9.1), and the next one has another.
#[test]
fn a_token_that_was_used_ends_no_later_sa() {
    let (mut pair, holder, path) = up_with_keys(both(Setup::new(GCM)), 8);
    let (answer, back) = crash(&mut pair, &holder, path);
    pair.deliver(false, back, &answer);
    assert_eq!(pair.client.closed, [CloseReason::PeerCrashed]);
    pair.client.closed.clear();
    pair.client.sas.clear();
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    pair.client.discarded.clear();
    pair.deliver(false, back, &answer);
    let mut renamed = answer;
    let (spi_i, spi_r) = spis(&pair, false);
    renamed[..8].copy_from_slice(&spi_i.to_be_bytes());
    renamed[8..16].copy_from_slice(&spi_r.to_be_bytes());
    pair.deliver(false, back, &renamed);
    let expected = [Discard::UnknownSpi, Discard::WrongToken];
    assert_eq!(pair.client.discarded, expected);
    pair.run(10);
    assert!(pair.both_up() && pair.client.closed.is_empty());
}

/// An IKE SA as the server has it.
#[derive(Clone, Copy)]
struct OfServer {
    spi_i: u64,
    spi_r: u64,
    role: Role,
}

impl OfServer {
    fn of(view: &SaView<'_>) -> Self {
        Self {
            spi_i: view.initiator_spi.get(),
            spi_r: view.responder_spi.get(),
            role: view.role,
        }
    }

    fn now(pair: &Pair) -> Self {
        let view = pair.server.endpoint.view(pair.server.sas[0]);
        Self::of(&view.unwrap())
    }

    const fn our_spi(self) -> u64 {
        match self.role {
            Role::Initiator => self.spi_i,
            Role::Responder => self.spi_r,
        }
    }

    /// What its peer would ask.
    fn request(self) -> Vec<u8> {
        let by_initiator = self.role == Role::Responder;
        request(self.spi_i, self.spi_r, by_initiator, 7)
    }
}

/// What the server says to a request, and nobody hears.
fn overheard(pair: &mut Pair, remote: SocketAddr, octets: &[u8]) -> Vec<Notify> {
    let path = Path { remote, ..from(0) };
    pair.aside(|pair| {
        let sent = pair.wire.len();
        pair.deliver(true, path, octets);
        let answers = pair.wire[sent..].iter();
        let tokens = answers.flat_map(|(_, octets)| in_clear(octets));
        tokens.collect()
    })
}

/// Asks the server in every way about an SA that it has. Demands that no token is said where its own SPI stands, and adds
/// those that are said of what is not there: a token is bound to both SPIs and to the maker's role, so they are no other
/// SA's. Nothing of it is heard by anybody.
fn ask_about(pair: &mut Pair, sa: OfServer, said: &mut BTreeSet<Vec<u8>>, stage: &str) {
    let OfServer { spi_i, spi_r, .. } = sa;
    let asked = [
        (spi_i, spi_r),
        (spi_r, spi_i),
        (spi_i ^ 1, spi_r),
        (spi_r, spi_r ^ 1),
        (spi_i, spi_r ^ 1),
    ];
    // Another stranger each time, and from the client's address only what is to draw none, so that no source has had its
    // share of tokens.
    let stranger = from(u32::try_from(pair.sent).unwrap()).remote;
    for (remote, asked) in [(address(CLIENT), &asked[..2]), (stranger, &asked)] {
        for by_initiator in [true, false] {
            // The unharmed twin: of what is not there one is told, here and now.
            let twin = overheard(pair, remote, &request(0x0011, 0x0022, by_initiator, 7));
            assert_eq!(twin.len(), 1, "{stage}");
            for &(i, r) in asked {
                let tokens = overheard(pair, remote, &request(i, r, by_initiator, 7));
                assert!(
                    tokens.is_empty() || ![i, r].contains(&sa.our_spi()),
                    "{stage}: {i:x} {r:x} {by_initiator}"
                );
                said.extend(tokens.into_iter().map(|token| token.data.clone()));
            }
        }
    }
}

// RFC 6290 §9.2#1: whoever asks, however the message is turned, is not told the token of an SA that is there: in
// negotiation, up, being rekeyed or on its way out.
#[test]
fn no_token_of_an_sa_that_is_there_is_ever_said() {
    let mut setup = both(Setup::new(GCM));
    setup.eap_rounds = 3;
    let mut pair = Pair::new(setup, 9);
    let unknown = request(0x0011, 0x0022, true, 7);
    // What is too short to be sealed draws less than it has itself.
    let mut short = unknown[..48].to_vec();
    short[27] = 48;
    short[31] = 20;
    let (answers, _) = send(&mut pair, from(0), &short);
    assert!(answers[0].len() < 48 && in_clear(&answers[0]).is_empty());
    // Those of another shard are not ours to tell.
    let (answers, _) = send(&mut pair, from(0), &request(0x0011, 0x22 << 56, true, 7));
    assert_eq!(in_clear(&answers[0]).len(), 0);

    pair.connect();
    let until = pair.now.after(Duration::from_secs(20));
    let (mut stages, mut said) = (BTreeSet::new(), BTreeSet::new());
    while pair.step(until) {
        let view = pair.server.endpoint.views().next();
        if let Some((sa, stage)) = view.map(|view| (OfServer::of(&view), view.state)) {
            stages.insert(stage);
            ask_about(&mut pair, sa, &mut said, stage);
        }
    }
    assert!(pair.both_up(), "{:?}", pair.server.log);
    assert!(stages.len() >= 3, "{stages:?}");
    let first = OfServer::now(&pair);
    let mut all = vec![first];
    for server in [true, false] {
        rekey_ike(&mut pair, server);
        let until = pair.now.after(Duration::from_secs(5));
        while pair.step(until) {
            let now = OfServer::now(&pair);
            ask_about(&mut pair, now, &mut said, "rekeying");
            // What was replaced, too, for the SA still goes by its first name.
            ask_about(&mut pair, first, &mut said, "replaced");
        }
        pair.now = until;
        let now = OfServer::now(&pair);
        // Whoever makes the new one is its initiator.
        assert_eq!(now.role == Role::Initiator, server);
        all.push(now);
    }
    let of_server = id(&pair, true);
    pair.command(true, Command::Delete(of_server));
    ask_about(&mut pair, all[2], &mut said, "deleted");
    pair.run(200);
    pair.assert_clean();
    assert!(!said.is_empty());
    // Now it is gone, and whoever still believes in it is told what nobody has heard before.
    for sa in all {
        let [token] = &overheard(&mut pair, address(CLIENT), &sa.request())[..] else {
            panic!("not one token")
        };
        assert!(!said.contains(&token.data));
    }
}

// RFC 6290 §4.3#1: the new IKE SA has a token of its own: of its responder in CREATE_CHILD_SA, of its initiator in an
// INFORMATIONAL exchange after. RFC 6290 §4.4#2: which brings a new one inside the SA.
#[test]
fn a_rekeyed_ike_sa_has_a_token_of_its_own() {
    for by_server in [true, false] {
        for crashes in [true, false] {
            let mut pair = up(both(Setup::new(GCM)), 10);
            let old = spis(&pair, true);
            rekey_ike(&mut pair, by_server);
            run(&mut pair, 10);
            let new = spis(&pair, true);
            assert_ne!(old, new);
            let notifies = &pair.server.endpoint.counters().notifies[&Some(TOKEN)];
            let given = notifies.sent_requests + notifies.sent_responses;
            let taken = notifies.received_requests + notifies.received_responses;
            assert_eq!((given, taken), (2, 2));
            pair.restart(crashes);
            let asks = id(&pair, !crashes);
            pair.command(!crashes, Command::Probe(asks));
            pair.run(1);
            let other = if crashes { &pair.client } else { &pair.server };
            assert_eq!(other.closed, [CloseReason::PeerCrashed]);
        }
    }
}

// RFC 6290 §5.3#1: the token of a replaced IKE SA goes with it. The peer may have forgotten that one without any crash, and
// would tell its token to anybody.
#[test]
fn the_token_of_a_replaced_ike_sa_ends_nothing() {
    let (mut pair, holder, path) = up_with_keys(both(Setup::with_pre_shared_key(GCM)), 11);
    let login = pair.wire.iter().rev().find(|(to_server, octets)| {
        !to_server && Header::peek(octets).unwrap().exchange == ExchangeType::IKE_AUTH
    });
    let old = told(&holder.open(&login.unwrap().1).1).remove(0);
    let back = Path {
        local: path.remote,
        remote: path.local,
        framing: path.framing,
    };
    let header = holder.header(ExchangeType::INFORMATIONAL, false, true, 0);
    let octets = Holder::clear(&header, &[Payload::Notify(old)]);
    rekey_ike(&mut pair, true);
    let until = pair.now.after(Duration::from_secs(20));
    let mut replaced = false;
    while pair.step(until) {
        replaced |= spis(&pair, false) != (holder.initiator_spi.get(), holder.responder_spi.get());
        if replaced {
            pair.deliver(false, back, &octets);
            assert!(pair.client.closed.is_empty());
        }
    }
    assert!(replaced && pair.both_up());
    pair.assert_traffic_flows();
}

// RFC 6290 §8.1#2: what a flood of requests of unknown SAs draws is bounded, by a higher bound after a start; beyond it there is
// what there is without tokens. It leaves nothing behind, and those who are there do not notice.
#[test]
fn a_flood_of_unknown_spis_draws_so_many_tokens_a_second() {
    let mut pair = up(both(Setup::new(GCM)), 12);
    let flood = |pair: &mut Pair| {
        let (mut tokens, mut plain) = (0, 0);
        for number in 0..5_000 {
            let octets = request(number + 1, number + 0x1_0000, true, 0);
            let (answers, _) = send(pair, from(u32::try_from(number).unwrap()), &octets);
            for answer in &answers {
                let said = in_clear(answer).len();
                assert_eq!(answer.len(), if said == 1 { 60 } else { 36 });
                tokens += said;
                plain += 1 - said;
            }
        }
        (tokens, plain)
    };
    assert_eq!(flood(&mut pair), (1_000, 50));
    pair.run(1);
    assert_eq!(flood(&mut pair), (1_000, 50));
    pair.run(700);
    assert_eq!(flood(&mut pair), (50, 50));
    assert_eq!(pair.server.endpoint.len(), 1);
    pair.run(1);
    assert!(pair.both_up());
    let asks = id(&pair, false);
    pair.command(false, Command::Probe(asks));
    pair.run(5);
    assert!(pair.both_up() && pair.client.closed.is_empty());
}

// RFC 6290 §8.1#2: one source, which may be all of an IPv6 /64, has a tenth, and does not take the others' part.
#[test]
fn a_flood_of_one_source_leaves_tokens_to_the_others() {
    for (after, share) in [(1, 100), (700, 5)] {
        let mut pair = Pair::new(both(Setup::new(GCM)), 16);
        pair.run(after);
        let mut tokens = 0;
        for number in 0..1_000u64 {
            let remote = format!("[2001:db8::{number:x}]:500");
            let path = Path {
                remote: address(&remote),
                ..from(0)
            };
            let octets = request(number + 1, number + 0x1_0000, true, 0);
            let (answers, _) = send(&mut pair, path, &octets);
            tokens += answers.iter().flat_map(|one| in_clear(one)).count();
        }
        assert_eq!(tokens, share);
        let other = overheard(&mut pair, address(CLIENT), &request(1, 2, true, 0));
        assert_eq!(other.len(), 1);
    }
}

// However many wrong ones there were before it, in the headend's own name too, the right one counts. RFC 6290 §8.2#4: all that
// wrong ones come to is one sign of life in half a minute.
#[test]
fn a_flood_of_wrong_tokens_does_not_keep_the_right_one_out() {
    let (mut pair, holder, path) = up_with_keys(both(Setup::new(GCM)), 13);
    let (answer, back) = crash(&mut pair, &holder, path);
    let mut wrong = in_clear(&answer);
    wrong[0].data[3] ^= 1;
    wrong.insert(0, Notify::plain(NotifyType::INVALID_IKE_SPI));
    let wrong = rewritten(&answer, &wrong);
    let stranger = Path {
        remote: address("203.0.113.77:4500"),
        ..back
    };
    pair.client.discarded.clear();
    let sent = pair.sent;
    for _ in 0..100 {
        pair.deliver(false, back, &wrong);
        pair.deliver(false, stranger, &wrong);
    }
    assert_eq!(pair.client.discarded, vec![Discard::WrongToken; 200]);
    assert_eq!(pair.client.endpoint.counters().tokens.rejected, 200);
    assert_eq!(pair.sent, sent + 1);
    assert!(pair.client.closed.is_empty());
    pair.deliver(false, back, &answer);
    assert_eq!(pair.client.closed, [CloseReason::PeerCrashed]);
}

// An SA that its own user has ended while the peer was to answer a rekeying ends by that user, whatever the peer shows then.
#[test]
fn a_token_does_not_hide_that_the_user_wanted_the_end() {
    for leaving in [true, false] {
        let (mut pair, holder, path) = up_with_keys(both(Setup::new(GCM)), 17);
        rekey_ike(&mut pair, false);
        if leaving {
            let of_client = id(&pair, false);
            pair.command(false, Command::Delete(of_client));
        }
        let (answer, back) = crash(&mut pair, &holder, path);
        assert!(pair.client.closed.is_empty());
        pair.deliver(false, back, &answer);
        let reason = if leaving {
            CloseReason::Deleted
        } else {
            CloseReason::PeerCrashed
        };
        assert_eq!(pair.client.closed, [reason]);
        assert_eq!(pair.client.endpoint.len(), 0);
    }
}

// Who only watches and forges gets no further than before (RFC 6290 §9): an error in clear without a token is a hint.
#[test]
fn an_error_in_clear_without_a_token_ends_nothing() {
    let (mut pair, holder, path) = up_with_keys(both(Setup::new(GCM)), 14);
    let back = Path {
        local: path.remote,
        remote: path.local,
        framing: path.framing,
    };
    for kind in [NotifyType::INVALID_IKE_SPI, NotifyType::INVALID_SPI] {
        for response in [true, false] {
            let header = holder.header(ExchangeType::INFORMATIONAL, false, response, 0);
            let said = Payload::Notify(Notify::plain(kind));
            pair.deliver(false, back, &Holder::clear(&header, &[said]));
            pair.run(1);
        }
    }
    pair.run(200);
    assert!(pair.both_up() && pair.client.closed.is_empty());
    assert_eq!(pair.client.endpoint.counters().tokens.accepted, 0);
}

// RFC 6290 §9.3#1: all of an SPI but the shard's number is drawn.
#[test]
fn spis_are_drawn_anew_for_each_sa() {
    let mut all = BTreeSet::new();
    for seed in 0..64 {
        let pair = up(Setup::with_pre_shared_key(GCM), seed << 8);
        let (spi_i, spi_r) = spis(&pair, true);
        all.extend([spi_i, spi_r]);
    }
    assert_eq!(all.len(), 128);
    for bit in 0..56 {
        let set = all.iter().filter(|&&spi| spi >> bit & 1 == 1).count();
        assert!((36..=92).contains(&set), "bit {bit}: {set}");
    }
}

// RFC 6290 §9.2#1: an IKE SA is there as soon as the peer has answered our request for it, and the peer's first request on it
// may come before that answer.
#[test]
fn no_token_is_said_of_an_ike_sa_that_is_still_being_made() {
    for by_server in [true, false] {
        let mut pair = up(both(Setup::new(GCM)), 15);
        pair.server.discarded.clear();
        pair.client.discarded.clear();
        let old = spis(&pair, by_server);
        rekey_ike(&mut pair, by_server);
        let soon = pair.now.after(Duration::from_millis(15));
        assert!(pair.step(soon));
        // The peer has the new one, and its answer is lost.
        assert_ne!(spis(&pair, !by_server), old);
        assert_eq!(spis(&pair, by_server), old);
        pair.lose_flights();
        let asks = id(&pair, !by_server);
        pair.command(!by_server, Command::Probe(asks));
        pair.run(1);
        let (maker, peer) = if by_server {
            (&pair.server, &pair.client)
        } else {
            (&pair.client, &pair.server)
        };
        assert_eq!(maker.discarded, [Discard::UnknownSpi]);
        assert_eq!(maker.endpoint.counters().tokens.sent, 0);
        assert!(peer.closed.is_empty());
        // The answer comes with the next repeat.
        pair.run(30);
        assert!(pair.both_up());
        assert_ne!(spis(&pair, by_server), old);
        pair.assert_traffic_flows();
    }
}
