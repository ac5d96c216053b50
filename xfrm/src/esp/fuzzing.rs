//! ESP packets from a peer that has the keys, from strangers, and from somebody who records and changes them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a body ends where an expectation fails"
)]

use super::encap::{Encapsulated, classify};
use super::event::Notices;
use super::packet::{self, InnerPacket};
use super::receive::Opener;
use super::seal::OutboundSa;
use super::socket::Message;
use super::table::Table;
use super::tests_support::{ALGORITHMS, GCM_256, pair, session};
use crate::fuzzing::input::Input;
use crate::{DropReason, SaKeys, SaPair};

/// What one input may do at most.
const ACTS: usize = 64;
const CLIENT: [u8; 4] = [10, 9, 0, 1];
const SERVER: [u8; 4] = [203, 0, 113, 80];

/// A packet of the peer's, and whether it was let in.
struct Sealed {
    octets: Vec<u8>,
    /// What the peer put in, and what it said that it is.
    inner: Vec<u8>,
    next_header: u8,
    sequence: u64,
    taken: bool,
}

struct World {
    table: Table,
    peer: OutboundSa,
    sealed: Vec<Sealed>,
    /// The highest sequence number that was let in.
    newest: u64,
    /// Datagrams that were no IKE, each of which has to be counted once.
    datagrams: u64,
}

/// The first octets choose the algorithm and the numbers; then come packets.
pub fn esp(data: &[u8]) {
    let mut input = Input::new(data);
    let algorithm = ALGORITHMS[input.below(ALGORITHMS.len())];
    let esn = input.u8() & 1 != 0;
    let mut own = pair(1, 0x1000, algorithm);
    own.inbound.esn = esn;
    // The keys follow from the whole input: a packet that the fuzzer has seen in one run opens in no other.
    let mut seed = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut octets = |count: usize| -> Vec<u8> {
        let octet = |_| {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            seed.to_be_bytes()[0]
        };
        (0..count).map(octet).collect()
    };
    let (encryption, integrity) = (
        octets(algorithm.encryption_octets()),
        octets(algorithm.integrity_octets()),
    );
    own.inbound.keys = SaKeys::new(algorithm, &encryption, &integrity).unwrap();
    let mut world = World::new(&own);
    for _ in 0..ACTS {
        if input.is_empty() {
            break;
        }
        world.act(&mut input, esn);
        world.check();
    }
}

impl World {
    fn new(own: &SaPair) -> Self {
        let table = Table::new(Notices::new().expect("a queue of notices"));
        table.install(own).unwrap();
        table.install(&pair(2, 0x2000, GCM_256)).unwrap();
        Self {
            table,
            peer: OutboundSa::new(&own.inbound).unwrap(),
            sealed: Vec::new(),
            newest: 0,
            datagrams: 0,
        }
    }

    fn act(&mut self, input: &mut Input<'_>, esn: bool) {
        let choice = input.u8();
        match choice % 6 {
            0 => {
                let octets = input.chunk();
                self.arrives(octets, choice);
            }
            // What no honest peer sends.
            1 => {
                let next_header = [4, 41, 59, input.u8()][input.below(4)];
                let inner = input.chunk();
                self.seals(inner, next_header);
                self.arrives_again(self.sealed.len().wrapping_sub(1), choice);
            }
            2 => {
                let inner = ipv4(input.chunk());
                let count = self.sealed.len();
                self.seals(&inner, packet::NEXT_HEADER_IPV4);
                if choice & 0x80 == 0 && count < self.sealed.len() {
                    let ahead = self.sealed[count].sequence - self.newest;
                    self.arrives_again(count, 0);
                    // RFC 4303 §A2.2: who has lost a whole round of the low half can no longer tell the high one.
                    let told = !esn || ahead < 1 << 31;
                    assert!(
                        self.sealed[count].taken || !told,
                        "a good packet is refused"
                    );
                }
            }
            3 => {
                let count = self.sealed.len();
                self.arrives_again(input.below(count), choice);
            }
            4 => {
                let Some(one) = self.sealed.get(input.below(self.sealed.len())) else {
                    return;
                };
                let mut octets = one.octets.clone();
                let at = usize::from(input.u16()) % octets.len();
                match input.u8() {
                    0 => octets.truncate(at),
                    other => octets[at] ^= other,
                }
                self.arrives(&octets, choice);
            }
            // Packets that are lost on the way, or the end of the numbers.
            _ => {
                let lost = u64::from(input.u16()) << (choice >> 4);
                let (used, last) = (
                    self.peer.used(),
                    if esn { u64::MAX } else { u32::MAX.into() },
                );
                self.peer.use_up_to(used.saturating_add(lost).min(last));
            }
        }
    }

    fn seals(&mut self, inner: &[u8], next_header: u8) {
        let layout = self.peer.layout();
        let mut octets = vec![0; layout.sealed(inner.len())];
        octets[layout.headroom()..][..inner.len()].copy_from_slice(inner);
        match self.peer.seal(&mut octets, inner.len(), next_header) {
            Ok(_) => self.sealed.push(Sealed {
                octets,
                inner: inner.to_vec(),
                next_header,
                sequence: self.peer.used(),
                taken: false,
            }),
            Err(reason) => assert_eq!(reason, DropReason::SequenceExhausted),
        }
    }

    fn arrives_again(&mut self, at: usize, choice: u8) {
        if let Some(octets) = self.sealed.get(at).map(|one| one.octets.clone()) {
            self.arrives(&octets, choice);
        }
    }

    /// Only what the peer has sealed gets in, once, unchanged but for a congestion mark, and if it is the peer's to say.
    fn arrives(&mut self, octets: &[u8], choice: u8) {
        match classify(octets) {
            Encapsulated::Ike(message) => {
                assert_eq!([&[0; 4], message].concat(), octets);
                return;
            }
            Encapsulated::Keepalive => return assert_eq!(octets, [0xff]),
            Encapsulated::Truncated => return assert!(octets.len() < 4),
            Encapsulated::Esp => {}
        }
        self.datagrams += 1;
        let message = Message {
            range: 0..octets.len(),
            segment: octets.len().max(1),
            remote: ([198, 51, 100, choice >> 5], 4500).into(),
            local: [192, 0, 2, 1].into(),
            traffic_class: choice >> 3 & 3,
        };
        let before = self.table.session_path(session(1));
        let mut copy = octets.to_vec();
        let mut opener = Opener {
            table: &self.table,
            message: &message,
            cached: None,
        };
        let opened = opener.open(&mut copy).map(|range| copy[range].to_vec());
        let known = self.sealed.iter_mut().find(|one| one.octets == octets);
        let Some(opened) = opened else {
            if known.is_none() {
                let path = self.table.session_path(session(1));
                assert_eq!(path, before, "a stranger has moved the peer");
            }
            return;
        };
        let one = known.expect("the peer has sealed what gets in");
        assert!(!one.taken, "a packet gets in twice");
        one.taken = true;
        self.newest = self.newest.max(one.sequence);
        let inner = InnerPacket::read(&one.inner).expect("an IP packet gets in");
        assert_eq!(inner.next_header, one.next_header, "something else gets in");
        assert_eq!(
            inner.source,
            std::net::IpAddr::from(CLIENT),
            "a client speaks as another"
        );
        assert_eq!(opened.len(), inner.length, "more or less than the packet");
        // The second octet and an IPv4 header's checksum carry the mark.
        let marked = message.traffic_class & packet::ECN_MASK == packet::ECN_CE;
        for (at, (octet, sealed)) in opened.iter().zip(&one.inner).enumerate() {
            let may_differ = marked && matches!(at, 1 | 10 | 11);
            assert!(may_differ || octet == sealed, "octet {at} is another");
        }
    }

    /// Every datagram is counted, once.
    fn check(&self) {
        let sessions = [1, 2].map(|number| self.table.counters(session(number)).unwrap().inbound);
        let counted: u64 = sessions
            .iter()
            .map(|one| one.packets + one.drops.total())
            .sum();
        let counted = counted + self.table.unmatched.snapshot().total();
        assert_eq!(
            counted, self.datagrams,
            "a datagram is not counted, or more than once"
        );
        let taken = self.sealed.iter().filter(|one| one.taken).count();
        assert_eq!(u64::try_from(taken), Ok(sessions[0].packets));
        assert_eq!(
            sessions[1].packets, 0,
            "nobody has sealed for the other session"
        );
    }
}

/// A packet of the client's to a server behind the headend.
fn ipv4(payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(2000)];
    let length = u16::try_from(20 + payload.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1, 0x40, 0, 64, 17, 0, 0]);
    packet.extend(CLIENT);
    packet.extend(SERVER);
    packet.extend_from_slice(payload);
    packet
}
