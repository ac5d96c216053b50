//! The Notify payload (RFC 7296 §3.10).

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroize;

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{Reader, Wire, count_u8},
        registry::{NotifyType, ProtocolId},
    },
};

/// An error or a status, of any type and with data of any length.
///
/// A token of RFC 6290 is a secret: it is wiped when dropped, and `Debug` shows its length alone.
#[derive(Clone, Eq, PartialEq)]
pub struct Notify {
    /// The protocol of the SA that it is about; means nothing where there is no SPI (RFC 7296 §3.10).
    pub protocol: ProtocolId,
    /// The SPI of that SA, empty where the notify is about none or about this IKE SA. Its length is not checked here,
    /// because a notify that is not understood must not harm.
    pub spi: Vec<u8>,
    /// What it says.
    pub kind: NotifyType,
    /// What belongs to it.
    pub data: Vec<u8>,
}

impl Notify {
    /// A notify about this IKE SA or about none.
    #[must_use]
    pub const fn new(kind: NotifyType, data: Vec<u8>) -> Self {
        Self {
            // RFC 7296 §3.10#2,4, RFC 5685 §9.1#1-2, §9.2#1-2, §9.3#1-2: without an SPI there is neither protocol nor size.
            protocol: ProtocolId::NONE,
            spi: Vec::new(),
            kind,
            data,
        }
    }

    /// A notify that says all by its type.
    #[must_use]
    pub const fn plain(kind: NotifyType) -> Self {
        Self::new(kind, Vec::new())
    }
}

impl Notify {
    fn is_secret(&self) -> bool {
        self.kind == NotifyType::QUICK_CRASH_DETECTION
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        if self.is_secret() {
            self.data.zeroize();
        }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Notify");
        shown
            .field("protocol", &self.protocol)
            .field("spi", &self.spi)
            .field("kind", &self.kind);
        if self.is_secret() {
            let length = self.data.len();
            shown.field("data", &format_args!("{length} octets"))
        } else {
            shown.field("data", &self.data)
        }
        .finish()
    }
}

impl Wire for Notify {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        // RFC 7296 §3.10#3: any protocol is read, and without an SPI nobody looks at it.
        let protocol = ProtocolId::read(reader)?;
        let spi_size = reader.u8("notify SPI size")?;
        let kind = NotifyType::read(reader)?;
        let spi = reader.take(usize::from(spi_size), "notify SPI")?.to_vec();
        Ok(Self {
            protocol,
            spi,
            kind,
            data: reader.rest().to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.protocol.write(out);
        out.push(count_u8(self.spi.len()));
        self.kind.write(out);
        out.extend_from_slice(&self.spi);
        out.extend_from_slice(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_notify_about_a_child_sa() {
        let octets = [3, 4, 0x40, 0x09, 1, 2, 3, 4, 9];
        let notify = Notify::read(&mut Reader::new(&octets)).unwrap();
        assert_eq!(
            notify,
            Notify {
                protocol: ProtocolId::ESP,
                spi: vec![1, 2, 3, 4],
                kind: NotifyType::REKEY_SA,
                data: vec![9],
            }
        );
    }

    // RFC 7296 §3.10#2-4: without an SPI size and protocol are zero, and another protocol is no error.
    #[test]
    fn the_protocol_means_nothing_without_an_spi() {
        let mut out = Vec::new();
        Notify::plain(NotifyType::INITIAL_CONTACT).write(&mut out);
        assert_eq!(out, [0, 0, 0x40, 0x00]);
        for protocol in [1, 3, 255] {
            let read = Notify::read(&mut Reader::new(&[protocol, 0, 0x40, 0x00])).unwrap();
            assert_eq!(
                (read.kind, read.spi.len()),
                (NotifyType::INITIAL_CONTACT, 0)
            );
        }
    }

    #[test]
    fn rejects_an_spi_longer_than_the_payload() {
        assert_eq!(
            Notify::read(&mut Reader::new(&[1, 255, 0, 7, 1, 2])),
            Err(InvalidMessage::Truncated {
                what: "notify SPI",
                needed: 255,
                available: 2
            })
        );
    }

    #[test]
    fn rejects_every_truncation_of_its_fixed_part() {
        for length in 0..4 {
            assert!(Notify::read(&mut Reader::new(&[0, 0, 0x40, 0][..length])).is_err());
        }
    }
}
