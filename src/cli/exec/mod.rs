//! What a line typed at the exec prompt means.
//!
//! One declarative table (`table`) holds every command; lines are read here by it, and explained and
//! completed in `help`. Words match as on a router: in any case, and abbreviated while only one word
//! fits; an exact word beats an abbreviation. A line that does not fit is refused in IOS-XE's words.
//! This is the exec mode only: the lines of a configuration have a tree of their own in
//! `ironflex_profiles`, whose nodes edit a model and so cannot stand for commands.

use std::net::IpAddr;

use ironflex_profiles::model::name::FileName;
use thiserror::Error;

use super::{
    Printable,
    pipe::Modifier,
    show::{DiagnoseFilter, Ikev2SaQuery, Ikev2Stats, IpsecSaQuery, MethodLists, SessionQuery},
};

mod asked;
mod help;
mod interface;
mod table;
#[cfg(test)]
mod tests;

pub use asked::{
    Asked, CONFIGURE_FROM, From, NO_SUCH_PLACE, OVER_WRITE, configured_from, file_named, own_file,
};
pub use help::{
    Completion, Entry, HELP, commands, complete, explained, help, in_columns, modifiers, reference,
};
pub use interface::{NamedInterface, absent, refused_interface};
use table::{Ending, Node, OUTPUT, ROOT, Token, Values};

/// The longest line, in octets. It bounds what reading one costs.
pub const MAX_LINE: usize = 8192;

/// Who types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// User exec, the prompt of which ends in `>`: looks, and changes nothing.
    User,
    /// Privileged exec, the prompt of which ends in `#`.
    Privileged,
}

/// A line that has been read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// The command.
    pub command: ExecCommand,
    /// What becomes of its output.
    pub modifier: Option<Modifier>,
    /// Nobody is to be asked whether that is meant.
    pub force: bool,
}

/// What concerns the terminal that a line is typed at, and not the daemon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TerminalCommand {
    /// `configure terminal [revert timer MINUTES]`
    Configure {
        /// Minutes.
        revert: Option<u32>,
    },
    /// `configure`, which asks where the configuration comes from.
    ConfigureFrom,
    /// `disable`
    Disable,
    /// `enable`
    Enable,
    /// `exit`, `logout`, `quit`
    Exit,
    /// `show history`
    History,
    /// `terminal history size N`; `None` for what a router keeps by itself.
    HistorySize(Option<u32>),
    /// `terminal length N`
    Length(u32),
    /// `terminal no length`
    DefaultLength,
    /// `terminal [no] monitor`
    Monitor(bool),
    /// `show privilege`
    Privilege,
    /// `show terminal`
    Settings,
    /// `terminal width N`
    Width(u32),
}

/// A command of the exec mode.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExecCommand {
    /// `help`
    Help,
    /// `show …`
    Show(Show),
    /// `clear crypto session [local A | remote A | username U]`, `clear crypto ikev2 sa [local A | remote A]`
    ClearCryptoSession(Whose),
    /// `clear counters [INTERFACE]`: of all interfaces, or of one.
    ClearCounters(Option<NamedInterface>),
    /// `clear crypto ikev2 stats`
    ClearIkev2Stats,
    /// `clear logging`
    ClearLogging,
    /// `clear aaa local user {fail-attempts|lockout} {all | username U}`: what is cleared, and of whom; of all without a name.
    ClearLocalUser(LocalUserMark, Option<String>),
    /// `test crypto rekey {ikev2|ipsec} [remote A | username U]`, `clear crypto sa [peer A]`
    TestRekey(Rekeyed, Whose),
    /// `configure confirm`
    ConfigureConfirm,
    /// `configure replace FILE [force] [list] [time N | revert trigger …]`
    ConfigureReplace(Replacement),
    /// `configure revert now`
    ConfigureRevert,
    /// `configure revert timer MINUTES`
    ConfigureRevertTimer(u32),
    /// `copy {running-config|startup-config|bootflash:FILE} bootflash:FILE`
    CopyTo(FileName, Source),
    /// `delete bootflash:FILE`, which `/force` keeps from being asked about.
    Delete(FileName),
    /// `write erase`, `erase startup-config`
    EraseStartup,
    /// `copy {bootflash:FILE|startup-config} running-config`, `configure memory`
    Merge(Source),
    /// `copy bootflash: running-config` and the like, for whose file a terminal asks.
    Nameless(Nameless),
    /// `more {bootflash:FILE|nvram:startup-config|system:running-config}`
    More(Source),
    /// `dir [bootflash:]`
    Directory,
    /// `show archive config differences`
    ShowArchiveDifferences,
    /// `show ip nat translations`
    ShowNatTranslations,
    /// `show configuration lock`
    ShowConfigurationLock,
    /// `show arp`, `show ip arp [ADDRESS]`, `show ipv6 neighbors`
    ShowNeighbors {
        /// Those of IPv6.
        ipv6: bool,
        /// The only one to be shown.
        address: Option<IpAddr>,
    },
    /// `show startup-config`
    ShowStartupConfig,
    /// `write memory`, `copy running-config startup-config`
    WriteMemory,
    /// `debug …`
    Debug(DebugFlag),
    /// `no debug …`, `undebug …`
    NoDebug(DebugFlag),
    /// `undebug all`, `no debug all`
    UndebugAll,
    /// `debug crypto ikev2 keylog FOLDER`; `None` for the same with `no`.
    KeyLog(Option<String>),
    /// `debug crypto condition …`, and with `no`.
    DebugCondition(Condition, bool),
    /// `debug crypto condition reset`
    DebugConditionReset,
    /// A command of a router's that has no meaning here; its words.
    Unsupported(&'static str),
    /// The same, and what is to be typed instead.
    Instead(&'static str, &'static str),
    /// A file that is to come from another machine, or to go there; the words for that.
    Transfer(String),
    /// What the terminal does by itself.
    Terminal(TerminalCommand),
}

/// A command that names a file system alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Nameless {
    /// `delete bootflash:`
    Delete,
    /// `copy bootflash: running-config`
    Merge,
}

/// A file that is to be the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replacement {
    /// Its name, as it was typed.
    pub file: String,
    /// Nobody is asked whether that is meant.
    pub force: bool,
    /// The change goes back unless it is confirmed in so many minutes.
    pub minutes: Option<u32>,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// A file.
    File(FileName),
    /// `running-config`
    Running,
    /// `startup-config`
    Startup,
}

/// What is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Show {
    /// `show aaa local user lockout`
    AaaLockout,
    /// `show aaa method-lists …`
    AaaMethodLists(MethodLists),
    /// `show aaa sessions`
    AaaSessions,
    /// `show crypto call admission statistics`
    CallAdmission,
    /// `show clock [detail]`
    Clock {
        /// With where the time comes from.
        detail: bool,
    },
    /// `show crypto session [active | interface virtual-access N | local A | remote A | username U] [detail]`
    CryptoSession(SessionQuery),
    /// `show crypto session brief`
    CryptoSessionBrief,
    /// `show crypto session groups`
    CryptoSessionGroups,
    /// `show crypto session summary`
    CryptoSessionSummary,
    /// `show debugging`
    Debugging,
    /// `show crypto debug-condition`
    DebugCondition,
    /// `show derived-config interface virtual-access N`
    DerivedConfig {
        /// The number of the interface.
        virtual_access: u32,
    },
    /// `show crypto ikev2 diagnose [peer A | username U]`
    Ikev2Diagnose(Option<DiagnoseFilter>),
    /// `show crypto ikev2 diagnose error`
    Ikev2DiagnoseError,
    /// `show crypto ikev2 sa [local A | remote A] [detailed]`
    Ikev2Sa(Ikev2SaQuery),
    /// `show crypto ikev2 sa count`
    Ikev2SaCount,
    /// `show crypto ikev2 session [detailed]`
    Ikev2Session {
        /// `detailed`
        detailed: bool,
    },
    /// `show crypto ikev2 stats [exchange | ext-service | timeout]`
    Ikev2Stats(Ikev2Stats),
    /// `show interfaces INTERFACE configuration`
    InterfaceLines(NamedInterface),
    /// `show access-lists [NAME]`
    AccessLists {
        /// The only one to be shown.
        name: Option<String>,
    },
    /// `show interfaces [INTERFACE]`
    Interfaces(Option<NamedInterface>),
    /// `show ip interface brief [INTERFACE]`
    InterfaceBrief(Option<NamedInterface>),
    /// `show interfaces [INTERFACE] description`
    InterfaceDescription(Option<NamedInterface>),
    /// `show inventory`
    Inventory,
    /// `show ip access-lists [NAME]`
    IpAccessLists {
        /// The only one to be shown.
        name: Option<String>,
    },
    /// `show ip interface [INTERFACE]`
    IpInterface(Option<NamedInterface>),
    /// `show ip nat statistics`
    IpNatStatistics,
    /// `show ip route [ADDRESS]`
    IpRoute(Option<IpAddr>),
    /// `show ip local pool [NAME]`
    IpLocalPool {
        /// The only pool to be shown, with its addresses.
        name: Option<String>,
    },
    /// `show crypto ipsec sa [detail] [peer A | interface I]`
    IpsecSa(IpsecSaQuery),
    /// `show crypto ipsec sa count`
    IpsecSaCount,
    /// `show crypto isakmp sa`
    IsakmpSa,
    /// `show ipv6 access-list [NAME]`
    Ipv6AccessLists {
        /// The only one to be shown.
        name: Option<String>,
    },
    /// `show ipv6 interface brief`
    Ipv6InterfaceBrief,
    /// `show ipv6 route [ADDRESS]`
    Ipv6Route(Option<IpAddr>),
    /// `show ipv6 local pool [NAME]`
    Ipv6LocalPool {
        /// The only pool to be shown, with who holds what of it.
        name: Option<String>,
    },
    /// `show logging`
    Logging,
    /// `show metrics`: every number, in Prometheus' text format
    Metrics,
    /// What a configuration's object says: `show crypto ikev2 {proposal|policy|profile|authorization policy} [NAME]`,
    /// `show crypto ipsec {transform-set|profile} [NAME]`
    Object {
        /// Of what kind.
        kind: ObjectKind,
        /// The only one to be shown.
        name: Option<String>,
    },
    /// `show crypto pki certificates [verbose] [TRUSTPOINT]`
    PkiCertificates {
        /// `verbose`
        verbose: bool,
        /// The only trustpoint to be shown.
        name: Option<String>,
    },
    /// `show crypto pki trustpoints [NAME] [status]`
    PkiTrustpoints {
        /// `status`
        status: bool,
        /// The only one to be shown.
        name: Option<String>,
    },
    /// `show crypto key mypubkey {ec|rsa}`
    MyPublicKeys(KeyKind),
    /// `show processes cpu [sorted]`
    ProcessesCpu,
    /// `show processes memory`
    ProcessesMemory,
    /// `show archive config rollback timer`
    RollbackTimer,
    /// `show running-config [all]`
    RunningConfig {
        /// `all`: with the defaults.
        all: bool,
    },
    /// `show running-config interface INTERFACE`
    RunningConfigInterface(NamedInterface),
    /// `show tech-support`
    TechSupport,
    /// `show users`
    Users,
    /// `show version`
    Version,
}

/// The objects of a configuration that have a command of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ObjectKind {
    /// `crypto ikev2 authorization policy`
    AuthorizationPolicy,
    /// `crypto ikev2 policy`
    Ikev2Policy,
    /// `crypto ikev2 profile`
    Ikev2Profile,
    /// `crypto ikev2 proposal`
    Ikev2Proposal,
    /// `crypto ipsec profile`
    IpsecProfile,
    /// `crypto ipsec transform-set`
    TransformSet,
}

/// What algorithm a key is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyKind {
    /// ECDSA
    Ec,
    /// RSA
    Rsa,
}

/// Whose sessions are meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Whose {
    /// Everybody's.
    All,
    /// Those of one user.
    User(String),
    /// Those from one address.
    Remote(IpAddr),
    /// Those at one address of the headend's.
    Local(IpAddr),
}

/// What wrong passwords leave behind at a local user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LocalUserMark {
    /// Their number.
    FailAttempts,
    /// That it is locked out.
    Lockout,
}

/// Which SAs are rekeyed at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rekeyed {
    /// The IKE SAs.
    Ike,
    /// The child SAs.
    Child,
}

/// Whose steps `debug` tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// `peer {ipv4|ipv6} A`
    Peer(IpAddr),
    /// `username U`
    Username(String),
}

/// What `debug` can turn on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DebugFlag {
    /// `aaa authentication`
    AaaAuthentication,
    /// `aaa authorization`
    AaaAuthorization,
    /// `crypto ipsec`
    CryptoIpsec,
    /// `crypto pki`
    CryptoPki,
    /// `crypto ikev2`
    Ikev2,
    /// `crypto ikev2 error`
    Ikev2Error,
    /// `crypto ikev2 internal`
    Ikev2Internal,
    /// `crypto ikev2 packet`
    Ikev2Packet,
}

impl DebugFlag {
    /// How `debug` and `show debugging` call it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::AaaAuthentication => "AAA Authentication",
            Self::AaaAuthorization => "AAA Authorization",
            Self::CryptoIpsec => "Crypto IPSEC",
            Self::CryptoPki => "Crypto PKI",
            Self::Ikev2 => "IKEv2 default",
            Self::Ikev2Error => "IKEv2 error",
            Self::Ikev2Internal => "IKEv2 internal",
            Self::Ikev2Packet => "IKEv2 packet",
        }
    }
}

/// Why a line is no command, displayed as a router does.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ExecError {
    /// An interface that the line names is not there.
    #[error(
        "{}\n{:width$}^\n{INVALID}\n{said}",
        Printable(.line), "", width = .column
    )]
    Absent {
        /// The line.
        line: String,
        /// Where it names it, in characters from 0.
        column: usize,
        /// What is said beside a router's own words.
        said: String,
    },
    /// An abbreviation fits several words.
    #[error("% Ambiguous command:  \"{}\"", Printable(.line))]
    Ambiguous {
        /// The line.
        line: String,
    },
    /// Words are missing at the end.
    #[error("% Incomplete command.")]
    Incomplete,
    /// What stands at one place is not known there.
    #[error(
        "{}\n{:width$}^\n{INVALID}",
        Printable(.line), "", width = .column
    )]
    Invalid {
        /// The line.
        line: String,
        /// The place, in characters from 0.
        column: usize,
    },
    /// It is longer than [`MAX_LINE`].
    #[error("% Line is too long: it may have {MAX_LINE} octets")]
    TooLong,
}

impl ExecError {
    /// The same for a terminal that shows the line already, behind a prompt of `width` characters.
    #[must_use]
    pub fn below_prompt(&self, width: usize) -> String {
        match self {
            Self::Absent { column, said, .. } => {
                let column = column.saturating_add(width);
                format!("{:column$}^\n{INVALID}\n{said}", "")
            }
            Self::Invalid { column, .. } => {
                let column = column.saturating_add(width);
                format!("{:column$}^\n{INVALID}\n", "")
            }
            other => format!("{other}"),
        }
    }

    /// How many characters of its line were read, with the word that is not known: what is behind it may be anything.
    #[must_use]
    pub fn read(&self) -> Option<usize> {
        match self {
            Self::Invalid { line, column } => {
                let rest = line.chars().skip(*column);
                let rest = rest.take_while(|c| !c.is_whitespace()).count();
                Some(column.saturating_add(rest))
            }
            Self::Absent { .. } | Self::Ambiguous { .. } | Self::Incomplete | Self::TooLong => None,
        }
    }
}

/// What a router says of a word that means nothing to it, below a caret.
const INVALID: &str = "% Invalid input detected at '^' marker.";

/// Reads one line.
///
/// # Errors
///
/// [`ExecError`]; an empty line is incomplete.
pub fn parse(line: &str, mode: Mode) -> Result<Line, ExecError> {
    let mut walk = Walk::new(line, mode)?;
    while let Some(word) = walk.next() {
        walk.take(word)?;
    }
    walk.end()
}

/// Whether a line is a command for the daemon, or begins one that shows something: that one may be wrong further on.
#[must_use]
pub fn is_command(line: &str) -> bool {
    let Ok(walk) = Walk::new(line, Mode::Privileged) else {
        return false;
    };
    let first = walk.next().and_then(|word| walk.choose(word).ok());
    let shows = first.is_some_and(|node| node.token == Token::Word("show"));
    let read = parse(line, Mode::Privileged);
    shows || read.is_ok_and(|line| !matches!(line.command, ExecCommand::Terminal(_)))
}

/// The command of a line without what follows a `|`.
#[must_use]
pub fn without_modifier(line: &str) -> &str {
    let Ok(mut walk) = Walk::new(line, Mode::Privileged) else {
        return line;
    };
    while let Some(word) = walk.next() {
        if walk.is_pipe(word) {
            return line.get(..word.offset).unwrap_or(line).trim_end();
        }
        if walk.take(word).is_err() {
            break;
        }
    }
    line
}

/// Whether a line has led into a text that goes on to its end: a regular expression or a path.
#[must_use]
pub fn ends_in_text(line: &str) -> bool {
    let Ok(mut walk) = Walk::new(line, Mode::Privileged) else {
        return false;
    };
    while let Some(word) = walk.next() {
        if walk.take(word).is_err() {
            return false;
        }
    }
    walk.last.is_some_and(|node| node.token.takes_all())
}

/// A word of a line.
#[derive(Clone, Copy, Debug)]
struct Word<'l> {
    text: &'l str,
    /// Where it begins, in octets.
    offset: usize,
}

/// How far the words of a line have led.
struct Walk<'l> {
    line: &'l str,
    mode: Mode,
    /// Where the next word is looked for, in octets.
    at: usize,
    /// The word that was taken last.
    last: Option<&'static Node>,
    /// What may follow it.
    nodes: &'static [Node],
    values: Values,
    /// Whether a `|` may follow.
    pipes: bool,
    /// The command in front of a `|`.
    piped: Option<ExecCommand>,
}

impl<'l> Walk<'l> {
    const fn new(line: &'l str, mode: Mode) -> Result<Self, ExecError> {
        if line.len() > MAX_LINE {
            return Err(ExecError::TooLong);
        }
        Ok(Self {
            line,
            mode,
            at: 0,
            last: None,
            nodes: ROOT,
            values: Values {
                off: false,
                address: None,
                interface: None,
                number: None,
                text: None,
                file: None,
                from: None,
                scheme: None,
                force: false,
            },
            pipes: false,
            piped: None,
        })
    }

    /// The word that comes next; [`take`](Self::take) goes behind it.
    fn next(&self) -> Option<Word<'l>> {
        let rest = self.line.get(self.at..)?;
        let text = rest.trim_start();
        let offset = self.line.len().saturating_sub(text.len());
        // A name may hold a `|`, and begins with none where one may follow.
        let named = self.nodes.iter().any(|node| node.token == Token::Name);
        let ends = |c: char| c.is_whitespace() || (self.pipes && !named && c == '|');
        let end = match text.strip_prefix('|') {
            Some(_) if self.pipes => 1,
            _ => text.find(ends).unwrap_or(text.len()),
        };
        let text = text.get(..end).filter(|text| !text.is_empty())?;
        Some(Word { text, offset })
    }

    fn is_pipe(&self, word: Word<'_>) -> bool {
        self.pipes && word.text == "|"
    }

    /// Goes on by one word.
    fn take(&mut self, word: Word<'l>) -> Result<(), ExecError> {
        self.at = word.offset.saturating_add(word.text.len());
        if self.is_pipe(word) {
            self.piped = Some(self.command()?);
            self.pipes = false;
            self.nodes = OUTPUT;
            return Ok(());
        }
        let node = self.choose(word)?;
        let rest = self.line.get(word.offset..).unwrap_or_default();
        let taken = match node.token {
            Token::Line => rest.trim_end(),
            Token::Pattern => rest,
            _ => word.text,
        };
        if node.token.takes_all() {
            self.at = self.line.len();
        }
        node.token.read(taken, &mut self.values);
        self.values.off |= node.off;
        self.values.force |= node.force;
        self.pipes |= node.pipes;
        self.nodes = node.then;
        self.last = Some(node);
        Ok(())
    }

    /// The command that the words so far are.
    fn command(&mut self) -> Result<ExecCommand, ExecError> {
        let values = std::mem::take(&mut self.values);
        match self.last.take().and_then(|node| node.ends) {
            Some(Ending::Command(run)) => run(values).ok_or(ExecError::Incomplete),
            Some(Ending::Output(_)) | None => Err(ExecError::Incomplete),
        }
    }

    fn end(mut self) -> Result<Line, ExecError> {
        let Some(command) = self.piped.take() else {
            let force = self.values.force;
            return Ok(Line {
                command: self.command()?,
                modifier: None,
                force,
            });
        };
        match self.last.and_then(|node| node.ends) {
            Some(Ending::Output(output)) => Ok(Line {
                command,
                modifier: Some(output(self.values).ok_or(ExecError::Incomplete)?),
                force: false,
            }),
            Some(Ending::Command(_)) | None => Err(ExecError::Incomplete),
        }
    }

    /// What may follow, and whoever types may use.
    fn choices(&self) -> impl Iterator<Item = &'static Node> + use<> {
        let mode = self.mode;
        self.nodes.iter().filter(move |node| node.is_in(mode))
    }

    /// The node that `word` means.
    fn choose(&self, word: Word<'_>) -> Result<&'static Node, ExecError> {
        let keywords = || {
            self.choices()
                .filter_map(|node| Some((node, node.token.keyword()?)))
        };
        let typed = word.text;
        let is_in_full = |node: &&Node| {
            let words = [node.token.keyword(), node.token.short()];
            let mut words = words.into_iter().flatten();
            words.any(|keyword| keyword.eq_ignore_ascii_case(typed))
        };
        if let Some(node) = self.choices().find(is_in_full) {
            return Ok(node);
        }
        let mut fitting = keywords().filter(|(_, keyword)| common(keyword, typed) == typed.len());
        let ambiguous = || ExecError::Ambiguous {
            line: self.line.trim().to_owned(),
        };
        match (fitting.next(), fitting.next()) {
            (Some((node, _)), None) => return Ok(node),
            (Some(_), Some(_)) => return Err(ambiguous()),
            (None, _) => {}
        }
        let kinds = self.choices().map(|node| node.token.kinds_begun(typed));
        let kinds = kinds.max().unwrap_or(0);
        if kinds > 1 {
            return Err(ambiguous());
        }
        // What begins like an interface is none of the devices.
        let may_be = |node: &&Node| node.token != Token::Device || kinds == 0;
        let value = self
            .choices()
            .filter(may_be)
            .find(|node| node.token.read(typed, &mut Values::default()));
        value.ok_or_else(|| {
            // A router points at the first character that leads nowhere, not at its word.
            let all = self.choices().map(|node| node.token);
            let words = all.flat_map(|token| [token.keyword(), token.short()]);
            let known = words.flatten().map(|word| common(word, typed)).max();
            let at = word.offset.saturating_add(known.unwrap_or(0));
            ExecError::Invalid {
                line: self.line.trim_end().to_owned(),
                column: self
                    .line
                    .get(..at)
                    .map_or(0, |before| before.chars().count()),
            }
        })
    }
}

/// How many octets `word` shares with the beginning of `keyword`, in any case.
fn common(keyword: &str, word: &str) -> usize {
    let pairs = keyword.bytes().zip(word.bytes());
    pairs
        .take_while(|(ours, typed)| ours.eq_ignore_ascii_case(typed))
        .count()
}
