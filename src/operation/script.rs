//! Commands and lines of configuration one after another, without a terminal.

use std::{
    io::{BufReader, Write},
    ops::ControlFlow,
    path::PathBuf,
};

use super::{fail, folder, print};
use crate::{
    cli::{
        Printable, configure,
        exec::{self, From, Mode, TerminalCommand},
        show::without_secrets,
    },
    error::Failed,
    shell::{self, Answer, Configuring, Console, History, lines_kept},
};

/// Commands one after another, without a terminal.
pub(super) struct Script {
    console: Console,
    /// `configure terminal`, while it lasts.
    configuring: Option<Configuring>,
    /// A bare `configure` came last: the next line may say where the configuration comes from.
    asked: bool,
    /// One was refused.
    refused: bool,
    /// `exit` has ended the session.
    left: bool,
    history: History,
    /// The number of the line that is carried out, where there are several.
    pub(super) number: Option<usize>,
    /// That of the first one that is pending.
    pending_from: usize,
}

impl Script {
    pub(super) fn new(state_dir: Option<PathBuf>) -> Self {
        Self {
            console: Console::new(folder(state_dir)),
            configuring: None,
            asked: false,
            refused: false,
            left: false,
            history: History::default(),
            number: None,
            pending_from: 0,
        }
    }

    /// Carries out standard input. Without a daemon that is a failure, even if nothing is asked for.
    pub(super) fn read(mut self) -> Result<(), Failed> {
        self.console.reach().map_err(fail)?;
        let mut input = BufReader::with_capacity(1 << 16, std::io::stdin().lock());
        for number in 1_usize.. {
            self.number = Some(number);
            match shell::read_line(&mut input) {
                Ok(None) => break,
                Ok(Some(line)) => {
                    if self.passes_over(&line) {
                        break;
                    }
                    let more = input.buffer().contains(&b'\n');
                    if self.carry_out(&line, more)?.is_break() && !self.left {
                        break;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    // What stands in front of it is answered in front of it, and the pending lines stay such as follow each other.
                    let more = input.buffer().contains(&b'\n');
                    if self.configure(more)?.is_break() {
                        break;
                    }
                    self.refuse("% The line is not UTF-8", "", None)?;
                }
                Err(error) => return Err(fail(format_args!("standard input: {error}"))),
            }
        }
        self.end()
    }

    /// Whether `exit` has ended the session before the line, which is said of the first one that means something.
    pub(super) fn passes_over(&mut self, line: &str) -> bool {
        if !self.left || shell::command_of(line).trim().is_empty() {
            return false;
        }
        self.refused = true;
        let number = self.number.unwrap_or_default();
        let _ = writeln!(
            std::io::stderr(),
            "ironflex: line {number} and what follows it were not carried out: an 'exit' before them has ended the session"
        );
        true
    }

    /// Carries out a line, and goes on after one that is refused, as a router does with what is pasted. `more` come at
    /// once.
    pub(super) fn carry_out(&mut self, line: &str, more: bool) -> Result<ControlFlow<()>, Failed> {
        if self.left {
            return Ok(ControlFlow::Break(()));
        }
        let Some(configuring) = &mut self.configuring else {
            self.history.add(line, false);
            let answer = self.console.carry_out(line).map_err(fail)?;
            return self.tell(answer, line);
        };
        if std::mem::take(&mut self.asked) {
            match exec::configured_from(line) {
                Some(From::Terminal) => return Ok(ControlFlow::Continue(())),
                Some(From::Elsewhere(command)) => {
                    // The session that has begun is over before another wants the configuration.
                    configuring.push("end");
                    if self.configure(false)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    let before = std::mem::take(&mut self.refused);
                    let _ = self.obey(command)?;
                    let refused = std::mem::replace(&mut self.refused, before);
                    self.refused |= refused;
                    // As where a session does not begin: what follows may be configuration.
                    return Ok(if refused {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    });
                }
                // Any other line begins to configure.
                None => {}
            }
        }
        if let Some(command) = configuring.exec_command(line) {
            if self.configure(false)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.configuring.is_some() {
                self.history.add(line, true);
                let answer = self.console.carry_out(command).map_err(fail)?;
                return self.tell(answer, line);
            }
            return self.carry_out(line, more);
        }
        // Here nobody has pressed the key: a password may end so.
        let asks = |before: &&str| before.is_empty() || before.ends_with(' ');
        if let Some(before) = line.strip_suffix('?').filter(asks)
            && !configuring.in_text
        {
            let before = before.to_owned();
            if self.configure(false)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            return match &self.configuring {
                Some(configuring) => {
                    print(&configure::help(configuring.mode, &before))?;
                    Ok(ControlFlow::Continue(()))
                }
                None => self.carry_out(line, more),
            };
        }
        if configuring.pends_nothing() {
            self.pending_from = self.number.unwrap_or_default();
        }
        if configuring.push(line) || !more {
            return self.configure(more);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Has the lines taken that are pending.
    fn configure(&mut self, more: bool) -> Result<ControlFlow<()>, Failed> {
        let Some(mut configuring) = self.configuring.take() else {
            return Ok(ControlFlow::Continue(()));
        };
        let pends_nothing = configuring.pends_nothing();
        let (lines, taken) = match self.console.send(&mut configuring, more) {
            Ok(answer) => answer,
            Err(over) => {
                self.refused = true;
                print(&over.to_string())?;
                let first = if pends_nothing {
                    self.number
                } else {
                    self.number.map(|_| self.pending_from)
                };
                if let Some(first) = first {
                    let _ = writeln!(
                        std::io::stderr(),
                        "ironflex: line {first} and what follows it had no answer"
                    );
                }
                return Ok(ControlFlow::Break(()));
            }
        };
        for line in lines.iter().take(taken.taken) {
            self.history.add(line, true);
        }
        let from = self.pending_from;
        let numbered = self.number.is_some();
        let now = self.number;
        for said in &taken.said {
            let line = lines.get(said.line).map_or("", String::as_str);
            self.refused |= said.refused;
            print(&configure::with_line(said, line))?;
            if said.refused && numbered {
                name_refused(from.saturating_add(said.line), line, said.read);
            }
        }
        if !taken.left {
            self.configuring = Some(configuring);
            return Ok(ControlFlow::Continue(()));
        }
        // What stands behind an `end` are commands.
        let mut behind = lines.iter().enumerate().skip(taken.taken).peekable();
        while let Some((index, line)) = behind.next() {
            let more = more || behind.peek().is_some();
            self.number = now.map(|_| from.saturating_add(index));
            if self.carry_out(line, more)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.number = now;
        Ok(ControlFlow::Continue(()))
    }

    /// The same with a command, of which no `?` asks for help.
    pub(super) fn obey(&mut self, line: &str) -> Result<ControlFlow<()>, Failed> {
        let answer = self.console.obey(line).map_err(fail)?;
        self.tell(answer, line)
    }

    fn tell(&mut self, answer: Answer, line: &str) -> Result<ControlFlow<()>, Failed> {
        match answer {
            Answer::Output(text) => print(&text)?,
            Answer::Refused(text) => self.refuse(&text, line, None)?,
            Answer::Unread(error) => {
                let before = line.len().saturating_sub(shell::command_of(line).len());
                let before = line.get(..before).unwrap_or_default().chars().count();
                let read = error.read().map(|read| read.saturating_add(before));
                self.refuse(&error.to_string(), line, read)?;
            }
            Answer::Terminal(TerminalCommand::Exit) => {
                self.left = true;
                return Ok(ControlFlow::Break(()));
            }
            Answer::Terminal(TerminalCommand::Disable) => self.console.mode = Mode::User,
            Answer::Terminal(TerminalCommand::Enable) => self.console.mode = Mode::Privileged,
            // Nothing stops here where a screen would be full.
            Answer::Terminal(TerminalCommand::Settings) => {
                print(&shell::settings(0, 0, self.history.size()))?;
            }
            Answer::Terminal(TerminalCommand::History) => {
                let lines = self.history.shown(self.configuring.is_some());
                print(&lines)?;
            }
            Answer::Terminal(TerminalCommand::HistorySize(size)) => {
                self.history.set_size(lines_kept(size));
            }
            Answer::Terminal(TerminalCommand::Configure { revert }) => {
                return self.begin_to_configure(revert, line);
            }
            Answer::Terminal(TerminalCommand::ConfigureFrom) => {
                self.asked = self.configuring.is_none();
                return self.begin_to_configure(None, line);
            }
            // There is no terminal.
            Answer::Terminal(_) | Answer::Interrupted => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether a line was refused.
    pub(super) const fn is_refused(&self) -> bool {
        self.refused
    }

    /// Whether `exit` has ended the session.
    pub(super) const fn has_left(&self) -> bool {
        self.left
    }

    fn begin_to_configure(
        &mut self,
        revert: Option<u32>,
        line: &str,
    ) -> Result<ControlFlow<()>, Failed> {
        if self.configuring.is_some() {
            return Ok(ControlFlow::Continue(()));
        }
        match self.console.configure(revert) {
            Ok(configuring) => {
                self.configuring = Some(configuring);
                Ok(ControlFlow::Continue(()))
            }
            Err(over) => {
                self.refuse(&over.to_string(), line, None)?;
                // What follows is configuration, and is not to be taken for commands.
                Ok(ControlFlow::Break(()))
            }
        }
    }

    /// A line was refused, for this reason, when so many of its characters were read.
    pub(super) fn refuse(
        &mut self,
        text: &str,
        line: &str,
        read: Option<usize>,
    ) -> Result<(), Failed> {
        self.refused = true;
        print(text)?;
        if let Some(number) = self.number {
            name_refused(number, line, read);
        }
        Ok(())
    }

    pub(super) fn end(mut self) -> Result<(), Failed> {
        // Where nothing pends there is no line any more that could have no answer.
        if self
            .configuring
            .as_ref()
            .is_none_or(Configuring::pends_nothing)
        {
            self.number = None;
        }
        let _ = self.configure(false)?;
        if self.refused {
            Err(Failed::GENERIC)
        } else {
            Ok(())
        }
    }
}

/// Says which of several lines was refused, beside the answers and not among them. What is behind the characters that were
/// read is left out, for what a word that nobody knows announces may be a secret.
fn name_refused(number: usize, line: &str, read: Option<usize>) {
    /// Characters of a line that are told: one that is too long is none to be read.
    const TOLD: usize = 200;
    let known: String = match read {
        Some(read) => line.chars().take(read).collect(),
        None => line.to_owned(),
    };
    let unread = line.get(known.len()..).unwrap_or_default();
    let line = without_secrets(known.trim());
    let told: String = line.chars().take(TOLD).collect();
    let rest = if told.len() < line.len() {
        "…"
    } else if unread.trim().is_empty() {
        ""
    } else {
        " …"
    };
    let gap = if told.is_empty() { "" } else { ": " };
    let told = Printable(&told);
    let _ = writeln!(
        std::io::stderr(),
        "ironflex: line {number} was refused{gap}{told}{rest}"
    );
}
