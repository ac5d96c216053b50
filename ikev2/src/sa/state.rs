//! The states of a keyed IKE SA and what each does with an input.
//!
//! A state is consumed by what happens to it and gives back its successor. Integrity and window are
//! checked before any state is entered, so an error in here is one that ends the SA; everything that
//! leaves the SA alive is an ordinary successor with a notify sent (RFC 7296 §2.21).

use alloc::{boxed::Box, vec::Vec};

use crate::{
    config::LINGER,
    event::{Answer, AskId, CloseReason, Discard, Event, Instant, Path},
    refusal::{PeerMisbehaved, Refusal},
    sa::{
        Cx,
        established::{Closing, Established, Leaving, mobike},
        initiator::Initiator,
        link::{Link, Opened},
        responder::Responder,
    },
    wire::{payload::Payload, registry::ExchangeType},
};

/// What an IKE SA is waiting for.
pub(crate) enum State {
    /// We answer the peer's IKE_AUTH exchanges.
    Responder(Box<Responder>),
    /// We start them.
    Initiator(Box<Initiator>),
    /// Both sides are authenticated.
    Established(Box<Established>),
    /// We leave in the middle of IKE_AUTH, whose answer says what our last word has to be.
    Leaving(Leaving),
    /// Our last word is out: a Delete, or that the authentication has come to nothing.
    Closing(Closing),
    /// Over. Repeats still get their answer until the deadline, and an INFORMATIONAL an empty one.
    Lingering,
}

/// What became of an SA.
pub(crate) enum Outcome {
    /// It goes on in this state.
    Go(State),
    /// It is gone at once.
    Gone,
}

impl State {
    /// The name in `debug` and in `show`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Responder(state) => state.name(),
            Self::Initiator(state) => state.name(),
            Self::Established(state) if state.ending().is_some() => "DELETE",
            Self::Established(_) => "READY",
            Self::Leaving(_) | Self::Closing(_) => "DELETE",
            Self::Lingering => "EXIT",
        }
    }

    /// The peer's next request.
    pub(crate) fn request(self, link: &mut Link, cx: &mut Cx<'_>, opened: Opened) -> Outcome {
        let exchange = opened.exchange;
        let result = match self {
            Self::Responder(state) => state.request(link, cx, opened),
            Self::Established(state) => state.request(link, cx, opened),
            Self::Initiator(state) => state.request(link, cx, opened),
            Self::Leaving(state) => state.request(link, cx, opened),
            Self::Closing(state) => state.request(link, cx, opened),
            Self::Lingering => {
                // The client of a failed login says that it gives up; it gets its acknowledgement.
                let answered = if exchange == ExchangeType::INFORMATIONAL {
                    let returned = opened.payloads.ok().as_deref().and_then(mobike::returned);
                    link.respond(cx, exchange, returned.as_slice())
                } else {
                    Ok(())
                };
                answered.map(|()| Outcome::Go(Self::Lingering))
            }
        };
        result.unwrap_or_else(|refusal| refuse(link, cx, exchange, refusal))
    }

    /// The answer to our request.
    pub(crate) fn response(self, link: &mut Link, cx: &mut Cx<'_>, opened: Opened) -> Outcome {
        let result = match self {
            Self::Initiator(state) => state.response(link, cx, opened),
            Self::Established(state) => state.response(link, cx, opened),
            Self::Leaving(state) => state.response(link, cx, opened),
            Self::Closing(state) => state.response(link, cx),
            state @ (Self::Responder(_) | Self::Lingering) => Ok(Outcome::Go(state)),
        };
        result.unwrap_or_else(|refusal| close(link, cx, CloseReason::Refused(refusal)))
    }

    /// The outside's answer to what this state asked.
    pub(crate) fn answer(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        ask: AskId,
        answer: Answer,
    ) -> Outcome {
        match self {
            Self::Responder(state) => state
                .answer(link, cx, ask, answer)
                .unwrap_or_else(|refusal| refuse(link, cx, ExchangeType::IKE_AUTH, refusal)),
            Self::Initiator(state) => state
                .answer(link, cx, ask, answer)
                .unwrap_or_else(|refusal| close(link, cx, CloseReason::Refused(refusal))),
            Self::Established(state) => state
                .answer(link, cx, ask, answer)
                .unwrap_or_else(|refusal| close(link, cx, CloseReason::Refused(refusal))),
            state @ (Self::Leaving(_) | Self::Closing(_) | Self::Lingering) => Outcome::Go(state),
        }
    }

    /// A datagram for an IKE SA beside the one in use, named by our SPI.
    pub(crate) fn datagram(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        our_spi: u64,
        path: Path,
        datagram: &[u8],
    ) -> (Outcome, Option<Discard>) {
        match self {
            Self::Established(state) => state.datagram(link, cx, our_spi, path, datagram),
            state => (Outcome::Go(state), Some(Discard::UnknownSpi)),
        }
    }

    /// Works on a request that an IKE SA beside the one in use has kept until its turn; gives itself back where there is none.
    pub(crate) fn kept_beside(self, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Self> {
        match self {
            Self::Established(state) => state.kept_beside(link, cx).map_err(Self::Established),
            state => Err(state),
        }
    }

    /// The IKE SAs beside the one in use.
    pub(crate) fn other_links(&self) -> impl Iterator<Item = &Link> {
        let established = match self {
            Self::Established(state) => Some(state),
            _ => None,
        };
        established
            .into_iter()
            .flat_map(|state| state.other_links())
    }

    /// Our SPIs of IKE SAs that are being made.
    pub(crate) fn coming_spis(&self) -> impl Iterator<Item = u64> {
        let established = match self {
            Self::Established(state) => Some(state),
            _ => None,
        };
        established
            .into_iter()
            .flat_map(|state| state.coming_spis())
    }

    /// As [`other_links`](Self::other_links), to change them.
    pub(crate) fn other_links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        let established = match self {
            Self::Established(state) => Some(state),
            _ => None,
        };
        established
            .into_iter()
            .flat_map(|state| state.other_links_mut())
    }

    /// Whether one of the IKE SAs beside the one in use has these SPIs, ours first.
    pub(crate) fn has_other(&self, ours: u64, theirs: Option<u64>) -> bool {
        match self {
            Self::Established(state) => state.has_other(ours, theirs),
            _ => false,
        }
    }

    /// When time alone changes something, apart from what the link itself waits for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Established(state) => state.deadline(),
            _ => None,
        }
    }

    /// Does what its time has come for; the link's own deadlines have been looked at.
    pub(crate) fn timeout(self, link: &mut Link, cx: &mut Cx<'_>) -> Outcome {
        match self {
            Self::Established(state) => state
                .timeout(link, cx)
                .unwrap_or_else(|refusal| close(link, cx, CloseReason::Refused(refusal))),
            state => Outcome::Go(state),
        }
    }

    /// Lets an SA that is up do something; one that is not stays as it is.
    pub(crate) fn when_up(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        act: impl FnOnce(Box<Established>, &mut Link, &mut Cx<'_>) -> Result<Outcome, Refusal>,
    ) -> Outcome {
        match self {
            Self::Established(state) => act(state, link, cx)
                .unwrap_or_else(|refusal| close(link, cx, CloseReason::Refused(refusal))),
            state => Outcome::Go(state),
        }
    }

    /// The state's deadline has passed.
    pub(crate) fn expired(self, link: &mut Link, cx: &mut Cx<'_>) -> Outcome {
        match self {
            Self::Lingering => Outcome::Gone,
            Self::Leaving(state) => state.finish(link, cx),
            Self::Closing(state) => state.finish(link, cx),
            Self::Established(state) => state
                .expired(link, cx)
                .unwrap_or_else(|refusal| close(link, cx, CloseReason::Refused(refusal))),
            Self::Responder(_) | Self::Initiator(_) => {
                crate::counters::more(&mut cx.counters.timed_out);
                cx.event(link.id, Event::Closed(CloseReason::TimedOut));
                Outcome::Gone
            }
        }
    }

    /// The peer has not answered our request for too long.
    pub(crate) fn unanswered(self, link: &Link, cx: &mut Cx<'_>) -> Outcome {
        let reason = match self {
            Self::Leaving(state) => return state.finish(link, cx),
            Self::Closing(state) => return state.finish(link, cx),
            Self::Established(state) => state.ending().cloned(),
            _ => None,
        };
        // RFC 7296 §2.4#4: so many tries without an answer, and nothing less, say that the peer is
        // gone.
        let reason = reason.unwrap_or(CloseReason::Unanswered);
        cx.event(link.id, Event::Closed(reason));
        Outcome::Gone
    }

    /// The peer has shown that it has lost the SA (RFC 6290): nothing is said to it any more. One that was on its way out
    /// has ended for what it was to end for.
    pub(crate) fn peer_crashed(self, link: &Link, cx: &mut Cx<'_>) {
        let reason = match self {
            Self::Leaving(state) => return drop(state.finish(link, cx)),
            Self::Closing(state) => return drop(state.finish(link, cx)),
            Self::Lingering => return,
            Self::Responder(_) | Self::Initiator(_) => None,
            Self::Established(state) => state.ending().cloned(),
        };
        let reason = reason.unwrap_or(CloseReason::PeerCrashed);
        cx.event(link.id, Event::Closed(reason));
    }

    /// The operator wants the SA gone.
    pub(crate) fn delete(self, link: &mut Link, cx: &mut Cx<'_>) -> Outcome {
        match self {
            Self::Established(state) => state
                .delete(link, cx)
                .unwrap_or_else(|refusal| close(link, cx, CloseReason::Refused(refusal))),
            state @ (Self::Leaving(_) | Self::Closing(_) | Self::Lingering) => Outcome::Go(state),
            Self::Initiator(state) => state
                .leave(link, cx)
                .unwrap_or_else(|refusal| close(link, cx, CloseReason::Refused(refusal))),
            Self::Responder(_) => {
                cx.event(link.id, Event::Closed(CloseReason::Deleted));
                Outcome::Gone
            }
        }
    }
}

/// RFC 7296 §2.21.2#2-3: tells the peer why and lingers; an error in IKE_AUTH ends the IKE SA.
fn refuse(link: &mut Link, cx: &mut Cx<'_>, exchange: ExchangeType, refusal: Refusal) -> Outcome {
    if link.responses.in_progress()
        && let Some(said) = refusal.notify(exchange)
        && link
            .respond(cx, exchange, &[Payload::Notify(said)])
            .is_err()
    {
        cx.event(link.id, Event::Closed(CloseReason::Refused(refusal)));
        return Outcome::Gone;
    }
    close(link, cx, CloseReason::Refused(refusal))
}

/// Ends the SA but keeps its answers for repeats.
pub(crate) fn close(link: &mut Link, cx: &mut Cx<'_>, reason: CloseReason) -> Outcome {
    link.requests = crate::sa::window::Requests::default();
    link.deadline = Some(cx.now.after(LINGER));
    link.over = true;
    cx.event(link.id, Event::Closed(reason));
    Outcome::Go(State::Lingering)
}

/// An answer that does not fit the question is a fault of our own.
pub(crate) const WRONG_ANSWER: Refusal =
    Refusal::Local("the outside gave an answer of another kind");

/// The exchange must be IKE_AUTH while the SA is being set up.
pub(crate) fn expect_auth(opened: Opened) -> Result<Vec<Payload>, Refusal> {
    // RFC 7296 §1#2: until IKE_AUTH is done nothing else is begun.
    if opened.exchange == ExchangeType::IKE_AUTH {
        opened.payloads
    } else {
        Err(PeerMisbehaved::UnexpectedExchange.into())
    }
}
