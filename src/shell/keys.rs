//! What a key does that the line editor does not do by itself: help, Ctrl-Z, and what comes faster than it can be shown.
//!
//! A paste is not shown key by key, nor carried out line by line, for as long as more of it is there already: see [`Burst`].

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustyline::{
    Cmd, ConditionalEventHandler, Event, EventContext, KeyCode, KeyEvent, Modifiers, RepeatCount,
};

use super::signals;

/// The longest line that can be typed, in octets: what is longer is a paste that went wrong.
pub(super) const MAX_TYPED: usize = 1024;

/// Octets that the editor reads at a time.
const READ_AT_A_TIME: usize = 1024;

/// Lines that are kept until they are carried out, at most.
const LINES: usize = 500;

/// Octets of them, at most.
const OCTETS: usize = 64 * 1024;

/// What was pressed that the editor cannot answer by itself.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// `?`, at this place.
    pub(super) help: Option<usize>,
    /// More than [`MAX_TYPED`] was typed, and nothing of it was taken back.
    pub(super) too_long: bool,
    /// Ctrl-Z was pressed.
    pub(super) leave: bool,
    /// Lines that have come at once.
    pub(super) pasted: Option<Pasted>,
    /// What may become some.
    pub(super) burst: Burst,
    /// One key answers what is asked.
    pub(super) asks: bool,
    /// That key says so.
    pub(super) confirmed: bool,
}

impl Wish {
    /// What there is of it. What is typed on is still looked at.
    pub(super) fn take(&mut self) -> Self {
        let burst = mem::take(&mut self.burst);
        let taken = mem::take(self);
        self.burst = burst;
        taken
    }

    /// A key comes, which may be the one that answers: Enter and `y` confirm.
    fn answer(&mut self, key: KeyEvent, ends: bool) -> Option<Cmd> {
        if !self.asks {
            return None;
        }
        if ends {
            return Some(Cmd::Noop);
        }
        self.asks = false;
        let is_yes = matches!(key, KeyEvent(KeyCode::Char('y' | 'Y'), Modifiers::NONE));
        self.confirmed = is_enter(key) || is_yes;
        Some(Cmd::AcceptLine)
    }

    /// A key comes to a line of so many octets: one that was too long and has been shortened is what its user sees.
    const fn see(&mut self, length: usize) {
        if length < MAX_TYPED {
            self.too_long = false;
        }
    }
}

/// Lines that have come at once, and none of which is carried out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pasted {
    /// Whole lines. The first is on the screen already.
    pub(super) lines: Vec<Line>,
    /// What there is of the next one; it is on no screen.
    pub(super) begun: Line,
    /// The key that was pressed behind that.
    pub(super) then: Option<Then>,
}

/// A line of a paste.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// It, or the beginning of one that is too long.
    pub(super) text: String,
    /// More than [`MAX_TYPED`] came.
    pub(super) too_long: bool,
}

/// A key that does something with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// `?`
    Help,
    /// Ctrl-Z
    Leave,
    /// Ctrl-C
    Interrupt,
    /// Ctrl-D
    End,
}

/// What comes of a key.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The editor does with it what it does.
    Edit,
    /// Nothing yet: more comes for certain.
    Hold,
    /// Nothing: it is no key of its own.
    Pass,
    /// The editor shows what was held.
    Show(String),
    /// What was held is to be carried out.
    Leave(Pasted),
}

/// What is typed faster than it can be shown.
///
/// The editor writes each character by itself, and each line needs an answer from the daemon and settings of the terminal: with
/// many lines at once that is what they cost. So lines are gathered here for as long as it is certain that more octets come, and nobody
/// has to wait for anything: what waits at the terminal was typed already. The screen shows them with what is said of
/// each, as if they had been typed one after the other.
///
/// How many octets come for certain is what the terminal says, and what it had said before and the editor has read since.
#[derive(Debug, Default)]
pub(super) struct Burst {
    /// There is a use for it: lines of a configuration are typed.
    on: bool,
    /// Octets that come for certain.
    known: usize,
    /// What waited at the terminal at the last key.
    waited: Option<usize>,
    lines: Vec<Line>,
    octets: usize,
    line: Line,
    /// The last key was a carriage return.
    returned: bool,
}

impl Burst {
    /// Whether a key is but the end of the one before it: a line that ends with CR and LF has one end.
    fn ends(&mut self, key: KeyEvent) -> bool {
        let is_return = key == KeyEvent(KeyCode::Enter, Modifiers::NONE);
        let is_behind_return = mem::replace(&mut self.returned, is_return);
        is_behind_return && key == KeyEvent::ctrl('J')
    }

    /// A line begins; whether it is one of a configuration.
    pub(super) const fn begin(&mut self, on: bool) {
        self.on = on;
    }

    /// Somebody else may have read what was typed.
    pub(super) const fn forget(&mut self) {
        self.known = 0;
        self.waited = None;
    }

    /// Whether more was typed than has come to anything.
    pub(super) const fn goes_on(&self) -> bool {
        self.known > 0
    }

    /// The editor has given up, and with it what it had read. Returns the whole lines before that.
    pub(super) fn give_up(&mut self) -> Vec<Line> {
        self.forget();
        self.octets = 0;
        self.line = Line::default();
        mem::take(&mut self.lines)
    }

    /// A key comes, to a line that is empty or not, and may be but the [end](Self::ends) of the one before; `waiting` are the octets
    /// behind it at the terminal.
    fn key(
        &mut self,
        key: KeyEvent,
        ends: bool,
        is_empty: bool,
        waiting: impl FnOnce() -> usize,
    ) -> Step {
        if !self.on {
            return if ends { Step::Pass } else { Step::Edit };
        }
        self.count(key, waiting);
        let KeyEvent(code, modifiers) = key;
        let held = !self.lines.is_empty() || self.has_begun();
        if ends && !held {
            return Step::Pass;
        }
        if !held && (self.known == 0 || !is_empty) {
            return Step::Edit;
        }
        let then = match (code, modifiers) {
            (KeyCode::Char('?'), Modifiers::NONE) => Some(Then::Help),
            (KeyCode::Char('Z'), Modifiers::CTRL) => Some(Then::Leave),
            (KeyCode::Char('C'), Modifiers::CTRL) => Some(Then::Interrupt),
            (KeyCode::Char('D'), Modifiers::CTRL) => Some(Then::End),
            _ => None,
        };
        if let Some(then) = then {
            return if held {
                self.leave(Some(then))
            } else {
                Step::Edit
            };
        }
        match (code, modifiers) {
            _ if ends => {}
            (KeyCode::Char(one), Modifiers::NONE) => self.push(one),
            // In a line that nobody has seen yet there is nothing to be completed.
            (KeyCode::Tab, Modifiers::NONE) => self.push(' '),
            (KeyCode::Backspace, Modifiers::NONE) if self.line.too_long => {}
            (KeyCode::Backspace, Modifiers::NONE) => {
                self.line.text.pop();
            }
            (KeyCode::Char('U'), Modifiers::CTRL) => self.line = Line::default(),
            _ if is_enter(key) => {
                let line = mem::take(&mut self.line);
                self.octets = self.octets.saturating_add(line.text.len());
                self.lines.push(line);
                if self.lines.len() >= LINES || self.octets >= OCTETS {
                    return self.leave(None);
                }
            }
            // One that moves within a line, or calls back another, has nothing to move in.
            _ if !held => return Step::Edit,
            _ => {}
        }
        match self.known {
            0 if self.lines.is_empty() && !self.line.too_long => {
                Step::Show(mem::take(&mut self.line).text)
            }
            0 => self.leave(None),
            _ => Step::Hold,
        }
    }

    /// Finds out what comes for certain behind a key.
    fn count(&mut self, key: KeyEvent, waiting: impl FnOnce() -> usize) {
        let octets = octets(key);
        self.known = octets.map_or(0, |octets| self.known.saturating_sub(octets));
        if self.known > READ_AT_A_TIME {
            self.waited = None;
            return;
        }
        let waiting = waiting();
        // It reads when it has nothing left: what has gone from the terminal since the last key is this key, and what comes next.
        let read = self.waited.and_then(|before| before.checked_sub(waiting));
        let with_editor = match (read, octets) {
            (Some(read), Some(octets)) => read.saturating_sub(octets),
            _ => 0,
        };
        self.known = self.known.max(waiting.saturating_add(with_editor));
        self.waited = Some(waiting);
    }

    const fn has_begun(&self) -> bool {
        !self.line.text.is_empty() || self.line.too_long
    }

    fn push(&mut self, one: char) {
        let Line { text, too_long } = &mut self.line;
        if text.len() >= MAX_TYPED {
            *too_long = true;
        } else {
            text.push(one);
        }
    }

    fn leave(&mut self, then: Option<Then>) -> Step {
        self.octets = 0;
        Step::Leave(Pasted {
            lines: mem::take(&mut self.lines),
            begun: mem::take(&mut self.line),
            then,
        })
    }
}

fn is_enter(KeyEvent(code, modifiers): KeyEvent) -> bool {
    matches!(
        (code, modifiers),
        (KeyCode::Enter, Modifiers::NONE) | (KeyCode::Char('J' | 'M'), Modifiers::CTRL)
    )
}

/// How many octets a key has come as, if that is certain.
fn octets(key: KeyEvent) -> Option<usize> {
    let KeyEvent(code, modifiers) = key;
    match (code, modifiers) {
        (KeyCode::Char(one), Modifiers::NONE) => Some(one.len_utf8()),
        (KeyCode::Tab | KeyCode::Backspace | KeyCode::Enter, Modifiers::NONE) => Some(1),
        (KeyCode::Char('@'..='_'), Modifiers::CTRL) => Some(1),
        _ => None,
    }
}

/// All keys, before the editor does anything with them.
pub(super) struct Keys(pub(super) Arc<Mutex<Wish>>);

impl ConditionalEventHandler for Keys {
    fn handle(
        &self,
        event: &Event,
        _: RepeatCount,
        _: bool,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        let key = *event.get(0)?;
        let mut wish = locked(&self.0);
        let ends = wish.burst.ends(key);
        if let Some(answered) = wish.answer(key, ends) {
            return Some(answered);
        }
        let (line, at) = (context.line(), context.pos());
        wish.see(line.len());
        match wish
            .burst
            .key(key, ends, line.is_empty(), signals::input_waiting)
        {
            Step::Edit => {}
            Step::Hold | Step::Pass => return Some(Cmd::Noop),
            Step::Show(text) => return Some(Cmd::Insert(1, text)),
            Step::Leave(pasted) => {
                // The editor has shown the prompt, and goes to the next line now.
                let first = pasted.lines.first().unwrap_or(&pasted.begun);
                show(&first.text);
                if pasted.lines.is_empty() && pasted.then == Some(Then::Help) {
                    show("?");
                }
                wish.pasted = Some(pasted);
                return Some(Cmd::AcceptLine);
            }
        }
        let KeyEvent(code, modifiers) = key;
        match (code, modifiers) {
            // Nothing more is taken of a line that is too long, whatever it says.
            (KeyCode::Char('?'), Modifiers::NONE) if wish.too_long => Some(Cmd::Noop),
            // It ends the editing for as long as it takes to show the help.
            (KeyCode::Char('?'), Modifiers::NONE) => {
                wish.help = Some(at);
                if at == line.len() {
                    // The editor shows what it has inserted only.
                    show("?");
                }
                Some(Cmd::AcceptLine)
            }
            // It takes what is typed and leaves configuration mode; the editor would stop the program.
            (KeyCode::Char('Z'), Modifiers::CTRL) => {
                wish.leave = true;
                Some(Cmd::AcceptLine)
            }
            // No more than a line may have, for every key of a long one costs as much as is there.
            (KeyCode::Char(_), modifiers)
                if !modifiers.intersects(Modifiers::CTRL | Modifiers::ALT)
                    && line.len() >= MAX_TYPED =>
            {
                wish.too_long = true;
                Some(Cmd::Noop)
            }
            _ => None,
        }
    }
}

fn show(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub(super) fn locked(wish: &Mutex<Wish>) -> MutexGuard<'_, Wish> {
    wish.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal that is typed at faster than the editor reads.
    #[derive(Default)]
    struct Typing {
        burst: Burst,
        /// What is typed, and not read by the editor.
        waits: Vec<char>,
        /// What the editor has read and not made keys of.
        read: Vec<char>,
        /// The line that the editor has.
        line: String,
        shown: usize,
        edited: usize,
        pasted: Vec<Pasted>,
    }

    impl Typing {
        fn of(keys: &str) -> Self {
            let mut typing = Self::default();
            typing.burst.begin(true);
            typing.type_more(keys);
            typing
        }

        /// Types, and has the editor take what was typed.
        fn type_more(&mut self, keys: &str) {
            self.waits.extend(keys.chars());
            self.take_all();
        }

        fn take_all(&mut self) {
            while !self.waits.is_empty() || !self.read.is_empty() {
                if self.read.is_empty() {
                    let count = self.waits.len().min(READ_AT_A_TIME);
                    self.read = self.waits.drain(..count).collect();
                }
                let key = KeyEvent::new(self.read.remove(0), Modifiers::NONE);
                let waiting = self.waits.len();
                let ends = self.burst.ends(key);
                let step = self.burst.key(key, ends, self.line.is_empty(), || waiting);
                let certain = waiting.saturating_add(self.read.len());
                assert!(self.burst.known <= certain, "{step:?}");
                match step {
                    Step::Hold => assert!(certain > 0, "nobody would come back to it"),
                    Step::Pass => {}
                    Step::Show(text) => {
                        self.shown = self.shown.saturating_add(1);
                        self.line.push_str(&text);
                    }
                    Step::Leave(pasted) => {
                        self.line.clone_from(&pasted.begun.text);
                        self.pasted.push(pasted);
                    }
                    Step::Edit => {
                        self.edited = self.edited.saturating_add(1);
                        match key {
                            KeyEvent(KeyCode::Char(one), Modifiers::NONE) => self.line.push(one),
                            key if is_enter(key) => self.line.clear(),
                            _ => {}
                        }
                    }
                }
            }
        }

        fn lines(&self) -> Vec<&str> {
            let all = self.pasted.iter().flat_map(|pasted| &pasted.lines);
            all.map(|line| &*line.text).collect()
        }
    }

    fn many(count: usize) -> String {
        (0..count)
            .map(|line| format!("username user{line} password secret{line}\r"))
            .collect()
    }

    #[test]
    fn one_key_answers_and_the_rest_of_a_lines_end_is_none() {
        let key = KeyEvent::new;
        for (before, pressed, confirmed) in [
            ('a', '\r', Some(true)),
            ('a', '\n', Some(true)),
            ('\n', '\n', Some(true)),
            ('\r', '\r', Some(true)),
            ('\r', '\n', None),
            ('\r', 'y', Some(true)),
            ('\r', 'Y', Some(true)),
            ('\r', 'n', Some(false)),
            ('\r', '\u{3}', Some(false)),
            // Ctrl-Y is another key.
            ('\r', '\u{19}', Some(false)),
        ] {
            let mut wish = Wish::default();
            wish.burst.ends(key(before, Modifiers::NONE));
            wish.take();
            wish.asks = true;
            let pressed_key = key(pressed, Modifiers::NONE);
            let ends = wish.burst.ends(pressed_key);
            let command = wish.answer(pressed_key, ends);
            let expected = confirmed.map_or(Cmd::Noop, |_| Cmd::AcceptLine);
            assert_eq!(command, Some(expected), "{pressed:?} behind {before:?}");
            assert_eq!(wish.confirmed, confirmed == Some(true), "{pressed:?}");
            assert_eq!(wish.asks, confirmed.is_none());
        }
    }

    #[test]
    fn a_paste_is_gathered_to_its_last_octet_and_given_out_in_parts() {
        let typing = Typing::of(&many(1200));
        let lines = typing.lines();
        assert_eq!(lines.len(), 1200);
        assert_eq!(lines[1199], "username user1199 password secret1199");
        assert_eq!(typing.pasted.len(), 3);
        assert_eq!((typing.edited, typing.shown), (0, 0));
        assert_eq!(typing.line, "");
    }

    #[test]
    fn lines_that_end_with_cr_and_lf_have_one_end() {
        let text = many(300);
        let typing = Typing::of(&text.replace('\r', "\r\n"));
        assert_eq!(typing.lines(), Typing::of(&text).lines());
        assert_eq!(typing.line, "");
        // Typed by hand as well; an LF behind an LF is another line.
        for (text, edited) in [("a\r\nb\r\n", 4), ("a\n\nb\n", 5)] {
            for on in [true, false] {
                let mut typing = Typing::default();
                typing.burst.begin(on);
                for key in text.chars() {
                    typing.type_more(&key.to_string());
                }
                assert_eq!(typing.edited, edited, "{text:?}");
            }
        }
    }

    #[test]
    fn what_one_types_by_hand_is_the_editors() {
        let mut typing = Typing::of("");
        for key in "hostname a\r".chars() {
            typing.type_more(&key.to_string());
        }
        assert_eq!(typing.edited, 11);
        // So is all of it where no configuration is typed.
        let mut typing = Typing::default();
        typing.type_more(&many(100));
        assert_eq!(typing.pasted, []);
        // And what comes to a line that is begun, to its end.
        let mut typing = Typing::of("host");
        typing.type_more(&format!("name a\r{}", many(100)));
        assert_eq!(typing.edited, 11);
        assert_eq!(typing.lines().len(), 100);
    }

    #[test]
    fn a_line_that_is_not_finished_is_shown_and_goes_on() {
        let text = format!("{}hostname Jürgen", many(100));
        let mut typing = Typing::of(&text);
        assert_eq!(typing.lines().len(), 100);
        assert_eq!(typing.line, "hostname Jürgen");
        let edited = typing.edited;
        typing.type_more("x");
        assert_eq!(
            (typing.edited - edited, &*typing.line),
            (1, "hostname Jürgenx")
        );
        let pasted = typing.pasted.len();
        // One line alone needs no more than to be shown.
        let typing = Typing::of(&"x".repeat(MAX_TYPED + READ_AT_A_TIME));
        assert_eq!((pasted, typing.pasted.len()), (1, 1));
        assert!(typing.pasted[0].begun.too_long);
        let typing = Typing::of(&format!("{}hostname a\r", "y".repeat(READ_AT_A_TIME)));
        assert_eq!(typing.lines(), ["y".repeat(MAX_TYPED)]);
        assert!(typing.pasted[0].lines[0].too_long);
    }

    #[test]
    fn keys_that_change_a_line_change_it_before_it_is_seen() {
        let many = many(100);
        let typing = Typing::of(&format!(
            "hostnaem\u{8}\u{7f}me\ta\nthis is wrong\u{15}hostname b\u{1b}\r{many}"
        ));
        let lines = typing.lines();
        assert_eq!(lines[..2], ["hostname a", "hostname b"]);
        assert_eq!(lines.len(), 102);
        for (key, then) in [
            ("?", Then::Help),
            ("\u{1a}", Then::Leave),
            ("\u{3}", Then::Interrupt),
            ("\u{4}", Then::End),
        ] {
            let typing = Typing::of(&format!("hostname a\rhost{key}{many}"));
            let first = &typing.pasted[0];
            assert_eq!(first.lines[0].text, "hostname a");
            assert_eq!((&*first.begun.text, first.then), ("host", Some(then)));
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_known_as_one_whatever_is_taken_back_of_it() {
        let long = "x".repeat(2 * MAX_TYPED);
        let typing = Typing::of(&format!(
            "hostname a\r{long}\u{8}\rhostname b\r{}",
            many(50)
        ));
        let lines = &typing.pasted[0].lines;
        let cut: Vec<bool> = lines.iter().take(3).map(|line| line.too_long).collect();
        assert_eq!(cut, [false, true, false]);
        assert_eq!(lines[1].text.len(), MAX_TYPED);
    }
}
