//! The client as its user and a script meet it: at the terminal, under signals, when the headend is gone for a while.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use ironflex_ikev2::event::Event;
use ironflex_xfrm::{
    IpPrefix,
    netlink::{Route, RouteTarget},
};
use nix::sys::signal::Signal;

use crate::{
    pre_shared_key::{self, KEY},
    support::{
        capture::Capture,
        cases::Case,
        deleter,
        lab::{
            ClientHost, Connected, HEADEND, INSIDE, Lab, OUTSIDE, OUTSIDE_INTERFACE, USER,
            connected,
        },
        pki::PASSWORD,
        process::Process,
        terminal::Terminal,
        traffic::{Echo, ask, tell},
    },
};

pub(crate) const CASES: &[Case] = &[
    (
        "client::a_password_is_asked_for_at_the_terminal_and_not_shown",
        a_password_is_asked_for_at_the_terminal_and_not_shown,
    ),
    (
        "client::ctrl_c_at_the_prompt_ends_at_once_and_the_terminal_is_as_before",
        ctrl_c_at_the_prompt_ends_at_once_and_the_terminal_is_as_before,
    ),
    (
        "client::who_leaves_at_the_prompt_leaves_nothing_at_the_headend",
        who_leaves_at_the_prompt_leaves_nothing_at_the_headend,
    ),
    (
        "client::a_name_that_cannot_be_resolved_is_named_with_the_reason",
        a_name_that_cannot_be_resolved_is_named_with_the_reason,
    ),
    (
        "client::every_signal_at_the_prompt_leaves_the_terminal_as_before",
        every_signal_at_the_prompt_leaves_the_terminal_as_before,
    ),
    (
        "client::a_client_that_was_stopped_at_the_prompt_hides_what_is_typed_again",
        a_client_that_was_stopped_at_the_prompt_hides_what_is_typed_again,
    ),
    (
        "client::a_headend_that_falls_silent_during_the_login_is_given_up",
        a_headend_that_falls_silent_during_the_login_is_given_up,
    ),
    (
        "client::a_terminated_client_says_goodbye_and_leaves_nothing",
        a_terminated_client_says_goodbye_and_leaves_nothing,
    ),
    (
        "client::an_answer_to_whom_the_split_list_does_not_name_never_leaves_in_clear",
        an_answer_to_whom_the_split_list_does_not_name_never_leaves_in_clear,
    ),
    (
        "client::a_headend_that_crashed_and_is_back_has_its_client_back",
        a_headend_that_crashed_and_is_back_has_its_client_back,
    ),
    (
        "client::a_tunnel_that_the_headend_deletes_ends_its_ike_sa_at_once",
        a_tunnel_that_the_headend_deletes_ends_its_ike_sa_at_once,
    ),
];

/// How long the end of a client that waits for its user may take: it has nobody to wait for.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Starts a client that asks at a terminal for its password, and waits until it does.
fn asking(lab: &Lab, client: &ClientHost, terminal: &Terminal) -> Process {
    let authority = lab.name("ca.pem");
    let target = HEADEND.to_string();
    let mut words = vec!["connect", &target, "--ca", &authority, "--no-dns", "--json"];
    words.extend(["--once", "--dataplane", "userspace"]);
    let process = Process::start_at(terminal, &client.host.namespace, &words);
    terminal.reads("Username: ");
    assert!(terminal.echoes());
    terminal.types(USER);
    terminal.reads("assword:");
    assert!(!terminal.echoes());
    process
}

fn a_password_is_asked_for_at_the_terminal_and_not_shown() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    let terminal = Terminal::open();
    let before = terminal.settings();
    let mut process = asking(&lab, &client, &terminal);
    terminal.types(PASSWORD);
    let tunnel = connected(&process);
    assert_eq!(terminal.settings(), before);
    assert!(
        !terminal.screen().contains(PASSWORD),
        "{}",
        terminal.screen()
    );
    assert!(client.host.has_address(tunnel.address));
    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
}

fn ctrl_c_at_the_prompt_ends_at_once_and_the_terminal_is_as_before() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    let terminal = Terminal::open();
    let before = terminal.settings();
    let mut process = asking(&lab, &client, &terminal);
    let pressed = Instant::now();
    terminal.presses(3);
    process.ends_with(0);
    assert!(pressed.elapsed() < AT_ONCE, "{:?}", pressed.elapsed());
    assert_eq!(terminal.settings(), before);
    process.line(r#"{"event":"disconnected","reason":"disconnected""#);
}

// RFC 7296 §2.21.2: the headend is told, or it would wait three minutes for the user.
fn who_leaves_at_the_prompt_leaves_nothing_at_the_headend() {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let count = |state: &str| {
        let sample = format!("ironflex_ike_sas{{state=\"{state}\"}}");
        lab.metrics("state").of(&sample).unwrap_or_default()
    };
    for (round, (key, code)) in [(CTRL_C, 0), (CTRL_D, 1)].into_iter().enumerate() {
        let terminal = Terminal::open();
        let mut process = asking(&lab, &client, &terminal);
        assert_eq!(count("negotiating"), 1);
        let pressed = Instant::now();
        terminal.presses(key);
        process.ends_with(code);
        headend.line_within(AT_ONCE, round + 1, "No tunnel came up.");
        assert!(pressed.elapsed() < AT_ONCE, "{:?}", pressed.elapsed());
        // What is over answers repeats, and holds nothing.
        for state in ["half_open", "negotiating", "established", "closing"] {
            assert_eq!(count(state), 0, "{state}");
        }
    }
}

fn a_name_that_cannot_be_resolved_is_named_with_the_reason() {
    let lab = Lab::new();
    let client = lab.client();
    let mut process = lab.connect_to("nobody.invalid", &client, [USER, PASSWORD], &[]);
    let line = process.line("the name \"nobody.invalid\" could not be resolved: ");
    assert!(!line.contains("no answer from the headend"), "{line}");
    process.ends_with(8);
}

fn every_signal_at_the_prompt_leaves_the_terminal_as_before() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    let terminal = Terminal::open();
    let before = terminal.settings();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let terminal = Terminal::open();
        let mut process = asking(&lab, &client, &terminal);
        let sent = Instant::now();
        assert_eq!(process.end_by(signal), Some(0), "{signal}");
        assert!(sent.elapsed() < AT_ONCE, "{signal}: {:?}", sent.elapsed());
        assert_eq!(terminal.settings(), before, "{signal}");
    }
}

fn a_client_that_was_stopped_at_the_prompt_hides_what_is_typed_again() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    let terminal = Terminal::open();
    let before = terminal.settings();
    let mut process = asking(&lab, &client, &terminal);
    process.signal(Signal::SIGSTOP);
    terminal.show_typing();
    process.signal(Signal::SIGCONT);
    terminal.goes_mute();
    terminal.types(PASSWORD);
    connected(&process);
    assert!(
        !terminal.screen().contains(PASSWORD),
        "{}",
        terminal.screen()
    );
    assert_eq!(terminal.settings(), before);
    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
}

fn a_headend_that_falls_silent_during_the_login_is_given_up() {
    let lab = Lab::new();
    let client = lab.client();
    let mut headend = lab.start();
    let terminal = Terminal::open();
    let mut process = asking(&lab, &client, &terminal);
    headend.end_by(Signal::SIGKILL);
    terminal.types(PASSWORD);
    let patience = Duration::from_secs(60);
    process.line_within(patience, 1, "it fell silent during the login");
    process.ends_with(8);
}

/// What a client has in its namespace.
fn belongings(client: &ClientHost) -> String {
    let host = &client.host;
    format!("{:?} {:?} {:?}", host.links(), host.routes(), host.rules())
}

fn a_terminated_client_says_goodbye_and_leaves_nothing() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let before = belongings(&client);
    let (mut process, tunnel) = lab.log_in(&client, USER);
    assert_ne!(belongings(&client), before);
    headend.line("Crypto tunnel v2 is UP.");
    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
    // It was told: nobody waits for a dead peer.
    headend.line("Crypto tunnel v2 is DOWN.");
    assert_eq!(belongings(&client), before);
    assert!(!client.host.has_address(tunnel.address));
    let events: Vec<serde_json::Value> = process
        .output()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .filter_map(|event| event.get("event")?.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "resolved",
            "connecting",
            "trusted",
            "connected",
            "disconnected"
        ]
    );
    assert_eq!(
        events.last(),
        Some(&serde_json::json!({
            "event": "disconnected", "reason": "disconnected", "message": "disconnected",
        }))
    );
}

fn an_answer_to_whom_the_split_list_does_not_name_never_leaves_in_clear() {
    let lab = Lab::new();
    let (outside, client) = (lab.outside(), lab.client());
    let pool = IpPrefix::new("192.168.10.0".parse().unwrap(), 24).unwrap();
    outside.route(pool, OUTSIDE_INTERFACE);
    client.host.route(IpPrefix::ANY_V4, client.router);
    let _headend = lab.start();
    let (_process, tunnel) = lab.log_in(&client, USER);
    assert_eq!(tunnel.routes, ["10.0.0.0/8"]);
    let namespace = &client.host.namespace;
    let server = Echo::udp(namespace, tunnel.address);
    let far = Echo::udp(&outside.namespace, OUTSIDE);
    let cable = Capture::start(namespace, client.host.link(&client.device));
    // All clear packets of the client until one that it sends from its own address, which is to be seen.
    let clear = || {
        tell(namespace, client.outer, far.address);
        cable.sources_until(client.outer, OUTSIDE)
    };
    assert_eq!(clear(), [] as [IpAddr; 0]);

    // The question comes out of the tunnel from beyond the split list; so its answer goes back.
    ask(&outside.namespace, OUTSIDE, server.address);
    assert_eq!(server.asker(), OUTSIDE);
    ask(namespace, tunnel.address, far.address);
    assert_eq!(clear(), [] as [IpAddr; 0]);

    // Without the rule it goes out by the default route.
    client.host.delete_rules();
    tell(&outside.namespace, OUTSIDE, server.address);
    assert_eq!(server.asker(), OUTSIDE);
    cable.sees(tunnel.address, OUTSIDE);
}

fn sorted(mut routes: Vec<Route>) -> Vec<Route> {
    routes.sort_by_key(|route| format!("{route:?}"));
    routes
}

fn a_headend_that_crashed_and_is_back_has_its_client_back() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let mut headend = lab.start();
    let target = HEADEND.to_string();
    let clean = belongings(&client);
    let mut process = lab.connect_for_good(&target, &client, [USER, PASSWORD], &["--dpd", "1"]);
    let tunnel = connected(&process);
    let (before, old) = (client.host.routes(), client.host.link(&tunnel.device));
    let server = Echo::udp(&inside.namespace, INSIDE);
    let carries = |tunnel: &Connected| {
        ask(&client.host.namespace, tunnel.address, server.address);
        assert_eq!(server.asker(), tunnel.address);
    };
    carries(&tunnel);

    headend.end_by(Signal::SIGKILL);
    let _again = lab.start();
    // By its token, or after half a minute without a sign of life.
    let patience = Duration::from_secs(60);
    process.line_within(patience, 1, r#"{"event":"reconnecting""#);
    let line = process.line_within(patience, 2, r#"{"event":"connected""#);
    let again: Connected = serde_json::from_str(&line).unwrap();
    assert_eq!(again.address, tunnel.address);
    // The device is another one of the same name.
    let new = client.host.link(&again.device);
    let moved = before.into_iter().map(|route| match route.target {
        RouteTarget::Link(link) if link == old => Route {
            target: RouteTarget::Link(new),
            ..route
        },
        _ => route,
    });
    assert_eq!(sorted(client.host.routes()), sorted(moved.collect()));
    carries(&again);
    assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
    assert_eq!(belongings(&client), clean);
}

// RFC 7296 §1.4.1: the headend deletes the child SA and keeps the IKE SA, which is of no use to a client without a tunnel.
fn a_tunnel_that_the_headend_deletes_ends_its_ike_sa_at_once() {
    let lab = Lab::new();
    let client = lab.client();
    let before = belongings(&client);
    let headend = deleter::listen(&lab.headend.namespace, "head.example", KEY);
    let own = "fqdn:one.branch.example";
    let mut process = pre_shared_key::connect(&lab, &client, own, KEY, "fqdn:head.example");
    connected(&process);
    headend.hears("that it is up", |event| {
        matches!(event, Event::Established { child: true })
    });
    headend.delete_child();
    headend.hears("that the IKE SA is deleted", |event| {
        matches!(event, Event::Closed(_))
    });
    process.ends_with(6);
    process.line("connection lost: the headend deleted the child SA");
    assert_eq!(belongings(&client), before);
}
