//! Fragments of messages that are not whole yet, in either form, bounded in count, octets and time.
//!
//! Requests and responses, and the two forms, are kept apart: what anybody can send (Cisco's) must not
//! displace what was authenticated (RFC 7383's), and a peer may answer us and ask us at once.

use alloc::vec::Vec;
use core::{num::NonZeroU16, time::Duration};

use crate::{
    event::{Discard, Instant},
    sa::{link::Form, window::Fingerprint},
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
pub(crate) struct Reassembly {
    requests: Buffers,
    responses: Buffers,
}

/// One message of each form.
#[derive(Default)]
struct Buffers {
    ietf: Option<Kept<SkfReassembly>>,
    cisco: Option<Kept<CiscoReassembly>>,
}

struct Kept<T> {
    id: u32,
    since: Instant,
    pieces: T,
    /// The AAD of the first fragment, where it is needed later.
    head: Vec<u8>,
    /// The fingerprint of the first fragment's datagram. It is that of the message once all of it has been opened.
    beginning: Option<Fingerprint>,
}

impl<T> Kept<T> {
    fn end(&self) -> Instant {
        self.since.after(LIFETIME)
    }
}

/// A message that is not whole yet.
pub(crate) struct Incomplete {
    pub(crate) response: bool,
    pub(crate) form: Form,
    /// When its first fragment came.
    pub(crate) since: Instant,
    /// The memory that it occupies.
    pub(crate) octets: usize,
}

/// What a fragment of Cisco's led to.
pub(crate) enum Whole {
    Missing,
    /// The encrypted message, not yet authenticated, and how it began.
    Complete(Vec<u8>, Option<Fingerprint>),
}

/// What RFC 7383's fragments made.
pub(crate) struct Joined {
    pub(crate) whole: Reassembled,
    /// The AAD of the first one, if AUTH will cover it.
    pub(crate) head: Vec<u8>,
    pub(crate) beginning: Option<Fingerprint>,
}

/// The pieces that are kept for this message, or none yet. A message before its turn does not displace
/// the one whose turn it is, or two that arrive mixed would never be whole.
fn take<T>(
    kept: &mut Option<Kept<T>>,
    now: Instant,
    id: u32,
    fresh: impl FnOnce() -> T,
) -> Result<Kept<T>, Discard> {
    let current = kept.take_if(|kept| kept.id >= id || kept.end() <= now);
    match current {
        Some(current) if current.id == id && now < current.end() => Ok(current),
        None if kept.is_some() => Err(Discard::FragmentRefused),
        _ => Ok(Kept {
            id,
            since: now,
            pieces: fresh(),
            head: Vec::new(),
            beginning: None,
        }),
    }
}

impl Reassembly {
    fn buffers(&mut self, response: bool) -> &mut Buffers {
        if response {
            &mut self.responses
        } else {
            &mut self.requests
        }
    }

    /// Drops what is kept of a message: an authentic whole one has come.
    pub(crate) fn forget(&mut self, (response, id): Key) {
        let buffers = self.buffers(response);
        buffers.ietf.take_if(|kept| kept.id == id);
        buffers.cisco.take_if(|kept| kept.id == id);
    }

    /// Every message that is not whole yet.
    pub(crate) fn incomplete(&self) -> impl Iterator<Item = Incomplete> {
        [(false, &self.requests), (true, &self.responses)]
            .into_iter()
            .flat_map(|(response, buffers)| {
                let ietf = buffers.ietf.as_ref().map(|kept| Incomplete {
                    response,
                    form: Form::Ietf,
                    since: kept.since,
                    octets: kept.pieces.memory().saturating_add(kept.head.len()),
                });
                let cisco = buffers.cisco.as_ref().map(|kept| Incomplete {
                    response,
                    form: Form::Cisco,
                    since: kept.since,
                    octets: kept.pieces.memory(),
                });
                ietf.into_iter().chain(cisco)
            })
    }

    /// Drops a message that is not whole yet.
    pub(crate) fn drop_incomplete(&mut self, response: bool, form: Form) {
        let buffers = self.buffers(response);
        match form {
            Form::Ietf => buffers.ietf = None,
            Form::Cisco => buffers.cisco = None,
        }
    }

    /// When the oldest of what is kept is to be dropped.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [&self.requests, &self.responses]
            .into_iter()
            .flat_map(|buffers| {
                let ietf = buffers.ietf.as_ref().map(Kept::end);
                [ietf, buffers.cisco.as_ref().map(Kept::end)]
            })
            .flatten()
            .min()
    }

    /// Drops what has waited for its rest too long.
    pub(crate) fn expire(&mut self, now: Instant) {
        for buffers in [&mut self.requests, &mut self.responses] {
            // RFC 7383 §2.6#5: what is not complete in time is dropped.
            buffers.ietf.take_if(|kept| kept.end() <= now);
            buffers.cisco.take_if(|kept| kept.end() <= now);
        }
    }

    /// Whether an RFC 7383 fragment would be taken in: asked before it is opened.
    ///
    /// # Errors
    ///
    /// [`Discard::FragmentRefused`]: it is there already, or belongs to no set that could become whole.
    pub(crate) fn admits_ietf(
        &self,
        now: Instant,
        (response, id): Key,
        piece: &EncryptedFragment<'_>,
    ) -> Result<(), Discard> {
        let buffers = if response {
            &self.responses
        } else {
            &self.requests
        };
        let kept = buffers.ietf.as_ref().filter(|kept| now < kept.end());
        let admitted = match kept {
            Some(kept) if kept.id < id => return Err(Discard::FragmentRefused),
            Some(kept) if kept.id == id => kept.pieces.admits(piece.number, piece.total),
            _ => SkfReassembly::new(ReassemblyLimits::default()).admits(piece.number, piece.total),
        };
        admitted.map_err(|_| Discard::FragmentRefused)
    }

    /// Keeps an authentic RFC 7383 fragment; the whole message when it was the last one missing, with the
    /// AAD of its first fragment if `covered` says that AUTH will cover it. `beginning` is the fingerprint of its datagram
    /// if it is the first.
    pub(crate) fn insert_ietf(
        &mut self,
        now: Instant,
        (response, id): Key,
        piece: &EncryptedFragment<'_>,
        content: &[u8],
        covered: bool,
        beginning: Option<Fingerprint>,
    ) -> Result<Option<Joined>, Discard> {
        let slot = &mut self.buffers(response).ietf;
        let mut kept = take(slot, now, id, || {
            SkfReassembly::new(ReassemblyLimits::default())
        })?;
        let progress = kept
            .pieces
            .insert(piece.number, piece.total, piece.first, content);
        if progress.is_ok() && piece.number == NonZeroU16::MIN {
            kept.beginning = beginning;
            if covered {
                kept.head = piece.aad.to_vec();
            }
        }
        if let Ok(Progress::Complete(whole)) = progress {
            self.forget((response, id));
            return Ok(Some(Joined {
                whole,
                head: kept.head,
                beginning: kept.beginning,
            }));
        }
        if let Ok(Progress::Restarted) = progress {
            kept.since = now;
        }
        *slot = Some(kept);
        progress.map(|_| None).map_err(|_| Discard::FragmentRefused)
    }

    /// Keeps a fragment of Cisco's form; the encrypted message when it was the last one missing.
    /// What is complete is no longer kept, so a bad check value drops the buffer and nothing else. `beginning` is as above.
    pub(crate) fn insert_cisco(
        &mut self,
        now: Instant,
        (response, id): Key,
        header: &Header,
        piece: &CiscoFragment<'_>,
        beginning: Option<Fingerprint>,
    ) -> Result<Whole, Discard> {
        let slot = &mut self.buffers(response).cisco;
        let mut kept = take(slot, now, id, CiscoReassembly::default)?;
        let progress = kept.pieces.insert(header, piece);
        // One that is there already stays, and so does what is known of it; another set begins with a first one of its own.
        if progress.is_ok() && piece.number.get() == 1 {
            kept.beginning = beginning;
        }
        if let Ok(Progress::Complete(whole)) = progress {
            return Ok(Whole::Complete(whole, kept.beginning));
        }
        if let Ok(Progress::Restarted) = progress {
            kept.since = now;
        }
        *slot = Some(kept);
        progress
            .map(|_| Whole::Missing)
            .map_err(|_| Discard::FragmentRefused)
    }
}
