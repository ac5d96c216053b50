//! What an operator's terminal costs: a large configuration pasted into `configure terminal`, and `debug`, on and off.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use ironflex::{
    clock::Clock,
    daemon::log::{Log, Step},
};
use ironflex_ikev2::event::Event;
use nix::pty::{Winsize, openpty};

use super::{
    floor::Floor,
    headend::{Headend, Load},
    report::Figure,
};

/// The longest that 10,000 pasted lines may take, in milliseconds.
const PASTE_LIMIT: f64 = 2_000.0;

/// How long the terminal may take to show something.
const PATIENCE: Duration = Duration::from_secs(120);

/// Times that what is off is asked for.
const ASKED: u32 = 10_000_000;

/// Logins in a batch, with or without `debug`, and how many pairs of batches.
const LOGINS: u32 = 200;
const PAIRS: u32 = 5;

/// 10,000 lines: users, and policies of three lines each.
fn lines() -> String {
    let users = (0..7_000).map(|user| format!("username user{user} password secret{user}\n"));
    let policies = (0..1_000).map(|policy| {
        let net = policy % 250;
        format!("crypto ikev2 authorization policy P{policy}\n dns 10.0.{net}.1\n pfs\n")
    });
    users.chain(policies).collect()
}

/// The shell at a pseudo-terminal.
struct Shell {
    user: File,
    shown: Arc<Mutex<String>>,
    process: std::process::Child,
}

impl Shell {
    fn open(headend: &Headend) -> Self {
        let size = Winsize {
            ws_row: 50,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let ends = openpty(Some(&size), None).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_ironflex"))
            .arg("--state-dir")
            .arg(headend.state())
            .stdin(Stdio::from(ends.slave.try_clone().unwrap()))
            .stdout(Stdio::from(ends.slave))
            .spawn()
            .unwrap();
        let user = File::from(ends.master);
        let mut reading = user.try_clone().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let screen = Arc::clone(&shown);
        thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            // The other end is gone when reading fails.
            while let Ok(length @ 1..) = reading.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                screen.lock().unwrap().push_str(&text);
            }
        });
        Self {
            user,
            shown,
            process,
        }
    }

    /// Types, and waits until what is new on the terminal contains `then`.
    fn types(&mut self, keys: &str, then: &str) {
        let before = self.shown.lock().unwrap().len();
        self.user.write_all(keys.as_bytes()).unwrap();
        self.waits(before, then);
    }

    fn waits(&self, from: usize, then: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.shown.lock().unwrap()[from..].contains(then) {
            assert!(Instant::now() < end, "{then:?} does not come");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How long it takes until 10,000 pasted lines are at work.
pub(crate) fn paste() -> Figure {
    let lines = lines();
    let taken = |headend: &Headend| {
        for (what, count) in [("^username user", 7_000), ("policy P[0-9]", 1_000)] {
            let said = headend.exec(&format!("show running-config | count {what}"));
            assert!(said.trim_end().ends_with(&format!("= {count}")), "{said}");
        }
    };
    // What the same lines cost without a terminal.
    let headend = Headend::start();
    let since = Instant::now();
    headend.script(&format!("configure terminal\n{lines}end\n"));
    let script = since.elapsed();
    taken(&headend);
    drop(headend);
    let headend = Headend::start();
    let mut shell = Shell::open(&headend);
    shell.waits(0, "Router>");
    shell.types("enable\r", "Router#");
    shell.types("configure terminal\r", "Router(config)#");
    let since = Instant::now();
    let keys = lines.replace('\n', "\r");
    shell.types(&format!("{keys}end\rshow version\r"), "uptime is");
    let pasted = since.elapsed();
    taken(&headend);
    println!("10,000 lines: {pasted:.1?} pasted at a terminal, {script:.1?} from a file");
    Figure {
        name: "paste_ms",
        value: pasted.as_secs_f64() * 1e3,
        unit: "ms",
        reference: PASTE_LIMIT,
        reference_name: "the aim for 10,000 lines at a terminal",
    }
}

/// What `debug` costs a login: the questions whether it is on, and the lines where it is.
pub(crate) fn debug() -> [Figure; 2] {
    let headend = Headend::start();
    let mut load = headend.load();
    load.login(LOGINS);
    let ikev2 = [
        "crypto ikev2",
        "crypto ikev2 packet",
        "crypto ikev2 internal",
        "crypto ikev2 error",
    ];
    let ipsec_and_pki = ["crypto ipsec", "crypto pki"];
    let aaa = ["aaa authentication", "aaa authorization"];
    let turn = |on: bool| {
        if on {
            for what in ikev2.iter().chain(&ipsec_and_pki).chain(&aaa) {
                headend.exec(&format!("debug {what}"));
            }
        } else {
            headend.exec("undebug all");
        }
    };
    let batch = |load: &mut Load| headend.cpu_per_login(load, LOGINS);
    let (mut off, mut on) = (0.0, 0.0);
    let mut floor = Floor::new();
    for _ in 0..PAIRS {
        floor.sample();
        off += batch(&mut load);
        turn(true);
        on += batch(&mut load);
        turn(false);
    }
    let (off, on) = (off / f64::from(PAIRS), on / f64::from(PAIRS));
    // One login's lines, each of which is at least one question.
    let logged = |headend: &Headend| -> f64 {
        let json: serde_json::Value =
            serde_json::from_str(&headend.exec("show logging | json")).unwrap();
        json["log"]["logged"].as_f64().unwrap()
    };
    turn(true);
    let before = logged(&headend);
    load.login(10);
    let lines = (logged(&headend) - before) / 10.0;
    turn(false);
    let log = Log::new(true, Clock::start());
    let event = std::hint::black_box(Event::HalfOpen);
    let since = Instant::now();
    for _ in 0..ASKED {
        log.event(None, None, std::hint::black_box(&event));
        log.step(None, std::hint::black_box(Step::ProfileNotFound));
    }
    let question = since.elapsed().as_secs_f64() * 1e9 / f64::from(2 * ASKED);
    println!("debug: {lines:.0} lines a login, {question:.2} ns for each where it is off");
    [
        Figure {
            name: "debug_off_ns",
            value: question * lines,
            unit: "ns of a login",
            reference: floor.fastest() * 1e3,
            reference_name: "the public-key operations of the same login",
        },
        Figure {
            name: "debug_on_cpu_us",
            value: on,
            unit: "us",
            reference: off,
            reference_name: "a login with debug off, of the same run",
        },
    ]
}
