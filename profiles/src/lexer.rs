//! Text to lines, lines to words with their places.
//!
//! This layer knows what a paste from a terminal looks like (prompts, comments, any indentation,
//! CRLF) and nothing about commands.

use alloc::{boxed::Box, format, string::String, sync::Arc, vec::Vec};

use crate::error::{Diagnostic, Fault, Span};

/// Longest line that is read, in octets. IOS-XE stops at 254; our own lines may hold a path.
pub const LINE_LIMIT: usize = 4096;

/// One word of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    /// First octet within [`Line::text`].
    pub(crate) offset: usize,
    /// First character within the source line, from 1.
    pub(crate) column: u32,
}

/// One line that holds a command.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) number: u32,
    /// The line without prompt and trailing blanks; word offsets count from here.
    pub(crate) text: &'a str,
    /// Blanks in front of the first word.
    pub(crate) indent: u32,
    pub(crate) words: Vec<Word<'a>>,
}

impl Line<'_> {
    /// Where a word stands.
    pub(crate) fn span(&self, source: &Arc<str>, word: &Word<'_>) -> Span {
        Span {
            source: source.clone(),
            line: self.number,
            column: word.column,
            len: count(word.text),
        }
    }

    /// From the first word to the last.
    pub(crate) fn whole(&self, source: &Arc<str>) -> Span {
        let column = self.words.first().map_or(1, |word| word.column);
        Span {
            source: source.clone(),
            line: self.number,
            column,
            len: self.end().saturating_sub(column),
        }
    }

    /// The column after the last word.
    pub(crate) fn end(&self) -> u32 {
        self.words
            .last()
            .map_or(1, |word| word.column.saturating_add(count(word.text)))
    }
}

/// Reads a text line by line.
pub(crate) struct Lines<'a> {
    rest: Option<&'a str>,
    number: u32,
    source: Arc<str>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str, source: Arc<str>) -> Self {
        Self {
            rest: Some(text.strip_prefix('\u{feff}').unwrap_or(text)),
            number: 0,
            source,
        }
    }

    /// The same for a text whose first line has this number.
    pub(crate) fn from_number(text: &'a str, source: Arc<str>, number: u32) -> Self {
        Self {
            number: number.saturating_sub(1),
            ..Self::new(text, source)
        }
    }

    /// The next line with a command in it. Empty lines and comments are passed over; a line that
    /// cannot be read is the error, and the one after it is read as usual.
    pub(crate) fn command(&mut self) -> Option<Result<Line<'a>, Box<Diagnostic>>> {
        loop {
            let raw = match self.raw()? {
                Ok(raw) => raw,
                Err(fault) => return Some(Err(fault)),
            };
            let (skipped, text) = without_prompt(raw);
            let trimmed = text.trim_start_matches(BLANK);
            if trimmed.is_empty() || trimmed.starts_with('!') || is_show_heading(trimmed) {
                continue;
            }
            return Some(Ok(Line {
                number: self.number,
                text,
                indent: count(text).saturating_sub(count(trimmed)),
                words: words(text, skipped),
            }));
        }
    }

    /// The next line as it stands, for texts that run over several lines.
    pub(crate) fn raw(&mut self) -> Option<Result<&'a str, Box<Diagnostic>>> {
        let rest = self.rest?;
        let (line, rest) = match rest.split_once('\n') {
            Some((line, rest)) => (line, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        self.number = self.number.saturating_add(1);
        if rest.is_none() && line.is_empty() {
            return None;
        }
        let line = line
            .strip_suffix('\r')
            .unwrap_or(line)
            .trim_end_matches(BLANK);
        Some(self.readable(line))
    }

    fn readable(&self, line: &'a str) -> Result<&'a str, Box<Diagnostic>> {
        let at = |column: usize| Span {
            source: self.source.clone(),
            line: self.number,
            column: u32::try_from(column).unwrap_or(u32::MAX),
            len: 1,
        };
        if line.len() > LINE_LIMIT {
            // How long it is nobody knows of one that was cut on its way here.
            let message = format!("the line is longer than {LINE_LIMIT} octets");
            return Err(Box::new(Diagnostic::error(Fault::Limit, at(1), message)));
        }
        let control = line.chars().position(|c| c.is_control() && c != '\t');
        match control.and_then(|index| Some((index, line.chars().nth(index)?))) {
            Some((index, c)) => {
                let message = format!("control character U+{:04X}", u32::from(c));
                let at = at(index.saturating_add(1));
                let fault = Diagnostic::error(Fault::Value, at, message);
                Err(Box::new(fault.expecting([String::from("printable text")])))
            }
            None => Ok(line),
        }
    }
}

const BLANK: [char; 2] = [' ', '\t'];

pub(crate) fn words(text: &str, skipped: u32) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut column = skipped.saturating_add(1);
    let mut offset = 0usize;
    for piece in text.split(BLANK) {
        if !piece.is_empty() {
            found.push(Word {
                text: piece,
                offset,
                column,
            });
        }
        column = column.saturating_add(count(piece)).saturating_add(1);
        offset = offset.saturating_add(piece.len()).saturating_add(1);
    }
    found
}

/// Takes `Router#`, `Router>`, `Router(config)#` or `Router(config-if)#` off the front of a line.
/// Returns the number of characters taken and the rest.
fn without_prompt(raw: &str) -> (u32, &str) {
    let none = (0, raw);
    let body = raw.trim_start_matches(BLANK);
    let name = body
        .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if name.len() == body.len() {
        return none;
    }
    let mode = match name.strip_prefix('(') {
        Some(mode) => {
            let after = mode
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            match after.strip_prefix(')') {
                Some(after) if after.starts_with('#') => after,
                _ => return none,
            }
        }
        None => name,
    };
    match mode.strip_prefix(['#', '>']) {
        Some(rest) => (count(raw).saturating_sub(count(rest)), rest),
        None => none,
    }
}

/// The two lines that `show running-config` writes above the configuration itself.
fn is_show_heading(line: &str) -> bool {
    line == "Building configuration..." || line.starts_with("Current configuration : ")
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words with line and column, or the fault of a line.
    type Read<'a> = Result<Vec<(&'a str, u32, u32)>, Fault>;

    fn read(text: &str) -> Vec<Read<'_>> {
        let mut lines = Lines::new(text, Arc::from("t"));
        let mut all = Vec::new();
        while let Some(line) = lines.command() {
            all.push(match line {
                Ok(line) => Ok(line
                    .words
                    .iter()
                    .map(|w| (w.text, line.number, w.column))
                    .collect()),
                Err(fault) => Err(fault.fault),
            });
        }
        all
    }

    #[test]
    fn passes_over_comments_blank_lines_and_headings() {
        let text = "\u{feff}! a\n\n  !\nBuilding configuration...\n\nCurrent configuration : 9 bytes\n pool\tA \r\n";
        assert_eq!(read(text), [Ok(alloc::vec![("pool", 7, 2), ("A", 7, 7)])]);
    }

    #[test]
    fn drops_a_prompt_and_keeps_the_columns_of_the_file() {
        for text in [
            "Router(config)# aaa x",
            "Router(config)#aaa x",
            "R-1(config-if)#  aaa x",
        ] {
            let found = read(text).remove(0).unwrap();
            assert_eq!(found[0].0, "aaa");
            assert_eq!(found[0].2 as usize, text.find("aaa").unwrap() + 1);
        }
        assert_eq!(read("Router#\nRouter>  \nRouter(config)#"), []);
    }

    #[test]
    fn leaves_words_alone_that_only_resemble_a_prompt() {
        assert_eq!(read("key(id) # x").remove(0).unwrap()[0].0, "key(id)");
        assert_eq!(read("#x").remove(0).unwrap()[0].0, "#x");
    }

    #[test]
    fn refuses_control_characters_and_long_lines_and_goes_on() {
        let text = alloc::format!("a\u{1b}[2J\n{}\nb", "x".repeat(1 << 20));
        assert_eq!(
            read(&text),
            [
                Err(Fault::Value),
                Err(Fault::Limit),
                Ok(alloc::vec![("b", 3, 1)])
            ]
        );
    }
}
