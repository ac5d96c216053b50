//! `crypto ikev2 keyring`, and keys as lines write them.

use alloc::{string::String, vec::Vec};
use core::fmt;

use zeroize::Zeroizing;

use super::{Table, ikev2::IdentityMatch, keywords, name::Name, net::IpNet};
use crate::password::{Secret, unknown_type};

keywords! {
    /// How a key is written in a line.
    pub enum KeyEncoding {
        /// In clear.
        Plain = "0", "Specifies an UNENCRYPTED password will follow";
        /// In hexadecimal digits.
        Hex = "hex", "Key entered in hex string";
    }
    refused {
        "6", "type 6 encryption under a master key";
    }
}

/// A pre-shared key in the spelling of its line, so that it prints as it was given. It cannot be
/// printed by accident and never is empty.
#[derive(Clone, Eq, PartialEq)]
pub struct KeyText {
    encoding: KeyEncoding,
    text: Secret,
}

impl KeyText {
    /// Takes the text of a line. `None` if it is empty or, where hexadecimal digits are meant, not made
    /// of pairs of them.
    pub fn new(encoding: KeyEncoding, text: &str) -> Option<Self> {
        let spelled = match encoding {
            KeyEncoding::Plain => true,
            KeyEncoding::Hex => {
                let (pairs, odd) = text.as_bytes().as_chunks::<2>();
                odd.is_empty() && pairs.as_flattened().iter().all(u8::is_ascii_hexdigit)
            }
        };
        (spelled && !text.is_empty()).then(|| Self {
            encoding,
            text: Secret::new(text),
        })
    }

    /// The octets of the key, at least one.
    pub fn octets(&self) -> Zeroizing<Vec<u8>> {
        let text = self.text.reveal();
        match self.encoding {
            // RFC 7296 §2.15#1-2: the text as it was given, of any length, and nothing behind it.
            KeyEncoding::Plain => Zeroizing::new(text.as_bytes().to_vec()),
            KeyEncoding::Hex => {
                // RFC 7296 §2.15#3: the same in hexadecimal digits.
                let digit = |octet: u8| char::from(octet).to_digit(16).unwrap_or_default();
                let pairs = text.as_bytes().as_chunks::<2>().0.iter();
                let octet = |&[high, low]: &[u8; 2]| digit(high) << 4 | digit(low);
                // Two hexadecimal digits fit an octet.
                let octets = pairs.map(|pair| u8::try_from(octet(pair)).unwrap_or_default());
                let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
                out.extend(octets);
                out
            }
        }
    }

    /// What a line writes, after `pre-shared-key` or `key`. `0` stands in front where the key itself
    /// begins like a word that could stand there.
    pub fn written(&self) -> Zeroizing<String> {
        let text = self.text.reveal();
        let mut out = Zeroizing::new(String::with_capacity(text.len().saturating_add(4)));
        let first = text.split(' ').next().unwrap_or_default();
        let like_a_word = ["0", "6", "hex", "local", "remote"]
            .iter()
            .any(|word| word.starts_with(&first.to_ascii_lowercase()))
            || unknown_type(text).is_some();
        match self.encoding {
            KeyEncoding::Plain if like_a_word => out.push_str("0 "),
            KeyEncoding::Plain => {}
            KeyEncoding::Hex => out.push_str("hex "),
        }
        out.push_str(text);
        out
    }
}

/// `crypto ikev2 keyring NAME`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Keyring {
    /// `peer NAME`, in the order of the lines.
    pub peers: Table<Peer>,
}

/// `peer NAME` of a keyring.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Peer {
    /// `description LINE`.
    pub description: Option<String>,
    /// `hostname NAME`: the peer calls itself by this domain name.
    pub hostname: Option<Name>,
    /// `address …`: where its requests come from.
    pub address: Option<IpNet>,
    /// `identity …`: what it calls itself. Never [`IdentityMatch::Any`].
    pub identity: Option<IdentityMatch>,
    /// `pre-shared-key`, in either of its forms.
    pub keys: PeerKeys,
    /// `ppk manual …`.
    pub ppk: Option<Ppk>,
}

/// `ppk manual id ID key KEY [required]`: a key that is mixed into those of the peer's IKE SA (RFC 8784).
#[derive(Clone, Eq, PartialEq)]
pub struct Ppk {
    /// The name of the key.
    pub id: Name,
    /// The key.
    pub key: KeyText,
    /// The peer is not served without it.
    pub required: bool,
}

/// The keys of a peer.
#[derive(Clone, Default, Eq, PartialEq)]
pub enum PeerKeys {
    /// None yet.
    #[default]
    None,
    /// `pre-shared-key KEY`, for both directions.
    Both(KeyText),
    /// `pre-shared-key local KEY` and `pre-shared-key remote KEY`.
    Each {
        /// What the headend proves itself with.
        local: Option<KeyText>,
        /// What the peer proves itself with.
        remote: Option<KeyText>,
    },
}

impl PeerKeys {
    /// What the headend proves itself with.
    pub const fn local(&self) -> Option<&KeyText> {
        match self {
            Self::None => None,
            Self::Both(key) => Some(key),
            Self::Each { local, .. } => local.as_ref(),
        }
    }

    /// What the peer proves itself with.
    pub const fn remote(&self) -> Option<&KeyText> {
        match self {
            Self::None => None,
            Self::Both(key) => Some(key),
            Self::Each { remote, .. } => remote.as_ref(),
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("hostname", &self.hostname)
            .field("address", &self.address)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn key(encoding: KeyEncoding, text: &str) -> Option<KeyText> {
        KeyText::new(encoding, text)
    }

    // RFC 7296 §2.15#1-2: at least 64 characters, and nothing behind them.
    #[test]
    fn a_key_is_its_text_of_any_length() {
        for length in [1, 64, 65, 200] {
            let text = "k".repeat(length);
            let octets = key(KeyEncoding::Plain, &text).map(|key| key.octets().to_vec());
            assert_eq!(octets.as_deref(), Some(text.as_bytes()));
        }
    }

    // RFC 7296 §2.15#3: a key in hexadecimal digits.
    #[test]
    fn a_key_in_hexadecimal_digits_is_made_of_pairs_of_them() {
        let hex = |text| key(KeyEncoding::Hex, text).map(|key| key.octets().to_vec());
        assert_eq!(hex("00fF10"), Some([0x00, 0xff, 0x10].to_vec()));
        for text in ["", "0", "0g", "+1", "00 11", "ü1"] {
            assert_eq!(hex(text), None, "{text}");
        }
        assert!(key(KeyEncoding::Plain, "").is_none());
    }

    #[test]
    fn a_key_that_begins_like_a_word_of_its_line_is_marked() {
        let written = |text| key(KeyEncoding::Plain, text).unwrap().written();
        assert_eq!(&*written("cisco123"), "cisco123");
        for text in ["0 x", "6", "h", "HEX 00", "local", "rem ote"] {
            assert_eq!(&*written(text), &format!("0 {text}"));
        }
    }

    #[test]
    fn no_key_is_printed_with_its_peer() {
        let peer = Peer {
            keys: PeerKeys::Both(key(KeyEncoding::Plain, "hunter2").unwrap()),
            ..Peer::default()
        };
        assert!(!format!("{peer:?}").contains("hunter2"));
    }
}
