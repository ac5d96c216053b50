//! INFORMATIONAL requests (RFC 7296 §1.4).

use alloc::vec::Vec;

use super::{Established, Served};
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
        let mut end = None;
        // RFC 7296 §3.10.1: a notify beside a Delete, of whatever vendor, is noted like any other.
        for payload in payloads {
            match payload {
                Payload::Delete(delete) if delete.protocol == ProtocolId::IKE => {
                    end.get_or_insert(Served::Deleted);
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
                    end.get_or_insert(Served::Failed(said.kind));
                }
                // RFC 7296 §2.21.4#10, §3.10.1#2-3: what a notify says is noted, and changes
                // nothing.
                Payload::Notify(said) => cx.event(link.id, Event::Notified(said.kind)),
                _ => {}
            }
        }
        if let Some(end) = end {
            return end;
        }
        let answer = (!deleted.is_empty()).then(|| Payload::Delete(Delete::esp(&deleted)));
        Served::Answer(answer.into_iter().collect())
    }
}
