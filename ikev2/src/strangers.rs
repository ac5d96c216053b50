//! How many SAs of peers that have proven nothing there are, in all and for each source, and what a
//! first request costs its sender therefore: nothing, a cookie, or that it is dropped.
//!
//! A source may claim any address until it has sent a cookie back. Between the watermark of a source
//! and its limit is therefore room that only those can take who receive what is sent there: forged
//! requests in somebody's name cannot lock that somebody out.

use alloc::collections::{BTreeMap, VecDeque};
use core::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use crate::{
    config::EndpointConfig,
    event::{Discard, Instant},
};

/// Bad key exchange values are counted this long.
const SPOILED_PERIOD: Duration = Duration::from_secs(10);

/// Cookies are demanded of everybody this long after the last request above the watermark: a demand that
/// comes and goes would let a repeat without the cookie be taken beside the request with it.
const CALM_DOWN: Duration = Duration::from_secs(10);

/// Whom a first request counts against: an IPv4 address, or the /64 of an IPv6 address, which one host
/// has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(IpAddr);

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                const NETWORK: u128 = !(u64::MAX as u128);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & NETWORK))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

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

/// The counts. A source has an entry for as long as one of its counts is not zero, so there are never
/// more entries than SAs and bad key exchange values together, both of which are limited.
#[derive(Default)]
pub(crate) struct Strangers {
    all: Count,
    /// Keyed by addresses that anybody may claim: a tree has no bad case to aim at.
    sources: BTreeMap<Source, Count>,
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

    /// How many of them are of this source.
    pub(crate) fn held_by(&self, source: Source) -> usize {
        self.of(source).unproven
    }

    fn of(&self, source: Source) -> Count {
        self.sources.get(&source).copied().unwrap_or_default()
    }

    /// Changes what is counted of a source and of all.
    fn change(&mut self, source: Source, by: impl Fn(&mut Count)) {
        by(&mut self.all);
        let count = self.sources.entry(source).or_default();
        by(count);
        if count.is_zero() {
            self.sources.remove(&source);
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
        self.calm.is_some_and(|until| now < until)
            || self.of(source).costly() >= config.source_watermark
    }

    /// Whether there is room for another SA of this source.
    ///
    /// # Errors
    ///
    /// The reason for which the request is dropped, whatever cookie it has.
    pub(crate) fn admits(&self, source: Source, config: &EndpointConfig) -> Result<(), Discard> {
        let own = self.of(source);
        if own.costly() >= config.source_limit || own.unproven >= config.source_negotiating_limit {
            return Err(Discard::SourceLimited);
        }
        if self.all.costly() >= config.half_open_limit {
            return Err(Discard::HalfOpenTableFull);
        }
        if self.all.unproven >= config.negotiating_limit {
            return Err(Discard::NegotiatingTableFull);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
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

    #[test]
    fn tells_ipv4_sources_by_the_address_and_ipv6_ones_by_the_64() {
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:0:0:2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8::1"));
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
        assert_eq!(strangers.of(busy).spoiled, 1);
        assert!(!strangers.wants_cookie(at(15), busy, &config));
        assert_eq!((strangers.all, strangers.sources.len()), Default::default());
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
