//! What becomes of a headend's packets in other people's rules of nf_tables, as far as the rules alone say it.
//!
//! ```text
//!   chain ── rule ── rule ── … ── policy
//!             │ each expression of a rule holds, does not hold, or depends on more than is known of the packet
//!             └─► accepted, dropped, sent on through another chain
//! ```
//!
//! Of a packet its protocol is known, its port at this end, whether it is the first of its connection, and that it does not
//! stay on this machine. What a rule asks beyond that (addresses, devices, sets, limits) it may answer or may not, and so what
//! the rule does may happen or may not.

use std::collections::BTreeMap;

use super::message::{AttributesOf, name_of};
use super::nft::{BaseChain, Hook};

/// A packet that a headend lives by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterProbe {
    /// UDP to or from our port.
    Udp(u16),
    /// ESP outside of UDP.
    Esp,
}

impl FilterProbe {
    /// Those that a headend needs.
    pub const ALL: [Self; 3] = [Self::Udp(500), Self::Udp(4500), Self::Esp];
}

/// What becomes of a packet in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing of the chain stops it.
    Passes,
    /// It is stopped, here first, unless something that is not known of it lets it pass before.
    MayStop(Stop),
    /// It is stopped, whatever else it is.
    Stops(Stop),
}

/// What stops a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The chain's policy: no rule has decided.
    Policy,
    /// A rule.
    Rule {
        /// The chain that it stands in.
        chain: String,
        /// Its handle, as `nft --handle list ruleset` shows it.
        handle: u64,
    },
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FilterRule {
    family: u8,
    table: String,
    chain: String,
    handle: u64,
    /// The list of expressions, as it came.
    expressions: Vec<u8>,
}

/// Everybody's rules, by family, table and chain, in their order.
#[derive(Clone, Debug, Default)]
pub struct FilterRules(BTreeMap<(u8, String, String), Vec<FilterRule>>);

/// How deep chains lead into each other: the kernel takes no more.
const DEPTH: u32 = 16;

/// Rules that are looked at for one packet: chains that lead to chains many times over are not followed to their end.
const PATIENCE: u32 = 200_000;

/// Protocols of IP, and families of nf_tables.
const UDP: u8 = 17;
const ESP: u8 = 50;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

/// Bits of a connection's state (NF_CT_STATE_BIT): known from both sides, and not known before.
const ESTABLISHED: u32 = 2;
const NEW: u32 = 8;

/// NFT_REG_VERDICT, and where a `lookup` says what it writes to (NFTA_LOOKUP_DREG).
const REGISTER_VERDICT: u32 = 0;
const LOOKUP_DESTINATION: u16 = 3;

/// Expressions that load something or ask something, and decide nothing themselves.
const CONDITIONS: [&str; 18] = [
    "byteorder",
    "connlimit",
    "dynset",
    "exthdr",
    "fib",
    "hash",
    "inner",
    "limit",
    "lookup",
    "match",
    "numgen",
    "objref",
    "osf",
    "quota",
    "rt",
    "socket",
    "tunnel",
    "xfrm",
];

/// Targets of iptables after which the next rule is asked.
const CONTINUING: [&str; 25] = [
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DSCP",
    "ECN",
    "HL",
    "HMARK",
    "IDLETIMER",
    "LED",
    "LOG",
    "MARK",
    "NFLOG",
    "NOTRACK",
    "RATEEST",
    "SECMARK",
    "SET",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
    "TTL",
];

/// Reads a rule of the kernel's list.
pub(super) fn read_rule(header: usize, body: &[u8]) -> Option<FilterRule> {
    const TABLE: u16 = 1;
    const CHAIN: u16 = 2;
    const HANDLE: u16 = 3;
    const EXPRESSIONS: u16 = 4;
    let mut rule = FilterRule {
        family: *body.first()?,
        ..FilterRule::default()
    };
    for (kind, value) in AttributesOf(body.get(header..)?) {
        match kind {
            TABLE => rule.table = name_of(value),
            CHAIN => rule.chain = name_of(value),
            HANDLE => rule.handle = u64::from_be_bytes(*value.first_chunk()?),
            EXPRESSIONS => rule.expressions = value.to_vec(),
            _ => {}
        }
    }
    Some(rule)
}

impl FilterRules {
    pub(super) fn new(listed: Vec<FilterRule>) -> Self {
        let mut rules: BTreeMap<_, Vec<FilterRule>> = BTreeMap::new();
        for rule in listed {
            let key = (rule.family, rule.table.clone(), rule.chain.clone());
            rules.entry(key).or_default().push(rule);
        }
        Self(rules)
    }

    /// Whether a chain has no rule.
    #[must_use]
    pub fn is_empty(&self, chain: &BaseChain) -> bool {
        let key = (chain.family, chain.table.clone(), chain.name.clone());
        self.0.get(&key).is_none_or(Vec::is_empty)
    }

    /// What becomes of a packet in a base chain. A chain of both families is looked at with an IPv4 packet first.
    #[must_use]
    pub fn fate(&self, chain: &BaseChain, probe: FilterProbe) -> Fate {
        let families: &[u8] = match chain.family {
            FAMILY_V4 => &[FAMILY_V4],
            FAMILY_V6 => &[FAMILY_V6],
            _ => &[FAMILY_V4, FAMILY_V6],
        };
        let inbound = !matches!(chain.hook, Hook::Output | Hook::Postrouting);
        let mut fates = families.iter().map(|family| {
            let packet = Packet {
                family: *family,
                probe,
                inbound,
            };
            self.fate_of(chain, packet)
        });
        let first = fates.next().unwrap_or(Fate::Passes);
        fates.fold(first, |worst, next| match (&worst, &next) {
            (Fate::Passes, _) => match next {
                // The other family passes.
                Fate::Stops(stop) => Fate::MayStop(stop),
                other => other,
            },
            (Fate::Stops(stop), Fate::Passes | Fate::MayStop(_)) => Fate::MayStop(stop.clone()),
            _ => worst,
        })
    }

    fn fate_of(&self, chain: &BaseChain, packet: Packet) -> Fate {
        let mut walk = Walk {
            rules: self,
            family: chain.family,
            table: &chain.table,
            packet,
            left: PATIENCE,
        };
        let mut end = walk.chain(&chain.name, 0);
        if end.falls && chain.drops {
            end.stops.get_or_insert(Stop::Policy);
        } else if end.falls {
            end.passes = true;
        }
        match end.stops {
            None => Fate::Passes,
            Some(stop) if end.passes => Fate::MayStop(stop),
            Some(stop) => Fate::Stops(stop),
        }
    }
}

#[derive(Clone, Copy)]
struct Packet {
    family: u8,
    probe: FilterProbe,
    inbound: bool,
}

/// What is known of a register.
#[derive(Clone, Debug)]
enum Value {
    /// These octets.
    Is(Vec<u8>),
    /// Any device but loopback.
    Device,
    /// The number of such a device.
    DeviceNumber,
    Unknown,
}

/// Whether a condition holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    Perhaps,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// What a rule does with what fits it.
enum Verdict {
    Accept,
    Drop,
    /// What that is depends on more than is known: it may let it pass, stop it, lead it elsewhere, or say nothing of it.
    Any,
    /// Somebody else decides.
    Queue,
    Return,
    Jump(String),
    Goto(String),
}

/// What may become of a packet in a chain.
#[derive(Default)]
struct Ends {
    /// It may be accepted.
    passes: bool,
    /// It may be stopped, here first.
    stops: Option<Stop>,
    /// It may come out at the end undecided.
    falls: bool,
}

struct Walk<'a> {
    rules: &'a FilterRules,
    family: u8,
    table: &'a str,
    packet: Packet,
    left: u32,
}

impl Walk<'_> {
    fn chain(&mut self, name: &str, depth: u32) -> Ends {
        let mut ends = Ends::default();
        let rules = self.rules;
        let key = (self.family, self.table.to_owned(), name.to_owned());
        for rule in rules.0.get(&key).map_or(&[][..], Vec::as_slice) {
            self.left = self.left.saturating_sub(1);
            let here = || Stop::Rule {
                chain: name.to_owned(),
                handle: rule.handle,
            };
            if depth > DEPTH || self.left == 0 {
                // What comes from here on is not known.
                ends.passes = true;
                ends.stops.get_or_insert_with(here);
                return ends;
            }
            let Some((verdict, holds)) = self.rule(rule) else {
                continue;
            };
            // Whether what fits the rule goes on behind it.
            let mut goes_on = false;
            match verdict {
                Verdict::Accept => ends.passes = true,
                Verdict::Drop => {
                    ends.stops.get_or_insert_with(here);
                }
                Verdict::Queue => {
                    ends.passes = true;
                    ends.stops.get_or_insert_with(here);
                }
                Verdict::Any => {
                    ends.passes = true;
                    ends.stops.get_or_insert_with(here);
                    ends.falls = true;
                    goes_on = true;
                }
                Verdict::Return => ends.falls = true,
                Verdict::Jump(to) => {
                    let below = self.chain(&to, depth.saturating_add(1));
                    goes_on = below.falls;
                    ends.passes |= below.passes;
                    ends.stops = ends.stops.or(below.stops);
                }
                Verdict::Goto(to) => {
                    let below = self.chain(&to, depth.saturating_add(1));
                    ends.falls |= below.falls;
                    ends.passes |= below.passes;
                    ends.stops = ends.stops.or(below.stops);
                }
            }
            if holds == Holds::Yes && !goes_on {
                return ends;
            }
        }
        ends.falls = true;
        ends
    }

    /// What a rule does with the packet, and whether it is for it. Nothing if it is not, or does nothing.
    fn rule(&self, rule: &FilterRule) -> Option<(Verdict, Holds)> {
        let mut registers: BTreeMap<u32, Value> = BTreeMap::new();
        let mut certain = Holds::Yes;
        for (_, element) in AttributesOf(&rule.expressions) {
            let (name, data) = expression(element);
            let step = match name.as_str() {
                "meta" => self.meta(data, &mut registers),
                "payload" => self.payload(data, &mut registers),
                "ct" => self.connection(data, &mut registers),
                "bitwise" => masked(data, &mut registers),
                "cmp" => compared(data, &registers),
                "range" => within(data, &registers),
                "immediate" => match verdict_of(data) {
                    Some(verdict) => return verdict.map(|verdict| (verdict, certain)),
                    None => {
                        registers.clear();
                        Holds::Yes
                    }
                },
                "reject" => return Some((Verdict::Drop, certain)),
                "queue" => return Some((Verdict::Queue, certain)),
                "nat" | "masq" | "redir" | "tproxy" => return Some((Verdict::Accept, certain)),
                "target" => match target(&name_in(data)) {
                    Some(verdict) => return Some((verdict, certain)),
                    None => Holds::Yes,
                },
                "counter" | "dup" | "last" | "log" | "notrack" | "secmark" => Holds::Yes,
                // A map of verdicts.
                "lookup" if number(data, LOOKUP_DESTINATION) == Some(REGISTER_VERDICT) => {
                    return Some((Verdict::Any, certain));
                }
                // A set, a limit, a match of iptables.
                _ if CONDITIONS.contains(&name.as_str()) => {
                    registers.clear();
                    Holds::Perhaps
                }
                _ => return Some((Verdict::Any, certain)),
            };
            match step {
                Holds::Yes => {}
                Holds::No => return None,
                Holds::Perhaps => certain = Holds::Perhaps,
            }
        }
        None
    }

    const fn protocol(&self) -> u8 {
        match self.packet.probe {
            FilterProbe::Udp(_) => UDP,
            FilterProbe::Esp => ESP,
        }
    }

    fn meta(&self, data: &[u8], registers: &mut BTreeMap<u32, Value>) -> Holds {
        const DESTINATION: u16 = 1;
        const KEY: u16 = 2;
        /// enum nft_meta_keys.
        const PROTOCOL: u32 = 1;
        const INPUT: u32 = 4;
        const OUTPUT: u32 = 5;
        const INPUT_NAME: u32 = 6;
        const OUTPUT_NAME: u32 = 7;
        const FAMILY: u32 = 15;
        const LAYER_4: u32 = 16;
        let Some(register) = number(data, DESTINATION) else {
            // It marks the packet, and asks nothing.
            return Holds::Yes;
        };
        let inbound = self.packet.inbound;
        let value = match number(data, KEY) {
            Some(LAYER_4) => Value::Is([self.protocol()].to_vec()),
            Some(FAMILY) => Value::Is([self.packet.family].to_vec()),
            Some(PROTOCOL) => {
                let kind: u16 = match self.packet.family {
                    FAMILY_V6 => 0x86dd,
                    _ => 0x0800,
                };
                Value::Is(kind.to_be_bytes().to_vec())
            }
            Some(INPUT) if inbound => Value::DeviceNumber,
            Some(OUTPUT) if !inbound => Value::DeviceNumber,
            Some(INPUT_NAME) if inbound => Value::Device,
            Some(OUTPUT_NAME) if !inbound => Value::Device,
            _ => Value::Unknown,
        };
        registers.insert(register, value);
        Holds::Yes
    }

    fn payload(&self, data: &[u8], registers: &mut BTreeMap<u32, Value>) -> Holds {
        const DESTINATION: u16 = 1;
        const BASE: u16 = 2;
        const OFFSET: u16 = 3;
        const LENGTH: u16 = 4;
        const NETWORK: u32 = 1;
        const TRANSPORT: u32 = 2;
        let Some(register) = number(data, DESTINATION) else {
            return Holds::Yes;
        };
        // Where the protocol stands in an IP header, and the port at this end in that of UDP.
        let protocol_at = if self.packet.family == FAMILY_V6 {
            6
        } else {
            9
        };
        let port_at = if self.packet.inbound { 2 } else { 0 };
        let place = [BASE, OFFSET, LENGTH].map(|kind| number(data, kind).unwrap_or(u32::MAX));
        let value = match (place, self.packet.probe) {
            ([NETWORK, at, 1], _) if at == protocol_at => Value::Is([self.protocol()].to_vec()),
            ([TRANSPORT, at, 2], FilterProbe::Udp(port)) if at == port_at => {
                Value::Is(port.to_be_bytes().to_vec())
            }
            _ => Value::Unknown,
        };
        registers.insert(register, value);
        Holds::Yes
    }

    /// What comes in is new, and what goes out in UDP is an answer.
    fn connection(&self, data: &[u8], registers: &mut BTreeMap<u32, Value>) -> Holds {
        const DESTINATION: u16 = 1;
        const KEY: u16 = 2;
        const STATE: u32 = 0;
        let Some(register) = number(data, DESTINATION) else {
            return Holds::Yes;
        };
        let value = match (number(data, KEY), self.packet.inbound, self.packet.probe) {
            (Some(STATE), true, _) => Value::Is(NEW.to_ne_bytes().to_vec()),
            (Some(STATE), false, FilterProbe::Udp(_)) => {
                Value::Is(ESTABLISHED.to_ne_bytes().to_vec())
            }
            _ => Value::Unknown,
        };
        registers.insert(register, value);
        Holds::Yes
    }
}

/// An expression's name and data.
fn expression(element: &[u8]) -> (String, &[u8]) {
    const NAME: u16 = 1;
    const DATA: u16 = 2;
    let (mut name, mut data) = (String::new(), &[][..]);
    for (kind, value) in AttributesOf(element) {
        match kind {
            NAME => name = name_of(value),
            DATA => data = value,
            _ => {}
        }
    }
    (name, data)
}

fn attribute(data: &[u8], wanted: u16) -> Option<&[u8]> {
    AttributesOf(data)
        .find(|(kind, _)| *kind == wanted)
        .map(|(_, value)| value)
}

fn number(data: &[u8], wanted: u16) -> Option<u32> {
    let octets = attribute(data, wanted)?.first_chunk()?;
    Some(u32::from_be_bytes(*octets))
}

/// What a target of iptables does; nothing where the next rule is asked after it.
fn target(name: &str) -> Option<Verdict> {
    match name {
        "DROP" | "REJECT" => Some(Verdict::Drop),
        "NFQUEUE" => Some(Verdict::Queue),
        "ACCEPT" | "DNAT" | "MASQUERADE" | "NETMAP" | "REDIRECT" | "SNAT" => Some(Verdict::Accept),
        _ if CONTINUING.contains(&name) => None,
        _ => Some(Verdict::Any),
    }
}

/// NFTA_TARGET_NAME.
fn name_in(data: &[u8]) -> String {
    attribute(data, 1).map_or_else(String::new, name_of)
}

/// The octets of a value in an attribute (NFTA_DATA_VALUE).
fn octets(data: &[u8], wanted: u16) -> Option<&[u8]> {
    attribute(attribute(data, wanted)?, 1)
}

fn compared(data: &[u8], registers: &BTreeMap<u32, Value>) -> Holds {
    const SOURCE: u16 = 1;
    const OPERATOR: u16 = 2;
    const DATA: u16 = 3;
    /// enum nft_cmp_ops.
    const EQUAL: u32 = 0;
    const NOT_EQUAL: u32 = 1;
    const LESS: u32 = 2;
    const AT_MOST: u32 = 3;
    const MORE: u32 = 4;
    const AT_LEAST: u32 = 5;
    let found = number(data, SOURCE).and_then(|register| registers.get(&register));
    let (Some(found), Some(with)) = (found, octets(data, DATA)) else {
        return Holds::Perhaps;
    };
    let operator = number(data, OPERATOR);
    let loopback = match found {
        Value::Device => name_of(with) == "lo",
        // Loopback is the first device of every network namespace.
        Value::DeviceNumber => with == 1_u32.to_ne_bytes(),
        Value::Is(_) | Value::Unknown => false,
    };
    match (found, operator) {
        (Value::Device | Value::DeviceNumber, Some(EQUAL)) if loopback => Holds::No,
        (Value::Device | Value::DeviceNumber, Some(NOT_EQUAL)) if loopback => Holds::Yes,
        (Value::Is(found), Some(operator)) if found.len() >= with.len() => {
            let found = found.get(..with.len()).unwrap_or_default();
            match operator {
                EQUAL => (found == with).into(),
                NOT_EQUAL => (found != with).into(),
                LESS => (found < with).into(),
                AT_MOST => (found <= with).into(),
                MORE => (found > with).into(),
                AT_LEAST => (found >= with).into(),
                _ => Holds::Perhaps,
            }
        }
        _ => Holds::Perhaps,
    }
}

fn within(data: &[u8], registers: &BTreeMap<u32, Value>) -> Holds {
    const SOURCE: u16 = 1;
    const OPERATOR: u16 = 2;
    const FROM: u16 = 3;
    const TO: u16 = 4;
    const EQUAL: u32 = 0;
    let found = number(data, SOURCE).and_then(|register| registers.get(&register));
    let (Some(Value::Is(found)), Some(from), Some(to)) =
        (found, octets(data, FROM), octets(data, TO))
    else {
        return Holds::Perhaps;
    };
    let inside = found.as_slice() >= from && found.as_slice() <= to;
    (inside == (number(data, OPERATOR) == Some(EQUAL))).into()
}

fn masked(data: &[u8], registers: &mut BTreeMap<u32, Value>) -> Holds {
    const SOURCE: u16 = 1;
    const DESTINATION: u16 = 2;
    const MASK: u16 = 4;
    const XOR: u16 = 5;
    let found = number(data, SOURCE).and_then(|register| registers.get(&register));
    let value = match (found, octets(data, MASK), octets(data, XOR)) {
        (Some(Value::Is(found)), Some(mask), Some(xor)) => {
            let masked = found.iter().zip(mask.iter().zip(xor));
            Value::Is(
                masked
                    .map(|(octet, (mask, xor))| (octet & mask) ^ xor)
                    .collect(),
            )
        }
        _ => Value::Unknown,
    };
    if let Some(register) = number(data, DESTINATION) {
        registers.insert(register, value);
    }
    Holds::Yes
}

/// The verdict of an `immediate`; `None` for one that loads a value, and no verdict where it goes on with the next rule.
fn verdict_of(data: &[u8]) -> Option<Option<Verdict>> {
    const DESTINATION: u16 = 1;
    const DATA: u16 = 2;
    const VERDICT: u16 = 2;
    const CODE: u16 = 1;
    const CHAIN: u16 = 2;
    if number(data, DESTINATION) != Some(REGISTER_VERDICT) {
        return None;
    }
    let verdict = attribute(data, DATA).and_then(|data| attribute(data, VERDICT));
    let verdict = verdict.unwrap_or_default();
    let code = number(verdict, CODE).unwrap_or_default().cast_signed();
    let chain = || attribute(verdict, CHAIN).map_or_else(String::new, name_of);
    Some(match code {
        0 => Some(Verdict::Drop),
        1 => Some(Verdict::Accept),
        -3 => Some(Verdict::Jump(chain())),
        -4 => Some(Verdict::Goto(chain())),
        -5 => Some(Verdict::Return),
        // NF_QUEUE has the queue's number in its upper half.
        other if other & 0xff == 3 => Some(Verdict::Queue),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
