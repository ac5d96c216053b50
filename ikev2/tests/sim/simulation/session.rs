//! What is known of an SA at one end, and why it may have ended.

use std::collections::BTreeSet;

use ironflex_ikev2::event::{CloseReason, Instant, SaId};

use super::{end::Spis, scenario::Login};

/// One SA at one end.
#[derive(Default)]
pub struct Record {
    /// Who logged in with it, at the client.
    pub login: Option<Login>,
    pub authenticated: bool,
    pub established: bool,
    /// It ends, or a child SA of it has: traffic is not promised any more.
    pub disturbed: bool,
    /// The end was told to delete it, or to forget it.
    pub told_to_end: bool,
    /// The end was told to delete a child SA of it.
    pub told_to_delete_child: bool,
    /// It had no child SA any more when it ended.
    pub ended_alone: bool,
    /// A child SA of it was installed.
    pub had_child: bool,
    /// When its peer has put it off.
    pub put_off: Vec<Instant>,
    /// The child SAs that it was told to replace, by the inbound SPI, and the IKE SA.
    pub told_to_replace: BTreeSet<u32>,
    pub told_to_replace_ike: Option<Spis>,
    /// Since the peer's silence was last told: ESP of the peer has come in, and some was sent to it.
    pub heard: bool,
    pub sent: bool,
    pub over: Option<CloseReason>,
    /// The SA at the other end.
    pub partner: Option<SaId>,
    /// The SPIs of its IKE SAs, one after the other.
    pub spis: BTreeSet<Spis>,
    pub first_spis: Option<Spis>,
    pub eap_rounds: u32,
}

impl Record {
    pub const fn is_up(&self) -> bool {
        self.established && self.over.is_none()
    }
}
