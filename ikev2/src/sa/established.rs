//! Both sides are authenticated: INFORMATIONAL exchanges, and the end (RFC 7296 §1.4).

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use crate::{
    config::LINGER,
    crypto::keys::DerivationKey,
    event::{Authenticated, CloseReason, Event},
    refusal::Refusal,
    sa::{
        Cx,
        child::Child,
        link::{Link, Opened},
        state::{Outcome, State, close},
    },
    wire::{
        payload::{ConfigAttribute, Delete, Notify, Payload},
        registry::{ExchangeType, NotifyType, ProtocolId},
    },
};

/// An authenticated IKE SA.
pub(crate) struct Established {
    pub(crate) authenticated: Authenticated,
    /// The profile's name on the responder's side.
    pub(crate) profile: Option<Arc<str>>,
    pub(crate) child: Option<Child>,
    /// SK_d, from which the keys of further child SAs come.
    pub(crate) _derivation: DerivationKey,
    /// What the headend assigned: on the responder's side what it sent, on the initiator's what came.
    pub(crate) configuration: Vec<ConfigAttribute>,
}

/// Our Delete is out; the SA goes when it is answered or has been sent often enough.
pub(crate) struct Closing {
    reason: CloseReason,
}

impl Closing {
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

impl Established {
    /// The SA comes up: no deadline any more, and the announced window holds.
    pub(crate) fn enter(self, link: &mut Link, cx: &mut Cx<'_>) -> Outcome {
        link.deadline = None;
        link.window = cx.config.window;
        cx.event(
            link.id,
            Event::Established {
                child: self.child.is_some(),
            },
        );
        Outcome::Go(State::Established(Box::new(self)))
    }

    pub(crate) fn request(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        let exchange = opened.exchange;
        let payloads = match opened.payloads {
            Ok(payloads) => payloads,
            Err(refusal) => {
                // RFC 7296 §2.21.3: an error in an authentic request is answered, and INVALID_SYNTAX
                // ends the SA at both ends without a Delete.
                let said = refusal.notify();
                let fatal = said
                    .as_ref()
                    .is_some_and(|said| said.kind == NotifyType::INVALID_SYNTAX);
                let said = said.map(Payload::Notify);
                link.respond(cx, exchange, said.as_slice())?;
                if fatal {
                    return Ok(close(link, cx, CloseReason::Refused(refusal)));
                }
                return Ok(Outcome::Go(State::Established(self)));
            }
        };
        let answer = match exchange {
            ExchangeType::INFORMATIONAL => {
                match self.informational(link, cx, payloads) {
                    Informed::Answer(answer) => answer,
                    Informed::Deleted => {
                        // RFC 7296 §1.4.1: the Delete of an IKE SA is answered with nothing inside.
                        link.respond(cx, exchange, &[])?;
                        return Ok(close(link, cx, CloseReason::PeerDeleted));
                    }
                    Informed::Failed(kind) => {
                        link.respond(cx, exchange, &[])?;
                        let reason = CloseReason::Refused(Refusal::ByPeer(kind));
                        return Ok(close(link, cx, reason));
                    }
                }
            }
            // Further child SAs and rekeying are refused in the way that keeps the IKE SA alive
            // (RFC 7296 §1.3).
            ExchangeType::CREATE_CHILD_SA => {
                let no_more = Notify::plain(NotifyType::NO_ADDITIONAL_SAS);
                [Payload::Notify(no_more)].to_vec()
            }
            // Well formed but out of place: answered, so that the window moves, with nothing in it.
            _ => Vec::new(),
        };
        link.respond(cx, exchange, &answer)?;
        // Without its child the SA is of no use until there is another way to make one.
        if self.child.is_none() && link.deadline.is_none() {
            link.deadline = Some(cx.now.after(LINGER));
        }
        Ok(Outcome::Go(State::Established(self)))
    }

    fn informational(&mut self, link: &Link, cx: &mut Cx<'_>, payloads: Vec<Payload>) -> Informed {
        let mut answer = Vec::new();
        for payload in payloads {
            match payload {
                Payload::Delete(delete) if delete.protocol == ProtocolId::IKE => {
                    return Informed::Deleted;
                }
                Payload::Delete(delete) if delete.protocol == ProtocolId::ESP => {
                    answer.extend(self.delete_child(link, cx, &delete));
                }
                // RFC 7296 §2.21.2: the peer found our AUTH wanting after all.
                Payload::Notify(said) if said.kind == NotifyType::AUTHENTICATION_FAILED => {
                    return Informed::Failed(said.kind);
                }
                Payload::Notify(said) => cx.event(link.id, Event::Notified(said.kind)),
                _ => {}
            }
        }
        Informed::Answer(answer)
    }

    /// RFC 7296 §1.4.1: the other half of each deleted pair is deleted in the answer.
    fn delete_child(&mut self, link: &Link, cx: &mut Cx<'_>, delete: &Delete) -> Option<Payload> {
        let child = self.child.take_if(|child| {
            delete
                .spis
                .iter()
                .any(|spi| *spi == child.outbound_spi.to_be_bytes())
        })?;
        let inbound_spi = child.inbound_spi;
        cx.event(link.id, Event::ChildDeleted { inbound_spi });
        Some(Payload::Delete(Delete::esp(&[inbound_spi.to_be_bytes()])))
    }

    pub(crate) fn response(
        self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        // The answers to our probes say nothing but that the peer lives.
        for payload in opened.payloads.unwrap_or_default() {
            if let Payload::Notify(said) = payload {
                // RFC 7296 §2.21.3: it ends the SA for both.
                if said.kind == NotifyType::INVALID_SYNTAX {
                    let reason = CloseReason::Refused(Refusal::ByPeer(said.kind));
                    return Ok(close(link, cx, reason));
                }
                cx.event(link.id, Event::Notified(said.kind));
            }
        }
        link.pump(cx)?;
        Ok(Outcome::Go(State::Established(self)))
    }

    /// RFC 7296 §1.4.1: deleting the IKE SA deletes its children with it.
    pub(crate) fn delete(self, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Refusal> {
        // Its traffic ends now, whether the peer answers or not.
        if let Some(child) = &self.child {
            let inbound_spi = child.inbound_spi;
            cx.event(link.id, Event::ChildDeleted { inbound_spi });
        }
        let delete = Payload::Delete(Delete::ike_sa());
        close_with(link, cx, delete, CloseReason::Deleted)
    }
}

/// What an INFORMATIONAL request comes to.
enum Informed {
    Answer(Vec<Payload>),
    Deleted,
    Failed(NotifyType),
}
