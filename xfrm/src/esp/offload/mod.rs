//! Offloads of the TUN device: one read brings, and one write takes, up to 64 KiB of one TCP connection.
//!
//! The kernel's stack is the greater part of the cost of a packet, so it should run once for many packets. The
//! device is told that it may hand over whole TCP segments larger than its MTU ([`segment`] cuts them)
//! and takes such from us ([`coalesce`] joins them). In front of each stands a [`VnetHeader`].

pub(super) mod checksum;
pub(super) mod coalesce;
pub(super) mod segment;

/// `struct virtio_net_hdr`, in the machine's own byte order as a TUN device uses it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct VnetHeader {
    /// Whether the transport checksum covers the pseudo-header only and has to be completed.
    pub(super) needs_checksum: bool,
    /// Whether, and as what, the packet has to be cut.
    pub(super) gso: Gso,
    /// Octets of IP and transport header; only a hint.
    pub(super) header_length: u16,
    /// Octets of payload in each segment.
    pub(super) gso_size: u16,
    /// Where checksumming starts, from the front of the packet.
    pub(super) checksum_start: u16,
    /// Where the checksum stands, from `checksum_start`.
    pub(super) checksum_offset: u16,
}

/// Segmentation offload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Gso {
    /// One packet.
    #[default]
    None,
    /// TCP in IPv4.
    Tcp4,
    /// TCP in IPv6.
    Tcp6,
    /// A kind that was not asked for.
    Other(u8),
}

impl VnetHeader {
    /// Octets on the device.
    pub(super) const OCTETS: usize = 10;

    const NEEDS_CHECKSUM: u8 = 1;
    const GSO_TCP4: u8 = 1;
    const GSO_TCP6: u8 = 4;

    pub(super) const fn from_octets(octets: [u8; Self::OCTETS]) -> Self {
        let [flags, gso, a, b, c, d, e, f, g, h] = octets;
        Self {
            needs_checksum: flags & Self::NEEDS_CHECKSUM != 0,
            gso: match gso {
                0 => Gso::None,
                Self::GSO_TCP4 => Gso::Tcp4,
                Self::GSO_TCP6 => Gso::Tcp6,
                other => Gso::Other(other),
            },
            header_length: u16::from_ne_bytes([a, b]),
            gso_size: u16::from_ne_bytes([c, d]),
            checksum_start: u16::from_ne_bytes([e, f]),
            checksum_offset: u16::from_ne_bytes([g, h]),
        }
    }

    pub(super) const fn to_octets(self) -> [u8; Self::OCTETS] {
        let [a, b] = self.header_length.to_ne_bytes();
        let [c, d] = self.gso_size.to_ne_bytes();
        let [e, f] = self.checksum_start.to_ne_bytes();
        let [g, h] = self.checksum_offset.to_ne_bytes();
        let flags = if self.needs_checksum {
            Self::NEEDS_CHECKSUM
        } else {
            0
        };
        let gso = match self.gso {
            Gso::None => 0,
            Gso::Tcp4 => Self::GSO_TCP4,
            Gso::Tcp6 => Self::GSO_TCP6,
            Gso::Other(other) => other,
        };
        [flags, gso, a, b, c, d, e, f, g, h]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_a_round_trip() {
        let header = VnetHeader {
            needs_checksum: true,
            gso: Gso::Tcp6,
            header_length: 60,
            gso_size: 1340,
            checksum_start: 40,
            checksum_offset: 16,
        };
        assert_eq!(VnetHeader::from_octets(header.to_octets()), header);
        assert_eq!(VnetHeader::default().to_octets(), [0; 10]);
        assert_eq!(
            VnetHeader::from_octets([0, 3, 0, 0, 0, 0, 0, 0, 0, 0]).gso,
            Gso::Other(3)
        );
    }
}

#[cfg(test)]
pub(super) mod tests_support {
    //! TCP packets for the tests of both directions.

    use super::checksum;
    use crate::esp::packet::InnerPacket;

    /// A TCP packet with a timestamp option, DF set and right checksums.
    pub(in crate::esp) fn tcp_packet(
        v6: bool,
        identification: u16,
        sequence: u32,
        flags: u8,
        payload: &[u8],
    ) -> Vec<u8> {
        let tcp_length = 32 + payload.len();
        let mut packet = Vec::new();
        if v6 {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend((tcp_length as u16).to_be_bytes());
            packet.extend([6, 64]);
            packet.extend([0xfd; 16]);
            packet.extend([0xfc; 16]);
        } else {
            packet.extend([0x45, 0]);
            packet.extend((20 + tcp_length as u16).to_be_bytes());
            packet.extend(identification.to_be_bytes());
            packet.extend([0x40, 0, 64, 6, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2]);
        }
        packet.extend([0x12, 0x34, 0, 80]);
        packet.extend(sequence.to_be_bytes());
        packet.extend([1, 2, 3, 4, 0x80, flags, 4, 0, 0, 0, 0, 0]);
        packet.extend([1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
        packet.extend_from_slice(payload);
        repair(&mut packet);
        packet
    }

    /// Makes the checksums of a TCP packet right again.
    pub(in crate::esp) fn repair(packet: &mut [u8]) {
        let ip = if packet[0] >> 4 == 4 { 20 } else { 40 };
        packet[ip + 16..ip + 18].fill(0);
        let sum = checksum::finish(tcp_sum(packet));
        packet[ip + 16..ip + 18].copy_from_slice(&sum.to_be_bytes());
        if ip == 20 {
            packet[10..12].fill(0);
            let sum = checksum::finish(checksum::sum(&packet[..20], 0));
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
    }

    /// Whether the checksums of a TCP packet are right.
    pub(in crate::esp) fn tcp_valid(packet: &[u8]) -> bool {
        checksum::finish(tcp_sum(packet)) == 0
            && (packet[0] >> 4 == 6 || checksum::finish(checksum::sum(&packet[..20], 0)) == 0)
    }

    fn tcp_sum(packet: &[u8]) -> u64 {
        let ip = if packet[0] >> 4 == 4 { 20 } else { 40 };
        let inner = InnerPacket::read(packet).unwrap();
        let pseudo = checksum::pseudo_header(inner.source, inner.destination, 6, packet.len() - ip);
        checksum::sum(&packet[ip..], pseudo)
    }
}
