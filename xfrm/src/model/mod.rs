//! What a session is to a dataplane: numbers, SAs, addresses, limits; and what comes back of it.
//!
//! Plain data. Whatever cannot be installed is mostly impossible to say: a key's length is
//! checked against its algorithm when [`SaKeys`] is made, an SPI is never one of the reserved ones, and
//! both SAs of a pair take their addresses from one [`OuterPath`].

mod address;
mod algorithm;
mod event;

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

pub use address::{Encapsulation, IpPrefix, OuterPath, Selectors};
pub use algorithm::{AesKeySize, EspAlgorithm, Integrity, SaKeys};
pub use event::{Counters, Direction, DropCounts, DropReason, Event, Limit, Traffic};

/// A client session's own number, kept across rekeys and never shared.
///
/// The kernel backend makes the reqid of states and templates from it: with a shared reqid two clients behind one NAT
/// would be given each other's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u32);

impl SessionId {
    /// The largest session number.
    pub const MAX: u32 = 0x00ff_ffff;

    /// Session `number`; `None` above [`SessionId::MAX`].
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The session's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
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
    // RFC 4303 §3.4.3#9-10: 64 packets, unless it is configured otherwise, and never fewer.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_numbers_have_24_bits() {
        assert!(SessionId::new(SessionId::MAX).is_some());
        assert_eq!(SessionId::new(SessionId::MAX + 1), None);
    }

    // RFC 4303 §2.1#6, RFC 3948 §1#3, §2.1#4: 0 to 255 are not for use.
    #[test]
    fn reserved_spis_cannot_be_said() {
        assert_eq!(EspSpi::new(0), None);
        assert_eq!(EspSpi::new(255), None);
        assert_eq!(EspSpi::new(256), Some(EspSpi::LEAST));
        assert_eq!(EspSpi::new(0x6a3e_992c).unwrap().to_string(), "0x6A3E992C");
        assert_eq!(EspSpi::LEAST.to_string(), "0x00000100");
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
}
