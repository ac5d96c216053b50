//! What a netlink request can come back with, sorted by who said no.

use std::{fmt, io};

use nix::errno::Errno;

/// An errno value of the Linux kernel, printed as its text and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KernelErrno(pub i32);

impl KernelErrno {
    /// EPERM: the process lacks CAP_NET_ADMIN in the user namespace that owns the network namespace.
    pub const EPERM: Self = Self(Errno::EPERM as i32);
    /// ENOENT: the policy, table or file does not exist.
    pub const ENOENT: Self = Self(Errno::ENOENT as i32);
    /// ESRCH: the SA, route or policy does not exist.
    pub const ESRCH: Self = Self(Errno::ESRCH as i32);
    /// EEXIST: one with the same key exists already.
    pub const EEXIST: Self = Self(Errno::EEXIST as i32);
    /// ENODEV: no such device.
    pub const ENODEV: Self = Self(Errno::ENODEV as i32);
    /// ENOSYS: XFRM's answer to an algorithm that the kernel does not have.
    pub const ENOSYS: Self = Self(Errno::ENOSYS as i32);
    /// EPROTONOSUPPORT: XFRM's answer to ESP on a kernel without ESP, and to a family that is not built in.
    pub const EPROTONOSUPPORT: Self = Self(Errno::EPROTONOSUPPORT as i32);
    /// EOPNOTSUPP: an unknown device kind, or a subsystem that is not there.
    pub const EOPNOTSUPP: Self = Self(Errno::EOPNOTSUPP as i32);
    /// EINVAL: a part of netfilter that is not there, or a request that makes no sense.
    pub const EINVAL: Self = Self(Errno::EINVAL as i32);
    /// EAFNOSUPPORT: the kernel has no IPv6, or it is switched off.
    pub const EAFNOSUPPORT: Self = Self(Errno::EAFNOSUPPORT as i32);
    /// ENOBUFS: the receive queue overflowed and messages were lost.
    pub const ENOBUFS: Self = Self(Errno::ENOBUFS as i32);
    /// ETIMEDOUT: no answer in time.
    pub const ETIMEDOUT: Self = Self(Errno::ETIMEDOUT as i32);
    /// EADDRNOTAVAIL: deleting an address that is not on the device.
    pub const EADDRNOTAVAIL: Self = Self(Errno::EADDRNOTAVAIL as i32);
}

impl fmt::Display for KernelErrno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (errno {})", Errno::from_raw(self.0).desc(), self.0)
    }
}

impl From<Errno> for KernelErrno {
    fn from(errno: Errno) -> Self {
        Self(errno as i32)
    }
}

impl From<&io::Error> for KernelErrno {
    fn from(error: &io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(0))
    }
}

/// Why a request to the kernel did not succeed. `operation` names the request in words, its object included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetlinkError {
    /// The kernel understood the request and refused it.
    #[error("{operation}: {errno}{}", .reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// What was asked.
        operation: String,
        /// The kernel's errno.
        errno: KernelErrno,
        /// The kernel's own sentence from the extended acknowledgement, when it gave one.
        reason: Option<String>,
    },
    /// A system call on our side failed.
    #[error("{operation}: {errno}")]
    System {
        /// What was tried.
        operation: String,
        /// The system call's errno.
        errno: KernelErrno,
    },
    /// No answer within the socket's time limit.
    #[error("{operation}: the kernel did not answer within {seconds} s")]
    TimedOut {
        /// What was asked.
        operation: String,
        /// The limit that ran out.
        seconds: u64,
    },
    /// The kernel's answer was lost, so what was asked has been done or has not.
    #[error("{operation}: the kernel's answer was lost, and it may have been done: {why}")]
    Unanswered {
        /// What was asked.
        operation: String,
        /// How the answer was lost.
        why: Box<Self>,
    },
    /// The kernel's answer cannot be read.
    #[error("{operation}: the kernel's answer is malformed: {what}")]
    Malformed {
        /// What was asked.
        operation: String,
        /// The part that was missing or wrong.
        what: String,
    },
    /// The table changed during each of several attempts to list it.
    #[error("{operation}: the table changed during every attempt to list it")]
    Inconsistent {
        /// What was listed.
        operation: String,
    },
    /// The caller's own value cannot be put into a request (a name too long, for instance).
    #[error("{operation}: {what}")]
    Unusable {
        /// What was to be asked.
        operation: String,
        /// What is wrong with the value, and what was expected.
        what: String,
    },
}

impl NetlinkError {
    pub(crate) fn system(operation: impl Into<String>, errno: impl Into<KernelErrno>) -> Self {
        Self::System {
            operation: operation.into(),
            errno: errno.into(),
        }
    }

    pub(crate) fn malformed(operation: impl Into<String>, what: impl fmt::Display) -> Self {
        Self::Malformed {
            operation: operation.into(),
            what: what.to_string(),
        }
    }

    pub(crate) fn unusable(operation: impl Into<String>, what: impl fmt::Display) -> Self {
        Self::Unusable {
            operation: operation.into(),
            what: what.to_string(),
        }
    }

    /// The errno, where the error has one.
    pub fn errno(&self) -> Option<KernelErrno> {
        match self {
            Self::Refused { errno, .. } | Self::System { errno, .. } => Some(*errno),
            Self::TimedOut { .. }
            | Self::Unanswered { .. }
            | Self::Malformed { .. }
            | Self::Inconsistent { .. }
            | Self::Unusable { .. } => None,
        }
    }

    /// Whether the kernel said that the object of the request does not exist.
    pub fn is_absent(&self) -> bool {
        matches!(
            self.errno(),
            Some(
                KernelErrno::ENOENT
                    | KernelErrno::ESRCH
                    | KernelErrno::ENODEV
                    | KernelErrno::EADDRNOTAVAIL
            )
        )
    }

    /// Whether the kernel said that an object with the same key exists already.
    pub fn is_present(&self) -> bool {
        self.errno() == Some(KernelErrno::EEXIST)
    }
}

/// Turns "it was not there" into success, for deletions that want the thing gone.
///
/// # Errors
///
/// Every other error of `result`.
pub(crate) fn absent_is_fine(result: Result<(), NetlinkError>) -> Result<bool, NetlinkError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.is_absent() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_says_what_was_asked_and_what_the_kernel_said() {
        let error = NetlinkError::Refused {
            operation: "add SA 0x00000100 to 192.0.2.1".into(),
            errno: KernelErrno::EPROTONOSUPPORT,
            reason: Some("Requested type not found".into()),
        };
        assert_eq!(
            error.to_string(),
            "add SA 0x00000100 to 192.0.2.1: Protocol not supported (errno 93): Requested type not found"
        );
    }

    #[test]
    fn absence_is_told_from_other_refusals() {
        let refused = |errno| NetlinkError::Refused {
            operation: "delete".into(),
            errno,
            reason: None,
        };
        assert_eq!(absent_is_fine(Err(refused(KernelErrno::ESRCH))), Ok(false));
        assert_eq!(absent_is_fine(Ok(())), Ok(true));
        assert_eq!(
            absent_is_fine(Err(refused(KernelErrno::EPERM))),
            Err(refused(KernelErrno::EPERM))
        );
    }
}
