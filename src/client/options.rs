//! What `ironflex connect` is told.

use std::path::PathBuf;

use ironflex_ikev2::config::IkeProposal;

use super::{
    end::EXIT_CODES,
    offer::{self, PROPOSALS},
    proof::Auth,
    redirect::MAX_REDIRECTS,
    written_identity::{FORMS, identity_text},
};
use crate::dataplane::Choice;

/// The identity that Cisco's clients send (docs/anyconnect-eap.md).
pub const ANYCONNECT_IDENTITY: &str = "*$AnyConnectClient$*";

/// The certificates that the system trusts, as Debian and others keep them.
pub const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How long the tunnel's SA may be missing once the IKE SA is up, in seconds: a request that is not answered at all is given up
/// sooner, and a headend that puts it off for a minute will hardly make it.
pub const TUNNEL_WAIT: u16 = 60;

/// `ironflex connect`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = format!("{FORMS}\n\n{PROPOSALS}\n\n{EXIT_CODES}"))]
pub struct Options {
    /// The headend: a name, an address, or a display name out of --profile
    pub host: String,
    /// The user; asked for if not said
    #[arg(long, short)]
    pub user: Option<String>,
    /// Read the password from standard input, one line; it is asked for otherwise
    #[arg(long, requires = "user")]
    pub password_stdin: bool,
    /// The authorities to trust, PEM; if not said, those in --pkcs12, and without them the system's
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A client profile to look HOST up in
    #[arg(long, value_name = "acvpn.xml")]
    pub profile: Option<PathBuf>,
    /// How to prove oneself to the headend
    #[arg(long, value_enum, default_value_t = Auth::AnyconnectEap)]
    pub auth: Auth,
    /// Our certificate, PEM, and after it those between it and the root; with --auth anyconnect-eap it is shown to a headend
    /// that asks for one besides the password
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "pkcs12")]
    pub cert: Option<PathBuf>,
    /// Its private key, PEM: PKCS #8, RSA or P-256, P-384, P-521
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Certificate, private key and authorities in one file
    #[arg(long, value_name = "FILE")]
    pub pkcs12: Option<PathBuf>,
    /// The file with its password, one line, or - for standard input; it is asked for otherwise
    #[arg(long, value_name = "FILE", requires = "pkcs12")]
    pub pkcs12_password_file: Option<PathBuf>,
    /// The file with the pre-shared key, one line; the headend proves itself by the same key
    #[arg(long, value_name = "FILE", required_if_eq("auth", "pre-share"))]
    pub psk_file: Option<PathBuf>,
    /// The name of the post-quantum pre-shared key
    #[arg(long, value_name = "ID", requires = "ppk_file")]
    pub ppk_id: Option<String>,
    /// The file with the post-quantum pre-shared key, one line
    #[arg(long, value_name = "FILE", requires = "ppk_id")]
    pub ppk_file: Option<PathBuf>,
    /// Take no headend that does without that key
    #[arg(long, requires = "ppk_id")]
    pub ppk_required: bool,
    /// Our IKE identity: fqdn:NAME, email:NAME, address:ADDRESS, key-id:TEXT, or TEXT for a key-id (below). If not said: with rsa-sig
    /// and ecdsa-sig the certificate's subject (or its first alternative name where the subject is empty), with a
    /// pre-shared key our address, else the one of Cisco's clients
    #[arg(long, value_name = "[TYPE:]IDENTITY", value_parser = identity_text)]
    pub identity: Option<String>,
    /// The headend's IKE identity, in the same form; no other is taken
    #[arg(long, value_name = "[TYPE:]IDENTITY", value_parser = identity_text)]
    pub remote_id: Option<String>,
    /// Begin without the tunnel's SA, and make that in an exchange of its own (RFC 6023); only with a headend that offers it, as
    /// ours does but to --auth anyconnect-eap
    #[arg(long)]
    pub childless: bool,
    /// Offer these IKE algorithms and no others, such as aes-gcm-256/sha384/20; more than once for several
    #[arg(long = "proposal", value_name = "ENCRYPTION/HASH/GROUP[/PQC]", value_parser = offer::proposal)]
    pub proposals: Vec<IkeProposal>,
    /// The group to choose
    #[arg(long, short)]
    pub group: Option<String>,
    /// Leave the resolver alone
    #[arg(long)]
    pub no_dns: bool,
    /// What carries ESP: auto, kernel or userspace
    #[arg(long, value_name = "KIND", default_value_t = Choice::Auto)]
    pub dataplane: Choice,
    /// Print JSON lines on standard output
    #[arg(long)]
    pub json: bool,
    /// Do not reconnect after a loss. While a client does, what belongs into the tunnel goes nowhere, and nothing of it in clear
    #[arg(long)]
    pub once: bool,
    /// Do without MOBIKE: where our own address changes, connect again; where only a NAT's mapping does, the headend follows
    #[arg(long)]
    pub no_mobike: bool,
    /// Ask the headend for a sign of life this often; it is lost when none comes for another half minute
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub dpd: u16,
    /// Follow the headend to so many other ones within five minutes; 0 for none
    #[arg(long, value_name = "N", default_value_t = MAX_REDIRECTS)]
    pub max_redirects: u8,
    /// Rekey the IKE SA and the tunnel's SAs before they are this old; a day and an hour if not said
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(4..=86_400))]
    pub lifetime: Option<u32>,
    /// How long the tunnel's SA may be missing once the headend has let this client in
    #[arg(long, hide = true, value_name = "SECONDS", default_value_t = TUNNEL_WAIT)]
    pub tunnel_wait: u16,
    /// Write key tables for Wireshark into this folder
    #[arg(long, value_name = "DIR")]
    pub keylog: Option<PathBuf>,
}
