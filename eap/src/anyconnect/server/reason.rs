//! How a conversation ends badly, sorted by who is to blame.

use alloc::string::String;

use crate::{
    anyconnect::{
        DocumentError, MAX_REQUESTS, certificates::CertificatesError, config_auth::DocumentKind,
        frame::FrameError,
    },
    packet::PacketError,
};

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
