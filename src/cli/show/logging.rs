//! `show logging` and `show crypto debug-condition`.

use std::fmt::{self, Display, Write as _};
use std::time::SystemTime;

use super::text;
use crate::state::logging::{ConditionFacts, LogFacts};

/// The day, UTC, and the time of day with milliseconds, as a router puts them in front of a line.
pub(crate) struct Stamp(pub(crate) SystemTime);

impl Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = time::OffsetDateTime::from(self.0);
        let month = at.month().to_string();
        let (hour, minute, second, milli) = at.to_hms_milli();
        write!(
            f,
            "{month:.3} {:>2} {hour:02}:{minute:02}:{second:02}.{milli:03}",
            at.day()
        )
    }
}

/// The last lines of the log, below a router's heading.
#[must_use]
pub(super) fn logging(log: &LogFacts) -> String {
    let LogFacts {
        size,
        logged,
        lines,
    } = log;
    text(|out| {
        writeln!(
            out,
            "Syslog logging: enabled (0 messages dropped, 0 messages rate-limited, 0 flushes, 0 overruns, xml disabled, filtering disabled)"
        )?;
        writeln!(out)?;
        for (name, where_to) in [
            ("Console", "standard error"),
            ("Monitor", "terminal monitor"),
        ] {
            writeln!(out, "    {name} logging: level debugging, {where_to}")?;
        }
        writeln!(
            out,
            "    Buffer logging:  level debugging, {logged} messages logged, xml disabled,"
        )?;
        writeln!(out, "                    filtering disabled")?;
        writeln!(out)?;
        writeln!(out, "Log Buffer ({size} bytes):")?;
        writeln!(out)?;
        for line in lines {
            writeln!(out, "*{}: {}", Stamp(line.time), line.text)?;
        }
        Ok(())
    })
}

/// `show crypto debug-condition`
#[must_use]
pub(super) fn debug_condition(conditions: &ConditionFacts) -> String {
    let ConditionFacts { peers, usernames } = conditions;
    let on = !(peers.is_empty() && usernames.is_empty());
    text(|out| {
        writeln!(
            out,
            "Crypto conditional debug currently is turned {}",
            if on { "ON" } else { "OFF" }
        )?;
        for context in ["IKE", "IPsec", "Crypto Engine"] {
            writeln!(out, "{context} debug context unmatched flag: OFF")?;
        }
        if !peers.is_empty() {
            let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
            writeln!(out)?;
            writeln!(out, "IKE peer IP address filters:")?;
            writeln!(out, "{}", peers.join(" "))?;
        }
        if !usernames.is_empty() {
            writeln!(out)?;
            writeln!(out, "IKE username filters:")?;
            writeln!(out, "{}", usernames.join(" "))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::state::logging::{LoggedLine, Severity};

    #[test]
    fn the_log_is_told_with_its_times() {
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(1_795_682_253_007));
        let log = LogFacts {
            size: 4096,
            logged: 7,
            lines: vec![LoggedLine {
                time: time.unwrap(),
                severity: Severity::Informational,
                text: "ready".into(),
            }],
        };
        let text = logging(&log);
        assert!(
            text.ends_with("Log Buffer (4096 bytes):\n\n*Nov 26 08:37:33.007: ready\n"),
            "{text}"
        );
        assert!(text.contains(" 7 messages logged"), "{text}");
    }

    #[test]
    fn conditions_are_told_by_their_kinds() {
        let none = ConditionFacts::default();
        assert!(
            debug_condition(&none)
                .starts_with("Crypto conditional debug currently is turned OFF\n")
        );
        let some = ConditionFacts {
            peers: vec!["192.0.2.1".parse().unwrap()],
            usernames: vec!["test".into()],
        };
        let text = debug_condition(&some);
        assert!(
            text.ends_with(
                "\nIKE peer IP address filters:\n192.0.2.1\n\nIKE username filters:\ntest\n"
            ),
            "{text}"
        );
    }
}
