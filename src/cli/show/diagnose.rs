//! `show crypto ikev2 diagnose [peer A | username U]`. No router has it: the layout is our own.

use std::{
    fmt::{self, Write},
    net::IpAddr,
};

use super::{End, logging::Stamp, text};
use crate::{
    cli::Printable,
    state::attempts::{Attempt, AttemptOutcome, Failure},
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
    for step in &attempt.steps {
        let verdict = if step.passed { "ok" } else { "FAILED" };
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
