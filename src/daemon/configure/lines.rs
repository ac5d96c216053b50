//! The lines of a session: taken one after the other, put to work together, and what is said of them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
};

use ironflex_profiles::{
    Diagnostic, Fault,
    model::{Action, Located, Table, name::Name, pki::Trustpoint},
    snapshot::DEFAULT_HOSTNAME,
    typing::Typed,
};
use tokio::sync::oneshot;

use super::{
    super::{
        driver::Driver,
        load::{self, FileRead, LoadError},
    },
    Answer, Configure, Keys, Waiting, trustpoint_of, words,
};
use crate::{
    cli::configure::{Lines, Prompt, Said, Taken},
    pki::Store,
};

/// A line that reads files, and what has become of those before it. It is carried out while others are served.
pub struct Errand {
    lines: Lines,
    taken: Taken,
    action: Located<Action>,
    store: Store,
    bootflash: PathBuf,
    pub(super) keys: Lent,
    unconfirmed: Option<oneshot::Receiver<()>>,
    /// What is to be said of it, or why it is refused.
    done: Option<Result<Vec<String>, String>>,
}

impl Errand {
    /// Carries it out, for as long as the disk takes. What it brings is stored with the lines that it belongs to, or not
    /// at all if the session is over before.
    pub fn carry_out(&mut self) {
        // What may take long without end is done first: whoever wants the keys back meanwhile gets them.
        let read = load::read_file(&self.action.value, &self.bootflash);
        let has_turn = self
            .keys
            .lock()
            .as_ref()
            .map(|loan| loan.keys.draft.is_some());
        let turn = match has_turn {
            None => return,
            Some(true) => None,
            Some(false) => match self.store.draft() {
                Ok(draft) => Some(draft),
                Err(error) => {
                    self.done = Some(Err(error.to_string()));
                    return;
                }
            },
        };
        let mut lent = self.keys.lock();
        let Some(Loan { keys, is_done }) = lent.as_mut() else {
            return;
        };
        keys.draft = keys.draft.take().or(turn);
        let done = keys.carry_out(&self.action, read, (&self.store, &self.bootflash));
        *is_done = done.is_ok();
        self.done = Some(done.map_err(|error| error.to_string()));
    }

    /// It cannot be carried out now: the line is refused, and those before it stay.
    pub fn refuse(&mut self, why: String) {
        self.done = Some(Err(why));
    }

    /// What is told when the timer ends the session; nobody needs to carry it out any more then. There is one. It is closed
    /// when the errand is back.
    pub fn unconfirmed(&mut self) -> Option<oneshot::Receiver<()>> {
        self.unconfirmed.take()
    }
}

impl Keys {
    /// Carries out what a line asks for with its file, without storing what it brings. Returns what is to be said of it.
    pub(super) fn carry_out(
        &mut self,
        Located { value, at }: &Located<Action>,
        read: FileRead,
        (store, bootflash): (&Store, &Path),
    ) -> Result<Vec<String>, LoadError> {
        let draft = match self.draft.take() {
            Some(draft) => draft,
            None => store.draft()?,
        };
        let draft = self.draft.insert(draft);
        let lines = load::carry_out(value, at, read, (draft.store(), bootflash))?;
        self.renewed.insert(trustpoint_of(value).to_string());
        Ok(lines)
    }
}

/// What lines bring to the trustpoints while one of them is carried out. It can be taken back from there.
#[derive(Clone)]
pub(super) struct Lent(Arc<Mutex<Option<Loan>>>);

/// What is lent.
#[derive(Default)]
pub(super) struct Loan {
    pub(super) keys: Keys,
    /// They are those after the line, which was carried out.
    pub(super) is_done: bool,
}

impl Lent {
    fn new(keys: Keys) -> Self {
        let is_done = false;
        Self(Arc::new(Mutex::new(Some(Loan { keys, is_done }))))
    }

    /// What there is of it; none once it was taken back.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Loan>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it back, and waits for as long as it is being changed.
    pub(super) fn take(&self) -> Loan {
        self.lock().take().unwrap_or_default()
    }

    /// Takes it back, unless it is being changed at this moment.
    pub(super) fn recall(&self) -> Option<Loan> {
        let mut loan = match self.0.try_lock() {
            Ok(loan) => loan,
            Err(TryLockError::Poisoned(loan)) => loan.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(loan.take().unwrap_or_default())
    }
}

/// A line that is being carried out elsewhere.
pub(super) struct Away {
    pub(super) keys: Lent,
    /// The trustpoints as they were before the line.
    trustpoints: Table<Trustpoint>,
    unconfirmed: oneshot::Sender<()>,
}

impl Away {
    /// The lines before it wait for their turn again, with the keys that are there by now; so does this one if it was carried
    /// out.
    pub(super) fn give_back(self, waiting: &mut Waiting, Loan { keys, is_done }: Loan) {
        waiting.keys = keys;
        if !is_done {
            waiting.candidate.trustpoints = self.trustpoints;
        }
    }

    /// Tells whoever waits for the line that the timer has ended the session.
    pub(super) fn tell(self) {
        // Nobody may wait any more.
        let _ = self.unconfirmed.send(());
    }
}

/// What became of one line.
enum Line {
    /// It was taken, or refused, and this is said of it.
    Taken(Option<Said>),
    /// It ends the session.
    Left,
    /// It has to be carried out elsewhere.
    Away(Box<(Located<Action>, Table<Trustpoint>)>),
}

impl Driver {
    pub(super) fn take_lines(&mut self, id: u64, lines: Lines) -> Result<Answer, String> {
        self.house.configure.session(id)?;
        if lines.lines.iter().any(|line| line.contains('\n')) {
            return Err("% A line holds a line break".to_owned());
        }
        self.take_others(id, lines, Taken::default())
    }

    /// Takes the lines that `taken` says nothing of.
    fn take_others(&mut self, id: u64, lines: Lines, mut taken: Taken) -> Result<Answer, String> {
        while let Some(line) = lines.lines.get(taken.taken) {
            let index = taken.taken;
            taken.taken = index.saturating_add(1);
            match self.take_line(index, line) {
                Line::Taken(said) => taken.said.extend(said),
                Line::Left => {
                    taken.left = true;
                    break;
                }
                Line::Away(away) => return self.send_away(id, lines, taken, *away),
            }
            self.note_prompt(&mut taken);
        }
        self.conclude(id, lines.more, taken).map(Answer::Taken)
    }

    /// Takes one line.
    fn take_line(&mut self, index: usize, line: &str) -> Line {
        let now = self.clock.now();
        let house = &mut self.house;
        let Some(session) = &mut house.configure.session else {
            return Line::Left;
        };
        let waiting = session.waiting.get_or_insert_with(|| Waiting {
            since: now,
            candidate: house.configured.clone(),
            keys: Keys::default(),
        });
        let candidate = &mut waiting.candidate;
        let trustpoints = candidate.trustpoints.clone();
        match session.typist.line(candidate, line) {
            Typed::Left => Line::Left,
            Typed::Refused(fault) => {
                let (marker, text) = words::refusal(line, &fault);
                Line::Taken(Some(Said {
                    line: index,
                    refused: true,
                    marker,
                    read: words::read(&fault),
                    text,
                }))
            }
            Typed::Nothing => Line::Taken(Some(Said {
                line: index,
                refused: false,
                marker: None,
                read: None,
                text: words::NOTHING.to_owned(),
            })),
            Typed::Told(said) => Line::Taken(Some(Said {
                line: index,
                refused: false,
                marker: None,
                read: None,
                text: format!("% {said}\n"),
            })),
            // A line asks for one thing at most.
            Typed::Done => match candidate.actions.pop() {
                Some(action) => Line::Away(Box::new((action, trustpoints))),
                None => Line::Taken(None),
            },
        }
    }

    fn send_away(
        &mut self,
        id: u64,
        lines: Lines,
        taken: Taken,
        (action, trustpoints): (Located<Action>, Table<Trustpoint>),
    ) -> Result<Answer, String> {
        let Configure {
            store, bootflash, ..
        } = &self.house.configure;
        let (store, bootflash) = (store.clone(), bootflash.clone());
        let session = self.house.configure.session(id)?;
        let waiting = session.waiting.as_mut();
        let keys = waiting.map(|waiting| std::mem::take(&mut waiting.keys));
        let keys = Lent::new(keys.unwrap_or_default());
        let (tells, unconfirmed) = oneshot::channel();
        session.away = Some(Away {
            keys: keys.clone(),
            trustpoints,
            unconfirmed: tells,
        });
        Ok(Answer::Away(Box::new(Errand {
            lines,
            taken,
            action,
            store,
            bootflash,
            keys,
            unconfirmed: Some(unconfirmed),
            done: None,
        })))
    }

    /// Goes on with the lines behind one that was carried out.
    pub(super) fn resume(&mut self, id: u64, errand: Errand) -> Result<Answer, String> {
        let Errand {
            lines,
            mut taken,
            action,
            keys,
            done,
            ..
        } = errand;
        let session = self.house.configure.session(id)?;
        let loan = keys.take();
        if let (Some(away), Some(waiting)) = (session.away.take(), &mut session.waiting) {
            away.give_back(waiting, loan);
        }
        let (refused, text) = match done {
            Some(Ok(lines)) => {
                let done = words::carried_out(&action.value);
                let lines = lines.iter().map(|line| format!("% {line}\n"));
                (false, lines.chain([format!("{done}\n")]).collect())
            }
            Some(Err(error)) => (
                true,
                error.lines().map(|line| format!("% {line}\n")).collect(),
            ),
            None => (true, "% It was not carried out\n".to_owned()),
        };
        taken.said.push(Said {
            line: taken.taken.saturating_sub(1),
            refused,
            marker: None,
            read: None,
            text,
        });
        self.note_prompt(&mut taken);
        self.take_others(id, lines, taken)
    }

    /// Notes what the prompt is like behind the last line that was taken, if that is another than before.
    fn note_prompt(&self, taken: &mut Taken) {
        let house = &self.house;
        let Some(session) = &house.configure.session else {
            return;
        };
        let candidate = session
            .waiting
            .as_ref()
            .map_or(&house.configured, |waiting| &waiting.candidate);
        let hostname = candidate.hostname.as_ref().map(Name::as_str);
        let hostname = hostname.unwrap_or(DEFAULT_HOSTNAME);
        let line = taken.taken.saturating_sub(1);
        let prompt = |line| Prompt {
            line,
            hostname: hostname.to_owned(),
            mode: format!("{:?}", session.typist.mode()),
            in_brackets: session.typist.prompt().to_owned(),
            in_text: session.typist.is_in_text(),
        };
        let last = taken.prompts.last();
        if last.is_none_or(|last| *last != prompt(last.line)) {
            taken.prompts.push(prompt(line));
        }
    }

    /// Puts the lines to work, if somebody waits for that, and says what is to be said.
    fn conclude(&mut self, id: u64, more: bool, mut taken: Taken) -> Result<Taken, String> {
        let speak = !more || taken.left;
        let now = self.clock.now();
        let due = self.house.configure.waits_until();
        if speak || due.is_some_and(|due| due <= now) {
            self.apply_lines();
        }
        if speak {
            let line = taken.taken.saturating_sub(1);
            let remarks = self.new_remarks(taken.left).into_iter();
            taken.said.extend(remarks.map(|text| Said {
                line,
                refused: false,
                marker: None,
                read: None,
                text,
            }));
        }
        self.house.configure.session(id)?;
        self.note_prompt(&mut taken);
        if taken.left {
            self.end_configuring(id);
        }
        Ok(taken)
    }

    /// Puts the lines to work that wait.
    pub(super) fn apply_lines(&mut self) {
        let session = self.house.configure.session.as_mut();
        let Some(Waiting {
            candidate, keys, ..
        }) = session.and_then(|session| session.waiting.take())
        else {
            return;
        };
        let result = self.apply(candidate, keys);
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
            Err(error) => session.unsaid.push(format!(
                "% The lines could not be put to work and are taken back: {error}\n"
            )),
        }
    }

    /// What is to be said by now and was not yet: effects, faults that are new, profiles that serve
    /// nobody any more, and those that do again.
    fn new_remarks(&mut self, finished: bool) -> Vec<String> {
        let known = self.house.configure.session.as_mut();
        let known = known.map(|session| std::mem::take(&mut session.inactive));
        let known = known.unwrap_or_default();
        let active = self.house.active(&known);
        let served = self.house.configure.session.as_ref();
        let stopped = served.map(|session| self.house.stopped(&session.serving));
        let candidate = &self.house.configured;
        let Configure {
            session,
            faults,
            told_inactive,
            ..
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
        remarks.extend(stopped.unwrap_or_default());
        session.serving = self.house.plan.profiles.keys().cloned().collect();
        remarks.extend(active);
        // One that is new and is being typed is not told of.
        let typed = session.typist.profile().filter(|_| !finished);
        let is_told = |name: &Name| {
            typed != Some(name) || known.contains(name) || told_inactive.contains_key(name)
        };
        let inactive = self.house.plan.inactive().map(|(name, _)| name);
        let inactive = inactive.filter(|name| is_told(name));
        session.inactive = inactive
            .chain(self.house.plan.shut_down())
            .cloned()
            .collect();
        remarks
    }
}
