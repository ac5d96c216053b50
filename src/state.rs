//! What the daemon knows of its sessions at one moment: the typed facts behind every `show` command.
//!
//! The daemon fills it, the renderers in [`crate::cli::show`] print it, and `| json` serialises
//! it (docs/json.md). Plain data: no keys, no references into the daemon.

pub mod attempts;
pub(crate) mod form;
pub mod logging;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use ironflex_ikev2::event::PeerProof;
use serde::Serialize;

/// Everything that the `show` commands of this version need.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// The headend's name (`hostname`).
    pub hostname: String,
    /// How many sessions have begun since the start.
    pub sessions_begun: u32,
    /// How long ago the counters of interfaces were cleared, by the numbers of those whose counters were.
    pub counters_cleared: BTreeMap<u32, Duration>,
    /// IKE SAs in the order of their tunnel-id, those in negotiation included.
    pub ike_sas: Vec<IkeSa>,
    /// Address pools in the order of the configuration.
    pub pools: Vec<Pool>,
    /// IPv6 address pools in the order of their names.
    pub ipv6_pools: Vec<Ipv6Pool>,
}

/// One IKE SA and the child SA that came with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IkeSa {
    /// `Tunnel-id` and `connid`: the smallest free number from 1 when the SA came up.
    pub tunnel_id: u32,
    /// `CE id` of `show crypto ikev2 sa detailed`: counts from 1001.
    pub ce_id: u32,
    /// `Session-id`.
    pub session_id: u32,
    /// Our address and port.
    #[serde(serialize_with = "form::end")]
    pub local: SocketAddr,
    /// The peer's.
    #[serde(serialize_with = "form::end")]
    pub remote: SocketAddr,
    /// Where it stands.
    pub status: IkeStatus,
    /// The algorithms.
    pub suite: IkeSuite,
    /// How we proved ourselves.
    pub auth_sign: AuthMethod,
    /// How the peer did, once it is known.
    pub auth_verify: Option<AuthMethod>,
    /// A post-quantum pre-shared key is mixed into the keys.
    pub ppk: bool,
    /// `lifetime` of the profile, in seconds.
    pub lifetime: u32,
    /// Time since it came up, or since it began.
    #[serde(serialize_with = "form::seconds")]
    pub active: Duration,
    /// Our SPI.
    #[serde(serialize_with = "form::ike_spi")]
    pub local_spi: u64,
    /// The peer's.
    #[serde(serialize_with = "form::ike_spi")]
    pub remote_spi: u64,
    /// Our identity as text.
    pub local_id: Option<String>,
    /// The peer's identity as text.
    pub remote_id: Option<String>,
    /// The user of EAP.
    pub remote_eap_id: Option<String>,
    /// Counters of messages.
    pub messages: Messages,
    /// `dpd`: interval and retry in seconds; both zero when it is off.
    #[serde(serialize_with = "form::dpd")]
    pub dpd: (u32, u32),
    /// The fragmentation in use.
    pub fragmentation: Fragmentation,
    /// What NAT detection found.
    pub nat: Nat,
    /// The addresses assigned to the peer.
    pub assigned: Vec<IpAddr>,
    /// We started it.
    pub initiator: bool,
    /// The router interface that has our address, where one has it.
    pub interface: Option<String>,
    /// The largest IP packet that the device with our address sends, in octets.
    pub path_mtu: u16,
    /// The profile that serves it.
    pub profile: Option<String>,
    /// Its interface and child SAs, once it is up.
    pub session: Option<Session>,
}

/// The message counters of an IKE SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// ID of our last request that was answered or is out (`Local req msg id`).
    pub local_request: u32,
    /// ID of the peer's next request.
    pub remote_request: u32,
    /// ID of our next request.
    pub local_next: u32,
    /// ID of the peer's next request.
    pub remote_next: u32,
    /// Our requests that wait.
    pub local_queued: u32,
    /// As IOS prints it: the ID up to which the peer's requests have been answered.
    pub remote_queued: u32,
    /// Our window: how many requests the peer may have outstanding.
    pub local_window: u32,
    /// The peer's window.
    pub remote_window: u32,
}

/// `Status` of `show crypto ikev2 sa`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum IkeStatus {
    /// Both sides are authenticated.
    #[serde(rename = "READY")]
    Ready,
    /// Not yet.
    #[serde(rename = "IN-NEG")]
    InNegotiation,
    /// On its way out.
    #[serde(rename = "DELETE")]
    Delete,
}

/// The algorithms of an IKE SA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IkeSuite {
    /// The cipher.
    pub cipher: Cipher,
    /// The integrity algorithm; `None` with GCM.
    pub integrity: Option<Hash>,
    /// The hash of the PRF.
    pub prf: Hash,
    /// The number of the group.
    pub group: u16,
    /// The names of the key exchanges after that.
    pub pqc: Vec<String>,
}

/// A cipher and its key size in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// AES-CBC.
    AesCbc(u16),
    /// AES-GCM with a 16-octet check value.
    AesGcm(u16),
}

impl Cipher {
    /// How `show` calls it, and the size of its key in bits.
    #[must_use]
    pub const fn parts(self) -> (&'static str, u16) {
        match self {
            Self::AesCbc(bits) => ("AES-CBC", bits),
            Self::AesGcm(bits) => ("AES-GCM", bits),
        }
    }
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Hash {
    /// SHA-1 (as integrity `SHA96`).
    Sha1,
    /// SHA2-256.
    Sha256,
    /// SHA2-384.
    Sha384,
    /// SHA2-512.
    Sha512,
}

/// How an end proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// `RSA`.
    Rsa,
    /// `ECDSA`.
    Ecdsa,
    /// `PSK`.
    Psk,
    /// `AnyConnect-EAP`.
    AnyConnectEap,
}

impl AuthMethod {
    /// How `show` and `debug` call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ecdsa => "ECDSA",
            Self::Psk => "PSK",
            Self::AnyConnectEap => "AnyConnect-EAP",
        }
    }
}

impl From<PeerProof> for AuthMethod {
    fn from(proof: PeerProof) -> Self {
        match proof {
            PeerProof::Eap => Self::AnyConnectEap,
            PeerProof::RsaSignature => Self::Rsa,
            PeerProof::EcdsaSignature => Self::Ecdsa,
            PeerProof::PreSharedKey => Self::Psk,
        }
    }
}

/// Which fragments may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Fragmentation {
    /// `crypto ikev2 fragmentation` is not configured.
    NotConfigured,
    /// It is, and the peer does not know RFC 7383.
    Configured,
    /// RFC 7383 is agreed; the MTU of a fragment's datagram in octets.
    Enabled {
        /// As configured.
        mtu: u16,
    },
}

/// What NAT detection found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Nat {
    /// Nothing between.
    None,
    /// The peer is behind one, or says so.
    Outside,
    /// We are behind one.
    Inside,
}

/// A session that is up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Session {
    /// The number of its Virtual-Access interface.
    pub virtual_access: u32,
    /// Time since it came up.
    #[serde(serialize_with = "form::seconds")]
    pub uptime: Duration,
    /// The interface's derived configuration.
    pub derived: DerivedInterface,
    /// The user's device, as it named itself.
    pub device: Option<String>,
    /// The routes to its client that the headend has made: addresses and lengths.
    pub routes: Vec<String>,
    /// The child SAs, one for each name: what replaces another is part of that.
    pub children: Vec<ChildSa>,
}

/// What `show derived-config interface virtual-access N` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DerivedInterface {
    /// `ip unnumbered`, in canonical spelling.
    pub unnumbered: Option<String>,
    /// `ip mtu`, in octets.
    pub mtu: Option<u16>,
    /// `ip tcp adjust-mss`, in octets.
    pub tcp_adjust_mss: Option<u16>,
    /// `ip nat inside`.
    pub nat_inside: bool,
    /// The `ipv6` lines.
    pub ipv6: DerivedIpv6,
    /// `tunnel source`: our address.
    pub tunnel_source: IpAddr,
    /// `tunnel destination`: the peer's.
    pub tunnel_destination: IpAddr,
    /// `tunnel protection ipsec profile`.
    pub ipsec_profile: String,
}

/// The `ipv6` lines of a derived configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DerivedIpv6 {
    /// `ipv6 unnumbered`, in canonical spelling.
    pub unnumbered: Option<String>,
    /// `ipv6 enable`.
    pub enable: bool,
}

/// A child SA pair, and those that replace it or that it has replaced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChildSa {
    /// Its number in the dataplane, which stays when it is rekeyed.
    pub flow_id: u32,
    /// The number of the pair that is sent on, which no other pair has.
    pub sa_number: u32,
    /// The SPI of what we receive.
    #[serde(serialize_with = "form::esp_spi")]
    pub inbound_spi: u32,
    /// The SPI of what we send.
    #[serde(serialize_with = "form::esp_spi")]
    pub outbound_spi: u32,
    /// The same of the pairs beside it that are not sent on: while it is rekeyed.
    pub rekeying: Vec<SpiPair>,
    /// The cipher.
    pub cipher: Cipher,
    /// The integrity algorithm; `None` with GCM.
    pub integrity: Option<Hash>,
    /// Sequence numbers have 64 bits.
    pub esn: bool,
    /// The group of a key exchange of its own.
    pub pfs_group: Option<u16>,
    /// The names of the key exchanges after that.
    pub pfs_pqc: Vec<String>,
    /// Our side's selectors: ranges of addresses.
    #[serde(serialize_with = "form::ranges")]
    pub local: Vec<(IpAddr, IpAddr)>,
    /// The peer's side's selectors.
    #[serde(serialize_with = "form::ranges")]
    pub remote: Vec<(IpAddr, IpAddr)>,
    /// ESP travels in UDP.
    pub udp_encapsulated: bool,
    /// The anti-replay window in packets; 0 when it is off.
    pub replay_window: u32,
    /// What was received.
    pub inbound: Flow,
    /// What was sent.
    pub outbound: Flow,
}

/// The SPIs of one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SpiPair {
    /// Its number, which no other pair has.
    pub sa_number: u32,
    /// The SPI of what we receive.
    #[serde(serialize_with = "form::esp_spi")]
    pub inbound_spi: u32,
    /// The SPI of what we send.
    #[serde(serialize_with = "form::esp_spi")]
    pub outbound_spi: u32,
}

/// One direction's counters and lifetimes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// Packets decrypted or encrypted.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
    /// Packets dropped, whatever the reason.
    pub drops: u64,
    /// The same by reason, without those that have none.
    pub drop_reasons: BTreeMap<&'static str, u64>,
    /// Kilobytes left of the soft lifetime; `None` when volume is not limited.
    pub kilobytes_left: Option<u64>,
    /// Seconds left of it.
    pub seconds_left: u64,
}

/// One range of an address pool (`ip local pool`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// The first address.
    pub first: Ipv4Addr,
    /// The last address.
    pub last: Ipv4Addr,
    /// Addresses in use, with the number of the Virtual-Access interface and the user.
    pub in_use: Vec<PoolUse<Ipv4Addr>>,
}

/// An IPv6 address pool (`ipv6 local pool`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ipv6Pool {
    /// Its name.
    pub name: String,
    /// First address and prefix length of all that it has.
    #[serde(serialize_with = "form::prefix")]
    pub prefix: (Ipv6Addr, u8),
    /// The prefix length of what one client is given.
    pub assigned: u8,
    /// How many clients it has room for.
    pub size: u64,
    /// What is in use, by its first address.
    pub in_use: Vec<PoolUse<Ipv6Addr>>,
}

/// An address in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolUse<A> {
    /// The address.
    pub address: A,
    /// Whose it is.
    pub virtual_access: u32,
    /// The user.
    pub user: Option<String>,
}
