//! Forgeries, and what is only there to be expensive.

use proptest::prelude::*;

use super::*;
use crate::pki::certificate::MAX_CERTIFICATE_OCTETS;

#[test]
fn an_issuer_of_the_right_name_and_another_key_is_a_bad_signature() {
    let hierarchy = Hierarchy::new();
    let impostor = Hierarchy::new();
    assert_eq!(impostor.judge(&impostor.sent()), Ok(()));
    assert_eq!(
        impostor.judge(&hierarchy.sent()),
        Err(ChainError::BadSignature {
            subject: "cn=Issuing".to_owned(),
            issuer: "cn=Root".to_owned(),
        })
    );
}

#[test]
fn a_forged_leaf_is_a_bad_signature_and_named() {
    let hierarchy = Hierarchy::new();
    let mut sent = hierarchy.sent();
    assert_eq!(hierarchy.judge(&sent), Ok(()));
    let last = sent[0].len() - 1;
    sent[0][last] ^= 1;
    assert_eq!(
        hierarchy.judge(&sent),
        Err(ChainError::BadSignature {
            subject: HEADEND.to_owned(),
            issuer: "cn=Issuing".to_owned(),
        })
    );
}

#[test]
fn a_sha1_signature_is_refused_by_name() {
    let anchors = TrustAnchors::new(&[pem(ROOT_PEM)]).unwrap();
    let sent = [
        pem(include_bytes!("../../../../tests/data/pki/sha1.pem")),
        pem(SUB_PEM),
    ];
    assert_eq!(
        verify(&sent, &anchors, &Purpose::Client),
        Err(ChainError::UnsupportedSignature {
            subject: "cn=sha1.example.com".to_owned(),
            algorithm: "sha1WithRSAEncryption".to_owned(),
        })
    );
}

/// A certificate without its version, which makes it one of version 1 (RFC 5280 §4.1.2.1). Both lengths have two octets.
fn as_version_1(der: &[u8]) -> Vec<u8> {
    const VERSION_3: [u8; 5] = [0xa0, 3, 2, 1, 2];
    assert_eq!(der[8..13], VERSION_3);
    let mut der = [&der[..8], &der[13..]].concat();
    for length in [2..4, 6..8] {
        let octets = der[length.clone()].try_into().unwrap();
        let shorter = u16::from_be_bytes(octets).saturating_sub(5);
        der[length].copy_from_slice(&shorter.to_be_bytes());
    }
    der
}

#[test]
fn a_certificate_of_version_1_is_refused_in_words() {
    let anchors = TrustAnchors::new(&[pem(ROOT_PEM)]).unwrap();
    let sent = [pem(SERVER_PEM), pem(SUB_PEM)];
    assert_eq!(judge(&sent, &anchors), Ok(()));
    let sent = [as_version_1(&sent[0]), sent[1].clone()];
    let refused = judge(&sent, &anchors).unwrap_err().to_string();
    assert!(
        refused.contains("is of version 1 of X.509; one of version 3 is needed"),
        "{refused}"
    );
}

#[test]
fn nothing_sent_is_refused() {
    assert_eq!(
        verify(NONE, &Hierarchy::new().anchors(), &Purpose::Client),
        Err(ChainError::NoCertificate)
    );
}

#[test]
fn a_chain_of_a_hundred_is_refused_unread() {
    let hierarchy = Hierarchy::new();
    let mut sent = hierarchy.sent();
    sent.resize(100, b"not even looked at".to_vec());
    assert_eq!(
        verify(&sent, &hierarchy.anchors(), &Purpose::Client),
        Err(ChainError::TooManyCertificates { count: 100 })
    );
}

#[test]
fn a_megabyte_of_junk_is_refused_unread() {
    let anchors = Hierarchy::new().anchors();
    assert_eq!(
        verify(&[vec![0x30; 1 << 20]], &anchors, &Purpose::Client),
        Err(ChainError::TooLarge { octets: 1 << 20 })
    );
    let octets = MAX_CERTIFICATE_OCTETS + 1;
    assert_eq!(
        verify(&[vec![0x30; octets]], &anchors, &Purpose::Client),
        Err(ChainError::Malformed {
            position: 0,
            cause: MalformedCertificate::TooLarge { octets },
        })
    );
}

#[test]
fn no_flipped_octet_of_the_leaf_gets_through() {
    let hierarchy = Hierarchy::new();
    let anchors = hierarchy.anchors();
    let sent = hierarchy.sent();
    assert_eq!(judge(&sent, &anchors), Ok(()));
    for position in 0..sent[0].len() {
        let mut forged = sent.clone();
        forged[0][position] ^= 0x01;
        assert!(judge(&forged, &anchors).is_err(), "octet {position}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn junk_never_panics_and_never_holds(
        sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12),
    ) {
        let anchors = TrustAnchors::new(&[pem(ROOT_PEM)]).unwrap();
        prop_assert!(verify(&sent, &anchors, &Purpose::Client).is_err());
    }

    #[test]
    fn damaged_certificates_never_hold(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let anchors = TrustAnchors::new(&[pem(ROOT_PEM)]).unwrap();
        let whole = vec![pem(SERVER_PEM), pem(SUB_PEM)];
        let mut sent = whole.clone();
        for (index, value) in damage {
            let at = index.index(sent[0].len());
            sent[0][at] = value;
            let at = index.index(sent[1].len());
            sent[1][at] = value;
        }
        let result = judge(&sent, &anchors);
        prop_assert_eq!(result.is_ok(), sent == whole, "{:?}", result);
    }
}
