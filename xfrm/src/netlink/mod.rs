//! The kernel below: XFRM states and policies, links, addresses, routes and nf_tables, over netlink.
//!
//! ```text
//!  KernelDataplane ── state, policy, monitor ──┐
//!  Network ────────── link, address, route ────┼── NetlinkSocket (one request, its acknowledgement) ── kernel
//!  Firewall ───────── nft ─────────────────────┘
//! ```
//!
//! Everything blocks for the few microseconds that the kernel takes; nothing here waits for a peer. A socket
//! belongs to the network namespace in which it was opened: see [`NetworkNamespace::run`].
//!
//! What is ours can be told from what is not, so that [`cleanup()`] after a crash removes only that: reqids from
//! [`crate::SessionId::REQID_BASE`] on, the route protocol number [`ROUTE_PROTOCOL`], the nftables table [`TABLE`],
//! and devices that both are named [`DEVICE_PREFIX`]… and have the alias [`DEVICE_ALIAS`].
//!
//! This module is not a general netlink library, and never starts another program.

pub mod namespace;
pub mod sysctl;

mod address;
mod algorithm;
mod backend;
mod cleanup;
mod error;
mod expression;
mod handover;
mod link;
mod message;
mod monitor;
mod network;
mod nft;
mod policy;
mod probe;
mod route;
mod socket;
mod sockopt;
mod state;
mod statistics;

pub use address::LinkAddress;
pub use backend::{KernelDataplane, KernelOptions};
pub use cleanup::{CleanupScope, Removed, cleanup};
pub use error::{KernelErrno, NetlinkError};
pub use link::{Link, LinkKind, NAME_OCTETS, NewLink};
pub use namespace::NetworkNamespace;
pub use network::{LinkIndex, Network};
pub use nft::{Firewall, Masquerade, PoolGuard, Ruleset, SourceRule};
pub use probe::{ALL_ALGORITHMS, missing_algorithms, xfrm_interfaces};
pub use route::{GUARD_METRIC, MAIN_TABLE, NextHop, Route, RouteTarget, SESSION_METRIC};
pub use sockopt::{bypass_policies, take_esp_in_udp};

/// The protocol number (`rtm_protocol`) of every route of ours. 241 is neither in the kernel's
/// rtnetlink.h nor in iproute2's rt_protos.
pub const ROUTE_PROTOCOL: u8 = 241;

/// The name of the nftables table (family `inet`) that holds everything of ours.
pub const TABLE: &str = "ironflex";

/// How the names of our own devices begin.
pub const DEVICE_PREFIX: &str = "ironflex";

/// The alias (`ip link set … alias`) of our own devices.
pub const DEVICE_ALIAS: &str = "ironflex";
