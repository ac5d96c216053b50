//! What can be wrong with received octets.
//!
//! [`InvalidMessage`] blames the octets alone: it is raised by the codec, before any state is asked. What a well-formed message
//! does wrong in its state is judged elsewhere.

use crate::wire::registry::{NotifyType, PayloadType, ProtocolId, TsType};

/// Octets that are not an IKEv2 message, or not one that can be read.
///
/// Every variant says what was read, and what was found against what had to be there. All sizes are octets.
/// [`InvalidMessage::notify`] maps each to the notify with which it may be answered; whether it *is* answered is for the
/// caller: only a message that has been authenticated gets INVALID_SYNTAX (RFC 7296 §3.10.1).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMessage {
    /// The octets end before the named field does.
    #[error("{what}: {needed} octets expected, {available} left")]
    Truncated {
        /// The field that could not be read.
        what: &'static str,
        /// Its size.
        needed: usize,
        /// What was left.
        available: usize,
    },

    /// Octets remain after everything that the named structure holds.
    #[error("{what}: {count} octets too many")]
    TrailingOctets {
        /// The structure that had ended.
        what: &'static str,
        /// How many octets follow it.
        count: usize,
    },

    /// A length field is smaller than the fixed part of the structure that it measures.
    #[error("{what}: length {length}, at least {least} expected")]
    LengthTooSmall {
        /// The structure.
        what: &'static str,
        /// The length it claims.
        length: usize,
        /// The smallest it may claim.
        least: usize,
    },

    /// The initiator's SPI is zero (RFC 7296 §3.1).
    #[error("the initiator's SPI is zero")]
    ZeroInitiatorSpi,

    /// The header's length is not that of the datagram.
    #[error("the header says {header} octets, the datagram has {datagram}")]
    LengthMismatch {
        /// The header's Length field.
        header: u32,
        /// What was received.
        datagram: usize,
    },

    /// A major version other than 2 (RFC 7296 §2.5).
    #[error("major version {major}, 2 expected")]
    UnsupportedMajorVersion {
        /// The version in the header.
        major: u8,
    },

    /// More payloads in one chain than [`crate::wire::MAX_PAYLOADS`].
    #[error("more than {limit} payloads")]
    TooManyPayloads {
        /// The limit.
        limit: usize,
    },

    /// More elements in one payload, or a longer one, than any peer has use for.
    #[error("{what}: more than {limit}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The limit.
        limit: usize,
    },

    /// A payload of unknown type with the critical bit set (RFC 7296 §2.5).
    #[error("unsupported critical payload {0}")]
    UnsupportedCriticalPayload(PayloadType),

    /// An Encrypted, Encrypted Fragment or Cisco fragment payload is followed by something (RFC 7296 §3.14).
    #[error("{count} octets follow payload {kind}, which must be the last")]
    PayloadNotLast {
        /// The payload that had to be the last.
        kind: PayloadType,
        /// How many octets follow it.
        count: usize,
    },

    /// An Encrypted, Encrypted Fragment or Cisco fragment payload stands where it cannot: inside an opened one, or a
    /// Cisco fragment behind another payload.
    #[error("payload {0} is misplaced")]
    MisplacedPayload(PayloadType),

    /// A fragment number of zero, a total of zero, or a number above the total (RFC 7383 §2.5).
    #[error("fragment {number} of {total}")]
    FragmentNumber {
        /// The fragment's number.
        number: u16,
        /// The number of fragments; 0 for Cisco's form, which does not say it.
        total: u16,
    },

    /// The SPI size does not belong to the protocol (RFC 7296 §3.3.1, §3.11).
    #[error("{what}: SPI size {size} for protocol {protocol}")]
    SpiSize {
        /// The structure.
        what: &'static str,
        /// The protocol.
        protocol: ProtocolId,
        /// The size found.
        size: u8,
    },

    /// A count field does not agree with what follows it.
    #[error("{what}: {count} announced, {found} found")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The count field.
        count: usize,
        /// What is there.
        found: usize,
    },

    /// The "Last Substruc" octet does not agree with what follows (RFC 7296 §3.3.1, §3.3.2).
    #[error("{what}: last-substructure marker {found}, {expected} expected")]
    SubstructureMarker {
        /// The structure.
        what: &'static str,
        /// The octet found.
        found: u8,
        /// The octet that would agree with the lengths and counts.
        expected: u8,
    },

    /// A structure that must hold at least one element is empty.
    #[error("{what}: none")]
    Empty {
        /// What is missing.
        what: &'static str,
    },

    /// A nonce outside 16 to 256 octets (RFC 7296 §3.9).
    #[error("nonce of {length} octets, 16 to 256 expected")]
    NonceLength {
        /// Its length.
        length: usize,
    },

    /// A traffic selector whose length is not that of its type (RFC 7296 §3.13.1).
    #[error("traffic selector {kind}: length {length}, {expected} expected")]
    SelectorLength {
        /// The selector's type.
        kind: TsType,
        /// The Selector Length field.
        length: usize,
        /// The length that the type has.
        expected: usize,
    },

    /// A traffic selector whose range ends before it starts (RFC 7296 §3.13.1).
    #[error("traffic selector: {what} range ends before it starts")]
    SelectorRange {
        /// "address" or "port".
        what: &'static str,
    },

    /// A CERTREQ whose authorities are not whole SHA-1 hashes (RFC 7296 §3.7).
    #[error("certificate request: {length} octets of authorities, a multiple of 20 expected")]
    AuthoritiesLength {
        /// The length of the Certification Authority field.
        length: usize,
    },

    /// The Pad Length octet of an opened payload exceeds what is there (RFC 7296 §3.14).
    #[error("pad length {padding}, {available} octets available")]
    PadLength {
        /// The Pad Length octet.
        padding: u8,
        /// The octets before it.
        available: usize,
    },
}

impl InvalidMessage {
    /// The notify that answers this error where an answer is due.
    ///
    /// For UNSUPPORTED_CRITICAL_PAYLOAD the notification data is the one octet of
    /// [`UnsupportedCriticalPayload`](Self::UnsupportedCriticalPayload) (RFC 7296 §2.5).
    #[must_use]
    pub const fn notify(&self) -> NotifyType {
        match self {
            // RFC 7296 §2.5: a higher major version is refused with the version that is supported.
            Self::UnsupportedMajorVersion { .. } => NotifyType::INVALID_MAJOR_VERSION,
            // RFC 7296 §2.5: an unknown payload with its critical bit set is refused by its type number.
            Self::UnsupportedCriticalPayload(_) => NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD,
            // RFC 7296 §3.10.1#4: every type, length or value out of range that has no notify of its own.
            _ => NotifyType::INVALID_SYNTAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_to_the_notify_of_its_kind() {
        // RFC 7296 §2.5 and §3.10.1.
        assert_eq!(
            InvalidMessage::UnsupportedMajorVersion { major: 3 }.notify(),
            NotifyType::INVALID_MAJOR_VERSION
        );
        assert_eq!(
            InvalidMessage::UnsupportedCriticalPayload(PayloadType(49)).notify(),
            NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD
        );
        assert_eq!(
            InvalidMessage::ZeroInitiatorSpi.notify(),
            NotifyType::INVALID_SYNTAX
        );
    }

    #[test]
    fn says_what_where_and_what_was_expected() {
        use std::string::ToString as _;

        let truncated = InvalidMessage::Truncated {
            what: "nonce",
            needed: 16,
            available: 3,
        };
        assert_eq!(truncated.to_string(), "nonce: 16 octets expected, 3 left");
        let selector = InvalidMessage::SelectorLength {
            kind: TsType::TS_IPV4_ADDR_RANGE,
            length: 17,
            expected: 16,
        };
        assert_eq!(
            selector.to_string(),
            "traffic selector TS_IPV4_ADDR_RANGE: length 17, 16 expected"
        );
    }
}
