//! The operator's end of the control socket: lines in, answers out.
//!
//! A [`Console`] carries out one line after another. Commands go to the daemon; what follows a `|`, and
//! what concerns the terminal, is done here, with the rights of who types. It knows no terminal itself:
//! [`converse`] joins the two.

use std::{
    fmt,
    io::{self, BufRead, Read},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use ironflex_profiles::model::name::FileName;

use crate::{
    cli::{
        exec::{self, Asked, ExecCommand, ExecError, Line, MAX_LINE, Mode, TerminalCommand},
        pipe::Modifier,
    },
    daemon::{
        bootflash,
        control::{self, Question},
    },
    files,
};

mod configuring;
mod headends;
mod history;
mod keys;
mod monitor;
mod pager;
mod presence;
mod redirect;
mod signals;
mod terminal;

pub use configuring::{Configuring, GREETING, Over};
pub use history::{History, lines_kept};
pub use signals::Interrupt;
pub use terminal::{TerminalError, converse};

/// How long the daemon may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(30);

/// Carries lines out.
#[derive(Debug)]
pub struct Console {
    /// Where the daemon's control socket lives.
    state_dir: PathBuf,
    /// What may be typed.
    pub mode: Mode,
    /// What Ctrl-C ends.
    pub interrupt: Interrupt,
    /// A file on `bootflash:` that is there already is kept, and whoever types is asked: the answer is
    /// [`Refused`](Answer::Refused) for [`bootflash::EXISTS`].
    pub keeps: bool,
}

/// What a line came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The output of a command.
    Output(String),
    /// It was refused, for this reason.
    Refused(String),
    /// It is no command.
    Unread(ExecError),
    /// Ctrl-C was pressed before the answer came.
    Interrupted,
    /// The terminal is to do it.
    Terminal(TerminalCommand),
}

/// Nobody answers at the control socket, or not whoever asks.
#[derive(Debug, thiserror::Error)]
pub struct NoDaemon {
    path: PathBuf,
    #[source]
    error: io::Error,
    /// What to do about it.
    advice: Option<String>,
}

impl fmt::Display for NoDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            error,
            advice,
        } = self;
        let path = path.display();
        if error.kind() == io::ErrorKind::PermissionDenied {
            return write!(
                f,
                "no permission to use {path}: it is its daemon's user's alone ({error})"
            );
        }
        write!(f, "no daemon answers at {path}: {error}")?;
        advice.iter().try_for_each(|advice| write!(f, "; {advice}"))
    }
}

impl Console {
    /// One that may do everything: the socket's permissions have decided.
    #[must_use]
    pub fn new(state_dir: PathBuf) -> Self {
        Self {
            state_dir,
            mode: Mode::Privileged,
            interrupt: Interrupt::default(),
            keeps: false,
        }
    }

    /// Opens a connection to the daemon.
    fn connect(&self) -> Result<UnixStream, NoDaemon> {
        control::connect(&self.state_dir, PATIENCE).map_err(|error| self.silent(error))
    }

    /// Finds out whether there is a daemon.
    ///
    /// # Errors
    ///
    /// [`NoDaemon`].
    pub fn reach(&self) -> Result<(), NoDaemon> {
        self.connect().map(drop)
    }

    fn silent(&self, error: io::Error) -> NoDaemon {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        let is_nobody = matches!(error.kind(), ConnectionRefused | NotFound);
        NoDaemon {
            path: control::socket_path(&self.state_dir),
            error,
            advice: is_nobody.then(|| headends::advice(&self.state_dir)),
        }
    }

    /// Lets the daemon carry a command out.
    ///
    /// # Errors
    ///
    /// [`NoDaemon`].
    pub fn ask(&self, command: &str) -> Result<Answer, NoDaemon> {
        self.ask_by(command, &Question::Exec(command.to_owned()))
    }

    /// The same where a file on `bootflash:` is written.
    fn ask_to_write(&self, command: &str) -> Result<Answer, NoDaemon> {
        if self.keeps {
            self.ask_by(command, &Question::New(command.to_owned()))
        } else {
            self.ask(command)
        }
    }

    fn ask_by(&self, command: &str, question: &Question) -> Result<Answer, NoDaemon> {
        let stream = self.connect()?;
        self.interrupt.begin(&stream);
        let reply = control::ask_by(stream, question);
        if self.interrupt.end() {
            return Ok(Answer::Interrupted);
        }
        let reply = reply.map_err(|error| self.silent(error))?;
        Ok(match reply.status {
            0 => Answer::Output(reply.output),
            _ => match exec::refused_interface(command, &reply.output) {
                Some(error) => Answer::Unread(error),
                None => Answer::Refused(reply.output),
            },
        })
    }

    /// Carries out a line. Empty ones and comments come to nothing; a `?` at the end asks for help.
    ///
    /// # Errors
    ///
    /// [`NoDaemon`].
    pub fn carry_out(&self, line: &str) -> Result<Answer, NoDaemon> {
        match question(command_of(line)) {
            Some(before) => {
                let help = exec::help(before, self.mode);
                // A word that is not known, or stands for several.
                Ok(match help.starts_with("% ") {
                    true => Answer::Refused(help),
                    false => Answer::Output(help),
                })
            }
            None => self.obey(line),
        }
    }

    /// What a router asks before it carries out a line.
    #[must_use]
    pub fn confirmation(&self, line: &str) -> Option<Asked> {
        let read = exec::parse(command_of(line), self.mode).ok()?;
        read.confirmation()
    }

    /// The same line with another file, which was named where that was asked for.
    fn with_file(&self, line: &str, file: &FileName) -> Option<String> {
        let read = exec::parse(command_of(line), self.mode).ok()?;
        read.with_file(file)
    }

    /// Whether a line makes a change that goes back unless it is confirmed, beside `configure terminal`.
    fn is_to_be_confirmed(&self, line: &str) -> bool {
        let read = exec::parse(command_of(line), self.mode);
        read.is_ok_and(|read| match read.command {
            ExecCommand::ConfigureReplace(replacement) => replacement.minutes.is_some(),
            _ => false,
        })
    }

    /// `show privilege`
    fn privilege(&self) -> String {
        let level = match self.mode {
            Mode::User => 1,
            Mode::Privileged => 15,
        };
        format!("Current privilege level is {level}\n")
    }

    /// Carries out a line of which no `?` asks for help: a name may end in one.
    ///
    /// # Errors
    ///
    /// [`NoDaemon`].
    pub fn obey(&self, line: &str) -> Result<Answer, NoDaemon> {
        let line = command_of(line);
        if line.is_empty() {
            return Ok(Answer::Output(String::new()));
        }
        let Line {
            command, modifier, ..
        } = match exec::parse(line, self.mode) {
            Ok(read) => read,
            Err(error) => return Ok(Answer::Unread(error)),
        };
        // Nobody else knows who types.
        let here = match command {
            ExecCommand::Terminal(TerminalCommand::Privilege) => Some(self.privilege()),
            ExecCommand::Terminal(command) => return Ok(Answer::Terminal(command)),
            ExecCommand::CopyTo(..) => return self.ask_to_write(line),
            _ => None,
        };
        let Some(modifier) = modifier else {
            return here.map_or_else(|| self.ask(line), |here| Ok(Answer::Output(here)));
        };
        match &modifier {
            Modifier::Json => return self.ask(line),
            Modifier::Instead(words, advice) => {
                return Ok(Answer::Refused(format!(
                    "% | {words}: not supported by this headend: {advice}"
                )));
            }
            // What is on bootflash is the daemon's, as `dir` and `configure replace` have it.
            Modifier::Redirect(to) if bootflash::is_on(&to.file) => {
                return match self.mode {
                    Mode::Privileged => self.ask_to_write(line),
                    Mode::User => Ok(Answer::Refused(
                        "% bootflash: is written to behind 'enable' alone".to_owned(),
                    )),
                };
            }
            _ => {}
        }
        let filter = match modifier.filter() {
            Ok(filter) => filter,
            Err(error) => return Ok(Answer::Refused(error.to_string())),
        };
        let answer = match here {
            Some(here) => Answer::Output(here),
            None => self.ask(exec::without_modifier(line))?,
        };
        let Answer::Output(output) = answer else {
            return Ok(answer);
        };
        Ok(match (filter, modifier) {
            (Some(filter), _) => Answer::Output(filter.apply(&output)),
            (None, Modifier::Redirect(to)) => match redirect::write(&to.file, &output, to.append) {
                Ok(()) if to.shown => Answer::Output(output),
                Ok(()) => Answer::Output(String::new()),
                Err(error) => {
                    let file = crate::cli::Printable(&to.file);
                    let why = format!("% Error writing {file} ({error})");
                    Answer::Refused(files::in_words(&why))
                }
            },
            (None, _) => Answer::Output(output),
        })
    }
}

/// `show terminal`, at a screen of so many lines and columns, where so many lines are remembered.
#[must_use]
pub fn settings(length: u32, width: u32, history: usize) -> String {
    let history = history::standing(history);
    format!(
        "Line 0, Location: \"\", Type: \"\"\nLength: {length} lines, Width: {width} columns\n{history}"
    )
}

/// What is to be done of a line: nothing of a comment, and what stands behind a `do`, which the habits of
/// configuration mode put there. `end` has nothing to end.
#[must_use]
pub fn command_of(line: &str) -> &str {
    let line = line.trim_start();
    let (word, rest) = line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()));
    if word.starts_with('!') || (word == "end" && rest.trim().is_empty()) {
        return "";
    }
    if word == "do" {
        rest.trim_start()
    } else {
        line
    }
}

/// What stands in front of the `?` that ends a line, unless that belongs to a regular expression or a path.
fn question(line: &str) -> Option<&str> {
    let before = line.trim_end().strip_suffix('?')?;
    (!exec::ends_in_text(before)).then_some(before)
}

/// Reads lines of any length and content without keeping more of one than a command may have.
///
/// # Errors
///
/// Of reading; `InvalidData` for a line that is not UTF-8.
pub fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let limit = u64::try_from(MAX_LINE)
        .unwrap_or(u64::MAX)
        .saturating_add(2);
    let mut line = Vec::new();
    let length = input.by_ref().take(limit).read_until(b'\n', &mut line)?;
    if length == 0 {
        return Ok(None);
    }
    if !line.ends_with(b"\n") && length > MAX_LINE {
        // The rest is passed over; what is kept of it is too long for a command, and refused as one.
        input.skip_until(b'\n')?;
    }
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    match String::from_utf8(line) {
        Ok(line) => Ok(Some(line)),
        // Cut within a character.
        Err(error) if length > MAX_LINE => {
            Ok(Some(String::from_utf8_lossy(error.as_bytes()).into_owned()))
        }
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_habits_of_configuration_mode_harm_nobody() {
        for (line, command) in [
            ("  ! show version", ""),
            ("!", ""),
            ("end", ""),
            ("end ", ""),
            ("do show clock", "show clock"),
            ("  show clock", "show clock"),
            ("endless", "endless"),
            ("", ""),
        ] {
            assert_eq!(command_of(line), command, "{line:?}");
        }
    }

    #[test]
    fn bootflash_is_written_to_behind_enable_alone() {
        let nowhere = tempfile::tempdir().unwrap();
        let mut console = Console::new(nowhere.path().to_owned());
        let lines = [
            "redirect bootflash:x",
            "append flash:x",
            "tee /append bootflash:x",
        ];
        for line in lines.map(|to| format!("show clock | {to}")) {
            console.mode = Mode::User;
            let refused =
                Answer::Refused("% bootflash: is written to behind 'enable' alone".into());
            assert_eq!(console.obey(&line).unwrap(), refused, "{line}");
            // The headend would be asked.
            console.mode = Mode::Privileged;
            assert!(console.obey(&line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_pipe_to_a_program_of_linux_names_what_a_router_has_for_it() {
        let nowhere = tempfile::tempdir().unwrap();
        let console = Console::new(nowhere.path().to_owned());
        for line in ["show version | grep uptime", "show clock|grep"] {
            let Ok(Answer::Refused(why)) = console.obey(line) else {
                panic!("{line} is taken");
            };
            assert!(why.contains("'| include REGEX'"), "{why}");
        }
    }

    #[test]
    fn a_question_mark_asks_unless_it_stands_in_an_expression() {
        assert_eq!(question("show crypto ?"), Some("show crypto "));
        assert_eq!(question("sh? "), Some("sh"));
        assert_eq!(question("show crypto session | include x?"), None);
        assert_eq!(
            question("show crypto session | i ?"),
            Some("show crypto session | i ")
        );
        assert_eq!(question("show"), None);
    }

    #[test]
    fn lines_are_read_one_by_one_whatever_they_are() {
        let long = "a".repeat(1 << 20);
        let text = format!("show clock\r\n\n{long}\né\nlast");
        let mut input = io::BufReader::with_capacity(7, text.as_bytes());
        let mut next = || read_line(&mut input).unwrap();
        assert_eq!(next().as_deref(), Some("show clock"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().map(|line| line.len()), Some(MAX_LINE + 2));
        assert_eq!(next().as_deref(), Some("é"));
        assert_eq!(next().as_deref(), Some("last"));
        assert_eq!(next(), None);
        let mut wrong: &[u8] = b"show \xff\nshow clock\n";
        assert_eq!(
            read_line(&mut wrong).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        assert_eq!(
            read_line(&mut wrong).unwrap().as_deref(),
            Some("show clock")
        );
    }
}
