//! What the data path has to tell, on its way from its threads to whoever drives the dataplane.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use super::table::Session;
use crate::{Direction, EspSpi, Limit};

/// Something for [`crate::Dataplane::poll_event`].
pub(super) enum Notice {
    /// The session's peer is elsewhere; where, stands in the session.
    Moved(Arc<Session>),
    /// The first packet came in on an inbound SA that replaces another.
    Used { session: Arc<Session>, spi: EspSpi },
    /// An SA has reached a limit.
    Worn {
        session: Arc<Session>,
        spi: EspSpi,
        direction: Direction,
        limit: Limit,
        hard: bool,
    },
}

/// A queue with a descriptor that is readable while something is in it.
///
/// Its length is bounded by the sessions: each SA tells its first packet and each limit once, and each session has one move in it at most.
pub(super) struct Notices {
    queue: Mutex<VecDeque<Notice>>,
    wake: OwnedFd,
}

impl Notices {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::new(VecDeque::new()),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    pub(super) fn push(&self, notice: Notice) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(notice);
        // Cannot fail but by a counter of 2^64 - 2, which is readable all the more.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    pub(super) fn pop(&self) -> Option<Notice> {
        // Under the lock, so that no push falls between the look and the clearing.
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let notice = queue.pop_front();
        if notice.is_none() {
            let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
        }
        notice
    }
}

impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
