//! Interfaces that commands name.

use std::process::Command;

use crate::support::{
    cases::Case,
    lab::{Lab, USER},
};

pub(crate) const CASES: &[Case] = &[
    (
        "interfaces::one_interface_is_shown_alone_by_whatever_name_it_is_called",
        one_interface_is_shown_alone_by_whatever_name_it_is_called,
    ),
    (
        "interfaces::one_that_is_not_there_is_refused_as_on_a_router_and_by_name",
        one_that_is_not_there_is_refused_as_on_a_router_and_by_name,
    ),
    (
        "interfaces::routes_are_looked_up_and_neighbours_named_by_their_interface",
        routes_are_looked_up_and_neighbours_named_by_their_interface,
    ),
    (
        "interfaces::counters_of_one_interface_begin_anew",
        counters_of_one_interface_begin_anew,
    ),
];

/// What is said of a command that is refused.
fn refused(lab: &Lab, line: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ironflex"))
        .args(["exec", "--state-dir", &lab.name("state"), line])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success(), "{line}: {said}");
    said
}

fn one_interface_is_shown_alone_by_whatever_name_it_is_called() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start_with(&["--device", "GigabitEthernet1=client0"]);
    let (_process, _) = lab.log_in(&client, USER);
    for (commands, begins) in [
        (
            &[
                "show ip interface GigabitEthernet1",
                "sh ip int gi 1",
                "sh ip int client0",
            ][..],
            "GigabitEthernet1 is up, line protocol is up\n  Internet address is ",
        ),
        (
            &["show ip interface Loopback 100", "sh ip int lo100"],
            "Loopback100 is up, line protocol is up\n  Internet address is 10.0.0.1/32\n",
        ),
        (
            &["show interfaces Virtual-Template 100", "sh int vt100"],
            "Virtual-Template100 is up, line protocol is down\n",
        ),
        (
            &["show ip interface Virtual-Access 1", "sh ip int vi1"],
            "Virtual-Access1 is up, line protocol is up\n",
        ),
        (
            &["show interfaces gi1", "show interfaces client0"],
            "GigabitEthernet1 is up, line protocol is up\n  Hardware is device client0 of Linux\n",
        ),
    ] {
        let first = lab.exec(commands[0]);
        assert!(first.starts_with(begins), "{first}");
        assert_eq!(first.matches("line protocol is").count(), 1, "{first}");
        for command in commands {
            let said = lab.exec(command);
            assert_eq!(said.lines().next(), first.lines().next(), "{command}");
        }
    }
    let mtu = "  MTU is 1514 bytes\n";
    let loopback = lab.exec("show ip interface lo100");
    assert!(loopback.contains(mtu), "{loopback}");
    for command in ["show ip interface brief vi 1", "show ip int vi1 brief"] {
        let brief = lab.exec(command);
        let rows: Vec<&str> = brief.lines().collect();
        assert_eq!(rows.len(), 2, "{brief}");
        assert!(rows[0].starts_with("Interface ") && rows[1].starts_with("Virtual-Access1 "));
    }
    let described = lab.exec("show interfaces lo100 description | count ^Lo100 ");
    assert_eq!(described, "Number of lines which match regexp = 1\n");
    assert_eq!(
        lab.exec("show running-config interface client0"),
        lab.exec("show running-config interface gi 1")
    );
}

fn routes_are_looked_up_and_neighbours_named_by_their_interface() {
    let lab = Lab::new();
    let client = lab.client();
    let _headend = lab.start_with(&["--device", "GigabitEthernet1=client0"]);
    let (_process, tunnel) = lab.log_in(&client, USER);
    let address = tunnel.address;
    let said = lab.exec(&format!("show ip route {address}"));
    let head =
        format!("Routing entry for {address}/32\n  Known via \"static\", distance 1, metric 0");
    assert!(said.starts_with(&head), "{said}");
    assert!(
        said.contains("  * directly connected, via Virtual-Access1\n"),
        "{said}"
    );
    let said = lab.exec("show ip route 10.0.0.1");
    assert!(
        said.starts_with("Routing entry for 10.0.0.1/32\n  Known via \"connected\", "),
        "{said}"
    );
    let said = lab.exec("show ip route");
    let row = "\nC        10.0.0.1/32 is directly connected, Loopback100\n";
    assert!(said.contains(row), "{said}");
    let said = refused(&lab, "show ip route 198.51.100.1");
    assert!(said.starts_with("% Network not in table\n"), "{said}");
    let said = refused(&lab, "show ipv6 route 2001:db8::77");
    assert!(said.starts_with("% Route not found\n"), "{said}");
    // What is told of a session's interface is told in either form.
    lab.exec("clear counters vi1");
    let said = lab.exec("show interfaces | json");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let all = said["interfaces"].as_array().unwrap();
    let one = all.iter().find(|one| one["name"] == "Virtual-Access1");
    let one = one.unwrap();
    assert!(one["counters"]["packets_input"].is_u64(), "{one}");
    assert!(one["cleared_seconds_ago"].is_u64(), "{one}");
    // The client is on the cable.
    let said = lab.exec("show arp");
    let mut lines = said.lines();
    assert_eq!(
        lines.next(),
        Some("Protocol  Address          Age (min)  Hardware Addr   Type   Interface")
    );
    assert!(
        lines.any(|line| line.ends_with("  ARPA   GigabitEthernet1")),
        "{said}"
    );
    assert_eq!(lab.exec("show ip arp").lines().next(), said.lines().next());
    assert!(
        lab.exec("show ip arp | json")
            .contains("\"device\": \"client0\"")
    );
    assert!(lab.exec("show ipv6 neighbors").starts_with("IPv6 Address "));
}

fn one_that_is_not_there_is_refused_as_on_a_router_and_by_name() {
    let lab = Lab::new();
    let _headend = lab.start();
    for (line, column, name) in [
        ("show interfaces gi7", 18, "GigabitEthernet7"),
        ("show ip interface Loopback 7", 27, "Loopback7"),
        ("show ip interface brief vi 7", 27, "Virtual-Access7"),
        ("show interfaces vi7 description", 18, "Virtual-Access7"),
        ("clear counters eth77", 15, "eth77"),
    ] {
        let marker = "% Invalid input detected at '^' marker.";
        assert_eq!(
            refused(&lab, line),
            format!(
                "{line}\n{:column$}^\n{marker}\n% {name}: no such interface\n",
                ""
            ),
        );
    }
    for (name, title) in [
        ("vi100", "Virtual-Access100"),
        ("Loopback 7", "Loopback7"),
        ("eth77", "eth77"),
    ] {
        let said = refused(&lab, &format!("show running-config interface {name}"));
        let end = format!("% {title}: no such interface in the configuration\n");
        assert!(said.ends_with(&end), "{said}");
    }
}

/// Packets in and out.
fn packets(shown: &str) -> [u64; 2] {
    ["packets input", "packets output"].map(|what| {
        let line = shown.lines().find(|line| line.contains(what));
        let line = line.unwrap_or_else(|| panic!("{what}: {shown}"));
        line.split_whitespace().next().unwrap().parse().unwrap()
    })
}

fn counters_of_one_interface_begin_anew() {
    let lab = Lab::new();
    let client = lab.client();
    let headend = lab.start_with(&["--device", "GigabitEthernet1=client0"]);
    let (_process, _) = lab.log_in(&client, USER);
    let before = lab.exec("show interfaces gi1");
    assert!(before.contains("counters never\n"), "{before}");
    assert!(packets(&before).iter().all(|count| *count > 3), "{before}");
    lab.exec("clear counters gi 1");
    headend.line("%CLEAR-5-COUNTERS: Clear counter on interface GigabitEthernet1 by console");
    let after = lab.exec("show interfaces gi1");
    assert!(after.contains("counters 00:00:0"), "{after}");
    // Whatever came in the meantime is less than a login.
    assert!(packets(&after).iter().all(|count| *count <= 3), "{after}");
    // The others' are what they were.
    let other = lab.exec("show interfaces vi1");
    assert!(other.contains("counters never\n"), "{other}");
    lab.exec("clear counters");
    for name in ["gi1", "lo100", "vt100", "vi1"] {
        let told = lab.exec(&format!("show interfaces {name}"));
        assert!(told.contains("counters 00:00:0"), "{told}");
    }
}
