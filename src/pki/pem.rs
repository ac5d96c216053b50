//! PEM text (RFC 7468) around certificates and keys.

use zeroize::Zeroizing;

use super::certificate::{MalformedCertificate, describe};

/// The longest PEM text that is read, in octets. A distribution's bundle of all public authorities has about 220,000.
pub const MAX_PEM_OCTETS: usize = 2 * 1024 * 1024;

pub(super) const CERTIFICATE: &str = "CERTIFICATE";
pub(super) const PRIVATE_KEY: &str = "PRIVATE KEY";

/// Why a PEM text gives no certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Longer than [`MAX_PEM_OCTETS`].
    #[error("the file has {octets} octets; PEM text has at most {MAX_PEM_OCTETS}")]
    TooLarge {
        /// Octets given.
        octets: usize,
    },
    /// The text is not PEM, or a block in it is damaged.
    #[error("the file is not PEM text or is damaged: {detail}")]
    NotPem {
        /// The parser's words.
        detail: String,
    },
    /// No certificate between the blocks.
    #[error("the file holds no block between BEGIN CERTIFICATE and END CERTIFICATE")]
    NoCertificate,
    /// A block says that it is a certificate and is not.
    #[error("certificate number {} in the file: {cause}", position.saturating_add(1))]
    Malformed {
        /// Its position among the certificates, counted from 0.
        position: usize,
        /// What is wrong.
        cause: MalformedCertificate,
    },
}

/// Reads every certificate of a PEM text as DER, in file order; other blocks and text between blocks are passed over.
///
/// # Errors
///
/// [`PemError`]; a text without certificates is an error too.
pub fn read_pem_certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    let certificates = blocks(text)?
        .into_iter()
        .filter(|block| block.tag() == CERTIFICATE)
        .map(pem::Pem::into_contents)
        .collect::<Vec<_>>();
    if certificates.is_empty() {
        return Err(PemError::NoCertificate);
    }
    for (position, der) in certificates.iter().enumerate() {
        describe(der).map_err(|cause| PemError::Malformed { position, cause })?;
    }
    Ok(certificates)
}

/// Writes certificates in DER as PEM text, in the order given.
pub fn write_pem_certificates<D: AsRef<[u8]>>(certificates: &[D]) -> String {
    certificates
        .iter()
        .map(|der| pem::encode(&pem::Pem::new(CERTIFICATE, der.as_ref())))
        .collect()
}

/// Reads the one private key of a PEM text: PKCS#8, unencrypted.
pub(super) fn read_private_key(text: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, PemError> {
    Ok(blocks(text)?
        .into_iter()
        .find(|block| block.tag() == PRIVATE_KEY)
        .map(|block| Zeroizing::new(block.into_contents())))
}

/// Writes a private key as PEM text.
pub(super) fn write_private_key(pkcs8_der: &[u8]) -> Zeroizing<String> {
    let block = pem::Pem::new(PRIVATE_KEY, pkcs8_der);
    let text = Zeroizing::new(pem::encode(&block));
    // The block is a copy of the key; taking its content is the only way to wipe it.
    drop(Zeroizing::new(block.into_contents()));
    text
}

fn blocks(text: &[u8]) -> Result<Vec<pem::Pem>, PemError> {
    if text.len() > MAX_PEM_OCTETS {
        return Err(PemError::TooLarge { octets: text.len() });
    }
    pem::parse_many(text).map_err(|error| PemError::NotPem {
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_text_without_certificates() {
        assert_eq!(read_pem_certificates(b""), Err(PemError::NoCertificate));
        assert_eq!(
            read_pem_certificates(b"\x30\x82\x01\x0a"),
            Err(PemError::NoCertificate)
        );
    }

    #[test]
    fn refuses_a_megabyte_too_many() {
        let text = vec![b'-'; MAX_PEM_OCTETS + 1];
        assert_eq!(
            read_pem_certificates(&text),
            Err(PemError::TooLarge {
                octets: MAX_PEM_OCTETS + 1
            })
        );
    }

    #[test]
    fn refuses_a_block_that_is_no_certificate() {
        let text = pem::encode(&pem::Pem::new(CERTIFICATE, vec![0x30, 0x00]));
        assert!(matches!(
            read_pem_certificates(text.as_bytes()),
            Err(PemError::Malformed { position: 0, .. })
        ));
    }

    #[test]
    fn a_private_key_survives_the_round_trip() {
        let text = write_private_key(b"not a key, but octets");
        assert_eq!(
            read_private_key(text.as_bytes())
                .unwrap()
                .unwrap()
                .as_slice(),
            b"not a key, but octets"
        );
    }
}
