//! Long output, a screen at a time.

use std::io::{self, Write};

use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, tcgetattr, tcsetattr};

/// What stands below a full screen.
const MORE: &str = " --More-- ";

/// What a key says to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// The next screen: the blank.
    Page,
    /// One line more: Enter.
    Line,
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
        let page = self.length.saturating_sub(1).max(1);
        let mut left = page;
        for line in text.split_inclusive('\n') {
            let rows = self.rows(line);
            // A line that is longer than the screen cannot be shown by less.
            if self.length > 0 && left < page && rows > left || left == 0 {
                write!(out, "{MORE}")?;
                out.flush()?;
                let pressed = key()?;
                write!(out, "\r{:width$}\r", "", width = MORE.len())?;
                match pressed {
                    Key::Page => left = page,
                    Key::Line => left = rows,
                    Key::Leave => return out.flush(),
                }
            }
            out.write_all(line.as_bytes())?;
            if self.length > 0 {
                left = left.saturating_sub(rows);
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()
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
    let _raw = Raw::begin()?;
    let mut octet = [0];
    // Unbuffered: what is typed beyond it belongs to the next line.
    match nix::unistd::read(io::stdin(), &mut octet)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(Key::of(octet.first().copied().unwrap_or_default())),
    }
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
            .show(text, &mut out, || Ok(*keys.next().unwrap()))
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
}
