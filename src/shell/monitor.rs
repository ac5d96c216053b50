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
    /// Begins; with `rollback` nothing is told but what becomes of a change that is to be confirmed, and that only while
    /// `all_told` does not say that another one tells every line already.
    ///
    /// # Errors
    ///
    /// Of the socket; with what the daemon says where it refuses.
    pub(super) fn begin(
        stream: UnixStream,
        mut printer: impl ExternalPrinter + Send + 'static,
        rollback: bool,
        all_told: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let lines = control::monitor(stream, rollback)?;
        let stream = lines.get_ref().try_clone()?;
        let lines = lines.lines();
        let unwanted = Arc::new(AtomicBool::new(false));
        let expected = Arc::clone(&unwanted);
        if !rollback {
            all_told.store(true, Ordering::Relaxed);
        }
        let all = Arc::clone(&all_told);
        let printing = thread::Builder::new()
            .name("monitor".into())
            .spawn(move || {
                for line in lines.map_while(Result::ok) {
                    let Ok(Reply { output, .. }) = serde_json::from_str(&line) else {
                        break;
                    };
                    if rollback && all_told.load(Ordering::Relaxed) {
                        continue;
                    }
                    if printer.print(output).is_err() {
                        return;
                    }
                }
                if !rollback && !expected.load(Ordering::Relaxed) {
                    all_told.store(false, Ordering::Relaxed);
                    // The terminal may be gone as well.
                    let _ = printer.print("% terminal monitor has ended\n".to_owned());
                }
            })
            .inspect_err(|_| {
                // Nobody tells them.
                if !rollback {
                    all.store(false, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use std::{
        io::{BufReader, Write},
        sync::mpsc::{Receiver, Sender, channel},
        time::Duration,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Paper(Sender<String>);

    impl ExternalPrinter for Paper {
        fn print(&mut self, text: String) -> rustyline::Result<()> {
            self.0.send(text).map_err(io::Error::other)?;
            Ok(())
        }
    }

    /// The daemon's end of a monitor, which it has let in, and what is printed.
    fn begun(
        rollback: bool,
        all_told: &Arc<AtomicBool>,
    ) -> (Monitor, UnixStream, Receiver<String>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let daemon = thread::spawn(move || {
            let mut asked = String::new();
            BufReader::new(&theirs).read_line(&mut asked).unwrap();
            says(&theirs, "");
            theirs
        });
        let (paper, printed) = channel();
        let monitor = Monitor::begin(ours, Paper(paper), rollback, Arc::clone(all_told));
        (monitor.unwrap(), daemon.join().unwrap(), printed)
    }

    fn says(mut daemon: &UnixStream, output: &str) {
        let output = output.to_owned();
        let mut line = serde_json::to_vec(&Reply { status: 0, output }).unwrap();
        line.push(b'\n');
        daemon.write_all(&line).unwrap();
    }

    // Whoever has asked for every line reads none twice, and goes without none where that ends.
    #[test]
    fn what_becomes_of_a_change_is_told_once_whether_every_line_is_or_not() {
        let all_told = Arc::default();
        let (_rollback, changes, of_changes) = begun(true, &all_told);
        says(&changes, "first");
        assert_eq!(of_changes.recv_timeout(PATIENCE).unwrap(), "first");
        let (_monitor, log, of_log) = begun(false, &all_told);
        says(&changes, "second");
        says(&log, "second");
        assert_eq!(of_log.recv_timeout(PATIENCE).unwrap(), "second");
        says(&changes, "third");
        drop(changes);
        assert!(of_changes.recv_timeout(PATIENCE).is_err());
        // The daemon ends it.
        drop(log);
        let told = of_log.recv_timeout(PATIENCE).unwrap();
        assert_eq!(told, "% terminal monitor has ended\n");
        assert!(!all_told.load(Ordering::Relaxed));
        let (_rollback, changes, of_changes) = begun(true, &all_told);
        says(&changes, "fourth");
        assert_eq!(of_changes.recv_timeout(PATIENCE).unwrap(), "fourth");
    }
}
