//! From the path builder's error to the certificate that is to blame.

use super::super::certificate::{KeyKind, has_supported_signature, is_signed_by};
use super::super::time::Timestamp;
use super::{
    ChainError, Link, MIN_RSA_BITS, TrustAnchors, Trusted, check_dates, is_self_signed, words,
};

/// Finds the certificate that the path builder's error is about.
///
/// The builder tries every path and reports the most telling error of them all. Here one path is walked, from the
/// leaf upwards by issuer name, and the first certificate on it that shows the fault is named.
pub(super) fn explain(
    error: &webpki::Error,
    leaf: &Link<'_>,
    above: &[Link<'_>],
    anchors: &TrustAnchors,
    now: Timestamp,
) -> ChainError {
    use webpki::Error;

    let path = walk(leaf, above);
    let subject = leaf.name();
    let specific = match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => path
            .iter()
            .find_map(|link| check_dates(&link.summary, now).err()),
        Error::InvalidSignatureForPublicKey | Error::SignatureAlgorithmMismatch => {
            find_bad_signature(&path, anchors)
        }
        Error::UnknownIssuer => unknown_issuer(&path, anchors),
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => path
            .iter()
            .find(|link| !has_supported_signature(link.der))
            .map(|link| ChainError::UnsupportedSignature {
                subject: link.name(),
                algorithm: link.summary.signature_algorithm.clone(),
            }),
        Error::UnsupportedCertVersion => {
            path.iter()
                .find(|link| link.summary.version != 3)
                .map(|link| ChainError::OldVersion {
                    subject: link.name(),
                    version: link.summary.version,
                })
        }
        Error::CaUsedAsEndEntity => Some(ChainError::AuthorityAsPeer {
            subject: subject.clone(),
        }),
        Error::EndEntityUsedAsCa => path
            .iter()
            .skip(1)
            .find(|link| !link.summary.is_authority)
            .map(|link| ChainError::NotAnAuthority {
                subject: link.name(),
            }),
        Error::PathLenConstraintViolated
        | Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded => Some(ChainError::PathTooLong {
            subject: subject.clone(),
        }),
        Error::NameConstraintViolation => Some(ChainError::NameConstraint {
            subject: subject.clone(),
        }),
        Error::UnsupportedCriticalExtension => path.iter().find_map(|link| {
            link.summary.unknown_critical_extensions.first().map(|oid| {
                ChainError::UnknownCriticalExtension {
                    subject: link.name(),
                    oid: oid.clone(),
                }
            })
        }),
        _ => None,
    };
    specific.unwrap_or_else(|| ChainError::Other {
        subject,
        detail: words::of(error),
    })
}

/// The leaf and its issuers by name as far as they were sent, without going round in circles.
fn walk<'p>(leaf: &'p Link<'p>, above: &'p [Link<'p>]) -> Vec<&'p Link<'p>> {
    let mut path = vec![leaf];
    let mut top = leaf;
    while let Some(issuer) = above.iter().find(|candidate| {
        candidate.summary.subject.der == top.summary.issuer.der
            && !path.iter().any(|link| link.der == candidate.der)
    }) {
        path.push(issuer);
        top = issuer;
    }
    path
}

fn find_bad_signature(path: &[&Link<'_>], anchors: &TrustAnchors) -> Option<ChainError> {
    path.iter().enumerate().find_map(|(position, link)| {
        let issuer_name = &link.summary.issuer;
        let issuers = || {
            path.get(position.saturating_add(1))
                .map(|issuer| &issuer.summary)
                .into_iter()
                .chain(&anchors.summaries)
                .filter(|issuer| issuer.subject.der == issuer_name.der)
        };
        if issuers().any(|issuer| is_signed_by(link.der, &issuer.spki_der)) {
            return None;
        }
        let issuer = issuers().next()?;
        Some(match issuer.key {
            KeyKind::Rsa { bits } if bits < MIN_RSA_BITS => ChainError::WeakKey {
                subject: issuer.subject.to_string(),
                bits,
            },
            _ => ChainError::BadSignature {
                subject: link.name(),
                issuer: issuer.subject.to_string(),
            },
        })
    })
}

fn unknown_issuer(path: &[&Link<'_>], anchors: &TrustAnchors) -> Option<ChainError> {
    let trusted = || {
        let names = anchors.summaries.iter().map(|anchor| &anchor.subject);
        Trusted::of(names, anchors.store.clone())
    };
    let top = path.last()?;
    Some(if is_self_signed(top.der, &top.summary) {
        ChainError::UntrustedRoot {
            root: top.name(),
            trusted: trusted(),
        }
    } else {
        ChainError::UnknownIssuer {
            subject: top.name(),
            issuer: top.summary.issuer.to_string(),
            trusted: trusted(),
        }
    })
}
