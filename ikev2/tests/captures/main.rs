//! Both captured logins replayed through the core: our responder answers the captured client, and
//! our initiator asks the captured headend, although neither other end is there. The one thing that a
//! replay cannot know, the private key of the key exchange, is stood in for by the g^ir that was
//! written down beside the capture; nonces, SPIs and public values are the captured ones.
//!
//! What follows is the core's own: every message is opened and put together from Cisco's or RFC 7383
//! fragments by it, AUTH is judged by it, and the child SA's keys must be those of the capture's
//! table. The codec and the key schedule alone are tried in `wire_captures.rs` and `key_schedule.rs`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/pcap.rs"]
mod pcap;

mod client;
mod der;
mod headend;
mod login;
mod replay;
mod sealed;
