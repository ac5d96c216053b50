//! What passes a device, as its neighbours see it: sources, destinations and lengths of IP packets, from a packet socket.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd,
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use ironflex_xfrm::netlink::{LinkIndex, NetworkNamespace};
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};

use super::PATIENCE;

/// ETH_P_ALL of linux/if_ether.h, in network order: packets that leave too, which a socket of one protocol is not shown.
const EVERYTHING: i32 = 0x0003_u16.to_be() as i32;

/// The versions of IP, as packets begin with them.
const VERSION_4: u8 = 4;
const VERSION_6: u8 = 6;

/// A packet's source and destination.
type Ends = (IpAddr, IpAddr);

/// A reminder for a NAT in an IPv4 packet (RFC 3948 §2.3): both headers, and one octet.
const REMINDER: usize = 20 + 8 + 1;

/// A packet that has passed.
struct Passed {
    ends: Ends,
    /// Its length with all its headers, in octets.
    length: usize,
}

/// A capture that goes on until it is dropped.
pub(crate) struct Capture {
    packets: Receiver<Passed>,
}

impl Capture {
    /// Captures on one device of a namespace, from now on.
    pub(crate) fn start(namespace: &NetworkNamespace, device: LinkIndex) -> Self {
        let open = || {
            Socket::new(
                Domain::PACKET,
                Type::DGRAM,
                Some(Protocol::from(EVERYTHING)),
            )
        };
        let socket = namespace.run(open).unwrap().unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let (sender, packets) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer) {
                    Ok((length, Some(from))) => (length, from),
                    Ok(_) | Err(nix::errno::Errno::EAGAIN) => continue,
                    Err(_) => return,
                };
                let ours = usize::try_from(device.value()).ok() == Some(from.ifindex());
                let packet = &buffer[..length];
                if ours
                    && let Some(ends) = ends(packet)
                    && sender.send(Passed { ends, length }).is_err()
                {
                    return;
                }
            }
        });
        Self { packets }
    }

    /// Sources of the packets to `destination` that come before one from `last` to it.
    pub(crate) fn sources_until(&self, last: IpAddr, destination: IpAddr) -> Vec<IpAddr> {
        let mut sources = Vec::new();
        loop {
            match self.packets.recv_timeout(PATIENCE).map(|one| one.ends) {
                Ok((from, to)) if to == destination && from == last => return sources,
                Ok((from, to)) if to == destination => sources.push(from),
                Ok(_) => {}
                Err(_) => panic!("no packet from {last} to {destination}"),
            }
        }
    }

    /// Waits for a packet.
    pub(crate) fn sees(&self, source: IpAddr, destination: IpAddr) {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let passed = self.packets.recv_timeout(PATIENCE);
            if passed.is_ok_and(|one| one.ends == (source, destination)) {
                return;
            }
        }
        panic!("no packet from {source} to {destination}");
    }

    /// How many packets have passed from one address to another that were not looked at, and how many of them were reminders
    /// for a NAT.
    pub(crate) fn reminders(&self, source: IpAddr, destination: IpAddr) -> (usize, usize) {
        let passed = self.packets.try_iter();
        let passed: Vec<Passed> = passed
            .filter(|one| one.ends == (source, destination))
            .collect();
        let reminders = passed.iter().filter(|one| one.length == REMINDER).count();
        (passed.len(), reminders)
    }

    /// Waits for a reminder for a NAT.
    pub(crate) fn sees_reminder(&self, source: IpAddr, destination: IpAddr, patience: Duration) {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if self.reminders(source, destination).1 > 0 {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("no reminder from {source} to {destination}");
    }
}

fn ends(packet: &[u8]) -> Option<Ends> {
    match packet.first()? >> 4 {
        VERSION_4 => {
            let address = |at: usize| -> Option<IpAddr> {
                let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                Some(Ipv4Addr::from(octets).into())
            };
            Some((address(12)?, address(16)?))
        }
        VERSION_6 => {
            let address = |at: usize| -> Option<IpAddr> {
                let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(Ipv6Addr::from(octets).into())
            };
            Some((address(8)?, address(24)?))
        }
        _ => None,
    }
}
