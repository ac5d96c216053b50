//! IPv6 in the configuration: what its lines mean together, and what `no` takes back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use ironflex_profiles::{Severity, Snapshot, check, model::interface::TunnelMode, parse, render};

/// The configuration of the public document, as it is shipped.
const EXAMPLE: &str = include_str!("../../examples/flexvpn-headend.conf");

const POLICY: &str = "crypto ikev2 authorization policy ikev2-auth-policy\n";
const TEMPLATE: &str = "interface Virtual-Template100\n";

/// The example with further lines.
fn with(lines: &str) -> String {
    format!("{EXAMPLE}\n{lines}")
}

fn snapshot(lines: &str) -> Snapshot {
    let checked = check(&with(lines), "t");
    checked
        .snapshot
        .unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

/// What is told of the example with further lines: the severity, the line's text, and the message.
fn told(lines: &str) -> Vec<(Severity, String)> {
    let told = check(&with(lines), "t").diagnostics.into_iter();
    told.map(|one| (one.severity, one.message)).collect()
}

#[test]
fn a_policy_gives_addresses_name_servers_and_networks_of_ipv6() {
    let snapshot = snapshot(&format!(
        "ipv6 local pool SIX 2001:db8:a::/48 64\n\
         ipv6 access-list SPLIT\n permit ipv6 2001:db8:1::/48 any\n\
         {POLICY} ipv6 pool SIX\n ipv6 dns 2001:db8:1::53\n ipv6 prefix 128\n \
         route set access-list ipv6 SPLIT\n route set remote ipv6 2001:db8:2::/48\n \
         route set remote ipv6 2001:db8:1::/48\n\
         interface Loopback100\n ipv6 address 2001:db8:f::1/64\n\
         {TEMPLATE} ipv6 unnumbered Loopback100\n tunnel mode ipsec dual-overlay\n"
    ));
    assert_eq!(snapshot.warnings, []);
    let policy = &snapshot.authorization_policies["ikev2-auth-policy"];
    assert!(policy.pool.is_some());
    let ipv6 = &policy.ipv6;
    let pool = ipv6.pool.as_ref().unwrap();
    let range = pool.range;
    assert_eq!(
        (pool.name.as_str(), range.assigned(), range.host_bits()),
        ("SIX", 64, 64)
    );
    assert_eq!(ipv6.prefix, Some(128));
    let networks = ipv6.tunnelled_networks();
    let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["2001:db8:1::/48", "2001:db8:2::/48"]);
    assert_eq!(
        ipv6.dns,
        ["2001:db8:1::53".parse::<std::net::Ipv6Addr>().unwrap()]
    );
}

#[test]
fn a_pool_that_the_template_cannot_serve_is_a_warning() {
    let pool = format!("ipv6 local pool SIX 2001:db8:a::/48 64\n{POLICY} ipv6 pool SIX\n");
    let message = "no addresses are given of it: Virtual-Template100 carries no IPv6";
    assert_eq!(told(&pool), [(Severity::Warning, message.into())]);
    assert_eq!(told(&format!("{pool}{TEMPLATE} ipv6 enable\n")), []);
    // To borrow an address is to carry IPv6, and needs one that can be borrowed.
    let borrowed = format!("{pool}{TEMPLATE} ipv6 unnumbered Loopback100\n");
    let message = "Loopback100 has no IPv6 address to use";
    assert_eq!(told(&borrowed), [(Severity::Error, message.into())]);
    let address = "interface Loopback100\n ipv6 address 2001:db8:f::1/128\n";
    assert_eq!(told(&format!("{borrowed}{address}")), []);
}

#[test]
fn no_takes_ipv6_back_line_by_line() {
    let set = format!(
        "ipv6 local pool SIX 2001:db8:a::/48 64\n\
         ipv6 access-list SPLIT\n permit ipv6 2001:db8:1::/48 any\n permit ipv6 any any\n\
         {POLICY} ipv6 pool SIX\n ipv6 dns 2001:db8::53\n ipv6 prefix 64\n \
         route set access-list ipv6 SPLIT\n route set remote ipv6 2001:db8:2::/48\n\
         interface Loopback100\n ipv6 address 2001:db8:f::1/64\n ipv6 enable\n\
         {TEMPLATE} ipv6 unnumbered Loopback100\n"
    );
    let unset = format!(
        "no ipv6 local pool SIX\n\
         ipv6 access-list SPLIT\n no permit ipv6 any any\n no sequence 10\n\
         no ipv6 access-list SPLIT\n\
         {POLICY} no ipv6 pool\n no ipv6 dns\n no ipv6 prefix\n \
         no route set access-list ipv6 SPLIT\n no route set remote ipv6 2001:db8:2::/48\n\
         interface Loopback100\n no ipv6 address 2001:db8:f::1/64\n no ipv6 enable\n\
         {TEMPLATE} no ipv6 unnumbered\n"
    );
    let text = |lines: &str| {
        let parsed = parse(&with(lines), "t");
        assert_eq!(parsed.diagnostics, [], "{lines}");
        render(&parsed.candidate)
    };
    assert!(text(&set).contains(" ipv6 pool SIX\n"));
    // The IPv4 list has the same line but for one word, and stays.
    assert_eq!(text(&format!("{set}{unset}")), text(""));
}

#[test]
fn a_tunnel_mode_says_both_families() {
    for (words, mode) in [
        ("ipv4", TunnelMode::Ipv4),
        ("ipv4 v6-overlay", TunnelMode::Ipv6InIpv4),
        ("ipv6", TunnelMode::Ipv6),
        ("ipv6 v4-overlay", TunnelMode::Ipv4InIpv6),
        ("dual-overlay", TunnelMode::DualOverlay),
    ] {
        let parsed = parse(&format!("interface vt1\n tunnel mode ipsec {words}\n"), "t");
        assert_eq!(parsed.diagnostics, [], "{words}");
        let mut interfaces = parsed.candidate.interfaces.into_values();
        let found = interfaces.next().and_then(|one| one.value.tunnel_mode);
        assert_eq!(found, Some(mode));
        assert_eq!(mode.to_string(), words);
    }
}
