//! How long the client waits before it tries again.

use std::time::Duration;

use crate::random;

/// The first wait and the longest, in seconds.
const WAITS: (u64, u64) = (2, 60);

/// A tunnel that was up so long was no accident: what ends it is something new.
const STEADY: Duration = Duration::from_secs(60);

/// The waits between the tries: each is twice the one before, until a tunnel lasts.
#[derive(Debug)]
pub(super) struct Backoff {
    next: u64,
}

impl Backoff {
    /// Nothing was tried in vain yet.
    pub(super) const fn new() -> Self {
        Self { next: WAITS.0 }
    }

    /// The wait in seconds after a try whose tunnel was `up` for so long, if it was. A headend that `is_back`, as it has just
    /// told itself, is called at once, unless its tunnels do not last: then that is what it is.
    pub(super) fn after(&mut self, up: Option<Duration>, is_back: bool) -> u64 {
        if up.is_some_and(|up| up >= STEADY) {
            self.next = WAITS.0;
            if is_back {
                return 0;
            }
        }
        self.double()
    }

    /// The wait in seconds after a login that cannot go on from where this machine is now: none the first time.
    pub(super) fn after_move(&mut self) -> u64 {
        let first = self.next == WAITS.0;
        let wait = self.double();
        if first { 0 } else { wait }
    }

    fn double(&mut self) -> u64 {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(WAITS.1);
        wait
    }
}

/// This wait, or one that is shorter by up to a half: clients that lost the same headend do not come back as one.
pub(super) fn spread(seconds: u64) -> Duration {
    let longest = Duration::from_secs(seconds);
    let part = f64::from(u32::from_be_bytes(random::octets())) / f64::from(u32::MAX);
    longest.saturating_sub(longest.mul_f64(part / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(backoff: &mut Backoff, up: Option<u64>, is_back: bool) -> u64 {
        backoff.after(up.map(Duration::from_secs), is_back)
    }

    #[test]
    fn a_headend_that_is_back_is_called_at_once_if_its_tunnel_had_lasted() {
        let mut backoff = Backoff::new();
        assert_eq!(after(&mut backoff, Some(3_600), true), 0);
        // It was not back after all.
        assert_eq!(
            [(); 3].map(|()| after(&mut backoff, None, false)),
            [2, 4, 8]
        );
        assert_eq!(after(&mut backoff, Some(60), true), 0);
        assert_eq!(after(&mut backoff, Some(60), false), 2);
    }

    // Were it otherwise, a headend that forgets each session at once would have its clients log in without a pause.
    #[test]
    fn tunnels_that_do_not_last_make_longer_and_longer_waits() {
        for is_back in [true, false] {
            let mut backoff = Backoff::new();
            let waits = [(); 7].map(|()| after(&mut backoff, Some(59), is_back));
            assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
            assert_eq!(after(&mut backoff, Some(60), false), 2);
        }
    }

    #[test]
    fn a_login_begins_anew_at_once_one_time_and_counts_as_a_try() {
        let mut backoff = Backoff::new();
        let waits = [(); 4].map(|()| backoff.after_move());
        assert_eq!(waits, [0, 4, 8, 16]);
        assert_eq!(after(&mut backoff, None, false), 32);
        assert_eq!(after(&mut backoff, Some(60), true), 0);
        assert_eq!(backoff.after_move(), 0);
    }

    #[test]
    fn waits_are_spread_over_their_second_half() {
        let waits: Vec<_> = (0..1_000).map(|_| spread(60).as_secs()).collect();
        assert!(waits.iter().all(|wait| (30..=60).contains(wait)));
        assert!(waits.iter().any(|&wait| wait < 40) && waits.iter().any(|&wait| wait > 50));
        assert_eq!(spread(0), Duration::ZERO);
    }
}
