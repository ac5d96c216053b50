//! The Identification payloads (RFC 7296 §3.5).

use alloc::vec::Vec;
use core::{
    fmt,
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{Reader, Wire},
        registry::IdType,
    },
};

/// How long an identity may be, in octets: the longest that exist are distinguished names of a kilobyte.
pub const MAX_IDENTITY: usize = 4_096;

/// An identity that a peer claims. Nothing about the data has been checked but that it is not longer than
/// [`MAX_IDENTITY`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Identification {
    /// Its form.
    pub kind: IdType,
    /// The reserved octets as received: AUTH covers the body as it was sent (RFC 7296 §2.15), so they are not dropped.
    pub reserved: [u8; 3],
    /// The identity.
    pub data: Vec<u8>,
}

/// As much of an identity as is displayed, in octets of its data.
const DISPLAYED: usize = 128;

impl Identification {
    /// An identity of any type.
    #[must_use]
    pub const fn new(kind: IdType, data: Vec<u8>) -> Self {
        Self {
            kind,
            // RFC 7296 §3.5#1: the reserved octets are zero.
            reserved: [0; 3],
            data,
        }
    }

    /// An address, as ID_IPV4_ADDR or ID_IPV6_ADDR.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::new(IdType::ID_IPV4_ADDR, address.octets().to_vec()),
            IpAddr::V6(address) => Self::new(IdType::ID_IPV6_ADDR, address.octets().to_vec()),
        }
    }

    /// A domain name, without a terminator.
    #[must_use]
    pub fn fqdn(name: &str) -> Self {
        // RFC 7296 §3.5#3-4: the name and nothing behind it; the same for mail addresses.
        Self::new(IdType::ID_FQDN, name.as_bytes().to_vec())
    }

    /// A mail address, without a terminator.
    #[must_use]
    pub fn email(address: &str) -> Self {
        Self::new(IdType::ID_RFC822_ADDR, address.as_bytes().to_vec())
    }

    /// A distinguished name, DER-encoded.
    #[must_use]
    pub const fn dn(der: Vec<u8>) -> Self {
        Self::new(IdType::ID_DER_ASN1_DN, der)
    }

    /// Opaque octets.
    #[must_use]
    pub const fn key_id(octets: Vec<u8>) -> Self {
        Self::new(IdType::ID_KEY_ID, octets)
    }

    fn shown(&self) -> &[u8] {
        self.data.get(..DISPLAYED).unwrap_or(&self.data)
    }

    /// Whether it is displayed as text, and not in hexadecimal.
    fn is_text(&self) -> bool {
        let is_name = matches!(self.kind, IdType::ID_FQDN | IdType::ID_RFC822_ADDR);
        let mut shown = self.shown().iter();
        is_name || shown.all(|octet| octet.is_ascii_graphic() || *octet == b' ')
    }

    /// The body of the payload, RestOfInitIDPayload and RestOfRespIDPayload of RFC 7296 §2.15: type, reserved, data.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.write(&mut body);
        body
    }

    /// The identity with its type in front, as the configuration's `match identity remote` and the command line name types:
    /// `key-id "x"`, `fqdn x`, `email x`, `address a`, `dn 0x…`. What the identity says is written as by [`fmt::Display`]; a
    /// distinguished name is not read here, so who can read one says it in its place.
    #[must_use]
    pub const fn typed(&self) -> Typed<'_> {
        Typed(self)
    }

    /// The address, if the type is one and the length is its own.
    #[must_use]
    pub fn ip_address(&self) -> Option<IpAddr> {
        match self.kind {
            IdType::ID_IPV4_ADDR => <[u8; 4]>::try_from(self.data.as_slice())
                .ok()
                .map(|octets| Ipv4Addr::from(octets).into()),
            IdType::ID_IPV6_ADDR => <[u8; 16]>::try_from(self.data.as_slice())
                .ok()
                .map(|octets| Ipv6Addr::from(octets).into()),
            _ => None,
        }
    }
}

impl Wire for Identification {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let kind = IdType::read(reader)?;
        // RFC 7296 §3.5#2: what they hold has no meaning, but AUTH covers it.
        let reserved = reader.array("identification")?;
        let data = reader.rest();
        if data.len() > MAX_IDENTITY {
            return Err(InvalidMessage::TooMany {
                what: "octets of identity",
                limit: MAX_IDENTITY,
            });
        }
        Ok(Self {
            kind,
            reserved,
            data: data.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.kind.write(out);
        out.extend_from_slice(&self.reserved);
        out.extend_from_slice(&self.data);
    }
}

impl fmt::Display for Identification {
    /// One line of printable text however hostile the data: an address as such, names and printable key-IDs as text with
    /// everything outside printable ASCII and the backslash escaped, the rest in hexadecimal; cut after 128 octets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.ip_address() {
            return address.fmt(f);
        }
        let shown = self.shown();
        if self.is_text() {
            for octet in shown {
                for character in octet.escape_ascii() {
                    // escape_ascii() also escapes quotes, which do no harm here.
                    f.write_char(char::from(character))?;
                }
            }
        } else {
            f.write_str("0x")?;
            for octet in shown {
                write!(f, "{octet:02x}")?;
            }
        }
        if shown.len() < self.data.len() {
            f.write_str("...")
        } else {
            Ok(())
        }
    }
}

/// [`Identification::typed`].
#[derive(Clone, Copy, Debug)]
pub struct Typed<'a>(&'a Identification);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(identity) = *self;
        let kind = match identity.kind {
            IdType::ID_FQDN => "fqdn",
            IdType::ID_RFC822_ADDR => "email",
            IdType::ID_IPV4_ADDR | IdType::ID_IPV6_ADDR => "address",
            IdType::ID_DER_ASN1_DN => "dn",
            IdType::ID_KEY_ID | IdType::CISCO_GROUP_NAME => {
                return if identity.is_text() {
                    write!(f, "key-id \"{identity}\"")
                } else {
                    write!(f, "key-id {identity}")
                };
            }
            // RFC 7619 §2.1: nobody in particular has no data.
            other if identity.data.is_empty() => return other.fmt(f),
            other => return write!(f, "{other} {identity}"),
        };
        write!(f, "{kind} {identity}")
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn keeps_the_reserved_octets_for_the_signed_octets() {
        // RFC 7296 §3.5#2: whatever they hold, the identity is read, and enters the signed octets as it was sent.
        let octets = [11, 1, 2, 3, b'k'];
        let id = Identification::read(&mut Reader::new(&octets)).unwrap();
        assert_eq!(id.reserved, [1, 2, 3]);
        assert_eq!(id.body(), octets);
    }

    // RFC 7296 §3.5#1: the reserved octets of our own are zero.
    #[test]
    fn accepts_an_empty_identity() {
        let id = Identification::read(&mut Reader::new(&[2, 0, 0, 0])).unwrap();
        assert_eq!(id, Identification::fqdn(""));
        assert_eq!(id.to_string(), "");
    }

    #[test]
    fn rejects_every_truncation_of_its_fixed_part() {
        for length in 0..4 {
            assert!(Identification::read(&mut Reader::new(&[2, 0, 0, 0][..length])).is_err());
        }
    }

    #[test]
    fn displays_addresses_names_and_key_ids() {
        let v4 = Identification::address(Ipv4Addr::new(192, 0, 2, 1).into());
        assert_eq!(v4.to_string(), "192.0.2.1");
        let v6 = Identification::address(Ipv6Addr::LOCALHOST.into());
        assert_eq!(v6.to_string(), "::1");
        assert_eq!(Identification::fqdn("gw.example").to_string(), "gw.example");
        let client = Identification::key_id(b"*$AnyConnectClient$*".to_vec());
        assert_eq!(client.to_string(), "*$AnyConnectClient$*");
        assert_eq!(Identification::key_id(vec![0, 0xff]).to_string(), "0x00ff");
    }

    #[test]
    fn says_the_type_in_the_words_of_the_configuration() {
        let typed = |identity: Identification| identity.typed().to_string();
        let v6 = Identification::address(Ipv6Addr::LOCALHOST.into());
        assert_eq!(typed(v6), "address ::1");
        assert_eq!(typed(Identification::fqdn("gw.example")), "fqdn gw.example");
        assert_eq!(
            typed(Identification::email("a@b.example")),
            "email a@b.example"
        );
        for kind in [IdType::ID_KEY_ID, IdType::CISCO_GROUP_NAME] {
            let client = Identification::new(kind, b"*$AnyConnectClient$*".to_vec());
            assert_eq!(typed(client), r#"key-id "*$AnyConnectClient$*""#);
        }
        let quoted = Identification::key_id(br#"a" b"#.to_vec());
        assert_eq!(typed(quoted), r#"key-id "a\" b""#);
        assert_eq!(
            typed(Identification::key_id(vec![0, 0xff])),
            "key-id 0x00ff"
        );
        assert_eq!(typed(Identification::dn(vec![0x30, 0])), "dn 0x3000");
        let null = Identification::new(IdType::ID_NULL, Vec::new());
        assert_eq!(typed(null), "ID_NULL");
    }

    #[test]
    fn displays_hostile_identities_in_bounds_and_without_control_characters() {
        let hostile = Identification::fqdn("gw\u{1b}[2J\r\n%n\0");
        assert_eq!(hostile.to_string(), r"gw\x1b[2J\r\n%n\x00");
        let long = Identification::key_id(vec![0x1b; 65_000]);
        assert_eq!(long.to_string().len(), "0x".len() + 2 * 128 + "...".len());
        let wrong_length = Identification::new(IdType::ID_IPV4_ADDR, vec![1, 2, 3]);
        assert_eq!(wrong_length.to_string(), "0x010203");
    }
}
