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
    crypto::{RsaSigner, sign::SignatureScheme},
    event::{Answer, EapInput, EapOutput},
};

static SIGNER: LazyLock<RsaSigner> = LazyLock::new(|| {
    RsaSigner::from_pkcs8(include_bytes!("../vectors/signatures/rsa-2048.pk8")).unwrap()
});
pub const SPKI: &[u8] = include_bytes!("../vectors/signatures/rsa-2048.spki");

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

/// The signature of both ends' certificate.
pub fn sign(scheme: SignatureScheme, octets: &[u8]) -> Answer {
    match SIGNER.sign(scheme, octets) {
        Ok(signature) => Answer::Signature(signature),
        Err(error) => Answer::Refused(Arc::from(error.to_string())),
    }
}
