//! Text to [`Candidate`]: walks the command tree line by line and collects every fault.
//!
//! A line is tried in the mode that it stands in, and if that mode does not know it, outside of
//! every object, as a router does; that is why indentation does not matter. Of a line that neither
//! knows it tells where it was meant to stand. A line below one that was refused is not judged: its
//! mode was never entered.

use alloc::{borrow::Cow, boxed::Box, format, string::String, sync::Arc, vec::Vec};

use crate::{
    command::{Form, Mode},
    delimited::{Begun, Delimited},
    error::{Diagnostic, Fault, Span},
    lexer::{Line, Lines, Word},
    model::Candidate,
    tree::{ModeKind, Token},
    walk::{Walked, Walker, form, too_long},
};

/// Most faults that are told of one text.
pub const DIAGNOSTIC_LIMIT: usize = 1000;

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
    parser.candidate.settle();
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

impl<'a> Parser<'a> {
    fn line(&mut self, line: &Line<'a>) {
        let (form, words) = form(&line.words);
        if self.is_passed_over(line, form, words) {
            if let Some(text) = self.walker().text_of(line, form, words) {
                self.pass_over(text);
            }
            return;
        }
        let here = self.mode.kind();
        let stuck = match self.walker().walk(here, line, form, words) {
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
            match self.walker().walk(ModeKind::Global, line, form, words) {
                Ok(walked) => {
                    self.mode = Mode::Global;
                    self.outermost = line.indent;
                    return self.run(line, form, walked);
                }
                Err(outside) if outside.knows_better(&stuck) => {
                    self.mode = Mode::Global;
                    outside
                }
                // So does where it stands; in a text without indentation, only that of which nothing is known here.
                Err(outside) if outside.depth == stuck.depth && line.indent <= self.outermost => {
                    if self.indented {
                        self.mode = Mode::Global;
                        outside
                    } else if stuck.depth == 0 && !stuck.meant && !stuck.named {
                        outside
                    } else {
                        stuck.or_by_name(*outside)
                    }
                }
                Err(outside) => stuck.or_by_name(*outside),
            }
        };
        let follows = stuck.text_follows;
        self.refuse(line, stuck.block, *stuck.diagnostic);
        if follows && let Some(text) = Delimited::refused(line, &self.source) {
            self.pass_over(text);
        }
    }

    const fn walker(&self) -> Walker<'_> {
        Walker {
            source: &self.source,
        }
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
            match self.walker().walk(ModeKind::Global, line, form, words) {
                Ok(_) => false,
                // A router's own text, whichever object has one of that name.
                Err(outside) if outside.text_follows => false,
                Err(outside) => {
                    let mut inner = ModeKind::ALL.iter().skip(1);
                    above.block
                        && inner.any(|mode| match self.walker().walk(*mode, line, form, words) {
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
        if let Some(fault) = too_long(&rest, &at) {
            return self.diagnostics.push(fault);
        }
        let done = walked.carry_out(&mut self.candidate, &mut self.mode, form, at, rest);
        if let Err(fault) = done {
            self.refuse(line, walked.block, *fault);
        }
    }

    /// Passes over the text of a refused line.
    fn pass_over(&mut self, mut text: Delimited) {
        while text.has_room()
            && let Some(next) = self.lines.raw()
        {
            if next.is_ok_and(|next| text.more(next)) {
                return;
            }
        }
    }

    /// Reads a text between delimiters, over following lines if the first does not end it.
    fn delimited(&mut self, line: &Line<'a>, offset: usize) -> Result<String, Box<Diagnostic>> {
        let mut text = match Delimited::begin(line, offset, &self.source)? {
            Begun::Whole(text) => return Ok(text),
            Begun::Open(text) => text,
        };
        while text.has_room() {
            let Some(next) = self.lines.raw() else { break };
            if text.more(next?) {
                return Ok(text.finish());
            }
        }
        Err(text.endless(line.whole(&self.source)))
    }
}
