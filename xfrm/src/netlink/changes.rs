//! Word from the kernel that the network is another: a link, an address or a route came, went or changed.

use std::os::fd::{AsFd, BorrowedFd};

use super::error::{KernelErrno, NetlinkError};
use super::socket::{NetlinkSocket, Subsystem};

/// Multicast groups of linux/rtnetlink.h.
const GROUPS: [(&str, u32); 5] = [
    ("join route group LINK", 1),
    ("join route group IPV4_IFADDR", 5),
    ("join route group IPV4_ROUTE", 7),
    ("join route group IPV6_IFADDR", 9),
    ("join route group IPV6_ROUTE", 11),
];

/// A socket that is readable when links, addresses or routes of the network namespace have changed since
/// [`take`](Self::take), by whomever. What has changed, it does not say: whoever wants to know looks.
pub struct NetworkChanges {
    socket: NetlinkSocket,
}

impl NetworkChanges {
    /// Listens in the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`].
    pub fn open() -> Result<Self, NetlinkError> {
        let socket = NetlinkSocket::open(Subsystem::Route)?;
        for (operation, group) in GROUPS {
            socket.join(operation, group)?;
        }
        Ok(Self { socket })
    }

    /// Takes all that has been told so far. Says whether it was anything; never waits.
    pub fn take(&mut self) -> bool {
        let mut changed = false;
        loop {
            match self.socket.poll("receive route notices", |_, _| ()) {
                Ok(true) => changed = true,
                // More than fits into the socket: the rest of it is behind the error.
                Err(NetlinkError::System { errno, .. }) if errno == KernelErrno::ENOBUFS => {
                    changed = true;
                }
                Ok(false) | Err(_) => return changed,
            }
        }
    }
}

impl AsFd for NetworkChanges {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
