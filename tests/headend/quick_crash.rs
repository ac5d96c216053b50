//! A headend that was killed and started again tells its clients by their tokens (RFC 6290), and how much sooner they are
//! back than by its silence.

use std::{
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{Connected, HEADEND, INSIDE, Lab, USER, connected, mode},
    pki::PASSWORD,
    process::Process,
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    (
        "quick_crash::a_restarted_headend_has_its_client_back_long_before_silence_would_tell",
        a_restarted_headend_has_its_client_back_long_before_silence_would_tell,
    ),
    (
        "quick_crash::a_client_with_traffic_does_not_wait_for_its_next_sign_of_life",
        a_client_with_traffic_does_not_wait_for_its_next_sign_of_life,
    ),
];

/// By so much sooner a client is back with tokens than without: then its requests go unanswered for 31 s, and here a sign of
/// life that is due each second is answered as soon as the headend serves.
const MARGIN: Duration = Duration::from_secs(5);

const PATIENCE: Duration = Duration::from_secs(90);

/// What a client says whom a token has told.
const TOLD: &str = "the headend does not know the session any more";

/// Kills the headend and starts it again. Returns how long its client took to be back, counted from when it was killed.
fn restart(lab: &Lab, headend: &mut Process, client: &Process) -> (Duration, Connected) {
    let killed = Instant::now();
    headend.end_by(Signal::SIGKILL);
    *headend = lab.start();
    let line = client.line_within(PATIENCE, 2, r#"{"event":"connected""#);
    (killed.elapsed(), serde_json::from_str(&line).unwrap())
}

// RFC 6290 §1.1#1, §3#2, §5#4, §9.1#5: the secret outlives the process, in a file of the daemon's own, and the token that it
// makes is the one that the client has. RFC 6290 §8.1#4: a line turns it off, and then silence tells.
fn a_restarted_headend_has_its_client_back_long_before_silence_would_tell() {
    let mut taken = Vec::new();
    for on in [true, false] {
        let lab = Lab::new();
        if !on {
            lab.edit(
                "no crypto ikev2 http-url cert\n",
                "no crypto ikev2 http-url cert\nno crypto ikev2 quick-crash-detection\n",
            );
        }
        let (inside, client) = (lab.inside(), lab.client());
        let mut headend = lab.start();
        let target = HEADEND.to_string();
        let login = [USER, PASSWORD];
        let mut process = lab.connect_for_good(&target, &client, login, &["--dpd", "1"]);
        connected(&process);
        let (time, tunnel) = restart(&lab, &mut headend, &process);
        taken.push(time);
        let server = Echo::udp(&inside.namespace, INSIDE);
        ask(&client.host.namespace, tunnel.address, server.address);

        let secret = lab.path("state/qcd-secret");
        assert_eq!(secret.exists(), on);
        let metrics = lab.metrics("state");
        let sent = metrics
            .of("ironflex_ike_crash_tokens_total{result=\"sent\"}")
            .unwrap();
        assert_eq!(sent > 0, on, "{sent} tokens");
        let statistics = lab.exec("show crypto ikev2 stats");
        let line = format!("Quick Crash Detection Answers to Unknown SPIs: {sent}\n");
        assert!(statistics.contains(&line), "{statistics}");
        if on {
            assert_eq!(mode(&secret), 0o600);
            process.line(TOLD);
        } else {
            process.line("the headend does not answer any more");
        }
        assert_eq!(process.end_by(Signal::SIGTERM), Some(0));
    }
    let (with, without) = (taken[0], taken[1]);
    println!("back after {with:.1?} with a token, after {without:.1?} without");
    assert!(with + MARGIN < without, "{with:?}, {without:?}");
}

// A sign of life each twenty seconds is the default; what is sent and not answered asks for one before.
fn a_client_with_traffic_does_not_wait_for_its_next_sign_of_life() {
    let lab = Lab::new();
    let (inside, client) = (lab.inside(), lab.client());
    let server = Echo::udp(&inside.namespace, INSIDE);
    let mut headend = lab.start();
    let target = HEADEND.to_string();
    // So long that it is no matter here.
    let arguments = ["--dpd", "600"];
    let process = lab.connect_for_good(&target, &client, [USER, PASSWORD], &arguments);
    let first = connected(&process);
    ask(&client.host.namespace, first.address, server.address);
    // Somebody who says something again and again, whether there is a way or not.
    let bind = || UdpSocket::bind((first.address, 0)).unwrap();
    let socket = client.host.namespace.run(bind).unwrap();
    let over = AtomicBool::new(false);
    let (time, tunnel) = thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !over.load(Ordering::Relaxed) && begun.elapsed() < PATIENCE {
                let _ = socket.send_to(b"told", server.address);
                thread::sleep(Duration::from_millis(100));
            }
        });
        let back = restart(&lab, &mut headend, &process);
        over.store(true, Ordering::Relaxed);
        back
    });
    println!("back after {time:.1?} with a token, asked for by traffic");
    // Nothing but traffic asked, for the next sign of life is not due yet; and its answer told, not its absence.
    process.line(TOLD);
    ask(&client.host.namespace, tunnel.address, server.address);
}
