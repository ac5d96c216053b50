//! What the subjects of the tests share: a hierarchy, and chains that differ from its good one in what a test names.

mod date;
mod hostile;
mod name;
mod path;
mod usage;

use rcgen::CertificateParams;

use super::*;
use crate::pki::{
    authority::{Authority, KeyAlgorithm, LeafRequest, Validity},
    test_support::*,
};

const NONE: &[Vec<u8>] = &[];

/// The headend's subject.
const HEADEND: &str = "cn=vpn.example.com";

fn server(name: &str) -> Purpose {
    Purpose::Server { name: host(name) }
}

fn verify(chain: &[Vec<u8>], anchors: &TrustAnchors, purpose: &Purpose) -> Result<(), ChainError> {
    verify_peer_chain(chain, anchors, NONE, NOW, purpose).map(|_| ())
}

/// Judges a chain as that of the headend `vpn.example.com`.
fn judge(chain: &[Vec<u8>], anchors: &TrustAnchors) -> Result<(), ChainError> {
    verify(chain, anchors, &server("vpn.example.com"))
}

fn p256(name: &str) -> Authority {
    Authority::root(name, KeyAlgorithm::EcdsaP256, year()).unwrap()
}

impl Hierarchy {
    /// Judges a chain as that of the headend.
    fn judge(&self, sent: &[Vec<u8>]) -> Result<(), ChainError> {
        judge(sent, &self.anchors())
    }

    /// What the headend sends.
    fn sent(&self) -> Vec<Vec<u8>> {
        chain(&self.server())
    }

    /// The same with a changed request.
    fn sent_as(&self, edit: impl FnOnce(&mut LeafRequest)) -> Vec<Vec<u8>> {
        let mut request = server_request();
        edit(&mut request);
        chain(&self.issuing.issue(&request).unwrap())
    }

    /// The same with changed contents of the certificate.
    fn sent_edited(&self, edit: impl FnOnce(&mut CertificateParams)) -> Vec<Vec<u8>> {
        let issued = self.issuing.issue_edited(&server_request(), edit);
        chain(&issued)
    }

    /// What a headend sends whose certificate comes from another intermediate authority, with changed contents.
    fn below(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Vec<Vec<u8>> {
        let intermediate = self.root.intermediate_edited(name, year(), edit);
        chain(&intermediate.issue(&server_request()).unwrap())
    }
}

/// The error of a headend's chain that is made with a changed request.
fn refused(edit: impl FnOnce(&mut LeafRequest)) -> ChainError {
    let hierarchy = Hierarchy::new();
    hierarchy.judge(&hierarchy.sent_as(edit)).unwrap_err()
}

fn ended(days_ago: u32) -> Validity {
    Validity {
        not_before: NOW.saturating_sub(days(900)),
        not_after: NOW.saturating_sub(days(days_ago)),
    }
}

// Found out when it is read, and not when the first client logs in.
#[test]
fn an_authority_whose_key_the_library_lacks_is_named_with_the_library() {
    let all = [ROOT_PEM, P224_PEM, P521_PEM].map(pem);
    let anchors = TrustAnchors::new(&all).unwrap();
    let said: Vec<String> = anchors
        .unsupported_authorities()
        .iter()
        .map(ToString::to_string)
        .collect();
    let p224 = "has no EC 1.3.132.0.33: nobody is believed by the authority cn=P-224 CA";
    #[cfg(feature = "aws-lc")]
    assert_eq!(
        said,
        [format!(
            "this build's cryptographic library (aws-lc) {p224}"
        )]
    );
    #[cfg(not(feature = "aws-lc"))]
    assert_eq!(
        said,
        [
            p224,
            "has no EC P-521: nobody is believed by the authority cn=P-521 CA"
        ]
        .map(|text| format!("this build's cryptographic library (ring) {text}"))
    );
    assert_eq!(Hierarchy::new().anchors().unsupported_authorities(), []);
}
