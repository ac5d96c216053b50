//! What `show` and `debug` say of a session on its way.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{HEADEND, Lab, USER},
    pki::PASSWORD,
    stranger::{Stranger, init},
};

pub(crate) const CASES: &[Case] = &[
    (
        "look::debug_aaa_names_the_lists_of_the_configuration",
        debug_aaa_names_the_lists_of_the_configuration,
    ),
    (
        "look::a_session_is_shown_by_its_child_sa_and_as_json",
        a_session_is_shown_by_its_child_sa_and_as_json,
    ),
    (
        "look::a_failed_login_is_explained_and_its_steps_are_told_to_who_asked_for_them",
        a_failed_login_is_explained_and_its_steps_are_told_to_who_asked_for_them,
    ),
    (
        "look::a_client_that_nothing_is_in_common_with_is_explained_side_by_side",
        a_client_that_nothing_is_in_common_with_is_explained_side_by_side,
    ),
    (
        "look::going_on_to_port_4500_is_no_move_and_an_orderly_leave_is_no_failure",
        going_on_to_port_4500_is_no_move_and_an_orderly_leave_is_no_failure,
    ),
    (
        "look::interfaces_are_shown_with_the_devices_that_the_command_line_ties_and_the_file_does_not_name",
        interfaces_are_shown_with_the_devices_that_the_command_line_ties_and_the_file_does_not_name,
    ),
    (
        "look::whoever_knows_a_router_finds_the_machine_and_its_files",
        whoever_knows_a_router_finds_the_machine_and_its_files,
    ),
    (
        "look::two_failures_of_one_host_are_both_told_the_last_one_first",
        two_failures_of_one_host_are_both_told_the_last_one_first,
    ),
    (
        "look::a_session_in_negotiation_is_named_by_the_interface_that_it_comes_to",
        a_session_in_negotiation_is_named_by_the_interface_that_it_comes_to,
    ),
];

fn debug_aaa_names_the_lists_of_the_configuration() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    lab.exec("debug aaa authentication");
    lab.exec("debug aaa authorization");
    let (_process, _) = lab.log_in(&client, USER);
    headend.line("AAA/AUTHEN/LOGIN (00000001): Pick method list 'a-eap-authen-local'");
    headend.line("AAA/AUTHOR (0x1): Pick method list 'a-eap-author-grp'");
}

fn going_on_to_port_4500_is_no_move_and_an_orderly_leave_is_no_failure() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    lab.exec("debug crypto ikev2");
    let (mut process, _) = lab.log_in(&client, USER);
    let line = headend.line("):Floating to init port ");
    assert!(line.ends_with(", resp port 4500"), "{line}");
    assert!(!headend.output().contains("Peer is at "));
    assert_eq!(process.end_by(Signal::SIGINT), Some(0));
    headend.line("Crypto tunnel v2 is DOWN.");
    let told = lab.exec("show crypto ikev2 diagnose");
    assert!(told.contains("  up, and left at once\n"), "{told}");
    assert!(
        !told.contains("Verdict") && !told.contains("FAILED"),
        "{told}"
    );
}

fn interfaces_are_shown_with_the_devices_that_the_command_line_ties_and_the_file_does_not_name() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start_with(&["--device", "GigabitEthernet1=client0"]);
    let (_process, _) = lab.log_in(&client, USER);
    let brief = lab.exec("show ip interface brief");
    let heading =
        "Interface              IP-Address      OK? Method Status                Protocol\n";
    assert!(brief.starts_with(heading), "{brief}");
    for row in [
        format!(
            "GigabitEthernet1       {:<15} YES other  up                    up      \n",
            client.router
        ),
        "Loopback100            10.0.0.1        YES NVRAM  up                    up      \n".into(),
        "Virtual-Template100    10.0.0.1        YES unset  up                    down    \n".into(),
        "Virtual-Access1        10.0.0.1        YES unset  up                    up      \n".into(),
    ] {
        assert!(brief.contains(&row), "{row}{brief}");
    }
    let all = lab.exec("show interfaces");
    assert!(
        all.starts_with(
            "GigabitEthernet1 is up, line protocol is up\n  Hardware is device client0 of Linux\n"
        ),
        "{all}"
    );
    let lines = lab.exec("show running-config interface gi1");
    assert!(
        lines.ends_with("!\ninterface GigabitEthernet1\n no ip address\n ip nat outside\nend\n\n"),
        "{lines}"
    );
    lab.exec("write memory");
    let written = fs::read_to_string(lab.config()).unwrap();
    assert!(
        written.contains("interface GigabitEthernet1\n no ip address\n"),
        "{written}"
    );
    assert!(!written.contains("client0"), "{written}");
}

fn whoever_knows_a_router_finds_the_machine_and_its_files() {
    let lab = Lab::new();
    let client = lab.client();
    lab.add_lines("interface GigabitEthernet1\n description to everybody\n");
    let _headend = lab.start_with(&["--device", "GigabitEthernet1=client0"]);
    let (_process, _) = lab.log_in(&client, USER);
    let told = lab.exec("show interfaces description");
    for row in [
        "Gi1                            up             up       to everybody\n",
        "Vt100                          up             down     \n",
        "Vi1                            up             up       \n",
    ] {
        assert!(told.contains(row), "{row}{told}");
    }
    let told = lab.exec("show ip interface");
    for lines in [
        format!(
            "GigabitEthernet1 is up, line protocol is up\n  Internet address is {}/",
            client.router
        ),
        "  Network address translation is enabled, interface in domain outside\n".into(),
        "Virtual-Access1 is up, line protocol is up\n  \
         Interface is unnumbered. Using address of Loopback100 (10.0.0.1)\n"
            .into(),
    ] {
        assert!(told.contains(&lines), "{lines}{told}");
    }
    // The example's folder has its configuration, and its file of keys.
    let told = lab.exec("dir");
    assert!(told.starts_with("Directory of bootflash:/\n\n"), "{told}");
    let config = lab.config();
    let name = config.file_name().unwrap().to_str().unwrap();
    let length = fs::metadata(&config).unwrap().len();
    let row = told
        .lines()
        .find(|line| line.ends_with(&format!("  {name}")));
    let row = row.unwrap_or_else(|| panic!("{told}"));
    assert!(row.contains(&format!("  -rw-  {length:>15}  ")), "{row}");
    assert!(row.contains(" +00:00  "), "{row}");
    assert!(told.ends_with(" bytes free)\n"), "{told}");
    assert_eq!(
        lab.exec("dir flash: | count bytes total"),
        lab.exec("dir bootflash: | count bytes total")
    );
    let told = lab.exec("show version");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let line = format!("\nLinux {} (", kernel.trim());
    assert!(told.contains(&line), "{told}");
    assert!(told.ends_with("\nDataplane in use: userspace\n"), "{told}");
    assert!(
        lab.exec("show inventory")
            .contains("DESCR: \"Dataplane: userspace\"")
    );
    let told = lab.exec("show processes cpu");
    assert!(
        told.starts_with("CPU utilization for five seconds: "),
        "{told}"
    );
    let told = lab.exec("show interfaces Virtual-Access 1");
    assert!(told.contains("counters never\n"), "{told}");
    lab.exec("clear counters");
    let told = lab.exec("show interfaces Virtual-Access 1");
    assert!(told.contains("counters 00:00:0"), "{told}");
    let written = lab.exec("write terminal | exclude ^Current");
    assert_eq!(written, lab.exec("show running-config | exclude ^Current"));
}

fn two_failures_of_one_host_are_both_told_the_last_one_first() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    for proposal in ["aes-cbc-256/sha256/20", "aes-cbc-256/sha1/14"] {
        let arguments = ["--proposal", proposal];
        let target = HEADEND.to_string();
        let mut process = lab.connect_to(&target, &client, [USER, PASSWORD], &arguments);
        assert_ne!(process.end(), Some(0));
    }
    headend.line("the client offers (encryption aes-cbc-256; integrity sha1; ");
    let told = lab.exec("show crypto ikev2 diagnose");
    let errors = lab.exec("show crypto ikev2 diagnose error");
    let heading = "Exit Path Table - status: enable, current entry 2, deleted 0, max allow 160\n";
    assert!(errors.starts_with(heading), "{errors}");
    assert_eq!(errors.matches("\nError(1): IKE: ").count(), 2, "{errors}");
    let verdicts: Vec<&str> = told.split("Verdict: ").skip(1).collect();
    assert_eq!(verdicts.len(), 2, "{told}");
    assert!(
        verdicts[0].contains("encryption aes-cbc-256; integrity sha1;"),
        "{told}"
    );
    assert!(
        verdicts[1].contains("the group alone: the client offers 20,"),
        "{told}"
    );
}

fn a_session_in_negotiation_is_named_by_the_interface_that_it_comes_to() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start_with(&["--device", "GigabitEthernet1=client0"]);
    let stranger = Stranger::new(&client.host.namespace, client.router);
    stranger.send(&init(1));
    stranger.answer();
    let session = lab.exec("show crypto session");
    let begins = "Crypto session current status\n\nInterface: GigabitEthernet1\nSession status: DOWN-NEGOTIATING\nPeer: ";
    assert!(session.starts_with(begins), "{session}");
}

fn a_session_is_shown_by_its_child_sa_and_as_json() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    assert_eq!(lab.exec("show crypto ipsec sa"), "No IPSec SA found.\n");
    let (_process, _) = lab.log_in(&client, USER);
    let text = lab.exec("show crypto ipsec sa detail");
    let begins =
        "\ninterface: Virtual-Access1\n    Crypto map tag: Virtual-Access1-head-0, local addr ";
    assert!(text.starts_with(begins), "{text}");
    assert!(text.contains(" plaintext mtu 14"), "{text}");
    let json = lab.exec("show crypto ipsec sa | json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let sa = &json["ike_sas"][0];
    assert_eq!(sa["status"], "READY");
    assert_eq!(sa["remote_eap_id"], USER);
    let child = &sa["session"]["children"][0];
    let spi = child["outbound_spi"].as_str().unwrap();
    let spi = u32::from_str_radix(spi.trim_start_matches("0x"), 16).unwrap();
    let line = format!("     current outbound spi: 0x{spi:X}({spi})\n");
    assert!(text.contains(&line), "{line}{text}");
    assert_eq!(
        lab.exec("show crypto ipsec sa count"),
        "IPsec SA total: 2, active: 2, rekeying: 0, unused: 0, invalid: 0\n"
    );
}

fn a_failed_login_is_explained_and_its_steps_are_told_to_who_asked_for_them() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start();
    let none = "No attempts are on record.\n";
    assert_eq!(lab.exec("show crypto ikev2 diagnose"), none);
    let wrong = "not-the-password";
    let mut refused = lab.connect_to(&HEADEND.to_string(), &client, [USER, wrong], &[]);
    refused.ends_with(4);
    headend.line("user: test  reason: login failed");
    let failed = lab.exec("show crypto ikev2 diagnose username test");
    for part in [
        "  failed\n  Identity: key-id \"*$AnyConnectClient$*\"\n  User: test\n",
        "  Verdict: list 'a-eap-authen-local' refused user 'test': wrong password: check the 'username' line and what the user typed\n",
    ] {
        assert!(failed.contains(part), "{part}: {failed}");
    }
    // What came after that does not read as if it were the cause.
    let lines = failed.lines();
    let steps: Vec<&str> = lines.filter(|line| line.starts_with("  +")).collect();
    let [.., login, ended] = steps.as_slice() else {
        panic!("{failed}")
    };
    assert!(
        login.ends_with("  login             FAILED  wrong password"),
        "{failed}"
    );
    let after = "  ended                     after the refusal (wrong password): the peer answered AUTHENTICATION_FAILED";
    assert!(ended.ends_with(after), "{failed}");
    assert_eq!(failed.matches("FAILED  ").count(), 1, "{failed}");
    lab.exec("debug crypto ipsec");
    lab.exec("debug crypto condition username nobody");
    let (_process, _) = lab.log_in(&client, USER);
    // What is told of that login nobody has asked for.
    lab.exec("debug crypto condition reset");
    lab.exec("test crypto rekey ipsec");
    headend.line("IPSEC(create_sa): sa created,");
    let log = lab.exec("show logging");
    assert_eq!(
        log.matches("IPSEC(create_sa): sa created,").count(),
        2,
        "{log}"
    );
    assert!(log.contains("%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP."));
    let told = lab.exec("show crypto ikev2 diagnose username test");
    assert!(
        told.contains("  up\n  Identity: key-id \"*$AnyConnectClient$*\"\n  User: test\n"),
        "{told}"
    );
    let support = lab.exec("show tech-support");
    assert!(support.contains("------------------ show crypto ikev2 diagnose"));
    for secret in ["cisco123", wrong] {
        assert!(!support.contains(secret), "{support}");
    }
    let certificates = lab.exec("show crypto pki certificates verbose");
    assert!(
        certificates.starts_with("Certificate\n  Status: Available\n"),
        "{certificates}"
    );
}

fn a_client_that_nothing_is_in_common_with_is_explained_side_by_side() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start();
    let stranger = Stranger::new(&client.host.namespace, client.router);
    // An encryption algorithm of no use in place of the one that it has.
    let mut request = init(1);
    let aes_cbc = [0x01, 0x00, 0x00, 12];
    let at = request
        .windows(4)
        .position(|octets| octets == aes_cbc)
        .unwrap();
    request[at + 3] = 3;
    stranger.send(&request);
    stranger.answer();
    let told = lab.exec("show crypto ikev2 diagnose");
    assert!(
        told.contains(
            "  Verdict: IKE: the proposals differ in the encryption alone: the client offers 3des"
        ),
        "{told}"
    );
    assert!(told.contains("\n    Client   encryption 3des"), "{told}");
    assert!(
        told.contains("\n    Headend  encryption aes-cbc-256"),
        "{told}"
    );
}
