//! Texts between two delimiters, which may run over several lines.

use alloc::{borrow::ToOwned, boxed::Box, format, string::String, sync::Arc};

use crate::{
    error::{Diagnostic, Fault, Span},
    lexer::Line,
    walk::count,
};

/// Most lines that a text can run over.
const LINES: usize = 50;

/// Most lines of a text that is refused: a macro may have 3000 characters on a router.
const REFUSED_LINES: usize = 200;

/// What ends a macro.
const MACRO_END: char = '@';

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
    end: End,
    text: String,
    lines: usize,
    /// Most of them.
    most: usize,
}

/// What ends a text.
#[derive(Debug)]
enum End {
    /// This, wherever it stands.
    Delimiter(String),
    /// A line that begins or ends with [`MACRO_END`]: within one it may belong to an address.
    Macro,
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
                end: End::Delimiter(delimiter.to_owned()),
                text: text.to_owned(),
                lines: 0,
                most: LINES,
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

    /// The text of a refused line, such as `banner motd ^C` or `macro name X`: nothing is kept of it but where it ends. None where
    /// the line holds all of it.
    pub(crate) fn refused(line: &Line<'_>, source: &Arc<str>) -> Option<Self> {
        let mut words = line.words.iter();
        let kind = words.next()?.text.to_ascii_lowercase();
        if "macro".starts_with(&*kind) {
            return Some(Self {
                end: End::Macro,
                text: String::new(),
                lines: 0,
                most: REFUSED_LINES,
            });
        }
        let first = words.next()?;
        let typed = first.text.to_ascii_lowercase();
        let word = if BANNERS.iter().any(|kind| kind.starts_with(&*typed)) {
            words.next()?
        } else {
            first
        };
        match Self::begin(line, word.offset, source) {
            Ok(Begun::Open(text)) => Some(text.passed_over()),
            Ok(Begun::Whole(_)) | Err(_) => None,
        }
    }

    /// The same where nothing is kept of it.
    pub(crate) fn passed_over(self) -> Self {
        Self {
            most: REFUSED_LINES,
            ..self
        }
    }

    /// Whether a further line may belong to it.
    pub(crate) const fn has_room(&self) -> bool {
        self.lines < self.most
    }

    /// Takes a further line; whether it was the last.
    pub(crate) fn more(&mut self, line: &str) -> bool {
        self.lines = self.lines.saturating_add(1);
        let last = match &self.end {
            End::Delimiter(delimiter) => line.split_once(&**delimiter).map(|(last, _)| last),
            End::Macro => {
                let line = line.trim();
                return line.starts_with(MACRO_END) || line.ends_with(MACRO_END);
            }
        };
        self.text.push('\n');
        self.text.push_str(last.unwrap_or(line));
        last.is_some()
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// What is wrong if the second delimiter does not come.
    pub(crate) fn endless(&self, at: Span) -> Box<Diagnostic> {
        let fault = Diagnostic::error(Fault::Incomplete, at, "the text has no end");
        let lines = self.most;
        Box::new(fault.expecting([match &self.end {
            End::Delimiter(delimiter) => format!("`{delimiter}` within {lines} lines"),
            End::Macro => format!("`{MACRO_END}` within {lines} lines"),
        }]))
    }
}
