//! The headends that run on this machine, for whoever has asked at the socket of none.

use std::{
    fmt, fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::unistd::Uid;

use crate::{cli::Printable, operation::state_dir_of_run};

/// A headend that runs, by what it is called: anybody may call a program so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Headend {
    process: u32,
    owner: Uid,
    /// Its folder of state.
    state_dir: PathBuf,
}

impl fmt::Display for Headend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state_dir = self.state_dir.to_string_lossy();
        write!(
            f,
            "--state-dir {} ({})",
            Printable(&state_dir),
            Process(self)
        )
    }
}

/// Its process, and whose that is unless it is that of whoever asks.
struct Process<'h>(&'h Headend);

impl fmt::Display for Process<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Headend { process, owner, .. } = self.0;
        write!(f, "process {process}")?;
        if *owner != Uid::current() {
            write!(f, " of user {owner}")?;
        }
        Ok(())
    }
}

/// Most of them that are told of.
const TOLD: usize = 8;

/// What to do where none answers in this folder of state: the headends that do run, or how to start one.
pub(super) fn advice(state_dir: &Path) -> String {
    told(state_dir, &running())
}

fn told(state_dir: &Path, all: &[Headend]) -> String {
    let same = |one: &&Headend| is_same(&one.state_dir, state_dir);
    if let Some(one) = all.iter().find(same) {
        let process = Process(one);
        return format!("{process} is its headend: it starts, stops, or hangs");
    }
    if all.is_empty() {
        return "no headend is seen to run on this machine: 'ironflex run' starts one, or 'systemctl start ironflex' where it is \
                installed as a service"
            .to_owned();
    }
    let list: Vec<String> = all.iter().take(TOLD).map(ToString::to_string).collect();
    let more = if all.len() > TOLD { " and more" } else { "" };
    format!("these headends run: {}{more}", list.join(", "))
}

fn is_same(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| fs::canonicalize(path).ok();
    one == other || found(one).is_some_and(|one| found(other) == Some(one))
}

/// All whose processes can be seen from here.
fn running() -> Vec<Headend> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: Vec<Headend> = processes
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let words = fs::read(entry.path().join("cmdline")).ok()?;
            let state_dir = state_dir_of(&words)?;
            // Another user's folder cannot be looked up: the name stays as it was typed.
            let folder = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            Some(Headend {
                process,
                owner: Uid::from_raw(entry.metadata().ok()?.uid()),
                state_dir: folder.join(state_dir),
            })
        })
        .collect();
    all.sort_by_key(|one| one.process);
    all
}

/// The folder of state of a process with these words, each with a NUL behind it, if it is a headend.
fn state_dir_of(words: &[u8]) -> Option<PathBuf> {
    let words: Vec<&[u8]> = words.split(|octet| *octet == 0).collect();
    let (program, _) = words.split_first()?;
    let name = Path::new(std::ffi::OsStr::from_bytes(program)).file_name()?;
    if name != env!("CARGO_PKG_NAME") {
        return None;
    }
    // The last one ends what is in front of it.
    let words = words.iter().take(words.len().saturating_sub(1));
    state_dir_of_run(words.map(|word| std::ffi::OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headend_is_known_by_its_words() {
        for (words, state_dir) in [
            ("/usr/sbin/ironflex\0run\0", Some("/var/lib/ironflex")),
            ("ironflex\0run\0--state-dir\0/a b\0--quiet\0", Some("/a b")),
            ("ironflex\0run\0--state-dir=here\0", Some("here")),
            ("./ironflex\0--state-dir\0there\0run\0", Some("there")),
            ("ironflex\0exec\0run\0", None),
            ("ironflex\0connect\0run\0", None),
            ("ironflex\0", None),
            ("vi\0run\0", None),
            ("ironflex\0run\0--what\0", None),
            ("", None),
        ] {
            let found = state_dir_of(words.as_bytes());
            assert_eq!(found.as_deref(), state_dir.map(Path::new), "{words:?}");
        }
    }

    #[test]
    fn whoever_asks_in_vain_is_told_where_headends_answer_or_how_to_start_one() {
        let headend = |process: u32| Headend {
            process,
            owner: Uid::current(),
            state_dir: format!("/state/{process}").into(),
        };
        let wanted = Path::new("/state/2");
        assert!(told(wanted, &[]).contains("'ironflex run' starts one"));
        assert_eq!(
            told(wanted, &[headend(1), headend(3)]),
            "these headends run: --state-dir /state/1 (process 1), --state-dir /state/3 (process 3)"
        );
        assert_eq!(
            told(wanted, &[headend(1), headend(2)]),
            "process 2 is its headend: it starts, stops, or hangs"
        );
        // Anybody may call a program so, and its words what they like.
        let foreign = Headend {
            process: 4,
            owner: Uid::from_raw(Uid::current().as_raw().wrapping_add(7)),
            state_dir: "/tmp/\u{1b}[2J\n".into(),
        };
        let owner = foreign.owner;
        assert_eq!(
            told(wanted, &[foreign]),
            format!("these headends run: --state-dir /tmp/.[2J. (process 4 of user {owner})")
        );
        let many: Vec<Headend> = (10..30).map(headend).collect();
        assert!(told(wanted, &many).ends_with("(process 17) and more"));
    }
}
