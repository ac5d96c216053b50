//! What a key may be used for, an authority's and a peer's.

use rcgen::{BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};

use super::*;

/// The unharmed twin of every test below.
#[test]
fn what_nothing_was_changed_in_holds() {
    let hierarchy = Hierarchy::new();
    for sent in [
        hierarchy.sent_as(|_| ()),
        hierarchy.sent_edited(|_| ()),
        hierarchy.below("Below", |_| ()),
    ] {
        assert_eq!(hierarchy.judge(&sent), Ok(()));
    }
}

// RFC 5280 §4.2.1.9.
#[test]
fn a_peers_certificate_is_no_anchor() {
    let identity = Hierarchy::new().server();
    assert_eq!(
        TrustAnchors::new(&[identity.certificate()]).err(),
        Some(ChainError::NotAnAuthority {
            subject: HEADEND.to_owned()
        })
    );
}

#[test]
fn an_authority_is_no_peer() {
    let hierarchy = Hierarchy::new();
    assert_eq!(
        verify(
            &[hierarchy.issuing.certificate().to_vec()],
            &hierarchy.anchors(),
            &Purpose::Client
        ),
        Err(ChainError::AuthorityAsPeer {
            subject: "cn=Issuing".to_owned()
        })
    );
}

// RFC 4945 §5.1.3.12, and the two purposes that Secure Client wants of a headend.
#[test]
fn a_headend_needs_server_auth_or_ike_intermediate() {
    let hierarchy = Hierarchy::new();
    for (purposes, found) in [
        (vec![], Some(vec![])),
        (vec![KeyPurpose::ClientAuth], Some(vec!["clientAuth"])),
        (vec![KeyPurpose::IpsecIke], Some(vec!["ipsecIKE"])),
        (vec![KeyPurpose::Any], Some(vec!["anyExtendedKeyUsage"])),
        (vec![KeyPurpose::ServerAuth], None),
        (vec![KeyPurpose::IkeIntermediate], None),
        (vec![KeyPurpose::ClientAuth, KeyPurpose::ServerAuth], None),
    ] {
        let sent = hierarchy.sent_as(|request| request.purposes.clone_from(&purposes));
        let expected = found.map_or(Ok(()), |found| {
            Err(ChainError::LacksPurpose {
                subject: HEADEND.to_owned(),
                wanted: "serverAuth or ikeIntermediate",
                found: found.into_iter().map(str::to_owned).collect(),
            })
        });
        assert_eq!(hierarchy.judge(&sent), expected, "{purposes:?}");
    }
}

#[test]
fn a_client_may_be_for_ike_or_for_client_auth_or_for_anything() {
    let hierarchy = Hierarchy::new();
    for (purposes, is_good) in [
        (vec![], true),
        (vec![KeyPurpose::ClientAuth], true),
        (vec![KeyPurpose::IpsecIke], true),
        (vec![KeyPurpose::IkeIntermediate], true),
        (vec![KeyPurpose::Any], true),
        (vec![KeyPurpose::ServerAuth], false),
        (
            vec![KeyPurpose::Other("1.3.6.1.5.5.7.3.4".to_owned())],
            false,
        ),
    ] {
        let mut request = client_request();
        request.purposes = purposes;
        let identity = hierarchy.issuing.issue(&request).unwrap();
        let result = verify(&chain(&identity), &hierarchy.anchors(), &Purpose::Client);
        assert_eq!(
            result.is_ok(),
            is_good,
            "{:?}: {result:?}",
            request.purposes
        );
    }
}

#[test]
fn an_authority_for_other_purposes_cannot_vouch_for_a_headend() {
    let hierarchy = Hierarchy::new();
    let sent = hierarchy.below("Mail", |parameters| {
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    });
    assert_eq!(
        hierarchy.judge(&sent),
        Err(ChainError::LacksPurpose {
            subject: "cn=Mail".to_owned(),
            wanted: "serverAuth or ikeIntermediate",
            found: vec!["1.3.6.1.5.5.7.3.4".to_owned()],
        })
    );
}

// RFC 4945 §5.1.3.2: a keyUsage without digitalSignature and nonRepudiation is no good for IKE.
#[test]
fn a_key_that_may_not_sign_is_refused() {
    let hierarchy = Hierarchy::new();
    for (usages, expected) in [
        (
            vec![KeyUsagePurpose::KeyAgreement],
            Err(ChainError::LacksKeyUsage {
                subject: HEADEND.to_owned(),
                found: KeyUsage::KEY_AGREEMENT,
            }),
        ),
        (vec![KeyUsagePurpose::ContentCommitment], Ok(())),
        (vec![], Ok(())),
    ] {
        let sent = hierarchy.sent_edited(|parameters| {
            parameters.key_usages = usages;
        });
        assert_eq!(hierarchy.judge(&sent), expected);
    }
}

// RFC 5280 §4.2.1.3: only a key with keyCertSign may sign certificates.
#[test]
fn an_authority_that_may_not_sign_certificates_is_refused() {
    let hierarchy = Hierarchy::new();
    let sent = hierarchy.below("Crippled", |parameters| {
        parameters.key_usages = vec![KeyUsagePurpose::CrlSign];
    });
    assert_eq!(
        hierarchy.judge(&sent),
        Err(ChainError::NotAnAuthority {
            subject: "cn=Crippled".to_owned()
        })
    );
}

// RFC 5280 §4.2.1.9: without cA a key must not verify signatures on certificates.
#[test]
fn a_peer_cannot_issue() {
    let hierarchy = Hierarchy::new();
    let sent = hierarchy.below("Peer", |parameters| {
        parameters.is_ca = IsCa::ExplicitNoCa;
    });
    assert_eq!(
        hierarchy.judge(&sent),
        Err(ChainError::NotAnAuthority {
            subject: "cn=Peer".to_owned()
        })
    );
}

// RFC 5280 §4.2.1.9: pathLenConstraint 0 permits no authority below.
#[test]
fn a_path_longer_than_its_constraint_is_refused() {
    let hierarchy = Hierarchy::new();
    let last = hierarchy
        .root
        .intermediate_edited("Last", year(), |parameters| {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        });
    let below = last
        .intermediate("Below", KeyAlgorithm::EcdsaP256, year())
        .unwrap();
    let identity = below.issue(&server_request()).unwrap();
    assert_eq!(
        hierarchy.judge(&chain(&identity)),
        Err(ChainError::PathTooLong {
            subject: HEADEND.to_owned()
        })
    );
}

// RFC 5280 §4.2: a certificate with a critical extension that is not understood must be refused.
#[test]
fn an_unknown_critical_extension_is_named() {
    let hierarchy = Hierarchy::new();
    let sent = hierarchy.sent_edited(|parameters| {
        let mut extension =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![0x05, 0x00]);
        extension.set_criticality(true);
        parameters.custom_extensions.push(extension);
    });
    assert_eq!(
        hierarchy.judge(&sent),
        Err(ChainError::UnknownCriticalExtension {
            subject: HEADEND.to_owned(),
            oid: "1.3.6.1.4.1.99999.1".to_owned(),
        })
    );
}
