//! First requests that wait for their turn (`crypto ikev2 limit queue sa-init`): whoever has an SA goes
//! before those who want one.
//!
//! The kernel's own queue is short and makes no difference between the two. What it holds is therefore
//! taken out at once, and IKE_SA_INIT requests, which are the costly ones and may come from anybody, are set
//! aside.

use std::collections::{BTreeMap, VecDeque};

use ironflex_ikev2::{
    event::Path,
    source::{Network, Source},
};

/// Octets that waiting requests may occupy in all, whatever their number.
const OCTETS: usize = 32 * 1024 * 1024;

/// In a queue that is half full a host may have this part of those that wait, the eighth, and the networks around it the
/// more of them that they have hosts, but no more than [`WIDEST`].
///
/// The address of a request may be forged, so requests in somebody's name can keep that somebody out then; so can any
/// others that fill the queue.
const SHARE: usize = 8;

/// The part that the widest network may have, the quarter.
const WIDEST: usize = 4;

/// So many of one source are never too many.
const FEW: usize = 16;

/// The requests, in the order in which they came.
pub struct InitQueue {
    waiting: VecDeque<(Path, Box<[u8]>)>,
    /// How many of them are of each source, and of each network around one.
    networks: BTreeMap<Network, usize>,
    octets: usize,
    limit: usize,
    closed: bool,
}

/// Why a request is not set aside; it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room for another one.
    Full,
    /// What room is left is for others than its sender.
    SiteFull,
    /// The headend is about to leave: nobody begins anything new with it.
    Stopping,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Full, Self::SiteFull, Self::Stopping];

    /// The reason, for counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "init_queue_full",
            Self::SiteFull => "init_queue_site_full",
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
            networks: BTreeMap::new(),
            octets: 0,
            limit,
            closed: false,
        }
    }

    /// Has room for another number of requests. Those that wait keep their places.
    pub const fn resize(&mut self, limit: usize) {
        self.limit = limit;
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
        let source = Source::of(path.remote.ip());
        let crowded = self.waiting.len() >= self.limit / 2 || sum > OCTETS / 2;
        if crowded
            && source.networks().any(|(network, times)| {
                let held = self.networks.get(&network).copied().unwrap_or_default();
                let all = self.waiting.len();
                held >= times
                    .of(all / SHARE, (all / WIDEST).saturating_mul(2))
                    .max(FEW)
            })
        {
            return Err(Refused::SiteFull);
        }
        for (network, _) in source.networks() {
            let held = self.networks.entry(network).or_default();
            *held = held.saturating_add(1);
        }
        self.octets = sum;
        self.waiting.push_back((path, Box::from(octets)));
        Ok(())
    }

    /// The request whose turn it is.
    pub fn pop(&mut self) -> Option<(Path, Box<[u8]>)> {
        let (path, octets) = self.waiting.pop_front()?;
        self.octets = self.octets.saturating_sub(octets.len());
        for (network, _) in Source::of(path.remote.ip()).networks() {
            if let Some(held) = self.networks.get_mut(&network) {
                *held = held.saturating_sub(1);
                if *held == 0 {
                    self.networks.remove(&network);
                }
            }
        }
        Some((path, octets))
    }

    /// Takes no more and lets go of those that wait. Says how many they were.
    pub fn close(&mut self) -> usize {
        self.closed = true;
        self.octets = 0;
        let waited = self.waiting.len();
        self.waiting = VecDeque::new();
        self.networks = BTreeMap::new();
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
    use std::net::SocketAddr;

    use ironflex_ikev2::event::Framing;

    use super::*;

    fn path() -> Path {
        from("192.0.2.1")
    }

    fn from(address: &str) -> Path {
        let address = SocketAddr::new(address.parse().unwrap(), 500);
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
        let taken = (0..1_000).filter(|number| {
            let site = from(&format!("10.0.{}.{}", number / 256, number % 256));
            queue.push(site, &long).is_ok()
        });
        assert_eq!(taken.count(), OCTETS / long.len());
    }

    // Of one source, from as many addresses as it has: the others come in.
    #[test]
    fn in_a_crowded_queue_each_source_has_its_share() {
        for (busy, other, share) in [
            (["192.0.2.1", "192.0.2.1"], "198.51.100.1", 62),
            (["192.0.2.1", "192.0.2.2"], "198.51.100.1", 62),
            (["2001:db8::1", "2001:db8::2"], "2001:db8:1::1", 62),
            (["2001:db8::1", "2001:db8:0:ffff::2"], "2001:db8:1::1", 62),
        ] {
            let mut queue = InitQueue::new(1_000);
            let mut taken = 0;
            for at in 0..2_000 {
                match queue.push(from(busy[at % 2]), b"one") {
                    Ok(()) => taken += 1,
                    Err(refused) => assert_eq!(refused, Refused::SiteFull),
                }
            }
            assert_eq!(taken, 500);
            for _ in 0..share {
                assert_eq!(queue.push(from(other), b"two"), Ok(()));
            }
            while queue.pop().is_some() {}
            assert!(queue.networks.is_empty());
            assert_eq!(queue.push(from(busy[0]), b"one"), Ok(()));
        }
    }

    // Full from the beginning of others, who each have one: then a host has an eighth, and what is around it a quarter.
    #[test]
    fn a_network_has_more_than_a_host_of_it() {
        for (host, network) in [
            (
                &(|_| "192.0.2.1".to_owned()) as &dyn Fn(u8) -> String,
                false,
            ),
            (&|number| format!("192.0.2.{number}"), true),
            (&|number| format!("2001:db8:7:7::{number:x}"), false),
            (&|number| format!("2001:db8:7:{number:x}::1"), true),
            (&|number| format!("2001:db8:7:{number:x}00::1"), true),
        ] {
            let mut queue = InitQueue::new(2_000);
            for at in 0..1_000 {
                let other = from(&format!("10.{}.{}.1", at / 250, at % 250));
                assert_eq!(queue.push(other, b"one"), Ok(()));
            }
            let taken = (0..1_000_u16).filter(|at| {
                let number = u8::try_from(at % 250).unwrap();
                queue.push(from(&host(number)), b"two").is_ok()
            });
            let taken = taken.count();
            // A part of all that wait, its own included: of 1,000 others a seventh and a third.
            let expected = if network { 332..=333 } else { 142..=142 };
            assert!(expected.contains(&taken), "{}: {taken}", host(1));
        }
    }
}
