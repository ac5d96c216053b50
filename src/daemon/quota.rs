//! How many lines of the ordinary log peers may provoke that are not authenticated: few of one source, and few of all, so that
//! nobody fills the log, and no source silences the others, from however many of its addresses.

use std::{collections::BTreeMap, time::Duration};

use ironflex_ikev2::{
    event::Instant,
    source::{Network, Source, Times},
};

/// Lines of all sources that are written in one [`PERIOD`].
pub const LINES: u32 = 100;

/// Lines of one source; the networks around it have the more of them that they have hosts (`most_of`). A client that tries
/// again and again has about four for each try.
pub const SOURCE_LINES: u32 = 20;

/// Lines of the largest network that counts as one source.
pub const NETWORK_LINES: u32 = LINES / 2;

/// How long they are counted; what was withheld is told when it is over.
pub const PERIOD: Duration = Duration::from_secs(60);

/// What is left of the present period's lines. Without any line there is no period.
#[derive(Debug, Default)]
pub struct Quota(Option<Period>);

#[derive(Debug)]
struct Period {
    began: Instant,
    all: Count,
    /// No more of them than lines were written, times the networks that a source counts as: what a network is refused that
    /// has none yet is counted with all alone.
    networks: BTreeMap<Network, Count>,
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
    /// The network that most of them are about, the smallest if there are several around it, and how many those are.
    pub most: Option<(Network, u64)>,
}

/// How many lines a network may have.
fn most_of(times: Times) -> u32 {
    let share = |lines| usize::try_from(lines).unwrap_or(usize::MAX);
    let most = times.of(share(SOURCE_LINES), share(LINES));
    u32::try_from(most).unwrap_or(u32::MAX)
}

impl Quota {
    /// Asks for a line about a source, after [`settle`](Self::settle). Returns whether it may be written.
    #[must_use]
    pub fn spend(&mut self, now: Instant, source: Option<Source>) -> bool {
        let period = self.0.get_or_insert_with(|| Period {
            began: now,
            all: Count::default(),
            networks: BTreeMap::new(),
        });
        let mut networks = source.into_iter().flat_map(Source::networks);
        let granted = period.all.written < LINES
            && networks.all(|(network, times)| {
                let count = period.networks.get(&network);
                count.map_or(0, |count| count.written) < most_of(times)
            });
        period.all.add(granted);
        for (network, _) in source.into_iter().flat_map(Source::networks) {
            match period.networks.get_mut(&network) {
                Some(count) => count.add(granted),
                None if granted => period.networks.entry(network).or_default().add(true),
                None => {}
            }
        }
        granted
    }

    /// Ends a period that is over. Returns what it withheld, if anything.
    pub fn settle(&mut self, now: Instant) -> Option<Withheld> {
        let over = |period: &mut Period| now.since(period.began) >= PERIOD;
        let Period { all, networks, .. } = self.0.take_if(over)?;
        let counts = networks.into_iter();
        let withheld = counts.map(|(network, count)| (network, count.withheld));
        // A network comes before those in it.
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

    /// In a network of its own.
    fn source(number: u32) -> Source {
        Source::of(std::net::Ipv4Addr::from_bits(number << 8 | 1).into())
    }

    fn at_address(address: &str) -> Source {
        Source::of(address.parse().unwrap())
    }

    /// How many of so many lines are granted.
    fn granted(quota: &mut Quota, source: Source, tries: u32) -> usize {
        let granted = (0..tries).filter(|_| quota.spend(at(0), Some(source)));
        granted.count()
    }

    #[test]
    fn one_source_has_its_share_and_leaves_the_others_theirs() {
        let mut quota = Quota::default();
        assert_eq!(granted(&mut quota, source(1), 1_000), 20);
        assert_eq!(granted(&mut quota, source(2), 30), 20);
        assert_eq!(granted(&mut quota, source(3), 10), 10);
        assert_eq!(quota.due(), Some(at(60)));
        assert_eq!(quota.settle(at(59)), None);
        let told = quota.settle(at(60)).unwrap();
        let (network, lines) = told.most.unwrap();
        assert_eq!((told.lines, lines), (980 + 10, 980));
        assert_eq!(network.to_string(), "0.0.1.1");
        assert_eq!(quota.due(), None);
        assert_eq!(granted(&mut quota, source(1), 30), 20);
    }

    // One site of IPv6, and one network of a provider's, with many hosts each.
    #[test]
    fn a_source_with_many_addresses_leaves_half_of_the_lines_to_the_others() {
        for (hosts, written, network) in [
            (
                (0..9)
                    .map(|host| format!("2001:db8:7:{host}00::1"))
                    .collect::<Vec<_>>(),
                50,
                "2001:db8:7::/48",
            ),
            (
                (0..9)
                    .map(|host| format!("2001:db8:7:7{host}::1"))
                    .collect(),
                40,
                "2001:db8:7::/56",
            ),
            (
                (0..9).map(|host| format!("192.0.2.{host}")).collect(),
                50,
                "192.0.2.0/24",
            ),
        ] {
            let mut quota = Quota::default();
            let all: usize = hosts
                .iter()
                .map(|host| granted(&mut quota, at_address(host), 40))
                .sum();
            assert_eq!(all, written, "{network}");
            assert_eq!(granted(&mut quota, at_address("198.51.100.1"), 30), 20);
            let (most, _) = quota.settle(at(60)).unwrap().most.unwrap();
            assert_eq!(most.to_string(), network);
        }
    }

    #[test]
    fn a_flood_under_many_names_is_bounded_in_lines_and_in_memory() {
        let mut quota = Quota::default();
        let granted = (0..100_000).filter(|&number| quota.spend(at(0), Some(source(number))));
        assert_eq!(granted.count(), 100);
        // Each host and the network around it.
        assert_eq!(
            quota.0.as_ref().map(|period| period.networks.len()),
            Some(200)
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
