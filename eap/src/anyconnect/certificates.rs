//! The certificates-only PKCS#7 message of TLV 3 (docs/anyconnect-eap.md, Certificates).
//!
//! ```text
//! ContentInfo ::= SEQUENCE { OID signedData, [0] EXPLICIT SignedData }
//! SignedData  ::= SEQUENCE { version 1, digestAlgorithms SET {}, encapContentInfo SEQUENCE { OID data },
//!                            [0] IMPLICIT certificates SET, [1] IMPLICIT crls SET OPTIONAL, signerInfos SET {} }
//! ```
//!
//! Certificates come out as they stand, octet for octet and **in wire order**: the client puts its
//! leaf first, and although DER would have the SET sorted, sorting loses which one that was.
//! Nothing inside a certificate is looked at: that, the chain and the signature of TLV 1 are the
//! caller's.

use alloc::vec::Vec;

/// Certificates in one message: a leaf and a chain longer than anyone builds.
pub const MAX_CERTIFICATES: usize = 16;

const TAG_INTEGER: u8 = 0x02;
const TAG_OBJECT_IDENTIFIER: u8 = 0x06;
const TAG_SEQUENCE: u8 = 0x30;
const TAG_SET: u8 = 0x31;
/// Context-specific, constructed, number 0.
const TAG_CONTEXT_0: u8 = 0xa0;
/// Context-specific, constructed, number 1.
const TAG_CONTEXT_1: u8 = 0xa1;
/// 1.2.840.113549.1.7.1 (RFC 5652 §4).
const OID_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.7.2 (RFC 5652 §5.1).
const OID_SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];

/// Why octets are no certificates-only message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificatesError {
    /// An element's header or contents reach past what encloses them.
    #[error("PKCS#7 ends within its {within}")]
    Truncated {
        /// The element that is not whole.
        within: &'static str,
    },
    /// Another element than the structure has there.
    #[error("PKCS#7 {expected} expected, tag {found:#04x} found")]
    UnexpectedTag {
        /// The element that belongs there.
        expected: &'static str,
        /// The tag that stands there.
        found: u8,
    },
    /// An indefinite, oversized or needlessly long length: not DER.
    #[error("PKCS#7 {within} has a length that is not DER of at most 65,535 octets")]
    BadLength {
        /// The element.
        within: &'static str,
    },
    /// The content type is not signedData.
    #[error("PKCS#7 content type is not signedData")]
    NotSignedData,
    /// Octets follow the structure.
    #[error("{octets} octets follow the PKCS#7 {after}")]
    TrailingOctets {
        /// The element before them.
        after: &'static str,
        /// How many.
        octets: usize,
    },
    /// No certificate is in it.
    #[error("PKCS#7 holds no certificate")]
    Empty,
    /// More than [`MAX_CERTIFICATES`].
    #[error("PKCS#7 holds more than {MAX_CERTIFICATES} certificates")]
    TooMany,
    /// The structure to be written is longer than a TLV can be.
    #[error("certificates of {0} octets do not fit TLV 3")]
    TooLong(usize),
}

/// The DER certificates of a certificates-only message, borrowed, in wire order (the leaf first).
///
/// RFC 2315 §9.1 and RFC 5652 §5.1 give the structure. The SignedData version is not judged (1, 3
/// and 5 say what is inside, which is read anyway); CRLs and signer infos are passed over; of the
/// certificates' alternatives (RFC 5652 §10.2.2) only X.509's are returned.
///
/// # Errors
///
/// Any [`CertificatesError`] but [`CertificatesError::TooLong`].
pub fn parse(octets: &[u8]) -> Result<Vec<&[u8]>, CertificatesError> {
    let (content_info, rest) = element(octets, TAG_SEQUENCE, "ContentInfo")?;
    nothing_after(rest, "ContentInfo")?;
    let (content_type, rest) =
        element(content_info.contents, TAG_OBJECT_IDENTIFIER, "content type")?;
    if content_type.contents != OID_SIGNED_DATA {
        return Err(CertificatesError::NotSignedData);
    }
    let (explicit, rest) = element(rest, TAG_CONTEXT_0, "content")?;
    nothing_after(rest, "content")?;
    let (signed_data, rest) = element(explicit.contents, TAG_SEQUENCE, "SignedData")?;
    nothing_after(rest, "SignedData")?;

    let (_, rest) = element(signed_data.contents, TAG_INTEGER, "version")?;
    let (_, rest) = element(rest, TAG_SET, "digestAlgorithms")?;
    let (_, rest) = element(rest, TAG_SEQUENCE, "encapContentInfo")?;
    let (certificates, rest) = match rest.first() {
        Some(&TAG_CONTEXT_0) => element(rest, TAG_CONTEXT_0, "certificates")?,
        _ => return Err(CertificatesError::Empty),
    };
    let rest = match rest.first() {
        Some(&TAG_CONTEXT_1) => element(rest, TAG_CONTEXT_1, "crls")?.1,
        _ => rest,
    };
    let (_, rest) = element(rest, TAG_SET, "signerInfos")?;
    nothing_after(rest, "signerInfos")?;

    let mut found = Vec::new();
    let mut rest = certificates.contents;
    while !rest.is_empty() {
        let (certificate, after) = any_element(rest, "certificate")?;
        if certificate.tag == TAG_SEQUENCE {
            if found.len() == MAX_CERTIFICATES {
                return Err(CertificatesError::TooMany);
            }
            found.push(certificate.whole);
        }
        rest = after;
    }
    if found.is_empty() {
        return Err(CertificatesError::Empty);
    }
    Ok(found)
}

/// A certificates-only message of DER certificates, in the order given: leaf, intermediates, root.
///
/// # Errors
///
/// [`CertificatesError::Empty`], [`CertificatesError::TooMany`], or [`CertificatesError::TooLong`].
pub fn encode<C: AsRef<[u8]>>(certificates: &[C]) -> Result<Vec<u8>, CertificatesError> {
    if certificates.is_empty() {
        return Err(CertificatesError::Empty);
    }
    if certificates.len() > MAX_CERTIFICATES {
        return Err(CertificatesError::TooMany);
    }
    let mut set = Vec::new();
    for certificate in certificates {
        set.extend(certificate.as_ref());
    }
    let mut signed_data = Vec::new();
    append(&mut signed_data, TAG_INTEGER, &[1])?;
    append(&mut signed_data, TAG_SET, &[])?;
    let mut encapsulated = Vec::new();
    append(&mut encapsulated, TAG_OBJECT_IDENTIFIER, &OID_DATA)?;
    append(&mut signed_data, TAG_SEQUENCE, &encapsulated)?;
    append(&mut signed_data, TAG_CONTEXT_0, &set)?;
    append(&mut signed_data, TAG_SET, &[])?;
    let mut explicit = Vec::new();
    append(&mut explicit, TAG_SEQUENCE, &signed_data)?;
    let mut content_info = Vec::new();
    append(&mut content_info, TAG_OBJECT_IDENTIFIER, &OID_SIGNED_DATA)?;
    append(&mut content_info, TAG_CONTEXT_0, &explicit)?;
    let mut out = Vec::new();
    append(&mut out, TAG_SEQUENCE, &content_info)?;
    Ok(out)
}

/// One DER element: its tag, its contents, and itself whole.
struct Element<'a> {
    tag: u8,
    contents: &'a [u8],
    whole: &'a [u8],
}

/// The element at the start of `octets`, which must have `tag`, and what follows it.
fn element<'a>(
    octets: &'a [u8],
    tag: u8,
    name: &'static str,
) -> Result<(Element<'a>, &'a [u8]), CertificatesError> {
    match octets.first() {
        Some(&found) if found != tag => Err(CertificatesError::UnexpectedTag {
            expected: name,
            found,
        }),
        _ => any_element(octets, name),
    }
}

/// The element at the start of `octets`, whatever its tag, and what follows it. Lengths take at
/// most two octets: a TLV holds no more than 65,535.
fn any_element<'a>(
    octets: &'a [u8],
    within: &'static str,
) -> Result<(Element<'a>, &'a [u8]), CertificatesError> {
    let truncated = CertificatesError::Truncated { within };
    let (&tag, rest) = octets.split_first().ok_or(truncated)?;
    let (&first, rest) = rest.split_first().ok_or(truncated)?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => match rest.split_first().ok_or(truncated)? {
            (&length @ 0x80..=0xff, rest) => (usize::from(length), rest),
            _ => return Err(CertificatesError::BadLength { within }),
        },
        0x82 => match rest.split_first_chunk().ok_or(truncated)? {
            (&[high @ 1..=0xff, low], rest) => (usize::from(u16::from_be_bytes([high, low])), rest),
            _ => return Err(CertificatesError::BadLength { within }),
        },
        _ => return Err(CertificatesError::BadLength { within }),
    };
    let (contents, rest) = rest.split_at_checked(length).ok_or(truncated)?;
    let (whole, _) = octets
        .split_at_checked(octets.len().saturating_sub(rest.len()))
        .ok_or(truncated)?;
    Ok((
        Element {
            tag,
            contents,
            whole,
        },
        rest,
    ))
}

const fn nothing_after(rest: &[u8], after: &'static str) -> Result<(), CertificatesError> {
    match rest.len() {
        0 => Ok(()),
        octets => Err(CertificatesError::TrailingOctets { after, octets }),
    }
}

fn append(out: &mut Vec<u8>, tag: u8, contents: &[u8]) -> Result<(), CertificatesError> {
    let length = u16::try_from(contents.len())
        .map_err(|_| CertificatesError::TooLong(contents.len()))?
        .to_be_bytes();
    out.push(tag);
    match length {
        [0, short @ 0..=0x7f] => out.push(short),
        [0, long] => out.extend([0x81, long]),
        [high, low] => out.extend([0x82, high, low]),
    }
    out.extend(contents);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// TLV 3 of the first capture: two certificates, CN=alice and then its CA
    /// (tests/data/README.md).
    const CAPTURED: &[u8] = include_bytes!("../../tests/data/cert/client-pkcs7.der");

    #[test]
    fn reads_the_captured_chain_leaf_first() {
        let chain = parse(CAPTURED).unwrap();
        assert_eq!(
            chain
                .iter()
                .map(|certificate| certificate.len())
                .collect::<Vec<_>>(),
            [880, 845]
        );
        let holds =
            |octets: &[u8], text: &[u8]| octets.windows(text.len()).any(|window| window == text);
        assert!(holds(chain[0], b"alice"));
        assert!(!holds(chain[1], b"alice"));
    }

    #[test]
    fn writes_the_captured_message_but_for_its_absent_content() {
        // The capture's encapContentInfo carries an empty OCTET STRING; RFC 5652 §5.2 has it
        // absent.
        let chain = parse(CAPTURED).unwrap();
        let written = encode(&chain).unwrap();
        assert_eq!(written.len(), CAPTURED.len() - 4);
        assert_eq!(parse(&written), Ok(chain));
    }

    #[test]
    fn keeps_the_wire_order_of_a_set_that_der_would_sort() {
        let certificates = [vec![0x30, 2, 5, 0], vec![0x30, 0]];
        let written = encode(&certificates).unwrap();
        assert_eq!(
            parse(&written),
            Ok(certificates.iter().map(Vec::as_slice).collect())
        );
    }

    #[test]
    fn every_truncation_is_an_error() {
        for end in 0..CAPTURED.len() {
            assert!(
                parse(&CAPTURED[..end]).is_err(),
                "the first {end} octets parse"
            );
        }
    }

    #[test]
    fn rejects_octets_after_the_structure() {
        let mut longer = CAPTURED.to_vec();
        longer.extend([0, 0]);
        assert_eq!(
            parse(&longer),
            Err(CertificatesError::TrailingOctets {
                after: "ContentInfo",
                octets: 2
            })
        );
    }

    #[test]
    fn rejects_indefinite_and_oversized_lengths() {
        assert_eq!(
            parse(&[0x30, 0x80, 0, 0]),
            Err(CertificatesError::BadLength {
                within: "ContentInfo"
            })
        );
        assert_eq!(
            parse(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
            Err(CertificatesError::BadLength {
                within: "ContentInfo"
            })
        );
        assert_eq!(
            parse(&[0x30, 0x81, 0x01, 0]),
            Err(CertificatesError::BadLength {
                within: "ContentInfo"
            })
        );
    }

    #[test]
    fn rejects_other_content_types() {
        let mut data = CAPTURED.to_vec();
        data[14] = 1;
        assert_eq!(parse(&data), Err(CertificatesError::NotSignedData));
    }

    #[test]
    fn rejects_a_message_without_certificates_and_one_with_too_many() {
        assert_eq!(encode::<&[u8]>(&[]), Err(CertificatesError::Empty));
        assert_eq!(
            encode(&[[0x30, 0]; MAX_CERTIFICATES + 1]),
            Err(CertificatesError::TooMany)
        );
        // Another alternative than X.509 alone is as good as none.
        let attribute_certificate_only = encode(&[[0xa1, 0]]).unwrap();
        assert_eq!(
            parse(&attribute_certificate_only),
            Err(CertificatesError::Empty)
        );
        assert_eq!(
            encode(&[vec![0x30; 65_536]]),
            Err(CertificatesError::TooLong(65_536))
        );
    }

    proptest! {
        #[test]
        fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse(&octets);
        }

        #[test]
        fn flipped_octets_never_panic(at in 0..CAPTURED.len(), mask in 1..=255_u8) {
            let mut octets = CAPTURED.to_vec();
            octets[at] ^= mask;
            let _ = parse(&octets);
        }
    }
}
