//! What changes of keys leave behind is brought to the disk and removed on threads of their own: the loop does not wait for that.

use std::{
    thread::{self, JoinHandle},
    time::Duration,
};

use ironflex_ikev2::event::Instant;

use super::Configure;
use crate::pki::{Remains, StoreError};

/// How often it is looked whether that is done.
const AGAIN: Duration = Duration::from_secs(1);

/// Remains on their way.
#[derive(Default)]
pub(super) struct Clearing {
    threads: Vec<JoinHandle<Result<(), StoreError>>>,
    /// When to look for those that have ended.
    pub(super) due: Option<Instant>,
}

/// What became of one.
fn ended(thread: JoinHandle<Result<(), StoreError>>) -> Option<String> {
    let done = thread.join();
    let error = done.unwrap_or(Ok(())).err()?;
    Some(format!("key store: {error}"))
}

impl Configure {
    /// Clears remains away beside the loop.
    pub(super) fn clear(&mut self, now: Instant, remains: Remains) {
        let thread = thread::Builder::new().name("keys".to_owned());
        // Without a thread for it the next start does it.
        if let Ok(thread) = thread.spawn(|| remains.clear()) {
            self.clearing.threads.push(thread);
            self.clearing.due = Some(now.after(AGAIN));
        }
    }

    /// What went wrong with what has been cleared away by now.
    pub(super) fn cleared(&mut self, now: Instant) -> Vec<String> {
        let clearing = &mut self.clearing;
        if clearing.due.take_if(|due| *due <= now).is_none() {
            return Vec::new();
        }
        let done = clearing.threads.extract_if(.., |one| one.is_finished());
        let failed = done.filter_map(ended).collect();
        if !clearing.threads.is_empty() {
            clearing.due = Some(now.after(AGAIN));
        }
        failed
    }

    /// Waits for all of it, at the end. Returns what went wrong.
    pub fn finish_clearing(&mut self) -> Vec<String> {
        self.clearing.due = None;
        self.clearing.threads.drain(..).filter_map(ended).collect()
    }
}
