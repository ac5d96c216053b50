//! `clear counters`: what had gone through the interfaces of sessions by then.
//!
//! The counters themselves are the dataplane's, and lifetimes and other commands go by them; they are not touched.

use std::collections::BTreeMap;

use ironflex_ikev2::event::Instant;

use crate::state::{ChildSa, Flow, State};

/// Packets, octets and drops of one direction.
type Through = (u64, u64, u64);

const fn through(flow: &Flow) -> Through {
    (flow.packets, flow.bytes, flow.drops)
}

/// What had gone through at the last `clear counters`, if there was one.
#[derive(Debug, Default)]
pub struct ClearedCounters {
    at: Option<Instant>,
    /// In and out, by the numbers of the session and of its child SA's flow, which stay when SAs are replaced.
    through: BTreeMap<(u32, u32), [Through; 2]>,
}

impl ClearedCounters {
    /// They are cleared now.
    #[must_use]
    pub fn by(state: &State, now: Instant) -> Self {
        let both = |child: &ChildSa| [through(&child.inbound), through(&child.outbound)];
        let children = state.ike_sas.iter().flat_map(|sa| {
            let children = sa.session.iter().flat_map(|session| &session.children);
            children.map(|child| ((sa.session_id, child.flow_id), both(child)))
        });
        Self {
            at: Some(now),
            through: children.collect(),
        }
    }

    /// The same state, with what has gone through since.
    #[must_use]
    pub fn since(&self, mut state: State, now: Instant) -> State {
        state.counters_cleared = self.at.map(|at| now.since(at));
        let children = state.ike_sas.iter_mut().flat_map(|sa| {
            let number = sa.session_id;
            let children = sa
                .session
                .iter_mut()
                .flat_map(|session| &mut session.children);
            children.map(move |child| (number, child))
        });
        for (number, child) in children {
            let Some(before) = self.through.get(&(number, child.flow_id)) else {
                continue;
            };
            let flows = [&mut child.inbound, &mut child.outbound];
            for (flow, &(packets, bytes, drops)) in flows.into_iter().zip(before) {
                flow.packets = flow.packets.saturating_sub(packets);
                flow.bytes = flow.bytes.saturating_sub(bytes);
                flow.drops = flow.drops.saturating_sub(drops);
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::show::test_sessions;

    fn first(state: &mut State) -> &mut ChildSa {
        let session = state.ike_sas[0].session.as_mut().unwrap();
        session.children.first_mut().unwrap()
    }

    #[test]
    fn what_goes_through_later_is_told_and_other_sessions_are_told_in_full() {
        let at = |seconds| Instant::new(Duration::from_secs(seconds));
        let mut state = test_sessions();
        let whole = first(&mut state).clone();
        let never = ClearedCounters::default().since(state.clone(), at(5));
        assert_eq!(never, state);
        let cleared = ClearedCounters::by(&state, at(5));
        first(&mut state).inbound.packets += 3;
        first(&mut state).outbound.bytes += 400;
        let mut told = cleared.since(state.clone(), at(65));
        assert_eq!(told.counters_cleared, Some(Duration::from_secs(60)));
        let child = first(&mut told);
        assert_eq!(through(&child.inbound), (3, 0, 0));
        assert_eq!(through(&child.outbound), (0, 400, 0));
        // The same flow, and another session's.
        state.ike_sas[0].session_id += 1000;
        let mut told = cleared.since(state, at(65));
        assert_eq!(first(&mut told).inbound.packets, whole.inbound.packets + 3);
    }
}
