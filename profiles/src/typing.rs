//! Configuration as it is typed: one line after the other changes a candidate that is at work.
//!
//! ```text
//!   line ──Typist──▶ Candidate ──resolve_live──▶ Snapshot of what is whole
//!            │ the mode that the next line stands in
//!            └▶ Typed: done, refused with its caret, left
//! ```
//!
//! [`crate::parse()`] reads the same lines by the same tables. The difference is in what a fault does: here
//! what was mistyped leads nowhere, and the next line is judged where that one stood, as on a router.
//!
//! A line of IOS-XE that is refused by name and has lines of its own leads into a mode all the same: on a router it would,
//! and the lines that follow in a paste are that mode's and nobody else's.

use alloc::{borrow::Cow, boxed::Box, format, string::String, sync::Arc, vec::Vec};

use crate::{
    command::{Form, Mode},
    delimited::{Begun, Delimited},
    error::{Diagnostic, Fault, Span},
    lexer::{Line, Lines, Word},
    model::{Candidate, name::Name},
    outline::Outline,
    tree::{ModeKind, OTHER_PROMPT, Token},
    walk::{Stuck, Walked, Walker, form, too_long},
};

/// Someone who types configuration: in which mode, and within which text.
pub struct Typist {
    source: Arc<str>,
    /// How many lines were typed.
    number: u32,
    mode: Mode,
    text: Option<Pending>,
    /// The text of a refused line, which goes on.
    refused_text: Option<Delimited>,
    /// The refused line that the next one may stand below.
    block: Option<Block>,
    /// The last line stood further to the right, or was a `!`: it is a configuration that is pasted, in which a line on the left
    /// belongs to no object before it.
    apart: bool,
}

/// A refused line with lines of its own.
struct Block {
    /// Its words up to the one that it is refused for.
    header: String,
    /// What a router shows in brackets below it.
    prompt: &'static str,
    indent: u32,
    /// Whether lines below it stand further to the right. It is told of once then.
    indented: bool,
}

/// A line whose text goes on.
struct Pending {
    walked: Walked,
    form: Form,
    at: Span,
    text: Delimited,
}

/// What a typed line came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Typed {
    /// The candidate is as the line says. So it is after an empty line and a comment.
    Done,
    /// So it is, and a router says this of it.
    Told(String),
    /// The line takes away what is not there. The candidate is as it was.
    Nothing,
    /// `end`, or `exit` outside of every object.
    Left,
    /// The candidate is as it was.
    Refused(Box<Diagnostic>),
}

impl Typist {
    /// Begins outside of every object. `source` is what the places of its lines are named by.
    pub fn new(source: &str) -> Self {
        Self {
            source: Arc::from(source),
            number: 0,
            mode: Mode::Global,
            text: None,
            refused_text: None,
            block: None,
            apart: false,
        }
    }

    /// The mode that the next line stands in.
    pub const fn mode(&self) -> ModeKind {
        match self.block {
            Some(_) => ModeKind::Refused,
            None => self.mode.kind(),
        }
    }

    /// What the router shows in brackets after its name.
    pub const fn prompt(&self) -> &'static str {
        match &self.block {
            Some(block) => block.prompt,
            None => self.mode.kind().prompt(),
        }
    }

    /// Whether the next line belongs to a text that is not at its end.
    pub const fn is_in_text(&self) -> bool {
        self.text.is_some() || self.refused_text.is_some()
    }

    /// The IKEv2 profile that is being typed.
    pub const fn profile(&self) -> Option<&Name> {
        match &self.mode {
            Mode::Object(ModeKind::Ikev2Profile, name) => Some(name),
            _ => None,
        }
    }

    /// Whether a fault of the whole is about the object that is being typed: that one is not finished.
    pub fn is_about(&self, candidate: &Candidate, fault: &Diagnostic) -> bool {
        let Some(beginning) = self.mode.beginning(candidate) else {
            return false;
        };
        let related = fault.related.as_ref().map(|(at, _)| at);
        [Some(&fault.at), related].contains(&Some(beginning))
    }

    /// Takes one line. What it asks to be carried out is in [`Candidate::actions`] afterwards.
    pub fn line(&mut self, candidate: &mut Candidate, line: &str) -> Typed {
        self.number = self.number.saturating_add(1);
        if self.mode != Mode::Global && self.mode.beginning(candidate).is_none() {
            // Something else has removed the object since.
            self.mode = Mode::Global;
        }
        if let Some(pending) = self.text.take() {
            return self.text_line(candidate, pending, line);
        }
        if let Some(text) = self.refused_text.take() {
            self.refused_text = self.rest_of(text, line);
            return Typed::Done;
        }
        // Ctrl-Z, and how a terminal shows it.
        if matches!(line.trim(), "\u{1a}" | "^Z") {
            return Typed::Left;
        }
        let mut lines = Lines::from_number(line, Arc::clone(&self.source), self.number);
        self.apart |= line.trim_end() == "!";
        let line = match lines.command() {
            None => return Typed::Done,
            Some(Err(fault)) => return Typed::Refused(fault),
            Some(Ok(line)) => line,
        };
        self.apart |= line.indent > 0;
        let (form, words) = form(&line.words);
        if let Some(block) = self.block.take()
            && let Some(typed) = self.below(block, &line, form, words)
        {
            let walker = Walker {
                source: &self.source,
            };
            self.refused_text = walker.text_of(&line, form, words);
            return typed;
        }
        let walker = Walker {
            source: &self.source,
        };
        let here = self.mode.kind();
        let (found, outside) = walker.find(here, &line, form, words);
        let walked = match found {
            Ok(walked) => walked,
            Err(stuck) => {
                let begins = self.apart && line.indent == 0 && here != ModeKind::Global;
                let outside = begins.then(|| walker.walk(ModeKind::Global, &line, form, words));
                let leads_to = match outside.and_then(Result::err) {
                    None => stuck.leads_to,
                    // Known, with no lines of its own: what follows is none of the object's before it, and stands outside too.
                    Some(outside) if outside.named && outside.leads_to.is_none() => {
                        self.mode = Mode::Global;
                        stuck.leads_to
                    }
                    Some(outside) => {
                        let leads_to = stuck.leads_to.or(outside.leads_to);
                        leads_to.or(Some(OTHER_PROMPT))
                    }
                };
                if let Some(prompt) = leads_to.filter(|_| form == Form::Set) {
                    self.mode = Mode::Global;
                    self.block = Some(Block {
                        header: read(&line, &stuck.diagnostic),
                        prompt,
                        indent: line.indent,
                        indented: false,
                    });
                }
                if stuck.text_follows && form == Form::Set {
                    self.refused_text = Delimited::refused(&line, &self.source);
                }
                return Typed::Refused(stuck.diagnostic);
            }
        };
        if line.indent == 0 {
            self.apart = false;
        }
        if outside {
            self.mode = Mode::Global;
        }
        let at = line.whole(&self.source);
        let rest = match walked.rest {
            None => Cow::Borrowed(""),
            Some((offset, Token::Delimited)) => {
                match Delimited::begin(&line, offset, &self.source) {
                    Err(fault) => return Typed::Refused(fault),
                    Ok(Begun::Whole(text)) => Cow::Owned(text),
                    Ok(Begun::Open(text)) => {
                        self.text = Some(Pending {
                            walked,
                            form,
                            at,
                            text,
                        });
                        return Typed::Done;
                    }
                }
            }
            Some((offset, _)) => Cow::Borrowed(line.text.get(offset..).unwrap_or_default()),
        };
        let leaves = match walked.alone() {
            Some("end") => true,
            Some("exit") => here == ModeKind::Global,
            _ => false,
        };
        let takes_away = form == Form::No && walked.names();
        let before = takes_away.then(|| (self.mode.clone(), Outline::of(candidate, &self.mode)));
        match self.carry_out(candidate, &walked, form, at, rest) {
            Err(fault) => Typed::Refused(fault),
            Ok(_) if leaves => Typed::Left,
            Ok(Some(said)) => Typed::Told(said),
            Ok(None)
                if before.is_some_and(|(mode, before)| before == Outline::of(candidate, &mode)) =>
            {
                Typed::Nothing
            }
            Ok(None) => Typed::Done,
        }
    }

    /// What becomes of a line that follows a refused one; nothing if it is none of that one's own.
    fn below(
        &mut self,
        mut block: Block,
        line: &Line<'_>,
        form: Form,
        words: &[Word<'_>],
    ) -> Option<Typed> {
        let walker = Walker {
            source: &self.source,
        };
        let is_indented = line.indent > block.indent;
        if let Ok(left) = walker.walk(ModeKind::Refused, line, form, words) {
            return match left.alone() {
                // It may leave a mode within this one.
                Some("exit") if is_indented => {
                    self.block = Some(block);
                    Some(Typed::Done)
                }
                Some("exit") => Some(Typed::Done),
                _ => {
                    self.mode = Mode::Global;
                    Some(Typed::Left)
                }
            };
        }
        let typed = if is_indented {
            if block.indented {
                Typed::Done
            } else {
                block.indented = true;
                Typed::Refused(block.refusal(line, &self.source))
            }
        } else if block.indented {
            return None;
        } else {
            match walker.walk(ModeKind::Global, line, form, words) {
                Ok(_) => return None,
                Err(outside) if outside.leads_to.is_some() => return None,
                Err(outside) if outside.text_follows => Typed::Refused(outside.diagnostic),
                Err(outside) if is_inner(&walker, &outside, line, form, words) => {
                    Typed::Refused(block.refusal(line, &self.source))
                }
                Err(outside) if outside.named => Typed::Refused(outside.diagnostic),
                // Of such a line more is known outside than that its first word is one there too.
                Err(outside) if outside.depth > 1 => return None,
                Err(outside) if outside.diagnostic.fault != Fault::Unknown => return None,
                Err(_) => Typed::Refused(block.refusal(line, &self.source)),
            }
        };
        self.block = Some(block);
        Some(typed)
    }

    /// What is still open of a refused line's text behind a further line.
    fn rest_of(&self, mut text: Delimited, line: &str) -> Option<Delimited> {
        let mut lines = Lines::from_number(line, Arc::clone(&self.source), self.number);
        let is_last = match lines.raw() {
            Some(Ok(line)) => text.more(line),
            Some(Err(_)) | None => text.more(""),
        };
        (!is_last && text.has_room()).then_some(text)
    }

    /// A line of a text.
    fn text_line(&mut self, candidate: &mut Candidate, mut pending: Pending, line: &str) -> Typed {
        let mut lines = Lines::from_number(line, Arc::clone(&self.source), self.number);
        match lines.raw() {
            Some(Err(fault)) => return Typed::Refused(fault),
            Some(Ok(line)) if pending.text.more(line) => {
                let Pending {
                    walked,
                    form,
                    at,
                    text,
                } = pending;
                let rest = Cow::Owned(text.finish());
                return match self.carry_out(candidate, &walked, form, at, rest) {
                    Ok(_) => Typed::Done,
                    Err(fault) => Typed::Refused(fault),
                };
            }
            Some(Ok(_)) => {}
            None => {
                pending.text.more("");
            }
        }
        if !pending.text.has_room() {
            return Typed::Refused(pending.text.endless(pending.at));
        }
        self.text = Some(pending);
        Typed::Done
    }

    fn carry_out(
        &mut self,
        candidate: &mut Candidate,
        walked: &Walked,
        form: Form,
        at: Span,
        rest: Cow<'_, str>,
    ) -> Result<Option<String>, Box<Diagnostic>> {
        match too_long(&rest, &at) {
            Some(fault) => Err(Box::new(fault)),
            None => walked.carry_out(candidate, &mut self.mode, form, at, rest),
        }
    }
}

impl Block {
    /// What is said of a line below. Only its first word is known to be no secret.
    fn refusal(&self, line: &Line<'_>, source: &Arc<str>) -> Box<Diagnostic> {
        let header = &self.header;
        let at = line.words.first().map(|word| line.span(source, word));
        let at = at.unwrap_or_else(|| line.whole(source));
        let message = format!("not supported by this headend: what stands below `{header}`");
        Box::new(Diagnostic::error(Fault::Unsupported, at, message))
    }
}

/// Whether some object would know more of a line than is known outside of every one.
fn is_inner(
    walker: &Walker<'_>,
    outside: &Stuck,
    line: &Line<'_>,
    form: Form,
    words: &[Word<'_>],
) -> bool {
    let mut inner = ModeKind::ALL.iter().skip(1);
    inner.any(|mode| match walker.walk(*mode, line, form, words) {
        Ok(_) => true,
        Err(stuck) => stuck.depth > outside.depth,
    })
}

/// The words of a line up to where a fault ends.
fn read(line: &Line<'_>, fault: &Diagnostic) -> String {
    let end = fault.at.column.saturating_add(fault.at.len);
    let read = line.words.iter().filter(|word| word.column < end);
    let read: Vec<&str> = read.map(|word| word.text).collect();
    read.join(" ")
}

#[cfg(test)]
mod tests;
