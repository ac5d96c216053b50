//! Writes the manual pages and the shells' completion files into a folder, out of the same trees that the program reads its
//! command line, its exec commands and its configuration by.
//!
//! ```text
//!   manual FOLDER ──► ironflex.1, ironflex-run.1, …, ironflex-config.5, ironflex-commands.7
//!                     ironflex.bash, _ironflex, ironflex.fish
//! ```

use std::{error::Error, fs, io, path::Path};

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use clap_mangen::roff::{Roff, bold, roman};
use ironflex::{cli::exec, operation::Invocation};
use ironflex_profiles::help;

/// Behind what clap writes for bash: the words of `ironflex exec`, which the program has itself.
const BASH: &str = r#"
_ironflex_or_exec() {
    local at
    for ((at = 1; at < COMP_CWORD; at++)); do
        if [[ ${COMP_WORDS[at]} == exec && ${COMP_WORDS[at + 1]} != -* ]]; then
            mapfile -t COMPREPLY < <(ironflex exec --complete -- "${COMP_WORDS[@]:at+1:COMP_CWORD-at}" 2>/dev/null)
            return
        fi
    done
    _ironflex "$@"
}
complete -F _ironflex_or_exec -o bashdefault -o default ironflex
"#;

/// The same for zsh, in front of its last lines, with a line of help for each word. A keyword fits in any case.
const ZSH: &str = r#"
(( $+functions[_ironflex_exec_words] )) ||
_ironflex_exec_words() {
    local -a found
    local word help
    while IFS=$'\t' read -r word help; do
        found+=("${word//:/\\:}:$help")
    done < <(ironflex exec --complete --explain -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    _describe -t exec-words 'exec word' found -M 'm:{a-zA-Z}={A-Za-z}'
}

"#;

/// Where zsh's last lines begin, and what clap lets it make of the words of `ironflex exec`.
const ZSH_END: &str = "if [ \"$funcstack[1]\" = \"_ironflex\" ]; then";
const ZSH_LINE: [&str; 2] = ["'*::line -- ", ":_default' \\"];

/// The same for fish.
const FISH: &str = r#"
function __ironflex_exec_words
    set -l words (commandline -opc) (commandline -ct)
    set -l at (contains -i -- exec $words)
    or return
    set -e words[1..$at]
    string match -q -- '-*' $words[1]
    and return
    ironflex exec --complete --explain -- $words 2>/dev/null
end
complete -c ironflex -n "__fish_ironflex_using_subcommand exec" -f -a "(__ironflex_exec_words)"
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or("a folder to write into is expected")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Invocation::command(), folder)?;
    fs::write(folder.join("ironflex-commands.7"), commands()?)?;
    fs::write(folder.join("ironflex-config.5"), configuration()?)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let file = generate_to(shell, &mut Invocation::command(), "ironflex", folder)?;
        let written = fs::read_to_string(&file)?;
        let whole = match shell {
            Shell::Bash => without_hidden_words(&written) + BASH,
            Shell::Zsh => zsh(&written)?,
            _ => without_hidden(&written, "-l ") + FISH,
        };
        fs::write(&file, whole)?;
    }
    Ok(())
}

/// Options that nobody is told of: clap's completion does not pass over them.
const HIDDEN: [&str; 3] = ["complete", "explain", "tunnel-wait"];

/// Lines without those of hidden options.
fn without_hidden(written: &str, option: &str) -> String {
    let own = HIDDEN.map(|name| format!("{option}{name}"));
    let lines = written.split_inclusive('\n');
    lines
        .filter(|line| !own.iter().any(|own| line.contains(own)))
        .collect()
}

/// The same where all options stand in one line.
fn without_hidden_words(written: &str) -> String {
    let lines = written.split_inclusive('\n').map(|line| {
        if !line.trim_start().starts_with("opts=") {
            return line.to_owned();
        }
        let without = |line: String, name: &&str| line.replace(&format!(" --{name}"), "");
        HIDDEN.iter().fold(line.to_owned(), without)
    });
    lines.collect()
}

/// What clap writes for zsh, with the exec words in place of files.
fn zsh(written: &str) -> Result<String, &'static str> {
    let [begins, ends] = ZSH_LINE;
    let written = without_hidden(written, "'--");
    let line = written
        .lines()
        .find(|line| line.starts_with(begins) && line.ends_with(ends))
        .ok_or("zsh: the words of exec are not where they were")?;
    let own = line.replace(ends, ":_ironflex_exec_words' \\");
    let (functions, last) = written
        .split_once(ZSH_END)
        .ok_or("zsh: the last lines are not where they were")?;
    Ok(functions.replace(line, &own) + ZSH + ZSH_END + last)
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
             A line that ends in ? is answered with what can be typed there. INTERFACE is the kind of an interface and its \
             number, in one word or in two, or the Linux device that an interface stands for.",
        ),
    ]);
    page.control("SH", ["COMMANDS"]);
    list(&mut page, exec::commands());
    page.control("SH", ["MODIFIERS"]);
    page.text([roman(
        "Behind every show command, dir, more and write terminal:",
    )]);
    list(&mut page, exec::modifiers());
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("ironflex"),
        roman("(1), "),
        bold("ironflex-exec"),
        roman("(1), "),
        bold("ironflex-config"),
        roman("(5)"),
    ]);
    let mut out = Vec::new();
    page.to_writer(&mut out)?;
    Ok(out)
}

/// The lines of the configuration as a manual page.
fn configuration() -> io::Result<Vec<u8>> {
    let mut page = Roff::new();
    page.control("TH", ["ironflex-config", "5"]);
    page.control("SH", ["NAME"]);
    page.text([roman(
        "ironflex-config - the lines of a configuration of ironflex",
    )]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([
        roman("What the headend takes, from the file that "),
        bold("ironflex run"),
        roman(" is given and in "),
        bold("configure terminal"),
        roman(
            ", by the mode that a line stands in. Words can be abbreviated while only one fits: none where a name may \
             stand in its place, and where a text may, the only word there can if more follows it. \
             Where a line begins with [no] here it can be undone, by ",
        ),
        bold("no"),
        roman(" in front of it, or brought back to its default by "),
        bold("default"),
        roman(". "),
        bold("end"),
        roman(" leaves the configuration, "),
        bold("exit"),
        roman(" the mode. Lines of IOS-XE that are not listed are refused by name or as unknown; "),
        bold("ironflex check"),
        roman(" says which."),
    ]);
    page.control("SH", ["LINES"]);
    for section in help::sections() {
        page.control("SS", [section.title.replace('`', "").as_str()]);
        for entry in section.entries {
            let no = if entry.can_be_undone { "[no] " } else { "" };
            page.control("TP", []);
            page.text([roman(no), bold(entry.line)]);
            page.text([roman(entry.help)]);
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("ironflex-run"),
        roman("(1), "),
        bold("ironflex-check"),
        roman("(1), "),
        bold("ironflex-commands"),
        roman("(7)"),
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
