use proptest::prelude::*;
use rcgen::CustomExtension;

use super::super::authority::{Authority, KeyAlgorithm, LeafRequest};
use super::super::test_support::*;
use super::*;

// The expected values are what `openssl x509 -text` shows for the same file.
#[test]
fn reads_what_openssl_wrote() {
    let der = pem(SERVER_PEM);
    let summary = describe(&der).unwrap();
    assert_eq!(
        summary.subject.to_string(),
        "cn=vpn.example.com,o=Ironflex Test,c=DE"
    );
    assert_eq!(
        summary.issuer.to_string(),
        "cn=Issuing CA,o=Ironflex Test,c=DE"
    );
    assert_eq!(summary.not_before.to_string(), "00:00:00 UTC Jan 1 2025");
    assert_eq!(summary.not_after.to_string(), "23:59:59 UTC Dec 31 2124");
    assert_eq!(
        summary.subject_alt_names,
        [
            SubjectAltName::Dns("vpn.example.com".to_owned()),
            SubjectAltName::Ip([192, 0, 2, 1].into()),
            SubjectAltName::Ip("2001:db8::1".parse().unwrap()),
        ]
    );
    assert_eq!(
        summary.key_usage.unwrap().to_string(),
        "digitalSignature, keyEncipherment"
    );
    assert_eq!(
        summary.extended_key_usage,
        Some(vec![KeyPurpose::ServerAuth])
    );
    assert_eq!(summary.version, 3);
    assert!(!summary.is_authority);
    assert!(!summary.is_self_issued());
    assert_eq!(summary.unknown_critical_extensions, Vec::<String>::new());
    assert_eq!(summary.signature_algorithm, "sha256WithRSAEncryption");
    assert_eq!(summary.key, KeyKind::Rsa { bits: 2048 });
    let root = describe(&pem(ROOT_PEM)).unwrap();
    assert!(root.is_authority && root.is_self_issued());
    assert_eq!(root.extended_key_usage, None);
}

// RFC 7296 §3.7: the independent computation cuts the SubjectPublicKeyInfo out of the certificate by its header.
#[test]
fn the_key_hash_covers_the_whole_subject_public_key_info() {
    let der = pem(SERVER_PEM);
    let rsa_2048_spki_header = [
        0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
        0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00,
    ];
    let start = der
        .windows(rsa_2048_spki_header.len())
        .position(|window| window == rsa_2048_spki_header)
        .unwrap();
    let spki = &der[start..start + 4 + 0x122];
    let summary = describe(&der).unwrap();
    assert_eq!(summary.spki_der, spki);
    assert_eq!(summary.spki_sha1, <[u8; 20]>::from(Sha1::digest(spki)));
}

#[test]
fn rejects_every_truncation_and_trailing_octets() {
    let der = pem(SERVER_PEM);
    for length in 0..der.len() {
        assert!(
            matches!(
                describe(&der[..length]),
                Err(MalformedCertificate::Structure { .. })
            ),
            "{length} octets"
        );
    }
    let mut long = der;
    long.extend([0, 0, 0]);
    assert_eq!(
        describe(&long),
        Err(MalformedCertificate::TrailingOctets { octets: 3 })
    );
}

// RFC 5280 §4.2: one of each extension; a second keyUsage must not hide the first.
#[test]
fn rejects_repeated_and_unreadable_extensions() {
    let hierarchy = Hierarchy::new();
    let key_usage = [2, 5, 29, 15];
    for content in [vec![0x03, 0x02, 0x07, 0x80], vec![0x04, 0x00]] {
        let identity = hierarchy
            .issuing
            .issue_edited(&server_request(), |parameters| {
                if content[0] == 0x04 {
                    parameters.key_usages.clear();
                }
                parameters
                    .custom_extensions
                    .push(CustomExtension::from_oid_content(
                        &key_usage,
                        content.clone(),
                    ));
            });
        assert_eq!(
            describe(identity.certificate()),
            Err(MalformedCertificate::Extension {
                oid: "2.5.29.15".to_owned()
            })
        );
    }
}

// RFC 4945 §3.1.1 to §3.1.5.
#[test]
fn certifies_exact_identities_alone() {
    let hierarchy = Hierarchy::new();
    let server = describe(hierarchy.server().certificate()).unwrap();
    let client = describe(
        hierarchy
            .issuing
            .issue(&client_request())
            .unwrap()
            .certificate(),
    )
    .unwrap();
    for (summary, name, expected) in [
        (&server, ClaimedName::Fqdn("vpn.example.com"), true),
        (&server, ClaimedName::Fqdn("VPN.EXAMPLE.COM"), true),
        (&server, ClaimedName::Fqdn("*.wild.example"), true),
        (&server, ClaimedName::Fqdn("a.wild.example"), false),
        (&server, ClaimedName::Fqdn("example.com"), false),
        (&server, ClaimedName::Ip([192, 0, 2, 1].into()), true),
        (&server, ClaimedName::Ip([192, 0, 2, 2].into()), false),
        (&server, ClaimedName::Email("vpn.example.com"), false),
        (&client, ClaimedName::Email("Alice@Example.com"), true),
        (&client, ClaimedName::Fqdn("alice@example.com"), false),
        (
            &client,
            ClaimedName::DistinguishedName(&client.subject.der),
            true,
        ),
        (
            &client,
            ClaimedName::DistinguishedName(&client.issuer.der),
            false,
        ),
    ] {
        assert_eq!(summary.certifies(&name), expected, "{name:?}");
    }
}

#[test]
fn a_hostile_name_reaches_no_terminal() {
    let request = LeafRequest::client(
        "a\u{1b}[2J,\u{202e}b\\",
        Vec::new(),
        KeyAlgorithm::EcdsaP256,
        year(),
    );
    let identity = Authority::root("Root", KeyAlgorithm::EcdsaP256, year())
        .unwrap()
        .issue(&request)
        .unwrap();
    let subject = describe(identity.certificate()).unwrap().subject;
    assert_eq!(subject.to_string(), r"cn=a\u{1b}[2J\,\u{202e}b\\");
    assert_eq!(subject.common_name(), Some("a\u{1b}[2J,\u{202e}b\\"));
}

#[test]
fn a_signature_verifies_under_its_issuers_key_alone() {
    let hierarchy = Hierarchy::new();
    let leaf = hierarchy.server();
    let spki = |der: &[u8]| describe(der).unwrap().spki_der;
    assert!(is_signed_by(
        leaf.certificate(),
        &spki(hierarchy.issuing.certificate())
    ));
    assert!(!is_signed_by(
        leaf.certificate(),
        &spki(hierarchy.root.certificate())
    ));
    assert!(is_signed_by(&pem(SERVER_PEM), &spki(&pem(SUB_PEM))));
    assert!(!is_signed_by(&pem(SERVER_PEM), b"junk"));
}

proptest! {
    #[test]
    fn junk_is_an_error(der in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(describe(&der).is_err());
    }

    #[test]
    fn damage_never_panics_nor_shows_control_characters(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut der = pem(SERVER_PEM);
        for (index, value) in damage {
            let at = index.index(der.len());
            der[at] = value;
        }
        if let Ok(summary) = describe(&der) {
            let shown = format!("{} {}", summary.subject, summary.issuer);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
