//! Requirements, counted from the texts and committed as a list of numbers.

use std::{fmt, path::Path};

use crate::{Error, RFCS, RULES, read};

/// The key words (RFC 2119), longer ones first.
const KEY_WORDS: [(&str, Level); 9] = [
    ("MUST NOT", Level::Must),
    ("MUST", Level::Must),
    ("SHALL NOT", Level::Must),
    ("SHALL", Level::Must),
    ("REQUIRED", Level::Must),
    ("SHOULD NOT", Level::Should),
    ("SHOULD", Level::Should),
    ("NOT RECOMMENDED", Level::Should),
    ("RECOMMENDED", Level::Should),
];

/// How much a key word asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// MUST, SHALL, REQUIRED and their negations.
    Must,
    /// SHOULD, RECOMMENDED and their negations.
    Should,
}

/// The level of a key word; `None` if it is none.
#[must_use]
pub fn level(word: &str) -> Option<Level> {
    KEY_WORDS
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, level)| *level)
}

/// Which requirement: RFC, section, and the ordinal of the key word among those of the section, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The RFC's number.
    pub rfc: u16,
    /// The section, as in `2.21.4`, or an appendix, as in `A`.
    pub section: String,
    /// Counted over all key words of the section.
    pub ordinal: u16,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RFC {} §{}#{}", self.rfc, self.section, self.ordinal)
    }
}

/// The key words of each section, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    rfc: u16,
    name: String,
    words: Vec<String>,
}

impl Counted {
    /// Counts the texts `rfcNNNN.txt` in a folder.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for a text that cannot be read.
    pub fn from_texts(folder: &Path) -> Result<Self, Error> {
        let mut counted = Self::default();
        for (rfc, _) in RFCS {
            if rfc != RULES {
                counted.count(rfc, &read(&folder.join(format!("rfc{rfc}.txt")))?);
            }
        }
        Ok(counted)
    }

    fn count(&mut self, rfc: u16, text: &str) {
        let mut name = String::from("front");
        let mut paragraph = String::new();
        let mut words: Vec<String> = Vec::new();
        for line in without_pages(text).into_iter().chain([""]) {
            let heading = heading(line);
            if (line.trim().is_empty() || heading.is_some()) && !paragraph.is_empty() {
                words.extend(key_words(&paragraph));
                paragraph.clear();
            }
            if let Some(next) = heading {
                self.add(rfc, &name, &mut words);
                name = next;
            } else if !line.trim().is_empty() {
                paragraph.push_str(line.trim());
                paragraph.push(' ');
            }
        }
        self.add(rfc, &name, &mut words);
    }

    fn add(&mut self, rfc: u16, name: &str, words: &mut Vec<String>) {
        if !words.is_empty() {
            self.sections.push(Section {
                rfc,
                name: name.to_owned(),
                words: std::mem::take(words),
            });
        }
    }

    /// Reads the committed list back, and adds so many rules for the RFC whose text is not at hand.
    ///
    /// # Errors
    ///
    /// [`Error::Line`] for a line that is no section of the list.
    pub fn parse(path: &str, list: &str, rules: usize) -> Result<Self, Error> {
        let mut counted = Self::default();
        for (line, text) in list.lines().enumerate() {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let section = Section::parse(text).ok_or_else(|| Error::Line {
                path: path.to_owned(),
                line: line.saturating_add(1),
                what: "expected `RFC SECTION: KEY WORD, KEY WORD, …`".to_owned(),
            })?;
            counted.sections.push(section);
        }
        let mut words = vec!["MUST".to_owned(); rules];
        counted.add(RULES, "rules", &mut words);
        Ok(counted)
    }

    /// Every requirement with its key word, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &str)> {
        self.sections.iter().flat_map(|section| {
            (1..).zip(&section.words).map(|(ordinal, word)| {
                let key = Key {
                    rfc: section.rfc,
                    section: section.name.clone(),
                    ordinal,
                };
                (key, word.as_str())
            })
        })
    }

    /// The key word of one; `None` if there is no such requirement.
    #[must_use]
    pub fn word(&self, key: &Key) -> Option<&str> {
        let section = self
            .sections
            .iter()
            .find(|section| section.rfc == key.rfc && section.name == key.section)?;
        let index = usize::from(key.ordinal).checked_sub(1)?;
        section.words.get(index).map(String::as_str)
    }
}

impl Section {
    fn parse(line: &str) -> Option<Self> {
        let (head, words) = line.split_once(": ")?;
        let (rfc, name) = head.split_once(' ')?;
        let words: Vec<String> = words.split(", ").map(str::to_owned).collect();
        words.iter().try_for_each(|word| level(word).map(drop))?;
        Some(Self {
            rfc: rfc.parse().ok()?,
            name: name.to_owned(),
            words,
        })
    }
}

/// The committed form: a line for each section that requires anything.
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# The key words of RFC 2119 in each section, in the order of the text: what docs/rfc.md has to account for.\n\
             # Counted from the texts by `cargo run -p ironflex-rfc -- count FOLDER`; paragraphs that explain the key words are left out."
        )?;
        for section in &self.sections {
            writeln!(
                f,
                "{} {}: {}",
                section.rfc,
                section.name,
                section.words.join(", ")
            )?;
        }
        Ok(())
    }
}

/// The lines without the heads and feet of pages, nor the blank ones around them: a sentence may run on over them.
fn without_pages(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    let mut between = false;
    for line in text.split(['\n', '\u{c}']).map(str::trim_end) {
        let year = line.rsplit(' ').next().unwrap_or_default();
        if line.ends_with(']') && line.contains("[Page ") {
            while lines.last().is_some_and(|last| last.is_empty()) {
                lines.pop();
            }
            between = true;
        } else if line.starts_with("RFC ") && year.len() == 4 && year.parse::<u16>().is_ok() {
            between = true;
        } else if !(between && line.is_empty()) {
            between = false;
            lines.push(line);
        }
    }
    lines
}

/// The number of the section that a line begins; `None` if it begins none.
fn heading(line: &str) -> Option<String> {
    // A table of contents leads to its page numbers with dots.
    if line.contains("...") || line.contains(". .") {
        return None;
    }
    let (first, rest) = line.split_once(' ')?;
    if let ("Appendix", Some(letter)) = (first, rest.get(..1)) {
        let ends = rest
            .get(1..)
            .is_none_or(|rest| !rest.starts_with(char::is_alphanumeric));
        return (ends && letter.starts_with(|c: char| c.is_ascii_uppercase()))
            .then(|| letter.to_owned());
    }
    let number = first.strip_suffix('.').unwrap_or(first);
    let mut parts = number.split('.');
    let top = parts.next()?;
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let letter =
        top.len() == 1 && top.starts_with(|c: char| c.is_ascii_uppercase()) && number.contains('.');
    ((numeric(top) || letter) && parts.all(numeric) && !rest.trim().is_empty())
        .then(|| number.to_owned())
}

/// The key words of a paragraph; none of one that explains them.
fn key_words(paragraph: &str) -> Vec<String> {
    let mut found = Vec::new();
    let explains = ["key words", "keywords", "\"must\"", "\"should\""];
    let lower = paragraph.to_lowercase();
    if explains.iter().any(|word| lower.contains(word)) {
        return found;
    }
    let mut rest = paragraph;
    let mut before = None;
    while let Some(here) = rest.chars().next() {
        let of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let word = KEY_WORDS
            .iter()
            .filter(|_| !of_word(before))
            .find(|(word, _)| {
                rest.strip_prefix(word)
                    .is_some_and(|after| !of_word(after.chars().next()))
            });
        let length = match word {
            Some((word, _)) => {
                found.push((*word).to_owned());
                word.len()
            }
            None => here.len_utf8(),
        };
        let (taken, left) = rest.split_at(length);
        before = taken.chars().next_back();
        rest = left;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> String {
        let mut counted = Counted::default();
        counted.count(7296, text);
        let text = counted.to_string();
        text.lines().skip(2).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn key_words_are_counted_by_section_across_lines_and_pages() {
        let text = "1.  Head\n\n   One MUST\n   NOT a, MUSTARD b.\n\nName   Standards Track   [Page 1]\n\u{c}\nRFC 7296   IKEv2bis   October 2014\n\n   \
                    It SHOULD c.\n\n2.1.  Next\n\n   NOT RECOMMENDED, REQUIRED.\n\nAppendix A.  Last\n\n   SHALL\n";
        assert_eq!(
            counted(text),
            "7296 1: MUST NOT, SHOULD\n7296 2.1: NOT RECOMMENDED, REQUIRED\n7296 A: SHALL"
        );
    }

    #[test]
    fn what_explains_the_key_words_is_no_requirement() {
        assert_eq!(
            counted("1. Words\n\n   The key words MUST, SHOULD\n\n   the term \"MUST\" MUST\n"),
            ""
        );
    }

    #[test]
    fn a_table_of_contents_begins_no_section() {
        assert_eq!(
            counted("1. Real\n\n2.1. Head . . . . 3\n3. Head ...... 4\n   MUST\n"),
            "7296 1: MUST"
        );
    }

    #[test]
    fn the_list_reads_back_as_it_was_written() {
        let mut counted = Counted::default();
        counted.count(7296, "2.1. Head\n\n   MUST SHOULD NOT\n");
        let read = Counted::parse("list", &counted.to_string(), 0).unwrap();
        assert_eq!(read, counted);
        let bad = Counted::parse("list", "7296 2.1: MAY\n", 0).unwrap_err();
        assert_eq!(
            bad.to_string(),
            "list:1: expected `RFC SECTION: KEY WORD, KEY WORD, …`"
        );
    }
}
