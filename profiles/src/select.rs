//! Which policy and which profile a peer gets.

use alloc::sync::Arc;
use core::net::IpAddr;

use crate::{
    model::{ikev2::IdentityMatch, keyring::Peer, name::Name},
    snapshot::{Inactive, Keyring, Policy, Profile, Snapshot},
};

/// An identity as a peer claims it, in terms of configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerIdentity<'a> {
    /// ID_IPV4_ADDR or ID_IPV6_ADDR.
    Address(IpAddr),
    /// ID_FQDN.
    Fqdn(&'a str),
    /// ID_RFC822_ADDR.
    Email(&'a str),
    /// ID_KEY_ID, or the private type 201 under which AnyConnect sends the same string.
    KeyId(&'a [u8]),
    /// Any other type: only `match identity remote any` takes it.
    Other,
}

impl Snapshot {
    /// The IKEv2 policy for a request that came to a local address.
    ///
    /// A policy that names the address goes before one that names none; among equals the first
    /// line counts. The policy `default` is used only if no other fits.
    pub fn policy_for(&self, local: IpAddr) -> Option<&Arc<Policy>> {
        let named = self
            .policies
            .iter()
            .find(|policy| policy.match_address_local.contains(&local));
        let open = || {
            self.policies
                .iter()
                .find(|policy| policy.match_address_local.is_empty())
        };
        let fits = |policy: &&Arc<Policy>| {
            policy.match_address_local.is_empty() || policy.match_address_local.contains(&local)
        };
        named
            .or_else(open)
            .or_else(|| self.default_policy.as_ref().filter(fits))
    }

    /// The IKEv2 profile for a peer that claims an identity at a local address.
    ///
    /// The most exact match goes first: a whole identity, then the longest network or domain,
    /// then `any`; among equals one that names the local address, then the first line. Profiles
    /// for other local addresses are left out.
    pub fn profile_for(&self, local: IpAddr, peer: PeerIdentity<'_>) -> Option<&Arc<Profile>> {
        let mut best: Option<((u16, bool), &Arc<Profile>)> = None;
        for profile in &self.profiles {
            let named = profile.match_address_local.contains(&local);
            if !named && !profile.match_address_local.is_empty() {
                continue;
            }
            let exactness = profile
                .match_identity_remote
                .iter()
                .filter_map(|rule| rule.exactness(peer))
                .max();
            let Some(exactness) = exactness else { continue };
            if best.is_none_or(|(rank, _)| (exactness, named) > rank) {
                best = Some(((exactness, named), profile));
            }
        }
        best.map(|(_, profile)| profile)
    }
}

impl Inactive {
    /// Whether it would serve a peer that claims an identity at a local address, if it served anybody.
    pub fn would_take(&self, local: IpAddr, peer: PeerIdentity<'_>) -> bool {
        let mut rules = self.match_identity_remote.iter();
        (self.match_address_local.is_empty() || self.match_address_local.contains(&local))
            && rules.any(|rule| rule.exactness(peer).is_some())
    }
}

impl Keyring {
    /// The peer that claims an identity in a request from an address.
    ///
    /// The most exact `identity` goes first; then a `hostname` that is the claimed domain name; then the
    /// `address` with the longest prefix. Among equals the first line counts. So a peer that has an
    /// entry of its own cannot be had under the key of the network that it happens to be in.
    // RFC 7296 §1.2#3: the key is the one of the name in the ID payload, where the keyring has that
    // name.
    pub fn peer_for(&self, from: IpAddr, claimed: PeerIdentity<'_>) -> Option<(&Name, &Peer)> {
        let by_identity = |peer: &Peer| peer.identity.as_ref()?.exactness(claimed);
        let by_hostname = |peer: &Peer| match (&peer.hostname, claimed) {
            (Some(name), PeerIdentity::Fqdn(host)) => {
                name.as_str().eq_ignore_ascii_case(host).then_some(0)
            }
            _ => None,
        };
        let by_address = |peer: &Peer| peer.address?.prefix_around(from).map(u16::from);
        self.best(by_identity)
            .or_else(|| self.best(by_hostname))
            .or_else(|| self.best(by_address))
    }

    fn best(&self, exactness: impl Fn(&Peer) -> Option<u16>) -> Option<(&Name, &Peer)> {
        let mut best: Option<(u16, (&Name, &Peer))> = None;
        for (name, peer) in &self.peers {
            let Some(exactness) = exactness(peer) else {
                continue;
            };
            if best.is_none_or(|(rank, _)| exactness > rank) {
                best = Some((exactness, (name, peer)));
            }
        }
        best.map(|(_, found)| found)
    }
}

/// Exactness of a match on a whole identity; more than any length of a network or domain.
const WHOLE: u16 = u16::MAX;

impl IdentityMatch {
    /// Whether this rule is for exactly the identity that is claimed, and for no other.
    pub fn is_whole(&self, peer: PeerIdentity<'_>) -> bool {
        self.exactness(peer) == Some(WHOLE)
    }

    /// How exactly this rule fits an identity; `None` if it does not. 0 is `any`, and a longer
    /// network or domain is more exact than a shorter one.
    ///
    /// Domain names are compared without regard to case (RFC 4343); the part of a mail address
    /// before its `@` and key-ids are compared as they are. A key-id holds no pattern: the
    /// asterisks of AnyConnect's are part of it.
    pub fn exactness(&self, peer: PeerIdentity<'_>) -> Option<u16> {
        match (self, peer) {
            (Self::Any, _) => Some(0),
            (Self::Ipv4(net), PeerIdentity::Address(IpAddr::V4(address))) => net
                .contains(address)
                .then(|| length(u16::from(net.length()), 32)),
            (Self::Ipv6(net), PeerIdentity::Address(IpAddr::V6(address))) => net
                .contains(address)
                .then(|| length(u16::from(net.length()), 128)),
            (Self::Fqdn(name), PeerIdentity::Fqdn(claimed)) => {
                name.as_str().eq_ignore_ascii_case(claimed).then_some(WHOLE)
            }
            (Self::FqdnDomain(domain), PeerIdentity::Fqdn(claimed)) => {
                domain_exactness(domain.as_str(), claimed)
            }
            (Self::Email(name), PeerIdentity::Email(claimed)) => {
                same_mailbox(name.as_str(), claimed).then_some(WHOLE)
            }
            (Self::EmailDomain(domain), PeerIdentity::Email(claimed)) => {
                let (_, host) = claimed.rsplit_once('@')?;
                let same = host.eq_ignore_ascii_case(domain.as_str());
                same.then(|| domain_length(domain.as_str()))
            }
            (Self::KeyId(name), PeerIdentity::KeyId(claimed)) => {
                (name.as_str().as_bytes() == claimed).then_some(WHOLE)
            }
            _ => None,
        }
    }
}

const fn length(prefix: u16, whole: u16) -> u16 {
    if prefix == whole {
        WHOLE
    } else {
        prefix.saturating_add(1)
    }
}

/// A host is in a domain if the domain's labels end it, at a dot: `evilexample.com` is not in
/// `example.com`. The domain itself is in it.
fn domain_exactness(domain: &str, host: &str) -> Option<u16> {
    let start = host.len().checked_sub(domain.len())?;
    let (front, end) = host.split_at_checked(start)?;
    let inside = end.eq_ignore_ascii_case(domain) && (front.is_empty() || front.ends_with('.'));
    inside.then(|| domain_length(domain))
}

fn domain_length(domain: &str) -> u16 {
    u16::try_from(domain.len())
        .unwrap_or(WHOLE)
        .saturating_add(1)
        .min(WHOLE.saturating_sub(1))
}

fn same_mailbox(one: &str, other: &str) -> bool {
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((one, one_host)), Some((other, other_host))) => {
            one == other && one_host.eq_ignore_ascii_case(other_host)
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        name::Name,
        net::{IpNet, Ipv4Net, Ipv6Net},
    };
    use core::net::Ipv4Addr;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    // RFC 7296 §3.5#6,8: addresses of both families, names, mail addresses and key IDs.
    #[test]
    fn a_rule_takes_its_own_kind_of_identity_alone() {
        let address = PeerIdentity::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        let host = IdentityMatch::Ipv4(Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 1), 32).unwrap());
        let net = IdentityMatch::Ipv4(Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 1), 8).unwrap());
        assert_eq!(host.exactness(address), Some(WHOLE));
        assert_eq!(net.exactness(address), Some(9));
        assert_eq!(net.exactness(PeerIdentity::Fqdn("10.0.0.1")), None);
        let six = IdentityMatch::Ipv6(Ipv6Net::parse("2001:db8::/32").unwrap());
        assert_eq!(
            six.exactness(PeerIdentity::Address("2001:db8::9".parse().unwrap())),
            Some(33)
        );
        assert_eq!(six.exactness(address), None);
        assert_eq!(IdentityMatch::Any.exactness(PeerIdentity::Other), Some(0));
        assert_eq!(net.exactness(PeerIdentity::Other), None);
    }

    #[test]
    fn a_domain_ends_at_a_dot() {
        let rule = IdentityMatch::FqdnDomain(name("example.com"));
        assert!(
            rule.exactness(PeerIdentity::Fqdn("a.EXAMPLE.com"))
                .is_some()
        );
        assert!(rule.exactness(PeerIdentity::Fqdn("example.com")).is_some());
        assert_eq!(rule.exactness(PeerIdentity::Fqdn("evilexample.com")), None);
        assert_eq!(
            rule.exactness(PeerIdentity::Fqdn("a.example.com.evil")),
            None
        );
        assert_eq!(rule.exactness(PeerIdentity::Fqdn("é.com")), None);
    }

    #[test]
    fn a_mail_domain_is_what_follows_the_last_at_sign() {
        let rule = IdentityMatch::EmailDomain(name("example.com"));
        assert!(
            rule.exactness(PeerIdentity::Email("a@Example.com"))
                .is_some()
        );
        assert_eq!(
            rule.exactness(PeerIdentity::Email("a@example.com@evil")),
            None
        );
        assert_eq!(rule.exactness(PeerIdentity::Email("a@b.example.com")), None);
        let whole = IdentityMatch::Email(name("Ann@example.com"));
        assert!(
            whole
                .exactness(PeerIdentity::Email("Ann@EXAMPLE.COM"))
                .is_some()
        );
        assert_eq!(
            whole.exactness(PeerIdentity::Email("ann@example.com")),
            None
        );
    }

    #[test]
    fn a_keyring_goes_by_identity_then_by_name_then_by_address() {
        let network = |text: &str, length| {
            Some(IpNet::V4(
                Ipv4Net::new(text.parse().unwrap(), length).unwrap(),
            ))
        };
        let peer = |hostname: Option<&str>, address, identity| Peer {
            hostname: hostname.map(name),
            address,
            identity,
            ..Peer::default()
        };
        let fqdn = IdentityMatch::Fqdn(name("a.example"));
        let domain = IdentityMatch::FqdnDomain(name("example"));
        let keyring = Keyring {
            name: name("K"),
            peers: [
                ("all", peer(None, network("0.0.0.0", 0), None)),
                ("net", peer(None, network("192.0.2.0", 24), None)),
                ("host", peer(Some("b.other"), None, None)),
                ("domain", peer(None, None, Some(domain))),
                ("whole", peer(None, network("203.0.113.9", 32), Some(fqdn))),
            ]
            .map(|(called, peer)| (name(called), peer))
            .into(),
        };
        let found = |from: &str, claimed| {
            let peer = keyring.peer_for(from.parse().unwrap(), claimed);
            peer.map(|(name, _)| name.as_str())
        };
        let inside = "192.0.2.7";
        assert_eq!(
            found(inside, PeerIdentity::Fqdn("A.example")),
            Some("whole")
        );
        assert_eq!(
            found(inside, PeerIdentity::Fqdn("x.example")),
            Some("domain")
        );
        assert_eq!(found(inside, PeerIdentity::Fqdn("B.other")), Some("host"));
        assert_eq!(found(inside, PeerIdentity::Fqdn("c.other")), Some("net"));
        assert_eq!(
            found("198.51.100.1", PeerIdentity::KeyId(b"x")),
            Some("all")
        );
        assert_eq!(found("203.0.113.9", PeerIdentity::Other), Some("whole"));
        assert_eq!(found("2001:db8::1", PeerIdentity::Other), None);
    }

    #[test]
    fn a_key_id_is_no_pattern() {
        let rule = IdentityMatch::KeyId(name("*$AnyConnectClient$*"));
        assert_eq!(
            rule.exactness(PeerIdentity::KeyId(b"*$AnyConnectClient$*")),
            Some(WHOLE)
        );
        assert_eq!(
            rule.exactness(PeerIdentity::KeyId(b"x$AnyConnectClient$x")),
            None
        );
        assert_eq!(
            rule.exactness(PeerIdentity::Fqdn("*$AnyConnectClient$*")),
            None
        );
    }
}
