//! Starts that fail: whatever it is that fails, the namespace is as it was before.

use std::{
    fs,
    io::Write,
    net::Ipv4Addr,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
};

use ironflex_xfrm::netlink::{TABLE, sysctl};
use nix::sys::signal::Signal;
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::{Pid, Resource, Rlimit, getrlimit, prlimit},
};
use socket2::{Domain, Socket, Type};

use crate::support::{
    cases::Case,
    foreign::{self, ForeignRoute},
    lab::Lab,
    process::Process,
    scene::Scene,
};

pub(crate) const CASES: &[Case] = &[
    (
        "start::a_control_socket_that_cannot_be_made_fails_the_start_before_anything",
        a_control_socket_that_cannot_be_made_fails_the_start_before_anything,
    ),
    (
        "start::lines_have_a_routers_time_at_a_terminal_and_their_severity_in_the_journal",
        lines_have_a_routers_time_at_a_terminal_and_their_severity_in_the_journal,
    ),
    (
        "start::a_port_taken_on_one_family_only_fails_the_start",
        a_port_taken_on_one_family_only_fails_the_start,
    ),
    (
        "start::every_descriptor_that_is_refused_leaves_the_namespace_as_it_was",
        every_descriptor_that_is_refused_leaves_the_namespace_as_it_was,
    ),
    (
        "start::a_start_that_fails_after_a_crash_keeps_the_guard_of_the_one_before",
        a_start_that_fails_after_a_crash_keeps_the_guard_of_the_one_before,
    ),
];

/// Everything that a start may touch, the numbers of rules included: not even as much as put there anew.
fn scene(lab: &Lab) -> (Scene, Vec<Vec<u8>>) {
    (Scene::of(lab), foreign::rules(&lab.headend.namespace))
}

/// Demands that a start fails with these words, and changes nothing.
fn fails(lab: &Lab, state: &str, words: &str) {
    let before = scene(lab);
    let mut headend = lab.launch(state, &[]);
    headend.ends_with(1);
    headend.line(words);
    assert_eq!(scene(lab), before, "{}", headend.output());
}

fn a_control_socket_that_cannot_be_made_fails_the_start_before_anything() {
    let lab = Lab::new();
    fs::create_dir_all(lab.control()).unwrap();
    let private = fs::Permissions::from_mode(0o700);
    fails(&lab, "state", "chmod 0700");
    fs::set_permissions(lab.path("state"), private).unwrap();
    fails(&lab, "state", "control socket: ");
    // A unix socket's name has 107 octets at most.
    fails(&lab, &"long".repeat(30), "control socket: ");
    fs::write(lab.path("file"), "").unwrap();
    fails(&lab, "file", "state folder ");
    fs::remove_dir(lab.control()).unwrap();
    let _headend = lab.start();
}

/// Whether a line begins as `*Nov 26 13:39:00.123: `.
fn is_stamped(line: &str) -> bool {
    let form = "*Aaa d0 00:00:00.000: ";
    let fits = |(character, form): (char, char)| match form {
        'A' => character.is_ascii_uppercase(),
        'a' => character.is_ascii_lowercase(),
        'd' => character == ' ' || character.is_ascii_digit(),
        '0' => character.is_ascii_digit(),
        other => character == other,
    };
    line.len() > form.len() && line.chars().zip(form.chars()).all(fits)
}

fn lines_have_a_routers_time_at_a_terminal_and_their_severity_in_the_journal() {
    let lab = Lab::new();
    let mut headend = lab.start();
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    let output = headend.output();
    assert!(output.lines().all(is_stamped), "{output}");

    // Forwarding that is off is a warning.
    let stop = || sysctl::write("net.ipv4.ip_forward", 0);
    lab.headend.namespace.run(stop).unwrap().unwrap();
    let mut headend = lab.launch_under_journal();
    headend.line("<6>ready");
    headend.line("<4>warning: net.ipv4.ip_forward is 0");
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    let output = headend.output();
    let has_severity = |line: &str| {
        let severity = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        severity.is_some_and(|(number, text)| {
            ["3", "4", "5", "6", "7"].contains(&number) && !text.starts_with('*')
        })
    };
    assert!(output.lines().all(has_severity), "{output}");
}

fn a_port_taken_on_one_family_only_fails_the_start() {
    let lab = Lab::new();
    for (address, words) in [
        ("0.0.0.0:500", "UDP port 500: "),
        ("[::]:4500", "UDP port 4500: "),
    ] {
        let address: std::net::SocketAddr = address.parse().unwrap();
        let take = || {
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None).unwrap();
            if address.is_ipv6() {
                socket.set_only_v6(true).unwrap();
            }
            socket.bind(&address.into()).unwrap();
            socket
        };
        let _taken = lab.headend.namespace.run(take).unwrap();
        fails(&lab, "state", words);
    }
    let _headend = lab.start();
}

/// Starts headends that may have ever more descriptors open, from the reading of the configuration on, until one of them
/// is ready; each that fails leaves everything as it was. Returns the one that is ready and how many failed.
fn start_with_ever_more_descriptors(lab: &Lab) -> (Process, u64) {
    let before = scene(lab);
    let text = fs::read(lab.config()).unwrap();
    fs::remove_file(lab.config()).unwrap();
    mknodat(
        CWD,
        lab.config(),
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let mut failed = 0;
    loop {
        let mut headend = lab.launch("state", &[]);
        // Opens when it opens the other end.
        let mut config = fs::OpenOptions::new()
            .write(true)
            .open(lab.config())
            .unwrap();
        assert!(config.metadata().unwrap().file_type().is_fifo());
        let number = headend.number();
        let limit = Rlimit {
            current: Some(next_descriptor(number) + failed),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        let pid = Pid::from_raw(i32::try_from(number).unwrap());
        prlimit(pid, Resource::Nofile, limit).unwrap();
        config.write_all(&text).unwrap();
        drop(config);
        if headend.is_ready() {
            fs::remove_file(lab.config()).unwrap();
            fs::write(lab.config(), text).unwrap();
            return (headend, failed);
        }
        headend.ends_with(1);
        assert_eq!(
            scene(lab),
            before,
            "{failed} descriptors more than at first: {}",
            headend.output()
        );
        failed += 1;
        assert!(failed < 100, "{}", headend.output());
    }
}

/// The number that a process's next descriptor will have.
fn next_descriptor(process: u32) -> u64 {
    let taken = |number: &u64| Path::new(&format!("/proc/{process}/fd/{number}")).exists();
    (0..).find(|number| !taken(number)).unwrap()
}

fn every_descriptor_that_is_refused_leaves_the_namespace_as_it_was() {
    let lab = Lab::new();
    let before = scene(&lab);
    let (mut headend, failed) = start_with_ever_more_descriptors(&lab);
    // Control socket, four UDP sockets, netlink, the TUN device, the engine's own: each was once the one that failed.
    assert!(failed > 10, "{failed} starts failed");
    assert_ne!(scene(&lab), before);
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    assert_eq!(scene(&lab), before);
}

fn a_start_that_fails_after_a_crash_keeps_the_guard_of_the_one_before() {
    let lab = Lab::new();
    let mut headend = lab.start();
    headend.end_by(Signal::SIGKILL);
    fs::remove_file(lab.control()).unwrap();
    let crashed = scene(&lab);
    assert_eq!(crashed.0.tables, [TABLE]);
    let guarded = |route: &ForeignRoute| route.destination == Ipv4Addr::new(192, 168, 10, 8);
    assert!(crashed.0.routes.iter().any(guarded), "{crashed:?}");
    // Another pool, whose own guard goes again each time.
    lab.edit("192.168.10.5 192.168.10.10", "192.168.20.5 192.168.20.10");
    let (_headend, failed) = start_with_ever_more_descriptors(&lab);
    assert!(failed > 10, "{failed} starts failed");
}
