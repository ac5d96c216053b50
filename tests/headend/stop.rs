//! The end: what is still answered, and what a second signal does.

use std::time::Instant;

use ironflex_xfrm::netlink::NetworkNamespace;
use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{ClientHost, HEADEND, Lab, USER},
    process::Process,
    scene::Scene,
    stranger::{Stranger, init},
};

pub(crate) const CASES: &[Case] = &[
    (
        "stop::an_sa_that_has_ended_is_not_deleted_again",
        an_sa_that_has_ended_is_not_deleted_again,
    ),
    (
        "stop::a_deletion_that_is_under_way_is_told_of",
        a_deletion_that_is_under_way_is_told_of,
    ),
    (
        "stop::nobody_begins_anything_with_a_headend_that_is_about_to_leave",
        nobody_begins_anything_with_a_headend_that_is_about_to_leave,
    ),
    (
        "stop::a_second_signal_ends_the_farewell_and_leaves_nothing_either",
        a_second_signal_ends_the_farewell_and_leaves_nothing_either,
    ),
];

/// A headend with a client that is gone without a word, whose acknowledgement it will wait for in vain.
fn deserted(lab: &Lab, client: &ClientHost) -> Process {
    let headend = lab.start();
    let (mut process, _) = lab.log_in(client, USER);
    headend.line("Crypto tunnel v2 is UP.");
    process.end_by(Signal::SIGKILL);
    headend
}

fn an_sa_that_has_ended_is_not_deleted_again() {
    let lab = Lab::new();
    let client = lab.client();
    let mut headend = lab.start();
    let (mut process, _) = lab.log_in(&client, USER);
    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
    headend.line("Crypto tunnel v2 is DOWN.");
    // It is still there, to answer what is repeated.
    let over = lab.metrics("state").of("ironflex_ike_sas{state=\"over\"}");
    assert_eq!(over, Some(1));
    headend.signal(Signal::SIGTERM);
    headend.line("stopping: no SA is up");
    assert_eq!(headend.end(), Some(0));
}

fn a_deletion_that_is_under_way_is_told_of() {
    let lab = Lab::new();
    let (client, other) = (lab.client(), lab.client());
    let mut headend = deserted(&lab, &client);
    lab.exec("clear crypto session");
    let stranger = Stranger::new(&other.host.namespace, HEADEND);
    stranger.send(&init(1));
    assert_eq!(stranger.answer()[..8], 1_u64.to_be_bytes());
    headend.signal(Signal::SIGTERM);
    headend.line(
        "stopping: no SA is up, the deletion of 1 is under way, 1 that was about to come up is given up",
    );
    headend.line(&format!("for the answer of {}:", client.outer));
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
}

fn nobody_begins_anything_with_a_headend_that_is_about_to_leave() {
    let lab = Lab::new();
    let (client, other) = (lab.client(), lab.client());
    let mut headend = deserted(&lab, &client);
    let stranger = Stranger::new(&other.host.namespace, HEADEND);
    stranger.send(&init(1));
    assert_eq!(stranger.answer()[..8], 1_u64.to_be_bytes());

    headend.signal(Signal::SIGTERM);
    headend.line("stopping: ");
    for spi in 2..10 {
        stranger.send(&init(spi));
    }
    let here = NetworkNamespace::current().unwrap();
    let words = [
        "exec",
        "--state-dir",
        &lab.name("state"),
        "show crypto session",
    ];
    let mut command = Process::start(&here, &words, "");
    command.ends_with(1);
    command.line("the daemon is stopping");
    headend.lives();
    assert_eq!(headend.end(), Some(0));
    stranger.heard_nothing();
}

fn a_second_signal_ends_the_farewell_and_leaves_nothing_either() {
    let lab = Lab::new();
    let client = lab.client();
    let before = Scene::of(&lab);
    let mut headend = deserted(&lab, &client);
    // The terminal that it was started from is closed: an end like any other.
    headend.signal(Signal::SIGHUP);
    headend.line("stopping: 1 SA is deleted");
    headend.line(&format!(
        "stopping: waiting up to 4 s more for the answer of {}:",
        client.outer
    ));
    headend.lives();
    let begun = Instant::now();
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    // The farewell alone would have taken 5 s.
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
    headend.line(" stopped");
    assert_eq!(Scene::of(&lab), before);
}
