//! The backend itself: two threads around a table, and the clock for lifetimes in seconds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::event::{Notice, Notices};
use super::open::InboundSa;
use super::receive::{Receiver, Sink};
use super::seal::OutboundSa;
use super::socket;
use super::table::Table;
use super::transmit::Transmitter;
use super::tun::Tun;
use crate::{
    Counters, Dataplane, Direction, DropCounts, Encapsulation, Error, EspAlgorithm, EspSpi, Event,
    Limit, Limits, Operation, OuterPath, SaKeys, SaPair, SaSpec, SessionId,
};

const START: Operation = Operation("start the userspace dataplane");

/// Userspace ESP: a [`Dataplane`] on a TUN device and the UDP sockets of port 4500.
///
/// Dropping it stops both threads and removes the device.
pub struct Userspace {
    table: Arc<Table>,
    tun: Arc<Tun>,
    stop: Arc<OwnedFd>,
    threads: Vec<JoinHandle<()>>,
    endpoints: Arc<[Endpoint]>,
    deadlines: Deadlines,
    /// Readable when notices are there or a deadline has come.
    wake: OwnedFd,
}

/// A socket of port 4500.
pub(super) struct Endpoint {
    pub(super) socket: UdpSocket,
    pub(super) port: u16,
    pub(super) ipv4: bool,
}

impl Userspace {
    /// Starts moving packets between `tun` and `sockets`, bound UDP sockets, one for each address family in use
    /// (an IPv6 one has to be IPv6 only). From now on this reads them; sending on clones of them is free to all.
    /// Messages for IKE go to `sink`.
    ///
    /// The sockets are told to report destination and traffic class, and to let outer packets be fragmented.
    ///
    /// # Errors
    /// [`Error::Misuse`] without a socket; [`Error::Io`] when one cannot be prepared or a thread not be started.
    pub fn start(sockets: Vec<UdpSocket>, tun: Tun, sink: Sink) -> Result<Self, Error> {
        if sockets.is_empty() {
            return Err(Error::Misuse("no UDP socket to receive ESP on"));
        }
        Self::start_threads(sockets, tun, sink).map_err(|error| Error::io(START, &error))
    }

    fn start_threads(sockets: Vec<UdpSocket>, tun: Tun, sink: Sink) -> io::Result<Self> {
        let mut endpoints = Vec::new();
        for socket in sockets {
            let local = socket.local_addr()?;
            socket::configure(socket.as_fd(), local)?;
            endpoints.push(Endpoint {
                socket,
                port: local.port(),
                ipv4: local.is_ipv4(),
            });
        }
        let endpoints: Arc<[Endpoint]> = endpoints.into();
        let table = Arc::new(Table::new(Notices::new()?));
        let tun = Arc::new(tun);
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let deadlines = Deadlines::new()?;
        let wake = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for source in [table.notices.as_fd(), deadlines.timer.as_fd()] {
            epoll::add(
                &wake,
                source,
                epoll::EventData::new_u64(0),
                epoll::EventFlags::IN,
            )?;
        }
        // From here on a failure stops what was started, by way of Drop.
        let mut engine = Self {
            table: Arc::clone(&table),
            tun: Arc::clone(&tun),
            stop: Arc::clone(&stop),
            threads: Vec::new(),
            endpoints: Arc::clone(&endpoints),
            deadlines,
            wake,
        };
        let receiver = Receiver::new(
            Arc::clone(&table),
            Arc::clone(&endpoints),
            Arc::clone(&tun),
            Arc::clone(&stop),
            sink,
        );
        let transmitter = Transmitter::new(table, endpoints, tun, stop);
        engine.spawn("esp-receive", move || receiver.run())?;
        engine.spawn("esp-transmit", move || transmitter.run())?;
        Ok(engine)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads
            .push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }

    /// Whether packets can take this path: UDP, from one of the sockets' families.
    fn check(&self, path: &OuterPath) -> Result<(), Error> {
        if path.encapsulation == Encapsulation::None {
            return Err(Error::Unsupported(
                "ESP without UDP encapsulation (userspace)".to_owned(),
            ));
        }
        if path.local.is_ipv4() != path.remote.is_ipv4() {
            return Err(Error::Misuse("outer addresses of different families"));
        }
        let fits = |endpoint: &Endpoint| endpoint.ipv4 == path.remote.is_ipv4();
        if self.endpoints.iter().any(fits) {
            Ok(())
        } else {
            Err(Error::Misuse("no UDP socket of the outer address family"))
        }
    }

    /// The device that inner packets pass; addresses and routes go onto it.
    #[must_use]
    pub fn tun(&self) -> &Tun {
        &self.tun
    }
}

impl Drop for Userspace {
    fn drop(&mut self) {
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        for thread in self.threads.drain(..) {
            // A panic was printed already, and there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}

impl Dataplane for Userspace {
    fn name(&self) -> &'static str {
        "userspace"
    }

    fn needs_udp_encapsulation(&self) -> bool {
        true
    }

    fn probe(&mut self, algorithm: EspAlgorithm) -> Result<(), Error> {
        // Any keys do: it is about whether the crypto provider has the algorithm.
        let keys = SaKeys::new(
            algorithm,
            &vec![0; algorithm.encryption_octets()],
            &vec![0; algorithm.integrity_octets()],
        )?;
        let spec = SaSpec {
            spi: EspSpi::LEAST,
            keys,
            esn: false,
            replay_window: crate::ReplayWindow::DEFAULT,
            soft: Limits::NONE,
            hard: Limits::NONE,
        };
        InboundSa::new(&spec)?;
        OutboundSa::new(&spec)?;
        Ok(())
    }

    fn install(&mut self, pair: &SaPair) -> Result<(), Error> {
        self.check(&pair.path)?;
        self.table.install(pair)?;
        self.deadlines
            .add(pair.id, &pair.inbound, Direction::Inbound, &self.table);
        self.deadlines
            .add(pair.id, &pair.outbound, Direction::Outbound, &self.table);
        Ok(())
    }

    fn add_inbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error> {
        self.table.add_inbound(id, sa)?;
        self.deadlines.add(id, sa, Direction::Inbound, &self.table);
        Ok(())
    }

    fn replace_outbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error> {
        self.table.replace_outbound(id, sa)?;
        self.deadlines.add(id, sa, Direction::Outbound, &self.table);
        Ok(())
    }

    fn resume_outbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        self.table.resume_outbound(id, spi)
    }

    fn remove_inbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error> {
        self.table.remove_inbound(id, spi)
    }

    fn move_peer(&mut self, id: SessionId, path: OuterPath) -> Result<(), Error> {
        self.check(&path)?;
        self.table.move_peer(id, path)
    }

    fn remove(&mut self, id: SessionId) -> Result<Counters, Error> {
        self.table.remove(id)
    }

    fn counters(&mut self, id: SessionId) -> Result<Counters, Error> {
        self.table.counters(id)
    }

    fn all_counters(&mut self) -> (HashMap<SessionId, Counters>, Option<Error>) {
        (self.table.all_counters(), None)
    }

    fn unmatched(&mut self) -> Result<DropCounts, Error> {
        Ok(self.table.unmatched.snapshot())
    }

    fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.deadlines.next_event(Instant::now(), &self.table) {
            return Some(event);
        }
        loop {
            match self.table.notices.pop()? {
                Notice::Moved(session) => {
                    if let Some(remote) = session.take_move()
                        && !session.is_removed()
                    {
                        return Some(Event::PeerMoved {
                            id: session.id(),
                            remote,
                        });
                    }
                }
                Notice::Used { session, spi } => {
                    if !session.is_removed() {
                        return Some(Event::InboundUsed {
                            id: session.id(),
                            spi,
                        });
                    }
                }
                Notice::Worn {
                    session,
                    spi,
                    direction,
                    limit,
                    hard,
                } => {
                    if !session.is_removed() {
                        return Some(expiry(session.id(), (spi, direction), limit, hard));
                    }
                }
            }
        }
    }

    fn event_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.wake.as_fd())
    }
}

const fn expiry(
    id: SessionId,
    (spi, direction): (EspSpi, Direction),
    limit: Limit,
    hard: bool,
) -> Event {
    if hard {
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
    }
}

/// Limits in seconds, soonest first. One of an SA that is gone is skipped when its time comes.
struct Deadlines {
    timer: OwnedFd,
    heap: BinaryHeap<Reverse<Deadline>>,
    /// With so many in the heap, those of SAs that are gone are thrown out.
    crowd: usize,
}

/// So many deadlines are no crowd.
const FEW: usize = 1_024;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Deadline {
    at: Instant,
    id: SessionId,
    spi: EspSpi,
    outbound: bool,
    hard: bool,
}

impl Deadline {
    const fn direction(&self) -> Direction {
        if self.outbound {
            Direction::Outbound
        } else {
            Direction::Inbound
        }
    }
}

impl Deadlines {
    fn new() -> io::Result<Self> {
        Ok(Self {
            timer: timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
            )?,
            heap: BinaryHeap::new(),
            crowd: FEW,
        })
    }

    fn add(&mut self, id: SessionId, sa: &SaSpec, direction: Direction, table: &Table) {
        // Of a peer that has its SAs replaced without a pause, more would be here than it has, for as long as they live at most.
        if self.heap.len() >= self.crowd {
            self.heap
                .retain(|Reverse(one)| table.has(one.id, one.spi, one.direction()));
            self.crowd = self.heap.len().saturating_mul(2).max(FEW);
        }
        let now = Instant::now();
        for (limits, hard) in [(sa.soft, false), (sa.hard, true)] {
            let at = limits
                .seconds
                .and_then(|seconds| now.checked_add(Duration::from_secs(seconds.get())));
            if let Some(at) = at {
                self.heap.push(Reverse(Deadline {
                    at,
                    id,
                    spi: sa.spi,
                    outbound: direction == Direction::Outbound,
                    hard,
                }));
            }
        }
        self.arm(now);
    }

    /// The event of the next deadline that `now` has reached and whose SA is still there.
    fn next_event(&mut self, now: Instant, table: &Table) -> Option<Event> {
        let mut reached = false;
        while let Some(Reverse(first)) = self.heap.peek()
            && first.at <= now
        {
            let Reverse(due) = self.heap.pop()?;
            reached = true;
            let direction = due.direction();
            if table.reached_time(due.id, due.spi, direction, due.hard) {
                return Some(expiry(
                    due.id,
                    (due.spi, direction),
                    Limit::Seconds,
                    due.hard,
                ));
            }
        }
        if reached {
            self.arm(now);
        }
        None
    }

    fn arm(&self, now: Instant) {
        let wait = self.heap.peek().map(|Reverse(first)| {
            // A wait of 0 would disarm it.
            first
                .at
                .saturating_duration_since(now)
                .max(Duration::from_nanos(1))
        });
        let wait = wait.unwrap_or_default();
        let zero = Timespec::default();
        let _ = timerfd_settime(
            &self.timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec {
                it_interval: zero,
                it_value: Timespec {
                    tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
                    tv_nsec: wait.subsec_nanos().into(),
                },
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::super::{
        event::Notices,
        tests_support::{GCM_256, pair, sa, session},
    };
    use super::*;

    #[test]
    fn limits_of_sas_that_are_gone_do_not_pile_up() {
        let limits = Limits {
            seconds: NonZeroU64::new(3_600),
            ..Limits::NONE
        };
        let table = Table::new(Notices::new().unwrap());
        let mut deadlines = Deadlines::new().unwrap();
        let mut own = pair(1, 0x1000, GCM_256);
        (own.outbound.soft, own.outbound.hard) = (limits, limits);
        let id = session(1);
        table.install(&own).unwrap();
        deadlines.add(id, &own.outbound, Direction::Outbound, &table);
        let mut last = None;
        for spi in 0x0001_0000..0x0001_4000 {
            let mut next = sa(spi, GCM_256);
            (next.soft, next.hard) = (limits, limits);
            table.add_inbound(id, &next).unwrap();
            deadlines.add(id, &next, Direction::Inbound, &table);
            if let Some(last) = last.replace(next.spi) {
                table.remove_inbound(id, last).unwrap();
            }
        }
        assert!(deadlines.heap.len() <= FEW, "{}", deadlines.heap.len());
        // What is there keeps its own, one that may be sent on again as well.
        let of = |deadlines: &Deadlines, spi| {
            let all = deadlines.heap.iter();
            all.filter(|Reverse(one)| one.spi == spi).count()
        };
        assert_eq!(of(&deadlines, own.outbound.spi), 2);
        assert_eq!(last.map(|spi| of(&deadlines, spi)), Some(2));
    }
}
