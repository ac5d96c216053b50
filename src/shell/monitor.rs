//! `terminal monitor`: the daemon's lines at the operator's terminal. Whoever makes a change that is to be confirmed is told of
//! that in any case.

use std::{
    io::{self, BufRead},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustyline::ExternalPrinter;

use crate::daemon::control::{self, Reply};

/// Prints the daemon's lines until it is dropped.
#[derive(Debug)]
pub(super) struct Monitor {
    stream: UnixStream,
    printing: thread::JoinHandle<()>,
    /// The operator wants no more of it.
    unwanted: Arc<AtomicBool>,
}

impl Monitor {
    /// Begins; with `rollback` nothing is told but what becomes of a change that is to be confirmed.
    ///
    /// # Errors
    ///
    /// Of the socket; with what the daemon says where it refuses.
    pub(super) fn begin(
        stream: UnixStream,
        mut printer: impl ExternalPrinter + Send + 'static,
        rollback: bool,
    ) -> io::Result<Self> {
        let lines = control::monitor(stream, rollback)?;
        let stream = lines.get_ref().try_clone()?;
        let lines = lines.lines();
        let unwanted = Arc::new(AtomicBool::new(false));
        let expected = Arc::clone(&unwanted);
        let printing = thread::Builder::new()
            .name("monitor".into())
            .spawn(move || {
                for line in lines.map_while(Result::ok) {
                    let Ok(Reply { output, .. }) = serde_json::from_str(&line) else {
                        break;
                    };
                    if printer.print(output).is_err() {
                        return;
                    }
                }
                if !rollback && !expected.load(Ordering::Relaxed) {
                    // The terminal may be gone as well.
                    let _ = printer.print("% terminal monitor has ended\n".to_owned());
                }
            })?;
        Ok(Self {
            stream,
            printing,
            unwanted,
        })
    }

    /// Whether nothing comes any more: the daemon has ended it, or is gone.
    pub(super) fn is_over(&self) -> bool {
        self.printing.is_finished()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
        // One that the daemon has ended is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
