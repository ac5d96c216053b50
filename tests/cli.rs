//! The command line without a daemon: `check`, its diagnostics, help, and words that do not fit.
//!
//! What a wrong configuration is told is checked in as `tests/cli/*.txt`; IRONFLEX_UPDATE_GOLDENS=1 writes these anew.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test: a panic is how it fails"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const EXAMPLE: &str = include_str!("../examples/flexvpn-headend.conf");

/// The name that the broken configurations have in the diagnostics.
const FILE: &str = "headend.conf";

/// How a run ended: exit code, standard output, standard error.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    code: Option<i32>,
    output: String,
    errors: String,
}

fn ironflex(folder: &Path, arguments: &[&str]) -> Ended {
    let ended = Command::new(env!("CARGO_BIN_EXE_ironflex"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    Ended {
        code: ended.status.code(),
        output: String::from_utf8(ended.stdout).unwrap(),
        errors: String::from_utf8(ended.stderr).unwrap(),
    }
}

/// Runs `ironflex check` on a text.
fn check(text: &[u8]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), text).unwrap();
    ironflex(folder.path(), &["check", FILE])
}

fn silence() -> Ended {
    Ended {
        code: Some(0),
        output: String::new(),
        errors: String::new(),
    }
}

/// Compares with `tests/cli/NAME.txt`.
fn assert_golden(name: &str, text: &str) {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "tests",
        "cli",
        &format!("{name}.txt"),
    ]
    .iter()
    .collect();
    if std::env::var_os("IRONFLEX_UPDATE_GOLDENS").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let golden = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; the text is\n{text}", path.display()));
    assert!(
        golden == text,
        "{} says\n{golden}\nand this came\n{text}",
        path.display()
    );
}

/// Checks the example with one piece replaced, wherever it stands.
fn refuses(name: &str, old: &str, new: &str) {
    assert!(EXAMPLE.contains(old), "the example has no {old:?}");
    let ended = check(EXAMPLE.replace(old, new).as_bytes());
    assert_eq!(
        (ended.code, ended.output.as_str()),
        (Some(1), ""),
        "{}",
        ended.errors
    );
    assert_golden(name, &ended.errors);
}

#[test]
fn says_nothing_about_the_example() {
    assert_eq!(check(EXAMPLE.as_bytes()), silence());
}

#[test]
fn says_nothing_about_the_example_pasted_with_prompts_and_line_ends_of_windows() {
    let pasted: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix(' ') {
            Some(line) => format!("Router(config-sub)#{line}\r\n"),
            None => format!("Router(config)#{line}\r\n"),
        })
        .collect();
    assert_eq!(check(pasted.as_bytes()), silence());
}

#[test]
fn opens_no_bootflash_file() {
    // There is none beside the file that is checked, and nothing is written there either.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), EXAMPLE).unwrap();
    assert_eq!(ironflex(folder.path(), &["check", FILE]), silence());
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [FILE]);
}

#[test]
fn refuses_a_misspelt_command() {
    refuses("misspelt-command", "aaa new-model", "aaa new-modle");
}

#[test]
fn refuses_a_line_that_ends_too_early() {
    refuses("incomplete-line", " dns 10.0.1.1", " dns");
}

#[test]
fn refuses_an_address_that_is_none() {
    refuses(
        "bad-address",
        "10.0.0.1 255.255.255.255",
        "10.0.0.256 255.255.255.255",
    );
}

#[test]
fn refuses_a_pool_that_ends_before_it_begins() {
    refuses(
        "reversed-pool",
        "192.168.10.5 192.168.10.10",
        "192.168.10.10 192.168.10.5",
    );
}

#[test]
fn refuses_an_unknown_cipher() {
    refuses(
        "unknown-cipher",
        "encryption aes-cbc-256",
        "encryption aes-cbc-257",
    );
}

#[test]
fn refuses_an_unknown_group() {
    refuses("unknown-group", " group 14", " group 14 99");
}

#[test]
fn refuses_a_trustpoint_that_is_not_there() {
    refuses(
        "no-trustpoint",
        " pki trustpoint IKEv2-TP\n",
        " pki trustpoint Elsewhere\n",
    );
}

#[test]
fn refuses_a_pool_that_is_not_there() {
    refuses("no-pool", "\n pool ACPool", "\n pool ACPoll");
}

#[test]
fn refuses_a_template_that_is_not_there() {
    refuses(
        "no-template",
        " virtual-template 100",
        " virtual-template 200",
    );
}

#[test]
fn refuses_a_transform_set_that_is_not_there() {
    refuses(
        "no-transform-set",
        " set transform-set TS",
        " set transform-set TX",
    );
}

#[test]
fn refuses_a_split_list_that_is_no_network() {
    refuses(
        "holes-in-wildcard",
        "permit 10.0.0.0 0.255.255.255",
        "permit 10.0.0.0 0.255.0.255",
    );
}

#[test]
fn warns_of_addresses_that_a_linux_device_does_not_get_by_a_line() {
    let lines = "interface GigabitEthernet1\n ip address 203.0.113.7 255.255.255.0\n \
        ipv6 address 2001:db8::7/64\n";
    let of = |tie: &str| {
        let text = EXAMPLE.replace("interface GigabitEthernet1\n", &format!("{lines}{tie}"));
        check(text.as_bytes())
    };
    let ended = of(" device eth0\n");
    assert_eq!((ended.code, ended.output.as_str()), (Some(0), ""));
    assert_golden("address-of-a-device", &ended.errors);
    // What is tied by nobody is left to the command line, and an interface that is shut down has no address.
    assert_eq!(of(""), silence());
    let shut = of(" device eth0\n shutdown\n");
    assert!(!shut.errors.contains("203.0.113.7"), "{}", shut.errors);
}

#[test]
fn tells_every_error_in_the_order_of_the_lines() {
    let broken = EXAMPLE
        .replace("aaa new-model", "aaa new-modle")
        .replace(" group 14", " group fourteen")
        .replace("interface loopback100", "interface lopback100");
    let ended = check(broken.as_bytes());
    assert_eq!((ended.code, ended.output.as_str()), (Some(1), ""));
    assert_golden("several-errors", &ended.errors);
}

#[test]
fn survives_a_file_that_is_no_text() {
    let octets: Vec<u8> = (0..4096_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let ended = check(&octets);
    assert_eq!((ended.code, ended.output.as_str()), (Some(1), ""));
    assert!(
        ended.errors.contains(&format!("{FILE}:1:")),
        "{}",
        ended.errors
    );
    // What a file holds must not steer the terminal that its errors are shown on.
    let steers = |one: char| one.is_control() && one != '\n';
    assert!(!ended.errors.contains(steers), "{:?}", ended.errors);
}

#[test]
fn names_a_file_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let ended = ironflex(folder.path(), &["check", "nothing.conf"]);
    assert_eq!((ended.code, ended.output.as_str()), (Some(1), ""));
    assert_eq!(
        ended.errors,
        "ironflex: nothing.conf: No such file or directory (os error 2)\n"
    );
}

#[test]
fn several_files_are_judged_each_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("good", EXAMPLE),
        ("bad", "hostnme x\n"),
        ("worse", "nonsense\n"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    assert_eq!(
        ironflex(folder.path(), &["check", "good", "good"]),
        silence()
    );
    let ended = ironflex(folder.path(), &["check", "bad", "good", "nothing", "worse"]);
    assert_eq!(ended.code, Some(1));
    for told in [
        "bad:1:1: error: ",
        "ironflex: nothing: ",
        "worse:1:1: error: ",
    ] {
        assert!(ended.errors.contains(told), "{told}: {}", ended.errors);
    }
    assert!(!ended.errors.contains("good"), "{}", ended.errors);
}

#[test]
fn the_folder_of_state_may_stand_in_front_of_every_command_that_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| ironflex(folder.path(), arguments);
    let silent =
        "ironflex: no daemon answers at here/control: No such file or directory (os error 2); ";
    for command in [
        &["metrics"][..],
        &["exec", "show", "clock"],
        &["exec"],
        &["metrics", "--state-dir", "here"],
    ] {
        let before = if command.contains(&"here") {
            "there"
        } else {
            "here"
        };
        let ended = run(&[&["--state-dir", before], command].concat());
        assert_eq!(ended.code, Some(1), "{command:?}");
        // How to go on depends on what else runs here.
        assert!(ended.errors.starts_with(silent), "{}", ended.errors);
        assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
    }
    // These come further, and their configuration is not there.
    for command in ["run", "doctor"] {
        let ended = run(&["--state-dir", "here", command, "--config", "none"]);
        assert_eq!(ended.code, Some(1), "{}", ended.errors);
    }
    // A key would be stored there.
    fs::write(folder.path().join("keys.p12"), "no keys").unwrap();
    let words = ["import", "--password-stdin", "TP", "keys.p12"];
    let mut import = Command::new(env!("CARGO_BIN_EXE_ironflex"))
        .current_dir(folder.path())
        .args(["--state-dir", "imported"])
        .args(words)
        .stdin(fs::File::open(folder.path().join("keys.p12")).unwrap())
        .spawn()
        .unwrap();
    assert_eq!(import.wait().unwrap().code(), Some(1));
    assert!(folder.path().join("imported").is_dir());
    for command in [&["check", "x"][..], &["demo"], &["connect", "192.0.2.1"]] {
        let ended = run(&[&["--state-dir", "here"], command].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.errors);
        let why = "--state-dir means nothing to this command";
        assert!(ended.errors.contains(why), "{}", ended.errors);
    }
}

#[test]
fn help_names_every_command_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let help = ironflex(folder.path(), &["--help"]);
    assert_eq!((help.code, help.errors.as_str()), (Some(0), ""));
    for command in ["run", "exec", "connect", "check", "import"] {
        let line = help
            .output
            .lines()
            .find(|line| line.trim_start().starts_with(command));
        let words = line.map_or(0, |line| line.split_whitespace().count());
        assert!(words > 3, "{command} is not explained in\n{}", help.output);
        let own = ironflex(folder.path(), &[command, "--help"]);
        assert_eq!((own.code, own.errors.as_str()), (Some(0), ""));
        assert!(
            own.output.contains(&format!("Usage: ironflex {command}")),
            "{}",
            own.output
        );
    }
}

#[test]
fn wrong_words_are_named_with_the_usage() {
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("unknown-flag", &["check", "--quick", FILE][..]),
        ("no-file", &["check"]),
        ("bad-device", &["run", "--device", "GigabitEthernet1"]),
        ("bad-dataplane", &["run", "--dataplane", "hardware"]),
    ] {
        let ended = ironflex(folder.path(), arguments);
        assert_eq!(
            (ended.code, ended.output.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert_golden(name, &ended.errors);
    }
}

#[test]
fn a_password_is_not_taken_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["connect", "import"] {
        let ended = ironflex(
            folder.path(),
            &[command, "a", "b", "--password", "cisco123"],
        );
        assert_eq!(ended.code, Some(2));
        assert!(!ended.errors.contains("cisco123"), "{}", ended.errors);
    }
}

#[test]
fn import_without_a_terminal_names_the_option_to_use() {
    let folder = tempfile::tempdir().unwrap();
    // In a session of its own it has no terminal, whoever runs the tests.
    let mut command = Command::new("setsid");
    command
        .current_dir(folder.path())
        .args(["--wait", env!("CARGO_BIN_EXE_ironflex"), "import"])
        .args(["--state-dir", "state", "TP", "TP.p12"])
        .stdin(std::process::Stdio::null());
    let ended = command.output().unwrap();
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("no terminal to ask for the password of TP.p12 at (")
            && errors.trim_end().ends_with("say --password-stdin"),
        "{errors}"
    );
}
