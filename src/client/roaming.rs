//! A client whose own address changes: the kernel says that the network is another, and the tunnel takes the way that leads to
//! the headend now.
//!
//! With MOBIKE the SAs move and nothing else changes (RFC 4555 §3.5). Without it the headend would have to guess: the client
//! connects again.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::{AsFd, OwnedFd},
};

use ironflex_ikev2::event::Path;
use ironflex_xfrm::netlink::NetworkChanges;
use tokio::io::unix::AsyncFd;

use super::target::any_of;
use crate::{daemon::IKE_PORT, lifetimes::has_events, readiness::watch};

/// Word of changes in this machine's network.
pub(super) struct Roaming {
    changes: NetworkChanges,
    readable: AsyncFd<OwnedFd>,
}

impl Roaming {
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Of netlink, dup and epoll.
    pub(super) fn open() -> io::Result<Self> {
        let changes = NetworkChanges::open().map_err(io::Error::other)?;
        let readable = watch(changes.as_fd().try_clone_to_owned()?)?;
        Ok(Self { changes, readable })
    }

    /// Resolves when something has changed.
    pub(super) async fn changed(&self) {
        has_events(Some(&self.readable)).await;
    }

    /// Takes note of all that has changed so far; whether it was anything.
    pub(super) fn take(&mut self) -> bool {
        self.changes.take()
    }
}

/// What a change of the network means for a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing, or nothing yet: there is no way to the headend.
    Stay,
    /// The SAs take another way.
    Move(Path),
    /// The tunnel has to be set up anew.
    Again,
}

/// Judges the address that packets to the headend leave from now.
///
/// `inner` are the tunnel's own addresses, which are no way to the headend.
pub(super) fn turn(present: Path, source: Option<IpAddr>, inner: &[IpAddr], mobike: bool) -> Turn {
    let Some(source) = source.filter(|source| !inner.contains(source)) else {
        return Turn::Stay;
    };
    if source == present.local.ip().to_canonical() {
        Turn::Stay
    } else if mobike {
        Turn::Move(Path {
            local: SocketAddr::new(source, present.local.port()),
            ..present
        })
    } else {
        Turn::Again
    }
}

/// The address that packets to `remote` leave from.
pub(super) fn source_for(remote: IpAddr) -> io::Result<IpAddr> {
    let probe = UdpSocket::bind((any_of(remote), 0))?;
    // Connecting a UDP socket sends nothing; it only chooses a route.
    probe.connect((remote, IKE_PORT))?;
    Ok(probe.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use ironflex_ikev2::event::Framing;

    use super::*;

    #[test]
    fn another_source_is_another_way_and_the_tunnels_own_is_none() {
        let present = Path {
            local: "198.51.100.2:40000".parse().unwrap(),
            remote: "192.0.2.1:4500".parse().unwrap(),
            framing: Framing::Marked,
        };
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let inner = ip("192.168.10.5");
        for (source, mobike, expected) in [
            (None, true, Turn::Stay),
            (ip("198.51.100.2"), true, Turn::Stay),
            (inner, true, Turn::Stay),
            (ip("203.0.113.9"), false, Turn::Again),
            (
                ip("203.0.113.9"),
                true,
                Turn::Move(Path {
                    local: "203.0.113.9:40000".parse().unwrap(),
                    ..present
                }),
            ),
        ] {
            let own: Vec<IpAddr> = inner.into_iter().collect();
            assert_eq!(turn(present, source, &own, mobike), expected, "{source:?}");
        }
    }
}
