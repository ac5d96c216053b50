//! What a dataplane tells: counters, reasons for discards, events.

use std::net::SocketAddr;

use super::{EspSpi, SessionId};

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

/// Which of the [`crate::Limits`] of an SA was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// That of its age.
    Seconds,
    /// That of the octets.
    Bytes,
    /// That of the packets, or the last sequence number.
    Packets,
}

/// Something that the dataplane noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An authentic packet newer than every earlier one came from another address or port. Only for
    /// sessions with [`crate::SaPair::follow_peer`]; a peer that moves on before this was read is told of once, with its
    /// newest place. The userspace backend answers there already; the kernel's does after
    /// [`crate::Dataplane::move_peer`].
    PeerMoved {
        /// Whose peer.
        id: SessionId,
        /// Where it is now.
        remote: SocketAddr,
    },
    /// The first authentic packet came in on an SA of [`crate::Dataplane::add_inbound`]: the peer sends on it, so it receives
    /// on its pair (RFC 7296 §2.8). Once per SA; the kernel's backend cannot tell.
    InboundUsed {
        /// Whose SA.
        id: SessionId,
        /// Which SA.
        spi: EspSpi,
    },
    /// An SA reached one of [`crate::SaSpec::soft`]: time to rekey. Once per SA.
    SoftExpired {
        /// Whose SA.
        id: SessionId,
        /// Which SA.
        spi: EspSpi,
        /// Which of the two it is.
        direction: Direction,
        /// What is nearly used up.
        limit: Limit,
    },
    /// An SA reached one of [`crate::SaSpec::hard`], or its last sequence number, and carries nothing any more.
    HardExpired {
        /// Whose SA.
        id: SessionId,
        /// Which SA.
        spi: EspSpi,
        /// Which of the two it is.
        direction: Direction,
        /// What is used up.
        limit: Limit,
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
    use super::*;

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
}
