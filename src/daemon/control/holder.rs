//! Who has the socket of a state folder: a living daemon, or one that was killed a moment ago and is still being taken apart.
//!
//! A process that was killed keeps its files until the kernel has closed them, and whoever killed it need not wait for that: for
//! some milliseconds more its lock is held, and its socket takes connections. It answers nobody, which tells it from one that
//! lives. The lock is the last that goes, so that nothing else has to be waited for.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::sys::socket::{getsockopt, sockopt};

/// How long a start waits for one that was killed.
const LETS_GO: Duration = Duration::from_secs(2);

/// How often it is looked meanwhile.
const LOOKS: Duration = Duration::from_millis(5);

/// Who has the socket. The process is known where it is in a place that can be seen from here.
enum Holder {
    Nobody,
    /// It does not answer, or not in time.
    Silent(Option<i32>),
    Living(Option<i32>),
}

impl Holder {
    fn of(path: &Path, patience: Duration) -> Self {
        let Ok(mut stream) = UnixStream::connect(path) else {
            return Self::Nobody;
        };
        let process = getsockopt(&stream, sockopt::PeerCredentials);
        let process = process.ok().map(|peer| peer.pid()).filter(|pid| *pid > 0);
        // It is no question, which the thread that serves the socket says itself, however busy the daemon is.
        let answered = stream
            .set_read_timeout(Some(patience.max(LOOKS)))
            .and_then(|()| stream.write_all(b"{}\n"))
            .and_then(|()| stream.read(&mut [0]));
        match answered {
            Ok(1..) => Self::Living(process),
            Ok(0) | Err(_) => Self::Silent(process),
        }
    }
}

/// Takes what one daemon has at a time, waiting for one that was killed: `take` returns nothing as long as it is held.
///
/// # Errors
///
/// Those of `take`, and `held` with what is to be said of who holds it.
pub fn take<T, E>(
    path: &Path,
    mut take: impl FnMut() -> Result<Option<T>, E>,
    held: impl FnOnce(String) -> E,
) -> Result<T, E> {
    let end = Instant::now().checked_add(LETS_GO);
    loop {
        if let Some(taken) = take()? {
            return Ok(taken);
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.unwrap_or_default();
        let (process, lives) = match Holder::of(path, left) {
            Holder::Living(process) => (process, true),
            Holder::Silent(process) => (process, false),
            Holder::Nobody => (None, false),
        };
        if lives || left.is_zero() {
            let process = process.map(|pid| format!(" (pid {pid})"));
            let process = process.unwrap_or_default();
            let path = path.display();
            return Err(held(match lives {
                true => format!("another ironflex{process} serves {path}"),
                false => format!("another ironflex{process} has {path} and does not answer"),
            }));
        }
        thread::sleep(LOOKS);
    }
}
