//! Both sides are authenticated: INFORMATIONAL and CREATE_CHILD_SA exchanges, rekeying, and the end
//! (RFC 7296 §1.3, §1.4, §2.8, §2.25).
//!
//! Each side has one exchange under way at most: ours is [`Pending`], the peer's waits in [`Answering`]
//! for the outside. Beside the IKE SA in use there may be [`Other`]s: replaced ones that are not deleted
//! yet, and while both ends rekey at once the candidates of which one will survive.

mod children;
mod closing;
mod create;
mod delete_child;
mod followup;
mod inform;
mod installing;
pub(crate) mod mobike;
mod others;
mod rekey_child;
mod rekey_ike;
mod wear;
mod wishes;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::time::Duration;

pub(crate) use children::Child;
use children::{Children, Standing};
pub(crate) use closing::{Closing, Leaving, close_after_auth, close_with, gives_up};
pub(crate) use delete_child::Deleted;
use followup::Following;
use installing::Installing;
use mobike::{EspWay, RouteCheck, Seen};
use others::{Other, OtherStanding};
use rekey_child::RekeyChild;
use rekey_ike::{RekeyIke, Successor};
pub(crate) use wishes::Wish;
use wishes::Wishes;

use crate::{
    config::{ConnectConfig, IkeProposal, LINGER, LIVENESS_TRIES, PeerConfig, Upkeep},
    crypto::{keys::DerivationKey, suite::EspSuite},
    event::{Answer, AskId, Authenticated, CloseReason, Event, Instant, Path, Trace},
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{
        Cx,
        link::{Link, Opened},
        state::{Outcome, State, close},
        window::Pace,
    },
    wire::{
        payload::{ConfigAttribute, Delete, Payload, TrafficSelector},
        registry::{ExchangeType, NotifyType},
    },
};

/// Times that one SA is asked for anew with the key exchange that the peer wants.
const KE_RETRIES: u32 = 2;

/// What this end was configured with, by its role in the exchange that authenticated both.
pub(crate) enum Policy {
    /// We are the headend.
    Responder(Arc<PeerConfig>),
    /// We are the client.
    Initiator(Box<ConnectConfig>),
}

impl Policy {
    fn esp(&self) -> &[EspSuite] {
        match self {
            Self::Responder(config) => &config.esp,
            Self::Initiator(config) => &config.esp,
        }
    }

    fn upkeep(&self) -> &Upkeep {
        match self {
            Self::Responder(config) => &config.upkeep,
            Self::Initiator(config) => &config.upkeep,
        }
    }

    fn proposals(&self, link: &Link, cx: &Cx<'_>) -> Vec<IkeProposal> {
        match self {
            Self::Responder(_) => cx.config.proposals(link.path.local.ip()).to_vec(),
            Self::Initiator(config) => config.proposals.clone(),
        }
    }
}

/// What a further child SA may select, at most.
pub(crate) struct Limits {
    pub(crate) local: Vec<TrafficSelector>,
    pub(crate) remote: Vec<TrafficSelector>,
}

impl Limits {
    /// Nothing at all.
    pub(crate) const NONE: Self = Self {
        local: Vec::new(),
        remote: Vec::new(),
    };
}

/// What an authenticated IKE SA begins with.
pub(crate) struct Beginning {
    pub(crate) authenticated: Authenticated,
    pub(crate) policy: Policy,
    pub(crate) derivation: DerivationKey,
    pub(crate) child: Option<Child>,
    pub(crate) limits: Limits,
    /// What the headend assigned: on the responder's side what it sent, on the initiator's what came.
    pub(crate) configuration: Vec<ConfigAttribute>,
}

/// An authenticated IKE SA.
pub(crate) struct Established {
    authenticated: Authenticated,
    policy: Policy,
    /// SK_d of the IKE SA in use, from which the keys of further SAs come.
    derivation: DerivationKey,
    children: Children,
    limits: Limits,
    configuration: Vec<ConfigAttribute>,
    /// The group of the last key exchange that was for a child SA: the peer wants one, or takes it.
    peer_exchanged: Option<crate::crypto::suite::Group>,
    pending: Pending,
    answering: Option<Answering>,
    /// What the peer has asked for and not yet exchanged all keys for.
    following: Option<Box<Following>>,
    others: Vec<Other>,
    /// What the headend last said of the address that it sees us at (RFC 4555 §3.8).
    seen_at: Option<Seen>,
    /// While it is open whether the client is heard at its new address: the way that ESP takes until then.
    heard_at: Option<EspWay>,
    wishes: Wishes,
    lifetime: Option<Lifetime>,
    /// When the session is over, rekeyed or not.
    ends: Option<Instant>,
    /// When the peer's silence is told.
    quiet: Option<Instant>,
    /// When the NAT in front of us is to be reminded of us.
    keepalive: Option<Instant>,
    /// It is over as soon as the peer has answered our request for a new IKE SA: then that is deleted.
    ending: Option<CloseReason>,
    /// The peer has asked for nothing since IKE_AUTH, and no IKE SA has replaced the one of it. While others are beside the one
    /// in use it has, or has made one of them.
    unasked: bool,
}

/// What our exchange that is under way is for.
enum Pending {
    /// There is none.
    Nothing,
    /// To see whether the peer lives.
    Probe,
    /// To delete the child SAs with these inbound SPIs; whether that is because they are worn out.
    DeleteChild {
        inbound_spis: Vec<u32>,
        worn_out: bool,
    },
    /// To replace a child SA, or to make a new one.
    Child(Box<RekeyChild>),
    /// The peer has agreed to a child SA; the outside is installing it.
    Installing(Installing),
    /// To replace the IKE SA.
    Ike(Box<RekeyIke>),
    /// To see whether the peer is heard at its new address.
    RouteCheck(RouteCheck),
    /// To tell the peer where we are now: the way that it was sent.
    UpdateAddresses(Path),
    /// To give the peer our token.
    GiveToken,
}

impl Pending {
    /// Whether it is to replace the child SA with this inbound SPI.
    fn replaces(&self, inbound_spi: u32) -> bool {
        match self {
            Self::Child(rekey) => rekey.replaces(inbound_spi),
            Self::Installing(installing) => installing.replaces(inbound_spi),
            _ => false,
        }
    }
}

/// A CREATE_CHILD_SA request of the peer that waits for the outside.
struct Answering {
    ask: AskId,
    exchange: ExchangeType,
    child: Child,
    /// The group of the key exchange that was for it.
    group: Option<crate::crypto::suite::Group>,
    payloads: Vec<Payload>,
    /// The inbound SPI of the child SA that it replaces, and the lower nonce of the exchange.
    replaces: Option<(u32, crate::wire::payload::Nonce)>,
}

/// When the IKE SA is to be replaced, and when it must have been.
#[derive(Clone, Copy)]
struct Lifetime {
    soft: Instant,
    hard: Instant,
}

/// What a request came to.
enum Served {
    Answer(Vec<Payload>),
    /// The answer follows when the outside has given its own.
    Later,
    /// The answer, and the IKE SA that replaces this one.
    Replaced(Vec<Payload>, Box<Successor>),
    /// The peer deleted the IKE SA that the request came on.
    Deleted,
    Failed(NotifyType),
}

impl Served {
    /// With these payloads too, where it is an answer.
    fn beside(mut self, further: Vec<Payload>) -> Self {
        if let Self::Answer(answer) = &mut self {
            answer.extend(further);
        }
        self
    }
}

/// What comes after an answer with which the SA does not go on.
enum After {
    /// Nothing: the peer has ended it too.
    Over(CloseReason),
    /// Our Delete.
    End(CloseReason),
}

impl Established {
    pub(crate) fn new(beginning: Beginning) -> Box<Self> {
        Box::new(Self {
            authenticated: beginning.authenticated,
            policy: beginning.policy,
            derivation: beginning.derivation,
            children: Children::new(beginning.child),
            limits: beginning.limits,
            configuration: beginning.configuration,
            peer_exchanged: None,
            pending: Pending::Nothing,
            answering: None,
            following: None,
            others: Vec::new(),
            seen_at: None,
            heard_at: None,
            wishes: Wishes::default(),
            lifetime: None,
            ends: None,
            quiet: None,
            keepalive: None,
            ending: None,
            unasked: true,
        })
    }

    /// The SA comes up: no deadline any more, and the announced window holds.
    pub(crate) fn enter(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        session_lifetime: Option<Duration>,
    ) -> Outcome {
        self.begin(link, cx, session_lifetime);
        Outcome::Go(State::Established(self))
    }

    fn begin(&mut self, link: &mut Link, cx: &mut Cx<'_>, session_lifetime: Option<Duration>) {
        link.deadline = None;
        link.window = cx.config.window;
        self.begin_lifetime(cx);
        self.ends = session_lifetime.map(|lifetime| cx.now.after(lifetime));
        self.heard(cx);
        self.remind_nat(link, cx);
        self.heed_configuration(link);
        let child = !self.children.is_empty();
        cx.event(link.id, Event::Established { child });
    }

    pub(crate) const fn authenticated(&self) -> &Authenticated {
        &self.authenticated
    }

    /// The profile's name on the responder's side.
    pub(crate) fn profile(&self) -> Option<&Arc<str>> {
        match &self.policy {
            Policy::Responder(config) => Some(&config.name),
            Policy::Initiator(_) => None,
        }
    }

    pub(crate) fn configuration(&self) -> &[ConfigAttribute] {
        &self.configuration
    }

    /// The child SA that the outside sends on.
    pub(crate) fn child(&self) -> Option<&Child> {
        self.children.in_use()
    }

    /// Every child SA, and whether the outside sends on it.
    pub(crate) fn children(&self) -> impl Iterator<Item = (&Child, bool)> {
        self.children.iter()
    }

    /// The IKE SAs beside the one in use, and whether each is deleted and only answers repeats.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&Link, bool)> {
        let others = self.others.iter();
        others.map(|other| (&*other.link, other.is_over()))
    }

    /// The IKE SAs beside the one in use.
    pub(crate) fn other_links(&self) -> impl Iterator<Item = &Link> {
        self.others.iter().map(|other| &*other.link)
    }

    /// Our SPIs of the IKE SAs that are being made: by us, and by the peer.
    pub(crate) fn coming_spis(&self) -> impl Iterator<Item = u64> {
        let ours = match &self.pending {
            Pending::Ike(rekey) => Some(rekey.our_spi()),
            _ => None,
        };
        let theirs = self.following.as_ref().and_then(|one| one.our_ike_spi());
        [ours, theirs].into_iter().flatten()
    }

    /// As [`other_links`](Self::other_links), to change them.
    pub(crate) fn other_links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.others.iter_mut().map(|other| &mut *other.link)
    }

    // --- The peer's requests ---

    pub(crate) fn request(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        self.heard(cx);
        let exchange = opened.exchange;
        // RFC 7296 §2.3#3: a request is served whatever of ours is outstanding.
        let served = opened
            .payloads
            .and_then(|payloads| self.serve(link, cx, exchange, payloads));
        self.unasked = false;
        match served {
            // RFC 7296 §1.4#4, §4#5: every INFORMATIONAL request is answered.
            Ok(Served::Answer(mut answer)) => {
                link.announce_window(cx, &mut answer);
                link.respond(cx, exchange, &answer)?;
            }
            Ok(Served::Later) => {}
            Ok(Served::Replaced(answer, successor)) => {
                link.respond(cx, exchange, &answer)?;
                self.take_successor(link, cx, *successor);
            }
            Ok(Served::Deleted) => {
                // RFC 7296 §1.4.1: the Delete of an IKE SA is answered with nothing inside.
                link.respond(cx, exchange, &[])?;
                // RFC 7296 §2.25.2#4: a Delete is obeyed, and what we had asked for is forgotten.
                if !self.fall_back(link, cx, OtherStanding::Lingering) {
                    return Ok(close(link, cx, CloseReason::PeerDeleted));
                }
            }
            Ok(Served::Failed(kind)) => {
                link.respond(cx, exchange, &[])?;
                let reason = CloseReason::Refused(Refusal::ByPeer(kind));
                return Ok(close(link, cx, reason));
            }
            Err(refusal) => {
                if link.respond_error(cx, exchange, &refusal)? {
                    return Ok(close(link, cx, CloseReason::Refused(refusal)));
                }
                cx.event(link.id, Event::RequestRefused(refusal));
            }
        }
        self.go_on(link, cx)
    }

    /// Works on a request of the IKE SA in use.
    fn serve(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        exchange: ExchangeType,
        payloads: Vec<Payload>,
    ) -> Result<Served, Refusal> {
        match exchange {
            ExchangeType::INFORMATIONAL => {
                let addresses = self.addresses(link, cx, link.asked_from, &payloads);
                Ok(self.informational(link, cx, payloads).beside(addresses))
            }
            // RFC 7296 §2.25.2: nothing new is made on an SA that is being closed.
            ExchangeType::CREATE_CHILD_SA | ExchangeType::IKE_FOLLOWUP_KE
                if self.ending.is_some() =>
            {
                Err(PeerIncompatible::Busy.into())
            }
            ExchangeType::CREATE_CHILD_SA => {
                let creation = create::Creation::read(payloads)?;
                if creation.is_for_ike() {
                    self.answer_ike(link, cx, &creation)
                } else {
                    self.answer_child(link, cx, &creation)
                }
            }
            ExchangeType::IKE_FOLLOWUP_KE => self.followed(link, cx, &payloads),
            // RFC 7296 §2.21.3#1: well formed but out of place is an error too.
            _ => Err(PeerMisbehaved::UnexpectedExchange.into()),
        }
    }

    // --- The answers to ours ---

    pub(crate) fn response(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Outcome, Refusal> {
        self.heard(cx);
        match self.answered(link, cx, opened) {
            Ok(None) => {}
            // RFC 7296 §2.21.3: INVALID_SYNTAX ends the SA for both, without a Delete.
            Ok(Some(After::Over(reason))) => return Ok(close(link, cx, reason)),
            Ok(Some(After::End(reason))) => return self.end(link, cx, reason),
            // RFC 7296 §2.21.3: an answer that is wrong says that the ends disagree about the SA, which is
            // deleted so that both can start over.
            Err(refusal) => {
                // The exchange is over, even where its answer could not be read: none is waited for any more.
                self.pending = Pending::Nothing;
                return self.end(link, cx, CloseReason::Refused(refusal));
            }
        }
        self.go_on(link, cx)
    }

    /// Works on the answer to our request. Gives what is to come after it where the SA does not go on.
    fn answered(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Option<After>, Refusal> {
        let payloads = opened.payloads?;
        for said in notifies(&payloads) {
            if said == NotifyType::INVALID_SYNTAX {
                let reason = CloseReason::Refused(Refusal::ByPeer(said));
                return Ok(Some(After::Over(reason)));
            }
            cx.event(link.id, Event::Notified(said));
        }
        let over = match core::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Child(rekey) => {
                self.child_answered(*rekey, link, cx, payloads)?;
                None
            }
            Pending::Ike(rekey) => {
                self.ike_answered(*rekey, link, cx, payloads)?;
                None
            }
            Pending::DeleteChild {
                inbound_spis,
                worn_out,
            } => {
                for inbound_spi in inbound_spis {
                    self.children.remove(link.id, cx, inbound_spi);
                }
                // RFC 7296 §2.8: what was not replaced in time takes its IKE SA with it. What was replaced, or has never been
                // one of ours, does not.
                let lost = worn_out && self.children.is_empty() && !self.makes_a_child();
                lost.then_some(CloseReason::Expired)
            }
            Pending::RouteCheck(check) => self.route_checked(check, link, cx, &payloads),
            Pending::UpdateAddresses(path) => self.update_answered(path, link, cx, &payloads),
            Pending::Probe => {
                self.probe_answered(link, cx, &payloads);
                None
            }
            Pending::GiveToken => None,
            pending @ (Pending::Nothing | Pending::Installing(_)) => {
                if let Pending::Installing(_) = pending {
                    self.pending = pending;
                }
                None
            }
        };
        Ok(over.map(After::End))
    }

    pub(crate) fn answer(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        ask: AskId,
        answer: Answer,
    ) -> Result<Outcome, Refusal> {
        if self.answering.as_ref().is_some_and(|one| one.ask == ask) {
            self.child_judged(link, cx, answer)?;
        } else if matches!(&self.pending, Pending::Installing(one) if one.ask == ask) {
            self.child_installed(link, cx, answer)?;
        }
        self.go_on(link, cx)
    }

    // --- Commands ---

    /// RFC 7296 §1.4: an empty INFORMATIONAL asks for a sign of life. One that waits already is enough.
    pub(crate) fn probe(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
    ) -> Result<Outcome, Refusal> {
        if matches!(self.pending, Pending::Nothing) {
            self.wishes.add(cx.now, Wish::Probe);
        }
        self.go_on(link, cx)
    }

    /// ESP has gone out in the place of a reminder for the NAT.
    pub(crate) fn esp_sent(mut self: Box<Self>, cx: &Cx<'_>) -> Outcome {
        self.esp_was_sent(cx);
        Outcome::Go(State::Established(self))
    }

    /// Our own address has changed.
    pub(crate) fn move_to(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        path: Path,
    ) -> Result<Outcome, Refusal> {
        self.we_move(link, cx, path);
        self.go_on(link, cx)
    }

    /// Something is to be done as soon as nothing of ours is under way.
    pub(crate) fn wants(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        wish: Wish,
    ) -> Result<Outcome, Refusal> {
        self.wishes.add(cx.now, wish);
        self.go_on(link, cx)
    }

    /// A child SA as wide as the limits of this IKE SA.
    pub(crate) fn wants_child(
        self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
    ) -> Result<Outcome, Refusal> {
        let limits = [self.limits.local.clone(), self.limits.remote.clone()];
        self.wants(link, cx, Wish::NewChild(limits))
    }

    /// RFC 7296 §1.4.1: deleting the IKE SA deletes its children with it.
    pub(crate) fn delete(
        self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
    ) -> Result<Outcome, Refusal> {
        self.end(link, cx, CloseReason::Deleted)
    }

    fn end(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        reason: CloseReason,
    ) -> Result<Outcome, Refusal> {
        // Its traffic ends now, whether the peer answers or not.
        self.children.end(link.id, cx);
        if matches!(self.pending, Pending::Ike(_)) {
            // RFC 7296 §1.4.1, §2.8: the children belong to the IKE SA that the peer is making, which a Delete
            // of this one would leave there.
            self.ending.get_or_insert(reason);
            return Ok(Outcome::Go(State::Established(self)));
        }
        self.repeat_deletes(cx);
        // RFC 7296 §2.4#9: the peer is told.
        let reason = self.ending.unwrap_or(reason);
        close_with(link, cx, Payload::Delete(Delete::ike_sa()), reason)
    }

    /// Why it is over, where only the peer's answer to our last request is waited for.
    pub(crate) const fn ending(&self) -> Option<&CloseReason> {
        self.ending.as_ref()
    }

    /// The deadline has passed: without a child the SA is of no use, which the peer is told.
    pub(crate) fn expired(
        self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
    ) -> Result<Outcome, Refusal> {
        self.end(link, cx, CloseReason::TimedOut)
    }

    // --- Time ---

    /// When time alone changes something.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let others = self.others.iter();
        let others = others.map(|other| other.link.next_deadline());
        if self.ending.is_some() {
            return others.flatten().min();
        }
        let idle = self.is_idle();
        let wish = self.wishes.deadline().filter(|_| idle);
        let lifetime = self.lifetime.map(|lifetime| {
            let asked = self.wishes.has(Wish::RekeyIke) || matches!(self.pending, Pending::Ike(_));
            if asked { lifetime.hard } else { lifetime.soft }
        });
        // While an answer is due its absence says all.
        let quiet = self.quiet.filter(|_| idle);
        let own = [wish, lifetime, self.children.deadline(), quiet];
        own.into_iter()
            .chain([self.ends, self.keepalive])
            .chain([self.following.as_ref().map(|one| one.until)])
            .chain(others)
            .flatten()
            .min()
    }

    /// The instant has come.
    pub(crate) fn timeout(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
    ) -> Result<Outcome, Refusal> {
        self.tend_others(cx);
        self.children.retire(link.id, cx);
        self.following.take_if(|one| one.until <= cx.now);
        if self.ending.is_some() {
            return self.go_on(link, cx);
        }
        if self.ends.is_some_and(|ends| ends <= cx.now) {
            return self.end(link, cx, CloseReason::Expired);
        }
        if self.quiet.is_some_and(|quiet| quiet <= cx.now) {
            self.heard(cx);
            cx.event(link.id, Event::Quiet);
        }
        if self.keepalive.is_some_and(|due| due <= cx.now) {
            self.keep_nat_awake(link, cx);
        }
        if let Some(lifetime) = self.lifetime {
            // RFC 7296 §2.8#1-2: an SA that is worn out and was not replaced ends, its children
            // with it.
            if lifetime.hard <= cx.now {
                return self.end(link, cx, CloseReason::Expired);
            }
            if lifetime.soft <= cx.now
                && !matches!(self.pending, Pending::Ike(_))
                && !self.wishes.has(Wish::RekeyIke)
            {
                cx.trace(link.id, || Trace::GrowsOld);
                self.wishes.add(cx.now, Wish::RekeyIke);
            }
        }
        self.go_on(link, cx)
    }

    /// The peer lives, or its silence has been told: it is counted from now.
    fn heard(&mut self, cx: &Cx<'_>) {
        let liveness = self.policy.upkeep().liveness;
        self.quiet = liveness.map(|liveness| cx.now.after(liveness.interval));
    }

    /// The IKE SA in use is new. Whoever is the client rekeys well before the end; the headend lets it,
    /// and does it itself shortly before.
    fn begin_lifetime(&mut self, cx: &mut Cx<'_>) {
        let Some(lifetime) = self.policy.upkeep().lifetime else {
            return;
        };
        const LONGEST: Duration = Duration::from_secs(300);
        let tenth = lifetime.checked_div(10).unwrap_or_default().min(LONGEST);
        // RFC 7296 §2.8.1#1: the time is jittered so that both ends rarely begin together.
        let margin = match self.policy {
            Policy::Initiator(_) => tenth.saturating_add(wishes::jitter(cx, tenth)),
            Policy::Responder(_) => {
                let less = tenth.checked_div(4).unwrap_or_default();
                less.saturating_add(wishes::jitter(cx, less))
            }
        };
        self.lifetime = Some(Lifetime {
            soft: cx.now.after(lifetime.saturating_sub(margin)),
            hard: cx.now.after(lifetime),
        });
    }

    // --- What is next ---

    /// Whether nothing is under way that either end has begun.
    fn is_idle(&self) -> bool {
        matches!(self.pending, Pending::Nothing)
            && self.answering.is_none()
            && self.following.is_none()
    }

    /// Whether a child SA is coming.
    fn makes_a_child(&self) -> bool {
        self.answering.is_some() || self.following.is_some() || self.wishes.has_new_child()
    }

    /// After every input: begins what is wished for if nothing is under way.
    fn go_on(mut self: Box<Self>, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Refusal> {
        if let Some(reason) = self.ending.clone() {
            return self.end(link, cx, reason);
        }
        // RFC 7296 §2.2#2: an IKE SA whose message IDs run out is closed.
        if link.is_used_up() {
            return self.end(link, cx, CloseReason::Expired);
        }
        self.children.leave_worn_out(link.id, cx);
        self.wish_by_wear(cx);
        while self.is_idle() {
            let Some(wish) = self.wishes.take(cx.now) else {
                break;
            };
            match wish.wish {
                Wish::Probe => {
                    let pace = self
                        .policy
                        .upkeep()
                        .liveness
                        .map_or(Pace::Usual, |liveness| {
                            Pace::Steady(liveness.retry, LIVENESS_TRIES)
                        });
                    let asked = self.probe_payloads(link, cx);
                    link.request_at(cx, ExchangeType::INFORMATIONAL, asked, pace)?;
                    self.pending = Pending::Probe;
                }
                Wish::CheckRoute => self.start_route_check(link, cx)?,
                Wish::UpdateAddresses => self.start_update(link, cx)?,
                Wish::GiveToken => self.give_token(link, cx)?,
                Wish::RekeyIke => self.start_ike(link, cx, None, wish.put_off)?,
                Wish::RekeyChild(inbound_spi) => {
                    self.start_rekey(link, cx, inbound_spi, None, wish.put_off)?;
                }
                Wish::NewChild(ref limits) => {
                    self.start_child(link, cx, limits, None, wish.put_off)?;
                }
                Wish::DeleteChild(inbound_spi) => self.delete_worn_out(link, cx, inbound_spi)?,
            }
        }
        // Without a child the SA is of no use, unless one is being made, or was left out on purpose.
        let of_use = !self.children.is_empty() || self.children.none_yet() || !self.is_idle();
        link.deadline = match link.deadline {
            _ if of_use => None,
            None => Some(cx.now.after(LINGER)),
            waiting => waiting,
        };
        Ok(Outcome::Go(State::Established(self)))
    }
}

/// The notifies of a message.
fn notifies(payloads: &[Payload]) -> impl Iterator<Item = NotifyType> {
    payloads.iter().filter_map(|payload| match payload {
        Payload::Notify(said) => Some(said.kind),
        _ => None,
    })
}
