//! Files that may hold secrets, and are anybody's in size.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use zeroize::Zeroizing;

/// Octets that are made room for where a file does not say how many it has.
const FIRST_ROOM: usize = 4096;

/// Reads a file of at most `limit` octets, or a pipe to its end, however long that takes. Nothing of it is left behind in
/// memory when the value is dropped, not even by growing.
///
/// # Errors
///
/// Of the file, and for one that is longer.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    read_open(File::open(path)?, limit)
}

/// The same for whoever others wait for: a file that is none on a disk is refused, and not waited for. Nobody may be at the
/// other end of a pipe.
///
/// # Errors
///
/// Of the file, for one that is longer, and `InvalidInput` for a folder, a pipe, a socket and a device.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    read_regular_by(path, limit, 0)
}

/// The same of a file that is no link.
///
/// # Errors
///
/// As [`read_regular`], and for a link.
pub fn read_regular_itself(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    read_regular_by(path, limit, O_NOFOLLOW)
}

fn read_regular_by(path: &Path, limit: u64, flags: i32) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK | flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    read_open(file, limit)
}

fn read_open(file: File, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // One more, to see the end without growing.
    let size = file.metadata()?.len().min(limit).saturating_add(1);
    read(file, usize::try_from(size).unwrap_or(FIRST_ROOM), limit)
}

fn read(file: impl Read, room: usize, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut file = file.take(limit.saturating_add(1));
    let mut octets = Zeroizing::new(vec![0; room.max(FIRST_ROOM)]);
    let mut length = 0_usize;
    loop {
        if length == octets.len() {
            // The smaller one is wiped as it goes.
            let mut larger = Zeroizing::new(vec![0; length.saturating_mul(2)]);
            for (to, from) in larger.iter_mut().zip(octets.iter()) {
                *to = *from;
            }
            octets = larger;
        }
        let free = octets.get_mut(length..).unwrap_or_default();
        match file.read(free) {
            Ok(0) => break,
            Ok(more) => length = length.saturating_add(more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if u64::try_from(length).is_ok_and(|length| length > limit) {
        return Err(io::Error::other(format!("longer than {limit} octets")));
    }
    octets.truncate(length);
    Ok(octets)
}

/// What is said of a file without the number that the system has for it, ` (os error 2)`: a router tells the words alone.
#[must_use]
pub fn in_words(said: &str) -> String {
    const NUMBER: &str = " (os error ";
    let mut parts = said.split(NUMBER);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|one: char| one.is_ascii_digit());
        match rest.strip_prefix(')') {
            Some(rest) if !part.starts_with(')') => out.push_str(rest),
            _ => {
                out.push_str(NUMBER);
                out.push_str(part);
            }
        }
    }
    out
}

/// A text, or where it stops being one: line and column of the first octet that is no UTF-8, both from 1.
///
/// # Errors
///
/// The two numbers.
pub fn text_of(octets: &[u8]) -> Result<&str, (usize, usize)> {
    std::str::from_utf8(octets).map_err(|error| {
        let (good, _) = octets.split_at(error.valid_up_to());
        let line = good.split(|octet| *octet == b'\n').count();
        let last = good.rsplit(|octet| *octet == b'\n').next();
        let last = last.and_then(|last| std::str::from_utf8(last).ok());
        let column = last.map_or(0, |last| last.chars().count());
        (line, column.saturating_add(1))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Gives a few octets at a time.
    struct Drops(u32);

    impl Read for Drops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(1000).min(usize::try_from(self.0).unwrap());
            buffer[..count].fill(0xa5);
            self.0 = self.0.saturating_sub(u32::try_from(count).unwrap());
            Ok(count)
        }
    }

    #[test]
    fn what_is_said_of_a_file_has_words_alone() {
        let absent = io::Error::from_raw_os_error(2);
        for (said, words) in [
            (
                format!("%Error opening bootflash:x ({absent})"),
                "%Error opening bootflash:x (No such file or directory)",
            ),
            (
                format!("a: {absent}; b: {absent}\n"),
                "a: No such file or directory; b: No such file or directory\n",
            ),
            ("x (os error )".to_owned(), "x (os error )"),
            ("x (os error 2".to_owned(), "x (os error 2"),
            (" (os error a) ".to_owned(), " (os error a) "),
            (String::new(), ""),
        ] {
            assert_eq!(in_words(&said), words);
        }
    }

    #[test]
    fn a_file_is_read_to_its_end_and_not_beyond_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for size in [0, 1, 4095, 4096, 4097, 10_000] {
            fs::write(&path, vec![0xa5; size]).unwrap();
            assert_eq!(*read_bounded(&path, 10_000).unwrap(), vec![0xa5; size]);
            assert_eq!(read_bounded(&path, 9_999).is_ok(), size < 10_000);
        }
        // What does not say how long it is.
        for size in [0, 4096, 100_000] {
            let read = read(Drops(size), 1, 100_000).unwrap();
            assert_eq!(read.len(), usize::try_from(size).unwrap());
            assert!(read.iter().all(|octet| *octet == 0xa5));
        }
        assert!(read(Drops(100_001), 1, 100_000).is_err());
        assert!(read_bounded(Path::new("/dev/zero"), 10_000).is_err());
    }

    #[test]
    fn what_could_keep_its_reader_waiting_is_refused_where_others_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "a\n").unwrap();
        assert_eq!(**read_regular(&path, 10).unwrap(), b"a\n"[..]);
        assert!(read_regular(&path, 1).is_err());
        // Nobody writes to it: whoever opens it to read waits.
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        for other in [&pipe, folder.path(), Path::new("/dev/zero")] {
            let error = read_regular(other, 10).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
    }

    #[test]
    fn an_octet_that_is_no_text_is_found_where_it_stands() {
        assert_eq!(
            text_of("hostname \u{fc}\n".as_bytes()),
            Ok("hostname \u{fc}\n")
        );
        assert_eq!(text_of(b"\xff"), Err((1, 1)));
        assert_eq!(text_of("a\n\u{fc}b".as_bytes()), Ok("a\n\u{fc}b"));
        assert_eq!(text_of(b"a\n\xc3\xbcb\xfc\n"), Err((2, 3)));
        assert_eq!(text_of(b"a\n\xc3"), Err((2, 1)));
    }
}
