//! `show clock`, `show version`, `show inventory`, and the configuration's files as a whole.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use time::OffsetDateTime;

use super::{derived_config::UNCOUNTED, text};
use crate::{
    cli::{Printable, counted},
    kernel_clock::Standing,
    state::form,
};

/// `show clock`
#[must_use]
pub fn clock(now: SystemTime) -> String {
    let now = OffsetDateTime::from(now);
    format!("{}.{:03} UTC {}\n", hour(now), now.millisecond(), day(now))
}

/// A moment to the second, as where several stand in a table.
#[must_use]
pub(super) fn moment(then: SystemTime) -> String {
    let then = OffsetDateTime::from(then);
    format!("{} UTC {}", hour(then), day(then))
}

fn hour(of: OffsetDateTime) -> String {
    let (hour, minute, second) = of.to_hms();
    format!("{hour:02}:{minute:02}:{second:02}")
}

fn day(of: OffsetDateTime) -> String {
    let short = |name: String| name.get(..3).map(ToOwned::to_owned).unwrap_or_default();
    format!(
        "{} {} {} {}",
        short(of.weekday().to_string()),
        short(of.month().to_string()),
        of.day(),
        of.year()
    )
}

/// `show clock [detail]`: in front of it a star where nobody answers for the clock, and a point where it is not kept in step.
#[must_use]
pub(super) fn clock_of(now: SystemTime, standing: Standing, detail: bool) -> String {
    let (mark, source) = match standing {
        Standing::Synchronised => ("", "Time source is NTP\n"),
        Standing::Set => (".", "Time source is NTP, which is not synchronized\n"),
        Standing::Unanswered => ("*", "No time source\n"),
    };
    let source = if detail { source } else { "" };
    format!("{mark}{}{source}", clock(now))
}

/// A change that goes back unless it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollbackFacts {
    /// How long that takes.
    #[serde(serialize_with = "form::seconds")]
    pub left: Duration,
    /// Who made it.
    pub by: String,
}

/// `show archive config rollback timer`
#[must_use]
pub(super) fn rollback_timer(pending: Option<&RollbackFacts>) -> String {
    let Some(RollbackFacts { left, by }) = pending else {
        return "% No Rollback Confirmed Change pending\n".to_owned();
    };
    let seconds = left.as_secs();
    let (minutes, rest) = (seconds / 60, seconds % 60);
    format!(
        "Time configured change will be reverted in: {minutes:02}:{rest:02} (minutes:seconds)\n\
         User: {by}\n"
    )
}

/// `show running-config`: a router's heading, which is passed over when it is read again, above the configuration.
#[must_use]
pub fn running_config(configuration: &str) -> String {
    let octets = configuration.trim_end().len().saturating_add(UNCOUNTED);
    format!("Building configuration...\n\nCurrent configuration : {octets} bytes\n{configuration}")
}

/// `show startup-config`: the file as it stands, and what a router says of one that was erased.
#[must_use]
pub fn startup_config(file: &str) -> String {
    if file.trim().is_empty() {
        return "startup-config is not present\n".to_owned();
    }
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

/// What serves, on what, and since when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Version {
    /// Its name.
    pub software: &'static str,
    /// Its version.
    pub version: &'static str,
    /// `hostname`
    pub hostname: String,
    /// Since the start.
    #[serde(serialize_with = "form::seconds")]
    pub uptime: Duration,
    /// The program's file.
    pub image: Option<String>,
    /// Linux' release.
    pub kernel: String,
    /// The kind of its processors.
    pub architecture: &'static str,
    /// What Linux calls the machine.
    pub machine: String,
    /// What carries ESP: `kernel`, `userspace`, or `none` where SAs are only recorded.
    pub dataplane: &'static str,
}

/// `show version`: the lines that scripts look for, with what is true here.
#[must_use]
pub fn version(version: &Version) -> String {
    text(|out| {
        writeln!(
            out,
            "{} Software, Version {}",
            version.software, version.version
        )?;
        writeln!(out)?;
        writeln!(
            out,
            "{} uptime is {}",
            version.hostname,
            uptime(version.uptime)
        )?;
        if let Some(image) = &version.image {
            writeln!(out, "System image file is \"{}\"", Printable(image))?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "Linux {} ({}), host name {}",
            Printable(&version.kernel),
            version.architecture,
            Printable(&version.machine)
        )?;
        writeln!(out, "Dataplane in use: {}", version.dataplane)
    })
}

/// A part of the headend, as a router's chassis has modules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Where it is.
    pub name: &'static str,
    /// What it is.
    pub description: String,
    /// Its product.
    pub product: &'static str,
    /// That product's version.
    pub version: String,
}

/// The program, Linux, and what carries ESP.
#[must_use]
pub fn parts(all: &Version) -> [Part; 3] {
    let part = |name, description, product, version: &str| Part {
        name,
        description,
        product,
        version: version.to_owned(),
    };
    let dataplane = all.dataplane;
    [
        part(
            "Chassis",
            "ironflex headend".to_owned(),
            all.software,
            all.version,
        ),
        part(
            "module R0",
            format!("Linux on {}", all.architecture),
            "Linux",
            &all.kernel,
        ),
        part(
            "module F0",
            format!("Dataplane: {dataplane}"),
            dataplane,
            "",
        ),
    ]
}

/// `show inventory`: nothing here has a serial number.
#[must_use]
pub fn inventory(all: &Version) -> String {
    text(|out| {
        for (number, part) in parts(all).iter().enumerate() {
            let Part {
                name,
                description,
                product,
                version,
            } = part;
            if number > 0 {
                writeln!(out)?;
            }
            writeln!(out, "NAME: \"{name}\", DESCR: \"{description}\"")?;
            let version = Printable(version).to_string();
            writeln!(out, "PID: {product:<18}, VID: {version:<5}, SN: ")?;
        }
        Ok(())
    })
}

/// `show crypto isakmp sa`: there is no IKEv1 here, and so no SA.
#[must_use]
pub fn isakmp_sa() -> String {
    text(|out| {
        writeln!(out, "IPv4 Crypto ISAKMP SA")?;
        writeln!(
            out,
            "dst             src             state          conn-id status"
        )?;
        writeln!(out)?;
        writeln!(out, "IPv6 Crypto ISAKMP SA")?;
        writeln!(out)
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
        .map(|(count, unit)| counted(count, unit))
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
    }
}
