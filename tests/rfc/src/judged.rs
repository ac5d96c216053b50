//! Every requirement beside what is said of it.

use std::{collections::HashMap, path::Path};

use crate::{
    EXCUSED, Error, LIST, RULES, WORDS,
    annotation::{self, Annotation},
    counted::{Counted, Key, Level, level},
    excused::{Excuse, Excused},
    read,
};

/// A requirement, and what is said of it.
#[derive(Debug)]
pub struct Requirement {
    /// Which.
    pub key: Key,
    /// Its key word.
    pub word: String,
    /// The annotations of code.
    pub code: Vec<Annotation>,
    /// The annotations of tests.
    pub tests: Vec<Annotation>,
    /// Why it is not obeyed or not shown.
    pub excuse: Option<Excuse>,
    /// What is required, where no comment says enough.
    pub rule: Option<String>,
}

/// What a requirement came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Code obeys it and a test shows that.
    Covered,
    /// A reason stands in the place of the code, the test or both.
    Excused,
    /// Neither: to be judged.
    Open,
}

impl Requirement {
    /// What it came to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match (self.code.is_empty(), self.tests.is_empty(), &self.excuse) {
            (false, false, _) => Outcome::Covered,
            (_, _, Some(_)) => Outcome::Excused,
            _ => Outcome::Open,
        }
    }

    /// Whether it is a MUST or a SHOULD.
    #[must_use]
    pub fn level(&self) -> Level {
        level(&self.word).unwrap_or(Level::Must)
    }
}

/// The whole judgement.
#[derive(Debug)]
pub struct Judged {
    /// In the order of the list.
    pub requirements: Vec<Requirement>,
    /// What is wrong with annotations and excuses, each with its place.
    pub faults: Vec<String>,
}

impl Judged {
    /// Reads the list, the excuses and the annotations below `root`, the repository's folder.
    ///
    /// # Errors
    ///
    /// The [`Error`] of the file that cannot be understood.
    pub fn new(root: &Path) -> Result<Self, Error> {
        let words = Excused::parse(WORDS, &read(&root.join(WORDS))?)?;
        let excused = Excused::parse(EXCUSED, &read(&root.join(EXCUSED))?)?.and(words);
        let rules = excused.words.keys().filter(|(rfc, ..)| *rfc == RULES);
        let counted = Counted::parse(LIST, &read(&root.join(LIST))?, rules.count())?;
        Ok(Self::of(&counted, excused, annotation::all(root)?))
    }

    /// Puts the three together.
    #[must_use]
    pub fn of(counted: &Counted, excused: Excused, annotations: Vec<Annotation>) -> Self {
        let mut faults = Vec::new();
        let mut requirements: Vec<Requirement> = counted
            .iter()
            .map(|(key, word)| Requirement {
                rule: excused
                    .words
                    .get(&(key.rfc, key.section.clone(), key.ordinal))
                    .cloned(),
                key,
                word: word.to_owned(),
                code: Vec::new(),
                tests: Vec::new(),
                excuse: None,
            })
            .collect();
        let places: HashMap<Key, usize> = requirements
            .iter()
            .enumerate()
            .map(|(at, r)| (r.key.clone(), at))
            .collect();
        for (rfc, section, ordinal) in excused.words.into_keys() {
            let key = Key {
                rfc,
                section,
                ordinal,
            };
            if !places.contains_key(&key) {
                faults.push(format!("{WORDS}: there is no {key}"));
            }
        }
        for annotation in annotations {
            for key in &annotation.keys {
                match places.get(key).and_then(|at| requirements.get_mut(*at)) {
                    Some(requirement) if annotation.test => {
                        requirement.tests.push(annotation.clone())
                    }
                    Some(requirement) => requirement.code.push(annotation.clone()),
                    None => faults.push(format!(
                        "{}:{}: there is no {key}",
                        annotation.path, annotation.line
                    )),
                }
            }
        }
        for excuse in excused.excuses {
            let mut met = false;
            for requirement in &mut requirements {
                let key = &requirement.key;
                if key.rfc != excuse.rfc || key.section != excuse.section {
                    continue;
                }
                let covered = requirement.outcome() == Outcome::Covered;
                match &excuse.ordinals {
                    Some(ordinals) if !ordinals.contains(&key.ordinal) => continue,
                    Some(_) if covered => faults.push(format!(
                        "{EXCUSED}:{}: {key} is covered and needs no excuse",
                        excuse.line
                    )),
                    Some(_) if requirement.excuse.is_some() => {
                        faults.push(format!("{EXCUSED}:{}: {key} is excused twice", excuse.line))
                    }
                    None if covered
                        || requirement.excuse.is_some()
                        || requirement.level() == Level::Must =>
                    {
                        continue;
                    }
                    _ => {}
                }
                met = true;
                requirement.excuse = Some(excuse.clone());
            }
            let first = excuse.ordinals.iter().flatten().find(|ordinal| {
                let key = Key {
                    rfc: excuse.rfc,
                    section: excuse.section.clone(),
                    ordinal: **ordinal,
                };
                counted.word(&key).is_none()
            });
            if let Some(ordinal) = first {
                faults.push(format!(
                    "{EXCUSED}:{}: there is no RFC {} §{}#{ordinal}",
                    excuse.line, excuse.rfc, excuse.section
                ));
            } else if !met && excuse.ordinals.is_none() {
                faults.push(format!(
                    "{EXCUSED}:{}: no SHOULD of RFC {} §{} needs it",
                    excuse.line, excuse.rfc, excuse.section
                ));
            }
        }
        Self {
            requirements,
            faults,
        }
    }

    /// What is neither covered nor excused.
    pub fn open(&self) -> impl Iterator<Item = &Requirement> {
        self.requirements
            .iter()
            .filter(|r| r.outcome() == Outcome::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(excused: &str, files: &[(&str, &str)]) -> Judged {
        let excused = Excused::parse(EXCUSED, excused).unwrap();
        let counted = Counted::parse(LIST, "7296 2.1: MUST, MUST NOT, SHOULD\n", 0).unwrap();
        let annotations = files
            .iter()
            .flat_map(|(path, text)| annotation::of_file(path, text).unwrap());
        Judged::of(&counted, excused, annotations.collect())
    }

    fn outcomes(judged: &Judged) -> Vec<Outcome> {
        judged
            .requirements
            .iter()
            .map(Requirement::outcome)
            .collect()
    }

    #[test]
    fn code_and_test_together_cover_and_a_reason_excuses() {
        let files = [
            ("src/a.rs", "// RFC 7296 §2.1#1-2: so.\nfn a() {}\n"),
            ("tests/a.rs", "// RFC 7296 §2.1#1: so.\nfn a() {}\n"),
        ];
        let judged = judged("[\"RFC 7296 §2.1\"]\n\"SHOULD\" = [\"a\", \"b\"]\n", &files);
        assert_eq!(
            outcomes(&judged),
            [Outcome::Covered, Outcome::Open, Outcome::Excused]
        );
        assert_eq!(judged.faults, [""; 0]);
    }

    #[test]
    fn unknown_requirements_and_idle_excuses_are_faults() {
        let files = [
            ("src/a.rs", "// RFC 7296 §2.1#1,4: so.\nfn a() {}\n"),
            ("tests/a.rs", "// RFC 7296 §2.1#1: so.\nfn a() {}\n"),
        ];
        let excuses = "[\"RFC 7296 §2.1\"]\n\"1\" = [\"a\", \"b\"]\n\"2,9\" = [\"a\", \"b\"]\n\"2\" = [\"a\", \"b\"]\n[\"RFC 7296 §9\"]\n\"SHOULD\" = [\"a\", \"b\"]\n";
        let judged = judged(excuses, &files);
        assert_eq!(
            judged.faults,
            [
                "src/a.rs:1: there is no RFC 7296 §2.1#4",
                "docs/rfc/excused.toml:2: RFC 7296 §2.1#1 is covered and needs no excuse",
                "docs/rfc/excused.toml:3: there is no RFC 7296 §2.1#9",
                "docs/rfc/excused.toml:4: RFC 7296 §2.1#2 is excused twice",
                "docs/rfc/excused.toml:6: no SHOULD of RFC 7296 §9 needs it",
            ]
        );
    }
}
