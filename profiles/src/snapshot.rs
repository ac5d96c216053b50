//! The configuration as a daemon uses it: names bound, defaults filled in, nothing contradictory.
//!
//! Made by [`crate::resolve()`] and never changed; parts that several others use are shared.

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    error::Diagnostic,
    model::{
        Logging,
        aaa::Method,
        ikev2::{
            AuthorizationFor, Dpd, Encryption, Group, IdentityMatch, Integrity, LocalIdentity,
            MlKem, Pqc, Prf, RouteAccept,
        },
        ikev2_limits::Limits,
        interface::{Addressing, DeviceName, InterfaceName, Ipv6Lines},
        ipsec::{EspTransform, Mode},
        keyring::{KeyText, Peer},
        name::{FileName, Name},
        nat::NatSide,
        net::{Ipv4Net, Ipv6Net},
        pki::Enrollment,
        pool::{self, PoolRange},
        redirect::RedirectTarget,
    },
    password::Secret,
};

/// A whole configuration, ready for use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// `hostname`, or [`DEFAULT_HOSTNAME`].
    pub hostname: Name,
    /// Settings of the IKEv2 endpoint as a whole.
    pub ikev2: Ikev2Settings,
    /// Local users that can log in.
    pub users: BTreeMap<Name, Arc<LocalUser>>,
    /// Wrong passwords in a row that lock one of them out; without it nobody is.
    pub max_fail: Option<u16>,
    /// Every trustpoint.
    pub trustpoints: BTreeMap<Name, Arc<Trustpoint>>,
    /// Every address pool.
    pub pools: BTreeMap<Name, Arc<Pool>>,
    /// Every pool of IPv6 addresses.
    pub ipv6_pools: BTreeMap<Name, Arc<Ipv6Pool>>,
    /// Every authorization policy, the smart default included.
    pub authorization_policies: BTreeMap<Name, Arc<AuthorizationPolicy>>,
    /// Every IKEv2 proposal, the smart default included.
    pub proposals: BTreeMap<Name, Arc<Proposal>>,
    /// IKEv2 policies in the order of their lines, without the default one.
    pub policies: Vec<Arc<Policy>>,
    /// The policy `default`, unless it was removed.
    pub default_policy: Option<Arc<Policy>>,
    /// IKEv2 profiles in the order of their lines, without those that are shut down.
    pub profiles: Vec<Arc<Profile>>,
    /// Every IPsec profile, the smart default included.
    pub ipsec_profiles: BTreeMap<Name, Arc<IpsecProfile>>,
    /// Client XML profiles.
    pub anyconnect_profiles: BTreeMap<Name, Arc<AnyConnectProfile>>,
    /// Every interface.
    pub interfaces: BTreeMap<InterfaceName, Arc<Interface>>,
    /// Address translation, in the order of its lines.
    pub nat: Vec<NatRule>,
    /// SSL policies.
    pub ssl_policies: BTreeMap<Name, Arc<SslPolicy>>,
    /// SSL profiles.
    pub ssl_profiles: BTreeMap<Name, Arc<SslProfile>>,
    /// Profiles that serve nobody, in the order of their lines.
    pub inactive: Vec<Inactive>,
    /// What someone should look at; nothing of it keeps the configuration from being used.
    pub warnings: Vec<Diagnostic>,
}

/// A profile that serves nobody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inactive {
    /// The name.
    pub name: Name,
    /// Local addresses that it is for; empty means any.
    pub match_address_local: Vec<IpAddr>,
    /// Identities that it is for; there may be none.
    pub match_identity_remote: Vec<IdentityMatch>,
    /// Its lines say so, and nothing is wrong with it.
    pub shutdown: bool,
    /// Why, in one line.
    pub because: String,
}

/// The host name of a router that was given none.
pub const DEFAULT_HOSTNAME: &str = "Router";

/// Settings of the IKEv2 endpoint as a whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ikev2Settings {
    /// How it is logged when sessions come up and go down.
    pub logging: Logging,
    /// Whether there are tokens for crashes (RFC 6290).
    pub crash_detection: bool,
    /// Largest IP datagram of a fragment, in octets, if RFC 7383 fragments are to be used.
    pub fragmentation_mtu: Option<u16>,
    /// Half-open SAs above which a cookie is asked for.
    pub cookie_challenge: u16,
    /// How many SAs there may be, and how many first requests may wait, with the numbers that hold without a line.
    pub limits: Limits,
    /// Where clients are sent that ask for an SA.
    pub redirect: Option<RedirectTarget>,
    /// Requests that may be outstanding.
    pub window: u8,
}

/// A user of the local database.
#[derive(Clone, Eq, PartialEq)]
pub struct LocalUser {
    /// The name.
    pub name: Name,
    /// The password in clear.
    pub password: Secret,
    /// Wrong passwords never lock this one out: `privilege 15`.
    pub never_locked_out: bool,
}

impl core::fmt::Debug for LocalUser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LocalUser")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A trustpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trustpoint {
    /// The name, under which the state folder holds its certificates.
    pub name: Name,
    /// How they come; absent if no line says.
    pub enrollment: Option<Enrollment>,
}

/// A pool of addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pool {
    /// The name.
    pub name: Name,
    /// Its ranges, none of them overlapping another, of this pool or any.
    pub ranges: Vec<PoolRange>,
}

/// A pool of IPv6 addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ipv6Pool {
    /// The name.
    pub name: Name,
    /// What it has, and what a client is given of it; nothing of it is in another pool.
    pub range: pool::Ipv6Pool,
}

/// What a client is told and given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthorizationPolicy {
    /// The name.
    pub name: Name,
    /// Where its address comes from.
    pub pool: Option<Arc<Pool>>,
    /// Mask of the address.
    pub netmask: Option<Ipv4Addr>,
    /// DNS servers, at most two.
    pub dns: Vec<Ipv4Addr>,
    /// WINS servers, at most two.
    pub wins: Vec<Ipv4Addr>,
    /// Default domain.
    pub def_domain: Option<Name>,
    /// Domains that are asked through the tunnel.
    pub split_dns: Vec<Name>,
    /// Text shown at login.
    pub banner: Option<String>,
    /// Whether the client may reach its own network directly.
    pub include_local_lan: bool,
    /// Whether the client should propose perfect forward secrecy.
    pub pfs: bool,
    /// Gateways to try next, as addresses or host names.
    pub backup_gateways: Vec<Name>,
    /// Longest session, in seconds.
    pub session_lifetime: Option<u32>,
    /// Networks of `route set access-list`; absent without that line.
    pub split_networks: Option<Vec<Ipv4Net>>,
    /// Networks of `route set remote`.
    pub remote_networks: Vec<Ipv4Net>,
    /// Whose address is announced as a network, where not everything goes through the tunnel anyway.
    pub route_set_interface: Option<AnnouncedInterface>,
    /// Whether routes of the peer are taken, and how.
    pub route_accept: Option<RouteAccept>,
    /// The same of IPv6.
    pub ipv6: Ipv6Authorization,
}

/// What a client is told and given of IPv6.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ipv6Authorization {
    /// Where its address comes from.
    pub pool: Option<Arc<Ipv6Pool>>,
    /// DNS servers, at most two.
    pub dns: Vec<Ipv6Addr>,
    /// The prefix length that goes with the address, in bits; absent means that of the pool.
    pub prefix: Option<u8>,
    /// Networks of `route set access-list ipv6`; absent without that line.
    pub split_networks: Option<Vec<Ipv6Net>>,
    /// Networks of `route set remote ipv6`.
    pub remote_networks: Vec<Ipv6Net>,
}

impl Ipv6Authorization {
    /// The networks that go through the tunnel, each once; empty means all traffic does.
    pub fn tunnelled_networks(&self) -> Vec<Ipv6Net> {
        each_once(self.split_networks.iter().flatten(), &self.remote_networks)
    }
}

fn each_once<'a, N: Copy + PartialEq + 'a>(
    first: impl Iterator<Item = &'a N>,
    then: &'a [N],
) -> Vec<N> {
    let mut networks = Vec::new();
    for network in first.chain(then) {
        if !networks.contains(network) {
            networks.push(*network);
        }
    }
    networks
}

impl AuthorizationPolicy {
    /// The networks that go through the tunnel, each once; empty means all traffic does.
    pub fn tunnelled_networks(&self) -> Vec<Ipv4Net> {
        each_once(self.split_networks.iter().flatten(), &self.remote_networks)
    }
}

/// Whose address is announced as a route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnnouncedInterface {
    /// The tunnel interface's own.
    Tunnel,
    /// That of another interface, and what it is; absent where only Linux knows it.
    Named(InterfaceName, Option<Ipv4Addr>),
}

/// A complete IKEv2 proposal. No list but `integrity` is empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proposal {
    /// The name.
    pub name: Name,
    /// Ciphers; all of them combined-mode or none.
    pub encryption: Vec<Encryption>,
    /// Integrity algorithms; empty with combined-mode ciphers.
    pub integrity: Vec<Integrity>,
    /// Pseudo-random functions.
    pub prf: Vec<Prf>,
    /// Groups.
    pub group: Vec<Group>,
    /// Post-quantum key exchange after that.
    pub pqc: Pqc,
}

/// An IKEv2 policy: which proposals are taken at a local address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// The name.
    pub name: Name,
    /// Local addresses that it is for; empty means any.
    pub match_address_local: Vec<IpAddr>,
    /// Proposals in order of preference, at least one.
    pub proposals: Vec<Arc<Proposal>>,
}

/// An IKEv2 profile that is in use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// The name.
    pub name: Name,
    /// Local addresses that it is for; empty means any.
    pub match_address_local: Vec<IpAddr>,
    /// Identities that it is for, at least one.
    pub match_identity_remote: Vec<IdentityMatch>,
    /// The headend's identity; absent means the local address.
    pub identity_local: Option<LocalIdentity>,
    /// How the headend proves itself.
    pub local: LocalMethod,
    /// How clients may prove themselves; at least one way.
    pub remote: RemoteMethods,
    /// Where the post-quantum pre-shared keys of its clients are ([`Keyring::peer_for`]).
    pub ppk: Option<Arc<Keyring>>,
    /// Whom clients' certificates are checked against.
    pub verify: Vec<Arc<Trustpoint>>,
    /// Lifetime of an IKE SA, in seconds.
    pub lifetime: u32,
    /// How dead peers are found.
    pub dpd: Option<Dpd>,
    /// Seconds between NAT keepalives.
    pub nat_keepalive: Option<u16>,
    /// Whether ESP goes in UDP without a NAT too.
    pub nat_force_encap: bool,
    /// Where its clients are sent once they are authenticated.
    pub redirect: Option<RedirectTarget>,
    /// What clients get, by how they came.
    pub group_authorization: BTreeMap<AuthorizationFor, GroupAuthorization>,
    /// Whether attributes that came with the authentication are used.
    pub user_authorization_cached: bool,
    /// What their interfaces are made from.
    pub virtual_template: Arc<VirtualTemplate>,
    /// The XML profile that AnyConnect clients are offered.
    pub anyconnect_profile: Option<Arc<AnyConnectProfile>>,
}

/// How the headend proves itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LocalMethod {
    /// By the RSA key of a trustpoint.
    RsaSig(Arc<Trustpoint>),
    /// By the elliptic-curve key of a trustpoint.
    EcdsaSig(Arc<Trustpoint>),
    /// By a pre-shared key.
    PreShare(KeySource),
}

/// How clients may prove themselves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemoteMethods {
    /// By AnyConnect-EAP.
    pub anyconnect_eap: Option<AnyConnectEap>,
    /// By a certificate with an RSA key.
    pub rsa_sig: bool,
    /// By a certificate with an elliptic-curve key.
    pub ecdsa_sig: bool,
    /// By a pre-shared key.
    pub pre_share: Option<KeySource>,
}

/// Where a pre-shared key comes from.
#[derive(Clone, Eq, PartialEq)]
pub enum KeySource {
    /// The profile's own line: one key for every peer.
    Line(KeyText),
    /// A keyring, which knows each peer's ([`Keyring::peer_for`]).
    Keyring(Arc<Keyring>),
}

impl core::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Line(_) => f.write_str("Line"),
            Self::Keyring(keyring) => write!(f, "Keyring({})", keyring.name),
        }
    }
}

/// A keyring.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Keyring {
    /// The name.
    pub name: Name,
    /// Its peers in the order of their lines; each has a key and something to find it by.
    pub peers: Vec<(Name, Peer)>,
}

/// Authentication by AnyConnect-EAP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnyConnectEap {
    /// Whether a certificate is asked for inside the EAP conversation too.
    pub cert_request: bool,
    /// The list of `aaa authentication login` that the password is checked by.
    pub list: Name,
    /// Whom that list asks.
    pub authentication: Method,
}

/// Where a client's group attributes come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupAuthorization {
    /// The list of `aaa authorization network` that is gone by.
    pub list: Name,
    /// Whom that list asks.
    pub method: Method,
    /// What is given.
    pub policy: Arc<AuthorizationPolicy>,
}

/// What clients' interfaces are made from: a Virtual-Template that is complete.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VirtualTemplate {
    /// The interface.
    pub interface: Arc<Interface>,
    /// Whose address it uses.
    pub unnumbered: InterfaceName,
    /// That address; absent where only Linux knows it.
    pub address: Option<Ipv4Addr>,
    /// How its traffic is protected.
    pub ipsec: Arc<IpsecProfile>,
}

/// An interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// The name.
    pub name: InterfaceName,
    /// What a line says of it.
    pub description: Option<String>,
    /// Whether it is out of use.
    pub shutdown: bool,
    /// The Linux device that it stands for.
    pub device: Option<DeviceName>,
    /// Where its address comes from.
    pub addressing: Addressing,
    /// Its `ipv6` lines.
    pub ipv6: Ipv6Lines,
    /// Largest inner packet, in octets; of a Virtual-Template there always is one.
    pub ip_mtu: Option<u16>,
    /// Largest TCP segment, in octets.
    pub tcp_adjust_mss: Option<u16>,
    /// Its side in address translation.
    pub nat: Option<NatSide>,
}

/// An IPsec profile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IpsecProfile {
    /// The name.
    pub name: Name,
    /// Transform sets in order of preference, at least one.
    pub transform_sets: Vec<Arc<TransformSet>>,
    /// The IKEv2 profile that it names.
    pub ikev2_profile: Option<Name>,
    /// Lifetime of an SA, in seconds.
    pub lifetime_seconds: u32,
    /// Volume of an SA, in kilobytes; absent means any.
    pub lifetime_kilobytes: Option<u32>,
    /// Replay window, in packets; absent means no check.
    pub replay_window: Option<u16>,
    /// Seconds without a packet after which a session is ended; absent means never.
    pub idle_time: Option<u32>,
    /// The group of the key exchange that a rekeyed SA has of its own; absent means none.
    pub pfs: Option<Group>,
    /// The post-quantum key exchange after that.
    pub pfs_pqc: Option<MlKem>,
}

/// A transform set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TransformSet {
    /// The name.
    pub name: Name,
    /// Its algorithms.
    pub transform: EspTransform,
    /// Whether its sequence numbers have 64 bits.
    pub esn: bool,
    /// Its mode.
    pub mode: Mode,
}

/// A client XML profile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnyConnectProfile {
    /// The name.
    pub name: Name,
    /// The file.
    pub file: FileName,
}

/// `ip nat inside source list … overload`, bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NatRule {
    /// The access list.
    pub access_list: Name,
    /// What is translated.
    pub networks: Vec<Ipv4Net>,
    /// The interface whose address is taken.
    pub interface: Arc<Interface>,
    /// The interfaces with `ip nat inside`.
    pub inside: Vec<InterfaceName>,
}

/// `crypto ssl policy`, bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SslPolicy {
    /// The name.
    pub name: Name,
    /// Whose certificate is shown.
    pub trustpoint: Option<Arc<Trustpoint>>,
    /// Address and port.
    pub local: Option<(Ipv4Addr, u16)>,
    /// Whether it is in use; then trustpoint and address are there.
    pub enabled: bool,
}

/// `crypto ssl profile`, bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SslProfile {
    /// The name.
    pub name: Name,
    /// The policy that it goes with.
    pub policy: Option<Arc<SslPolicy>>,
    /// Whether it is in use.
    pub enabled: bool,
}
