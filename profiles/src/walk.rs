//! One line along the command tree: which action it is, or where no word fits.

use alloc::{
    borrow::{Cow, ToOwned},
    boxed::Box,
    format,
    string::String,
    sync::Arc,
    vec::Vec,
};

use crate::{
    command::{Action, Arg, Args, Edit, Form, Mode},
    delimited::{Begun, Delimited},
    error::{Diagnostic, Fault, Span},
    lexer::{LINE_LIMIT, Line, Word},
    model::Candidate,
    tree::{self, ModeKind, Negated, Node, Refusal, Token, Value},
};

/// Longest free text in a line, in octets: less than a line, so that the canonical spelling of the
/// words in front of it never makes the line too long to be read again.
const TEXT_LIMIT: usize = LINE_LIMIT / 2;

/// What is wrong with a free text, if it is too long.
pub(crate) fn too_long(text: &str, at: &Span) -> Option<Diagnostic> {
    (text.len() > TEXT_LIMIT).then(|| {
        let message = format!("a text of {} octets, more than {TEXT_LIMIT}", text.len());
        Diagnostic::error(Fault::Limit, at.clone(), message)
    })
}

/// A line walked to its end.
pub(crate) struct Walked {
    /// What the line does.
    pub(crate) action: Action,
    pub(crate) args: Vec<Arg>,
    /// Whether the line leads into a mode.
    pub(crate) block: bool,
    /// Whether it says of something that the headend never does that it is not done.
    is_so: bool,
    /// The octet at which the free text of the line begins, and the form of that text.
    pub(crate) rest: Option<(usize, Token)>,
}

impl Walked {
    /// The word of a line that is nothing but one.
    pub(crate) fn alone(&self) -> Option<&'static str> {
        match self.args.as_slice() {
            [
                Arg {
                    value: Value::Word(word),
                    ..
                },
            ] => Some(word),
            _ => None,
        }
    }

    /// Whether the line names something, so that there is something amiss if it is not there.
    pub(crate) fn names(&self) -> bool {
        let is_value = |arg: &Arg| !matches!(arg.value, Value::Word(_));
        !self.is_so && self.args.iter().any(is_value)
    }

    /// Does what the line says, and returns what a router says of it. `rest` is its free text.
    pub(crate) fn carry_out(
        &self,
        candidate: &mut Candidate,
        mode: &mut Mode,
        form: Form,
        at: Span,
        rest: Cow<'_, str>,
    ) -> Result<Option<String>, Box<Diagnostic>> {
        let mut args = Args::new(&self.args, at.clone(), rest);
        let mut edit = Edit {
            candidate,
            mode,
            form,
            at,
            said: None,
        };
        (self.action)(&mut edit, &mut args)?;
        Ok(edit.said)
    }
}

/// A line that the tree does not take.
pub(crate) struct Stuck {
    /// How many words it took.
    pub(crate) depth: usize,
    /// Whether the line might have led into a mode.
    pub(crate) block: bool,
    /// Whether another word is nearly what was typed.
    pub(crate) meant: bool,
    /// Whether the line is one of IOS-XE that is refused by name.
    pub(crate) named: bool,
    /// The prompt of the lines below it, where the line is refused by name and has such lines on a router.
    pub(crate) leads_to: Option<&'static str>,
    /// Whether a text between delimiters follows the word that it is refused for.
    pub(crate) text_follows: bool,
    /// Whether the word of that name was written out.
    spelled: bool,
    pub(crate) diagnostic: Box<Diagnostic>,
}

impl Stuck {
    /// Whether this one, outside of every object, knows better what was meant than `inside`, in the object that the line
    /// stands in: it came further, and the object has no refusal for just that line.
    pub(crate) const fn knows_better(&self, inside: &Self) -> bool {
        self.depth > inside.depth && (self.named || !inside.named)
    }

    /// What is told of the line in the object that it stands in: nothing better than that it is unknown there, unless `outside`
    /// of every object it is one that is refused by name, and no more of it is known here. An abbreviation may be another
    /// word's, which belongs to another object.
    pub(crate) fn or_by_name(self: Box<Self>, outside: Self) -> Box<Self> {
        let names = outside.named && outside.spelled && outside.depth == self.depth && !self.named;
        if !names {
            return self;
        }
        Box::new(Self {
            named: true,
            leads_to: outside.leads_to,
            text_follows: outside.text_follows,
            diagnostic: outside.diagnostic,
            ..*self
        })
    }
}

/// Walks lines of one source.
pub(crate) struct Walker<'s> {
    pub(crate) source: &'s Arc<str>,
}

impl Walker<'_> {
    /// Looks for a line where a router does: in the mode that it stands in, and if that mode does not know it, outside of
    /// every object. Also says whether the object is left, which a line that is refused does if it is better known there.
    pub(crate) fn find(
        &self,
        here: ModeKind,
        line: &Line<'_>,
        form: Form,
        words: &[Word<'_>],
    ) -> (Result<Walked, Box<Stuck>>, bool) {
        let stuck = match self.walk(here, line, form, words) {
            Ok(walked) => return (Ok(walked), false),
            Err(stuck) => stuck,
        };
        if here == ModeKind::Global {
            return (Err(stuck), false);
        }
        match self.walk(ModeKind::Global, line, form, words) {
            Ok(walked) => (Ok(walked), true),
            Err(outside) if outside.knows_better(&stuck) => (Err(outside), true),
            Err(outside) => (Err(stuck.or_by_name(*outside)), false),
        }
    }

    /// Takes a line's words, without what [`form`] split off, in a mode.
    pub(crate) fn walk(
        &self,
        mode: ModeKind,
        line: &Line<'_>,
        form: Form,
        words: &[Word<'_>],
    ) -> Result<Walked, Box<Stuck>> {
        let mut path: Vec<&'static Node> = Vec::new();
        let mut args = Vec::new();
        let mut free = None;
        let mut rest = words;
        while let Some(word) = rest.first() {
            let chosen = match path.last() {
                None => tree::choose(mode.commands(), rest),
                Some(node) => tree::choose(followers(node), rest),
            };
            let found = match chosen {
                Ok(found) => found,
                Err(refusal) if form == Form::No && is_so(&path, &refusal) => {
                    return Ok(Walked {
                        action: |_, _| Ok(()),
                        args,
                        block: false,
                        is_so: true,
                        rest: None,
                    });
                }
                Err(refusal) => {
                    let depth = words.len().saturating_sub(rest.len());
                    return Err(self.stuck(mode, &path, line, word, depth, refusal));
                }
            };
            let last = rest.get(found.taken.saturating_sub(1)).unwrap_or(word);
            let end = last.column.saturating_add(count(last.text));
            let at = Span {
                len: end.saturating_sub(word.column),
                ..line.span(self.source, word)
            };
            if matches!(found.value, Value::Rest) {
                free = Some((word.offset, found.node.token));
            }
            args.push(Arg {
                value: found.value,
                at,
            });
            path.push(found.node);
            rest = rest.get(found.taken..).unwrap_or_default();
        }
        self.action(mode, &path, line, form)
            .map(|action| Walked {
                action,
                args,
                block: leads_into(path.last()),
                is_so: false,
                rest: free,
            })
            .map_err(|diagnostic| {
                let named = diagnostic.fault == Fault::Unsupported;
                let mode = first_mode(path.last()).filter(|_| named);
                Box::new(Stuck {
                    depth: words.len(),
                    block: leads_into(path.last()),
                    meant: false,
                    named,
                    leads_to: mode.map(ModeKind::prompt),
                    text_follows: false,
                    spelled: false,
                    diagnostic,
                })
            })
    }

    /// The text that a line begins which is not carried out, wherever it belongs: none of what follows is a line of its own.
    pub(crate) fn text_of(
        &self,
        line: &Line<'_>,
        form: Form,
        words: &[Word<'_>],
    ) -> Option<Delimited> {
        let mut modes = ModeKind::ALL.iter().filter(|_| form == Form::Set);
        modes.find_map(|mode| match self.walk(*mode, line, form, words) {
            Ok(walked) => {
                let (offset, _) = walked
                    .rest
                    .filter(|(_, token)| *token == Token::Delimited)?;
                match Delimited::begin(line, offset, self.source) {
                    Ok(Begun::Open(text)) => Some(text.passed_over()),
                    Ok(Begun::Whole(_)) | Err(_) => None,
                }
            }
            Err(stuck) if stuck.text_follows => Delimited::refused(line, self.source),
            Err(_) => None,
        })
    }

    /// What a line that ends here does.
    fn action(
        &self,
        mode: ModeKind,
        path: &[&'static Node],
        line: &Line<'_>,
        form: Form,
    ) -> Result<Action, Box<Diagnostic>> {
        let last = path.last();
        let found = match form {
            Form::Set => last.and_then(|node| node.set),
            Form::No | Form::Default => {
                // `no` needs the words up to the node that can be undone, and takes more.
                let ends = last.is_some_and(|node| node.set.is_some() || node.unset.is_some());
                path.iter()
                    .rev()
                    .find_map(|node| node.unset)
                    .filter(|_| ends)
            }
        };
        if let Some(action) = found {
            return Ok(action);
        }
        let end = Span {
            column: line.end(),
            len: 0,
            ..line.whole(self.source)
        };
        if form != Form::Set && last.is_some_and(|node| node.set.is_some()) {
            let at = line.whole(self.source);
            let message = "not supported by this headend: `no` in front of this line";
            return Err(Box::new(Diagnostic::error(Fault::Unsupported, at, message)));
        }
        if let Some(why) = last
            .and_then(|node| node.alone)
            .filter(|_| form == Form::Set)
        {
            let message = format!("not supported by this headend: {why}");
            let at = line.whole(self.source);
            return Err(Box::new(Diagnostic::error(Fault::Unsupported, at, message)));
        }
        let expected = match last {
            None => expected(mode.commands()),
            Some(node) => expected(followers(node)),
        };
        let fault = Diagnostic::error(Fault::Incomplete, end, "the line is not complete");
        Err(Box::new(fault.expecting(expected)))
    }

    fn stuck(
        &self,
        mode: ModeKind,
        path: &[&'static Node],
        line: &Line<'_>,
        word: &Word<'_>,
        depth: usize,
        refusal: Refusal,
    ) -> Box<Stuck> {
        let at = line.span(self.source, word);
        let last = path.last();
        let wanted = match last {
            None => expected(mode.commands()),
            Some(node) => expected(followers(node)),
        };
        let mut block = leads_into(last);
        let (mut leads_to, mut follows) = (None, false);
        let meant = matches!(refusal, Refusal::Unknown { meant: Some(_) });
        let named = matches!(refusal, Refusal::Unsupported { .. });
        let written = |known: &'static str| known.eq_ignore_ascii_case(word.text);
        let spelled = match last {
            None => keywords(mode.commands()).any(written),
            Some(node) => keywords(followers(node)).any(written),
        };
        let diagnostic = match refusal {
            Refusal::Unknown { meant } => {
                let mut message = match last {
                    None => format!("unknown command `{}`", word.text),
                    Some(node) if node.then.is_empty() && !node.many => {
                        "the line should end here".to_owned()
                    }
                    Some(_) => format!("`{}` cannot stand here", word.text),
                };
                if let Some(meant) = meant {
                    message.push_str(&format!("; did you mean `{meant}`?"));
                }
                Diagnostic::error(Fault::Unknown, at, message).expecting(wanted)
            }
            Refusal::Ambiguous { words } => {
                let message = format!("`{}` can mean several words", word.text);
                Diagnostic::error(Fault::Ambiguous, at, message)
                    .expecting(words.into_iter().map(ToOwned::to_owned))
            }
            Refusal::Value { why } => Diagnostic::error(Fault::Value, at, why).expecting(wanted),
            Refusal::Unsupported {
                why,
                block: below,
                text_follows,
                ..
            } => {
                // The same value may stand in a line that has none below it.
                let below = below.filter(|_| match last {
                    None => mode.commands().any(opens),
                    Some(node) => followers(node).any(opens),
                });
                block = below.is_some();
                (leads_to, follows) = (below, text_follows);
                let message = format!("not supported by this headend: {why}");
                let from = line.whole(self.source);
                let end = at.column.saturating_add(at.len);
                let at = Span {
                    len: end.saturating_sub(from.column),
                    ..from
                };
                let fault = Diagnostic::error(Fault::Unsupported, at, message);
                // One of several values was refused, and the others may do.
                let is_value = |node: &'static Node| !matches!(node.token, Token::Word(_));
                if last.is_some_and(|node| followers(node).any(is_value)) {
                    fault.expecting(wanted)
                } else {
                    fault
                }
            }
        };
        Box::new(Stuck {
            depth,
            block,
            meant,
            named,
            leads_to,
            text_follows: follows,
            spelled,
            diagnostic: Box::new(diagnostic),
        })
    }
}

/// Whether `no` in front of a line that is refused there says what is so anyway.
fn is_so(path: &[&'static Node], refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Unsupported { negated, .. } => match negated {
            Negated::Taken => path.iter().all(|node| node.unset.is_none()),
            Negated::TakenAnywhere => true,
            Negated::Refused => false,
        },
        Refusal::Unknown { .. } | Refusal::Ambiguous { .. } | Refusal::Value { .. } => false,
    }
}

/// Splits `no` or `default` off the front of a line.
pub(crate) fn form<'b, 'a>(words: &'b [Word<'a>]) -> (Form, &'b [Word<'a>]) {
    match words.split_first() {
        Some((word, rest)) if word.text.eq_ignore_ascii_case("no") => (Form::No, rest),
        Some((word, rest)) if word.text.eq_ignore_ascii_case("default") => (Form::Default, rest),
        _ => (Form::Set, words),
    }
}

/// What can follow a node: itself again if it repeats, and what hangs below it.
pub(crate) fn followers(node: &'static Node) -> impl Iterator<Item = &'static Node> + Clone {
    node.many.then_some(node).into_iter().chain(node.then)
}

fn keywords(nodes: impl Iterator<Item = &'static Node>) -> impl Iterator<Item = &'static str> {
    nodes.flat_map(|node| node.keywords().map(|(word, _)| word))
}

fn expected(nodes: impl Iterator<Item = &'static Node>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut none = true;
    for node in nodes {
        none = false;
        for word in node.expected() {
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    if none {
        [String::from("end of line")].into()
    } else {
        words
    }
}

/// Whether a line that came as far as this node might have led into a mode.
fn leads_into(node: Option<&&'static Node>) -> bool {
    first_mode(node).is_some()
}

/// Whether it leads into a mode itself.
const fn opens(node: &'static Node) -> bool {
    !node.opens.is_empty()
}

/// The mode that it might have led into first.
fn first_mode(node: Option<&&'static Node>) -> Option<ModeKind> {
    fn of(node: &Node) -> Option<ModeKind> {
        let own = node.opens.first().copied();
        own.or_else(|| node.then.iter().find_map(of))
    }
    node.and_then(|node| of(node))
}

pub(crate) fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
