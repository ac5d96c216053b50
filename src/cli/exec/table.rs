//! The table of the exec commands: every word, the line of help beside it, and what may follow.
//!
//! Keywords and helps are IOS-XE's where IOS-XE has the command. Nothing else knows the commands: lines are read, explained and
//! completed by this table, and `docs/commands.md` is written from it.

mod clear;
mod debug;
mod file;
mod output;
mod refused;
pub(super) mod session;
mod show;
mod system;

use std::net::IpAddr;

use ironflex_profiles::model::name::FileName;

pub(super) use output::OUTPUT;

use super::{
    super::{
        pipe::Modifier,
        show::{Ikev2SaFilter, Ikev2SaQuery, Ikev2Stats},
    },
    ExecCommand, Mode, NamedInterface, ObjectKind, Show, TerminalCommand, common,
    interface::{self, Kind},
};

/// What the words of a line have said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// Something is turned off: it began with `undebug`, or has a `no`.
    pub(super) off: bool,
    pub(super) address: Option<IpAddr>,
    pub(super) interface: Option<NamedInterface>,
    pub(super) number: Option<u32>,
    pub(super) text: Option<String>,
    pub(super) file: Option<FileName>,
    /// The one in front of it.
    pub(super) from: Option<FileName>,
    /// What a file on another machine is reached by.
    pub(super) scheme: Option<&'static str>,
    /// Nobody is to be asked whether that is meant.
    pub(super) force: bool,
}

/// What can be typed at one place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// A word of the language.
    Word(&'static str),
    /// An address of either family.
    Address,
    /// An address of IPv4.
    AddressV4,
    /// An address of IPv6.
    AddressV6,
    /// A file on `bootflash:`.
    File,
    /// The same without saying so.
    BareFile,
    /// `bootflash:` alone, where a file's name goes without saying.
    Disk,
    /// A file on another machine.
    Remote,
    /// A number in a range, both ends included.
    Number(u32, u32),
    /// The first word of an interface's name in two: its kind, abbreviated or not.
    Kind(Kind),
    /// The second: its number.
    Port(Kind),
    /// An interface of one of these kinds in one word.
    Interface(&'static [Kind]),
    /// A device of Linux, whose name has a digit: that tells it from keywords beside it.
    Device,
    /// The folder that a file system begins with: its name, and `/`.
    Root(&'static str),
    /// A free word.
    Name,
    /// The rest of the line without the blanks at its end.
    Line,
    /// The rest of the line as it is, for a blank at its end may be meant.
    Pattern,
}

impl Token {
    pub(super) const fn keyword(self) -> Option<&'static str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Kind(kind) => Some(kind.title()),
            _ => None,
        }
    }

    /// What means the same as its keyword, when it is typed in full.
    pub(super) const fn short(self) -> Option<&'static str> {
        match self {
            Self::Kind(kind) => Some(kind.short()),
            _ => None,
        }
    }

    /// Whether it takes whatever is left of a line.
    pub(super) const fn takes_all(self) -> bool {
        matches!(self, Self::Line | Self::Pattern)
    }

    /// How help shows it, with what it says to each.
    pub(super) fn labels(self, help: &'static str) -> Vec<(String, &'static str)> {
        let one = |label: &str| vec![(label.to_owned(), help)];
        match self {
            Self::Word(word) => one(word),
            Self::Kind(kind) => one(kind.title()),
            Self::Port(kind) => one(&kind.numbers()),
            Self::Address => vec![
                ("A.B.C.D".to_owned(), "IPv4 address"),
                ("X:X:X:X::X".to_owned(), "IPv6 address"),
            ],
            Self::AddressV4 => one("A.B.C.D"),
            Self::AddressV6 => one("X:X:X:X::X"),
            Self::File => vec![("bootflash:".to_owned(), help), ("flash:".to_owned(), help)],
            Self::Remote => {
                let all = REMOTE.iter();
                all.map(|scheme| (format!("{scheme}:"), help)).collect()
            }
            Self::Number(min, max) => one(&format!("<{min}-{max}>")),
            // The kind, or the file system, is a keyword beside it.
            Self::Interface(_) | Self::Root(_) | Self::Disk => Vec::new(),
            Self::Device => one("DEVICE"),
            Self::Name | Self::BareFile => one("WORD"),
            Self::Line | Self::Pattern => one("LINE"),
        }
    }

    /// How a command's syntax shows it; nothing of what another token beside it stands for.
    pub(super) fn placeholder(self) -> String {
        match self {
            Self::Address | Self::AddressV4 | Self::AddressV6 => "ADDRESS".to_owned(),
            Self::File => "bootflash:FILE".to_owned(),
            Self::Remote => "URL".to_owned(),
            Self::Name => "WORD".to_owned(),
            Self::Interface(&[kind]) => format!("{} {}", kind.title(), kind.numbers()),
            Self::Interface(_) => "INTERFACE".to_owned(),
            Self::Kind(_) | Self::Device | Self::Disk => String::new(),
            other => other
                .labels("")
                .into_iter()
                .map(|(label, _)| label)
                .collect(),
        }
    }

    /// Something that it takes.
    pub(super) fn sample(self) -> String {
        match self {
            Self::Word(word) => word.to_owned(),
            Self::Address | Self::AddressV4 => "192.0.2.1".to_owned(),
            Self::Kind(kind) => kind.title().to_owned(),
            Self::Port(_) => "1".to_owned(),
            Self::Interface(kinds) => {
                let kind = kinds.first().map_or("", |kind| kind.title());
                format!("{kind}1")
            }
            Self::Device => "eth0".to_owned(),
            Self::AddressV6 => "2001:db8::1".to_owned(),
            Self::File => "bootflash:name".to_owned(),
            Self::Remote => "tftp://192.0.2.1/name".to_owned(),
            Self::Root(name) => format!("{name}/"),
            Self::Number(_, max) => max.to_string(),
            Self::Disk => "bootflash:".to_owned(),
            Self::BareFile | Self::Name | Self::Line | Self::Pattern => "name".to_owned(),
        }
    }

    /// What a word that begins so may become, as help shows it.
    pub(super) fn begun(self, typed: &str) -> Vec<String> {
        let may_begin = match self {
            Self::Word(_) | Self::Kind(_) => self
                .keyword()
                .is_some_and(|word| common(word, typed) == typed.len()),
            Self::Address => typed
                .bytes()
                .all(|octet| octet.is_ascii_hexdigit() || matches!(octet, b'.' | b':')),
            Self::AddressV4 => typed
                .bytes()
                .all(|octet| octet.is_ascii_digit() || octet == b'.'),
            Self::AddressV6 => typed
                .bytes()
                .all(|octet| octet.is_ascii_hexdigit() || octet == b':'),
            Self::File => ["bootflash:", "flash:"].iter().any(|system| {
                let common = common(system, typed);
                common == typed.len() || common == system.len()
            }),
            Self::Remote => {
                let all = REMOTE.iter().map(|scheme| format!("{scheme}:"));
                let begun = |scheme: &String| {
                    let common = common(scheme, typed);
                    common == typed.len() || common == scheme.len()
                };
                return all.filter(begun).collect();
            }
            Self::Number(_, max) => typed.parse().is_ok_and(|number: u32| number <= max),
            Self::Port(kind) => kind.may_begin(typed),
            Self::Interface(kinds) => {
                let (kinds, number) = interface::begun(kinds, typed);
                let kinds = kinds.into_iter().filter(|kind| kind.may_begin(number));
                let label = |kind: Kind| format!("{}{}", kind.title(), kind.numbers());
                return kinds.map(label).collect();
            }
            Self::Root(_) | Self::Disk => false,
            Self::BareFile => bare_file(typed).is_some(),
            Self::Device => interface::device(typed).is_some(),
            Self::Name | Self::Line | Self::Pattern => true,
        };
        let labels = self.labels("").into_iter().filter(|_| may_begin);
        labels.map(|(label, _)| label).collect()
    }

    /// How many kinds of interfaces a word begins like one of.
    pub(super) fn kinds_begun(self, typed: &str) -> usize {
        match self {
            Self::Interface(kinds) => interface::begun(kinds, typed).0.len(),
            _ => 0,
        }
    }

    /// Reads a value into `values`; whether it is one.
    pub(super) fn read(self, typed: &str, values: &mut Values) -> bool {
        let interface = match self {
            Self::Word(_) | Self::Kind(_) => return false,
            Self::Address => {
                values.address = typed.parse().ok();
                return values.address.is_some();
            }
            Self::AddressV4 => {
                values.address = typed.parse().ok().map(IpAddr::V4);
                return values.address.is_some();
            }
            Self::AddressV6 => {
                values.address = typed.parse().ok().map(IpAddr::V6);
                return values.address.is_some();
            }
            Self::File => {
                values.from = values.file.take();
                values.file = FileName::new(typed).ok();
                return values.file.is_some();
            }
            Self::BareFile => {
                values.file = bare_file(typed);
                return values.file.is_some();
            }
            Self::Disk => {
                let system = typed.strip_suffix('/').unwrap_or(typed);
                let mut own = ["bootflash:", "flash:"].iter();
                return own.any(|own| own.eq_ignore_ascii_case(system));
            }
            Self::Remote => {
                let scheme = typed.split_once(':').map(|(scheme, _)| scheme);
                let is = |one: &&&str| scheme.is_some_and(|typed| one.eq_ignore_ascii_case(typed));
                values.scheme = REMOTE.iter().find(is).copied();
                return values.scheme.is_some();
            }
            Self::Number(min, max) => {
                values.number = number(typed, min, max);
                return values.number.is_some();
            }
            Self::Root(name) => {
                return typed
                    .strip_suffix('/')
                    .is_some_and(|typed| typed.eq_ignore_ascii_case(name));
            }
            Self::Name | Self::Line | Self::Pattern => {
                values.text = Some(typed.to_owned());
                return true;
            }
            Self::Port(kind) => kind.named(typed),
            Self::Interface(kinds) => interface::in_one_word(kinds, typed),
            Self::Device => interface::device(typed),
        };
        values.interface = interface;
        values.interface.is_some()
    }
}

/// A name that says no file system, and is no path of this machine.
fn bare_file(typed: &str) -> Option<FileName> {
    let is_bare = !typed.contains([':', '/']);
    let file = is_bare.then(|| FileName::new(&format!("bootflash:{typed}")).ok());
    file.flatten()
}

/// What a file on another machine is reached by.
const REMOTE: &[&str] = &["ftp", "http", "https", "rcp", "scp", "sftp", "tftp"];

fn number(typed: &str, min: u32, max: u32) -> Option<u32> {
    // `parse` alone would also take a sign.
    let digits = typed.bytes().all(|octet| octet.is_ascii_digit());
    typed
        .parse()
        .ok()
        .filter(|number| digits && (min..=max).contains(number))
}

/// What a line that ends at a word means; `None` of it where these values need more words.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// A command.
    Command(fn(Values) -> Option<ExecCommand>),
    /// What becomes of the output of the command in front of `|`.
    Output(fn(Values) -> Option<Modifier>),
}

/// One word of a command, and what may follow it.
pub(super) struct Node {
    pub(super) token: Token,
    /// One line of help.
    pub(super) help: &'static str,
    pub(super) then: &'static [Self],
    /// Everything below turns something off.
    pub(super) off: bool,
    /// It asks nobody whether that is meant.
    pub(super) force: bool,
    /// Only privileged exec mode has it.
    privileged: bool,
    /// Its commands' output can be led through a modifier.
    pub(super) pipes: bool,
    /// What a line means that ends here, if one may.
    pub(super) ends: Option<Ending>,
}

impl Node {
    const fn value(token: Token, help: &'static str) -> Self {
        Self {
            token,
            help,
            then: &[],
            off: false,
            force: false,
            privileged: false,
            pipes: false,
            ends: None,
        }
    }

    const fn word(word: &'static str, help: &'static str) -> Self {
        Self::value(Token::Word(word), help)
    }

    const fn then(self, then: &'static [Self]) -> Self {
        Self { then, ..self }
    }

    const fn off(self) -> Self {
        Self { off: true, ..self }
    }

    const fn force(self) -> Self {
        Self {
            force: true,
            ..self
        }
    }

    const fn privileged(self) -> Self {
        Self {
            privileged: true,
            ..self
        }
    }

    const fn pipes(self) -> Self {
        Self {
            pipes: true,
            ..self
        }
    }

    const fn run(self, run: fn(Values) -> Option<ExecCommand>) -> Self {
        Self {
            ends: Some(Ending::Command(run)),
            ..self
        }
    }

    const fn output(self, output: fn(Values) -> Option<Modifier>) -> Self {
        Self {
            ends: Some(Ending::Output(output)),
            ..self
        }
    }

    /// Whether a line with these values may end here.
    pub(super) fn may_end(&self, values: &Values) -> bool {
        match self.ends {
            Some(Ending::Command(run)) => run(values.clone()).is_some(),
            Some(Ending::Output(output)) => output(values.clone()).is_some(),
            None => false,
        }
    }

    /// Whether it takes what is behind a word that is refused by name: that word says so.
    pub(super) fn only_refuses(&self, values: &Values) -> bool {
        let command = match self.ends {
            Some(Ending::Command(run)) => run(values.clone()),
            _ => None,
        };
        let refuses = matches!(
            command,
            Some(ExecCommand::Unsupported(_) | ExecCommand::Instead(..) | ExecCommand::Transfer(_))
        );
        self.token.takes_all() && refuses
    }

    /// Whether who is in this mode may use it.
    pub(super) const fn is_in(&self, mode: Mode) -> bool {
        match mode {
            Mode::User => !self.privileged,
            Mode::Privileged => true,
        }
    }
}

/// An interface of one of these kinds, in two words or in one: what it runs with it, what may follow, and what else may stand in
/// its place.
macro_rules! interfaces {
    ($run:expr, then $then:expr, of [$($kind:ident),+] $(, beside [$($beside:expr),+])?) => {
        &[
            $($($beside,)+)?
            $(Node::value(Token::Kind(Kind::$kind), Kind::$kind.help()).then(&[
                Node::value(Token::Port(Kind::$kind), Kind::$kind.number_help())
                    .run($run)
                    .then($then),
            ]),)+
            Node::value(Token::Interface(&[$(Kind::$kind),+]), "Interface")
                .run($run)
                .then($then),
        ]
    };
}
use interfaces;

/// The same of any kind, and the device of Linux that one stands for.
macro_rules! any_interface {
    ($run:expr, then $then:expr, beside [$($beside:expr),*]) => {
        interfaces!(
            $run,
            then $then,
            of [GigabitEthernet, Loopback, VirtualAccess, VirtualTemplate],
            beside [
                $($beside,)*
                Node::value(Token::Device, "Linux device that an interface stands for")
                    .run($run)
                    .then($then)
            ]
        )
    };
}
use any_interface;

/// The interface of a session.
macro_rules! virtual_access {
    ($run:expr) => {
        interfaces!($run, then &[], of [VirtualAccess])
    };
    ($run:expr, then $then:expr) => {
        interfaces!($run, then $then, of [VirtualAccess])
    };
}
use virtual_access;

/// What a line begins with.
pub(super) const ROOT: &[Node] = &[
    Node::word("clear", "Reset functions").privileged().then(&[
        clear::AAA,
        refused::CLEAR_ARP,
        clear::COUNTERS,
        Node::word("crypto", "Encryption module").then(&[clear::IKEV2, clear::SA, clear::SESSION]),
        refused::CLEAR_IP,
        refused::CLEAR_LINE,
        clear::LOGGING,
    ]),
    file::CONFIGURE,
    file::COPY,
    Node::word("debug", "Debugging functions (see also 'undebug')")
        .privileged()
        .then(debug::DEBUG),
    file::DELETE,
    system::DIR,
    Node::word("disable", "Turn off privileged commands")
        .run(|_| terminal(TerminalCommand::Disable)),
    system::ENABLE,
    file::ERASE,
    Node::word("exit", "Exit from the EXEC").run(|_| terminal(TerminalCommand::Exit)),
    Node::word("help", "Description of the interactive help system")
        .run(|_| Some(ExecCommand::Help)),
    Node::word("logout", "Exit from the EXEC").run(|_| terminal(TerminalCommand::Exit)),
    file::MORE,
    Node::word("no", "Disable debugging functions")
        .privileged()
        .then(&[
            Node::word("debug", "Debugging functions (see also 'undebug')")
                .off()
                .then(debug::UNDEBUG),
        ]),
    system::PING,
    Node::word("quit", "Exit from the EXEC").run(|_| terminal(TerminalCommand::Exit)),
    system::RELOAD,
    refused::RENAME,
    Node::word("show", "Show running system information")
        .pipes()
        .then(SHOW),
    Node::word("terminal", "Set terminal line parameters").then(TERMINAL),
    Node::word("test", "Test subsystems, memory, and interfaces")
        .privileged()
        .then(&[
            refused::TEST_AAA,
            Node::word("crypto", "Test crypto functions").then(&[Node::word(
                "rekey",
                "Rekey the SAs of every session at once",
            )
            .then(clear::REKEY)]),
        ]),
    system::TRACEROUTE,
    Node::word("undebug", "Disable debugging functions (see also 'debug')")
        .privileged()
        .off()
        .then(debug::UNDEBUG),
    refused::VERIFY,
    Node::word("who", "Display information about terminal lines").run(|_| show(Show::Users)),
    Node::word("write", "Write running configuration to memory")
        .privileged()
        .force()
        .run(|_| Some(ExecCommand::WriteMemory))
        .then(&[
            Node::word("erase", "Erase NV memory").run(|_| Some(ExecCommand::EraseStartup)),
            Node::word("memory", "Write to NV memory").run(|_| Some(ExecCommand::WriteMemory)),
            Node::word("terminal", "Write to terminal")
                .pipes()
                .run(|_| show(Show::RunningConfig { all: false })),
        ]),
];

const TERMINAL: &[Node] = &[
    refused::TERMINAL_DEFAULT,
    Node::word("history", "Enable and control the command history function")
        .run(|_| terminal(TerminalCommand::HistorySize(None)))
        .then(&[
            Node::word("size", "Set history buffer size").then(&[Node::value(
                Token::Number(0, 256),
                "Size of history buffer",
            )
            .run(|values| terminal(TerminalCommand::HistorySize(Some(values.number?))))]),
        ]),
    Node::word("length", "Set number of lines on a screen").then(&[Node::value(
        Token::Number(0, 512),
        "Number of lines on screen (0 for no pausing)",
    )
    .run(|values| terminal(TerminalCommand::Length(values.number?)))]),
    MONITOR,
    Node::word("no", "Negate a command or set its defaults")
        .off()
        .then(&[
            Node::word("history", "Enable and control the command history function")
                .run(|_| terminal(TerminalCommand::HistorySize(Some(0))))
                .then(&[Node::word("size", "Set history buffer size")
                    .run(|_| terminal(TerminalCommand::HistorySize(None)))]),
            Node::word("length", "Set number of lines on a screen")
                .run(|_| terminal(TerminalCommand::DefaultLength)),
            MONITOR,
        ]),
    Node::word("width", "Set width of the display terminal").then(&[Node::value(
        Token::Number(0, 512),
        "Number of characters on a screen line",
    )
    .run(|values| terminal(TerminalCommand::Width(values.number?)))]),
];

const MONITOR: Node = Node::word("monitor", "Copy debug output to the current terminal line")
    .run(|values| terminal(TerminalCommand::Monitor(!values.off)));

const SHOW: &[Node] = &[
    show::AAA,
    show::ALL_ACCESS_LISTS,
    Node::word("arp", "ARP table").run(|_| neighbors(false, None)),
    system::SHOW_BOOTFLASH,
    system::CLOCK,
    file::CONFIGURATION,
    Node::word("crypto", "Encryption module").then(&[
        show::CALL,
        show::DEBUG_CONDITION,
        refused::ELI,
        Node::word("ikev2", "Shows ikev2 info").then(&[
            Node::word("authorization", "Shows ikev2 authorization policies").then(&[Node::word(
                "policy",
                "Shows ikev2 authorization policies",
            )
            .run(|values| object(ObjectKind::AuthorizationPolicy, values))
            .then(
                &[Node::value(Token::Name, "Name of the authorization policy")
                    .run(|values| object(ObjectKind::AuthorizationPolicy, values))],
            )]),
            Node::word("policy", "Show policies")
                .run(|values| object(ObjectKind::Ikev2Policy, values))
                .then(&[Node::value(Token::Name, "Policy name")
                    .run(|values| object(ObjectKind::Ikev2Policy, values))]),
            Node::word("profile", "Shows ikev2 profiles")
                .run(|values| object(ObjectKind::Ikev2Profile, values))
                .then(&[Node::value(Token::Name, "Profile name")
                    .run(|values| object(ObjectKind::Ikev2Profile, values))]),
            Node::word("proposal", "Show proposals")
                .run(|values| object(ObjectKind::Ikev2Proposal, values))
                .then(&[Node::value(Token::Name, "Proposal name")
                    .run(|values| object(ObjectKind::Ikev2Proposal, values))]),
            show::DIAGNOSE,
            IKEV2_SA,
            IKEV2_SESSION,
            IKEV2_STATS,
        ]),
        Node::word("ipsec", "Show IPSEC policy").then(&[
            Node::word("profile", "Show ipsec profile information")
                .run(|values| object(ObjectKind::IpsecProfile, values))
                .then(&[Node::value(Token::Name, "Profile name")
                    .run(|values| object(ObjectKind::IpsecProfile, values))]),
            show::IPSEC_SA,
            Node::word("transform-set", "Crypto transform sets")
                .run(|values| object(ObjectKind::TransformSet, values))
                .then(&[Node::value(Token::Name, "Transform set tag")
                    .run(|values| object(ObjectKind::TransformSet, values))]),
        ]),
        show::ISAKMP,
        show::KEY,
        show::CRYPTO_MAP,
        show::PKI,
        session::CRYPTO_SESSION,
        refused::SOCKETS,
        refused::SSL,
    ]),
    Node::word("debugging", "State of each debugging option").run(|_| show(Show::Debugging)),
    Node::word("derived-config", "Derived operating configuration").then(&[Node::word(
        "interface",
        "Show interface configuration",
    )
    .then(virtual_access!(derived_config))]),
    system::SHOW_FLASH,
    Node::word("history", "Display the session command history")
        .run(|_| terminal(TerminalCommand::History)),
    show::INTERFACES,
    system::INVENTORY,
    Node::word("ip", "IP information").then(&[
        show::ACCESS_LISTS,
        Node::word("arp", "IP ARP table")
            .run(|_| neighbors(false, None))
            .then(&[Node::value(Token::AddressV4, "IP address")
                .run(|values| neighbors(false, Some(values.address?)))]),
        show::IP_INTERFACE,
        Node::word("local", "IP local options").then(&[Node::word(
            "pool",
            "Local IP address pools",
        )
        .run(|values| show(Show::IpLocalPool { name: values.text }))
        .then(&[Node::value(Token::Name, "Name of the pool")
            .run(|values| show(Show::IpLocalPool { name: values.text }))])]),
        show::NAT,
        show::IP_ROUTE,
    ]),
    show::IPV6,
    refused::LICENSE,
    Node::word("logging", "Show the contents of logging buffers").run(|_| show(Show::Logging)),
    Node::word("metrics", "Every number, in Prometheus' text format").run(|_| show(Show::Metrics)),
    refused::PLATFORM,
    system::PRIVILEGE,
    system::PROCESSES,
    Node::word("running-config", "Current operating configuration")
        .privileged()
        .run(|_| show(Show::RunningConfig { all: false }))
        .then(&[
            Node::word("all", "Configuration with defaults")
                .run(|_| show(Show::RunningConfig { all: true })),
            // Neither certificates nor defaults stand in it otherwise.
            Node::word("brief", "Configuration without certificate data")
                .run(|_| show(Show::RunningConfig { all: false })),
            Node::word("full", "Full configuration")
                .run(|_| show(Show::RunningConfig { all: false })),
            show::RUNNING_CONFIG_INTERFACE,
            refused::LINENUM,
        ]),
    Node::word("startup-config", "Contents of startup configuration")
        .privileged()
        .run(|_| Some(ExecCommand::ShowStartupConfig)),
    file::ARCHIVE,
    Node::word("tech-support", "Show system information for Tech-Support")
        .privileged()
        .run(|_| show(Show::TechSupport)),
    Node::word("terminal", "Display terminal configuration parameters")
        .run(|_| terminal(TerminalCommand::Settings)),
    Node::word("users", "Display information about terminal lines").run(|_| show(Show::Users)),
    Node::word("version", "System hardware and software status").run(|_| show(Show::Version)),
];

const SA_DETAILED: &str = "Shows ikev2 SAs in detail";
const SA_LOCAL: &str = "Show SAs by local address";
const SA_REMOTE: &str = "Show SAs by remote address";

/// The addresses may stand before or behind the word for details: releases differ.
const IKEV2_SA: Node = Node::word("sa", "Shows ikev2 SAs")
    .run(|_| ikev2_sa(false, None))
    .then(&[
        Node::word("count", "Shows ikev2 SA count").run(|_| show(Show::Ikev2SaCount)),
        Node::word("detailed", SA_DETAILED)
            .run(|_| ikev2_sa(true, None))
            .then(&[
                Node::word("local", SA_LOCAL).then(&[Node::value(Token::Address, "Local address")
                    .run(|values| ikev2_sa(true, Some(Ikev2SaFilter::Local(values.address?))))]),
                Node::word("remote", SA_REMOTE).then(&[Node::value(
                    Token::Address,
                    "Remote address",
                )
                .run(|values| ikev2_sa(true, Some(Ikev2SaFilter::Remote(values.address?))))]),
            ]),
        refused::IKEV2_SA_FVRF,
        Node::word("local", SA_LOCAL).then(&[Node::value(Token::Address, "Local address")
            .run(|values| ikev2_sa(false, Some(Ikev2SaFilter::Local(values.address?))))
            .then(&[Node::word("detailed", SA_DETAILED)
                .run(|values| ikev2_sa(true, Some(Ikev2SaFilter::Local(values.address?))))])]),
        Node::word("remote", SA_REMOTE).then(&[Node::value(Token::Address, "Remote address")
            .run(|values| ikev2_sa(false, Some(Ikev2SaFilter::Remote(values.address?))))
            .then(&[Node::word("detailed", SA_DETAILED)
                .run(|values| ikev2_sa(true, Some(Ikev2SaFilter::Remote(values.address?))))])]),
    ]);

const IKEV2_SESSION: Node = Node::word("session", "Shows ikev2 active session")
    .run(|_| show(Show::Ikev2Session { detailed: false }))
    .then(&[
        Node::word("detailed", "Shows ikev2 active session in detail")
            .run(|_| show(Show::Ikev2Session { detailed: true })),
    ]);

const IKEV2_STATS: Node = Node::word("stats", "Shows ikev2 statistics")
    .run(|_| show(Show::Ikev2Stats(Ikev2Stats::Summary)))
    .then(&[
        Node::word(
            "exchange",
            "Shows ikev2 exchange and notification statistics",
        )
        .run(|_| show(Show::Ikev2Stats(Ikev2Stats::Exchange))),
        Node::word("ext-service", "Shows ikev2 external service statistics")
            .run(|_| show(Show::Ikev2Stats(Ikev2Stats::ExtService))),
        refused::STATS_RECONNECT,
        Node::word("timeout", "Shows ikev2 timeout statistics")
            .run(|_| show(Show::Ikev2Stats(Ikev2Stats::Timeout))),
    ]);

#[expect(clippy::unnecessary_wraps, reason = "what a line comes to")]
const fn show(show: Show) -> Option<ExecCommand> {
    Some(ExecCommand::Show(show))
}

#[expect(clippy::unnecessary_wraps, reason = "what a line comes to")]
const fn neighbors(ipv6: bool, address: Option<IpAddr>) -> Option<ExecCommand> {
    Some(ExecCommand::ShowNeighbors { ipv6, address })
}

const fn terminal(command: TerminalCommand) -> Option<ExecCommand> {
    Some(ExecCommand::Terminal(command))
}

pub(super) const fn ikev2_sa(detailed: bool, filter: Option<Ikev2SaFilter>) -> Option<ExecCommand> {
    Some(ExecCommand::Show(Show::Ikev2Sa(Ikev2SaQuery {
        detailed,
        filter,
    })))
}

fn object(kind: ObjectKind, values: Values) -> Option<ExecCommand> {
    let name = values.text;
    show(Show::Object { kind, name })
}

/// The number of the session's interface that is named.
const fn number_of_session(values: &Values) -> Option<u32> {
    match values.interface {
        Some(NamedInterface::VirtualAccess(number)) => Some(number),
        _ => None,
    }
}

fn derived_config(values: Values) -> Option<ExecCommand> {
    let virtual_access = number_of_session(&values)?;
    show(Show::DerivedConfig { virtual_access })
}
