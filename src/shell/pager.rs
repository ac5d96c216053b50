//! Long output, a screen at a time.

use std::{
    borrow::Cow,
    io::{self, Write},
    os::fd::AsFd,
};

use nix::{
    poll::{PollFd, PollFlags, poll},
    sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, tcgetattr, tcsetattr},
};

use crate::cli::pipe::Modifier;

/// What stands below a full screen.
const MORE: &str = " --More-- ";

/// How long the rest of a key's octets may take, in milliseconds.
const WHOLE_KEY: u8 = 50;

/// The longest control sequence, in octets behind its `[`; no key sends one.
const LONGEST_SEQUENCE: usize = 32;

/// The longest expression behind a key, in octets.
const LONGEST_EXPRESSION: usize = 255;

/// What a key says to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// The next screen: the blank.
    Page,
    /// One line more: Enter.
    Line,
    /// What is left, in another choice: `/`, `+` or `-` and an expression.
    Choose(Modifier),
    /// Such a key, of which nothing came.
    Nothing,
    /// No more: any other key.
    Leave,
}

impl Key {
    const fn of(octet: u8) -> Self {
        match octet {
            b' ' => Self::Page,
            b'\r' | b'\n' => Self::Line,
            _ => Self::Leave,
        }
    }

    /// What an expression behind a key chooses, as on a router.
    fn choosing(sign: u8, pattern: String) -> Self {
        match sign {
            _ if pattern.is_empty() => Self::Nothing,
            b'/' => Self::Choose(Modifier::Begin(pattern)),
            b'+' => Self::Choose(Modifier::Include(pattern)),
            _ => Self::Choose(Modifier::Exclude(pattern)),
        }
    }
}

/// A screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    /// Its lines; 0 never stops.
    pub(super) length: u32,
    /// Its characters in a line; 0 has no end.
    pub(super) width: u32,
}

impl Screen {
    /// Shows a text, with `key` asked whenever the screen is full.
    ///
    /// # Errors
    ///
    /// Of writing, and of `key`.
    pub(super) fn show(
        self,
        text: &str,
        out: &mut impl Write,
        mut key: impl FnMut() -> io::Result<Key>,
    ) -> io::Result<()> {
        let mut rest = Cow::Borrowed(text);
        while let Some(chosen) = self.show_some(&rest, out, &mut key)? {
            rest = Cow::Owned(chosen);
        }
        out.flush()
    }

    /// Shows a text to its end, or until something of what is left is chosen: then that is returned.
    fn show_some(
        self,
        text: &str,
        out: &mut impl Write,
        key: &mut impl FnMut() -> io::Result<Key>,
    ) -> io::Result<Option<String>> {
        let page = self.length.saturating_sub(1).max(1);
        let mut left = page;
        let mut shown = 0_usize;
        for line in text.split_inclusive('\n') {
            let rows = self.rows(line);
            // A line that is longer than the screen cannot be shown by less.
            while self.length > 0 && left < page && rows > left || left == 0 {
                write!(out, "{MORE}")?;
                out.flush()?;
                let pressed = key()?;
                write!(out, "\r{:width$}\r", "", width = MORE.len())?;
                match pressed {
                    Key::Page => left = page,
                    Key::Line => left = rows,
                    Key::Leave => return Ok(None),
                    Key::Nothing => {}
                    Key::Choose(modifier) => match modifier.filter() {
                        Ok(Some(filter)) => {
                            writeln!(out, "filtering...")?;
                            let rest = text.get(shown..).unwrap_or_default();
                            return Ok(Some(filter.apply(rest)));
                        }
                        Ok(None) => {}
                        Err(error) => writeln!(out, "{error}")?,
                    },
                }
            }
            out.write_all(line.as_bytes())?;
            shown = shown.saturating_add(line.len());
            if self.length > 0 {
                left = left.saturating_sub(rows);
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        Ok(None)
    }

    /// How many lines of the screen a line takes.
    fn rows(self, line: &str) -> u32 {
        let characters = line.trim_end().chars().count();
        let characters = u32::try_from(characters).unwrap_or(u32::MAX);
        if self.width == 0 {
            return 1;
        }
        characters.div_ceil(self.width).max(1)
    }
}

/// Waits for a key at the terminal on standard input.
///
/// # Errors
///
/// Of the terminal; `UnexpectedEof` when it is gone.
pub(super) fn press() -> io::Result<Key> {
    match key()? {
        sign @ (b'/' | b'+' | b'-') => {
            let _raw = Raw::begin()?;
            let pattern = expression(sign, octet, &mut io::stdout())?;
            Ok(Key::choosing(sign, pattern))
        }
        other => Ok(Key::of(other)),
    }
}

/// Reads the expression behind a key, and shows it; an empty one where that is given up.
fn expression(
    sign: u8,
    mut next: impl FnMut() -> io::Result<u8>,
    out: &mut impl Write,
) -> io::Result<String> {
    write!(
        out,
        "\r{:width$}\r{}",
        "",
        char::from(sign),
        width = MORE.len()
    )?;
    out.flush()?;
    let mut typed = Vec::new();
    loop {
        match next()? {
            b'\r' | b'\n' => break,
            // Ctrl-C, Ctrl-G and Escape give it up.
            0x03 | 0x07 | 0x1b => {
                typed.clear();
                break;
            }
            0x08 | 0x7f => {
                let mut gone = typed.pop();
                // The rest of a character.
                while gone.is_some_and(|octet| octet & 0xc0 == 0x80) {
                    gone = typed.pop();
                }
                if gone.is_some() {
                    out.write_all(b"\x08 \x08")?;
                }
            }
            0x00..=0x1f => {}
            octet if typed.len() < LONGEST_EXPRESSION => {
                typed.push(octet);
                out.write_all(&[octet])?;
            }
            _ => {}
        }
        out.flush()?;
    }
    out.write_all(b"\n")?;
    Ok(String::from_utf8_lossy(&typed).into_owned())
}

/// The same, where the key says whether something is to be done, and no editor reads it. Who sees the question may press it: a
/// Ctrl-C is a key from then on.
///
/// # Errors
///
/// As [`press`].
pub(super) fn confirms(question: &str) -> io::Result<bool> {
    let _raw = Raw::begin()?;
    let mut out = io::stdout();
    out.write_all(question.as_bytes())?;
    out.flush()?;
    pressed().map(|first| matches!(first, b'\r' | b'\n' | b'y' | b'Y'))
}

/// The first octet of a key, whose others are passed over.
fn key() -> io::Result<u8> {
    let _raw = Raw::begin()?;
    pressed()
}

/// The same where every key comes at once.
fn pressed() -> io::Result<u8> {
    let first = octet()?;
    pass_over(first, || {
        let input = io::stdin();
        let mut ready = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, WHOLE_KEY)? == 0 {
            return Ok(None);
        }
        octet().map(Some)
    })?;
    Ok(first)
}

/// The next octet of what is typed. Unbuffered: what comes behind a key belongs to the next line.
fn octet() -> io::Result<u8> {
    let mut octet = [0];
    match nix::unistd::read(io::stdin(), &mut octet)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(octet.first().copied().unwrap_or_default()),
    }
}

/// Takes what belongs to the same key as its first octet: a control sequence (ECMA-48 §5.4), as arrows send one, or the rest of
/// a character. `next` gives one more octet if it comes at once.
fn pass_over(first: u8, mut next: impl FnMut() -> io::Result<Option<u8>>) -> io::Result<()> {
    match first {
        0x1b => match next()? {
            Some(b'[') => {
                for _ in 0..LONGEST_SEQUENCE {
                    match next()? {
                        Some(0x20..=0x3f) => {}
                        _ => break,
                    }
                }
            }
            // Keys of the keypad, and F1 to F4.
            Some(b'O') => {
                next()?;
            }
            // Another key with Alt.
            _ => {}
        },
        0xc0.. => {
            for _ in 1..first.leading_ones() {
                next()?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Every key at once, and none of them shown, until this is dropped.
struct Raw(nix::sys::termios::Termios);

impl Raw {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.local_flags
            .remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        for (index, value) in [
            (SpecialCharacterIndices::VMIN, 1),
            (SpecialCharacterIndices::VTIME, 0),
        ] {
            if let Some(slot) = raw.control_chars.get_mut(index as usize) {
                *slot = value;
            }
        }
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no putting back.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(screen: Screen, text: &str, keys: &[Key]) -> String {
        let mut out = Vec::new();
        let mut keys = keys.iter();
        screen
            .show(text, &mut out, || Ok(keys.next().unwrap().clone()))
            .unwrap();
        assert_eq!(keys.next(), None, "a key was left");
        String::from_utf8(out)
            .unwrap()
            .replace("\r          \r", "")
    }

    const FOUR: Screen = Screen {
        length: 4,
        width: 10,
    };

    #[test]
    fn a_screen_stops_where_it_is_full() {
        let text = "1\n2\n3\n4\n5\n6\n7\n8\n";
        assert_eq!(
            shown(FOUR, text, &[Key::Page, Key::Page]),
            "1\n2\n3\n --More-- 4\n5\n6\n --More-- 7\n8\n"
        );
        assert_eq!(
            shown(FOUR, text, &[Key::Line, Key::Line, Key::Leave]),
            "1\n2\n3\n --More-- 4\n --More-- 5\n --More-- "
        );
        assert_eq!(shown(FOUR, "1\n2\n3\n", &[]), "1\n2\n3\n");
        assert_eq!(shown(FOUR, "no end", &[]), "no end\n");
        assert_eq!(shown(FOUR, "", &[]), "");
    }

    #[test]
    fn a_key_and_an_expression_choose_among_what_is_left() {
        let text = "1 a\n2 b\n3 a\n4 b\n5 a\n6 b\n7 a\n8 b\n9 a\n";
        let key = |sign, pattern: &str| Key::choosing(sign, pattern.to_owned());
        assert_eq!(
            shown(FOUR, text, &[key(b'/', "^7")]),
            "1 a\n2 b\n3 a\n --More-- filtering...\n7 a\n8 b\n9 a\n"
        );
        assert_eq!(
            shown(FOUR, text, &[key(b'+', "b")]),
            "1 a\n2 b\n3 a\n --More-- filtering...\n4 b\n6 b\n8 b\n"
        );
        assert_eq!(
            shown(FOUR, text, &[key(b'-', "b")]),
            "1 a\n2 b\n3 a\n --More-- filtering...\n5 a\n7 a\n9 a\n"
        );
        // What is no expression is told, and what nothing came of asks again.
        let said = shown(FOUR, text, &[key(b'/', "("), key(b'/', ""), Key::Leave]);
        assert!(
            said.contains("% Failed to compile regular expression"),
            "{said}"
        );
        assert_eq!(said.matches(MORE).count(), 3);
    }

    #[test]
    fn an_expression_is_read_to_its_end_and_nothing_of_it_is_left_to_be_a_command() {
        for (typed, read, left) in [
            ("UP\rshow", "UP", "show"),
            ("UQ\x7fP\n", "UP", ""),
            ("J\u{fc}\x08u\r", "Ju", ""),
            ("\x7f\r", "", ""),
            ("UP\u{3}q", "", "q"),
        ] {
            let mut octets = typed.bytes();
            let mut out = Vec::new();
            let next = || Ok(octets.next().unwrap());
            assert_eq!(expression(b'/', next, &mut out).unwrap(), read);
            assert_eq!(octets.collect::<Vec<_>>(), left.as_bytes(), "{typed:?}");
        }
    }

    #[test]
    fn a_long_line_counts_for_what_it_takes() {
        let long = "x".repeat(21);
        let text = format!("1\n{long}\n2\n");
        assert_eq!(
            shown(FOUR, &text, &[Key::Page, Key::Page]),
            format!("1\n --More-- {long}\n --More-- 2\n")
        );
        let longer = "x".repeat(100);
        assert_eq!(
            shown(FOUR, &format!("{longer}\n{longer}\n"), &[Key::Page]),
            format!("{longer}\n --More-- {longer}\n")
        );
    }

    #[test]
    fn a_length_of_zero_never_stops() {
        let text = "line\n".repeat(1000);
        let screen = Screen {
            length: 0,
            width: 80,
        };
        assert_eq!(shown(screen, &text, &[]), text);
    }

    #[test]
    fn keys_mean_what_they_do_on_a_router() {
        for (octet, key) in [
            (b' ', Key::Page),
            (b'\r', Key::Line),
            (b'\n', Key::Line),
            (b'q', Key::Leave),
            (3, Key::Leave),
            (0x1b, Key::Leave),
        ] {
            assert_eq!(Key::of(octet), key);
        }
    }

    #[test]
    fn a_key_is_taken_whole_and_nothing_of_the_next_one() {
        for (typed, left) in [
            ("q", ""),
            ("qx", "x"),
            ("\u{1b}", ""),
            ("\u{1b}[Bq", "q"),
            ("\u{1b}[1;5Bshow", "show"),
            ("\u{1b}[3~\r", "\r"),
            ("\u{1b}OPx", "x"),
            ("\u{1b}fx", "x"),
            ("éx", "x"),
            ("日x", "x"),
            ("\u{1f600}x", "x"),
        ] {
            let mut octets = typed.bytes();
            let first = octets.next().unwrap();
            pass_over(first, || Ok(octets.next())).unwrap();
            assert_eq!(octets.collect::<Vec<_>>(), left.as_bytes(), "{typed:?}");
        }
        // What never ends is not waited for.
        let mut taken = 0;
        let endless = || {
            taken += 1;
            Ok(Some(b'0'))
        };
        pass_over(0x1b, endless).unwrap();
        assert_eq!(taken, 1);
        let mut first = true;
        taken = 0;
        let endless = || {
            taken += 1;
            Ok(Some(if std::mem::take(&mut first) {
                b'['
            } else {
                b'0'
            }))
        };
        pass_over(0x1b, endless).unwrap();
        assert_eq!(taken, 1 + LONGEST_SEQUENCE);
    }
}
