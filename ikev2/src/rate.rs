//! How often something may be done.

use core::time::Duration;

use crate::event::Instant;

/// The time in which things are counted.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

/// So many times within a second, counted second by second.
pub(crate) struct RateLimit {
    per_second: u32,
    since: Instant,
    done: u32,
}

impl RateLimit {
    pub(crate) const fn new(now: Instant, per_second: u32) -> Self {
        Self {
            per_second,
            since: now,
            done: 0,
        }
    }

    /// Whether it may be done now; then it counts as done.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        if now.since(self.since) >= PERIOD {
            self.since = now;
            self.done = 0;
        }
        let admitted = self.done < self.per_second;
        if admitted {
            self.done = self.done.saturating_add(1);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_so_many_in_each_second() {
        let at = |millis| Instant::new(Duration::from_millis(millis));
        let mut limit = RateLimit::new(at(0), 2);
        let admitted = [100, 200, 300, 999, 1_000, 1_001, 1_002, 2_000];
        assert_eq!(
            admitted.map(|millis| limit.admits(at(millis))),
            [true, true, false, false, true, true, false, true]
        );
    }
}
