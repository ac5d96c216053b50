//! Comments that link code and tests to what they obey and show.
//!
//! ```text
//! // RFC 7296 §2.1#4: the answer is kept, in our own words.
//! // RFC 7296 §2.8#6, §1.3#1-2, RFC 4303 §2.1#1: several at once.
//! ```
//!
//! An annotation begins a comment, or a sentence of one, with an RFC, and has an ordinal behind `#` for each section; a reference
//! without ordinals is prose and claims nothing. Its words run to the end of the sentence. It belongs to the item that it stands
//! over, else to the one that it stands in. In a folder `tests`, a file `tests.rs` or a module `tests` it is a test's.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Error, counted::Key, ordinals, read};

/// The folders that are read.
const FOLDERS: [&str; 6] = ["src", "ikev2", "eap", "xfrm", "profiles", "tests"];

/// This crate, whose comments tell what annotations look like.
const OWN: &str = "tests/rfc/";

/// One comment's claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// What it is about.
    pub keys: Vec<Key>,
    /// What is required, in our own words.
    pub words: String,
    /// The file, from the root of the repository, with `/` between folders.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The item, as a name to look for; empty in a file that has none.
    pub item: String,
    /// Whether it is a test's.
    pub test: bool,
}

/// Every annotation of the repository, in the order of the files' names.
///
/// # Errors
///
/// [`Error::File`] for what cannot be read, [`Error::Line`] for an annotation that has not its form.
pub fn all(root: &Path) -> Result<Vec<Annotation>, Error> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for path in files(&root.join(folder))? {
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = name.to_string_lossy().replace('\\', "/");
            if !name.starts_with(OWN) {
                found.extend(of_file(&name, &read(&path)?)?);
            }
        }
    }
    Ok(found)
}

/// The files below a folder that may hold annotations, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = |source| Error::File {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        if entry.file_type().map_err(fail)?.is_dir() {
            found.extend(files(&path)?);
        } else if path
            .extension()
            .is_some_and(|kind| kind == "rs" || kind == "sh" || kind == "toml")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The annotations of one file.
///
/// # Errors
///
/// [`Error::Line`].
pub fn of_file(path: &str, text: &str) -> Result<Vec<Annotation>, Error> {
    let lines: Vec<&str> = text.lines().collect();
    let marker = if path.ends_with(".rs") { "//" } else { "#" };
    let tests_begin = lines
        .iter()
        .position(|line| line.trim() == "mod tests {")
        .unwrap_or(usize::MAX);
    let of_tests = path
        .split('/')
        .any(|part| part == "tests" || part.ends_with("tests.rs"));
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(comment) = comment(line, marker) else {
            continue;
        };
        for (begin, _) in comment.match_indices("RFC ") {
            let sentence = comment.get(begin..).unwrap_or_default();
            let before = comment.get(..begin).unwrap_or_default();
            if !(before.is_empty() || before.ends_with(". ")) || !sentence.contains('#') {
                continue;
            }
            let following = lines
                .iter()
                .skip(at.saturating_add(1))
                .map_while(|line| self::comment(line, marker));
            let mut whole = sentence.to_owned();
            for more in following {
                whole.push(' ');
                whole.push_str(more);
            }
            let number = at.saturating_add(1);
            let claim = claim(&whole).map_err(|what| Error::Line {
                path: path.to_owned(),
                line: number,
                what: what.to_owned(),
            })?;
            let Some((keys, words)) = claim else { continue };
            found.push(Annotation {
                keys,
                words,
                path: path.to_owned(),
                line: number,
                item: item(&lines, at, marker),
                test: of_tests || at > tests_begin,
            });
        }
    }
    Ok(found)
}

/// What a comment line says; `None` for another line.
fn comment<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    let rest = line.trim_start().strip_prefix(marker)?;
    let rest = if marker == "//" {
        rest.trim_start_matches(['/', '!'])
    } else {
        rest
    };
    Some(rest.trim())
}

/// Reads `RFC N §S#O, §S#O, RFC N §S#O: words.`; `None` for a reference in prose.
fn claim(text: &str) -> Result<Option<(Vec<Key>, String)>, &'static str> {
    let Some((head, words)) = text.split_once(": ") else {
        return Ok(None);
    };
    let mut rfc = None;
    let mut keys = Vec::new();
    let mut prose = false;
    for part in head.split(", ").flat_map(|part| part.split(" and ")) {
        let part = match part
            .strip_prefix("RFC ")
            .and_then(|rest| rest.split_once(' '))
        {
            Some((number, rest)) => {
                rfc = number.parse().ok();
                rest
            }
            None => part,
        };
        let (Some(rfc), Some(section)) = (rfc, part.strip_prefix('§')) else {
            prose = true;
            continue;
        };
        // A section without ordinals is named for the reader alone.
        let Some((section, list)) = section.split_once('#') else {
            continue;
        };
        let ordinals = ordinals(list).ok_or("expected ordinals behind `#`, as in `#1,3-5`")?;
        keys.extend(ordinals.into_iter().map(|ordinal| Key {
            rfc,
            section: section.to_owned(),
            ordinal,
        }));
    }
    match (keys.is_empty(), prose) {
        (true, _) => Ok(None),
        (false, true) => Err("expected `RFC NUMBER §SECTION#ORDINALS, §SECTION#ORDINALS: words`"),
        (false, false) => Ok(Some((keys, sentence(words)))),
    }
}

/// The first sentence, without its full stop.
fn sentence(words: &str) -> String {
    let end = words.match_indices(". ").map(|(at, _)| at).find(|at| {
        let before = words.get(..*at).unwrap_or_default();
        !before.ends_with("e.g") && !before.ends_with("i.e")
    });
    let first = end.and_then(|end| words.get(..end)).unwrap_or(words).trim();
    first.strip_suffix('.').unwrap_or(first).to_owned()
}

/// The item that the comment at line `at` stands over, else the one that it stands in.
fn item(lines: &[&str], at: usize, marker: &str) -> String {
    let indent = |line: &str| line.len().saturating_sub(line.trim_start().len());
    let below = lines
        .iter()
        .skip(at)
        .find(|line| comment(line, marker).is_none() && !line.trim_start().starts_with("#["));
    if let Some(name) = below.and_then(|line| named(line)) {
        return name;
    }
    let mut depth = lines.get(at).map_or(0, |line| indent(line));
    for line in lines.iter().take(at).rev() {
        if line.trim().is_empty() || indent(line) >= depth || comment(line, marker).is_some() {
            continue;
        }
        // What is declared over several lines begins before its closing parenthesis.
        if line.trim_start().starts_with(')') || line.trim() == "where" {
            continue;
        }
        depth = indent(line);
        if let Some(name) = named(line) {
            return name;
        }
    }
    String::new()
}

/// The name of the item that a line declares, in Rust or in the shell.
fn named(line: &str) -> Option<String> {
    let line = line.trim_start();
    let identifier = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '-')
            .collect()
    };
    if let Some((name, rest)) = line.split_once("()")
        && rest.trim_start().starts_with(['{', '('])
        && identifier(name) == name
    {
        return Some(name.to_owned());
    }
    if let Some(name) = line.strip_prefix("name = \"") {
        return Some(identifier(name));
    }
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "fn" | "struct" | "enum" | "const" | "static" | "trait" | "type" | "mod"
            | "macro_rules!" => {
                let name = words.next().unwrap_or_default();
                match name {
                    "fn" => return words.next().map(identifier),
                    name => return Some(identifier(name)),
                }
            }
            "impl" | "impl<'a>" => {
                let rest: Vec<&str> = words.take_while(|word| *word != "{").collect();
                let of = rest
                    .iter()
                    .rposition(|word| *word == "for")
                    .map_or(0, |at| at.saturating_add(1));
                return rest.get(of).map(|name| identifier(name));
            }
            "async" | "unsafe" => {}
            word if word.starts_with("pub") || word.starts_with("in") || word.ends_with(')') => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(annotation: &Annotation) -> Vec<String> {
        annotation.keys.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_annotation_names_requirements_words_and_item() {
        let text = "impl Window {\n    /// Prose (RFC 7296 §2.3).\n    // RFC 7296 §2.1#4,6, RFC 4303 §2.1#1: the answer is kept\n    // whole. More.\n    \
                    #[inline]\n    pub(crate) fn keep(&self) {\n        // RFC 7296 §2.2#1: same.\n        let x = 1;\n    }\n}\n";
        let found = of_file("ikev2/src/window.rs", text).unwrap();
        let [first, second] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            keys(first),
            ["RFC 7296 §2.1#4", "RFC 7296 §2.1#6", "RFC 4303 §2.1#1"]
        );
        assert_eq!(first.words, "the answer is kept whole");
        assert_eq!((first.item.as_str(), first.test), ("keep", false));
        assert_eq!((second.item.as_str(), second.line), ("keep", 7));
    }

    #[test]
    fn a_function_may_be_declared_over_several_lines() {
        let text = "impl A {\n    pub(crate) fn b(\n        &self,\n    ) -> C {\n        if d {\n            // RFC 7296 §2.1#4: so.\n            e();\n";
        let found = of_file("a.rs", text).unwrap();
        assert!(
            found.iter().all(|annotation| annotation.item == "b"),
            "{found:?}"
        );
    }

    #[test]
    fn a_module_of_tests_and_a_folder_of_tests_hold_tests() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    // RFC 7296 §1#1: so.\n    #[test]\n    fn it_is_so() {}\n}\n";
        let found = of_file("ikev2/src/a.rs", text).unwrap();
        assert!(
            found
                .iter()
                .all(|annotation| annotation.test && annotation.item == "it_is_so")
        );
        let shell = "# RFC 3948 §2.1#1: so.\ncarries_udp() {\n  true\n}\n";
        let found = of_file("tests/lab/a.sh", shell).unwrap();
        assert!(
            found
                .iter()
                .all(|annotation| annotation.test && annotation.item == "carries_udp")
        );
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn prose_claims_nothing_and_a_broken_claim_is_named() {
        assert_eq!(
            of_file(
                "a.rs",
                "// RFC 7296 §2.1: words.\n// See RFC 7296 §2.1#1: no.\n"
            )
            .unwrap(),
            []
        );
        for bad in [
            "// RFC 7296 §2.1#x: words.\n",
            "// RFC 7296 §2.1#1 with more: words.\n",
            "// RFC 7296 §2.1#1, 2.2#1: words.\n",
        ] {
            assert!(of_file("a.rs", bad).is_err(), "{bad}");
        }
    }
}
