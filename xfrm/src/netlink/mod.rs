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
//! Headend and clients may live in one network namespace: what each makes bears the marks of its [`Owner`], so that
//! [`cleanup()`] after a crash removes that owner's alone.
//!
//! This module is not a general netlink library, and never starts another program.

pub mod namespace;
pub mod sysctl;

mod address;
mod algorithm;
mod backend;
mod changes;
mod cleanup;
mod conntrack;
mod error;
mod expression;
mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handover;
mod link;
mod message;
mod monitor;
mod neighbour;
mod network;
mod nft;
mod outline;
mod owner;
mod policy;
mod probe;
mod route;
mod rule;
mod socket;
mod sockopt;
mod state;
mod statistics;

pub use address::LinkAddress;
pub use backend::{KernelDataplane, KernelOptions};
pub use changes::NetworkChanges;
pub use cleanup::{CleanupScope, Removed, cleanup, cleanup_beside};
pub use conntrack::{Translation, translations};
pub use error::{KernelErrno, NetlinkError};
pub use filter::{Fate, FilterProbe, FilterRules, Stop};
pub use link::{Link, LinkKind, LinkTraffic, NAME_OCTETS, NewLink, Through};
pub use namespace::NetworkNamespace;
pub use neighbour::{Neighbour, NeighbourState};
pub use network::{LinkIndex, Network};
pub use nft::{
    BaseChain, Clamp, ClampPlace, Firewall, Hook, Masquerade, PoolGuard, Ruleset, SourceRule,
};
pub use outline::outline;
pub use owner::{ClientClaim, ClientNumber, Owner};
pub use probe::{ALL_ALGORITHMS, PROBE_DEVICE, missing_algorithms, xfrm_interfaces};
pub use route::{MAIN_TABLE, NextHop, Route, RouteTarget};
pub use rule::Rule;
pub use sockopt::{bypass_policies, take_esp_in_udp};

/// The name of the nftables table (family `inet`) that holds everything of the headend's.
pub const TABLE: &str = "ironflex";

/// How the names of our own devices begin.
pub const DEVICE_PREFIX: &str = "ironflex";
