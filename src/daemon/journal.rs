//! What a start was about to make, for the start after a crash.
//!
//! The marks of `ironflex_xfrm::netlink` tell what is ours; only a device cannot be marked in the act of making it. So
//! the names of devices stand here before there are any, with the network namespace in which they are to be: a
//! device of such a name is another's in any other namespace, and after the machine was started anew.
//!
//! The kernel forgets devices when the machine goes down, so nothing is synced to the disk. The file is locked for as
//! long as the daemon lives, which keeps a second one away from the state folder.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// The file's name below the state folder.
const NAME: &str = "journal";

/// The longest journal that is read, in octets.
const LIMIT: u64 = 1 << 20;

/// Where devices are: a network namespace, between one start of the machine and the next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    boot: String,
    namespace: String,
}

impl Place {
    /// The calling thread's.
    fn here() -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let namespace = fs::metadata("/proc/thread-self/ns/net")?;
        Ok(Self {
            boot: boot.trim().to_owned(),
            namespace: format!("{}:{}", namespace.dev(), namespace.ino()),
        })
    }
}

/// The journal of one state folder, locked.
pub struct Journal {
    file: File,
    place: Place,
    /// The devices that a daemon which did not come to its end was about to make here.
    pub unfinished: Vec<String>,
}

impl Journal {
    /// Locks a state folder's journal and reads what a crash left in it; `None` when another daemon has it.
    ///
    /// # Errors
    ///
    /// Of the system calls.
    pub fn open(state_dir: &Path) -> io::Result<Option<Self>> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(state_dir.join(NAME))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: the control socket and the UDP ports keep a second daemon away, too.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let place = Place::here()?;
        let mut octets = Vec::new();
        (&mut file).take(LIMIT).read_to_end(&mut octets)?;
        let unfinished = read(&String::from_utf8_lossy(&octets), &place);
        Ok(Some(Self {
            file,
            place,
            unfinished,
        }))
    }

    /// Notes the devices that are about to be made, in place of what it held: that has been cleared away by now. Some lines are written
    /// over those of a file that is open, and nothing waits for the disk: a change is put to work on the loop.
    ///
    /// # Errors
    ///
    /// Of the system calls.
    pub fn note(&mut self, devices: impl Iterator<Item = String>) -> io::Result<()> {
        let text = write(&self.place, devices);
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }

    /// Takes nothing from here on.
    #[cfg(test)]
    pub(super) fn refuse(&mut self) {
        self.file = File::open("/dev/null").unwrap();
    }

    /// Forgets them: they are gone.
    ///
    /// # Errors
    ///
    /// Of the system calls.
    pub fn forget(self) -> io::Result<()> {
        self.file.set_len(0)
    }
}

/// Two lines for the place, then one for each device.
fn write(place: &Place, devices: impl Iterator<Item = String>) -> String {
    let Place { boot, namespace } = place;
    let mut text = format!("boot {boot}\nnamespace {namespace}\n");
    for device in devices {
        text.extend(["device ", &device, "\n"]);
    }
    text
}

/// The devices of a journal that was written in this place; none of any other. A line without its end was cut off by the
/// crash, before anything was made.
fn read(text: &str, place: &Place) -> Vec<String> {
    let mut devices = Vec::new();
    let (mut boot, mut namespace) = (None, None);
    for line in text.split_inclusive('\n') {
        let word = line
            .strip_suffix('\n')
            .and_then(|line| line.split_once(' '));
        match word {
            Some(("boot", value)) => boot = Some(value),
            Some(("namespace", value)) => namespace = Some(value),
            Some(("device", value)) => devices.push(value.to_owned()),
            _ => {}
        }
    }
    let here = boot == Some(&*place.boot) && namespace == Some(&*place.namespace);
    if here { devices } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices() -> Vec<String> {
        vec!["ironflex-vt100".to_owned(), "ironflex-lo100".to_owned()]
    }

    #[test]
    fn a_crash_leaves_what_was_to_be_made_and_an_orderly_end_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Journal::open(folder.path()).unwrap().unwrap();
        let mut journal = open();
        assert!(journal.unfinished.is_empty());
        journal.note(devices().into_iter()).unwrap();
        drop(journal);
        let mut journal = open();
        assert_eq!(journal.unfinished, devices());
        // Less than before: nothing of the longer text stays.
        journal.note(devices().into_iter().take(1)).unwrap();
        drop(journal);
        let journal = open();
        assert_eq!(journal.unfinished, devices()[..1]);
        journal.forget().unwrap();
        assert!(open().unfinished.is_empty());
    }

    #[test]
    fn a_second_daemon_does_not_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = Journal::open(folder.path()).unwrap().unwrap();
        assert!(Journal::open(folder.path()).unwrap().is_none());
        drop(first);
        assert!(Journal::open(folder.path()).unwrap().is_some());
    }

    #[test]
    fn devices_of_another_namespace_or_boot_are_not_ours() {
        let here = Place::here().unwrap();
        let text = write(&here, devices().into_iter());
        assert_eq!(read(&text, &here), devices());
        for elsewhere in [
            Place {
                boot: "another".into(),
                ..here.clone()
            },
            Place {
                namespace: "0:1".into(),
                ..here.clone()
            },
        ] {
            assert_eq!(read(&text, &elsewhere), [""; 0], "{elsewhere:?}");
        }
    }

    #[test]
    fn a_journal_that_was_cut_off_holds_whole_lines_only() {
        let here = Place::here().unwrap();
        let text = write(&here, devices().into_iter());
        for cut in 0..text.len() {
            let found = read(&text[..cut], &here);
            assert!(devices().starts_with(&found), "cut to {cut}: {found:?}");
        }
    }
}
