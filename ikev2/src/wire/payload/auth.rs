//! The Authentication payload (RFC 7296 §3.8).

use alloc::vec::Vec;

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{Reader, Wire},
        registry::AuthMethod,
    },
};

/// A signature or MIC over the signed octets of RFC 7296 §2.15; not verified here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthPayload {
    /// How it was made.
    pub method: AuthMethod,
    /// The signature or MIC. For [`AuthMethod::DIGITAL_SIGNATURE`] an AlgorithmIdentifier stands before it (RFC 7427 §3).
    pub data: Vec<u8>,
}

impl Wire for AuthPayload {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let method = AuthMethod::read(reader)?;
        // RFC 7296 §3.8#4: what they hold is passed over.
        reader.array::<3>("authentication")?;
        Ok(Self {
            method,
            data: reader.rest().to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.method.write(out);
        // RFC 7296 §3.8#3: the reserved octets are zero.
        out.extend_from_slice(&[0; 3]);
        out.extend_from_slice(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_the_reserved_field() {
        // RFC 7296 §3.8#3-4: reserved fields are sent as zero and ignored when received.
        let read = AuthPayload::read(&mut Reader::new(&[1, 9, 9, 9, 5])).unwrap();
        assert_eq!(
            read,
            AuthPayload {
                method: AuthMethod::RSA_DIGITAL_SIGNATURE,
                data: vec![5]
            }
        );
        let mut out = Vec::new();
        read.write(&mut out);
        assert_eq!(out, [1, 0, 0, 0, 5]);
    }

    #[test]
    fn rejects_every_truncation_of_its_fixed_part() {
        for length in 0..4 {
            assert!(AuthPayload::read(&mut Reader::new(&[2, 0, 0, 0][..length])).is_err());
        }
    }
}
