//! Whether a chain of certificates holds: path, signatures, dates, purpose, name.
//!
//! The path builder is `webpki`'s. It says *that* a path fails; what stands around it here finds out *which*
//! certificate is to blame and says so in the user's terms, and adds the rules that it leaves out: keyUsage, the
//! anchor's own dates, and the purposes of IKE. No revocation list is consulted.

mod error;
mod explain;
mod words;

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use rustls_pki_types::{CertificateDer, DnsName, ServerName, TrustAnchor};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, VerifiedPath};

use super::certificate::{
    CertificateSummary, DistinguishedName, KeyKind, KeyPurpose, KeyUsage, MalformedCertificate,
    describe, has_supported_key, has_supported_signature, is_signed_by,
};
use super::time::Timestamp;
use explain::explain;

pub use error::{ChainError, Trusted};

/// The most certificates that a peer may send. The path builder follows at most six intermediates.
pub const MAX_CHAIN_CERTIFICATES: usize = 10;

/// The most octets of DER that a peer may send. An IKE message holds 65,535 at most.
pub const MAX_CHAIN_OCTETS: usize = 64 * 1024;

/// The smallest RSA modulus that is accepted, in bits: what the signature providers verify.
pub const MIN_RSA_BITS: usize = 2048;

/// Certification authorities that are believed without further proof.
pub struct TrustAnchors {
    anchors: Vec<TrustAnchor<'static>>,
    summaries: Vec<CertificateSummary>,
    unsupported: Vec<UnsupportedAuthority>,
    /// The file that the machine has them in, if they are the machine's.
    store: Option<String>,
}

/// An authority by which no chain can hold in this build: its cryptographic library does not have the key's algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedAuthority {
    /// Whose certificate it is.
    pub subject: String,
    /// Its key.
    pub key: KeyKind,
}

/// The cryptographic library of this build.
#[cfg(feature = "aws-lc")]
const LIBRARY: &str = "aws-lc";
#[cfg(not(feature = "aws-lc"))]
const LIBRARY: &str = "ring";

impl fmt::Display for UnsupportedAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, key } = self;
        write!(
            f,
            "this build's cryptographic library ({LIBRARY}) has no {key}: nobody is believed by the authority {subject}"
        )
    }
}

impl TrustAnchors {
    /// Reads authorities' certificates, each in DER.
    ///
    /// # Errors
    ///
    /// [`ChainError::Malformed`] with the position of the first one that cannot be read, or
    /// [`ChainError::NotAnAuthority`].
    pub fn new<D: AsRef<[u8]>>(certificates: &[D]) -> Result<Self, ChainError> {
        let mut anchors = Vec::with_capacity(certificates.len());
        let mut summaries = Vec::with_capacity(certificates.len());
        let mut unsupported = Vec::new();
        for (position, der) in certificates.iter().enumerate() {
            let malformed = |cause| ChainError::Malformed { position, cause };
            let summary = describe(der.as_ref()).map_err(malformed)?;
            // RFC 5280 §4.2.1.9: from version 3 on an authority says that it is one.
            if summary.version >= 3 && !summary.is_authority {
                return Err(ChainError::NotAnAuthority {
                    subject: summary.subject.to_string(),
                });
            }
            if !has_supported_key(der.as_ref()) {
                unsupported.push(UnsupportedAuthority {
                    subject: summary.subject.to_string(),
                    key: summary.key.clone(),
                });
            }
            summaries.push(summary);
            let anchor = webpki::anchor_from_trusted_cert(&CertificateDer::from(der.as_ref()))
                .map(|anchor| anchor.to_owned())
                .map_err(|error| malformed(unreadable(&error)))?;
            anchors.push(anchor);
        }
        Ok(Self {
            anchors,
            summaries,
            unsupported,
            store: None,
        })
    }

    /// They are all that this machine trusts, and a file has them: messages name that file in their place.
    #[must_use]
    pub fn of_machine(self, store: &Path) -> Self {
        Self {
            store: Some(store.display().to_string()),
            ..self
        }
    }

    /// True when both believe the same certificates.
    pub fn is_same(&self, other: &Self) -> bool {
        self.anchors == other.anchors
            && self.summaries == other.summaries
            && self.unsupported == other.unsupported
    }

    /// True when there is no authority, so that no chain can hold.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// What the authorities' certificates say, in the order given.
    pub fn summaries(&self) -> &[CertificateSummary] {
        &self.summaries
    }

    /// Those by which no chain can hold in this build.
    pub fn unsupported_authorities(&self) -> &[UnsupportedAuthority] {
        &self.unsupported
    }

    /// The content of a CERTREQ payload's Certification Authority field: one SHA-1 hash for each authority.
    // RFC 7296 §3.7: hashes of the trusted authorities' public keys stand one after another without anything between.
    pub fn authority_hashes(&self) -> Vec<[u8; 20]> {
        self.summaries
            .iter()
            .map(|summary| summary.spki_sha1)
            .collect()
    }
}

/// What a chain is to be good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A headend that a client calls by `name`, judged as Cisco Secure Client judges it: the certificate must carry
    /// serverAuth or IKE intermediate, and the name among its subject alternative names.
    Server {
        /// What the user typed.
        name: ServerIdentity,
    },
    /// A peer that logs in with a certificate. Its identity is a matter of configuration; compare it with
    /// [`CertificateSummary::certifies`].
    Client,
}

impl Purpose {
    // RFC 4945 §5.1.3.12: without the extension, with anyExtendedKeyUsage or with ipsecIKE a certificate is good for
    // IKE; others are a matter of local policy. Ours: clients' certificates may say clientAuth or IKE intermediate.
    // A headend's must say serverAuth or IKE intermediate, because Secure Client refuses everything else.
    fn permits_leaf(&self, purposes: Option<&[KeyPurpose]>) -> bool {
        match self {
            Self::Server { .. } => purposes.is_some_and(|purposes| {
                purposes.iter().any(|purpose| {
                    matches!(
                        purpose,
                        KeyPurpose::ServerAuth | KeyPurpose::IkeIntermediate
                    )
                })
            }),
            Self::Client => self.permits_authority(purposes),
        }
    }

    /// An authority without the extension may sign for every purpose; one with it only for those that it lists.
    fn permits_authority(&self, purposes: Option<&[KeyPurpose]>) -> bool {
        purposes.is_none_or(|purposes| {
            purposes.iter().any(|purpose| match purpose {
                KeyPurpose::Any | KeyPurpose::IpsecIke | KeyPurpose::IkeIntermediate => true,
                KeyPurpose::ServerAuth => matches!(self, Self::Server { .. }),
                KeyPurpose::ClientAuth => matches!(self, Self::Client),
                KeyPurpose::Other(_) => false,
            })
        })
    }

    const fn wanted(&self) -> &'static str {
        match self {
            Self::Server { .. } => "serverAuth or ikeIntermediate",
            Self::Client => "clientAuth, ipsecIKE or ikeIntermediate",
        }
    }
}

/// The name by which a user calls a headend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerIdentity {
    /// A host name, without a trailing dot.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl ServerIdentity {
    /// Reads what a user typed.
    ///
    /// # Errors
    ///
    /// [`InvalidServerName`] when `text` is neither an address nor a host name.
    pub fn parse(text: &str) -> Result<Self, InvalidServerName> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        DnsName::try_from(name)
            .map(|_| Self::Dns(name.to_owned()))
            .map_err(|_| InvalidServerName {
                text: text.to_owned(),
            })
    }
}

impl fmt::Display for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => write!(f, "{address}"),
        }
    }
}

/// A text that names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an IP address nor a host name")]
pub struct InvalidServerName {
    /// The text.
    pub text: String,
}

/// Proof that a chain held at one moment, for one purpose. Only [`verify_peer_chain`] makes it.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPeer {
    leaf: CertificateSummary,
    anchor: DistinguishedName,
}

impl VerifiedPeer {
    /// What the peer's own certificate says.
    pub fn certificate(&self) -> &CertificateSummary {
        &self.leaf
    }

    /// The key that must verify the peer's AUTH payload: a SubjectPublicKeyInfo in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.leaf.spki_der
    }

    /// The authority at the chain's end.
    pub fn anchor(&self) -> &DistinguishedName {
        &self.anchor
    }
}

/// Verifies what a peer sent.
///
/// `chain` is the peer's certificates in DER, its own first, the others in any order (RFC 7296 §3.6); `intermediates`
/// are further ones that are known here but not trusted by themselves; `now` is the moment that dates are compared with.
///
/// # Errors
///
/// The first thing that is wrong, as a [`ChainError`]. Chains that are too long or too large are refused unread.
pub fn verify_peer_chain<C: AsRef<[u8]>, I: AsRef<[u8]>>(
    chain: &[C],
    anchors: &TrustAnchors,
    intermediates: &[I],
    now: Timestamp,
    purpose: &Purpose,
) -> Result<VerifiedPeer, ChainError> {
    let (leaf, anchor) = verify_path(chain, anchors, intermediates, now, Some(purpose))?;
    check_leaf(&leaf, purpose)?;
    Ok(VerifiedPeer {
        anchor: anchor.subject.clone(),
        leaf: leaf.summary,
    })
}

/// Verifies the path alone: signatures, dates and authorities. The leaf's purpose and name are left to the caller;
/// without a purpose, so are those of the issuers.
pub(super) fn verify_path<'c, 't, C: AsRef<[u8]>, I: AsRef<[u8]>>(
    chain: &'c [C],
    anchors: &'t TrustAnchors,
    intermediates: &[I],
    now: Timestamp,
    purpose: Option<&Purpose>,
) -> Result<(Link<'c>, &'t CertificateSummary), ChainError> {
    // RFC 7296 §1.2#1, §3.6#4: the first one has the key of AUTH.
    let Some((leaf_der, sent)) = chain.split_first() else {
        return Err(ChainError::NoCertificate);
    };
    if chain.len() > MAX_CHAIN_CERTIFICATES {
        return Err(ChainError::TooManyCertificates { count: chain.len() });
    }
    let octets = chain
        .iter()
        .fold(0usize, |sum, der| sum.saturating_add(der.as_ref().len()));
    if octets > MAX_CHAIN_OCTETS {
        return Err(ChainError::TooLarge { octets });
    }
    let leaf = Link::read(0, leaf_der.as_ref())?;
    // The path builder takes a certificate that is its own anchor for a chain of one.
    if is_self_signed(leaf.der, &leaf.summary) {
        return Err(ChainError::SelfSigned {
            subject: leaf.name(),
        });
    }
    let mut above = Vec::with_capacity(sent.len().saturating_add(intermediates.len()));
    for (position, der) in (1..).zip(sent) {
        above.push(Link::read(position, der.as_ref())?);
    }
    for (position, der) in (chain.len()..).zip(intermediates) {
        above.push(Link::read(position, der.as_ref())?);
    }
    let anchor = build_path(&leaf, &above, anchors, now, purpose)?;
    Ok((leaf, anchor))
}

/// A certificate and what it says.
pub(super) struct Link<'a> {
    der: &'a [u8],
    summary: CertificateSummary,
}

impl<'a> Link<'a> {
    fn read(position: usize, der: &'a [u8]) -> Result<Self, ChainError> {
        let summary = describe(der).map_err(|cause| ChainError::Malformed { position, cause })?;
        Ok(Self { der, summary })
    }

    fn name(&self) -> String {
        self.summary.subject.to_string()
    }
}

/// The purposes are checked by [`check_path`] and [`check_leaf`], which know the certificates' names.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

fn build_path<'t>(
    leaf: &Link<'_>,
    above: &[Link<'_>],
    anchors: &'t TrustAnchors,
    now: Timestamp,
    purpose: Option<&Purpose>,
) -> Result<&'t CertificateSummary, ChainError> {
    check_strength(leaf)?;
    let leaf_der = CertificateDer::from(leaf.der);
    let above_der: Vec<CertificateDer<'_>> = above
        .iter()
        .map(|link| CertificateDer::from(link.der))
        .collect();
    let refusal = RefCell::new(None);
    let check = |path: &VerifiedPath<'_>| {
        check_path(path, above, anchors, now, purpose).map_err(|error| {
            refusal.borrow_mut().get_or_insert(error);
            webpki::Error::UnknownIssuer
        })
    };
    let end_entity = EndEntityCert::try_from(&leaf_der)
        .map_err(|error| explain(&error, leaf, above, anchors, now))?;
    let found = end_entity.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors.anchors,
        &above_der,
        now.to_unix_time(),
        AnyPurpose,
        None,
        Some(&check),
    );
    match found {
        Ok(path) => anchor_summary(&path, anchors).ok_or_else(|| ChainError::Other {
            subject: leaf.name(),
            detail: "the path's end is not among the trusted authorities".to_owned(),
        }),
        Err(error) => Err(refusal
            .into_inner()
            .unwrap_or_else(|| explain(&error, leaf, above, anchors, now))),
    }
}

fn anchor_summary<'t>(
    path: &VerifiedPath<'_>,
    anchors: &'t TrustAnchors,
) -> Option<&'t CertificateSummary> {
    anchors
        .anchors
        .iter()
        .zip(&anchors.summaries)
        .find(|(anchor, _)| *anchor == path.anchor())
        .map(|(_, summary)| summary)
}

/// What the path builder leaves out: keyUsage and purposes of the issuers, and the dates of the anchor.
fn check_path(
    path: &VerifiedPath<'_>,
    above: &[Link<'_>],
    anchors: &TrustAnchors,
    now: Timestamp,
    purpose: Option<&Purpose>,
) -> Result<(), ChainError> {
    for issuer in path.intermediate_certificates() {
        let Some(link) = above.iter().find(|link| link.der == issuer.der().as_ref()) else {
            continue;
        };
        check_issuer(&link.summary, purpose)?;
    }
    match anchor_summary(path, anchors) {
        Some(anchor) => {
            check_issuer(anchor, purpose)?;
            check_dates(anchor, now)
        }
        None => Ok(()),
    }
}

fn check_issuer(issuer: &CertificateSummary, purpose: Option<&Purpose>) -> Result<(), ChainError> {
    let subject = || issuer.subject.to_string();
    // RFC 5280 §4.2.1.3: a key that verifies signatures on certificates must say keyCertSign where it says anything.
    if issuer
        .key_usage
        .is_some_and(|usage| !usage.intersects(KeyUsage::KEY_CERT_SIGN))
    {
        return Err(ChainError::NotAnAuthority { subject: subject() });
    }
    match purpose {
        Some(purpose) if !purpose.permits_authority(issuer.extended_key_usage.as_deref()) => {
            Err(lacks_purpose(issuer, purpose))
        }
        _ => Ok(()),
    }
}

fn check_dates(certificate: &CertificateSummary, now: Timestamp) -> Result<(), ChainError> {
    if now > certificate.not_after {
        Err(ChainError::Expired {
            subject: certificate.subject.to_string(),
            not_after: certificate.not_after,
            now,
        })
    } else if now < certificate.not_before {
        Err(ChainError::NotYetValid {
            subject: certificate.subject.to_string(),
            not_before: certificate.not_before,
            now,
        })
    } else {
        Ok(())
    }
}

fn check_strength(link: &Link<'_>) -> Result<(), ChainError> {
    match link.summary.key {
        KeyKind::Rsa { bits } if bits < MIN_RSA_BITS => Err(ChainError::WeakKey {
            subject: link.name(),
            bits,
        }),
        _ => Ok(()),
    }
}

fn check_leaf(leaf: &Link<'_>, purpose: &Purpose) -> Result<(), ChainError> {
    let summary = &leaf.summary;
    if !purpose.permits_leaf(summary.extended_key_usage.as_deref()) {
        return Err(lacks_purpose(summary, purpose));
    }
    // RFC 4945 §5.1.3.2: where keyUsage is present, it must include digitalSignature or nonRepudiation.
    let signing = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION;
    if let Some(found) = summary.key_usage.filter(|usage| !usage.intersects(signing)) {
        return Err(ChainError::LacksKeyUsage {
            subject: leaf.name(),
            found,
        });
    }
    match purpose {
        Purpose::Server { name } => check_name(leaf, name),
        Purpose::Client => Ok(()),
    }
}

fn check_name(leaf: &Link<'_>, name: &ServerIdentity) -> Result<(), ChainError> {
    let mismatch = || ChainError::NameMismatch {
        subject: leaf.name(),
        wanted: name.to_string(),
        presented: leaf
            .summary
            .subject_alt_names
            .iter()
            .map(ToString::to_string)
            .collect(),
    };
    let server_name = match name {
        ServerIdentity::Dns(name) => {
            ServerName::DnsName(DnsName::try_from(name.as_str()).map_err(|_| mismatch())?)
        }
        ServerIdentity::Ip(address) => ServerName::IpAddress((*address).into()),
    };
    let der = CertificateDer::from(leaf.der);
    EndEntityCert::try_from(&der)
        .and_then(|certificate| certificate.verify_is_valid_for_subject_name(&server_name))
        .map_err(|_| mismatch())
}

fn lacks_purpose(certificate: &CertificateSummary, purpose: &Purpose) -> ChainError {
    ChainError::LacksPurpose {
        subject: certificate.subject.to_string(),
        wanted: purpose.wanted(),
        found: certificate
            .extended_key_usage
            .iter()
            .flatten()
            .map(ToString::to_string)
            .collect(),
    }
}

/// True when the certificate's issuer is its own subject and key. Of a signature that cannot be verified here the name
/// alone decides.
pub(super) fn is_self_signed(der: &[u8], summary: &CertificateSummary) -> bool {
    summary.is_self_issued()
        && (is_signed_by(der, &summary.spki_der) || !has_supported_signature(der))
}

fn unreadable(error: &webpki::Error) -> MalformedCertificate {
    MalformedCertificate::Structure {
        detail: words::of(error),
    }
}

#[cfg(test)]
mod tests;
