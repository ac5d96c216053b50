//! Fragments of the one message that is next in line, in either form, bounded in count, octets
//! and time.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{
    event::{Discard, Instant},
    wire::{
        fragment::{CiscoReassembly, Progress, Reassembled, ReassemblyLimits, SkfReassembly},
        header::Header,
        message::{CiscoFragment, EncryptedFragment},
    },
};

/// Fragments of one message must all arrive within this.
const LIFETIME: Duration = Duration::from_secs(30);

/// Which message fragments belong to: whether a response, and its message ID. SPIs and direction
/// are the SA's own.
type Key = (bool, u32);

/// The fragments that are kept.
#[derive(Default)]
pub(crate) struct Reassembly(Option<Kept>);

struct Kept {
    key: Key,
    since: Instant,
    pieces: Pieces,
}

enum Pieces {
    Ietf(SkfReassembly),
    Cisco(CiscoReassembly),
}

/// What a fragment of Cisco's led to.
pub(crate) enum Whole {
    Missing,
    /// The encrypted message, not yet authenticated.
    Complete(Vec<u8>),
}

impl Reassembly {
    /// Drops what is kept.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }

    fn take(&mut self, now: Instant, key: Key) -> Option<Kept> {
        self.0
            .take()
            .filter(|kept| kept.key == key && now.since(kept.since) < LIFETIME)
    }

    /// Keeps an authentic RFC 7383 fragment; the whole content when it was the last one missing.
    pub(crate) fn insert_ietf(
        &mut self,
        now: Instant,
        key: Key,
        piece: &EncryptedFragment<'_>,
        content: &[u8],
    ) -> Result<Option<Reassembled>, Discard> {
        let (since, mut pieces) = match self.take(now, key) {
            Some(Kept {
                since,
                pieces: Pieces::Ietf(pieces),
                ..
            }) => (since, pieces),
            _ => (now, SkfReassembly::new(ReassemblyLimits::default())),
        };
        let progress = pieces.insert(piece.number, piece.total, piece.first, content);
        if let Ok(Progress::Complete(whole)) = progress {
            return Ok(Some(whole));
        }
        self.0 = Some(Kept {
            key,
            since,
            pieces: Pieces::Ietf(pieces),
        });
        progress.map(|_| None).map_err(|_| Discard::FragmentRefused)
    }

    /// Keeps a fragment of Cisco's form; the encrypted message when it was the last one missing.
    /// What is complete is no longer kept, so a bad check value drops the buffer and nothing else.
    pub(crate) fn insert_cisco(
        &mut self,
        now: Instant,
        key: Key,
        header: &Header,
        piece: &CiscoFragment<'_>,
    ) -> Result<Whole, Discard> {
        let (since, mut pieces) = match self.take(now, key) {
            Some(Kept {
                since,
                pieces: Pieces::Cisco(pieces),
                ..
            }) => (since, pieces),
            _ => (now, CiscoReassembly::default()),
        };
        let progress = pieces.insert(header, piece);
        if let Ok(Progress::Complete(whole)) = progress {
            return Ok(Whole::Complete(whole));
        }
        self.0 = Some(Kept {
            key,
            since,
            pieces: Pieces::Cisco(pieces),
        });
        progress
            .map(|_| Whole::Missing)
            .map_err(|_| Discard::FragmentRefused)
    }
}
