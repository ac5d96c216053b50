//! Changes of trustpoints that belong together: made all or none, and taken back.
//!
//! ```text
//!   Store ──draft──▶ Draft ──place──▶ Placed ──settle──▶ Remains ──clear──▶ made
//!                      │ dropped        │ dropped
//!                      └────────────────┴──▶ as it was
//! ```
//!
//! To place and to settle is to rename: nobody waits for the disk there. What is to be cleared away is in nobody's way.

use super::*;

/// What a trustpoint is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Staged {
    /// What waits beside its place.
    Another,
    /// Nothing: it is to be gone.
    Nothing,
    /// What it was before a change that is taken back.
    Held,
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

    /// Puts all changes in place, from where they can still be taken back. What they replace is held from then on if `hold`
    /// says so: until it is put back ([`put_back`](Self::put_back)) or forgotten ([`Store::forget_held`],
    /// [`Store::forget_held_of`]), and a start puts it back as well. What is held already stays then; otherwise it goes with what
    /// they replace.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; the store is as it was then.
    pub fn place(mut self, hold: bool) -> Result<Placed, StoreError> {
        let mut placed = Placed {
            store: Store {
                folder: self.store.folder.clone(),
                draft: None,
            },
            changes: Vec::new(),
            hold,
            lock: self.lock.take(),
        };
        let waiting = self
            .store
            .waiting()
            .map(|mut all| std::mem::take(&mut *all));
        let mut waiting = waiting.unwrap_or_default();
        while let Some((entry, staged)) = waiting.pop_first() {
            match placed.store.exchange(&entry, staged, hold) {
                Ok(change) => placed.changes.push(change),
                Err(error) => {
                    // What has not had its turn goes the way of a draft that is dropped.
                    placed.take_back();
                    self.lock = placed.lock.take();
                    waiting.insert(entry, staged);
                    if let Some(mut all) = self.store.waiting() {
                        *all = waiting;
                    }
                    return Err(error);
                }
            }
        }
        Ok(placed)
    }

    /// Stages what is held. Returns the names of those trustpoints.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn put_back(&self) -> Result<Vec<String>, StoreError> {
        let held = self.store.held_entries()?;
        let names = held.iter().filter_map(|entry| decode(entry)).collect();
        if let Some(mut all) = self.store.waiting() {
            all.extend(held.into_iter().map(|entry| (entry, Staged::Held)));
        }
        Ok(names)
    }

    /// Puts back for good what is held, for nobody has confirmed or written what replaced it. Returns the names of what was put
    /// back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn take_back_unconfirmed(self) -> Result<Vec<String>, StoreError> {
        let names = self.put_back()?;
        if !names.is_empty() {
            self.keep()?;
        }
        Ok(names)
    }

    /// Gives the changes up, without waiting for the disk.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; what is left goes when the store is opened next.
    pub fn give_up(self) -> Result<Remains, StoreError> {
        let mut remains = Remains::none(&self.store);
        while let Some((entry, _)) = self.store.waiting().and_then(|mut all| all.pop_first()) {
            let staging = self.store.staging(&entry);
            remains.gone.extend(self.store.put_away(&staging)?);
        }
        Ok(remains)
    }

    /// Keeps the changes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; the store is as it was, or as it was to be.
    pub fn keep(self) -> Result<(), StoreError> {
        self.place(false)?.settle()?.clear()
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

/// How one trustpoint has become another.
pub(super) struct Change {
    entry: String,
    /// Where what it is now came from.
    source: Option<PathBuf>,
    /// What it was, if it was there.
    pub(super) old: PathBuf,
    pub(super) was_there: bool,
    /// What it was is to be held there.
    holds: bool,
    staged: Staged,
    /// What an earlier change had left in the way.
    pub(super) stale: Option<PathBuf>,
}

/// Changes that are in their places, with what was there before beside them. Dropped, it takes them back.
#[must_use]
pub struct Placed {
    store: Store,
    changes: Vec<Change>,
    /// What they replace may be put back after they are settled.
    hold: bool,
    lock: Option<File>,
}

impl Placed {
    /// From here on the changes stay. Others may write again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] where something of what was before stands where it may come back.
    pub fn settle(mut self) -> Result<Remains, StoreError> {
        let mut remains = Remains::none(&self.store);
        for change in std::mem::take(&mut self.changes) {
            remains.gone.extend(change.stale);
            if !change.holds {
                remains.gone.extend(self.store.put_away(&change.old)?);
            }
            if change.staged == Staged::Held || !self.hold {
                let held = self.store.held(&change.entry);
                remains.gone.extend(self.store.put_away(&held)?);
            }
        }
        self.store.close_held();
        Ok(remains)
    }

    fn take_back(&mut self) {
        for change in self.changes.drain(..).rev() {
            // What cannot be put back stays as it was to be: it is whole, and its neighbours are the old ones. What was there
            // before goes when the store is opened next.
            let _ = self.store.exchange_back(&change);
            discard(change.stale.as_deref());
        }
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// What changes that stay have left behind, keys among it.
#[must_use]
#[derive(Debug)]
pub struct Remains {
    folder: PathBuf,
    gone: Vec<PathBuf>,
}

impl Remains {
    fn none(store: &Store) -> Self {
        Self {
            folder: store.folder.clone(),
            gone: Vec::new(),
        }
    }

    /// Brings the changes to the disk and removes what they have left behind, for as long as that takes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] where they may not outlive a power cut, or something is left.
    pub fn clear(self) -> Result<(), StoreError> {
        match sync(&self.folder.join(HELD)) {
            // Nothing is held, or not any more.
            Err(StoreError::Io {
                kind: io::ErrorKind::NotFound,
                ..
            }) => {}
            done => done?,
        }
        sync(&self.folder)?;
        self.gone
            .iter()
            .try_for_each(|gone| remove_if_present(gone))
    }
}

impl Store {
    /// A trustpoint becomes another, and what it was stands beside it.
    pub(super) fn exchange(
        &self,
        entry: &str,
        staged: Staged,
        hold: bool,
    ) -> Result<Change, StoreError> {
        let (folder, held) = (self.folder.join(entry), self.held(entry));
        // What was there before the first change is what comes back.
        let holds = hold && staged != Staged::Held && held.symlink_metadata().is_err();
        let mut stale = None;
        let old = if holds {
            self.open_held()?;
            held.clone()
        } else {
            let old = self.superseded(entry);
            stale = self.put_away(&old)?;
            old
        };
        let was_there = match fs::rename(&folder, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                discard(stale.as_deref());
                return Err(io_error("replace", &folder)(error));
            }
        };
        if holds && !was_there {
            // That there was none is held, too.
            write_mark(&old)?;
        }
        let source = match staged {
            Staged::Another => Some(self.staging(entry)),
            Staged::Held if held.is_dir() => Some(held),
            Staged::Held | Staged::Nothing => None,
        };
        let change = Change {
            entry: entry.to_owned(),
            source,
            old,
            was_there,
            holds,
            staged,
            stale,
        };
        if let Some(source) = &change.source {
            // A crash at this point leaves no folder of the right name; `recover` puts the old one back, or the start does.
            if let Err(error) = fs::rename(source, &folder) {
                // As they do when this fails, too.
                let _ = self.give_way(&change);
                discard(change.stale.as_deref());
                return Err(io_error("create", &folder)(error));
            }
        }
        Ok(change)
    }

    /// What a trustpoint was is in its place again, which is free.
    fn give_way(&self, change: &Change) -> Result<(), StoreError> {
        let folder = self.folder.join(&change.entry);
        let given = if change.was_there {
            fs::rename(&change.old, &folder).map_err(io_error("restore", &folder))
        } else {
            // Nothing is there, or that nothing was.
            remove_if_present(&change.old)
        };
        self.close_held();
        given
    }

    /// Takes a change back.
    fn exchange_back(&self, change: &Change) -> Result<(), StoreError> {
        let folder = self.folder.join(&change.entry);
        if let Some(source) = &change.source {
            fs::rename(&folder, source).map_err(io_error("take back", &folder))?;
        }
        self.give_way(change)?;
        match change.staged {
            Staged::Another => remove_if_present(&self.staging(&change.entry)),
            Staged::Held | Staged::Nothing => Ok(()),
        }
    }

    /// Makes the folder of what is held.
    fn open_held(&self) -> Result<(), StoreError> {
        let held = self.folder.join(HELD);
        match DirBuilder::new().mode(0o700).create(&held) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(io_error("create", &held)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes it where nothing is held.
    fn close_held(&self) {
        // It is no harm where it stays: what says something is in it.
        let _ = fs::remove_dir(self.folder.join(HELD));
    }

    /// The trustpoints whose former selves are held.
    pub(super) fn held_entries(&self) -> Result<Vec<String>, StoreError> {
        let held = self.folder.join(HELD);
        match names(&held) {
            Ok(mut entries) => {
                entries.retain(|entry| decode(entry).is_some());
                Ok(entries)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_error("read", &held)(error)),
        }
    }

    /// Whether anything is held that may have to be put back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn holds(&self) -> Result<bool, StoreError> {
        Ok(!self.held_entries()?.is_empty())
    }

    /// What is held is not put back any more: the changes stay, all or none of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; all of it is held still.
    pub fn forget_held(&self) -> Result<Remains, StoreError> {
        let mut remains = Remains::none(self);
        remains.gone.extend(self.put_away(&self.folder.join(HELD))?);
        Ok(remains)
    }

    /// The same of some trustpoints; where these are all that are held, it is decided for all at once as well. Otherwise some may
    /// be held still when others are not.
    pub fn forget_held_of<'a>(
        &self,
        trustpoints: impl IntoIterator<Item = &'a str>,
    ) -> (Remains, Option<HeldStill>) {
        let mut remains = Remains::none(self);
        // Under no other name anything is held.
        let own = trustpoints
            .into_iter()
            .filter_map(|name| Some((encode(name).ok()?, name.to_owned())));
        let own: BTreeMap<String, String> = own.collect();
        if own.is_empty() {
            return (remains, None);
        }
        let at_once = match self.held_entries() {
            Ok(held) if held.iter().all(|entry| own.contains_key(entry)) => self.forget_held(),
            Ok(_) => {
                let mut still: Option<HeldStill> = None;
                for (entry, name) in own {
                    match self.put_away(&self.held(&entry)) {
                        Ok(gone) => remains.gone.extend(gone),
                        Err(error) => still
                            .get_or_insert_with(|| HeldStill::of(error))
                            .trustpoints
                            .push(name),
                    }
                }
                return (remains, still);
            }
            Err(error) => Err(error),
        };
        match at_once {
            Ok(remains) => (remains, None),
            Err(error) => {
                let mut still = HeldStill::of(error);
                still.trustpoints.extend(own.into_values());
                (remains, Some(still))
            }
        }
    }
}

/// What is held still, of what was to be held no more.
#[derive(Debug)]
pub struct HeldStill {
    /// The trustpoints' names.
    pub trustpoints: Vec<String>,
    /// What went wrong first.
    pub error: StoreError,
}

impl HeldStill {
    const fn of(error: StoreError) -> Self {
        Self {
            trustpoints: Vec::new(),
            error,
        }
    }
}

/// Removes what an earlier change had left in the way of one that has failed.
fn discard(stale: Option<&Path>) {
    // What cannot be removed goes when the store is opened next.
    let _ = stale.map(remove_if_present);
}

/// An empty file, which says something by being there.
fn write_mark(path: &Path) -> Result<(), StoreError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(|_| ())
        .map_err(io_error("create", path))
}
