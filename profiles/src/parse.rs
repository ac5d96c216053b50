//! Text to [`Candidate`]: walks the command tree line by line and collects every fault.
//!
//! A line is tried in the mode that it stands in, and if that mode does not know it, outside of
//! every object, as a router does; that is why indentation does not matter. Of a line that neither
//! knows it tells where it was meant to stand. A line below one that was refused is not judged: its
//! mode was never entered.

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
    error::{Diagnostic, Fault, Span},
    lexer::{LINE_LIMIT, Line, Lines, Word},
    model::Candidate,
    tree::{self, ModeKind, Node, Refusal, Token, Value},
};

/// Most faults that are told of one text.
pub const DIAGNOSTIC_LIMIT: usize = 1000;

/// Longest free text in a line, in octets: less than a line, so that the canonical spelling of the
/// words in front of it never makes the line too long to be read again.
const TEXT_LIMIT: usize = LINE_LIMIT / 2;

/// Most lines that a banner can run over.
const BANNER_LINES: usize = 50;

/// A text read: what it says, and what is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parsed {
    /// What the lines without fault say.
    pub candidate: Candidate,
    /// The faults, in the order of the lines.
    pub diagnostics: Vec<Diagnostic>,
    /// Where the objects begin that a faulty line belongs to: what they hold is not all that
    /// someone wrote.
    pub(crate) damaged: Vec<Span>,
}

impl Parsed {
    /// Whether the text may be applied: no diagnostic is an error.
    pub fn is_clean(&self) -> bool {
        self.diagnostics
            .iter()
            .all(|d| d.severity != crate::Severity::Error)
    }
}

/// Reads a configuration. `source_name` is how diagnostics name it, usually the file's name.
///
/// Never fails as a whole: a line with a fault is told of and left out, and the reading goes on,
/// up to [`DIAGNOSTIC_LIMIT`] faults. Nothing is opened or carried out; see
/// [`Candidate::actions`].
pub fn parse(text: &str, source_name: &str) -> Parsed {
    let source = Arc::from(source_name);
    let mut parser = Parser {
        lines: Lines::new(text, Arc::clone(&source)),
        source,
        candidate: Candidate::default(),
        mode: Mode::Global,
        outermost: 0,
        indented: false,
        passed_over: None,
        diagnostics: Vec::new(),
        damaged: Vec::new(),
    };
    while let Some(line) = parser.lines.command() {
        match line {
            Ok(line) => parser.line(&line),
            Err(fault) => parser.diagnostics.push(*fault),
        }
        if parser.diagnostics.len() >= DIAGNOSTIC_LIMIT {
            let at = Span {
                source: parser.source,
                line: 0,
                column: 0,
                len: 0,
            };
            let message = format!("{DIAGNOSTIC_LIMIT} faults; the rest is not read");
            parser
                .diagnostics
                .push(Diagnostic::error(Fault::Limit, at, message));
            break;
        }
    }
    // A router lists standard access lists first; their order means nothing.
    parser.candidate.access_lists.sort_by_key(|list| list.kind);
    Parsed {
        candidate: parser.candidate,
        diagnostics: parser.diagnostics,
        damaged: parser.damaged,
    }
}

struct Parser<'a> {
    lines: Lines<'a>,
    source: Arc<str>,
    candidate: Candidate,
    mode: Mode,
    /// The indentation of the line that left the global mode last.
    outermost: u32,
    /// Whether lines stand further to the right than the one whose mode they are in, as far as the last one tells.
    indented: bool,
    /// A refused line whose own lines are not judged.
    passed_over: Option<PassedOver>,
    diagnostics: Vec<Diagnostic>,
    damaged: Vec<Span>,
}

/// The line above those that are passed over.
struct PassedOver {
    indent: u32,
    /// Whether it is known to have lines of its own.
    block: bool,
}

/// A line walked to its end.
struct Walked {
    /// What the line does.
    action: Action,
    args: Vec<Arg>,
    /// Whether the line leads into a mode.
    block: bool,
    /// The octet at which the free text of the line begins, and the form of that text.
    rest: Option<(usize, Token)>,
}

/// A line that the tree does not take.
struct Stuck {
    /// How many words it took.
    depth: usize,
    /// Whether the line might have led into a mode.
    block: bool,
    /// Whether another word is nearly what was typed.
    meant: bool,
    diagnostic: Box<Diagnostic>,
}

impl<'a> Parser<'a> {
    fn line(&mut self, line: &Line<'a>) {
        let (form, words) = form(&line.words);
        if self.is_passed_over(line, form, words) {
            return;
        }
        let here = self.mode.kind();
        let stuck = match self.walk(here, line, form, words) {
            Ok(walked) => {
                if here == ModeKind::Global {
                    self.outermost = line.indent;
                } else {
                    self.indented = line.indent > self.outermost;
                }
                return self.run(line, form, walked);
            }
            Err(stuck) => stuck,
        };
        let stuck = if here == ModeKind::Global {
            stuck
        } else {
            match self.walk(ModeKind::Global, line, form, words) {
                Ok(walked) => {
                    self.mode = Mode::Global;
                    self.outermost = line.indent;
                    return self.run(line, form, walked);
                }
                // Whichever came further knows better what was meant.
                Err(outside) if outside.depth > stuck.depth => {
                    self.mode = Mode::Global;
                    outside
                }
                // So does where it stands; in a text without indentation, only that of which nothing is known here.
                Err(outside) if outside.depth == stuck.depth && line.indent <= self.outermost => {
                    if self.indented {
                        self.mode = Mode::Global;
                        outside
                    } else if stuck.depth == 0 && !stuck.meant {
                        outside
                    } else {
                        stuck
                    }
                }
                Err(_) => stuck,
            }
        };
        self.refuse(line, stuck.block, *stuck.diagnostic);
    }

    fn refuse(&mut self, line: &Line<'a>, block: bool, diagnostic: Diagnostic) {
        // In a mode that is still standing, the lines that follow are its lines, unless this one may have been to hold them.
        let outside = !self.indented && line.indent <= self.outermost;
        if self.mode == Mode::Global || block || outside {
            self.passed_over = Some(PassedOver {
                indent: line.indent,
                block,
            });
        }
        if block {
            self.mode = Mode::Global;
        }
        self.damaged
            .extend(self.mode.beginning(&self.candidate).cloned());
        self.diagnostics.push(diagnostic);
    }

    /// Whether a line belongs below one that was refused. Ends the passing over if not.
    fn is_passed_over(&mut self, line: &Line<'a>, form: Form, words: &[Word<'a>]) -> bool {
        let Some(above) = &self.passed_over else {
            return false;
        };
        let below = line.indent > above.indent || {
            // Without indentation: a line that only an object can hold.
            match self.walk(ModeKind::Global, line, form, words) {
                Ok(_) => false,
                Err(outside) => {
                    let mut inner = ModeKind::ALL.iter().skip(1);
                    above.block
                        && inner.any(|mode| match self.walk(*mode, line, form, words) {
                            Ok(_) => true,
                            Err(stuck) => stuck.depth > outside.depth,
                        })
                }
            }
        };
        if !below {
            self.passed_over = None;
        }
        below
    }

    fn run(&mut self, line: &Line<'a>, form: Form, walked: Walked) {
        let at = line.whole(&self.source);
        let rest = match walked.rest {
            None => Cow::Borrowed(""),
            Some((offset, Token::Delimited)) => match self.delimited(line, offset) {
                Ok(text) => Cow::Owned(text),
                Err(fault) => return self.diagnostics.push(*fault),
            },
            Some((offset, _)) => Cow::Borrowed(line.text.get(offset..).unwrap_or_default()),
        };
        if rest.len() > TEXT_LIMIT {
            let message = format!("a text of {} octets, more than {TEXT_LIMIT}", rest.len());
            return self
                .diagnostics
                .push(Diagnostic::error(Fault::Limit, at, message));
        }
        let mut edit = Edit {
            candidate: &mut self.candidate,
            mode: &mut self.mode,
            form,
            at: at.clone(),
        };
        let mut args = Args::new(&walked.args, at, rest);
        if let Err(fault) = (walked.action)(&mut edit, &mut args) {
            self.refuse(line, walked.block, *fault);
        }
    }

    /// Reads a text between delimiters, over following lines if the first does not end it. Its
    /// delimiter is `^C` as routers print it, or the first character.
    fn delimited(&mut self, line: &Line<'a>, offset: usize) -> Result<String, Box<Diagnostic>> {
        let text = line.text.get(offset..).unwrap_or_default();
        let first = text.chars().next().map_or(0, char::len_utf8);
        let end = if text.starts_with("^C") { 2 } else { first };
        let (delimiter, text) = text.split_at_checked(end).unwrap_or((text, ""));
        if let Some((banner, after)) = text.split_once(delimiter) {
            return if after.trim().is_empty() {
                Ok(banner.to_owned())
            } else {
                let at = Span {
                    column: line.end().saturating_sub(count(after.trim_start())),
                    len: count(after.trim()),
                    ..line.whole(&self.source)
                };
                Err(Box::new(Diagnostic::error(
                    Fault::Unknown,
                    at,
                    "text after the delimiter",
                )))
            };
        }
        let mut banner = text.to_owned();
        for _ in 0..BANNER_LINES {
            let Some(next) = self.lines.raw() else { break };
            let next = next?;
            banner.push('\n');
            if let Some((last, _)) = next.split_once(delimiter) {
                banner.push_str(last);
                return Ok(banner);
            }
            banner.push_str(next);
        }
        let message = "the text has no end";
        let fault = Diagnostic::error(Fault::Incomplete, line.whole(&self.source), message);
        Err(Box::new(fault.expecting([format!(
            "`{delimiter}` within {BANNER_LINES} lines"
        )])))
    }

    fn walk(
        &self,
        mode: ModeKind,
        line: &Line<'a>,
        form: Form,
        words: &[Word<'a>],
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
            let found = chosen.map_err(|refusal| {
                self.stuck(
                    mode,
                    &path,
                    line,
                    word,
                    words.len().saturating_sub(rest.len()),
                    refusal,
                )
            })?;
            let last = rest.get(found.taken.saturating_sub(1)).unwrap_or(word);
            let end = last.column.saturating_add(count(last.text));
            let at = Span {
                len: end.saturating_sub(word.column),
                ..line.span(&self.source, word)
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
                rest: free,
            })
            .map_err(|diagnostic| {
                Box::new(Stuck {
                    depth: words.len(),
                    block: leads_into(path.last()),
                    meant: false,
                    diagnostic,
                })
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
            ..line.whole(&self.source)
        };
        if form != Form::Set && last.is_some_and(|node| node.set.is_some()) {
            let at = line.whole(&self.source);
            let message = "this line has no `no` form";
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
        let at = line.span(&self.source, word);
        let last = path.last();
        let wanted = match last {
            None => expected(mode.commands()),
            Some(node) => expected(followers(node)),
        };
        let mut block = leads_into(last);
        let meant = matches!(refusal, Refusal::Unknown { meant: Some(_) });
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
            Refusal::Unsupported { why, block: below } => {
                block = below;
                let message = format!("not supported by this headend: {why}");
                let from = line.whole(&self.source);
                let end = at.column.saturating_add(at.len);
                let at = Span {
                    len: end.saturating_sub(from.column),
                    ..from
                };
                Diagnostic::error(Fault::Unsupported, at, message)
            }
        };
        Box::new(Stuck {
            depth,
            block,
            meant,
            diagnostic: Box::new(diagnostic),
        })
    }
}

/// Splits `no` or `default` off the front of a line.
fn form<'b, 'a>(words: &'b [Word<'a>]) -> (Form, &'b [Word<'a>]) {
    match words.split_first() {
        Some((word, rest)) if word.text.eq_ignore_ascii_case("no") => (Form::No, rest),
        Some((word, rest)) if word.text.eq_ignore_ascii_case("default") => (Form::Default, rest),
        _ => (Form::Set, words),
    }
}

/// What can follow a node: itself again if it repeats, and what hangs below it.
fn followers(node: &'static Node) -> impl Iterator<Item = &'static Node> + Clone {
    node.many.then_some(node).into_iter().chain(node.then)
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
    fn any(node: &Node) -> bool {
        !node.opens.is_empty() || node.then.iter().any(any)
    }
    node.is_some_and(|node| any(node))
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
