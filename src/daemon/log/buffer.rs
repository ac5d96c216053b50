//! The last lines of the log, kept for `show logging`.

use std::{collections::VecDeque, time::SystemTime};

use crate::state::logging::{LogFacts, LoggedLine, Severity};

/// How many octets of lines are kept: a day of a quiet headend, minutes of a busy one.
pub(super) const SIZE: usize = 256 * 1024;

/// What a line costs beside its text, in octets.
const LINE: usize = size_of::<LoggedLine>();

/// The last lines, and how many there were.
#[derive(Default)]
pub(super) struct Buffer {
    lines: VecDeque<LoggedLine>,
    octets: usize,
    logged: u64,
}

impl Buffer {
    /// Keeps a line, in the place of the oldest ones.
    pub(super) fn keep(&mut self, severity: Severity, text: String) {
        self.logged = self.logged.saturating_add(1);
        self.octets = self.octets.saturating_add(text.len()).saturating_add(LINE);
        self.lines.push_back(LoggedLine {
            time: SystemTime::now(),
            severity,
            text,
        });
        while self.octets > SIZE {
            let Some(oldest) = self.lines.pop_front() else {
                self.octets = 0;
                return;
            };
            self.octets = self
                .octets
                .saturating_sub(oldest.text.len())
                .saturating_sub(LINE);
        }
    }

    /// Forgets all lines, and not how many there were.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.octets = 0;
    }

    pub(super) fn facts(&self) -> LogFacts {
        LogFacts {
            size: SIZE,
            logged: self.logged,
            lines: self.lines.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_all_are_counted() {
        let mut buffer = Buffer::default();
        let long = SIZE / 4;
        for number in 0..10 {
            buffer.keep(
                Severity::Informational,
                format!("{number}{}", "x".repeat(long)),
            );
        }
        let facts = buffer.facts();
        assert_eq!(facts.logged, 10);
        let kept: Vec<&str> = facts.lines.iter().map(|line| &line.text[..1]).collect();
        assert_eq!(kept, ["7", "8", "9"]);
        assert!(buffer.octets <= SIZE);
        // One that is longer than all that is kept leaves nothing, and the next one is kept again.
        buffer.keep(Severity::Errors, "y".repeat(SIZE));
        assert!(buffer.facts().lines.is_empty());
        buffer.keep(Severity::Errors, "z".into());
        assert_eq!(buffer.facts().lines.len(), 1);
        buffer.clear();
        assert!(buffer.facts().lines.is_empty());
        assert_eq!((buffer.facts().logged, buffer.octets), (12, 0));
    }
}
