//! CREATE_CHILD_SA for the IKE SA itself, in both roles (RFC 7296 §1.3.2, §2.8.2, §2.18).

use alloc::{boxed::Box, vec::Vec};

use super::{
    Established, KE_RETRIES, Other, OtherStanding, Pending, Served, Wish,
    create::{Creation, Half, Reply, lower, named_group},
    followup::{Asked, Next, Series, Turn},
    wishes::PutOff,
};
use crate::{
    config::{AWAIT_DELETE, IkeProposal, LINGER, MAX_REPLACED},
    crash_detection::Token,
    crypto::{
        SkeySeed,
        keys::{DerivationKey, Role},
        suite::{Group, IkeSuite},
    },
    event::Event,
    negotiate::proposal,
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{Cx, init, keylog::log_ike, link::Link},
    secret::SharedSecret,
    wire::{
        header::{InitiatorSpi, ResponderSpi},
        payload::{Delete, Nonce, Notify, Payload},
        registry::{ExchangeType, NotifyType, PayloadType},
    },
};

/// We are replacing the IKE SA.
pub(super) struct RekeyIke {
    step: Step,
    proposals: Vec<IkeProposal>,
    put_off: Option<PutOff>,
    other_groups: u32,
}

/// How far our request has come.
enum Step {
    /// It is out.
    Asked { spi: u64, half: Half },
    /// The peer has agreed; a further key exchange is out.
    Following {
        made: Made,
        first: SharedSecret,
        turn: Turn,
    },
}

impl RekeyIke {
    /// The SPI that we chose for the new IKE SA.
    pub(super) const fn our_spi(&self) -> u64 {
        match &self.step {
            Step::Asked { spi, .. } => *spi,
            Step::Following { made, .. } => made.our_spi(),
        }
    }

    /// The group that the peer wants instead, if it is another one of those that were offered.
    fn other_group(&self, said: &Notify) -> Option<Group> {
        let Step::Asked { half, .. } = &self.step else {
            return None;
        };
        let offered = |group: &Group| self.proposals.iter().any(|one| one.groups.contains(group));
        named_group(said).filter(|group| Some(*group) != half.group() && offered(group))
    }
}

/// An IKE SA that replaces another.
pub(super) struct Successor {
    pub(super) link: Box<Link>,
    pub(super) derivation: DerivationKey,
    /// The lower nonce of the exchange that made it.
    pub(super) nonce: Nonce,
}

impl Established {
    // --- As the one who asks ---

    /// Asks for a new IKE SA.
    pub(super) fn start_ike(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        group: Option<Group>,
        put_off: Option<PutOff>,
    ) -> Result<(), Refusal> {
        // One more waits until one of those that are replaced is deleted. The peer may make one at the same time.
        if self.others.len().saturating_add(1) >= MAX_REPLACED {
            self.wishes.again(cx, Wish::RekeyIke);
            return Ok(());
        }
        let proposals = self.policy.proposals(link, cx);
        self.ask_for_ike(link, cx, proposals, group, put_off, 0)
    }

    fn ask_for_ike(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        proposals: Vec<IkeProposal>,
        group: Option<Group>,
        put_off: Option<PutOff>,
        other_groups: u32,
    ) -> Result<(), Refusal> {
        let mut offered = proposals.iter().flat_map(|one| one.groups.iter().copied());
        // The group that was agreed before is the one that the peer surely takes.
        let known = group.unwrap_or(link.suite.group);
        let group = offered.clone().find(|&one| one == known);
        let group = group
            .or_else(|| offered.next())
            .ok_or(Refusal::Local("no key exchange group is configured"))?;
        // RFC 7296 §2.18#1-2: the offer has groups, never NONE, and KE is sent.
        let half = Half::fresh(cx, Some(group))?;
        let spi = cx
            .fresh_ike_spi()
            .ok_or(Refusal::Local("no IKE SPI is free"))?;
        let offer = proposal::offer_ike(&proposals, &spi.to_be_bytes());
        let mut payloads = [Payload::Sa(offer)].to_vec();
        payloads.extend(half.payloads());
        self.pending = Pending::Ike(Box::new(RekeyIke {
            step: Step::Asked { spi, half },
            proposals,
            put_off,
            other_groups,
        }));
        link.request(cx, ExchangeType::CREATE_CHILD_SA, payloads)
    }

    /// The answer to our request for a new IKE SA.
    pub(super) fn ike_answered(
        &mut self,
        rekey: RekeyIke,
        link: &mut Link,
        cx: &mut Cx<'_>,
        mut payloads: Vec<Payload>,
    ) -> Result<(), Refusal> {
        if let Some(said) = init::error_of(&payloads) {
            return self.ike_refused(rekey, link, cx, said);
        }
        let (made, first, series) = match rekey.step {
            Step::Asked { spi, half } => {
                let token = cx.config.crash_detection.take(&mut payloads);
                let answer = Creation::read(payloads.clone())?;
                let (suite, peer_spi) =
                    proposal::accept_ike_successor(&rekey.proposals, &answer.sa)?;
                if half.group() != Some(suite.group) {
                    return Err(PeerMisbehaved::SelectedUnoffered.into());
                }
                let ni = half.nonce.clone();
                let secret = half.agree(answer.ke.as_ref())?;
                let secret = secret.ok_or(PeerMisbehaved::MissingPayload(PayloadType::KE))?;
                let made = Made {
                    role: Role::Initiator,
                    spi_i: spi,
                    spi_r: peer_spi,
                    suite,
                    ni,
                    nr: answer.nonce,
                    token,
                };
                (made, secret, Series::of(suite.additional))
            }
            Step::Following { made, first, turn } => (made, first, turn.conclude(&payloads)?),
        };
        let further = match series.go_on(link, cx, &payloads)? {
            Next::Done(further) => further,
            Next::Turn(turn) => {
                self.pending = Pending::Ike(Box::new(RekeyIke {
                    step: Step::Following { made, first, turn },
                    ..rekey
                }));
                return Ok(());
            }
        };
        let ours = self.successor(link, cx, &made, &first, &further)?;
        let candidate = self.take_candidate();
        match candidate {
            // RFC 7296 §2.8.2#1-2, §2.25.2#2: the one whose exchange had the lowest nonce is deleted by who made it.
            Some(theirs) if ours.nonce.as_bytes() < theirs.nonce.as_bytes() => {
                let mut redundant = *ours.link;
                redundant.path = link.path;
                let delete = [Payload::Delete(Delete::ike_sa())].to_vec();
                redundant.request(cx, ExchangeType::INFORMATIONAL, delete)?;
                let redundant = Other::new(Box::new(redundant), OtherStanding::Deleting);
                self.others.push(redundant);
                self.replace(link, cx, theirs, OtherStanding::AwaitDelete);
            }
            theirs => {
                if let Some(mut theirs) = theirs {
                    theirs.link.deadline = Some(cx.now.after(AWAIT_DELETE));
                    let theirs = Other::new(theirs.link, OtherStanding::AwaitDelete);
                    self.others.push(theirs);
                }
                // RFC 7296 §2.8#4, §1.4#2: the Delete is the last request on the old one.
                self.replace(link, cx, ours, OtherStanding::Deleting);
                let old = self.others.last_mut();
                if let Some(old) = old {
                    let delete = [Payload::Delete(Delete::ike_sa())].to_vec();
                    old.link.request(cx, ExchangeType::INFORMATIONAL, delete)?;
                }
            }
        }
        Ok(())
    }

    fn ike_refused(
        &mut self,
        rekey: RekeyIke,
        link: &mut Link,
        cx: &mut Cx<'_>,
        said: &Notify,
    ) -> Result<(), Refusal> {
        // The peer's own rekeying went through: ours is not wanted any more.
        if self.fall_back(link, cx, OtherStanding::AwaitDelete) || self.ending.is_some() {
            return Ok(());
        }
        match said.kind {
            NotifyType::TEMPORARY_FAILURE => {
                self.wishes.retry(cx, Wish::RekeyIke, rekey.put_off)?;
            }
            // RFC 9370 §rules#9: what the peer has forgotten is begun anew.
            NotifyType::STATE_NOT_FOUND if matches!(rekey.step, Step::Following { .. }) => {
                self.wishes.retry(cx, Wish::RekeyIke, rekey.put_off)?;
            }
            NotifyType::INVALID_KE_PAYLOAD
                if rekey.other_groups < KE_RETRIES
                    && let Some(group) = rekey.other_group(said) =>
            {
                let tries = rekey.other_groups.saturating_add(1);
                let proposals = rekey.proposals;
                return self.ask_for_ike(link, cx, proposals, Some(group), rekey.put_off, tries);
            }
            kind => {
                cx.event(link.id, Event::RekeyRefused(Refusal::ByPeer(kind)));
                // It goes on until its time is over.
                if self.lifetime.is_some() {
                    self.wishes.again(cx, Wish::RekeyIke);
                }
            }
        }
        Ok(())
    }

    // --- As the one who is asked ---

    /// Judges the peer's request for a new IKE SA.
    pub(super) fn answer_ike(
        &mut self,
        link: &Link,
        cx: &mut Cx<'_>,
        creation: &Creation,
    ) -> Result<Served, Refusal> {
        // RFC 7296 §2.25.1#8: not while a child SA is being made, rekeyed or deleted by us.
        let busy = match self.pending {
            Pending::Nothing
            | Pending::Probe
            | Pending::RouteCheck(_)
            | Pending::UpdateAddresses(_)
            | Pending::GiveToken
            | Pending::Ike(_) => self.answering.is_some() || self.children.closing(),
            Pending::Child(_) | Pending::Installing(_) | Pending::DeleteChild { .. } => true,
        };
        let busy = busy || self.following.is_some();
        // Ours that is under way will replace one too.
        let ours = usize::from(matches!(self.pending, Pending::Ike(_)));
        let full = self.others.len().saturating_add(ours) >= MAX_REPLACED;
        if busy || full || self.has_candidate() {
            return Err(PeerIncompatible::Busy.into());
        }
        let ke = creation.ke.as_ref();
        // RFC 7296 §1.3.2#1, §2.18#1: a new IKE SA has a key exchange of its own.
        let ke = ke.ok_or(PeerMisbehaved::MissingPayload(PayloadType::KE))?;
        let proposals = self.policy.proposals(link, cx);
        let (chosen, peer_spi) =
            proposal::choose_ike_successor(&proposals, &creation.sa, ke.group.0)?;
        let reply = Reply::to(cx, Some(chosen.suite.group), Some(ke))?;
        let spi = cx
            .fresh_ike_spi()
            .ok_or(Refusal::Local("no IKE SPI is free"))?;
        let answer = proposal::answer_ike(chosen, &spi.to_be_bytes());
        let mut payloads = [Payload::Sa(answer)].to_vec();
        payloads.extend(reply.payloads());
        // RFC 6290 §4.3: the new IKE SA has a token of its own, which its responder gives here.
        let token = &cx.config.crash_detection;
        let token = token.notify(Role::Responder, peer_spi, spi);
        payloads.extend(token.map(Payload::Notify));
        let secret = reply.secret;
        let secret = secret.ok_or(PeerMisbehaved::MissingPayload(PayloadType::KE))?;
        let made = Made {
            role: Role::Responder,
            spi_i: peer_spi,
            spi_r: spi,
            suite: chosen.suite,
            ni: creation.nonce.clone(),
            nr: reply.nonce,
            token: None,
        };
        if !chosen.suite.additional.is_empty() {
            let series = Series::of(chosen.suite.additional);
            payloads.push(self.follow(cx, Asked::Ike(made, secret), series));
            return Ok(Served::Answer(payloads));
        }
        let successor = self.successor(link, cx, &made, &secret, &[])?;
        Ok(Served::Replaced(payloads, Box::new(successor)))
    }

    /// The peer has been told of the IKE SA that it asked for: it is the one in use, unless ours is
    /// under way too.
    pub(super) fn take_successor(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        successor: Successor,
    ) {
        // RFC 7296 §2.25.2#1: asked while we ask, we answer as ever.
        if matches!(self.pending, Pending::Ike(_)) {
            let standing = OtherStanding::Candidate {
                derivation: successor.derivation,
                nonce: successor.nonce,
            };
            self.others.push(Other::new(successor.link, standing));
            return;
        }
        self.replace(link, cx, successor, OtherStanding::AwaitDelete);
    }

    // --- What both share ---

    /// The peer's candidate becomes the one in use, if there is one: our own attempt is forgotten (RFC
    /// 7296 §2.8.2, §2.25.2). False where there is none.
    pub(super) fn fall_back(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        old: OtherStanding,
    ) -> bool {
        let Some(candidate) = self.take_candidate() else {
            return false;
        };
        self.replace(link, cx, candidate, old);
        true
    }

    /// Puts a new IKE SA in the place of the one in use, which stays for its Delete.
    fn replace(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        successor: Successor,
        standing: OtherStanding,
    ) {
        let mut new = *successor.link;
        // The peer may have moved since it was made.
        (new.path, new.nat) = (link.path, link.nat);
        let mut old = core::mem::replace(link, new);
        // RFC 6290 §5.3#1: it says nothing of the SA that is in use from now on.
        old.token = None;
        let wait = match standing {
            OtherStanding::AwaitDelete => Some(AWAIT_DELETE),
            OtherStanding::Lingering => Some(LINGER),
            OtherStanding::Deleting | OtherStanding::Candidate { .. } => None,
        };
        // Nothing waits there for its turn: requests are begun one at a time, and what else is wanted is a wish, which has no
        // IKE SA yet. RFC 7296 §2.3: what waits there for its answer stays, since its message ID cannot be passed over: the
        // peer would not take the Delete that comes after it.
        if matches!(standing, OtherStanding::Lingering) {
            old.requests.abandon();
        }
        old.deadline = wait.map(|wait| cx.now.after(wait));
        self.derivation = successor.derivation;
        // Whoever began the rekeying, IKE_AUTH is long over.
        self.unasked = false;
        self.following = None;
        // What was asked there about addresses is asked anew on this one.
        match core::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::RouteCheck(_) => self.wishes.add(cx.now, Wish::CheckRoute),
            Pending::UpdateAddresses(_) => self.wishes.add(cx.now, Wish::UpdateAddresses),
            _ => {}
        }
        // RFC 6290 §4.3#1: who made the new IKE SA gives its token in an exchange after.
        if link.role == Role::Initiator && cx.config.crash_detection.secret.is_some() {
            self.wishes.add(cx.now, Wish::GiveToken);
        }
        self.wishes.forget(&Wish::RekeyIke);
        self.others.push(Other::new(Box::new(old), standing));
        self.begin_lifetime(cx);
        let by_peer = link.role == Role::Responder;
        cx.event(link.id, Event::Rekeyed { by_peer });
    }

    /// Gives the peer our token of the IKE SA in use.
    pub(super) fn give_token(&mut self, link: &mut Link, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let Some(token) = link.own_token(cx) else {
            return Ok(());
        };
        self.pending = Pending::GiveToken;
        link.request(cx, ExchangeType::INFORMATIONAL, [token].to_vec())
    }

    pub(super) fn successor(
        &self,
        link: &Link,
        cx: &mut Cx<'_>,
        made: &Made,
        first: &SharedSecret,
        further: &[SharedSecret],
    ) -> Result<Successor, Refusal> {
        let (ni, nr) = (made.ni.as_bytes(), made.nr.as_bytes());
        let (Some(spi_i), Some(spi_r)) =
            (InitiatorSpi::new(made.spi_i), ResponderSpi::new(made.spi_r))
        else {
            return Err(PeerMisbehaved::SelectedUnoffered.into());
        };
        // RFC 8784 §3#3: a PPK is not mixed in again; SK_d has it already.
        // RFC 7296 §2.18: SK_d of the old SA makes the seed, the new SPIs and nonces the keys.
        let keys = SkeySeed::rekeyed(&self.derivation, first, (ni, nr), further)
            .derive(made.suite, ni, nr, made.spi_i, made.spi_r)
            .into_role(made.role);
        let mut new = link.successor(
            cx,
            made.role,
            (spi_i, spi_r),
            made.suite,
            keys.inbound,
            keys.outbound,
        );
        new.token = made.token.as_ref().map(Token::duplicate);
        log_ike(&new, cx);
        Ok(Successor {
            link: Box::new(new),
            derivation: keys.derivation,
            nonce: lower(&made.ni, &made.nr).clone(),
        })
    }
}

/// What an exchange has agreed on.
pub(super) struct Made {
    role: Role,
    spi_i: u64,
    spi_r: u64,
    suite: IkeSuite,
    ni: Nonce,
    nr: Nonce,
    /// The responder's token, where that is the peer (RFC 6290 §4.3).
    token: Option<Token>,
}

impl Made {
    /// The SPI that we chose.
    pub(super) const fn our_spi(&self) -> u64 {
        match self.role {
            Role::Initiator => self.spi_i,
            Role::Responder => self.spi_r,
        }
    }
}
