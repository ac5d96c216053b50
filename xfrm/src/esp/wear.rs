//! How far an SA is used up: its counts, and whether they have reached its limits.

use std::{
    num::NonZeroU64,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::{Limit, Limits, SaSpec};

/// Counts of one SA against its limits. Shared by threads; a limit may be overrun by what they have in hand.
pub(super) struct Wear {
    packets: AtomicU64,
    bytes: AtomicU64,
    soft: Limits,
    hard: Limits,
    soft_told: AtomicBool,
    expired: AtomicBool,
}

/// What a packet brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worn {
    /// Nothing.
    No,
    /// A soft limit was reached; said once.
    Soft(Limit),
    /// A hard limit was reached: no further packet; said once.
    Hard(Limit),
}

impl Wear {
    pub(super) const fn new(spec: &SaSpec) -> Self {
        Self {
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            soft: spec.soft,
            hard: spec.hard,
            soft_told: AtomicBool::new(false),
            expired: AtomicBool::new(false),
        }
    }

    /// Whether the SA has reached a hard limit.
    pub(super) fn is_expired(&self) -> bool {
        self.expired.load(Ordering::Relaxed)
    }

    /// Ends the SA; `true` when it had not ended before.
    pub(super) fn expire(&self) -> bool {
        !self.expired.swap(true, Ordering::Relaxed)
    }

    /// Whether a soft limit that time reached is still to be told.
    pub(super) fn tell_soft(&self) -> bool {
        !self.soft_told.swap(true, Ordering::Relaxed)
    }

    /// Counts one packet with an inner packet of `bytes` octets.
    pub(super) fn count(&self, bytes: u64) -> Worn {
        let packets = self
            .packets
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        let bytes = self
            .bytes
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        let reached = |limits: &Limits| {
            let of = |most: Option<NonZeroU64>, count| most.is_some_and(|most| count >= most.get());
            if of(limits.packets, packets) {
                Some(Limit::Packets)
            } else {
                of(limits.bytes, bytes).then_some(Limit::Bytes)
            }
        };
        match (reached(&self.hard), reached(&self.soft)) {
            (Some(limit), _) if self.expire() => Worn::Hard(limit),
            (None, Some(limit)) if self.tell_soft() => Worn::Soft(limit),
            _ => Worn::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esp::tests_support::{GCM_256, sa};

    #[test]
    fn tells_each_limit_once() {
        let mut spec = sa(300, GCM_256);
        spec.soft.packets = NonZeroU64::new(2);
        spec.hard.bytes = NonZeroU64::new(400);
        let wear = Wear::new(&spec);
        assert_eq!(wear.count(100), Worn::No);
        assert_eq!(wear.count(100), Worn::Soft(Limit::Packets));
        assert_eq!(wear.count(100), Worn::No);
        assert!(!wear.is_expired());
        assert_eq!(wear.count(100), Worn::Hard(Limit::Bytes));
        assert!(wear.is_expired());
        assert_eq!(wear.count(100), Worn::No);
        assert!(!wear.expire());
    }

    #[test]
    fn no_limits_never_wear() {
        let wear = Wear::new(&sa(300, GCM_256));
        assert_eq!(wear.count(u64::from(u32::MAX)), Worn::No);
        assert_eq!(wear.count(u64::from(u32::MAX)), Worn::No);
    }
}
