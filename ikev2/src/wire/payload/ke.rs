//! The Key Exchange payload (RFC 7296 §3.4).

use alloc::vec::Vec;

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{Reader, Wire},
        registry::GroupId,
    },
};

/// A public value, KEM key or KEM ciphertext. Its length and validity are judged by the key exchange.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KePayload {
    /// The method it belongs to.
    pub group: GroupId,
    /// The key exchange data in the form that the method has on the wire.
    pub data: Vec<u8>,
}

impl Wire for KePayload {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let group = GroupId::read(reader)?;
        // RFC 7296 §2.5#8: what they hold is passed over.
        reader.u16("key exchange")?;
        Ok(Self {
            group,
            data: reader.rest().to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.group.write(out);
        // RFC 7296 §2.5#7: reserved fields are zero.
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_the_reserved_field() {
        // RFC 7296 §2.5#7-8: reserved fields are sent as zero and ignored when received.
        let read = KePayload::read(&mut Reader::new(&[0, 31, 0xff, 0xff, 1, 2])).unwrap();
        assert_eq!(
            read,
            KePayload {
                group: GroupId::CURVE25519,
                data: vec![1, 2]
            }
        );
        let mut out = Vec::new();
        read.write(&mut out);
        assert_eq!(out, [0, 31, 0, 0, 1, 2]);
    }

    #[test]
    fn rejects_every_truncation_of_its_fixed_part() {
        for length in 0..4 {
            assert!(KePayload::read(&mut Reader::new(&[0, 14, 0, 0][..length])).is_err());
        }
    }
}
