//! What is typed as on a router: forms of commands, words that are refused by name, and what is ambiguous.

use super::*;

fn whole(line: &str) -> Line {
    super::super::parse(line, Mode::Privileged).unwrap()
}

fn replaces(line: &str, force: bool, minutes: Option<u32>) {
    let file = "bootflash:x".to_owned();
    assert_eq!(
        parse(line).unwrap(),
        ExecCommand::ConfigureReplace(Replacement {
            file,
            force,
            minutes
        }),
        "{line}"
    );
}

#[test]
fn a_replacement_has_the_options_of_a_router() {
    replaces("configure replace bootflash:x", false, None);
    replaces("conf rep bootflash:x force", true, None);
    replaces("configure replace bootflash:x list", false, None);
    replaces("configure replace bootflash:x list force", true, None);
    replaces(
        "configure replace bootflash:x force list time 5",
        true,
        Some(5),
    );
    replaces("configure replace bootflash:x time 5", false, Some(5));
    replaces(
        "configure replace bootflash:x revert trigger timer 7",
        false,
        Some(7),
    );
    replaces(
        "configure replace bootflash:x force revert trigger error timer 7",
        true,
        Some(7),
    );
    replaces(
        "configure replace bootflash:x revert trigger error",
        false,
        None,
    );
    for line in [
        "configure replace",
        "configure replace bootflash:x time",
        "configure replace bootflash:x revert trigger",
    ] {
        assert_eq!(parse(line), Err(ExecError::Incomplete), "{line}");
    }
    for line in [
        "configure replace bootflash:x now",
        "configure replace bootflash:x time 121",
    ] {
        assert!(
            matches!(parse(line), Err(ExecError::Invalid { .. })),
            "{line}"
        );
    }
    assert_eq!(
        parse("configure revert timer 9"),
        Ok(ExecCommand::ConfigureRevertTimer(9))
    );
    // Whoever says so is not asked.
    let asked = |line: &str| whole(line).confirmation().is_some();
    assert!(asked("configure replace bootflash:x time 5"));
    assert!(!asked("configure replace bootflash:x force"));
}

#[test]
fn files_are_copied_to_and_from_bootflash_alone() {
    let name = || FileName::new("bootflash:x").unwrap();
    for (line, command) in [
        (
            "copy run bootflash:x",
            ExecCommand::CopyTo(name(), Source::Running),
        ),
        (
            "copy start bootflash:x",
            ExecCommand::CopyTo(name(), Source::Startup),
        ),
        (
            "copy bootflash:x running-config",
            ExecCommand::Merge(Source::File(name())),
        ),
        (
            "copy startup-config running-config",
            ExecCommand::Merge(Source::Startup),
        ),
        (
            "copy flash:/y bootflash:x",
            ExecCommand::CopyTo(name(), Source::File(FileName::new("flash:/y").unwrap())),
        ),
        ("configure memory", ExecCommand::Merge(Source::Startup)),
        ("conf mem", ExecCommand::Merge(Source::Startup)),
        ("copy run start", ExecCommand::WriteMemory),
        ("delete bootflash:x", ExecCommand::Delete(name())),
        ("del /force bootflash:x", ExecCommand::Delete(name())),
        ("write erase", ExecCommand::EraseStartup),
        ("erase startup", ExecCommand::EraseStartup),
        ("erase nvram:", ExecCommand::EraseStartup),
        ("more bootflash:x", ExecCommand::More(Source::File(name()))),
        (
            "more nvram:startup-config",
            ExecCommand::More(Source::Startup),
        ),
        ("more x", ExecCommand::More(Source::File(name()))),
        ("delete x", ExecCommand::Delete(name())),
        ("delete /force x", ExecCommand::Delete(name())),
        ("more system:running", ExecCommand::More(Source::Running)),
        ("show flash:", ExecCommand::Directory),
        ("sh bootflash", ExecCommand::Directory),
    ] {
        assert_eq!(parse(line), Ok(command), "{line}");
        assert!(super::super::parse(line, Mode::User).is_err(), "{line}");
    }
    for line in [
        "copy running-config bootflash:../x",
        "copy running-config /etc/x",
        "copy bootflash:/a/../../x running-config",
        "delete bootflash:../x",
        "delete /etc/x",
        "delete nvram:startup-config",
        "more /etc/passwd",
        "more bootflash:a/../../x",
        "more nvram:x",
        "erase bootflash:",
    ] {
        assert!(
            matches!(parse(line), Err(ExecError::Invalid { .. })),
            "{line}"
        );
    }
    let said = help("copy running-config ", Mode::Privileged);
    assert!(
        said.contains("  bootflash:      Copy to a file\n"),
        "{said}"
    );
    // What goes without saying is the name of what is copied.
    for (line, name, source) in [
        ("copy run bootflash:", "running-config", Source::Running),
        ("copy start flash:/", "startup-config", Source::Startup),
    ] {
        let file = FileName::new(&format!("bootflash:{name}")).unwrap();
        let command = ExecCommand::CopyTo(file.clone(), source);
        assert_eq!(parse(line), Ok(command), "{line}");
        let asked = Some(Asked::Destination(file));
        assert_eq!(whole(line).confirmation(), asked, "{line}");
    }
    for line in ["more bootflash:x | include a", "show flash: | json"] {
        assert!(whole(line).modifier.is_some(), "{line}");
    }
}

#[test]
fn files_of_other_machines_are_refused_by_name_in_either_direction() {
    for line in [
        "copy tftp: running-config",
        "copy tftp://192.0.2.1/x bootflash:x",
        "copy TFTP:",
        "copy running-config tftp:",
        "copy startup-config tftp://192.0.2.1/x",
        "copy bootflash:x tftp:",
    ] {
        let words = "copy by tftp".to_owned();
        assert_eq!(parse(line), Ok(ExecCommand::Transfer(words)), "{line}");
    }
    for scheme in ["ftp", "http", "https", "rcp", "scp", "sftp"] {
        let words = format!("copy by {scheme}");
        let line = format!("copy {scheme}://u:p@192.0.2.1/x running-config");
        assert_eq!(parse(&line), Ok(ExecCommand::Transfer(words)), "{line}");
    }
    let network = Ok(ExecCommand::Transfer("configure network".to_owned()));
    assert_eq!(parse("configure network"), network);
    assert!(matches!(
        parse("copy bootflash:x startup-config"),
        Ok(ExecCommand::Instead(..))
    ));
    assert!(matches!(
        parse("copy gopher://x running-config"),
        Err(ExecError::Invalid { .. })
    ));
    assert_eq!(help("copy run t", Mode::Privileged), "tftp:  \n");
    let said = help("copy ", Mode::Privileged);
    assert!(
        said.contains("  scp:            Copy from another machine (not here"),
        "{said}"
    );
}

#[test]
fn a_router_asks_about_files_unless_it_is_told_not_to() {
    let file = |name: &str| FileName::new(name).unwrap();
    assert_eq!(
        whole("delete bootflash:x").confirmation(),
        Some(Asked::Deletion(file("bootflash:x")))
    );
    assert_eq!(whole("delete /force bootflash:x").confirmation(), None);
    assert_eq!(
        whole("copy run flash:x").confirmation(),
        Some(Asked::Destination(file("flash:x")))
    );
    for line in ["write erase", "erase nvram:"] {
        assert!(matches!(whole(line).confirmation(), Some(Asked::Key(_))));
    }
    for line in ["more bootflash:x", "show clock | redirect bootflash:x"] {
        assert_eq!(whole(line).confirmation(), None, "{line}");
    }
    // What is answered is the file that is meant.
    let other = file_named(" y ").unwrap();
    assert_eq!(other, file("bootflash:y"));
    assert_eq!(file_named("flash:/y"), Ok(file("flash:/y")));
    for (line, becomes) in [
        ("copy run bootflash:x", "copy running-config bootflash:y"),
        ("copy start bootflash:x", "copy startup-config bootflash:y"),
        ("copy flash:a bootflash:x", "copy flash:a bootflash:y"),
        ("delete bootflash:x", "delete bootflash:y"),
    ] {
        assert_eq!(whole(line).with_file(&other).as_deref(), Some(becomes));
        assert!(parse(becomes).is_ok(), "{becomes}");
    }
    assert_eq!(whole("show clock").with_file(&other), None);
    for wrong in ["../y", "tftp:y", "a b", "y\u{1b}[2J", "/"] {
        let said = file_named(wrong).unwrap_err();
        assert!(said.starts_with("%Error opening "), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
}

#[test]
fn a_route_is_looked_up_and_neighbours_are_listed_by_family() {
    let route = |line: &str| match parse(line) {
        Ok(ExecCommand::Show(Show::IpRoute(address) | Show::Ipv6Route(address))) => address,
        other => panic!("{line}: {other:?}"),
    };
    for (line, address) in [
        ("show ip route 192.0.2.1", "192.0.2.1"),
        ("sh ipv6 rou 2001:db8::1", "2001:db8::1"),
    ] {
        assert_eq!(route(line), address.parse().ok(), "{line}");
    }
    assert_eq!(
        route("show ip route").or_else(|| route("show ipv6 route")),
        None
    );
    for line in ["show ip route 2001:db8::1", "show ipv6 route 192.0.2.1"] {
        let read = parse(line);
        assert!(matches!(read, Err(ExecError::Invalid { .. })), "{line}");
    }
    for (line, ipv6, address) in [
        ("show arp", false, None),
        ("sh ip arp", false, None),
        ("sh ip arp 192.0.2.1", false, Some("192.0.2.1")),
        ("sh ipv6 nei", true, None),
    ] {
        let address = address.map(|address| address.parse().unwrap());
        let neighbors = ExecCommand::ShowNeighbors { ipv6, address };
        assert_eq!(parse(line), Ok(neighbors), "{line}");
        assert!(super::super::parse(line, Mode::User).is_ok(), "{line}");
    }
    let size = |line: &str| match parse(line) {
        Ok(ExecCommand::Terminal(TerminalCommand::HistorySize(size))) => size,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(size("terminal history size 256"), Some(256));
    assert_eq!(size("term no history"), Some(0));
    assert_eq!(size("terminal no history size"), None);
    assert!(parse("terminal history size 257").is_err());
}

#[test]
fn commands_of_a_router_that_have_no_meaning_here_are_refused_by_name() {
    for (line, words) in [
        ("clear line vty 0", "clear line"),
        ("clear arp", "clear arp-cache"),
        ("clear ip arp 192.0.2.1", "clear ip arp"),
        ("clear ip nat translation *", "clear ip nat translation"),
        ("clear ip nat tr", "clear ip nat translation"),
        ("show archive", "show archive"),
        ("dir nvram:", "dir nvram:"),
        ("dir nvram:/", "dir nvram:"),
        ("show platform", "show platform"),
        (
            "show platform hardware qfp active statistics drop",
            "show platform",
        ),
        ("show license", "show license"),
        ("sh license summary", "show license"),
        ("sh run linenum", "show running-config linenum"),
        ("verify /md5 bootflash:x", "verify"),
        ("rename flash:a flash:b", "rename"),
        ("test aaa group radius alice secret new-code", "test aaa"),
        ("terminal default length", "terminal default"),
    ] {
        let Ok(ExecCommand::Instead(said, advice)) = parse(line) else {
            panic!("{line}: {:?}", parse(line));
        };
        assert_eq!(said, words, "{line}");
        assert!(!advice.is_empty());
    }
    for line in ["sh run full", "show running-config brief"] {
        let shown = ExecCommand::Show(Show::RunningConfig { all: false });
        assert_eq!(parse(line), Ok(shown), "{line}");
    }
    assert_eq!(parse("show conf"), Ok(ExecCommand::ShowStartupConfig));
    assert_eq!(
        parse("show configuration lock"),
        Ok(ExecCommand::ShowConfigurationLock)
    );
    for line in ["verify x", "rename a b", "show configuration lock"] {
        assert!(super::super::parse(line, Mode::User).is_err(), "{line}");
    }
}

#[test]
fn what_a_terminal_asks_of_files_of_which_there_is_one() {
    let asked = |line: &str| {
        super::super::parse(line, Mode::Privileged)
            .unwrap()
            .confirmation()
    };
    let startup = Some(Asked::Own("nvram", "startup-config"));
    let running = Some(Asked::Own("system", "running-config"));
    for (line, expected) in [
        ("copy run start", startup),
        ("copy startup-config running-config", running.clone()),
        ("copy flash:x running-config", running),
        ("copy flash: run", Some(Asked::Nameless("Source filename"))),
        ("delete flash:", Some(Asked::Nameless("Delete filename"))),
        (
            "delete /force bootflash:",
            Some(Asked::Nameless("Delete filename")),
        ),
        ("write memory", None),
        ("wr", None),
        ("configure memory", None),
    ] {
        assert_eq!(asked(line), expected, "{line}");
    }
    let with = |line: &str| {
        let read = super::super::parse(line, Mode::Privileged).unwrap();
        read.with_file(&file_named("x").unwrap()).unwrap()
    };
    assert_eq!(with("copy flash: run"), "copy bootflash:x running-config");
    assert_eq!(with("delete flash:"), "delete bootflash:x");
    assert_eq!(with("delete /force flash:"), "delete /force bootflash:x");
    for answer in [
        "",
        " ",
        "startup-config",
        "nvram:startup-config",
        "NVRAM:/Startup-Config",
    ] {
        assert_eq!(
            own_file(answer, "nvram", "startup-config"),
            Ok(()),
            "{answer}"
        );
    }
    for (answer, system, own, refused) in [
        (
            "kept.cfg",
            "nvram",
            "startup-config",
            "%Error opening nvram:kept.cfg (there is only startup-config on nvram: here; \
             'copy running-config bootflash:FILE' writes another file)",
        ),
        (
            "a",
            "system",
            "running-config",
            "%Error opening system:a (there is only running-config on system: here)",
        ),
    ] {
        assert_eq!(own_file(answer, system, own).unwrap_err(), refused);
    }
}

#[test]
fn sections_are_included_and_excluded_by_name() {
    let modifier = |line: &str| {
        super::super::parse(line, Mode::Privileged)
            .unwrap()
            .modifier
            .unwrap()
    };
    assert_eq!(
        modifier("show running-config | section include interface"),
        Modifier::Section("interface".into())
    );
    assert_eq!(
        modifier("sh run | sec exc ^interface Loop"),
        Modifier::NoSection("^interface Loop".into())
    );
    // A pattern that only begins as the words do is one.
    assert_eq!(
        modifier("sh run | sec interface"),
        Modifier::Section("interface".into())
    );
    let to = |file: &str, append, shown| {
        let file = file.to_owned();
        Modifier::Redirect(Redirection {
            file,
            append,
            shown,
        })
    };
    assert_eq!(modifier("sh ver | append /x"), to("/x", true, false));
    assert_eq!(modifier("sh ver | tee /x"), to("/x", false, true));
    assert_eq!(modifier("sh ver | tee /append /x"), to("/x", true, true));
}

#[test]
fn what_a_router_has_and_a_headend_has_not_is_refused_by_name() {
    for (line, words) in [
        ("show crypto session ivrf V", "show crypto session ivrf"),
        ("show crypto session fvrf V", "show crypto session fvrf"),
        ("show crypto session standby", "show crypto session standby"),
        ("show crypto ikev2 sa fvrf V", "show crypto ikev2 sa fvrf"),
        (
            "show crypto ikev2 stats reconnect",
            "show crypto ikev2 stats reconnect",
        ),
        ("show crypto sockets", "show crypto sockets"),
        ("show crypto eli", "show crypto eli"),
        ("show crypto ssl session", "show crypto ssl"),
        ("show crypto pki timers", "show crypto pki timers"),
        ("show crypto pki crls", "show crypto pki crls"),
        ("show crypto pki counters", "show crypto pki counters"),
        ("show crypto pki server", "show crypto pki server"),
        ("clear crypto ikev2 sa fvrf V", "clear crypto ikev2 sa fvrf"),
        (
            "clear crypto ikev2 sa reconnect",
            "clear crypto ikev2 sa reconnect",
        ),
        ("clear crypto ikev2 sa fast", "clear crypto ikev2 sa fast"),
        ("clear crypto session ivrf V", "clear crypto session ivrf"),
    ] {
        assert_eq!(parse(line), Ok(ExecCommand::Unsupported(words)), "{line}");
    }
    for line in ["debug all", "enable 7"] {
        assert!(
            matches!(parse(line), Ok(ExecCommand::Instead(..))),
            "{line}"
        );
    }
    assert_eq!(
        parse("sh cry s"),
        Err(ExecError::Ambiguous {
            line: "sh cry s".into()
        })
    );
}

#[test]
fn what_was_missing_is_there() {
    let shows = |show| Ok(ExecCommand::Show(show));
    assert_eq!(
        parse("show ipv6 access-list NAME"),
        shows(Show::Ipv6AccessLists {
            name: Some("NAME".into())
        })
    );
    assert_eq!(parse("sh ipv6 int br"), shows(Show::Ipv6InterfaceBrief));
    assert_eq!(parse("sh ipv6 route"), shows(Show::Ipv6Route(None)));
    assert_eq!(parse("sh cry ikev2 sa count"), shows(Show::Ikev2SaCount));
    assert_eq!(
        parse("sh cry key mypubkey ec"),
        shows(Show::MyPublicKeys(KeyKind::Ec))
    );
    assert_eq!(
        parse("show archive config rollback timer"),
        shows(Show::RollbackTimer)
    );
    assert_eq!(
        parse("show clock detail"),
        shows(Show::Clock { detail: true })
    );
    assert_eq!(parse("show processes"), shows(Show::ProcessesCpu));
    let terminal = |command| Ok(ExecCommand::Terminal(command));
    assert_eq!(parse("enable 15"), terminal(TerminalCommand::Enable));
    assert_eq!(parse("enable 1"), terminal(TerminalCommand::Disable));
}

#[test]
fn an_address_of_a_condition_is_of_the_family_that_is_named() {
    let peer = |address: &str| {
        let peer = Condition::Peer(address.parse().unwrap());
        Ok(ExecCommand::DebugCondition(peer, true))
    };
    let line = |rest: &str| format!("debug crypto condition peer {rest}");
    assert_eq!(parse(&line("ipv4 203.0.113.100")), peer("203.0.113.100"));
    assert_eq!(parse(&line("ipv6 2001:db8::1")), peer("2001:db8::1"));
    for rest in ["ipv4 2001:db8::1", "ipv6 203.0.113.100"] {
        assert!(parse(&line(rest)).is_err(), "{rest}");
    }
    assert_eq!(
        help(&line("ipv4 "), Mode::Privileged),
        "  A.B.C.D  Peer address\n"
    );
    assert_eq!(
        help(&line("ipv6 "), Mode::Privileged),
        "  X:X:X:X::X  Peer address\n"
    );
}
