//! `ip local pool` and `ipv6 local pool`.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{Located, net::Ipv6Net};

/// `ip local pool NAME FIRST [LAST]`; each such line adds a range.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pool {
    ranges: Vec<Located<PoolRange>>,
    /// The same by their first address, to find what overlaps.
    by_first: BTreeMap<Ipv4Addr, Located<PoolRange>>,
}

impl Pool {
    /// The ranges in the order of their lines, none of them overlapping another.
    pub fn ranges(&self) -> &[Located<PoolRange>] {
        &self.ranges
    }

    /// One that has an address in common with a range.
    pub fn overlapping(&self, range: PoolRange) -> Option<&Located<PoolRange>> {
        // None of them overlaps another, so the nearest before the end tells.
        let (_, nearest) = self.by_first.range(..=range.last).next_back()?;
        nearest.value.overlaps(range).then_some(nearest)
    }

    /// What the pool has nothing of, of a range, in order.
    pub fn lacking(&self, range: PoolRange) -> impl Iterator<Item = PoolRange> {
        // None of them overlaps another, so the one before tells where the next can begin.
        let before = self.by_first.range(..range.first).next_back();
        let within = self.by_first.range(range.first..=range.last);
        let known: Vec<PoolRange> = before
            .into_iter()
            .chain(within)
            .map(|(_, known)| known.value)
            .collect();
        let mut next = Some(range.first);
        let mut gaps = Vec::new();
        for one in known {
            let gap = next.zip(previous(one.first));
            gaps.extend(gap.and_then(|(first, last)| PoolRange::new(first, last)));
            next = next.and_then(|next| Some(next.max(following(one.last)?)));
        }
        gaps.extend(next.and_then(|first| PoolRange::new(first, range.last)));
        gaps.into_iter()
    }

    /// Adds a range, unless it overlaps another.
    pub fn add(&mut self, range: Located<PoolRange>) {
        if self.overlapping(range.value).is_none() {
            self.by_first.insert(range.value.first, range.clone());
            self.ranges.push(range);
        }
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: PoolRange) {
        self.ranges.retain(|one| one.value != range);
        let at = self.by_first.get(&range.first);
        if at.is_some_and(|one| one.value == range) {
            self.by_first.remove(&range.first);
        }
    }
}

fn previous(address: Ipv4Addr) -> Option<Ipv4Addr> {
    u32::from(address).checked_sub(1).map(Ipv4Addr::from)
}

fn following(address: Ipv4Addr) -> Option<Ipv4Addr> {
    u32::from(address).checked_add(1).map(Ipv4Addr::from)
}

/// Addresses from the first to the last, both included.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PoolRange {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl PoolRange {
    /// A range; `None` if its last address comes before its first.
    pub fn new(first: Ipv4Addr, last: Ipv4Addr) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// First address.
    pub const fn first(self) -> Ipv4Addr {
        self.first
    }

    /// Last address.
    pub const fn last(self) -> Ipv4Addr {
        self.last
    }

    /// How many addresses it holds.
    pub fn size(self) -> u64 {
        let span = u32::from(self.last).saturating_sub(u32::from(self.first));
        u64::from(span).saturating_add(1)
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        self.first <= address && address <= self.last
    }

    /// Whether two ranges have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// For people: a line has both addresses without a word between them.
impl fmt::Display for PoolRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last {
            write!(f, "{first}")
        } else {
            write!(f, "{first} to {last}")
        }
    }
}

/// `ipv6 local pool NAME PREFIX/LENGTH ASSIGNED`: each client is given a network of the assigned length.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ipv6Pool {
    prefix: Ipv6Net,
    assigned: u8,
}

impl Ipv6Pool {
    /// A pool; `None` unless `assigned`, in bits, lies between the prefix's length and 128.
    pub fn new(prefix: Ipv6Net, assigned: u8) -> Option<Self> {
        (prefix.length()..=128)
            .contains(&assigned)
            .then_some(Self { prefix, assigned })
    }

    /// All that the pool has.
    pub const fn prefix(self) -> Ipv6Net {
        self.prefix
    }

    /// The length of what a client is given, in bits.
    pub const fn assigned(self) -> u8 {
        self.assigned
    }

    /// The bits of an address that are the client's own.
    pub const fn host_bits(self) -> u8 {
        128u8.saturating_sub(self.assigned)
    }

    /// The first address of the first network that a client is given. Where single addresses are given, the first
    /// of a pool belongs to its routers (RFC 4291 §2.6.1) and is left out.
    pub fn first(self) -> Ipv6Addr {
        let first = self.prefix.address();
        if self.assigned == 128 && self.prefix.length() < 128 {
            Self::client(first)
        } else {
            first
        }
    }

    /// The first address of the last network that a client is given.
    pub fn last(self) -> Ipv6Addr {
        let network = Ipv6Net::new(self.prefix.last(), self.assigned);
        network.map_or_else(|| self.prefix.address(), Ipv6Net::address)
    }

    /// The address of the client that is given the network which begins here: the first one that is not its
    /// routers' (RFC 4291 §2.6.1).
    pub fn client_of(self, network: Ipv6Addr) -> Ipv6Addr {
        if self.assigned == 128 {
            network
        } else {
            Self::client(network)
        }
    }

    fn client(network: Ipv6Addr) -> Ipv6Addr {
        Ipv6Addr::from(u128::from(network) | 1)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::Span;

    fn range(text: &str) -> PoolRange {
        let mut ends = text.split(' ').map(|end| end.parse().unwrap());
        let first = ends.next().unwrap();
        PoolRange::new(first, ends.next().unwrap_or(first)).unwrap()
    }

    #[test]
    fn a_pool_lacks_what_lies_between_its_ranges() {
        let mut pool = Pool::default();
        for known in [
            "10.0.0.10 10.0.0.19",
            "10.0.0.30",
            "255.255.255.250 255.255.255.255",
            "0.0.0.0",
        ] {
            pool.add(Located::new(range(known), Span::built_in("test")));
        }
        for (wanted, lacking) in [
            ("10.0.0.10 10.0.0.19", &[][..]),
            ("10.0.0.12 10.0.0.13", &[]),
            ("10.0.0.15 10.0.0.25", &["10.0.0.20 to 10.0.0.25"]),
            ("10.0.0.5 10.0.0.15", &["10.0.0.5 to 10.0.0.9"]),
            (
                "10.0.0.1 10.0.0.40",
                &[
                    "10.0.0.1 to 10.0.0.9",
                    "10.0.0.20 to 10.0.0.29",
                    "10.0.0.31 to 10.0.0.40",
                ],
            ),
            ("10.0.0.29 10.0.0.31", &["10.0.0.29", "10.0.0.31"]),
            ("255.255.255.249 255.255.255.255", &["255.255.255.249"]),
            ("0.0.0.0 0.0.0.1", &["0.0.0.1"]),
        ] {
            let found: Vec<_> = pool
                .lacking(range(wanted))
                .map(|one| one.to_string())
                .collect();
            assert_eq!(found, lacking, "{wanted}");
        }
    }

    #[test]
    fn an_ipv6_pool_gives_networks_or_addresses_and_never_its_routers() {
        let pool = |prefix, assigned| Ipv6Pool::new(Ipv6Net::parse(prefix).unwrap(), assigned);
        let ends = |prefix, assigned| {
            let pool = pool(prefix, assigned).unwrap();
            alloc::format!(
                "{} {} {}",
                pool.first(),
                pool.last(),
                pool.client_of(pool.first())
            )
        };
        assert_eq!(
            ends("2001:db8::/48", 64),
            "2001:db8:: 2001:db8:0:ffff:: 2001:db8::1"
        );
        assert_eq!(
            ends("2001:db8::/126", 128),
            "2001:db8::1 2001:db8::3 2001:db8::1"
        );
        assert_eq!(
            ends("2001:db8::8/128", 128),
            "2001:db8::8 2001:db8::8 2001:db8::8"
        );
        assert_eq!(ends("::/0", 0), ":: :: ::1");
        assert_eq!(pool("2001:db8::/48", 47), None);
        assert_eq!(pool("2001:db8::/48", 129), None);
    }
}
