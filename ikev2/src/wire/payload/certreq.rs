//! The Certificate Request payload (RFC 7296 §3.7): a hint, never an obligation.

use alloc::vec::Vec;

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{Reader, Wire},
        registry::CertEncoding,
    },
};

/// Which certificates the sender could use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateRequest {
    /// The form that is wanted.
    pub encoding: CertEncoding,
    /// For the X.509 encodings (4, 12, 13): the trust anchors, each the SHA-1 of its SubjectPublicKeyInfo. May be empty.
    pub authorities: Vec<[u8; 20]>,
    /// For any other encoding: the Certification Authority field, whose form is not defined.
    pub other: Vec<u8>,
}

impl CertificateRequest {
    /// Asks for X.509 certificates under one of these trust anchors.
    #[must_use]
    pub const fn x509(authorities: Vec<[u8; 20]>) -> Self {
        Self {
            encoding: CertEncoding::X509_SIGNATURE,
            authorities,
            other: Vec::new(),
        }
    }
}

/// Whether the authorities of this encoding are SHA-1 hashes.
const fn is_hashed(encoding: CertEncoding) -> bool {
    matches!(
        encoding,
        CertEncoding::X509_SIGNATURE
            | CertEncoding::HASH_AND_URL_X509
            | CertEncoding::HASH_AND_URL_BUNDLE
    )
}

impl Wire for CertificateRequest {
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
        let encoding = CertEncoding::read(reader)?;
        let field = reader.rest();
        if !is_hashed(encoding) {
            return Ok(Self {
                encoding,
                authorities: Vec::new(),
                other: field.to_vec(),
            });
        }
        // RFC 7296 §3.7: 20-octet hashes follow each other with nothing between.
        let (authorities, remainder) = field.as_chunks::<20>();
        if !remainder.is_empty() {
            return Err(InvalidMessage::AuthoritiesLength {
                length: field.len(),
            });
        }
        Ok(Self {
            encoding,
            authorities: authorities.to_vec(),
            other: Vec::new(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.encoding.write(out);
        if is_hashed(self.encoding) {
            out.extend_from_slice(self.authorities.as_flattened());
        } else {
            out.extend_from_slice(&self.other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_the_authorities_of_x509_encodings() {
        let mut octets = vec![4];
        octets.extend_from_slice(&[1; 20]);
        octets.extend_from_slice(&[2; 20]);
        let read = CertificateRequest::read(&mut Reader::new(&octets)).unwrap();
        assert_eq!(read, CertificateRequest::x509(vec![[1; 20], [2; 20]]));
    }

    #[test]
    fn rejects_half_a_hash() {
        // RFC 7296 §3.7.
        assert_eq!(
            CertificateRequest::read(&mut Reader::new(&[4, 1, 2, 3])),
            Err(InvalidMessage::AuthoritiesLength { length: 3 })
        );
    }

    #[test]
    fn leaves_other_encodings_alone() {
        let read = CertificateRequest::read(&mut Reader::new(&[14, 1, 2, 3])).unwrap();
        assert_eq!(read.other, [1, 2, 3]);
        assert_eq!(read.authorities, [[0; 20]; 0]);
    }
}
