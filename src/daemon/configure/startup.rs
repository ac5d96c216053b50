//! The configuration file, and the archive of what it was.
//!
//! The file takes its place by renaming, after it has come to the disk: whatever happens, there is the old one or the new
//! one. What it replaces goes into the archive between the two, of which the last [`KEPT`] are kept.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::super::load;
use crate::files;

/// How many replaced files are kept.
const KEPT: usize = 10;

/// The archive's folder below the state folder.
const ARCHIVE: &str = "archive";

/// Where the configuration file is, and what it was.
#[derive(Clone, Debug)]
pub struct Startup {
    path: PathBuf,
    archive: PathBuf,
    /// How many writings were begun.
    begun: u64,
    /// The last of them that has come to its end. Who holds it is writing.
    ended: Arc<Mutex<u64>>,
    /// What brings a folder's names to the disk.
    pub(super) sync: fn(&File) -> io::Result<()>,
}

/// A text on its way into the file.
#[derive(Debug)]
pub struct Writing {
    startup: Startup,
    number: u64,
    text: String,
}

impl Writing {
    /// What is to stand in the file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes it, for as long as the disk takes. One that was begun later and has come to its end stands in the file already,
    /// and stays there. `take_place` is what has it take its place ([`Replacement::take_place`]), or refuses that; what belongs to
    /// the same moment is done there, before the disk is waited for again.
    ///
    /// # Errors
    ///
    /// [`WriteError`].
    pub(super) fn carry_out(
        self,
        take_place: impl FnOnce(&Replacement) -> io::Result<()>,
    ) -> Result<Written, WriteError> {
        let ended = &self.startup.ended;
        let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        if *ended > self.number {
            return Ok(Written::default());
        }
        let written = self.startup.write(&self.text, take_place);
        if written.as_ref().err().is_none_or(WriteError::is_written) {
            *ended = self.number;
        }
        written
    }
}

/// Why writing has failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What it replaces cannot be kept. The file is as it was.
    #[error("the old {path} cannot be kept in {archive}: {error}; it is as it was")]
    Archive {
        /// The file.
        path: String,
        /// The archive.
        archive: String,
        /// Why.
        error: io::Error,
    },
    /// It cannot be written. The file is as it was.
    #[error("cannot write {path}: {error}; it is as it was")]
    Write {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// It is written, and its name may not have come to the disk.
    #[error("{path} is written, but after a power cut it may be the old one again: {error}")]
    Sync {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
}

impl WriteError {
    /// Whether the text stands in the file all the same.
    #[must_use]
    pub const fn is_written(&self) -> bool {
        match self {
            Self::Archive { .. } | Self::Write { .. } => false,
            Self::Sync { .. } => true,
        }
    }
}

/// What writing came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The file that was replaced had comments, which the new one does not have.
    pub lost_comments: bool,
    /// The number that the file that was replaced has in the archive.
    pub kept: Option<u64>,
}

impl Startup {
    /// The file, and the state folder.
    #[must_use]
    pub fn new(path: PathBuf, state_dir: &Path) -> Self {
        Self {
            path,
            archive: state_dir.join(ARCHIVE),
            begun: 0,
            ended: Arc::default(),
            sync: File::sync_all,
        }
    }

    /// Whether that is the file's path.
    #[must_use]
    pub fn is(&self, path: &Path) -> bool {
        let same = |one: &Path, other: &Path| {
            let (one, other) = (fs::metadata(one), fs::metadata(other));
            matches!((one, other), (Ok(one), Ok(other)) if (one.dev(), one.ino()) == (other.dev(), other.ino()))
        };
        self.path == path || same(&self.path, path)
    }

    /// Whether that is the folder of what the headend keeps for itself.
    #[must_use]
    pub fn is_state_folder(&self, folder: &Path) -> bool {
        let found = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
        let state = self.archive.parent().and_then(found);
        state.is_some() && state == found(folder)
    }

    /// Begins to write a text.
    pub fn writing(&mut self, text: String) -> Writing {
        self.begun = self.begun.saturating_add(1);
        Writing {
            startup: self.clone(),
            number: self.begun,
            text,
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
        let octets = load::read_regular(&self.path, load::MAX_CONFIG)?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    /// The same of one that says something.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn read_present(&self) -> Result<String, String> {
        let text = self.read().map_err(|error| format!("% {error}"))?;
        if is_blank(text.as_bytes()) {
            return Err(format!("% {NOT_PRESENT}"));
        }
        Ok(text)
    }

    /// Writes the file. Its owner and mode stay; a new one is the daemon's alone.
    ///
    /// # Errors
    ///
    /// [`WriteError`].
    fn write(
        &self,
        text: &str,
        take_place: impl FnOnce(&Replacement) -> io::Result<()>,
    ) -> Result<Written, WriteError> {
        let failed = |error| WriteError::Write {
            path: self.path.display().to_string(),
            error,
        };
        // A link stays one.
        let path = match self.path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.clone(),
            other => other.map_err(failed)?,
        };
        let old = match files::read_regular(&path, load::MAX_CONFIG) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        // First what needs room on the disk: as long as that fails, the archive keeps what it has.
        let replacement = Replacement::write(path, text).map_err(failed)?;
        let mut written = Written::default();
        let mut kept = None;
        if let Some(old) = old.filter(|old| old.as_slice() != text.as_bytes()) {
            written.lost_comments = has_comments(&String::from_utf8_lossy(&old));
            kept = Some(self.keep(&old).map_err(|error| WriteError::Archive {
                path: self.path.display().to_string(),
                archive: self.archive.display().to_string(),
                error,
            })?);
        }
        take_place(&replacement).map_err(|error| {
            // It would be there twice.
            if let Some(number) = kept {
                let _ = fs::remove_file(self.archived(number));
            }
            failed(error)
        })?;
        written.kept = kept;
        if kept.is_some() {
            self.forget_oldest();
        }
        match (self.sync)(&replacement.folder) {
            Ok(()) => Ok(written),
            Err(error) => Err(WriteError::Sync {
                path: self.path.display().to_string(),
                error,
            }),
        }
    }

    /// Puts what the file was into the archive. Returns its number there.
    fn keep(&self, old: &[u8]) -> io::Result<u64> {
        super::super::prepare_state_dir(&self.archive)?;
        let last = self.kept()?.last().copied().unwrap_or(0);
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
        Ok(next)
    }

    /// Removes what is older than the last [`KEPT`]. What cannot be removed is more than was promised, and tried again the
    /// next time.
    fn forget_oldest(&self) {
        let kept = self.kept().unwrap_or_default();
        for number in kept.iter().rev().skip(KEPT) {
            let _ = fs::remove_file(self.archived(*number));
        }
    }

    /// Where such a file is.
    pub(super) fn archived(&self, number: u64) -> PathBuf {
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

/// What a router says of a file that says nothing: it was erased.
pub const NOT_PRESENT: &str = "startup-config is not present";

/// Whether a file says nothing.
pub(super) fn is_blank(octets: &[u8]) -> bool {
    octets.iter().all(u8::is_ascii_whitespace)
}

/// Whether a text has comments that say something.
fn has_comments(text: &str) -> bool {
    text.lines().any(|line| {
        let comment = line.trim_start().strip_prefix('!');
        comment.is_some_and(|comment| !comment.trim().is_empty())
    })
}

/// A file beside the one whose place it is to take, on the disk already. Dropped, it goes away again.
pub(super) struct Replacement {
    path: PathBuf,
    new: PathBuf,
    /// The folder of both.
    folder: File,
}

impl Replacement {
    /// Writes the file that is to take the place of `path`, with the owner and the mode of that one.
    fn write(path: PathBuf, text: &str) -> io::Result<Self> {
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
        let folder = File::open(folder)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        let replacement = Self { path, new, folder };
        if let Ok(old) = fs::metadata(&replacement.path) {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(replacement)
    }

    /// It is the file from here on. Its name comes to the disk with the folder.
    pub(super) fn take_place(&self) -> io::Result<()> {
        fs::rename(&self.new, &self.path)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // It may have taken its place.
        let _ = fs::remove_file(&self.new);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn startup(folder: &Path) -> Startup {
        Startup::new(folder.join("startup-config"), &folder.join("state"))
    }

    fn write(startup: &Startup, text: &str) -> Result<Written, WriteError> {
        startup.write(text, Replacement::take_place)
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_the_old_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let startup = startup(folder.path());
        assert_eq!(write(&startup, "hostname a\n").unwrap(), Written::default());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(startup.path()), 0o600);
        fs::set_permissions(startup.path(), fs::Permissions::from_mode(0o640)).unwrap();
        for turn in 0..15 {
            write(&startup, &format!("hostname b{turn}\n")).unwrap();
        }
        assert_eq!(mode(startup.path()), 0o640);
        assert_eq!(startup.read().unwrap(), "hostname b14\n");
        let kept = startup.kept().unwrap();
        assert_eq!(kept, (6..=15).collect::<Vec<u64>>());
        let last = fs::read_to_string(startup.archived(15)).unwrap();
        assert_eq!(last, "hostname b13\n");
        assert_eq!(mode(&startup.archived(15)), 0o600);
        // The same again is nothing new.
        write(&startup, "hostname b14\n").unwrap();
        assert_eq!(startup.kept().unwrap(), kept);
    }

    #[test]
    fn what_was_begun_last_stands_in_the_file_whoever_is_slow() {
        let folder = tempfile::tempdir().unwrap();
        let mut startup = startup(folder.path());
        let [first, second] = ["a", "b"].map(|name| startup.writing(format!("hostname {name}\n")));
        second.carry_out(Replacement::take_place).unwrap();
        first.carry_out(Replacement::take_place).unwrap();
        assert_eq!(startup.read().unwrap(), "hostname b\n");
        startup
            .writing("hostname c\n".into())
            .carry_out(Replacement::take_place)
            .unwrap();
        assert_eq!(startup.read().unwrap(), "hostname c\n");
    }

    #[test]
    fn comments_that_are_lost_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let startup = startup(folder.path());
        fs::write(startup.path(), "! mine\nhostname a\n!\n").unwrap();
        assert!(write(&startup, "hostname a\n!\n").unwrap().lost_comments);
        assert!(!write(&startup, "hostname b\n!\n").unwrap().lost_comments);
    }

    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let startup = startup(folder.path());
        let real = folder.path().join("real");
        fs::write(&real, "hostname a\n").unwrap();
        symlink(&real, startup.path()).unwrap();
        write(&startup, "hostname b\n").unwrap();
        assert!(fs::symlink_metadata(startup.path()).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "hostname b\n");
    }

    #[test]
    fn where_nothing_can_be_kept_or_written_the_old_file_survives() {
        let folder = tempfile::tempdir().unwrap();
        let startup = startup(folder.path());
        write(&startup, "hostname a\n").unwrap();
        // The archive's place is taken.
        fs::create_dir_all(folder.path().join("state")).unwrap();
        fs::write(folder.path().join("state/archive"), "").unwrap();
        let error = write(&startup, "hostname b\n").unwrap_err();
        assert!(matches!(error, WriteError::Archive { .. }), "{error}");
        assert_eq!(startup.read().unwrap(), "hostname a\n");
        fs::remove_file(folder.path().join("state/archive")).unwrap();
        // So is that of the new file.
        write(&startup, "hostname b\n").unwrap();
        let archived = || fs::read_to_string(startup.archived(1)).unwrap();
        assert_eq!(archived(), "hostname a\n");
        fs::create_dir_all(folder.path().join("startup-config.new/full")).unwrap();
        for turn in 0..15 {
            let error = write(&startup, &format!("hostname c{turn}\n")).unwrap_err();
            assert!(matches!(error, WriteError::Write { .. }), "{error}");
        }
        assert_eq!(startup.read().unwrap(), "hostname b\n");
        // What was kept before is still kept.
        assert_eq!(startup.kept().unwrap(), [1]);
        assert_eq!(archived(), "hostname a\n");
    }

    #[test]
    fn an_erased_file_is_kept_once_and_not_erased_where_nothing_can_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        let startup = startup(folder.path());
        write(&startup, "hostname a\n").unwrap();
        // The archive's place is taken.
        fs::create_dir_all(folder.path().join("state")).unwrap();
        fs::write(folder.path().join("state/archive"), "").unwrap();
        assert!(write(&startup, "").is_err());
        assert_eq!(startup.read_present().unwrap(), "hostname a\n");
        fs::remove_file(folder.path().join("state/archive")).unwrap();
        assert_eq!(write(&startup, "").unwrap().kept, Some(1));
        assert_eq!(write(&startup, "").unwrap().kept, None);
        assert_eq!(startup.kept().unwrap(), [1]);
        let said = startup.read_present().unwrap_err();
        assert_eq!(said, format!("% {NOT_PRESENT}"));
        fs::write(startup.path(), " \n").unwrap();
        assert!(startup.read_present().is_err());
    }

    #[test]
    fn a_file_that_may_not_have_come_to_the_disk_is_the_new_one_and_is_not_called_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let mut startup = startup(folder.path());
        write(&startup, "hostname a\n").unwrap();
        let earlier = startup.writing("hostname earlier\n".into());
        startup.sync = |_| Err(io::ErrorKind::StorageFull.into());
        let error = startup
            .writing("hostname b\n".into())
            .carry_out(Replacement::take_place);
        let error = error.unwrap_err();
        assert!(error.is_written());
        // One that was begun before does not take its place.
        earlier.carry_out(Replacement::take_place).unwrap();
        assert_eq!(startup.read().unwrap(), "hostname b\n");
        let said = error.to_string();
        assert!(
            said.contains("is written, but after a power cut") && !said.contains("as it was"),
            "{said}"
        );
    }
}
