//! `ip access-list`: which networks go through the tunnel, which are translated.
//!
//! Here access lists only name networks, they filter nothing. [`AccessList::networks`] is where a
//! list that means more than networks is found out.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::net::Ipv4Addr;

use super::{Located, keywords, net::Ipv4Net};
use crate::error::Span;

/// `ip access-list {standard|extended} NAME`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessList {
    /// Which of the two grammars its entries have.
    pub kind: AccessListKind,
    /// Entries by sequence number, 1 to 2147483647.
    pub entries: BTreeMap<u32, Located<AccessEntry>>,
}

keywords! {
    /// The two kinds of access lists.
    pub enum AccessListKind {
        /// Entries match source addresses.
        Standard = "standard", "Standard Access List";
        /// Entries match source and destination addresses.
        Extended = "extended", "Extended Access List";
    }
    refused {
        "role-based", "role-based access lists";
        "resequence", "resequencing of access lists";
        "log-update", "logging by access list";
        "logging", "logging by access list";
        "match-local-traffic", "access lists on local traffic";
    }
}

/// Last sequence number that an entry can have.
pub const LAST_SEQUENCE: u32 = 2_147_483_647;

/// The distance between entries that are written without a number.
const SEQUENCE_STEP: u32 = 10;

/// One line of an access list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccessEntry {
    /// `remark LINE`.
    Remark(String),
    /// `permit …` or `deny …`; the protocol of an extended entry is always `ip`.
    Rule {
        /// What happens to a match.
        decision: Decision,
        /// Where a packet comes from.
        source: AddressMatch,
        /// Where it goes to; any, in a standard list.
        destination: AddressMatch,
    },
}

keywords! {
    /// What an entry does with a match.
    pub enum Decision {
        /// Takes it.
        Permit = "permit", "Specify packets to forward";
        /// Leaves it out.
        Deny = "deny", "Specify packets to reject";
    }
    refused {}
}

/// An address under a wildcard mask, whose ones are the bits that do not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressMatch {
    address: Ipv4Addr,
    wildcard: Ipv4Addr,
}

impl AddressMatch {
    /// Every address: `any`.
    pub const ANY: Self = Self {
        address: Ipv4Addr::UNSPECIFIED,
        wildcard: Ipv4Addr::BROADCAST,
    };

    /// Matches under a wildcard mask; bits that do not count are cleared, as IOS-XE prints them.
    pub fn new(address: Ipv4Addr, wildcard: Ipv4Addr) -> Self {
        Self {
            address: Ipv4Addr::from(u32::from(address) & !u32::from(wildcard)),
            wildcard,
        }
    }

    /// Matches one address: `host A.B.C.D`.
    pub fn host(address: Ipv4Addr) -> Self {
        Self::new(address, Ipv4Addr::UNSPECIFIED)
    }

    /// First address that matches.
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// The bits that do not count.
    pub const fn wildcard(self) -> Ipv4Addr {
        self.wildcard
    }

    /// The one network that holds just the matching addresses; `None` if the wildcard's ones do
    /// not come last.
    pub fn network(self) -> Option<Ipv4Net> {
        Ipv4Net::with_mask(self.address, Ipv4Addr::from(!u32::from(self.wildcard)))
    }

    /// Whether some address matches both.
    pub fn overlaps(self, other: Self) -> bool {
        let counted = !(u32::from(self.wildcard) | u32::from(other.wildcard));
        (u32::from(self.address) ^ u32::from(other.address)) & counted == 0
    }
}

/// Why an access list is more than a list of networks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotNetworks {
    /// It permits nothing.
    #[error("the access list permits no network")]
    Empty,
    /// The wildcard of an entry is no inverted netmask.
    #[error("the wildcard mask does not describe one network")]
    Wildcard(Span),
    /// An entry of an extended list names destinations.
    #[error("the entry has a destination other than `any`")]
    Destination(Span),
    /// An entry permits addresses that an earlier one denies.
    #[error("the entry denies addresses that a later one permits")]
    Hole {
        /// The entry that denies.
        denied: Span,
        /// The later entry that permits.
        permitted: Span,
    },
}

impl AccessList {
    /// A list without entries.
    pub const fn new(kind: AccessListKind) -> Self {
        Self {
            kind,
            entries: BTreeMap::new(),
        }
    }

    /// The number that an entry written without one gets: ten after the last. `None` when the
    /// numbers are used up.
    pub fn next_sequence(&self) -> Option<u32> {
        next_sequence(&self.entries)
    }

    /// Whether the numbers are those that the entries would get if written without any.
    pub fn is_evenly_numbered(&self) -> bool {
        is_evenly_numbered(&self.entries)
    }

    /// The permitted networks, in the order of their entries and each once.
    ///
    /// Of a standard list these are its sources: the networks behind the headend, when the list
    /// is used for split tunnelling. Of an extended list they are the sources too, and the
    /// destination must be `any`: that is how a Cisco headend reads an extended list for split
    /// tunnelling, and what address translation asks for. A denying entry is harmless while no
    /// later entry permits any of its addresses (`deny any` at the end); remarks do not count.
    ///
    /// # Errors
    /// [`NotNetworks`] if that is not all that the list says.
    pub fn networks(&self) -> Result<Vec<Ipv4Net>, NotNetworks> {
        let rules = self
            .entries
            .values()
            .filter_map(|entry| match &entry.value {
                AccessEntry::Remark(_) => None,
                AccessEntry::Rule {
                    decision,
                    source,
                    destination,
                } => Some(Rule {
                    decision: *decision,
                    source: *source,
                    to_any: *destination == AddressMatch::ANY,
                    at: &entry.at,
                }),
            });
        permitted(rules, AddressMatch::network, AddressMatch::overlaps)
    }
}

/// The number that an entry written without one gets: ten after the last. `None` when the numbers are used up.
pub(crate) fn next_sequence<E>(entries: &BTreeMap<u32, E>) -> Option<u32> {
    let last = entries.keys().next_back().copied().unwrap_or(0);
    last.checked_add(SEQUENCE_STEP)
        .filter(|next| *next <= LAST_SEQUENCE)
}

/// Whether the numbers are those that the entries would get if written without any.
pub(crate) fn is_evenly_numbered<E>(entries: &BTreeMap<u32, E>) -> bool {
    let expected = (1u32..).map(|index| index.saturating_mul(SEQUENCE_STEP));
    entries
        .keys()
        .copied()
        .zip(expected)
        .all(|(number, expected)| number == expected)
}

/// What an entry says of networks, in a list of either family.
pub(super) struct Rule<'a, M> {
    pub(super) decision: Decision,
    pub(super) source: M,
    /// Its destination is `any`.
    pub(super) to_any: bool,
    pub(super) at: &'a Span,
}

/// The permitted networks of a list, as [`AccessList::networks`] tells.
pub(super) fn permitted<'a, M: Copy, N: PartialEq>(
    rules: impl Iterator<Item = Rule<'a, M>>,
    network: fn(M) -> Option<N>,
    overlaps: fn(M, M) -> bool,
) -> Result<Vec<N>, NotNetworks> {
    let mut networks = Vec::new();
    let mut denied: Vec<(M, &Span)> = Vec::new();
    for rule in rules {
        if rule.decision == Decision::Deny {
            denied.push((rule.source, rule.at));
            continue;
        }
        if !rule.to_any {
            return Err(NotNetworks::Destination(rule.at.clone()));
        }
        let network = network(rule.source).ok_or_else(|| NotNetworks::Wildcard(rule.at.clone()))?;
        if let Some((_, at)) = denied.iter().find(|(hole, _)| overlaps(*hole, rule.source)) {
            return Err(NotNetworks::Hole {
                denied: (*at).clone(),
                permitted: rule.at.clone(),
            });
        }
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    if networks.is_empty() {
        Err(NotNetworks::Empty)
    } else {
        Ok(networks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn at(line: u32) -> Span {
        Span {
            line,
            ..Span::built_in("t")
        }
    }

    fn address(text: &str, wildcard: &str) -> AddressMatch {
        AddressMatch::new(text.parse().unwrap(), wildcard.parse().unwrap())
    }

    fn list(entries: &[(Decision, AddressMatch, AddressMatch)]) -> AccessList {
        let mut list = AccessList::new(AccessListKind::Extended);
        for (line, (decision, source, destination)) in (1..).zip(entries) {
            let number = list.next_sequence().unwrap();
            let entry = AccessEntry::Rule {
                decision: *decision,
                source: *source,
                destination: *destination,
            };
            list.entries.insert(number, Located::new(entry, at(line)));
        }
        list
    }

    #[test]
    fn lists_permitted_sources_in_order_and_once() {
        let ten = address("10.1.2.3", "0.255.255.255");
        let host = AddressMatch::host(Ipv4Addr::new(192, 0, 2, 1));
        let any = AddressMatch::ANY;
        let networks = list(&[
            (Decision::Permit, host, any),
            (Decision::Permit, ten, any),
            (Decision::Permit, ten, any),
            (Decision::Deny, any, any),
        ])
        .networks()
        .unwrap();
        let shown: Vec<_> = networks.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.1/32", "10.0.0.0/8"]);
    }

    #[test]
    fn refuses_what_is_not_networks() {
        let any = AddressMatch::ANY;
        let ten = address("10.0.0.0", "0.255.255.255");
        let odd = address("10.0.0.1", "0.255.0.0");
        assert_eq!(list(&[]).networks(), Err(NotNetworks::Empty));
        assert_eq!(
            list(&[(Decision::Deny, any, any)]).networks(),
            Err(NotNetworks::Empty)
        );
        assert_eq!(
            list(&[(Decision::Permit, odd, any)]).networks(),
            Err(NotNetworks::Wildcard(at(1)))
        );
        assert_eq!(
            list(&[(Decision::Permit, any, ten)]).networks(),
            Err(NotNetworks::Destination(at(1)))
        );
        assert_eq!(
            list(&[(Decision::Deny, odd, any), (Decision::Permit, ten, any)]).networks(),
            Err(NotNetworks::Hole {
                denied: at(1),
                permitted: at(2)
            })
        );
        let apart = address("11.0.0.0", "0.255.255.255");
        assert!(
            list(&[(Decision::Deny, apart, any), (Decision::Permit, ten, any)])
                .networks()
                .is_ok()
        );
    }
}
