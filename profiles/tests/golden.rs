//! The example of the public document, and broken variants of it, against checked-in texts.
//!
//! `UPDATE_GOLDEN=1 cargo test -p ironflex-profiles --test golden` writes them anew; the change is
//! then read by a person.

#![allow(clippy::disallowed_methods, reason = "goldens are files")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{fs, path::Path};

use ironflex_profiles::{Candidate, Snapshot, check, parse, render, render_all, resolve};

/// The configuration of the public document, as it is shipped.
const EXAMPLE: &str = include_str!("../../examples/flexvpn-headend.conf");

fn compare(path: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{} differs; found:\n{found}",
        path.display()
    );
}

/// What `ironflex check` prints.
fn diagnose(text: &str, name: &str) -> String {
    check(text, name)
        .diagnostics
        .iter()
        .map(|fault| fault.render(text))
        .collect()
}

fn without_actions(text: &str) -> Candidate {
    let parsed = parse(text, "t");
    assert_eq!(parsed.diagnostics, []);
    Candidate {
        actions: Vec::new(),
        ..parsed.candidate
    }
}

fn snapshot(text: &str) -> Snapshot {
    resolve(&without_actions(text)).unwrap()
}

#[test]
fn the_example_is_without_fault_and_prints_as_a_router_does() {
    assert_eq!(diagnose(EXAMPLE, "flexvpn-headend.conf"), "");
    compare(
        "flexvpn-headend.running.txt",
        &render(&without_actions(EXAMPLE)),
    );
}

#[test]
fn the_print_of_the_example_says_what_the_example_says_and_prints_as_itself() {
    let printed = render(&without_actions(EXAMPLE));
    assert_eq!(without_actions(&printed), without_actions(EXAMPLE));
    assert_eq!(snapshot(&printed), snapshot(EXAMPLE));
    assert_eq!(render(&without_actions(&printed)), printed);
}

#[test]
fn every_line_that_is_served_prints_as_a_router_does() {
    let text = include_str!("golden/everything.conf");
    // Lines that a router obeys and the headend does not are held, and said to be.
    let told = diagnose(text, "everything.conf");
    let told: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
    let routes = "everything.conf:42:2: warning: routes that clients send are not installed";
    let shutdown = "everything.conf:199:1: warning: GigabitEthernet0/0/2.100 is a device of Linux, which \
                    `shutdown` does not take down";
    assert_eq!(told, [routes, shutdown]);
    let printed = render(&without_actions(text));
    compare("everything.running.txt", &printed);
    assert_eq!(without_actions(&printed), without_actions(text));
    assert_eq!(render(&without_actions(&printed)), printed);
}

#[test]
fn the_print_of_all_has_the_defaults_and_means_the_same() {
    let everything = include_str!("golden/everything.conf");
    for (name, text) in [
        ("flexvpn-headend", EXAMPLE),
        ("everything", everything),
        ("nothing", ""),
    ] {
        let printed = render_all(&without_actions(text));
        compare(&format!("{name}.all.txt"), &printed);
        assert_eq!(
            snapshot(&printed).warnings.len(),
            snapshot(text).warnings.len()
        );
        let meaning = |text| Snapshot {
            warnings: Vec::new(),
            ..snapshot(text)
        };
        assert_eq!(meaning(&printed), meaning(text));
        assert_eq!(render_all(&without_actions(&printed)), printed);
    }
}

/// A router's own, where the headend does the same, and what it does instead.
#[test]
fn the_print_of_all_says_of_every_line_with_a_default_what_holds() {
    let text = "crypto ikev2 authorization policy AP\n route accept any tag 7\n\
        crypto ikev2 proposal P\n encryption aes-cbc-256\n integrity sha256\n group 14\n\
        crypto ikev2 profile P\n match identity remote any\n\
        interface Virtual-Template1 type tunnel\n";
    let printed = render_all(&without_actions(text));
    let lines: Vec<&str> = printed.lines().collect();
    for line in [
        "no crypto ikev2 nat keepalive",
        "no crypto ikev2 dpd",
        "no crypto ikev2 redirect client",
        "no crypto ikev2 redirect gateway",
        "no crypto ipsec security-association idle-time",
        "crypto ipsec security-association ecn propagate",
        "crypto ipsec fragmentation after-encryption",
        " route accept any tag 7 distance 1",
        " route accept any tag 1 distance 1",
        " no pqc",
        " no dpd",
        " no nat keepalive",
        " no lifetime certificate",
        " no config-exchange request",
        " no set security-association idle-time",
        " ip mtu 1400",
    ] {
        assert!(lines.contains(&line), "{line}\n{printed}");
    }
    // None of them is a line that somebody wrote.
    let written = render(&without_actions(text));
    assert!(
        !written.contains("ip mtu") && !written.contains("distance"),
        "{written}"
    );
    assert_eq!(render_all(&without_actions(&printed)), printed);
}

#[test]
fn the_order_of_the_blocks_does_not_matter() {
    let mut blocks: Vec<&str> = EXAMPLE.split("!\n").collect();
    blocks.reverse();
    assert_eq!(snapshot(&blocks.join("!\n")), snapshot(EXAMPLE));
}

/// Lines and messages of faults, and whether they expect what the global mode has.
fn told(text: &str) -> Vec<(u32, String, bool)> {
    let faults = parse(text, "t").diagnostics.into_iter();
    faults
        .map(|fault| {
            let global = fault.expected.iter().any(|word| word == "crypto");
            (fault.at.line, fault.message, global)
        })
        .collect()
}

#[test]
fn a_block_of_something_else_is_told_of_once_in_the_words_of_the_global_mode() {
    let refused = |line, why: &str| (line, format!("not supported by this headend: {why}"), false);
    let unknown = |line, word: &str| (line, format!("unknown command `{word}`"), true);
    let others = "router ospf 1\n network 10.0.0.0 0.0.0.255 area 0\n group 14\nline vty 0 4\n login local\n\
                  ntp server 192.0.2.9\nfrobnicate all\n with care\n";
    let proposal =
        "crypto ikev2 proposal A\n encryption aes-cbc-256\n integrity sha256\n group 14\n";
    let all = [
        refused(5, "routing protocols"),
        refused(8, "terminal lines"),
        refused(10, "the clock (it is Linux's)"),
        unknown(11, "frobnicate"),
    ];
    assert_eq!(told(&format!("{proposal}{others}{proposal}")), all);
    // Shifted as a whole, as some terminals paste.
    let text = format!("{proposal}{others}{proposal}");
    let shifted: String = text.lines().map(|line| format!("  {line}\n")).collect();
    assert_eq!(told(&shifted), all);
    // Below a line that has none of its own.
    let begun = "crypto ikev2 proposal A\nrouter ospf 1\n network 10.0.0.0 0.0.0.255 area 0\n";
    assert_eq!(told(begun), [refused(2, "routing protocols")]);
}

#[test]
fn without_indentation_a_line_that_nothing_knows_does_not_end_its_block() {
    let text = |line: &str| {
        format!(
            "crypto ikev2 proposal A\nencryption aes-cbc-256\n{line}\nintegrity sha256\ngroup 14\n"
        )
    };
    let unknown = "unknown command `frobnicate`".to_owned();
    assert_eq!(told(&text("frobnicate 1")), [(3, unknown, true)]);
    let meant = "unknown command `integrty`; did you mean `integrity`?".to_owned();
    assert_eq!(told(&text("integrty sha512")), [(3, meant, false)]);
    // The first line of a block says nothing of how the text is indented.
    let first = "crypto ikev2 proposal A\nencrypton aes-cbc-256\nintegrity sha256\ngroup 14\n";
    let meant = "unknown command `encrypton`; did you mean `encryption`?".to_owned();
    assert_eq!(told(first), [(2, meant, false)]);
    for text in [text("frobnicate 1"), text("prf sha256")] {
        let candidate = parse(&text, "t").candidate;
        let proposal = candidate.proposals.get("A").unwrap();
        assert_eq!((proposal.integrity.len(), proposal.group.len()), (1, 1));
    }
}

#[test]
fn indentation_and_prompts_do_not_matter() {
    let flat: String = EXAMPLE
        .lines()
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    assert_eq!(without_actions(&flat), without_actions(EXAMPLE));
    let pasted: String = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with('!'))
        .map(|line| match line.strip_prefix(' ') {
            Some(inner) => format!("Router(config-any)#{inner}\r\n"),
            None => format!("Router(config)# {line}\r\n"),
        })
        .collect();
    let session = format!("Router>\r\nRouter#configure terminal\r\n{pasted}Router(config)#");
    assert_eq!(without_actions(&session), without_actions(EXAMPLE));
}

#[test]
fn broken_variants_say_where_and_what() {
    for name in [
        "conflict",
        "dangling",
        "hostile",
        "incomplete",
        "ipv6",
        "networks",
        "range",
        "typo",
        "unsupported",
    ] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/broken/{name}.conf"));
        let text = fs::read_to_string(path).unwrap();
        let told = diagnose(&text, &format!("{name}.conf"));
        assert!(told.contains("error: "), "{name}");
        compare(&format!("broken/{name}.txt"), &told);
    }
}

/// `docs/configuration.md` is what the table says; `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_documented_lines_are_those_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let begin = text.find("\n## ").unwrap_or(text.len());
    let expected = format!("{}{}", &text[..begin], ironflex_profiles::help::reference());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert_eq!(text, expected, "{}", path.display());
    }
}
