//! Placeholder of the crate root.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod authn;
pub mod crypto;
pub mod error;
pub mod secret;
pub mod wire;
