//! `| redirect FILE`: the output of a command as a file of whoever typed it.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::Path,
};

/// Who may read what is written where nothing was before: a configuration holds passwords.
const OWNER_ONLY: u32 = 0o600;

/// Puts `text` into the file, whole or not at all where whoever types may put a file in the place of another. What is no
/// file itself, such as a link, a device or a pipe, is written to.
///
/// # Errors
///
/// Of the file system; `Unsupported` for a URL of a router, which would be a file of that name here.
pub(super) fn write(file: &str, text: &str, append: bool) -> io::Result<()> {
    let scheme = file.split_once(':').map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| scheme.chars().all(char::is_alphanumeric)) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a path of this machine or of bootflash: is expected, not another URL",
        ));
    }
    let path = Path::new(file);
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && append => {
            let mut options = opening(false);
            options.append(true).custom_flags(nix::libc::O_NOFOLLOW);
            options.open(path)?.write_all(text.as_bytes())
        }
        Ok(found) if found.is_file() => {
            // The kernel says whether it may be written, also of one that somebody has laid into a folder
            // of everybody's (fs.protected_regular). What is now a link after all is not followed.
            let mut old = opening(false)
                .custom_flags(nix::libc::O_NOFOLLOW)
                .open(path)?;
            match replace(path, Some(&old.metadata()?), text) {
                // Who may write the file, and put no other in its place, writes into it.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    old.set_len(0)?;
                    old.write_all(text.as_bytes())
                }
                other => other,
            }
        }
        // The kernel follows the link or does not (fs.protected_symlinks).
        Ok(_) => {
            let mut options = opening(!append);
            options.append(append);
            options.open(path)?.write_all(text.as_bytes())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => replace(path, None, text),
        Err(error) => Err(error),
    }
}

/// As the kernel is asked for a file by those who write to it in place.
fn opening(truncate: bool) -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true).create(true).truncate(truncate);
    options.mode(OWNER_ONLY);
    options
}

/// Puts a file of this text in the place of one, with its owner and permissions, or where there was none.
fn replace(path: &Path, old: Option<&Metadata>, text: &str) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut out = opening(false).create_new(true).open(&draft)?;
    let written = (|| {
        if let Some(old) = old {
            let ours = out.metadata()?;
            let owner = (ours.uid() != old.uid()).then(|| old.uid());
            let group = (ours.gid() != old.gid()).then(|| old.gid());
            fchown(&out, owner, group)?;
            // A text is not run, least of all as its owner.
            out.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777))?;
        }
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&draft, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_with_its_owner_and_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.txt");
        let name = path.to_str().unwrap();
        write(name, "one\n", false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        // A configuration holds passwords.
        assert_eq!(mode(&path), 0o600);
        // Who may give files away shows that they stay with their owner.
        let before = fs::metadata(&path).unwrap();
        let owner = [(4321, 4322), (before.uid(), before.gid())]
            .into_iter()
            .find(|&(user, group)| chown(&path, Some(user), Some(group)).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
        write(name, "two\n", false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        // Nobody runs the text as its owner.
        assert_eq!(mode(&path), 0o751);
        let after = fs::metadata(&path).unwrap();
        assert_eq!(Some((after.uid(), after.gid())), owner);
        assert_ne!(after.ino(), before.ino());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_appended_stands_behind_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.txt");
        let name = path.to_str().unwrap();
        for _ in 0..2 {
            write(name, "one\n", true).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\none\n");
        assert_eq!(mode(&path), 0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        write(link.to_str().unwrap(), "two\n", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\none\ntwo\n");
    }

    // The kernel alone knows whether a link may be followed, so what it points at is opened by the link's name and
    // not replaced by its own.
    #[test]
    fn what_a_link_points_at_is_written_through_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.txt");
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        let name = link.to_str().unwrap();
        write(name, "one, and longer\n", false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one, and longer\n");
        assert_eq!(mode(&path), 0o600);
        let before = fs::metadata(&path).unwrap().ino();
        write(name, "two\n", false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(fs::metadata(&path).unwrap().ino(), before);
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
            assert!(write(name, "text", false).is_err(), "{name}");
        }
        for url in ["tftp://192.0.2.1/x", "ftp:x"] {
            let error = write(url, "text", false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{url}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        write("/dev/null", "text", false).unwrap();
    }
}
