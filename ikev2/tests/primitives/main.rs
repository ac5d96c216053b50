//! The codec and the cryptography by themselves: captures, published vectors and properties.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]

#[path = "../support/pcap.rs"]
mod pcap;
#[path = "../support/crypto.rs"]
mod support;

mod kdf_vectors;
mod key_exchange;
mod key_schedule;
mod ml_kem;
mod signatures;
mod wire_captures;
mod wire_properties;
mod wycheproof;
