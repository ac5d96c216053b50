//! A connection that configures: `{"lines": ["…"], "more": false}` in, what became of them back, until either end goes.
//!
//! What was taken stays when the connection is cut, as on a router: the lines before one that is still being carried out then,
//! too, which is given up where it does not end soon. One that says nothing for ten minutes is ended, and so is
//! one that does not read its answers.

use std::{
    io::{self, BufRead as _, Write as _},
    os::unix::net,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::unix::{OwnedReadHalf, OwnedWriteHalf, UCred},
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    super::configure::{Answer, Ask, Person},
    Asking, Question, Reply, answer, elsewhere, gone, timely,
};
use crate::{
    cli::configure::{Lines, Taken},
    files,
};

/// How long a person may think, as on a router (`exec-timeout`).
const IDLE: Duration = Duration::from_secs(600);

/// The longest request, in octets: lines that come together, in JSON.
const MAX_LINES: u64 = 1 << 20;

/// What is said to whoever waits for a line when the timer ends the session.
const UNCONFIRMED: &str =
    "% The configuration session is over: its change was not confirmed in time and is taken back";

/// What a session begins with.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Begin {
    /// The terminal that somebody sits at.
    #[serde(default)]
    pub terminal: Option<String>,
    /// `revert timer`, in minutes.
    #[serde(default)]
    pub revert: Option<u32>,
}

impl Begin {
    /// Who it is, of this name, by what the socket says.
    pub(super) fn person(self, user: String, peer: Option<UCred>) -> Person {
        let mut terminal = self.terminal;
        if let Some(terminal) = &mut terminal {
            terminal.truncate(terminal.floor_char_boundary(64));
        }
        Person {
            user,
            process: peer.and_then(|peer| peer.pid()),
            terminal,
        }
    }
}

/// How long a line may go on whose person is gone: what was taken stays, but it may never end.
const LINGER: Duration = Duration::from_secs(5);

/// Has lines taken, and runs the errands among them. `gone` comes to its end with the other end.
async fn take(
    id: u64,
    asking: &Asking,
    lines: Lines,
    gone: impl Future<Output = ()>,
) -> Result<Answer, String> {
    let given_up = async {
        gone.await;
        sleep(LINGER).await;
    };
    let mut given_up = std::pin::pin!(given_up);
    let mut answer = asking.configure(Ask::Lines(id, lines)).await?;
    while let Answer::Away(mut errand) = answer {
        let unconfirmed = errand.unconfirmed();
        let goes_on = async {
            let errand = match asking.place_at_files() {
                Ok(place) => {
                    let carried_out = elsewhere(move || {
                        errand.carry_out();
                        drop(place);
                        errand
                    });
                    carried_out.await?
                }
                Err(why) => {
                    errand.refuse(why);
                    errand
                }
            };
            asking.configure(Ask::Resume(id, errand)).await
        };
        answer = tokio::select! {
            // What the loop says of an errand that comes back too late is only that there is no session any more.
            biased;
            () = ended(unconfirmed) => return Err(UNCONFIRMED.to_owned()),
            // It may never end.
            answer = goes_on => answer?,
            // Nobody reads this.
            () = &mut given_up => return Err("% Nobody is there any more".to_owned()),
        };
    }
    Ok(answer)
}

/// Waits until the timer has ended the session.
async fn ended(unconfirmed: Option<oneshot::Receiver<()>>) {
    let told = match unconfirmed {
        Some(unconfirmed) => unconfirmed.await.is_ok(),
        None => false,
    };
    if !told {
        // The errand has come back in time, and its answer is on the way.
        std::future::pending().await
    }
}

/// A connection that configures.
pub(super) struct Configuring {
    pub(super) id: u64,
    pub(super) read: OwnedReadHalf,
    pub(super) write: OwnedWriteHalf,
    pub(super) asking: Asking,
}

impl Configuring {
    /// Takes lines until either end goes.
    pub(super) async fn listen(mut self) {
        // It ends when the other end goes, and says so to nobody.
        let _ = self.converse().await;
        let _ = self.asking.configure(Ask::End(self.id)).await;
        let _ = timely(self.write.shutdown()).await;
    }

    async fn converse(&mut self) -> io::Result<()> {
        let Self {
            id,
            read,
            write,
            asking,
        } = self;
        timely(answer(write, Ok(String::new()))).await?;
        let mut read = BufReader::new(read);
        loop {
            let mut request = Vec::new();
            let mut limited = (&mut read).take(MAX_LINES);
            let reading = limited.read_until(b'\n', &mut request);
            let length = match timeout(IDLE, reading).await {
                Ok(length) => length?,
                Err(_) => {
                    let minutes = IDLE.as_secs().checked_div(60).unwrap_or_default();
                    let why = format!(
                        "% The configuration session is over: nothing came for {minutes} minutes"
                    );
                    return timely(answer(write, Err(why))).await;
                }
            };
            if length == 0 {
                return Ok(());
            }
            let reply = match serde_json::from_slice::<Lines>(&request) {
                Err(error) => Err(format!("not a request: {error}")),
                Ok(lines) => take(*id, asking, lines, gone(&mut read, write)).await,
            };
            let left = !matches!(&reply, Ok(Answer::Taken(taken)) if !taken.left);
            let reply = match reply {
                Ok(Answer::Taken(taken)) => {
                    // Whatever is said of a file is said within its texts.
                    let taken = serde_json::to_string(&taken);
                    let words = taken.map(|taken| files::in_words(&taken));
                    words.map_err(|error| error.to_string())
                }
                Ok(_) => Err("no answer".to_owned()),
                Err(why) => Err(why),
            };
            timely(answer(write, reply)).await?;
            if left {
                return Ok(());
            }
        }
    }
}

/// The operator's end of a configuration session.
#[derive(Debug)]
pub struct Session(io::BufReader<net::UnixStream>);

impl Session {
    /// Begins one.
    ///
    /// # Errors
    ///
    /// Of the socket; `Other`, with its reason, when the daemon refuses.
    pub fn begin(stream: net::UnixStream, begin: Begin) -> io::Result<Self> {
        let (reply, stream) = super::put(stream, &Question::Configure(begin))?;
        match reply.status {
            0 => Ok(Self(stream)),
            _ => Err(io::Error::other(reply.output)),
        }
    }

    /// The connection, for whoever may have to cut it.
    #[must_use]
    pub fn stream(&self) -> &net::UnixStream {
        self.0.get_ref()
    }

    /// Has lines taken.
    ///
    /// # Errors
    ///
    /// Of the socket; `Other`, with its reason, when the session is over.
    pub fn take(&mut self, lines: &Lines) -> io::Result<Taken> {
        let mut request = serde_json::to_vec(lines)?;
        request.push(b'\n');
        // One that is over has a last word.
        let sent = self.0.get_ref().write_all(&request);
        let mut reply = String::new();
        if self.0.read_line(&mut reply)? == 0 {
            sent?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let reply: Reply = serde_json::from_str(&reply)?;
        match reply.status {
            0 => Ok(serde_json::from_str(&reply.output)?),
            _ => Err(io::Error::other(reply.output)),
        }
    }
}
