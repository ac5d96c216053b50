//! A gateway that serves nobody: it sends everybody who asks for an SA elsewhere (RFC 5685 §3).

use std::{
    io::ErrorKind,
    net::{IpAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ironflex_xfrm::netlink::NetworkNamespace;

use super::PATIENCE;

/// Length of an IKE header (RFC 7296 §3.1).
const HEADER: usize = 28;

/// Payload types of RFC 7296 §3.2.
const NONCE: u8 = 40;
const NOTIFY: u8 = 41;

/// Notify message types of RFC 5685 §9.
const REDIRECT: u16 = 16407;

/// Listens on port 500 of one address, until it is dropped.
pub(crate) struct Misleader {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Misleader {
    pub(crate) fn new(namespace: &NetworkNamespace, at: IpAddr, to: IpAddr) -> Self {
        let socket = namespace.run(|| bind(at)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !ended.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    socket
                        .send_to(&answer(&buffer[..length], to), from)
                        .unwrap();
                }
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

/// Binds port 500. One that had it a moment ago may be held still by a program that another case is starting: until that has
/// become another program, it has every socket of this one.
fn bind(at: IpAddr) -> UdpSocket {
    let end = Instant::now() + PATIENCE;
    loop {
        match UdpSocket::bind((at, 500)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < end => {
                thread::sleep(Duration::from_millis(5));
            }
            bound => return bound.unwrap(),
        }
    }
}

impl Drop for Misleader {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What stands in the nonce payload of an IKE_SA_INIT request.
fn nonce(request: &[u8]) -> &[u8] {
    let (mut kind, mut rest) = (request[16], &request[HEADER..]);
    loop {
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if kind == NONCE {
            return &rest[4..length];
        }
        (kind, rest) = (rest[0], &rest[length..]);
    }
}

fn answer(request: &[u8], to: IpAddr) -> Vec<u8> {
    let IpAddr::V4(to) = to else {
        panic!("{to} is no IPv4 address")
    };
    let mut said = vec![0, 0];
    said.extend(REDIRECT.to_be_bytes());
    said.extend([1, 4]);
    said.extend(to.octets());
    said.extend(nonce(request));
    let payload = u16::try_from(4 + said.len()).unwrap();
    let whole = u32::try_from(HEADER + 4 + said.len()).unwrap();
    // The initiator's SPI, no other, version 2.0, IKE_SA_INIT, a response of the responder, message ID 0.
    let mut octets = request[..8].to_vec();
    octets.extend([0; 8]);
    octets.extend([NOTIFY, 0x20, 34, 0x20, 0, 0, 0, 0]);
    octets.extend(whole.to_be_bytes());
    octets.extend([0, 0]);
    octets.extend(payload.to_be_bytes());
    octets.extend(said);
    octets
}
