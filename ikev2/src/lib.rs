//! Sans-IO IKEv2 (RFC 7296), initiator and responder.
//!
//! ```text
//!                          ┌────────────────────────────────────────────┐
//!   Input::Datagram ──────►│ Endpoint                                   │──► Output::Transmit
//!   Input::Answer ────────►│   route by our SPI, cookies, budgets       │──► Output::Ask
//!   Input::Command ───────►│   ┌──────────────────────────────────────┐ │──► Output::Event
//!   Input::Timeout ───────►│   │ IkeSa: window → open → State::handle │ │──► Output::Discarded
//!                          │   └──────────────────────────────────────┘ │──► Output::Timeout
//!                          └────────────────────────────────────────────┘
//! ```
//!
//! Nothing here does I/O, reads a clock or draws randomness: time comes with every input, random
//! octets from [`crypto::Rng`], and key exchange and signature verification from a
//! [`crypto::Provider`] (the features `aws-lc` and `ring` bring one). What only the outside can
//! decide — which profile, is this chain good, a signature, an EAP step, an address, installing an
//! SA — leaves as [`Output::Ask`] and comes back as [`Input::Answer`]; nothing is awaited.
//!
//! # The drain contract
//!
//! After every [`Endpoint::handle`] call [`Endpoint::poll`] until it returns [`Output::Timeout`], and
//! call `handle` with [`Input::Timeout`] when that instant has come.
//!
//! # What of the RFCs is here
//!
//! | RFC | status |
//! | --- | --- |
//! | 7296 IKEv2 | IKE_SA_INIT, IKE_AUTH (signature, EAP), INFORMATIONAL, CREATE_CHILD_SA with rekeying of both kinds |
//! | 4555 MOBIKE | address updates, return routability, NAT detection again; one address at a time on either side |
//! | 5685 redirection | at IKE_SA_INIT and IKE_AUTH, in both roles; not in a session that is up |
//! | 6290 quick crash detection | makes tokens by §5.1 and takes them, in both roles; no rollover of secrets, no map of child SPIs |
//! | 7383 fragmentation | both directions; beside it Cisco's own (docs/anyconnect-eap.md) |
//! | 7427 signature authentication | RSASSA-PKCS1-v1_5 sent; that, RSASSA-PSS and ECDSA verified |
//! | 5282, 4868, 3526, 5903, 8031 | algorithms, see [`crypto::suite`] |

#![cfg_attr(not(test), no_std)]

extern crate alloc;

/// The names of an enum's variants, for counters: one by one, and all of them.
macro_rules! names {
    (
        $visible:vis fn name:
        $($variant:pat => $name:literal,)+
        $(; $($outer:pat => $inner:expr,)+)?
    ) => {
        const NAMES: &'static [&'static str] = &[$($name),+];

        /// The reason without its details, for counters.
        $visible const fn name(&self) -> &'static str {
            match self {
                $($variant => $name,)+
                $($($outer => $inner.name(),)+)?
            }
        }
    };
}

pub mod authn;
pub mod config;
mod cookie;
pub mod counters;
pub mod crash_detection;
pub mod crypto;
mod endpoint;
pub mod error;
pub mod event;
mod fragment_budget;
mod negotiate;
pub mod proof;
mod rate;
pub mod refusal;
mod sa;
pub mod secret;
pub mod source;
mod strangers;
pub mod view;
pub mod wire;

pub use endpoint::Endpoint;
pub use event::{Answer, Ask, Input, Output};
