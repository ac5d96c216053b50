//! Clearing away what an earlier process left behind under one owner's marks, and only that.

use std::{fmt, net::IpAddr};

use super::DEVICE_PREFIX;
use super::error::{NetlinkError, absent_is_fine};
use super::link::Link;
use super::network::Network;
use super::nft::Firewall;
use super::owner::Owner;
use super::policy;
use super::route::{Route, RouteTarget};
use super::rule::Rule;
use super::socket::{NetlinkSocket, Subsystem};
use super::state;
use crate::IpPrefix;

/// How much is to go.
#[derive(Clone, Copy, Debug)]
pub enum CleanupScope {
    /// Everything: the process ends, or its configuration is gone.
    Everything,
    /// All but the rules for addresses of which the function says that something still sends from them, and the unreachable
    /// routes of the tables that these rules name. It is asked once no such address is on a device any more.
    KeepSending(fn(IpAddr) -> bool),
    /// All but what keeps pool addresses from travelling in clear (the nftables table and the unreachable routes): the
    /// daemon starts, and will put its own in their place.
    KeepGuards,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Routes with the owner's protocol number.
    pub routes: usize,
    /// Routing rules with the owner's protocol number.
    pub rules: usize,
    /// Addresses that such a rule named as a tunnel's.
    pub addresses: usize,
    /// Policies with a reqid of the owner's.
    pub policies: usize,
    /// SAs with a reqid of the owner's.
    pub states: usize,
    /// Names of devices of the owner's.
    pub links: Vec<String>,
    /// Whether the owner's nftables table was there.
    pub table: bool,
}

impl Removed {
    /// Whether there was nothing to remove.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        let kinds = [
            (self.states, "SA", "SAs"),
            (self.policies, "policy", "policies"),
            (self.routes, "route", "routes"),
            (self.rules, "routing rule", "routing rules"),
            (self.addresses, "address", "addresses"),
        ];
        let counted = kinds.into_iter().filter(|(count, ..)| *count > 0);
        let mut parts: Vec<String> = counted
            .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
            .collect();
        parts.extend(self.links.iter().map(|link| format!("device {link}")));
        if self.table {
            parts.push("the nftables table".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}

/// Removes what bears the marks of `owner` from the calling thread's network namespace; says what it was. That no living
/// process has these marks is the caller's to know: a client by its [`super::ClientClaim`], the headend by its UDP ports.
///
/// In an order that lets nothing out in clear: a tunnel's address goes first, then routes that lead somewhere (the
/// unreachable ones beneath them catch what is still sent), then policies, SAs and devices, guards and rules last.
///
/// # Errors
///
/// The first [`NetlinkError`]; the rest was still tried. A kernel without XFRM or nf_tables has nothing of ours there.
pub fn cleanup(owner: Owner, scope: CleanupScope) -> Result<Removed, NetlinkError> {
    cleanup_beside(owner, scope, &[])
}

/// The same, but for routes that a living process of this owner has there on purpose.
///
/// # Errors
///
/// As [`cleanup`].
pub fn cleanup_beside(
    owner: Owner,
    scope: CleanupScope,
    kept: &[Route],
) -> Result<Removed, NetlinkError> {
    let mut removed = Removed::default();
    let mut first_error = None;
    let mut network = Network::open(owner)?;

    let rules = keep_error(network.rules(), &mut first_error).unwrap_or_default();
    let links = keep_error(network.links(), &mut first_error).unwrap_or_default();
    let addresses = keep_error(network.addresses(), &mut first_error).unwrap_or_default();
    // On a device that is not ours a tunnel's address is known by the rule for it. One on a device of ours goes with it.
    for address in addresses.iter().filter(|one| {
        let host = IpPrefix::host(one.address);
        let ours = |link: &Link| link.index == one.link && link.name.starts_with(DEVICE_PREFIX);
        rules.iter().any(|rule| rule.source == host) && !links.iter().any(ours)
    }) {
        count(
            absent_is_fine(network.delete_address(address)),
            &mut removed.addresses,
            &mut first_error,
        );
    }

    let routes = keep_error(network.routes(), &mut first_error).unwrap_or_default();
    let (guards, sessions): (Vec<_>, Vec<_>) = routes
        .into_iter()
        .filter(|route| !kept.contains(route))
        .partition(|route| route.target == RouteTarget::Unreachable);
    for route in &sessions {
        count(
            absent_is_fine(network.delete_route(route)),
            &mut removed.routes,
            &mut first_error,
        );
    }

    // Without NETLINK_XFRM there is nothing to remove from it.
    if let Ok(mut xfrm) = NetlinkSocket::open(Subsystem::Xfrm) {
        for (_, key) in
            keep_error(policy::list_ours(&mut xfrm, owner), &mut first_error).unwrap_or_default()
        {
            count(
                absent_is_fine(xfrm.execute(policy::delete(&key))),
                &mut removed.policies,
                &mut first_error,
            );
        }
        for (key, _) in
            keep_error(state::list_ours(&mut xfrm, owner), &mut first_error).unwrap_or_default()
        {
            count(
                absent_is_fine(xfrm.execute(state::delete(key))),
                &mut removed.states,
                &mut first_error,
            );
        }
    }

    for link in links {
        if link.is_of(owner)
            && keep_error(
                absent_is_fine(network.delete_link(link.index)),
                &mut first_error,
            ) == Some(true)
        {
            removed.links.push(link.name);
        }
    }

    let sends: Option<fn(IpAddr) -> bool> = match scope {
        CleanupScope::Everything => Some(|_| false),
        CleanupScope::KeepSending(sends) => Some(sends),
        CleanupScope::KeepGuards => None,
    };
    if let Some(sends) = sends {
        let (kept, gone): (Vec<Rule>, Vec<Rule>) =
            rules.iter().partition(|rule| sends(rule.source.address()));
        for route in guards.iter().filter(|route| {
            let is_ipv4 = route.destination.address().is_ipv4();
            !kept
                .iter()
                .any(|rule| rule.table == route.table && rule.source.address().is_ipv4() == is_ipv4)
        }) {
            count(
                absent_is_fine(network.delete_route(route)),
                &mut removed.routes,
                &mut first_error,
            );
        }
        for rule in &gone {
            count(
                absent_is_fine(network.delete_rule(rule)),
                &mut removed.rules,
                &mut first_error,
            );
        }
        if owner == Owner::Headend
            && let Ok(mut firewall) = Firewall::open()
        {
            removed.table = keep_error(firewall.delete(), &mut first_error).unwrap_or_default();
        }
    }
    first_error.map_or(Ok(removed), Err)
}

fn keep_error<T>(result: Result<T, NetlinkError>, first: &mut Option<NetlinkError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            first.get_or_insert(error);
            None
        }
    }
}

fn count(
    result: Result<bool, NetlinkError>,
    removed: &mut usize,
    first: &mut Option<NetlinkError>,
) {
    if keep_error(result, first) == Some(true) {
        *removed = removed.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_is_told_by_its_kinds_and_nothing_else_is() {
        assert_eq!(Removed::default().to_string(), "nothing");
        let one = Removed {
            policies: 1,
            links: vec!["ironflex-lo0".into()],
            ..Removed::default()
        };
        assert_eq!(one.to_string(), "1 policy, device ironflex-lo0");
        let all = Removed {
            routes: 2,
            rules: 1,
            addresses: 3,
            policies: 6,
            states: 4,
            links: Vec::new(),
            table: true,
        };
        assert_eq!(
            all.to_string(),
            "4 SAs, 6 policies, 2 routes, 1 routing rule, 3 addresses, the nftables table"
        );
    }
}
