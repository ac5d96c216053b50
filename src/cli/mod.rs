//! The command line: what a typed line means, and how facts are printed.
//!
//! Text in and text out: nothing here does I/O or touches the daemon. [`exec`] turns a line into a
//! command, [`configure`] explains the lines of a configuration, [`show`] prints the typed facts of [`crate::state`], [`pipe`] filters them, [`debug_words`]
//! tells events in IOS-XE's words.

use std::fmt::{self, Write as _};

pub mod configure;
pub mod debug_words;
pub mod exec;
pub mod pipe;
pub mod show;

/// So many of something, `one` being the word for one of them.
pub(crate) fn counted(count: impl Into<u64>, one: &str) -> String {
    let count = count.into();
    let more = if count == 1 { "" } else { "s" };
    format!("{count} {one}{more}")
}

/// Displays text that a peer or a user chose without letting it steer a terminal: control characters and
/// those that turn the writing direction round are printed as a dot.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|one| {
            let steers = one.is_control()
                || matches!(one, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            f.write_char(if steers { '.' } else { one })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_of_as_one() {
        let told = [0_u32, 1, 2].map(|count| counted(count, "minute"));
        assert_eq!(told, ["0 minutes", "1 minute", "2 minutes"]);
    }

    #[test]
    fn prints_names_as_they_are_and_nothing_that_steers_a_terminal() {
        assert_eq!(Printable("Jürgen O'Neil").to_string(), "Jürgen O'Neil");
        assert_eq!(
            Printable("a\u{1b}[2J\r\nb\u{202e}c\u{9b}").to_string(),
            "a.[2J..b.c."
        );
    }
}
