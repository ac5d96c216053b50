//! Virtual address pools (`ip local pool`, `ipv6 local pool`) and who holds what.
//!
//! A device of a user gets the address that it had last while that is free, a new one that the user had; else one that nobody has had; else
//! the smallest free one. Nothing here is persistent: a restart forgets who had what.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use ironflex_ikev2::event::SaId;

use super::identity::PeerKey;

/// Users whose last address is remembered, in each pool.
const REMEMBERED: usize = 65_536;

/// Addresses that are remembered of one user: it may have as many devices.
const REMEMBERED_OF_ONE: usize = 4;

/// As much of a device's name counts, in octets.
const DEVICE: usize = 64;

/// A pool of which more than so many percent are in use is told of.
const ALARM: u128 = 80;

/// One that has been told of is told of again once no more than so many were.
const CALM: u128 = 70;

/// Who holds an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The IKE SA that it was given to.
    pub sa: SaId,
    /// Who that is.
    pub key: PeerKey,
    /// The user, or the identity of a peer without one, for people.
    pub user: String,
    /// The user's device, as it calls itself.
    pub device: Option<String>,
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

/// What a pool gives: an address, or the network that begins there.
pub trait Address: Copy + Ord + fmt::Display + fmt::Debug {
    /// As a number.
    fn bits(self) -> u128;
    /// The address of this number; more bits than it has are cut off.
    fn from_bits(bits: u128) -> Self;
}

impl Address for Ipv4Addr {
    fn bits(self) -> u128 {
        u32::from(self).into()
    }

    fn from_bits(bits: u128) -> Self {
        Self::from(u32::try_from(bits).unwrap_or(u32::MAX))
    }
}

impl Address for Ipv6Addr {
    fn bits(self) -> u128 {
        self.into()
    }

    fn from_bits(bits: u128) -> Self {
        bits.into()
    }
}

/// Every pool of one family.
#[derive(Clone, Debug)]
pub struct Pools<A> {
    pools: BTreeMap<String, Pool<A>>,
    /// What is still held of pools that are not as they were when it was given: the address, how many of its low bits its
    /// holder has to itself, and the holder. Nobody else is given any of it.
    strays: BTreeMap<A, (u8, Holder)>,
    /// Who had what of pools that are no more: one of them may come back, whatever it is called then.
    former: Memory<A>,
}

impl<A> Default for Pools<A> {
    fn default() -> Self {
        Self {
            pools: BTreeMap::new(),
            strays: BTreeMap::new(),
            former: Memory::default(),
        }
    }
}

/// The addresses that users have had, and on which devices: the last one at the end.
#[derive(Clone, Debug)]
struct Memory<A>(BTreeMap<PeerKey, Vec<(Option<String>, A)>>);

impl<A> Default for Memory<A> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<A: Address> Memory<A> {
    /// What a user has on this device from now on is what it had last.
    fn keep(&mut self, key: &PeerKey, device: Option<&str>, address: A) {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(key) {
            return;
        }
        let device = device.map(|device| cut(device).to_owned());
        let had = self.0.entry(key.clone()).or_default();
        had.retain(|(one, other)| *other != address && (device.is_none() || *one != device));
        if had.len() >= REMEMBERED_OF_ONE {
            had.remove(0);
        }
        had.push((device, address));
    }

    /// The address that a user had on this device, or else last on any, of those that `is_free` knows.
    fn had(&self, holder: &Holder, is_free: impl Fn(A) -> bool) -> Option<A> {
        let had = self.0.get(&holder.key)?.iter().rev();
        let free = || had.clone().filter(|(_, address)| is_free(*address));
        let device = holder.device.as_deref().map(cut);
        let own = free().find(|(one, _)| device.is_some() && one.as_deref() == device);
        own.or_else(|| free().next()).map(|&(_, address)| address)
    }

    /// Keeps what another one knows.
    fn take_over(&mut self, other: Self) {
        for (key, had) in other.0 {
            for (device, address) in had {
                self.keep(&key, device.as_deref(), address);
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Pool<A> {
    ranges: Vec<(A, A)>,
    /// The low bits that a holder has to itself.
    host_bits: u8,
    held: BTreeMap<A, Holder>,
    /// Addresses that somebody has had and nobody has now.
    released: BTreeSet<A>,
    /// The next address that nobody has had: which range, and where in it.
    untouched: Option<(usize, A)>,
    /// Who had what of it.
    last: Memory<A>,
    /// It was told that it fills up.
    told: bool,
}

impl<A: Address> Pool<A> {
    fn new(ranges: Vec<(A, A)>, host_bits: u8) -> Self {
        let untouched = ranges.first().map(|&(first, _)| (0, first));
        Self {
            ranges,
            host_bits,
            held: BTreeMap::new(),
            released: BTreeSet::new(),
            untouched,
            last: Memory::default(),
            told: false,
        }
    }

    /// Whether it is in use to more than so many percent.
    fn is_above(&self, percent: u128) -> bool {
        let held = u128::try_from(self.held.len()).unwrap_or(u128::MAX);
        let full = u128::from(self.size()).saturating_mul(percent);
        held.saturating_mul(100) > full
    }

    fn size(&self) -> u64 {
        let ranges = self.ranges.iter();
        ranges
            .map(|&(first, last)| size(first, last, self.host_bits))
            .fold(0, u64::saturating_add)
    }

    /// Whether it gives this address.
    fn has(&self, address: A, host_bits: u8) -> bool {
        let ranges = &mut self.ranges.iter();
        self.host_bits == host_bits
            && ranges.any(|&(first, last)| {
                let low = address.bits().saturating_sub(first.bits());
                let step = 1_u128.checked_shl(host_bits.into());
                (first..=last).contains(&address)
                    && step.is_none_or(|step| low.checked_rem(step) == Some(0))
            })
    }

    fn take_untouched(&mut self) -> Option<A> {
        loop {
            let address = self.next_untouched()?;
            // One that was held before the pool became what it is has been released, or is held still.
            if !self.held.contains_key(&address) && !self.released.contains(&address) {
                return Some(address);
            }
        }
    }

    fn next_untouched(&mut self) -> Option<A> {
        let (range, address) = self.untouched?;
        let &(_, last) = self.ranges.get(range)?;
        let step = 1_u128
            .checked_shl(self.host_bits.into())
            .unwrap_or_default();
        self.untouched = if address < last {
            let next = address.bits().checked_add(step);
            next.map(|next| (range, A::from_bits(next)))
        } else {
            let range = range.saturating_add(1);
            self.ranges.get(range).map(|&(first, _)| (range, first))
        };
        Some(address)
    }

    /// Passes over what is untouched up to `end`, in one step: there may be more of it than anybody can count.
    fn go_beyond(&mut self, end: u128) {
        let Some((range, at)) = self.untouched else {
            return;
        };
        let Some(&(_, last)) = self.ranges.get(range) else {
            return;
        };
        let step = 1_u128
            .checked_shl(self.host_bits.into())
            .unwrap_or_default();
        let Some(held) = end.checked_sub(at.bits()) else {
            return;
        };
        let next = held
            .checked_div(step)
            .and_then(|steps| {
                steps
                    .checked_add(1)?
                    .checked_mul(step)?
                    .checked_add(at.bits())
            })
            .filter(|next| *next <= last.bits());
        let range_after = range.saturating_add(1);
        self.untouched = match next {
            Some(next) => Some((range, A::from_bits(next))),
            None => self
                .ranges
                .get(range_after)
                .map(|&(first, _)| (range_after, first)),
        };
    }

    /// Looks again at all that nobody has: something that was in its way is gone.
    fn begin_anew(&mut self) {
        self.untouched = self.ranges.first().map(|&(first, _)| (0, first));
    }

    /// Whether somebody can have this address.
    fn is_free(&self, address: A, strays: &BTreeMap<A, (u8, Holder)>) -> bool {
        self.has(address, self.host_bits)
            && !self.held.contains_key(&address)
            && held_until(strays, address, self.host_bits).is_none()
    }

    fn choose(&mut self) -> Option<A> {
        self.take_untouched().or_else(|| self.released.pop_first())
    }
}

fn cut(device: &str) -> &str {
    let end = device.floor_char_boundary(DEVICE);
    device.get(..end).unwrap_or(device)
}

/// The end of what is held out of any pool, where what begins at `address` shares something with that.
fn held_until<A: Address>(
    strays: &BTreeMap<A, (u8, Holder)>,
    address: A,
    host_bits: u8,
) -> Option<u128> {
    let end = |address: A, host_bits: u8| {
        let size = 1_u128.checked_shl(host_bits.into());
        let size = size.map_or(u128::MAX, |size| size.saturating_sub(1));
        address.bits().saturating_add(size)
    };
    let last = end(address, host_bits);
    strays
        .iter()
        .map(|(&stray, &(bits, _))| (stray.bits(), end(stray, bits)))
        .find(|&(first, end)| first <= last && address.bits() <= end)
        .map(|(_, end)| end)
}

/// How many holders a range has room for.
fn size<A: Address>(first: A, last: A, host_bits: u8) -> u64 {
    let between = last.bits().saturating_sub(first.bits());
    let steps = between.checked_shr(host_bits.into()).unwrap_or_default();
    u64::try_from(steps.saturating_add(1)).unwrap_or(u64::MAX)
}

impl<A: Address> Pools<A> {
    /// Pools with these ranges, first and last address included, and of each how many low bits of an address its holder
    /// has to itself.
    pub fn new(pools: impl IntoIterator<Item = (String, Vec<(A, A)>, u8)>) -> Self {
        let mut all = Self::default();
        all.reconfigure(pools);
        all
    }

    /// The pools are others from here on. Whoever holds an address keeps it, and nobody else is given it.
    pub fn reconfigure(&mut self, pools: impl IntoIterator<Item = (String, Vec<(A, A)>, u8)>) {
        let mut before = std::mem::take(&mut self.pools);
        for (name, ranges, host_bits) in pools {
            let same = |pool: &Pool<A>| pool.ranges == ranges && pool.host_bits == host_bits;
            let pool = match before.remove(&name) {
                Some(pool) if same(&pool) => pool,
                other => {
                    let mut pool = Pool::new(ranges, host_bits);
                    if let Some(other) = other {
                        pool.last = other.last;
                        let held = other.held.into_iter();
                        let held =
                            held.map(|(address, holder)| (address, (other.host_bits, holder)));
                        self.strays.extend(held);
                    }
                    pool
                }
            };
            self.pools.insert(name, pool);
        }
        for pool in before.into_values() {
            self.former.take_over(pool.last);
            let held = pool.held.into_iter();
            self.strays
                .extend(held.map(|(address, holder)| (address, (pool.host_bits, holder))));
        }
        // What a pool of now would give is its own again.
        for (address, (host_bits, holder)) in std::mem::take(&mut self.strays) {
            let mut pools = self.pools.values_mut();
            match pools.find(|pool| pool.has(address, host_bits)) {
                Some(pool) => drop(pool.held.insert(address, holder)),
                None => drop(self.strays.insert(address, (host_bits, holder))),
            }
        }
        // Strays of before may be held by a pool now.
        self.pools.values_mut().for_each(Pool::begin_anew);
    }

    /// What is held and in none of the pools: the address, and how many of its low bits belong to the holder.
    pub fn strays(&self) -> impl Iterator<Item = (A, u8)> {
        self.strays
            .iter()
            .map(|(&address, &(host_bits, _))| (address, host_bits))
    }

    /// Gives `holder` an address of a pool.
    ///
    /// # Errors
    ///
    /// [`NoAddress`].
    pub fn allocate(&mut self, pool: &str, holder: Holder) -> Result<A, NoAddress> {
        let state = self
            .pools
            .get_mut(pool)
            .ok_or_else(|| NoAddress::NoPool(pool.to_owned()))?;
        let is_free = |address| state.is_free(address, &self.strays);
        let had = state.last.had(&holder, is_free);
        let had = had.or_else(|| self.former.had(&holder, is_free));
        let mut chosen = had.or_else(|| state.choose());
        // What is passed over is found again once the stray is gone.
        while let Some(address) = chosen
            && let Some(end) = held_until(&self.strays, address, state.host_bits)
        {
            state.go_beyond(end);
            chosen = state.choose();
        }
        let Some(address) = chosen else {
            let held = state.held.iter().take(8);
            let names = held.map(|(address, holder)| format!("{} ({address})", holder.user));
            return Err(NoAddress::Exhausted {
                pool: pool.to_owned(),
                size: state.size(),
                holders: names.collect::<Vec<_>>().join(", "),
            });
        };
        state.released.remove(&address);
        let device = holder.device.as_deref();
        state.last.keep(&holder.key, device, address);
        // RFC 3948 §5.1#1-2: an inner address belongs to one client, whatever network it comes
        // from.
        state.held.insert(address, holder);
        Ok(address)
    }

    /// How many addresses of a pool are held and how many it has, where it has just come to be in use to more than
    /// `ALARM` percent. It is told again once it was at `CALM`.
    pub fn fills_up(&mut self, pool: &str) -> Option<(usize, u64)> {
        let pool = self.pools.get_mut(pool)?;
        if pool.told || !pool.is_above(ALARM) {
            return None;
        }
        pool.told = true;
        Some((pool.held.len(), pool.size()))
    }

    /// Takes back what an IKE SA holds.
    pub fn release(&mut self, address: A, sa: SaId) {
        if self
            .strays
            .get(&address)
            .is_some_and(|(_, holder)| holder.sa == sa)
        {
            self.strays.remove(&address);
            // What was passed over because of it can be given again.
            self.pools.values_mut().for_each(Pool::begin_anew);
        }
        // The pool may have another name by now.
        for state in self.pools.values_mut() {
            let holder = state.held.get(&address);
            if holder.is_some_and(|holder| holder.sa == sa) {
                state.held.remove(&address);
                state.released.insert(address);
                state.told &= state.is_above(CALM);
            }
        }
    }

    /// Every range with the addresses in use in it.
    pub fn ranges(&self) -> impl Iterator<Item = Range<'_, A>> {
        self.pools.iter().flat_map(|(name, pool)| {
            pool.ranges.iter().map(move |&(first, last)| Range {
                pool: name,
                first,
                last,
                host_bits: pool.host_bits,
                held: pool.held.range(first..=last).collect(),
            })
        })
    }
}

/// One range of a pool.
#[derive(Debug)]
pub struct Range<'a, A> {
    /// The pool's name.
    pub pool: &'a str,
    /// The first address.
    pub first: A,
    /// The last address.
    pub last: A,
    /// The low bits that a holder has to itself.
    host_bits: u8,
    /// Who holds what in it.
    pub held: Vec<(&'a A, &'a Holder)>,
}

impl<A: Address> Range<'_, A> {
    /// How many holders it has room for.
    #[must_use]
    pub fn size(&self) -> u64 {
        size(self.first, self.last, self.host_bits)
    }
}

#[cfg(test)]
mod tests;
