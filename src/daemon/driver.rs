//! The loop: datagrams, deadlines, answers and commands go into the core, and what it puts out is
//! carried out until it says when it wants to be called again.

use std::{collections::VecDeque, net::SocketAddr, os::fd::OwnedFd, time::Duration};

use ironflex_ikev2::{
    Endpoint, Input, Output,
    crypto::keys::Role,
    event::{Answer, AskId, CloseReason, Command, Discard, Event, Instant, SaId, Trace, Transmit},
    view::SaView,
    wire::{header::Header, registry::ExchangeType},
};
use ironflex_xfrm::{Direction, Limit};
use tokio::{
    io::unix::AsyncFd,
    sync::{mpsc, oneshot},
};

use super::{
    configure,
    control::shells::Shells,
    counters::ClearedCounters,
    init_queue::{InitQueue, Refused},
    log::{Step, Watched, Why, words_of},
    processor::Processor,
    service_manager::ServiceManager,
    session::{Deletion, Session},
    statistics::{self, Standing},
    work::House,
};
use crate::{
    cli::debug_words::Place,
    clock::{Clock, sleep},
    keylog::KeyLogWriter,
    lifetimes::has_events,
    metrics::Metric,
    statistics::Statistics,
    transport::{Handed, Transport},
};

/// Datagrams taken from one socket, and events from the dataplane, before others have their turn.
const BURST: usize = 64;

/// How long the deletes of a shutdown may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long a peer that is there may take to acknowledge one.
const PROMPTLY: Duration = Duration::from_secs(1);

/// How many peers are named that are waited for.
const NAMED: usize = 3;

/// What an SA's messages are known by.
const fn place(view: &SaView<'_>) -> Place {
    Place {
        initiator_spi: view.initiator_spi.get(),
        responder_spi: view.responder_spi.get(),
        initiator: matches!(view.role, Role::Initiator),
        message_id: view.next_expected.saturating_sub(1),
    }
}

/// What comes from the control socket.
pub enum Request {
    /// A line and where its answer goes.
    Exec {
        /// The command line.
        line: String,
        /// Who typed it.
        person: configure::Person,
        /// What becomes of a file on `bootflash:` that it would replace.
        present: super::bootflash::Present,
        /// What came of it.
        reply: oneshot::Sender<super::control::Outcome>,
    },
    /// Something for the configuration, and where the answer goes.
    Configure(
        configure::Ask,
        oneshot::Sender<Result<configure::Answer, String>>,
    ),
    /// What the headend is called.
    Hostname(oneshot::Sender<String>),
    /// A terminal that takes lines of the log, and where it is said that it has them from here on.
    Monitor(
        configure::Person,
        mpsc::Sender<String>,
        Watched,
        oneshot::Sender<()>,
    ),
}

/// The headend at work.
pub struct Driver {
    /// The core.
    pub endpoint: Endpoint,
    /// Everything that is not IKE.
    pub house: House,
    /// The sockets.
    pub transport: Transport,
    /// The clock of both.
    pub clock: Clock,
    /// Requests for a new SA that wait for their turn.
    pub first_requests: InitQueue,
    /// Readable when the dataplane has new events.
    pub dataplane: Option<AsyncFd<OwnedFd>>,
    /// The dataplane may have more events, of which it does not say so again.
    pub dataplane_waits: bool,
    /// `debug crypto ikev2 keylog`.
    pub key_log: Option<KeyLogWriter>,
    /// What had been counted at the last `clear crypto ikev2 stats`.
    pub cleared: Statistics,
    /// The same at the last `clear counters`.
    pub cleared_counters: ClearedCounters,
    /// What the machine has done lately.
    pub processor: Processor,
    /// The shells that are open.
    pub shells: Shells,
}

/// How long requests for new SAs are served before what belongs to an SA has its turn.
const INIT_SHARE: Duration = Duration::from_millis(2);

/// What ended a turn of waiting.
enum Woken {
    Readable(usize),
    Handed(Handed),
    Request(Request),
    Dataplane,
    Deadline,
    FirstRequests,
    Watched,
    Stop,
}

impl Driver {
    /// Serves until `stop` says something or is closed.
    pub async fn serve(
        &mut self,
        handed: &mut mpsc::Receiver<Handed>,
        mut requests: mpsc::Receiver<Request>,
        stop: &mut mpsc::Receiver<()>,
        manager: &mut ServiceManager,
    ) {
        let mut deadline = self.drain();
        loop {
            let due = [deadline, self.house.due()].into_iter().flatten().min();
            let wait = due.map(|instant| self.clock.until(instant));
            let woken = {
                let readable = self.transport.readable();
                let dataplane = has_events(self.dataplane.as_ref());
                tokio::select! {
                    _ = stop.recv() => Woken::Stop,
                    index = readable => Woken::Readable(index),
                    Some(one) = handed.recv() => Woken::Handed(one),
                    Some(one) = requests.recv() => Woken::Request(one),
                    () = dataplane => Woken::Dataplane,
                    () = std::future::ready(()), if self.dataplane_waits => Woken::Dataplane,
                    () = std::future::ready(()), if !self.first_requests.is_empty() => Woken::FirstRequests,
                    () = sleep(wait) => Woken::Deadline,
                    () = manager.watches() => Woken::Watched,
                }
            };
            deadline = match woken {
                Woken::Readable(index) => {
                    self.read(index);
                    self.serve_first_requests();
                    // However fast datagrams come, deadlines, commands and signals have their turn.
                    tokio::task::yield_now().await;
                    self.keep_time()
                }
                Woken::Handed(one) => {
                    self.take(&one);
                    self.drain()
                }
                Woken::FirstRequests => {
                    self.serve_first_requests();
                    // This is always ready: sockets, timers and other tasks are looked at in between.
                    tokio::task::yield_now().await;
                    self.keep_time()
                }
                // Nobody waits for it any more.
                Woken::Request(Request::Exec { reply, .. }) if reply.is_closed() => self.drain(),
                Woken::Request(Request::Exec {
                    line,
                    person,
                    present,
                    reply,
                }) => {
                    let answer = super::control::execute(self, &line, person, present);
                    // Who asked may be gone.
                    let _ = reply.send(answer);
                    self.drain()
                }
                Woken::Request(Request::Configure(ask, reply)) => {
                    let answer = self.configure(ask);
                    // Who began and did not hear of it does not end it either.
                    if let Err(Ok(configure::Answer::Begun(id))) = reply.send(answer) {
                        let _ = self.configure(configure::Ask::End(id));
                    }
                    self.drain()
                }
                Woken::Request(Request::Hostname(reply)) => {
                    // Who asked may be gone.
                    let _ = reply.send(self.house.plan.snapshot.hostname.to_string());
                    self.drain()
                }
                Woken::Request(Request::Monitor(person, lines, wanted, reply)) => {
                    self.watch_log(person, lines, wanted);
                    // Who asked may be gone.
                    let _ = reply.send(());
                    self.drain()
                }
                Woken::Dataplane => {
                    self.dataplane_events();
                    // With a peer that comes from another port with each packet this is always ready.
                    tokio::task::yield_now().await;
                    self.keep_time()
                }
                Woken::Deadline => self.keep_time(),
                Woken::Watched => {
                    manager.alive();
                    deadline
                }
                Woken::Stop => return,
            };
        }
    }

    /// Deletes every SA towards its peer and waits a little for the acknowledgements, but not if `stop` speaks again.
    /// What sessions hold is released in either case.
    pub async fn farewell(
        &mut self,
        handed: &mut mpsc::Receiver<Handed>,
        stop: &mut mpsc::Receiver<()>,
    ) {
        for _ in 0..self.first_requests.close() {
            let tally = &mut self.house.tally;
            tally.count_of(Metric::Discarded, Refused::Stopping.name());
        }
        let all: Vec<SaId> = self.endpoint.views().map(|view| view.id).collect();
        let standing = statistics::standing(&self.endpoint);
        self.house
            .log
            .info(format_args!("stopping: {}", parting(&standing)));
        for id in all {
            self.house.note_deletion(id, Deletion::AtStop);
            self.command(Command::Delete(id));
        }
        let begun = self.clock.now();
        let end = begun.after(FAREWELL);
        let mut mention = Some(begun.after(PROMPTLY));
        while self.endpoint.views().any(|view| view.closing) {
            let left = self.clock.until(end);
            if left.is_zero() {
                break;
            }
            let clock = &self.clock;
            if mention.take_if(|due| clock.until(*due).is_zero()).is_some() {
                self.mention_waiting(left);
            }
            let readable = self.transport.readable();
            tokio::select! {
                Some(()) = stop.recv() => break,
                index = readable => self.read(index),
                Some(one) = handed.recv() => self.take(&one),
                () = tokio::time::sleep(left.min(Duration::from_millis(200))) => {
                    self.endpoint.handle(self.clock.now(), Input::Timeout);
                }
            }
            self.drain();
        }
        let left: Vec<SaId> = self.house.sessions.iter().map(|(sa, _)| sa).collect();
        for sa in left {
            self.house.release(sa);
        }
    }

    /// Says whose acknowledgement is waited for, and how long at most.
    fn mention_waiting(&self, left: Duration) {
        let awaited = self.endpoint.views().filter(|view| view.closing);
        let peers: Vec<SocketAddr> = awaited.map(|view| view.path.remote).collect();
        let named: Vec<String> = peers
            .iter()
            .take(NAMED)
            .map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string())
            .collect();
        let more = match peers.len().saturating_sub(named.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.house.log.info(format_args!(
            "stopping: waiting up to {} s more for the answer of {}{more}",
            left.as_secs_f64().ceil(),
            named.join(", ")
        ));
    }

    /// Takes what waits at a socket, up to a bound.
    fn read(&mut self, index: usize) {
        for _ in 0..BURST {
            match self.transport.receive(index) {
                Ok(Some((path, octets))) if goes_on(octets) => {
                    let now = self.clock.now();
                    self.endpoint.handle(now, Input::Datagram(path, octets));
                }
                Ok(Some((path, octets))) => {
                    if let Err(refused) = self.first_requests.push(path, octets) {
                        let tally = &mut self.house.tally;
                        tally.count_of(Metric::Discarded, refused.name());
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.house.log.trouble(&error);
                    break;
                }
            }
            self.drain();
        }
    }

    /// Takes what the dataplane took from port 4500.
    fn take(&mut self, one: &Handed) {
        if goes_on(&one.octets) {
            let now = self.clock.now();
            self.endpoint
                .handle(now, Input::Datagram(one.path, &one.octets));
        } else if let Err(refused) = self.first_requests.push(one.path, &one.octets) {
            let tally = &mut self.house.tally;
            tally.count_of(Metric::Discarded, refused.name());
        }
    }

    /// Serves those who want a new SA, for a short while.
    fn serve_first_requests(&mut self) {
        let end = self.clock.now().after(INIT_SHARE);
        while let Some((path, octets)) = self.first_requests.pop() {
            let now = self.clock.now();
            self.endpoint.handle(now, Input::Datagram(path, &octets));
            self.drain_after(Some(&octets));
            if self.clock.now() >= end {
                break;
            }
        }
    }

    /// Does what is due by now, in the house and in the core.
    fn keep_time(&mut self) -> Option<Instant> {
        let now = self.clock.now();
        self.keep_configuring(now);
        for sa in self.house.keep_time(now) {
            self.command(Command::Delete(sa));
        }
        self.endpoint.handle(now, Input::Timeout);
        self.drain()
    }

    /// Takes a few events of the dataplane.
    fn dataplane_events(&mut self) {
        self.dataplane_waits = true;
        for _ in 0..BURST {
            let Some(event) = self.house.dataplane.poll_event() else {
                self.dataplane_waits = false;
                break;
            };
            match event {
                ironflex_xfrm::Event::PeerMoved { id, remote } => {
                    self.house.esp_moved(id, remote);
                }
                ironflex_xfrm::Event::InboundUsed { id, .. } => {
                    if let Some(command) = self.house.worn(id, &event) {
                        self.command(command);
                    }
                }
                ironflex_xfrm::Event::SoftExpired {
                    id,
                    direction,
                    limit,
                    ..
                } => {
                    if let Some(command) = self.house.worn(id, &event) {
                        // Both SAs of a pair are of one age, and the inbound one is never the younger.
                        let is_news = limit != Limit::Seconds || direction == Direction::Inbound;
                        if is_news && self.house.is_in_use(&command) {
                            self.house.tell_rekeying(&command, Why::Limit(limit));
                        }
                        self.command(command);
                    }
                }
                ironflex_xfrm::Event::HardExpired { id, spi, limit, .. } => {
                    if let Some(command) = self.house.worn(id, &event) {
                        // One that has been replaced comes to its end too while it still receives.
                        if self.house.is_in_use(&command) {
                            let limit = words_of(limit);
                            self.house
                                .log
                                .warning(format_args!("SA {spi} of {id} has expired: {limit}"));
                        }
                        self.command(command);
                    }
                }
                _ => {}
            }
        }
    }

    /// The operator wants this rekeying.
    pub(super) fn rekey(&mut self, command: Command) {
        self.house.tell_rekeying(&command, Why::Operator);
        self.command(command);
    }

    /// Gives the core a command and carries out what follows.
    pub fn command(&mut self, command: Command) {
        self.endpoint
            .handle(self.clock.now(), Input::Command(command));
        self.drain();
    }

    /// Carries out every output. Returns when the core wants to be called again.
    fn drain(&mut self) -> Option<Instant> {
        self.drain_after(None)
    }

    /// The same after a request for a new SA.
    fn drain_after(&mut self, first_request: Option<&[u8]>) -> Option<Instant> {
        let mut answers: VecDeque<(SaId, AskId, Answer)> = VecDeque::new();
        let mut commands: VecDeque<Command> = VecDeque::new();
        loop {
            match self.endpoint.poll() {
                Output::Transmit(transmit) => self.send(&transmit),
                Output::Ask(sa, ask, question) => {
                    let created = self.endpoint.view(sa).map(|view| view.created);
                    let created = created.unwrap_or_else(|| self.clock.now());
                    let answer = self.house.answer(sa, created, question);
                    answers.push_back((sa, ask, answer));
                }
                Output::Keepalive(sa, path) => {
                    if self.house.take_sent_esp(sa) {
                        commands.push_back(Command::EspSent(sa));
                    } else {
                        // A NAT that is not reminded this time is reminded the next.
                        let _ = self.transport.keep_alive(&path);
                    }
                }
                Output::Event(sa, event) => self.event(sa, event, &mut commands),
                Output::Discarded(path, discard) => {
                    statistics::discarded(&mut self.house.tally, &discard);
                    if discard == Discard::FragmentKept {
                        continue;
                    }
                    let now = self.clock.now();
                    match &discard {
                        Discard::Repeated => self.house.attempts.repeated(now, path.remote),
                        Discard::InitRefused(refusal) => {
                            let request = first_request.unwrap_or_default();
                            self.house.init_refused(now, &path, refusal, request);
                        }
                        _ => {}
                    }
                    if self.house.log.wants_trace() {
                        self.house.log.discarded(&path, &discard);
                    }
                }
                Output::Timeout(instant) => {
                    if let Some(command) = commands.pop_front() {
                        self.endpoint
                            .handle(self.clock.now(), Input::Command(command));
                    } else if let Some((sa, ask, answer)) = answers.pop_front() {
                        self.endpoint
                            .handle(self.clock.now(), Input::Answer(sa, ask, answer));
                    } else {
                        return instant;
                    }
                }
            }
        }
    }

    fn send(&mut self, transmit: &Transmit) {
        let attempts = &mut self.house.attempts;
        attempts.sent(transmit.path.remote, &transmit.octets);
        // A datagram that cannot be sent is a lost one: retransmission is the core's business.
        if let Err(error) = self.transport.send(transmit) {
            self.house.log.unsent(transmit, &error);
        }
    }

    fn event(&mut self, sa: SaId, event: Event, commands: &mut VecDeque<Command>) {
        let house = &mut self.house;
        if matches!(event, Event::HalfOpen) {
            let remote = self.endpoint.view(sa).map(|view| view.path.remote);
            house.sessions.open(sa).remote = remote;
            if let Some(remote) = remote {
                house.attempts.half_open(remote);
            }
        }
        let session = house.sessions.view(sa);
        // Nobody pays for what nobody reads.
        let is_told = house.log.flags.any();
        let view = is_told.then(|| self.endpoint.view(sa)).flatten();
        if let (Event::Trace(trace), Some(view)) = (&event, &view)
            && matches!(**trace, Trace::SuiteChosen(_))
            && let Some(policy) = house
                .plan
                .snapshot
                .policy_for(view.path.local.ip().to_canonical())
        {
            house
                .log
                .step(session, Step::FoundPolicy(policy.name.as_str()));
        }
        house
            .log
            .event(session, view.map(|view| place(&view)), &event);
        statistics::note(&mut house.tally, house.sessions.view(sa), &event);
        if matches!(event, Event::HalfOpen) && !house.plan.endpoint.authorities.is_empty() {
            statistics::Operation::Issuers.ended(&mut house.tally, true);
        }
        match event {
            Event::Authenticated(authenticated) => {
                for other in house.authenticated(sa, &authenticated) {
                    house.release(other);
                    commands.push_back(Command::Forget(other));
                }
            }
            Event::Established { child } => {
                let now = self.clock.now();
                if let Some(session) = house.sessions.of(sa) {
                    session.up_since = Some(now);
                }
                house.begin_idle_time(now, sa);
                // Without a child SA it is up all the same (RFC 6023), unless one was refused: then what it had is taken back.
                let holds = |session: &Session| session.leases.addresses().next().is_some();
                if child || house.sessions.view(sa).is_some_and(holds) {
                    house.attempts.up(now, sa);
                    if let Some(session) = house.sessions.of(sa) {
                        session.came_up = true;
                    }
                    house
                        .log
                        .up(house.sessions.view(sa), self.endpoint.view(sa));
                }
            }
            Event::ChildRefused { why, offered } => {
                house.child_refused(self.clock.now(), sa, &why, &offered);
            }
            Event::Quiet => {
                if house.wants_probe(sa) {
                    commands.push_back(Command::Probe(sa));
                }
            }
            Event::ChildSwitched { child, inbound_spi } => {
                commands.extend(house.switch(self.clock.now(), sa, child, inbound_spi));
            }
            Event::ChildRetired { child, inbound_spi } => house.retire(sa, child, inbound_spi),
            Event::ChildDeleted { child, .. } => house.release_child(sa, child),
            // An authentic new IKE message came from another place: ESP in UDP follows (RFC 7296 §2.23).
            Event::PeerMoved {
                path,
                udp_encapsulation,
            } => house.move_session(sa, &path, udp_encapsulation),
            Event::Closed(reason) => {
                let fragments = house.plan.snapshot.ikev2.fragmentation_mtu.is_some();
                let now = self.clock.now();
                house.tell_unproven(now, sa, &reason);
                house.attempts.closed(now, sa, &reason, fragments);
                house.release(sa);
                let session = house.sessions.close(sa);
                // Anybody leaves half-open SAs behind; who went on to IKE_AUTH is worth a line.
                if session
                    .as_ref()
                    .is_some_and(|session| session.profile.is_some())
                    || !matches!(reason, CloseReason::TimedOut)
                {
                    house.log.down(session.as_ref(), &reason);
                }
            }
            Event::KeyLog(keys) => {
                if let Some(writer) = &mut self.key_log
                    && let Err(error) = writer.write(&keys)
                {
                    house.log.trouble(&error);
                }
            }
            Event::HalfOpen
            | Event::Initiated
            | Event::Notified(_)
            | Event::Rekeyed { .. }
            | Event::RekeyRefused(_)
            | Event::RequestRefused(_)
            | Event::Trace(_) => {}
        }
    }
}

/// What becomes of the SAs that there are at the stop. Those that have ended are nobody's loss.
fn parting(standing: &Standing) -> String {
    let mut parts = vec![match standing.established {
        0 => "no SA is up".to_owned(),
        1 => "1 SA is deleted".to_owned(),
        count => format!("{count} SAs are deleted"),
    }];
    match standing.closing {
        0 => {}
        1 => parts.push("the deletion of 1 is under way".to_owned()),
        count => parts.push(format!("the deletion of {count} is under way")),
    }
    match standing.negotiating {
        0 => {}
        1 => parts.push("1 that was about to come up is given up".to_owned()),
        count => parts.push(format!("{count} that were about to come up are given up")),
    }
    parts.join(", ")
}

/// Whether a datagram belongs to what there is already: it does not begin a new SA.
fn goes_on(datagram: &[u8]) -> bool {
    !Header::peek(datagram).is_ok_and(|header| {
        header.exchange == ExchangeType::IKE_SA_INIT && !header.flags.is_response()
    })
}

#[cfg(test)]
mod tests;
