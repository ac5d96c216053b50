//! `ipv6 access-list`: which networks go through the tunnel.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use super::{
    Located,
    acl::{Decision, NotNetworks, Rule, permitted},
    net::Ipv6Net,
};

/// `ipv6 access-list NAME`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ipv6AccessList {
    /// Entries by sequence number, 1 to 2147483647.
    pub entries: BTreeMap<u32, Located<Ipv6AccessEntry>>,
}

/// One line of an IPv6 access list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ipv6AccessEntry {
    /// `remark LINE`.
    Remark(String),
    /// `permit ipv6 …` or `deny ipv6 …`.
    Rule {
        /// What happens to a match.
        decision: Decision,
        /// Where a packet comes from.
        source: Ipv6Net,
        /// Where it goes to.
        destination: Ipv6Net,
    },
}

impl Ipv6AccessList {
    /// The permitted networks, in the order of their entries and each once; as of an extended IPv4 list these are
    /// the sources, and the destination must be `any` ([`super::acl::AccessList::networks`]).
    ///
    /// # Errors
    /// [`NotNetworks`] if that is not all that the list says.
    pub fn networks(&self) -> Result<Vec<Ipv6Net>, NotNetworks> {
        let rules = self
            .entries
            .values()
            .filter_map(|entry| match &entry.value {
                Ipv6AccessEntry::Remark(_) => None,
                Ipv6AccessEntry::Rule {
                    decision,
                    source,
                    destination,
                } => Some(Rule {
                    decision: *decision,
                    source: *source,
                    to_any: *destination == Ipv6Net::ANY,
                    at: &entry.at,
                }),
            });
        permitted(rules, Some, Ipv6Net::overlaps)
    }
}
