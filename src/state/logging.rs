//! What `show logging` and `show crypto debug-condition` tell.

use std::{net::IpAddr, time::SystemTime};

use serde::Serialize;

use super::form;

/// How much a line matters, by the numbers of syslog (RFC 5424 §6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something of ours failed.
    Errors = 3,
    /// Something will not work, or somebody was refused.
    Warnings = 4,
    /// A session came or went.
    Notifications = 5,
    /// Everything else that is always told.
    Informational = 6,
    /// What `debug` has turned on.
    Debugging = 7,
}

/// The last lines of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogFacts {
    /// How many octets are kept.
    pub size: usize,
    /// How many lines there were since the start.
    pub logged: u64,
    /// The last of them, the oldest first.
    pub lines: Vec<LoggedLine>,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedLine {
    /// When it was written.
    #[serde(serialize_with = "form::moment")]
    pub time: SystemTime,
    /// How much it matters: the number of syslog.
    #[serde(serialize_with = "form::severity")]
    pub severity: Severity,
    /// The line.
    pub text: String,
}

/// `debug crypto condition`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConditionFacts {
    /// The addresses of peers whose steps are told.
    pub peers: Vec<IpAddr>,
    /// The users whose steps are told, in lower case.
    pub usernames: Vec<String>,
}
