//! What the kernel knows of its clock: whether somebody keeps it in step with a source of time.
//!
//! Unsafe is one call: adjtimex fills a structure that is ours, and changes nothing when it is asked to change nothing.
#![allow(unsafe_code, reason = "adjtimex")]

use std::path::Path;

use nix::libc;

/// What systemd-timesyncd leaves when it has set the clock.
const CLOCK_SET: &str = "/run/systemd/timesync/synchronized";

/// How good the time of day is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is kept in step with a source.
    Synchronised,
    /// A source has set it, and it is not kept in step any more.
    Set,
    /// Nobody answers for it.
    Unanswered,
}

/// Whether the clock is kept in step; `None` where the kernel does not say.
fn is_kept() -> Option<bool> {
    // SAFETY: every field is a number, for which all bits zero are a value.
    let mut asked: libc::timex = unsafe { std::mem::zeroed() };
    // Nothing is to be changed.
    asked.modes = 0;
    // SAFETY: the pointer leads to a structure of that type which outlives the call.
    let state = unsafe { libc::adjtimex(&raw mut asked) };
    match state {
        -1 => None,
        libc::TIME_ERROR => Some(false),
        _ => Some(asked.status & libc::STA_UNSYNC == 0),
    }
}

/// How good the time of day is at this moment.
#[must_use]
pub fn standing() -> Standing {
    let was_set = Path::new(CLOCK_SET).exists();
    match (is_kept(), was_set) {
        (Some(true), _) | (None, true) => Standing::Synchronised,
        (Some(false), true) => Standing::Set,
        (Some(false) | None, false) => Standing::Unanswered,
    }
}

/// Whether systemd-timesyncd has set it.
#[must_use]
pub fn is_set_by_systemd() -> bool {
    Path::new(CLOCK_SET).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The kernel's own words for it are in /proc nowhere: that it answers at all is what is tested.
    #[test]
    fn the_kernel_says_whether_its_clock_is_kept() {
        assert!(is_kept().is_some());
        assert_eq!(standing(), standing());
    }
}
