//! What AUTH covers of an encrypted message (RFC 9242 §3.3.2): the message as it would be without IV,
//! padding and ICV, in one piece, its lengths counting what is left.

use alloc::vec::Vec;

use crate::wire::{header::Header, message::open_payload, registry::PayloadType};

/// Where the header says which payload is the first, and where its length stands.
const NEXT_PAYLOAD: usize = 16;
const LENGTH: core::ops::Range<usize> = 24..28;

/// Of a message that is sent: `content` is its chain of inner payloads, the first of type `first`.
pub fn covered_of_sent(header: &Header, first: PayloadType, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut message = header.open(PayloadType::SK, &mut out);
    let mut payload = open_payload(first, message.out());
    payload.out().extend_from_slice(content);
    payload.finish();
    message.finish();
    out
}

/// Of a message that was received: `aad` is that of the message, or of its first fragment; `content` is the
/// chain of its inner payloads. `None` if `aad` is not what stands before an encrypted payload.
pub fn covered_of_received(aad: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(aad.len().saturating_add(content.len()));
    let mut named_at = NEXT_PAYLOAD;
    let mut payload_at = Header::LEN;
    // Through the payloads in clear to the encrypted one, of which the AAD has the front alone.
    loop {
        let kind = PayloadType(*aad.get(named_at)?);
        if kind == PayloadType::SK || kind == PayloadType::SKF {
            break;
        }
        let length = aad.get(payload_at..)?.get(2..4)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        named_at = payload_at;
        payload_at = payload_at.checked_add(length.max(GENERIC))?;
    }
    out.extend_from_slice(aad.get(..payload_at.checked_add(GENERIC)?)?);
    // RFC 9242 §3.3.2#1-3: as if it had come in one piece; the reserved octet is that of the first fragment.
    *out.get_mut(named_at)? = PayloadType::SK.0;
    let payload_len = u16::try_from(content.len().checked_add(GENERIC)?).ok()?;
    let message_len = u32::try_from(out.len().checked_add(content.len())?).ok()?;
    let front = out.get_mut(payload_at..)?;
    front
        .get_mut(2..4)?
        .copy_from_slice(&payload_len.to_be_bytes());
    out.get_mut(LENGTH)?
        .copy_from_slice(&message_len.to_be_bytes());
    out.extend_from_slice(content);
    Some(out)
}

/// A generic payload header.
const GENERIC: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        fragment::cut_skf,
        header::{Flags, InitiatorSpi, MessageId, ResponderSpi},
        message::{Body, PartialMessage, write_chain},
        payload::{Notify, Payload},
        registry::{ExchangeType, NotifyType},
        sk::{SkFrame, SkShape},
    };

    const SHAPE: SkShape = SkShape {
        iv_len: 16,
        block: 16,
        icv_len: 16,
    };

    fn header() -> Header {
        Header::new(
            InitiatorSpi::new(1).unwrap(),
            ResponderSpi::new(2),
            ExchangeType::IKE_INTERMEDIATE,
            Flags::new(true, false),
            MessageId(1),
        )
    }

    fn chain() -> (PayloadType, Vec<u8>) {
        let said = Notify::new(NotifyType::COOKIE, (0..200).collect());
        let mut content = Vec::new();
        let first = write_chain(&[Payload::Notify(said)], &mut content);
        (first, content)
    }

    fn aad(octets: &[u8]) -> &[u8] {
        match PartialMessage::parse(octets).unwrap().body {
            Body::Encrypted(encrypted) => encrypted.aad,
            Body::Fragment(fragment) => fragment.aad,
            Body::Clear | Body::CiscoFragment(_) => panic!("not encrypted"),
        }
    }

    // RFC 9242 §3.3.2: Length and Payload Length do not count IV, padding and ICV.
    #[test]
    fn both_ends_cover_the_same_octets_and_their_lengths_count_only_them() {
        let (first, content) = chain();
        let sent = covered_of_sent(&header(), first, &content);
        assert_eq!(sent.len(), Header::LEN + 4 + content.len());
        assert_eq!(sent[24..28], (sent.len() as u32).to_be_bytes());
        assert_eq!(sent[28], first.0);
        assert_eq!(sent[30..32], (4 + content.len() as u16).to_be_bytes());
        let whole = SkFrame::encrypted(&header(), &[], first, &content, SHAPE).unwrap();
        let whole = whole.into_message();
        assert_eq!(
            covered_of_received(aad(&whole), &content),
            Some(sent.clone())
        );
    }

    // RFC 9242 §3.3.2#1-3: the same whether or not the message was cut, and the reserved octet is fragment 1's.
    #[test]
    fn a_message_in_fragments_covers_what_it_would_in_one_piece() {
        let (first, content) = chain();
        let sent = covered_of_sent(&header(), first, &content);
        let pieces = cut_skf(&header(), &[], first, &content, 160, SHAPE).unwrap();
        let mut pieces = pieces.into_iter().map(SkFrame::into_message);
        let mut front = pieces.next().unwrap();
        assert!(pieces.next().is_some());
        assert_eq!(
            covered_of_received(aad(&front), &content),
            Some(sent.clone())
        );
        front[29] = 0x15;
        let mut reserved = sent;
        reserved[29] = 0x15;
        assert_eq!(covered_of_received(aad(&front), &content), Some(reserved));
    }

    #[test]
    fn payloads_in_clear_before_the_encrypted_one_are_covered() {
        let (first, content) = chain();
        let clear = [Payload::Notify(Notify::plain(NotifyType::COOKIE))];
        let whole = SkFrame::encrypted(&header(), &clear, first, &content, SHAPE).unwrap();
        let whole = whole.into_message();
        let covered = covered_of_received(aad(&whole), &content).unwrap();
        assert_eq!(covered[16..24], whole[16..24]);
        assert_eq!(covered[28..36], whole[28..36]);
        assert_eq!(covered.len(), Header::LEN + 8 + 4 + content.len());
        let pieces = cut_skf(&header(), &clear, first, &content, 160, SHAPE).unwrap();
        let front = pieces.into_iter().next().unwrap().into_message();
        assert_eq!(covered_of_received(aad(&front), &content), Some(covered));
    }

    #[test]
    fn whatever_stands_there_is_read_within_its_bounds() {
        let (first, content) = chain();
        let whole = SkFrame::encrypted(&header(), &[], first, &content, SHAPE).unwrap();
        let whole = whole.into_message();
        let aad = aad(&whole);
        for length in 0..aad.len() {
            assert_eq!(covered_of_received(&aad[..length], &content), None);
        }
        for octet in 0..=255 {
            let mut bent = aad.to_vec();
            bent[NEXT_PAYLOAD] = octet;
            bent[30..32].fill(octet);
            let _ = covered_of_received(&bent, &content);
        }
    }
}
