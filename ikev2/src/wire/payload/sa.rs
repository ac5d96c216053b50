//! The Security Association payload (RFC 7296 §3.3): proposals, their transforms and the attributes of those.
//!
//! What is acceptable among them is for `negotiate`. Unknown types, IDs and attributes are kept, because each makes only
//! its own transform or proposal unacceptable (RFC 7296 §3.3.6).

use alloc::vec::Vec;

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{LengthGuard, Reader, Wire, count_u8},
        registry::{EncryptionId, EsnId, GroupId, IntegrityId, PrfId, ProtocolId, TransformType},
    },
};

/// How many transforms and attributes of transforms a payload may have, all proposals together. One of 255 transforms is
/// read; without a bound a 64 KiB message holds 16,000 attributes, which take ten times their octets once they are read.
pub const MAX_TRANSFORMS: usize = 1_024;

/// How many proposals a payload may have: their numbers, which are octets, count from 1.
pub const MAX_PROPOSALS: usize = 255;

/// Proposals in the order of preference, or the one that was chosen. Never empty when received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SaPayload {
    /// The proposals.
    pub proposals: Vec<Proposal>,
}

/// One proposal: transforms of different types are all wanted, those of one type are alternatives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proposal {
    /// Its number, repeated in the answer that chooses it. It should count from 1; the codec accepts any, because peers
    /// that number otherwise exist.
    pub number: u8,
    /// The protocol of the SA.
    pub protocol: ProtocolId,
    /// The proposer's inbound SPI: empty for an initial IKE SA, 8 octets for an IKE SA that rekeys another, 4 for ESP and
    /// AH.
    pub spi: Vec<u8>,
    /// The transforms, at least one when received.
    pub transforms: Vec<Transform>,
}

/// One algorithm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transform {
    /// What it chooses.
    pub kind: TransformType,
    /// The algorithm, a number of the registry that belongs to `kind`.
    pub id: u16,
    /// The Key Length attribute, in bits; `None` where the attribute is absent.
    pub key_length: Option<u16>,
    /// Every other attribute, a second Key Length among them. One that is not understood makes the transform unacceptable
    /// (RFC 7296 §3.3.6), and none is defined.
    pub attributes: Vec<TransformAttribute>,
}

/// An attribute of a transform (RFC 7296 §3.3.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TransformAttribute {
    /// Its type, 15 bits.
    pub kind: u16,
    /// Its value.
    pub value: AttributeValue,
}

/// The value of a transform attribute in one of its two forms.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AttributeValue {
    /// The value stands in the place of the length.
    Short(u16),
    /// Length and value.
    Long(Vec<u8>),
}

/// "Last Substruc" where another proposal follows.
const MORE_PROPOSALS: u8 = 2;
/// "Last Substruc" where another transform follows.
const MORE_TRANSFORMS: u8 = 3;
/// The Key Length attribute (RFC 7296 §3.3.5).
const KEY_LENGTH: u16 = 14;
/// Set in an attribute's type where its value is [`AttributeValue::Short`].
const ATTRIBUTE_FORMAT: u16 = 0x8000;

impl SaPayload {
    /// A payload of one proposal: what a response carries.
    #[must_use]
    pub fn single(proposal: Proposal) -> Self {
        Self {
            proposals: Vec::from([proposal]),
        }
    }
}

impl Transform {
    /// A transform without a key length.
    #[must_use]
    pub const fn new(kind: TransformType, id: u16) -> Self {
        Self {
            kind,
            id,
            key_length: None,
            attributes: Vec::new(),
        }
    }

    /// An encryption algorithm; `key_length` in bits where the algorithm has keys of several lengths.
    #[must_use]
    pub const fn encryption(id: EncryptionId, key_length: Option<u16>) -> Self {
        let mut transform = Self::new(TransformType::ENCR, id.0);
        transform.key_length = key_length;
        transform
    }

    /// A pseudorandom function.
    #[must_use]
    pub const fn prf(id: PrfId) -> Self {
        Self::new(TransformType::PRF, id.0)
    }

    /// An integrity algorithm.
    #[must_use]
    pub const fn integrity(id: IntegrityId) -> Self {
        Self::new(TransformType::INTEG, id.0)
    }

    /// A key exchange method.
    #[must_use]
    pub const fn group(id: GroupId) -> Self {
        Self::new(TransformType::KE, id.0)
    }

    /// Extended sequence numbers or not.
    #[must_use]
    pub const fn esn(id: EsnId) -> Self {
        Self::new(TransformType::ESN, id.0)
    }
}

impl Proposal {
    /// Transforms and their attributes.
    fn elements(&self) -> usize {
        let transforms = self.transforms.iter();
        transforms.fold(0, |sum: usize, transform| {
            sum.saturating_add(1)
                .saturating_add(transform.attributes.len())
        })
    }

    /// The transforms of one type, in their order.
    pub fn transforms_of(&self, kind: TransformType) -> impl Iterator<Item = &Transform> {
        self.transforms
            .iter()
            .filter(move |transform| transform.kind == kind)
    }
}

const TOO_MANY_TRANSFORMS: InvalidMessage = InvalidMessage::TooMany {
    what: "transforms and their attributes",
    limit: MAX_TRANSFORMS,
};

impl SaPayload {
    /// Octets of memory that it occupies, about.
    pub(crate) fn memory(&self) -> usize {
        let long = |attribute: &TransformAttribute| match &attribute.value {
            AttributeValue::Short(_) => 0,
            AttributeValue::Long(value) => value.len(),
        };
        let transforms = self.proposals.iter().flat_map(|one| &one.transforms);
        let attributes = transforms.clone().flat_map(|one| &one.attributes);
        let values: usize = attributes.clone().map(long).sum();
        let spis: usize = self.proposals.iter().map(|one| one.spi.len()).sum();
        values
            .saturating_add(spis)
            .saturating_add(size_of::<Proposal>().saturating_mul(self.proposals.len()))
            .saturating_add(size_of::<Transform>().saturating_mul(transforms.count()))
            .saturating_add(size_of::<TransformAttribute>().saturating_mul(attributes.count()))
    }
}

/// Checks a "Last Substruc" octet against whether more does follow.
fn marker(what: &'static str, found: u8, follows: bool, more: u8) -> Result<(), InvalidMessage> {
    // RFC 7296 §3.3#2: lengths and counts within an SA payload have to agree, and this octet says again what they say.
    let expected = if follows { more } else { 0 };
    if found == expected {
        Ok(())
    } else {
        Err(InvalidMessage::SubstructureMarker {
            what,
            found,
            expected,
        })
    }
}

impl Wire for SaPayload {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let mut proposals: Vec<Proposal> = Vec::new();
        let mut room = MAX_TRANSFORMS;
        while !reader.is_empty() {
            if proposals.len() >= MAX_PROPOSALS {
                return Err(InvalidMessage::TooMany {
                    what: "proposals",
                    limit: MAX_PROPOSALS,
                });
            }
            let last = reader.u8("proposal")?;
            // RFC 7296 §3.3.1#2: the reserved octet is passed over.
            reader.u8("proposal")?;
            let length = reader.u16("proposal length")?;
            let mut body = reader.body(length, 4, "proposal")?;
            marker("proposal", last, !reader.is_empty(), MORE_PROPOSALS)?;
            let proposal = Proposal::read(&mut body)?;
            body.finish("proposal")?;
            room = room
                .checked_sub(proposal.elements())
                .ok_or(TOO_MANY_TRANSFORMS)?;
            proposals.push(proposal);
        }
        if proposals.is_empty() {
            return Err(InvalidMessage::Empty { what: "proposals" });
        }
        Ok(Self { proposals })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut following = self.proposals.len();
        for proposal in &self.proposals {
            following = following.saturating_sub(1);
            let start = out.len();
            // RFC 7296 §3.3.1#1: the reserved octet is zero.
            out.extend_from_slice(&[if following > 0 { MORE_PROPOSALS } else { 0 }, 0]);
            let mut length = LengthGuard::<2>::open(out, start);
            proposal.write(length.out());
            length.finish();
        }
    }
}

impl Wire for Proposal {
    /// Reads what follows the proposal's length, to the end of the reader.
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let number = reader.u8("proposal number")?;
        let protocol = ProtocolId::read(reader)?;
        let spi_size = reader.u8("proposal SPI size")?;
        let count = usize::from(reader.u8("proposal transform count")?);
        // RFC 7296 §3.3.1: no SPI in the initial exchange, 8 octets for an IKE SA, 4 for ESP and AH.
        let agrees = match protocol {
            ProtocolId::IKE => matches!(spi_size, 0 | 8),
            ProtocolId::ESP | ProtocolId::AH => spi_size == 4,
            _ => true,
        };
        if !agrees {
            return Err(InvalidMessage::SpiSize {
                what: "proposal",
                protocol,
                size: spi_size,
            });
        }
        let spi = reader.take(usize::from(spi_size), "proposal SPI")?.to_vec();

        let mut transforms = Vec::new();
        while !reader.is_empty() {
            let last = reader.u8("transform")?;
            reader.u8("transform")?;
            let length = reader.u16("transform length")?;
            let mut body = reader.body(length, 4, "transform")?;
            marker("transform", last, !reader.is_empty(), MORE_TRANSFORMS)?;
            transforms.push(Transform::read(&mut body)?);
            body.finish("transform")?;
        }
        if transforms.len() != count {
            return Err(InvalidMessage::Count {
                what: "transforms",
                count,
                found: transforms.len(),
            });
        }
        // RFC 7296 §3.3.1: a proposal holds one or more transforms.
        if transforms.is_empty() {
            return Err(InvalidMessage::Empty { what: "transforms" });
        }
        Ok(Self {
            number,
            protocol,
            spi,
            transforms,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.number);
        self.protocol.write(out);
        out.push(count_u8(self.spi.len()));
        out.push(count_u8(self.transforms.len()));
        out.extend_from_slice(&self.spi);
        let mut following = self.transforms.len();
        for transform in &self.transforms {
            following = following.saturating_sub(1);
            let start = out.len();
            // RFC 7296 §3.3.2#1: the reserved octets are zero.
            out.extend_from_slice(&[if following > 0 { MORE_TRANSFORMS } else { 0 }, 0]);
            let mut length = LengthGuard::<2>::open(out, start);
            transform.write(length.out());
            length.finish();
        }
    }
}

impl Wire for Transform {
    /// Reads what follows the transform's length, to the end of the reader.
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let kind = TransformType::read(reader)?;
        reader.u8("transform")?;
        // RFC 7296 §3.3.2#2: the reserved octet before it is passed over, as is the one after the
        // marker.
        let id = reader.u16("transform ID")?;
        let mut key_length = None;
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            let attribute = TransformAttribute::read(reader)?;
            match attribute {
                TransformAttribute {
                    kind: KEY_LENGTH,
                    value: AttributeValue::Short(bits),
                    // RFC 7296 §3.3#7: a second value of one type makes the transform one that nobody
                    // offers.
                } if key_length.is_none() => {
                    key_length = Some(bits);
                }
                _ if attributes.len() >= MAX_TRANSFORMS => return Err(TOO_MANY_TRANSFORMS),
                other => attributes.push(other),
            }
        }
        Ok(Self {
            kind,
            id,
            key_length,
            attributes,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.kind.write(out);
        out.push(0);
        out.extend_from_slice(&self.id.to_be_bytes());
        if let Some(bits) = self.key_length {
            TransformAttribute {
                kind: KEY_LENGTH,
                value: AttributeValue::Short(bits),
            }
            .write(out);
        }
        for attribute in &self.attributes {
            attribute.write(out);
        }
    }
}

impl Wire for TransformAttribute {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let format_and_kind = reader.u16("transform attribute type")?;
        let word = reader.u16("transform attribute")?;
        let value = if format_and_kind & ATTRIBUTE_FORMAT != 0 {
            AttributeValue::Short(word)
        } else {
            let value = reader.take(usize::from(word), "transform attribute value")?;
            AttributeValue::Long(value.to_vec())
        };
        Ok(Self {
            kind: format_and_kind & !ATTRIBUTE_FORMAT,
            value,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let kind = self.kind & !ATTRIBUTE_FORMAT;
        match &self.value {
            // RFC 7296 §3.3.5#1-3: short values stand in two octets, the first one first, and long
            // ones behind their length.
            AttributeValue::Short(value) => {
                out.extend_from_slice(&(kind | ATTRIBUTE_FORMAT).to_be_bytes());
                out.extend_from_slice(&value.to_be_bytes());
            }
            AttributeValue::Long(value) => {
                out.extend_from_slice(&kind.to_be_bytes());
                let mut length = LengthGuard::<2>::open_after(out);
                length.out().extend_from_slice(value);
                length.finish();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SA payload body of the first capture: AES-CBC-256, SHA2-256-128, PRF SHA2-256, MODP-2048.
    const CAPTURED: &[u8] = &[
        0, 0, 0, 0x2c, 1, 1, 0, 4, // proposal 1, IKE, no SPI, 4 transforms
        3, 0, 0, 0x0c, 1, 0, 0, 12, 0x80, 14, 1, 0, // ENCR_AES_CBC, 256 bits
        3, 0, 0, 8, 3, 0, 0, 12, // AUTH_HMAC_SHA2_256_128
        3, 0, 0, 8, 2, 0, 0, 5, // PRF_HMAC_SHA2_256
        0, 0, 0, 8, 4, 0, 0, 14, // MODP_2048
    ];

    fn captured() -> SaPayload {
        SaPayload::single(Proposal {
            number: 1,
            protocol: ProtocolId::IKE,
            spi: Vec::new(),
            transforms: vec![
                Transform::encryption(EncryptionId::ENCR_AES_CBC, Some(256)),
                Transform::integrity(IntegrityId::AUTH_HMAC_SHA2_256_128),
                Transform::prf(PrfId::PRF_HMAC_SHA2_256),
                Transform::group(GroupId::MODP_2048),
            ],
        })
    }

    fn read(octets: &[u8]) -> Result<SaPayload, InvalidMessage> {
        SaPayload::read(&mut Reader::new(octets))
    }

    fn patched(at: usize, octet: u8) -> Vec<u8> {
        let mut octets = CAPTURED.to_vec();
        octets[at] = octet;
        octets
    }

    // RFC 7296 §3.3.5#1,3: a key length is two octets.
    #[test]
    fn reads_and_writes_a_captured_proposal() {
        assert_eq!(read(CAPTURED), Ok(captured()));
        let mut out = Vec::new();
        captured().write(&mut out);
        assert_eq!(out, CAPTURED);
    }

    // RFC 7296 §3.3.1#1-2, §3.3.2#1-2: reserved octets are sent as zero and passed over when received.
    #[test]
    fn ignores_the_reserved_octets() {
        for at in [1, 9, 13, 21, 25] {
            assert_eq!(CAPTURED[at], 0);
            assert_eq!(read(&patched(at, 0xff)), Ok(captured()), "{at}");
        }
    }

    #[test]
    fn rejects_every_truncation() {
        for length in 0..CAPTURED.len() {
            assert!(read(&CAPTURED[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn rejects_a_transform_count_that_lies() {
        // RFC 7296 §3.3#2: the lengths and counts of an SA payload have to agree.
        for count in [0, 3, 5, 255] {
            assert_eq!(
                read(&patched(7, count)),
                Err(InvalidMessage::Count {
                    what: "transforms",
                    count: usize::from(count),
                    found: 4
                })
            );
        }
    }

    #[test]
    fn rejects_a_marker_that_lies() {
        assert_eq!(
            read(&patched(0, 2)),
            Err(InvalidMessage::SubstructureMarker {
                what: "proposal",
                found: 2,
                expected: 0
            })
        );
        assert_eq!(
            read(&patched(8, 0)),
            Err(InvalidMessage::SubstructureMarker {
                what: "transform",
                found: 0,
                expected: 3
            })
        );
    }

    #[test]
    fn rejects_lengths_below_their_header() {
        assert_eq!(
            read(&patched(3, 3)),
            Err(InvalidMessage::LengthTooSmall {
                what: "proposal",
                length: 3,
                least: 4
            })
        );
        assert_eq!(
            read(&patched(11, 0)),
            Err(InvalidMessage::LengthTooSmall {
                what: "transform",
                length: 0,
                least: 4
            })
        );
    }

    #[test]
    fn rejects_spi_sizes_that_are_not_the_protocols() {
        // RFC 7296 §3.3.1.
        let body = |protocol: ProtocolId, size: u8| {
            let proposal = Proposal {
                number: 1,
                protocol,
                spi: vec![7; usize::from(size)],
                transforms: vec![Transform::esn(EsnId::NO_ESN)],
            };
            let mut out = Vec::new();
            SaPayload::single(proposal).write(&mut out);
            out
        };
        for (protocol, size) in [
            (ProtocolId::IKE, 4),
            (ProtocolId::ESP, 0),
            (ProtocolId::ESP, 3),
            (ProtocolId::ESP, 8),
            (ProtocolId::AH, 0),
        ] {
            assert_eq!(
                read(&body(protocol, size)),
                Err(InvalidMessage::SpiSize {
                    what: "proposal",
                    protocol,
                    size
                })
            );
        }
        for (protocol, size) in [
            (ProtocolId::IKE, 0),
            (ProtocolId::IKE, 8),
            (ProtocolId::ESP, 4),
            (ProtocolId(9), 3),
        ] {
            assert!(read(&body(protocol, size)).is_ok());
        }
    }

    #[test]
    fn refuses_more_than_anybody_proposes_and_reads_255_transforms() {
        let of = |proposals: usize, transforms: usize, attributes: usize| {
            let mut transform = Transform::esn(EsnId::NO_ESN);
            transform.attributes = vec![
                TransformAttribute {
                    kind: 99,
                    value: AttributeValue::Short(1),
                };
                attributes
            ];
            let proposal = Proposal {
                number: 1,
                protocol: ProtocolId::ESP,
                spi: vec![7; 4],
                transforms: vec![transform; transforms],
            };
            let mut octets = Vec::new();
            SaPayload {
                proposals: vec![proposal; proposals],
            }
            .write(&mut octets);
            read(&octets).map(|_| ())
        };
        let proposals = InvalidMessage::TooMany {
            what: "proposals",
            limit: MAX_PROPOSALS,
        };
        assert_eq!(of(1, 255, 0), Ok(()));
        assert_eq!(of(4, 255, 0), Ok(()));
        assert_eq!(of(5, 255, 0), Err(TOO_MANY_TRANSFORMS));
        assert_eq!(of(255, 4, 0), Ok(()));
        assert_eq!(of(256, 1, 0), Err(proposals));
        assert_eq!(of(1, 1, MAX_TRANSFORMS - 1), Ok(()));
        assert_eq!(of(1, 1, MAX_TRANSFORMS), Err(TOO_MANY_TRANSFORMS));
        assert_eq!(of(1, 1, 16_000), Err(TOO_MANY_TRANSFORMS));
    }

    #[test]
    fn rejects_no_proposals_and_no_transforms() {
        assert_eq!(read(&[]), Err(InvalidMessage::Empty { what: "proposals" }));
        assert_eq!(
            read(&[0, 0, 0, 8, 1, 1, 0, 0]),
            Err(InvalidMessage::Empty { what: "transforms" })
        );
    }

    // RFC 7296 §3.3.5#2: a long value keeps its form.
    #[test]
    fn keeps_attributes_that_it_does_not_know() {
        // RFC 7296 §3.3#7, §3.3.6#8: an unknown attribute, or a Key Length given twice, makes only its transform unacceptable.
        let octets = [
            1, 0, 0, 12, // ENCR_AES_CBC
            0x80, 14, 0, 128, // Key Length 128
            0x80, 14, 1, 0, // Key Length 256
            0x00, 99, 0, 3, 7, 8, 9, // attribute 99
        ];
        let transform = Transform::read(&mut Reader::new(&octets)).unwrap();
        assert_eq!(transform.key_length, Some(128));
        assert_eq!(
            transform.attributes,
            [
                TransformAttribute {
                    kind: 14,
                    value: AttributeValue::Short(256)
                },
                TransformAttribute {
                    kind: 99,
                    value: AttributeValue::Long(vec![7, 8, 9])
                },
            ]
        );
        let mut out = Vec::new();
        transform.write(&mut out);
        assert_eq!(out, octets);
    }
}
