//! The IOS-XE configuration language of ironflex: text to a typed model, and back.
//!
//! ```text
//!   text ──parse──▶ Candidate ──resolve──▶ Snapshot ──▶ the daemon
//!                      │  ▲
//!                   render parse         Diagnostics point at lines all the way
//!                      ▼  │
//!                canonical text
//! ```
//!
//! * [`parse()`] takes text as it is pasted from a document or a terminal and collects every fault
//!   with its line, column and what was expected. It walks one declarative table of commands
//!   ([`tree`]), the same that a shell's help and completion are made from.
//! * [`resolve()`] binds names, fills smart defaults in, and refuses what contradicts itself; the
//!   order of the lines does not matter to it.
//! * [`render()`] writes a candidate as a router's running configuration. What it writes reads back
//!   as the same candidate, and is written the same again. [`render_all()`] writes the defaults as well.
//! * [`check()`] does both readings of a file at once and tells of each fault once: what
//!   `ironflex check` prints and what a load refuses.
//! * [`Snapshot::policy_for`] and [`Snapshot::profile_for`] decide what a peer gets.
//! * [`anyconnect`] reads the XML profile of the client, which is no part of the language but is
//!   named by it.
//!
//! What this crate is not: it opens no file, carries out no action ([`model::Action`] is a value),
//! reads no clock and draws no randomness; it is `no_std` with `alloc`.
//!
//! A line of IOS-XE that the headend does not serve is refused by name, never passed over.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod anyconnect;
mod check;
pub mod closest;
mod command;
mod defaults;
mod delimited;
mod diff;
mod error;
pub mod help;
mod lexer;
pub mod model;
mod outline;
mod parse;
pub mod password;
mod render;
mod resolve;
pub mod secrets;
mod select;
pub mod snapshot;
pub mod tree;
pub mod typing;
mod walk;

pub use check::{Checked, check, check_tied};
pub use diff::differences;
pub use error::{Diagnostic, Fault, Severity, Span};
pub use lexer::LINE_LIMIT;
pub use model::Candidate;
pub use parse::{DIAGNOSTIC_LIMIT, Parsed, parse};
pub use render::{render, render_all};
pub use resolve::{Live, resolve, resolve_live, ties};
pub use select::PeerIdentity;
pub use snapshot::Snapshot;
