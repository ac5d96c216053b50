//! Whoever is on the wire: sees every datagram and sends whatever can be made of them without keys.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use ironflex_ikev2::wire::{
    Flags, Header, MessageId, Payload,
    fragment::cut_cisco,
    payload::{Delete, Notify},
    registry::{ExchangeType, NotifyType},
    write_message,
};

use super::{network::Flight, scenario::Side, support::Seeded};

/// How many datagrams are remembered.
const MEMORY: usize = 64;

/// So many datagrams that pass by draw false repeats, once that has begun.
const SIEGE: u32 = 60;

/// False repeats for each of them: more than what is answered in a second.
const FALSE_REPEATS: usize = 8;

/// The errors that are injected in clear.
const ERRORS: [NotifyType; 8] = [
    NotifyType::INVALID_IKE_SPI,
    NotifyType::INVALID_SYNTAX,
    NotifyType::AUTHENTICATION_FAILED,
    NotifyType::NO_PROPOSAL_CHOSEN,
    NotifyType::INVALID_KE_PAYLOAD,
    NotifyType::TEMPORARY_FAILURE,
    NotifyType::CHILD_SA_NOT_FOUND,
    NotifyType::COOKIE,
];

pub struct Attacker {
    random: Seeded,
    seen: VecDeque<Flight>,
    /// A genuine first request, from which a flood is made.
    mould: Option<Flight>,
    /// For how many datagrams to come the repeats of their requests are to be drowned.
    siege: u32,
}

impl Attacker {
    pub const fn new(random: Seeded) -> Self {
        Self {
            random,
            seen: VecDeque::new(),
            mould: None,
            siege: 0,
        }
    }

    /// It goes: nobody's repeats are drowned any more.
    pub const fn leave(&mut self) {
        self.siege = 0;
    }

    fn any(&mut self) -> Flight {
        let at = self.below(self.seen.len());
        self.seen[at].clone()
    }

    fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count.max(1)).unwrap();
        usize::try_from(self.random.next() % count).unwrap()
    }

    /// A datagram passes by: what is sent because of it.
    pub fn see(&mut self, flight: &Flight, percent: u64) -> Vec<Flight> {
        if self.seen.len() == MEMORY {
            self.seen.pop_front();
        }
        self.seen.push_back(flight.clone());
        let first = Header::peek(&flight.octets).is_ok_and(|header| {
            header.exchange == ExchangeType::IKE_SA_INIT && !header.flags.is_response()
        });
        if first {
            self.mould = Some(flight.clone());
        }
        let mut sent = Vec::new();
        if self.siege > 0 {
            self.siege -= 1;
            sent = self.false_repeats(flight);
        }
        if self.random.chance(percent) {
            sent.extend(self.trick(flight));
        }
        sent
    }

    /// What looks like a request that has been said before: its header and rubbish, from where it came, and true copies
    /// from elsewhere. A datagram that passes by is taken for an answer, and the request that it belongs to is remembered.
    fn false_repeats(&mut self, flight: &Flight) -> Vec<Flight> {
        let Ok(answer) = Header::peek(&flight.octets) else {
            return Vec::new();
        };
        let asked = self.seen.iter().rev().find(|seen| {
            Header::peek(&seen.octets).is_ok_and(|header| {
                header.message_id == answer.message_id
                    && !header.flags.is_response()
                    && seen.to != flight.to
                    && header.exchange == answer.exchange
            })
        });
        let Some(asked) = asked.filter(|_| answer.flags.is_response()).cloned() else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for number in 0..FALSE_REPEATS {
            let mut octets = asked.octets.to_vec();
            let copied = number % 4 == 3 && asked.to == Side::Headend;
            if !copied {
                let at = Header::LEN + self.below(octets.len().saturating_sub(Header::LEN));
                if let Some(octet) = octets.get_mut(at) {
                    *octet ^= 1 + self.random.next().to_le_bytes()[0] % 255;
                }
            }
            let mut one = forged(&asked, octets);
            if copied {
                one.path.remote = self.elsewhere(asked.path.remote.port());
            }
            all.push(one);
        }
        all
    }

    fn trick(&mut self, flight: &Flight) -> Vec<Flight> {
        match self.random.next() % 12 {
            // Replays, as they were and from elsewhere.
            0 => vec![self.any()],
            1 => {
                let mut again = if self.random.chance(50) {
                    self.any()
                } else {
                    flight.clone()
                };
                if again.to == Side::Headend {
                    again.path.remote = self.elsewhere(again.path.remote.port());
                }
                vec![again]
            }
            // Back to where it came from.
            2 => {
                let mut back = flight.clone();
                back.to = flight.to.other();
                back.path.local = flight.path.remote;
                back.path.remote = flight.path.local;
                vec![back]
            }
            3 => {
                let flips = 1 + self.below(3);
                let mut octets = flight.octets.to_vec();
                for _ in 0..flips {
                    let at = self.below(octets.len());
                    octets[at] ^= 1 << self.below(8);
                }
                vec![forged(flight, octets)]
            }
            4 => {
                let keep = self.below(flight.octets.len());
                let mut octets = flight.octets[..keep].to_vec();
                if self.random.chance(50) {
                    mend_length(&mut octets);
                }
                vec![forged(flight, octets)]
            }
            5 => {
                let mut octets = flight.octets.to_vec();
                let more = 1 + self.below(40);
                octets.extend((0..more).map(|_| self.random.next().to_le_bytes()[0]));
                mend_length(&mut octets);
                vec![forged(flight, octets)]
            }
            6 => self.recut(flight),
            // Another exchange, other flags, another message ID, another SPI.
            7 => {
                let mut octets = flight.octets.to_vec();
                let at = [3, 11, 16, 18, 19, 20, 23][self.below(7)];
                if let Some(octet) = octets.get_mut(at) {
                    *octet = self.random.next().to_le_bytes()[0];
                }
                vec![forged(flight, octets)]
            }
            8 => self.in_clear(flight).into_iter().collect(),
            // The header of one, the rest of another.
            9 => {
                let other = self.any();
                let mut octets = flight.octets[..Header::LEN.min(flight.octets.len())].to_vec();
                octets.extend(other.octets.iter().skip(Header::LEN));
                mend_length(&mut octets);
                vec![forged(flight, octets)]
            }
            10 => {
                self.siege = SIEGE;
                Vec::new()
            }
            _ => self.flood(1),
        }
    }

    /// First requests of clients that do not exist.
    pub fn flood(&mut self, count: u64) -> Vec<Flight> {
        let Some(mould) = self.mould.clone() else {
            return Vec::new();
        };
        let mut flood = Vec::new();
        for _ in 0..count {
            let mut octets = mould.octets.to_vec();
            octets[..8].copy_from_slice(&(self.random.next() | 1).to_be_bytes());
            let mut one = forged(&mould, octets);
            if self.random.chance(70) {
                one.path.remote = self.elsewhere(500);
            }
            flood.push(one);
        }
        flood
    }

    /// The message in Cisco's fragments: whole and mixed up, or one of them missing or changed.
    fn recut(&mut self, flight: &Flight) -> Vec<Flight> {
        let most = 16 + self.below(200);
        let set = u16::try_from(1 + self.below(3)).unwrap();
        let Ok(mut pieces) = cut_cisco(&flight.octets, set, most) else {
            return Vec::new();
        };
        let at = self.below(pieces.len());
        match self.below(4) {
            0 => {
                pieces.remove(at);
            }
            1 => {
                let piece = &mut pieces[at];
                let last = piece.len() - 1;
                piece[last] ^= 1;
            }
            2 => pieces.reverse(),
            _ => {}
        }
        pieces.truncate(12);
        let forge = |octets| forged(flight, octets);
        pieces.into_iter().map(forge).collect()
    }

    /// An error or a Delete that nobody has sealed, about what has just been said.
    fn in_clear(&mut self, flight: &Flight) -> Option<Flight> {
        let header = Header::peek(&flight.octets).ok()?;
        let answers = self.random.chance(70);
        let responder_spi = header.responder_spi;
        // An answer goes to whoever asked, a request the way of the datagram seen.
        let by_initiator = header.flags.is_initiator() != answers;
        let id = if answers {
            header.message_id
        } else {
            MessageId(header.message_id.0.wrapping_add(1))
        };
        let exchange = if self.random.chance(70) {
            header.exchange
        } else {
            ExchangeType::INFORMATIONAL
        };
        let said = if self.random.chance(20) {
            Payload::Delete(Delete::ike_sa())
        } else {
            let kind = ERRORS[self.below(ERRORS.len())];
            let data = self.random.next().to_le_bytes()[..2].to_vec();
            Payload::Notify(Notify::new(kind, data))
        };
        let flags = Flags::new(by_initiator, answers);
        let header = Header::new(header.initiator_spi, responder_spi, exchange, flags, id);
        let mut octets = Vec::new();
        write_message(&header, &[said], &mut octets);
        let mut one = forged(flight, octets);
        if answers {
            one.to = flight.to.other();
            one.path.local = flight.path.remote;
            one.path.remote = flight.path.local;
        }
        Some(one)
    }

    fn elsewhere(&mut self, port: u16) -> SocketAddr {
        let host = self.random.next().to_le_bytes()[0] % 24;
        SocketAddr::new(Ipv4Addr::new(198, 51, 100, host).into(), port)
    }
}

/// Octets of the attacker's own on the way of a datagram that was seen.
fn forged(flight: &Flight, octets: Vec<u8>) -> Flight {
    Flight {
        octets: Arc::from(octets),
        genuine: false,
        ..flight.clone()
    }
}

fn mend_length(octets: &mut [u8]) {
    let length = u32::try_from(octets.len()).unwrap().to_be_bytes();
    if let Some(field) = octets.get_mut(24..28) {
        field.copy_from_slice(&length);
    }
}
