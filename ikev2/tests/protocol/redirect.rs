//! Redirection in both roles (RFC 5685): at IKE_SA_INIT, at IKE_AUTH, and what is no redirection though it
//! looks like one. Every hostile test first runs its unharmed twin to success.

use std::{net::IpAddr, time::Duration};

use ironflex_ikev2::{
    config::{FragmentationConfig, Redirection},
    event::{CloseReason, Discard, Path},
    refusal::{AuthFault, PeerMisbehaved, Refusal},
    wire::{
        Flags, Header, PartialMessage, Payload,
        payload::{Gateway, Notify},
        registry::{ExchangeType, NotifyType, PayloadType, ProtocolId},
        write_message,
    },
};

use crate::{
    flood::{cookie, send},
    holder::Holder,
    support::*,
};

const ELSEWHERE: &str = "192.0.2.7";

fn elsewhere() -> Gateway {
    Gateway::address(ELSEWHERE.parse().unwrap()).unwrap()
}

fn follows(mut setup: Setup) -> Setup {
    setup.connect.redirection = Redirection::Followed;
    // Messages that are whole can be changed.
    setup.connect.fragmentation = FragmentationConfig {
        ietf: false,
        cisco: false,
        mtu: 576,
    };
    setup
}

fn login(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.connect();
    pair.run(20);
    pair
}

fn redirected(pair: &Pair, gateway: &Gateway) -> bool {
    pair.client.closed == [CloseReason::Redirected(gateway.clone())]
}

/// Whether the message says this, without protocol or SPI.
fn says_plainly(octets: &[u8], kind: NotifyType) -> bool {
    let message = PartialMessage::parse(octets).unwrap();
    message.outer.iter().any(|one| {
        matches!(one, Payload::Notify(said) if said.kind == kind
            && said.protocol == ProtocolId::NONE && said.spi.is_empty())
    })
}

// --- IKE_SA_INIT ---

// RFC 5685 §9.1#1-2, §9.2#1-2: neither notify has a protocol or an SPI.
// RFC 5685 §3: REDIRECT with the request's nonce, under a responder SPI of zero, and no SA.
#[test]
fn a_client_is_redirected_at_init_and_nothing_is_kept_of_it() {
    let forms = [
        elsewhere(),
        Gateway::address("2001:db8::7".parse().unwrap()).unwrap(),
        Gateway::fqdn("gw2.example.com").unwrap(),
    ];
    for gateway in forms {
        let mut setup = follows(Setup::new(CBC));
        setup.server.redirect = Some(gateway.clone());
        let pair = login(setup, 200);
        assert!(redirected(&pair, &gateway), "{:?}", pair.client.closed);
        assert_eq!(pair.server.discarded, [Discard::Redirected]);
        assert!(pair.server.endpoint.is_empty() && pair.client.endpoint.is_empty());
        let [(_, request), (_, answer)] = &pair.wire[..] else {
            panic!("{} datagrams", pair.wire.len())
        };
        let message = PartialMessage::parse(answer).unwrap();
        assert_eq!(message.header.responder_spi, None);
        assert!(answer.len() < request.len());
        assert!(says_plainly(request, NotifyType::REDIRECT_SUPPORTED));
        assert!(says_plainly(answer, NotifyType::REDIRECT));
    }
}

// RFC 5685 §3#1-2,5: REDIRECT is for those who have said that they know it; who comes from a gateway says so.
// RFC 5685 §9.3#1-2: REDIRECTED_FROM has neither protocol nor SPI.
#[test]
fn who_cannot_be_sent_elsewhere_is_served() {
    let own = address(SERVER).ip();
    let there = ELSEWHERE.parse().unwrap();
    for (redirection, gateway, served) in [
        (Redirection::Followed, elsewhere(), false),
        (Redirection::Refused, elsewhere(), true),
        // It comes from there already: the two would send it back and forth.
        (Redirection::From(there), elsewhere(), true),
        (Redirection::From(own), elsewhere(), false),
        // Nobody is sent to whom it has called.
        (Redirection::Followed, Gateway::address(own).unwrap(), true),
    ] {
        let mut setup = follows(Setup::new(CBC));
        setup.connect.redirection = redirection;
        setup.server.redirect = Some(gateway.clone());
        let pair = login(setup.clone(), 201);
        assert_eq!(pair.both_up(), served, "{redirection:?} {gateway}");
        let from = matches!(redirection, Redirection::From(_));
        let told = says_plainly(&pair.wire[0].1, NotifyType::REDIRECTED_FROM);
        assert_eq!(told, from, "{redirection:?}");
        // The same once it is authenticated.
        setup.peer.redirect = setup.server.redirect.take();
        let pair = login(setup, 201);
        assert_eq!(pair.both_up(), served, "{redirection:?} {gateway} at AUTH");
    }
}

/// A client's first request, without what it could do without, and where it is seen to come from.
fn shortest(setup: &Setup, kinds: &[PayloadType]) -> (Path, Header, Vec<Payload>) {
    let mut pair = Pair::new(setup.clone(), 206);
    pair.connect();
    let (_, path, octets) = pair.next_flight().unwrap();
    let message = PartialMessage::parse(&octets).unwrap();
    let mut payloads = message.outer;
    payloads.retain(|one| match one {
        Payload::Notify(said) => said.kind == NotifyType::REDIRECT_SUPPORTED,
        other => kinds.contains(&other.kind()),
    });
    (path, message.header, payloads)
}

fn written(header: &Header, payloads: &[Payload]) -> Vec<u8> {
    let mut octets = Vec::new();
    write_message(header, payloads, &mut octets);
    octets
}

// RFC 7296 §2.6: who only claims an address draws no more octets to it than it sends, however long the name of the
// gateway is.
#[test]
fn a_redirect_is_no_longer_than_its_request_where_no_cookie_has_come() {
    const ALL: [PayloadType; 3] = [PayloadType::SA, PayloadType::KE, PayloadType::NONCE];
    let name = [63, 63, 63, 61].map(|length| "a".repeat(length)).join(".");
    let long = Gateway::fqdn(&name).unwrap();
    let mut setup = follows(Setup::new(CBC));
    setup.server.redirect = Some(long.clone());
    // It is long enough.
    let pair = login(setup.clone(), 206);
    assert!(redirected(&pair, &long), "{:?}", pair.client.closed);

    let (path, header, payloads) = shortest(&setup, &ALL);
    let request = written(&header, &payloads);
    let mut pair = Pair::new(setup.clone(), 207);
    let (answers, discards) = send(&mut pair, path, &request);
    assert_eq!(discards, [Discard::CookieSent]);
    assert!(answers[0].len() < request.len());
    let brought = Notify::new(NotifyType::COOKIE, cookie(&answers[0]));
    let with_cookie = [&[Payload::Notify(brought)], &payloads[..]].concat();
    let (answers, discards) = send(&mut pair, path, &written(&header, &with_cookie));
    assert_eq!(discards, [Discard::Redirected]);
    assert!(says_plainly(&answers[0], NotifyType::REDIRECT));
    assert!(pair.server.endpoint.is_empty());

    // Without its SA or its key exchange it is no request that could be served elsewhere.
    for kinds in [
        [PayloadType::NONCE, PayloadType::KE],
        [PayloadType::NONCE, PayloadType::SA],
    ] {
        let (path, header, payloads) = shortest(&setup, &kinds);
        let request = written(&header, &payloads);
        let (answers, _) = send(&mut pair, path, &request);
        assert!(says_plainly(&answers[0], NotifyType::INVALID_SYNTAX));
        assert!(answers[0].len() < request.len());
    }
}

/// A client whose first request is under way, with an attacker on the wire.
struct Seen {
    pair: Pair,
    header: Header,
    nonce: Vec<u8>,
}

impl Seen {
    fn new(setup: &Setup) -> Self {
        let mut pair = Pair::new(setup.clone(), 202);
        pair.connect();
        let (_, _, octets) = pair.next_flight().unwrap();
        let message = PartialMessage::parse(&octets).unwrap();
        let mut nonces = message.outer.iter().filter_map(|one| match one {
            Payload::Nonce(nonce) => Some(nonce.as_bytes().to_vec()),
            _ => None,
        });
        Self {
            nonce: nonces.next().unwrap(),
            header: message.header,
            pair,
        }
    }

    /// Hands the client REDIRECT with this data before the server has answered.
    fn redirect(&mut self, data: &[&[u8]]) {
        let header = Header::new(
            self.header.initiator_spi,
            None,
            ExchangeType::IKE_SA_INIT,
            Flags::new(false, true),
            self.header.message_id,
        );
        let said = Notify::new(NotifyType::REDIRECT, data.concat());
        let mut octets = Vec::new();
        write_message(&header, &[Payload::Notify(said)], &mut octets);
        let path = self.pair.setup.connect.path;
        self.pair.deliver(false, path, &octets);
    }
}

const GATEWAY: &[u8] = &[1, 4, 192, 0, 2, 7];

// RFC 5685 §3#3-4, §9.2#4: an answer whose nonce is not ours is dropped in silence, and the wait goes on.
#[test]
fn a_redirect_with_another_nonce_or_no_gateway_is_passed_over() {
    let setup = follows(Setup::new(CBC));
    let mut twin = Seen::new(&setup);
    let nonce = twin.nonce.clone();
    twin.redirect(&[GATEWAY, &nonce]);
    assert!(redirected(&twin.pair, &elsewhere()));

    let mut flipped = nonce.clone();
    flipped[31] ^= 1;
    let longer = [&nonce[..], &[0]].concat();
    let forgeries: [&[&[u8]]; 11] = [
        &[GATEWAY, &flipped],
        &[GATEWAY, &nonce[..31]],
        &[GATEWAY, &longer],
        &[GATEWAY],
        &[&nonce],
        &[],
        // The nonce is right, and the gateway is none.
        &[&[1, 3, 192, 0, 2], &nonce],
        &[&[1, 4, 0, 0, 0, 0], &nonce],
        &[&[9, 4, 192, 0, 2, 7], &nonce],
        &[&[1, 200, 192, 0, 2, 7], &nonce],
        &[b"\x03\x05a b.c", &nonce],
    ];
    for forgery in forgeries {
        let mut seen = Seen::new(&setup);
        assert_eq!(seen.nonce, nonce);
        for _ in 0..3 {
            seen.redirect(forgery);
        }
        assert_eq!(
            seen.pair.client.discarded,
            [const { Discard::ForgedRedirect }; 3]
        );
        seen.pair.run(20);
        assert!(seen.pair.both_up(), "{forgery:?}");
    }
}

#[test]
fn who_has_not_said_that_it_follows_is_not_redirected() {
    let mut setup = follows(Setup::new(CBC));
    let mut twin = Seen::new(&setup);
    let nonce = twin.nonce.clone();
    twin.redirect(&[GATEWAY, &nonce]);
    assert!(redirected(&twin.pair, &elsewhere()));

    setup.connect.redirection = Redirection::Refused;
    let mut seen = Seen::new(&setup);
    let nonce = seen.nonce.clone();
    seen.redirect(&[GATEWAY, &nonce]);
    seen.pair.run(20);
    assert!(seen.pair.both_up(), "{:?}", seen.pair.client.closed);
}

// RFC 7296 §2.21.1: nothing of it is proven, and a good answer may be on its way.
#[test]
fn a_redirect_that_leads_back_ends_nothing_while_a_good_answer_may_come() {
    let setup = follows(Setup::new(CBC));
    let mut twin = Seen::new(&setup);
    let nonce = twin.nonce.clone();
    twin.redirect(&[GATEWAY, &nonce]);
    assert!(redirected(&twin.pair, &elsewhere()));

    let called = address(SERVER).ip();
    let own = Gateway::address(called).unwrap();
    let IpAddr::V4(octets) = called else {
        panic!("{called}")
    };
    let to_itself = [&[1, 4][..], &octets.octets()].concat();
    let from_there = Redirection::From(ELSEWHERE.parse().unwrap());
    for (redirection, said, gateway) in [
        (Redirection::Followed, &to_itself[..], own),
        (from_there, GATEWAY, elsewhere()),
    ] {
        let mut setup = setup.clone();
        setup.connect.redirection = redirection;
        let mut seen = Seen::new(&setup);
        let nonce = seen.nonce.clone();
        seen.redirect(&[said, &nonce]);
        assert_eq!(seen.pair.client.closed, []);
        seen.pair.run(20);
        assert!(seen.pair.both_up(), "{:?}", seen.pair.client.closed);

        // Where no other answer comes, it was meant so.
        let mut seen = Seen::new(&setup);
        seen.pair.tamper = Some(Box::new(|_, _| false));
        let nonce = seen.nonce.clone();
        seen.redirect(&[said, &nonce]);
        seen.pair.run(20);
        assert!(
            redirected(&seen.pair, &gateway),
            "{:?}",
            seen.pair.client.closed
        );
    }
}

// --- IKE_AUTH ---

// RFC 5685 §6#3-4, §9.2#5: both ends are proven, there is no child SA, and the client deletes the IKE SA.
#[test]
fn a_client_is_redirected_once_it_is_authenticated() {
    for setup in [
        Setup::new(CBC),
        Setup::new(GCM),
        Setup::with_pre_shared_key(GCM),
    ] {
        assert!(login(follows(setup.clone()), 203).both_up());
        let mut setup = follows(setup);
        setup.peer.redirect = Some(elsewhere());
        let mut pair = login(setup, 203);
        assert!(redirected(&pair, &elsewhere()), "{:?}", pair.client.closed);
        assert_eq!(pair.server.closed, [CloseReason::Redirected(elsewhere())]);
        assert!(pair.server.installed.is_empty() && pair.client.installed.is_empty());
        assert!(
            pair.server
                .log
                .iter()
                .any(|line| line.starts_with("authenticated"))
        );
        // The Delete was answered, and nothing stays.
        let counters = pair.server.endpoint.counters();
        assert_eq!(counters.deletes.received_requests, 1);
        pair.run(30);
        pair.assert_clean();
    }
}

// RFC 5685 §6#1,5: who has not proven itself is not told where another gateway is.
#[test]
fn a_client_that_fails_learns_of_no_other_gateway() {
    let mut setup = follows(Setup::with_pre_shared_key(GCM));
    setup.peer.redirect = Some(elsewhere());
    assert!(redirected(&login(setup.clone(), 204), &elsewhere()));
    setup.peer.remote_authentication.proofs.pre_shared_key = Some(pre_shared_key(b"another"));
    let pair = login(setup, 204);
    let failed = Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED);
    assert_eq!(pair.client.closed, [CloseReason::Refused(failed)]);
}

/// A login in which an authentic responder says something else in its IKE_AUTH answer with this message ID.
fn altered(setup: Setup, id: u32, change: impl Fn(&mut Vec<Payload>) + 'static) -> Pair {
    let mut pair = Pair::new(setup, 205);
    pair.server.endpoint.key_log(true);
    pair.connect();
    let end = pair.now.after(Duration::from_secs(1));
    while pair.server.ike_keys.is_empty() {
        assert!(pair.step(end));
    }
    let holder = Holder::of(&pair.server);
    pair.tamper = Some(Box::new(move |to_server, octets| {
        let header = PartialMessage::parse(octets).unwrap().header;
        let meant = header.exchange == ExchangeType::IKE_AUTH && header.message_id.0 == id;
        if !to_server && meant {
            let (header, mut payloads) = holder.open(octets);
            change(&mut payloads);
            let plain = holder.header(header.exchange, false, true, id);
            *octets = holder.seal(&plain, &payloads);
        }
        true
    }));
    pair.run(20);
    pair
}

fn say(data: &'static [u8]) -> impl Fn(&mut Vec<Payload>) {
    move |payloads| {
        let said = Notify::new(NotifyType::REDIRECT, data.to_vec());
        payloads.push(Payload::Notify(said));
    }
}

// RFC 5685 §6#2,5-7: in the first answer it counts, for the responder has proven itself there.
#[test]
fn a_redirect_in_the_first_answer_counts_and_no_password_is_given_away() {
    let setup = follows(Setup::new(CBC));
    assert!(altered(setup.clone(), 1, |_| {}).both_up());
    let pair = altered(setup.clone(), 1, say(GATEWAY));
    assert!(redirected(&pair, &elsewhere()), "{:?}", pair.client.closed);
    // Nothing of EAP has been said.
    let auth = pair.client.endpoint.counters().exchanges[&Some(ExchangeType::IKE_AUTH)];
    assert_eq!(auth.sent_requests, 1);

    // The same from who has not proven itself: no redirection.
    let pair = altered(setup, 1, |payloads| {
        say(GATEWAY)(payloads);
        for payload in payloads {
            if let Payload::Auth(auth) = payload {
                auth.data[0] ^= 1;
            }
        }
    });
    let failed = Refusal::Misbehaved(PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey));
    assert_eq!(pair.client.closed, [CloseReason::Refused(failed)]);
}

// RFC 5685 §6#8-9: in the midst of EAP it is not accepted.
#[test]
fn a_redirect_in_the_midst_of_eap_is_not_accepted() {
    let setup = follows(Setup::new(CBC));
    assert!(redirected(
        &altered(setup.clone(), 1, say(GATEWAY)),
        &elsewhere()
    ));
    for id in 2..=4 {
        let pair = altered(setup.clone(), id, say(GATEWAY));
        assert!(pair.both_up(), "{id}: {:?}", pair.client.closed);
    }
}

#[test]
fn a_redirect_at_auth_that_names_no_gateway_ends_the_login() {
    let setup = follows(Setup::new(CBC));
    assert!(redirected(
        &altered(setup.clone(), 1, say(GATEWAY)),
        &elsewhere()
    ));
    let malformed: [&[u8]; 5] = [
        &[],
        &[1, 4, 192, 0, 2],
        &[2, 4, 192, 0, 2, 7],
        &[3, 1, b'/'],
        // RFC 5685 §9.2: a nonce has no place here.
        &[1, 4, 192, 0, 2, 7, 0xa5],
    ];
    for data in malformed {
        let mut pair = altered(setup.clone(), 1, say(data));
        let bad = Refusal::Misbehaved(PeerMisbehaved::BadRedirect);
        assert_eq!(pair.client.closed, [CloseReason::Refused(bad)], "{data:?}");
        pair.run(60);
        assert!(pair.client.endpoint.is_empty());
    }
}

// RFC 5685 §6: it may stand in the last answer; whatever stands beside it, no child SA is made.
#[test]
fn a_redirect_beside_a_child_sa_wins() {
    let setup = follows(Setup::new(CBC));
    let twin = altered(setup.clone(), u32::MAX, |_| {});
    assert!(twin.both_up());
    let auth = twin.client.endpoint.counters().exchanges[&Some(ExchangeType::IKE_AUTH)];
    let last = u32::try_from(auth.sent_requests).unwrap();
    let pair = altered(setup, last, say(GATEWAY));
    assert!(redirected(&pair, &elsewhere()), "{:?}", pair.client.closed);
    assert!(pair.client.installed.is_empty());
}
