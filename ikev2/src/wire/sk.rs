//! The frame of an Encrypted payload, without its cryptography (RFC 7296 §3.14, RFC 7383 §2.5, RFC 5282 §3).
//!
//! ```text
//!   header ‖ cleartext payloads ‖ generic header [‖ number ‖ total] ‖ IV ‖ payloads ‖ padding ‖ pad length ‖ ICV
//!   └──────────────────────────── aad ───────────────────────────┘ └iv┘ └────────── plaintext ──────────┘ └icv┘
//! ```
//!
//! An [`SkFrame`] lays all of this out with its final lengths; the caller draws the IV, encrypts in place and puts in the
//! ICV.

use alloc::vec::Vec;
use core::{mem, num::NonZeroU16};

use zeroize::ZeroizeOnDrop;

use crate::{
    error::InvalidMessage,
    wire::{
        header::Header,
        message::{open_payload, write_chain_before},
        payload::Payload,
        registry::PayloadType,
    },
};

/// The sizes that an algorithm gives to the parts of an Encrypted payload, in octets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SkShape {
    /// The IV: 16 for AES-CBC, 8 for AES-GCM.
    pub iv_len: usize,
    /// What the plaintext, pad length included, is a multiple of: 16 for AES-CBC, 1 for AES-GCM. At most 256.
    pub block: usize,
    /// The ICV.
    pub icv_len: usize,
}

/// Content that has no room in one Encrypted payload, whose length field has two octets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{content} octets of content do not fit into one Encrypted payload")]
pub struct TooLong {
    /// The size of the content in octets.
    pub content: usize,
}

/// Generic payload header of an Encrypted payload.
const SK_HEADER: usize = 4;
/// Generic payload header, fragment number and total of an Encrypted Fragment payload.
const SKF_HEADER: usize = 8;

impl SkShape {
    /// The padding that content of this size gets: the least that fills a block (RFC 7296 §3.14).
    // RFC 7296 §3.14#5-6: with it the length is a multiple of the block, and it is no longer than needed.
    fn padding(self, content: usize) -> u8 {
        let block = self.block.clamp(1, 256);
        let past = content.saturating_add(1).checked_rem(block).unwrap_or(0);
        let missing = if past == 0 {
            0
        } else {
            block.saturating_sub(past)
        };
        u8::try_from(missing).unwrap_or(u8::MAX)
    }

    /// IV, plaintext and ICV together for content of this size.
    #[must_use]
    pub fn sealed_len(self, content: usize) -> usize {
        content
            .saturating_add(usize::from(self.padding(content)))
            .saturating_add(1)
            .saturating_add(self.iv_len)
            .saturating_add(self.icv_len)
    }

    /// A message of one Encrypted payload with content of this size, and `clear` octets of payloads before it.
    #[must_use]
    pub fn message_len(self, clear: usize, content: usize) -> usize {
        Header::LEN
            .saturating_add(clear)
            .saturating_add(SK_HEADER)
            .saturating_add(self.sealed_len(content))
    }

    /// The most content for which a message of one Encrypted Fragment payload, with `clear` octets of payloads before it,
    /// has at most `limit` octets. `None` if not even empty content has room.
    #[must_use]
    pub fn fragment_content(self, clear: usize, limit: usize) -> Option<usize> {
        let room = limit
            .checked_sub(Header::LEN)?
            .checked_sub(clear)?
            .checked_sub(SKF_HEADER)?
            .checked_sub(self.iv_len)?
            .checked_sub(self.icv_len)?;
        let partial_block = room.checked_rem(self.block.clamp(1, 256))?;
        room.checked_sub(partial_block)?.checked_sub(1)
    }
}

/// A message with an Encrypted payload that has yet to be encrypted.
///
/// It holds plaintext, so it is wiped when dropped and has no `Debug`.
#[derive(ZeroizeOnDrop)]
pub struct SkFrame {
    octets: Vec<u8>,
    aad_len: usize,
    iv_len: usize,
    icv_len: usize,
}

/// The parts of an [`SkFrame`]; they lie side by side in this order.
pub struct SkParts<'a> {
    /// From the header to the IV: to be authenticated, not encrypted.
    pub aad: &'a [u8],
    /// Zeros, for the caller to draw.
    pub iv: &'a mut [u8],
    /// Payloads, padding and pad length, for the caller to encrypt in place.
    pub plaintext: &'a mut [u8],
    /// Zeros, for the caller to fill: over `aad` and the ciphertext with an AEAD, over `aad`, IV and ciphertext else.
    pub icv: &'a mut [u8],
}

impl SkFrame {
    /// A message whose cleartext payloads are `clear` (normally none), and whose Encrypted payload holds `content`: a chain
    /// as [`write_chain`](super::write_chain) wrote it, the first of type `first`.
    ///
    /// # Errors
    /// [`TooLong`] if the payload would have more than 65,535 octets.
    pub fn encrypted(
        header: &Header,
        clear: &[Payload],
        first: PayloadType,
        content: &[u8],
        shape: SkShape,
    ) -> Result<Self, TooLong> {
        Self::lay_out(header, clear, PayloadType::SK, first, &[], content, shape)
    }

    /// A message that is fragment `number` of `total` (RFC 7383 §2.5). `clear` and `first` are those of the whole message
    /// and are written into fragment 1 alone.
    ///
    /// # Errors
    /// [`TooLong`] if the payload would have more than 65,535 octets.
    pub fn fragment(
        header: &Header,
        clear: &[Payload],
        first: PayloadType,
        (number, total): (NonZeroU16, NonZeroU16),
        content: &[u8],
        shape: SkShape,
    ) -> Result<Self, TooLong> {
        let [n1, n2] = number.get().to_be_bytes();
        let [t1, t2] = total.get().to_be_bytes();
        // RFC 7383 §2.5#2-3, §2.5.3#1-2: the type of the first inner payload and the payloads in clear go with fragment 1.
        let (clear, first) = if number == NonZeroU16::MIN {
            (clear, first)
        } else {
            (&[][..], PayloadType::NONE)
        };
        let numbers = [n1, n2, t1, t2];
        Self::lay_out(
            header,
            clear,
            PayloadType::SKF,
            first,
            &numbers,
            content,
            shape,
        )
    }

    fn lay_out(
        header: &Header,
        clear: &[Payload],
        kind: PayloadType,
        first: PayloadType,
        numbers: &[u8],
        content: &[u8],
        shape: SkShape,
    ) -> Result<Self, TooLong> {
        let sealed_len = shape.sealed_len(content.len());
        let payload_len = sealed_len
            .saturating_add(numbers.len())
            .saturating_add(SK_HEADER);
        if payload_len > usize::from(u16::MAX) {
            return Err(TooLong {
                content: content.len(),
            });
        }

        // Enough for all of it, so that growing leaves no copy of the plaintext behind.
        let mut octets = Vec::with_capacity(Header::LEN.saturating_add(payload_len));
        let next = clear.first().map_or(kind, Payload::kind);
        let mut message = header.open(next, &mut octets);
        write_chain_before(clear, kind, message.out());
        message.out().reserve_exact(payload_len);
        let mut payload = open_payload(first, message.out());
        let out = payload.out();
        out.extend_from_slice(numbers);
        let aad_len = out.len();
        out.resize(out.len().saturating_add(shape.iv_len), 0);
        out.extend_from_slice(content);
        let padding = shape.padding(content.len());
        out.resize(out.len().saturating_add(usize::from(padding)), 0);
        out.push(padding);
        out.resize(out.len().saturating_add(shape.icv_len), 0);
        payload.finish();
        message.finish();
        Ok(Self {
            octets,
            aad_len,
            iv_len: shape.iv_len,
            icv_len: shape.icv_len,
        })
    }

    /// The parts, for encrypting in place.
    pub fn parts(&mut self) -> SkParts<'_> {
        // lay_out() wrote every part, so none of these lengths exceeds what is there.
        let (aad, rest) = self.octets.split_at_mut(self.aad_len);
        let (iv, rest) = rest.split_at_mut(self.iv_len);
        let (plaintext, icv) = rest.split_at_mut(rest.len().saturating_sub(self.icv_len));
        SkParts {
            aad,
            iv,
            plaintext,
            icv,
        }
    }

    /// The same in two parts: the associated data, and `IV ‖ plaintext ‖ ICV`.
    pub fn aad_and_sealed(&mut self) -> (&[u8], &mut [u8]) {
        let (aad, sealed) = self.octets.split_at_mut(self.aad_len);
        (aad, sealed)
    }

    /// The size of the message in octets.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a message is never empty")]
    pub const fn len(&self) -> usize {
        self.octets.len()
    }

    /// The message, once it has been encrypted.
    #[must_use]
    pub fn into_message(mut self) -> Vec<u8> {
        mem::take(&mut self.octets)
    }
}

/// What is left of decrypted octets without padding and pad length. The padding itself may hold anything
/// (RFC 7296 §3.14).
// RFC 7296 §3.14#7: any length that leaves something is taken.
///
/// # Errors
/// [`InvalidMessage::Truncated`] if there is no pad length, [`InvalidMessage::PadLength`] if it exceeds what is there.
pub fn strip_padding(plaintext: &[u8]) -> Result<&[u8], InvalidMessage> {
    let Some((&padding, padded)) = plaintext.split_last() else {
        return Err(InvalidMessage::Truncated {
            what: "pad length",
            needed: 1,
            available: 0,
        });
    };
    padded
        .len()
        .checked_sub(usize::from(padding))
        .and_then(|length| padded.get(..length))
        .ok_or(InvalidMessage::PadLength {
            padding,
            available: padded.len(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        header::{Flags, InitiatorSpi, MessageId, ResponderSpi},
        message::{Body, Encrypted, EncryptedFragment, PartialMessage},
        payload::VendorId,
        registry::ExchangeType,
    };

    const CBC: SkShape = SkShape {
        iv_len: 16,
        block: 16,
        icv_len: 16,
    };
    const GCM: SkShape = SkShape {
        iv_len: 8,
        block: 1,
        icv_len: 16,
    };

    fn header() -> Header {
        Header::new(
            InitiatorSpi::new(1).unwrap(),
            ResponderSpi::new(2),
            ExchangeType::IKE_AUTH,
            Flags::new(true, false),
            MessageId(1),
        )
    }

    fn fragment(number: u16, total: u16) -> (NonZeroU16, NonZeroU16) {
        (
            NonZeroU16::new(number).unwrap(),
            NonZeroU16::new(total).unwrap(),
        )
    }

    #[test]
    fn pads_to_the_block_with_the_least() {
        // RFC 7296 §3.14#5-6: so much as fills the block, and no more.
        for (content, padding) in [(0, 15), (14, 1), (15, 0), (16, 15), (30, 1), (31, 0)] {
            assert_eq!(CBC.padding(content), padding, "{content}");
            assert_eq!(GCM.padding(content), 0);
        }
    }

    #[test]
    fn lays_out_every_part_at_its_place() {
        let mut frame =
            SkFrame::encrypted(&header(), &[], PayloadType::EAP, &[0xa5; 20], CBC).unwrap();
        let parts = frame.parts();
        assert_eq!(parts.aad.len(), 32);
        parts.iv.fill(1);
        assert_eq!(parts.iv.len(), 16);
        assert_eq!(parts.plaintext.len(), 32);
        assert_eq!(parts.plaintext[..20], [0xa5; 20]);
        assert_eq!(parts.plaintext[20..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11]);
        assert_eq!(strip_padding(parts.plaintext), Ok(&[0xa5; 20][..]));
        assert_eq!(parts.icv.len(), 16);
        parts.icv.fill(2);

        let message = frame.into_message();
        assert_eq!(message.len(), CBC.message_len(0, 20));
        let read = PartialMessage::parse(&message).unwrap();
        let Body::Encrypted(Encrypted { first, aad, sealed }) = read.body else {
            panic!("{:?}", read.body)
        };
        assert_eq!(first, PayloadType::EAP);
        assert_eq!(aad, &message[..32]);
        assert_eq!((&sealed[..16], &sealed[48..]), (&[1; 16][..], &[2; 16][..]));
    }

    #[test]
    fn puts_cleartext_payloads_and_the_first_type_into_fragment_one_alone() {
        // RFC 7383 §2.5#2-3, §2.5.3#1-2: what goes with the first alone, and that all have content.
        let clear = [Payload::Vendor(VendorId(vec![9]))];
        for (number, outer, first) in [(1, 1, PayloadType::EAP), (2, 0, PayloadType::NONE)] {
            let frame = SkFrame::fragment(
                &header(),
                &clear,
                PayloadType::EAP,
                fragment(number, 2),
                &[7],
                GCM,
            )
            .unwrap();
            let message = frame.into_message();
            let read = PartialMessage::parse(&message).unwrap();
            assert_eq!(read.outer.len(), outer);
            let Body::Fragment(EncryptedFragment {
                first: found, aad, ..
            }) = read.body
            else {
                panic!("{:?}", read.body)
            };
            assert_eq!(found, first);
            assert_eq!(aad.len(), 28 + 5 * outer + 8);
        }
    }

    #[test]
    fn refuses_content_that_has_no_room() {
        let most = 65_535 - 4 - 8 - 16 - 1;
        let encrypted =
            |content: &[u8]| SkFrame::encrypted(&header(), &[], PayloadType::EAP, content, GCM);
        assert_eq!(encrypted(&vec![0; most]).unwrap().len(), 28 + 65_535);
        assert_eq!(
            encrypted(&vec![0; most + 1]).err(),
            Some(TooLong { content: most + 1 })
        );
    }

    #[test]
    fn knows_how_much_content_a_fragment_has_room_for() {
        for shape in [CBC, GCM] {
            for limit in 0..700 {
                let frame = |content: usize| {
                    SkFrame::fragment(
                        &header(),
                        &[],
                        PayloadType::NONE,
                        fragment(2, 2),
                        &vec![0; content],
                        shape,
                    )
                    .unwrap()
                };
                match shape.fragment_content(0, limit) {
                    Some(content) => {
                        assert!(frame(content).len() <= limit);
                        assert!(frame(content + 1).len() > limit);
                    }
                    None => assert!(frame(0).len() > limit),
                }
            }
        }
    }

    #[test]
    fn strips_any_padding_that_fits() {
        // RFC 7296 §3.14#7: the padding may hold anything and be longer than needed.
        assert_eq!(strip_padding(&[7, 1, 2, 3, 3]), Ok(&[7][..]));
        assert_eq!(strip_padding(&[7, 0]), Ok(&[7][..]));
        assert_eq!(strip_padding(&[0]), Ok(&[][..]));
        assert_eq!(strip_padding(&[9, 1]), Ok(&[][..]));
    }

    #[test]
    fn rejects_padding_that_exceeds_the_plaintext() {
        assert_eq!(
            strip_padding(&[1, 2, 3]),
            Err(InvalidMessage::PadLength {
                padding: 3,
                available: 2
            })
        );
        assert_eq!(
            strip_padding(&[]),
            Err(InvalidMessage::Truncated {
                what: "pad length",
                needed: 1,
                available: 0
            })
        );
    }
}
