//! SAs that wear out in the middle of a transfer.

use crate::support::{
    cases::Case,
    lab::{INSIDE, Lab, USER},
    traffic::{Echo, copy},
};

pub(crate) const CASES: &[Case] = &[(
    "rekey::a_transfer_outlives_many_child_sas",
    a_transfer_outlives_many_child_sas,
)];

// RFC 7296 §2.8: the volume lifetime is over several times within one TCP connection, which does not
// notice; session, address and counters go on. Where the machine is so busy that an SA is spent before the
// next is there, the packets of that moment are the only loss.
fn a_transfer_outlives_many_child_sas() {
    let lab = Lab::new();
    lab.edit(
        "crypto ipsec profile AnyConnect-EAP\n",
        "crypto ipsec profile AnyConnect-EAP\n set security-association lifetime kilobytes 16384\n",
    );
    let (inside, client) = (lab.inside(), lab.client());
    let mut headend = lab.start();
    lab.exec("debug crypto ikev2");
    let (mut process, tunnel) = lab.log_in(&client, USER);
    let server = Echo::tcp(&inside.namespace, INSIDE);
    copy(&client.host.namespace, server.address, 96 << 20);
    assert_eq!(server.asker(), tunnel.address);
    let rekeys = headend
        .output()
        .matches("is in use after its rekey")
        .count();
    assert!(rekeys >= 3, "{rekeys} rekeys\n{}", headend.output());

    let session = lab.exec("show crypto session detail");
    assert!(session.contains("Session ID: 1"), "{session}");
    // The volume that is left is the one of the SA in use, not of all that there were.
    assert!(!session.contains("life (KB/Sec) 0/"), "{session}");
    copy(&client.host.namespace, server.address, 1 << 20);
    headend.lives();
    assert_eq!(process.end_by(nix::sys::signal::Signal::SIGINT), Some(0));
}
