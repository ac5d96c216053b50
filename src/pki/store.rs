//! Trustpoints on disk: certification authorities, and the headend's certificates and private keys.
//!
//! ```text
//! STATE-DIR/trustpoints/            0700
//!   IKEv2-TP/                       0700, one folder for each trustpoint
//!     certificate.pem               the identity's certificate        (absent without an identity)
//!     chain.pem                     the certificates above it, no root (absent when there are none)
//!     key.pem                       its private key, PKCS#8, 0600      (absent without an identity)
//!     ca.pem                        the trusted authorities            (absent when there are none)
//! ```
//!
//! A trustpoint is written as a whole into a folder beside its own and takes its place by renaming, so that after a
//! crash there is the old one or the new one, never a key with another's certificate. The daemon writes, and `ironflex import`
//! beside it: each of them while it holds the lock `trustpoints.lock`, and nobody clears away what another one is writing.
//! Changes of several trustpoints that belong together are a [`Draft`].
//!
//! What stands beside a trustpoint `X`:
//!
//! ```text
//!     .X.next      what is being written                              goes when the store is opened
//!     .X.new       what is to take its place                          goes when the store is opened
//!     .X.old       what it was, while another one takes its place     comes back then where there is no X
//!     .X.7.gone    what nobody needs any more                         goes when the store is opened
//!     .held/X      what it was before a change that may be taken back: a folder, or an empty file if there was none;
//!                  a start puts it back ([`Draft::take_back_unconfirmed`])
//! ```
//!
//! What is held is forgotten all at once: its folder is given another name, which decides it for all, comes to the disk, and
//! only then is removed. So a crash leaves all of the old keys or all of the new ones.
//!
//! What is not covered by that: where the configuration file is written with the keys of a change that is not confirmed, the file
//! takes its place first, and what they have replaced is forgotten right after it. A crash between the two renamings, or a power
//! cut before both have come to the disk, leaves the new file with the old keys.

mod draft;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use zeroize::Zeroizing;

use self::draft::Staged;
pub use self::draft::{Draft, HeldStill, Placed, Remains};
use super::identity::{Identity, PrivateKey};
use super::pem::{
    MAX_PEM_OCTETS, PemError, read_pem_certificates, read_private_key, write_pem_certificates,
    write_private_key,
};

const CERTIFICATE: &str = "certificate.pem";
const CHAIN: &str = "chain.pem";
const KEY: &str = "key.pem";
const AUTHORITIES: &str = "ca.pem";

/// The longest trustpoint name, in octets.
pub const MAX_NAME_OCTETS: usize = 64;

/// Where trustpoints are kept.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    /// Trustpoints that are to be others, by the names of their folders, for a store whose lock a [`Draft`] holds.
    draft: Option<Arc<Mutex<BTreeMap<String, Staged>>>>,
}

/// What an import has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The trustpoint was not there before.
    New,
    /// The trustpoint already held exactly this; nothing was written.
    Unchanged,
    /// The trustpoint held something else.
    Replaced,
}

/// One trustpoint. No `Debug`: it holds a secret.
#[derive(Default)]
pub struct Trustpoint {
    /// The own certificate and key; `None` where only authorities are known.
    pub identity: Option<Identity>,
    /// Certificates of the trusted authorities in DER.
    pub authorities: Vec<Vec<u8>>,
}

impl Trustpoint {
    /// The authorities that peers' chains may end at, in DER.
    ///
    /// These are [`authorities`](Self::authorities). A PKCS#12 file without its root leaves none; then it is the topmost
    /// certificate above the identity, as on IOS-XE, where a trustpoint's authority is whoever issued its certificate.
    pub fn anchors(&self) -> &[Vec<u8>] {
        if !self.authorities.is_empty() {
            return &self.authorities;
        }
        let intermediates = self
            .identity
            .as_ref()
            .map_or(&[] as &[_], Identity::intermediates);
        intermediates
            .split_last_chunk::<1>()
            .map_or(&[], |(_, topmost)| topmost)
    }

    fn is_same(&self, other: &Self) -> bool {
        let is_same_identity = match (&self.identity, &other.identity) {
            (Some(own), Some(other)) => own.is_same(other),
            (None, None) => true,
            _ => false,
        };
        is_same_identity && self.authorities == other.authorities
    }
}

/// Why the store cannot do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A trustpoint name that is empty or longer than [`MAX_NAME_OCTETS`].
    #[error("{name:?} is no trustpoint name: it has 1 to {MAX_NAME_OCTETS} octets")]
    Name {
        /// The name.
        name: String,
    },
    /// The file system refuses.
    #[error("cannot {action} {}: {detail}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The kind of refusal.
        kind: io::ErrorKind,
        /// The system's words.
        detail: String,
    },
    /// A file of the store does not hold what it should.
    #[error("{} is damaged: {detail}; import the trustpoint again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Others than the daemon can read a private key.
    #[error("the private key {} is readable by others (mode {mode:04o}); chmod 600 it, or import the trustpoint again with a new key", path.display())]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// The store's name below the state folder.
const FOLDER: &str = "trustpoints";

/// Where a trustpoint is kept below the state folder.
#[must_use]
pub fn place_of(name: &str) -> PathBuf {
    // One whose name is none is kept nowhere.
    Path::new(FOLDER).join(encode(name).unwrap_or_default())
}

impl Store {
    /// Opens the store beneath the daemon's state folder, which must exist, and clears what a crash has left.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let folder = state_dir.join(FOLDER);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => sync(state_dir)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
                    .map_err(io_error("protect", &folder))?;
            }
            Err(error) => return Err(io_error("create", &folder)(error)),
        }
        let store = Self {
            folder,
            draft: None,
        };
        let _lock = store.lock()?;
        store.recover()?;
        Ok(store)
    }

    /// The same for looking only, beside a daemon if need be: nothing is made or cleared, and a folder that is not there
    /// has no trustpoints.
    #[must_use]
    pub fn view(state_dir: &Path) -> Self {
        Self {
            folder: state_dir.join(FOLDER),
            draft: None,
        }
    }

    /// Changes that are to be kept all or none. Waits for whoever is writing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] of the lock.
    pub fn draft(&self) -> Result<Draft, StoreError> {
        Ok(Draft::new(self.folder.clone(), self.lock()?))
    }

    /// The same for whoever cannot wait; `None` while somebody is writing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] of the lock.
    pub fn draft_now(&self) -> Result<Option<Draft>, StoreError> {
        let (file, path) = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Draft::new(self.folder.clone(), file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &path)(error)),
        }
    }

    /// Waits for the turn to write. It ends when the file is closed, at the latest with the process.
    fn lock(&self) -> Result<File, StoreError> {
        let (file, path) = self.lock_file()?;
        file.lock().map_err(io_error("lock", &path))?;
        Ok(file)
    }

    fn lock_file(&self) -> Result<(File, PathBuf), StoreError> {
        let path = self.folder.with_extension("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io_error("open", &path))?;
        Ok((file, path))
    }

    /// The same, unless a draft has it already.
    fn turn(&self) -> Result<Option<File>, StoreError> {
        match &self.draft {
            Some(_) => Ok(None),
            None => self.lock().map(Some),
        }
    }

    /// Of a draft, what is to be another.
    fn waiting(&self) -> Option<MutexGuard<'_, BTreeMap<String, Staged>>> {
        let all = self.draft.as_ref()?;
        Some(all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Names of the trustpoints, sorted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        let mut names: Vec<String> = self
            .entries()?
            .iter()
            .filter_map(|entry| decode(entry))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Reads a trustpoint; `None` when there is none of that name.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; a private key that others can read is refused.
    pub fn load(&self, name: &str) -> Result<Option<Trustpoint>, StoreError> {
        let entry = encode(name)?;
        let staged = self.waiting().and_then(|all| all.get(&entry).copied());
        let folder = match staged {
            Some(Staged::Another) => self.staging(&entry),
            Some(Staged::Held) if self.held(&entry).is_dir() => self.held(&entry),
            Some(Staged::Held) => return Ok(None),
            Some(Staged::Nothing) => return Ok(None),
            None => self.folder.join(entry),
        };
        if !folder.try_exists().map_err(io_error("look for", &folder))? {
            return Ok(None);
        }
        Ok(Some(Trustpoint {
            identity: load_identity(&folder)?,
            authorities: load_certificates(&folder.join(AUTHORITIES))?.unwrap_or_default(),
        }))
    }

    /// Makes a trustpoint hold exactly `trustpoint`. What it already holds is left alone, dates of files included.
    ///
    /// A damaged trustpoint, or one whose key others could read, is replaced.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn import(&self, name: &str, trustpoint: &Trustpoint) -> Result<Imported, StoreError> {
        let _turn = self.turn()?;
        let imported = self.put(name, trustpoint)?;
        self.mean(name).map(|()| imported)
    }

    fn put(&self, name: &str, trustpoint: &Trustpoint) -> Result<Imported, StoreError> {
        let imported = match self.load(name) {
            Ok(None) => Imported::New,
            Ok(Some(present)) if present.is_same(trustpoint) => return Ok(Imported::Unchanged),
            Ok(Some(_)) | Err(StoreError::Damaged { .. } | StoreError::KeyExposed { .. }) => {
                Imported::Replaced
            }
            Err(error) => return Err(error),
        };
        self.write(&encode(name)?, trustpoint)?;
        Ok(imported)
    }

    /// Makes `authorities` (DER) the trustpoint's trusted authorities and keeps its identity.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn authenticate(
        &self,
        name: &str,
        authorities: Vec<Vec<u8>>,
    ) -> Result<Imported, StoreError> {
        let _turn = self.turn()?;
        let identity = self.load(name)?.and_then(|present| present.identity);
        let imported = self.put(
            name,
            &Trustpoint {
                identity,
                authorities,
            },
        )?;
        self.mean(name).map(|()| imported)
    }

    /// What a trustpoint is without a draft it is for good, whatever may be taken back.
    fn mean(&self, name: &str) -> Result<(), StoreError> {
        match self.draft {
            Some(_) => Ok(()),
            None => {
                let (remains, still) = self.forget_held_of([name]);
                remains.clear()?;
                still.map_or(Ok(()), |still| Err(still.error))
            }
        }
    }

    /// Removes a trustpoint with its key. True when there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn remove(&self, name: &str) -> Result<bool, StoreError> {
        let entry = encode(name)?;
        let _turn = self.turn()?;
        let Some(mut all) = self.waiting() else {
            let was_there = self.settle(&entry, Staged::Nothing)?;
            return self.mean(name).map(|()| was_there);
        };
        // One that is staged is not half there for what cannot be removed of it.
        let gone = self.put_away(&self.staging(&entry))?;
        let folder = self.folder.join(&entry);
        let was_there = match all.get(&entry) {
            Some(Staged::Nothing) => false,
            Some(Staged::Another) => true,
            Some(Staged::Held) => self.held(&entry).is_dir(),
            None => folder.try_exists().map_err(io_error("look for", &folder))?,
        };
        all.insert(entry, Staged::Nothing);
        // What is left of it goes when the store is opened next.
        let _ = gone.map(|gone| remove_if_present(&gone));
        Ok(was_there)
    }

    fn write(&self, entry: &str, trustpoint: &Trustpoint) -> Result<(), StoreError> {
        self.write_by(entry, trustpoint, sync)
    }

    /// The same, with what brings a folder to the disk. Where it fails, what a draft had staged before is as it was.
    fn write_by(
        &self,
        entry: &str,
        trustpoint: &Trustpoint,
        sync: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (next, new) = (self.beside(entry, "next"), self.staging(entry));
        remove_if_present(&next)?;
        let written = write_trustpoint(&next, trustpoint)
            .and_then(|()| sync(&next))
            .and_then(|()| self.put_away(&new));
        let before = written.inspect_err(|_| {
            // What is left of it goes when the store is opened next.
            let _ = remove_if_present(&next);
        })?;
        if let Err(error) = fs::rename(&next, &new) {
            if let Some(before) = before {
                let _ = fs::rename(before, &new);
            }
            let _ = remove_if_present(&next);
            return Err(io_error("create", &new)(error));
        }
        match self.waiting() {
            Some(mut all) => {
                all.insert(entry.to_owned(), Staged::Another);
            }
            None => {
                self.settle(entry, Staged::Another)?;
            }
        }
        let _ = before.map(|before| remove_if_present(&before));
        Ok(())
    }

    /// A trustpoint becomes another for good. True when there was one.
    fn settle(&self, entry: &str, staged: Staged) -> Result<bool, StoreError> {
        let change = self.exchange(entry, staged, false)?;
        sync(&self.folder)?;
        remove_if_present(&change.old)?;
        change.stale.as_deref().map_or(Ok(()), remove_if_present)?;
        Ok(change.was_there)
    }

    /// Puts every trustpoint back whose replacement was cut short, and removes half-written ones. Where several were to be
    /// replaced together, each of them is whole then, and some may be the old ones and some the new ones. What may have to be
    /// taken back is left alone ([`Draft::take_back_unconfirmed`]).
    fn recover(&self) -> Result<(), StoreError> {
        for entry in self.entries()? {
            let left = self.folder.join(&entry);
            let Some(hidden) = entry.strip_prefix('.') else {
                continue;
            };
            if entry == HELD {
                // One that holds nothing says nothing.
                let _ = fs::remove_dir(&left);
                continue;
            }
            match hidden.strip_suffix(".old").map(|own| self.folder.join(own)) {
                Some(own) if !own.exists() => {
                    fs::rename(&left, &own).map_err(io_error("restore", &own))?;
                }
                _ => remove_if_present(&left)?,
            }
        }
        sync(&self.folder)
    }

    fn entries(&self) -> Result<Vec<String>, StoreError> {
        names(&self.folder).map_err(io_error("read", &self.folder))
    }

    fn beside(&self, entry: &str, suffix: &str) -> PathBuf {
        self.folder.join(format!(".{entry}.{suffix}"))
    }

    fn staging(&self, entry: &str) -> PathBuf {
        self.beside(entry, "new")
    }

    fn superseded(&self, entry: &str) -> PathBuf {
        self.beside(entry, "old")
    }

    fn held(&self, entry: &str) -> PathBuf {
        self.folder.join(HELD).join(entry)
    }

    /// Gives what stands beside a trustpoint a name under which nobody looks for it, and which is free. Returns that; `None`
    /// where there is nothing.
    fn put_away(&self, path: &Path) -> Result<Option<PathBuf>, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        #[cfg(test)]
        if STUCK.with_borrow(|stuck| path == stuck) {
            return Err(io_error("replace", path)(
                io::ErrorKind::PermissionDenied.into(),
            ));
        }
        let own = path.file_name().and_then(|name| name.to_str());
        let own = own.unwrap_or_default().trim_start_matches('.');
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let gone = self.folder.join(format!(".{own}.{number}.gone"));
            // One that another process has left is no place for it.
            if gone.symlink_metadata().is_ok() {
                continue;
            }
            return match fs::rename(path, &gone) {
                Ok(()) => Ok(Some(gone)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(io_error("replace", path)(error)),
            };
        }
    }
}

#[cfg(test)]
thread_local! {
    /// What cannot be put away.
    pub(crate) static STUCK: std::cell::RefCell<PathBuf> = const { std::cell::RefCell::new(PathBuf::new()) };
}

/// What is in a folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
    names.filter_map(Result::transpose).collect()
}

/// The folder of what was before a change that may be taken back.
const HELD: &str = ".held";

fn write_trustpoint(folder: &Path, trustpoint: &Trustpoint) -> Result<(), StoreError> {
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(io_error("create", folder))?;
    if let Some(identity) = &trustpoint.identity {
        let key = write_private_key(identity.key().pkcs8_der());
        write_file(&folder.join(KEY), key.as_bytes())?;
        let certificate = write_pem_certificates(&[identity.certificate()]);
        write_file(&folder.join(CERTIFICATE), certificate.as_bytes())?;
        write_certificates(&folder.join(CHAIN), identity.intermediates())?;
    }
    write_certificates(&folder.join(AUTHORITIES), &trustpoint.authorities)
}

/// The folder name of a trustpoint: letters, digits, `-` and `_` stand for themselves, every other octet becomes `%XX`.
/// So no name can leave the store, be hidden, or meet another on a file system.
fn encode(name: &str) -> Result<String, StoreError> {
    if name.is_empty() || name.len() > MAX_NAME_OCTETS {
        return Err(StoreError::Name {
            name: name.to_owned(),
        });
    }
    Ok(name
        .bytes()
        .map(|octet| match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(octet).to_string(),
            _ => format!("%{octet:02X}"),
        })
        .collect())
}

/// The trustpoint name of a folder, `None` for a folder that is none of ours.
fn decode(entry: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(entry.len());
    let mut rest = entry.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            octets.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail;
        } else {
            octets.push(first);
        }
    }
    let name = String::from_utf8(octets).ok()?;
    encode(&name)
        .is_ok_and(|again| again == entry)
        .then_some(name)
}

fn load_identity(folder: &Path) -> Result<Option<Identity>, StoreError> {
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    match (load_certificates(&certificate)?, load_key(&key)?) {
        (None, None) => Ok(None),
        (Some(mut certificates), Some(key)) if certificates.len() == 1 => {
            let chain = load_certificates(&folder.join(CHAIN))?.unwrap_or_default();
            Ok(certificates
                .pop()
                .map(|certificate| Identity::new(certificate, chain, key)))
        }
        (Some(_), Some(_)) => Err(StoreError::Damaged {
            path: certificate,
            detail: "exactly one certificate is expected".to_owned(),
        }),
        (None, Some(_)) => Err(StoreError::Damaged {
            path: certificate,
            detail: "the private key's certificate is missing".to_owned(),
        }),
        (Some(_), None) => Err(StoreError::Damaged {
            path: key,
            detail: "the certificate's private key is missing".to_owned(),
        }),
    }
}

fn load_certificates(path: &Path) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
    let Some(file) = read_file(path)? else {
        return Ok(None);
    };
    read_pem_certificates(&file.text)
        .map(Some)
        .map_err(damaged(path))
}

fn load_key(path: &Path) -> Result<Option<PrivateKey>, StoreError> {
    let Some(file) = read_file(path)? else {
        return Ok(None);
    };
    if file.mode & 0o077 != 0 {
        return Err(StoreError::KeyExposed {
            path: path.to_owned(),
            mode: file.mode,
        });
    }
    read_private_key(&file.text)
        .map_err(damaged(path))?
        .map(|der| Some(PrivateKey::from_pkcs8_der(der)))
        .ok_or_else(|| StoreError::Damaged {
            path: path.to_owned(),
            detail: "no block between BEGIN PRIVATE KEY and END PRIVATE KEY".to_owned(),
        })
}

struct PemFile {
    text: Zeroizing<Vec<u8>>,
    /// Permission bits.
    mode: u32,
}

/// `None` when the file is absent. No more is read than PEM text may have.
fn read_file(path: &Path) -> Result<Option<PemFile>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let metadata = file.metadata().map_err(io_error("read", path))?;
    let limit = MAX_PEM_OCTETS.saturating_add(1);
    // Full size at once: a growing buffer would leave copies of the key behind.
    let size = usize::try_from(metadata.len()).unwrap_or(limit).min(limit);
    let mut text = Zeroizing::new(Vec::with_capacity(size.saturating_add(1)));
    file.take(u64::try_from(limit).unwrap_or(u64::MAX))
        .read_to_end(&mut text)
        .map_err(io_error("read", path))?;
    Ok(Some(PemFile {
        text,
        mode: metadata.mode() & 0o7777,
    }))
}

fn write_certificates(path: &Path, certificates: &[Vec<u8>]) -> Result<(), StoreError> {
    if certificates.is_empty() {
        return Ok(());
    }
    write_file(path, write_pem_certificates(certificates).as_bytes())
}

fn write_file(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .map_err(io_error("write", path))
}

/// Makes renames and new files in `folder` outlive a power cut.
fn sync(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("sync", folder))
}

fn remove_if_present(path: &Path) -> Result<(), StoreError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |error| StoreError::Io {
        action,
        path,
        kind: error.kind(),
        detail: error.to_string(),
    }
}

fn damaged(path: &Path) -> impl FnOnce(PemError) -> StoreError {
    let path = path.to_owned();
    move |error| StoreError::Damaged {
        path,
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
