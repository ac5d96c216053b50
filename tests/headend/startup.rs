//! The configuration file and the configuration that runs: written down, compared, replaced, taken back.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use ironflex_xfrm::netlink::NetworkNamespace;
use nix::sys::signal::Signal;

use crate::configure::{Line, until_free};
use crate::support::{
    PATIENCE,
    cases::Case,
    disk::{fill, mount_small},
    lab::{Lab, USER, mode},
    pki::PKI,
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
    (
        "startup::what_goes_back_takes_keys_and_waiting_lines_with_it",
        what_goes_back_takes_keys_and_waiting_lines_with_it,
    ),
    (
        "startup::keys_are_kept_with_the_change_that_brings_them_or_not_at_all",
        keys_are_kept_with_the_change_that_brings_them_or_not_at_all,
    ),
    (
        "startup::nothing_is_taken_back_while_somebody_configures",
        nothing_is_taken_back_while_somebody_configures,
    ),
    (
        "startup::a_file_that_nobody_writes_to_holds_up_nobody",
        a_file_that_nobody_writes_to_holds_up_nobody,
    ),
    (
        "startup::a_file_of_a_newer_version_is_refused_where_it_is_not_understood",
        a_file_of_a_newer_version_is_refused_where_it_is_not_understood,
    ),
    (
        "startup::a_full_disk_leaves_the_old_file_and_the_archive",
        a_full_disk_leaves_the_old_file_and_the_archive,
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
    headend
        .line("configuration: unless it is confirmed in 1 minute, it goes back to what it is now");
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

/// Every file of the trustpoints, with its mode. What stands beside them waits to come back, or to be removed.
fn keys(lab: &Lab) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let mut files = BTreeMap::new();
    for trustpoint in fs::read_dir(lab.path("state/trustpoints")).unwrap() {
        let trustpoint = trustpoint.unwrap();
        if trustpoint.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        for file in fs::read_dir(trustpoint.path()).unwrap() {
            let path = file.unwrap().path();
            let content = (fs::read(&path).unwrap(), mode(&path));
            files.insert(path, content);
        }
    }
    files
}

fn what_goes_back_takes_keys_and_waiting_lines_with_it() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    // Something that is not whole waits for the rest.
    run(
        &lab,
        &["configure terminal", "crypto ikev2 policy waiting", "end"],
        0,
    );
    let running = lab.exec("show running-config");
    let before = keys(&lab);
    assert_eq!(before.len(), 3, "{:?}", before.keys());
    fs::write(lab.path("boot/new.p12"), &PKI.renewed).unwrap();
    fs::write(lab.path("boot/ca.pem"), &PKI.stranger).unwrap();
    let change = [
        "configure terminal revert timer 1",
        "crypto pki import IKEv2-TP pkcs12 bootflash:new.p12 password cisco123",
        "crypto pki trustpoint OTHER",
        "exit",
        "crypto pki authenticate OTHER pem bootflash:ca.pem",
        "no crypto ikev2 policy waiting",
        "end",
    ];
    run(&lab, &change, 0);
    let between = keys(&lab);
    assert_ne!(between, before);
    assert_eq!(between.len(), 4, "{:?}", between.keys());
    run(&lab, &["configure revert now"], 0);
    assert_eq!(keys(&lab), before);
    assert_eq!(lab.exec("show running-config"), running);
    // What is at work has the keys of before as well, and clients know them.
    let shown = lab.exec("show crypto pki certificates verbose");
    let (_process, _) = lab.log_in(&client, USER);
    run(&lab, &change, 0);
    assert_ne!(lab.exec("show crypto pki certificates verbose"), shown);
    run(&lab, &["configure confirm"], 0);
    assert_eq!(keys(&lab).len(), 4);
    let (_process, _) = lab.log_in(&lab.client(), USER);
}

fn keys_are_kept_with_the_change_that_brings_them_or_not_at_all() {
    let lab = Lab::new();
    let mut headend = lab.start();
    let before = keys(&lab);
    let running = lab.exec("show running-config");
    fs::write(lab.path("boot/new.p12"), &PKI.renewed).unwrap();
    let text = fs::read_to_string(lab.config()).unwrap();
    // The first line could be carried out, and the second one cannot.
    let file = lab.name("other.conf");
    let import = |file: &str| {
        format!("crypto pki import IKEv2-TP pkcs12 bootflash:{file} password cisco123\n")
    };
    let lines = text.replace(
        &import("IKEv2-TP.p12"),
        &format!(
            "crypto pki trustpoint CA\n enrollment terminal\nexit\n{}crypto pki authenticate CA pem bootflash:none.pem\n",
            import("new.p12")
        ),
    );
    fs::write(&file, &lines).unwrap();
    let said = run(&lab, &[&format!("configure replace {file}")], 1);
    assert!(said.contains("none.pem"), "{said}");
    assert_eq!(keys(&lab), before);
    assert_eq!(lab.exec("show running-config"), running);
    // Its unharmed twin is carried out.
    fs::write(lab.path("boot/none.pem"), &PKI.authority).unwrap();
    let said = run(&lab, &[&format!("configure replace {file}")], 0);
    assert!(said.ends_with("Rollback Done\n"), "{said}");
    assert_ne!(keys(&lab), before);
    headend.lives();
}

fn nothing_is_taken_back_while_somebody_configures() {
    let lab = Lab::new();
    let _headend = lab.start();
    let change = ["configure terminal revert timer 1", "hostname Brief", "end"];
    run(&lab, &change, 0);
    let other = Line::open(&lab);
    let said = run(&lab, &["configure revert now"], 1);
    assert!(
        said.contains("% Configuration mode is locked by user '")
            && said.contains("from terminal 'tests' since "),
        "{said}"
    );
    assert!(lab.exec("show running-config").contains("hostname Brief\n"));
    drop(other);
    until_free(&lab);
    run(&lab, &["configure revert now"], 0);
    assert!(!lab.exec("show running-config").contains("hostname Brief\n"));
}

fn a_file_that_nobody_writes_to_holds_up_nobody() {
    let lab = Lab::new();
    let mut headend = lab.start();
    let pipe = lab.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let said = run(&lab, &[&format!("configure replace {}", pipe.display())], 1);
    assert!(said.contains("it is no regular file"), "{said}");
    nix::unistd::mkfifo(&lab.path("boot/pipe.p12"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let import = [
        "configure terminal",
        "crypto pki import IKEv2-TP pkcs12 bootflash:pipe.p12 password cisco123",
        "end",
    ];
    let said = run(&lab, &import, 1);
    assert!(said.contains("it is no regular file"), "{said}");
    headend.lives();
}

fn a_file_of_a_newer_version_is_refused_where_it_is_not_understood() {
    let lab = Lab::new();
    let file = fs::read_to_string(lab.config()).unwrap();
    let newer =
        format!("version 99.1\n{file}\ncrypto ikev3 window 9\ncrypto ikev2 policy P\n entangle\n");
    fs::write(lab.config(), &newer).unwrap();
    let mut refused = lab.launch("state", &[]);
    refused.ends_with(78);
    let said = refused.output();
    for words in ["ikev3", "entangle", "nothing of it was applied"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(fs::read_to_string(lab.config()).unwrap(), newer);
    // One that takes the place of the file while the headend runs is told of, and kept when it is replaced.
    fs::write(lab.config(), &file).unwrap();
    let mut headend = lab.start();
    fs::write(lab.config(), &newer).unwrap();
    let said = run(&lab, &["show archive config differences"], 0);
    assert!(
        said.contains("lines of the file are not understood"),
        "{said}"
    );
    fs::write(
        lab.config(),
        format!("{file}\ncrypto ikev2 policy P\n entangle\n"),
    )
    .unwrap();
    let said = run(&lab, &["show archive config differences"], 0);
    assert!(
        said.contains("!1 line of the file is not understood; 'ironflex check' names it\n"),
        "{said}"
    );
    fs::write(lab.config(), &newer).unwrap();
    let said = run(
        &lab,
        &[&format!("configure replace {}", lab.config().display())],
        1,
    );
    assert!(said.contains("ikev3"), "{said}");
    run(&lab, &["write memory"], 0);
    let kept = fs::read_to_string(lab.path("state/archive/startup-config-1")).unwrap();
    assert_eq!(kept, newer);
    headend.end_by(Signal::SIGTERM);
    let _headend = lab.start();
}

fn a_full_disk_leaves_the_old_file_and_the_archive() {
    let lab = Lab::new();
    let boot = lab.path("boot");
    let files = [lab.config(), lab.identity()].map(|path| (path.clone(), fs::read(path).unwrap()));
    mount_small(&boot, 1 << 20);
    for (path, content) in &files {
        fs::write(path, content).unwrap();
    }
    let mut headend = lab.start();
    // There is room, and the old file goes into the archive.
    run(&lab, &["write memory"], 0);
    let archived = || fs::read_dir(lab.path("state/archive")).unwrap().count();
    assert_eq!(archived(), 1);
    let file = fs::read(lab.config()).unwrap();
    run(&lab, &["configure terminal", "hostname Written", "end"], 0);
    fs::write(boot.join("mine"), "mine\n").unwrap();
    let ballast = boot.join("ballast");
    fill(&ballast);
    let there = || fs::read_dir(&boot).unwrap().count();
    let before = there();
    for line in [
        "copy running-config bootflash:mine",
        "copy running-config bootflash:new",
        "show running-config | append bootflash:mine",
    ] {
        let said = run(&lab, &[line], 1);
        assert!(said.contains("No space left on device"), "{said}");
        assert_eq!(fs::read(boot.join("mine")).unwrap(), b"mine\n");
        assert_eq!(there(), before, "{line}");
    }
    for _ in 0..11 {
        let said = run(&lab, &["write memory"], 1);
        assert!(
            said.contains("No space left on device") && said.contains("it is as it was"),
            "{said}"
        );
    }
    assert_eq!(fs::read(lab.config()).unwrap(), file);
    assert_eq!(archived(), 1);
    let first = fs::read(lab.path("state/archive/startup-config-1")).unwrap();
    assert_eq!(first, files[0].1);
    // Deleting needs no room, and makes some.
    run(&lab, &["delete bootflash:ballast"], 0);
    run(&lab, &["write memory"], 0);
    assert_eq!(archived(), 2);
    headend.lives();
}
