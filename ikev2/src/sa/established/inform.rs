//! INFORMATIONAL requests (RFC 7296 §1.4).

use alloc::vec::Vec;

use super::{Established, Served, Standing};
use crate::{
    event::Event,
    sa::{Cx, link::Link},
    wire::{
        payload::{Delete, Payload},
        registry::{NotifyType, ProtocolId},
    },
};

/// What ends an IKE SA in IKE_AUTH and right after it without a Delete, beside AUTHENTICATION_FAILED (RFC 7296 §2.21.2).
const ENDS_IKE_AUTH: [NotifyType; 2] = [
    NotifyType::INVALID_SYNTAX,
    NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD,
];

impl Established {
    /// `link` is the IKE SA that the request came on, whether in use or replaced.
    pub(super) fn informational(
        &mut self,
        link: &Link,
        cx: &mut Cx<'_>,
        payloads: Vec<Payload>,
    ) -> Served {
        let mut deleted = Vec::new();
        for payload in payloads {
            match payload {
                Payload::Delete(delete) if delete.protocol == ProtocolId::IKE => {
                    return Served::Deleted;
                }
                Payload::Delete(delete) if delete.protocol == ProtocolId::ESP => {
                    for spi in &delete.spis {
                        deleted.extend(self.peer_deletes(link, cx, spi));
                    }
                }
                // RFC 7296 §2.21.2: the peer found our last answer wanting after all. Whatever is wrong with it beside its
                // AUTH is said right after it, or not at all.
                Payload::Notify(said)
                    if said.kind == NotifyType::AUTHENTICATION_FAILED
                        || self.unasked && ENDS_IKE_AUTH.contains(&said.kind) =>
                {
                    return Served::Failed(said.kind);
                }
                // RFC 7296 §2.21.4#10, §3.10.1#2-3: what a notify says is noted, and changes
                // nothing.
                Payload::Notify(said) => cx.event(link.id, Event::Notified(said.kind)),
                _ => {}
            }
        }
        let answer = (!deleted.is_empty()).then(|| Payload::Delete(Delete::esp(&deleted)));
        Served::Answer(answer.into_iter().collect())
    }

    /// RFC 7296 §1.4.1#1-3,5: the other half of each deleted pair is deleted in the answer, unless our own
    /// Delete of it is out already; what is not there is passed over in silence (§2.25.1).
    fn peer_deletes(&mut self, link: &Link, cx: &mut Cx<'_>, spi: &[u8]) -> Option<[u8; 4]> {
        let spi = u32::from_be_bytes(<[u8; 4]>::try_from(spi).ok()?);
        // RFC 7296 §2.25.1#7: what is not there is deleted by nobody, and nothing is said of it.
        let child = self.children.by_outbound(spi)?;
        let (inbound_spi, crossing) = (child.inbound_spi, child.standing == Standing::Closing);
        self.children.remove(link.id, cx, inbound_spi);
        // RFC 7296 §2.25.1#5-6, §2.25.2#7: whatever we are replacing, the other half is said, but nothing of a pair that we are
        // deleting ourselves.
        (!crossing).then(|| inbound_spi.to_be_bytes())
    }
}
