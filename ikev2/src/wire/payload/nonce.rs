//! The Nonce payload (RFC 7296 §3.9).

use alloc::vec::Vec;

use crate::{
    error::InvalidMessage,
    wire::codec::{Reader, Wire},
};

/// 16 to 256 octets that one side drew at random.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// The smallest nonce.
    pub const MIN: usize = 16;
    /// The largest nonce.
    pub const MAX: usize = 256;

    /// Takes octets for a nonce.
    ///
    /// # Errors
    /// [`InvalidMessage::NonceLength`] outside 16 to 256 octets.
    pub fn new(octets: Vec<u8>) -> Result<Self, InvalidMessage> {
        // RFC 7296 §3.9#1: 16 to 256 octets, both included.
        if (Self::MIN..=Self::MAX).contains(&octets.len()) {
            Ok(Self(octets))
        } else {
            Err(InvalidMessage::NonceLength {
                length: octets.len(),
            })
        }
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Nonce {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Wire for Nonce {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        Self::new(reader.rest().to_vec())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_nonces_outside_16_to_256_octets() {
        // RFC 7296 §3.9.
        for length in [0, 15, 257] {
            assert_eq!(
                Nonce::read(&mut Reader::new(&vec![7; length])),
                Err(InvalidMessage::NonceLength { length })
            );
        }
        for length in [16, 32, 256] {
            let octets = vec![7; length];
            assert_eq!(
                Nonce::read(&mut Reader::new(&octets)).unwrap().as_bytes(),
                octets
            );
        }
    }
}
