//! `pqc` in proposals and `ppk` in keyrings: read, refused, printed and resolved.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use ironflex_profiles::{
    Fault,
    model::{
        ikev2::{MlKem, Pqc},
        keyring::{KeyEncoding, KeyText, Ppk},
        name::Name,
    },
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

// --- Pre-shared keys ---

const PEER: &str = "crypto ikev2 keyring K\n peer P\n  address 192.0.2.0 255.255.255.0\n";

fn ppk(lines: &str) -> Option<Ppk> {
    let parsed = parse(&format!("{PEER}{lines}"), "t");
    assert_eq!(parsed.diagnostics, [], "{lines}");
    let keyring = parsed.candidate.keyrings.get("K").unwrap();
    keyring.peers.get("P").unwrap().ppk.clone()
}

fn key(id: &str, encoding: KeyEncoding, text: &str, required: bool) -> Option<Ppk> {
    Some(Ppk {
        id: Name::new(id).unwrap(),
        key: KeyText::new(encoding, text).unwrap(),
        required,
    })
}

#[test]
fn a_peer_has_a_named_key_in_either_spelling_that_may_be_required() {
    use KeyEncoding::{Hex, Plain};
    let lab = |text, encoding, required| key("lab", encoding, text, required);
    assert!(ppk("  ppk manual id lab key secret-7\n") == lab("secret-7", Plain, false));
    assert!(ppk("  ppk manual id lab key 0 secret-7 required\n") == lab("secret-7", Plain, true));
    assert!(ppk("  ppk manual id lab key hex 00ff required\n") == lab("00ff", Hex, true));
    assert!(
        ppk("  ppk manual id lab key a\n  ppk manual id other key b\n")
            == key("other", Plain, "b", false)
    );
    assert!(ppk("  ppk manual id lab key a\n  no ppk\n").is_none());
}

#[test]
fn a_named_key_is_printed_as_it_was_given_and_never_by_debug() {
    let lines = "  ppk manual id lab key hex 00ff\n peer Q\n  identity fqdn a.example\n  \
                 ppk manual id q key 0 hexagon required\n";
    let parsed = parse(&format!("{PEER}{lines}"), "t");
    let printed = render(&parsed.candidate);
    for line in [
        "\n  ppk manual id lab key hex 00ff\n",
        "\n  ppk manual id q key hexagon required\n",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    assert!(!format!("{:?}", parsed.candidate).contains("hexagon"));
}

#[test]
fn a_named_key_that_is_none_is_refused() {
    for (line, fault) in [
        ("ppk manual id lab", Fault::Incomplete),
        ("ppk manual id lab key hex 0", Fault::Value),
        ("ppk dynamic skip", Fault::Unsupported),
    ] {
        let parsed = parse(&format!("{PEER}  {line}\n"), "t");
        let found: Vec<Fault> = parsed.diagnostics.iter().map(|one| one.fault).collect();
        assert_eq!(found, [fault], "{line}");
    }
}
