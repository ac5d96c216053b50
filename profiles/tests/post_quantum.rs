//! `pqc` in proposals: read, refused, printed and resolved.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use ironflex_profiles::{
    Fault,
    model::ikev2::{MlKem, Pqc},
    parse, render, resolve,
};

const PROPOSAL: &str = "crypto ikev2 proposal P\n encryption aes-gcm-256\n prf sha384\n group 19\n";

fn pqc(lines: &str) -> Pqc {
    let parsed = parse(&format!("{PROPOSAL}{lines}"), "t");
    assert_eq!(parsed.diagnostics, [], "{lines}");
    let proposal = parsed.candidate.proposals.get("P").unwrap();
    proposal.pqc.clone()
}

#[test]
fn a_proposal_has_its_methods_in_their_order_and_may_do_without() {
    let of = |methods: &[MlKem], optional| Pqc {
        methods: methods.to_vec(),
        optional,
    };
    let (middle, large) = (MlKem::MlKem768, MlKem::MlKem1024);
    assert_eq!(pqc(""), Pqc::default());
    assert_eq!(pqc(" pqc mlkem768\n"), of(&[middle], false));
    assert_eq!(pqc(" pqc mlkem768 optional\n"), of(&[middle], true));
    assert_eq!(
        pqc(" pqc mlkem1024 mlkem768 opt\n"),
        of(&[large, middle], true)
    );
    assert_eq!(
        pqc(" pqc mlkem512 optional\n pqc mlkem768\n"),
        of(&[middle], false)
    );
    assert_eq!(pqc(" pqc mlkem768\n no pqc\n"), Pqc::default());
}

#[test]
fn a_line_without_a_method_or_with_one_twice_is_refused() {
    for (line, fault) in [
        ("pqc", Fault::Incomplete),
        ("pqc optional", Fault::Unknown),
        ("pqc mlkem768 mlkem768", Fault::Conflict),
        ("pqc mlkem768 optional mlkem512", Fault::Unknown),
        ("pqc mlkem", Fault::Ambiguous),
        ("pqc kyber", Fault::Unknown),
    ] {
        let text = format!("{PROPOSAL} {line}\n");
        let found: Vec<Fault> = parse(&text, "t")
            .diagnostics
            .iter()
            .map(|one| one.fault)
            .collect();
        assert_eq!(found, [fault], "{line}");
    }
}

#[test]
fn it_is_printed_as_it_was_given_and_resolved_with_its_proposal() {
    let text =
        format!("{PROPOSAL} pqc mlkem1024 mlkem512 optional\ncrypto ikev2 policy A\n proposal P\n");
    let parsed = parse(&text, "t");
    let printed = render(&parsed.candidate);
    assert!(
        printed.contains("\n group 19\n pqc mlkem1024 mlkem512 optional\n"),
        "{printed}"
    );
    let snapshot = resolve(&parsed.candidate).unwrap();
    let here = "192.0.2.1".parse().unwrap();
    let proposal = &snapshot.policy_for(here).unwrap().proposals[0];
    assert_eq!(proposal.pqc.methods, [MlKem::MlKem1024, MlKem::MlKem512]);
    assert!(proposal.pqc.optional);
}
