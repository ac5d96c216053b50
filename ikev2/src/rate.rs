//! How often something may be done.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::{event::Instant, strangers::Source};

/// The time in which things are counted.
const PERIOD: Duration = Duration::from_secs(1);

/// One source has this part of what all have: a tenth, as many clients as may stand behind one NAT.
const SOURCES: u32 = 10;

/// So many times within a second, counted second by second, and a part of them for each source.
#[derive(Default)]
pub(crate) struct RateLimit {
    since: Instant,
    done: u32,
    /// Keyed by addresses that anybody may claim. There are no more of them than there were admitted in one second.
    sources: BTreeMap<Source, u32>,
}

impl RateLimit {
    /// Whether it may be done now for this source; then it counts as done.
    pub(crate) fn admits(&mut self, now: Instant, source: Source, per_second: u32) -> bool {
        if now.since(self.since) >= PERIOD {
            self.since = now;
            self.done = 0;
            self.sources.clear();
        }
        let of_source = self.sources.get(&source).copied().unwrap_or_default();
        // What a source is refused is not taken from the others.
        let admitted = of_source < per_second / SOURCES && self.done < per_second;
        if admitted {
            self.done = self.done.saturating_add(1);
            self.sources.insert(source, of_source.saturating_add(1));
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_so_many_in_each_second_and_a_tenth_of_them_for_each_source() {
        let at = |millis| Instant::new(Duration::from_millis(millis));
        let source = |number: u8| Source::of([192, 0, 2, number].into());
        let mut limit = RateLimit::default();
        let admitted = [100, 200, 300, 999, 1_000, 1_001, 1_002, 2_000];
        assert_eq!(
            admitted.map(|millis| limit.admits(at(millis), source(1), 20)),
            [true, true, false, false, true, true, false, true]
        );
        let rest = (2..30).filter(|&number| limit.admits(at(2_001), source(number), 20));
        assert_eq!(rest.count(), 19);
        let rest = (2..30).filter(|&number| limit.admits(at(2_002), source(number), 20));
        assert_eq!(rest.count(), 0);
    }
}
