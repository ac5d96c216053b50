//! What is refused or warned of: where it stands and why.

use super::*;

#[test]
fn lines_below_a_refused_one_are_not_judged() {
    assert_eq!(
        faults("crypto ikev2 client K\n peer X\n  address 1.2.3.4\nhostnme x\nhostname H"),
        [(Fault::Unsupported, 1, 1), (Fault::Unknown, 4, 1)]
    );
    assert_eq!(
        faults("crypto ikev2 proposl P\nencryption aes-cbc-128\ngroup 14\nhostnme x"),
        [(Fault::Unknown, 1, 14), (Fault::Unknown, 4, 1)]
    );
    assert_eq!(
        faults("interface Tunnel0\nip address 10.0.0.1 255.0.0.0\ntunnel mode ipsec ipv4"),
        [(Fault::Unsupported, 1, 1)]
    );
}

#[test]
fn incomplete_and_excess_words_are_told_at_their_end() {
    assert_eq!(faults("ip local pool"), [(Fault::Incomplete, 1, 14)]);
    assert_eq!(faults("aaa new-model now"), [(Fault::Unknown, 1, 15)]);
    assert_eq!(faults("no"), [(Fault::Incomplete, 1, 3)]);
    assert_eq!(faults("no exit"), [(Fault::Unsupported, 1, 1)]);
    assert_eq!(
        faults("ip access-list extended A\n permit ip any 10.0.0.0"),
        [(Fault::Incomplete, 2, 24)]
    );
    assert_eq!(
        faults("crypto ikev2 authorization policy A\n banner #never ends"),
        [(Fault::Incomplete, 2, 2)]
    );
    assert_eq!(
        faults("crypto ikev2 authorization policy A\n banner #x# y"),
        [(Fault::Unknown, 2, 13)]
    );
}

#[test]
fn values_are_checked() {
    for line in [
        "crypto ikev2 fragmentation mtu 67",
        "crypto ikev2 fragmentation mtu 1501",
        "crypto ikev2 cookie-challenge 1001",
        "crypto ikev2 limit max-in-negotation-sa 0",
        "crypto ikev2 limit max-sa 10000",
        "crypto ikev2 redirect client max-redirects 0",
        "crypto ikev2 limit queue sa-init 99",
        "crypto ikev2 window 0",
        "crypto ikev2 nat keepalive 4",
        "crypto ikev2 dpd 9 2 periodic",
        "crypto ipsec security-association lifetime seconds 119",
        "crypto vpn anyconnect profile a /etc/passwd",
        "interface Virtual-Template0",
        "interface Loopback1 type tunnel",
        "ip access-list standard 100",
        "ip access-list extended 10",
        "ip local pool P 10.0.0.2 10.0.0.1",
        "username u password 7 zz",
        "username u password 7 094F471A1A0",
        "interface Loopback1\n ip address 10.0.0.0 255.0.0.0",
        "interface Loopback1\n ip address 10.255.255.255 255.0.0.0",
        "interface Loopback1\n ip address 224.0.0.1 255.255.255.255",
        "interface gi1\n device a/b",
        "interface Virtual-Template1\n ip address 10.0.0.1 255.0.0.0",
        "crypto ikev2 authorization policy A\n route set remote ipv4 10.0.0.1 255.0.0.0",
        "hostname a_b/c",
    ] {
        let found = parse(line, "t").diagnostics;
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert_eq!(found[0].fault, Fault::Value, "{line}");
    }
}

#[test]
fn lines_that_contradict_each_other_are_refused_with_both_places() {
    for text in [
        "crypto ikev2 proposal P\n encryption aes-cbc-128 aes-gcm-128",
        "crypto ikev2 proposal P\n group 14 14",
        "ip access-list standard A\nip access-list extended A",
        "ip access-list standard A\n 10 permit any\n 10 deny any",
        "ip local pool P 10.0.0.1 10.0.0.9\nip local pool P 10.0.0.9 10.0.0.10",
    ] {
        let found = parse(text, "t").diagnostics;
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].fault, Fault::Conflict, "{text}");
        let mixed = text.contains("gcm");
        assert_eq!(found[0].related.is_some(), !mixed, "{text}");
    }
    let found = refused(&format!("ip local pool P2 192.168.10.10\n{EXAMPLE}"));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].fault, found[0].severity),
        (Fault::Conflict, Severity::Error)
    );
}

#[test]
fn a_pool_has_no_address_that_no_client_can_have() {
    let loopback = "interface Loopback1\n ip address 10.0.0.1 255.255.255.255\n ipv6 address 2001:db8:1::1/128";
    for (line, held) in [
        ("ip local pool P 0.0.0.0 255.255.255.255", true),
        ("ip local pool P 0.255.255.255 1.0.0.9", true),
        ("ip local pool P 126.0.0.1 128.0.0.1", true),
        ("ip local pool P 127.0.0.1", true),
        ("ip local pool P 169.254.1.1 169.254.1.9", true),
        ("ip local pool P 223.255.255.255 224.0.0.0", true),
        ("ip local pool P 255.255.255.255", true),
        ("ip local pool P 10.0.0.1 10.0.0.9", true),
        ("ip local pool P 10.0.0.2 10.0.0.9", false),
        ("ip local pool P 1.0.0.0 1.255.255.255", false),
        ("ip local pool P 223.255.255.0 223.255.255.255", false),
        ("ipv6 local pool P ::/0 64", true),
        ("ipv6 local pool P ::/64 128", true),
        ("ipv6 local pool P ::ffff:10.0.0.0/120 128", true),
        ("ipv6 local pool P fe80::/64 128", true),
        ("ipv6 local pool P ff02::/64 128", true),
        ("ipv6 local pool P 2001:db8:1::/64 128", true),
        ("ipv6 local pool P 2001:db8:2::/64 128", false),
        ("ipv6 local pool P fd00::/64 128", false),
    ] {
        let text = format!("{loopback}\n{line}");
        let read = parse(&text, "t");
        assert_eq!(read.diagnostics, [], "{line}");
        let found = resolve(&read.candidate).err().unwrap_or_default();
        let found: Vec<_> = found.iter().map(|one| (one.fault, one.at.line)).collect();
        let expected: &[_] = if held { &[(Fault::Conflict, 4)] } else { &[] };
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn more_networks_than_a_client_can_be_told_of_are_refused_with_how_many_fit() {
    let with = |count: u32| {
        let list: String = (0..count)
            .map(|number| {
                let net = Ipv4Addr::from(0x0b00_0000 + 512 * number);
                format!(" permit {net} 0.0.0.255\n")
            })
            .collect();
        let text = EXAMPLE.replace(
            "ip access-list standard split_tunnel\n",
            &format!("ip access-list standard split_tunnel\n{list}"),
        );
        assert_ne!(text, EXAMPLE);
        let found = check(&text, "t").diagnostics;
        found
            .into_iter()
            .find(|one| one.severity == Severity::Error)
    };
    // One is in the example.
    assert_eq!(with(2_499), None);
    let refused = with(2_500).unwrap();
    assert_eq!(refused.fault, Fault::Value);
    assert_eq!(
        refused.message,
        "clients cannot be told of 2501 networks: 2500 of IPv4 fit into an answer, or 1428 of IPv6"
    );
}

#[test]
fn every_name_that_points_nowhere_is_told_with_both_places() {
    for (from, to, line) in [
        ("\n pool ACPool", "\n pool X", "ip local pool X …"),
        (
            "\n route set access-list split_tunnel",
            "\n route set access-list X",
            "ip access-list X …",
        ),
        (
            "\n proposal IKEv2-prop1",
            "\n proposal X",
            "crypto ikev2 proposal X …",
        ),
        (
            "\n pki trustpoint IKEv2-TP\n",
            "\n pki trustpoint X\n",
            "crypto pki trustpoint X …",
        ),
        (
            "\n pki trustpoint IKEv2-TP sign",
            "\n pki trustpoint X sign",
            "crypto pki trustpoint X …",
        ),
        (
            "eap a-eap-authen-local\n",
            "eap X\n",
            "aaa authentication login X …",
        ),
        (
            "list a-eap-author-grp",
            "list X",
            "aaa authorization network X …",
        ),
        (
            "grp ikev2-auth-policy",
            "grp X",
            "crypto ikev2 authorization policy X …",
        ),
        (
            "\n virtual-template 100",
            "\n virtual-template 9",
            "interface Virtual-Template9 type tunnel",
        ),
        (
            "\n anyconnect profile acvpn",
            "\n anyconnect profile X",
            "crypto vpn anyconnect profile X …",
        ),
        (
            "\n set transform-set TS",
            "\n set transform-set X",
            "crypto ipsec transform-set X …",
        ),
        (
            "\n set ikev2-profile A",
            "\n set ikev2-profile X",
            "crypto ikev2 profile XnyConnect-EAP …",
        ),
        (
            "\n ip unnumbered Loopback100",
            "\n ip unnumbered Loopback9",
            "interface Loopback9",
        ),
        (
            "ipsec profile AnyConnect-EAP\n!\nip",
            "ipsec profile X\n!\nip",
            "crypto ipsec profile X …",
        ),
        ("source list NAT", "source list X", "ip access-list X …"),
        (
            "interface GigabitEthernet1 o",
            "interface GigabitEthernet2 o",
            "interface GigabitEthernet2",
        ),
        (
            "\n match policy ssl-policy",
            "\n match policy X",
            "crypto ssl policy X …",
        ),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let broken = EXAMPLE.replace(from, to);
        let checked = check(&broken, "t");
        assert_eq!(checked.snapshot, None);
        let errors: Vec<_> = checked
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .collect();
        assert_eq!(errors.len(), 1, "{to}: {errors:#?}");
        assert_eq!(errors[0].fault, Fault::Dangling, "{to}");
        // An import makes its trustpoint.
        let import = "crypto pki import X pkcs12 …";
        let import = line.starts_with("crypto pki").then_some(import);
        let expected: Vec<_> = [line].into_iter().chain(import).collect();
        assert_eq!(errors[0].expected, expected, "{to}");
        assert!(
            errors[0].message.contains("`; there "),
            "{}",
            errors[0].message
        );
        assert!(errors[0].related.is_some(), "{to}");
    }
}

#[test]
fn oddities_are_warnings() {
    for (from, to) in [
        ("username test", "username ann privilege 15\nusername test"),
        (" ip nat outside", " no ip nat outside"),
        ("interface Virtual-Template 100\n ip nat inside", ""),
        (" mode tunnel", " mode transport"),
        (" set ikev2-profile AnyConnect-EAP", " set ikev2-profile B"),
    ] {
        let mut text = EXAMPLE.replace(from, to);
        if to.ends_with('B') {
            let second = "\ncrypto ikev2 profile B\n match identity remote any\n \
                          authentication local rsa-sig\n authentication remote rsa-sig\n \
                          pki trustpoint IKEv2-TP\n virtual-template 100\n";
            text.push_str(second);
        }
        let warnings = snapshot(&text).warnings;
        assert_eq!(warnings.len(), 1, "{to}: {warnings:#?}");
        assert_eq!(warnings[0].severity, Severity::Warning);
    }
}

#[test]
fn a_value_that_is_not_served_is_told_with_those_that_are() {
    let expected = |line: &str| {
        let faults = parse(line, "test").diagnostics;
        assert_eq!(faults.len(), 1, "{line}");
        faults[0].expected.join(" ")
    };
    let proposal = "crypto ikev2 proposal P\n";
    for (line, others) in [
        (" integrity md5", "sha1 sha256 sha384 sha512"),
        (" prf md5", "sha1 sha256 sha384 sha512"),
        (" group 2", "14 15 16 19 20 21 31"),
    ] {
        assert_eq!(expected(&format!("{proposal}{line}")), others);
    }
    let set = expected("crypto ipsec transform-set T esp-aes 256 esp-md5-hmac");
    assert!(set.starts_with("esp-sha-hmac esp-sha256-hmac "), "{set}");
    let file = expected("crypto pki import T pkcs12 tftp:x.p12 password y");
    assert_eq!(file, "bootflash:FILE");
    let pool = expected("ip local pool P 10.0.0.9 10.0.0.1");
    assert_eq!(pool, "ip local pool P 10.0.0.1 10.0.0.9");
    // Of commands the others are no help.
    assert_eq!(expected("interface gi1\n mtu 14000"), "");
    assert_eq!(expected("aaa accounting network default none"), "");
}

#[test]
fn a_type_of_password_that_is_not_known_is_no_password() {
    for line in [
        "username U password 9 $9$zzz",
        "username U password 5 x",
        "username U privilege 15 password 8 x",
        "username U password 5",
        "crypto ikev2 keyring K\n peer A\n  pre-shared-key 7 0822",
        "crypto ikev2 keyring K\n peer A\n  pre-shared-key local 5 abc",
        "crypto ikev2 profile P\n authentication local pre-share key 5 abc",
        "crypto ikev2 profile P\n authentication remote pre-share key 8 abc",
    ] {
        let found = parse(line, "t").diagnostics;
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert_eq!(found[0].fault, Fault::Value, "{line}");
        assert_eq!(found[0].expected[0], "0", "{line}");
        assert!(!found[0].message.contains("abc"), "{line}");
    }
    // Such a password has its own type in front, and is printed so.
    for (line, printed) in [
        ("username U password 0 5", " password 0 5"),
        ("username U password 0 9 x", " password 0 9 x"),
        ("username U password 12 x", " password 0 12 x"),
        (
            "crypto ikev2 keyring K\n peer A\n  pre-shared-key 0 5 abc",
            "pre-shared-key 0 5 abc",
        ),
        (
            "crypto ikev2 keyring K\n peer A\n  pre-shared-key 55 abc",
            "pre-shared-key 55 abc",
        ),
    ] {
        let parsed = parse(line, "t");
        assert_eq!(parsed.diagnostics, [], "{line}");
        let text = render(&parsed.candidate);
        assert!(text.contains(printed), "{line}: {text}");
    }
}

#[test]
fn lines_of_an_ordinary_router_are_refused_by_name() {
    for line in [
        "call-home",
        "iox",
        "crypto vpn csd bootflash:csd.pkg",
        "aaa max-sessions 4",
        "username U view V",
        "interface range GigabitEthernet1-2",
        "ip source-route",
        "ip bootp server",
        "ip tcp synwait-time 5",
        "ip scp server enable",
        "alias exec s show",
        "parser view V",
        "telemetry ietf subscription 1",
        "password encryption aes",
        "crypto pki authenticate TP",
        "no crypto ipsec nat-transparency udp-encapsulation",
        "crypto isakmp keepalive 10",
        "crypto isakmp key k address 192.0.2.1",
        "ip dhcp excluded-address 192.0.2.1",
    ] {
        let found = parse(line, "t").diagnostics;
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert_eq!(found[0].fault, Fault::Unsupported, "{line}");
    }
    for line in [
        "no ip source-route",
        "no ip bootp server",
        "no parser view V",
        "no crypto isakmp policy 1",
    ] {
        assert_eq!(parse(line, "t").diagnostics, [], "{line}");
    }
}

#[test]
fn a_line_that_is_refused_by_name_is_so_without_indentation() {
    for (object, line) in [
        ("crypto ikev2 profile P", "ivrf X"),
        ("crypto ikev2 profile P", "reconnect"),
        (
            "crypto ikev2 authorization policy A",
            "dhcp server 192.0.2.1",
        ),
    ] {
        for indent in [" ", ""] {
            let text = format!("{object}\n{indent}{line}\nhostname a\n");
            let found = parse(&text, "t").diagnostics;
            let unsupported = found.iter().filter(|one| one.fault == Fault::Unsupported);
            assert_eq!(
                (unsupported.count(), found.len()),
                (1, 1),
                "{text}: {found:?}"
            );
        }
    }
}
