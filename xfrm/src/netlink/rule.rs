//! Routing rules (`ip rule`): which routing table is asked for packets of one source.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, parse_ip};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{RouteHeader, RouteProtocol};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};

use super::error::{KernelErrno, NetlinkError};
use super::message::{AttributesOf, Request};
use super::network::Network;
use crate::IpPrefix;

/// Message types of linux/rtnetlink.h.
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;

/// Attribute types of linux/fib_rules.h.
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;
const FRA_PROTOCOL: u16 = 21;

/// Octets of `struct fib_rule_hdr`.
const HEADER_OCTETS: usize = 12;

/// FR_ACT_TO_TBL of linux/fib_rules.h.
const TO_TABLE: u8 = 1;

/// A rule that a [`Network`] makes or has made: packets from `source` take the routes of `table`, if it has one for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Which packets.
    pub source: IpPrefix,
    /// Where their route is looked up.
    pub table: u32,
    /// Rules are asked from the smallest number on; 0 is the local table's, 32766 the main one's.
    pub priority: u32,
}

impl Rule {
    fn words(&self, verb: &str) -> String {
        format!("{verb} the rule for packets from {}", self.source)
    }
}

impl Network {
    /// Adds a rule.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`], with EEXIST when there is such a rule, with EOPNOTSUPP on a kernel without rules
    /// (CONFIG_IP_MULTIPLE_TABLES).
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), NetlinkError> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        let message = wire(rule, self.protocol());
        self.socket
            .execute(Request::new(rule.words("add"), RTM_NEWRULE, flags).emit(&message))
    }

    /// Removes a rule of this handle's owner.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]; [`NetlinkError::is_absent`] when there is none.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<(), NetlinkError> {
        let message = wire(rule, self.protocol());
        self.socket
            .execute(Request::new(rule.words("delete"), RTM_DELRULE, 0).emit(&message))
    }

    /// Every rule with the owner's protocol number that looks packets of a source up in a table; none on a kernel
    /// without rules.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Malformed`] and as the socket fails.
    pub fn rules(&mut self) -> Result<Vec<Rule>, NetlinkError> {
        let operation = "list rules";
        let protocol = self.protocol();
        let mut ours = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let listed = self.socket.dump(
                || {
                    let mut message = RuleMessage::default();
                    message.header.family = family;
                    Request::dump(operation, RTM_GETRULE).emit(&message)
                },
                |message_type, body| match message_type {
                    RTM_NEWRULE => parse(operation, protocol, body),
                    _ => Ok(None),
                },
            );
            match listed {
                // Without rules, or without the family, there is none of ours.
                Err(error)
                    if matches!(
                        error.errno(),
                        Some(KernelErrno::EOPNOTSUPP | KernelErrno::EAFNOSUPPORT)
                    ) => {}
                listed => ours.extend(listed?),
            }
        }
        Ok(ours)
    }
}

pub(super) fn wire(rule: &Rule, protocol: u8) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = match rule.source.address() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.src_len = rule.source.length();
    // The header's table has eight bits; FRA_TABLE says the rest.
    message.header.table = u8::try_from(rule.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Source(rule.source.address()),
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Protocol(RouteProtocol::from(protocol)),
    ];
    message
}

/// Reads `struct fib_rule_hdr` and the attributes behind it. `None` for a rule of another protocol number or of a form that
/// we never make.
pub(super) fn parse(operation: &str, ours: u8, body: &[u8]) -> Result<Option<Rule>, NetlinkError> {
    let malformed = |error| NetlinkError::malformed(operation, error);
    let short = || NetlinkError::malformed(operation, "a rule without its header");
    let [_, _, source_length, _, table, _, _, action, ..] =
        *body.first_chunk::<HEADER_OCTETS>().ok_or_else(short)?;
    let number = |value: &[u8]| value.first_chunk::<4>().copied().map(u32::from_ne_bytes);
    let mut source: Option<IpAddr> = None;
    let mut protocol = None;
    let mut rule_table = u32::from(table);
    let mut priority = 0;
    for (kind, value) in AttributesOf(body.get(HEADER_OCTETS..).unwrap_or_default()) {
        match kind {
            FRA_SRC => source = Some(parse_ip(value).map_err(malformed)?),
            FRA_PRIORITY => priority = number(value).unwrap_or(0),
            FRA_TABLE => rule_table = number(value).unwrap_or(rule_table),
            FRA_PROTOCOL => protocol = value.first().copied(),
            _ => {}
        }
    }
    if protocol != Some(ours) || action != TO_TABLE {
        return Ok(None);
    }
    let Some(source) = source else {
        return Ok(None);
    };
    let source = IpPrefix::new(source, source_length)
        .ok_or_else(|| NetlinkError::malformed(operation, "a prefix longer than its address"))?;
    Ok(Some(Rule {
        source,
        table: rule_table,
        priority,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;

    const OURS: u8 = 242;

    fn octets(rule: &Rule) -> Vec<u8> {
        let message = wire(rule, OURS);
        let mut octets = vec![0; message.buffer_len()];
        message.emit(&mut octets);
        octets
    }

    #[test]
    fn what_is_sent_is_recognised_again_and_a_foreign_rule_is_not() {
        for source in [
            IpPrefix::host("192.168.10.5".parse().unwrap()),
            IpPrefix::new("2001:db8::".parse().unwrap(), 64).unwrap(),
        ] {
            let rule = Rule {
                source,
                table: 0x4a00_0000,
                priority: 242,
            };
            let octets = octets(&rule);
            assert_eq!(parse("test", OURS, &octets), Ok(Some(rule)));
            assert_eq!(parse("test", 4, &octets), Ok(None));
            for cut in 0..HEADER_OCTETS {
                assert!(parse("test", OURS, &octets[..cut]).is_err(), "cut to {cut}");
            }
            // A rule that refuses is none of ours, whoever's number it has.
            let mut other = octets;
            other[7] = 7;
            assert_eq!(parse("test", OURS, &other), Ok(None));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_a_rule_or_an_error(octets: Vec<u8>) {
            proptest::prop_assert!(parse("test", OURS, &octets).is_err() || octets.len() >= HEADER_OCTETS);
        }
    }
}
