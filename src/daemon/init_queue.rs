//! First requests that wait for their turn (`crypto ikev2 limit queue sa-init`): whoever has an SA goes
//! before those who want one.
//!
//! The kernel's own queue is short and makes no difference between the two. What it holds is therefore
//! taken out at once, and IKE_SA_INIT requests, which are the costly ones and may come from anybody, are set
//! aside.

use std::collections::VecDeque;

use ironflex_ikev2::event::Path;

/// Octets that waiting requests may occupy in all, whatever their number.
const OCTETS: usize = 32 * 1024 * 1024;

/// The requests, in the order in which they came.
pub struct InitQueue {
    waiting: VecDeque<(Path, Box<[u8]>)>,
    octets: usize,
    limit: usize,
    closed: bool,
}

/// Why a request is not set aside; it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room for another one.
    Full,
    /// The headend is about to leave: nobody begins anything new with it.
    Stopping,
}

impl Refused {
    /// The reason, for counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "init_queue_full",
            Self::Stopping => "stopping",
        }
    }
}

impl InitQueue {
    /// Room for so many requests.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            octets: 0,
            limit,
            closed: false,
        }
    }

    /// Sets a request aside.
    ///
    /// # Errors
    ///
    /// [`Refused`]: those that wait came first, and their places are not taken from them.
    pub fn push(&mut self, path: Path, octets: &[u8]) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Stopping);
        }
        let sum = self.octets.saturating_add(octets.len());
        if self.waiting.len() >= self.limit || sum > OCTETS {
            return Err(Refused::Full);
        }
        self.octets = sum;
        self.waiting.push_back((path, Box::from(octets)));
        Ok(())
    }

    /// The request whose turn it is.
    pub fn pop(&mut self) -> Option<(Path, Box<[u8]>)> {
        let (path, octets) = self.waiting.pop_front()?;
        self.octets = self.octets.saturating_sub(octets.len());
        Some((path, octets))
    }

    /// Takes no more and lets go of those that wait. Says how many they were.
    pub fn close(&mut self) -> usize {
        self.closed = true;
        self.octets = 0;
        let waited = self.waiting.len();
        self.waiting = VecDeque::new();
        waited
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use ironflex_ikev2::event::Framing;

    use super::*;

    fn path() -> Path {
        let address = "192.0.2.1:500".parse().unwrap();
        Path {
            local: address,
            remote: address,
            framing: Framing::Bare,
        }
    }

    #[test]
    fn what_came_first_goes_first_and_what_has_no_room_is_dropped() {
        let mut queue = InitQueue::new(2);
        assert_eq!(queue.push(path(), b"one"), Ok(()));
        assert_eq!(queue.push(path(), b"two"), Ok(()));
        assert_eq!(queue.push(path(), b"three"), Err(Refused::Full));
        assert_eq!(&*queue.pop().unwrap().1, b"one");
        assert_eq!(queue.push(path(), b"four"), Ok(()));
        assert_eq!(&*queue.pop().unwrap().1, b"two");
        assert_eq!(&*queue.pop().unwrap().1, b"four");
        assert!(queue.is_empty() && queue.octets == 0);
    }

    #[test]
    fn who_leaves_takes_nobody_and_lets_everybody_go() {
        let mut queue = InitQueue::new(2);
        assert_eq!(queue.push(path(), b"one"), Ok(()));
        assert_eq!(queue.close(), 1);
        assert_eq!(queue.push(path(), b"two"), Err(Refused::Stopping));
        assert!(queue.pop().is_none() && queue.octets == 0);
    }

    #[test]
    fn long_requests_have_a_bound_of_their_own() {
        let mut queue = InitQueue::new(100_000);
        let long = vec![0; 64 * 1024];
        let taken = (0..1_000).filter(|_| queue.push(path(), &long).is_ok());
        assert_eq!(taken.count(), OCTETS / long.len());
    }
}
