//! Messages and payload chains: the part in clear, and the frame of the part that is not.
//!
//! Nothing here decides whether a message is believed. A [`PartialMessage`] is what an unauthenticated datagram says;
//! its [`Body`] tells what has to be done before more can be known.

use alloc::vec::Vec;
use core::num::{NonZeroU8, NonZeroU16};

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{LengthGuard, Reader, Wire as _},
        header::Header,
        payload::Payload,
        registry::PayloadType,
    },
};

/// How many payloads a chain may have. A login has about twenty; without a bound a 64 KiB datagram holds 16,000.
pub const MAX_PAYLOADS: usize = 128;

/// The critical bit of a generic payload header.
const CRITICAL: u8 = 0x80;
/// The flag of the last fragment in Cisco's form.
const CISCO_LAST: u8 = 0x01;

/// A datagram whose header and cleartext payloads have been read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartialMessage<'a> {
    /// The header.
    pub header: Header,
    /// The whole datagram, without the non-ESP marker.
    pub raw: &'a [u8],
    /// The payloads in clear: all of them for [`Body::Clear`], else those before the encrypted one, normally none.
    pub outer: Vec<Payload>,
    /// What the chain ends with.
    pub body: Body<'a>,
}

/// How the chain of cleartext payloads ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body<'a> {
    /// With the last cleartext payload.
    Clear,
    /// With an Encrypted payload.
    Encrypted(Encrypted<'a>),
    /// With an Encrypted Fragment payload (RFC 7383).
    Fragment(EncryptedFragment<'a>),
    /// It is one of Cisco's fragments (docs/anyconnect-eap.md), and nothing else.
    CiscoFragment(CiscoFragment<'a>),
}

/// An Encrypted payload, still closed (RFC 7296 §3.14).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Encrypted<'a> {
    /// The type of the first payload inside.
    pub first: PayloadType,
    /// The message from its header through the generic header of this payload: the associated data of an AEAD
    /// (RFC 5282 §5.1), and what an integrity algorithm covers before the IV.
    pub aad: &'a [u8],
    /// IV ‖ ciphertext ‖ ICV, of any length: whether it can hold all three is known to whoever knows the algorithms.
    pub sealed: &'a [u8],
}

/// An Encrypted Fragment payload, still closed (RFC 7383 §2.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EncryptedFragment<'a> {
    /// The type of the first payload inside the reassembled content, in fragment 1; means nothing in the others.
    pub first: PayloadType,
    /// Which fragment this is, from 1 to `total`.
    pub number: NonZeroU16,
    /// How many there are.
    pub total: NonZeroU16,
    /// The message from its header through the total (RFC 7383 §2.5, RFC 5282 §5.1).
    pub aad: &'a [u8],
    /// IV ‖ ciphertext ‖ ICV.
    pub sealed: &'a [u8],
}

/// A piece of a message in Cisco's form (docs/anyconnect-eap.md); nothing in it is authentic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CiscoFragment<'a> {
    /// The number of the set.
    pub id: u16,
    /// Which fragment this is, from 1.
    pub number: NonZeroU8,
    /// Whether it is the last.
    pub last: bool,
    /// A piece of the message, IKE header included.
    pub data: &'a [u8],
}

impl<'a> PartialMessage<'a> {
    /// Reads a whole datagram, without the non-ESP marker.
    ///
    /// # Errors
    /// Those of [`Header::peek`], [`InvalidMessage::UnsupportedMajorVersion`], and whatever is wrong with the cleartext
    /// payloads or the frame of the encrypted one.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, InvalidMessage> {
        // RFC 7296 §1.7#6, §2.5#15: payloads are taken in the order in which they come,
        // whatever it is.
        let mut outer = Vec::new();
        let (header, body) = Self::walk(datagram, |kind, critical, body| {
            outer.push(Payload::read_body(kind, critical, body)?);
            Ok(())
        })?;
        Ok(Self {
            header,
            raw: datagram,
            outer,
            body,
        })
    }

    /// Reads what an IKE SA with keys needs of a datagram: its header and the frame of the encrypted payload. Payloads in
    /// clear, of which such an SA takes no notice, are passed over and `outer` is empty.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse), but for what is wrong inside a payload in clear.
    pub fn parse_sealed(datagram: &'a [u8]) -> Result<Self, InvalidMessage> {
        let (header, body) = Self::walk(datagram, |kind, critical, _| {
            if critical && !Payload::is_known(kind) {
                return Err(InvalidMessage::UnsupportedCriticalPayload(kind));
            }
            Ok(())
        })?;
        Ok(Self {
            header,
            raw: datagram,
            outer: Vec::new(),
            body,
        })
    }

    /// Goes along the chain and shows each payload in clear: its type, its critical bit, its body.
    fn walk(
        datagram: &'a [u8],
        mut show: impl FnMut(PayloadType, bool, Reader<'a>) -> Result<(), InvalidMessage>,
    ) -> Result<(Header, Body<'a>), InvalidMessage> {
        let header = Header::peek(datagram)?;
        // RFC 7296 §2.5#1-2, §3.1#7,9: any minor version is read as 2.0, no other major version is.
        if header.version.major != 2 {
            return Err(InvalidMessage::UnsupportedMajorVersion {
                major: header.version.major,
            });
        }

        let mut reader = Reader::new(datagram);
        reader.take(Header::LEN, "IKE header")?;
        let mut count: usize = 0;
        let mut kind = header.next_payload;
        while kind != PayloadType::NONE {
            if count >= MAX_PAYLOADS {
                return Err(InvalidMessage::TooManyPayloads {
                    limit: MAX_PAYLOADS,
                });
            }
            let (generic, body) = GenericHeader::read_with_body(&mut reader)?;
            if is_final(kind) {
                // RFC 7296 §3.1#1, §3.14#1, RFC 7383 §2.5#1: an Encrypted payload, whole or fragment, is the last.
                if !reader.is_empty() {
                    return Err(InvalidMessage::PayloadNotLast {
                        kind,
                        count: reader.remaining(),
                    });
                }
                if kind == PayloadType::CISCO_FRAGMENT && count > 0 {
                    return Err(InvalidMessage::MisplacedPayload(kind));
                }
                let body = Body::read(kind, generic.next, datagram, body)?;
                return Ok((header, body));
            }
            show(kind, generic.critical, body)?;
            count = count.saturating_add(1);
            kind = generic.next;
        }
        reader.finish("message")?;
        Ok((header, Body::Clear))
    }
}

impl<'a> Body<'a> {
    /// Reads a payload that ends its chain; it stands at the end of `datagram`.
    fn read(
        kind: PayloadType,
        first: PayloadType,
        datagram: &'a [u8],
        mut body: Reader<'a>,
    ) -> Result<Self, InvalidMessage> {
        match kind {
            PayloadType::SKF => {
                let number = body.u16("fragment number")?;
                let total = body.u16("total fragments")?;
                // RFC 7383 §2.5#4-6: numbers run from 1 to the total, and the total is not zero.
                let (Some(number), Some(total), true) = (
                    NonZeroU16::new(number),
                    NonZeroU16::new(total),
                    number <= total,
                ) else {
                    return Err(InvalidMessage::FragmentNumber { number, total });
                };
                let sealed = body.rest();
                let aad = before(datagram, sealed);
                Ok(Self::Fragment(EncryptedFragment {
                    first,
                    number,
                    total,
                    aad,
                    sealed,
                }))
            }
            PayloadType::CISCO_FRAGMENT => {
                let id = body.u16("Cisco fragment ID")?;
                let number = body.u8("Cisco fragment number")?;
                let number = NonZeroU8::new(number).ok_or(InvalidMessage::FragmentNumber {
                    number: 0,
                    total: 0,
                })?;
                let last = body.u8("Cisco fragment flags")? & CISCO_LAST != 0;
                Ok(Self::CiscoFragment(CiscoFragment {
                    id,
                    number,
                    last,
                    data: body.rest(),
                }))
            }
            _ => {
                let sealed = body.rest();
                Ok(Self::Encrypted(Encrypted {
                    first,
                    aad: before(datagram, sealed),
                    sealed,
                }))
            }
        }
    }
}

/// What stands before the end of a message.
fn before<'a>(message: &'a [u8], end: &[u8]) -> &'a [u8] {
    message
        .len()
        .checked_sub(end.len())
        .and_then(|at| message.get(..at))
        .unwrap_or(&[])
}

/// Whether no payload can follow one of this type.
const fn is_final(kind: PayloadType) -> bool {
    matches!(
        kind,
        PayloadType::SK | PayloadType::SKF | PayloadType::CISCO_FRAGMENT
    )
}

/// The four octets before each payload (RFC 7296 §3.2).
struct GenericHeader {
    next: PayloadType,
    critical: bool,
}

impl GenericHeader {
    const LEN: usize = 4;

    fn read_with_body<'a>(reader: &mut Reader<'a>) -> Result<(Self, Reader<'a>), InvalidMessage> {
        let next = PayloadType::read(reader)?;
        // RFC 7296 §3.2#7: of the flags the critical bit counts, and the others are passed over.
        let critical = reader.u8("payload flags")? & CRITICAL != 0;
        let length = reader.u16("payload length")?;
        let body = reader.body(length, Self::LEN, "payload")?;
        Ok((Self { next, critical }, body))
    }

    fn open<'a>(&self, out: &'a mut Vec<u8>) -> LengthGuard<'a, 2> {
        let start = out.len();
        self.next.write(out);
        // RFC 7296 §3.2#6: the other flags are zero.
        out.push(if self.critical { CRITICAL } else { 0 });
        LengthGuard::open(out, start)
    }
}

/// Reads the payloads of an opened Encrypted payload, the first of which is of type `first`. Payloads of unknown types are
/// kept as [`Payload::Unknown`].
///
/// # Errors
/// [`InvalidMessage::UnsupportedCriticalPayload`] for an unknown type with its critical bit set,
/// [`InvalidMessage::MisplacedPayload`] for an encrypted payload or fragment inside, [`InvalidMessage::TooManyPayloads`],
/// [`InvalidMessage::TrailingOctets`] after the last payload, and whatever is wrong with a payload itself.
pub fn parse_chain(first: PayloadType, body: &[u8]) -> Result<Vec<Payload>, InvalidMessage> {
    let mut reader = Reader::new(body);
    let mut payloads = Vec::new();
    let mut kind = first;
    while kind != PayloadType::NONE {
        if payloads.len() >= MAX_PAYLOADS {
            return Err(InvalidMessage::TooManyPayloads {
                limit: MAX_PAYLOADS,
            });
        }
        let (generic, body) = GenericHeader::read_with_body(&mut reader)?;
        payloads.push(Payload::read_body(kind, generic.critical, body)?);
        kind = generic.next;
    }
    reader.finish("payload chain")?;
    Ok(payloads)
}

/// Appends payloads, each linked to the next, and returns the type of the first: what the header or the Encrypted payload
/// before them carries. [`PayloadType::NONE`] for none.
///
/// A payload of more than 65,531 octets has no valid length; its length field is left all ones, and whoever reads the
/// chain refuses it.
pub fn write_chain(payloads: &[Payload], out: &mut Vec<u8>) -> PayloadType {
    write_chain_before(payloads, PayloadType::NONE, out)
}

/// As [`write_chain`], with a payload of type `last` to follow.
pub(super) fn write_chain_before(
    payloads: &[Payload],
    last: PayloadType,
    out: &mut Vec<u8>,
) -> PayloadType {
    let mut following = payloads.iter().skip(1).map(Payload::kind);
    for payload in payloads {
        let next = following.next().unwrap_or(last);
        let mut length = GenericHeader {
            next,
            critical: payload.critical(),
        }
        .open(out);
        payload.write_body(length.out());
        length.finish();
    }
    payloads.first().map_or(last, Payload::kind)
}

/// Appends the generic header of a payload of which more is to be written, its length counting from here.
pub(super) fn open_payload(next: PayloadType, out: &mut Vec<u8>) -> LengthGuard<'_, 2> {
    GenericHeader {
        next,
        critical: false,
    }
    .open(out)
}

/// Appends a whole message in clear. The header's next payload and length are not taken from `header` but from what
/// follows.
pub fn write_message(header: &Header, payloads: &[Payload], out: &mut Vec<u8>) {
    let first = payloads.first().map_or(PayloadType::NONE, Payload::kind);
    let mut length = header.open(first, out);
    write_chain(payloads, length.out());
    length.finish();
}

/// Appends one fragment in Cisco's form as a whole message: the header of the message that is cut, then the fragment.
pub(super) fn write_cisco_fragment(
    header: &Header,
    fragment: &CiscoFragment<'_>,
    out: &mut Vec<u8>,
) {
    let mut message = header.open(PayloadType::CISCO_FRAGMENT, out);
    let mut payload = open_payload(PayloadType::NONE, message.out());
    let body = payload.out();
    body.extend_from_slice(&fragment.id.to_be_bytes());
    body.push(fragment.number.get());
    body.push(if fragment.last { CISCO_LAST } else { 0 });
    body.extend_from_slice(fragment.data);
    payload.finish();
    message.finish();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        header::{Flags, InitiatorSpi, MessageId},
        payload::{EapPayload, Notify, UnknownPayload, VendorId},
        registry::{ExchangeType, NotifyType},
    };

    fn header() -> Header {
        Header::new(
            InitiatorSpi::new(0x0102_0304_0506_0708).unwrap(),
            None,
            ExchangeType::IKE_SA_INIT,
            Flags::new(true, false),
            MessageId(0),
        )
    }

    /// A message with these octets behind its header.
    fn message(first: PayloadType, chain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut length = header().open(first, &mut out);
        length.out().extend_from_slice(chain);
        length.finish();
        out
    }

    fn error(first: PayloadType, chain: &[u8]) -> InvalidMessage {
        PartialMessage::parse(&message(first, chain)).unwrap_err()
    }

    // RFC 7296 §2.5#13, §3.2#1,4,6, §3.12#2: the flags of every payload are zero.
    #[test]
    fn links_payloads_and_reads_them_back() {
        let payloads = vec![
            Payload::Notify(Notify::plain(NotifyType::INITIAL_CONTACT)),
            Payload::Vendor(VendorId(vec![7; 3])),
            Payload::Eap(EapPayload(vec![3, 1, 0, 4])),
        ];
        let mut out = Vec::new();
        write_message(&header(), &payloads, &mut out);
        assert_eq!(
            out[28..],
            [
                43, 0, 0, 8, 0, 0, 0x40, 0, // Notify, next VID
                48, 0, 0, 7, 7, 7, 7, // VID, next EAP
                0, 0, 0, 8, 3, 1, 0, 4, // EAP
            ]
        );
        let read = PartialMessage::parse(&out).unwrap();
        assert_eq!(read.header.next_payload, PayloadType::NOTIFY);
        assert_eq!(read.outer, payloads);
        assert_eq!(read.body, Body::Clear);
    }

    #[test]
    fn reads_a_message_without_payloads() {
        let octets = message(PayloadType::NONE, &[]);
        let read = PartialMessage::parse(&octets).unwrap();
        assert_eq!((read.outer.len(), read.body), (0, Body::Clear));
    }

    #[test]
    fn rejects_other_major_versions_and_accepts_other_minor_ones() {
        // RFC 7296 §2.5.
        for (version, major) in [(0x00, 0), (0x10, 1), (0x30, 3), (0xf0, 15)] {
            let mut octets = message(PayloadType::NONE, &[]);
            octets[17] = version;
            assert_eq!(
                PartialMessage::parse(&octets),
                Err(InvalidMessage::UnsupportedMajorVersion { major })
            );
        }
        let mut octets = message(PayloadType::NONE, &[]);
        octets[17] = 0x2f;
        assert!(PartialMessage::parse(&octets).is_ok());
    }

    #[test]
    fn rejects_payload_lengths_that_lie() {
        for length in 0..4 {
            assert_eq!(
                error(PayloadType::VENDOR, &[0, 0, 0, length]),
                InvalidMessage::LengthTooSmall {
                    what: "payload",
                    length: usize::from(length),
                    least: 4
                }
            );
        }
        assert_eq!(
            error(PayloadType::VENDOR, &[0, 0, 0, 9, 1, 2]),
            InvalidMessage::Truncated {
                what: "payload",
                needed: 5,
                available: 2
            }
        );
    }

    #[test]
    fn rejects_octets_behind_the_last_payload() {
        assert_eq!(
            error(PayloadType::VENDOR, &[0, 0, 0, 4, 0]),
            InvalidMessage::TrailingOctets {
                what: "message",
                count: 1
            }
        );
        assert_eq!(
            parse_chain(PayloadType::NONE, &[0]),
            Err(InvalidMessage::TrailingOctets {
                what: "payload chain",
                count: 1
            })
        );
    }

    #[test]
    fn skips_unknown_payloads_and_refuses_critical_ones() {
        // RFC 7296 §2.5: by its type number; types below 33 are IKEv1's and as unknown as the others.
        for kind in [1, 32, 49, 255].map(PayloadType) {
            assert_eq!(
                parse_chain(kind, &[0, 0x7f, 0, 5, 9]),
                Ok(vec![Payload::Unknown(UnknownPayload {
                    kind,
                    critical: false,
                    data: vec![9]
                })])
            );
            assert_eq!(
                parse_chain(kind, &[0, 0x80, 0, 5, 9]),
                Err(InvalidMessage::UnsupportedCriticalPayload(kind))
            );
        }
    }

    #[test]
    fn ignores_the_critical_bit_of_known_payloads() {
        // RFC 7296 §3.2#3: whoever knows the type does not mind the bit.
        assert_eq!(
            parse_chain(PayloadType::VENDOR, &[0, 0x80, 0, 5, 9]),
            Ok(vec![Payload::Vendor(VendorId(vec![9]))])
        );
    }

    #[test]
    fn rejects_more_payloads_than_the_limit() {
        let chain = |count: usize| {
            let mut octets = [43, 0, 0, 4].repeat(count);
            let last = octets.len() - 4;
            octets[last] = 0;
            octets
        };
        assert_eq!(
            parse_chain(PayloadType::VENDOR, &chain(128)).unwrap().len(),
            128
        );
        let expected = InvalidMessage::TooManyPayloads { limit: 128 };
        assert_eq!(
            parse_chain(PayloadType::VENDOR, &chain(129)),
            Err(expected.clone())
        );
        assert_eq!(error(PayloadType::VENDOR, &chain(129)), expected);
    }

    #[test]
    fn frames_an_encrypted_payload() {
        let octets = message(PayloadType::SK, &[35, 0, 0, 7, 1, 2, 3]);
        let read = PartialMessage::parse(&octets).unwrap();
        assert_eq!(
            read.body,
            Body::Encrypted(Encrypted {
                first: PayloadType::ID_I,
                aad: &octets[..32],
                sealed: &[1, 2, 3],
            })
        );
    }

    #[test]
    fn frames_an_empty_encrypted_payload() {
        let octets = message(PayloadType::SK, &[0, 0, 0, 4]);
        let read = PartialMessage::parse(&octets).unwrap();
        assert_eq!(
            read.body,
            Body::Encrypted(Encrypted {
                first: PayloadType::NONE,
                aad: &octets,
                sealed: &[]
            })
        );
    }

    #[test]
    fn keeps_cleartext_payloads_before_the_encrypted_one() {
        let octets = message(PayloadType::VENDOR, &[46, 0, 0, 5, 9, 0, 0, 0, 5, 1]);
        let read = PartialMessage::parse(&octets).unwrap();
        assert_eq!(read.outer, [Payload::Vendor(VendorId(vec![9]))]);
        assert!(matches!(
            read.body,
            Body::Encrypted(Encrypted { sealed: &[1], .. })
        ));
    }

    #[test]
    fn rejects_anything_behind_an_encrypted_payload() {
        // RFC 7296 §3.1#1, §3.14#1, RFC 7383 §2.5#1: nothing stands behind it.
        for kind in [
            PayloadType::SK,
            PayloadType::SKF,
            PayloadType::CISCO_FRAGMENT,
        ] {
            assert_eq!(
                error(kind, &[43, 0, 0, 8, 0, 1, 1, 1, 0, 0, 0, 4]),
                InvalidMessage::PayloadNotLast { kind, count: 4 }
            );
        }
    }

    // RFC 7296 §3.1#2: none stands inside another.
    #[test]
    fn rejects_encrypted_payloads_inside_an_opened_one() {
        for kind in [
            PayloadType::SK,
            PayloadType::SKF,
            PayloadType::CISCO_FRAGMENT,
        ] {
            assert_eq!(
                parse_chain(kind, &[0, 0, 0, 8, 0, 1, 0, 1]),
                Err(InvalidMessage::MisplacedPayload(kind))
            );
        }
    }

    #[test]
    fn frames_an_encrypted_fragment() {
        let octets = message(PayloadType::SKF, &[35, 0, 0, 10, 0, 2, 0, 3, 8, 9]);
        let read = PartialMessage::parse(&octets).unwrap();
        assert_eq!(
            read.body,
            Body::Fragment(EncryptedFragment {
                first: PayloadType::ID_I,
                number: NonZeroU16::new(2).unwrap(),
                total: NonZeroU16::new(3).unwrap(),
                aad: &octets[..36],
                sealed: &[8, 9],
            })
        );
    }

    #[test]
    fn rejects_impossible_fragment_numbers() {
        // RFC 7383 §2.5#4-6: no number beyond the total, and no zero.
        for (number, total) in [(0, 0), (0, 1), (1, 0), (4, 3), (65535, 1)] {
            let [n1, n2] = u16::to_be_bytes(number);
            let [t1, t2] = u16::to_be_bytes(total);
            assert_eq!(
                error(PayloadType::SKF, &[0, 0, 0, 8, n1, n2, t1, t2]),
                InvalidMessage::FragmentNumber { number, total }
            );
        }
        assert_eq!(
            error(PayloadType::CISCO_FRAGMENT, &[0, 0, 0, 8, 0, 1, 0, 1]),
            InvalidMessage::FragmentNumber {
                number: 0,
                total: 0
            }
        );
    }

    #[test]
    fn rejects_a_cisco_fragment_behind_another_payload() {
        assert_eq!(
            error(PayloadType::VENDOR, &[132, 0, 0, 4, 0, 0, 0, 8, 0, 1, 1, 1]),
            InvalidMessage::MisplacedPayload(PayloadType::CISCO_FRAGMENT)
        );
    }
}
