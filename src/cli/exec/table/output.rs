//! What may follow a `|`.

use super::{
    super::super::pipe::{Modifier, Redirection},
    Node, Token, Values,
};

/// The modifiers.
pub(in super::super) const OUTPUT: &[Node] = &[
    Node::word("append", "Append redirected output to a file").then(&[Node::value(
        Token::Line,
        FILE,
    )
    .output(|values| redirected(values, true, false))]),
    Node::word("begin", "Begin with the line that matches").then(&[Node::value(
        Token::Pattern,
        PATTERN,
    )
    .output(|values| Some(Modifier::Begin(values.text?)))]),
    Node::word("count", "Count number of lines which match regexp")
        .output(|_| Some(Modifier::Count(String::new())))
        .then(&[Node::value(Token::Pattern, PATTERN)
            .output(|values| Some(Modifier::Count(values.text?)))]),
    Node::word("exclude", "Exclude lines that match")
        .then(&[Node::value(Token::Pattern, PATTERN)
            .output(|values| Some(Modifier::Exclude(values.text?)))]),
    Node::word("grep", "Lines that match (not here: include)")
        .output(grep)
        .then(&[Node::value(Token::Pattern, PATTERN).output(grep)]),
    Node::word("include", "Include lines that match")
        .then(&[Node::value(Token::Pattern, PATTERN)
            .output(|values| Some(Modifier::Include(values.text?)))]),
    Node::word("json", "The same facts as JSON (docs/json.md)").output(|_| Some(Modifier::Json)),
    Node::word("redirect", "Redirect output to a file")
        .then(&[Node::value(Token::Line, FILE).output(|values| redirected(values, false, false))]),
    Node::word("section", "Filter a section of output").then(&[
        Node::word("exclude", "Exclude sections that match").then(&[Node::value(
            Token::Pattern,
            PATTERN,
        )
        .output(|values| Some(Modifier::NoSection(values.text?)))]),
        Node::word("include", "Include sections that match").then(&[Node::value(
            Token::Pattern,
            PATTERN,
        )
        .output(|values| Some(Modifier::Section(values.text?)))]),
        Node::value(Token::Pattern, PATTERN).output(|values| Some(Modifier::Section(values.text?))),
    ]),
    Node::word("tee", "Copy output to a file").then(&[
        Node::word("/append", "Append the output to the file").then(&[Node::value(
            Token::Line,
            FILE,
        )
        .output(|values| redirected(values, true, true))]),
        Node::value(Token::Line, FILE).output(|values| redirected(values, false, true)),
    ]),
];

const FILE: &str = "File of this user, or bootflash:FILE";

const PATTERN: &str = "Regular Expression";

#[expect(clippy::unnecessary_wraps, reason = "what a line comes to")]
fn grep(_: Values) -> Option<Modifier> {
    Some(Modifier::Instead(
        "grep",
        "'| include REGEX' shows the lines that match, '| exclude REGEX' the others; 'ironflex exec' behind a Linux shell's own '|' \
         has its grep",
    ))
}

fn redirected(values: Values, append: bool, shown: bool) -> Option<Modifier> {
    let file = values.text?;
    Some(Modifier::Redirect(Redirection {
        file,
        append,
        shown,
    }))
}
