//! IKE's datagrams in and out: the bound sockets of headend or client, and what userspace ESP hands
//! on from port 4500.

use std::{
    cell::Cell,
    future::Future,
    io,
    net::UdpSocket,
    task::Poll,
    thread::{self, JoinHandle},
};

use ironflex_ikev2::event::{Framing, Path, Transmit};
use ironflex_xfrm::esp::{NonEsp, Sink};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
};

use crate::{
    readiness::watch,
    udp::{self, MAX_DATAGRAM, NON_ESP_MARKER, UdpEndpoint},
};

/// IKE messages from the dataplane that may wait.
const HANDED_LIMIT: usize = 4_096;

/// One bound socket and how IKE is framed on it.
struct Socket {
    endpoint: AsyncFd<UdpEndpoint>,
    framing: Framing,
    ipv4: bool,
    /// Read here; else the dataplane reads it and hands on what is IKE's.
    watched: bool,
}

/// An IKE message that the dataplane took from port 4500, its marker already removed.
#[derive(Debug)]
pub struct Handed {
    /// Where from and which address of ours.
    pub path: Path,
    /// The message.
    pub octets: Vec<u8>,
}

/// What keeps a NAT's mapping open.
const KEEPALIVE: &[u8] = &[0xff];

/// Datagrams that are not IKE, passed over in one go.
const PASSED_OVER: usize = 64;

/// Every socket, and the buffer that they are read into.
pub struct Transport {
    sockets: Vec<Socket>,
    /// Which socket is asked first next time, so that a busy one does not keep the others waiting.
    turn: Cell<usize>,
    buffer: Box<[u8]>,
    /// What came to port 4500 and is neither IKE nor a keepalive.
    unmarked: u64,
    /// What the sockets had lost when that was last told.
    overflowed: u64,
    /// They could not be asked.
    unreadable: bool,
    /// The kernel's tables on their way.
    reading: Option<JoinHandle<io::Result<u64>>>,
}

/// What is lost on the way to the core, by name.
pub const LOST: [&str; 2] = ["unmarked", "socket_overflow"];

impl Default for Transport {
    fn default() -> Self {
        Self {
            sockets: Vec::new(),
            turn: Cell::new(0),
            buffer: vec![0; MAX_DATAGRAM].into_boxed_slice(),
            unmarked: 0,
            overflowed: 0,
            unreadable: false,
            reading: None,
        }
    }
}

impl Transport {
    /// Adds a socket. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Of epoll.
    pub fn add(&mut self, endpoint: UdpEndpoint, framing: Framing) -> io::Result<()> {
        let ipv4 = endpoint.is_ipv4()?;
        self.sockets.push(Socket {
            endpoint: watch(endpoint)?,
            framing,
            ipv4,
            watched: true,
        });
        Ok(())
    }

    /// Leaves the sockets with the non-ESP marker to the dataplane: handles on them. From now on only
    /// it reads them.
    ///
    /// # Errors
    ///
    /// Of dup.
    pub fn hand_over(&mut self) -> io::Result<Vec<UdpSocket>> {
        let mut handles = Vec::new();
        for socket in &mut self.sockets {
            if socket.framing == Framing::Marked {
                socket.watched = false;
                handles.push(socket.endpoint.get_ref().try_clone()?);
            }
        }
        Ok(handles)
    }

    /// Reads every socket here again: the dataplane is gone.
    pub fn take_back(&mut self) {
        for socket in &mut self.sockets {
            socket.watched = true;
        }
    }

    /// Resolves to a number for [`receive`](Self::receive) when a socket can be read.
    pub async fn readable(&self) -> usize {
        let watched = self
            .sockets
            .iter()
            .enumerate()
            .filter(|(_, socket)| socket.watched);
        let mut waits: Vec<_> = watched
            .map(|(index, socket)| {
                Box::pin(async move {
                    match socket.endpoint.readable().await {
                        // Reading until the socket is empty takes the readiness away.
                        Ok(_) => index,
                        Err(_) => std::future::pending().await,
                    }
                })
            })
            .collect();
        let first = self.turn.get();
        self.turn.set(first.wrapping_add(1));
        if !waits.is_empty() {
            let count = waits.len();
            waits.rotate_left(first.checked_rem(count).unwrap_or(0));
        }
        std::future::poll_fn(move |cx| {
            for wait in &mut waits {
                if let Poll::Ready(index) = wait.as_mut().poll(cx) {
                    return Poll::Ready(index);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The next IKE message of a socket, its marker removed; `None` when nothing waits, or the socket was handed over since it was
    /// readable. What is not IKE on port 4500, a keepalive or the kernel's ESP, is passed over (RFC 3948 §2.2, §2.3).
    ///
    /// # Errors
    ///
    /// Of recvmsg.
    pub fn receive(&mut self, index: usize) -> io::Result<Option<(Path, &[u8])>> {
        let socket = self.sockets.get(index);
        // What waits behind the message that brought the hand-over is the dataplane's.
        let Some(socket) = socket.filter(|socket| socket.watched) else {
            return Ok(None);
        };
        for _ in 0..PASSED_OVER {
            let buffer = &mut self.buffer;
            let received = socket.endpoint.try_io(Interest::READABLE, |endpoint| {
                endpoint
                    .receive(buffer)?
                    .ok_or_else(|| io::ErrorKind::WouldBlock.into())
            });
            let received = match received {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            let octets = self.buffer.get(..received.len).unwrap_or_default();
            let start = match socket.framing {
                Framing::Bare => 0,
                Framing::Marked if octets.starts_with(&NON_ESP_MARKER) => NON_ESP_MARKER.len(),
                Framing::Marked => {
                    // RFC 3948 §2.3#3,5: a keepalive is as good as nothing, whatever its checksum.
                    if octets != KEEPALIVE {
                        self.unmarked = self.unmarked.saturating_add(1);
                    }
                    continue;
                }
            };
            let path = Path {
                local: received.local,
                remote: received.remote,
                framing: socket.framing,
            };
            let octets = self.buffer.get(start..received.len).unwrap_or_default();
            return Ok(Some((path, octets)));
        }
        Ok(None)
    }

    /// What has been lost on the way to the core since the last call, by [`LOST`]: datagrams on port 4500 that are nobody's, and
    /// what the kernel had no room for at the sockets, whoever reads them. The latter is as the call before found it: the tables
    /// that it stands in are long on a machine with many sockets, and are read on a thread of their own.
    pub fn lost(&mut self) -> ([(&'static str, u64); 2], io::Result<()>) {
        let read = self.reading.take_if(|thread| thread.is_finished());
        let read = read.map(|thread| {
            let read = thread.join();
            read.unwrap_or_else(|_| Err(io::Error::other("its reader has died")))
        });
        let overflowed = match read {
            Some(Ok(sum)) => sum.max(self.overflowed),
            _ => self.overflowed,
        };
        let [unmarked, overflow] = LOST;
        let lost = [
            (unmarked, std::mem::take(&mut self.unmarked)),
            (overflow, overflowed.saturating_sub(self.overflowed)),
        ];
        self.overflowed = overflowed;
        let was_unreadable = self.unreadable;
        let begun = self.read_tables();
        self.unreadable = match &read {
            _ if begun.is_err() => true,
            Some(read) => read.is_err(),
            None => was_unreadable,
        };
        // Until it can be read again that is said once.
        let failed = read.and_then(Result::err).or_else(|| begun.err());
        let failed = failed.filter(|_| !was_unreadable);
        (lost, failed.map_or(Ok(()), Err))
    }

    /// Begins to read what the next call tells, unless that is under way.
    fn read_tables(&mut self) -> io::Result<()> {
        if self.reading.is_none() {
            let sockets = self.sockets.iter();
            let inodes: Vec<u64> = sockets
                .map(|socket| socket.endpoint.get_ref().inode())
                .collect::<Result<_, _>>()?;
            let thread = thread::Builder::new().name("lost".to_owned());
            self.reading = Some(thread.spawn(move || udp::overflowed(&inodes))?);
        }
        Ok(())
    }

    /// Sends one datagram from the address and port that its path names.
    ///
    /// # Errors
    ///
    /// Of sendmsg, or `AddrNotAvailable` without such a socket. The datagram is then lost, as any may be.
    pub fn send(&self, transmit: &Transmit) -> io::Result<()> {
        let marked = transmit.path.framing == Framing::Marked;
        self.send_on(&transmit.path, marked, &transmit.octets)
    }

    /// Sends the one octet that keeps a NAT's mapping open (RFC 3948 §2.3).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn keep_alive(&self, path: &Path) -> io::Result<()> {
        // RFC 3948 §2.3#1,4: one octet, on the socket of IKE and ESP in UDP.
        self.send_on(path, false, KEEPALIVE)
    }

    fn send_on(&self, path: &Path, marked: bool, octets: &[u8]) -> io::Result<()> {
        let socket = self.sockets.iter().find(|socket| {
            socket.ipv4 == path.remote.is_ipv4()
                && socket.framing == path.framing
                && socket.endpoint.get_ref().port() == path.local.port()
        });
        let socket = socket.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let endpoint = socket.endpoint.get_ref();
        endpoint.send(path.local.ip(), path.remote, marked, octets)
    }
}

/// What takes IKE messages from the dataplane's thread, and where they come out. What cannot wait any
/// more is lost, as any datagram may be.
#[must_use]
pub fn handing() -> (Sink, mpsc::Receiver<Handed>) {
    let (sending, receiving) = mpsc::channel(HANDED_LIMIT);
    let sink = Box::new(move |message: NonEsp<'_>| {
        let _ = sending.try_send(Handed {
            path: Path {
                local: message.local,
                remote: message.remote,
                framing: Framing::Marked,
            },
            octets: message.data.to_vec(),
        });
    });
    (sink, receiving)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    // RFC 3948 §2.3#1,4: one octet 0xff, from the port of ESP in UDP, without the marker.
    #[tokio::test]
    async fn a_keepalive_is_one_octet_from_the_port_of_esp() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let limit = Duration::from_secs(5);
        peer.set_read_timeout(Some(limit)).unwrap();
        let endpoint = UdpEndpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = endpoint.port();
        let mut transport = Transport::default();
        transport.add(endpoint, Framing::Marked).unwrap();
        let path = Path {
            local: ([127, 0, 0, 1], port).into(),
            remote: peer.local_addr().unwrap(),
            framing: Framing::Marked,
        };
        transport.keep_alive(&path).unwrap();
        let mut buffer = [0xa5; 16];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&[0xff][..], path.local));
    }

    // RFC 3948 §2.3#3,5: a keepalive that has a checksum is taken and forgotten; what is neither that nor IKE is counted.
    #[tokio::test]
    async fn counts_what_is_neither_ike_nor_a_keepalive() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let endpoint = UdpEndpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let to = (std::net::Ipv4Addr::LOCALHOST, endpoint.port());
        let mut transport = Transport::default();
        transport.add(endpoint, Framing::Marked).unwrap();
        let strays: [&[u8]; 4] = [&[1, 2, 3, 4, 5], &[0, 0, 0], &[0xff, 0xff], &[]];
        for octets in strays.into_iter().chain([KEEPALIVE]) {
            peer.send_to(octets, to).unwrap();
        }
        peer.send_to(b"\0\0\0\0IKE", to).unwrap();
        let mut taken = None;
        while taken.is_none() {
            let index = transport.readable().await;
            taken = transport
                .receive(index)
                .unwrap()
                .map(|(_, octets)| octets.to_vec());
        }
        assert_eq!(taken.unwrap(), b"IKE");
        let (lost, read) = transport.lost();
        read.unwrap();
        assert_eq!(lost, [("unmarked", 4), ("socket_overflow", 0)]);
        assert_eq!(transport.lost().0[0].1, 0);
    }

    // A client reads on behind the message that it installs its SAs for, and ESP may come as soon as that is answered.
    #[tokio::test]
    async fn what_waits_behind_the_hand_over_is_the_dataplanes() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let endpoint = UdpEndpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let to = (std::net::Ipv4Addr::LOCALHOST, endpoint.port());
        let mut transport = Transport::default();
        transport.add(endpoint, Framing::Marked).unwrap();
        let taken = |transport: &mut Transport, index| {
            let taken = transport.receive(index).unwrap();
            taken.map(|(_, octets)| octets.to_vec())
        };
        peer.send_to(b"\0\0\0\0IKE", to).unwrap();
        peer.send_to(b"ESP", to).unwrap();
        let index = transport.readable().await;
        assert_eq!(taken(&mut transport, index).as_deref(), Some(&b"IKE"[..]));
        let handles = transport.hand_over().unwrap();
        assert_eq!(taken(&mut transport, index), None);
        let mut buffer = [0xa5; 16];
        let length = handles[0].recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"ESP");
        assert_eq!(transport.lost().0[0], ("unmarked", 0));
        // Until it is gone.
        transport.take_back();
        peer.send_to(b"\0\0\0\0more", to).unwrap();
        let index = transport.readable().await;
        assert_eq!(taken(&mut transport, index).as_deref(), Some(&b"more"[..]));
    }

    /// What the sockets have lost since this was last asked, once it is read; waits until it is at least so much.
    fn overflow(transport: &mut Transport, least: u64) -> u64 {
        let begun = Instant::now();
        let in_time = || begun.elapsed() < Duration::from_secs(10);
        let mut sum: u64 = 0;
        loop {
            // What is read from here on is of now.
            let (lost, read) = transport.lost();
            read.unwrap();
            sum = sum.saturating_add(lost[1].1);
            while !transport.reading.as_ref().unwrap().is_finished() {
                assert!(in_time(), "the tables are not read");
                thread::yield_now();
            }
            let (lost, read) = transport.lost();
            read.unwrap();
            sum = sum.saturating_add(lost[1].1);
            if sum >= least {
                return sum;
            }
            assert!(in_time(), "{sum} instead of {least}");
        }
    }

    #[tokio::test]
    async fn counts_what_the_kernel_had_no_room_for() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(peer) = UdpSocket::bind(address) else {
                assert_ne!(address, "127.0.0.1:0");
                continue;
            };
            let endpoint = UdpEndpoint::bind(address.parse().unwrap()).unwrap();
            let to = (peer.local_addr().unwrap().ip(), endpoint.port());
            let mut transport = Transport::default();
            transport.add(endpoint, Framing::Bare).unwrap();
            assert_eq!(overflow(&mut transport, 0), 0);
            // More than any socket's room here, in pieces.
            let (mut sent, mut lost) = (0, 0);
            while lost == 0 {
                for _ in 0..1_000 {
                    peer.send_to(&[7; 8_192], to).unwrap();
                }
                sent += 1_000;
                assert!(sent < 10_000_000, "there is room for everything");
                lost += overflow(&mut transport, 0);
            }
            let mut had = 0;
            let index = transport.readable().await;
            while transport.receive(index).unwrap().is_some() {
                had += 1;
            }
            // Loopback delivers before it says that it has sent; whatever came in is told or was read.
            lost += overflow(&mut transport, 0);
            assert!(had > 0 && lost > 0, "{had} {lost}");
            assert!(had + lost <= sent, "{had} {lost} {sent}");
            assert_eq!(overflow(&mut transport, 0), 0);
        }
    }
}
