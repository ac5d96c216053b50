//! `ironflex support-bundle`: everything that helps, and no secret.

use std::{fs, path::Path, process::Command};

use crate::support::{
    cases::Case,
    lab::{ClientHost, HEADEND, Lab, USER, connected, mode},
    pki::PASSWORD,
    process::Process,
};

pub(crate) const CASES: &[Case] = &[
    (
        "bundle::it_has_what_helps_and_no_octet_of_a_secret",
        it_has_what_helps_and_no_octet_of_a_secret,
    ),
    (
        "bundle::without_a_headend_it_has_the_rest_and_says_so",
        without_a_headend_it_has_the_rest_and_says_so,
    ),
];

/// Every secret of these tests has this in it.
const PLANT: &str = "Plant";

/// The same in hexadecimal digits, upper case.
const PLANT_HEX: &str = "506C616E74";

/// The password of [`USER`].
const USER_PASSWORD: &str = "Plant-of-a-user";

/// Lines with a secret of every kind, some of them where a name belongs, too; the type 7 text is `Plant-seven`, the digits are `Plant-hex`.
const SECRETS: &str = "\
username seven password 7 0334570A081B6C5F4B1F1C0B
crypto ikev2 keyring KEYS
 peer both
  description ask for Plant-of-both
  address 203.0.113.9
  pre-shared-key Plant-of-both
 peer each
  address 203.0.113.10
  pre-shared-key local Plant-local
  pre-shared-key remote hex 506c616e742d686578
 peer ppk
  identity key-id one
  ppk manual id one key Plant-ppk required
interface Loopback7
 description ask for Plant-of-both
crypto ikev2 profile KEYS
 description ask for Plant-of-both
 match identity remote fqdn domain branch.example
 authentication local pre-share key Plant-in-profile
 authentication remote pre-share key Plant-of-remotes
 virtual-template 100
crypto ikev2 profile Plant-in-profile
 match identity remote fqdn domain branch.example
 identity local key-id Plant-of-both
 authentication local pre-share key Plant-in-profile
 authentication remote pre-share
 keyring local KEYS
 virtual-template 100
ip local pool Plant-of-both 10.20.0.1 10.20.0.9
";

/// Runs it on the lab's headend. Returns what it prints.
fn bundle(lab: &Lab, file: &Path) -> String {
    let (config, state) = (lab.config(), lab.name("state"));
    let words = ["support-bundle", "--config", config.to_str().unwrap()];
    let more = ["--state-dir", &state, file.to_str().unwrap()];
    let all = [&words[..], &more].concat();
    let mut process = Process::start(&lab.headend.namespace, &all, "");
    process.ends_with(0);
    process.output()
}

/// A file of a bundle.
fn read(archive: &Path, name: &str) -> String {
    let output = Command::new("tar")
        .args(["-x", "-O", "-f"])
        .arg(archive)
        .arg(format!("ironflex-support/{name}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Demands that a text is nowhere in some octets, in upper case or lower.
#[track_caller]
fn lacks(octets: &[u8], secret: &str) {
    let length = secret.len();
    let here = |some: &[u8]| some.eq_ignore_ascii_case(secret.as_bytes());
    if let Some(at) = octets.windows(length).position(here) {
        let around = octets.get(at.saturating_sub(200)..at + length);
        let around = String::from_utf8_lossy(around.unwrap_or_default());
        panic!("{secret:?} is in it: {around}");
    }
}

/// Types lines at the headend, whatever it says to them.
fn type_lines(lab: &Lab, lines: &str) {
    let state = lab.name("state");
    let words = ["exec", "--state-dir", &state];
    let _ = Process::start(&lab.headend.namespace, &words, lines).end();
}

/// Tries to log in, in vain.
fn refused(lab: &Lab, client: &ClientHost, login: [&str; 2]) {
    lab.connect_to(&HEADEND.to_string(), client, login, &[])
        .ends_with(4);
}

fn it_has_what_helps_and_no_octet_of_a_secret() {
    let lab = Lab::new();
    let line = format!("username {USER} password ");
    lab.edit(
        &format!("{line}{PASSWORD}"),
        &format!("{line}{USER_PASSWORD}"),
    );
    lab.add_lines(SECRETS);
    let client = lab.client();
    let _headend = lab.start();
    for debugged in [
        "crypto ikev2",
        "crypto ikev2 packet",
        "crypto ikev2 internal",
        "crypto ikev2 error",
        "crypto ipsec",
        "crypto pki",
        "aaa authentication",
        "aaa authorization",
    ] {
        lab.exec(&format!("debug {debugged}"));
    }
    let keys = lab.name("keys");
    lab.exec(&format!("debug crypto ikev2 keylog {keys}"));
    // A password where a name belongs, and one that is wrong.
    refused(&lab, &client, [USER_PASSWORD, "something"]);
    refused(&lab, &client, [USER, "Plant-that-is-wrong"]);
    // Lines that are no commands, and such as are taken, refused and misspelt.
    type_lines(
        &lab,
        "username eve password Plant-at-exec\nshow running-config | include Plant\nconfigure terminal\n\
         username eve password Plant-typed\nusernme eve pasword Plant-misspelt\nradius server R\n key Plant-of-radius\n\
         enable secret Plant-enable\nsnmp-server community Plant-of-snmp RO\n",
    );
    let login = [USER, USER_PASSWORD];
    let session = lab.connect_to(&HEADEND.to_string(), &client, login, &[]);
    connected(&session);
    let file = lab.path("support.tar");
    fs::write(&file, "an older one").unwrap();
    let said = bundle(&lab, &file);
    assert!(said.contains("support.tar: "), "{said}");
    assert_eq!(mode(&file), 0o600);

    let octets = fs::read(&file).unwrap();
    for secret in [PLANT, PLANT_HEX, PASSWORD, "0334570A081B6C5F4B1F1C0B"] {
        lacks(&octets, secret);
    }
    let key = fs::read_to_string(lab.path("state/trustpoints/IKEv2-TP/key.pem")).unwrap();
    let lines = key.lines().filter(|line| !line.starts_with("---"));
    let mut private = lines.collect::<Vec<_>>();
    assert!(private.len() > 10, "{}", private.len());
    let mut secrets = 0;
    for table in ["ikev2_decryption_table", "esp_sa"] {
        let table = fs::read_to_string(lab.path("keys").join(table)).unwrap();
        let words = table.split([',', '"', '\n']);
        let words = words.map(|word| word.trim_start_matches("0x"));
        let hex = |word: &&str| word.bytes().all(|octet| octet.is_ascii_hexdigit());
        for key in words.filter(hex).filter(|word| word.len() >= 32) {
            lacks(&octets, key);
            let raw: Vec<u8> = (0..key.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap())
                .collect();
            assert!(!octets.windows(raw.len()).any(|some| some == raw));
            secrets += 1;
        }
    }
    // Of two IKE SAs that failed and one that stands four keys each, and four of ESP.
    assert!(secrets >= 8, "{secrets}");
    let crash = fs::read(lab.path("state/qcd-secret")).unwrap();
    assert!(!octets.windows(16).any(|some| some == &crash[..16]));
    for line in private.drain(..) {
        lacks(&octets, line);
    }

    let running = read(&file, "running-config.txt");
    assert!(
        running.contains("username test password <removed>\n"),
        "{running}"
    );
    assert!(
        running.contains("\n  pre-shared-key <removed>\n"),
        "{running}"
    );
    let startup = read(&file, "startup-config.txt");
    assert!(
        startup.contains("username test password <removed>\n"),
        "{startup}"
    );
    for text in [&running, &startup] {
        assert!(text.contains("  description ask for <removed>\n"), "{text}");
    }
    let log = read(&file, "logging.txt");
    assert!(log.contains("[user: <removed>]"), "{log}");
    assert!(
        log.contains("%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP."),
        "{log}"
    );
    let support = read(&file, "tech-support.txt");
    assert!(support.contains("------------------ show crypto ipsec sa detail"));
    let session = read(&file, "json/show-crypto-session-detail.json");
    let session: serde_json::Value = serde_json::from_str(&session).unwrap();
    assert_eq!(session["ike_sas"][0]["remote_eap_id"], USER);
    let doctor = read(&file, "doctor.txt");
    assert!(
        doctor.contains("\nok    ports          UDP 500 and 4500 are served"),
        "{doctor}"
    );
    assert!(
        doctor.contains("the profile `<removed>` matches an identity that `KEYS` matches first"),
        "{doctor}"
    );
    assert!(read(&file, "system.txt").contains("/proc/version:\nLinux version "));
    assert!(read(&file, "network.txt").contains("net.ipv4.ip_forward = 1\n"));
    assert!(read(&file, "files.txt").contains("\"qcd-secret\""));
    let contents = read(&file, "contents.txt");
    for name in ["doctor.txt", "dataplane.txt", "json/show-logging.json"] {
        assert!(contents.contains(&format!("  {name}\n")), "{contents}");
    }
}

fn without_a_headend_it_has_the_rest_and_says_so() {
    let lab = Lab::new();
    lab.add_lines(
        "! its password is Plant-in-a-comment\nradius server R\n address ipv4 10.0.0.9\n key Plant-of-radius\n\
         snmp-server community Plant-of-snmp RO\nusername eve pasword Plant-misspelt\nPlant-alone\n\
         banner login ^CPlant of a banner\n",
    );
    let file = lab.path("support.tar");
    let said = bundle(&lab, &file);
    assert!(
        said.contains("ironflex: not in it: what the daemon says: no daemon answers at "),
        "{said}"
    );
    let octets = fs::read(&file).unwrap();
    for secret in [PLANT, PASSWORD] {
        lacks(&octets, secret);
    }
    let doctor = read(&file, "doctor.txt");
    assert!(doctor.starts_with("FAIL  configuration  "), "{doctor}");
    assert!(doctor.contains(" error(s) in "), "{doctor}");
    let contents = read(&file, "contents.txt");
    assert!(
        contents.contains("  missing  what the daemon says: "),
        "{contents}"
    );
    // To be sent elsewhere as it is made.
    let (config, state) = (lab.config(), lab.name("state"));
    let output = Command::new(env!("CARGO_BIN_EXE_ironflex"))
        .args(["support-bundle", "-", "--state-dir", &state, "--config"])
        .arg(config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output
            .stdout
            .starts_with(b"ironflex-support/contents.txt\0")
    );
}
