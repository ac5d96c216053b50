//! Files on `bootflash:` that the configuration reads: commands neither write nor delete them.
//!
//! What runs, or comes back unless a change is confirmed, names the profiles that clients are offered; what the next start carries
//! out, the keys and certificates of the configuration file besides. A file whose key is in the store and that no line names any
//! more is nobody's.

use ironflex_profiles::{
    Candidate,
    model::{Action, name::FileName},
    parse,
};

use super::Startup;

/// Files that a configuration reads, each with the line that does so.
#[derive(Clone, Debug, Default)]
pub struct Named(Vec<(FileName, String)>);

impl Named {
    /// Those of a configuration as well.
    pub fn add(&mut self, configured: &Candidate) {
        for profile in configured.anyconnect_profiles.iter() {
            let line = format!("crypto vpn anyconnect profile {}", profile.name);
            self.0.push((profile.value.clone(), line));
        }
        for action in &configured.actions {
            let (file, line) = match &action.value {
                Action::ImportPkcs12 {
                    trustpoint, file, ..
                } => (file, format!("crypto pki import {trustpoint}")),
                Action::Authenticate { trustpoint, file } => {
                    (file, format!("crypto pki authenticate {trustpoint}"))
                }
            };
            self.0.push((file.clone(), line));
        }
    }

    /// Why a file is to stay as it is, if one of these or of those that a start reads is that one. Reads the configuration file.
    pub fn of(&self, startup: &Startup, is_it: impl Fn(&FileName) -> bool) -> Option<String> {
        if let Some(line) = self.line(&is_it) {
            return Some(format!("the configuration names it: {line}"));
        }
        let mut written = Self::default();
        // What cannot be read names nothing.
        let text = startup.read().unwrap_or_default();
        written.add(&parse(&text, "startup-config").candidate);
        let line = written.line(&is_it)?;
        Some(format!("startup-config names it: {line}"))
    }

    fn line(&self, is_it: impl Fn(&FileName) -> bool) -> Option<&str> {
        let found = self.0.iter().find(|(file, _)| is_it(file));
        found.map(|(_, line)| line.as_str())
    }
}
