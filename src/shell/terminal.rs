//! The operator's terminal: a prompt, lines that can be edited, help at `?`, output by the screen.

use std::{
    collections::VecDeque,
    io,
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use ironflex_profiles::snapshot::DEFAULT_HOSTNAME;
use rustyline::{
    CompletionType, Config, Context, Editor, Event, EventHandler, Helper,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::{History as _, MemHistory, SearchDirection},
    validate::Validator,
};

use super::{
    Answer, Configuring, Console, GREETING, NoDaemon, command_of,
    configuring::Over,
    history::{HISTORY, lines_kept},
    keys::{Keys, Line, MAX_TYPED, Pasted, Then, Wish, locked},
    monitor::Monitor,
    pager::{self, Screen},
    presence::Presence,
    signals,
};
use ironflex_profiles::tree::ModeKind;

mod asking;
mod paste;

use crate::cli::{
    configure::{self, Taken},
    exec::{self, Mode, TerminalCommand},
};
use crate::daemon::bootflash;

/// A screen, where the terminal does not say.
const SCREEN: (u16, u16) = (80, 24);

/// Why a conversation could not begin, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// Nobody answers at the control socket.
    #[error(transparent)]
    NoDaemon(#[from] NoDaemon),
    /// The terminal fails.
    #[error("terminal: {0}")]
    Io(#[from] io::Error),
    /// The line editor does.
    #[error("terminal: {0}")]
    Editor(#[from] ReadlineError),
}

/// Converses at the terminal until it is left.
///
/// # Errors
///
/// [`TerminalError`].
pub fn converse(state_dir: PathBuf) -> Result<(), TerminalError> {
    let mut console = Console::new(state_dir);
    let _as_before = signals::watch(console.interrupt.clone())?;
    if !has_no_editor() {
        signals::keep_input()?;
    }
    let name = name(&console)?;
    console.mode = Mode::User;
    console.keeps = true;
    let wish = Arc::new(Mutex::new(Wish::default()));
    let mut shell = Shell {
        editor: editor(&wish)?,
        aside: history()?,
        recalls_configuration: false,
        history_size: HISTORY,
        presence: Presence::new(console.state_dir.clone()),
        console,
        name,
        wish,
        configuring: None,
        pasted: VecDeque::new(),
        length: None,
        width: None,
        monitor: None,
        rollback: None,
        all_told: Arc::default(),
    };
    shell.run()
}

/// Whether the terminal is one that the line editor leaves to itself.
fn has_no_editor() -> bool {
    let terminal = std::env::var("TERM").unwrap_or_default();
    let without = ["dumb", "cons25", "emacs"];
    without
        .iter()
        .any(|one| one.eq_ignore_ascii_case(&terminal))
}

/// What the prompt calls the headend: by the `hostname` of its configuration, as everything that it shows does.
fn name(console: &Console) -> Result<String, NoDaemon> {
    let configured = match console.ask("show running-config")? {
        Answer::Output(text) => text
            .lines()
            .find_map(|line| Some(line.strip_prefix("hostname ")?.trim().to_owned())),
        _ => None,
    };
    Ok(configured.unwrap_or_else(|| DEFAULT_HOSTNAME.to_owned()))
}

/// Which commands there are.
#[derive(Clone, Copy)]
enum Place {
    Exec(Mode),
    Configuration(ModeKind),
}

/// Completes words by the table of the commands.
struct Words(Place);

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = line.get(..at).unwrap_or_default();
        let (start, words) = match self.0 {
            Place::Exec(mode) => {
                let found = exec::complete(line, mode);
                let words = found.words.into_iter().map(str::to_owned);
                (found.start, words.collect())
            }
            Place::Configuration(mode) => {
                let found = configure::complete(mode, line);
                (found.start, found.words)
            }
        };
        let pairs = words.into_iter().map(|word| Pair {
            replacement: format!("{word} "),
            display: word,
        });
        Ok((start, pairs.collect()))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

fn editor(wish: &Arc<Mutex<Wish>>) -> rustyline::Result<Editor<Words, MemHistory>> {
    // What is pasted is typed, line by line, as on a router.
    let config = Config::builder()
        .bracketed_paste(false)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .build();
    let mut editor = Editor::with_history(config, history()?)?;
    editor.set_helper(Some(Words(Place::Exec(Mode::User))));
    let keys = EventHandler::Conditional(Box::new(Keys(Arc::clone(wish))));
    editor.bind_sequence(Event::Any, keys);
    Ok(editor)
}

/// An empty history.
fn history() -> rustyline::Result<MemHistory> {
    let config = Config::builder().max_history_size(HISTORY)?.build();
    Ok(MemHistory::with_config(&config))
}

/// The conversation.
struct Shell {
    /// With the lines of the modes that it is in, exec or configuration.
    editor: Editor<Words, MemHistory>,
    /// The lines of the others.
    aside: MemHistory,
    /// The editor has those of configuration modes.
    recalls_configuration: bool,
    /// `terminal history size`
    history_size: usize,
    console: Console,
    /// What the prompt begins with.
    name: String,
    presence: Presence,
    wish: Arc<Mutex<Wish>>,
    /// `configure terminal`, while it lasts.
    configuring: Option<Configuring>,
    /// Lines that have come at once and are not carried out yet.
    pasted: VecDeque<Line>,
    /// `terminal length`, if it was set.
    length: Option<u32>,
    /// `terminal width`, if it was set.
    width: Option<u32>,
    monitor: Option<Monitor>,
    /// Tells what becomes of this terminal's change that is to be confirmed, until the daemon ends it with that.
    rollback: Option<Monitor>,
    /// `monitor` tells that too.
    all_told: Arc<AtomicBool>,
}

impl Shell {
    fn prompt(&self) -> String {
        if let Some(configuring) = &self.configuring {
            return prompt(&self.name, configuring.prompt());
        }
        let sign = match self.console.mode {
            Mode::User => '>',
            Mode::Privileged => '#',
        };
        format!("{}{sign}", self.name)
    }

    fn place(&self) -> Place {
        match &self.configuring {
            Some(configuring) => Place::Configuration(configuring.mode),
            None => Place::Exec(self.console.mode),
        }
    }

    fn run(&mut self) -> Result<(), TerminalError> {
        let mut begun: Option<(String, String)> = None;
        loop {
            // Of a paste, the next line waits for no name.
            if !self.more_comes()
                && let Some(name) = self.presence.name()
            {
                self.name = name;
            }
            self.recall(self.configuring.is_some());
            let (prompt, place) = (self.prompt(), self.place());
            if let Some(words) = self.editor.helper_mut() {
                words.0 = place;
            }
            locked(&self.wish).burst.begin(self.configuring.is_some());
            let read = match begun.take() {
                Some((left, right)) => self.editor.readline_with_initial(&prompt, (&left, &right)),
                None => self.editor.readline(&prompt),
            };
            let wish = locked(&self.wish).take();
            match (read, wish) {
                (
                    Ok(_),
                    Wish {
                        pasted: Some(pasted),
                        ..
                    },
                ) => match self.take_pasted(pasted)? {
                    ControlFlow::Break(()) => return Ok(()),
                    ControlFlow::Continue(next) => begun = next,
                },
                (Ok(line), Wish { help: Some(at), .. }) => {
                    let (left, right) = line.split_at_checked(at).unwrap_or((&line, ""));
                    self.help(place, left)?;
                    begun = Some((left.to_owned(), right.to_owned()));
                }
                (Ok(_), Wish { too_long: true, .. }) => {
                    self.complain(&too_long())?;
                }
                (Ok(line), Wish { leave: true, .. }) if self.configuring.is_some() => {
                    self.leave(&line, &prompt)?;
                }
                // In exec mode it drops what was typed.
                (Ok(_), Wish { leave: true, .. }) => {}
                (Ok(line), _) => {
                    if self.take_line(&line, &prompt)?.is_break() {
                        return Ok(());
                    }
                }
                (Err(error), _) => {
                    if self.take_error(error)?.is_break() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A whole line was typed.
    fn take_line(&mut self, line: &str, prompt: &str) -> Result<ControlFlow<()>, TerminalError> {
        self.remember(line, self.configuring.is_some())?;
        Ok(self.carry_out(line, prompt)?)
    }

    /// Keeps a line, among those of configuration modes or of exec modes.
    fn remember(&mut self, line: &str, configuration: bool) -> rustyline::Result<()> {
        if !line.trim().is_empty() {
            self.recall(configuration);
            self.editor.add_history_entry(line)?;
        }
        Ok(())
    }

    /// Has the editor recall the lines of configuration modes, or those of exec modes.
    fn recall(&mut self, configuration: bool) {
        if self.recalls_configuration != configuration {
            self.recalls_configuration = configuration;
            std::mem::swap(self.editor.history_mut(), &mut self.aside);
        }
    }

    /// No line came.
    fn take_error(&mut self, error: ReadlineError) -> Result<ControlFlow<()>, TerminalError> {
        // What was typed behind it is gone, and what was typed before it is not.
        let before = locked(&self.wish).burst.give_up();
        if self.carry_out_pasted(before, false)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        match error {
            // As on a router: Ctrl-C leaves configuration mode, and so does the end of the input.
            ReadlineError::Interrupted | ReadlineError::Eof if self.configuring.is_some() => {
                self.configuring = None;
            }
            ReadlineError::Interrupted | ReadlineError::Signal(_) => {}
            ReadlineError::Eof => return Ok(ControlFlow::Break(())),
            ReadlineError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.complain("% The line is not UTF-8")?;
            }
            error => return Err(error.into()),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What `?` behind a line shows.
    fn help(&mut self, place: Place, line: &str) -> io::Result<()> {
        self.show(&match place {
            Place::Exec(mode) => exec::help(line, mode),
            Place::Configuration(mode) => configure::help(mode, line),
        })?;
        self.show("\n")
    }

    /// Takes what is typed, and leaves configuration mode.
    fn leave(&mut self, line: &str, prompt: &str) -> io::Result<()> {
        if !line.trim().is_empty() {
            self.configure(Some(line), prompt)?;
        }
        self.configure(Some("end"), "")
    }

    fn carry_out(&mut self, line: &str, prompt: &str) -> io::Result<ControlFlow<()>> {
        if let Some(configuring) = &self.configuring
            && configuring.exec_command(line).is_none()
        {
            self.configure(Some(line), prompt)?;
            return Ok(ControlFlow::Continue(()));
        }
        if self.configuring.as_ref().is_some_and(|one| one.is_behind) {
            // A command is to find at work what was typed before it.
            self.configure(None, prompt)?;
        }
        // Whoever asks the terminal reads what the editor would.
        locked(&self.wish).burst.forget();
        let asked = self.console.confirmation(line);
        let Some(line) = self.confirmed(line, asked)? else {
            return Ok(ControlFlow::Continue(()));
        };
        let line = &*line;
        let mut answer = self.console.carry_out(line);
        if matches!(&answer, Ok(Answer::Refused(why)) if why == bootflash::EXISTS) {
            self.show(&format!("{}\n", bootflash::EXISTS))?;
            if !self.confirms(exec::OVER_WRITE)? {
                return Ok(ControlFlow::Continue(()));
            }
            self.console.keeps = false;
            answer = self.console.carry_out(line);
            self.console.keeps = true;
        }
        match answer {
            Err(error) => self.complain(&format!("% {error}"))?,
            Ok(Answer::Output(text)) => {
                // Whoever makes a change that is to be confirmed is reminded of it.
                if self.console.is_to_be_confirmed(line) {
                    self.rollback = self.watch(true).ok();
                }
                self.show(&text)?;
            }
            Ok(Answer::Refused(text)) => self.complain(&text)?,
            Ok(Answer::Unread(error)) => {
                let before = line.len().saturating_sub(command_of(line).len());
                let before = line.get(..before).unwrap_or_default();
                let width = prompt
                    .chars()
                    .count()
                    .saturating_add(before.chars().count());
                self.complain(&error.below_prompt(width))?;
            }
            Ok(Answer::Interrupted) => {}
            Ok(Answer::Terminal(command)) => match command {
                TerminalCommand::Configure { .. } | TerminalCommand::ConfigureFrom
                    if self.configuring.is_some() => {}
                TerminalCommand::Configure { revert } => self.begin_to_configure(revert)?,
                TerminalCommand::ConfigureFrom => self.ask_where_from()?,
                // The console answers it.
                TerminalCommand::Privilege => {}
                TerminalCommand::Disable => self.console.mode = Mode::User,
                TerminalCommand::Enable => self.console.mode = Mode::Privileged,
                TerminalCommand::Exit => return Ok(ControlFlow::Break(())),
                TerminalCommand::History => {
                    self.recall(self.configuring.is_some());
                    let history = self.editor.history();
                    let line = |at| {
                        let found = history.get(at, SearchDirection::Forward).ok()??;
                        Some(format!("  {}\n", found.entry))
                    };
                    let lines: String = (0..history.len()).filter_map(line).collect();
                    self.show(&lines)?;
                }
                TerminalCommand::Settings => {
                    let Screen { length, width } = self.screen();
                    self.show(&super::settings(length, width, self.history_size))?;
                }
                TerminalCommand::HistorySize(size) => {
                    self.history_size = lines_kept(size);
                    for history in [self.editor.history_mut(), &mut self.aside] {
                        let kept = history.set_max_len(self.history_size);
                        kept.map_err(io::Error::other)?;
                    }
                }
                TerminalCommand::Length(length) => self.length = Some(length),
                TerminalCommand::DefaultLength => self.length = None,
                TerminalCommand::Width(width) => self.width = Some(width),
                TerminalCommand::Monitor(false) => {
                    self.monitor = None;
                    self.all_told.store(false, Ordering::Relaxed);
                }
                TerminalCommand::Monitor(true) => {
                    if self.monitor.as_ref().is_none_or(Monitor::is_over) {
                        match self.watch(false) {
                            Ok(monitor) => self.monitor = Some(monitor),
                            Err(error) => self.complain(&format!("% terminal monitor: {error}"))?,
                        }
                    }
                }
            },
        }
        Ok(ControlFlow::Continue(()))
    }

    fn begin_to_configure(&mut self, revert: Option<u32>) -> io::Result<()> {
        match self.console.configure(revert) {
            Ok(configuring) => {
                self.configuring = Some(configuring);
                // Without it the change goes back all the same.
                if revert.is_some() {
                    self.rollback = self.watch(true).ok();
                }
                self.show(GREETING)
            }
            Err(error) => self.complain(&error.to_string()),
        }
    }

    /// Takes a line of configuration; without one, waits until those are at work that were taken.
    fn configure(&mut self, line: Option<&str>, prompt: &str) -> io::Result<()> {
        let Some(mut configuring) = self.configuring.take() else {
            return Ok(());
        };
        if let Some(line) = line {
            configuring.push(line);
        }
        let more = line.is_some() && self.more_comes();
        match self.console.send(&mut configuring, more) {
            Err(error) => self.complain(&error.to_string())?,
            Ok((_, taken)) => {
                let width = prompt.chars().count();
                for said in &taken.said {
                    self.show(&configure::below_prompt(said, width))?;
                }
                self.goes_on(configuring, &taken);
            }
        }
        Ok(())
    }

    /// Lines were taken: what comes next stands where they have led.
    fn goes_on(&mut self, configuring: Configuring, taken: &Taken) {
        if let Some(last) = taken.prompts.last() {
            self.name.clone_from(&last.hostname);
        }
        if !taken.left {
            self.configuring = Some(configuring);
        }
    }

    /// Whether more was typed than was carried out.
    fn more_comes(&self) -> bool {
        // Of a paste, what is behind a line waits at the terminal already.
        !self.pasted.is_empty() || locked(&self.wish).burst.goes_on() || signals::input_waits()
    }

    fn watch(&mut self, rollback: bool) -> io::Result<Monitor> {
        let printer = self.editor.create_external_printer();
        let printer = printer.map_err(io::Error::other)?;
        let stream = self.console.connect().map_err(io::Error::other)?;
        Monitor::begin(stream, printer, rollback, Arc::clone(&self.all_told))
    }

    /// How much there is room for.
    fn screen(&mut self) -> Screen {
        let size = self.editor.dimensions().filter(|(w, h)| *w > 0 && *h > 0);
        let (width, length) = size.unwrap_or(SCREEN);
        Screen {
            length: self.length.unwrap_or_else(|| length.into()),
            width: self.width.unwrap_or_else(|| width.into()),
        }
    }

    /// Shows a text, a screen at a time.
    fn show(&mut self, text: &str) -> io::Result<()> {
        let mut screen = self.screen();
        if !self.pasted.is_empty() {
            // A key that is pressed now would be behind those.
            screen.length = 0;
        }
        screen.show(text, &mut io::stdout().lock(), pager::press)
    }

    /// Says what is wrong, and leaves a line free as a router does.
    fn complain(&mut self, text: &str) -> io::Result<()> {
        self.show(&format!("{}\n\n", text.trim_end()))
    }
}

/// The prompt of configuration mode, with what it shows in brackets.
fn prompt(name: &str, in_brackets: Option<&str>) -> String {
    in_brackets.map_or_else(String::new, |mode| format!("{name}({mode})#"))
}

/// What is said of a line that was too long to be typed.
fn too_long() -> String {
    format!("% Line is too long: it may have {MAX_TYPED} octets")
}
