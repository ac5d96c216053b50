//! What whoever knows a router types first.

use ironflex_profiles::model::interface::InterfaceName;

use super::*;

#[test]
fn what_a_newcomer_types_is_served_or_answered_with_what_to_type() {
    let read = |line: &str| parse(line).unwrap();
    assert_eq!(
        read("sh ip int br"),
        ExecCommand::Show(Show::InterfaceBrief(None))
    );
    assert_eq!(read("sh int"), ExecCommand::Show(Show::Interfaces(None)));
    assert_eq!(read("who"), ExecCommand::Show(Show::Users));
    assert_eq!(read("wr"), ExecCommand::WriteMemory);
    assert_eq!(
        read("sh access-l"),
        ExecCommand::Show(Show::AccessLists { name: None })
    );
    for (line, name) in [
        ("sh run int gi1", "GigabitEthernet1"),
        (
            "show running-config interface Virtual-Template 100",
            "Virtual-Template100",
        ),
    ] {
        let named = NamedInterface::Configured(InterfaceName::parse(name).unwrap());
        assert_eq!(
            read(line),
            ExecCommand::Show(Show::RunningConfigInterface(named))
        );
    }
    assert!(super::super::parse("show running-config interface gi1", Mode::User).is_err());
    for line in [
        "ping 10.0.0.1",
        "ping",
        "traceroute 10.0.0.1 source lo1",
        "show crypto map",
        "reload",
    ] {
        assert!(matches!(read(line), ExecCommand::Instead(..)), "{line}");
    }
    let lines = Show::RunningConfig { all: false };
    for (line, command) in [
        ("quit", ExecCommand::Terminal(TerminalCommand::Exit)),
        ("wr t", ExecCommand::Show(lines.clone())),
        ("wr", ExecCommand::WriteMemory),
        (
            "conf",
            ExecCommand::Terminal(TerminalCommand::ConfigureFrom),
        ),
        ("sh priv", ExecCommand::Terminal(TerminalCommand::Privilege)),
        ("clear logg", ExecCommand::ClearLogging),
        ("clear cou", ExecCommand::ClearCounters(None)),
        (
            "clear counters Virtual-Access1",
            ExecCommand::ClearCounters(Some(NamedInterface::VirtualAccess(1))),
        ),
        (
            "clear cou vi 12",
            ExecCommand::ClearCounters(Some(NamedInterface::VirtualAccess(12))),
        ),
        ("dir", ExecCommand::Directory),
        ("dir bootflash:", ExecCommand::Directory),
        ("dir flash:", ExecCommand::Directory),
        ("dir boot", ExecCommand::Directory),
        ("dir bootflash:/", ExecCommand::Directory),
        ("dir Flash:/", ExecCommand::Directory),
        (
            "sh int desc",
            ExecCommand::Show(Show::InterfaceDescription(None)),
        ),
        ("sh ip int", ExecCommand::Show(Show::IpInterface(None))),
        ("sh inv", ExecCommand::Show(Show::Inventory)),
        ("sh proc c", ExecCommand::Show(Show::ProcessesCpu)),
        ("sh proc cpu sorted", ExecCommand::Show(Show::ProcessesCpu)),
        ("sh proc cpu s 5m", ExecCommand::Show(Show::ProcessesCpu)),
        ("sh cry isa sa", ExecCommand::Show(Show::IsakmpSa)),
        (
            "sh cry ikev2 diag err",
            ExecCommand::Show(Show::Ikev2DiagnoseError),
        ),
    ] {
        assert_eq!(read(line), command, "{line}");
    }
    let filtered = super::super::parse("write terminal | include key", Mode::Privileged).unwrap();
    assert_eq!(filtered.command, ExecCommand::Show(lines));
    assert!(super::super::parse("dir bootflash:/ | json", Mode::Privileged).is_ok());
    for line in ["dir bootflash:x", "dir boot/", "dir bootflash://"] {
        assert!(
            super::super::parse(line, Mode::Privileged).is_err(),
            "{line}"
        );
    }
    for line in ["write terminal", "dir", "clear logging", "reload"] {
        assert!(super::super::parse(line, Mode::User).is_err(), "{line}");
    }
    for (answer, from) in [
        ("", Some(From::Terminal)),
        (" Term", Some(From::Terminal)),
        ("mem", Some(From::Elsewhere("configure memory"))),
        ("network ", Some(From::Elsewhere("configure network"))),
        ("hostname a", None),
    ] {
        assert_eq!(configured_from(answer), from, "{answer:?}");
        if let Some(From::Elsewhere(command)) = from {
            assert!(parse(command).is_ok(), "{command}");
        }
    }
}

/// A command that is not served stands in `?` all the same, so that whoever looks for it finds what there is.
#[test]
fn help_says_which_commands_are_not_served() {
    fn walk(nodes: &[Node], refused: &mut usize) {
        for node in nodes {
            if let Some(Ending::Command(run)) = node.ends
                && let Some(
                    ExecCommand::Unsupported(_)
                    | ExecCommand::Instead(..)
                    | ExecCommand::Transfer(_),
                ) = run(Values::default())
                && node.token.keyword().is_some()
            {
                assert!(node.help.contains("(not here"), "{}", node.help);
                *refused = refused.saturating_add(1);
            }
            walk(node.then, refused);
        }
    }
    let mut refused = 0;
    walk(ROOT, &mut refused);
    assert!(refused > 5, "{refused}");
}

#[test]
fn a_line_that_only_the_exec_mode_has_is_known_by_its_first_word() {
    for line in [
        "show version",
        "sh vresion",
        "wr",
        "clear counters",
        "ping x",
    ] {
        assert!(is_command(line), "{line}");
    }
    for line in [
        "hostname x",
        "quit",
        "terminal length 0",
        "clear",
        "",
        "xyz",
    ] {
        assert!(!is_command(line), "{line}");
    }
}
