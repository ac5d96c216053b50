//! Virtual address pools (`ip local pool`) and who holds what.
//!
//! A user gets the address that it had last while that is free; else one that nobody has had; else
//! the smallest free one. Nothing here is persistent: a restart forgets who had what.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ironflex_ikev2::event::SaId;

/// Users whose last address is remembered, in each pool.
const REMEMBERED: usize = 65_536;

/// Who holds an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The IKE SA that it was given to.
    pub sa: SaId,
    /// The user, or the identity of a peer without one.
    pub user: String,
}

/// Why no address was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// The policy names a pool that is not there.
    #[error("pool {0} does not exist")]
    NoPool(String),
    /// Every address is held.
    #[error("pool {pool} is exhausted: all {size} addresses are in use, by {holders}")]
    Exhausted {
        /// The pool.
        pool: String,
        /// How many addresses it has.
        size: u64,
        /// The first holders, as `user (address)`.
        holders: String,
    },
}

/// Every pool.
#[derive(Debug, Default)]
pub struct Pools(BTreeMap<String, Pool>);

#[derive(Debug)]
struct Pool {
    ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    held: BTreeMap<Ipv4Addr, Holder>,
    /// Addresses that somebody has had and nobody has now.
    released: BTreeSet<Ipv4Addr>,
    /// The next address that nobody has had: which range, and where in it.
    untouched: Option<(usize, Ipv4Addr)>,
    last: BTreeMap<String, Ipv4Addr>,
}

impl Pool {
    fn new(ranges: Vec<(Ipv4Addr, Ipv4Addr)>) -> Self {
        let untouched = ranges.first().map(|&(first, _)| (0, first));
        Self {
            ranges,
            held: BTreeMap::new(),
            released: BTreeSet::new(),
            untouched,
            last: BTreeMap::new(),
        }
    }

    fn size(&self) -> u64 {
        self.ranges
            .iter()
            .map(|&(first, last)| {
                u64::from(u32::from(last).saturating_sub(u32::from(first))).saturating_add(1)
            })
            .sum()
    }

    fn take_untouched(&mut self) -> Option<Ipv4Addr> {
        let (range, address) = self.untouched?;
        let &(_, last) = self.ranges.get(range)?;
        self.untouched = if address < last {
            u32::from(address)
                .checked_add(1)
                .map(|next| (range, Ipv4Addr::from(next)))
        } else {
            let range = range.saturating_add(1);
            self.ranges.get(range).map(|&(first, _)| (range, first))
        };
        Some(address)
    }

    fn choose(&mut self, user: &str) -> Option<Ipv4Addr> {
        if let Some(address) = self.last.get(user).copied()
            && self.released.remove(&address)
        {
            return Some(address);
        }
        self.take_untouched().or_else(|| self.released.pop_first())
    }
}

impl Pools {
    /// Pools with these ranges, first and last address included.
    pub fn new(pools: impl IntoIterator<Item = (String, Vec<(Ipv4Addr, Ipv4Addr)>)>) -> Self {
        let pools = pools.into_iter();
        Self(
            pools
                .map(|(name, ranges)| (name, Pool::new(ranges)))
                .collect(),
        )
    }

    /// Gives `holder` an address of a pool.
    ///
    /// # Errors
    ///
    /// [`NoAddress`].
    pub fn allocate(&mut self, pool: &str, holder: Holder) -> Result<Ipv4Addr, NoAddress> {
        let state = self
            .0
            .get_mut(pool)
            .ok_or_else(|| NoAddress::NoPool(pool.to_owned()))?;
        let Some(address) = state.choose(&holder.user) else {
            let held = state.held.iter().take(8);
            let names = held.map(|(address, holder)| format!("{} ({address})", holder.user));
            return Err(NoAddress::Exhausted {
                pool: pool.to_owned(),
                size: state.size(),
                holders: names.collect::<Vec<_>>().join(", "),
            });
        };
        if state.last.len() < REMEMBERED || state.last.contains_key(&holder.user) {
            state.last.insert(holder.user.clone(), address);
        }
        // RFC 3948 §5.1#1-2: an inner address belongs to one client, whatever network it comes
        // from.
        state.held.insert(address, holder);
        Ok(address)
    }

    /// Takes back what an IKE SA holds of a pool.
    pub fn release(&mut self, pool: &str, address: Ipv4Addr, sa: SaId) {
        let Some(state) = self.0.get_mut(pool) else {
            return;
        };
        if state
            .held
            .get(&address)
            .is_some_and(|holder| holder.sa == sa)
        {
            state.held.remove(&address);
            state.released.insert(address);
        }
    }

    /// Every range with the addresses in use in it.
    pub fn ranges(&self) -> impl Iterator<Item = Range<'_>> {
        self.0.iter().flat_map(|(name, pool)| {
            pool.ranges.iter().map(move |&(first, last)| Range {
                pool: name,
                first,
                last,
                held: pool.held.range(first..=last).collect(),
            })
        })
    }
}

/// One range of a pool.
#[derive(Debug)]
pub struct Range<'a> {
    /// The pool's name.
    pub pool: &'a str,
    /// The first address.
    pub first: Ipv4Addr,
    /// The last address.
    pub last: Ipv4Addr,
    /// Who holds what in it.
    pub held: Vec<(&'a Ipv4Addr, &'a Holder)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(first: u8, last: u8) -> Pools {
        let address = |end| Ipv4Addr::new(192, 168, 10, end);
        Pools::new([("ACPool".to_owned(), vec![(address(first), address(last))])])
    }

    fn holder(sa: u64, user: &str) -> Holder {
        Holder {
            sa: SaId::from_spi(sa),
            user: user.to_owned(),
        }
    }

    fn end(address: Ipv4Addr) -> u8 {
        address.octets()[3]
    }

    // RFC 3948 §5.1#1-2: no address is given twice.
    #[test]
    fn gives_each_address_once_and_names_the_holders_when_none_is_left() {
        let mut pools = pools(5, 6);
        assert_eq!(end(pools.allocate("ACPool", holder(1, "a")).unwrap()), 5);
        assert_eq!(end(pools.allocate("ACPool", holder(2, "b")).unwrap()), 6);
        let error = pools.allocate("ACPool", holder(3, "c")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pool ACPool is exhausted: all 2 addresses are in use, \
             by a (192.168.10.5), b (192.168.10.6)"
        );
        assert_eq!(
            pools.allocate("other", holder(3, "c")),
            Err(NoAddress::NoPool("other".into()))
        );
    }

    #[test]
    fn a_user_gets_its_last_address_again_while_that_is_free() {
        let mut pools = pools(5, 10);
        let first = pools.allocate("ACPool", holder(1, "a")).unwrap();
        pools.release("ACPool", first, SaId::from_spi(1));
        // Somebody else gets one that nobody has had, although a's is free.
        assert_ne!(pools.allocate("ACPool", holder(2, "b")).unwrap(), first);
        assert_eq!(pools.allocate("ACPool", holder(3, "a")).unwrap(), first);
        // A second device of the same user gets another.
        assert_ne!(pools.allocate("ACPool", holder(4, "a")).unwrap(), first);
    }

    #[test]
    fn only_the_holder_releases() {
        let mut pools = pools(5, 5);
        let address = pools.allocate("ACPool", holder(1, "a")).unwrap();
        pools.release("ACPool", address, SaId::from_spi(2));
        assert!(pools.allocate("ACPool", holder(3, "c")).is_err());
        pools.release("ACPool", address, SaId::from_spi(1));
        assert_eq!(pools.allocate("ACPool", holder(3, "c")).unwrap(), address);
    }

    #[test]
    fn goes_through_several_ranges_to_the_last_address_there_is() {
        let top = Ipv4Addr::new(255, 255, 255, 255);
        let mut pools = Pools::new([(
            "p".to_owned(),
            vec![
                (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 1)),
                (top, top),
            ],
        )]);
        assert_eq!(
            pools.allocate("p", holder(1, "a")).unwrap(),
            Ipv4Addr::new(10, 0, 0, 1)
        );
        assert_eq!(pools.allocate("p", holder(2, "b")).unwrap(), top);
        assert!(pools.allocate("p", holder(3, "c")).is_err());
        assert_eq!(
            pools.ranges().map(|range| range.held.len()).sum::<usize>(),
            2
        );
    }
}
