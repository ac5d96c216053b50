//! The committed corpora, read.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]

use std::{fs, path::Path};

/// Hands every input of a folder to a body, and says which one a body ended at.
pub(crate) fn replay(folder: &Path, body: fn(&[u8])) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{}: no input", folder.display());
    for path in inputs {
        let octets = fs::read(&path).unwrap();
        if std::panic::catch_unwind(|| body(&octets)).is_err() {
            panic!("this input ended it: {}", path.display());
        }
    }
}
