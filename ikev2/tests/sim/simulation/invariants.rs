//! What must hold after every step, and what must hold at rest.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use ironflex_ikev2::{
    config::{LIVENESS_TRIES, MAX_CHILDREN, MAX_REPLACED, RETRY_FOR, RETRY_TIMES},
    event::{ChildSa, CloseReason, Path, SaId},
    refusal::{PeerIncompatible, Refusal},
    wire::registry::NotifyType,
};

use super::{end::End, scenario::Side, support::unheard, world::World};

/// Requests of one SA that may wait at once. Each end has one exchange of its own under way at most, and
/// those beside it are the last words of an SA.
const QUEUE: usize = 3;

impl World {
    /// After every input to this end.
    pub(super) fn check(&mut self, side: Side, timeout: bool) {
        let end = self.end(side);
        if timeout {
            // What was due has been done: an instant that stays due would never let anybody sleep.
            let due = end.deadline.is_some_and(|at| at <= self.now);
            assert!(!due, "{side:?}: still due after a timeout");
        }
        self.check_memory(side);
        self.note_spis(side);
        self.judge(side);
        self.check_views(side);
        self.check_traffic();
        self.totals.checks += 4;
    }

    fn check_memory(&self, side: Side) {
        let end = self.end(side);
        let config = match side {
            Side::Headend => &self.scenario.setup.server,
            Side::Client => &self.scenario.setup.client,
        };
        let ever_up = end.records.values().filter(|one| one.established).count();
        let begun = match side {
            Side::Headend => config.negotiating_limit,
            Side::Client => end.records.len(),
        };
        let (held, half_open) = (end.endpoint.len(), end.endpoint.half_open());
        assert!(held <= begun + ever_up, "{side:?}: {held} SAs");
        assert!(
            half_open <= config.half_open_limit,
            "{side:?}: {half_open} half-open"
        );
        let fragments = end.endpoint.fragment_octets();
        assert!(
            fragments <= config.fragment_budget,
            "{side:?}: {fragments} octets of fragments"
        );
        for id in end.up() {
            let beside = end
                .endpoint
                .view(id)
                .map_or(0, |view| view.beside().count());
            assert!(
                beside <= MAX_REPLACED,
                "{side:?} {id}: {beside} IKE SAs beside the one in use"
            );
            let inbound = end.receiving.range((id, 0)..=(id, u32::MAX)).count();
            assert!(
                inbound <= MAX_CHILDREN,
                "{side:?} {id}: {inbound} inbound SAs"
            );
        }
    }

    /// By which SPIs the wire knows the SAs.
    fn note_spis(&mut self, side: Side) {
        let end = self.end_mut(side);
        for view in end.endpoint.views() {
            let Some(record) = end.records.get_mut(&view.id) else {
                panic!("{side:?} {}: nothing was said of it", view.id)
            };
            let spis = (view.initiator_spi.get(), view.responder_spi.get());
            record.spis.insert(spis);
            record.first_spis.get_or_insert(spis);
        }
    }

    /// What the endpoint says of its SAs agrees with what it has told.
    fn check_views(&self, side: Side) {
        let (end, other) = (self.end(side), self.end(side.other()));
        for view in end.endpoint.views() {
            let record = &end.records[&view.id];
            assert!(
                view.queued <= QUEUE,
                "{side:?} {}: {} requests wait",
                view.id,
                view.queued
            );
            if !view.ready {
                continue;
            }
            assert!(
                record.authenticated && record.established && record.over.is_none(),
                "{side:?} {}: ready before its time or after",
                view.id
            );
            let partner = record.partner.and_then(|id| other.records.get(&id));
            assert!(
                partner.is_some_and(|one| one.authenticated || side == Side::Headend),
                "{side:?} {}: nobody at the other side is authenticated",
                view.id
            );
            for child in view.children() {
                let inbound = end.receiving.get(&(view.id, child.inbound_spi));
                let sent = end.children(view.id).any(|one| {
                    one.inbound_spi == child.inbound_spi && one.outbound_spi == child.outbound_spi
                });
                assert!(
                    inbound.is_some() && sent == child.sending,
                    "{side:?} {}: the dataplane does not use {:08X}",
                    view.id,
                    child.inbound_spi
                );
            }
        }
    }

    /// What one end sends the other can read, whenever both are up.
    fn check_traffic(&self) {
        for id in self.client.up() {
            let record = &self.client.records[&id];
            let Some(partner) = record.partner else {
                continue;
            };
            let theirs = &self.headend.records[&partner];
            if record.disturbed || theirs.disturbed || !theirs.is_up() {
                continue;
            }
            let flow = |from: &End, sa: SaId, to: &End, heard_by: SaId| {
                let sending = from.children(sa);
                let sending = sending.filter(|one| {
                    !from.is_spent(sa, one.id, to) && !to.may_be_deaf(from, one.outbound_spi)
                });
                let receiving = to.receiving.iter().filter(|((id, _), _)| *id == heard_by);
                unheard(sending, receiving.map(|(_, child)| child))
            };
            for deaf in [
                flow(&self.client, id, &self.headend, partner),
                flow(&self.headend, partner, &self.client, id),
            ] {
                assert_eq!(deaf, None, "{id}: what is sent on this SPI is not read");
            }
        }
    }

    // --- Comings and goings ---

    /// Whatever came up or ended at this end had a reason.
    fn judge(&mut self, side: Side) {
        for id in std::mem::take(&mut self.end_mut(side).came_up) {
            self.totals.checks += 1;
            self.judge_beginning(side, id);
        }
        for (id, reason) in std::mem::take(&mut self.end_mut(side).ended) {
            self.totals.checks += 1;
            if self.end(side).records[&id].established {
                self.totals.given_up += u64::from(reason == CloseReason::Unanswered);
                self.judge_end(side, id, &reason);
                self.totals.crashes += u64::from(reason == CloseReason::PeerCrashed);
            } else {
                let login = self.end(side).records[&id].login;
                let honest = login.is_some_and(|login| login.honest);
                let mut theirs = self.end(side.other()).records.values();
                let dismissed = theirs.any(|one| {
                    one.partner == Some(id) && (one.told_to_end || one.told_to_delete_child)
                });
                let promised = self.scenario.calm && honest && !dismissed;
                assert!(!promised, "{id}: a login in fair weather ended: {reason}");
            }
        }
    }

    /// RFC 7296 §2.15: an SA comes up when both have proven themselves, and with nobody else.
    fn judge_beginning(&mut self, side: Side, id: SaId) {
        let (end, other) = self.ends(side);
        let record = &end.records[&id];
        assert!(record.authenticated, "{side:?} {id}: up unauthenticated");
        let (initiator, responder) = record.first_spis.expect("an SA that is up was seen");
        let partner = SaId::from_spi(match side {
            Side::Headend => initiator,
            Side::Client => responder,
        });
        let Some(theirs) = other.records.get_mut(&partner) else {
            panic!("{side:?} {id}: up with a stranger")
        };
        theirs.partner = Some(id);
        let (client, headend) = match side {
            Side::Headend => (&*theirs, record),
            Side::Client => (record, &*theirs),
        };
        let honest = client.login.is_some_and(|login| login.honest);
        assert!(
            honest && headend.authenticated,
            "{side:?} {id}: up without proof"
        );
        end.records.get_mut(&id).unwrap().partner = Some(partner);
        if side == Side::Client {
            self.totals.logins += 1;
        }
    }

    /// An SA that is up ends by a command, at its peer's word, or because a request of this end went
    /// without an answer through the whole schedule.
    fn judge_end(&self, side: Side, id: SaId, reason: &CloseReason) {
        let (end, other) = (self.end(side), self.end(side.other()));
        let record = &end.records[&id];
        let theirs = record.partner.and_then(|id| other.records.get(&id));
        // RFC 7296 §1.4.1: where the last child SA has been deleted the IKE SA is of no use; one of several takes nothing along.
        let told = [Some(record), theirs].into_iter().flatten();
        let told = told.filter(|one| one.told_to_delete_child).count() > 0;
        let theirs_alone = record
            .partner
            .is_some_and(|id| other.children(id).next().is_none());
        let childless = told && (record.ended_alone || theirs_alone)
            || self.childless.contains(&(side, id))
            || record
                .partner
                .is_some_and(|id| self.childless.contains(&(side.other(), id)));
        // The client found fault with the last answer, which an attacker may have changed on the way of
        // IKE_SA_INIT, or its dataplane refused.
        let never_up_there = theirs.is_some_and(|one| !one.established);
        let good = match reason {
            // Only an end that has the SA no more can say its token, whoever asked it for one; or one that is ending it by
            // a Delete on its successor, which this end does not know yet.
            CloseReason::PeerCrashed => record
                .partner
                .and_then(|theirs| other.endpoint.view(theirs))
                .is_none_or(|view| view.closing || view.over),
            _ if childless => true,
            CloseReason::Deleted | CloseReason::Forgotten => record.told_to_end,
            CloseReason::PeerDeleted => never_up_there || theirs.is_some_and(|one| one.disturbed),
            CloseReason::Unanswered => self.went_unanswered(end, id),
            CloseReason::Expired => self.scenario.upkeep(side).lifetime.is_some(),
            CloseReason::TimedOut | CloseReason::Redirected(_) => false,
            CloseReason::Refused(Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED)) => {
                never_up_there
            }
            // RFC 7296 §2.25: one that is put off for minutes, and once more, gives up.
            CloseReason::Refused(Refusal::Incompatible(PeerIncompatible::Busy)) => {
                let times = usize::try_from(RETRY_TIMES).unwrap();
                let put_off = &record.put_off;
                let (first, last) = (put_off.first(), put_off.last());
                put_off.len() >= times
                    && first
                        .zip(last)
                        .is_some_and(|(&first, last)| last.since(first) >= RETRY_FOR)
            }
            CloseReason::Refused(_) => false,
        };
        assert!(good, "{side:?} {id}: lost: {reason}");
    }

    fn went_unanswered(&self, end: &End, id: SaId) -> bool {
        let config = match end.side {
            Side::Headend => &self.scenario.setup.server,
            Side::Client => &self.scenario.setup.client,
        };
        // RFC 7296 §2.4: only repeated attempts without an answer say that the peer is gone.
        let waits = 0..config.retransmit_tries;
        let whole: Duration = waits
            .map(|at| config.retransmit_first * 2_u32.pow(at))
            .sum();
        // Where signs of life are asked for, they have a pace of their own.
        let steady = self.scenario.upkeep(end.side).liveness;
        let asked_often = steady.is_some_and(|liveness| {
            let whole = liveness.retry * LIVENESS_TRIES;
            end.gave_up(self.now, id, (whole, LIVENESS_TRIES), true)
        });
        asked_often || end.gave_up(self.now, id, (whole, config.retransmit_tries), false)
    }

    // --- At rest ---

    /// What is not as it must be once the network has been fair for long enough.
    pub(super) fn unrest(&self) -> Option<String> {
        for side in Side::BOTH {
            let (end, other) = (self.end(side), self.end(side.other()));
            let up = end.up().count();
            if end.endpoint.len() != up {
                let held = end.endpoint.len();
                return Some(format!("{side:?}: holds {held} SAs, {up} are up"));
            }
            for id in end.up() {
                let record = &end.records[&id];
                let partner = record.partner.filter(|id| {
                    let theirs = other.records.get(id);
                    theirs.is_some_and(|theirs| theirs.is_up())
                });
                let Some(partner) = partner else {
                    return Some(format!("{side:?} {id}: up at one end only"));
                };
                let ours = end.endpoint.view(id).unwrap();
                let in_use = (ours.initiator_spi.get(), ours.responder_spi.get());
                if record.told_to_replace_ike == Some(in_use) {
                    return Some(format!("{side:?} {id}: the IKE SA is not replaced"));
                }
                let mut kept = record.told_to_replace.iter();
                if let Some(spi) = kept.find(|&&spi| end.receiving.contains_key(&(id, spi))) {
                    return Some(format!("{side:?} {id}: {spi:08X} is not replaced"));
                }
                let theirs = other.endpoint.view(partner).unwrap();
                if (ours.initiator_spi, ours.responder_spi)
                    != (theirs.initiator_spi, theirs.responder_spi)
                {
                    return Some(format!("{side:?} {id}: the ends use other IKE SAs"));
                }
                if let Some(stray) = self.astray(side, id) {
                    return Some(format!("{side:?} {id}: {stray}"));
                }
                if ours.queued != 0 {
                    return Some(format!("{side:?} {id}: a request is under way"));
                }
                let children: Vec<&ChildSa> = end.children(id).collect();
                if children.is_empty() || children.len() != other.children(partner).count() {
                    let theirs = other.children(partner).count();
                    return Some(format!(
                        "{side:?} {id}: sends on {} SAs, its peer on {theirs}",
                        children.len()
                    ));
                }
                // Of whatever replaced each other one is left.
                let receiving: BTreeSet<u32> = end
                    .receiving
                    .range((id, 0)..=(id, u32::MAX))
                    .map(|(&(_, spi), _)| spi)
                    .collect();
                let expected: BTreeSet<u32> = children.iter().map(|one| one.inbound_spi).collect();
                if receiving != expected {
                    return Some(format!(
                        "{side:?} {id}: receives on {receiving:08X?}, not {expected:08X?}"
                    ));
                }
                let crosswise = |child: &&ChildSa| {
                    other.children(partner).any(|theirs| {
                        theirs.inbound_spi == child.outbound_spi
                            && theirs.outbound_spi == child.inbound_spi
                            && theirs.keys.inbound == child.keys.outbound
                            && theirs.keys.outbound == child.keys.inbound
                    })
                };
                if !children.iter().all(crosswise) {
                    return Some(format!("{side:?} {id}: the ends use other child SAs"));
                }
            }
        }
        None
    }

    /// What of an SA does not take the way to where the client is.
    fn astray(&self, side: Side, id: SaId) -> Option<String> {
        let end = self.end(side);
        let client = |path: &Path| match side {
            Side::Headend => path.remote,
            Side::Client => path.local,
        };
        let there = match side {
            Side::Headend => self.network.seen(),
            Side::Client => SocketAddr::new(self.network.host(), 4500),
        };
        let ike = client(&end.endpoint.view(id)?.path);
        if ike != there {
            return Some(format!("IKE goes by {ike}, and not by {there}"));
        }
        let sending = end.sending.iter().map(|((sa, _), child)| (sa, child));
        let receiving = end.receiving.iter().map(|((sa, _), child)| (sa, child));
        let mut esp = sending
            .chain(receiving)
            .filter(|&(sa, _)| *sa == id)
            .map(|(_, child)| client(&child.path));
        let esp = esp.find(|&esp| esp != there)?;
        Some(format!("ESP goes by {esp}, and not by {there}"))
    }

    /// Nothing is left anywhere.
    pub(super) fn check_clean(&mut self) {
        for side in Side::BOTH {
            let end = self.end(side);
            let left = (
                end.endpoint.len(),
                end.endpoint.half_open(),
                end.endpoint.fragment_octets(),
                end.sending.len(),
                end.receiving.len(),
            );
            assert_eq!(left, (0, 0, 0, 0, 0), "{side:?}: left behind");
            assert_eq!(end.deadline, None, "{side:?}: still waits for something");
            self.totals.checks += 1;
        }
    }
}
