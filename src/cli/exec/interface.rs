//! Interfaces as lines of the exec mode name them: in one word (`gi0/0/0`) or in two (`gi 0/0/0`).

use std::fmt;

use ironflex_profiles::model::interface::{DeviceName, InterfaceName};

use super::{ExecError, INVALID, Mode, Walk, common, table::Token};

/// The highest number of an interface.
const HIGHEST: u32 = i32::MAX as u32;

/// An interface that a line names. Whether there is one of that name is not known here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NamedInterface {
    /// One that a configuration can have.
    Configured(InterfaceName),
    /// A device of Linux: whatever stands for it is meant.
    Device(DeviceName),
    /// `Virtual-Access N`, which is a session's.
    VirtualAccess(u32),
}

impl fmt::Display for NamedInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured(name) => name.fmt(f),
            Self::Device(name) => name.fmt(f),
            Self::VirtualAccess(number) => write!(f, "Virtual-Access{number}"),
        }
    }
}

/// What the daemon says of an interface that is not there, `beside` a router's own words: a router does not even know its
/// name. It does not see the line at a terminal, and leaves the caret to who does.
#[must_use]
pub fn absent(interface: &NamedInterface, beside: &str) -> String {
    format!("{INVALID}\n% {interface}: no such interface{beside}")
}

/// The refusal of a line that names such an interface, if that is what was `said` of it.
#[must_use]
pub fn refused_interface(line: &str, said: &str) -> Option<ExecError> {
    let said = said.strip_prefix(INVALID)?.trim_start().to_owned();
    let mut walk = Walk::new(line, Mode::Privileged).ok()?;
    let mut named = None;
    while let Some(word) = walk.next().filter(|word| !walk.is_pipe(*word)) {
        let (taken, offset) = (walk.take(word), word.offset);
        taken.ok()?;
        let digits = || word.text.find(|one: char| one.is_ascii_digit());
        let within = match walk.last?.token {
            // A router knows the kind.
            Token::Interface(_) => digits().unwrap_or(0),
            Token::Device | Token::Port(_) => 0,
            _ => continue,
        };
        named = Some(offset.saturating_add(within));
    }
    let line = line.trim_end().to_owned();
    let column = line.get(..named?)?.chars().count();
    Some(ExecError::Absent { line, column, said })
}

/// What an interface is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    GigabitEthernet,
    Loopback,
    VirtualAccess,
    VirtualTemplate,
}

impl Kind {
    /// As a router writes it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::GigabitEthernet => "GigabitEthernet",
            Self::Loopback => "Loopback",
            Self::VirtualAccess => "Virtual-Access",
            Self::VirtualTemplate => "Virtual-Template",
        }
    }

    /// The two letters that a router shortens it to. They mean this kind, whatever else begins so.
    pub(super) const fn short(self) -> &'static str {
        match self {
            Self::GigabitEthernet => "Gi",
            Self::Loopback => "Lo",
            Self::VirtualAccess => "Vi",
            Self::VirtualTemplate => "Vt",
        }
    }

    pub(super) const fn help(self) -> &'static str {
        match self {
            Self::GigabitEthernet => "GigabitEthernet IEEE 802.3z",
            Self::Loopback => "Loopback interface",
            Self::VirtualAccess => "Virtual Access interface",
            Self::VirtualTemplate => "Virtual Template interface",
        }
    }

    pub(super) const fn number_help(self) -> &'static str {
        match self {
            Self::GigabitEthernet => "GigabitEthernet interface number",
            Self::Loopback => "Loopback interface number",
            Self::VirtualAccess => "Virtual-Access interface number",
            Self::VirtualTemplate => "Virtual-Template interface number",
        }
    }

    /// How help shows its number.
    pub(super) fn numbers(self) -> String {
        match self {
            Self::GigabitEthernet | Self::Loopback => format!("<0-{HIGHEST}>"),
            Self::VirtualAccess => format!("<1-{HIGHEST}>"),
            Self::VirtualTemplate => "<1-4095>".to_owned(),
        }
    }

    /// Whether its number may begin so.
    pub(super) fn may_begin(self, typed: &str) -> bool {
        match self {
            // Slot, subslot and port, each of which may still be missing.
            Self::GigabitEthernet => self.named(typed.trim_end_matches(['/', '.'])).is_some(),
            _ => self.named(typed).is_some(),
        }
    }

    /// The interface of this kind that has this number.
    pub(super) fn named(self, number: &str) -> Option<NamedInterface> {
        if self == Self::VirtualAccess {
            // `parse` alone would also take a sign.
            let digits = number.bytes().all(|octet| octet.is_ascii_digit());
            let number = number.parse().ok().filter(|_| digits)?;
            let exists = (1..=HIGHEST).contains(&number);
            return exists.then_some(NamedInterface::VirtualAccess(number));
        }
        let name = InterfaceName::from_parts(self.title(), number).ok()?;
        Some(NamedInterface::Configured(name))
    }
}

/// The kinds among these that a word begins with, abbreviated or not, and the number that it goes on with: none where it has
/// no number.
pub(super) fn begun<'t>(kinds: &[Kind], typed: &'t str) -> (Vec<Kind>, &'t str) {
    let digits = typed.find(|one: char| one.is_ascii_digit());
    let Some((kind, number)) = digits.and_then(|at| typed.split_at_checked(at)) else {
        return (Vec::new(), "");
    };
    let exact = |one: &&Kind| {
        one.title().eq_ignore_ascii_case(kind) || one.short().eq_ignore_ascii_case(kind)
    };
    let found = match kinds.iter().find(exact) {
        Some(exact) => vec![*exact],
        None if kind.is_empty() => Vec::new(),
        None => {
            let fits = |one: &&Kind| common(one.title(), kind) == kind.len();
            kinds.iter().filter(fits).copied().collect()
        }
    };
    (found, number)
}

/// The interface that one word names, if it is of one of these kinds.
pub(super) fn in_one_word(kinds: &[Kind], typed: &str) -> Option<NamedInterface> {
    match begun(kinds, typed) {
        (found, number) if found.len() == 1 => found.first()?.named(number),
        _ => None,
    }
}

/// The device that a word names. A keyword has no digit, and a device of which a word is to be told from one has.
pub(super) fn device(typed: &str) -> Option<NamedInterface> {
    let digit = typed.bytes().any(|octet| octet.is_ascii_digit());
    let name = DeviceName::new(typed).ok().filter(|_| digit)?;
    Some(NamedInterface::Device(name))
}
