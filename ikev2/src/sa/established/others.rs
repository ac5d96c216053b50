//! The IKE SAs beside the one in use: replaced ones that wait for their Delete, and the candidate that
//! the peer made while we were making one (RFC 7296 §2.8.2).

use alloc::boxed::Box;

use super::{
    Established, Served, Successor,
    mobike::{Addresses, nat_found},
};
use crate::{
    config::LINGER,
    crypto::keys::DerivationKey,
    event::{CloseReason, Discard, Event, Path},
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{
        Cx,
        link::{Link, Opened, Received},
        state::{Outcome, State, close},
    },
    wire::{
        payload::{Delete, Nonce, Payload},
        registry::ExchangeType,
    },
};

/// An IKE SA that shares its children with the one in use.
pub(super) struct Other {
    pub(super) link: Box<Link>,
    pub(super) standing: OtherStanding,
    /// The client has said on another where it is: what it says on this one may be late.
    pub(super) overtaken: bool,
}

impl Other {
    pub(super) const fn new(link: Box<Link>, standing: OtherStanding) -> Self {
        Self {
            link,
            standing,
            overtaken: false,
        }
    }

    /// It is over; repeats still get their answer for a while.
    fn linger(&mut self, cx: &Cx<'_>) {
        self.link.requests.abandon();
        self.link.deadline = Some(cx.now.after(LINGER));
        self.standing = OtherStanding::Lingering;
    }

    /// It is deleted: repeats still get their answer.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.standing, OtherStanding::Lingering)
    }

    /// Whether what the client says here of its address counts.
    const fn is_believed(&self) -> bool {
        match self.standing {
            // The client has it in use already, and says on no other where it is.
            OtherStanding::Candidate { .. } => true,
            // RFC 4555 §3.5: it may have said so before it knew of the successor.
            OtherStanding::AwaitDelete | OtherStanding::Deleting => !self.overtaken,
            OtherStanding::Lingering => false,
        }
    }
}

/// What is to become of it.
pub(super) enum OtherStanding {
    /// Made by the peer while our own request is under way: one of the two will be in use.
    Candidate {
        derivation: DerivationKey,
        nonce: Nonce,
    },
    /// The peer, which made its successor or made it in vain, deletes it.
    AwaitDelete,
    /// Our Delete is out.
    Deleting,
    /// Deleted; repeats still get their answer.
    Lingering,
}

impl Established {
    pub(super) fn has_candidate(&self) -> bool {
        self.others
            .iter()
            .any(|other| matches!(other.standing, OtherStanding::Candidate { .. }))
    }

    pub(super) fn take_candidate(&mut self) -> Option<Successor> {
        let index = self
            .others
            .iter()
            .position(|other| matches!(other.standing, OtherStanding::Candidate { .. }))?;
        let other = self.others.swap_remove(index);
        match other.standing {
            OtherStanding::Candidate { derivation, nonce } => Some(Successor {
                link: other.link,
                derivation,
                nonce,
            }),
            _ => None,
        }
    }

    /// Whether one of them has these SPIs, ours first.
    pub(crate) fn has_other(&self, ours: u64, theirs: Option<u64>) -> bool {
        self.others
            .iter()
            .any(|other| other.link.our_spi() == ours && theirs == Some(other.link.peer_spi()))
    }

    /// Takes a datagram for one of them, named by our SPI.
    pub(crate) fn datagram(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        our_spi: u64,
        path: Path,
        datagram: &[u8],
    ) -> (Outcome, Option<Discard>) {
        let at = self
            .others
            .iter()
            .position(|other| other.link.our_spi() == our_spi);
        let Some(at) = at else {
            let discard = Some(Discard::UnknownSpi);
            return (Outcome::Go(State::Established(self)), discard);
        };
        let mut other = self.others.swap_remove(at);
        let before = other.link.path;
        let received = other.link.receive(cx, path, datagram);
        // Moved by this request, as none moves it with MOBIKE (RFC 4555 §3.8#4). One that comes late from where the
        // peer was before says nothing of where it is.
        if other.link.path != before {
            link.path = other.link.path;
        }
        let result = match received {
            Received::Nothing(discard) => {
                self.others.push(other);
                return (Outcome::Go(State::Established(self)), Some(discard));
            }
            // Nothing but our Delete and what was sent before it is under way on these.
            Received::Response(_) => other.link.pump(cx).map(|()| None),
            Received::Request(opened) => {
                self.heard(cx);
                self.other_request(link, &mut other, cx, opened)
            }
        };
        (self.other_served(link, cx, other, result), None)
    }

    /// Works on a request that one of them has kept until its turn (RFC 7296 §2.3): the one before it may have been that for the
    /// successor. Gives the state back where there is none.
    pub(crate) fn kept_beside(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
    ) -> Result<Outcome, Box<Self>> {
        let mut others = self.others.iter_mut().enumerate();
        let kept = others.find_map(|(at, other)| Some((at, other.link.next_kept()?)));
        let Some((at, opened)) = kept else {
            return Err(self);
        };
        self.heard(cx);
        let mut other = self.others.swap_remove(at);
        let result = self.other_request(link, &mut other, cx, opened);
        Ok(self.other_served(link, cx, other, result))
    }

    /// Something has been done on one of them; `result` has the reason if all of it is to end.
    fn other_served(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        other: Other,
        result: Result<Option<CloseReason>, Refusal>,
    ) -> Outcome {
        let outcome = match result {
            Ok(failed) => {
                let done = matches!(other.standing, OtherStanding::Deleting)
                    && other.link.requests.last_is_answered();
                if !done {
                    self.others.push(other);
                }
                match failed {
                    Some(reason) => Ok(close(link, cx, reason)),
                    None => self.go_on(link, cx),
                }
            }
            Err(refusal) => Err(refusal),
        };
        outcome.unwrap_or_else(|refusal| close(link, cx, CloseReason::Refused(refusal)))
    }

    /// Works on a request that came on one of them. Gives the reason if all of it is to end.
    fn other_request(
        &mut self,
        in_use: &mut Link,
        other: &mut Other,
        cx: &mut Cx<'_>,
        opened: Opened,
    ) -> Result<Option<CloseReason>, Refusal> {
        let exchange = opened.exchange;
        let served = match opened.payloads {
            Err(refusal) => Err(refusal),
            Ok(payloads) if exchange == ExchangeType::INFORMATIONAL => {
                let said = Addresses::read(&payloads);
                let from = other.link.asked_from;
                if other.is_believed() && self.moves(&said, &other.link, &from) {
                    let nat = nat_found(&other.link, cx, &from, &payloads);
                    other.link.path = from;
                    other.link.send_again(cx);
                    self.peer_moves(in_use, cx, from, nat);
                }
                let addresses = self.addresses_answer(said, &other.link, cx, from);
                Ok(self
                    .informational(&other.link, cx, payloads)
                    .beside(addresses))
            }
            // RFC 7296 §2.8.2#3, §2.25.2#3: an IKE SA that is on its way out, or whose fate is open, makes nothing new.
            Ok(_) if exchange == ExchangeType::CREATE_CHILD_SA => {
                Err(PeerIncompatible::Busy.into())
            }
            Ok(_) if exchange == ExchangeType::IKE_FOLLOWUP_KE => {
                Err(PeerIncompatible::NoState.into())
            }
            // RFC 7296 §2.21.3#1: well formed but out of place is an error too.
            Ok(_) => Err(PeerMisbehaved::UnexpectedExchange.into()),
        };
        let link = &mut other.link;
        match served {
            Ok(Served::Answer(answer)) => link.respond(cx, exchange, &answer)?,
            // RFC 7296 §1.4.1, §2.25.2: the end of this one only. A candidate that the peer deletes was
            // redundant, and ours survives.
            Ok(Served::Deleted) => {
                link.respond(cx, exchange, &[])?;
                other.linger(cx);
            }
            Ok(Served::Failed(kind)) => {
                link.respond(cx, exchange, &[])?;
                return Ok(Some(CloseReason::Refused(Refusal::ByPeer(kind))));
            }
            Ok(Served::Later | Served::Replaced(..)) => {}
            Err(refusal) => {
                // What it shares with the one in use is that one's from now on, as after a Delete.
                if link.respond_error(cx, exchange, &refusal)? {
                    other.linger(cx);
                }
                cx.event(other.link.id, Event::RequestRefused(refusal));
            }
        }
        Ok(None)
    }

    /// Says the Deletes of replaced IKE SAs once more that are not answered: nobody will, once the last of them has gone. That
    /// is enough. A replaced IKE SA has no child SAs, and a peer that has not heard either Delete finds out that it is alone with it
    /// as with any other (RFC 7296 §2.4); to wait for an answer here would hold up the end, for a peer that has forgotten all
    /// with the one in use gives none.
    pub(super) fn repeat_deletes(&mut self, cx: &mut Cx<'_>) {
        for other in &mut self.others {
            let is_out = matches!(other.standing, OtherStanding::Deleting);
            if is_out && other.link.sent < cx.now {
                other.link.send_again(cx);
            }
        }
    }

    /// Retransmits, gives up and deletes what its time has come for.
    pub(super) fn tend_others(&mut self, cx: &mut Cx<'_>) {
        self.others.retain_mut(|other| {
            let link = &mut other.link;
            link.expire_fragments(cx.now);
            if !link.retransmit(cx) {
                // Nobody is there for a Delete, but repeats of what was answered may be under way.
                link.requests.abandon();
                other.standing = OtherStanding::Lingering;
                return link.deadline.is_some();
            }
            if link.deadline.is_none_or(|deadline| deadline > cx.now) {
                return true;
            }
            link.deadline = None;
            match other.standing {
                // The peer has forgotten to.
                OtherStanding::AwaitDelete => {
                    other.standing = OtherStanding::Deleting;
                    let delete = [Payload::Delete(Delete::ike_sa())].to_vec();
                    link.request(cx, ExchangeType::INFORMATIONAL, delete)
                        .is_ok()
                }
                OtherStanding::Candidate { .. } => true,
                OtherStanding::Deleting | OtherStanding::Lingering => false,
            }
        });
    }
}
