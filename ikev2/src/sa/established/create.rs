//! What a CREATE_CHILD_SA message carries (RFC 7296 §1.3), read once for both roles.

use alloc::{boxed::Box, vec::Vec};

use crate::{
    crypto::{KeyExchange, suite::Group},
    refusal::{PeerMisbehaved, Refusal},
    sa::{
        Cx,
        init::{failed_exchange, fresh_nonce},
        init_sent::key_pair,
    },
    secret::SharedSecret,
    wire::{
        payload::{KePayload, Nonce, Notify, Payload, SaPayload, TrafficSelector},
        registry::{GroupId, NotifyType, PayloadType, ProtocolId},
    },
};

/// The payloads of a request or of an answer that agrees. What else it carries is of no interest: a
/// Configuration payload, for one, is sent by some peers and means nothing here.
pub(crate) struct Creation {
    pub(crate) sa: SaPayload,
    pub(crate) nonce: Nonce,
    pub(crate) ke: Option<KePayload>,
    pub(crate) initiator: Option<Vec<TrafficSelector>>,
    pub(crate) responder: Option<Vec<TrafficSelector>>,
    /// The protocol and SPI in REKEY_SA: that under which the request's sender receives.
    pub(crate) rekeys: Option<(ProtocolId, u32)>,
}

impl Creation {
    /// # Errors
    ///
    /// [`PeerMisbehaved::MissingPayload`] without SA or nonce, [`PeerMisbehaved::RepeatedPayload`], and
    /// [`PeerMisbehaved::BadRekeyNotify`] for a REKEY_SA whose SPI has not four octets.
    pub(crate) fn read(payloads: Vec<Payload>) -> Result<Self, PeerMisbehaved> {
        let mut sa = None;
        let mut nonce = None;
        let mut ke = None;
        let mut initiator = None;
        let mut responder = None;
        let mut rekeys = None;
        for payload in payloads {
            let kind = payload.kind();
            let repeated = match payload {
                Payload::Sa(one) => sa.replace(one).is_some(),
                Payload::Nonce(one) => nonce.replace(one).is_some(),
                Payload::Ke(one) => ke.replace(one).is_some(),
                Payload::TsI(one) => initiator.replace(one.selectors).is_some(),
                Payload::TsR(one) => responder.replace(one.selectors).is_some(),
                Payload::Notify(said) if said.kind == NotifyType::REKEY_SA => {
                    rekeys.replace(rekeyed_spi(&said)?).is_some()
                }
                _ => false,
            };
            if repeated {
                return Err(PeerMisbehaved::RepeatedPayload(kind));
            }
        }
        let missing = PeerMisbehaved::MissingPayload;
        Ok(Self {
            sa: sa.ok_or_else(|| missing(PayloadType::SA))?,
            nonce: nonce.ok_or_else(|| missing(PayloadType::NONCE))?,
            ke,
            initiator,
            responder,
            rekeys,
        })
    }

    /// RFC 7296 §1.3.2, §3.3.1: a proposal for IKE asks for a new IKE SA, any other for a child SA.
    pub(crate) fn is_for_ike(&self) -> bool {
        self.sa
            .proposals
            .iter()
            .any(|offer| offer.protocol == ProtocolId::IKE)
    }

    /// Both traffic selectors, the initiator's first.
    ///
    /// # Errors
    ///
    /// [`PeerMisbehaved::MissingPayload`].
    pub(crate) fn selectors(
        &self,
    ) -> Result<(&[TrafficSelector], &[TrafficSelector]), PeerMisbehaved> {
        let missing = PeerMisbehaved::MissingPayload;
        let initiator = self.initiator.as_deref();
        let responder = self.responder.as_deref();
        Ok((
            initiator.ok_or_else(|| missing(PayloadType::TS_I))?,
            responder.ok_or_else(|| missing(PayloadType::TS_R))?,
        ))
    }
}

/// RFC 7296 §1.3.3: REKEY_SA names the SA by its protocol and SPI. One of a protocol that there is no SA of is as well
/// formed as one of an SPI that there is none of.
fn rekeyed_spi(said: &Notify) -> Result<(ProtocolId, u32), PeerMisbehaved> {
    let octets = <[u8; 4]>::try_from(said.spi.as_slice());
    octets
        .map(|octets| (said.protocol, u32::from_be_bytes(octets)))
        .map_err(|_| PeerMisbehaved::BadRekeyNotify)
}

/// REKEY_SA for the child SA that we receive on under `spi`.
// RFC 7296 §3.10#1: what is about a child SA names ESP.
pub(crate) fn rekey_notify(spi: u32) -> Payload {
    Payload::Notify(Notify {
        protocol: ProtocolId::ESP,
        spi: spi.to_be_bytes().to_vec(),
        kind: NotifyType::REKEY_SA,
        data: Vec::new(),
    })
}

/// Our half of an exchange: the nonce, and the key pair where there is a key exchange.
pub(crate) struct Half {
    pub(crate) nonce: Nonce,
    pub(crate) pair: Option<Box<dyn KeyExchange>>,
}

impl Half {
    /// A fresh one (RFC 7296 §2.10, §2.12).
    ///
    /// # Errors
    ///
    /// [`Refusal::Local`] where the key exchange could not be started.
    pub(crate) fn fresh(cx: &mut Cx<'_>, group: Option<Group>) -> Result<Self, Refusal> {
        Ok(Self {
            pair: group.map(|group| key_pair(cx, group)).transpose()?,
            nonce: fresh_nonce(cx)?,
        })
    }

    pub(crate) fn group(&self) -> Option<Group> {
        self.pair.as_ref().map(|pair| pair.group())
    }

    /// Nonce and KE payload.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = Payload> + use<> {
        let ke = self.pair.as_ref().map(|pair| {
            Payload::Ke(KePayload {
                group: GroupId(pair.group().number()),
                data: pair.public().to_vec(),
            })
        });
        [Payload::Nonce(self.nonce.clone())].into_iter().chain(ke)
    }

    /// The shared secret, where there is a key exchange.
    ///
    /// # Errors
    ///
    /// [`PeerMisbehaved::MissingPayload`] without the KE payload that is due,
    /// [`PeerMisbehaved::BadKeyExchange`] for a bad public value.
    pub(crate) fn agree(self, ke: Option<&KePayload>) -> Result<Option<SharedSecret>, Refusal> {
        let Some(pair) = self.pair else {
            return Ok(None);
        };
        let ke = ke.ok_or(PeerMisbehaved::MissingPayload(PayloadType::KE))?;
        if ke.group.0 != pair.group().number() {
            return Err(PeerMisbehaved::SelectedUnoffered.into());
        }
        pair.agree(&ke.data).map(Some).map_err(failed_exchange)
    }
}

/// The responder's half: the nonce, and where there is a key exchange its public value and the secret.
pub(crate) struct Reply {
    pub(crate) nonce: Nonce,
    ke: Option<KePayload>,
    pub(crate) secret: Option<SharedSecret>,
}

impl Reply {
    /// Answers the initiator's KE payload, if a group was agreed on.
    ///
    /// # Errors
    ///
    /// [`PeerMisbehaved::MissingPayload`] without the KE payload that is due,
    /// [`PeerMisbehaved::SelectedUnoffered`] for one of another group, and
    /// [`PeerMisbehaved::BadKeyExchange`] for a bad public value.
    pub(crate) fn to(
        cx: &mut Cx<'_>,
        group: Option<Group>,
        ke: Option<&KePayload>,
    ) -> Result<Self, Refusal> {
        let (ke, secret) = match group {
            Some(group) => {
                let ke = ke.ok_or(PeerMisbehaved::MissingPayload(PayloadType::KE))?;
                if ke.group.0 != group.number() {
                    return Err(PeerMisbehaved::SelectedUnoffered.into());
                }
                let answered = cx.provider.answer_exchange(group, cx.rng, &ke.data);
                let answered = answered.map_err(failed_exchange)?;
                let ke = KePayload {
                    group: GroupId(group.number()),
                    data: answered.public,
                };
                (Some(ke), Some(answered.secret))
            }
            None => (None, None),
        };
        let nonce = fresh_nonce(cx)?;
        Ok(Self { nonce, ke, secret })
    }

    /// Nonce and KE payload.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = Payload> + use<> {
        let ke = self.ke.clone().map(Payload::Ke);
        [Payload::Nonce(self.nonce.clone())].into_iter().chain(ke)
    }
}

/// The group that an INVALID_KE_PAYLOAD asks for (RFC 7296 §1.3, §3.10.1), if it is one of ours.
pub(crate) fn named_group(said: &Notify) -> Option<Group> {
    let octets = <[u8; 2]>::try_from(said.data.as_slice()).ok()?;
    Group::from_number(u16::from_be_bytes(octets))
}

/// The lower of an exchange's two nonces, octet by octet (RFC 7296 §2.8.1): of two exchanges that
/// rekey the same SA the one that has the lowest of all four makes a redundant SA.
pub(crate) fn lower<'a>(one: &'a Nonce, other: &'a Nonce) -> &'a Nonce {
    if one.as_bytes() <= other.as_bytes() {
        one
    } else {
        other
    }
}
