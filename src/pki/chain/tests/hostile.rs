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
