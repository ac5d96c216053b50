//! How many changes of one session's interface are written: a client that is let in may delete its child SAs and make others as
//! often as it likes, each time with two lines.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use ironflex_ikev2::event::{Instant, SaId};

/// Lines of one session that are written in one [`PERIOD`].
pub(super) const LINES: u32 = 20;

/// How long they are counted, from the first one on; what was withheld is told when it is over.
pub(super) const PERIOD: Duration = Duration::from_secs(60);

/// The sessions that had lines in the last period.
#[derive(Debug, Default)]
pub(super) struct UpDowns {
    periods: BTreeMap<SaId, Period>,
    /// When they began, the oldest first: so they end.
    began: VecDeque<(Instant, SaId)>,
    /// Those of which lines were withheld.
    withholding: BTreeSet<(Instant, SaId)>,
}

#[derive(Debug)]
struct Period {
    began: Instant,
    virtual_access: u32,
    written: u32,
    withheld: u64,
}

impl UpDowns {
    /// Asks for a line about a session's interface, after [`settle`](Self::settle). Returns whether it may be written.
    pub(super) fn spend(&mut self, now: Instant, sa: SaId, virtual_access: u32) -> bool {
        let period = self.periods.entry(sa).or_insert_with(|| {
            self.began.push_back((now, sa));
            Period {
                began: now,
                virtual_access,
                written: 0,
                withheld: 0,
            }
        });
        let granted = period.written < LINES;
        if granted {
            period.written = period.written.saturating_add(1);
        } else {
            period.withheld = period.withheld.saturating_add(1);
            self.withholding.insert((period.began, sa));
        }
        granted
    }

    /// Ends the periods that are over. Returns the interfaces of which lines were withheld, and how many.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<(u32, u64)> {
        let mut told = Vec::new();
        while let Some((began, sa)) = self
            .began
            .pop_front_if(|(began, _)| now.since(*began) >= PERIOD)
        {
            let period = self.periods.remove(&sa);
            if let Some(period) = period.filter(|_| self.withholding.remove(&(began, sa))) {
                told.push((period.virtual_access, period.withheld));
            }
        }
        told
    }

    /// When withheld lines are to be told.
    pub(super) fn due(&self) -> Option<Instant> {
        let (began, _) = self.withholding.first()?;
        Some(began.after(PERIOD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    #[test]
    fn periods_end_in_their_order_and_only_what_was_withheld_is_told() {
        let mut up_downs = UpDowns::default();
        let [quiet, first, second] = [1, 2, 3].map(SaId::from_spi);
        assert!(up_downs.spend(at(0), quiet, 1));
        for _ in 0..=LINES {
            up_downs.spend(at(1), first, 2);
        }
        assert_eq!(up_downs.due(), Some(at(61)));
        for _ in 0..=LINES.saturating_add(1) {
            up_downs.spend(at(5), second, 3);
        }
        assert!(up_downs.settle(at(60)).is_empty());
        assert_eq!(up_downs.due(), Some(at(61)));
        assert_eq!(up_downs.settle(at(61)), [(2, 1)]);
        assert_eq!(up_downs.due(), Some(at(65)));
        // The next period of a session is one of its own.
        assert!(up_downs.spend(at(62), first, 2));
        assert_eq!(up_downs.settle(at(70)), [(3, 2)]);
        assert_eq!(up_downs.due(), None);
        assert!(up_downs.settle(at(122)).is_empty());
        assert!(up_downs.periods.is_empty() && up_downs.began.is_empty());
    }
}
