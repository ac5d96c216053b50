//! Clients that fall silent.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{Lab, USER},
};

pub(crate) const CASES: &[Case] = &[(
    "liveness::a_client_that_died_is_found_out_and_its_address_is_free_again",
    a_client_that_died_is_found_out_and_its_address_is_free_again,
)];

// `dpd 10 2 periodic`: ten seconds of silence, then six tries of two seconds each; on the way a living
// client answers.
fn a_client_that_died_is_found_out_and_its_address_is_free_again() {
    let lab = Lab::new();
    lab.edit(
        "crypto ikev2 profile AnyConnect-EAP\n",
        "crypto ikev2 profile AnyConnect-EAP\n dpd 10 2 periodic\n",
    );
    let client = lab.client();
    let mut headend = lab.start();
    lab.exec("debug crypto ikev2");
    let (mut process, tunnel) = lab.log_in(&client, USER);
    let address = tunnel.address.to_string();
    assert!(lab.exec("show ip local pool").contains(&address));
    let detail = lab.exec("show crypto ikev2 sa detailed");
    assert!(
        detail.contains("DPD configured for 10 seconds, retry 2"),
        "{detail}"
    );
    // A stopped client is as silent as a dead one, and its sockets keep ICMP errors away.
    process.signal(Signal::SIGSTOP);
    headend.line_within(
        Duration::from_secs(60),
        1,
        "DPD timer expired; the peer has been silent",
    );
    headend.line_within(Duration::from_secs(60), 1, "Crypto tunnel v2 is DOWN.");
    assert!(!lab.exec("show crypto session").contains("UP-ACTIVE"));
    let pool = lab.exec("show ip local pool");
    assert!(!pool.contains("Virtual-Access"), "{pool}");
    process.signal(Signal::SIGCONT);
    headend.lives();
    process.end_by(Signal::SIGKILL);
}
