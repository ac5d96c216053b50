//! What `show` and `debug` say of a session on its way.

use crate::support::{
    cases::Case,
    lab::{HEADEND, Lab, USER},
    stranger::{Stranger, init},
};

pub(crate) const CASES: &[Case] = &[
    (
        "look::debug_aaa_names_the_lists_of_the_configuration",
        debug_aaa_names_the_lists_of_the_configuration,
    ),
    (
        "look::a_session_is_shown_by_its_child_sa_and_as_json",
        a_session_is_shown_by_its_child_sa_and_as_json,
    ),
    (
        "look::a_failed_login_is_explained_and_its_steps_are_told_to_who_asked_for_them",
        a_failed_login_is_explained_and_its_steps_are_told_to_who_asked_for_them,
    ),
    (
        "look::a_client_that_nothing_is_in_common_with_is_explained_side_by_side",
        a_client_that_nothing_is_in_common_with_is_explained_side_by_side,
    ),
    (
        "look::a_session_in_negotiation_is_named_by_the_interface_that_it_comes_to",
        a_session_in_negotiation_is_named_by_the_interface_that_it_comes_to,
    ),
];

fn debug_aaa_names_the_lists_of_the_configuration() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    lab.exec("debug aaa authentication");
    lab.exec("debug aaa authorization");
    let (_process, _) = lab.log_in(&client, USER);
    headend.line("AAA/AUTHEN/LOGIN (00000001): Pick method list 'a-eap-authen-local'");
    headend.line("AAA/AUTHOR (0x1): Pick method list 'a-eap-author-grp'");
}

fn a_session_in_negotiation_is_named_by_the_interface_that_it_comes_to() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start_with(&["--device", "GigabitEthernet1=client0"]);
    let stranger = Stranger::new(&client.host.namespace, client.router);
    stranger.send(&init(1));
    stranger.answer();
    let session = lab.exec("show crypto session");
    let begins = "Crypto session current status\n\nInterface: GigabitEthernet1\nSession status: DOWN-NEGOTIATING\nPeer: ";
    assert!(session.starts_with(begins), "{session}");
}

fn a_session_is_shown_by_its_child_sa_and_as_json() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    assert_eq!(lab.exec("show crypto ipsec sa"), "No IPSec SA found.\n");
    let (_process, _) = lab.log_in(&client, USER);
    let text = lab.exec("show crypto ipsec sa detail");
    let begins =
        "\ninterface: Virtual-Access1\n    Crypto map tag: Virtual-Access1-head-0, local addr ";
    assert!(text.starts_with(begins), "{text}");
    assert!(text.contains(" plaintext mtu 14"), "{text}");
    let json = lab.exec("show crypto ipsec sa | json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let sa = &json["ike_sas"][0];
    assert_eq!(sa["status"], "READY");
    assert_eq!(sa["remote_eap_id"], USER);
    let child = &sa["session"]["children"][0];
    let spi = child["outbound_spi"].as_str().unwrap();
    let spi = u32::from_str_radix(spi.trim_start_matches("0x"), 16).unwrap();
    let line = format!("     current outbound spi: 0x{spi:X}({spi})\n");
    assert!(text.contains(&line), "{line}{text}");
    assert_eq!(
        lab.exec("show crypto ipsec sa count"),
        "IPsec SA total: 2, active: 2, rekeying: 0, unused: 0, invalid: 0\n"
    );
}

fn a_failed_login_is_explained_and_its_steps_are_told_to_who_asked_for_them() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let none = "No attempts are on record.\n";
    assert_eq!(lab.exec("show crypto ikev2 diagnose"), none);
    let wrong = "not-the-password";
    let mut refused = lab.connect_to(&HEADEND.to_string(), &client, [USER, wrong], &[]);
    refused.ends_with(4);
    headend.line("user: test  reason: login failed");
    let failed = lab.exec("show crypto ikev2 diagnose username test");
    for part in [
        "  failed\n  Identity: key-id \"*$AnyConnectClient$*\"\n  User: test\n",
        "  Verdict: list 'a-eap-authen-local' refused user 'test': wrong password: check the 'username' line and what the user typed\n",
    ] {
        assert!(failed.contains(part), "{part}: {failed}");
    }
    let step = failed.lines().find(|line| line.contains("FAILED"));
    assert!(
        step.is_some_and(|step| step.contains("wrong password")),
        "{failed}"
    );
    lab.exec("debug crypto ipsec");
    lab.exec("debug crypto condition username nobody");
    let (_process, _) = lab.log_in(&client, USER);
    // What is told of that login nobody has asked for.
    lab.exec("debug crypto condition reset");
    lab.exec("test crypto rekey ipsec");
    headend.line("IPSEC(create_sa): sa created,");
    let log = lab.exec("show logging");
    assert_eq!(
        log.matches("IPSEC(create_sa): sa created,").count(),
        2,
        "{log}"
    );
    assert!(log.contains("%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP."));
    let told = lab.exec("show crypto ikev2 diagnose username test");
    assert!(
        told.contains("  up\n  Identity: key-id \"*$AnyConnectClient$*\"\n  User: test\n"),
        "{told}"
    );
    let support = lab.exec("show tech-support");
    assert!(support.contains("------------------ show crypto ikev2 diagnose"));
    for secret in ["cisco123", wrong] {
        assert!(!support.contains(secret), "{support}");
    }
    let certificates = lab.exec("show crypto pki certificates verbose");
    assert!(
        certificates.starts_with("Certificate\n  Status: Available\n"),
        "{certificates}"
    );
}

fn a_client_that_nothing_is_in_common_with_is_explained_side_by_side() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    let stranger = Stranger::new(&client.host.namespace, client.router);
    // An encryption algorithm of no use in place of the one that it has.
    let mut request = init(1);
    let aes_cbc = [0x01, 0x00, 0x00, 12];
    let at = request
        .windows(4)
        .position(|octets| octets == aes_cbc)
        .unwrap();
    request[at + 3] = 3;
    stranger.send(&request);
    stranger.answer();
    let told = lab.exec("show crypto ikev2 diagnose");
    assert!(
        told.contains(
            "  Verdict: IKE: the proposals differ in the encryption alone: the client offers 3DES"
        ),
        "{told}"
    );
    assert!(told.contains("\n    Client   encryption 3DES"), "{told}");
    assert!(
        told.contains("\n    Headend  encryption AES-CBC-256"),
        "{told}"
    );
}
