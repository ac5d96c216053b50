//! What a router asks at its terminal before it does something. Where there is no terminal nobody is asked.

use ironflex_profiles::model::name::FileName;

use super::{super::Printable, ExecCommand, Line, Replacement, Source, common};

/// A question, and what answers it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asked {
    /// `[confirm]`, which one key answers.
    Key(&'static str),
    /// `[no]:`, which a line answers: what stands above it, and the question.
    Line(&'static str, &'static str),
    /// Which file is to be written, which a line answers: this one, or the one that it names.
    Destination(FileName),
    /// The same of one that is to be deleted, and then `[confirm]`.
    Deletion(FileName),
}

/// What is asked where a file would be replaced by another.
pub const OVER_WRITE: &str = "Do you want to over write? [confirm]";

impl Line {
    /// What a router asks before it does this. A `/force` keeps it from asking of a file.
    #[must_use]
    pub fn confirmation(&self) -> Option<Asked> {
        match &self.command {
            ExecCommand::ClearCounters(None) => Some(Asked::Key(
                "Clear \"show interface\" counters on all interfaces [confirm]",
            )),
            ExecCommand::ClearCounters(Some(_)) => Some(Asked::Key(
                "Clear \"show interface\" counters on this interface [confirm]",
            )),
            ExecCommand::ClearLogging => Some(Asked::Key("Clear logging buffer [confirm]")),
            ExecCommand::EraseStartup => Some(Asked::Key(
                "Erasing the nvram filesystem will remove all configuration files! Continue? [confirm]",
            )),
            ExecCommand::CopyTo(file, _) => Some(Asked::Destination(file.clone())),
            ExecCommand::Delete(file) if !self.force => Some(Asked::Deletion(file.clone())),
            ExecCommand::ConfigureReplace(Replacement { force: false, .. }) => Some(Asked::Line(
                "This will apply all necessary additions and deletions\n\
                 to replace the current running configuration with the\n\
                 contents of the specified configuration file, which is\n\
                 assumed to be a complete configuration, not a partial\n",
                "configuration. Enter Y if you are sure you want to proceed. ? [no]: ",
            )),
            _ => None,
        }
    }

    /// The same command with another file; none of one without a file that is asked for.
    #[must_use]
    pub fn with_file(&self, file: &FileName) -> Option<String> {
        match &self.command {
            ExecCommand::CopyTo(_, source) => Some(match source {
                Source::File(from) => format!("copy {from} {file}"),
                Source::Running => format!("copy running-config {file}"),
                Source::Startup => format!("copy startup-config {file}"),
            }),
            ExecCommand::Delete(_) => Some(format!("delete {file}")),
            _ => None,
        }
    }
}

/// The file that an answer names: on `bootflash:`, whether that is said or not.
///
/// # Errors
///
/// The text for whoever typed it.
pub fn file_named(answer: &str) -> Result<FileName, String> {
    let answer = answer.trim();
    let read = if answer.contains(':') {
        FileName::new(answer)
    } else {
        FileName::new(&format!("bootflash:{answer}"))
    };
    read.map_err(|error| format!("%Error opening {} ({error})", Printable(answer)))
}

/// Where a bare `configure` takes the configuration from, as a router asks.
pub const CONFIGURE_FROM: &str = "Configuring from terminal, memory, or network [terminal]? ";

/// What is said to an answer that means none of these.
pub const NO_SUCH_PLACE: &str = "?Must be \"terminal\", \"memory\" or \"network\"";

/// Where a configuration may come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum From {
    /// The terminal.
    Terminal,
    /// What the command of this line takes it from.
    Elsewhere(&'static str),
}

/// What an answer to [`CONFIGURE_FROM`] means; none of one that means nothing.
#[must_use]
pub fn configured_from(answer: &str) -> Option<From> {
    let answer = answer.trim();
    [
        ("terminal", From::Terminal),
        ("memory", From::Elsewhere("configure memory")),
        ("network", From::Elsewhere("configure network")),
    ]
    .into_iter()
    .find(|(place, _)| common(place, answer) == answer.len())
    .map(|(_, from)| from)
}
