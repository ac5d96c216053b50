//! IKE_AUTH as the responder (RFC 7296 §1.2, §2.15, §2.16).

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{
    authn,
    config::{LocalAuthentication, PeerConfig},
    crypto::Role,
    event::{
        Answer, Ask, AskId, Authenticated, CloseReason, EapContext, EapInput, EapOutput, Event,
        Lease, LeaseQuestion, PeerProof, PeerQuestion, Trace,
    },
    proof::{EapConcluded, PeerAuthenticated},
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{
        Cx,
        child::{self, ChildRequest},
        established::{Beginning, Child, Established, Limits, Policy, close_with, mobike},
        init::{self, Handshake},
        link::{Link, Opened},
        ppk::{self, Claim, Decision},
        signature::{self, AuthForm, Basis, Verified},
        state::{Outcome, State, WRONG_ANSWER, close, expect_auth, log_child},
    },
    secret::SecretBytes,
    wire::{
        payload::{
            AuthPayload, ConfigAttribute, Delete, EapPayload, Gateway, Identification, Notify,
            Payload,
        },
        registry::{AuthMethod, CertEncoding, ExchangeType, NotifyType, PayloadType, ProtocolId},
    },
};

/// The responder's way through IKE_AUTH. `Await…` waits for the outside, `Expect…` for the peer.
pub(crate) enum Responder {
    /// IKE_SA_INIT is answered, and perhaps IKE_INTERMEDIATE; nobody is proven.
    HalfOpen(Handshake),
    /// Asked which profile serves the peer.
    AwaitPeer(AwaitPeer),
    /// Asked whether the peer's certificate chain is good.
    AwaitChain(AwaitChain),
    /// Asked for our signature.
    AwaitSign(AwaitSign),
    /// Asked for the first EAP request.
    AwaitEapStart(AwaitEapStart),
    /// An EAP response is due; a user may be typing.
    ExpectEap(Known),
    /// Asked what the EAP response leads to.
    AwaitEap(AwaitEap),
    /// EAP is content; AUTH is due.
    ExpectFinalAuth(ExpectFinalAuth),
    /// Asked for address and attributes.
    AwaitLease(AwaitLease),
    /// Asked to install the child SA.
    AwaitInstall(AwaitInstall),
}

/// What the first IKE_AUTH request said.
struct FirstRequest {
    handshake: Handshake,
    identity: Identification,
    child: ChildRequest,
    initial_contact: bool,
    speaks_mobike: bool,
}

pub(crate) struct AwaitPeer {
    ask: AskId,
    first: FirstRequest,
    proof: Option<ClaimedProof>,
}

/// AUTH and what stands beside it, unjudged.
struct ClaimedProof {
    chain: Vec<Vec<u8>>,
    auth: AuthPayload,
    ppk: Claim,
}

/// The first request and the profile that serves it.
pub(crate) struct Known {
    first: FirstRequest,
    config: Arc<PeerConfig>,
    /// A PPK is mixed into the keys.
    ppk: bool,
}

pub(crate) struct AwaitChain {
    ask: AskId,
    known: Known,
    auth: AuthPayload,
}

pub(crate) struct AwaitSign {
    ask: AskId,
    known: Known,
    form: AuthForm,
    next: AfterProof,
}

/// What follows our proof.
enum AfterProof {
    Eap,
    Lease(Verified),
}

pub(crate) struct AwaitEapStart {
    ask: AskId,
    known: Known,
    opening: Vec<Payload>,
}

pub(crate) struct AwaitEap {
    ask: AskId,
    known: Known,
}

pub(crate) struct ExpectFinalAuth {
    known: Known,
    user: Arc<str>,
    msk: Option<SecretBytes>,
    eap: EapConcluded,
}

pub(crate) struct AwaitLease {
    ask: AskId,
    up: Proven,
}

pub(crate) struct AwaitInstall {
    ask: AskId,
    up: Proven,
    child: Child,
    limits: Limits,
    session_lifetime: Option<Duration>,
    configuration: Vec<ConfigAttribute>,
    child_payloads: Vec<Payload>,
}

/// An authenticated peer, and the payloads of the final answer so far.
struct Proven {
    known: Known,
    user: Option<Arc<str>>,
    proof: PeerAuthenticated,
    by: PeerProof,
    answer: Vec<Payload>,
}

fn go(state: Responder) -> Result<Outcome, Refusal> {
    Ok(Outcome::Go(State::Responder(Box::new(state))))
}

impl Responder {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::HalfOpen(_) => "R_WAIT_AUTH",
            Self::AwaitPeer(_) => "R_GET_POLICY",
            Self::AwaitChain(_) => "R_VERIFY_CERT",
            Self::AwaitSign(_) => "R_BLD_AUTH",
            Self::AwaitEapStart(_) | Self::AwaitEap(_) => "R_PROC_EAP_RESP",
            Self::ExpectEap(_) => "R_WAIT_EAP_RESP",
            Self::ExpectFinalAuth(_) => "R_WAIT_EAP_AUTH",
            Self::AwaitLease(_) => "R_GET_CONFIG",
            Self::AwaitInstall(_) => "R_INSTALL_CHILD",
        }
    }

    /// Whether nobody has been heard of since IKE_SA_INIT. One inside EAP is not half-open.
    pub(crate) const fn is_half_open(&self) -> bool {
        matches!(
            self,
            Self::HalfOpen(_) | Self::AwaitPeer(_) | Self::AwaitChain(_)
        )
    }

    /// The identity that the peer claims, once it did.
    pub(crate) fn identity(&self) -> Option<&Identification> {
        let first = match self {
            Self::HalfOpen(_) => return None,
            Self::AwaitPeer(state) => &state.first,
            Self::AwaitChain(state) => &state.known.first,
            Self::AwaitSign(state) => &state.known.first,
            Self::AwaitEapStart(state) => &state.known.first,
            Self::ExpectEap(known) => &known.first,
            Self::AwaitEap(state) => &state.known.first,
            Self::ExpectFinalAuth(state) => &state.known.first,
            Self::AwaitLease(state) => &state.up.known.first,
            Self::AwaitInstall(state) => &state.up.known.first,
        };
        Some(&first.identity)
    }

    pub(crate) fn request(
        self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        match *self {
            Self::HalfOpen(handshake) if opened.exchange == ExchangeType::IKE_INTERMEDIATE => {
                let advanced = handshake.respond(link, cx, opened)?;
                go(Self::HalfOpen(advanced))
            }
            Self::HalfOpen(handshake) => half_open(handshake, link, cx, opened),
            Self::ExpectEap(known) => known.eap_response(link, cx, opened),
            Self::ExpectFinalAuth(state) => state.request(link, cx, opened),
            // The window absorbs every request while one is being worked on.
            _ => Err(PeerMisbehaved::UnexpectedExchange.into()),
        }
    }

    pub(crate) fn answer(
        self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        ask: AskId,
        answer: Answer,
    ) -> Result<Outcome, Refusal> {
        match *self {
            Self::AwaitPeer(state) if state.ask == ask => state.answer(link, cx, answer),
            Self::AwaitChain(state) if state.ask == ask => state.answer(link, cx, answer),
            Self::AwaitSign(state) if state.ask == ask => state.answer(link, cx, answer),
            Self::AwaitEapStart(state) if state.ask == ask => state.answer(link, cx, answer),
            Self::AwaitEap(state) if state.ask == ask => state.answer(link, cx, answer),
            Self::AwaitLease(state) if state.ask == ask => state.answer(link, cx, answer),
            Self::AwaitInstall(state) if state.ask == ask => state.answer(link, cx, answer),
            // The question is no longer asked.
            state => go(state),
        }
    }
}

// --- First request ---

fn half_open(
    handshake: Handshake,
    link: &mut Link,
    cx: &mut Cx<'_>,
    opened: Opened,
) -> Result<Outcome, Refusal> {
    let mut payloads = expect_auth(opened)?;
    // RFC 9242 §3.2#1-3: every key exchange that was agreed on comes before IKE_AUTH.
    handshake.is_complete()?;
    let mut identity = None;
    let mut wanted = None;
    let mut auth = None;
    let mut chain = Vec::new();
    let mut initial_contact = false;
    for payload in &payloads {
        match payload {
            Payload::IdI(_) if identity.is_some() => {
                return Err(PeerMisbehaved::RepeatedPayload(PayloadType::ID_I).into());
            }
            Payload::IdI(id) => identity = Some(id.clone()),
            Payload::IdR(id) => wanted = Some(id.clone()),
            Payload::Auth(_) if auth.is_some() => {
                return Err(PeerMisbehaved::RepeatedPayload(PayloadType::AUTH).into());
            }
            Payload::Auth(one) => auth = Some(one.clone()),
            Payload::Cert(certificate) if certificate.encoding == CertEncoding::X509_SIGNATURE => {
                chain.push(certificate.data.clone());
            }
            Payload::Notify(said) if said.kind == NotifyType::INITIAL_CONTACT => {
                initial_contact = true;
            }
            _ => {}
        }
    }
    let identity = identity.ok_or(PeerMisbehaved::MissingPayload(PayloadType::ID_I))?;
    let speaks_mobike = mobike::speaks(&payloads);
    let ppk = Claim::read(&payloads);
    let may_lack = init::offers_childless(cx.config, &link.traits);
    let child = ChildRequest::read(&mut payloads, may_lack)?;
    cx.trace(link.id, || {
        let sizes = child.configuration.iter();
        Trace::ConfigReceived(sizes.map(|one| (one.kind.0, one.value.len())).collect())
    });
    // A peer that is working has sent a valid request; what may now take long has its own limits.
    link.deadline = Some(cx.now.after(cx.config.half_open_timeout));
    let ask = cx.ask(
        link.id,
        Ask::Peer(PeerQuestion {
            identity: identity.clone(),
            wanted,
            path: link.path,
            // RFC 7296 §2.16: an initiator that leaves AUTH out wants EAP.
            wants_eap: auth.is_none(),
            anyconnect: link.traits.anyconnect,
        }),
    );
    go(Responder::AwaitPeer(AwaitPeer {
        ask,
        first: FirstRequest {
            handshake,
            identity,
            child,
            initial_contact,
            speaks_mobike,
        },
        proof: auth.map(|auth| ClaimedProof { chain, auth, ppk }),
    }))
}

impl AwaitPeer {
    fn answer(self, link: &mut Link, cx: &mut Cx<'_>, answer: Answer) -> Result<Outcome, Refusal> {
        let config = match answer {
            Answer::Peer(config) => config,
            Answer::Refused(why) => return Err(Refusal::Denied(why)),
            _ => return Err(WRONG_ANSWER),
        };
        let mut known = Known {
            first: self.first,
            config,
            ppk: false,
        };
        match self.proof {
            None => known.begin_eap(link, cx),
            Some(claimed) => {
                let mut auth = claimed.auth;
                known.mix(link, claimed.ppk, &mut auth)?;
                known.judge(link, cx, claimed.chain, auth)
            }
        }
    }
}

impl Known {
    /// Mixes the peer's PPK in, or takes its AUTH for the case without.
    fn mix(&mut self, link: &Link, claim: Claim, auth: &mut AuthPayload) -> Result<(), Refusal> {
        match claim.decide(link.traits.use_ppk, self.config.ppk.as_ref())? {
            Decision::None => {}
            Decision::Use => {
                if let Some(own) = &self.config.ppk {
                    self.first.handshake.mix(&own.key);
                    self.ppk = true;
                }
            }
            // RFC 8784 §3#5: the method is that of the AUTH payload.
            Decision::Without(data) => auth.data = data,
        }
        Ok(())
    }

    fn begin_eap(self, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Refusal> {
        // RFC 8784 §3: the key is named in the last request; who cannot name one need not begin.
        if !link.traits.use_ppk && self.config.ppk.as_ref().is_some_and(|own| own.required) {
            return Err(PeerIncompatible::NoPpk.into());
        }
        // The method is offered only to a peer that announced it (docs/anyconnect-eap.md).
        let offered = self.config.remote_authentication.anyconnect_eap && link.traits.anyconnect;
        // RFC 7296 §2.16#1, §5#5: the end that runs EAP proves itself by a signature; a group's key would let
        // each of its members ask the others for their passwords.
        let signs = matches!(
            self.config.local_authentication,
            LocalAuthentication::Certificate { .. }
        );
        if !(offered && signs) {
            return Err(PeerIncompatible::NoEapMethod.into());
        }
        self.prove(link, cx, AfterProof::Eap)
    }

    fn judge(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        chain: Vec<Vec<u8>>,
        auth: AuthPayload,
    ) -> Result<Outcome, Refusal> {
        let accepted = &self.config.remote_authentication.proofs;
        match accepted.basis(auth.method)? {
            Basis::SharedKey(key) => {
                let octets = self.remote_octets(link);
                let judged = signature::verify_shared_key(&key, &auth, link.suite.prf, &octets);
                let verified = judged.inspect_err(|_| {
                    cx.trace(link.id, || Trace::PeerRefused("no known key matches"));
                })?;
                cx.trace(link.id, || Trace::PeerVerified);
                self.prove(link, cx, AfterProof::Lease(verified))
            }
            Basis::Certificate if chain.is_empty() => {
                Err(PeerMisbehaved::MissingPayload(PayloadType::CERT).into())
            }
            Basis::Certificate => {
                let ask = cx.ask(
                    link.id,
                    Ask::Chain {
                        certificates: chain,
                        identity: self.first.identity.clone(),
                    },
                );
                let known = self;
                go(Responder::AwaitChain(AwaitChain { ask, known, auth }))
            }
        }
    }
}

impl AwaitChain {
    fn answer(self, link: &mut Link, cx: &mut Cx<'_>, answer: Answer) -> Result<Outcome, Refusal> {
        let spki = match answer {
            Answer::Chain { spki } => spki,
            Answer::Refused(why) => return Err(Refusal::Denied(why)),
            _ => return Err(WRONG_ANSWER),
        };
        let octets = self.known.remote_octets(link);
        let accepted = &self.known.config.remote_authentication.proofs;
        let (auth, prf) = (&self.auth, link.suite.prf);
        let verified =
            accepted.verify_signature(cx.provider, &link.traits, auth, &spki, prf, &octets)?;
        cx.trace(link.id, || Trace::PeerVerified);
        self.known.prove(link, cx, AfterProof::Lease(verified))
    }
}

// --- Our own proof ---

impl Known {
    /// The octets that our AUTH covers.
    fn local_octets(&self, link: &Link) -> Vec<u8> {
        self.first.handshake.local_octets(
            Role::Responder,
            link.suite.prf,
            &self.config.local_identity.body(),
        )
    }

    /// The octets that the peer's AUTH covers.
    fn remote_octets(&self, link: &Link) -> Vec<u8> {
        self.first.handshake.remote_octets(
            Role::Responder,
            link.suite.prf,
            &self.first.identity.body(),
        )
    }

    fn prove(self, link: &mut Link, cx: &mut Cx<'_>, next: AfterProof) -> Result<Outcome, Refusal> {
        let octets = self.local_octets(link);
        match &self.config.local_authentication {
            LocalAuthentication::Certificate { key, .. } => {
                let answers = match &next {
                    AfterProof::Lease(verified) => verified.scheme,
                    AfterProof::Eap => None,
                };
                let form = AuthForm::for_peer(&link.traits, link.suite.prf, *key, answers)?;
                let scheme = form.scheme();
                let ask = cx.ask(link.id, Ask::Sign { scheme, octets });
                go(Responder::AwaitSign(AwaitSign {
                    ask,
                    known: self,
                    form,
                    next,
                }))
            }
            LocalAuthentication::PreSharedKey(key) => {
                let auth = signature::shared_key_auth(key, link.suite.prf, &octets);
                self.proven(link, cx, next, [Payload::Auth(auth)])
            }
        }
    }

    /// Our proof is made: on with the peer's.
    fn proven(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        next: AfterProof,
        proof: impl IntoIterator<Item = Payload>,
    ) -> Result<Outcome, Refusal> {
        let own = Payload::IdR(self.config.local_identity.clone());
        let payloads = [own].into_iter().chain(proof).collect();
        match next {
            AfterProof::Eap => {
                let context = EapContext {
                    initiator_signed_octets: self.remote_octets(link),
                    prf: link.suite.prf,
                };
                let ask = cx.ask(link.id, Ask::Eap(EapInput::Start(context)));
                go(Responder::AwaitEapStart(AwaitEapStart {
                    ask,
                    known: self,
                    opening: payloads,
                }))
            }
            AfterProof::Lease(verified) => Proven {
                known: self,
                user: None,
                proof: verified.proof,
                by: verified.by,
                answer: payloads,
            }
            .lease(link, cx),
        }
    }
}

impl AwaitSign {
    fn answer(self, link: &mut Link, cx: &mut Cx<'_>, answer: Answer) -> Result<Outcome, Refusal> {
        // CERT is sent even without a CERTREQ: some clients send none and want it all the same.
        let chain = match &self.known.config.local_authentication {
            LocalAuthentication::Certificate { chain, .. } => chain.clone(),
            LocalAuthentication::PreSharedKey(_) => Vec::new(),
        };
        let proof = self.form.proof(&chain, answer)?;
        self.known.proven(link, cx, self.next, proof)
    }
}

// --- EAP ---

impl AwaitEapStart {
    fn answer(
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

    fn eap_response(
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
    fn answer(self, link: &mut Link, cx: &mut Cx<'_>, answer: Answer) -> Result<Outcome, Refusal> {
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
    fn request(self, link: &mut Link, cx: &mut Cx<'_>, opened: Opened) -> Result<Outcome, Refusal> {
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
        known.mix(link, claim, &mut auth)?;
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
            return Err(PeerMisbehaved::AuthenticationFailed.into());
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

// --- Address and child SA ---

impl Proven {
    fn authenticated(&self) -> Authenticated {
        Authenticated {
            peer: self.known.first.identity.clone(),
            proof: self.by,
            eap_user: self.user.clone(),
            initial_contact: self.known.first.initial_contact,
            ppk: self.known.ppk,
        }
    }

    fn lease(mut self, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Refusal> {
        // RFC 8784 §3: said beside AUTH, whatever else that answer says.
        if self.known.ppk {
            self.answer.push(ppk::used());
        }
        cx.event(link.id, Event::Authenticated(self.authenticated()));
        let local = link.path.local.ip();
        let elsewhere = self.known.config.redirect.clone();
        if let Some(gateway) = elsewhere.filter(|one| link.traits.may_be_sent_to(one, local)) {
            return self.redirect(link, cx, gateway);
        }
        let ask = cx.ask(
            link.id,
            Ask::Lease(LeaseQuestion {
                requested: self.known.first.child.configuration.clone(),
                identity: self.known.first.identity.clone(),
                eap_user: self.user.clone(),
                proof: self.by,
            }),
        );
        go(Responder::AwaitLease(AwaitLease { ask, up: self }))
    }

    /// RFC 5685 §6#1,4-6, §9.2#5: both ends are proven, no child SA is made, and the last answer says where to go. What
    /// the client still says, a Delete, is answered for a while.
    fn redirect(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        gateway: Gateway,
    ) -> Result<Outcome, Refusal> {
        let mut answer = self.answer;
        answer.push(Payload::Notify(gateway.redirect(&[])));
        link.respond(cx, ExchangeType::IKE_AUTH, &answer)?;
        Ok(close(link, cx, CloseReason::Redirected(gateway)))
    }

    /// The final answer is out: the SA is up, with or without its child.
    fn finish(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        child: Option<Child>,
        (limits, session_lifetime): (Limits, Option<Duration>),
        configuration: Vec<ConfigAttribute>,
        rest: Vec<Payload>,
    ) -> Result<Outcome, Refusal> {
        let authenticated = self.authenticated();
        let mut answer = self.answer;
        // Behind AUTH, and before what is about configuration and child SA (RFC 6290 §4.2).
        answer.extend(link.own_token(cx));
        answer.extend(rest);
        link.mobike = self.known.first.speaks_mobike && self.known.config.upkeep.mobike;
        // RFC 4555 §3.2#1: said beside the SA payload, to who said it there.
        if link.mobike {
            answer.push(mobike::supported());
        }
        // RFC 7296 §2.3#1: until it is told, the peer keeps one request outstanding; the number has four octets.
        answer.push(Payload::Notify(Notify::new(
            NotifyType::SET_WINDOW_SIZE,
            cx.config.window.to_be_bytes().to_vec(),
        )));
        link.respond(cx, ExchangeType::IKE_AUTH, &answer)?;
        let established = Established::new(Beginning {
            authenticated,
            policy: Policy::Responder(self.known.config),
            derivation: self.known.first.handshake.derivation,
            child,
            limits,
            configuration,
        });
        Ok(established.enter(link, cx, session_lifetime))
    }

    /// RFC 7296 §1.2: the IKE SA comes up although its child cannot. Nothing but a new login would
    /// help its client, so it is deleted by us at once.
    fn childless(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        refusal: Refusal,
    ) -> Result<Outcome, Refusal> {
        let said = child::refused(&refusal);
        cx.event(link.id, Event::ChildRefused(refusal.clone()));
        self.finish(
            link,
            cx,
            None,
            (Limits::NONE, None),
            Vec::new(),
            [said].to_vec(),
        )?;
        let delete = Payload::Delete(Delete::ike_sa());
        close_with(link, cx, delete, CloseReason::Refused(refusal))
    }
}

impl AwaitLease {
    fn answer(self, link: &mut Link, cx: &mut Cx<'_>, answer: Answer) -> Result<Outcome, Refusal> {
        let up = self.up;
        let lease: Lease = match answer {
            Answer::Lease(lease) => *lease,
            // Who asks for nothing is not kept from an IKE SA by what it does not want.
            Answer::Refused(_) if up.known.first.child.is_empty() => Lease::default(),
            // RFC 7296 §3.15.4: no address is INTERNAL_ADDRESS_FAILURE, and the IKE SA still comes up.
            Answer::Refused(_) => {
                // RFC 7296 §2.19#6: who asks for no configuration is told that it is required.
                let why = if up.known.first.child.asks_for_configuration {
                    PeerIncompatible::NoAddress
                } else {
                    PeerIncompatible::NoConfiguration
                };
                return up.childless(link, cx, why.into());
            }
            _ => return Err(WRONG_ANSWER),
        };
        let configuration = lease.reply.clone();
        let session_lifetime = lease.session_lifetime;
        let limits = Limits {
            local: lease.local.clone(),
            remote: lease.remote.clone(),
        };
        let first = &up.known.first;
        let Some(offer) = &first.child.offer else {
            // RFC 6023 §3#4-5: who leaves the child SA out is answered without one, and nobody else. It may ask for one later.
            let limits = (limits, session_lifetime);
            let rest = first.child.assigned(lease.reply);
            return up.finish(link, cx, None, limits, configuration, rest);
        };
        let plan = child::plan(
            link,
            &up.known.config,
            (&first.child, offer),
            lease,
            &first.handshake.derivation,
            &first.handshake.ni,
            &first.handshake.nr,
            up.proof,
        );
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return up.childless(link, cx, error.into()),
        };
        cx.trace(link.id, || Trace::ConfigSent(configuration.clone()));
        log_child(link, cx, &plan.sa);
        let child = Child::of(&plan.sa);
        let ask = cx.ask(link.id, Ask::Install(plan.sa));
        go(Responder::AwaitInstall(AwaitInstall {
            ask,
            up,
            child,
            limits,
            session_lifetime,
            configuration,
            child_payloads: plan.payloads,
        }))
    }
}

impl AwaitInstall {
    fn answer(self, link: &mut Link, cx: &mut Cx<'_>, answer: Answer) -> Result<Outcome, Refusal> {
        match answer {
            Answer::Installed => self.up.finish(
                link,
                cx,
                Some(self.child),
                (self.limits, self.session_lifetime),
                self.configuration,
                self.child_payloads,
            ),
            Answer::Refused(why) => self.up.childless(link, cx, Refusal::Denied(why)),
            _ => Err(WRONG_ANSWER),
        }
    }
}
