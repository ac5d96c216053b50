//! The numbers over HTTP, for Prometheus: `GET /metrics` on a TCP port or a Unix socket of the operator's choice, and nothing else.
//!
//! It is off unless `ironflex run --metrics` turns it on. There is no TLS and nobody is asked for a password: the numbers name no
//! user, no address and no peer, and whom else they concern is for the choice of the port to say.

use std::{
    convert::Infallible,
    fmt, fs, io,
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net,
    },
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{Mutex, mpsc},
    time::timeout,
};

use super::{
    apart::{self, Connections, Serving},
    bootflash::Present,
    configure::Person,
    control, driver,
};

/// Connections at a time. One more ends the oldest that has not asked anything yet.
const CONNECTIONS: usize = 8;

/// How long one may take from its beginning to its end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest head of a request, in octets.
const MAX_HEAD: usize = 8 * 1024;

/// How long the numbers that were told one are told to others: they cost the daemon's loop a look at every session, and
/// whoever reaches the port may ask as often as it likes.
const FRESH: Duration = Duration::from_secs(1);

/// What is asked for, and the only thing that there is.
const PATH: &str = "/metrics";

/// Prometheus' text format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Where the numbers are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On an address and a TCP port.
    Port(SocketAddr),
    /// On a Unix socket of this name.
    Socket(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(address) => write!(f, "http://{address}{PATH}"),
            Self::Socket(path) => write!(f, "{PATH} on {}", path.display()),
        }
    }
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither ADDRESS:PORT, as 127.0.0.1:9464, nor the name of a socket from / on")]
pub struct NoPlace(String);

impl FromStr for Place {
    type Err = NoPlace;

    /// Reads `ADDRESS:PORT` or the name of a socket, which begins with `/`.
    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if text.starts_with('/') {
            return Ok(Self::Socket(PathBuf::from(text)));
        }
        let address = text.parse().map_err(|_| NoPlace(text.to_owned()))?;
        Ok(Self::Port(address))
    }
}

/// Listens at a [`Place`]; the name of a socket goes away with it.
pub struct Scraping {
    listener: Listener,
}

enum Listener {
    Port(std::net::TcpListener),
    Socket(net::UnixListener, PathBuf),
}

impl Scraping {
    /// Listens. A socket is its owner's and its group's, and takes the place of one that nobody serves any more.
    ///
    /// # Errors
    ///
    /// Of the system calls; `AddrInUse` also for a name that is no socket, which is left as it is.
    pub fn open(place: &Place) -> io::Result<Self> {
        let listener = match place {
            Place::Port(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Listener::Port(listener)
            }
            Place::Socket(path) => {
                clear(path)?;
                let listener = Listener::Socket(net::UnixListener::bind(path)?, path.clone());
                if let Listener::Socket(listener, _) = &listener {
                    listener.set_nonblocking(true)?;
                }
                fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
                listener
            }
        };
        Ok(Self { listener })
    }

    /// Where it listens: a port that was left to the system has its number.
    ///
    /// # Errors
    ///
    /// Of the system call.
    pub fn place(&self) -> io::Result<Place> {
        Ok(match &self.listener {
            Listener::Port(listener) => Place::Port(listener.local_addr()?),
            Listener::Socket(_, path) => Place::Socket(path.clone()),
        })
    }

    /// Answers from a thread of its own, and asks the loop for nothing but the numbers.
    ///
    /// # Errors
    ///
    /// Of the system calls.
    pub fn serve_apart(self, requests: mpsc::Sender<driver::Request>) -> io::Result<Serving> {
        // Nothing is written to a file here.
        apart::serve("metrics", Duration::ZERO, move || {
            let acceptor = match &self.listener {
                Listener::Port(listener) => {
                    Acceptor::Port(TcpListener::from_std(listener.try_clone()?)?)
                }
                Listener::Socket(listener, _) => {
                    Acceptor::Socket(UnixListener::from_std(listener.try_clone()?)?)
                }
            };
            Ok(async move {
                acceptor.serve(requests).await;
                drop(self);
            })
        })
    }
}

/// The same within a runtime.
enum Acceptor {
    Port(TcpListener),
    Socket(UnixListener),
}

impl Acceptor {
    /// Answers for as long as it is let.
    async fn serve(&self, requests: mpsc::Sender<driver::Request>) {
        // Where all have asked, the oldest is one who takes nothing.
        let mut connections = Connections::new(CONNECTIONS, apart::Full::EndOldest);
        let numbers = Arc::new(Numbers {
            asking: control::Asking::new(requests),
            last: Mutex::default(),
        });
        loop {
            let numbers = Arc::clone(&numbers);
            let accepted = match self {
                Self::Port(listener) => match listener.accept().await {
                    Ok((stream, _)) => {
                        let connection = |asked| converse(stream, numbers, asked);
                        connections.add(connection).await;
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                Self::Socket(listener) => match listener.accept().await {
                    Ok((stream, _)) => {
                        let connection = |asked| converse(stream, numbers, asked);
                        connections.add(connection).await;
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
            };
            if accepted.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Socket(_, path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes the name of a socket that nobody listens at.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "there is something of this name that is no socket",
        )),
        Ok(_) if control::serves(path) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "somebody listens there already",
        )),
        Ok(_) => fs::remove_file(path),
    }
}

/// The numbers, and where they come from.
struct Numbers {
    asking: control::Asking,
    /// The last ones and when they came.
    last: Mutex<Option<(Instant, String)>>,
}

impl Numbers {
    /// The numbers of this second. Several who ask at once wait for one answer.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    async fn tell(&self) -> Result<String, String> {
        let mut last = self.last.lock().await;
        if let Some((came, numbers)) = &*last
            && came.elapsed() < FRESH
        {
            return Ok(numbers.clone());
        }
        let numbers = self
            .asking
            .tell(
                "show metrics".to_owned(),
                Person::default(),
                Present::Replaced,
            )
            .await?;
        *last = Some((Instant::now(), numbers.clone()));
        Ok(numbers)
    }
}

/// One connection, of one request.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    numbers: Arc<Numbers>,
    asked: Arc<AtomicBool>,
) {
    let answer = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        answer(request, &numbers)
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), answer);
    // Whoever asks in vain has been told so, and whoever takes its time is cut off.
    let _ = timeout(PATIENCE, connection).await;
}

async fn answer(
    request: Request<Incoming>,
    numbers: &Numbers,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_path = request.uri().path() == PATH;
    let mut response = match *request.method() {
        _ if !is_path => said(StatusCode::NOT_FOUND, format!("there is {PATH} alone\n")),
        Method::GET | Method::HEAD => match numbers.tell().await {
            Ok(numbers) => said(StatusCode::OK, numbers),
            Err(why) => said(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        _ => {
            let mut refused = said(
                StatusCode::METHOD_NOT_ALLOWED,
                "GET and HEAD are served\n".to_owned(),
            );
            let allowed = HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(ALLOW, allowed);
            refused
        }
    };
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    Ok(response)
}

fn said(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        thread,
    };

    use super::*;

    #[test]
    fn a_place_is_an_address_with_a_port_or_the_name_of_a_socket() {
        let port = Place::Port("127.0.0.1:9464".parse().unwrap());
        assert_eq!("127.0.0.1:9464".parse(), Ok(port));
        let port = Place::Port("[::1]:9464".parse().unwrap());
        assert_eq!("[::1]:9464".parse(), Ok(port));
        let socket = Place::Socket("/run/ironflex/metrics".into());
        assert_eq!("/run/ironflex/metrics".parse(), Ok(socket));
        for text in [
            "",
            "9464",
            "localhost:9464",
            "metrics.sock",
            "127.0.0.1",
            ":9464",
        ] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace(text.to_owned())));
        }
    }

    #[test]
    fn a_socket_takes_the_place_of_one_that_nobody_serves_and_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics");
        let place = Place::Socket(path.clone());
        // Left behind by one that was killed.
        drop(net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = Scraping::open(&place).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o660);
        let taken = Scraping::open(&place).err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
        drop(first);
        assert!(!path.exists());
        fs::write(&path, "mine").unwrap();
        let refused = Scraping::open(&place).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    /// Asks at a socket. Returns the status line and the body, or `None` where nothing has come for long.
    fn asked(socket: &Path, path: &str) -> Option<(String, String)> {
        let mut stream = net::UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let (status, _) = head.split_once("\r\n")?;
        Some((status.to_owned(), body.to_owned()))
    }

    /// Something that serves below `folder`, and what it asks the loop.
    fn serving(folder: &Path) -> (PathBuf, mpsc::Receiver<driver::Request>, Serving) {
        let socket = folder.join("metrics");
        let (requests, asked) = mpsc::channel(8);
        let scraping = Scraping::open(&Place::Socket(socket.clone())).unwrap();
        (socket, asked, scraping.serve_apart(requests).unwrap())
    }

    // All of them are there before anything is looked at.
    #[test]
    fn a_burst_of_who_says_nothing_ends_nobody_who_has_asked() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("metrics");
        let scraping = Scraping::open(&Place::Socket(socket.clone())).unwrap();
        let mut asking = net::UnixStream::connect(&socket).unwrap();
        write!(asking, "GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let connect = |_| net::UnixStream::connect(&socket).unwrap();
        let _silent: Vec<_> = (0..CONNECTIONS * 2).map(connect).collect();
        let (requests, mut asked_for) = mpsc::channel(8);
        let _serving = scraping.serve_apart(requests).unwrap();
        asking.set_read_timeout(Some(PATIENCE)).unwrap();
        let answering = thread::spawn(move || {
            let asked = asked_for.blocking_recv().unwrap();
            // Everybody else is looked at before it is answered.
            thread::sleep(Duration::from_millis(100));
            answers(asked, "a 1\n".to_owned());
        });
        let mut answer = String::new();
        asking.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("a 1\n"), "{answer}");
        answering.join().unwrap();
    }

    /// Answers a question, as the loop would.
    fn answers(request: driver::Request, numbers: String) {
        match request {
            driver::Request::Exec { line, reply, .. } => {
                assert_eq!(line, "show metrics");
                let _ = reply.send(control::Outcome::Done(Ok(numbers)));
            }
            _ => panic!("something else is asked"),
        }
    }

    /// Has many ask at once, each `times`, and answers by the number of the question after `questions`.
    fn ask_together(
        socket: &Path,
        times: usize,
        asked_for: &mut mpsc::Receiver<driver::Request>,
        questions: &mut u32,
    ) -> Vec<String> {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let socket = socket.to_owned();
                thread::spawn(move || {
                    let all = (0..times).map(|_| asked(&socket, PATH).unwrap().1);
                    all.collect::<Vec<String>>()
                })
            })
            .collect();
        while threads.iter().any(|one| !one.is_finished()) {
            match asked_for.try_recv() {
                Ok(request) => {
                    *questions = questions.saturating_add(1);
                    answers(request, format!("a {questions}\n"));
                }
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
        let told = threads.into_iter().map(|one| one.join().unwrap());
        told.flatten().collect()
    }

    #[test]
    fn who_asks_for_something_else_or_takes_nothing_is_nothing_to_the_loop() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, mut asked_for, serving) = serving(folder.path());
        // This thread is the loop, and waits for the answer itself.
        let (status, body) = asked(&socket, "/").unwrap();
        assert_eq!(status, "HTTP/1.1 404 Not Found");
        assert_eq!(body, "there is /metrics alone\n");
        assert!(asked_for.try_recv().is_err());
        // Somebody takes nothing of an answer that fits no socket's room.
        let mut slow = net::UnixStream::connect(&socket).unwrap();
        write!(slow, "GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let long = "a 1\n".repeat(1 << 20);
        answers(asked_for.blocking_recv().unwrap(), long);
        let told = ask_together(&socket, 1, &mut asked_for, &mut 0);
        assert_eq!(told.len(), 3);
        drop(serving);
        assert!(!socket.exists());
    }

    #[test]
    fn whoever_asks_within_a_second_gets_the_numbers_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, mut asked_for, _serving) = serving(folder.path());
        let (begun, mut questions) = (Instant::now(), 0);
        let told = ask_together(&socket, 20, &mut asked_for, &mut questions);
        assert_eq!(told.len(), 60);
        let seconds = begun.elapsed().as_secs();
        assert!(
            (1..=seconds + 1).contains(&u64::from(questions)),
            "{questions} in {seconds} s"
        );
        // Later the loop is asked once more.
        let before = questions;
        while questions == before {
            assert!(begun.elapsed() < PATIENCE * 3);
            ask_together(&socket, 1, &mut asked_for, &mut questions);
        }
        let told = ask_together(&socket, 1, &mut asked_for, &mut questions);
        assert!(told.contains(&format!("a {questions}\n")), "{told:?}");
    }
}
