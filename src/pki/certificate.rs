//! What a certificate says: one parse of X.509 DER (RFC 5280 §4) into owned, printable facts.
//!
//! Nothing here decides whether a certificate is good; [`super::chain`] and [`super::identity`] do.
//! Every text taken from a certificate is chosen by a stranger, so `Display` escapes control characters.

use std::fmt;
use std::net::IpAddr;

use rustls_pki_types::SignatureVerificationAlgorithm;
use sha1::{Digest, Sha1};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, Oid, Tag};
use x509_parser::error::X509Error;
use x509_parser::extensions::{
    CRLDistributionPoints, DistributionPointName, GeneralName, ParsedExtension,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use super::time::Timestamp;

/// The longest certificate that is looked at, in octets of DER. A leaf with a hundred names has about 5,000.
pub const MAX_CERTIFICATE_OCTETS: usize = 32 * 1024;

/// Why octets are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCertificate {
    /// Longer than [`MAX_CERTIFICATE_OCTETS`].
    #[error("certificate of {octets} octets; at most {MAX_CERTIFICATE_OCTETS} are accepted")]
    TooLarge {
        /// Octets given.
        octets: usize,
    },
    /// The outer structure is not X.509 DER.
    #[error("not an X.509 certificate in DER: {detail}")]
    Structure {
        /// What the parser expected, in its words.
        detail: String,
    },
    /// Octets follow the certificate.
    #[error("{octets} octets follow the certificate")]
    TrailingOctets {
        /// Octets too many.
        octets: usize,
    },
    /// An extension is present twice or its content cannot be read. RFC 5280 §4.2 allows one of each.
    #[error("extension {oid} is repeated or cannot be read")]
    Extension {
        /// The extension's object identifier in dotted form.
        oid: String,
    },
}

/// The facts of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    /// X.509 version, 1 to 3.
    pub version: u32,
    /// Whom it names.
    pub subject: DistinguishedName,
    /// Who is said to have signed it.
    pub issuer: DistinguishedName,
    /// Serial number in upper-case hexadecimal, whole octets.
    pub serial: String,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// Subject alternative names in certificate order; empty without the extension.
    pub subject_alt_names: Vec<SubjectAltName>,
    /// Permitted uses of the key; `None` without the extension, which permits every use.
    pub key_usage: Option<KeyUsage>,
    /// Permitted purposes; `None` without the extension, which permits every purpose.
    pub extended_key_usage: Option<Vec<KeyPurpose>>,
    /// True where basicConstraints says CA. False without the extension.
    pub is_authority: bool,
    /// basicConstraints: whether it is an authority, and how many may stand between it and a peer; `None` without the extension.
    pub basic_constraints: Option<(bool, Option<u32>)>,
    /// subjectKeyIdentifier.
    pub subject_key_id: Option<Vec<u8>>,
    /// The key identifier of authorityKeyIdentifier.
    pub authority_key_id: Option<Vec<u8>>,
    /// Critical extensions that this program does not know, as dotted object identifiers.
    pub unknown_critical_extensions: Vec<String>,
    /// The signature algorithm's name, or its dotted object identifier.
    pub signature_algorithm: String,
    /// Where the lists of revoked certificates are to be had, as URIs; empty without the extension (RFC 5280 §4.2.1.13).
    pub crl_locations: Vec<String>,
    /// Kind and size of the public key.
    pub key: KeyKind,
    /// The SubjectPublicKeyInfo in DER: what verifies this subject's signatures.
    pub spki_der: Vec<u8>,
    /// SHA-1 of `spki_der`.
    // RFC 7296 §3.7: CERTREQ names a certification authority by the SHA-1 of its SubjectPublicKeyInfo.
    pub spki_sha1: [u8; 20],
    /// SHA-1 of the whole certificate: IOS-XE's `Fingerprint SHA1`.
    pub fingerprint_sha1: [u8; 20],
}

impl CertificateSummary {
    /// True when subject and issuer are the same name, as in every root. Says nothing of the signature.
    pub fn is_self_issued(&self) -> bool {
        self.subject.der == self.issuer.der
    }

    /// True when `name` is, exactly and without wildcards, one that the issuer has vouched for.
    ///
    /// This is the rule for IKE identities; the name that a user typed is checked by
    /// [`verify_peer_chain`](super::chain::verify_peer_chain), where a wildcard counts.
    // RFC 4945 §3.1: the ID payload must match the certificate: addresses and dNSName and rfc822Name without regard
    // to case and without substring or wildcard matching, a distinguished name against the subject.
    pub fn certifies(&self, name: &ClaimedName<'_>) -> bool {
        match name {
            ClaimedName::DistinguishedName(der) => self.subject.der == *der,
            ClaimedName::Fqdn(fqdn) => self.subject_alt_names.iter().any(
                |san| matches!(san, SubjectAltName::Dns(name) if name.eq_ignore_ascii_case(fqdn)),
            ),
            ClaimedName::Email(email) => self.subject_alt_names.iter().any(
                |san| matches!(san, SubjectAltName::Email(name) if name.eq_ignore_ascii_case(email)),
            ),
            ClaimedName::Ip(ip) => self
                .subject_alt_names
                .iter()
                .any(|san| matches!(san, SubjectAltName::Ip(name) if name == ip)),
        }
    }
}

/// A name that an IKE peer gives itself in its ID payload, of the kinds that a certificate can confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimedName<'a> {
    /// ID_FQDN.
    Fqdn(&'a str),
    /// ID_RFC822_ADDR.
    Email(&'a str),
    /// ID_IPV4_ADDR or ID_IPV6_ADDR.
    Ip(IpAddr),
    /// ID_DER_ASN1_DN: the name in DER.
    DistinguishedName(&'a [u8]),
}

/// An X.501 name.
///
/// `Display` is IOS-XE's form: lower-case attribute names, most specific first, joined by commas (`cn=ROOT,o=Example`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName {
    /// The name in DER, which is what comparisons use.
    pub der: Vec<u8>,
    /// Attributes in the order of the encoding, least specific first.
    pub attributes: Vec<NameAttribute>,
}

impl DistinguishedName {
    /// Reads a Name in DER, as an identity of type ID_DER_ASN1_DN holds it; `None` if it is none.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, name) = X509Name::from_der(der).ok()?;
        rest.is_empty().then(|| distinguished_name(&name))
    }

    /// The last common name, which is the most specific one.
    pub fn common_name(&self) -> Option<&str> {
        self.attributes
            .iter()
            .rev()
            .find(|attribute| attribute.name == "cn")
            .map(|attribute| attribute.value.as_str())
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attributes.is_empty() {
            return f.write_str("(empty name)");
        }
        for (position, attribute) in self.attributes.iter().rev().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            write!(f, "{attribute}")?;
        }
        Ok(())
    }
}

/// One attribute of a [`DistinguishedName`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAttribute {
    /// Short name as IOS-XE prints it (`cn`, `ou`, `o`, …), or the dotted object identifier.
    pub name: String,
    /// The value as it stands in the certificate; not safe to print as it is.
    pub value: String,
}

impl fmt::Display for NameAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name)?;
        for character in self.value.chars() {
            match character {
                ',' | '+' | '\\' => write!(f, "\\{character}")?,
                _ => write_printable(f, character)?,
            }
        }
        Ok(())
    }
}

/// One subject alternative name (RFC 5280 §4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectAltName {
    /// dNSName.
    Dns(String),
    /// rfc822Name.
    Email(String),
    /// iPAddress.
    Ip(IpAddr),
    /// uniformResourceIdentifier.
    Uri(String),
    /// Any other kind, or an address of an impossible length.
    Other,
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, text) = match self {
            Self::Ip(address) => return write!(f, "IP:{address}"),
            Self::Other => return f.write_str("(other)"),
            Self::Dns(text) => ("DNS", text),
            Self::Email(text) => ("email", text),
            Self::Uri(text) => ("URI", text),
        };
        write!(f, "{kind}:")?;
        text.chars()
            .try_for_each(|character| write_printable(f, character))
    }
}

/// The keyUsage bits (RFC 5280 §4.2.1.3); bit n of the extension is bit n here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// digitalSignature.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// nonRepudiation, also called contentCommitment.
    pub const NON_REPUDIATION: Self = Self(1 << 1);
    /// keyEncipherment.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// keyAgreement.
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// keyCertSign.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);

    const NAMES: [&'static str; 9] = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];

    /// The bits as a router prints them: the first one is the highest of 32.
    pub fn word(self) -> u32 {
        u32::from(self.0.reverse_bits()) << 16
    }

    /// True when any bit of `other` is set here too.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl std::ops::BitOr for KeyUsage {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Self::NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| *name)
            .collect();
        f.write_str(&names.join(", "))
    }
}

/// One extended key usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPurpose {
    /// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
    Any,
    /// id-kp-clientAuth.
    ClientAuth,
    /// id-kp-ipsecIKE (RFC 4945 §5.1.3.12).
    IpsecIke,
    /// 1.3.6.1.5.5.8.2.2, IKE intermediate: the older mark of an IKE headend, which Cisco and Apple clients look for.
    IkeIntermediate,
    /// id-kp-serverAuth.
    ServerAuth,
    /// Any other, as a dotted object identifier.
    Other(String),
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "anyExtendedKeyUsage",
            Self::ClientAuth => "clientAuth",
            Self::IpsecIke => "ipsecIKE",
            Self::IkeIntermediate => "ikeIntermediate",
            Self::ServerAuth => "serverAuth",
            Self::Other(oid) => oid,
        })
    }
}

/// Kind of a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA.
    Rsa {
        /// Significant bits of the modulus.
        bits: usize,
    },
    /// An elliptic curve with ECDSA.
    Ec {
        /// `P-256`, `P-384`, `P-521`, or the curve's dotted object identifier.
        curve: String,
    },
    /// Ed25519 (RFC 8420 for IKEv2).
    Ed25519,
    /// Any other, as a dotted object identifier.
    Other(String),
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits} bits"),
            Self::Ec { curve } => write!(f, "EC {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(oid) => write!(f, "key algorithm {oid}"),
        }
    }
}

/// Reads one certificate.
///
/// # Errors
///
/// [`MalformedCertificate`] when `der` is not exactly one X.509 certificate whose extensions can all be read. An
/// extension that cannot be read is an error and not "absent", because absence permits more than presence does.
pub fn describe(der: &[u8]) -> Result<CertificateSummary, MalformedCertificate> {
    let certificate = parse(der)?;
    let mut summary = CertificateSummary {
        version: certificate.version().0.saturating_add(1),
        subject: distinguished_name(certificate.subject()),
        issuer: distinguished_name(certificate.issuer()),
        serial: certificate
            .raw_serial()
            .iter()
            .map(|octet| format!("{octet:02X}"))
            .collect(),
        not_before: Timestamp::from_unix_seconds(certificate.validity().not_before.timestamp()),
        not_after: Timestamp::from_unix_seconds(certificate.validity().not_after.timestamp()),
        subject_alt_names: Vec::new(),
        key_usage: None,
        extended_key_usage: None,
        is_authority: false,
        basic_constraints: None,
        subject_key_id: None,
        authority_key_id: None,
        unknown_critical_extensions: Vec::new(),
        signature_algorithm: signature_algorithm(&certificate.signature_algorithm.algorithm),
        crl_locations: Vec::new(),
        key: key_kind(certificate.public_key()),
        spki_der: certificate.public_key().raw.to_vec(),
        spki_sha1: Sha1::digest(certificate.public_key().raw).into(),
        fingerprint_sha1: Sha1::digest(der).into(),
    };
    let mut seen: Vec<&Oid<'_>> = Vec::new();
    for extension in certificate.extensions() {
        let malformed = || MalformedCertificate::Extension {
            oid: extension.oid.to_id_string(),
        };
        if seen.contains(&&extension.oid) {
            return Err(malformed());
        }
        seen.push(&extension.oid);
        match extension.parsed_extension() {
            ParsedExtension::ParseError { .. } | ParsedExtension::Unparsed => {
                return Err(malformed());
            }
            ParsedExtension::UnsupportedExtension { .. } if extension.critical => {
                summary
                    .unknown_critical_extensions
                    .push(extension.oid.to_id_string());
            }
            ParsedExtension::BasicConstraints(constraints) => {
                summary.is_authority = constraints.ca;
                summary.basic_constraints = Some((constraints.ca, constraints.path_len_constraint));
            }
            ParsedExtension::SubjectKeyIdentifier(id) => {
                summary.subject_key_id = Some(id.0.to_vec());
            }
            ParsedExtension::AuthorityKeyIdentifier(authority) => {
                let id = authority.key_identifier.as_ref();
                summary.authority_key_id = id.map(|id| id.0.to_vec());
            }
            ParsedExtension::KeyUsage(usage) => summary.key_usage = Some(KeyUsage(usage.flags)),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                summary.extended_key_usage = Some(key_purposes(usage));
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                summary.crl_locations = crl_locations(points);
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                summary.subject_alt_names =
                    names.general_names.iter().map(subject_alt_name).collect();
            }
            _ => {}
        }
    }
    Ok(summary)
}

/// True when this build's cryptographic library can verify what the key of `certificate` signs.
pub(super) fn has_supported_key(certificate: &[u8]) -> bool {
    parse(certificate).is_ok_and(|certificate| {
        let key = &certificate.tbs_certificate.subject_pki.algorithm;
        let kind = oid_tlv(&key.algorithm);
        // An RSA key's parameters are none.
        let curve = key.parameters.as_ref().filter(|one| one.tag() == Tag::Oid);
        let curve = curve.and_then(|one| one.as_oid().ok());
        let curve = curve.as_ref().map(oid_tlv).unwrap_or_default();
        webpki::ALL_VERIFICATION_ALGS.iter().any(|algorithm| {
            let known = algorithm.public_key_alg_id();
            let parameters = known.as_ref().strip_prefix(kind.as_slice());
            parameters.is_some_and(|parameters| parameters.starts_with(&curve))
        })
    })
}

/// The URIs of distribution points; other names of them lead nowhere by themselves.
fn crl_locations(points: &CRLDistributionPoints<'_>) -> Vec<String> {
    let names = points
        .points
        .iter()
        .filter_map(|one| match &one.distribution_point {
            Some(DistributionPointName::FullName(names)) => Some(names),
            _ => None,
        });
    let locations = names.flatten().map(subject_alt_name);
    locations
        .filter_map(|name| match name {
            SubjectAltName::Uri(uri) => Some(uri),
            _ => None,
        })
        .collect()
}

/// True when `issuer_spki` (SubjectPublicKeyInfo in DER) verifies the signature on `certificate`.
pub(super) fn is_signed_by(certificate: &[u8], issuer_spki: &[u8]) -> bool {
    let (Ok(certificate), Ok((_, issuer))) = (
        parse(certificate),
        SubjectPublicKeyInfo::from_der(issuer_spki),
    ) else {
        return false;
    };
    let signature_oid = oid_tlv(&certificate.signature_algorithm.algorithm);
    let key_oid = oid_tlv(&issuer.algorithm.algorithm);
    webpki::ALL_VERIFICATION_ALGS
        .iter()
        .filter(|algorithm| {
            algorithm
                .signature_alg_id()
                .as_ref()
                .starts_with(&signature_oid)
                && algorithm.public_key_alg_id().as_ref().starts_with(&key_oid)
        })
        .any(|algorithm: &&dyn SignatureVerificationAlgorithm| {
            algorithm
                .verify_signature(
                    &issuer.subject_public_key.data,
                    certificate.tbs_certificate.as_ref(),
                    &certificate.signature_value.data,
                )
                .is_ok()
        })
}

/// True when the path builder has an implementation of the algorithm that signed `certificate`.
pub(super) fn has_supported_signature(certificate: &[u8]) -> bool {
    parse(certificate).is_ok_and(|certificate| {
        let oid = oid_tlv(&certificate.signature_algorithm.algorithm);
        webpki::ALL_VERIFICATION_ALGS
            .iter()
            .any(|algorithm| algorithm.signature_alg_id().as_ref().starts_with(&oid))
    })
}

/// True when both SubjectPublicKeyInfo encodings hold the same key; algorithm parameters may be spelled differently.
pub(super) fn is_same_public_key(left: &[u8], right: &[u8]) -> bool {
    let (Ok((_, left)), Ok((_, right))) = (
        SubjectPublicKeyInfo::from_der(left),
        SubjectPublicKeyInfo::from_der(right),
    ) else {
        return false;
    };
    left.algorithm.algorithm == right.algorithm.algorithm
        && left.subject_public_key.data == right.subject_public_key.data
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, MalformedCertificate> {
    if der.len() > MAX_CERTIFICATE_OCTETS {
        return Err(MalformedCertificate::TooLarge { octets: der.len() });
    }
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|error| MalformedCertificate::Structure {
            detail: match error {
                x509_parser::nom::Err::Incomplete(_) => "it ends too early".to_owned(),
                x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
                    structure_words(&error)
                }
            },
        })?;
    if rest.is_empty() {
        Ok(certificate)
    } else {
        Err(MalformedCertificate::TrailingOctets { octets: rest.len() })
    }
}

/// What the parser says, without the names of its variants.
fn structure_words(error: &X509Error) -> String {
    match error {
        X509Error::Der(_) | X509Error::NomError(_) => {
            "an element has another type or length than expected".to_owned()
        }
        X509Error::Generic => "it cannot be read".to_owned(),
        other => other.to_string(),
    }
}

/// The object identifier as it stands at the head of an AlgorithmIdentifier's content.
fn oid_tlv(oid: &Oid<'_>) -> Vec<u8> {
    let body = oid.as_bytes();
    let mut tlv = vec![0x06, u8::try_from(body.len()).unwrap_or(u8::MAX)];
    tlv.extend_from_slice(body);
    tlv
}

fn distinguished_name(name: &X509Name<'_>) -> DistinguishedName {
    DistinguishedName {
        der: name.as_raw().to_vec(),
        attributes: name
            .iter_attributes()
            .map(|attribute| NameAttribute {
                name: attribute_name(&attribute.attr_type().to_id_string()),
                value: attribute_text(attribute.attr_value()),
            })
            .collect(),
    }
}

/// IOS-XE's short name of a name attribute
fn attribute_name(oid: &str) -> String {
    match oid {
        "2.5.4.3" => "cn",
        "2.5.4.4" => "sn",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "c",
        "2.5.4.7" => "l",
        "2.5.4.8" => "st",
        "2.5.4.9" => "street",
        "2.5.4.10" => "o",
        "2.5.4.11" => "ou",
        "2.5.4.12" => "title",
        "0.9.2342.19200300.100.1.1" => "uid",
        "0.9.2342.19200300.100.1.25" => "dc",
        "1.2.840.113549.1.9.1" => "e",
        "1.2.840.113549.1.9.2" => "hostname",
        other => other,
    }
    .to_owned()
}

fn attribute_text(value: &Any<'_>) -> String {
    match value.tag() {
        Tag::BmpString => char::decode_utf16(
            value
                .data
                .as_chunks::<2>()
                .0
                .iter()
                .map(|unit| u16::from_be_bytes(*unit)),
        )
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect(),
        Tag::T61String => value.data.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(value.data).into_owned(),
    }
}

fn subject_alt_name(name: &GeneralName<'_>) -> SubjectAltName {
    match name {
        GeneralName::DNSName(name) => SubjectAltName::Dns((*name).to_owned()),
        GeneralName::RFC822Name(name) => SubjectAltName::Email((*name).to_owned()),
        GeneralName::URI(name) => SubjectAltName::Uri((*name).to_owned()),
        GeneralName::IPAddress(octets) => <[u8; 4]>::try_from(*octets)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from))
            .map_or(SubjectAltName::Other, SubjectAltName::Ip),
        _ => SubjectAltName::Other,
    }
}

fn key_purposes(usage: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Vec<KeyPurpose> {
    let known = [
        (usage.server_auth, KeyPurpose::ServerAuth),
        (usage.client_auth, KeyPurpose::ClientAuth),
        (usage.any, KeyPurpose::Any),
        (
            usage.code_signing,
            KeyPurpose::Other("1.3.6.1.5.5.7.3.3".to_owned()),
        ),
        (
            usage.email_protection,
            KeyPurpose::Other("1.3.6.1.5.5.7.3.4".to_owned()),
        ),
        (
            usage.time_stamping,
            KeyPurpose::Other("1.3.6.1.5.5.7.3.8".to_owned()),
        ),
        (
            usage.ocsp_signing,
            KeyPurpose::Other("1.3.6.1.5.5.7.3.9".to_owned()),
        ),
    ];
    known
        .into_iter()
        .filter_map(|(set, purpose)| set.then_some(purpose))
        .chain(
            usage
                .other
                .iter()
                .map(|oid| match oid.to_id_string().as_str() {
                    "1.3.6.1.5.5.7.3.17" => KeyPurpose::IpsecIke,
                    "1.3.6.1.5.5.8.2.2" => KeyPurpose::IkeIntermediate,
                    other => KeyPurpose::Other(other.to_owned()),
                }),
        )
        .collect()
}

fn key_kind(spki: &SubjectPublicKeyInfo<'_>) -> KeyKind {
    let oid = spki.algorithm.algorithm.to_id_string();
    match (oid.as_str(), spki.parsed()) {
        (_, Ok(PublicKey::RSA(key))) => {
            let significant: Vec<u8> = key
                .modulus
                .iter()
                .copied()
                .skip_while(|octet| *octet == 0)
                .collect();
            let unused = significant
                .first()
                .map_or(0, |octet| octet.leading_zeros() as usize);
            KeyKind::Rsa {
                bits: significant.len().saturating_mul(8).saturating_sub(unused),
            }
        }
        ("1.2.840.10045.2.1", _) => {
            let curve = spki
                .algorithm
                .parameters
                .as_ref()
                .and_then(|parameters| parameters.as_oid().ok())
                .map_or_else(|| "unnamed curve".to_owned(), |oid| oid.to_id_string());
            KeyKind::Ec {
                curve: match curve.as_str() {
                    "1.2.840.10045.3.1.7" => "P-256".to_owned(),
                    "1.3.132.0.34" => "P-384".to_owned(),
                    "1.3.132.0.35" => "P-521".to_owned(),
                    _ => curve,
                },
            }
        }
        ("1.3.101.112", _) => KeyKind::Ed25519,
        _ => KeyKind::Other(oid),
    }
}

fn signature_algorithm(oid: &Oid<'_>) -> String {
    let oid = oid.to_id_string();
    match oid.as_str() {
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "Ed25519",
        other => other,
    }
    .to_owned()
}

/// Writes `character`, or its escape where a terminal would act on it.
fn write_printable(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    // Bidirectional overrides are not control characters, and reorder a line all the same.
    let reorders = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || reorders {
        write!(f, "{}", character.escape_unicode())
    } else {
        write!(f, "{character}")
    }
}

#[cfg(test)]
mod tests;
