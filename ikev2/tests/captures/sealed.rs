//! What both ends wrote, written again.

use ironflex_ikev2::{
    crypto::{Rng, cipher::MessageKeys, keys::ProtectionKeys, suite::*},
    secret::SecretBytes,
    wire::{Body, PartialMessage},
};

use crate::{
    login::{CISCO, secret},
    pcap,
};

struct Once(Vec<u8>);

impl Rng for Once {
    fn fill(&mut self, out: &mut [u8]) {
        out.copy_from_slice(&self.0);
    }
}

// RFC 7296 §3.14, RFC 3602: under the captured IV our cipher and check value make the captured octets.
// (A combined mode's IV is a counter of our own, so only the first capture can be written again.)
// RFC 7296 §3.14#8: the check value is over the encrypted message, header and all.
#[test]
fn the_captured_messages_are_sealed_again_octet_for_octet() {
    let mut sealed_again = 0;
    for datagram in pcap::read(CISCO.name) {
        let message = PartialMessage::parse(&datagram.message).unwrap();
        let Body::Encrypted(closed) = message.body else {
            continue;
        };
        let side = if datagram.from_initiator { "i" } else { "r" };
        let key = |field: &str| SecretBytes::new(secret(CISCO.name, &format!("sk_{field}{side}")));
        let mut keys = MessageKeys::new(ProtectionKeys::EncryptThenMac {
            cipher: CbcAlgorithm::AesCbc256,
            key: key("e"),
            integrity: Integrity::HmacSha2_256_128,
            integrity_key: key("a"),
        });
        let plain = keys.open(closed.aad, closed.sealed).unwrap();
        let mut again = [&[0; 16], plain.as_bytes(), &[0; 16]].concat();
        let mut iv = Once(closed.sealed[..16].to_vec());
        keys.seal(&mut iv, closed.aad, &mut again).unwrap();
        assert_eq!(again, closed.sealed);
        sealed_again += 1;
    }
    assert!(sealed_again >= 8, "only {sealed_again} messages");
}
