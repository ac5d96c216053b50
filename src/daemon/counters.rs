//! `clear counters`: what had gone through interfaces by then.
//!
//! The counters themselves are the dataplane's and the kernel's, and lifetimes and other commands go by them; they are not touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ironflex_ikev2::event::Instant;
use ironflex_xfrm::netlink::{LinkIndex, LinkTraffic};

use crate::state::{ChildSa, Flow, IkeSa, State};

/// Packets, octets and drops of one direction.
type Through = (u64, u64, u64);

const fn through(flow: &Flow) -> Through {
    (flow.packets, flow.bytes, flow.drops)
}

/// What had gone through both ways of an IKE SA's flows, by the numbers of its session and of each flow.
fn all_through(sa: &IkeSa) -> impl Iterator<Item = ((u32, u32), [Through; 2])> {
    let number = sa.session_id;
    let children = sa.session.iter().flat_map(|session| &session.children);
    children.map(move |child: &ChildSa| {
        let both = [through(&child.inbound), through(&child.outbound)];
        ((number, child.flow_id), both)
    })
}

/// What had gone through at the last `clear counters`, if there was one.
#[derive(Debug, Default)]
pub struct ClearedCounters {
    /// When those of all interfaces were cleared.
    at: Option<Instant>,
    /// When those of one were after that, by the number of its session.
    alone: BTreeMap<u32, Instant>,
    /// In and out, by the numbers of the session and of its child SA's flow, which stay when SAs are replaced.
    through: BTreeMap<(u32, u32), [Through; 2]>,
    /// When those of one interface of the configuration were after that, by its name.
    named: BTreeMap<String, Instant>,
    /// What had gone through devices, by their numbers.
    devices: BTreeMap<LinkIndex, LinkTraffic>,
}

impl ClearedCounters {
    /// They are cleared now. `devices` are those that interfaces stand for.
    #[must_use]
    pub fn by(
        state: &State,
        devices: impl Iterator<Item = (LinkIndex, LinkTraffic)>,
        now: Instant,
    ) -> Self {
        Self {
            at: Some(now),
            alone: BTreeMap::new(),
            through: state.ike_sas.iter().flat_map(all_through).collect(),
            named: BTreeMap::new(),
            devices: devices.collect(),
        }
    }

    /// Those of one interface of the configuration are cleared now, with those of its device. `all` are the names of the interfaces
    /// that there are.
    pub fn clear_named(
        &mut self,
        name: &str,
        device: Option<(LinkIndex, LinkTraffic)>,
        all: &BTreeSet<String>,
        now: Instant,
    ) {
        self.named.retain(|name, _| all.contains(name));
        self.named.insert(name.to_owned(), now);
        self.devices.extend(device);
    }

    /// How long ago those of an interface of the configuration were cleared, if they were.
    #[must_use]
    pub fn ago(&self, name: &str, now: Instant) -> Option<Duration> {
        let at = self.named.get(name).copied().or(self.at)?;
        Some(now.since(at))
    }

    /// What of this has gone through a device since its counters were cleared.
    #[must_use]
    pub fn through(&self, device: LinkIndex, traffic: LinkTraffic) -> LinkTraffic {
        match self.devices.get(&device) {
            Some(before) => traffic.since(*before),
            None => traffic,
        }
    }

    /// Those of one session's interface are cleared now. Whether there is such an interface.
    pub fn clear_one(&mut self, state: &State, virtual_access: u32, now: Instant) -> bool {
        let numbers = state.ike_sas.iter().map(|sa| sa.session_id);
        let numbers: BTreeSet<u32> = numbers.collect();
        // What had gone through sessions that are gone is of no use.
        self.alone.retain(|session, _| numbers.contains(session));
        self.through
            .retain(|(session, _), _| numbers.contains(session));
        let mut found = false;
        for sa in &state.ike_sas {
            let session = sa.session.as_ref();
            if session.is_some_and(|session| session.virtual_access == virtual_access) {
                found = true;
                self.alone.insert(sa.session_id, now);
                self.through.extend(all_through(sa));
            }
        }
        found
    }

    /// The same state, with what has gone through since.
    #[must_use]
    pub fn since(&self, mut state: State, now: Instant) -> State {
        let cleared = state.ike_sas.iter().filter_map(|sa| {
            let at = self.alone.get(&sa.session_id).copied().or(self.at)?;
            Some((sa.session.as_ref()?.virtual_access, now.since(at)))
        });
        state.counters_cleared = cleared.collect();
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
        let cleared = ClearedCounters::by(&state, std::iter::empty(), at(5));
        first(&mut state).inbound.packets += 3;
        first(&mut state).outbound.bytes += 400;
        let mut told = cleared.since(state.clone(), at(65));
        let session = told.ike_sas[0].session.as_ref().unwrap();
        let ago = told.counters_cleared[&session.virtual_access];
        assert_eq!(ago, Duration::from_secs(60));
        let child = first(&mut told);
        assert_eq!(through(&child.inbound), (3, 0, 0));
        assert_eq!(through(&child.outbound), (0, 400, 0));
        // The same flow, and another session's.
        state.ike_sas[0].session_id += 1000;
        let mut told = cleared.since(state, at(65));
        assert_eq!(first(&mut told).inbound.packets, whole.inbound.packets + 3);
    }

    #[test]
    fn a_device_counts_from_when_its_interface_was_cleared() {
        let at = |seconds| Instant::new(Duration::from_secs(seconds));
        let [one, other] = [1, 2].map(|number| LinkIndex::new(number).unwrap());
        let counted = |packets| LinkTraffic {
            received: ironflex_xfrm::netlink::Through {
                packets,
                ..Default::default()
            },
            ..Default::default()
        };
        let names = |all: &[&str]| -> BTreeSet<String> {
            all.iter().map(|&name| name.to_owned()).collect()
        };
        let mut cleared = ClearedCounters::default();
        assert_eq!(cleared.ago("GigabitEthernet1", at(9)), None);
        assert_eq!(cleared.through(one, counted(7)), counted(7));
        let all = names(&["GigabitEthernet1", "Loopback1"]);
        cleared.clear_named("GigabitEthernet1", Some((one, counted(7))), &all, at(10));
        assert_eq!(cleared.through(one, counted(9)), counted(2));
        // Another device, as one is that was made again.
        assert_eq!(cleared.through(other, counted(9)), counted(9));
        let ago = |cleared: &ClearedCounters, name| {
            let ago = cleared.ago(name, at(30));
            ago.map(|ago| ago.as_secs())
        };
        assert_eq!(ago(&cleared, "GigabitEthernet1"), Some(20));
        assert_eq!(ago(&cleared, "Loopback1"), None);
        // What is not there any more is forgotten.
        cleared.clear_named("Loopback1", None, &names(&["Loopback1"]), at(20));
        assert_eq!(ago(&cleared, "GigabitEthernet1"), None);
        let devices = [(one, counted(11))].into_iter();
        let cleared = ClearedCounters::by(&test_sessions(), devices, at(25));
        assert_eq!(ago(&cleared, "Loopback1"), Some(5));
        assert_eq!(cleared.through(one, counted(11)), counted(0));
    }

    #[test]
    fn the_counters_of_one_interface_are_cleared_alone() {
        let at = |seconds| Instant::new(Duration::from_secs(seconds));
        let mut state = test_sessions();
        let mut other = state.ike_sas[0].clone();
        other.session_id += 1000;
        other.session.as_mut().unwrap().virtual_access += 1000;
        let number = other.session.as_ref().unwrap().virtual_access;
        state.ike_sas.insert(0, other);
        let whole = first(&mut state).inbound.packets;
        let mut cleared = ClearedCounters::by(&state, std::iter::empty(), at(5));
        first(&mut state).inbound.packets += 3;
        state.ike_sas[1].session.as_mut().unwrap().children[0]
            .inbound
            .packets += 3;
        assert!(!cleared.clear_one(&state, number + 1, at(35)));
        assert!(cleared.clear_one(&state, number, at(35)));
        let all = cleared.since(state.clone(), at(65));
        let told = all.ike_sas.iter().take(2).map(|sa| {
            let session = sa.session.as_ref().unwrap();
            let ago = all.counters_cleared[&session.virtual_access].as_secs();
            (session.children[0].inbound.packets, ago)
        });
        assert_eq!(told.collect::<Vec<_>>(), [(0, 30), (3, 60)]);
        // Those of a session that has gone are forgotten.
        state.ike_sas.remove(0);
        assert!(!cleared.clear_one(&state, number, at(70)));
        assert!(cleared.alone.is_empty());
        assert!(whole > 0);
    }
}
