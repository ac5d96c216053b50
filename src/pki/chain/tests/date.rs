//! When a certificate is good.

use super::*;

#[test]
fn an_expired_leaf_is_refused_with_its_date() {
    assert_eq!(
        refused(|request| request.validity = ended(1)),
        ChainError::Expired {
            subject: HEADEND.to_owned(),
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
            subject: HEADEND.to_owned(),
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
        hierarchy.judge(&chain(&identity)),
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
        judge(&chain(&identity), &anchors),
        Err(ChainError::Expired {
            subject: "cn=Old Root".to_owned(),
            not_after: NOW.saturating_sub(days(3)),
            now: NOW,
        })
    );
}
