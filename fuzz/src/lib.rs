//! The bodies of the fuzz targets (docs/fuzzing.md): functions of octets that panic where something that must hold does
//! not. Each knows what its octets mean to it; none needs a fuzzer, so that the corpora replay as tests.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a body ends where an expectation fails"
)]
#![allow(unreachable_pub, reason = "the tests have the bodies as a module")]

mod attributes;
mod certificates;
mod config_auth;
mod configuration;
mod eap;
mod fragments;
mod input;
mod message;
mod opened;
mod pkcs12;
mod profile;

pub use attributes::attributes;
pub use certificates::certificates;
pub use config_auth::config_auth;
pub use configuration::configuration;
pub use eap::eap;
pub use fragments::fragments;
pub use message::message;
pub use opened::opened;
pub use pkcs12::pkcs12;
pub use profile::profile;
