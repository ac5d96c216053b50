//! The daemon's lines: what it always says, and what `debug` adds in IOS-XE's words.
//!
//! Everything goes to standard error, where systemd's journal or a terminal takes it, and to the
//! terminals that watch (`terminal monitor`); who takes its time loses lines, and holds nobody up. What peers provoke that are not
//! authenticated goes through a [`Quota`], and what `debug` says of them through a larger [`Budget`]; the counters count all of it.
//! The last lines are kept for `show logging`.

mod buffer;
mod conditions;
mod updowns;
mod words;

use std::{
    cell::{Cell, RefCell},
    fmt,
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt,
    time::SystemTime,
};

use ironflex_ikev2::{
    event::{CloseReason, Discard, Event, Instant, Path, SaId, Transmit},
    refusal::Refusal,
    source::Source,
    view::SaView,
    wire::payload::Identification,
};
use ironflex_profiles::model::Logging;
use ironflex_xfrm::Limit;
use tokio::sync::mpsc::{self, error::TrySendError};

pub use self::conditions::Conditions;
use self::{
    buffer::Buffer,
    updowns::UpDowns,
    words::{BothSides, Claim, Peer},
};
use super::{
    budget::{self, Budget},
    configure::Person,
    quota::{self, Quota, Withheld},
    session::{Deletion, Session},
    standard_error::StandardError,
};
use crate::{
    cli::{
        Printable,
        debug_words::{self, DebugFlags, Names, Place},
        exec::LocalUserMark,
        show::logging::Stamp,
    },
    clock::Clock,
    state::{
        attempts::Failure,
        logging::{LogFacts, Severity},
    },
};

/// What the daemon does beyond the core, one step at a time.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A policy was found for the local address, whose proposals the suite is of.
    FoundPolicy(&'a str),
    /// We prove who we are.
    Proving {
        /// How, as `show` calls it.
        method: &'static str,
        /// By what name.
        identity: &'a Identification,
    },
    /// A session is up.
    SessionUp {
        /// The peer's identity.
        peer: &'a str,
        /// Ours.
        local: &'a str,
    },
    /// An SA is to be deleted, and why.
    Deleting(Deletion),
    /// The local users know the password, or do not.
    AaaLocal(bool),
    /// A profile is looked for.
    SearchingProfile(&'a Identification),
    /// It was found.
    FoundProfile(&'a str),
    /// None fits.
    ProfileNotFound,
    /// An EAP request goes out, named by its document.
    EapSending(&'a str),
    /// An EAP response is looked at.
    EapProcessing,
    /// EAP is content.
    EapSuccess,
    /// The peer goes on at port 4500, as it does behind a NAT and with MOBIKE.
    Floated {
        /// The initiator's port.
        initiator: u16,
        /// Ours.
        responder: u16,
    },
    /// The child SA that is received on under this SPI, or the IKE SA, is rekeyed, and why. By the peer: then it is the new one.
    Rekeying(Option<u32>, Why),
    /// A child SA is in use again, by what is received on: the rekey is taken back.
    RekeyTakenBack(u32),
    /// A password is judged by this list.
    AaaLogin(&'a str),
    /// A policy is authorized.
    AaaAuthorization(&'a str),
    /// A peer's certificate holds; its subject.
    CertificateHolds(&'a str),
    /// It does not, and why.
    CertificateRefused(&'a str),
    /// A child SA's pair is in the dataplane.
    SaCreated(&'a SaMade),
    /// Its SA with this SPI was taken away.
    SaDeleted(u32),
}

/// What an SA is rekeyed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has nearly reached a limit.
    Limit(Limit),
    /// Somebody at the headend wants it.
    Operator,
    /// The peer wants it.
    Peer,
}

/// Which limit it is, as one that is reached.
pub(super) const fn words_of(limit: Limit) -> &'static str {
    match limit {
        Limit::Seconds => "its lifetime in seconds is over",
        Limit::Bytes => "its lifetime in kilobytes is over",
        Limit::Packets => "its sequence numbers are used up",
    }
}

/// A pair of ESP SAs, as `debug crypto ipsec` tells it.
#[derive(Clone, Debug)]
pub struct SaMade {
    /// Our outer address.
    pub local: IpAddr,
    /// The peer's.
    pub remote: IpAddr,
    /// The SPI of what we receive.
    pub inbound_spi: u32,
    /// The SPI of what we send.
    pub outbound_spi: u32,
    /// The transforms by their names in a configuration.
    pub transform: String,
}

/// Where lines go, and which debugs are on.
pub struct Log {
    /// What `debug` has turned on.
    pub flags: DebugFlags,
    /// Whose steps it tells.
    pub conditions: Conditions,
    /// By which lines it says when sessions come up and go down (`crypto logging`).
    pub logging: Logging,
    kept: RefCell<Buffer>,
    /// Takes a line.
    out: Box<dyn Fn(Severity, fmt::Arguments<'_>)>,
    /// `out` takes errors alone.
    quiet: bool,
    now: Box<dyn Fn() -> Instant>,
    /// What peers that are not authenticated may have written.
    strangers: RefCell<Quota>,
    /// The same for first requests, whose source anybody can forge: they leave those alone who have proven theirs.
    first_requests: RefCell<Quota>,
    /// The same for what `debug crypto ikev2 error` says of datagrams.
    datagrams: Cell<Budget>,
    /// What one session's interface may have written.
    up_downs: RefCell<UpDowns>,
    /// The same for the rest of `debug`.
    debugged: Cell<Budget>,
    watchers: RefCell<Vec<Watcher>>,
}

/// How many lines wait for a terminal that takes its time; further ones are lost to it.
pub const WATCHED_LINES: usize = 512;

/// A terminal that the lines are copied to.
struct Watcher {
    lines: mpsc::Sender<String>,
    /// Who sits at it.
    person: Person,
    /// What it takes.
    wanted: Watched,
    /// Lines that it has lost since it took one.
    lost: u64,
}

/// What is copied to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Every line.
    All,
    /// What becomes of a change that goes back unless it is confirmed.
    Rollback,
}

impl Watcher {
    /// Whether it is still there.
    fn take(&mut self, line: &str) -> bool {
        if self.lost > 0 {
            let told = format!("% {} lines were lost to this terminal\n", self.lost);
            if self.lines.try_send(told).is_ok() {
                self.lost = 0;
            }
        }
        match self.lines.try_send(line.to_owned()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.lost = self.lost.saturating_add(1);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

fn names(session: Option<&Session>) -> Names {
    session.map_or_else(Names::default, |session| Names {
        session_id: session.session_id,
        sa_id: session.tunnel_id,
        place: None,
    })
}

/// Who says that it is a peer, and has not proven it.
fn is_stranger(session: Option<&Session>) -> bool {
    session.is_none_or(|session| session.who.is_none())
}

impl Log {
    /// A log on standard error; one that says what failed of our own and nothing else there if `quiet` (benchmarks).
    #[must_use]
    pub fn new(quiet: bool, clock: Clock) -> Self {
        let error = StandardError::open();
        let journal = is_journal();
        let out = move |severity: Severity, line: fmt::Arguments<'_>| {
            error.write(if journal {
                journal_lines(severity, line)
            } else {
                stamped(line)
            });
        };
        Self {
            quiet,
            ..Self::onto(Box::new(out), Box::new(move || clock.now()))
        }
    }

    fn onto(out: Box<dyn Fn(Severity, fmt::Arguments<'_>)>, now: Box<dyn Fn() -> Instant>) -> Self {
        Self {
            flags: DebugFlags::default(),
            conditions: Conditions::default(),
            logging: Logging::default(),
            kept: RefCell::default(),
            out,
            quiet: false,
            now,
            strangers: RefCell::default(),
            first_requests: RefCell::default(),
            up_downs: RefCell::default(),
            datagrams: Cell::new(Budget::new(budget::LINES)),
            debugged: Cell::new(Budget::new(budget::DEBUG_LINES)),
            watchers: RefCell::default(),
        }
    }

    fn write(&self, severity: Severity, line: fmt::Arguments<'_>) {
        // No log is so quiet that it does not say what failed.
        if !self.quiet || severity == Severity::Errors {
            (self.out)(severity, line);
        }
        let line = line.to_string();
        let mut watchers = self.watchers.borrow_mut();
        if !watchers.is_empty() {
            let line = stamped(format_args!("{line}"));
            watchers.retain_mut(|one| one.wanted != Watched::All || one.take(&line));
        }
        self.kept.borrow_mut().keep(severity, line);
    }

    /// Forgets the last lines; how many there were is still known.
    pub fn clear(&self) {
        self.kept.borrow_mut().clear();
    }

    /// The last lines.
    #[must_use]
    pub fn facts(&self) -> LogFacts {
        self.kept.borrow().facts()
    }

    /// Copies lines to a terminal too, until that is gone. What it has missed comes first.
    pub fn watch(
        &self,
        person: Person,
        lines: mpsc::Sender<String>,
        wanted: Watched,
        missed: Option<&str>,
    ) {
        let mut watcher = Watcher {
            lines,
            person,
            wanted,
            lost: 0,
        };
        let mut watchers = self.watchers.borrow_mut();
        watchers.retain(|one| !one.lines.is_closed());
        if missed.is_none_or(|line| watcher.take(&stamped(format_args!("{line}")))) {
            watchers.push(watcher);
        }
    }

    /// No change is to be confirmed any more: whoever waited to be told of one is let go, with its place and its connection.
    pub fn rollback_is_over(&self) {
        let mut watchers = self.watchers.borrow_mut();
        watchers.retain(|one| one.wanted != Watched::Rollback);
    }

    /// Who watches.
    #[must_use]
    pub fn watching(&self) -> Vec<Person> {
        let watchers = self.watchers.borrow();
        let all = |one: &&Watcher| one.wanted == Watched::All;
        let there = watchers.iter().filter(all);
        let there = there.filter(|one| !one.lines.is_closed());
        there.map(|one| one.person.clone()).collect()
    }

    /// Whether one more line may be written about a peer that is not authenticated.
    fn grants(&self, peer: Option<SocketAddr>) -> bool {
        self.grants_of(&self.strangers, peer)
    }

    fn grants_of(&self, quota: &RefCell<Quota>, peer: Option<SocketAddr>) -> bool {
        self.settle();
        let now = (self.now)();
        let source = peer.map(|peer| Source::of(peer.ip()));
        quota.borrow_mut().spend(now, source)
    }

    /// A line of `debug` about a datagram, which anybody can provoke.
    fn write_of_datagram(&self, line: fmt::Arguments<'_>) {
        self.write_within(&self.datagrams, Severity::Debugging, line);
    }

    fn write_within(&self, budget: &Cell<Budget>, severity: Severity, line: fmt::Arguments<'_>) {
        self.settle();
        let mut left = budget.get();
        let granted = left.spend((self.now)());
        budget.set(left);
        if granted {
            self.write(severity, line);
        }
    }

    /// Lines of `debug` about a peer.
    fn write_debug(&self, session: Option<&Session>, lines: Vec<String>) {
        let severity = Severity::Debugging;
        for line in lines {
            if is_stranger(session) {
                self.write_within(&self.debugged, severity, format_args!("{line}"));
            } else {
                self.write(severity, format_args!("{line}"));
            }
        }
    }

    /// A line about a peer.
    fn write_about(&self, session: Option<&Session>, severity: Severity, line: fmt::Arguments<'_>) {
        if !is_stranger(session) || self.grants(session.and_then(|session| session.remote)) {
            self.write(severity, line);
        }
    }

    /// Tells how many lines were left out, when their time is over.
    pub fn settle(&self) {
        let now = (self.now)();
        for (quota, about) in [
            (&self.strangers, "peers that are not authenticated"),
            (&self.first_requests, "first requests"),
        ] {
            let withheld = quota.borrow_mut().settle(now);
            let Some(Withheld { lines, most }) = withheld else {
                continue;
            };
            let most = most.map(|(source, lines)| format!(", {lines} of them about {source}"));
            self.warning(format_args!(
                "{lines} more lines about {about} were left out{}: {} about one source, up to {} about the networks around it, and {} in all are written in {} s",
                most.unwrap_or_default(),
                quota::SOURCE_LINES,
                quota::NETWORK_LINES,
                quota::LINES,
                quota::PERIOD.as_secs(),
            ));
        }
        let up_downs = self.up_downs.borrow_mut().settle(now);
        for (virtual_access, lines) in up_downs {
            self.warning(format_args!(
                "{lines} more changes of Virtual-Access{virtual_access} were left out: {} of one session are written in {} s",
                updowns::LINES,
                updowns::PERIOD.as_secs(),
            ));
        }
        for (budget, about) in [
            (&self.datagrams, "datagrams"),
            (&self.debugged, "peers that are not authenticated"),
        ] {
            let mut left = budget.get();
            let withheld = left.settle(now);
            budget.set(left);
            if let Some(count) = withheld {
                self.warning(format_args!(
                    "{count} more debug lines about {about} were left out: {} in {} s are written",
                    left.limit(),
                    budget::PERIOD.as_secs()
                ));
            }
        }
    }

    /// When [`settle`](Self::settle) is to be called, if nothing is written before.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let both = [&self.datagrams, &self.debugged].into_iter();
        let quotas = [&self.strangers, &self.first_requests].into_iter();
        both.filter_map(|budget| budget.get().due())
            .chain(quotas.filter_map(|quota| quota.borrow().due()))
            .chain(self.up_downs.borrow().due())
            .min()
    }

    /// Something that an operator wants to read.
    pub fn info(&self, text: impl fmt::Display) {
        self.write(Severity::Informational, format_args!("{text}"));
    }

    /// A message of a router's, whose own severity is 5.
    pub fn notice(&self, text: impl fmt::Display) {
        self.write(Severity::Notifications, format_args!("{text}"));
    }

    /// What becomes of a change that goes back unless it is confirmed: whoever made it reads no log.
    pub fn rollback(&self, text: &str) {
        self.notice(text);
        let line = stamped(format_args!("{text}"));
        let mut watchers = self.watchers.borrow_mut();
        watchers.retain_mut(|one| one.wanted != Watched::Rollback || one.take(&line));
    }

    /// Something that will not work as configured.
    pub fn warning(&self, text: impl fmt::Display) {
        self.write(Severity::Warnings, format_args!("warning: {text}"));
    }

    /// Something of our own that failed. No log is so quiet that it does not say this.
    pub fn trouble(&self, error: &dyn fmt::Display) {
        self.write(Severity::Errors, format_args!("error: {error}"));
    }

    /// A peer was refused, and why.
    pub fn refused(&self, session: Option<&Session>, why: &str) {
        self.aborted(session, format_args!("{}", printable(why)));
    }

    /// A peer that is let in was refused its child SA: where nothing in common was found, with both sides.
    pub fn child_refused(&self, session: Option<&Session>, why: &Refusal, failure: &Failure) {
        match failure {
            Failure::NothingFits { .. } => self.aborted(
                session,
                format_args!("no child SA: {failure}{}", BothSides(failure)),
            ),
            _ => self.refused(session, &format!("no child SA: {why}")),
        }
    }

    fn aborted(&self, session: Option<&Session>, why: fmt::Arguments<'_>) {
        let names = names(session);
        let (session_id, sa_id) = (names.session_id, names.sa_id);
        self.write_about(
            session,
            Severity::Errors,
            format_args!(
                "%IKEV2-3-NEG_ABORT: (SESSION ID = {session_id},SA ID = {sa_id}):{}{}{why}",
                Peer(session),
                Claim(session)
            ),
        );
    }

    /// A request for a new SA was refused. `failure` is only called if that is written.
    pub fn init_refused(&self, peer: SocketAddr, failure: impl FnOnce() -> Failure) {
        if !self.grants_of(&self.first_requests, Some(peer)) {
            return;
        }
        let failure = failure();
        let (address, port) = (peer.ip().to_canonical(), peer.port());
        self.write(
            Severity::Errors,
            format_args!(
                "%IKEV2-3-NEG_ABORT: Peer {address}:{port}  {failure}{}",
                BothSides(&failure)
            ),
        );
    }

    /// A session comes up without something that its client asked for.
    pub fn without(&self, session: Option<&Session>, why: &str) {
        let names = names(session);
        let (session_id, sa_id) = (names.session_id, names.sa_id);
        self.write_about(
            session,
            Severity::Warnings,
            format_args!(
                "warning: (SESSION ID = {session_id},SA ID = {sa_id}):{}{}",
                Peer(session),
                printable(why)
            ),
        );
    }

    /// A login was rejected; never with the password.
    pub fn login_rejected(&self, session: Option<&Session>, user: &str, attempt: u8, why: &str) {
        let names = names(session);
        if !self.grants(session.and_then(|session| session.remote)) {
            return;
        }
        self.write(Severity::Warnings, format_args!(
            "%SEC_LOGIN-4-LOGIN_FAILED: (SESSION ID = {},SA ID = {}):Login failed [user: {}] [Source: {}] [attempt: {attempt}] [Reason: {why}]",
            names.session_id,
            names.sa_id,
            printable(user),
            session
                .and_then(|session| session.remote)
                .map(|remote| remote.ip().to_canonical().to_string())
                .unwrap_or_default(),
        ));
    }

    /// Wrong passwords have locked a local user out.
    pub fn locked_out(&self, user: &str) {
        self.write(
            Severity::Notifications,
            format_args!(
                "%AAA-5-USER_LOCKED: User {} locked out on authentication failure",
                printable(user)
            ),
        );
    }

    /// Somebody has taken back what wrong passwords had left at a local user.
    pub fn cleared(&self, user: &str, mark: LocalUserMark, by: &Person) {
        let (mnemonic, what) = match mark {
            LocalUserMark::FailAttempts => ("USER_RESET", "failed attempts reset"),
            LocalUserMark::Lockout => ("USER_UNLOCKED", "unlocked"),
        };
        self.write(
            Severity::Notifications,
            format_args!(
                "%AAA-5-{mnemonic}: User {} {what} by {} on {}",
                printable(user),
                printable(&by.user),
                printable(by.terminal.as_deref().unwrap_or("console"))
            ),
        );
    }

    /// A step of the daemon, for `debug`.
    pub fn step(&self, session: Option<&Session>, step: Step<'_>) {
        if self.flags.any() && self.conditions.fit(session) {
            let lines = debug_words::daemon_lines(&self.flags, names(session), step);
            self.write_debug(session, lines);
        }
    }

    /// An event of the core, for `debug`.
    pub fn event(&self, session: Option<&Session>, place: Option<Place>, event: &Event) {
        if let (Some(known), &Event::ChildSwitched { child, inbound_spi }) = (session, event)
            && known.takes_back(child, inbound_spi)
        {
            return self.step(session, Step::RekeyTakenBack(inbound_spi));
        }
        if let (Some(known), Event::PeerMoved { path, .. }) = (session, event)
            && known.floats_to(path)
        {
            let floated = Step::Floated {
                initiator: path.remote.port(),
                responder: path.local.port(),
            };
            return self.step(session, floated);
        }
        if self.flags.any() && self.conditions.fit(session) {
            let names = Names {
                place,
                ..names(session)
            };
            let lines = debug_words::event_lines(&self.flags, names, event);
            self.write_debug(session, lines);
        }
    }

    /// A session is up.
    pub fn up(&self, session: Option<&Session>, view: Option<SaView<'_>>) {
        let (Some(session), Some(view)) = (session, view) else {
            return;
        };
        if self.flags.ikev2 {
            let local = session.own_identity.as_ref().map(super::identity::text);
            let peer = view.identity.map(super::identity::text);
            let up = Step::SessionUp {
                peer: &peer.unwrap_or_default(),
                local: &local.unwrap_or_default(),
            };
            self.step(Some(session), up);
        }
        let (address, port) = (view.path.remote.ip(), view.path.remote.port());
        // Bare, as a router has it: whoever reads the log takes the word behind `Id:`.
        let identity = view.identity.map(super::identity::text);
        let identity = printable(&identity.unwrap_or_default());
        if self.logging.session {
            self.write(Severity::Notifications, format_args!(
                "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is UP.  Peer {address}:{port}       Id: {identity}"
            ));
        }
        if !self.logging.ikev2 {
            return;
        }
        let user = session.who.as_ref().map_or("", |who| &who.user);
        let addresses: Vec<String> = session
            .leases
            .addresses()
            .map(|one| one.to_string())
            .collect();
        self.write(Severity::Notifications, format_args!(
            "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP.  Peer {address}:{port}       Id: {identity}  user: {}  address: {}",
            printable(user),
            addresses.join(" "),
        ));
    }

    /// The interface of a session carries packets from here on (`up`), or none any more.
    pub fn line_protocol(&self, sa: SaId, virtual_access: u32, up: bool) {
        self.settle();
        let now = (self.now)();
        if !self.up_downs.borrow_mut().spend(now, sa, virtual_access) {
            return;
        }
        let state = if up { "up" } else { "down" };
        self.write(
            Severity::Notifications,
            format_args!(
                "%LINEPROTO-5-UPDOWN: Line protocol on Interface Virtual-Access{virtual_access}, changed state to {state}"
            ),
        );
    }

    /// A session is over, or somebody's attempt to have one: of one that never came up there is no tunnel that could go down.
    pub fn down(&self, session: Option<&Session>, reason: &CloseReason) {
        let came_up = session.is_some_and(|session| session.came_up);
        let identity = session.and_then(|session| session.named.as_deref());
        let identity = printable(identity.unwrap_or_default());
        if self.logging.session && came_up {
            self.write_about(
                session,
                Severity::Notifications,
                format_args!(
                    "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN.  {}     Id: {}",
                    Peer(session),
                    identity
                ),
            );
        }
        if !self.logging.ikev2 {
            return;
        }
        // Who did not come in is named by what it tried.
        let user = session.and_then(|session| {
            let proven = session.who.as_ref().map(|who| &who.user);
            proven.or(session.tried.as_ref())
        });
        let user = user.filter(|user| !user.is_empty());
        let user = user.map(|user| format!("user: {}  ", printable(user)));
        let deletion = session.and_then(|session| session.deletion);
        let reason = match (reason, deletion) {
            (CloseReason::Deleted, Some(deletion)) => deletion.to_string(),
            (reason, _) if session.is_some_and(|session| session.ends_by_login(reason)) => {
                "login failed".to_owned()
            }
            (CloseReason::Refused(Refusal::ByPeer(kind)), _)
                if session.is_some_and(|session| session.told_distrust) =>
            {
                format!("the client gave up after it had seen our certificate: {kind}")
            }
            (CloseReason::Refused(Refusal::ByPeer(kind)), _) => {
                format!("the client gave up: {kind}")
            }
            // Why is in the line before.
            (CloseReason::Refused(_), _)
                if session.is_some_and(|session| session.told_unproven) =>
            {
                "the client did not prove itself".to_owned()
            }
            (reason, _) => reason.to_string(),
        };
        let names = names(session);
        let (what, id) = if came_up {
            (
                "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is DOWN.",
                format!("     Id: {identity}  "),
            )
        } else {
            let id = match identity.as_str() {
                "" => String::new(),
                identity => format!("Id: {identity}  "),
            };
            ("%IKEV2-5-ATTEMPT_OVER: No tunnel came up.", id)
        };
        self.write_about(
            session,
            Severity::Notifications,
            format_args!(
                "{what}  {}{id}(SESSION ID = {},SA ID = {})  {}reason: {}",
                Peer(session),
                names.session_id,
                names.sa_id,
                user.unwrap_or_default(),
                printable(&reason),
            ),
        );
    }

    /// A datagram was discarded, for `debug crypto ikev2 error`.
    pub fn discarded(&self, path: &Path, discard: &Discard) {
        if self.flags.ikev2_error {
            self.write_of_datagram(format_args!(
                "IKEv2-ERROR:Packet from {} discarded: {discard}",
                path.remote
            ));
        }
    }

    /// A datagram could not be sent, for `debug`.
    pub fn unsent(&self, transmit: &Transmit, error: &std::io::Error) {
        if self.flags.any() {
            let remote = transmit.path.remote;
            self.write_of_datagram(format_args!("sending to {remote} failed: {error}"));
        }
    }

    /// Whether the core has to tell its steps.
    #[must_use]
    pub fn wants_trace(&self) -> bool {
        self.flags.any()
    }
}

/// Whether standard error leads to systemd's journal: then JOURNAL_STREAM names its device and inode (systemd.exec(5)).
fn is_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let own = std::fs::metadata("/proc/self/fd/2");
    own.is_ok_and(|own| named == format!("{}:{}", own.dev(), own.ino()))
}

/// A peer's text may hold anything; a line of ours holds nothing that steers a terminal.
fn printable(text: &str) -> String {
    let short: String = text.chars().take(512).collect();
    Printable(&short).to_string()
}

/// A line as a router writes it to its console, with `service timestamps log datetime msec`: the time is UTC, and the star says
/// that nobody answers for the clock.
fn stamped(line: fmt::Arguments<'_>) -> String {
    format!("*{}: {line}\n", Stamp(SystemTime::now()))
}

/// The same for the journal, which has times of its own and takes the severity in front of each line (sd-daemon(3)).
fn journal_lines(severity: Severity, text: fmt::Arguments<'_>) -> String {
    let severity = severity as u8;
    let text = text.to_string();
    let lines = text.lines().map(|line| format!("<{severity}>{line}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests;
