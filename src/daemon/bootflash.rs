//! Files on `bootflash:` that commands write and read.
//!
//! They are in the folder that `dir` shows, and in no other: a name that leads elsewhere is refused, and so is a link. What is written
//! takes its place by renaming, after it has come to the disk, and is its owner's alone: a configuration holds passwords.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use ironflex_profiles::model::name::FileName;
use nix::libc::O_NOFOLLOW;
use zeroize::Zeroizing;

use super::configure::{Startup, Work};
use crate::{cli::Printable, files};

/// The largest file that output is appended to, in octets.
const MAX_APPENDED: u64 = 64 << 20;

/// Who may read what is written: it may be secret where what was there before was not.
const OWNER_ONLY: u32 = 0o600;

/// The folder that `bootflash:` means, with what is not to be written there by such commands.
#[derive(Clone, Debug)]
pub struct Bootflash {
    /// The folder.
    pub folder: PathBuf,
    /// The configuration file, which `write memory` alone replaces.
    pub startup: Startup,
}

/// Whether a name that was typed is one on `bootflash:`.
#[must_use]
pub fn is_on(name: &str) -> bool {
    let system = name.split_once(':').map(|(system, _)| system);
    system.is_some_and(|system| {
        ["bootflash", "flash"]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(system))
    })
}

/// The name of a file on `bootflash:`.
///
/// # Errors
///
/// The text for whoever typed it.
pub fn name(typed: &str) -> Result<FileName, String> {
    FileName::new(typed).map_err(|error| format!("%Error opening {} ({error})", Printable(typed)))
}

/// Where it is: in the folder itself.
fn path_of(name: &FileName, folder: &Path) -> io::Result<PathBuf> {
    if name.path().contains('/') {
        let why = "there are no folders on bootflash: for this";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(folder.join(name.path()))
}

/// Reads a file, for as long as the disk takes.
///
/// # Errors
///
/// Of the file; for a link as well.
pub fn read(name: &FileName, folder: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    files::read_regular_itself(&path_of(name, folder)?, limit)
}

impl Bootflash {
    /// Puts a text into a file, whole or not at all, for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn write(&self, name: &FileName, text: &str, append: bool) -> Result<(), String> {
        self.put(name, text, append)
            .map_err(|error| format!("%Error opening {name} ({error})"))
    }

    fn put(&self, name: &FileName, text: &str, append: bool) -> io::Result<()> {
        /// Of two that write at once neither is to be lost.
        static WRITING: Mutex<()> = Mutex::new(());
        let _nobody_else_writes = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let path = path_of(name, &self.folder)?;
        let old = match fs::symlink_metadata(&path) {
            Ok(old) if old.is_file() => Some(old),
            Ok(_) => {
                let why = "it is no regular file";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if self.startup.is(&path) {
            let why = "it is the startup-config, which 'write memory' writes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let before = match (append, &old) {
            (true, Some(_)) => files::read_regular_itself(&path, MAX_APPENDED)?,
            _ => Zeroizing::default(),
        };
        let (draft, mut out) = draft(&path)?;
        let written = (|| {
            out.write_all(&before)?;
            out.write_all(text.as_bytes())?;
            out.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.folder)?.sync_all()
        })();
        if written.is_err() {
            // It may have taken its place.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// `copy {running-config|startup-config} bootflash:FILE`, with what `text` gives.
    pub fn copy(
        self,
        name: FileName,
        text: impl FnOnce() -> Result<String, String> + Send + 'static,
    ) -> Work<String> {
        Work::new(move || {
            let begun = Instant::now();
            let text = text()?;
            self.write(&name, &text, false)?;
            Ok(copied(text.len(), begun))
        })
    }
}

/// What a router says when it has copied so many octets.
#[must_use]
pub fn copied(octets: usize, begun: Instant) -> String {
    let milliseconds = begun.elapsed().as_millis().max(1);
    let each = u128::try_from(octets).unwrap_or(u128::MAX);
    let each = each.saturating_mul(1000).checked_div(milliseconds);
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    format!(
        "{octets} bytes copied in {seconds}.{rest:03} secs ({} bytes/sec)\n",
        each.unwrap_or_default()
    )
}

/// A file beside the one that it is to replace, under a name that nothing has.
fn draft(path: &Path) -> io::Result<(PathBuf, File)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    /// Drafts that runs may have left that were killed over them.
    const LEFT: usize = 1000;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let name = name.to_string_lossy();
    for _ in 0..LEFT {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_file_name(format!(".{name}.{}.{number}", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(OWNER_ONLY);
        match options.custom_flags(O_NOFOLLOW).open(&draft) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((draft, opened?)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn named(name: &str) -> FileName {
        FileName::new(&format!("bootflash:{name}")).unwrap()
    }

    #[test]
    fn files_stay_in_their_folder_and_are_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let boot = folder.path().join("boot");
        fs::create_dir(&boot).unwrap();
        let bootflash = Bootflash {
            folder: boot.clone(),
            startup: Startup::new(boot.join("startup"), folder.path()),
        };
        bootflash.write(&named("a.txt"), "one\n", false).unwrap();
        let path = boot.join("a.txt");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, OWNER_ONLY);
        // Others were let at what was there before; what comes now may be secret.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        bootflash.write(&named("a.txt"), "two\n", true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, OWNER_ONLY);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        bootflash.write(&named("/a.txt"), "three\n", false).unwrap();
        assert_eq!(**read(&named("a.txt"), &boot, 100).unwrap(), *b"three\n");
        // Nothing leads out of it, neither by a name nor by a link.
        for name in [
            "bootflash:../a",
            "bootflash:a/../../b",
            "bootflash:",
            "tftp:a",
        ] {
            assert!(self::name(name).is_err(), "{name}");
        }
        let outside = folder.path().join("outside");
        fs::write(&outside, "outside\n").unwrap();
        symlink(&outside, boot.join("link")).unwrap();
        symlink(folder.path(), boot.join("up")).unwrap();
        for name in ["link", "up/outside", "up"] {
            assert!(bootflash.write(&named(name), "in\n", false).is_err());
            assert!(bootflash.write(&named(name), "in\n", true).is_err());
            assert!(read(&named(name), &boot, 100).is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(&outside).unwrap(), "outside\n");
        assert!(bootflash.write(&named("startup"), "x\n", false).is_err());
        // Nothing is left of what was refused.
        let mut left: Vec<String> = fs::read_dir(&boot)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a.txt", "link", "up"]);
    }
}
