//! A configuration that is changed while it is at work: what of it can be used.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use ironflex_profiles::{Candidate, Fault, Live, parse, resolve_live};

const EXAMPLE: &str = include_str!("../../examples/flexvpn-headend.conf");

fn candidate(text: &str) -> Candidate {
    let parsed = parse(text, "test");
    assert_eq!(parsed.diagnostics, []);
    parsed.candidate
}

fn profiles(live: &Live) -> Vec<&str> {
    let profiles = live.snapshot.profiles.iter();
    profiles.map(|profile| profile.name.as_str()).collect()
}

fn without(line: &str) -> Live {
    assert!(EXAMPLE.contains(line), "{line}");
    resolve_live(&candidate(&EXAMPLE.replacen(line, "", 1)))
}

fn with(lines: &str) -> Live {
    resolve_live(&candidate(&format!("{EXAMPLE}\n{lines}")))
}

#[test]
fn all_of_a_whole_configuration_is_used() {
    let live = resolve_live(&candidate(EXAMPLE));
    assert_eq!(live.faults, []);
    assert_eq!(profiles(&live), ["AnyConnect-EAP"]);
}

#[test]
fn an_object_with_an_error_is_not_used_and_neither_is_what_needs_it() {
    for line in [
        "aaa new-model\n",
        "aaa authentication login a-eap-authen-local local\n",
        "aaa authorization network a-eap-author-grp local\n",
        "ip local pool ACPool 192.168.10.5 192.168.10.10\n",
        " match identity remote key-id *$AnyConnectClient$*\n",
        " authentication local rsa-sig\n",
        " pki trustpoint IKEv2-TP\n",
        "crypto vpn anyconnect profile acvpn bootflash:/acvpn.xml\n",
        "crypto ipsec transform-set TS esp-aes 256 esp-sha256-hmac\n mode tunnel\n",
        " ip address 10.0.0.1 255.255.255.255\n",
        " tunnel mode ipsec ipv4\n",
        "ip access-list standard split_tunnel\n permit 10.0.0.0 0.255.255.255\n",
    ] {
        let live = without(line);
        assert_eq!(profiles(&live), [""; 0], "without {line}");
        assert_ne!(live.faults, [], "without {line}");
    }
    // Addresses of the first pool are not given twice.
    let live = with("ip local pool other 192.168.10.10 192.168.10.20");
    assert_eq!(profiles(&live), ["AnyConnect-EAP"]);
    assert_eq!(live.snapshot.pools.len(), 1);
    assert_eq!(live.faults[0].fault, Fault::Conflict);
    let live = with(
        "ip local pool other 192.168.10.10 192.168.10.20\n\
         crypto ikev2 authorization policy ikev2-auth-policy\n pool other\n",
    );
    assert_eq!(profiles(&live), [""; 0]);
}

#[test]
fn a_policy_does_with_the_proposals_that_are_complete() {
    let live = with("crypto ikev2 policy IKEv2-pol\n proposal nowhere\n");
    assert_eq!(live.faults[0].fault, Fault::Dangling);
    assert_eq!(live.snapshot.policies[0].proposals.len(), 1);
    let live = without(" group 14\n");
    assert_eq!(live.snapshot.policies, []);
    assert_eq!(live.faults[0].fault, Fault::Incomplete);
    // The smart default is still there.
    assert!(live.snapshot.default_policy.is_some());
}

#[test]
fn what_is_wrong_with_one_object_does_not_harm_another() {
    let live =
        with("crypto ikev2 profile second\n match identity remote any\n virtual-template 1\n");
    assert_eq!(profiles(&live), ["AnyConnect-EAP"]);
    let live = with("crypto ikev2 authorization policy second\n pool nowhere\n");
    assert_eq!(profiles(&live), ["AnyConnect-EAP"]);
    assert!(!live.snapshot.authorization_policies.contains_key("second"));
    assert!(live.snapshot.authorization_policies.contains_key("default"));
}
