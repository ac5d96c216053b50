//! What the peer has agreed to and the outside installs: what came between, and which of several stays (RFC 7296 §2.8.1, §2.25.1).

use super::{Child, Established, Limits, Pending, Policy, Standing};
use crate::{
    event::{Answer, AskId, Event},
    refusal::Refusal,
    sa::{Cx, link::Link, state::WRONG_ANSWER},
    wire::payload::Nonce,
};

/// The peer has agreed to a child SA of ours.
pub(super) struct Installing {
    pub(super) ask: AskId,
    child: Child,
    /// What it replaces, by the inbound SPI; else it is a new one.
    old: Option<u32>,
    /// The lower nonce of the exchange that made it.
    nonce: Nonce,
    /// The lower nonce of the peer's exchange that replaces the same child SA.
    pub(super) rival: Option<Nonce>,
    /// The peer has deleted it.
    deleted: bool,
    /// The peer has deleted what it replaces, which stays until it is there.
    old_deleted: bool,
}

impl Installing {
    /// The outside is asked to install `child`, and nothing has come between. What it replaces, if it does, and the lower nonce
    /// of the peer's exchange that replaces the same.
    pub(super) fn new(
        ask: AskId,
        child: Child,
        (old, rival): (Option<u32>, Option<Nonce>),
        nonce: Nonce,
    ) -> Self {
        Self {
            ask,
            child,
            old,
            nonce,
            rival,
            deleted: false,
            old_deleted: false,
        }
    }

    /// Whether it is to replace the child SA with this inbound SPI.
    pub(super) fn replaces(&self, inbound_spi: u32) -> bool {
        self.old == Some(inbound_spi)
    }

    /// Under which SPI the peer receives on it.
    pub(super) const fn outbound_spi(&self) -> u32 {
        self.child.outbound_spi
    }

    /// The peer has deleted what it receives on under this SPI: our half of it, if this is it and is not deleted yet.
    pub(super) fn deleted_by_peer(&mut self, outbound_spi: u32) -> Option<[u8; 4]> {
        let is_this = !self.deleted && self.child.outbound_spi == outbound_spi;
        self.deleted |= is_this;
        is_this.then(|| self.child.inbound_spi.to_be_bytes())
    }

    /// The peer has deleted this one. Whether it is what is replaced, by what the peer has not deleted.
    pub(super) fn old_deleted_by_peer(&mut self, inbound_spi: u32) -> bool {
        let is_old = !self.deleted && self.replaces(inbound_spi);
        self.old_deleted |= is_old;
        is_old
    }
}

impl Established {
    /// The outside has installed our child SA, or could not.
    pub(super) fn child_installed(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        answer: Answer,
    ) -> Result<(), Refusal> {
        let Pending::Installing(installing) =
            core::mem::replace(&mut self.pending, Pending::Nothing)
        else {
            return Ok(());
        };
        let inbound_spi = installing.child.inbound_spi;
        match answer {
            Answer::Installed => {}
            // The peer has it, we do not: it is deleted there and has never been one of ours.
            Answer::Refused(why) => {
                cx.event(link.id, Event::RekeyRefused(Refusal::Denied(why)));
                if let Some(old) = installing.old
                    && installing.old_deleted
                {
                    self.children.remove(link.id, cx, old);
                }
                if installing.deleted {
                    return Ok(());
                }
                return self.send_delete(link, cx, [inbound_spi].to_vec());
            }
            _ => return Err(WRONG_ANSWER),
        }
        let Some(old) = installing.old else {
            self.add_new(link, cx, installing.child);
            // RFC 7296 §1.4.1#2: the peer has deleted it while it was being installed.
            if installing.deleted {
                self.children.remove(link.id, cx, inbound_spi);
            }
            return Ok(());
        };
        // The peer has deleted what it was to replace, and the outside has removed all of that name.
        if !self.children.has(installing.child.id) {
            if installing.deleted {
                return Ok(());
            }
            return self.send_delete(link, cx, [inbound_spi].to_vec());
        }
        self.children.add(link.id, cx, installing.child);
        // RFC 7296 §1.4.1#2: the old one goes on, and may be replaced by another, unless it is deleted too.
        if installing.deleted {
            self.children.remove(link.id, cx, inbound_spi);
            return Ok(());
        }
        if installing.old_deleted {
            self.children.remove(link.id, cx, old);
        }
        // The peer's may still be with the outside: it is agreed on all the same.
        let answering = self.answering.as_ref();
        let answering = answering.and_then(|one| one.replaces.as_ref());
        let answering = answering.filter(|(replaced, _)| *replaced == old);
        // The old one would not be live if the peer had not taken back what it had made.
        let taken_back = self.children.by_inbound(old);
        let taken_back = taken_back.is_some_and(|old| old.standing == Standing::Live);
        let rival = installing.rival.as_ref().filter(|_| !taken_back);
        let rival = rival.or_else(|| answering.map(|(_, nonce)| nonce));
        // RFC 7296 §2.8.1#3, §2.25.1#3: of two that replace the same one, the one whose exchange had the lowest nonce
        // is closed by the end that made it.
        if rival.is_some_and(|rival| installing.nonce.as_bytes() < rival.as_bytes()) {
            return self.start_delete(link, cx, inbound_spi);
        }
        // RFC 7296 §2.8: the peer has been ready to receive since before it answered.
        self.children.switch(link.id, cx, inbound_spi);
        self.start_delete(link, cx, old)
    }

    /// A child SA is installed. What a headend may add to the first lies within what it has given thereby, as where that
    /// came with IKE_AUTH.
    pub(super) fn add_new(&mut self, link: &Link, cx: &mut Cx<'_>, child: Child) {
        if self.children.none_yet() && matches!(self.policy, Policy::Initiator(_)) {
            self.limits = Limits {
                local: child.local.clone(),
                remote: child.remote.clone(),
            };
        }
        self.children.add(link.id, cx, child);
    }

    /// Whether the peer receives under this SPI on a child SA that the outside has, or is installing.
    pub(super) fn has_outbound(&self, outbound_spi: u32) -> bool {
        let answering = self.answering.as_ref();
        let answering = answering.map(|one| one.child.outbound_spi);
        let installing = match &self.pending {
            Pending::Installing(one) => Some(one.outbound_spi()),
            _ => None,
        };
        self.children.has_outbound(outbound_spi)
            || [answering, installing].contains(&Some(outbound_spi))
    }
}
