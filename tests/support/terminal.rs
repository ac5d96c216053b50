//! A terminal for a process: a pair of pseudo-terminal ends, of which this is the one that a user sits at.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Command, ExitCode},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    poll::{PollFd, PollFlags, poll},
    pty::{Winsize, grantpt, openpty, posix_openpt, ptsname_r, unlockpt},
    sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr},
    unistd::{setsid, ttyname},
};

use super::PATIENCE;

/// The first argument by which the test program is asked to become a process with a terminal of its own.
const SESSION: &str = "--in-a-session-at";

/// The same for a process whose output goes to the terminal as well.
const SESSION_WITHIN: &str = "--in-a-session-within";

/// A terminal.
pub(crate) struct Terminal {
    user: File,
    /// Where a process opens it.
    pub(crate) path: PathBuf,
    /// Kept open, so that the user's end can be read before the process has opened its own and after it has ended.
    process: File,
    shown: Arc<(Mutex<String>, Condvar)>,
    /// How it was set when it was new.
    new: Termios,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        // The test program must not become its controlling process.
        let user = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let path = PathBuf::from(ptsname_r(&user).unwrap());
        let user = File::from(std::os::fd::OwnedFd::from(user));
        Self::of(user, path)
    }

    /// One that knows its size, in columns.
    pub(crate) fn open_wide(columns: u16) -> Self {
        let size = Winsize {
            ws_row: 50,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let ends = openpty(Some(&size), None).unwrap();
        for end in [&ends.master, &ends.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let path = ttyname(&ends.slave).unwrap();
        Self::of(File::from(ends.master), path)
    }

    fn of(user: File, path: PathBuf) -> Self {
        let process = open_without_taking(&path);
        let shown = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let new = tcgetattr(process.as_fd()).unwrap();
        let (mut reading, screen) = (user.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || {
            let mut buffer = [0; 512];
            // A character may come in two pieces.
            let mut whole = Vec::new();
            loop {
                // Nobody sits here any more: the line is to be hung up.
                if Arc::strong_count(&screen) == 1 {
                    return;
                }
                let mut ready = [PollFd::new(reading.as_fd(), PollFlags::POLLIN)];
                if poll(&mut ready, 50_u16).unwrap() == 0 {
                    continue;
                }
                let Ok(length @ 1..) = reading.read(&mut buffer) else {
                    return;
                };
                whole.extend_from_slice(&buffer[..length]);
                let valid = match str::from_utf8(&whole) {
                    Ok(text) => text.len(),
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    Err(_) => whole.len(),
                };
                let text: Vec<u8> = whole.drain(..valid).collect();
                let text = String::from_utf8_lossy(&text);
                screen.0.lock().unwrap().push_str(&text);
                screen.1.notify_all();
            }
        });
        Self {
            user,
            path,
            process,
            shown,
            new,
        }
    }

    /// A command that runs `program` as the leader of a session of its own, with this as its terminal.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(SESSION).arg(&self.path).arg(program);
        command
    }

    /// The same for one whose output it shows too.
    pub(crate) fn command_within(&self, program: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(SESSION_WITHIN).arg(&self.path).arg(program);
        command
    }

    /// Whether it is set as when it was new.
    pub(crate) fn is_as_it_was(&self) -> bool {
        self.settings() == self.new
    }

    /// Waits until the terminal shows `part`.
    pub(crate) fn reads(&self, part: &str) {
        let end = Instant::now() + PATIENCE;
        let mut shown = self.shown.0.lock().unwrap();
        while !shown.contains(part) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{part:?} does not come; the terminal shows {shown:?}"
            );
            shown = self.shown.1.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// Everything that the terminal has shown.
    pub(crate) fn screen(&self) -> String {
        self.shown.0.lock().unwrap().clone()
    }

    /// Types what it is given.
    pub(crate) fn sends(&self, keys: &[u8]) {
        (&self.user).write_all(keys).unwrap();
    }

    /// Types a line and Enter.
    pub(crate) fn types(&self, line: &str) {
        (&self.user)
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// Presses one key, such as 3 for Ctrl-C.
    pub(crate) fn presses(&self, key: u8) {
        (&self.user).write_all(&[key]).unwrap();
    }

    /// How it is set.
    pub(crate) fn settings(&self) -> Termios {
        tcgetattr(self.process.as_fd()).unwrap()
    }

    /// Has it show what is typed, as a shell does while its job is stopped.
    pub(crate) fn show_typing(&self) {
        let mut settings = self.settings();
        settings.local_flags.insert(LocalFlags::ECHO);
        tcsetattr(self.process.as_fd(), SetArg::TCSANOW, &settings).unwrap();
    }

    /// Waits until it shows what is typed no more.
    pub(crate) fn goes_mute(&self) {
        let end = Instant::now() + PATIENCE;
        while self.echoes() {
            assert!(Instant::now() < end, "it shows what is typed");
            thread::yield_now();
        }
    }

    /// Whether it shows what is typed.
    pub(crate) fn echoes(&self) -> bool {
        self.settings().local_flags.contains(LocalFlags::ECHO)
    }
}

fn open_without_taking(path: &PathBuf) -> File {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(path)
        .unwrap()
}

/// Where the test program was started by [`Terminal::command`], becomes that command. Must be called first of all in `main`.
pub(crate) fn become_session_leader() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let how = arguments.next()?;
    if how != SESSION && how != SESSION_WITHIN {
        return None;
    }
    let (path, program) = (arguments.next()?, arguments.next()?);
    setsid().unwrap();
    // A session leader's first terminal becomes its own.
    let terminal = File::options().read(true).write(true).open(path).unwrap();
    let mut command = Command::new(program);
    if how == SESSION_WITHIN {
        command.stdout(terminal.try_clone().unwrap());
    }
    command.args(arguments).stdin(terminal);
    let error = command.exec();
    eprintln!("{error}");
    Some(ExitCode::FAILURE)
}
