//! The IKE header (RFC 7296 §3.1), the only part of a message that needs neither keys nor state to be understood.

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU64};

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{LengthGuard, Reader},
        registry::{ExchangeType, PayloadType},
    },
};

macro_rules! spi {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// `None` for zero, which no SPI may be.
            #[must_use]
            pub const fn new(value: u64) -> Option<Self> {
                match NonZeroU64::new(value) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0.get()
            }

            /// The eight octets as they stand in the header and in key derivation.
            #[must_use]
            pub const fn to_be_bytes(self) -> [u8; 8] {
                self.0.get().to_be_bytes()
            }
        }

        impl fmt::Display for $name {
            /// Sixteen upper-case hexadecimal digits, as `show crypto ikev2 sa detailed` prints SPIs.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016X}", self.0)
            }
        }
    };
}

spi! {
    /// The SPI that the initiator of the IKE SA chose; never zero.
    InitiatorSpi
}

spi! {
    /// The SPI that the responder of the IKE SA chose; never zero. The header of a first IKE_SA_INIT request carries none.
    ResponderSpi
}

/// The number that pairs a request with its response and orders the requests of one side (RFC 7296 §2.2).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub u32);

impl MessageId {
    /// The ID of the next request; `None` after the last, when the IKE SA must be closed (RFC 7296 §2.2).
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The flags octet. Reserved bits are kept as received and mean nothing.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Flags(u8);

impl Flags {
    const INITIATOR: u8 = 0x08;
    const VERSION: u8 = 0x10;
    const RESPONSE: u8 = 0x20;

    /// The flags of a message that we send: `initiator` if the sender is the original initiator of the IKE SA, `response` if
    /// it answers a request. The version bit is never set (RFC 7296 §3.1).
    // RFC 7296 §3.1#10,12-13,15,17-18: response and initiator bit say what they are for, the others are clear.
    #[must_use]
    pub const fn new(initiator: bool, response: bool) -> Self {
        let initiator = if initiator { Self::INITIATOR } else { 0 };
        let response = if response { Self::RESPONSE } else { 0 };
        Self(initiator | response)
    }

    /// The octet as it stands in the header.
    #[must_use]
    pub const fn octet(self) -> u8 {
        self.0
    }

    /// Whether the sender is the original initiator of the IKE SA.
    #[must_use]
    pub const fn is_initiator(self) -> bool {
        self.0 & Self::INITIATOR != 0
    }

    /// Whether this is a response.
    // RFC 7296 §3.1#11,16: a bit is looked at by itself, and the version bit and the unused ones by
    // nobody.
    #[must_use]
    pub const fn is_response(self) -> bool {
        self.0 & Self::RESPONSE != 0
    }

    /// Whether the sender could speak a higher major version; ignored (RFC 7296 §3.1).
    #[must_use]
    pub const fn is_version(self) -> bool {
        self.0 & Self::VERSION != 0
    }
}

impl From<u8> for Flags {
    fn from(octet: u8) -> Self {
        Self(octet)
    }
}

/// The version octet: two numbers of four bits each.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Version {
    /// 2 for IKEv2.
    pub major: u8,
    /// 0 when sent, ignored when received (RFC 7296 §2.5).
    pub minor: u8,
}

impl Version {
    /// Version 2.0, the one that is spoken here.
    pub const V2: Self = Self { major: 2, minor: 0 };

    const fn from_octet(octet: u8) -> Self {
        Self {
            major: octet >> 4,
            minor: octet & 0x0f,
        }
    }

    const fn octet(self) -> u8 {
        (self.major << 4) | (self.minor & 0x0f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The 28 octets at the front of every message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// The initiator's SPI.
    pub initiator_spi: InitiatorSpi,
    /// The responder's SPI, `None` where the field is zero: in the first request of an initial exchange, and in a response
    /// to it that makes no SA.
    pub responder_spi: Option<ResponderSpi>,
    /// The type of the first payload; [`PayloadType::NONE`] if there is none. Written from what follows, not from here.
    pub next_payload: PayloadType,
    /// The version of the protocol.
    pub version: Version,
    /// The exchange to which the message belongs.
    pub exchange: ExchangeType,
    /// Who sends it, and whether it is a response.
    pub flags: Flags,
    /// Which request this is, or which one it answers.
    pub message_id: MessageId,
    /// The whole message in octets, this header included. Written from what follows, not from here.
    pub length: u32,
}

impl Header {
    /// The size of the header on the wire.
    pub const LEN: usize = 28;

    /// The header of a message to be sent, in version 2.0. The two fields that depend on the payloads are filled in when
    /// the message is written.
    #[must_use]
    pub const fn new(
        initiator_spi: InitiatorSpi,
        responder_spi: Option<ResponderSpi>,
        exchange: ExchangeType,
        flags: Flags,
        message_id: MessageId,
    ) -> Self {
        Self {
            initiator_spi,
            responder_spi,
            next_payload: PayloadType::NONE,
            // RFC 7296 §2.5#5, §3.1#5,8: every message says 2.0.
            version: Version::V2,
            exchange,
            flags,
            message_id,
            length: 0,
        }
    }

    /// Reads the header of a whole datagram (without the non-ESP marker) and nothing else of it.
    ///
    /// A major version other than 2 is no error here, so that the caller can answer INVALID_MAJOR_VERSION: the fields up
    /// to the length are those of ISAKMP in every version.
    ///
    /// # Errors
    /// [`InvalidMessage::Truncated`] below 28 octets, [`InvalidMessage::ZeroInitiatorSpi`], and
    /// [`InvalidMessage::LengthMismatch`] if the datagram is not as long as its header says.
    pub fn peek(datagram: &[u8]) -> Result<Self, InvalidMessage> {
        let header = Self::read(&mut Reader::new(datagram))?;
        if u32::try_from(datagram.len()) != Ok(header.length) {
            return Err(InvalidMessage::LengthMismatch {
                header: header.length,
                datagram: datagram.len(),
            });
        }
        Ok(header)
    }

    /// Reads a header, leaving the reader at the first payload. The length is not compared with anything.
    ///
    /// # Errors
    /// [`InvalidMessage::Truncated`] and [`InvalidMessage::ZeroInitiatorSpi`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let mut fields = reader.sub(Self::LEN, "IKE header")?;
        // RFC 7296 §3.1#3: the initiator's SPI is never zero.
        let initiator_spi = InitiatorSpi::new(fields.u64("initiator SPI")?)
            .ok_or(InvalidMessage::ZeroInitiatorSpi)?;
        Ok(Self {
            initiator_spi,
            responder_spi: ResponderSpi::new(fields.u64("responder SPI")?),
            next_payload: PayloadType(fields.u8("next payload")?),
            version: Version::from_octet(fields.u8("version")?),
            exchange: ExchangeType(fields.u8("exchange type")?),
            flags: Flags(fields.u8("flags")?),
            message_id: MessageId(fields.u32("message ID")?),
            length: fields.u32("length")?,
        })
    }

    /// Writes this header with `next_payload` in the place of its own and leaves the length to the guard.
    pub(crate) fn open<'a>(
        &self,
        next_payload: PayloadType,
        out: &'a mut Vec<u8>,
    ) -> LengthGuard<'a, 4> {
        let start = out.len();
        out.extend_from_slice(&self.initiator_spi.to_be_bytes());
        out.extend_from_slice(&self.responder_spi.map_or([0; 8], ResponderSpi::to_be_bytes));
        out.push(next_payload.0);
        out.push(self.version.octet());
        out.push(self.exchange.0);
        out.push(self.flags.0);
        out.extend_from_slice(&self.message_id.0.to_be_bytes());
        LengthGuard::open(out, start)
    }

    /// Whether two headers are of the same message, apart from what fragmenting changes: the first payload and the length.
    #[must_use]
    pub fn same_message(&self, other: &Self) -> bool {
        self.initiator_spi == other.initiator_spi
            && self.responder_spi == other.responder_spi
            && self.version == other.version
            && self.exchange == other.exchange
            && self.flags == other.flags
            && self.message_id == other.message_id
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    const OCTETS: [u8; 28] = [
        0x31, 0x8a, 0xa9, 0xc2, 0x18, 0x81, 0x10, 0xc5, // initiator SPI
        0, 0, 0, 0, 0, 0, 0, 0, // responder SPI
        0x00, 0x20, 0x22, 0x08, // next payload, version, exchange, flags
        0, 0, 0, 7, // message ID
        0, 0, 0, 28, // length
    ];

    fn header() -> Header {
        Header {
            length: 28,
            ..Header::new(
                InitiatorSpi::new(0x318a_a9c2_1881_10c5).unwrap(),
                None,
                ExchangeType::IKE_SA_INIT,
                Flags::new(true, false),
                MessageId(7),
            )
        }
    }

    #[test]
    fn reads_and_writes_the_same_octets() {
        assert_eq!(Header::peek(&OCTETS), Ok(header()));
        let mut out = Vec::new();
        header().open(PayloadType::NONE, &mut out).finish();
        assert_eq!(out, OCTETS);
    }

    #[test]
    fn rejects_every_truncation() {
        for length in 0..OCTETS.len() {
            assert_eq!(
                Header::peek(&OCTETS[..length]),
                Err(InvalidMessage::Truncated {
                    what: "IKE header",
                    needed: 28,
                    available: length
                })
            );
        }
    }

    #[test]
    fn rejects_a_zero_initiator_spi() {
        // RFC 7296 §3.1#3: the initiator's SPI is never zero.
        let mut octets = OCTETS;
        octets[..8].fill(0);
        assert_eq!(Header::peek(&octets), Err(InvalidMessage::ZeroInitiatorSpi));
    }

    #[test]
    fn rejects_a_length_that_is_not_the_datagrams() {
        for length in [0_u32, 27, 29, u32::MAX] {
            let mut octets = OCTETS;
            octets[24..].copy_from_slice(&length.to_be_bytes());
            assert_eq!(
                Header::peek(&octets),
                Err(InvalidMessage::LengthMismatch {
                    header: length,
                    datagram: 28
                })
            );
        }
    }

    #[test]
    fn accepts_any_version_minor_and_reserved_flags() {
        // RFC 7296 §3.1#9,11,16: the minor version, the version bit and the reserved bits are ignored; another major
        // version is left to the caller.
        let mut octets = OCTETS;
        octets[17] = 0x3f;
        octets[19] = 0xff;
        let read = Header::peek(&octets).unwrap();
        assert_eq!(
            read.version,
            Version {
                major: 3,
                minor: 15
            }
        );
        assert!(read.flags.is_initiator() && read.flags.is_response() && read.flags.is_version());
    }

    #[test]
    fn never_sets_the_version_bit() {
        // RFC 7296 §3.1#10,12-13,15,17-18: the version bit and the unused ones are clear in what is sent.
        for (initiator, response) in [(false, false), (false, true), (true, false), (true, true)] {
            let flags = Flags::new(initiator, response);
            assert!(!flags.is_version());
            assert_eq!(flags.octet() & !0x28, 0);
            assert_eq!(
                (flags.is_initiator(), flags.is_response()),
                (initiator, response)
            );
        }
    }

    #[test]
    fn prints_spis_in_sixteen_digits() {
        assert_eq!(
            InitiatorSpi::new(0xab).unwrap().to_string(),
            "00000000000000AB"
        );
        assert_eq!(ResponderSpi::new(0), None);
    }

    #[test]
    fn message_ids_do_not_wrap() {
        // RFC 7296 §2.2: an IKE SA is closed or rekeyed before its message IDs run out.
        assert_eq!(MessageId(u32::MAX).next(), None);
        assert_eq!(MessageId(0).next(), Some(MessageId(1)));
    }
}
