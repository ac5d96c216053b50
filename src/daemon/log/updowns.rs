//! How many changes of one session's interface are written: a client that is let in may delete its child SAs and make others as
//! often as it likes, each time with two lines.

use std::{collections::BTreeMap, time::Duration};

use ironflex_ikev2::event::{Instant, SaId};

/// Lines of one session that are written in one [`PERIOD`].
pub(super) const LINES: u32 = 20;

/// How long they are counted, from the first one on; what was withheld is told when it is over.
pub(super) const PERIOD: Duration = Duration::from_secs(60);

/// The sessions that had lines in the last period.
#[derive(Debug, Default)]
pub(super) struct UpDowns(BTreeMap<SaId, Period>);

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
        let period = self.0.entry(sa).or_insert(Period {
            began: now,
            virtual_access,
            written: 0,
            withheld: 0,
        });
        let granted = period.written < LINES;
        if granted {
            period.written = period.written.saturating_add(1);
        } else {
            period.withheld = period.withheld.saturating_add(1);
        }
        granted
    }

    /// Ends the periods that are over. Returns the interfaces of which lines were withheld, and how many.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<(u32, u64)> {
        let over = self
            .0
            .extract_if(.., |_, period| now.since(period.began) >= PERIOD);
        over.map(|(_, period)| (period.virtual_access, period.withheld))
            .filter(|&(_, withheld)| withheld > 0)
            .collect()
    }

    /// When withheld lines are to be told.
    pub(super) fn due(&self) -> Option<Instant> {
        let withholding = self.0.values().filter(|period| period.withheld > 0);
        withholding.map(|period| period.began.after(PERIOD)).min()
    }
}
