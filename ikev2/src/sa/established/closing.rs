//! The end that we have begun: our last request is out (RFC 7296 §1.4.1), or will be as soon as that of IKE_AUTH is answered
//! (§2.21.2).
//!
//! ```text
//!   Established ────────────────────────────────► Closing ─► gone
//!   Initiator, its IKE_AUTH request is out ─► Leaving ─┘
//! ```

use super::mobike;
use crate::{
    event::{CloseReason, Event},
    refusal::{PeerMisbehaved, Refusal},
    sa::{
        Cx, init,
        link::{Link, Opened},
        state::{Outcome, State, close},
    },
    wire::{
        payload::{Delete, Notify, Payload},
        registry::{ExchangeType, NotifyType, PayloadType, ProtocolId},
    },
};

/// Our last word is out; the SA goes when it is answered or has been sent often enough.
pub(crate) struct Closing {
    reason: CloseReason,
}

impl Closing {
    /// The peer's next request.
    pub(crate) fn request(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        let stays = |reason| State::Closing(Self { reason });
        answer_before_the_end(link, cx, opened, self.reason, stays)
    }

    /// The answer to something of ours.
    pub(crate) fn response(self, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Refusal> {
        if link.requests.last_is_answered() {
            return Ok(self.finish(link, cx));
        }
        link.pump(cx)?;
        Ok(Outcome::Go(State::Closing(self)))
    }

    /// The end.
    pub(crate) fn finish(self, link: &Link, cx: &mut Cx<'_>) -> Outcome {
        cx.event(link.id, Event::Closed(self.reason));
        Outcome::Gone
    }
}

/// We leave in the middle of IKE_AUTH: our request is out, and what the last word is depends on its answer.
pub(crate) struct Leaving {
    reason: CloseReason,
}

impl Leaving {
    /// A request of the responder, which is up already.
    pub(crate) fn request(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        let stays = |reason| State::Leaving(Self { reason });
        answer_before_the_end(link, cx, opened, self.reason, stays)
    }

    /// The answer to IKE_AUTH, which says whether the responder is up.
    pub(crate) fn response(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        // RFC 7296 §2.21.2: what cannot be read is no proof either.
        let payloads = opened.payloads.unwrap_or_default();
        let has = |kind| payloads.iter().any(|one| one.kind() == kind);
        let last_word = match (has(PayloadType::AUTH), has(PayloadType::EAP)) {
            // RFC 7296 §1.4.1: the responder is up.
            (true, false) => Payload::Delete(Delete::ike_sa()),
            // It has ended the SA itself.
            (false, _) if init::error_of(&payloads).is_some() => {
                return Ok(self.finish(link, cx));
            }
            _ => gives_up(),
        };
        close_with(link, cx, last_word, self.reason)
    }

    /// The end.
    pub(crate) fn finish(self, link: &Link, cx: &mut Cx<'_>) -> Outcome {
        cx.event(link.id, Event::Closed(self.reason));
        Outcome::Gone
    }
}

/// Works on a request of the peer while the end is on its way, for this reason; `stays` makes the state that goes on.
fn answer_before_the_end(
    link: &mut Link,
    cx: &mut Cx<'_>,
    opened: Opened,
    reason: CloseReason,
    stays: impl FnOnce(CloseReason) -> State,
) -> Result<Outcome, Refusal> {
    let exchange = opened.exchange;
    let answer = opened.payloads.and_then(|payloads| match exchange {
        // RFC 7296 §2.25#1: nothing new is made on an SA that is being closed, nor brought to its end.
        ExchangeType::CREATE_CHILD_SA | ExchangeType::IKE_FOLLOWUP_KE => {
            let busy = Payload::Notify(Notify::plain(NotifyType::TEMPORARY_FAILURE));
            Ok((Some(busy), deletes(&payloads)))
        }
        ExchangeType::INFORMATIONAL => Ok((mobike::returned(&payloads), deletes(&payloads))),
        _ => Err(PeerMisbehaved::UnexpectedExchange.into()),
    });
    let is_over = match answer {
        Ok((answer, crossed)) => {
            link.respond(cx, exchange, answer.as_slice())?;
            // RFC 7296 §2.25.2#5: Deletes that cross are both answered, and then it is over.
            if crossed {
                cx.event(link.id, Event::Closed(reason));
                return Ok(Outcome::Gone);
            }
            false
        }
        // RFC 7296 §2.21.3#1: whoever sends a request with an error is told so; INVALID_SYNTAX ends the SA without waiting for
        // the answer to our last word.
        Err(refusal) => match link.respond_error(cx, exchange, &refusal) {
            Ok(ends) => ends,
            Err(failure) => return Ok(close(link, cx, CloseReason::Refused(failure))),
        },
    };
    Ok(if is_over {
        close(link, cx, reason)
    } else {
        Outcome::Go(stays(reason))
    })
}

/// Whether the IKE SA is deleted by a message.
fn deletes(payloads: &[Payload]) -> bool {
    payloads
        .iter()
        .any(|one| matches!(one, Payload::Delete(delete) if delete.protocol == ProtocolId::IKE))
}

/// Sends this INFORMATIONAL as the SA's last request and waits for its answer.
pub(crate) fn close_with(
    link: &mut Link,
    cx: &mut Cx<'_>,
    payload: Payload,
    reason: CloseReason,
) -> Result<Outcome, Refusal> {
    link.deadline = None;
    link.request(cx, ExchangeType::INFORMATIONAL, [payload].to_vec())?;
    Ok(Outcome::Go(State::Closing(Closing { reason })))
}

/// Ends an SA whose IKE_AUTH request is out. RFC 7296 §2.21.2, §1.4.1: what is said last, once that is answered, depends on
/// whether the responder is up by then.
pub(crate) fn close_after_auth(link: &mut Link, reason: CloseReason) -> Outcome {
    link.deadline = None;
    Outcome::Go(State::Leaving(Leaving { reason }))
}

/// The last word to a responder that is not up: the authentication comes to nothing (RFC 7296 §2.21.2).
pub(crate) fn gives_up() -> Payload {
    Payload::Notify(Notify::plain(NotifyType::AUTHENTICATION_FAILED))
}
