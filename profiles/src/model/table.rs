//! Values with places, and tables that keep the order in which names came.

use alloc::{collections::BTreeMap, vec::Vec};

use super::name::Name;
use crate::error::Span;

/// A value and the words that gave it. Equality looks at the value alone, so that a configuration
/// equals its own print.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// What the words say.
    pub value: T,
    /// Where they stand.
    pub at: Span,
}

impl<T> Located<T> {
    /// Joins a value to its place.
    pub const fn new(value: T, at: Span) -> Self {
        Self { value, at }
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

/// A named object in a [`Table`].
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// Its name.
    pub name: Name,
    /// The line that first named it.
    pub at: Span,
    /// What it holds.
    pub value: T,
}

/// Named objects of one kind, in the order in which they were first named.
///
/// The order is kept because it decides between equals: the first of two policies that fit a
/// local address is taken.
#[derive(Clone, Debug)]
pub struct Table<T> {
    entries: Vec<Entry<T>>,
    /// Position of each name in `entries`.
    positions: BTreeMap<Name, usize>,
}

impl<T> Table<T> {
    /// The object of that name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// The object of that name, with its place.
    pub fn entry(&self, name: &str) -> Option<&Entry<T>> {
        self.entries.get(*self.positions.get(name)?)
    }

    /// The object of that name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let position = *self.positions.get(name)?;
        self.entries.get_mut(position).map(|entry| &mut entry.value)
    }

    /// The object of that name; made by `new` at the end of the table if there is none.
    pub fn get_or_insert_with(&mut self, name: &Located<Name>, new: impl FnOnce() -> T) -> &mut T {
        let end = self.entries.len();
        let position = *self.positions.entry(name.value.clone()).or_insert(end);
        if position == end {
            self.entries.push(Entry {
                name: name.value.clone(),
                at: name.at.clone(),
                value: new(),
            });
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "positions holds positions of entries only"
        )]
        &mut self.entries[position].value
    }

    /// Takes an object out. Returns whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(position) = self.positions.remove(name) else {
            return false;
        };
        self.entries.remove(position);
        for (position, entry) in self.entries.iter().enumerate() {
            self.positions.insert(entry.name.clone(), position);
        }
        true
    }

    /// Puts the objects into another order; equals keep theirs.
    pub fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        self.entries.sort_by_key(|entry| key(&entry.value));
        for (position, entry) in self.entries.iter().enumerate() {
            self.positions.insert(entry.name.clone(), position);
        }
    }

    /// All objects in order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.iter()
    }

    /// All objects in order, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }

    /// Whether the table holds nothing.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many objects it holds.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            positions: BTreeMap::new(),
        }
    }
}

impl<T: PartialEq> PartialEq for Table<T> {
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self
                .entries
                .iter()
                .zip(&other.entries)
                .all(|(mine, theirs)| mine.name == theirs.name && mine.value == theirs.value)
    }
}

impl<T: Eq> Eq for Table<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(name: &str) -> Located<Name> {
        Located::new(Name::new(name).unwrap(), Span::built_in("test"))
    }

    #[test]
    fn keeps_the_order_of_first_naming_across_removal() {
        let mut table = Table::default();
        for name in ["c", "a", "b"] {
            table.get_or_insert_with(&located(name), || 0);
        }
        *table.get_or_insert_with(&located("a"), || 7) = 1;
        assert!(table.remove("c"));
        assert!(!table.remove("c"));
        table.get_or_insert_with(&located("c"), || 9);
        let order: Vec<_> = table.iter().map(|e| (e.name.as_str(), e.value)).collect();
        assert_eq!(order, [("a", 1), ("b", 0), ("c", 9)]);
        assert_eq!(table.get("b"), Some(&0));
    }
}
