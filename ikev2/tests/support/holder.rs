//! A peer that holds an IKE SA's keys: it seals what an honest endpoint never would, and opens what
//! comes back.

#![allow(
    clippy::arithmetic_side_effects,
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

use std::num::NonZeroU16;

use ironflex_ikev2::{
    crypto::{
        cipher::MessageKeys,
        keys::ProtectionKeys,
        suite::{IkeSuite, Protection},
    },
    event::KeyLog,
    secret::SecretBytes,
    wire::{
        Body, Flags, Header, InitiatorSpi, MessageId, PartialMessage, Payload, ResponderSpi,
        parse_chain,
        registry::{ExchangeType, PayloadType},
        sk::{SkFrame, SkShape, strip_padding},
        write_chain, write_message,
    },
};

use super::support::{End, Pair, Seeded};

/// Both directions' keys of one IKE SA, out of an endpoint's key log.
pub struct Holder {
    pub initiator_spi: InitiatorSpi,
    pub responder_spi: ResponderSpi,
    pub suite: IkeSuite,
    keys: [SecretBytes; 4],
}

impl Holder {
    /// The keys of the newest IKE SA of an end whose key log is on.
    pub fn of(end: &End) -> Self {
        Self::of_entry(end.ike_keys.last())
    }

    /// The first keys of the oldest IKE SA of an end whose key log is on.
    pub fn first_of(end: &End) -> Self {
        Self::of_entry(end.ike_keys.first())
    }

    fn of_entry(log: Option<&KeyLog>) -> Self {
        let held = log.and_then(Self::from_log);
        held.expect("the key log has no IKE SA")
    }

    /// The keys of an IKE SA.
    pub fn from_log(log: &KeyLog) -> Option<Self> {
        let KeyLog::Ike {
            initiator_spi,
            responder_spi,
            keys,
            suite,
        } = log
        else {
            return None;
        };
        Some(Self {
            initiator_spi: *initiator_spi,
            responder_spi: *responder_spi,
            suite: *suite,
            keys: std::array::from_fn(|at| keys[at].duplicate()),
        })
    }

    fn keys(&self, by_initiator: bool) -> MessageKeys {
        let at = usize::from(!by_initiator);
        let key = self.keys[at].duplicate();
        MessageKeys::new(match self.suite.protection {
            Protection::Aead(algorithm) => ProtectionKeys::Aead { algorithm, key },
            Protection::EncryptThenMac(cipher, integrity) => ProtectionKeys::EncryptThenMac {
                cipher,
                key,
                integrity,
                integrity_key: self.keys[at + 2].duplicate(),
            },
        })
    }

    fn shape(&self) -> SkShape {
        let protection = self.suite.protection;
        SkShape {
            iv_len: protection.iv_len(),
            block: protection.block_len(),
            icv_len: protection.icv_len(),
        }
    }

    /// A header of this SA.
    pub fn header(
        &self,
        exchange: ExchangeType,
        by_initiator: bool,
        response: bool,
        id: u32,
    ) -> Header {
        Header::new(
            self.initiator_spi,
            Some(self.responder_spi),
            exchange,
            Flags::new(by_initiator, response),
            MessageId(id),
        )
    }

    /// An authentic message whose opened content is these octets, the first payload of this type.
    pub fn seal_octets(&self, header: &Header, first: PayloadType, content: &[u8]) -> Vec<u8> {
        self.close(
            header,
            SkFrame::encrypted(header, &[], first, content, self.shape()).unwrap(),
        )
    }

    /// An authentic message with these payloads.
    pub fn seal(&self, header: &Header, payloads: &[Payload]) -> Vec<u8> {
        let mut content = Vec::new();
        let first = write_chain(payloads, &mut content);
        self.seal_octets(header, first, &content)
    }

    /// An authentic fragment `number` of `total` (RFC 7383).
    pub fn seal_fragment(
        &self,
        header: &Header,
        first: PayloadType,
        (number, total): (u16, u16),
        content: &[u8],
    ) -> Vec<u8> {
        let numbers = [number, total].map(|one| NonZeroU16::new(one).unwrap());
        let frame = SkFrame::fragment(
            header,
            &[],
            first,
            (numbers[0], numbers[1]),
            content,
            self.shape(),
        );
        self.close(header, frame.unwrap())
    }

    fn close(&self, header: &Header, mut frame: SkFrame) -> Vec<u8> {
        let (aad, body) = frame.aad_and_sealed();
        let mut rng = Seeded(u64::from(header.message_id.0));
        self.keys(header.flags.is_initiator())
            .seal(&mut rng, aad, body)
            .unwrap();
        frame.into_message()
    }

    /// The same message in clear: everything right but its protection.
    pub fn clear(header: &Header, payloads: &[Payload]) -> Vec<u8> {
        let mut octets = Vec::new();
        write_message(header, payloads, &mut octets);
        octets
    }

    /// Takes the next datagram out of the network and puts it in front of its receiver with other payloads.
    pub fn change(&self, pair: &mut Pair, change: impl FnOnce(Vec<Payload>) -> Vec<Payload>) {
        let (to_server, path, octets) = pair.next_flight().unwrap();
        pair.lose_flights();
        let (header, payloads) = self.open(&octets);
        let sealed = self.seal(&header, &change(payloads));
        pair.deliver(to_server, path, &sealed);
    }

    /// Opens a whole message of this SA.
    pub fn open(&self, octets: &[u8]) -> (Header, Vec<Payload>) {
        let message = PartialMessage::parse(octets).unwrap();
        let Body::Encrypted(closed) = message.body else {
            panic!("not a whole encrypted message: {:?}", message.body)
        };
        let opened = self
            .keys(message.header.flags.is_initiator())
            .open(closed.aad, closed.sealed)
            .expect("the ICV holds");
        let content = strip_padding(opened.as_bytes()).unwrap();
        (message.header, parse_chain(closed.first, content).unwrap())
    }
}
