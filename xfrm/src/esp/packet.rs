//! The shape of an ESP packet (RFC 4303 §2) and of the IP packet inside it.
//!
//! ```text
//! | SPI 4 | sequence number 4 | IV | inner packet … padding | pad length 1 | next header 1 | ICV |
//!                                  '------------------ encrypted -----------------------'
//! '------------------------- integrity (GCM: without the IV, which is its nonce) --------'
//! ```

use std::net::IpAddr;

use crate::{DropReason, EspAlgorithm, EspSpi};

/// SPI and sequence number.
pub(super) const HEADER: usize = 8;
/// Pad length and next header.
pub(super) const TRAILER: usize = 2;

/// IPv4 in tunnel mode.
pub(super) const NEXT_HEADER_IPV4: u8 = 4;
/// IPv6 in tunnel mode.
pub(super) const NEXT_HEADER_IPV6: u8 = 41;
/// No next header: a dummy packet (RFC 4303 §2.6).
pub(super) const NEXT_HEADER_DUMMY: u8 = 59;

/// Octets that an algorithm adds to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Initialization vector.
    pub(super) iv: usize,
    /// What the encrypted part is a multiple of.
    pub(super) align: usize,
    /// Integrity check value.
    pub(super) icv: usize,
}

impl Layout {
    pub(super) const fn of(algorithm: EspAlgorithm) -> Self {
        match algorithm {
            // RFC 4106 §3.1, §6; RFC 4303 §2.4 aligns the next header field to 4 octets.
            EspAlgorithm::AesGcm16(_) => Self {
                iv: 8,
                align: 4,
                icv: 16,
            },
            // RFC 3602 §3, §4.
            EspAlgorithm::AesCbcHmac { integrity, .. } => Self {
                iv: 16,
                align: 16,
                icv: integrity.icv_octets(),
            },
        }
    }

    /// Octets before the inner packet.
    // RFC 4303 §2.3#3: 16 or 24 octets, so that the inner header begins at a multiple of 8.
    pub(super) const fn headroom(self) -> usize {
        HEADER.saturating_add(self.iv)
    }

    /// Padding octets behind an inner packet of `inner` octets.
    pub(super) const fn padding(self, inner: usize) -> usize {
        let with_trailer = inner.saturating_add(TRAILER);
        with_trailer
            .next_multiple_of(self.align)
            .saturating_sub(with_trailer)
    }

    /// Octets of the whole ESP packet around an inner packet of `inner` octets.
    pub(super) const fn sealed(self, inner: usize) -> usize {
        self.headroom()
            .saturating_add(inner)
            .saturating_add(self.padding(inner))
            .saturating_add(TRAILER)
            .saturating_add(self.icv)
    }
}

/// SPI and the low half of the sequence number.
pub(super) fn header(packet: &[u8]) -> Result<(EspSpi, u32), DropReason> {
    let (spi, rest) = packet
        .split_first_chunk::<4>()
        .ok_or(DropReason::Truncated)?;
    let sequence = rest.first_chunk::<4>().ok_or(DropReason::Truncated)?;
    let spi = EspSpi::new(u32::from_be_bytes(*spi)).ok_or(DropReason::UnknownSpi)?;
    Ok((spi, u32::from_be_bytes(*sequence)))
}

/// The next header and the octets of payload in front of the padding of a decrypted `body`.
///
/// RFC 4303 §2.4#1,3, §3.4.4.1#3: the padding counts 1, 2, 3, …; a receiver inspects it.
pub(super) fn strip_trailer(body: &[u8]) -> Result<(u8, usize), DropReason> {
    let Some((rest, &[pad_length, next_header])) = body.split_last_chunk::<TRAILER>() else {
        return Err(DropReason::BadPadding);
    };
    let payload = rest
        .len()
        .checked_sub(usize::from(pad_length))
        .ok_or(DropReason::BadPadding)?;
    let padding = rest.get(payload..).unwrap_or_default();
    if padding
        .iter()
        .zip(1_u8..=u8::MAX)
        .all(|(octet, expected)| *octet == expected)
    {
        Ok((next_header, payload))
    } else {
        Err(DropReason::BadPadding)
    }
}

/// What the dataplane needs to know of an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InnerPacket {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// The packet's own length in octets; what lies behind it is traffic flow padding (RFC 4303 §2.7).
    pub(super) length: usize,
    /// DSCP and ECN.
    pub(super) traffic_class: u8,
    /// Its ESP next header: [`NEXT_HEADER_IPV4`] or [`NEXT_HEADER_IPV6`].
    pub(super) next_header: u8,
}

impl InnerPacket {
    /// Reads the IP header at the front of `packet`; `None` when it contradicts itself or the packet's length.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => {
                let header = packet.first_chunk::<20>()?;
                let [first, traffic_class, length_high, length_low, ..] = *header;
                let length = usize::from(u16::from_be_bytes([length_high, length_low]));
                let header_length = usize::from(first & 0x0f).saturating_mul(4);
                if header_length < 20 || length < header_length || length > packet.len() {
                    return None;
                }
                let [.., a, b, c, d, e, f, g, h] = *header;
                Some(Self {
                    source: [a, b, c, d].into(),
                    destination: [e, f, g, h].into(),
                    length,
                    traffic_class,
                    next_header: NEXT_HEADER_IPV4,
                })
            }
            6 => {
                let header = packet.first_chunk::<40>()?;
                let (fixed, addresses) = header.split_first_chunk::<8>()?;
                let [first, second, _, _, length_high, length_low, ..] = *fixed;
                let length =
                    usize::from(u16::from_be_bytes([length_high, length_low])).saturating_add(40);
                if length > packet.len() {
                    return None;
                }
                let (source, destination) = addresses.split_first_chunk::<16>()?;
                Some(Self {
                    source: (*source).into(),
                    destination: (*destination.first_chunk::<16>()?).into(),
                    length,
                    traffic_class: (first << 4) | (second >> 4),
                    next_header: NEXT_HEADER_IPV6,
                })
            }
            _ => None,
        }
    }
}

/// The ECN field of a traffic class (RFC 3168 §5).
pub(super) const ECN_MASK: u8 = 0b11;
/// Congestion experienced.
pub(super) const ECN_CE: u8 = 0b11;

/// Carries a congestion mark from the outer header to the inner packet, whose header starts `packet`.
///
/// RFC 7296 §2.24#1-2: tunnels have ECN's full functionality; RFC 6040 §4.2 says how: a mark is
/// set where the inner packet can carry it, and drops the packet where it cannot. `inner` is what was read from it.
pub(super) fn apply_congestion_mark(
    packet: &mut [u8],
    inner: &InnerPacket,
    outer_class: u8,
) -> Result<(), DropReason> {
    if outer_class & ECN_MASK != ECN_CE || inner.traffic_class & ECN_MASK == ECN_CE {
        return Ok(());
    }
    if inner.traffic_class & ECN_MASK == 0 {
        return Err(DropReason::CongestionMark);
    }
    let marked = inner.traffic_class | ECN_CE;
    match inner.next_header {
        NEXT_HEADER_IPV4 => {
            let Some([_, class, _, _, _, _, _, _, _, _, high, low, ..]) =
                packet.first_chunk_mut::<20>()
            else {
                return Err(DropReason::BadInnerPacket);
            };
            // RFC 1624 §3: HC' = ~(~HC + ~m + m'), the first octet of the word being unchanged.
            let before = u16::from_be_bytes([*high, *low]);
            let sum = u32::from(!before)
                .wrapping_add(u32::from(!u16::from(*class)))
                .wrapping_add(u32::from(marked));
            let folded = (sum & 0xffff).wrapping_add(sum >> 16);
            let folded = (folded & 0xffff).wrapping_add(folded >> 16);
            [*high, *low] = (!(folded as u16)).to_be_bytes();
            *class = marked;
        }
        _ => {
            let Some([_, second, ..]) = packet.first_chunk_mut::<40>() else {
                return Err(DropReason::BadInnerPacket);
            };
            *second |= ECN_CE << 4;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::esp::offload::checksum;
    use crate::{AesKeySize, Integrity};

    /// An IPv4 header alone, 10.0.0.1 to 10.0.0.2, with a good checksum.
    fn ipv4(traffic_class: u8) -> [u8; 20] {
        let mut header = [
            0x45,
            traffic_class,
            0,
            20,
            0,
            1,
            0x40,
            0,
            64,
            17,
            0,
            0,
            10,
            0,
            0,
            1,
            10,
            0,
            0,
            2,
        ];
        let sum = checksum::finish(checksum::sum(&header, 0));
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }

    // RFC 4303 §2.3#3, §2.4#1: where the inner packet begins and how it is padded.
    #[test]
    fn lays_out_what_the_algorithm_needs() {
        let gcm = Layout::of(EspAlgorithm::AesGcm16(AesKeySize::Aes256));
        // 1400 + 2 of trailer is 2 short of a multiple of 4.
        assert_eq!(gcm.sealed(1400), 8 + 8 + 1400 + 2 + 2 + 16);
        let cbc = Layout::of(EspAlgorithm::AesCbcHmac {
            key_size: AesKeySize::Aes128,
            integrity: Integrity::HmacSha1_96,
        });
        assert_eq!(cbc.sealed(1400), 8 + 16 + 1400 + 6 + 2 + 12);
        assert_eq!(cbc.padding(14), 0);
        assert_eq!(cbc.padding(15), 15);
    }

    #[test]
    fn refuses_reserved_spis_and_truncated_headers() {
        assert_eq!(
            header(&[0, 0, 1, 0, 0, 0, 0, 7]),
            Ok((EspSpi::new(256).unwrap(), 7))
        );
        assert_eq!(
            header(&[0, 0, 0, 255, 0, 0, 0, 7]),
            Err(DropReason::UnknownSpi)
        );
        for length in 0..8 {
            assert_eq!(
                header(&[9; 8][..length]),
                Err(DropReason::Truncated),
                "{length} octets"
            );
        }
    }

    // RFC 4303 §2.4#1-3, §3.4.4.1#3: the padding's contents are fixed and a receiver inspects them.
    #[test]
    fn strips_only_right_padding() {
        assert_eq!(strip_trailer(&[7, 7, 1, 2, 3, 3, 4]), Ok((4, 2)));
        assert_eq!(strip_trailer(&[7, 7, 0, 41]), Ok((41, 2)));
        assert_eq!(strip_trailer(&[0, 59]), Ok((59, 0)));
        let mut longest: Vec<u8> = (1..=255).collect();
        longest.extend([255, 4]);
        assert_eq!(strip_trailer(&longest), Ok((4, 0)));
        for bad in [
            &[7, 7, 1, 2, 4, 3, 4][..],
            &[7, 0, 2, 2, 4],
            &[1, 2, 4],
            &[4],
            &[],
        ] {
            assert_eq!(strip_trailer(bad), Err(DropReason::BadPadding), "{bad:?}");
        }
    }

    #[test]
    fn reads_addresses_and_refuses_contradicting_lengths() {
        let mut packet = ipv4(0xb8);
        let read = InnerPacket::read(&packet).unwrap();
        assert_eq!(read.source, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(read.destination, IpAddr::from([10, 0, 0, 2]));
        assert_eq!(
            (read.length, read.traffic_class, read.next_header),
            (20, 0xb8, 4)
        );
        packet[3] = 21;
        assert_eq!(InnerPacket::read(&packet), None, "longer than it is");
        packet[3] = 19;
        assert_eq!(InnerPacket::read(&packet), None, "shorter than its header");
        packet[3] = 20;
        packet[0] = 0x44;
        assert_eq!(InnerPacket::read(&packet), None, "header of 16 octets");
        packet[0] = 0x55;
        assert_eq!(InnerPacket::read(&packet), None, "version 5");

        let mut packet = [0_u8; 48];
        packet[..8].copy_from_slice(&[0x6b, 0x80, 0, 0, 0, 8, 17, 64]);
        packet[8] = 0xfd;
        packet[39] = 2;
        let read = InnerPacket::read(&packet).unwrap();
        assert_eq!(read.source, "fd00::".parse::<IpAddr>().unwrap());
        assert_eq!(read.destination, "::2".parse::<IpAddr>().unwrap());
        assert_eq!(
            (read.length, read.traffic_class, read.next_header),
            (48, 0xb8, 41)
        );
        packet[5] = 9;
        assert_eq!(InnerPacket::read(&packet), None);
    }

    // RFC 6040 §4.2, figure 4: outer CE with each inner codepoint.
    #[test]
    fn carries_congestion_marks_inwards() {
        for (inner, expected) in [
            (0b00, Err(DropReason::CongestionMark)),
            (0b01, Ok(0b11)),
            (0b10, Ok(0b11)),
            (0b11, Ok(0b11)),
        ] {
            let mut packet = ipv4(0xb8 | inner);
            let read = InnerPacket::read(&packet).unwrap();
            let outcome = apply_congestion_mark(&mut packet, &read, ECN_CE);
            assert_eq!(outcome.map(|()| packet[1] & ECN_MASK), expected);
            assert_eq!(
                checksum::finish(checksum::sum(&packet, 0)),
                0,
                "header checksum"
            );
            assert_eq!(packet[1] & !ECN_MASK, 0xb8);
        }
        let mut packet = ipv4(0b10);
        let read = InnerPacket::read(&packet).unwrap();
        assert_eq!(apply_congestion_mark(&mut packet, &read, 0b10), Ok(()));
        assert_eq!(packet, ipv4(0b10));
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_never_claims_more_than_there_is(octets in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(read) = InnerPacket::read(&octets) {
                prop_assert!(read.length <= octets.len());
            }
            let _ = strip_trailer(&octets);
            let _ = header(&octets);
        }
    }
}
