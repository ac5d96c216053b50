//! `dir`.

use std::{fmt::Write as _, time::SystemTime};

use serde::Serialize;

use super::text;
use crate::cli::Printable;

/// The folder that `bootflash:` means.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Directory {
    /// What is in it, by name.
    pub files: Vec<FileFacts>,
    /// The size of its file system in octets.
    pub total: u64,
    /// What is free of that.
    pub free: u64,
}

/// A file, or a folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileFacts {
    /// Its name.
    pub name: String,
    /// Its number in the file system.
    pub number: u64,
    /// What its owner may do, behind a `d` of a folder.
    pub permissions: String,
    /// Its octets.
    pub size: u64,
    /// Seconds since 1970 when it was written last.
    pub changed: i64,
}

/// `dir`
#[must_use]
pub fn directory(directory: &Directory) -> String {
    let Directory { files, total, free } = directory;
    text(|out| {
        writeln!(out, "Directory of bootflash:/")?;
        writeln!(out)?;
        if files.is_empty() {
            writeln!(out, "No files in directory")?;
        }
        for file in files {
            let FileFacts {
                name,
                number,
                permissions,
                size,
                changed,
            } = file;
            writeln!(
                out,
                "{number:>5}  {permissions}  {size:>15}  {} +00:00  {}",
                date(*changed),
                Printable(name)
            )?;
        }
        writeln!(out)?;
        writeln!(out, "{total} bytes total ({free} bytes free)")
    })
}

/// A day and a time, UTC, in a router's columns.
fn date(seconds: i64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(seconds);
    let at = at.unwrap_or_else(|_| SystemTime::UNIX_EPOCH.into());
    let month = at.month().to_string();
    let (hour, minute, second) = at.to_hms();
    let day = format!("{month:.3} {} {}", at.day(), at.year());
    format!("{day:>11} {hour:02}:{minute:02}:{second:02}")
}
