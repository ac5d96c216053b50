//! Joins consecutive TCP packets of one connection into one write to the TUN device.
//!
//! What is joined is exactly what cutting it again gives back: equal headers but for sequence
//! number, length and checksum, payloads of one size (the last may be shorter), checksums that were right. A packet that
//! does not fit goes on as it came.

use std::io::IoSlice;
use std::ops::Range;

use super::{Gso, VnetHeader, checksum};
use crate::esp::packet::InnerPacket;

const PROTOCOL_TCP: u8 = 6;
const TCP_HEADER: usize = 20;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
/// The most payloads of one write.
const PARTS: usize = 64;
/// IPv6 header and the longest TCP header.
const MAX_HEADERS: usize = 100;
/// RFC 791 §3.1: the longest IP packet.
const MAX_PACKET: usize = 65_535;

/// Writes `packets`, ranges of `buffer`, joined where possible and in order. `write` gets offload header and
/// packet in pieces, and how many packets these are.
pub(in crate::esp) fn coalesce(
    buffer: &[u8],
    packets: &[Range<usize>],
    write: &mut impl FnMut(&[IoSlice<'_>], usize),
) {
    let mut run: Option<Run<'_>> = None;
    for packet in packets {
        let Some(octets) = buffer.get(packet.clone()) else {
            continue;
        };
        let Some(tcp) = Tcp::read(octets) else {
            if let Some(run) = run.take() {
                run.write(write);
            }
            write_alone(octets, write);
            continue;
        };
        if let Some(open) = &mut run {
            if open.join(&tcp) {
                continue;
            }
            if let Some(run) = run.take() {
                run.write(write);
            }
        }
        run = Some(Run::new(tcp));
    }
    if let Some(run) = run {
        run.write(write);
    }
}

fn write_alone(packet: &[u8], write: &mut impl FnMut(&[IoSlice<'_>], usize)) {
    let header = VnetHeader::default().to_octets();
    write(&[IoSlice::new(&header), IoSlice::new(packet)], 1);
}

/// A TCP packet that may be joined with others: no IP options, no fragment, payload, and no flag but ACK and PSH.
struct Tcp<'a> {
    packet: &'a [u8],
    inner: InnerPacket,
    ip_header: &'a [u8],
    tcp_header: &'a [u8],
    payload: &'a [u8],
    sequence: u32,
    push: bool,
}

impl<'a> Tcp<'a> {
    fn read(packet: &'a [u8]) -> Option<Self> {
        let inner = InnerPacket::read(packet)?;
        let (ip, rest) = if inner.source.is_ipv4() {
            let (ip, rest) = packet.split_at_checked(20)?;
            let [first, _, _, _, _, _, fragment, offset, _, protocol, ..] =
                *ip.first_chunk::<20>()?;
            // More fragments, or a fragment's offset.
            if first != 0x45 || protocol != PROTOCOL_TCP || fragment & 0x3f != 0 || offset != 0 {
                return None;
            }
            (ip, rest)
        } else {
            let (ip, rest) = packet.split_at_checked(40)?;
            if ip.get(6) != Some(&PROTOCOL_TCP) {
                return None;
            }
            (ip, rest)
        };
        let [_, _, _, _, s0, s1, s2, s3, _, _, _, _, offset, flags, ..] =
            *rest.first_chunk::<TCP_HEADER>()?;
        let (tcp_header, payload) =
            rest.split_at_checked(usize::from(offset >> 4).saturating_mul(4))?;
        if tcp_header.len() < TCP_HEADER || payload.is_empty() || flags & !PSH != ACK {
            return None;
        }
        Some(Self {
            packet,
            inner,
            ip_header: ip,
            tcp_header,
            payload,
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            push: flags & PSH != 0,
        })
    }

    /// Whether the checksums are right, as a joined packet says they are.
    // RFC 3948 §3.1.2#3: nothing is vouched for but what was found right.
    fn checksums_hold(&self) -> bool {
        let segment = self.tcp_header.len().saturating_add(self.payload.len());
        let pseudo = checksum::pseudo_header(
            self.inner.source,
            self.inner.destination,
            PROTOCOL_TCP,
            segment,
        );
        let sum = checksum::sum(self.payload, checksum::sum(self.tcp_header, pseudo));
        checksum::finish(sum) == 0
            && (!self.inner.source.is_ipv4()
                || checksum::finish(checksum::sum(self.ip_header, 0)) == 0)
    }

    /// IPv4's identification, and whether it means nothing because the packet must not be fragmented (RFC 6864 §4.1).
    fn identification(&self) -> Option<(u16, bool)> {
        let [_, _, _, _, high, low, fragment, ..] = *self.ip_header.first_chunk::<20>()?;
        self.inner
            .source
            .is_ipv4()
            .then_some((u16::from_be_bytes([high, low]), fragment & 0x40 != 0))
    }

    /// Whether both belong to one connection and differ in nothing that joining would lose.
    fn same_headers(&self, other: &Self) -> bool {
        let ip = |tcp: &Self| -> Option<[&'a [u8]; 3]> {
            Some(if tcp.inner.source.is_ipv4() {
                [
                    tcp.ip_header.get(..2)?,
                    tcp.ip_header.get(6..10)?,
                    tcp.ip_header.get(12..)?,
                ]
            } else {
                [
                    tcp.ip_header.get(..4)?,
                    tcp.ip_header.get(6..8)?,
                    tcp.ip_header.get(8..)?,
                ]
            })
        };
        // Ports; acknowledgement and data offset; window; urgent pointer and options.
        let header = |tcp: &Self| -> Option<[&'a [u8]; 4]> {
            Some([
                tcp.tcp_header.get(..4)?,
                tcp.tcp_header.get(8..13)?,
                tcp.tcp_header.get(14..16)?,
                tcp.tcp_header.get(18..)?,
            ])
        };
        self.ip_header.len() == other.ip_header.len()
            && self.tcp_header.len() == other.tcp_header.len()
            && ip(self) == ip(other)
            && header(self) == header(other)
    }
}

/// Packets that will be one write.
struct Run<'a> {
    first: Tcp<'a>,
    /// Payloads, the first packet's too.
    parts: [&'a [u8]; PARTS],
    count: usize,
    /// Octets of the joined packet.
    length: usize,
    next_sequence: u32,
    /// A push or a short payload ends the run.
    closed: bool,
    push: bool,
}

impl<'a> Run<'a> {
    fn new(first: Tcp<'a>) -> Self {
        let mut parts: [&[u8]; PARTS] = [&[]; PARTS];
        if let Some(slot) = parts.first_mut() {
            *slot = first.payload;
        }
        Self {
            parts,
            count: 1,
            length: first.packet.len(),
            next_sequence: first.sequence.wrapping_add(first.payload.len() as u32),
            closed: first.push,
            push: first.push,
            first,
        }
    }

    /// Takes `tcp` in if it continues the run.
    fn join(&mut self, tcp: &Tcp<'a>) -> bool {
        let length = self.length.saturating_add(tcp.payload.len());
        if self.closed
            || tcp.sequence != self.next_sequence
            || tcp.payload.len() > self.first.payload.len()
            || length > MAX_PACKET
            || !self.follows_in_identification(tcp)
            || !self.first.same_headers(tcp)
            || !tcp.checksums_hold()
        {
            return false;
        }
        // The first packet's are looked at only once somebody wants to join it.
        if self.count == 1 && !self.first.checksums_hold() {
            return false;
        }
        let Some(slot) = self.parts.get_mut(self.count) else {
            return false;
        };
        *slot = tcp.payload;
        self.count = self.count.saturating_add(1);
        self.length = length;
        self.next_sequence = self.next_sequence.wrapping_add(tcp.payload.len() as u32);
        self.push |= tcp.push;
        self.closed = tcp.push || tcp.payload.len() < self.first.payload.len();
        true
    }

    fn follows_in_identification(&self, tcp: &Tcp<'_>) -> bool {
        match (self.first.identification(), tcp.identification()) {
            // It means nothing, whatever it is.
            (Some((_, true)), Some((_, true))) => true,
            (Some((first, false)), Some((own, false))) => {
                own == first.wrapping_add(self.count as u16)
            }
            (None, None) => true,
            _ => false,
        }
    }

    fn write(self, write: &mut impl FnMut(&[IoSlice<'_>], usize)) {
        if self.count == 1 {
            write_alone(self.first.packet, write);
            return;
        }
        let mut headers = [0_u8; MAX_HEADERS];
        let Some((header, length)) = self.joined_headers(&mut headers) else {
            return;
        };
        let header = header.to_octets();
        let mut pieces = [IoSlice::new(&[]); PARTS + 2];
        let contents = [&header[..], headers.get(..length).unwrap_or_default()]
            .into_iter()
            .chain(self.parts.iter().copied().take(self.count));
        for (piece, content) in pieces.iter_mut().zip(contents) {
            *piece = IoSlice::new(content);
        }
        let used = self.count.saturating_add(2);
        write(pieces.get(..used).unwrap_or_default(), self.count);
    }

    /// Writes the joined packet's IP and TCP header; returns its offload header and the two headers' length.
    fn joined_headers(&self, out: &mut [u8; MAX_HEADERS]) -> Option<(VnetHeader, usize)> {
        let ip = self.first.ip_header.len();
        let headers = ip.checked_add(self.first.tcp_header.len())?;
        let out = out.get_mut(..headers)?;
        out.copy_from_slice(self.first.packet.get(..headers)?);
        let (ip_out, tcp_out) = out.split_at_mut_checked(ip)?;
        let ipv4 = self.first.inner.source.is_ipv4();
        if ipv4 {
            *ip_out.get_mut(2..)?.first_chunk_mut::<2>()? =
                u16::try_from(self.length).ok()?.to_be_bytes();
            *ip_out.get_mut(10..)?.first_chunk_mut::<2>()? = [0, 0];
            let sum = checksum::finish(checksum::sum(ip_out, 0));
            *ip_out.get_mut(10..)?.first_chunk_mut::<2>()? = sum.to_be_bytes();
        } else {
            *ip_out.get_mut(4..)?.first_chunk_mut::<2>()? =
                u16::try_from(self.length.checked_sub(40)?)
                    .ok()?
                    .to_be_bytes();
        }
        if self.push {
            *tcp_out.get_mut(13)? |= PSH;
        }
        // What the device wants in the field: the pseudo-header's sum alone, not complemented.
        let pseudo = checksum::pseudo_header(
            self.first.inner.source,
            self.first.inner.destination,
            PROTOCOL_TCP,
            self.length.checked_sub(ip)?,
        );
        *tcp_out.get_mut(16..)?.first_chunk_mut::<2>()? = checksum::fold(pseudo).to_be_bytes();
        Some((
            VnetHeader {
                needs_checksum: true,
                gso: if ipv4 { Gso::Tcp4 } else { Gso::Tcp6 },
                header_length: u16::try_from(headers).ok()?,
                gso_size: u16::try_from(self.first.payload.len()).ok()?,
                checksum_start: u16::try_from(ip).ok()?,
                checksum_offset: 16,
            },
            headers,
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::esp::offload::segment::Segments;
    use crate::esp::offload::tests_support::{repair, tcp_packet};

    /// What is written for these packets: (octets, packets) each.
    fn written(packets: &[Vec<u8>]) -> Vec<(Vec<u8>, usize)> {
        let mut buffer = Vec::new();
        let mut ranges = Vec::new();
        for packet in packets {
            let start = buffer.len();
            buffer.extend_from_slice(packet);
            ranges.push(start..buffer.len());
        }
        let mut writes = Vec::new();
        coalesce(&buffer, &ranges, &mut |pieces, count| {
            let octets: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
            writes.push((octets, count));
        });
        writes
    }

    /// Cuts what was written again: the packets that the kernel would make of it.
    fn recut(writes: &[(Vec<u8>, usize)]) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for (octets, count) in writes {
            let (header, packet) = octets.split_first_chunk::<10>().unwrap();
            let segments = Segments::new(&VnetHeader::from_octets(*header), packet).unwrap();
            assert_eq!(segments.count(), *count);
            for index in 0..segments.count() {
                let mut out = vec![0; segments.length(index)];
                segments.write(index, &mut out).unwrap();
                packets.push(out);
            }
        }
        packets
    }

    fn stream(v6: bool, sizes: &[usize]) -> Vec<Vec<u8>> {
        let mut sequence = 0xffff_ff00_u32;
        sizes
            .iter()
            .enumerate()
            .map(|(index, size)| {
                let payload: Vec<u8> = (0..*size).map(|n| (n * 7 + index) as u8).collect();
                let packet = tcp_packet(v6, 100 + index as u16, sequence, ACK, &payload);
                sequence = sequence.wrapping_add(*size as u32);
                packet
            })
            .collect()
    }

    #[test]
    fn joins_a_stream_and_cutting_gives_it_back() {
        for v6 in [false, true] {
            let packets = stream(v6, &[1300, 1300, 1300, 700, 1300, 1300]);
            let writes = written(&packets);
            assert_eq!(
                writes.iter().map(|write| write.1).collect::<Vec<_>>(),
                [4, 2]
            );
            assert_eq!(recut(&writes), packets);
        }
    }

    #[test]
    fn keeps_within_an_ip_packet() {
        let packets = stream(false, &[1400; 60]);
        let writes = written(&packets);
        assert_eq!(
            writes.iter().map(|write| write.1).collect::<Vec<_>>(),
            [46, 14]
        );
        assert_eq!(recut(&writes), packets);
    }

    /// Each change makes the second of three packets unfit; nothing is joined across it, and what is
    /// not TCP data goes on to the letter.
    #[test]
    fn leaves_alone_what_differs() {
        type Change = fn(&mut Vec<u8>);
        let changes: [(&str, Change); 10] = [
            ("traffic class", |packet| packet[1] = 0x28),
            ("time to live", |packet| packet[8] = 3),
            ("fragment", |packet| packet[6] = 0x20),
            ("source port", |packet| packet[20] ^= 1),
            ("acknowledgement", |packet| packet[31] ^= 1),
            ("window", |packet| packet[34] ^= 1),
            ("timestamp option", |packet| packet[51] ^= 1),
            ("FIN", |packet| packet[33] |= 1),
            ("sequence", |packet| packet[27] ^= 1),
            ("identification", |packet| packet[5] = 9),
        ];
        for (what, change) in changes {
            let mut packets = stream(false, &[500, 500, 500]);
            if what == "identification" {
                for packet in &mut packets {
                    packet[6] = 0;
                    repair(packet);
                }
            }
            change(&mut packets[1]);
            repair(&mut packets[1]);
            let writes = written(&packets);
            let counts: Vec<usize> = writes.iter().map(|write| write.1).collect();
            assert_eq!(counts, [1, 1, 1], "{what}");
            let octets: Vec<&[u8]> = writes.iter().map(|write| &write.0[10..]).collect();
            assert_eq!(octets, packets, "{what}");
        }
    }

    // RFC 3948 §3.1.2#3: a wrong checksum stays for the receiver to find.
    #[test]
    fn never_vouches_for_a_wrong_checksum() {
        for damaged in [0, 1] {
            let mut packets = stream(false, &[500, 500]);
            *packets[damaged].last_mut().unwrap() ^= 1;
            let writes = written(&packets);
            assert_eq!(writes.len(), 2, "packet {damaged}");
            assert_eq!(writes[damaged].0[10..], packets[damaged]);
            assert_eq!(writes[damaged].0[..10], [0; 10]);
        }
    }

    #[test]
    fn a_push_ends_the_run_and_is_kept() {
        let mut packets = stream(true, &[500, 500, 500]);
        packets[1][53] |= PSH;
        repair(&mut packets[1]);
        let writes = written(&packets);
        assert_eq!(
            writes.iter().map(|write| write.1).collect::<Vec<_>>(),
            [2, 1]
        );
        assert_eq!(recut(&writes), packets);
    }

    proptest! {
        #[test]
        fn joining_and_cutting_is_the_identity(
            v6 in any::<bool>(),
            sizes in prop::collection::vec(prop_oneof![Just(1000_usize), 1_usize..1100], 1..80),
        ) {
            let packets = stream(v6, &sizes);
            prop_assert_eq!(recut(&written(&packets)), packets);
        }

        #[test]
        fn nothing_panics(octets in prop::collection::vec(any::<u8>(), 0..120)) {
            let writes = written(&[octets.clone(), octets]);
            prop_assert_eq!(writes.len(), 2);
        }
    }
}
