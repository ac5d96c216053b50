//! Sans-IO EAP for the headend and for its client: the packet codec of RFC 3748 and one method,
//! Cisco's AnyConnect-EAP ("aggregate authentication"), in both roles.
//!
//! ```text
//!          EAP payload of IKE_AUTH                          the outside's answer
//!                 │  &[u8]                                        │ Verdict, certificate name
//!   ┌─────────────▼────────────────────────────────────────────────▼───────────────┐
//!   │ packet ─► anyconnect::frame ─► document (bounds, XML) ─► server::Server      │
//!   │  code, id     TLVs 0, 1, 3        config_auth types       or client::Client  │
//!   └─────────────┬────────────────────────────────────────────────┬───────────────┘
//!                 │ Step: the next packet, Success, Failure        │ Step: CheckPassword, VerifyCertificate
//!                 ▼                                                ▼
//!          EAP payload of IKE_AUTH                          AAA, PKI, a person at a terminal
//! ```
//!
//! # Contract
//!
//! A conversation is a value. [`anyconnect::Server::handle`] and [`anyconnect::Client::handle`]
//! take it and one received packet and return a step, which holds the conversation's next state or
//! its end. What only the outside can decide (is this password right, is this chain good, what does
//! the user type) is a state of its own with a method that takes the answer; nothing is awaited and
//! no callback runs in here. There is no I/O, no clock and no randomness: random octets come in
//! where a session's token is made ([`anyconnect::SessionIds::new`]), and time-outs and
//! retransmissions are IKE's (RFC 7296 §2.16 carries EAP in requests and responses that are
//! themselves reliable).
//!
//! Received octets cannot end the process: lengths, depth, nodes and counts are bounded before a
//! document is parsed, and each refusal is a named error.
//!
//! # What it is not
//!
//! No other EAP method, no RADIUS, no key: AnyConnect-EAP exports none, so the final AUTH payloads
//! are computed with SK_pi and SK_pr as RFC 7296 §2.16 has it for such methods.
//! `docs/anyconnect-eap.md` describes the method.
//!
//! | RFC | what | status |
//! | --- | --- | --- |
//! | 3748 §4 | packet format, Success, Failure | both roles; the length must match exactly, see [`packet`] |
//! | 3748 §5.1, §5.2 | Identity, Notification | the client answers both; the server sends neither |
//! | 3748 §5.3 | Legacy and Expanded Nak | the client sends both; either ends the method at the server |
//! | 3748 §5.7 | Expanded types | vendor 9, vendor type 0x44425250 |
//! | 2315, 5652 | certificates-only SignedData | read in wire order, written; definite lengths only |

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod anyconnect;
pub mod packet;
mod secret;

pub use secret::Secret;
