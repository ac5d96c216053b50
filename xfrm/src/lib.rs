//! ESP dataplanes: what carries a session's packets once IKE has agreed on keys.
//!
//! [`Dataplane`] is the seam. Above it stands whoever negotiated the SAs; below it a backend:
//!
//! ```text
//!                 install · rekey · move · remove · counters          events
//!                                  │                                    ▲
//!                    ┌─────────────┴──────── Dataplane ─────────────────┴────────┐
//!                    │                                                           │
//!   netlink (kernel XFRM)    esp (userspace, ESP in UDP on a TUN)    record    chaos(any)
//! ```
//!
//! * `netlink` programs the Linux kernel's XFRM layer;
//! * [`esp`] does ESP itself, for kernels without it and for containers;
//! * [`record`] only remembers, for tests and for measuring everything but the dataplane;
//! * [`chaos`] wraps another backend and fails a set share of its operations.
//!
//! This crate speaks no IKE and knows no configuration: SPIs, keys, addresses and selectors come in as
//! [`SaPair`]s, and what happens to them leaves as [`Event`]s and [`Counters`].

#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "an overflow in a test panics, which is what it should do"
    )
)]

pub mod chaos;
pub mod esp;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod netlink;
pub mod record;

mod error;
mod model;

use std::collections::HashMap;
use std::os::fd::BorrowedFd;

pub use error::{Error, Object, Operation};
pub use model::{
    AesKeySize, Counters, Direction, DropCounts, DropReason, Encapsulation, EspAlgorithm, EspSpi,
    Event, Integrity, IpPrefix, Limit, Limits, OuterPath, ReplayWindow, SaKeys, SaPair, SaSpec,
    Selectors, SessionId, Traffic,
};

/// What every backend promises.
///
/// Calls are synchronous and come from one thread; each either takes effect as a whole before it
/// returns, or fails and leaves things as they were. A backend keeps no key longer than its SA lives.
pub trait Dataplane: Send {
    /// The backend's name in logs and `show` output: `kernel`, `userspace`, `record`, `chaos`.
    fn name(&self) -> &'static str;

    /// Whether this backend can carry ESP only inside UDP, so that IKE has to force NAT detection.
    fn needs_udp_encapsulation(&self) -> bool;

    /// Shows by doing that an SA with `algorithm` can be installed, and leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::Unsupported`] names what is missing; anything else as in [`Dataplane::install`].
    fn probe(&mut self, algorithm: EspAlgorithm) -> Result<(), Error>;

    /// Installs a session's first pair: the inbound SA, then its policies, the outbound SA last, so
    /// that nothing is sent before the answer to it could be read (RFC 7296 §2.8 asks the same order at rekeying).
    ///
    /// Selectors that another session holds pass to this one: a client that reconnects with its old
    /// address is reachable at once, and the old session's removal then leaves them alone.
    ///
    /// # Errors
    /// [`Error::Exists`] when the session or the inbound SPI is in use; [`Error::Unsupported`],
    /// [`Error::Denied`], [`Error::Kernel`] and [`Error::Io`] from below. What was done is undone in
    /// reverse order before the error is returned.
    fn install(&mut self, pair: &SaPair) -> Result<(), Error>;

    /// Rekeying, first step: a further inbound SA beside the session's present ones.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`]; otherwise as [`Dataplane::install`].
    fn add_inbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error>;

    /// Rekeying, second step: from now on the session sends on `sa`. Its previous outbound SA is left to what is on its way out by
    /// it, until the [`Dataplane::remove_inbound`] of its pair.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`]; otherwise as [`Dataplane::install`], with the previous SA still in use.
    fn replace_outbound(&mut self, id: SessionId, sa: &SaSpec) -> Result<(), Error>;

    /// Rekeying taken back: the session sends again on an outbound SA that a newer one has replaced, and the newer one is gone.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`]; [`Error::NoSuchSa`] when there is no such SA among those replaced.
    fn resume_outbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error>;

    /// Rekeying, last step: removes one inbound SA of the session.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`] or [`Error::NoSuchSa`] when it is not there.
    fn remove_inbound(&mut self, id: SessionId, spi: EspSpi) -> Result<(), Error>;

    /// Sends to, and accepts from, another outer address or port from now on; SAs, sequence numbers
    /// and replay windows carry over.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`]; [`Error::Unsupported`] for an encapsulation that the backend cannot do.
    fn move_peer(&mut self, id: SessionId, path: OuterPath) -> Result<(), Error>;

    /// Removes the session's SAs and those of its policies that no later session has taken over,
    /// and returns its final counters.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`]. An SA that is gone already (it may have expired) is no error.
    fn remove(&mut self, id: SessionId) -> Result<Counters, Error>;

    /// What went through the session since [`Dataplane::install`], rekeys included.
    ///
    /// # Errors
    /// [`Error::NoSuchSession`], or from below as in [`Dataplane::install`].
    fn counters(&mut self, id: SessionId) -> Result<Counters, Error>;

    /// [`Dataplane::counters`] of every session at one look, for what tells of thousands. With an error from below, as in
    /// [`Dataplane::install`], they are as last seen.
    fn all_counters(&mut self) -> (HashMap<SessionId, Counters>, Option<Error>);

    /// Packets discarded that belong to no session, by reason.
    ///
    /// # Errors
    /// From below as in [`Dataplane::install`].
    fn unmatched(&mut self) -> Result<DropCounts, Error>;

    /// The next event, if one is there; never waits. Drain it until `None`.
    fn poll_event(&mut self) -> Option<Event>;

    /// A descriptor that is readable while [`Dataplane::poll_event`] has something to say, for an
    /// event loop to wait on. `None`: this backend has no events of its own.
    fn event_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
