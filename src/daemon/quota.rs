//! How many lines of the ordinary log peers may provoke that are not authenticated: few of one source, and few of all, so that
//! nobody fills the log, and one source does not silence the others.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use ironflex_ikev2::event::Instant;

/// Lines of all sources that are written in one [`PERIOD`].
pub const LINES: u32 = 100;

/// Lines of one source. A client that tries again and again has about four for each try.
pub const SOURCE_LINES: u32 = 20;

/// How long they are counted; what was withheld is told when it is over.
pub const PERIOD: Duration = Duration::from_secs(60);

/// What is left of the present period's lines. Without any line there is no period.
#[derive(Debug, Default)]
pub struct Quota(Option<Period>);

#[derive(Debug)]
struct Period {
    began: Instant,
    all: Count,
    /// No more of them than lines were written: what a source is refused that has none yet is counted with all alone.
    sources: BTreeMap<IpAddr, Count>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    written: u32,
    withheld: u64,
}

/// What a period withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// How many lines.
    pub lines: u64,
    /// The source that most of them are about, and how many those are.
    pub most: Option<(IpAddr, u64)>,
}

impl Quota {
    /// Asks for a line about a source, after [`settle`](Self::settle). Returns whether it may be written.
    #[must_use]
    pub fn spend(&mut self, now: Instant, source: Option<IpAddr>) -> bool {
        let period = self.0.get_or_insert_with(|| Period {
            began: now,
            all: Count::default(),
            sources: BTreeMap::new(),
        });
        let of_source = source.and_then(|source| period.sources.get(&source));
        let of_source = of_source.map_or(0, |count| count.written);
        let granted = of_source < SOURCE_LINES && period.all.written < LINES;
        period.all.add(granted);
        if let Some(source) = source {
            match period.sources.get_mut(&source) {
                Some(count) => count.add(granted),
                None if granted => period.sources.entry(source).or_default().add(true),
                None => {}
            }
        }
        granted
    }

    /// Ends a period that is over. Returns what it withheld, if anything.
    pub fn settle(&mut self, now: Instant) -> Option<Withheld> {
        let over = |period: &mut Period| now.since(period.began) >= PERIOD;
        let Period { all, sources, .. } = self.0.take_if(over)?;
        let counts = sources.into_iter();
        let withheld = counts.map(|(source, count)| (source, count.withheld));
        let most = withheld.max_by_key(|&(_, lines)| lines);
        (all.withheld > 0).then_some(Withheld {
            lines: all.withheld,
            most: most.filter(|&(_, lines)| lines > 0),
        })
    }

    /// When withheld lines are to be told.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let withholding = self.0.as_ref().filter(|period| period.all.withheld > 0);
        withholding.map(|period| period.began.after(PERIOD))
    }
}

impl Count {
    const fn add(&mut self, granted: bool) {
        if granted {
            self.written = self.written.saturating_add(1);
        } else {
            self.withheld = self.withheld.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    fn source(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn one_source_has_its_share_and_leaves_the_others_theirs() {
        let mut quota = Quota::default();
        let of = |quota: &mut Quota, number, tries| {
            let granted = (0..tries).filter(|_| quota.spend(at(0), Some(source(number))));
            granted.count()
        };
        assert_eq!(of(&mut quota, 1, 1_000), 20);
        assert_eq!(of(&mut quota, 2, 30), 20);
        assert_eq!(of(&mut quota, 3, 10), 10);
        assert_eq!(quota.due(), Some(at(60)));
        assert_eq!(quota.settle(at(59)), None);
        let withheld = Withheld {
            lines: 980 + 10,
            most: Some((source(1), 980)),
        };
        assert_eq!(quota.settle(at(60)), Some(withheld));
        assert_eq!(quota.due(), None);
        assert_eq!(of(&mut quota, 1, 30), 20);
    }

    #[test]
    fn a_flood_under_many_names_is_bounded_in_lines_and_in_memory() {
        let mut quota = Quota::default();
        let granted = (0..100_000).filter(|&number| quota.spend(at(0), Some(source(number))));
        assert_eq!(granted.count(), 100);
        assert_eq!(
            quota.0.as_ref().map(|period| period.sources.len()),
            Some(100)
        );
        let withheld = Withheld {
            lines: 99_900,
            most: None,
        };
        assert_eq!(quota.settle(at(60)), Some(withheld));
    }

    #[test]
    fn few_lines_are_all_written_and_nothing_is_told() {
        let mut quota = Quota::default();
        for second in (0..600).step_by(10) {
            assert_eq!(quota.settle(at(second)), None);
            assert!(quota.spend(at(second), None), "{second} s");
            assert_eq!(quota.due(), None);
        }
    }
}
