//! `terminal monitor`: the daemon's lines at the operator's terminal.

use std::{
    io::{self, BufRead},
    net::Shutdown,
    os::unix::net::UnixStream,
    thread,
};

use rustyline::ExternalPrinter;

use crate::daemon::control::{self, Reply};

/// Prints the daemon's lines until it is dropped.
#[derive(Debug)]
pub(super) struct Monitor(UnixStream);

impl Monitor {
    /// Begins.
    ///
    /// # Errors
    ///
    /// Of the socket; with what the daemon says where it refuses.
    pub(super) fn begin(
        stream: UnixStream,
        mut printer: impl ExternalPrinter + Send + 'static,
    ) -> io::Result<Self> {
        let lines = control::monitor(stream)?;
        let stream = lines.get_ref().try_clone()?;
        let lines = lines.lines();
        thread::Builder::new()
            .name("monitor".into())
            .spawn(move || {
                for line in lines.map_while(Result::ok) {
                    let Ok(Reply { output, .. }) = serde_json::from_str(&line) else {
                        return;
                    };
                    if printer.print(output).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self(stream))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // One that the daemon has ended is as good.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
