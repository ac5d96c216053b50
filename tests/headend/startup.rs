//! The configuration file and the configuration that runs: written down, compared, replaced, taken back.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use ironflex_xfrm::netlink::NetworkNamespace;
use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    cases::Case,
    lab::{Lab, USER, mode},
    process::Process,
};

pub(crate) const CASES: &[Case] = &[
    (
        "startup::what_is_written_is_what_a_start_reads",
        what_is_written_is_what_a_start_reads,
    ),
    (
        "startup::a_file_that_cannot_be_written_survives",
        a_file_that_cannot_be_written_survives,
    ),
    (
        "startup::what_the_next_start_would_refuse_is_not_written",
        what_the_next_start_would_refuse_is_not_written,
    ),
    (
        "startup::a_replacement_is_all_or_nothing",
        a_replacement_is_all_or_nothing,
    ),
    (
        "startup::a_change_that_is_not_confirmed_goes_back",
        a_change_that_is_not_confirmed_goes_back,
    ),
];

fn run(lab: &Lab, commands: &[&str], code: i32) -> String {
    let here = NetworkNamespace::current().unwrap();
    let state = lab.name("state");
    let mut all = vec!["exec", "--state-dir", &state];
    all.extend(commands);
    let mut process = Process::start(&here, &all, "");
    process.ends_with(code);
    process.output()
}

fn what_is_written_is_what_a_start_reads() {
    let lab = Lab::new();
    let mut headend = lab.start();
    fs::set_permissions(lab.config(), fs::Permissions::from_mode(0o640)).unwrap();
    let file = fs::read_to_string(lab.config()).unwrap();
    let differences = run(&lab, &["show archive config differences"], 0);
    assert_eq!(
        differences,
        "!Contextual Config Diffs:\n!No changes were found\n"
    );
    run(
        &lab,
        &[
            "configure terminal",
            "hostname Written",
            "username second password x7",
            "end",
        ],
        0,
    );
    let differences = run(&lab, &["show archive config differences"], 0);
    assert_eq!(
        differences,
        "!Contextual Config Diffs:\n+hostname Written\n+username second password 0 x7\n"
    );
    assert!(run(&lab, &["show startup-config"], 0).ends_with(&file));
    let said = run(&lab, &["copy running-config startup-config", "wr mem"], 0);
    assert!(
        said.starts_with("Building configuration...\n[OK]\n% Comments of the old file"),
        "{said}"
    );
    assert_eq!(said.matches("% Comments").count(), 1, "{said}");
    assert_eq!(mode(&lab.config()), 0o640);
    let archived = fs::read_to_string(lab.path("state/archive/startup-config-1")).unwrap();
    assert_eq!(archived, file);
    let running = lab.exec("show running-config");
    headend.end_by(Signal::SIGTERM);
    let _headend = lab.start();
    assert_eq!(lab.exec("show running-config"), running);
    let client = lab.client();
    let (_process, _) = lab.log_in(&client, USER);
}

fn a_file_that_cannot_be_written_survives() {
    let lab = Lab::new();
    let mut headend = lab.start();
    let file = fs::read_to_string(lab.config()).unwrap();
    // Where the new file would stand is something that cannot be taken away.
    let mut new = lab.config().into_os_string();
    new.push(".new");
    fs::create_dir_all(std::path::Path::new(&new).join("full")).unwrap();
    let said = run(&lab, &["write memory"], 1);
    assert!(
        said.contains("% Error writing startup-config: cannot write "),
        "{said}"
    );
    assert_eq!(fs::read_to_string(lab.config()).unwrap(), file);
    headend.lives();
}

fn what_the_next_start_would_refuse_is_not_written() {
    let lab = Lab::new();
    let mut headend = lab.start();
    let file = fs::read_to_string(lab.config()).unwrap();
    // Typed, it is warned of and stays inactive; a file with it would not be taken.
    let incomplete = [
        "configure terminal",
        "interface Virtual-Template7 type tunnel",
        "ip unnumbered Loopback77",
        "end",
    ];
    run(&lab, &incomplete, 0);
    let said = run(&lab, &["write memory"], 1);
    assert!(
        said.contains("Loopback77") && said.contains("% Not written"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(lab.config()).unwrap(), file);
    let removed = [
        "configure terminal",
        "no interface Virtual-Template7",
        "end",
    ];
    run(&lab, &removed, 0);
    run(&lab, &["write memory"], 0);
    headend.end_by(Signal::SIGTERM);
    let _headend = lab.start();
}

fn a_replacement_is_all_or_nothing() {
    let lab = Lab::new();
    let client = lab.client();
    let mut headend = lab.start();
    let (_process, _) = lab.log_in(&client, USER);
    let before = lab.exec("show running-config");
    let other = lab.name("other.conf");
    fs::write(&other, format!("{before}\ncrypto ikev2 windw 9\n")).unwrap();
    let said = run(&lab, &[&format!("configure replace {other}")], 1);
    assert!(
        said.contains("unknown command") || said.contains("cannot stand here"),
        "{said}"
    );
    assert_eq!(lab.exec("show running-config"), before);
    let said = run(&lab, &["configure replace /nowhere"], 1);
    assert!(said.contains("/nowhere"), "{said}");
    let text = before.replacen(
        "!\naaa new-model",
        "!\nhostname Replaced\n!\naaa new-model",
        1,
    );
    fs::write(&other, &text).unwrap();
    let said = run(&lab, &[&format!("configure replace {other}")], 0);
    assert!(
        said.contains("+hostname Replaced\n") && said.ends_with("Rollback Done\n"),
        "{said}"
    );
    assert!(
        lab.exec("show running-config")
            .contains("hostname Replaced\n")
    );
    assert!(lab.exec("show crypto session").contains("UP-ACTIVE"));
    headend.lives();
}

fn a_change_that_is_not_confirmed_goes_back() {
    let lab = Lab::new();
    let headend = lab.start();
    let before = lab.exec("show running-config");
    let said = run(&lab, &["configure confirm"], 1);
    assert!(
        said.contains("% No Rollback Confirmed Change pending"),
        "{said}"
    );
    let change = ["configure terminal revert timer 1", "hostname Brief", "end"];
    run(&lab, &change, 0);
    assert!(lab.exec("show running-config").contains("hostname Brief\n"));
    // Twice at once there is none.
    assert!(run(&lab, &["configure terminal revert timer 1"], 1).contains("waits for"));
    let said = run(&lab, &["configure revert now"], 0);
    assert_eq!(said, "-hostname Brief\n");
    assert_eq!(lab.exec("show running-config"), before);
    run(&lab, &change, 0);
    run(&lab, &["configure confirm"], 0);
    assert!(lab.exec("show running-config").contains("hostname Brief\n"));
    run(
        &lab,
        &["configure terminal revert timer 1", "hostname Late", "end"],
        0,
    );
    let minute = Duration::from_secs(60) + PATIENCE;
    headend.line_within(minute, 1, "ROLLBK_CNFMD_CHG_ROLLBACK_START");
    let end = Instant::now() + PATIENCE;
    while !lab.exec("show running-config").contains("hostname Brief\n") {
        assert!(Instant::now() < end);
    }
}
