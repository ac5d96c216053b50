//! From the TUN device to the UDP sockets: one thread.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::engine::Endpoint;
use super::offload::VnetHeader;
use super::offload::segment::Segments;
use super::seal::OutboundSa;
use super::socket::{self, SEND_OCTETS, SEND_SEGMENTS, Transmit};
use super::table::{Session, Table};
use super::tun::Tun;
use super::wear::Worn;
use crate::{Direction, DropReason, Limit};

/// Sealed octets that are sent in one go.
const OUTBOX_OCTETS: usize = 256 << 10;
/// How long a broken device is left alone.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

pub(super) struct Transmitter {
    table: Arc<Table>,
    tun: Arc<Tun>,
    buffer: Box<[u8]>,
    outbox: Outbox,
    outlet: Outlet,
}

/// Sealed packets that are not sent yet, one behind the other.
pub(super) struct Outbox {
    octets: Box<[u8]>,
    used: usize,
    transmits: Vec<Transmit>,
}

/// The way out.
struct Outlet {
    table: Arc<Table>,
    endpoints: Arc<[Endpoint]>,
    stop: Arc<OwnedFd>,
    /// Cleared when the way out turns out not to be able to segment.
    segmentation: AtomicBool,
}

impl Transmitter {
    pub(super) fn new(
        table: Arc<Table>,
        endpoints: Arc<[Endpoint]>,
        tun: Arc<Tun>,
        stop: Arc<OwnedFd>,
    ) -> Self {
        Self {
            table: Arc::clone(&table),
            tun,
            buffer: vec![0; Tun::READ_OCTETS].into_boxed_slice(),
            outbox: Outbox::new(OUTBOX_OCTETS),
            outlet: Outlet {
                table,
                endpoints,
                stop,
                segmentation: AtomicBool::new(true),
            },
        }
    }

    /// Works until `stop` is readable.
    pub(super) fn run(mut self) {
        let stop = Arc::clone(&self.outlet.stop);
        let tun = Arc::clone(&self.tun);
        loop {
            let outcome = self.drain();
            self.outlet.flush(&mut self.outbox);
            // A device that was taken away stays readable: wait for the end, not for it.
            let (readable, timeout) = match outcome {
                Ok(()) => (PollFlags::IN, None),
                Err(_) => (PollFlags::empty(), Some(&PAUSE)),
            };
            let mut descriptors = [
                PollFd::new(&*stop, PollFlags::IN),
                PollFd::new(&*tun, readable),
            ];
            let _ = poll(&mut descriptors, timeout);
            if !descriptors[0].revents().is_empty() {
                return;
            }
        }
    }

    /// Takes from the device until it has no more.
    fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.tun.read(&mut self.buffer) {
                Ok(length) => {
                    let frame = self.buffer.get(..length).unwrap_or_default();
                    seal_frame(&self.table, frame, &mut self.outbox, |outbox| {
                        self.outlet.flush(outbox);
                    });
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(()),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

/// Seals all packets of one read from the device, an offload header and what it is about, into `outbox`,
/// which `flush` empties when it is full.
pub(super) fn seal_frame(
    table: &Table,
    frame: &[u8],
    outbox: &mut Outbox,
    mut flush: impl FnMut(&mut Outbox),
) {
    let segments = frame
        .split_first_chunk::<{ VnetHeader::OCTETS }>()
        .and_then(|(header, packet)| Segments::new(&VnetHeader::from_octets(*header), packet).ok());
    let Some(segments) = segments else {
        table.unmatched.add(DropReason::BadTunPacket, 1);
        return;
    };
    let inner = segments.inner();
    let count = segments.count();
    let Some(session) = table.route(inner.destination) else {
        table.unmatched.add(DropReason::NoRoute, count as u64);
        return;
    };
    if !session.selectors().admit(inner.source, inner.destination) {
        session
            .sent
            .dropped(DropReason::SelectorMismatch, count as u64);
        return;
    }
    let sa = session.outbound();
    let path = session.path();
    let Some(remote) = path.remote_udp() else {
        session.sent.dropped(DropReason::NoRoute, count as u64);
        return;
    };
    for index in 0..count {
        if let Err(reason) = seal_segment(
            (table, &session, &sa),
            &segments,
            index,
            (remote, path.local),
            outbox,
            &mut flush,
        ) {
            let left = count.saturating_sub(index);
            session.sent.dropped(reason, left as u64);
            return;
        }
    }
}

fn seal_segment(
    (table, session, sa): (&Table, &Arc<Session>, &OutboundSa),
    segments: &Segments<'_>,
    index: usize,
    (remote, local): (SocketAddr, IpAddr),
    outbox: &mut Outbox,
    flush: &mut impl FnMut(&mut Outbox),
) -> Result<(), DropReason> {
    let length = segments.length(index);
    let sealed = sa.layout().sealed(length);
    if outbox.room() < sealed {
        flush(outbox);
    }
    let packet = outbox.reserve(sealed).ok_or(DropReason::BadTunPacket)?;
    let start = sa.layout().headroom();
    let place = packet
        .get_mut(start..start.saturating_add(length))
        .ok_or(DropReason::BadTunPacket)?;
    segments
        .write(index, place)
        .map_err(|_| DropReason::BadTunPacket)?;
    let inner = segments.inner();
    let worn = match sa.seal(packet, length, inner.next_header) {
        Ok(worn) => worn,
        Err(DropReason::SequenceExhausted) => {
            // RFC 4303 §3.3.3: this SA is at its end; told once.
            let worn = if sa.wear.expire() {
                Worn::Hard(Limit::Packets)
            } else {
                Worn::No
            };
            table.wore(session, sa.spi(), Direction::Outbound, worn);
            return Err(DropReason::SequenceExhausted);
        }
        Err(reason) => return Err(reason),
    };
    // RFC 6040 §4.1: the outer packet can be marked exactly where the inner one can.
    outbox.commit(sealed, remote, local, inner.traffic_class);
    session.sent.count(length);
    table.wore(session, sa.spi(), Direction::Outbound, worn);
    Ok(())
}

impl Outbox {
    pub(super) fn new(octets: usize) -> Self {
        Self {
            octets: vec![0; octets].into_boxed_slice(),
            used: 0,
            transmits: Vec::new(),
        }
    }

    fn room(&self) -> usize {
        self.octets.len().saturating_sub(self.used)
    }

    /// The next `length` octets, to be filled.
    fn reserve(&mut self, length: usize) -> Option<&mut [u8]> {
        self.octets
            .get_mut(self.used..self.used.saturating_add(length))
    }

    /// The octets that were reserved are a datagram. It joins the previous ones when the kernel can
    /// cut them apart again: same addresses and class, same size but for the last.
    fn commit(&mut self, length: usize, remote: SocketAddr, local: IpAddr, traffic_class: u8) {
        let start = self.used;
        let end = start.saturating_add(length);
        self.used = end;
        if let Some(last) = self.transmits.last_mut() {
            let octets = end.saturating_sub(last.range.start);
            if last.remote == remote
                && last.local == local
                && last.traffic_class == traffic_class
                && length <= last.segment
                && last.range.len().is_multiple_of(last.segment)
                && last.datagrams() < SEND_SEGMENTS
                && octets <= SEND_OCTETS
            {
                last.range.end = end;
                return;
            }
        }
        self.transmits.push(Transmit {
            range: start..end,
            segment: length,
            remote,
            local,
            traffic_class,
        });
    }

    /// What is in it.
    pub(super) fn parts(&self) -> (&[Transmit], &[u8]) {
        (&self.transmits, &self.octets)
    }

    pub(super) fn clear(&mut self) {
        self.transmits.clear();
        self.used = 0;
    }
}

impl Outlet {
    /// Sends everything in `outbox` and empties it.
    fn flush(&self, outbox: &mut Outbox) {
        let (mut transmits, octets) = outbox.parts();
        while let Some(first) = transmits.first() {
            let Some(endpoint) = self.endpoint(first) else {
                self.failed(first);
                transmits = transmits.get(1..).unwrap_or_default();
                continue;
            };
            // As many as leave by the same socket.
            let count = transmits
                .iter()
                .take_while(|transmit| transmit.remote.is_ipv4() == first.remote.is_ipv4())
                .count();
            let together = transmits.get(..count).unwrap_or_default();
            let done = self.send(endpoint, octets, together);
            transmits = transmits.get(done..).unwrap_or_default();
        }
        outbox.clear();
    }

    fn endpoint(&self, transmit: &Transmit) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.ipv4 == transmit.remote.is_ipv4())
    }

    /// Sends some of `transmits`, at least the first or its failure; returns how many are done with.
    fn send(&self, endpoint: &Endpoint, octets: &[u8], transmits: &[Transmit]) -> usize {
        let Some(first) = transmits.first() else {
            return 0;
        };
        if first.datagrams() > 1 && !self.segmentation.load(Ordering::Relaxed) {
            self.send_singly(endpoint, octets, first);
            return 1;
        }
        match socket::send(endpoint.socket.as_fd(), octets, transmits) {
            Ok(sent) => sent.max(1),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN) => usize::from(!self.wait_for(endpoint)),
                Some(libc::EINTR) => 0,
                // The device cannot complete checksums, so the kernel does not segment for it.
                Some(libc::EIO) if first.datagrams() > 1 => {
                    self.segmentation.store(false, Ordering::Relaxed);
                    0
                }
                // A segment would not fit the way out whole; singly, the kernel fragments.
                Some(libc::EINVAL | libc::EMSGSIZE) if first.datagrams() > 1 => {
                    self.send_singly(endpoint, octets, first);
                    1
                }
                _ => {
                    self.failed(first);
                    1
                }
            },
        }
    }

    fn send_singly(&self, endpoint: &Endpoint, octets: &[u8], transmit: &Transmit) {
        let mut start = transmit.range.start;
        while start < transmit.range.end {
            let end = start
                .saturating_add(transmit.segment)
                .min(transmit.range.end);
            let single = [Transmit {
                range: start..end,
                ..transmit.clone()
            }];
            let done = self.send(endpoint, octets, &single);
            if done > 0 {
                start = end;
            }
        }
    }

    /// Waits until the socket takes more; `false` when it is time to stop instead.
    fn wait_for(&self, endpoint: &Endpoint) -> bool {
        let mut descriptors = [
            PollFd::new(&*self.stop, PollFlags::IN),
            PollFd::new(&endpoint.socket, PollFlags::OUT),
        ];
        let _ = poll(&mut descriptors, None);
        descriptors[0].revents().is_empty()
    }

    fn failed(&self, transmit: &Transmit) {
        self.table
            .unmatched
            .add(DropReason::SendFailed, transmit.datagrams() as u64);
    }
}
