//! Signals while a terminal is at work: it is left as it was found, whatever ends the process.

use std::{
    io,
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr},
    },
};

/// What is being waited for, and whether somebody has pressed Ctrl-C since.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    pressed: Arc<AtomicBool>,
    waiting: Arc<Mutex<Option<UnixStream>>>,
}

impl Interrupt {
    /// Something is waited for: Ctrl-C ends it from here on.
    pub(super) fn begin(&self, stream: &UnixStream) {
        self.pressed.store(false, Ordering::SeqCst);
        *self.slot() = stream.try_clone().ok();
    }

    /// It is over. Returns whether Ctrl-C has ended it.
    pub(super) fn end(&self) -> bool {
        *self.slot() = None;
        self.pressed.swap(false, Ordering::SeqCst)
    }

    fn press(&self) {
        let slot = self.slot();
        if let Some(stream) = &*slot {
            self.pressed.store(true, Ordering::SeqCst);
            // Who reads it is woken by its end.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<UnixStream>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether more has been typed than was read.
pub(super) fn input_waits() -> bool {
    let input = io::stdin();
    let mut ready = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// How many octets were typed and not read.
pub(super) fn input_waiting() -> usize {
    // One that cannot say has none.
    let waiting = rustix::io::ioctl_fionread(io::stdin()).unwrap_or(0);
    usize::try_from(waiting).unwrap_or(usize::MAX)
}

/// Puts the terminal on standard input back when it is dropped.
pub(super) struct AsBefore(Termios);

impl AsBefore {
    pub(super) fn keep() -> io::Result<Self> {
        Ok(Self(tcgetattr(io::stdin())?))
    }

    fn restore(&self) {
        // A terminal that is gone needs no putting back.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.0);
    }
}

impl Drop for AsBefore {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Has the terminal on standard input neither show what is typed while something is carried out nor wait for the end of a line with
/// it: it would show that in the midst of what is said, and throw away what is more than one of its lines may have.
pub(super) fn keep_input() -> io::Result<()> {
    let mut settings = tcgetattr(io::stdin())?;
    settings
        .local_flags
        .remove(LocalFlags::ECHO | LocalFlags::ICANON);
    let waits_for = [
        (SpecialCharacterIndices::VMIN, 1),
        (SpecialCharacterIndices::VTIME, 0),
    ];
    for (what, count) in waits_for {
        if let Some(setting) = settings.control_chars.get_mut(what as usize) {
            *setting = count;
        }
    }
    tcsetattr(io::stdin(), SetArg::TCSANOW, &settings)?;
    Ok(())
}

/// Takes the signals that would end the process: Ctrl-C ends what is waited for, the others put the terminal back first. Must be called
/// before any thread is started, for they take over which signals are blocked.
///
/// # Errors
///
/// Of the terminal and of the system calls.
pub(super) fn watch(interrupt: Interrupt) -> io::Result<AsBefore> {
    let before = AsBefore::keep()?;
    let restored = AsBefore::keep()?;
    let mut signals = SigSet::empty();
    for one in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
    ] {
        signals.add(one);
    }
    signals.thread_block()?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            loop {
                match signals.wait() {
                    Ok(Signal::SIGINT) => interrupt.press(),
                    Ok(signal) => {
                        restored.restore();
                        std::process::exit(128_i32.saturating_add(signal as i32));
                    }
                    Err(_) => {}
                }
            }
        })?;
    Ok(before)
}
