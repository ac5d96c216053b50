//! Logins that fail, and what is said about it.

use std::net::IpAddr;

use crate::support::{
    cases::Case,
    lab::{ClientHost, HEADEND, Lab, USER},
    pki::PASSWORD,
    process::Process,
};

pub(crate) const CASES: &[Case] = &[
    (
        "refusal::a_wrong_password_leaves_nothing_behind",
        a_wrong_password_leaves_nothing_behind,
    ),
    (
        "refusal::an_unknown_user_is_refused_in_the_same_words",
        an_unknown_user_is_refused_in_the_same_words,
    ),
    (
        "refusal::a_user_whose_password_was_wrong_too_often_is_locked_out_until_somebody_takes_that_back",
        a_user_whose_password_was_wrong_too_often_is_locked_out_until_somebody_takes_that_back,
    ),
    (
        "refusal::no_password_goes_to_a_headend_of_an_unknown_authority",
        no_password_goes_to_a_headend_of_an_unknown_authority,
    ),
    (
        "refusal::no_password_goes_to_a_headend_of_another_name",
        no_password_goes_to_a_headend_of_another_name,
    ),
    (
        "refusal::a_headend_without_a_way_is_unreachable",
        a_headend_without_a_way_is_unreachable,
    ),
    (
        "refusal::an_exhausted_pool_is_named_with_its_holders",
        an_exhausted_pool_is_named_with_its_holders,
    ),
    (
        "refusal::a_proposal_that_does_not_fit_is_told_of_as_in_the_diagnosis",
        a_proposal_that_does_not_fit_is_told_of_as_in_the_diagnosis,
    ),
    (
        "refusal::a_transform_set_that_does_not_fit_is_told_of_as_in_the_diagnosis",
        a_transform_set_that_does_not_fit_is_told_of_as_in_the_diagnosis,
    ),
    (
        "refusal::an_identity_that_no_profile_matches_gets_no_tunnel",
        an_identity_that_no_profile_matches_gets_no_tunnel,
    ),
];

/// A password that would be rejected, and said to be, if it were ever sent.
const WRONG: &str = "not-the-password";

fn leaves_nothing(lab: &Lab, client: &ClientHost, run: impl FnOnce() -> Process) -> Process {
    let state = || {
        (
            client.host.links(),
            client.host.routes(),
            client.host.rules(),
            lab.headend.routes(),
        )
    };
    let before = state();
    let process = run();
    assert_eq!(before, state());
    let pool = lab.exec("show ip local pool ACPool");
    assert!(pool.trim_end().ends_with("Inuse addresses:"), "{pool}");
    process
}

fn a_wrong_password_leaves_nothing_behind() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let process = leaves_nothing(&lab, &client, || {
        let mut process = lab.connect_to(&HEADEND.to_string(), &client, [USER, WRONG], &[]);
        process.ends_with(4);
        headend.line("%IKEV2-5-ATTEMPT_OVER: No tunnel came up.");
        process
    });
    process.line("Login failed.");
    headend.line(&format!(
        "[user: test] [Source: {}] [attempt: 1] [Reason: wrong password]",
        client.outer
    ));
    assert!(!headend.output().contains(WRONG));
    assert!(!process.output().contains(WRONG));
}

fn an_unknown_user_is_refused_in_the_same_words() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let login = |user: &str, password: &str| {
        let mut process = lab.connect_to(&HEADEND.to_string(), &client, [user, password], &[]);
        process.ends_with(4);
        let mut lines: Vec<String> = process.output().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // A client must not learn which users there are.
    assert_eq!(login("nobody", PASSWORD), login(USER, WRONG));
    headend.line("[user: nobody] [Source: ");
}

fn a_user_whose_password_was_wrong_too_often_is_locked_out_until_somebody_takes_that_back() {
    let lab = Lab::new();
    lab.add_lines("aaa local authentication attempts max-fail 2");
    let client = lab.client();
    let headend = lab.start();
    let refused = |password: &str| {
        let mut process = lab.connect_to(&HEADEND.to_string(), &client, [USER, password], &[]);
        process.ends_with(4);
        let mut lines: Vec<String> = process.output().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // A right one begins the count anew.
    let said = refused(WRONG);
    drop(lab.log_in(&client, USER));
    refused(WRONG);
    let nobody = "\n        Local-user                  Lock time\n\n";
    assert_eq!(lab.exec("show aaa local user lockout"), nobody);
    // A client must not learn that it has locked somebody out, nor whether it has the right password since.
    assert_eq!(refused(WRONG), said);
    headend.line("[Reason: wrong password, which locks the user out]");
    headend.line("%AAA-5-USER_LOCKED: User test locked out on authentication failure");
    assert_eq!(refused(PASSWORD), said);
    headend.line("[Reason: the user is locked out]");
    let locked = lab.exec("show aaa local user lockout");
    let line = locked
        .strip_prefix(nobody)
        .unwrap_or_else(|| panic!("{locked}"));
    assert!(
        line.starts_with("        test                        "),
        "{locked}"
    );
    let diagnosed = lab.exec("show crypto ikev2 diagnose username test");
    let verdict = "refused user 'test': the user is locked out: 'clear aaa local user lockout username NAME' lets the user in again";
    assert!(diagnosed.contains(verdict), "{diagnosed}");
    assert_eq!(lab.exec("clear aaa local user lockout username TEST"), "");
    headend.line("%AAA-5-USER_UNLOCKED: User test unlocked by ");
    assert_eq!(lab.exec("show aaa local user lockout"), nobody);
    let _tunnel = lab.log_in(&client, USER);
}

fn no_password_goes_to_a_headend_of_an_unknown_authority() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let stranger = lab.name("stranger.pem");
    let process = leaves_nothing(&lab, &client, || {
        let arguments = ["--ca", &stranger];
        let mut process = lab.connect_to(&HEADEND.to_string(), &client, [USER, WRONG], &arguments);
        process.ends_with(3);
        headend.line("%IKEV2-5-ATTEMPT_OVER: No tunnel came up.");
        process
    });
    process.line("the headend is not trusted: ");
    assert!(!headend.output().contains("LOGIN"), "{}", headend.output());
    // Neither end's operator sees the other's lines.
    let line = headend.line("which it probably does not trust: subject cn=vpn.example.com");
    assert!(
        line.contains("%IKEV2-3-NEG_ABORT") && line.contains(", issuer cn="),
        "{line}"
    );
    headend.line(
        "reason: the client gave up after it had seen our certificate: AUTHENTICATION_FAILED",
    );
    let diagnosis = lab.exec("show crypto ikev2 diagnose");
    assert!(
        diagnosis.contains("which it probably does not trust"),
        "{diagnosis}"
    );
}

fn no_password_goes_to_a_headend_of_another_name() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    // The headend answers at the address on the cable too, which its certificate does not cover.
    let other = client.router.to_string();
    let process = leaves_nothing(&lab, &client, || {
        let mut process = lab.connect_to(&other, &client, [USER, WRONG], &[]);
        process.ends_with(3);
        headend.line("%IKEV2-5-ATTEMPT_OVER: No tunnel came up.");
        process
    });
    let line = process.line("the headend is not trusted: ");
    for name in [other.as_str(), "vpn.example.com"] {
        assert!(line.contains(name), "{name} is missing in {line}");
    }
    assert!(!headend.output().contains("LOGIN"), "{}", headend.output());
}

fn a_headend_without_a_way_is_unreachable() {
    let lab = Lab::new();
    let client = lab.client();
    let nowhere: IpAddr = [198, 18, 0, 1].into();
    let mut process = lab.connect_to(&nowhere.to_string(), &client, [USER, PASSWORD], &[]);
    process.ends_with(8);
    process.line("there is no way to the headend at 198.18.0.1: ");
}

fn an_exhausted_pool_is_named_with_its_holders() {
    let lab = Lab::new();
    lab.edit("192.168.10.5 192.168.10.10", "192.168.10.5 192.168.10.6");
    let clients = [lab.client(), lab.client(), lab.client()];
    let headend = lab.start();
    let _first = lab.log_in(&clients[0], USER);
    let (mut second, tunnel) = lab.log_in(&clients[1], USER);
    let target = HEADEND.to_string();
    let mut third = lab.connect_to(&target, &clients[2], [USER, PASSWORD], &[]);
    third.ends_with(5);
    third.line("no tunnel: the headend has no free address for this client");
    third.line("[INTERNAL_ADDRESS_FAILURE]");
    headend.line(
        "pool ACPool is exhausted: all 2 addresses are in use, by test (192.168.10.5), test (192.168.10.6)",
    );
    // The headend's own Delete ends what is left of it, and the address of who leaves is there for the next.
    headend.line("%IKEV2-5-ATTEMPT_OVER: No tunnel came up.");
    let counted = lab.metrics("state");
    let no_address = "ironflex_ike_refusals_total{reason=\"no_address\"}";
    assert_eq!(counted.of(no_address), Some(1));
    assert_eq!(second.end_by(nix::sys::signal::Signal::SIGINT), Some(0));
    headend.line("Crypto tunnel v2 is DOWN.");
    let (_third, again) = lab.log_in(&clients[2], USER);
    assert_eq!(again.address, tunnel.address);
}

fn a_proposal_that_does_not_fit_is_told_of_as_in_the_diagnosis() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let arguments = ["--proposal", "aes-cbc-256/sha256/20"];
    let target = HEADEND.to_string();
    let mut process = lab.connect_to(&target, &client, [USER, WRONG], &arguments);
    assert_ne!(process.end(), Some(0));
    process.line("[NO_PROPOSAL_CHOSEN]; anybody on the way could have sent this, so another answer is awaited");
    let line = headend.line("IKE: the proposals differ in the group alone: the client offers 20, ");
    let start = format!("%IKEV2-3-NEG_ABORT: Peer {}:", client.outer);
    let peer = line.split_once(&start).map(|(_, behind)| behind);
    // Its port, and what there is to be said.
    let (_, sentence) = peer
        .and_then(|behind| behind.split_once("  "))
        .unwrap_or_else(|| panic!("{line}"));
    let diagnosis = lab.exec("show crypto ikev2 diagnose");
    assert!(diagnosis.contains(sentence), "{sentence}\n{diagnosis}");
}

/// The same for what comes after the login.
fn a_transform_set_that_does_not_fit_is_told_of_as_in_the_diagnosis() {
    let lab = Lab::new();
    lab.edit("esp-sha256-hmac", "esp-sha512-hmac");
    let client = lab.client();
    let headend = lab.start();
    let target = HEADEND.to_string();
    let mut process = lab.connect_to(&target, &client, [USER, PASSWORD], &[]);
    process.ends_with(5);
    process.line("AES-CBC of 128 or 256 bits with SHA-1 or SHA-256 [NO_PROPOSAL_CHOSEN]");
    let line = headend.line(
        "  no child SA: ESP: the proposals differ in the integrity alone: the client offers esp-sha256-hmac, the headend takes esp-sha512-hmac: ",
    );
    let (_, sentence) = line.split_once("no child SA: ").unwrap();
    let diagnosis = lab.exec("show crypto ikev2 diagnose");
    for part in [
        sentence,
        "\n    Client   encryption esp-gcm 256",
        "\n    Headend  encryption esp-aes 256; integrity esp-sha512-hmac; esn no\n",
    ] {
        assert!(diagnosis.contains(part), "{part}\n{diagnosis}");
    }
}

fn an_identity_that_no_profile_matches_gets_no_tunnel() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let arguments = ["--identity", "somebody else"];
    let target = HEADEND.to_string();
    let mut process = lab.connect_to(&target, &client, [USER, WRONG], &arguments);
    process.ends_with(7);
    process.line("it refused the identity key-id \"somebody else\" before any login");
    let line = headend.line(
        "  no profile matches peer identity key-id \"somebody else\" (nearest: key-id *$AnyConnectClient$*)",
    );
    assert!(line.contains(&format!(":Peer {}:", client.outer)), "{line}");
    assert!(!headend.output().contains("LOGIN"), "{}", headend.output());
}
