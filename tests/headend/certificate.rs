//! Clients that prove themselves by certificates, RSA and ECDSA, against a headend with either kind.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{ClientHost, HEADEND, LOOPBACK, Lab, USER, connected},
    pki::{PASSWORD, PKI},
    process::Process,
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    (
        "certificate::an_rsa_client_is_served_by_its_pkcs12_file_alone",
        an_rsa_client_is_served_by_its_pkcs12_file_alone,
    ),
    (
        "certificate::a_tunnel_is_made_after_the_ike_sa_where_the_headend_offers_it",
        a_tunnel_is_made_after_the_ike_sa_where_the_headend_offers_it,
    ),
    (
        "certificate::both_ends_prove_themselves_by_elliptic_curves_and_eap_goes_on_beside_them",
        both_ends_prove_themselves_by_elliptic_curves_and_eap_goes_on_beside_them,
    ),
    (
        "certificate::a_certificate_and_a_password_are_both_asked_for",
        a_certificate_and_a_password_are_both_asked_for,
    ),
    (
        "certificate::a_certificate_that_comes_again_ends_its_own_earlier_session_alone",
        a_certificate_that_comes_again_ends_its_own_earlier_session_alone,
    ),
    (
        "certificate::strange_certificates_end_with_their_own_codes",
        strange_certificates_end_with_their_own_codes,
    ),
    (
        "certificate::a_headend_with_the_wrong_kind_of_key_does_not_start",
        a_headend_with_the_wrong_kind_of_key_does_not_start,
    ),
];

/// A profile for everybody else beside the example's.
const EVERYBODY: &str = "\
crypto pki trustpoint CLIENTS
crypto pki authenticate CLIENTS pem bootflash:clients.pem
crypto ikev2 profile CERTIFICATES
 match identity remote any
 authentication local rsa-sig
 authentication remote rsa-sig
 authentication remote ecdsa-sig
 authentication remote pre-share key something else
 pki trustpoint IKEv2-TP sign
 pki trustpoint CLIENTS verify
 aaa authorization group cert list a-eap-author-grp ikev2-auth-policy
 virtual-template 100
!
no crypto ikev2 http-url cert
";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.edit("no crypto ikev2 http-url cert\n", EVERYBODY);
    fs::write(lab.path("boot/clients.pem"), &PKI.authority).unwrap();
    fs::write(lab.path("one.p12"), &PKI.clients[0]).unwrap();
    fs::write(lab.path("two.p12"), &PKI.clients[1]).unwrap();
    fs::write(lab.path("curved.pem"), &PKI.client_ec[0]).unwrap();
    fs::write(lab.path("curved.key"), &PKI.client_ec[1]).unwrap();
    lab
}

fn connect(client: &ClientHost, own: &[&str], input: &str) -> Process {
    let target = HEADEND.to_string();
    let words = ["--no-dns", "--json", "--once", "--dataplane", "userspace"];
    let all = [&["connect", &target], own, &words].concat();
    Process::start(&client.host.namespace, &all, input)
}

/// By a PKCS#12 file, whose password comes on standard input and whose authority is trusted.
fn by_rsa(lab: &Lab, client: &ClientHost, file: &str, more: &[&str]) -> Process {
    let file = lab.name(file);
    let own = [
        ["--auth", "rsa-sig"],
        ["--pkcs12", &file],
        ["--pkcs12-password-file", "-"],
    ];
    let all = [own.as_flattened(), more].concat();
    connect(client, &all, &format!("{PASSWORD}\n"))
}

fn by_ecdsa(lab: &Lab, client: &ClientHost, more: &[&str]) -> Process {
    let (cert, key, ca) = (
        lab.name("curved.pem"),
        lab.name("curved.key"),
        lab.name("ca.pem"),
    );
    let own = [
        ["--auth", "ecdsa-sig"],
        ["--cert", &cert],
        ["--key", &key],
        ["--ca", &ca],
    ];
    connect(client, &[own.as_flattened(), more].concat(), "")
}

fn assert_shown(lab: &Lab, parts: &[&str]) {
    let shown = lab.exec("show crypto ikev2 sa detailed");
    for part in parts {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
}

fn assert_carries(lab: &Lab, client: &ClientHost, process: &Process) {
    let tunnel = connected(process);
    let loopback = Echo::udp(&lab.headend.namespace, LOOPBACK);
    ask(&client.host.namespace, tunnel.address, loopback.address);
    assert_eq!(loopback.asker(), tunnel.address);
}

fn an_rsa_client_is_served_by_its_pkcs12_file_alone() {
    let lab = lab();
    let client = lab.client();
    let mut headend = lab.start();
    // RFC 7296 §3.5: asked for by a name that its certificate has, the headend answers by it.
    let mut process = by_rsa(
        &lab,
        &client,
        "one.p12",
        &["--remote-id", "fqdn:vpn.example.com"],
    );
    assert_carries(&lab, &client, &process);
    assert_shown(
        &lab,
        &["Auth sign: RSA, Auth verify: RSA", "Remote id: cn=one"],
    );
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    headend.line("reason: deleted by the peer");
    headend.lives();
}

// RFC 6023: by CREATE_CHILD_SA, and not to Cisco's clients.
fn a_tunnel_is_made_after_the_ike_sa_where_the_headend_offers_it() {
    let lab = lab();
    let client = lab.client();
    let mut headend = lab.start();
    lab.exec("debug crypto ikev2");
    let mut process = by_rsa(&lab, &client, "one.p12", &["--childless"]);
    assert_carries(&lab, &client, &process);
    assert!(
        headend.output().contains("CREATE_CHILD_SA"),
        "{}",
        headend.output()
    );
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    let target = HEADEND.to_string();
    let mut refused = lab.connect_to(&target, &client, [USER, PASSWORD], &["--childless"]);
    refused.line("no tunnel: the headend does not offer to begin without the tunnel's SA");
    refused.ends_with(5);
    headend.lives();
}

fn both_ends_prove_themselves_by_elliptic_curves_and_eap_goes_on_beside_them() {
    let lab = lab();
    lab.edit(
        "authentication local rsa-sig",
        "authentication local ecdsa-sig",
    );
    fs::write(lab.identity(), &PKI.headend_ec).unwrap();
    let (branch, user, rsa) = (lab.client(), lab.client(), lab.client());
    let mut headend = lab.start();
    let named = ["--identity", "fqdn:curved.example.com"];
    let mut process = by_ecdsa(&lab, &branch, &named);
    assert_carries(&lab, &branch, &process);
    let (_user, _) = lab.log_in(&user, USER);
    let with_rsa = by_rsa(&lab, &rsa, "one.p12", &[]);
    connected(&with_rsa);
    assert_shown(
        &lab,
        &[
            "Auth sign: ECDSA, Auth verify: ECDSA",
            "Auth sign: ECDSA, Auth verify: AnyConnect-EAP",
            "Auth sign: ECDSA, Auth verify: RSA",
            "Remote id: curved.example.com",
        ],
    );
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    headend.lives();
}

fn a_certificate_and_a_password_are_both_asked_for() {
    let lab = lab();
    lab.edit(
        "authentication remote anyconnect-eap aggregate\n",
        "authentication remote anyconnect-eap aggregate cert-request\n",
    );
    let client = lab.client();
    let _headend = lab.start();
    let file = lab.name("one.p12");
    fs::write(lab.path("password"), PASSWORD).unwrap();
    let password = lab.name("password");
    let login = [USER, PASSWORD];
    let own = ["--pkcs12", &file, "--pkcs12-password-file", &password];
    let target = HEADEND.to_string();
    let mut process = lab.connect_to(&target, &client, login, &own);
    assert_carries(&lab, &client, &process);
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    // Without the certificate the password does not help.
    lab.connect_to(&target, &client, login, &[]).ends_with(4);
}

// RFC 7296 §2.4, docs/anyconnect-eap.md: INITIAL_CONTACT clears what the same proven peer had before.
fn a_certificate_that_comes_again_ends_its_own_earlier_session_alone() {
    let lab = lab();
    let hosts = [lab.client(), lab.client(), lab.client(), lab.client()];
    let mut headend = lab.start();
    let first = by_rsa(&lab, &hosts[0], "one.p12", &[]);
    let other = by_rsa(&lab, &hosts[1], "two.p12", &[]);
    let curved = by_ecdsa(&lab, &hosts[2], &[]);
    let (first, other, curved) = (connected(&first), connected(&other), connected(&curved));
    // The same certificate from elsewhere, under another identity that it covers.
    let again = ["--identity", "fqdn:one.example.com"];
    let again = by_rsa(&lab, &hosts[3], "one.p12", &again);
    let now = connected(&again);
    headend.line(&format!("address: {}", now.address));
    let session = lab.exec("show crypto session detail");
    let held = |address: std::net::IpAddr| session.contains(&format!("host {address}"));
    assert!(
        held(now.address) && held(other.address) && held(curved.address),
        "{session}"
    );
    assert_eq!(
        session.matches("Session status: UP-ACTIVE").count(),
        3,
        "{session}"
    );
    assert!(
        now.address == first.address || !held(first.address),
        "{session}"
    );
    headend.lives();
}

fn strange_certificates_end_with_their_own_codes() {
    let lab = lab();
    let client = lab.client();
    let _headend = lab.start();
    // An authority that the client does not trust, an identity that its certificate does not have, and another
    // headend than it was told: each beside the login that works.
    let stranger = lab.name("stranger.pem");
    by_rsa(&lab, &client, "one.p12", &["--ca", &stranger]).ends_with(3);
    let mut process = by_rsa(
        &lab,
        &client,
        "one.p12",
        &["--identity", "fqdn:two.example.com"],
    );
    process.ends_with(4);
    process.line(r#"{"event":"disconnected","reason":"login-refused""#);
    let mut process = by_rsa(
        &lab,
        &client,
        "one.p12",
        &["--remote-id", "fqdn:other.example"],
    );
    process.ends_with(3);
    process.line("and not fqdn other.example, as --remote-id says; its certificate names ");
    process.line(r#"{"event":"disconnected","reason":"untrusted""#);
    let _connected = connected(&by_rsa(&lab, &client, "one.p12", &[]));
}

fn a_headend_with_the_wrong_kind_of_key_does_not_start() {
    let lab = lab();
    fs::write(lab.identity(), &PKI.headend_ec).unwrap();
    let mut headend = lab.launch("state", &[]);
    headend.ends_with(78);
    headend.line("trustpoint IKEv2-TP: the private key cannot be used for rsa-sig");
    headend.line("'authentication local ecdsa-sig' is for those");
}
