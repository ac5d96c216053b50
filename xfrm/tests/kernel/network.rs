//! Links, addresses, routes, namespaces.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use ironflex_xfrm::netlink::{
    CleanupScope, Firewall, KernelErrno, LinkAddress, LinkIndex, LinkKind, NeighbourState,
    NetlinkError, NetworkNamespace, NewLink, NextHop, Owner, PoolGuard, Removed, Route,
    RouteTarget, Ruleset, sysctl, xfrm_interfaces,
};

use crate::Ignored;
use crate::support::{cabled, ip, prefix};

cases![
    namespaces_are_apart,
    a_cable_carries_both_families,
    a_link_is_made_found_changed_and_removed,
    a_dummy_is_marked_as_ours,
    an_xfrm_interface_is_found_out_by_making_one,
    refusals_say_what_the_kernel_said,
    routes_are_ours_alone,
    a_foreign_route_is_not_replaced,
    a_route_that_cannot_be_replaced_stays,
    an_unreachable_route_stops_what_no_session_takes,
    the_way_to_an_address_is_looked_up,
    neighbours_are_listed_by_family_with_what_is_known_of_them,
    cleanup_removes_ours_and_nothing_else,
];

fn namespaces_are_apart() -> Result<(), Ignored> {
    let one = NetworkNamespace::create().unwrap();
    let other = NetworkNamespace::create().unwrap();
    one.run(|| sysctl::write("net.ipv4.ip_forward", 1))
        .unwrap()
        .unwrap();
    assert_eq!(one.run(sysctl::ipv4_forwarding).unwrap(), Ok(true));
    assert_eq!(other.run(sysctl::ipv4_forwarding).unwrap(), Ok(false));
    Ok(())
}

fn a_cable_carries_both_families() -> Result<(), Ignored> {
    let (left, right) = cabled();
    assert!(left.pings("192.0.2.1", "192.0.2.2", 1000));
    assert!(right.pings("2001:db8:2::2", "2001:db8:2::1", 1000));
    Ok(())
}

fn neighbours_are_listed_by_family_with_what_is_known_of_them() -> Result<(), Ignored> {
    let (mut left, _right) = cabled();
    assert!(left.pings("192.0.2.1", "192.0.2.2", 1000));
    assert!(left.pings("2001:db8:2::1", "2001:db8:2::2", 1000));
    // Nobody has this one.
    let silent = ip("192.0.2.77");
    let send = || {
        let socket = UdpSocket::bind("192.0.2.1:0").unwrap();
        socket.send_to(&[0xa5], (silent, 9)).unwrap();
    };
    left.namespace.run(send).unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    for (ipv6, known) in [(false, ip("192.0.2.2")), (true, ip("2001:db8:2::2"))] {
        loop {
            let all = left.network.neighbours(ipv6).unwrap();
            assert!(
                all.iter().all(|one| one.address.is_ipv6() == ipv6),
                "{all:?}"
            );
            let of = |address| all.iter().find(|one| one.address == address);
            let answers = of(known).is_some_and(|one| {
                one.hardware
                    .as_ref()
                    .is_some_and(|octets| octets.len() == 6)
                    && one.age < Duration::from_secs(60)
            });
            let asked = ipv6
                || of(silent).is_some_and(|one| {
                    let states = [NeighbourState::Incomplete, NeighbourState::Failed];
                    one.hardware.is_none() && states.contains(&one.state)
                });
            let own = of(ip(if ipv6 { "2001:db8:2::1" } else { "192.0.2.1" }));
            assert_eq!(
                own.is_some_and(|one| one.state == NeighbourState::Own),
                !ipv6
            );
            if answers && asked {
                break;
            }
            assert!(Instant::now() < end, "{all:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

fn a_link_is_made_found_changed_and_removed() -> Result<(), Ignored> {
    let (mut left, _right) = cabled();
    let network = &mut left.network;
    let new = NewLink {
        name: "ironflex7".into(),
        alias: Some(Owner::Headend.alias()),
        kind: LinkKind::Veth {
            peer: "far7".into(),
        },
    };
    let index = network.create_link(&new).unwrap();
    assert_eq!(
        network.create_link(&new).unwrap_err().errno(),
        Some(KernelErrno::EEXIST)
    );
    network.set_mtu(index, 1400).unwrap();
    network.set_up(index, true).unwrap();
    let link = network.link("ironflex7").unwrap().unwrap();
    assert_eq!(
        (link.index, link.mtu, link.up, link.kind.as_deref()),
        (index, 1400, true, Some("veth"))
    );
    assert!(link.is_of(Owner::Headend));
    assert!(!network.link("far7").unwrap().unwrap().is_of(Owner::Headend));
    network.set_up(index, false).unwrap();
    assert!(!network.link("ironflex7").unwrap().unwrap().up);

    let address = LinkAddress {
        link: index,
        address: ip("10.10.0.1"),
        prefix_length: 24,
    };
    network.add_address(&address).unwrap();
    assert!(network.add_address(&address).unwrap_err().is_present());
    assert!(network.addresses().unwrap().contains(&address));
    network.delete_address(&address).unwrap();
    assert!(network.delete_address(&address).unwrap_err().is_absent());
    assert!(!network.addresses().unwrap().contains(&address));

    network.delete_link(index).unwrap();
    assert_eq!(network.link("ironflex7").unwrap(), None);
    assert!(network.delete_link(index).unwrap_err().is_absent());
    assert!(
        network
            .links()
            .unwrap()
            .iter()
            .all(|link| !link.is_of(Owner::Headend))
    );
    Ok(())
}

fn a_dummy_is_marked_as_ours() -> Result<(), Ignored> {
    let (mut left, _right) = cabled();
    let new = NewLink {
        name: "ironflex-lo0".into(),
        alias: Some(Owner::Headend.alias()),
        kind: LinkKind::Dummy,
    };
    match left.network.create_link(&new) {
        Err(error) if error.errno() == Some(KernelErrno::EOPNOTSUPP) => {
            assert_eq!(left.network.link("ironflex-lo0").unwrap(), None);
            Err(Ignored("the kernel has no dummy device".into()))
        }
        created => {
            let index = created.unwrap();
            let link = left.network.link("ironflex-lo0").unwrap().unwrap();
            assert_eq!((link.index, link.kind.as_deref()), (index, Some("dummy")));
            assert!(link.is_of(Owner::Headend));
            Ok(())
        }
    }
}

fn an_xfrm_interface_is_found_out_by_making_one() -> Result<(), Ignored> {
    let (mut left, _right) = cabled();
    let found = xfrm_interfaces(&mut left.network).unwrap();
    assert!(
        left.network
            .links()
            .unwrap()
            .iter()
            .all(|link| !link.is_of(Owner::Headend)),
        "the probe's device is gone"
    );
    if !found {
        return Err(Ignored("the kernel has no xfrm interfaces".into()));
    }
    let kind = LinkKind::Xfrm {
        if_id: 7,
        underlying: Some(left.cable),
    };
    let new = NewLink {
        name: "ironflex1".into(),
        alias: Some(Owner::Headend.alias()),
        kind,
    };
    left.network.create_link(&new).unwrap();
    assert_eq!(
        left.network
            .link("ironflex1")
            .unwrap()
            .unwrap()
            .kind
            .as_deref(),
        Some("xfrm")
    );
    Ok(())
}

fn refusals_say_what_the_kernel_said() -> Result<(), Ignored> {
    let (mut left, _right) = cabled();
    let gone = LinkIndex::new(4_000_000).unwrap();
    let error = left
        .network
        .add_route(&Route::onto(Owner::Headend, prefix("10.10.0.5/32"), gone))
        .unwrap_err();
    let NetlinkError::Refused {
        operation, errno, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(operation, "add route 10.10.0.5/32 on link 4000000");
    assert_eq!(*errno, KernelErrno::ENODEV);

    // Since 4.12 the kernel explains itself, here why an MTU cannot be.
    let error = left.network.set_mtu(left.cable, 1).unwrap_err();
    assert!(
        error.to_string().ends_with("mtu less than device minimum"),
        "{error}"
    );
    Ok(())
}

fn routes_are_ours_alone() -> Result<(), Ignored> {
    let (mut left, _right) = cabled();
    let session = Route::onto(Owner::Headend, prefix("10.10.0.5/32"), left.cable);
    let session6 = Route::onto(Owner::Headend, prefix("2001:db8:10::5/128"), left.cable);
    let gateway = Route {
        destination: prefix("10.20.0.0/16"),
        target: RouteTarget::Gateway {
            address: ip("192.0.2.2"),
            link: Some(left.cable),
        },
        metric: 9,
        source: Some(ip("192.0.2.1")),
        table: 4711,
    };
    let guards = [
        Route::guard(Owner::Headend, prefix("10.10.0.0/16")),
        Route::guard(Owner::Headend, prefix("2001:db8:10::/64")),
    ];
    let mut expected = vec![session, session6, gateway];
    expected.extend(guards);
    for route in &expected {
        left.network.add_route(route).unwrap();
        left.network
            .add_route(route)
            .unwrap_or_else(|error| panic!("a second time: {error}"));
    }
    let by_prefix = |routes: &mut Vec<Route>| routes.sort_by_key(|route| route.destination);
    let mut listed = left.network.routes().unwrap();
    by_prefix(&mut listed);
    by_prefix(&mut expected);
    assert_eq!(listed, expected, "none of the cable's own");

    for route in &expected {
        left.network.delete_route(route).unwrap();
        assert!(left.network.delete_route(route).unwrap_err().is_absent());
    }
    assert_eq!(left.network.routes().unwrap(), []);
    assert!(
        left.pings("192.0.2.1", "192.0.2.2", 8),
        "the cable's own are still there"
    );
    Ok(())
}

fn a_foreign_route_is_not_replaced() -> Result<(), Ignored> {
    let (mut left, _right) = cabled();
    left.needs_ip()?;
    left.ip("route add 10.10.0.5/32 dev cable metric 50");
    let error = left
        .network
        .add_route(&Route::onto(
            Owner::Headend,
            prefix("10.10.0.5/32"),
            left.cable,
        ))
        .unwrap_err();
    assert!(error.is_present(), "{error}");
    let foreign = Route::onto(Owner::Headend, prefix("10.10.0.5/32"), left.cable);
    assert!(left.network.delete_route(&foreign).unwrap_err().is_absent());
    let routes = left.ip("route show 10.10.0.5");
    assert_eq!(routes.trim(), "10.10.0.5 dev cable scope link metric 50");
    Ok(())
}

fn a_route_that_cannot_be_replaced_stays() -> Result<(), Ignored> {
    let (mut left, _right) = cabled();
    for (destination, nobody) in [
        ("2001:db8:10::/48", "2001:db8:99::1"),
        ("10.10.0.0/16", "10.99.0.1"),
    ] {
        let standing = Route::onto(Owner::Headend, prefix(destination), left.cable);
        left.network.add_route(&standing).unwrap();
        // No router can be reached at an address that there is no way to.
        let in_vain = Route {
            target: RouteTarget::Gateway {
                address: ip(nobody),
                link: None,
            },
            ..standing
        };
        let error = left.network.add_route(&in_vain).unwrap_err();
        assert!(!error.is_present(), "{error}");
        assert!(left.network.routes().unwrap().contains(&standing));
    }
    Ok(())
}

fn an_unreachable_route_stops_what_no_session_takes() -> Result<(), Ignored> {
    let (mut left, right) = cabled();
    left.route("0.0.0.0/0", Some("192.0.2.2"), None);
    left.network
        .add_route(&Route::guard(Owner::Headend, prefix("10.10.0.0/16")))
        .unwrap();
    // A pool of one address: the session's route must win over the guard of the same prefix.
    left.network
        .add_route(&Route::guard(Owner::Headend, prefix("10.11.0.1/32")))
        .unwrap();
    let send = |target: &str| {
        let target = format!("{target}:9");
        left.namespace
            .run(|| {
                UdpSocket::bind("0.0.0.0:0")
                    .unwrap()
                    .send_to(b"x", &target)
                    .map_err(|e| e.raw_os_error())
            })
            .unwrap()
    };
    let unreachable = Some(113);
    assert_eq!(send("10.10.0.5"), Err(unreachable));
    assert_eq!(send("10.11.0.1"), Err(unreachable));
    assert_eq!(send("10.12.0.1"), Ok(1), "the default route");

    let mut network = left.open_network();
    for client in ["10.10.0.5/32", "10.11.0.1/32"] {
        network
            .add_route(&Route::onto(Owner::Headend, prefix(client), left.cable))
            .unwrap();
    }
    assert_eq!(send("10.10.0.5"), Ok(1));
    assert_eq!(send("10.11.0.1"), Ok(1));
    network
        .delete_route(&Route::onto(
            Owner::Headend,
            prefix("10.11.0.1/32"),
            left.cable,
        ))
        .unwrap();
    assert_eq!(send("10.11.0.1"), Err(unreachable));
    drop(right);
    Ok(())
}

fn the_way_to_an_address_is_looked_up() -> Result<(), Ignored> {
    let (mut left, _right) = cabled();
    let error = left.network.next_hop(ip("203.0.113.1")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("look up the route to 203.0.113.1: Network is unreachable"),
        "{error}"
    );
    left.route("0.0.0.0/0", Some("192.0.2.2"), None);
    left.route("::/0", Some("2001:db8:2::2"), None);
    let hop = |gateway: Option<&str>, source: &str| NextHop {
        link: left.cable,
        gateway: gateway.map(ip),
        source: Some(ip(source)),
    };
    for (address, expected) in [
        ("203.0.113.1", hop(Some("192.0.2.2"), "192.0.2.1")),
        ("192.0.2.2", hop(None, "192.0.2.1")),
        ("2001:db8:f::1", hop(Some("2001:db8:2::2"), "2001:db8:2::1")),
    ] {
        assert_eq!(
            left.network.next_hop(ip(address)),
            Ok(expected),
            "{address}"
        );
    }
    Ok(())
}

fn cleanup_removes_ours_and_nothing_else() -> Result<(), Ignored> {
    let (left, _right) = cabled();
    left.needs_ip()?;
    assert_eq!(
        left.clean_up(Owner::Headend, CleanupScope::Everything),
        Removed::default()
    );

    let mut network = left.open_network();
    let mut firewall = left.namespace.run(Firewall::open).unwrap().unwrap();
    let link = |name: &str, alias: Option<&str>| NewLink {
        name: name.into(),
        alias: alias.map(Into::into),
        kind: LinkKind::Veth {
            peer: format!("{name}x"),
        },
    };
    network
        .create_link(&link("ironflex1", Some("ironflex")))
        .unwrap();
    // Someone else's: the name but not the alias, and the alias but not the name.
    network.create_link(&link("ironflex2", None)).unwrap();
    network
        .create_link(&link("eth7", Some("ironflex")))
        .unwrap();
    left.ip("route add 10.99.0.0/16 dev cable");
    left.ip("xfrm policy add src 10.98.0.1 dst 10.98.0.2 dir out");

    let guard = Route::guard(Owner::Headend, prefix("10.10.0.0/16"));
    let session = Route::onto(Owner::Headend, prefix("10.10.0.5/32"), left.cable);
    network.add_route(&guard).unwrap();
    network.add_route(&session).unwrap();
    let pool_guard = PoolGuard {
        pools: vec![prefix("10.10.0.0/16")],
        carriers: vec![],
        kernel_ipsec: false,
    };
    let table = firewall
        .replace(&Ruleset {
            guard: Some(pool_guard),
            ..Ruleset::default()
        })
        .is_ok();

    let foreign_table = table
        && left
            .output("nft", &["add", "table", "inet", "foreign"])
            .is_some();

    let expected = Removed {
        routes: 1,
        links: vec!["ironflex1".into()],
        ..Removed::default()
    };
    assert_eq!(
        left.clean_up(Owner::Headend, CleanupScope::KeepGuards),
        expected
    );
    assert_eq!(network.routes().unwrap(), [guard]);
    assert_eq!(firewall.exists().unwrap_or(false), table);
    assert_eq!(
        left.clean_up(Owner::Headend, CleanupScope::Everything),
        Removed {
            routes: 1,
            table,
            ..Removed::default()
        }
    );
    assert_eq!(network.routes().unwrap(), []);
    assert!(
        left.clean_up(Owner::Headend, CleanupScope::Everything)
            .is_empty()
    );

    for name in ["ironflex2", "eth7"] {
        assert!(network.link(name).unwrap().is_some(), "{name} is not ours");
    }
    assert!(left.ip("route").contains("10.99.0.0/16 dev cable"));
    assert!(
        left.ip("xfrm policy")
            .contains("src 10.98.0.1/32 dst 10.98.0.2/32")
    );
    if foreign_table {
        assert_eq!(
            left.output("nft", &["list", "tables"]).unwrap().trim(),
            "table inet foreign"
        );
    }
    Ok(())
}
