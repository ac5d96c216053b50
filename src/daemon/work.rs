//! Answers the core's questions: profiles for the peer, EAP and AAA for the user, pools for the
//! address, the dataplane for the SAs. Everything here is prompt; a question that has to wait for
//! somebody else (RADIUS, later) is answered by another input.

use std::{sync::Arc, time::SystemTime};

use ironflex_eap::anyconnect::{
    CertificateIdentity, CertificateRejected, Credentials, PresentedCertificate, Server,
    SessionIds, Step, Verdict,
};
use ironflex_ikev2::{
    crypto::{Provider, sign::SignatureScheme},
    event::{
        Answer, Ask, Authenticated, EapContext, EapInput, EapOutput, Instant, PeerProof,
        PeerQuestion, SaId,
    },
    wire::payload::Identification,
};
use ironflex_profiles::{Candidate, snapshot::LocalMethod};

use super::{
    assignment::Pools,
    attempts::{Attempts, nearest},
    compile::{Caller, LocalCredentials, NoKey, Plan, ServingProfile},
    configure::Configure,
    counted_provider::CountedProvider,
    identity::{self, Certified, PeerKey},
    idle::IdleTimers,
    journal::Journal,
    leftovers::Leftovers,
    log::{Log, Step as LogStep},
    network::HouseNetwork,
    session::{Deletion, Session, Sessions, Who},
    statistics::Operation,
    unproven::{DueKey, without_key},
};
use crate::{
    aaa::{Lockout, LoginRequest, Password, Rejection, Verdict as AaaVerdict},
    clock::{self, Clock},
    dataplane::Backend,
    metrics::{Metric, Tally},
    pki::{Purpose, describe, verify_peer_chain},
    random,
    state::{
        AuthMethod,
        attempts::{Failure, InactiveProfile},
    },
};

/// How many profiles that would have served a client are named.
const NAMED: usize = 3;

/// What answers: everything about the headend that is not IKE.
pub struct House {
    /// The configuration at work.
    pub plan: Plan,
    /// The sessions.
    pub sessions: Sessions,
    /// Who is locked out.
    pub lockout: Lockout,
    /// Sessions that may be ended for silence.
    pub idle: IdleTimers,
    /// What the dataplane would not remove.
    pub leftovers: Leftovers,
    /// The pools.
    pub pools: Pools,
    /// ESP.
    pub dataplane: Backend,
    /// Routes and devices.
    pub network: HouseNetwork,
    /// Where lines go.
    pub log: Log,
    /// What became of the last clients that wanted in.
    pub attempts: Attempts,
    /// Tells the time.
    pub clock: Clock,
    /// The configuration in IOS form.
    pub running_config: String,
    /// The same as its lines say it.
    pub configured: Candidate,
    /// Who changes it, and what that needs.
    pub configure: Configure,
    /// What the devices are called that go with the headend.
    pub journal: Journal,
    /// Verifies signatures.
    pub provider: &'static CountedProvider,
    /// What was counted; what went through tunnels that are gone included.
    pub tally: Tally,
}

impl House {
    /// Notes why an IKE SA is about to be deleted, and tells it; the first reason stays.
    pub fn note_deletion(&mut self, sa: SaId, deletion: Deletion) {
        if self.sessions.note_deletion(sa, deletion) {
            self.log
                .step(self.sessions.view(sa), LogStep::Deleting(deletion));
        }
    }

    /// The answer to one question.
    pub fn answer(&mut self, sa: SaId, created: Instant, ask: Ask) -> Answer {
        let operation = Operation::of(&ask);
        if let Ask::Peer(question) = &ask {
            let identity = identity::words(&question.identity);
            let times = (created, self.clock.now());
            self.attempts
                .begin(sa, question.path.remote, identity, times);
        }
        let answered = match ask {
            Ask::Peer(question) => self.peer(sa, &question),
            Ask::Chain {
                certificates,
                identity,
            } => {
                let judged = self.chain(sa, &certificates, &identity);
                let session = self.sessions.view(sa);
                let certified = session.and_then(|session| session.certified.as_ref());
                let subject = certified.map(|certified| Arc::clone(&certified.subject));
                let step = match &judged {
                    Ok(_) => LogStep::CertificateHolds(subject.as_deref().unwrap_or_default()),
                    Err(why) => LogStep::CertificateRefused(why),
                };
                self.log.step(self.sessions.view(sa), step);
                judged
            }
            Ask::Sign { scheme, octets } => self.sign(sa, scheme, &octets),
            Ask::Eap(input) => self.eap(sa, input),
            Ask::Lease(question) => self.lease(sa, &question),
            Ask::Install(child) => self.install(sa, &child),
            Ask::Rekey(child) => self.install_successor(sa, &child),
        };
        operation.answered(&mut self.tally, &answered);
        self.attempts
            .answered(self.clock.now(), sa, operation, &answered);
        answered.unwrap_or_else(|why| {
            // The log says what `show crypto ikev2 diagnose` says of the same.
            let verdict = self.attempts.failure(sa).filter(|_| operation.is_judged());
            let told = verdict.map_or_else(|| why.clone(), ToString::to_string);
            self.log.refused(self.sessions.view(sa), &told);
            Answer::Refused(Arc::from(why))
        })
    }

    pub(super) fn session(&mut self, sa: SaId) -> Result<&mut Session, String> {
        self.sessions
            .of(sa)
            .ok_or_else(|| "the session is gone".to_owned())
    }

    /// Who a session's peer has proven to be, and how it is shown. What was proven, not what was claimed: a key-id is
    /// anybody's.
    pub(super) fn proven(
        &self,
        sa: SaId,
        eap_user: Option<&Arc<str>>,
        claimed: &Identification,
    ) -> (PeerKey, Arc<str>) {
        let session = self.sessions.view(sa);
        let certified = session.and_then(|session| session.certified.as_ref());
        match (eap_user, certified) {
            (Some(user), _) => (PeerKey::User(Arc::clone(user)), Arc::clone(user)),
            (None, Some(certified)) => (
                PeerKey::Certificate(Arc::clone(&certified.key)),
                Arc::clone(&certified.subject),
            ),
            (None, None) => (
                PeerKey::PreShared(claimed.kind.0, Arc::from(claimed.data.as_slice())),
                Arc::from(claimed.to_string()),
            ),
        }
    }

    pub(super) fn serving(&self, sa: SaId) -> Result<Arc<ServingProfile>, String> {
        let session = self.sessions.view(sa);
        let profile = session.and_then(|session| session.profile.clone());
        profile.ok_or_else(|| "the session has no profile".to_owned())
    }

    // --- Who is it ---

    fn peer(&mut self, sa: SaId, question: &PeerQuestion) -> Result<Answer, String> {
        let local = question.path.local.ip().to_canonical();
        // Since IKE_SA_INIT it may have come to port 4500.
        self.session(sa)?.remote = Some(question.path.remote);
        self.log.step(
            self.sessions.view(sa),
            LogStep::SearchingProfile(&question.identity),
        );
        let claimed = identity::peer_identity(&question.identity);
        let Some(profile) = self.plan.snapshot.profile_for(local, claimed) else {
            self.log
                .step(self.sessions.view(sa), LogStep::ProfileNotFound);
            let profiles = self.plan.snapshot.profiles.iter();
            let rules = profiles.flat_map(|profile| &profile.match_identity_remote);
            let nearest = nearest(&identity::text(&question.identity), rules);
            let identity = identity::words(&question.identity);
            let inactive = self.plan.snapshot.inactive.iter();
            let inactive = inactive.filter(|one| one.would_take(local, claimed));
            let inactive = inactive.take(NAMED).map(|one| InactiveProfile {
                profile: one.name.to_string(),
                why: one.because.clone(),
            });
            let failure = Failure::NoProfile {
                identity,
                nearest,
                inactive: inactive.collect(),
            };
            self.attempts.fail(sa, failure);
            return Err("no profile matches the peer's identity".to_owned());
        };
        let serving = self.plan.profiles.get(&profile.name).cloned();
        let Some(serving) = serving else {
            let why = self.plan.unserved.get(&profile.name);
            let inactive = InactiveProfile {
                profile: profile.name.to_string(),
                why: why.cloned().unwrap_or_default(),
            };
            let failure = Failure::NoProfile {
                identity: identity::words(&question.identity),
                nearest: Vec::new(),
                inactive: vec![inactive],
            };
            self.attempts.fail(sa, failure);
            return Err(format!("profile {} has no keys", profile.name));
        };
        let caller = Caller {
            from: question.path.remote.ip().to_canonical(),
            claimed,
        };
        self.log.step(
            self.sessions.view(sa),
            LogStep::FoundProfile(profile.name.as_str()),
        );
        self.attempts
            .name(sa, Some(serving.profile.name.as_str()), None);
        let session = self.session(sa)?;
        session.claimed = Some(Arc::from(identity::words(&question.identity)));
        session.named = Some(Arc::from(identity::text(&question.identity)));
        session.key_is_of_one = serving.key_is_of_one(caller);
        session.due_key = DueKey::of(&serving, caller);
        session.profile = Some(Arc::clone(&serving));
        if serving.is_shut_down() {
            let template = serving.profile.virtual_template.interface.name.to_string();
            let why = format!("{template} is shut down");
            let profile = serving.profile.name.to_string();
            let failure = Failure::TemplateShutDown { profile, template };
            self.attempts.fail(sa, failure);
            return Err(why);
        }
        let config = serving
            .peer_config(local, question.wanted.as_ref(), caller)
            .map_err(|NoKey| without_key(&serving))?;
        let method = match &serving.profile.local {
            LocalMethod::RsaSig(_) => AuthMethod::Rsa,
            LocalMethod::EcdsaSig(_) => AuthMethod::Ecdsa,
            LocalMethod::PreShare(_) => AuthMethod::Psk,
        };
        self.log.step(
            self.sessions.view(sa),
            LogStep::Proving {
                method: method.name(),
                identity: &config.local_identity,
            },
        );
        self.session(sa)?.own_identity = Some(config.local_identity.clone());
        Ok(Answer::Peer(Arc::new(config)))
    }

    fn chain(
        &mut self,
        sa: SaId,
        certificates: &[Vec<u8>],
        claimed: &Identification,
    ) -> Result<Answer, String> {
        let serving = self.serving(sa)?;
        let none: &[Vec<u8>] = &[];
        let peer = verify_peer_chain(
            certificates,
            &serving.anchors,
            none,
            clock::wall_clock(),
            &Purpose::Client,
        )
        .map_err(|error| error.to_string())?;
        // RFC 4945 §3.1: the identity must be one that the certificate says; a key-id is only a name
        // for the profile to match.
        let certified = matches!(
            identity::peer_identity(claimed),
            ironflex_profiles::PeerIdentity::KeyId(_)
        ) || identity::covers(peer.certificate(), claimed);
        if !certified {
            return Err(format!(
                "the peer's certificate ({}) does not say that it is {}",
                peer.certificate().subject,
                identity::words(claimed)
            ));
        }
        self.session(sa)?.certified = Some(Certified::new(peer.certificate(), certificates));
        Ok(Answer::Chain {
            spki: peer.spki_der().to_vec(),
        })
    }

    fn sign(&self, sa: SaId, scheme: SignatureScheme, octets: &[u8]) -> Result<Answer, String> {
        let serving = self.serving(sa)?;
        let LocalCredentials::Certificate { signer, .. } = &*serving.credentials else {
            return Err("the profile has no private key".into());
        };
        signer
            .sign(scheme, octets)
            .map(Answer::Signature)
            .map_err(|error| error.to_string())
    }

    // --- EAP ---

    fn eap(&mut self, sa: SaId, input: EapInput) -> Result<Answer, String> {
        let step = match input {
            EapInput::Start(context) => return self.eap_start(sa, context),
            EapInput::Begin(..) => return Err("a headend is not asked to log in".into()),
            EapInput::Packet(packet) => {
                self.log
                    .step(self.sessions.view(sa), LogStep::EapProcessing);
                match self.session(sa)?.eap.take() {
                    Some(server) => server.handle(&packet),
                    None => return Err("no EAP response was due".into()),
                }
            }
        };
        self.eap_step(sa, step)
    }

    fn eap_start(&mut self, sa: SaId, context: EapContext) -> Result<Answer, String> {
        let serving = self.serving(sa)?;
        let config = serving.eap.clone().ok_or("the profile offers no EAP")?;
        let id = u32::from_be_bytes(random::octets());
        let (server, packet) = Server::start(config, SessionIds::new(id, &random::octets()));
        self.log.step(
            self.sessions.view(sa),
            LogStep::EapSending(&server.asked().to_string()),
        );
        let session = self.session(sa)?;
        session.eap_context = Some(context);
        session.eap = Some(server);
        Ok(Answer::Eap(EapOutput::Packet(packet)))
    }

    fn eap_step(&mut self, sa: SaId, mut step: Step) -> Result<Answer, String> {
        loop {
            step = match step {
                Step::Request(server, packet) => {
                    self.log.step(
                        self.sessions.view(sa),
                        LogStep::EapSending(&server.asked().to_string()),
                    );
                    self.session(sa)?.eap = Some(server);
                    return Ok(Answer::Eap(EapOutput::Packet(packet)));
                }
                Step::CheckPassword(waiting, credentials) => {
                    waiting.continue_with(self.judge_password(sa, &credentials))
                }
                Step::VerifyCertificate(waiting, presented) => {
                    waiting.continue_with(self.judge_certificate(sa, &presented))
                }
                Step::Success { packet, identity } => {
                    self.log.step(self.sessions.view(sa), LogStep::EapSuccess);
                    let user: Arc<str> = Arc::from(identity.username.as_str());
                    let session = self.session(sa)?;
                    session.eap_context = None;
                    session.device = Some(identity.device);
                    return Ok(Answer::Eap(EapOutput::Success {
                        packet,
                        user,
                        msk: None,
                    }));
                }
                Step::Failure { packet, reason } => {
                    let why: Arc<str> = Arc::from(reason.to_string());
                    self.log.refused(self.sessions.view(sa), &why);
                    return Ok(Answer::Eap(EapOutput::Failure { packet, why }));
                }
                Step::Discard(server, reason) => {
                    self.log
                        .refused(self.sessions.view(sa), &reason.to_string());
                    self.session(sa)?.eap = Some(server);
                    return Ok(Answer::Eap(EapOutput::Ignore));
                }
            };
        }
    }

    fn note_login(&mut self, sa: SaId, failed: bool) {
        if let Some(session) = self.sessions.of(sa) {
            session.login_failed = failed;
        }
    }

    fn judge_password(&mut self, sa: SaId, credentials: &Credentials) -> Verdict {
        if let Some(session) = self.sessions.of(sa) {
            session.tried = Some(Arc::from(credentials.username.as_str()));
        }
        let session = self.sessions.view(sa);
        let profile = session.and_then(|session| session.profile.as_ref());
        let eap = profile.and_then(|serving| serving.profile.remote.anyconnect_eap.as_ref());
        // Without a profile there is no list, and without a list nobody logs in.
        let list = eap.map_or("", |eap| eap.list.as_str());
        self.log.step(session, LogStep::AaaLogin(list));
        let request = LoginRequest {
            list: list.to_owned(),
            username: credentials.username.clone(),
            password: Password::from(credentials.password.expose()),
        };
        let aaa = &self.plan.aaa;
        let verdict = aaa.authenticate(&request, &mut self.lockout, SystemTime::now());
        let passed = matches!(verdict, AaaVerdict::Accepted(_));
        self.log
            .step(self.sessions.view(sa), LogStep::AaaLocal(passed));
        match verdict {
            AaaVerdict::Accepted(accepted) => {
                self.tally.count_of(Metric::Logins, "accepted");
                self.note_login(sa, false);
                self.attempts.logged_in(self.clock.now(), sa, None);
                Verdict::Accepted {
                    username: accepted.username,
                }
            }
            AaaVerdict::Rejected(rejection) => {
                self.tally.count_of(Metric::Logins, "rejected");
                let failure = Failure::Login {
                    user: credentials.username.clone(),
                    list: list.to_owned(),
                    why: rejection.to_string(),
                    locked_out: matches!(rejection, Rejection::LastAttempt | Rejection::LockedOut),
                };
                let now = self.clock.now();
                self.attempts.logged_in(now, sa, Some(failure));
                self.attempts.name(sa, None, Some(&credentials.username));
                self.note_login(sa, true);
                self.log.login_rejected(
                    self.sessions.view(sa),
                    &credentials.username,
                    credentials.attempt,
                    &rejection.to_string(),
                );
                if rejection == Rejection::LastAttempt {
                    self.log.locked_out(&credentials.username);
                }
                Verdict::Rejected
            }
        }
    }

    fn judge_certificate(
        &mut self,
        sa: SaId,
        presented: &PresentedCertificate,
    ) -> Result<CertificateIdentity, CertificateRejected> {
        let verified = self.verify_presented(sa, presented);
        let verdict = verified.as_ref().map_or("rejected", |_| "accepted");
        self.tally.count_of(Metric::Logins, verdict);
        let failure = verified.as_ref().err();
        let failure = failure.map(|why| Failure::Certificate { why: why.clone() });
        self.attempts.logged_in(self.clock.now(), sa, failure);
        verified.map_err(|why| {
            self.log.refused(self.sessions.view(sa), &why);
            CertificateRejected
        })
    }

    /// The chain, and the signature over what the initiator would sign in AUTH
    /// (docs/anyconnect-eap.md, Certificates).
    fn verify_presented(
        &self,
        sa: SaId,
        presented: &PresentedCertificate,
    ) -> Result<CertificateIdentity, String> {
        let serving = self.serving(sa)?;
        let session = self.sessions.view(sa).ok_or("the session is gone")?;
        let context = session.eap_context.as_ref().ok_or("EAP was not started")?;
        let none: &[Vec<u8>] = &[];
        let peer = verify_peer_chain(
            &presented.chain,
            &serving.anchors,
            none,
            clock::wall_clock(),
            &Purpose::Client,
        )
        .map_err(|error| error.to_string())?;
        self.provider
            .verify(
                SignatureScheme::rsa_pkcs1(context.prf.hash()),
                peer.spki_der(),
                &context.initiator_signed_octets,
                &presented.signature,
            )
            .map_err(|error| format!("the client's signature does not hold: {error}"))?;
        let subject = &peer.certificate().subject;
        let username = subject
            .common_name()
            .map_or_else(|| subject.to_string(), str::to_owned);
        Ok(CertificateIdentity { username })
    }

    /// Both sides are authenticated. Other sessions of the same user and device are named, to be
    /// forgotten if the client says that this is its only one.
    pub fn authenticated(&mut self, sa: SaId, authenticated: &Authenticated) -> Vec<SaId> {
        let (key, user) = self.proven(sa, authenticated.eap_user.as_ref(), &authenticated.peer);
        let Some(session) = self.sessions.of(sa) else {
            return Vec::new();
        };
        // A peer with a certificate is its own device; Cisco's clients number theirs. Whoever shares a key
        // with others may call itself by the name of any of them, and so speaks for nobody's device.
        let shared = authenticated.proof == PeerProof::PreSharedKey && !session.key_is_of_one;
        let device = match &session.device {
            Some(_) => session.device_name().map(str::to_owned),
            None => (!shared).then(|| user.to_string()),
        };
        session.proof = Some(authenticated.proof);
        // Our own asks for no files, and neither does a peer without AnyConnect-EAP.
        let version = session.device.as_ref();
        let version = version.map(|device| device.client_version.as_deref().unwrap_or_default());
        let downloads = version.is_some_and(|version| !version.starts_with("ironflex "));
        let now = self.clock.now();
        self.attempts.authenticated(now, sa, &user, downloads);
        self.sessions.authenticate(sa, Who { key, user, device });
        if authenticated.initial_contact {
            self.sessions.same_client(sa)
        } else {
            Vec::new()
        }
    }
}

/// The trustpoints' dates, for the log at the start.
pub fn certificate_line(serving: &ServingProfile) -> String {
    match &*serving.credentials {
        LocalCredentials::PreShare(_) => "a pre-shared key".to_owned(),
        LocalCredentials::Certificate { chain, .. } => {
            let summary = chain.first().and_then(|der| describe(der).ok());
            summary.map_or_else(String::new, |summary| {
                format!("{}, valid until {}", summary.subject, summary.not_after)
            })
        }
    }
}
