//! Which certificates lead to which anchor.

use super::*;

fn trusted(name: &str) -> Trusted {
    Trusted::Chosen {
        first: vec![name.to_owned()],
        count: 1,
    }
}

// RFC 7296 §1.2#1, §3.6#4: the first certificate is the peer's own, and its key is the one that
// AUTH is judged by.
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
    let stranger = p256("Stranger");
    let sent = [
        identity.certificate().to_vec(),
        stranger.certificate().to_vec(),
        hierarchy.root.certificate().to_vec(),
        hierarchy.issuing.certificate().to_vec(),
        below.certificate().to_vec(),
    ];
    assert_eq!(hierarchy.judge(&sent), Ok(()));
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
    assert_eq!(judge(&[identity.certificate().to_vec()], &anchors), Ok(()));
}

#[test]
fn a_missing_intermediate_is_named() {
    let hierarchy = Hierarchy::new();
    let identity = hierarchy.server();
    assert_eq!(
        hierarchy.judge(&[identity.certificate().to_vec()]),
        Err(ChainError::UnknownIssuer {
            subject: HEADEND.to_owned(),
            issuer: "cn=Issuing".to_owned(),
            trusted: trusted("cn=Root"),
        })
    );
}

#[test]
fn a_root_that_is_sent_is_not_trusted_for_it() {
    let hierarchy = Hierarchy::new();
    let mut sent = hierarchy.sent();
    sent.push(hierarchy.root.certificate().to_vec());
    let other = p256("Other");
    let anchors = TrustAnchors::new(&[other.certificate()]).unwrap();
    assert_eq!(
        judge(&sent, &anchors),
        Err(ChainError::UntrustedRoot {
            root: "cn=Root".to_owned(),
            trusted: trusted("cn=Other"),
        })
    );
}

#[test]
fn without_anchors_nothing_holds() {
    let hierarchy = Hierarchy::new();
    let anchors = TrustAnchors::new(NONE).unwrap();
    assert!(anchors.is_empty());
    assert_eq!(
        judge(&hierarchy.sent(), &anchors),
        Err(ChainError::UnknownIssuer {
            subject: "cn=Issuing".to_owned(),
            issuer: "cn=Root".to_owned(),
            trusted: Trusted::Chosen {
                first: Vec::new(),
                count: 0,
            },
        })
    );
}

#[test]
fn a_machines_authorities_are_called_by_their_file() {
    let hierarchy = Hierarchy::new();
    let anchors = TrustAnchors::new(&[p256("Other").certificate()]).unwrap();
    let anchors = anchors.of_machine(Path::new("/etc/ssl/certs/all.crt"));
    let error = judge(&hierarchy.sent(), &anchors).unwrap_err().to_string();
    let told = "(trusted: the machine's 1 root certificates in /etc/ssl/certs/all.crt)";
    assert!(error.ends_with(told), "{error}");
}

#[test]
fn a_self_signed_certificate_is_called_that() {
    let hierarchy = Hierarchy::new();
    let file = include_bytes!("../../../../tests/data/pki/self-signed.p12");
    let identity = crate::pki::read_pkcs12(file, PASSWORD).unwrap().identity;
    let own_authority = p256("Mine");
    for (certificate, subject) in [
        (identity.certificate(), HEADEND),
        (own_authority.certificate(), "cn=Mine"),
    ] {
        assert_eq!(
            hierarchy.judge(&[certificate.to_vec()]),
            Err(ChainError::SelfSigned {
                subject: subject.to_owned()
            })
        );
    }
}

#[test]
fn a_self_signed_certificate_is_refused_even_where_it_is_trusted() {
    let own = p256("Mine");
    let anchors = TrustAnchors::new(&[own.certificate()]).unwrap();
    assert_eq!(
        verify(&[own.certificate().to_vec()], &anchors, &Purpose::Client),
        Err(ChainError::SelfSigned {
            subject: "cn=Mine".to_owned()
        })
    );
}

#[test]
fn authorities_that_certify_each_other_end_the_search() {
    let one = p256("One");
    let two = p256("Two");
    let identity = one.issue(&server_request()).unwrap();
    let sent = [
        identity.certificate().to_vec(),
        one.cross_certified_by(&two, year()),
        two.cross_certified_by(&one, year()),
    ];
    let hierarchy = Hierarchy::new();
    assert_eq!(
        hierarchy.judge(&sent),
        Err(ChainError::UnknownIssuer {
            subject: "cn=Two".to_owned(),
            issuer: "cn=One".to_owned(),
            trusted: trusted("cn=Root"),
        })
    );
}

#[test]
fn the_deepest_chain_that_is_read_is_too_deep_to_hold() {
    let root = p256("Root");
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
        judge(&sent, &anchors),
        Err(ChainError::PathTooLong {
            subject: HEADEND.to_owned()
        })
    );
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

#[test]
fn of_many_trusted_authorities_the_first_are_named_by_what_tells_them_apart() {
    let names: Vec<String> = (1..=8).map(|number| format!("Root {number}")).collect();
    let roots: Vec<Authority> = names.iter().map(|name| p256(name)).collect();
    let openssl = pem(ROOT_PEM);
    let mut certificates: Vec<&[u8]> = vec![&openssl];
    certificates.extend(roots.iter().map(Authority::certificate));
    let anchors = TrustAnchors::new(&certificates).unwrap();
    let sent = Hierarchy::new().sent();
    let told = judge(&sent, &anchors).unwrap_err().to_string();
    assert!(
        told.ends_with("(trusted: cn=Root CA, cn=Root 1, cn=Root 2 and 6 more)"),
        "{told}"
    );
}
