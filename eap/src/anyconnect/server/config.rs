//! What stands before a conversation: the profile's choices and the session's names.

use alloc::{format, string::String, vec::Vec};
use core::num::NonZeroU8;

use crate::{
    Secret,
    anyconnect::config_auth::{ProfileFile, Sha1Digest},
};

/// Characters of the headend's version that the documents carry.
const MAX_VERSION: usize = 64;
/// What an IKEv2 profile says about the method. Shared by all its conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The name that the opaque carries; the headend's own use, the client only returns it.
    pub tunnel_group: String,
    /// The TCP port of the HTTPS server for downloads. 443 on a router.
    pub csport: u16,
    /// Title of the login window; absent, the client has its own.
    pub title: Option<String>,
    /// Text above the login form.
    pub message: Option<String>,
    /// Text that the user sees before the login form.
    pub banner: Option<String>,
    /// Text that the user sees after the login.
    pub success_banner: Option<String>,
    /// Logins that may be tried in one conversation. Defaults to 3.
    pub tries: NonZeroU8,
    /// Whether a certificate is asked for.
    pub certificate: CertificatePolicy,
    /// The groups to choose from, the first one preselected. Empty: there is no choice and no list.
    pub groups: Vec<String>,
    /// The hash by which the client knows the headend's certificate.
    pub server_cert_hash: Sha1Digest,
    /// The client's XML profile. Only a file that HTTPS really serves on `csport`: a client that
    /// cannot fetch an advertised profile gives the connection up.
    pub profile_manifest: Option<ProfileFile>,
    /// The headend's software version, of which 64 characters are told; absent, nothing is.
    pub version: Option<String>,
}

/// Whether the headend asks for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificatePolicy {
    /// No certificate is asked for, and one that comes unasked is not looked at.
    #[default]
    Off,
    /// `client-cert-request` precedes everything else.
    Request {
        /// What a client without a usable certificate gets.
        without: WithoutCertificate,
        /// What follows a good certificate.
        after: AfterCertificate,
    },
}

/// What a client without a usable certificate gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutCertificate {
    /// EAP-Failure, as IOS-XE's `cert-request` has it: the certificate is a factor, no form is
    /// shown without it.
    Refuse,
    /// The password form: the certificate is an alternative.
    AskPassword,
}

/// What follows a good certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCertificate {
    /// The password form: two factors.
    AskPassword,
    /// `authentication-complete`: the certificate is enough.
    Finish,
}

/// What names one session towards the client: number and token, as `complete` carries them.
#[derive(PartialEq, Eq)]
pub struct SessionIds {
    /// The session's number.
    pub id: u32,
    /// The session's token: who presents it on the HTTPS port may download.
    pub token: Secret,
}

impl ServerConfig {
    /// A profile that asks for a password, three times, without texts, groups and downloads.
    pub fn new(tunnel_group: impl Into<String>, server_cert_hash: Sha1Digest) -> Self {
        Self {
            tunnel_group: tunnel_group.into(),
            csport: 443,
            title: None,
            message: None,
            banner: None,
            success_banner: None,
            tries: NonZeroU8::MIN.saturating_add(2),
            certificate: CertificatePolicy::Off,
            groups: Vec::new(),
            server_cert_hash,
            profile_manifest: None,
            version: None,
        }
    }

    /// A number that changes when what the form depends on does: `config-hash` in the opaque.
    /// FNV-1a, no security rests on it.
    pub(super) fn config_hash(&self) -> u64 {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let texts = [&self.title, &self.message, &self.banner];
        let texts = texts
            .into_iter()
            .flatten()
            .chain([&self.tunnel_group])
            .chain(&self.groups);
        texts
            .flat_map(|text| text.bytes().chain([0]))
            .fold(OFFSET, |hash, octet| {
                (hash ^ u64::from(octet)).wrapping_mul(PRIME)
            })
    }

    pub(super) fn version(&self) -> Option<String> {
        self.version
            .as_ref()
            .map(|version| version.chars().take(MAX_VERSION).collect())
    }
}

impl SessionIds {
    /// Names a session: `id` is the number, `random` makes the token unguessable.
    ///
    /// The token has the form of the captured ones, `6hex@id@4hex@40hex` (docs/anyconnect-eap.md,
    /// Session token).
    pub fn new(id: u32, random: &[u8; 25]) -> Self {
        let mut token = String::with_capacity(64);
        for (position, octet) in random.iter().enumerate() {
            match position {
                3 => token.push_str(&format!("@{id}@")),
                5 => token.push('@'),
                _ => {}
            }
            for digit in [octet >> 4, octet & 0x0f] {
                token.push(
                    char::from_digit(u32::from(digit), 16)
                        .unwrap_or_default()
                        .to_ascii_uppercase(),
                );
            }
        }
        Self {
            id,
            token: Secret::new(token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_tokens_have_the_captured_form() {
        let random = core::array::from_fn(|index| index as u8 + 0xa0);
        let session = SessionIds::new(2_152_177_229, &random);
        assert_eq!(
            session.token.expose(),
            "A0A1A2@2152177229@A3A4@A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8"
        );
    }

    #[test]
    fn the_config_hash_follows_the_form() {
        let mut config = ServerConfig::new("G", Sha1Digest([0; 20]));
        let before = config.config_hash();
        config.csport = 8443;
        assert_eq!(config.config_hash(), before);
        config.groups.push("sales".into());
        assert_ne!(config.config_hash(), before);
    }
}
