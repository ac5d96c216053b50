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

mod config;
mod conversation;
mod reason;

use alloc::{
    boxed::Box,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};

pub use config::{
    AfterCertificate, CertificatePolicy, ServerConfig, SessionIds, WithoutCertificate,
};
use conversation::Conversation;
pub use reason::{FailureReason, Misbehaviour};

use super::{
    DiscardReason,
    config_auth::{DeviceInfo, Document, DocumentKind, ERROR_LOGIN_FAILED, Message, Opaque},
    frame::{Frame, SkippedTlv},
};
use crate::{
    Secret,
    packet::{Method, Packet, VENDOR_CISCO, VENDOR_TYPE_ANYCONNECT},
};

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
    /// Not an answer to the outstanding request: nothing has changed and EAP has nothing to send
    /// (RFC 3748 §4.1). What becomes of the IKE request that carried it is the caller's to decide.
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
    Accepted {
        /// The user's name as the database has it, which may differ from what was typed, in case for one.
        username: String,
    },
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
    /// The user: as the database has it, or as the certificate says where no password was asked for.
    pub username: String,
    /// The name in the certificate, when one was judged good.
    pub certificate: Option<CertificateIdentity>,
    /// The group that the client chose; absent when there is no choice of groups. A certificate
    /// was judged without regard to it.
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
enum State {
    Init,
    Certificate {
        without: WithoutCertificate,
        after: AfterCertificate,
    },
    Reply(ExpectReply),
    Ack(Authenticated),
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
    Nothing(Authenticated),
}

/// Proof that the outside said yes: only [`AwaitVerdict`] and [`AwaitCertificate`] make one, and
/// `complete` cannot be sent without.
struct Authenticated {
    username: String,
}
impl Server {
    /// Opens a conversation: the first EAP-Request, `hello`, with identifier 1.
    pub fn start(config: Arc<ServerConfig>, session: SessionIds) -> (Self, Vec<u8>) {
        let (conversation, packet) = Conversation::open(config, session);
        let state = State::Init;
        (
            Self {
                conversation,
                state,
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
            (State::Ack(authenticated), Document::Ack(ack)) => {
                conversation.handle_ack(authenticated, ack.device)
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
            Self::Ack(_) => DocumentKind::Complete,
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
            Verdict::Accepted { username } => {
                conversation.send_complete(Authenticated { username })
            }
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
                let username = identity.username.clone();
                conversation.certificate = Some(identity);
                match after {
                    AfterCertificate::AskPassword => conversation.send_login_form(None),
                    AfterCertificate::Finish => {
                        conversation.send_authentication_complete(Authenticated { username })
                    }
                }
            }
        }
    }
}
