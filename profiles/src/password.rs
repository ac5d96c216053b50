//! Passwords: kept out of sight, and in the two encodings that a user's line can have.
//!
//! IOS-XE's type 7 hides a password from a glance and from nothing else: it is an exclusive-or
//! with a constant that has been public for decades. It is here so that pasted lines work.

use alloc::{format, string::String, vec::Vec};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::model::keywords;

/// A text that must not be seen: no `Debug`, no `Display`, wiped when dropped, compared in a time
/// that depends on its length alone.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(String::from(text)))
    }

    /// The secret itself. Whoever asks answers for where it goes.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

keywords! {
    /// How a password is written in a line.
    pub enum Encoding {
        /// In clear.
        Plain = "0", "Specifies an UNENCRYPTED password will follow";
        /// Type 7: hidden from a glance, see the head of this module.
        Hidden = "7", "Specifies a HIDDEN password will follow";
    }
    refused {
        "6", "type 6 encryption under a master key";
    }
}

/// The type of a secret that a text begins with as a router's lines do, in a digit: one of another kind than those that the
/// words in front of the text name.
pub(crate) fn unknown_type(text: &str) -> Option<char> {
    let mut word = text.split([' ', '\t']).next()?.chars();
    let digit = word.next().filter(char::is_ascii_digit)?;
    word.next().is_none().then_some(digit)
}

/// A user's password with the way it was written, so that it prints as it was given.
#[derive(Clone, Eq, PartialEq)]
pub struct Password {
    /// The password in clear.
    pub clear: Secret,
    /// Where in the constant a type 7 text starts; absent for a password written in clear.
    pub offset: Option<u8>,
}

impl Password {
    /// A password written in clear.
    pub fn plain(text: &str) -> Self {
        Self {
            clear: Secret::new(text),
            offset: None,
        }
    }

    /// Reads a type 7 text: two decimal digits of offset, then pairs of hexadecimal digits.
    /// `None` if it is not of that form or does not hold UTF-8.
    pub fn hidden(text: &str) -> Option<Self> {
        let (offset, digits) = text.split_at_checked(2)?;
        let plain_digits = offset.bytes().all(|octet| octet.is_ascii_digit());
        let offset = offset
            .parse()
            .ok()
            .filter(|o: &u8| plain_digits && usize::from(*o) < 53)?;
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        let mut clear = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
        let mut key = key_from(offset);
        let mut rest = digits;
        while !rest.is_empty() {
            let (pair, after) = rest.split_at_checked(2)?;
            clear.push(u8::from_str_radix(pair, 16).ok()? ^ key.next()?);
            rest = after;
        }
        let clear = core::str::from_utf8(&clear).ok()?;
        let visible = clear.chars().all(|c| !c.is_control());
        visible.then(|| Self {
            clear: Secret::new(clear),
            offset: Some(offset),
        })
    }

    /// The encoding's digit and the text after it, as a line writes them.
    pub fn written(&self) -> (Encoding, Zeroizing<String>) {
        let clear = self.clear.reveal();
        let Some(offset) = self.offset else {
            return (Encoding::Plain, Zeroizing::new(String::from(clear)));
        };
        let mut text = Zeroizing::new(format!("{offset:02}"));
        for (octet, key) in clear.bytes().zip(key_from(offset)) {
            text.push_str(&format!("{:02X}", octet ^ key));
        }
        (Encoding::Hidden, text)
    }
}

fn key_from(offset: u8) -> impl Iterator<Item = u8> {
    HIDING.iter().copied().cycle().skip(usize::from(offset))
}

/// The constant of type 7.
const HIDING: &[u8; 53] = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_type_7() {
        // A pair that the vendor's own documents print.
        let read = Password::hidden("094F471A1A0A").unwrap();
        assert!(read.clear == Secret::new("cisco"));
        assert_eq!(&*read.written().1, "094F471A1A0A");
        assert!(read != Password::plain("cisco"));
    }

    #[test]
    fn refuses_what_is_no_type_7_text() {
        for text in [
            "", "0", "09", "094", "094F4", "xx4F", "094G", "534F", "+94F", "ü94F",
        ] {
            assert!(Password::hidden(text).is_none(), "{text}");
        }
        // Octets that are no UTF-8 and control characters.
        assert!(Password::hidden("00FF").is_none());
        assert!(Password::hidden("0064").is_none());
    }

    #[test]
    fn every_offset_and_length_reads_back() {
        for offset in 0..53 {
            let hidden = Password {
                clear: Secret::new(&"aé".repeat(40)),
                offset: Some(offset),
            };
            assert!(Password::hidden(&hidden.written().1).unwrap() == hidden);
        }
    }
}
