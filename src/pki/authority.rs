//! A certification authority of our own: for `ironflex demo` and for tests.
//!
//! It keeps no list of what it issued and revokes nothing. Keys are drawn from the signature provider's generator.
//! Under the `ring` feature RSA keys cannot be made, because ring cannot make them; [`KeyAlgorithm::EcdsaP256`] can.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, SignatureAlgorithm,
};
use zeroize::Zeroizing;

use super::certificate::{KeyPurpose, SubjectAltName};
use super::chain::ServerIdentity;
use super::identity::{Identity, PrivateKey};
use super::time::Timestamp;

/// What kind of key pair to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// RSA with a modulus of 2048 bits, signing with SHA-256.
    Rsa2048,
    /// ECDSA on P-256, signing with SHA-256.
    EcdsaP256,
    /// ECDSA on P-384, signing with SHA-384.
    EcdsaP384,
}

impl KeyAlgorithm {
    fn generate(self) -> Result<KeyPair, AuthorityError> {
        let algorithm: &'static SignatureAlgorithm = match self {
            Self::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
            Self::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        };
        KeyPair::generate_for(algorithm).map_err(|error| match error {
            rcgen::Error::KeyGenerationUnavailable => AuthorityError::KeyGenerationUnavailable,
            error => authority_error(&error),
        })
    }
}

/// From when to when a certificate is valid, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First valid moment.
    pub not_before: Timestamp,
    /// Last valid moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// From an hour before `now`, for clocks that lag, to `duration` after it.
    pub fn starting(now: Timestamp, duration: Duration) -> Self {
        Self {
            not_before: now.saturating_sub(Duration::from_secs(3600)),
            not_after: now.saturating_add(duration),
        }
    }
}

/// Why a certificate could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The signature provider cannot make keys of this kind (ring and RSA).
    #[error("this build's signature provider cannot generate keys of the kind asked for")]
    KeyGenerationUnavailable,
    /// A date beyond the year 9999.
    #[error("{moment} cannot be written into a certificate")]
    Date {
        /// The date.
        moment: Timestamp,
    },
    /// A name that cannot stand in a certificate.
    #[error("{name:?} cannot stand in a certificate")]
    Name {
        /// The name.
        name: String,
    },
    /// The certificate writer refuses.
    #[error("the certificate cannot be made: {detail}")]
    Other {
        /// Its words.
        detail: String,
    },
}

/// What a certificate for a peer is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRequest {
    /// The subject's common name; the subject holds nothing else.
    pub common_name: String,
    /// Subject alternative names, in this order. [`SubjectAltName::Other`] is refused.
    pub names: Vec<SubjectAltName>,
    /// Extended key usage; empty for none.
    pub purposes: Vec<KeyPurpose>,
    /// Kind of key to make.
    pub algorithm: KeyAlgorithm,
    /// When it is valid.
    pub validity: Validity,
}

impl LeafRequest {
    /// A headend's certificate as Cisco Secure Client wants it: serverAuth, and each of `names` as subject alternative
    /// name. The first of them is the common name too.
    pub fn server(names: &[ServerIdentity], algorithm: KeyAlgorithm, validity: Validity) -> Self {
        Self {
            common_name: names.first().map(ToString::to_string).unwrap_or_default(),
            names: names
                .iter()
                .map(|name| match name {
                    ServerIdentity::Dns(name) => SubjectAltName::Dns(name.clone()),
                    ServerIdentity::Ip(address) => SubjectAltName::Ip(*address),
                })
                .collect(),
            purposes: vec![KeyPurpose::ServerAuth],
            algorithm,
            validity,
        }
    }

    /// A client's certificate: clientAuth, and `names` as subject alternative names.
    pub fn client(
        common_name: &str,
        names: Vec<SubjectAltName>,
        algorithm: KeyAlgorithm,
        validity: Validity,
    ) -> Self {
        Self {
            common_name: common_name.to_owned(),
            names,
            purposes: vec![KeyPurpose::ClientAuth],
            algorithm,
            validity,
        }
    }
}

/// A certification authority that can issue. No `Debug`: it holds a secret.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Certificates between issued ones and the root, from this authority's own upwards; empty in a root.
    above: Vec<Vec<u8>>,
}

impl Authority {
    /// Makes a root: a self-signed authority.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub fn root(
        common_name: &str,
        algorithm: KeyAlgorithm,
        validity: Validity,
    ) -> Result<Self, AuthorityError> {
        let parameters = authority_parameters(common_name, validity)?;
        let issuer = CertifiedIssuer::self_signed(parameters, algorithm.generate()?)
            .map_err(|error| authority_error(&error))?;
        Ok(Self {
            issuer,
            above: Vec::new(),
        })
    }

    /// Makes an authority beneath this one.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub fn intermediate(
        &self,
        common_name: &str,
        algorithm: KeyAlgorithm,
        validity: Validity,
    ) -> Result<Self, AuthorityError> {
        self.certify(authority_parameters(common_name, validity)?, algorithm)
    }

    /// The authority's own certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        self.issuer.der()
    }

    /// Makes a key pair and a certificate for it.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub fn issue(&self, request: &LeafRequest) -> Result<Identity, AuthorityError> {
        self.sign(leaf_parameters(request)?, request.algorithm)
    }

    fn sign(
        &self,
        parameters: CertificateParams,
        algorithm: KeyAlgorithm,
    ) -> Result<Identity, AuthorityError> {
        let key = algorithm.generate()?;
        let certificate = parameters
            .signed_by(&key, &self.issuer)
            .map_err(|error| authority_error(&error))?;
        Ok(Identity::new(
            certificate.der().to_vec(),
            self.above.clone(),
            PrivateKey::from_pkcs8_der(Zeroizing::new(key.serialize_der())),
        ))
    }

    fn certify(
        &self,
        parameters: CertificateParams,
        algorithm: KeyAlgorithm,
    ) -> Result<Self, AuthorityError> {
        let issuer = CertifiedIssuer::signed_by(parameters, algorithm.generate()?, &self.issuer)
            .map_err(|error| authority_error(&error))?;
        let above = std::iter::once(issuer.der().to_vec())
            .chain(self.above.iter().cloned())
            .collect();
        Ok(Self { issuer, above })
    }
}

/// Faulty certificates, which no user of this module needs.
#[cfg(test)]
impl Authority {
    /// A certificate for a peer whose parameters are changed before it is signed.
    pub(super) fn issue_edited(
        &self,
        request: &LeafRequest,
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut parameters = leaf_parameters(request).unwrap();
        edit(&mut parameters);
        self.sign(parameters, request.algorithm).unwrap()
    }

    /// An authority beneath this one whose parameters are changed before they are signed.
    pub(super) fn intermediate_edited(
        &self,
        common_name: &str,
        validity: Validity,
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut parameters = authority_parameters(common_name, validity).unwrap();
        edit(&mut parameters);
        self.certify(parameters, KeyAlgorithm::EcdsaP256).unwrap()
    }

    /// A certificate for this authority's name and key that `issuer` has signed.
    pub(super) fn cross_certified_by(&self, issuer: &Self, validity: Validity) -> Vec<u8> {
        let name = super::describe(self.certificate()).unwrap().subject;
        authority_parameters(name.common_name().unwrap(), validity)
            .unwrap()
            .signed_by(self.issuer.key(), &issuer.issuer)
            .unwrap()
            .der()
            .to_vec()
    }
}

fn leaf_parameters(request: &LeafRequest) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = parameters(&request.common_name, request.validity)?;
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if request.algorithm == KeyAlgorithm::Rsa2048 {
        parameters.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    parameters.extended_key_usages = request
        .purposes
        .iter()
        .map(purpose)
        .collect::<Result<_, _>>()?;
    parameters.subject_alt_names = request
        .names
        .iter()
        .map(alternative_name)
        .collect::<Result<_, _>>()?;
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

fn parameters(common_name: &str, validity: Validity) -> Result<CertificateParams, AuthorityError> {
    let date = |moment: Timestamp| moment.to_date_time().ok_or(AuthorityError::Date { moment });
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, common_name);
    parameters.not_before = date(validity.not_before)?;
    parameters.not_after = date(validity.not_after)?;
    Ok(parameters)
}

fn authority_parameters(
    common_name: &str,
    validity: Validity,
) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = parameters(common_name, validity)?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters)
}

fn purpose(purpose: &KeyPurpose) -> Result<ExtendedKeyUsagePurpose, AuthorityError> {
    let other = |components: &[u64]| ExtendedKeyUsagePurpose::Other(components.to_vec());
    Ok(match purpose {
        KeyPurpose::Any => ExtendedKeyUsagePurpose::Any,
        KeyPurpose::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
        KeyPurpose::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
        KeyPurpose::IpsecIke => other(&[1, 3, 6, 1, 5, 5, 7, 3, 17]),
        KeyPurpose::IkeIntermediate => other(&[1, 3, 6, 1, 5, 5, 8, 2, 2]),
        KeyPurpose::Other(oid) => {
            let components: Result<Vec<u64>, _> = oid.split('.').map(str::parse).collect();
            other(&components.map_err(|_| AuthorityError::Name { name: oid.clone() })?)
        }
    })
}

fn alternative_name(name: &SubjectAltName) -> Result<SanType, AuthorityError> {
    let refused = || AuthorityError::Name {
        name: name.to_string(),
    };
    Ok(match name {
        SubjectAltName::Ip(address) => SanType::IpAddress(*address),
        SubjectAltName::Dns(text) => {
            SanType::DnsName(text.as_str().try_into().map_err(|_| refused())?)
        }
        SubjectAltName::Email(text) => {
            SanType::Rfc822Name(text.as_str().try_into().map_err(|_| refused())?)
        }
        SubjectAltName::Uri(text) => SanType::URI(text.as_str().try_into().map_err(|_| refused())?),
        SubjectAltName::Other => return Err(refused()),
    })
}

fn authority_error(error: &rcgen::Error) -> AuthorityError {
    AuthorityError::Other {
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "aws-lc")]
    use super::super::check_identity;
    use super::super::test_support::*;
    use super::super::{Purpose, TrustAnchors, describe, verify_peer_chain};
    use super::*;

    #[test]
    fn a_server_and_a_client_hold_under_their_root() {
        let hierarchy = Hierarchy::new();
        let client = hierarchy.issuing.issue(&client_request()).unwrap();
        let name = host("192.0.2.1");
        for (identity, purpose) in [
            (hierarchy.server(), Purpose::Server { name }),
            (client, Purpose::Client),
        ] {
            assert!(
                verify_peer_chain(
                    &chain(&identity),
                    &hierarchy.anchors(),
                    &[] as &[&[u8]],
                    NOW,
                    &purpose
                )
                .is_ok()
            );
        }
    }

    #[test]
    fn two_authorities_of_one_name_have_different_keys_and_certificates() {
        let (one, two) = (Hierarchy::new(), Hierarchy::new());
        let spki = |authority: &Authority| describe(authority.certificate()).unwrap().spki_sha1;
        assert_ne!(spki(&one.root), spki(&two.root));
    }

    #[cfg(feature = "aws-lc")]
    #[test]
    fn rsa_keys_have_2048_bits_and_please_secure_client() {
        let root = Authority::root("Root", KeyAlgorithm::Rsa2048, year()).unwrap();
        let request =
            LeafRequest::server(&[host("vpn.example.com")], KeyAlgorithm::Rsa2048, year());
        let identity = root.issue(&request).unwrap();
        assert_eq!(
            describe(identity.certificate()).unwrap().key,
            super::super::certificate::KeyKind::Rsa { bits: 2048 }
        );
        assert_eq!(check_identity(&identity, &[root.certificate()], NOW), []);
    }

    #[cfg(not(feature = "aws-lc"))]
    #[test]
    fn rsa_keys_cannot_be_made_by_ring() {
        assert_eq!(
            Authority::root("Root", KeyAlgorithm::Rsa2048, year()).err(),
            Some(AuthorityError::KeyGenerationUnavailable)
        );
    }

    #[test]
    fn names_that_cannot_be_written_are_refused() {
        let hierarchy = Hierarchy::new();
        for name in [
            SubjectAltName::Other,
            SubjectAltName::Dns("v\u{e4}.example".to_owned()),
        ] {
            let mut request = server_request();
            request.names = vec![name.clone()];
            assert_eq!(
                hierarchy.issuing.issue(&request).err(),
                Some(AuthorityError::Name {
                    name: name.to_string()
                })
            );
        }
    }

    #[test]
    fn a_date_beyond_the_calendar_is_refused() {
        let moment = Timestamp::from_unix_seconds(i64::MAX);
        let validity = Validity {
            not_before: NOW,
            not_after: moment,
        };
        assert_eq!(
            Authority::root("Root", KeyAlgorithm::EcdsaP256, validity).err(),
            Some(AuthorityError::Date { moment })
        );
    }

    #[test]
    fn an_authority_without_a_name_of_its_own_still_anchors() {
        let root = Authority::root("", KeyAlgorithm::EcdsaP256, year()).unwrap();
        assert_eq!(
            TrustAnchors::new(&[root.certificate()])
                .unwrap()
                .summaries()
                .len(),
            1
        );
    }
}
