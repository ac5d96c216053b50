//! What `ironflex connect` is told.

use std::path::PathBuf;

use super::end::EXIT_CODES;
use crate::dataplane::Choice;

/// The identity that Cisco's clients send (docs/anyconnect-eap.md).
pub const ANYCONNECT_IDENTITY: &str = "*$AnyConnectClient$*";

/// The certificates that the system trusts, as Debian and others keep them.
pub const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// `ironflex connect`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Options {
    /// The headend: a name, an address, or a display name out of --profile
    pub host: String,
    /// The user; asked for if not said
    #[arg(long, short)]
    pub user: Option<String>,
    /// Read the password from standard input, one line; it is asked for otherwise
    #[arg(long, requires = "user")]
    pub password_stdin: bool,
    /// The authorities to trust, PEM; the system's if not said
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A client profile to look HOST up in
    #[arg(long, value_name = "acvpn.xml")]
    pub profile: Option<PathBuf>,
    /// The IKE identity, a key-id
    #[arg(long, value_name = "KEY-ID")]
    pub identity: Option<String>,
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
    /// Do not reconnect after a loss
    #[arg(long)]
    pub once: bool,
    /// Ask the headend for a sign of life this often; it is lost when none comes for another half minute
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub dpd: u16,
    /// Write key tables for Wireshark into this folder
    #[arg(long, value_name = "DIR")]
    pub keylog: Option<PathBuf>,
}
