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
    CertificateRejected, Credentials, DiscardReason, FailureReason, Identity, Misbehaviour,
    PresentedCertificate, Server, ServerConfig, SessionIds, Step, Verdict, WithoutCertificate,
};

/// Requests in one conversation, after which it fails: far more than hello, a certificate, a dozen
/// group changes and the tries need, and few enough that identifiers never repeat.
pub const MAX_REQUESTS: u8 = 48;
