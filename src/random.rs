//! Random octets of the operating system, for the crates that draw none themselves.

use ironflex_ikev2::crypto::Rng;

/// The kernel's random number generator.
///
/// A kernel that cannot give random octets ends the process: nothing here may go on without them.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Rng for OsRandom {
    fn fill(&mut self, out: &mut [u8]) {
        if getrandom::fill(out).is_err() {
            std::process::abort();
        }
    }
}

/// `N` random octets.
#[must_use]
pub fn octets<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    OsRandom.fill(&mut octets);
    octets
}
