//! Changes of trustpoints that belong together: made all or none, and taken back.
//!
//! ```text
//!   Store ──draft──▶ Draft ──place──▶ Placed ──settle──▶ made
//!                      │ dropped        │ dropped
//!                      └────────────────┴──▶ as it was
//! ```

use std::collections::btree_map::Entry;

use super::*;

/// What a trustpoint is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Staged {
    /// What waits beside its place.
    Another,
    /// Nothing: it is to be gone.
    Nothing,
}

/// Changes of a store that are not made yet: they are seen through [`store`](Self::store), and by nobody else until they are
/// kept. Dropped, it leaves the store as it is. Nobody else writes meanwhile.
pub struct Draft {
    store: Store,
    lock: Option<File>,
}

impl Draft {
    /// Nothing is changed yet. `lock` is held for as long as this goes on.
    pub(super) fn new(folder: PathBuf, lock: File) -> Self {
        let store = Store {
            folder,
            draft: Some(Arc::default()),
        };
        Self {
            store,
            lock: Some(lock),
        }
    }

    /// The store as it is to be.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Puts all changes in place, from where they can still be taken back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; the store is as it was then.
    pub fn place(mut self) -> Result<Placed, StoreError> {
        let mut placed = Placed {
            store: Store {
                folder: self.store.folder.clone(),
                draft: None,
            },
            changes: Vec::new(),
            lock: self.lock.take(),
        };
        let waiting = self
            .store
            .waiting()
            .map(|mut all| std::mem::take(&mut *all));
        let mut waiting = waiting.unwrap_or_default();
        while let Some((entry, staged)) = waiting.pop_first() {
            if let Err(error) = placed.store.exchange(&entry, staged) {
                // What has not had its turn goes the way of a draft that is dropped.
                placed.take_back();
                self.lock = placed.lock.take();
                waiting.insert(entry, staged);
                if let Some(mut all) = self.store.waiting() {
                    *all = waiting;
                }
                return Err(error);
            }
            placed.changes.push((entry, staged));
        }
        Ok(placed)
    }

    /// Keeps the changes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; the store is as it was, or as it was to be.
    pub fn keep(self) -> Result<(), StoreError> {
        self.place()?.settle()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        while let Some((entry, _)) = self.store.waiting().and_then(|mut all| all.pop_first()) {
            // What cannot be removed goes when the store is opened next.
            let _ = remove_if_present(&self.store.staging(&entry));
        }
    }
}

/// Changes that are in their places, with what was there before beside them. Dropped, it takes them back.
#[must_use]
pub struct Placed {
    store: Store,
    changes: Vec<(String, Staged)>,
    lock: Option<File>,
}

impl Placed {
    /// From here on the changes stay.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] where they may not outlive a power cut, or something of what was before is left.
    pub fn settle(mut self) -> Result<(), StoreError> {
        let changes = std::mem::take(&mut self.changes);
        if changes.is_empty() {
            return Ok(());
        }
        sync(&self.store.folder)?;
        for (entry, _) in changes {
            remove_if_present(&self.store.superseded(&entry))?;
        }
        Ok(())
    }

    fn take_back(&mut self) {
        for (entry, staged) in self.changes.drain(..).rev() {
            // What cannot be put back now is put back when the store is opened next.
            let _ = self.store.exchange_back(&entry, staged);
        }
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl Store {
    /// A trustpoint becomes another, and what it was stands beside it. True when there was one.
    pub(super) fn exchange(&self, entry: &str, staged: Staged) -> Result<bool, StoreError> {
        let (folder, old) = (self.folder.join(entry), self.superseded(entry));
        remove_if_present(&old)?;
        let was_there = match fs::rename(&folder, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(io_error("replace", &folder)(error)),
        };
        if staged == Staged::Another {
            // A crash at this point leaves no folder of the right name; `recover` puts the old one back.
            if let Err(error) = fs::rename(self.staging(entry), &folder) {
                if was_there {
                    // As it does when this fails, too.
                    let _ = fs::rename(&old, &folder);
                }
                return Err(io_error("create", &folder)(error));
            }
        }
        Ok(was_there)
    }

    /// Takes that back.
    fn exchange_back(&self, entry: &str, staged: Staged) -> Result<(), StoreError> {
        let (folder, new, old) = (
            self.folder.join(entry),
            self.staging(entry),
            self.superseded(entry),
        );
        if staged == Staged::Another {
            remove_if_present(&new)?;
            fs::rename(&folder, &new).map_err(io_error("take back", &folder))?;
        }
        match fs::rename(&old, &folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("restore", &folder)(error));
            }
            _ => {}
        }
        remove_if_present(&new)
    }
}

/// One file of a trustpoint, whatever it holds.
struct HeldFile {
    name: &'static str,
    content: Zeroizing<Vec<u8>>,
    /// Permission bits.
    mode: u32,
}

/// What trustpoints held before somebody changed them, file by file; damaged ones, too. No `Debug`: it holds secrets.
#[derive(Default)]
pub struct Held(BTreeMap<String, Option<Vec<HeldFile>>>);

impl Held {
    /// Notes what the store has of each trustpoint that a draft is to change, unless it was noted before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn note(&mut self, draft: &Draft) -> Result<(), StoreError> {
        let waiting = draft.store.waiting();
        let entries: Vec<String> = waiting.iter().flat_map(|all| all.keys().cloned()).collect();
        drop(waiting);
        for entry in entries {
            let folder = draft.store.folder.join(&entry);
            if let Entry::Vacant(place) = self.0.entry(entry) {
                place.insert(read_folder(&folder)?);
            }
        }
        Ok(())
    }

    /// The names of the trustpoints.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.0.keys().filter_map(|entry| decode(entry))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Stages what was noted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn put_back(&self, draft: &Draft) -> Result<(), StoreError> {
        for (entry, files) in &self.0 {
            let new = draft.store.staging(entry);
            remove_if_present(&new)?;
            let staged = match files {
                None => Staged::Nothing,
                Some(files) => {
                    write_folder(&new, files)?;
                    Staged::Another
                }
            };
            if let Some(mut all) = draft.store.waiting() {
                all.insert(entry.clone(), staged);
            }
        }
        Ok(())
    }
}

/// `None` when the folder is absent.
fn read_folder(folder: &Path) -> Result<Option<Vec<HeldFile>>, StoreError> {
    if !folder.try_exists().map_err(io_error("look for", folder))? {
        return Ok(None);
    }
    let mut files = Vec::new();
    for name in [CERTIFICATE, CHAIN, KEY, AUTHORITIES] {
        let file = read_file(&folder.join(name))?;
        files.extend(file.map(|PemFile { text, mode }| HeldFile {
            name,
            content: text,
            mode,
        }));
    }
    Ok(Some(files))
}

fn write_folder(folder: &Path, files: &[HeldFile]) -> Result<(), StoreError> {
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(io_error("create", folder))?;
    for file in files {
        let path = folder.join(file.name);
        write_file(&path, &file.content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))
            .map_err(io_error("protect", &path))?;
    }
    sync(folder)
}
