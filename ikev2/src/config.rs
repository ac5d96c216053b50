//! What an endpoint and its SAs are told by their configuration. Plain data; every default is a
//! constant with its unit and source.

use alloc::{sync::Arc, vec::Vec};
use core::{net::IpAddr, time::Duration};

use crate::{
    crash_detection::CrashDetection,
    crypto::sign::SigningKey,
    crypto::suite::{AeadAlgorithm, CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm},
    event::Path,
    secret::PreSharedKey,
    wire::payload::{ConfigAttribute, Gateway, Identification, TrafficSelector},
};

/// First retransmission of a request comes after this; each further one after twice the time.
pub const RETRANSMIT_FIRST: Duration = Duration::from_secs(2);

/// A request is sent this often in all before the peer counts as gone (about 126 s in sum).
pub const RETRANSMIT_TRIES: u32 = 6;

/// An SA that has answered IKE_SA_INIT waits this long for a valid IKE_AUTH.
pub const HALF_OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// An SA inside EAP waits this long for its user to type (docs/anyconnect-eap.md).
pub const EAP_TIMEOUT: Duration = Duration::from_secs(180);

/// An SA that failed or was deleted answers repeats for this long.
pub const LINGER: Duration = Duration::from_secs(10);

/// Half-open SAs from which on a cookie is demanded.
pub const COOKIE_WATERMARK: usize = 500;

/// Half-open SAs at most; beyond it even a valid cookie is turned away.
pub const HALF_OPEN_LIMIT: usize = 5_000;

/// SAs at most whose peers are not authenticated, those inside EAP and those just refused included.
pub const NEGOTIATING_LIMIT: usize = 20_000;

/// Half-open SAs of one host (an IPv4 address, an IPv6 /64) from which on it must bring a cookie. A
/// house full of clients behind one address stays below: an honest SA is half-open for one round trip. The networks around
/// it have more, see [`crate::source`].
pub const SOURCE_WATERMARK: usize = 64;

/// Half-open SAs of one host at most. What lies above [`SOURCE_WATERMARK`] is for those who brought a
/// cookie, so requests forged in the host's name do not take it.
pub const SOURCE_LIMIT: usize = 256;

/// SAs of one host at most whose peers are not authenticated; see [`NEGOTIATING_LIMIT`].
pub const SOURCE_NEGOTIATING_LIMIT: usize = 1_000;

/// Octets of memory that incomplete messages may occupy in all: some 4,000 logins with a long certificate
/// chain under way at the same instant.
pub const FRAGMENT_BUDGET: usize = 16 * 1024 * 1024;

/// An SA inside EAP is given up after this, however often its user tries.
pub const EAP_LIMIT: Duration = Duration::from_secs(600);

/// Requests that a peer may have outstanding with us (IOS-XE's `crypto ikev2 window` default).
pub const WINDOW: u32 = 5;

/// A repeated request is answered from the cache this often per second at most, where it comes from its sender's address.
pub const REPEATS_PER_SECOND: u32 = 5;

/// The same for a copy that comes from elsewhere, be its sender's address a new one or its octets overheard. Few: a
/// peer repeats itself after seconds, and the answer may be longer than what anybody can draw it with.
pub const REPEATS_ELSEWHERE_PER_SECOND: u32 = 2;

/// What has an answered request's message ID and is no copy of it is tried by its integrity check this often per second
/// at most.
pub const UNLIKE_REPEATS_PER_SECOND: u32 = 50;

/// Child SAs of one IKE SA at most, those on their way out included; more are refused with
/// NO_ADDITIONAL_SAS (RFC 7296 §1.3). So many again may be there while they are replaced.
pub const MAX_CHILDREN: usize = 16;

/// IKE SAs at most that one SA has beside itself while it is being rekeyed.
pub const MAX_REPLACED: usize = 4;

/// A child SA that was replaced still receives what is under way for this long.
pub const RETIRE_AFTER: Duration = Duration::from_secs(5);

/// A replaced IKE SA that its peer does not delete in this time is deleted by us. Longer than a peer repeats a
/// request: while our answer to its rekeying has not reached it, the replaced one is what it uses.
pub const AWAIT_DELETE: Duration = Duration::from_secs(180);

/// A request that met TEMPORARY_FAILURE for the first time is tried again after this, and a random part of it more
/// (RFC 7296 §2.25: not at once). What is in its way is mostly one exchange, and of the shortest lifetimes little is left.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);

/// Then after twice as long each time, up to this.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A rekeying that was refused for good is tried again after this, and a random part of it more, until the SA's
/// lifetime is over. Short beside the time from the soft limit to the hard one.
pub const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// TEMPORARY_FAILURE for this long means that both ends disagree about the SA (RFC 7296 §2.25: several
/// minutes).
pub const RETRY_FOR: Duration = Duration::from_secs(180);

/// And so many times at least: of a wish that other exchanges have held up, once says little.
pub const RETRY_TIMES: u32 = 6;

/// A peer that is asked for a sign of life is asked this often before it counts as dead, as on IOS: once,
/// and five times again.
pub const LIVENESS_TRIES: u32 = 6;

/// Default `mtu` of `crypto ikev2 fragmentation`: the IP datagram size of a fragment.
pub const FRAGMENT_MTU: u16 = 576;

/// The ciphers of a proposal, in the order of preference: combined modes, or ciphers beside their
/// integrity algorithms, never a mixture (RFC 5282 §8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ciphers {
    /// Combined modes.
    Aead(Vec<AeadAlgorithm>),
    /// CBC ciphers, each with each integrity algorithm.
    EncryptThenMac(Vec<CbcAlgorithm>, Vec<Integrity>),
}

/// One IKE proposal: each list in the order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeProposal {
    /// Ciphers with their integrity algorithms.
    pub ciphers: Ciphers,
    /// Pseudorandom functions.
    pub prf: Vec<PrfAlgorithm>,
    /// Key exchange groups.
    pub groups: Vec<Group>,
    /// Key exchanges after that (RFC 9370), all of which take place, each by one of its methods; at most
    /// [`Additional::SLOTS`](crate::crypto::Additional::SLOTS). Where they are to be optional, a second
    /// proposal stands beside this one.
    pub additional: Vec<Vec<Group>>,
}

/// Which proposals are used at which of our addresses (`crypto ikev2 policy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkePolicy {
    /// Our addresses that it holds for; empty means every one.
    pub local: Vec<IpAddr>,
    /// The proposals in the order of preference.
    pub proposals: Vec<IkeProposal>,
}

/// How messages too long for a datagram travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentationConfig {
    /// Announce RFC 7383 fragmentation (`crypto ikev2 fragmentation`).
    pub ietf: bool,
    /// Announce Cisco's by its vendor ID.
    pub cisco: bool,
    /// IP datagram size of an RFC 7383 fragment, in octets.
    pub mtu: u16,
}

/// What NAT detection is to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatConfig {
    /// Falsify our NAT_DETECTION_SOURCE_IP so that ESP goes in UDP (userspace ESP, `nat force-encap`).
    pub force_encapsulation: bool,
    /// Refuse a peer without NAT detection: it could only send ESP that nobody here receives.
    pub encapsulation_required: bool,
}

/// What holds for all SAs of an endpoint.
#[derive(Clone)]
pub struct EndpointConfig {
    /// First octet of every SPI that the endpoint chooses: the number of the shard.
    pub shard: u8,
    /// Policies; the first that names our address, else the first for every address.
    pub policies: Vec<IkePolicy>,
    /// SHA-1 of the public keys of the authorities whose certificates we take (RFC 7296 §3.7).
    pub authorities: Vec<[u8; 20]>,
    /// Fragmentation.
    pub fragmentation: FragmentationConfig,
    /// NAT detection.
    pub nat: NatConfig,
    /// Some peers have a post-quantum pre-shared key with us: USE_PPK is answered (RFC 8784 §3).
    pub ppk: bool,
    /// Vendor IDs that the responder sends.
    pub vendor_ids: Vec<Vec<u8>>,
    /// Half-open SAs from which on a cookie is demanded; see [`COOKIE_WATERMARK`]. It is demanded from half of
    /// [`negotiating_limit`](Self::negotiating_limit) and [`sa_limit`](Self::sa_limit) on in any case: those who
    /// only claim an address are not to fill what there is room for.
    pub cookie_watermark: usize,
    /// Half-open SAs at most; see [`HALF_OPEN_LIMIT`].
    pub half_open_limit: usize,
    /// Unauthenticated SAs at most; see [`NEGOTIATING_LIMIT`].
    pub negotiating_limit: usize,
    /// SAs at most, whatever their state. Default `None`: as many as there is memory for.
    pub sa_limit: Option<usize>,
    /// Half-open SAs of one host from which on it must bring a cookie; see [`SOURCE_WATERMARK`].
    pub source_watermark: usize,
    /// Half-open SAs of one host at most; see [`SOURCE_LIMIT`].
    pub source_limit: usize,
    /// Unauthenticated SAs of one host at most; see [`SOURCE_NEGOTIATING_LIMIT`]. It has no more than a quarter of
    /// what [`negotiating_limit`](Self::negotiating_limit) and [`sa_limit`](Self::sa_limit) leave for such SAs in any
    /// case, but always one.
    pub source_negotiating_limit: usize,
    /// Octets that incomplete messages may occupy in all; see [`FRAGMENT_BUDGET`].
    pub fragment_budget: usize,
    /// Waiting time for IKE_AUTH; see [`HALF_OPEN_TIMEOUT`].
    pub half_open_timeout: Duration,
    /// Waiting time for a user inside EAP; see [`EAP_TIMEOUT`].
    pub eap_timeout: Duration,
    /// First retransmission; see [`RETRANSMIT_FIRST`].
    pub retransmit_first: Duration,
    /// Times that a request is sent; see [`RETRANSMIT_TRIES`].
    pub retransmit_tries: u32,
    /// The receive window that we announce; see [`WINDOW`].
    pub window: u32,
    /// Where clients are sent that ask for an SA and can be sent elsewhere
    /// (`crypto ikev2 redirect gateway init`, RFC 5685 §3). Default `None`: they are served.
    pub redirect: Option<Gateway>,
    /// As the responder: let peers begin without a child SA (RFC 6023).
    pub childless: bool,
    /// Quick crash detection (RFC 6290).
    pub crash_detection: CrashDetection,
}

impl EndpointConfig {
    /// A configuration with these policies and every other value at its default.
    pub fn new(policies: Vec<IkePolicy>) -> Self {
        Self {
            shard: 0,
            policies,
            authorities: Vec::new(),
            fragmentation: FragmentationConfig {
                ietf: false,
                cisco: true,
                mtu: FRAGMENT_MTU,
            },
            nat: NatConfig::default(),
            ppk: false,
            vendor_ids: Vec::new(),
            cookie_watermark: COOKIE_WATERMARK,
            half_open_limit: HALF_OPEN_LIMIT,
            negotiating_limit: NEGOTIATING_LIMIT,
            sa_limit: None,
            source_watermark: SOURCE_WATERMARK,
            source_limit: SOURCE_LIMIT,
            source_negotiating_limit: SOURCE_NEGOTIATING_LIMIT,
            fragment_budget: FRAGMENT_BUDGET,
            half_open_timeout: HALF_OPEN_TIMEOUT,
            eap_timeout: EAP_TIMEOUT,
            retransmit_first: RETRANSMIT_FIRST,
            retransmit_tries: RETRANSMIT_TRIES,
            window: WINDOW,
            redirect: None,
            childless: false,
            crash_detection: CrashDetection::default(),
        }
    }

    /// The proposals for a request that reached `local`: those of the policies that name the
    /// address, else those of the policies for every address.
    pub fn proposals(&self, local: IpAddr) -> &[IkeProposal] {
        let local = local.to_canonical();
        self.policies
            .iter()
            .find(|policy| policy.local.contains(&local))
            .or_else(|| self.policies.iter().find(|policy| policy.local.is_empty()))
            .map_or(&[], |policy| &policy.proposals)
    }
}

/// Whether the keys of a rekeyed child SA come of a key exchange of their own (RFC 7296 §1.3.3, §2.17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pfs {
    /// Where the peer wants one, if its group is one of these: it has had one in a request of its own, or has
    /// refused ours without.
    Accepted(Vec<Group>),
    /// `set pfs`: always, with one of these groups in the order of preference.
    Required(Vec<Group>),
}

impl Default for Pfs {
    fn default() -> Self {
        Self::Accepted(Group::DIFFIE_HELLMAN.to_vec())
    }
}

/// How dead peers are found (`dpd`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// Silence of the peer after which it is asked for a sign of life.
    pub interval: Duration,
    /// How long each try waits for the answer; see [`LIVENESS_TRIES`].
    pub retry: Duration,
}

/// What holds for an IKE SA and its children after they are up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// How dead peers are found. `None`: only by requests of ours that have other reasons.
    pub liveness: Option<Liveness>,
    /// Take child SAs beside the first one. Else they are refused with NO_ADDITIONAL_SAS (RFC 7296 §1.3);
    /// rekeying is no matter of this.
    pub further_children: bool,
    /// Speak MOBIKE with peers that do (RFC 4555).
    pub mobike: bool,
    /// How often a NAT in front of us is kept from forgetting us (RFC 3948 §4). `None`: never.
    pub keepalive: Option<Duration>,
    /// Key exchanges of child SAs.
    pub pfs: Pfs,
    /// Those after it (RFC 9370): as many as [`Pfs::Required`] wants beside the first, and otherwise what a
    /// peer that wants some may have.
    pub pfs_additional: Vec<Vec<Group>>,
    /// How long an IKE SA lives; it is rekeyed before (`lifetime` of the profile). `None`: no limit.
    pub lifetime: Option<Duration>,
}

/// A post-quantum pre-shared key and its name, both of which the two ends have (RFC 8784 §5).
#[derive(Clone)]
pub struct Ppk {
    /// The name, without the octet that says of which type it is.
    pub id: Vec<u8>,
    /// The key.
    pub key: PreSharedKey,
    /// It does not go without.
    pub required: bool,
}

/// How we prove ourselves by an AUTH payload (RFC 7296 §2.15). Which way the peer proves itself is a
/// matter of its own: the two need not be the same.
#[derive(Clone)]
pub enum LocalAuthentication {
    /// By a signature (`authentication local {rsa-sig|ecdsa-sig}`).
    Certificate {
        /// The chain that is sent, even when not asked for: DER, the end entity first.
        chain: Vec<Arc<[u8]>>,
        /// What kind of private key signs; it is outside.
        key: SigningKey,
    },
    /// By a key that the peer has too (`authentication local pre-share`).
    PreSharedKey(PreSharedKey),
}

/// The AUTH payloads that are taken from a peer which proves itself without EAP; none by default.
#[derive(Clone, Default)]
pub struct AcceptedProofs {
    /// A signature by the RSA key of a certificate (`authentication remote rsa-sig`).
    pub rsa_signature: bool,
    /// A signature by the elliptic-curve key of a certificate (`authentication remote ecdsa-sig`).
    pub ecdsa_signature: bool,
    /// Knowledge of this key (`authentication remote pre-share`).
    pub pre_shared_key: Option<PreSharedKey>,
}

/// How a profile's peers prove themselves.
#[derive(Clone, Default)]
pub struct RemoteAuthentication {
    /// `authentication remote anyconnect-eap aggregate`. It needs a local certificate.
    pub anyconnect_eap: bool,
    /// Without EAP.
    pub proofs: AcceptedProofs,
}

/// The profile that serves a peer (`crypto ikev2 profile` and what it names).
#[derive(Clone)]
pub struct PeerConfig {
    /// The profile's name, for events.
    pub name: Arc<str>,
    /// Our identity towards the peer (IDr).
    pub local_identity: Identification,
    /// How we prove ourselves.
    pub local_authentication: LocalAuthentication,
    /// What the peer may prove itself with.
    pub remote_authentication: RemoteAuthentication,
    /// The post-quantum pre-shared key that is configured for the peer.
    pub ppk: Option<Ppk>,
    /// ESP suites in the order of preference.
    pub esp: Vec<EspSuite>,
    /// Rekeying.
    pub upkeep: Upkeep,
    /// Where the peer is sent once it is authenticated, if it can be sent elsewhere
    /// (`redirect gateway auth`, RFC 5685 §6). `None`: it is served.
    pub redirect: Option<Gateway>,
}

/// How the initiator proves itself.
#[derive(Clone)]
pub enum InitiatorAuthentication {
    /// AnyConnect-EAP; the EAP peer is outside.
    AnyConnectEap,
    /// An AUTH payload in the first IKE_AUTH request.
    Auth(LocalAuthentication),
}

impl ConnectConfig {
    pub(crate) fn follows_redirects(&self) -> bool {
        self.redirection != Redirection::Refused
    }
}

/// What the initiator says of redirection (RFC 5685).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirection {
    /// It does not follow.
    #[default]
    Refused,
    /// It follows.
    Followed,
    /// It follows, and was sent here by the gateway at this address.
    From(IpAddr),
}

/// What the initiator needs for one SA.
#[derive(Clone)]
pub struct ConnectConfig {
    /// The way of IKE_SA_INIT.
    pub path: Path,
    /// The way from IKE_AUTH on when a NAT was found or [`always_float`](Self::always_float) is set.
    pub float_path: Path,
    /// Move to [`float_path`](Self::float_path) whatever NAT detection says.
    pub always_float: bool,
    /// Falsify our NAT_DETECTION_SOURCE_IP (userspace ESP).
    pub force_encapsulation: bool,
    /// IKE proposals; the first group of the first is the key exchange that is tried first.
    pub proposals: Vec<IkeProposal>,
    /// Who we say we are (IDi).
    pub identity: Identification,
    /// Whom we want (IDr), if we say so; nobody else is taken then.
    pub wanted: Option<Identification>,
    /// How we prove ourselves.
    pub authentication: InitiatorAuthentication,
    /// How the responder may prove itself. One that is to run EAP with us must do it by a signature.
    pub responder: AcceptedProofs,
    /// The post-quantum pre-shared key to use with the responder.
    pub ppk: Option<Ppk>,
    /// ESP suites to offer.
    pub esp: Vec<EspSuite>,
    /// The inbound SPI that the outside chose.
    pub spi: u32,
    /// The attributes of our CFG_REQUEST; none means no CP payload.
    pub request: Vec<ConfigAttribute>,
    /// TSi to propose.
    pub local: Vec<TrafficSelector>,
    /// TSr to propose.
    pub remote: Vec<TrafficSelector>,
    /// SHA-1 of the public keys of the authorities that we take.
    pub authorities: Vec<[u8; 20]>,
    /// Vendor IDs to send.
    pub vendor_ids: Vec<Vec<u8>>,
    /// Announce RFC 7427 hash algorithms.
    pub signature_hashes: bool,
    /// Begin without a child SA, and only with a responder that takes that (RFC 6023); see
    /// [`Command::NewChild`](crate::event::Command::NewChild).
    pub childless: bool,
    /// Fragmentation forms to announce.
    pub fragmentation: FragmentationConfig,
    /// Rekeying.
    pub upkeep: Upkeep,
    /// Redirection.
    pub redirection: Redirection,
}
