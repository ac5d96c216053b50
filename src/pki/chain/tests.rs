use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyUsagePurpose, NameConstraints,
};

use super::super::authority::{Authority, KeyAlgorithm, LeafRequest, Validity};
use super::super::certificate::MAX_CERTIFICATE_OCTETS;
use super::super::test_support::*;
use super::*;

const NONE: &[Vec<u8>] = &[];

fn server(name: &str) -> Purpose {
    Purpose::Server { name: host(name) }
}

fn verify(chain: &[Vec<u8>], anchors: &TrustAnchors, purpose: &Purpose) -> Result<(), ChainError> {
    verify_peer_chain(chain, anchors, NONE, NOW, purpose).map(|_| ())
}

/// The error of a server's chain that is built with a changed request.
fn refused(edit: impl FnOnce(&mut LeafRequest)) -> ChainError {
    let hierarchy = Hierarchy::new();
    let mut request = server_request();
    edit(&mut request);
    let identity = hierarchy.issuing.issue(&request).unwrap();
    verify(
        &chain(&identity),
        &hierarchy.anchors(),
        &server("vpn.example.com"),
    )
    .unwrap_err()
}

fn ended(days_ago: u32) -> Validity {
    Validity {
        not_before: NOW.saturating_sub(days(900)),
        not_after: NOW.saturating_sub(days(days_ago)),
    }
}

#[test]
fn a_good_chain_leaves_the_key_and_the_anchor() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.server();
    let peer = verify_peer_chain(
        &chain(&identity),
        &hierarchy.anchors(),
        NONE,
        NOW,
        &server("vpn.example.com"),
    )
    .unwrap();
    assert_eq!(peer.spki_der(), identity.key().spki_der().unwrap());
    assert_eq!(peer.certificate().subject.to_string(), "cn=vpn.example.com");
    assert_eq!(peer.anchor().to_string(), "cn=Root");
}

#[test]
fn an_openssl_chain_of_rsa_keys_holds() {
    let anchors = TrustAnchors::new(&[pem(ROOT_PEM)]).unwrap();
    let sent = [pem(SERVER_PEM), pem(SUB_PEM)];
    for name in ["vpn.example.com", "192.0.2.1", "2001:db8::1"] {
        assert_eq!(verify(&sent, &anchors, &server(name)), Ok(()), "{name}");
    }
}

#[test]
fn issuers_may_come_in_any_order_with_the_root_and_strangers_among_them() {
    let hierarchy = Hierarchy::new();
    let below = hierarchy
        .issuing
        .intermediate("Below", KeyAlgorithm::EcdsaP256, year())
        .unwrap();
    let identity = below.issue(&server_request()).unwrap();
    let stranger = Authority::root("Stranger", KeyAlgorithm::EcdsaP256, year()).unwrap();
    let sent = [
        identity.certificate().to_vec(),
        stranger.certificate().to_vec(),
        hierarchy.root.certificate().to_vec(),
        hierarchy.issuing.certificate().to_vec(),
        below.certificate().to_vec(),
    ];
    assert_eq!(
        verify(&sent, &hierarchy.anchors(), &server("vpn.example.com")),
        Ok(())
    );
}

#[test]
fn intermediates_that_are_known_here_need_not_be_sent() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.server();
    let held = [hierarchy.issuing.certificate()];
    assert!(
        verify_peer_chain(
            &[identity.certificate()],
            &hierarchy.anchors(),
            &held,
            NOW,
            &server("vpn.example.com")
        )
        .is_ok()
    );
}

#[test]
fn an_intermediate_may_be_the_anchor() {
    let hierarchy = Hierarchy::new();
    let anchors = TrustAnchors::new(&[hierarchy.issuing.certificate()]).unwrap();
    let identity = hierarchy.server();
    assert_eq!(
        verify(
            &[identity.certificate().to_vec()],
            &anchors,
            &server("vpn.example.com")
        ),
        Ok(())
    );
}

#[test]
fn names_match_in_any_case_by_wildcard_and_by_address() {
    let hierarchy = Hierarchy::new();
    let sent = chain(&hierarchy.server());
    for name in [
        "VPN.Example.COM",
        "vpn.example.com.",
        "a.wild.example",
        "192.0.2.1",
    ] {
        assert_eq!(
            verify(&sent, &hierarchy.anchors(), &server(name)),
            Ok(()),
            "{name}"
        );
    }
}

#[test]
fn another_name_is_refused_with_the_names_that_there_are() {
    let hierarchy = Hierarchy::new();
    let sent = chain(&hierarchy.server());
    for name in [
        "example.com",
        "b.a.wild.example",
        "wild.example",
        "192.0.2.2",
        "2001:db8::1",
    ] {
        assert_eq!(
            verify(&sent, &hierarchy.anchors(), &server(name)),
            Err(ChainError::NameMismatch {
                subject: "cn=vpn.example.com".to_owned(),
                wanted: name.to_owned(),
                presented: vec![
                    "DNS:vpn.example.com".to_owned(),
                    "IP:192.0.2.1".to_owned(),
                    "DNS:*.wild.example".to_owned()
                ],
            })
        );
    }
}

#[test]
fn the_common_name_is_no_name() {
    assert_eq!(
        refused(|request| request.names.clear()),
        ChainError::NameMismatch {
            subject: "cn=vpn.example.com".to_owned(),
            wanted: "vpn.example.com".to_owned(),
            presented: Vec::new(),
        }
    );
}

#[test]
fn a_text_that_is_no_host_name_is_refused_before_anything_is_sent() {
    for text in [
        "",
        "a b",
        "-",
        "vpn_\u{e4}.example",
        "*.example.com",
        "[2001:db8::1]",
    ] {
        assert_eq!(
            ServerIdentity::parse(text),
            Err(InvalidServerName {
                text: text.to_owned()
            })
        );
    }
}

#[test]
fn an_expired_leaf_is_refused_with_its_date() {
    assert_eq!(
        refused(|request| request.validity = ended(1)),
        ChainError::Expired {
            subject: "cn=vpn.example.com".to_owned(),
            not_after: NOW.saturating_sub(DAY),
            now: NOW,
        }
    );
}

#[test]
fn a_leaf_from_the_future_is_refused_with_its_date() {
    let not_before = NOW.saturating_add(DAY);
    assert_eq!(
        refused(|request| request.validity.not_before = not_before),
        ChainError::NotYetValid {
            subject: "cn=vpn.example.com".to_owned(),
            not_before,
            now: NOW,
        }
    );
}

#[test]
fn an_expired_intermediate_is_named() {
    let hierarchy = Hierarchy::new();
    let old = hierarchy
        .root
        .intermediate("Old", KeyAlgorithm::EcdsaP256, ended(3))
        .unwrap();
    let identity = old.issue(&server_request()).unwrap();
    assert_eq!(
        verify(
            &chain(&identity),
            &hierarchy.anchors(),
            &server("vpn.example.com")
        ),
        Err(ChainError::Expired {
            subject: "cn=Old".to_owned(),
            not_after: NOW.saturating_sub(days(3)),
            now: NOW,
        })
    );
}

#[test]
fn an_expired_root_is_named_though_the_path_builder_looks_at_no_root_dates() {
    let root = Authority::root("Old Root", KeyAlgorithm::EcdsaP256, ended(3)).unwrap();
    let identity = root.issue(&server_request()).unwrap();
    let anchors = TrustAnchors::new(&[root.certificate()]).unwrap();
    assert_eq!(
        verify(&chain(&identity), &anchors, &server("vpn.example.com")),
        Err(ChainError::Expired {
            subject: "cn=Old Root".to_owned(),
            not_after: NOW.saturating_sub(days(3)),
            now: NOW,
        })
    );
}

#[test]
fn a_missing_intermediate_is_named() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.server();
    assert_eq!(
        verify(
            &[identity.certificate().to_vec()],
            &hierarchy.anchors(),
            &server("vpn.example.com")
        ),
        Err(ChainError::UnknownIssuer {
            subject: "cn=vpn.example.com".to_owned(),
            issuer: "cn=Issuing".to_owned(),
            trusted: vec!["cn=Root".to_owned()],
        })
    );
}

#[test]
fn a_root_that_is_sent_is_not_trusted_for_it() {
    let hierarchy = Hierarchy::new();
    let mut sent = chain(&hierarchy.server());
    sent.push(hierarchy.root.certificate().to_vec());
    let other = Authority::root("Other", KeyAlgorithm::EcdsaP256, year()).unwrap();
    let anchors = TrustAnchors::new(&[other.certificate()]).unwrap();
    assert_eq!(
        verify(&sent, &anchors, &server("vpn.example.com")),
        Err(ChainError::UntrustedRoot {
            root: "cn=Root".to_owned(),
            trusted: vec!["cn=Other".to_owned()],
        })
    );
}

#[test]
fn without_anchors_nothing_holds() {
    let hierarchy = Hierarchy::new();
    let anchors = TrustAnchors::new(NONE).unwrap();
    assert!(anchors.is_empty());
    assert_eq!(
        verify(
            &chain(&hierarchy.server()),
            &anchors,
            &server("vpn.example.com")
        ),
        Err(ChainError::UnknownIssuer {
            subject: "cn=Issuing".to_owned(),
            issuer: "cn=Root".to_owned(),
            trusted: Vec::new(),
        })
    );
}

#[test]
fn a_self_signed_certificate_is_called_that() {
    let hierarchy = Hierarchy::new();
    let file = include_bytes!("../../../tests/data/pki/self-signed.p12");
    let identity = super::super::read_pkcs12(file, PASSWORD).unwrap().identity;
    let own_authority = Authority::root("Mine", KeyAlgorithm::EcdsaP256, year()).unwrap();
    for (certificate, subject) in [
        (identity.certificate(), "cn=vpn.example.com"),
        (own_authority.certificate(), "cn=Mine"),
    ] {
        assert_eq!(
            verify(
                &[certificate.to_vec()],
                &hierarchy.anchors(),
                &server("vpn.example.com")
            ),
            Err(ChainError::SelfSigned {
                subject: subject.to_owned()
            })
        );
    }
}

#[test]
fn a_self_signed_certificate_is_refused_even_where_it_is_trusted() {
    let own = Authority::root("Mine", KeyAlgorithm::EcdsaP256, year()).unwrap();
    let anchors = TrustAnchors::new(&[own.certificate()]).unwrap();
    assert_eq!(
        verify(&[own.certificate().to_vec()], &anchors, &Purpose::Client),
        Err(ChainError::SelfSigned {
            subject: "cn=Mine".to_owned()
        })
    );
}

// RFC 5280 §4.2.1.9.
#[test]
fn a_peers_certificate_is_no_anchor() {
    let identity = Hierarchy::new().server();
    assert_eq!(
        TrustAnchors::new(&[identity.certificate()]).err(),
        Some(ChainError::NotAnAuthority {
            subject: "cn=vpn.example.com".to_owned()
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
        let mut request = server_request();
        request.purposes = purposes;
        let identity = hierarchy.issuing.issue(&request).unwrap();
        let expected = found.map_or(Ok(()), |found| {
            Err(ChainError::LacksPurpose {
                subject: "cn=vpn.example.com".to_owned(),
                wanted: "serverAuth or ikeIntermediate",
                found: found.into_iter().map(str::to_owned).collect(),
            })
        });
        assert_eq!(
            verify(
                &chain(&identity),
                &hierarchy.anchors(),
                &server("vpn.example.com")
            ),
            expected,
            "{:?}",
            request.purposes
        );
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
    let mail = hierarchy
        .root
        .intermediate_edited("Mail", year(), |parameters| {
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        });
    let identity = mail.issue(&server_request()).unwrap();
    assert_eq!(
        verify(
            &chain(&identity),
            &hierarchy.anchors(),
            &server("vpn.example.com")
        ),
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
                subject: "cn=vpn.example.com".to_owned(),
                found: KeyUsage::KEY_AGREEMENT,
            }),
        ),
        (vec![KeyUsagePurpose::ContentCommitment], Ok(())),
        (vec![], Ok(())),
    ] {
        let identity = hierarchy
            .issuing
            .issue_edited(&server_request(), |parameters| {
                parameters.key_usages = usages;
            });
        assert_eq!(
            verify(
                &chain(&identity),
                &hierarchy.anchors(),
                &server("vpn.example.com")
            ),
            expected
        );
    }
}

// RFC 5280 §4.2.1.3: only a key with keyCertSign may sign certificates.
#[test]
fn an_authority_that_may_not_sign_certificates_is_refused() {
    let hierarchy = Hierarchy::new();
    let crippled = hierarchy
        .root
        .intermediate_edited("Crippled", year(), |parameters| {
            parameters.key_usages = vec![KeyUsagePurpose::CrlSign];
        });
    let identity = crippled.issue(&server_request()).unwrap();
    assert_eq!(
        verify(
            &chain(&identity),
            &hierarchy.anchors(),
            &server("vpn.example.com")
        ),
        Err(ChainError::NotAnAuthority {
            subject: "cn=Crippled".to_owned()
        })
    );
}

// RFC 5280 §4.2.1.9: without cA a key must not verify signatures on certificates.
#[test]
fn a_peer_cannot_issue() {
    let hierarchy = Hierarchy::new();
    let peer = hierarchy
        .root
        .intermediate_edited("Peer", year(), |parameters| {
            parameters.is_ca = IsCa::ExplicitNoCa;
        });
    let identity = peer.issue(&server_request()).unwrap();
    assert_eq!(
        verify(
            &chain(&identity),
            &hierarchy.anchors(),
            &server("vpn.example.com")
        ),
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
        verify(
            &chain(&identity),
            &hierarchy.anchors(),
            &server("vpn.example.com")
        ),
        Err(ChainError::PathTooLong {
            subject: "cn=vpn.example.com".to_owned()
        })
    );
}

// RFC 5280 §4.2.1.10: an authority may certify no name outside its permitted subtrees.
#[test]
fn a_name_outside_the_issuers_constraint_is_refused() {
    let hierarchy = Hierarchy::new();
    let narrow = hierarchy
        .root
        .intermediate_edited("Narrow", year(), |parameters| {
            parameters.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".to_owned())],
                excluded_subtrees: Vec::new(),
            });
        });
    let identity = narrow.issue(&server_request()).unwrap();
    assert_eq!(
        verify(
            &chain(&identity),
            &hierarchy.anchors(),
            &server("vpn.example.com")
        ),
        Err(ChainError::NameConstraint {
            subject: "cn=vpn.example.com".to_owned()
        })
    );
}

// RFC 5280 §4.2: a certificate with a critical extension that is not understood must be refused.
#[test]
fn an_unknown_critical_extension_is_named() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy
        .issuing
        .issue_edited(&server_request(), |parameters| {
            let mut extension =
                CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![0x05, 0x00]);
            extension.set_criticality(true);
            parameters.custom_extensions.push(extension);
        });
    assert_eq!(
        verify(
            &chain(&identity),
            &hierarchy.anchors(),
            &server("vpn.example.com")
        ),
        Err(ChainError::UnknownCriticalExtension {
            subject: "cn=vpn.example.com".to_owned(),
            oid: "1.3.6.1.4.1.99999.1".to_owned(),
        })
    );
}

#[test]
fn an_issuer_of_the_right_name_and_another_key_is_a_bad_signature() {
    let hierarchy = Hierarchy::new();
    let impostor = Hierarchy::new();
    assert_eq!(
        verify(
            &chain(&hierarchy.server()),
            &impostor.anchors(),
            &server("vpn.example.com")
        ),
        Err(ChainError::BadSignature {
            subject: "cn=Issuing".to_owned(),
            issuer: "cn=Root".to_owned(),
        })
    );
}

#[test]
fn a_forged_leaf_is_a_bad_signature_and_named() {
    let hierarchy = Hierarchy::new();
    let mut sent = chain(&hierarchy.server());
    let last = sent[0].len() - 1;
    sent[0][last] ^= 1;
    assert_eq!(
        verify(&sent, &hierarchy.anchors(), &server("vpn.example.com")),
        Err(ChainError::BadSignature {
            subject: "cn=vpn.example.com".to_owned(),
            issuer: "cn=Issuing".to_owned(),
        })
    );
}

#[test]
fn a_sha1_signature_is_refused_by_name() {
    let anchors = TrustAnchors::new(&[pem(ROOT_PEM)]).unwrap();
    let sent = [
        pem(include_bytes!("../../../tests/data/pki/sha1.pem")),
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
fn authorities_that_certify_each_other_end_the_search() {
    let one = Authority::root("One", KeyAlgorithm::EcdsaP256, year()).unwrap();
    let two = Authority::root("Two", KeyAlgorithm::EcdsaP256, year()).unwrap();
    let identity = one.issue(&server_request()).unwrap();
    let sent = [
        identity.certificate().to_vec(),
        one.cross_certified_by(&two, year()),
        two.cross_certified_by(&one, year()),
    ];
    let hierarchy = Hierarchy::new();
    assert_eq!(
        verify(&sent, &hierarchy.anchors(), &server("vpn.example.com")),
        Err(ChainError::UnknownIssuer {
            subject: "cn=Two".to_owned(),
            issuer: "cn=One".to_owned(),
            trusted: vec!["cn=Root".to_owned()],
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
    let mut sent = chain(&hierarchy.server());
    sent.resize(100, b"not even looked at".to_vec());
    assert_eq!(
        verify(&sent, &hierarchy.anchors(), &Purpose::Client),
        Err(ChainError::TooManyCertificates { count: 100 })
    );
}

#[test]
fn the_deepest_chain_that_is_read_is_too_deep_to_hold() {
    let root = Authority::root("Root", KeyAlgorithm::EcdsaP256, year()).unwrap();
    let mut bottom = root
        .intermediate("1", KeyAlgorithm::EcdsaP256, year())
        .unwrap();
    for depth in 2..MAX_CHAIN_CERTIFICATES {
        bottom = bottom
            .intermediate(&depth.to_string(), KeyAlgorithm::EcdsaP256, year())
            .unwrap();
    }
    let sent = chain(&bottom.issue(&server_request()).unwrap());
    assert_eq!(sent.len(), MAX_CHAIN_CERTIFICATES);
    let anchors = TrustAnchors::new(&[root.certificate()]).unwrap();
    assert_eq!(
        verify(&sent, &anchors, &server("vpn.example.com")),
        Err(ChainError::PathTooLong {
            subject: "cn=vpn.example.com".to_owned()
        })
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
    let sent = chain(&hierarchy.server());
    for position in 0..sent[0].len() {
        let mut forged = sent.clone();
        forged[0][position] ^= 0x01;
        assert!(
            verify(&forged, &anchors, &server("vpn.example.com")).is_err(),
            "octet {position}"
        );
    }
}

// RFC 7296 §3.7: the hash is that of the whole SubjectPublicKeyInfo, algorithm included.
#[test]
fn authorities_are_named_by_the_hash_of_their_key() {
    let anchors = TrustAnchors::new(&[pem(ROOT_PEM), pem(SUB_PEM)]).unwrap();
    let hashes = anchors.authority_hashes();
    assert_eq!(hashes.len(), 2);
    assert_eq!(hashes[0], describe(&pem(ROOT_PEM)).unwrap().spki_sha1);
    assert_ne!(hashes[0], hashes[1]);
}

#[test]
fn an_unreadable_anchor_is_refused_with_its_position() {
    let found = TrustAnchors::new(&[pem(ROOT_PEM), b"junk".to_vec()]).err();
    assert!(
        matches!(found, Some(ChainError::Malformed { position: 1, .. })),
        "{found:?}"
    );
}

#[test]
fn messages_say_what_to_do_about_it() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.server();
    let message = |chain: &[Vec<u8>], name: &str| {
        verify(chain, &hierarchy.anchors(), &server(name))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(&chain(&identity), "other.example.com"),
        "the certificate of cn=vpn.example.com is not for other.example.com; its subject alternative names are \
         DNS:vpn.example.com, IP:192.0.2.1, DNS:*.wild.example"
    );
    assert_eq!(
        message(&[identity.certificate().to_vec()], "vpn.example.com"),
        "the certificate of cn=vpn.example.com was issued by cn=Issuing, which was not sent and is not trusted \
         (trusted: cn=Root)"
    );
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
        let result = verify(&sent, &anchors, &server("vpn.example.com"));
        prop_assert_eq!(result.is_ok(), sent == whole, "{:?}", result);
    }
}
