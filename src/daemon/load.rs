//! From a configuration file to a plan: read, parsed, resolved, its actions carried out, compiled.
//! Nothing of a file with an error is applied.

use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use ironflex_profiles::{
    Candidate, Diagnostic, Severity, Snapshot,
    model::{
        Action,
        interface::{DeviceName, InterfaceName},
        name::FileName,
    },
    render, resolve,
};

use super::compile::{CompileError, Plan, compile};
use crate::{
    clock,
    pki::{ImportFailure, Imported, Store, import_pkcs12, pem},
};

/// The longest configuration file, in octets.
const MAX_CONFIG: u64 = 64 << 20;

/// The longest file on bootflash, in octets.
const MAX_BOOTFLASH: u64 = 16 << 20;

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The text has errors, each already rendered with its line and caret.
    #[error("{text}{errors} error(s) in {source_name}: nothing of it was applied")]
    Text {
        /// The file.
        source_name: String,
        /// The diagnostics.
        text: String,
        /// How many of them are errors.
        errors: usize,
    },
    /// `crypto pki import` failed.
    #[error("crypto pki import {trustpoint} pkcs12 {file}: {error}")]
    Import {
        /// The trustpoint.
        trustpoint: String,
        /// The file.
        file: String,
        /// Why.
        error: ImportFailure,
    },
    /// `crypto pki authenticate` failed.
    #[error("crypto pki authenticate {trustpoint} pem {file}: {error}")]
    Authenticate {
        /// The trustpoint.
        trustpoint: String,
        /// The file.
        file: String,
        /// Why.
        error: String,
    },
    /// It cannot be put to work.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// A text that is free of errors.
pub struct Checked {
    /// What the lines say.
    pub candidate: Candidate,
    /// What they mean together.
    pub snapshot: Snapshot,
    /// Warnings, rendered.
    pub warnings: Vec<String>,
}

/// Reads a file of bounded size.
///
/// # Errors
///
/// [`LoadError::Read`].
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    use std::io::Read;
    let read = || {
        let mut octets = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(limit.saturating_add(1))
            .read_to_end(&mut octets)?;
        if octets.len() as u64 > limit {
            return Err(io::Error::other(format!("longer than {limit} octets")));
        }
        Ok(octets)
    };
    read().map_err(|error| LoadError::Read {
        path: path.to_owned(),
        error,
    })
}

/// Parses and resolves a configuration file; opens no other file.
///
/// # Errors
///
/// [`LoadError::Read`] and [`LoadError::Text`].
pub fn check(path: &Path, devices: &[(InterfaceName, DeviceName)]) -> Result<Checked, LoadError> {
    let octets = read_bounded(path, MAX_CONFIG)?;
    let text = String::from_utf8_lossy(&octets);
    let source_name = path.display().to_string();
    let checked = ironflex_profiles::check(&text, &source_name);
    let mut candidate = checked.candidate;
    let mut diagnostics = checked.diagnostics;
    let mut snapshot = checked.snapshot;
    if snapshot.is_some() && !devices.is_empty() {
        for (interface, device) in devices {
            candidate.tie_device(interface.clone(), device.clone());
        }
        match resolve(&candidate) {
            Ok(tied) => snapshot = Some(tied),
            Err(errors) => diagnostics.extend(errors),
        }
    }
    let errors = diagnostics.iter().filter(|one| is_error(one)).count();
    match snapshot {
        Some(snapshot) if errors == 0 => Ok(Checked {
            candidate,
            snapshot,
            warnings: diagnostics.iter().map(|one| one.render(&text)).collect(),
        }),
        _ => {
            let mut rendered = String::new();
            for diagnostic in &diagnostics {
                let _ = writeln!(rendered, "{}", diagnostic.render(&text));
            }
            Err(LoadError::Text {
                source_name,
                text: rendered,
                errors,
            })
        }
    }
}

fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error
}

/// Carries out the file's actions and compiles it. Returns the plan, the running configuration, and
/// lines for the log.
///
/// # Errors
///
/// [`LoadError`].
pub fn apply(
    checked: Checked,
    store: &Store,
    bootflash: &Path,
) -> Result<(Plan, String, Vec<String>), LoadError> {
    let mut lines = checked.warnings;
    for action in &checked.candidate.actions {
        lines.extend(carry_out(&action.value, store, bootflash)?);
    }
    let running_config = render(&checked.candidate);
    let plan = compile(Arc::new(checked.snapshot), store)?;
    Ok((plan, running_config, lines))
}

/// Where a file name of the configuration leads.
fn on_bootflash(file: &FileName, bootflash: &Path) -> PathBuf {
    bootflash.join(file.path())
}

fn carry_out(action: &Action, store: &Store, bootflash: &Path) -> Result<Vec<String>, LoadError> {
    match action {
        Action::ImportPkcs12 {
            trustpoint,
            file,
            password,
        } => {
            let path = on_bootflash(file, bootflash);
            let octets = read_bounded(&path, MAX_BOOTFLASH)?;
            import(
                store,
                trustpoint.as_str(),
                &path,
                &octets,
                password.reveal(),
            )
        }
        Action::Authenticate { trustpoint, file } => {
            let path = on_bootflash(file, bootflash);
            let octets = read_bounded(&path, MAX_BOOTFLASH)?;
            let failed = |error: String| LoadError::Authenticate {
                trustpoint: trustpoint.to_string(),
                file: path.display().to_string(),
                error,
            };
            let authorities =
                pem::read_pem_certificates(&octets).map_err(|error| failed(error.to_string()))?;
            let done = store
                .authenticate(trustpoint.as_str(), authorities)
                .map_err(|error| failed(error.to_string()))?;
            Ok(said(trustpoint.as_str(), done, "authorities")
                .into_iter()
                .collect())
        }
    }
}

/// Imports a PKCS#12 file into a trustpoint. Returns lines for the log.
///
/// # Errors
///
/// [`LoadError::Import`].
pub fn import(
    store: &Store,
    trustpoint: &str,
    path: &Path,
    octets: &[u8],
    password: &str,
) -> Result<Vec<String>, LoadError> {
    let import = import_pkcs12(store, trustpoint, octets, password, clock::wall_clock()).map_err(
        |error| LoadError::Import {
            trustpoint: trustpoint.to_owned(),
            file: path.display().to_string(),
            error,
        },
    )?;
    let mut lines: Vec<String> = said(trustpoint, import.imported, "certificate and key")
        .into_iter()
        .collect();
    lines.extend(
        import
            .warnings
            .iter()
            .map(|one| format!("trustpoint {trustpoint}: {one}")),
    );
    Ok(lines)
}

fn said(trustpoint: &str, imported: Imported, what: &str) -> Option<String> {
    match imported {
        Imported::New => Some(format!("trustpoint {trustpoint}: {what} imported")),
        Imported::Replaced => Some(format!("trustpoint {trustpoint}: {what} replaced")),
        Imported::Unchanged => None,
    }
}
