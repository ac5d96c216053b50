//! NAT detection (RFC 7296 §2.23).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::{
    crypto::{Rng, hash::sha1},
    event::Path,
    wire::{
        header::{InitiatorSpi, ResponderSpi},
        payload::{Notify, Payload},
        registry::NotifyType,
    },
};

/// What both sides' hashes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nat {
    /// The peer sent its hashes at all.
    pub(crate) supported: bool,
    /// We are behind a NAT.
    pub(crate) local: bool,
    /// The peer is behind a NAT, or says so to get ESP in UDP.
    pub(crate) remote: bool,
    /// We said that we are, to get ESP in UDP.
    pub(crate) forced: bool,
}

impl Nat {
    /// ESP must travel in UDP. Both sides come to the same verdict from the same hashes; being on
    /// port 4500 alone says nothing, since a peer may be there for MOBIKE and send plain ESP.
    pub(crate) const fn udp_encapsulation(self) -> bool {
        // RFC 7296 §2.23#7: ESP goes in UDP where a NAT was found.
        self.supported && (self.local || self.remote || self.forced)
    }

    /// Something between changes addresses or ports, or one side claims so.
    pub(crate) const fn found(self) -> bool {
        self.local || self.remote
    }

    /// Compares the peer's hashes with the addresses that its message really had.
    pub(crate) fn detect(
        payloads: &[Payload],
        spi_i: InitiatorSpi,
        spi_r: Option<ResponderSpi>,
        path: &Path,
        forced: bool,
    ) -> Self {
        let hashes = |kind| {
            payloads.iter().filter_map(move |payload| match payload {
                Payload::Notify(notify) if notify.kind == kind => Some(notify.data.as_slice()),
                _ => None,
            })
        };
        let mut sources = hashes(NotifyType::NAT_DETECTION_SOURCE_IP).peekable();
        let mut destinations = hashes(NotifyType::NAT_DETECTION_DESTINATION_IP).peekable();
        if sources.peek().is_none() || destinations.peek().is_none() {
            return Self::default();
        }
        // RFC 7296 §2.23: several source hashes may be sent; one that fits is enough.
        let seen_remote = hash(spi_i, spi_r, path.remote);
        let seen_local = hash(spi_i, spi_r, path.local);
        Self {
            supported: true,
            remote: !sources.any(|sent| sent == seen_remote),
            local: !destinations.any(|sent| sent == seen_local),
            forced,
        }
    }
}

/// RFC 7296 §2.23#9-10: SHA-1 over the SPIs, the address and the port, as they stand in the packet.
pub(crate) fn hash(
    spi_i: InitiatorSpi,
    spi_r: Option<ResponderSpi>,
    address: SocketAddr,
) -> [u8; 20] {
    let spi_r = spi_r.map_or([0; 8], ResponderSpi::to_be_bytes);
    let port = address.port().to_be_bytes();
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => sha1(&[&spi_i.to_be_bytes(), &spi_r, &ip.octets(), &port]),
        IpAddr::V6(ip) => sha1(&[&spi_i.to_be_bytes(), &spi_r, &ip.octets(), &port]),
    }
}

/// Our two hashes. With `force` the source hash is a random one, so that the peer sees a NAT.
pub(crate) fn announce(
    spi_i: InitiatorSpi,
    spi_r: Option<ResponderSpi>,
    path: &Path,
    force: bool,
    rng: &mut dyn Rng,
) -> [Payload; 2] {
    let mut source = hash(spi_i, spi_r, path.local);
    if force {
        rng.fill(&mut source);
    }
    let destination = hash(spi_i, spi_r, path.remote);
    let say = |kind, hash: [u8; 20]| Payload::Notify(Notify::new(kind, Vec::from(hash)));
    [
        say(NotifyType::NAT_DETECTION_SOURCE_IP, source),
        say(NotifyType::NAT_DETECTION_DESTINATION_IP, destination),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Framing;

    struct Nines;

    impl Rng for Nines {
        fn fill(&mut self, out: &mut [u8]) {
            out.fill(9);
        }
    }

    fn path(local: &str, remote: &str) -> Path {
        Path {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            framing: Framing::Bare,
        }
    }

    fn detect(sent: &Path, seen: &Path, force: bool) -> Nat {
        let spi = InitiatorSpi::new(1).unwrap();
        let payloads = announce(spi, None, sent, force, &mut Nines);
        Nat::detect(&payloads, spi, None, seen, false)
    }

    // RFC 7296 §2.23#10,12: equal hashes mean no NAT, a different source hash one at the peer, a different
    // destination hash one at our end.
    #[test]
    fn finds_no_nat_a_nat_at_the_peer_and_one_at_our_end() {
        let client = path("10.1.1.1:500", "192.0.2.1:500");
        let plain = detect(&client, &path("192.0.2.1:500", "10.1.1.1:500"), false);
        assert_eq!((plain.local, plain.remote), (false, false));
        assert!(!plain.udp_encapsulation());
        let there = detect(&client, &path("192.0.2.1:500", "192.0.2.100:61000"), false);
        assert_eq!((there.local, there.remote), (false, true));
        let here = detect(&client, &path("172.16.0.1:500", "10.1.1.1:500"), false);
        assert_eq!((here.local, here.remote), (true, false));
        assert!(here.udp_encapsulation());
    }

    #[test]
    fn takes_a_falsified_source_for_a_nat() {
        let client = path("10.1.1.1:500", "192.0.2.1:500");
        let forced = detect(&client, &path("192.0.2.1:500", "10.1.1.1:500"), true);
        assert_eq!((forced.local, forced.remote), (false, true));
    }

    #[test]
    fn says_unsupported_without_hashes() {
        let nat = Nat::detect(
            &[],
            InitiatorSpi::new(1).unwrap(),
            None,
            &path("10.0.0.1:500", "10.0.0.2:500"),
            true,
        );
        assert_eq!(nat, Nat::default());
        assert!(!nat.udp_encapsulation());
    }
}
