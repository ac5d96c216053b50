//! A client whose address changes in the middle of a transfer.

use std::time::Duration;

use ironflex_xfrm::IpPrefix;
use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{HEADEND, INSIDE, Lab, USER, connected, ip},
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
