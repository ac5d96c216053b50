//! The simulator over a fixed set of seeds. `make sim` runs fresh ones.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where an expectation fails"
)]

mod simulation;

use std::{fs, path::Path, process::Command};

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

/// A fault that can no longer be planted would prove nothing (`make sim-proof`).
#[test]
fn every_planted_fault_applies_and_says_what_it_ends_with() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().expect("a workspace");
    let faults = package.join("tests/sim/faults");
    let mut planted = 0;
    for entry in fs::read_dir(faults).expect("faults") {
        let patch = entry.expect("a fault").path();
        let text = fs::read_to_string(&patch).expect("a patch");
        assert!(text.contains("\nends with: "), "{}", patch.display());
        let mut git = Command::new("git");
        git.args(["apply", "--check", "--unidiff-zero"]).arg(&patch);
        // Below somebody else's repository git would pass over what is not in it, and find nothing wrong.
        if let Some(above) = root.parent() {
            git.env("GIT_CEILING_DIRECTORIES", above);
        }
        let checked = git.current_dir(root).output();
        let checked = checked.expect("git, which the sources came by");
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "make it anew: {said}");
        planted += 1;
    }
    assert!(planted >= 5);
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [1, 2, 3] {
        let first = journal(seed);
        assert!(first.len() > 50, "{}", first.len());
        assert_eq!(first, journal(seed));
    }
}
