//! What the RFCs require, the code that obeys it and the tests that show it.
//!
//! ```text
//!   texts ──count──▶ docs/rfc/counted.txt ─┐
//!   comments of code and tests ────────────┼─▶ docs/rfc.md
//!   docs/rfc/{excused,words}.toml ─────────┘
//! ```
//!
//! A requirement is a key word in capitals: it is known by RFC, section and its ordinal among the key words of that section. The
//! texts are no part of the repository, nor are their sentences: the list holds numbers and key words alone, and what is required
//! stands in our own words where it is obeyed, as in `// RFC 7296 §2.1#4: the answer is kept.`
//! ([`annotation`] has the form).

pub mod annotation;
pub mod counted;
pub mod excused;
pub mod judged;
pub mod table;

use std::path::{Path, PathBuf};

/// The RFCs whose requirements are counted, in the order of the table, each with its title in short. RFC 9370's text is not at
/// hand: its rules are ours, and stand in [`RULES`].
pub const RFCS: [(u16, &str); 12] = [
    (7296, "IKEv2"),
    (7383, "IKEv2 fragmentation"),
    (4303, "ESP"),
    (3948, "ESP in UDP"),
    (4555, "MOBIKE"),
    (5685, "redirect"),
    (6023, "childless initiation"),
    (6290, "quick crash detection"),
    (7427, "signatures"),
    (8784, "post-quantum pre-shared keys"),
    (9242, "intermediate exchange"),
    (9370, "multiple key exchanges"),
];

/// The RFC that is listed by rules of our own.
pub const RULES: u16 = 9370;

/// The committed list of requirements.
pub const LIST: &str = "docs/rfc/counted.txt";

/// The committed reasons for what is not obeyed or not shown.
pub const EXCUSED: &str = "docs/rfc/excused.toml";

/// The committed words for requirements of which no comment says enough by itself.
pub const WORDS: &str = "docs/rfc/words.toml";

/// The generated table.
pub const TABLE: &str = "docs/rfc.md";

/// Something that keeps the table from being made: a file, the line in it where one is to blame, and what is wrong there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line that does not have its form.
    #[error("{path}:{line}: {what}")]
    Line {
        /// In which file, from the root of the repository.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What was expected there.
        what: String,
    },
}

/// The text of a file.
///
/// # Errors
///
/// [`Error::File`] if it is not there, cannot be read or is no UTF-8.
pub fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// The numbers that `text` lists, as in `1,3-5`; `None` if it is no such list, or not an ascending one.
pub(crate) fn ordinals(text: &str) -> Option<Vec<u16>> {
    let mut all: Vec<u16> = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u16 = first.parse().ok()?;
        let last = last.parse().ok()?;
        if first > last || first <= all.last().copied().unwrap_or(0) {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_single_or_ranges_and_ascend() {
        assert_eq!(ordinals("1,3-5"), Some(vec![1, 3, 4, 5]));
        for bad in ["", "0", "2,1", "3-2", "1,", "a", "1 2"] {
            assert_eq!(ordinals(bad), None, "{bad}");
        }
    }
}
