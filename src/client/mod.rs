//! `ironflex connect`: an AnyConnect-EAP IKEv2 client.
//!
//! ```text
//!   options ──► connection: resolve, sockets, ikev2::Endpoint ──► report (text or JSON lines)
//!                   │ asks
//!                   └─► outside: trust (chain, name), EAP with the user, dataplane, network
//! ```
//!
//! Before any password leaves, the headend has proven itself under a chain, name and key usage that a
//! Cisco Secure Client would accept.

pub mod connection;
pub mod network;
pub mod options;
pub mod outside;
pub mod report;
pub mod trust;

pub use connection::{Connection, run};
pub use options::Options;

/// Why the client ended, as exit codes that scripts can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// As the user wished (0).
    #[error("disconnected")]
    Disconnected,
    /// Something of this machine or of the command line (1).
    #[error("{0}")]
    Local(String),
    /// Nobody answers (2).
    #[error("no answer from the headend: {0}")]
    Unreachable(String),
    /// The headend's certificate or proof is not acceptable (3).
    #[error("the headend is not trusted: {0}")]
    Untrusted(String),
    /// The login was refused (4).
    #[error("login refused: {0}")]
    LoginRefused(String),
    /// There is no tunnel: no address, or no common algorithms (5).
    #[error("no tunnel: {0}")]
    NoTunnel(String),
    /// The connection was up and is lost (6).
    #[error("connection lost: {0}")]
    Lost(String),
}

impl End {
    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Disconnected => 0,
            Self::Local(_) => 1,
            Self::Unreachable(_) => 2,
            Self::Untrusted(_) => 3,
            Self::LoginRefused(_) => 4,
            Self::NoTunnel(_) => 5,
            Self::Lost(_) => 6,
        }
    }

    /// A word for JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Local(_) => "local",
            Self::Unreachable(_) => "unreachable",
            Self::Untrusted(_) => "untrusted",
            Self::LoginRefused(_) => "login-refused",
            Self::NoTunnel(_) => "no-tunnel",
            Self::Lost(_) => "lost",
        }
    }
}
