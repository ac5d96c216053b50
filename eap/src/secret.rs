//! Text that must not be printed: passwords, codes, session tokens.

use alloc::string::String;

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret text: zeroized on drop, compared in constant time, without `Debug` and `Display`.
///
/// It is not `Clone` either: a second copy has to be asked for with [`Secret::expose`].
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes a text over; the caller's buffer becomes the secret's, without a copy.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for whoever has to judge or send it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text's octets are these; the time taken tells the lengths apart and nothing
    /// else.
    pub fn matches(&self, octets: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(octets).into()
    }

    /// Whether the text has no octets.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_by_content() {
        assert!(Secret::from("cisco123") == Secret::from("cisco123"));
        assert!(Secret::from("cisco123") != Secret::from("cisco12"));
        assert!(Secret::from("cisco123") != Secret::from("cisco124"));
        assert!(Secret::from("cisco123").matches(b"cisco123"));
        assert!(!Secret::from("").matches(b"x"));
    }
}
