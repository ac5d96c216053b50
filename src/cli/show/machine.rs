//! `show clock`, `show version`, and the configuration's files as a whole.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use super::{derived_config::UNCOUNTED, text};

/// `show clock`
#[must_use]
pub fn clock(now: SystemTime) -> String {
    let now = time::OffsetDateTime::from(now);
    let short = |name: String| name.get(..3).map(ToOwned::to_owned).unwrap_or_default();
    let (hour, minute, second, milli) = now.to_hms_milli();
    format!(
        "{hour:02}:{minute:02}:{second:02}.{milli:03} UTC {} {} {} {}\n",
        short(now.weekday().to_string()),
        short(now.month().to_string()),
        now.day(),
        now.year()
    )
}

/// `show running-config`: a router's heading, which is passed over when it is read again, above the configuration.
#[must_use]
pub fn running_config(configuration: &str) -> String {
    let octets = configuration.trim_end().len().saturating_add(UNCOUNTED);
    format!("Building configuration...\n\nCurrent configuration : {octets} bytes\n{configuration}")
}

/// `show startup-config`: the file as it stands.
#[must_use]
pub fn startup_config(file: &str) -> String {
    format!("Using {} bytes\n{file}", file.len())
}

/// `show archive config differences`: a router's heading above the lines.
#[must_use]
pub fn differences(lines: &str) -> String {
    let lines = if lines.is_empty() {
        "!No changes were found\n"
    } else {
        lines
    };
    format!("!Contextual Config Diffs:\n{lines}")
}

/// `show version`: the lines that scripts look for, with what is true here.
#[must_use]
pub fn version(hostname: &str, up: Duration) -> String {
    text(|out| {
        let version = env!("CARGO_PKG_VERSION");
        writeln!(out, "ironflex Software, Version {version}")?;
        writeln!(out)?;
        writeln!(out, "{hostname} uptime is {}", uptime(up))
    })
}

/// A time in the words of a router: from the greatest unit that is not nothing down to minutes.
fn uptime(up: Duration) -> String {
    let minutes = up.as_secs() / 60;
    let (hours, days) = (minutes / 60, minutes / 1440);
    let units = [
        (days / 365, "year"),
        (days % 365 / 7, "week"),
        (days % 365 % 7, "day"),
        (hours % 24, "hour"),
        (minutes % 60, "minute"),
    ];
    let told: Vec<String> = units
        .into_iter()
        .filter(|(count, unit)| *count > 0 || *unit == "minute")
        .map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
        .collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_configuration_has_a_routers_heading_and_can_be_read_again() {
        let lines = ironflex_profiles::parse("hostname A\n", "").candidate;
        let lines = ironflex_profiles::render(&lines);
        let shown = running_config(&lines);
        let heading = format!(
            "Building configuration...\n\nCurrent configuration : {} bytes\n!\nhostname A\n",
            lines.trim_end().len() + UNCOUNTED
        );
        assert!(shown.starts_with(&heading), "{shown}");
        let again = ironflex_profiles::parse(&shown, "");
        assert_eq!(again.diagnostics, []);
        assert_eq!(ironflex_profiles::render(&again.candidate), lines);
    }

    #[test]
    fn the_clock_is_as_a_router_shows_it() {
        let at = |seconds, millis| {
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis)
        };
        assert_eq!(
            clock(at(1_795_682_253, 7)),
            "08:37:33.007 UTC Thu Nov 26 2026\n"
        );
        assert_eq!(clock(at(0, 0)), "00:00:00.000 UTC Thu Jan 1 1970\n");
    }

    #[test]
    fn the_time_since_the_start_is_told_in_its_greatest_units() {
        let up = |seconds| uptime(Duration::from_secs(seconds));
        assert_eq!(up(59), "0 minutes");
        assert_eq!(up(60), "1 minute");
        assert_eq!(up(7_380), "2 hours, 3 minutes");
        assert_eq!(up(8 * 86_400 + 60), "1 week, 1 day, 1 minute");
        assert_eq!(up(366 * 86_400), "1 year, 1 day, 0 minutes");
        assert_eq!(
            version("Router", Duration::from_secs(60)).lines().last(),
            Some("Router uptime is 1 minute")
        );
    }
}
