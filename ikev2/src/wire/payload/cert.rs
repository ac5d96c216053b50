//! The Certificate payload (RFC 7296 §3.6).

use alloc::vec::Vec;

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{Reader, Wire},
        registry::CertEncoding,
    },
};

/// One certificate, revocation list or the like, as sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// What `data` is.
    pub encoding: CertEncoding,
    /// For [`CertEncoding::X509_SIGNATURE`] one DER-encoded certificate.
    pub data: Vec<u8>,
}

impl Certificate {
    /// A DER-encoded X.509 certificate.
    #[must_use]
    pub const fn x509(der: Vec<u8>) -> Self {
        Self {
            encoding: CertEncoding::X509_SIGNATURE,
            data: der,
        }
    }
}

impl Wire for Certificate {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        Ok(Self {
            encoding: CertEncoding::read(reader)?,
            data: reader.rest().to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.encoding.write(out);
        out.extend_from_slice(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_payload_without_an_encoding() {
        assert_eq!(
            Certificate::read(&mut Reader::new(&[])),
            Err(InvalidMessage::Truncated {
                what: "CertEncoding",
                needed: 1,
                available: 0
            })
        );
    }
}
