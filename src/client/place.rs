//! A client's place among the others of its network namespace.

use ironflex_xfrm::netlink::{CleanupScope, ClientClaim, ClientNumber, cleanup};

use super::{End, report::Report};

/// Takes the first free place, and clears away what dead clients left in this one and every other that nobody holds. A living
/// client's stays, and so does the headend's.
///
/// # Errors
///
/// [`End::Network`], when every place is taken or leftovers cannot be removed: a dead client's address could let packets
/// out in clear.
pub fn take(report: Report) -> Result<ClientClaim, End> {
    let failed = |error: &dyn std::fmt::Display| End::Network(error.to_string());
    let mut ours = None;
    for number in ClientNumber::all() {
        let Some(claim) = ClientClaim::take(number).map_err(|error| failed(&error))? else {
            continue;
        };
        let removed =
            cleanup(claim.owner(), CleanupScope::Everything).map_err(|error| failed(&error))?;
        if !removed.is_empty() {
            report.show(&format!("removed what an earlier client left: {removed}"));
        }
        ours.get_or_insert(claim);
    }
    ours.ok_or_else(|| {
        End::Network(format!(
            "{} clients run in this network namespace already",
            ClientNumber::COUNT
        ))
    })
}
