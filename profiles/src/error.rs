//! What is wrong with a configuration, and where.
//!
//! A [`Diagnostic`] is a value: it is collected, compared in tests, and turned into text only by
//! [`Diagnostic::render`]. It is never an unwind and never ends the reading of a file.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::fmt;

use crate::secrets;

/// How many expected words are shown before the rest is only counted.
const SHOWN_EXPECTATIONS: usize = 12;

/// How many characters of a source line are shown around a caret.
const SHOWN_WIDTH: usize = 120;

/// A place in a configuration text.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// The name under which the text was given to [`crate::parse()`], usually a file name.
    pub source: Arc<str>,
    /// Line number, from 1; 0 for what no text wrote (a smart default, a command-line option).
    pub line: u32,
    /// First character, from 1, counted in Unicode scalar values.
    pub column: u32,
    /// Length in characters; 0 stands for the end of a line, where something is missing.
    pub len: u32,
}

impl Span {
    /// The place of an object that no line made, named by what made it.
    pub fn built_in(origin: &str) -> Self {
        Self {
            source: Arc::from(origin),
            line: 0,
            column: 0,
            len: 0,
        }
    }
}

impl fmt::Display for Span {
    /// `FILE:LINE:COLUMN`, or the origin alone for what no line made.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(&self.source);
        }
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

/// What a diagnostic does to a load.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// The configuration is refused as a whole.
    Error,
    /// The configuration is taken; someone should look at the line.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// What kind of fault a diagnostic tells of.
///
/// A shell that takes one line at a time treats [`Fault::Incomplete`] and [`Fault::Dangling`] as
/// work in progress; a file that is loaded at once does not.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// No command or word of that spelling stands there.
    Unknown,
    /// An abbreviation fits several words.
    Ambiguous,
    /// The line, or the object, lacks something.
    Incomplete,
    /// A value of the wrong form or out of its range.
    Value,
    /// An IOS-XE line that this headend knows by name and does not implement.
    Unsupported,
    /// A name that nothing defines.
    Dangling,
    /// Lines that contradict each other.
    Conflict,
    /// A text larger than what is read: line length, number of diagnostics.
    Limit,
    /// The command table and the action behind it disagree: a defect of this crate.
    Internal,
}

/// One fault of a configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// Whether the load is refused.
    pub severity: Severity,
    /// What kind of fault this is.
    pub fault: Fault,
    /// Where it shows.
    pub at: Span,
    /// The other place that has part in it, and what stands there.
    pub related: Option<(Span, String)>,
    /// What is wrong, in one line without a final full stop.
    pub message: String,
    /// What could have stood there instead; words, placeholders (`WORD`, `<1-10>`) or whole lines.
    pub expected: Vec<String>,
}

impl Diagnostic {
    pub(crate) fn error(fault: Fault, at: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            fault,
            at,
            related: None,
            message: message.into(),
            expected: Vec::new(),
        }
    }

    pub(crate) fn warning(fault: Fault, at: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(fault, at, message)
        }
    }

    pub(crate) fn expecting(mut self, expected: impl IntoIterator<Item = String>) -> Self {
        self.expected.extend(expected);
        self
    }

    pub(crate) fn beside(mut self, at: Span, note: impl Into<String>) -> Self {
        self.related = Some((at, note.into()));
        self
    }

    /// What is wrong in one line, with what is missing, for where neither the place nor the text is at hand.
    pub fn in_one_line(&self) -> String {
        match (self.fault, self.expected.as_slice()) {
            (Fault::Incomplete, [_, ..]) => {
                format!("{}, without: {}", self.message, self.expected.join(", "))
            }
            _ => self.message.clone(),
        }
    }

    /// The diagnostic as text: `FILE:LINE:COL: error: message`, the line, a caret under the fault,
    /// what was expected, and the related place in the same form. Ends in a newline.
    ///
    /// `source_text` is the text that was given to [`crate::parse()`]. Long lines are shown around
    /// the caret only, and control characters are shown as `?`, so that a hostile file cannot
    /// write to the terminal of whoever checks it.
    pub fn render(&self, source_text: &str) -> String {
        let mut out = format!(
            "{}: {}: {}\n",
            self.at,
            self.severity,
            visible(&self.message)
        );
        quote(&mut out, source_text, &self.at);
        if !self.expected.is_empty() {
            let shown: Vec<String> = self
                .expected
                .iter()
                .take(SHOWN_EXPECTATIONS)
                .map(|word| visible(word))
                .collect();
            out.push_str("    expected: ");
            out.push_str(&shown.join(", "));
            let hidden = self.expected.len().saturating_sub(shown.len());
            if hidden > 0 {
                out.push_str(&format!(" and {hidden} more"));
            }
            out.push('\n');
        }
        if let Some((place, note)) = &self.related {
            out.push_str(&format!("{place}: note: {}\n", visible(note)));
            if place.source == self.at.source {
                quote(&mut out, source_text, place);
            }
        }
        out
    }
}

/// Appends the source line and a caret line; nothing for a place that no line made.
fn quote(out: &mut String, source_text: &str, at: &Span) {
    let (Some(index), Some(start)) = (at.line.checked_sub(1), at.column.checked_sub(1)) else {
        return;
    };
    let Some(line) = source_text.split('\n').nth(index as usize) else {
        return;
    };
    let line = line.strip_prefix('\u{feff}').unwrap_or(line).trim_end();
    let start = start as usize;
    let (skipped, dots) = if start < SHOWN_WIDTH {
        (0, "")
    } else {
        (start.saturating_sub(SHOWN_WIDTH / 2), "...")
    };
    let mut rest = line.chars().zip(secrets::hidden(line)).skip(skipped);
    let shown: String = rest
        .by_ref()
        .take(SHOWN_WIDTH)
        .map(|(c, hidden)| if hidden { '*' } else { one_wide(c) })
        .collect();
    let more = if rest.next().is_some() { "..." } else { "" };
    let lead = start.saturating_sub(skipped);
    let carets = (at.len as usize).clamp(1, SHOWN_WIDTH.saturating_sub(lead).max(1));
    let blanks = lead.saturating_add(dots.len());
    out.push_str(&format!(
        "    {dots}{shown}{more}\n    {:blanks$}{}\n",
        "",
        "^".repeat(carets)
    ));
}

fn visible(text: &str) -> String {
    text.chars().map(one_wide).collect()
}

/// A character as it may be shown: one column, without effect on a terminal.
fn one_wide(character: char) -> char {
    match character {
        '\t' => ' ',
        // Directional overrides would show the line in another order than it is read in.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
        other if other.is_control() => '?',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn at(line: u32, column: u32, len: u32) -> Span {
        Span {
            source: Arc::from("a.conf"),
            line,
            column,
            len,
        }
    }

    #[test]
    fn shows_place_line_caret_and_expectation() {
        let fault = Diagnostic::error(Fault::Unknown, at(2, 3, 5), "unknown command")
            .expecting(["pool".to_string(), "dns".to_string()])
            .beside(at(1, 1, 3), "in this block");
        assert_eq!(
            fault.render("abc\n\tx\u{7}yzuv \r\n"),
            "a.conf:2:3: error: unknown command\n     x?yzuv\n      ^^^^^\n    expected: pool, dns\n\
             a.conf:1:1: note: in this block\n    abc\n    ^^^\n"
        );
    }

    #[test]
    fn shows_only_the_neighbourhood_of_a_caret_in_a_long_line() {
        let line = "x".repeat(1_000_000);
        let text = Diagnostic::error(Fault::Limit, at(1, 500_000, 9), "long").render(&line);
        assert!(text.len() < 500, "{} octets", text.len());
        assert!(text.contains("...xxx"));
    }

    #[test]
    fn quotes_no_secret() {
        let fault = Diagnostic::error(Fault::Value, at(1, 1, 8), "odd");
        let text = fault.render("username a password 0 hunter 2");
        let quoted = "    username a password * ****** *";
        assert_eq!(text.lines().nth(1), Some(quoted));
    }

    #[test]
    fn quotes_nothing_for_what_no_line_made() {
        let fault = Diagnostic::warning(Fault::Conflict, Span::built_in("smart default"), "odd");
        assert_eq!(fault.render("abc"), "smart default: warning: odd\n");
    }
}
