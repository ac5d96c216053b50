//! The headend's own certificate with its private key, and what a client would think of it.

use std::fmt;
use std::time::Duration;

use rcgen::PublicKeyData;
use rustls_pki_types::PrivatePkcs8KeyDer;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::certificate::{
    CertificateSummary, KeyKind, KeyPurpose, KeyUsage, MalformedCertificate, describe,
    is_same_public_key,
};
use super::chain::{ChainError, TrustAnchors, is_self_signed, verify_path};
use super::time::Timestamp;

/// A certificate that ends sooner than this gets a warning.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A private key: PKCS#8 (RFC 5958) in DER.
///
/// It has no `Debug`, is wiped when dropped, and is compared in constant time.
pub struct PrivateKey(Zeroizing<Vec<u8>>);

impl PrivateKey {
    /// Takes an unencrypted PKCS#8 structure in DER. Whether it is one shows when it is used.
    pub fn from_pkcs8_der(der: Zeroizing<Vec<u8>>) -> Self {
        Self(der)
    }

    /// The PKCS#8 structure in DER, for the signature provider.
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.0
    }

    /// The public half as a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    ///
    /// [`UnusableKey`] when the signature provider cannot use the key: broken, of an unknown kind, or an RSA modulus
    /// outside 2048 to 8192 bits.
    pub fn spki_der(&self) -> Result<Vec<u8>, UnusableKey> {
        rcgen::KeyPair::try_from(&PrivatePkcs8KeyDer::from(self.0.as_slice()))
            .map(|key| key.subject_public_key_info())
            .map_err(|_| UnusableKey)
    }

    /// True when both are the same octets, in time that depends on their length alone.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// A private key that the signature provider cannot use. The cause is withheld: it could speak of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the private key cannot be used: it is broken or not RSA of 2048 to 8192 bits, {CURVES}")]
pub struct UnusableKey;

/// The other keys that the cryptographic library takes.
#[cfg(feature = "aws-lc")]
const CURVES: &str = "P-256, P-384, P-521 or Ed25519";
#[cfg(not(feature = "aws-lc"))]
const CURVES: &str = "P-256, P-384 or Ed25519 (this build's library is ring, which has no P-521)";

/// A certificate, the intermediate certificates above it and its private key. No `Debug`: it holds a secret.
pub struct Identity {
    certificate: Vec<u8>,
    intermediates: Vec<Vec<u8>>,
    key: PrivateKey,
}

impl Identity {
    /// Puts an identity together without looking at it; [`check_identity`] looks.
    ///
    /// `certificate` and `intermediates` are DER, the latter from the issuer upwards and without the root.
    pub fn new(certificate: Vec<u8>, intermediates: Vec<Vec<u8>>, key: PrivateKey) -> Self {
        Self {
            certificate,
            intermediates,
            key,
        }
    }

    /// The own certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificates above it in DER, from its issuer upwards, without the root.
    pub fn intermediates(&self) -> &[Vec<u8>] {
        &self.intermediates
    }

    /// What goes into CERT payloads, in DER.
    // RFC 7296 §1.2#1, §3.6#4: the first CERT payload holds the key that verifies AUTH; a root need not be sent.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.certificate.as_slice())
            .chain(self.intermediates.iter().map(Vec::as_slice))
    }

    /// The private key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// True when certificates and key are the same. The key is compared in constant time.
    pub fn is_same(&self, other: &Self) -> bool {
        self.certificate == other.certificate
            && self.intermediates == other.intermediates
            && self.key.is_same(&other.key)
    }
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Some clients will not like it.
    Warning,
    /// The identity must not be used.
    Error,
}

/// Something that is wrong with an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The own certificate cannot be read. An error.
    Malformed(MalformedCertificate),
    /// The private key cannot be used. An error.
    UnusableKey(UnusableKey),
    /// The private key belongs to another certificate. An error.
    KeyMismatch {
        /// Whose certificate.
        subject: String,
    },
    /// The chain does not hold, or the certificate is self-signed, expired or too weak. An error.
    Chain(ChainError),
    /// The certificate of the issuer is missing, so that no client can build the chain. An error.
    IssuerMissing {
        /// Whose certificate.
        subject: String,
        /// The issuer that is missing.
        issuer: String,
    },
    /// The chain is whole but for its root, which clients must have anyway. A warning.
    RootAbsent {
        /// The root's name.
        root: String,
    },
    /// Neither serverAuth nor IKE intermediate: Secure Client refuses the headend. A warning.
    LacksServerPurpose {
        /// What the certificate has instead; empty without the extension.
        found: Vec<String>,
    },
    /// No digitalSignature, or for RSA no keyEncipherment or keyAgreement either: Secure Client refuses it. A warning.
    LacksKeyUsage {
        /// What the certificate has.
        found: KeyUsage,
    },
    /// No subject alternative name: no client can match the name that its user typed. A warning.
    NoSubjectAltName {
        /// The common name, which clients do not look at.
        common_name: Option<String>,
    },
    /// The certificate ends within 30 days. A warning.
    ExpiresSoon {
        /// Its last moment.
        not_after: Timestamp,
    },
}

impl Finding {
    /// How bad it is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Malformed(_)
            | Self::UnusableKey(_)
            | Self::KeyMismatch { .. }
            | Self::Chain(_)
            | Self::IssuerMissing { .. } => Severity::Error,
            Self::RootAbsent { .. }
            | Self::LacksServerPurpose { .. }
            | Self::LacksKeyUsage { .. }
            | Self::NoSubjectAltName { .. }
            | Self::ExpiresSoon { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "{error}"),
            Self::UnusableKey(error) => write!(f, "{error}"),
            Self::KeyMismatch { subject } => {
                write!(f, "the private key does not belong to the certificate of {subject}")
            }
            Self::Chain(error) => write!(f, "{error}"),
            Self::IssuerMissing { subject, issuer } => write!(
                f,
                "the certificate of {subject} was issued by {issuer}, whose certificate is missing"
            ),
            Self::RootAbsent { root } => {
                write!(f, "the root {root} is not at hand; clients must trust it already")
            }
            Self::LacksServerPurpose { found } if found.is_empty() => f.write_str(
                "the certificate has no extended key usage; Secure Client wants serverAuth or ikeIntermediate",
            ),
            Self::LacksServerPurpose { found } => write!(
                f,
                "the extended key usage is {}; Secure Client wants serverAuth or ikeIntermediate",
                found.join(", ")
            ),
            Self::LacksKeyUsage { found } => write!(
                f,
                "the key usage is {found}; Secure Client wants digitalSignature and keyEncipherment"
            ),
            Self::NoSubjectAltName { common_name } => write!(
                f,
                "the certificate has no subject alternative name{}; clients compare nothing else with the name typed",
                common_name
                    .as_ref()
                    .map(|name| format!(" but the common name {name:?}"))
                    .unwrap_or_default()
            ),
            Self::ExpiresSoon { not_after } => write!(f, "the certificate expires at {not_after}"),
        }
    }
}

/// Looks at an identity as a client will, and says everything that is wrong with it.
///
/// `authorities` are the certificates in DER of the trustpoint's certification authorities; `now` is the moment that
/// dates are compared with. An empty answer means that nothing is wrong; a [`Severity::Error`] in it that the identity
/// must not be used.
pub fn check_identity<D: AsRef<[u8]>>(
    identity: &Identity,
    authorities: &[D],
    now: Timestamp,
) -> Vec<Finding> {
    let summary = match describe(identity.certificate()) {
        Ok(summary) => summary,
        Err(error) => return vec![Finding::Malformed(error)],
    };
    let mut findings = Vec::new();
    match identity.key().spki_der() {
        Ok(spki) if is_same_public_key(&spki, &summary.spki_der) => {}
        Ok(_) => findings.push(Finding::KeyMismatch {
            subject: summary.subject.to_string(),
        }),
        Err(error) => findings.push(Finding::UnusableKey(error)),
    }
    findings.extend(check_chain(identity, authorities, &summary, now));
    findings.extend(check_appeal(&summary, now));
    findings
}

/// Verifies the chain up to the trustpoint's authority, or as far as it goes when its root is absent.
fn check_chain<D: AsRef<[u8]>>(
    identity: &Identity,
    authorities: &[D],
    summary: &CertificateSummary,
    now: Timestamp,
) -> Option<Finding> {
    // Said before the authorities are read: such a file often has the certificate itself among them.
    if is_self_signed(identity.certificate(), summary) {
        return Some(Finding::Chain(ChainError::SelfSigned {
            subject: summary.subject.to_string(),
        }));
    }
    let chain: Vec<&[u8]> = identity.chain().collect();
    let verify = |authorities: &[&[u8]]| {
        let anchors = TrustAnchors::new(authorities)?;
        verify_path(&chain, &anchors, &[] as &[&[u8]], now, None).map(|_| ())
    };
    let authorities: Vec<&[u8]> = authorities.iter().map(AsRef::as_ref).collect();
    let (subject, issuer) = match verify(&authorities) {
        Ok(()) => return None,
        Err(ChainError::UnknownIssuer {
            subject, issuer, ..
        }) => (subject, issuer),
        Err(error) => return Some(Finding::Chain(error)),
    };
    // Public authorities' files often hold everything but the root, which clients have. Then the topmost certificate
    // stands in for it. A file that has some root, only not the one wanted, is incomplete.
    let is_above_leaf = subject != summary.subject.to_string();
    match identity.intermediates().last() {
        Some(topmost) if is_above_leaf && authorities.is_empty() => match verify(&[topmost]) {
            Ok(()) => Some(Finding::RootAbsent { root: issuer }),
            Err(error) => Some(Finding::Chain(error)),
        },
        _ => Some(Finding::IssuerMissing { subject, issuer }),
    }
}

/// What clients want beyond a chain that holds.
fn check_appeal(summary: &CertificateSummary, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let purposes = summary.extended_key_usage.as_deref().unwrap_or_default();
    if !purposes.iter().any(|purpose| {
        matches!(
            purpose,
            KeyPurpose::ServerAuth | KeyPurpose::IkeIntermediate
        )
    }) {
        findings.push(Finding::LacksServerPurpose {
            found: purposes.iter().map(ToString::to_string).collect(),
        });
    }
    let exchange = KeyUsage::KEY_ENCIPHERMENT | KeyUsage::KEY_AGREEMENT;
    if let Some(found) = summary.key_usage {
        let is_rsa = matches!(summary.key, KeyKind::Rsa { .. });
        if !found.intersects(KeyUsage::DIGITAL_SIGNATURE) || is_rsa && !found.intersects(exchange) {
            findings.push(Finding::LacksKeyUsage { found });
        }
    }
    if summary.subject_alt_names.is_empty() {
        findings.push(Finding::NoSubjectAltName {
            common_name: summary.subject.common_name().map(str::to_owned),
        });
    }
    if now <= summary.not_after && now.saturating_add(EXPIRY_WARNING) > summary.not_after {
        findings.push(Finding::ExpiresSoon {
            not_after: summary.not_after,
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::authority::{Authority, KeyAlgorithm};
    use super::super::test_support::*;
    use super::*;

    fn check(identity: &Identity, authorities: &[Vec<u8>]) -> Vec<Finding> {
        check_identity(identity, authorities, NOW)
    }

    #[test]
    fn nothing_is_wrong_with_a_good_identity() {
        let hierarchy = Hierarchy::new();
        assert_eq!(check(&hierarchy.server(), &hierarchy.authorities()), []);
    }

    #[test]
    fn the_public_half_is_that_of_the_certificate() {
        let identity = Hierarchy::new().server();
        assert_eq!(
            identity.key().spki_der().unwrap(),
            describe(identity.certificate()).unwrap().spki_der
        );
    }

    #[test]
    fn a_broken_key_is_an_error_that_does_not_show_it() {
        let hierarchy = Hierarchy::new();
        let good = hierarchy.server();
        let key = PrivateKey::from_pkcs8_der(Zeroizing::new(b"no key".to_vec()));
        let identity = Identity::new(
            good.certificate().to_vec(),
            good.intermediates().to_vec(),
            key,
        );
        assert_eq!(
            check(&identity, &hierarchy.authorities()),
            [Finding::UnusableKey(UnusableKey)]
        );
    }

    #[test]
    fn another_certificates_key_is_an_error() {
        let hierarchy = Hierarchy::new();
        let (good, other) = (hierarchy.server(), hierarchy.server());
        let identity = Identity::new(
            good.certificate().to_vec(),
            good.intermediates().to_vec(),
            other.key,
        );
        let findings = check(&identity, &hierarchy.authorities());
        assert_eq!(
            findings,
            [Finding::KeyMismatch {
                subject: "cn=vpn.example.com".to_owned()
            }]
        );
        assert_eq!(findings[0].severity(), Severity::Error);
    }

    #[test]
    fn a_self_signed_certificate_is_an_error_even_as_its_own_authority() {
        let file = include_bytes!("../../tests/data/pki/self-signed.p12");
        let pkcs12 = super::super::read_pkcs12(file, PASSWORD).unwrap();
        let own = vec![pkcs12.identity.certificate().to_vec()];
        for authorities in [Vec::new(), own] {
            assert_eq!(
                check(&pkcs12.identity, &authorities),
                [Finding::Chain(ChainError::SelfSigned {
                    subject: "cn=vpn.example.com".to_owned()
                })]
            );
        }
    }

    #[test]
    fn an_authority_is_no_identity() {
        let hierarchy = Hierarchy::new();
        let identity = Identity::new(
            hierarchy.issuing.certificate().to_vec(),
            Vec::new(),
            hierarchy.server().key,
        );
        assert!(
            check(&identity, &hierarchy.authorities()).contains(&Finding::Chain(
                ChainError::AuthorityAsPeer {
                    subject: "cn=Issuing".to_owned()
                }
            ))
        );
    }

    #[test]
    fn an_expired_certificate_is_an_error_and_one_about_to_expire_a_warning() {
        let hierarchy = Hierarchy::new();
        let identity = hierarchy.server();
        let not_after = describe(identity.certificate()).unwrap().not_after;
        let at = |now| check_identity(&identity, &hierarchy.authorities(), now);
        assert_eq!(at(not_after.saturating_sub(days(31))), []);
        assert_eq!(
            at(not_after.saturating_sub(DAY)),
            [Finding::ExpiresSoon { not_after }]
        );
        let now = not_after.saturating_add(DAY);
        assert_eq!(
            at(now),
            [Finding::Chain(ChainError::Expired {
                subject: "cn=vpn.example.com".to_owned(),
                not_after,
                now,
            })]
        );
    }

    #[test]
    fn a_chain_that_lacks_its_root_alone_is_a_warning() {
        let hierarchy = Hierarchy::new();
        let findings = check(&hierarchy.server(), &[]);
        assert_eq!(
            findings,
            [Finding::RootAbsent {
                root: "cn=Root".to_owned()
            }]
        );
        assert_eq!(findings[0].severity(), Severity::Warning);
    }

    #[test]
    fn a_forged_chain_without_its_root_is_still_an_error() {
        let hierarchy = Hierarchy::new();
        let impostor = Hierarchy::new();
        let good = hierarchy.server();
        let identity = Identity::new(
            good.certificate().to_vec(),
            vec![impostor.issuing.certificate().to_vec()],
            good.key,
        );
        assert_eq!(
            check(&identity, &[]),
            [Finding::Chain(ChainError::BadSignature {
                subject: "cn=vpn.example.com".to_owned(),
                issuer: "cn=Issuing".to_owned(),
            })]
        );
    }

    #[test]
    fn a_missing_intermediate_is_an_error() {
        let hierarchy = Hierarchy::new();
        let good = hierarchy.server();
        let identity = Identity::new(good.certificate().to_vec(), Vec::new(), good.key);
        for authorities in [hierarchy.authorities(), Vec::new()] {
            assert_eq!(
                check(&identity, &authorities),
                [Finding::IssuerMissing {
                    subject: "cn=vpn.example.com".to_owned(),
                    issuer: "cn=Issuing".to_owned(),
                }]
            );
        }
    }

    #[test]
    fn a_chain_to_another_root_than_the_one_given_is_an_error() {
        let hierarchy = Hierarchy::new();
        let other = Authority::root("Other", KeyAlgorithm::EcdsaP256, year()).unwrap();
        assert_eq!(
            check(&hierarchy.server(), &[other.certificate().to_vec()]),
            [Finding::IssuerMissing {
                subject: "cn=Issuing".to_owned(),
                issuer: "cn=Root".to_owned(),
            }]
        );
    }

    #[test]
    fn what_secure_client_dislikes_is_a_warning() {
        let hierarchy = Hierarchy::new();
        let mut request = server_request();
        request.purposes = vec![KeyPurpose::ClientAuth];
        request.names.clear();
        let identity = hierarchy.issuing.issue(&request).unwrap();
        let findings = check(&identity, &hierarchy.authorities());
        assert_eq!(
            findings,
            [
                Finding::LacksServerPurpose {
                    found: vec!["clientAuth".to_owned()]
                },
                Finding::NoSubjectAltName {
                    common_name: Some("vpn.example.com".to_owned())
                },
            ]
        );
        assert!(
            findings
                .iter()
                .all(|finding| finding.severity() == Severity::Warning)
        );
    }

    #[test]
    fn a_key_that_may_not_sign_is_a_warning() {
        let hierarchy = Hierarchy::new();
        let identity = hierarchy
            .issuing
            .issue_edited(&server_request(), |parameters| {
                parameters.key_usages = vec![rcgen::KeyUsagePurpose::KeyAgreement];
            });
        assert_eq!(
            check(&identity, &hierarchy.authorities()),
            [Finding::LacksKeyUsage {
                found: KeyUsage::KEY_AGREEMENT
            }]
        );
    }
}
