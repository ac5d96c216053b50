//! Where a session's packets go outside, and which they are inside.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What stands between the outer IP header and ESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encapsulation {
    /// Nothing: IP protocol 50.
    None,
    /// UDP (RFC 3948), on these ports.
    Udp {
        /// Ours, usually 4500.
        local_port: u16,
        /// The peer's, as its NAT shows it.
        remote_port: u16,
    },
}

/// Between which outer addresses a session's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OuterPath {
    /// Our address: source of what is sent.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// How ESP is wrapped.
    pub encapsulation: Encapsulation,
}

impl OuterPath {
    /// The peer's address and port; `None` without UDP encapsulation.
    #[must_use]
    pub const fn remote_udp(&self) -> Option<SocketAddr> {
        match self.encapsulation {
            Encapsulation::Udp { remote_port, .. } => {
                Some(SocketAddr::new(self.remote, remote_port))
            }
            Encapsulation::None => None,
        }
    }

    /// The same path towards another address and port of the peer.
    #[must_use]
    pub const fn with_remote_udp(self, remote: SocketAddr) -> Self {
        let local_port = match self.encapsulation {
            Encapsulation::Udp { local_port, .. } => local_port,
            Encapsulation::None => 4500,
        };
        Self {
            local: self.local,
            remote: remote.ip(),
            encapsulation: Encapsulation::Udp {
                local_port,
                remote_port: remote.port(),
            },
        }
    }
}

/// A network: an address and how many of its leading bits count. The bits after them are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpPrefix {
    address: IpAddr,
    length: u8,
}

impl IpPrefix {
    /// Every IPv4 address.
    pub const ANY_V4: Self = Self {
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        length: 0,
    };

    /// Every IPv6 address.
    pub const ANY_V6: Self = Self {
        address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        length: 0,
    };

    /// The network of `address` with a prefix of `length` bits, host bits cleared; `None` when the address
    /// has fewer bits than that.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        if length > bits_of(address) {
            return None;
        }
        Some(Self {
            address: from_bits(address, to_bits(address) & mask(address, length)),
            length,
        })
    }

    /// One address alone.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self {
            address,
            length: bits_of(address),
        }
    }

    /// The networks that together hold exactly the addresses from `first` to `last`, in order, as few as
    /// possible. Empty when they are of different families or `first` lies after `last`.
    #[must_use]
    pub fn spanning(first: IpAddr, last: IpAddr) -> Vec<Self> {
        let mut networks = Vec::new();
        if first.is_ipv4() != last.is_ipv4() {
            return networks;
        }
        let (mut next, end) = (to_bits(first), to_bits(last));
        while next <= end {
            // Grow the block while it stays aligned to its size and inside the range.
            let mut host_bits = 0_u8;
            while host_bits < bits_of(first) {
                let grown = low_ones(host_bits.saturating_add(1));
                let fits = (next | grown) <= end;
                if next & grown != 0 || !fits {
                    break;
                }
                host_bits = host_bits.saturating_add(1);
            }
            networks.push(Self {
                address: from_bits(first, next),
                length: bits_of(first).saturating_sub(host_bits),
            });
            match (next | low_ones(host_bits)).checked_add(1) {
                Some(following) => next = following,
                None => break,
            }
        }
        networks
    }

    /// Its lowest address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix length in bits: at most 32 for IPv4, 128 for IPv6.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether it is one address alone.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        self.length == bits_of(self.address)
    }

    /// Whether `address` lies in it; an address of the other family never does.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && (to_bits(address) & mask(address, self.length)) == to_bits(self.address)
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

const fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address with these bits, of the same family as `family`.
fn from_bits(family: IpAddr, bits: u128) -> IpAddr {
    match family {
        // Only bits of an IPv4 address come here, so nothing is cut off.
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// `count` ones at the low end.
const fn low_ones(count: u8) -> u128 {
    match u128::MAX.checked_shr(128_u32.saturating_sub(count as u32)) {
        Some(ones) => ones,
        None => 0,
    }
}

/// The network mask of `length` bits for addresses of this family.
const fn mask(family: IpAddr, length: u8) -> u128 {
    let bits = bits_of(family);
    low_ones(bits) & !low_ones(bits.saturating_sub(length))
}

/// Which inner packets a session carries, seen from this machine. Every protocol and port: IKE narrows
/// traffic selectors to whole addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selectors {
    /// On our side: what a client may reach; for a client its own address.
    pub local: Vec<IpPrefix>,
    /// On the peer's side: for a headend the client's address.
    pub remote: Vec<IpPrefix>,
}

impl Selectors {
    /// Whether a packet of the session may go between these addresses.
    #[must_use]
    pub fn admit(&self, local: IpAddr, remote: IpAddr) -> bool {
        self.remote.iter().any(|prefix| prefix.contains(remote))
            && self.local.iter().any(|prefix| prefix.contains(local))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> IpPrefix {
        let (address, length) = text.split_once('/').unwrap();
        IpPrefix::new(address.parse().unwrap(), length.parse().unwrap()).unwrap()
    }

    fn spanning(first: &str, last: &str) -> Vec<String> {
        IpPrefix::spanning(first.parse().unwrap(), last.parse().unwrap())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn prefixes_clear_host_bits_and_contain_their_own() {
        let network = prefix("192.0.2.77/26");
        assert_eq!(network.to_string(), "192.0.2.64/26");
        assert!(network.contains("192.0.2.127".parse().unwrap()));
        assert!(!network.contains("192.0.2.128".parse().unwrap()));
        assert!(
            !network.contains("::c000:240".parse().unwrap()),
            "the other family"
        );
        assert!(IpPrefix::ANY_V6.contains("2001:db8::1".parse().unwrap()));
        assert!(!IpPrefix::ANY_V6.contains("192.0.2.1".parse().unwrap()));
        assert!(prefix("2001:db8::1/128").is_host());
        assert_eq!(IpPrefix::new("192.0.2.1".parse().unwrap(), 33), None);
        assert_eq!(IpPrefix::new("::1".parse().unwrap(), 129), None);
    }

    #[test]
    fn spans_ranges_with_few_networks() {
        assert_eq!(spanning("10.0.0.0", "10.0.0.255"), ["10.0.0.0/24"]);
        assert_eq!(
            spanning("10.0.0.1", "10.0.0.6"),
            ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]
        );
        assert_eq!(spanning("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
        assert_eq!(
            spanning("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ["::/0"]
        );
        assert_eq!(spanning("10.0.0.9", "10.0.0.9"), ["10.0.0.9/32"]);
        assert_eq!(spanning("10.0.0.9", "10.0.0.8"), [""; 0]);
        assert_eq!(spanning("10.0.0.9", "::1"), [""; 0]);
    }

    proptest! {
        #[test]
        fn spanning_covers_exactly_the_range(first in any::<u32>(), width in 0_u32..100_000, probe in -2_i64..100_002) {
            let last = first.saturating_add(width);
            let networks = IpPrefix::spanning(
                IpAddr::V4(first.into()),
                IpAddr::V4(last.into()),
            );
            let Ok(address) = u32::try_from(i64::from(first) + probe) else {
                return Ok(());
            };
            let holding = networks
                .iter()
                .filter(|network| network.contains(IpAddr::V4(address.into())))
                .count();
            prop_assert_eq!(holding, usize::from((first..=last).contains(&address)));
        }
    }
}
