//! The program's commands, one variant each.

use std::{
    ffi::OsStr,
    io::{IsTerminal, Write},
    ops::ControlFlow,
    path::PathBuf,
};

use clap::{CommandFactory as _, Parser, error::ErrorKind};
use ironflex_profiles::model::interface::{DeviceName, InterfaceName};

use crate::{
    bundle,
    cli::exec::{self, explained},
    client::{self, credentials::first_line},
    core_files,
    daemon::{self, load, scrape::Place},
    dataplane::Choice,
    demo,
    doctor::{self, Grade},
    error::Failed,
    pki::ServerIdentity,
    shell,
    terminal::{self, Echo},
};

mod script;

use script::Script;

/// Where state lives when nothing else is said.
const STATE_DIR: &str = "/var/lib/ironflex";

/// Where the configuration is looked for when nothing else is said.
const CONFIG: &str = "/etc/ironflex/startup-config";

/// A FlexVPN-style IKEv2/IPsec remote-access headend for Linux, and its client. Without a command it opens the router's command line.
#[derive(Debug, Parser)]
#[command(name = "ironflex", version, disable_help_subcommand = true)]
pub struct Invocation {
    #[command(subcommand)]
    operation: Option<Operation>,
    #[command(flatten)]
    shell: Shell,
}

/// `ironflex` alone
#[derive(Debug, clap::Args)]
pub struct Shell {
    #[command(flatten)]
    socket: Socket,
}

/// Where a daemon is asked.
#[derive(Debug, Default, clap::Args)]
pub struct Socket {
    /// Where the daemon's control socket lives [default: /var/lib/ironflex]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

/// What the program does, by its first word.
#[derive(Debug, clap::Subcommand)]
pub enum Operation {
    /// Run the headend daemon
    Run(Run),
    /// Run commands on the running daemon
    Exec(Exec),
    /// Print every number of the running daemon in Prometheus' text format
    Metrics(Metrics),
    /// Connect to a headend: AnyConnect-EAP, a certificate or a pre-shared key
    Connect(Box<client::Options>),
    /// Show the whole job on this machine: headend, client, traffic, in namespaces of its own
    Demo,
    /// Look for what keeps clients out: certificates, ports, forwarding, kernel, firewall
    Doctor(Doctor),
    /// Write what somebody who helps from afar asks for into one file, without secrets
    SupportBundle(SupportBundle),
    /// Read a configuration and report every error with line, column and caret
    Check(Check),
    /// Import a PKCS#12 file into a trustpoint of the key store
    Import(Import),
}

/// What a headend starts from.
#[derive(Debug, clap::Args)]
pub struct Start {
    /// The configuration, IOS-XE lines
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// Where keys and the control socket live [default: /var/lib/ironflex]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The folder that `bootflash:` means; the configuration's own if not said
    #[arg(long, value_name = "DIR")]
    bootflash: Option<PathBuf>,
    /// Ties a router interface to a Linux device, such as GigabitEthernet1=eth0
    #[arg(long = "device", value_name = "INTERFACE=DEVICE", value_parser = tie)]
    devices: Vec<(InterfaceName, DeviceName)>,
    /// What carries ESP: auto, kernel, userspace or record
    #[arg(long, value_name = "KIND", default_value_t = Choice::Auto)]
    dataplane: Choice,
}

/// `ironflex run`
#[derive(Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    start: Start,
    /// Serve every number over HTTP for Prometheus: ADDRESS:PORT, or the name of a Unix socket from / on
    #[arg(long, value_name = "PLACE")]
    metrics: Option<Place>,
    /// Print errors only
    #[arg(long)]
    quiet: bool,
}

/// `ironflex exec`
#[derive(Debug, clap::Args)]
pub struct Exec {
    #[command(flatten)]
    socket: Socket,
    /// A command in several words, or quoted ones, such as 'show crypto session detail', the first with a blank; without any, standard input is read, one a line
    #[arg(trailing_var_arg = true)]
    line: Vec<String>,
    /// Prints what the last of the words can become, one a line, for a shell
    #[arg(long, hide = true)]
    complete: bool,
    /// The same with a tab and a line of help behind each
    #[arg(long, hide = true, requires = "complete")]
    explain: bool,
}

/// `ironflex metrics`
#[derive(Debug, clap::Args)]
pub struct Metrics {
    #[command(flatten)]
    socket: Socket,
}

/// `ironflex doctor`
#[derive(Debug, clap::Args)]
pub struct Doctor {
    #[command(flatten)]
    start: Start,
    /// What users will type into their clients; the certificate must have it
    #[arg(value_name = "NAME", value_parser = ServerIdentity::parse)]
    names: Vec<ServerIdentity>,
}

/// `ironflex support-bundle`
#[derive(Debug, clap::Args)]
pub struct SupportBundle {
    #[command(flatten)]
    start: Start,
    /// The archive (tar), which only who makes it can read; - is standard output; named by host and time if not said
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// `ironflex check`
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The configuration, or several, each of which is judged by itself
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// `ironflex import`: `crypto pki import` from the command line.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The trustpoint
    trustpoint: String,
    /// The PKCS#12 file
    file: PathBuf,
    /// Read the password from standard input, one line; it is asked for otherwise
    #[arg(long)]
    password_stdin: bool,
    /// Where keys live [default: /var/lib/ironflex]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub(crate) fn tie(text: &str) -> Result<(InterfaceName, DeviceName), String> {
    let (interface, device) = text
        .split_once('=')
        .ok_or("INTERFACE=DEVICE expected, such as GigabitEthernet1=eth0")?;
    let interface =
        InterfaceName::parse(interface).map_err(|error| format!("{interface}: {error}"))?;
    let device = DeviceName::new(device).map_err(|error| format!("{device}: {error}"))?;
    Ok((interface, device))
}

/// Prints an error; the exit code says the rest.
fn fail(text: impl std::fmt::Display) -> Failed {
    let _ = writeln!(std::io::stderr(), "ironflex: {text}");
    Failed::GENERIC
}

impl Invocation {
    /// What is to be done; `None` is the command line.
    #[must_use]
    pub fn operation(self) -> Option<Operation> {
        self.operation
    }

    /// An option in front of a command that has none of that name.
    fn meaningless(option: &str) -> clap::Error {
        let why = format!("{option} means nothing to this command\n");
        Self::command().error(ErrorKind::ArgumentConflict, why)
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// [`Failed`] with the exit code; the reason has been printed.
    pub fn run(self) -> Result<(), Failed> {
        let before = self.shell.socket.state_dir;
        let Some(mut operation) = self.operation else {
            return Shell::run(before);
        };
        if let Some(before) = before {
            match operation.state_dir() {
                // What stands nearer is meant.
                Some(own) => *own = own.take().or(Some(before)),
                None => Self::meaningless("--state-dir").exit(),
            }
        }
        operation.run()
    }
}

/// The folder of state that is meant.
fn folder(state_dir: Option<PathBuf>) -> PathBuf {
    state_dir.unwrap_or_else(|| STATE_DIR.into())
}

impl Shell {
    fn run(state_dir: Option<PathBuf>) -> Result<(), Failed> {
        if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            return shell::converse(folder(state_dir)).map_err(fail);
        }
        Script::new(state_dir).read()
    }
}

impl Operation {
    /// The folder of state that was named behind the command, where it has one.
    const fn state_dir(&mut self) -> Option<&mut Option<PathBuf>> {
        match self {
            Self::Run(run) => Some(&mut run.start.state_dir),
            Self::Exec(exec) => Some(&mut exec.socket.state_dir),
            Self::Metrics(metrics) => Some(&mut metrics.socket.state_dir),
            Self::Doctor(doctor) => Some(&mut doctor.start.state_dir),
            Self::SupportBundle(bundle) => Some(&mut bundle.start.state_dir),
            Self::Import(import) => Some(&mut import.state_dir),
            Self::Connect(_) | Self::Demo | Self::Check(_) => None,
        }
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// [`Failed`] with the exit code; the reason has been printed.
    pub fn run(self) -> Result<(), Failed> {
        match self {
            Self::Run(run) => run.run(),
            Self::Exec(exec) => exec.run(),
            Self::Metrics(metrics) => {
                let mut script = Script::new(metrics.socket.state_dir);
                let _ = script.carry_out("show metrics", false)?;
                script.end()
            }
            Self::Connect(options) => {
                core_files::keep_none();
                match client::run(&options).code() {
                    0 => Ok(()),
                    code => Err(Failed(code)),
                }
            }
            Self::Demo => demo::run().map_err(fail),
            Self::Doctor(doctor) => doctor.run(),
            Self::SupportBundle(bundle) => bundle.run(),
            Self::Check(check) => check.run(),
            Self::Import(import) => import.run(),
        }
    }
}

/// The folder of state of the headend that these words start; `None` for words that start none.
pub(crate) fn state_dir_of_run<'w>(words: impl Iterator<Item = &'w OsStr>) -> Option<PathBuf> {
    let Invocation { operation, shell } = Invocation::try_parse_from(words).ok()?;
    match operation? {
        Operation::Run(run) => Some(folder(run.start.state_dir.or(shell.socket.state_dir))),
        _ => None,
    }
}

impl Start {
    fn options(self, metrics: Option<Place>, quiet: bool) -> daemon::Options {
        daemon::Options {
            config: self.config,
            state_dir: folder(self.state_dir),
            bootflash: self.bootflash,
            devices: self.devices,
            dataplane: self.dataplane,
            metrics,
            quiet,
        }
    }
}

impl Run {
    fn run(self) -> Result<(), Failed> {
        daemon::run(&self.start.options(self.metrics, self.quiet)).map_err(|error| {
            let failed = fail(&error);
            if error.refuses_configuration {
                Failed::CONFIGURATION
            } else {
                failed
            }
        })
    }
}

impl Exec {
    fn run(self) -> Result<(), Failed> {
        if self.complete {
            let mut out = std::io::stdout().lock();
            for (word, help) in completions(&self.line) {
                let written = if self.explain {
                    writeln!(out, "{word}\t{help}")
                } else {
                    writeln!(out, "{word}")
                };
                written.map_err(fail)?;
            }
            return Ok(());
        }
        let mut script = Script::new(self.socket.state_dir);
        match self.line.as_slice() {
            [] => return script.read(),
            // Words of one command, or commands: only those can have a blank.
            [first, _, ..] if !first.contains(char::is_whitespace) => {
                let _ = match command(&self.line) {
                    Ok(line) if self.line.last().is_some_and(|last| last == "?") => {
                        script.carry_out(&line, false)?
                    }
                    Ok(line) => {
                        let obeyed = script.obey(&line)?;
                        if script.is_refused() && self.line.iter().all(|word| is_command(word)) {
                            let _ = writeln!(
                                std::io::stderr(),
                                "ironflex: these words are one command; of several commands each is one argument, and the first has a \
                                 blank, or they stand in lines of standard input"
                            );
                        }
                        obeyed
                    }
                    Err(why) => script
                        .refuse(why, "", None)
                        .map(|()| ControlFlow::Continue(()))?,
                };
            }
            commands => {
                let lines = commands.iter().flat_map(|command| command.lines());
                let mut lines = lines.peekable();
                let mut number = 0_usize;
                while let Some(line) = lines.next() {
                    number = number.saturating_add(1);
                    script.number = (number > 1 || lines.peek().is_some()).then_some(number);
                    if script.passes_over(line)
                        || (script.carry_out(line, lines.peek().is_some())?.is_break()
                            && !script.has_left())
                    {
                        break;
                    }
                }
            }
        }
        script.end()
    }
}

/// What the last of a command's words can become, which may be empty. One that is quoted as a whole command has no end to go
/// on from.
fn completions(words: &[String]) -> Vec<(&'static str, &'static str)> {
    if words.iter().any(|word| word.contains(char::is_whitespace)) {
        return Vec::new();
    }
    explained(&words.join(" "), exec::Mode::Privileged)
}

/// The command that these words are. Each stays one, for somebody else may have chosen a name among them: no word becomes
/// two, or a `|`. Only behind a `|` may an expression or a path have blanks.
///
/// # Errors
///
/// Why they are none, in the words of a router.
fn command(words: &[String]) -> Result<String, &'static str> {
    let pipe = words.iter().position(|word| word == "|");
    let (before, _) = words.split_at(pipe.unwrap_or(words.len()));
    if words.iter().any(|word| word.contains(char::is_control)) {
        return Err("% A word of a command may not have control characters");
    }
    if before.iter().any(|word| word.contains(char::is_whitespace)) {
        return Err(
            "% A word of a command may not have blanks; of several commands the first must have some",
        );
    }
    if before.iter().any(|word| word.starts_with('|')) {
        return Err("% A word of a command may not begin with |");
    }
    Ok(words.join(" "))
}

/// Whether a word is a command by itself.
fn is_command(word: &str) -> bool {
    exec::parse(word, exec::Mode::Privileged).is_ok()
}

/// Prints a text, which ends its line whether it says so or not.
fn print(text: &str) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush())
        .map_err(|_| Failed::GENERIC)
}

impl Doctor {
    fn run(self) -> Result<(), Failed> {
        let verdicts = doctor::examine(&self.start.options(None, false), &self.names);
        for verdict in &verdicts {
            print(&verdict.to_string())?;
        }
        match verdicts.iter().map(|verdict| verdict.grade).max() {
            Some(Grade::Failure) => Err(Failed::GENERIC),
            _ => Ok(()),
        }
    }
}

impl SupportBundle {
    fn run(self) -> Result<(), Failed> {
        let options = self.start.options(None, false);
        let written = bundle::write(&options, self.file).map_err(fail)?;
        for what in &written.missing {
            let _ = writeln!(std::io::stderr(), "ironflex: not in it: {what}");
        }
        match written.path {
            Some(path) => print(&format!("{}: {} files", path.display(), written.files)),
            None => Ok(()),
        }
    }
}

impl Check {
    fn run(self) -> Result<(), Failed> {
        let mut failed = None;
        for file in &self.files {
            match load::check_alone(file) {
                // The diagnostics say it all, in the form that editors understand.
                Err(load::LoadError::Text { text, .. }) => {
                    let _ = write!(std::io::stderr(), "{text}");
                    failed = Some(Failed::GENERIC);
                }
                Err(other) => failed = Some(fail(other)),
                Ok(checked) => {
                    for warning in checked.warnings {
                        let _ = writeln!(std::io::stderr(), "{warning}");
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl Import {
    fn run(self) -> Result<(), Failed> {
        use crate::pki::Store;
        let password = if self.password_stdin {
            let at = |error| fail(format_args!("standard input: {error}"));
            first_line(std::io::stdin().lock()).map_err(at)?
        } else {
            let asked = terminal::ask_now("Password of the PKCS#12 file: ", Echo::Hidden);
            asked.map_err(|error| match error.kind() {
                std::io::ErrorKind::Interrupted => fail("interrupted"),
                std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => {
                    fail(format_args!("password: {error}"))
                }
                _ => fail(format_args!(
                    "no terminal to ask for the password of {} at ({error}): say --password-stdin",
                    self.file.display()
                )),
            })?
        };
        let octets = load::read_bounded(&self.file, 16 << 20).map_err(fail)?;
        let state_dir = folder(self.state_dir);
        daemon::prepare_state_dir(&state_dir).map_err(fail)?;
        let store = Store::open(&state_dir).map_err(fail)?;
        // What a daemon that has crashed would put back at its next start is older than this file.
        if !daemon::control::serves(&daemon::control::socket_path(&state_dir)) {
            let draft = store.draft().map_err(fail)?;
            let _ = draft.take_back_unconfirmed().map_err(fail)?;
        }
        let lines =
            load::import(&store, &self.trustpoint, &self.file, &octets, &password).map_err(fail)?;
        let mut out = std::io::stdout().lock();
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_told_what_a_word_can_become() {
        let told = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            let told = completions(&words);
            told.into_iter().map(|(word, _)| word).collect::<Vec<_>>()
        };
        assert_eq!(told(&["sh", "cry", "ikev2", "sa", "d"]), ["detailed"]);
        assert_eq!(told(&["clear", "counters", "Gi"]), ["GigabitEthernet"]);
        assert!(told(&["show", ""]).contains(&"version"));
        assert!(told(&[""]).contains(&"show"));
        for words in [&["show crypto", "ik"][..], &["nonsense", ""]] {
            assert!(told(words).is_empty(), "{words:?}");
        }
    }

    #[test]
    fn words_of_one_command_stay_words() {
        let read = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            command(&words)
        };
        for words in [
            ["clear", "crypto", "session", "username", "a|b"],
            ["clear", "crypto", "session", "username", "who?"],
            ["show", "version", "|", "include", "two words | or more "],
            ["show", "version", "|", "include", "|"],
        ] {
            assert_eq!(read(&words), Ok(words.join(" ")));
        }
        for name in [
            "a\nclear crypto session",
            "a\u{85}b",
            "a b",
            "a\u{a0}b",
            " ",
            "|redirect",
            "| redirect /tmp/x",
        ] {
            let words = ["show", "crypto", "session", "username", name];
            assert!(read(&words).is_err(), "{name:?}");
        }
        assert!(read(&["show", "version", "|", "include", "a\nb"]).is_err());
        assert!(read(&["enable", "show version"]).is_err());
    }
}
