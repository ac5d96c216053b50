//! Lines that bound a negotiation, a session or a peer's silence, each with what the whole program does about it.

use std::{
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    cases::Case,
    lab::{HEADEND, INSIDE, Lab, USER},
    prometheus::Metrics,
    stranger::{Stranger, init},
    traffic::{Echo, ask, tell},
};

pub(crate) const CASES: &[Case] = &[
    (
        "bounds::a_source_has_a_quarter_of_the_negotiations_and_half_of_that_without_a_cookie",
        a_source_has_a_quarter_of_the_negotiations_and_half_of_that_without_a_cookie,
    ),
    (
        "bounds::so_many_first_requests_wait_for_their_turn",
        so_many_first_requests_wait_for_their_turn,
    ),
    (
        "bounds::who_sends_nothing_is_not_asked_on_demand_until_something_is_sent_to_it",
        who_sends_nothing_is_not_asked_on_demand_until_something_is_sent_to_it,
    ),
    (
        "bounds::an_idle_session_ends_and_a_used_one_with_its_lifetime",
        an_idle_session_ends_and_a_used_one_with_its_lifetime,
    ),
];

/// Adds a line to the configuration.
fn configure(lab: &Lab, line: &str) {
    let known = "no crypto ikev2 http-url cert";
    lab.edit(known, &format!("{known}\n{line}"));
}

/// Waits until the numbers are as they should be.
fn until(lab: &Lab, patience: Duration, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
    let end = Instant::now() + patience;
    loop {
        let metrics = lab.metrics("state");
        if holds(&metrics) {
            return metrics;
        }
        assert!(Instant::now() < end, "{what} does not come to pass");
        thread::sleep(Duration::from_millis(50));
    }
}

const HALF_OPEN: &str = "ironflex_ike_sas{state=\"half_open\"}";
const COOKIES: &str = "ironflex_ike_cookies_total{result=\"sent\"}";

/// A request with the cookie of an answer to it in front of its payloads (RFC 7296 §2.6).
fn with_cookie(request: &[u8], answer: &[u8]) -> Vec<u8> {
    const HEADER: usize = 28;
    // The whole answer is one notify, which becomes the first payload as it is.
    assert_eq!(answer[16], 41, "not a notify: {answer:02x?}");
    let mut octets = request[..HEADER].to_vec();
    octets[16] = 41;
    octets.extend(&answer[HEADER..]);
    octets[HEADER] = request[16];
    octets.extend(&request[HEADER..]);
    let length = u32::try_from(octets.len()).unwrap();
    octets[24..HEADER].copy_from_slice(&length.to_be_bytes());
    octets
}

// `crypto ikev2 limit max-in-negotation-sa`: of eight one address has two, and a third is turned away, also with a cookie.
fn a_source_has_a_quarter_of_the_negotiations_and_half_of_that_without_a_cookie() {
    // The twin: without the line two strangers negotiate as they like.
    for limit in [
        None,
        Some("crypto ikev2 limit max-in-negotation-sa 8 incoming"),
    ] {
        let lab = Lab::new();
        let client = lab.client();
        if let Some(line) = limit {
            configure(&lab, line);
        }
        let _headend = lab.start();
        let stranger = Stranger::new(&client.host.namespace, HEADEND);
        let requests = [1, 2, 3].map(init);
        stranger.send(&requests[0]);
        stranger.answer();
        stranger.send(&requests[1]);
        let answer = stranger.answer();
        let metrics = lab.metrics("state");
        if limit.is_none() {
            assert_eq!(metrics.of(HALF_OPEN), Some(2));
            assert_eq!(metrics.of(COOKIES), Some(0));
            continue;
        }
        assert_eq!(metrics.of(HALF_OPEN), Some(1));
        assert_eq!(metrics.of(COOKIES), Some(1));
        stranger.send(&with_cookie(&requests[1], &answer));
        stranger.answer();
        let metrics = lab.metrics("state");
        assert_eq!(metrics.of(HALF_OPEN), Some(2));
        // The third is one too many for this address, whatever it brings.
        stranger.send(&requests[2]);
        let answer = stranger.answer();
        stranger.send(&with_cookie(&requests[2], &answer));
        let limited = "ironflex_ike_discarded_datagrams_total{reason=\"source_limited\"}";
        let turned_away = |metrics: &Metrics| metrics.of(limited) == Some(1);
        let metrics = until(&lab, PATIENCE, "a refusal for want of room", turned_away);
        assert_eq!(metrics.of(HALF_OPEN), Some(2));
        let stats = lab.exec("show crypto ikev2 stats");
        for part in ["Max in nego(in/out): 8/", "rsrc low:      1 "] {
            assert!(stats.contains(part), "{part:?} is missing in\n{stats}");
        }
    }
}

// `crypto ikev2 limit queue sa-init`: what does not find a place is counted, and who has one is served.
fn so_many_first_requests_wait_for_their_turn() {
    let unqueued = |metrics: &Metrics| -> u64 {
        let named =
            |reason| format!("ironflex_ike_discarded_datagrams_total{{reason=\"{reason}\"}}");
        let reasons = ["init_queue_full", "init_queue_site_full"];
        let counts = reasons
            .iter()
            .map(|reason| metrics.of(&named(reason)).unwrap_or(0));
        counts.sum()
    };
    for (line, short) in [("", false), ("crypto ikev2 limit queue sa-init 100", true)] {
        let lab = Lab::new();
        let client = lab.client();
        configure(&lab, line);
        let headend = lab.start();
        let stranger = Stranger::new(&client.host.namespace, HEADEND);
        // They come at once: the headend is held up meanwhile.
        headend.signal(Signal::SIGSTOP);
        for spi in 1..=3_000 {
            stranger.send(&init(spi));
        }
        headend.signal(Signal::SIGCONT);
        // What the kernel had no room for is counted, too.
        let overflow = "ironflex_ike_discarded_datagrams_total{reason=\"socket_overflow\"}";
        let lost = |metrics: &Metrics| metrics.of(overflow) > Some(0);
        until(&lab, PATIENCE, "a loss at the socket", lost);
        let waits = "ironflex_ike_waiting_first_requests";
        let served = |metrics: &Metrics| metrics.of(waits) == Some(0);
        let metrics = until(&lab, PATIENCE, "an empty queue", served);
        assert_eq!(unqueued(&metrics) > 0, short, "{line}");
        if short {
            let stats = lab.exec("show crypto ikev2 stats");
            let part = format!("dropped as LOW Q limit reached : {}\n", unqueued(&metrics));
            assert!(stats.contains(&part), "{part:?} is missing in\n{stats}");
        }
    }
}

// `dpd I R on-demand`: silence alone is no reason to ask; silence where something was sent is.
fn who_sends_nothing_is_not_asked_on_demand_until_something_is_sent_to_it() {
    let lab = Lab::new();
    lab.edit(
        "crypto ikev2 profile AnyConnect-EAP\n",
        "crypto ikev2 profile AnyConnect-EAP\n dpd 10 2 on-demand\n",
    );
    let (inside, client) = (lab.inside(), lab.client());
    let headend = lab.start();
    let (mut process, tunnel) = lab.log_in(&client, USER);
    // As silent as a dead one.
    process.signal(Signal::SIGSTOP);
    let asked = "ironflex_ike_messages_total{exchange=\"INFORMATIONAL\",way=\"request_sent\"}";
    let before = lab.metrics("state").of(asked);
    thread::sleep(Duration::from_secs(15));
    let metrics = lab.metrics("state");
    assert_eq!(metrics.of(asked), before, "it was asked without a reason");
    assert_eq!(metrics.of("ironflex_sessions"), Some(1));
    tell(&inside.namespace, INSIDE, (tunnel.address, 9).into());
    headend.line_within(
        Duration::from_secs(60),
        1,
        "reason: the peer does not answer",
    );
    assert!(lab.metrics("state").of(asked) > before);
    process.signal(Signal::SIGCONT);
    process.end_by(Signal::SIGKILL);
}

// `set security-association idle-time` and `session-lifetime`, each at its least: minutes, since that is what they are.
fn an_idle_session_ends_and_a_used_one_with_its_lifetime() {
    let lab = Lab::new();
    lab.edit(
        "crypto ipsec profile AnyConnect-EAP\n",
        "crypto ipsec profile AnyConnect-EAP\n set security-association idle-time 60\n",
    );
    lab.edit(" dns 10.0.1.1\n", " dns 10.0.1.1\n session-lifetime 120\n");
    let (inside, idle, busy) = (lab.inside(), lab.client(), lab.client());
    let headend = lab.start();
    let server = Echo::udp(&inside.namespace, INSIDE);
    let (mut first, _) = lab.log_in(&idle, USER);
    let (mut second, tunnel) = lab.log_in(&busy, USER);
    let begun = Instant::now();
    let expired = "ironflex_ike_sas_closed_total{reason=\"expired\"}";
    let down = "Crypto tunnel v2 is DOWN.";
    let mut ended = [None; 2];
    while ended[1].is_none() {
        assert!(
            begun.elapsed() < Duration::from_secs(150),
            "no end: {ended:?}"
        );
        let seen = headend.output().matches(down).count();
        for (at, end) in ended.iter_mut().enumerate() {
            if seen > at && end.is_none() {
                *end = Some(begun.elapsed());
                // Who is idle is the first, and would log in anew.
                if at == 0 {
                    first.end_by(Signal::SIGKILL);
                    assert_eq!(lab.metrics("state").of(expired), None);
                }
            }
        }
        if ended[1].is_none() && begun.elapsed() < Duration::from_secs(115) {
            ask(&busy.host.namespace, tunnel.address, server.address);
        }
        thread::sleep(Duration::from_millis(200));
    }
    let [idle, whole] = ended.map(|end| end.unwrap().as_secs());
    assert!((58..=75).contains(&idle), "{idle} s");
    assert!((117..=130).contains(&whole), "{whole} s");
    assert_eq!(lab.metrics("state").of(expired), Some(1));
    second.end_by(Signal::SIGKILL);
}
