//! The configuration while the headend is at work: who changes it, and what a change does.
//!
//! ```text
//!   line ──Typist──▶ Waiting: a candidate, a draft of keys ──resolve, compile──▶ Plan
//!                                                                                 │ Difference
//!                       Taken ◀── what is said of it ◀────────── apply ◀──────────┘
//! ```
//!
//! One person configures at a time. Lines that come together are put to work together: a whole file that is pasted is
//! resolved a few times and not once for each line. A line that somebody waits for is at work before its answer.
//!
//! What is put to work together is at work as a whole, keys that it brings included, or not at all. What needs the disk for
//! that is done while others are served: see [`Errand`], [`Reading`] and [`Writing`].

mod apply;
mod clearing;
mod held;
mod lines;
mod named;
mod replace;
mod startup;
#[cfg(test)]
pub(super) mod tests;
mod whole;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use ironflex_ikev2::event::Instant;
use ironflex_profiles::{
    Candidate, Diagnostic,
    model::{
        Action,
        interface::{DeviceName, InterfaceName},
        name::Name,
    },
    typing::Typist,
};

pub use self::{
    apply::Terms,
    clearing::Said,
    lines::Errand,
    named::Named,
    replace::{Reading, Replacing},
    startup::{NOT_PRESENT, Startup, WriteError, Writing, Written},
    whole::Work,
};
use super::driver::Driver;
use crate::{
    cli::{
        configure::{Lines, Taken},
        show::without_secrets,
    },
    pki::{Draft, Store},
};

/// How long lines may wait for others that come behind them.
const TOGETHER: Duration = Duration::from_millis(200);

/// What the changing of a configuration needs beside the configuration.
pub struct Configure {
    /// The trustpoints' keys.
    pub store: Store,
    /// What `bootflash:` means.
    pub bootflash: PathBuf,
    /// What holds whatever is configured.
    pub terms: Terms,
    /// The configuration file.
    pub startup: Startup,
    /// Interfaces that the command line ties to devices.
    pub devices: Vec<(InterfaceName, DeviceName)>,
    /// What keeps parts of the configuration at work from being used.
    pub faults: Faults,
    /// Profiles of which the log says that they serve nobody, and why.
    pub(super) told_inactive: BTreeMap<Name, String>,
    /// What changes of keys have left behind.
    clearing: clearing::Clearing,
    /// A change that is not confirmed.
    revert: Option<whole::Revert>,
    /// The keys that go back with it.
    held: held::Held,
    /// When the store is to let go of keys that have gone back already, and that it has not let go of then. There is no change to be
    /// confirmed meanwhile.
    lets_go: Option<Instant>,
    /// Who is at it.
    session: Option<Session>,
    /// How many were.
    begun: u64,
}

/// What keeps parts of a configuration from being used.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// What the lines lack, and warnings.
    pub lines: Vec<Diagnostic>,
    /// What the machine lacks: keys, algorithms.
    pub plan: Vec<String>,
}

/// Who configures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The user, as the socket says.
    pub user: String,
    /// The process, as the socket says.
    pub process: Option<i32>,
    /// The terminal, as the process says.
    pub terminal: Option<String>,
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            process,
            terminal,
        } = self;
        write!(f, "user '{}'", crate::cli::Printable(user))?;
        if let Some(process) = process {
            write!(f, " process '{process}'")?;
        }
        match terminal {
            Some(terminal) => write!(f, " from terminal '{}'", crate::cli::Printable(terminal)),
            None => Ok(()),
        }
    }
}

/// Somebody at work on the configuration.
struct Session {
    id: u64,
    person: Person,
    since: SystemTime,
    typist: Typist,
    /// Lines that are not at work yet.
    waiting: Option<Waiting>,
    /// One of its lines is being carried out elsewhere, and the others wait for it.
    away: Option<lines::Away>,
    /// Faults that were told, and are still there.
    told: Faults,
    /// Profiles that served nobody when something was said last, those that are shut down among them.
    inactive: BTreeSet<Name>,
    /// Profiles that served then.
    serving: BTreeSet<Name>,
    /// What no line has been answered with yet.
    unsaid: Vec<String>,
    /// What was told of the network, and the profiles and users of whose sessions was told.
    mentioned: BTreeSet<String>,
    /// Whoever was at it is gone; when it is to be ended.
    ends: Option<Instant>,
}

/// Lines that are not at work yet.
struct Waiting {
    since: Instant,
    /// The configuration with them.
    candidate: Candidate,
    keys: Keys,
}

/// What a change brings to the trustpoints.
#[derive(Default)]
struct Keys {
    /// What is to be stored.
    draft: Option<Draft>,
    /// Trustpoints that may hold other keys than the plan was made with.
    renewed: BTreeSet<String>,
}

/// What becomes of the lines before one that is given up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// They are put to work: they were taken.
    Stays,
    /// They go with the change that is taken back.
    Goes,
}

/// What a configuration session is asked.
pub enum Ask {
    /// To begin; what is not confirmed in so many minutes is to be taken back.
    Begin(Person, Option<u32>),
    /// To take lines.
    Lines(u64, Lines),
    /// To go on after an errand.
    Resume(u64, Box<Errand>),
    /// To have another configuration at work, in no session at all.
    Replace(Box<Replacing>),
    /// To end.
    End(u64),
}

/// What it answers.
pub enum Answer {
    /// It has begun, by this number.
    Begun(u64),
    /// It has taken lines.
    Taken(Taken),
    /// It goes on once this is done.
    Away(Box<Errand>),
    /// It has been done, and this is to be said of it.
    Done(String),
    /// It is over.
    Ended,
}

impl Configure {
    /// Nobody is at it.
    #[must_use]
    pub fn new<'w>(
        store: Store,
        bootflash: PathBuf,
        terms: Terms,
        startup: Startup,
        devices: Vec<(InterfaceName, DeviceName)>,
        warnings: impl Iterator<Item = &'w Diagnostic>,
    ) -> Self {
        Self {
            store,
            bootflash,
            terms,
            startup,
            devices,
            clearing: clearing::Clearing::default(),
            revert: None,
            held: held::Held::default(),
            lets_go: None,
            faults: Faults {
                lines: warnings.cloned().collect(),
                plan: Vec::new(),
            },
            told_inactive: BTreeMap::new(),
            session: None,
            begun: 0,
        }
    }

    /// When lines are to be put to work that nobody waits for.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let revert = self.revert.as_ref();
        let revert = revert.map(|revert| revert.remind.unwrap_or(revert.at).min(revert.at));
        let ends = self.session.as_ref().and_then(|session| session.ends);
        let all = [
            self.waits_until(),
            revert,
            ends,
            self.lets_go,
            self.clearing.due,
        ];
        all.into_iter().flatten().min()
    }

    /// When lines are to be put to work that wait for others.
    fn waits_until(&self) -> Option<Instant> {
        let session = self
            .session
            .as_ref()
            .filter(|session| session.away.is_none())?;
        Some(session.waiting.as_ref()?.since.after(TOGETHER))
    }

    fn session(&mut self, id: u64) -> Result<&mut Session, String> {
        let session = self.session.as_mut().filter(|session| session.id == id);
        session.ok_or_else(|| "% The configuration session is over".to_owned())
    }
}

impl Driver {
    /// Does what a configuration session asks.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn configure(&mut self, ask: Ask) -> Result<Answer, String> {
        match ask {
            Ask::Begin(person, revert) => self.begin_configuring(person, revert).map(Answer::Begun),
            Ask::Lines(id, lines) => self.take_lines(id, lines),
            Ask::Resume(id, errand) => self.resume(id, *errand),
            Ask::Replace(replacing) => self.replace_configuration(*replacing).map(Answer::Done),
            Ask::End(id) => {
                self.end_configuring(id);
                Ok(Answer::Ended)
            }
        }
    }

    /// `show configuration lock`
    pub(super) fn configuration_lock(&self) -> String {
        lock(self.house.configure.session.as_ref())
    }

    fn begin_configuring(&mut self, person: Person, revert: Option<u32>) -> Result<u64, String> {
        let configure = &mut self.house.configure;
        if let Some(other) = &configure.session {
            return Err(locked(other));
        }
        if let Some(minutes) = revert {
            self.arm_revert(minutes, person.clone())?;
        }
        let configure = &mut self.house.configure;
        configure.begun = configure.begun.saturating_add(1);
        let id = configure.begun;
        configure.session = Some(Session {
            id,
            person,
            since: SystemTime::now(),
            typist: Typist::new(&format!("terminal {id}")),
            waiting: None,
            away: None,
            told: configure.faults.clone(),
            inactive: self
                .house
                .plan
                .inactive()
                .map(|(name, _)| name)
                .chain(self.house.plan.shut_down())
                .cloned()
                .collect(),
            serving: self.house.plan.profiles.keys().cloned().collect(),
            unsaid: Vec::new(),
            mentioned: BTreeSet::new(),
            ends: None,
        });
        Ok(id)
    }

    /// Who is at the configuration.
    pub fn at_configuration(&self) -> Option<&Person> {
        let session = self.house.configure.session.as_ref();
        session.map(|session| &session.person)
    }

    fn end_configuring(&mut self, id: u64) {
        if self.house.configure.session(id).is_err() {
            return;
        }
        if !self.give_up_line(Before::Stays) {
            let again = self.clock.now().after(TOGETHER);
            if let Ok(session) = self.house.configure.session(id) {
                session.ends = Some(again);
            }
            return;
        }
        self.apply_lines();
        self.forget_session();
    }

    /// Waits no longer for a line of the session that is still being carried out elsewhere: nobody knows whether that ever comes
    /// back. Where the lines before it go as well, the session is over. False while its keys are being changed, which ends when
    /// the disk has them.
    fn give_up_line(&mut self, before: Before) -> bool {
        let configure = &mut self.house.configure;
        let Some(session) = &mut configure.session else {
            return true;
        };
        let Some(away) = session.away.take() else {
            return true;
        };
        let Some(loan) = away.keys.recall() else {
            session.away = Some(away);
            return false;
        };
        if before == Before::Stays {
            if !loan.is_done {
                self.house.log.warning(
                    "configuration: the session ends while one of its lines is still being carried out, which is given up; those before it stay",
                );
            }
            if let Some(waiting) = &mut session.waiting {
                away.give_back(waiting, loan);
            }
            return true;
        }
        // With them goes the turn to write, which others need.
        match loan.keys.draft.map(Draft::give_up).transpose() {
            Ok(remains) => {
                let now = self.clock.now();
                remains
                    .into_iter()
                    .for_each(|one| configure.clear(now, one));
            }
            Err(error) => self.house.log.trouble(&format_args!("key store: {error}")),
        }
        self.house.log.warning(
            "configuration: the session is ended, for one of its lines is still being carried out",
        );
        self.forget_session();
        away.tell();
        true
    }

    /// The session is over. What it has not put to work is gone.
    fn forget_session(&mut self) {
        let Some(session) = self.house.configure.session.take() else {
            return;
        };
        let stopped = self.house.stopped(&session.serving);
        for line in session.unsaid.into_iter().chain(stopped) {
            self.house.log.info(line.trim_end());
        }
        // What is still unfinished now stays so.
        self.house.tell_inactive(|_| true);
        let Person { user, terminal, .. } = &session.person;
        let place = terminal
            .as_deref()
            .map(|terminal| format!(" on {terminal}"));
        self.house.log.info(crate::cli::Printable(&format!(
            "%SYS-5-CONFIG_I: Configured from console by {user}{}",
            place.unwrap_or_default()
        )));
    }

    /// Puts lines to work that have waited long enough for others.
    pub(super) fn keep_configuring(&mut self, now: Instant) {
        let configure = &mut self.house.configure;
        let failed = configure.cleared(now).into_iter();
        let failed: Vec<String> = failed.chain(configure.let_go(now)).collect();
        for failed in failed {
            self.house.log.trouble(&failed);
        }
        if self
            .house
            .configure
            .waits_until()
            .is_some_and(|due| due <= now)
        {
            self.apply_lines();
        }
        let revert = self.house.configure.revert.as_mut();
        let remind = revert.and_then(|revert| revert.remind.take_if(|due| *due <= now));
        if remind.is_some() {
            self.house.log.rollback(whole::REMINDED);
        }
        let session = self.house.configure.session.as_ref();
        let ended = session.filter(|session| session.ends.is_some_and(|due| due <= now));
        if let Some(id) = ended.map(|session| session.id) {
            self.end_configuring(id);
        }
        let revert = self.house.configure.revert.as_ref();
        if revert.is_some_and(|revert| revert.at <= now) {
            let what = if self.house.configure.held.try_lock().is_none() {
                Some("the configuration file has its place")
            } else if self.give_up_line(Before::Goes) {
                None
            } else {
                Some("the keys of a line are on the disk")
            };
            if let Some(what) = what {
                let revert = self.house.configure.revert.as_mut();
                let waits = revert.map(|revert| {
                    revert.at = now.after(TOGETHER);
                    std::mem::replace(&mut revert.waits, true)
                });
                if waits == Some(false) {
                    self.house.log.warning(format_args!(
                        "configuration: the change was not confirmed; it is taken back once {what}"
                    ));
                }
                return;
            }
            // What is taken back is one thing then.
            self.apply_lines();
            let log = &self.house.log;
            log.rollback("%ARCHIVE_DIFF-5-ROLLBK_CNFMD_CHG_ROLLBACK_START: the change was not confirmed and is taken back");
            match self.take_back() {
                Ok(said) => {
                    let said = said.lines().map(without_secrets);
                    said.for_each(|line| self.house.log.info(line));
                }
                Err(error) => {
                    if let Some(revert) = &mut self.house.configure.revert {
                        revert.at = now.after(whole::REVERT_AGAIN);
                        revert.remind = None;
                    }
                    self.house.log.trouble(&error);
                    self.house
                        .log
                        .rollback("% The change could not be taken back, which is tried again");
                }
            }
        }
    }
}

/// Which trustpoint an action concerns.
const fn trustpoint_of(action: &Action) -> &Name {
    match action {
        Action::ImportPkcs12 { trustpoint, .. } | Action::Authenticate { trustpoint, .. } => {
            trustpoint
        }
    }
}

/// What a router says of who is in configuration mode, and of nobody.
fn lock(session: Option<&Session>) -> String {
    let person = session.map(|session| &session.person);
    let process = person.and_then(|person| person.process).unwrap_or(-1);
    let user = person.map_or("unknown", |person| &person.user);
    let terminal = person.and_then(|person| person.terminal.as_deref());
    let (kind, state, count) = match session {
        None => ("NO LOCK", "FREE", 0),
        Some(_) => ("EXCLUSIVE", "LOCKED", 1),
    };
    let mut said = format!(
        "Parser Configure Lock\n\
         ---------------------\n\
         Owner PID         : {process}\n\
         User              : {}\n\
         TTY               : {}\n\
         Type              : {kind}\n\
         State             : {state}\n\
         Count             : {count}\n",
        crate::cli::Printable(user),
        crate::cli::Printable(terminal.unwrap_or("-1"))
    );
    if let Some(session) = session {
        said.push_str("Since             : ");
        said.push_str(crate::cli::show::clock(session.since).trim_end());
        said.push('\n');
    }
    said
}

/// What is said to whoever wants to change what somebody else is at.
fn locked(other: &Session) -> String {
    format!(
        "% Configuration mode is locked by {} since {}. Please try later.",
        other.person,
        crate::cli::show::clock(other.since).trim_end()
    )
}
