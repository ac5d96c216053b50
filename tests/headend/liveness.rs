//! Clients that fall silent.

use std::{thread, time::Duration};

use nix::sys::signal::Signal;

use crate::support::{
    capture::Capture,
    cases::Case,
    lab::{HEADEND, LOOPBACK, Lab, USER, connected},
    nat::Nat,
    pki::PASSWORD,
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    (
        "liveness::a_client_that_died_is_found_out_and_its_address_is_free_again",
        a_client_that_died_is_found_out_and_its_address_is_free_again,
    ),
    (
        "liveness::a_nat_is_reminded_of_a_client_that_sends_nothing_and_of_no_other",
        a_nat_is_reminded_of_a_client_that_sends_nothing_and_of_no_other,
    ),
    (
        "liveness::what_is_cleared_gives_its_address_back_though_the_client_is_dead",
        what_is_cleared_gives_its_address_back_though_the_client_is_dead,
    ),
    (
        "liveness::what_is_cleared_comes_back_with_its_own_address",
        what_is_cleared_comes_back_with_its_own_address,
    ),
];

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

// RFC 3948 §4: after twenty seconds without another packet, which ESP is as well as IKE.
fn a_nat_is_reminded_of_a_client_that_sends_nothing_and_of_no_other() {
    let lab = Lab::new();
    let nat = Nat::new(&lab);
    let client = &nat.client;
    let _headend = lab.start();
    // Its questions for a sign of life would do.
    let rarely = ["--dpd", "600"];
    let process = lab.connect_to(&HEADEND.to_string(), client, [USER, PASSWORD], &rarely);
    let tunnel = connected(&process);
    let namespace = &client.host.namespace;
    let loopback = Echo::udp(&lab.headend.namespace, LOOPBACK);
    let cable = Capture::start(namespace, client.host.link(&client.device));
    let asked = 56;
    for _ in 0..asked {
        ask(namespace, tunnel.address, loopback.address);
        assert_eq!(loopback.asker(), tunnel.address);
        thread::sleep(Duration::from_millis(500));
    }
    let (sent, reminders) = cable.reminders(client.outer, HEADEND);
    assert!(sent >= asked && reminders == 0, "{reminders} of {sent}");
    cable.sees_reminder(client.outer, HEADEND, Duration::from_secs(60));
}

/// The client of the only address dies without a word, and nothing looks for dead peers; the operator does.
fn what_is_cleared_gives_its_address_back_though_the_client_is_dead() {
    let lab = Lab::new();
    lab.edit(
        "ip local pool ACPool 192.168.10.5 192.168.10.10",
        "ip local pool ACPool 192.168.10.5 192.168.10.5",
    );
    let (first, second) = (lab.client(), lab.client());
    let headend = lab.start();
    let (mut process, connected) = lab.log_in(&first, USER);
    process.end_by(Signal::SIGKILL);
    // The twin: as long as nobody clears it, the address is held.
    let mut refused = lab.connect_to(&HEADEND.to_string(), &second, [USER, PASSWORD], &[]);
    refused.ends_with(5);
    headend.line("pool ACPool is exhausted");
    lab.exec("clear crypto session");
    let (_process, again) = lab.log_in(&second, USER);
    assert_eq!(again.address, connected.address);
}

/// Two machines of one user, of which the first comes back first.
fn what_is_cleared_comes_back_with_its_own_address() {
    let lab = Lab::new();
    let clients = [lab.client(), lab.client()];
    let _headend = lab.start();
    let target = HEADEND.to_string();
    let [first, second] = clients.each_ref().map(|client| {
        let process = lab.connect_for_good(&target, client, [USER, PASSWORD], &[]);
        let address = connected(&process).address;
        (process, address)
    });
    assert_ne!(first.1, second.1);
    for (process, remote) in [(&first.0, clients[0].outer), (&second.0, clients[1].outer)] {
        process.line(r#"{"event":"connected""#);
        lab.exec(&format!("clear crypto session remote {remote}"));
    }
    for (process, address) in [&first, &second] {
        let line = process.nth_line(2, r#"{"event":"connected""#);
        assert!(line.contains(&address.to_string()), "{address}: {line}");
    }
    lab.exec("clear crypto session");
    for (process, address) in [&first, &second] {
        let line = process.nth_line(3, r#"{"event":"connected""#);
        assert!(line.contains(&address.to_string()), "{address}: {line}");
    }
}
