//! What can go wrong below the seam, sorted by who is to blame.

use std::io;

use crate::{EspAlgorithm, EspSpi, SessionId};

/// Why an operation on the dataplane failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // --- the caller ---
    /// Something with this name is installed already.
    #[error("{0} is installed already")]
    Exists(Object),
    /// The session was never installed, or is removed.
    #[error("{0} is not installed")]
    NoSuchSession(SessionId),
    /// The session has no such inbound SA.
    #[error("{id} has no inbound SA {spi}")]
    NoSuchSa {
        /// The session that was asked for.
        id: SessionId,
        /// The SPI that it does not have.
        spi: EspSpi,
    },
    /// A key does not fit its algorithm.
    #[error("{algorithm}: {key} key has {actual} octets, expected {expected}")]
    KeyLength {
        /// The algorithm that the key is for.
        algorithm: EspAlgorithm,
        /// Which of its keys: `encryption` or `integrity`.
        key: &'static str,
        /// Octets that it takes, GCM's salt included.
        expected: usize,
        /// Octets that were given.
        actual: usize,
    },
    /// The request contradicts itself, for instance by an IPv4 address on one side and an IPv6 one on the other.
    #[error("not a usable request: {0}")]
    Misuse(&'static str),

    // --- the machine ---
    /// This backend, or the kernel below it, lacks something; the text names what.
    #[error("not supported here: {0}")]
    Unsupported(String),
    /// The process may not do this.
    #[error("{0}: permission denied (CAP_NET_ADMIN is needed)")]
    Denied(Operation),
    /// The kernel refused the request.
    #[error("{operation}: kernel answered {}{}", io::Error::from_raw_os_error(*errno), detail.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Kernel {
        /// What was asked of it.
        operation: Operation,
        /// Its error number, positive.
        errno: i32,
        /// The text of its extended acknowledgement, when it sent one.
        detail: Option<String>,
    },
    /// A socket or device failed.
    #[error("{operation}: {}", match errno { Some(number) => io::Error::from_raw_os_error(*number).to_string(), None => "the descriptor is closed".to_owned() })]
    Io {
        /// What was being done.
        operation: Operation,
        /// The system's error number, positive; absent at an end of file.
        errno: Option<i32>,
    },
    /// The kernel's answer could not be read.
    #[error("{operation}: answer not understood: {detail}")]
    Answer {
        /// What was asked.
        operation: Operation,
        /// What was wrong with the answer.
        detail: String,
    },

    // --- tests ---
    /// `chaos::Chaos` let the operation fail.
    #[error("{0}: failed on purpose")]
    Injected(Operation),
}

impl Error {
    /// An I/O error of `operation`; a refused permission becomes [`Error::Denied`].
    pub(crate) fn io(operation: Operation, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied(operation),
            _ => Self::Io {
                operation,
                errno: error.raw_os_error(),
            },
        }
    }
}

/// What an [`Error::Exists`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Object {
    /// An inbound SA with this SPI.
    #[error("inbound SA {0}")]
    Inbound(EspSpi),
    /// An outbound SA with this SPI towards the same peer.
    #[error("outbound SA {0}")]
    Outbound(EspSpi),
    /// A policy with the same selectors that is not ours.
    #[error("a foreign policy with the same selectors")]
    Policy,
    /// A session with this number.
    #[error("{0}")]
    Session(SessionId),
    /// A network device with the wanted name.
    #[error("the network device")]
    Device,
}

/// What was being done when an error came.
///
/// A name rather than a sentence, so that errors can be compared as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{0}")]
pub struct Operation(pub &'static str);
