//! Counters: what happened stands in `show crypto ikev2 stats` and in `ironflex metrics`, and the limits that
//! are counted there hold.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
};

use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{HEADEND, INSIDE, Lab, USER},
    process::Process,
    prometheus::Metrics,
    stranger::{Stranger, init},
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    (
        "numbers::logins_refusals_and_traffic_are_counted_and_stay_counted",
        logins_refusals_and_traffic_are_counted_and_stay_counted,
    ),
    (
        "numbers::a_client_too_many_is_counted_and_the_others_stay",
        a_client_too_many_is_counted_and_the_others_stay,
    ),
    (
        "numbers::a_cookie_is_demanded_and_brought",
        a_cookie_is_demanded_and_brought,
    ),
    (
        "numbers::prometheus_is_served_on_a_port_and_on_a_socket_and_nobody_is_unless_asked_for",
        prometheus_is_served_on_a_port_and_on_a_socket_and_nobody_is_unless_asked_for,
    ),
    (
        "numbers::whoever_scrapes_often_is_nothing_to_the_loop",
        whoever_scrapes_often_is_nothing_to_the_loop,
    ),
];

/// Waits until a sample has at least this value.
fn reaches(lab: &Lab, sample: &str, value: u64) -> Metrics {
    let what = format!("{sample} {value}");
    lab.metrics_when(&what, |metrics| metrics.of(sample) >= Some(value))
}

fn logins_refusals_and_traffic_are_counted_and_stay_counted() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let headend = lab.start();
    let before = lab.metrics("state");
    assert_eq!(before.of("ironflex_sessions"), Some(0));
    assert_eq!(
        before.of("ironflex_logins_total{result=\"rejected\"}"),
        None
    );

    let stranger = Stranger::new(&client.host.namespace, HEADEND);
    stranger.send(b"no IKE");
    let malformed = "ironflex_ike_discarded_datagrams_total{reason=\"malformed\"}";
    assert_eq!(reaches(&lab, malformed, 1).of(malformed), Some(1));
    let mut refused = lab.connect_to(&HEADEND.to_string(), &client, [USER, "wrong"], &[]);
    refused.ends_with(4);
    refused.line("login refused: wrong user or password");
    headend.line("user: test  reason: login failed");
    let failed = "ironflex_ike_refusals_total{reason=\"login_failed\"}";
    let metrics = reaches(&lab, failed, 1);
    let by_peer = "ironflex_ike_refusals_total{reason=\"by_peer\"}";
    assert_eq!((metrics.of(failed), metrics.of(by_peer)), (Some(1), None));

    let (mut process, tunnel) = lab.log_in(&client, USER);
    let server = Echo::udp(&inside.namespace, INSIDE);
    ask(&client.host.namespace, tunnel.address, server.address);
    let up = lab.metrics("state");
    for (sample, value) in [
        ("ironflex_sessions", 1),
        ("ironflex_ike_sas{state=\"established\"}", 1),
        ("ironflex_ike_sas{state=\"half_open\"}", 0),
        ("ironflex_pool_addresses{state=\"in_use\"}", 1),
        ("ironflex_ike_sas_accepted_total", 2),
        ("ironflex_ike_sas_established_total", 1),
        (
            "ironflex_ike_authenticated_peers_total{method=\"anyconnect_eap\"}",
            1,
        ),
        ("ironflex_logins_total{result=\"accepted\"}", 1),
        ("ironflex_logins_total{result=\"rejected\"}", 1),
        (
            "ironflex_operations_total{operation=\"eap\",result=\"passed\"}",
            1,
        ),
        (
            "ironflex_ike_messages_total{exchange=\"IKE_SA_INIT\",way=\"request_received\"}",
            2,
        ),
        (
            "ironflex_ike_messages_total{exchange=\"IKE_SA_INIT\",way=\"response_sent\"}",
            2,
        ),
    ] {
        assert_eq!(up.of(sample), Some(value), "{sample}");
    }
    let received = up.of("ironflex_esp_packets_total{way=\"in\"}");
    let sent = up.of("ironflex_esp_bytes_total{way=\"out\"}");
    assert!(received > Some(0) && sent > Some(0));

    let stats = lab.exec("show crypto ikev2 stats");
    for part in [
        "Total incoming IKEv2 SA Count:    1        active:        1        negotiating: 0",
        "Incoming IKEv2 Requests: 2        accepted:      2        rejected:    0",
        "IKEv2 packets dropped at dispatch: 1\n",
        "malformed                               1\n",
    ] {
        assert!(stats.contains(part), "{part:?} is missing in\n{stats}");
    }
    let exchange = lab.exec("show crypto ikev2 stats exchange");
    let init = "IKE_SA_INIT                             0          2          2          0\n";
    assert!(exchange.contains(init), "{exchange}");
    let services = lab.exec("show crypto ikev2 stats ext-service");
    let eap = "AUTHENTICATION USING EAP                          1          0\n";
    assert!(services.contains(eap), "{services}");

    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    let ended = "ironflex_ike_sas_closed_total{reason=\"deleted_by_peer\"}";
    let after = reaches(&lab, ended, 1);
    assert_eq!(after.of("ironflex_sessions"), Some(0));
    assert!(after.of("ironflex_esp_packets_total{way=\"in\"}") >= received);
}

fn a_client_too_many_is_counted_and_the_others_stay() {
    let lab = Lab::new();
    let (one, other) = (lab.client(), lab.client());
    lab.add_lines("crypto ikev2 limit max-sa 1");
    let _headend = lab.start();
    let (mut process, _) = lab.log_in(&one, USER);
    let stranger = Stranger::new(&other.host.namespace, HEADEND);
    stranger.send(&init(1));
    let limited = "ironflex_ike_discarded_datagrams_total{reason=\"sa_limited\"}";
    reaches(&lab, limited, 1);
    stranger.heard_nothing();
    let stats = lab.exec("show crypto ikev2 stats");
    for part in ["Max IKEv2 SAs: 1 ", "SA limit:    1"] {
        assert!(stats.contains(part), "{part:?} is missing in\n{stats}");
    }
    process.lives();
    assert_eq!(lab.metrics("state").of("ironflex_sessions"), Some(1));
}

// RFC 7296 §2.6: with a watermark of zero everybody brings a cookie.
fn a_cookie_is_demanded_and_brought() {
    let lab = Lab::new();
    let client = lab.client();
    lab.add_lines("crypto ikev2 cookie-challenge 0");
    let _headend = lab.start();
    let (_process, _) = lab.log_in(&client, USER);
    let metrics = lab.metrics("state");
    for (result, count) in [
        ("sent", 1),
        ("missing", 1),
        ("accepted", 1),
        ("rejected", 0),
    ] {
        let sample = format!("ironflex_ike_cookies_total{{result=\"{result}\"}}");
        assert_eq!(metrics.of(&sample), Some(count), "{sample}");
    }
    let stats = lab.exec("show crypto ikev2 stats");
    let part = "Cookie Challenged Requests: 1\n    accepted: 1        rejected: 0        rejected no cookie: 1\n";
    assert!(stats.contains(part), "{stats}");
}

/// Sends a request and takes all that comes back: the head and the body.
fn asked(mut stream: impl Read + Write, request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    // Of what the other end leaves unread a connection is reset, behind the answer.
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        answer.extend(&piece[..count]);
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: headend\r\n\r\n";

fn prometheus_is_served_on_a_port_and_on_a_socket_and_nobody_is_unless_asked_for() {
    let lab = Lab::new();
    let client = lab.client();
    let socket = lab.path("metrics");
    let mut headend = lab.start_with(&["--metrics", &lab.name("metrics")]);
    let (mut connected, _) = lab.log_in(&client, USER);
    let connect = || UnixStream::connect(&socket).unwrap();
    let (head, body) = asked(connect(), SCRAPE);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let kind = "content-type: text/plain; version=0.0.4";
    assert!(head.to_ascii_lowercase().contains(kind), "{head}");
    assert_eq!(Metrics::read(&body).of("ironflex_sessions"), Some(1));
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
        (
            "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "405",
        ),
        ("nonsense\r\n\r\n", "400"),
        (
            &format!(
                "GET /metrics HTTP/1.1\r\nA: {}\r\n\r\n",
                "a".repeat(16 * 1024)
            ),
            "431",
        ),
    ] {
        let (head, _) = asked(connect(), request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
    // Whoever says nothing holds nobody up, as many as they are.
    let silent: Vec<UnixStream> = (0..100).map(|_| connect()).collect();
    let (head, _) = asked(connect(), SCRAPE);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    drop(silent);
    assert_eq!(connected.end_by(Signal::SIGTERM), Some(0));
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
    assert!(!socket.exists());

    let mut headend = lab.start_with(&["--metrics", "127.0.0.1:0"]);
    let line = headend.line("metrics: http://");
    let (_, place) = line.split_once("http://").unwrap();
    let place = place.trim_end_matches("/metrics").to_owned();
    let connect = || TcpStream::connect(place);
    let stream = lab.headend.namespace.run(connect).unwrap().unwrap();
    let (_, body) = asked(stream, SCRAPE);
    assert_eq!(Metrics::read(&body).of("ironflex_sessions"), Some(0));
    assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
}

/// How often the thread that serves the peers has gone to sleep.
fn turns(headend: &Process) -> u64 {
    let process = headend.number();
    let path = format!("/proc/{process}/task/{process}/status");
    let status = fs::read_to_string(path).unwrap();
    let mut lines = status.lines();
    let turns = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    turns.unwrap().trim().parse().unwrap()
}

fn whoever_scrapes_often_is_nothing_to_the_loop() {
    const TIMES: u64 = 500;
    let lab = Lab::new();
    let socket = lab.path("metrics");
    let headend = lab.start_with(&["--metrics", &lab.name("metrics")]);
    let connect = || UnixStream::connect(&socket).unwrap();
    let before = turns(&headend);
    for _ in 0..TIMES {
        let (head, _) = asked(connect(), SCRAPE);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        // And somebody who says nothing for now.
        drop(connect());
    }
    // It looks for the numbers once a second, and has little else to do: not once for each of those who ask, nor for each other.
    let turns = turns(&headend) - before;
    assert!(turns < TIMES / 2, "{turns} for {TIMES} who ask");
}
