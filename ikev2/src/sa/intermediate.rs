//! IKE_INTERMEDIATE (RFC 9242) for the key exchanges after the first (RFC 9370), in both roles.
//!
//! How many there are is agreed on in IKE_SA_INIT; one more or one less ends the SA. Each is sealed with the
//! keys so far and gives the SA new ones, and AUTH covers them all.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use crate::{
    crypto::{
        Answered, KeyExchange, SkeySeed,
        keys::Role,
        prf::prf,
        suite::{Additional, Group, PrfAlgorithm},
    },
    event::Trace,
    refusal::{PeerMisbehaved, Refusal},
    sa::{
        Cx,
        init::{Handshake, error_of, failed_exchange},
        init_sent::key_pair,
        keylog::log_ike,
        link::{Link, Opened},
    },
    secret::{SecretBytes, SharedSecret},
    wire::{
        payload::{KePayload, Payload},
        registry::{ExchangeType, GroupId, PayloadType},
    },
};

/// The exchanges that are still to come, and what AUTH covers of those that took place.
pub(crate) struct Intermediates {
    remaining: VecDeque<Group>,
    done: Option<Done>,
}

/// IntAuth of RFC 9242 §3.3.2.
struct Done {
    initiator: SecretBytes,
    responder: SecretBytes,
    /// The message ID of the exchange after them.
    next: u32,
}

/// Our part of an exchange whose request is out.
pub(crate) struct Exchange {
    pair: Box<dyn KeyExchange>,
    covered: Vec<u8>,
}

impl Intermediates {
    /// One exchange for each method.
    pub(crate) fn of(additional: Additional) -> Self {
        Self {
            remaining: additional.groups().collect(),
            done: None,
        }
    }

    /// Appends what AUTH covers of them; nothing if there was none.
    pub(crate) fn cover(&self, octets: &mut Vec<u8>) {
        // RFC 9370 §rules#6: AUTH covers them.
        // RFC 9242 §3.3.2#1: IntAuth_iN, IntAuth_rN and the message ID of the first IKE_AUTH exchange.
        if let Some(done) = &self.done {
            octets.extend_from_slice(done.initiator.as_bytes());
            octets.extend_from_slice(done.responder.as_bytes());
            octets.extend_from_slice(&done.next.to_be_bytes());
        }
    }

    /// Takes in one exchange. `keys` are SK_pi and SK_pr as they were before it.
    fn add(
        &mut self,
        algorithm: PrfAlgorithm,
        (initiator_key, responder_key): (&SecretBytes, &SecretBytes),
        (request, response): (&[u8], &[u8]),
    ) {
        let before = self.done.as_ref();
        let step = |key: &SecretBytes, before: Option<&SecretBytes>, message: &[u8]| {
            let before = before.map(SecretBytes::as_bytes).unwrap_or_default();
            prf(algorithm, key.as_bytes(), &[before, message])
        };
        let initiator = step(initiator_key, before.map(|done| &done.initiator), request);
        let responder = step(responder_key, before.map(|done| &done.responder), response);
        // RFC 9242 §3.2#4: IKE_SA_INIT had message ID 0, the first of these 1.
        let next = before.map_or(1, |done| done.next).saturating_add(1);
        self.done = Some(Done {
            initiator,
            responder,
            next,
        });
    }
}

impl Handshake {
    /// Whether all that was agreed on has taken place.
    ///
    /// # Errors
    ///
    /// [`PeerMisbehaved::UnexpectedExchange`] if not.
    pub(crate) fn is_complete(&self) -> Result<(), PeerMisbehaved> {
        if self.intermediates.remaining.is_empty() {
            Ok(())
        } else {
            Err(PeerMisbehaved::UnexpectedExchange)
        }
    }

    /// As the responder: answers one IKE_INTERMEDIATE.
    ///
    /// # Errors
    ///
    /// [`PeerMisbehaved::UnexpectedExchange`] for one more than was agreed on, and what is wrong with its
    /// KE payload.
    pub(crate) fn respond(
        mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Self, Refusal> {
        // RFC 9242 §5#1: their number is not the initiator's to choose.
        let group = self.intermediates.remaining.pop_front();
        let group = group.ok_or(PeerMisbehaved::UnexpectedExchange)?;
        // RFC 9242 §3.2#6-7: what stood in an Encrypted payload, and nothing else.
        let request = opened.covered.ok_or(PeerMisbehaved::UnexpectedExchange)?;
        let public = public_value(&opened.payloads?, group, group.public_len())?;
        let Answered { public, secret } = cx
            .provider
            .answer_exchange(group, cx.rng, &public)
            .map_err(failed_exchange)?;
        // RFC 9370 §rules#4: a KE payload each way.
        let answer = [ke(group, public)];
        let response = link.covers(true, &answer);
        link.respond(cx, ExchangeType::IKE_INTERMEDIATE, &answer)?;
        // Each is a valid message of the peer and a step that was agreed on: the wait begins anew, but who drags them out
        // is half-open no more than twice as long as others.
        let wait = cx.config.half_open_timeout;
        let last = link.created.after(wait.saturating_mul(2));
        link.deadline = Some(cx.now.after(wait).min(last));
        self.advance(link, cx, Role::Responder, (&request, &response), &secret);
        Ok(self)
    }

    /// As the initiator: sends the next IKE_INTERMEDIATE, if there is one left.
    ///
    /// # Errors
    ///
    /// [`Refusal::Local`] if the key exchange could not be started.
    pub(crate) fn request(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Exchange>, Refusal> {
        let Some(group) = self.intermediates.remaining.pop_front() else {
            return Ok(None);
        };
        let pair = key_pair(cx, group)?;
        // RFC 9370 §rules#4: one KE each way, under the keys so far; the next waits for its answer (RFC 9242
        // §3.2#1), and what is in it is encrypted (§3.2#6).
        let payloads = [ke(group, pair.public().to_vec())];
        let covered = link.covers(false, &payloads);
        link.request(cx, ExchangeType::IKE_INTERMEDIATE, payloads.to_vec())?;
        Ok(Some(Exchange { pair, covered }))
    }

    /// As the initiator: takes the answer.
    ///
    /// # Errors
    ///
    /// [`Refusal::ByPeer`] for an error of the responder's, and what is wrong with its KE payload.
    pub(crate) fn conclude(
        mut self,
        exchange: Exchange,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Self, Refusal> {
        let payloads = opened.payloads?;
        if let Some(said) = error_of(&payloads) {
            return Err(Refusal::ByPeer(said.kind));
        }
        let response = opened.covered.ok_or(PeerMisbehaved::UnexpectedExchange)?;
        let group = exchange.pair.group();
        let public = public_value(&payloads, group, group.answer_len())?;
        let secret = exchange.pair.agree(&public).map_err(failed_exchange)?;
        let messages = (exchange.covered.as_slice(), response.as_slice());
        self.advance(link, cx, Role::Initiator, messages, &secret);
        Ok(self)
    }

    /// The SA has new keys.
    fn advance(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        role: Role,
        messages: (&[u8], &[u8]),
        secret: &SharedSecret,
    ) {
        // RFC 9242 §3.3.2: under the keys that protected the messages.
        let proofs = match role {
            Role::Initiator => (&self.local_proof, &self.remote_proof),
            Role::Responder => (&self.remote_proof, &self.local_proof),
        };
        self.intermediates.add(link.suite.prf, proofs, messages);
        // RFC 9370 §rules#5: from SK_d so far, the new secret and the nonces of IKE_SA_INIT.
        let (ni, nr) = (self.ni.as_slice(), self.nr.as_slice());
        let keys = SkeySeed::advanced(&self.derivation, secret, ni, nr)
            .derive(link.suite, ni, nr, link.spi_i.get(), link.spi_r.get())
            .into_role(role);
        link.change_keys(keys.inbound, keys.outbound);
        self.derivation = keys.derivation;
        self.local_proof = keys.local_proof;
        self.remote_proof = keys.remote_proof;
        cx.trace(link.id, || Trace::KeysDerived);
        // A reader of captures that knows one set of keys for an SA takes the last of them.
        log_ike(link, cx);
    }
}

pub(super) fn ke(group: Group, data: Vec<u8>) -> Payload {
    Payload::Ke(KePayload {
        group: GroupId(group.number()),
        data,
    })
}

/// The value of the one KE payload that the message must have.
///
/// # Errors
///
/// [`PeerMisbehaved::MissingPayload`], [`PeerMisbehaved::RepeatedPayload`], and
/// [`PeerMisbehaved::BadKeyExchange`] for another method or length.
pub(super) fn public_value(
    payloads: &[Payload],
    group: Group,
    length: usize,
) -> Result<Vec<u8>, PeerMisbehaved> {
    let mut values = payloads.iter().filter_map(|payload| match payload {
        Payload::Ke(one) => Some(one),
        _ => None,
    });
    let one = values
        .next()
        .ok_or(PeerMisbehaved::MissingPayload(PayloadType::KE))?;
    if values.next().is_some() {
        return Err(PeerMisbehaved::RepeatedPayload(PayloadType::KE));
    }
    if one.group.0 == group.number() && one.data.len() == length {
        Ok(one.data.clone())
    } else {
        Err(PeerMisbehaved::BadKeyExchange)
    }
}
