//! Lines that bound a negotiation, a session or a peer's silence, each with what the whole program does about it.

use std::{
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{HEADEND, INSIDE, Lab, USER},
    prometheus::Metrics,
    stranger::{Stranger, init},
    traffic::{Echo, ask, tell},
};

/// The longest first: it takes two minutes.
pub(crate) const CASES: &[Case] = &[
    (
        "bounds::an_idle_session_ends_and_a_used_one_with_its_lifetime",
        an_idle_session_ends_and_a_used_one_with_its_lifetime,
    ),
    (
        "bounds::who_sends_nothing_is_not_asked_on_demand_until_something_is_sent_to_it",
        who_sends_nothing_is_not_asked_on_demand_until_something_is_sent_to_it,
    ),
    (
        "bounds::a_source_has_a_quarter_of_the_negotiations_and_half_of_that_without_a_cookie",
        a_source_has_a_quarter_of_the_negotiations_and_half_of_that_without_a_cookie,
    ),
    (
        "bounds::so_many_first_requests_wait_for_their_turn",
        so_many_first_requests_wait_for_their_turn,
    ),
];

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
            lab.add_lines(line);
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
        let metrics = lab.metrics_when("a refusal for want of room", turned_away);
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
        lab.add_lines(line);
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
        lab.metrics_when("a loss at the socket", lost);
        let waits = "ironflex_ike_waiting_first_requests";
        let served = |metrics: &Metrics| metrics.of(waits) == Some(0);
        let metrics = lab.metrics_when("an empty queue", served);
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

/// When a session came up: between these two.
struct Beginning {
    before: Instant,
    after: Instant,
}

impl Beginning {
    /// Logs in, and notes when.
    fn of<T>(log_in: impl FnOnce() -> T) -> (T, Self) {
        let before = Instant::now();
        let session = log_in();
        let after = Instant::now();
        (session, Self { before, after })
    }

    /// Whether an end that has been seen now is one at that age, however slow this machine is: not sooner, and not much later.
    fn is_at(&self, age: Duration) -> bool {
        const LATE: Duration = Duration::from_secs(15);
        self.before.elapsed() >= age && self.after.elapsed() <= age + LATE
    }
}

// `set security-association idle-time` and `session-lifetime`, each at its least: minutes, since that is what they are.
fn an_idle_session_ends_and_a_used_one_with_its_lifetime() {
    const IDLE: Duration = Duration::from_secs(60);
    const WHOLE: Duration = Duration::from_secs(120);
    let lab = Lab::new();
    lab.edit(
        "crypto ipsec profile AnyConnect-EAP\n",
        "crypto ipsec profile AnyConnect-EAP\n set security-association idle-time 60\n",
    );
    lab.edit(" dns 10.0.1.1\n", " dns 10.0.1.1\n session-lifetime 120\n");
    let (inside, idle, busy) = (lab.inside(), lab.client(), lab.client());
    let headend = lab.start();
    let server = Echo::udp(&inside.namespace, INSIDE);
    let ((mut first, _), first_began) = Beginning::of(|| lab.log_in(&idle, USER));
    let ((mut second, tunnel), second_began) = Beginning::of(|| lab.log_in(&busy, USER));
    let expired = "ironflex_ike_sas_closed_total{reason=\"expired\"}";
    let ended = || {
        headend
            .output()
            .matches("Crypto tunnel v2 is DOWN.")
            .count()
    };
    let use_it = || {
        ask(&busy.host.namespace, tunnel.address, server.address);
        thread::sleep(Duration::from_millis(200));
    };
    while ended() == 0 {
        let age = first_began.after.elapsed();
        assert!(age < 2 * IDLE, "an idle session is up after {age:?}");
        use_it();
    }
    let age = first_began.after.elapsed();
    assert!(first_began.is_at(IDLE), "it ended after {age:?}");
    // Who is idle would log in anew.
    first.end_by(Signal::SIGKILL);
    assert_eq!(lab.metrics("state").of(expired), None);
    while ended() == 1 {
        let age = second_began.after.elapsed();
        assert!(age < 2 * WHOLE, "a session is up after {age:?}");
        // Its end is not to meet a question that waits for an answer.
        if second_began.before.elapsed() < WHOLE - Duration::from_secs(5) {
            use_it();
        } else {
            thread::sleep(Duration::from_millis(200));
        }
    }
    let age = second_began.after.elapsed();
    assert!(second_began.is_at(WHOLE), "it ended after {age:?}");
    assert_eq!(lab.metrics("state").of(expired), Some(1));
    second.end_by(Signal::SIGKILL);
}
