use super::*;

const TABLE: &[Node] = &[
    Node::word("policy", ""),
    Node::word("pool", ""),
    Node::word("po", ""),
    Node::refused("port", "ports"),
];

fn word(text: &str) -> [Word<'_>; 1] {
    [Word {
        text,
        offset: 0,
        column: 1,
    }]
}

fn chosen(nodes: &'static [Node], text: &str) -> Result<Value, Refusal> {
    choose(nodes.iter(), &word(text)).map(|found| found.value)
}

#[test]
fn an_exact_word_beats_an_abbreviation_and_an_abbreviation_must_be_unique() {
    assert_eq!(chosen(TABLE, "po"), Ok(Value::Word("po")));
    assert_eq!(chosen(TABLE, "POL"), Ok(Value::Word("policy")));
    assert_eq!(
        chosen(TABLE, "p"),
        Err(Refusal::Ambiguous {
            words: ["policy", "pool", "po", "port"].into()
        })
    );
    assert_eq!(
        chosen(TABLE, "por"),
        Err(Refusal::Unsupported {
            why: "ports",
            block: None,
            text_follows: false,
            negated: Negated::Taken,
        })
    );
    assert_eq!(
        chosen(TABLE, "polciy"),
        Err(Refusal::Unknown {
            meant: Some("policy")
        })
    );
    assert_eq!(chosen(TABLE, "xyz"), Err(Refusal::Unknown { meant: None }));
}

#[test]
fn a_free_word_is_not_taken_for_an_abbreviation() {
    const MIXED: &[Node] = &[Node::word("domain", ""), Node::name("")];
    assert_eq!(
        chosen(MIXED, "dom"),
        Ok(Value::Name(Name::new("dom").unwrap()))
    );
    assert_eq!(chosen(MIXED, "domain"), Ok(Value::Word("domain")));
}

#[test]
fn a_number_is_digits_in_range() {
    const NUMBER: &[Node] = &[Node::number(5, 10, "")];
    assert_eq!(chosen(NUMBER, "5"), Ok(Value::Number(5)));
    for text in ["4", "11", "+5", "5x", "99999999999", "-1"] {
        assert!(
            matches!(chosen(NUMBER, text), Err(Refusal::Value { .. })),
            "{text}"
        );
    }
}

#[test]
fn every_node_of_the_tables_has_help_and_leads_somewhere() {
    fn check(path: &str, node: &Node) {
        assert!(
            !node.help.is_empty() || matches!(node.token, Token::Choice(_)),
            "{path}: help"
        );
        assert!(
            node.set.is_some()
                || node.unset.is_some()
                || node.refused.is_some()
                || node.alone.is_some()
                || !node.then.is_empty(),
            "{path}: leads nowhere"
        );
        for next in node.then {
            check(&format!("{path} {:?}", next.token), next);
        }
    }
    for mode in ModeKind::ALL {
        assert!(mode.commands().count() > 0, "{mode:?}");
        for node in mode.commands() {
            check(&format!("{mode:?}: {:?}", node.token), node);
        }
    }
}

#[test]
fn a_netmask_is_ones_then_zeros() {
    const MASK: &[Node] = &[Node::value(Token::Netmask, "")];
    assert!(chosen(MASK, "255.255.0.0").is_ok());
    assert!(chosen(MASK, "255.0.255.0").is_err());
}
