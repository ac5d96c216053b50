//! The repository's own annotations, list, excuses and table.

use std::{env, fs, io, path::Path};

use ironflex_rfc::{LIST, TABLE, counted::Counted, judged::Judged, table};

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn committed(name: &str) -> io::Result<String> {
    fs::read_to_string(root().join(name))
}

#[test]
fn annotations_and_excuses_name_requirements_that_there_are() {
    let faults = Judged::new(&root()).unwrap().faults;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_table_is_as_make_rfc_writes_it() {
    let fresh = table::render(&Judged::new(&root()).unwrap());
    let same = fresh == committed(TABLE).unwrap();
    assert!(same, "{TABLE} is stale: run `make rfc`");
}

/// Needs the texts: the environment's RFC_TEXTS names their folder.
#[test]
#[ignore = "the RFCs' texts are no part of the repository: RFC_TEXTS=FOLDER cargo test -p ironflex-rfc -- --ignored"]
fn the_list_is_what_the_texts_require() {
    let folder = env::var("RFC_TEXTS").expect("RFC_TEXTS names the folder with the texts");
    let fresh = Counted::from_texts(Path::new(&folder)).unwrap().to_string();
    assert_eq!(fresh, committed(LIST).unwrap());
}

#[test]
fn every_requirement_is_covered_or_excused() {
    let judged = Judged::new(&root()).unwrap();
    let open: Vec<String> = judged
        .open()
        .map(|requirement| format!("{}: {}", requirement.key, requirement.word))
        .collect();
    assert!(
        open.is_empty(),
        "neither covered nor excused:\n{}",
        open.join("\n")
    );
}
