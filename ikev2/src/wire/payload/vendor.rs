//! The Vendor ID payload (RFC 7296 §3.12), and the vendor IDs that mean something here (docs/anyconnect-eap.md).

use alloc::vec::Vec;

use crate::{
    error::InvalidMessage,
    wire::codec::{Reader, Wire},
};

/// Any octets by which an implementation makes itself known.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct VendorId(pub Vec<u8>);

impl VendorId {
    /// Which known vendor ID this is.
    #[must_use]
    pub fn known(&self) -> Option<KnownVendor> {
        KnownVendor::recognise(&self.0)
    }
}

impl From<KnownVendor> for VendorId {
    fn from(known: KnownVendor) -> Self {
        Self(known.bytes().to_vec())
    }
}

impl Wire for VendorId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        Ok(Self(reader.rest().to_vec()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// The vendor IDs of Cisco's implementations (docs/anyconnect-eap.md).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KnownVendor {
    /// Offers the AnyConnect-EAP method; it is used only with a peer that sent this.
    AnyConnectEap,
    /// Accompanies AnyConnect-EAP; its meaning is not public.
    AnyConnectStrap,
    /// A copyright notice.
    Copyright,
    /// Reasons are sent with deletes.
    DeleteReason,
    /// Routes are exchanged.
    DynamicRoute,
    /// FlexVPN.
    FlexVpnSupported,
    /// Understands Cisco's fragments (payload 132).
    Fragmentation,
    /// GRE over IPsec.
    GreMode,
    /// Next generation encryption.
    NgeLevel,
}

impl KnownVendor {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AnyConnectEap,
        Self::AnyConnectStrap,
        Self::Copyright,
        Self::DeleteReason,
        Self::DynamicRoute,
        Self::FlexVpnSupported,
        Self::Fragmentation,
        Self::GreMode,
        Self::NgeLevel,
    ];

    /// The octets of the payload's body.
    #[must_use]
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::AnyConnectEap => b"CISCO-ANYCONNECT-EAP",
            Self::AnyConnectStrap => b"CISCO-ANYCONNECT-STRAP",
            Self::Copyright => b"CISCO(COPYRIGHT)&Copyright (c) 2009 Cisco Systems, Inc.",
            Self::DeleteReason => b"CISCO-DELETE-REASON",
            Self::DynamicRoute => b"CISCO-DYNAMIC-ROUTE",
            Self::FlexVpnSupported => b"FLEXVPN-SUPPORTED",
            Self::Fragmentation => &[
                0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6,
                0xc2, 0xd3,
            ],
            Self::GreMode => b"CISCO-GRE-MODE",
            Self::NgeLevel => b"CISCO-NGE-LEVEL",
        }
    }

    /// The vendor ID that a peer sent, `None` if it is none of these.
    #[must_use]
    pub fn recognise(octets: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| match known {
            // Four octets of capabilities may follow the hash.
            Self::Fragmentation => octets.starts_with(known.bytes()),
            _ => octets == known.bytes(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7296 §3.12#3: others are not recognised.
    #[test]
    fn recognises_each_by_its_octets() {
        for known in KnownVendor::ALL {
            assert_eq!(VendorId::from(known).known(), Some(known));
        }
        assert_eq!(KnownVendor::recognise(b""), None);
        assert_eq!(KnownVendor::recognise(b"CISCO-ANYCONNECT-EAP\0"), None);
    }

    #[test]
    fn recognises_fragmentation_by_its_first_sixteen_octets() {
        // docs/anyconnect-eap.md: four more may follow.
        let mut octets = KnownVendor::Fragmentation.bytes().to_vec();
        octets.extend_from_slice(&[0xc0, 0, 0, 0]);
        assert_eq!(
            KnownVendor::recognise(&octets),
            Some(KnownVendor::Fragmentation)
        );
        assert_eq!(KnownVendor::recognise(&octets[..15]), None);
    }
}
