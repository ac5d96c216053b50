//! Asking the user at the terminal without holding anything else up.
//!
//! The process's terminal (`/dev/tty`) is read for whole lines, whatever standard input is. What is typed is not shown where it is a
//! secret; whichever way the asking ends, answered, dropped or in a panic, the terminal is as it was before.

use std::{
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
};

use nix::{
    libc,
    sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr},
};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
};
use zeroize::Zeroizing;

use crate::{readiness::watch, signals::StopSignals};

/// The terminal that the process belongs to.
const TERMINAL: &str = "/dev/tty";

/// The longest line, in octets: what the kernel keeps of one (N_TTY_BUF_SIZE).
const MAX_LINE: usize = 4096;

/// Whether the terminal shows what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Yes.
    Shown,
    /// No: it is a secret.
    Hidden,
}

/// Asks, and waits for a line; without its end. Dropped before it resolves, it leaves the terminal as it was. Must be called
/// inside a tokio runtime.
///
/// # Errors
///
/// Without a terminal, of reading it, `UnexpectedEof` at the end of input (Ctrl-D), and `InvalidData` for a line
/// that is not UTF-8 or longer than a terminal's line.
pub async fn ask(prompt: &str, echo: Echo) -> io::Result<Zeroizing<String>> {
    let terminal = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(TERMINAL)?;
    let mut hidden = match echo {
        Echo::Hidden => Some(Hidden::new(terminal.try_clone()?)?),
        Echo::Shown => None,
    };
    // Whoever had the terminal while this process was stopped may have left it showing what is typed.
    let mut continued = signal(SignalKind::from_raw(libc::SIGCONT))?;
    let terminal = watch(OwnedFd::from(terminal))?;
    show(&terminal, prompt)?;
    let line = read_line(&terminal);
    tokio::pin!(line);
    let line = loop {
        tokio::select! {
            line = &mut line => break line?,
            _ = continued.recv() => {
                if let Some(hidden) = &hidden {
                    hidden.hide()?;
                }
                show(&terminal, prompt)?;
            }
        }
    };
    if let Some(hidden) = &mut hidden {
        hidden.answered = true;
    }
    Ok(line)
}

/// The same for those who have nothing else to do. SIGINT and the like end it as an error.
///
/// # Errors
///
/// As [`ask`]; `Interrupted` after a signal.
pub fn ask_now(prompt: &str, echo: Echo) -> io::Result<Zeroizing<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut stop = StopSignals::listen()?;
        tokio::select! {
            line = ask(prompt, echo) => line,
            () = stop.received() => Err(io::ErrorKind::Interrupted.into()),
        }
    })
}

/// Writes a prompt. A terminal that takes nothing at the moment is asked without one.
fn show(terminal: &AsyncFd<OwnedFd>, text: &str) -> io::Result<()> {
    match nix::unistd::write(terminal, text.as_bytes()) {
        Ok(_) | Err(nix::errno::Errno::EAGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn read_line(terminal: &AsyncFd<OwnedFd>) -> io::Result<Zeroizing<String>> {
    // Never grown: no copy of a secret stays behind where it stood.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    let mut piece = Zeroizing::new([0; MAX_LINE]);
    loop {
        let mut readable = terminal.readable().await?;
        let read = readable.try_io(|terminal| {
            nix::unistd::read(terminal, piece.as_mut_slice()).map_err(Into::into)
        });
        let length = match read {
            Ok(Ok(length)) => length,
            Ok(Err(error)) => return Err(error),
            Err(_not_ready) => continue,
        };
        let typed = piece.get(..length).unwrap_or_default();
        let (typed, ended) = match typed.iter().position(|octet| *octet == b'\n') {
            Some(at) => (typed.get(..at).unwrap_or_default(), true),
            None => (typed, false),
        };
        if line.len().saturating_add(typed.len()) > MAX_LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        line.extend_from_slice(typed);
        if ended {
            let text = str::from_utf8(&line).map_err(|_| io::ErrorKind::InvalidData)?;
            return Ok(Zeroizing::new(text.to_owned()));
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden {
    terminal: File,
    before: Termios,
    /// The user's own end of line has been shown.
    answered: bool,
}

impl Hidden {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let hidden = Self {
            terminal,
            before,
            answered: false,
        };
        hidden.hide()?;
        Ok(hidden)
    }

    fn hide(&self) -> io::Result<()> {
        let mut quiet = self.before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        quiet
            .local_flags
            .insert(LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
        // What was typed before the question was shown on the screen: it is not the answer.
        tcsetattr(self.terminal.as_fd(), SetArg::TCSAFLUSH, &quiet)?;
        Ok(())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs no putting back.
        let _ = tcsetattr(self.terminal.as_fd(), SetArg::TCSANOW, &self.before);
        if !self.answered {
            let _ = self.terminal.write_all(b"\n");
        }
    }
}
