//! `ironflex-rfc table` writes docs/rfc.md; `ironflex-rfc count FOLDER` writes the list of requirements from the RFCs' texts.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use ironflex_rfc::{Error, LIST, TABLE, counted::Counted, judged::Judged, table};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["table"] => make_table(&root),
        ["count", folder] => Counted::from_texts(Path::new(folder))
            .and_then(|counted| write(root.join(LIST), &counted.to_string())),
        _ => {
            let _ = writeln!(
                io::stderr(),
                "usage: ironflex-rfc table | ironflex-rfc count FOLDER"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the table; what is wrong or open goes to standard error.
fn make_table(root: &Path) -> Result<(), Error> {
    let judged = Judged::new(root)?;
    write(root.join(TABLE), &table::render(&judged))?;
    for fault in &judged.faults {
        let _ = writeln!(io::stderr(), "{fault}");
    }
    for open in judged.open() {
        let _ = writeln!(
            io::stderr(),
            "{}: {} is neither covered nor excused",
            open.key,
            open.word
        );
    }
    Ok(())
}

fn write(path: PathBuf, text: &str) -> Result<(), Error> {
    fs::write(&path, text).map_err(|source| Error::File { path, source })
}
