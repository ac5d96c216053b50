//! Interfaces that lines name.

use super::*;

#[test]
fn interfaces_are_named_in_one_word_or_in_two_at_any_length_that_is_clear() {
    for same in [
        &[
            "show interfaces GigabitEthernet0/0/0",
            "show interfaces gigabitethernet 0/0/0",
            "sh int gi0/0/0",
            "sh int g 0/0/0",
        ][..],
        &["show interfaces Gi1.20", "sh int gigabit 1.20"],
        &[
            "show interfaces Loopback 100",
            "sh int lo100",
            "sh int l 100",
        ],
        &[
            "show interfaces Virtual-Access 1",
            "sh int vi1",
            "sh int Vi 1",
            "sh int virtual-a1",
            "sh int virtual-a 1",
        ],
        &[
            "show interfaces Virtual-Template 100",
            "sh int vt100",
            "sh int vt 100",
            "sh int virtual-t 100",
        ],
        &["show ip interface gi1", "sh ip int GigabitEthernet 1"],
        &[
            "show ip interface brief lo100",
            "sh ip int br loopback 100",
            "show ip interface lo100 brief",
            "show ip interface Loopback 100 brief",
        ],
        &[
            "show interfaces vi1 description",
            "sh int virtual-access 1 desc",
        ],
        &["show running-config interface vt 100", "sh run int vt100"],
        &["clear counters GigabitEthernet 1", "cle cou gi1"],
    ] {
        let first = parse(same[0]);
        for line in same {
            let read = parse(line);
            assert!(read.is_ok(), "{line}: {read:?}");
            assert_eq!(read, first, "{line}");
        }
    }
    // A device of Linux, as `show interfaces` names it.
    assert!(parse("show interfaces eth0").is_ok());
    assert!(parse("show ip interface enp0s31f6.100 brief").is_ok());
}

#[test]
fn a_name_that_can_be_none_is_refused_where_it_goes_wrong() {
    for (line, column) in [
        ("show interfaces lo1/2", 18),
        ("show interfaces Virtual-Template 5000", 33),
        ("show interfaces vt5000", 18),
        ("show interfaces vi0", 18),
        ("show interfaces gi1/2/3/4", 18),
        ("show interfaces te0/0/0", 16),
        ("show interfaces desk", 19),
        ("clear counters gi1x/", 17),
        ("show running-config interface loop", 34),
    ] {
        let expected = if column == line.len() {
            ExecError::Incomplete
        } else {
            invalid(line, column)
        };
        assert_eq!(parse(line), Err(expected), "{line}");
    }
    for line in [
        "show interfaces v1",
        "show interfaces virtual-1",
        "show interfaces virtual 1",
        "show ip interface v 1",
    ] {
        let ambiguous = ExecError::Ambiguous { line: line.into() };
        assert_eq!(parse(line), Err(ambiguous), "{line}");
    }
    // There is but one kind that such a line takes.
    assert!(parse("show derived-config interface v1").is_ok());
}

#[test]
fn help_lists_kinds_of_interfaces_and_their_numbers() {
    let said = |line: &str| help(line, Mode::Privileged);
    assert_eq!(
        said("clear counters "),
        "  DEVICE            Linux device that an interface stands for
  GigabitEthernet   GigabitEthernet IEEE 802.3z
  Loopback          Loopback interface
  Virtual-Access    Virtual Access interface
  Virtual-Template  Virtual Template interface
  <cr>              <cr>
"
    );
    assert_eq!(
        said("clear counters vt "),
        "  <1-4095>  Virtual-Template interface number\n"
    );
    assert_eq!(
        said("show interfaces lo "),
        "  <0-2147483647>  Loopback interface number\n"
    );
    let behind = said("show interfaces lo 1 ");
    assert_eq!(behind, said("show interfaces lo1 "));
    assert!(
        behind.contains("description") && behind.contains("<cr>"),
        "{behind}"
    );
    assert_eq!(
        said("show interfaces vi"),
        "Virtual-Access    Virtual-Template  \n"
    );
    assert_eq!(
        said("show interfaces vi1"),
        "Virtual-Access<1-2147483647>  \n"
    );
    assert_eq!(
        said("show interfaces gi0/0/"),
        "GigabitEthernet<0-2147483647>  \n"
    );
    assert_eq!(said("show interfaces gi 0/0/"), "<0-2147483647>  \n");
    assert_eq!(said("show interfaces eth0"), "DEVICE  \n");
    assert_eq!(said("show interfaces te0/"), "% Unrecognized command\n");
}

#[test]
fn tab_completes_kinds_of_interfaces() {
    let words = |line: &str| complete(line, Mode::Privileged).words;
    assert_eq!(words("clear counters Gi"), ["GigabitEthernet"]);
    assert_eq!(
        words("show derived-config interface virt"),
        ["Virtual-Access"]
    );
    assert_eq!(
        words("show interfaces virt"),
        ["Virtual-Access", "Virtual-Template"]
    );
    assert_eq!(words("show ip interface lo"), ["Loopback"]);
    assert_eq!(words("show running-config interface l"), ["Loopback"]);
    assert_eq!(words("show interfaces vt"), ["Virtual-Template"]);
    assert_eq!(words("show interfaces eth"), [""; 0]);
}

#[test]
fn an_interface_that_is_not_there_is_pointed_at_where_its_number_begins() {
    let named = |line: &str| match parse(line) {
        Ok(ExecCommand::Show(Show::Interfaces(Some(named)))) => named,
        other => panic!("{other:?}"),
    };
    for (line, column, name) in [
        ("show interfaces gi0/0/7", 18, "GigabitEthernet0/0/7"),
        ("sh int  Loopback  7", 18, "Loopback7"),
        ("show interfaces vi7 ", 18, "Virtual-Access7"),
        ("show interfaces eth7", 16, "eth7"),
    ] {
        let said = absent(&named(line), "");
        for line in [line.to_owned(), format!("{line} | include 1 packets")] {
            let error = refused_interface(&line, &said).unwrap();
            assert!(
                matches!(error, ExecError::Absent { column: at, .. } if at == column),
                "{error:?}"
            );
            let marker = "% Invalid input detected at '^' marker.";
            assert_eq!(
                error.below_prompt(3),
                format!(
                    "{:1$}^\n{marker}\n% {name}: no such interface",
                    "",
                    column + 3
                )
            );
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{}\n", line.trim_end()))
            );
        }
    }
    // Other refusals stay what they are.
    assert_eq!(
        refused_interface("show ip local pool x", "% Pool x does not exist"),
        None
    );
}
