//! How often something may be done.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::{
    event::Instant,
    source::{Network, Source},
};

/// The time in which things are counted.
const PERIOD: Duration = Duration::from_secs(1);

/// One host has this part of what all have: a tenth, as many clients as may stand behind one NAT.
const HOSTS: usize = 10;

/// So many times within a second, counted second by second, and a part of them for each source.
#[derive(Default)]
pub(crate) struct RateLimit {
    since: Instant,
    done: usize,
    /// Keyed by addresses that anybody may claim. There are no more than three for each of those admitted in one second.
    networks: BTreeMap<Network, usize>,
}

impl RateLimit {
    /// Whether it may be done now for this source; then it counts as done.
    pub(crate) fn admits(&mut self, now: Instant, source: Source, per_second: usize) -> bool {
        if now.since(self.since) >= PERIOD {
            self.since = now;
            self.done = 0;
            self.networks.clear();
        }
        // What a source is refused is not taken from the others.
        let admitted = self.done < per_second
            && source.networks().all(|(network, times)| {
                let done = self.networks.get(&network).copied().unwrap_or_default();
                done < times.of(per_second / HOSTS, per_second)
            });
        if admitted {
            self.done = self.done.saturating_add(1);
            for (network, _) in source.networks() {
                let done = self.networks.entry(network).or_default();
                *done = done.saturating_add(1);
            }
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::new(Duration::from_millis(millis))
    }

    #[test]
    fn admits_so_many_in_each_second_and_a_tenth_of_them_for_each_source() {
        let source = |number: u8| Source::of([192, 0, number, 1].into());
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

    // Who has a site's networks, or all addresses of a /24, leaves the others theirs.
    #[test]
    fn the_networks_of_one_site_share_what_it_is_admitted() {
        let other = Source::of([198, 51, 100, 1].into());
        let ipv4 = |number: u8| Source::of([192, 0, 2, number].into());
        let home = |number: u8| [0x2001, 0xdb8, 1, u16::from(number), 0, 0, 0, 1];
        let site = |number: u8| [0x2001, 0xdb8, 1, u16::from(number) << 8, 0, 0, 0, 1];
        let of: [(&dyn Fn(u8) -> Source, usize); 3] = [
            (&ipv4, 50),
            (&|number| Source::of(home(number).into()), 20),
            (&|number| Source::of(site(number).into()), 40),
        ];
        for (source, most) in of {
            let mut limit = RateLimit::default();
            let admitted = (0..=255).filter(|&number| limit.admits(at(0), source(number), 100));
            assert_eq!(admitted.count(), most);
            assert!(limit.admits(at(0), other, 100));
        }
    }
}
