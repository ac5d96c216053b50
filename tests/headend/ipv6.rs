//! IPv6 inside the tunnel, alone and beside IPv4, in either outside.

use std::net::IpAddr;

use ironflex_xfrm::{
    IpPrefix,
    netlink::{RouteTarget, sysctl},
};
use nix::sys::signal::Signal;

use crate::support::{
    capture::Capture,
    cases::Case,
    lab::{ClientHost, Connected, HEADEND, HEADEND_V6, Host, INSIDE, Lab, USER, connected, ip},
    pki::PASSWORD,
    process::Process,
    traffic::{Echo, ask, copy, has_no_way, tell},
};

pub(crate) const CASES: &[Case] = &[
    (
        "ipv6::a_client_has_both_addresses_in_one_child_sa_over_either_family",
        a_client_has_both_addresses_in_one_child_sa_over_either_family,
    ),
    (
        "ipv6::ipv6_alone_passes_over_ipv4_and_nothing_passes_it_by",
        ipv6_alone_passes_over_ipv4_and_nothing_passes_it_by,
    ),
    (
        "ipv6::where_one_pool_is_empty_the_other_still_gives",
        where_one_pool_is_empty_the_other_still_gives,
    ),
    (
        "ipv6::a_machine_without_ipv6_asks_for_none",
        a_machine_without_ipv6_asks_for_none,
    ),
    (
        "ipv6::no_address_of_the_pool_travels_in_clear",
        no_address_of_the_pool_travels_in_clear,
    ),
    (
        "ipv6::the_headend_guards_its_pool",
        the_headend_guards_its_pool,
    ),
];

/// The host behind the headend, and the headend's address towards it.
const INSIDE_V6: &str = "2001:db8:1::1";
const ROUTER_V6: &str = "2001:db8:1::254";

/// `ipv6 address` of the example's loopback interface.
const LOOPBACK_V6: &str = "2001:db8:f::1";

/// A pool, its template, and a name server.
const LINES: &str = "\
ipv6 local pool ACPool6 2001:db8:a::/48 64
crypto ikev2 authorization policy ikev2-auth-policy
 ipv6 pool ACPool6
 ipv6 dns 2001:db8:1::53
interface loopback100
 ipv6 address 2001:db8:f::1/128
interface Virtual-Template100
 ipv6 unnumbered Loopback100
 tunnel mode ipsec dual-overlay
";

/// Only what is behind the headend goes through the tunnel.
const SPLIT_LIST: &str = "\
ipv6 access-list split6
 permit ipv6 2001:db8:1::/48 any
crypto ikev2 authorization policy ikev2-auth-policy
 route set access-list ipv6 split6
";

/// A lab whose clients get IPv6 too, and the host behind its headend.
fn lab() -> (Lab, Host) {
    let lab = Lab::new();
    lab.add_lines(LINES);
    let forward = || sysctl::write("net.ipv6.conf.all.forwarding", 1);
    lab.headend.namespace.run(forward).unwrap().unwrap();
    let inside = lab.inside();
    lab.headend.add_address("inside", ip(ROUTER_V6), 64);
    inside.add_address("inside-2", ip(INSIDE_V6), 64);
    inside.route(IpPrefix::ANY_V6, ip(ROUTER_V6));
    (lab, inside)
}

fn log_in(lab: &Lab, client: &ClientHost, target: IpAddr) -> (Process, Connected) {
    let process = lab.connect_to(&target.to_string(), client, [USER, PASSWORD], &[]);
    let tunnel = connected(&process);
    (process, tunnel)
}

/// Datagrams and streams from the client to the inside host and back, each with the addresses of the tunnel.
fn carries_both_ways(client: &ClientHost, inside: &Host, ours: IpAddr, theirs: IpAddr) {
    let (near, far) = (&client.host.namespace, &inside.namespace);
    let server = Echo::udp(far, theirs);
    ask(near, ours, server.address);
    assert_eq!(server.asker(), ours);
    let server = Echo::tcp(far, theirs);
    copy(near, server.address, 1 << 20);
    assert_eq!(server.asker(), ours);
    let server = Echo::udp(near, ours);
    ask(far, theirs, server.address);
    assert_eq!(server.asker(), theirs);
    let server = Echo::tcp(near, ours);
    copy(far, server.address, 1 << 20);
    assert_eq!(server.asker(), theirs);
}

fn a_client_has_both_addresses_in_one_child_sa_over_either_family() {
    let (lab, inside) = lab();
    let client = lab.client();
    lab.tunnel_everything();
    let headend = lab.start();
    assert!(
        !headend.output().contains("forwarding"),
        "{}",
        headend.output()
    );
    let addresses = [ip("192.168.10.5"), ip("2001:db8:a::1")];
    for (count, target) in (1..).zip([HEADEND, HEADEND_V6]) {
        let (mut process, tunnel) = log_in(&lab, &client, target);
        // The same ones again: a user keeps what it had.
        assert_eq!(tunnel.addresses, addresses);
        assert_eq!(
            tunnel.routes,
            ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]
        );
        assert_eq!(tunnel.dns, [ip("10.0.1.1"), ip("2001:db8:1::53")]);
        for (ours, theirs) in addresses.into_iter().zip([INSIDE, ip(INSIDE_V6)]) {
            carries_both_ways(&client, &inside, ours, theirs);
        }
        let server = Echo::udp(&lab.headend.namespace, ip(LOOPBACK_V6));
        ask(&client.host.namespace, addresses[1], server.address);

        let session = lab.exec("show crypto session detail");
        let child = session.matches("Active SAs: 2").count();
        assert_eq!(child, 2, "one child SA below each flow: {session}");
        for flow in [
            "permit ip 0.0.0.0/0.0.0.0 host 192.168.10.5",
            "permit ipv6 ::/0 2001:DB8:A::/64",
        ] {
            assert_eq!(session.matches(flow).count(), 1, "{session}");
        }
        let sa = lab.exec("show crypto ikev2 sa detailed");
        assert!(sa.contains("Assigned host addr: 2001:DB8:A::1\n"), "{sa}");
        let pool = lab.exec("show ipv6 local pool ACPool6");
        assert!(pool.contains("1 entries in use, 65535 available"), "{pool}");
        let derived = lab.exec("show derived-config interface virtual-access 1");
        assert!(
            derived.contains(" tunnel mode ipsec dual-overlay\n"),
            "{derived}"
        );

        assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
        headend.nth_line(count, "Crypto tunnel v2 is DOWN.");
        for address in addresses {
            assert!(!client.host.has_address(address), "{address}");
        }
        // The servers at the client's address are still there: what they send leads nowhere.
        process.line("programs are still bound to 2001:db8:a::1");
        let rules = client.host.rules();
        assert!(
            matches!(rules.as_slice(), [rule] if rule.source == IpPrefix::host(addresses[1])),
            "{rules:?}"
        );
        let routes = client.host.routes();
        assert!(
            matches!(routes.as_slice(), [route] if route.target == RouteTarget::Unreachable),
            "{routes:?}"
        );
        let pool = lab.exec("show ipv6 local pool ACPool6");
        assert!(pool.contains("0 entries in use, 65536 available"), "{pool}");
    }
}

fn ipv6_alone_passes_over_ipv4_and_nothing_passes_it_by() {
    let (lab, inside) = lab();
    let client = lab.client();
    lab.tunnel_everything();
    lab.edit(" pool ACPool\n dns 10.0.1.1\n", "");
    client.host.route(IpPrefix::ANY_V4, client.router);
    let server = Echo::udp(&inside.namespace, INSIDE);
    let clear = |namespace| ask(namespace, client.outer, server.address);
    let _headend = lab.start();
    clear(&client.host.namespace);
    assert_eq!(server.asker(), client.outer);

    let (mut process, tunnel) = log_in(&lab, &client, HEADEND);
    assert_eq!(tunnel.addresses, [ip("2001:db8:a::1")]);
    assert_eq!(tunnel.routes, ["::/1", "8000::/1"]);
    carries_both_ways(&client, &inside, tunnel.address, ip(INSIDE_V6));
    // Everything is to go through the tunnel, and IPv4 cannot: it goes nowhere. What ESP needs stays.
    has_no_way(&client.host.namespace, server.address);
    let derived = lab.exec("show derived-config interface virtual-access 1");
    assert!(
        derived.contains(" tunnel mode ipsec ipv4 v6-overlay\n"),
        "{derived}"
    );

    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
    clear(&client.host.namespace);
    assert_eq!(server.asker(), client.outer);
}

fn where_one_pool_is_empty_the_other_still_gives() {
    let (lab, inside) = lab();
    lab.edit("192.168.10.5 192.168.10.10", "192.168.10.5 192.168.10.6");
    lab.edit("2001:db8:a::/48 64", "2001:db8:a::1/128 128");
    lab.add_user("second");
    lab.add_user("third");
    let clients = [lab.client(), lab.client(), lab.client()];
    let headend = lab.start();
    let log_in = |client, user| {
        let target = HEADEND_V6.to_string();
        lab.connect_to(&target, client, [user, PASSWORD], &[])
    };
    let mut first = log_in(&clients[0], USER);
    let both = connected(&first).addresses;
    assert_eq!(both, [ip("192.168.10.5"), ip("2001:db8:a::1")]);
    let mut second = log_in(&clients[1], "second");
    let tunnel = connected(&second);
    assert_eq!(tunnel.addresses, [ip("192.168.10.6")]);
    headend.line("no IPv6 address: pool ACPool6 is exhausted: all 1 addresses are in use, by test");
    let (ours, theirs) = (tunnel.address, INSIDE);
    carries_both_ways(&clients[1], &inside, ours, theirs);
    // INTERNAL_ADDRESS_FAILURE: there is nothing at all.
    let mut third = log_in(&clients[2], "third");
    third.ends_with(5);
    headend.line("no IPv4 address: pool ACPool is exhausted");
    // Whoever leaves, leaves nothing behind, and what it had to others.
    assert_eq!(first.end_by(Signal::SIGTERM), Some(0));
    headend.line("user: test  reason: deleted by the peer");
    let host = &clients[0].host;
    assert!(host.routes().is_empty() && host.rules().is_empty());
    let third = connected(&log_in(&clients[2], "third"));
    assert_eq!(third.addresses, both);
    assert_eq!(second.end_by(Signal::SIGTERM), Some(0));
}

fn a_machine_without_ipv6_asks_for_none() {
    let (lab, inside) = lab();
    let client = lab.client();
    lab.tunnel_everything();
    let _headend = lab.start();
    for which in ["all", "default"] {
        let setting = format!("net.ipv6.conf.{which}.disable_ipv6");
        let disable = || sysctl::write(&setting, 1);
        client.host.namespace.run(disable).unwrap().unwrap();
    }
    let (_process, tunnel) = log_in(&lab, &client, HEADEND);
    assert_eq!(tunnel.addresses, [ip("192.168.10.5")]);
    carries_both_ways(&client, &inside, tunnel.address, INSIDE);
}

/// At login, in use, at the delete, after a crash of the client.
fn no_address_of_the_pool_travels_in_clear() {
    let (lab, inside) = lab();
    lab.add_lines(SPLIT_LIST);
    let client = lab.client();
    // Without the tunnel everything finds its way, to the inside host and beyond the split list.
    client.host.route(IpPrefix::ANY_V6, client.router_v6);
    let beyond = ip("2001:db8:ffff::1");
    inside.add_address("lo", beyond, 128);
    lab.headend.route(IpPrefix::host(beyond), ip(INSIDE_V6));
    let _headend = lab.start();
    let namespace = &client.host.namespace;
    let cable = Capture::start(namespace, client.host.link(&client.device));
    let (far, farther) = (
        Echo::udp(&inside.namespace, ip(INSIDE_V6)),
        Echo::udp(&inside.namespace, beyond),
    );
    // All clear packets of the client until one that it sends from its own address, which is to be seen.
    let clear = || {
        tell(namespace, client.outer_v6, farther.address);
        cable.sources_until(client.outer_v6, beyond)
    };
    for end in [Signal::SIGTERM, Signal::SIGKILL] {
        let (mut process, tunnel) = log_in(&lab, &client, HEADEND_V6);
        assert_eq!(tunnel.routes, ["10.0.0.0/8", "2001:db8:1::/48"]);
        let ours = tunnel.addresses[1];
        // What is bound already when the tunnel ends goes on sending.
        let bound = namespace
            .run(|| std::net::UdpSocket::bind((ours, 0)).unwrap())
            .unwrap();
        ask(namespace, ours, far.address);
        let server = Echo::udp(namespace, ours);
        // The question comes out of the tunnel from beyond the split list; so its answer goes back.
        ask(&inside.namespace, beyond, server.address);
        assert_eq!(server.asker(), beyond);
        ask(namespace, ours, farther.address);
        assert_eq!(clear(), [] as [IpAddr; 0]);
        process.end_by(end);
        // It may be refused: there is no way.
        let _ = bound.send_to(b"after the end", farther.address);
        assert_eq!(clear(), [] as [IpAddr; 0], "after {end}");
        // Nor while the next client waits for a headend, at an address that nobody has.
        let login = [USER, PASSWORD];
        let mut waits = lab.connect_to("2001:db8:ffff::2", &client, login, &[]);
        waits.line(r#"{"event":"connecting""#);
        let _ = bound.send_to(b"in between", farther.address);
        assert_eq!(clear(), [] as [IpAddr; 0], "after {end}, in between");
        assert_eq!(waits.end_by(Signal::SIGTERM), Some(0));
    }
    // Without the rule it goes out by the default route: the capture sees such packets.
    client.host.delete_rules();
    let (_process, tunnel) = log_in(&lab, &client, HEADEND_V6);
    client.host.delete_rules();
    tell(namespace, tunnel.addresses[1], farther.address);
    cable.sees(tunnel.addresses[1], beyond);
}

/// In clear nobody speaks as a client, and nothing is sent to one that is not there.
fn the_headend_guards_its_pool() {
    let (lab, inside) = lab();
    let client = lab.client();
    let forged = ip("2001:db8:a:7::1");
    client.host.add_address("lo", forged, 128);
    let inside_v6 = ip(INSIDE_V6);
    client
        .host
        .route(IpPrefix::host(inside_v6), client.router_v6);
    lab.headend.route(IpPrefix::ANY_V6, client.outer_v6);
    let server = Echo::udp(&inside.namespace, inside_v6);
    // Without a headend it gets there, which is what makes the second half mean something.
    tell(&client.host.namespace, forged, server.address);
    assert_eq!(server.asker(), forged);

    let _headend = lab.start();
    tell(&client.host.namespace, forged, server.address);
    tell(&client.host.namespace, client.outer_v6, server.address);
    assert_eq!(server.asker(), client.outer_v6);
    has_no_way(&lab.headend.namespace, (forged, 4000).into());
}
