//! Properties over configurations drawn from the command table itself, and over arbitrary text.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail by panicking"
)]

use ironflex_profiles::{
    Candidate, Fault, check,
    model::Standing,
    parse, render, render_all, resolve, resolve_live,
    tree::{ModeKind, Node, Token},
    typing::{Typed, Typist},
};
use proptest::prelude::*;

/// Choices, used up one by one; after the last, always the first alternative.
struct Tape<'a>(&'a [u16]);

impl Tape<'_> {
    fn pick(&mut self, below: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % below.max(1)
    }
}

/// A word that a node takes; `None` for what is refused.
fn word(node: &Node, tape: &mut Tape<'_>) -> Option<String> {
    let one_of = |tape: &mut Tape<'_>, words: &[&str]| words[tape.pick(words.len())].to_string();
    if node.refused.is_some() {
        return None;
    }
    Some(match node.token {
        Token::Word(word) => word.to_string(),
        Token::Choice(words) => {
            let served: Vec<_> = words
                .iter()
                .filter(|word| word.standing == Standing::Served)
                .collect();
            served[tape.pick(served.len())].word.to_string()
        }
        Token::Name { .. } => one_of(tape, &["a", "b", "10", "default", "x.example", "!#$^C"]),
        Token::File => one_of(tape, &["bootflash:a.xml", "flash:/b/c"]),
        Token::Number { min, max } => one_of(
            tape,
            &[
                &min.to_string(),
                &max.to_string(),
                &(min + (max - min) / 2).to_string(),
            ],
        ),
        Token::Ipv4 => one_of(tape, &["10.0.0.1", "192.0.2.77", "10.0.0.0", "172.16.5.4"]),
        Token::Netmask => one_of(tape, &["255.255.255.0", "255.255.255.255", "255.0.0.0"]),
        Token::Wildcard => one_of(
            tape,
            &["0.0.0.255", "0.0.0.0", "255.255.255.255", "0.7.0.1"],
        ),
        Token::Ipv6 => one_of(tape, &["2001:db8::1", "::"]),
        Token::Ipv6Net => one_of(tape, &["2001:db8::/32", "::/0", "2001:db8::1/128"]),
        Token::Ipv6Interface => one_of(tape, &["2001:db8::1/64", "::1/128"]),
        Token::Interface => one_of(tape, &["lo1", "gi1", "Virtual-Template 1", "gi0/0/1.5"]),
        Token::Line => one_of(tape, &["x", "two  words", "0 é", "^C!", "094F471A1A0A"]),
        Token::Delimited => one_of(tape, &["^Cx^C", "#a ^C\n! b\n#", "~~", "!\n\n!"]),
    })
}

/// A whole line from a table, and the modes that it leads into.
fn line(
    nodes: impl Iterator<Item = &'static Node>,
    tape: &mut Tape<'_>,
) -> Option<(String, &'static [ModeKind])> {
    let mut nodes: Vec<_> = nodes.filter(|node| node.refused.is_none()).collect();
    let mut words = Vec::new();
    loop {
        let node = *nodes.get(tape.pick(nodes.len()))?;
        words.push(word(node, tape)?);
        if node.then.is_empty() || (node.ends() && tape.pick(2) == 0) {
            return Some((words.join(" "), node.opens));
        }
        nodes = node
            .then
            .iter()
            .filter(|node| node.refused.is_none())
            .collect();
        if nodes.is_empty() {
            return Some((words.join(" "), node.opens));
        }
    }
}

/// A text of lines from the tables, with their `no` forms among them.
fn configuration(tape: &[u16]) -> String {
    let mut tape = Tape(tape);
    let mut text = String::new();
    while !tape.0.is_empty() {
        let Some((header, opens)) = line(ModeKind::Global.commands(), &mut tape) else {
            continue;
        };
        let negated = ["", "", "", "", "no ", "default "][tape.pick(6)];
        text.push_str(&format!("{negated}{header}\n"));
        if opens.is_empty() || !negated.is_empty() {
            continue;
        }
        // The mode may be another of the possible ones; then its lines are told as unknown.
        let mut mode = opens[tape.pick(opens.len())];
        for _ in 0..tape.pick(8) {
            if let Some((inner, opens)) = line(mode.commands(), &mut tape) {
                let negated = ["", "", "", "", "", "no "][tape.pick(6)];
                text.push_str(&format!(" {negated}{inner}\n"));
                // A keyring's peers have lines of their own.
                if let (Some(inside), "") = (opens.first(), negated) {
                    mode = *inside;
                }
            }
        }
    }
    text
}

fn without_actions(candidate: Candidate) -> Candidate {
    Candidate {
        actions: Vec::new(),
        ..candidate
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back_and_prints_the_same(
        tape in prop::collection::vec(any::<u16>(), 0..400)
    ) {
        let text = configuration(&tape);
        let parsed = parse(&text, "t");
        for fault in &parsed.diagnostics {
            prop_assert_ne!(fault.fault, Fault::Internal, "{}", fault.render(&text));
        }
        let candidate = without_actions(parsed.candidate);
        let printed = render(&candidate);
        let again = parse(&printed, "t");
        prop_assert_eq!(&again.diagnostics, &[], "{}", printed);
        prop_assert_eq!(&again.candidate, &candidate, "{}", printed);
        prop_assert_eq!(render(&again.candidate), printed);
        // And it means the same, or is refused for as many reasons.
        match (resolve(&candidate), resolve(&again.candidate)) {
            (Ok(mut one), Ok(mut other)) => {
                prop_assert_eq!(one.warnings.len(), other.warnings.len());
                one.warnings.clear();
                other.warnings.clear();
                prop_assert_eq!(one, other);
            }
            (Err(one), Err(other)) => prop_assert_eq!(one.len(), other.len()),
            (one, other) => prop_assert!(false, "{:?} {:?}", one, other),
        }
    }

    #[test]
    fn a_print_with_the_defaults_means_the_same(
        tape in prop::collection::vec(any::<u16>(), 0..400)
    ) {
        let candidate = without_actions(parse(&configuration(&tape), "t").candidate);
        let printed = render_all(&candidate);
        let again = parse(&printed, "t");
        prop_assert_eq!(&again.diagnostics, &[], "{}", printed);
        prop_assert_eq!(render_all(&again.candidate), printed.clone());
        let (mut live, mut read) = (resolve_live(&candidate), resolve_live(&again.candidate));
        // Why one serves nobody also tells of what is like it, which has lines only in the print.
        for one in [&mut live, &mut read] {
            one.snapshot.inactive.iter_mut().for_each(|one| one.because.clear());
        }
        prop_assert_eq!(live.snapshot, read.snapshot, "{}", printed);
        prop_assert_eq!(live.faults.len(), read.faults.len(), "{}", printed);
    }

    #[test]
    fn what_is_typed_line_by_line_means_what_its_print_means(
        tape in prop::collection::vec(any::<u16>(), 0..400)
    ) {
        let mut typist = Typist::new("terminal");
        let mut candidate = Candidate::default();
        for line in configuration(&tape).lines() {
            let before = candidate.clone();
            let typed = typist.line(&mut candidate, line);
            if let Typed::Refused(fault) = &typed {
                prop_assert_ne!(fault.fault, Fault::Internal, "{:?}", fault);
            }
            if matches!(typed, Typed::Refused(_) | Typed::Nothing) {
                prop_assert!(candidate == before, "{line}\n{}---\n{}", render(&before), render(&candidate));
            }
            candidate.actions.clear();
        }
        candidate.settle();
        let printed = render(&candidate);
        let again = parse(&printed, "t");
        prop_assert_eq!(&again.diagnostics, &[], "{}", printed);
        prop_assert_eq!(&again.candidate, &candidate, "{}", printed);
        let (live, read) = (resolve_live(&candidate), resolve_live(&again.candidate));
        prop_assert_eq!(live.snapshot, read.snapshot);
        prop_assert_eq!(live.faults.len(), read.faults.len());
    }

    #[test]
    fn arbitrary_text_is_read_to_its_end(text in "(\\PC|[\\s\u{0}-\u{1f}]){0,300}") {
        let checked = check(&text, "t");
        for fault in &checked.diagnostics {
            let shown = fault.render(&text);
            prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{:?}", shown);
        }
    }

    #[test]
    fn words_of_the_language_in_any_order_are_read_to_their_end(
        words in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u16>()), 0..60)
    ) {
        let mut text = String::new();
        for (a, b, c) in words {
            let tape = [a, b, c, a ^ b, b ^ c];
            let mode = ModeKind::ALL[usize::from(a) % ModeKind::ALL.len()];
            if let Some((line, _)) = line(mode.commands(), &mut Tape(&tape)) {
                let cut = usize::from(c) % (line.split(' ').count() + 1);
                text.push_str(&line.split(' ').take(cut).collect::<Vec<_>>().join(" "));
                text.push_str(["\n", " ", "\n ", "\r\n"][usize::from(b) % 4]);
            }
        }
        for fault in &check(&text, "t").diagnostics {
            prop_assert_ne!(fault.fault, Fault::Internal, "{}", fault.render(&text));
        }
    }
}

/// Every line that the tables hold, once, in its mode and also with `no` and `default`.
#[test]
fn every_command_is_carried_out_in_every_form() {
    fn walk(front: &str, node: &'static Node, lines: &mut Vec<String>) {
        for choice in 0..12 {
            let Some(word) = word(node, &mut Tape(&[choice])) else {
                return;
            };
            let line = format!("{front}{word}");
            lines.push(line.clone());
            // One path below is enough for words that vary in their value alone.
            let varies = !matches!(node.token, Token::Choice(_));
            if choice == 0 || !varies {
                for next in node.then {
                    walk(&format!("{line} "), next, lines);
                }
            }
        }
    }
    let headers = [
        "",
        "crypto ikev2 authorization policy a",
        "crypto ikev2 proposal a",
        "crypto ikev2 policy a",
        "crypto ikev2 keyring a",
        "crypto ikev2 keyring a\n peer b",
        "crypto ikev2 profile a",
        "crypto ipsec transform-set a esp-gcm",
        "crypto ipsec profile a",
        "crypto pki trustpoint a",
        "crypto ssl policy a",
        "crypto ssl profile a",
        "ip access-list standard a",
        "ip access-list extended a",
        "ipv6 access-list a",
        "interface Loopback1",
        "interface GigabitEthernet1",
        "interface Virtual-Template1 type tunnel",
    ];
    assert_eq!(headers.len(), ModeKind::ALL.len());
    let mut whole = 0usize;
    for (mode, header) in ModeKind::ALL.iter().zip(headers) {
        let mut lines = Vec::new();
        for node in mode.commands() {
            walk("", node, &mut lines);
        }
        lines.sort();
        lines.dedup();
        for line in &lines {
            for form in ["", "no ", "default "] {
                let text = format!("{header}\n {form}{line}");
                let parsed = parse(&text, "t");
                let faults: Vec<_> = parsed.diagnostics.iter().map(|fault| fault.fault).collect();
                assert!(
                    !faults.contains(&Fault::Internal),
                    "{text}: {:?}",
                    parsed.diagnostics
                );
                assert!(
                    !faults.contains(&Fault::Ambiguous),
                    "{text}: {:?}",
                    parsed.diagnostics
                );
                assert!(
                    !faults.contains(&Fault::Unknown),
                    "{text}: {:?}",
                    parsed.diagnostics
                );
                whole += usize::from(form.is_empty() && faults.is_empty());
            }
        }
    }
    assert!(whole > 300, "only {whole} lines were carried out");
}

#[test]
fn a_line_of_a_megabyte_and_a_megabyte_of_lines_are_bounded() {
    let long = "x".repeat(1 << 20);
    assert_eq!(parse(&long, "t").diagnostics.len(), 1);
    let many = "nonsense\n".repeat(1 << 17);
    let faults = parse(&many, "t").diagnostics;
    assert_eq!(faults.len(), ironflex_profiles::DIAGNOSTIC_LIMIT + 1);
    assert_eq!(faults.last().unwrap().fault, Fault::Limit);
    let users: String = (0..20_000)
        .map(|n| format!("username u{n} password p{n}\n"))
        .collect();
    let parsed = parse(&users, "t");
    assert_eq!(
        (parsed.diagnostics.len(), parsed.candidate.users.len()),
        (0, 20_000)
    );
}
