//! `configure terminal`, from the operator's end.

use std::io;

use ironflex_profiles::tree::ModeKind;
use nix::unistd::ttyname;

use super::{Console, NoDaemon};
use crate::{
    cli::configure::{self, Lines, Prompt, Taken},
    daemon::control::configuring::{Begin, Session},
};

/// What a router says at the beginning.
pub const GREETING: &str = "Enter configuration commands, one per line.  End with CNTL/Z.\n";

/// Lines that go to the daemon together, at most.
const TOGETHER: usize = 500;

/// Octets of them, at most.
const OCTETS: usize = 64 * 1024;

/// A configuration session.
#[derive(Debug)]
pub struct Configuring {
    session: Session,
    /// The mode that the next line stands in.
    pub mode: ModeKind,
    /// Whether the next line belongs to a text.
    pub in_text: bool,
    /// What the prompt shows in brackets.
    in_brackets: String,
    /// Lines were sent that may not be at work yet.
    pub(super) is_behind: bool,
    /// Lines that are not sent yet.
    pending: Vec<String>,
    octets: usize,
}

/// Why a session is over, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum Over {
    /// Nobody answers.
    #[error("% {0}")]
    NoDaemon(#[from] NoDaemon),
    /// The daemon says so.
    #[error("{0}")]
    Refused(String),
    /// The connection is cut.
    #[error("% The configuration session is over: {0}")]
    Cut(io::Error),
    /// Ctrl-C was pressed.
    #[error("% The configuration session is over")]
    Interrupted,
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::Other => Self::Refused(error.to_string()),
            _ => Self::Cut(error),
        }
    }
}

impl Console {
    /// Begins to configure. What is not confirmed in `revert` minutes is taken back.
    ///
    /// # Errors
    ///
    /// [`Over`]: who does already, for one.
    pub fn configure(&self, revert: Option<u32>) -> Result<Configuring, Over> {
        let terminal = ttyname(io::stdin()).ok();
        let begin = Begin {
            terminal: terminal.map(|path| path.display().to_string()),
            revert,
        };
        let session = Session::begin(self.connect()?, begin)?;
        Ok(Configuring {
            session,
            mode: ModeKind::Global,
            in_text: false,
            in_brackets: ModeKind::Global.prompt().to_owned(),
            is_behind: false,
            pending: Vec::new(),
            octets: 0,
        })
    }

    /// Sends what is pending, and takes the answer. `more` lines follow at once.
    ///
    /// # Errors
    ///
    /// [`Over`].
    pub fn send(
        &self,
        configuring: &mut Configuring,
        more: bool,
    ) -> Result<(Vec<String>, Taken), Over> {
        let lines = Lines {
            lines: std::mem::take(&mut configuring.pending),
            more,
        };
        configuring.octets = 0;
        self.interrupt.begin(configuring.session.stream());
        let taken = configuring.session.take(&lines);
        if self.interrupt.end() {
            return Err(Over::Interrupted);
        }
        let taken = taken?;
        configuring.is_behind = more;
        if let Some(last) = taken.prompts.last() {
            configuring.goes_on(last);
        }
        Ok((lines.lines, taken))
    }
}

impl Configuring {
    /// The next line stands here.
    fn goes_on(&mut self, prompt: &Prompt) {
        self.mode = configure::mode(&prompt.mode);
        self.in_text = prompt.in_text;
        self.in_brackets.clone_from(&prompt.in_brackets);
    }

    /// Whether every line was sent.
    #[must_use]
    pub const fn pends_nothing(&self) -> bool {
        self.pending.is_empty()
    }

    /// Keeps a line until others have come. Whether they should be sent now, however many follow.
    pub fn push(&mut self, line: &str) -> bool {
        self.octets = self.octets.saturating_add(line.len());
        self.pending.push(line.to_owned());
        self.pending.len() >= TOGETHER || self.octets >= OCTETS
    }

    /// The exec command that a line holds.
    pub fn exec_command<'l>(&self, line: &'l str) -> Option<&'l str> {
        configure::exec_command(line).filter(|_| !self.in_text)
    }

    /// What the prompt shows in brackets; within a text there is none.
    #[must_use]
    pub fn prompt(&self) -> Option<&str> {
        (!self.in_text).then_some(&self.in_brackets)
    }
}
