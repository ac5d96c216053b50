//! The simulator over a fixed set of seeds. `make sim` runs fresh ones.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where an expectation fails"
)]

mod simulation;

use simulation::{Totals, attempt, journal};

/// Fixed, so that a failure here is a failure everywhere.
const SEEDS: u64 = 300;

#[test]
fn nothing_breaks_an_invariant_in_any_run() {
    let mut totals = Totals::default();
    for seed in 0..SEEDS {
        match attempt(seed) {
            Ok(run) => totals += run,
            Err(violation) => panic!("seed {}: {}", violation.seed, violation.what),
        }
    }
    // A simulator that never gets where it is to look finds nothing.
    assert!(totals.logins > SEEDS, "{totals}");
    assert!(totals.rekeys > 3 * SEEDS, "{totals}");
    assert!(totals.collisions > SEEDS / 2, "{totals}");
    assert!(totals.several > SEEDS / 10, "{totals}");
    assert!(totals.crashes > SEEDS / 10, "{totals}");
    assert!(totals.moves > SEEDS / 2, "{totals}");
    assert!(totals.survivors > SEEDS, "{totals}");
    assert!(totals.given_up > SEEDS / 10, "{totals}");
    assert!(totals.losses > 10 * SEEDS, "{totals}");
    assert!(totals.attacks > 5 * SEEDS, "{totals}");
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [1, 2, 3] {
        let first = journal(seed);
        assert!(first.len() > 50, "{}", first.len());
        assert_eq!(first, journal(seed));
    }
}
