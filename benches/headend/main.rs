//! `make bench`: what a login, a session and a tunnelled packet cost, each beside its floor or peer of the same run.
//!
//! ```text
//!   cargo bench --locked --bench headend [-- login | paste | debug | flood | tcp]
//!
//!   this process ── floor: the public-key operations that no login can do without
//!     ├─ ironflex run --dataplane record ◄── UDP, lo of a namespace of its own ──┐   its CPU and memory, from /proc
//!     ├─ this program again: the load generator, many logins at once ────────────┘
//!     ├─ 10,000 lines pasted at a pseudo-terminal; `debug`, on and off
//!     ├─ forged first requests, below and above the watermark, and beside logins
//!     └─ TCP through two userspace dataplanes, and through the cable alone
//! ```
//!
//! Prints a table and writes the same figures to `bench.json` in cargo's target folder. CPU time is
//! fair on a busy machine but for the caches and the execution units that a neighbour takes, which the floor's median
//! shows; Mbit/s need the machine for themselves.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement ends where an expectation fails"
)]

mod flood;
mod floor;
mod headend;
mod load;
mod operator;
mod report;
#[path = "../../xfrm/benches/userspace_tcp/measure.rs"]
mod tcp;

use std::time::Duration;

use ironflex_xfrm::netlink::{Network, NetworkNamespace, namespace};

use self::{floor::Floor, headend::Headend, report::Figure};

/// Logins before anything is measured: code, allocator and pools are warm then.
const WARM_UP: u32 = 100;

/// Logins whose CPU time is measured.
const LOGINS: u32 = 2_000;

/// In how many batches.
const BATCHES: u32 = 10;

/// Sessions held when memory is looked at.
const SESSIONS: u32 = 10_000;

/// The aim for one session's memory, in octets.
const SESSION_BUDGET: f64 = 32_768.0;

/// One run of TCP in one direction, and how many there are.
const TCP: (Duration, u64) = (Duration::from_secs(10), 3);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = words.iter().position(|word| word == load::WORD) {
        return load::run(&words[at + 1..]);
    }
    let wanted = |part: &str| {
        let parts = ["login", "paste", "debug", "flood", "tcp"];
        let mut chosen = words
            .iter()
            .filter(|word| parts.contains(&word.as_str()))
            .peekable();
        chosen.peek().is_none() || chosen.any(|word| word == part)
    };
    own_namespace();
    let mut figures = Vec::new();
    if wanted("login") {
        figures.extend(logins());
    }
    if wanted("paste") {
        figures.push(operator::paste());
    }
    if wanted("debug") {
        figures.extend(operator::debug());
    }
    if wanted("flood") {
        figures.extend(flood::measure());
    }
    if wanted("tcp") {
        let rates = tcp::measure(TCP.0, TCP.1);
        figures.push(Figure {
            name: "userspace_tcp_mbit",
            value: rates.slower(),
            unit: "Mbit/s",
            reference: rates.raw,
            reference_name: "the raw veth",
        });
    }
    report::print(&figures);
    report::write(&figures);
}

/// Puts this process, and so its children, into a network namespace where ports 500 and 4500 are free.
fn own_namespace() {
    match NetworkNamespace::create() {
        Ok(made) => made.enter().unwrap(),
        // Not root: one more try with a user namespace, before there is a second thread.
        Err(_) => namespace::enter_user_namespace().unwrap(),
    }
    let mut network = Network::open_as_administrator().unwrap();
    let lo = network.link("lo").unwrap().unwrap().index;
    network.set_up(lo, true).unwrap();
}

/// The longest that one `show` command for all of them may take, in milliseconds.
const SHOW_LIMIT: f64 = 1_000.0;

/// The longest that it may keep the headend from its peers, in milliseconds: not a tenth of what a client waits before it
/// repeats itself.
const STALL_LIMIT: f64 = 100.0;

/// What it costs to show every session, the worst of several commands.
fn shows(headend: &Headend) -> [Figure; 2] {
    let mut worst = (Duration::ZERO, Duration::ZERO);
    for line in [
        "show crypto session detail",
        "show crypto ikev2 sa detailed",
        "show crypto ipsec sa detail",
        "show crypto session | json",
        "show ip local pool ACPool",
    ] {
        let (octets, took, busy) = headend.show(line);
        println!(
            "{line}: {octets} octets in {took:.1?}, {busy:.1?} of them of the thread that serves"
        );
        worst = (worst.0.max(took), worst.1.max(busy));
    }
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    [
        Figure {
            name: "show_sessions_ms",
            value: milliseconds(worst.0),
            unit: "ms",
            reference: SHOW_LIMIT,
            reference_name: "the aim for 10,000 sessions",
        },
        Figure {
            name: "show_stall_ms",
            value: milliseconds(worst.1),
            unit: "ms",
            reference: STALL_LIMIT,
            reference_name: "the aim for the thread that serves the peers meanwhile",
        },
    ]
}

fn logins() -> [Figure; 5] {
    let headend = Headend::start();
    let mut load = headend.load();
    load.login(WARM_UP);
    let empty = headend.resident();
    let mut floor = Floor::new();
    // In batches with the floor between them, so that both meet the same neighbours.
    let batches: Vec<f64> = (0..BATCHES)
        .map(|_| {
            floor.sample();
            headend.cpu_per_login(&mut load, LOGINS / BATCHES)
        })
        .collect();
    let login = batches.iter().sum::<f64>() / f64::from(BATCHES);
    load.login(SESSIONS - LOGINS);
    assert_eq!(
        headend.held(),
        WARM_UP + SESSIONS,
        "every session is still there"
    );
    let session = (headend.resident() - empty) / f64::from(SESSIONS);
    let [shown, stalled] = shows(&headend);
    let fastest = batches.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{floor}");
    println!(
        "a login: {login:.0} us of the headend's CPU, {:.2} of the median floor; {fastest:.0} us in the best of {BATCHES} batches",
        login / floor.median()
    );
    // Whether a login costs more where many sessions are held already.
    let late = headend.cpu_per_login(&mut load, LOGINS / BATCHES);
    println!("a login beyond {SESSIONS} sessions: {late:.0} us");
    [
        Figure {
            name: "login_cpu_us",
            value: login,
            unit: "us",
            reference: floor.fastest(),
            reference_name: "RSA-2048 signature + group 14 key pair + agreement, the fastest of this run",
        },
        Figure {
            name: "logins_per_s",
            value: 1e6 / login,
            unit: "1/s of one core",
            reference: 1e6 / floor.fastest(),
            reference_name: "the same operations and nothing else",
        },
        Figure {
            name: "session_bytes",
            value: session,
            unit: "octets",
            reference: SESSION_BUDGET,
            reference_name: "the aim",
        },
        shown,
        stalled,
    ]
}
