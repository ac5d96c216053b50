//! Texts between two delimiters, which may run over several lines.

use alloc::{borrow::ToOwned, boxed::Box, format, string::String, sync::Arc};

use crate::{
    error::{Diagnostic, Fault, Span},
    lexer::Line,
    walk::count,
};

/// Most lines that a text can run over.
const LINES: usize = 50;

/// What stands between `banner` and its text.
const BANNERS: [&str; 6] = [
    "exec",
    "incoming",
    "login",
    "motd",
    "prompt-timeout",
    "slip-ppp",
];

/// A text whose second delimiter has not come yet.
#[derive(Debug)]
pub(crate) struct Delimited {
    delimiter: String,
    text: String,
    lines: usize,
}

/// What the first line of a text says.
pub(crate) enum Begun {
    /// All of it.
    Whole(String),
    /// More is to come.
    Open(Delimited),
}

impl Delimited {
    /// Begins with the rest of a line, from an octet on. The delimiter is `^C` as routers print it, or the first character.
    pub(crate) fn begin(
        line: &Line<'_>,
        offset: usize,
        source: &Arc<str>,
    ) -> Result<Begun, Box<Diagnostic>> {
        let text = line.text.get(offset..).unwrap_or_default();
        let first = text.chars().next().map_or(0, char::len_utf8);
        let end = if text.starts_with("^C") { 2 } else { first };
        let (delimiter, text) = text.split_at_checked(end).unwrap_or((text, ""));
        let Some((banner, after)) = text.split_once(delimiter) else {
            return Ok(Begun::Open(Self {
                delimiter: delimiter.to_owned(),
                text: text.to_owned(),
                lines: 0,
            }));
        };
        if after.trim().is_empty() {
            return Ok(Begun::Whole(banner.to_owned()));
        }
        let at = Span {
            column: line.end().saturating_sub(count(after.trim_start())),
            len: count(after.trim()),
            ..line.whole(source)
        };
        let message = "text after the delimiter";
        Err(Box::new(Diagnostic::error(Fault::Unknown, at, message)))
    }

    /// The text of a refused line, such as `banner motd ^C`: nothing is kept of it but where it ends. None where the line holds
    /// all of it.
    pub(crate) fn refused(line: &Line<'_>, source: &Arc<str>) -> Option<Self> {
        let mut words = line.words.iter().skip(1);
        let first = words.next()?;
        let typed = first.text.to_ascii_lowercase();
        let word = if BANNERS.iter().any(|kind| kind.starts_with(&*typed)) {
            words.next()?
        } else {
            first
        };
        match Self::begin(line, word.offset, source) {
            Ok(Begun::Open(text)) => Some(text),
            Ok(Begun::Whole(_)) | Err(_) => None,
        }
    }

    /// Whether a further line may belong to it.
    pub(crate) const fn has_room(&self) -> bool {
        self.lines < LINES
    }

    /// Takes a further line; whether it was the last.
    pub(crate) fn more(&mut self, line: &str) -> bool {
        self.lines = self.lines.saturating_add(1);
        self.text.push('\n');
        let last = line.split_once(&self.delimiter);
        self.text.push_str(last.map_or(line, |(last, _)| last));
        last.is_some()
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// What is wrong if the second delimiter does not come.
    pub(crate) fn endless(&self, at: Span) -> Box<Diagnostic> {
        let fault = Diagnostic::error(Fault::Incomplete, at, "the text has no end");
        let delimiter = &self.delimiter;
        Box::new(fault.expecting([format!("`{delimiter}` within {LINES} lines")]))
    }
}
