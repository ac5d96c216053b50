//! What changes the configuration as a whole: writing it down, replacing it, taking it back.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use ironflex_ikev2::event::Instant;
use ironflex_profiles::{
    Candidate, differences,
    model::interface::{DeviceName, InterfaceName},
    render,
};

use super::{
    super::{driver::Driver, load},
    Configure, Keys,
};
use crate::{
    cli::show::Facts,
    pki::{Draft, Store, StoreError},
};

/// How long a change that could not be taken back waits for the next try.
const REVERT_AGAIN: Duration = Duration::from_secs(60);

/// A change that goes back unless it is confirmed.
pub(super) struct Revert {
    /// The keys that trustpoints had which have been changed since are held by the store.
    to: Candidate,
    pub(super) at: Instant,
    /// When whoever made it is to be reminded.
    pub(super) remind: Option<Instant>,
}

/// How long before the end that is.
const REMINDER: Duration = Duration::from_secs(60);

/// What is done about files while others are served.
pub struct Work<T>(Box<dyn FnOnce() -> Result<T, String> + Send>);

impl<T> Work<T> {
    /// What is to be done.
    pub fn new(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Self {
        Self(Box::new(work))
    }

    /// Does it, for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn carry_out(self) -> Result<T, String> {
        (self.0)()
    }
}

impl Configure {
    fn unlocked(&self) -> Result<(), String> {
        match &self.session {
            Some(other) => Err(super::locked(other)),
            None => Ok(()),
        }
    }
}

/// A file that is to be the configuration.
pub struct Reading {
    path: PathBuf,
    devices: Vec<(InterfaceName, DeviceName)>,
    store: Store,
    bootflash: PathBuf,
}

/// A file's configuration, ready to be put to work with the keys that it brings.
pub struct Replacing {
    path: PathBuf,
    candidate: Candidate,
    keys: Keys,
}

impl Reading {
    /// Reads the file and those that it names, for as long as the disk takes. Nothing is changed by that.
    ///
    /// # Errors
    ///
    /// The text for whoever asked: the file's faults, for one.
    pub fn read(self) -> Result<Replacing, String> {
        let Self {
            path,
            devices,
            store,
            bootflash,
        } = self;
        let checked = load::read_regular(&path, load::MAX_CONFIG)
            .and_then(|octets| load::check_read(&path, &octets, &devices))
            .map_err(|error| format!("% {error}"))?;
        let mut candidate = checked.candidate;
        let mut keys = Keys::default();
        for action in std::mem::take(&mut candidate.actions) {
            let read = load::read_file(&action.value, &bootflash);
            keys.carry_out(&action, read, (&store, &bootflash))
                .map_err(|error| format!("% {error}"))?;
        }
        Ok(Replacing {
            path,
            candidate,
            keys,
        })
    }
}

impl Driver {
    /// From here on the configuration goes back to what it is now, unless that is confirmed in time.
    pub(super) fn arm_revert(&mut self, minutes: u32) {
        let after = Duration::from_secs(u64::from(minutes).saturating_mul(60));
        let now = self.clock.now();
        let house = &mut self.house;
        // What is held from now on is held of now.
        match house.configure.store.forget_held() {
            Ok(remains) => house.configure.clear(now, remains),
            Err(error) => house.log.trouble(&format_args!("key store: {error}")),
        }
        house.configure.revert = Some(Revert {
            to: house.configured.clone(),
            at: now.after(after),
            remind: Some(now.after(after.saturating_sub(REMINDER))),
        });
        house.log.info(format_args!(
            "configuration: unless it is confirmed in {minutes} minutes, it goes back to what it is now"
        ));
    }

    /// `configure confirm`.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn confirm_configuration(&mut self) -> Result<String, String> {
        let configure = &mut self.house.configure;
        if configure.revert.is_none() {
            return Err("% No Rollback Confirmed Change pending".to_owned());
        }
        // As long as that fails, a start would take the keys back.
        let forgotten = configure.store.forget_held();
        let remains = forgotten.map_err(|error| format!("% key store: {error}"))?;
        configure.clear(self.clock.now(), remains);
        configure.revert = None;
        self.house.log.info("configuration: confirmed");
        Ok(String::new())
    }

    /// The daemon ends. The keys of a change that is not confirmed go back; its lines are not in the file, or were written to
    /// it, and then the keys stay.
    pub fn end_revert(&mut self) {
        let configure = &mut self.house.configure;
        if configure.revert.take().is_none() {
            return;
        }
        let draft = configure.store.draft_now();
        match draft.and_then(|draft| draft.map(Draft::take_back_unconfirmed).transpose()) {
            Ok(Some(names)) if !names.is_empty() => self.house.log.info(format_args!(
                "configuration: the change was not confirmed, and its keys are taken back: {}",
                names.join(", ")
            )),
            // While somebody else writes to the store, the next start is left to do it.
            Ok(_) => {}
            Err(error) => self.house.log.trouble(&format_args!("key store: {error}")),
        }
    }

    /// `configure revert now`. Returns the difference that it made.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn revert_configuration(&mut self) -> Result<String, String> {
        self.house.configure.unlocked()?;
        self.take_back()
    }

    /// Takes back the change that is not confirmed: its lines and the keys that it brought.
    pub(super) fn take_back(&mut self) -> Result<String, String> {
        let configure = &mut self.house.configure;
        let Some(revert) = configure.revert.take() else {
            return Err("% No Rollback Confirmed Change pending".to_owned());
        };
        let keys = keys_of_before(&configure.store);
        keys.and_then(|keys| self.replace_by(revert.to.clone(), keys))
            .inspect_err(|_| {
                // What was promised is still owed.
                let at = self.clock.now().after(REVERT_AGAIN);
                self.house.configure.revert = Some(Revert {
                    at,
                    remind: None,
                    ..revert
                });
            })
    }

    /// Has another configuration at work. Returns the difference and what it means for whoever is there.
    fn replace_by(&mut self, candidate: Candidate, keys: Keys) -> Result<String, String> {
        let old = self.house.running_config.clone();
        let effects = self
            .apply(candidate, keys)
            .map_err(|error| format!("% The configuration is as it was: {error}"))?;
        self.house.tell_inactive(|_| true);
        let mut said = differences(&old, &self.house.running_config);
        said.extend(effects.into_iter().map(|effect| effect.text));
        let faults = self.house.configure.faults.plan.iter();
        said.extend(faults.map(|fault| format!("% Warning: {fault}; it stays inactive\n")));
        Ok(said)
    }

    /// `configure replace FILE`: what has to be read for it.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn replacement(&self, file: &str) -> Result<Reading, String> {
        let configure = &self.house.configure;
        configure.unlocked()?;
        let path = match file.split_once(':') {
            Some(("bootflash" | "flash", name)) => {
                configure.bootflash.join(name.trim_start_matches('/'))
            }
            _ => Path::new(file).to_owned(),
        };
        // It would be looked for in the daemon's folder, which is hardly the one that its operator has in mind.
        if !path.is_absolute() {
            return Err(format!(
                "% {file} is a relative path: name the file from / on, or on bootflash:"
            ));
        }
        Ok(Reading {
            path,
            devices: configure.devices.clone(),
            store: configure.store.clone(),
            bootflash: configure.bootflash.clone(),
        })
    }

    /// `configure replace FILE`, once it is read.
    ///
    /// # Errors
    ///
    /// The text for whoever asked. Nothing has changed then.
    pub(super) fn replace_configuration(
        &mut self,
        Replacing {
            path,
            candidate,
            keys,
        }: Replacing,
    ) -> Result<String, String> {
        // Somebody may have begun to configure since.
        self.house.configure.unlocked()?;
        let said = self.replace_by(candidate, keys)?;
        self.house.log.info(format_args!(
            "configuration: replaced by {}",
            path.display()
        ));
        Ok(format!("{said}\nRollback Done\n"))
    }

    /// `write memory`, with the configuration of now. Fails where the file is not written.
    pub fn write_configuration(&mut self) -> Work<String> {
        let text = self.house.running_config.clone();
        let configure = &mut self.house.configure;
        let unconfirmed = configure.revert.as_ref().map(|_| configure.store.clone());
        let writing = configure.startup.writing(text);
        let devices = configure.devices.clone();
        Work::new(move || {
            let faults = load::faults(writing.text(), &devices);
            if !faults.is_empty() {
                return Err(format!(
                    "{faults}% Not written, for the next start would refuse it: complete or remove what is inactive"
                ));
            }
            let written = writing
                .carry_out()
                .map_err(|error| format!("% Error writing startup-config: {error}"))?;
            let mut said = String::from("Building configuration...\n[OK]\n");
            if written.lost_comments {
                said.push_str("% Comments of the old file are not in the new one; the archive in the state folder keeps them\n");
            }
            if let Some(store) = unconfirmed {
                if let Err(error) = store.note_written() {
                    said.push_str(&format!("% key store: {error}\n"));
                }
                said.push_str("% A change that is not confirmed is written, too; the timer takes it back from what runs, not from the file\n");
            }
            Ok(said)
        })
    }

    /// `show startup-config`. Fails where the file cannot be read.
    pub fn startup_configuration(&self) -> Work<Facts> {
        let startup = self.house.configure.startup.clone();
        Work::new(move || {
            let text = startup.read().map_err(|error| format!("% {error}"))?;
            Ok(Facts::StartupConfig(text))
        })
    }

    /// `show archive config differences`: from the file to what runs. Fails where the file cannot be read.
    pub fn configuration_differences(&self) -> Work<Facts> {
        let startup = self.house.configure.startup.clone();
        let running = self.house.running_config.clone();
        Work::new(move || {
            let text = startup.read().map_err(|error| format!("% {error}"))?;
            let written = ironflex_profiles::parse(&text, "startup-config");
            let faults = written.diagnostics.len();
            let mut lines = String::new();
            if faults > 0 {
                lines.push_str(&format!(
                    "!{faults} lines of the file are not understood; 'ironflex check' names them\n"
                ));
            }
            lines.push_str(&differences(&render(&written.candidate), &running));
            Ok(Facts::ConfigDifferences(lines))
        })
    }
}

/// What brings back the keys that trustpoints had before a change.
fn keys_of_before(store: &Store) -> Result<Keys, String> {
    let failed = |error: StoreError| format!("% key store: {error}");
    if !store.holds().map_err(failed)? {
        return Ok(Keys::default());
    }
    // Nobody is served until it is there, so it does not wait.
    let Some(draft) = store.draft_now().map_err(failed)? else {
        return Err("% The key store is being written to by somebody else".to_owned());
    };
    let renewed: BTreeSet<String> = draft.put_back().map_err(failed)?.into_iter().collect();
    Ok(Keys {
        draft: Some(draft),
        renewed,
    })
}
