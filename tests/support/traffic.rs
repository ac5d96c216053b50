//! Packets through the tunnel: servers that note who asked, and questions to them.

use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use ironflex_xfrm::netlink::NetworkNamespace;

use super::PATIENCE;

/// A server that echoes, and the addresses of who asked, one for each connection or datagram.
pub(crate) struct Echo {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    askers: Receiver<IpAddr>,
}

impl Echo {
    /// Echoes datagrams at `address` in `namespace`, until the test program ends.
    pub(crate) fn udp(namespace: &NetworkNamespace, address: IpAddr) -> Self {
        let bind = || UdpSocket::bind((address, 0)).unwrap();
        let socket = namespace.run(bind).unwrap();
        let address = socket.local_addr().unwrap();
        let (sender, askers) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if sender.send(from.ip()).is_err() {
                    return;
                }
                // Who has no way back is one whose answer must not arrive.
                let _ = socket.send_to(&buffer[..length], from);
            }
        });
        Self { address, askers }
    }

    /// Echoes TCP streams at `address` in `namespace`, until the test program ends.
    pub(crate) fn tcp(namespace: &NetworkNamespace, address: IpAddr) -> Self {
        let bind = || TcpListener::bind((address, 0)).unwrap();
        let listener = namespace.run(bind).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, askers) = mpsc::channel();
        thread::spawn(move || {
            while let Ok((mut stream, from)) = listener.accept() {
                if sender.send(from.ip()).is_err() {
                    return;
                }
                thread::spawn(move || {
                    let mut back = stream.try_clone()?;
                    std::io::copy(&mut stream, &mut back)?;
                    back.shutdown(Shutdown::Write)
                });
            }
        });
        Self { address, askers }
    }

    /// Waits for the next who asked.
    pub(crate) fn asker(&self) -> IpAddr {
        self.askers.recv_timeout(PATIENCE).unwrap()
    }
}

/// Sends a datagram from `source` and waits for its echo.
pub(crate) fn ask(namespace: &NetworkNamespace, source: IpAddr, target: SocketAddr) {
    let socket = namespace
        .run(|| UdpSocket::bind((source, 0)).unwrap())
        .unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(b"question", target).unwrap();
    let mut buffer = [0; 64];
    let (length, from) = socket
        .recv_from(&mut buffer)
        .unwrap_or_else(|error| panic!("{target} does not answer {source}: {error}"));
    assert_eq!((&buffer[..length], from), (b"question".as_slice(), target));
}

/// Sends a datagram from `source` and waits for nothing.
pub(crate) fn tell(namespace: &NetworkNamespace, source: IpAddr, target: SocketAddr) {
    let socket = namespace
        .run(|| UdpSocket::bind((source, 0)).unwrap())
        .unwrap();
    socket.send_to(b"told", target).unwrap();
}

/// Sends `octets` octets to an echoing server and compares what comes back.
pub(crate) fn copy(namespace: &NetworkNamespace, target: SocketAddr, octets: usize) {
    let connect = || TcpStream::connect_timeout(&target, PATIENCE);
    let mut stream = namespace
        .run(connect)
        .unwrap()
        .unwrap_or_else(|error| panic!("{target}: {error}"));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let sent: Vec<u8> = (0..octets).map(|n| (n % 251) as u8).collect();
    let mut returned = Vec::with_capacity(octets);
    thread::scope(|scope| {
        let mut writing = stream.try_clone().unwrap();
        let sent = &sent;
        scope.spawn(move || {
            writing.write_all(sent).unwrap();
            writing.shutdown(Shutdown::Write).unwrap();
        });
        stream.read_to_end(&mut returned).unwrap();
    });
    assert!(
        sent == returned,
        "{} of {octets} octets came back, or others",
        returned.len()
    );
}

/// Demands that nobody can be reached at `target` from `namespace`: the sender is told so at once.
pub(crate) fn has_no_way(namespace: &NetworkNamespace, target: SocketAddr) {
    let any = if target.is_ipv4() { "0.0.0.0" } else { "::" };
    let connect = || UdpSocket::bind((any, 0)).unwrap().connect(target);
    let error = namespace.run(connect).unwrap().unwrap_err();
    let kinds = [ErrorKind::NetworkUnreachable, ErrorKind::HostUnreachable];
    assert!(kinds.contains(&error.kind()), "{target}: {error}");
}

/// Questions and answers without a pause over one TCP connection, and how long the longest answer took.
pub(crate) struct Conversation {
    rounds: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<Duration>,
}

impl Conversation {
    /// Begins to talk to an echoing server.
    pub(crate) fn begin(namespace: &NetworkNamespace, target: SocketAddr) -> Self {
        let connect = || TcpStream::connect_timeout(&target, PATIENCE);
        let mut stream = namespace.run(connect).unwrap().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (rounds, over) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counted, ends) = (Arc::clone(&rounds), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut longest = Duration::ZERO;
            let mut buffer = [0; 1024];
            while !ends.load(Ordering::Relaxed) {
                let asked = Instant::now();
                stream.write_all(&buffer).unwrap();
                stream.read_exact(&mut buffer).unwrap();
                longest = longest.max(asked.elapsed());
                counted.fetch_add(1, Ordering::Relaxed);
            }
            longest
        });
        Self {
            rounds,
            over,
            thread,
        }
    }

    /// Waits until a hundred more answers have come.
    pub(crate) fn goes_on(&self) {
        let wanted = self.rounds.load(Ordering::Relaxed) + 100;
        let begun = Instant::now();
        while self.rounds.load(Ordering::Relaxed) < wanted {
            assert!(begun.elapsed() < PATIENCE, "no answers any more");
            thread::yield_now();
        }
    }

    /// Ends it. Returns how long the longest answer took.
    pub(crate) fn end(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
