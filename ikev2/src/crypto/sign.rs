//! Signature schemes, their AlgorithmIdentifiers, and the keys that signatures are judged under. The
//! signing and verifying itself is the providers'.

use core::fmt;

use super::der::{Der, tag};
use super::ecdsa::Curve;
use super::public_key::oid::RSASSA_PSS;
use super::suite::Hash;

/// How a message becomes a signature.
///
/// ECDSA is named by hash alone, as RFC 7427 §3 does: the curve is the key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 with SHA-1: what RFC 7296 §3.8 suggests for method 1.
    RsaPkcs1Sha1,
    /// RSASSA-PKCS1-v1_5 with SHA2-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA2-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA2-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA2-256, MGF1 of the same hash and a salt of its length.
    RsaPssSha256,
    /// RSASSA-PSS with SHA2-384, likewise.
    RsaPssSha384,
    /// RSASSA-PSS with SHA2-512, likewise.
    RsaPssSha512,
    /// ECDSA with SHA2-256, the signature as a DER sequence of r and s.
    EcdsaSha256,
    /// ECDSA with SHA2-384, likewise.
    EcdsaSha384,
    /// ECDSA with SHA2-512, likewise.
    EcdsaSha512,
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RsaPkcs1Sha1 => "RSA PKCS#1 with SHA-1",
            Self::RsaPkcs1Sha256 => "RSA PKCS#1 with SHA2-256",
            Self::RsaPkcs1Sha384 => "RSA PKCS#1 with SHA2-384",
            Self::RsaPkcs1Sha512 => "RSA PKCS#1 with SHA2-512",
            Self::RsaPssSha256 => "RSA-PSS with SHA2-256",
            Self::RsaPssSha384 => "RSA-PSS with SHA2-384",
            Self::RsaPssSha512 => "RSA-PSS with SHA2-512",
            Self::EcdsaSha256 => "ECDSA with SHA2-256",
            Self::EcdsaSha384 => "ECDSA with SHA2-384",
            Self::EcdsaSha512 => "ECDSA with SHA2-512",
        })
    }
}

impl SignatureScheme {
    /// Every scheme.
    pub const ALL: [Self; 10] = [
        Self::RsaPkcs1Sha1,
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::RsaPssSha256,
        Self::RsaPssSha384,
        Self::RsaPssSha512,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
    ];

    /// RSASSA-PKCS1-v1_5 with `hash`.
    pub const fn rsa_pkcs1(hash: Hash) -> Self {
        match hash {
            Hash::Sha1 => Self::RsaPkcs1Sha1,
            Hash::Sha2_256 => Self::RsaPkcs1Sha256,
            Hash::Sha2_384 => Self::RsaPkcs1Sha384,
            Hash::Sha2_512 => Self::RsaPkcs1Sha512,
        }
    }

    /// RSASSA-PSS with `hash`; with SHA-1 it is no scheme (RFC 8247 §3.2).
    pub const fn rsa_pss(hash: Hash) -> Option<Self> {
        match hash {
            Hash::Sha1 => None,
            Hash::Sha2_256 => Some(Self::RsaPssSha256),
            Hash::Sha2_384 => Some(Self::RsaPssSha384),
            Hash::Sha2_512 => Some(Self::RsaPssSha512),
        }
    }

    /// The hash of the message.
    pub const fn hash(self) -> Hash {
        match self.family() {
            Family::RsaPkcs1(hash) => hash,
            Family::RsaPss(Sha2::Sha256) | Family::Ecdsa(Sha2::Sha256) => Hash::Sha2_256,
            Family::RsaPss(Sha2::Sha384) | Family::Ecdsa(Sha2::Sha384) => Hash::Sha2_384,
            Family::RsaPss(Sha2::Sha512) | Family::Ecdsa(Sha2::Sha512) => Hash::Sha2_512,
        }
    }

    /// Whether the key is an RSA key; it is an elliptic-curve key otherwise.
    pub const fn is_rsa(self) -> bool {
        match self.family() {
            Family::RsaPkcs1(_) | Family::RsaPss(_) => true,
            Family::Ecdsa(_) => false,
        }
    }

    /// Whether it is one of RSASSA-PSS.
    pub const fn is_rsa_pss(self) -> bool {
        matches!(self.family(), Family::RsaPss(_))
    }

    /// The scheme taken apart, so that the providers' tables are complete without impossible rows.
    pub(crate) const fn family(self) -> Family {
        match self {
            Self::RsaPkcs1Sha1 => Family::RsaPkcs1(Hash::Sha1),
            Self::RsaPkcs1Sha256 => Family::RsaPkcs1(Hash::Sha2_256),
            Self::RsaPkcs1Sha384 => Family::RsaPkcs1(Hash::Sha2_384),
            Self::RsaPkcs1Sha512 => Family::RsaPkcs1(Hash::Sha2_512),
            Self::RsaPssSha256 => Family::RsaPss(Sha2::Sha256),
            Self::RsaPssSha384 => Family::RsaPss(Sha2::Sha384),
            Self::RsaPssSha512 => Family::RsaPss(Sha2::Sha512),
            Self::EcdsaSha256 => Family::Ecdsa(Sha2::Sha256),
            Self::EcdsaSha384 => Family::Ecdsa(Sha2::Sha384),
            Self::EcdsaSha512 => Family::Ecdsa(Sha2::Sha512),
        }
    }

    /// The DER AlgorithmIdentifier that stands for the scheme in RFC 7427's AUTH payload (there
    /// appendix A; RFC 4055 §3 and §5 for RSA, RFC 5758 §3.2 for ECDSA).
    pub const fn algorithm_identifier(self) -> &'static [u8] {
        match self {
            Self::RsaPkcs1Sha1 => &identifier::RSA_PKCS1_SHA1,
            Self::RsaPkcs1Sha256 => &identifier::RSA_PKCS1_SHA256,
            Self::RsaPkcs1Sha384 => &identifier::RSA_PKCS1_SHA384,
            Self::RsaPkcs1Sha512 => &identifier::RSA_PKCS1_SHA512,
            Self::RsaPssSha256 => &identifier::RSA_PSS_SHA256,
            Self::RsaPssSha384 => &identifier::RSA_PSS_SHA384,
            Self::RsaPssSha512 => &identifier::RSA_PSS_SHA512,
            Self::EcdsaSha256 => &identifier::ECDSA_SHA256,
            Self::EcdsaSha384 => &identifier::ECDSA_SHA384,
            Self::EcdsaSha512 => &identifier::ECDSA_SHA512,
        }
    }

    /// The scheme that a DER AlgorithmIdentifier stands for. Where a hash or PKCS #1 identifier should
    /// carry a NULL and does not, that is let pass (RFC 4055 §2.1).
    ///
    /// # Errors
    /// [`SignatureError::UnknownAlgorithm`], also for parameters that are none of the schemes'.
    pub fn from_algorithm_identifier(der: &[u8]) -> Result<Self, SignatureError> {
        read_identifier(der).ok_or(SignatureError::UnknownAlgorithm)
    }
}

/// What kind of private key signs; which schemes that leaves is the peer's and the key's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningKey {
    /// An RSA key.
    Rsa,
    /// A key on this curve.
    Ecdsa(Curve),
}

/// A [`SignatureScheme`], taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    RsaPkcs1(Hash),
    RsaPss(Sha2),
    Ecdsa(Sha2),
}

/// The hashes of the newer schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sha2 {
    Sha256,
    Sha384,
    Sha512,
}

/// Why a signature was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The AUTH data is too short for the AlgorithmIdentifier that it announces, or has no signature.
    #[error("authentication data ends before its algorithm identifier and signature do")]
    Truncated,
    /// Method 14 was used with a hash that is never announced for it (RFC 8247 §3.2).
    #[error("signed with {hash}, which was not announced for digital signatures")]
    HashNotAnnounced {
        /// The hash used.
        hash: Hash,
    },
    /// The AlgorithmIdentifier names no scheme that is known here.
    #[error("unknown signature algorithm identifier")]
    UnknownAlgorithm,
    /// The signature has not the length that its method has for the curve (RFC 4754 §7).
    #[error("signature of {found} octets instead of {expected}")]
    Length {
        /// The length of the method.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// The signature was judged, and is not one by this key over this message.
    #[error("signature does not match")]
    Mismatch,
    /// The key cannot be read: no DER, wrong lengths, an even modulus.
    #[error("malformed public key")]
    MalformedKey,
    /// The key is of a kind or on a curve that is not known here.
    #[error("public key is neither RSA nor on P-256, P-384 or P-521")]
    UnsupportedKey,
    /// The RSA modulus has a length outside of what the scheme is verified with.
    #[error("RSA modulus of {bits} bits instead of {least} to {most}")]
    ModulusLength {
        /// Its length.
        bits: usize,
        /// The least that is accepted for the scheme.
        least: usize,
        /// The most that is accepted.
        most: usize,
    },
    /// The RSA exponent is even, 1, or over 33 bits long.
    #[error("RSA exponent is not an odd number from 3 to 2^33 - 1")]
    Exponent,
    /// The scheme wants another kind of key than the certificate has.
    #[error("{scheme} does not fit the kind of the public key")]
    WrongKind {
        /// The scheme asked for.
        scheme: SignatureScheme,
    },
    /// The provider cannot do this scheme with this kind of key.
    #[error("{provider} cannot verify {scheme} with this key")]
    UnsupportedScheme {
        /// The scheme asked for.
        scheme: SignatureScheme,
        /// [`Provider::name`](super::Provider::name).
        provider: &'static str,
    },
}

/// Why nothing was signed. These are faults of configuration; no peer can cause them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The file is no PKCS #8 private key that the provider takes: RSA of 2048 to 8192 bits, P-256, P-384
    /// or P-521.
    #[error("not a usable PKCS #8 private key: {0}")]
    BadKey(&'static str),
    /// The provider cannot sign with this scheme: one of another kind of key, ECDSA with another hash than
    /// the curve's, or SHA-1 under `ring`.
    #[error("{provider} cannot sign with {scheme} and this key")]
    UnsupportedScheme {
        /// The scheme asked for.
        scheme: SignatureScheme,
        /// [`Provider::name`](super::Provider::name).
        provider: &'static str,
    },
    /// The library failed: memory, or a key whose parts do not belong together.
    #[error("the cryptographic library failed to sign")]
    Provider,
}

fn read_identifier(der: &[u8]) -> Option<SignatureScheme> {
    let mut outer = Der::new(der);
    let mut identifier = outer.inside(tag::SEQUENCE)?;
    outer.finish()?;
    let algorithm = identifier.element(tag::OBJECT_IDENTIFIER)?;
    let pkcs1 = |scheme, parameters: Der<'_>| parameters.null_or_nothing().map(|()| scheme);
    match algorithm {
        oid::SHA1_WITH_RSA => pkcs1(SignatureScheme::RsaPkcs1Sha1, identifier),
        oid::SHA256_WITH_RSA => pkcs1(SignatureScheme::RsaPkcs1Sha256, identifier),
        oid::SHA384_WITH_RSA => pkcs1(SignatureScheme::RsaPkcs1Sha384, identifier),
        oid::SHA512_WITH_RSA => pkcs1(SignatureScheme::RsaPkcs1Sha512, identifier),
        RSASSA_PSS => pss_parameters(identifier),
        // RFC 5758 §3.2: ECDSA identifiers have no parameters.
        oid::ECDSA_WITH_SHA256 => identifier.finish().map(|()| SignatureScheme::EcdsaSha256),
        oid::ECDSA_WITH_SHA384 => identifier.finish().map(|()| SignatureScheme::EcdsaSha384),
        oid::ECDSA_WITH_SHA512 => identifier.finish().map(|()| SignatureScheme::EcdsaSha512),
        _ => None,
    }
}

/// RSASSA-PSS-params (RFC 4055 §3.1), as far as the schemes use them: one hash for message and mask,
/// a salt of its length. Left out, the parameters would mean SHA-1, which is no scheme here.
pub(super) fn pss_parameters(mut identifier: Der<'_>) -> Option<SignatureScheme> {
    let mut parameters = identifier.inside(tag::SEQUENCE)?;
    identifier.finish()?;
    let hash = read_hash(parameters.inside(tag::context(0))?)?;
    let mut mask = parameters.inside(tag::context(1))?;
    let mut generator = mask.inside(tag::SEQUENCE)?;
    mask.finish()?;
    let is_mgf1 = generator.element(tag::OBJECT_IDENTIFIER)? == oid::MGF1;
    let mask_hash = read_hash(generator)?;
    let mut salt = parameters.inside(tag::context(2))?;
    let salt_len = salt.magnitude()?;
    salt.finish()?;
    if !parameters.is_empty() {
        // The trailer field has one value, which DER leaves out; some write it all the same.
        let mut trailer = parameters.inside(tag::context(3))?;
        (trailer.magnitude()? == [1]).then_some(())?;
        trailer.finish()?;
        parameters.finish()?;
    }
    let scheme = SignatureScheme::rsa_pss(hash)?;
    let [salt_len] = salt_len else { return None };
    (is_mgf1 && mask_hash == hash && usize::from(*salt_len) == hash.output_len()).then_some(scheme)
}

/// A hash's AlgorithmIdentifier, alone in its wrapper.
fn read_hash(mut wrapper: Der<'_>) -> Option<Hash> {
    let mut identifier = wrapper.inside(tag::SEQUENCE)?;
    wrapper.finish()?;
    let hash = match identifier.element(tag::OBJECT_IDENTIFIER)? {
        oid::SHA1 => Hash::Sha1,
        oid::SHA256 => Hash::Sha2_256,
        oid::SHA384 => Hash::Sha2_384,
        oid::SHA512 => Hash::Sha2_512,
        _ => return None,
    };
    identifier.null_or_nothing()?;
    Some(hash)
}

/// Contents of OBJECT IDENTIFIERs (RFC 8017 A.2, RFC 5758 §3.2, RFC 4055 §2.1).
#[rustfmt::skip]
mod oid {
    pub(super) const SHA1_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];
    pub(super) const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
    pub(super) const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    pub(super) const SHA384_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c];
    pub(super) const SHA512_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d];
    pub(super) const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    pub(super) const ECDSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
    pub(super) const ECDSA_WITH_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04];
    pub(super) const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
    pub(super) const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    pub(super) const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
    pub(super) const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
}

// RFC 7427 §3: parameters stand where the algorithm's own specification prefers them: NULL with RSA, none with ECDSA.
/// Whole AlgorithmIdentifiers, as RFC 7427 appendix A gives them; the ones it lacks differ in the last
/// octet of each OID and in the salt length.
#[rustfmt::skip]
mod identifier {
    pub(super) const RSA_PKCS1_SHA1: [u8; 15] = rsa_pkcs1(0x05);
    pub(super) const RSA_PKCS1_SHA256: [u8; 15] = rsa_pkcs1(0x0b);
    pub(super) const RSA_PKCS1_SHA384: [u8; 15] = rsa_pkcs1(0x0c);
    pub(super) const RSA_PKCS1_SHA512: [u8; 15] = rsa_pkcs1(0x0d);
    pub(super) const RSA_PSS_SHA256: [u8; 67] = rsa_pss(0x01, 32);
    pub(super) const RSA_PSS_SHA384: [u8; 67] = rsa_pss(0x02, 48);
    pub(super) const RSA_PSS_SHA512: [u8; 67] = rsa_pss(0x03, 64);
    pub(super) const ECDSA_SHA256: [u8; 12] = ecdsa(0x02);
    pub(super) const ECDSA_SHA384: [u8; 12] = ecdsa(0x03);
    pub(super) const ECDSA_SHA512: [u8; 12] = ecdsa(0x04);

    const fn rsa_pkcs1(algorithm: u8) -> [u8; 15] {
        [
            0x30, 0x0d,
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, algorithm,
            0x05, 0x00,
        ]
    }

    const fn rsa_pss(hash: u8, salt_len: u8) -> [u8; 67] {
        [
            0x30, 0x41,
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,
            0x30, 0x34,
            0xa0, 0x0f, 0x30, 0x0d,
            0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash,
            0x05, 0x00,
            0xa1, 0x1c, 0x30, 0x1a,
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
            0x30, 0x0d,
            0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash,
            0x05, 0x00,
            0xa2, 0x03, 0x02, 0x01, salt_len,
        ]
    }

    const fn ecdsa(hash: u8) -> [u8; 12] {
        [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, hash]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::hex;

    // RFC 7427 appendix A, the preferred forms; the PSS identifier with SHA-384 is RFC 4055 §3.1's construction.
    #[test]
    fn identifiers_are_those_of_rfc_7427() {
        let published = [
            (
                SignatureScheme::RsaPkcs1Sha1,
                "300d 0609 2a86 4886 f70d 0101 0505 00",
            ),
            (
                SignatureScheme::RsaPkcs1Sha256,
                "300d 0609 2a86 4886 f70d 0101 0b05 00",
            ),
            (
                SignatureScheme::RsaPkcs1Sha384,
                "300d 0609 2a86 4886 f70d 0101 0c05 00",
            ),
            (
                SignatureScheme::RsaPkcs1Sha512,
                "300d 0609 2a86 4886 f70d 0101 0d05 00",
            ),
            (
                SignatureScheme::EcdsaSha256,
                "300a 0608 2a86 48ce 3d04 0302",
            ),
            (
                SignatureScheme::EcdsaSha384,
                "300a 0608 2a86 48ce 3d04 0303",
            ),
            (
                SignatureScheme::EcdsaSha512,
                "300a 0608 2a86 48ce 3d04 0304",
            ),
            (SignatureScheme::RsaPssSha256, PSS_SHA256),
        ];
        for (scheme, identifier) in published {
            assert_eq!(scheme.algorithm_identifier(), hex(identifier), "{scheme:?}");
        }
    }

    /// RFC 7427 A.4.3.
    const PSS_SHA256: &str = "3041 0609 2a86 4886 f70d 0101 0a30 34a0 0f30 0d06 0960 8648 0165 0304
        0201 0500 a11c 301a 0609 2a86 4886 f70d 0101 0830 0d06 0960 8648 0165 0304 0201 0500 a203
        0201 20";

    #[test]
    fn every_identifier_is_read_back_as_its_scheme() {
        for scheme in SignatureScheme::ALL {
            let identifier = scheme.algorithm_identifier();
            assert_eq!(
                SignatureScheme::from_algorithm_identifier(identifier),
                Ok(scheme)
            );
        }
    }

    #[test]
    fn rejects_every_truncation_and_extension_of_an_identifier() {
        let unknown = Err(SignatureError::UnknownAlgorithm);
        for scheme in SignatureScheme::ALL {
            let identifier = scheme.algorithm_identifier();
            for length in 0..identifier.len() {
                let cut = &identifier[..length];
                assert_eq!(SignatureScheme::from_algorithm_identifier(cut), unknown);
            }
            let longer = [identifier, &[0]].concat();
            assert_eq!(SignatureScheme::from_algorithm_identifier(&longer), unknown);
        }
    }

    // RFC 4055 §2.1: hash parameters come as NULL or not at all.
    #[test]
    fn takes_identifiers_whose_hashes_have_no_parameters() {
        let pss = "303d 0609 2a86 4886 f70d 0101 0a30 30a0 0d30 0b06 0960 8648 0165 0304 0201 a11a
            3018 0609 2a86 4886 f70d 0101 0830 0b06 0960 8648 0165 0304 0201 a203 0201 20";
        assert_eq!(
            SignatureScheme::from_algorithm_identifier(&hex(pss)),
            Ok(SignatureScheme::RsaPssSha256)
        );
        assert_eq!(
            SignatureScheme::from_algorithm_identifier(&hex("300b 0609 2a86 4886 f70d 0101 0b")),
            Ok(SignatureScheme::RsaPkcs1Sha256)
        );
    }

    #[test]
    fn refuses_pss_with_sha_1_with_two_hashes_and_with_another_salt() {
        let unknown = Err(SignatureError::UnknownAlgorithm);
        let read = |text: &str| SignatureScheme::from_algorithm_identifier(&hex(text));
        // RFC 7427 A.4.1: empty parameters mean SHA-1.
        assert_eq!(read("300d 0609 2a86 4886 f70d 0101 0a30 00"), unknown);
        let whole = hex(PSS_SHA256);
        // The last octets of the message's hash, of the mask's hash, and of the whole: the salt.
        for at in [31, whole.len() - 8, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 3;
            assert_eq!(
                SignatureScheme::from_algorithm_identifier(&changed),
                unknown,
                "{at}"
            );
        }
    }
}
