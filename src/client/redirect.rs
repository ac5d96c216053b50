//! Redirection (RFC 5685): where the way leads, and when it is not followed any further.
//!
//! A redirection changes the address that is called and nothing else: whoever is there has to be whom the
//! user named.

use std::{collections::VecDeque, net::IpAddr, time::Duration};

use ironflex_ikev2::event::Instant;

/// Redirections that are followed within `PERIOD` when nothing else is said (RFC 5685 §7).
pub const MAX_REDIRECTS: u8 = 5;

/// How long a redirection counts (RFC 5685 §7).
const PERIOD: Duration = Duration::from_secs(300);

/// One redirection that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// The gateway that sent us on.
    pub from: IpAddr,
    /// The gateway that it sent us to.
    pub to: IpAddr,
}

/// Why a redirection is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Astray {
    /// The gateway names itself.
    #[error("{0} redirects to itself")]
    Itself(IpAddr),
    /// We have been there.
    #[error("redirected in a circle, back to {0}")]
    Circle(IpAddr),
    /// As often as we follow, and again.
    #[error("redirected more than {0} times")]
    TooOften(u8),
}

/// The gateways that have sent us on of late.
pub struct Trail {
    limit: u8,
    left: VecDeque<(Instant, IpAddr)>,
}

impl Trail {
    /// Follows so many redirections within five minutes.
    #[must_use]
    pub const fn new(limit: u8) -> Self {
        Self {
            limit,
            left: VecDeque::new(),
        }
    }

    /// Whether a redirection is followed; then it counts.
    ///
    /// # Errors
    ///
    /// [`Astray`].
    pub fn follow(&mut self, now: Instant, from: IpAddr, to: IpAddr) -> Result<Redirected, Astray> {
        let (from, to) = (from.to_canonical(), to.to_canonical());
        self.left.retain(|(since, _)| now.since(*since) < PERIOD);
        if from == to {
            return Err(Astray::Itself(to));
        }
        if self.left.iter().any(|&(_, left)| left == to) {
            return Err(Astray::Circle(to));
        }
        // RFC 5685 §7#1: not more than so many within a while.
        if self.left.len() >= usize::from(self.limit) {
            return Err(Astray::TooOften(self.limit));
        }
        self.left.push_back((now, from));
        Ok(Redirected { from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    fn gateway(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    // RFC 5685 §7#1: five times within five minutes.
    #[test]
    fn follows_so_often_within_five_minutes_and_again_later() {
        let mut trail = Trail::new(MAX_REDIRECTS);
        for number in 1..=5 {
            let (from, to) = (gateway(number), gateway(number + 1));
            assert_eq!(
                trail.follow(at(number.into()), from, to),
                Ok(Redirected { from, to })
            );
        }
        let further =
            |trail: &mut Trail, seconds| trail.follow(at(seconds), gateway(6), gateway(7));
        assert_eq!(further(&mut trail, 300), Err(Astray::TooOften(5)));
        assert!(further(&mut trail, 301).is_ok());
    }

    #[test]
    fn follows_no_circle_and_nobody_to_itself() {
        let mut trail = Trail::new(MAX_REDIRECTS);
        let [a, b, c] = [1, 2, 3].map(gateway);
        assert_eq!(trail.follow(at(0), a, a), Err(Astray::Itself(a)));
        assert!(trail.follow(at(0), a, b).is_ok());
        assert_eq!(trail.follow(at(1), b, a), Err(Astray::Circle(a)));
        assert!(trail.follow(at(1), b, c).is_ok());
        for back in [a, b] {
            assert_eq!(trail.follow(at(2), c, back), Err(Astray::Circle(back)));
        }
        // What is long past is no circle: a gateway may have been under repair.
        assert!(trail.follow(at(302), c, a).is_ok());
    }

    #[test]
    fn one_address_in_two_spellings_is_one_gateway() {
        let mut trail = Trail::new(MAX_REDIRECTS);
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(
            trail.follow(at(0), gateway(1), mapped),
            Err(Astray::Itself(gateway(1)))
        );
    }
}
