//! What `?` and Tab say, and the list of every command.

use std::fmt::Write as _;

use super::{
    ExecError, Mode, OUTPUT, Printable, ROOT, Walk, Word, common,
    table::{Node, Token, Values},
};

/// The columns of a terminal, for words that are listed beside each other.
const COLUMNS: usize = 80;

/// What is said of a word that nothing begins with.
const UNRECOGNIZED: &str = "% Unrecognized command\n";

/// What `help` says.
pub const HELP: &str = "\
A question mark asks for help at any place of a command line.
Where it shows nothing, the line is wrong already: take words back until it does.

There are two kinds:
1. Behind a blank it lists everything that can follow, with a line about each
   (\"show ?\").
2. Behind the beginning of a word it lists the words that begin so
   (\"show cl?\").

Words can be abbreviated as long as only one fits, and Tab completes them.
";

/// How a word can go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Completion {
    /// Where the word begins, in octets.
    pub start: usize,
    /// The keywords that begin so.
    pub words: Vec<&'static str>,
}

/// Goes behind every word of `line` that a blank follows. Returns the unfinished one, which is empty behind a blank.
fn all_but_last<'l>(line: &'l str, mode: Mode) -> Result<(Walk<'l>, Word<'l>), ExecError> {
    let mut walk = Walk::new(line, mode)?;
    while let Some(word) = walk.next() {
        let end = word.offset.saturating_add(word.text.len());
        if end == line.len() && !walk.is_pipe(word) {
            return Ok((walk, word));
        }
        walk.take(word)?;
    }
    let word = Word {
        text: "",
        offset: line.len(),
    };
    Ok((walk, word))
}

/// What `?` behind `line` shows: what can be typed there, with help; behind a word without a blank, the words that begin so.
/// Several lines, in a router's layout.
#[must_use]
pub fn help(line: &str, mode: Mode) -> String {
    match all_but_last(line, mode) {
        Err(ExecError::Ambiguous { .. }) => {
            format!("% Ambiguous command:  \"{}\"\n", Printable(line))
        }
        Err(ExecError::TooLong) => format!("{}\n", ExecError::TooLong),
        Err(ExecError::Absent { .. } | ExecError::Invalid { .. } | ExecError::Incomplete) => {
            UNRECOGNIZED.to_owned()
        }
        Ok((walk, word)) if word.text.is_empty() => choices(&walk),
        Ok((walk, word)) => beginnings(&walk, word.text),
    }
}

/// Everything that can be typed, with help.
fn choices(walk: &Walk<'_>) -> String {
    let mut entries: Vec<(String, &str)> = walk
        .choices()
        .flat_map(|node| node.token.labels(node.help))
        .collect();
    entries.sort();
    if walk.last.is_some_and(|node| node.may_end(&walk.values)) {
        if walk.pipes {
            entries.push(("|".to_owned(), "Output modifiers"));
        }
        entries.push(("<cr>".to_owned(), "<cr>"));
    }
    if entries.is_empty() {
        return UNRECOGNIZED.to_owned();
    }
    let width = entries.iter().map(|(label, _)| label.len()).max();
    let width = width.unwrap_or(0);
    let mut out = String::new();
    if walk.last.is_none() && walk.piped.is_none() {
        out.push_str("Exec commands:\n");
    }
    for (label, help) in entries {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {label:width$}  {help}");
    }
    out
}

/// What a word may become, side by side.
fn beginnings(walk: &Walk<'_>, typed: &str) -> String {
    let all: Vec<&Node> = walk.choices().collect();
    let (devices, others): (Vec<&Node>, Vec<&Node>) = all
        .into_iter()
        .partition(|node| node.token == Token::Device);
    let begun = |nodes: Vec<&Node>| -> Vec<String> {
        let begun = nodes.iter().flat_map(|node| node.token.begun(typed));
        begun.collect()
    };
    // What begins like an interface is one.
    let words = match begun(others) {
        none if none.is_empty() => begun(devices),
        words => words,
    };
    in_columns(words.into_iter())
}

/// Words side by side, in the order of the alphabet.
#[must_use]
pub fn in_columns(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    words.sort();
    let Some(longest) = words.iter().map(String::len).max() else {
        return UNRECOGNIZED.to_owned();
    };
    let width = longest.saturating_add(2);
    let in_a_row = COLUMNS.checked_div(width).unwrap_or(1).max(1);
    let mut out = String::new();
    for row in words.chunks(in_a_row) {
        for word in row {
            let _ = write!(out, "{word:width$}");
        }
        out.push('\n');
    }
    out
}

/// What Tab behind `line` can make of its last word: nothing where a word is not known, or no keyword fits.
#[must_use]
pub fn complete(line: &str, mode: Mode) -> Completion {
    let (start, words) = becomes(line, mode);
    Completion {
        start,
        words: words.into_iter().map(|(word, _)| word).collect(),
    }
}

/// The same words, each with its line of help.
#[must_use]
pub fn explained(line: &str, mode: Mode) -> Vec<(&'static str, &'static str)> {
    becomes(line, mode).1
}

/// Where the last word begins, and what it can become.
fn becomes(line: &str, mode: Mode) -> (usize, Vec<(&'static str, &'static str)>) {
    let Ok((walk, word)) = all_but_last(line, mode) else {
        return (line.len(), Vec::new());
    };
    let fits = |node: &Node| {
        let short = node.token.short();
        let short = short.is_some_and(|short| short.eq_ignore_ascii_case(word.text));
        let begins = |keyword| common(keyword, word.text) == word.text.len();
        short || node.token.keyword().is_some_and(begins)
    };
    let fitting = walk.choices().filter(|node| fits(node));
    let words = fitting.filter_map(|node| Some((node.token.keyword()?, node.help)));
    (word.offset, words.collect())
}

/// One thing that can be typed, with what it does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its words; values in capitals.
    pub syntax: String,
    /// One line.
    pub help: String,
}

/// Every command.
#[must_use]
pub fn commands() -> Vec<Entry> {
    entries(ROOT, &Path::default())
}

/// Every modifier that may stand behind a `show` command.
#[must_use]
pub fn modifiers() -> Vec<Entry> {
    let behind = Path {
        words: "| ".to_owned(),
        ..Path::default()
    };
    entries(OUTPUT, &behind)
}

/// Every command with its help, as the table of a Markdown text.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from("| command | what it does |\n| --- | --- |\n");
    let rows = |out: &mut String, entries: Vec<Entry>| {
        for Entry { syntax, help } in entries {
            let _ = writeln!(out, "| `{}` | {help} |", syntax.replace('|', r"\|"));
        }
    };
    rows(&mut out, commands());
    out.push_str("\nBehind every `show` command, `dir`, `more` and `write terminal`:\n\n| modifier | what it does |\n| --- | --- |\n");
    rows(&mut out, modifiers());
    out
}

/// What stands in front of a word.
#[derive(Clone, Default)]
struct Path {
    words: String,
    /// The help of the last keyword: a value's own says less.
    help: &'static str,
    values: Values,
}

fn entries(nodes: &'static [Node], before: &Path) -> Vec<Entry> {
    let mut all = Vec::new();
    list(nodes, before, &mut all);
    all
}

fn list(nodes: &'static [Node], before: &Path, out: &mut Vec<Entry>) {
    for node in nodes {
        let word = node.token.placeholder();
        if word.is_empty() {
            continue;
        }
        let mut path = before.clone();
        path.words.push_str(&word);
        if node.token.keyword().is_some() || node.token == Token::Remote {
            path.help = node.help;
        }
        node.token.read(&node.token.sample(), &mut path.values);
        path.values.off |= node.off;
        if node.may_end(&path.values) && !node.only_refuses(&path.values) {
            let off = if path.values.off { "Turns off: " } else { "" };
            out.push(Entry {
                syntax: path.words.clone(),
                help: format!("{off}{}", path.help),
            });
        }
        path.words.push(' ');
        list(node.then, &path, out);
    }
}
