//! Clients and a headend that prove themselves by keys of a keyring.

use std::{fs, thread::sleep, time::Duration};

use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{ClientHost, HEADEND, LOOPBACK, Lab, USER, connected},
    nat::Nat,
    process::Process,
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    (
        "pre_shared_key::a_client_with_the_key_of_its_identity_is_served_beside_anyconnect_clients",
        a_client_with_the_key_of_its_identity_is_served_beside_anyconnect_clients,
    ),
    (
        "pre_shared_key::an_unknown_identity_and_a_wrong_key_end_alike",
        an_unknown_identity_and_a_wrong_key_end_alike,
    ),
    (
        "pre_shared_key::a_client_takes_no_other_headend_than_it_was_told",
        a_client_takes_no_other_headend_than_it_was_told,
    ),
    (
        "pre_shared_key::a_headend_that_makes_no_sa_for_the_tunnel_in_time_is_left",
        a_headend_that_makes_no_sa_for_the_tunnel_in_time_is_left,
    ),
    (
        "pre_shared_key::a_client_that_comes_again_ends_its_earlier_session_where_its_key_is_its_own",
        a_client_that_comes_again_ends_its_earlier_session_where_its_key_is_its_own,
    ),
];

/// The key of `one.branch.example`.
pub(crate) const KEY: &str = "a key of two ends";

/// A profile for branches beside the example's.
const BRANCHES: &str = "\
crypto ikev2 keyring BRANCHES
 peer one
  identity fqdn one.branch.example
  pre-shared-key a key of two ends
crypto ikev2 profile BRANCHES
 match identity remote fqdn domain branch.example
 identity local fqdn head.example
 authentication local pre-share
 authentication remote pre-share
 keyring local BRANCHES
 aaa authorization group psk list a-eap-author-grp ikev2-auth-policy
 virtual-template 100
crypto ikev2 profile AnyConnect-EAP
";

/// A lab whose headend takes them.
pub(crate) fn lab() -> Lab {
    let lab = Lab::new();
    lab.edit("crypto ikev2 profile AnyConnect-EAP\n", BRANCHES);
    lab
}

/// Starts a client that proves itself by a key.
pub(crate) fn connect(
    lab: &Lab,
    client: &ClientHost,
    identity: &str,
    key: &str,
    headend: &str,
) -> Process {
    connect_with(lab, client, [identity, key, headend], &[])
}

/// The same with further arguments.
fn connect_with(
    lab: &Lab,
    client: &ClientHost,
    [identity, key, headend]: [&str; 3],
    arguments: &[&str],
) -> Process {
    fs::write(lab.path("key"), format!("{key}\n")).unwrap();
    let (target, file) = (HEADEND.to_string(), lab.name("key"));
    let words = [
        ["connect", &target],
        ["--auth", "pre-share"],
        ["--psk-file", &file],
        ["--identity", identity],
        ["--remote-id", headend],
        ["--proposal", "aes-cbc-256/sha256/14"],
        ["--dataplane", "userspace"],
        ["--no-dns", "--json"],
    ];
    let all = [words.as_flattened(), &["--once"], arguments].concat();
    Process::start(&client.host.namespace, &all, "")
}

const ONE: &str = "fqdn:one.branch.example";
const HEAD: &str = "fqdn:head.example";

fn a_client_with_the_key_of_its_identity_is_served_beside_anyconnect_clients() {
    let lab = lab();
    let (branch, user) = (lab.client(), lab.client());
    let mut headend = lab.start();
    let mut process = connect(&lab, &branch, ONE, KEY, HEAD);
    let tunnel = connected(&process);
    let (_user, _) = lab.log_in(&user, USER);
    let loopback = Echo::udp(&lab.headend.namespace, LOOPBACK);
    ask(&branch.host.namespace, tunnel.address, loopback.address);
    assert_eq!(loopback.asker(), tunnel.address);
    let shown = lab.exec("show crypto ikev2 sa detailed");
    for part in [
        "Auth sign: PSK, Auth verify: PSK",
        "Auth sign: RSA, Auth verify: AnyConnect-EAP",
        "Remote id: one.branch.example",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    assert!(!lab.exec("show crypto session detail").contains(KEY));
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    headend.lives();
    for output in [headend.output(), process.output()] {
        assert!(!output.contains(KEY), "{output}");
    }
}

// RFC 7296 §1.2#3: a key belongs to the identity that is claimed.
fn an_unknown_identity_and_a_wrong_key_end_alike() {
    let lab = lab();
    let client = lab.client();
    let headend = lab.start();
    let message = |identity, key| {
        let mut process = connect(&lab, &client, identity, key, HEAD);
        process.ends_with(4);
        let line = process.line(r#"{"event":"disconnected""#);
        line.replace("two.branch", "one.branch")
    };
    let wrong = message(ONE, "a key of two endt");
    assert_eq!(wrong, message("fqdn:two.branch.example", KEY));
    assert!(wrong.contains("login-refused"), "{wrong}");
    // What the client is not told stands in the log, and is not said of AUTH.
    for (identity, why) in [
        (
            "one",
            "the client's pre-shared key is another than that of peer one in 'crypto ikev2 keyring BRANCHES'",
        ),
        (
            "two",
            "'crypto ikev2 keyring BRANCHES' has no key for the client",
        ),
    ] {
        let line = headend.line(&format!(
            "  Id: fqdn {identity}.branch.example  Profile: BRANCHES  {why}: "
        ));
        assert!(line.contains(&format!(":Peer {}:", client.outer)), "{line}");
        assert!(lab.exec("show crypto ikev2 diagnose").contains(why));
    }
    assert!(!headend.output().contains("AUTH does not verify"));
    // The same client with the right key.
    let _connected = connected(&connect(&lab, &client, ONE, KEY, HEAD));
}

fn a_client_takes_no_other_headend_than_it_was_told() {
    let lab = lab();
    let client = lab.client();
    let _headend = lab.start();
    let mut process = connect(&lab, &client, ONE, KEY, "fqdn:two.branch.example");
    process.ends_with(3);
    process.line(r#"{"event":"disconnected","reason":"untrusted""#);
}

// RFC 6023 §4: an IKE SA may begin without the tunnel's, and is of no use then.
fn a_headend_that_makes_no_sa_for_the_tunnel_in_time_is_left() {
    /// RFC 7296 §3.1
    const CREATE_CHILD_SA: u8 = 36;
    let lab = lab();
    let nat = Nat::new(&lab);
    let _headend = lab.start();
    let childless = ["--childless", "--tunnel-wait", "1"];
    let connect = || connect_with(&lab, &nat.client, [ONE, KEY, HEAD], &childless);
    let _up = connected(&connect());
    nat.lose(Some(CREATE_CHILD_SA));
    let mut process = connect();
    process.line(r#"{"event":"trusted""#);
    // Now it is too late; the answer to the next try is what the farewell waits for.
    sleep(Duration::from_secs(3));
    nat.lose(None);
    process.ends_with(5);
    process.line(
        r#""reason":"no-tunnel","message":"no tunnel: the headend has let this client in, and has made no SA for its tunnel within 1 s""#,
    );
    let shown = lab.exec("show crypto ikev2 sa");
    assert!(!shown.contains("READY"), "{shown}");
}

// RFC 7296 §2.4, docs/anyconnect-eap.md: INITIAL_CONTACT clears what the same proven peer had before. Who shares a
// key with others proves no name.
fn a_client_that_comes_again_ends_its_earlier_session_where_its_key_is_its_own() {
    let lab = lab();
    lab.edit(
        "crypto ikev2 profile BRANCHES\n",
        " peer rest\n  identity fqdn domain branch.example\n  pre-shared-key everybody's\n\
         crypto ikev2 profile BRANCHES\n",
    );
    let hosts = [lab.client(), lab.client(), lab.client(), lab.client()];
    let mut headend = lab.start();
    let shared = |host| connect(&lab, host, "fqdn:two.branch.example", "everybody's", HEAD);
    let own = |host| connect(&lab, host, ONE, KEY, HEAD);
    let first = own(&hosts[0]);
    connected(&first);
    // One after the other: they read one file.
    let others = [&hosts[1], &hosts[2]].map(|host| {
        let process = shared(host);
        (connected(&process).address, process)
    });
    let again = own(&hosts[3]);
    let address = connected(&again).address;
    headend.line(&format!("user: one.branch.example  address: {address}"));
    let session = lab.exec("show crypto session detail");
    for address in [address, others[0].0, others[1].0] {
        assert!(session.contains(&format!("host {address}")), "{session}");
    }
    let up = session.matches("Session status: UP-ACTIVE").count();
    assert_eq!(up, 3, "{session}");
    headend.lives();
}
