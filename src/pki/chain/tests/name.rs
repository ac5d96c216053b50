//! What a certificate must call its holder.

use rcgen::{GeneralSubtree, NameConstraints};

use super::*;

#[test]
fn names_match_in_any_case_by_wildcard_and_by_address() {
    let hierarchy = Hierarchy::new();
    let sent = hierarchy.sent();
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
    let sent = hierarchy.sent();
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
                subject: HEADEND.to_owned(),
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
            subject: HEADEND.to_owned(),
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

// RFC 5280 §4.2.1.10: an authority may certify no name outside its permitted subtrees.
#[test]
fn a_name_outside_the_issuers_constraint_is_refused() {
    let hierarchy = Hierarchy::new();
    let sent = hierarchy.below("Narrow", |parameters| {
        parameters.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    assert_eq!(
        hierarchy.judge(&sent),
        Err(ChainError::NameConstraint {
            subject: HEADEND.to_owned()
        })
    );
}
