//! A file that becomes the configuration (`configure replace`), or is merged into it (`copy FILE running-config`).
//!
//! It is read while others are served, with the files that it names, and put to work as a whole.

use std::{
    path::{Path, PathBuf},
    time::Instant as WallClock,
};

use ironflex_profiles::{
    Candidate,
    model::{
        interface::{DeviceName, InterfaceName},
        name::FileName,
    },
    typing::{Typed, Typist},
};
use zeroize::Zeroizing;

use super::{
    super::{
        bootflash::{self, Bootflash, Present},
        driver::Driver,
        load,
    },
    Keys, NOT_PRESENT, Named, Person, Work,
    startup::is_blank,
    words,
};
use crate::{
    cli::{
        Printable,
        configure::{Said, with_line},
        exec::{Replacement, Source},
    },
    files,
    pki::Store,
};

/// What becomes of a file's lines.
enum Purpose {
    /// They are the configuration; it goes back unless that is confirmed in so many minutes by whom.
    Replace(Option<u32>, Person),
    /// They are typed into this one.
    Merge(Box<Candidate>),
}

/// A file that is to be the configuration, or a part of it.
pub struct Reading {
    path: PathBuf,
    /// What it is on `bootflash:`, where no link is followed.
    name: Option<FileName>,
    /// It is the configuration file, which may have been erased.
    is_startup: bool,
    devices: Vec<(InterfaceName, DeviceName)>,
    store: Store,
    bootflash: PathBuf,
    purpose: Purpose,
}

/// A file's configuration, ready to be put to work with the keys that it brings.
pub struct Replacing {
    path: PathBuf,
    candidate: Candidate,
    keys: Keys,
    purpose: Done,
}

/// What it was read for.
enum Done {
    Replace(Option<u32>, Person),
    Merge(Box<Merged>),
}

/// A configuration with a file's lines in it.
struct Merged {
    /// What it was before.
    before: Candidate,
    /// What is said of lines.
    said: String,
    /// One was refused.
    refused: bool,
    octets: usize,
    begun: WallClock,
}

impl Reading {
    /// Reads the file and those that it names, for as long as the disk takes. Nothing is changed by that.
    ///
    /// # Errors
    ///
    /// The text for whoever asked: the file's faults, for one.
    pub fn read(self) -> Result<Replacing, String> {
        match self.purpose {
            Purpose::Replace(minutes, person) => {
                let read = load::read_regular(&self.path, load::MAX_CONFIG);
                if self.is_startup && read.as_ref().is_ok_and(|octets| is_blank(octets)) {
                    return Err(format!(
                        "%Error opening nvram:/startup-config ({NOT_PRESENT})"
                    ));
                }
                let checked = read
                    .and_then(|octets| load::check_read(&self.path, &octets, &self.devices))
                    .map_err(|error| format!("% {error}"))?;
                let mut candidate = checked.candidate;
                let mut keys = Keys::default();
                for action in std::mem::take(&mut candidate.actions) {
                    let read = load::read_file(&action.value, &self.bootflash);
                    keys.carry_out(&action, read, (&self.store, &self.bootflash))
                        .map_err(|error| format!("% {error}"))?;
                }
                Ok(Replacing {
                    path: self.path,
                    candidate,
                    keys,
                    purpose: Done::Replace(minutes, person),
                })
            }
            Purpose::Merge(before) => {
                let begun = WallClock::now();
                let octets = match &self.name {
                    Some(name) => bootflash::read(name, &self.bootflash, load::MAX_CONFIG),
                    None => files::read_regular(&self.path, load::MAX_CONFIG),
                };
                let shown = self
                    .name
                    .as_ref()
                    .map_or("startup-config", FileName::as_str);
                let octets = octets.map_err(|error| format!("%Error opening {shown} ({error})"))?;
                if self.is_startup && is_blank(&octets) {
                    return Err(format!("% {NOT_PRESENT}"));
                }
                let text = files::text_of(&octets).map_err(|(line, column)| {
                    format!("%Error reading {shown} (line {line}, column {column} is not UTF-8)")
                })?;
                let (mut candidate, mut keys) = ((*before).clone(), Keys::default());
                let mut typist = Typist::new(shown);
                let mut merged = Merged {
                    before: *before,
                    said: String::new(),
                    refused: false,
                    octets: octets.len(),
                    begun,
                };
                for line in text.lines() {
                    match typist.line(&mut candidate, line) {
                        Typed::Left => break,
                        Typed::Done | Typed::Nothing => {}
                        Typed::Told(said) => merged.said.push_str(&format!("% {said}\n")),
                        Typed::Refused(fault) => {
                            let (marker, text) = words::refusal(line, &fault);
                            let said = Said {
                                line: 0,
                                refused: true,
                                marker,
                                read: None,
                                text,
                            };
                            merged.refused = true;
                            merged.said.push_str(&with_line(&said, line));
                        }
                    }
                    if let Some(action) = candidate.actions.pop() {
                        let read = load::read_file(&action.value, &self.bootflash);
                        let files = (&self.store, self.bootflash.as_path());
                        let done = keys.carry_out(&action, read, files);
                        done.map_err(|error| format!("% The configuration is as it was: {error}"))?;
                    }
                }
                Ok(Replacing {
                    path: self.path,
                    candidate,
                    keys,
                    purpose: Done::Merge(Box::new(merged)),
                })
            }
        }
    }
}

impl Driver {
    /// What `bootflash:` means.
    pub fn bootflash(&self) -> Bootflash {
        let configure = &self.house.configure;
        let mut named = Named::default();
        named.add(&self.house.configured);
        // What is typed names it already.
        let waiting = configure.session.as_ref();
        if let Some(waiting) = waiting.and_then(|session| session.waiting.as_ref()) {
            named.add(&waiting.candidate);
        }
        // What it may go back to names it still.
        if let Some(revert) = &configure.revert {
            named.add(&revert.to);
        }
        Bootflash {
            folder: configure.bootflash.clone(),
            startup: configure.startup.clone(),
            named,
        }
    }

    /// `configure replace FILE`: what has to be read for it.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn replacement(
        &self,
        Replacement { file, minutes, .. }: Replacement,
        person: Person,
    ) -> Result<Reading, String> {
        let configure = &self.house.configure;
        let path = match file.split_once(':') {
            Some((system, name)) if bootflash::is_on(&file) => {
                debug_assert!(!system.is_empty());
                configure.bootflash.join(name.trim_start_matches('/'))
            }
            Some(("nvram", "startup-config" | "/startup-config")) => {
                configure.startup.path().to_owned()
            }
            _ => Path::new(&file).to_owned(),
        };
        // It would be looked for in the daemon's folder, which is hardly the one that its operator has in mind.
        let is_startup = path == configure.startup.path();
        if !path.is_absolute() && !is_startup {
            return Err(format!(
                "% {} is a relative path: name the file from / on, or on bootflash:",
                Printable(&file)
            ));
        }
        self.reading(path, None, Purpose::Replace(minutes, person))
    }

    /// `copy {bootflash:FILE|startup-config} running-config`: what has to be read for it.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn merging(&self, source: Source) -> Result<Reading, String> {
        let configure = &self.house.configure;
        let (path, name) = match source {
            Source::File(name) => (configure.bootflash.join(name.path()), Some(name)),
            Source::Running | Source::Startup => (configure.startup.path().to_owned(), None),
        };
        let before = Box::new(self.house.configured.clone());
        self.reading(path, name, Purpose::Merge(before))
    }

    fn reading(
        &self,
        path: PathBuf,
        name: Option<FileName>,
        purpose: Purpose,
    ) -> Result<Reading, String> {
        let configure = &self.house.configure;
        configure.unlocked()?;
        let is_startup = name.is_none() && path == configure.startup.path();
        Ok(Reading {
            path,
            name,
            devices: configure.devices.clone(),
            store: configure.store.clone(),
            bootflash: configure.bootflash.clone(),
            is_startup,
            purpose,
        })
    }

    /// `copy {running-config|startup-config|bootflash:FILE} bootflash:FILE`
    pub fn copy_to(&self, name: FileName, source: Source, present: Present) -> Work<String> {
        let bootflash = self.bootflash();
        let from = bootflash.clone();
        let running = match source {
            Source::Running => self.house.running_config.clone(),
            Source::File(_) | Source::Startup => String::new(),
        };
        bootflash.copy(name, present, move || match source {
            Source::Startup => from.startup.read_present().map(octets),
            Source::Running => Ok(octets(running)),
            Source::File(name) => from
                .look_into(&name, load::MAX_BOOTFLASH)
                .map_err(|error| format!("%Error opening {name} ({error})")),
        })
    }

    /// The same files, once they are read.
    ///
    /// # Errors
    ///
    /// The text for whoever asked. Nothing has changed then, but for lines that were merged where others were refused.
    pub(super) fn replace_configuration(
        &mut self,
        Replacing {
            path,
            candidate,
            keys,
            purpose,
        }: Replacing,
    ) -> Result<String, String> {
        // Somebody may have begun to configure since.
        self.house.configure.unlocked()?;
        match purpose {
            Done::Replace(minutes, person) => {
                if let Some(minutes) = minutes {
                    self.arm_revert(minutes, person)?;
                }
                let said = self.replace_by(candidate, keys);
                if said.is_err() && minutes.is_some() {
                    self.disarm_revert();
                }
                let said = said?;
                self.house.log.info(format_args!(
                    "configuration: replaced by {}",
                    path.display()
                ));
                Ok(format!("{said}\nRollback Done\n"))
            }
            Done::Merge(merged) => {
                if self.house.configured != merged.before {
                    return Err(
                        "% The configuration has changed while the file was read: copy again"
                            .to_owned(),
                    );
                }
                let said = self.put_to_work(candidate, keys)?;
                self.house.log.info(format_args!(
                    "configuration: lines of {} were merged into it",
                    path.display()
                ));
                let Merged {
                    said: refusals,
                    refused,
                    octets,
                    begun,
                    ..
                } = *merged;
                let copied = bootflash::copied(octets, begun);
                let said = format!("{refusals}{said}{copied}");
                if refused { Err(said) } else { Ok(said) }
            }
        }
    }
}

fn octets(text: String) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.into_bytes())
}
