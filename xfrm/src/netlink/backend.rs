//! The kernel backend: sessions as SA pairs and policies of XFRM.
//!
//! Every operation is a list of kernel requests, each with its undoing; at an error those done are undone in reverse.
//! Which session holds a policy is remembered here, since the kernel's key for it (selector, direction, if_id) says
//! nothing about that: a client that reconnects with its address takes its policies over, and the removal of its old
//! session must then leave them alone.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use super::error::{KernelErrno, NetlinkError, absent_is_fine};
use super::monitor::{Monitor, Notice};
use super::owner::Owner;
use super::policy::{self, PolicyDirection, PolicyKey};
use super::probe;
use super::socket::{NetlinkSocket, Subsystem};
use super::state::{self, State, StateKey};
use super::statistics::Statistics;
use crate::{
    Counters, Dataplane, Direction, DropCounts, Encapsulation, Error, EspAlgorithm, EspSpi, Event,
    Object, Operation, OuterPath, SaPair, SaSpec, Selectors, SessionId, Traffic,
};

/// Settings of [`KernelDataplane`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelOptions {
    /// Value and mask of the mark that encrypted packets carry on their way out (XFRMA_SET_MARK, kernel 4.19), so
    /// that a routing rule can keep a full-tunnel client's own ESP out of its tunnel. `None`: no mark.
    pub output_mark: Option<(u32, u32)>,
}

/// ESP by the Linux kernel.
pub struct KernelDataplane {
    pub(super) socket: NetlinkSocket,
    /// Hears of deleted SAs while a session moves; in no group otherwise.
    pub(super) witness: NetlinkSocket,
    monitor: Monitor,
    statistics: Statistics,
    pub(super) owner: Owner,
    pub(super) options: KernelOptions,
    pub(super) sessions: HashMap<SessionId, Session>,
    inbound_spis: HashMap<EspSpi, SessionId>,
    pub(super) holders: HashMap<PolicyKey, SessionId>,
    events: VecDeque<Event>,
}

/// What is installed for one session.
pub(super) struct Session {
    pub(super) path: OuterPath,
    pub(super) selectors: Selectors,
    pub(super) if_id: u32,
    follow_peer: bool,
    pub(super) inbound: Vec<Installed>,
    pub(super) outbound: Installed,
    /// Outbound SAs that newer ones have replaced, the oldest first, until the inbound SA of their time goes: a packet that had chosen one of them, on
    /// another processor or in a queue, still leaves by it.
    pub(super) replaced: Vec<Installed>,
    /// What went through SAs that are gone.
    pub(super) past: Counters,
    /// The place that the last [`Event::PeerMoved`] named; until [`Dataplane::move_peer`], whatever comes of it, it is not
    /// named again.
    told: Option<SocketAddr>,
}

/// One SA, with the counters as last seen: what remains to be said when the kernel has removed it at a hard limit.
pub(super) struct Installed {
    pub(super) spec: SaSpec,
    seen: Traffic,
}

/// The undoing of one request.
enum Undo {
    DeleteState(StateKey),
    DeletePolicy(PolicyKey),
    /// The policy goes back to the session that held it.
    ReturnPolicy(PolicyKey, SessionId, OuterPath),
}

impl KernelDataplane {
    /// A backend for the network namespace that the calling thread is in. What it installs bears the marks of `owner`, and it
    /// hears of nobody else's SAs. It installs nothing yet; what an earlier process left behind is the business of
    /// [`super::cleanup()`].
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for a kernel without XFRM, [`Error::Denied`] without CAP_NET_ADMIN, [`Error::Io`].
    pub fn open(owner: Owner, options: KernelOptions) -> Result<Self, Error> {
        // All of them now: they have to be in the same network namespace, whatever thread calls later.
        let opened = || {
            Ok((
                NetlinkSocket::open(Subsystem::Xfrm)?,
                NetlinkSocket::open(Subsystem::Xfrm)?,
                Monitor::open(owner)?,
            ))
        };
        let (socket, witness, monitor) =
            opened().map_err(|error: NetlinkError| match error.errno() {
                Some(KernelErrno::EPROTONOSUPPORT) => {
                    Error::Unsupported("XFRM over netlink (CONFIG_XFRM_USER)".into())
                }
                _ => translate(Operation("open XFRM sockets"), error),
            })?;
        Ok(Self {
            socket,
            witness,
            monitor,
            statistics: Statistics::open(),
            owner,
            options,
            sessions: HashMap::new(),
            inbound_spis: HashMap::new(),
            holders: HashMap::new(),
            events: VecDeque::new(),
        })
    }

    pub(super) fn session(&self, id: SessionId) -> Result<&Session, Error> {
        self.sessions.get(&id).ok_or(Error::NoSuchSession(id))
    }

    pub(super) fn session_mut(&mut self, id: SessionId) -> Result<&mut Session, Error> {
        self.sessions.get_mut(&id).ok_or(Error::NoSuchSession(id))
    }

    /// The requests of [`Dataplane::install`], each noted in `done` once it has taken effect.
    fn install_all(
        &mut self,
        pair: &SaPair,
        keys: &[PolicyKey],
        done: &mut Vec<Undo>,
    ) -> Result<(), Error> {
        let if_id = interface(pair);
        let state = |direction, spec| State {
            reqid: self.owner.reqid(pair.id),
            direction,
            path: &pair.path,
            spec,
            if_id,
            output_mark: self.options.output_mark,
        };
        let (inbound, outbound) = (
            state(Direction::Inbound, &pair.inbound),
            state(Direction::Outbound, &pair.outbound),
        );

        self.socket.execute(inbound.add(None)).map_err(|error| {
            existing(
                error,
                Object::Inbound(pair.inbound.spi),
                Operation("add inbound SA"),
                pair.inbound.keys.algorithm(),
            )
        })?;
        done.push(Undo::DeleteState(inbound.key()));

        for key in keys {
            self.claim_policy(key, pair.id, &pair.path, done)?;
        }

        // Last, so that nothing leaves before its answer could be read.
        self.socket.execute(outbound.add(None)).map_err(|error| {
            existing(
                error,
                Object::Outbound(pair.outbound.spi),
                Operation("add outbound SA"),
                pair.outbound.keys.algorithm(),
            )
        })?;
        done.push(Undo::DeleteState(outbound.key()));
        Ok(())
    }

    /// Adds a policy, or takes it over from the session of ours that holds it.
    fn claim_policy(
        &mut self,
        key: &PolicyKey,
        id: SessionId,
        path: &OuterPath,
        done: &mut Vec<Undo>,
    ) -> Result<(), Error> {
        let holder = self.holders.get(key).copied();
        let former = holder.and_then(|holder| Some((holder, self.sessions.get(&holder)?.path)));
        match former {
            Some((holder, held_path)) => {
                self.socket
                    .execute(policy::replace(key, self.owner.reqid(id), path))
                    .map_err(|error| translate(Operation("replace policy"), error))?;
                done.push(Undo::ReturnPolicy(*key, holder, held_path));
            }
            None => {
                self.socket
                    .execute(policy::add(key, self.owner.reqid(id), path))
                    .map_err(|error| {
                        if error.is_present() {
                            Error::Exists(Object::Policy)
                        } else {
                            translate(Operation("add policy"), error)
                        }
                    })?;
                done.push(Undo::DeletePolicy(*key));
            }
        }
        self.holders.insert(*key, id);
        Ok(())
    }

    /// Undoes what was done, last first. What cannot be undone any more is left to [`super::cleanup()`]: the error
    /// that led here is the one to report.
    fn undo(&mut self, done: Vec<Undo>) {
        for step in done.into_iter().rev() {
            match step {
                Undo::DeleteState(key) => {
                    let _ = self.socket.execute(state::delete(key));
                }
                Undo::DeletePolicy(key) => {
                    self.holders.remove(&key);
                    let _ = self.socket.execute(policy::delete(&key));
                }
                Undo::ReturnPolicy(key, holder, path) => {
                    self.holders.insert(key, holder);
                    let reqid = self.owner.reqid(holder);
                    let _ = self.socket.execute(policy::replace(&key, reqid, &path));
                }
            }
        }
    }

    /// What an SA has carried: from the kernel, or as last seen when the kernel has it no more.
    fn traffic(&mut self, key: StateKey, seen: Traffic) -> Result<Traffic, Error> {
        let progress = state::read(&mut self.socket, key)
            .map_err(|error| translate(Operation("read SA counters"), error))?;
        Ok(progress.map_or(seen, |progress| progress.traffic()))
    }

    /// Deletes an SA and says what it has carried.
    fn retire(&mut self, key: StateKey, seen: Traffic) -> Result<Traffic, Error> {
        let traffic = self.traffic(key, seen)?;
        absent_is_fine(self.socket.execute(state::delete(key)))
            .map_err(|error| translate(Operation("delete SA"), error))?;
        Ok(traffic)
    }

    /// Takes away the oldest of the outbound SAs that others have replaced, until at most `kept` are left.
    fn retire_replaced(&mut self, id: SessionId, kept: usize) -> Result<(), Error> {
        loop {
            let session = self.session(id)?;
            let oldest = session.replaced.first();
            let Some(sa) = oldest.filter(|_| session.replaced.len() > kept) else {
                return Ok(());
            };
            let (key, seen) = (session.key(Direction::Outbound, sa), sa.seen);
            let carried = self.retire(key, seen)?;
            let session = self.session_mut(id)?;
            session.replaced.remove(0);
            add(&mut session.past.outbound, &carried);
        }
    }

    /// The policies that a session holds.
    pub(super) fn held_policies(&self, id: SessionId) -> Result<Vec<PolicyKey>, Error> {
        let session = self.session(id)?;
        Ok(PolicyKey::of(&session.selectors, session.if_id)
            .into_iter()
            .filter(|key| self.holders.get(key) == Some(&id))
            .collect())
    }

    /// Brings the stored counters of a session up to date with the kernel's.
    fn refresh(&mut self, id: SessionId) -> Result<Counters, Error> {
        let session = self.session(id)?;
        let mut sum = session.past;
        let known: Vec<_> = session
            .installed()
            .map(|(direction, sa)| (direction, session.key(direction, sa), sa.seen))
            .collect();

        let mut seen = Vec::with_capacity(known.len());
        for (direction, key, before) in known {
            let traffic = self.traffic(key, before)?;
            match direction {
                Direction::Inbound => add(&mut sum.inbound, &traffic),
                Direction::Outbound => add(&mut sum.outbound, &traffic),
            }
            seen.push(traffic);
        }

        let session = self.session_mut(id)?;
        for ((_, sa), traffic) in session.installed_mut().zip(seen) {
            sa.seen = traffic;
        }
        Ok(sum)
    }

    /// Turns what the kernel told into an event, unless it is nothing new.
    fn notice(&mut self, notice: Notice) -> Option<Event> {
        match notice {
            Notice::Expired {
                id,
                key,
                limit,
                hard,
                traffic,
            } => {
                let session = self.sessions.get_mut(&id)?;
                let path = session.path;
                let (direction, sa) = session
                    .installed_mut()
                    .find(|(direction, sa)| key_of(&path, *direction, sa) == key)?;
                // The notice does not carry the discards.
                sa.seen = Traffic {
                    drops: sa.seen.drops,
                    ..traffic
                };
                let spi = key.spi;
                if session.replaced.iter().any(|sa| sa.spec.spi == spi)
                    && direction == Direction::Outbound
                {
                    // It has a successor, and goes in a moment anyway.
                    return None;
                }
                Some(if hard {
                    Event::HardExpired {
                        id,
                        spi,
                        direction,
                        limit,
                    }
                } else {
                    Event::SoftExpired {
                        id,
                        spi,
                        direction,
                        limit,
                    }
                })
            }
            Notice::Moved { id, key, remote } => {
                let session = self.sessions.get_mut(&id)?;
                let known = session.inbound.iter().any(|sa| sa.spec.spi == key.spi)
                    && session.path.local == key.destination;
                let news =
                    session.told != Some(remote) && session.path.remote_udp() != Some(remote);
                if !(session.follow_peer && known && news) {
                    return None;
                }
                session.told = Some(remote);
                Some(Event::PeerMoved { id, remote })
            }
        }
    }
}

impl Dataplane for KernelDataplane {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn needs_udp_encapsulation(&self) -> bool {
        false
    }

    fn probe(&mut self, algorithm: EspAlgorithm) -> Result<(), Error> {
        probe::whole_sa(&mut self.socket, self.owner, algorithm)
    }

    fn install(&mut self, pair: &SaPair) -> Result<(), Error> {
        if self.sessions.contains_key(&pair.id) {
            return Err(Error::Exists(Object::Session(pair.id)));
        }
        if self.inbound_spis.contains_key(&pair.inbound.spi) {
            return Err(Error::Exists(Object::Inbound(pair.inbound.spi)));
        }
        usable(&pair.path)?;
        let keys = PolicyKey::of(&pair.selectors, interface(pair));
        if keys.is_empty() {
            return Err(Error::Misuse(
                "no local and remote selector of one address family",
            ));
        }
        let mut done = Vec::with_capacity(keys.len().saturating_add(2));
        if let Err(error) = self.install_all(pair, &keys, &mut done) {
            self.undo(done);
            return Err(error);
        }
        self.inbound_spis.insert(pair.inbound.spi, pair.id);
        self.sessions.insert(
            pair.id,
            Session {
                path: pair.path,
                selectors: pair.selectors.clone(),
                if_id: interface(pair),
                follow_peer: pair.follow_peer,
                inbound: vec![Installed::new(&pair.inbound)],
                outbound: Installed::new(&pair.outbound),
                replaced: Vec::new(),
                past: Counters::default(),
                told: None,
            },
        );
        Ok(())
    }

    fn add_inbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error> {
        let output_mark = self.options.output_mark;
        let session = self.session(id)?;
        if self.inbound_spis.contains_key(&sa.spi) {
            return Err(Error::Exists(Object::Inbound(sa.spi)));
        }
        let state = State {
            reqid: self.owner.reqid(id),
            direction: Direction::Inbound,
            path: &session.path,
            spec: sa,
            if_id: session.if_id,
            output_mark,
        };
        let request = state.add(None);
        self.socket.execute(request).map_err(|error| {
            existing(
                error,
                Object::Inbound(sa.spi),
                Operation("add inbound SA"),
                sa.keys.algorithm(),
            )
        })?;
        self.inbound_spis.insert(sa.spi, id);
        self.session_mut(id)?.inbound.push(Installed::new(sa));
        Ok(())
    }

    fn replace_outbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error> {
        let output_mark = self.options.output_mark;
        let session = self.session(id)?;
        let state = State {
            reqid: self.owner.reqid(id),
            direction: Direction::Outbound,
            path: &session.path,
            spec: sa,
            if_id: session.if_id,
            output_mark,
        };
        let (request, new) = (state.add(None), state.key());
        let path = session.path;
        let keys = self.held_policies(id)?;
        self.socket.execute(request).map_err(|error| {
            existing(
                error,
                Object::Outbound(sa.spi),
                Operation("add outbound SA"),
                sa.keys.algorithm(),
            )
        })?;
        // The kernel prefers the newest SA of the reqid. Since 6.13 a policy remembers the SA that it used, and prefers that for
        // as long as it lives; a policy set anew remembers nothing.
        let reqid = self.owner.reqid(id);
        for key in keys
            .iter()
            .filter(|key| key.direction == PolicyDirection::Out)
        {
            if let Err(error) = self.socket.execute(policy::replace(key, reqid, &path)) {
                let _ = self.socket.execute(state::delete(new));
                return Err(translate(Operation("replace policy"), error));
            }
        }
        let session = self.session_mut(id)?;
        let old = std::mem::replace(&mut session.outbound, Installed::new(sa));
        session.replaced.push(old);
        Ok(())
    }

    fn resume_outbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        let session = self.session(id)?;
        if session.replaced.iter().all(|sa| sa.spec.spi != spi) {
            return Err(Error::NoSuchSa { id, spi });
        }
        let resumed = StateKey {
            destination: session.path.remote,
            spi,
        };
        // It may have reached a hard limit meanwhile, which was not told of one that has a successor.
        let there = state::read(&mut self.socket, resumed)
            .map_err(|error| translate(Operation("read SA"), error))?;
        if there.is_none() {
            return Err(Error::NoSuchSa { id, spi });
        }
        // The kernel sends on the newest that is left: those that came after it go.
        while self.session(id)?.outbound.spec.spi != spi {
            let session = self.session(id)?;
            let newest = &session.outbound;
            let (key, seen) = (session.key(Direction::Outbound, newest), newest.seen);
            let carried = self.retire(key, seen)?;
            let session = self.session_mut(id)?;
            let before = session.replaced.pop();
            session.outbound = before.ok_or(Error::NoSuchSa { id, spi })?;
            add(&mut session.past.outbound, &carried);
        }
        Ok(())
    }

    fn remove_inbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        let session = self.session(id)?;
        let destination = session.path.local;
        let (position, seen) = session
            .inbound
            .iter()
            .enumerate()
            .find(|(_, sa)| sa.spec.spi == spi)
            .map(|(position, sa)| (position, sa.seen))
            .ok_or(Error::NoSuchSa { id, spi })?;
        let carried = self.retire(StateKey { destination, spi }, seen)?;
        self.inbound_spis.remove(&spi);
        let session = self.session_mut(id)?;
        session.inbound.remove(position);
        add(&mut session.past.inbound, &carried);
        // Those that still receive may be sent on again but for the one in use.
        let kept = session.inbound.len().saturating_sub(1);
        self.retire_replaced(id, kept)
    }

    fn move_peer(&mut self, id: SessionId, path: OuterPath) -> Result<(), Error> {
        let session = self.session_mut(id)?;
        // Whether it succeeds or not: a place that we could not go to is news when the kernel names it again, a second or two later.
        session.told = None;
        let current = session.path;
        usable(&path)?;
        if path != current {
            let in_place = path.local == current.local
                && path.remote == current.remote
                && matches!(
                    (path.encapsulation, current.encapsulation),
                    (Encapsulation::Udp { .. }, Encapsulation::Udp { .. })
                );
            if in_place {
                self.move_ports(id, &path)?;
            } else {
                self.move_addresses(id, &path)?;
            }
        }
        self.session_mut(id)?.path = path;
        Ok(())
    }

    fn remove(&mut self, id: SessionId) -> Result<Counters, Error> {
        // An SA whose counters cannot be read has to go all the same.
        let counters = match self.refresh(id) {
            Ok(counters) => counters,
            Err(_) => self.session(id)?.last_seen(),
        };
        let session = self.session(id)?;
        let (mut inbound, mut outbound) = (Vec::new(), Vec::new());
        for (direction, sa) in session.installed() {
            match direction {
                Direction::Inbound => inbound.push(session.key(direction, sa)),
                Direction::Outbound => outbound.push(session.key(direction, sa)),
            }
        }
        let keys = self.held_policies(id)?;

        // Everything is tried even after a failure, and the session stays known then, so that it can be tried again.
        let mut result = Ok(());
        let mut note = |outcome: Result<bool, NetlinkError>, operation| {
            if let (Ok(()), Err(error)) = (&result, outcome) {
                result = Err(translate(Operation(operation), error));
            }
        };
        for key in outbound {
            note(
                absent_is_fine(self.socket.execute(state::delete(key))),
                "delete SA",
            );
        }
        for key in keys.iter().rev() {
            let outcome = absent_is_fine(self.socket.execute(policy::delete(key)));
            if outcome.is_ok() {
                self.holders.remove(key);
            }
            note(outcome, "delete policy");
        }
        for key in &inbound {
            note(
                absent_is_fine(self.socket.execute(state::delete(*key))),
                "delete SA",
            );
        }
        result?;
        for key in &inbound {
            self.inbound_spis.remove(&key.spi);
        }
        self.sessions.remove(&id);
        Ok(counters)
    }

    fn counters(&mut self, id: SessionId) -> Result<Counters, Error> {
        self.refresh(id)
    }

    fn all_counters(&mut self) -> (HashMap<SessionId, Counters>, Option<Error>) {
        let (carried, error) = match state::list_ours(&mut self.socket, self.owner) {
            Ok(carried) => (carried, None),
            // A sum that went back would be taken for a start anew.
            Err(error) => (Vec::new(), Some(translate(Operation("list SAs"), error))),
        };
        let carried: HashMap<StateKey, Traffic> = carried.into_iter().collect();
        let mut all = HashMap::with_capacity(self.sessions.len());
        for (&id, session) in &mut self.sessions {
            let (path, mut sum) = (session.path, session.past);
            for (direction, sa) in session.installed_mut() {
                // One that is gone has carried what was last seen.
                if let Some(&traffic) = carried.get(&key_of(&path, direction, sa)) {
                    sa.seen = traffic;
                }
                match direction {
                    Direction::Inbound => add(&mut sum.inbound, &sa.seen),
                    Direction::Outbound => add(&mut sum.outbound, &sa.seen),
                }
            }
            all.insert(id, sum);
        }
        (all, error)
    }

    fn unmatched(&mut self) -> Result<DropCounts, Error> {
        self.statistics
            .read()
            .map_err(|error| Error::io(Operation("read xfrm_stat"), &error))
    }

    fn poll_event(&mut self) -> Option<Event> {
        // Everything that waits is read first: a peer that moved on is then told of once, with its newest place.
        while let Some(notice) = self.monitor.poll() {
            let Some(event) = self.notice(notice) else {
                continue;
            };
            if let Event::PeerMoved { id: moved, .. } = event {
                self.events.retain(
                    |earlier| !matches!(earlier, Event::PeerMoved { id, .. } if *id == moved),
                );
            }
            self.events.push_back(event);
        }
        self.events.pop_front()
    }

    fn event_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.monitor.as_fd())
    }
}

impl Session {
    /// Its SAs, outbound ones first: the order in which they are taken away, so that nothing leaves whose answer could not be read.
    pub(super) fn installed(&self) -> impl Iterator<Item = (Direction, &Installed)> {
        let outbound = self.replaced.iter().chain([&self.outbound]);
        outbound
            .map(|sa| (Direction::Outbound, sa))
            .chain(self.inbound.iter().map(|sa| (Direction::Inbound, sa)))
    }

    /// What had gone through when that was last looked at.
    fn last_seen(&self) -> Counters {
        let mut sum = self.past;
        for (direction, sa) in self.installed() {
            match direction {
                Direction::Inbound => add(&mut sum.inbound, &sa.seen),
                Direction::Outbound => add(&mut sum.outbound, &sa.seen),
            }
        }
        sum
    }

    /// As [`Self::installed`], in the same order.
    fn installed_mut(&mut self) -> impl Iterator<Item = (Direction, &mut Installed)> {
        let outbound = self.replaced.iter_mut().chain([&mut self.outbound]);
        outbound
            .map(|sa| (Direction::Outbound, sa))
            .chain(self.inbound.iter_mut().map(|sa| (Direction::Inbound, sa)))
    }

    /// What the kernel knows one of its SAs by.
    fn key(&self, direction: Direction, sa: &Installed) -> StateKey {
        key_of(&self.path, direction, sa)
    }
}

fn key_of(path: &OuterPath, direction: Direction, sa: &Installed) -> StateKey {
    StateKey {
        destination: match direction {
            Direction::Inbound => path.local,
            Direction::Outbound => path.remote,
        },
        spi: sa.spec.spi,
    }
}

impl Installed {
    fn new(spec: &SaSpec) -> Self {
        Self {
            spec: spec.clone(),
            seen: Traffic::default(),
        }
    }
}

fn interface(pair: &SaPair) -> u32 {
    pair.if_id.map_or(0, std::num::NonZeroU32::get)
}

fn usable(path: &OuterPath) -> Result<(), Error> {
    if path.local.is_ipv4() != path.remote.is_ipv4() {
        return Err(Error::Misuse("outer addresses of different families"));
    }
    if path.local.is_unspecified() || path.remote.is_unspecified() {
        return Err(Error::Misuse("an outer address is not specified"));
    }
    Ok(())
}

fn add(sum: &mut Traffic, more: &Traffic) {
    sum.packets = sum.packets.saturating_add(more.packets);
    sum.bytes = sum.bytes.saturating_add(more.bytes);
    sum.drops.merge(&more.drops);
}

/// An error of adding an SA: the object that stood in the way, the algorithm that is missing, or the rest.
fn existing(
    error: NetlinkError,
    object: Object,
    operation: Operation,
    algorithm: EspAlgorithm,
) -> Error {
    if error.is_present() {
        return Error::Exists(object);
    }
    probe::missing(&error, algorithm)
        .map_or_else(|| translate(operation, error), Error::Unsupported)
}

/// The same error in the words of the seam.
pub(crate) fn translate(operation: Operation, error: NetlinkError) -> Error {
    match error {
        NetlinkError::Refused {
            errno: KernelErrno::EPERM,
            ..
        }
        | NetlinkError::System {
            errno: KernelErrno::EPERM,
            ..
        } => Error::Denied(operation),
        NetlinkError::Refused { errno, reason, .. } => Error::Kernel {
            operation,
            errno: errno.0,
            detail: reason,
        },
        NetlinkError::System { errno, .. } => Error::Io {
            operation,
            errno: Some(errno.0),
        },
        NetlinkError::TimedOut { .. } => Error::Io {
            operation,
            errno: Some(KernelErrno::ETIMEDOUT.0),
        },
        NetlinkError::Unanswered { why, .. } => translate(operation, *why),
        NetlinkError::Malformed { what, .. } | NetlinkError::Unusable { what, .. } => {
            Error::Answer {
                operation,
                detail: what,
            }
        }
        NetlinkError::Inconsistent { .. } => Error::Answer {
            operation,
            detail: "the table changed during every attempt to list it".into(),
        },
    }
}
