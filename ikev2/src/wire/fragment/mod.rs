//! Cutting messages and putting them together again, in both forms that exist: RFC 7383's, whose pieces are encrypted and
//! authenticated one by one, and Cisco's, whose pieces are those of an encrypted message and prove nothing
//! (docs/anyconnect-eap.md).
//!
//! A reassembly object belongs to one message of one direction, and is bounded in count and octets. Bounding it in time,
//! and how many there are, is for whoever owns it.

mod cisco;
mod skf;

pub use cisco::{CISCO_FRAGMENT_DATA, CiscoReassembly, cut_cisco};
pub use skf::{Reassembled, ReassemblyLimits, SkfReassembly, cut_skf};

use crate::error::InvalidMessage;

/// Octets of memory that an incomplete message occupies beside its fragments, about.
const MESSAGE_OVERHEAD: usize = 512;

/// Octets of memory that a fragment occupies beside its content, about: many fragments of one octet each
/// are not to count for less than they cost.
const FRAGMENT_OVERHEAD: usize = 96;

/// The memory that `fragments` of `octets` together occupy.
const fn memory(fragments: usize, octets: usize) -> usize {
    fragments
        .saturating_mul(FRAGMENT_OVERHEAD)
        .saturating_add(octets)
        .saturating_add(MESSAGE_OVERHEAD)
}

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

#[cfg(test)]
mod test_support {
    use super::super::{
        header::{Flags, Header, InitiatorSpi, MessageId, ResponderSpi},
        registry::ExchangeType,
        sk::SkShape,
    };

    pub(super) const GCM: SkShape = SkShape {
        iv_len: 8,
        block: 1,
        icv_len: 16,
    };
    pub(super) const CBC: SkShape = SkShape {
        iv_len: 16,
        block: 16,
        icv_len: 16,
    };

    pub(super) fn header() -> Header {
        Header::new(
            InitiatorSpi::new(1).unwrap(),
            ResponderSpi::new(2),
            ExchangeType::IKE_AUTH,
            Flags::new(true, false),
            MessageId(1),
        )
    }

    pub(super) fn pattern(length: usize) -> Vec<u8> {
        (0..length)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect()
    }
}
