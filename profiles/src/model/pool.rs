//! `ip local pool`.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::Located;

/// `ip local pool NAME FIRST [LAST]`; each such line adds a range.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pool {
    /// The ranges in the order of their lines, none of them overlapping another.
    pub ranges: Vec<Located<PoolRange>>,
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
