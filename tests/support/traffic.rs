//! Packets through the tunnel: servers that note who asked, and questions to them.

use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::mpsc::{self, Receiver},
    thread,
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
    let connect = || UdpSocket::bind(("0.0.0.0", 0)).unwrap().connect(target);
    let error = namespace.run(connect).unwrap().unwrap_err();
    let kinds = [ErrorKind::NetworkUnreachable, ErrorKind::HostUnreachable];
    assert!(kinds.contains(&error.kind()), "{target}: {error}");
}
