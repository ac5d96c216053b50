//! A client whose address changes in the middle of a transfer, or the mapping of a NAT that it is behind.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use ironflex_xfrm::IpPrefix;
use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    cases::Case,
    lab::{HEADEND, INSIDE, Lab, USER, connected, ip},
    nat::Nat,
    pki::PASSWORD,
    traffic::{Conversation, Echo},
};

pub(crate) const CASES: &[Case] = &[
    (
        "roaming::a_transfer_goes_on_within_a_second_when_the_clients_address_changes",
        a_transfer_goes_on_within_a_second_when_the_clients_address_changes,
    ),
    (
        "roaming::a_login_begins_anew_when_the_clients_address_changes",
        a_login_begins_anew_when_the_clients_address_changes,
    ),
    (
        "roaming::a_transfer_goes_on_within_a_second_when_a_nat_makes_a_new_mapping",
        a_transfer_goes_on_within_a_second_when_a_nat_makes_a_new_mapping,
    ),
    (
        "roaming::a_transfer_goes_on_within_a_second_when_a_nat_makes_a_new_mapping_without_mobike",
        a_transfer_goes_on_within_a_second_when_a_nat_makes_a_new_mapping_without_mobike,
    ),
    (
        "roaming::with_mobike_the_client_tells_of_a_new_mapping_by_its_next_sign_of_life",
        with_mobike_the_client_tells_of_a_new_mapping_by_its_next_sign_of_life,
    ),
    (
        "roaming::without_mobike_the_headend_sees_a_new_mapping_by_the_clients_next_sign_of_life",
        without_mobike_the_headend_sees_a_new_mapping_by_the_clients_next_sign_of_life,
    ),
];

/// How long nothing may come back.
const STALL: Duration = Duration::from_secs(1);

// RFC 4555 §3.5: the client's address, network and router are others, the old ones are gone, and one TCP connection
// through the tunnel goes on. Back and forth, so that nothing of the first move is in the way of the second.
fn a_transfer_goes_on_within_a_second_when_the_clients_address_changes() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let mut headend = lab.start();
    let (mut process, tunnel) = lab.log_in(&client, USER);
    let server = Echo::tcp(&inside.namespace, INSIDE);
    let conversation = Conversation::begin(&client.host.namespace, server.address);
    assert_eq!(server.asker(), tunnel.address);
    let near = client.device.trim_end_matches("-2");
    let places = [
        (client.router, client.outer),
        (ip("198.51.100.65"), ip("198.51.100.66")),
    ];
    let [_, (router, _)] = places;
    lab.headend.add_address(near, router, 30);
    for (from, to) in [(0, 1), (1, 0)] {
        conversation.goes_on();
        let ((_, old), (router, new)) = (places[from], places[to]);
        client.host.add_address(&client.device, new, 30);
        client.host.route(IpPrefix::host(HEADEND), router);
        client.host.delete_address(&client.device, old, 30);
        process.line(&format!(r#"{{"event":"moved","address":"{new}"}}"#));
        conversation.goes_on();
        let session = lab.exec("show crypto session detail");
        assert!(session.contains(&format!("Peer: {new} ")), "{session}");
    }
    let stall = conversation.end();
    println!(
        "longest stall of a transfer across two moves: {} ms",
        stall.as_millis()
    );
    assert!(stall < STALL, "{stall:?}");
    // It was the same session all the time.
    let session = lab.exec("show crypto session detail");
    assert!(session.contains("Session ID: 1"), "{session}");
    headend.lives();
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    assert!(
        client.host.routes().is_empty(),
        "{:?}",
        client.host.routes()
    );
}

/// The headend starts when the client's address has changed: what the client began with could not be answered any more.
fn a_login_begins_anew_when_the_clients_address_changes() {
    let lab = Lab::new();
    let client = lab.client();
    let process = lab.connect_to(&HEADEND.to_string(), &client, [USER, PASSWORD], &[]);
    process.line(r#"{"event":"connecting""#);
    let (router, new) = (ip("198.51.100.65"), ip("198.51.100.66"));
    lab.headend
        .add_address(client.device.trim_end_matches("-2"), router, 30);
    client.host.add_address(&client.device, new, 30);
    client.host.route(IpPrefix::host(HEADEND), router);
    client.host.delete_address(&client.device, client.outer, 30);
    process.nth_line(2, r#"{"event":"connecting""#);
    let _headend = lab.start();
    connected(&process);
    let session = lab.exec("show crypto session detail");
    assert!(session.contains(&format!("Peer: {new} ")), "{session}");
}

fn a_transfer_goes_on_within_a_second_when_a_nat_makes_a_new_mapping() {
    mappings_change_under_a_transfer(&[]);
}

fn a_transfer_goes_on_within_a_second_when_a_nat_makes_a_new_mapping_without_mobike() {
    mappings_change_under_a_transfer(&["--no-mobike"]);
}

/// RFC 7296 §2.23, RFC 4555 §3.8: ESP follows authentic packets, whatever IKE does, and at once: the client, whose own address
/// is what it was, says nothing in IKE until it next asks for a sign of life, after 20 s.
fn mappings_change_under_a_transfer(arguments: &[&str]) {
    let lab = Lab::new();
    let inside = lab.inside();
    let nat = Nat::new(&lab);
    let mut headend = lab.start();
    let login = [USER, PASSWORD];
    let mut process = lab.connect_to(&HEADEND.to_string(), &nat.client, login, arguments);
    let tunnel = connected(&process);
    let server = Echo::tcp(&inside.namespace, INSIDE);
    let conversation = Conversation::begin(&nat.client.host.namespace, server.address);
    assert_eq!(server.asker(), tunnel.address);
    conversation.goes_on();
    let first = nat.seen_at();
    assert_peer(&lab, first);
    nat.another_port();
    conversation.goes_on();
    nat.another_address(&lab);
    conversation.goes_on();
    let now = nat.seen_at();
    assert!(now.ip() != first.ip() && now.port() != first.port());
    let stall = conversation.end();
    println!(
        "longest stall of a transfer across two new mappings: {} ms",
        stall.as_millis()
    );
    assert!(stall < STALL, "{stall:?}");
    // Nothing of IKE has come from there: it was ESP alone that was followed.
    assert_peer(&lab, first);
    let session = lab.exec("show crypto session detail");
    assert!(session.contains("Session ID: 1"), "{session}");
    headend.lives();
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
}

/// Where the headend has a client in IKE.
fn assert_peer(lab: &Lab, at: SocketAddr) {
    let session = lab.exec("show crypto session detail");
    assert!(session.contains(&peer_line(at)), "{at}: {session}");
}

fn peer_line(at: SocketAddr) -> String {
    format!("Peer: {} port {} ", at.ip(), at.port())
}

fn with_mobike_the_client_tells_of_a_new_mapping_by_its_next_sign_of_life() {
    ike_follows_a_new_mapping(&["--dpd", "1"]);
}

fn without_mobike_the_headend_sees_a_new_mapping_by_the_clients_next_sign_of_life() {
    ike_follows_a_new_mapping(&["--dpd", "1", "--no-mobike"]);
}

/// RFC 4555 §3.8#2-3, RFC 7296 §2.23: with nothing in the tunnel it is the client's next sign of life that shows the new mapping.
fn ike_follows_a_new_mapping(arguments: &[&str]) {
    let lab = Lab::new();
    let nat = Nat::new(&lab);
    let _headend = lab.start();
    let login = [USER, PASSWORD];
    let process = lab.connect_to(&HEADEND.to_string(), &nat.client, login, arguments);
    connected(&process);
    assert_peer(&lab, nat.seen_at());
    nat.another_address(&lab);
    let wanted = peer_line(nat.seen_at());
    let begun = Instant::now();
    loop {
        let session = lab.exec("show crypto session detail");
        if session.contains(&wanted) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "no {wanted:?} in {session}");
        thread::sleep(Duration::from_millis(50));
    }
    let session = lab.exec("show crypto session detail");
    assert!(session.contains("Session ID: 1"), "{session}");
}
