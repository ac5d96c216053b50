//! Who gets which address, and who is told when there are few.

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
fn a_pool_that_fills_up_says_so_once_until_there_is_room_again() {
    let mut pools = pools(1, 10);
    let mut held = BTreeMap::new();
    let mut give = |pools: &mut Pools<Ipv4Addr>, sa| {
        held.insert(sa, pools.allocate("ACPool", holder(sa, "a")).unwrap());
        (pools.fills_up("ACPool"), held.clone())
    };
    for sa in 1..=8 {
        assert_eq!(give(&mut pools, sa).0, None);
    }
    assert_eq!(give(&mut pools, 9).0, Some((9, 10)));
    // Who comes and goes at the mark is not told of each time.
    for _ in 0..3 {
        let (told, held) = give(&mut pools, 10);
        assert_eq!(told, None);
        for sa in [9, 10] {
            pools.release(held[&sa], SaId::from_spi(sa));
        }
        assert_eq!(give(&mut pools, 9).0, None);
    }
    let (_, held) = give(&mut pools, 10);
    for sa in 8..=10 {
        pools.release(held[&sa], SaId::from_spi(sa));
    }
    for sa in [8, 9] {
        let told = pools
            .allocate("ACPool", holder(sa, "a"))
            .map(|_| pools.fills_up("ACPool"));
        assert_eq!(told, Ok((sa == 9).then_some((9, 10))));
    }
    assert_eq!(pools.fills_up("other"), None);
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
