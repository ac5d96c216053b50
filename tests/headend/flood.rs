//! Strangers in numbers: what they make the headend write is bounded, and users do not notice.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::support::{
    PATIENCE,
    cases::Case,
    lab::{HEADEND, Lab, USER},
    process::Process,
    stranger::{Stranger, init},
};

pub(crate) const CASES: &[Case] = &[(
    "flood::every_forgery_of_a_flood_is_told_of_or_counted",
    every_forgery_of_a_flood_is_told_of_or_counted,
)];

/// Lines about strangers in a second (`ironflex::daemon::budget`).
const LINES: usize = 20;

fn every_forgery_of_a_flood_is_told_of_or_counted() {
    let lab = Lab::new();
    let (one, other) = (lab.client(), lab.client());
    let headend = lab.start();
    lab.exec("debug crypto ikev2 error");
    let stranger = Stranger::new(&one.host.namespace, HEADEND);
    // One alone is told of.
    stranger.send(b"no IKE");
    headend.line("discarded: malformed");

    let whole = init(1);
    let mut contradictory = whole.clone();
    contradictory[23] = 1;
    let mut unknown = whole.clone();
    unknown[15] = 1;
    unknown[18] = 35;
    let forgeries: [&[u8]; 4] = [b"no IKE", &whole[..100], &contradictory, &unknown];
    let end = Instant::now() + PATIENCE;
    let mut sent = 1;
    for _ in 0..100 {
        for forgery in forgeries.into_iter().cycle().take(20) {
            stranger.send(forgery);
        }
        sent += 20;
        while unread(&headend) > 0 {
            assert!(Instant::now() < end, "the headend does not read");
            thread::yield_now();
        }
    }
    // Each is told of or counted, the last ones within a second.
    let (mut told, mut withheld, mut periods);
    loop {
        (told, withheld, periods) = accounted(&headend.output());
        if told + withheld == sent {
            break;
        }
        assert!(Instant::now() < end, "{told} and {withheld} of {sent}");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(withheld > sent / 2, "{withheld} of {sent}");
    assert!(told <= LINES * (periods + 1), "{told} lines in {periods} s");

    let (_process, _) = lab.log_in(&other, USER);
    headend.line("Crypto tunnel v2 is UP.");
}

/// Octets that wait at port 500, so that what is sent faster than it is read is not lost on the way.
fn unread(headend: &Process) -> u64 {
    let table = fs::read_to_string(format!("/proc/{}/net/udp", headend.number())).unwrap();
    let mut waiting = 0;
    for line in table.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Number, local address and port, remote ones, state, octets to send and to read, all in hexadecimal.
        if words[1].ends_with(":01F4") {
            let (_, read) = words[4].split_once(':').unwrap();
            waiting += u64::from_str_radix(read, 16).unwrap();
        }
    }
    waiting
}

/// How many discards a headend has told of, how many it has counted instead, and in how many lines.
fn accounted(output: &str) -> (usize, usize, usize) {
    let told = output.lines().filter(|line| line.contains("discarded: "));
    let counts = output.lines().filter_map(|line| {
        let (before, _) = line.split_once(" more debug lines about datagrams")?;
        before.rsplit(' ').next()?.parse::<usize>().ok()
    });
    let counts: Vec<usize> = counts.collect();
    (told.count(), counts.iter().sum(), counts.len())
}
