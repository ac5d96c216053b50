//! Files on `bootflash:` and commands of scripts.

use std::{fs, os::unix::fs::symlink};

use ironflex_xfrm::netlink::NetworkNamespace;

use crate::support::{
    cases::Case,
    lab::{Lab, USER, mode},
    process::Process,
};

pub(crate) const CASES: &[Case] = &[
    (
        "files::configurations_and_output_go_to_bootflash_and_come_from_there",
        configurations_and_output_go_to_bootflash_and_come_from_there,
    ),
    (
        "files::nothing_on_bootflash_leads_out_of_it",
        nothing_on_bootflash_leads_out_of_it,
    ),
    (
        "files::a_replacement_with_a_time_goes_back_unless_it_is_confirmed",
        a_replacement_with_a_time_goes_back_unless_it_is_confirmed,
    ),
    (
        "files::a_script_is_a_session_of_its_own",
        a_script_is_a_session_of_its_own,
    ),
    (
        "files::the_log_says_down_of_what_was_up_with_its_identity",
        the_log_says_down_of_what_was_up_with_its_identity,
    ),
];

fn run(lab: &Lab, arguments: &[&str], input: &str, code: i32) -> String {
    let here = NetworkNamespace::current().unwrap();
    let state = lab.name("state");
    let mut all = vec!["exec", "--state-dir", &state];
    all.extend(arguments);
    let mut process = Process::start(&here, &all, input);
    process.ends_with(code);
    process.output()
}

fn configurations_and_output_go_to_bootflash_and_come_from_there() {
    let lab = Lab::new();
    let _headend = lab.start();
    let one = |line: &str| run(&lab, &[line], "", 0);
    let before = lab.exec("show running-config");
    let said = one("copy running-config bootflash:kept.cfg");
    assert!(said.contains(" bytes copied in "), "{said}");
    let path = lab.path("boot/kept.cfg");
    assert_eq!(mode(&path) & 0o777, 0o600);
    assert!(one("dir").contains("kept.cfg"));
    // A part of a configuration is merged; what is not understood is told of, and the rest is taken.
    fs::write(
        lab.path("boot/part"),
        "hostname Merged\nfoo bar\nip local pool more 10.9.9.1 10.9.9.9\n",
    )
    .unwrap();
    let said = run(&lab, &["copy bootflash:part running-config"], "", 1);
    assert!(
        said.contains("foo bar\n") && said.contains("% Invalid input"),
        "{said}"
    );
    let running = lab.exec("show running-config");
    assert!(running.contains("hostname Merged\n") && running.contains("ip local pool more "));
    assert!(running.contains(&before[before.find("crypto ikev2 policy").unwrap()..][..30]));
    // The whole one takes its place.
    let said = one("configure replace bootflash:kept.cfg force");
    assert!(
        said.contains("-hostname Merged\n") && said.ends_with("Rollback Done\n"),
        "{said}"
    );
    one("configure replace flash:/kept.cfg list force");
    one("configure replace nvram:startup-config force");
    assert_eq!(lab.exec("show running-config"), before);
    fs::write(lab.path("boot/part"), "hostname Merged\n").unwrap();
    let said = one("copy bootflash:part running-config");
    assert!(said.starts_with("16 bytes copied in "), "{said}");
    one("copy startup-config running-config");
    one("copy startup-config bootflash:start");
    assert_eq!(
        fs::read_to_string(lab.path("boot/start")).unwrap(),
        fs::read_to_string(lab.config()).unwrap()
    );
    // What a command says.
    let pools = lab.exec("show ip local pool");
    assert_eq!(one("show ip local pool | redirect bootflash:pools"), "");
    let file = || fs::read_to_string(lab.path("boot/pools")).unwrap();
    assert_eq!(file(), pools);
    assert_eq!(one("show ip local pool | append flash:pools"), "");
    assert_eq!(file(), pools.repeat(2));
    assert_eq!(one("show ip local pool | tee bootflash:pools"), pools);
    assert_eq!(file(), pools);
    assert_eq!(
        one("show ip local pool | tee /append bootflash:pools"),
        pools
    );
    assert_eq!(file(), pools.repeat(2));
    let own = lab.name("own");
    assert_eq!(one(&format!("show ip local pool | append {own}")), "");
    assert_eq!(one(&format!("show ip local pool | tee {own}")), pools);
    assert_eq!(fs::read_to_string(&own).unwrap(), pools);
}

fn nothing_on_bootflash_leads_out_of_it() {
    let lab = Lab::new();
    let _headend = lab.start();
    let outside = lab.name("outside");
    fs::write(&outside, "outside\n").unwrap();
    symlink(&outside, lab.path("boot/link")).unwrap();
    symlink(lab.path(""), lab.path("boot/up")).unwrap();
    for to in [
        "bootflash:link",
        "bootflash:../outside",
        "bootflash:up/outside",
    ] {
        for line in [
            format!("show clock | redirect {to}"),
            format!("show clock | append {to}"),
            format!("copy running-config {to}"),
            format!("copy {to} running-config"),
        ] {
            let said = run(&lab, &[&line], "", 1);
            assert!(said.contains('%'), "{line}: {said}");
        }
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "outside\n");
    // Whoever is not privileged writes nothing.
    let script = "disable\ncopy running-config bootflash:x\n";
    assert!(run(&lab, &[], script, 1).contains("% Invalid input"));
    assert!(!lab.path("boot/x").exists());
}

fn a_replacement_with_a_time_goes_back_unless_it_is_confirmed() {
    let lab = Lab::new();
    let _headend = lab.start();
    let before = lab.exec("show running-config");
    run(&lab, &["copy running-config bootflash:other"], "", 0);
    let text = fs::read_to_string(lab.path("boot/other")).unwrap();
    fs::write(lab.path("boot/other"), format!("hostname Other\n{text}")).unwrap();
    // One that cannot be put to work leaves nothing that goes back.
    fs::write(lab.path("boot/wrong"), "crypto ikev2 windw 9\n").unwrap();
    run(
        &lab,
        &["configure replace bootflash:wrong force time 5"],
        "",
        1,
    );
    let timer = lab.exec("show archive config rollback timer");
    assert_eq!(timer, "% No Rollback Confirmed Change pending\n");
    for options in [
        "time 5",
        "revert trigger timer 5",
        "revert trigger error timer 5",
    ] {
        run(
            &lab,
            &[&format!("configure replace bootflash:other {options}")],
            "",
            0,
        );
        assert!(lab.exec("show running-config").contains("hostname Other\n"));
        let timer = lab.exec("show archive config rollback timer");
        assert!(
            timer.contains("reverted in: 04:") || timer.contains("reverted in: 05:"),
            "{timer}"
        );
        run(&lab, &["configure revert now"], "", 0);
        assert_eq!(lab.exec("show running-config"), before);
    }
    run(&lab, &["configure replace bootflash:other time 5"], "", 0);
    run(&lab, &["configure confirm"], "", 0);
    run(&lab, &["configure revert now"], "", 1);
    assert!(lab.exec("show running-config").contains("hostname Other\n"));
}

fn a_script_is_a_session_of_its_own() {
    let lab = Lab::new();
    let _headend = lab.start();
    let said = run(&lab, &[], "show clock\nshow history\nshow terminal\n", 0);
    assert!(said.contains("  show clock\n  show history\n"), "{said}");
    assert!(
        said.contains("Length: 0 lines, Width: 0 columns\n"),
        "{said}"
    );
    let said = run(
        &lab,
        &[],
        "disable\nshow running-config\nshow privilege\nenable\nshow privilege\n",
        1,
    );
    assert!(
        !said.contains("hostname") && said.contains("% Invalid input"),
        "{said}"
    );
    assert!(
        said.contains("level is 1\n") && said.contains("level is 15\n"),
        "{said}"
    );
    assert!(run(&lab, &[], "bogus ?\n", 1).contains("% Unrecognized command"));
    // What is on bootflash is the headend's: nothing is written there without `enable`.
    for to in ["redirect", "append", "tee"] {
        let line = format!("disable\nshow clock | {to} bootflash:written\n");
        let said = run(&lab, &[], &line, 1);
        assert!(said.contains("behind 'enable' alone"), "{said}");
    }
    assert!(!lab.path("boot/written").exists());
    run(&lab, &["show ?"], "", 0);
    let said = run(
        &lab,
        &[],
        "terminal history size 2\nshow clock\nconfigure terminal\nhostname R\ndo show history\nend\nshow history\nshow terminal\n",
        0,
    );
    assert!(said.contains("  hostname R\n  do show history\n"), "{said}");
    assert!(
        said.contains("  end\n  show history\n")
            || said.contains("  configure terminal\n  show history\n"),
        "{said}"
    );
    assert!(said.contains("history size is 2.\n"), "{said}");
    let said = run(&lab, &["who", "enable"], "", 1);
    assert!(said.contains("these words are one command"), "{said}");
    let here = NetworkNamespace::current().unwrap();
    let nobody = lab.name("boot");
    let mut process = Process::start(&here, &["exec", "--state-dir", &nobody, "show clock"], "");
    process.ends_with(1);
    process.line("; these headends run: --state-dir /");
    let said = run(&lab, &["show clock\nexit", "show clock"], "", 1);
    assert!(
        said.contains("line 3 and what follows it were not carried out"),
        "{said}"
    );
    // How long a line is nobody counts that cuts it.
    let script = format!(
        "configure terminal\nhostname {}\nend\n",
        "x".repeat(1 << 20)
    );
    let said = run(&lab, &[], &script, 1);
    assert!(
        said.contains("% the line is longer than 4096 octets"),
        "{said}"
    );
}

fn the_log_says_down_of_what_was_up_with_its_identity() {
    use crate::support::lab::HEADEND;
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let mut refused = lab.connect_to(&HEADEND.to_string(), &client, [USER, "not it"], &[]);
    refused.ends_with(4);
    headend.line("%IKEV2-5-ATTEMPT_OVER: No tunnel came up.  Peer ");
    assert!(
        !headend.output().contains("is DOWN"),
        "{}",
        headend.output()
    );
    let (mut process, _) = lab.log_in(&client, USER);
    let up = headend.line("%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP.  Peer ");
    process.end_by(nix::sys::signal::Signal::SIGINT);
    let down = headend.line("%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is DOWN.  Peer ");
    for line in [up, down] {
        assert!(line.contains("       Id: *$AnyConnectClient$*  "), "{line}");
    }
}
