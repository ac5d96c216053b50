//! What the tests of certificates share. Keys are P-256, which both signature providers can make.

use std::time::Duration;

use super::Timestamp;
use super::authority::{Authority, KeyAlgorithm, LeafRequest, Validity};
use super::certificate::SubjectAltName;
use super::chain::{ServerIdentity, TrustAnchors};
use super::identity::Identity;

/// 2026-01-01 00:00:00 UTC: the tests' present.
pub(super) const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

pub(super) const DAY: Duration = days(1);

pub(super) const fn days(count: u32) -> Duration {
    Duration::from_secs(24 * 60 * 60).saturating_mul(count)
}

pub(super) const PASSWORD: &str = "cisco123";

pub(super) const OPENSSL3: &[u8] = include_bytes!("../../tests/data/pki/openssl3.p12");
pub(super) const ROOT_PEM: &[u8] = include_bytes!("../../tests/data/pki/root.pem");
pub(super) const P224_PEM: &[u8] = include_bytes!("../../tests/data/pki/p224.pem");
pub(super) const P521_PEM: &[u8] = include_bytes!("../../tests/data/pki/p521.pem");
pub(super) const SUB_PEM: &[u8] = include_bytes!("../../tests/data/pki/sub.pem");
pub(super) const SERVER_PEM: &[u8] = include_bytes!("../../tests/data/pki/server.pem");

pub(super) fn pem(text: &[u8]) -> Vec<u8> {
    super::pem::read_pem_certificates(text).unwrap().remove(0)
}

pub(super) fn year() -> Validity {
    Validity::starting(NOW, days(365))
}

pub(super) fn host(text: &str) -> ServerIdentity {
    ServerIdentity::parse(text).unwrap()
}

/// `Root` over `Issuing`, and what they issue.
pub(super) struct Hierarchy {
    pub(super) root: Authority,
    pub(super) issuing: Authority,
}

impl Hierarchy {
    pub(super) fn new() -> Self {
        let root = Authority::root("Root", KeyAlgorithm::EcdsaP256, year()).unwrap();
        let issuing = root
            .intermediate("Issuing", KeyAlgorithm::EcdsaP256, year())
            .unwrap();
        Self { root, issuing }
    }

    pub(super) fn anchors(&self) -> TrustAnchors {
        TrustAnchors::new(&[self.root.certificate()]).unwrap()
    }

    pub(super) fn authorities(&self) -> Vec<Vec<u8>> {
        vec![self.root.certificate().to_vec()]
    }

    /// A headend that is called `vpn.example.com`, `*.wild.example` and 192.0.2.1.
    pub(super) fn server(&self) -> Identity {
        self.issuing.issue(&server_request()).unwrap()
    }
}

pub(super) fn server_request() -> LeafRequest {
    let mut request = LeafRequest::server(
        &[host("vpn.example.com"), host("192.0.2.1")],
        KeyAlgorithm::EcdsaP256,
        year(),
    );
    request
        .names
        .push(SubjectAltName::Dns("*.wild.example".to_owned()));
    request
}

pub(super) fn client_request() -> LeafRequest {
    LeafRequest::client(
        "alice",
        vec![SubjectAltName::Email("alice@example.com".to_owned())],
        KeyAlgorithm::EcdsaP256,
        year(),
    )
}

pub(super) fn chain(identity: &Identity) -> Vec<Vec<u8>> {
    identity.chain().map(<[u8]>::to_vec).collect()
}
