//! Exchanges out of place: every exchange type in every state, authentic and not, requests said again,
//! answers to nothing, and what an authentic peer may say that nobody understands.
//!
//! Every test first runs its unharmed twin to success, so that it cannot pass because nothing works.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use ironflex_ikev2::{
    error::InvalidMessage,
    event::{Ask, CloseReason, Command, Discard, Path, SaId},
    refusal::{AuthFault, PeerMisbehaved, Refusal},
    wire::{
        Header, Payload,
        payload::{Delete, Notify, UnknownPayload},
        registry::{ExchangeType, NotifyType, PayloadType},
    },
};

use crate::{holder::Holder, support::*};

const EXCHANGES: [ExchangeType; 9] = [
    ExchangeType::IKE_SA_INIT,
    ExchangeType::IKE_AUTH,
    ExchangeType::CREATE_CHILD_SA,
    ExchangeType::INFORMATIONAL,
    ExchangeType(38),
    ExchangeType(43),
    ExchangeType(44),
    ExchangeType(240),
    ExchangeType(255),
];

/// How a responder is brought into a state, and what holds for it there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    HalfOpen,
    AwaitPeer,
    AwaitSign,
    AwaitEapStart,
    ExpectEap,
    AwaitEap,
    ExpectFinalAuth,
    AwaitLease,
    AwaitInstall,
    Established,
    Closing,
    Lingering,
}

impl Stage {
    const ALL: [Self; 12] = [
        Self::HalfOpen,
        Self::AwaitPeer,
        Self::AwaitSign,
        Self::AwaitEapStart,
        Self::ExpectEap,
        Self::AwaitEap,
        Self::ExpectFinalAuth,
        Self::AwaitLease,
        Self::AwaitInstall,
        Self::Established,
        Self::Closing,
        Self::Lingering,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::HalfOpen => "R_WAIT_AUTH",
            Self::AwaitPeer => "R_GET_POLICY",
            Self::AwaitSign => "R_BLD_AUTH",
            Self::AwaitEapStart | Self::AwaitEap => "R_PROC_EAP_RESP",
            Self::ExpectEap => "R_WAIT_EAP_RESP",
            Self::ExpectFinalAuth => "R_WAIT_EAP_AUTH",
            Self::AwaitLease => "R_GET_CONFIG",
            Self::AwaitInstall => "R_INSTALL_CHILD",
            Self::Established => "READY",
            Self::Closing => "DELETE",
            Self::Lingering => "EXIT",
        }
    }

    /// A request is being worked on: whatever comes in its place is absorbed.
    const fn is_working(self) -> bool {
        matches!(
            self,
            Self::AwaitPeer
                | Self::AwaitSign
                | Self::AwaitEapStart
                | Self::AwaitEap
                | Self::AwaitLease
                | Self::AwaitInstall
        )
    }

    fn silent(self) -> fn(&Ask) -> bool {
        use ironflex_ikev2::event::EapInput;
        match self {
            Self::AwaitPeer => |ask| matches!(ask, Ask::Peer(_)),
            Self::AwaitSign => |ask| matches!(ask, Ask::Sign { .. }),
            Self::AwaitEapStart => |ask| matches!(ask, Ask::Eap(EapInput::Start(_))),
            Self::AwaitEap => |ask| matches!(ask, Ask::Eap(EapInput::Packet(_))),
            Self::AwaitLease => |ask| matches!(ask, Ask::Lease(_)),
            Self::AwaitInstall => |ask| matches!(ask, Ask::Install(_)),
            _ => |_| false,
        }
    }
}

/// A server in a stage, and a peer with the keys in the client's place.
struct At {
    pair: Pair,
    holder: Holder,
    path: Path,
    /// The message ID of the next request.
    next: u32,
}

impl At {
    fn stage(stage: Stage) -> Self {
        let mut setup = Setup::new(GCM);
        setup.silent = stage.silent();
        let mut pair = Pair::new(setup, 70);
        pair.server.endpoint.key_log(true);
        pair.connect();
        let far = pair.now.after(Duration::from_secs(1));
        let reached = |pair: &Pair| {
            let mut views = pair.server.endpoint.views();
            views.next().is_some_and(|view| view.state == stage.name())
        };
        match stage {
            Stage::Closing | Stage::Lingering => {
                pair.run(2);
                let id = pair.server.sas[0];
                if stage == Stage::Closing {
                    pair.command(true, Command::Delete(id));
                } else {
                    let client = pair.client.sas[0];
                    pair.command(false, Command::Delete(client));
                    pair.step(far.after(Duration::from_secs(5)));
                }
            }
            _ => while !reached(&pair) && pair.step(far) {},
        }
        assert!(reached(&pair), "{stage:?}: {:?}", pair.server.log);
        pair.lose_flights();
        pair.server.discarded.clear();
        let view = pair.server.endpoint.views().next().unwrap();
        let (path, next) = (view.path, view.next_expected);
        Self {
            holder: Holder::of(&pair.server),
            pair,
            path,
            next,
        }
    }

    fn established() -> Self {
        let mut twin = Pair::new(Setup::new(GCM), 70);
        twin.connect();
        twin.run(20);
        assert!(twin.both_up());
        Self::stage(Stage::Established)
    }

    fn state(&self) -> Option<&'static str> {
        let mut views = self.pair.server.endpoint.views();
        views.next().map(|view| view.state)
    }

    /// Everything that can be seen of the server.
    fn sight(&self) -> String {
        let endpoint = &self.pair.server.endpoint;
        let views: Vec<_> = endpoint
            .views()
            .map(|view| {
                let child = view.child.map(|child| child.inbound_spi);
                (
                    view.id,
                    view.state,
                    view.path,
                    view.next_expected,
                    view.next_request,
                    child,
                )
            })
            .collect();
        format!(
            "{views:?} {} {:?} {}",
            endpoint.half_open(),
            self.pair.server.log,
            self.pair.server.installed.len()
        )
    }

    fn header(&self, exchange: ExchangeType, response: bool) -> Header {
        self.holder.header(exchange, true, response, self.next)
    }

    fn request(&self, exchange: ExchangeType, payloads: &[Payload]) -> Vec<u8> {
        self.holder.seal(&self.header(exchange, false), payloads)
    }

    /// Sends octets: the server's datagrams and discards.
    fn send(&mut self, octets: &[u8]) -> (Vec<Arc<[u8]>>, Vec<Discard>) {
        let (sent, seen) = (self.pair.wire.len(), self.pair.server.discarded.len());
        self.pair.deliver(true, self.path, octets);
        self.pair.lose_flights();
        let answers = self.pair.wire[sent..].iter();
        (
            answers.map(|(_, octets)| Arc::clone(octets)).collect(),
            self.pair.server.discarded[seen..].to_vec(),
        )
    }

    /// Sends the next request; it must be answered by one message with these payloads.
    fn ask(&mut self, exchange: ExchangeType, payloads: &[Payload]) -> Vec<Payload> {
        let request = self.request(exchange, payloads);
        let (answers, discards) = self.send(&request);
        assert_eq!((answers.len(), &discards[..]), (1, &[][..]), "{exchange}");
        let (header, said) = self.holder.open(&answers[0]);
        assert_eq!(header, {
            let mut expected = self.holder.header(exchange, false, true, self.next);
            (expected.next_payload, expected.length) = (header.next_payload, header.length);
            expected
        });
        self.next += 1;
        said
    }

    fn assert_alive(&mut self) {
        assert_eq!(self.state(), Some("READY"));
        assert_eq!(self.ask(ExchangeType::INFORMATIONAL, &[]), []);
        assert_eq!(self.pair.server.installed.len(), 1);
    }
}

fn notify(kind: NotifyType) -> Payload {
    Payload::Notify(Notify::plain(kind))
}

fn unknown(kind: u8, critical: bool) -> Payload {
    Payload::Unknown(UnknownPayload {
        kind: PayloadType(kind),
        critical,
        data: vec![1, 2, 3],
    })
}

// --- Every exchange in every state ---

// RFC 7296 §1.4#1, §2.21.4#1,5-6, §3.1#14: what is in clear, or under other keys, or answers what was not asked, changes
// nothing in any state and is not answered; a request for no SA is, by INVALID_IKE_SPI.
#[test]
fn nothing_unauthentic_and_no_unasked_answer_does_anything_in_any_state() {
    for stage in Stage::ALL {
        let mut at = At::stage(stage);
        let before = at.sight();
        let ids = [0, at.next, at.next + 1, at.next + 4, at.next + 5, u32::MAX];
        for exchange in EXCHANGES {
            for id in ids {
                for response in [false, true] {
                    for by_initiator in [false, true] {
                        let header = at.holder.header(exchange, by_initiator, response, id);
                        let mut forged = at.holder.seal(&header, &[notify(NotifyType(40_963))]);
                        let last = forged.len() - 1;
                        forged[last] ^= 1;
                        let clear = Holder::clear(&header, &[Payload::Delete(Delete::ike_sa())]);
                        // Sealed as it should be, but an answer to nothing: only our Delete waits for one.
                        let awaited = stage == Stage::Closing
                            && (exchange, id) == (ExchangeType::INFORMATIONAL, 0);
                        let unasked = (response && !awaited).then(|| at.holder.seal(&header, &[]));
                        for octets in [Some(forged), Some(clear), unasked].into_iter().flatten() {
                            let (answers, discards) = at.send(&octets);
                            let what = format!("{stage:?} {exchange} {id} {response}");
                            assert_eq!(discards.len(), 1, "{what}");
                            match discards[0] {
                                // A message ID that was answered is answered again, unread (§2.1).
                                Discard::Repeated => {}
                                Discard::UnknownSpiAnswered => {
                                    assert!(!response && !by_initiator, "{what}");
                                    assert_eq!(answers.len(), 1, "{what}");
                                }
                                _ => assert!(answers.is_empty(), "{what}: {discards:?}"),
                            }
                            assert_eq!(at.sight(), before, "{what}");
                        }
                    }
                }
            }
        }
    }
}

// RFC 7296 §1#2, §1.4#4, §4#5: until the login is done nothing else is served, and each INFORMATIONAL is
// answered.
#[test]
fn an_authentic_request_is_answered_as_its_state_allows() {
    for stage in Stage::ALL {
        for exchange in EXCHANGES {
            let mut at = At::stage(stage);
            let before = at.sight();
            let what = format!("{stage:?} {exchange}");
            let request = at.request(exchange, &[]);
            let (answers, discards) = at.send(&request);
            if exchange == ExchangeType::IKE_SA_INIT {
                // Never a request of an SA: there, IKE_SA_INIT is what makes one.
                assert_eq!(discards, [Discard::ContradictoryInit], "{what}");
                assert_eq!((answers.len(), at.sight()), (0, before), "{what}");
                continue;
            }
            if stage.is_working() {
                assert_eq!(discards, [Discard::InProgress], "{what}");
                assert_eq!((answers.len(), at.sight()), (0, before), "{what}");
                continue;
            }
            assert_eq!(discards, [], "{what}");
            let said: Vec<Vec<Payload>> = answers.iter().map(|one| at.holder.open(one).1).collect();
            let empty = vec![Vec::new()];
            let invalid = vec![vec![notify(NotifyType::INVALID_SYNTAX)]];
            let informational = exchange == ExchangeType::INFORMATIONAL;
            let (expected, state) = match stage {
                Stage::ExpectEap | Stage::ExpectFinalAuth if informational => (empty, stage.name()),
                Stage::HalfOpen | Stage::ExpectEap | Stage::ExpectFinalAuth => (invalid, "EXIT"),
                Stage::Established if informational => (empty, "READY"),
                // RFC 7296 §2.21.3: without an SA payload it is no request at all.
                Stage::Established if exchange == ExchangeType::CREATE_CHILD_SA => {
                    (invalid, "EXIT")
                }
                // RFC 9370 §rules#9: it follows nothing.
                Stage::Established if exchange == ExchangeType::IKE_FOLLOWUP_KE => {
                    let lost = notify(NotifyType::STATE_NOT_FOUND);
                    (vec![vec![lost]], "READY")
                }
                // RFC 7296 §2.21.3#1: well formed and out of place is an error too.
                Stage::Established => (invalid, "EXIT"),
                // RFC 7296 §2.25#1: nothing new is made on what is being closed, nor brought to its end.
                Stage::Closing
                    if [ExchangeType::CREATE_CHILD_SA, ExchangeType::IKE_FOLLOWUP_KE]
                        .contains(&exchange) =>
                {
                    let busy = notify(NotifyType::TEMPORARY_FAILURE);
                    (vec![vec![busy]], "DELETE")
                }
                Stage::Closing if informational => (empty, "DELETE"),
                Stage::Closing => (invalid, "EXIT"),
                Stage::Lingering if informational => (empty, "EXIT"),
                _ => (Vec::new(), "EXIT"),
            };
            assert_eq!(said, expected, "{what}");
            assert_eq!(at.state(), Some(state), "{what}");
            // Nobody got in by it.
            let ready = at.pair.server.ready();
            let up = stage == Stage::Established && state == "READY";
            assert_eq!(ready, usize::from(up), "{what}");
        }
    }
}

// The same towards a client: before its headend has proven itself it grants nothing.
#[test]
fn a_client_that_is_logging_in_grants_its_headend_nothing_but_a_delete() {
    for exchange in EXCHANGES {
        for deletes in [false, true] {
            let mut pair = Pair::new(Setup::new(GCM), 71);
            pair.client.endpoint.key_log(true);
            pair.connect();
            let far = pair.now.after(Duration::from_secs(1));
            for _ in 0..3 {
                pair.step(far);
            }
            pair.lose_flights();
            let view = pair.client.endpoint.views().next().unwrap();
            assert_eq!(view.state, "I_WAIT_AUTH");
            let path = view.path;
            let holder = Holder::of(&pair.client);
            let payloads: &[Payload] = if deletes {
                &[Payload::Delete(Delete::ike_sa())]
            } else {
                &[]
            };
            let header = holder.header(exchange, false, false, 0);
            let sent = pair.wire.len();
            pair.deliver(false, path, &holder.seal(&header, payloads));
            let answers: Vec<_> = pair.wire[sent..].to_vec();
            let what = format!("{exchange} {deletes}");
            if exchange == ExchangeType::IKE_SA_INIT {
                assert!(answers.is_empty(), "{what}");
                continue;
            }
            assert_eq!(answers.len(), 1, "{what}");
            let (_, said) = holder.open(&answers[0].1);
            // A headend that is up before its last answer has come asks for nothing wrong: an error would
            // end its SA.
            let expected = match exchange {
                ExchangeType::INFORMATIONAL => vec![],
                ExchangeType::CREATE_CHILD_SA => vec![notify(NotifyType::TEMPORARY_FAILURE)],
                _ => vec![notify(NotifyType::INVALID_SYNTAX)],
            };
            assert_eq!(said, expected, "{what}");
            let deleted = exchange == ExchangeType::INFORMATIONAL && deletes;
            let closed = deleted.then_some(CloseReason::PeerDeleted);
            assert_eq!(pair.client.closed, Vec::from_iter(closed), "{what}");
            assert_eq!(pair.client.ready(), 0);
        }
    }
}

// --- Requests said again, and windows ---

// RFC 7296 §2.1#1-2,4: the same octets again, as often as the rate allows, and no second effect.
#[test]
fn a_replayed_request_is_answered_with_the_same_octets_and_has_no_second_effect() {
    let mut at = At::established();
    let request = at.request(ExchangeType::INFORMATIONAL, &[notify(NotifyType(40_963))]);
    let (first, _) = at.send(&request);
    let before = at.sight();
    for _ in 0..5 {
        let (again, discards) = at.send(&request);
        assert_eq!(discards, [Discard::Repeated]);
        assert_eq!(again, first);
    }
    let (answers, discards) = at.send(&request);
    assert_eq!((answers.len(), discards), (0, vec![Discard::RepeatLimited]));
    assert_eq!(at.sight(), before);
    at.next += 1;
    at.assert_alive();
}

// RFC 7296 §2.3#8-9: what lies outside is neither acknowledged nor otherwise answered.
#[test]
fn message_ids_outside_of_the_window_are_dropped() {
    let mut at = At::established();
    let before = at.sight();
    let next = at.next;
    for (id, expected) in [
        (next + 5, Discard::AheadOfWindow),
        (next + 1_000, Discard::AheadOfWindow),
        (u32::MAX, Discard::AheadOfWindow),
        (0, Discard::OldMessageId),
    ] {
        let header = at
            .holder
            .header(ExchangeType::INFORMATIONAL, true, false, id);
        let request = at
            .holder
            .seal(&header, &[Payload::Delete(Delete::ike_sa())]);
        assert_eq!(at.send(&request), (Vec::new(), vec![expected]), "{id}");
    }
    assert_eq!(at.sight(), before);
    at.assert_alive();
}

// RFC 7296 §2.3: within the window a request waits for its turn, and each is answered once.
#[test]
fn requests_within_the_window_are_answered_in_their_order() {
    let mut at = At::established();
    let seal = |at: &At, ahead: u32| {
        let header = at
            .holder
            .header(ExchangeType::INFORMATIONAL, true, false, at.next + ahead);
        at.holder.seal(&header, &[])
    };
    for ahead in [2, 1, 4, 3] {
        let request = seal(&at, ahead);
        let expected = (Vec::new(), vec![Discard::AheadOfWindow]);
        assert_eq!(at.send(&request), expected);
        let expected = (Vec::new(), vec![Discard::Duplicate]);
        assert_eq!(at.send(&request), expected);
    }
    let request = seal(&at, 0);
    let (answers, discards) = at.send(&request);
    assert_eq!(discards, []);
    let ids: Vec<u32> = answers
        .iter()
        .map(|one| at.holder.open(one).0.message_id.0)
        .collect();
    assert_eq!(ids, (at.next..at.next + 5).collect::<Vec<_>>());
    at.next += 5;
    at.assert_alive();
}

// --- An authentic peer that says strange things ---

// RFC 7296 §2.5#10-11, §2.21.3#1: answered by its type number, and the SA lives.
#[test]
fn a_critical_unknown_payload_after_login_is_answered_and_the_sa_lives() {
    for kind in [1, 32, 49, 131, 255] {
        let mut at = At::established();
        for exchange in [ExchangeType::INFORMATIONAL, ExchangeType::CREATE_CHILD_SA] {
            let said = at.ask(exchange, &[unknown(kind, true)]);
            let refused = Notify::new(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![kind]);
            assert_eq!(said, [Payload::Notify(refused)]);
        }
        let said = at.ask(ExchangeType::INFORMATIONAL, &[unknown(kind, false)]);
        assert_eq!(said, []);
        at.assert_alive();
    }
}

// RFC 7296 §2.21.2#2-3: in IKE_AUTH it is all that is said, and ends the SA.
#[test]
fn a_critical_unknown_payload_in_ike_auth_is_fatal() {
    At::established().assert_alive();
    for stage in [Stage::HalfOpen, Stage::ExpectEap, Stage::ExpectFinalAuth] {
        let mut at = At::stage(stage);
        let said = at.ask(ExchangeType::IKE_AUTH, &[unknown(49, true)]);
        let refused = Notify::new(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![49]);
        assert_eq!(said, [Payload::Notify(refused)]);
        let error = InvalidMessage::UnsupportedCriticalPayload(PayloadType(49));
        let reason = CloseReason::Refused(Refusal::InvalidMessage(error));
        assert_eq!(at.pair.server.closed, [reason]);
        at.pair.run(60);
        // The real client, whose place was taken, may be trying anew by now.
        let id = SaId::from_spi(at.holder.responder_spi.get());
        assert!(at.pair.server.endpoint.view(id).is_none());
    }
}

// RFC 7296 §2.16#2,9, §2.21.2#2-3: EAP and AUTH each have their turn.
#[test]
fn ike_auth_without_what_is_due_is_fatal() {
    At::established().assert_alive();
    for (stage, error) in [
        (
            Stage::HalfOpen,
            PeerMisbehaved::MissingPayload(PayloadType::ID_I),
        ),
        (Stage::ExpectEap, PeerMisbehaved::UnexpectedEap),
        (
            Stage::ExpectFinalAuth,
            PeerMisbehaved::MissingPayload(PayloadType::AUTH),
        ),
    ] {
        let mut at = At::stage(stage);
        let said = at.ask(ExchangeType::IKE_AUTH, &[]);
        assert_eq!(said, [notify(NotifyType::INVALID_SYNTAX)]);
        assert_eq!(at.pair.server.closed, [CloseReason::Refused(error.into())]);
    }
}

// RFC 7296 §2.15, §2.16: no AUTH but the one over these octets under this key lets anyone in.
#[test]
fn a_final_auth_of_another_key_or_method_is_refused() {
    use ironflex_ikev2::wire::{payload::AuthPayload, registry::AuthMethod};
    At::established().assert_alive();
    let mic = PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey);
    let method = PeerMisbehaved::UnexpectedAuthMethod;
    for (number, data, error) in [
        (2, vec![0; 48], mic),
        (2, Vec::new(), mic),
        (2, vec![0; 4_000], mic),
        (0, vec![0; 48], method),
        (1, vec![0; 256], method),
        (14, vec![0; 48], method),
        (255, vec![0; 48], method),
    ] {
        let mut at = At::stage(Stage::ExpectFinalAuth);
        let auth = Payload::Auth(AuthPayload {
            method: AuthMethod(number),
            data,
        });
        let said = at.ask(ExchangeType::IKE_AUTH, &[auth]);
        assert_eq!(said, [notify(NotifyType::AUTHENTICATION_FAILED)]);
        assert_eq!(at.pair.server.closed, [CloseReason::Refused(error.into())]);
        assert_eq!(at.pair.server.installed.len(), 0);
    }
}

// RFC 7296 §2#1-2, §2.21.4#10, §3.10.1#2-3: messages of 3000 octets are read; what they say in notifies that
// are not known, or of an SPI that is not, is noted and changes nothing.
#[test]
fn unknown_notifies_are_noted_and_change_nothing() {
    let mut at = At::established();
    for kind in [4, 10, 11, 44, 8_191, 8_192, 16_383, 40_960, 40_963, 65_535] {
        for length in [0, 1, 3_000] {
            let said = Notify::new(NotifyType(kind), vec![7; length]);
            let answer = at.ask(ExchangeType::INFORMATIONAL, &[Payload::Notify(said)]);
            assert_eq!(answer, [], "{kind}");
        }
    }
    at.assert_alive();
}

// RFC 7296 §2.21.3#1, §3.10.1#4: INVALID_SYNTAX in answer to an authentic request ends the SA at both ends, without a Delete.
#[test]
fn an_authentic_request_of_broken_octets_is_answered_and_ends_the_sa() {
    for (first, content) in [
        (PayloadType::NOTIFY, &[0, 0, 0, 3][..]),
        (PayloadType::NOTIFY, &[0, 0, 0xff, 0xff, 1]),
        (PayloadType::NONE, &[1, 2, 3]),
        (PayloadType::SK, &[0, 0, 0, 4]),
        (PayloadType::DELETE, &[0, 0, 0, 8, 3, 4, 0xff, 0xff]),
        (PayloadType::DELETE, &[0, 0, 0, 11, 3, 3, 0, 1, 1, 2, 3]),
    ] {
        let mut at = At::established();
        let header = at.header(ExchangeType::INFORMATIONAL, false);
        let request = at.holder.seal_octets(&header, first, content);
        let (answers, discards) = at.send(&request);
        assert_eq!((answers.len(), discards.len()), (1, 0), "{content:02x?}");
        let (_, said) = at.holder.open(&answers[0]);
        assert_eq!(said, [notify(NotifyType::INVALID_SYNTAX)]);
        assert_eq!(at.state(), Some("EXIT"), "{content:02x?}");
        assert!(at.pair.server.installed.is_empty());
    }
}

/// What ends an IKE SA right after IKE_AUTH and at no other time (RFC 7296 §2.21.2), beside AUTHENTICATION_FAILED.
const ENDS_IKE_AUTH: [NotifyType; 2] = [
    NotifyType::INVALID_SYNTAX,
    NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD,
];

#[test]
fn an_error_that_a_peer_says_long_after_ike_auth_ends_nothing() {
    for kind in ENDS_IKE_AUTH {
        for late in [false, true] {
            let mut at = At::established();
            if late {
                at.assert_alive();
            }
            assert_eq!(at.ask(ExchangeType::INFORMATIONAL, &[notify(kind)]), []);
            let expected = if late { "READY" } else { "EXIT" };
            assert_eq!(at.state(), Some(expected), "{kind}, late: {late}");
            assert_eq!(at.pair.server.installed.len(), usize::from(late));
        }
    }
}

// A rekeying of ours that the peer has agreed to is no less than a request of its own.
#[test]
fn an_error_that_a_peer_says_after_our_rekeying_ends_nothing() {
    for kind in ENDS_IKE_AUTH {
        let mut pair = Pair::new(Setup::new(GCM), 74);
        pair.server.endpoint.key_log(true);
        pair.connect();
        pair.run(5);
        let id = pair.server.sas[0];
        pair.command(true, Command::Rekey(id));
        pair.run(5);
        let view = pair.server.endpoint.views().next().unwrap();
        // The server has made it, so the peer is its responder, and has asked for nothing on it yet.
        assert_eq!((view.state, view.next_expected), ("READY", 0));
        let path = view.path;
        let holder = Holder::of(&pair.server);
        let header = holder.header(ExchangeType::INFORMATIONAL, false, false, 0);
        let sent = pair.wire.len();
        pair.deliver(true, path, &holder.seal(&header, &[notify(kind)]));
        // It is answered, and the window of the new IKE SA is told with that (RFC 7296 §2.3).
        let (header, _) = holder.open(&pair.wire[sent].1);
        assert!(header.flags.is_response());
        let view = pair.server.endpoint.views().next().unwrap();
        assert_eq!((view.state, view.next_expected), ("READY", 1), "{kind}");
        assert_eq!(pair.server.closed, []);
    }
}

// --- Deletes ---

// RFC 7296 §1.4.1#1-3: the other half goes with it, once.
// RFC 7296 §2.25.1#7: a Delete of what is not there is answered with nothing inside.
#[test]
fn a_child_is_deleted_once_and_only_by_its_own_spi() {
    let mut at = At::established();
    let child = at.pair.server.installed.values().next().unwrap();
    let (theirs, ours) = (child.outbound_spi, child.inbound_spi);
    let delete = |spi: u32| Payload::Delete(Delete::esp(&[spi.to_be_bytes()]));
    for wrong in [0, 1, ours, theirs ^ 1, u32::MAX] {
        assert_eq!(at.ask(ExchangeType::INFORMATIONAL, &[delete(wrong)]), []);
        at.assert_alive();
    }
    let said = at.ask(ExchangeType::INFORMATIONAL, &[delete(theirs)]);
    assert_eq!(said, [delete(ours)]);
    assert_eq!(at.pair.server.installed.len(), 0);
    let said = at.ask(ExchangeType::INFORMATIONAL, &[delete(theirs)]);
    assert_eq!(said, []);
    assert_eq!(at.state(), Some("READY"));
}

#[test]
fn an_ike_sa_is_deleted_once_and_each_delete_is_answered() {
    At::established().assert_alive();
    let mut at = At::established();
    let delete = Payload::Delete(Delete::ike_sa());
    for _ in 0..3 {
        let said = at.ask(ExchangeType::INFORMATIONAL, std::slice::from_ref(&delete));
        assert_eq!(said, []);
        assert_eq!(at.state(), Some("EXIT"));
        assert_eq!(at.pair.server.installed.len(), 0);
    }
    assert_eq!(at.pair.server.closed, [CloseReason::PeerDeleted]);
    at.pair.run(60);
    assert_eq!(at.pair.server.endpoint.len(), 0);
}

// RFC 7296 §2.25.2#5: both ends delete at once.
#[test]
fn deletes_that_cross_leave_nothing() {
    At::established().assert_alive();
    let mut pair = Pair::new(Setup::new(GCM), 72);
    pair.connect();
    pair.run(20);
    let (server, client) = (pair.server.sas[0], pair.client.sas[0]);
    pair.command(true, Command::Delete(server));
    pair.command(false, Command::Delete(client));
    pair.run(60);
    pair.assert_clean();
}

// The headend's Delete overtakes the final answer that it follows.
#[test]
fn a_delete_that_overtakes_the_final_answer_ends_the_login() {
    let mut setup = Setup::new(GCM);
    setup.lease = false;
    let mut twin = Pair::new(setup.clone(), 73);
    twin.connect();
    twin.run(60);
    twin.assert_clean();
    let mut pair = Pair::new(setup, 73);
    let lost = Rc::new(Cell::new(false));
    let seen = Rc::clone(&lost);
    pair.tamper = Some(Box::new(move |to_server, octets| {
        // The first answer to message 5, the final one, is late: only its repetition could come.
        let is_final = !to_server && octets[18] == 35 && octets[23] == 5;
        !is_final || seen.replace(true)
    }));
    pair.connect();
    pair.run(30);
    assert!(lost.get());
    assert_eq!(pair.client.closed, [CloseReason::PeerDeleted]);
    pair.run(60);
    pair.assert_clean();
}
