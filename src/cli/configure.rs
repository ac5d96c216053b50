//! Configuration mode as it is typed: prompts, help and completion, and what is said below a line.

use std::fmt::Write as _;

use ironflex_profiles::{
    help::{Choice, NoHelp, look},
    tree::ModeKind,
};
use serde::{Deserialize, Serialize};

use super::{
    Printable,
    exec::{self, Mode},
};

/// What is said of a word that nothing begins with.
const UNRECOGNIZED: &str = "% Unrecognized command\n";

/// Lines, as they go over the control socket.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Lines {
    /// The lines, without their ends.
    pub lines: Vec<String>,
    /// Whether others come at once.
    #[serde(default)]
    pub more: bool,
}

/// What became of lines, as it goes over the control socket.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// How many were taken: behind an `end`, none.
    pub taken: usize,
    /// What is said.
    pub said: Vec<Said>,
    /// The session is over.
    pub left: bool,
    /// What the prompt is like behind the lines, in their order: where it is another than before, and behind the first.
    #[serde(default)]
    pub prompts: Vec<Prompt>,
}

/// The prompt behind a line, and before the next.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Prompt {
    /// Which of the lines, from 0.
    pub line: usize,
    /// What the headend calls itself.
    pub hostname: String,
    /// The mode that the next line stands in, by its [`ModeKind`].
    pub mode: String,
    /// What it shows in brackets.
    #[serde(default)]
    pub in_brackets: String,
    /// The next line belongs to a text.
    pub in_text: bool,
}

impl Prompt {
    /// What it shows in brackets; within a text there is none.
    #[must_use]
    pub fn in_brackets(&self) -> Option<&str> {
        (!self.in_text).then_some(&self.in_brackets)
    }
}

/// What is said of a line.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Which of the lines, from 0.
    pub line: usize,
    /// Whether the line was refused.
    pub refused: bool,
    /// The character, from 0, that a caret is to point at.
    pub marker: Option<usize>,
    /// Of a line that is refused for one of its words, the characters up to the end of that word: what is behind it nobody has
    /// read, and any of it may be a secret.
    #[serde(default)]
    pub read: Option<usize>,
    /// The words, in lines.
    pub text: String,
}

/// The mode of that name.
#[must_use]
pub fn mode(name: &str) -> ModeKind {
    let mut modes = ModeKind::ALL.iter().chain([&ModeKind::Refused]);
    let mode = modes.find(|mode| format!("{mode:?}") == name);
    mode.copied().unwrap_or(ModeKind::Global)
}

/// How a word can go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Completion {
    /// Where the word begins, in octets.
    pub start: usize,
    /// The keywords that begin so.
    pub words: Vec<String>,
}

/// The command of a `do` line.
#[must_use]
pub fn exec_command(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("do")?;
    rest.starts_with(char::is_whitespace)
        .then(|| rest.trim_start())
}

/// What `?` behind `line` shows.
#[must_use]
pub fn help(mode: ModeKind, line: &str) -> String {
    if let Some(command) = exec_command(line) {
        return exec::help(command, Mode::Privileged);
    }
    let look = match look(mode, line) {
        Err(NoHelp::Ambiguous) => {
            return format!("% Ambiguous command:  \"{}\"\n", Printable(line));
        }
        Err(NoHelp::Unrecognized) => return UNRECOGNIZED.to_owned(),
        Err(NoHelp::Unsupported(why)) => {
            return format!("% not supported by this headend: {why}\n");
        }
        Ok(look) => look,
    };
    if look.start < line.len() {
        return exec::in_columns(look.choices.into_iter().map(|choice| choice.label));
    }
    let mut out = String::new();
    if line.trim().is_empty() && mode == ModeKind::Global {
        out.push_str("Configure commands:\n");
    }
    let widths = look
        .choices
        .iter()
        .map(|choice| choice.label.chars().count());
    let width = widths.max().unwrap_or(0);
    for Choice { label, help, .. } in &look.choices {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {label:width$}  {help}");
    }
    if look.ends {
        let _ = writeln!(out, "  {:width$}  <cr>", "<cr>");
    }
    out
}

/// What Tab behind `line` can make of its last word.
#[must_use]
pub fn complete(mode: ModeKind, line: &str) -> Completion {
    if let Some(command) = exec_command(line) {
        let before = line.len().saturating_sub(command.len());
        let found = exec::complete(command, Mode::Privileged);
        return Completion {
            start: before.saturating_add(found.start),
            words: found.words.into_iter().map(str::to_owned).collect(),
        };
    }
    match look(mode, line) {
        Err(_) => Completion {
            start: line.len(),
            words: Vec::new(),
        },
        Ok(look) => Completion {
            start: look.start,
            words: look
                .choices
                .into_iter()
                .filter(|choice| choice.is_word)
                .map(|choice| choice.label)
                .collect(),
        },
    }
}

/// What is said of a line, for a terminal that shows it already, behind a prompt of `width` characters.
#[must_use]
pub fn below_prompt(said: &Said, width: usize) -> String {
    let caret = said.marker.map(|marker| {
        let column = marker.saturating_add(width);
        format!("{:column$}^\n", "")
    });
    caret.unwrap_or_default() + &said.text
}

/// The same where nothing shows the line.
#[must_use]
pub fn with_line(said: &Said, line: &str) -> String {
    let shown = said.marker.map(|_| format!("{}\n", Printable(line)));
    shown.unwrap_or_default() + &below_prompt(said, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_a_line_for_each_choice_and_words_side_by_side() {
        let text = help(ModeKind::Ikev2Proposal, "group ");
        assert!(text.starts_with("  14  "), "{text}");
        assert_eq!(help(ModeKind::Global, "cry").trim_end(), "crypto");
        assert_eq!(
            help(ModeKind::Global, "crypto ikev2 window 5 "),
            "  <cr>  <cr>\n"
        );
        assert!(help(ModeKind::Global, "").starts_with("Configure commands:\n"));
        assert_eq!(help(ModeKind::Global, "nonsense "), UNRECOGNIZED);
        assert_eq!(
            help(ModeKind::Global, "router "),
            "% not supported by this headend: routing protocols\n"
        );
        assert_eq!(
            help(
                ModeKind::Ikev2Profile,
                "do show ip local pool ?".trim_end_matches('?')
            ),
            exec::help("show ip local pool ", Mode::Privileged)
        );
    }

    #[test]
    fn completion_knows_where_a_word_begins() {
        let found = complete(ModeKind::Global, "crypto ikev2 proto");
        assert_eq!(found.words, [""; 0]);
        let found = complete(ModeKind::Global, "crypto ikev2 propo");
        assert_eq!(
            (found.start, found.words),
            (13, vec!["proposal".to_owned()])
        );
        let found = complete(ModeKind::Global, "do show cl");
        assert_eq!((found.start, found.words), (8, vec!["clock".to_owned()]));
    }

    #[test]
    fn a_caret_stands_below_the_line_that_is_shown() {
        let said = Said {
            line: 0,
            refused: true,
            marker: Some(4),
            read: None,
            text: "% no\n".into(),
        };
        assert_eq!(below_prompt(&said, 3), "       ^\n% no\n");
        assert_eq!(with_line(&said, "abc def"), "abc def\n    ^\n% no\n");
    }
}
