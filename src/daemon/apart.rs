//! Servers on a thread and a runtime of their own: what is long in being told, and who is long in reading it, is nothing to the
//! peers, whose messages the daemon's loop serves.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{AbortHandle, JoinSet, yield_now},
};

/// A server at work; it ends with this, which waits for its thread.
pub struct Serving {
    /// What ends the thread when it is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves on a thread of this name: `begin` is called inside its runtime and says what serves. At the end that is dropped first;
/// what it does about files is waited for after that, for as long as `files` at most, and whoever is being told something is not.
///
/// # Errors
///
/// Of `begin`, and of the system calls.
pub fn serve<F: Future<Output = ()> + 'static>(
    name: &str,
    files: Duration,
    begin: impl FnOnce() -> io::Result<F> + Send + 'static,
) -> io::Result<Serving> {
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, begun) = std::sync::mpsc::sync_channel(1);
    let thread = thread::Builder::new().name(name.to_owned());
    // The runtime is made there: where it cannot be used it is dropped, which the thread of another one must not do.
    let thread = thread.spawn(move || {
        let (runtime, server) = match within_runtime(begin) {
            Ok(begun) => begun,
            Err(error) => {
                // What was to serve, and the name of its socket, is gone by now: whoever hears of it may end the process.
                let _ = tell.send(Err(error));
                return;
            }
        };
        let _ = tell.send(Ok(()));
        runtime.block_on(async {
            tokio::select! {
                _ = stopped => {}
                () = server => {}
            }
        });
        runtime.shutdown_timeout(files);
    })?;
    begun.recv().map_err(io::Error::other)??;
    Ok(Serving {
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// A runtime, and what serves in it.
fn within_runtime<F>(begin: impl FnOnce() -> io::Result<F>) -> io::Result<(Runtime, F)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let server = {
        let _within = runtime.enter();
        begin()?
    };
    Ok((runtime, server))
}

/// The connections of a server, the oldest first. They end with this.
pub struct Connections {
    tasks: JoinSet<()>,
    ends: VecDeque<(AbortHandle, Arc<AtomicBool>)>,
    limit: usize,
    full: Full,
}

/// What comes of one more connection where there are as many as there may be, and all of them have asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The oldest is ended.
    EndOldest,
    /// It waits for the end of one.
    Wait,
}

impl Connections {
    /// None yet, and `limit` at most.
    #[must_use]
    pub fn new(limit: usize, full: Full) -> Self {
        Self {
            tasks: JoinSet::new(),
            ends: VecDeque::new(),
            limit,
            full,
        }
    }

    /// One more connection, which sets what it is given once it has asked something. Where there are too many, the oldest is ended
    /// that says nothing: it keeps nobody waiting who would.
    pub async fn add<F>(&mut self, connection: impl FnOnce(Arc<AtomicBool>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while self.tasks.try_join_next().is_some() {}
        self.ends.retain(|(end, _)| !end.is_finished());
        while self.ends.len() >= self.limit {
            let mut ends = self.ends.iter();
            let silent = ends.position(|(_, asked)| !asked.load(Ordering::Relaxed));
            match (silent, self.full) {
                (None, Full::Wait) => {
                    self.tasks.join_next().await;
                    self.ends.retain(|(end, _)| !end.is_finished());
                }
                (silent, _) => {
                    if let Some((oldest, _)) = self.ends.remove(silent.unwrap_or(0)) {
                        oldest.abort();
                    }
                }
            }
        }
        let asked = Arc::new(AtomicBool::new(false));
        let end = self.tasks.spawn(connection(Arc::clone(&asked)));
        self.ends.push_back((end, asked));
        // However many come at once, who has asked is known to have before the next one is looked at.
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// Says who has ended.
    struct End(usize, mpsc::UnboundedSender<usize>);

    impl Drop for End {
        fn drop(&mut self) {
            let _ = self.1.send(self.0);
        }
    }

    // Whoever has asked may be the only one who ever does: Prometheus, while its answer is made.
    #[tokio::test]
    async fn who_says_nothing_is_ended_before_who_has_asked() {
        const LIMIT: usize = 8;
        let mut connections = Connections::new(LIMIT, Full::EndOldest);
        let (ended, mut heard) = mpsc::unbounded_channel();
        let mut all: Vec<(usize, bool)> = (0..LIMIT).map(|name| (name, name != 3)).collect();
        all.extend([(LIMIT, false), (LIMIT + 1, true), (LIMIT + 2, true)]);
        for (name, asks) in all {
            let end = End(name, ended.clone());
            let connection = |asked: Arc<AtomicBool>| async move {
                let _end = end;
                asked.store(asks, Ordering::Relaxed);
                std::future::pending().await
            };
            connections.add(connection).await;
        }
        // Who says nothing, in turn; then the oldest of those who have asked.
        for gone in [3, LIMIT, 0] {
            assert_eq!(heard.recv().await, Some(gone));
        }
        assert!(heard.try_recv().is_err());
    }

    #[tokio::test]
    async fn where_all_have_asked_one_more_waits_for_an_end_if_it_is_to() {
        let mut connections = Connections::new(1, Full::Wait);
        let (end, ends) = oneshot::channel::<()>();
        let connection = |asked: Arc<AtomicBool>| async move {
            asked.store(true, Ordering::Relaxed);
            let _ = ends.await;
        };
        connections.add(connection).await;
        let mut second = Box::pin(connections.add(|_| std::future::ready(())));
        let early = tokio::time::timeout(Duration::from_millis(50), &mut second).await;
        assert!(early.is_err());
        drop(end);
        second.await;
    }
}
