//! Identities between IKE, certificates and the configuration.

use std::{net::IpAddr, sync::Arc};

use ironflex_eap::anyconnect::config_auth::Sha1Digest;
use ironflex_ikev2::wire::{payload::Identification, registry::IdType};
use ironflex_profiles::PeerIdentity;
use sha1::{Digest, Sha1};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{
    cli::Printable,
    pki::{
        CertificateSummary,
        certificate::{ClaimedName, DistinguishedName},
    },
};

/// The identity type under which Cisco's clients send their key-id towards an ASA
/// (docs/anyconnect-eap.md); here it means the same as `ID_KEY_ID`.
pub const ID_CISCO_GROUP: IdType = IdType(201);

/// Who a peer has proven to be. Two that are shown alike may be two: an identity's text does not say its type, and is cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerKey {
    /// A user that EAP has authenticated, by the name that the database has.
    User(Arc<str>),
    /// The holder of a verified certificate ([`Certified::key`]).
    Certificate(Arc<[u8]>),
    /// Who has a pre-shared key: the type and the octets of its identity.
    PreShared(u8, Arc<[u8]>),
}

/// A verified certificate that a peer proved itself with.
#[derive(Clone, Debug)]
pub struct Certified {
    /// Its subject, for people.
    pub subject: Arc<str>,
    /// Its subject in DER, which a renewed one has as well; of one with an empty subject, all of it.
    pub key: Arc<[u8]>,
}

impl Certified {
    /// Of a certificate, the first of a `chain` in DER.
    #[must_use]
    pub fn new(certificate: &CertificateSummary, chain: &[Vec<u8>]) -> Self {
        let subject = &certificate.subject;
        let whole = chain.first().filter(|_| subject.attributes.is_empty());
        Self {
            subject: Arc::from(subject.to_string()),
            key: Arc::from(whole.unwrap_or(&subject.der).as_slice()),
        }
    }
}

/// A peer's identity as `match identity remote` judges it.
#[must_use]
pub fn peer_identity(identity: &Identification) -> PeerIdentity<'_> {
    // RFC 7296 §3.5#5-6,8, §4#10: addresses of both families, names, mail addresses and key IDs.
    if let Some(address) = identity.ip_address() {
        return PeerIdentity::Address(address);
    }
    let text = std::str::from_utf8(&identity.data);
    match (identity.kind, text) {
        (IdType::ID_FQDN, Ok(text)) => PeerIdentity::Fqdn(text),
        (IdType::ID_RFC822_ADDR, Ok(text)) => PeerIdentity::Email(text),
        (IdType::ID_KEY_ID | ID_CISCO_GROUP, _) => PeerIdentity::KeyId(&identity.data),
        _ => PeerIdentity::Other,
    }
}

/// How `debug crypto ikev2` and `show` call the type of an identity.
#[must_use]
pub fn type_name(identity: &Identification) -> &'static str {
    match identity.kind {
        IdType::ID_IPV4_ADDR => "IPv4 address",
        IdType::ID_IPV6_ADDR => "IPv6 address",
        IdType::ID_FQDN => "FQDN",
        IdType::ID_RFC822_ADDR => "Email",
        IdType::ID_DER_ASN1_DN => "DER ASN1 DN",
        IdType::ID_KEY_ID | ID_CISCO_GROUP => "key ID",
        _ => "unknown",
    }
}

/// An identity for people: a distinguished name as IOS writes it, all others as they are. What it says is the peer's,
/// control characters included.
#[must_use]
pub fn text(identity: &Identification) -> String {
    let name = (identity.kind == IdType::ID_DER_ASN1_DN)
        .then(|| DistinguishedName::from_der(&identity.data))
        .flatten();
    name.map_or_else(|| identity.to_string(), |name| name.to_string())
}

/// An identity for people with its type in front, as the configuration names types: `key-id "x"`, `fqdn x`, `email x`,
/// `address a`, `dn cn=x`. One line, and nothing in it that steers a terminal.
#[must_use]
pub fn words(identity: &Identification) -> String {
    if identity.kind == IdType::ID_DER_ASN1_DN {
        format!("dn {}", Printable(&text(identity)))
    } else {
        identity.typed().to_string()
    }
}

/// Whether a certificate says that its holder is `identity` (RFC 4945 §3.1).
#[must_use]
pub fn covers(summary: &CertificateSummary, identity: &Identification) -> bool {
    if let Some(address) = identity.ip_address() {
        return summary.certifies(&ClaimedName::Ip(address));
    }
    let text = std::str::from_utf8(&identity.data);
    match (identity.kind, text) {
        (IdType::ID_FQDN, Ok(text)) => summary.certifies(&ClaimedName::Fqdn(text)),
        (IdType::ID_RFC822_ADDR, Ok(text)) => summary.certifies(&ClaimedName::Email(text)),
        (IdType::ID_DER_ASN1_DN, _) => {
            summary.certifies(&ClaimedName::DistinguishedName(&identity.data))
        }
        _ => false,
    }
}

/// `server-cert-hash`: what exactly it covers is not settled, so it stands in one place
/// (docs/anyconnect-eap.md: SHA-1 over the PKCS#1 RSAPublicKey, as captured).
#[must_use]
pub fn server_cert_hash(certificate: &[u8]) -> Sha1Digest {
    let key = X509Certificate::from_der(certificate)
        .map(|(_, certificate)| certificate.public_key().subject_public_key.data.to_vec());
    Sha1Digest(Sha1::digest(key.unwrap_or_default()).into())
}

/// An address without a zone as text, the way IOS prints it.
#[must_use]
pub fn address_text(address: IpAddr) -> String {
    address.to_canonical().to_string()
}
