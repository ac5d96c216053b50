//! A certification authority and what it issued, made once for all cases.

use std::{sync::LazyLock, time::Duration};

use ironflex::{
    clock::wall_clock,
    pki::{
        ServerIdentity,
        authority::{Authority, KeyAlgorithm, LeafRequest, Validity},
        certificate::SubjectAltName,
        pem::write_pem_certificates,
        pkcs12::write_pkcs12,
    },
};

/// The password of every PKCS#12 file: the example configuration's.
pub(crate) const PASSWORD: &str = "cisco123";

/// The names in the headend's certificates.
pub(crate) const NAMES: [&str; 3] = ["vpn.example.com", "192.0.2.1", "2001:db8:2::1"];

/// Certificates as files hold them.
pub(crate) struct Pki {
    /// The authority of the headend's certificates, PEM.
    pub(crate) authority: String,
    /// An authority that issued nothing, PEM.
    pub(crate) stranger: String,
    /// The headend's identity, PKCS#12.
    pub(crate) headend: Vec<u8>,
    /// Another identity of the same names, PKCS#12.
    pub(crate) renewed: Vec<u8>,
    /// The same names with a key on P-384, PKCS#12.
    pub(crate) headend_ec: Vec<u8>,
    /// Two clients with RSA keys, PKCS#12.
    pub(crate) clients: [Vec<u8>; 2],
    /// A client with a key on P-256: certificate and key, PEM.
    pub(crate) client_ec: [String; 2],
}

/// The tests' certificates.
pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let validity = Validity::starting(wall_clock(), Duration::from_secs(365 * 24 * 3600));
    let root = |name| Authority::root(name, KeyAlgorithm::EcdsaP256, validity).unwrap();
    let (authority, stranger) = (root("Lab CA"), root("Nobody's CA"));
    let names = NAMES.map(|name| ServerIdentity::parse(name).unwrap());
    // RSA, because the headend proves itself by rsa-sig.
    let request = |algorithm| LeafRequest::server(&names, algorithm, validity);
    let issue = |request: &LeafRequest| {
        let identity = authority.issue(request).unwrap();
        let authorities = [authority.certificate()];
        let file = write_pkcs12(&identity, &authorities, "own", PASSWORD).unwrap();
        file.to_vec()
    };
    let client = |name: &str, algorithm| {
        let names = vec![SubjectAltName::Dns(format!("{name}.example.com"))];
        LeafRequest::client(name, names, algorithm, validity)
    };
    let ec = authority.issue(&client("curved", KeyAlgorithm::EcdsaP256));
    let ec = ec.unwrap();
    let rsa = request(KeyAlgorithm::Rsa2048);
    Pki {
        headend: issue(&rsa),
        renewed: issue(&rsa),
        headend_ec: issue(&request(KeyAlgorithm::EcdsaP384)),
        clients: ["one", "two"].map(|name| issue(&client(name, KeyAlgorithm::Rsa2048))),
        client_ec: [
            write_pem_certificates(&[ec.certificate()]),
            pem::encode(&pem::Pem::new("PRIVATE KEY", ec.key().pkcs8_der())),
        ],
        authority: write_pem_certificates(&[authority.certificate()]),
        stranger: write_pem_certificates(&[stranger.certificate()]),
    }
});
