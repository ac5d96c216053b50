//! Endpoints against each other, and against peers that break the rules. One program for all of it, for
//! linking each of its files by itself took longer than running them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]

#[path = "../support/bad_publics.rs"]
mod bad_publics;
#[path = "../support/flood.rs"]
mod flood;
#[path = "../support/holder.rs"]
mod holder;
#[path = "../support/mod.rs"]
mod support;

mod childless;
mod collisions;
mod counted;
mod crash_detection;
mod eap_only;
mod exhaustion;
mod followup;
mod fragment_memory;
mod fragments;
mod hostile;
mod hostile_create;
mod hostile_init;
mod hostile_intermediate;
mod hostile_rekey;
mod hostile_states;
mod injected_answers;
mod intermediate;
mod large_requests;
mod leaving;
mod lifetimes;
mod limits;
mod liveness;
mod login;
mod mobike;
mod pfs;
mod ppk;
mod pre_shared_key;
mod redirect;
mod rekey;
mod repeats;
mod requirements;
mod signature_methods;
mod sources;
mod traces;
mod unknown_spi;
