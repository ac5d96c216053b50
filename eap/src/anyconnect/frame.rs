//! What fills the Expanded type's data: a list of type-length-value triples
//! (docs/anyconnect-eap.md, Framing).
//!
//! ```text
//!  0                   1                   2                   3
//! +-------------------------------+-------------------------------+
//! | type                          | length of the value           |
//! +-------------------------------+-------------------------------+
//! | value, unpadded …                                             |
//! ```
//!
//! Not here: what the document says ([`super::config_auth`]) and which certificates TLV 3 holds
//! ([`super::certificates`]).

use alloc::vec::Vec;

use crate::packet::{Method, Packet, PacketError, VENDOR_CISCO, VENDOR_TYPE_ANYCONNECT};

/// TLVs in one packet; three are known, and a list of empty ones must not cost memory.
pub const MAX_TLVS: usize = 32;

const TLV_HEADER_LENGTH: usize = 4;
const TLV_DOCUMENT: u16 = 0;
const TLV_SIGNATURE: u16 = 1;
const TLV_CERTIFICATES: u16 = 3;

/// The TLVs of one packet. A document may hold a password, hence no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Frame<'a> {
    /// TLV 0: the XML document, UTF-8.
    pub document: &'a [u8],
    /// TLV 1: the client's signature over the IKE initiator's signed octets (RFC 7296 §2.15), raw.
    pub signature: Option<&'a [u8]>,
    /// TLV 3: a certificates-only PKCS#7 message, DER.
    pub certificates: Option<&'a [u8]>,
    /// TLVs of other types, in wire order; they are not written.
    pub skipped: Vec<SkippedTlv>,
}

/// A TLV that was passed over: enough to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedTlv {
    /// The TLV's type.
    pub number: u16,
    /// Octets of its value.
    pub length: u16,
}

/// Why a method's data are no TLV list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The data end within a TLV's type or length.
    #[error("TLV header at offset {offset} needs 4 octets, {available} are left")]
    TruncatedHeader {
        /// Octets into the method's data.
        offset: usize,
        /// Octets left there.
        available: usize,
    },
    /// A TLV's length reaches past the data.
    #[error("TLV {number} claims {claimed} octets, {available} are left")]
    TruncatedValue {
        /// The TLV's type.
        number: u16,
        /// What its length field says.
        claimed: u16,
        /// Octets left.
        available: usize,
    },
    /// A known TLV stands twice.
    #[error("TLV {0} stands twice")]
    Duplicate(u16),
    /// More than [`MAX_TLVS`].
    #[error("more than {MAX_TLVS} TLVs")]
    TooMany,
    /// There is no TLV 0.
    #[error("no XML document (TLV 0)")]
    MissingDocument,
}

impl<'a> Frame<'a> {
    /// A frame of one document.
    pub const fn of_document(document: &'a [u8]) -> Self {
        Self {
            document,
            signature: None,
            certificates: None,
            skipped: Vec::new(),
        }
    }

    /// Reads the TLVs that fill `data`, in any order.
    ///
    /// # Errors
    ///
    /// Any [`FrameError`].
    pub fn parse(data: &'a [u8]) -> Result<Self, FrameError> {
        let (mut document, mut signature, mut certificates) = (None, None, None);
        let mut skipped = Vec::new();
        let mut rest = data;
        let mut count = 0_usize;
        while !rest.is_empty() {
            count = count.saturating_add(1);
            if count > MAX_TLVS {
                return Err(FrameError::TooMany);
            }
            let Some((&[t0, t1, l0, l1], after)) = rest.split_first_chunk() else {
                let offset = data.len().saturating_sub(rest.len());
                return Err(FrameError::TruncatedHeader {
                    offset,
                    available: rest.len(),
                });
            };
            let number = u16::from_be_bytes([t0, t1]);
            let length = u16::from_be_bytes([l0, l1]);
            let Some((value, after)) = after.split_at_checked(usize::from(length)) else {
                return Err(FrameError::TruncatedValue {
                    number,
                    claimed: length,
                    available: after.len(),
                });
            };
            let slot = match number {
                TLV_DOCUMENT => &mut document,
                TLV_SIGNATURE => &mut signature,
                TLV_CERTIFICATES => &mut certificates,
                _ => {
                    skipped.push(SkippedTlv { number, length });
                    rest = after;
                    continue;
                }
            };
            if slot.replace(value).is_some() {
                return Err(FrameError::Duplicate(number));
            }
            rest = after;
        }
        let document = document.ok_or(FrameError::MissingDocument)?;
        Ok(Self {
            document,
            signature,
            certificates,
            skipped,
        })
    }

    /// The whole EAP-Request with this frame.
    ///
    /// # Errors
    ///
    /// [`PacketError::TooLong`] when it does not fit EAP's length field.
    pub fn to_request(&self, identifier: u8) -> Result<Vec<u8>, PacketError> {
        let data = zeroize::Zeroizing::new(self.encode()?);
        Packet::Request {
            identifier,
            method: method(&data),
        }
        .encode()
    }

    /// The whole EAP-Response with this frame.
    ///
    /// # Errors
    ///
    /// [`PacketError::TooLong`] when it does not fit EAP's length field.
    pub fn to_response(&self, identifier: u8) -> Result<Vec<u8>, PacketError> {
        let data = zeroize::Zeroizing::new(self.encode()?);
        Packet::Response {
            identifier,
            method: method(&data),
        }
        .encode()
    }

    /// The TLVs in the captures' order: 3, 1, 0 (docs/anyconnect-eap.md, Framing).
    fn encode(&self) -> Result<Vec<u8>, PacketError> {
        let tlvs = [
            (TLV_CERTIFICATES, self.certificates),
            (TLV_SIGNATURE, self.signature),
            (TLV_DOCUMENT, Some(self.document)),
        ];
        let total = tlvs.iter().fold(0_usize, |total, (_, value)| {
            total.saturating_add(
                value.map_or(0, |value| value.len().saturating_add(TLV_HEADER_LENGTH)),
            )
        });
        // Sized at once: a buffer that grew would leave copies of a password behind.
        let mut out = Vec::with_capacity(total);
        for (number, value) in tlvs {
            if let Some(value) = value {
                let length = u16::try_from(value.len()).map_err(|_| PacketError::TooLong(total))?;
                out.extend(number.to_be_bytes());
                out.extend(length.to_be_bytes());
                out.extend(value);
            }
        }
        Ok(out)
    }
}

const fn method(data: &[u8]) -> Method<'_> {
    Method::Expanded {
        vendor: VENDOR_CISCO,
        vendor_type: VENDOR_TYPE_ANYCONNECT,
        data,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_tlvs_in_any_order_and_lists_unknown_ones() {
        let data = [
            0x00, 0x00, 0x00, 0x01, b'x', // XML
            0x00, 0x02, 0x00, 0x02, 0xaa, 0xbb, // not seen anywhere
            0x00, 0x01, 0x00, 0x01, 0x55, // signature
            0xff, 0xff, 0x00, 0x00, // not seen anywhere
            0x00, 0x03, 0x00, 0x01, 0x30, // certificates
        ];
        let expected = Frame {
            document: b"x",
            signature: Some(&[0x55]),
            certificates: Some(&[0x30]),
            skipped: vec![
                SkippedTlv {
                    number: 2,
                    length: 2,
                },
                SkippedTlv {
                    number: 0xffff,
                    length: 0,
                },
            ],
        };
        assert!(Frame::parse(&data) == Ok(expected));
    }

    #[test]
    fn writes_certificates_signature_document() {
        let frame = Frame {
            document: b"x",
            signature: Some(&[0x55]),
            certificates: Some(&[0x30]),
            skipped: vec![],
        };
        let expected = [
            0x02, 0x09, 0x00, 0x1b, // Response 9, 27 octets
            0xfe, 0x00, 0x00, 0x09, 0x44, 0x42, 0x52, 0x50, // Expanded, Cisco, DBRP
            0x00, 0x03, 0x00, 0x01, 0x30, 0x00, 0x01, 0x00, 0x01, 0x55, 0x00, 0x00, 0x00, 0x01,
            b'x',
        ];
        assert_eq!(frame.to_response(9), Ok(expected.to_vec()));
    }

    #[test]
    fn rejects_a_second_document() {
        assert_eq!(
            Frame::parse(&[0, 0, 0, 0, 0, 0, 0, 0]).err(),
            Some(FrameError::Duplicate(0))
        );
    }

    #[test]
    fn rejects_a_frame_without_a_document() {
        assert_eq!(Frame::parse(&[]).err(), Some(FrameError::MissingDocument));
        assert_eq!(
            Frame::parse(&[0, 1, 0, 0]).err(),
            Some(FrameError::MissingDocument)
        );
    }

    #[test]
    fn rejects_truncated_tlvs() {
        assert_eq!(
            Frame::parse(&[0, 0, 0, 1, b'x', 0, 1]).err(),
            Some(FrameError::TruncatedHeader {
                offset: 5,
                available: 2
            })
        );
        assert_eq!(
            Frame::parse(&[0, 0, 0, 2, b'x']).err(),
            Some(FrameError::TruncatedValue {
                number: 0,
                claimed: 2,
                available: 1
            })
        );
    }

    #[test]
    fn rejects_a_long_list_of_empty_tlvs() {
        let data = [0, 7, 0, 0].repeat(MAX_TLVS + 1);
        assert_eq!(Frame::parse(&data).err(), Some(FrameError::TooMany));
    }

    #[test]
    fn refuses_to_write_a_document_beyond_the_length_field() {
        let document = vec![b' '; 65_536];
        assert_eq!(
            Frame::of_document(&document).to_request(1),
            Err(PacketError::TooLong(65_540))
        );
        // The TLV's length would hold this one, EAP's would not.
        let document = vec![b' '; 65_530];
        assert_eq!(
            Frame::of_document(&document).to_request(1),
            Err(PacketError::TooLong(65_546))
        );
    }

    proptest! {
        #[test]
        fn frames_round_trip(
            document in proptest::collection::vec(any::<u8>(), 0..64),
            signature in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..64)),
            certificates in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..64)),
        ) {
            let frame = Frame {
                document: &document,
                signature: signature.as_deref(),
                certificates: certificates.as_deref(),
                skipped: vec![],
            };
            let data = frame.encode().unwrap();
            prop_assert!(Frame::parse(&data) == Ok(frame));
            for end in 0..data.len() {
                // A cut frame lacks its last TLV, the document.
                prop_assert!(Frame::parse(&data[..end]).is_err());
            }
        }

        #[test]
        fn arbitrary_octets_never_panic(data in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = Frame::parse(&data);
        }
    }
}
