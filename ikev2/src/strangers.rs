//! How many SAs of peers that have proven nothing there are, in all and for each source, and what a
//! first request costs its sender therefore: nothing, a cookie, or that it is dropped.
//!
//! A source may claim any address until it has sent a cookie back. Between the watermark of a source
//! and its limit is therefore room that only those can take who receive what is sent there: forged
//! requests in somebody's name cannot lock that somebody out.
//!
//! The networks around a source count too ([`crate::source`]), and the last quarter of all room is for sources that hold
//! few: it takes very many networks together to fill that.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use crate::{
    config::EndpointConfig,
    event::{Discard, Instant},
    source::{Network, Source, Times},
};

/// Bad key exchange values are counted this long.
const SPOILED_PERIOD: Duration = Duration::from_secs(10);

/// Cookies are demanded of everybody this long after the last request above the watermark: a demand that
/// comes and goes would let a repeat without the cookie be taken beside the request with it.
const CALM_DOWN: Duration = Duration::from_secs(10);

/// The last part of all room, the fourth, is for sources that hold few.
const RESERVE: usize = 4;

/// Few is this part of what a source may hold at most.
const FEW: usize = 16;

/// How far a peer has come that has proven nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// IKE_SA_INIT is answered, and nothing was heard since.
    HalfOpen,
    /// Inside IKE_AUTH, or refused there and lingering.
    Negotiating,
}

/// What is counted of one source, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    /// Half-open SAs.
    half_open: usize,
    /// Requests of late whose key exchange value was bad: each has cost as much as a half-open SA.
    spoiled: usize,
    /// SAs of unproven peers, the half-open ones included.
    unproven: usize,
}

impl Count {
    const fn costly(&self) -> usize {
        self.half_open.saturating_add(self.spoiled)
    }

    const fn is_zero(&self) -> bool {
        self.costly() == 0 && self.unproven == 0
    }

    fn add(&mut self, stage: Stage) {
        self.unproven = self.unproven.saturating_add(1);
        if stage == Stage::HalfOpen {
            self.half_open = self.half_open.saturating_add(1);
        }
    }

    fn remove(&mut self, stage: Stage) {
        self.unproven = self.unproven.saturating_sub(1);
        if stage == Stage::HalfOpen {
            self.half_open = self.half_open.saturating_sub(1);
        }
    }
}

/// The counts. A network has an entry for as long as one of its counts is not zero, so there are never
/// more entries than three for each SA and bad key exchange value, both of which are limited.
#[derive(Default)]
pub(crate) struct Strangers {
    all: Count,
    /// Keyed by addresses that anybody may claim: a tree has no bad case to aim at.
    networks: BTreeMap<Network, Count>,
    spoiled: VecDeque<(Instant, Source)>,
    /// Cookies are demanded until then, however few SAs there are.
    calm: Option<Instant>,
}

impl Strangers {
    /// How many SAs are half-open.
    pub(crate) const fn half_open(&self) -> usize {
        self.all.half_open
    }

    /// How many SAs of peers that have proven nothing there are.
    pub(crate) const fn unproven(&self) -> usize {
        self.all.unproven
    }

    /// Whether this source has so many of them, or a network around it as many times that as it may ([`crate::source`]):
    /// `share` is a quarter of all.
    pub(crate) fn holds(&self, source: Source, share: usize) -> bool {
        let all = share.saturating_mul(4);
        source
            .networks()
            .any(|(network, times)| self.of(network).unproven >= times.of(share, all))
    }

    fn of(&self, network: Network) -> Count {
        self.networks.get(&network).copied().unwrap_or_default()
    }

    /// Changes what is counted of a source, of the networks around it, and of all.
    fn change(&mut self, source: Source, by: impl Fn(&mut Count)) {
        by(&mut self.all);
        for (network, _) in source.networks() {
            let count = self.networks.entry(network).or_default();
            by(count);
            if count.is_zero() {
                self.networks.remove(&network);
            }
        }
    }

    /// An SA of this source is at this stage now.
    pub(crate) fn add(&mut self, source: Source, stage: Stage) {
        self.change(source, |count| count.add(stage));
    }

    /// An SA of this source is at this stage no more.
    pub(crate) fn remove(&mut self, source: Source, stage: Stage) {
        self.change(source, |count| count.remove(stage));
    }

    /// This source sent a key exchange value that was bad.
    pub(crate) fn spoil(&mut self, now: Instant, source: Source) {
        self.spoiled.push_back((now, source));
        self.change(source, |count| {
            count.spoiled = count.spoiled.saturating_add(1);
        });
    }

    /// Whether a request of this source is to bring a cookie.
    ///
    /// RFC 7296 §2.6: with many half-open SAs, a responder does no work for an address that has not
    /// shown that it receives what is sent there; here those of one source suffice.
    pub(crate) fn wants_cookie(
        &mut self,
        now: Instant,
        source: Source,
        config: &EndpointConfig,
    ) -> bool {
        while let Some((_, old)) = self
            .spoiled
            .pop_front_if(|(since, _)| now.since(*since) >= SPOILED_PERIOD)
        {
            self.change(old, |count| count.spoiled = count.spoiled.saturating_sub(1));
        }
        let watermark = config.cookie_watermark.min(config.negotiating_limit / 2);
        if self.all.costly() >= watermark {
            self.calm = Some(now.after(CALM_DOWN));
        }
        let crowded = |(network, times): (Network, Times)| {
            let watermark = times.of(config.source_watermark, config.half_open_limit);
            self.of(network).costly() >= watermark
        };
        self.calm.is_some_and(|until| now < until) || source.networks().any(crowded)
    }

    /// Whether there is room for another SA of this source.
    ///
    /// # Errors
    ///
    /// The reason for which the request is dropped, whatever cookie it has.
    pub(crate) fn admits(&self, source: Source, config: &EndpointConfig) -> Result<(), Discard> {
        if self.all.costly() >= config.half_open_limit {
            return Err(Discard::HalfOpenTableFull);
        }
        if self.all.unproven >= config.negotiating_limit {
            return Err(Discard::NegotiatingTableFull);
        }
        let half_open = Room {
            taken: self.all.costly(),
            limit: config.half_open_limit,
            share: config.source_limit,
        };
        let negotiating = Room {
            taken: self.all.unproven,
            limit: config.negotiating_limit,
            share: config.source_negotiating_limit,
        };
        let admitted = source.networks().all(|(network, times)| {
            let own = self.of(network);
            half_open.admits(own.costly(), times) && negotiating.admits(own.unproven, times)
        });
        if admitted {
            Ok(())
        } else {
            Err(Discard::SourceLimited)
        }
    }
}

/// Room that is shared by all.
struct Room {
    taken: usize,
    limit: usize,
    /// What one host may have of it.
    share: usize,
}

impl Room {
    /// Whether a network that holds so much of it, and has so many times a host's share, may have more.
    fn admits(&self, held: usize, times: Times) -> bool {
        let most = times.of(self.share, self.limit);
        let free = self.limit.saturating_sub(self.taken);
        let few = times.of((self.share / FEW).max(1), self.limit / RESERVE);
        held < most && (free > self.limit / RESERVE || held < few)
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv6Addr};

    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    fn at_zero() -> Instant {
        at(0)
    }

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    fn config() -> EndpointConfig {
        EndpointConfig {
            cookie_watermark: 100,
            half_open_limit: 200,
            negotiating_limit: 300,
            source_watermark: 2,
            source_limit: 4,
            source_negotiating_limit: 6,
            ..EndpointConfig::new(Vec::new())
        }
    }

    /// A /64 of a site: the site's number, then its own.
    fn link(site: u16, link: u16) -> Source {
        let address = Ipv6Addr::new(0x2001, 0xdb8, site, link, 0, 0, 0, 1);
        Source::of(address.into())
    }

    /// Fills the table from these sources until no more of them comes in: how many did.
    fn fill(
        strangers: &mut Strangers,
        config: &EndpointConfig,
        stage: Stage,
        sources: impl Iterator<Item = Source>,
    ) -> usize {
        let before = strangers.unproven();
        for source in sources {
            while strangers.admits(source, config).is_ok() {
                strangers.add(source, stage);
            }
        }
        strangers.unproven().saturating_sub(before)
    }

    // A site has a /56 or a /48: 256 or 65,536 networks that each would have a host's share.
    #[test]
    fn the_networks_of_one_site_share_its_limits() {
        let config = config();
        for (stage, host) in [(Stage::HalfOpen, 4), (Stage::Negotiating, 6)] {
            let mut strangers = Strangers::default();
            let one = fill(&mut strangers, &config, stage, [link(1, 0)].into_iter());
            let home = fill(
                &mut strangers,
                &config,
                stage,
                (0..256).map(|at| link(1, at)),
            );
            let site = fill(
                &mut strangers,
                &config,
                stage,
                (0..u16::MAX).map(|at| link(1, at)),
            );
            assert_eq!(
                (one, one + home, one + home + site),
                (host, 2 * host, 4 * host)
            );
            let limited = Err(Discard::SourceLimited);
            assert_eq!(strangers.admits(link(1, 9_999), &config), limited);
            assert_eq!(strangers.admits(link(2, 0), &config), Ok(()));
            // A /24 of IPv4 has 256 addresses.
            let hosts = (0..256u32).map(|host| Source::of(IpAddr::V4((0xc000_0200 | host).into())));
            assert_eq!(fill(&mut strangers, &config, stage, hosts), 8 * host);
            assert_eq!(strangers.admits(source("192.0.2.99"), &config), limited);
            assert_eq!(strangers.admits(source("192.0.3.1"), &config), Ok(()));
        }
        let mut strangers = Strangers::default();
        for at in 0..8 {
            assert!(!strangers.wants_cookie(at_zero(), link(1, at * 256), &config));
            strangers.add(link(1, at * 256), Stage::HalfOpen);
        }
        assert!(strangers.wants_cookie(at_zero(), link(1, 9_999), &config));
        assert!(!strangers.wants_cookie(at_zero(), link(2, 0), &config));
    }

    // Many sites together take three quarters, and of the rest what each source may have that holds few.
    #[test]
    fn the_last_room_is_for_those_who_hold_few() {
        let mut config = config();
        config.source_limit = 40;
        config.source_negotiating_limit = 60;
        let full = [
            (Stage::HalfOpen, config.half_open_limit),
            (Stage::Negotiating, config.negotiating_limit),
        ];
        for (stage, limit) in full {
            let mut strangers = Strangers::default();
            let sites = (0..2u16).flat_map(|site| (0..64).map(move |at| link(site, at * 64)));
            let taken = fill(&mut strangers, &config, stage, sites);
            assert_eq!(taken, limit - limit / RESERVE, "{stage:?}");
            let others = (0..10u32).map(|number| Source::of(IpAddr::V4(number.into())));
            for other in others {
                assert_eq!(strangers.admits(other, &config), Ok(()));
                strangers.add(other, stage);
            }
        }
    }

    #[test]
    fn a_source_is_asked_for_a_cookie_then_dropped_and_others_are_not() {
        let (config, mut strangers) = (config(), Strangers::default());
        let (busy, other) = (source("192.0.2.1"), source("192.0.2.2"));
        for held in 0..4 {
            assert_eq!(strangers.wants_cookie(at(0), busy, &config), held >= 2);
            assert_eq!(strangers.admits(busy, &config), Ok(()));
            strangers.add(busy, Stage::HalfOpen);
        }
        assert_eq!(strangers.admits(busy, &config), Err(Discard::SourceLimited));
        assert!(!strangers.wants_cookie(at(0), other, &config));
        assert_eq!(strangers.admits(other, &config), Ok(()));
        strangers.remove(busy, Stage::HalfOpen);
        assert_eq!(strangers.admits(busy, &config), Ok(()));
    }

    // An SA inside EAP is not half-open, and yet costs memory for minutes.
    #[test]
    fn a_source_has_its_limit_inside_ike_auth_too() {
        let (config, mut strangers) = (config(), Strangers::default());
        let busy = source("192.0.2.1");
        for _ in 0..6 {
            assert_eq!(strangers.admits(busy, &config), Ok(()));
            strangers.add(busy, Stage::Negotiating);
        }
        assert!(!strangers.wants_cookie(at(0), busy, &config));
        assert_eq!(strangers.admits(busy, &config), Err(Discard::SourceLimited));
    }

    #[test]
    fn the_limits_of_all_hold_beside_those_of_a_source() {
        let (config, mut strangers) = (config(), Strangers::default());
        let new = source("198.51.100.1");
        for number in 0..200u32 {
            let address = Source::of(IpAddr::V4((0x0a00_0000 + number).into()));
            assert_eq!(strangers.wants_cookie(at(0), new, &config), number >= 100);
            assert_eq!(strangers.admits(new, &config), Ok(()));
            strangers.add(address, Stage::HalfOpen);
        }
        let full = Err(Discard::HalfOpenTableFull);
        assert_eq!(strangers.admits(new, &config), full);
        let mut strangers = Strangers::default();
        for number in 0..300u32 {
            let address = Source::of(IpAddr::V4((0x0a00_0000 + number).into()));
            strangers.add(address, Stage::Negotiating);
        }
        let full = Err(Discard::NegotiatingTableFull);
        assert_eq!(strangers.admits(new, &config), full);
    }

    #[test]
    fn bad_key_exchange_values_count_for_their_time_and_leave_nothing_behind() {
        let (config, mut strangers) = (config(), Strangers::default());
        let busy = source("192.0.2.1");
        strangers.spoil(at(0), busy);
        strangers.spoil(at(5), busy);
        assert!(strangers.wants_cookie(at(9), busy, &config));
        assert!(!strangers.wants_cookie(at(10), busy, &config));
        let network = busy.networks().next().unwrap().0;
        assert_eq!(strangers.of(network).spoiled, 1);
        assert!(!strangers.wants_cookie(at(15), busy, &config));
        assert_eq!(
            (strangers.all, strangers.networks.len()),
            Default::default()
        );
    }

    // A demand that came and went between two repeats of a client would make it two SAs.
    #[test]
    fn cookies_are_demanded_for_a_while_after_the_last_need() {
        let (mut config, mut strangers) = (config(), Strangers::default());
        config.cookie_watermark = 1;
        let (one, other) = (source("192.0.2.1"), source("192.0.2.2"));
        strangers.add(one, Stage::HalfOpen);
        assert!(strangers.wants_cookie(at(0), other, &config));
        strangers.remove(one, Stage::HalfOpen);
        assert!(strangers.wants_cookie(at(9), other, &config));
        assert!(!strangers.wants_cookie(at(10), other, &config));
    }
}
