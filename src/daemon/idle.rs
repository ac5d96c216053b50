//! Sessions that nothing goes through are ended (`set security-association idle-time`). What the headend and its client say
//! to each other in IKE does not count.

use std::{collections::BTreeSet, time::Duration};

use ironflex_ikev2::event::{Instant, SaId};

use super::{session::Deletion, work::House};

/// An idle session is found after this part of its idle time more, at most.
const LOOKS: u32 = 8;

/// When which session is looked at next.
#[derive(Debug, Default)]
pub struct IdleTimers(BTreeSet<(Instant, SaId)>);

impl IdleTimers {
    /// When the next one is to be looked at.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.0.first().map(|&(at, _)| at)
    }
}

/// What had gone through a session when it was last seen to be in use.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    at: Instant,
    packets: [u64; 2],
}

impl Use {
    /// When it was last seen in use.
    pub(super) const fn since(&self) -> Instant {
        self.at
    }

    /// Looks at what has gone through by now: when to look again, or `None` where nothing has gone through for the limit.
    fn look(&mut self, now: Instant, limit: Duration, packets: [u64; 2]) -> Option<Instant> {
        if self.packets != packets {
            *self = Self { at: now, packets };
        }
        let next = now.after(look_after(limit)).min(self.at.after(limit));
        (now.since(self.at) < limit).then_some(next)
    }
}

impl House {
    /// The session is up: its idle time, if it has one, begins.
    pub(super) fn begin_idle_time(&mut self, now: Instant, sa: SaId) {
        let Some(limit) = self.idle_time(sa) else {
            return;
        };
        if let Some(session) = self.sessions.of(sa) {
            session.in_use = Some(Use {
                at: now,
                packets: [0; 2],
            });
            self.idle.0.insert((now.after(look_after(limit)), sa));
        }
    }

    /// The sessions that have been idle for too long. Each is named once.
    pub(super) fn idle_sessions(&mut self, now: Instant) -> Vec<SaId> {
        let mut over = Vec::new();
        while let Some(&(at, sa)) = self.idle.0.first() {
            if at > now {
                break;
            }
            self.idle.0.pop_first();
            let Some(limit) = self.idle_time(sa) else {
                continue;
            };
            let seen = self.packets(sa);
            let Some(session) = self.sessions.of(sa) else {
                continue;
            };
            let before = session.in_use.get_or_insert_with(|| Use {
                at: now,
                packets: seen.unwrap_or_default(),
            });
            // What cannot be read says nothing; the next look may.
            let seen = seen.unwrap_or(before.packets);
            match before.look(now, limit, seen) {
                Some(next) => {
                    self.idle.0.insert((next, sa));
                }
                None => {
                    self.note_deletion(sa, Deletion::Idle);
                    over.push(sa);
                }
            }
        }
        over
    }

    fn idle_time(&self, sa: SaId) -> Option<Duration> {
        let profile = self.sessions.view(sa)?.profile.as_ref()?;
        let seconds = profile.profile.virtual_template.ipsec.idle_time?;
        Some(Duration::from_secs(u64::from(seconds)))
    }
}

fn look_after(limit: Duration) -> Duration {
    limit.checked_div(LOOKS).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    // Packets of either direction count, and the last of them begins the idle time anew.
    #[test]
    fn a_session_is_idle_when_nothing_has_gone_through_for_so_long() {
        let limit = Duration::from_secs(80);
        let mut one = Use {
            at: at(0),
            packets: [0, 0],
        };
        for (seconds, packets, next) in [
            (10, [0, 0], Some(20)),
            (20, [1, 0], Some(30)),
            (75, [1, 0], Some(85)),
            (99, [1, 1], Some(109)),
            (150, [1, 1], Some(160)),
            (175, [1, 1], Some(179)),
            (179, [1, 1], None),
        ] {
            assert_eq!(
                one.look(at(seconds), limit, packets),
                next.map(at),
                "{seconds}"
            );
        }
    }
}
