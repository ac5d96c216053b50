//! Links, addresses and routes of one network namespace.

use std::fmt;
use std::num::NonZeroU32;

use super::error::NetlinkError;
use super::socket::{NetlinkSocket, Subsystem};

/// A handle on the links, addresses and routes of the network namespace in which it was opened.
///
/// What it does to each of them stands in `link.rs`, `address.rs` and `route.rs`.
pub struct Network {
    pub(crate) socket: NetlinkSocket,
}

impl Network {
    /// A handle on the calling thread's network namespace, which stays so wherever the thread goes.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`].
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: NetlinkSocket::open(Subsystem::Route)?,
        })
    }
}

/// A link's number (ifindex) in its network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkIndex(NonZeroU32);

impl LinkIndex {
    /// The link with this number; `None` for 0, which is none.
    #[must_use]
    pub const fn new(index: u32) -> Option<Self> {
        match NonZeroU32::new(index) {
            Some(index) => Some(Self(index)),
            None => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for LinkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}
