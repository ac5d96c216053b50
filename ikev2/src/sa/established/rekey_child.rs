//! CREATE_CHILD_SA for child SAs, in both roles (RFC 7296 §1.3.1, §1.3.3, §2.8, §2.17).

use alloc::{boxed::Box, vec::Vec};

use super::{
    Answering, Child, Established, KE_RETRIES, Pending, Policy, Served, Standing, Wish,
    create::{Creation, Half, Reply, lower, named_group, rekey_notify},
    delete_child::Deleted,
    followup::{Asked, Next, Series, Turn},
    installing::Installing,
    wishes::PutOff,
};
use crate::{
    config::{AWAIT_DELETE, Pfs},
    crypto::{
        keys::Role,
        suite::{Additional, EspSuite, Group},
    },
    event::{Answer, Ask, ChildExchanges, ChildId, ChildSa, Event},
    negotiate::{additional::Alternatives, proposal, selector},
    refusal::{PeerIncompatible, Refusal},
    sa::{
        Cx,
        child::{narrow, refused, selectors},
        init,
        keylog::log_child,
        link::Link,
        state::WRONG_ANSWER,
    },
    secret::SharedSecret,
    wire::{
        payload::{Nonce, Notify, Payload, TrafficSelector},
        registry::{ConfigAttributeType, ExchangeType, NotifyType, ProtocolId},
    },
};

/// We are making a child SA.
pub(super) struct RekeyChild {
    /// What it replaces, by the inbound SPI; else it is a new one.
    old: Option<u32>,
    id: ChildId,
    spi: u32,
    step: Step,
    suites: Vec<EspSuite>,
    local: Vec<TrafficSelector>,
    remote: Vec<TrafficSelector>,
    /// The lower nonce of the peer's exchange that replaces the same child SA.
    rival: Option<Nonce>,
    put_off: Option<PutOff>,
    /// Times that it was asked for anew with another key exchange.
    other_groups: u32,
    pub(super) deleted: Deleted,
}

impl RekeyChild {
    /// Whether it is to replace the child SA with this inbound SPI.
    pub(super) fn replaces(&self, inbound_spi: u32) -> bool {
        self.old == Some(inbound_spi)
    }

    /// The same once more.
    fn wanted(self) -> Wanted {
        Wanted {
            old: self.old,
            id: self.id,
            suites: self.suites,
            local: self.local,
            remote: self.remote,
        }
    }
}

/// How far our request has come.
enum Step {
    /// It is out.
    Asked(Half),
    /// The peer has agreed; a further key exchange is out.
    Following(Box<AgreedChild>, Option<SharedSecret>, Turn),
}

impl Step {
    /// The group that was sent, while another can be asked for.
    fn group(&self) -> Option<Group> {
        match self {
            Self::Asked(half) => half.group(),
            Self::Following(..) => None,
        }
    }

    /// It was asked for without a key exchange.
    fn is_without(&self) -> bool {
        matches!(self, Self::Asked(half) if half.group().is_none())
    }
}

/// A child SA that both ends have agreed on, without its keys.
pub(super) struct AgreedChild {
    /// What it replaces, by the inbound SPI; else it is a new one.
    old: Option<u32>,
    id: ChildId,
    suite: EspSuite,
    /// The group of its first key exchange.
    group: Option<Group>,
    /// Those after it.
    additional: Additional,
    inbound_spi: u32,
    outbound_spi: u32,
    local: Vec<TrafficSelector>,
    remote: Vec<TrafficSelector>,
    ni: Nonce,
    nr: Nonce,
}

impl Established {
    // --- As the one who asks ---

    /// Asks for a child SA in the place of one, if that is still there and not on its way out.
    pub(super) fn start_rekey(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        old: u32,
        group: Option<Group>,
        put_off: Option<PutOff>,
    ) -> Result<(), Refusal> {
        let Some(child) = self.children.by_inbound(old) else {
            return Ok(());
        };
        if !child.is_usable() {
            return Ok(());
        }
        let child = child.clone();
        // RFC 7296 §2.8#3, §2.9.2#2: the new one should have the same algorithms and selectors.
        let mut suites = [child.suite].to_vec();
        suites.extend(
            self.policy
                .esp()
                .iter()
                .copied()
                .filter(|&suite| suite != child.suite),
        );
        let wanted = Wanted {
            old: Some(old),
            id: child.id,
            suites,
            local: child.local,
            remote: child.remote,
        };
        self.ask_for(link, cx, wanted, group, put_off, 0)
    }

    /// Asks for a further child SA.
    pub(super) fn start_child(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        limits: &[Vec<TrafficSelector>; 2],
        group: Option<Group>,
        put_off: Option<PutOff>,
    ) -> Result<(), Refusal> {
        let [local, remote] = limits.clone();
        let wanted = Wanted {
            old: None,
            id: self.children.next_id(),
            suites: self.policy.esp().to_vec(),
            local,
            remote,
        };
        self.ask_for(link, cx, wanted, group, put_off, 0)
    }

    fn ask_for(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        wanted: Wanted,
        group: Option<Group>,
        put_off: Option<PutOff>,
        other_groups: u32,
    ) -> Result<(), Refusal> {
        // RFC 7296 §1.3#1-2, §3.4#2: the KE payload is of a group that is offered, the one that the
        // peer is known or expected to take.
        let (group, groups) = self.exchange(cx, group);
        let half = Half::fresh(cx, group)?;
        let spi = cx.fresh_esp_spi();
        // RFC 7296 §1.3.3#1: REKEY_SA says what is to be replaced.
        let mut payloads: Vec<Payload> = wanted.old.map(rekey_notify).into_iter().collect();
        payloads.push(Payload::Sa(proposal::offer_esp(
            &wanted.suites,
            &groups,
            self.further(group),
            spi,
        )));
        // RFC 7296 §3.3.6#12, §3.4#4: without a group on both sides there is no KE payload.
        payloads.extend(half.payloads());
        // RFC 7296 §2.9: whoever asks is the initiator of this exchange, whoever began the IKE SA.
        payloads.push(Payload::TsI(selectors(&wanted.local)));
        payloads.push(Payload::TsR(selectors(&wanted.remote)));
        self.pending = Pending::Child(Box::new(RekeyChild {
            old: wanted.old,
            id: wanted.id,
            spi,
            step: Step::Asked(half),
            suites: wanted.suites,
            local: wanted.local,
            remote: wanted.remote,
            rival: None,
            put_off,
            other_groups,
            deleted: Deleted::default(),
        }));
        link.request(cx, ExchangeType::CREATE_CHILD_SA, payloads)
    }

    /// The answer to our request for a child SA.
    pub(super) fn child_answered(
        &mut self,
        rekey: RekeyChild,
        link: &mut Link,
        cx: &mut Cx<'_>,
        payloads: Vec<Payload>,
    ) -> Result<(), Refusal> {
        if let Some(said) = init::error_of(&payloads) {
            return self.child_refused(rekey, link, cx, said);
        }
        let (mut agreed, first, series) = match rekey.step {
            Step::Asked(half) => {
                let answer = Creation::read(payloads.clone())?;
                let group = half.group();
                let (suite, outbound_spi, additional) =
                    proposal::accept_esp(&rekey.suites, group, self.further(group), &answer.sa)?;
                let (local, remote) = answer.selectors()?;
                selector::within(local, &rekey.local)?;
                selector::within(remote, &rekey.remote)?;
                let ni = half.nonce.clone();
                let secret = half.agree(answer.ke.as_ref())?;
                self.peer_exchanged = group.or(self.peer_exchanged);
                let agreed = AgreedChild {
                    old: rekey.old,
                    id: rekey.id,
                    suite,
                    group,
                    additional,
                    inbound_spi: rekey.spi,
                    outbound_spi,
                    local: local.to_vec(),
                    remote: remote.to_vec(),
                    ni,
                    nr: answer.nonce,
                };
                (Box::new(agreed), secret, Series::of(additional))
            }
            Step::Following(agreed, first, turn) => (agreed, first, turn.conclude(&payloads)?),
        };
        let further = match series.go_on(link, cx, &payloads)? {
            Next::Done(further) => further,
            Next::Turn(turn) => {
                self.pending = Pending::Child(Box::new(RekeyChild {
                    step: Step::Following(agreed, first, turn),
                    ..rekey
                }));
                return Ok(());
            }
        };
        // The peer may have deleted what it was to replace before its answer came here, and the outside has removed all of that
        // name: what is agreed is then one like any other.
        let old = rekey.old.filter(|_| self.children.has(rekey.id));
        if old.is_none() && rekey.old.is_some() {
            agreed.id = self.children.next_id();
        }
        agreed.old = old;
        // RFC 7296 §2.8, §1.4.1: the peer has deleted it already; its Delete has overtaken its answer.
        if rekey.deleted.has(agreed.outbound_spi) {
            let refused = PeerIncompatible::Withdrawn;
            cx.event(link.id, Event::RekeyRefused(refused.into()));
            if old.is_none() {
                self.children.had_one();
            }
            // What was deleted may have been an earlier one of the same SPI; whoever has none now passes over it.
            return self.send_delete(link, cx, [rekey.spi].to_vec());
        }
        // RFC 7296 §2.9.2#1: what replaces a child SA carries all that the old one did; one that is narrower
        // is deleted again.
        let narrower = selector::within(&rekey.local, &agreed.local).is_err()
            || selector::within(&rekey.remote, &agreed.remote).is_err();
        if old.is_some() && narrower {
            let refused = PeerIncompatible::TsUnacceptable;
            cx.event(link.id, Event::RekeyRefused(refused.into()));
            return self.send_delete(link, cx, [rekey.spi].to_vec());
        }
        // RFC 7296 §3.3.1, §2.25.1: what either end says of an SPI has to be about one child SA.
        if self.has_outbound(agreed.outbound_spi) {
            let refused = PeerIncompatible::SpiInUse;
            cx.event(link.id, Event::RekeyRefused(refused.into()));
            return self.send_delete(link, cx, [rekey.spi].to_vec());
        }
        let (ni, nr) = (agreed.ni.clone(), agreed.nr.clone());
        let sa = self.keyed(link, *agreed, Role::Initiator, (first.as_ref(), &further));
        log_child(link, cx, &sa);
        let child = Child::of(&sa);
        let ask = match old {
            Some(_) => cx.ask(link.id, Ask::Rekey(sa)),
            None => cx.ask(link.id, Ask::Install(sa)),
        };
        let nonce = lower(&ni, &nr).clone();
        self.pending = Pending::Installing(Installing::new(ask, child, (old, rekey.rival), nonce));
        Ok(())
    }

    /// RFC 7296 §1.3.1#3: a child SA that fails leaves the IKE SA up.
    fn child_refused(
        &mut self,
        rekey: RekeyChild,
        link: &mut Link,
        cx: &mut Cx<'_>,
        said: &Notify,
    ) -> Result<(), Refusal> {
        let wish = match rekey.old {
            Some(old) => Wish::RekeyChild(old),
            None => Wish::NewChild([rekey.local.clone(), rekey.remote.clone()]),
        };
        let gone = rekey
            .old
            .is_some_and(|old| self.children.by_inbound(old).is_none());
        match said.kind {
            // The peer was faster: what we wanted to replace is replaced.
            _ if gone || rekey.rival.is_some() => {}
            NotifyType::TEMPORARY_FAILURE => self.wishes.retry(cx, wish, rekey.put_off)?,
            // RFC 9370 §rules#9: what the peer has forgotten is begun anew.
            NotifyType::STATE_NOT_FOUND if matches!(rekey.step, Step::Following(..)) => {
                self.wishes.retry(cx, wish, rekey.put_off)?;
            }
            NotifyType::INVALID_KE_PAYLOAD | NotifyType::NO_PROPOSAL_CHOSEN
                if rekey.other_groups < KE_RETRIES
                    && let Some(group) = self.better_group(link, cx, &rekey.step, said) =>
            {
                let tries = rekey.other_groups.saturating_add(1);
                let put_off = rekey.put_off;
                return self.ask_for(link, cx, rekey.wanted(), Some(group), put_off, tries);
            }
            // What the peer has taken before it takes no more, though every other group was offered as well: its
            // configuration may be another now, or that exchange was an exception.
            NotifyType::NO_PROPOSAL_CHOSEN
                if rekey.other_groups < KE_RETRIES && self.unlearn_group(&rekey.step) =>
            {
                let put_off = rekey.put_off;
                return self.ask_for(link, cx, rekey.wanted(), None, put_off, KE_RETRIES);
            }
            // RFC 7296 §2.25#6: the peer has lost it, so it is of no use; another takes its place.
            NotifyType::CHILD_SA_NOT_FOUND if let Some(old) = rekey.old => {
                self.children.remove(link.id, cx, old);
                // What it had replaced may have taken its place again.
                if !self.children.has(rekey.id) {
                    let limits = [rekey.local, rekey.remote];
                    self.wishes.add(cx.now, Wish::NewChild(limits));
                }
            }
            // RFC 7296 §1.3: the old one goes on, until its lifetime is over.
            kind => {
                cx.event(link.id, Event::RekeyRefused(Refusal::ByPeer(kind)));
            }
        }
        Ok(())
    }

    /// The key exchanges after the first, of this group, that our own requests ask for: the alternatives. Who has a key
    /// exchange only because the peer wants it does without further ones where the peer does; one that wants them too can
    /// say no more than that no proposal does (RFC 9370 has no notify for it), so they are offered with the first one.
    fn further(&self, group: Option<Group>) -> Alternatives<'_> {
        let upkeep = self.policy.upkeep();
        let further: &[Vec<Group>] = &upkeep.pfs_additional;
        let can_be_met = !further.is_empty() && further.iter().all(|groups| !groups.is_empty());
        match upkeep.pfs {
            Pfs::Accepted(_) if group.is_some() && can_be_met => Alternatives::NoneOr(further),
            Pfs::Accepted(_) => Alternatives::None,
            Pfs::Required(_) => Alternatives::All(further),
        }
    }

    /// A child SA with its keys.
    fn keyed(
        &self,
        link: &Link,
        agreed: AgreedChild,
        role: Role,
        (first, further): (Option<&SharedSecret>, &[SharedSecret]),
    ) -> Box<ChildSa> {
        let nonces = (agreed.ni.as_bytes(), agreed.nr.as_bytes());
        let derivation = &self.derivation;
        let keys = derivation.child_keys_after(agreed.suite, first, nonces, further);
        let (path, udp_encapsulation) = self.esp_way(link);
        Box::new(ChildSa {
            id: agreed.id,
            suite: agreed.suite,
            exchanges: ChildExchanges {
                group: agreed.group,
                additional: agreed.additional,
            },
            keys: keys.into_role(role),
            inbound_spi: agreed.inbound_spi,
            outbound_spi: agreed.outbound_spi,
            local: agreed.local,
            remote: agreed.remote,
            path,
            udp_encapsulation,
            // What came with IKE_AUTH is for the first one, also where that comes later (RFC 6023).
            configuration: match &self.policy {
                Policy::Initiator(_) if self.children.none_yet() => self.configuration.clone(),
                _ => Vec::new(),
            },
            by_peer: role == Role::Responder,
        })
    }

    /// The group of our KE payload, if there is to be one, and all that are offered. `group` is what was found
    /// out for this very request.
    fn exchange(&self, cx: &Cx<'_>, group: Option<Group>) -> (Option<Group>, Vec<Group>) {
        match &self.policy.upkeep().pfs {
            Pfs::Required(groups) => (group.or_else(|| groups.first().copied()), groups.clone()),
            Pfs::Accepted(groups) => match group.or(self.peer_exchanged) {
                Some(first) => {
                    // Beside that one whatever the peer may want: it cannot name what it was not offered.
                    let others = groups.iter().copied();
                    let others = others.filter(|&one| one != first && cx.provider.supports(one));
                    (Some(first), [first].into_iter().chain(others).collect())
                }
                None => (None, Vec::new()),
            },
        }
    }

    /// What a headend assigns may say that its clients are to exchange keys for each child SA (`pfs` in an authorization
    /// policy). A client that is not configured for it does so then, as with one that does it itself.
    pub(super) fn heed_configuration(&mut self, link: &Link) {
        let Policy::Initiator(config) = &self.policy else {
            return;
        };
        let mut told = self.configuration.iter();
        let wanted = told.any(|one| {
            one.kind == ConfigAttributeType::UNITY_PFS && one.value.iter().any(|octet| *octet != 0)
        });
        let (Pfs::Accepted(groups) | Pfs::Required(groups)) = &config.upkeep.pfs;
        if wanted && groups.contains(&link.suite.group) {
            self.peer_exchanged = Some(link.suite.group);
        }
    }

    /// Forgets that the peer has exchanged keys, if a key exchange was asked for because of that.
    fn unlearn_group(&mut self, step: &Step) -> bool {
        let accepted = matches!(self.policy.upkeep().pfs, Pfs::Accepted(_));
        accepted && step.group().is_some() && self.peer_exchanged.take().is_some()
    }

    /// The group to ask with after this refusal, if that may help and is one that we take.
    fn better_group(&self, link: &Link, cx: &Cx<'_>, step: &Step, said: &Notify) -> Option<Group> {
        let group = match (said.kind, &self.policy.upkeep().pfs) {
            // RFC 7296 §1.3: the peer names the group that it wants.
            (NotifyType::INVALID_KE_PAYLOAD, _) => named_group(said),
            // Nothing else is said by a peer that takes no child SA without a key exchange (RFC 7296 §1.3.3 leaves that
            // to either end). It surely takes the group that it has taken for the IKE SA.
            (_, Pfs::Accepted(_)) if step.is_without() => Some(link.suite.group),
            _ => None,
        };
        let (Pfs::Accepted(groups) | Pfs::Required(groups)) = &self.policy.upkeep().pfs;
        group.filter(|&group| {
            Some(group) != step.group() && groups.contains(&group) && cx.provider.supports(group)
        })
    }

    // --- As the one who is asked ---

    /// Judges the peer's request for a child SA; what is agreed is installed before it is answered.
    pub(super) fn answer_child(
        &mut self,
        link: &Link,
        cx: &mut Cx<'_>,
        creation: &Creation,
    ) -> Result<Served, Refusal> {
        // RFC 7296 §2.25.2#6: not while the IKE SA itself is being rekeyed.
        let busy = self.answering.is_some() || self.following.is_some();
        if busy || matches!(self.pending, Pending::Ike(_)) {
            return Err(PeerIncompatible::Busy.into());
        }
        let old = match creation.rekeys {
            Some((protocol, spi)) => {
                // The peer may mean what it has made for us, in an answer that has not come here yet.
                let making = matches!(self.pending, Pending::Child(_) | Pending::Installing(_));
                let unknown = if making {
                    PeerIncompatible::Busy
                } else {
                    // RFC 7296 §2.25#5, §2.25.1#4: a child SA that is not there is said to be
                    // unknown.
                    PeerIncompatible::NoSuchChild(protocol, spi)
                };
                let old = self.children.by_outbound(spi);
                let old = old.filter(|_| protocol == ProtocolId::ESP);
                let old = old.ok_or(unknown)?;
                // RFC 7296 §2.25.1#1: not one that we are deleting or about to, nor one that has been replaced.
                if !old.is_usable() {
                    return Err(PeerIncompatible::Busy.into());
                }
                Some(old.clone())
            }
            None => None,
        };
        // Nor one whose successor the peer has agreed to: this request of the peer's is older than that, or in vain, and what it
        // names goes as soon as the successor is here. One that is itself about to be installed was not found above; §2.25.1
        // says nothing of such, and §2.25#1 that TEMPORARY_FAILURE is for what passes.
        let installing = matches!(&self.pending, Pending::Installing(one)
            if old.as_ref().is_some_and(|old| one.replaces(old.inbound_spi)));
        if installing {
            return Err(PeerIncompatible::Busy.into());
        }
        let further = old.is_none() && !self.children.is_empty();
        if self.children.is_full(old.is_some()) || further && !self.policy.upkeep().further_children
        {
            return Err(PeerIncompatible::TooManyChildren.into());
        }
        let sent = creation.ke.as_ref().map(|ke| ke.group.0);
        let upkeep = self.policy.upkeep();
        let chosen = proposal::choose_child(
            self.policy.esp(),
            &upkeep.pfs,
            &upkeep.pfs_additional,
            &creation.sa,
            sent,
        )?;
        // RFC 7296 §2.25: for the moment. Who replaces its SAs without a pause does not have us exchange keys for each.
        if chosen.group.is_some() && self.children.is_crowded() {
            return Err(PeerIncompatible::Busy.into());
        }
        // RFC 7296 §3.3.1, §2.25.1: what either end says of an SPI has to be about one child SA. Before anything costly: this is
        // refused as often as it is asked.
        if self.has_outbound(chosen.spi) {
            return Err(PeerIncompatible::SpiInUse.into());
        }
        let (initiator, responder) = creation.selectors()?;
        let (local, remote) = match &old {
            Some(old) => {
                let both = narrow((responder, &old.local), (initiator, &old.remote))?;
                // RFC 7296 §2.9.2#1,3: the new one has the selectors of the old; the policies stay as they are.
                if both != (old.local.clone(), old.remote.clone()) {
                    return Err(PeerIncompatible::TsUnacceptable.into());
                }
                both
            }
            None => narrow(
                (responder, &self.limits.local),
                (initiator, &self.limits.remote),
            )?,
        };
        let reply = Reply::to(cx, chosen.group, creation.ke.as_ref())?;
        let inbound_spi = cx.fresh_esp_spi();
        let mut payloads = [Payload::Sa(proposal::answer_esp(
            chosen.chosen,
            chosen.group,
            inbound_spi,
        ))]
        .to_vec();
        payloads.extend(reply.payloads());
        payloads.push(Payload::TsI(selectors(&remote)));
        payloads.push(Payload::TsR(selectors(&local)));
        let agreed = AgreedChild {
            id: match &old {
                Some(old) => old.id,
                None => self.children.next_id(),
            },
            old: old.map(|old| old.inbound_spi),
            suite: chosen.chosen.suite,
            group: chosen.group,
            additional: chosen.chosen.additional.exchanges,
            inbound_spi,
            outbound_spi: chosen.spi,
            local,
            remote,
            ni: creation.nonce.clone(),
            nr: reply.nonce,
        };
        let additional = chosen.chosen.additional.exchanges;
        if !additional.is_empty() {
            let asked = Asked::Child(Box::new(agreed), reply.secret);
            payloads.push(self.follow(cx, asked, Series::of(additional)));
            return Ok(Served::Answer(payloads));
        }
        let exchange = ExchangeType::CREATE_CHILD_SA;
        self.install(link, cx, agreed, (reply.secret, &[]), (exchange, payloads))
    }

    /// All keys are exchanged: the outside installs the peer's child SA, and then it is answered.
    pub(super) fn install(
        &mut self,
        link: &Link,
        cx: &mut Cx<'_>,
        agreed: AgreedChild,
        (first, further): (Option<SharedSecret>, &[SharedSecret]),
        (exchange, payloads): (ExchangeType, Vec<Payload>),
    ) -> Result<Served, Refusal> {
        let old = agreed.old;
        // While keys were exchanged it may have been replaced, or be on its way out.
        if let Some(old) = old {
            let live = self.children.by_inbound(old);
            let live = live.is_some_and(|old| old.is_usable());
            let installing = matches!(&self.pending, Pending::Installing(one) if one.replaces(old));
            if !live || installing {
                return Err(PeerIncompatible::Busy.into());
            }
        }
        // While keys were exchanged another of the same SPI may have come.
        if self.has_outbound(agreed.outbound_spi) {
            return Err(PeerIncompatible::SpiInUse.into());
        }
        let nonce = lower(&agreed.ni, &agreed.nr).clone();
        let group = agreed.group;
        let sa = self.keyed(link, agreed, Role::Responder, (first.as_ref(), further));
        log_child(link, cx, &sa);
        let child = Child::of(&sa);
        // RFC 7296 §2.8#6: we must be able to receive on it before we answer.
        let ask = match old {
            Some(_) => cx.ask(link.id, Ask::Rekey(sa)),
            None => cx.ask(link.id, Ask::Install(sa)),
        };
        self.answering = Some(Answering {
            ask,
            exchange,
            child,
            group,
            payloads,
            replaces: old.map(|old| (old, nonce)),
        });
        Ok(Served::Later)
    }

    /// The outside has installed the peer's child SA, or could not: now the peer is answered.
    pub(super) fn child_judged(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        answer: Answer,
    ) -> Result<(), Refusal> {
        let Some(answering) = self.answering.take() else {
            return Ok(());
        };
        let refuse = |cx: &mut Cx<'_>, why: Refusal| {
            let payloads = [refused(&why)].to_vec();
            cx.event(link.id, Event::RequestRefused(why));
            payloads
        };
        let payloads = match answer {
            // RFC 7296 §2.25.1: what it was to replace has been deleted meanwhile, with all of its name.
            Answer::Installed
                if answering.replaces.is_some() && !self.children.has(answering.child.id) =>
            {
                refuse(cx, PeerIncompatible::Busy.into())
            }
            Answer::Installed => {
                self.peer_exchanged = answering.group.or(self.peer_exchanged);
                self.add_new(link, cx, answering.child);
                if let Some((old, nonce)) = answering.replaces {
                    // RFC 7296 §1.4.1: what our own Delete is out for stays that.
                    if let Some(old) = self.children.by_inbound(old)
                        && old.standing == Standing::Live
                    {
                        let overdue = cx.now.after(AWAIT_DELETE);
                        old.standing = Standing::Replaced { overdue };
                    }
                    // RFC 7296 §2.25.1#2: both ends rekey it; which one survives is decided by the nonces.
                    match &mut self.pending {
                        Pending::Child(ours) if ours.replaces(old) => ours.rival = Some(nonce),
                        Pending::Installing(ours) if ours.replaces(old) => {
                            ours.rival = Some(nonce);
                        }
                        _ => {}
                    }
                }
                answering.payloads
            }
            Answer::Refused(why) => refuse(cx, Refusal::Denied(why)),
            _ => return Err(WRONG_ANSWER),
        };
        // Nothing replaces the IKE SA while this waits, so it is the one that the request came on.
        link.respond(cx, answering.exchange, &payloads)
    }
}

/// What is asked for.
struct Wanted {
    old: Option<u32>,
    id: ChildId,
    suites: Vec<EspSuite>,
    local: Vec<TrafficSelector>,
    remote: Vec<TrafficSelector>,
}
