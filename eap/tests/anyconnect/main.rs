//! AnyConnect-EAP from outside: whole conversations, the captures, bad input, properties.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod captures;
mod client;
mod conversation;
mod hostile;
mod properties;
mod support;
