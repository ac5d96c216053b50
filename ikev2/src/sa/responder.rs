//! IKE_AUTH as the responder (RFC 7296 §1.2, §2.15, §2.16).

mod eap;
mod finish;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{
    config::{LocalAuthentication, PeerConfig},
    counters::more,
    crypto::Role,
    event::{Answer, Ask, AskId, EapContext, EapInput, PeerProof, PeerQuestion, Trace},
    proof::{EapConcluded, PeerAuthenticated},
    refusal::{AuthFault, PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{
        Cx,
        child::ChildRequest,
        established::{Child, Limits, mobike},
        init::{self, Handshake},
        link::{Link, Opened},
        ppk::{Claim, Decision},
        signature::{self, AuthForm, Basis, Verified},
        state::{Outcome, State, WRONG_ANSWER, expect_auth},
    },
    secret::SecretBytes,
    wire::{
        payload::{AuthPayload, ConfigAttribute, Identification, Payload},
        registry::{CertEncoding, ExchangeType, NotifyType, PayloadType},
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

/// What the first IKE_AUTH request said. Of a peer that has proven nothing: [`ChildRequest::may_be_kept`].
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
    child.may_be_kept(&identity)?;
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
                known.mix(link, cx, claimed.ppk, &mut auth)?;
                known.judge(link, cx, claimed.chain, auth)
            }
        }
    }
}

impl Known {
    /// Mixes the peer's PPK in, or takes its AUTH for the case without.
    fn mix(
        &mut self,
        link: &Link,
        cx: &mut Cx<'_>,
        claim: Claim,
        auth: &mut AuthPayload,
    ) -> Result<(), Refusal> {
        let (own, count) = (self.config.ppk.as_ref(), &mut cx.counters.ppks);
        let agreed = link.traits.use_ppk;
        if agreed && claim.is_foreign(own) {
            more(&mut count.unknown);
        }
        let decided = claim.decide(agreed, own);
        match decided.inspect_err(|_| count.refused(own))? {
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

    /// The peer's proof did not hold: what is to be said of that, for the octets that it covers depend on the PPK, too.
    fn unproven(&self, cx: &mut Cx<'_>, why: Refusal) -> Refusal {
        cx.counters.ppks.failed(self.config.ppk.as_ref(), self.ppk);
        let other_key = PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey);
        if self.ppk && why == other_key.into() {
            return PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKeyOrPpk).into();
        }
        why
    }

    fn begin_eap(self, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Refusal> {
        // RFC 8784 §3: the key is named in the last request; who cannot name one need not begin.
        let own = self.config.ppk.as_ref();
        if !link.traits.use_ppk && own.is_some_and(|own| own.required) {
            cx.counters.ppks.refused(own);
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
                let verified = judged.map_err(|error| {
                    cx.trace(link.id, || Trace::PeerRefused("no known key matches"));
                    self.unproven(cx, error.into())
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
        let verified = accepted
            .verify_signature(cx.provider, &link.traits, auth, &spki, prf, &octets)
            .map_err(|why| self.known.unproven(cx, why))?;
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
