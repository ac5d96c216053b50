//! A client's place among the others of its network namespace, and what stands there between its connections.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ironflex_xfrm::netlink::{
    CleanupScope, ClientClaim, ClientNumber, Owner, Route, cleanup_beside,
};
use tokio::time::timeout;

use super::{
    End,
    barrier::Barrier,
    bound::is_bound,
    report::Report,
    resolver::{Tools, forget},
    target,
};

/// How long a name may be looked up while what leads to the name servers may be shut off.
const LOOKUP: Duration = Duration::from_secs(3);

/// A place that is taken.
pub struct Place {
    /// Goes before the claim, for the routes bear its marks.
    barrier: Mutex<Barrier>,
    claim: ClientClaim,
}

impl Place {
    /// Whose marks everything in the kernel bears, for as long as this lives.
    pub(super) const fn owner(&self) -> Owner {
        self.claim.owner()
    }

    /// Which of its namespace's clients this is.
    pub(super) const fn number(&self) -> ClientNumber {
        self.claim.number()
    }

    /// What keeps in what belongs into the tunnel.
    pub(super) fn barrier(&self) -> MutexGuard<'_, Barrier> {
        self.barrier.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one client, from its first connection to its end: while it waits for another try, no other client clears away
/// what it has left there on purpose, and the barrier stands.
#[derive(Default)]
pub struct Held {
    place: Option<Arc<Place>>,
    /// The headend's address, as it was found before there was a barrier.
    found: Option<IpAddr>,
}

impl Held {
    /// Takes the first free place at the first connection, and clears away what dead clients left in this one and every other
    /// that nobody holds; at later ones, what the last connection left but for the barrier. A living client's stays, and so
    /// does the headend's. With `no_dns` the resolver keeps what it was told.
    ///
    /// # Errors
    ///
    /// [`End::Network`], when every place is taken or leftovers cannot be removed: a dead client's address could let packets
    /// out in clear.
    pub fn take(&mut self, report: Report, no_dns: bool) -> Result<Arc<Place>, End> {
        let network = |error: &dyn std::fmt::Display| End::Network(error.to_string());
        if let Some(place) = &self.place {
            let stands = place.barrier().routes();
            clear(place.owner(), &stands, report)?;
            return Ok(Arc::clone(place));
        }
        let mut cleared = Vec::new();
        for number in ClientNumber::all() {
            let claim = ClientClaim::take(number).map_err(|error| network(&error))?;
            let Some(claim) = claim else {
                continue;
            };
            clear(claim.owner(), &[], report)?;
            cleared.push(number);
            if self.place.is_none() {
                let barrier = Barrier::new(claim.owner()).map_err(|error| network(&error))?;
                self.place = Some(Arc::new(Place {
                    barrier: Mutex::new(barrier),
                    claim,
                }));
            }
        }
        if !no_dns {
            forget(&Tools::default(), &cleared);
        }
        self.place.clone().ok_or_else(|| {
            End::Network(format!(
                "{} clients run in this network namespace already",
                ClientNumber::COUNT
            ))
        })
    }

    /// Whether what belongs into a tunnel is kept in.
    #[must_use]
    pub fn keeps_in(&self) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|place| place.barrier().stands())
    }

    /// The address of a gateway, if it is not to be looked up for too long.
    ///
    /// # Errors
    ///
    /// [`End::Unreachable`].
    pub(super) async fn resolve(&self, host: &str) -> Result<IpAddr, End> {
        if !self.keeps_in() {
            return target::resolve(host).await;
        }
        match timeout(LOOKUP, target::resolve(host)).await {
            Ok(found) => found,
            Err(_) => {
                let why = "no name server answers that can be reached without the tunnel";
                Err(target::unresolved(host, why))
            }
        }
    }

    /// The address of the headend. While something is kept in, its name servers may be as well: then it is called where it
    /// was.
    ///
    /// # Errors
    ///
    /// [`End::Unreachable`].
    pub(super) async fn find(&mut self, headend: &str) -> Result<IpAddr, End> {
        let found = self.resolve(headend).await;
        if !self.keeps_in() {
            self.found = found.as_ref().ok().copied();
            return found;
        }
        found.or_else(|end| self.found.ok_or(end))
    }
}

/// Clears a place, but for what keeps programs from sending in clear: the rules for those that are bound to an address of a
/// tunnel that is gone, and what `stands`.
fn clear(owner: Owner, stands: &[Route], report: Report) -> Result<(), End> {
    let sends = |address| matches!(address, IpAddr::V6(address) if is_bound(address));
    let removed = cleanup_beside(owner, CleanupScope::KeepSending(sends), stands)
        .map_err(|error| End::Network(error.to_string()))?;
    if !removed.is_empty() {
        report.show(&format!("removed what an earlier client left: {removed}"));
    }
    Ok(())
}
