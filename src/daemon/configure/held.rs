//! Which keys of before the store holds, and which changes of keys the configuration file goes with.
//!
//! What a trustpoint was before a change that may be taken back is held until that change is confirmed, or the file is written
//! with the keys that it brought: from there on they are needed, and what they replaced is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Shared between the loop, which changes keys, and whoever writes the file. Who moves what is held has it locked, for as long
/// as renaming takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(Arc<Mutex<Changes>>);

/// The changes of keys.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// How many there were.
    count: u64,
    /// The trustpoints that are held, and the last change of each.
    last: BTreeMap<String, u64>,
    /// The last change that took keys back.
    taken_back: u64,
}

impl Held {
    pub(super) fn lock(&self) -> MutexGuard<'_, Changes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    /// The number of the last one: a text that is taken now goes with the keys of it.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// The keys of these trustpoints have changed, and what they were is held.
    pub(super) fn note(&mut self, trustpoints: &BTreeSet<String>) {
        self.count = self.count.saturating_add(1);
        let noted = trustpoints.iter().map(|name| (name.clone(), self.count));
        self.last.extend(noted);
    }

    /// What is held goes back: no text that goes with what replaced it comes into the file any more.
    pub(super) fn take_back(&mut self) {
        self.count = self.count.saturating_add(1);
        self.taken_back = self.count;
        self.last.clear();
    }

    /// Whether keys were taken back since the change of this number.
    pub(super) const fn is_taken_back(&self, count: u64) -> bool {
        self.taken_back > count
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
