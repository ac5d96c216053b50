//! The operator's terminal: a prompt, lines that can be edited, help at `?`, output by the screen.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use ironflex_profiles::snapshot::DEFAULT_HOSTNAME;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext,
    EventHandler, Helper, KeyCode, KeyEvent, Modifiers, RepeatCount,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::{History as _, MemHistory, SearchDirection},
    validate::Validator,
};

use super::{
    Answer, Configuring, Console, GREETING, NoDaemon, command_of,
    monitor::Monitor,
    pager::{self, Screen},
    signals,
};
use ironflex_profiles::tree::ModeKind;

use crate::cli::{
    configure,
    exec::{self, Mode, TerminalCommand},
};

/// The longest line that can be typed, in octets: what is longer is a paste that went wrong.
const MAX_TYPED: usize = 1024;

/// How many lines are remembered.
const HISTORY: usize = 100;

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
    let name = name(&console)?;
    console.mode = Mode::User;
    let wish = Arc::new(Mutex::new(Wish::default()));
    let mut shell = Shell {
        editor: editor(&wish)?,
        console,
        name,
        wish,
        configuring: None,
        length: None,
        width: None,
        monitor: None,
        rollback: None,
        all_told: Arc::default(),
    };
    shell.run()
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

/// What was pressed that the editor cannot answer by itself.
#[derive(Debug, Default)]
struct Wish {
    /// `?`, at this place.
    help: Option<usize>,
    /// More than [`MAX_TYPED`] was typed, and nothing of it was taken back.
    too_long: bool,
    /// Ctrl-Z was pressed.
    leave: bool,
}

/// Ctrl-Z takes what is typed and leaves configuration mode.
struct Leave(Arc<Mutex<Wish>>);

impl ConditionalEventHandler for Leave {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        locked(&self.0).leave = true;
        Some(Cmd::AcceptLine)
    }
}

impl Wish {
    /// A key comes to a line of so many octets: one that was too long and has been shortened is what its user sees.
    const fn see(&mut self, length: usize) {
        if length < MAX_TYPED {
            self.too_long = false;
        }
    }
}

/// `?` ends the editing for as long as it takes to show the help.
struct Question(Arc<Mutex<Wish>>);

impl ConditionalEventHandler for Question {
    fn handle(
        &self,
        _: &Event,
        _: RepeatCount,
        _: bool,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        let mut wish = locked(&self.0);
        wish.see(context.line().len());
        if wish.too_long {
            // Nothing more is taken of it, whatever it says.
            return Some(Cmd::Noop);
        }
        wish.help = Some(context.pos());
        if context.pos() == context.line().len() {
            // The editor shows what it has inserted only.
            let mut out = io::stdout();
            let _ = out.write_all(b"?").and_then(|()| out.flush());
        }
        Some(Cmd::AcceptLine)
    }
}

/// Takes no more than a line may have, for every key of a long one costs as much as is there.
struct Limit(Arc<Mutex<Wish>>);

impl ConditionalEventHandler for Limit {
    fn handle(
        &self,
        event: &Event,
        _: RepeatCount,
        _: bool,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        let inserts = matches!(
            event.get(0),
            Some(KeyEvent(KeyCode::Char(_), modifiers)) if !modifiers.intersects(Modifiers::CTRL | Modifiers::ALT)
        );
        let mut wish = locked(&self.0);
        wish.see(context.line().len());
        if !inserts || context.line().len() < MAX_TYPED {
            return None;
        }
        wish.too_long = true;
        Some(Cmd::Noop)
    }
}

fn locked(wish: &Mutex<Wish>) -> std::sync::MutexGuard<'_, Wish> {
    wish.lock().unwrap_or_else(PoisonError::into_inner)
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
        .max_history_size(HISTORY)?
        .build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history)?;
    editor.set_helper(Some(Words(Place::Exec(Mode::User))));
    let conditional = |handler| EventHandler::Conditional(handler);
    editor.bind_sequence(
        KeyEvent(KeyCode::Char('?'), Modifiers::NONE),
        conditional(Box::new(Question(Arc::clone(wish)))),
    );
    editor.bind_sequence(Event::Any, conditional(Box::new(Limit(Arc::clone(wish)))));
    // It would stop the program otherwise.
    editor.bind_sequence(
        KeyEvent(KeyCode::Char('Z'), Modifiers::CTRL),
        conditional(Box::new(Leave(Arc::clone(wish)))),
    );
    Ok(editor)
}

/// The conversation.
struct Shell {
    editor: Editor<Words, MemHistory>,
    console: Console,
    /// What the prompt begins with.
    name: String,
    wish: Arc<Mutex<Wish>>,
    /// `configure terminal`, while it lasts.
    configuring: Option<Configuring>,
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
            let mode = configuring.prompt();
            return mode.map_or_else(String::new, |mode| format!("{}({mode})#", self.name));
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
            let (prompt, place) = (self.prompt(), self.place());
            if let Some(words) = self.editor.helper_mut() {
                words.0 = place;
            }
            let read = match begun.take() {
                Some((left, right)) => self.editor.readline_with_initial(&prompt, (&left, &right)),
                None => self.editor.readline(&prompt),
            };
            let wish = std::mem::take(&mut *locked(&self.wish));
            match (read, wish) {
                (Ok(line), Wish { help: Some(at), .. }) => {
                    let (left, right) = line.split_at_checked(at).unwrap_or((&line, ""));
                    self.show(&match place {
                        Place::Exec(mode) => exec::help(left, mode),
                        Place::Configuration(mode) => configure::help(mode, left),
                    })?;
                    self.show("\n")?;
                    begun = Some((left.to_owned(), right.to_owned()));
                }
                (Ok(_), Wish { too_long: true, .. }) => {
                    self.complain(&too_long())?;
                }
                (Ok(line), Wish { leave: true, .. }) if self.configuring.is_some() => {
                    if !line.trim().is_empty() {
                        self.configure(&line, &prompt)?;
                    }
                    self.configure("end", "")?;
                }
                // In exec mode it drops what was typed.
                (Ok(_), Wish { leave: true, .. }) => {}
                (Ok(line), _) => {
                    if !line.trim().is_empty() {
                        self.editor.add_history_entry(&line)?;
                    }
                    if self.carry_out(&line, &prompt)?.is_break() {
                        return Ok(());
                    }
                }
                // As on a router: Ctrl-C leaves configuration mode, and so does the end of the input.
                (Err(ReadlineError::Interrupted | ReadlineError::Eof), _)
                    if self.configuring.is_some() =>
                {
                    self.configuring = None;
                }
                (Err(ReadlineError::Interrupted | ReadlineError::Signal(_)), _) => {}
                (Err(ReadlineError::Eof), _) => return Ok(()),
                (Err(ReadlineError::Io(error)), _)
                    if error.kind() == io::ErrorKind::InvalidData =>
                {
                    self.complain("% The line is not UTF-8")?;
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
    }

    fn carry_out(&mut self, line: &str, prompt: &str) -> io::Result<ControlFlow<()>> {
        if let Some(configuring) = &self.configuring
            && configuring.exec_command(line).is_none()
        {
            self.configure(line, prompt)?;
            return Ok(ControlFlow::Continue(()));
        }
        if let Some(question) = self.console.confirmation(line)
            && !confirms(question)?
        {
            return Ok(ControlFlow::Continue(()));
        }
        match self.console.carry_out(line) {
            Err(error) => self.complain(&format!("% {error}"))?,
            Ok(Answer::Output(text)) => self.show(&text)?,
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
                    self.show(&format!(
                        "Line 0, Location: \"\", Type: \"\"\nLength: {length} lines, Width: {width} columns\n"
                    ))?;
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

    /// A bare `configure`: asks where the lines come from, as a router does. There is one answer here.
    fn ask_where_from(&mut self) -> io::Result<()> {
        let answer = self.editor.readline(exec::CONFIGURE_FROM);
        let wish = std::mem::take(&mut *locked(&self.wish));
        match (answer, wish) {
            (Ok(_), Wish { help: Some(_), .. }) => self.complain(exec::ONLY_FROM_TERMINAL),
            (Ok(_), Wish { too_long: true, .. }) => self.complain(&too_long()),
            (Ok(_), Wish { leave: true, .. }) => Ok(()),
            (Ok(answer), _) if exec::is_from_terminal(&answer) => self.begin_to_configure(None),
            (Ok(_), _) => self.complain(exec::ONLY_FROM_TERMINAL),
            // What ends the line ends the command; what ends the terminal is found out by the next line.
            (Err(_), _) => Ok(()),
        }
    }

    /// Takes a line of configuration.
    fn configure(&mut self, line: &str, prompt: &str) -> io::Result<()> {
        let Some(mut configuring) = self.configuring.take() else {
            return Ok(());
        };
        configuring.push(line);
        // Of a paste, what is behind the line waits at the terminal already.
        match self.console.send(&mut configuring, signals::input_waits()) {
            Err(error) => self.complain(&error.to_string())?,
            Ok((_, taken)) => {
                let width = prompt.chars().count();
                for said in &taken.said {
                    self.show(&configure::below_prompt(said, width))?;
                }
                let hostname = line.trim_start().starts_with("ho") || line.contains("hostname");
                if hostname && let Ok(name) = name(&self.console) {
                    self.name = name;
                }
                if !taken.left {
                    self.configuring = Some(configuring);
                }
            }
        }
        Ok(())
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
        let screen = self.screen();
        screen.show(text, &mut io::stdout().lock(), pager::press)
    }

    /// Says what is wrong, and leaves a line free as a router does.
    fn complain(&mut self, text: &str) -> io::Result<()> {
        self.show(&format!("{}\n\n", text.trim_end()))
    }
}

/// What is said of a line that was too long to be typed.
fn too_long() -> String {
    format!("% Line is too long: it may have {MAX_TYPED} octets")
}

/// Asks whether something is to be done, as a router does: Enter or `y` says so, any other key does not.
fn confirms(question: &str) -> io::Result<bool> {
    let mut out = io::stdout();
    out.write_all(question.as_bytes())?;
    out.flush()?;
    let confirmed = pager::confirms();
    out.write_all(b"\n")?;
    out.flush()?;
    confirmed
}
