//! What changes of keys leave behind is brought to the disk and removed on threads of their own, and a new secret is kept on one:
//! the loop does not wait for that.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant as Moment},
};

use ironflex_ikev2::event::Instant;

use super::{Configure, held::BEING_WRITTEN, whole};
use crate::{
    daemon::{
        compile::Plan,
        crash_secret::{self, Remark},
    },
    pki::{Draft, Remains},
};

/// How often it is looked whether that is done.
const AGAIN: Duration = Duration::from_secs(1);

/// Remains on their way.
#[derive(Default)]
pub(super) struct Clearing {
    /// Each comes to what has gone wrong.
    threads: Vec<JoinHandle<Option<String>>>,
    /// What has gone wrong before there was a thread.
    failed: Vec<String>,
    /// When to look for those that have ended.
    pub(super) due: Option<Instant>,
}

/// What went wrong with one.
fn ended(thread: JoinHandle<Option<String>>) -> Option<String> {
    let panicked = |_| Some("key store: what changes of keys have left was not cleared".to_owned());
    thread.join().unwrap_or_else(panicked)
}

impl Clearing {
    /// Waits for all of it. Returns what went wrong.
    pub(super) fn finish(self) -> Vec<String> {
        let failed = self.failed.into_iter();
        failed
            .chain(self.threads.into_iter().filter_map(ended))
            .collect()
    }
}

/// What the log is to say of the end.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// What has been done.
    Done(String),
    /// What has gone wrong.
    Failed(String),
}

impl Configure {
    /// Clears remains away beside the loop.
    pub(super) fn clear(&mut self, now: Instant, remains: Remains) {
        // Nobody else waits for it.
        let _ = self.clear_and_tell(now, remains);
    }

    /// The same, and tells what has gone wrong, if anything.
    pub(super) fn clear_and_tell(
        &mut self,
        now: Instant,
        remains: Remains,
    ) -> Receiver<Option<String>> {
        let (tell, told) = channel();
        let clear = move || {
            let failed = remains
                .clear()
                .err()
                .map(|error| format!("key store: {error}"));
            let _ = tell.send(failed.clone());
            failed
        };
        match thread::Builder::new().name("keys".to_owned()).spawn(clear) {
            Ok(thread) => self.clearing.threads.push(thread),
            Err(error) => self.clearing.failed.push(format!(
                "key store: no thread ({error}): a change of keys may not outlive a power cut, and what it has left goes at the next start"
            )),
        }
        self.clearing.due = Some(now.after(AGAIN));
        told
    }

    /// Finds the secret behind the tokens for crashes, where a plan wants tokens and there is none yet; one that is made is written
    /// beside the loop. Returns what is to be said of it.
    pub(super) fn find_secret(&mut self, now: Instant, plan: &Plan) -> Option<Remark> {
        if !self.terms.lacks_secret(plan) {
            return None;
        }
        let (opened, unkept) = crash_secret::find(&self.terms.state_dir);
        self.terms.secret = opened.secret;
        if let Some(unkept) = unkept {
            let state_dir = self.terms.state_dir.clone();
            let keep = move || unkept.keep(&state_dir).map(|remark| remark.to_string());
            match thread::Builder::new().name("secret".to_owned()).spawn(keep) {
                Ok(thread) => self.clearing.threads.push(thread),
                Err(error) => {
                    let failed = Remark::NotKept(error).to_string();
                    self.clearing.failed.push(failed);
                }
            }
            self.clearing.due = Some(now.after(AGAIN));
        }
        opened.remark
    }

    /// What went wrong with what has been cleared away by now.
    pub(super) fn cleared(&mut self, now: Instant) -> Vec<String> {
        let clearing = &mut self.clearing;
        if clearing.due.take_if(|due| *due <= now).is_none() {
            return Vec::new();
        }
        let mut failed = std::mem::take(&mut clearing.failed);
        let done = clearing.threads.extract_if(.., |one| one.is_finished());
        failed.extend(done.filter_map(ended));
        if !clearing.threads.is_empty() {
            clearing.due = Some(now.after(AGAIN));
        }
        failed
    }

    /// The daemon ends. The keys of a change that is neither confirmed nor written go back, and what changes of keys have left is
    /// cleared away, for as long as `limit` at most: the disk may not answer, and the next start does what is left.
    pub fn end(&mut self, limit: Duration) -> Vec<Said> {
        let clearing = std::mem::take(&mut self.clearing);
        let lets_go = self.lets_go.take().map(|_| self.store.clone());
        let revert = self.revert.take().map(|_| {
            // What it has brought goes with it, and the turn to write that it may have.
            let session = self.session.take();
            let own = session.map(|session| {
                let away = session.away.map(|away| away.keys);
                (session.waiting.map(|waiting| waiting.keys), away)
            });
            (self.store.clone(), self.held.clone(), own)
        });
        if revert.is_none()
            && lets_go.is_none()
            && clearing.threads.is_empty()
            && clearing.failed.is_empty()
        {
            return Vec::new();
        }
        let (tell, told) = channel();
        let ending = move || {
            if let Some(Err(error)) = lets_go.map(|store| store.forget_held()?.clear()) {
                let _ = tell.send(Said::Failed(format!("key store: {error}")));
            }
            if let Some((store, held, own)) = revert {
                if let Some((waiting, away)) = own {
                    drop(waiting);
                    drop(away.map(|lent| lent.take()));
                }
                let mut changes = held.lock();
                // A file that is still being written is not to go with keys that are not there.
                changes.take_back();
                let draft = store.draft_now();
                match draft.and_then(|draft| draft.map(Draft::take_back_unconfirmed).transpose()) {
                    Ok(Some(names)) if !names.is_empty() => {
                        let _ = tell.send(Said::Done(format!(
                            "configuration: the change was not confirmed, and its keys are taken back: {}",
                            names.join(", ")
                        )));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) if store.holds() == Ok(false) => {}
                    Ok(None) => {
                        let _ = tell.send(Said::Failed(
                            "key store: it is being written to; the next start puts back the keys of before the change that was not confirmed"
                                .to_owned(),
                        ));
                    }
                    Err(error) => {
                        let _ = tell.send(Said::Failed(format!("key store: {error}")));
                    }
                }
            }
            for failed in clearing.finish() {
                let _ = tell.send(Said::Failed(failed));
            }
        };
        if let Err(error) = thread::Builder::new().name("keys".to_owned()).spawn(ending) {
            return vec![Said::Failed(format!("key store: no thread: {error}"))];
        }
        let end = Moment::now().checked_add(limit);
        let mut all = Vec::new();
        loop {
            let left = end.map(|end| end.saturating_duration_since(Moment::now()));
            match told.recv_timeout(left.unwrap_or(limit)) {
                Ok(said) => all.push(said),
                Err(RecvTimeoutError::Disconnected) => return all,
                Err(RecvTimeoutError::Timeout) => {
                    all.push(Said::Failed(
                        "key store: the disk does not answer; the next start does what is left"
                            .to_owned(),
                    ));
                    return all;
                }
            }
        }
    }

    /// What is held is not put back any more.
    ///
    /// # Errors
    ///
    /// The text for whoever asked. All of it is held still.
    pub(super) fn forget_held(&mut self) -> Result<Remains, String> {
        let Some(mut changes) = self.held.try_lock() else {
            return Err(format!("% The {BEING_WRITTEN}"));
        };
        let forgotten = self.store.forget_held();
        let remains = forgotten.map_err(|error| format!("% key store: {error}"))?;
        changes.clear();
        drop(changes);
        self.held.begin_anew();
        self.lets_go = None;
        Ok(remains)
    }

    /// The store lets go of what it has put back already, where it is time to try that again. Returns what has gone wrong.
    pub(super) fn let_go(&mut self, now: Instant) -> Option<String> {
        self.lets_go.take_if(|due| *due <= now)?;
        match self.forget_held() {
            Ok(remains) => {
                self.clear(now, remains);
                None
            }
            Err(why) => {
                self.lets_go = Some(now.after(whole::REVERT_AGAIN));
                Some(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Scene, *};

    #[test]
    fn a_clearing_that_panics_is_told() {
        let mut configure = Scene::new().driver.house.configure;
        let thread = thread::spawn(|| panic!("as it is to be"));
        configure.clearing.threads.push(thread);
        let said = configure.end(Duration::from_secs(10));
        assert!(matches!(&*said, [Said::Failed(_)]), "{said:?}");
    }

    #[test]
    fn the_end_does_not_wait_for_a_disk_that_does_not_answer() {
        let mut configure = Scene::new().driver.house.configure;
        let (go_on, word) = channel::<()>();
        let thread = thread::spawn(move || {
            let _ = word.recv();
            None
        });
        configure.clearing.threads.push(thread);
        let limit = Duration::from_millis(200);
        let begun = Moment::now();
        let said = configure.end(limit);
        let took = begun.elapsed();
        assert!((limit..limit * 20).contains(&took), "{took:?}");
        assert!(matches!(&*said, [Said::Failed(_)]), "{said:?}");
        drop(go_on);
    }
}
