//! The daemon's lines: what it always says, and what `debug` adds in IOS-XE's words.
//!
//! Everything goes to standard error, where systemd's journal or a terminal takes it, and to the
//! terminals that watch (`terminal monitor`); who takes its time loses lines, and holds nobody up. What peers provoke that are not
//! authenticated goes through a [`Budget`], and what `debug` says of them through a larger one; the counters count all of it.
//! The last lines are kept for `show logging`.

mod buffer;
mod conditions;

use std::{
    cell::{Cell, RefCell},
    fmt,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    time::{SystemTime, UNIX_EPOCH},
};

use ironflex_ikev2::{
    event::{CloseReason, Discard, Event, Instant, Path, Transmit},
    refusal::Refusal,
    view::SaView,
    wire::payload::Identification,
};

use super::{
    budget::{self, Budget},
    session::Session,
    standard_error::StandardError,
};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    cli::Printable,
    cli::debug_words::{self, DebugFlags, Names},
    clock::Clock,
    state::logging::{LogFacts, Severity},
};
use buffer::Buffer;
pub use conditions::Conditions;

/// What the daemon does beyond the core, one step at a time.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
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
    kept: RefCell<Buffer>,
    /// Takes a line.
    out: Box<dyn Fn(Severity, fmt::Arguments<'_>)>,
    /// `out` takes errors alone.
    quiet: bool,
    now: Box<dyn Fn() -> Instant>,
    strangers: Cell<Budget>,
    /// The same for `debug`.
    debugged: Cell<Budget>,
    watchers: RefCell<Vec<Watcher>>,
}

/// How many lines wait for a terminal that takes its time; further ones are lost to it.
pub const WATCHED_LINES: usize = 512;

/// A terminal that the lines are copied to.
struct Watcher {
    lines: mpsc::Sender<String>,
    /// Lines that it has lost since it took one.
    lost: u64,
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
                // The journal has times of its own, and takes the severity in front (sd-daemon(3)).
                format!("<{}>{line}\n", severity as u8)
            } else {
                format!("{} {line}\n", Stamp::now())
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
            kept: RefCell::default(),
            out,
            quiet: false,
            now,
            strangers: Cell::new(Budget::new(budget::LINES)),
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
            let line = format!("*{}{}: {line}\n", Day::now(), Stamp::now());
            watchers.retain_mut(|one| one.take(&line));
        }
        self.kept.borrow_mut().keep(severity, line);
    }

    /// The last lines.
    #[must_use]
    pub fn facts(&self) -> LogFacts {
        self.kept.borrow().facts()
    }

    /// Copies every line to a terminal too, until that is gone.
    pub fn watch(&self, lines: mpsc::Sender<String>) {
        self.watchers.borrow_mut().push(Watcher { lines, lost: 0 });
    }

    /// A line that anybody can provoke.
    fn write_limited(&self, severity: Severity, line: fmt::Arguments<'_>) {
        self.write_within(&self.strangers, severity, line);
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
        if is_stranger(session) {
            self.write_limited(severity, line);
        } else {
            self.write(severity, line);
        }
    }

    /// Tells how many lines were left out, when their time is over.
    pub fn settle(&self) {
        for (budget, what) in [(&self.strangers, ""), (&self.debugged, "debug ")] {
            let mut left = budget.get();
            let withheld = left.settle((self.now)());
            budget.set(left);
            if let Some(count) = withheld {
                self.warning(format_args!(
                    "{count} more {what}lines about peers that are not authenticated were left out: {} in {} s are written",
                    left.limit(),
                    budget::PERIOD.as_secs()
                ));
            }
        }
    }

    /// When [`settle`](Self::settle) is to be called, if nothing is written before.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let both = [&self.strangers, &self.debugged].into_iter();
        both.filter_map(|budget| budget.get().due()).min()
    }

    /// Something that an operator wants to read.
    pub fn info(&self, text: impl fmt::Display) {
        self.write(Severity::Informational, format_args!("{text}"));
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
        let names = names(session);
        let (session_id, sa_id) = (names.session_id, names.sa_id);
        self.write_about(
            session,
            Severity::Errors,
            format_args!(
                "%IKEV2-3-NEG_ABORT: (SESSION ID = {session_id},SA ID = {sa_id}):{}{}",
                Peer(session),
                printable(why)
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
        self.write_limited(Severity::Warnings, format_args!(
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

    /// A step of the daemon, for `debug`.
    pub fn step(&self, session: Option<&Session>, step: Step<'_>) {
        if self.flags.any() && self.conditions.fit(session) {
            let lines = debug_words::daemon_lines(&self.flags, names(session), step);
            self.write_debug(session, lines);
        }
    }

    /// An event of the core, for `debug`.
    pub fn event(&self, session: Option<&Session>, event: &Event) {
        if let (Some(known), &Event::ChildSwitched { child, inbound_spi }) = (session, event)
            && known.takes_back(child, inbound_spi)
        {
            return self.step(session, Step::RekeyTakenBack(inbound_spi));
        }
        if self.flags.any() && self.conditions.fit(session) {
            let lines = debug_words::event_lines(&self.flags, names(session), event);
            self.write_debug(session, lines);
        }
    }

    /// A session is up.
    pub fn up(&self, session: Option<&Session>, view: Option<SaView<'_>>) {
        let (Some(session), Some(view)) = (session, view) else {
            return;
        };
        let user = session.who.as_ref().map_or("", |who| &who.user);
        let addresses: Vec<String> = session
            .leases
            .addresses()
            .map(|one| one.to_string())
            .collect();
        self.write(Severity::Notifications, format_args!(
            "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP.  Peer {}:{}       Id: {}  user: {}  address: {}",
            view.path.remote.ip(),
            view.path.remote.port(),
            view.identity.map(|one| printable(&super::identity::text(one))).unwrap_or_default(),
            printable(user),
            addresses.join(" "),
        ));
    }

    /// A session is over.
    pub fn down(&self, session: Option<&Session>, reason: &CloseReason) {
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
            (CloseReason::Refused(Refusal::ByPeer(kind)), _) => {
                format!("the client gave up: {kind}")
            }
            (reason, _) => reason.to_string(),
        };
        let names = names(session);
        self.write_about(
            session,
            Severity::Notifications,
            format_args!(
                "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is DOWN.  {}(SESSION ID = {},SA ID = {})  {}reason: {}",
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
            self.write_limited(
                Severity::Debugging,
                format_args!(
                    "IKEv2-ERROR:Packet from {} discarded: {discard}",
                    path.remote
                ),
            );
        }
    }

    /// A datagram could not be sent, for `debug`.
    pub fn unsent(&self, transmit: &Transmit, error: &std::io::Error) {
        if self.flags.any() {
            let remote = transmit.path.remote;
            self.write_limited(
                Severity::Debugging,
                format_args!("sending to {remote} failed: {error}"),
            );
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

/// `Peer ADDRESS:PORT  ` of a session, or nothing where it is not known.
struct Peer<'a>(Option<&'a Session>);

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.and_then(|session| session.remote) {
            Some(remote) => {
                let address = remote.ip().to_canonical();
                write!(f, "Peer {address}:{}  ", remote.port())
            }
            None => Ok(()),
        }
    }
}

/// A peer's text may hold anything; a line of ours holds nothing that steers a terminal.
fn printable(text: &str) -> String {
    let short: String = text.chars().take(512).collect();
    Printable(&short).to_string()
}

/// The day, UTC, as a router puts it in front of the time.
struct Day(time::OffsetDateTime);

impl Day {
    fn now() -> Self {
        Self(SystemTime::now().into())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let month = self.0.month().to_string();
        write!(f, "{:.3} {:>2} ", month, self.0.day())
    }
}

/// The time of day, UTC, with milliseconds.
struct Stamp(u128);

impl Stamp {
    fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self(since.map_or(0, |since| since.as_millis()))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 % 86_400_000;
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{millis:03}")
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

    use ironflex_ikev2::{event::SaId, wire::registry::NotifyType};

    use super::*;
    use crate::daemon::session::{Sessions, Who};

    /// A log, its lines, and its clock in seconds.
    struct Kept {
        log: Log,
        lines: Rc<RefCell<Vec<String>>>,
        seconds: Rc<Cell<u64>>,
    }

    impl Kept {
        fn new() -> Self {
            let lines = Rc::new(RefCell::new(Vec::new()));
            let seconds = Rc::new(Cell::new(0));
            let (writing, clock) = (Rc::clone(&lines), Rc::clone(&seconds));
            let out = move |_: Severity, line: fmt::Arguments<'_>| {
                writing.borrow_mut().push(line.to_string())
            };
            let now = move || Instant::new(Duration::from_secs(clock.get()));
            let log = Log::onto(Box::new(out), Box::new(now));
            Self {
                log,
                lines,
                seconds,
            }
        }

        /// Lets a second pass and returns what was written since the last one.
        fn second(&self) -> Vec<String> {
            self.seconds.update(|seconds| seconds.saturating_add(1));
            self.log.settle();
            self.lines.take()
        }
    }

    /// One SA whose peer is not authenticated, one whose is.
    fn sessions() -> (Sessions, [SaId; 2]) {
        let mut sessions = Sessions::default();
        let both = [SaId::from_spi(1), SaId::from_spi(2)];
        for sa in both {
            sessions.open(sa);
        }
        sessions.authenticate(both[1], Who::of_user("test", None));
        (sessions, both)
    }

    #[test]
    fn refusals_of_strangers_are_cut_off_and_counted_and_those_of_users_are_not() {
        let kept = Kept::new();
        let (sessions, [stranger, user]) = sessions();
        let reason = CloseReason::PeerDeleted;
        for _ in 0..100 {
            kept.log.refused(sessions.view(stranger), "no");
            kept.log.refused(None, "no");
            kept.log.down(sessions.view(stranger), &reason);
            let why = "wrong password";
            kept.log
                .login_rejected(sessions.view(stranger), "test", 1, why);
            kept.log.refused(sessions.view(user), "no address");
        }
        let lines = kept.second();
        let of_user = |line: &&String| line.ends_with("no address");
        assert_eq!(lines.iter().filter(of_user).count(), 100);
        assert_eq!(lines.len(), 100 + 20 + 1);
        assert_eq!(
            lines.last().unwrap(),
            "warning: 380 more lines about peers that are not authenticated were left out: 20 in 1 s are written"
        );
        // A quiet second is told nothing of, and the next stranger is.
        assert_eq!(kept.second(), [""; 0]);
        kept.log.refused(None, "no");
        assert_eq!(kept.second().len(), 1);
    }

    #[test]
    fn a_quiet_log_says_what_failed_and_nothing_else() {
        let mut kept = Kept::new();
        kept.log.quiet = true;
        kept.log.info("ready");
        kept.log.warning("nobody can log in");
        kept.log.trouble(&"the network stays as it was");
        assert_eq!(kept.second(), ["error: the network stays as it was"]);
    }

    #[test]
    fn what_debug_says_of_strangers_is_bounded_and_of_users_it_is_not() {
        use crate::cli::exec::DebugFlag;
        let kept = Kept::new();
        let mut log = kept.log;
        log.flags.set(DebugFlag::Ikev2, true);
        let (sessions, [stranger, user]) = sessions();
        let kept = Kept { log, ..kept };
        let limit = usize::try_from(budget::DEBUG_LINES).unwrap();
        for _ in 0..limit {
            for session in [sessions.view(stranger), None, sessions.view(user)] {
                kept.log.event(session, &Event::Quiet);
                kept.log.step(session, Step::EapProcessing);
            }
        }
        let lines = kept.second();
        // Both of them: one line of the user's for each turn.
        assert_eq!(lines.len(), 2 * limit + limit + 1);
        assert_eq!(
            lines.last().unwrap(),
            &format!(
                "warning: {} more debug lines about peers that are not authenticated were left out: {limit} in 1 s are written",
                3 * limit
            )
        );
    }

    #[test]
    fn lines_name_the_peer_its_user_and_who_ended_what() {
        use crate::daemon::session::Deletion;
        let kept = Kept::new();
        let (mut sessions, [stranger, user]) = sessions();
        for (sa, remote) in [(stranger, "198.51.100.2:500"), (user, "[2001:db8::2]:4500")] {
            sessions.of(sa).unwrap().remote = Some(remote.parse().unwrap());
        }
        sessions.of(stranger).unwrap().tried = Some(Arc::from("nobody"));
        let view = sessions.view(stranger);
        kept.log.refused(view, "no");
        kept.log.login_rejected(view, "nobody", 1, "wrong password");
        kept.log.down(view, &CloseReason::TimedOut);
        let failed = NotifyType::AUTHENTICATION_FAILED;
        let gave_up = CloseReason::Refused(Refusal::ByPeer(failed));
        kept.log.down(sessions.view(user), &gave_up);
        kept.log.down(sessions.view(user), &CloseReason::Deleted);
        for deletion in [Deletion::ByOperator, Deletion::AtStop] {
            // The first one stays.
            sessions.note_deletion(user, deletion);
            kept.log.down(sessions.view(user), &CloseReason::Deleted);
        }
        sessions.note_deletion(stranger, Deletion::AtStop);
        kept.log
            .down(sessions.view(stranger), &CloseReason::Deleted);
        sessions.of(stranger).unwrap().login_failed = true;
        kept.log.down(sessions.view(stranger), &gave_up);
        let nobody_yet = [None, Some(Arc::from(""))];
        for tried in nobody_yet {
            sessions.of(stranger).unwrap().tried = tried;
            kept.log
                .down(sessions.view(stranger), &CloseReason::TimedOut);
        }
        // A reason of the peer's is not replaced by one of ours.
        kept.log
            .down(sessions.view(user), &CloseReason::PeerDeleted);
        let down = "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is DOWN.  Peer";
        let here = "198.51.100.2:500  (SESSION ID = 1,SA ID = 1)  user: nobody  reason:";
        let nobody = "198.51.100.2:500  (SESSION ID = 1,SA ID = 1)  reason:";
        let there = "2001:db8::2:4500  (SESSION ID = 2,SA ID = 2)  user: test  reason:";
        assert_eq!(
            kept.second(),
            [
                "%IKEV2-3-NEG_ABORT: (SESSION ID = 1,SA ID = 1):Peer 198.51.100.2:500  no".to_owned(),
                "%SEC_LOGIN-4-LOGIN_FAILED: (SESSION ID = 1,SA ID = 1):Login failed [user: nobody] \
                 [Source: 198.51.100.2] [attempt: 1] [Reason: wrong password]"
                    .to_owned(),
                format!("{down} {here} the peer did not go on in time"),
                format!("{down} {there} the client gave up: AUTHENTICATION_FAILED"),
                format!("{down} {there} deleted"),
                format!("{down} {there} cleared by the operator"),
                format!("{down} {there} cleared by the operator"),
                format!("{down} {here} the headend stops"),
                format!("{down} {here} login failed"),
                format!("{down} {nobody} the peer did not go on in time"),
                format!("{down} {nobody} the peer did not go on in time"),
                format!("{down} {there} deleted by the peer"),
            ]
        );
    }

    #[test]
    fn what_was_left_out_is_due_a_second_after_the_first_line() {
        let kept = Kept::new();
        kept.log.refused(None, "no");
        assert_eq!(kept.log.due(), None);
        for _ in 0..budget::LINES {
            kept.log.refused(None, "no");
        }
        assert_eq!(kept.log.due(), Some(Instant::new(budget::PERIOD)));
    }

    #[test]
    fn a_terminal_that_takes_its_time_loses_lines_and_is_told_how_many() {
        let kept = Kept::new();
        let (sending, mut watched) = mpsc::channel(2);
        kept.log.watch(sending);
        for number in 1..=5 {
            kept.log.info(number);
        }
        let mut next = || {
            let line = watched.try_recv().ok()?;
            // The date and the time come first.
            Some(
                line.split_once(": ")
                    .map_or_else(|| line.clone(), |(_, text)| text.to_owned()),
            )
        };
        assert_eq!(next().as_deref(), Some("1\n"));
        assert_eq!(next().as_deref(), Some("2\n"));
        assert_eq!(next(), None);
        kept.log.info(6);
        assert_eq!(
            next().as_deref(),
            Some("% 3 lines were lost to this terminal\n")
        );
        assert_eq!(next().as_deref(), Some("6\n"));
        // Who has gone is forgotten, and nobody else misses a line.
        drop(watched);
        kept.log.info(7);
        assert_eq!(kept.log.watchers.borrow().len(), 0);
        assert_eq!(kept.lines.borrow().len(), 7);
    }

    #[test]
    fn a_day_has_the_form_of_a_routers() {
        let day = |seconds| Day((UNIX_EPOCH + Duration::from_secs(seconds)).into()).to_string();
        assert_eq!(day(0), "Jan  1 ");
        assert_eq!(day(1_795_682_253), "Nov 26 ");
    }
}
