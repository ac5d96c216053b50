//! `crypto pki trustpoint`.

use super::keywords;

/// `crypto pki trustpoint NAME`. Certificates and keys themselves are in the state folder.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Trustpoint {
    /// `enrollment …`: how its certificates come.
    pub enrollment: Option<Enrollment>,
    /// `rsakeypair LABEL` or `eckeypair LABEL`, where the label is the trustpoint's own name. The key pair
    /// of a trustpoint always bears that name here, so the line is only held for the print.
    pub key_pair: Option<KeyPair>,
    /// `revocation-check none` was written or is implied by an import. Revocation is not checked
    /// in any case; `crl` and `ocsp` are refused rather than promised.
    pub revocation_check: Option<RevocationCheck>,
}

/// What kind a trustpoint's key pair is said to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyPair {
    /// `rsakeypair`.
    Rsa,
    /// `eckeypair`.
    Ec,
}

/// How a trustpoint's certificates come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Enrollment {
    /// `pkcs12`: an imported PKCS#12 file.
    Pkcs12,
    /// `terminal`: certificates given by hand.
    Terminal,
    /// `terminal pem`: the same, in PEM.
    TerminalPem,
}

keywords! {
    /// How revocation is checked.
    pub enum RevocationCheck {
        /// Not at all.
        None = "none", "Ignore revocation check";
    }
    refused {
        "crl", "revocation checks by certificate revocation list";
        "ocsp", "revocation checks by OCSP";
    }
}
