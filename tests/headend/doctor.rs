//! `ironflex doctor`: it says what would keep clients out, and changes nothing.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    os::unix::fs::PermissionsExt as _,
};

use ironflex_xfrm::netlink::{Owner, sysctl};

use crate::support::{
    cases::Case,
    foreign,
    lab::{HEADEND, Lab, OUTSIDE_DEVICE, OUTSIDE_INTERFACE, USER},
    process::Process,
};

pub(crate) const CASES: &[Case] = &[
    (
        "doctor::a_machine_that_can_serve_gets_no_failure_and_keeps_no_trace",
        a_machine_that_can_serve_gets_no_failure_and_keeps_no_trace,
    ),
    (
        "doctor::what_would_keep_clients_out_is_named",
        what_would_keep_clients_out_is_named,
    ),
    (
        "doctor::a_headend_that_runs_is_left_alone",
        a_headend_that_runs_is_left_alone,
    ),
    (
        "doctor::what_is_to_be_said_of_an_empty_configuration_is_true",
        what_is_to_be_said_of_an_empty_configuration_is_true,
    ),
    (
        "doctor::a_client_that_vanishes_is_thought_of",
        a_client_that_vanishes_is_thought_of,
    ),
    (
        "doctor::a_configuration_with_passwords_that_others_can_read_is_warned_of",
        a_configuration_with_passwords_that_others_can_read_is_warned_of,
    ),
    (
        "doctor::a_faulty_configuration_is_a_failure_with_its_lines",
        a_faulty_configuration_is_a_failure_with_its_lines,
    ),
];

/// What Secure Client would have, with one host.
fn client_profile(identity: &str, address: &str) -> String {
    format!(
        "<AnyConnectProfile><ServerList><HostEntry><HostName>lab</HostName>\
         <HostAddress>{address}</HostAddress><PrimaryProtocol>IPsec<StandardAuthenticationOnly>true\
         <AuthMethodDuringIKENegotiation>EAP-AnyConnect</AuthMethodDuringIKENegotiation>\
         <IKEIdentity>{identity}</IKEIdentity>\
         </StandardAuthenticationOnly></PrimaryProtocol></HostEntry></ServerList></AnyConnectProfile>"
    )
}

/// Runs it on the lab's headend. Returns what it prints.
fn examine(lab: &Lab, names: &[&str], code: i32) -> String {
    let (config, state) = (lab.config(), lab.name("state"));
    let device = format!("GigabitEthernet1={OUTSIDE_DEVICE}");
    let mut words = vec!["doctor", "--config", config.to_str().unwrap()];
    words.extend(["--state-dir", &state, "--device", &device]);
    words.extend(names);
    let mut process = Process::start(&lab.headend.namespace, &words, "");
    process.ends_with(code);
    process.output()
}

/// The lines on a subject.
fn on<'a>(report: &'a str, subject: &str) -> Vec<&'a str> {
    let lines = report.lines();
    lines
        .filter(|line| line.split_whitespace().nth(1) == Some(subject))
        .collect()
}

#[track_caller]
fn has(report: &str, grade: &str, subject: &str, text: &str) {
    let found = on(report, subject);
    let fits = |line: &&str| line.starts_with(grade) && line.contains(text);
    assert!(
        found.iter().any(fits),
        "no {grade} of {subject} says {text:?}:\n{report}"
    );
}

fn a_machine_that_can_serve_gets_no_failure_and_keeps_no_trace() {
    let lab = Lab::new();
    let _outside = lab.outside();
    fs::write(
        lab.path("boot/acvpn.xml"),
        client_profile("*$AnyConnectClient$*", "vpn.example.com"),
    )
    .unwrap();
    let before = lab.headend.links();
    let report = examine(&lab, &["vpn.example.com", "192.0.2.1"], 0);
    for (subject, text) in [
        ("configuration", "1 IKEv2 profile, 1 user, 1 address pool"),
        (
            "certificate",
            "clients may call it vpn.example.com, 192.0.2.1",
        ),
        (
            "certificate",
            "a client that calls vpn.example.com accepts it",
        ),
        ("certificate", "a client that calls 192.0.2.1 accepts it"),
        ("profile", "acvpn: host lab fits this headend"),
        (
            "devices",
            &format!("{OUTSIDE_DEVICE} (GigabitEthernet1): {OUTSIDE_INTERFACE}"),
        ),
        ("pools", "they share no network"),
        (
            "mtu",
            &format!("an inner packet of 1400 octets makes 1476 of 1500 on {OUTSIDE_DEVICE}"),
        ),
        ("forwarding", "net.ipv4.ip_forward = 1"),
        ("ports", "UDP 500 and 4500 are free"),
        ("firewall", "nobody filters packets"),
    ] {
        has(&report, "ok", subject, text);
    }
    assert_eq!(on(&report, "dataplane").len(), 1, "{report}");
    assert!(!report.contains("FAIL"), "{report}");
    assert!(!report.contains("with the profile acvpn"), "{report}");
    // The certificate is for the lab's address that clients call, and the device's is another.
    let others = format!(
        "its addresses (192.0.2.1, 2001:db8:2::1) are none of the outside devices' ({OUTSIDE_INTERFACE})"
    );
    has(&report, "warn", "certificate", &others);
    // Nothing stays: not the state folder, no device, no mark of ours, no port.
    assert!(!lab.path("state").exists());
    assert_eq!(lab.headend.links(), before);
    assert_eq!(lab.headend.belongings(Owner::Headend), <_>::default());
    // And it was right.
    let _headend = lab.start();
    let _connected = lab.log_in(&lab.client(), USER);
}

fn what_would_keep_clients_out_is_named() {
    let lab = Lab::new();
    let _outside = lab.outside();
    // The unharmed twin stands above: each of these is the one difference to it.
    let bind = || UdpSocket::bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 4500));
    let _taken = lab.headend.namespace.run(bind).unwrap().unwrap();
    let stop = || sysctl::write("net.ipv4.ip_forward", 0);
    lab.headend.namespace.run(stop).unwrap().unwrap();
    foreign::add_dropping_chain(&lab.headend.namespace, "filter", "input", foreign::INPUT);
    // The pool is 192.168.10.5 to 192.168.10.10.
    let neighbour = IpAddr::V4(Ipv4Addr::new(192, 168, 10, 1));
    lab.headend.add_link("lan", None);
    lab.headend.add_address("lan", neighbour, 24);
    fs::write(
        lab.path("boot/acvpn.xml"),
        client_profile("Sales", "vpn.example.org"),
    )
    .unwrap();
    lab.edit(" ip mtu 1400", " ip mtu 1450");
    lab.edit(
        " ip nat outside",
        " ip address 203.0.113.77 255.255.255.0\n ip nat outside",
    );
    let report = examine(&lab, &["other.example.com"], 1);
    has(&report, "FAIL", "ports", "UDP 4500 is taken by ");
    let ours = format!("(pid {}): stop it", std::process::id());
    has(&report, "FAIL", "ports", &ours);
    has(
        &report,
        "FAIL",
        "forwarding",
        "sysctl -w net.ipv4.ip_forward=1",
    );
    has(
        &report,
        "FAIL",
        "certificate",
        "a client that calls other.example.com",
    );
    has(
        &report,
        "warn",
        "firewall",
        "chain input of table filter drops",
    );
    has(
        &report,
        "warn",
        "pools",
        "the network of 192.168.10.1 on lan (192.168.10.0/24)",
    );
    has(
        &report,
        "warn",
        "profile",
        "key-id Sales, and no profile has that",
    );
    has(
        &report,
        "warn",
        "certificate",
        "a client with the profile acvpn calls vpn.example.org and shows",
    );
    has(&report, "warn", "mtu", "makes 1524 of 1500");
    let vain = format!(
        "'ip address 203.0.113.77' under GigabitEthernet1 has no effect: the addresses of a Linux device are the machine's to set, \
         and {OUTSIDE_DEVICE} has {OUTSIDE_INTERFACE}"
    );
    has(&report, "warn", "devices", &vain);
}

fn a_headend_that_runs_is_left_alone() {
    let lab = Lab::new();
    let _outside = lab.outside();
    let client = lab.client();
    let headend = lab.start();
    let (_process, connected) = lab.log_in(&client, USER);
    let report = examine(&lab, &[&HEADEND.to_string()], 0);
    has(
        &report,
        "ok",
        "ports",
        "served by the ironflex that is running",
    );
    has(&report, "skip", "dataplane", "a headend is running");
    has(&report, "ok", "certificate", "accepts it");
    // Its own pool and loopback are no neighbours, and its session goes on.
    has(&report, "ok", "pools", "they share no network");
    assert!(
        lab.exec("show crypto session detail")
            .contains(&connected.address.to_string())
    );
    drop(headend);
}

fn what_is_to_be_said_of_an_empty_configuration_is_true() {
    let lab = Lab::new();
    let _outside = lab.outside();
    let full = examine(&lab, &[], 0);
    fs::write(lab.config(), "").unwrap();
    let empty = examine(&lab, &[], 1);
    // What a kernel lacks for every transform it lacks for none.
    let userspace = |report: &str| on(report, "dataplane")[0].contains("userspace");
    assert_eq!(userspace(&full), userspace(&empty), "{full}{empty}");
    if !userspace(&empty) {
        has(&empty, "ok", "dataplane", "no transform is configured");
    }
}

fn a_client_that_vanishes_is_thought_of() {
    let lab = Lab::new();
    let _outside = lab.outside();
    let report = examine(&lab, &[], 0);
    has(
        &report,
        "warn",
        "dpd",
        "profile AnyConnect-EAP has no 'dpd'",
    );
    lab.edit(
        "crypto ikev2 profile AnyConnect-EAP\n",
        "crypto ikev2 profile AnyConnect-EAP\n dpd 30 5 periodic\n",
    );
    assert!(
        on(&examine(&lab, &[], 0), "dpd")
            .iter()
            .all(|line| line.starts_with("ok"))
    );
}

fn a_configuration_with_passwords_that_others_can_read_is_warned_of() {
    let lab = Lab::new();
    let _outside = lab.outside();
    let config = lab.name("boot/flexvpn-headend.conf");
    let set = |mode| fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
    for (mode, readers) in [
        (0o644, "its group and others (mode 0644)"),
        (0o640, "its group (mode 0640)"),
        (0o604, "others (mode 0604)"),
    ] {
        set(mode);
        let said = format!(
            "{config} holds passwords or keys and is readable by {readers}: chmod 600 {config}"
        );
        has(&examine(&lab, &[], 0), "warn", "configuration", &said);
    }
    set(0o600);
    assert!(!examine(&lab, &[], 0).contains("chmod"));
    // What has none may be read by everybody.
    set(0o644);
    let lines = fs::read_to_string(&config).unwrap();
    let secret = |line: &&str| line.starts_with("username") || line.contains(" password ");
    let lines: Vec<&str> = lines.lines().filter(|line| !secret(line)).collect();
    fs::write(&config, lines.join("\n")).unwrap();
    assert!(!examine(&lab, &[], 1).contains("chmod"));
}

fn a_faulty_configuration_is_a_failure_with_its_lines() {
    let lab = Lab::new();
    lab.edit("encryption aes-cbc-256", "encrpytion aes-cbc-256");
    let report = examine(&lab, &[], 1);
    has(&report, "FAIL", "configuration", "encrpytion");
    // It applies nothing of a good one either.
    assert!(!report.contains("applied"), "{report}");
    // What needs no configuration is looked at all the same.
    has(&report, "ok", "ports", "UDP 500 and 4500 are free");
}
