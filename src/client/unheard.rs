//! What goes into the tunnel while nothing comes out: RFC 7296 §2.4 calls it essential to ask the headend for a sign of life
//! then, without waiting for the next one that is due.

use std::time::Duration;

use ironflex_ikev2::event::Instant;

/// How often the counters are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// How long an answer to what was sent may take. Who only ever sends is asked this often, which costs a short message.
const PATIENCE: Duration = Duration::from_secs(4);

/// The counters as they were when something came last, or when it was last asked for.
#[derive(Debug, Default)]
pub(super) struct Unheard {
    sent: u64,
    heard: u64,
    since: Option<Instant>,
}

impl Unheard {
    /// Looks at how many packets were sent and heard by now. Returns whether to ask for a sign of life.
    #[must_use]
    pub(super) fn look(&mut self, now: Instant, sent: u64, heard: u64) -> bool {
        if heard != self.heard {
            *self = Self {
                sent,
                heard,
                since: None,
            };
            return false;
        }
        if sent == self.sent {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let asks = now.since(since) >= PATIENCE;
        if asks {
            (self.sent, self.since) = (sent, None);
        }
        asks
    }
}

/// When the headend was last heard, in IKE or by what came through the tunnel.
#[derive(Debug, Default)]
pub(super) struct Heard {
    last: Option<Instant>,
    packets: u64,
}

impl Heard {
    /// A message of it was taken.
    pub(super) const fn message(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// So many packets have come through the tunnel by now.
    pub(super) const fn packets(&mut self, now: Instant, packets: u64) {
        if packets != self.packets {
            self.packets = packets;
            self.last = Some(now);
        }
    }

    /// How long a tunnel was in use that came up then: what comes after the headend's last word is only waiting for it.
    pub(super) fn since(&self, up: Instant) -> Duration {
        self.last.map_or(Duration::ZERO, |last| last.since(up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(counts: &[(u64, u64)]) -> Vec<bool> {
        let mut unheard = Unheard::default();
        let at = |look| Instant::new(LOOK.saturating_mul(u32::try_from(look).unwrap()));
        let counts = counts.iter().enumerate();
        counts
            .map(|(look, &(sent, heard))| unheard.look(at(look), sent, heard))
            .collect()
    }

    #[test]
    fn traffic_that_is_answered_or_rests_asks_for_nothing() {
        let answered: Vec<_> = (0..20).map(|look| (look, look)).collect();
        assert!(!looks(&answered).contains(&true));
        assert!(!looks(&[(0, 0); 20]).contains(&true));
        let heard: Vec<_> = (0..20).map(|look| (0, look)).collect();
        assert!(!looks(&heard).contains(&true));
        // The answer is late, and still an answer.
        assert!(!looks(&[(0, 0), (1, 0), (1, 0), (1, 1), (1, 1), (1, 1)]).contains(&true));
    }

    #[test]
    fn one_packet_without_an_answer_asks_once_and_a_stream_again_and_again() {
        let asked = looks(&[(0, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0)]);
        assert_eq!(asked, [false, false, false, true, false, false, false]);
        let stream: Vec<_> = (0..9).map(|look| (look, 0)).collect();
        let asked: Vec<_> = looks(&stream).into_iter().map(u8::from).collect();
        assert_eq!(asked, [0, 0, 0, 1, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_tunnel_was_in_use_until_the_headend_was_last_heard() {
        let at = |seconds| Instant::new(Duration::from_secs(seconds));
        let mut heard = Heard::default();
        let up = at(10);
        assert_eq!(heard.since(up), Duration::ZERO);
        heard.message(at(10));
        heard.packets(at(30), 5);
        // Nothing has come since.
        heard.packets(at(50), 5);
        assert_eq!(heard.since(up), at(30).since(up));
        heard.message(at(70));
        assert_eq!(heard.since(up), at(70).since(up));
        // It has not been heard since it came up.
        assert_eq!(heard.since(at(80)), Duration::ZERO);
    }
}
