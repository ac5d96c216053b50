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
use super::pem::read_private_key;

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
    /// A password with a character that a PKCS#12 password cannot have here.
    #[error("the password has a character beyond U+FFFF, which a PKCS#12 password cannot have")]
    UnsupportedPassword,
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
    /// The PEM text has no unencrypted PKCS #8 block.
    #[error(
        "no block between BEGIN PRIVATE KEY and END PRIVATE KEY; of other private keys `openssl pkcs8 -topk8 -nocrypt` makes one"
    )]
    NoPemKey,
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
    check_password(password)?;
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
    assemble(archive.certs.iter().map(|bag| bag.cert.as_der()), key)
}

/// The identity of a private key in PEM and the certificates beside it, in DER and in any order.
///
/// # Errors
///
/// [`ImportError`]; of the key's file [`ImportError::NoPemKey`].
pub fn read_pem_identity(certificates: Vec<Vec<u8>>, key: &[u8]) -> Result<Pkcs12, ImportError> {
    let der = read_private_key(key).ok().flatten();
    let key = PrivateKey::from_pkcs8_der(der.ok_or(ImportError::NoPemKey)?);
    assemble(certificates.iter().map(Vec::as_slice), key)
}

/// Finds the key's own certificate among the others.
fn assemble<'a>(
    all: impl Iterator<Item = &'a [u8]>,
    key: PrivateKey,
) -> Result<Pkcs12, ImportError> {
    let mut certificates = Vec::new();
    for der in all {
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
/// [`ImportError::NotPkcs12`] when a certificate or the key cannot be read, or [`ImportError::UnsupportedPassword`].
pub fn write_pkcs12<D: AsRef<[u8]>>(
    identity: &Identity,
    authorities: &[D],
    friendly_name: &str,
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    check_password(password)?;
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

/// RFC 7292 §B.1 turns a password into a BMPString, which has no character beyond U+FFFF. Others write surrogates there.
fn check_password(password: &str) -> Result<(), ImportError> {
    if password.chars().any(|character| character > '\u{ffff}') {
        Err(ImportError::UnsupportedPassword)
    } else {
        Ok(())
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
        FileError::X509Error(_) => ImportError::NotPkcs12 {
            detail: "a certificate in it cannot be read".to_owned(),
        },
        _ => ImportError::NotPkcs12 {
            detail: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_support::*;
    use super::*;

    macro_rules! fixture {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/data/pki/", $name))
        };
    }

    fn error(file: &[u8], password: &str) -> ImportError {
        match read_pkcs12(file, password) {
            Ok(_) => panic!("the file was read"),
            Err(error) => error,
        }
    }

    #[test]
    fn reads_what_openssl_writes_now_and_wrote_before() {
        for file in [OPENSSL3, fixture!("legacy.p12")] {
            let Pkcs12 {
                identity,
                authorities,
            } = read_pkcs12(file, PASSWORD).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(identity.certificate(), pem(SERVER_PEM));
            assert_eq!(identity.intermediates(), [pem(SUB_PEM)]);
            assert_eq!(authorities, [pem(ROOT_PEM)]);
            assert_eq!(
                identity.key().spki_der().unwrap(),
                describe(&pem(SERVER_PEM)).unwrap().spki_der
            );
        }
    }

    #[test]
    fn both_encodings_hold_the_same_identity() {
        let (new, old) = (
            read_pkcs12(OPENSSL3, PASSWORD).ok().unwrap(),
            read_pkcs12(fixture!("legacy.p12"), PASSWORD).ok().unwrap(),
        );
        assert!(new.identity.is_same(&old.identity));
    }

    #[test]
    fn a_wrong_password_is_called_that() {
        for file in [OPENSSL3, fixture!("legacy.p12")] {
            for password in ["", "cisco12", "cisco1234", "Cisco123", "\u{20ac}"] {
                assert_eq!(error(file, password), ImportError::WrongPassword);
            }
            assert_eq!(error(file, "\u{1f600}"), ImportError::UnsupportedPassword);
        }
    }

    #[test]
    fn everything_that_may_be_missing_has_its_name() {
        assert_eq!(error(fixture!("no-key.p12"), PASSWORD), ImportError::NoKey);
        assert_eq!(
            error(fixture!("no-certificate.p12"), PASSWORD),
            ImportError::NoCertificate
        );
        assert_eq!(
            error(fixture!("no-mac.p12"), PASSWORD),
            ImportError::NoIntegrityCheck
        );
    }

    /// Writes keys and certificates as they come, matching or not.
    fn assemble(entries: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut store = KeyStore::new();
        for (position, (key, certificate)) in entries.iter().enumerate() {
            store.add_entry(
                &position.to_string(),
                KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(
                    [u8::try_from(position).unwrap()].as_slice(),
                    p12_keystore::PrivateKey::from_der(key).unwrap(),
                    [p12_keystore::Certificate::from_der(certificate).unwrap()],
                )),
            );
        }
        store
            .writer(PASSWORD)
            .encryption_iterations(1)
            .mac_iterations(1)
            .write()
            .unwrap()
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_with_the_subjects() {
        let file = assemble(&[(fixture!("other-key.der"), &pem(SERVER_PEM))]);
        assert_eq!(
            error(&file, PASSWORD),
            ImportError::KeyMismatch {
                subjects: vec!["cn=vpn.example.com,o=Ironflex Test,c=DE".to_owned()]
            }
        );
    }

    #[test]
    fn two_keys_are_refused_with_their_number() {
        let hierarchy = Hierarchy::new();
        let (one, two) = (hierarchy.server(), hierarchy.server());
        let file = assemble(&[
            (one.key().pkcs8_der(), one.certificate()),
            (two.key().pkcs8_der(), two.certificate()),
        ]);
        assert_eq!(
            error(&file, PASSWORD),
            ImportError::SeveralKeys { count: 2 }
        );
    }

    #[test]
    fn more_certificates_than_any_chain_has_are_refused() {
        let hierarchy = Hierarchy::new();
        let identity = hierarchy.server();
        let authorities: Vec<Vec<u8>> = (0..MAX_PKCS12_CERTIFICATES)
            .map(|_| hierarchy.server().certificate().to_vec())
            .collect();
        let file = write_pkcs12(&identity, &authorities, "many", PASSWORD).unwrap();
        assert_eq!(
            error(&file, PASSWORD),
            ImportError::TooManyCertificates {
                count: MAX_PKCS12_CERTIFICATES + 2
            }
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let hierarchy = Hierarchy::new();
        let identity = hierarchy.server();
        let authorities = hierarchy.authorities();
        let file = write_pkcs12(&identity, &authorities, "IKEv2-TP", PASSWORD).unwrap();
        let again = read_pkcs12(&file, PASSWORD).ok().unwrap();
        assert!(again.identity.is_same(&identity));
        assert_eq!(again.authorities, authorities);
        assert_eq!(error(&file, "cisco124"), ImportError::WrongPassword);
    }

    #[test]
    fn certificates_that_issue_each_other_end_the_sorting() {
        use super::super::authority::{Authority, KeyAlgorithm};

        let one = Authority::root("One", KeyAlgorithm::EcdsaP256, year()).unwrap();
        let two = Authority::root("Two", KeyAlgorithm::EcdsaP256, year()).unwrap();
        let identity = one.issue(&server_request()).unwrap();
        let cross = [
            one.cross_certified_by(&two, year()),
            two.cross_certified_by(&one, year()),
        ];
        let file = write_pkcs12(&identity, &cross, "loop", PASSWORD).unwrap();
        let again = read_pkcs12(&file, PASSWORD).ok().unwrap();
        assert_eq!(again.identity.intermediates(), cross);
        assert_eq!(again.authorities, Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_megabyte_of_junk_is_refused_unread() {
        assert_eq!(
            error(&vec![0x30; 1 << 20], PASSWORD),
            ImportError::TooLarge { octets: 1 << 20 }
        );
    }

    #[test]
    fn every_truncation_is_not_pkcs12() {
        for length in 0..OPENSSL3.len() {
            assert!(
                matches!(
                    error(&OPENSSL3[..length], PASSWORD),
                    ImportError::NotPkcs12 { .. }
                ),
                "{length} octets"
            );
        }
    }

    #[test]
    fn no_flipped_octet_of_the_content_gets_through() {
        // One iteration of key derivation: what counts is the check, not its cost.
        let identity = Hierarchy::new().server();
        let file = assemble(&[(identity.key().pkcs8_der(), identity.certificate())]);
        let mut read = 0;
        for position in 0..file.len() {
            let mut changed = file.clone();
            changed[position] ^= 0x01;
            match read_pkcs12(&changed, PASSWORD) {
                // Parameters of the integrity check that change nothing, such as an absent NULL, may be read.
                Ok(pkcs12) => {
                    assert!(pkcs12.identity.is_same(&identity), "octet {position}");
                    read += 1;
                }
                Err(ImportError::SeveralKeys { .. } | ImportError::KeyMismatch { .. }) => {
                    panic!("octet {position} changed the content")
                }
                Err(_) => {}
            }
        }
        assert!(read < 8, "{read} changed files were read");
    }

    proptest! {
        #[test]
        fn junk_is_an_error(file in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(read_pkcs12(&file, PASSWORD).is_err());
        }
    }
}
