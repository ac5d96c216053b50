//! Names of objects and of files.

use alloc::sync::Arc;
use core::{borrow::Borrow, fmt};

/// One word of a configuration: the name of an object, a domain, a key-id.
///
/// 1 to 255 visible ASCII characters, none of them a blank; compared with regard to case, as
/// IOS-XE compares the names of crypto objects. Places that allow less say so in the command
/// table.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(Arc<str>);

impl Name {
    /// Longest word that is taken, in characters.
    pub const LIMIT: usize = 255;

    /// Takes a word.
    ///
    /// # Errors
    /// [`InvalidName`] if it is empty, too long or not visible ASCII.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() {
            return Err(InvalidName::Empty);
        }
        if text.len() > Self::LIMIT {
            return Err(InvalidName::Long { limit: Self::LIMIT });
        }
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(InvalidName::Character);
        }
        Ok(Self(Arc::from(text)))
    }

    /// A word that the language itself gives, such as `default`.
    pub(crate) fn of_the_language(word: &'static str) -> Self {
        debug_assert!(Self::new(word).is_ok(), "{word} is no name");
        Self(Arc::from(word))
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

/// Why a word is no [`Name`], [`FileName`] or device name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing stands there.
    #[error("an empty name")]
    Empty,
    /// The word is too long.
    #[error("a name longer than {limit} characters")]
    Long {
        /// What would have been taken, in characters.
        limit: usize,
    },
    /// A character that no name may hold.
    #[error("a character that a name cannot hold")]
    Character,
    /// A file on a file system that the headend does not have.
    #[error("not a file on bootflash:")]
    FileSystem,
    /// A path that leaves its folder.
    #[error("a path that leaves bootflash:")]
    Outside,
}

/// A file as IOS-XE names it: `bootflash:acvpn.xml`, `bootflash:/keys/a.p12`.
///
/// The spelling is kept, for the print; `flash:` is the same file system.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FileName(Name);

impl FileName {
    /// Takes a file name.
    ///
    /// # Errors
    /// [`InvalidName::FileSystem`] if it is not on `bootflash:` or `flash:`,
    /// [`InvalidName::Outside`] for a path with `..` or an empty part, and what [`Name::new`]
    /// says of the characters.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let name = Self(Name::new(text)?);
        let path = name.split().ok_or(InvalidName::FileSystem)?;
        let inside = |part: &str| !matches!(part, "" | "." | "..");
        if path.split('/').all(inside) {
            Ok(name)
        } else {
            Err(InvalidName::Outside)
        }
    }

    /// The spelling of the configuration.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The path below the folder that stands for `bootflash:`; relative, without `.` or `..`.
    pub fn path(&self) -> &str {
        self.split().unwrap_or_default()
    }

    fn split(&self) -> Option<&str> {
        let (system, path) = self.as_str().split_once(':')?;
        let known = ["bootflash", "flash"]
            .iter()
            .any(|name| system.eq_ignore_ascii_case(name));
        known.then(|| path.strip_prefix('/').unwrap_or(path))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_visible_ascii_of_255_characters() {
        assert_eq!(
            Name::new("*$AnyConnectClient$*").unwrap().as_str(),
            "*$AnyConnectClient$*"
        );
        assert!(Name::new(&"x".repeat(255)).is_ok());
        assert_eq!(
            Name::new(&"x".repeat(256)),
            Err(InvalidName::Long { limit: 255 })
        );
        assert_eq!(Name::new(""), Err(InvalidName::Empty));
        assert_eq!(Name::new("a b"), Err(InvalidName::Character));
        assert_eq!(Name::new("ä"), Err(InvalidName::Character));
    }

    #[test]
    fn a_file_stays_below_its_folder() {
        assert_eq!(
            FileName::new("bootflash:IKEv2-TP.p12").unwrap().path(),
            "IKEv2-TP.p12"
        );
        assert_eq!(
            FileName::new("bootflash:/a/b.xml").unwrap().path(),
            "a/b.xml"
        );
        assert_eq!(FileName::new("flash:/a").unwrap().path(), "a");
        for (name, why) in [
            ("/etc/passwd", InvalidName::FileSystem),
            ("tftp:a", InvalidName::FileSystem),
            ("bootflash:../a", InvalidName::Outside),
            ("bootflash:a/../../b", InvalidName::Outside),
            ("bootflash://etc/x", InvalidName::Outside),
            ("bootflash:", InvalidName::Outside),
        ] {
            assert_eq!(FileName::new(name), Err(why), "{name}");
        }
    }
}
