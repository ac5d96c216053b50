//! The control socket: one command line in, its output back, over a unix socket of mode 0600.
//!
//! A request is one line of JSON, `{"exec": "show crypto session"}`; the answer is one line,
//! `{"status": 0, "output": "…"}`, with status 1 and an error text where the line is wrong. After
//! `{"monitor": {}}` every line of the log follows as an answer of its own. Whoever sends nothing, or
//! too much, or reads nothing, is cut off and holds up nobody; a slow terminal loses lines. After `{"configure": {}}`
//! lines of configuration follow ([`configuring`]).

use std::{
    io,
    os::unix::{fs::PermissionsExt, net},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf, UCred},
    },
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use self::{
    configuring::{Begin, Configuring},
    people::Names,
    shells::{Attending, Shells},
};
use super::{
    apart::{self, Connections, Full, Serving},
    bootflash::Present,
    configure::{Answer, Ask, Person},
    driver::Request,
    log::{WATCHED_LINES, Watched},
    processor::Processor,
};
use crate::files;

mod commands;
pub mod configuring;
pub mod holder;
mod local_users;
mod people;
mod sessions;
pub mod shells;
mod storing;

pub use commands::{Outcome, execute};

/// The longest request, in octets.
const MAX_REQUEST: u64 = 64 * 1024;

/// Connections at a time. One more ends the oldest that has not asked anything yet.
const MAX_CONNECTIONS: usize = 16;

/// What is done about files at a time, whoever still waits for it: a disk may not answer at all.
const MAX_AT_FILES: usize = 16;

/// How often it is looked whether somebody is gone who has said all there was to say.
const GONE: Duration = Duration::from_secs(1);

/// How long a connection may take to send its request, and then to take its answer. What is asked may take longer: a file that
/// is written to a slow disk is.
const PATIENCE: Duration = Duration::from_secs(10);

/// Terminals at a time that the log is copied to.
const MAX_MONITORS: usize = 8;

/// What is asked.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Question {
    /// To configure: lines follow, and each is answered.
    Configure(Begin),
    /// To carry out a command line.
    Exec(String),
    /// The same, unless it would replace a file on `bootflash:`: whoever types it is asked first where the answer is
    /// [`EXISTS`](super::bootflash::EXISTS).
    New(String),
    /// To be known as an open shell, and for the headend's name whenever a line comes.
    Shell {
        /// The terminal that somebody sits at.
        #[serde(default)]
        terminal: Option<String>,
    },
    /// For the lines of the log from now on.
    Monitor {
        /// Of those about a change that goes back unless it is confirmed alone.
        #[serde(default)]
        rollback: bool,
    },
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

/// Whether a living daemon has the socket.
#[must_use]
pub fn serves(path: &Path) -> bool {
    net::UnixStream::connect(path).is_ok()
}

/// The listening socket; its name goes away with it.
pub struct Listener {
    listener: net::UnixListener,
    path: PathBuf,
}

/// How long the end waits for files that are being written.
pub(super) const FILES: Duration = Duration::from_secs(2);

impl Listener {
    /// Binds the socket, in place of one that a crash left behind.
    ///
    /// # Errors
    ///
    /// `AddrInUse` when another daemon has it; otherwise of the system calls.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let is_free = || Ok((!serves(path)).then_some(()));
        holder::take(path, is_free, |held| {
            io::Error::new(io::ErrorKind::AddrInUse, held)
        })?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = net::UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Hands requests to the loop, from a thread of its own, where the processor is watched as well.
    ///
    /// # Errors
    ///
    /// Of the system calls.
    pub fn serve_apart(
        self,
        requests: mpsc::Sender<Request>,
        processor: Processor,
        shells: Shells,
    ) -> io::Result<Serving> {
        apart::serve("control", FILES, move || {
            let listener = UnixListener::from_std(self.listener.try_clone()?)?;
            Ok(async move {
                tokio::select! {
                    () = serve(&listener, requests, shells) => {}
                    () = processor.watch() => {}
                }
                drop(self);
            })
        })
    }
}

/// Takes connections for as long as there is the thread.
async fn serve(listener: &UnixListener, requests: mpsc::Sender<Request>, shells: Shells) {
    let mut connections = Connections::new(MAX_CONNECTIONS, Full::Wait);
    let monitors = Arc::new(Semaphore::new(MAX_MONITORS));
    let asking = Asking::new(requests);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (asking, monitors) = (asking.clone(), Arc::clone(&monitors));
                let shells = shells.clone();
                let connection = |asked| async move {
                    match converse(stream, asking, monitors, shells, asked).await {
                        // It asks for nothing that others would have to wait for, and takes none of their places.
                        Ok(Onward::Attending(attending)) => {
                            tokio::spawn(attending.attend());
                        }
                        Ok(Onward::Watching(watching)) => watching.tell().await,
                        Ok(Onward::Configuring(configuring)) => configuring.listen().await,
                        Ok(Onward::Nothing) | Err(_) => {}
                    }
                };
                connections.add(connection).await;
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// How a connection goes on.
enum Onward {
    Nothing,
    Watching(Watching),
    Configuring(Configuring),
    Attending(Attending),
}

/// A terminal that wants the log.
struct Watching {
    lines: mpsc::Receiver<String>,
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    /// Its place among those that there may be.
    _place: OwnedSemaphorePermit,
}

impl Watching {
    /// Tells lines until either end goes.
    async fn tell(mut self) {
        loop {
            let mut more = [0];
            let line = tokio::select! {
                line = self.lines.recv() => line,
                // It has nothing to say any more: this is its end.
                _ = self.read.read(&mut more) => None,
            };
            let Some(line) = line else { return };
            let told = answer(&mut self.write, Ok(line));
            if !matches!(timeout(PATIENCE, told).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

/// Answers one question.
async fn converse(
    stream: UnixStream,
    asking: Asking,
    monitors: Arc<Semaphore>,
    shells: Shells,
    asked: Arc<AtomicBool>,
) -> io::Result<Onward> {
    let peer = stream.peer_cred();
    let (mut read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut limited = BufReader::new((&mut read).take(MAX_REQUEST));
    timely(limited.read_until(b'\n', &mut line)).await?;
    asked.store(true, Ordering::Relaxed);
    let mut watching = None;
    let question = serde_json::from_slice::<Question>(&line);
    let present = match &question {
        Ok(Question::New(_)) => Present::Kept,
        _ => Present::Replaced,
    };
    let reply = match question {
        Err(error) => Err(format!("not a request: {error}")),
        Ok(Question::Configure(begin)) => {
            let revert = begin.revert;
            let person = asking.person(begin, peer.ok()).await;
            return match asking.configure(Ask::Begin(person, revert)).await {
                Ok(Answer::Begun(id)) => {
                    let configuring = Configuring {
                        id,
                        read,
                        write,
                        asking,
                    };
                    Ok(Onward::Configuring(configuring))
                }
                Ok(_) => Ok(Onward::Nothing),
                Err(why) => {
                    timely(answer(&mut write, Err(why))).await?;
                    timely(write.shutdown()).await.map(|()| Onward::Nothing)
                }
            };
        }
        Ok(Question::Exec(line) | Question::New(line)) => {
            let person = asking.person(Begin::default(), peer.ok()).await;
            let mut more = BufReader::new(&mut read);
            tokio::select! {
                reply = asking.tell(line, person, present) => reply,
                () = gone(&mut more, &write) => return Ok(Onward::Nothing),
            }
        }
        Ok(Question::Shell { terminal }) => {
            let begin = Begin {
                terminal,
                revert: None,
            };
            match shells.open(asking.person(begin, peer.ok()).await) {
                None => Err("too many shells are open".to_owned()),
                Some(place) => {
                    timely(answer(&mut write, asking.hostname().await)).await?;
                    return Ok(Onward::Attending(Attending {
                        place,
                        read,
                        write,
                        asking,
                    }));
                }
            }
        }
        Ok(Question::Monitor { rollback }) => match monitors.try_acquire_owned() {
            Err(_) => Err(format!("{MAX_MONITORS} terminals monitor already")),
            Ok(place) => {
                let (sending, lines) = mpsc::channel(WATCHED_LINES);
                let person = asking.person(Begin::default(), peer.ok()).await;
                let wanted = if rollback {
                    Watched::Rollback
                } else {
                    Watched::All
                };
                let (reply, is_watching) = oneshot::channel();
                let request = Request::Monitor(person, sending, wanted, reply);
                let asked = asking.requests.send(request).await;
                watching = Some((lines, place));
                // Whoever is told so goes without no line from there on.
                let answered = match asked {
                    Ok(()) => is_watching.await.ok(),
                    Err(_) => None,
                };
                answered.map(|()| String::new()).ok_or_else(stopping)
            }
        },
    };
    timely(answer(&mut write, reply)).await?;
    match watching {
        Some((lines, place)) => Ok(Onward::Watching(Watching {
            lines,
            read,
            write,
            _place: place,
        })),
        None => timely(write.shutdown()).await.map(|()| Onward::Nothing),
    }
}

/// What the other end is to do in [`PATIENCE`].
async fn timely<T>(end: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, end).await.map_err(io::Error::from)?
}

/// Comes to its end when nobody is at the other end any more. Who has said all there was to say may wait for its answer still.
async fn gone(read: &mut (impl AsyncBufRead + Unpin), write: &OwnedWriteHalf) {
    // What comes next is looked at once this has been answered.
    let _ = read.fill_buf().await;
    while let Ok(state) = write.ready(Interest::WRITABLE).await {
        if state.is_write_closed() {
            return;
        }
        sleep(GONE).await;
    }
}

/// What asks the loop, and does for itself what takes its time.
#[derive(Clone)]
pub(super) struct Asking {
    requests: mpsc::Sender<Request>,
    /// Places at files.
    files: Arc<Semaphore>,
    names: Names,
}

impl Asking {
    /// Asks the loop that takes these requests.
    pub(super) fn new(requests: mpsc::Sender<Request>) -> Self {
        Self {
            requests,
            files: Arc::new(Semaphore::new(MAX_AT_FILES)),
            names: Names::new(),
        }
    }

    /// Who it is at the other end, by what the socket says.
    async fn person(&self, begin: Begin, peer: Option<UCred>) -> Person {
        let user = match &peer {
            Some(peer) => self.names.of(peer.uid()).await,
            None => "unknown".to_owned(),
        };
        begin.person(user, peer)
    }

    /// What a command line comes to, as text.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub(super) async fn tell(
        &self,
        line: String,
        person: Person,
        present: Present,
    ) -> Result<String, String> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Exec {
            line,
            person,
            present,
            reply,
        };
        let asked = self.requests.send(request).await;
        asked.map_err(|_| stopping())?;
        self.finish(answer.await.map_err(|_| stopping())?).await
    }

    /// Does what is left to do of a command line outside of the loop: other sessions' messages go on meanwhile.
    async fn finish(&self, outcome: Outcome) -> Result<String, String> {
        match outcome {
            Outcome::Done(reply) => reply,
            Outcome::Facts(facts, form) => elsewhere(move || facts.told(form)).await?,
            Outcome::Look(look, form) => {
                self.at_files(move || look.carry_out()?.told(form)).await?
            }
            Outcome::Work(work) => self.at_files(|| work.carry_out()).await?,
            Outcome::Wait(work) => elsewhere(|| work.carry_out()).await?,
            Outcome::Store(of, storing) => {
                let text = Box::pin(self.finish(*of)).await?;
                self.at_files(move || storing.carry_out(text)).await?
            }
            Outcome::Replace(reading) => {
                let replacing = self.at_files(move || reading.read()).await??;
                match self.configure(Ask::Replace(Box::new(replacing))).await? {
                    Answer::Done(said) => Ok(said),
                    _ => Err(stopping()),
                }
            }
        }
    }

    /// Hands a question about the configuration to the loop.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    async fn configure(&self, ask: Ask) -> Result<Answer, String> {
        let (reply, answer) = oneshot::channel();
        match self.requests.send(Request::Configure(ask, reply)).await {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(stopping())),
            Err(_) => Err(stopping()),
        }
    }

    /// What the headend is called.
    async fn hostname(&self) -> Result<String, String> {
        let (reply, answer) = oneshot::channel();
        let asked = self.requests.send(Request::Hostname(reply)).await;
        asked.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }

    /// A place at files, until it is dropped.
    fn place_at_files(&self) -> Result<OwnedSemaphorePermit, String> {
        let place = Arc::clone(&self.files).try_acquire_owned();
        place.map_err(|_| format!("{MAX_AT_FILES} commands wait for a disk already"))
    }

    /// Does something about files. It is done to its end even if nobody waits for that any more.
    async fn at_files<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let place = self.place_at_files().map_err(|why| format!("% {why}"))?;
        elsewhere(move || {
            let done = work();
            drop(place);
            done
        })
        .await
    }
}

/// Does something that may take its time.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let done = spawn_blocking(work).await;
    done.map_err(|_| stopping())
}

fn stopping() -> String {
    "the daemon is stopping".to_owned()
}

/// Writes an answer.
async fn answer(write: &mut OwnedWriteHalf, reply: Result<String, String>) -> io::Result<()> {
    /// What takes longer to be encoded than to be handed elsewhere.
    const LONG: usize = 64 * 1024;
    let octets = if reply.as_ref().is_ok_and(|output| output.len() > LONG) {
        // The other connections do not wait.
        let done = spawn_blocking(move || encoded(reply)).await;
        done.map_err(io::Error::other)??
    } else {
        encoded(reply)?
    };
    write.write_all(&octets).await
}

/// An answer as it is written.
fn encoded(reply: Result<String, String>) -> io::Result<Vec<u8>> {
    let reply = match reply {
        Ok(output) => Reply { status: 0, output },
        Err(output) => Reply {
            status: 1,
            output: files::in_words(&output),
        },
    };
    let mut octets = serde_json::to_vec(&reply)?;
    octets.push(b'\n');
    Ok(octets)
}

/// Opens a connection to the daemon whose state folder this is, which may take as long as given for each answer.
///
/// # Errors
///
/// Of the socket.
pub fn connect(state_dir: &Path, patience: Duration) -> io::Result<net::UnixStream> {
    let stream = net::UnixStream::connect(socket_path(state_dir))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}

/// Asks the daemon for what one command line comes to.
///
/// # Errors
///
/// Of the socket; `UnexpectedEof` when the daemon hangs up.
pub fn ask(stream: net::UnixStream, line: &str) -> io::Result<Reply> {
    ask_by(stream, &Question::Exec(line.to_owned()))
}

/// Asks the daemon something that has one answer.
///
/// # Errors
///
/// As [`ask`].
pub fn ask_by(stream: net::UnixStream, question: &Question) -> io::Result<Reply> {
    put(stream, question).map(|(reply, _)| reply)
}

/// Asks the daemon for the lines of its log, each of which is a [`Reply`]; with `rollback` for those alone that tell what becomes
/// of a change that goes back unless it is confirmed.
///
/// # Errors
///
/// As [`ask`]; `Other`, with its reason, when it refuses.
pub fn monitor(
    stream: net::UnixStream,
    rollback: bool,
) -> io::Result<io::BufReader<net::UnixStream>> {
    let (reply, stream) = put(stream, &Question::Monitor { rollback })?;
    if reply.status != 0 {
        return Err(io::Error::other(reply.output));
    }
    stream.get_ref().set_read_timeout(None)?;
    Ok(stream)
}

/// Makes a shell known to the daemon for as long as the connection is there. Returns the headend's name, which is answered to every line
/// from there on.
///
/// # Errors
///
/// As [`monitor`].
pub fn attend(
    stream: net::UnixStream,
    terminal: Option<String>,
) -> io::Result<(String, io::BufReader<net::UnixStream>)> {
    let (reply, stream) = put(stream, &Question::Shell { terminal })?;
    match reply.status {
        0 => Ok((reply.output, stream)),
        _ => Err(io::Error::other(reply.output)),
    }
}

fn put(
    mut stream: net::UnixStream,
    question: &Question,
) -> io::Result<(Reply, io::BufReader<net::UnixStream>)> {
    use std::io::{BufRead as _, Write as _};
    let mut question = serde_json::to_vec(question)?;
    question.push(b'\n');
    stream.write_all(&question)?;
    let mut stream = io::BufReader::new(stream);
    let mut answer = String::new();
    if stream.read_line(&mut answer)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((serde_json::from_str(&answer)?, stream))
}

#[cfg(test)]
mod tests;
