//! A backend that fails on purpose: it wraps another one and lets a set share of its operations fail.
//!
//! A failed operation never reaches the wrapped backend, so what a failure leaves behind can be looked at there. The
//! same seed and calls give the same failures.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;

use crate::{
    Counters, Dataplane, DropCounts, Error, EspAlgorithm, EspSpi, Event, Operation, OuterPath,
    SaPair, SaSpec, SessionId,
};

/// How often each operation fails, in thousandths: 0 never, 1000 always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// [`Dataplane::probe`].
    pub probe: u16,
    /// [`Dataplane::install`].
    pub install: u16,
    /// [`Dataplane::add_inbound`].
    pub add_inbound: u16,
    /// [`Dataplane::replace_outbound`].
    pub replace_outbound: u16,
    /// [`Dataplane::remove_inbound`].
    pub remove_inbound: u16,
    /// [`Dataplane::move_peer`].
    pub move_peer: u16,
    /// [`Dataplane::remove`].
    pub remove: u16,
    /// [`Dataplane::counters`] and [`Dataplane::unmatched`].
    pub counters: u16,
}

impl Faults {
    /// Every operation fails equally often.
    #[must_use]
    pub const fn all(thousandths: u16) -> Self {
        Self {
            probe: thousandths,
            install: thousandths,
            add_inbound: thousandths,
            replace_outbound: thousandths,
            remove_inbound: thousandths,
            move_peer: thousandths,
            remove: thousandths,
            counters: thousandths,
        }
    }
}

/// A dataplane whose operations fail with [`Error::Injected`] now and then.
pub struct Chaos {
    inner: Box<dyn Dataplane>,
    faults: Faults,
    random: u64,
}

impl Chaos {
    /// Wraps `inner`; which operations fail follows from `seed`.
    #[must_use]
    pub fn new(inner: Box<dyn Dataplane>, faults: Faults, seed: u64) -> Self {
        Self {
            inner,
            faults,
            random: seed,
        }
    }

    /// Fails other operations from now on.
    pub const fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    fn maybe(&mut self, thousandths: u16, operation: &'static str) -> Result<(), Error> {
        // SplitMix64 (Steele, Lea, Flood 2014): any seed is a good one.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let drawn = (mixed ^ (mixed >> 31)) % 1000;
        if drawn < u64::from(thousandths) {
            Err(Error::Injected(Operation(operation)))
        } else {
            Ok(())
        }
    }
}

impl Dataplane for Chaos {
    fn name(&self) -> &'static str {
        "chaos"
    }

    fn needs_udp_encapsulation(&self) -> bool {
        self.inner.needs_udp_encapsulation()
    }

    fn probe(&mut self, algorithm: EspAlgorithm) -> Result<(), Error> {
        self.maybe(self.faults.probe, "probe")?;
        self.inner.probe(algorithm)
    }

    fn install(&mut self, pair: &SaPair) -> Result<(), Error> {
        self.maybe(self.faults.install, "install")?;
        self.inner.install(pair)
    }

    fn add_inbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error> {
        self.maybe(self.faults.add_inbound, "add inbound SA")?;
        self.inner.add_inbound(id, sa)
    }

    fn replace_outbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error> {
        self.maybe(self.faults.replace_outbound, "replace outbound SA")?;
        self.inner.replace_outbound(id, sa)
    }

    fn resume_outbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        self.maybe(self.faults.replace_outbound, "resume outbound SA")?;
        self.inner.resume_outbound(id, spi)
    }

    fn remove_inbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        self.maybe(self.faults.remove_inbound, "remove inbound SA")?;
        self.inner.remove_inbound(id, spi)
    }

    fn move_peer(&mut self, id: SessionId, path: OuterPath) -> Result<(), Error> {
        self.maybe(self.faults.move_peer, "move peer")?;
        self.inner.move_peer(id, path)
    }

    fn remove(&mut self, id: SessionId) -> Result<Counters, Error> {
        self.maybe(self.faults.remove, "remove")?;
        self.inner.remove(id)
    }

    fn counters(&mut self, id: SessionId) -> Result<Counters, Error> {
        self.maybe(self.faults.counters, "counters")?;
        self.inner.counters(id)
    }

    fn all_counters(&mut self) -> (HashMap<SessionId, Counters>, Option<Error>) {
        let failed = self.maybe(self.faults.counters, "counters").err();
        let (all, error) = self.inner.all_counters();
        (all, failed.or(error))
    }

    fn unmatched(&mut self) -> Result<DropCounts, Error> {
        self.maybe(self.faults.counters, "counters")?;
        self.inner.unmatched()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.inner.poll_event()
    }

    fn event_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.event_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esp::tests_support::{GCM_256, pair, session};
    use crate::record::Recorder;

    fn failures(seed: u64) -> Vec<bool> {
        let faults = Faults {
            install: 250,
            ..Faults::default()
        };
        let recorder = Recorder::new();
        let mut chaos = Chaos::new(Box::new(recorder.clone()), faults, seed);
        (0..400)
            .map(|number| {
                let outcome = chaos.install(&pair(number, 0x1000 + number, GCM_256));
                let failed = outcome == Err(Error::Injected(Operation("install")));
                assert_eq!(failed, outcome.is_err());
                assert_eq!(failed, !recorder.sessions().contains(&session(number)));
                failed
            })
            .collect()
    }

    #[test]
    fn fails_the_set_share_and_nothing_of_it_happens() {
        let failed = failures(7).into_iter().filter(|failed| *failed).count();
        assert!((70..130).contains(&failed), "{failed} of 400");
    }

    #[test]
    fn the_same_seed_fails_the_same() {
        assert_eq!(failures(7), failures(7));
        assert_ne!(failures(7), failures(8));
    }

    #[test]
    fn never_and_always_mean_it() {
        let mut chaos = Chaos::new(Box::new(Recorder::new()), Faults::all(0), 1);
        for number in 0..100 {
            assert_eq!(
                chaos.install(&pair(number, 0x1000 + number, GCM_256)),
                Ok(())
            );
        }
        chaos.set_faults(Faults::all(1000));
        for number in 0..100 {
            assert_eq!(
                chaos.remove(session(number)),
                Err(Error::Injected(Operation("remove")))
            );
        }
    }
}
