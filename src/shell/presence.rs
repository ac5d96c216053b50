//! The shell at the daemon: it is among those that `show users` lists for as long as it is open, and learns by what name the headend
//! goes, which somebody else may have changed.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::unistd::ttyname;

use crate::daemon::control::{self, Reply};

/// How long a prompt waits for the name that it begins with.
const PATIENCE: Duration = Duration::from_secs(1);

/// A shell that is open.
#[derive(Debug)]
pub(super) struct Presence {
    state_dir: PathBuf,
    /// None while there is no daemon.
    daemon: Option<BufReader<UnixStream>>,
}

impl Presence {
    /// One that nobody knows of yet.
    pub(super) const fn new(state_dir: PathBuf) -> Self {
        Self {
            state_dir,
            daemon: None,
        }
    }

    /// Says that somebody is there, and returns what the prompt is to call the headend; `None` while nobody answers.
    pub(super) fn name(&mut self) -> Option<String> {
        if let Some(daemon) = &mut self.daemon {
            if let Ok(name) = ask(daemon) {
                return Some(name);
            }
            // It may be another daemon by now.
            self.daemon = None;
        }
        let (name, daemon) = begin(&self.state_dir).ok()?;
        self.daemon = Some(daemon);
        Some(name)
    }
}

fn begin(state_dir: &Path) -> io::Result<(String, BufReader<UnixStream>)> {
    let stream = control::connect(state_dir, PATIENCE)?;
    let terminal = ttyname(io::stdin()).ok();
    let terminal = terminal.map(|path| path.display().to_string());
    control::attend(stream, terminal)
}

fn ask(daemon: &mut BufReader<UnixStream>) -> io::Result<String> {
    daemon.get_ref().write_all(b"\n")?;
    let mut answer = String::new();
    if daemon.read_line(&mut answer)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let Reply { status, output } = serde_json::from_str(&answer)?;
    match status {
        0 => Ok(output),
        _ => Err(io::Error::other(output)),
    }
}
