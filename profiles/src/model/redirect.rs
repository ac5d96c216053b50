//! `crypto ikev2 redirect`: clients that are sent to another gateway (RFC 5685).

use core::{fmt, net::IpAddr};

use super::{Located, keywords, name::Name};

keywords! {
    /// When clients are redirected.
    pub enum RedirectAt {
        /// In the answer to their first request; nobody is proven then.
        Init = "init", "Redirect at SA initialization";
        /// Once both ends have proven themselves.
        Auth = "auth", "Redirect at SA authentication";
    }
    refused {}
}

/// The `crypto ikev2 redirect` lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Redirect {
    /// `gateway {init|auth}`: `auth` holds for every profile.
    pub gateway: Option<Located<RedirectAt>>,
    /// `target {A.B.C.D|X::X|fqdn NAME}`: where to. A line of our own: on a router it comes from its cluster.
    pub target: Option<Located<RedirectTarget>>,
    /// `client [max-redirects <1-255>]`: the headend is no client, so the line is only held.
    pub client: Option<RedirectClient>,
}

/// Another gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RedirectTarget {
    /// By its address.
    Address(IpAddr),
    /// By its name, which the client looks up.
    Fqdn(Name),
}

impl RedirectTarget {
    /// Whether a client could be sent there: to an address of somebody, or a name that a host can have.
    pub fn is_somebody(&self) -> bool {
        match self {
            Self::Address(address) => {
                // An address of IPv4 written as one of IPv6 is that address.
                let address = address.to_canonical();
                let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
                !(address.is_unspecified() || address.is_multicast() || broadcast)
            }
            Self::Fqdn(name) => {
                let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
                let name = name.as_str();
                let labels = name.strip_suffix('.').unwrap_or(name).split('.');
                name.len() <= 253
                    && labels
                        .into_iter()
                        .all(|one| (1..=63).contains(&one.len()) && one.bytes().all(fits))
            }
        }
    }
}

impl fmt::Display for RedirectTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Fqdn(name) => write!(f, "fqdn {name}"),
        }
    }
}

/// `crypto ikev2 redirect client`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RedirectClient {
    /// Redirections that are followed; absent means five (RFC 5685 §7).
    pub max_redirects: Option<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_an_address_of_nobody_however_it_is_written() {
        for (address, somebody) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("2001:db8::7", true),
            ("0.0.0.0", false),
            ("::", false),
            ("::ffff:0.0.0.0", false),
            ("224.0.0.1", false),
            ("ff02::1", false),
            ("::ffff:224.0.0.1", false),
            ("255.255.255.255", false),
            ("::ffff:255.255.255.255", false),
        ] {
            let target = RedirectTarget::Address(address.parse().unwrap());
            assert_eq!(target.is_somebody(), somebody, "{address}");
        }
    }
}
