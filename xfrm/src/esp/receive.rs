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
                    self.handle(endpoint.port);
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

    /// Takes one burst to its end: nothing of it is left when the inbox is filled again.
    fn handle(&mut self, port: u16) {
        let (messages, octets) = self.inbox.parts();
        for message in messages {
            let mut opener = Opener {
                table: &self.table,
                message,
                cached: None,
            };
            let mut start = message.range.start;
            while start < message.range.end {
                let end = start
                    .saturating_add(message.segment)
                    .min(message.range.end);
                let Some(datagram) = octets.get_mut(start..end) else {
                    break;
                };
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
    if !session.selectors().admit(inner.destination, inner.source) {
        return Err(DropReason::SelectorMismatch);
    }
    packet::apply_congestion_mark(payload, &inner, outer_class)?;
    Ok(inner.length)
}
