//! The signals by which a program is asked to end.

use std::{future::poll_fn, io, task::Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT, from when this is made: none is lost between two waits. None of them ends the process
/// of itself any more.
pub struct StopSignals([Signal; 4]);

impl StopSignals {
    /// Listens. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Of sigaction.
    pub fn listen() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::quit())?,
        ]))
    }

    /// Resolves at the next one, or at one that came since the last time.
    pub async fn received(&mut self) {
        poll_fn(|cx| {
            for one in &mut self.0 {
                if one.poll_recv(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        })
        .await;
    }
}
