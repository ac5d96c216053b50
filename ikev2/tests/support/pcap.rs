//! Reads the captures under `vectors/`: pcap with microseconds, little-endian, Ethernet, IPv4, UDP. Anything else ends the
//! test.

#![allow(clippy::disallowed_methods, reason = "captures are files")]

use std::path::Path;

/// One IKE message of a capture, in the order of the capture. ESP and keepalives are left out.
pub(crate) struct Datagram {
    /// Whether it came from the initiator, whose address is that of the first packet.
    pub(crate) from_initiator: bool,
    /// The UDP source and destination ports.
    pub(crate) ports: (u16, u16),
    /// The IKE message, without the non-ESP marker.
    pub(crate) message: Vec<u8>,
}

/// Every IKE message in `vectors/<name>/capture.pcap`.
pub(crate) fn read(name: &str) -> Vec<Datagram> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name);
    let file = std::fs::read(path.join("capture.pcap")).expect("the capture is in the tree");
    let (magic, mut rest) = file.split_at(24);
    assert_eq!(
        magic[..4],
        0xa1b2_c3d4_u32.to_le_bytes(),
        "little-endian pcap"
    );
    let mut initiator = None;
    let mut datagrams = Vec::new();
    while !rest.is_empty() {
        let captured = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let frame = &rest[16..16 + captured];
        rest = &rest[16 + captured..];
        if frame[12..14] != [0x08, 0x00] || frame[23] != 17 {
            continue;
        }
        let ip = &frame[14..];
        let udp = &ip[usize::from(ip[0] & 0x0f) * 4..];
        let [source, destination, length] =
            [0, 2, 4].map(|at| u16::from_be_bytes(udp[at..at + 2].try_into().unwrap()));
        let data = &udp[8..usize::from(length)];
        let message = match (destination, data) {
            (4500, [0, 0, 0, 0, message @ ..]) => message,
            (4500, _) => continue,
            (_, message) => message,
        };
        let from: [u8; 4] = ip[12..16].try_into().unwrap();
        datagrams.push(Datagram {
            from_initiator: *initiator.get_or_insert(from) == from,
            ports: (source, destination),
            message: message.to_vec(),
        });
    }
    datagrams
}
