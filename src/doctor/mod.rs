//! `ironflex doctor`: looks for what usually keeps clients out, before the first one comes.
//!
//! ```text
//!   configuration ──► certificates ──► client profiles ──► machine ──► firewall
//!        one verdict a line; the exit code is 1 where one of them is a failure
//! ```
//!
//! It reads, and changes nothing that stays: ports are bound and let go, and SAs of our own that nothing uses are
//! offered to the kernel and taken back to see which algorithms it has. Beside a running headend it leaves both alone.

mod certificates;
mod client_profiles;
mod firewall;
mod machine;

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use ironflex_profiles::{
    Candidate, Snapshot,
    model::{Action, Located, ikev2::DpdMode},
    render,
    secrets::hidden,
};

use crate::{
    cli::counted,
    clock,
    daemon::{Options, control, load},
    pki::{ServerIdentity, Timestamp},
};

/// How bad something is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Grade {
    /// As it should be.
    Good,
    /// It was not looked at, and why is said.
    Skipped,
    /// Some clients, or some traffic, will suffer.
    Warning,
    /// The headend will not start, or no client gets in.
    Failure,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "ok",
            Self::Skipped => "skip",
            Self::Warning => "warn",
            Self::Failure => "FAIL",
        })
    }
}

/// What was found of one thing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// How bad it is.
    pub grade: Grade,
    /// What was looked at, in a word.
    pub subject: &'static str,
    /// What was found; where it is not good, with what to do.
    pub text: String,
}

/// One line a verdict: grade, subject, text; what a text has beyond its first line is indented.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.text.lines();
        let first = lines.next().unwrap_or_default();
        write!(f, "{:<4}  {:<13}  {first}", self.grade, self.subject)?;
        lines.try_for_each(|line| write!(f, "\n      {line}"))
    }
}

/// Verdicts in the making, all on one subject.
struct Examination<'a> {
    subject: &'static str,
    verdicts: &'a mut Vec<Verdict>,
}

impl Examination<'_> {
    fn find(&mut self, grade: Grade, text: impl fmt::Display) {
        self.verdicts.push(Verdict {
            grade,
            subject: self.subject,
            text: text.to_string(),
        });
    }

    fn good(&mut self, text: impl fmt::Display) {
        self.find(Grade::Good, text);
    }

    fn skip(&mut self, text: impl fmt::Display) {
        self.find(Grade::Skipped, text);
    }

    fn warn(&mut self, text: impl fmt::Display) {
        self.find(Grade::Warning, text);
    }

    fn fail(&mut self, text: impl fmt::Display) {
        self.find(Grade::Failure, text);
    }
}

fn on<'a>(subject: &'static str, verdicts: &'a mut Vec<Verdict>) -> Examination<'a> {
    Examination { subject, verdicts }
}

/// What an examination goes by.
struct Patient<'a> {
    options: &'a Options,
    /// What users will type into their clients.
    names: &'a [ServerIdentity],
    candidate: &'a Candidate,
    snapshot: &'a Snapshot,
    /// The folder that `bootflash:` means.
    bootflash: PathBuf,
    now: Timestamp,
    /// A headend serves the state folder at this moment.
    running: bool,
}

/// Looks at everything that a start with these options would need, in the order in which it would meet it, and at the
/// certificate by the names that users will type into their clients.
#[must_use]
pub fn examine(options: &Options, names: &[ServerIdentity]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let running = control::serves(&control::socket_path(&options.state_dir));
    let mut ours = Vec::new();
    if let Some(checked) = configuration(options, &mut on("configuration", &mut verdicts)) {
        let patient = Patient {
            options,
            names,
            candidate: &checked.candidate,
            snapshot: &checked.snapshot,
            bootflash: load::bootflash(options.bootflash.as_deref(), &options.config),
            now: clock::wall_clock(),
            running,
        };
        certificates::examine(&patient, &mut on("certificate", &mut verdicts));
        client_profiles::examine(&patient, &mut on("profile", &mut verdicts));
        liveness(&checked.snapshot, &mut on("dpd", &mut verdicts));
        machine::examine(&patient, &mut verdicts);
        ours = machine::called_addresses(&checked.snapshot);
    }
    machine::ports(running, &mut on("ports", &mut verdicts));
    firewall::examine(&ours, &mut on("firewall", &mut verdicts));
    verdicts
}

fn configuration(options: &Options, found: &mut Examination<'_>) -> Option<load::Checked> {
    if let Some(interface) = load::tied_twice(&options.devices) {
        found.fail(format_args!("--device names {interface} twice"));
    }
    let checked = match load::check(&options.config, &options.devices) {
        Ok(checked) => checked,
        Err(error) => {
            found.fail(error);
            return None;
        }
    };
    for warning in &checked.warnings {
        found.warn(warning);
    }
    if let Some(readers) = readers(&options.config)
        && holds_secrets(&checked.candidate)
    {
        let path = options.config.display();
        found.warn(format_args!(
            "{path} holds passwords or keys and is readable by {readers}: chmod 600 {path}"
        ));
    }
    match load::nobody_can_log_in(&checked.snapshot) {
        Some(why) => found.fail(format_args!("nobody can log in: {why}")),
        None => found.good(summary(&options.config, &checked.snapshot)),
    }
    Some(checked)
}

/// Who besides its owner may read a file, with its mode; `None` of what is no file on a disk.
fn readers(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mode = metadata.mode() & 0o7777;
    let who = match (mode & 0o040, mode & 0o004) {
        (0, 0) => return None,
        (_, 0) => "its group",
        (0, _) => "others",
        _ => "its group and others",
    };
    Some(format!("{who} (mode {mode:04o})"))
}

/// Whether lines have something that nobody but their operator is to see.
fn holds_secrets(candidate: &Candidate) -> bool {
    let is_secret = |line: &str| hidden(line).any(|hidden| hidden);
    let imports = |action: &Located<Action>| match &action.value {
        Action::ImportPkcs12 { .. } => true,
        Action::Authenticate { .. } => false,
    };
    candidate.actions.iter().any(imports) || render(candidate).lines().any(is_secret)
}

/// Whether clients that vanish are noticed.
fn liveness(snapshot: &Snapshot, found: &mut Examination<'_>) {
    for profile in &snapshot.profiles {
        match profile.dpd {
            Some(dpd) if dpd.mode == DpdMode::OnDemand => found.warn(format_args!(
                "profile {}: with 'on-demand', a silent client is asked only while packets go to it: one that vanishes idle \
                 keeps its address until its IKE SA ends; 'dpd {} {} periodic' notices it",
                profile.name, dpd.interval, dpd.retry
            )),
            Some(dpd) => found.good(format_args!(
                "profile {}: a client that is silent for {} s is asked whether it is there",
                profile.name, dpd.interval
            )),
            None => found.warn(format_args!(
                "profile {} has no 'dpd': a client that vanishes keeps its address until its IKE SA ends, {} s at most; \
                 'dpd 30 5 periodic' in the profile, or 'crypto ikev2 dpd 30 5 periodic' for all of them, notices it sooner",
                profile.name, profile.lifetime
            )),
        }
    }
}

fn summary(path: &Path, snapshot: &Snapshot) -> String {
    let count = |count: usize, one| counted(u64::try_from(count).unwrap_or(u64::MAX), one);
    format!(
        "{}: {}, {}, {}",
        path.display(),
        count(snapshot.profiles.len(), "IKEv2 profile"),
        count(snapshot.users.len(), "user"),
        count(
            snapshot
                .pools
                .len()
                .saturating_add(snapshot.ipv6_pools.len()),
            "address pool"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_secret_is_said_to_have_one() {
        let holds = |text: &str| {
            let parsed = ironflex_profiles::parse(text, "test");
            assert_eq!(parsed.diagnostics, [], "{text}");
            holds_secrets(&parsed.candidate)
        };
        for with in [
            "username test password cisco123\n",
            "username test password 7 0822455D0A16\n",
            "crypto pki import TP pkcs12 bootflash:TP.p12 password cisco123\n",
            "crypto ikev2 keyring K\n peer X\n  address 192.0.2.1\n  pre-shared-key secret7\n",
            "crypto ikev2 keyring K\n peer X\n  ppk manual id I key secret7\n",
            "crypto ikev2 profile P\n authentication local pre-share key secret7\n",
        ] {
            assert!(holds(with), "{with}");
        }
        let example = include_str!("../../examples/flexvpn-headend.conf").lines();
        let without = ["username", "crypto pki import"];
        let example = example.filter(|line| !without.iter().any(|one| line.starts_with(one)));
        let example: Vec<&str> = example.collect();
        assert!(!holds(&example.join("\n")));
        for without in [
            "",
            "username test privilege 15\n",
            "crypto pki trustpoint TP\ncrypto pki authenticate TP pem bootflash:ca.pem\n",
            "crypto ikev2 profile P\n authentication remote pre-share\n keyring local K\n",
        ] {
            assert!(!holds(without), "{without}");
        }
    }

    #[test]
    fn a_verdict_is_a_line_and_what_it_goes_on_with_is_indented() {
        let mut verdicts = Vec::new();
        on("ports", &mut verdicts).good("free");
        on("configuration", &mut verdicts).fail("a.conf:1:1\n  caret");
        let lines: Vec<String> = verdicts.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "ok    ports          free",
                "FAIL  configuration  a.conf:1:1\n        caret",
            ]
        );
        assert_eq!(
            verdicts.iter().map(|one| one.grade).max(),
            Some(Grade::Failure)
        );
    }
}
