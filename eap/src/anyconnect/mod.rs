//! AnyConnect-EAP, Cisco's aggregate authentication: XML documents in an Expanded EAP method.
//!
//! The source of everything here is docs/anyconnect-eap.md, which also marks what is certain.
//!
//! ```text
//!   headend (Server)                                      Secure Client (Client)
//!   Request  1  hello              ─────────────────────►
//!                                  ◄─────────────────────  Response 1  init
//!   Request  2  client-cert-request ────────────────────►                        only if the policy asks
//!                                  ◄─────────────────────  Response 2  init + TLV 3, 1
//!   Request  3  auth-request (form) ────────────────────►                        again after a wrong password
//!                                  ◄─────────────────────  Response 3  auth-reply
//!   Request  4  complete           ─────────────────────►
//!                                  ◄─────────────────────  Response 4  ack
//!   Success  4                     ─────────────────────►
//! ```

pub mod certificates;
mod client;
pub mod config_auth;
mod document;
pub mod frame;
mod server;

pub use client::{
    Answer, AnswerError, AwaitCredentials, AwaitSignature, Client, ClientConfig, ClientFailure,
    ClientSession, ClientStep,
};
pub use document::DocumentError;
pub use server::{
    AfterCertificate, AwaitCertificate, AwaitVerdict, CertificateIdentity, CertificatePolicy,
    CertificateRejected, Credentials, FailureReason, Identity, Misbehaviour, PresentedCertificate,
    Server, ServerConfig, SessionIds, Step, Verdict, WithoutCertificate,
};

use crate::packet::PacketError;

/// Requests in one conversation, after which it fails: far more than hello, a certificate, a dozen
/// group changes and the tries need, and few enough that identifiers never repeat.
pub const MAX_REQUESTS: u8 = 48;

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
