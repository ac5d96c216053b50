//! Two endpoints on a virtual clock, a bad network, a stranger on the wire, and random commands at both
//! ends, all of it from one seed.
//!
//! ```text
//!   Scenario (seed) ── actions ──► World ── Input ──► End: Endpoint, outside, model of its dataplane
//!                                    ▲  │
//!            Network: loss, delay, … ┘  └─► Attacker: sees everything, has no keys
//! ```
//!
//! After every step [`invariants`] are checked; when the script is over the network is mended and what must
//! hold at rest is checked. A violation is a panic; [`attempt`] turns it into the seed that shows it. The same
//! seed gives the same journal, line by line.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a simulation ends where an expectation fails"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the tests and the command each use their part"
)]

mod attacker;
mod end;
mod invariants;
mod network;
mod scenario;
mod session;
#[path = "../../support/mod.rs"]
mod support;
mod world;

use std::{
    fmt,
    ops::AddAssign,
    panic::{AssertUnwindSafe, catch_unwind},
};

pub use scenario::Scenario;
pub use world::World;

/// What runs amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub runs: u64,
    /// Inputs to either endpoint.
    pub steps: u64,
    /// Invariants judged.
    pub checks: u64,
    /// SAs that came up at the client.
    pub logins: u64,
    /// IKE SAs and child SAs replaced, as the client sees it.
    pub rekeys: u64,
    /// SAs at rest with several child SAs.
    pub several: u64,
    /// CREATE_CHILD_SA requests of both ends that were under way at the same time on one IKE SA.
    pub collisions: u64,
    /// SAs that were up and ended by a token.
    pub crashes: u64,
    /// Times that the client's host went elsewhere.
    pub moves: u64,
    /// SAs that were up at both ends when all had come to rest.
    pub survivors: u64,
    /// SAs that an end gave up because its peer did not answer.
    pub given_up: u64,
    /// Datagrams that the network lost.
    pub losses: u64,
    /// Datagrams that the attacker sent.
    pub attacks: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.checks += other.checks;
        self.logins += other.logins;
        self.rekeys += other.rekeys;
        self.several += other.several;
        self.collisions += other.collisions;
        self.crashes += other.crashes;
        self.moves += other.moves;
        self.survivors += other.survivors;
        self.given_up += other.given_up;
        self.losses += other.losses;
        self.attacks += other.attacks;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, {} steps, {} invariant checks, {} logins, {} rekeys, {} SAs at rest with several child SAs, {} collisions, {} crashes, {} moves, {} SAs up at rest, {} given up, {} losses, {} datagrams of the attacker",
            self.runs,
            self.steps,
            self.checks,
            self.logins,
            self.rekeys,
            self.several,
            self.collisions,
            self.crashes,
            self.moves,
            self.survivors,
            self.given_up,
            self.losses,
            self.attacks
        )
    }
}

/// A run that broke an invariant.
#[derive(Debug)]
pub struct Violation {
    pub seed: u64,
    pub what: String,
}

/// Runs one scenario to its end.
///
/// # Errors
///
/// [`Violation`] where an invariant did not hold.
pub fn attempt(seed: u64) -> Result<Totals, Violation> {
    let run = || {
        let mut world = World::new(Scenario::new(seed));
        world.play();
        world.totals
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| Violation {
        seed,
        what: words(&*panic),
    })
}

/// The journal of a run, one line for each thing that happened, up to its end or its violation.
pub fn journal(seed: u64) -> Vec<String> {
    let mut world = World::new(Scenario::new(seed));
    world.keep_journal();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.play())) {
        world.say(|| format!("VIOLATION {}", words(&*panic)));
    }
    world.into_journal()
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}
