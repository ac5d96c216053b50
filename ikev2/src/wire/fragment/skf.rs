//! RFC 7383's form: the content of an Encrypted payload in pieces, each encrypted and authenticated by itself.

use alloc::{collections::BTreeMap, vec::Vec};
use core::num::NonZeroU16;

use zeroize::Zeroizing;

use super::{CannotCut, FragmentRefused, Progress, memory};
use crate::wire::{
    header::Header,
    message::write_chain,
    payload::Payload,
    registry::PayloadType,
    sk::{SkFrame, SkShape},
};

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
        .ok_or_else(|| CannotCut::TooManyFragments {
            count: pieces.len(),
            most: usize::from(u16::MAX),
        })?;
    (1..=total.get())
        .filter_map(NonZeroU16::new)
        .zip(pieces)
        .map(|(number, piece)| {
            // RFC 7383 §2.5#7: the header is that of the whole message.
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
    /// The payloads, for [`parse_chain`](crate::wire::parse_chain).
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

    /// Octets of memory that the stored fragments occupy, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        memory(self.pieces.len(), self.octets)
    }

    /// Whether a fragment with these numbers would be taken in: the checks that RFC 7383 §2.6 puts before the ICV.
    ///
    /// # Errors
    /// [`FragmentRefused::TooMany`], [`FragmentRefused::OlderSet`] and [`FragmentRefused::Duplicate`].
    pub fn admits(&self, number: NonZeroU16, total: NonZeroU16) -> Result<(), FragmentRefused> {
        // RFC 7383 §2.6#1, §5#1,3: no more fragments than 64 KiB can be cut into.
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
            // RFC 7383 §2.6#2, §2.6.1#1: the same number in the same set is a replay.
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
        // RFC 7383 §2.6#4: a larger total means that the peer has cut the message anew, smaller; the sets do not mix.
        let restarted = self.total.is_some_and(|current| total > current);
        if restarted {
            self.clear();
        }
        let octets = self.octets.saturating_add(content.len());
        // RFC 7383 §5#1,3: 64 KiB are enough.
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

#[cfg(test)]
mod tests {
    use super::{
        super::test_support::{CBC, GCM, header, pattern},
        *,
    };
    use crate::wire::{
        message::{Body, PartialMessage},
        sk::strip_padding,
    };

    fn n(number: u16) -> NonZeroU16 {
        NonZeroU16::new(number).unwrap()
    }

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
            Progress::Complete(whole) => Progress::Complete((whole.first, whole.content.to_vec())),
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

    // RFC 7383 §2.5#7: but for first payload and length every piece has the header of the message.
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
                    assert!(read.header.same_message(&header()));
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
        // RFC 7383 §2.6#2, §2.6.1#1: the first one stays, whatever the second one holds.
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
