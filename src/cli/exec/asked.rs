//! What a router asks at its terminal before it does something. Where there is no terminal nobody is asked.

use ironflex_profiles::model::name::FileName;

use super::{super::Printable, ExecCommand, Line, Nameless, Replacement, Source, common};

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
    /// Which file of one that has a single one is to be written, which a line answers: what has it, and its name.
    Own(&'static str, &'static str),
    /// Which file is meant by a line that names only where it is, which a line answers: what it is asked for.
    Nameless(&'static str),
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
            ExecCommand::WriteMemory if !self.force => Some(Asked::Own("nvram", STARTUP)),
            ExecCommand::Merge(_) if !self.force => Some(Asked::Own("system", RUNNING)),
            ExecCommand::Nameless(Nameless::Merge) => Some(Asked::Nameless("Source filename")),
            ExecCommand::Nameless(Nameless::Delete) => Some(Asked::Nameless("Delete filename")),
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
            ExecCommand::Nameless(Nameless::Merge) => Some(format!("copy {file} running-config")),
            ExecCommand::Nameless(Nameless::Delete) if self.force => {
                Some(format!("delete /force {file}"))
            }
            ExecCommand::Nameless(Nameless::Delete) => Some(format!("delete {file}")),
            _ => None,
        }
    }
}

/// The files of which there is one.
const RUNNING: &str = "running-config";
const STARTUP: &str = "startup-config";

/// What an answer names where one file alone may be written.
///
/// # Errors
///
/// The text for whoever typed another.
pub fn own_file(answer: &str, system: &str, own: &str) -> Result<(), String> {
    let answer = answer.trim();
    let named = match answer.split_once(':') {
        Some((typed, name)) if typed.eq_ignore_ascii_case(system) => name,
        _ => answer,
    };
    let named = named.strip_prefix('/').unwrap_or(named);
    if named.is_empty() || named.eq_ignore_ascii_case(own) {
        return Ok(());
    }
    let advice = if own == STARTUP {
        "; 'copy running-config bootflash:FILE' writes another file"
    } else {
        ""
    };
    Err(format!(
        "%Error opening {system}:{} (there is only {own} on {system}: here{advice})",
        Printable(named)
    ))
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
