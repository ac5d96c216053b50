//! The example of the public document, and broken variants of it, against checked-in texts.
//!
//! `UPDATE_GOLDEN=1 cargo test -p ironflex-profiles --test golden` writes them anew; the change is
//! then read by a person.

#![allow(clippy::disallowed_methods, reason = "goldens are files")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{fs, path::Path};

use ironflex_profiles::{Candidate, Snapshot, check, parse, render, resolve};

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
    assert_eq!(diagnose(text, "everything.conf"), "");
    let printed = render(&without_actions(text));
    compare("everything.running.txt", &printed);
    assert_eq!(without_actions(&printed), without_actions(text));
    assert_eq!(render(&without_actions(&printed)), printed);
}

#[test]
fn the_order_of_the_blocks_does_not_matter() {
    let mut blocks: Vec<&str> = EXAMPLE.split("!\n").collect();
    blocks.reverse();
    assert_eq!(snapshot(&blocks.join("!\n")), snapshot(EXAMPLE));
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
