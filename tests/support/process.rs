//! The program's processes: started in a namespace, listened to, ended by their number.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, PipeReader, Read, Write as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use ironflex_xfrm::netlink::NetworkNamespace;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{PATIENCE, terminal::Terminal};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_ironflex");

/// What a process has printed so far.
#[derive(Default)]
struct Printed {
    lines: Vec<String>,
    /// Streams that are still open.
    open: usize,
}

/// A stream of lines that can be waited for.
#[derive(Default)]
struct Listener {
    printed: Mutex<Printed>,
    changed: Condvar,
}

impl Listener {
    /// Waits until `found` finds something in the lines, or both streams are closed, or patience ends.
    fn wait<T>(&self, found: impl Fn(&Printed) -> Option<T>) -> Option<T> {
        self.wait_for(PATIENCE, found)
    }

    /// The same with another patience.
    fn wait_for<T>(&self, patience: Duration, found: impl Fn(&Printed) -> Option<T>) -> Option<T> {
        let end = Instant::now() + patience;
        let mut printed = self.printed.lock().unwrap();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match found(&printed) {
                Some(one) => return Some(one),
                None if printed.open == 0 || left.is_zero() => return None,
                None => printed = self.changed.wait_timeout(printed, left).unwrap().0,
            }
        }
    }

    fn listen(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        self.printed.lock().unwrap().open += 1;
        let listener = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                listener.printed.lock().unwrap().lines.push(line);
                listener.changed.notify_all();
            }
            listener.printed.lock().unwrap().open -= 1;
            listener.changed.notify_all();
        });
    }
}

/// A process, killed when it is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    listener: Arc<Listener>,
}

impl Process {
    /// Starts `ironflex` with these arguments in a namespace and hands it `input`.
    pub(crate) fn start(namespace: &NetworkNamespace, arguments: &[&str], input: &str) -> Self {
        let command = Command::new(PROGRAM);
        Self::spawn(command, namespace, arguments, input)
    }

    /// Starts `ironflex` in a namespace, in a session of its own with a terminal to ask at.
    pub(crate) fn start_at(
        terminal: &Terminal,
        namespace: &NetworkNamespace,
        arguments: &[&str],
    ) -> Self {
        Self::spawn(terminal.command(PROGRAM), namespace, arguments, "")
    }

    /// The same with its output at that terminal.
    pub(crate) fn start_within(
        terminal: &Terminal,
        namespace: &NetworkNamespace,
        arguments: &[&str],
    ) -> Self {
        Self::spawn(terminal.command_within(PROGRAM), namespace, arguments, "")
    }

    /// Starts `ironflex` in a namespace, its standard error being the journal's as systemd says it (systemd.exec(5)).
    pub(crate) fn start_under_journal(namespace: &NetworkNamespace, arguments: &[&str]) -> Self {
        let (errors, journal) = std::io::pipe().unwrap();
        let known = rustix::fs::fstat(&journal).unwrap();
        let mut command = Command::new(PROGRAM);
        command.env(
            "JOURNAL_STREAM",
            format!("{}:{}", known.st_dev, known.st_ino),
        );
        command.stderr(journal);
        Self::spawn_with(command, namespace, arguments, "", Some(errors))
    }

    fn spawn(
        mut command: Command,
        namespace: &NetworkNamespace,
        arguments: &[&str],
        input: &str,
    ) -> Self {
        command.stderr(Stdio::piped());
        Self::spawn_with(command, namespace, arguments, input, None)
    }

    /// The same of a command whose standard error leads somewhere already, to where `errors` come from.
    fn spawn_with(
        mut command: Command,
        namespace: &NetworkNamespace,
        arguments: &[&str],
        input: &str,
        errors: Option<PipeReader>,
    ) -> Self {
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = namespace.run(|| command.spawn()).unwrap().unwrap();
        // One that wants no input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let listener = Arc::new(Listener::default());
        listener.listen(child.stdout.take().unwrap());
        match errors {
            Some(errors) => listener.listen(errors),
            None => listener.listen(child.stderr.take().unwrap()),
        }
        Self {
            name: arguments.first().copied().unwrap_or_default().to_owned(),
            child,
            listener,
        }
    }

    /// Waits for a line that contains `part` and returns it.
    ///
    /// # Panics
    ///
    /// When none comes; the message holds everything that was printed.
    pub(crate) fn line(&self, part: &str) -> String {
        self.nth_line(1, part)
    }

    /// Waits for the `count`-th line that contains `part` and returns it.
    pub(crate) fn nth_line(&self, count: usize, part: &str) -> String {
        self.line_within(PATIENCE, count, part)
    }

    /// The same for what takes its time.
    pub(crate) fn line_within(&self, patience: Duration, count: usize, part: &str) -> String {
        let found = self.listened(patience, count, part);
        found.unwrap_or_else(|| self.fail(&format!("line {count} with {part:?} did not come")))
    }

    /// Waits for a line that contains `part`, for as long as `gets_on` says between two patiences that the process gets on with what
    /// comes before it.
    pub(crate) fn line_after(&self, part: &str, mut gets_on: impl FnMut() -> bool) -> String {
        loop {
            if let Some(line) = self.listened(PATIENCE, 1, part) {
                return line;
            }
            if !gets_on() {
                self.fail(&format!("no line with {part:?} came"));
            }
        }
    }

    fn listened(&self, patience: Duration, count: usize, part: &str) -> Option<String> {
        self.listener.wait_for(patience, |printed| {
            let mut fitting = printed.lines.iter().filter(|line| line.contains(part));
            fitting.nth(count - 1).cloned()
        })
    }

    /// Everything printed so far.
    pub(crate) fn output(&self) -> String {
        let mut text = String::new();
        for line in &self.listener.printed.lock().unwrap().lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    pub(crate) fn fail(&self, what: &str) -> ! {
        panic!(
            "ironflex {}: {what}; it printed:\n{}",
            self.name,
            self.output()
        )
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.child.id()
    }

    /// What the kernel has counted of it: `syscw`, the calls that wrote something (proc(5)).
    pub(crate) fn count_of(&self, what: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/io", self.number())).unwrap();
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(name, _)| *name == what);
        found.and_then(|(_, count)| count.parse().ok()).unwrap()
    }

    /// Waits until a headend serves or ends. Returns whether it serves.
    pub(crate) fn is_ready(&self) -> bool {
        let found = self.listener.wait(|printed| {
            let ready = |line: &String| line.ends_with(" ready");
            printed.lines.iter().any(ready).then_some(())
        });
        found.is_some()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let number = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(number), signal).unwrap();
    }

    /// Waits for the end. Returns the exit code; `None` after a signal.
    pub(crate) fn end(&mut self) -> Option<i32> {
        // Nobody else has its streams, so they close when it ends.
        let closed = self
            .listener
            .wait(|printed| (printed.open == 0).then_some(()));
        if closed.is_none() && self.listener.printed.lock().unwrap().open > 0 {
            self.fail("it does not end");
        }
        self.child.wait().unwrap().code()
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end_by(&mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.end()
    }

    /// Waits for the end and demands an exit code.
    pub(crate) fn ends_with(&mut self, code: i32) {
        let ended = self.end();
        if ended != Some(code) {
            self.fail(&format!("exit code {code} expected, {ended:?} came"));
        }
    }

    /// Demands that it is still running.
    pub(crate) fn lives(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            self.fail(&format!("it is gone: {status}"));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("ironflex {} printed:\n{}", self.name, self.output());
        }
    }
}
