//! EAP as the initiator, and AUTH after it (RFC 7296 §2.16).

use alloc::vec::Vec;

use super::{AwaitEap, ExpectFinal, Initiator, Proven, Trying, go};
use crate::{
    authn,
    crypto::Role,
    event::{Answer, Ask, EapContext, EapInput, EapOutput, Trace},
    proof::EapConcluded,
    refusal::{AuthFault, PeerMisbehaved, Refusal},
    sa::{
        Cx,
        link::Link,
        state::{Outcome, WRONG_ANSWER},
    },
    secret::SecretBytes,
    wire::{
        payload::{AuthPayload, EapPayload, Payload},
        registry::{AuthMethod, ExchangeType, PayloadType},
    },
};

impl Proven {
    /// The password goes only to a headend that has proven itself.
    pub(super) fn ask_eap(
        self,
        link: &Link,
        cx: &mut Cx<'_>,
        input: EapInput,
    ) -> Result<Outcome, Refusal> {
        let ask = cx.ask(link.id, Ask::Eap(input));
        go(Initiator::AwaitEap(AwaitEap { ask, proven: self }))
    }

    pub(super) fn eap_request(
        self,
        link: &Link,
        cx: &mut Cx<'_>,
        payloads: Vec<Payload>,
    ) -> Result<Outcome, Refusal> {
        // RFC 5685 §6#8-9: a REDIRECT in the midst of EAP is not accepted; nothing but EAP is looked for.
        let packet = payloads
            .into_iter()
            .find_map(|payload| match payload {
                Payload::Eap(packet) => Some(packet.into_packet()),
                _ => None,
            })
            .ok_or(PeerMisbehaved::UnexpectedEap)?;
        self.ask_eap(link, cx, EapInput::Packet(packet))
    }

    /// What our EAP method may bind itself to.
    pub(super) fn eap_context(&self, link: &Link) -> EapContext {
        EapContext {
            initiator_signed_octets: self.trying.local_octets(link),
            prf: link.suite.prf,
        }
    }
}

impl AwaitEap {
    pub(super) fn answer(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        answer: Answer,
    ) -> Result<Outcome, Refusal> {
        match answer {
            Answer::Eap(EapOutput::Packet(packet)) => {
                let payload = Payload::Eap(EapPayload(packet));
                link.request(cx, ExchangeType::IKE_AUTH, [payload].to_vec())?;
                go(Initiator::ExpectEap(self.proven))
            }
            Answer::Eap(EapOutput::Concluded { msk }) => {
                self.proven
                    .send_auth(link, cx, msk, EapConcluded::assertion())
            }
            Answer::Eap(EapOutput::Failure { why, .. }) | Answer::Refused(why) => {
                Err(Refusal::Denied(why))
            }
            Answer::Eap(EapOutput::Ignore) => Err(PeerMisbehaved::UnexpectedEap.into()),
            _ => Err(WRONG_ANSWER),
        }
    }
}

impl Proven {
    /// RFC 7296 §2.16#6,9: AUTH under the method's key, or under SK_pi where it has none.
    fn send_auth(
        mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        msk: Option<SecretBytes>,
        eap: EapConcluded,
    ) -> Result<Outcome, Refusal> {
        let mic = |trying: &Trying| {
            let key = msk.as_ref().unwrap_or(&trying.handshake.local_proof);
            let octets = trying.local_octets(link);
            let mic = authn::shared_key_mic(link.suite.prf, key.as_bytes(), &octets);
            mic.as_bytes().to_vec()
        };
        // RFC 8784 §3: with EAP the PPK comes in here, and the responder's first AUTH was without it.
        let without = self.trying.mix(link, mic);
        let mut payloads = [Payload::Auth(AuthPayload {
            method: AuthMethod::SHARED_KEY_MIC,
            data: mic(&self.trying),
        })]
        .to_vec();
        payloads.extend(self.trying.claim(without));
        link.request(cx, ExchangeType::IKE_AUTH, payloads)?;
        go(Initiator::ExpectFinal(ExpectFinal {
            proven: self,
            msk,
            _eap: eap,
        }))
    }
}

impl ExpectFinal {
    pub(super) fn response(
        mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        mut payloads: Vec<Payload>,
    ) -> Result<Outcome, Refusal> {
        self.proven.trying.settle(cx, &payloads)?;
        let at = payloads
            .iter()
            .position(|one| matches!(one, Payload::Auth(_)))
            .ok_or(PeerMisbehaved::MissingPayload(PayloadType::AUTH))?;
        let Payload::Auth(auth) = payloads.swap_remove(at) else {
            return Err(PeerMisbehaved::MissingPayload(PayloadType::AUTH).into());
        };
        let handshake = &self.proven.trying.handshake;
        let prf = link.suite.prf;
        let octets = handshake.remote_octets(Role::Initiator, prf, &self.proven.responder.body());
        let key = self.msk.as_ref().unwrap_or(&handshake.remote_proof);
        let holds = auth.method == AuthMethod::SHARED_KEY_MIC
            && authn::shared_key_mic_holds(prf, key.as_bytes(), &octets, &auth.data);
        if !holds {
            let other_key = PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey);
            return Err(other_key.into());
        }
        cx.trace(link.id, || Trace::PeerVerified);
        self.proven.child(link, cx, payloads)
    }
}
