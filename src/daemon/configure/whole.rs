//! What changes the configuration as a whole: writing it down, replacing it, taking it back.

use std::{collections::BTreeSet, path::Path, time::Duration};

use ironflex_ikev2::event::Instant;
use ironflex_profiles::{Candidate, differences, render};

use super::{
    super::{driver::Driver, load},
    Configure,
};

/// How long a change that could not be taken back waits for the next try.
const REVERT_AGAIN: Duration = Duration::from_secs(60);

/// A change that goes back unless it is confirmed.
pub(super) struct Revert {
    to: Candidate,
    pub(super) at: Instant,
}

impl Configure {
    fn unlocked(&self) -> Result<(), String> {
        match &self.session {
            Some(other) => Err(super::locked(other)),
            None => Ok(()),
        }
    }
}

impl Driver {
    /// From here on the configuration goes back to what it is now, unless that is confirmed in time.
    pub(super) fn arm_revert(&mut self, minutes: u32) {
        let after = Duration::from_secs(u64::from(minutes).saturating_mul(60));
        let house = &mut self.house;
        house.configure.revert = Some(Revert {
            to: house.configured.clone(),
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

    /// `configure revert now`, and what the timer does. Returns the difference that it made.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn revert_configuration(&mut self) -> Result<String, String> {
        let Some(Revert { to, .. }) = self.house.configure.revert.take() else {
            return Err("% No Rollback Confirmed Change pending".to_owned());
        };
        let again = to.clone();
        // Lines that are not at work yet go as well.
        if let Some(session) = &mut self.house.configure.session {
            session.waiting = None;
        }
        self.replace_by(to, &BTreeSet::new()).inspect_err(|_| {
            // What was promised is still owed.
            self.house.configure.revert = Some(Revert {
                to: again,
                at: self.clock.now().after(REVERT_AGAIN),
            });
        })
    }

    /// Has another configuration at work. Returns the difference and what it means for whoever is there.
    fn replace_by(
        &mut self,
        candidate: Candidate,
        renewed: &BTreeSet<String>,
    ) -> Result<String, String> {
        let before = std::mem::replace(&mut self.house.configured, candidate);
        let old = render(&before);
        match self.apply(renewed) {
            Ok(effects) => {
                let mut said = differences(&old, &self.house.running_config);
                said.extend(effects.into_iter().map(|effect| effect.text));
                let faults = &self.house.configure.faults.plan;
                said.extend(
                    faults
                        .iter()
                        .map(|fault| format!("% Warning: {fault}; it stays inactive\n")),
                );
                Ok(said)
            }
            Err(error) => {
                self.house.reconfigured(before);
                Err(format!("% The configuration is as it was: {error}"))
            }
        }
    }

    /// `configure replace FILE`.
    ///
    /// # Errors
    ///
    /// The text for whoever asked: the file's faults, for one. Nothing has changed then.
    pub fn replace_configuration(&mut self, file: &str) -> Result<String, String> {
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
        let checked =
            load::check(&path, &configure.devices).map_err(|error| format!("% {error}"))?;
        let mut renewed = BTreeSet::new();
        for action in &checked.candidate.actions {
            let Configure {
                store, bootflash, ..
            } = &self.house.configure;
            load::carry_out(&action.value, &action.at, store, bootflash)
                .map_err(|error| format!("% {error}"))?;
            renewed.insert(super::trustpoint_of(&action.value).to_string());
        }
        let mut candidate = checked.candidate;
        candidate.actions.clear();
        let said = self.replace_by(candidate, &renewed)?;
        self.house.log.info(format_args!(
            "configuration: replaced by {}",
            path.display()
        ));
        Ok(format!("{said}\nRollback Done\n"))
    }

    /// `write memory`.
    ///
    /// # Errors
    ///
    /// The text for whoever asked. The file is as it was then.
    pub fn write_configuration(&mut self) -> Result<String, String> {
        let faults = load::faults(&self.house.running_config);
        if !faults.is_empty() {
            return Err(format!(
                "{faults}% Not written, for the next start would refuse it: complete or remove what is inactive"
            ));
        }
        let configure = &self.house.configure;
        let written = configure
            .startup
            .write(&self.house.running_config)
            .map_err(|error| format!("% Error writing startup-config: {error}"))?;
        let mut said = String::from("Building configuration...\n[OK]\n");
        if written.lost_comments {
            said.push_str("% Comments of the old file are not in the new one; the archive in the state folder keeps them\n");
        }
        if configure.revert.is_some() {
            said.push_str("% A change that is not confirmed is written, too; the timer takes it back from what runs, not from the file\n");
        }
        Ok(said)
    }

    /// `show startup-config`.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn startup_configuration(&self) -> Result<String, String> {
        let text = self.house.configure.startup.read();
        let text = text.map_err(|error| format!("% {error}"))?;
        Ok(format!("Using {} bytes\n{text}", text.len()))
    }

    /// `show archive config differences`: from the file to what runs.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn configuration_differences(&self) -> Result<String, String> {
        let text = self.house.configure.startup.read();
        let text = text.map_err(|error| format!("% {error}"))?;
        let written = ironflex_profiles::parse(&text, "startup-config");
        let mut said = String::from("!Contextual Config Diffs:\n");
        let faults = written.diagnostics.len();
        if faults > 0 {
            said.push_str(&format!(
                "!{faults} lines of the file are not understood; 'ironflex check' names them\n"
            ));
        }
        let differences = differences(&render(&written.candidate), &self.house.running_config);
        said.push_str(if differences.is_empty() {
            "!No changes were found\n"
        } else {
            &differences
        });
        Ok(said)
    }
}
