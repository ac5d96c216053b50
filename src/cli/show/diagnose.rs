//! `show crypto ikev2 diagnose [peer A | username U]`. No router has it: the layout is our own. `show crypto ikev2 diagnose error`
//! is a router's, where the places in the program stand that an error came by; here it is the client.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use serde::Serialize;

use super::{End, logging::Stamp, text};
use crate::{
    cli::Printable,
    state::{
        attempts::{Attempt, AttemptOutcome, AttemptStep, Failure, Room, StepKind},
        form,
    },
};

/// Whose attempts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DiagnoseFilter {
    /// `peer A`
    Peer(IpAddr),
    /// `username U`, in any case
    Username(String),
}

impl DiagnoseFilter {
    pub(super) fn wants(&self, attempt: &Attempt) -> bool {
        match self {
            Self::Peer(address) => attempt.peer.ip().to_canonical() == *address,
            Self::Username(user) => attempt
                .user
                .as_ref()
                .is_some_and(|own| own.eq_ignore_ascii_case(user)),
        }
    }
}

/// The last attempts, the newest first.
#[must_use]
pub fn ikev2_diagnose(attempts: &[Attempt], filter: Option<&DiagnoseFilter>) -> String {
    let wanted = |one: &&Attempt| filter.is_none_or(|filter| filter.wants(one));
    let wanted: Vec<&Attempt> = attempts.iter().filter(wanted).collect();
    if wanted.is_empty() {
        return "No attempts are on record.\n".to_owned();
    }
    text(|out| {
        for (number, attempt) in wanted.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            one(out, attempt)?;
        }
        Ok(())
    })
}

/// Why attempts failed, with how many did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorFacts {
    /// What went wrong.
    pub failure: Failure,
    /// How many tries are known to have ended so.
    pub tries: u32,
    /// When the last of them began.
    #[serde(serialize_with = "form::moment")]
    pub last: SystemTime,
    /// Where that one came from.
    #[serde(serialize_with = "form::end")]
    pub peer: SocketAddr,
    /// The user that it tried to log in as.
    pub user: Option<String>,
}

/// Of the attempts on record, what ended them, the last one first.
#[must_use]
pub fn error_facts(attempts: &[Attempt]) -> Vec<ErrorFacts> {
    let mut all: BTreeMap<String, ErrorFacts> = BTreeMap::new();
    for attempt in attempts {
        let earlier = attempt.earlier.iter();
        let tries = earlier.fold(attempt.tries, |left, one| left.saturating_sub(one.tries));
        let own = attempt.failure.iter();
        let own = own.map(|failure| (failure, tries.max(1), attempt.begun));
        let earlier = attempt.earlier.iter();
        let earlier = earlier.map(|one| (&one.failure, one.tries, one.last));
        for (failure, tries, last) in own.chain(earlier) {
            let new = ErrorFacts {
                failure: failure.clone(),
                tries,
                last,
                peer: attempt.peer,
                user: attempt.user.clone(),
            };
            let known = all.entry(failure.to_string());
            known
                .and_modify(|known| {
                    let tries = known.tries.saturating_add(tries);
                    if last > known.last {
                        *known = new.clone();
                    }
                    known.tries = tries;
                })
                .or_insert(new);
        }
    }
    let mut all: Vec<ErrorFacts> = all.into_values().collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.last));
    all
}

/// `show crypto ikev2 diagnose error`
#[must_use]
pub fn ikev2_diagnose_error(attempts: &[Attempt], room: Room) -> String {
    let errors = error_facts(attempts);
    text(|out| {
        let Room { most, displaced } = room;
        writeln!(
            out,
            "Exit Path Table - status: enable, current entry {}, deleted {displaced}, max allow {most}",
            errors.len()
        )?;
        for error in &errors {
            let verdict = error.failure.to_string();
            writeln!(out)?;
            writeln!(out, "Error({}): {}", error.tries, Printable(&verdict))?;
            write!(
                out,
                " -Last: {} UTC, peer {}",
                Stamp(error.last),
                End(&error.peer)
            )?;
            match &error.user {
                Some(user) => writeln!(out, ", user {}", Printable(user))?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    })
}

fn one(out: &mut impl Write, attempt: &Attempt) -> fmt::Result {
    let outcome = match attempt.outcome {
        AttemptOutcome::UnderWay => "under way",
        AttemptOutcome::Up => "up",
        AttemptOutcome::Left => "up, and left at once",
        AttemptOutcome::Failed => "failed",
    };
    writeln!(
        out,
        "{} UTC  Peer {}  {outcome}",
        Stamp(attempt.begun),
        End(&attempt.peer)
    )?;
    if attempt.tries > 1 {
        writeln!(out, "  Tries: {}, the last one is told", attempt.tries)?;
    }
    for (name, value) in [
        ("Identity", &attempt.identity),
        ("User", &attempt.user),
        ("Profile", &attempt.profile),
    ] {
        if let Some(value) = value {
            writeln!(out, "  {name}: {}", Printable(value))?;
        }
    }
    let ends = |step: &AttemptStep| step.what == StepKind::Ended;
    let mut steps = attempt.steps.iter();
    let has_failed = steps.any(|step| !step.passed && !ends(step));
    for step in &attempt.steps {
        let verdict = match step.passed {
            true => "ok",
            // It is what has come of another step.
            false if has_failed && ends(step) => "",
            false => "FAILED",
        };
        write!(
            out,
            "  +{:>7.3} s  {:<17} {verdict:<7}",
            step.after.as_secs_f64(),
            step.what.name()
        )?;
        match &step.detail {
            Some(detail) => writeln!(out, " {}", Printable(detail))?,
            None => writeln!(out)?,
        }
    }
    if let Some(failure) = &attempt.failure {
        writeln!(out, "  Verdict: {}", Printable(&failure.to_string()))?;
        sides(out, failure)?;
    }
    for one in &attempt.earlier {
        let (tries, last) = (one.tries, Stamp(one.last));
        let failure = one.failure.to_string();
        writeln!(out, "  Earlier: {tries} x, the last at {last} UTC")?;
        writeln!(out, "  Verdict: {}", Printable(&failure))?;
        sides(out, &one.failure)?;
    }
    Ok(())
}

/// What both ends have, where nothing fits.
fn sides(out: &mut impl Write, failure: &Failure) -> fmt::Result {
    if let Failure::NothingFits {
        offered, allowed, ..
    } = failure
    {
        for (side, proposals) in [("Client", offered), ("Headend", allowed)] {
            for proposal in proposals {
                writeln!(out, "    {side:<8} {proposal}")?;
            }
        }
    }
    Ok(())
}
