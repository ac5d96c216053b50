//! The corpora of the fuzz targets through their bodies, without a fuzzer: what was once found stays mended. Those of
//! `esp` and `netlink` replay in `ironflex-xfrm`, which alone can reach what they drive.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where an expectation fails"
)]

#[path = "../fuzz/src/lib.rs"]
mod bodies;
#[path = "../fuzz/src/replay.rs"]
mod replay;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz");

/// Beside those of the targets.
const SIMULATOR_FAULTS: &str = "../ikev2/tests/sim/faults";

macro_rules! corpora {
    ($($test:ident: $body:ident,)*) => {
        const NAMES: &[&str] = &[$(stringify!($body)),*];
        $(
            #[test]
            fn $test() {
                let folder = Path::new(FUZZ).join("corpus").join(stringify!($body));
                replay::replay(&folder, bodies::$body);
            }
        )*
    };
}

corpora! {
    the_corpus_of_attributes_replays: attributes,
    the_corpus_of_certificates_replays: certificates,
    the_corpus_of_config_auth_replays: config_auth,
    the_corpus_of_configuration_replays: configuration,
    the_corpus_of_eap_replays: eap,
    the_corpus_of_fragments_replays: fragments,
    the_corpus_of_message_replays: message,
    the_corpus_of_opened_replays: opened,
    the_corpus_of_pkcs12_replays: pkcs12,
    the_corpus_of_profile_replays: profile,
}

/// The names in a folder, up to their first dot.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new(FUZZ).join(folder)).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let names = entries.map(|entry| name(entry.unwrap()));
    names
        .map(|name| name.split('.').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_target_has_its_corpus_its_planted_fault_and_its_replay() {
    let mut replayed: BTreeSet<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    replayed.extend(["esp", "netlink"].map(str::to_owned));
    for folder in ["fuzz_targets", "corpus", "faults"] {
        assert_eq!(names(folder), replayed, "{folder}");
    }
}

/// A fault that can no longer be planted would prove nothing, of the fuzz targets or of the simulator.
#[test]
fn every_planted_fault_applies_and_says_what_it_ends_with() {
    let of_targets = names("faults")
        .into_iter()
        .map(|name| format!("faults/{name}"));
    let of_simulator = names(SIMULATOR_FAULTS).into_iter();
    let of_simulator = of_simulator.map(|name| format!("{SIMULATOR_FAULTS}/{name}"));
    for name in of_targets.chain(of_simulator) {
        let patch = format!("{FUZZ}/{name}.patch");
        let text = fs::read_to_string(&patch).unwrap();
        assert!(text.contains("\nends with: "), "{patch}");
        let mut git = Command::new("git");
        git.args(["apply", "--check", "--unidiff-zero", &patch]);
        // Below somebody else's repository git would pass over what is not in it, and find nothing wrong.
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        git.env("GIT_CEILING_DIRECTORIES", root.parent().unwrap());
        let checked = git.current_dir(root).output();
        let checked = checked.expect("git, which the sources came by");
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "make it anew: {said}");
    }
}

/// The dependencies that a manifest has in any case.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let needed = lines.filter(|line| line.contains('=') && !line.contains("optional = true"));
    needed
        .map(|line| line.split([' ', '.', '=']).next().unwrap().to_owned())
        .collect()
}

// It is another workspace, whose lock file no build of this one looks at.
#[test]
fn the_lock_file_of_the_targets_has_what_the_crates_depend_on() {
    let lock = fs::read_to_string(Path::new(FUZZ).join("Cargo.lock")).unwrap();
    for (name, folder) in [
        ("ironflex", "."),
        ("ironflex-eap", "eap"),
        ("ironflex-ikev2", "ikev2"),
        ("ironflex-profiles", "profiles"),
        ("ironflex-xfrm", "xfrm"),
    ] {
        let manifest = Path::new(FUZZ).join("..").join(folder).join("Cargo.toml");
        let needed = dependencies(&fs::read_to_string(manifest).unwrap());
        assert!(needed.len() > 1, "{name}: {needed:?}");
        let entry = lock.split("[[package]]").find(|entry| {
            let head = format!("\nname = \"{name}\"\n");
            entry.starts_with(&head)
        });
        let entry = entry.unwrap_or_else(|| panic!("fuzz/Cargo.lock: no {name}"));
        // Of several versions of one crate, each has its version behind the name.
        let locked = |one: &&String| {
            entry.contains(&format!("\n \"{one}\",")) || entry.contains(&format!("\n \"{one} "))
        };
        let lacking: Vec<_> = needed.iter().filter(|one| !locked(one)).collect();
        assert!(
            lacking.is_empty(),
            "fuzz/Cargo.lock: {name} lacks {lacking:?}: cargo metadata --manifest-path fuzz/Cargo.toml"
        );
    }
}
