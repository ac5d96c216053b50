//! How values stand in a line where that is not their own `Display`.

use core::fmt;

use crate::model::{
    acl::AddressMatch,
    ikev2::{Dpd, LocalIdentity},
    ipsec::{AesKey, EspTransform},
};

/// A value as a line writes it.
pub(super) struct Written<T>(pub(super) T);

impl fmt::Display for Written<Dpd> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.0.interval, self.0.retry, self.0.mode)
    }
}

impl fmt::Display for Written<&LocalIdentity> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LocalIdentity::Address(address) => write!(f, "address {address}"),
            LocalIdentity::DistinguishedName => f.write_str("dn"),
            LocalIdentity::Email(name) => write!(f, "email {name}"),
            LocalIdentity::Fqdn(name) => write!(f, "fqdn {name}"),
            LocalIdentity::KeyId(name) => write!(f, "key-id {name}"),
        }
    }
}

impl fmt::Display for Written<EspTransform> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // A router leaves the length out where it is the shortest.
            EspTransform::Cbc(AesKey::Bits128, integrity) => write!(f, "esp-aes {integrity}"),
            EspTransform::Cbc(key, integrity) => write!(f, "esp-aes {key} {integrity}"),
            EspTransform::Gcm(key) if key.keyword() == "128" => f.write_str("esp-gcm"),
            EspTransform::Gcm(key) => write!(f, "esp-gcm {key}"),
        }
    }
}

impl fmt::Display for Written<AddressMatch> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == AddressMatch::ANY {
            f.write_str("any")
        } else if self.0.wildcard().is_unspecified() {
            write!(f, "host {}", self.0.address())
        } else {
            write!(f, "{} {}", self.0.address(), self.0.wildcard())
        }
    }
}

/// An address of a standard list, where a host stands without a word in front.
pub(super) struct StandardAddress(pub(super) AddressMatch);

impl fmt::Display for StandardAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.wildcard().is_unspecified() {
            write!(f, "{}", self.0.address())
        } else {
            write!(f, "{}", Written(self.0))
        }
    }
}
