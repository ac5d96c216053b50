//! IKE_FOLLOWUP_KE (RFC 9370): the key exchanges that follow a CREATE_CHILD_SA, in both roles. What
//! was asked for is made when the last of them has taken place.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::time::Duration;

use super::{Established, Served, rekey_child::AgreedChild, rekey_ike::Made};
use crate::{
    crypto::{
        Answered, KeyExchange,
        suite::{Additional, Group},
    },
    event::Instant,
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{
        Cx,
        init::{failed_exchange, find},
        init_sent::key_pair,
        intermediate::{ke, public_value},
        link::Link,
    },
    secret::SharedSecret,
    wire::{
        payload::{Notify, Payload},
        registry::{ExchangeType, NotifyType, PayloadType},
    },
};

/// How long a peer may take to the next of its exchanges.
const PATIENCE: Duration = Duration::from_secs(20);

/// Octets that name the exchange before; the peer brings them back.
const LINK_LEN: usize = 16;

/// The exchanges after the first: those to come, and what those that took place have given.
pub(super) struct Series {
    remaining: VecDeque<Group>,
    done: Vec<SharedSecret>,
}

/// One of them whose request is out.
pub(super) struct Turn {
    series: Series,
    pair: Box<dyn KeyExchange>,
}

/// What comes after an answer.
pub(super) enum Next {
    /// The next exchange.
    Turn(Turn),
    /// Nothing: these are the secrets in their order.
    Done(Vec<SharedSecret>),
}

impl Series {
    pub(super) fn of(additional: Additional) -> Self {
        Self {
            remaining: additional.groups().collect(),
            done: Vec::new(),
        }
    }

    /// Sends the next request, if one is left, after this answer to the one before.
    ///
    /// # Errors
    ///
    /// [`PeerMisbehaved::MissingPayload`] where the answer does not say how to go on.
    pub(super) fn go_on(
        mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        payloads: &[Payload],
    ) -> Result<Next, Refusal> {
        let Some(group) = self.remaining.pop_front() else {
            return Ok(Next::Done(self.done));
        };
        // RFC 9370 §rules#8: what the responder gave for it goes back unchanged.
        let said = find(payloads, NotifyType::ADDITIONAL_KEY_EXCHANGE)
            .ok_or(PeerMisbehaved::MissingPayload(PayloadType::NOTIFY))?;
        let pair = key_pair(cx, group)?;
        let request = [
            ke(group, pair.public().to_vec()),
            link_notify(said.data.clone()),
        ];
        link.request(cx, ExchangeType::IKE_FOLLOWUP_KE, request.to_vec())?;
        Ok(Next::Turn(Turn { series: self, pair }))
    }
}

impl Turn {
    /// Takes the answer.
    ///
    /// # Errors
    ///
    /// What is wrong with its KE payload.
    pub(super) fn conclude(self, payloads: &[Payload]) -> Result<Series, Refusal> {
        let group = self.pair.group();
        let public = public_value(payloads, group, group.answer_len())?;
        let mut series = self.series;
        let secret = self.pair.agree(&public).map_err(failed_exchange)?;
        series.done.push(secret);
        Ok(series)
    }
}

/// A CREATE_CHILD_SA of the peer that waits for its further key exchanges.
pub(super) struct Following {
    link: Vec<u8>,
    series: Series,
    /// When it is forgotten.
    pub(super) until: Instant,
    asked: Asked,
}

impl Following {
    /// Our SPI of the IKE SA that is being made, if it is one.
    pub(super) const fn our_ike_spi(&self) -> Option<u64> {
        match &self.asked {
            Asked::Ike(made, _) => Some(made.our_spi()),
            Asked::Child(..) => None,
        }
    }
}

/// What the peer has asked for, and the secret of the first key exchange.
pub(super) enum Asked {
    Ike(Made, SharedSecret),
    Child(Box<AgreedChild>, Option<SharedSecret>),
}

fn link_notify(data: Vec<u8>) -> Payload {
    Payload::Notify(Notify::new(NotifyType::ADDITIONAL_KEY_EXCHANGE, data))
}

impl Established {
    /// Waits for the further key exchanges of what the peer has asked for. The notify that it is to begin
    /// them with goes into the answer.
    pub(super) fn follow(&mut self, cx: &mut Cx<'_>, asked: Asked, series: Series) -> Payload {
        // RFC 9370 §rules#7: of our choosing, and another one each time (§rules#8).
        let mut link = [0; LINK_LEN].to_vec();
        cx.rng.fill(&mut link);
        let notify = link_notify(link.clone());
        self.following = Some(Box::new(Following {
            link,
            series,
            until: cx.now.after(PATIENCE),
            asked,
        }));
        notify
    }

    /// Answers one further key exchange; the last makes what was asked for.
    pub(super) fn followed(
        &mut self,
        link: &Link,
        cx: &mut Cx<'_>,
        payloads: &[Payload],
    ) -> Result<Served, Refusal> {
        let said = find(payloads, NotifyType::ADDITIONAL_KEY_EXCHANGE).map(|said| &said.data);
        let known = self
            .following
            .take_if(|one| said == Some(&one.link) && cx.now < one.until);
        // RFC 9370 §rules#9: what is not known, or not any more, is refused by its own notify.
        let Following {
            mut series, asked, ..
        } = *known.ok_or(PeerIncompatible::NoState)?;
        let group = series.remaining.pop_front();
        let group = group.ok_or(PeerIncompatible::NoState)?;
        let public = public_value(payloads, group, group.public_len())?;
        let Answered { public, secret } = cx
            .provider
            .answer_exchange(group, cx.rng, &public)
            .map_err(failed_exchange)?;
        series.done.push(secret);
        let mut answer = [ke(group, public)].to_vec();
        if !series.remaining.is_empty() {
            answer.push(self.follow(cx, asked, series));
            return Ok(Served::Answer(answer));
        }
        match asked {
            Asked::Ike(made, first) => {
                let successor = self.successor(link, cx, &made, &first, &series.done)?;
                Ok(Served::Replaced(answer, Box::new(successor)))
            }
            Asked::Child(agreed, first) => {
                let exchange = ExchangeType::IKE_FOLLOWUP_KE;
                self.install(link, cx, *agreed, (first, &series.done), (exchange, answer))
            }
        }
    }
}
