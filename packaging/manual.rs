//! Writes the manual pages and the shells' completion files into a folder, out of the same trees that the program reads its
//! command line and its exec commands by.
//!
//! ```text
//!   manual FOLDER ──► ironflex.1, ironflex-run.1, …, ironflex-commands.7, ironflex.bash, _ironflex, ironflex.fish
//! ```

use std::{error::Error, fs, io, path::Path};

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use clap_mangen::roff::{Roff, bold, roman};
use ironflex::{cli::exec, operation::Invocation};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or("a folder to write into is expected")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Invocation::command(), folder)?;
    fs::write(folder.join("ironflex-commands.7"), commands()?)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Invocation::command(), "ironflex", folder)?;
    }
    Ok(())
}

/// The exec commands as a manual page.
fn commands() -> io::Result<Vec<u8>> {
    let mut page = Roff::new();
    page.control("TH", ["ironflex-commands", "7"]);
    page.control("SH", ["NAME"]);
    page.text([roman(
        "ironflex-commands - what ironflex takes at its exec prompt",
    )]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([
        roman("Commands of "),
        bold("ironflex exec"),
        roman(
            " and of the prompt that ironflex opens without arguments, at any unambiguous length. \
             A line that ends in ? is answered with what can be typed there.",
        ),
    ]);
    page.control("SH", ["COMMANDS"]);
    list(&mut page, exec::commands());
    page.control("SH", ["MODIFIERS"]);
    page.text([roman("Behind every show command:")]);
    list(&mut page, exec::modifiers());
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("ironflex"),
        roman("(1), "),
        bold("ironflex-exec"),
        roman("(1)"),
    ]);
    let mut out = Vec::new();
    page.to_writer(&mut out)?;
    Ok(out)
}

fn list(page: &mut Roff, entries: Vec<exec::Entry>) {
    for entry in entries {
        page.control("TP", []);
        page.text([bold(entry.syntax)]);
        page.text([roman(entry.help)]);
    }
}
