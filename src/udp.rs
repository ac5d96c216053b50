//! UDP sockets that say which of our addresses a datagram reached, and answer from there.
//!
//! For IKE, whose volume is low: a datagram a call, in safe code. ESP has bursts of its own in
//! `ironflex_xfrm::esp`, which also reads port 4500 while userspace ESP runs.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use nix::{
    cmsg_space, libc,
    sys::{
        socket::{
            ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg,
            setsockopt, sockopt,
        },
        stat::fstat,
    },
};
use socket2::{Domain, Protocol, Socket, Type};

/// The non-ESP marker in front of IKE messages on port 4500 (RFC 3948 §2.2).
// RFC 7296 §2#3: four zero octets go before every IKE message there.
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// The longest UDP payload, in octets.
pub const MAX_DATAGRAM: usize = 65_535;

/// One bound, non-blocking socket of one address family.
#[derive(Debug)]
pub struct UdpEndpoint {
    socket: UdpSocket,
    port: u16,
}

/// A datagram in the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its length in octets.
    pub len: usize,
    /// Who sent it.
    pub remote: SocketAddr,
    /// Which of our addresses it reached.
    pub local: SocketAddr,
}

impl UdpEndpoint {
    /// Binds `port` on every address of a family, or on one address. Port 0 takes any free one.
    ///
    /// # Errors
    ///
    /// Of the system calls; `AddrInUse` when somebody else serves the port.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM.nonblocking().cloexec(),
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let port = socket.local_addr()?.port();
        Ok(Self { socket, port })
    }

    /// The port that it is bound to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is an IPv4 socket.
    ///
    /// # Errors
    ///
    /// Of getsockname.
    pub fn is_ipv4(&self) -> io::Result<bool> {
        Ok(self.socket.local_addr()?.is_ipv4())
    }

    /// By which the kernel's tables name it.
    ///
    /// # Errors
    ///
    /// Of fstat.
    pub fn inode(&self) -> io::Result<u64> {
        Ok(fstat(&self.socket)?.st_ino)
    }

    /// Another handle on the same socket, for the dataplane.
    ///
    /// # Errors
    ///
    /// Of dup.
    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    /// Takes the next datagram, if one waits. One longer than `buffer` is discarded as empty.
    ///
    /// # Errors
    ///
    /// Of recvmsg. An ICMP error of an earlier datagram counts as no datagram.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut control = cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
        let mut pieces = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut pieces,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        );
        let message = match message {
            Ok(message) => message,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::ECONNREFUSED) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(remote) = message.address.as_ref().and_then(socket_address) else {
            return Ok(None);
        };
        let mut local = match remote {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        for one in message.cmsgs()? {
            match one {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    local = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into();
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    local = Ipv6Addr::from(info.ipi6_addr.s6_addr).into();
                }
                _ => {}
            }
        }
        let truncated = message.flags.contains(MsgFlags::MSG_TRUNC);
        Ok(Some(Received {
            len: if truncated { 0 } else { message.bytes },
            remote,
            local: SocketAddr::new(local, self.port),
        }))
    }

    /// Sends `octets`, behind the non-ESP marker if `marked`, from one of our addresses.
    ///
    /// # Errors
    ///
    /// Of sendmsg; `WouldBlock` when the socket's buffer is full. The datagram is then lost, as any may be.
    pub fn send(
        &self,
        local: IpAddr,
        remote: SocketAddr,
        marked: bool,
        octets: &[u8],
    ) -> io::Result<()> {
        let marker: &[u8] = if marked { &NON_ESP_MARKER } else { &[] };
        let pieces = [IoSlice::new(marker), IoSlice::new(octets)];
        let (v4, v6);
        // RFC 7296 §2.11#3: the source is the address that the request reached.
        let control = match local {
            IpAddr::V4(address) if !address.is_unspecified() => {
                v4 = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from_ne_bytes(address.octets()),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                Some(ControlMessage::Ipv4PacketInfo(&v4))
            }
            IpAddr::V6(address) if !address.is_unspecified() => {
                let scope = match remote {
                    SocketAddr::V6(remote) => remote.scope_id(),
                    SocketAddr::V4(_) => 0,
                };
                v6 = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: address.octets(),
                    },
                    ipi6_ifindex: scope,
                };
                Some(ControlMessage::Ipv6PacketInfo(&v6))
            }
            _ => None,
        };
        sendmsg(
            self.socket.as_raw_fd(),
            &pieces,
            control.as_slice(),
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrStorage::from(remote)),
        )?;
        Ok(())
    }
}

/// How many datagrams the kernel had no room for at sockets with these inodes since they were made, whoever reads them. One that
/// the kernel does not name has lost nothing that is known of. Takes its time where the machine has many sockets.
///
/// The tables of /proc tell it of every socket at any time. `SO_RXQ_OVFL` tells it with the next datagram alone, and to the
/// handle alone that reads.
///
/// # Errors
///
/// Of reading the tables of this thread's network namespace, which may be another one than the process's.
pub fn overflowed(inodes: &[u64]) -> io::Result<u64> {
    let mut sum: u64 = 0;
    for table in TABLES {
        let path = format!("/proc/thread-self/{table}");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            // A machine without IPv6 has no table of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
        };
        let own = rows(&text).filter(|row| inodes.contains(&row.inode));
        sum = own.fold(sum, |sum, row| sum.saturating_add(row.drops));
    }
    Ok(sum)
}

/// The kernel's tables of UDP sockets below a process's folder in /proc.
pub const TABLES: [&str; 2] = ["net/udp", "net/udp6"];

/// What such a table tells of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its port.
    pub port: u16,
    /// Its inode.
    pub inode: u64,
    /// Datagrams that there was no room for.
    pub drops: u64,
}

/// The rows of such a table. The second column ends with the port in hexadecimal, the tenth is the inode, and the last one the
/// drops (Linux, `udp4_format_sock`).
pub fn rows(table: &str) -> impl Iterator<Item = Row> {
    table.lines().filter_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let (_, port) = columns.nth(1)?.rsplit_once(':')?;
        Some(Row {
            port: u16::from_str_radix(port, 16).ok()?,
            inode: columns.nth(7)?.parse().ok()?,
            drops: columns.last()?.parse().ok()?,
        })
    })
}

impl AsRawFd for UdpEndpoint {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for UdpEndpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(SocketAddr::V6(SocketAddrV6::new(
        v6.ip(),
        v6.port(),
        0,
        v6.scope_id(),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_table_of_sockets_are_read_by_their_columns() {
        let table = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  512: 00000000:01F4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41522 2 0000000000000000 17
 4608: 00000000000000000000000001000000:1194 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 \
00000000     0        0 41523 2 0000000000000000 0
  513: 00000000:01F5 cut short
";
        let row = |port, inode, drops| Row { port, inode, drops };
        let read: Vec<Row> = rows(table).collect();
        assert_eq!(read, [row(500, 41522, 17), row(4500, 41523, 0)]);
    }

    #[test]
    fn a_socket_that_the_kernel_does_not_name_has_lost_nothing() {
        let endpoint = UdpEndpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let inode = endpoint.inode().unwrap();
        assert_eq!(overflowed(&[inode, u64::MAX]).unwrap(), 0);
    }

    fn wait(endpoint: &UdpEndpoint, buffer: &mut [u8]) -> Received {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut set = [PollFd::new(endpoint.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut set, PollTimeout::from(2_000_u16)).unwrap(), 1);
        endpoint.receive(buffer).unwrap().unwrap()
    }

    // RFC 7296 §2#3, §2.11#3: the marker is four zeros; an answer leaves from the address that was
    // asked.
    #[test]
    fn says_which_address_a_datagram_reached_and_answers_from_it() {
        for (any, ours) in [("0.0.0.0:0", "127.0.0.9"), ("[::]:0", "::1")] {
            let server = UdpEndpoint::bind(any.parse().unwrap()).unwrap();
            let client = UdpEndpoint::bind(any.parse().unwrap()).unwrap();
            let to = SocketAddr::new(ours.parse().unwrap(), server.port());
            client.send(to.ip(), to, true, b"hello").unwrap();
            let mut buffer = [0xa5; 64];
            let got = wait(&server, &mut buffer);
            assert_eq!(got.local, to);
            assert_eq!(got.remote, SocketAddr::new(to.ip(), client.port()));
            assert_eq!(&buffer[..got.len], b"\0\0\0\0hello");
            server
                .send(got.local.ip(), got.remote, false, b"again")
                .unwrap();
            let back = wait(&client, &mut buffer);
            assert_eq!((back.remote, &buffer[..back.len]), (to, &b"again"[..]));
            assert_eq!(server.receive(&mut buffer).unwrap(), None);
        }
    }

    #[test]
    fn takes_a_truncated_datagram_for_an_empty_one() {
        let server = UdpEndpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let to = SocketAddr::new("127.0.0.1".parse().unwrap(), server.port());
        server.send(to.ip(), to, false, &[7; 40]).unwrap();
        let mut buffer = [0; 39];
        assert_eq!(wait(&server, &mut buffer).len, 0);
    }
}
