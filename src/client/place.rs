//! A client's place among the others of its network namespace.

use std::{net::IpAddr, sync::Arc};

use ironflex_xfrm::netlink::{CleanupScope, ClientClaim, ClientNumber, Owner, cleanup};

use super::{End, bound::is_bound, report::Report};

/// The place of one client, from its first connection to its end: while it waits for another try, no other client clears away
/// what it has left there on purpose.
#[derive(Default)]
pub struct Held(Option<Arc<ClientClaim>>);

impl Held {
    /// Takes the first free place at the first connection, and clears away what dead clients left in this one and every other
    /// that nobody holds; at later ones, what the last connection left. A living client's stays, and so does the headend's.
    ///
    /// # Errors
    ///
    /// [`End::Network`], when every place is taken or leftovers cannot be removed: a dead client's address could let packets
    /// out in clear.
    pub fn take(&mut self, report: Report) -> Result<Arc<ClientClaim>, End> {
        if let Some(claim) = &self.0 {
            clear(claim.owner(), report)?;
            return Ok(Arc::clone(claim));
        }
        for number in ClientNumber::all() {
            let claim = ClientClaim::take(number).map_err(|error| End::Network(error.to_string()));
            let Some(claim) = claim? else {
                continue;
            };
            clear(claim.owner(), report)?;
            self.0.get_or_insert_with(|| Arc::new(claim));
        }
        self.0.clone().ok_or_else(|| {
            End::Network(format!(
                "{} clients run in this network namespace already",
                ClientNumber::COUNT
            ))
        })
    }
}

/// Clears a place, but for what keeps programs from sending in clear that are bound to an address of a tunnel that is gone.
fn clear(owner: Owner, report: Report) -> Result<(), End> {
    let sends = |address| matches!(address, IpAddr::V6(address) if is_bound(address));
    let removed = cleanup(owner, CleanupScope::KeepSending(sends))
        .map_err(|error| End::Network(error.to_string()))?;
    if !removed.is_empty() {
        report.show(&format!("removed what an earlier client left: {removed}"));
    }
    Ok(())
}
