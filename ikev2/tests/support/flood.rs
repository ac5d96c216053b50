//! What floods are made of: first requests of as many clients as one likes, and what comes back.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of the support"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ironflex_ikev2::{
    event::{Discard, Framing, Path},
    wire::{
        Header, InitiatorSpi, PartialMessage, Payload, payload::Notify, registry::NotifyType,
        write_message,
    },
};

use crate::support::{CBC, Pair, SERVER, Setup, address};

/// A real client's first request, from which a flood is made by other SPIs and addresses.
pub struct Mould {
    pub header: Header,
    pub payloads: Vec<Payload>,
    pub octets: Vec<u8>,
}

impl Mould {
    pub fn new() -> Self {
        let mut pair = Pair::new(Setup::new(CBC), 80);
        pair.connect();
        let (_, _, octets) = pair.next_flight().unwrap();
        let message = PartialMessage::parse(&octets).unwrap();
        Self {
            header: message.header,
            payloads: message.outer,
            octets: octets.to_vec(),
        }
    }

    /// The request of client `number`, with this cookie if any.
    pub fn request(&self, number: u32, cookie: Option<&[u8]>) -> Vec<u8> {
        let mut header = self.header;
        header.initiator_spi = InitiatorSpi::new(0x0f00_0000_0000 + u64::from(number)).unwrap();
        let cookie =
            cookie.map(|data| Payload::Notify(Notify::new(NotifyType::COOKIE, data.to_vec())));
        let payloads: Vec<_> = cookie.into_iter().chain(self.payloads.clone()).collect();
        let mut out = Vec::new();
        write_message(&header, &payloads, &mut out);
        out
    }
}

/// The address of client `number`, as the server sees it: each is in a /24 of its own, which is another source.
pub fn from(number: u32) -> Path {
    let address = Ipv4Addr::from(0x0a00_0001 + (number << 8));
    Path {
        local: address_of_server(),
        remote: SocketAddr::new(IpAddr::V4(address), 500),
        framing: Framing::Bare,
    }
}

pub fn address_of_server() -> SocketAddr {
    address(SERVER)
}

/// What the server sent and said of one datagram.
pub fn send(pair: &mut Pair, path: Path, octets: &[u8]) -> (Vec<Vec<u8>>, Vec<Discard>) {
    let sent = pair.wire.len();
    pair.deliver(true, path, octets);
    pair.lose_flights();
    let answers = pair.wire.drain(sent..);
    let answers = answers.map(|(_, octets)| octets.to_vec()).collect();
    pair.server.log.clear();
    (answers, std::mem::take(&mut pair.server.discarded))
}

/// The cookie in an answer that demands one.
pub fn cookie(answer: &[u8]) -> Vec<u8> {
    let message = PartialMessage::parse(answer).unwrap();
    assert_eq!(message.header.responder_spi, None);
    let [Payload::Notify(said)] = &message.outer[..] else {
        panic!("{:?}", message.outer)
    };
    assert_eq!(said.kind, NotifyType::COOKIE);
    said.data.clone()
}

/// Marks the process that [`alone`] starts.
const ALONE: &str = "IRONFLEX_TEST_ALONE";

/// Whether this process runs the named test alone, so that the memory of others does not count as its own. Elsewhere
/// the test is run by such a process first, and there is nothing left to do.
pub fn alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(ALONE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    false
}

/// Resident memory of this process in octets.
pub fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
