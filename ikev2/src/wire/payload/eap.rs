//! The EAP payload (RFC 7296 §3.16): a whole EAP packet, opaque here.

use alloc::vec::Vec;
use core::{fmt, mem};

use zeroize::ZeroizeOnDrop;

use crate::{
    error::InvalidMessage,
    wire::codec::{Reader, Wire},
};

/// An EAP packet with its own header, not checked in any way.
///
/// It may hold a password: it is wiped when dropped, and `Debug` shows its length alone.
#[derive(Clone, Eq, PartialEq, ZeroizeOnDrop)]
pub struct EapPayload(pub Vec<u8>);

impl EapPayload {
    /// The packet; whoever takes it takes over wiping it.
    #[must_use]
    pub fn into_packet(mut self) -> Vec<u8> {
        mem::take(&mut self.0)
    }
}

impl fmt::Debug for EapPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EapPayload({} octets)", self.0.len())
    }
}

impl Wire for EapPayload {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        Ok(Self(reader.rest().to_vec()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn debug_shows_no_octet_of_the_packet() {
        assert_eq!(
            format!("{:?}", EapPayload(b"cisco123".to_vec())),
            "EapPayload(8 octets)"
        );
    }

    #[test]
    fn gives_the_packet_away_whole() {
        assert_eq!(EapPayload(vec![1, 2, 0, 4]).into_packet(), [1, 2, 0, 4]);
    }
}
