//! What both ends' outsides are made of: one certificate and its key, and a toy EAP method.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of the support"
)]

use std::sync::{Arc, LazyLock};

use ironflex_ikev2::{
    crypto::{Signer, SigningKey, sign::SignatureScheme},
    event::{Answer, EapInput, EapOutput},
};

/// A key pair whose certificate an end is taken to have.
pub struct TestKey {
    signer: LazyLock<Signer>,
    /// The public half.
    pub spki: &'static [u8],
}

macro_rules! test_key {
    ($name:ident, $private:literal, $public:literal) => {
        pub static $name: TestKey = TestKey {
            signer: LazyLock::new(|| {
                let file = include_bytes!(concat!("../vectors/signatures/", $private));
                Signer::from_pkcs8(file).unwrap()
            }),
            spki: include_bytes!(concat!("../vectors/signatures/", $public)),
        };
    };
}

test_key!(RSA, "rsa-2048.pk8", "rsa-2048.spki");
test_key!(P256, "ec-p256.pk8", "ec-p256.spki");
test_key!(P384, "signing-p384.pk8", "signing-p384.spki");
test_key!(P521, "signing-p521.pk8", "signing-p521.spki");

impl TestKey {
    /// What kind of key it is.
    pub fn kind(&self) -> SigningKey {
        self.signer.kind()
    }

    /// Its signature.
    pub fn sign(&self, scheme: SignatureScheme, octets: &[u8]) -> Answer {
        match self.signer.sign(scheme, octets) {
            Ok(signature) => Answer::Signature(signature),
            Err(error) => Answer::Refused(Arc::from(error.to_string())),
        }
    }
}

/// The toy EAP method: code, identifier, length, then anything. It is not a method to use, only one
/// whose packets the core carries.
fn eap(code: u8, id: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + data.len()).unwrap().to_be_bytes();
    [&[code, id], &length[..], data].concat()
}

/// The toy method's authenticator: it asks `rounds` times, this being the `round`th, then judges the password.
pub fn eap_authenticator(round: u32, rounds: u32, password: &[u8], input: EapInput) -> EapOutput {
    match input {
        EapInput::Start(_) => EapOutput::Packet(eap(1, 1, b"hello")),
        EapInput::Packet(packet) if packet.get(4..) == Some(password) => {
            let number = u8::try_from(round).unwrap();
            if round < rounds {
                EapOutput::Packet(eap(1, number, b"more"))
            } else {
                EapOutput::Success {
                    packet: eap(3, number, b""),
                    user: Arc::from("test"),
                    msk: None,
                }
            }
        }
        _ => EapOutput::Failure {
            packet: eap(4, 1, b""),
            why: Arc::from("wrong password"),
        },
    }
}

/// The toy method's peer.
pub fn eap_peer(packet: &[u8], password: &[u8]) -> Answer {
    match packet.first() {
        Some(1) => Answer::Eap(EapOutput::Packet(eap(2, packet[1], password))),
        Some(3) => Answer::Eap(EapOutput::Concluded { msk: None }),
        _ => Answer::Refused(Arc::from("the headend refused the password")),
    }
}
