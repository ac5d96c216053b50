//! What becomes of a headend's packets in other people's rules of nf_tables, as far as the rules alone say it.
//!
//! ```text
//!   chain ── rule ── rule ── … ── policy
//!             │ each expression of a rule holds, does not hold, or depends on more than is known of the packet
//!             └─► accepted, dropped, sent on through another chain
//! ```
//!
//! Of a packet its protocol is known, its port and perhaps its address at this end, whether it is the first of its connection, and
//! that it does not stay on this machine. What a rule asks beyond that (the other end's address, devices, limits) it may answer or
//! may not, and so what the rule does may happen or may not. Sets and maps are looked into, but for those that change by
//! themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::error::NetlinkError;
use super::message::{AttributesOf, name_of};
use super::nft::{BaseChain, Hook};
use super::socket::NetlinkSocket;
use register::{Registers, Value, compared, masked, turned, within};
use set::{Data, Found, Sets};

mod register;
mod set;

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

/// Everybody's rules, and the sets that they look into.
#[derive(Clone, Debug, Default)]
pub struct FilterRules {
    /// By family, table and chain, in their order.
    chains: BTreeMap<(u8, String, String), Vec<FilterRule>>,
    sets: Sets,
}

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

/// NFT_REG_VERDICT.
const REGISTER_VERDICT: u32 = 0;

/// Expressions that load something or ask something, and decide nothing themselves.
const CONDITIONS: [&str; 16] = [
    "connlimit",
    "dynset",
    "exthdr",
    "fib",
    "hash",
    "inner",
    "limit",
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
    /// These rules, with the sets that there are.
    ///
    /// # Errors
    ///
    /// As [`NetlinkSocket::dump`].
    pub(super) fn with_sets(
        listed: Vec<FilterRule>,
        socket: &mut NetlinkSocket,
    ) -> Result<Self, NetlinkError> {
        set::list(socket).map(|sets| Self::new(listed, sets))
    }

    fn new(listed: Vec<FilterRule>, sets: Sets) -> Self {
        let mut chains: BTreeMap<_, Vec<FilterRule>> = BTreeMap::new();
        for rule in listed {
            let key = (rule.family, rule.table.clone(), rule.chain.clone());
            chains.entry(key).or_default().push(rule);
        }
        Self { chains, sets }
    }

    /// Whether a chain has no rule.
    #[must_use]
    pub fn is_empty(&self, chain: &BaseChain) -> bool {
        let key = (chain.family, chain.table.clone(), chain.name.clone());
        self.chains.get(&key).is_none_or(Vec::is_empty)
    }

    /// What becomes of a packet in a base chain, at any of these addresses of ours; where there are none, it may be at any. A chain
    /// of both families is looked at with an IPv4 packet first.
    #[must_use]
    pub fn fate(&self, chain: &BaseChain, probe: FilterProbe, ours: &[IpAddr]) -> Fate {
        let inbound = !matches!(chain.hook, Hook::Output | Hook::Postrouting);
        let of_family = |family: u8| {
            let own = ours.iter().map(IpAddr::to_canonical);
            let own = own.filter(move |address| family_of(*address) == family);
            let own: Vec<Option<IpAddr>> = match ours {
                [] => vec![None],
                _ => own.map(Some).collect(),
            };
            own.into_iter().map(move |local| Packet {
                family,
                probe,
                inbound,
                local,
            })
        };
        let families: &[u8] = match chain.family {
            FAMILY_V4 => &[FAMILY_V4],
            FAMILY_V6 => &[FAMILY_V6],
            _ => &[FAMILY_V4, FAMILY_V6],
        };
        let packets = families.iter().flat_map(|family| of_family(*family));
        let mut fates = packets.map(|packet| self.fate_of(chain, packet));
        let first = fates.next().unwrap_or(Fate::Passes);
        fates.fold(first, |worst, next| match (&worst, &next) {
            (Fate::Passes, _) => match next {
                // The other one passes.
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

const fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => FAMILY_V4,
        IpAddr::V6(_) => FAMILY_V6,
    }
}

#[derive(Clone, Copy)]
struct Packet {
    family: u8,
    probe: FilterProbe,
    inbound: bool,
    /// The address at this end, if it is known.
    local: Option<IpAddr>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Accept,
    Drop,
    /// The next rule is asked.
    Continue,
    /// What that is depends on more than is known: it may let it pass, stop it, lead it elsewhere, or say nothing of it.
    Any,
    /// One of these, and it depends on more than is known which.
    OneOf(Vec<Self>),
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

/// What a look into a set comes to.
enum Looked {
    /// The rule goes on where this holds.
    Holds(Holds),
    /// A map has these verdicts for the packet, where this holds.
    Verdict(Verdict, Holds),
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
        for rule in rules.chains.get(&key).map_or(&[][..], Vec::as_slice) {
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
            let verdicts = match verdict {
                Verdict::OneOf(all) => all,
                one => vec![one],
            };
            for verdict in verdicts {
                goes_on |= self.obey(verdict, here, depth, &mut ends);
            }
            if holds == Holds::Yes && !goes_on {
                return ends;
            }
        }
        ends.falls = true;
        ends
    }

    /// Adds what becomes of a packet by a verdict. Returns whether it may go on behind the rule.
    fn obey(
        &mut self,
        verdict: Verdict,
        here: impl Fn() -> Stop,
        depth: u32,
        ends: &mut Ends,
    ) -> bool {
        match verdict {
            Verdict::Accept => ends.passes = true,
            Verdict::Drop => {
                ends.stops.get_or_insert_with(here);
            }
            Verdict::Continue => return true,
            Verdict::Queue => {
                ends.passes = true;
                ends.stops.get_or_insert_with(here);
            }
            // Nobody says one of these of another.
            Verdict::Any | Verdict::OneOf(_) => {
                ends.passes = true;
                ends.stops.get_or_insert_with(here);
                ends.falls = true;
                return true;
            }
            Verdict::Return => ends.falls = true,
            Verdict::Jump(to) => {
                let below = self.chain(&to, depth.saturating_add(1));
                ends.passes |= below.passes;
                ends.stops = ends.stops.take().or(below.stops);
                return below.falls;
            }
            Verdict::Goto(to) => {
                let below = self.chain(&to, depth.saturating_add(1));
                ends.falls |= below.falls;
                ends.passes |= below.passes;
                ends.stops = ends.stops.take().or(below.stops);
            }
        }
        false
    }

    /// What a rule does with the packet, and whether it is for it. Nothing if it is not, or does nothing.
    fn rule(&self, rule: &FilterRule) -> Option<(Verdict, Holds)> {
        let mut registers = Registers::default();
        let mut certain = Holds::Yes;
        for (_, element) in AttributesOf(&rule.expressions) {
            let (name, data) = expression(element);
            let step = match name.as_str() {
                "meta" => self.meta(data, &mut registers),
                "payload" => self.payload(data, &mut registers),
                "ct" => self.connection(data, &mut registers),
                "bitwise" => masked(data, &mut registers),
                "byteorder" => turned(data, &mut registers),
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
                "lookup" => match self.look(data, &mut registers) {
                    Looked::Holds(holds) => holds,
                    Looked::Verdict(verdict, Holds::Yes) => return Some((verdict, certain)),
                    Looked::Verdict(verdict, _) => return Some((verdict, Holds::Perhaps)),
                },
                // A limit, a match of iptables.
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

    /// A look into a set or a map.
    fn look(&self, data: &[u8], registers: &mut Registers) -> Looked {
        const SET: u16 = 1;
        const SOURCE: u16 = 2;
        const DESTINATION: u16 = 3;
        const FLAGS: u16 = 5;
        const INVERTED: u32 = 1;
        let name = attribute(data, SET).map(name_of).unwrap_or_default();
        let place = (self.family, self.table.to_owned(), name);
        let destination = number(data, DESTINATION);
        let inverted = number(data, FLAGS).is_some_and(|flags| flags & INVERTED != 0);
        let set = self.rules.sets.get(&place);
        let found = set.zip(number(data, SOURCE)).and_then(|(set, source)| {
            let parts = registers.parts(source, set.key());
            set.find(&parts)
        });
        let Some(Found { elements, may_miss }) = found else {
            if let Some(REGISTER_VERDICT) = destination {
                return Looked::Verdict(Verdict::Any, Holds::Yes);
            }
            registers.clear();
            return Looked::Holds(Holds::Perhaps);
        };
        let holds = match (elements.as_slice(), may_miss) {
            ([], _) => Holds::No,
            (_, false) => Holds::Yes,
            (_, true) => Holds::Perhaps,
        };
        match destination {
            None if inverted => Looked::Holds(match holds {
                Holds::Yes => Holds::No,
                Holds::No => Holds::Yes,
                Holds::Perhaps => Holds::Perhaps,
            }),
            None => Looked::Holds(holds),
            _ if holds == Holds::No => Looked::Holds(Holds::No),
            Some(REGISTER_VERDICT) => {
                let mut verdicts: Vec<Verdict> = Vec::new();
                for element in elements {
                    let verdict = match &element.data {
                        Data::Verdict(verdict) => verdict.clone(),
                        Data::Value(_) | Data::None => Verdict::Any,
                    };
                    if !verdicts.contains(&verdict) {
                        verdicts.push(verdict);
                    }
                }
                Looked::Verdict(Verdict::OneOf(verdicts), holds)
            }
            Some(register) => {
                let value = match elements.as_slice() {
                    [only] if holds == Holds::Yes => match &only.data {
                        Data::Value(octets) => Value::Is(octets.clone()),
                        Data::Verdict(_) | Data::None => Value::Unknown(None),
                    },
                    _ => Value::Unknown(None),
                };
                registers.insert(register, value);
                Looked::Holds(holds)
            }
        }
    }

    const fn protocol(&self) -> u8 {
        match self.packet.probe {
            FilterProbe::Udp(_) => UDP,
            FilterProbe::Esp => ESP,
        }
    }

    fn meta(&self, data: &[u8], registers: &mut Registers) -> Holds {
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
            _ => Value::Unknown(None),
        };
        registers.insert(register, value);
        Holds::Yes
    }

    fn payload(&self, data: &[u8], registers: &mut Registers) -> Holds {
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
        let [_, _, octets] = place;
        let unknown = || Value::Unknown(usize::try_from(octets).ok());
        let value = match (place, self.packet.probe) {
            ([NETWORK, at, 1], _) if at == protocol_at => Value::Is([self.protocol()].to_vec()),
            ([TRANSPORT, at, 2], FilterProbe::Udp(port)) if at == port_at => {
                Value::Is(port.to_be_bytes().to_vec())
            }
            ([NETWORK, at, length], _) => self.local(at, length).map_or_else(unknown, Value::Is),
            _ => unknown(),
        };
        registers.insert(register, value);
        Holds::Yes
    }

    /// Octets of an IP header, where they are of the address at this end and that is known.
    fn local(&self, at: u32, length: u32) -> Option<Vec<u8>> {
        let (octets, begins) = match (self.packet.local?, self.packet.inbound) {
            (IpAddr::V4(address), true) => (address.octets().to_vec(), 16),
            (IpAddr::V4(address), false) => (address.octets().to_vec(), 12),
            (IpAddr::V6(address), true) => (address.octets().to_vec(), 24),
            (IpAddr::V6(address), false) => (address.octets().to_vec(), 8),
        };
        let from = usize::try_from(at.checked_sub(begins)?).ok()?;
        let to = from.checked_add(usize::try_from(length).ok()?)?;
        octets.get(from..to).map(<[u8]>::to_vec)
    }

    /// What comes in is new, and what goes out in UDP is an answer.
    fn connection(&self, data: &[u8], registers: &mut Registers) -> Holds {
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
            _ => Value::Unknown(None),
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

/// The verdict of an `immediate`; `None` for one that loads a value, and no verdict where it goes on with the next rule.
fn verdict_of(data: &[u8]) -> Option<Option<Verdict>> {
    const DESTINATION: u16 = 1;
    const DATA: u16 = 2;
    const VERDICT: u16 = 2;
    if number(data, DESTINATION) != Some(REGISTER_VERDICT) {
        return None;
    }
    let verdict = attribute(data, DATA).and_then(|data| attribute(data, VERDICT));
    let verdict = verdict_in(verdict.unwrap_or_default());
    Some(Some(verdict).filter(|verdict| *verdict != Verdict::Continue))
}

/// What stands in an attribute NFTA_DATA_VERDICT.
fn verdict_in(verdict: &[u8]) -> Verdict {
    const CODE: u16 = 1;
    const CHAIN: u16 = 2;
    let code = number(verdict, CODE).unwrap_or_default().cast_signed();
    let chain = || attribute(verdict, CHAIN).map_or_else(String::new, name_of);
    match code {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        -3 => Verdict::Jump(chain()),
        -4 => Verdict::Goto(chain()),
        -5 => Verdict::Return,
        // NF_QUEUE has the queue's number in its upper half.
        other if other & 0xff == 3 => Verdict::Queue,
        _ => Verdict::Continue,
    }
}

#[cfg(test)]
mod tests;
