//! What a line with `no` may take away: enough of a configuration to see whether it did.
//!
//! To compare two whole configurations costs as much as they are long, and thousands of such lines may come at once.

use alloc::boxed::Box;

use crate::{
    command::Mode,
    model::{
        Candidate, HiddenDefaults, Logging, Table, aaa::Aaa, ikev2, interface, ipsec, keyring,
        name::Name, pki, ssl,
    },
    tree::ModeKind,
};

/// The part of a configuration that lines of a mode change when they take something away.
#[derive(PartialEq)]
pub(crate) enum Outline {
    /// Outside of every object.
    Global(Box<Global>),
    /// How much an object holds.
    Count(usize),
    AuthorizationPolicy(Option<Box<ikev2::AuthorizationPolicy>>),
    Interface(Option<Box<interface::Interface>>),
    IpsecProfile(Option<Box<ipsec::IpsecProfile>>),
    /// With how many there are.
    KeyringPeer(Option<Box<keyring::Peer>>, usize),
    Policy(Option<Box<ikev2::Policy>>),
    Profile(Option<Box<ikev2::Profile>>),
    Proposal(Option<Box<ikev2::Proposal>>),
    SslPolicy(Option<Box<ssl::SslPolicy>>),
    SslProfile(Option<Box<ssl::SslProfile>>),
    TransformSet(Option<Box<ipsec::TransformSet>>),
    Trustpoint(Option<Box<pki::Trustpoint>>),
}

/// The lines without an object, and how many objects there are of each kind.
#[derive(PartialEq)]
pub(crate) struct Global {
    hostname: Option<Name>,
    new_model: bool,
    max_fail: Option<u16>,
    ikev2: ikev2::Globals,
    logging: Logging,
    ipsec: ipsec::Globals,
    hidden_defaults: HiddenDefaults,
    /// A pool that loses its last range is gone with it.
    ranges: usize,
    counts: [usize; 19],
}

impl Outline {
    /// That of what lines of this mode change.
    pub(crate) fn of(candidate: &Candidate, mode: &Mode) -> Self {
        fn of<T: Clone>(table: &Table<T>, name: &Name) -> Option<Box<T>> {
            table.get(name.as_str()).cloned().map(Box::new)
        }
        let (kind, name) = match mode {
            Mode::Global => return Self::Global(Box::new(Global::of(candidate))),
            Mode::Interface(name) => {
                let interface = candidate.interfaces.get(name);
                let interface = interface.map(|interface| Box::new(interface.value.clone()));
                return Self::Interface(interface);
            }
            Mode::KeyringPeer { keyring, peer } => {
                let keyring = candidate.keyrings.get(keyring.as_str());
                let peers = keyring.map(|keyring| &keyring.peers);
                let of_name = peers.and_then(|peers| of(peers, peer));
                return Self::KeyringPeer(of_name, peers.map_or(0, Table::len));
            }
            Mode::Object(kind, name) => (*kind, name),
        };
        match kind {
            ModeKind::AuthorizationPolicy => {
                Self::AuthorizationPolicy(of(&candidate.authorization_policies, name))
            }
            ModeKind::Ikev2Proposal => Self::Proposal(of(&candidate.proposals, name)),
            ModeKind::Ikev2Policy => Self::Policy(of(&candidate.policies, name)),
            ModeKind::Ikev2Keyring => {
                let keyring = candidate.keyrings.get(name.as_str());
                Self::Count(keyring.map_or(0, |keyring| keyring.peers.len()))
            }
            ModeKind::Ikev2Profile => Self::Profile(of(&candidate.profiles, name)),
            ModeKind::TransformSet => Self::TransformSet(of(&candidate.transform_sets, name)),
            ModeKind::IpsecProfile => Self::IpsecProfile(of(&candidate.ipsec_profiles, name)),
            ModeKind::Trustpoint => Self::Trustpoint(of(&candidate.trustpoints, name)),
            ModeKind::SslPolicy => Self::SslPolicy(of(&candidate.ssl_policies, name)),
            ModeKind::SslProfile => Self::SslProfile(of(&candidate.ssl_profiles, name)),
            // Of an entry there is nothing that could be taken away.
            ModeKind::StandardAccessList | ModeKind::ExtendedAccessList => {
                let list = candidate.access_lists.get(name.as_str());
                Self::Count(list.map_or(0, |list| list.entries.len()))
            }
            ModeKind::Ipv6AccessList => {
                let list = candidate.ipv6_access_lists.get(name.as_str());
                Self::Count(list.map_or(0, |list| list.entries.len()))
            }
            ModeKind::Global
            | ModeKind::Refused
            | ModeKind::Ikev2KeyringPeer
            | ModeKind::Loopback
            | ModeKind::GigabitEthernet
            | ModeKind::VirtualTemplate => Self::Count(0),
        }
    }
}

impl Global {
    fn of(candidate: &Candidate) -> Self {
        // All of it, so that what is new is thought of here.
        let Candidate {
            hostname,
            aaa,
            users,
            trustpoints,
            pools,
            ipv6_pools,
            ikev2,
            logging,
            authorization_policies,
            proposals,
            policies,
            keyrings,
            profiles,
            anyconnect_profiles,
            ipsec,
            transform_sets,
            ipsec_profiles,
            hidden_defaults,
            ssl_policies,
            ssl_profiles,
            interfaces,
            access_lists,
            ipv6_access_lists,
            nat_rules,
            actions: _,
        } = candidate;
        let Aaa {
            new_model,
            authentication_login,
            authorization_network,
            max_fail,
        } = aaa;
        let ranges = pools.iter().map(|pool| pool.value.ranges().len());
        Self {
            hostname: hostname.clone(),
            new_model: *new_model,
            max_fail: *max_fail,
            ikev2: ikev2.clone(),
            logging: *logging,
            ipsec: *ipsec,
            hidden_defaults: *hidden_defaults,
            ranges: ranges.sum(),
            counts: [
                authentication_login.len(),
                authorization_network.len(),
                users.len(),
                trustpoints.len(),
                ipv6_pools.len(),
                authorization_policies.len(),
                proposals.len(),
                policies.len(),
                keyrings.len(),
                profiles.len(),
                anyconnect_profiles.len(),
                transform_sets.len(),
                ipsec_profiles.len(),
                ssl_policies.len(),
                ssl_profiles.len(),
                interfaces.len(),
                access_lists.len(),
                ipv6_access_lists.len(),
                nat_rules.len(),
            ],
        }
    }
}
