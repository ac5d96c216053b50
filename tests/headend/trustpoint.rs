//! `crypto pki import`: from the configuration and from the command line.

use std::fs;

use ironflex_xfrm::netlink::NetworkNamespace;
use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{Lab, USER},
    pki::{PASSWORD, PKI},
    process::Process,
    terminal::Terminal,
};

pub(crate) const CASES: &[Case] = &[
    (
        "trustpoint::the_same_file_again_says_nothing_and_another_one_replaces_it",
        the_same_file_again_says_nothing_and_another_one_replaces_it,
    ),
    (
        "trustpoint::the_command_line_imports_as_the_configuration_does",
        the_command_line_imports_as_the_configuration_does,
    ),
    (
        "trustpoint::an_import_asks_at_the_terminal_and_can_be_interrupted",
        an_import_asks_at_the_terminal_and_can_be_interrupted,
    ),
    (
        "trustpoint::a_wrong_password_starts_nothing",
        a_wrong_password_starts_nothing,
    ),
    (
        "trustpoint::an_authority_that_no_client_can_be_believed_by_is_warned_of_before_one_logs_in",
        an_authority_that_no_client_can_be_believed_by_is_warned_of_before_one_logs_in,
    ),
];

/// On secp224r1, which none of the cryptographic libraries has.
const MUTE_AUTHORITY: &[u8] = include_bytes!("../data/pki/p224.pem");

const MUTE: &str = "has no EC 1.3.132.0.33: nobody is believed by the authority cn=P-224 CA";

const NEW: &str = "trustpoint IKEv2-TP: certificate and key imported";
const REPLACED: &str = "trustpoint IKEv2-TP: certificate and key replaced";

fn the_same_file_again_says_nothing_and_another_one_replaces_it() {
    let lab = Lab::new();
    let client = lab.client();
    let run = || {
        let mut headend = lab.start();
        assert_eq!(headend.end_by(Signal::SIGTERM), Some(0));
        headend.output()
    };
    assert!(run().contains(NEW));
    let again = run();
    assert!(!again.contains("trustpoint"), "{again}");
    fs::write(lab.identity(), &PKI.renewed).unwrap();
    let replacing = lab.start();
    replacing.line(REPLACED);
    let _connected = lab.log_in(&client, USER);
}

fn the_command_line_imports_as_the_configuration_does() {
    let lab = Lab::new();
    let here = NetworkNamespace::current().unwrap();
    let (state, file) = (lab.name("state"), lab.identity());
    let import = |password: &str, code| {
        let words = [
            "import",
            "IKEv2-TP",
            file.to_str().unwrap(),
            "--password-stdin",
        ];
        let arguments = [&words[..], &["--state-dir", &state]].concat();
        let mut process = Process::start(&here, &arguments, &format!("{password}\n"));
        process.ends_with(code);
        process.output()
    };
    let refused = import("wrong", 1);
    assert!(
        refused.contains("password") && !refused.contains("wrong\n"),
        "{refused}"
    );
    assert_eq!(import(PASSWORD, 0), format!("{NEW}\n"));
    assert_eq!(import(PASSWORD, 0), "");
    fs::write(&file, &PKI.renewed).unwrap();
    assert_eq!(import(PASSWORD, 0), format!("{REPLACED}\n"));
    // What stands in the store serves a configuration that imports the same.
    let headend = lab.start();
    assert!(
        !headend.output().contains("trustpoint"),
        "{}",
        headend.output()
    );
}

fn an_import_asks_at_the_terminal_and_can_be_interrupted() {
    let lab = Lab::new();
    let here = NetworkNamespace::current().unwrap();
    let (file, state) = (lab.identity(), lab.name("state"));
    let words = [
        "import",
        "IKEv2-TP",
        file.to_str().unwrap(),
        "--state-dir",
        &state,
    ];
    for (key, code) in [(3, 1), (b'\n', 0)] {
        let terminal = Terminal::open();
        let before = terminal.settings();
        let mut process = Process::start_at(&terminal, &here, &words);
        terminal.reads("Password of the PKCS#12 file: ");
        assert!(!terminal.echoes());
        // Ctrl-C, or Enter behind the password.
        for octet in PASSWORD.bytes().chain([key]) {
            terminal.presses(octet);
        }
        process.ends_with(code);
        assert_eq!(terminal.settings(), before);
        assert!(
            !terminal.screen().contains(PASSWORD),
            "{}",
            terminal.screen()
        );
        assert_eq!(lab.path("state/trustpoints").exists(), code == 0);
    }
}

fn a_wrong_password_starts_nothing() {
    let lab = Lab::new();
    lab.edit(
        "bootflash:IKEv2-TP.p12 password cisco123",
        "bootflash:IKEv2-TP.p12 password cisco124",
    );
    let before = (lab.headend.links(), lab.headend.routes());
    let mut headend = lab.launch("state", &[]);
    headend.ends_with(78);
    let line = headend.line("crypto pki import IKEv2-TP");
    assert!(
        line.contains("password") && !line.contains("cisco124"),
        "{line}"
    );
    assert_eq!((lab.headend.links(), lab.headend.routes()), before);
}

fn an_authority_that_no_client_can_be_believed_by_is_warned_of_before_one_logs_in() {
    let lab = Lab::new();
    lab.edit(
        " pki trustpoint IKEv2-TP\n",
        " pki trustpoint IKEv2-TP\n pki trustpoint CLIENTS verify\n",
    );
    lab.add_lines(
        "crypto pki trustpoint CLIENTS\ncrypto pki authenticate CLIENTS pem bootflash:p224.pem\n",
    );
    fs::write(lab.path("boot/p224.pem"), MUTE_AUTHORITY).unwrap();
    let (config, state) = (lab.config(), lab.name("state"));
    let words = [
        "doctor",
        "--config",
        config.to_str().unwrap(),
        "--state-dir",
        &state,
    ];
    let doctor = Process::start(&lab.headend.namespace, &words, "");
    let said = doctor.line(MUTE);
    assert!(said.contains("trustpoint CLIENTS"), "{said}");
    let headend = lab.start();
    headend
        .line("warning: crypto ikev2 profile AnyConnect-EAP: this build's cryptographic library");
    headend.line(MUTE);
    // What does not go by it is served.
    let _connected = lab.log_in(&lab.client(), USER);
}
