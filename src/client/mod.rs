//! `ironflex connect`: an AnyConnect-EAP IKEv2 client.
//!
//! ```text
//!   options ──► connection: resolve, sockets, ikev2::Endpoint ──► report (text or JSON lines)
//!                   │ asks
//!                   │                     └─► terminal: what the user types, asked for without waiting
//!                   └─► outside: trust (chain, name), login (EAP), dataplane, network, under the marks of its place
//! ```
//!
//! Before any password leaves, the headend has proven itself under a chain, name and key usage that a
//! Cisco Secure Client would accept.

pub mod connection;
pub mod end;
pub mod login;
pub mod network;
pub mod options;
pub mod outside;
pub mod place;
pub mod report;
pub mod trust;

mod offer;
mod resolver;
mod target;

pub use connection::{Connection, run};
pub use end::End;
pub use options::Options;
