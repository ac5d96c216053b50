//! What the dataplane would not remove: tried again until it does, for an SA of a session that has ended must not live on.

use std::time::Duration;

use ironflex_ikev2::event::Instant;
use ironflex_xfrm::{Counters, Dataplane, Error, SessionId};

/// How often it is tried.
const PERIOD: Duration = Duration::from_secs(5);

/// Names in the dataplane whose SAs are still there. They are not given to other sessions.
#[derive(Debug, Default)]
pub struct Leftovers {
    ids: Vec<SessionId>,
    next: Instant,
}

impl Leftovers {
    /// This one could not be removed.
    pub fn add(&mut self, id: SessionId) {
        self.ids.push(id);
    }

    /// Those that are still there.
    #[must_use]
    pub fn ids(&self) -> &[SessionId] {
        &self.ids
    }

    /// When the next try is due.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        (!self.ids.is_empty()).then_some(self.next)
    }

    /// Tries again, when it is time. Returns the names that are free now, and what went through each.
    pub fn remove(
        &mut self,
        now: Instant,
        dataplane: &mut dyn Dataplane,
    ) -> Vec<(SessionId, Counters)> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.next = now.after(PERIOD);
        let mut gone = Vec::new();
        self.ids.retain(|&id| match dataplane.remove(id) {
            Ok(through) => {
                gone.push((id, through));
                false
            }
            Err(Error::NoSuchSession(_)) => {
                gone.push((id, Counters::default()));
                false
            }
            Err(_) => true,
        });
        gone
    }
}

#[cfg(test)]
mod tests {
    use ironflex_xfrm::{
        chaos::{Chaos, Faults},
        record::Recorder,
    };

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    #[test]
    fn what_would_not_go_is_tried_again_after_a_while() {
        let always = Faults {
            remove: 1000,
            ..Faults::default()
        };
        let mut dataplane = Chaos::new(Box::new(Recorder::new()), always, 1);
        let id = SessionId::new(7).unwrap();
        let mut leftovers = Leftovers::default();
        assert_eq!(leftovers.due(), None);
        leftovers.add(id);
        assert!(leftovers.due() <= Some(at(100)));
        assert_eq!(leftovers.remove(at(100), &mut dataplane), []);
        assert_eq!(leftovers.due(), Some(at(105)));
        dataplane.set_faults(Faults::default());
        assert_eq!(leftovers.remove(at(104), &mut dataplane), []);
        assert_eq!(
            leftovers.remove(at(105), &mut dataplane),
            [(id, Counters::default())]
        );
        assert_eq!(leftovers.due(), None);
    }
}
