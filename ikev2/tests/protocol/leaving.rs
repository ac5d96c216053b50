//! Logins that the client ends: because its user has had enough, or because the headend's answers are no good. The headend hears
//! of it at once, and keeps nothing (RFC 7296 §2.21.2).

use std::time::Duration;

use ironflex_ikev2::{
    error::InvalidMessage,
    event::{Ask, CloseReason, Command},
    refusal::{PeerMisbehaved, Refusal},
    wire::{
        Header, Payload,
        payload::{EapPayload, UnknownPayload},
        registry::{ExchangeType, NotifyType, PayloadType},
    },
};

use crate::{holder::Holder, support::*};

/// The headend is up, and is told that its SA goes.
const DELETED: CloseReason = CloseReason::PeerDeleted;

/// The headend is told that it is not trusted, or not wanted before it was up.
const FAILED: CloseReason = said(NotifyType::AUTHENTICATION_FAILED);

const fn said(kind: NotifyType) -> CloseReason {
    CloseReason::Refused(Refusal::ByPeer(kind))
}

fn setups() -> [(bool, Setup); 3] {
    [
        (true, Setup::new(CBC)),
        (false, Setup::with_certificate(GCM)),
        (false, Setup::with_pre_shared_key(GCM)),
    ]
}

/// How the client stands in its login.
fn stage(pair: &Pair) -> Option<&'static str> {
    let mut views = pair.client.endpoint.views();
    views.next().map(|view| view.state)
}

/// The client leaves now. The headend ends by this reason, well before it would forget the login of itself, and nothing is left.
fn leaves(mut pair: Pair, reason: &CloseReason) {
    let at = stage(&pair);
    let id = pair.client.endpoint.views().next().unwrap().id;
    pair.command(false, Command::Delete(id));
    pair.run(3);
    assert_eq!(pair.client.closed, [CloseReason::Deleted], "{at:?}");
    assert_eq!(pair.server.closed, std::slice::from_ref(reason), "{at:?}");
    assert_eq!(pair.server.ready(), 0, "{at:?}");
    assert!(pair.client.endpoint.is_empty(), "{at:?}");
    // Its answers are kept for those that were lost.
    pair.run(60);
    pair.assert_clean();
    assert_eq!((pair.client.closed.len(), pair.server.closed.len()), (1, 1));
}

// RFC 7296 §1.4.1, §2.21.2: a headend that is up is told so by a Delete, and one that is not by AUTHENTICATION_FAILED. Which it is
// its answer says, to what was asked before the client left.
#[test]
fn a_client_may_leave_after_every_datagram_of_its_login() {
    for (eap, setup) in setups() {
        let mut left = Vec::new();
        for steps in 1.. {
            let mut pair = Pair::new(setup.clone(), 60);
            pair.connect();
            let until = pair.now.after(Duration::from_secs(5));
            for _ in 0..steps {
                assert!(pair.step(until));
            }
            if pair.both_up() {
                break;
            }
            let reason = match stage(&pair) {
                // IKE_SA_INIT is not answered yet.
                None | Some("I_WAIT_INIT") => continue,
                Some("I_WAIT_AUTH") if eap => FAILED,
                Some("I_WAIT_EAP_REQ") => FAILED,
                Some("I_WAIT_AUTH" | "I_WAIT_EAP_AUTH_VERIFY") => DELETED,
                other => panic!("{other:?}"),
            };
            left.push(reason.clone());
            leaves(pair, &reason);
        }
        assert!(left.contains(&DELETED));
        assert_eq!(left.contains(&FAILED), eap);
        // Each of four rounds of EAP is two steps, and so is what stands before and after them.
        assert!(left.len() >= if eap { 11 } else { 2 }, "{}", left.len());
    }
}

// The same where the client has been asked something of its own outside, its user for one.
#[test]
fn a_client_may_leave_while_its_outside_is_silent() {
    let chain: fn(&Ask) -> bool = |ask| matches!(ask, Ask::Chain { .. });
    let user: fn(&Ask) -> bool = |ask| matches!(ask, Ask::Eap(_));
    let install: fn(&Ask) -> bool = |ask| matches!(ask, Ask::Install(_));
    for (eap, setup) in setups() {
        let with_chain = setup.connect.responder.pre_shared_key.is_none();
        let half_way = if eap { FAILED } else { DELETED };
        for (asked, silent, name, reason) in [
            (with_chain, chain, "I_VERIFY_AUTH", half_way),
            (eap, user, "I_PROC_EAP_REQ", FAILED),
            (true, install, "I_INSTALL_CHILD", DELETED),
        ] {
            let mut setup = setup.clone();
            setup.client_silent = silent;
            let mut pair = Pair::new(setup, 61);
            pair.connect();
            pair.run(5);
            if asked {
                assert_eq!(stage(&pair), Some(name));
                leaves(pair, &reason);
            } else {
                assert!(pair.both_up(), "nobody was asked");
            }
        }
    }
}

// RFC 7296 §1#1: before IKE_AUTH nothing but that is taken, and the headend forgets who does not come.
#[test]
fn a_client_that_leaves_before_its_first_ike_auth_goes_without_a_word() {
    let mut setup = Setup::with_certificate(GCM);
    setup.client_silent = |ask| matches!(ask, Ask::Sign { .. });
    let mut pair = Pair::new(setup, 62);
    pair.connect();
    pair.run(5);
    assert_eq!(stage(&pair), Some("I_BLD_AUTH"));
    let (id, sent) = (
        pair.client.endpoint.views().next().unwrap().id,
        pair.wire.len(),
    );
    pair.command(false, Command::Delete(id));
    assert_eq!(pair.client.closed, [CloseReason::Deleted]);
    pair.run(60);
    assert_eq!(pair.wire.len(), sent);
    assert_eq!(pair.server.closed, [CloseReason::TimedOut]);
    pair.assert_clean();
}

// A headend that refuses needs no further word, and one that falls silent is not waited for longer than for any answer.
#[test]
fn a_client_that_has_left_is_gone_when_the_headend_refuses_or_is_silent() {
    for silent in [true, false] {
        let mut setup = Setup::with_pre_shared_key(GCM);
        setup.known = false;
        let mut pair = Pair::new(setup, 63);
        pair.connect();
        pair.wait_for(true, ExchangeType::IKE_AUTH);
        let id = pair.client.endpoint.views().next().unwrap().id;
        pair.command(false, Command::Delete(id));
        assert_eq!(stage(&pair), Some("DELETE"));
        if silent {
            pair.weather.loss = 100;
            pair.lose_flights();
        }
        let sent = pair.wire.len();
        pair.run(300);
        assert_eq!(pair.client.closed, [CloseReason::Deleted]);
        let asked = pair.wire[sent..].iter().filter(|(to_server, _)| *to_server);
        let informational = asked.filter(|(_, octets)| {
            Header::peek(octets).unwrap().exchange == ExchangeType::INFORMATIONAL
        });
        assert_eq!(informational.count(), 0);
        pair.assert_clean();
    }
}

/// What is wrong with an answer, what the client finds, and what it says of it.
struct Harm {
    name: &'static str,
    payloads: fn(&mut Vec<Payload>),
    found: Refusal,
    said: NotifyType,
}

fn drop_kind(payloads: &mut Vec<Payload>, kind: PayloadType) {
    let before = payloads.len();
    payloads.retain(|one| one.kind() != kind);
    assert!(payloads.len() < before, "there is no {kind}");
}

/// A login whose `nth` answer of IKE_AUTH is harmed.
fn harmed(setup: &Setup, nth: usize, harm: &Harm) {
    let mut setup = setup.clone();
    // Each message is one datagram.
    setup.connect.fragmentation.cisco = false;
    for good in [true, false] {
        let mut pair = Pair::new(setup.clone(), 64);
        pair.client.endpoint.key_log(true);
        pair.connect();
        pair.wait_for(true, ExchangeType::IKE_AUTH);
        let holder = Holder::of(&pair.client);
        for _ in 0..nth {
            pair.wait_for(false, ExchangeType::IKE_AUTH);
            pair.wait_for(true, ExchangeType::IKE_AUTH);
        }
        pair.wait_for(false, ExchangeType::IKE_AUTH);
        holder.change(&mut pair, |mut payloads| {
            if !good {
                (harm.payloads)(&mut payloads);
            }
            payloads
        });
        pair.run(3);
        if good {
            assert!(pair.both_up());
            continue;
        }
        let Harm { name, found, .. } = harm;
        assert_eq!(
            pair.client.closed,
            [CloseReason::Refused(found.clone())],
            "{name}"
        );
        assert_eq!(pair.server.closed, [said(harm.said)], "{name}");
        pair.run(60);
        pair.assert_clean();
    }
}

fn missing(kind: PayloadType) -> Refusal {
    PeerMisbehaved::MissingPayload(kind).into()
}

/// What an answer has that nobody knows, and that nobody may pass over.
const CRITICAL: PayloadType = PayloadType(200);

fn add_critical(payloads: &mut Vec<Payload>) {
    payloads.push(Payload::Unknown(UnknownPayload {
        kind: CRITICAL,
        critical: true,
        data: vec![1, 2, 3],
    }));
}

// RFC 7296 §2.21.2: an error in the answer is said in an INFORMATIONAL of its own, whatever it is, and ends the SA of the headend.
#[test]
fn what_is_wrong_with_an_answer_is_said_and_ends_the_headends_sa() {
    let unproven = Harm {
        name: "no AUTH",
        payloads: |payloads| drop_kind(payloads, PayloadType::AUTH),
        found: PeerMisbehaved::ResponderUnproven.into(),
        said: NotifyType::AUTHENTICATION_FAILED,
    };
    let unnamed = Harm {
        name: "no IDr",
        payloads: |payloads| drop_kind(payloads, PayloadType::ID_R),
        found: missing(PayloadType::ID_R),
        said: NotifyType::INVALID_SYNTAX,
    };
    let without_certificate = Harm {
        name: "no CERT",
        payloads: |payloads| drop_kind(payloads, PayloadType::CERT),
        found: missing(PayloadType::CERT),
        said: NotifyType::INVALID_SYNTAX,
    };
    let critical = Harm {
        name: "a critical payload",
        payloads: add_critical,
        found: InvalidMessage::UnsupportedCriticalPayload(CRITICAL).into(),
        said: NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD,
    };
    let eap_in_place = Harm {
        name: "EAP out of place",
        payloads: |payloads| payloads.push(Payload::Eap(EapPayload(vec![3, 1, 0, 4]))),
        found: PeerMisbehaved::UnexpectedEap.into(),
        said: NotifyType::INVALID_SYNTAX,
    };
    for (eap, setup) in setups() {
        let with_certificate = setup.connect.responder.pre_shared_key.is_none();
        for harm in [&unproven, &unnamed, &critical] {
            harmed(&setup, 0, harm);
        }
        if with_certificate {
            harmed(&setup, 0, &without_certificate);
        }
        if !eap {
            harmed(&setup, 0, &eap_in_place);
        }
    }
    let without_eap = Harm {
        name: "no EAP",
        payloads: |payloads| drop_kind(payloads, PayloadType::EAP),
        found: PeerMisbehaved::UnexpectedEap.into(),
        said: NotifyType::INVALID_SYNTAX,
    };
    let not_concluded = Harm {
        name: "no second AUTH",
        payloads: |payloads| drop_kind(payloads, PayloadType::AUTH),
        found: missing(PayloadType::AUTH),
        said: NotifyType::INVALID_SYNTAX,
    };
    let mut setup = Setup::new(CBC);
    setup.connect.fragmentation.cisco = false;
    let mut twin = Pair::new(setup.clone(), 64);
    twin.connect();
    twin.run(3);
    let answers = twin.wire.iter().filter(|(to_server, octets)| {
        !to_server && Header::peek(octets).unwrap().exchange == ExchangeType::IKE_AUTH
    });
    let last = answers.count() - 1;
    assert!(last >= 4, "{last}");
    for nth in 0..last {
        harmed(&setup, nth, &without_eap);
        harmed(&setup, nth, &critical);
    }
    harmed(&setup, last, &not_concluded);
    harmed(&setup, last, &critical);
}
