//! Whom something that strangers can cause counts against.
//!
//! Whoever receives at many addresses could take one host's share with each of them. So an address counts together with
//! the networks around it that one host, one home, one site or one customer of a provider may have to itself, and each of
//! these has a larger share than what is in it, but never more than half of all. This is the one notion of a source: every
//! limit, rate, queue and list of last events that is shared out among strangers takes it from here.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The networks of IPv6 that count, by the length of their prefixes, and how many times a host's share each has: a
/// link, on which one host may have any address; what a home is given; and what a site is given (RFC 6177 §2).
const IPV6: [(u32, usize); 3] = [(64, 1), (56, 2), (48, 4)];

/// The same of IPv4: one address, behind which a translator may have a thousand clients; and the smallest network that is
/// routed on its own, in which a provider may have many such translators, and anybody all of the addresses for little money.
const IPV4: [(u32, usize); 2] = [(32, 1), (24, 8)];

/// An address, as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(IpAddr);

/// A source, or a network around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// `ADDRESS/PREFIX`, and of an IPv4 address alone only that.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.prefix) {
            (IpAddr::V4(address), 32) => address.fmt(f),
            (address, prefix) => write!(f, "{address}/{prefix}"),
        }
    }
}

/// How many times a host's share a [`Network`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times(usize);

impl Times {
    /// What the network may have of `all`, where one host may have `share`: so many times that, but half of all at most. Where
    /// a host's share is more than half of all, the network that it is in leaves it that half.
    #[must_use]
    pub fn of(self, share: usize, all: usize) -> usize {
        match self.0 {
            1 => share,
            times => share.saturating_mul(times).min((all / 2).max(1)),
        }
    }
}

impl Source {
    /// The source at this address. IPv4 in IPv6 is IPv4.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// What it counts as, the smallest first: one host's network, then those around it.
    pub fn networks(self) -> impl Iterator<Item = (Network, Times)> {
        let list: &[(u32, usize)] = match self.0 {
            IpAddr::V4(_) => &IPV4,
            IpAddr::V6(_) => &IPV6,
        };
        list.iter().map(move |&(prefix, times)| {
            let address = masked(self.0, prefix);
            (Network { address, prefix }, Times(times))
        })
    }

    /// The address by which one host is told: that of the smallest network that it counts as.
    #[must_use]
    pub fn host(self) -> IpAddr {
        let host = self.networks().next();
        host.map_or(self.0, |(host, _)| host.address)
    }

    /// Whether it is in this network.
    #[must_use]
    pub fn is_in(self, network: Network) -> bool {
        self.0.is_ipv4() == network.address.is_ipv4()
            && masked(self.0, network.prefix) == network.address
    }

    /// Whether both are what one host may be.
    #[must_use]
    pub fn is_one_host_with(self, other: Self) -> bool {
        let host = self.networks().next();
        host.is_some_and(|(host, _)| other.is_in(host))
    }
}

/// The network of this prefix that an address is in.
fn masked(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let host = u32::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & !host).into()
        }
        IpAddr::V6(v6) => {
            let host = u128::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & !host).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    #[test]
    fn a_host_is_an_ipv4_address_or_a_64_of_ipv6() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:0:0:2", true),
            ("2001:db8:0:1::1", "2001:db8::1", false),
            ("192.0.2.1", "2001:db8::1", false),
            ("0.0.0.0", "::", false),
        ] {
            let (one, other) = (source(one), source(other));
            assert_eq!(one.is_one_host_with(other), same, "{one:?} {other:?}");
            assert_eq!(other.is_one_host_with(one), same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn networks_around_it_have_more_than_a_host_and_never_more_than_half() {
        let shares = |text: &str| -> Vec<(IpAddr, u32, usize, usize)> {
            let told = source(text).networks().map(|(network, times)| {
                let Network { address, prefix } = network;
                (address, prefix, times.of(10, 1_000), times.of(10, 50))
            });
            told.collect()
        };
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            shares("198.51.100.7"),
            [
                (at("198.51.100.7"), 32, 10, 10),
                (at("198.51.100.0"), 24, 80, 25)
            ]
        );
        assert_eq!(
            shares("2001:db8:1:2345::7"),
            [
                (at("2001:db8:1:2345::"), 64, 10, 10),
                (at("2001:db8:1:2300::"), 56, 20, 20),
                (at("2001:db8:1::"), 48, 40, 25),
            ]
        );
        // However little there is.
        let last = source("192.0.2.1").networks().last().unwrap();
        assert_eq!((last.1.of(10, 4), last.1.of(10, 0)), (2, 1));
    }
}
