//! Our table of nf_tables: address translation for what leaves by an outside interface, and the rules that keep the
//! pools' traffic inside ESP.
//!
//! The rules are laid out in [`Ruleset`]; the netlink encoding of linux/netfilter/nf_tables.h is written by hand in
//! `expression.rs`, because the existing crates for it either need a C library or are under the GPL. The table is
//! replaced in one transaction: there is no moment without it.
//!
//! ```text
//! table inet ironflex {
//!     chain pool-in  { type filter hook prerouting priority mangle;
//!         iifname != lo [iifname != CARRIER] ip saddr POOL [meta secpath missing] counter drop }
//!     chain pool-out { type filter hook postrouting priority filter;
//!         oifname != lo [oifname != CARRIER] ip daddr POOL [rt ipsec missing] counter drop }
//!     chain mss      { type filter hook forward priority mangle;
//!         iifname|oifname DEVICE (or ip saddr|daddr POOL) tcp flags syn tcp option maxseg size set N }
//!     chain nat      { type nat hook postrouting priority srcnat;
//!         oifname OUTSIDE ip saddr NETWORK [rt ipsec missing] counter masquerade (or return) }
//! }
//! ```

use std::os::fd::{AsFd, BorrowedFd};

use super::TABLE;
use super::error::{KernelErrno, NetlinkError, absent_is_fine};
use super::expression::Expressions;
use super::filter::{self, FilterRules};
use super::link;
use super::message::{Attributes, AttributesOf, Request, name_of};
use super::socket::{NetlinkSocket, Subsystem};
use crate::IpPrefix;

/// NFNL_SUBSYS_NFTABLES of linux/netfilter/nfnetlink.h, in the upper octet of every message type.
pub(super) const SUBSYSTEM: u16 = 10;

/// Message types of nfnetlink and of nf_tables.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;

/// NFPROTO_INET, NFPROTO_IPV4 and NFPROTO_IPV6 of linux/netfilter.h.
const IP_FAMILIES: [u8; 3] = [FAMILY_INET, 2, 10];

/// NFPROTO_INET: IPv4 and IPv6 in one table (address translation in it since kernel 5.2).
const FAMILY_INET: u8 = 1;

/// Attribute types.
const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const TABLE_HANDLE: u16 = 4;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;

/// NFT_TABLE_F_DORMANT: the table's chains are asked about no packet.
const DORMANT: u32 = 1;

/// NF_DROP of linux/netfilter.h.
const DROP: u32 = 0;

/// Octets of `struct nfgenmsg`.
pub(super) const HEADER_OCTETS: usize = 4;

/// NLM_F_CREATE and NLM_F_APPEND.
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// What our table is to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// Address translations, in order.
    pub masquerades: Vec<Masquerade>,
    /// The guard around the pools; `None`: no pools.
    pub guard: Option<PoolGuard>,
    /// How large the segments of forwarded TCP connections may be.
    pub clamps: Vec<Clamp>,
}

/// `ip nat inside source list … interface … overload`: what leaves by an outside interface takes its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masquerade {
    /// The Linux name of the outside interface.
    pub outside: String,
    /// The lines of the access list in order; what no line matches is not translated.
    pub sources: Vec<SourceRule>,
    /// Whether this kernel does IPsec (CONFIG_XFRM): what an SA will carry is then left alone, or clients could not
    /// reach each other. Without it nothing leaves an outside interface towards a client anyway.
    pub kernel_ipsec: bool,
}

/// One line of an access list, on source addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRule {
    /// Sources that the line is about.
    pub network: IpPrefix,
    /// `permit`: translate. `deny`: do not, and look no further.
    pub permit: bool,
}

/// No packet with a pool address travels outside ESP, neither from a client nor to one: not before its SA is there,
/// not after it is gone, not while the daemon is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolGuard {
    /// The pools' networks.
    pub pools: Vec<IpPrefix>,
    /// Devices on which clients' packets are in clear of right: the TUN device of userspace ESP, xfrm interfaces.
    pub carriers: Vec<String>,
    /// Whether this kernel does IPsec (CONFIG_XFRM); packets that came out of an SA or will go into one then pass.
    pub kernel_ipsec: bool,
}

/// `ip tcp adjust-mss`: a connection that is forwarded there, in either direction, is opened with segments of at most
/// that size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clamp {
    /// What is forwarded there.
    pub place: ClampPlace,
    /// The largest segment, in octets.
    pub size: u16,
}

/// Where segments are made smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClampPlace {
    /// Where packets come in or leave by this device.
    Device(String),
    /// Where they come from this network or go to it, whatever the device.
    Network(IpPrefix),
}

/// A handle on nf_tables in the network namespace in which it was opened.
pub struct Firewall {
    socket: NetlinkSocket,
}

impl Firewall {
    /// A handle on the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`], with EPROTONOSUPPORT on a kernel without nfnetlink.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: NetlinkSocket::open(Subsystem::Netfilter)?,
        })
    }

    /// Whether this kernel does IPsec, which `kernel_ipsec` in the rules is about. False under a user namespace's
    /// restrictions too, where nobody has made SAs either.
    #[must_use]
    pub fn kernel_ipsec() -> bool {
        NetlinkSocket::open(Subsystem::Xfrm).is_ok()
    }

    /// Puts `ruleset` into our table in place of what was there, in one transaction.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] names the rule or chain that the kernel cannot take; the table is then as it was, and so it is
    /// with all others but [`NetlinkError::Unanswered`]: neither the kernel's answer came nor, afterwards, what became of it.
    pub fn replace(&mut self, ruleset: &Ruleset) -> Result<(), NetlinkError> {
        for name in ruleset.device_names() {
            link::check_name("replace the nftables table", name)?;
        }
        let before = self.table_handle();
        // Deleting a table that is not there is refused: create it, delete it with whatever it held, create it anew.
        let mut messages = vec![
            table("create table", NEW_TABLE, CREATE),
            table("delete old table", DELETE_TABLE, 0),
            table("create table", NEW_TABLE, CREATE),
        ];
        for chain in ruleset.chains() {
            messages.push(chain.create());
            messages.extend(chain.rules.iter().map(|rule| rule.append(chain.name)));
        }
        let replaced = self.transact("replace the nftables table", messages);
        self.settle(replaced, |now| is_another(before.ok(), now))
    }

    /// Has messages take effect together.
    fn transact(&mut self, whole: &str, messages: Vec<Request>) -> Result<(), NetlinkError> {
        self.socket
            .transaction(batch(whole, BATCH_BEGIN), messages, batch(whole, BATCH_END))
    }

    /// Looks for what became of a transaction whose answer was lost, where it was: `is_done` tells it by the number that the
    /// table has now, if that can be told.
    fn settle(
        &mut self,
        result: Result<(), NetlinkError>,
        is_done: impl FnOnce(Option<u64>) -> Option<bool>,
    ) -> Result<(), NetlinkError> {
        match result {
            Err(NetlinkError::Unanswered { operation, why }) => {
                match self.table_handle().ok().and_then(is_done) {
                    Some(true) => Ok(()),
                    Some(false) => Err(*why),
                    None => Err(NetlinkError::Unanswered { operation, why }),
                }
            }
            known => known,
        }
    }

    /// The number that the kernel gave our table when it was made (since Linux 4.16), which no later one has; `None` where there
    /// is none of ours.
    fn table_handle(&mut self) -> Result<Option<u64>, NetlinkError> {
        let request = || table("look for the nftables table", GET_TABLE, 0);
        let mut handle = None;
        let asked = self.socket.query(request(), |message_type, body| {
            if message_type == (SUBSYSTEM << 8) | NEW_TABLE {
                let attributes = body.get(HEADER_OCTETS..).unwrap_or_default();
                let found = AttributesOf(attributes).find(|(kind, _)| *kind == TABLE_HANDLE);
                handle = found.and_then(|(_, value)| value.first_chunk().copied());
            }
            Ok(())
        });
        if !absent_is_fine(asked)? {
            return Ok(None);
        }
        match handle {
            Some(octets) => Ok(Some(u64::from_be_bytes(octets))),
            None => Err(NetlinkError::malformed(
                request().operation(),
                "the table has no handle",
            )),
        }
    }

    /// Everybody's base chains for IP, of every table that does not sleep (`flags dormant`).
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] without the right to look, and as the socket fails.
    pub fn base_chains(&mut self) -> Result<Vec<BaseChain>, NetlinkError> {
        let asleep = self.socket.dump(
            || {
                Request::dump("list nftables tables", (SUBSYSTEM << 8) | GET_TABLE)
                    .octets(&[0; HEADER_OCTETS])
            },
            |message_type, body| {
                let is_table = message_type == (SUBSYSTEM << 8) | NEW_TABLE;
                Ok(is_table.then(|| read_dormant(body)).flatten())
            },
        );
        let asleep = match asleep {
            // A kernel without nf_tables has no tables, and so no chains.
            Err(error) if error.errno() == Some(KernelErrno::EOPNOTSUPP) => return Ok(Vec::new()),
            result => result?,
        };
        let mut chains = self.socket.dump(
            || {
                Request::dump("list nftables chains", (SUBSYSTEM << 8) | GET_CHAIN)
                    .octets(&[0; HEADER_OCTETS])
            },
            |message_type, body| {
                let is_chain = message_type == (SUBSYSTEM << 8) | NEW_CHAIN;
                Ok(is_chain.then(|| read_chain(body)).flatten())
            },
        )?;
        let sleeps = |chain: &BaseChain| {
            let mut tables = asleep.iter();
            tables.any(|(family, table)| *family == chain.family && *table == chain.table)
        };
        chains.retain(|chain| !sleeps(chain));
        Ok(chains)
    }

    /// Everybody's rules for IP, of every table, with the sets that they look into, where they are looked at for what becomes of a
    /// packet.
    ///
    /// # Errors
    ///
    /// As of [`Firewall::base_chains`].
    pub fn filter_rules(&mut self) -> Result<FilterRules, NetlinkError> {
        let listed = self.socket.dump(
            || {
                Request::dump("list nftables rules", (SUBSYSTEM << 8) | GET_RULE)
                    .octets(&[0; HEADER_OCTETS])
            },
            |message_type, body| {
                let is_rule = message_type == (SUBSYSTEM << 8) | NEW_RULE;
                Ok(is_rule
                    .then(|| filter::read_rule(HEADER_OCTETS, body))
                    .flatten())
            },
        );
        match listed {
            Err(error) if error.errno() == Some(KernelErrno::EOPNOTSUPP) => {
                Ok(FilterRules::default())
            }
            result => FilterRules::with_sets(result?, &mut self.socket),
        }
    }

    /// Removes our table with everything in it. Says whether there was one.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] and as the socket fails.
    pub fn delete(&mut self) -> Result<bool, NetlinkError> {
        let deletion = vec![table("delete table", DELETE_TABLE, 0)];
        let deleted = self.transact("delete the nftables table", deletion);
        let deleted = self.settle(deleted, |now| Some(now.is_none()));
        match absent_is_fine(deleted) {
            // A kernel without nf_tables has no table of ours.
            Err(error) if error.errno() == Some(KernelErrno::EOPNOTSUPP) => Ok(false),
            result => result,
        }
    }

    /// Whether our table is there.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] and as the socket fails.
    pub fn exists(&mut self) -> Result<bool, NetlinkError> {
        match absent_is_fine(self.socket.execute(table(
            "look for the nftables table",
            GET_TABLE,
            0,
        ))) {
            Err(error) if error.errno() == Some(KernelErrno::EOPNOTSUPP) => Ok(false),
            result => result,
        }
    }
}

impl AsFd for Firewall {
    /// The socket, for whoever looks at its buffers.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether our table is another than `before`, if that is known: each of the two is the number of one, or `None` for none.
fn is_another(before: Option<Option<u64>>, now: Option<u64>) -> Option<bool> {
    before.map(|before| now.is_some() && now != before)
}

/// A chain of anybody's that the kernel sends packets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseChain {
    /// The family of its table (NFPROTO of linux/netfilter.h).
    pub family: u8,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Where it stands in a packet's way.
    pub hook: Hook,
    /// Whether it drops what no rule of it decides (`policy drop`).
    pub drops: bool,
}

/// A place in a packet's way (`enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// To this machine.
    Input,
    /// Through it.
    Forward,
    /// From it.
    Output,
    /// After routing.
    Postrouting,
    /// Of a family without these.
    Other,
}

impl Hook {
    const fn of(number: u32) -> Self {
        match number {
            PREROUTING => Self::Prerouting,
            1 => Self::Input,
            FORWARD => Self::Forward,
            3 => Self::Output,
            POSTROUTING => Self::Postrouting,
            _ => Self::Other,
        }
    }
}

/// Reads a table of the kernel's list: its family and name, if it sleeps.
fn read_dormant(body: &[u8]) -> Option<(u8, String)> {
    let [family, ..] = *body.first_chunk::<HEADER_OCTETS>()?;
    let (mut name, mut flags) = (String::new(), 0);
    for (kind, value) in AttributesOf(body.get(HEADER_OCTETS..)?) {
        match kind {
            TABLE_NAME => name = name_of(value),
            TABLE_FLAGS => flags = u32::from_be_bytes(*value.first_chunk()?),
            _ => {}
        }
    }
    (flags & DORMANT != 0).then_some((family, name))
}

/// Reads a chain of the kernel's list; `None` for one that is not of IP, or that only other chains lead to.
fn read_chain(body: &[u8]) -> Option<BaseChain> {
    let [family, ..] = *body.first_chunk::<HEADER_OCTETS>()?;
    if !IP_FAMILIES.contains(&family) {
        return None;
    }
    let number = |value: &[u8]| {
        value
            .first_chunk()
            .map(|octets| u32::from_be_bytes(*octets))
    };
    let mut chain = BaseChain {
        family,
        table: String::new(),
        name: String::new(),
        hook: Hook::Other,
        drops: false,
    };
    let mut is_base = false;
    for (kind, value) in AttributesOf(body.get(HEADER_OCTETS..)?) {
        match kind {
            CHAIN_TABLE => chain.table = name_of(value),
            CHAIN_NAME => chain.name = name_of(value),
            CHAIN_POLICY => chain.drops = number(value) == Some(DROP),
            CHAIN_HOOK => {
                is_base = true;
                let hook = AttributesOf(value).find(|(kind, _)| *kind == HOOK_NUMBER);
                let hook = hook.and_then(|(_, value)| number(value));
                chain.hook = hook.map_or(Hook::Other, Hook::of);
            }
            _ => {}
        }
    }
    is_base.then_some(chain)
}

/// A base chain and its rules.
struct Chain {
    name: &'static str,
    kind: &'static str,
    hook: u32,
    priority: i32,
    rules: Vec<Rule>,
}

struct Rule {
    words: String,
    expressions: Expressions,
}

/// NF_INET_PRE_ROUTING, NF_INET_FORWARD and NF_INET_POST_ROUTING of linux/netfilter.h.
const PREROUTING: u32 = 0;
const FORWARD: u32 = 2;
const POSTROUTING: u32 = 4;

/// Priorities of linux/netfilter_ipv4.h.
const PRIORITY_MANGLE: i32 = -150;
const PRIORITY_FILTER: i32 = 0;
const PRIORITY_SOURCE_NAT: i32 = 100;

impl Ruleset {
    fn device_names(&self) -> impl Iterator<Item = &str> {
        let outside = self
            .masquerades
            .iter()
            .map(|masquerade| masquerade.outside.as_str());
        let carriers = self
            .guard
            .iter()
            .flat_map(|guard| guard.carriers.iter().map(String::as_str));
        let clamped = self.clamps.iter().filter_map(|clamp| match &clamp.place {
            ClampPlace::Device(name) => Some(name.as_str()),
            ClampPlace::Network(_) => None,
        });
        outside.chain(carriers).chain(clamped)
    }

    fn chains(&self) -> Vec<Chain> {
        let mut chains = Vec::new();
        if let Some(guard) = &self.guard {
            chains.extend(guard.chains());
        }
        if !self.clamps.is_empty() {
            chains.push(Chain {
                name: "mss",
                kind: "filter",
                hook: FORWARD,
                priority: PRIORITY_MANGLE,
                rules: self.clamps.iter().flat_map(Clamp::rules).collect(),
            });
        }
        if !self.masquerades.is_empty() {
            chains.push(Chain {
                name: "nat",
                kind: "nat",
                hook: POSTROUTING,
                priority: PRIORITY_SOURCE_NAT,
                rules: self
                    .masquerades
                    .iter()
                    .flat_map(Masquerade::rules)
                    .collect(),
            });
        }
        chains
    }
}

impl Masquerade {
    fn rules(&self) -> impl Iterator<Item = Rule> {
        self.sources.iter().map(|source| {
            let mut expressions = Expressions::new()
                .output_name(&self.outside, true)
                .source(&source.network);
            if self.kernel_ipsec {
                expressions = expressions.will_be_encrypted(false);
            }
            let (verb, expressions) = match source.permit {
                true => ("masquerade", expressions.counter().masquerade()),
                false => ("return", expressions.counter().leave()),
            };
            Rule {
                words: format!("{verb} {} leaving by {}", source.network, self.outside),
                expressions,
            }
        })
    }
}

impl Clamp {
    /// One for each direction.
    fn rules(&self) -> [Rule; 2] {
        let (words, towards, away) = match &self.place {
            ClampPlace::Device(name) => (
                format!("make segments by {name} smaller"),
                Expressions::new().input_name(name, true),
                Expressions::new().output_name(name, true),
            ),
            ClampPlace::Network(network) => (
                format!("make segments of {network} smaller"),
                Expressions::new().source(network),
                Expressions::new().destination(network),
            ),
        };
        [towards, away].map(|expressions| Rule {
            words: words.clone(),
            expressions: expressions.tcp_syn().clamp_segments(self.size),
        })
    }
}

impl PoolGuard {
    fn chains(&self) -> [Chain; 2] {
        let incoming = self.pools.iter().map(|pool| {
            let mut expressions = Expressions::new().input_name("lo", false);
            for carrier in &self.carriers {
                expressions = expressions.input_name(carrier, false);
            }
            expressions = expressions.source(pool);
            if self.kernel_ipsec {
                expressions = expressions.was_decrypted(false);
            }
            Rule {
                words: format!("drop clear packets from {pool}"),
                expressions: expressions.counter().drop(),
            }
        });
        let outgoing = self.pools.iter().map(|pool| {
            let mut expressions = Expressions::new().output_name("lo", false);
            for carrier in &self.carriers {
                expressions = expressions.output_name(carrier, false);
            }
            expressions = expressions.destination(pool);
            if self.kernel_ipsec {
                expressions = expressions.will_be_encrypted(false);
            }
            Rule {
                words: format!("drop clear packets to {pool}"),
                expressions: expressions.counter().drop(),
            }
        });
        [
            Chain {
                name: "pool-in",
                kind: "filter",
                hook: PREROUTING,
                priority: PRIORITY_MANGLE,
                rules: incoming.collect(),
            },
            Chain {
                name: "pool-out",
                kind: "filter",
                hook: POSTROUTING,
                priority: PRIORITY_FILTER,
                rules: outgoing.collect(),
            },
        ]
    }
}

impl Chain {
    fn create(&self) -> Request {
        let hook = Attributes::new()
            .be32(HOOK_NUMBER, self.hook)
            .attribute(HOOK_PRIORITY, &self.priority.to_be_bytes());
        message(format!("create chain {}", self.name), NEW_CHAIN, CREATE)
            .name(CHAIN_TABLE, TABLE)
            .name(CHAIN_NAME, self.name)
            .nested(CHAIN_HOOK, &hook)
            .name(CHAIN_TYPE, self.kind)
    }
}

impl Rule {
    fn append(&self, chain: &str) -> Request {
        message(self.words.clone(), NEW_RULE, CREATE | APPEND)
            .name(RULE_TABLE, TABLE)
            .name(RULE_CHAIN, chain)
            .nested(RULE_EXPRESSIONS, self.expressions.attributes())
    }
}

fn table(operation: &str, message_type: u16, flags: u16) -> Request {
    message(operation.to_owned(), message_type, flags).name(TABLE_NAME, TABLE)
}

/// A message of nf_tables with its `struct nfgenmsg`.
fn message(operation: String, message_type: u16, flags: u16) -> Request {
    Request::new(operation, (SUBSYSTEM << 8) | message_type, flags).octets(&[FAMILY_INET, 0, 0, 0])
}

/// The begin or end of a transaction: for nobody in particular, its resource number (network order) the subsystem's.
fn batch(operation: &str, message_type: u16) -> Request {
    let [high, low] = SUBSYSTEM.to_be_bytes();
    Request::with_flags(operation, message_type, netlink_packet_core::NLM_F_REQUEST)
        .octets(&[0, 0, high, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str, length: u8) -> IpPrefix {
        IpPrefix::new(text.parse().unwrap(), length).unwrap()
    }

    #[test]
    fn messages_are_laid_out_as_nf_tables_h_says() {
        let mut begin = batch("test", BATCH_BEGIN);
        begin.finish(1);
        assert_eq!(
            begin.wire(),
            [
                20, 0, 0, 0, 0x10, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10
            ]
        );
        let mut create = table("create table", NEW_TABLE, CREATE);
        create.finish(2);
        let mut expected = vec![
            36, 0, 0, 0, 0, 10, 5, 4, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 13, 0, 1, 0,
        ];
        expected.extend_from_slice(b"ironflex\0\0\0\0");
        assert_eq!(create.wire(), expected);
    }

    #[test]
    fn a_change_is_done_where_the_table_is_another() {
        assert_eq!(is_another(Some(Some(7)), Some(8)), Some(true));
        assert_eq!(is_another(Some(None), Some(8)), Some(true));
        assert_eq!(is_another(Some(Some(7)), Some(7)), Some(false));
        assert_eq!(is_another(Some(Some(7)), None), Some(false));
        assert_eq!(is_another(Some(None), None), Some(false));
        assert_eq!(is_another(None, Some(7)), None);
    }

    #[test]
    fn the_guard_has_a_rule_for_each_pool_each_way() {
        let guard = PoolGuard {
            pools: vec![prefix("10.10.0.0", 16), prefix("2001:db8::", 64)],
            carriers: vec!["ironflex0".into()],
            kernel_ipsec: true,
        };
        let words: Vec<String> = Ruleset {
            guard: Some(guard),
            ..Ruleset::default()
        }
        .chains()
        .iter()
        .flat_map(|chain| {
            chain
                .rules
                .iter()
                .map(|rule| format!("{}: {}", chain.name, rule.words))
        })
        .collect();
        assert_eq!(
            words,
            [
                "pool-in: drop clear packets from 10.10.0.0/16",
                "pool-in: drop clear packets from 2001:db8::/64",
                "pool-out: drop clear packets to 10.10.0.0/16",
                "pool-out: drop clear packets to 2001:db8::/64",
            ]
        );
    }

    #[test]
    fn access_list_lines_keep_their_order() {
        let masquerade = Masquerade {
            outside: "eth0".into(),
            sources: vec![
                SourceRule {
                    network: prefix("10.10.9.0", 24),
                    permit: false,
                },
                SourceRule {
                    network: prefix("10.10.0.0", 16),
                    permit: true,
                },
            ],
            kernel_ipsec: false,
        };
        let words: Vec<String> = masquerade.rules().map(|rule| rule.words).collect();
        assert_eq!(
            words,
            [
                "return 10.10.9.0/24 leaving by eth0",
                "masquerade 10.10.0.0/16 leaving by eth0"
            ]
        );
    }
}
