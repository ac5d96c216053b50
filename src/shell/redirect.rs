//! `| redirect FILE`: the output of a command as a file of whoever typed it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Puts `text` into the file, whole or not at all. What is no ordinary file, a device or a pipe, is written to.
///
/// # Errors
///
/// Of the file system; `Unsupported` for a URL of a router, which would be a file of that name here.
pub(super) fn write(file: &str, text: &str) -> io::Result<()> {
    let scheme = file.split_once(':').map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| scheme.chars().all(char::is_alphanumeric)) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a path of this machine is expected, not a URL",
        ));
    }
    // A link stays one, and what it points at is replaced.
    let path = match fs::canonicalize(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Path::new(file).to_owned(),
        other => other?,
    };
    let before = fs::metadata(&path).ok();
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        return File::options()
            .write(true)
            .open(&path)?
            .write_all(text.as_bytes());
    }
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let mut out = File::create_new(&draft)?;
        if let Some(before) = before {
            out.set_permissions(before.permissions())?;
        }
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&draft, &path)
    })();
    if written
        .as_ref()
        .is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists)
    {
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_with_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.txt");
        let name = path.to_str().unwrap();
        write(name, "one\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        write(link.to_str().unwrap(), "two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("no folder/file");
        for name in [
            nowhere.to_str().unwrap(),
            folder.path().to_str().unwrap(),
            "/dev/full",
        ] {
            assert!(write(name, "text").is_err(), "{name}");
        }
        for url in ["tftp://192.0.2.1/x", "bootflash:x"] {
            let error = write(url, "text").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{url}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        write("/dev/null", "text").unwrap();
    }
}
