//! What `show` prints: pure functions from the typed facts of [`crate::state`] to text.
//!
//! Lines, fields, columns and blanks (those at the end of a line included) are IOS-XE 16.9's, because
//! scripts read them. Every text ends with a line feed, or is empty where a router prints nothing.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::state::Hash;

pub mod aaa;
pub mod access_lists;
pub mod admission;
mod crypto_session;
mod debugging;
mod derived_config;
mod diagnose;
pub mod directory;
mod facts;
#[cfg(test)]
mod house_tests;
mod ikev2_objects;
mod ikev2_sa;
mod ikev2_session;
mod ikev2_stats;
mod interface;
mod interfaces;
mod ip_local_pool;
mod ipsec_objects;
mod ipsec_sa;
#[cfg(test)]
mod ipsec_tests;
mod ipv6;
mod ipv6_local_pool;
#[cfg(test)]
mod json_tests;
pub(crate) mod logging;
mod machine;
pub mod neighbors;
pub mod objects;
#[cfg(test)]
mod objects_tests;
pub mod pki;
mod processor;
#[cfg(test)]
mod reader_tests;
mod routes;
#[cfg(test)]
mod scene_tests;
mod secrets;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::several as test_sessions;

pub use aaa::{LockedOutUser, MethodLists, TerminalFacts};
pub use access_lists::RouteFacts;
pub use crypto_session::{
    SessionFilter, SessionQuery, crypto_session, crypto_session_brief, crypto_session_groups,
    crypto_session_summary,
};
pub use debugging::debugging;
use debugging::debugging_facts;
pub use derived_config::derived_config;
use derived_config::{derived_session, interface_configuration};
pub use diagnose::{DiagnoseFilter, ErrorFacts, error_facts, ikev2_diagnose, ikev2_diagnose_error};
pub use facts::{Configured, Facts, Form};
pub use ikev2_objects::{ikev2_authorization_policy, ikev2_policy, ikev2_profile, ikev2_proposal};
pub use ikev2_sa::{Ikev2SaFilter, Ikev2SaQuery, SaNumbers, ikev2_sa};
pub use ikev2_session::ikev2_session;
pub use ikev2_stats::{Ikev2Stats, ikev2_stats};
pub use interfaces::{
    InterfaceCounters, InterfaceFacts, interface_named, interfaces, interfaces_description,
    ip_interface, ip_interface_brief, lines_of, running_config_interface,
};
pub use ip_local_pool::ip_local_pool;
pub use ipsec_objects::{ipsec_profile, ipsec_transform_set};
pub use ipsec_sa::{IpsecSaFilter, IpsecSaQuery, ipsec_sa, ipsec_sa_count};
pub use ipv6::Ipv6InterfaceFacts;
pub use ipv6_local_pool::ipv6_local_pool;
pub use machine::{
    Part, RollbackFacts, Version, clock, differences, inventory, isakmp_sa, parts, running_config,
    startup_config, version,
};
pub use processor::{Load, ProcessorFacts, processes_cpu};
pub use secrets::{Secrets, without_secrets};

/// Collects what `render` writes.
fn text(render: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = render(&mut out);
    out
}

/// Displays an address as a router does: IPv6 in capitals, mapped IPv4 as IPv4.
struct Address(IpAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_canonical() {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => f.pad(&address.to_string().to_ascii_uppercase()),
        }
    }
}

/// Displays an address and a port with a slash between.
struct End<'a>(&'a SocketAddr);

impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Address(self.0.ip()), self.0.port())
    }
}

/// Displays a time as `Uptime` does: `00:14:54` below a day, then `3d18h`, `1w2d`, `2y07w`.
pub(crate) struct Elapsed(pub(crate) Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match (days, days / 7, days / 365) {
            (0, ..) => write!(f, "{hours:02}:{:02}:{:02}", minutes % 60, seconds % 60),
            (_, 0, _) => write!(f, "{days}d{:02}h", hours % 24),
            (_, weeks, 0) => write!(f, "{weeks}w{}d", days % 7),
            (.., years) => write!(f, "{years}y{:02}w", days % 365 / 7),
        }
    }
}

/// The name of a hash function inside a PRF.
const fn hash(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "SHA1",
        Hash::Sha256 => "SHA256",
        Hash::Sha384 => "SHA384",
        Hash::Sha512 => "SHA512",
    }
}

/// The name of an integrity algorithm; SHA-1 alone is called by the length of its check value.
const fn integrity(integrity: Option<Hash>) -> &'static str {
    match integrity {
        None => "None",
        Some(Hash::Sha1) => "SHA96",
        Some(other) => hash(other),
    }
}
