//! Which SA a packet belongs to: by SPI from outside, by inner destination from inside.
//!
//! Read by the data path's threads for every burst, written when a session comes, goes or rekeys.
//! SPIs are ours and inner addresses our pool's, so nobody else chooses the maps' keys; they are std maps all the same.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::event::{Notice, Notices};
use super::open::InboundSa;
use super::seal::OutboundSa;
use super::wear::{Wear, Worn};
use crate::{
    Counters, Direction, DropCounts, DropReason, Error, EspSpi, IpPrefix, Object, OuterPath,
    SaPair, SaSpec, Selectors, SessionId, Traffic,
};

/// A session as the data path sees it.
pub(super) struct Session {
    id: SessionId,
    selectors: Selectors,
    follow_peer: bool,
    path: RwLock<OuterPath>,
    outbound: RwLock<Arc<OutboundSa>>,
    /// Outbound SAs that newer ones have replaced, the oldest first, until the inbound SA of their time goes.
    replaced: RwLock<Vec<Arc<OutboundSa>>>,
    pub(super) received: Tally,
    pub(super) sent: Tally,
    /// A [`Notice::Moved`] is in the queue.
    move_told: AtomicBool,
    removed: AtomicBool,
}

impl Session {
    pub(super) const fn id(&self) -> SessionId {
        self.id
    }

    pub(super) const fn selectors(&self) -> &Selectors {
        &self.selectors
    }

    pub(super) fn path(&self) -> OuterPath {
        *read(&self.path)
    }

    /// The SA to send on.
    pub(super) fn outbound(&self) -> Arc<OutboundSa> {
        Arc::clone(&read(&self.outbound))
    }

    /// Whether it has left the table; what is in hand may still hold it.
    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    /// Where the peer moved to, and that this was told.
    pub(super) fn take_move(&self) -> Option<SocketAddr> {
        // Cleared first: a move that comes after the path is read is told again.
        self.move_told.store(false, Ordering::SeqCst);
        self.path().remote_udp()
    }

    fn counters(&self) -> Counters {
        Counters {
            inbound: self.received.traffic(),
            outbound: self.sent.traffic(),
        }
    }
}

/// Counts of one direction.
#[derive(Default)]
pub(super) struct Tally {
    packets: AtomicU64,
    bytes: AtomicU64,
    drops: Drops,
}

impl Tally {
    pub(super) fn count(&self, bytes: usize) {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, reason: DropReason, packets: u64) {
        self.drops.add(reason, packets);
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            drops: self.drops.snapshot(),
        }
    }
}

/// [`DropCounts`] that threads share.
#[derive(Default)]
pub(super) struct Drops([AtomicU64; DropReason::ALL.len()]);

impl Drops {
    pub(super) fn add(&self, reason: DropReason, packets: u64) {
        if let Some(count) = self.0.get(reason as usize) {
            count.fetch_add(packets, Ordering::Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> DropCounts {
        let mut counts = DropCounts::default();
        for (reason, count) in DropReason::ALL.into_iter().zip(&self.0) {
            counts.add(reason, count.load(Ordering::Relaxed));
        }
        counts
    }
}

/// An inbound SA and whose it is.
#[derive(Clone)]
pub(super) struct Inbound {
    pub(super) sa: Arc<InboundSa>,
    pub(super) session: Arc<Session>,
}

/// Every session and the ways to it.
pub(super) struct Table {
    state: RwLock<State>,
    /// Packets that belong to no session.
    pub(super) unmatched: Drops,
    pub(super) notices: Notices,
}

#[derive(Default)]
struct State {
    /// With each session the SPIs of its inbound SAs.
    sessions: HashMap<SessionId, (Arc<Session>, Vec<EspSpi>)>,
    inbound: HashMap<EspSpi, Inbound>,
    /// Inner addresses that lead to one session each: a headend's clients.
    hosts: HashMap<IpAddr, Arc<Session>>,
    /// Wider networks by their length, longest first: what a client sends into its tunnel, and the prefixes of a headend's clients.
    networks: BTreeMap<Reverse<u8>, HashMap<IpPrefix, Arc<Session>>>,
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    pub(super) fn new(notices: Notices) -> Self {
        Self {
            state: RwLock::default(),
            unmatched: Drops::default(),
            notices,
        }
    }

    /// The SA that a packet with this SPI belongs to.
    pub(super) fn inbound(&self, spi: EspSpi) -> Option<Inbound> {
        read(&self.state).inbound.get(&spi).cloned()
    }

    /// The session that an inner packet to `destination` goes to.
    pub(super) fn route(&self, destination: IpAddr) -> Option<Arc<Session>> {
        let state = read(&self.state);
        state
            .hosts
            .get(&destination)
            .or_else(|| {
                state.networks.iter().find_map(|(length, sessions)| {
                    sessions.get(&IpPrefix::new(destination, length.0)?)
                })
            })
            .map(Arc::clone)
    }

    /// Takes note that an authentic packet, newer than all before, came from `remote`.
    ///
    /// RFC 7296 §2.23: the side that is not behind a NAT answers to where such a packet came from.
    pub(super) fn follow(&self, session: &Arc<Session>, remote: SocketAddr) {
        if !session.follow_peer || read(&session.path).remote_udp() == Some(remote) {
            return;
        }
        let path = &mut *write(&session.path);
        *path = path.with_remote_udp(remote);
        if !session.move_told.swap(true, Ordering::SeqCst) {
            self.notices.push(Notice::Moved(Arc::clone(session)));
        }
    }

    /// Tells that the first packet came in on this inbound SA.
    pub(super) fn used(&self, session: &Arc<Session>, spi: EspSpi) {
        self.notices.push(Notice::Used {
            session: Arc::clone(session),
            spi,
        });
    }

    /// Tells that an SA has reached a limit, if it has.
    pub(super) fn wore(
        &self,
        session: &Arc<Session>,
        spi: EspSpi,
        direction: Direction,
        worn: Worn,
    ) {
        let (limit, hard) = match worn {
            Worn::No => return,
            Worn::Soft(limit) => (limit, false),
            Worn::Hard(limit) => (limit, true),
        };
        self.notices.push(Notice::Worn {
            session: Arc::clone(session),
            spi,
            direction,
            limit,
            hard,
        });
    }

    pub(super) fn install(&self, pair: &SaPair) -> Result<(), Error> {
        let inbound = Arc::new(InboundSa::new(&pair.inbound)?);
        let session = Arc::new(Session {
            id: pair.id,
            selectors: pair.selectors.clone(),
            follow_peer: pair.follow_peer,
            path: RwLock::new(pair.path),
            outbound: RwLock::new(Arc::new(OutboundSa::new(&pair.outbound)?)),
            replaced: RwLock::default(),
            received: Tally::default(),
            sent: Tally::default(),
            move_told: AtomicBool::new(false),
            removed: AtomicBool::new(false),
        });
        let state = &mut *write(&self.state);
        let Entry::Vacant(place) = state.sessions.entry(pair.id) else {
            return Err(Error::Exists(Object::Session(pair.id)));
        };
        let Entry::Vacant(inbound_place) = state.inbound.entry(inbound.spi()) else {
            return Err(Error::Exists(Object::Inbound(inbound.spi())));
        };
        place.insert((Arc::clone(&session), vec![inbound.spi()]));
        inbound_place.insert(Inbound {
            sa: inbound,
            session: Arc::clone(&session),
        });
        for prefix in &session.selectors.remote {
            if prefix.is_host() {
                state.hosts.insert(prefix.address(), Arc::clone(&session));
            } else {
                let of_length = state.networks.entry(Reverse(prefix.length()));
                of_length.or_default().insert(*prefix, Arc::clone(&session));
            }
        }
        Ok(())
    }

    pub(super) fn add_inbound(&self, id: SessionId, spec: &SaSpec) -> Result<(), Error> {
        let sa = Arc::new(InboundSa::successor(spec)?);
        let state = &mut *write(&self.state);
        let (session, spis) = state
            .sessions
            .get_mut(&id)
            .ok_or(Error::NoSuchSession(id))?;
        match state.inbound.entry(spec.spi) {
            Entry::Occupied(_) => Err(Error::Exists(Object::Inbound(spec.spi))),
            Entry::Vacant(place) => {
                spis.push(spec.spi);
                place.insert(Inbound {
                    sa,
                    session: Arc::clone(session),
                });
                Ok(())
            }
        }
    }

    pub(super) fn replace_outbound(&self, id: SessionId, spec: &SaSpec) -> Result<(), Error> {
        let sa = Arc::new(OutboundSa::new(spec)?);
        let session = self.session(id)?;
        let old = std::mem::replace(&mut *write(&session.outbound), sa);
        write(&session.replaced).push(old);
        Ok(())
    }

    pub(super) fn resume_outbound(&self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        let session = self.session(id)?;
        let replaced = &mut *write(&session.replaced);
        let at = replaced.iter().position(|sa| sa.spi() == spi);
        // The same one goes on, for its sequence numbers must; those that came after it are gone.
        let mut later = replaced.split_off(at.ok_or(Error::NoSuchSa { id, spi })?);
        *write(&session.outbound) = later.swap_remove(0);
        Ok(())
    }

    pub(super) fn remove_inbound(&self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        let state = &mut *write(&self.state);
        let (session, spis) = state
            .sessions
            .get_mut(&id)
            .ok_or(Error::NoSuchSession(id))?;
        let place = spis
            .iter()
            .position(|own| *own == spi)
            .ok_or(Error::NoSuchSa { id, spi })?;
        spis.swap_remove(place);
        let replaced = &mut *write(&session.replaced);
        let gone = replaced.len().saturating_sub(spis.len().saturating_sub(1));
        replaced.drain(..gone);
        state.inbound.remove(&spi);
        Ok(())
    }

    pub(super) fn move_peer(&self, id: SessionId, path: OuterPath) -> Result<(), Error> {
        *write(&self.session(id)?.path) = path;
        Ok(())
    }

    pub(super) fn remove(&self, id: SessionId) -> Result<Counters, Error> {
        let state = &mut *write(&self.state);
        let (session, spis) = state.sessions.remove(&id).ok_or(Error::NoSuchSession(id))?;
        session.removed.store(true, Ordering::Relaxed);
        for spi in spis {
            state.inbound.remove(&spi);
        }
        for prefix in &session.selectors.remote {
            // Another session may have taken it over since.
            if prefix.is_host() {
                if let Entry::Occupied(place) = state.hosts.entry(prefix.address())
                    && place.get().id == id
                {
                    place.remove();
                }
            } else if let Some(of_length) = state.networks.get_mut(&Reverse(prefix.length()))
                && of_length.get(prefix).is_some_and(|owner| owner.id == id)
            {
                of_length.remove(prefix);
            }
        }
        state.networks.retain(|_, of_length| !of_length.is_empty());
        Ok(session.counters())
    }

    pub(super) fn counters(&self, id: SessionId) -> Result<Counters, Error> {
        Ok(self.session(id)?.counters())
    }

    pub(super) fn all_counters(&self) -> HashMap<SessionId, Counters> {
        let state = read(&self.state);
        let sessions = state.sessions.iter();
        sessions
            .map(|(&id, (session, _))| (id, session.counters()))
            .collect()
    }

    /// Whether an SA is there, be it one that newer ones have replaced.
    pub(super) fn has(&self, id: SessionId, spi: EspSpi, direction: Direction) -> bool {
        match direction {
            Direction::Inbound => self
                .inbound(spi)
                .is_some_and(|inbound| inbound.session.id == id),
            Direction::Outbound => self.session(id).is_ok_and(|session| {
                session.outbound().spi() == spi
                    || read(&session.replaced).iter().any(|sa| sa.spi() == spi)
            }),
        }
    }

    /// A time limit of an SA has come; whether that is news: the SA is there and it was not told before.
    pub(super) fn reached_time(
        &self,
        id: SessionId,
        spi: EspSpi,
        direction: Direction,
        hard: bool,
    ) -> bool {
        let wore = |wear: &Wear| {
            if hard {
                wear.expire()
            } else {
                wear.tell_soft()
            }
        };
        match direction {
            Direction::Inbound => self
                .inbound(spi)
                .is_some_and(|inbound| inbound.session.id == id && wore(&inbound.sa.wear)),
            Direction::Outbound => self
                .session(id)
                .map(|session| session.outbound())
                .is_ok_and(|sa| sa.spi() == spi && wore(&sa.wear)),
        }
    }

    #[cfg(any(test, fuzzing))]
    #[allow(clippy::unwrap_used, reason = "tests end where an expectation fails")]
    pub(super) fn session_path(&self, id: SessionId) -> OuterPath {
        self.session(id).unwrap().path()
    }

    fn session(&self, id: SessionId) -> Result<Arc<Session>, Error> {
        read(&self.state)
            .sessions
            .get(&id)
            .map(|(session, _)| Arc::clone(session))
            .ok_or(Error::NoSuchSession(id))
    }
}
