//! Start, stop, crash and start again: what is ours comes and goes, what is others' stays.

use std::{fs, net::Ipv4Addr};

use ironflex_xfrm::{
    IpPrefix,
    netlink::{Owner, Route, RouteTarget, TABLE},
};
use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    foreign::{self, STATIC},
    lab::{INSIDE, LOOPBACK, Lab, USER, ip},
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    (
        "lifecycle::a_terminated_headend_tells_its_clients_and_leaves_nothing",
        a_terminated_headend_tells_its_clients_and_leaves_nothing,
    ),
    (
        "lifecycle::a_start_after_a_crash_clears_what_was_ours_and_only_that",
        a_start_after_a_crash_clears_what_was_ours_and_only_that,
    ),
    (
        "lifecycle::a_crash_lets_no_address_of_the_pool_out_in_clear",
        a_crash_lets_no_address_of_the_pool_out_in_clear,
    ),
    (
        "lifecycle::a_start_after_a_crash_gives_up_the_pools_that_are_not_configured_any_more",
        a_start_after_a_crash_gives_up_the_pools_that_are_not_configured_any_more,
    ),
    (
        "lifecycle::a_configuration_with_an_error_is_not_applied_at_all",
        a_configuration_with_an_error_is_not_applied_at_all,
    ),
    (
        "lifecycle::a_second_headend_on_the_same_machine_takes_nothing_from_the_first",
        a_second_headend_on_the_same_machine_takes_nothing_from_the_first,
    ),
];

/// A route of ours to a client, as a kernel dataplane leaves it on the outer device.
fn stale_session(lab: &Lab, device: &str) -> Route {
    Route::onto(
        Owner::Headend,
        IpPrefix::host(ip("192.168.10.9")),
        lab.headend.link(device),
    )
}

fn a_terminated_headend_tells_its_clients_and_leaves_nothing() {
    let lab = Lab::new();
    let (one, other) = (lab.client(), lab.client());
    let namespace = &lab.headend.namespace;
    foreign::add_route(namespace, Ipv4Addr::new(172, 16, 0, 0), 12);
    foreign::add_table(namespace, "foreign");
    let before = (foreign::routes(namespace), lab.headend.links());
    let tie = ["--device", "GigabitEthernet1=client0"];
    let mut headend = lab.start_with(&tie);
    assert!(foreign::tables(namespace).contains(&TABLE.to_owned()));
    let (mut first, _) = lab.log_in(&one, USER);
    let (mut second, _) = lab.log_in(&other, USER);
    headend.nth_line(2, "Crypto tunnel v2 is UP.");

    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    for client in [&mut first, &mut second] {
        client.ends_with(6);
        client.line("connection lost: the headend ended the session");
    }
    assert_eq!((foreign::routes(namespace), lab.headend.links()), before);
    assert_eq!(foreign::tables(namespace), ["foreign"]);
    assert!(!lab.headend.has_address(LOOPBACK));
    assert!(!lab.control().exists());
}

fn a_start_after_a_crash_clears_what_was_ours_and_only_that() {
    let lab = Lab::new();
    let client = lab.client();
    let namespace = &lab.headend.namespace;
    foreign::add_route(namespace, Ipv4Addr::new(172, 16, 0, 0), 12);
    foreign::add_table(namespace, "foreign");
    // By its name alone a device is not ours, and by its alias alone neither.
    lab.headend.add_link("ironflex-x", None);
    lab.headend.add_link("other", Some("ironflex"));
    let mut headend = lab.start();
    let (mut process, _) = lab.log_in(&client, USER);
    headend.end_by(Signal::SIGKILL);
    process.end_by(Signal::SIGKILL);
    // What a kernel dataplane would have left beside it.
    lab.headend.add_link("ironflex-vt9", Some("ironflex"));
    let stale = stale_session(&lab, "client0");
    lab.headend.add_route_of(Owner::Headend, &stale);

    let mut headend = lab.start();
    let line = headend.line("removed what an earlier run left behind");
    assert!(line.ends_with(": 1 route, device ironflex-vt9"), "{line}");
    headend.line(
        "to keep pool addresses from travelling in clear: 4 unreachable routes, the nftables table",
    );
    assert!(!lab.headend.routes().contains(&stale));
    let links = lab.headend.links();
    assert!(!links.contains(&"ironflex-vt9".to_owned()), "{links:?}");
    for foreign in ["ironflex-x", "other"] {
        assert!(
            links.contains(&foreign.to_owned()),
            "{foreign} is gone: {links:?}"
        );
    }
    let server = Echo::udp(&lab.headend.namespace, LOOPBACK);
    let (_process, tunnel) = lab.log_in(&client, USER);
    ask(&client.host.namespace, tunnel.address, server.address);
    assert_eq!(server.asker(), tunnel.address);

    headend.end_by(Signal::SIGTERM);
    assert_eq!(foreign::tables(namespace), ["foreign"]);
    let kept = foreign::routes(namespace);
    assert!(
        kept.iter().any(|route| route.protocol == STATIC),
        "{kept:?}"
    );
}

fn a_crash_lets_no_address_of_the_pool_out_in_clear() {
    let lab = Lab::new();
    let client = lab.client();
    let mut headend = lab.start();
    let (_process, tunnel) = lab.log_in(&client, USER);
    headend.end_by(Signal::SIGKILL);
    let guard = |route: &Route| {
        route.target == RouteTarget::Unreachable && route.destination.contains(tunnel.address)
    };
    assert!(lab.headend.routes().iter().any(guard));
    let tables = foreign::tables(&lab.headend.namespace);
    assert!(tables.contains(&TABLE.to_owned()), "{tables:?}");
}

fn a_start_after_a_crash_gives_up_the_pools_that_are_not_configured_any_more() {
    let lab = Lab::new();
    let mut headend = lab.start();
    headend.end_by(Signal::SIGKILL);
    lab.edit("192.168.10.5 192.168.10.10", "192.168.20.5 192.168.20.10");
    let _headend = lab.start();
    let pools = |net: &str| {
        let pooled = ip(net);
        lab.headend
            .routes()
            .iter()
            .any(|route| route.destination.contains(pooled))
    };
    assert!(pools("192.168.20.7"));
    assert!(!pools("192.168.10.7"));
}

fn a_configuration_with_an_error_is_not_applied_at_all() {
    let lab = Lab::new();
    // At the very end, after lines that would import a certificate and make addresses and routes.
    lab.edit(" match policy ssl-policy", " match policy nowhere");
    let before = (lab.headend.links(), lab.headend.routes());
    let mut headend = lab.launch("state", &[]);
    headend.ends_with(78);
    headend.line("nowhere");
    headend.line("1 error(s)");
    assert_eq!((lab.headend.links(), lab.headend.routes()), before);
    assert!(!lab.path("state").exists());
    assert_eq!(foreign::tables(&lab.headend.namespace), [""; 0]);
}

fn a_second_headend_on_the_same_machine_takes_nothing_from_the_first() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let mut headend = lab.start();
    let (_process, tunnel) = lab.log_in(&client, USER);
    let before = (lab.headend.links(), lab.headend.routes());

    // On the same state folder it finds the first by its control socket; on another one by its UDP ports.
    let mut second = lab.launch("state", &[]);
    second.ends_with(1);
    second.line(&format!(
        "another ironflex (pid {}) serves {}",
        headend.number(),
        lab.control().display()
    ));
    let mut third = lab.launch("other-state", &[]);
    third.ends_with(1);
    third.line("UDP port 500: ");

    assert_eq!((lab.headend.links(), lab.headend.routes()), before);
    let server = Echo::udp(&inside.namespace, INSIDE);
    ask(&client.host.namespace, tunnel.address, server.address);
    assert_eq!(server.asker(), tunnel.address);
    assert!(lab.exec("show crypto session").contains("UP-ACTIVE"));
    headend.lives();
    assert!(fs::exists(lab.control()).unwrap());
    assert!(!fs::exists(lab.path("other-state/control")).unwrap());
}
