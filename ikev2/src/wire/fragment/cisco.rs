//! Cisco's form: an encrypted message in pieces, its header included, none of which proves anything
//! (docs/anyconnect-eap.md).

use alloc::{collections::BTreeMap, vec::Vec};
use core::num::NonZeroU8;

use super::{CannotCut, FragmentRefused, Progress, memory};
use crate::wire::{
    codec::Reader,
    header::Header,
    message::{CiscoFragment, write_cisco_fragment},
    registry::PayloadType,
};

/// How many octets of a message each of Cisco's fragments carries: an IKE message of 1,248 octets, 1,280 with UDP's and
/// IPv4's headers and the non-ESP marker counted in.
pub const CISCO_FRAGMENT_DATA: usize = 1212;

/// Cuts a whole encrypted message into Cisco's fragments with `max_data` octets of it in each, normally
/// [`CISCO_FRAGMENT_DATA`]; `id` is the number of the set. Every fragment repeats the header of the message.
///
/// # Errors
/// [`CannotCut::NotAMessage`] if `message` has no header, [`CannotCut::NoRoom`] for a `max_data` of 0, and
/// [`CannotCut::TooManyFragments`] if more than [`CiscoReassembly::MAX_FRAGMENTS`] would be needed.
pub fn cut_cisco(message: &[u8], id: u16, max_data: usize) -> Result<Vec<Vec<u8>>, CannotCut> {
    let header = Header::read(&mut Reader::new(message)).map_err(CannotCut::NotAMessage)?;
    if max_data == 0 {
        return Err(CannotCut::NoRoom { limit: max_data });
    }
    let pieces = message.chunks(max_data);
    let count = pieces.len();
    if count > CiscoReassembly::MAX_FRAGMENTS {
        return Err(CannotCut::TooManyFragments {
            count,
            most: CiscoReassembly::MAX_FRAGMENTS,
        });
    }
    Ok((1..=u8::MAX)
        .filter_map(NonZeroU8::new)
        .zip(pieces)
        .map(|(number, data)| {
            let last = usize::from(number.get()) == count;
            let mut out = Vec::new();
            write_cisco_fragment(
                &header,
                &CiscoFragment {
                    id,
                    number,
                    last,
                    data,
                },
                &mut out,
            );
            out
        })
        .collect())
}

/// Puts messages together from Cisco's fragments (docs/anyconnect-eap.md).
///
/// Anyone who sees the SPIs can send a fragment that gets in here. So it never insists on what it has: a fragment that
/// contradicts those stored replaces them all, whatever came first, and one complete retransmission by the peer gets
/// through. Only the ICV of the whole decides; where it is bad, drop the message and nothing else.
pub struct CiscoReassembly {
    /// The header and set number that the stored fragments came with.
    set: Option<(Header, u16)>,
    last: Option<NonZeroU8>,
    octets: usize,
    pieces: BTreeMap<NonZeroU8, Vec<u8>>,
}

impl Default for CiscoReassembly {
    fn default() -> Self {
        Self::new()
    }
}

impl CiscoReassembly {
    /// The most fragments of one message.
    pub const MAX_FRAGMENTS: usize = 64;
    /// The most octets of one message.
    pub const MAX_OCTETS: usize = 65_536;

    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            set: None,
            last: None,
            octets: 0,
            pieces: BTreeMap::new(),
        }
    }

    /// Octets of memory that the stored fragments occupy, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        memory(self.pieces.len(), self.octets)
    }

    /// Takes in a fragment that came behind `header`. A complete message is returned as octets for
    /// [`PartialMessage::parse`](crate::wire::PartialMessage::parse): its header is that of the fragments, and it is no fragment
    /// itself.
    ///
    /// # Errors
    /// [`FragmentRefused::TooMany`], [`FragmentRefused::Duplicate`], [`FragmentRefused::TooLong`],
    /// [`FragmentRefused::NotAMessage`] and [`FragmentRefused::NotTheMessage`].
    pub fn insert(
        &mut self,
        header: &Header,
        fragment: &CiscoFragment<'_>,
    ) -> Result<Progress<Vec<u8>>, FragmentRefused> {
        let number = fragment.number;
        if usize::from(number.get()) > Self::MAX_FRAGMENTS {
            return Err(FragmentRefused::TooMany {
                number: number.get().into(),
                limit: Self::MAX_FRAGMENTS,
            });
        }
        let restarted = self.is_contradicted_by(header, fragment);
        if restarted {
            *self = Self::new();
        }
        if self.pieces.contains_key(&number) {
            return Err(FragmentRefused::Duplicate {
                number: number.get().into(),
            });
        }
        let octets = self.octets.saturating_add(fragment.data.len());
        if octets > Self::MAX_OCTETS {
            *self = Self::new();
            return Err(FragmentRefused::TooLong {
                limit: Self::MAX_OCTETS,
            });
        }

        self.set = Some((*header, fragment.id));
        self.octets = octets;
        if fragment.last {
            self.last = Some(number);
        }
        self.pieces.insert(number, fragment.data.to_vec());
        if self
            .last
            .is_some_and(|last| self.pieces.len() == usize::from(last.get()))
        {
            let mut message = Vec::with_capacity(octets);
            for piece in self.pieces.values() {
                message.extend_from_slice(piece);
            }
            *self = Self::new();
            check_whole(header, &message)?;
            Ok(Progress::Complete(message))
        } else if restarted {
            Ok(Progress::Restarted)
        } else {
            Ok(Progress::NeedMore)
        }
    }

    /// Whether the fragment cannot be of the same set as those that are stored.
    fn is_contradicted_by(&self, header: &Header, fragment: &CiscoFragment<'_>) -> bool {
        let Some((stored_header, stored_id)) = &self.set else {
            return false;
        };
        let is_other_set = !stored_header.same_message(header) || *stored_id != fragment.id;
        let is_behind_the_last = self.last.is_some_and(|last| fragment.number > last);
        let is_last_before_others =
            fragment.last && self.pieces.keys().any(|number| *number > fragment.number);
        let differs_in_kind = self.pieces.contains_key(&fragment.number)
            && fragment.last != (self.last == Some(fragment.number));
        is_other_set || is_behind_the_last || is_last_before_others || differs_in_kind
    }
}

/// Checks that what was put together is the message that the fragments announced.
fn check_whole(announced: &Header, message: &[u8]) -> Result<(), FragmentRefused> {
    let header = Header::peek(message).map_err(FragmentRefused::NotAMessage)?;
    // A fragment within fragments would let a few datagrams unfold without end.
    if header.next_payload == PayloadType::CISCO_FRAGMENT || !header.same_message(announced) {
        return Err(FragmentRefused::NotTheMessage);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::test_support::{GCM, header, pattern},
        *,
    };
    use crate::{
        error::InvalidMessage,
        wire::{
            header::MessageId,
            message::{Body, PartialMessage},
            registry::ExchangeType,
            sk::SkFrame,
        },
    };

    fn message(length: usize) -> Vec<u8> {
        let frame = SkFrame::encrypted(
            &header(),
            &[],
            PayloadType::EAP,
            &pattern(length.checked_sub(GCM.message_len(0, 0)).unwrap()),
            GCM,
        );
        frame.unwrap().into_message()
    }

    fn fragment(number: u8, last: bool, data: &[u8]) -> CiscoFragment<'_> {
        CiscoFragment {
            id: 1,
            number: NonZeroU8::new(number).unwrap(),
            last,
            data,
        }
    }

    fn insert(
        buffer: &mut CiscoReassembly,
        datagram: &[u8],
    ) -> Result<Progress<Vec<u8>>, FragmentRefused> {
        let read = PartialMessage::parse(datagram).unwrap();
        let Body::CiscoFragment(fragment) = read.body else {
            panic!("{:?}", read.body)
        };
        buffer.insert(&read.header, &fragment)
    }

    #[test]
    fn cuts_as_captured_and_reassembles_in_any_order() {
        // docs/anyconnect-eap.md: 1,212 octets of data make an IKE message of 1,248.
        let whole = message(3000);
        let pieces = cut_cisco(&whole, 1, CISCO_FRAGMENT_DATA).unwrap();
        let lengths: Vec<_> = pieces.iter().map(Vec::len).collect();
        assert_eq!(lengths, [1248, 1248, 36 + 3000 - 2 * 1212]);
        assert_eq!(pieces[0][16], 132);
        assert_eq!(pieces[0][28..36], [0, 0, 0x04, 0xc4, 0, 1, 1, 0]);
        assert_eq!(pieces[2][32..36], [0, 1, 3, 1]);

        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut buffer = CiscoReassembly::new();
            assert_eq!(
                insert(&mut buffer, &pieces[order[0]]),
                Ok(Progress::NeedMore)
            );
            assert_eq!(
                insert(&mut buffer, &pieces[order[1]]),
                Ok(Progress::NeedMore)
            );
            assert_eq!(
                insert(&mut buffer, &pieces[order[2]]),
                Ok(Progress::Complete(whole.clone()))
            );
        }
    }

    #[test]
    fn cuts_nothing_but_messages_into_at_most_64() {
        let whole = message(64 * 100);
        assert_eq!(cut_cisco(&whole, 1, 100).map(|pieces| pieces.len()), Ok(64));
        assert_eq!(
            cut_cisco(&whole, 1, 99),
            Err(CannotCut::TooManyFragments {
                count: 65,
                most: 64
            })
        );
        assert_eq!(cut_cisco(&whole, 1, 0), Err(CannotCut::NoRoom { limit: 0 }));
        assert_eq!(
            cut_cisco(&whole[..27], 1, 100),
            Err(CannotCut::NotAMessage(InvalidMessage::Truncated {
                what: "IKE header",
                needed: 28,
                available: 27
            }))
        );
    }

    #[test]
    fn discards_duplicates() {
        let mut buffer = CiscoReassembly::new();
        let pieces = cut_cisco(&message(300), 1, 100).unwrap();
        assert_eq!(insert(&mut buffer, &pieces[0]), Ok(Progress::NeedMore));
        assert_eq!(
            insert(&mut buffer, &pieces[0]),
            Err(FragmentRefused::Duplicate { number: 1 })
        );
    }

    #[test]
    fn a_retransmission_gets_through_whatever_was_forged_before_it() {
        let whole = message(300);
        let pieces = cut_cisco(&whole, 1, 100).unwrap();
        let mut other_exchange = header();
        other_exchange.exchange = ExchangeType::INFORMATIONAL;
        let other_set = CiscoFragment {
            id: 2,
            ..fragment(1, false, &[9])
        };
        let forgeries = [
            (header(), fragment(64, true, &[9])),
            (header(), fragment(64, false, &[9])),
            (header(), fragment(2, true, &[9])),
            (header(), fragment(3, false, &[9])),
            (header(), other_set),
            (other_exchange, fragment(1, false, &[9])),
            (header(), fragment(2, false, &[9; 65_000])),
        ];
        for (header, forged) in forgeries {
            for before in 0..3 {
                let mut buffer = CiscoReassembly::new();
                for piece in &pieces[..before] {
                    insert(&mut buffer, piece).unwrap();
                }
                let _ = buffer.insert(&header, &forged);
                // The rest of the first transmission, then one retransmission.
                let sent = pieces[before..].iter().chain(&pieces);
                let completed = sent
                    .filter_map(|piece| match insert(&mut buffer, piece) {
                        Ok(Progress::Complete(message)) => Some(message),
                        _ => None,
                    })
                    .any(|message| message == whole);
                assert!(completed, "{forged:?} after {before}");
            }
        }
    }

    #[test]
    fn starts_over_when_the_set_changes() {
        let mut buffer = CiscoReassembly::new();
        let first = fragment(1, false, &[1]);
        assert_eq!(buffer.insert(&header(), &first), Ok(Progress::NeedMore));
        let next_set = CiscoFragment { id: 2, ..first };
        assert_eq!(buffer.insert(&header(), &next_set), Ok(Progress::Restarted));
        assert_eq!(
            buffer.insert(&header(), &next_set),
            Err(FragmentRefused::Duplicate { number: 1 })
        );
    }

    #[test]
    fn starts_over_on_a_fragment_that_contradicts_the_last() {
        for (stored, contradiction) in [
            ((3, true), (5, false)),
            ((3, true), (5, true)),
            ((3, true), (3, false)),
            ((3, false), (3, true)),
            ((3, true), (2, true)),
            ((3, false), (2, true)),
        ] {
            let mut buffer = CiscoReassembly::new();
            let stored = fragment(stored.0, stored.1, &[1]);
            let contradiction = fragment(contradiction.0, contradiction.1, &[2]);
            assert_eq!(buffer.insert(&header(), &stored), Ok(Progress::NeedMore));
            assert_eq!(
                buffer.insert(&header(), &contradiction),
                Ok(Progress::Restarted)
            );
            assert_eq!(buffer.octets, 1);
        }
    }

    #[test]
    fn refuses_numbers_above_64() {
        assert_eq!(
            CiscoReassembly::new().insert(&header(), &fragment(65, false, &[])),
            Err(FragmentRefused::TooMany {
                number: 65,
                limit: 64
            })
        );
    }

    #[test]
    fn holds_no_more_than_64_kib() {
        let mut buffer = CiscoReassembly::new();
        let half = [0; 32_768];
        assert_eq!(
            buffer.insert(&header(), &fragment(1, false, &half)),
            Ok(Progress::NeedMore)
        );
        assert_eq!(
            buffer.insert(&header(), &fragment(2, false, &half)),
            Ok(Progress::NeedMore)
        );
        assert_eq!(
            buffer.insert(&header(), &fragment(3, false, &[0])),
            Err(FragmentRefused::TooLong { limit: 65_536 })
        );
        assert_eq!(buffer.octets, 0);
    }

    #[test]
    fn refuses_pieces_that_make_no_message() {
        assert_eq!(
            CiscoReassembly::new().insert(&header(), &fragment(1, true, &[7; 27])),
            Err(FragmentRefused::NotAMessage(InvalidMessage::Truncated {
                what: "IKE header",
                needed: 28,
                available: 27
            }))
        );
    }

    #[test]
    fn refuses_another_message_than_announced() {
        let whole = message(100);
        let mut announced = header();
        announced.message_id = MessageId(2);
        assert_eq!(
            CiscoReassembly::new().insert(&announced, &fragment(1, true, &whole)),
            Err(FragmentRefused::NotTheMessage)
        );
    }

    #[test]
    fn refuses_fragments_within_fragments() {
        let inner = cut_cisco(&message(100), 1, 1000).unwrap().remove(0);
        assert_eq!(
            CiscoReassembly::new().insert(&header(), &fragment(1, true, &inner)),
            Err(FragmentRefused::NotTheMessage)
        );
    }
}
