//! What a session is to a dataplane: SPIs, keys, addresses, selectors, limits, counters, events.
//!
//! Plain data. Whatever cannot be installed is mostly impossible to say: a key's length is
//! checked against its algorithm when [`SaKeys`] is made, an SPI is never one of the reserved ones, and
//! both SAs of a pair take their addresses from one [`OuterPath`].

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;

/// A client session's own number, kept across rekeys and never shared.
///
/// The kernel backend uses [`SessionId::reqid`] in states and templates alike: with a shared reqid two clients
/// behind one NAT would be given each other's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u32);

impl SessionId {
    /// The largest session number.
    pub const MAX: u32 = 0x00ff_ffff;

    /// The fixed range that every reqid of ours lies in starts here and is [`SessionId::MAX`] + 1 wide, so that
    /// what a crash left behind is recognised.
    pub const REQID_BASE: u32 = 0x4900_0000;

    /// Session `number`; `None` above [`SessionId::MAX`].
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The session whose reqid this is; `None` when it is not one of ours.
    #[must_use]
    pub const fn from_reqid(reqid: u32) -> Option<Self> {
        match reqid.checked_sub(Self::REQID_BASE) {
            Some(number) => Self::new(number),
            None => None,
        }
    }

    /// The session's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The reqid of the session's kernel states and templates.
    #[must_use]
    pub const fn reqid(self) -> u32 {
        Self::REQID_BASE | self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.0)
    }
}

/// An ESP security parameter index (RFC 4303 §2.1). Never zero, which stays off the wire, nor one of the
/// reserved 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EspSpi(NonZeroU32);

impl EspSpi {
    /// The smallest SPI that may be used.
    pub const MIN: u32 = 256;

    /// The smallest SPI, for tries of which nobody hears.
    pub const LEAST: Self = match Self::new(Self::MIN) {
        Some(spi) => spi,
        None => unreachable!(),
    };

    /// The SPI with this value in host order; `None` below [`EspSpi::MIN`].
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        match NonZeroU32::new(value) {
            Some(spi) if value >= Self::MIN => Some(Self(spi)),
            _ => None,
        }
    }

    /// Its value in host order.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0.get()
    }

    /// Its four octets as they stand in a packet.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 4] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for EspSpi {
    /// As IOS writes it: `0x6A3E992C`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010X}", self.0)
    }
}

/// The length of an AES key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AesKeySize {
    /// 128 bits.
    Aes128,
    /// 192 bits.
    Aes192,
    /// 256 bits.
    Aes256,
}

impl AesKeySize {
    /// In bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        match self {
            Self::Aes128 => 128,
            Self::Aes192 => 192,
            Self::Aes256 => 256,
        }
    }

    /// In octets.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

/// The integrity algorithm beside a cipher that has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Integrity {
    /// HMAC-SHA-1, 96 bits of it (RFC 2404).
    HmacSha1_96,
    /// HMAC-SHA-256, 128 bits of it (RFC 4868).
    HmacSha256_128,
    /// HMAC-SHA-384, 192 bits of it (RFC 4868).
    HmacSha384_192,
    /// HMAC-SHA-512, 256 bits of it (RFC 4868).
    HmacSha512_256,
}

impl Integrity {
    /// Octets of the key: the hash's whole output (RFC 2404 §3, RFC 4868 §2.1.1).
    #[must_use]
    pub const fn key_octets(self) -> usize {
        match self {
            Self::HmacSha1_96 => 20,
            Self::HmacSha256_128 => 32,
            Self::HmacSha384_192 => 48,
            Self::HmacSha512_256 => 64,
        }
    }

    /// Octets of the integrity check value in a packet.
    #[must_use]
    pub const fn icv_octets(self) -> usize {
        match self {
            Self::HmacSha1_96 => 12,
            Self::HmacSha256_128 => 16,
            Self::HmacSha384_192 => 24,
            Self::HmacSha512_256 => 32,
        }
    }
}

/// A complete choice of ESP algorithms: there is none without integrity protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EspAlgorithm {
    /// AES-GCM with a 16-octet check value (RFC 4106).
    AesGcm16(AesKeySize),
    /// AES-CBC (RFC 3602) with a truncated HMAC.
    AesCbcHmac {
        /// The cipher's key.
        key_size: AesKeySize,
        /// What protects the packet.
        integrity: Integrity,
    },
}

impl EspAlgorithm {
    /// Octets of the salt that follow the key of AES-GCM (RFC 4106 §8.1).
    pub const GCM_SALT_OCTETS: usize = 4;

    /// Octets of [`SaKeys::encryption`], GCM's salt included.
    #[must_use]
    pub const fn encryption_octets(self) -> usize {
        match self {
            Self::AesGcm16(key_size) => key_size.octets().saturating_add(Self::GCM_SALT_OCTETS),
            Self::AesCbcHmac { key_size, .. } => key_size.octets(),
        }
    }

    /// Octets of [`SaKeys::integrity`]; 0 for AES-GCM.
    #[must_use]
    pub const fn integrity_octets(self) -> usize {
        match self {
            Self::AesGcm16(_) => 0,
            Self::AesCbcHmac { integrity, .. } => integrity.key_octets(),
        }
    }
}

impl fmt::Display for EspAlgorithm {
    /// In the words of an IOS transform set: `esp-gcm 256`, `esp-256-aes esp-sha256-hmac`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AesGcm16(key_size) => write!(f, "esp-gcm {}", key_size.bits()),
            Self::AesCbcHmac {
                key_size,
                integrity,
            } => {
                match key_size {
                    AesKeySize::Aes128 => f.write_str("esp-aes")?,
                    AesKeySize::Aes192 => f.write_str("esp-192-aes")?,
                    AesKeySize::Aes256 => f.write_str("esp-256-aes")?,
                }
                f.write_str(match integrity {
                    Integrity::HmacSha1_96 => " esp-sha-hmac",
                    Integrity::HmacSha256_128 => " esp-sha256-hmac",
                    Integrity::HmacSha384_192 => " esp-sha384-hmac",
                    Integrity::HmacSha512_256 => " esp-sha512-hmac",
                })
            }
        }
    }
}

/// One SA's algorithm and the keys for it, of the right lengths. Zeroed when dropped; never printed.
#[derive(Clone)]
pub struct SaKeys {
    algorithm: EspAlgorithm,
    encryption: Zeroizing<Vec<u8>>,
    integrity: Zeroizing<Vec<u8>>,
}

impl SaKeys {
    /// Keys for `algorithm`: `encryption` is AES-GCM's key ‖ 4-octet salt or AES-CBC's key, `integrity` the
    /// HMAC key, empty for AES-GCM.
    ///
    /// # Errors
    /// [`Error::KeyLength`].
    pub fn new(
        algorithm: EspAlgorithm,
        encryption: &[u8],
        integrity: &[u8],
    ) -> Result<Self, Error> {
        for (key, octets, expected) in [
            ("encryption", encryption, algorithm.encryption_octets()),
            ("integrity", integrity, algorithm.integrity_octets()),
        ] {
            if octets.len() != expected {
                return Err(Error::KeyLength {
                    algorithm,
                    key,
                    expected,
                    actual: octets.len(),
                });
            }
        }
        Ok(Self {
            algorithm,
            encryption: Zeroizing::new(encryption.to_vec()),
            integrity: Zeroizing::new(integrity.to_vec()),
        })
    }

    /// What the keys are for.
    #[must_use]
    pub const fn algorithm(&self) -> EspAlgorithm {
        self.algorithm
    }

    /// The cipher's key; AES-GCM's is followed by its 4-octet salt, the form that both IKE's keying
    /// material and the kernel use.
    #[must_use]
    pub fn encryption(&self) -> &[u8] {
        &self.encryption
    }

    /// The HMAC's key; empty for AES-GCM.
    #[must_use]
    pub fn integrity(&self) -> &[u8] {
        &self.integrity
    }
}

impl Zeroize for SaKeys {
    fn zeroize(&mut self) {
        self.encryption.zeroize();
        self.integrity.zeroize();
    }
}

impl ZeroizeOnDrop for SaKeys {}

/// How many sequence numbers behind the newest one a packet may still be accepted (RFC 4303 §3.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayWindow(u32);

impl ReplayWindow {
    /// No replay protection (`set security-association replay disable`).
    pub const DISABLED: Self = Self(0);

    /// IOS's default and RFC 4303's: 64 packets.
    pub const DEFAULT: Self = Self(64);

    /// The widest window: 1024 packets.
    pub const MAX: Self = Self(1024);

    /// A window of `packets`; `None` unless it is 0 or from 64 to 1024.
    #[must_use]
    pub const fn new(packets: u32) -> Option<Self> {
        match packets {
            0 | 64..=1024 => Some(Self(packets)),
            _ => None,
        }
    }

    /// Its width in packets; 0 when disabled.
    #[must_use]
    pub const fn packets(self) -> u32 {
        self.0
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Amounts after which an SA is worn out; an absent one never is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Octets of inner packets.
    pub bytes: Option<NonZeroU64>,
    /// Packets.
    pub packets: Option<NonZeroU64>,
    /// Seconds since the SA was installed.
    pub seconds: Option<NonZeroU64>,
}

impl Limits {
    /// No limit at all.
    pub const NONE: Self = Self {
        bytes: None,
        packets: None,
        seconds: None,
    };
}

/// One simplex SA. Its addresses are those of the session's [`OuterPath`].
#[derive(Clone)]
pub struct SaSpec {
    /// Inbound: chosen by us; outbound: by the peer.
    pub spi: EspSpi,
    /// Algorithm and keys of this direction.
    pub keys: SaKeys,
    /// Whether 64-bit sequence numbers were negotiated (RFC 4303 §2.2.1).
    pub esn: bool,
    /// Inbound only; an outbound SA has none whatever stands here.
    pub replay_window: ReplayWindow,
    /// Reaching one of these is told once by [`Event::SoftExpired`].
    pub soft: Limits,
    /// Reaching one of these ends the SA, told by [`Event::HardExpired`].
    pub hard: Limits,
}

impl fmt::Debug for SaSpec {
    /// Everything but the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaSpec")
            .field("spi", &self.spi)
            .field("algorithm", &self.keys.algorithm())
            .field("esn", &self.esn)
            .field("replay_window", &self.replay_window)
            .field("soft", &self.soft)
            .field("hard", &self.hard)
            .finish_non_exhaustive()
    }
}

/// What stands between the outer IP header and ESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encapsulation {
    /// Nothing: IP protocol 50.
    None,
    /// UDP (RFC 3948), on these ports.
    Udp {
        /// Ours, usually 4500.
        local_port: u16,
        /// The peer's, as its NAT shows it.
        remote_port: u16,
    },
}

/// Between which outer addresses a session's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OuterPath {
    /// Our address: source of what is sent.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// How ESP is wrapped.
    pub encapsulation: Encapsulation,
}

impl OuterPath {
    /// The peer's address and port; `None` without UDP encapsulation.
    #[must_use]
    pub const fn remote_udp(&self) -> Option<SocketAddr> {
        match self.encapsulation {
            Encapsulation::Udp { remote_port, .. } => {
                Some(SocketAddr::new(self.remote, remote_port))
            }
            Encapsulation::None => None,
        }
    }

    /// The same path towards another address and port of the peer.
    #[must_use]
    pub const fn with_remote_udp(self, remote: SocketAddr) -> Self {
        let local_port = match self.encapsulation {
            Encapsulation::Udp { local_port, .. } => local_port,
            Encapsulation::None => 4500,
        };
        Self {
            local: self.local,
            remote: remote.ip(),
            encapsulation: Encapsulation::Udp {
                local_port,
                remote_port: remote.port(),
            },
        }
    }
}

/// A network: an address and how many of its leading bits count. The bits after them are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpPrefix {
    address: IpAddr,
    length: u8,
}

impl IpPrefix {
    /// Every IPv4 address.
    pub const ANY_V4: Self = Self {
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        length: 0,
    };

    /// Every IPv6 address.
    pub const ANY_V6: Self = Self {
        address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        length: 0,
    };

    /// The network of `address` with a prefix of `length` bits, host bits cleared; `None` when the address
    /// has fewer bits than that.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        if length > bits_of(address) {
            return None;
        }
        Some(Self {
            address: from_bits(address, to_bits(address) & mask(address, length)),
            length,
        })
    }

    /// One address alone.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self {
            address,
            length: bits_of(address),
        }
    }

    /// The networks that together hold exactly the addresses from `first` to `last`, in order, as few as
    /// possible. Empty when they are of different families or `first` lies after `last`.
    #[must_use]
    pub fn spanning(first: IpAddr, last: IpAddr) -> Vec<Self> {
        let mut networks = Vec::new();
        if first.is_ipv4() != last.is_ipv4() {
            return networks;
        }
        let (mut next, end) = (to_bits(first), to_bits(last));
        while next <= end {
            // Grow the block while it stays aligned to its size and inside the range.
            let mut host_bits = 0_u8;
            while host_bits < bits_of(first) {
                let grown = low_ones(host_bits.saturating_add(1));
                let fits = (next | grown) <= end;
                if next & grown != 0 || !fits {
                    break;
                }
                host_bits = host_bits.saturating_add(1);
            }
            networks.push(Self {
                address: from_bits(first, next),
                length: bits_of(first).saturating_sub(host_bits),
            });
            match (next | low_ones(host_bits)).checked_add(1) {
                Some(following) => next = following,
                None => break,
            }
        }
        networks
    }

    /// Its lowest address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix length in bits: at most 32 for IPv4, 128 for IPv6.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether it is one address alone.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        self.length == bits_of(self.address)
    }

    /// Whether `address` lies in it; an address of the other family never does.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && (to_bits(address) & mask(address, self.length)) == to_bits(self.address)
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

const fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address with these bits, of the same family as `family`.
fn from_bits(family: IpAddr, bits: u128) -> IpAddr {
    match family {
        // Only bits of an IPv4 address come here, so nothing is cut off.
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// `count` ones at the low end.
const fn low_ones(count: u8) -> u128 {
    match u128::MAX.checked_shr(128_u32.saturating_sub(count as u32)) {
        Some(ones) => ones,
        None => 0,
    }
}

/// The network mask of `length` bits for addresses of this family.
const fn mask(family: IpAddr, length: u8) -> u128 {
    let bits = bits_of(family);
    low_ones(bits) & !low_ones(bits.saturating_sub(length))
}

/// Which inner packets a session carries, seen from this machine. Every protocol and port: IKE narrows
/// traffic selectors to whole addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selectors {
    /// On our side: what a client may reach; for a client its own address.
    pub local: Vec<IpPrefix>,
    /// On the peer's side: for a headend the client's address.
    pub remote: Vec<IpPrefix>,
}

impl Selectors {
    /// Whether a packet of the session may go between these addresses.
    #[must_use]
    pub fn admit(&self, local: IpAddr, remote: IpAddr) -> bool {
        self.remote.iter().any(|prefix| prefix.contains(remote))
            && self.local.iter().any(|prefix| prefix.contains(local))
    }
}

/// A session's first pair of SAs and everything that belongs to it.
#[derive(Debug, Clone)]
pub struct SaPair {
    /// The session's number, kept across rekeys.
    pub id: SessionId,
    /// Where the peer is.
    pub path: OuterPath,
    /// What the session carries; policies in, out and fwd come of it.
    pub selectors: Selectors,
    /// What the peer sends on.
    pub inbound: SaSpec,
    /// What we send on.
    pub outbound: SaSpec,
    /// Whether an authentic packet from another outer address or port is news about where the peer
    /// is. For the side that is not behind a NAT alone (RFC 7296 §2.23).
    pub follow_peer: bool,
    /// The xfrm interface that states and policies are tied to; kernel backend only. `None`: plain policies.
    pub if_id: Option<NonZeroU32>,
}

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer.
    Inbound,
    /// To the peer.
    Outbound,
}

/// What went one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets that passed every check.
    pub packets: u64,
    /// Octets of their inner packets.
    pub bytes: u64,
    /// Packets of this direction that were discarded.
    pub drops: DropCounts,
}

/// What went through one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// From the peer.
    pub inbound: Traffic,
    /// To the peer.
    pub outbound: Traffic,
}

/// Something that the dataplane noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An authentic packet newer than every earlier one came from another address or port. Only for
    /// sessions with [`SaPair::follow_peer`]; a peer that moves on before this was read is told of once, with its
    /// newest place. The userspace backend answers there already; the kernel's does after
    /// [`crate::Dataplane::move_peer`].
    PeerMoved {
        /// Whose peer.
        id: SessionId,
        /// Where it is now.
        remote: SocketAddr,
    },
    /// An SA reached one of [`SaSpec::soft`]: time to rekey. Once per SA.
    SoftExpired {
        /// Whose SA.
        id: SessionId,
        /// Which SA.
        spi: EspSpi,
        /// Which of the two it is.
        direction: Direction,
    },
    /// An SA reached one of [`SaSpec::hard`], or its last sequence number, and carries nothing any more.
    HardExpired {
        /// Whose SA.
        id: SessionId,
        /// Which SA.
        spi: EspSpi,
        /// Which of the two it is.
        direction: Direction,
    },
}

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// Why a packet was discarded. Every discard has one, and is counted under it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum DropReason { $($(#[doc = $doc])+ $name,)+ }

        impl DropReason {
            /// All of them, in the order of their counters.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// Its name in logs and metrics, in snake case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

drop_reasons! {
    /// An ESP packet for an SPI that no SA has.
    UnknownSpi => "unknown_spi",
    /// A datagram too short for what it claims to be: an SPI and sequence number, or the SA's smallest packet.
    Truncated => "truncated",
    /// An encrypted part that is no whole number of cipher blocks.
    Misaligned => "misaligned",
    /// The sequence number was seen before, lies behind the window, or is zero.
    Replayed => "replayed",
    /// The integrity check value is wrong: damaged or forged.
    BadIcv => "bad_icv",
    /// Authentic, but the padding is not 1, 2, 3, … or longer than the packet (RFC 4303 §2.4).
    BadPadding => "bad_padding",
    /// A dummy packet, next header 59: dropped in silence (RFC 4303 §2.6).
    Dummy => "dummy",
    /// Authentic, but neither an IPv4 nor an IPv6 packet in tunnel mode.
    BadNextHeader => "bad_next_header",
    /// Authentic, but the inner packet's header contradicts itself, the next header field or its length.
    BadInnerPacket => "bad_inner_packet",
    /// The inner addresses are not the session's: a client that speaks as another (RFC 4301 §5.2).
    SelectorMismatch => "selector_mismatch",
    /// Congestion was marked on the way though the inner packet cannot carry the mark (RFC 6040 §4.2).
    CongestionMark => "congestion_mark",
    /// The SA has reached a hard limit.
    Expired => "expired",
    /// The SA has used its last sequence number (RFC 4303 §3.3.3).
    SequenceExhausted => "sequence_exhausted",
    /// No SA leads to the inner destination.
    NoRoute => "no_route",
    /// A packet from the TUN device that is no IP packet, or whose offload header contradicts it.
    BadTunPacket => "bad_tun_packet",
    /// The system would not send the datagram.
    SendFailed => "send_failed",
    /// The TUN device would not take the packet.
    DeviceFailed => "device_failed",
    /// A NAT keepalive, one octet 0xff (RFC 3948 §2.3).
    Keepalive => "keepalive",
    /// A discard by the kernel that has no finer reason here.
    Kernel => "kernel",
}

/// How many packets were discarded for each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropCounts([u64; DropReason::ALL.len()]);

impl DropCounts {
    /// Packets discarded for `reason`.
    #[must_use]
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// Counts `packets` more under `reason`.
    pub fn add(&mut self, reason: DropReason, packets: u64) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count = count.saturating_add(packets);
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (reason, packets) in other.iter() {
            self.add(reason, packets);
        }
    }

    /// Every reason that occurred, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .into_iter()
            .zip(self.0)
            .filter(|(_, packets)| *packets > 0)
    }

    /// All reasons together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, packets| sum.saturating_add(*packets))
    }
}

impl Default for DropCounts {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> IpPrefix {
        let (address, length) = text.split_once('/').unwrap();
        IpPrefix::new(address.parse().unwrap(), length.parse().unwrap()).unwrap()
    }

    fn spanning(first: &str, last: &str) -> Vec<String> {
        IpPrefix::spanning(first.parse().unwrap(), last.parse().unwrap())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn reqids_stay_in_their_range() {
        let last = SessionId::new(SessionId::MAX).unwrap();
        assert_eq!(last.reqid(), 0x49ff_ffff);
        assert_eq!(SessionId::from_reqid(last.reqid()), Some(last));
        assert_eq!(
            SessionId::from_reqid(0x4900_0000),
            Some(SessionId::new(0).unwrap())
        );
        for foreign in [0, 1, 0x48ff_ffff, 0x4a00_0000, u32::MAX] {
            assert_eq!(SessionId::from_reqid(foreign), None, "{foreign:#x}");
        }
        assert_eq!(SessionId::new(SessionId::MAX + 1), None);
    }

    // RFC 4303 §2.1: 0 to 255 are not for use.
    #[test]
    fn reserved_spis_cannot_be_said() {
        assert_eq!(EspSpi::new(0), None);
        assert_eq!(EspSpi::new(255), None);
        assert_eq!(EspSpi::new(256), Some(EspSpi::LEAST));
        assert_eq!(EspSpi::new(0x6a3e_992c).unwrap().to_string(), "0x6A3E992C");
        assert_eq!(EspSpi::LEAST.to_string(), "0x00000100");
    }

    #[test]
    fn keys_fit_their_algorithm_or_are_refused() {
        let gcm = EspAlgorithm::AesGcm16(AesKeySize::Aes128);
        assert!(SaKeys::new(gcm, &[0; 20], &[]).is_ok());
        let wrong = |key, expected, actual| Error::KeyLength {
            algorithm: gcm,
            key,
            expected,
            actual,
        };
        assert_eq!(
            SaKeys::new(gcm, &[0; 16], &[]).err(),
            Some(wrong("encryption", 20, 16))
        );
        assert_eq!(
            SaKeys::new(gcm, &[0; 20], &[0; 20]).err(),
            Some(wrong("integrity", 0, 20))
        );
        assert_eq!(
            wrong("integrity", 0, 20).to_string(),
            "esp-gcm 128: integrity key has 20 octets, expected 0"
        );
        let cbc = EspAlgorithm::AesCbcHmac {
            key_size: AesKeySize::Aes256,
            integrity: Integrity::HmacSha384_192,
        };
        assert!(SaKeys::new(cbc, &[0; 32], &[0; 48]).is_ok());
        assert_eq!(cbc.to_string(), "esp-256-aes esp-sha384-hmac");
    }

    #[test]
    fn no_key_is_printed() {
        let algorithm = EspAlgorithm::AesGcm16(AesKeySize::Aes128);
        let spec = SaSpec {
            spi: EspSpi::LEAST,
            keys: SaKeys::new(algorithm, &[0xab; 20], &[]).unwrap(),
            esn: false,
            replay_window: ReplayWindow::DEFAULT,
            soft: Limits::NONE,
            hard: Limits::NONE,
        };
        let printed = format!("{spec:?}").to_lowercase();
        assert!(
            !printed.contains("171") && !printed.contains("abab"),
            "{printed}"
        );
    }

    #[test]
    fn replay_windows_are_off_or_from_64_to_1024() {
        for (packets, good) in [
            (0, true),
            (1, false),
            (63, false),
            (64, true),
            (1024, true),
            (1025, false),
        ] {
            assert_eq!(ReplayWindow::new(packets).is_some(), good, "{packets}");
        }
    }

    #[test]
    fn prefixes_clear_host_bits_and_contain_their_own() {
        let network = prefix("192.0.2.77/26");
        assert_eq!(network.to_string(), "192.0.2.64/26");
        assert!(network.contains("192.0.2.127".parse().unwrap()));
        assert!(!network.contains("192.0.2.128".parse().unwrap()));
        assert!(
            !network.contains("::c000:240".parse().unwrap()),
            "the other family"
        );
        assert!(IpPrefix::ANY_V6.contains("2001:db8::1".parse().unwrap()));
        assert!(!IpPrefix::ANY_V6.contains("192.0.2.1".parse().unwrap()));
        assert!(prefix("2001:db8::1/128").is_host());
        assert_eq!(IpPrefix::new("192.0.2.1".parse().unwrap(), 33), None);
        assert_eq!(IpPrefix::new("::1".parse().unwrap(), 129), None);
    }

    #[test]
    fn spans_ranges_with_few_networks() {
        assert_eq!(spanning("10.0.0.0", "10.0.0.255"), ["10.0.0.0/24"]);
        assert_eq!(
            spanning("10.0.0.1", "10.0.0.6"),
            ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]
        );
        assert_eq!(spanning("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
        assert_eq!(
            spanning("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ["::/0"]
        );
        assert_eq!(spanning("10.0.0.9", "10.0.0.9"), ["10.0.0.9/32"]);
        assert_eq!(spanning("10.0.0.9", "10.0.0.8"), [""; 0]);
        assert_eq!(spanning("10.0.0.9", "::1"), [""; 0]);
    }

    #[test]
    fn counts_each_reason_by_itself() {
        let mut counts = DropCounts::default();
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            counts.add(reason, index as u64);
        }
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(counts.of(reason), index as u64, "{}", reason.name());
        }
        let mut doubled = counts;
        doubled.merge(&counts);
        assert_eq!(doubled.total(), 2 * counts.total());
        assert_eq!(
            counts.iter().count(),
            DropReason::ALL.len() - 1,
            "the first is 0"
        );
    }

    proptest! {
        #[test]
        fn spanning_covers_exactly_the_range(first in any::<u32>(), width in 0_u32..100_000, probe in -2_i64..100_002) {
            let last = first.saturating_add(width);
            let networks = IpPrefix::spanning(
                IpAddr::V4(first.into()),
                IpAddr::V4(last.into()),
            );
            let Ok(address) = u32::try_from(i64::from(first) + probe) else {
                return Ok(());
            };
            let holding = networks
                .iter()
                .filter(|network| network.contains(IpAddr::V4(address.into())))
                .count();
            prop_assert_eq!(holding, usize::from((first..=last).contains(&address)));
        }
    }
}
