//! Whom to call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ironflex_profiles::anyconnect::{ClientProfile, PrimaryProtocol};

use super::{End, Options, options::ANYCONNECT_IDENTITY, roaming::source_for};
use crate::{
    daemon::{IKE_PORT, load::read_bounded},
    files::text_of,
};

/// The longest client profile, in octets.
const MAX_PROFILE: u64 = 256 * 1024;

/// Whom to call, out of the command line and a client profile.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The name or address to call, which the certificate must cover.
    pub(super) host: String,
    /// The IKE identity.
    pub(super) identity: String,
    /// The user group of the profile.
    pub(super) group_access: String,
}

impl Target {
    /// Reads the command line and, where one is named, the client profile.
    pub(super) fn read(options: &Options) -> Result<Self, End> {
        let mut target = Self {
            host: bare(&options.host).to_owned(),
            identity: ANYCONNECT_IDENTITY.to_owned(),
            group_access: options.host.clone(),
        };
        if let Some(path) = &options.profile {
            let octets =
                read_bounded(path, MAX_PROFILE).map_err(|error| End::Local(error.to_string()))?;
            let text = text_of(&octets).map_err(|(line, column)| {
                let at = path.display();
                End::Local(format!("{at}:{line}:{column}: this octet is no UTF-8 text"))
            })?;
            let profile = ClientProfile::read(text)
                .map_err(|error| End::Local(format!("{}: {error}", path.display())))?;
            let Some(entry) = profile.host(&options.host) else {
                let names: Vec<&str> = profile
                    .hosts
                    .iter()
                    .map(|host| host.name.as_str())
                    .collect();
                return Err(End::Local(format!(
                    "{} has no host entry {:?}; it has: {}",
                    path.display(),
                    options.host,
                    names.join(", ")
                )));
            };
            if let Some(address) = &entry.address {
                target.host = bare(address).to_owned();
                target.group_access.clone_from(address);
            }
            if let Some(group) = &entry.user_group {
                target.group_access = format!("{}/{group}", target.group_access);
            }
            if let PrimaryProtocol::Ipsec(ipsec) = &entry.protocol
                && let Some(identity) = &ipsec.ike_identity
            {
                target.identity.clone_from(identity);
            }
        }
        if let Some(identity) = &options.identity {
            target.identity.clone_from(identity);
        }
        Ok(target)
    }
}

/// A host as its address or its certificate has it: an IPv6 address may stand in brackets.
fn bare(host: &str) -> &str {
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inside
        .filter(|inside| inside.parse::<Ipv6Addr>().is_ok())
        .unwrap_or(host)
}

/// The address of a host: of several the first one that there is a way to, those of IPv4 before those of IPv6.
pub(super) async fn resolve(host: &str) -> Result<IpAddr, End> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let found = tokio::net::lookup_host((host, IKE_PORT))
        .await
        .map_err(|error| {
            let why = error.to_string();
            // The standard library's words in front of the resolver's.
            let resolvers = why.strip_prefix("failed to lookup address information: ");
            unresolved(host, resolvers.unwrap_or(&why))
        })?;
    found
        .map(|address| address.ip())
        .min_by_key(|address| (source_for(*address).is_err(), address.is_ipv6()))
        .ok_or_else(|| unresolved(host, "it has no address"))
}

/// Nobody can be called by this name.
pub(super) fn unresolved(host: &str, why: &str) -> End {
    End::Unreachable(format!("the name {host:?} could not be resolved: {why}"))
}

/// The unspecified address of a family.
pub(super) const fn any_of(family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        operation::{Invocation, Operation},
        pki::ServerIdentity,
    };

    fn target(host: &str) -> Target {
        let read = Invocation::try_parse_from(["ironflex", "connect", host]);
        match read.map(Invocation::operation) {
            Ok(Some(Operation::Connect(options))) => Target::read(&options).ok().unwrap(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn an_address_in_brackets_is_what_a_certificate_has_without_them() {
        let address: IpAddr = "2001:db8:2::1".parse().unwrap();
        for host in ["2001:db8:2::1", "[2001:db8:2::1]"] {
            let target = target(host);
            assert_eq!(
                ServerIdentity::parse(&target.host),
                Ok(ServerIdentity::Ip(address))
            );
            assert_eq!(target.group_access, host);
        }
        assert_eq!(target("[vpn.example.com]").host, "[vpn.example.com]");
    }
}
