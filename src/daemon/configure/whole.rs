//! What changes the configuration as a whole: writing it down, replacing it, taking it back.

use std::{collections::BTreeSet, io, time::Duration};

use ironflex_ikev2::event::Instant;
use ironflex_profiles::{Candidate, differences, model::name::Name, render};
use tokio::sync::mpsc;

use super::{
    super::{bootflash, driver::Driver, load, log::Watched},
    Configure, Keys, Person,
    held::{BEING_WRITTEN, Held},
    startup::Replacement,
};
use crate::{
    cli::{counted, exec::Source, show::Facts},
    pki::{HeldStill, Remains, Store, StoreError},
};

/// How long a change that could not be taken back waits for the next try.
pub(super) const REVERT_AGAIN: Duration = Duration::from_secs(60);

/// A change that goes back unless it is confirmed. The keys that trustpoints had are held by the store, see [`Held`].
pub(super) struct Revert {
    /// The configuration of before.
    pub(super) to: Candidate,
    /// When it goes back.
    pub(super) at: Instant,
    /// When whoever made it is to be reminded.
    pub(super) remind: Option<Instant>,
    /// Who made it.
    pub(super) by: Person,
    /// Whether a try has failed for keys that are being changed, and was told of.
    pub(super) waits: bool,
}

/// What is said to whoever wants to confirm or to take back a change where there is none.
const NONE_PENDING: &str = "% No Rollback Confirmed Change pending";

/// When a change goes back that waits so long, and when whoever made it is to be reminded.
fn times(now: Instant, minutes: u32) -> (Instant, Instant) {
    let after = Duration::from_secs(u64::from(minutes).saturating_mul(60));
    (now.after(after), now.after(after.saturating_sub(REMINDER)))
}

/// How long before the end that is.
const REMINDER: Duration = Duration::from_secs(60);

/// What is said then.
pub(super) const REMINDED: &str = "Rollback Confirmed Change: Rollback will begin in one minute. Enter \"configure confirm\" if you wish to keep what you've configured";

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
    pub(super) fn unlocked(&self) -> Result<(), String> {
        match &self.session {
            Some(other) => Err(super::locked(other)),
            None => Ok(()),
        }
    }
}

impl Driver {
    /// From here on the configuration goes back to what it is now, unless that is confirmed in time.
    ///
    /// # Errors
    ///
    /// The text for whoever asked: what an earlier change has left would go back with it.
    pub(super) fn arm_revert(&mut self, minutes: u32, by: Person) -> Result<(), String> {
        let now = self.clock.now();
        let house = &mut self.house;
        if house.configure.revert.is_some() {
            return Err(
                "% A change waits for 'configure confirm' or 'configure revert now' already"
                    .to_owned(),
            );
        }
        // What is held from now on is held of now.
        let remains = house.configure.forget_held()?;
        house.configure.clear(now, remains);
        let (at, remind) = times(now, minutes);
        house.configure.revert = Some(Revert {
            to: house.configured.clone(),
            at,
            remind: Some(remind),
            by,
            waits: false,
        });
        house.log.info(format_args!(
            "configuration: unless it is confirmed in {}, it goes back to what it is now",
            counted(minutes, "minute")
        ));
        Ok(())
    }

    /// The change that was to go back has not come about.
    pub(super) fn disarm_revert(&mut self) {
        self.house.configure.revert = None;
        self.house.log.rollback_is_over();
        self.house
            .log
            .info("configuration: nothing has changed, and nothing goes back");
    }

    /// `configure revert timer MINUTES`: a change that waits to be confirmed waits so long from now on.
    ///
    /// # Errors
    ///
    /// The text for whoever asked: there is none.
    pub fn set_revert_timer(&mut self, minutes: u32) -> Result<String, String> {
        let now = self.clock.now();
        let revert = self.house.configure.revert.as_mut();
        let revert = revert.ok_or(NONE_PENDING)?;
        let (at, remind) = times(now, minutes);
        (revert.at, revert.remind) = (at, Some(remind));
        self.house.log.info(format_args!(
            "configuration: unless it is confirmed in {}, it goes back to what it was",
            counted(minutes, "minute")
        ));
        Ok(String::new())
    }

    /// `show archive config rollback timer`: how long is left, and whose change it is.
    pub fn rollback_timer(&self) -> Option<(Duration, String)> {
        let revert = self.house.configure.revert.as_ref()?;
        let left = revert.at.since(self.clock.now());
        Some((left, revert.by.to_string()))
    }

    /// A terminal is to have lines of the log. Of a change that goes back it is told for as long as that is to be confirmed: where
    /// none is, its end comes at once.
    pub fn watch_log(&self, person: Person, lines: mpsc::Sender<String>, wanted: Watched) {
        let log = &self.house.log;
        match (&self.house.configure.revert, wanted) {
            (_, Watched::All) => log.watch(person, lines, wanted, None),
            (Some(revert), Watched::Rollback) => {
                // Whoever begins a change of one minute asks for this after it is to be reminded.
                let missed = revert.remind.is_none().then_some(REMINDED);
                log.watch(person, lines, wanted, missed);
            }
            (None, Watched::Rollback) => {}
        }
    }

    /// `configure confirm`. It is said once it has come to the disk.
    ///
    /// # Errors
    ///
    /// The text for whoever asked.
    pub fn confirm_configuration(&mut self, by: &Person) -> Result<Work<String>, String> {
        let configure = &mut self.house.configure;
        let Some(revert) = &configure.revert else {
            return Err(NONE_PENDING.to_owned());
        };
        // Each command of a script comes from a process of its own.
        let Person { user, terminal, .. } = &revert.by;
        let elsewhere = terminal.is_some() && revert.by.process != by.process;
        let whose =
            (*user != by.user || elsewhere).then(|| format!(": the change of {}", revert.by));
        let said = whose.as_ref().map(|whose| format!("% Confirmed{whose}\n"));
        let said = said.unwrap_or_default();
        // As long as that fails, a start would take the keys back.
        let remains = configure.forget_held()?;
        // Whoever asked may be gone before that is done.
        let cleared = configure.clear_and_tell(self.clock.now(), remains);
        configure.revert = None;
        self.house.log.rollback_is_over();
        self.house.log.info(format_args!(
            "configuration: confirmed{}",
            whose.unwrap_or_default()
        ));
        Ok(Work::new(move || match cleared.recv() {
            Ok(None) => Ok(said),
            Ok(Some(failed)) => Err(format!("% It is confirmed, but: {failed}")),
            Err(_) => Err("% It is confirmed, but may not outlive a power cut".to_owned()),
        }))
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
        if configure.revert.is_none() {
            return Err(NONE_PENDING.to_owned());
        }
        let held = configure.held.clone();
        // Nobody who has written the file forgets meanwhile what is put back.
        let Some(mut changes) = held.try_lock() else {
            return Err(format!("% The {BEING_WRITTEN}"));
        };
        let Some(revert) = configure.revert.take() else {
            return Err(NONE_PENDING.to_owned());
        };
        let keys = keys_of_before(&configure.store);
        let taken_back = keys.and_then(|keys| self.replace_by(revert.to.clone(), keys));
        let configure = &mut self.house.configure;
        match taken_back {
            Ok(mut said) => {
                changes.take_back();
                // Lines and keys are as they were, whatever the store has not let go of.
                if configure.store.holds() != Ok(false) {
                    configure.lets_go = Some(self.clock.now().after(REVERT_AGAIN));
                    said.push_str(
                        "% The key store has not let go of what it held for this, which is tried again within a minute\n",
                    );
                }
                self.house.log.rollback_is_over();
                Ok(said)
            }
            Err(error) => {
                // What was promised is still owed.
                configure.revert = Some(revert);
                Err(error)
            }
        }
    }

    /// Has another configuration at work. Returns the difference and what it means for whoever is there.
    pub(super) fn replace_by(
        &mut self,
        candidate: Candidate,
        keys: Keys,
    ) -> Result<String, String> {
        let old = self.house.running_config.clone();
        let said = self.put_to_work(candidate, keys)?;
        Ok(differences(&old, &self.house.running_config) + &said)
    }

    /// Has another configuration at work. Returns what it means for whoever is there.
    pub(super) fn put_to_work(
        &mut self,
        candidate: Candidate,
        keys: Keys,
    ) -> Result<String, String> {
        let inactive = self.house.configure.told_inactive.clone();
        let serving: Vec<Name> = self.house.plan.profiles.keys().cloned().collect();
        let effects = self
            .apply(candidate, keys)
            .map_err(|error| format!("% The configuration is as it was: {error}"))?;
        self.house.tell_inactive(|_| true);
        let mut said = String::new();
        said.extend(effects.into_iter().map(|effect| effect.text));
        said.extend(self.house.active(inactive.keys()));
        let faults = self.house.configure.faults.plan.iter();
        said.extend(faults.map(|fault| format!("% Warning: {fault}; it stays inactive\n")));
        said.extend(self.house.stopped(&serving));
        Ok(said)
    }

    /// `write memory`, with the configuration of now. Fails where the file is not written.
    pub fn write_configuration(&mut self) -> Work<String> {
        let text = self.house.running_config.clone();
        let configure = &mut self.house.configure;
        let unconfirmed = configure.revert.as_ref().map(|_| Unconfirmed {
            store: configure.store.clone(),
            held: configure.held.clone(),
            covers: configure.held.count(),
        });
        let writing = configure.startup.writing(text);
        let devices = configure.devices.clone();
        Work::new(move || {
            let faults = load::faults(writing.text(), &devices);
            if !faults.is_empty() {
                return Err(format!(
                    "{faults}% Not written, for the next start would refuse it: complete or remove what is inactive"
                ));
            }
            let mut kept = None;
            let written = writing.carry_out(|replacement| match &unconfirmed {
                Some(unconfirmed) => {
                    kept = Some(unconfirmed.take_place(replacement)?);
                    Ok(())
                }
                None => replacement.take_place(),
            });
            let kept = kept.map_or_else(|| Ok(String::new()), Kept::clear);
            let written = match written {
                Ok(written) => written,
                Err(error) => {
                    let (Ok(kept) | Err(kept)) = kept;
                    return Err(format!("{kept}% Error writing startup-config: {error}"));
                }
            };
            let comments = if written.lost_comments {
                "% Comments of the old file are not in the new one; the archive in the state folder keeps them\n"
            } else {
                ""
            };
            let kept = kept.map_err(|failed| format!("{failed}{comments}"))?;
            Ok(format!("Building configuration...\n[OK]\n{comments}{kept}"))
        })
    }

    /// `write erase`: the configuration file says nothing any more, and the archive keeps what it said. Its owner and mode stay.
    pub fn erase_configuration(&mut self, by: &Person) -> Work<String> {
        let house = &mut self.house;
        house.log.notice(format_args!(
            "configuration: startup-config is to be erased, as {by} asks"
        ));
        let startup = house.configure.startup.clone();
        let writing = house.configure.startup.writing(String::new());
        Work::new(move || {
            let written = writing.carry_out(Replacement::take_place);
            let written = written.map_err(|error| format!("% Error erasing nvram: {error}"))?;
            let kept = written.kept.map_or_else(String::new, |number| {
                // A relative path would not be taken.
                let path = startup.archived(number);
                let path = std::path::absolute(&path).unwrap_or(path);
                format!(
                    "% What was in it is kept: 'configure replace {}' brings it back\n",
                    path.display()
                )
            });
            Ok(format!("[OK]\nErase of nvram: complete\n{kept}"))
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

    /// `more {bootflash:FILE|nvram:startup-config|system:running-config}`: the file as it is.
    pub fn more(&self, source: Source) -> Work<String> {
        let startup = self.house.configure.startup.clone();
        match source {
            Source::File(name) => self.bootflash().more(name, load::MAX_BOOTFLASH),
            Source::Running => {
                let running = self.house.running_config.clone();
                Work::new(move || Ok(running))
            }
            Source::Startup => {
                Work::new(move || bootflash::shown(startup.read_present()?.as_bytes()))
            }
        }
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
                let told = match faults {
                    1 => "!1 line of the file is not understood; 'ironflex check' names it\n"
                        .to_owned(),
                    _ => format!(
                        "!{faults} lines of the file are not understood; 'ironflex check' names them\n"
                    ),
                };
                lines.push_str(&told);
            }
            lines.push_str(&differences(&render(&written.candidate), &running));
            Ok(Facts::ConfigDifferences(lines))
        })
    }
}

/// What a text goes with that is written before its change is confirmed.
struct Unconfirmed {
    store: Store,
    held: Held,
    /// The number of the last change of keys.
    covers: u64,
}

/// What is not put back any more, for it was replaced by keys that the file goes with.
struct Kept {
    names: Vec<String>,
    remains: Remains,
    /// What is put back all the same.
    still: Option<HeldStill>,
}

impl Unconfirmed {
    /// The text is the file from here on, and what the keys that it goes with have replaced is not put back any more: nobody takes
    /// them back between the two. Refused where they were taken back before.
    fn take_place(&self, replacement: &Replacement) -> io::Result<Kept> {
        let mut changes = self.held.lock();
        if changes.is_taken_back(self.covers) {
            return Err(io::Error::other(
                "the change that was not confirmed has been taken back meanwhile",
            ));
        }
        replacement.take_place()?;
        let mut names = changes.covered(self.covers);
        let (remains, still) = self.store.forget_held_of(names.iter().map(String::as_str));
        if let Some(still) = &still {
            names.retain(|name| !still.trustpoints.contains(name));
        }
        changes.forget(&names);
        Ok(Kept {
            names,
            remains,
            still,
        })
    }
}

impl Kept {
    /// Brings that to the disk, for as long as it takes. Returns what is to be said of it.
    ///
    /// # Errors
    ///
    /// The same where the file and the keys that it names may not stay together.
    fn clear(self) -> Result<String, String> {
        let Self {
            names,
            remains,
            still,
        } = self;
        let cleared = remains.clear();
        if let Some(HeldStill { trustpoints, error }) = still {
            return Err(format!(
                "% startup-config is written, but keys that it names still go back with the timer ({}): write again. The key store says: \
                 {error}\n",
                trustpoints.join(", ")
            ));
        }
        if let Err(error) = cleared {
            return Err(match names.as_slice() {
                [] => format!("% startup-config is written, but: key store: {error}\n"),
                names => format!(
                    "% startup-config is written, but after a power cut the keys of before may be there again ({}): {error}\n",
                    names.join(", ")
                ),
            });
        }
        let mut said = String::from(
            "% A change that is not confirmed is written, too; the timer takes it back from what runs, not from the file\n",
        );
        if !names.is_empty() {
            said.push_str(&format!(
                "% Keys that the file goes with are not taken back: {}\n",
                names.join(", ")
            ));
        }
        Ok(said)
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
