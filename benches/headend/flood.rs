//! What strangers cost: IKE_SA_INIT requests from forged addresses, before and after the watermark from which on
//! cookies are demanded, and logins while they arrive.
//!
//! Every address of 127.0.0.0/8 is the machine's own, so one socket can send from as many as it likes.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ironflex::{
    daemon::IKE_PORT,
    udp::{MAX_DATAGRAM, UdpEndpoint},
};
use ironflex_ikev2::crypto::{prf::prf, suite::PrfAlgorithm};

use super::{
    floor::Floor,
    headend::{ADDRESS, Headend},
    load,
    report::Figure,
};

/// Forged requests below the watermark, which is 500.
const BELOW: u64 = 400;

/// Forged requests above it.
const ABOVE: u64 = 100_000;

/// Forged requests that wait for their answers: fewer than a socket's buffer holds.
const OUT: u64 = 32;

/// Forged requests a second while clients log in.
const RATE: u64 = 20_000;

/// What of that has to be sent at least, or it was no flood that the logins came through: the machine may be busy with the headend.
const RATE_AT_LEAST: f64 = 0.8 * RATE as f64;

/// How long the first demand for a cookie is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Logins with and without the flood.
const LOGINS: u32 = 1_000;

/// A second address for each forged request, so that no source has a second one soon.
const FIRST_SOURCE: u32 = 0x7f01_0000;
const SOURCES: u32 = 0x00fe_0000;

/// Sends requests in the names of others.
struct Forger {
    socket: UdpEndpoint,
    request: Vec<u8>,
    number: u64,
    buffer: Vec<u8>,
}

impl Forger {
    fn new() -> Self {
        let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        Self {
            socket: UdpEndpoint::bind(any).unwrap(),
            request: load::first_request(),
            number: 0,
            buffer: vec![0; MAX_DATAGRAM],
        }
    }

    /// Sends another request: a real client's, with an SPI and an address of its own. Returns whether it went out.
    fn send(&mut self) -> bool {
        self.number += 1;
        self.request[..8].copy_from_slice(&(0x0f00_0000_0000 + self.number).to_be_bytes());
        let source = FIRST_SOURCE + u32::try_from(self.number % u64::from(SOURCES)).unwrap();
        let source = IpAddr::V4(Ipv4Addr::from_bits(source));
        let target = SocketAddr::new(ADDRESS, IKE_PORT);
        self.socket
            .send(source, target, false, &self.request)
            .is_ok()
    }

    /// How many answers have come since.
    fn answers(&mut self) -> u64 {
        let mut count = 0;
        while self.socket.receive(&mut self.buffer).unwrap().is_some() {
            count += 1;
        }
        count
    }

    /// Sends so many requests, each of which is answered.
    fn exchange(&mut self, count: u64) {
        let (mut sent, mut answered) = (0, 0);
        let end = Instant::now() + Duration::from_secs(120);
        while answered < count {
            while sent < count && sent - answered < OUT {
                assert!(self.send(), "the system takes no more requests");
                sent += 1;
            }
            let more = self.answers();
            if more == 0 {
                assert!(Instant::now() < end, "{answered} of {count} were answered");
                thread::sleep(Duration::from_micros(50));
            }
            answered += more;
        }
    }
}

/// The figures of one flood.
pub(crate) fn measure() -> Vec<Figure> {
    let mut figures = cost();
    figures.extend(logins());
    figures
}

/// CPU time and memory of the headend for each request.
fn cost() -> Vec<Figure> {
    let headend = Headend::start();
    let mut forger = Forger::new();
    let mut floor = Floor::new();
    floor.sample();
    // Code and allocator are warm then.
    forger.exchange(50);
    let (cpu, memory) = (headend.cpu_time(), headend.resident());
    forger.exchange(BELOW);
    let below = headend.cpu_time() - cpu;
    let below_memory = (headend.resident() - memory).max(0.0);
    assert_eq!(
        headend.metric("ironflex_ike_cookies_total{result=\"sent\"}"),
        0
    );
    forger.exchange(500);
    assert!(headend.metric("ironflex_ike_cookies_total{result=\"sent\"}") > 0);
    let (cpu, memory) = (headend.cpu_time(), headend.resident());
    forger.exchange(ABOVE);
    let above = headend.cpu_time() - cpu;
    let above_memory = (headend.resident() - memory).max(0.0);
    let each = |time: Duration, count: u64| time.as_secs_f64() * 1e6 / count as f64;
    let (mac, datagrams) = cookie_floor(&forger.request);
    println!(
        "a cookie: HMAC {mac:.2} us; receiving a request and sending an answer {datagrams:.2} us"
    );
    vec![
        Figure {
            name: "forged_init_us",
            value: each(below, BELOW),
            unit: "us of CPU",
            reference: floor.key_exchange(),
            reference_name: "below the watermark; group 14 key pair + agreement",
        },
        Figure {
            name: "forged_init_bytes",
            value: below_memory / BELOW as f64,
            unit: "octets, 30 s",
            reference: forger.request.len() as f64,
            reference_name: "below the watermark; the request itself, which AUTH covers",
        },
        Figure {
            name: "forged_cookie_us",
            value: each(above, ABOVE),
            unit: "us of CPU",
            reference: mac + datagrams,
            reference_name: "above the watermark; HMAC + one recvmsg + one sendmsg",
        },
        Figure {
            name: "forged_cookie_bytes",
            value: above_memory / ABOVE as f64,
            unit: "octets",
            reference: 1.0,
            reference_name: "above the watermark; nothing is kept",
        },
    ]
}

/// Logins a second without the flood and with it.
fn logins() -> [Figure; 2] {
    let headend = Headend::start();
    let mut load = headend.load();
    load.login(100);
    let timed = |load: &mut super::headend::Load| {
        let (start, cpu) = (Instant::now(), headend.cpu_time());
        load.login(LOGINS);
        let wall = start.elapsed().as_secs_f64();
        let cpu = (headend.cpu_time() - cpu).as_secs_f64();
        (f64::from(LOGINS) / wall, cpu / wall)
    };
    let (quiet, quiet_cpu) = timed(&mut load);
    let over = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let flood = {
        let (over, sent) = (Arc::clone(&over), Arc::clone(&sent));
        thread::spawn(move || flood(&over, &sent))
    };
    let demanded = || headend.metric("ironflex_ike_cookies_total{result=\"sent\"}");
    let end = Instant::now() + PATIENCE;
    while demanded() == 0 {
        assert!(Instant::now() < end, "no cookie is demanded");
        thread::sleep(Duration::from_millis(20));
    }
    let (start, before, received) = (Instant::now(), sent.load(Ordering::Relaxed), demanded());
    let (flooded, flooded_cpu) = timed(&mut load);
    let seconds = start.elapsed().as_secs_f64();
    let rate = (sent.load(Ordering::Relaxed) - before) as f64 / seconds;
    let answered = (demanded() - received) as f64 / seconds;
    over.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    println!(
        "flood: {rate:.0} forged requests a second, {answered:.0} cookies demanded a second; the headend used {:.0} % of a core with it, {:.0} % without",
        flooded_cpu * 100.0,
        quiet_cpu * 100.0
    );
    assert!(
        rate >= RATE_AT_LEAST,
        "{rate:.0} forged requests a second were sent, and not {RATE_AT_LEAST:.0} at least"
    );
    [
        Figure {
            name: "logins_flooded",
            value: flooded,
            unit: "1/s",
            reference: quiet,
            reference_name: "the same without forged requests",
        },
        Figure {
            name: "flood_rate",
            value: rate,
            unit: "1/s",
            reference: RATE as f64,
            reference_name: "the aim",
        },
    ]
}

/// Sends at the rate until it is over.
fn flood(over: &AtomicBool, sent: &AtomicU64) {
    const BURST: u64 = 20;
    let mut forger = Forger::new();
    let start = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let due = start.elapsed().as_secs_f64() * RATE as f64;
        while (sent.load(Ordering::Relaxed) as f64) < due && !over.load(Ordering::Relaxed) {
            // What cannot be sent is lost, as any datagram may be, and does not count.
            let count = (0..BURST).filter(|_| forger.send()).count();
            sent.fetch_add(u64::try_from(count).unwrap(), Ordering::Relaxed);
        }
        forger.answers();
        thread::sleep(Duration::from_micros(500));
    }
}

/// Microseconds of one cookie's HMAC, and of a request received and an answer sent.
fn cookie_floor(request: &[u8]) -> (f64, f64) {
    const ROUNDS: u32 = 20_000;
    let each = |start: Instant| start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    let (key, nonce) = ([7; 32], [9; 32]);
    let start = Instant::now();
    for round in 0..ROUNDS {
        let parts: [&[u8]; 3] = [&nonce, &[127, 0, 0, 1], &round.to_be_bytes()];
        std::hint::black_box(prf(PrfAlgorithm::HmacSha2_256, &key, &parts));
    }
    let mac = each(start);
    let bind = || UdpEndpoint::bind(SocketAddr::new(ADDRESS, 0)).unwrap();
    let (ours, theirs) = (bind(), bind());
    let to = |endpoint: &UdpEndpoint| SocketAddr::new(ADDRESS, endpoint.port());
    let mut buffer = vec![0; MAX_DATAGRAM];
    let answer = [0x5a; 28 + 8 + 33];
    let mut spent = Duration::ZERO;
    for _ in 0..ROUNDS {
        theirs.send(ADDRESS, to(&ours), false, request).unwrap();
        let start = Instant::now();
        assert!(ours.receive(&mut buffer).unwrap().is_some());
        ours.send(ADDRESS, to(&theirs), false, &answer).unwrap();
        spent += start.elapsed();
        assert!(theirs.receive(&mut buffer).unwrap().is_some());
    }
    (mac, spent.as_secs_f64() * 1e6 / f64::from(ROUNDS))
}
