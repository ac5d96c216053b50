//! From a configuration file to a plan: read, parsed, resolved, its actions carried out, compiled.
//! Nothing of a file with an error is applied.

mod refusal;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use ironflex_profiles::{
    Candidate, Diagnostic, Severity, Snapshot, Span,
    model::{
        Action,
        interface::{DeviceName, InterfaceName},
        name::FileName,
    },
    snapshot::Profile,
};

use zeroize::Zeroizing;

use super::compile::{CompileError, Plan, compile};
use crate::{
    clock, files,
    pki::{
        AuthenticationFailure, ImportFailure, Imported, Store, StoreError, authenticate_pem,
        import_pkcs12,
    },
};

/// The longest configuration file, in octets.
pub const MAX_CONFIG: u64 = 16 << 20;

/// The longest file on bootflash, in octets.
pub const MAX_BOOTFLASH: u64 = 16 << 20;

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
    /// There are octets in the file that are no text: another line than the one that is meant must not come of them.
    #[error("{}:{line}:{column}: error: this octet is no UTF-8 text", path.display())]
    NoText {
        /// Which.
        path: PathBuf,
        /// The line of the first one, from 1.
        line: usize,
        /// Its column, from 1.
        column: usize,
    },
    /// The text has errors, each already rendered with its line and caret.
    #[error("{text}{errors} error(s) in {source_name}")]
    Text {
        /// The file.
        source_name: String,
        /// The diagnostics.
        text: String,
        /// How many of them are errors.
        errors: usize,
    },
    /// A line of the configuration that is carried out at the start failed.
    #[error("{at}: error: {error}")]
    Action {
        /// The line.
        at: Span,
        /// Why.
        error: Box<Self>,
    },
    /// A file on bootflash cannot be read.
    #[error("{error} (bootflash: is {}; --bootflash names another folder)", folder.display())]
    Bootflash {
        /// What bootflash means.
        folder: PathBuf,
        /// Why.
        error: Box<Self>,
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
        error: Box<AuthenticationFailure>,
    },
    /// What it brings cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
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

/// Reads a file of bounded size, or a pipe, however long that takes.
///
/// # Errors
///
/// [`LoadError::Read`].
pub fn read_bounded(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    files::read_bounded(path, limit).map_err(unreadable(path))
}

/// Reads a file of bounded size that is one on a disk.
///
/// # Errors
///
/// [`LoadError::Read`].
pub fn read_regular(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    files::read_regular(path, limit).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> LoadError {
    let path = path.to_owned();
    |error| LoadError::Read { path, error }
}

/// Parses and resolves a configuration file; opens no other file.
///
/// # Errors
///
/// [`LoadError::Read`] and [`LoadError::Text`].
pub fn check(path: &Path, devices: &[(InterfaceName, DeviceName)]) -> Result<Checked, LoadError> {
    check_read(path, &read_bounded(path, MAX_CONFIG)?, devices)
}

/// The same of a file that is to be judged by itself: what a headend asks the machine for at its start is told of in any case.
///
/// # Errors
///
/// As [`check`].
pub fn check_alone(path: &Path) -> Result<Checked, LoadError> {
    let octets = read_bounded(path, MAX_CONFIG)?;
    judge(path, &octets, &[], ironflex_profiles::check)
}

/// The same of what was read from the file.
///
/// # Errors
///
/// [`LoadError::Text`] and [`LoadError::NoText`].
pub fn check_read(
    path: &Path,
    octets: &[u8],
    devices: &[(InterfaceName, DeviceName)],
) -> Result<Checked, LoadError> {
    let tied = |text: &str, name: &str| ironflex_profiles::check_tied(text, name, devices);
    judge(path, octets, devices, tied)
}

fn judge(
    path: &Path,
    octets: &[u8],
    devices: &[(InterfaceName, DeviceName)],
    check: impl FnOnce(&str, &str) -> ironflex_profiles::Checked,
) -> Result<Checked, LoadError> {
    let text = files::text_of(octets).map_err(|(line, column)| LoadError::NoText {
        path: path.to_owned(),
        line,
        column,
    })?;
    let source_name = path.display().to_string();
    let checked = check(text, &source_name);
    let (candidate, diagnostics) = (checked.candidate, checked.diagnostics);
    let made = |interface: &InterfaceName| {
        let known = candidate.interfaces.get(interface);
        known.is_some_and(|known| known.at.line == 0)
    };
    let unknown = devices.iter().filter(|(interface, _)| made(interface));
    let unknown: Vec<String> = unknown
        .map(|(interface, device)| {
            format!(
                "warning: --device {interface}={device}: the configuration has no interface {interface}"
            )
        })
        .collect();
    let errors = diagnostics.iter().filter(|one| is_error(one)).count();
    match checked.snapshot {
        Some(snapshot) if errors == 0 => Ok(Checked {
            candidate,
            snapshot,
            warnings: diagnostics
                .iter()
                .map(|one| one.render(text))
                .chain(unknown)
                .collect(),
        }),
        _ => {
            let mut rendered = String::new();
            for diagnostic in &diagnostics {
                let _ = writeln!(rendered, "{}", diagnostic.render(text));
            }
            Err(LoadError::Text {
                source_name,
                text: rendered,
                errors,
            })
        }
    }
}

/// What a start with the same options would refuse of a running configuration, rendered; empty where it would take it.
#[must_use]
pub fn faults(running_config: &str, devices: &[(InterfaceName, DeviceName)]) -> String {
    let checked = ironflex_profiles::check_tied(running_config, "running-config", devices);
    let faults = checked.diagnostics.iter().filter(|one| is_error(one));
    faults.fold(String::new(), |mut text, one| {
        let _ = writeln!(text, "{}", one.render(running_config));
        text
    })
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
) -> Result<(Plan, Candidate, Vec<String>), LoadError> {
    let mut lines = checked.warnings;
    // What an action brings is stored once all of it can be put to work.
    let draft = store.draft()?;
    let store = draft.store();
    for action in &checked.candidate.actions {
        let at = &action.at;
        let read = read_file(&action.value, bootflash);
        let done = carry_out(&action.value, at, read, (store, bootflash)).map_err(|error| {
            LoadError::Action {
                at: at.clone(),
                error: Box::new(error),
            }
        })?;
        lines.extend(done);
    }
    let plan = compile(Arc::new(checked.snapshot), store)?;
    lines.extend(plan.unsupported_authorities());
    draft.keep()?;
    let mut candidate = checked.candidate;
    candidate.actions.clear();
    Ok((plan, candidate, lines))
}

/// What `bootflash:` means: the folder that was named, else the configuration file's own.
#[must_use]
pub fn bootflash(named: Option<&Path>, config: &Path) -> PathBuf {
    // A bare name has no folder in front, but the empty path, which no system call takes.
    let own = config.parent().filter(|own| !own.as_os_str().is_empty());
    let folder = named.or(own).unwrap_or_else(|| Path::new("."));
    // Where a file on it is named, its whole path is.
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

/// Where a file name of the configuration leads.
#[must_use]
pub fn on_bootflash(file: &FileName, bootflash: &Path) -> PathBuf {
    bootflash.join(file.path())
}

/// What an action's file holds, or why it cannot be read.
pub type FileRead = Result<Zeroizing<Vec<u8>>, LoadError>;

/// Reads the file that an action names, for as long as the disk takes. Nothing is changed by that, and nobody's turn to
/// write is waited for.
///
/// # Errors
///
/// [`LoadError::Read`].
pub fn read_file(action: &Action, bootflash: &Path) -> FileRead {
    let (Action::ImportPkcs12 { file, .. } | Action::Authenticate { file, .. }) = action;
    read_regular(&on_bootflash(file, bootflash), MAX_BOOTFLASH)
}

/// What was read of a file on bootflash; `None` for one that is not there and that the trustpoint does not need any more,
/// because `holds` says that it has what the file would bring.
fn needed(
    read: FileRead,
    bootflash: &Path,
    holds: impl FnOnce() -> bool,
) -> Result<Option<Zeroizing<Vec<u8>>>, LoadError> {
    match read {
        Ok(octets) => Ok(Some(octets)),
        Err(LoadError::Read { error, .. })
            if error.kind() == io::ErrorKind::NotFound && holds() =>
        {
            Ok(None)
        }
        Err(error) => Err(LoadError::Bootflash {
            folder: bootflash.to_owned(),
            error: Box::new(error),
        }),
    }
}

/// Carries out what a line asks for with its file, which was read by [`read_file`]. Returns lines for whoever asked, or
/// the log.
///
/// # Errors
///
/// [`LoadError`].
pub fn carry_out(
    action: &Action,
    at: &Span,
    read: FileRead,
    (store, bootflash): (&Store, &Path),
) -> Result<Vec<String>, LoadError> {
    let stored = |trustpoint: &str| store.load(trustpoint).ok().flatten();
    let serves = |path: &Path, trustpoint: &str, what: &str| {
        vec![format!(
            "{at}: warning: {} is not there: trustpoint {trustpoint} serves with the {what} of an earlier start",
            path.display()
        )]
    };
    match action {
        Action::ImportPkcs12 {
            trustpoint,
            file,
            password,
        } => {
            let path = on_bootflash(file, bootflash);
            let name = trustpoint.as_str();
            let holds = || stored(name).is_some_and(|stored| stored.identity.is_some());
            let Some(octets) = needed(read, bootflash, holds)? else {
                return Ok(serves(&path, name, "certificate and key"));
            };
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
            let name = trustpoint.as_str();
            let holds = || stored(name).is_some_and(|stored| !stored.authorities.is_empty());
            let Some(octets) = needed(read, bootflash, holds)? else {
                return Ok(serves(&path, name, "authorities"));
            };
            let failed = |error| LoadError::Authenticate {
                trustpoint: trustpoint.to_string(),
                file: path.display().to_string(),
                error: Box::new(error),
            };
            let done = authenticate_pem(store, name, &octets).map_err(failed)?;
            let Some(line) = said(name, done.imported, "authorities") else {
                return Ok(Vec::new());
            };
            let trusted = done.authorities.iter();
            let trusted = trusted.map(|one| format!("trustpoint {name} trusts {}", one.subject));
            Ok([line].into_iter().chain(trusted).collect())
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

/// Why nobody can log in, where that is so.
#[must_use]
pub fn nobody_can_log_in(snapshot: &Snapshot) -> Option<&'static str> {
    if snapshot.profiles.is_empty() {
        return Some(
            "the configuration has no 'crypto ikev2 profile' that is whole and not shut down",
        );
    }
    let shut = |profile: &Arc<Profile>| profile.virtual_template.interface.shutdown;
    if snapshot.profiles.iter().all(shut) {
        return Some("the Virtual-Templates of all profiles are shut down");
    }
    // Certificates and pre-shared keys need no user of ours.
    let by_password = |profile: &Arc<Profile>| {
        let remote = &profile.remote;
        !remote.rsa_sig && !remote.ecdsa_sig && remote.pre_share.is_none()
    };
    (snapshot.users.is_empty() && snapshot.profiles.iter().all(by_password))
        .then_some("the profiles ask for a user, and there is no 'username NAME password …'")
}

/// An interface that the command line ties to two devices.
#[must_use]
pub fn tied_twice(devices: &[(InterfaceName, DeviceName)]) -> Option<&InterfaceName> {
    let mut earlier = BTreeSet::new();
    let mut interfaces = devices.iter().map(|(interface, _)| interface);
    interfaces.find(|interface| !earlier.insert(*interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(folder: &Path, text: &str) -> Checked {
        let path = folder.join("headend.conf");
        std::fs::write(&path, text).unwrap();
        check(&path, &[]).unwrap()
    }

    // The folder that a program was started in, when the configuration is named without one.
    #[test]
    fn bootflash_is_a_folder_that_can_be_opened() {
        let of =
            |named: Option<&str>, config: &str| bootflash(named.map(Path::new), Path::new(config));
        let here = std::env::current_dir().unwrap();
        assert_eq!(of(None, "headend.conf"), here);
        assert_eq!(of(None, "./headend.conf"), here);
        assert_eq!(of(None, "/etc/headend.conf"), Path::new("/etc"));
        assert_eq!(of(Some("flash"), "headend.conf"), here.join("flash"));
    }

    const IMPORT: &str = "crypto pki trustpoint TP\n enrollment pkcs12\nexit\n\
                          crypto pki import TP pkcs12 bootflash:TP.p12 password cisco123\n";

    #[test]
    fn a_missing_file_is_an_error_that_names_its_line_and_a_warning_once_it_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let load = || apply(checked(folder.path(), IMPORT), &store, folder.path());
        let here = folder.path().display();
        let missing = load().err().unwrap().to_string();
        assert!(
            missing.starts_with(&format!("{here}/headend.conf:4:")),
            "{missing}"
        );
        assert!(
            missing.ends_with(&format!(
                "(bootflash: is {here}; --bootflash names another folder)"
            )),
            "{missing}"
        );
        let file = include_bytes!("../../tests/data/pki/openssl3.p12");
        import(&store, "TP", folder.path(), file, "cisco123").unwrap();
        let (_, _, lines) = load().unwrap();
        let stored = "TP.p12 is not there: trustpoint TP serves with the certificate and key of an earlier start";
        assert!(lines.iter().any(|line| line.ends_with(stored)), "{lines:?}");
    }

    #[test]
    fn nothing_of_a_file_with_an_error_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let file = |name: &str, octets: &[u8]| {
            std::fs::write(folder.path().join(name), octets).unwrap();
        };
        let root = include_bytes!("../../tests/data/pki/root.pem");
        let server = include_bytes!("../../tests/data/pki/server.pem");
        file(
            "TP.p12",
            include_bytes!("../../tests/data/pki/openssl3.p12"),
        );
        let text = format!(
            "crypto pki trustpoint CA\n enrollment terminal\nexit\n{IMPORT}\
             crypto pki authenticate CA pem bootflash:ca.pem\n"
        );
        let load = || apply(checked(folder.path(), &text), &store, folder.path());
        // A peer's certificate is no authority's; then the import before it is not stored either.
        file("ca.pem", server);
        let refused = load().err().unwrap().to_string();
        assert!(
            refused.contains("crypto pki authenticate CA pem"),
            "{refused}"
        );
        assert!(store.load("TP").unwrap().is_none() && store.load("CA").unwrap().is_none());
        file("ca.pem", root);
        load().unwrap();
        let authorities = store.load("CA").unwrap().unwrap().authorities;
        assert!(store.load("TP").unwrap().is_some());
        file("ca.pem", server);
        assert!(load().is_err());
        assert_eq!(store.load("CA").unwrap().unwrap().authorities, authorities);
    }

    #[test]
    fn a_device_of_an_interface_that_is_not_configured_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headend.conf");
        std::fs::write(&path, "interface GigabitEthernet1\n").unwrap();
        let tie = |text| crate::operation::tie(text).unwrap();
        let known = check(&path, &[tie("GigabitEthernet1=eth0")]).unwrap();
        assert_eq!(known.warnings, [""; 0]);
        let other = check(&path, &[tie("GigabitEthernet2=eth0")]).unwrap();
        assert_eq!(
            other.warnings,
            [
                "warning: --device GigabitEthernet2=eth0: the configuration has no interface GigabitEthernet2"
            ]
        );
    }

    #[test]
    fn octets_that_are_no_text_are_refused_where_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headend.conf");
        std::fs::write(
            &path,
            b"hostname headend\nusername f\xfcr password cisco123\n",
        )
        .unwrap();
        let refused = check(&path, &[]).err().unwrap().to_string();
        let at = format!("{}:2:11: error: ", path.display());
        assert!(refused.starts_with(&at), "{refused}");
    }

    // Each pair of them would be compared: five thousand million comparisons.
    #[test]
    fn many_pools_and_ranges_are_read_in_no_time() {
        use std::time::{Duration, Instant};
        let mut text = String::new();
        for number in 0..100_000_u32 {
            let address =
                std::net::Ipv4Addr::from(0x0a00_0000_u32.saturating_add(number.saturating_mul(2)));
            // Every second one a range of the same pool.
            let pool = if number.is_multiple_of(2) { 0 } else { number };
            let _ = writeln!(text, "ip local pool P{pool} {address}");
        }
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let read = checked(folder.path(), &text);
        let took = begun.elapsed();
        assert_eq!(read.snapshot.pools.len(), 50_001);
        assert!(took < Duration::from_secs(20), "{took:?}");
    }

    #[test]
    fn an_interface_that_is_tied_to_two_devices_is_found() {
        let tie = |text| crate::operation::tie(text).unwrap();
        let (first, second) = (tie("Loopback1=a"), tie("Loopback1=b"));
        assert_eq!(tied_twice(&[first.clone(), tie("Loopback2=a")]), None);
        assert_eq!(tied_twice(&[first.clone(), second]), Some(&first.0));
    }

    #[test]
    fn an_empty_configuration_lets_nobody_in_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let empty = checked(folder.path(), "hostname headend\n");
        assert_eq!(
            nobody_can_log_in(&empty.snapshot),
            Some("the configuration has no 'crypto ikev2 profile' that is whole and not shut down")
        );
        let text = include_str!("../../examples/flexvpn-headend.conf");
        let snapshot = checked(folder.path(), text).snapshot;
        assert_eq!(nobody_can_log_in(&snapshot), None);
        let shut = text.replace("\n tunnel mode ipsec", "\n shutdown\n tunnel mode ipsec");
        assert_eq!(
            nobody_can_log_in(&checked(folder.path(), &shut).snapshot),
            Some("the Virtual-Templates of all profiles are shut down")
        );
        let mut without = snapshot;
        without.users.clear();
        assert!(nobody_can_log_in(&without).is_some());
    }
}
