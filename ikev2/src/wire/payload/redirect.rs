//! The data of REDIRECT and REDIRECTED_FROM (RFC 5685 §9.2, §9.3).

use alloc::{string::String, vec::Vec};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::wire::{payload::Notify, registry::NotifyType};

/// Numbers of the forms in which a gateway is named.
const IPV4: u8 = 1;
const IPV6: u8 = 2;
const FQDN: u8 = 3;

/// The longest name of a host (RFC 1035 §3.1 as text).
const MAX_NAME: usize = 253;

/// A gateway that a client is sent to, or comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// By its address.
    Address(IpAddr),
    /// By its name.
    Fqdn(String),
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Fqdn(name) => f.write_str(name),
        }
    }
}

impl Gateway {
    /// A gateway by its name, if that can be one: letters, digits, hyphens and underscores between dots.
    #[must_use]
    pub fn fqdn(name: &str) -> Option<Self> {
        let label = |label: &str| {
            let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
            (1..=63).contains(&label.len()) && label.bytes().all(fits)
        };
        let whole = name.strip_suffix('.').unwrap_or(name);
        (whole.len() <= MAX_NAME && whole.split('.').all(label)).then(|| Self::Fqdn(name.into()))
    }

    /// A gateway by its address, if anybody can be reached by it.
    #[must_use]
    pub fn address(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
        let nobody = address.is_unspecified() || address.is_multicast() || broadcast;
        (!nobody).then_some(Self::Address(address))
    }

    /// Reads a gateway, and what follows it.
    fn read(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&[kind, length], rest) = data.split_first_chunk::<2>()?;
        let (identity, rest) = rest.split_at_checked(usize::from(length))?;
        // RFC 5685 §9.2#3: as in RFC 7296 §3.5 addresses have the length of their family, a name has no
        // terminator.
        let gateway = match kind {
            IPV4 => Self::address(Ipv4Addr::from(<[u8; 4]>::try_from(identity).ok()?).into()),
            IPV6 => Self::address(Ipv6Addr::from(<[u8; 16]>::try_from(identity).ok()?).into()),
            FQDN => Self::fqdn(core::str::from_utf8(identity).ok()?),
            _ => None,
        }?;
        Some((gateway, rest))
    }

    fn write(&self) -> Vec<u8> {
        let (kind, identity) = match self {
            Self::Address(IpAddr::V4(address)) => (IPV4, address.octets().to_vec()),
            Self::Address(IpAddr::V6(address)) => (IPV6, address.octets().to_vec()),
            Self::Fqdn(name) => (FQDN, name.as_bytes().to_vec()),
        };
        let length = u8::try_from(identity.len()).unwrap_or(u8::MAX);
        let mut data = [kind, length].to_vec();
        data.extend(identity);
        data
    }

    /// REDIRECT to this gateway; `nonce` is Ni in the answer to IKE_SA_INIT, and empty elsewhere.
    pub(crate) fn redirect(&self, nonce: &[u8]) -> Notify {
        let mut data = self.write();
        data.extend_from_slice(nonce);
        Notify::new(NotifyType::REDIRECT, data)
    }

    /// REDIRECTED_FROM the gateway at this address.
    pub(crate) fn redirected_from(address: IpAddr) -> Notify {
        let data = Self::Address(address.to_canonical()).write();
        Notify::new(NotifyType::REDIRECTED_FROM, data)
    }

    /// The gateway and the nonce of a REDIRECT.
    pub(crate) fn of_redirect(said: &Notify) -> Option<(Self, &[u8])> {
        Self::read(&said.data)
    }

    /// The address of a REDIRECTED_FROM.
    pub(crate) fn of_redirected_from(said: &Notify) -> Option<IpAddr> {
        match Self::read(&said.data)? {
            (Self::Address(address), []) => Some(address),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &[u8]) -> Option<(Gateway, Vec<u8>)> {
        Gateway::read(data).map(|(gateway, rest)| (gateway, rest.to_vec()))
    }

    // RFC 5685 §9.2#3: type, length, identity, and behind it the nonce.
    #[test]
    fn writes_and_reads_the_three_forms_with_what_follows() {
        let v4 = Gateway::address("192.0.2.7".parse().unwrap()).unwrap();
        let v6 = Gateway::address("2001:db8::7".parse().unwrap()).unwrap();
        let name = Gateway::fqdn("gw2.example.com").unwrap();
        assert_eq!(v4.redirect(b"").data, [1, 4, 192, 0, 2, 7]);
        assert_eq!(&name.redirect(b"").data[..5], b"\x03\x0fgw2");
        for gateway in [v4, v6, name] {
            for nonce in [&b""[..], &[0xa5; 32]] {
                let said = gateway.redirect(nonce);
                assert_eq!(Gateway::of_redirect(&said), Some((gateway.clone(), nonce)));
            }
        }
    }

    #[test]
    fn takes_no_gateway_that_cannot_be_one() {
        let twin = [1, 4, 192, 0, 2, 7];
        assert!(read(&twin).is_some());
        let mut long = b"\x03\xffa".to_vec();
        long.resize(2 + 255, b'a');
        for data in [
            &[][..],
            &[1],
            &[1, 4, 192, 0, 2],
            &[1, 3, 192, 0, 2],
            &[1, 5, 192, 0, 2, 7, 7],
            &[1, 16, 192, 0, 2, 7],
            &[0, 4, 192, 0, 2, 7],
            &[4, 4, 192, 0, 2, 7],
            &[2, 4, 192, 0, 2, 7],
            &[1, 4, 0, 0, 0, 0],
            &[1, 4, 224, 0, 0, 1],
            &[1, 4, 255, 255, 255, 255],
            b"\x03\x00",
            b"\x03\x01.",
            b"\x03\x04a..b",
            b"\x03\x04a\0.b",
            b"\x03\x04a b.",
            b"\x03\x02\xc3\xa9",
            b"\x03\x03a/b",
            &long,
        ] {
            assert_eq!(read(data), None, "{data:?}");
        }
    }

    #[test]
    fn whoever_comes_from_a_gateway_names_it_by_its_address_alone() {
        let address = "192.0.2.7".parse().unwrap();
        let said = Gateway::redirected_from(address);
        assert_eq!(Gateway::of_redirected_from(&said), Some(address));
        let name = Gateway::fqdn("gw.example.com").unwrap().write();
        for data in [name, [1, 4, 192, 0, 2, 7, 0].to_vec()] {
            let said = Notify::new(NotifyType::REDIRECTED_FROM, data);
            assert_eq!(Gateway::of_redirected_from(&said), None);
        }
    }
}
