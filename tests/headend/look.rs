//! What `show` and `debug` say of a session on its way.

use crate::support::{
    cases::Case,
    lab::{Lab, USER},
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
