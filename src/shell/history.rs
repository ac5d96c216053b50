//! The lines that were carried out last, those of exec modes and those of configuration modes apart: what is recalled is what
//! can be typed there.

use std::collections::VecDeque;

/// How many of each a router keeps unless it is told another number.
pub(super) const HISTORY: usize = 20;

/// Octets of a line that are kept.
const OCTETS: usize = 1024;

/// The last lines where no editor keeps them.
#[derive(Debug)]
pub struct History {
    exec: VecDeque<String>,
    configuration: VecDeque<String>,
    size: usize,
}

impl Default for History {
    fn default() -> Self {
        Self {
            exec: VecDeque::new(),
            configuration: VecDeque::new(),
            size: HISTORY,
        }
    }
}

impl History {
    /// How many of each are kept.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Keeps so many of each from now on.
    pub fn set_size(&mut self, size: usize) {
        self.size = size;
        for lines in [&mut self.exec, &mut self.configuration] {
            lines.drain(..lines.len().saturating_sub(size));
        }
    }

    /// Keeps a line, of configuration or of exec mode.
    pub fn add(&mut self, line: &str, configuration: bool) {
        let line = line.trim();
        if line.is_empty() || self.size == 0 {
            return;
        }
        let size = self.size;
        let lines = self.of(configuration);
        while lines.len() >= size {
            lines.pop_front();
        }
        let end = line.floor_char_boundary(OCTETS);
        lines.push_back(line.get(..end).unwrap_or(line).to_owned());
    }

    /// `show history`
    pub fn shown(&mut self, configuration: bool) -> String {
        let lines = self.of(configuration).iter();
        lines.map(|line| format!("  {line}\n")).collect()
    }

    const fn of(&mut self, configuration: bool) -> &mut VecDeque<String> {
        if configuration {
            &mut self.configuration
        } else {
            &mut self.exec
        }
    }
}

/// How many lines `terminal history size` means; without a number, those that a router keeps by itself.
#[must_use]
pub fn lines_kept(size: Option<u32>) -> usize {
    size.map_or(HISTORY, |size| usize::try_from(size).unwrap_or(HISTORY))
}

/// What `show terminal` says of it.
pub(super) fn standing(size: usize) -> String {
    match size {
        0 => "History is not enabled.\n".to_owned(),
        size => format!("History is enabled, history size is {size}.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_either_mode_are_kept_apart() {
        let mut history = History::default();
        for number in 0..25 {
            history.add(&format!("show {number}"), false);
        }
        history.add(" hostname R", true);
        history.add("  ", true);
        let exec = history.shown(false);
        assert_eq!(exec.lines().count(), HISTORY);
        assert!(exec.starts_with("  show 5\n"), "{exec}");
        assert_eq!(history.shown(true), "  hostname R\n");
        history.set_size(2);
        assert_eq!(history.shown(false), "  show 23\n  show 24\n");
        history.set_size(0);
        history.add("show 26", false);
        assert_eq!(history.shown(false) + &history.shown(true), "");
        assert_eq!(standing(history.size()), "History is not enabled.\n");
    }
}
