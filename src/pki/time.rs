//! A moment in seconds, as certificates tell it.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A moment: whole seconds since 1970-01-01 00:00:00 UTC, negative before it.
///
/// Its `Display` is the form of IOS-XE's `show crypto pki certificates`: `21:58:50 UTC Nov 10 2021`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `seconds` after 1970-01-01 00:00:00 UTC.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub const fn unix_seconds(self) -> i64 {
        self.0
    }

    /// The moment `duration` later; the last representable one where that would overflow.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(duration.as_secs()))
    }

    /// The moment `duration` earlier; the first representable one where that would overflow.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(duration.as_secs()))
    }

    /// The same moment for the path builder, which knows no time before 1970.
    pub(super) fn to_unix_time(self) -> rustls_pki_types::UnixTime {
        let seconds = u64::try_from(self.0).unwrap_or(0);
        rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    /// The same moment for the certificate writer; `None` beyond the year 9999.
    pub(super) fn to_date_time(self) -> Option<time::OffsetDateTime> {
        time::OffsetDateTime::from_unix_timestamp(self.0).ok()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_secs()).map_or(i64::MIN, i64::saturating_neg)
            }
        };
        Self(seconds)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let Some(date) = self.to_date_time() else {
            return write!(f, "{} s after 1970", self.0);
        };
        let month = usize::from(u8::from(date.month())).saturating_sub(1);
        write!(
            f,
            "{:02}:{:02}:{:02} UTC {} {} {}",
            date.hour(),
            date.minute(),
            date.second(),
            MONTHS.get(month).copied().unwrap_or("?"),
            date.day(),
            date.year(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_ios_does() {
        assert_eq!(
            Timestamp::from_unix_seconds(1_636_581_530).to_string(),
            "21:58:50 UTC Nov 10 2021"
        );
    }

    #[test]
    fn moments_outside_the_calendar_print_without_panicking() {
        assert_eq!(
            Timestamp::from_unix_seconds(i64::MAX).to_string(),
            "9223372036854775807 s after 1970"
        );
    }

    #[test]
    fn a_clock_before_1970_is_negative() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(7);
        assert_eq!(Timestamp::from(before), Timestamp::from_unix_seconds(-7));
    }
}
