//! A backend that only remembers.
//!
//! For tests that look at what was asked of the dataplane, and for measuring everything but the dataplane: without
//! a history a session costs a few dozen octets here. It refuses what a real backend refuses: a session or inbound
//! SPI twice, and what was never installed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use crate::{
    Counters, Dataplane, DropCounts, Error, EspAlgorithm, EspSpi, Event, Object, OuterPath, SaPair,
    SaSpec, SessionId,
};

/// A recording dataplane. Clones share one memory: give one to the program and keep one to look.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    memory: Mutex<Memory>,
    /// Readable while events wait; absent if the system gave none.
    wake: Option<OwnedFd>,
}

#[derive(Default)]
struct Memory {
    sessions: HashMap<SessionId, Vec<EspSpi>>,
    spis: HashSet<EspSpi>,
    counters: HashMap<SessionId, Counters>,
    events: VecDeque<Event>,
    history: VecDeque<Call>,
    history_limit: usize,
}

/// One call that succeeded. Keys included, so that a test can hold two ends' against each other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Call {
    /// [`Dataplane::probe`].
    Probe(EspAlgorithm),
    /// [`Dataplane::install`].
    Install(Box<SaPair>),
    /// [`Dataplane::add_inbound`].
    AddInbound(SessionId, Box<SaSpec>),
    /// [`Dataplane::replace_outbound`].
    ReplaceOutbound(SessionId, Box<SaSpec>),
    /// [`Dataplane::resume_outbound`].
    ResumeOutbound(SessionId, EspSpi),
    /// [`Dataplane::remove_inbound`].
    RemoveInbound(SessionId, EspSpi),
    /// [`Dataplane::move_peer`].
    MovePeer(SessionId, OuterPath),
    /// [`Dataplane::remove`].
    Remove(SessionId),
}

impl Recorder {
    /// Remembers which sessions are there, and no calls.
    #[must_use]
    pub fn new() -> Self {
        Self::with_history(0)
    }

    /// Remembers the last `calls` calls too.
    #[must_use]
    pub fn with_history(calls: usize) -> Self {
        Self(Arc::new(Shared {
            memory: Mutex::new(Memory {
                history_limit: calls,
                ..Memory::default()
            }),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok(),
        }))
    }

    /// The remembered calls, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<Call> {
        self.memory().history.iter().cloned().collect()
    }

    /// The sessions that are installed, in no order.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionId> {
        self.memory().sessions.keys().copied().collect()
    }

    /// Lets [`Dataplane::poll_event`] return `event`.
    pub fn push_event(&self, event: Event) {
        self.memory().events.push_back(event);
        if let Some(wake) = &self.0.wake {
            let _ = rustix::io::write(wake, &1_u64.to_ne_bytes());
        }
    }

    /// Lets [`Dataplane::counters`] return `counters` for a session, zeros otherwise.
    pub fn set_counters(&self, id: SessionId, counters: Counters) {
        self.memory().counters.insert(id, counters);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// `call` makes the record, so that nothing is copied when nobody wants it.
    fn remember(&mut self, call: impl FnOnce() -> Call) {
        if self.history_limit == 0 {
            return;
        }
        if self.history.len() >= self.history_limit {
            self.history.pop_front();
        }
        self.history.push_back(call());
    }

    fn session(&mut self, id: SessionId) -> Result<&mut Vec<EspSpi>, Error> {
        self.sessions.get_mut(&id).ok_or(Error::NoSuchSession(id))
    }

    fn take_spi(&mut self, spi: EspSpi) -> Result<(), Error> {
        if self.spis.insert(spi) {
            Ok(())
        } else {
            Err(Error::Exists(Object::Inbound(spi)))
        }
    }
}

impl Dataplane for Recorder {
    fn name(&self) -> &'static str {
        "record"
    }

    fn needs_udp_encapsulation(&self) -> bool {
        false
    }

    fn probe(&mut self, algorithm: EspAlgorithm) -> Result<(), Error> {
        self.memory().remember(|| Call::Probe(algorithm));
        Ok(())
    }

    fn install(&mut self, pair: &SaPair) -> Result<(), Error> {
        let mut memory = self.memory();
        if memory.sessions.contains_key(&pair.id) {
            return Err(Error::Exists(Object::Session(pair.id)));
        }
        memory.take_spi(pair.inbound.spi)?;
        memory.sessions.insert(pair.id, vec![pair.inbound.spi]);
        memory.remember(|| Call::Install(Box::new(pair.clone())));
        Ok(())
    }

    fn add_inbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error> {
        let mut memory = self.memory();
        memory.session(id)?;
        memory.take_spi(sa.spi)?;
        memory.session(id)?.push(sa.spi);
        memory.remember(|| Call::AddInbound(id, Box::new(sa.clone())));
        Ok(())
    }

    fn replace_outbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error> {
        let mut memory = self.memory();
        memory.session(id)?;
        memory.remember(|| Call::ReplaceOutbound(id, Box::new(sa.clone())));
        Ok(())
    }

    fn resume_outbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        let mut memory = self.memory();
        memory.session(id)?;
        memory.remember(|| Call::ResumeOutbound(id, spi));
        Ok(())
    }

    fn remove_inbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        let mut memory = self.memory();
        let spis = memory.session(id)?;
        let place = spis
            .iter()
            .position(|own| *own == spi)
            .ok_or(Error::NoSuchSa { id, spi })?;
        spis.remove(place);
        memory.spis.remove(&spi);
        memory.remember(|| Call::RemoveInbound(id, spi));
        Ok(())
    }

    fn move_peer(&mut self, id: SessionId, path: OuterPath) -> Result<(), Error> {
        let mut memory = self.memory();
        memory.session(id)?;
        memory.remember(|| Call::MovePeer(id, path));
        Ok(())
    }

    fn remove(&mut self, id: SessionId) -> Result<Counters, Error> {
        let mut memory = self.memory();
        let spis = memory
            .sessions
            .remove(&id)
            .ok_or(Error::NoSuchSession(id))?;
        for spi in spis {
            memory.spis.remove(&spi);
        }
        memory.remember(|| Call::Remove(id));
        Ok(memory.counters.remove(&id).unwrap_or_default())
    }

    fn counters(&mut self, id: SessionId) -> Result<Counters, Error> {
        let mut memory = self.memory();
        memory.session(id)?;
        Ok(memory.counters.get(&id).copied().unwrap_or_default())
    }

    fn all_counters(&mut self) -> (HashMap<SessionId, Counters>, Option<Error>) {
        let memory = self.memory();
        let of = |id| (id, memory.counters.get(&id).copied().unwrap_or_default());
        (memory.sessions.keys().copied().map(of).collect(), None)
    }

    fn unmatched(&mut self) -> Result<DropCounts, Error> {
        Ok(DropCounts::default())
    }

    fn poll_event(&mut self) -> Option<Event> {
        let mut memory = self.memory();
        let event = memory.events.pop_front();
        // Under the lock, so that no push falls between the look and the clearing.
        if event.is_none()
            && let Some(wake) = &self.0.wake
        {
            let _ = rustix::io::read(wake, &mut [0_u8; 8]);
        }
        event
    }

    fn event_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.wake.as_ref().map(AsFd::as_fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esp::tests_support::{GCM_256, pair, sa, session};

    #[test]
    fn refuses_what_a_real_backend_refuses() {
        let mut recorder = Recorder::new();
        let spi = |value| EspSpi::new(value).unwrap();
        assert_eq!(recorder.install(&pair(1, 0x1000, GCM_256)), Ok(()));
        assert_eq!(
            recorder.install(&pair(1, 0x2000, GCM_256)),
            Err(Error::Exists(Object::Session(session(1))))
        );
        assert_eq!(
            recorder.install(&pair(2, 0x1000, GCM_256)),
            Err(Error::Exists(Object::Inbound(spi(0x1000))))
        );
        assert_eq!(
            recorder.add_inbound(session(1), &sa(0x3000, GCM_256)),
            Ok(())
        );
        assert_eq!(recorder.remove_inbound(session(1), spi(0x1000)), Ok(()));
        assert_eq!(
            recorder.remove_inbound(session(1), spi(0x1000)),
            Err(Error::NoSuchSa {
                id: session(1),
                spi: spi(0x1000)
            })
        );
        assert_eq!(recorder.sessions(), [session(1)]);
        assert_eq!(recorder.remove(session(1)), Ok(Counters::default()));
        assert_eq!(
            recorder.remove(session(1)),
            Err(Error::NoSuchSession(session(1)))
        );
        assert_eq!(recorder.install(&pair(2, 0x3000, GCM_256)), Ok(()));
        assert!(recorder.history().is_empty());
    }

    #[test]
    fn keeps_the_newest_calls() {
        let looking = Recorder::with_history(2);
        let mut recorder = looking.clone();
        recorder.install(&pair(1, 0x1000, GCM_256)).unwrap();
        recorder
            .add_inbound(session(1), &sa(0x3000, GCM_256))
            .unwrap();
        recorder.remove(session(1)).unwrap();
        let history = looking.history();
        let [Call::AddInbound(id, added), Call::Remove(removed)] = &history[..] else {
            panic!("{history:?}");
        };
        assert_eq!((*id, *removed), (session(1), session(1)));
        assert_eq!(
            added.keys.encryption(),
            sa(0x3000, GCM_256).keys.encryption()
        );
    }

    #[test]
    fn hands_out_events_and_wakes_for_them() {
        let looking = Recorder::new();
        let mut recorder = looking.clone();
        let event = Event::PeerMoved {
            id: session(1),
            remote: "192.0.2.9:1024".parse().unwrap(),
        };
        assert_eq!(recorder.poll_event(), None);
        looking.push_event(event);
        let mut count = [0; 8];
        let wake = looking.event_fd().unwrap();
        assert_eq!(rustix::io::read(wake, &mut count), Ok(8));
        assert_eq!(recorder.poll_event(), Some(event));
        assert_eq!(recorder.poll_event(), None);
    }
}
