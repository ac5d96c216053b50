//! Who speaks IKE by hand: a peer without keys, and one who means harm.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use ironflex_xfrm::netlink::NetworkNamespace;

use super::PATIENCE;

const IKE_PORT: u16 = 500;

/// Payload types of RFC 7296 §3.2.
const SA: u8 = 33;
const KE: u8 = 34;
const NONCE: u8 = 40;
const NOTIFY: u8 = 41;

/// Notify message types of RFC 7296 §2.23.
const NAT_DETECTION: [u16; 2] = [16388, 16389];

/// A payload: the type of the next one, and what stands in this one.
fn payload(next: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + body.len()).unwrap();
    let mut octets = vec![next, 0];
    octets.extend(length.to_be_bytes());
    octets.extend(body);
    octets
}

/// An IKE_SA_INIT request as the example's policy takes it (RFC 7296 §1.2): AES-CBC-256, SHA-256, group 14. The public
/// value is nobody's, which no one can tell.
pub(crate) fn init(spi: u64) -> Vec<u8> {
    let transform = |more: u8, kind: u8, id: u8, attributes: &[u8]| {
        let length = u8::try_from(8 + attributes.len()).unwrap();
        let mut octets = vec![more, 0, 0, length, kind, 0, 0, id];
        octets.extend(attributes);
        octets
    };
    let key_length = [0x80, 14, 1, 0];
    let transforms = [
        transform(3, 1, 12, &key_length),
        transform(3, 2, 5, &[]),
        transform(3, 3, 12, &[]),
        transform(0, 4, 14, &[]),
    ]
    .concat();
    let length = u16::try_from(8 + transforms.len()).unwrap().to_be_bytes();
    let mut proposal = vec![0, 0, length[0], length[1], 1, 1, 0, 4];
    proposal.extend(transforms);
    // Digests of no address: there is a NAT.
    let detection = |kind: u16| {
        let mut octets = vec![0, 0];
        octets.extend(kind.to_be_bytes());
        octets.extend([0x11; 20]);
        octets
    };
    let mut key_exchange = vec![0, 14, 0, 0];
    key_exchange.extend([0x5a; 256]);
    let body = [
        payload(KE, &proposal),
        payload(NONCE, &key_exchange),
        payload(NOTIFY, &[0xa5; 32]),
        payload(NOTIFY, &detection(NAT_DETECTION[0])),
        payload(0, &detection(NAT_DETECTION[1])),
    ]
    .concat();
    let length = u32::try_from(28 + body.len()).unwrap();
    let mut octets = spi.to_be_bytes().to_vec();
    octets.extend([0; 8]);
    // Version 2.0, exchange IKE_SA_INIT, from the initiator, message ID 0.
    octets.extend([SA, 0x20, 34, 0x08, 0, 0, 0, 0]);
    octets.extend(length.to_be_bytes());
    octets.extend(body);
    octets
}

/// A socket in a client's namespace, and the headend that it speaks to.
pub(crate) struct Stranger {
    socket: UdpSocket,
    headend: SocketAddr,
}

impl Stranger {
    pub(crate) fn new(namespace: &NetworkNamespace, headend: IpAddr) -> Self {
        let bind = || UdpSocket::bind(("0.0.0.0", 0)).unwrap();
        let socket = namespace.run(bind).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            headend: SocketAddr::new(headend, IKE_PORT),
        }
    }

    pub(crate) fn send(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.headend).unwrap();
    }

    /// Waits for an answer.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
        assert_eq!(from, self.headend);
        buffer[..length].to_vec()
    }

    /// Demands that no answer has come.
    pub(crate) fn heard_nothing(&self) {
        self.socket.set_nonblocking(true).unwrap();
        let heard = self.socket.recv_from(&mut [0; 2048]);
        self.socket.set_nonblocking(false).unwrap();
        assert_eq!(heard.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}
