//! `show processes cpu`.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

use super::text;
use crate::state::form;

/// What of a time was worked, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Load {
    /// Of the last five seconds.
    pub five_seconds: f64,
    /// Of the last minute, or since the start.
    pub one_minute: f64,
    /// Of the last five minutes, or since the start.
    pub five_minutes: f64,
}

/// What the machine's processors and the daemon have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ProcessorFacts {
    /// Of all processors, whoever worked.
    pub machine: Load,
    /// What of the last five seconds went into interrupts, ESP in the kernel included, in percent.
    pub interrupts: f64,
    /// The daemon's process.
    pub process: u32,
    /// Of all processors, by the daemon.
    pub own: Load,
    /// How long the daemon has been worked at.
    #[serde(serialize_with = "form::fraction")]
    pub runtime: Duration,
    /// How often it was given a processor.
    pub switches: u64,
}

/// `show processes cpu`: there is one process.
#[must_use]
pub fn processes_cpu(facts: &ProcessorFacts) -> String {
    let ProcessorFacts {
        machine,
        interrupts,
        process,
        own,
        runtime,
        switches,
    } = facts;
    let each = runtime.as_micros().checked_div((*switches).into());
    text(|out| {
        writeln!(
            out,
            "CPU utilization for five seconds: {:.0}%/{interrupts:.0}%; one minute: {:.0}%; five minutes: {:.0}%",
            machine.five_seconds, machine.one_minute, machine.five_minutes
        )?;
        writeln!(
            out,
            " PID Runtime(ms)     Invoked      uSecs   5Sec   1Min   5Min TTY Process"
        )?;
        writeln!(
            out,
            "{process:>4} {:>11} {switches:>11} {:>10} {:>5.2}% {:>5.2}% {:>5.2}%   0 ironflex",
            runtime.as_millis(),
            each.unwrap_or_default(),
            own.five_seconds,
            own.one_minute,
            own.five_minutes
        )
    })
}
