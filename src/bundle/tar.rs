//! An archive in the form that every `tar` reads: `ustar` of POSIX.1-1988 (IEEE Std 1003.1, pax, "ustar Interchange Format").
//!
//! ```text
//!   header of 512 octets │ the file, filled up to 512 │ header │ file │ … │ 1024 octets of nothing
//! ```

use std::{io, time::SystemTime};

/// What everything is a multiple of.
const BLOCK: usize = 512;

/// Octets of a file's name, and where the sum of a header's octets stands in it.
const NAME: usize = 100;
const SUM: std::ops::Range<usize> = 148..156;

/// An archive of files that root owns and nobody else may read.
#[derive(Debug, Default)]
pub(super) struct Archive(Vec<u8>);

impl Archive {
    /// Appends a file.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a name of more than 100 octets, and a file of 8 GiB or more.
    pub(super) fn add(
        &mut self,
        name: &str,
        content: &[u8],
        modified: SystemTime,
    ) -> io::Result<()> {
        self.0.extend(header(name, content.len(), modified)?);
        self.0.extend(content);
        self.fill();
        Ok(())
    }

    /// The archive, with its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend([0; 2 * BLOCK]);
        self.0
    }

    fn fill(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
    }
}

fn header(name: &str, size: usize, modified: SystemTime) -> io::Result<[u8; BLOCK]> {
    let refused = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    let since = modified.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let (size, seconds) = (format!("{size:011o}\0"), format!("{seconds:011o}\0"));
    if name.len() > NAME || size.len() > 12 || seconds.len() > 12 {
        return Err(refused("too long for this form of archive"));
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| {
        for (to, from) in header.iter_mut().skip(at).zip(text.bytes()) {
            *to = from;
        }
    };
    put(0, name);
    put(100, "0000600\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &size);
    put(136, &seconds);
    // While they are summed up, the sum's own octets are blanks.
    put(SUM.start, "        ");
    // An ordinary file.
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    put(265, "root");
    put(297, "root");
    let sum: u32 = header.iter().map(|octet| u32::from(*octet)).sum();
    for (to, from) in header
        .iter_mut()
        .skip(SUM.start)
        .zip(format!("{sum:06o}\0 ").bytes())
    {
        *to = from;
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Duration};

    use super::*;

    #[test]
    fn tar_reads_every_file_again() {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_682_253);
        let mut archive = Archive::default();
        let long = "x".repeat(NAME - "bundle/".len());
        let files = [
            ("bundle/empty.txt", String::new()),
            ("bundle/json/full.json", "{}\n".repeat(512)),
            (&*format!("bundle/{long}"), "ü\n".to_owned()),
        ];
        for (name, content) in &files {
            archive.add(name, content.as_bytes(), modified).unwrap();
        }
        let error = archive.add(&"x".repeat(101), b"", modified).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, archive.finish()).unwrap();
        let tar = |words: &[&str]| {
            let output = Command::new("tar")
                .args(words)
                .arg("-f")
                .arg(&path)
                .current_dir(folder.path())
                .env("TZ", "UTC")
                .output()
                .unwrap();
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{output:?}"
            );
            String::from_utf8(output.stdout).unwrap()
        };
        let list = tar(&["-t", "-v"]);
        assert_eq!(list.lines().count(), files.len(), "{list}");
        assert!(list.starts_with("-rw------- root/root"), "{list}");
        assert!(
            list.contains(" 2026-11-26 08:37 bundle/empty.txt\n"),
            "{list}"
        );
        tar(&["-x", "--no-same-owner"]);
        for (name, content) in &files {
            let read = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert_eq!(&read, content, "{name}");
        }
    }
}
