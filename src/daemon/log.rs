//! The daemon's lines: what it always says, and what `debug` adds in IOS-XE's words.
//!
//! Everything goes to standard error, where systemd's journal or a terminal takes it.

use std::{
    fmt,
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use ironflex_ikev2::{
    event::{CloseReason, Discard, Event, Path},
    view::SaView,
    wire::payload::Identification,
};

use super::session::Session;
use crate::cli::debug_words::{self, DebugFlags, Names};

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
    /// A password is judged by this list.
    AaaLogin(&'a str),
    /// A policy is authorized.
    AaaAuthorization(&'a str),
}

/// Where lines go, and which debugs are on.
#[derive(Debug, Default)]
pub struct Log {
    /// What `debug` has turned on.
    pub flags: DebugFlags,
    /// Say nothing at all (benchmarks).
    pub silent: bool,
}

fn names(session: Option<&Session>) -> Names {
    session.map_or_else(Names::default, |session| Names {
        session_id: session.session_id,
        sa_id: session.tunnel_id,
    })
}

impl Log {
    fn write(&self, line: fmt::Arguments<'_>) {
        if self.silent {
            return;
        }
        // Nobody can be told that standard error is closed.
        let _ = writeln!(std::io::stderr().lock(), "{} {line}", Stamp::now());
    }

    /// Something that an operator wants to read.
    pub fn info(&self, text: impl fmt::Display) {
        self.write(format_args!("{text}"));
    }

    /// Something that will not work as configured.
    pub fn warning(&self, text: impl fmt::Display) {
        self.write(format_args!("warning: {text}"));
    }

    /// Something of our own that failed.
    pub fn trouble(&self, error: &dyn fmt::Display) {
        self.write(format_args!("error: {error}"));
    }

    /// A peer was refused, and why.
    pub fn refused(&self, session: Option<&Session>, why: &str) {
        let names = names(session);
        self.write(format_args!(
            "%IKEV2-3-NEG_ABORT: (SESSION ID = {},SA ID = {}):{}",
            names.session_id,
            names.sa_id,
            printable(why)
        ));
    }

    /// A login was rejected; never with the password.
    pub fn login_rejected(&self, session: Option<&Session>, user: &str, attempt: u8, why: &str) {
        let names = names(session);
        self.write(format_args!(
            "%SEC_LOGIN-4-LOGIN_FAILED: (SESSION ID = {},SA ID = {}):Login failed [user: {}] [attempt: {attempt}] [Reason: {why}]",
            names.session_id,
            names.sa_id,
            printable(user)
        ));
    }

    /// A step of the daemon, for `debug`.
    pub fn step(&self, session: Option<&Session>, step: Step<'_>) {
        if self.flags.any() {
            for line in debug_words::daemon_lines(&self.flags, names(session), step) {
                self.write(format_args!("{line}"));
            }
        }
    }

    /// An event of the core, for `debug`.
    pub fn event(&self, session: Option<&Session>, event: &Event) {
        if self.flags.any() {
            for line in debug_words::event_lines(&self.flags, names(session), event) {
                self.write(format_args!("{line}"));
            }
        }
    }

    /// A session is up.
    pub fn up(&self, session: Option<&Session>, view: Option<SaView<'_>>) {
        let (Some(session), Some(view)) = (session, view) else {
            return;
        };
        let user = session.who.as_ref().map_or("", |who| &who.user);
        let address = session.lease.as_ref().map(|(_, address)| *address);
        self.write(format_args!(
            "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP.  Peer {}:{}       Id: {}  user: {}  address: {}",
            view.path.remote.ip(),
            view.path.remote.port(),
            view.identity.map(|one| printable(&one.to_string())).unwrap_or_default(),
            printable(user),
            address.map(|one| one.to_string()).unwrap_or_default(),
        ));
    }

    /// A session is over.
    pub fn down(&self, session: Option<&Session>, reason: &CloseReason) {
        let user = session.and_then(|session| session.who.as_ref());
        let names = names(session);
        self.write(format_args!(
            "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is DOWN.  (SESSION ID = {},SA ID = {})  user: {}  reason: {}",
            names.session_id,
            names.sa_id,
            user.map(|who| printable(&who.user)).unwrap_or_default(),
            printable(&reason.to_string()),
        ));
    }

    /// A datagram was discarded, for `debug crypto ikev2 error`.
    pub fn discarded(&self, path: &Path, discard: &Discard) {
        if self.flags.ikev2_error {
            self.write(format_args!(
                "IKEv2-ERROR:Packet from {} discarded: {discard}",
                path.remote
            ));
        }
    }

    /// Whether the core has to tell its steps.
    #[must_use]
    pub fn wants_trace(&self) -> bool {
        self.flags.any()
    }
}

/// A peer's text may hold anything; a line of ours holds no control characters.
fn printable(text: &str) -> String {
    text.chars()
        .take(512)
        .map(|one| if one.is_control() { '.' } else { one })
        .collect()
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
