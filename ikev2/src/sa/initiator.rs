//! IKE_AUTH as the initiator (RFC 7296 §1.2, §2.15, §2.16).

mod eap;
mod finish;

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use crate::{
    config::{ConnectConfig, InitiatorAuthentication, LocalAuthentication},
    crypto::Role,
    event::{Answer, Ask, AskId, CloseReason, EapInput, Event, PeerProof, Trace},
    negotiate::{additional::Alternatives, proposal},
    proof::{EapConcluded, PeerAuthenticated},
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{
        Cx,
        child::selectors,
        established::{Deleted, Established, close_after_auth, close_with, gives_up, mobike},
        init::{self, Handshake, certificate_request},
        intermediate::Exchange,
        link::{Link, Opened},
        ppk::{self, Unmixed},
        signature::{self, AuthForm, Basis, Verified},
        state::{Outcome, State, WRONG_ANSWER, close, expect_auth},
    },
    secret::SecretBytes,
    wire::{
        payload::{AuthPayload, Configuration, Delete, Identification, Notify, Payload},
        registry::{CertEncoding, ConfigType, ExchangeType, NotifyType, PayloadType, ProtocolId},
    },
};

/// The initiator's way through IKE_AUTH. `Await…` waits for the outside, `Expect…` for the peer.
pub(crate) enum Initiator {
    /// An IKE_INTERMEDIATE request is out.
    ExpectIntermediate(ExpectIntermediate),
    /// Asked for our signature.
    AwaitSign(AwaitSign),
    /// The first IKE_AUTH request is out.
    ExpectResponder(Trying),
    /// Asked whether the responder's chain is good.
    AwaitChain(AwaitChain),
    /// Asked for our EAP response.
    AwaitEap(AwaitEap),
    /// Our EAP response is out.
    ExpectEap(Proven),
    /// EAP is content and our AUTH is out; the responder's second AUTH is due.
    ExpectFinal(ExpectFinal),
    /// Asked to install the child SA.
    AwaitInstall(AwaitInstall),
}

/// What every state of a trying initiator knows.
pub(crate) struct Trying {
    handshake: Handshake,
    config: Box<ConnectConfig>,
    ppk: PpkUse,
    /// What the responder has deleted: it may be what its last answer, still under way, has made.
    deleted: Deleted,
}

/// How far the use of a PPK has come.
enum PpkUse {
    /// There is none, or it is not named yet.
    None,
    /// It is mixed into the keys and named to the responder; here are the keys for one that goes without,
    /// if it may.
    Named(Option<Unmixed>),
    /// Both ends have it.
    Used,
}

pub(crate) struct ExpectIntermediate {
    trying: Trying,
    exchange: Exchange,
}

pub(crate) struct AwaitSign {
    ask: AskId,
    trying: Trying,
    form: AuthForm,
    chain: Vec<Arc<[u8]>>,
    /// What is to be signed for a responder without our PPK, after the proof proper.
    without: Option<Vec<u8>>,
    proof: Vec<Payload>,
}

pub(crate) struct AwaitChain {
    ask: AskId,
    trying: Trying,
    responder: Identification,
    auth: AuthPayload,
    rest: Rest,
}

/// What the first response carries beside the responder's proof.
enum Rest {
    /// EAP goes on.
    Eap(Vec<u8>),
    /// Our AUTH sufficed: the child SA.
    Child(Vec<Payload>),
}

/// The responder has proven itself.
pub(crate) struct Proven {
    trying: Trying,
    responder: Identification,
    proof: PeerAuthenticated,
    by: PeerProof,
}

pub(crate) struct AwaitEap {
    ask: AskId,
    proven: Proven,
}

pub(crate) struct ExpectFinal {
    proven: Proven,
    msk: Option<SecretBytes>,
    _eap: EapConcluded,
}

pub(crate) struct AwaitInstall {
    ask: AskId,
    established: Box<Established>,
    deleted: Deleted,
}

fn go(state: Initiator) -> Result<Outcome, Refusal> {
    Ok(Outcome::Go(State::Initiator(Box::new(state))))
}

/// IKE_SA_INIT is done: further key exchanges follow, and then IKE_AUTH.
pub(crate) fn start(
    link: &mut Link,
    cx: &mut Cx<'_>,
    handshake: Handshake,
    config: Box<ConnectConfig>,
) -> Result<Outcome, Refusal> {
    let trying = Trying {
        handshake,
        config,
        ppk: PpkUse::None,
        deleted: Deleted::default(),
    };
    trying.go_on(link, cx)
}

/// Builds the first IKE_AUTH request, with our AUTH unless EAP is wanted.
fn authenticate(mut trying: Trying, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Refusal> {
    match trying.config.authentication.clone() {
        InitiatorAuthentication::AnyConnectEap => trying.send_first(link, cx, Vec::new()),
        InitiatorAuthentication::Auth(LocalAuthentication::Certificate { chain, key }) => {
            let form = AuthForm::for_peer(&link.traits, link.suite.prf, key, None)?;
            let without = trying.mix(link, |trying| trying.local_octets(link));
            let octets = trying.local_octets(link);
            let scheme = form.scheme();
            let ask = cx.ask(link.id, Ask::Sign { scheme, octets });
            go(Initiator::AwaitSign(AwaitSign {
                ask,
                trying,
                form,
                chain,
                without,
                proof: Vec::new(),
            }))
        }
        InitiatorAuthentication::Auth(LocalAuthentication::PreSharedKey(key)) => {
            let auth = |trying: &Trying| {
                signature::shared_key_auth(&key, link.suite.prf, &trying.local_octets(link))
            };
            let without = trying.mix(link, |trying| auth(trying).data);
            let mut proof = [Payload::Auth(auth(&trying))].to_vec();
            proof.extend(trying.claim(without));
            trying.send_first(link, cx, proof)
        }
    }
}

impl Initiator {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::ExpectIntermediate(_) => "I_WAIT_INTERMEDIATE",
            Self::AwaitSign(_) => "I_BLD_AUTH",
            Self::ExpectResponder(_) => "I_WAIT_AUTH",
            Self::AwaitChain(_) => "I_VERIFY_AUTH",
            Self::AwaitEap(_) => "I_PROC_EAP_REQ",
            Self::ExpectEap(_) => "I_WAIT_EAP_REQ",
            Self::ExpectFinal(_) => "I_WAIT_EAP_AUTH_VERIFY",
            Self::AwaitInstall(_) => "I_INSTALL_CHILD",
        }
    }

    /// The owner wants no more of it. RFC 7296 §2.21.2: an initiator that gives up says so in an INFORMATIONAL of its own,
    /// or the responder waits for the rest of IKE_AUTH, and holds what it has for it.
    pub(crate) fn leave(
        self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
    ) -> Result<Outcome, Refusal> {
        let last_word = match *self {
            // The responder knows of nobody yet, and takes nothing but the next exchange.
            Self::ExpectIntermediate(_) | Self::AwaitSign(_) => {
                cx.event(link.id, Event::Closed(CloseReason::Deleted));
                return Ok(Outcome::Gone);
            }
            Self::ExpectResponder(_) | Self::ExpectEap(_) | Self::ExpectFinal(_) => {
                return Ok(close_after_auth(link, CloseReason::Deleted));
            }
            Self::AwaitChain(AwaitChain {
                rest: Rest::Eap(_), ..
            })
            | Self::AwaitEap(_) => gives_up(),
            // The responder is up.
            Self::AwaitChain(_) | Self::AwaitInstall(_) => Payload::Delete(Delete::ike_sa()),
        };
        close_with(link, cx, last_word, CloseReason::Deleted)
    }

    /// Nothing may be asked of us before we are established, but the responder may take its SA back:
    /// its Delete can overtake the answer that it follows, and that answer will never come again.
    pub(crate) fn request(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        let exchange = opened.exchange;
        let is_inform = exchange == ExchangeType::INFORMATIONAL;
        let said = opened.payloads.ok().filter(|_| is_inform);
        let said = said.unwrap_or_default();
        let deletes = |one: &Payload| matches!(one, Payload::Delete(delete) if delete.protocol == ProtocolId::IKE);
        if said.iter().any(deletes) {
            // RFC 7296 §1.4.1: the Delete of an IKE SA is answered with nothing inside.
            link.respond(cx, exchange, &[])?;
            return Ok(close(link, cx, CloseReason::PeerDeleted));
        }
        // RFC 7296 §1.4.1, §2.25.1#7: nor does its Delete of the child SA that it has made with that answer come again.
        let before = self.half_of_deleted();
        self.deleted().note_all(&said);
        // RFC 7296 §1.4.1#2: with that answer here, the other half is known.
        let half = self.half_of_deleted().filter(|_| before.is_none());
        // RFC 7296 §2.2, §2.25: the responder is up before its last answer has come here, so its requests
        // may overtake it. They are no error, and what needs an SA that is up is put off.
        let said = match exchange {
            ExchangeType::INFORMATIONAL => half.map(|spi| Payload::Delete(Delete::esp(&[spi]))),
            ExchangeType::CREATE_CHILD_SA => Some(Payload::Notify(Notify::plain(
                NotifyType::TEMPORARY_FAILURE,
            ))),
            _ => Some(Payload::Notify(Notify::plain(NotifyType::INVALID_SYNTAX))),
        };
        link.respond(cx, exchange, said.as_slice())?;
        Ok(Outcome::Go(State::Initiator(self)))
    }

    /// Our half of the child SA that is being installed, if the responder has deleted it.
    fn half_of_deleted(&self) -> Option<[u8; 4]> {
        let Self::AwaitInstall(state) = self else {
            return None;
        };
        let child = state.established.child();
        let gone = child.filter(|one| state.deleted.has(one.outbound_spi));
        gone.map(|one| one.inbound_spi.to_be_bytes())
    }

    const fn deleted(&mut self) -> &mut Deleted {
        match self {
            Self::ExpectIntermediate(state) => &mut state.trying.deleted,
            Self::AwaitSign(state) => &mut state.trying.deleted,
            Self::ExpectResponder(trying) => &mut trying.deleted,
            Self::AwaitChain(state) => &mut state.trying.deleted,
            Self::AwaitEap(state) => &mut state.proven.trying.deleted,
            Self::ExpectEap(proven) => &mut proven.trying.deleted,
            Self::ExpectFinal(state) => &mut state.proven.trying.deleted,
            Self::AwaitInstall(state) => &mut state.deleted,
        }
    }

    pub(crate) fn response(
        self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        if let Self::ExpectIntermediate(state) = *self {
            return state.response(link, cx, opened);
        }
        self.auth_answered(link, cx, opened)
            .or_else(|refusal| fail(link, cx, refusal))
    }

    /// Works on the answer to IKE_AUTH. Whatever is wrong with it the responder is told.
    fn auth_answered(
        self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        let payloads = expect_auth(opened)?;
        // RFC 7296 §2.21.2#4: an error notify in an authentic answer ends the attempt, unless it is
        // only the child SA that was refused; that is judged with the child.
        let has_auth = payloads.iter().any(|one| matches!(one, Payload::Auth(_)));
        if let Some(said) = init::error_of(&payloads)
            && !has_auth
        {
            return Err(Refusal::ByPeer(said.kind));
        }
        match *self {
            Self::ExpectResponder(trying) => trying.responder(link, cx, payloads),
            Self::ExpectEap(proven) => proven.eap_request(link, cx, payloads),
            Self::ExpectFinal(state) => state.response(link, cx, payloads),
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
            Self::AwaitSign(state) if state.ask == ask => state.answer(link, cx, answer),
            Self::AwaitChain(state) if state.ask == ask => state
                .answer(link, cx, answer)
                .or_else(|refusal| fail(link, cx, refusal)),
            Self::AwaitEap(state) if state.ask == ask => state
                .answer(link, cx, answer)
                .or_else(|refusal| fail(link, cx, refusal)),
            Self::AwaitInstall(state) if state.ask == ask => state.answer(link, cx, answer),
            // The question is no longer asked.
            state => go(state),
        }
    }
}

// --- Further key exchanges ---

impl Trying {
    /// The next IKE_INTERMEDIATE, or IKE_AUTH where there is none left.
    fn go_on(mut self, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Refusal> {
        match self.handshake.request(link, cx)? {
            Some(exchange) => go(Initiator::ExpectIntermediate(ExpectIntermediate {
                trying: self,
                exchange,
            })),
            None => authenticate(self, link, cx),
        }
    }
}

impl ExpectIntermediate {
    fn response(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        let Trying {
            handshake,
            config,
            ppk,
            deleted,
        } = self.trying;
        let handshake = handshake.conclude(self.exchange, link, cx, opened)?;
        let trying = Trying {
            handshake,
            config,
            ppk,
            deleted,
        };
        trying.go_on(link, cx)
    }
}

// --- First request ---

impl Trying {
    fn local_octets(&self, link: &Link) -> Vec<u8> {
        let body = self.config.identity.body();
        self.handshake
            .local_octets(Role::Initiator, link.suite.prf, &body)
    }

    /// IDi, our proof unless it is EAP, and what we want. Without AUTH the responder knows that
    /// EAP is wanted (RFC 7296 §2.16).
    fn send_first(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        proof: Vec<Payload>,
    ) -> Result<Outcome, Refusal> {
        let config = &self.config;
        let mut payloads = [Payload::IdI(config.identity.clone())].to_vec();
        payloads.extend(proof);
        // RFC 7296 §2.4#2: it goes with the first IKE_AUTH request.
        payloads.push(Payload::Notify(Notify::plain(NotifyType::INITIAL_CONTACT)));
        payloads.extend(certificate_request(&config.authorities));
        payloads.extend(config.wanted.clone().map(Payload::IdR));
        // In the first request, whether AUTH is in it or follows after EAP (RFC 6290 §4.2).
        payloads.extend(link.own_token(cx));
        // RFC 7296 §2.19#1-3, §4#7: the address is asked for here, beside and before the SA
        // payload.
        if !config.request.is_empty() {
            payloads.push(Payload::Cp(Configuration {
                kind: ConfigType::CFG_REQUEST,
                attributes: config.request.clone(),
            }));
        }
        if !config.childless {
            // RFC 7296 §1.2#6: a child SA of IKE_AUTH has no group of its own, and none is named.
            payloads.push(Payload::Sa(proposal::offer_esp(
                &config.esp,
                &[],
                Alternatives::None,
                config.spi,
            )));
            payloads.push(Payload::TsI(selectors(&config.local)));
            payloads.push(Payload::TsR(selectors(&config.remote)));
        }
        if config.upkeep.mobike {
            // RFC 4555 §3.2#1: said beside the SA payload.
            payloads.push(mobike::supported());
        }
        // RFC 7296 §2.3: until it is told, the peer keeps one request outstanding.
        if cx.config.window > 1 {
            let window = cx.config.window.to_be_bytes().to_vec();
            let said = Notify::new(NotifyType::SET_WINDOW_SIZE, window);
            payloads.push(Payload::Notify(said));
        }
        link.request(cx, ExchangeType::IKE_AUTH, payloads)?;
        go(Initiator::ExpectResponder(self))
    }
}

impl AwaitSign {
    fn answer(
        mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        answer: Answer,
    ) -> Result<Outcome, Refusal> {
        if self.proof.is_empty() {
            self.proof = self.form.proof(&self.chain, answer)?.collect();
            if let Some(octets) = self.without.take() {
                let scheme = self.form.scheme();
                self.ask = cx.ask(link.id, Ask::Sign { scheme, octets });
                return go(Initiator::AwaitSign(self));
            }
            self.proof.extend(self.trying.claim(None));
        } else {
            let without = ppk::auth_data(self.form.proof(&[], answer)?);
            self.proof.extend(self.trying.claim(without));
        }
        self.trying.send_first(link, cx, self.proof)
    }
}

// --- Post-quantum pre-shared keys ---

impl Trying {
    /// Mixes our PPK in, if both ends use one (RFC 8784 §3). Before, `auth` makes what proves us to a
    /// responder that goes without, if it may.
    fn mix<T>(&mut self, link: &Link, auth: impl FnOnce(&Self) -> T) -> Option<T> {
        let own = self.config.ppk.as_ref().filter(|_| link.traits.use_ppk)?;
        let (key, required) = (own.key.clone(), own.required);
        // RFC 8784 §3#4: said where it may do without.
        let without = (!required).then(|| auth(self));
        let unmixed = self.handshake.mix(&key);
        self.ppk = PpkUse::Named((!required).then_some(unmixed));
        without
    }

    /// What goes with our AUTH: the name of the PPK that is mixed in.
    fn claim(&self, without: Option<Vec<u8>>) -> Vec<Payload> {
        match (&self.ppk, &self.config.ppk) {
            (PpkUse::Named(_), Some(own)) => ppk::claim(own, without).collect(),
            _ => Vec::new(),
        }
    }

    /// RFC 8784 §3: the responder says whether it uses the PPK that we have named; if not, it must be one
    /// that need not be.
    fn settle(&mut self, cx: &mut Cx<'_>, payloads: &[Payload]) -> Result<(), PeerIncompatible> {
        // RFC 8784 §3#8, §3#9: whatever the notify may hold; without it we go on without, or not at all.
        self.ppk = match core::mem::replace(&mut self.ppk, PpkUse::None) {
            PpkUse::Named(_) if ppk::is_used(payloads) => PpkUse::Used,
            PpkUse::Named(Some(unmixed)) => {
                self.handshake.unmix(unmixed);
                PpkUse::None
            }
            PpkUse::Named(None) => {
                cx.counters.ppks.refused(self.config.ppk.as_ref());
                return Err(PeerIncompatible::NoPpk);
            }
            settled => settled,
        };
        Ok(())
    }
}

// --- The responder's proof ---

impl Trying {
    fn remote_octets(&self, link: &Link, responder: &Identification) -> Vec<u8> {
        self.handshake
            .remote_octets(Role::Initiator, link.suite.prf, &responder.body())
    }

    fn responder(
        mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        payloads: Vec<Payload>,
    ) -> Result<Outcome, Refusal> {
        self.settle(cx, &payloads)?;
        let mut responder = None;
        let mut auth = None;
        let mut eap = None;
        let mut certificates = Vec::new();
        let mut child = Vec::new();
        for payload in payloads {
            match payload {
                Payload::IdR(id) => responder = Some(id),
                Payload::Auth(one) => auth = Some(one),
                Payload::Eap(packet) => eap = Some(packet.into_packet()),
                Payload::Cert(one) if one.encoding == CertEncoding::X509_SIGNATURE => {
                    certificates.push(one.data);
                }
                other => child.push(other),
            }
        }
        let missing = PeerMisbehaved::MissingPayload;
        let responder = responder.ok_or_else(|| missing(PayloadType::ID_R))?;
        // EAP-only authentication (RFC 5998) was not asked for: the responder proves itself first.
        let auth = auth.ok_or(PeerMisbehaved::ResponderUnproven)?;
        let wants_eap = matches!(
            self.config.authentication,
            InitiatorAuthentication::AnyConnectEap
        );
        // RFC 5685 §6#2,5,7-8: the first answer may redirect, before any EAP; it counts once AUTH has held.
        let redirects =
            self.config.follows_redirects() && init::find(&child, NotifyType::REDIRECT).is_some();
        let rest = match (wants_eap, eap) {
            _ if redirects => Rest::Child(child),
            (true, Some(packet)) => Rest::Eap(packet),
            (false, None) => Rest::Child(child),
            _ => return Err(PeerMisbehaved::UnexpectedEap.into()),
        };
        let basis = match self.config.responder.basis(auth.method) {
            // RFC 7296 §2.16#1, §5#5: whoever wants our password proves itself by a signature.
            Ok(Basis::SharedKey(_)) if wants_eap => {
                Err(PeerIncompatible::MethodNotConfigured(auth.method))
            }
            basis => basis,
        };
        match basis {
            Ok(Basis::SharedKey(key)) => {
                let octets = self.remote_octets(link, &responder);
                let verified = signature::verify_shared_key(&key, &auth, link.suite.prf, &octets)?;
                return self.trust(link, cx, responder, verified, rest);
            }
            Ok(Basis::Certificate) if certificates.is_empty() => {
                return Err(missing(PayloadType::CERT).into());
            }
            Ok(Basis::Certificate) => {}
            Err(error) => return Err(error.into()),
        }
        let ask = cx.ask(
            link.id,
            Ask::Chain {
                certificates,
                identity: responder.clone(),
            },
        );
        go(Initiator::AwaitChain(AwaitChain {
            ask,
            trying: self,
            responder,
            auth,
            rest,
        }))
    }

    /// The responder's AUTH holds.
    fn trust(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        responder: Identification,
        verified: Verified,
        rest: Rest,
    ) -> Result<Outcome, Refusal> {
        cx.trace(link.id, || Trace::PeerVerified);
        // RFC 7296 §1.2: the responder may answer by another identity, and we may then leave.
        let wanted = self.config.wanted.as_ref();
        if wanted.is_some_and(|wanted| *wanted != responder) {
            return Err(Refusal::OtherResponder(Arc::new(responder)));
        }
        let proven = Proven {
            trying: self,
            responder,
            proof: verified.proof,
            by: verified.by,
        };
        match rest {
            Rest::Eap(packet) => {
                let context = proven.eap_context(link);
                proven.ask_eap(link, cx, EapInput::Begin(context, packet))
            }
            Rest::Child(payloads) => proven.child(link, cx, payloads),
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
        let octets = self.trying.remote_octets(link, &self.responder);
        let accepted = &self.trying.config.responder;
        let (auth, prf) = (&self.auth, link.suite.prf);
        let verified =
            accepted.verify_signature(cx.provider, &link.traits, auth, &spki, prf, &octets)?;
        self.trying
            .trust(link, cx, self.responder, verified, self.rest)
    }
}

/// Gives up and says why: the responder has our SA, made or half made (RFC 7296 §2.21.2).
fn fail(link: &mut Link, cx: &mut Cx<'_>, refusal: Refusal) -> Result<Outcome, Refusal> {
    let said = refusal.notify(ExchangeType::IKE_AUTH);
    let reason = CloseReason::Refused(refusal);
    match said {
        Some(said) => close_with(link, cx, Payload::Notify(said), reason),
        // It was the responder that refused, and so has ended it.
        None => Ok(close(link, cx, reason)),
    }
}
