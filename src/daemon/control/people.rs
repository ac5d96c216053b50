//! What the users are called who ask. Their names may come from a directory in the network, which answers late or not at all: nobody
//! waits for it but who asks, and that one not for long.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    errno::Errno,
    unistd::{Uid, User},
};
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, timeout},
};

/// How long a name is known.
const KNOWN: Duration = Duration::from_secs(60);

/// How long whoever asks waits for a name.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many names are looked up at a time: each holds a thread, maybe for ever.
const LOOK_UPS: usize = 2;

/// How many names are known at a time.
const MOST: usize = 256;

/// A name, if there is one.
type LookUp = fn(u32) -> Result<Option<String>, Errno>;

/// The names of users.
#[derive(Clone)]
pub(super) struct Names {
    known: Arc<Mutex<BTreeMap<u32, (String, Instant)>>>,
    places: Arc<Semaphore>,
    look_up: LookUp,
}

impl Names {
    /// As the machine has them.
    pub(super) fn new() -> Self {
        Self::by(|uid| {
            let user = User::from_uid(Uid::from_raw(uid))?;
            Ok(user.map(|user| user.name))
        })
    }

    fn by(look_up: LookUp) -> Self {
        Self {
            known: Arc::default(),
            places: Arc::new(Semaphore::new(LOOK_UPS)),
            look_up,
        }
    }

    /// The name of this user; the number where none comes in time.
    pub(super) async fn of(&self, uid: u32) -> String {
        let known = self.known(uid);
        if let Some((name, since)) = &known
            && since.elapsed() < KNOWN
        {
            return name.clone();
        }
        // One that was known is hardly another now.
        let otherwise = known.map_or_else(|| uid.to_string(), |(name, _)| name);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return otherwise;
        };
        let names = self.clone();
        let looking = spawn_blocking(move || {
            let found = (names.look_up)(uid);
            let name = found.map(|name| name.unwrap_or_else(|| uid.to_string()));
            if let Ok(name) = &name {
                names.keep(uid, name, Instant::now());
            }
            drop(place);
            name
        });
        match timeout(PATIENCE, looking).await {
            Ok(Ok(Ok(name))) => name,
            _ => otherwise,
        }
    }

    fn known(&self, uid: u32) -> Option<(String, Instant)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&uid).cloned()
    }

    fn keep(&self, uid: u32, name: &str, since: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(uid, (name.to_owned(), since));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn a_name_is_looked_up_once_and_the_number_stands_for_one_that_is_not_there() {
        let names = Names::by(|uid| Ok((uid == 7).then(|| "ann".to_owned())));
        assert_eq!(names.of(7).await, "ann");
        assert_eq!(names.of(8).await, "8");
        // Whoever is known is asked for no more.
        let known = Names {
            look_up: |_| unreachable!("it is known"),
            ..names
        };
        assert_eq!(known.of(7).await, "ann");
    }

    #[tokio::test]
    async fn a_directory_that_fails_takes_no_name_away() {
        let names = Names::by(|_| Err(Errno::EIO));
        assert_eq!(names.of(7).await, "7");
        let before = Instant::now().checked_sub(KNOWN).unwrap();
        names.keep(7, "ann", before);
        assert_eq!(names.of(7).await, "ann");
        // It is asked again.
        let well = Names {
            look_up: |_| Ok(Some("bob".to_owned())),
            ..names
        };
        assert_eq!(well.of(7).await, "bob");
    }

    #[tokio::test]
    async fn a_directory_that_does_not_answer_holds_up_nobody_for_long() {
        /// As good as never, and yet this process ends.
        const NEVER: Duration = Duration::from_secs(3);
        let names = Names::by(|uid| {
            if uid != 7 {
                thread::sleep(NEVER);
            }
            Ok(Some(format!("user {uid}")))
        });
        let begun = std::time::Instant::now();
        let all = [1, 2].map(|uid| names.of(uid));
        let [one, other] = all;
        let (one, other) = tokio::join!(one, other);
        assert_eq!((one.as_str(), other.as_str()), ("1", "2"));
        // Both threads that there may be are stuck, and cost nobody else a moment.
        assert_eq!(names.of(3).await, "3");
        assert!(begun.elapsed() < NEVER, "{:?}", begun.elapsed());
    }
}
