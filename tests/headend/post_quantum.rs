//! Clients and a headend with post-quantum keys: exchanged by ML-KEM, and agreed on beforehand.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{HEADEND, LOOPBACK, Lab, USER, connected},
    pki::PASSWORD,
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    #[cfg(feature = "aws-lc")]
    (
        "post_quantum::a_client_with_ml_kem_uses_it_and_one_without_is_served_where_it_is_optional",
        a_client_with_ml_kem_uses_it_and_one_without_is_served_where_it_is_optional,
    ),
    #[cfg(feature = "aws-lc")]
    (
        "post_quantum::a_client_of_no_key_exchange_has_the_further_one_that_the_headend_wants",
        a_client_of_no_key_exchange_has_the_further_one_that_the_headend_wants,
    ),
    #[cfg(feature = "aws-lc")]
    (
        "post_quantum::a_client_without_ml_kem_is_refused_where_it_is_required",
        a_client_without_ml_kem_is_refused_where_it_is_required,
    ),
    (
        "post_quantum::a_client_with_the_key_of_the_keyring_uses_it_and_one_without_is_refused",
        a_client_with_the_key_of_the_keyring_uses_it_and_one_without_is_refused,
    ),
];

#[cfg(feature = "aws-lc")]
const HYBRID: &str = "aes-cbc-256/sha256/14/mlkem768";

#[cfg(feature = "aws-lc")]
fn a_client_with_ml_kem_uses_it_and_one_without_is_served_where_it_is_optional() {
    let lab = Lab::new();
    lab.edit(" group 14\n", " group 14\n pqc mlkem768 optional\n");
    let (new, old) = (lab.client(), lab.client());
    let _headend = lab.start();
    let proposal = ["--proposal", HYBRID];
    let process = lab.connect_to(&HEADEND.to_string(), &new, [USER, PASSWORD], &proposal);
    let tunnel = connected(&process);
    let loopback = Echo::udp(&lab.headend.namespace, LOOPBACK);
    ask(&new.host.namespace, tunnel.address, loopback.address);
    let count = || {
        let shown = lab.exec("show crypto ikev2 sa detailed");
        let in_use = "PQC Key Exchange: ML-KEM-768";
        let safe = "Quantum-safe Encryption using PQC: ML-KEM-768";
        (shown.matches(in_use).count(), shown.matches(safe).count())
    };
    assert_eq!(count(), (1, 1));
    let (_old, tunnel) = lab.log_in(&old, USER);
    ask(&old.host.namespace, tunnel.address, loopback.address);
    assert_eq!(count(), (1, 1));
}

#[cfg(feature = "aws-lc")]
fn a_client_without_ml_kem_is_refused_where_it_is_required() {
    let lab = Lab::new();
    lab.edit(" group 14\n", " group 14\n pqc mlkem1024 mlkem768\n");
    let client = lab.client();
    let _headend = lab.start();
    let headend = HEADEND.to_string();
    let login = [USER, PASSWORD];
    let mut process = lab.connect_to(&headend, &client, login, &["--proposal", HYBRID]);
    connected(&process);
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    lab.connect_to(&headend, &client, login, &[]).ends_with(5);
}

// RFC 9370: `set pfs GROUP pqc` at the headend, and a client that rekeys of itself.
#[cfg(feature = "aws-lc")]
fn a_client_of_no_key_exchange_has_the_further_one_that_the_headend_wants() {
    let lab = Lab::new();
    lab.edit(
        "crypto ipsec profile AnyConnect-EAP\n",
        "crypto ipsec profile AnyConnect-EAP\n set pfs group19 pqc mlkem768\n",
    );
    let client = lab.client();
    let headend = lab.start();
    lab.exec("debug crypto ikev2");
    let lifetime = ["--lifetime", "8"];
    let process = lab.connect_to(&HEADEND.to_string(), &client, [USER, PASSWORD], &lifetime);
    let tunnel = connected(&process);
    headend.line("is in use after its rekey");
    assert!(
        headend.output().contains("IKE_FOLLOWUP_KE"),
        "{}",
        headend.output()
    );
    let loopback = Echo::udp(&lab.headend.namespace, LOOPBACK);
    ask(&client.host.namespace, tunnel.address, loopback.address);
    assert_eq!(loopback.asker(), tunnel.address);
}

const SECRET: &str = "a-secret-beside-the-others";

fn a_client_with_the_key_of_the_keyring_uses_it_and_one_without_is_refused() {
    let lab = Lab::new();
    lab.edit(
        "crypto ikev2 profile AnyConnect-EAP\n",
        &format!(
            "crypto ikev2 keyring PQ\n peer clients\n  identity key-id *$AnyConnectClient$*\n  \
             ppk manual id lab key {SECRET} required\n\
             crypto ikev2 profile AnyConnect-EAP\n keyring ppk PQ\n"
        ),
    );
    let client = lab.client();
    let headend_process = lab.start();
    fs::write(lab.path("ppk"), format!("{SECRET}\n")).unwrap();
    let (headend, login) = (HEADEND.to_string(), [USER, PASSWORD]);
    let file = lab.name("ppk");
    let key = ["--ppk-id", "lab", "--ppk-file", &file, "--ppk-required"];
    let mut process = lab.connect_to(&headend, &client, login, &key);
    let tunnel = connected(&process);
    let loopback = Echo::udp(&lab.headend.namespace, LOOPBACK);
    ask(&client.host.namespace, tunnel.address, loopback.address);
    let shown = lab.exec("show crypto ikev2 sa detailed");
    for part in [
        "Auth verify: AnyConnect-EAP, QR",
        "Quantum-safe Encryption using Manual PPK",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    let mut without = lab.connect_to(&headend, &client, login, &[]);
    assert_ne!(without.end(), Some(0));
    headend_process.line("no post-quantum pre-shared key is in common");
    let counted = lab.exec("show crypto ikev2 stats");
    for part in [
        "PPK Retrieve Failure    -    ALL:      1        With PPK Required:    1\n",
        "PPK Logins: 1        without, though configured: 0\n",
    ] {
        assert!(counted.contains(part), "{part:?} is missing in\n{counted}");
    }
    assert_eq!(
        lab.exec("clear crypto ikev2 stats"),
        "Cleared crypto ikev2 statistics\n"
    );
    let cleared = lab.exec("show crypto ikev2 stats");
    assert!(cleared.contains("PPK Logins: 0 "), "{cleared}");
    let exchanges = lab.exec("show crypto ikev2 stats exchange");
    for row in ["IKE_SA_INIT", "IKE_AUTH", "AUTHENTICATION_FAILED", "NO_NAT"] {
        assert!(!exchanges.contains(row), "{exchanges}");
    }
    // Prometheus' numbers never go back.
    let metrics = lab.exec("show metrics");
    for (result, count) in [("used", 1), ("required", 1), ("not_used", 0)] {
        let line = format!("ironflex_ike_post_quantum_keys_total{{result=\"{result}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line:?} is missing in\n{metrics}");
    }
    for output in [headend_process.output(), process.output(), shown] {
        assert!(!output.contains(SECRET), "{output}");
    }
}
