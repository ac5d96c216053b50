//! Both readings of a file at once: its lines, and what they mean together.
//!
//! A line that is refused leaves a hole, and what it would have defined is then missing elsewhere.
//! Such consequences are left out, so that every fault is told of once, where it is.

use alloc::{string::String, vec::Vec};

use crate::{
    error::{Diagnostic, Fault, Severity, Span},
    model::{
        Candidate,
        interface::{DeviceName, InterfaceName},
    },
    parse::parse,
    resolve::{resolve, vain_addresses},
    snapshot::Snapshot,
};

/// A file read and judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checked {
    /// What its lines without fault say.
    pub candidate: Candidate,
    /// The configuration, if nothing of it is an error.
    pub snapshot: Option<Snapshot>,
    /// Every fault, errors and warnings, in the order of the lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a configuration file and judges it as a whole. `source_name` is how diagnostics name it.
///
/// Nobody asks a machine what addresses its devices have: lines that give them one are told of in any case.
pub fn check(text: &str, source_name: &str) -> Checked {
    let mut checked = check_tied(text, source_name, &[]);
    let vain = vain_addresses(&checked.candidate);
    checked.diagnostics.extend(vain);
    sort(&mut checked.diagnostics);
    checked
}

/// The same with interfaces that something else than their lines ties to devices, as [`Candidate::tie_device`] does, and for
/// who knows the machine.
pub fn check_tied(
    text: &str,
    source_name: &str,
    devices: &[(InterfaceName, DeviceName)],
) -> Checked {
    let mut parsed = parse(text, source_name);
    for (interface, device) in devices {
        parsed
            .candidate
            .tie_device(interface.clone(), device.clone());
    }
    let clean = parsed.is_clean();
    let (snapshot, meaning) = match resolve(&parsed.candidate) {
        Ok(snapshot) => {
            let warnings = snapshot.warnings.clone();
            (Some(snapshot).filter(|_| clean), warnings)
        }
        Err(faults) => (None, faults),
    };
    let holes = Holes::of(text, &parsed.diagnostics, &parsed.damaged);
    let mut diagnostics = parsed.diagnostics;
    diagnostics.extend(
        meaning
            .into_iter()
            .filter(|fault| !holes.explain(text, fault)),
    );
    sort(&mut diagnostics);
    Checked {
        candidate: parsed.candidate,
        snapshot,
        diagnostics,
    }
}

fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|fault| (fault.at.line, fault.at.column));
}

/// What the refused lines of a text leave open.
struct Holes<'a> {
    /// The words of the refused lines.
    words: Vec<Vec<&'a str>>,
    /// Where the objects begin whose lines were refused.
    damaged: &'a [Span],
}

impl<'a> Holes<'a> {
    fn of(text: &'a str, faults: &[Diagnostic], damaged: &'a [Span]) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let refused = faults
            .iter()
            .filter(|fault| fault.severity == Severity::Error);
        let words = refused.filter_map(|fault| {
            let line = lines.get(fault.at.line.checked_sub(1)? as usize)?;
            Some(line.split_whitespace().collect())
        });
        Self {
            words: words.collect(),
            damaged,
        }
    }

    /// Whether a fault of the whole is but a consequence of refused lines.
    fn explain(&self, text: &str, fault: &Diagnostic) -> bool {
        match fault.fault {
            // The refused line may be the one that defines the name.
            Fault::Dangling => {
                let name = at(text, &fault.at);
                self.words.iter().flatten().any(|word| *word == name)
            }
            // The refused line may be the one that is missing.
            Fault::Incomplete => {
                let related = fault.related.as_ref().map(|(at, _)| at);
                let inside = self
                    .damaged
                    .iter()
                    .any(|at| *at == fault.at || Some(at) == related);
                inside || self.words.iter().any(|words| begins_like(words, fault))
            }
            _ => false,
        }
    }
}

/// Whether a missing line and a refused one begin with the same word.
fn begins_like(words: &[&str], fault: &Diagnostic) -> bool {
    let lines = fault
        .expected
        .iter()
        .filter_map(|line| line.split_once(' '));
    lines
        .map(|(first, _)| Some(first))
        .any(|first| first == words.first().copied())
}

/// The text of a place.
fn at(text: &str, at: &Span) -> String {
    let line = at
        .line
        .checked_sub(1)
        .and_then(|index| text.lines().nth(index as usize));
    let line = line.unwrap_or_default();
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    line.chars()
        .skip(at.column.saturating_sub(1) as usize)
        .take(at.len as usize)
        .collect()
}
