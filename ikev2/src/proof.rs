//! Zero-sized proofs: what a check leaves behind and the next step's signature demands.
//!
//! Each can only be made by its `assertion`, so a search for that word finds every place that
//! claims a check. None can be copied: where two steps demand one, the second borrows it.

/// The octets at hand passed the integrity check of an IKE SA's keys.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Authentic(());

impl Authentic {
    pub(crate) const fn assertion() -> Self {
        Self(())
    }
}

/// The peer's AUTH payload was verified (RFC 7296 §2.15, §2.16).
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct PeerAuthenticated(());

impl PeerAuthenticated {
    pub(crate) const fn assertion() -> Self {
        Self(())
    }
}

/// The EAP method said that it is satisfied: the server sent, or the peer received where the
/// method allows it, EAP-Success. It is not yet a proof of the peer: AUTH must follow.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct EapConcluded(());

impl EapConcluded {
    pub(crate) const fn assertion() -> Self {
        Self(())
    }
}
