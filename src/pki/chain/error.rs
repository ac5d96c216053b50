//! Why a chain does not hold, in words for the person who has to mend it.

use std::fmt;

use super::super::certificate::{DistinguishedName, KeyUsage, MalformedCertificate};
use super::super::time::Timestamp;
use super::{MAX_CHAIN_CERTIFICATES, MAX_CHAIN_OCTETS, MIN_RSA_BITS};

/// Why a chain does not hold. Certificates are named by their subjects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The peer sent no certificate.
    #[error("no certificate was sent")]
    NoCertificate,
    /// More than [`MAX_CHAIN_CERTIFICATES`].
    #[error("{count} certificates were sent; at most {MAX_CHAIN_CERTIFICATES} are looked at")]
    TooManyCertificates {
        /// Certificates sent.
        count: usize,
    },
    /// More than [`MAX_CHAIN_OCTETS`].
    #[error("{octets} octets of certificates were sent; at most {MAX_CHAIN_OCTETS} are looked at")]
    TooLarge {
        /// Octets sent, in all certificates together.
        octets: usize,
    },
    /// A certificate cannot be read.
    #[error("certificate number {} cannot be read: {cause}", position.saturating_add(1))]
    Malformed {
        /// Its position, counted from 0; 0 is the peer's own.
        position: usize,
        /// What is wrong.
        cause: MalformedCertificate,
    },
    /// A certificate's time is over.
    #[error("the certificate of {subject} expired at {not_after} (now: {now})")]
    Expired {
        /// Whose certificate.
        subject: String,
        /// Its last valid moment.
        not_after: Timestamp,
        /// The moment of the check.
        now: Timestamp,
    },
    /// A certificate's time has not come.
    #[error(
        "the certificate of {subject} is not valid before {not_before} (now: {now}); is the clock right?"
    )]
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// Its first valid moment.
        not_before: Timestamp,
        /// The moment of the check.
        now: Timestamp,
    },
    /// The peer's own certificate is signed by itself.
    #[error(
        "the certificate of {subject} is self-signed; one issued by a certification authority is needed"
    )]
    SelfSigned {
        /// Whose certificate.
        subject: String,
    },
    /// The chain ends at a certificate whose issuer is neither sent nor trusted.
    #[error(
        "the certificate of {subject} was issued by {issuer}, which was not sent and is not trusted (trusted: {trusted})"
    )]
    UnknownIssuer {
        /// The last certificate that could be reached.
        subject: String,
        /// Who is said to have issued it.
        issuer: String,
        /// Who is.
        trusted: Trusted,
    },
    /// The chain ends at a root that was sent but is not trusted.
    #[error("the chain ends at {root}, which is not trusted (trusted: {trusted})")]
    UntrustedRoot {
        /// The root.
        root: String,
        /// Who is.
        trusted: Trusted,
    },
    /// A signature does not verify under the issuer's key.
    #[error(
        "the signature on the certificate of {subject} does not verify with the key of {issuer}"
    )]
    BadSignature {
        /// Whose certificate.
        subject: String,
        /// Whose key.
        issuer: String,
    },
    /// A certificate is signed with an algorithm that is not accepted, such as SHA-1.
    #[error("the certificate of {subject} is signed with {algorithm}, which is not accepted")]
    UnsupportedSignature {
        /// Whose certificate.
        subject: String,
        /// The algorithm.
        algorithm: String,
    },
    /// An RSA key shorter than [`MIN_RSA_BITS`].
    #[error("the key of {subject} has {bits} bits; RSA needs at least {MIN_RSA_BITS}")]
    WeakKey {
        /// Whose key.
        subject: String,
        /// Its size.
        bits: usize,
    },
    /// A certificate of the time before extensions, which say what a certificate is for (RFC 5280 §4.1.2.1).
    #[error(
        "the certificate of {subject} is of version {version} of X.509; one of version 3 is needed"
    )]
    OldVersion {
        /// Whose certificate.
        subject: String,
        /// Its version.
        version: u32,
    },
    /// A certificate in the middle belongs to no certification authority.
    #[error(
        "{subject} issued a certificate but is no certification authority (basicConstraints, keyCertSign)"
    )]
    NotAnAuthority {
        /// Whose certificate.
        subject: String,
    },
    /// The peer's own certificate is an authority's.
    #[error("the certificate of {subject} is a certification authority's and identifies no peer")]
    AuthorityAsPeer {
        /// Whose certificate.
        subject: String,
    },
    /// More authorities stand above one another than one of them, or the path builder, permits.
    #[error(
        "the chain above {subject} is longer than permitted (pathLenConstraint, or six intermediates)"
    )]
    PathTooLong {
        /// The peer.
        subject: String,
    },
    /// An authority was not permitted to issue for this name.
    #[error("{subject} holds a name that one of its issuers may not certify (nameConstraints)")]
    NameConstraint {
        /// The peer.
        subject: String,
    },
    /// An extension that is marked critical and that nobody here understands.
    #[error("the certificate of {subject} has a critical extension {oid}, which is not understood")]
    UnknownCriticalExtension {
        /// Whose certificate.
        subject: String,
        /// The extension's dotted object identifier.
        oid: String,
    },
    /// A certificate's extendedKeyUsage leaves the purpose out.
    #[error(
        "the extended key usage of {subject} does not include {wanted}; it has {}",
        list(found)
    )]
    LacksPurpose {
        /// Whose certificate.
        subject: String,
        /// What would do.
        wanted: &'static str,
        /// What stands there; empty without the extension.
        found: Vec<String>,
    },
    /// A certificate's keyUsage does not permit signatures.
    #[error("the key usage of {subject} does not include digitalSignature; it has {found}")]
    LacksKeyUsage {
        /// Whose certificate.
        subject: String,
        /// What stands there.
        found: KeyUsage,
    },
    /// The headend's certificate is for other names.
    #[error(
        "the certificate of {subject} is not for {wanted}; its subject alternative names are {}",
        list(presented)
    )]
    NameMismatch {
        /// Whose certificate.
        subject: String,
        /// The name wanted.
        wanted: String,
        /// The names it has; the common name counts for nothing.
        presented: Vec<String>,
    },
    /// Anything else that the path builder refuses, in its words.
    #[error("the certificate chain of {subject} is refused: {detail}")]
    Other {
        /// The peer.
        subject: String,
        /// The path builder's reason.
        detail: String,
    },
}

/// The authorities that are trusted, as a message names them: a machine's store has more than a hundred, which are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// Those that somebody has chosen.
    Chosen {
        /// The first ones, each by the most telling part of its name.
        first: Vec<String>,
        /// How many there are in all.
        count: usize,
    },
    /// All that the machine has.
    Machine {
        /// The file that has them.
        store: String,
        /// How many there are.
        count: usize,
    },
}

impl Trusted {
    /// How many are named.
    const NAMED: usize = 3;

    /// Those of these names; `store` is the file that the machine has them in, if they are the machine's.
    pub(super) fn of<'a>(
        names: impl ExactSizeIterator<Item = &'a DistinguishedName>,
        store: Option<String>,
    ) -> Self {
        let count = names.len();
        if let Some(store) = store {
            return Self::Machine { store, count };
        }
        let short = |name: &DistinguishedName| {
            let mut specific = name.attributes.iter().rev();
            let common = specific.find(|attribute| attribute.name == "cn");
            common.map_or_else(|| name.to_string(), ToString::to_string)
        };
        Self::Chosen {
            first: names.take(Self::NAMED).map(short).collect(),
            count,
        }
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, count) = match self {
            Self::Chosen { first, count } => (first, count),
            Self::Machine { store, count } => {
                return write!(f, "the machine's {count} root certificates in {store}");
            }
        };
        f.write_str(&list(first))?;
        match count.saturating_sub(first.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// A list for a message; says so when it is empty.
fn list(items: &[String]) -> String {
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}
