//! Deletes of child SAs, ours and the peer's (RFC 7296 §1.4.1, §2.8, §2.25.1).

use alloc::{boxed::Box, vec::Vec};

use super::{Established, Pending, Standing, Wish};
use crate::{
    config::MAX_CHILDREN,
    refusal::Refusal,
    sa::{Cx, link::Link, state::Outcome},
    wire::{
        payload::{Delete, Payload},
        registry::{ExchangeType, ProtocolId},
    },
};

/// What the peer has deleted, by its own inbound SPIs, while it is not known under which it has made what we have asked for.
#[derive(Default)]
pub(crate) struct Deleted(Vec<u32>);

impl Deleted {
    /// No more of them than the peer can have child SAs.
    pub(super) fn note(&mut self, spi: u32) {
        if self.0.len() < MAX_CHILDREN {
            self.0.push(spi);
        }
    }

    /// Whatever is deleted in a message.
    pub(crate) fn note_all(&mut self, payloads: &[Payload]) {
        let deletes = payloads.iter().filter_map(|one| match one {
            Payload::Delete(delete) if delete.protocol == ProtocolId::ESP => Some(delete),
            _ => None,
        });
        for spi in deletes.flat_map(|delete| &delete.spis) {
            if let Ok(octets) = <[u8; 4]>::try_from(spi.as_slice()) {
                self.note(u32::from_be_bytes(octets));
            }
        }
    }

    /// Whether the peer has deleted what it receives on under this SPI.
    pub(crate) fn has(&self, spi: u32) -> bool {
        self.0.contains(&spi)
    }
}

impl Established {
    /// As [`enter`](Self::enter), where the peer may have deleted the child SA before its last answer of IKE_AUTH came here, or
    /// before the outside had installed it.
    pub(crate) fn enter_after(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        deleted: &Deleted,
    ) -> Result<Outcome, Refusal> {
        self.begin(link, cx, None);
        let gone = self.child().filter(|one| deleted.has(one.outbound_spi));
        if let Some(inbound_spi) = gone.map(|one| one.inbound_spi) {
            self.children.remove(link.id, cx, inbound_spi);
        }
        self.go_on(link, cx)
    }

    /// Deletes a child SA that is worn out, if it is there, with those that it has replaced.
    pub(super) fn delete_worn_out(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        inbound_spi: u32,
    ) -> Result<(), Refusal> {
        let Some(child) = self.children.by_inbound(inbound_spi) else {
            return Ok(());
        };
        // RFC 7296 §2.8, §2.25.1: whoever has made its successor deletes it. Until that Delete our answer may not have come
        // there; then ours would be obeyed, and the successor deleted too.
        if let Standing::Replaced { overdue } = child.standing
            && cx.now < overdue
        {
            self.wishes.again(cx, Wish::DeleteChild(inbound_spi));
            return Ok(());
        }
        let closed = self.children.close(inbound_spi);
        self.ask_to_delete(link, cx, closed, true)
    }

    /// Deletes a child SA that is replaced or redundant, if it is there.
    pub(super) fn start_delete(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        inbound_spi: u32,
    ) -> Result<(), Refusal> {
        let Some(child) = self.children.by_inbound(inbound_spi) else {
            return Ok(());
        };
        child.standing = Standing::Closing;
        self.send_delete(link, cx, [inbound_spi].to_vec())
    }

    /// Deletes at the peer what it knows under these inbound SPIs of ours.
    pub(super) fn send_delete(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        inbound_spis: Vec<u32>,
    ) -> Result<(), Refusal> {
        self.ask_to_delete(link, cx, inbound_spis, false)
    }

    fn ask_to_delete(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        inbound_spis: Vec<u32>,
        worn_out: bool,
    ) -> Result<(), Refusal> {
        // RFC 7296 §1.4#3, §2.4#8, §3.11#1-2: a child SA is deleted under the IKE SA in use, which
        // has inherited it, and by a payload of its own protocol.
        let octets: Vec<[u8; 4]> = inbound_spis.iter().map(|spi| spi.to_be_bytes()).collect();
        let delete = Payload::Delete(Delete::esp(&octets));
        self.pending = Pending::DeleteChild {
            inbound_spis,
            worn_out,
        };
        link.request(cx, ExchangeType::INFORMATIONAL, [delete].to_vec())
    }

    /// RFC 7296 §1.4.1#1-3,5: the other half of each deleted pair is deleted in the answer, unless our own
    /// Delete of it is out already; what is not there is passed over in silence (§2.25.1).
    pub(super) fn peer_deletes(
        &mut self,
        link: &Link,
        cx: &mut Cx<'_>,
        spi: &[u8],
    ) -> Option<[u8; 4]> {
        let spi = u32::from_be_bytes(<[u8; 4]>::try_from(spi).ok()?);
        let Some(child) = self.children.by_outbound(spi) else {
            return self.deletes_what_we_make(spi);
        };
        let (inbound_spi, crossing) = (child.inbound_spi, child.standing == Standing::Closing);
        if !self.waits_for_successor(inbound_spi) {
            self.children.remove(link.id, cx, inbound_spi);
        }
        // RFC 7296 §2.25.1#5-6, §2.25.2#7: whatever we are replacing, the other half is said, but nothing of a pair that we are
        // deleting ourselves.
        (!crossing).then(|| inbound_spi.to_be_bytes())
    }

    /// RFC 7296 §2.8: the peer has deleted this one, and has what replaces it, which the outside is installing. Where nothing else
    /// of its name is there it goes when that is: the outside would remove all of the name.
    fn waits_for_successor(&mut self, inbound_spi: u32) -> bool {
        let Pending::Installing(installing) = &mut self.pending else {
            return false;
        };
        if self.children.has_heir(inbound_spi) || !installing.old_deleted_by_peer(inbound_spi) {
            return false;
        }
        if let Some(child) = self.children.by_inbound(inbound_spi) {
            child.standing = Standing::Closing;
        }
        true
    }

    /// The peer may have deleted what it has made for us before we have it: its answer may have been lost, or the outside may be
    /// at work on it.
    fn deletes_what_we_make(&mut self, spi: u32) -> Option<[u8; 4]> {
        match &mut self.pending {
            Pending::Child(making) => {
                making.deleted.note(spi);
                // RFC 7296 §2.25.1#7: what is not there is deleted by nobody, and nothing is said of it.
                None
            }
            Pending::Installing(installing) => installing.deleted_by_peer(spi),
            _ => None,
        }
    }
}
