//! The secret behind the headend's tokens for quick crash detection (RFC 6290 §5.1), kept across restarts.
//!
//! It is 32 random octets in `STATE/qcd-secret`, made at the first start and kept for good. It takes its place by renaming, so a
//! crash leaves a whole one or none. A headend that finds none tells tokens that nobody knows, which harms nobody: clients
//! find it out as they would without.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use ironflex_ikev2::{crash_detection::QcdSecret, crypto::Rng, secret::SecretBytes};

use crate::random::OsRandom;

/// The file's name below the state folder.
pub const NAME: &str = "qcd-secret";

/// The one that is being written.
const NEW: &str = "qcd-secret.new";

/// The secret, and what is to be said of it.
pub struct Opened {
    /// The secret.
    pub secret: QcdSecret,
    /// Why the one that was there is not used any more.
    pub replaced: Option<&'static str>,
}

/// Reads the secret of a state folder, which no other process uses, or makes one. What others could have read, or what is no
/// secret by its length, is replaced.
///
/// # Errors
///
/// Of the system calls.
// RFC 6290 §9.1#5: nobody but the daemon reads it.
pub fn open(state_dir: &Path) -> io::Result<Opened> {
    let replaced = match read(&state_dir.join(NAME))? {
        Found::Secret(secret) => {
            return Ok(Opened {
                secret,
                replaced: None,
            });
        }
        Found::Nothing => None,
        Found::Unfit(why) => Some(why),
    };
    let mut octets = SecretBytes::zeroed(QcdSecret::LEN);
    OsRandom.fill(octets.as_mut_bytes());
    write(state_dir, octets.as_bytes())?;
    let secret = QcdSecret::new(octets).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Opened { secret, replaced })
}

enum Found {
    Nothing,
    Secret(QcdSecret),
    Unfit(&'static str),
}

fn read(path: &Path) -> io::Result<Found> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    if about.mode() & 0o077 != 0 {
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    // RFC 6290 §9.1#5: 0600 whatever the umask is, and it is the same at every start.
    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        fs::write(folder.path().join(NEW), "left by a crash").unwrap();
        assert!(open(folder.path()).unwrap().replaced.is_none());
        let first = fs::read(&path).unwrap();
        assert_eq!(first.len(), QcdSecret::LEN);
        assert_ne!(first, [0; QcdSecret::LEN]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(!fs::exists(folder.path().join(NEW)).unwrap());
        assert!(open(folder.path()).unwrap().replaced.is_none());
        assert_eq!(fs::read(&path).unwrap(), first);
        let other = tempfile::tempdir().unwrap();
        open(other.path()).unwrap();
        assert_ne!(fs::read(other.path().join(NAME)).unwrap(), first);
    }

    #[test]
    fn what_others_could_read_or_is_damaged_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        open(folder.path()).unwrap();
        let first = fs::read(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let opened = open(folder.path()).unwrap();
        assert_eq!(opened.replaced, Some("others could read it"));
        let second = fs::read(&path).unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        for damaged in [&second[..31], &[&second[..], &[0]].concat(), &[]] {
            fs::write(&path, damaged).unwrap();
            let opened = open(folder.path()).unwrap();
            assert_eq!(opened.replaced, Some("it is damaged"));
            assert_eq!(fs::read(&path).unwrap().len(), QcdSecret::LEN);
        }
    }
}
