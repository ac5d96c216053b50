//! The parts of the `ironflex` program.
//!
//! The four leaf crates meet here and nowhere else: `ikev2` speaks the protocol, `eap` the login,
//! `profiles` reads the configuration, `xfrm` carries ESP. [`daemon`] is the headend that joins them,
//! [`cli`] what is typed and printed, [`shell`] the operator's end of it, [`pki`] and [`aaa`] certificates and users.

pub mod aaa;
pub mod bundle;
pub mod cli;
pub mod client;
pub mod clock;
pub mod core_files;
pub mod daemon;
pub mod dataplane;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod files;
pub mod kernel_clock;
pub mod keylog;
pub mod lifetimes;
pub mod metrics;
pub mod operation;
pub mod pki;
pub mod random;
pub mod readiness;
pub mod shell;
pub mod signals;
pub mod state;
pub mod statistics;
pub mod terminal;
pub mod translate;
pub mod transport;
pub mod udp;
