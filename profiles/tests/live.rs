//! A configuration that is changed while it is at work: what of it can be used.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use ironflex_profiles::{
    Candidate, Fault, Live, PeerIdentity, check_tied,
    model::interface::{DeviceName, InterfaceName},
    parse, render, resolve_live, ties,
};

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

#[test]
fn a_profile_that_serves_nobody_is_named_with_what_is_wrong_at_the_bottom_of_it() {
    let because = |live: &Live| {
        let inactive = live.snapshot.inactive.iter();
        let told = inactive.map(|one| format!("{}: {}", one.name, one.because));
        told.collect::<Vec<_>>()
    };
    assert_eq!(because(&with("")), [""; 0]);
    let live = with("crypto ikev2 authorization policy ikev2-auth-policy\n pool NOPE\n");
    let told = because(&live);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with(
            "AnyConnect-EAP: `crypto ikev2 authorization policy ikev2-auth-policy` cannot be used: "
        ) && told[0].contains("ip local pool NOPE"),
        "{told:?}"
    );
    let peer = PeerIdentity::KeyId(b"*$AnyConnectClient$*");
    let local = "192.0.2.1".parse().unwrap();
    assert!(live.snapshot.inactive[0].would_take(local, peer));
    assert!(!live.snapshot.inactive[0].would_take(local, PeerIdentity::Fqdn("other.example")));
    for (line, cause) in [
        ("aaa new-model\n", "there is no `aaa new-model`"),
        (
            "crypto ipsec transform-set TS esp-aes 256 esp-sha256-hmac\n mode tunnel\n",
            "`interface Virtual-Template100` cannot be used: `crypto ipsec profile AnyConnect-EAP` cannot be used: ",
        ),
        (
            " ip address 10.0.0.1 255.255.255.255\n",
            "`interface Virtual-Template100` cannot be used: Loopback100 has no address to use",
        ),
        (
            " authentication local rsa-sig\n",
            "is not complete, without: authentication local",
        ),
        (
            " tunnel mode ipsec ipv4\n",
            "Virtual-Template100 is not complete, without: tunnel mode",
        ),
    ] {
        let told = because(&without(line));
        assert!(
            told.len() == 1 && told[0].contains(cause),
            "without {line}: {told:?}"
        );
    }
    let live = with("crypto ikev2 profile AnyConnect-EAP\n shutdown\n");
    assert_eq!(because(&live), ["AnyConnect-EAP: it is shut down"]);
    assert!(live.snapshot.inactive[0].shutdown);
}

fn tie(interface: &str, device: &str) -> (InterfaceName, DeviceName) {
    (
        InterfaceName::parse(interface).unwrap(),
        DeviceName::new(device).unwrap(),
    )
}

// An option is none of the configuration's lines, and a start without it is to come to what its file says.
#[test]
fn what_the_command_line_ties_is_at_work_and_not_written_down() {
    let lines =
        "interface GigabitEthernet1\n ip nat outside\ninterface GigabitEthernet2\n device eth2\n";
    let devices = [tie("gi1", "eth1"), tie("gi3", "eth3")];
    let checked = check_tied(lines, "test", &devices);
    let snapshot = checked.snapshot.unwrap();
    let tied = snapshot
        .interfaces
        .values()
        .filter_map(|one| one.device.as_ref());
    let tied: Vec<&str> = tied.map(DeviceName::as_str).collect();
    assert_eq!(tied, ["eth1", "eth2", "eth3"]);
    let written = render(&checked.candidate);
    assert!(
        written.contains("interface GigabitEthernet1\n no ip address\n"),
        "{written}"
    );
    assert!(
        written.contains("interface GigabitEthernet2\n device eth2\n"),
        "{written}"
    );
    assert!(
        !written.contains("eth1") && !written.contains("GigabitEthernet3"),
        "{written}"
    );
    // A line that it overrides stays written.
    let checked = check_tied(lines, "test", &[tie("gi2", "eth9")]);
    let gi2 = InterfaceName::parse("gi2").unwrap();
    let at_work = checked.snapshot.unwrap().interfaces[&gi2].device.clone();
    assert_eq!(at_work.unwrap().as_str(), "eth9");
    let written = render(&checked.candidate);
    assert!(
        written.contains("interface GigabitEthernet2\n device eth2\n"),
        "{written}"
    );
    assert!(!written.contains("eth9"), "{written}");
    // What depends on it is whole with it alone.
    let lines = "interface GigabitEthernet1\ninterface Virtual-Template1 type tunnel\n ip unnumbered GigabitEthernet1\n \
        tunnel mode ipsec ipv4\n tunnel protection ipsec profile default\n";
    assert!(check_tied(lines, "test", &[]).snapshot.is_none());
    assert!(check_tied(lines, "test", &devices).snapshot.is_some());
}

#[test]
fn an_interface_that_stands_for_no_device_is_told_of_where_somebody_types_it() {
    let told = |lines: &str| {
        let faults = ties(&candidate(lines));
        faults
            .into_iter()
            .map(|fault| fault.message)
            .collect::<Vec<_>>()
    };
    let gi2 = told("interface gi2\n ip address 10.9.9.1 255.255.255.0\n");
    assert!(
        gi2.len() == 1 && gi2[0].contains("GigabitEthernet2 is tied to no device"),
        "{gi2:?}"
    );
    assert_eq!(
        told("interface gi2\n device eth2\ninterface lo1\n"),
        [""; 0]
    );
    // Its rule is told of.
    assert_eq!(told(EXAMPLE), [""; 0]);
}
