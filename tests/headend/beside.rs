//! Headend and clients in one network namespace: nobody takes from another, living or dead.

use std::fs;

use ironflex_xfrm::netlink::{ClientNumber, NetworkNamespace, Owner};
use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{Belongings, ClientHost, Connected, INSIDE, Lab, USER},
    process::Process,
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    (
        "beside::a_headend_that_comes_and_goes_takes_nothing_from_clients",
        a_headend_that_comes_and_goes_takes_nothing_from_clients,
    ),
    (
        "beside::clients_that_come_and_go_take_nothing_from_each_other_or_a_headend",
        clients_that_come_and_go_take_nothing_from_each_other_or_a_headend,
    ),
    (
        "beside::what_a_dead_client_left_goes_with_the_next_client_alone",
        what_a_dead_client_left_goes_with_the_next_client_alone,
    ),
];

/// Whether an address can be asked through each of some tunnels.
fn all_carry(namespace: &NetworkNamespace, server: &Echo, tunnels: &[&Connected]) {
    for tunnel in tunnels {
        ask(namespace, tunnel.address, server.address);
        assert_eq!(server.asker(), tunnel.address);
    }
}

fn number(number: u8) -> Owner {
    Owner::Client(ClientNumber::new(number).unwrap())
}

/// Starts a headend in a client's namespace, with networks that the lab's headend does not have.
fn headend_beside(lab: &Lab, client: &ClientHost) -> Process {
    let text = fs::read_to_string(lab.config()).unwrap();
    let text = text
        .replace("192.168.10.5 192.168.10.10", "192.168.20.5 192.168.20.10")
        .replace(
            "ip address 10.0.0.1 255.255.255.255",
            "ip address 10.200.0.1 255.255.255.255",
        );
    assert!(
        text.contains("192.168.20.5") && text.contains("10.200.0.1"),
        "{text}"
    );
    let config = lab.path("boot/beside.conf");
    fs::write(&config, text).unwrap();
    let process = lab.launch_in(&client.host, &config, "state-beside", &[]);
    process.line(" ready");
    process
}

fn a_headend_that_comes_and_goes_takes_nothing_from_clients() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let _headend = lab.start();
    let (_first, one) = lab.log_in(&client, USER);
    let (_second, other) = lab.log_in(&client, USER);
    assert_ne!((one.address, &one.device), (other.address, &other.device));
    let server = Echo::udp(&inside.namespace, INSIDE);
    let namespace = &client.host.namespace;
    let everything = || [number(0), number(1)].map(|owner| client.host.belongings(owner));
    let before = everything();
    all_carry(namespace, &server, &[&one, &other]);

    // Stopped, killed, and started again on what the killed one left.
    for ending in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM] {
        let mut beside = headend_beside(&lab, &client);
        all_carry(namespace, &server, &[&one, &other]);
        beside.end_by(ending);
        all_carry(namespace, &server, &[&one, &other]);
        assert_eq!(everything(), before);
    }
    assert_eq!(
        client.host.belongings(Owner::Headend),
        Belongings::default()
    );
}

fn clients_that_come_and_go_take_nothing_from_each_other_or_a_headend() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let _headend = lab.start();
    let mut beside = headend_beside(&lab, &client);
    let server = Echo::udp(&inside.namespace, INSIDE);
    let namespace = &client.host.namespace;
    let (mut first, one) = lab.log_in(&client, USER);
    let of_headend = client.host.belongings(Owner::Headend);
    let of_first = client.host.belongings(number(0));
    for ending in [Signal::SIGTERM, Signal::SIGKILL] {
        let (mut second, other) = lab.log_in(&client, USER);
        all_carry(namespace, &server, &[&one, &other]);
        second.end_by(ending);
        all_carry(namespace, &server, &[&one]);
        assert_eq!(client.host.belongings(number(0)), of_first);
        assert_eq!(client.host.belongings(Owner::Headend), of_headend);
    }
    // The first leaves, and the third stays.
    let (_third, last) = lab.log_in(&client, USER);
    assert_eq!(first.end_by(Signal::SIGTERM), Some(0));
    all_carry(namespace, &server, &[&last]);
    assert_eq!(client.host.belongings(number(0)), Belongings::default());
    assert_eq!(client.host.belongings(Owner::Headend), of_headend);
    beside.lives();
}

fn what_a_dead_client_left_goes_with_the_next_client_alone() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let _headend = lab.start();
    let server = Echo::udp(&inside.namespace, INSIDE);
    let namespace = &client.host.namespace;
    let (_first, one) = lab.log_in(&client, USER);
    let (mut second, _) = lab.log_in(&client, USER);
    second.end_by(Signal::SIGKILL);
    // Its TUN device goes with it; an xfrm interface would stay.
    client
        .host
        .add_link("ironflexc9", Some("ironflex client 1"));
    // By its name alone a device is not ours, and by its alias alone neither.
    client.host.add_link("ironflex-x", None);
    client.host.add_link("other", Some("ironflex client 1"));
    let left = client.host.belongings(number(1));
    assert_eq!(left.devices, ["ironflexc9"]);
    assert!(
        !left.routes.is_empty() && !left.rules.is_empty(),
        "{left:?}"
    );
    let mut beside = headend_beside(&lab, &client);
    beside.end_by(Signal::SIGTERM);
    assert_eq!(client.host.belongings(number(1)), left);

    let (third, last) = lab.log_in(&client, USER);
    third.line("removed what an earlier client left: ");
    assert_eq!(last.device, "ironflexc1");
    all_carry(namespace, &server, &[&one, &last]);
    let links = client.host.links();
    assert!(!links.contains(&"ironflexc9".to_owned()), "{links:?}");
    for foreign in ["ironflex-x", "other"] {
        assert!(
            links.contains(&foreign.to_owned()),
            "{foreign} is gone: {links:?}"
        );
    }
}
