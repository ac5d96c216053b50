//! EAP as the responder, and AUTH after it (RFC 7296 §2.16).

use super::{AwaitEap, AwaitEapStart, ExpectFinalAuth, Known, Proven, Responder, go};
use crate::{
    authn,
    crypto::Role,
    event::{Answer, Ask, CloseReason, EapInput, EapOutput, PeerProof, Trace},
    proof::{EapConcluded, PeerAuthenticated},
    refusal::{AuthFault, PeerMisbehaved, Refusal},
    sa::{
        Cx,
        link::{Link, Opened},
        ppk::Claim,
        state::{Outcome, WRONG_ANSWER, close, expect_auth},
    },
    wire::{
        payload::{AuthPayload, EapPayload, Payload},
        registry::{AuthMethod, ExchangeType, PayloadType, ProtocolId},
    },
};

impl AwaitEapStart {
    pub(super) fn answer(
        mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        answer: Answer,
    ) -> Result<Outcome, Refusal> {
        let packet = match answer {
            Answer::Eap(EapOutput::Packet(packet)) => packet,
            Answer::Refused(why) => return Err(Refusal::Denied(why)),
            _ => return Err(WRONG_ANSWER),
        };
        self.opening.push(Payload::Eap(EapPayload(packet)));
        link.respond(cx, ExchangeType::IKE_AUTH, &self.opening)?;
        self.known.expect_eap(link, cx)
    }
}

impl Known {
    /// Waits for the user, who may take a while.
    fn expect_eap(self, link: &mut Link, cx: &Cx<'_>) -> Result<Outcome, Refusal> {
        let last = link.created.after(crate::config::EAP_LIMIT);
        link.deadline = Some(cx.now.after(cx.config.eap_timeout).min(last));
        go(Responder::ExpectEap(self))
    }

    pub(super) fn eap_response(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        if opened.exchange == ExchangeType::INFORMATIONAL {
            return gives_up(Responder::ExpectEap(self), link, cx, opened);
        }
        // RFC 7296 §2.16#2: nothing but EAP is exchanged until the method is content.
        let packet = expect_auth(opened)?
            .into_iter()
            .find_map(|payload| match payload {
                Payload::Eap(packet) => Some(packet.into_packet()),
                _ => None,
            })
            .ok_or(PeerMisbehaved::UnexpectedEap)?;
        let ask = cx.ask(link.id, Ask::Eap(EapInput::Packet(packet)));
        go(Responder::AwaitEap(AwaitEap { ask, known: self }))
    }
}

/// The client may leave in the middle of the conversation, saying why or by a Delete; anything else
/// it says leaves the state as it is.
fn gives_up(
    waiting: Responder,
    link: &mut Link,
    cx: &mut Cx<'_>,
    opened: Opened,
) -> Result<Outcome, Refusal> {
    let payloads = opened.payloads?;
    link.respond(cx, ExchangeType::INFORMATIONAL, &[])?;
    for payload in &payloads {
        match payload {
            Payload::Delete(delete) if delete.protocol == ProtocolId::IKE => {
                return Ok(close(link, cx, CloseReason::PeerDeleted));
            }
            Payload::Notify(said) if said.kind.is_error() => {
                let reason = CloseReason::Refused(Refusal::ByPeer(said.kind));
                return Ok(close(link, cx, reason));
            }
            _ => {}
        }
    }
    go(waiting)
}

impl AwaitEap {
    pub(super) fn answer(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        answer: Answer,
    ) -> Result<Outcome, Refusal> {
        let eap = |packet| [Payload::Eap(EapPayload(packet))];
        match answer {
            Answer::Eap(EapOutput::Packet(packet)) => {
                link.respond(cx, ExchangeType::IKE_AUTH, &eap(packet))?;
                self.known.expect_eap(link, cx)
            }
            // RFC 7296 §2.16#7: the method's Success goes out in an EAP payload, and AUTH is
            // awaited.
            Answer::Eap(EapOutput::Success { packet, user, msk }) => {
                link.respond(cx, ExchangeType::IKE_AUTH, &eap(packet))?;
                link.deadline = Some(cx.now.after(cx.config.half_open_timeout));
                go(Responder::ExpectFinalAuth(ExpectFinalAuth {
                    known: self.known,
                    user,
                    msk,
                    eap: EapConcluded::assertion(),
                }))
            }
            Answer::Eap(EapOutput::Failure { packet, why }) => {
                // RFC 7296 §2.16#8: EAP-Failure stands alone in its response; the SA is over.
                link.respond(cx, ExchangeType::IKE_AUTH, &eap(packet))?;
                Ok(close(link, cx, CloseReason::Refused(Refusal::Denied(why))))
            }
            // A response that the method ignores still needs an answer, and there is none but to end.
            Answer::Eap(EapOutput::Ignore) => Err(PeerMisbehaved::UnexpectedEap.into()),
            Answer::Refused(why) => Err(Refusal::Denied(why)),
            _ => Err(WRONG_ANSWER),
        }
    }
}

impl ExpectFinalAuth {
    pub(super) fn request(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        if opened.exchange == ExchangeType::INFORMATIONAL {
            return gives_up(Responder::ExpectFinalAuth(self), link, cx, opened);
        }
        let payloads = expect_auth(opened)?;
        let claim = Claim::read(&payloads);
        let mut auth = payloads
            .into_iter()
            .find_map(|payload| match payload {
                Payload::Auth(auth) => Some(auth),
                _ => None,
            })
            .ok_or(PeerMisbehaved::MissingPayload(PayloadType::AUTH))?;
        if auth.method != AuthMethod::SHARED_KEY_MIC {
            return Err(PeerMisbehaved::UnexpectedAuthMethod.into());
        }
        let (mut known, eap) = (self.known, self.eap);
        known.mix(link, cx, claim, &mut auth)?;
        let handshake = &known.first.handshake;
        let prf = link.suite.prf;
        let octets = handshake.remote_octets(Role::Responder, prf, &known.first.identity.body());
        // RFC 7296 §2.16#6,9: without a key from EAP, SK_pi and SK_pr stand in the place of the MSK.
        let (theirs, ours) = match &self.msk {
            Some(msk) => (msk, msk),
            None => (&handshake.remote_proof, &handshake.local_proof),
        };
        // RFC 7296 §1.2#2: the MIC of the last message is judged too.
        if !authn::shared_key_mic_holds(prf, theirs.as_bytes(), &octets, &auth.data) {
            cx.trace(link.id, || {
                let empty = authn::shared_key_mic_holds(prf, &[], &octets, &auth.data);
                Trace::PeerRefused(if empty {
                    "an empty key would match"
                } else {
                    "no known key matches"
                })
            });
            let other_key = PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey);
            return Err(known.unproven(cx, other_key.into()));
        }
        let proof = proven_after(eap);
        cx.trace(link.id, || Trace::PeerVerified);
        let mic = authn::shared_key_mic(prf, ours.as_bytes(), &known.local_octets(link));
        let answer = [Payload::Auth(AuthPayload {
            method: AuthMethod::SHARED_KEY_MIC,
            data: mic.as_bytes().to_vec(),
        })]
        .to_vec();
        Proven {
            known,
            user: Some(self.user),
            proof,
            by: PeerProof::Eap,
            answer,
        }
        .lease(link, cx)
    }
}

/// AUTH after EAP counts only where EAP was content.
const fn proven_after(_eap: EapConcluded) -> PeerAuthenticated {
    PeerAuthenticated::assertion()
}
