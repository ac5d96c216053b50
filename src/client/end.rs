//! Why the client ended, in words and as an exit code.

/// Why the client ended. Exit code 2 is none of these: it is the command line's (see [`crate::operation`]).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// As the user wished (0).
    #[error("disconnected")]
    Disconnected,
    /// A file, the terminal or another thing of this machine beside its network (1).
    #[error("{0}")]
    Local(String),
    /// The headend's certificate or proof is not acceptable (3).
    #[error("the headend is not trusted: {0}")]
    Untrusted(String),
    /// The login was refused (4).
    #[error("login refused: {0}")]
    LoginRefused(String),
    /// There is no tunnel: no address, or no common algorithms (5).
    #[error("no tunnel: {0}")]
    NoTunnel(String),
    /// The connection was up, and the headend ended it or fell silent (6).
    #[error("connection lost: {0}")]
    Lost(String),
    /// The headend has no profile for this client; nobody was asked for a password (7).
    #[error("the headend has no profile for this client: {0}")]
    NoProfile(String),
    /// Nobody answers, or there is no address or no way to call anybody (8).
    #[error("{0}")]
    Unreachable(String),
    /// This machine's network could not be set up for the tunnel (9).
    #[error("the network cannot be set up: {0}")]
    Network(String),
}

/// What `--help` says of the exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  disconnected, on request
  1  a file, the terminal or the like on this machine
  2  wrong words on the command line
  3  untrusted: the headend's certificate or proof is not acceptable
  4  login-refused: wrong password, or one more try than the headend allows
  5  no-tunnel: the headend gave no address, or there are no algorithms in common
  6  lost: the connection was up, and the headend ended it or fell silent
  7  no-profile: the headend has none for this client's identity; no password was asked for
  8  unreachable: nobody answers, or the headend's name has no address, or its address no way
  9  network: device, address, routes or dataplane could not be set up on this machine";

impl End {
    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Disconnected => 0,
            Self::Local(_) => 1,
            Self::Untrusted(_) => 3,
            Self::LoginRefused(_) => 4,
            Self::NoTunnel(_) => 5,
            Self::Lost(_) => 6,
            Self::NoProfile(_) => 7,
            Self::Unreachable(_) => 8,
            Self::Network(_) => 9,
        }
    }

    /// A word for JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Local(_) => "local",
            Self::Untrusted(_) => "untrusted",
            Self::LoginRefused(_) => "login-refused",
            Self::NoTunnel(_) => "no-tunnel",
            Self::Lost(_) => "lost",
            Self::NoProfile(_) => "no-profile",
            Self::Unreachable(_) => "unreachable",
            Self::Network(_) => "network",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_code_of_its_own_and_the_help_explains_it() {
        let why = String::new;
        let ends = [
            End::Disconnected,
            End::Local(why()),
            End::Untrusted(why()),
            End::LoginRefused(why()),
            End::NoTunnel(why()),
            End::Lost(why()),
            End::NoProfile(why()),
            End::Unreachable(why()),
            End::Network(why()),
        ];
        let mut codes: Vec<u8> = ends.iter().map(End::code).collect();
        for end in &ends {
            let line = format!("\n  {}  ", end.code());
            assert!(EXIT_CODES.contains(&line), "{} is missing", end.code());
            if *end != End::Local(why()) {
                let line = format!("{line}{}", end.word());
                assert!(EXIT_CODES.contains(&line), "{line:?} is missing");
            }
        }
        codes.dedup();
        // Code 2 is the command line's.
        assert_eq!(codes, [0, 1, 3, 4, 5, 6, 7, 8, 9]);
    }
}
