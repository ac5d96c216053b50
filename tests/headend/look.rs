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
