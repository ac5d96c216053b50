//! Configuration as it is typed: one line after the other changes a candidate that is at work.
//!
//! ```text
//!   line ──Typist──▶ Candidate ──resolve_live──▶ Snapshot of what is whole
//!            │ the mode that the next line stands in
//!            └▶ Typed: done, refused with its caret, left
//! ```
//!
//! [`crate::parse()`] reads the same lines by the same tables. The difference is in what a fault does: here
//! nothing below a refused line is passed over, for whoever types sees it refused.

use alloc::{borrow::Cow, boxed::Box, sync::Arc};

use crate::{
    command::{Form, Mode},
    delimited::{Begun, Delimited},
    error::{Diagnostic, Span},
    lexer::Lines,
    model::{Candidate, name::Name},
    tree::{ModeKind, Token},
    walk::{Walked, Walker, form, too_long},
};

/// Someone who types configuration: in which mode, and within which text.
pub struct Typist {
    source: Arc<str>,
    /// How many lines were typed.
    number: u32,
    mode: Mode,
    text: Option<Pending>,
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
        }
    }

    /// The mode that the next line stands in.
    pub const fn mode(&self) -> ModeKind {
        self.mode.kind()
    }

    /// Whether the next line belongs to a text that is not at its end.
    pub const fn is_in_text(&self) -> bool {
        self.text.is_some()
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
        // Ctrl-Z, and how a terminal shows it.
        if matches!(line.trim(), "\u{1a}" | "^Z") {
            return Typed::Left;
        }
        let mut lines = Lines::from_number(line, Arc::clone(&self.source), self.number);
        let line = match lines.command() {
            None => return Typed::Done,
            Some(Err(fault)) => return Typed::Refused(fault),
            Some(Ok(line)) => line,
        };
        let (form, words) = form(&line.words);
        let walker = Walker {
            source: &self.source,
        };
        let here = self.mode.kind();
        let (found, outside) = walker.find(here, &line, form, words);
        let walked = match found {
            Ok(walked) => walked,
            Err(stuck) => return Typed::Refused(stuck.diagnostic),
        };
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
        match self.carry_out(candidate, &walked, form, at, rest) {
            Err(fault) => Typed::Refused(fault),
            Ok(()) if leaves => Typed::Left,
            Ok(()) => Typed::Done,
        }
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
                    Ok(()) => Typed::Done,
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
    ) -> Result<(), Box<Diagnostic>> {
        match too_long(&rest, &at) {
            Some(fault) => Err(Box::new(fault)),
            None => walked.carry_out(candidate, &mut self.mode, form, at, rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, parse};

    fn typed(lines: &[&str]) -> (Typist, Candidate, Typed) {
        let mut typist = Typist::new("terminal");
        let mut candidate = Candidate::default();
        let mut last = Typed::Done;
        for line in lines {
            last = typist.line(&mut candidate, line);
        }
        (typist, candidate, last)
    }

    #[test]
    fn lines_lead_into_modes_and_out_of_them() {
        let mut typist = Typist::new("terminal");
        let mut candidate = Candidate::default();
        for (line, mode) in [
            ("crypto ikev2 proposal P", ModeKind::Ikev2Proposal),
            ("encr aes-cbc-256", ModeKind::Ikev2Proposal),
            ("exit", ModeKind::Global),
            ("cry ikev key K", ModeKind::Ikev2Keyring),
            ("peer A", ModeKind::Ikev2KeyringPeer),
            ("exit", ModeKind::Ikev2Keyring),
            // A line of another mode leaves this one.
            ("crypto ikev2 proposal P", ModeKind::Ikev2Proposal),
            ("! a comment", ModeKind::Ikev2Proposal),
            ("", ModeKind::Ikev2Proposal),
            ("no crypto ikev2 proposal P", ModeKind::Global),
        ] {
            assert_eq!(typist.line(&mut candidate, line), Typed::Done, "{line}");
            assert_eq!(typist.mode(), mode, "{line}");
        }
        for line in ["exit", "end", "\u{1a}", "^Z"] {
            assert_eq!(typist.line(&mut candidate, line), Typed::Left, "{line:?}");
        }
        typist.line(&mut candidate, "crypto ikev2 keyring K");
        assert_eq!(typist.line(&mut candidate, "end"), Typed::Left);
    }

    #[test]
    fn a_refused_line_changes_nothing_and_the_next_one_is_judged_by_itself() {
        let (mut typist, mut candidate, last) =
            typed(&["hostname a", "crypto isakmp policy 1", "encr aes"]);
        let Typed::Refused(fault) = last else {
            panic!("{last:?}")
        };
        assert_eq!((fault.fault, fault.at.line), (Fault::Unknown, 3));
        let before = candidate.clone();
        let wrong = typist.line(&mut candidate, "crypto ikev2 window 900");
        assert!(matches!(wrong, Typed::Refused(_)));
        assert_eq!(candidate, before);
    }

    #[test]
    fn a_line_that_is_refused_by_name_is_so_in_every_object() {
        const OBJECTS: [&str; 9] = [
            "hostname Router",
            "crypto ikev2 authorization policy A",
            "crypto ikev2 profile P",
            "crypto ikev2 keyring K",
            "crypto ikev2 proposal P",
            "crypto ipsec profile I",
            "interface GigabitEthernet1",
            "interface Virtual-Template1 type tunnel",
            "ip access-list standard L",
        ];
        let refusal = |object: &str, line: &str| match typed(&[object, line]) {
            (typist, _, Typed::Refused(fault)) => (typist.mode(), fault),
            (_, _, other) => panic!("{object}: {line}: {other:?}"),
        };
        for line in [
            "router ospf 1",
            "line vty 0 4",
            "ntp server 192.0.2.1",
            "snmp-server community x",
            "ip route 0.0.0.0 0.0.0.0 192.0.2.1",
            "crypto isakmp policy 1",
        ] {
            let (_, outside) = refusal("hostname Router", line);
            assert_eq!(outside.fault, Fault::Unsupported, "{line}");
            for object in OBJECTS {
                let (mode, inside) = refusal(object, line);
                assert_eq!(inside.message, outside.message, "{object}: {line}");
                // The next line belongs where this one stood.
                let (typist, _, _) = typed(&[object]);
                assert_eq!(mode, typist.mode(), "{object}: {line}");
                // So it is in a file, however it is written there.
                for indent in [" ", ""] {
                    let parsed = parse(&format!("{object}\n{indent}{line}\n"), "file");
                    let told = parsed.diagnostics.iter().map(|one| &*one.message);
                    assert!(told.eq([&*outside.message]), "{object}: {line}");
                }
            }
        }
        // What belongs to another object is not taken for the beginning of such a line.
        let (_, inside) = refusal("crypto ikev2 profile P", "route set interface");
        assert_eq!(inside.fault, Fault::Unknown);
    }

    #[test]
    fn an_object_that_is_gone_is_not_typed_into() {
        let (mut typist, mut candidate, _) = typed(&["crypto ikev2 policy P"]);
        candidate.policies.remove("P");
        let line = typist.line(&mut candidate, "proposal x");
        assert!(matches!(line, Typed::Refused(fault) if fault.fault == Fault::Unknown));
        assert_eq!(typist.mode(), ModeKind::Global);
    }

    #[test]
    fn a_banner_is_typed_over_several_lines() {
        let lines = [
            "crypto ikev2 authorization policy p",
            "banner #one",
            "! two",
            "",
            "three#",
            "pfs",
        ];
        let (typist, candidate, last) = typed(&lines);
        assert_eq!(last, Typed::Done);
        assert!(!typist.is_in_text());
        assert_eq!(candidate, parse(&lines.join("\n"), "file").candidate);
        let (mut typist, mut candidate, _) = typed(&lines[..2]);
        assert!(typist.is_in_text());
        let mut last = Typed::Done;
        for _ in 0..60 {
            last = typist.line(&mut candidate, "more");
            if last != Typed::Done {
                break;
            }
        }
        assert!(matches!(last, Typed::Refused(fault) if fault.fault == Fault::Incomplete));
    }

    #[test]
    fn what_is_typed_is_what_is_read_from_a_file() {
        let text = include_str!("../../examples/flexvpn-headend.conf");
        let lines: Vec<&str> = text.lines().collect();
        let (_, mut candidate, last) = typed(&lines);
        candidate.settle();
        assert_eq!(last, Typed::Done);
        assert_eq!(candidate, parse(text, "file").candidate);
    }
}
