//! The end that we have begun: our last request is out (RFC 7296 §1.4.1).

use crate::{
    event::{CloseReason, Event},
    refusal::Refusal,
    sa::{
        Cx,
        link::Link,
        state::{Outcome, State, close},
    },
    wire::{payload::Payload, registry::ExchangeType},
};

/// Our Delete is out; the SA goes when it is answered or has been sent often enough.
pub(crate) struct Closing {
    reason: CloseReason,
}

impl Closing {
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
    Ok(Outcome::Go(State::Closing(Closing { reason })))
}
