//! The commands: tables of [`Node`]s with the actions that lines ending in them carry out.
//!
//! An action takes the values of its line from [`Args`], in the order in which they were typed,
//! and changes the [`Candidate`] through [`Edit`]. It decides nothing about names of other
//! objects: those are bound when the whole configuration is known ([`crate::resolve()`]).

mod aaa;
mod acl;
mod acl6;
mod global;
mod ikev2;
mod ikev2_keyring;
mod ikev2_limit;
mod ikev2_policy;
mod ikev2_profile;
mod ikev2_redirect;
mod interface;
mod ipsec;
mod ipv6;
mod pki;
mod ssl;

use alloc::{borrow::Cow, boxed::Box, format, string::String, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    error::{Diagnostic, Fault, Span},
    model::{
        Candidate, DEFAULT, HiddenDefaults, Located, Table,
        acl::AccessList,
        acl6::Ipv6AccessList,
        ikev2::{AuthorizationPolicy, Policy, Profile, Proposal},
        interface::{Interface, InterfaceName},
        ipsec::{IpsecProfile, TransformSet},
        keyring::{Keyring, Peer},
        name::{FileName, Name},
        net::{Ipv6Interface, Ipv6Net},
        pki::Trustpoint,
        ssl::{SslPolicy, SslProfile},
    },
    tree::{ModeKind, Node, Token, Value},
};

/// A VRF where one can be named.
const NAMED_VRF: Node = Node::refused_value(
    Token::Name {
        label: "WORD",
        limit: Name::LIMIT,
    },
    "VRFs",
);

/// What a line does to the candidate.
pub(crate) type Action = fn(&mut Edit<'_>, &mut Args<'_>) -> Result<(), Box<Diagnostic>>;

/// The tables of a mode.
pub(crate) fn tables(mode: ModeKind) -> &'static [&'static [Node]] {
    match mode {
        ModeKind::Global => &[
            global::LINES,
            aaa::LINES,
            global::CRYPTO,
            interface::LINES,
            global::IP,
            acl::NUMBERED,
            ipv6::LINES,
            global::REFUSED,
            global::LEAVE,
        ],
        ModeKind::Refused => &[global::LEAVE],
        ModeKind::AuthorizationPolicy => &[ikev2_policy::AUTHORIZATION, global::LEAVE],
        ModeKind::Ikev2Proposal => &[ikev2::PROPOSAL, global::LEAVE],
        ModeKind::Ikev2Policy => &[ikev2::POLICY, global::LEAVE],
        ModeKind::Ikev2Keyring => &[ikev2_keyring::KEYRING, global::LEAVE],
        // A further `peer` line belongs to the keyring; `exit` leads back to it.
        ModeKind::Ikev2KeyringPeer => &[ikev2_keyring::PEER, ikev2_keyring::KEYRING, global::LEAVE],
        ModeKind::Ikev2Profile => &[ikev2_profile::PROFILE, global::LEAVE],
        ModeKind::TransformSet => &[ipsec::TRANSFORM_SET, global::LEAVE],
        ModeKind::IpsecProfile => &[ipsec::PROFILE, global::LEAVE],
        ModeKind::Trustpoint => &[pki::TRUSTPOINT, global::LEAVE],
        ModeKind::SslPolicy => &[ssl::POLICY, global::LEAVE],
        ModeKind::SslProfile => &[ssl::PROFILE, global::LEAVE],
        ModeKind::StandardAccessList => &[acl::STANDARD, global::LEAVE],
        ModeKind::ExtendedAccessList => &[acl::EXTENDED, global::LEAVE],
        ModeKind::Ipv6AccessList => &[acl6::ENTRIES, global::LEAVE],
        ModeKind::Loopback => &[interface::ANY, interface::LOOPBACK, global::LEAVE],
        ModeKind::GigabitEthernet => &[interface::ANY, interface::GIGABIT_ETHERNET, global::LEAVE],
        ModeKind::VirtualTemplate => &[interface::ANY, interface::VIRTUAL_TEMPLATE, global::LEAVE],
    }
}

/// Where in the configuration a line stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Outside every object.
    Global,
    /// In an object with a name.
    Object(ModeKind, Name),
    /// In a peer of a keyring.
    KeyringPeer { keyring: Name, peer: Name },
    /// In an interface.
    Interface(InterfaceName),
}

impl Mode {
    /// The line that first named the mode's object.
    pub(crate) fn beginning<'c>(&self, candidate: &'c Candidate) -> Option<&'c Span> {
        fn of<'t, T>(table: &'t Table<T>, name: &Name) -> Option<&'t Span> {
            table.entry(name.as_str()).map(|entry| &entry.at)
        }
        let (kind, name) = match self {
            Self::Global => return None,
            Self::Interface(name) => return candidate.interfaces.get(name).map(|entry| &entry.at),
            Self::KeyringPeer { keyring, peer } => {
                let peers = &candidate.keyrings.get(keyring.as_str())?.peers;
                return of(peers, peer);
            }
            Self::Object(kind, name) => (kind, name),
        };
        match kind {
            ModeKind::AuthorizationPolicy => of(&candidate.authorization_policies, name),
            ModeKind::Ikev2Proposal => of(&candidate.proposals, name),
            ModeKind::Ikev2Policy => of(&candidate.policies, name),
            ModeKind::Ikev2Keyring => of(&candidate.keyrings, name),
            ModeKind::Ikev2Profile => of(&candidate.profiles, name),
            ModeKind::TransformSet => of(&candidate.transform_sets, name),
            ModeKind::IpsecProfile => of(&candidate.ipsec_profiles, name),
            ModeKind::Trustpoint => of(&candidate.trustpoints, name),
            ModeKind::SslPolicy => of(&candidate.ssl_policies, name),
            ModeKind::SslProfile => of(&candidate.ssl_profiles, name),
            ModeKind::StandardAccessList | ModeKind::ExtendedAccessList => {
                of(&candidate.access_lists, name)
            }
            ModeKind::Ipv6AccessList => of(&candidate.ipv6_access_lists, name),
            ModeKind::Global
            | ModeKind::Refused
            | ModeKind::Ikev2KeyringPeer
            | ModeKind::Loopback
            | ModeKind::GigabitEthernet
            | ModeKind::VirtualTemplate => None,
        }
    }

    pub(crate) const fn kind(&self) -> ModeKind {
        match self {
            Self::Global => ModeKind::Global,
            Self::Object(kind, _) => *kind,
            Self::KeyringPeer { .. } => ModeKind::Ikev2KeyringPeer,
            Self::Interface(name) => interface::mode_of(name),
        }
    }
}

/// What stands in front of the words of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    Set,
    No,
    Default,
}

/// The candidate under one line.
pub(crate) struct Edit<'a> {
    pub(crate) candidate: &'a mut Candidate,
    pub(crate) mode: &'a mut Mode,
    pub(crate) form: Form,
    /// The whole line.
    pub(crate) at: Span,
    /// What a router says of it.
    pub(crate) said: Option<String>,
}

macro_rules! objects {
    ($($method:ident: $table:ident, $object:ty;)*) => {
        $(
            /// The object whose mode the line stands in.
            pub(crate) fn $method(&mut self) -> Result<&mut $object, Box<Diagnostic>> {
                let missing = self.defect("the mode's object is missing");
                match &*self.mode {
                    Mode::Object(_, name) => self.candidate.$table.get_mut(name.as_str()),
                    Mode::Global | Mode::Interface(_) | Mode::KeyringPeer { .. } => None,
                }
                .ok_or(missing)
            }
        )*
    };
}

impl Edit<'_> {
    objects! {
        authorization_policy: authorization_policies, AuthorizationPolicy;
        proposal: proposals, Proposal;
        policy: policies, Policy;
        profile: profiles, Profile;
        transform_set: transform_sets, TransformSet;
        ipsec_profile: ipsec_profiles, IpsecProfile;
        trustpoint: trustpoints, Trustpoint;
        ssl_policy: ssl_policies, SslPolicy;
        ssl_profile: ssl_profiles, SslProfile;
        access_list: access_lists, AccessList;
        ipv6_access_list: ipv6_access_lists, Ipv6AccessList;
    }

    /// The keyring whose mode, or whose peer's mode, the line stands in, and its name.
    pub(crate) fn keyring(&mut self) -> Result<(Name, &mut Keyring), Box<Diagnostic>> {
        let missing = self.defect("the mode's keyring is missing");
        let name = match &*self.mode {
            Mode::Object(_, name) | Mode::KeyringPeer { keyring: name, .. } => name.clone(),
            Mode::Global | Mode::Interface(_) => return Err(missing),
        };
        let keyring = self.candidate.keyrings.get_mut(name.as_str());
        Ok((name, keyring.ok_or(missing)?))
    }

    /// The keyring's peer whose mode the line stands in.
    pub(crate) fn keyring_peer(&mut self) -> Result<&mut Peer, Box<Diagnostic>> {
        let missing = self.defect("the mode's peer is missing");
        let Mode::KeyringPeer { peer, .. } = &*self.mode else {
            return Err(missing);
        };
        let peer = peer.clone();
        let (_, keyring) = self.keyring()?;
        keyring.peers.get_mut(peer.as_str()).ok_or(missing)
    }

    /// The interface whose mode the line stands in.
    pub(crate) fn interface(&mut self) -> Result<&mut Interface, Box<Diagnostic>> {
        let missing = self.defect("the mode's interface is missing");
        match &*self.mode {
            Mode::Interface(name) => self.candidate.interfaces.get_mut(name),
            Mode::Global | Mode::Object(..) | Mode::KeyringPeer { .. } => None,
        }
        .map(|entry| &mut entry.value)
        .ok_or(missing)
    }

    fn defect(&self, what: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(Fault::Internal, self.at.clone(), what))
    }

    /// Enters an object, making it if the name is new.
    fn open<T>(
        &mut self,
        kind: ModeKind,
        name: &Located<Name>,
        table: fn(&mut Candidate) -> &mut Table<T>,
        new: impl FnOnce() -> T,
    ) {
        let named = Located::new(name.value.clone(), self.at.clone());
        table(self.candidate).get_or_insert_with(&named, new);
        *self.mode = Mode::Object(kind, name.value.clone());
    }

    /// Enters an object of a kind that has a smart default; editing the one called `default`
    /// starts from what it is.
    fn open_with_default<T: Default>(
        &mut self,
        kind: ModeKind,
        name: &Located<Name>,
        table: fn(&mut Candidate) -> &mut Table<T>,
        hidden: fn(&mut HiddenDefaults) -> &mut bool,
        smart_default: impl FnOnce() -> T,
    ) {
        let is_default = name.value == *DEFAULT;
        if is_default {
            *hidden(&mut self.candidate.hidden_defaults) = false;
        }
        self.open(kind, name, table, || {
            if is_default {
                smart_default()
            } else {
                T::default()
            }
        });
    }

    /// `no` and `default` in front of an object of a kind that has a smart default: `no` hides the
    /// smart default, `default` brings it back as it was.
    fn close_with_default<T>(
        &mut self,
        name: Option<Located<Name>>,
        table: fn(&mut Candidate) -> &mut Table<T>,
        hidden: fn(&mut HiddenDefaults) -> &mut bool,
    ) -> Result<(), Box<Diagnostic>> {
        let name = match (name, self.form) {
            (Some(name), _) => name.value,
            (None, Form::Default) => Name::new(DEFAULT).map_err(|_| self.defect("default"))?,
            (None, Form::Set | Form::No) => return Err(self.incomplete("WORD")),
        };
        table(self.candidate).remove(name.as_str());
        if name == *DEFAULT {
            *hidden(&mut self.candidate.hidden_defaults) = self.form == Form::No;
        }
        Ok(())
    }

    fn incomplete(&self, expected: &str) -> Box<Diagnostic> {
        let end = Span {
            column: self.at.column.saturating_add(self.at.len),
            len: 0,
            ..self.at.clone()
        };
        Box::new(
            Diagnostic::error(Fault::Incomplete, end, "the line is not complete")
                .expecting([String::from(expected)]),
        )
    }
}

/// A value and where it was typed.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) value: Value,
    pub(crate) at: Span,
}

/// The values of a line, taken one after the other. Words of the language between them are passed
/// over; [`Args::has`] asks for one.
pub(crate) struct Args<'a> {
    all: &'a [Arg],
    /// Those that are still to be taken.
    args: &'a [Arg],
    whole: Span,
    /// What [`Value::Rest`] stands for.
    rest: Cow<'a, str>,
}

impl<'a> Args<'a> {
    pub(crate) const fn new(all: &'a [Arg], whole: Span, rest: Cow<'a, str>) -> Self {
        Self {
            all,
            args: all,
            whole,
            rest,
        }
    }

    /// Whether a word of the language stands anywhere in the line.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.all
            .iter()
            .any(|arg| matches!(arg.value, Value::Word(typed) if typed == word))
    }

    /// Whether no value is left, but words of the language at most.
    pub(crate) fn are_none(&self) -> bool {
        let mut left = self.args.iter();
        left.all(|arg| matches!(arg.value, Value::Word(_)))
    }

    /// Takes the next value if it is of the wanted kind.
    fn maybe<T>(&mut self, pick: impl FnOnce(&Value) -> Option<T>) -> Option<Located<T>> {
        let mut rest = self.args;
        while let Some((arg, after)) = rest.split_first() {
            rest = after;
            if matches!(arg.value, Value::Word(_)) {
                continue;
            }
            let value = pick(&arg.value)?;
            self.args = after;
            return Some(Located::new(value, arg.at.clone()));
        }
        None
    }

    /// Takes the next value, which the table promises to be of the wanted kind.
    fn must<T>(
        &mut self,
        what: &str,
        pick: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Located<T>, Box<Diagnostic>> {
        let missing = || {
            let message = format!("the command table gave no {what}");
            Box::new(Diagnostic::error(
                Fault::Internal,
                self.whole.clone(),
                message,
            ))
        };
        let missing = missing();
        self.maybe(pick).ok_or(missing)
    }

    pub(crate) fn name(&mut self) -> Result<Located<Name>, Box<Diagnostic>> {
        self.must("name", as_name)
    }

    pub(crate) fn maybe_name(&mut self) -> Option<Located<Name>> {
        self.maybe(as_name)
    }

    pub(crate) fn file(&mut self) -> Result<Located<FileName>, Box<Diagnostic>> {
        self.must("file", |value| match value {
            Value::File(file) => Some(file.clone()),
            _ => None,
        })
    }

    pub(crate) fn number<T: TryFrom<u32>>(&mut self) -> Result<T, Box<Diagnostic>> {
        Ok(self.located_number()?.value)
    }

    pub(crate) fn located_number<T: TryFrom<u32>>(
        &mut self,
    ) -> Result<Located<T>, Box<Diagnostic>> {
        self.must("number", as_number)
    }

    pub(crate) fn maybe_number<T: TryFrom<u32>>(&mut self) -> Option<Located<T>> {
        self.maybe(as_number)
    }

    pub(crate) fn ipv4(&mut self) -> Result<Located<Ipv4Addr>, Box<Diagnostic>> {
        self.must("address", as_ipv4)
    }

    pub(crate) fn maybe_ipv4(&mut self) -> Option<Located<Ipv4Addr>> {
        self.maybe(as_ipv4)
    }

    pub(crate) fn netmask(&mut self) -> Result<Located<Ipv4Addr>, Box<Diagnostic>> {
        self.must("netmask", as_netmask)
    }

    pub(crate) fn maybe_netmask(&mut self) -> Option<Located<Ipv4Addr>> {
        self.maybe(as_netmask)
    }

    pub(crate) fn maybe_wildcard(&mut self) -> Option<Ipv4Addr> {
        let found = self.maybe(|value| match value {
            Value::Wildcard(mask) => Some(*mask),
            _ => None,
        });
        found.map(|mask| mask.value)
    }

    pub(crate) fn maybe_ipv6_net(&mut self) -> Option<Ipv6Net> {
        self.maybe(as_ipv6_net).map(|network| network.value)
    }

    pub(crate) fn ipv6_net(&mut self) -> Result<Ipv6Net, Box<Diagnostic>> {
        Ok(self.must("network", as_ipv6_net)?.value)
    }

    pub(crate) fn ipv6_interface(&mut self) -> Result<Located<Ipv6Interface>, Box<Diagnostic>> {
        self.must("address", |value| match value {
            Value::Ipv6Interface(address) => Some(*address),
            _ => None,
        })
    }

    pub(crate) fn ipv6(&mut self) -> Result<Located<Ipv6Addr>, Box<Diagnostic>> {
        self.must("address", as_ipv6)
    }

    pub(crate) fn maybe_ipv6(&mut self) -> Option<Located<Ipv6Addr>> {
        self.maybe(as_ipv6)
    }

    /// An address of either family.
    pub(crate) fn address(&mut self) -> Result<Located<IpAddr>, Box<Diagnostic>> {
        self.must("address", |value| match value {
            Value::Ipv4(address) => Some(IpAddr::V4(*address)),
            Value::Address(address) => Some(*address),
            _ => None,
        })
    }

    pub(crate) fn interface(&mut self) -> Result<Located<InterfaceName>, Box<Diagnostic>> {
        self.must("interface", as_interface)
    }

    pub(crate) fn keyword<T>(
        &mut self,
        of: fn(&str) -> Option<T>,
    ) -> Result<Located<T>, Box<Diagnostic>> {
        self.must("keyword", |value| as_keyword(value, of))
    }

    pub(crate) fn maybe_keyword<T>(&mut self, of: fn(&str) -> Option<T>) -> Option<Located<T>> {
        self.maybe(|value| as_keyword(value, of))
    }

    /// All keywords of one kind, in order. One given twice is refused.
    pub(crate) fn keywords<T: PartialEq>(
        &mut self,
        of: fn(&str) -> Option<T>,
    ) -> Result<Vec<Located<T>>, Box<Diagnostic>> {
        let mut all: Vec<Located<T>> = Vec::new();
        while let Some(found) = self.maybe_keyword(of) {
            if let Some(earlier) = all.iter().find(|earlier| **earlier == found) {
                let fault = Diagnostic::error(Fault::Conflict, found.at, "given twice");
                return Err(Box::new(
                    fault.beside(earlier.at.clone(), "given here first"),
                ));
            }
            all.push(found);
        }
        if all.is_empty() {
            return Err(self.keyword(of).err().unwrap_or_else(|| {
                Box::new(Diagnostic::error(
                    Fault::Internal,
                    self.whole.clone(),
                    "no keyword",
                ))
            }));
        }
        Ok(all)
    }

    /// Where [`Args::rest`] begins.
    pub(crate) fn rest_span(&self) -> Option<Span> {
        self.all
            .iter()
            .find(|arg| arg.value == Value::Rest)
            .map(|arg| arg.at.clone())
    }

    /// The rest of the line, or the text between delimiters.
    pub(crate) fn rest(&self) -> &str {
        &self.rest
    }
}

fn as_name(value: &Value) -> Option<Name> {
    match value {
        Value::Name(name) => Some(name.clone()),
        _ => None,
    }
}

fn as_number<T: TryFrom<u32>>(value: &Value) -> Option<T> {
    match value {
        Value::Number(number) => T::try_from(*number).ok(),
        _ => None,
    }
}

const fn as_ipv4(value: &Value) -> Option<Ipv4Addr> {
    match value {
        Value::Ipv4(address) => Some(*address),
        _ => None,
    }
}

const fn as_ipv6(value: &Value) -> Option<Ipv6Addr> {
    match value {
        Value::Address(IpAddr::V6(address)) => Some(*address),
        _ => None,
    }
}

const fn as_ipv6_net(value: &Value) -> Option<Ipv6Net> {
    match value {
        Value::Ipv6Net(network) => Some(*network),
        _ => None,
    }
}

const fn as_netmask(value: &Value) -> Option<Ipv4Addr> {
    match value {
        Value::Netmask(mask) => Some(*mask),
        _ => None,
    }
}

fn as_interface(value: &Value) -> Option<InterfaceName> {
    match value {
        Value::Interface(name) => Some(name.clone()),
        _ => None,
    }
}

fn as_keyword<T>(value: &Value, of: fn(&str) -> Option<T>) -> Option<T> {
    match value {
        Value::Keyword(word) => of(word),
        _ => None,
    }
}

/// Values without their places.
fn plain<T>(located: Vec<Located<T>>) -> Vec<T> {
    located.into_iter().map(|located| located.value).collect()
}

/// Adds a value to a list unless it is there already, as a repeated line does.
fn add<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

fn objection(fault: Fault, at: Span, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(fault, at, message))
}
