//! From the UDP sockets to the TUN device: one thread.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};

use super::encap::{Encapsulated, classify};
use super::engine::Endpoint;
use super::offload::coalesce::coalesce;
use super::packet::{self, InnerPacket, NEXT_HEADER_DUMMY};
use super::socket::{Inbox, MESSAGES, Message};
use super::table::{Inbound, Session, Table};
use super::tun::Tun;
use crate::{Direction, DropReason, EspSpi};

/// A message for IKE that came in on port 4500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonEsp<'a> {
    /// The message without its non-ESP marker (RFC 3948 §2.2).
    pub data: &'a [u8],
    /// Who sent it.
    pub remote: SocketAddr,
    /// Which of our addresses it reached; an answer leaves from there.
    pub local: SocketAddr,
}

/// Takes the messages for IKE, on the receive thread, which waits for it: hand them on and return.
pub type Sink = Box<dyn FnMut(NonEsp<'_>) + Send>;

/// How often one readable socket is emptied before the others have their turn.
const BURSTS: usize = 8;
/// Decrypted octets at which the device is given its packets, so that they are still in the cache.
const FLUSH_OCTETS: usize = 128 << 10;

pub(super) struct Receiver {
    table: Arc<Table>,
    endpoints: Arc<[Endpoint]>,
    tun: Arc<Tun>,
    stop: Arc<OwnedFd>,
    sink: Sink,
    inbox: Inbox,
    ready: Ready,
}

/// Decrypted packets that the device has not been given yet.
#[derive(Default)]
struct Ready {
    /// Where in the inbox they lie.
    packets: Vec<Range<usize>>,
    octets: usize,
}

impl Receiver {
    pub(super) fn new(
        table: Arc<Table>,
        endpoints: Arc<[Endpoint]>,
        tun: Arc<Tun>,
        stop: Arc<OwnedFd>,
        sink: Sink,
    ) -> Self {
        Self {
            table,
            endpoints,
            tun,
            stop,
            sink,
            inbox: Inbox::new(),
            ready: Ready::default(),
        }
    }

    /// Works until `stop` is readable.
    pub(super) fn run(mut self) {
        let endpoints = Arc::clone(&self.endpoints);
        let stop = Arc::clone(&self.stop);
        loop {
            let mut descriptors: Vec<PollFd<'_>> = endpoints
                .iter()
                .map(|endpoint| PollFd::new(&endpoint.socket, PollFlags::IN))
                .collect();
            descriptors.push(PollFd::new(&*stop, PollFlags::IN));
            if poll(&mut descriptors, None).is_err() {
                // Interrupted: nothing else can befall a poll of open descriptors.
                continue;
            }
            if descriptors
                .pop()
                .is_some_and(|stop| !stop.revents().is_empty())
            {
                return;
            }
            for (endpoint, descriptor) in endpoints.iter().zip(&descriptors) {
                if !descriptor.revents().is_empty() {
                    self.drain(endpoint);
                }
            }
        }
    }

    fn drain(&mut self, endpoint: &Endpoint) {
        for _ in 0..BURSTS {
            match self.inbox.receive(endpoint.socket.as_fd()) {
                Ok(count) => {
                    self.handle(endpoint.port, count);
                    if count < MESSAGES {
                        return;
                    }
                }
                // An ICMP error that an earlier send drew; taking it clears it.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Takes one burst of `count` messages to its end: nothing of it is left when the inbox is filled again.
    fn handle(&mut self, port: u16, count: usize) {
        let (messages, octets) = self.inbox.parts();
        let unreadable = count.saturating_sub(messages.len());
        self.table
            .unmatched
            .add(DropReason::Truncated, unreadable as u64);
        for message in messages {
            let mut opener = Opener {
                table: &self.table,
                message,
                cached: None,
            };
            let mut start = message.range.start;
            while start < message.range.end {
                let end = start.saturating_add(message.segment).min(message.range.end);
                let Some(datagram) = octets.get_mut(start..end) else {
                    break;
                };
                // RFC 3948 §2.1#3: whatever checksum the datagram had was the kernel's to judge.
                match classify(datagram) {
                    Encapsulated::Esp => {
                        if let Some(inner) = opener.open(datagram) {
                            self.ready.push(start, &inner);
                        }
                    }
                    Encapsulated::Ike(data) => (self.sink)(NonEsp {
                        data,
                        remote: message.remote,
                        local: SocketAddr::new(message.local, port),
                    }),
                    Encapsulated::Keepalive => {
                        self.table.unmatched.add(DropReason::Keepalive, 1);
                    }
                    Encapsulated::Truncated => {
                        self.table.unmatched.add(DropReason::Truncated, 1);
                    }
                }
                start = end;
            }
            if self.ready.octets >= FLUSH_OCTETS {
                self.ready.flush(octets, &self.tun, &self.table);
            }
        }
        self.ready.flush(octets, &self.tun, &self.table);
    }
}

impl Ready {
    fn push(&mut self, start: usize, inner: &Range<usize>) {
        self.octets = self.octets.saturating_add(inner.len());
        self.packets
            .push(start.saturating_add(inner.start)..start.saturating_add(inner.end));
    }

    fn flush(&mut self, octets: &[u8], tun: &Tun, table: &Table) {
        coalesce(octets, &self.packets, &mut |pieces, packets| {
            if tun.write(pieces).is_err() {
                table
                    .unmatched
                    .add(DropReason::DeviceFailed, packets as u64);
            }
        });
        self.packets.clear();
        self.octets = 0;
    }
}

/// Opens the ESP packets of one message. Remembers the SA of the last one: mostly they are all of one.
pub(super) struct Opener<'a> {
    pub(super) table: &'a Table,
    pub(super) message: &'a Message,
    pub(super) cached: Option<(EspSpi, Inbound)>,
}

impl Opener<'_> {
    /// Opens `datagram` in place and counts it; the range of its inner packet when that may pass.
    pub(super) fn open(&mut self, datagram: &mut [u8]) -> Option<Range<usize>> {
        let unmatched = |reason| {
            self.table.unmatched.add(reason, 1);
            None
        };
        let (spi, low) = match packet::header(datagram) {
            Ok(header) => header,
            Err(reason) => return unmatched(reason),
        };
        let Inbound { sa, session } = match &self.cached {
            Some((cached, inbound)) if *cached == spi => inbound,
            _ => {
                // RFC 4303 §2.1#1, §3.4.2#1: the SPI alone finds the SA, and a packet without one
                // is discarded.
                let Some(inbound) = self.table.inbound(spi) else {
                    return unmatched(DropReason::UnknownSpi);
                };
                &self.cached.insert((spi, inbound)).1
            }
        };
        let opened = match sa.open(datagram, low) {
            Ok(opened) => opened,
            Err(refused) => {
                session.received.dropped(refused.reason(), 1);
                return None;
            }
        };
        if opened.newer {
            self.table.follow(session, self.message.remote);
        }
        if sa.is_news() {
            self.table.used(session, spi);
        }
        let worn = sa.wear.count(opened.payload.len() as u64);
        self.table.wore(session, spi, Direction::Inbound, worn);
        let payload = datagram.get_mut(opened.payload.clone())?;
        match admit(
            session,
            payload,
            opened.next_header,
            self.message.traffic_class,
        ) {
            Ok(length) => {
                session.received.count(length);
                let start = opened.payload.start;
                Some(start..start.saturating_add(length))
            }
            Err(reason) => {
                session.received.dropped(reason, 1);
                None
            }
        }
    }
}

/// What RFC 4301 §5.2 asks of a packet after ESP: is it one that this SA may carry? Returns its length.
fn admit(
    session: &Session,
    payload: &mut [u8],
    next_header: u8,
    outer_class: u8,
) -> Result<usize, DropReason> {
    // RFC 4303 §2.6#1,3: next header 59 is a dummy packet, and is dropped in silence.
    if next_header == NEXT_HEADER_DUMMY {
        return Err(DropReason::Dummy);
    }
    if !matches!(
        next_header,
        packet::NEXT_HEADER_IPV4 | packet::NEXT_HEADER_IPV6
    ) {
        return Err(DropReason::BadNextHeader);
    }
    let inner = InnerPacket::read(payload)
        .filter(|inner| inner.next_header == next_header)
        .ok_or(DropReason::BadInnerPacket)?;
    // RFC 3948 §3.1.1#1: the inner source is the address that the client was given.
    if !session.selectors().admit(inner.destination, inner.source) {
        return Err(DropReason::SelectorMismatch);
    }
    packet::apply_congestion_mark(payload, &inner, outer_class)?;
    Ok(inner.length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esp::event::{Notice, Notices};
    use crate::esp::offload::VnetHeader;
    use crate::esp::seal::OutboundSa;
    use crate::esp::tests_support::{ALGORITHMS, GCM_256, mirrored, pair, sa, session};
    use crate::esp::transmit::{Outbox, seal_frame};
    use crate::{Counters, Error, IpPrefix, Object, SaPair};

    const CLIENT: [u8; 4] = [10, 9, 0, 1];
    const SERVER: [u8; 4] = [203, 0, 113, 80];

    fn table(pairs: &[&SaPair]) -> Table {
        let table = Table::new(Notices::new().unwrap());
        for pair in pairs {
            table.install(pair).unwrap();
        }
        table
    }

    /// An IPv4 packet of UDP without a checksum.
    fn ipv4(source: [u8; 4], destination: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let length = 20 + payload.len() as u16;
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 1, 0x40, 0, 64, 17, 0, 0]);
        packet.extend(source);
        packet.extend(destination);
        packet.extend_from_slice(payload);
        packet
    }

    /// What `table` makes of a packet that its TUN device hands over.
    fn sealed(table: &Table, packet: &[u8]) -> Option<Vec<u8>> {
        let mut frame = VnetHeader::default().to_octets().to_vec();
        frame.extend_from_slice(packet);
        let mut outbox = Outbox::new(4096);
        seal_frame(table, &frame, &mut outbox, |_| panic!("there is room"));
        let (transmits, octets) = outbox.parts();
        let [transmit] = transmits else {
            assert!(transmits.is_empty());
            return None;
        };
        Some(octets[transmit.range.clone()].to_vec())
    }

    fn message(remote: &str, traffic_class: u8) -> Message {
        Message {
            range: 0..0,
            segment: 1,
            remote: remote.parse().unwrap(),
            local: [192, 0, 2, 1].into(),
            traffic_class,
        }
    }

    fn opened_from(table: &Table, datagram: &[u8], message: &Message) -> Option<Vec<u8>> {
        let mut datagram = datagram.to_vec();
        let mut opener = Opener {
            table,
            message,
            cached: None,
        };
        opener
            .open(&mut datagram)
            .map(|range| datagram[range].to_vec())
    }

    fn opened(table: &Table, datagram: &[u8]) -> Option<Vec<u8>> {
        opened_from(table, datagram, &message("192.0.2.100:40000", 0))
    }

    fn drops(table: &Table, number: u32) -> Vec<(DropReason, u64)> {
        let counters = table.counters(session(number)).unwrap();
        counters.inbound.drops.iter().collect()
    }

    /// An ESP packet with these contents as the peer of `pair` would make it.
    fn crafted(pair: &SaPair, contents: &[u8], next_header: u8) -> Vec<u8> {
        let sa = OutboundSa::new(&pair.inbound).unwrap();
        let mut packet = vec![0; sa.layout().sealed(contents.len())];
        let start = sa.layout().headroom();
        packet[start..start + contents.len()].copy_from_slice(contents);
        sa.seal(&mut packet, contents.len(), next_header).unwrap();
        packet
    }

    // RFC 4303 §1#4, §5#1: every algorithm, both ways.
    #[test]
    fn carries_packets_between_two_ends_with_every_algorithm() {
        for algorithm in ALGORITHMS {
            let at_headend = pair(1, 0x1000, algorithm);
            let headend = table(&[&at_headend]);
            let client = table(&[&mirrored(&at_headend)]);
            let up = ipv4(CLIENT, SERVER, b"to the server");
            let down = ipv4(SERVER, CLIENT, b"to the client");
            assert_eq!(opened(&headend, &sealed(&client, &up).unwrap()), Some(up));
            assert_eq!(
                opened(&client, &sealed(&headend, &down).unwrap()),
                Some(down)
            );
            let Counters { inbound, outbound } = headend.counters(session(1)).unwrap();
            assert_eq!((inbound.packets, inbound.bytes), (1, 33));
            assert_eq!((outbound.packets, outbound.bytes), (1, 33));
            assert_eq!(inbound.drops.total() + outbound.drops.total(), 0);
            assert_eq!(headend.unmatched.snapshot().total(), 0);
        }
    }

    // RFC 3948 §3.1.1#1: a packet of another inner source is dropped.
    // RFC 4301 §5.2: a packet that its SA may not carry is dropped though it is authentic.
    #[test]
    fn drops_a_client_that_speaks_as_another() {
        let own = pair(1, 0x1000, GCM_256);
        let headend = table(&[&own, &pair(2, 0x2000, GCM_256)]);
        let forged = ipv4([10, 9, 0, 2], SERVER, b"");
        assert_eq!(opened(&headend, &crafted(&own, &forged, 4)), None);
        assert_eq!(drops(&headend, 1), [(DropReason::SelectorMismatch, 1)]);
        assert_eq!(drops(&headend, 2), []);
        // On the way out the inner source is held against the selectors as well.
        let client = table(&[&mirrored(&own)]);
        assert_eq!(sealed(&client, &forged), None);
        let sent = client.counters(session(1)).unwrap().outbound;
        assert_eq!(sent.drops.of(DropReason::SelectorMismatch), 1);
    }

    // RFC 4303 §2.6#1,3: dummy packets among them.
    #[test]
    fn drops_each_wrong_content_under_its_name() {
        let good = ipv4(CLIENT, SERVER, b"x");
        let mut wrong_version = good.clone();
        wrong_version[0] = 0x65;
        let mut too_long = good.clone();
        too_long[3] += 1;
        for (contents, next_header, reason) in [
            (&good[..], 59, DropReason::Dummy),
            (&[][..], 59, DropReason::Dummy),
            (&good, 6, DropReason::BadNextHeader),
            (&good, 41, DropReason::BadInnerPacket),
            (&wrong_version, 4, DropReason::BadInnerPacket),
            (&too_long, 4, DropReason::BadInnerPacket),
            (&good[..19], 4, DropReason::BadInnerPacket),
            (&[], 4, DropReason::BadInnerPacket),
        ] {
            let own = pair(1, 0x1000, GCM_256);
            let headend = table(&[&own]);
            assert_eq!(
                opened(&headend, &crafted(&own, contents, next_header)),
                None
            );
            assert_eq!(drops(&headend, 1), [(reason, 1)]);
            assert_eq!(headend.counters(session(1)).unwrap().inbound.packets, 0);
        }
    }

    // RFC 4303 §2.7: octets behind the inner packet are padding against traffic analysis.
    #[test]
    fn cuts_off_traffic_flow_padding() {
        let own = pair(1, 0x1000, GCM_256);
        let headend = table(&[&own]);
        let packet = ipv4(CLIENT, SERVER, b"x");
        let mut padded = packet.clone();
        padded.extend([0; 100]);
        assert_eq!(opened(&headend, &crafted(&own, &padded, 4)), Some(packet));
    }

    // RFC 4303 §2.1#1, §3.4.2#1: an SPI that is not there, and one that is.
    #[test]
    fn counts_what_belongs_to_nobody() {
        let own = pair(1, 0x1000, GCM_256);
        let headend = table(&[&own]);
        assert_eq!(opened(&headend, &[0, 0, 0x77, 0, 0, 0, 0, 1, 9, 9]), None);
        assert_eq!(opened(&headend, &[0, 0, 0x10]), None);
        assert_eq!(sealed(&headend, &ipv4(SERVER, [10, 9, 0, 77], b"")), None);
        assert_eq!(sealed(&headend, b"no packet"), None);
        let mut expected = crate::DropCounts::default();
        for reason in [
            DropReason::UnknownSpi,
            DropReason::Truncated,
            DropReason::NoRoute,
            DropReason::BadTunPacket,
        ] {
            expected.add(reason, 1);
        }
        assert_eq!(headend.unmatched.snapshot(), expected);
    }

    // RFC 7296 §2.23: only an authentic packet says where the peer is, and only the newest one.
    #[test]
    fn follows_the_peer_after_authentic_newer_packets_only() {
        let own = pair(1, 0x1000, GCM_256);
        let headend = table(&[&own]);
        let client = table(&[&mirrored(&own)]);
        let send = || sealed(&client, &ipv4(CLIENT, SERVER, b"")).unwrap();
        let place = |headend: &Table| headend.session_path(session(1)).remote_udp().unwrap();
        let (older, newer) = (send(), send());

        let mut forged = newer.clone();
        *forged.last_mut().unwrap() ^= 1;
        opened_from(&headend, &forged, &message("198.51.100.66:1", 0));
        assert_eq!(place(&headend), "192.0.2.100:40000".parse().unwrap());
        assert!(headend.notices.pop().is_none());

        assert!(opened_from(&headend, &newer, &message("198.51.100.7:5555", 0)).is_some());
        assert_eq!(place(&headend), "198.51.100.7:5555".parse().unwrap());
        // Late, though authentic: the peer is not there any more.
        assert!(opened_from(&headend, &older, &message("192.0.2.100:40000", 0)).is_some());
        assert!(opened_from(&headend, &newer, &message("192.0.2.100:40000", 0)).is_none());
        assert_eq!(place(&headend), "198.51.100.7:5555".parse().unwrap());
        // On it goes before anybody asked: told once, with the newest place.
        assert!(opened_from(&headend, &send(), &message("198.51.100.7:6666", 0)).is_some());
        let Some(Notice::Moved(moved)) = headend.notices.pop() else {
            panic!("the move is told");
        };
        assert_eq!(
            moved.take_move(),
            Some("198.51.100.7:6666".parse().unwrap())
        );
        assert!(headend.notices.pop().is_none());
        // And the next one is news again.
        assert!(opened_from(&headend, &send(), &message("198.51.100.7:7777", 0)).is_some());
        assert!(headend.notices.pop().is_some());
    }

    #[test]
    fn stays_where_it_was_told_when_not_following() {
        let mut own = pair(1, 0x1000, GCM_256);
        own.follow_peer = false;
        let headend = table(&[&own]);
        let packet = crafted(&own, &ipv4(CLIENT, SERVER, b""), 4);
        assert!(opened_from(&headend, &packet, &message("198.51.100.7:5555", 0)).is_some());
        assert_eq!(headend.session_path(session(1)), own.path);
        assert!(headend.notices.pop().is_none());
    }

    // RFC 7296 §2.24 by way of RFC 6040 §4.2.
    // RFC 7296 §2.24#1-2: a mark on the way is one in the packet.
    #[test]
    fn carries_congestion_marks_and_drops_what_cannot_hold_them() {
        let own = pair(1, 0x1000, GCM_256);
        let headend = table(&[&own]);
        let mut capable = ipv4(CLIENT, SERVER, b"");
        capable[1] = 0b10;
        let client = table(&[&mirrored(&own)]);
        let packet = sealed(&client, &capable).unwrap();
        let inner = opened_from(&headend, &packet, &message("192.0.2.100:40000", 0b11)).unwrap();
        assert_eq!(inner[1], 0b11);
        let packet = sealed(&client, &ipv4(CLIENT, SERVER, b"")).unwrap();
        assert_eq!(
            opened_from(&headend, &packet, &message("192.0.2.100:40000", 0b11)),
            None
        );
        assert_eq!(drops(&headend, 1), [(DropReason::CongestionMark, 1)]);
    }

    #[test]
    fn rekeys_without_losing_a_packet() {
        let own = pair(1, 0x1000, GCM_256);
        let headend = table(&[&own]);
        let client = table(&[&mirrored(&own)]);
        let packet = || ipv4(CLIENT, SERVER, b"x");
        let before = sealed(&client, &packet()).unwrap();
        let next = sa(0x5000, ALGORITHMS[2]);
        assert_eq!(headend.add_inbound(session(1), &next), Ok(()));
        assert_eq!(client.replace_outbound(session(1), &next), Ok(()));
        let after = sealed(&client, &packet()).unwrap();
        assert_eq!(after[..4], [0, 0, 0x50, 0]);
        assert!(opened(&headend, &after).is_some());
        assert!(opened(&headend, &before).is_some());
        assert_eq!(headend.remove_inbound(session(1), own.inbound.spi), Ok(()));
        assert_eq!(
            headend.remove_inbound(session(1), own.inbound.spi),
            Err(Error::NoSuchSa {
                id: session(1),
                spi: own.inbound.spi
            })
        );
        assert_eq!(opened(&headend, &before), None);
        // The counters are the session's, not an SA's.
        assert_eq!(headend.remove(session(1)).unwrap().inbound.packets, 2);
        assert_eq!(opened(&headend, &after), None);
        assert_eq!(headend.unmatched.snapshot().of(DropReason::UnknownSpi), 2);
    }

    #[test]
    fn a_rekey_taken_back_sends_on_the_old_sa_where_it_stopped() {
        let own = pair(1, 0x1000, GCM_256);
        let client = table(&[&mirrored(&own)]);
        let headend = table(&[&own]);
        let packet = || ipv4(CLIENT, SERVER, b"x");
        let first = sealed(&client, &packet()).unwrap();
        let next = sa(0x5000, ALGORITHMS[2]);
        client.replace_outbound(session(1), &next).unwrap();
        assert_eq!(sealed(&client, &packet()).unwrap()[..4], [0, 0, 0x50, 0]);
        client.resume_outbound(session(1), own.inbound.spi).unwrap();
        let second = sealed(&client, &packet()).unwrap();
        assert_eq!(second[..4], first[..4]);
        assert_eq!(second[4..8], [0, 0, 0, 2], "no number twice");
        assert!(opened(&headend, &first).is_some() && opened(&headend, &second).is_some());
        // What its inbound SA's end has taken along is not there to be taken back; what is younger is.
        let (receiving, third) = (sa(0x6001, GCM_256), sa(0x6000, GCM_256));
        client.add_inbound(session(1), &receiving).unwrap();
        client
            .add_inbound(session(1), &sa(0x7001, GCM_256))
            .unwrap();
        client.replace_outbound(session(1), &next).unwrap();
        client.replace_outbound(session(1), &third).unwrap();
        client.remove_inbound(session(1), own.outbound.spi).unwrap();
        assert_eq!(
            client.resume_outbound(session(1), own.inbound.spi),
            Err(Error::NoSuchSa {
                id: session(1),
                spi: own.inbound.spi
            })
        );
        client.resume_outbound(session(1), next.spi).unwrap();
        assert_eq!(sealed(&client, &packet()).unwrap()[..4], [0, 0, 0x50, 0]);
    }

    #[test]
    fn an_old_session_leaves_what_a_newer_one_took_over() {
        let old = pair(1, 0x1000, GCM_256);
        let mut new = pair(2, 0x2000, GCM_256);
        new.selectors = old.selectors.clone();
        let mut wide = pair(3, 0x3000, GCM_256);
        wide.selectors.remote = vec![IpPrefix::ANY_V4];
        let headend = table(&[&old, &wide, &new]);
        let route = |address: [u8; 4]| headend.route(address.into()).map(|session| session.id());
        assert_eq!(route(CLIENT), Some(session(2)));
        headend.remove(session(1)).unwrap();
        assert_eq!(route(CLIENT), Some(session(2)));
        headend.remove(session(2)).unwrap();
        assert_eq!(
            route(CLIENT),
            Some(session(3)),
            "the longest prefix that is left"
        );
        headend.remove(session(3)).unwrap();
        assert_eq!(route(CLIENT), None);
    }

    #[test]
    fn of_networks_the_longest_leads_to_who_took_it_last() {
        let network =
            |address: &str, length| IpPrefix::new(address.parse().unwrap(), length).unwrap();
        let with = |id, spi, remote| {
            let mut pair = pair(id, spi, GCM_256);
            pair.selectors.remote = vec![remote];
            pair
        };
        let (one, two) = (network("2001:db8:a:1::", 64), network("2001:db8:a:2::", 64));
        let headend = table(&[
            &with(1, 0x1000, one),
            &with(2, 0x2000, two),
            &with(3, 0x3000, network("2001:db8:a::", 48)),
            // IPv4's are sixteen bits too, and of another family.
            &with(4, 0x4000, network("32.1.0.0", 16)),
            &with(5, 0x5000, two),
        ]);
        let route = |address: &str| {
            let session = headend.route(address.parse().unwrap());
            session.map(|session| session.id())
        };
        assert_eq!(route("2001:db8:a:1::7"), Some(session(1)));
        assert_eq!(route("2001:db8:a:2::7"), Some(session(5)));
        assert_eq!(route("2001:db8:a:3::7"), Some(session(3)));
        assert_eq!(route("32.1.13.184"), Some(session(4)));
        assert_eq!(route("2001:db8:b::7"), None);
        headend.remove(session(2)).unwrap();
        assert_eq!(route("2001:db8:a:2::7"), Some(session(5)));
        headend.remove(session(5)).unwrap();
        assert_eq!(route("2001:db8:a:2::7"), Some(session(3)));
        assert_eq!(headend.all_counters().len(), 3);
    }

    #[test]
    fn refuses_duplicates_and_strangers_whole() {
        let own = pair(1, 0x1000, GCM_256);
        let headend = table(&[&own]);
        assert_eq!(
            headend.install(&own),
            Err(Error::Exists(Object::Session(session(1))))
        );
        let other = pair(2, 0x1000, GCM_256);
        assert_eq!(
            headend.install(&other),
            Err(Error::Exists(Object::Inbound(own.inbound.spi)))
        );
        assert_eq!(
            headend.counters(session(2)),
            Err(Error::NoSuchSession(session(2))),
            "nothing of it is left"
        );
        assert_eq!(
            headend.remove(session(2)),
            Err(Error::NoSuchSession(session(2)))
        );
    }

    // RFC 7296 §2.8: whoever sends on a new SA receives on its pair; a forged packet says nothing.
    #[test]
    fn tells_of_the_first_packet_on_an_sa_that_replaces_another() {
        let own = pair(1, 0x1000, GCM_256);
        let headend = table(&[&own]);
        let client = table(&[&mirrored(&own)]);
        let send = || sealed(&client, &ipv4(CLIENT, SERVER, b"")).unwrap();
        let from = message("192.0.2.100:40000", 0);
        assert!(opened_from(&headend, &send(), &from).is_some());
        assert!(
            headend.notices.pop().is_none(),
            "the first pair replaces nothing"
        );

        let new = sa(0x3000, GCM_256);
        headend.add_inbound(session(1), &new).unwrap();
        client.replace_outbound(session(1), &new).unwrap();
        let mut forged = send();
        *forged.last_mut().unwrap() ^= 1;
        assert!(opened_from(&headend, &forged, &from).is_none());
        assert!(headend.notices.pop().is_none());
        for told in [true, false] {
            assert!(opened_from(&headend, &send(), &from).is_some());
            let notice = headend.notices.pop();
            let used = matches!(notice, Some(Notice::Used { spi, .. }) if spi == new.spi);
            assert_eq!(used, told);
        }
    }

    #[test]
    fn tells_of_worn_out_sas_and_stops_using_them() {
        let mut own = pair(1, 0x1000, GCM_256);
        own.outbound.soft.packets = std::num::NonZeroU64::new(1);
        own.outbound.hard.packets = std::num::NonZeroU64::new(2);
        let headend = table(&[&own]);
        let down = ipv4(SERVER, CLIENT, b"");
        let told = |expected: bool| {
            let Some(Notice::Worn {
                spi,
                direction: Direction::Outbound,
                limit: crate::Limit::Packets,
                hard,
                ..
            }) = headend.notices.pop()
            else {
                panic!("a limit is told");
            };
            assert_eq!((spi, hard), (own.outbound.spi, expected));
        };
        assert!(sealed(&headend, &down).is_some());
        told(false);
        assert!(sealed(&headend, &down).is_some());
        told(true);
        assert!(sealed(&headend, &down).is_none());
        assert!(headend.notices.pop().is_none());
        let drops = headend.counters(session(1)).unwrap().outbound.drops;
        assert_eq!(drops.iter().collect::<Vec<_>>(), [(DropReason::Expired, 1)]);
    }
}
