//! The committed reasons for requirements that no code obeys or no test shows, and words for requirements of which no comment
//! says enough by itself. The files are TOML of the simplest kind: tables, and a string or a list of strings for each key, a
//! line each.
//!
//! ```toml
//! [reasons]
//! transport = "ironflex has tunnel mode alone"
//!
//! ["RFC 7296 §1.3.1"]
//! "1-2" = ["what is required, in our own words", "why not"]
//! "3" = ["what is required", "@transport"]
//! "4,6" = "what is required, where code and test are found by their comments"
//! "SHOULD" = ["what this section's SHOULDs are about, those that no test shows", "why"]
//! ```
//!
//! Of the RFC whose text is not at hand the words are the rules, numbered in a section of that name.

use std::collections::BTreeMap;

use crate::{Error, ordinals};

/// What is said of requirements of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excuse {
    /// The RFC's number.
    pub rfc: u16,
    /// Its section.
    pub section: String,
    /// Which of the section's requirements. `None`: every SHOULD that is not covered.
    pub ordinals: Option<Vec<u16>>,
    /// What is required, in our own words.
    pub rule: String,
    /// Why it is not obeyed, or why nothing shows that it is.
    pub reason: String,
    /// Where it stands, from 1.
    pub line: usize,
}

/// The file's content.
#[derive(Clone, Debug, Default)]
pub struct Excused {
    /// In the order of the file.
    pub excuses: Vec<Excuse>,
    /// What is required, where it does not stand with a reason.
    pub words: BTreeMap<(u16, String, u16), String>,
}

enum Table {
    None,
    Reasons,
    Section(u16, String),
}

impl Excused {
    /// Adds what another file says.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.excuses.extend(other.excuses);
        self.words.extend(other.words);
        self
    }

    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// [`Error::Line`] for what is none of its forms, or names a reason that is not there.
    pub fn parse(path: &str, text: &str) -> Result<Self, Error> {
        let mut excused = Self::default();
        let mut reasons: BTreeMap<String, String> = BTreeMap::new();
        let mut table = Table::None;
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            let fail = |what: &str| Error::Line {
                path: path.to_owned(),
                line,
                what: what.to_owned(),
            };
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Some(head) = text.strip_prefix('[') {
                let head = head
                    .strip_suffix(']')
                    .ok_or_else(|| fail("expected `]` at the end"))?;
                table = Table::parse(head)
                    .ok_or_else(|| fail("expected [reasons] or [\"RFC NUMBER §SECTION\"]"))?;
                continue;
            }
            let (key, value) = entry(text)
                .ok_or_else(|| fail("expected `key = \"text\"` or `key = [\"text\", \"text\"]`"))?;
            match (&table, value.as_slice()) {
                (Table::Reasons, [reason]) => {
                    reasons.insert(key, reason.clone());
                }
                (Table::Section(rfc, section), [words]) => {
                    let ordinals = ordinals(&key);
                    let ordinals =
                        ordinals.ok_or_else(|| fail("expected ordinals, as in \"1,3-5\""))?;
                    for ordinal in ordinals {
                        let key = (*rfc, section.clone(), ordinal);
                        excused.words.insert(key, words.clone());
                    }
                }
                (Table::Section(rfc, section), [rule, reason]) => {
                    let ordinals = match key.as_str() {
                        "SHOULD" => None,
                        list => Some(ordinals(list).ok_or_else(|| {
                            fail("expected ordinals, as in \"1,3-5\", or \"SHOULD\"")
                        })?),
                    };
                    let reason = match reason.strip_prefix('@') {
                        Some(name) => reasons
                            .get(name)
                            .ok_or_else(|| fail("no such reason in [reasons]"))?,
                        None => reason,
                    };
                    excused.excuses.push(Excuse {
                        rfc: *rfc,
                        section: section.clone(),
                        ordinals,
                        rule: rule.clone(),
                        reason: reason.clone(),
                        line,
                    });
                }
                _ => {
                    return Err(fail(
                        "a section has one text or [rule, reason] for a key, [reasons] one text",
                    ));
                }
            }
        }
        Ok(excused)
    }
}

impl Table {
    fn parse(head: &str) -> Option<Self> {
        if head == "reasons" {
            return Some(Self::Reasons);
        }
        let name = head.strip_prefix("\"RFC ")?.strip_suffix('"')?;
        let (rfc, section) = name.split_once(' ')?;
        let section = section.strip_prefix('§')?;
        Some(Self::Section(rfc.parse().ok()?, section.to_owned()))
    }
}

/// `key = "text"` or `key = ["text", "text"]`, the key bare or a string.
fn entry(line: &str) -> Option<(String, Vec<String>)> {
    let (key, value) = line.split_once(" = ")?;
    let key = key
        .strip_prefix('"')
        .map_or(Some(key), |key| key.strip_suffix('"'))?;
    let mut rest = match value.strip_prefix('[') {
        Some(list) => list.strip_suffix(']')?,
        None => value,
    };
    let mut texts = Vec::new();
    loop {
        let (text, after) = string(rest)?;
        texts.push(text);
        if after.is_empty() {
            return Some((key.to_owned(), texts));
        }
        rest = after.strip_prefix(", ")?;
    }
}

/// A string without escapes but `\"`, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => {
                let (inside, after) = text.split_at(at);
                return Some((inside.replace("\\\"", "\""), after.strip_prefix('"')?));
            }
            _ => escaped = c == '\\',
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excuse_has_its_rule_and_its_reason() {
        let text = "# why\n[reasons]\nlater = \"not yet\"\n\n[\"RFC 7296 §1.3\"]\n\"1,3\" = [\"say \\\"no\\\"\", \"@later\"]\n\"SHOULD\" = [\"a\", \"b\"]\n\
                    [\"RFC 9370 §rules\"]\n\"1-2\" = \"one\"\n";
        let excused = Excused::parse("file", text).unwrap();
        let words = |ordinal| excused.words.get(&(9370, "rules".to_owned(), ordinal));
        assert_eq!(words(2).map(String::as_str), Some("one"));
        assert_eq!(words(3), None);
        let [first, second] = excused.excuses.as_slice() else {
            panic!("{:?}", excused.excuses);
        };
        assert_eq!(
            first,
            &Excuse {
                rfc: 7296,
                section: "1.3".to_owned(),
                ordinals: Some(vec![1, 3]),
                rule: "say \"no\"".to_owned(),
                reason: "not yet".to_owned(),
                line: 6,
            }
        );
        assert_eq!(second.ordinals, None);
    }

    #[test]
    fn what_has_no_form_is_named_by_its_line() {
        for (text, what) in [
            ("\n[other]", "file:2: expected [reasons]"),
            (
                "[\"RFC 7296 §1\"]\n\"1\" = [\"a\", \"b\", \"c\"]",
                "file:2: a section has",
            ),
            ("[\"RFC 9370 rules\"]", "file:1: expected [reasons]"),
            (
                "[\"RFC 7296 §1\"]\n\"x\" = [\"a\", \"b\"]",
                "file:2: expected ordinals",
            ),
            (
                "[\"RFC 7296 §1\"]\n\"1\" = [\"a\", \"@b\"]",
                "file:2: no such reason",
            ),
            ("[reasons]\na = b", "file:2: expected `key"),
        ] {
            let error = Excused::parse("file", text).unwrap_err().to_string();
            assert!(error.starts_with(what), "{error}");
        }
    }
}
