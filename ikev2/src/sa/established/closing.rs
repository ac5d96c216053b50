//! The end that we have begun: our last request is out (RFC 7296 §1.4.1).

use crate::{
    event::{CloseReason, Event},
    refusal::Refusal,
    sa::{
        Cx, init,
        link::{Link, Opened},
        state::{Outcome, State, close},
    },
    wire::{
        payload::{Delete, Notify, Payload},
        registry::{ExchangeType, NotifyType, PayloadType},
    },
};

/// Our last word is out; the SA goes when it is answered or has been sent often enough.
pub(crate) struct Closing {
    reason: CloseReason,
    /// Our IKE_AUTH request is out instead, and what the last word is depends on its answer.
    undecided: bool,
}

impl Closing {
    /// The answer to something of ours.
    pub(crate) fn response(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        if self.undecided {
            return self.decide(link, cx, opened);
        }
        if link.requests.last_is_answered() {
            return Ok(self.finish(link, cx));
        }
        link.pump(cx)?;
        Ok(Outcome::Go(State::Closing(self)))
    }

    /// The answer to IKE_AUTH, which says whether the responder is up.
    fn decide(self, link: &mut Link, cx: &mut Cx<'_>, opened: Opened) -> Result<Outcome, Refusal> {
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

    /// A request with an error came. RFC 7296 §2.21.3#1: it is told so; INVALID_SYNTAX ends the SA without waiting for
    /// the answer to our Delete.
    pub(crate) fn refuse(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        exchange: ExchangeType,
        refusal: &Refusal,
    ) -> Outcome {
        match link.respond_error(cx, exchange, refusal) {
            Ok(false) => Outcome::Go(State::Closing(self)),
            Ok(true) => close(link, cx, self.reason),
            Err(failure) => close(link, cx, CloseReason::Refused(failure)),
        }
    }

    /// The end.
    pub(crate) fn finish(self, link: &Link, cx: &mut Cx<'_>) -> Outcome {
        cx.event(link.id, Event::Closed(self.reason));
        Outcome::Gone
    }
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
    Ok(Outcome::Go(State::Closing(Closing {
        reason,
        undecided: false,
    })))
}

/// Ends an SA whose IKE_AUTH request is out. RFC 7296 §2.21.2, §1.4.1: what is said last, once that is answered, depends on
/// whether the responder is up by then.
pub(crate) fn close_after_auth(link: &mut Link, reason: CloseReason) -> Outcome {
    link.deadline = None;
    Outcome::Go(State::Closing(Closing {
        reason,
        undecided: true,
    }))
}

/// The last word to a responder that is not up: the authentication comes to nothing (RFC 7296 §2.21.2).
pub(crate) fn gives_up() -> Payload {
    Payload::Notify(Notify::plain(NotifyType::AUTHENTICATION_FAILED))
}
