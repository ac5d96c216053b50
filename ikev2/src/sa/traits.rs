//! What a peer says of itself in IKE_SA_INIT: vendor IDs and status notifies.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::{
    crypto::suite::Hash,
    wire::{
        payload::{Gateway, KnownVendor, Payload},
        registry::NotifyType,
    },
};

/// The peer's announcements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerTraits {
    /// CISCO-ANYCONNECT-EAP: it can be offered that method.
    pub(crate) anyconnect: bool,
    /// The FRAGMENTATION vendor ID: Cisco's fragments.
    pub(crate) cisco_fragmentation: bool,
    /// IKEV2_FRAGMENTATION_SUPPORTED (RFC 7383 §2.3).
    pub(crate) ietf_fragmentation: bool,
    /// INTERMEDIATE_EXCHANGE_SUPPORTED (RFC 9242 §3.1).
    pub(crate) intermediate: bool,
    /// USE_PPK (RFC 8784 §3); at the responder only where it says so too.
    pub(crate) use_ppk: bool,
    /// SIGNATURE_HASH_ALGORITHMS (RFC 7427 §4) was sent.
    pub(crate) signature_hashes_sent: bool,
    /// REDIRECT_SUPPORTED or REDIRECTED_FROM (RFC 5685 §3): it can be sent elsewhere.
    pub(crate) follows_redirects: bool,
    /// The gateway that has sent it here.
    pub(crate) redirected_from: Option<IpAddr>,
    /// The hash functions in it that we know.
    pub(crate) signature_hashes: Vec<Hash>,
}

impl PeerTraits {
    /// Whether this peer is to be sent to `gateway` from our address `local`: not if it cannot be, if it
    /// comes from there, or if that is us.
    pub(crate) fn may_be_sent_to(&self, gateway: &Gateway, local: IpAddr) -> bool {
        let there = match gateway {
            Gateway::Address(address) => {
                self.redirected_from == Some(*address) || *address == local.to_canonical()
            }
            Gateway::Fqdn(_) => false,
        };
        // RFC 5685 §3#1-2: REDIRECT is sent only to who has announced that it follows.
        self.follows_redirects && !there
    }

    pub(crate) fn read(payloads: &[Payload]) -> Self {
        let mut traits = Self::default();
        for payload in payloads {
            match payload {
                // RFC 7296 §3.12#1,3: a vendor ID that is known allows what it announces; the
                // others mean nothing.
                Payload::Vendor(vendor) => match KnownVendor::recognise(&vendor.0) {
                    Some(KnownVendor::AnyConnectEap) => traits.anyconnect = true,
                    Some(KnownVendor::Fragmentation) => traits.cisco_fragmentation = true,
                    _ => {}
                },
                Payload::Notify(notify) => match notify.kind {
                    NotifyType::IKEV2_FRAGMENTATION_SUPPORTED => traits.ietf_fragmentation = true,
                    // RFC 9242 §3.1#1: whatever its data may say.
                    NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED => traits.intermediate = true,
                    NotifyType::REDIRECT_SUPPORTED => traits.follows_redirects = true,
                    // RFC 5685 §3: whoever was redirected says thereby that it can be again.
                    NotifyType::REDIRECTED_FROM => {
                        traits.follows_redirects = true;
                        traits.redirected_from = Gateway::of_redirected_from(notify);
                    }
                    NotifyType::USE_PPK => traits.use_ppk = true,
                    NotifyType::SIGNATURE_HASH_ALGORITHMS => {
                        traits.signature_hashes_sent = true;
                        let numbers = notify.data.as_chunks::<2>().0.iter();
                        traits.signature_hashes = numbers
                            .filter_map(|pair| Hash::from_number(u16::from_be_bytes(*pair)))
                            .collect();
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        traits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::payload::Notify;

    // RFC 9242 §3.1#1: data in the announcement means nothing.
    #[test]
    fn intermediate_exchanges_are_announced_whatever_the_data() {
        let kind = NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED;
        for data in [Vec::new(), [1, 2, 3].to_vec()] {
            let said = [Payload::Notify(Notify::new(kind, data))];
            assert!(PeerTraits::read(&said).intermediate);
        }
        assert!(!PeerTraits::read(&[]).intermediate);
    }
}
