//! Cuts what the TUN device hands over into the packets that go on the wire.

use super::{Gso, VnetHeader, checksum};
use crate::esp::packet::InnerPacket;

const PROTOCOL_TCP: u8 = 6;
const TCP_HEADER: usize = 20;
const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The offload header and the packet contradict each other.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::esp) struct Contradiction;

/// One read from the device, as packets.
pub(in crate::esp) struct Segments<'a> {
    packet: &'a [u8],
    inner: InnerPacket,
    cut: Cut,
}

enum Cut {
    /// One packet, complete.
    Whole,
    /// One packet whose transport checksum covers its pseudo-header only.
    Checksum { start: usize, field: usize },
    /// A TCP segment of many times `size` octets behind `ip` octets of IP and, counting those, `headers` in all.
    Tcp {
        ip: usize,
        headers: usize,
        size: usize,
    },
}

impl<'a> Segments<'a> {
    /// # Errors
    /// [`Contradiction`], also for what is no IP packet.
    pub(in crate::esp) fn new(
        header: &VnetHeader,
        packet: &'a [u8],
    ) -> Result<Self, Contradiction> {
        let inner = InnerPacket::read(packet).ok_or(Contradiction)?;
        let start = usize::from(header.checksum_start);
        let cut = match header.gso {
            Gso::None if header.needs_checksum => {
                let field = start.saturating_add(usize::from(header.checksum_offset));
                if field.saturating_add(2) > inner.length {
                    return Err(Contradiction);
                }
                Cut::Checksum { start, field }
            }
            Gso::None => Cut::Whole,
            Gso::Tcp4 | Gso::Tcp6 => {
                let tcp = packet.get(start..).ok_or(Contradiction)?;
                let [offset, _, ..] = *tcp
                    .get(12..TCP_HEADER)
                    .and_then(|rest| rest.first_chunk::<2>())
                    .ok_or(Contradiction)?;
                let tcp_header = usize::from(offset >> 4).saturating_mul(4);
                let headers = start.saturating_add(tcp_header);
                let size = usize::from(header.gso_size);
                let ipv4 = inner.source.is_ipv4();
                if tcp_header < TCP_HEADER
                    || headers >= inner.length
                    || size == 0
                    || ipv4 != (header.gso == Gso::Tcp4)
                    || start < if ipv4 { 20 } else { 40 }
                    || (ipv4 && packet.get(9) != Some(&PROTOCOL_TCP))
                {
                    return Err(Contradiction);
                }
                Cut::Tcp {
                    ip: start,
                    headers,
                    size,
                }
            }
            Gso::Other(_) => return Err(Contradiction),
        };
        Ok(Self {
            packet: packet.get(..inner.length).ok_or(Contradiction)?,
            inner,
            cut,
        })
    }

    /// What all the packets have in common: addresses, traffic class.
    pub(in crate::esp) const fn inner(&self) -> &InnerPacket {
        &self.inner
    }

    /// How many packets there are; never 0.
    pub(in crate::esp) const fn count(&self) -> usize {
        match self.cut {
            Cut::Whole | Cut::Checksum { .. } => 1,
            Cut::Tcp { headers, size, .. } => {
                self.packet.len().saturating_sub(headers).div_ceil(size)
            }
        }
    }

    /// Octets of packet `index`; 0 when there is none.
    pub(in crate::esp) fn length(&self, index: usize) -> usize {
        match self.cut {
            Cut::Whole | Cut::Checksum { .. } => self.packet.len(),
            Cut::Tcp { headers, .. } => self
                .payload(index)
                .map_or(0, |payload| headers.saturating_add(payload.len())),
        }
    }

    /// Writes packet `index` into `out`, which has [`Segments::length`] octets.
    ///
    /// # Errors
    /// [`Contradiction`] when there is no such packet or `out` has another length.
    pub(in crate::esp) fn write(&self, index: usize, out: &mut [u8]) -> Result<(), Contradiction> {
        if out.len() != self.length(index) {
            return Err(Contradiction);
        }
        match self.cut {
            Cut::Whole => out.copy_from_slice(self.packet),
            Cut::Checksum { start, field } => {
                out.copy_from_slice(self.packet);
                // The field holds the pseudo-header's sum, so the whole range sums to what is wanted.
                let sum = checksum::sum(out.get(start..).ok_or(Contradiction)?, 0);
                // RFC 768: a UDP checksum that comes out as 0 is sent as its other form; TCP takes both.
                let value = match checksum::finish(sum) {
                    0 => u16::MAX,
                    value => value,
                };
                put16(out, field, value).ok_or(Contradiction)?;
            }
            Cut::Tcp { ip, headers, .. } => {
                self.write_tcp(index, ip, headers, out)
                    .ok_or(Contradiction)?;
            }
        }
        Ok(())
    }

    fn payload(&self, index: usize) -> Option<&'a [u8]> {
        let Cut::Tcp { headers, size, .. } = self.cut else {
            return None;
        };
        let payload = self.packet.get(headers..)?;
        let start = index.checked_mul(size)?;
        if start >= payload.len() {
            return None;
        }
        payload.get(start..start.saturating_add(size).min(payload.len()))
    }

    fn write_tcp(&self, index: usize, ip: usize, headers: usize, out: &mut [u8]) -> Option<()> {
        let last = index.checked_add(1)? == self.count();
        let (head, body) = out.split_at_mut_checked(headers)?;
        head.copy_from_slice(self.packet.get(..headers)?);
        body.copy_from_slice(self.payload(index)?);

        let length = u16::try_from(headers.checked_add(body.len())?).ok()?;
        if self.inner.source.is_ipv4() {
            let id = u16::from_be_bytes(*head.get(4..)?.first_chunk::<2>()?);
            put16(head, 2, length)?;
            put16(head, 4, id.wrapping_add(index as u16))?;
            put16(head, 10, 0)?;
            let sum = checksum::finish(checksum::sum(head.get(..ip)?, 0));
            put16(head, 10, sum)?;
        } else {
            put16(head, 4, length.checked_sub(40)?)?;
        }

        let tcp = head.get_mut(ip..)?;
        let sequence_octets = tcp.get_mut(TCP_SEQUENCE..)?.first_chunk_mut::<4>()?;
        let Cut::Tcp { size, .. } = self.cut else {
            return None;
        };
        let offset = u32::try_from(index.checked_mul(size)?).ok()?;
        *sequence_octets = u32::from_be_bytes(*sequence_octets)
            .wrapping_add(offset)
            .to_be_bytes();
        let flags = tcp.get_mut(TCP_FLAGS)?;
        if !last {
            *flags &= !(FIN | PSH);
        }
        // RFC 3168 §6.1.2: a reduced window is told once.
        if index > 0 {
            *flags &= !CWR;
        }
        put16(tcp, TCP_CHECKSUM, 0)?;
        let pseudo = checksum::pseudo_header(
            self.inner.source,
            self.inner.destination,
            PROTOCOL_TCP,
            tcp.len().checked_add(body.len())?,
        );
        // The TCP header is a whole number of words, so the two sums may be added up.
        let sum = checksum::sum(body, checksum::sum(tcp, pseudo));
        put16(tcp, TCP_CHECKSUM, checksum::finish(sum))
    }
}

/// Writes a big-endian word; `None` when it lies outside.
fn put16(octets: &mut [u8], at: usize, value: u16) -> Option<()> {
    *octets.get_mut(at..)?.first_chunk_mut::<2>()? = value.to_be_bytes();
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::esp::offload::tests_support::{tcp_packet, tcp_valid};

    fn gso(packet: &[u8], size: u16) -> VnetHeader {
        let v4 = packet[0] >> 4 == 4;
        VnetHeader {
            needs_checksum: true,
            gso: if v4 { Gso::Tcp4 } else { Gso::Tcp6 },
            header_length: 0,
            gso_size: size,
            checksum_start: if v4 { 20 } else { 40 },
            checksum_offset: 16,
        }
    }

    fn all(segments: &Segments<'_>) -> Vec<Vec<u8>> {
        (0..segments.count())
            .map(|index| {
                let mut out = vec![0xa5; segments.length(index)];
                segments.write(index, &mut out).unwrap();
                out
            })
            .collect()
    }

    #[test]
    fn cuts_tcp_into_packets_of_the_wanted_size() {
        for v6 in [false, true] {
            let payload: Vec<u8> = (0..2500_u32).map(|n| n as u8).collect();
            let packet = tcp_packet(v6, 7, 0x1000_0000, 0x18 | CWR | FIN, &payload);
            let header = gso(&packet, 1000);
            let segments = Segments::new(&header, &packet).unwrap();
            let packets = all(&segments);
            let headers = if v6 { 40 } else { 20 } + 32;
            assert_eq!(
                packets.iter().map(Vec::len).collect::<Vec<_>>(),
                [headers + 1000, headers + 1000, headers + 500]
            );
            let mut rejoined = Vec::new();
            for (index, packet) in packets.iter().enumerate() {
                assert!(tcp_valid(packet), "checksums of packet {index}");
                let tcp = &packet[headers - 32..];
                assert_eq!(
                    u32::from_be_bytes(tcp[4..8].try_into().unwrap()),
                    0x1000_0000 + 1000 * index as u32
                );
                let expected = match index {
                    0 => 0x10 | CWR,
                    1 => 0x10,
                    _ => 0x18 | FIN,
                };
                assert_eq!(tcp[TCP_FLAGS], expected, "flags of packet {index}");
                if !v6 {
                    assert_eq!(packet[4..6], (7 + index as u16).to_be_bytes());
                }
                rejoined.extend_from_slice(&packet[headers..]);
            }
            assert_eq!(rejoined, payload);
        }
    }

    #[test]
    fn completes_a_partial_checksum() {
        for v6 in [false, true] {
            let whole = tcp_packet(v6, 1, 99, 0x10, &[1, 2, 3, 4, 5]);
            let inner = InnerPacket::read(&whole).unwrap();
            let ip = if v6 { 40 } else { 20 };
            let mut partial = whole.clone();
            let pseudo = checksum::pseudo_header(
                inner.source,
                inner.destination,
                PROTOCOL_TCP,
                whole.len() - ip,
            );
            put16(&mut partial, ip + 16, checksum::fold(pseudo)).unwrap();
            let header = VnetHeader {
                gso: Gso::None,
                ..gso(&whole, 0)
            };
            let segments = Segments::new(&header, &partial).unwrap();
            assert_eq!(all(&segments), [whole]);
        }
    }

    #[test]
    fn refuses_contradictions() {
        let packet = tcp_packet(false, 1, 1, 0x10, &[0; 100]);
        let good = gso(&packet, 50);
        for bad in [
            VnetHeader {
                gso_size: 0,
                ..good
            },
            VnetHeader {
                gso: Gso::Tcp6,
                ..good
            },
            VnetHeader {
                gso: Gso::Other(3),
                ..good
            },
            VnetHeader {
                checksum_start: 19,
                ..good
            },
            VnetHeader {
                checksum_start: 140,
                ..good
            },
            VnetHeader {
                checksum_start: u16::MAX,
                ..good
            },
            VnetHeader {
                gso: Gso::None,
                checksum_start: 150,
                ..good
            },
            VnetHeader {
                gso: Gso::None,
                checksum_offset: u16::MAX,
                ..good
            },
        ] {
            assert_eq!(
                Segments::new(&bad, &packet).err(),
                Some(Contradiction),
                "{bad:?}"
            );
        }
        assert_eq!(
            Segments::new(&VnetHeader::default(), &[0x60, 0, 0]).err(),
            Some(Contradiction)
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(octets in prop::collection::vec(any::<u8>(), 0..200), header in any::<[u8; 10]>(), version in 4_u8..=6) {
            let mut octets = octets;
            if let Some(first) = octets.first_mut() {
                *first = (version << 4) | 5;
            }
            let mut header = header;
            header[1] %= 5;
            if let Ok(segments) = Segments::new(&VnetHeader::from_octets(header), &octets) {
                for index in 0..segments.count() {
                    let mut out = vec![0; segments.length(index)];
                    let _ = segments.write(index, &mut out);
                }
            }
        }
    }
}
