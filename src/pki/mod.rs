//! Certificates: what they say, whether a chain of them holds, and where the headend's own are kept.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`authority`] | makes certificates, for the demo and for tests |
//! | [`certificate`] | reads one certificate into printable facts |
//! | [`chain`] | judges the chain that a peer sent (RFC 5280, RFC 4945) |
//! | [`identity`] | the own certificate and key, and what a client would dislike about them |
//! | [`pem`], [`pkcs12`] | the two forms in which certificates come and go |
//! | [`store`] | trustpoints on disk |
//!
//! No module reads a clock: the moment that dates are compared with is an argument. No revocation list is consulted yet.

pub mod authority;
pub mod certificate;
pub mod chain;
pub mod identity;
pub mod pem;
pub mod pkcs12;
pub mod store;
#[cfg(test)]
mod test_support;
mod time;

pub use certificate::{CertificateSummary, describe};
pub use chain::{
    ChainError, Purpose, ServerIdentity, TrustAnchors, UnsupportedAuthority, VerifiedPeer,
    verify_peer_chain,
};
pub use identity::{Finding, Identity, PrivateKey, Severity, check_identity};
pub use pkcs12::{ImportError, Pkcs12, read_pkcs12, write_pkcs12};
#[cfg(test)]
pub(crate) use store::STUCK;
pub use store::{Draft, HeldStill, Imported, Placed, Remains, Store, StoreError, Trustpoint};
pub use time::Timestamp;

/// What `crypto pki import NAME pkcs12 …` has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Whether the trustpoint is new, unchanged or replaced.
    pub imported: Imported,
    /// What the identity certificate says.
    pub certificate: CertificateSummary,
    /// What clients will not like, though it does not forbid the import.
    pub warnings: Vec<Finding>,
}

/// Why `crypto pki import NAME pkcs12 …` has done nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportFailure {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] ImportError),
    /// The identity must not be used.
    #[error("{}", one_a_line(findings))]
    Identity {
        /// Everything that is wrong with it; at least one is an error.
        findings: Vec<Finding>,
    },
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with an identity, one thing a line: first what it must not be used for, then the warnings.
fn one_a_line(findings: &[Finding]) -> String {
    let of = |severity, before: &'static str| {
        let wanted = findings
            .iter()
            .filter(move |one| one.severity() == severity);
        wanted.map(move |one| format!("{before}{one}"))
    };
    let lines = of(Severity::Error, "").chain(of(Severity::Warning, "warning: "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Carries out `crypto pki import NAME pkcs12 …`: reads the file, checks the identity, stores it.
///
/// The authorities in the file become the trustpoint's. A file without any keeps those that `crypto pki authenticate`
/// has put there. `now` is the moment that dates are compared with.
///
/// # Errors
///
/// [`ImportFailure`]; nothing is stored then.
pub fn import_pkcs12(
    store: &Store,
    name: &str,
    file: &[u8],
    password: &str,
    now: Timestamp,
) -> Result<Import, ImportFailure> {
    let Pkcs12 {
        identity,
        mut authorities,
    } = read_pkcs12(file, password)?;
    if authorities.is_empty() {
        authorities = match store.load(name) {
            Ok(present) => present.unwrap_or_default().authorities,
            // What cannot be used is about to be replaced.
            Err(StoreError::Damaged { .. } | StoreError::KeyExposed { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
    }
    let findings = check_identity(&identity, &authorities, now);
    if findings
        .iter()
        .any(|finding| finding.severity() == Severity::Error)
    {
        return Err(ImportFailure::Identity { findings });
    }
    let certificate = describe(identity.certificate()).map_err(|error| {
        ImportFailure::from(ImportError::NotPkcs12 {
            detail: error.to_string(),
        })
    })?;
    let imported = store.import(
        name,
        &Trustpoint {
            identity: Some(identity),
            authorities,
        },
    )?;
    Ok(Import {
        imported,
        certificate,
        warnings: findings,
    })
}

/// What `crypto pki authenticate NAME` has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// Whether the trustpoint is new, unchanged or replaced.
    pub imported: Imported,
    /// What the authorities' certificates say, for the operator to compare fingerprints.
    pub authorities: Vec<CertificateSummary>,
}

/// Why `crypto pki authenticate NAME` has done nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationFailure {
    /// The file holds no readable certificates.
    #[error(transparent)]
    File(#[from] pem::PemError),
    /// A certificate is no authority's.
    #[error(transparent)]
    Authority(#[from] ChainError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Carries out `crypto pki authenticate NAME` from a PEM file: its certificates become the trustpoint's authorities.
///
/// An identity that the trustpoint has is kept. Nobody vouches for the certificates but the operator; dates are looked
/// at when a chain is.
///
/// # Errors
///
/// [`AuthenticationFailure`]; nothing is stored then.
pub fn authenticate_pem(
    store: &Store,
    name: &str,
    text: &[u8],
) -> Result<Authentication, AuthenticationFailure> {
    let certificates = pem::read_pem_certificates(text)?;
    let authorities = TrustAnchors::new(&certificates)?.summaries().to_vec();
    let imported = store.authenticate(name, certificates)?;
    Ok(Authentication {
        imported,
        authorities,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_identity_is_told_one_thing_a_line_and_the_worst_first() {
        let findings = vec![
            Finding::RootAbsent {
                root: "cn=ROOT".into(),
            },
            Finding::KeyMismatch {
                subject: "cn=one".into(),
            },
        ];
        assert_eq!(
            ImportFailure::Identity { findings }.to_string(),
            "the private key does not belong to the certificate of cn=one\n\
             warning: the root cn=ROOT is not at hand; clients must trust it already"
        );
    }
}
