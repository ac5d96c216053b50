//! SAs that wear out in the middle of a transfer, and those that an operator has replaced or ended.

use std::{
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use ironflex_ikev2::event::{CloseReason, Event};

use crate::{
    pre_shared_key::{self, KEY},
    support::{
        PATIENCE,
        cases::Case,
        lab::{HEADEND, INSIDE, Lab, USER},
        refuser,
        traffic::{Echo, copy},
    },
};

pub(crate) const CASES: &[Case] = &[
    (
        "rekey::an_sa_that_a_peer_does_not_have_replaced_ends_its_session_with_its_lifetime",
        an_sa_that_a_peer_does_not_have_replaced_ends_its_session_with_its_lifetime,
    ),
    (
        "rekey::a_transfer_outlives_many_child_sas",
        a_transfer_outlives_many_child_sas,
    ),
    (
        "rekey::long_sequence_numbers_and_a_key_exchange_for_each_child_sa",
        long_sequence_numbers_and_a_key_exchange_for_each_child_sa,
    ),
    (
        "rekey::an_operator_has_the_sas_replaced_and_ended_that_he_names",
        an_operator_has_the_sas_replaced_and_ended_that_he_names,
    ),
];

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
    headend.line(" is to be rekeyed: its lifetime in kilobytes is nearly over");
    // Those of the first SAs are 2001 and 2002.
    let sas = lab.exec("show crypto ipsec sa");
    assert!(!sas.contains("conn id: 2001, "), "{sas}");

    let session = lab.exec("show crypto session detail");
    assert!(session.contains("Session ID: 1"), "{session}");
    // The volume that is left is the one of the SA in use, not of all that there were.
    assert!(!session.contains("life (KB/Sec) 0/"), "{session}");
    copy(&client.host.namespace, server.address, 1 << 20);
    headend.lives();
    assert_eq!(process.end_by(nix::sys::signal::Signal::SIGINT), Some(0));
}

// RFC 7296 §2.8: what is not replaced is deleted at the end of its lifetime, and is not used on.
fn an_sa_that_a_peer_does_not_have_replaced_ends_its_session_with_its_lifetime() {
    let lab = pre_shared_key::lab();
    lab.edit(
        "crypto ipsec profile AnyConnect-EAP\n",
        "crypto ipsec profile AnyConnect-EAP\n set security-association lifetime kilobytes 2560\n set pfs group19\n",
    );
    let (inside, client) = (lab.inside(), lab.client());
    let headend = lab.start();
    lab.exec("debug crypto ikev2");
    lab.exec("debug crypto ikev2 error");
    let before = lab.headend.routes();
    let peer = refuser::log_in(&client, "one.branch.example", KEY);
    headend.line("Crypto tunnel v2 is UP.");
    let bind = || UdpSocket::bind((INSIDE, 0)).unwrap();
    let socket = inside.namespace.run(bind).unwrap();
    let end = Instant::now() + PATIENCE;
    while !headend.output().contains(" has expired") {
        assert!(Instant::now() < end, "it does not come to its end");
        for _ in 0..16 {
            // What finds no room is lost, and what comes after the end has no way.
            let _ = socket.send_to(&[0; 1300], ("192.168.10.5", 9));
        }
        thread::sleep(Duration::from_millis(2));
    }
    headend.line(" has expired: its lifetime in kilobytes is over");
    headend.line("Rekey failed: ");
    peer.hears("that the child SA is deleted", |event| {
        matches!(event, Event::ChildDeleted { .. })
    });
    let line = headend.line("Crypto tunnel v2 is DOWN.");
    assert!(line.contains("reason: the lifetime is over"), "{line}");
    headend.line("SA lifetime expired");
    peer.hears("that the session is deleted", |event| {
        matches!(event, Event::Closed(CloseReason::PeerDeleted))
    });
    let metrics = lab.metrics("state");
    assert!(metrics.of("ironflex_ike_rekeys_refused_by_peer_total") >= Some(1));
    assert_eq!(
        metrics.of("ironflex_ike_sas_closed_total{reason=\"expired\"}"),
        Some(1)
    );
    assert_eq!(lab.headend.routes(), before);
}

// RFC 4303 §2.2.1, RFC 7296 §2.17: the only transform set has `esn`, so that without it there would be no tunnel; with
// `set pfs` every rekeying carries a key exchange.
fn long_sequence_numbers_and_a_key_exchange_for_each_child_sa() {
    let lab = Lab::new();
    lab.edit(
        "crypto ipsec transform-set TS esp-aes 256 esp-sha256-hmac",
        "crypto ipsec transform-set TS esp-gcm 256 esn",
    );
    lab.edit(
        "crypto ipsec profile AnyConnect-EAP\n",
        "crypto ipsec profile AnyConnect-EAP\n set security-association lifetime kilobytes 4096\n set pfs group19\n",
    );
    let (inside, client) = (lab.inside(), lab.client());
    let mut headend = lab.start();
    lab.exec("debug crypto ikev2");
    let (mut process, tunnel) = lab.log_in(&client, USER);
    assert_eq!(tunnel.esp, "esp-gcm 256");
    let server = Echo::tcp(&inside.namespace, INSIDE);
    copy(&client.host.namespace, server.address, 12 << 20);
    let output = headend.output();
    assert!(output.contains("is in use after its rekey"), "{output}");
    let with = |line: &&str| [" KE", " TSi"].iter().all(|one| line.contains(one));
    assert!(output.lines().any(|line| with(&line)), "{output}");
    headend.lives();
    assert_eq!(process.end_by(nix::sys::signal::Signal::SIGINT), Some(0));
}

fn an_operator_has_the_sas_replaced_and_ended_that_he_names() {
    const REKEYED: &str = "is in use after its rekey";
    let lab = Lab::new();
    lab.add_user("second");
    let (one, other) = (lab.client(), lab.client());
    let headend = lab.start();
    lab.exec("debug crypto ikev2");
    let (mut first, _) = lab.log_in(&one, USER);
    let (mut second, _) = lab.log_in(&other, "second");
    headend.nth_line(2, "Crypto tunnel v2 is UP.");
    let nobody = [
        ("username nobody", "of username nobody"),
        ("remote 203.0.113.250", "with remote address 203.0.113.250"),
    ];
    for (typed, whose) in nobody {
        let said = format!("% There is no session {whose}\n");
        assert_eq!(lab.exec(&format!("test crypto rekey ipsec {typed}")), said);
        assert_eq!(lab.exec(&format!("test crypto rekey ikev2 {typed}")), said);
    }
    let theirs = format!("remote {}", one.outer);
    for (count, whose) in [(1, "username second"), (2, theirs.as_str())] {
        lab.exec(&format!("test crypto rekey ipsec {whose}"));
        headend.nth_line(count, REKEYED);
    }
    assert_eq!(headend.output().matches(REKEYED).count(), 2);
    // A router's words for the same: SAs are replaced, and the session goes on.
    let peer = format!("clear crypto sa peer {}", one.outer);
    for (count, line) in [(3, peer.as_str()), (5, "clear crypto sa")] {
        assert_eq!(lab.exec(line), "");
        headend.nth_line(count, REKEYED);
    }
    assert_eq!(headend.output().matches(REKEYED).count(), 5);
    const WANTED: &str = "] is to be rekeyed: the operator wants it";
    assert_eq!(headend.output().matches(WANTED).count(), 5);
    let exchange = lab.exec("show crypto ikev2 stats exchange");
    let row = "CREATE_CHILD_SA_IPSEC_REKEY             5          0          0          5\n";
    assert!(exchange.contains(row), "{exchange}");
    assert_eq!(lab.exec(&format!("clear crypto ikev2 sa {theirs}")), "");
    first.ends_with(6);
    let told = headend.output();
    let mut rest = told.as_str();
    for step in [
        "Verify SA init message\n",
        "Searching Policy with fvrf 0, local address ",
        "Found Policy '",
        "[IKEv2 -> Crypto Engine] Computing DH public key, DH Group ",
        "Completed SA init exchange\n",
        "My authentication method is 'RSA'\n",
        "Session with IKE ID PAIR (*$AnyConnectClient$*, ",
        "Sending DELETE INFO message for IPsec SA [SPI: 0x",
        "Queuing IKE SA delete request reason: cleared by the operator\n",
        "Sending DELETE INFO message for IKEv2 SA [ISPI: 0x",
    ] {
        let (_, behind) = rest
            .split_once(step)
            .unwrap_or_else(|| panic!("{step:?} is not where it should be in\n{told}"));
        rest = behind;
    }
    second.lives();
    assert_eq!(
        lab.exec("clear crypto ikev2 sa local 203.0.113.250"),
        "% There is no session at local address 203.0.113.250\n"
    );
    second.lives();
    assert_eq!(
        lab.exec(&format!("clear crypto ikev2 sa local {HEADEND}")),
        ""
    );
    second.ends_with(6);
}
