//! A rate for lines of `debug` that a stranger can provoke. The ordinary log has a [`super::quota`].

use std::time::Duration;

use ironflex_ikev2::event::Instant;

/// Lines about strangers' datagrams that are written in one [`PERIOD`].
pub const LINES: u32 = 20;

/// The same for the other lines: room for a good number of logins, of which each makes some dozens before it is proven.
pub const DEBUG_LINES: u32 = 1000;

/// How long a budget lasts; what was withheld is told when it is over.
pub const PERIOD: Duration = Duration::from_secs(1);

/// What is left of the present period's lines. Without any line there is no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    limit: u32,
    period: Option<Period>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period {
    began: Instant,
    written: u32,
    withheld: u64,
}

impl Budget {
    /// So many lines in each [`PERIOD`].
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self {
            limit,
            period: None,
        }
    }

    /// The lines of one [`PERIOD`].
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Asks for one line, after [`settle`](Self::settle). Returns whether it may be written.
    #[must_use]
    pub fn spend(&mut self, now: Instant) -> bool {
        let period = self.period.get_or_insert(Period {
            began: now,
            written: 0,
            withheld: 0,
        });
        let granted = period.written < self.limit;
        if granted {
            period.written = period.written.saturating_add(1);
        } else {
            period.withheld = period.withheld.saturating_add(1);
        }
        granted
    }

    /// Ends a period that is over. Returns how many lines it withheld, if any.
    pub fn settle(&mut self, now: Instant) -> Option<u64> {
        let over = |period: &mut Period| now.since(period.began) >= PERIOD;
        let period = self.period.take_if(over)?;
        (period.withheld > 0).then_some(period.withheld)
    }

    /// When withheld lines are to be told.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let withholding = self.period.filter(|period| period.withheld > 0);
        withholding.map(|period| period.began.after(PERIOD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::new(Duration::from_millis(millis))
    }

    #[test]
    fn every_line_of_a_flood_is_either_written_or_counted() {
        let mut budget = Budget::new(LINES);
        let (mut written, mut told) = (0_u64, 0_u64);
        // 10 s with a line each millisecond.
        for milli in 0..10_000 {
            told += budget.settle(at(milli)).unwrap_or(0);
            written += u64::from(budget.spend(at(milli)));
        }
        assert_eq!(budget.due(), Some(at(10_000)));
        told += budget.settle(at(10_000)).unwrap();
        assert_eq!((written, told), (200, 9_800));
        assert_eq!(budget, Budget::new(LINES));
    }

    #[test]
    fn few_lines_are_all_written_and_nothing_is_told() {
        let mut budget = Budget::new(LINES);
        for milli in (0..60_000).step_by(100) {
            assert_eq!(budget.settle(at(milli)), None);
            assert!(budget.spend(at(milli)), "{milli} ms");
            assert_eq!(budget.due(), None);
        }
    }
}
