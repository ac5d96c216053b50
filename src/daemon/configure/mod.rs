//! The configuration while the headend is at work: who changes it, and what a change does.
//!
//! ```text
//!   line ──Typist──▶ House::configured (the candidate) ──resolve, compile──▶ Plan
//!                                                                             │ Difference
//!                       Taken ◀── what is said of it ◀────────── apply ◀──────┘
//! ```
//!
//! One person configures at a time. Lines that come together are put to work together: a whole file that is pasted is
//! resolved a few times and not once for each line. A line that somebody waits for is at work before its answer.

mod apply;
mod startup;
mod whole;
mod words;

use std::{
    collections::BTreeSet,
    fmt,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use ironflex_ikev2::event::Instant;
use ironflex_profiles::{
    Candidate, Diagnostic, Fault,
    model::{
        Action,
        interface::{DeviceName, InterfaceName},
        name::Name,
    },
    typing::{Typed, Typist},
};

pub use self::{
    apply::Terms,
    startup::{Startup, WriteError, Written},
};
use super::{driver::Driver, load};
use crate::{
    cli::{
        configure::{Lines, Said, Taken},
        show::without_secrets,
    },
    pki::Store,
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
    /// A change that is not confirmed.
    revert: Option<whole::Revert>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Faults that were told, and are still there.
    told: Faults,
    /// What no line has been answered with yet.
    unsaid: Vec<String>,
    /// Profiles and users of whose sessions was told.
    mentioned: BTreeSet<Name>,
    /// Trustpoints that have other keys since the plan was made.
    renewed: BTreeSet<String>,
}

/// Lines that are not at work yet.
struct Waiting {
    since: Instant,
    /// The configuration without them.
    before: Candidate,
}

/// What a configuration session is asked.
pub enum Ask {
    /// To begin; what is not confirmed in so many minutes is to be taken back.
    Begin(Person, Option<u32>),
    /// To take lines.
    Lines(u64, Lines),
    /// To end.
    End(u64),
}

/// What it answers.
pub enum Answer {
    /// It has begun, by this number.
    Begun(u64),
    /// It has taken lines.
    Taken(Taken),
    /// It is over.
    Ended,
}

impl Configure {
    /// Nobody is at it.
    #[must_use]
    pub fn new(
        store: Store,
        bootflash: PathBuf,
        terms: Terms,
        startup: Startup,
        devices: Vec<(InterfaceName, DeviceName)>,
        warnings: &[Diagnostic],
    ) -> Self {
        Self {
            store,
            bootflash,
            terms,
            startup,
            devices,
            revert: None,
            faults: Faults {
                lines: warnings.to_vec(),
                plan: Vec::new(),
            },
            session: None,
            begun: 0,
        }
    }

    /// When lines are to be put to work that nobody waits for.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let revert = self.revert.as_ref().map(|revert| revert.at);
        [self.waits_until(), revert].into_iter().flatten().min()
    }

    /// When lines are to be put to work that wait for others.
    fn waits_until(&self) -> Option<Instant> {
        let waiting = self.session.as_ref()?.waiting.as_ref()?;
        Some(waiting.since.after(TOGETHER))
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
            Ask::Lines(id, lines) => self.configure_lines(id, &lines).map(Answer::Taken),
            Ask::End(id) => {
                self.end_configuring(id);
                Ok(Answer::Ended)
            }
        }
    }

    fn begin_configuring(&mut self, person: Person, revert: Option<u32>) -> Result<u64, String> {
        let configure = &mut self.house.configure;
        if let Some(other) = &configure.session {
            return Err(locked(other));
        }
        if revert.is_some() && configure.revert.is_some() {
            return Err(
                "% A change waits for 'configure confirm' or 'configure revert now' already"
                    .to_owned(),
            );
        }
        configure.begun = configure.begun.saturating_add(1);
        let id = configure.begun;
        configure.session = Some(Session {
            id,
            person,
            since: SystemTime::now(),
            typist: Typist::new(&format!("terminal {id}")),
            waiting: None,
            told: configure.faults.clone(),
            unsaid: Vec::new(),
            mentioned: BTreeSet::new(),
            renewed: BTreeSet::new(),
        });
        if let Some(minutes) = revert {
            self.arm_revert(minutes);
        }
        Ok(id)
    }

    fn configure_lines(&mut self, id: u64, lines: &Lines) -> Result<Taken, String> {
        self.house.configure.session(id)?;
        if lines.lines.iter().any(|line| line.contains('\n')) {
            return Err("% A line holds a line break".to_owned());
        }
        let mut taken = Taken::default();
        for (index, line) in lines.lines.iter().enumerate() {
            taken.taken = index.saturating_add(1);
            let (said, left) = self.configure_line(index, line);
            taken.said.extend(said);
            if left {
                taken.left = true;
                break;
            }
        }
        let speak = !lines.more || taken.left;
        let now = self.clock.now();
        if speak
            || self
                .house
                .configure
                .waits_until()
                .is_some_and(|due| due <= now)
        {
            self.apply_lines();
        }
        if speak {
            let line = taken.taken.saturating_sub(1);
            taken
                .said
                .extend(self.new_remarks(taken.left).into_iter().map(|text| Said {
                    line,
                    refused: false,
                    marker: None,
                    text,
                }));
        }
        let typist = self
            .house
            .configure
            .session(id)
            .map(|session| &session.typist)?;
        taken.mode = format!("{:?}", typist.mode());
        taken.in_text = typist.is_in_text();
        if taken.left {
            self.end_configuring(id);
        }
        Ok(taken)
    }

    /// Takes one line: what is said of it at once, and whether the session is left.
    fn configure_line(&mut self, index: usize, line: &str) -> (Vec<Said>, bool) {
        let house = &mut self.house;
        let Some(session) = &mut house.configure.session else {
            return (Vec::new(), true);
        };
        let now = self.clock.now();
        session.waiting.get_or_insert_with(|| Waiting {
            since: now,
            before: house.configured.clone(),
        });
        let trustpoints = house.configured.trustpoints.clone();
        let said = |marker, refused, text| Said {
            line: index,
            refused,
            marker,
            text,
        };
        let typed = session.typist.line(&mut house.configured, line);
        let mut all = match &typed {
            Typed::Done | Typed::Left => Vec::new(),
            Typed::Refused(fault) => {
                let (marker, text) = words::refusal(line, fault);
                vec![said(marker, true, text)]
            }
        };
        for action in std::mem::take(&mut house.configured.actions) {
            let Configure {
                store, bootflash, ..
            } = &house.configure;
            match load::carry_out(&action.value, &action.at, store, bootflash) {
                Ok(lines) => {
                    let done = words::carried_out(&action.value);
                    let lines = lines.iter().map(|line| format!("% {line}\n"));
                    let text = lines.chain([format!("{done}\n")]).collect();
                    all.push(said(None, false, text));
                    let trustpoint = trustpoint_of(&action.value).to_string();
                    if let Some(session) = &mut house.configure.session {
                        session.renewed.insert(trustpoint);
                    }
                }
                Err(error) => {
                    house.configured.trustpoints = trustpoints.clone();
                    all.push(said(None, true, format!("% {error}\n")));
                }
            }
        }
        (all, typed == Typed::Left)
    }

    /// Puts the lines to work that wait.
    fn apply_lines(&mut self) {
        let configure = &mut self.house.configure;
        let Some(session) = &mut configure.session else {
            return;
        };
        let renewed = std::mem::take(&mut session.renewed);
        let Some(Waiting { before, .. }) = session.waiting.take() else {
            return;
        };
        let result = self.apply(&renewed);
        let Some(session) = &mut self.house.configure.session else {
            return;
        };
        match result {
            Ok(effects) => {
                let new = effects
                    .into_iter()
                    .filter(|effect| session.mentioned.insert(effect.of.clone()));
                session.unsaid.extend(new.map(|effect| effect.text));
            }
            Err(error) => {
                session.unsaid.push(format!(
                    "% The lines could not be put to work and are taken back: {error}\n"
                ));
                session.renewed = renewed;
                self.house.reconfigured(before);
            }
        }
    }

    /// What is to be said by now and was not yet: effects, and faults that are new.
    fn new_remarks(&mut self, finished: bool) -> Vec<String> {
        let candidate = &self.house.configured;
        let Configure {
            session, faults, ..
        } = &mut self.house.configure;
        let Some(session) = session else {
            return Vec::new();
        };
        let mut remarks = std::mem::take(&mut session.unsaid);
        let unfinished = |fault: &Diagnostic| {
            fault.fault == Fault::Incomplete
                && !finished
                && session.typist.is_about(candidate, fault)
        };
        let mut now = faults.clone();
        now.lines.retain(|fault| !unfinished(fault));
        let told = &session.told;
        let new = now.lines.iter().filter(|fault| !told.lines.contains(fault));
        remarks.extend(new.map(|fault| words::remark(candidate, fault)));
        let new = now.plan.iter().filter(|fault| !told.plan.contains(fault));
        remarks.extend(new.map(|fault| format!("% Warning: {fault}; it stays inactive\n")));
        session.told = now;
        remarks
    }

    fn end_configuring(&mut self, id: u64) {
        if self.house.configure.session(id).is_err() {
            return;
        }
        self.apply_lines();
        if let Some(session) = self.house.configure.session.take() {
            for line in session.unsaid {
                self.house.log.info(line.trim_end());
            }
            let Person { user, terminal, .. } = &session.person;
            let place = terminal
                .as_deref()
                .map(|terminal| format!(" on {terminal}"));
            self.house.log.info(crate::cli::Printable(&format!(
                "%SYS-5-CONFIG_I: Configured from console by {user}{}",
                place.unwrap_or_default()
            )));
        }
    }

    /// Puts lines to work that have waited long enough for others.
    pub(super) fn keep_configuring(&mut self, now: Instant) {
        if self
            .house
            .configure
            .waits_until()
            .is_some_and(|due| due <= now)
        {
            self.apply_lines();
        }
        let revert = self.house.configure.revert.as_ref();
        if revert.is_some_and(|revert| revert.at <= now) {
            let log = &self.house.log;
            log.warning("%ARCHIVE_DIFF-5-ROLLBK_CNFMD_CHG_ROLLBACK_START: the change was not confirmed and is taken back");
            match self.revert_configuration() {
                Ok(said) => {
                    let said = said.lines().map(without_secrets);
                    said.for_each(|line| self.house.log.info(line));
                }
                Err(error) => self.house.log.trouble(&error),
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

/// What is said to whoever wants to change what somebody else is at.
fn locked(other: &Session) -> String {
    format!(
        "% Configuration mode is locked by {} since {}. Please try later.",
        other.person,
        crate::cli::show::clock(other.since).trim_end()
    )
}
