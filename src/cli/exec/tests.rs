//! What lines mean, and what is said of them.

use std::net::IpAddr;

mod interfaces;
mod newcomer;
mod router;

use super::{
    super::{
        pipe::Redirection,
        show::{Ikev2SaFilter, IpsecSaFilter, SessionFilter},
    },
    table::{ikev2_sa, session::session},
    *,
};

fn parse(line: &str) -> Result<ExecCommand, ExecError> {
    super::parse(line, Mode::Privileged).map(|line| {
        assert_eq!(line.modifier, None);
        line.command
    })
}

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
            ExecCommand::Show(Show::Ikev2Stats(Ikev2Stats::Summary)),
        ),
        (
            "show crypto ikev2 stats ext-service",
            ExecCommand::Show(Show::Ikev2Stats(Ikev2Stats::ExtService)),
        ),
        ("show metrics", ExecCommand::Show(Show::Metrics)),
        (
            "show crypto ipsec sa",
            ExecCommand::Show(Show::IpsecSa(IpsecSaQuery::default())),
        ),
        (
            "show crypto ipsec sa peer 192.0.2.100 detail",
            ExecCommand::Show(Show::IpsecSa(IpsecSaQuery {
                detail: true,
                filter: Some(IpsecSaFilter::Peer(client)),
            })),
        ),
        (
            "sh cry ipsec sa int vi7",
            ExecCommand::Show(Show::IpsecSa(IpsecSaQuery {
                detail: false,
                filter: Some(IpsecSaFilter::Interface(7)),
            })),
        ),
        (
            "show crypto ipsec sa count",
            ExecCommand::Show(Show::IpsecSaCount),
        ),
        (
            "show crypto ikev2 session detail",
            ExecCommand::Show(Show::Ikev2Session { detailed: true }),
        ),
        (
            "show crypto session brief",
            ExecCommand::Show(Show::CryptoSessionBrief),
        ),
        (
            "show crypto session summary",
            ExecCommand::Show(Show::CryptoSessionSummary),
        ),
        (
            "show crypto session groups",
            ExecCommand::Show(Show::CryptoSessionGroups),
        ),
        (
            "show crypto session interface virtual-access 7",
            session(false, Some(SessionFilter::Interface(7))),
        ),
        (
            "sh cry ses int vi7 det",
            session(true, Some(SessionFilter::Interface(7))),
        ),
        (
            "show crypto key mypubkey rsa",
            ExecCommand::Show(Show::MyPublicKeys(KeyKind::Rsa)),
        ),
        (
            "show crypto pki certificates TP",
            ExecCommand::Show(Show::PkiCertificates {
                verbose: false,
                name: Some("TP".into()),
            }),
        ),
        (
            "show crypto pki trustpoints TP status",
            ExecCommand::Show(Show::PkiTrustpoints {
                status: true,
                name: Some("TP".into()),
            }),
        ),
        (
            "show crypto pki trustpoints status TP",
            ExecCommand::Show(Show::PkiTrustpoints {
                status: true,
                name: Some("TP".into()),
            }),
        ),
        (
            "show crypto pki trustpoints TP",
            ExecCommand::Show(Show::PkiTrustpoints {
                status: false,
                name: Some("TP".into()),
            }),
        ),
        (
            "clear crypto sa",
            ExecCommand::TestRekey(Rekeyed::Child, Whose::All),
        ),
        (
            "clear crypto sa peer 192.0.2.100",
            ExecCommand::TestRekey(Rekeyed::Child, Whose::Remote(client)),
        ),
        (
            "clear crypto sa counters",
            ExecCommand::Unsupported("clear crypto sa counters"),
        ),
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
            "show crypto session username a|b",
            session(false, Some(SessionFilter::Username("a|b".into()))),
        ),
        (
            "show ip local pool a|",
            ExecCommand::Show(Show::IpLocalPool {
                name: Some("a|".into()),
            }),
        ),
        (
            "show derived-config interface virtual-access 1",
            ExecCommand::Show(Show::DerivedConfig { virtual_access: 1 }),
        ),
        (
            "show derived-config interface Virtual-Access12",
            ExecCommand::Show(Show::DerivedConfig { virtual_access: 12 }),
        ),
        (
            "show ip local pool",
            ExecCommand::Show(Show::IpLocalPool { name: None }),
        ),
        (
            "show ip local pool ACPool",
            ExecCommand::Show(Show::IpLocalPool {
                name: Some("ACPool".into()),
            }),
        ),
        (
            "show ipv6 local pool",
            ExecCommand::Show(Show::Ipv6LocalPool { name: None }),
        ),
        (
            "show ipv6 local pool SixPool",
            ExecCommand::Show(Show::Ipv6LocalPool {
                name: Some("SixPool".into()),
            }),
        ),
        (
            "show running-config",
            ExecCommand::Show(Show::RunningConfig { all: false }),
        ),
        ("show debugging", ExecCommand::Show(Show::Debugging)),
        (
            "clear crypto session",
            ExecCommand::ClearCryptoSession(Whose::All),
        ),
        (
            "clear crypto session username test",
            ExecCommand::ClearCryptoSession(Whose::User("test".into())),
        ),
        (
            "clear crypto session remote 192.0.2.100",
            ExecCommand::ClearCryptoSession(Whose::Remote(client)),
        ),
        (
            "clear crypto session local 192.0.2.100",
            ExecCommand::ClearCryptoSession(Whose::Local(client)),
        ),
        (
            "clear crypto ikev2 sa",
            ExecCommand::ClearCryptoSession(Whose::All),
        ),
        (
            "clear crypto ikev2 sa remote 192.0.2.100",
            ExecCommand::ClearCryptoSession(Whose::Remote(client)),
        ),
        ("clear crypto ikev2 stats", ExecCommand::ClearIkev2Stats),
        (
            "test crypto rekey ipsec username test",
            ExecCommand::TestRekey(Rekeyed::Child, Whose::User("test".into())),
        ),
        (
            "test crypto rekey ikev2 remote 192.0.2.100",
            ExecCommand::TestRekey(Rekeyed::Ike, Whose::Remote(client)),
        ),
        (
            "test crypto rekey ikev2",
            ExecCommand::TestRekey(Rekeyed::Ike, Whose::All),
        ),
        (
            "test crypto rekey ipsec",
            ExecCommand::TestRekey(Rekeyed::Child, Whose::All),
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
        ("sh run all", "show running-config all"),
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
        ("show vresion", 6),
        ("show crypto ikev2 sa remote gw.example", 28),
        ("show crypto session detail more", 27),
        ("show derived-config interface virtual-access 0", 45),
        ("show derived-config interface virtual-access +1", 45),
        ("show derived-config interface virtual-access0", 44),
        ("show ip local pool ACPool more", 26),
        ("debug crypto ikev2 é", 19),
        ("clear crypto session | include READY", 21),
        ("show crypto ikev2 sa | prep READY", 23),
        ("show crypto ikev2 sa |includes READY", 29),
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

/// Where a router takes a name in the place of a keyword. It is an operator's own, and whoever calls a trustpoint by the
/// beginning of that keyword finds it behind it.
const NAMES_BESIDE_KEYWORDS: [&str; 4] = [
    "show crypto pki certificates ",
    "show crypto pki trustpoints ",
    "show crypto session | section ",
    "show crypto session | tee ",
];

/// Otherwise a keyword would be taken for a value, or a value for an abbreviation.
#[test]
fn free_words_stand_alone_and_every_path_leads_to_a_command() {
    fn walk(nodes: &[Node], path: &str) {
        let free = |node: &Node| node.token.takes_all() || node.token == Token::Name;
        let alone = nodes.len() == 1 || !nodes.iter().any(free);
        assert!(alone || NAMES_BESIDE_KEYWORDS.contains(&path), "{path}");
        // By its digit a device is told from a keyword.
        let devices = nodes.iter().any(|node| node.token == Token::Device);
        let mut keywords = nodes.iter().filter_map(|node| node.token.keyword());
        let digits = |word: &str| word.contains(|one: char| one.is_ascii_digit());
        assert!(!devices || !keywords.any(digits), "{path}");
        for node in nodes {
            let word = node.token.sample();
            let line = format!("{path}{word}");
            let parsed = super::parse(&line, Mode::Privileged);
            if node.then.is_empty() {
                assert!(parsed.is_ok(), "{line}: {parsed:?}");
            } else {
                assert!(
                    matches!(parsed, Ok(_) | Err(ExecError::Incomplete)),
                    "{line}"
                );
            }
            assert!(!node.help.is_empty(), "{line} has no help");
            walk(node.then, &format!("{line} "));
        }
    }
    walk(ROOT, "");
    walk(OUTPUT, "show crypto session | ");
    for (line, verbose, name) in [
        ("show crypto pki certificates", false, None),
        ("show crypto pki certificates ver", true, None),
        ("show crypto pki certificates TP", false, Some("TP")),
        ("show crypto pki certificates TP verbose", true, Some("TP")),
        (
            "show crypto pki certificates verbose verbose",
            true,
            Some("verbose"),
        ),
    ] {
        let name = name.map(str::to_owned);
        let shown = Show::PkiCertificates { verbose, name };
        assert_eq!(parse(line), Ok(ExecCommand::Show(shown)), "{line}");
    }
}

#[test]
fn reads_what_becomes_of_the_output() {
    let modifier = |line: &str| {
        let read = super::parse(line, Mode::User).unwrap();
        assert_eq!(
            read.command,
            parse("show crypto session").unwrap(),
            "{line}"
        );
        read.modifier.unwrap()
    };
    for (line, expected) in [
        (
            "show crypto session | include UP|DOWN ",
            Modifier::Include("UP|DOWN ".into()),
        ),
        (
            "sh cry ses|i Peer: 192",
            Modifier::Include("Peer: 192".into()),
        ),
        (
            "show crypto session | exclude ^$",
            Modifier::Exclude("^$".into()),
        ),
        ("show crypto session | b \"", Modifier::Begin("\"".into())),
        (
            "show crypto session | SECTION Interface",
            Modifier::Section("Interface".into()),
        ),
        (
            "show crypto session | count",
            Modifier::Count(String::new()),
        ),
        ("show crypto session |c UP", Modifier::Count("UP".into())),
        (
            "show crypto session | redirect a file ",
            Modifier::Redirect(Redirection {
                file: "a file".into(),
                append: false,
                shown: false,
            }),
        ),
    ] {
        assert_eq!(modifier(line), expected, "{line}");
        assert_eq!(
            super::parse(without_modifier(line), Mode::User)
                .unwrap()
                .modifier,
            None,
            "{line}"
        );
    }
    for line in [
        "show crypto | include READY",
        "show crypto session |",
        "show crypto session | include ",
        "show | count",
    ] {
        assert_eq!(
            super::parse(line, Mode::User),
            Err(ExecError::Incomplete),
            "{line}"
        );
    }
    assert_eq!(without_modifier("sh cry ses | i UP"), "sh cry ses");
    let named = "show crypto session username a|b |count c|d";
    assert_eq!(without_modifier(named), "show crypto session username a|b");
    let read = super::parse(named, Mode::User).unwrap();
    assert_eq!(read.modifier, Some(Modifier::Count("c|d".into())));
    assert_eq!(
        without_modifier("show ip local pool |count"),
        "show ip local pool"
    );
    let folder = "debug crypto ikev2 keylog /tmp/a|b";
    assert_eq!(without_modifier(folder), folder);
    assert_eq!(
        parse(folder),
        Ok(ExecCommand::KeyLog(Some("/tmp/a|b".into())))
    );
}

#[test]
fn who_is_not_privileged_looks_only() {
    // The caret stands behind what other words begin with.
    for (line, column) in [
        ("clear crypto session", 0),
        ("debug crypto ikev2", 1),
        ("undebug all", 0),
        ("test crypto rekey ikev2", 2),
    ] {
        assert_eq!(
            super::parse(line, Mode::User),
            Err(invalid(line, column)),
            "{line}"
        );
        assert!(parse(line).is_ok());
    }
    assert_eq!(
        super::parse("show running-config", Mode::User),
        Err(invalid("show running-config", 5))
    );
    assert!(super::parse("show crypto session", Mode::User).is_ok());
    assert!(!help("", Mode::User).contains("clear"));
    assert_eq!(help("show run ", Mode::User), "% Unrecognized command\n");
}

#[test]
fn explains_what_can_be_typed() {
    assert_eq!(
        help("", Mode::User),
        "\
Exec commands:
  disable     Turn off privileged commands
  enable      Turn on privileged commands
  exit        Exit from the EXEC
  help        Description of the interactive help system
  logout      Exit from the EXEC
  ping        Send echo messages (not here: the machine's shell)
  quit        Exit from the EXEC
  show        Show running system information
  terminal    Set terminal line parameters
  traceroute  Trace route to destination (not here: the machine's shell)
  who         Display information about terminal lines
"
    );
    let said = |line: &str| help(line, Mode::Privileged);
    assert_eq!(
        said("sh cry ikev2 sa "),
        "  count     Shows ikev2 SA count
  detailed  Shows ikev2 SAs in detail
  fvrf      Show SAs by front-door VRF (not here)
  local     Show SAs by local address
  remote    Show SAs by remote address
  |         Output modifiers
  <cr>      <cr>
"
    );
    assert_eq!(
        said("show crypto session remote "),
        "  A.B.C.D     IPv4 address\n  X:X:X:X::X  IPv6 address\n"
    );
    assert_eq!(
        said("terminal length "),
        "  <0-512>  Number of lines on screen (0 for no pausing)\n"
    );
    assert_eq!(
        said("show ip local pool "),
        "  WORD  Name of the pool\n  |     Output modifiers\n  <cr>  <cr>\n"
    );
    assert_eq!(
        said("show ip local pool ACPool "),
        "  |     Output modifiers\n  <cr>  <cr>\n"
    );
    assert_eq!(said("undebug all "), "  <cr>  <cr>\n");
    // Only without it can a line end here.
    assert!(said("no debug crypto ikev2 keylog ").contains("<cr>"));
    assert!(!said("debug crypto ikev2 keylog ").contains("<cr>"));
    assert_eq!(
        said("show crypto session | "),
        "  append    Append redirected output to a file
  begin     Begin with the line that matches
  count     Count number of lines which match regexp
  exclude   Exclude lines that match
  grep      Lines that match (not here: include)
  include   Include lines that match
  json      The same facts as JSON (docs/json.md)
  redirect  Redirect output to a file
  section   Filter a section of output
  tee       Copy output to a file
"
    );
    assert_eq!(
        said("show crypto session |"),
        said("show crypto session | ")
    );
    assert_eq!(
        said("show crypto session | inc "),
        "  LINE  Regular Expression\n"
    );
    assert_eq!(said("show crypto foo "), "% Unrecognized command\n");
    assert_eq!(said("d "), "% Ambiguous command:  \"d \"\n");
    assert_eq!(said("de\u{1b}[2J "), "% Unrecognized command\n");
}

#[test]
fn lists_the_words_that_begin_so() {
    let said = |line: &str| help(line, Mode::Privileged);
    assert_eq!(said("sh"), "show  \n");
    assert_eq!(said("d"), "debug    delete   dir      disable  \n");
    assert_eq!(
        said("show crypto session "),
        help("show crypto session ", Mode::User)
    );
    assert_eq!(said("show crypto se"), "session  \n");
    assert_eq!(said("show ip local pool AC"), "WORD  \n");
    assert_eq!(
        said("show crypto session remote 192.0"),
        "A.B.C.D     X:X:X:X::X  \n"
    );
    assert_eq!(said("terminal length 5"), "<0-512>  \n");
    for line in [
        "xyz",
        "show crypto sessions",
        "terminal length 513",
        "terminal length x",
    ] {
        assert_eq!(said(line), "% Unrecognized command\n", "{line}");
    }
}

#[test]
fn completes_words() {
    let at = |line: &str| {
        let found = complete(line, Mode::Privileged);
        (found.start, found.words)
    };
    assert_eq!(at("sh cry ikev2 st"), (13, vec!["stats"]));
    assert_eq!(at("SH CRY IKEV2 S"), (13, vec!["sa", "session", "stats"]));
    assert_eq!(at("un"), (0, vec!["undebug"]));
    assert_eq!(at("show ip local pool AC"), (19, vec![]));
    assert_eq!(at("show crypto session | inc"), (22, vec!["include"]));
    assert_eq!(at("show crypto session remote "), (27, vec![]));
    assert_eq!(at("show foo b"), (10, vec![]));
    let helps = [("stats", "Shows ikev2 statistics")];
    assert_eq!(explained("sh cry ikev2 st", Mode::Privileged), helps);
    assert_eq!(explained("show foo b", Mode::Privileged), []);
    let every = complete("", Mode::User).words;
    assert_eq!(
        every,
        [
            "disable",
            "enable",
            "exit",
            "help",
            "logout",
            "ping",
            "quit",
            "show",
            "terminal",
            "traceroute",
            "who"
        ]
    );
}

#[test]
fn bad_input_is_refused_in_short_words() {
    let long = "a".repeat(1 << 20);
    assert_eq!(parse(&long), Err(ExecError::TooLong));
    assert_eq!(help(&long, Mode::User), format!("{}\n", ExecError::TooLong));
    assert_eq!(complete(&long, Mode::User).words, Vec::<&str>::new());
    assert_eq!(without_modifier(&long), long);
    for line in [
        "\u{0}",
        "show \u{7}crypto",
        "Jürgen",
        "show crypto session username Jür\u{301}gen x",
        "|",
        "| include x",
    ] {
        let error = parse(line).unwrap_err().to_string();
        assert!(
            error.ends_with("% Invalid input detected at '^' marker."),
            "{line:?}: {error}"
        );
        assert!(
            error.chars().all(|c| c == '\n' || !c.is_control()),
            "{error:?}"
        );
        let _ = (help(line, Mode::User), complete(line, Mode::User));
    }
    // The caret stands below the character, not behind its octets.
    assert_eq!(
        super::parse("show crypto session username Jürgen x", Mode::User),
        Err(invalid("show crypto session username Jürgen x", 36))
    );
    assert_eq!(
        invalid("show vresion", 5).below_prompt(7),
        "            ^\n% Invalid input detected at '^' marker.\n"
    );
}

/// `docs/commands.md` is what the table says; `IRONFLEX_UPDATE_GOLDENS=1` writes it anew.
#[test]
fn the_documented_commands_are_those_of_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let begin = text.find("| command |").unwrap();
    let expected = format!("{}{}", &text[..begin], reference());
    if std::env::var_os("IRONFLEX_UPDATE_GOLDENS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert_eq!(text, expected, "{}", path.display());
    }
}
