//! UDP in bursts: many datagrams a call, each with the address it reached, its traffic class and the
//! kernel's segmentation in both directions.
//!
//! Calls libc: rustix has neither recvmmsg nor these control messages, nix's sendmmsg gives all messages the same ones.
//! Unsafe are four system calls whose pointers lead into buffers that live on this stack or in the caller's
//! hands; addresses and control messages are read and written as octets.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmmsg, setsockopt and their message headers"
)]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use libc::c_int;

/// The most messages of one call.
pub(super) const MESSAGES: usize = 16;
/// Room for one message: with UDP_GRO it holds datagrams of up to 64 KiB together.
const MESSAGE_OCTETS: usize = 65_536;
/// RFC 768: the longest datagram's payload is 65,507 octets over IPv4; segments sent at once keep below it.
pub(super) const SEND_OCTETS: usize = 65_000;
/// The kernel's limit for segments of one send (64 before Linux 6.9, 128 since).
pub(super) const SEND_SEGMENTS: usize = 64;

/// `sockaddr_in6`, the longer of the two.
const NAME_OCTETS: usize = 28;
const CONTROL_OCTETS: usize = 128;
/// `struct cmsghdr`: a length of pointer size, level and type.
const CONTROL_HEADER: usize = size_of::<usize>() + 2 * size_of::<c_int>();

/// How many octets of datagrams may wait in the kernel; a burst of segmented sends is large.
const RECEIVE_BUFFER: c_int = 8 << 20;

/// Prepares a socket for bursts: destination address and traffic class with each datagram, segments joined, outer
/// packets may be fragmented.
///
/// # Errors
/// Of setsockopt. A kernel that joins no segments, or gives no larger buffer, is no error.
pub(super) fn configure(socket: BorrowedFd<'_>, local: SocketAddr) -> io::Result<()> {
    let options = match local {
        SocketAddr::V4(_) => [
            (libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
            (libc::IPPROTO_IP, libc::IP_RECVTOS, 1),
            (
                libc::IPPROTO_IP,
                libc::IP_MTU_DISCOVER,
                libc::IP_PMTUDISC_DONT,
            ),
        ],
        SocketAddr::V6(_) => [
            (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1),
            (
                libc::IPPROTO_IPV6,
                libc::IPV6_MTU_DISCOVER,
                libc::IPV6_PMTUDISC_DONT,
            ),
        ],
    };
    for (level, name, value) in options {
        set(socket, level, name, value)?;
    }
    let _ = set(socket, libc::SOL_UDP, libc::UDP_GRO, 1);
    // The first needs CAP_NET_ADMIN and passes the system's limit, the second stops there.
    if set(
        socket,
        libc::SOL_SOCKET,
        libc::SO_RCVBUFFORCE,
        RECEIVE_BUFFER,
    )
    .is_err()
    {
        let _ = set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER);
    }
    Ok(())
}

fn set(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open while it is borrowed; the kernel reads one c_int from a pointer to one.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// One message: datagrams of one sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Where in [`Inbox::octets`] it lies.
    pub(super) range: Range<usize>,
    /// Octets of each datagram in it; the last may be shorter. Never 0.
    pub(super) segment: usize,
    /// Who sent it.
    pub(super) remote: SocketAddr,
    /// Which of our addresses it reached.
    pub(super) local: IpAddr,
    /// DSCP and ECN of its IP header.
    pub(super) traffic_class: u8,
}

/// Room for one burst of messages, and what the last one brought.
pub(super) struct Inbox {
    octets: Box<[u8]>,
    names: [[u8; NAME_OCTETS]; MESSAGES],
    controls: [[u8; CONTROL_OCTETS]; MESSAGES],
    messages: Vec<Message>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            octets: vec![0; MESSAGES.saturating_mul(MESSAGE_OCTETS)].into_boxed_slice(),
            names: [[0; NAME_OCTETS]; MESSAGES],
            controls: [[0; CONTROL_OCTETS]; MESSAGES],
            messages: Vec::with_capacity(MESSAGES),
        }
    }

    /// Replaces what is here by what waits in the socket, at most [`MESSAGES`]; does not wait itself.
    /// Returns how many came, unreadable ones too.
    ///
    /// # Errors
    /// Of recvmmsg; `WouldBlock` when nothing is there.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.messages.clear();
        // SAFETY: mmsghdr and iovec are C structs of integers and pointers, for which all zeros is a value.
        let mut headers: [libc::mmsghdr; MESSAGES] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut pieces: [libc::iovec; MESSAGES] = unsafe { mem::zeroed() };
        for ((((header, piece), name), control), room) in headers
            .iter_mut()
            .zip(&mut pieces)
            .zip(&mut self.names)
            .zip(&mut self.controls)
            .zip(self.octets.chunks_exact_mut(MESSAGE_OCTETS))
        {
            piece.iov_base = room.as_mut_ptr().cast();
            piece.iov_len = room.len();
            let header = &mut header.msg_hdr;
            header.msg_name = name.as_mut_ptr().cast();
            header.msg_namelen = NAME_OCTETS as libc::socklen_t;
            header.msg_iov = piece;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_OCTETS as _;
        }
        // SAFETY: each header points to a name, a control buffer, an iovec and a room of the stated sizes, which
        // are distinct and outlive the call; nothing else uses them meanwhile.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                MESSAGES as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (index, header) in headers.iter().enumerate().take(count) {
            #[allow(clippy::unnecessary_cast, reason = "a u32 with musl")]
            let control_octets = header.msg_hdr.msg_controllen as usize;
            let controls = self
                .controls
                .get(index)
                .and_then(|octets| octets.get(..control_octets))
                .unwrap_or_default();
            let name = self
                .names
                .get(index)
                .and_then(|octets| octets.get(..header.msg_hdr.msg_namelen as usize))
                .unwrap_or_default();
            let length = header.msg_len as usize;
            let start = index.saturating_mul(MESSAGE_OCTETS);
            let range = start..start.saturating_add(length.min(MESSAGE_OCTETS));
            if let Some(remote) = decode_address(name)
                && header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0
            {
                self.messages
                    .push(Message::new(range, remote, &Controls(controls)));
            }
        }
        Ok(count)
    }

    /// The messages of the last burst, and the octets that their ranges mean.
    pub(super) fn parts(&mut self) -> (&[Message], &mut [u8]) {
        (&self.messages, &mut self.octets)
    }
}

impl Message {
    fn new(range: Range<usize>, remote: SocketAddr, controls: &Controls<'_>) -> Self {
        let unspecified = match remote {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let mut message = Self {
            segment: range.len().max(1),
            range,
            remote: SocketAddr::new(remote.ip().to_canonical(), remote.port()),
            local: unspecified,
            traffic_class: 0,
        };
        for (level, kind, data) in controls.iter() {
            match (level, kind) {
                // in_pktinfo: interface, our address for answers, the packet's destination.
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    if let Some(&[.., a, b, c, d]) = data.first_chunk::<12>() {
                        message.local = IpAddr::from([a, b, c, d]);
                    }
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    if let Some(address) = data.first_chunk::<16>() {
                        message.local = IpAddr::from(*address).to_canonical();
                    }
                }
                (libc::IPPROTO_IP, libc::IP_TOS) => {
                    if let Some(class) = data.first() {
                        message.traffic_class = *class;
                    }
                }
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    if let Some(class) = data.first_chunk::<4>() {
                        message.traffic_class = i32::from_ne_bytes(*class) as u8;
                    }
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    if let Some(size) = data.first_chunk::<4>()
                        && let Ok(size @ 1..) = usize::try_from(i32::from_ne_bytes(*size))
                    {
                        message.segment = size;
                    }
                }
                _ => {}
            }
        }
        message
    }
}

/// Control messages as the kernel writes them.
struct Controls<'a>(&'a [u8]);

impl<'a> Controls<'a> {
    /// Level, type and data of each.
    fn iter(&self) -> impl Iterator<Item = (c_int, c_int, &'a [u8])> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (length, fields) = rest.split_first_chunk::<{ size_of::<usize>() }>()?;
            let length = usize::from_ne_bytes(*length);
            let (level, fields) = fields.split_first_chunk::<4>()?;
            let kind = fields.first_chunk::<4>()?;
            let data = rest.get(CONTROL_HEADER..length)?;
            let next = length.checked_next_multiple_of(size_of::<usize>())?;
            rest = rest.get(next..).unwrap_or_default();
            Some((
                c_int::from_ne_bytes(*level),
                c_int::from_ne_bytes(*kind),
                data,
            ))
        })
    }
}

/// Datagrams of one size to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transmit {
    /// Where they lie one behind the other.
    pub(super) range: Range<usize>,
    /// Octets of each; the last may be shorter.
    pub(super) segment: usize,
    /// Where to.
    pub(super) remote: SocketAddr,
    /// From which of our addresses.
    pub(super) local: IpAddr,
    /// DSCP and ECN of the IP header.
    pub(super) traffic_class: u8,
}

impl Transmit {
    /// How many datagrams these are.
    pub(super) const fn datagrams(&self) -> usize {
        self.range
            .end
            .saturating_sub(self.range.start)
            .div_ceil(if self.segment == 0 { 1 } else { self.segment })
    }
}

/// Sends the first [`MESSAGES`] of `transmits`, ranges of `octets`; does not wait. Returns how many went.
///
/// # Errors
/// Of sendmmsg, about the first of them, when none went.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    octets: &[u8],
    transmits: &[Transmit],
) -> io::Result<usize> {
    let mut names = [[0_u8; NAME_OCTETS]; MESSAGES];
    let mut controls = [[0_u8; CONTROL_OCTETS]; MESSAGES];
    // SAFETY: mmsghdr and iovec are C structs of integers and pointers, for which all zeros is a value.
    let mut headers: [libc::mmsghdr; MESSAGES] = unsafe { mem::zeroed() };
    // SAFETY: as above.
    let mut pieces: [libc::iovec; MESSAGES] = unsafe { mem::zeroed() };
    for ((((transmit, header), piece), name), control) in transmits
        .iter()
        .zip(&mut headers)
        .zip(&mut pieces)
        .zip(&mut names)
        .zip(&mut controls)
    {
        let payload = octets.get(transmit.range.clone()).unwrap_or_default();
        // The kernel only reads through it.
        piece.iov_base = payload.as_ptr().cast_mut().cast();
        piece.iov_len = payload.len();
        let header = &mut header.msg_hdr;
        header.msg_namelen = encode_address(transmit.remote, name) as libc::socklen_t;
        header.msg_name = name.as_mut_ptr().cast();
        header.msg_iov = piece;
        header.msg_iovlen = 1;
        header.msg_controllen = encode_controls(transmit, control) as _;
        header.msg_control = control.as_mut_ptr().cast();
    }
    let count = transmits.len().min(MESSAGES);
    // SAFETY: the first `count` headers point to a name, control messages, an iovec and octets of the stated sizes,
    // all of which outlive the call.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn encode_controls(transmit: &Transmit, out: &mut [u8; CONTROL_OCTETS]) -> usize {
    let mut writer = ControlWriter { out, used: 0 };
    let class = c_int::from(transmit.traffic_class).to_ne_bytes();
    match transmit.local {
        IpAddr::V4(local) => {
            // in_pktinfo: no interface, the source address, nothing.
            let [a, b, c, d] = local.octets();
            writer.put(
                libc::IPPROTO_IP,
                libc::IP_PKTINFO,
                &[0, 0, 0, 0, a, b, c, d, 0, 0, 0, 0],
            );
            writer.put(libc::IPPROTO_IP, libc::IP_TOS, &class);
        }
        IpAddr::V6(local) => {
            // in6_pktinfo: the source address, no interface.
            let mut info = [0_u8; 20];
            if let Some(address) = info.first_chunk_mut::<16>() {
                *address = local.octets();
            }
            writer.put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            writer.put(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &class);
        }
    }
    if transmit.datagrams() > 1 {
        // No datagram is longer than a u16 can say.
        let size = (transmit.segment as u16).to_ne_bytes();
        writer.put(libc::SOL_UDP, libc::UDP_SEGMENT, &size);
    }
    writer.used
}

struct ControlWriter<'a> {
    out: &'a mut [u8; CONTROL_OCTETS],
    used: usize,
}

impl ControlWriter<'_> {
    /// Appends one control message. Those of one send always fit.
    fn put(&mut self, level: c_int, kind: c_int, data: &[u8]) {
        let length = CONTROL_HEADER.saturating_add(data.len());
        let end = self
            .used
            .saturating_add(length.next_multiple_of(size_of::<usize>()));
        let Some(room) = self.out.get_mut(self.used..end) else {
            return;
        };
        let contents = length
            .to_ne_bytes()
            .into_iter()
            .chain(level.to_ne_bytes())
            .chain(kind.to_ne_bytes())
            .chain(data.iter().copied());
        for (octet, value) in room.iter_mut().zip(contents) {
            *octet = value;
        }
        self.used = end;
    }
}

/// Writes a socket address; returns its length.
fn encode_address(address: SocketAddr, out: &mut [u8; NAME_OCTETS]) -> usize {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let start = (family as u16)
        .to_ne_bytes()
        .into_iter()
        .chain(address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => {
            for (octet, value) in out.iter_mut().zip(start.chain(v4.ip().octets())) {
                *octet = value;
            }
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            let contents = start
                .chain([0; 4])
                .chain(v6.ip().octets())
                .chain(v6.scope_id().to_ne_bytes());
            for (octet, value) in out.iter_mut().zip(contents) {
                *octet = value;
            }
            size_of::<libc::sockaddr_in6>()
        }
    }
}

/// Reads a socket address of either family.
fn decode_address(octets: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = octets.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    match c_int::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => Some((*rest.first_chunk::<4>()?, port).into()),
        libc::AF_INET6 => {
            let (_flow, rest) = rest.split_first_chunk::<4>()?;
            Some((*rest.first_chunk::<16>()?, port).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn addresses_survive_a_round_trip() {
        for address in ["192.0.2.7:4500", "[2001:db8::7]:500"] {
            let address: SocketAddr = address.parse().unwrap();
            let mut name = [0xa5; NAME_OCTETS];
            let length = encode_address(address, &mut name);
            assert_eq!(decode_address(&name[..length]), Some(address));
            for short in 0..if address.is_ipv4() { 8 } else { 24 } {
                assert_eq!(decode_address(&name[..short]), None);
            }
        }
    }

    #[test]
    fn reads_what_it_writes_as_control_messages() {
        let transmit = Transmit {
            range: 0..2500,
            segment: 1000,
            remote: "192.0.2.7:4500".parse().unwrap(),
            local: [192, 0, 2, 1].into(),
            traffic_class: 0xb9,
        };
        let mut out = [0; CONTROL_OCTETS];
        let used = encode_controls(&transmit, &mut out);
        let read: Vec<_> = Controls(&out[..used]).iter().collect();
        assert_eq!(
            read,
            [
                (0, 8, &[0, 0, 0, 0, 192, 0, 2, 1, 0, 0, 0, 0][..]),
                (0, 1, &0xb9_i32.to_ne_bytes()[..]),
                (17, 103, &1000_u16.to_ne_bytes()[..]),
            ]
        );
        for length in 0..used {
            assert!(Controls(&out[..length]).iter().count() <= 3);
        }
    }

    /// Over the loopback: several datagrams in one send come out one by one, with all that is told of them.
    #[test]
    fn segments_and_joins_over_the_loopback() {
        for host in ["127.0.0.1", "::1"] {
            let address = SocketAddr::new(host.parse().unwrap(), 0);
            let (Ok(sender), Ok(receiver)) = (UdpSocket::bind(address), UdpSocket::bind(address))
            else {
                // A machine without IPv6.
                assert!(address.is_ipv6());
                continue;
            };
            let to = receiver.local_addr().unwrap();
            configure(receiver.as_fd(), to).unwrap();
            let octets: Vec<u8> = (0..5000_u32).map(|n| (n % 251) as u8).collect();
            let transmit = |range: Range<usize>, segment| Transmit {
                range,
                segment,
                remote: to,
                local: address.ip(),
                traffic_class: 0xb9,
            };
            let transmits = [transmit(0..2500, 1000), transmit(3000..5000, 2000)];
            assert_eq!(send(sender.as_fd(), &octets, &transmits).unwrap(), 2);

            let mut inbox = Inbox::new();
            let mut datagrams = Vec::new();
            while datagrams.len() < 4 {
                receiver.peek_from(&mut [0]).unwrap();
                inbox.receive(receiver.as_fd()).unwrap();
                let (messages, octets) = inbox.parts();
                for message in messages {
                    assert_eq!(message.remote, sender.local_addr().unwrap());
                    assert_eq!(message.local, address.ip());
                    assert_eq!(message.traffic_class, 0xb9);
                    datagrams.extend(
                        octets[message.range.clone()]
                            .chunks(message.segment)
                            .map(<[u8]>::to_vec),
                    );
                }
            }
            let expected = [
                &octets[..1000],
                &octets[1000..2000],
                &octets[2000..2500],
                &octets[3000..],
            ];
            assert_eq!(datagrams, expected);
            assert_eq!(
                inbox.receive(receiver.as_fd()).unwrap_err().kind(),
                io::ErrorKind::WouldBlock
            );
        }
    }
}
