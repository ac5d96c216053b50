//! Which keys of before the store holds, and which changes of keys the configuration file goes with.
//!
//! What a trustpoint was before a change that may be taken back is held until that change is confirmed, or the file is written
//! with the keys that it brought: from there on they are needed, and what they replaced is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What is said to whoever would have to wait for the file.
pub(super) const BEING_WRITTEN: &str = "configuration file is being written: try again";

/// Shared between the loop, which changes keys, and whoever writes the file. Who moves what is held has it locked, and so has the
/// file while it takes its place, on a disk that may not answer: the loop does not wait for that ([`try_lock`](Self::try_lock)).
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// The trustpoints that are held, and the last change of each.
    last: Arc<Mutex<BTreeMap<String, u64>>>,
    /// How many changes there were. It is asked for by those who cannot wait.
    count: Arc<AtomicU64>,
    /// The last change that took keys back under the timer that runs. Each timer has its own.
    taken_back: Arc<AtomicU64>,
}

/// The changes of keys, while nobody else moves what is held.
#[derive(Debug)]
pub(super) struct Changes<'h> {
    held: &'h Held,
    last: MutexGuard<'h, BTreeMap<String, u64>>,
}

impl Held {
    /// Waits for whoever moves what is held.
    pub(super) fn lock(&self) -> Changes<'_> {
        Changes {
            held: self,
            last: self.last.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The same for whoever cannot wait; `None` while the file takes its place.
    pub(super) fn try_lock(&self) -> Option<Changes<'_>> {
        let last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(last)) => last.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Changes { held: self, last })
    }

    /// The number of the last change: a text that is taken now goes with the keys of it.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Another timer is to have what is held. What becomes of that is nothing to texts of before.
    pub(super) fn begin_anew(&mut self) {
        self.taken_back = Arc::default();
    }
}

impl Changes<'_> {
    fn next(&self) -> u64 {
        let before = self.held.count.fetch_add(1, Ordering::AcqRel);
        before.saturating_add(1)
    }

    /// The keys of these trustpoints have changed, and what they were is held.
    pub(super) fn note(&mut self, trustpoints: &BTreeSet<String>) {
        let count = self.next();
        let noted = trustpoints.iter().map(|name| (name.clone(), count));
        self.last.extend(noted);
    }

    /// What is held goes back: no text that goes with what replaced it comes into the file any more.
    pub(super) fn take_back(&mut self) {
        self.held.taken_back.store(self.next(), Ordering::Release);
        self.last.clear();
    }

    /// Whether keys were taken back since the change of this number, under the timer that this is of.
    pub(super) fn is_taken_back(&self, count: u64) -> bool {
        self.held.taken_back.load(Ordering::Acquire) > count
    }

    /// Nothing is held any more.
    pub(super) fn clear(&mut self) {
        self.last.clear();
    }

    /// The trustpoints that have not changed since the change of this number: a text of that moment goes with the keys that they
    /// have.
    pub(super) fn covered(&self, count: u64) -> Vec<String> {
        let covered = self.last.iter().filter(|(_, last)| **last <= count);
        covered.map(|(name, _)| name.clone()).collect()
    }

    /// These are not held any more.
    pub(super) fn forget(&mut self, trustpoints: &[String]) {
        self.last.retain(|name, _| !trustpoints.contains(name));
    }
}
