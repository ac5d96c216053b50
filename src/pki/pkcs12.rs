//! PKCS#12 files (RFC 7292): a certificate, its private key and the certificates above it behind a password.
//!
//! Read are the encryptions that OpenSSL, Windows, Java and IOS write: PBES2 with AES and HMAC-SHA-2, and the older
//! triple-DES and 40-bit RC2 with an HMAC-SHA-1 integrity check. A file without an integrity check is refused, because
//! nothing then shows that the password is right or that its certificates are those that were put in. Written is PBES2
//! with AES-256 and HMAC-SHA-256.

use p12_keystore::error::Error as FileError;
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKeyChain};
use zeroize::Zeroizing;

use super::certificate::{CertificateSummary, describe, is_same_public_key};
use super::identity::{Identity, PrivateKey, UnusableKey};

/// The longest PKCS#12 file that is read, in octets. A chain of four with a 4096-bit key has about 10,000.
pub const MAX_PKCS12_OCTETS: usize = 256 * 1024;

/// The most certificates that a PKCS#12 file may hold.
pub const MAX_PKCS12_CERTIFICATES: usize = 32;

/// What a PKCS#12 file holds.
pub struct Pkcs12 {
    /// The certificate that the private key belongs to, the intermediates above it, and the key.
    pub identity: Identity,
    /// Certificates of certification authorities that stand in no chain above the identity or end it: roots, in DER.
    pub authorities: Vec<Vec<u8>>,
}

/// Why a PKCS#12 file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Longer than [`MAX_PKCS12_OCTETS`].
    #[error("the file has {octets} octets; a PKCS#12 file has at most {MAX_PKCS12_OCTETS}")]
    TooLarge {
        /// Octets given.
        octets: usize,
    },
    /// Not PKCS#12, or cut off.
    #[error("the file is not PKCS#12 or is damaged: {detail}")]
    NotPkcs12 {
        /// What the parser expected, in its words.
        detail: String,
    },
    /// The integrity check fails. A wrong password and a changed file cannot be told apart.
    #[error("wrong password (or the file was changed after it was written)")]
    WrongPassword,
    /// The file carries no integrity check.
    #[error("the file has no integrity check (MAC); write it again with one")]
    NoIntegrityCheck,
    /// An encryption or integrity algorithm that is not known here.
    #[error("the file uses an algorithm that is not supported: {detail}")]
    Unsupported {
        /// The parser's words.
        detail: String,
    },
    /// No private key.
    #[error("the file holds no private key")]
    NoKey,
    /// More than one private key: which one is meant cannot be known.
    #[error("the file holds {count} private keys; exactly one is expected")]
    SeveralKeys {
        /// How many.
        count: usize,
    },
    /// The private key is broken or of a kind that cannot sign here.
    #[error(transparent)]
    UnusableKey(#[from] UnusableKey),
    /// No certificate.
    #[error("the file holds no certificate")]
    NoCertificate,
    /// More than [`MAX_PKCS12_CERTIFICATES`].
    #[error("the file holds {count} certificates; at most {MAX_PKCS12_CERTIFICATES} are accepted")]
    TooManyCertificates {
        /// How many.
        count: usize,
    },
    /// The private key belongs to none of the certificates.
    #[error("the private key belongs to none of the certificates in the file ({})", subjects.join("; "))]
    KeyMismatch {
        /// Whose certificates the file holds.
        subjects: Vec<String>,
    },
}

/// Reads a PKCS#12 file.
///
/// The identity's certificate is found by its key and not by the file's labels, which some writers leave out.
///
/// # Errors
///
/// [`ImportError`], one variant for each thing that can be wrong. Whether the certificates are any good is for
/// [`check_identity`](super::identity::check_identity) to say.
pub fn read_pkcs12(file: &[u8], password: &str) -> Result<Pkcs12, ImportError> {
    if file.len() > MAX_PKCS12_OCTETS {
        return Err(ImportError::TooLarge { octets: file.len() });
    }
    if !has_integrity_check(file)? {
        return Err(ImportError::NoIntegrityCheck);
    }
    let archive = Pkcs12Archive::from_pkcs12(file, password).map_err(import_error)?;
    let key = match archive.keys.as_slice() {
        [] => return Err(ImportError::NoKey),
        [bag] => PrivateKey::from_pkcs8_der(Zeroizing::new(bag.key.as_der().to_vec())),
        bags => return Err(ImportError::SeveralKeys { count: bags.len() }),
    };
    if archive.certs.is_empty() {
        return Err(ImportError::NoCertificate);
    }
    if archive.certs.len() > MAX_PKCS12_CERTIFICATES {
        return Err(ImportError::TooManyCertificates {
            count: archive.certs.len(),
        });
    }
    let mut certificates = Vec::with_capacity(archive.certs.len());
    for bag in &archive.certs {
        let der = bag.cert.as_der();
        let summary = describe(der).map_err(|error| ImportError::NotPkcs12 {
            detail: error.to_string(),
        })?;
        if !certificates.iter().any(|(known, _)| known == der) {
            certificates.push((der.to_vec(), summary));
        }
    }
    let spki = key.spki_der()?;
    let own = certificates
        .iter()
        .position(|(_, summary)| is_same_public_key(&spki, &summary.spki_der))
        .ok_or_else(|| ImportError::KeyMismatch {
            subjects: certificates
                .iter()
                .map(|(_, summary)| summary.subject.to_string())
                .collect(),
        })?;
    let own = certificates.remove(own);
    Ok(sort(own, certificates, key))
}

/// Writes an identity and its authorities as a PKCS#12 file.
///
/// # Errors
///
/// [`ImportError::NotPkcs12`] when a certificate or the key cannot be read.
pub fn write_pkcs12<D: AsRef<[u8]>>(
    identity: &Identity,
    authorities: &[D],
    friendly_name: &str,
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    let certificates = identity
        .chain()
        .chain(authorities.iter().map(AsRef::as_ref))
        .map(p12_keystore::Certificate::from_der)
        .collect::<Result<Vec<_>, _>>()
        .map_err(import_error)?;
    let key =
        p12_keystore::PrivateKey::from_der(identity.key().pkcs8_der()).map_err(import_error)?;
    // The identifier ties key and certificate together; the certificate's hash is what OpenSSL writes there.
    let local_key_id = describe(identity.certificate())
        .map_err(|error| ImportError::NotPkcs12 {
            detail: error.to_string(),
        })?
        .fingerprint_sha1;
    let mut store = KeyStore::new();
    store.add_entry(
        friendly_name,
        KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(
            local_key_id.as_slice(),
            key,
            certificates,
        )),
    );
    store
        .writer(password)
        .write()
        .map(Zeroizing::new)
        .map_err(import_error)
}

/// Orders what stands beside the own certificate: issuers upwards, then everything self-issued as authorities.
fn sort(
    own: (Vec<u8>, CertificateSummary),
    others: Vec<(Vec<u8>, CertificateSummary)>,
    key: PrivateKey,
) -> Pkcs12 {
    let (authorities, mut candidates): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|(_, summary)| summary.is_self_issued());
    let (certificate, own_summary) = own;
    let mut intermediates = Vec::new();
    let mut wanted = own_summary.issuer;
    // Each round takes one candidate out, so that certificates which name each other as issuers end the loop too.
    while let Some(found) = candidates
        .iter()
        .position(|(_, summary)| summary.subject.der == wanted.der)
    {
        let (der, summary) = candidates.remove(found);
        intermediates.push(der);
        wanted = summary.issuer;
    }
    Pkcs12 {
        identity: Identity::new(certificate, intermediates, key),
        authorities: authorities.into_iter().map(|(der, _)| der).collect(),
    }
}

/// Looks for the macData field: the third element of PFX (RFC 7292 §4).
fn has_integrity_check(file: &[u8]) -> Result<bool, ImportError> {
    use x509_parser::der_parser::asn1_rs::{Any, FromDer, Sequence};

    let damaged = || ImportError::NotPkcs12 {
        detail: "no ASN.1 sequence of version, content and integrity check".to_owned(),
    };
    let (rest, pfx) = Sequence::from_der(file).map_err(|_| damaged())?;
    if !rest.is_empty() {
        return Err(damaged());
    }
    let mut rest = pfx.content.as_ref();
    let mut elements = 0usize;
    while !rest.is_empty() {
        (rest, _) = Any::from_der(rest).map_err(|_| damaged())?;
        elements = elements.saturating_add(1);
    }
    match elements {
        2 => Ok(false),
        3 => Ok(true),
        _ => Err(damaged()),
    }
}

fn import_error(error: FileError) -> ImportError {
    match error {
        FileError::MacError(_) => ImportError::WrongPassword,
        FileError::UnsupportedEncryptionScheme
        | FileError::UnsupportedMacAlgorithm
        | FileError::UnsupportedCertificateType
        | FileError::UnsupportedContentType
        | FileError::Pkcs5Error(_)
        | FileError::InvalidParameters => ImportError::Unsupported {
            detail: error.to_string(),
        },
        FileError::InvalidPrivateKey => ImportError::UnusableKey(UnusableKey),
        _ => ImportError::NotPkcs12 {
            detail: error.to_string(),
        },
    }
}
