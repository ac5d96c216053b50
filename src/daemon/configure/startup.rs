//! The configuration file, and the archive of what it was.
//!
//! The file takes its place by renaming, after it has come to the disk: whatever happens, there is the old one or the new
//! one. What it replaces goes into the archive first, of which the last [`KEPT`] are kept.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use super::super::load;

/// How many replaced files are kept.
const KEPT: usize = 10;

/// The archive's folder below the state folder.
const ARCHIVE: &str = "archive";

/// Where the configuration file is, and what it was.
#[derive(Clone, Debug)]
pub struct Startup {
    path: PathBuf,
    archive: PathBuf,
}

/// Why the file was not written. The old one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What it replaces cannot be kept.
    #[error("the old {path} cannot be kept in {archive}: {error}")]
    Archive {
        /// The file.
        path: String,
        /// The archive.
        archive: String,
        /// Why.
        error: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {path}: {error}; it is as it was")]
    Write {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
}

/// What writing came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The file that was replaced had comments, which the new one does not have.
    pub lost_comments: bool,
}

impl Startup {
    /// The file, and the state folder.
    #[must_use]
    pub fn new(path: PathBuf, state_dir: &Path) -> Self {
        Self {
            path,
            archive: state_dir.join(ARCHIVE),
        }
    }

    /// The file's name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says.
    ///
    /// # Errors
    ///
    /// [`load::LoadError::Read`].
    pub fn read(&self) -> Result<String, load::LoadError> {
        let octets = load::read_bounded(&self.path, load::MAX_CONFIG)?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    /// Writes the file. Its owner and mode stay; a new one is the daemon's alone.
    ///
    /// # Errors
    ///
    /// [`WriteError`].
    pub fn write(&self, text: &str) -> Result<Written, WriteError> {
        let failed = |error| WriteError::Write {
            path: self.path.display().to_string(),
            error,
        };
        // A link stays one.
        let path = match self.path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.clone(),
            other => other.map_err(failed)?,
        };
        let old = match fs::read(&path) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let mut written = Written::default();
        if let Some(old) = &old
            && old != text.as_bytes()
        {
            written.lost_comments = has_comments(&String::from_utf8_lossy(old));
            self.keep(old).map_err(|error| WriteError::Archive {
                path: self.path.display().to_string(),
                archive: self.archive.display().to_string(),
                error,
            })?;
        }
        replace(&path, text).map_err(failed)?;
        Ok(written)
    }

    /// Puts what the file was into the archive.
    fn keep(&self, old: &[u8]) -> io::Result<()> {
        super::super::prepare_state_dir(&self.archive)?;
        let mut kept = self.kept()?;
        let last = kept.last().copied().unwrap_or(0);
        let next = last.saturating_add(1);
        let path = self.archived(next);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        if let Err(error) = file.write_all(old).and_then(|()| file.sync_all()) {
            // What there is of it is no use to anybody.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        kept.push(next);
        for number in kept.iter().rev().skip(KEPT) {
            fs::remove_file(self.archived(*number))?;
        }
        Ok(())
    }

    fn archived(&self, number: u64) -> PathBuf {
        self.archive.join(format!("startup-config-{number}"))
    }

    /// The numbers of the archive's files, the oldest first.
    fn kept(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.archive)? {
            let name = entry?.file_name();
            let number: Option<u64> = name
                .to_str()
                .and_then(|name| name.strip_prefix("startup-config-")?.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// Whether a text has comments that say something.
fn has_comments(text: &str) -> bool {
    text.lines().any(|line| {
        let comment = line.trim_start().strip_prefix('!');
        comment.is_some_and(|comment| !comment.trim().is_empty())
    })
}

/// Puts a new file in the place of an old one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = folder.join(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        if let Ok(old) = fs::metadata(path) {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    if let Err(error) = write() {
        // It may not be there.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    // The name comes to the disk with its folder.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn startup(folder: &Path) -> Startup {
        Startup::new(folder.join("startup-config"), &folder.join("state"))
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_the_old_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let startup = startup(folder.path());
        assert_eq!(startup.write("hostname a\n").unwrap(), Written::default());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(startup.path()), 0o600);
        fs::set_permissions(startup.path(), fs::Permissions::from_mode(0o640)).unwrap();
        for turn in 0..15 {
            startup.write(&format!("hostname b{turn}\n")).unwrap();
        }
        assert_eq!(mode(startup.path()), 0o640);
        assert_eq!(startup.read().unwrap(), "hostname b14\n");
        let kept = startup.kept().unwrap();
        assert_eq!(kept, (6..=15).collect::<Vec<u64>>());
        let last = fs::read_to_string(startup.archived(15)).unwrap();
        assert_eq!(last, "hostname b13\n");
        assert_eq!(mode(&startup.archived(15)), 0o600);
        // The same again is nothing new.
        startup.write("hostname b14\n").unwrap();
        assert_eq!(startup.kept().unwrap(), kept);
    }

    #[test]
    fn comments_that_are_lost_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let startup = startup(folder.path());
        fs::write(startup.path(), "! mine\nhostname a\n!\n").unwrap();
        assert!(startup.write("hostname a\n!\n").unwrap().lost_comments);
        assert!(!startup.write("hostname b\n!\n").unwrap().lost_comments);
    }

    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let startup = startup(folder.path());
        let real = folder.path().join("real");
        fs::write(&real, "hostname a\n").unwrap();
        symlink(&real, startup.path()).unwrap();
        startup.write("hostname b\n").unwrap();
        assert!(fs::symlink_metadata(startup.path()).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "hostname b\n");
    }

    #[test]
    fn where_nothing_can_be_kept_or_written_the_old_file_survives() {
        let folder = tempfile::tempdir().unwrap();
        let startup = startup(folder.path());
        startup.write("hostname a\n").unwrap();
        // The archive's place is taken.
        fs::create_dir_all(folder.path().join("state")).unwrap();
        fs::write(folder.path().join("state/archive"), "").unwrap();
        let error = startup.write("hostname b\n").unwrap_err();
        assert!(matches!(error, WriteError::Archive { .. }), "{error}");
        assert_eq!(startup.read().unwrap(), "hostname a\n");
        fs::remove_file(folder.path().join("state/archive")).unwrap();
        // So is that of the new file.
        fs::create_dir_all(folder.path().join("startup-config.new/full")).unwrap();
        let error = startup.write("hostname b\n").unwrap_err();
        assert!(matches!(error, WriteError::Write { .. }), "{error}");
        assert_eq!(startup.read().unwrap(), "hostname a\n");
    }
}
