//! The secret behind the headend's tokens for quick crash detection (RFC 6290 §5.1), kept across restarts.
//!
//! It is 32 random octets in `STATE/qcd-secret`, made at the first start and kept for good. It takes its place by renaming, so a
//! crash leaves a whole one or none. A headend that finds none tells tokens that nobody knows, which harms nobody: clients
//! find it out as they would without. So does one that cannot read or keep it, and says so.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use ironflex_ikev2::{crash_detection::QcdSecret, crypto::Rng, secret::SecretBytes};
use nix::{libc, unistd::geteuid};

use crate::random::OsRandom;

/// The file's name below the state folder.
pub const NAME: &str = "qcd-secret";

/// The one that is being written.
const NEW: &str = "qcd-secret.new";

/// The secret, and what is to be said of it.
pub struct Opened {
    /// The secret.
    pub secret: Option<QcdSecret>,
    /// Why it is not the one that was made at the first start.
    pub remark: Option<Remark>,
}

/// What is wrong with the file. Clients of an earlier run find a crash out by silence then.
#[derive(Debug)]
pub enum Remark {
    /// Another has taken the place of the one that was there.
    Replaced(&'static str),
    /// The secret is kept in memory alone, and is another after the next start.
    NotKept(io::Error),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced(why) => write!(
                f,
                "{NAME} is replaced, for {why}: the clients of before are told nothing that they believe"
            ),
            Self::NotKept(error) => write!(
                f,
                "{NAME} cannot be kept: {error}; after the next start clients are told nothing that they believe"
            ),
        }
    }
}

/// A secret that is in memory alone as yet.
pub struct Unkept(SecretBytes);

impl Unkept {
    /// Puts it into its file, for as long as the disk takes. Returns what is to be said of it.
    #[must_use]
    pub fn keep(self, state_dir: &Path) -> Option<Remark> {
        let kept = write(state_dir, self.0.as_bytes());
        kept.err().map(Remark::NotKept)
    }
}

/// Reads the secret of a state folder, which no other process uses, or makes one. What others could have read, or what is no
/// secret by its form, is replaced. Where that fails there is one in memory, for nobody is better off without a headend.
#[must_use]
pub fn open(state_dir: &Path) -> Opened {
    let (opened, unkept) = find(state_dir);
    let failed = unkept.and_then(|unkept| unkept.keep(state_dir));
    Opened {
        remark: failed.or(opened.remark),
        ..opened
    }
}

/// The same without waiting for the disk: 32 octets are read, and one that is made is yet to be kept.
// RFC 6290 §9.1#5: nobody but the daemon reads it.
#[must_use]
pub fn find(state_dir: &Path) -> (Opened, Option<Unkept>) {
    let (remark, is_to_be_kept) = match read(&state_dir.join(NAME), geteuid().as_raw()) {
        Ok(Found::Secret(secret)) => {
            let opened = Opened {
                secret: Some(secret),
                remark: None,
            };
            return (opened, None);
        }
        Ok(Found::Nothing) => (None, true),
        Ok(Found::Unfit(why)) => (Some(Remark::Replaced(why)), true),
        Err(error) => (Some(Remark::NotKept(error)), false),
    };
    let mut octets = SecretBytes::zeroed(QcdSecret::LEN);
    OsRandom.fill(octets.as_mut_bytes());
    let unkept = is_to_be_kept.then(|| Unkept(SecretBytes::copied_from(octets.as_bytes())));
    let opened = Opened {
        secret: QcdSecret::new(octets),
        remark,
    };
    (opened, unkept)
}

enum Found {
    Nothing,
    Secret(QcdSecret),
    Unfit(&'static str),
}

/// Reads the file if it is one, and this user's alone.
fn read(path: &Path, user: u32) -> io::Result<Found> {
    let opened = OpenOptions::new()
        .read(true)
        // A pipe would keep us waiting, and a link is somebody else's file.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    const NO_FILE: Found = Found::Unfit("it is no file");
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Ok(NO_FILE),
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Ok(NO_FILE);
    }
    if about.uid() != user || about.mode() & 0o077 != 0 {
        return Ok(Found::Unfit("others could read it"));
    }
    const DAMAGED: Found = Found::Unfit("it is damaged");
    if about.len() != QcdSecret::LEN as u64 {
        return Ok(DAMAGED);
    }
    let mut octets = SecretBytes::zeroed(QcdSecret::LEN);
    file.read_exact(octets.as_mut_bytes())?;
    Ok(QcdSecret::new(octets).map_or(DAMAGED, Found::Secret))
}

fn write(state_dir: &Path, octets: &[u8]) -> io::Result<()> {
    let new = state_dir.join(NEW);
    // What a crash has left may have another mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(octets)?;
    // The machine may go down as soon as a client has a token.
    file.sync_all()?;
    fs::rename(&new, state_dir.join(NAME))?;
    File::open(state_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{PermissionsExt, symlink},
        process::Command,
    };

    use super::*;

    /// Whether there is a secret, and nothing to be said of it.
    fn kept(folder: &Path) -> bool {
        let opened = open(folder);
        opened.secret.is_some() && opened.remark.is_none()
    }

    /// Why there is another one from now on.
    fn replaced(folder: &Path) -> &'static str {
        let opened = open(folder);
        assert!(opened.secret.is_some());
        match opened.remark {
            Some(Remark::Replaced(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    // RFC 6290 §9.1#5: 0600 whatever the umask is, and it is the same at every start.
    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        fs::write(folder.path().join(NEW), "left by a crash").unwrap();
        assert!(kept(folder.path()));
        let first = fs::read(&path).unwrap();
        assert_eq!(first.len(), QcdSecret::LEN);
        assert_ne!(first, [0; QcdSecret::LEN]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(!fs::exists(folder.path().join(NEW)).unwrap());
        assert!(kept(folder.path()));
        assert_eq!(fs::read(&path).unwrap(), first);
        let other = tempfile::tempdir().unwrap();
        assert!(kept(other.path()));
        assert_ne!(fs::read(other.path().join(NAME)).unwrap(), first);
    }

    #[test]
    fn what_others_could_read_or_is_damaged_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert!(kept(folder.path()));
        let first = fs::read(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(replaced(folder.path()), "others could read it");
        let second = fs::read(&path).unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        for damaged in [&second[..31], &[&second[..], &[0]].concat(), &[]] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(replaced(folder.path()), "it is damaged");
            assert_eq!(fs::read(&path).unwrap().len(), QcdSecret::LEN);
        }
    }

    // RFC 6290 §9.1#5: a file of somebody else, or wherever a link leads, is not ours.
    #[test]
    fn only_a_file_of_our_own_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert!(kept(folder.path()));
        let user = geteuid().as_raw();
        assert!(matches!(read(&path, user), Ok(Found::Secret(_))));
        let other = read(&path, user.wrapping_add(1));
        assert!(matches!(other, Ok(Found::Unfit("others could read it"))));

        // Links: to what would do, to nothing, and in a circle.
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        let theirs = fs::read(&elsewhere).unwrap();
        for target in [&elsewhere, &folder.path().join("nowhere"), &path] {
            symlink(target, &path).unwrap();
            assert_eq!(replaced(folder.path()), "it is no file");
            assert!(fs::symlink_metadata(&path).unwrap().is_file());
            assert_ne!(fs::read(&path).unwrap(), theirs);
            assert!(kept(folder.path()));
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read(&elsewhere).unwrap(), theirs);

        // Nobody writes into the pipe.
        let made = Command::new("mkfifo")
            .args(["-m", "600"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        assert_eq!(replaced(folder.path()), "it is no file");
        assert!(kept(folder.path()));
    }

    #[test]
    fn without_a_place_for_it_there_is_one_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        // What cannot be replaced by a file.
        fs::create_dir(&path).unwrap();
        for state in [folder.path(), &folder.path().join("nowhere")] {
            let opened = open(state);
            assert!(opened.secret.is_some());
            assert!(matches!(opened.remark, Some(Remark::NotKept(_))));
        }
        fs::remove_dir(&path).unwrap();
        assert!(kept(folder.path()));
    }
}
