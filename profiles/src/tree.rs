//! The command tree: what can be typed where, as data.
//!
//! One table serves everything that has to know the commands: [`crate::parse()`] walks it, and a
//! shell lists its help, completes its words and writes its `no` forms from it. A [`Node`] is one
//! word of a command; the nodes that may follow hang below it; a node at which a line may end
//! carries what it does. The tables themselves stand in `command/`, one file per family.
//!
//! Words match as on a router: in any case, and abbreviated while only one word fits; an exact
//! word beats an abbreviation. Two exceptions keep values safe: where a free word may stand as
//! well, and where the word starts with no letter, keywords must be written in full. Where only the
//! rest of the line may stand instead of one single keyword, an abbreviation with something behind
//! it is that keyword.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::net::{IpAddr, Ipv4Addr};

use crate::{
    closest::closest,
    command::{self, Action},
    lexer::Word,
    model::{
        Keyword, Standing,
        interface::{InterfaceKind, InterfaceName, InvalidInterface},
        name::{FileName, InvalidName, Name},
        net::{Ipv6Interface, Ipv6Net, prefix_length},
    },
};

/// One word of a command, and what may follow it.
#[derive(Debug)]
pub struct Node {
    /// What is typed here.
    pub token: Token,
    /// One line of help.
    pub help: &'static str,
    /// What may follow.
    pub then: &'static [Self],
    /// Whether this word may be given several times in a row.
    pub many: bool,
    /// The modes that a line ending here may lead into; which one, its values decide.
    pub opens: &'static [ModeKind],
    /// What the missing capability is, for a line of IOS-XE that is refused by name.
    pub refused: Option<&'static str>,
    /// What the router shows in brackets below a refused line with lines of its own.
    pub(crate) prompt: &'static str,
    /// Whether a text between delimiters follows a refused word, which is refused with it.
    pub(crate) text_follows: bool,
    /// The kind of interface that this word can stand behind, if it cannot behind every one.
    pub(crate) only_behind: Option<InterfaceKind>,
    /// What `no` in front of a refused word comes to.
    pub(crate) negated: Negated,
    /// What is missing for a line that ends here, where IOS-XE lets it end.
    pub(crate) alone: Option<&'static str>,
    /// What a line ending here does.
    pub(crate) set: Option<Action>,
    /// What `no` and `default` in front of it do; the words below it are then not needed.
    pub(crate) unset: Option<Action>,
}

/// What `no` in front of a refused word comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Negated {
    /// Nothing, silently, where no word in front of it can be undone: the headend never does what the word names.
    Taken,
    /// Nothing, silently, wherever it stands.
    TakenAnywhere,
    /// A refusal too: what the word names is there all the same, of Linux or of the headend.
    Refused,
}

/// What can be typed at one place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Token {
    /// A word of the language.
    Word(&'static str),
    /// One of several words with one meaning each.
    Choice(&'static [Keyword]),
    /// A free word of at most `limit` characters, shown as `label`.
    Name {
        /// How help shows it.
        label: &'static str,
        /// Most characters.
        limit: usize,
    },
    /// A file on `bootflash:`.
    File,
    /// A decimal number in a range, both ends included.
    Number {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// An IPv4 address.
    Ipv4,
    /// A netmask: ones, then zeros.
    Netmask,
    /// A wildcard mask: any bits.
    Wildcard,
    /// An IPv6 address.
    Ipv6,
    /// An IPv6 network.
    Ipv6Net,
    /// An IPv6 address with the prefix length of its network.
    Ipv6Interface,
    /// The name of an interface, in one word or two.
    Interface,
    /// The rest of the line.
    Line,
    /// A text between two delimiters, over several lines if need be.
    Delimited,
}

impl Token {
    /// Whether a value that help shows as `label` may begin so. What is free may be anything; whether a number or an address is
    /// right is seen when it is whole.
    pub(crate) fn may_begin(self, label: &str, typed: &str) -> bool {
        match self {
            Self::Number { max, .. } => {
                typed.is_empty() || typed.parse().is_ok_and(|number: u32| number <= max)
            }
            Self::Ipv4 | Self::Netmask | Self::Wildcard => {
                typed.bytes().all(|one| one.is_ascii_digit() || one == b'.')
            }
            Self::Ipv6 | Self::Ipv6Net | Self::Ipv6Interface => typed
                .bytes()
                .all(|one| one.is_ascii_hexdigit() || matches!(one, b':' | b'.' | b'/')),
            Self::Interface => {
                let kind = label.split('<').next().unwrap_or_default();
                let digits = typed.find(|one: char| one.is_ascii_digit());
                let typed = typed.get(..digits.unwrap_or(typed.len()));
                interface_begins(kind, typed.unwrap_or_default())
            }
            Self::Word(_)
            | Self::Choice(_)
            | Self::Name { .. }
            | Self::File
            | Self::Line
            | Self::Delimited => true,
        }
    }

    /// Whether a word that is no such value was probably meant to be one.
    fn resembles(self, typed: &str) -> bool {
        match self {
            Self::Word(_) | Self::Choice(_) => false,
            Self::Number { .. } | Self::Ipv4 | Self::Netmask | Self::Wildcard => {
                typed.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
                    && !typed.contains(':')
            }
            Self::Ipv6 | Self::Ipv6Net | Self::Ipv6Interface => typed.contains(':'),
            Self::Interface => true,
            Self::Name { .. } | Self::File | Self::Line | Self::Delimited => true,
        }
    }
}

/// The prompt below a refused line of which nothing better is known.
pub(crate) const OTHER_PROMPT: &str = "config-other";

impl Node {
    const fn new(token: Token, help: &'static str) -> Self {
        Self {
            token,
            help,
            then: &[],
            many: false,
            opens: &[],
            refused: None,
            prompt: OTHER_PROMPT,
            text_follows: false,
            only_behind: None,
            negated: Negated::Taken,
            alone: None,
            set: None,
            unset: None,
        }
    }

    pub(crate) const fn word(word: &'static str, help: &'static str) -> Self {
        Self::new(Token::Word(word), help)
    }

    pub(crate) const fn choice(words: &'static [Keyword]) -> Self {
        Self::new(Token::Choice(words), "")
    }

    /// A name of an object, at most 64 characters long.
    pub(crate) const fn name(help: &'static str) -> Self {
        Self::new(
            Token::Name {
                label: "WORD",
                limit: 64,
            },
            help,
        )
    }

    /// A free word of at most 255 characters.
    pub(crate) const fn text(help: &'static str) -> Self {
        Self::new(
            Token::Name {
                label: "WORD",
                limit: Name::LIMIT,
            },
            help,
        )
    }

    pub(crate) const fn number(min: u32, max: u32, help: &'static str) -> Self {
        Self::new(Token::Number { min, max }, help)
    }

    pub(crate) const fn value(token: Token, help: &'static str) -> Self {
        Self::new(token, help)
    }

    /// A line of IOS-XE that is refused by name.
    pub(crate) const fn refused(word: &'static str, why: &'static str) -> Self {
        Self {
            refused: Some(why),
            ..Self::word(word, why)
        }
    }

    /// The same for a line with lines of its own below it, which are passed over.
    pub(crate) const fn refused_block(word: &'static str, why: &'static str) -> Self {
        Self {
            opens: &[ModeKind::Refused],
            ..Self::refused(word, why)
        }
    }

    /// The prompt of the lines below.
    pub(crate) const fn prompting(self, prompt: &'static str) -> Self {
        Self { prompt, ..self }
    }

    pub(crate) const fn only_behind(self, kind: InterfaceKind) -> Self {
        Self {
            only_behind: Some(kind),
            ..self
        }
    }

    /// The same for a line with a text between delimiters, which may run over several lines.
    pub(crate) const fn refused_text(word: &'static str, why: &'static str) -> Self {
        Self {
            text_follows: true,
            ..Self::refused(word, why)
        }
    }

    /// A line of IOS-XE that is refused by name whatever follows, and of which `but` have lines of their own.
    pub(crate) const fn refused_but(
        word: &'static str,
        why: &'static str,
        but: &'static [Self],
    ) -> Self {
        Self::word(word, why).then(but).refused_alone(why)
    }

    /// A line of IOS-XE that is refused by name, and with `no` in front of it as well: what it names is there all the same.
    pub(crate) const fn refused_even_negated(word: &'static str, why: &'static str) -> Self {
        Self {
            negated: Negated::Refused,
            ..Self::refused(word, why)
        }
    }

    /// The same for a line whose `no` says what is so, though the words in front of it have a `no` of their own.
    pub(crate) const fn refused_unless_negated(word: &'static str, why: &'static str) -> Self {
        Self {
            negated: Negated::TakenAnywhere,
            ..Self::refused(word, why)
        }
    }

    /// A value of a line of IOS-XE that is refused by name.
    pub(crate) const fn refused_value(token: Token, why: &'static str) -> Self {
        Self {
            refused: Some(why),
            ..Self::new(token, why)
        }
    }

    /// A line may not end here, though IOS-XE lets it.
    pub(crate) const fn refused_alone(self, why: &'static str) -> Self {
        Self {
            alone: Some(why),
            ..self
        }
    }

    pub(crate) const fn then(self, then: &'static [Self]) -> Self {
        Self { then, ..self }
    }

    pub(crate) const fn many(self) -> Self {
        Self { many: true, ..self }
    }

    pub(crate) const fn opens(self, modes: &'static [ModeKind]) -> Self {
        Self {
            opens: modes,
            ..self
        }
    }

    pub(crate) const fn set(self, action: Action) -> Self {
        Self {
            set: Some(action),
            ..self
        }
    }

    pub(crate) const fn unset(self, action: Action) -> Self {
        Self {
            unset: Some(action),
            ..self
        }
    }

    /// Whether a line may end here.
    pub const fn ends(&self) -> bool {
        self.set.is_some()
    }

    /// Whether a line with `no` or `default` in front of it may end here.
    pub const fn can_be_undone(&self) -> bool {
        self.unset.is_some()
    }

    /// What stands for this node in a list of expected words; refused words are left out.
    pub fn expected(&self) -> Vec<String> {
        if self.refused.is_some() || !self.leads_somewhere() {
            return Vec::new();
        }
        match self.token {
            Token::Word(word) => [word.to_owned()].into(),
            Token::Choice(words) => {
                let served = words
                    .iter()
                    .filter(|word| word.standing == Standing::Served);
                served.map(|word| word.word.to_owned()).collect()
            }
            Token::Name { label, .. } => [label.to_owned()].into(),
            Token::File => ["bootflash:FILE".to_owned()].into(),
            Token::Number { min, max } if min == max => [format!("{min}")].into(),
            Token::Number { min, max } => [format!("<{min}-{max}>")].into(),
            Token::Ipv4 => ["A.B.C.D".to_owned()].into(),
            Token::Netmask => ["A.B.C.D (netmask)".to_owned()].into(),
            Token::Wildcard => ["A.B.C.D (wildcard mask)".to_owned()].into(),
            Token::Ipv6 => ["X:X:X:X::X".to_owned()].into(),
            Token::Ipv6Net | Token::Ipv6Interface => ["X:X:X:X::X/<0-128>".to_owned()].into(),
            Token::Interface => {
                let kinds = InterfaceKind::ALL.iter();
                kinds
                    .map(|kind| format!("{}{}", kind.title(), kind.numbers()))
                    .collect()
            }
            Token::Line => ["LINE".to_owned()].into(),
            Token::Delimited => {
                ["c banner-text c, where 'c' is a delimiting character".to_owned()].into()
            }
        }
    }

    /// Whether some line with this word is taken.
    fn leads_somewhere(&self) -> bool {
        let is_served = |node: &Self| node.refused.is_none() && node.leads_somewhere();
        self.set.is_some() || self.unset.is_some() || self.then.iter().any(is_served)
    }

    /// The keywords of this node with what becomes of them.
    pub(crate) fn keywords(&self) -> impl Iterator<Item = (&'static str, Standing)> {
        let own = match self.token {
            Token::Word(word) => Some((
                word,
                self.refused.map_or(Standing::Served, Standing::Refused),
            )),
            _ => None,
        };
        let choice: &[Keyword] = match self.token {
            Token::Choice(words) => words,
            _ => &[],
        };
        own.into_iter()
            .chain(choice.iter().map(|word| (word.word, word.standing)))
    }

    /// Whether one free word is taken here.
    const fn is_name(&self) -> bool {
        matches!(self.token, Token::Name { .. })
    }

    /// Whether any word at all is taken here.
    const fn is_free(&self) -> bool {
        self.refused.is_none()
            && matches!(
                self.token,
                Token::Name { .. } | Token::Line | Token::Delimited
            )
    }
}

/// The modes of configuration, each with a table of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ModeKind {
    /// Outside every object.
    Global,
    /// Below a line that was refused: its lines are passed over.
    Refused,
    /// `crypto ikev2 authorization policy`.
    AuthorizationPolicy,
    /// `crypto ikev2 proposal`.
    Ikev2Proposal,
    /// `crypto ikev2 policy`.
    Ikev2Policy,
    /// `crypto ikev2 keyring`.
    Ikev2Keyring,
    /// `peer` of a keyring.
    Ikev2KeyringPeer,
    /// `crypto ikev2 profile`.
    Ikev2Profile,
    /// `crypto ipsec transform-set`.
    TransformSet,
    /// `crypto ipsec profile`.
    IpsecProfile,
    /// `crypto pki trustpoint`.
    Trustpoint,
    /// `crypto ssl policy`.
    SslPolicy,
    /// `crypto ssl profile`.
    SslProfile,
    /// `ip access-list standard`.
    StandardAccessList,
    /// `ip access-list extended`.
    ExtendedAccessList,
    /// `ipv6 access-list`.
    Ipv6AccessList,
    /// `interface LoopbackN`.
    Loopback,
    /// `interface GigabitEthernetN`.
    GigabitEthernet,
    /// `interface Virtual-TemplateN`.
    VirtualTemplate,
}

impl ModeKind {
    /// Every mode that has lines.
    pub const ALL: &'static [Self] = &[
        Self::Global,
        Self::AuthorizationPolicy,
        Self::Ikev2Proposal,
        Self::Ikev2Policy,
        Self::Ikev2Keyring,
        Self::Ikev2KeyringPeer,
        Self::Ikev2Profile,
        Self::TransformSet,
        Self::IpsecProfile,
        Self::Trustpoint,
        Self::SslPolicy,
        Self::SslProfile,
        Self::StandardAccessList,
        Self::ExtendedAccessList,
        Self::Ipv6AccessList,
        Self::Loopback,
        Self::GigabitEthernet,
        Self::VirtualTemplate,
    ];

    /// What the router shows in brackets after its name.
    pub const fn prompt(self) -> &'static str {
        match self {
            Self::Global | Self::Refused => "config",
            Self::AuthorizationPolicy => "config-ikev2-author-policy",
            Self::Ikev2Proposal => "config-ikev2-proposal",
            Self::Ikev2Policy => "config-ikev2-policy",
            Self::Ikev2Keyring => "config-ikev2-keyring",
            Self::Ikev2KeyringPeer => "config-ikev2-keyring-peer",
            Self::Ikev2Profile => "config-ikev2-profile",
            Self::TransformSet => "cfg-crypto-trans",
            Self::IpsecProfile => "ipsec-profile",
            Self::Trustpoint => "ca-trustpoint",
            Self::SslPolicy => "config-crypto-ssl-policy",
            Self::SslProfile => "config-crypto-ssl-profile",
            Self::StandardAccessList => "config-std-nacl",
            Self::ExtendedAccessList => "config-ext-nacl",
            Self::Ipv6AccessList => "config-ipv6-acl",
            Self::Loopback | Self::GigabitEthernet | Self::VirtualTemplate => "config-if",
        }
    }

    /// The commands of the mode.
    pub fn commands(self) -> impl Iterator<Item = &'static Node> + Clone {
        command::tables(self).iter().flat_map(|table| table.iter())
    }
}

/// A value read from a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Value {
    /// A [`Token::Word`].
    Word(&'static str),
    /// One of a [`Token::Choice`].
    Keyword(&'static str),
    Name(Name),
    File(FileName),
    Number(u32),
    Ipv4(Ipv4Addr),
    Netmask(Ipv4Addr),
    Wildcard(Ipv4Addr),
    Address(IpAddr),
    Ipv6Net(Ipv6Net),
    Ipv6Interface(Ipv6Interface),
    Interface(InterfaceName),
    /// The octet at which the rest of the line begins, which the caller cuts out: the rest may be
    /// a secret, and is not copied here.
    Rest,
}

/// A node that took a word, or several.
#[derive(Clone, Debug)]
pub(crate) struct Matched {
    pub(crate) node: &'static Node,
    pub(crate) value: Value,
    /// How many words it took.
    pub(crate) taken: usize,
}

/// Why no node takes the next word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// No such word. A nearly equal one may be meant.
    Unknown { meant: Option<&'static str> },
    /// An abbreviation of several words.
    Ambiguous { words: Vec<&'static str> },
    /// A value that is not of the form, or out of range.
    Value { why: String },
    /// Known and not served.
    Unsupported {
        why: &'static str,
        /// The prompt of the lines below it, if it has any.
        block: Option<&'static str>,
        /// Whether a text follows.
        text_follows: bool,
        negated: Negated,
    },
}

/// Finds the node that takes the next word.
pub(crate) fn choose(
    nodes: impl Iterator<Item = &'static Node> + Clone,
    words: &[Word<'_>],
) -> Result<Matched, Refusal> {
    let Some(typed) = words.first().map(|word| word.text) else {
        return Err(Refusal::Unknown { meant: None });
    };
    if let Some(found) = keyword(nodes.clone(), typed, words.len() > 1)? {
        return Ok(found);
    }
    let alone = nodes.clone().count() == 1;
    let mut faults = Vec::new();
    for node in nodes.clone() {
        match read(node.token, words) {
            Some(Ok((value, taken))) => {
                if let Some(why) = node.refused {
                    return Err(unsupported(node, why));
                }
                return Ok(Matched { node, value, taken });
            }
            // Where one kind of value is meant, its own reason says more than "unknown word".
            Some(Err(fault)) if alone || node.token.resembles(typed) => faults.push(fault),
            Some(Err(_)) | None => {}
        }
    }
    let mut faults = faults.into_iter();
    match (faults.next(), faults.next()) {
        (Some(fault), None) => Err(fault),
        _ => Err(Refusal::Unknown {
            meant: nearest(nodes, typed),
        }),
    }
}

fn keyword(
    nodes: impl Iterator<Item = &'static Node> + Clone,
    typed: &str,
    goes_on: bool,
) -> Result<Option<Matched>, Refusal> {
    let all = || {
        nodes
            .clone()
            .flat_map(|node| node.keywords().map(move |(w, s)| (node, w, s)))
    };
    let exact = all().find(|(_, word, _)| word.eq_ignore_ascii_case(typed));
    // `password hunter2` and `pass hunter2` beside a passphrase of several words: the keyword was meant.
    let is_only = || all().count() == 1 && nodes.clone().all(|node| !node.is_name());
    let abbreviable = typed.starts_with(|c: char| c.is_ascii_alphabetic())
        && (!nodes.clone().any(Node::is_free) || goes_on && is_only());
    let found = match exact {
        Some(found) => Some(found),
        None if abbreviable => {
            let fits = |word: &str| {
                word.get(..typed.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(typed))
            };
            let fitting: Vec<_> = all().filter(|(_, word, _)| fits(word)).collect();
            if fitting.len() > 1 {
                let words = fitting.iter().map(|(_, word, _)| *word).collect();
                return Err(Refusal::Ambiguous { words });
            }
            fitting.into_iter().next()
        }
        None => None,
    };
    let Some((node, word, standing)) = found else {
        return Ok(None);
    };
    if let Standing::Refused(why) = standing {
        return Err(unsupported(node, why));
    }
    let value = match node.token {
        Token::Choice(_) => Value::Keyword(word),
        _ => Value::Word(word),
    };
    Ok(Some(Matched {
        node,
        value,
        taken: 1,
    }))
}

const fn unsupported(node: &Node, why: &'static str) -> Refusal {
    Refusal::Unsupported {
        why,
        block: match node.opens {
            [] => None,
            [ModeKind::Refused, ..] => Some(node.prompt),
            [mode, ..] => Some(mode.prompt()),
        },
        text_follows: node.text_follows,
        negated: node.negated,
    }
}

/// Reads a value; `None` where the token is no value.
fn read(token: Token, words: &[Word<'_>]) -> Option<Result<(Value, usize), Refusal>> {
    let typed = words.first()?.text;
    let one = |value: Option<Value>, why: &str| {
        value.map(|value| (value, 1)).ok_or_else(|| Refusal::Value {
            why: why.to_owned(),
        })
    };
    Some(match token {
        Token::Word(_) | Token::Choice(_) => return None,
        Token::Name { limit, .. } => match Name::new(typed) {
            Ok(name) if typed.len() <= limit => Ok((Value::Name(name), 1)),
            Ok(_) => Err(invalid(InvalidName::Long { limit })),
            Err(why) => Err(invalid(why)),
        },
        Token::File => match FileName::new(typed) {
            Ok(file) => Ok((Value::File(file), 1)),
            // A file somewhere else is not badly written.
            Err(InvalidName::FileSystem) if typed.contains(':') => Err(Refusal::Unsupported {
                why: "files elsewhere than on bootflash:",
                block: None,
                text_follows: false,
                negated: Negated::Refused,
            }),
            Err(why) => Err(invalid(why)),
        },
        Token::Number { min, max } => one(
            number(typed)
                .filter(|n| (min..=max).contains(n))
                .map(Value::Number),
            &format!("not a number from {min} to {max}"),
        ),
        Token::Ipv4 => one(typed.parse().ok().map(Value::Ipv4), "not an IPv4 address"),
        Token::Netmask => one(
            typed
                .parse()
                .ok()
                .filter(|mask| prefix_length(*mask).is_some())
                .map(Value::Netmask),
            "not a netmask",
        ),
        Token::Wildcard => one(
            typed.parse().ok().map(Value::Wildcard),
            "not a wildcard mask",
        ),
        Token::Ipv6 => one(
            typed
                .parse()
                .ok()
                .map(|address| Value::Address(IpAddr::V6(address))),
            "not an IPv6 address",
        ),
        Token::Ipv6Net => one(
            Ipv6Net::parse(typed).map(Value::Ipv6Net),
            "not an IPv6 network",
        ),
        Token::Ipv6Interface => one(
            Ipv6Interface::parse(typed).map(Value::Ipv6Interface),
            "not an IPv6 address with a prefix length",
        ),
        Token::Interface => interface(words),
        Token::Line | Token::Delimited => Ok((Value::Rest, words.len())),
    })
}

fn invalid(why: InvalidName) -> Refusal {
    Refusal::Value {
        why: format!("{why}"),
    }
}

/// A decimal number of digits alone: a sign is no part of it.
fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|octet| octet.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// Whether the kind of an interface may begin so.
pub(crate) fn interface_begins(kind: &str, typed: &str) -> bool {
    let begun = kind.get(..typed.len());
    // The one short form that is no beginning.
    begun.is_some_and(|begun| begun.eq_ignore_ascii_case(typed))
        || (kind == "Virtual-Template" && typed.eq_ignore_ascii_case("vt"))
}

fn interface(words: &[Word<'_>]) -> Result<(Value, usize), Refusal> {
    let mut typed = words.iter().map(|word| word.text);
    let (first, second) = (typed.next().unwrap_or_default(), typed.next());
    // The number may stand apart: `Virtual-Template 100`.
    let apart = second.filter(|_| !first.contains(|c: char| c.is_ascii_digit()));
    let (name, taken) = match apart {
        Some(number) => (InterfaceName::from_parts(first, number), 2),
        None => (InterfaceName::parse(first), 1),
    };
    match name {
        Ok(name) => Ok((Value::Interface(name), taken)),
        Err(InvalidInterface::Unsupported) => Err(Refusal::Unsupported {
            why: "interfaces other than Loopback, GigabitEthernet and Virtual-Template",
            block: Some(ModeKind::GigabitEthernet.prompt()),
            text_follows: false,
            negated: Negated::Taken,
        }),
        Err(why) => Err(Refusal::Value {
            why: format!("{why}"),
        }),
    }
}

/// The keyword that differs from what was typed in at most two letters, if just one is nearest.
fn nearest(
    nodes: impl Iterator<Item = &'static Node> + Clone,
    typed: &str,
) -> Option<&'static str> {
    let served = nodes
        .filter(|node| node.alone.is_none() || node.leads_somewhere())
        .flat_map(Node::keywords)
        .filter(|(_, standing)| *standing == Standing::Served)
        .map(|(word, _)| word);
    closest(served, typed)
}

#[cfg(test)]
mod tests;
