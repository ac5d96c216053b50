//! The client's side of a conversation (docs/anyconnect-eap.md, Conversation).
//!
//! ```text
//!  Hello ──init──► AuthRequest ◄──────────────────────────┐
//!                    │  │  │ client-cert-request           │ init (TLV 3, 1), or client-cert-fail
//!                    │  │  └──► (AwaitSignature) ──────────┤
//!                    │  │ form                             │ auth-reply, or init with another group
//!                    │  └─────► (AwaitCredentials) ────────┘
//!                    │ complete, once an auth-reply is out
//!                    └──ack──► Success
//! ```
//!
//! States in parentheses wait for the outside's answer. The headend proved itself by its
//! certificate in IKE before any of this; an EAP-Success in any other state than the last is
//! nevertheless a failure and not a login.

use alloc::{
    boxed::Box,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{
    DiscardReason, DocumentError, MAX_REQUESTS,
    certificates::{self, CertificatesError},
    config_auth::{
        Ack, Asks, AuthReply, AuthRequest, Complete, DeviceInfo, Document, DocumentKind, Form,
        FormId, Init, MAX_PASSWORD, MAX_USERNAME, Message, Opaque, ProfileFile, Sha1Digest,
    },
    document::is_xml,
    frame::{Frame, FrameError},
};
use crate::{
    Secret,
    packet::{Method, Packet, PacketError, VENDOR_CISCO, VENDOR_TYPE_ANYCONNECT},
};

/// The type that a Legacy Nak names when the peer speaks Expanded types (RFC 3748 §5.3.1).
const NAK_EXPANDED: [u8; 1] = [254];

/// The methods that an Expanded Nak names (RFC 3748 §5.3.2): AnyConnect-EAP.
const NAK_ANYCONNECT: [u8; 8] = [254, 0, 0, 9, 0x44, 0x42, 0x52, 0x50];

/// What the client says about itself and what it wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientConfig {
    /// The client and its machine, its software's version included.
    pub device: DeviceInfo,
    /// The host or URL that the user chose.
    pub group_access: Option<String>,
    /// The group to start with; absent, the headend's default.
    pub group_select: Option<String>,
    /// The `auth-method`s beyond a password.
    pub capabilities: Vec<String>,
    /// An opaque saved from an earlier session.
    pub opaque: Option<Opaque>,
}

/// One conversation that waits for a request.
#[must_use]
pub struct Client {
    conversation: Box<Conversation>,
    state: State,
}

/// What a request, or an answer of the outside, leads to.
#[must_use]
pub enum ClientStep {
    /// The EAP-Response.
    Respond(Client, Vec<u8>),
    /// The user has to fill in a form.
    AskCredentials(AwaitCredentials, Box<Form>),
    /// A certificate is wanted, and a signature over the IKE initiator's signed octets.
    AskCertificate(AwaitSignature),
    /// Logged in.
    Succeeded(Box<ClientSession>),
    /// Not logged in; there is nothing to send.
    Failed(ClientFailure),
    /// Not part of the conversation: nothing is sent and nothing has changed (RFC 3748 §4.1, §4.2).
    Discard(Client, DiscardReason),
}

/// What the user typed and chose. No `Debug`: there is a password in it.
#[derive(PartialEq, Eq)]
pub struct Answer {
    /// Goes out only if the form asks for it.
    pub username: String,
    /// The password, or the answer to a challenge.
    pub password: Secret,
    /// The chosen group, if the form lets choose.
    pub group: Option<String>,
}

/// A conversation that waits for an [`Answer`].
#[must_use]
pub struct AwaitCredentials {
    conversation: Box<Conversation>,
    pending: Pending,
    asks_username: bool,
    is_challenge: bool,
}

/// A conversation that waits for a certificate and a signature made with its key.
#[must_use]
pub struct AwaitSignature {
    conversation: Box<Conversation>,
}

/// Why an [`Answer`] cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Longer than any headend of ours reads.
    #[error("{field} is longer than {limit} octets")]
    TooLong {
        /// `username` or `password`.
        field: &'static str,
        /// Octets that may be sent.
        limit: usize,
    },
    /// A character that XML has no way to express.
    #[error("{field} holds a character that cannot be sent")]
    Unrepresentable {
        /// `username` or `password`.
        field: &'static str,
    },
}

/// What the headend said about the session. No `Debug`: there is a token in it.
#[derive(PartialEq, Eq)]
pub struct ClientSession {
    /// The session's number.
    pub session_id: Option<u32>,
    /// The session's token, which is also the `webvpn` cookie of the HTTPS downloads.
    pub session_token: Option<Secret>,
    /// Text to show after the login.
    pub banner: Option<String>,
    /// The hash of the headend's certificate, for the HTTPS connection.
    pub server_cert_hash: Option<Sha1Digest>,
    /// The TCP port of the HTTPS downloads.
    pub csport: Option<u16>,
    /// Profiles that the headend wants fetched.
    pub profiles: Vec<ProfileFile>,
    /// The last opaque: to be kept for [`ClientConfig::opaque`].
    pub opaque: Option<Opaque>,
}

/// Why a login failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientFailure {
    /// EAP-Failure.
    #[error("the headend refused the login")]
    Refused {
        /// The last error that it showed in a form.
        error: Option<Message>,
    },
    /// EAP-Success before the login was complete: to believe it would let a headend skip
    /// authentication.
    #[error("EAP-Success before the login was complete")]
    EarlySuccess,
    /// Another document than the state takes.
    #[error("{received} received in state {state}")]
    UnexpectedDocument {
        /// What was sent last, or `start`.
        state: &'static str,
        /// What came.
        received: DocumentKind,
    },
    /// The request's TLVs are broken.
    #[error("invalid request: {0}")]
    InvalidFrame(#[from] FrameError),
    /// The request's document is broken.
    #[error("invalid request: {0}")]
    InvalidDocument(#[from] DocumentError),
    /// The response does not fit an EAP packet.
    #[error("the response cannot be sent: {0}")]
    ResponseTooLong(#[from] PacketError),
    /// The own certificates do not fit TLV 3.
    #[error("the certificates cannot be sent: {0}")]
    Certificates(#[from] CertificatesError),
    /// More requests than any login takes.
    #[error("more than {MAX_REQUESTS} requests without an end")]
    TooManyRequests,
}

/// What every state has.
struct Conversation {
    config: ClientConfig,
    /// Of the last request that was answered.
    answered: Option<u8>,
    requests: u8,
    /// The error of the last form.
    error: Option<Message>,
    opaque: Option<Opaque>,
}

enum State {
    Hello,
    /// An `init` is out: an `auth-request` is due.
    AuthRequest,
    /// An `auth-reply` is out: another `auth-request` or `complete` is due.
    Outcome,
    /// `ack` is out: EAP-Success is due.
    Success(Box<ClientSession>),
}

/// What of an `auth-request` the reply repeats.
struct Pending {
    opaque: Option<Opaque>,
    host_scan_token: Option<String>,
}

impl Client {
    /// A conversation that waits for the headend's `hello`.
    pub fn new(config: ClientConfig) -> Self {
        let conversation = Conversation {
            config,
            answered: None,
            requests: 0,
            error: None,
            opaque: None,
        };
        Self {
            conversation: Box::new(conversation),
            state: State::Hello,
        }
    }

    /// Takes one received EAP packet.
    pub fn handle(self, request: &[u8]) -> ClientStep {
        match Packet::parse(request) {
            Ok(Packet::Request { identifier, method }) => self.handle_request(identifier, method),
            Ok(Packet::Success { identifier }) => self.handle_success(identifier),
            Ok(Packet::Failure { identifier }) => {
                match self.wrong_terminal_identifier(identifier) {
                    Some(reason) => ClientStep::Discard(self, reason),
                    None => ClientStep::Failed(ClientFailure::Refused {
                        error: self.conversation.error,
                    }),
                }
            }
            Ok(Packet::Response { .. }) => ClientStep::Discard(self, DiscardReason::WrongCode),
            Err(error) => ClientStep::Discard(self, error.into()),
        }
    }

    fn handle_request(mut self, identifier: u8, method: Method<'_>) -> ClientStep {
        // RFC 3748 §4.1: a new request has a new identifier. IKE repeats its own messages, so one
        // that comes twice here is no retransmission to be answered again.
        if self.conversation.answered == Some(identifier) {
            return ClientStep::Discard(self, DiscardReason::Repeated(identifier));
        }
        self.conversation.requests = self.conversation.requests.saturating_add(1);
        if self.conversation.requests > MAX_REQUESTS {
            return ClientStep::Failed(ClientFailure::TooManyRequests);
        }
        self.conversation.answered = Some(identifier);
        let data = match method {
            Method::Expanded {
                vendor: VENDOR_CISCO,
                vendor_type: VENDOR_TYPE_ANYCONNECT,
                data,
            } => data,
            // RFC 3748 §5.1: an Identity request may not be refused, and the identity may be empty.
            // The method has its own place for the name.
            Method::Identity(_) => {
                return self.respond_outside_method(identifier, Method::Identity(&[]));
            }
            // RFC 3748 §5.2: a Notification is answered by an empty one.
            Method::Notification(_) => {
                return self.respond_outside_method(identifier, Method::Notification(&[]));
            }
            // RFC 3748 §5.3.2: an Expanded request is refused by an Expanded Nak …
            Method::Expanded { .. } => {
                return self
                    .respond_outside_method(identifier, Method::ExpandedNak(&NAK_ANYCONNECT));
            }
            // … and §5.3.1: any other by a Legacy Nak, which names 254 when Expanded types are
            // spoken.
            Method::Other { .. } | Method::LegacyNak(_) | Method::ExpandedNak(_) => {
                return self.respond_outside_method(identifier, Method::LegacyNak(&NAK_EXPANDED));
            }
        };
        let document = match Frame::parse(data) {
            Ok(frame) => Document::parse(frame.document),
            Err(error) => return ClientStep::Failed(error.into()),
        };
        match document {
            Ok(document) => self.handle_document(document),
            Err(error) => ClientStep::Failed(error.into()),
        }
    }

    fn handle_document(self, document: Document) -> ClientStep {
        let Self {
            conversation,
            state,
        } = self;
        match (state, document) {
            (State::Hello, Document::Hello(_)) => {
                conversation.send_init(Enclosed::default(), false)
            }
            (State::AuthRequest | State::Outcome, Document::AuthRequest(request)) => {
                conversation.handle_auth_request(request)
            }
            (State::Outcome, Document::Complete(complete)) => {
                conversation.handle_complete(complete)
            }
            (state, document) => ClientStep::Failed(ClientFailure::UnexpectedDocument {
                state: state.name(),
                received: document.kind(),
            }),
        }
    }

    fn handle_success(self, identifier: u8) -> ClientStep {
        if let Some(reason) = self.wrong_terminal_identifier(identifier) {
            return ClientStep::Discard(self, reason);
        }
        // RFC 3748 §4.2: a Success is believed only once the method is through.
        match self.state {
            State::Success(session) => ClientStep::Succeeded(session),
            State::Hello | State::AuthRequest | State::Outcome => {
                ClientStep::Failed(ClientFailure::EarlySuccess)
            }
        }
    }

    /// RFC 3748 §4.2: Success and Failure carry the identifier of the response that they answer.
    /// Before any response there is nothing to compare with.
    fn wrong_terminal_identifier(&self, received: u8) -> Option<DiscardReason> {
        self.conversation
            .answered
            .filter(|expected| *expected != received)
            .map(|expected| DiscardReason::WrongIdentifier { expected, received })
    }

    /// Answers a request that is not the method's; the conversation stays where it is.
    fn respond_outside_method(self, identifier: u8, method: Method<'_>) -> ClientStep {
        // RFC 7296 §3.16#1,5: the response has the identifier of the request, and its type or Nak.
        match (Packet::Response { identifier, method }).encode() {
            Ok(packet) => ClientStep::Respond(self, packet),
            Err(error) => ClientStep::Failed(error.into()),
        }
    }
}

impl State {
    const fn name(&self) -> &'static str {
        match self {
            Self::Hello => "start",
            Self::AuthRequest => "init sent",
            Self::Outcome => "auth-reply sent",
            Self::Success(_) => "ack sent",
        }
    }
}

impl AwaitCredentials {
    /// Sends the form's answer.
    ///
    /// # Errors
    ///
    /// The conversation comes back unchanged with an [`AnswerError`] when the answer cannot be sent
    /// as it is.
    pub fn answer(self, answer: Answer) -> Result<ClientStep, (Self, AnswerError)> {
        let Answer {
            username,
            password,
            group,
        } = answer;
        let username = self.asks_username.then_some(username);
        let texts = [
            (
                "username",
                username.as_deref().unwrap_or_default(),
                MAX_USERNAME,
            ),
            ("password", password.expose(), MAX_PASSWORD),
        ];
        for (field, text, limit) in texts {
            if text.len() > limit {
                return Err((self, AnswerError::TooLong { field, limit }));
            }
            if !text.chars().all(is_xml) {
                return Err((self, AnswerError::Unrepresentable { field }));
            }
        }
        let Self {
            mut conversation,
            pending,
            is_challenge,
            ..
        } = self;
        // The answer to a challenge names neither user nor group: with a group in it a headend
        // takes a right code for wrong (docs/anyconnect-eap.md, Second factor).
        let group_select = if is_challenge {
            None
        } else {
            if group.is_some() {
                conversation.config.group_select = group;
            }
            conversation.config.group_select.clone()
        };
        let reply = AuthReply {
            device: conversation.config.device.clone(),
            opaque: pending.opaque,
            username,
            password: Some(password),
            group_select,
            host_scan_token: pending.host_scan_token,
        };
        Ok(conversation.send(
            &Document::AuthReply(reply),
            Enclosed::default(),
            State::Outcome,
        ))
    }

    /// Asks for another group's form in place of an answer.
    pub fn choose_group(self, group: &str) -> ClientStep {
        let Self {
            mut conversation, ..
        } = self;
        conversation.config.group_select = Some(group.to_string());
        conversation.send_init(Enclosed::default(), false)
    }
}

impl AwaitSignature {
    /// Sends certificates, the leaf first, and the signature that the leaf's key made over the IKE
    /// initiator's signed octets (docs/anyconnect-eap.md, Certificates).
    pub fn present<C: AsRef<[u8]>>(self, chain: &[C], signature: &[u8]) -> ClientStep {
        match certificates::encode(chain) {
            Ok(certificates) => {
                let enclosed = Enclosed {
                    certificates: Some(&certificates),
                    signature: Some(signature),
                };
                self.conversation.send_init(enclosed, false)
            }
            Err(error) => ClientStep::Failed(error.into()),
        }
    }

    /// Says that there is no usable certificate (`client-cert-fail`): the headend goes on with the
    /// next method or refuses.
    pub fn decline(self) -> ClientStep {
        self.conversation.send_init(Enclosed::default(), true)
    }
}

/// TLVs beside the document.
#[derive(Default)]
struct Enclosed<'a> {
    certificates: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
}

impl Conversation {
    fn handle_auth_request(mut self: Box<Self>, request: AuthRequest) -> ClientStep {
        let AuthRequest {
            opaque,
            host_scan,
            asks,
            ..
        } = request;
        if opaque.is_some() {
            self.opaque.clone_from(&opaque);
        }
        let pending = Pending {
            opaque,
            host_scan_token: host_scan.and_then(|scan| scan.token),
        };
        match asks {
            Asks::Certificate => ClientStep::AskCertificate(AwaitSignature { conversation: self }),
            Asks::Nothing => {
                let reply = AuthReply {
                    device: self.config.device.clone(),
                    opaque: pending.opaque,
                    host_scan_token: pending.host_scan_token,
                    ..AuthReply::default()
                };
                self.send(
                    &Document::AuthReply(reply),
                    Enclosed::default(),
                    State::Outcome,
                )
            }
            Asks::Form(form) => {
                self.error.clone_from(&form.error);
                let waiting = AwaitCredentials {
                    conversation: self,
                    pending,
                    asks_username: form.inputs.iter().any(|input| input.name == "username"),
                    is_challenge: form.id == FormId::Challenge,
                };
                ClientStep::AskCredentials(waiting, form)
            }
        }
    }

    fn handle_complete(self: Box<Self>, complete: Complete) -> ClientStep {
        let session = ClientSession {
            session_id: complete.session_id,
            session_token: complete.session_token,
            banner: complete.banner,
            server_cert_hash: complete.server_cert_hash,
            csport: complete.csport,
            profiles: complete.profiles,
            opaque: self.opaque.clone(),
        };
        let ack = Document::Ack(Ack {
            device: self.config.device.clone(),
        });
        self.send(&ack, Enclosed::default(), State::Success(Box::new(session)))
    }

    fn send_init(self: Box<Self>, enclosed: Enclosed<'_>, client_cert_fail: bool) -> ClientStep {
        let init = Init {
            device: self.config.device.clone(),
            group_access: self.config.group_access.clone(),
            group_select: self.config.group_select.clone(),
            capabilities: self.config.capabilities.clone(),
            opaque: self.config.opaque.clone(),
            client_cert_fail,
        };
        self.send(&Document::Init(init), enclosed, State::AuthRequest)
    }

    fn send(
        self: Box<Self>,
        document: &Document,
        enclosed: Enclosed<'_>,
        state: State,
    ) -> ClientStep {
        let xml = document.to_xml();
        let frame = Frame {
            document: xml.as_bytes(),
            signature: enclosed.signature,
            certificates: enclosed.certificates,
            skipped: Vec::new(),
        };
        // RFC 3748 §4.1: the response repeats the request's identifier. A document only ever
        // answers a request.
        let identifier = self.answered.unwrap_or_default();
        match frame.to_response(identifier) {
            Ok(packet) => ClientStep::Respond(
                Client {
                    conversation: self,
                    state,
                },
                packet,
            ),
            Err(error) => ClientStep::Failed(error.into()),
        }
    }
}
