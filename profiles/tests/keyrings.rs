//! Pre-shared keys: where they stand, what finds them, and that nothing shows them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(clippy::panic, reason = "helpers of tests fail by panicking")]

use ironflex_profiles::{
    Candidate, Fault, Severity,
    model::keyring::{KeyEncoding, KeyText},
    parse, resolve,
    snapshot::{KeySource, LocalMethod, Profile},
};

/// All that a profile needs beside its methods.
const REST: &str = "aaa new-model\naaa authentication login L local\ninterface Loopback1\n \
    ip address 10.0.0.1 255.255.255.0\ninterface Virtual-Template1 type tunnel\n \
    ip unnumbered Loopback1\n tunnel mode ipsec ipv4\n tunnel protection ipsec profile default\n";

fn candidate(lines: &str) -> Candidate {
    let text = format!("{REST}{lines}");
    let parsed = parse(&text, "t");
    assert_eq!(parsed.diagnostics, [], "{text}");
    parsed.candidate
}

fn profile(lines: &str) -> Profile {
    let snapshot = resolve(&candidate(lines)).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let [profile] = snapshot.profiles.as_slice() else {
        panic!("one profile")
    };
    Profile::clone(profile)
}

fn with(methods: &str) -> String {
    format!(
        "crypto ikev2 keyring K\n peer P\n  address 0.0.0.0 0.0.0.0\n  pre-shared-key secret-7\n\
         crypto ikev2 profile A\n match identity remote any\n virtual-template 1\n{methods}"
    )
}

fn plain(text: &str) -> KeyText {
    KeyText::new(KeyEncoding::Plain, text).unwrap()
}

#[test]
fn a_key_in_the_profile_goes_before_the_keyring() {
    let profile = profile(&with(
        " authentication local pre-share key mine\n authentication remote pre-share\n \
         keyring local K\n",
    ));
    assert_eq!(
        profile.local,
        LocalMethod::PreShare(KeySource::Line(plain("mine")))
    );
    let Some(KeySource::Keyring(keyring)) = profile.remote.pre_share else {
        panic!("the keyring's key")
    };
    let [(_, peer)] = keyring.peers.as_slice() else {
        panic!("one peer")
    };
    assert!(peer.keys.local() == Some(&plain("secret-7")));
    assert!(peer.keys.remote() == Some(&plain("secret-7")));
}

#[test]
fn nothing_that_is_shown_for_debugging_shows_a_key() {
    let lines = with(
        " authentication local pre-share key secret-8\n \
         authentication remote pre-share key secret-9\n keyring local K\n",
    );
    let candidate = candidate(&lines);
    let shown = format!("{candidate:?} {:?}", resolve(&candidate).unwrap());
    assert!(shown.contains("pre-share"));
    assert!(!shown.contains("secret-"), "{shown}");
}

#[test]
fn a_profile_by_key_without_one_is_incomplete() {
    let lines = with(" authentication local pre-share\n authentication remote pre-share\n");
    let faults = resolve(&candidate(&lines)).unwrap_err();
    let mut incomplete = faults
        .iter()
        .filter(|fault| fault.fault == Fault::Incomplete);
    let expected = &incomplete.next().unwrap().expected;
    assert!(expected.contains(&"keyring local WORD".into()));
    assert!(incomplete.next().is_none());
}

// RFC 7296 §2.16: the end that runs EAP proves itself by a signature.
#[test]
fn anyconnect_eap_beside_a_headend_with_a_key_is_a_conflict() {
    let methods = " authentication remote anyconnect-eap aggregate\n \
                   aaa authentication anyconnect-eap L\n keyring local K\n";
    let lines = with(&format!(" authentication local pre-share\n{methods}"));
    let faults = resolve(&candidate(&lines)).unwrap_err();
    let conflicts: Vec<_> = faults
        .iter()
        .filter(|fault| fault.severity == Severity::Error)
        .map(|fault| fault.fault)
        .collect();
    assert_eq!(conflicts, [Fault::Conflict]);
}

#[test]
fn no_in_front_of_a_key_takes_both_directions_away() {
    let lines = "crypto ikev2 keyring K\n peer P\n  pre-shared-key local a\n  \
                 pre-shared-key remote b\n  no pre-shared-key\n";
    let candidate = candidate(lines);
    let peer = candidate.keyrings.get("K").unwrap().peers.get("P").unwrap();
    assert!(peer.keys.local().is_none() && peer.keys.remote().is_none());
}

#[test]
fn exit_leads_from_a_peer_to_its_keyring() {
    let lines = "crypto ikev2 keyring K\npeer P\naddress 192.0.2.1\nexit\npeer Q\nexit\nexit\n\
                 hostname H\n";
    let candidate = candidate(lines);
    let peers = candidate.keyrings.get("K").unwrap().peers.iter();
    let names: Vec<_> = peers.map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["P", "Q"]);
}
