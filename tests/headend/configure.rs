//! `configure terminal`: what is typed is at work at once.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    time::Instant,
};

use ironflex_xfrm::netlink::NetworkNamespace;
use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    cases::Case,
    lab::{HEADEND, LOOPBACK, Lab, OUTSIDE_INTERFACE, USER, ip},
    pki::{PASSWORD, PKI},
    process::Process,
};

pub(crate) const CASES: &[Case] = &[
    (
        "configure::the_example_typed_into_an_empty_headend_serves_a_login",
        the_example_typed_into_an_empty_headend_serves_a_login,
    ),
    (
        "configure::a_change_concerns_new_logins_and_says_whose_sessions_go_on",
        a_change_concerns_new_logins_and_says_whose_sessions_go_on,
    ),
    (
        "configure::one_person_at_a_time_and_the_second_is_told_who",
        one_person_at_a_time_and_the_second_is_told_who,
    ),
    (
        "configure::wrong_lines_are_refused_by_the_words_of_a_router_and_the_rest_is_taken",
        wrong_lines_are_refused_by_the_words_of_a_router_and_the_rest_is_taken,
    ),
    (
        "configure::what_is_not_whole_is_told_of_and_stays_inactive",
        what_is_not_whole_is_told_of_and_stays_inactive,
    ),
    (
        "configure::a_session_that_is_cut_leaves_what_was_taken",
        a_session_that_is_cut_leaves_what_was_taken,
    ),
    (
        "configure::a_conversation_that_is_cut_anywhere_leaves_the_next_one_its_turn",
        a_conversation_that_is_cut_anywhere_leaves_the_next_one_its_turn,
    ),
    (
        "configure::bad_connections_hold_up_nobody",
        bad_connections_hold_up_nobody,
    ),
    (
        "configure::an_address_gives_way_to_another_of_its_network",
        an_address_gives_way_to_another_of_its_network,
    ),
    (
        "configure::ten_thousand_lines_are_taken_at_once",
        ten_thousand_lines_are_taken_at_once,
    ),
    (
        "configure::either_logging_line_turns_its_own_lines_on_and_off",
        either_logging_line_turns_its_own_lines_on_and_off,
    ),
    (
        "configure::an_interface_without_its_device_is_told_of_where_it_is_typed",
        an_interface_without_its_device_is_told_of_where_it_is_typed,
    ),
    (
        "configure::an_address_of_a_tied_device_that_is_not_the_machines_is_told_of",
        an_address_of_a_tied_device_that_is_not_the_machines_is_told_of,
    ),
    (
        "configure::a_pool_that_is_gone_for_a_moment_leaves_clients_their_addresses",
        a_pool_that_is_gone_for_a_moment_leaves_clients_their_addresses,
    ),
    (
        "configure::a_profile_that_has_become_inactive_is_named_at_once_and_to_whom_it_would_have_served",
        a_profile_that_has_become_inactive_is_named_at_once_and_to_whom_it_would_have_served,
    ),
    (
        "configure::a_template_that_is_shut_down_refuses_the_clients_of_its_profile",
        a_template_that_is_shut_down_refuses_the_clients_of_its_profile,
    ),
];

const EXAMPLE: &str = include_str!("../../examples/flexvpn-headend.conf");

/// Runs commands on the headend: what they print, and whether all were taken.
fn run(lab: &Lab, input: &str, code: i32) -> String {
    let here = NetworkNamespace::current().unwrap();
    let state = lab.name("state");
    let mut process = Process::start(&here, &["exec", "--state-dir", &state], input);
    process.ends_with(code);
    process.output()
}

/// Configures: what is said of the lines.
fn configure(lab: &Lab, lines: &str) -> String {
    run(lab, &format!("configure terminal\n{lines}\nend\n"), 0)
}

/// A lab whose headend has no configuration at all.
fn empty() -> Lab {
    let lab = Lab::new();
    fs::write(lab.config(), "").unwrap();
    lab
}

fn refused(lab: &Lab, user: &str) {
    let client = lab.client();
    let mut process = lab.connect_to(&HEADEND.to_string(), &client, [user, PASSWORD], &[]);
    assert_ne!(process.end(), Some(0), "{}", process.output());
}

fn the_example_typed_into_an_empty_headend_serves_a_login() {
    let lab = empty();
    let _headend = lab.start();
    refused(&lab, USER);
    let said = configure(&lab, EXAMPLE);
    assert!(
        said.contains("CRYPTO_PKI: Imported PKCS12 file successfully."),
        "{said}"
    );
    assert!(
        !said.contains("Warning") && !said.contains("% Invalid"),
        "{said}"
    );
    assert!(lab.headend.has_address(LOOPBACK));
    let client = lab.client();
    let (_process, connected) = lab.log_in(&client, USER);
    assert!(!connected.addresses.is_empty());
    // What is at work is what a start with the same lines has.
    let typed = lab.exec("show running-config");
    let other = Lab::new();
    let _started = other.start();
    assert_eq!(typed, other.exec("show running-config"));
    // And it is taken away line by line.
    let said = configure(&lab, "no interface Loopback100\nno ip local pool ACPool");
    assert!(
        said.contains("sessions go on as they came up: test"),
        "{said}"
    );
    assert!(
        said.contains("Warning: nothing defines `interface Loopback100`"),
        "{said}"
    );
    assert!(!lab.headend.has_address(LOOPBACK));
    assert!(lab.exec("show crypto session").contains("UP-ACTIVE"));
    refused(&lab, USER);
}

fn a_change_concerns_new_logins_and_says_whose_sessions_go_on() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    let (_process, first) = lab.log_in(&client, USER);
    let said = configure(&lab, "username second password secret7");
    assert_eq!(said, "");
    let other = lab.client();
    let process = lab.connect_to(&HEADEND.to_string(), &other, ["second", "secret7"], &[]);
    let second = crate::support::lab::connected(&process);
    assert_ne!(first.addresses, second.addresses);
    let said = configure(&lab, "no username second");
    assert!(
        said.contains("% User second stays logged in: second ("),
        "{said}"
    );
    let said = configure(&lab, "no crypto ikev2 profile AnyConnect-EAP");
    assert!(
        said.contains(
            "IKEv2 profile AnyConnect-EAP serves nobody any more; sessions go on as they came up: "
        ),
        "{said}"
    );
    refused(&lab, USER);
    assert_eq!(
        lab.exec("show crypto session").matches("UP-ACTIVE").count(),
        2
    );
    // A pool that is another gives nobody what somebody holds.
    let lines = EXAMPLE.replace("192.168.10.5 192.168.10.10", "192.168.10.5 192.168.10.7");
    let said = configure(&lab, &format!("no ip local pool ACPool\n{lines}"));
    assert!(!said.contains("% Invalid"), "{said}");
    let third = lab.client();
    let (_process, third) = lab.log_in(&third, USER);
    assert!(third.addresses != first.addresses && third.addresses != second.addresses);
    assert_eq!(
        lab.exec("show crypto session").matches("UP-ACTIVE").count(),
        3
    );
}

fn one_person_at_a_time_and_the_second_is_told_who() {
    let lab = Lab::new();
    let _headend = lab.start();
    let mut first = Line::open(&lab);
    let said = run(&lab, "configure terminal\nhostname other\n", 1);
    assert!(
        said.contains("% Configuration mode is locked by user '"),
        "{said}"
    );
    assert!(said.contains("from terminal 'tests' since "), "{said}");
    assert!(!lab.exec("show running-config").contains("hostname other"));
    // Exec commands are everybody's.
    assert!(
        first
            .says(r#"{"lines":["hostname first"]}"#)
            .contains(r#""status":0"#)
    );
    assert!(lab.exec("show running-config").contains("hostname first"));
    assert!(
        first
            .says(r#"{"lines":["end"]}"#)
            .contains(r#"\"left\":true"#)
    );
    assert_eq!(configure(&lab, "hostname second"), "");
    assert!(lab.exec("show running-config").contains("hostname second"));
}

fn wrong_lines_are_refused_by_the_words_of_a_router_and_the_rest_is_taken() {
    let lab = Lab::new();
    let _headend = lab.start();
    // Without the heading, which counts octets.
    let lines = |text: &str| {
        text.split_once("bytes\n")
            .map(|(_, lines)| lines.to_owned())
    };
    let before = lab.exec("show running-config");
    let input = "configure terminal\ncrypto ikev2 windw 9\nhostname\ncrypto ikev2 p x\ninterface Ethernet0\n\
                 crypto ikev2 window 900\ncrypto ikev2 proposal P\n encryption rot13\n exit\nno crypto ikev2 proposal P\n\
                 do show clock\nhostname new\nshow version\ninterface Loopback100\n sh run\nend\nshow clock\n";
    let mut said = run(&lab, input, 1);
    // What stands on standard error may come anywhere among the answers.
    let answers = said.split_inclusive('\n');
    said = answers
        .filter(|line| !line.starts_with("ironflex: line "))
        .collect();
    for words in [
        "crypto ikev2 windw 9\n             ^\n% Invalid input detected at '^' marker.\n",
        "did you mean `window`?",
        "% Incomplete command.\n",
        "% Ambiguous command:  \"crypto ikev2 p x\"\n",
        "% not supported by this headend: interfaces other than",
        "% not a number from 1 to 200",
        "show version\n^\n% Invalid input detected at '^' marker.\n% a command of the exec mode: type 'do show version' here\n",
        "% a command of the exec mode: type 'do sh run' here\n",
        " encryption rot13\n            ^\n% Invalid input detected at '^' marker.\n",
    ] {
        assert!(said.contains(words), "{words:?}: {said}");
    }
    assert_eq!(said.matches(" UTC ").count(), 2, "{said}");
    let after = lab.exec("show running-config");
    let after = after.replace("hostname new\n!\n", "");
    assert_eq!(lines(&after), lines(&before));
    // A paste that ends within a word is a line like any other.
    assert!(run(&lab, "configure terminal\nhostname a\nhostn", 1).contains("% Incomplete"));
    let long = "x".repeat(1 << 20);
    let said = run(
        &lab,
        &format!("configure terminal\n{long}\nhostname b\u{1b}[2J\nhostname é\nhostname ok\n"),
        1,
    );
    assert!(said.contains("longer than 4096 octets"), "{}", said.len());
    assert!(said.contains("control character U+001B"), "{said}");
    assert!(lab.exec("show running-config").contains("hostname ok\n"));
}

fn what_is_not_whole_is_told_of_and_stays_inactive() {
    let lab = Lab::new();
    let _headend = lab.start();
    let said = configure(
        &lab,
        "crypto ikev2 proposal P\n encryption aes-cbc-256\n exit",
    );
    assert!(said.contains("IKEv2 proposal MUST either have"), "{said}");
    let said = configure(&lab, "crypto ikev2 policy Q");
    assert!(
        said.contains("IKEv2 policy MUST have atleast one complete proposal attached"),
        "{said}"
    );
    let said = configure(&lab, "crypto ikev2 profile R\n match identity remote any");
    assert!(
        said.contains("IKEv2 profile MUST have:\n   1. A local"),
        "{said}"
    );
    let said = configure(
        &lab,
        "crypto ikev2 authorization policy ikev2-auth-policy\n pool nowhere",
    );
    assert!(
        said.contains("% Warning: nothing defines `ip local pool nowhere`"),
        "{said}"
    );
    refused(&lab, USER);
    let said = configure(&lab, "ip local pool nowhere 192.168.20.1 192.168.20.9");
    assert_eq!(said, "% IKEv2 profile AnyConnect-EAP is active now\n");
    let client = lab.client();
    let (_process, connected) = lab.log_in(&client, USER);
    assert!(format!("{:?}", connected.addresses).contains("192.168.20."));
}

/// A connection that configures, by hand.
pub(crate) struct Line(BufReader<UnixStream>);

impl Line {
    pub(crate) fn open(lab: &Lab) -> Self {
        let stream = UnixStream::connect(lab.control()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = Self(BufReader::new(stream));
        let answer = line.says(r#"{"configure":{"terminal":"tests"}}"#);
        assert!(answer.contains(r#""status":0"#), "{answer}");
        line
    }

    fn says(&mut self, request: &str) -> String {
        writeln!(self.0.get_ref(), "{request}").unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        answer
    }
}

/// Waits until somebody can configure again.
pub(crate) fn until_free(lab: &Lab) {
    let end = Instant::now() + PATIENCE;
    loop {
        let here = NetworkNamespace::current().unwrap();
        let state = lab.name("state");
        let mut process = Process::start(
            &here,
            &["exec", "--state-dir", &state],
            "configure terminal\nend\n",
        );
        if process.end() == Some(0) {
            return;
        }
        assert!(Instant::now() < end, "{}", process.output());
    }
}

fn a_session_that_is_cut_leaves_what_was_taken() {
    let lab = Lab::new();
    let mut headend = lab.start();
    let mut line = Line::open(&lab);
    line.says(r#"{"lines":["hostname cut"]}"#);
    // What nobody waits for is at work a little later.
    line.says(r#"{"lines":["crypto ikev2 window 77"],"more":true}"#);
    drop(line);
    until_free(&lab);
    let running = lab.exec("show running-config");
    assert!(running.contains("hostname cut\n") && running.contains("crypto ikev2 window 77\n"));
    headend.line("%SYS-5-CONFIG_I: Configured from console by ");
    headend.lives();
}

fn a_conversation_that_is_cut_anywhere_leaves_the_next_one_its_turn() {
    let lab = Lab::new();
    let mut headend = lab.start();
    fs::write(lab.path("boot/new.p12"), &PKI.renewed).unwrap();
    let lines = [
        "hostname Cut",
        "crypto pki import IKEv2-TP pkcs12 bootflash:new.p12 password cisco123",
        "interface Loopback9",
        "ip address 10.9.0.1 255.255.255.255",
    ];
    let request = format!("{{\"lines\":[\"{}\"]}}\n", lines.join("\",\""));
    for end in (0..request.len()).step_by(17).chain([request.len()]) {
        let line = Line::open(&lab);
        let mut stream = line.0.get_ref();
        stream.write_all(&request.as_bytes()[..end]).unwrap();
        drop(line);
        until_free(&lab);
    }
    // The last one was whole: what was taken stays, though nobody has heard of it.
    let running = lab.exec("show running-config");
    assert!(
        running.contains("hostname Cut\n") && running.contains("interface Loopback9\n"),
        "{running}"
    );
    headend.lives();
}

fn bad_connections_hold_up_nobody() {
    let lab = Lab::new();
    let mut headend = lab.start();
    // One that sends half a request and nothing more: it holds the configuration, and nothing else.
    let mut half = Line::open(&lab);
    write!(half.0.get_ref(), r#"{{"lines":["hostn"#).unwrap();
    assert!(lab.exec("show running-config").contains("end"));
    drop(half);
    until_free(&lab);
    for nonsense in [
        "[]",
        "{}",
        r#"{"lines":[1]}"#,
        "\u{1}",
        r#"{"lines":["hostname a\nhostname b"]}"#,
    ] {
        let mut line = Line::open(&lab);
        let answer = line.says(nonsense);
        assert!(answer.contains(r#""status":1"#), "{nonsense}: {answer}");
        drop(line);
        until_free(&lab);
    }
    half = Line::open(&lab);
    // One that reads nothing: its answers fill the socket.
    let request = format!(r#"{{"lines":[{}"x"]}}"#, r#""x","#.repeat(2000));
    half.0.get_ref().set_nonblocking(true).unwrap();
    let end = Instant::now() + PATIENCE;
    while writeln!(half.0.get_ref(), "{request}").is_ok() && Instant::now() < end {}
    assert!(lab.exec("show running-config").contains("end"));
    until_free(&lab);
    headend.lives();
}

fn an_address_gives_way_to_another_of_its_network() {
    let lab = Lab::new();
    let mut headend = lab.start();
    let addresses = |lines: &str| {
        let said = configure(&lab, &format!("interface Loopback7\n{lines}"));
        assert_eq!(said, "");
        let all = lab
            .headend
            .addresses()
            .into_iter()
            .map(|one| one.to_string());
        all.filter(|one| one.starts_with("10.7.") || one.starts_with("2001:db8:7:"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        addresses("ip address 10.7.0.1 255.255.255.0\n ipv6 address 2001:db8:7::1/64"),
        ["10.7.0.1", "2001:db8:7::1"]
    );
    assert_eq!(
        addresses("ip address 10.7.0.2 255.255.255.0"),
        ["10.7.0.2", "2001:db8:7::1"]
    );
    assert_eq!(
        addresses("ip address 10.7.0.2 255.255.255.128"),
        ["10.7.0.2", "2001:db8:7::1"]
    );
    // The same address in a network of another size, one line after the other and in one step.
    assert_eq!(
        addresses("no ipv6 address 2001:db8:7::1/64\n ipv6 address 2001:db8:7::1/48"),
        ["10.7.0.2", "2001:db8:7::1"]
    );
    let mut line = Line::open(&lab);
    let said = line.says(
        r#"{"lines":["interface Loopback7","no ipv6 address 2001:db8:7::1/48","ipv6 address 2001:db8:7::1/128","end"]}"#,
    );
    assert!(!said.contains("taken back"), "{said}");
    drop(line);
    until_free(&lab);
    assert_eq!(addresses("no shutdown"), ["10.7.0.2", "2001:db8:7::1"]);
    headend.lives();
}

fn ten_thousand_lines_are_taken_at_once() {
    let lab = Lab::new();
    let _headend = lab.start();
    let mut lines = String::from("configure terminal\n");
    for user in 0..7_000 {
        lines.push_str(&format!("username user{user} password secret{user}\n"));
    }
    for policy in 0..1_000 {
        let net = policy % 250;
        lines.push_str(&format!(
            "crypto ikev2 authorization policy P{policy}\n dns 10.0.{net}.1\n pfs\n"
        ));
    }
    lines.push_str("end\n");
    let begin = Instant::now();
    assert_eq!(run(&lab, &lines, 0), "");
    let took = begin.elapsed();
    println!("10,000 lines: {took:?}");
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    let running = lab.exec("show running-config");
    assert!(running.contains("username user6999 ") && running.contains("policy P999\n"));
}

fn either_logging_line_turns_its_own_lines_on_and_off() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    let counts = || {
        let log = lab.exec("show logging");
        [
            "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP.  Peer ",
            "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is DOWN.",
            "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is UP.  Peer ",
            "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN.  Peer ",
        ]
        .map(|line| log.matches(line).count())
    };
    let mut before = counts();
    assert_eq!(before, [0; 4]);
    for (ikev2, session) in [(true, true), (true, false), (false, true), (false, false)] {
        let no = |on| if on { "" } else { "no " };
        let [of_ikev2, of_session] = [
            format!("{}crypto logging ikev2\n", no(ikev2)),
            format!("{}crypto logging session\n", no(session)),
        ];
        configure(&lab, &format!("{of_ikev2}{of_session}"));
        let running = lab.exec("show running-config");
        // What is so of itself is not shown.
        assert_eq!(running.contains("\nno crypto logging ikev2\n"), !ikev2);
        assert_eq!(running.contains("\ncrypto logging session\n"), session);
        let (mut process, _) = lab.log_in(&client, USER);
        assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
        let end = Instant::now() + PATIENCE;
        while lab.exec("show crypto session").contains(USER) {
            assert!(Instant::now() < end, "the session stays");
        }
        let after = counts();
        let more: Vec<usize> = after
            .iter()
            .zip(before)
            .map(|(now, before)| now - before)
            .collect();
        let [ikev2, session] = [ikev2, session].map(usize::from);
        assert_eq!(more, [ikev2, ikev2, session, session]);
        before = after;
    }
}

fn an_interface_without_its_device_is_told_of_where_it_is_typed() {
    let lab = Lab::new();
    let headend = lab.start_with(&["--device", "GigabitEthernet1=eth9"]);
    headend.line(
        "warning: GigabitEthernet1 is tied to eth9, and there is no such device here: until there is one, \
         'ip nat inside source list NAT interface GigabitEthernet1 overload' translates nothing",
    );
    let said = configure(&lab, "interface gi2\n ip nat outside");
    assert!(
        said.contains("% Note: GigabitEthernet2 is tied to no device, so its lines have no effect"),
        "{said}"
    );
    // Another thing of the network is told of as well, and each once.
    let said = configure(
        &lab,
        "interface gi2\n device eth7\ninterface gi3\n device eth8\ninterface gi2\n description x",
    );
    for device in ["eth7", "eth8"] {
        let told = format!("is tied to {device}, and there is no such device here");
        assert_eq!(said.matches(&told).count(), 1, "{said}");
    }
    assert!(!said.contains("no device, so"), "{said}");
}

fn an_address_of_a_tied_device_that_is_not_the_machines_is_told_of() {
    let lab = Lab::new();
    let _outside = lab.outside();
    let lines = "interface GigabitEthernet1\n ip address 203.0.113.7 255.255.255.0\n";
    lab.add_lines(lines);
    let headend = lab.start_with(&["--device", "GigabitEthernet1=outside"]);
    let told = |address: &str| {
        format!(
            "'ip address {address}' under GigabitEthernet1 has no effect: the addresses of a Linux device are the machine's \
             to set, and outside has {OUTSIDE_INTERFACE}"
        )
    };
    headend.line(&format!("warning: {}", told("203.0.113.7")));
    // It is told of once, and what is so is nothing to be told of.
    for (lines, said) in [
        ("description x", String::new()),
        (
            "ip address 203.0.113.9 255.255.255.0\n description y",
            format!("% {}\n", told("203.0.113.9")),
        ),
        (
            &format!("ip address {OUTSIDE_INTERFACE} 255.255.255.0"),
            String::new(),
        ),
        ("no ip address", String::new()),
    ] {
        let lines = format!("interface GigabitEthernet1\n {lines}");
        assert_eq!(configure(&lab, &lines), said, "{lines}");
    }
    assert!(
        lab.headend.has_address(OUTSIDE_INTERFACE) && !lab.headend.has_address(ip("203.0.113.9"))
    );
}

fn a_pool_that_is_gone_for_a_moment_leaves_clients_their_addresses() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    let (mut process, first) = lab.log_in(&client, USER);
    configure(&lab, "no ip local pool ACPool");
    configure(&lab, "ip local pool ACPool 192.168.10.2 192.168.10.60");
    let pools = lab.exec("show ip local pool");
    let row = pools.lines().find(|line| line.contains("ACPool")).unwrap();
    let counts: Vec<&str> = row.split_whitespace().rev().take(3).collect();
    assert_eq!(counts, ["0", "1", "58"], "{pools}");
    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
    let (_process, again) = lab.log_in(&client, USER);
    assert_eq!(again.address, first.address);
}

fn a_profile_that_has_become_inactive_is_named_at_once_and_to_whom_it_would_have_served() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    configure(
        &lab,
        "crypto ikev2 authorization policy ikev2-auth-policy\n pool NOPE",
    );
    let inactive = "crypto ikev2 profile AnyConnect-EAP is inactive: \
        `crypto ikev2 authorization policy ikev2-auth-policy` cannot be used: ";
    let line = headend.line(inactive);
    assert!(
        line.contains("warning: ") && line.contains("ip local pool NOPE"),
        "{line}"
    );
    let mut refused = lab.connect_to(&HEADEND.to_string(), &client, [USER, PASSWORD], &[]);
    refused.ends_with(7);
    let line = headend.line("no profile serves peer identity key-id \"*$AnyConnectClient$*\", ");
    assert!(
        line.contains("%IKEV2-3-NEG_ABORT") && line.contains(inactive),
        "{line}"
    );
    let diagnosis = lab.exec("show crypto ikev2 diagnose");
    assert!(diagnosis.contains(inactive), "{diagnosis}");
    // One that is being written is told of when its lines should all be there.
    configure(
        &lab,
        "crypto ikev2 profile SECOND\n match identity remote any",
    );
    headend.line("warning: crypto ikev2 profile SECOND is inactive: the profile `SECOND` is not complete, without: ");
    let output = headend.output();
    assert_eq!(
        output.matches("profile SECOND is inactive").count(),
        1,
        "{output}"
    );
    configure(
        &lab,
        "no crypto ikev2 profile SECOND\ncrypto ikev2 authorization policy ikev2-auth-policy\n pool ACPool",
    );
    headend.line(" crypto ikev2 profile AnyConnect-EAP is active now");
    assert!(!headend.output().contains("SECOND is active"));
    let (_process, _) = lab.log_in(&client, USER);
}

fn a_template_that_is_shut_down_refuses_the_clients_of_its_profile() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    // There is another profile that would take them, whose template is up.
    let said = configure(
        &lab,
        "interface Virtual-Template101 type tunnel\n ip unnumbered Loopback100\n tunnel mode ipsec ipv4\n \
         tunnel protection ipsec profile AnyConnect-EAP\n\
         crypto ikev2 profile SECOND\n match identity remote key-id *$AnyConnectClient$*\n authentication local rsa-sig\n \
         authentication remote anyconnect-eap aggregate\n pki trustpoint IKEv2-TP\n \
         aaa authentication anyconnect-eap a-eap-authen-local\n \
         aaa authorization group anyconnect-eap list a-eap-author-grp ikev2-auth-policy\n virtual-template 101\n\
         interface Virtual-Template100\n shutdown",
    );
    let mut refused = lab.connect_to(&HEADEND.to_string(), &client, [USER, PASSWORD], &[]);
    refused.ends_with(7);
    headend.line(
        "Profile: AnyConnect-EAP  Virtual-Template100 is shut down, so the profile AnyConnect-EAP refuses its clients: \
         write 'no shutdown' below 'interface Virtual-Template100'",
    );
    headend.line("No tunnel came up.");
    let metrics = lab.metrics("state");
    let reason = "ironflex_ike_refusals_total{reason=\"template_shut_down\"}";
    assert_eq!(metrics.of(reason), Some(1));
    let told = "the profile `AnyConnect-EAP` takes its clients and refuses them";
    assert!(said.contains(told), "{said}");
    configure(&lab, "interface Virtual-Template100\n no shutdown");
    let (_process, _) = lab.log_in(&client, USER);
}
