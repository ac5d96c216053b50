//! The headend's side of a conversation (docs/anyconnect-eap.md, Conversation).
//!
//! ```text
//!  start ──hello──► Init ──client-cert-request──► Certificate ──► (AwaitCertificate) ──┐
//!                    │                                │ none, and the policy allows    │
//!                    └────────────auth-request────────┴─────────────► Reply ◄──────────┘
//!                                                             ▲  │ ▲ init: another group's form
//!                           auth-request: wrong, or challenge │  │ └─┘
//!                                                      (AwaitVerdict)
//!                                                                │ accepted
//!                                                             complete ──► Ack ──► Success
//! ```
//!
//! States in parentheses wait for the outside's answer. Everything else that can happen is an
//! EAP-Failure with its reason or a discard. Whether a password is right, a chain good or a
//! signature genuine is judged elsewhere.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::num::NonZeroU8;

use super::{
    DocumentError, MAX_REQUESTS, certificates,
    certificates::CertificatesError,
    config_auth::{
        Asks, AuthReply, AuthRequest, Complete, DeviceInfo, Document, DocumentKind,
        ERROR_LOGIN_FAILED, Form, FormId, GroupOption, Hello, Init, Input, InputKind, Message,
        Opaque, ProfileFile, Sha1Digest,
    },
    frame::{Frame, FrameError, SkippedTlv},
};
use crate::{
    Secret,
    packet::{self, Method, Packet, PacketError, VENDOR_CISCO, VENDOR_TYPE_ANYCONNECT},
};

/// Characters of the headend's version that the documents carry.
const MAX_VERSION: usize = 64;

/// Skipped TLVs that one conversation remembers for the log.
const MAX_SKIPPED: usize = 16;

/// What an IKEv2 profile says about the method. Shared by all its conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The name that the opaque carries; the headend's own use, the client only returns it.
    pub tunnel_group: String,
    /// The TCP port of the HTTPS server for downloads. 443 on a router.
    pub csport: u16,
    /// Title of the login window; absent, the client has its own.
    pub title: Option<String>,
    /// Text above the login form.
    pub message: Option<String>,
    /// Text that the user sees before the login form.
    pub banner: Option<String>,
    /// Text that the user sees after the login.
    pub success_banner: Option<String>,
    /// Logins that may be tried in one conversation. Defaults to 3.
    pub tries: NonZeroU8,
    /// Whether a certificate is asked for.
    pub certificate: CertificatePolicy,
    /// The groups to choose from, the first one preselected. Empty: there is no choice and no list.
    pub groups: Vec<String>,
    /// The hash by which the client knows the headend's certificate.
    pub server_cert_hash: Sha1Digest,
    /// The client's XML profile. Only a file that HTTPS really serves on `csport`: a client that
    /// cannot fetch an advertised profile gives the connection up.
    pub profile_manifest: Option<ProfileFile>,
    /// The headend's software version, of which 64 characters are told; absent, nothing is.
    pub version: Option<String>,
}

/// Whether the headend asks for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificatePolicy {
    /// No certificate is asked for, and one that comes unasked is not looked at.
    #[default]
    Off,
    /// `client-cert-request` precedes everything else.
    Request {
        /// What a client without a usable certificate gets.
        without: WithoutCertificate,
        /// What follows a good certificate.
        after: AfterCertificate,
    },
}

/// What a client without a usable certificate gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutCertificate {
    /// EAP-Failure, as IOS-XE's `cert-request` has it: the certificate is a factor, no form is
    /// shown without it.
    Refuse,
    /// The password form: the certificate is an alternative.
    AskPassword,
}

/// What follows a good certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCertificate {
    /// The password form: two factors.
    AskPassword,
    /// `authentication-complete`: the certificate is enough.
    Finish,
}

/// What names one session towards the client: number and token, as `complete` carries them.
#[derive(PartialEq, Eq)]
pub struct SessionIds {
    /// The session's number.
    pub id: u32,
    /// The session's token: who presents it on the HTTPS port may download.
    pub token: Secret,
}

/// One conversation that waits for a response.
#[must_use]
pub struct Server {
    conversation: Box<Conversation>,
    state: State,
}

/// What a response, or an answer of the outside, leads to.
#[must_use]
pub enum Step {
    /// The next EAP-Request.
    Request(Server, Vec<u8>),
    /// The outside has to judge a login.
    CheckPassword(AwaitVerdict, Credentials),
    /// The outside has to judge a certificate and the signature made with its key.
    VerifyCertificate(AwaitCertificate, PresentedCertificate),
    /// EAP-Success; the peer is who it says.
    Success {
        /// The packet.
        packet: Vec<u8>,
        /// Who logged in.
        identity: Box<Identity>,
    },
    /// EAP-Failure; the conversation is over.
    Failure {
        /// The packet.
        packet: Vec<u8>,
        /// Why.
        reason: FailureReason,
    },
    /// Not an answer to the outstanding request: nothing is sent and nothing has changed (RFC 3748
    /// §4.1).
    Discard(Server, DiscardReason),
}

/// A login to be judged. No `Debug`: there is a password in it.
#[derive(PartialEq, Eq)]
pub struct Credentials {
    /// At most 256 octets, no control characters, not empty.
    pub username: String,
    /// The password, or the answer to the challenge; at most 1,024 octets, not empty.
    pub password: Secret,
    /// The group whose form was filled in; absent when there is no choice of groups.
    pub group: Option<String>,
    /// The handle of the challenge that the password answers; absent for a login form's.
    pub challenge: Option<String>,
    /// Which try it is, from 1.
    pub attempt: u8,
}

/// A certificate to be judged (docs/anyconnect-eap.md, Certificates).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// DER, in wire order: the leaf first.
    pub chain: Vec<Vec<u8>>,
    /// RSASSA-PKCS1-v1_5 over the IKE initiator's signed octets with the hash of the negotiated
    /// PRF.
    pub signature: Vec<u8>,
}

/// The name that a judged certificate stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateIdentity {
    /// The user, as the profile derives it from the certificate.
    pub username: String,
}

/// A presented certificate or its signature did not hold. Why is the judge's to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRejected;

/// What the outside says about a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Accepted,
    /// It is wrong: the form comes again until the tries are used up.
    Rejected,
    /// A second factor is wanted; it is no try.
    Challenge {
        /// What the user is asked.
        prompt: String,
        /// Comes back in [`Credentials::challenge`]; the client sees it.
        handle: String,
    },
    /// Nobody could judge it (no RADIUS server answered): EAP-Failure, and no try is counted
    /// anywhere.
    Unavailable,
}

/// A conversation that waits for a [`Verdict`].
#[must_use]
pub struct AwaitVerdict {
    conversation: Box<Conversation>,
    username: String,
}

/// A conversation that waits for a certificate to be judged.
#[must_use]
pub struct AwaitCertificate {
    conversation: Box<Conversation>,
    after: AfterCertificate,
}

/// Who logged in, with what and from where. No `Debug`: there is a session token in it.
#[derive(PartialEq, Eq)]
pub struct Identity {
    /// The user: as typed, or as the certificate says where no password was asked for.
    pub username: String,
    /// The name in the certificate, when one was judged good.
    pub certificate: Option<CertificateIdentity>,
    /// The group; absent when there is no choice of groups.
    pub group: Option<String>,
    /// What the client told about itself, unverified.
    pub device: DeviceInfo,
    /// The host or URL that the client asked for, unverified.
    pub group_access: Option<String>,
    /// What the client was told about its session.
    pub session: SessionIds,
    /// TLVs that were not understood, at most 16 of them.
    pub skipped_tlvs: Vec<SkippedTlv>,
}

/// Why a conversation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailureReason {
    /// The login was wrong as often as it may be.
    #[error("login failed {tries} times, the last time as {username:?}")]
    LoginFailed {
        /// Tries made.
        tries: u8,
        /// The last username tried.
        username: String,
    },
    /// The policy wants a certificate and the client has none.
    #[error("a certificate is required and the client has none")]
    CertificateMissing,
    /// The certificate was judged bad.
    #[error("the client's certificate was rejected")]
    CertificateRejected,
    /// The client does not do this method (RFC 3748 §5.3).
    #[error("the client refused AnyConnect-EAP with a Nak")]
    Nak,
    /// The client said something out of turn.
    #[error(transparent)]
    Misbehaved(#[from] Misbehaviour),
    /// The response's TLVs are broken.
    #[error("invalid response: {0}")]
    InvalidFrame(#[from] FrameError),
    /// The response's document is broken.
    #[error("invalid response: {0}")]
    InvalidDocument(#[from] DocumentError),
    /// The response's certificates are broken.
    #[error("invalid response: {0}")]
    InvalidCertificates(#[from] CertificatesError),
    /// Nobody could judge the login.
    #[error("the login could not be judged: authentication is unavailable")]
    Unavailable,
    /// The configured texts do not fit an EAP packet.
    #[error("the next request cannot be sent: {0}")]
    RequestTooLong(#[from] PacketError),
}

/// What a client may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// Another document than the state takes.
    #[error("{received} received in answer to {asked}")]
    UnexpectedDocument {
        /// The outstanding request.
        asked: DocumentKind,
        /// What came.
        received: DocumentKind,
    },
    /// A response of another EAP type.
    #[error("EAP type {0} received, AnyConnect-EAP was asked")]
    OtherMethod(u8),
    /// A response of another Expanded type.
    #[error("EAP vendor {vendor} type {vendor_type:#x} received, AnyConnect-EAP was asked")]
    OtherExpandedMethod {
        /// IANA enterprise number.
        vendor: u32,
        /// The vendor's number.
        vendor_type: u32,
    },
    /// The opaque is absent or not the one that was sent.
    #[error("the opaque did not come back as it was sent")]
    OpaqueAltered,
    /// Certificates without a signature, or a signature without certificates.
    #[error("certificates (TLV 3) and signature (TLV 1) must come together")]
    UnprovenCertificate,
    /// More requests than any login takes.
    #[error("more than {MAX_REQUESTS} requests without an end")]
    TooManyRequests,
}

/// Why a packet was dropped without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscardReason {
    /// It is no EAP packet.
    #[error(transparent)]
    Malformed(#[from] PacketError),
    /// It is a Request, Success or Failure where a Response is due, or the reverse.
    #[error("EAP packet with a code that this side does not take")]
    WrongCode,
    /// It answers another request, or ends another conversation.
    #[error("EAP identifier {received}, expected {expected}")]
    WrongIdentifier {
        /// The outstanding one.
        expected: u8,
        /// The packet's.
        received: u8,
    },
    /// A request that was answered already.
    #[error("EAP request {0} was answered already")]
    Repeated(u8),
}

/// What every state has.
struct Conversation {
    config: Arc<ServerConfig>,
    session: SessionIds,
    /// Of the last request; as they start at 1 and grow by one, also how many there were.
    identifier: u8,
    /// Logins judged wrong.
    failed: u8,
    /// Index into the configuration's groups.
    group: usize,
    device: DeviceInfo,
    group_access: Option<String>,
    certificate: Option<CertificateIdentity>,
    skipped: Vec<SkippedTlv>,
}

enum State {
    Init,
    Certificate {
        without: WithoutCertificate,
        after: AfterCertificate,
    },
    Reply(ExpectReply),
    Ack {
        username: String,
    },
}

/// An `auth-request` with an opaque is out.
struct ExpectReply {
    opaque: Opaque,
    asked: Asked,
}

enum Asked {
    /// Username and password.
    Login,
    /// The answer to a challenge of this user.
    Challenge { username: String, handle: String },
    /// Nothing: the certificate was enough.
    Nothing(CertificateIdentity),
}

impl ServerConfig {
    /// A profile that asks for a password, three times, without texts, groups and downloads.
    pub fn new(tunnel_group: impl Into<String>, server_cert_hash: Sha1Digest) -> Self {
        Self {
            tunnel_group: tunnel_group.into(),
            csport: 443,
            title: None,
            message: None,
            banner: None,
            success_banner: None,
            tries: NonZeroU8::MIN.saturating_add(2),
            certificate: CertificatePolicy::Off,
            groups: Vec::new(),
            server_cert_hash,
            profile_manifest: None,
            version: None,
        }
    }

    /// A number that changes when what the form depends on does: `config-hash` in the opaque.
    /// FNV-1a, no security rests on it.
    fn config_hash(&self) -> u64 {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let texts = [&self.title, &self.message, &self.banner];
        let texts = texts
            .into_iter()
            .flatten()
            .chain([&self.tunnel_group])
            .chain(&self.groups);
        texts
            .flat_map(|text| text.bytes().chain([0]))
            .fold(OFFSET, |hash, octet| {
                (hash ^ u64::from(octet)).wrapping_mul(PRIME)
            })
    }

    fn version(&self) -> Option<String> {
        self.version
            .as_ref()
            .map(|version| version.chars().take(MAX_VERSION).collect())
    }
}

impl SessionIds {
    /// Names a session: `id` is the number, `random` makes the token unguessable.
    ///
    /// The token has the form of the captured ones, `6hex@id@4hex@40hex` (docs/anyconnect-eap.md,
    /// Session token).
    pub fn new(id: u32, random: &[u8; 25]) -> Self {
        let mut token = String::with_capacity(64);
        for (position, octet) in random.iter().enumerate() {
            match position {
                3 => token.push_str(&format!("@{id}@")),
                5 => token.push('@'),
                _ => {}
            }
            for digit in [octet >> 4, octet & 0x0f] {
                token.push(
                    char::from_digit(u32::from(digit), 16)
                        .unwrap_or_default()
                        .to_ascii_uppercase(),
                );
            }
        }
        Self {
            id,
            token: Secret::new(token),
        }
    }
}

impl Server {
    /// Opens a conversation: the first EAP-Request, `hello`, with identifier 1.
    pub fn start(config: Arc<ServerConfig>, session: SessionIds) -> (Self, Vec<u8>) {
        let mut conversation = Box::new(Conversation {
            config,
            session,
            identifier: 0,
            failed: 0,
            group: 0,
            device: DeviceInfo::default(),
            group_access: None,
            certificate: None,
            skipped: Vec::new(),
        });
        let hello = Document::Hello(Hello {
            version: conversation.config.version(),
        });
        // The version is cut, so a hello always fits; an empty packet cannot come about.
        let packet = conversation.encode_request(&hello).unwrap_or_default();
        (
            Self {
                conversation,
                state: State::Init,
            },
            packet,
        )
    }

    /// Takes one received EAP packet.
    pub fn handle(mut self, response: &[u8]) -> Step {
        let (identifier, method) = match Packet::parse(response) {
            Ok(Packet::Response { identifier, method }) => (identifier, method),
            Ok(_) => return Step::Discard(self, DiscardReason::WrongCode),
            Err(error) => return Step::Discard(self, error.into()),
        };
        // RFC 3748 §4.1: a response whose identifier is not the outstanding request's is dropped in
        // silence.
        let expected = self.conversation.identifier;
        if identifier != expected {
            return Step::Discard(
                self,
                DiscardReason::WrongIdentifier {
                    expected,
                    received: identifier,
                },
            );
        }
        let data = match method {
            Method::Expanded {
                vendor: VENDOR_CISCO,
                vendor_type: VENDOR_TYPE_ANYCONNECT,
                data,
            } => data,
            // RFC 3748 §5.3: the peer names other methods; there is none that this headend would
            // fall back to.
            Method::LegacyNak(_) | Method::ExpandedNak(_) => {
                return self.conversation.fail(FailureReason::Nak);
            }
            Method::Identity(_) => {
                return self.conversation.misbehaved(Misbehaviour::OtherMethod(1));
            }
            Method::Notification(_) => {
                return self.conversation.misbehaved(Misbehaviour::OtherMethod(2));
            }
            Method::Other { method_type, .. } => {
                return self
                    .conversation
                    .misbehaved(Misbehaviour::OtherMethod(method_type));
            }
            Method::Expanded {
                vendor,
                vendor_type,
                ..
            } => {
                return self
                    .conversation
                    .misbehaved(Misbehaviour::OtherExpandedMethod {
                        vendor,
                        vendor_type,
                    });
            }
        };
        let frame = match Frame::parse(data) {
            Ok(frame) => frame,
            Err(error) => return self.conversation.fail(error.into()),
        };
        self.conversation.note_skipped(&frame.skipped);
        match Document::parse(frame.document) {
            Ok(document) => self.handle_document(document, &frame),
            Err(error) => self.conversation.fail(error.into()),
        }
    }

    /// The `type` of the outstanding request, for the log.
    pub const fn asked(&self) -> DocumentKind {
        self.state.asked()
    }

    /// TLVs that were not understood so far, at most 16 of them.
    pub fn skipped_tlvs(&self) -> &[SkippedTlv] {
        &self.conversation.skipped
    }

    fn handle_document(self, document: Document, frame: &Frame<'_>) -> Step {
        let Self {
            conversation,
            state,
        } = self;
        let asked = state.asked();
        match (state, document) {
            (State::Init, Document::Init(init)) => conversation.handle_first_init(init),
            (State::Certificate { without, after }, Document::Init(init)) => {
                conversation.handle_certificate(init, frame, without, after)
            }
            (State::Reply(expect), Document::AuthReply(reply)) => {
                conversation.handle_reply(expect, reply)
            }
            (State::Reply(expect), Document::Init(init)) => {
                conversation.handle_group_change(expect, init)
            }
            (State::Ack { username }, Document::Ack(ack)) => {
                conversation.handle_ack(username, ack.device)
            }
            (_, document) => conversation.misbehaved(Misbehaviour::UnexpectedDocument {
                asked,
                received: document.kind(),
            }),
        }
    }
}

impl State {
    const fn asked(&self) -> DocumentKind {
        match self {
            Self::Init => DocumentKind::Hello,
            Self::Certificate { .. } | Self::Reply(_) => DocumentKind::AuthRequest,
            Self::Ack { .. } => DocumentKind::Complete,
        }
    }
}

impl AwaitVerdict {
    /// Goes on with what the outside says about the login.
    pub fn continue_with(self, verdict: Verdict) -> Step {
        let Self {
            mut conversation,
            username,
        } = self;
        match verdict {
            Verdict::Accepted => conversation.send_complete(username),
            Verdict::Rejected => {
                conversation.failed = conversation.failed.saturating_add(1);
                if conversation.failed >= conversation.config.tries.get() {
                    let tries = conversation.failed;
                    return conversation.fail(FailureReason::LoginFailed { tries, username });
                }
                let error = Message {
                    id: Some(ERROR_LOGIN_FAILED),
                    text: "Login failed.".to_string(),
                    ..Message::default()
                };
                conversation.send_login_form(Some(error))
            }
            Verdict::Challenge { prompt, handle } => {
                conversation.send_challenge(username, prompt, handle)
            }
            Verdict::Unavailable => conversation.fail(FailureReason::Unavailable),
        }
    }
}

impl AwaitCertificate {
    /// Goes on with what the outside says about chain and signature.
    pub fn continue_with(self, judged: Result<CertificateIdentity, CertificateRejected>) -> Step {
        let Self {
            mut conversation,
            after,
        } = self;
        match judged {
            // No form after a bad certificate: it would make the certificate worth nothing.
            Err(CertificateRejected) => conversation.fail(FailureReason::CertificateRejected),
            Ok(identity) => {
                conversation.certificate = Some(identity.clone());
                match after {
                    AfterCertificate::AskPassword => conversation.send_login_form(None),
                    AfterCertificate::Finish => conversation.send_authentication_complete(identity),
                }
            }
        }
    }
}

// --- What each state does with its document ---

impl Conversation {
    fn handle_first_init(mut self: Box<Self>, init: Init) -> Step {
        let client_cert_fail = init.client_cert_fail;
        self.note_init(init);
        match self.config.certificate {
            CertificatePolicy::Off => self.send_login_form(None),
            CertificatePolicy::Request { without, .. } if client_cert_fail => {
                self.without_certificate(without)
            }
            CertificatePolicy::Request { without, after } => {
                let request = AuthRequest {
                    version: self.config.version(),
                    opaque: None,
                    csport: Some(self.config.csport),
                    host_scan: None,
                    asks: Asks::Certificate,
                };
                self.send(
                    &Document::AuthRequest(request),
                    State::Certificate { without, after },
                )
            }
        }
    }

    fn handle_certificate(
        mut self: Box<Self>,
        init: Init,
        frame: &Frame<'_>,
        without: WithoutCertificate,
        after: AfterCertificate,
    ) -> Step {
        self.note_init(init);
        let (certificates, signature) = match (frame.certificates, frame.signature) {
            (Some(certificates), Some(signature)) => (certificates, signature),
            (None, None) => return self.without_certificate(without),
            // Anyone can copy a certificate: without a signature it proves nothing.
            (Some(_), None) | (None, Some(_)) => {
                return self.misbehaved(Misbehaviour::UnprovenCertificate);
            }
        };
        match certificates::parse(certificates) {
            Ok(chain) => {
                let presented = PresentedCertificate {
                    chain: chain.into_iter().map(<[u8]>::to_vec).collect(),
                    signature: signature.to_vec(),
                };
                Step::VerifyCertificate(
                    AwaitCertificate {
                        conversation: self,
                        after,
                    },
                    presented,
                )
            }
            Err(error) => self.fail(error.into()),
        }
    }

    fn without_certificate(self: Box<Self>, without: WithoutCertificate) -> Step {
        match without {
            WithoutCertificate::Refuse => self.fail(FailureReason::CertificateMissing),
            WithoutCertificate::AskPassword => self.send_login_form(None),
        }
    }

    fn handle_reply(mut self: Box<Self>, expect: ExpectReply, reply: AuthReply) -> Step {
        if !reply
            .opaque
            .as_ref()
            .is_some_and(|opaque| opaque.same_content(&expect.opaque))
        {
            return self.misbehaved(Misbehaviour::OpaqueAltered);
        }
        let (typed_username, challenge) = match expect.asked {
            Asked::Nothing(identity) => return self.send_complete(identity.username),
            // A group chosen together with the credentials: they were typed into another group's
            // form.
            Asked::Login if !self.is_chosen(reply.group_select.as_deref()) => {
                self.choose(reply.group_select.as_deref());
                return self.send_login_form(None);
            }
            Asked::Login => (reply.username, None),
            // The name was fixed with the password; the answer's may be absent and may not change
            // it.
            Asked::Challenge { username, handle } => (Some(username), Some(handle)),
        };
        let missing = |element| DocumentError::MissingElement {
            element,
            within: "auth",
        };
        let Some(username) = typed_username else {
            return self.fail(missing("username").into());
        };
        let Some(password) = reply.password else {
            return self.fail(missing("password").into());
        };
        let group = self.config.groups.get(self.group).cloned();
        let attempt = self.failed.saturating_add(1);
        // Some directories take an empty password for an anonymous login and say yes: nobody is
        // asked about one.
        let nothing_typed = username.is_empty() || password.is_empty();
        let waiting = AwaitVerdict {
            conversation: self,
            username: username.clone(),
        };
        if nothing_typed {
            return waiting.continue_with(Verdict::Rejected);
        }
        Step::CheckPassword(
            waiting,
            Credentials {
                username,
                password,
                group,
                challenge,
                attempt,
            },
        )
    }

    /// Another `init` in answer to an `auth-request`: the user chose a group. It is no failed try,
    /// and a challenge that was open is void.
    fn handle_group_change(mut self: Box<Self>, expect: ExpectReply, init: Init) -> Step {
        self.choose(init.group_select.as_deref());
        match expect.asked {
            Asked::Login | Asked::Challenge { .. } => self.send_login_form(None),
            Asked::Nothing(identity) => self.send_authentication_complete(identity),
        }
    }

    fn handle_ack(mut self: Box<Self>, username: String, device: DeviceInfo) -> Step {
        self.note_device(device);
        let packet = packet::success(self.identifier);
        let Self {
            session,
            group,
            config,
            device,
            group_access,
            certificate,
            skipped,
            ..
        } = *self;
        let identity = Identity {
            username,
            certificate,
            group: config.groups.get(group).cloned(),
            device,
            group_access,
            session,
            skipped_tlvs: skipped,
        };
        Step::Success {
            packet,
            identity: Box::new(identity),
        }
    }

    fn note_init(&mut self, init: Init) {
        self.choose(init.group_select.as_deref());
        self.note_device(init.device);
        if init.group_access.is_some() {
            self.group_access = init.group_access;
        }
    }

    /// Keeps the newest device block that says anything.
    fn note_device(&mut self, device: DeviceInfo) {
        if device != DeviceInfo::default() {
            self.device = device;
        }
    }

    fn note_skipped(&mut self, skipped: &[SkippedTlv]) {
        let room = MAX_SKIPPED.saturating_sub(self.skipped.len());
        self.skipped.extend(skipped.iter().take(room));
    }

    /// Whether a `group-select` leaves the group as it is.
    fn is_chosen(&self, group_select: Option<&str>) -> bool {
        match group_select {
            Some(wanted) if !self.config.groups.is_empty() => self
                .config
                .groups
                .get(self.group)
                .is_some_and(|group| group == wanted),
            _ => true,
        }
    }

    /// Takes a chosen group over. A name that is not on the list changes nothing: the form that
    /// follows shows the list.
    fn choose(&mut self, group_select: Option<&str>) {
        if let Some(wanted) = group_select
            && let Some(index) = self.config.groups.iter().position(|group| group == wanted)
        {
            self.group = index;
        }
    }
}

// --- Requests ---

impl Conversation {
    fn send_login_form(self: Box<Self>, error: Option<Message>) -> Step {
        let config = &self.config;
        let input = |kind, name: &str, label: &str| Input {
            kind,
            name: name.to_string(),
            label: Some(label.to_string()),
        };
        let groups = config
            .groups
            .iter()
            .enumerate()
            .map(|(index, group)| GroupOption {
                name: group.clone(),
                label: group.clone(),
                selected: index == self.group,
            });
        let form = Form {
            id: FormId::Main,
            title: config.title.clone(),
            message: config.message.as_ref().map(Message::plain),
            banner: config.banner.clone(),
            error,
            inputs: Vec::from([
                input(InputKind::Text, "username", "Username:"),
                input(InputKind::Password, "password", "Password:"),
            ]),
            groups: groups.collect(),
        };
        let opaque = self.opaque(None);
        self.send_auth_request(opaque, Asks::Form(Box::new(form)), Asked::Login)
    }

    fn send_challenge(self: Box<Self>, username: String, prompt: String, handle: String) -> Step {
        let form = Form {
            id: FormId::Challenge,
            title: None,
            message: Some(Message {
                id: Some(2),
                param1: prompt,
                param2: String::new(),
                text: "%s".to_string(),
            }),
            banner: None,
            error: None,
            inputs: Vec::from([Input {
                kind: InputKind::Password,
                name: "answer".to_string(),
                label: Some("Response:".to_string()),
            }]),
            groups: Vec::new(),
        };
        let opaque = self.opaque(Some(&handle));
        self.send_auth_request(
            opaque,
            Asks::Form(Box::new(form)),
            Asked::Challenge { username, handle },
        )
    }

    fn send_authentication_complete(self: Box<Self>, identity: CertificateIdentity) -> Step {
        let opaque = self.opaque(None);
        self.send_auth_request(opaque, Asks::Nothing, Asked::Nothing(identity))
    }

    fn send_auth_request(self: Box<Self>, opaque: Opaque, asks: Asks, asked: Asked) -> Step {
        let request = AuthRequest {
            version: self.config.version(),
            opaque: Some(opaque.clone()),
            csport: Some(self.config.csport),
            host_scan: None,
            asks,
        };
        self.send(
            &Document::AuthRequest(request),
            State::Reply(ExpectReply { opaque, asked }),
        )
    }

    fn send_complete(self: Box<Self>, username: String) -> Step {
        let session_token = Some(Secret::from(self.session.token.expose()));
        let complete = Complete {
            version: self.config.version(),
            session_id: Some(self.session.id),
            session_token,
            banner: self.config.success_banner.clone(),
            server_cert_hash: Some(self.config.server_cert_hash),
            csport: Some(self.config.csport),
            client_opaque: Some(Opaque::empty_for_client()),
            profiles: self.config.profile_manifest.iter().cloned().collect(),
        };
        self.send(&Document::Complete(complete), State::Ack { username })
    }

    fn opaque(&self, auth_handle: Option<&str>) -> Opaque {
        let config_hash = self.config.config_hash().to_string();
        let group_alias = self.config.groups.get(self.group);
        let children = [
            ("tunnel-group", Some(self.config.tunnel_group.as_str())),
            ("group-alias", group_alias.map(String::as_str)),
            ("auth-handle", auth_handle),
            ("config-hash", Some(config_hash.as_str())),
        ];
        Opaque::for_gateway(
            children
                .into_iter()
                .filter_map(|(name, text)| text.map(|text| (name, text))),
        )
    }

    fn send(mut self: Box<Self>, document: &Document, state: State) -> Step {
        if self.identifier >= MAX_REQUESTS {
            return self.misbehaved(Misbehaviour::TooManyRequests);
        }
        let answered = self.identifier;
        match self.encode_request(document) {
            Ok(packet) => Step::Request(
                Server {
                    conversation: self,
                    state,
                },
                packet,
            ),
            Err(error) => Step::Failure {
                packet: packet::failure(answered),
                reason: FailureReason::RequestTooLong(error),
            },
        }
    }

    /// The next request; identifiers start at 1 and grow by one.
    fn encode_request(&mut self, document: &Document) -> Result<Vec<u8>, PacketError> {
        self.identifier = self.identifier.saturating_add(1);
        Frame::of_document(document.to_xml().as_bytes()).to_request(self.identifier)
    }

    fn misbehaved(self: Box<Self>, misbehaviour: Misbehaviour) -> Step {
        self.fail(FailureReason::Misbehaved(misbehaviour))
    }

    /// RFC 3748 §4.2: a Failure carries the identifier of the response that it answers.
    fn fail(self: Box<Self>, reason: FailureReason) -> Step {
        Step::Failure {
            packet: packet::failure(self.identifier),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_tokens_have_the_captured_form() {
        let random = core::array::from_fn(|index| index as u8 + 0xa0);
        let session = SessionIds::new(2_152_177_229, &random);
        assert_eq!(
            session.token.expose(),
            "A0A1A2@2152177229@A3A4@A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8"
        );
    }

    #[test]
    fn the_config_hash_follows_the_form() {
        let mut config = ServerConfig::new("G", Sha1Digest([0; 20]));
        let before = config.config_hash();
        config.csport = 8443;
        assert_eq!(config.config_hash(), before);
        config.groups.push("sales".into());
        assert_ne!(config.config_hash(), before);
    }

    #[test]
    fn an_endless_version_is_cut() {
        let config = ServerConfig {
            version: Some("v".repeat(70_000)),
            ..ServerConfig::new("G", Sha1Digest([0; 20]))
        };
        let (server, hello) = Server::start(Arc::new(config), SessionIds::new(1, &[0; 25]));
        assert_eq!(server.asked(), DocumentKind::Hello);
        assert!(hello.len() < 300);
    }

    #[test]
    fn texts_that_no_packet_holds_end_the_conversation() {
        let config = ServerConfig {
            banner: Some("b".repeat(70_000)),
            ..ServerConfig::new("G", Sha1Digest([0; 20]))
        };
        let (server, _) = Server::start(Arc::new(config), SessionIds::new(1, &[0; 25]));
        let init = Document::Init(Init::default()).to_xml();
        let response = Frame::of_document(init.as_bytes()).to_response(1).unwrap();
        let Step::Failure { packet, reason } = server.handle(&response) else {
            panic!("no failure")
        };
        assert_eq!(packet, [4, 1, 0, 4]);
        assert!(matches!(
            reason,
            FailureReason::RequestTooLong(PacketError::TooLong(_))
        ));
    }
}
