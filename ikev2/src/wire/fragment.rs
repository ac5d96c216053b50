//! Cutting messages and putting them together again, in both forms that exist: RFC 7383's, whose pieces are encrypted and
//! authenticated one by one, and Cisco's, whose pieces are those of an encrypted message and prove nothing
//! (docs/anyconnect-eap.md).
//!
//! A reassembly object belongs to one message of one direction, and is bounded in count and octets. Bounding it in time,
//! and how many there are, is for whoever owns it.

use alloc::{collections::BTreeMap, vec::Vec};
use core::num::{NonZeroU8, NonZeroU16};

use zeroize::Zeroizing;

use crate::{
    error::InvalidMessage,
    wire::{
        codec::Reader,
        header::Header,
        message::{CiscoFragment, write_chain, write_cisco_fragment},
        payload::Payload,
        registry::PayloadType,
        sk::{SkFrame, SkShape},
    },
};

/// How many octets of a message each of Cisco's fragments carries: an IKE message of 1,248 octets, 1,280 with UDP's and
/// IPv4's headers and the non-ESP marker counted in.
pub const CISCO_FRAGMENT_DATA: usize = 1212;

/// Why a message cannot be cut.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CannotCut {
    /// The limit leaves no room for content beside the headers.
    #[error("a limit of {limit} octets leaves no room for content")]
    NoRoom {
        /// The limit in octets.
        limit: usize,
    },
    /// More fragments than there are numbers for.
    #[error("{count} fragments, {most} at most")]
    TooManyFragments {
        /// How many it would take.
        count: usize,
        /// The largest number.
        most: usize,
    },
    /// What is to be cut does not start with an IKE header.
    #[error("not a message: {0}")]
    NotAMessage(InvalidMessage),
}

/// Cuts a message into Encrypted Fragment payloads, one message each, none of which has more than `limit` octets of IKE
/// (a datagram has UDP's and IP's headers and the non-ESP marker besides).
///
/// `clear` (normally empty) stands before the Encrypted payload of the whole message, which holds `content`, the first
/// payload of type `first`. Content that has room in one fragment makes one fragment.
///
/// # Errors
/// [`CannotCut::NoRoom`] and [`CannotCut::TooManyFragments`].
pub fn cut_skf(
    header: &Header,
    clear: &[Payload],
    first: PayloadType,
    content: &[u8],
    limit: usize,
    shape: SkShape,
) -> Result<Vec<SkFrame>, CannotCut> {
    let mut clear_octets = Vec::new();
    write_chain(clear, &mut clear_octets);
    let pieces = cut_content(content, clear_octets.len(), limit, shape)?;
    let total = u16::try_from(pieces.len())
        .ok()
        .and_then(NonZeroU16::new)
        .ok_or(CannotCut::TooManyFragments {
            count: pieces.len(),
            most: usize::from(u16::MAX),
        })?;
    (1..=total.get())
        .filter_map(NonZeroU16::new)
        .zip(pieces)
        .map(|(number, piece)| {
            SkFrame::fragment(header, clear, first, (number, total), piece, shape)
                .map_err(|_| CannotCut::NoRoom { limit })
        })
        .collect()
}

/// Cuts the content of an Encrypted payload into that of Encrypted Fragment payloads, wherever payloads may begin in it
/// (RFC 7383 §2.5). Empty content makes one empty piece.
fn cut_content(
    content: &[u8],
    clear: usize,
    limit: usize,
    shape: SkShape,
) -> Result<Vec<&[u8]>, CannotCut> {
    // RFC 7383 §2.5.3: payloads in clear go with the first fragment, which may then hold no content at all.
    let first = shape
        .fragment_content(clear, limit)
        .ok_or(CannotCut::NoRoom { limit })?;
    let (piece, rest) = content.split_at(first.min(content.len()));
    let mut pieces = Vec::from([piece]);
    if !rest.is_empty() {
        match shape.fragment_content(0, limit) {
            None | Some(0) => return Err(CannotCut::NoRoom { limit }),
            Some(size) => pieces.extend(rest.chunks(size)),
        }
    }
    Ok(pieces)
}

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

/// What became of a fragment that was taken in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Progress<T> {
    /// It was stored; others are missing.
    NeedMore,
    /// It contradicts those stored before, which were dropped: reassembly starts over with it.
    Restarted,
    /// It was the last one missing. The object is empty again.
    Complete(T),
}

/// Why a fragment was not taken in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FragmentRefused {
    /// One with this number is already there.
    #[error("fragment {number} is already there")]
    Duplicate {
        /// Its number.
        number: u16,
    },
    /// It belongs to a set with a smaller total than the one that is being reassembled.
    #[error("fragment of a set of {total}, a set of {current} is being reassembled")]
    OlderSet {
        /// Its total.
        total: u16,
        /// The total of those that are stored.
        current: u16,
    },
    /// Its number or total is above the limit.
    #[error("fragment {number}, {limit} at most")]
    TooMany {
        /// The number or total.
        number: u16,
        /// The limit.
        limit: usize,
    },
    /// The message would be longer than the limit; what was stored has been dropped.
    #[error("more than {limit} octets")]
    TooLong {
        /// The limit in octets.
        limit: usize,
    },
    /// Cisco's form only: the pieces make no IKE message; they have been dropped.
    #[error("the fragments make no message: {0}")]
    NotAMessage(InvalidMessage),
    /// Cisco's form only: the pieces make a message that is not the one that their headers announce, or make yet another
    /// fragment; they have been dropped.
    #[error("the fragments make another message than they announce")]
    NotTheMessage,
}

/// How much a [`SkfReassembly`] holds at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReassemblyLimits {
    /// Fragments.
    pub fragments: u16,
    /// Octets of content together.
    pub octets: usize,
}

impl Default for ReassemblyLimits {
    /// 64 KiB, and as many fragments as make that out of datagrams of 576 octets, with room to spare.
    fn default() -> Self {
        Self {
            fragments: 256,
            octets: 65_536,
        }
    }
}

/// The content of a whole Encrypted payload, put together from opened fragments. Wiped when dropped.
pub struct Reassembled {
    /// The type of the first payload.
    pub first: PayloadType,
    /// The payloads, for [`parse_chain`](super::parse_chain).
    pub content: Zeroizing<Vec<u8>>,
}

/// Puts the content of Encrypted Fragment payloads together (RFC 7383 §2.6).
///
/// Only content that has been opened and found authentic goes in, so nobody but the peer can fill it. Ask
/// [`SkfReassembly::admits`] before opening.
pub struct SkfReassembly {
    limits: ReassemblyLimits,
    total: Option<NonZeroU16>,
    first: PayloadType,
    octets: usize,
    pieces: BTreeMap<NonZeroU16, Zeroizing<Vec<u8>>>,
}

impl SkfReassembly {
    /// Nothing yet.
    #[must_use]
    pub const fn new(limits: ReassemblyLimits) -> Self {
        Self {
            limits,
            total: None,
            first: PayloadType::NONE,
            octets: 0,
            pieces: BTreeMap::new(),
        }
    }

    /// Whether a fragment with these numbers would be taken in: the checks that RFC 7383 §2.6 puts before the ICV.
    ///
    /// # Errors
    /// [`FragmentRefused::TooMany`], [`FragmentRefused::OlderSet`] and [`FragmentRefused::Duplicate`].
    pub fn admits(&self, number: NonZeroU16, total: NonZeroU16) -> Result<(), FragmentRefused> {
        if total.get() > self.limits.fragments {
            return Err(FragmentRefused::TooMany {
                number: total.get(),
                limit: usize::from(self.limits.fragments),
            });
        }
        match self.total {
            // RFC 7383 §2.6: once reassembly has begun, a fragment with a smaller total is discarded.
            Some(current) if total < current => Err(FragmentRefused::OlderSet {
                total: total.get(),
                current: current.get(),
            }),
            // RFC 7383 §2.6: the same number in the same set is a replay.
            Some(current) if total == current && self.pieces.contains_key(&number) => {
                Err(FragmentRefused::Duplicate {
                    number: number.get(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Takes in the opened content, padding stripped, of fragment `number` of `total`; `first` counts with fragment 1.
    ///
    /// # Errors
    /// Those of [`SkfReassembly::admits`], and [`FragmentRefused::TooLong`].
    pub fn insert(
        &mut self,
        number: NonZeroU16,
        total: NonZeroU16,
        first: PayloadType,
        content: &[u8],
    ) -> Result<Progress<Reassembled>, FragmentRefused> {
        self.admits(number, total)?;
        // RFC 7383 §2.6: a larger total means that the peer has cut the message anew, smaller; the sets do not mix.
        let restarted = self.total.is_some_and(|current| total > current);
        if restarted {
            self.clear();
        }
        let octets = self.octets.saturating_add(content.len());
        if octets > self.limits.octets {
            self.clear();
            return Err(FragmentRefused::TooLong {
                limit: self.limits.octets,
            });
        }

        self.total = Some(total);
        self.octets = octets;
        if number == NonZeroU16::MIN {
            self.first = first;
        }
        self.pieces.insert(number, Zeroizing::new(content.to_vec()));
        if self.pieces.len() == usize::from(total.get()) {
            let mut content = Zeroizing::new(Vec::with_capacity(octets));
            for piece in self.pieces.values() {
                content.extend_from_slice(piece);
            }
            let first = self.first;
            self.clear();
            Ok(Progress::Complete(Reassembled { first, content }))
        } else if restarted {
            Ok(Progress::Restarted)
        } else {
            Ok(Progress::NeedMore)
        }
    }

    fn clear(&mut self) {
        *self = Self::new(self.limits);
    }
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

    /// Takes in a fragment that came behind `header`. A complete message is returned as octets for
    /// [`PartialMessage::parse`](super::PartialMessage::parse): its header is that of the fragments, and it is no fragment
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
        let is_another_last =
            fragment.last && self.last.is_some_and(|last| fragment.number != last);
        let is_last_before_others =
            fragment.last && self.pieces.keys().any(|number| *number > fragment.number);
        let differs_in_kind = self.pieces.contains_key(&fragment.number)
            && fragment.last != (self.last == Some(fragment.number));
        is_other_set
            || is_behind_the_last
            || is_another_last
            || is_last_before_others
            || differs_in_kind
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
    use super::*;
    use crate::wire::{
        header::{Flags, InitiatorSpi, MessageId, ResponderSpi},
        message::{Body, PartialMessage},
        registry::ExchangeType,
        sk::strip_padding,
    };

    const GCM: SkShape = SkShape {
        iv_len: 8,
        block: 1,
        icv_len: 16,
    };
    const CBC: SkShape = SkShape {
        iv_len: 16,
        block: 16,
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

    fn n(number: u16) -> NonZeroU16 {
        NonZeroU16::new(number).unwrap()
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect()
    }

    mod skf {
        use super::*;

        fn skf() -> SkfReassembly {
            SkfReassembly::new(ReassemblyLimits {
                fragments: 8,
                octets: 100,
            })
        }

        fn outcome(
            result: Result<Progress<Reassembled>, FragmentRefused>,
        ) -> Result<Progress<(PayloadType, Vec<u8>)>, FragmentRefused> {
            result.map(|progress| match progress {
                Progress::NeedMore => Progress::NeedMore,
                Progress::Restarted => Progress::Restarted,
                Progress::Complete(whole) => {
                    Progress::Complete((whole.first, whole.content.to_vec()))
                }
            })
        }

        fn insert(
            buffer: &mut SkfReassembly,
            (number, total): (u16, u16),
            content: &[u8],
        ) -> Result<Progress<(PayloadType, Vec<u8>)>, FragmentRefused> {
            let first = if number == 1 {
                PayloadType::ID_I
            } else {
                PayloadType::NONE
            };
            outcome(buffer.insert(n(number), n(total), first, content))
        }

        #[test]
        fn cuts_to_the_limit_and_reassembles_in_any_order() {
            for shape in [CBC, GCM] {
                for length in [0, 1, 400, 479, 480, 481, 3000] {
                    let content = pattern(length);
                    let frames =
                        cut_skf(&header(), &[], PayloadType::ID_I, &content, 548, shape).unwrap();
                    let total = frames.len();
                    let mut buffer = SkfReassembly::new(ReassemblyLimits::default());
                    let mut whole = None;
                    for mut frame in frames.into_iter().rev() {
                        assert!(frame.len() <= 548);
                        let opened = strip_padding(frame.parts().plaintext).unwrap().to_vec();
                        let message = frame.into_message();
                        let read = PartialMessage::parse(&message).unwrap();
                        let Body::Fragment(fragment) = read.body else {
                            panic!()
                        };
                        assert_eq!(usize::from(fragment.total.get()), total);
                        let progress = outcome(buffer.insert(
                            fragment.number,
                            fragment.total,
                            fragment.first,
                            &opened,
                        ));
                        if let Ok(Progress::Complete(done)) = progress {
                            whole = Some(done);
                        }
                    }
                    assert_eq!(whole, Some((PayloadType::ID_I, content)));
                }
            }
        }

        #[test]
        fn cutting_needs_room() {
            let cut = |limit| {
                cut_skf(&header(), &[], PayloadType::ID_I, &[7; 9], limit, GCM).map(|f| f.len())
            };
            let overhead = 28 + 8 + 8 + 16 + 1;
            assert_eq!(
                cut(overhead - 1),
                Err(CannotCut::NoRoom {
                    limit: overhead - 1
                })
            );
            assert_eq!(cut(overhead), Err(CannotCut::NoRoom { limit: overhead }));
            assert_eq!(cut(overhead + 1), Ok(9));
            assert_eq!(cut(overhead + 9), Ok(1));
        }

        #[test]
        fn cutting_counts_to_65535() {
            let overhead = 28 + 8 + 8 + 16 + 1;
            let count = 65_536;
            assert_eq!(
                cut_skf(
                    &header(),
                    &[],
                    PayloadType::ID_I,
                    &vec![7; count],
                    overhead + 1,
                    GCM
                )
                .err(),
                Some(CannotCut::TooManyFragments {
                    count,
                    most: 65_535
                })
            );
        }

        #[test]
        fn discards_duplicates() {
            // RFC 7383 §2.6: the first one stays, whatever the second one holds.
            let mut buffer = skf();
            assert_eq!(insert(&mut buffer, (1, 2), &[1]), Ok(Progress::NeedMore));
            assert_eq!(
                insert(&mut buffer, (1, 2), &[9]),
                Err(FragmentRefused::Duplicate { number: 1 })
            );
            assert_eq!(
                insert(&mut buffer, (2, 2), &[2]),
                Ok(Progress::Complete((PayloadType::ID_I, vec![1, 2])))
            );
        }

        #[test]
        fn a_larger_total_starts_over_and_a_smaller_one_is_discarded() {
            // RFC 7383 §2.6.
            let mut buffer = skf();
            assert_eq!(insert(&mut buffer, (1, 2), &[1]), Ok(Progress::NeedMore));
            assert_eq!(insert(&mut buffer, (3, 3), &[3]), Ok(Progress::Restarted));
            assert_eq!(
                insert(&mut buffer, (2, 2), &[9]),
                Err(FragmentRefused::OlderSet {
                    total: 2,
                    current: 3
                })
            );
            assert_eq!(insert(&mut buffer, (2, 3), &[2]), Ok(Progress::NeedMore));
            assert_eq!(
                insert(&mut buffer, (1, 3), &[1]),
                Ok(Progress::Complete((PayloadType::ID_I, vec![1, 2, 3])))
            );
        }

        #[test]
        fn refuses_more_fragments_than_the_limit_before_they_are_opened() {
            let refused = FragmentRefused::TooMany {
                number: 65_535,
                limit: 8,
            };
            assert_eq!(skf().admits(n(1), n(65_535)), Err(refused.clone()));
            assert_eq!(insert(&mut skf(), (1, 65_535), &[]), Err(refused));
            assert_eq!(skf().admits(n(8), n(8)), Ok(()));
        }

        #[test]
        fn drops_what_is_too_long() {
            let mut buffer = skf();
            assert_eq!(
                insert(&mut buffer, (1, 3), &[0; 100]),
                Ok(Progress::NeedMore)
            );
            assert_eq!(
                insert(&mut buffer, (2, 3), &[0]),
                Err(FragmentRefused::TooLong { limit: 100 })
            );
            assert_eq!(insert(&mut buffer, (1, 3), &[1]), Ok(Progress::NeedMore));
        }

        #[test]
        fn is_empty_again_after_a_message() {
            let mut buffer = skf();
            for _ in 0..2 {
                assert_eq!(
                    insert(&mut buffer, (1, 1), &[5]),
                    Ok(Progress::Complete((PayloadType::ID_I, vec![5])))
                );
            }
        }
    }

    mod cisco {
        use super::*;

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
}
