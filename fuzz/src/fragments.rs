//! Fragments of both forms in any order, number and size, against a model that only remembers what was taken in.

use std::{
    collections::BTreeMap,
    num::{NonZeroU8, NonZeroU16},
};

use ironflex_ikev2::wire::{
    Body, CiscoFragment, Flags, Header, InitiatorSpi, MessageId, PartialMessage, ResponderSpi,
    fragment::{
        CiscoReassembly, FragmentRefused, Progress, ReassemblyLimits, SkfReassembly, cut_cisco,
        cut_skf,
    },
    registry::{ExchangeType, PayloadType},
    sk::{SkShape, strip_padding},
};

use super::input::Input;

/// Octets that a reassembly may count for a message and for each fragment, beside their content.
const MESSAGE: usize = 512;
const FRAGMENT: usize = 96;

/// The first octet chooses the form, and whether fragments are put together or cut.
pub fn fragments(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(4) {
        0 => encrypted(&mut input),
        1 => cisco(&mut input),
        2 => cut_encrypted(&mut input),
        _ => cut_clear(&mut input),
    }
}

fn header(message_id: u8) -> Header {
    Header::new(
        InitiatorSpi::new(1).unwrap(),
        ResponderSpi::new(2),
        ExchangeType::IKE_AUTH,
        Flags::new(true, false),
        MessageId(message_id.into()),
    )
}

/// RFC 7383: opened fragments.
fn encrypted(input: &mut Input<'_>) {
    let limits = ReassemblyLimits {
        fragments: 1 + input.u16() % 300,
        octets: 1 + usize::from(input.u16()),
    };
    let bound = usize::from(limits.fragments) * FRAGMENT + limits.octets + MESSAGE;
    let mut buffer = SkfReassembly::new(limits);
    let (mut held, mut total) = (BTreeMap::new(), None);
    while !input.is_empty() {
        let of = u16::from(input.u8()) + 1;
        let number = u16::from(input.u8()) % of + 1;
        let (number, of) = (
            NonZeroU16::new(number).unwrap(),
            NonZeroU16::new(of).unwrap(),
        );
        let first = PayloadType(input.u8());
        let content = input.chunk();
        let admitted = buffer.admits(number, of);
        let outcome = buffer.insert(number, of, first, content);
        assert!(
            buffer.memory() <= bound,
            "more memory than the limits allow"
        );
        match outcome {
            Err(refused) => {
                if refused
                    == (FragmentRefused::TooLong {
                        limit: limits.octets,
                    })
                {
                    assert_eq!(admitted, Ok(()));
                    assert_eq!(buffer.memory(), MESSAGE, "dropped, and still held");
                    (held, total) = (BTreeMap::new(), None);
                } else {
                    assert_eq!(admitted, Err(refused));
                }
                continue;
            }
            Ok(progress) => {
                assert_eq!(admitted, Ok(()));
                if total.is_some_and(|total| total != of) {
                    assert!(total < Some(of), "an older set replaced a newer one");
                    held.clear();
                }
                total = Some(of);
                let again = held.insert(number, (first, content));
                assert!(again.is_none(), "a fragment was taken in twice");
                let Progress::Complete(whole) = progress else {
                    assert!(held.len() < usize::from(of.get()), "whole, and not told");
                    continue;
                };
                assert_eq!(
                    held.len(),
                    usize::from(of.get()),
                    "told to be whole, and is not"
                );
                let pieces: Vec<_> = held.values().map(|(_, content)| *content).collect();
                assert!(*whole.content == pieces.concat(), "put together otherwise");
                assert_eq!(
                    Some(whole.first),
                    held.values().next().map(|(first, _)| *first)
                );
                assert_eq!(buffer.memory(), MESSAGE, "whole, and still held");
                (held, total) = (BTreeMap::new(), None);
            }
        }
    }
}

/// Cisco's form: pieces of a message that anybody may have sent.
fn cisco(input: &mut Input<'_>) {
    const BOUND: usize =
        CiscoReassembly::MAX_FRAGMENTS * FRAGMENT + CiscoReassembly::MAX_OCTETS + MESSAGE;
    let mut buffer = CiscoReassembly::new();
    let mut held = BTreeMap::new();
    while !input.is_empty() {
        let choice = input.u8();
        let header = header(choice >> 6);
        let fragment = CiscoFragment {
            id: u16::from(choice >> 4 & 3),
            number: NonZeroU8::new(input.u8()).unwrap_or(NonZeroU8::MIN),
            last: choice & 1 != 0,
            data: input.chunk(),
        };
        // Data that begin with a header make a message when they come first.
        let mut whole = Vec::new();
        let fragment = if choice & 2 != 0 && fragment.number == NonZeroU8::MIN {
            ironflex_ikev2::wire::write_message(&header, &[], &mut whole);
            CiscoFragment {
                data: &whole,
                ..fragment
            }
        } else {
            fragment
        };
        let before = buffer.memory();
        let outcome = buffer.insert(&header, &fragment);
        assert!(
            buffer.memory() <= BOUND,
            "more memory than the limits allow"
        );
        match outcome {
            Ok(Progress::Complete(message)) => {
                // One that is first and last is a set of its own, whatever was there before.
                if fragment.last && fragment.number == NonZeroU8::MIN {
                    held.clear();
                }
                held.insert(fragment.number, fragment.data.to_vec());
                let pieces: Vec<_> = held.into_values().collect();
                assert!(message == pieces.concat(), "put together otherwise");
                let read = Header::peek(&message).expect("a whole message has a header");
                assert!(read.same_message(&header), "another message than announced");
                assert_ne!(
                    read.next_payload,
                    PayloadType::CISCO_FRAGMENT,
                    "fragments in fragments"
                );
                assert_eq!(buffer.memory(), MESSAGE, "whole, and still held");
                held = BTreeMap::new();
            }
            Ok(progress) => {
                if progress == Progress::Restarted {
                    held.clear();
                }
                let again = held.insert(fragment.number, fragment.data.to_vec());
                assert!(again.is_none(), "a fragment was taken in twice");
            }
            Err(FragmentRefused::TooMany { .. }) => assert_eq!(buffer.memory(), before),
            Err(FragmentRefused::Duplicate { .. }) => {
                assert_eq!(buffer.memory(), before);
                assert!(held.contains_key(&fragment.number), "no duplicate");
            }
            Err(_) => {
                assert_eq!(buffer.memory(), MESSAGE, "dropped, and still held");
                held.clear();
            }
        }
    }
}

/// Content that is cut by RFC 7383 fits into its limit and comes together again.
fn cut_encrypted(input: &mut Input<'_>) {
    let shape = SkShape {
        iv_len: 8,
        block: [1, 16][input.below(2)],
        icv_len: 16,
    };
    let limit = usize::from(input.u16());
    let first = PayloadType(input.u8());
    let content = input.rest();
    let Ok(frames) = cut_skf(&header(1), &[], first, content, limit, shape) else {
        return;
    };
    let mut buffer = SkfReassembly::new(ReassemblyLimits {
        fragments: u16::MAX,
        octets: content.len(),
    });
    let count = frames.len();
    for (at, frame) in frames.into_iter().enumerate() {
        let message = frame.into_message();
        assert!(message.len() <= limit, "a fragment above its limit");
        let read = PartialMessage::parse(&message).expect("a fragment is a message");
        let Body::Fragment(closed) = read.body else {
            panic!("no fragment: {:?}", read.body)
        };
        let end = closed.sealed.len() - shape.icv_len;
        let opened = strip_padding(&closed.sealed[shape.iv_len..end]).expect("padding");
        match buffer.insert(closed.number, closed.total, closed.first, opened) {
            Ok(Progress::Complete(whole)) => {
                assert_eq!(at + 1, count);
                assert_eq!(whole.first, first);
                assert!(*whole.content == content, "put together otherwise");
            }
            Ok(Progress::NeedMore) => assert!(at + 1 < count, "the last did not make it whole"),
            other => panic!("fragment {at} of {count}: {:?}", other.map(|_| ())),
        }
    }
}

/// A message that is cut in Cisco's form comes together again.
fn cut_clear(input: &mut Input<'_>) {
    let (id, most) = (input.u16(), usize::from(input.u16()));
    let message = input.rest();
    let Ok(pieces) = cut_cisco(message, id, most) else {
        return;
    };
    let mut buffer = CiscoReassembly::new();
    let count = pieces.len();
    for (at, piece) in pieces.iter().enumerate() {
        let Ok(read) = PartialMessage::parse(piece) else {
            // Of another major version, as is the message.
            assert!(PartialMessage::parse(message).is_err());
            return;
        };
        let Body::CiscoFragment(fragment) = read.body else {
            panic!("no fragment: {:?}", read.body)
        };
        assert!(fragment.data.len() <= most, "a piece above its limit");
        match buffer.insert(&read.header, &fragment) {
            Ok(Progress::Complete(whole)) => {
                assert_eq!(at + 1, count);
                assert!(whole == message, "put together otherwise");
            }
            Ok(Progress::NeedMore) => assert!(at + 1 < count, "the last did not make it whole"),
            Ok(Progress::Restarted) => panic!("the pieces contradict each other"),
            // Whether the octets are a message shows at the end alone.
            Err(FragmentRefused::NotAMessage(_) | FragmentRefused::NotTheMessage) => {
                assert_eq!(at + 1, count);
                let header = Header::peek(message);
                let nested =
                    header.is_ok_and(|one| one.next_payload != PayloadType::CISCO_FRAGMENT);
                assert!(!nested, "a message does not come together");
            }
            Err(FragmentRefused::TooLong { .. }) => {
                assert!(message.len() > CiscoReassembly::MAX_OCTETS);
            }
            Err(refused) => panic!("piece {at} of {count}: {refused}"),
        }
    }
}
