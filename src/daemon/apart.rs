//! Servers on a thread and a runtime of their own: what is long in being told, and who is long in reading it, is nothing to the
//! peers, whose messages the daemon's loop serves.

use std::{
    io,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
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
