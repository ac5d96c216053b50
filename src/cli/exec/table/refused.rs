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

/// The same, with what is to be typed instead.
macro_rules! instead {
    ($word:literal, $help:literal, $command:literal, $advice:literal) => {
        Node::word($word, concat!($help, " (not here)"))
            .run(|_| Some(ExecCommand::Instead($command, $advice)))
            .then(&[Node::value(Token::Line, "What is meant")
                .run(|_| Some(ExecCommand::Instead($command, $advice)))])
    };
}

pub(super) const CLEAR_ARP: Node = instead!(
    "arp-cache",
    "Clear the entire ARP cache",
    "clear arp-cache",
    "the neighbours are the machine's; leave with 'exit', and type 'ip neigh flush dev DEVICE' at its own shell"
);
const NEIGHBOURS: &str = "the neighbours are the machine's; leave with 'exit', and type 'ip neigh flush ADDRESS' at its own shell";
pub(super) const CLEAR_IP: Node = Node::word("ip", "IP").then(&[
    Node::word("arp", "Clear an ARP cache entry (not here)")
        .run(|_| Some(ExecCommand::Instead("clear ip arp", NEIGHBOURS)))
        .then(&[Node::value(Token::Line, "What is meant")
            .run(|_| Some(ExecCommand::Instead("clear ip arp", NEIGHBOURS)))]),
    Node::word("nat", "Clear NAT").then(&[instead!(
        "translation",
        "Clear dynamic translation",
        "clear ip nat translation",
        "the translations are the kernel's; leave with 'exit', and type 'conntrack -D --src-nat' at the machine's own shell"
    )]),
]);
pub(super) const CLEAR_LINE: Node = instead!(
    "line",
    "Reset a terminal line",
    "clear line",
    "nobody's terminal is ended from here; 'show users' tells who is there, and 'clear crypto session' ends sessions of clients"
);
pub(super) const LICENSE: Node = instead!(
    "license",
    "Show license information",
    "show license",
    "nothing is licensed; 'show version' tells what runs"
);
pub(super) const LINENUM: Node = Node::word(
    "linenum",
    "Display line numbers in the configuration (not here)",
)
.run(|_| {
    Some(ExecCommand::Instead(
        "show running-config linenum",
        "'show running-config' shows the lines without numbers",
    ))
});
pub(super) const PLATFORM: Node = instead!(
    "platform",
    "Show platform information",
    "show platform",
    "'show version', 'show inventory' and 'show processes' tell of the machine and of what runs there"
);
pub(super) const RENAME: Node = instead!(
    "rename",
    "Rename a file",
    "rename",
    "'copy bootflash:FILE bootflash:NEW', and then 'delete bootflash:FILE'"
)
.privileged();
pub(super) const TERMINAL_DEFAULT: Node = instead!(
    "default",
    "Set a command to its defaults",
    "terminal default",
    "'terminal no length', 'terminal no history size' and 'terminal no monitor' take settings back"
);
pub(super) const TEST_AAA: Node = instead!(
    "aaa",
    "AAA test commands",
    "test aaa",
    "let a client log in: 'show crypto ikev2 diagnose' and 'debug aaa authentication' tell what became of it"
);
pub(super) const VERIFY: Node = instead!(
    "verify",
    "Verify a file",
    "verify",
    "leave with 'exit', and type 'sha256sum FILE' at the machine's own shell"
)
.privileged();

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
