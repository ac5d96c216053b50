//! The one monotonic clock of the process, in the core's terms.

use std::time::{Duration, Instant as Monotonic};

use ironflex_ikev2::event::Instant;

/// Counts from when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Monotonic);

impl Clock {
    /// A clock that reads zero now.
    #[must_use]
    pub fn start() -> Self {
        Self(Monotonic::now())
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::new(self.0.elapsed())
    }

    /// How long from now until `instant`; zero when it has passed.
    #[must_use]
    pub fn until(&self, instant: Instant) -> Duration {
        instant.since(self.now())
    }
}

/// Resolves after a while; never where there is nothing to wait for.
pub async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// The time of day, for certificates.
#[must_use]
pub fn wall_clock() -> crate::pki::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    crate::pki::Timestamp::from_unix_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
