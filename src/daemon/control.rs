//! The control socket: one command line in, its output back, over a unix socket of mode 0600.
//!
//! A request is one line of JSON, `{"exec": "show crypto session"}`; the answer is one line,
//! `{"status": 0, "output": "…"}`, with status 1 and an error text where the line is wrong. Whoever
//! sends nothing, or too much, or reads nothing, is cut off and holds up nobody.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use ironflex_ikev2::event::Command;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    driver::{Driver, Request},
    session::Deletion,
    snapshot, statistics,
};
use crate::{
    cli::{
        exec::{ClearTarget, DebugFlag, ExecCommand, Mode, Rekeyed, parse},
        show,
    },
    keylog::KeyLogWriter,
};

/// The longest request, in octets.
const MAX_REQUEST: u64 = 64 * 1024;

/// Connections at a time.
const MAX_CONNECTIONS: usize = 16;

/// How long a connection may take to send its request and to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Debug, Deserialize, Serialize)]
pub struct Question {
    /// The command line.
    pub exec: String,
}

/// What is answered.
#[derive(Debug, Deserialize, Serialize)]
pub struct Reply {
    /// 0, or 1 where the line is wrong.
    pub status: u8,
    /// The output, or what is wrong.
    pub output: String,
}

/// The socket's name below the state folder.
#[must_use]
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("control")
}

/// What to say when a living daemon has the socket.
#[must_use]
pub fn taken(path: &Path) -> String {
    format!("another ironflex serves {}", path.display())
}

/// The listening socket; its name goes away with it.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Binds the socket, in place of one that a crash left behind.
    ///
    /// # Errors
    ///
    /// `AddrInUse` when a living daemon has it; otherwise of the system calls.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, taken(path)));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Hands requests to the loop until that is gone.
    pub async fn serve(self, requests: mpsc::Sender<Request>) {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= MAX_CONNECTIONS {
                connections.join_next().await;
            }
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let requests = requests.clone();
                    connections.spawn(tokio::time::timeout(PATIENCE, converse(stream, requests)));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, requests: mpsc::Sender<Request>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    BufReader::new(read.take(MAX_REQUEST))
        .read_until(b'\n', &mut line)
        .await?;
    let reply = match serde_json::from_slice::<Question>(&line) {
        Err(error) => Err(format!("not a request: {error}")),
        Ok(question) => {
            let (reply, answer) = oneshot::channel();
            let line = question.exec;
            match requests.send(Request { line, reply }).await {
                Ok(()) => answer
                    .await
                    .unwrap_or_else(|_| Err("the daemon is stopping".into())),
                Err(_) => Err("the daemon is stopping".into()),
            }
        }
    };
    let reply = match reply {
        Ok(output) => Reply { status: 0, output },
        Err(output) => Reply { status: 1, output },
    };
    let mut octets = serde_json::to_vec(&reply)?;
    octets.push(b'\n');
    write.write_all(&octets).await?;
    write.shutdown().await
}

/// Asks the daemon whose state folder this is, and waits for its answer at most as long as given.
///
/// # Errors
///
/// Of the socket; `UnexpectedEof` when the daemon hangs up.
pub fn ask(state_dir: &Path, line: &str, patience: Duration) -> io::Result<Reply> {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket_path(state_dir))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut question = serde_json::to_vec(&Question {
        exec: line.to_owned(),
    })?;
    question.push(b'\n');
    stream.write_all(&question)?;
    let mut answer = String::new();
    if BufReader::new(stream).read_line(&mut answer)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&answer)?)
}

/// Carries out one command line.
///
/// # Errors
///
/// The text for whoever typed it.
pub fn execute(driver: &mut Driver, line: &str) -> Result<String, String> {
    let line = parse(line, Mode::Privileged).map_err(|error| error.to_string())?;
    // A file is written with the rights of who asks for it, and so by the other end of the socket.
    if line.modifier.is_some() {
        return Err("% The other end of this socket filters and redirects the output".into());
    }
    match line.command {
        ExecCommand::ShowIkev2Sa(query) => Ok(show::ikev2_sa(&snapshot::state(driver), &query)),
        ExecCommand::ShowIkev2Stats(which) => {
            Ok(show::ikev2_stats(&statistics::statistics(driver), which))
        }
        ExecCommand::ShowMetrics => Ok(statistics::metrics(driver).prometheus()),
        ExecCommand::ShowCryptoSession(query) => {
            Ok(show::crypto_session(&snapshot::state(driver), &query))
        }
        ExecCommand::ShowDerivedConfig { virtual_access } => {
            show::derived_config(&snapshot::state(driver), virtual_access)
        }
        ExecCommand::ShowIpv6LocalPool { name } => {
            show::ipv6_local_pool(&snapshot::state(driver), name.as_deref())
        }
        ExecCommand::ShowIpLocalPool { name } => {
            show::ip_local_pool(&snapshot::state(driver), name.as_deref())
        }
        ExecCommand::ShowRunningConfig => Ok(driver.house.running_config.clone()),
        ExecCommand::ShowDebugging => Ok(show::debugging(&driver.house.log.flags)),
        ExecCommand::ClearCryptoSession(target) => {
            clear(driver, &target);
            Ok(String::new())
        }
        ExecCommand::TestRekey(what) => {
            rekey(driver, what);
            Ok(String::new())
        }
        ExecCommand::Debug(flag) => Ok(debug(driver, flag, true)),
        ExecCommand::NoDebug(flag) => Ok(debug(driver, flag, false)),
        ExecCommand::UndebugAll => {
            driver.house.log.flags = Default::default();
            driver.endpoint.trace(false);
            driver.endpoint.key_log(false);
            driver.key_log = None;
            Ok("All possible debugging has been turned off\n".into())
        }
        ExecCommand::KeyLog(Some(folder)) => {
            let path = Path::new(&folder);
            // It would be taken from the daemon's folder, which is hardly the one that its operator has in mind.
            if !path.is_absolute() {
                return Err(format!(
                    "% {folder} is a relative path: name the folder of the key tables from / on"
                ));
            }
            let writer = KeyLogWriter::open(path)
                .map_err(|error| format!("% cannot write key tables to {folder}: {error}"))?;
            driver.key_log = Some(writer);
            driver.endpoint.key_log(true);
            Ok(format!("Keys of new SAs are written to {folder}\n"))
        }
        ExecCommand::KeyLog(None) => {
            driver.key_log = None;
            driver.endpoint.key_log(false);
            Ok(String::new())
        }
        // There is no terminal here that it could concern.
        ExecCommand::Terminal(_) => Ok(String::new()),
    }
}

fn debug(driver: &mut Driver, flag: DebugFlag, on: bool) -> String {
    let answer = driver.house.log.flags.set(flag, on);
    driver.endpoint.trace(driver.house.log.wants_trace());
    answer
}

/// Rekeys every session, as if its SAs had grown old.
fn rekey(driver: &mut Driver, what: Rekeyed) {
    let sessions = driver.house.sessions.iter();
    let commands: Vec<_> = sessions
        .flat_map(|(sa, session)| match what {
            Rekeyed::Ike => vec![Command::Rekey(sa)],
            Rekeyed::Child => {
                let children = session.installed.iter();
                let newest = children.filter_map(|child| child.pairs.newest());
                newest
                    .map(|spi| Command::RekeyChild(sa, spi.value()))
                    .collect()
            }
        })
        .collect();
    for command in commands {
        driver.command(command);
    }
}

fn clear(driver: &mut Driver, target: &ClearTarget) {
    let chosen: Vec<_> = driver
        .house
        .sessions
        .iter()
        .filter(|(sa, session)| match target {
            ClearTarget::All => true,
            ClearTarget::User(user) => session
                .who
                .as_ref()
                .is_some_and(|who| who.user.eq_ignore_ascii_case(user)),
            ClearTarget::Remote(address) => driver
                .endpoint
                .view(*sa)
                .is_some_and(|view| view.path.remote.ip() == *address),
        })
        .map(|(sa, _)| sa)
        .collect();
    for sa in chosen {
        driver
            .house
            .sessions
            .note_deletion(sa, Deletion::ByOperator);
        driver.command(Command::Delete(sa));
    }
}
