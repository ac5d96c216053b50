//! `show debugging`.

use std::fmt::Write;

use super::text;
use crate::cli::{debug_words::DebugFlags, exec::DebugFlag};

/// Under which heading which debugs are told.
const SECTIONS: [(&str, &[DebugFlag]); 3] = [
    (
        "General OS",
        &[DebugFlag::AaaAuthentication, DebugFlag::AaaAuthorization],
    ),
    (
        "Cryptographic Subsystem",
        &[DebugFlag::CryptoIpsec, DebugFlag::CryptoPki],
    ),
    (
        "IKEV2",
        &[
            DebugFlag::Ikev2Error,
            DebugFlag::Ikev2,
            DebugFlag::Ikev2Packet,
            DebugFlag::Ikev2Internal,
        ],
    ),
];

/// What `debug` has turned on; nothing where all is off.
#[must_use]
pub fn debugging(flags: &DebugFlags) -> String {
    text(|out| {
        for (title, section) in SECTIONS {
            let on = || section.iter().filter(|flag| flags.is_on(**flag));
            if on().next().is_none() {
                continue;
            }
            writeln!(out, "{title}:")?;
            for flag in on() {
                writeln!(out, "  {} debugging is on", flag.title())?;
            }
            writeln!(out)?;
        }
        Ok(())
    })
}

/// The titles of what is on.
pub(super) fn debugging_facts(flags: &DebugFlags) -> Vec<&'static str> {
    let all = SECTIONS.iter().flat_map(|(_, section)| section.iter());
    all.filter(|flag| flags.is_on(**flag))
        .map(|flag| flag.title())
        .collect()
}
