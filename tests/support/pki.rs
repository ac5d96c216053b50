//! A certification authority and what it issued, made once for all cases.

use std::{sync::LazyLock, time::Duration};

use ironflex::{
    clock::wall_clock,
    pki::{
        ServerIdentity,
        authority::{Authority, KeyAlgorithm, LeafRequest, Validity},
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
}

/// The tests' certificates.
pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let validity = Validity::starting(wall_clock(), Duration::from_secs(365 * 24 * 3600));
    let root = |name| Authority::root(name, KeyAlgorithm::EcdsaP256, validity).unwrap();
    let (authority, stranger) = (root("Lab CA"), root("Nobody's CA"));
    let names = NAMES.map(|name| ServerIdentity::parse(name).unwrap());
    // RSA, because the headend proves itself by rsa-sig.
    let request = LeafRequest::server(&names, KeyAlgorithm::Rsa2048, validity);
    let issue = || {
        let identity = authority.issue(&request).unwrap();
        let authorities = [authority.certificate()];
        let file = write_pkcs12(&identity, &authorities, "headend", PASSWORD).unwrap();
        file.to_vec()
    };
    Pki {
        headend: issue(),
        renewed: issue(),
        authority: write_pem_certificates(&[authority.certificate()]),
        stranger: write_pem_certificates(&[stranger.certificate()]),
    }
});
