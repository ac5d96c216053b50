//! How client and headend prove themselves to each other, as the command line says.

use std::{fmt, path::Path};

use clap::ValueEnum;
use ironflex_ikev2::{
    config::{AcceptedProofs, InitiatorAuthentication, LocalAuthentication, Ppk},
    secret::{PreSharedKey, SecretBytes},
};

use super::{End, Options, credentials::Credentials};
use crate::daemon::load::read_bounded;

/// The longest file with a pre-shared key, in octets.
const MAX_KEY: u64 = 4096;

/// `--auth`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// A user and a password inside EAP; the headend shows a certificate
    #[default]
    AnyconnectEap,
    /// A certificate with an RSA key; the headend shows one too
    RsaSig,
    /// A certificate with an elliptic-curve key; the headend shows one too
    EcdsaSig,
    /// One key that both ends have
    PreShare,
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnyconnectEap => "anyconnect-eap",
            Self::RsaSig => "rsa-sig",
            Self::EcdsaSig => "ecdsa-sig",
            Self::PreShare => "pre-share",
        })
    }
}

/// What either end proves itself with.
pub(super) struct Proofs {
    /// Ours.
    pub(super) own: InitiatorAuthentication,
    /// What is taken from the headend.
    pub(super) headend: AcceptedProofs,
}

impl Proofs {
    /// Reads what the command line names; `own` is our certificate, if there is one.
    ///
    /// # Errors
    ///
    /// [`End::Local`] for a file that cannot be read or holds no key, and for a certificate that is needed and not there.
    pub(super) fn read(options: &Options, own: Option<&Credentials>) -> Result<Self, End> {
        let by_certificate = AcceptedProofs {
            rsa_signature: true,
            ecdsa_signature: true,
            pre_shared_key: None,
        };
        match (options.auth, &options.psk_file) {
            (Auth::PreShare, Some(path)) => {
                let key = read_key(path)?;
                Ok(Self {
                    own: InitiatorAuthentication::Auth(LocalAuthentication::PreSharedKey(
                        key.clone(),
                    )),
                    headend: AcceptedProofs {
                        pre_shared_key: Some(key),
                        ..AcceptedProofs::default()
                    },
                })
            }
            (Auth::PreShare, None) => {
                Err(End::Local("--auth pre-share needs --psk-file FILE".into()))
            }
            (Auth::AnyconnectEap, _) => Ok(Self {
                own: InitiatorAuthentication::AnyConnectEap,
                headend: by_certificate,
            }),
            (Auth::RsaSig | Auth::EcdsaSig, _) => {
                let own =
                    own.ok_or_else(|| End::Local("there is no certificate to show".into()))?;
                Ok(Self {
                    own: InitiatorAuthentication::Auth(LocalAuthentication::Certificate {
                        chain: own.chain.clone(),
                        key: own.signer.kind(),
                    }),
                    headend: by_certificate,
                })
            }
        }
    }
}

/// The post-quantum pre-shared key that the command line names, if it does.
///
/// # Errors
///
/// [`End::Local`] for a file that cannot be read or holds no key.
pub(super) fn post_quantum_key(options: &Options) -> Result<Option<Ppk>, End> {
    let (Some(id), Some(path)) = (&options.ppk_id, &options.ppk_file) else {
        return Ok(None);
    };
    Ok(Some(Ppk {
        id: id.as_bytes().to_vec(),
        key: read_key(path)?,
        required: options.ppk_required,
    }))
}

/// A file that holds a key and at most one line end behind it.
fn read_key(path: &Path) -> Result<PreSharedKey, End> {
    let octets = read_bounded(path, MAX_KEY).map_err(|error| End::Local(error.to_string()))?;
    let key = octets.strip_suffix(b"\n").unwrap_or(&octets);
    let key = key.strip_suffix(b"\r").unwrap_or(key);
    PreSharedKey::new(SecretBytes::copied_from(key))
        .ok_or_else(|| End::Local(format!("{}: no key in it", path.display())))
}
