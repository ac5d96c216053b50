//! Kill at any moment, start again with something else: nothing of the first remains, and what is others' does.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    foreign,
    lab::{HEADEND, INSIDE, Lab, USER, connected},
    pki::PASSWORD,
    scene::Scene,
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    (
        "crash::a_start_clears_what_is_left_of_a_kill_at_any_moment_of_another_start",
        a_start_clears_what_is_left_of_a_kill_at_any_moment_of_another_start,
    ),
    (
        "crash::a_start_clears_what_is_left_of_a_kill_at_any_moment_of_a_login",
        a_start_clears_what_is_left_of_a_kill_at_any_moment_of_a_login,
    ),
    (
        "crash::a_start_waits_for_one_that_was_killed_to_let_go",
        a_start_waits_for_one_that_was_killed_to_let_go,
    ),
    (
        "crash::headends_of_two_namespaces_share_nothing",
        headends_of_two_namespaces_share_nothing,
    ),
];

/// Kills in each loop, spread over the time that the whole takes.
const KILLS: u32 = 12;

/// Everything that is different in the second configuration: pool, loopback, template.
fn other_configuration(lab: &Lab) {
    lab.edit("192.168.10.5 192.168.10.10", "192.168.20.5 192.168.20.10");
    lab.edit("192.168.10.0 0.0.0.255", "192.168.20.0 0.0.0.255");
    lab.edit("10.0.0.1 255.255.255.255", "10.0.0.2 255.255.255.255");
    lab.edit("loopback100", "loopback200");
    lab.edit("Loopback100", "Loopback200");
    lab.edit("Virtual-Template100", "Virtual-Template101");
    lab.edit("Virtual-Template 100", "Virtual-Template 101");
    lab.edit("virtual-template 100", "virtual-template 101");
    lab.edit("local 10.0.0.1 port", "local 10.0.0.2 port");
}

/// A lab with others' things in the headend's namespace.
fn lab() -> Lab {
    let lab = Lab::new();
    let namespace = &lab.headend.namespace;
    foreign::add_route(namespace, Ipv4Addr::new(172, 16, 0, 0), 12);
    foreign::add_table(namespace, "foreign");
    lab.headend.add_link("ironflex-x", None);
    lab.headend.add_link("other", Some("ironflex"));
    lab
}

/// What the second configuration alone makes of such a lab.
fn undisturbed() -> Scene {
    let lab = lab();
    let _client = lab.client();
    other_configuration(&lab);
    let _headend = lab.start();
    Scene::of(&lab)
}

/// Demands that a start with the second configuration leaves nothing of the first, and its end nothing at all.
fn starts_as_if_nothing_had_been(lab: &Lab, before: &Scene) {
    let mut headend = lab.start();
    assert_eq!(Scene::of(lab), undisturbed());
    let rules = foreign::rules(&lab.headend.namespace);
    let holds = |network: &[u8]| {
        rules
            .iter()
            .any(|rule| rule.windows(3).any(|at| at == network))
    };
    assert!(holds(&[192, 168, 20]));
    assert!(!holds(&[192, 168, 10]));
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    assert_eq!(Scene::of(lab), *before);
}

fn a_start_clears_what_is_left_of_a_kill_at_any_moment_of_another_start() {
    let lab = lab();
    let _client = lab.client();
    let before = Scene::of(&lab);
    let begun = Instant::now();
    let mut headend = lab.start();
    let whole = begun.elapsed();
    headend.end_by(Signal::SIGKILL);
    for kill in 1..=KILLS {
        let mut headend = lab.launch("state", &[]);
        // The moment is what is tested, so it is not waited for by any sign.
        thread::sleep(whole * kill / KILLS);
        headend.end_by(Signal::SIGKILL);
    }
    other_configuration(&lab);
    starts_as_if_nothing_had_been(&lab, &before);
}

fn a_start_clears_what_is_left_of_a_kill_at_any_moment_of_a_login() {
    let lab = lab();
    let client = lab.client();
    let before = Scene::of(&lab);
    let mut whole = Duration::ZERO;
    for kill in 0..=KILLS / 2 {
        let mut headend = lab.start();
        let begun = Instant::now();
        let target = HEADEND.to_string();
        let mut process = lab.connect_to(&target, &client, [USER, PASSWORD], &[]);
        if kill == 0 {
            connected(&process);
            whole = begun.elapsed();
        } else {
            thread::sleep(whole * kill / (KILLS / 2));
        }
        headend.end_by(Signal::SIGKILL);
        process.end_by(Signal::SIGKILL);
    }
    other_configuration(&lab);
    starts_as_if_nothing_had_been(&lab, &before);
}

fn a_start_waits_for_one_that_was_killed_to_let_go() {
    let lab = Lab::new();
    let place = lab.name("metrics");
    let launch = || lab.launch("state", &["--metrics", &place]);
    let mut headend = launch();
    assert!(headend.is_ready(), "{}", headend.output());
    // Nobody waits for its end.
    for _ in 0..10 {
        headend.signal(Signal::SIGKILL);
        let next = launch();
        assert!(next.is_ready(), "{}", next.output());
        headend = next;
    }
    // One that does not come to its end for a while has all that it had, and answers nobody.
    headend.signal(Signal::SIGSTOP);
    let next = launch();
    thread::sleep(Duration::from_millis(500));
    headend.signal(Signal::SIGKILL);
    assert!(next.is_ready(), "{}", next.output());
    // One that does not come to its end at all keeps its place.
    next.signal(Signal::SIGSTOP);
    let mut refused = launch();
    refused.ends_with(1);
    refused.line(&format!(
        "another ironflex (pid {}) has {} and does not answer",
        next.number(),
        lab.control().display()
    ));
}

fn headends_of_two_namespaces_share_nothing() {
    let (one, other) = (Lab::new(), Lab::new());
    let (inside, client) = (one.inside(), one.client());
    let _living = one.start();
    let (_process, tunnel) = one.log_in(&client, USER);
    let mut headend = other.start();
    headend.end_by(Signal::SIGKILL);
    let scene = Scene::of(&one);
    let mut headend = other.start();
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    assert_eq!(Scene::of(&one), scene);
    let server = Echo::udp(&inside.namespace, INSIDE);
    ask(&client.host.namespace, tunnel.address, server.address);
    assert_eq!(server.asker(), tunnel.address);
}
