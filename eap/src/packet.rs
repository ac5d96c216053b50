//! The EAP packet (RFC 3748 §4): codec for the four codes, the Expanded type and both Naks.
//!
//! Not here: what a method's data mean, and any retransmission (IKE's).
//!
//! RFC 3748 §4.1 lets octets after the Length field's reach stand as link-layer padding. Inside
//! IKEv2 there is none: RFC 7296 §3.16 fixes EAP's length to the payload's less four, so any
//! difference is an error here.

use alloc::vec::Vec;

/// Cisco's IANA enterprise number, the vendor of the AnyConnect-EAP method
/// (docs/anyconnect-eap.md).
pub const VENDOR_CISCO: u32 = 9;

/// The vendor type of AnyConnect-EAP, "DBRP" in ASCII (docs/anyconnect-eap.md).
pub const VENDOR_TYPE_ANYCONNECT: u32 = 0x4442_5250;

/// Octets before a method's data in a Request or Response of an Expanded type (RFC 3748 §5.7).
pub const EXPANDED_HEADER_LENGTH: usize = 12;

const HEADER_LENGTH: usize = 4;
const CODE_REQUEST: u8 = 1;
const CODE_RESPONSE: u8 = 2;
const CODE_SUCCESS: u8 = 3;
const CODE_FAILURE: u8 = 4;
const TYPE_IDENTITY: u8 = 1;
const TYPE_NOTIFICATION: u8 = 2;
const TYPE_NAK: u8 = 3;
const TYPE_EXPANDED: u8 = 254;

/// One EAP packet (RFC 3748 §4). The method's data are borrowed and may hold a password, hence no
/// `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Code 1, from the authenticator.
    Request {
        /// What the response must repeat.
        identifier: u8,
        /// Type and type-data.
        method: Method<'a>,
    },
    /// Code 2, from the peer.
    Response {
        /// The request's identifier.
        identifier: u8,
        /// Type and type-data.
        method: Method<'a>,
    },
    /// Code 3: four octets, ends the conversation well.
    Success {
        /// The last response's identifier (RFC 3748 §4.2).
        identifier: u8,
    },
    /// Code 4: four octets, ends the conversation badly.
    Failure {
        /// The last response's identifier (RFC 3748 §4.2).
        identifier: u8,
    },
}

/// The type of a Request or Response with its data (RFC 3748 §5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Method<'a> {
    /// Type 1 (RFC 3748 §5.1): a displayable prompt, or the identity.
    Identity(&'a [u8]),
    /// Type 2 (RFC 3748 §5.2): a displayable message; its response carries nothing.
    Notification(&'a [u8]),
    /// Type 3 (RFC 3748 §5.3.1): the types wanted instead, one octet each; 0 stands for none.
    LegacyNak(&'a [u8]),
    /// Type 254, vendor 0, vendor type 3 (RFC 3748 §5.3.2): the methods wanted instead, eight
    /// octets each.
    ExpandedNak(&'a [u8]),
    /// Type 254 (RFC 3748 §5.7) but for the Expanded Nak.
    Expanded {
        /// IANA enterprise number, 24 bits on the wire.
        vendor: u32,
        /// The vendor's own number for the method.
        vendor_type: u32,
        /// The vendor's data, up to the packet's end.
        data: &'a [u8],
    },
    /// Any other type.
    Other {
        /// The type's number, from IANA's registry.
        method_type: u8,
        /// Its data, up to the packet's end.
        data: &'a [u8],
    },
}

/// Why octets are no EAP packet, or a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// There are fewer octets than code, identifier, length and (in a Request or Response) type
    /// need.
    #[error("EAP packet ends within its {field}")]
    Truncated {
        /// The first field that is not whole.
        field: &'static str,
    },
    /// The Length field disagrees with the octets at hand.
    #[error("EAP length field says {claimed}, the payload has {actual} octets")]
    LengthMismatch {
        /// What the field says.
        claimed: u16,
        /// Octets at hand.
        actual: usize,
    },
    /// A code that RFC 3748 does not define.
    #[error("EAP code {0}, expected 1 to 4")]
    UnknownCode(u8),
    /// A Success or Failure longer than its four octets (RFC 3748 §4.2).
    #[error("EAP Success or Failure of {0} octets, expected 4")]
    TrailingOctets(u16),
    /// More octets than the 16-bit Length field can count.
    #[error("EAP packet of {0} octets, at most 65535 fit")]
    TooLong(usize),
}

impl<'a> Packet<'a> {
    /// Reads one packet that fills `octets` exactly.
    ///
    /// # Errors
    ///
    /// Any [`PacketError`] but [`PacketError::TooLong`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, PacketError> {
        let Some((&[code, identifier, high, low], rest)) = octets.split_first_chunk() else {
            return Err(PacketError::Truncated { field: "header" });
        };
        let claimed = u16::from_be_bytes([high, low]);
        // RFC 7296 §3.16#2: EAP's length and the payload's must agree.
        if usize::from(claimed) != octets.len() {
            return Err(PacketError::LengthMismatch {
                claimed,
                actual: octets.len(),
            });
        }
        match code {
            CODE_REQUEST => Ok(Self::Request {
                identifier,
                method: Method::parse(rest)?,
            }),
            CODE_RESPONSE => Ok(Self::Response {
                identifier,
                method: Method::parse(rest)?,
            }),
            // RFC 7296 §3.16#3-4: four octets and nothing more.
            // RFC 3748 §4.2: Success and Failure carry no data.
            CODE_SUCCESS | CODE_FAILURE if !rest.is_empty() => {
                Err(PacketError::TrailingOctets(claimed))
            }
            CODE_SUCCESS => Ok(Self::Success { identifier }),
            CODE_FAILURE => Ok(Self::Failure { identifier }),
            unknown => Err(PacketError::UnknownCode(unknown)),
        }
    }

    /// The packet's octets.
    ///
    /// # Errors
    ///
    /// [`PacketError::TooLong`] when the Length field cannot hold its length.
    pub fn encode(&self) -> Result<Vec<u8>, PacketError> {
        let (code, identifier, method) = match self {
            Self::Request { identifier, method } => (CODE_REQUEST, *identifier, Some(method)),
            Self::Response { identifier, method } => (CODE_RESPONSE, *identifier, Some(method)),
            Self::Success { identifier } => return Ok(terminal(CODE_SUCCESS, *identifier)),
            Self::Failure { identifier } => return Ok(terminal(CODE_FAILURE, *identifier)),
        };
        let body_length = method.map_or(0, Method::encoded_length);
        let total = HEADER_LENGTH.saturating_add(body_length);
        let length = u16::try_from(total).map_err(|_| PacketError::TooLong(total))?;
        let mut out = Vec::with_capacity(total);
        out.extend([code, identifier]);
        out.extend(length.to_be_bytes());
        if let Some(method) = method {
            method.encode(&mut out);
        }
        Ok(out)
    }

    /// The identifier, which every packet has.
    pub const fn identifier(&self) -> u8 {
        match self {
            Self::Request { identifier, .. }
            | Self::Response { identifier, .. }
            | Self::Success { identifier }
            | Self::Failure { identifier } => *identifier,
        }
    }
}

/// An EAP-Success that answers the response with `identifier` (RFC 3748 §4.2): always four octets.
pub fn success(identifier: u8) -> Vec<u8> {
    terminal(CODE_SUCCESS, identifier)
}

/// An EAP-Failure that answers the response with `identifier` (RFC 3748 §4.2): always four octets.
pub fn failure(identifier: u8) -> Vec<u8> {
    terminal(CODE_FAILURE, identifier)
}

fn terminal(code: u8, identifier: u8) -> Vec<u8> {
    Vec::from([code, identifier, 0, 4])
}

impl<'a> Method<'a> {
    fn parse(octets: &'a [u8]) -> Result<Self, PacketError> {
        let Some((&method_type, data)) = octets.split_first() else {
            return Err(PacketError::Truncated { field: "type" });
        };
        match method_type {
            TYPE_IDENTITY => Ok(Self::Identity(data)),
            TYPE_NOTIFICATION => Ok(Self::Notification(data)),
            TYPE_NAK => Ok(Self::LegacyNak(data)),
            TYPE_EXPANDED => {
                let Some((&[v0, v1, v2, t0, t1, t2, t3], data)) = data.split_first_chunk() else {
                    return Err(PacketError::Truncated {
                        field: "expanded type",
                    });
                };
                let vendor = u32::from_be_bytes([0, v0, v1, v2]);
                let vendor_type = u32::from_be_bytes([t0, t1, t2, t3]);
                // RFC 3748 §5.3.2: the IETF's vendor number 0 with type 3 is the Expanded Nak.
                if vendor == 0 && vendor_type == u32::from(TYPE_NAK) {
                    Ok(Self::ExpandedNak(data))
                } else {
                    Ok(Self::Expanded {
                        vendor,
                        vendor_type,
                        data,
                    })
                }
            }
            _ => Ok(Self::Other { method_type, data }),
        }
    }

    fn encoded_length(&self) -> usize {
        match self {
            Self::Identity(data)
            | Self::Notification(data)
            | Self::LegacyNak(data)
            | Self::Other { data, .. } => data.len().saturating_add(1),
            Self::ExpandedNak(data) | Self::Expanded { data, .. } => data
                .len()
                .saturating_add(EXPANDED_HEADER_LENGTH.saturating_sub(HEADER_LENGTH)),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let data = match *self {
            Self::Identity(data) => {
                out.push(TYPE_IDENTITY);
                data
            }
            Self::Notification(data) => {
                out.push(TYPE_NOTIFICATION);
                data
            }
            Self::LegacyNak(data) => {
                out.push(TYPE_NAK);
                data
            }
            Self::ExpandedNak(data) => {
                encode_expanded(out, 0, u32::from(TYPE_NAK));
                data
            }
            Self::Expanded {
                vendor,
                vendor_type,
                data,
            } => {
                encode_expanded(out, vendor, vendor_type);
                data
            }
            Self::Other { method_type, data } => {
                out.push(method_type);
                data
            }
        };
        out.extend(data);
    }
}

/// The Expanded type's eight octets; of `vendor` the lower 24 bits go out (RFC 3748 §5.7).
fn encode_expanded(out: &mut Vec<u8>, vendor: u32, vendor_type: u32) {
    let [_, v0, v1, v2] = vendor.to_be_bytes();
    out.extend([TYPE_EXPANDED, v0, v1, v2]);
    out.extend(vendor_type.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn reads_an_expanded_request() {
        // RFC 3748 §5.7: type 254, three octets of vendor, four of vendor type.
        let octets = [
            0x01, 0x07, 0x00, 0x0e, 0xfe, 0x00, 0x00, 0x09, 0x44, 0x42, 0x52, 0x50, 0xa5, 0x5a,
        ];
        let expected = Packet::Request {
            identifier: 7,
            method: Method::Expanded {
                vendor: VENDOR_CISCO,
                vendor_type: VENDOR_TYPE_ANYCONNECT,
                data: &[0xa5, 0x5a],
            },
        };
        assert!(Packet::parse(&octets) == Ok(expected));
        assert_eq!(expected.encode(), Ok(octets.to_vec()));
    }

    // RFC 7296 §3.16#3-4: Success and Failure have four octets.
    #[test]
    fn reads_success_and_failure_of_four_octets_only() {
        // RFC 3748 §4.2: Success and Failure have a length of four.
        assert!(Packet::parse(&[3, 4, 0, 4]) == Ok(Packet::Success { identifier: 4 }));
        assert!(Packet::parse(&[4, 9, 0, 4]) == Ok(Packet::Failure { identifier: 9 }));
        assert_eq!(
            Packet::parse(&[3, 4, 0, 5, 0]).err(),
            Some(PacketError::TrailingOctets(5))
        );
        assert_eq!(success(4), [3, 4, 0, 4]);
        assert_eq!(failure(9), [4, 9, 0, 4]);
    }

    #[test]
    fn recognises_both_naks() {
        // RFC 3748 §5.3.1 and §5.3.2.
        let legacy = [2, 1, 0, 6, 3, 26];
        assert!(
            Packet::parse(&legacy)
                == Ok(Packet::Response {
                    identifier: 1,
                    method: Method::LegacyNak(&[26])
                })
        );
        let expanded = [2, 1, 0, 12, 254, 0, 0, 0, 0, 0, 0, 3];
        assert!(
            Packet::parse(&expanded)
                == Ok(Packet::Response {
                    identifier: 1,
                    method: Method::ExpandedNak(&[])
                })
        );
    }

    #[test]
    fn rejects_a_length_that_disagrees_with_the_payload() {
        // RFC 7296 §3.16#2: another length is an error.
        let claimed_long = [1, 1, 0, 6, 1];
        assert_eq!(
            Packet::parse(&claimed_long).err(),
            Some(PacketError::LengthMismatch {
                claimed: 6,
                actual: 5
            })
        );
        let claimed_short = [1, 1, 0, 5, 1, 0];
        assert_eq!(
            Packet::parse(&claimed_short).err(),
            Some(PacketError::LengthMismatch {
                claimed: 5,
                actual: 6
            })
        );
    }

    #[test]
    fn rejects_codes_0_and_5() {
        assert_eq!(
            Packet::parse(&[0, 1, 0, 4]).err(),
            Some(PacketError::UnknownCode(0))
        );
        assert_eq!(
            Packet::parse(&[5, 1, 0, 4]).err(),
            Some(PacketError::UnknownCode(5))
        );
    }

    #[test]
    fn rejects_packets_that_end_within_a_field() {
        assert_eq!(
            Packet::parse(&[]).err(),
            Some(PacketError::Truncated { field: "header" })
        );
        assert_eq!(
            Packet::parse(&[1, 1, 0]).err(),
            Some(PacketError::Truncated { field: "header" })
        );
        assert_eq!(
            Packet::parse(&[1, 1, 0, 4]).err(),
            Some(PacketError::Truncated { field: "type" })
        );
        assert_eq!(
            Packet::parse(&[1, 1, 0, 8, 254, 0, 0, 9]).err(),
            Some(PacketError::Truncated {
                field: "expanded type"
            })
        );
    }

    #[test]
    fn refuses_to_write_more_than_the_length_field_counts() {
        let data = [0; 65_536];
        let packet = Packet::Response {
            identifier: 0,
            method: Method::Identity(&data),
        };
        assert_eq!(packet.encode(), Err(PacketError::TooLong(65_541)));
    }

    proptest! {
        #[test]
        fn whatever_parses_is_written_back_the_same(octets in vec(any::<u8>(), 0..64)) {
            if let Ok(packet) = Packet::parse(&octets) {
                prop_assert_eq!(packet.encode(), Ok(octets));
            }
        }

        #[test]
        fn every_type_round_trips(identifier: u8, octets in vec(any::<u8>(), 1..64)) {
            let mut packet = vec![2, identifier, 0, 4_u8.saturating_add(octets.len() as u8)];
            packet.extend(&octets);
            match Packet::parse(&packet) {
                Ok(parsed) => prop_assert_eq!(parsed.encode(), Ok(packet)),
                Err(error) => {
                    prop_assert_eq!(error, PacketError::Truncated { field: "expanded type" });
                }
            }
        }
    }
}
