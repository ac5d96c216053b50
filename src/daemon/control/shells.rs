//! The shells that are open: each keeps a connection, over which it says that somebody is at its prompt, and learns what the prompt
//! begins with.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{super::configure::Person, Asking, answer, timely};

/// Shells that are known at a time; further ones work all the same.
const MAX_SHELLS: usize = 256;

/// The longest that a shell says, in octets: the end of a line.
const MAX_SAID: u64 = 16;

/// The shells that are open.
#[derive(Clone, Debug, Default)]
pub struct Shells(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    begun: u64,
    /// By the order in which they were opened: who sits there, and when somebody was seen at the prompt.
    all: BTreeMap<u64, (Person, Instant)>,
}

/// A shell's place among them.
#[derive(Debug)]
pub(super) struct Place {
    shells: Shells,
    number: u64,
}

impl Shells {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more.
    pub(super) fn open(&self, person: Person) -> Option<Place> {
        let mut open = self.lock();
        if open.all.len() >= MAX_SHELLS {
            return None;
        }
        open.begun = open.begun.saturating_add(1);
        let number = open.begun;
        open.all.insert(number, (person, Instant::now()));
        drop(open);
        Some(Place {
            shells: self.clone(),
            number,
        })
    }

    /// Who sits at each, and for how long nobody was seen there.
    #[must_use]
    pub fn all(&self) -> Vec<(Person, Duration)> {
        let open = self.lock();
        let all = open.all.values();
        all.map(|(person, seen)| (person.clone(), seen.elapsed()))
            .collect()
    }
}

impl Place {
    fn seen(&self) {
        if let Some((_, seen)) = self.shells.lock().all.get_mut(&self.number) {
            *seen = Instant::now();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shells.lock().all.remove(&self.number);
    }
}

/// A shell's connection.
pub(super) struct Attending {
    pub(super) place: Place,
    pub(super) read: OwnedReadHalf,
    pub(super) write: OwnedWriteHalf,
    pub(super) asking: Asking,
}

impl Attending {
    /// Answers with the headend's name whenever somebody is at the prompt, until either end goes.
    pub(super) async fn attend(self) {
        // It ends when the other end goes, and says so to nobody.
        let _ = self.converse().await;
    }

    async fn converse(self) -> io::Result<()> {
        let Self {
            place,
            read,
            mut write,
            asking,
        } = self;
        let mut read = BufReader::new(read);
        let mut said = Vec::new();
        loop {
            said.clear();
            let length = (&mut read)
                .take(MAX_SAID)
                .read_until(b'\n', &mut said)
                .await?;
            if length == 0 || !said.ends_with(b"\n") {
                return Ok(());
            }
            place.seen();
            timely(answer(&mut write, asking.hostname().await)).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_open_are_known_in_their_order_and_no_more_than_there_may_be() {
        let shells = Shells::default();
        let person = |user: &str| Person {
            user: user.to_owned(),
            ..Person::default()
        };
        let users = |shells: &Shells| {
            let all = shells.all().into_iter();
            all.map(|(person, _)| person.user).collect::<Vec<_>>()
        };
        let first = shells.open(person("ann"));
        let second = shells.open(person("bob"));
        assert_eq!(users(&shells), ["ann", "bob"]);
        drop(first);
        assert_eq!(users(&shells), ["bob"]);
        let more: Vec<Option<Place>> = (0..MAX_SHELLS).map(|_| shells.open(person("x"))).collect();
        assert!(more.iter().rev().take(1).all(Option::is_none));
        drop((second, more));
        assert!(shells.all().is_empty());
    }
}
