//! Links, addresses, routes and routing rules of one network namespace.

use std::fmt;
use std::num::NonZeroU32;

use super::error::NetlinkError;
use super::owner::Owner;
use super::socket::{NetlinkSocket, Subsystem};

/// A handle on the links, addresses, routes and routing rules of the network namespace in which it was opened.
///
/// What it does to each of them stands in `link.rs`, `address.rs`, `route.rs` and `rule.rs`.
pub struct Network {
    pub(crate) socket: NetlinkSocket,
    /// Whose marks routes and rules get; `None`: an administrator's.
    pub(crate) owner: Option<Owner>,
}

impl Network {
    /// A handle on the calling thread's network namespace, which stays so wherever the thread goes. Routes and rules made by it
    /// bear the marks of `owner`, and it lists and removes no others.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`].
    pub fn open(owner: Owner) -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: NetlinkSocket::open(Subsystem::Route)?,
            owner: Some(owner),
        })
    }

    /// A handle for what no clean-up of ours may take: routes made by it are an administrator's (RTPROT_STATIC), and it
    /// lists those.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`].
    pub fn open_as_administrator() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: NetlinkSocket::open(Subsystem::Route)?,
            owner: None,
        })
    }

    /// The protocol number of routes and rules that this handle makes and lists.
    pub(crate) fn protocol(&self) -> u8 {
        self.owner.map_or(RTPROT_STATIC, Owner::route_protocol)
    }
}

/// RTPROT_STATIC of linux/rtnetlink.h.
const RTPROT_STATIC: u8 = 4;

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
