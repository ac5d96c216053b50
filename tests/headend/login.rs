//! Logins that succeed, and what a session is.

use ironflex_xfrm::{
    IpPrefix,
    netlink::{Owner, Route},
};
use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{Connected, HEADEND, HEADEND_V6, INSIDE, LOOPBACK, Lab, USER, connected, ip},
    pki::PASSWORD,
    traffic::{Echo, ask, copy},
};

pub(crate) const CASES: &[Case] = &[
    (
        "login::the_example_configuration_serves_a_client_from_login_to_delete",
        the_example_configuration_serves_a_client_from_login_to_delete,
    ),
    (
        "login::a_client_that_leaves_hears_the_answer_to_its_delete",
        a_client_that_leaves_hears_the_answer_to_its_delete,
    ),
    (
        "login::a_client_over_ipv6_reaches_ipv4_inside",
        a_client_over_ipv6_reaches_ipv4_inside,
    ),
    (
        "login::a_user_gets_the_same_address_again_while_it_is_free",
        a_user_gets_the_same_address_again_while_it_is_free,
    ),
    (
        "login::the_longest_split_list_that_is_taken_reaches_the_client",
        the_longest_split_list_that_is_taken_reaches_the_client,
    ),
    (
        "login::two_devices_of_one_user_have_a_session_each",
        two_devices_of_one_user_have_a_session_each,
    ),
    (
        "login::clear_crypto_session_ends_the_sessions_of_that_user_alone",
        clear_crypto_session_ends_the_sessions_of_that_user_alone,
    ),
];

// RFC 7296 §4#8-9: an address of the pool is asked for and given.
fn the_example_configuration_serves_a_client_from_login_to_delete() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let mut headend = lab.start();
    let clean = (client.host.routes(), client.host.rules());
    let (mut process, tunnel) = lab.log_in(&client, USER);
    assert_eq!(tunnel.address, ip("192.168.10.5"));
    assert_eq!(tunnel.routes, ["10.0.0.0/8"]);
    assert_eq!(tunnel.dns, [INSIDE]);
    assert_eq!(tunnel.esp, "esp-256-aes esp-sha256-hmac");
    assert_eq!(tunnel.dataplane, "userspace");
    headend.line("Crypto tunnel v2 is UP.");
    let interface =
        "%LINEPROTO-5-UPDOWN: Line protocol on Interface Virtual-Access1, changed state to";
    headend.line(&format!("{interface} up"));

    // The headend's Loopback100 and the host behind it, by UDP and TCP, from the client and to it.
    let loopback = Echo::udp(&lab.headend.namespace, LOOPBACK);
    ask(&client.host.namespace, tunnel.address, loopback.address);
    assert_eq!(loopback.asker(), tunnel.address);
    let server = Echo::udp(&inside.namespace, INSIDE);
    ask(&client.host.namespace, tunnel.address, server.address);
    assert_eq!(server.asker(), tunnel.address);
    let server = Echo::tcp(&inside.namespace, INSIDE);
    copy(&client.host.namespace, server.address, 8 << 20);
    assert_eq!(server.asker(), tunnel.address);
    let server = Echo::tcp(&client.host.namespace, tunnel.address);
    copy(&inside.namespace, server.address, 1 << 20);
    assert_eq!(server.asker(), INSIDE);

    let session = lab.exec("show crypto session detail");
    for part in [
        "Session status: UP-ACTIVE",
        &format!("Peer: {} port ", client.outer),
        "IPSEC FLOW: permit ip 0.0.0.0/0.0.0.0 host 192.168.10.5",
    ] {
        assert!(session.contains(part), "{part:?} is missing in\n{session}");
    }
    let derived = lab.exec("show derived-config interface virtual-access 1");
    assert!(derived.contains("ip unnumbered Loopback100"), "{derived}");

    // The client's own Delete: nothing stays on either side.
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    headend.line("Crypto tunnel v2 is DOWN.");
    headend.line(&format!("{interface} down"));
    assert_eq!(headend.output().matches(interface).count(), 2);
    assert_eq!((client.host.routes(), client.host.rules()), clean);
    assert!(!client.host.has_address(tunnel.address));
    assert!(!client.host.links().contains(&tunnel.device));
    let session = IpPrefix::host(tunnel.address);
    let gone = |route: &Route| {
        route.destination != session || *route == Route::guard(Owner::Headend, session)
    };
    assert!(lab.headend.routes().iter().all(gone));
    assert!(!lab.exec("show crypto session").contains("UP-ACTIVE"));
    headend.lives();
    assert!(!headend.output().contains(PASSWORD));
    assert!(!process.output().contains(PASSWORD));
}

fn a_client_that_leaves_hears_the_answer_to_its_delete() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    lab.exec("debug crypto ikev2 error");
    for count in 1..=3 {
        let (mut process, _) = lab.log_in(&client, USER);
        assert_eq!(process.end_by(Signal::SIGINT), Some(0));
        headend.nth_line(count, "Crypto tunnel v2 is DOWN.");
    }
    // A client that is deaf by then sends its Delete again, or never.
    let printed = headend.output();
    assert!(!printed.contains("repeated request"), "{printed}");
}

fn a_client_over_ipv6_reaches_ipv4_inside() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let _headend = lab.start();
    let target = HEADEND_V6.to_string();
    let mut process = lab.connect_to(&target, &client, [USER, PASSWORD], &[]);
    let tunnel = connected(&process);
    let server = Echo::tcp(&inside.namespace, INSIDE);
    copy(&client.host.namespace, server.address, 1 << 20);
    assert_eq!(server.asker(), tunnel.address);
    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
}

fn a_user_gets_the_same_address_again_while_it_is_free() {
    let lab = Lab::new();
    lab.add_user("second");
    let (one, other) = (lab.client(), lab.client());
    let headend = lab.start();
    let (mut process, first) = lab.log_in(&one, USER);
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    headend.line("Crypto tunnel v2 is DOWN.");
    // Somebody else is given another one, although the first is free.
    let (_process, foreign) = lab.log_in(&other, "second");
    assert_ne!(foreign.address, first.address);
    // It is the same user, however the name is typed.
    let (_process, again) = lab.log_in(&one, &USER.to_uppercase());
    assert_eq!(again.address, first.address);
    assert!(
        headend
            .line("Crypto tunnel v2 is DOWN.")
            .contains("user: test ")
    );
    let session = lab.exec("show crypto session detail");
    assert!(!session.contains(&USER.to_uppercase()), "{session}");
}

/// As many networks as `ironflex check` takes.
fn the_longest_split_list_that_is_taken_reaches_the_client() {
    let lab = Lab::new();
    let client = lab.client();
    let list: String = (0..2_499_u32)
        .map(|number| {
            let network = std::net::Ipv4Addr::from(0x0b00_0000 + 512 * number);
            format!("\n permit {network} 0.0.0.255")
        })
        .collect();
    lab.edit(
        "ip access-list standard split_tunnel",
        &format!("ip access-list standard split_tunnel{list}"),
    );
    let _headend = lab.start();
    let process = lab.connect_to(&HEADEND.to_string(), &client, [USER, PASSWORD], &[]);
    // On a busy machine the routes alone take minutes: each is a call of the kernel, several times.
    let mut routes = Vec::new();
    let line = process.line_after(r#"{"event":"connected""#, || {
        let before = std::mem::replace(&mut routes, client.host.routes());
        routes != before
    });
    let tunnel: Connected = serde_json::from_str(&line).unwrap();
    assert_eq!(tunnel.routes.len(), 2_500);
}

fn two_devices_of_one_user_have_a_session_each() {
    let lab = Lab::new();
    let (one, other) = (lab.client(), lab.client());
    let headend = lab.start();
    let server = Echo::udp(&lab.headend.namespace, LOOPBACK);
    let (mut first, first_tunnel) = lab.log_in(&one, USER);
    let (_second, second_tunnel) = lab.log_in(&other, USER);
    headend.nth_line(2, "Crypto tunnel v2 is UP.");
    // INITIAL_CONTACT of the second is about the second device: the first stays.
    for (client, tunnel) in [(&one, &first_tunnel), (&other, &second_tunnel)] {
        ask(&client.host.namespace, tunnel.address, server.address);
        assert_eq!(server.asker(), tunnel.address);
    }
    first.lives();
    let pool = lab.exec("show ip local pool ACPool");
    for address in [first_tunnel.address, second_tunnel.address] {
        assert!(pool.contains(&address.to_string()), "{pool}");
    }
}

fn clear_crypto_session_ends_the_sessions_of_that_user_alone() {
    let lab = Lab::new();
    lab.add_user("second");
    let (one, other) = (lab.client(), lab.client());
    let headend = lab.start();
    let clean = one.host.routes();
    let (mut first, _) = lab.log_in(&one, USER);
    let (mut second, tunnel) = lab.log_in(&other, "second");
    headend.nth_line(2, "Crypto tunnel v2 is UP.");
    assert_eq!(
        lab.exec("clear crypto session username nobody"),
        "% There is no session of username nobody\n"
    );
    assert_eq!(
        lab.exec("test crypto rekey ikev2 username nobody"),
        "% There is no session of username nobody\n"
    );
    assert_eq!(lab.exec("clear crypto session user test"), "");
    first.ends_with(6);
    assert_eq!(one.host.routes(), clean);
    headend.line("Crypto tunnel v2 is DOWN.");
    second.lives();
    let server = Echo::udp(&lab.headend.namespace, LOOPBACK);
    ask(&other.host.namespace, tunnel.address, server.address);
    assert_eq!(server.asker(), tunnel.address);
}
