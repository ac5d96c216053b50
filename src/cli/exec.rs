//! What a line typed at the exec prompt means.
//!
//! One declarative table holds every command. Words match as on a router: in any case, and abbreviated
//! while only one word fits; an exact word beats an abbreviation. A line that does not fit is refused in
//! IOS-XE's words. This is the exec mode only: the lines of a configuration have a tree of their own in
//! `ironflex_profiles`, whose nodes edit a model and so cannot stand for commands.

use std::net::IpAddr;

use thiserror::Error;

use super::{
    Printable,
    show::{Ikev2SaFilter, Ikev2SaQuery, Ikev2Stats, SessionFilter, SessionQuery},
};

/// A command of the exec mode.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExecCommand {
    /// `show crypto ikev2 sa [local A | remote A] [detailed]`
    ShowIkev2Sa(Ikev2SaQuery),
    /// `show crypto ikev2 stats [exchange | ext-service | timeout]`
    ShowIkev2Stats(Ikev2Stats),
    /// `show metrics`: every number, in Prometheus' text format
    ShowMetrics,
    /// `show crypto session [local A | remote A | username U] [detail]`
    ShowCryptoSession(SessionQuery),
    /// `show derived-config interface virtual-access N`
    ShowDerivedConfig {
        /// The number of the interface.
        virtual_access: u32,
    },
    /// `show ip local pool [NAME]`
    ShowIpLocalPool {
        /// The only pool to be shown, with its addresses.
        name: Option<String>,
    },
    /// `show ipv6 local pool [NAME]`
    ShowIpv6LocalPool {
        /// The only pool to be shown, with who holds what of it.
        name: Option<String>,
    },
    /// `show running-config`
    ShowRunningConfig,
    /// `show debugging`
    ShowDebugging,
    /// `clear crypto session [remote A | username U]`
    ClearCryptoSession(ClearTarget),
    /// `test crypto rekey {ikev2|ipsec}`
    TestRekey(Rekeyed),
    /// `debug …`
    Debug(DebugFlag),
    /// `no debug …`, `undebug …`
    NoDebug(DebugFlag),
    /// `undebug all`, `no debug all`
    UndebugAll,
    /// `debug crypto ikev2 keylog FOLDER`; `None` for the same with `no`.
    KeyLog(Option<String>),
}

/// Whose sessions are ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClearTarget {
    /// Everybody's.
    All,
    /// Those of one user.
    User(String),
    /// Those from one address.
    Remote(IpAddr),
}

/// Which SAs of every session are rekeyed at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rekeyed {
    /// The IKE SAs.
    Ike,
    /// The child SAs.
    Child,
}

/// What `debug` can turn on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DebugFlag {
    /// `aaa authentication`
    AaaAuthentication,
    /// `aaa authorization`
    AaaAuthorization,
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
        "{}\n{:width$}^\n% Invalid input detected at '^' marker.",
        Printable(.line), "", width = .column
    )]
    Invalid {
        /// The line.
        line: String,
        /// The place, in characters from 0.
        column: usize,
    },
}

/// Reads one line.
///
/// # Errors
///
/// [`ExecError`]; an empty line is incomplete.
pub fn parse(line: &str) -> Result<ExecCommand, ExecError> {
    let mut nodes = ROOT;
    let mut last: Option<&Node> = None;
    let mut values = Values::default();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let offset = line.len().saturating_sub(rest.len());
        let node = choose(nodes, word, line, offset)?;
        let taken = if node.token == Token::Line {
            rest = "";
            line.get(offset..).unwrap_or_default().trim_end()
        } else {
            rest = after.trim_start();
            word
        };
        node.token.read(taken, &mut values);
        values.off |= node.off;
        nodes = node.then;
        last = Some(node);
    }
    last.and_then(|node| node.run)
        .and_then(|run| run(values))
        .ok_or(ExecError::Incomplete)
}

/// The node of `nodes` that `word` means.
fn choose<'a>(
    nodes: &'a [Node],
    word: &str,
    line: &str,
    offset: usize,
) -> Result<&'a Node, ExecError> {
    let keywords = || {
        nodes
            .iter()
            .filter_map(|node| Some((node, node.token.keyword()?)))
    };
    if let Some((node, _)) = keywords().find(|(_, keyword)| keyword.eq_ignore_ascii_case(word)) {
        return Ok(node);
    }
    let mut fitting = keywords().filter(|(_, keyword)| common(keyword, word) == word.len());
    match (fitting.next(), fitting.next()) {
        (Some((node, _)), None) => return Ok(node),
        (Some(_), Some(_)) => {
            return Err(ExecError::Ambiguous {
                line: line.trim().to_owned(),
            });
        }
        (None, _) => {}
    }
    let value = nodes
        .iter()
        .find(|node| node.token.read(word, &mut Values::default()));
    value.ok_or_else(|| {
        // A router points at the first character that leads nowhere, not at its word.
        let known = keywords().map(|(_, keyword)| common(keyword, word)).max();
        let at = offset.saturating_add(known.unwrap_or(0));
        ExecError::Invalid {
            line: line.trim_end().to_owned(),
            column: line.get(..at).map_or(0, |before| before.chars().count()),
        }
    })
}

/// How many octets `word` shares with the beginning of `keyword`, in any case.
fn common(keyword: &str, word: &str) -> usize {
    let pairs = keyword.bytes().zip(word.bytes());
    pairs
        .take_while(|(ours, typed)| ours.eq_ignore_ascii_case(typed))
        .count()
}

/// What the words of a line have said so far.
#[derive(Debug, Default)]
struct Values {
    /// It began with `no` or `undebug`.
    off: bool,
    address: Option<IpAddr>,
    number: Option<u32>,
    text: Option<String>,
}

/// What can be typed at one place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    /// A word of the language.
    Word(&'static str),
    /// An address of either family.
    Address,
    /// A number of an interface, from 1.
    Number,
    /// An interface in one word: its kind, abbreviated or not, and its number.
    Interface(&'static str),
    /// A free word.
    Name,
    /// The rest of the line.
    Line,
}

impl Token {
    const fn keyword(self) -> Option<&'static str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Reads a value into `values`; whether it is one.
    fn read(self, typed: &str, values: &mut Values) -> bool {
        match self {
            Self::Word(_) => false,
            Self::Address => {
                values.address = typed.parse().ok();
                values.address.is_some()
            }
            Self::Number => {
                values.number = number(typed);
                values.number.is_some()
            }
            Self::Interface(kind) => {
                let digits = typed
                    .find(|c: char| c.is_ascii_digit())
                    .unwrap_or(typed.len());
                let (typed_kind, digits) = typed.split_at(digits);
                let fits = !typed_kind.is_empty() && common(kind, typed_kind) == typed_kind.len();
                values.number = number(digits).filter(|_| fits);
                values.number.is_some()
            }
            Self::Name | Self::Line => {
                values.text = Some(typed.to_owned());
                true
            }
        }
    }
}

fn number(typed: &str) -> Option<u32> {
    // `parse` alone would also take a sign.
    let digits = typed.bytes().all(|octet| octet.is_ascii_digit());
    typed.parse().ok().filter(|number| digits && *number > 0)
}

/// One word of a command, and what may follow it.
struct Node {
    token: Token,
    then: &'static [Self],
    /// Everything below turns something off.
    off: bool,
    /// What a line that ends here means; `None` of it where these values need more words.
    run: Option<fn(Values) -> Option<ExecCommand>>,
}

impl Node {
    const fn value(token: Token) -> Self {
        Self {
            token,
            then: &[],
            off: false,
            run: None,
        }
    }

    const fn word(word: &'static str) -> Self {
        Self::value(Token::Word(word))
    }

    const fn then(self, then: &'static [Self]) -> Self {
        Self { then, ..self }
    }

    const fn off(self) -> Self {
        Self { off: true, ..self }
    }

    const fn run(self, run: fn(Values) -> Option<ExecCommand>) -> Self {
        Self {
            run: Some(run),
            ..self
        }
    }
}

const ROOT: &[Node] = &[
    Node::word("clear").then(&[Node::word("crypto").then(&[CLEAR_SESSION])]),
    Node::word("debug").then(DEBUG),
    Node::word("no").then(&[Node::word("debug").off().then(UNDEBUG)]),
    Node::word("show").then(SHOW),
    Node::word("test").then(&[Node::word("crypto").then(&[Node::word("rekey").then(&[
        Node::word("ikev2").run(|_| Some(ExecCommand::TestRekey(Rekeyed::Ike))),
        Node::word("ipsec").run(|_| Some(ExecCommand::TestRekey(Rekeyed::Child))),
    ])])]),
    Node::word("undebug").off().then(UNDEBUG),
];

const SHOW: &[Node] = &[
    Node::word("crypto").then(&[
        Node::word("ikev2").then(&[IKEV2_SA, IKEV2_STATS]),
        CRYPTO_SESSION,
    ]),
    Node::word("debugging").run(|_| Some(ExecCommand::ShowDebugging)),
    Node::word("derived-config").then(&[Node::word("interface").then(&[
        Node::word("virtual-access").then(&[Node::value(Token::Number).run(derived_config)]),
        Node::value(Token::Interface("virtual-access")).run(derived_config),
    ])]),
    Node::word("ip").then(&[Node::word("local").then(&[Node::word("pool")
        .run(ip_local_pool)
        .then(&[Node::value(Token::Name).run(ip_local_pool)])])]),
    Node::word("ipv6").then(&[Node::word("local").then(&[Node::word("pool")
        .run(ipv6_local_pool)
        .then(&[Node::value(Token::Name).run(ipv6_local_pool)])])]),
    Node::word("metrics").run(|_| Some(ExecCommand::ShowMetrics)),
    Node::word("running-config").run(|_| Some(ExecCommand::ShowRunningConfig)),
];

/// The addresses may stand before or behind the word for details: releases differ.
const IKEV2_SA: Node = Node::word("sa").run(|_| ikev2_sa(false, None)).then(&[
    Node::word("detailed").run(|_| ikev2_sa(true, None)).then(&[
        Node::word("local").then(&[Node::value(Token::Address)
            .run(|values| ikev2_sa(true, Some(Ikev2SaFilter::Local(values.address?))))]),
        Node::word("remote").then(&[Node::value(Token::Address)
            .run(|values| ikev2_sa(true, Some(Ikev2SaFilter::Remote(values.address?))))]),
    ]),
    Node::word("local").then(&[Node::value(Token::Address)
        .run(|values| ikev2_sa(false, Some(Ikev2SaFilter::Local(values.address?))))
        .then(&[Node::word("detailed")
            .run(|values| ikev2_sa(true, Some(Ikev2SaFilter::Local(values.address?))))])]),
    Node::word("remote").then(&[Node::value(Token::Address)
        .run(|values| ikev2_sa(false, Some(Ikev2SaFilter::Remote(values.address?))))
        .then(&[Node::word("detailed")
            .run(|values| ikev2_sa(true, Some(Ikev2SaFilter::Remote(values.address?))))])]),
]);

const IKEV2_STATS: Node = Node::word("stats")
    .run(|_| Some(ExecCommand::ShowIkev2Stats(Ikev2Stats::Summary)))
    .then(&[
        Node::word("exchange").run(|_| Some(ExecCommand::ShowIkev2Stats(Ikev2Stats::Exchange))),
        Node::word("ext-service")
            .run(|_| Some(ExecCommand::ShowIkev2Stats(Ikev2Stats::ExtService))),
        Node::word("timeout").run(|_| Some(ExecCommand::ShowIkev2Stats(Ikev2Stats::Timeout))),
    ]);

const CRYPTO_SESSION: Node = Node::word("session").run(|_| session(false, None)).then(&[
    Node::word("detail").run(|_| session(true, None)).then(&[
        Node::word("local").then(&[Node::value(Token::Address)
            .run(|values| session(true, Some(SessionFilter::Local(values.address?))))]),
        Node::word("remote").then(&[Node::value(Token::Address)
            .run(|values| session(true, Some(SessionFilter::Remote(values.address?))))]),
        Node::word("username").then(&[Node::value(Token::Name)
            .run(|values| session(true, Some(SessionFilter::Username(values.text?))))]),
    ]),
    Node::word("local").then(&[Node::value(Token::Address)
        .run(|values| session(false, Some(SessionFilter::Local(values.address?))))
        .then(&[Node::word("detail")
            .run(|values| session(true, Some(SessionFilter::Local(values.address?))))])]),
    Node::word("remote").then(&[Node::value(Token::Address)
        .run(|values| session(false, Some(SessionFilter::Remote(values.address?))))
        .then(&[Node::word("detail")
            .run(|values| session(true, Some(SessionFilter::Remote(values.address?))))])]),
    Node::word("username").then(&[Node::value(Token::Name)
        .run(|values| session(false, Some(SessionFilter::Username(values.text?))))
        .then(&[Node::word("detail")
            .run(|values| session(true, Some(SessionFilter::Username(values.text?))))])]),
]);

const CLEAR_SESSION: Node = Node::word("session")
    .run(|_| Some(ExecCommand::ClearCryptoSession(ClearTarget::All)))
    .then(&[
        Node::word("remote").then(&[Node::value(Token::Address).run(|values| {
            Some(ExecCommand::ClearCryptoSession(ClearTarget::Remote(
                values.address?,
            )))
        })]),
        Node::word("username").then(&[Node::value(Token::Name).run(|values| {
            Some(ExecCommand::ClearCryptoSession(ClearTarget::User(
                values.text?,
            )))
        })]),
    ]);

const DEBUG: &[Node] = &[DEBUG_AAA, DEBUG_CRYPTO];

const UNDEBUG: &[Node] = &[
    DEBUG_AAA,
    Node::word("all").run(|_| Some(ExecCommand::UndebugAll)),
    DEBUG_CRYPTO,
];

const DEBUG_AAA: Node = Node::word("aaa").then(&[
    Node::word("authentication").run(|values| debug(&values, DebugFlag::AaaAuthentication)),
    Node::word("authorization").run(|values| debug(&values, DebugFlag::AaaAuthorization)),
]);

const DEBUG_CRYPTO: Node = Node::word("crypto").then(&[Node::word("ikev2")
    .run(|values| debug(&values, DebugFlag::Ikev2))
    .then(&[
        Node::word("error").run(|values| debug(&values, DebugFlag::Ikev2Error)),
        Node::word("internal").run(|values| debug(&values, DebugFlag::Ikev2Internal)),
        Node::word("keylog")
            .run(key_log)
            .then(&[Node::value(Token::Line).run(key_log)]),
        Node::word("packet").run(|values| debug(&values, DebugFlag::Ikev2Packet)),
    ])]);

const fn ikev2_sa(detailed: bool, filter: Option<Ikev2SaFilter>) -> Option<ExecCommand> {
    Some(ExecCommand::ShowIkev2Sa(Ikev2SaQuery { detailed, filter }))
}

fn session(detail: bool, filter: Option<SessionFilter>) -> Option<ExecCommand> {
    Some(ExecCommand::ShowCryptoSession(SessionQuery {
        detail,
        filter,
    }))
}

fn derived_config(values: Values) -> Option<ExecCommand> {
    Some(ExecCommand::ShowDerivedConfig {
        virtual_access: values.number?,
    })
}

fn ip_local_pool(values: Values) -> Option<ExecCommand> {
    Some(ExecCommand::ShowIpLocalPool { name: values.text })
}

fn ipv6_local_pool(values: Values) -> Option<ExecCommand> {
    Some(ExecCommand::ShowIpv6LocalPool { name: values.text })
}

const fn debug(values: &Values, flag: DebugFlag) -> Option<ExecCommand> {
    Some(if values.off {
        ExecCommand::NoDebug(flag)
    } else {
        ExecCommand::Debug(flag)
    })
}

/// Turning it off needs no folder, and passes over one that is given.
fn key_log(values: Values) -> Option<ExecCommand> {
    if values.off {
        return Some(ExecCommand::KeyLog(None));
    }
    Some(ExecCommand::KeyLog(Some(values.text?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn invalid(line: &str, column: usize) -> ExecError {
        ExecError::Invalid {
            line: line.to_owned(),
            column,
        }
    }

    #[test]
    fn reads_every_command_in_full() {
        let sa = |detailed, filter| ikev2_sa(detailed, filter).unwrap();
        let session = |detail, filter| session(detail, filter).unwrap();
        let client = address("192.0.2.100");
        let six = address("2001:db8::1");
        let cases = [
            ("show crypto ikev2 sa", sa(false, None)),
            ("show crypto ikev2 sa detailed", sa(true, None)),
            ("show crypto ikev2 sa detail", sa(true, None)),
            (
                "show crypto ikev2 sa remote 192.0.2.100",
                sa(false, Some(Ikev2SaFilter::Remote(client))),
            ),
            (
                "show crypto ikev2 sa local 2001:DB8::1 detailed",
                sa(true, Some(Ikev2SaFilter::Local(six))),
            ),
            (
                "show crypto ikev2 sa detailed local 2001:db8::1",
                sa(true, Some(Ikev2SaFilter::Local(six))),
            ),
            (
                "show crypto ikev2 sa detailed remote 192.0.2.100",
                sa(true, Some(Ikev2SaFilter::Remote(client))),
            ),
            (
                "show crypto ikev2 stats",
                ExecCommand::ShowIkev2Stats(Ikev2Stats::Summary),
            ),
            (
                "show crypto ikev2 stats ext-service",
                ExecCommand::ShowIkev2Stats(Ikev2Stats::ExtService),
            ),
            ("show metrics", ExecCommand::ShowMetrics),
            ("show crypto session", session(false, None)),
            ("show crypto session detail", session(true, None)),
            (
                "show crypto session username test",
                session(false, Some(SessionFilter::Username("test".into()))),
            ),
            (
                "show crypto session detail username Test",
                session(true, Some(SessionFilter::Username("Test".into()))),
            ),
            (
                "show crypto session remote 192.0.2.100 detail",
                session(true, Some(SessionFilter::Remote(client))),
            ),
            (
                "show crypto session local 2001:db8::1",
                session(false, Some(SessionFilter::Local(six))),
            ),
            (
                "show derived-config interface virtual-access 1",
                ExecCommand::ShowDerivedConfig { virtual_access: 1 },
            ),
            (
                "show derived-config interface Virtual-Access12",
                ExecCommand::ShowDerivedConfig { virtual_access: 12 },
            ),
            (
                "show ip local pool",
                ExecCommand::ShowIpLocalPool { name: None },
            ),
            (
                "show ip local pool ACPool",
                ExecCommand::ShowIpLocalPool {
                    name: Some("ACPool".into()),
                },
            ),
            (
                "show ipv6 local pool",
                ExecCommand::ShowIpv6LocalPool { name: None },
            ),
            (
                "show ipv6 local pool SixPool",
                ExecCommand::ShowIpv6LocalPool {
                    name: Some("SixPool".into()),
                },
            ),
            ("show running-config", ExecCommand::ShowRunningConfig),
            ("show debugging", ExecCommand::ShowDebugging),
            (
                "clear crypto session",
                ExecCommand::ClearCryptoSession(ClearTarget::All),
            ),
            (
                "clear crypto session username test",
                ExecCommand::ClearCryptoSession(ClearTarget::User("test".into())),
            ),
            (
                "clear crypto session remote 192.0.2.100",
                ExecCommand::ClearCryptoSession(ClearTarget::Remote(client)),
            ),
            (
                "test crypto rekey ikev2",
                ExecCommand::TestRekey(Rekeyed::Ike),
            ),
            (
                "test crypto rekey ipsec",
                ExecCommand::TestRekey(Rekeyed::Child),
            ),
            ("debug crypto ikev2", ExecCommand::Debug(DebugFlag::Ikev2)),
            (
                "debug crypto ikev2 packet",
                ExecCommand::Debug(DebugFlag::Ikev2Packet),
            ),
            (
                "no debug crypto ikev2 error",
                ExecCommand::NoDebug(DebugFlag::Ikev2Error),
            ),
            (
                "undebug crypto ikev2 internal",
                ExecCommand::NoDebug(DebugFlag::Ikev2Internal),
            ),
            (
                "debug aaa authentication",
                ExecCommand::Debug(DebugFlag::AaaAuthentication),
            ),
            (
                "debug aaa authorization",
                ExecCommand::Debug(DebugFlag::AaaAuthorization),
            ),
            (
                "debug crypto ikev2 keylog /tmp/a folder ",
                ExecCommand::KeyLog(Some("/tmp/a folder".into())),
            ),
            ("no debug crypto ikev2 keylog", ExecCommand::KeyLog(None)),
            (
                "no debug crypto ikev2 keylog /tmp",
                ExecCommand::KeyLog(None),
            ),
            ("undebug all", ExecCommand::UndebugAll),
            ("no debug all", ExecCommand::UndebugAll),
        ];
        for (line, command) in cases {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn takes_abbreviations_any_case_and_any_blanks() {
        for (short, long) in [
            ("sh cry ses de", "show crypto session detail"),
            ("  SH\tcry  IKE sa  det ", "show crypto ikev2 sa detailed"),
            (
                "sh der int vi1",
                "show derived-config interface virtual-access 1",
            ),
            (
                "sh der int vi 1",
                "show derived-config interface virtual-access 1",
            ),
            ("sh run", "show running-config"),
            ("sh ip lo po", "show ip local pool"),
            ("u all", "undebug all"),
            ("cle cry ses u test", "clear crypto session username test"),
        ] {
            assert_eq!(parse(short), parse(long), "{short}");
            assert!(parse(short).is_ok(), "{short}");
        }
    }

    #[test]
    fn says_where_a_line_leaves_the_language() {
        for (line, column) in [
            ("shaw crypto", 2),
            ("show crypto ikev3 sa", 16),
            ("show vresion", 5),
            ("show crypto ikev2 sa remote gw.example", 28),
            ("show crypto session detail more", 27),
            ("show derived-config interface virtual-access 0", 45),
            ("show derived-config interface virtual-access +1", 45),
            ("show derived-config interface virtual-access0", 44),
            ("show ip local pool ACPool more", 26),
            ("debug all", 7),
            ("debug crypto ikev2 é", 19),
            ("show crypto ikev2 sa | include READY", 21),
        ] {
            assert_eq!(parse(line), Err(invalid(line, column)), "{line}");
        }
    }

    #[test]
    fn refuses_in_the_words_of_a_router() {
        let said = |line: &str| parse(line).unwrap_err().to_string();
        assert_eq!(
            said("show crypto ikev3 sa"),
            "show crypto ikev3 sa\n                ^\n% Invalid input detected at '^' marker."
        );
        assert_eq!(said("sh de"), "% Ambiguous command:  \"sh de\"");
        assert_eq!(
            said("debug aaa auth"),
            "% Ambiguous command:  \"debug aaa auth\""
        );
        for line in [
            "",
            "  ",
            "show",
            "show crypto ikev2 sa remote",
            "debug crypto ikev2 keylog",
        ] {
            assert_eq!(parse(line), Err(ExecError::Incomplete), "{line:?}");
            assert_eq!(said(line), "% Incomplete command.");
        }
        assert_eq!(
            said("\u{1b}[2J"),
            ".[2J\n^\n% Invalid input detected at '^' marker."
        );
    }

    /// Otherwise a keyword would be taken for a value, or a value for an abbreviation.
    #[test]
    fn free_words_stand_alone_and_every_path_leads_to_a_command() {
        fn walk(nodes: &[Node], path: &str) {
            let free = |node: &Node| matches!(node.token, Token::Name | Token::Line);
            assert!(nodes.len() == 1 || !nodes.iter().any(free), "{path}");
            for node in nodes {
                let word = match node.token {
                    Token::Word(word) => word,
                    Token::Address => "192.0.2.1",
                    Token::Interface(_) => "virtual-access7",
                    Token::Number => "7",
                    Token::Name | Token::Line => "name",
                };
                let line = format!("{path}{word}");
                let parsed = parse(&line);
                if node.then.is_empty() {
                    assert!(parsed.is_ok(), "{line}: {parsed:?}");
                } else {
                    assert!(
                        matches!(parsed, Ok(_) | Err(ExecError::Incomplete)),
                        "{line}"
                    );
                }
                walk(node.then, &format!("{line} "));
            }
        }
        walk(ROOT, "");
    }
}
