//! The configuration as typed values, one file per family of commands.
//!
//! A [`Candidate`] holds what the lines say: names are still names, smart defaults are not in it,
//! and every object and reference remembers its line. [`crate::resolve()`] makes a
//! [`crate::Snapshot`] of it.

pub mod aaa;
pub mod acl;
pub mod acl6;
pub mod ikev2;
pub mod ikev2_limits;
pub mod interface;
pub mod ipsec;
pub mod keyring;
mod keyword;
pub mod name;
pub mod nat;
pub mod net;
pub mod pki;
pub mod pool;
pub mod redirect;
pub mod ssl;
mod table;

use alloc::{collections::BTreeMap, vec::Vec};

pub(crate) use keyword::keywords;
pub use keyword::{Keyword, Standing};
pub use table::{Entry, Located, Table};

use crate::password::Secret;
use interface::{DeviceName, Interface, InterfaceName};
use name::{FileName, Name};

/// By which lines it is logged when sessions come up and go down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Logging {
    /// `crypto logging ikev2`: by those of IKEv2. A router that says nothing of it writes none; here they are the record of who
    /// came and went, and `no` takes them away.
    pub ikev2: bool,
    /// `crypto logging session`: by those that a router has for sessions of any kind. Off as there, for they say the same once more.
    pub session: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            ikev2: true,
            session: false,
        }
    }
}

/// A configuration as its lines say it, in the order in which objects were first named.
///
/// Two candidates are equal when they say the same; the places of the lines do not count.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Candidate {
    /// `hostname NAME`; absent means `Router`.
    pub hostname: Option<Name>,
    /// The `aaa` lines.
    pub aaa: aaa::Aaa,
    /// `username NAME …`.
    pub users: Table<aaa::User>,
    /// `crypto pki trustpoint NAME`, and what `crypto pki import` and `authenticate` leave.
    pub trustpoints: Table<pki::Trustpoint>,
    /// `ip local pool NAME …`.
    pub pools: Table<pool::Pool>,
    /// `ipv6 local pool NAME …`.
    pub ipv6_pools: Table<pool::Ipv6Pool>,
    /// The `crypto ikev2` lines without a name.
    pub ikev2: ikev2::Globals,
    /// `crypto logging …`.
    pub logging: Logging,
    /// `crypto ikev2 authorization policy NAME`.
    pub authorization_policies: Table<ikev2::AuthorizationPolicy>,
    /// `crypto ikev2 proposal NAME`.
    pub proposals: Table<ikev2::Proposal>,
    /// `crypto ikev2 policy NAME`.
    pub policies: Table<ikev2::Policy>,
    /// `crypto ikev2 keyring NAME`.
    pub keyrings: Table<keyring::Keyring>,
    /// `crypto ikev2 profile NAME`.
    pub profiles: Table<ikev2::Profile>,
    /// `crypto vpn anyconnect profile NAME FILE`: the client's XML profile.
    pub anyconnect_profiles: Table<FileName>,
    /// The `crypto ipsec` lines without a name.
    pub ipsec: ipsec::Globals,
    /// `crypto ipsec transform-set NAME …`.
    pub transform_sets: Table<ipsec::TransformSet>,
    /// `crypto ipsec profile NAME`.
    pub ipsec_profiles: Table<ipsec::IpsecProfile>,
    /// Smart defaults taken away by `no …  default`.
    pub hidden_defaults: HiddenDefaults,
    /// `crypto ssl policy NAME`.
    pub ssl_policies: Table<ssl::SslPolicy>,
    /// `crypto ssl profile NAME`.
    pub ssl_profiles: Table<ssl::SslProfile>,
    /// `interface NAME`.
    pub interfaces: BTreeMap<InterfaceName, Located<Interface>>,
    /// `ip access-list …`.
    pub access_lists: Table<acl::AccessList>,
    /// `ipv6 access-list NAME`.
    pub ipv6_access_lists: Table<acl6::Ipv6AccessList>,
    /// `ip nat inside source …`.
    pub nat_rules: Vec<Located<nat::NatRule>>,
    /// What lines ask to be done once; never part of a running configuration.
    pub actions: Vec<Located<Action>>,
}

impl Candidate {
    /// Brings what has no order of its own into the order of a running configuration: a router lists standard access
    /// lists first.
    pub fn settle(&mut self) {
        self.access_lists.sort_by_key(|list| list.kind);
    }

    /// Ties a router interface to a Linux device, as the option `--device INTERFACE=NAME` does. A line `device NAME` of its
    /// stays what it is, and has no effect meanwhile. An interface that no line made is made.
    pub fn tie_device(&mut self, interface: InterfaceName, device: DeviceName) {
        let at = crate::Span::built_in("--device");
        let new = || Located::new(Interface::default(), at.clone());
        let entry = self.interfaces.entry(interface).or_insert_with(new);
        entry.value.tied = Some(Located::new(device, at));
    }
}

/// Which smart defaults (the objects named `default` that are there without a line) were removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HiddenDefaults {
    /// `no crypto ikev2 proposal default`.
    pub proposal: bool,
    /// `no crypto ikev2 policy default`.
    pub policy: bool,
    /// `no crypto ikev2 authorization policy default`.
    pub authorization_policy: bool,
    /// `no crypto ipsec transform-set default`.
    pub transform_set: bool,
    /// `no crypto ipsec profile default`.
    pub ipsec_profile: bool,
}

/// The name that smart defaults bear.
pub const DEFAULT: &str = "default";

/// A line that is carried out once, by the daemon, and leaves only its trustpoint behind.
#[derive(Clone, Eq, PartialEq)]
pub enum Action {
    /// `crypto pki import TRUSTPOINT pkcs12 FILE password PASSWORD`.
    ImportPkcs12 {
        /// The trustpoint that the identity goes into.
        trustpoint: Name,
        /// The PKCS#12 file.
        file: FileName,
        /// What the file is encrypted under.
        password: Secret,
    },
    /// `crypto pki authenticate TRUSTPOINT pem FILE`: a certificate authority to believe. The
    /// `pem FILE` part is our own; IOS-XE asks for the certificate at the terminal.
    Authenticate {
        /// The trustpoint that the certificate goes into.
        trustpoint: Name,
        /// One or more certificates in PEM.
        file: FileName,
    },
}

impl core::fmt::Debug for Action {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (name, trustpoint, file) = match self {
            Self::ImportPkcs12 {
                trustpoint, file, ..
            } => ("ImportPkcs12", trustpoint, file),
            Self::Authenticate { trustpoint, file } => ("Authenticate", trustpoint, file),
        };
        f.debug_struct(name)
            .field("trustpoint", trustpoint)
            .field("file", file)
            .finish_non_exhaustive()
    }
}
