//! What `?` and Tab say at a place of a line, and every command as a list, from the same tables that lines are read by.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Write as _;

use crate::{
    command::Form,
    lexer::{LINE_LIMIT, words},
    model::{
        Standing,
        interface::{InterfaceKind, InterfaceName},
    },
    tree::{self, ModeKind, Node, Refusal, Token, Value},
    walk::{followers, form},
};

/// One thing that can be typed at a place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Choice {
    /// The word, or what stands for the words that are taken: `WORD`, `<1-10>`.
    pub label: String,
    /// One line of help.
    pub help: &'static str,
    /// Whether the label is what is to be typed.
    pub is_word: bool,
}

/// What can be typed at the end of a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Look {
    /// Where the unfinished word begins, in octets; the end of the line behind a blank.
    pub start: usize,
    /// What it may become, in the order of the alphabet.
    pub choices: Vec<Choice>,
    /// Whether the line may end here. Never within a word.
    pub ends: bool,
}

/// Why there is nothing to be said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoHelp {
    /// An abbreviation fits several words.
    Ambiguous,
    /// No such line is known.
    Unrecognized,
    /// Lines that begin so are refused by name; the text says what they would need.
    Unsupported(&'static str),
}

/// What is said in every mode of what may stand in front of a line.
const FRONT: &[(&str, &str)] = &[
    ("default", "Set a command to its defaults"),
    ("do", "To run exec commands in config mode"),
    ("no", "Negate a command or set its defaults"),
];

/// Looks at a line that is being typed in a mode.
///
/// # Errors
/// [`NoHelp`].
pub fn look(mode: ModeKind, line: &str) -> Result<Look, NoHelp> {
    if line.len() > LINE_LIMIT {
        return Err(NoHelp::Unrecognized);
    }
    let mut typed = words(line, 0);
    let start = match typed.last() {
        Some(last) if last.offset.saturating_add(last.text.len()) == line.len() => {
            let offset = last.offset;
            typed.pop();
            offset
        }
        _ => line.len(),
    };
    let unfinished = line.get(start..).unwrap_or_default();
    let (form, typed) = form(&typed);
    let found = match walk(mode, typed) {
        Err(inside) if mode != ModeKind::Global => match (walk(ModeKind::Global, typed), inside) {
            (Err(NoHelp::Unrecognized), inside @ NoHelp::Unsupported(_)) => return Err(inside),
            (outside, _) => outside?,
        },
        found => found?,
    };
    let mut choices = list(mode, &found, form, unfinished);
    if choices.is_empty() && found.is_empty() && mode != ModeKind::Global {
        choices = list(ModeKind::Global, &found, form, unfinished);
    }
    let first = found.is_empty() && form == Form::Set;
    choices.extend(
        FRONT
            .iter()
            .filter(|(word, _)| first && begins(word, unfinished))
            .map(|&(word, help)| Choice {
                label: word.to_owned(),
                help,
                is_word: true,
            }),
    );
    choices.sort();
    choices.dedup();
    let ends = unfinished.is_empty() && may_end(&found, form);
    if choices.is_empty() && !ends {
        let refused = refused(mode, &found, unfinished).or_else(|| {
            let outside = found.is_empty() && mode != ModeKind::Global;
            outside.then(|| refused(ModeKind::Global, &found, unfinished))?
        });
        return Err(refused.map_or(NoHelp::Unrecognized, NoHelp::Unsupported));
    }
    Ok(Look {
        start,
        choices,
        ends,
    })
}

/// What the words of a line lead through.
#[derive(Default)]
struct Path {
    nodes: Vec<&'static Node>,
    /// The first word of an interface's name in two, if that came last.
    kind: Option<InterfaceKind>,
    /// The kind of the interface whose whole name came last.
    behind: Option<InterfaceKind>,
}

impl Path {
    /// What may follow.
    fn followers(&self, mode: ModeKind) -> Vec<&'static Node> {
        let Some(last) = self.nodes.last() else {
            return mode.commands().collect();
        };
        let may_follow = |node: &&Node| {
            self.behind.is_none()
                || node
                    .only_behind
                    .is_none_or(|kind| self.behind == Some(kind))
        };
        followers(last).filter(may_follow).collect()
    }

    fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.kind.is_none()
    }
}

/// Where the words of a line lead.
fn walk(mode: ModeKind, mut typed: &[crate::lexer::Word<'_>]) -> Result<Path, NoHelp> {
    let mut path = Path::default();
    while let Some(word) = typed.first() {
        let next = path.followers(mode);
        match tree::choose(next.iter().copied(), typed) {
            Ok(found) => {
                path.nodes.push(found.node);
                path.behind = match found.value {
                    Value::Interface(name) => Some(name.kind()),
                    _ => None,
                };
                typed = typed.get(found.taken..).unwrap_or_default();
            }
            Err(Refusal::Ambiguous { .. }) => return Err(NoHelp::Ambiguous),
            Err(Refusal::Unsupported { why, .. }) => return Err(NoHelp::Unsupported(why)),
            Err(_) => {
                let named = next.iter().any(|node| node.token == Token::Interface);
                let kind = InterfaceKind::parse(word.text).ok();
                path.kind = kind.filter(|_| named && typed.len() == 1);
                path.kind.ok_or(NoHelp::Unrecognized)?;
                break;
            }
        }
    }
    Ok(path)
}

fn list(mode: ModeKind, path: &Path, form: Form, unfinished: &str) -> Vec<Choice> {
    if let Some(kind) = path.kind {
        return number(kind, unfinished).into_iter().collect();
    }
    let nodes = path.followers(mode);
    let path = &path.nodes;
    // Below a word that `no` takes, what may follow is as without it.
    let free = form == Form::Set || path.iter().any(|node| node.can_be_undone());
    nodes
        .into_iter()
        .filter(|node| free || undoable(node))
        .flat_map(|node| {
            let fitting = match node.token {
                Token::Interface if !unfinished.contains(|one: char| one.is_ascii_digit()) => {
                    return kinds(unfinished).collect::<Vec<_>>();
                }
                _ => choices(node).into_iter(),
            };
            fitting
                .filter(|choice| match choice.is_word {
                    true => begins(&choice.label, unfinished),
                    false => node.token.may_begin(&choice.label, unfinished),
                })
                .collect()
        })
        .collect()
}

/// The kinds of interfaces that a word may be, which its number may follow apart.
fn kinds(unfinished: &str) -> impl Iterator<Item = Choice> {
    let served = InterfaceKind::KEYWORDS
        .iter()
        .filter_map(|known| Some((InterfaceKind::from_keyword(known.word)?.title(), known.help)));
    let fitting = served.filter(move |(title, _)| tree::interface_begins(title, unfinished));
    fitting.map(|(title, help)| Choice {
        label: title.to_owned(),
        help,
        is_word: true,
    })
}

/// The number of an interface of this kind, if it may begin so.
fn number(kind: InterfaceKind, unfinished: &str) -> Option<Choice> {
    // Slot, subslot and port, each of which may still be missing.
    let begun = match kind {
        InterfaceKind::GigabitEthernet => unfinished.trim_end_matches(['/', '.']),
        InterfaceKind::Loopback | InterfaceKind::VirtualTemplate => unfinished,
    };
    let fits = begun.is_empty() || InterfaceName::from_parts(kind.title(), begun).is_ok();
    fits.then(|| Choice {
        label: kind.numbers().to_owned(),
        help: kind.number_help(),
        is_word: false,
    })
}

/// Why no line is served that goes on with a word that begins so: that of the only such word, or of all that may follow.
fn refused(mode: ModeKind, path: &Path, unfinished: &str) -> Option<&'static str> {
    let nodes = path.followers(mode);
    if unfinished.is_empty() {
        return path.nodes.last()?.alone;
    }
    let mut fitting = nodes.into_iter().flat_map(|node| {
        let all = node
            .keywords()
            .map(move |(word, standing)| (node, word, standing));
        all.filter(|(_, word, _)| begins(word, unfinished))
    });
    let (node, _, standing) = fitting.next()?;
    let is_only = fitting.next().is_none();
    let why = match standing {
        Standing::Refused(why) => Some(why),
        Standing::Served => node.alone,
    };
    why.filter(|_| is_only)
}

fn may_end(path: &Path, form: Form) -> bool {
    let Path {
        nodes, kind: None, ..
    } = path
    else {
        return false;
    };
    let Some(last) = nodes.last() else {
        return false;
    };
    let path = nodes;
    match form {
        Form::Set => last.ends(),
        Form::No | Form::Default => {
            (last.ends() || last.can_be_undone()) && path.iter().any(|node| node.can_be_undone())
        }
    }
}

/// Whether `no` takes a line with this word.
fn undoable(node: &Node) -> bool {
    node.refused.is_none() && (node.can_be_undone() || node.then.iter().any(undoable))
}

fn choices(node: &'static Node) -> Vec<Choice> {
    if let Token::Choice(words) = node.token {
        let served = words
            .iter()
            .filter(|word| word.standing == Standing::Served);
        let choice = |word: &crate::model::Keyword| Choice {
            label: word.word.to_owned(),
            help: word.help,
            is_word: true,
        };
        return served.map(choice).collect();
    }
    let is_word = matches!(node.token, Token::Word(_));
    let labels = node.expected().into_iter();
    let choice = |label| Choice {
        label,
        help: node.help,
        is_word,
    };
    labels.map(choice).collect()
}

fn begins(word: &str, typed: &str) -> bool {
    word.get(..typed.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(typed))
}

/// A line that can be configured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its words, and what stands for values: `<1-10>`, `WORD`, `{one|other}`.
    pub line: String,
    /// What it says.
    pub help: String,
    /// Whether it has a `no` form.
    pub can_be_undone: bool,
}

/// The lines of one mode.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Section {
    /// The line that leads into the mode, between backticks.
    pub title: &'static str,
    /// What the router shows in brackets after its name.
    pub prompt: &'static str,
    /// Its lines.
    pub entries: Vec<Entry>,
}

/// Every line of every mode with its help.
pub fn sections() -> impl Iterator<Item = Section> {
    ModeKind::ALL.iter().map(|&mode| {
        let mut entries = Vec::new();
        for node in mode.commands() {
            lines(node, "", "", false, &mut entries);
        }
        Section {
            title: title(mode),
            prompt: mode.prompt(),
            entries,
        }
    })
}

/// The same as a Markdown text: one table for each mode.
pub fn reference() -> String {
    let mut out = String::new();
    for section in sections() {
        let Section {
            title,
            prompt,
            entries,
        } = section;
        // A String takes everything.
        let _ = write!(
            out,
            "\n## {title}\n\nPrompt `({prompt})#`.\n\n| line | what it says | `no` |\n| --- | --- | --- |\n",
        );
        for Entry {
            line,
            help,
            can_be_undone,
        } in entries
        {
            let line = line.replace('|', r"\|");
            let undone = if can_be_undone { "yes" } else { "" };
            let _ = writeln!(out, "| `{line}` | {help} | {undone} |");
        }
    }
    out
}

/// The line that leads into a mode.
const fn title(mode: ModeKind) -> &'static str {
    match mode {
        ModeKind::Global | ModeKind::Refused => "Outside of every object",
        ModeKind::AuthorizationPolicy => "`crypto ikev2 authorization policy WORD`",
        ModeKind::Ikev2Proposal => "`crypto ikev2 proposal WORD`",
        ModeKind::Ikev2Policy => "`crypto ikev2 policy WORD`",
        ModeKind::Ikev2Keyring => "`crypto ikev2 keyring WORD`",
        ModeKind::Ikev2KeyringPeer => "`peer WORD` of a keyring",
        ModeKind::Ikev2Profile => "`crypto ikev2 profile WORD`",
        ModeKind::TransformSet => "`crypto ipsec transform-set WORD …`",
        ModeKind::IpsecProfile => "`crypto ipsec profile WORD`",
        ModeKind::Trustpoint => "`crypto pki trustpoint WORD`",
        ModeKind::SslPolicy => "`crypto ssl policy WORD`",
        ModeKind::SslProfile => "`crypto ssl profile WORD`",
        ModeKind::StandardAccessList => "`ip access-list standard WORD`",
        ModeKind::ExtendedAccessList => "`ip access-list extended WORD`",
        ModeKind::Ipv6AccessList => "`ipv6 access-list WORD`",
        ModeKind::Loopback => "`interface LoopbackN`",
        ModeKind::GigabitEthernet => "`interface GigabitEthernetN`",
        ModeKind::VirtualTemplate => "`interface Virtual-TemplateN type tunnel`",
    }
}

fn lines(node: &'static Node, before: &str, said: &str, undone: bool, out: &mut Vec<Entry>) {
    if node.refused.is_some() {
        return;
    }
    let is_choice = matches!(node.token, Token::Choice(_));
    let word = match node.expected().as_slice() {
        [one] => one.clone(),
        several => format!("{{{}}}", several.join("|")),
    };
    let many = if node.many { " …" } else { "" };
    let path = format!("{before}{word}{many}");
    let is_keyword = matches!(node.token, Token::Word(_)) || is_choice;
    // Of the last keyword, for a value's own help says less.
    let said = match (is_keyword, node.help) {
        (_, "") => said.to_string(),
        (true, help) => help.to_string(),
        (false, help) => format!("{said}: {help}"),
    };
    let undone = undone || node.can_be_undone();
    if node.ends() {
        out.push(Entry {
            line: path.clone(),
            help: said.clone(),
            can_be_undone: undone,
        });
    }
    for next in node.then {
        lines(next, &format!("{path} "), &said, undone, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(mode: ModeKind, line: &str) -> Vec<String> {
        let look = look(mode, line).unwrap();
        let mut labels: Vec<String> = look
            .choices
            .into_iter()
            .map(|choice| choice.label)
            .collect();
        if look.ends {
            labels.push("<cr>".into());
        }
        labels
    }

    #[test]
    fn says_what_may_follow_at_every_depth() {
        let global = labels(ModeKind::Global, "");
        for word in ["crypto", "do", "default", "end", "exit", "hostname", "no"] {
            assert!(
                global.iter().any(|label| label == word),
                "{word}: {global:?}"
            );
        }
        assert_eq!(labels(ModeKind::Global, "ho"), ["hostname"]);
        assert_eq!(labels(ModeKind::Global, "hostname "), ["WORD"]);
        assert_eq!(labels(ModeKind::Global, "cry ikev win "), ["<1-200>"]);
        assert_eq!(labels(ModeKind::Global, "crypto ikev2 window 5 "), ["<cr>"]);
        assert_eq!(
            labels(ModeKind::Ikev2Proposal, "encryption aes-gcm"),
            ["aes-gcm-128", "aes-gcm-256"]
        );
        let more = labels(ModeKind::Ikev2Proposal, "encryption aes-cbc-256 ");
        assert!(more.contains(&"aes-cbc-128".into()) && more.contains(&"<cr>".into()));
        // Of values, what may begin so.
        assert_eq!(labels(ModeKind::Global, "int vir"), ["Virtual-Template"]);
        assert_eq!(
            labels(ModeKind::Global, "interface VT1"),
            ["Virtual-Template<1-4095>"]
        );
        assert_eq!(labels(ModeKind::Global, "interface ").len(), 3);
        assert_eq!(labels(ModeKind::Global, "cry ikev win 20"), ["<1-200>"]);
        for line in ["interface x", "cry ikev win a", "cry ikev win 201"] {
            assert_eq!(
                look(ModeKind::Global, line),
                Err(NoHelp::Unrecognized),
                "{line}"
            );
        }
        assert_eq!(labels(ModeKind::Loopback, "ip address 10."), ["A.B.C.D"]);
        assert_eq!(
            look(ModeKind::Loopback, "ip address x"),
            Err(NoHelp::Unrecognized)
        );
        // A line of another mode is known as well.
        assert_eq!(labels(ModeKind::Ikev2Proposal, "hostn"), ["hostname"]);
        assert_eq!(
            labels(ModeKind::Ikev2Proposal, "crypto ikev2 window "),
            ["<1-200>"]
        );
    }

    #[test]
    fn kinds_of_interfaces_are_words_and_their_numbers_follow() {
        for (line, kinds) in [
            ("interface Loop", &["Loopback"][..]),
            ("no int gig", &["GigabitEthernet"]),
            ("interface vt", &["Virtual-Template"]),
            (
                "interface ",
                &["GigabitEthernet", "Loopback", "Virtual-Template"],
            ),
            (
                "ip nat inside source list N interface g",
                &["GigabitEthernet"],
            ),
        ] {
            let found = look(ModeKind::Global, line).unwrap();
            let words = found.choices.iter();
            let words: Vec<&str> = words
                .filter(|one| one.is_word && !one.help.is_empty())
                .map(|one| one.label.as_str())
                .collect();
            assert_eq!(words, kinds, "{line}");
        }
        assert_eq!(
            labels(ModeKind::VirtualTemplate, "ip unnumbered lo"),
            ["Loopback"]
        );
        for (line, number) in [
            ("interface Loopback ", "<0-2147483647>"),
            ("interface gi ", "<0-2147483647>"),
            ("interface gi 0/0/", "<0-2147483647>"),
            ("no interface vt 40", "<1-4095>"),
        ] {
            assert_eq!(labels(ModeKind::Global, line), [number], "{line}");
        }
        for line in ["interface lo x", "interface v ", "interface vt 5000"] {
            let found = look(ModeKind::Global, line);
            assert_eq!(found, Err(NoHelp::Unrecognized), "{line}");
        }
        assert_eq!(labels(ModeKind::Global, "interface lo 1 "), ["<cr>"]);
        assert_eq!(
            labels(ModeKind::Global, "interface vt 1 "),
            ["type", "<cr>"]
        );
    }

    #[test]
    fn of_no_only_what_can_be_undone() {
        let all = labels(ModeKind::Global, "no ");
        assert!(
            all.contains(&"crypto".into()) && !all.contains(&"end".into()),
            "{all:?}"
        );
        assert!(labels(ModeKind::Global, "no hostname ").contains(&"<cr>".into()));
        assert!(labels(ModeKind::Global, "no crypto ikev2 profile x ").contains(&"<cr>".into()));
    }

    #[test]
    fn knows_no_more_than_lines_do() {
        for (line, why) in [
            ("cry ikev2 p x ", NoHelp::Ambiguous),
            ("foo ", NoHelp::Unrecognized),
            ("hostname a b", NoHelp::Unrecognized),
            ("vlan ", NoHelp::Unsupported("bridging")),
            ("vla", NoHelp::Unsupported("bridging")),
            ("router ", NoHelp::Unsupported("routing protocols")),
            ("crypto isakmp ", NoHelp::Unsupported("IKEv1")),
            ("crypto isakmp po", NoHelp::Unsupported("IKEv1")),
            ("crypto isa", NoHelp::Unsupported("IKEv1")),
            ("line vty ", NoHelp::Unsupported("terminal lines")),
        ] {
            assert_eq!(look(ModeKind::Global, line), Err(why), "{line}");
        }
        for (line, why) in [
            ("ivrf ", NoHelp::Unsupported("VRFs")),
            ("iv", NoHelp::Unsupported("VRFs")),
            ("router ", NoHelp::Unsupported("routing protocols")),
            ("foo ", NoHelp::Unrecognized),
        ] {
            assert_eq!(look(ModeKind::Ikev2Profile, line), Err(why), "{line}");
        }
        let long = "a ".repeat(1 << 20);
        assert_eq!(look(ModeKind::Global, &long), Err(NoHelp::Unrecognized));
    }

    #[test]
    fn every_choice_of_the_tables_has_help() {
        fn check(node: &'static Node) {
            for choice in choices(node) {
                assert!(!choice.help.is_empty(), "{}", choice.label);
            }
            node.then.iter().for_each(check);
        }
        for mode in ModeKind::ALL {
            mode.commands().for_each(check);
        }
    }
}
