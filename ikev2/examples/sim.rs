//! Runs the simulator over fresh seeds on all cores: `sim [--seeds N] [--first SEED]`, or over one seed with
//! everything that happens in it: `sim --journal SEED`.
//!
//! Ends with one line of totals. A seed that breaks an invariant is named with what it broke; the exit status
//! is then 1.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a command: it prints, and takes its first seed from the clock"
)]

#[path = "../tests/sim/simulation/mod.rs"]
mod simulation;

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use simulation::{Totals, Violation, attempt, journal};

/// Seeds when nobody says how many.
const SEEDS: u64 = 5_000;

/// Violations after which no further seed is begun with.
const ENOUGH: usize = 10;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mut seeds = SEEDS;
    let mut first = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().wrapping_mul(1_000_000));
    while let Some(word) = words.next() {
        let number = words.next().and_then(|number| number.parse().ok());
        match (word.as_str(), number) {
            ("--seeds", Some(number)) => seeds = number,
            ("--first", Some(number)) => first = number,
            ("--journal", Some(seed)) => {
                std::panic::set_hook(Box::new(|_| {}));
                for line in journal(seed) {
                    println!("{line}");
                }
                return ExitCode::SUCCESS;
            }
            _ => {
                println!("sim [--seeds N] [--first SEED] | --journal SEED");
                return ExitCode::from(2);
            }
        }
    }
    println!("{seeds} seeds from {first} on");
    run(first, seeds)
}

fn run(first: u64, seeds: u64) -> ExitCode {
    // A violation is a panic that says all there is to say with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let found: Mutex<(Totals, Vec<Violation>)> = Mutex::default();
    let lock = || {
        found
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds || lock().1.len() >= ENOUGH {
                        return;
                    }
                    match attempt(first.wrapping_add(number)) {
                        Ok(totals) => lock().0 += totals,
                        Err(violation) => {
                            println!("seed {}: {}", violation.seed, violation.what);
                            lock().1.push(violation);
                        }
                    }
                }
            });
        }
    });
    let (totals, violations) = &*lock();
    println!(
        "{totals}, {} violations, {:.1} seconds",
        violations.len(),
        begun.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(!violations.is_empty()))
}
