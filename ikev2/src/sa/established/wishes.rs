//! What we want to do on an IKE SA as soon as nothing of ours is under way.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{
    config::{AGAIN_AFTER, RETRY_AFTER, RETRY_FIRST, RETRY_FOR, RETRY_TIMES},
    event::Instant,
    refusal::PeerIncompatible,
    sa::Cx,
    wire::payload::TrafficSelector,
};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Delete the child SA with this inbound SPI.
    DeleteChild(u32),
    /// Replace the child SA with this inbound SPI.
    RekeyChild(u32),
    /// Make another child SA with our and the peer's selectors, for one that the peer has lost, or because the outside
    /// wants one ([`Command::NewChild`](crate::event::Command::NewChild)).
    NewChild([Vec<TrafficSelector>; 2]),
    /// Replace the IKE SA.
    RekeyIke,
    /// Ask for a sign of life.
    Probe,
    /// See whether the peer is heard where it says that it is (RFC 4555 §3.7).
    CheckRoute,
    /// Tell the peer where we are now (RFC 4555 §3.5).
    UpdateAddresses,
    /// Give the peer our token of an IKE SA that we have made (RFC 6290 §4.3).
    GiveToken,
}

/// How a peer has answered a wish with TEMPORARY_FAILURE, or has forgotten what it had begun for it, and with nothing else since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PutOff {
    first: Instant,
    times: u32,
}

/// A wish, and how it was put off.
#[derive(Clone, Debug)]
struct Entry {
    at: Instant,
    put_off: Option<PutOff>,
    wish: Wish,
}

/// A wish whose time has come.
pub(crate) struct Taken {
    pub(crate) wish: Wish,
    pub(crate) put_off: Option<PutOff>,
}

/// Wishes, each there once.
#[derive(Default)]
pub(crate) struct Wishes(Vec<Entry>);

impl Wishes {
    pub(crate) fn has(&self, wish: Wish) -> bool {
        self.0.iter().any(|entry| entry.wish == wish)
    }

    /// Whether a further child SA is wanted.
    pub(crate) fn has_new_child(&self) -> bool {
        let mut wishes = self.0.iter();
        wishes.any(|entry| matches!(entry.wish, Wish::NewChild(_)))
    }

    /// To be done as soon as may be.
    pub(crate) fn add(&mut self, now: Instant, wish: Wish) {
        if !self.has(wish.clone()) {
            self.0.push(Entry {
                at: now,
                put_off: None,
                wish,
            });
        }
    }

    /// RFC 7296 §2.25#2-3: what is put off is not tried again at once, but several times over some minutes.
    ///
    /// # Errors
    ///
    /// [`PeerIncompatible::Busy`] where that has gone on for [`RETRY_FOR`], and not because it could not be tried.
    pub(crate) fn retry(
        &mut self,
        cx: &mut Cx<'_>,
        wish: Wish,
        before: Option<PutOff>,
    ) -> Result<(), PeerIncompatible> {
        let put_off = PutOff {
            first: before.map_or(cx.now, |before| before.first),
            times: before.map_or(0, |before| before.times).saturating_add(1),
        };
        // RFC 7296 §2.25#4: the two ends disagree about the SA.
        if cx.now.since(put_off.first) >= RETRY_FOR && put_off.times >= RETRY_TIMES {
            return Err(PeerIncompatible::Busy);
        }
        let doublings = put_off.times.saturating_sub(1);
        let least = RETRY_FIRST.saturating_mul(2_u32.saturating_pow(doublings));
        let least = least.min(RETRY_AFTER);
        let wait = least.saturating_add(jitter(cx, least));
        self.forget(&wish);
        self.0.push(Entry {
            at: cx.now.after(wait),
            put_off: Some(put_off),
            wish,
        });
        Ok(())
    }

    /// What the peer refused for good is tried again all the same, later, for as long as it is wanted: what it
    /// lacked may be there by then, and the end of the SA's lifetime ends the tries.
    pub(crate) fn again(&mut self, cx: &mut Cx<'_>, wish: Wish) {
        let wait = AGAIN_AFTER.saturating_add(jitter(cx, AGAIN_AFTER));
        self.forget(&wish);
        self.0.push(Entry {
            at: cx.now.after(wait),
            put_off: None,
            wish,
        });
    }

    /// It has come to pass in another way.
    pub(crate) fn forget(&mut self, wish: &Wish) {
        self.0.retain(|entry| entry.wish != *wish);
    }

    /// The next whose time has come.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Taken> {
        let index = self.0.iter().position(|entry| entry.at <= now)?;
        let entry = self.0.remove(index);
        Some(Taken {
            wish: entry.wish,
            put_off: entry.put_off,
        })
    }

    /// When the next one's time comes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|entry| entry.at).min()
    }
}

/// A random part of this time.
pub(crate) fn jitter(cx: &mut Cx<'_>, most: Duration) -> Duration {
    let mut octets = [0; 4];
    cx.rng.fill(&mut octets);
    let millis = u32::try_from(most.as_millis()).unwrap_or(u32::MAX);
    let part = u32::from_be_bytes(octets)
        .checked_rem(millis)
        .unwrap_or_default();
    Duration::from_millis(u64::from(part))
}
