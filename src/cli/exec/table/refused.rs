//! Words of a router's that have no meaning here. Whoever looks for one is told, and an abbreviation that a router calls ambiguous
//! is.

use super::{super::ExecCommand, Node, Token};

/// A word that is refused by name, whatever follows it.
macro_rules! refused {
    ($word:literal, $help:literal, $command:literal) => {
        Node::word($word, concat!($help, " (not here)"))
            .run(|_| Some(ExecCommand::Unsupported($command)))
            .then(&[Node::value(Token::Line, "What is meant")
                .run(|_| Some(ExecCommand::Unsupported($command)))])
    };
}

pub(super) const ELI: Node = refused!("eli", "Encryption Layer Interface", "show crypto eli");
pub(super) const SOCKETS: Node = refused!(
    "sockets",
    "Secure Socket Information",
    "show crypto sockets"
);
pub(super) const SSL: Node = refused!("ssl", "Show crypto SSL information", "show crypto ssl");

pub(super) const SESSION_FVRF: Node = refused!(
    "fvrf",
    "Show crypto sessions for a front-door VRF",
    "show crypto session fvrf"
);
pub(super) const SESSION_IVRF: Node = refused!(
    "ivrf",
    "Show crypto sessions for an inside VRF",
    "show crypto session ivrf"
);
pub(super) const SESSION_STANDBY: Node = refused!(
    "standby",
    "Show standby crypto sessions",
    "show crypto session standby"
);

pub(super) const IKEV2_SA_FVRF: Node = refused!(
    "fvrf",
    "Show SAs by front-door VRF",
    "show crypto ikev2 sa fvrf"
);
pub(super) const STATS_RECONNECT: Node = refused!(
    "reconnect",
    "Shows ikev2 reconnect statistics",
    "show crypto ikev2 stats reconnect"
);

pub(super) const PKI_COUNTERS: Node =
    refused!("counters", "Show PKI counters", "show crypto pki counters");
pub(super) const PKI_CRLS: Node = refused!(
    "crls",
    "Show Certificate Revocation Lists",
    "show crypto pki crls"
);
pub(super) const PKI_SERVER: Node = refused!(
    "server",
    "Show certificate server",
    "show crypto pki server"
);
pub(super) const PKI_TIMERS: Node = refused!("timers", "Show PKI timers", "show crypto pki timers");

pub(super) const CLEAR_IKEV2_FAST: Node = refused!(
    "fast",
    "Clear IKEv2 SAs without a farewell",
    "clear crypto ikev2 sa fast"
);
pub(super) const CLEAR_IKEV2_FVRF: Node = refused!(
    "fvrf",
    "Clear IKEv2 SAs of a front-door VRF",
    "clear crypto ikev2 sa fvrf"
);
pub(super) const CLEAR_IKEV2_RECONNECT: Node = refused!(
    "reconnect",
    "Clear IKEv2 SAs that may be resumed",
    "clear crypto ikev2 sa reconnect"
);
pub(super) const CLEAR_SESSION_FVRF: Node = refused!(
    "fvrf",
    "Clear crypto sessions of a front-door VRF",
    "clear crypto session fvrf"
);
pub(super) const CLEAR_SESSION_IVRF: Node = refused!(
    "ivrf",
    "Clear crypto sessions of an inside VRF",
    "clear crypto session ivrf"
);
