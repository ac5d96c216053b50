//! Files on `bootflash:` that commands write and read.
//!
//! They are in the folder that `dir` shows, and in no other: a name that leads elsewhere is refused, and so is a link. What is written
//! takes its place by renaming, after it has come to the disk, and is its owner's alone: a configuration holds passwords.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use ironflex_profiles::model::name::FileName;
use nix::libc::O_NOFOLLOW;
use zeroize::Zeroizing;

use super::configure::{Named, Startup, Work};
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
    /// What the configuration reads from there.
    pub named: Named,
}

/// What is said where a file is there already that is not to be replaced.
pub const EXISTS: &str = "%Warning:There is a file already existing with this name";

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Present {
    /// It stays as it is, and nothing is written: [`EXISTS`].
    Kept,
    /// It goes.
    Replaced,
    /// What is written goes behind what is in it.
    Continued,
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
        return Err(refused("there are no folders on bootflash: for this"));
    }
    Ok(folder.join(name.path()))
}

fn refused(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.into())
}

fn failed(name: &FileName, error: &io::Error) -> String {
    format!("%Error opening {name} ({error})")
}

/// Reads a file, for as long as the disk takes.
///
/// # Errors
///
/// Of the file; for a link as well.
pub fn read(name: &FileName, folder: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    files::read_regular_itself(&path_of(name, folder)?, limit)
}

/// Nobody else changes anything there meanwhile: of two that do so at once neither is to be lost.
fn alone() -> MutexGuard<'static, ()> {
    static WRITING: Mutex<()> = Mutex::new(());
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bootflash {
    /// Puts octets into a file, whole or not at all, for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// The text for whoever asked; [`EXISTS`] alone where a file is there that is to be kept.
    pub fn write(&self, name: &FileName, octets: &[u8], present: Present) -> Result<(), String> {
        let written = self.put(name, octets, present);
        if written.map_err(|error| failed(name, &error))? {
            Ok(())
        } else {
            Err(EXISTS.to_owned())
        }
    }

    /// The same. False where nothing was written for what was there.
    fn put(&self, name: &FileName, octets: &[u8], present: Present) -> io::Result<bool> {
        let _nobody_else = alone();
        let (path, old) = self.to_change(name)?;
        let before = match (present, &old) {
            (Present::Kept, Some(_)) => return Ok(false),
            (Present::Continued, Some(_)) => files::read_regular_itself(&path, MAX_APPENDED)?,
            _ => Zeroizing::default(),
        };
        let (draft, mut out) = draft(&path)?;
        let written = (|| {
            out.write_all(&before)?;
            out.write_all(octets)?;
            out.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.folder)?.sync_all()
        })();
        if written.is_err() {
            // It may have taken its place.
            let _ = fs::remove_file(&draft);
        }
        written.map(|()| true)
    }

    /// Where a file is that is to be written or deleted, and what is there. Refused for what the headend itself reads.
    fn to_change(&self, name: &FileName) -> io::Result<(PathBuf, Option<Metadata>)> {
        let path = path_of(name, &self.folder)?;
        let old = match fs::symlink_metadata(&path) {
            Ok(old) if old.is_file() => Some(old),
            Ok(_) => return Err(refused("it is no regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if self.startup.is(&path) {
            return Err(refused(
                "it is the startup-config, which 'write memory' writes and 'write erase' erases",
            ));
        }
        if old.is_some() {
            self.is_no_state()?;
        }
        let is_same = |other: &FileName| {
            let other = self.folder.join(other.path());
            let found = old.as_ref().zip(fs::metadata(&other).ok());
            other == path
                || found.is_some_and(|(one, other)| {
                    (one.dev(), one.ino()) == (other.dev(), other.ino())
                })
        };
        match self.named.of(&self.startup, is_same) {
            Some(why) => Err(refused(why)),
            None => Ok((path, old)),
        }
    }

    /// Refused where it is the headend's own files that are there.
    fn is_no_state(&self) -> io::Result<()> {
        if self.startup.is_state_folder(&self.folder) {
            return Err(refused(
                "bootflash: is the state folder, where the headend's own files are",
            ));
        }
        Ok(())
    }

    /// Reads a file to show it, or to copy it.
    pub fn look_into(&self, name: &FileName, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        self.is_no_state()?;
        read(name, &self.folder, limit)
    }

    /// `delete bootflash:FILE`
    pub fn delete(self, name: FileName) -> Work<String> {
        Work::new(move || {
            self.remove(&name)
                .map_err(|error| format!("%Error deleting {name} ({error})"))?;
            Ok(String::new())
        })
    }

    fn remove(&self, name: &FileName) -> io::Result<()> {
        let _nobody_else = alone();
        let (path, old) = self.to_change(name)?;
        if old.is_none() {
            // In the words of the system, as of a file that cannot be opened.
            return Err(nix::errno::Errno::ENOENT.into());
        }
        // What has taken its place meanwhile, such as a link, is not followed.
        fs::remove_file(path)?;
        File::open(&self.folder)?.sync_all()
    }

    /// `more bootflash:FILE`
    pub fn more(self, name: FileName, limit: u64) -> Work<String> {
        Work::new(move || {
            let octets = self.look_into(&name, limit);
            let octets = octets.map_err(|error| failed(&name, &error))?;
            shown(&octets).map_err(|why| format!("%Error reading {name} ({why})"))
        })
    }

    /// `copy {running-config|startup-config|bootflash:FILE} bootflash:FILE`, with what `octets` gives.
    pub fn copy(
        self,
        name: FileName,
        present: Present,
        octets: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, String> + Send + 'static,
    ) -> Work<String> {
        Work::new(move || {
            let begun = Instant::now();
            let octets = octets()?;
            self.write(&name, &octets, present)?;
            Ok(copied(octets.len(), begun))
        })
    }
}

/// A file for a terminal, which nothing of it steers.
///
/// # Errors
///
/// Why it is no text.
pub fn shown(octets: &[u8]) -> Result<String, String> {
    let text = files::text_of(octets)
        .ok()
        .filter(|text| !text.contains('\0'));
    let text = text.ok_or("it is no text")?;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut parts = line.split('\t');
        out.extend(parts.next().map(|first| Printable(first).to_string()));
        out.extend(parts.map(|part| format!("\t{}", Printable(part))));
        out.push('\n');
    }
    Ok(out)
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
            named: Named::default(),
        };
        let (over, behind) = (Present::Replaced, Present::Continued);
        bootflash.write(&named("a.txt"), b"one\n", over).unwrap();
        let path = boot.join("a.txt");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, OWNER_ONLY);
        // Others were let at what was there before; what comes now may be secret.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        bootflash.write(&named("a.txt"), b"two\n", behind).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, OWNER_ONLY);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        bootflash.write(&named("/a.txt"), b"three\n", over).unwrap();
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
            for present in [over, behind, Present::Kept] {
                let error = bootflash.write(&named(name), b"in\n", present).unwrap_err();
                assert!(error.starts_with("%Error opening "), "{error}");
            }
            assert!(bootflash.remove(&named(name)).is_err(), "{name}");
            assert!(read(&named(name), &boot, 100).is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(&outside).unwrap(), "outside\n");
        assert!(bootflash.write(&named("startup"), b"x\n", over).is_err());
        assert!(boot.join("link").is_symlink() && boot.join("up").is_symlink());
        // Nothing is left of what was refused.
        let mut left: Vec<String> = fs::read_dir(&boot)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a.txt", "link", "up"]);
    }

    /// A folder with a startup-config, and what is named by it and by what runs.
    fn with_names() -> (tempfile::TempDir, Bootflash) {
        let folder = tempfile::tempdir().unwrap();
        let boot = folder.path().join("boot");
        fs::create_dir(&boot).unwrap();
        let startup = Startup::new(boot.join("startup"), &folder.path().join("state"));
        fs::write(
            startup.path(),
            "crypto pki trustpoint TP\n enrollment pkcs12\nexit\n\
             crypto pki import TP pkcs12 bootflash:TP.p12 password cisco123\n\
             crypto pki trustpoint CA\n enrollment terminal\nexit\n\
             crypto pki authenticate CA pem flash:/ca.pem\n",
        )
        .unwrap();
        let runs = "crypto vpn anyconnect profile acvpn bootflash:/acvpn.xml\n";
        let mut named = Named::default();
        named.add(&ironflex_profiles::parse(runs, "running-config").candidate);
        let bootflash = Bootflash {
            folder: boot,
            startup,
            named,
        };
        (folder, bootflash)
    }

    #[test]
    fn what_the_configuration_reads_is_neither_written_nor_deleted() {
        let (_folder, bootflash) = with_names();
        let boot = &bootflash.folder;
        symlink(boot.join("behind.p12"), boot.join("ca.pem")).unwrap();
        for (name, by) in [
            ("TP.p12", "crypto pki import TP"),
            ("acvpn.xml", "crypto vpn anyconnect profile acvpn"),
            // By another name of the same file.
            ("behind.p12", "crypto pki authenticate CA"),
        ] {
            // One that is not there either: it would be read from then on.
            for present in [Present::Replaced, Present::Continued, Present::Kept] {
                if name != "behind.p12" {
                    let error = bootflash.write(&named(name), b"x\n", present).unwrap_err();
                    assert!(error.contains(by), "{error}");
                }
            }
            fs::write(boot.join(name), "mine\n").unwrap();
            for present in [Present::Replaced, Present::Continued, Present::Kept] {
                let error = bootflash.write(&named(name), b"x\n", present).unwrap_err();
                assert!(error.contains(by), "{error}");
            }
            let error = bootflash.remove(&named(name)).unwrap_err().to_string();
            assert!(error.contains(by), "{error}");
            assert_eq!(fs::read_to_string(boot.join(name)).unwrap(), "mine\n");
        }
        let error = bootflash.remove(&named("startup")).unwrap_err().to_string();
        assert!(error.contains("'write erase' erases"), "{error}");
        // What a start would not read any more may go.
        fs::write(bootflash.startup.path(), "").unwrap();
        bootflash.remove(&named("TP.p12")).unwrap();
        assert!(!boot.join("TP.p12").exists());
        assert!(bootflash.remove(&named("acvpn.xml")).is_err());
    }

    #[test]
    fn a_file_is_kept_until_somebody_was_asked_and_one_that_is_deleted_is_gone() {
        let (_folder, bootflash) = with_names();
        let kept = |octets| bootflash.write(&named("a"), octets, Present::Kept);
        kept(b"one\n").unwrap();
        assert_eq!(kept(b"two\n").unwrap_err(), EXISTS);
        let path = bootflash.folder.join("a");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        bootflash.clone().delete(named("a")).carry_out().unwrap();
        assert!(!path.exists());
        let error = bootflash
            .clone()
            .delete(named("a"))
            .carry_out()
            .unwrap_err();
        assert!(
            error.starts_with("%Error deleting bootflash:a ("),
            "{error}"
        );
        fs::create_dir(&path).unwrap();
        assert!(bootflash.clone().delete(named("a")).carry_out().is_err());
        assert!(path.is_dir());
    }

    #[test]
    fn of_several_that_write_a_new_file_at_once_all_but_one_are_asked() {
        let (_folder, bootflash) = with_names();
        let together = std::sync::Barrier::new(8);
        let written: Vec<_> = std::thread::scope(|scope| {
            let writer = |octet: u8| {
                let (bootflash, together) = (&bootflash, &together);
                scope.spawn(move || {
                    together.wait();
                    bootflash.write(&named("a"), &[octet], Present::Kept)
                })
            };
            let writers: Vec<_> = (b'0'..b'8').map(writer).collect();
            let all = writers.into_iter().map(|one| one.join().unwrap());
            all.collect()
        });
        let asked = written.iter().filter(|one| **one == Err(EXISTS.to_owned()));
        assert_eq!(asked.count(), 7, "{written:?}");
        assert_eq!(fs::read(bootflash.folder.join("a")).unwrap().len(), 1);
    }

    #[test]
    fn the_files_of_the_state_folder_are_nobodys_to_change() {
        let folder = tempfile::tempdir().unwrap();
        let bootflash = Bootflash {
            folder: folder.path().to_owned(),
            startup: Startup::new(folder.path().join("startup"), folder.path()),
            named: Named::default(),
        };
        fs::write(folder.path().join("qcd-secret"), "secret").unwrap();
        assert!(bootflash.remove(&named("qcd-secret")).is_err());
        let over = bootflash.write(&named("qcd-secret"), b"x", Present::Replaced);
        assert!(over.unwrap_err().contains("the state folder"));
        let more = bootflash.clone().more(named("qcd-secret"), 100);
        assert!(more.carry_out().unwrap_err().contains("the state folder"));
        bootflash.write(&named("new"), b"x", Present::Kept).unwrap();
    }

    #[test]
    fn a_file_is_shown_and_steers_no_terminal() {
        assert_eq!(
            shown(b"! \x1b[2J\r\n\ta\tb\xc3\xbc\nend").unwrap(),
            "! .[2J\n\ta\tb\u{fc}\nend\n"
        );
        assert_eq!(shown(b"").unwrap(), "");
        for octets in [&b"\x30\x82\xff"[..], b"a\0b"] {
            assert_eq!(shown(octets).unwrap_err(), "it is no text");
        }
    }
}
