//! Several processes of ours in one network namespace, and the routing rules of clients.

use std::net::IpAddr;

use ironflex_xfrm::IpPrefix;
use ironflex_xfrm::netlink::{
    CleanupScope, ClientClaim, ClientNumber, KernelErrno, LinkAddress, LinkKind, Network, NewLink,
    Owner, Removed, Route, Rule,
};

use crate::Ignored;
use crate::support::{Side, cabled, prefix};

cases![
    a_source_that_a_rule_names_takes_its_table_or_nothing,
    owners_in_one_namespace_are_cleared_one_by_one,
    what_something_still_sends_from_keeps_its_rule_and_its_guard,
    a_client_number_is_held_once_in_each_namespace,
];

fn client(number: u8) -> Owner {
    Owner::Client(ClientNumber::new(number).unwrap())
}

fn a_source_that_a_rule_names_takes_its_table_or_nothing() -> Result<(), Ignored> {
    let (mut left, right) = cabled();
    left.add_address(left.lo, "10.1.0.1/32");
    let owner = client(0);
    let mut network = left
        .namespace
        .run(|| Network::open(owner))
        .unwrap()
        .unwrap();
    right
        .namespace
        .run(|| {
            let back = Route::onto(Owner::Headend, prefix("10.1.0.1/32"), right.cable);
            Network::open(Owner::Headend)?.add_route(&back)
        })
        .unwrap()
        .unwrap();
    assert!(left.pings("10.1.0.1", "192.0.2.2", 10));
    let rule = Rule {
        source: prefix("10.1.0.1/32"),
        table: owner.table(),
        priority: owner.rule_priority(),
    };
    match network.add_rule(&rule) {
        Err(error) if error.errno() == Some(KernelErrno::EOPNOTSUPP) => {
            return Err(Ignored("the kernel has no routing rules".into()));
        }
        added => added.unwrap(),
    }
    assert!(network.add_rule(&rule).unwrap_err().is_present());
    assert_eq!(network.rules().unwrap(), [rule]);
    // An empty table decides nothing.
    assert!(left.pings("10.1.0.1", "192.0.2.2", 10));
    let guard = Route {
        table: owner.table(),
        ..Route::guard(owner, IpPrefix::ANY_V4)
    };
    network.add_route(&guard).unwrap();
    assert!(left.pings_in_vain("10.1.0.1", "192.0.2.2"));
    assert!(left.pings("192.0.2.1", "192.0.2.2", 10), "another source");
    let way = Route {
        table: owner.table(),
        ..Route::onto(owner, prefix("192.0.2.2/32"), left.cable)
    };
    network.add_route(&way).unwrap();
    assert!(left.pings("10.1.0.1", "192.0.2.2", 10));
    network.delete_rule(&rule).unwrap();
    assert!(network.delete_rule(&rule).unwrap_err().is_absent());
    assert_eq!(network.rules().unwrap(), []);
    Ok(())
}

fn owners_in_one_namespace_are_cleared_one_by_one() -> Result<(), Ignored> {
    let (left, _right) = cabled();
    let owners = [Owner::Headend, client(0), client(1)];
    let open = |owner| {
        left.namespace
            .run(|| Network::open(owner))
            .unwrap()
            .unwrap()
    };
    let seen = |owner: Owner| {
        let mut network = open(owner);
        let links = network.links().unwrap().into_iter();
        let mine = links.filter(|link| link.is_of(owner)).map(|link| link.name);
        (
            mine.collect::<Vec<_>>(),
            network.routes().unwrap(),
            network.rules().unwrap(),
        )
    };
    let mut administrator = left
        .namespace
        .run(Network::open_as_administrator)
        .unwrap()
        .unwrap();
    let foreign = Route {
        metric: 7,
        ..Route::onto(Owner::Headend, prefix("10.10.0.0/16"), left.cable)
    };
    administrator.add_route(&foreign).unwrap();
    // The same prefixes and the same addresses for all: only the marks tell them apart.
    for (place, owner) in owners.into_iter().enumerate() {
        let mut network = open(owner);
        let kind = LinkKind::Veth {
            peer: format!("far{place}"),
        };
        let link = NewLink {
            name: format!("ironflex{place}"),
            alias: Some(owner.alias()),
            kind,
        };
        network.create_link(&link).unwrap();
        let destination = prefix("10.10.0.0/16");
        network
            .add_route(&Route::onto(owner, destination, left.cable))
            .unwrap();
        network
            .add_route(&Route::guard(owner, destination))
            .unwrap();
        if let Owner::Client(number) = owner {
            let address = [10, 1, 0, number.value()].into();
            let rule = Rule {
                source: IpPrefix::host(address),
                table: owner.table(),
                priority: owner.rule_priority(),
            };
            network.add_rule(&rule).unwrap();
            let on_cable = LinkAddress {
                link: left.cable,
                address,
                prefix_length: 32,
            };
            network.add_address(&on_cable).unwrap();
        }
    }
    for owner in owners {
        let others: Vec<Owner> = owners.into_iter().filter(|one| *one != owner).collect();
        let of_others = || others.iter().map(|one| seen(*one)).collect::<Vec<_>>();
        let before = of_others();
        let removed = left.clean_up(owner, CleanupScope::Everything);
        let tunnel = usize::from(owner != Owner::Headend);
        let place = owners.iter().position(|one| *one == owner).unwrap();
        assert_eq!(
            removed,
            Removed {
                routes: 2,
                rules: tunnel,
                addresses: tunnel,
                links: vec![format!("ironflex{place}")],
                ..Removed::default()
            }
        );
        assert_eq!(of_others(), before, "after {owner}");
        assert_eq!(seen(owner), (vec![], vec![], vec![]));
    }
    assert_eq!(administrator.routes().unwrap(), [foreign]);
    Ok(())
}

fn what_something_still_sends_from_keeps_its_rule_and_its_guard() -> Result<(), Ignored> {
    let (left, _right) = cabled();
    let owner = client(0);
    let mut network = left
        .namespace
        .run(|| Network::open(owner))
        .unwrap()
        .unwrap();
    let rule = |address: &str, table| Rule {
        source: prefix(address),
        table,
        priority: owner.rule_priority(),
    };
    let guard = |of_all: &str, table| Route {
        table,
        ..Route::guard(owner, prefix(of_all))
    };
    let (of_tunnel, nowhere) = (owner.table(), owner.nowhere_table());
    let rules = [
        rule("192.168.10.5/32", of_tunnel),
        rule("2001:db8:a::1/128", of_tunnel),
        rule("2001:db8:a::2/128", nowhere),
    ];
    let routes = [
        guard("0.0.0.0/0", of_tunnel),
        guard("::/0", of_tunnel),
        guard("::/0", nowhere),
        Route {
            table: of_tunnel,
            ..Route::onto(owner, prefix("2001:db8:1::/48"), left.cable)
        },
    ];
    for rule in &rules {
        network.add_rule(rule).unwrap();
    }
    for route in &routes {
        network.add_route(route).unwrap();
    }
    let sends = |address: IpAddr| address == IpAddr::from([0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1]);
    let removed = left.clean_up(owner, CleanupScope::KeepSending(sends));
    assert_eq!((removed.rules, removed.routes), (2, 3));
    assert_eq!(network.rules().unwrap(), [rules[1]]);
    assert_eq!(network.routes().unwrap(), [routes[1]]);
    let removed = left.clean_up(owner, CleanupScope::KeepSending(|_| false));
    assert_eq!((removed.rules, removed.routes), (1, 1));
    Ok(())
}

fn a_client_number_is_held_once_in_each_namespace() -> Result<(), Ignored> {
    let (left, right) = cabled();
    let number = ClientNumber::new(3).unwrap();
    let take = |side: &Side| {
        let take = || ClientClaim::take(number).unwrap();
        side.namespace.run(take).unwrap()
    };
    let held = take(&left).unwrap();
    assert_eq!(held.owner(), client(3));
    assert!(take(&left).is_none());
    assert!(take(&right).is_some(), "another namespace");
    drop(held);
    assert!(take(&left).is_some());
    Ok(())
}
