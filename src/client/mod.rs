//! `ironflex connect`: an AnyConnect-EAP IKEv2 client.
//!
//! ```text
//!   options ──► run: connects, and again after a loss
//!                └─► connection: resolve, sockets, ikev2::Endpoint ──► report (text or JSON lines)
//!                     ├─► outside: trust (chain, name), login (EAP), dataplane, network
//!                     └─► terminal: what the user types, asked for while all else goes on
//! ```
//!
//! Before any password leaves, the headend has proven itself under a chain, name and key usage that a
//! Cisco Secure Client would accept.

mod asking;
mod backoff;
mod barrier;
mod bound;
mod cause;
pub mod connection;
pub mod credentials;
pub mod device;
pub mod end;
pub mod login;
pub mod network;
mod notify;
pub mod options;
pub mod outside;
pub mod place;
pub mod proof;
pub mod redirect;
mod rekey;
pub mod report;
mod roaming;
pub mod trust;

mod offer;
mod resolver;
mod run;
mod sockets;
mod target;
mod unheard;
mod written_identity;

pub use connection::Connection;
pub use end::End;
pub use options::Options;
pub use run::run;
