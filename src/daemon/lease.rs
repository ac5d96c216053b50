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
        }
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
mod tests {
    use super::*;

    fn pools(first: u8, last: u8) -> Pools<Ipv4Addr> {
        let address = |end| Ipv4Addr::new(192, 168, 10, end);
        Pools::new([(
            "ACPool".to_owned(),
            vec![(address(first), address(last))],
            0,
        )])
    }

    fn holder(sa: u64, user: &str) -> Holder {
        Holder {
            sa: SaId::from_spi(sa),
            key: PeerKey::User(user.into()),
            user: user.to_owned(),
            device: None,
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
        pools.release(first, SaId::from_spi(1));
        // Somebody else gets one that nobody has had, although a's is free.
        assert_ne!(pools.allocate("ACPool", holder(2, "b")).unwrap(), first);
        assert_eq!(pools.allocate("ACPool", holder(3, "a")).unwrap(), first);
        // A second device of the same user gets another.
        assert_ne!(pools.allocate("ACPool", holder(4, "a")).unwrap(), first);
    }

    #[test]
    fn each_device_of_a_user_gets_its_own_address_again_in_whatever_order_they_come() {
        let device = |sa, name: &str| Holder {
            device: Some(name.to_owned()),
            ..holder(sa, "a")
        };
        for order in [["one", "two"], ["two", "one"]] {
            let mut pools = pools(5, 10);
            let mut give = |sa, name| end(pools.allocate("ACPool", device(sa, name)).unwrap());
            assert_eq!((give(1, "one"), give(2, "two")), (5, 6));
            for (sa, address) in [(1, 5), (2, 6)] {
                pools.release(Ipv4Addr::new(192, 168, 10, address), SaId::from_spi(sa));
            }
            let mut give = |sa, name| end(pools.allocate("ACPool", device(sa, name)).unwrap());
            let again = order.map(|name| (name, give(3, name)));
            assert!(
                again.contains(&("one", 5)) && again.contains(&("two", 6)),
                "{again:?}"
            );
            // A third one has neither of them, and a name that is long is cut.
            assert_eq!(give(5, &"long".repeat(100)), 7);
        }
        // A new device is given what the user had before.
        let mut pools = pools(5, 10);
        for sa in 1..100 {
            let address = pools
                .allocate("ACPool", device(sa, &sa.to_string()))
                .unwrap();
            assert_eq!(end(address), 5);
            pools.release(address, SaId::from_spi(sa));
        }
        // Many devices at the same time do not fill the memory.
        let mut pools = self::pools(5, 100);
        let given: BTreeSet<Ipv4Addr> = (1..=50)
            .map(|sa| pools.allocate("ACPool", device(sa, &sa.to_string())))
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(given.len(), 50);
        let last = pools.pools["ACPool"].last.0.values();
        assert_eq!(last.map(Vec::len).sum::<usize>(), REMEMBERED_OF_ONE);
        // The last ones are remembered.
        for (address, sa) in given.into_iter().zip(1..) {
            pools.release(address, SaId::from_spi(sa));
        }
        let again = pools.allocate("ACPool", device(60, "50")).unwrap();
        assert_eq!(end(again), 54);
    }

    // What was free when the pool became another is nobody's, and still its user's.
    #[test]
    fn an_address_is_kept_for_its_user_when_the_pool_becomes_another() {
        let mut pools = pools(5, 10);
        pools.allocate("ACPool", holder(1, "b")).unwrap();
        let address = pools.allocate("ACPool", holder(2, "a")).unwrap();
        for (address, sa) in [(5, 1), (6, 2)] {
            pools.release(Ipv4Addr::new(192, 168, 10, address), SaId::from_spi(sa));
        }
        pools.reconfigure([configured(4, 20)]);
        assert_eq!(pools.allocate("ACPool", holder(3, "a")), Ok(address));
        // It is not given twice, and free again later.
        let others: Vec<u8> = (4..20)
            .map(|sa| {
                end(pools
                    .allocate("ACPool", holder(sa, &sa.to_string()))
                    .unwrap())
            })
            .collect();
        assert!(!others.contains(&end(address)), "{others:?}");
        pools.release(address, SaId::from_spi(3));
        assert_eq!(pools.allocate("ACPool", holder(30, "x")), Ok(address));
    }

    // Typed line by line, the pool is gone for a moment.
    #[test]
    fn an_address_is_kept_for_its_user_when_the_pool_goes_and_comes_back() {
        let named = |name: &str, last| {
            let (_, ranges, bits) = configured(4, last);
            (name.to_owned(), ranges, bits)
        };
        for name in ["ACPool", "other"] {
            let mut pools = pools(5, 10);
            let address = pools.allocate("ACPool", holder(1, "a")).unwrap();
            let gone = pools.allocate("ACPool", holder(2, "b")).unwrap();
            pools.release(gone, SaId::from_spi(2));
            pools.reconfigure([]);
            pools.reconfigure([named(name, 20)]);
            let held = |pools: &Pools<Ipv4Addr>| pools.ranges().map(|one| one.held.len()).sum();
            assert_eq!((pools.strays().count(), held(&pools)), (0, 1_usize));
            // Who is still there is not disturbed, and who comes back finds what it had.
            assert_ne!(pools.allocate(name, holder(3, "a")), Ok(address));
            pools.release(address, SaId::from_spi(1));
            assert_eq!(pools.allocate(name, holder(4, "b")), Ok(gone));
            assert_eq!(pools.allocate(name, holder(5, "a")), Ok(address));
        }
        // What the new one does not have nobody is given.
        let mut pools = pools(5, 10);
        let address = pools.allocate("ACPool", holder(1, "a")).unwrap();
        pools.release(address, SaId::from_spi(1));
        pools.reconfigure([]);
        pools.reconfigure([named("ACPool", 4)]);
        assert_eq!(pools.allocate("ACPool", holder(2, "a")).map(end), Ok(4));
    }

    fn configured(first: u8, last: u8) -> (String, Vec<(Ipv4Addr, Ipv4Addr)>, u8) {
        let address = |end| Ipv4Addr::new(192, 168, 10, end);
        (
            "ACPool".to_owned(),
            vec![(address(first), address(last))],
            0,
        )
    }

    #[test]
    fn whoever_holds_an_address_keeps_it_when_the_pools_become_others() {
        let mut pools = pools(5, 6);
        let give = |pools: &mut Pools<Ipv4Addr>, sa| {
            pools
                .allocate("ACPool", holder(sa, &format!("u{sa}")))
                .map(end)
        };
        assert_eq!(give(&mut pools, 1), Ok(5));
        assert_eq!(give(&mut pools, 2), Ok(6));
        // Wider: what is held is not given again.
        pools.reconfigure([configured(4, 7)]);
        assert_eq!(give(&mut pools, 3), Ok(4));
        assert_eq!(give(&mut pools, 4), Ok(7));
        assert!(give(&mut pools, 5).is_err());
        // Gone, and there again under another name: still held.
        pools.reconfigure([]);
        assert_eq!(pools.strays().count(), 4);
        pools.release(Ipv4Addr::new(192, 168, 10, 4), SaId::from_spi(3));
        assert_eq!(pools.strays().count(), 3);
        let (_, ranges, bits) = configured(4, 6);
        pools.reconfigure([("other".to_owned(), ranges, bits)]);
        assert_eq!(pools.strays().count(), 1);
        let next = pools.allocate("other", holder(6, "x")).map(end);
        assert_eq!(next, Ok(4));
        assert!(pools.allocate("other", holder(7, "y")).is_err());
        // What is released is free under the new name.
        pools.release(Ipv4Addr::new(192, 168, 10, 5), SaId::from_spi(1));
        assert_eq!(pools.allocate("other", holder(7, "y")).map(end), Ok(5));
    }

    #[test]
    fn what_is_held_in_another_division_is_given_to_nobody() {
        let at = |text: &str| -> Ipv6Addr { text.parse().unwrap() };
        let pool = |bits| {
            let ranges = vec![(at("2001:db8::"), at("2001:db8:0:1::"))];
            [("p".to_owned(), ranges, bits)]
        };
        let mut pools = Pools::new(pool(64));
        pools.allocate("p", holder(1, "a")).unwrap();
        // Now in networks of 2^63 addresses: the first two are a's.
        pools.reconfigure(pool(63));
        let next = pools.allocate("p", holder(2, "b"));
        assert_eq!(next, Ok(at("2001:db8:0:1::")));
        assert!(pools.allocate("p", holder(3, "c")).is_err());
        pools.release(at("2001:db8::"), SaId::from_spi(1));
        assert_eq!(pools.allocate("p", holder(3, "c")), Ok(at("2001:db8::")));
    }

    #[test]
    fn a_stray_is_passed_in_one_step_however_much_it_holds() {
        let at = |text: &str| -> Ipv6Addr { text.parse().unwrap() };
        let pool = |bits| {
            let ranges = vec![(at("2001:db8::"), at("2001:db8:0:ff:ffff:ffff:ffff:ffff"))];
            [("p".to_owned(), ranges, bits)]
        };
        let mut pools = Pools::new(pool(64));
        pools.allocate("p", holder(1, "a")).unwrap();
        // Now in single addresses: the first 2^64 are a's.
        pools.reconfigure(pool(0));
        let next = pools.allocate("p", holder(2, "b"));
        assert_eq!(next, Ok(at("2001:db8:0:1::")));
        pools.release(at("2001:db8::"), SaId::from_spi(1));
        assert_eq!(pools.allocate("p", holder(3, "c")), Ok(at("2001:db8::")));
        assert_eq!(pools.allocate("p", holder(4, "d")), Ok(at("2001:db8::1")));
        // Beyond the last range there is nothing.
        let mut whole = Pools::new([("w".to_owned(), vec![(at("::"), at("ff::"))], 64)]);
        whole.allocate("w", holder(5, "e")).unwrap();
        whole.reconfigure([("w".to_owned(), vec![(at("::1"), at("::9"))], 0)]);
        assert!(whole.allocate("w", holder(6, "f")).is_err());
    }

    #[test]
    fn an_address_is_kept_for_who_had_it_and_not_for_who_is_shown_alike() {
        let mut pools = pools(5, 10);
        let peer = |sa, kind| Holder {
            key: PeerKey::PreShared(kind, b"a".as_slice().into()),
            ..holder(sa, "a")
        };
        let first = pools.allocate("ACPool", peer(1, 2)).unwrap();
        pools.release(first, SaId::from_spi(1));
        assert_ne!(pools.allocate("ACPool", peer(2, 11)).unwrap(), first);
        assert_ne!(pools.allocate("ACPool", holder(3, "a")).unwrap(), first);
        assert_eq!(pools.allocate("ACPool", peer(4, 2)).unwrap(), first);
    }

    #[test]
    fn only_the_holder_releases() {
        let mut pools = pools(5, 5);
        let address = pools.allocate("ACPool", holder(1, "a")).unwrap();
        pools.release(address, SaId::from_spi(2));
        assert!(pools.allocate("ACPool", holder(3, "c")).is_err());
        pools.release(address, SaId::from_spi(1));
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
            0,
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

    #[test]
    fn gives_ipv6_networks_of_the_assigned_length_to_the_last_one_there_is() {
        let at = |text: &str| -> Ipv6Addr { text.parse().unwrap() };
        let ranges = vec![(at("2001:db8::"), at("2001:db8:0:1::"))];
        let mut pools = Pools::new([("p".to_owned(), ranges, 64)]);
        let first = pools.allocate("p", holder(1, "a")).unwrap();
        assert_eq!(first, at("2001:db8::"));
        let second = pools.allocate("p", holder(2, "b"));
        assert_eq!(second, Ok(at("2001:db8:0:1::")));
        let error = pools.allocate("p", holder(3, "c")).unwrap_err();
        assert!(error.to_string().contains("all 2 addresses"), "{error}");
        pools.release(first, SaId::from_spi(1));
        assert_eq!(pools.allocate("p", holder(4, "a")), Ok(first));
        // The whole address space as one, and as ones: neither overflows.
        let all = [at("::"), Ipv6Addr::from(u128::MAX)];
        assert_eq!(size(all[0], all[1], 0), u64::MAX);
        let mut whole = Pools::new([("w".to_owned(), vec![(all[0], all[0])], 128)]);
        assert_eq!(whole.allocate("w", holder(1, "a")), Ok(all[0]));
        assert!(whole.allocate("w", holder(2, "b")).is_err());
    }
}
