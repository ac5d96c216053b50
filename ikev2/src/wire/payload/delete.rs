//! The Delete payload (RFC 7296 §3.11).

use alloc::vec::Vec;

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{Reader, Wire, count_u8, count_u16},
        registry::ProtocolId,
    },
};

/// SAs of one protocol that the sender has removed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delete {
    /// [`ProtocolId::IKE`] for the IKE SA that the message belongs to, else the protocol of the child SAs.
    pub protocol: ProtocolId,
    /// The sender's inbound SPIs, all of one length: 4 octets for ESP and AH. Empty for the IKE SA.
    pub spis: Vec<Vec<u8>>,
}

impl Delete {
    /// Deletes the IKE SA itself.
    #[must_use]
    pub const fn ike_sa() -> Self {
        Self {
            protocol: ProtocolId::IKE,
            spis: Vec::new(),
        }
    }

    /// Deletes ESP SAs by their inbound SPIs.
    #[must_use]
    pub fn esp(spis: &[[u8; 4]]) -> Self {
        Self {
            protocol: ProtocolId::ESP,
            spis: spis.iter().map(|spi| spi.to_vec()).collect(),
        }
    }
}

impl Wire for Delete {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let protocol = ProtocolId::read(reader)?;
        let size = reader.u8("delete SPI size")?;
        let count = reader.u16("delete SPI count")?;
        // RFC 7296 §3.11#3: no SPI for the IKE SA, 4 octets for AH and ESP.
        let agrees = match protocol {
            ProtocolId::IKE => size == 0,
            ProtocolId::ESP | ProtocolId::AH => size == 4,
            _ => true,
        };
        if !agrees {
            return Err(InvalidMessage::SpiSize {
                what: "delete",
                protocol,
                size,
            });
        }
        if size == 0 {
            // The IKE SA needs no SPI to be named, so a count of one is as good as none there; for anything else
            // SPIs of no octets are a contradiction.
            if count != 0 && protocol != ProtocolId::IKE {
                return Err(InvalidMessage::SpiSize {
                    what: "delete",
                    protocol,
                    size,
                });
            }
            return Ok(Self {
                protocol,
                spis: Vec::new(),
            });
        }

        let field = reader.rest();
        let spis: Vec<_> = field
            .chunks_exact(usize::from(size))
            .map(<[u8]>::to_vec)
            .collect();
        let whole = spis.len().saturating_mul(usize::from(size)) == field.len();
        if !whole || spis.len() != usize::from(count) {
            return Err(InvalidMessage::Count {
                what: "delete SPIs",
                count: usize::from(count),
                found: spis.len(),
            });
        }
        Ok(Self { protocol, spis })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.protocol.write(out);
        // RFC 7296 §3.11#3: so it is with none, too.
        let size = match self.protocol {
            ProtocolId::ESP | ProtocolId::AH => 4,
            _ => count_u8(self.spis.first().map_or(0, Vec::len)),
        };
        out.push(size);
        out.extend_from_slice(&count_u16(self.spis.len()).to_be_bytes());
        for spi in &self.spis {
            out.extend_from_slice(spi);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Delete, InvalidMessage> {
        let mut reader = Reader::new(octets);
        let delete = Delete::read(&mut reader)?;
        reader.finish("delete")?;
        Ok(delete)
    }

    // RFC 7296 §3.11#1-2: a Delete has one protocol for all that it names.
    #[test]
    fn reads_both_kinds() {
        assert_eq!(read(&[1, 0, 0, 0]), Ok(Delete::ike_sa()));
        assert_eq!(
            read(&[3, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]),
            Ok(Delete::esp(&[[1, 2, 3, 4], [5, 6, 7, 8]]))
        );
    }

    // RFC 7296 §3.11#3: an SPI of ESP has four octets, also where none is named.
    #[test]
    fn writes_none_as_it_is_read() {
        let mut out = Vec::new();
        Delete::esp(&[]).write(&mut out);
        assert_eq!(out, [3, 4, 0, 0]);
        assert_eq!(read(&out), Ok(Delete::esp(&[])));
    }

    #[test]
    fn accepts_a_count_for_the_ike_sa_without_spis() {
        assert_eq!(read(&[1, 0, 0, 1]), Ok(Delete::ike_sa()));
    }

    #[test]
    fn rejects_counts_that_lie() {
        // RFC 7296 §3.11: size and count give the length of the SPIs.
        for (count, spis) in [(0_u8, 4), (1, 0), (1, 3), (1, 5), (1, 8), (255, 4)] {
            let mut octets = vec![3, 4, 0, count];
            octets.resize(4 + spis, 7);
            assert_eq!(
                read(&octets),
                Err(InvalidMessage::Count {
                    what: "delete SPIs",
                    count: usize::from(count),
                    found: spis / 4
                })
            );
        }
    }

    #[test]
    fn rejects_spi_sizes_that_are_not_the_protocols() {
        // RFC 7296 §3.11#3: an SPI has the size of its protocol's.
        for (protocol, size) in [(3, 0), (3, 3), (3, 8), (2, 16), (1, 8)] {
            assert_eq!(
                read(&[protocol, size, 0, 1, 0, 0, 0, 0]),
                Err(InvalidMessage::SpiSize {
                    what: "delete",
                    protocol: ProtocolId(protocol),
                    size
                })
            );
        }
        assert_eq!(
            read(&[9, 0, 0xff, 0xff]),
            Err(InvalidMessage::SpiSize {
                what: "delete",
                protocol: ProtocolId(9),
                size: 0
            })
        );
    }
}
