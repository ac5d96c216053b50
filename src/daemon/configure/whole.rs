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
    Configure, Keys, lines,
};
use crate::{
    cli::show::Facts,
    pki::{Draft, Held, Store, StoreError},
};

/// How long a change that could not be taken back waits for the next try.
const REVERT_AGAIN: Duration = Duration::from_secs(60);

/// A change that goes back unless it is confirmed.
pub(super) struct Revert {
    to: Candidate,
    /// What the trustpoints held that have been changed since.
    held: Held,
    pub(super) at: Instant,
}

/// What is done about files while others are served, and what comes of it: an error is the text for whoever asked.
pub type Work<T> = Box<dyn FnOnce() -> Result<T, String> + Send>;

impl Configure {
    fn unlocked(&self) -> Result<(), String> {
        match &self.session {
            Some(other) => Err(super::locked(other)),
            None => Ok(()),
        }
    }

    /// Notes what the trustpoints hold that a draft is to change, if that may have to come back.
    pub(super) fn note(&mut self, draft: &Draft) -> Result<(), StoreError> {
        match &mut self.revert {
            Some(revert) => revert.held.note(draft),
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
            lines::carry_out(&action, &mut keys, (&store, &bootflash))
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
        let house = &mut self.house;
        house.configure.revert = Some(Revert {
            to: house.configured.clone(),
            held: Held::default(),
            at: self.clock.now().after(after),
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
        match self.house.configure.revert.take() {
            Some(_) => {
                self.house.log.info("configuration: confirmed");
                Ok(String::new())
            }
            None => Err("% No Rollback Confirmed Change pending".to_owned()),
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
        let keys = keys_of_before(&configure.store, &revert.held);
        keys.and_then(|keys| self.replace_by(revert.to.clone(), keys))
            .inspect_err(|_| {
                // What was promised is still owed.
                let at = self.clock.now().after(REVERT_AGAIN);
                self.house.configure.revert = Some(Revert { at, ..revert });
            })
    }

    /// Has another configuration at work. Returns the difference and what it means for whoever is there.
    fn replace_by(&mut self, candidate: Candidate, keys: Keys) -> Result<String, String> {
        let old = self.house.running_config.clone();
        let effects = self
            .apply(candidate, keys)
            .map_err(|error| format!("% The configuration is as it was: {error}"))?;
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
        let is_unconfirmed = configure.revert.is_some();
        let writing = configure.startup.writing(text);
        Box::new(move || {
            let faults = load::faults(writing.text());
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
            if is_unconfirmed {
                said.push_str("% A change that is not confirmed is written, too; the timer takes it back from what runs, not from the file\n");
            }
            Ok(said)
        })
    }

    /// `show startup-config`. Fails where the file cannot be read.
    pub fn startup_configuration(&self) -> Work<Facts> {
        let startup = self.house.configure.startup.clone();
        Box::new(move || {
            let text = startup.read().map_err(|error| format!("% {error}"))?;
            Ok(Facts::StartupConfig(text))
        })
    }

    /// `show archive config differences`: from the file to what runs. Fails where the file cannot be read.
    pub fn configuration_differences(&self) -> Work<Facts> {
        let startup = self.house.configure.startup.clone();
        let running = self.house.running_config.clone();
        Box::new(move || {
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

/// What brings back what trustpoints held.
fn keys_of_before(store: &Store, held: &Held) -> Result<Keys, String> {
    if held.is_empty() {
        return Ok(Keys::default());
    }
    let failed = |error: StoreError| format!("% key store: {error}");
    // Nobody is served until it is there, so it does not wait.
    let Some(draft) = store.draft_now().map_err(failed)? else {
        return Err("% The key store is being written to by somebody else".to_owned());
    };
    held.put_back(&draft).map_err(failed)?;
    let renewed: BTreeSet<String> = held.names().collect();
    Ok(Keys {
        draft: Some(draft),
        renewed,
    })
}
