//! Lines of a router's configuration that the headend has no part in, or that it takes without any of its own.

use ironflex_profiles::model::ikev2_limits::DEFAULT_NEGOTIATING;

use super::*;

/// What is said of a text's only fault.
fn only(text: &str) -> Diagnostic {
    let mut found = parse(text, "t").diagnostics;
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found.remove(0)
}

fn warnings(text: &str) -> Vec<(u32, String)> {
    let all = snapshot(text).warnings.into_iter();
    all.map(|one| (one.at.line, one.message)).collect()
}

#[test]
fn words_behind_those_that_are_served_are_refused_by_name() {
    for (text, why) in [
        ("crypto ikev2 policy P\n match fvrf RED", "VRFs"),
        ("crypto ikev2 profile P\n match fvrf RED", "VRFs"),
        (
            "crypto ikev2 profile P\n keyring local K name-mangler M",
            "name manglers",
        ),
        (
            "crypto pki trustpoint L\n rsakeypair L 2048",
            "key pairs made by command (they come with their certificate)",
        ),
        (
            "crypto pki trustpoint T\n ca-check-strict",
            "checks of an authority by command",
        ),
        (
            "crypto pki trustpoint T\n revocation-check none crl",
            "revocation checks by certificate revocation list",
        ),
        (
            "crypto ipsec profile P\n set security-association idle-time 60 default",
            "default peers",
        ),
        (
            "crypto ipsec transform-set T esp-aes esp-sha-hmac comp-lzs",
            "IP compression",
        ),
        ("crypto ipsec transform-set T esp-gcm 256 ah-sha-hmac", "AH"),
        ("crypto ipsec transform-set T esp-gcm ah-md5-hmac", "AH"),
        (
            "crypto ipsec transform-set T esp-sha-hmac esp-aes 256 ah-sha512-hmac",
            "AH",
        ),
        (
            "crypto ipsec transform-set T esp-aes",
            "ESP without integrity",
        ),
        (
            "crypto ipsec transform-set T esp-aes 256",
            "ESP without integrity",
        ),
        (
            "aaa authentication login L local group G",
            "RADIUS server groups",
        ),
        (
            "aaa authorization network L local group G",
            "RADIUS server groups",
        ),
        (
            "aaa authorization network L local none",
            "networks without authorization",
        ),
        (
            "crypto ikev2 profile P\n aaa authorization group anyconnect-eap list L",
            "groups named by the client's identity; an authorization policy must follow",
        ),
        (
            "crypto vpn anyconnect bootflash:a.pkg sequence 1",
            "packages of the client",
        ),
        (
            "crypto vpn anyconnect webvpn/a.pkg",
            "packages of the client",
        ),
        (
            "crypto pki import T pkcs12 terminal password x",
            "import by cut and paste",
        ),
        (
            "crypto pki import T pkcs12 tftp://192.0.2.1/x password y",
            "files elsewhere than on bootflash:",
        ),
        (
            "interface Virtual-Template1 type tunnel\n tunnel protection ipsec initiate",
            "SAs that the headend begins",
        ),
        (
            "crypto ipsec nat-transparency spi-matching",
            "NAT traversal by other means than UDP encapsulation",
        ),
        (
            "crypto ipsec security-association ecn discard",
            "tunnels that lose marks of congestion",
        ),
        (
            "crypto call admission limit ipsec sa 10",
            "limits on IPsec SAs",
        ),
    ] {
        let found = only(text);
        assert_eq!(found.fault, Fault::Unsupported, "{text}: {found:?}");
        let said = format!("not supported by this headend: {why}");
        assert_eq!(found.message, said, "{text}");
    }
}

#[test]
fn a_line_that_its_mode_refuses_is_not_judged_outside_of_it() {
    let head = "crypto ssl profile S\n";
    for line in [
        "aaa authentication user-pass list L",
        "aaa authorization group user-pass list L G",
        "aaa authorization group override user-pass list L G",
        "aaa authorization user user-pass cached",
    ] {
        // With and without indentation, and typed.
        for text in [
            format!("{head} {line}\n no shutdown"),
            format!("{head}{line}\nno shutdown"),
        ] {
            let found = only(&text);
            let said = "not supported by this headend: SSL VPN";
            assert_eq!((found.at.line, &*found.message), (2, said), "{text}");
        }
        let mut typist = Typist::new("terminal");
        let mut candidate = Candidate::default();
        typist.line(&mut candidate, head.trim_end());
        let Typed::Refused(found) = typist.line(&mut candidate, line) else {
            panic!("{line} is taken");
        };
        assert_eq!(found.message, "not supported by this headend: SSL VPN");
        assert_eq!(typist.mode(), ModeKind::SslProfile);
    }
    let text = "crypto ikev2 authorization policy A\n aaa attribute list L\n pool P";
    assert_eq!(faults(text), [(Fault::Unsupported, 2, 2)]);
    // What is no line of the mode is still told by what is wrong with it outside.
    assert_eq!(
        faults("interface Loopback1\ncrypto ikev2 proposl P"),
        [(Fault::Unknown, 2, 14)]
    );
    assert_eq!(
        faults("interface Loopback1\n crypto map M"),
        [(Fault::Unsupported, 2, 2)]
    );
}

#[test]
fn no_in_front_of_what_the_headend_never_does_says_what_is_so() {
    for text in [
        "no ip domain lookup",
        "no cdp run",
        "no crypto isakmp default policy",
        "no aaa accounting network L",
        "no interface Tunnel0",
        "crypto ikev2 profile P\n no config-exchange request",
        "crypto ikev2 profile P\n no reconnect",
        "crypto ikev2 profile P\n no lifetime certificate",
        "interface Virtual-Template1 type tunnel\n no tunnel protection ipsec initiate",
        "interface GigabitEthernet1\n no mop enabled",
    ] {
        candidate(text);
    }
    let lifetime = candidate("crypto ikev2 profile P\n lifetime 500\n no lifetime certificate");
    assert_eq!(lifetime.profiles.get("P").unwrap().lifetime, Some(500));
    // What Linux or the headend does all the same cannot be had otherwise; nor is a whole line undone by half of it.
    for (text, line) in [
        ("no ip routing", 1),
        ("no ntp server 192.0.2.1", 1),
        ("no service timestamps", 1),
        ("default cdp run", 1),
        ("interface GigabitEthernet1\n no negotiation auto", 2),
        ("username u password p\nno username u secret 5 x", 2),
        (
            "ip local pool P 10.0.0.1 10.0.0.2\nno ip local pool P 10.0.0.1 10.0.0.2 group G",
            2,
        ),
    ] {
        let found = only(text);
        assert_eq!(
            (found.fault, found.at.line),
            (Fault::Unsupported, line),
            "{text}"
        );
    }
}

#[test]
fn what_the_headend_does_anyway_is_taken() {
    for text in [
        "crypto ipsec nat-transparency udp-encapsulation",
        "crypto ipsec fragmentation after-encryption",
        "crypto ipsec security-association ecn propagate",
        "crypto ipsec profile P\n set security-association ecn propagate",
        "crypto logging ikev2",
        "crypto logging session",
        "crypto pki trustpoint T\n revocation-check none",
    ] {
        assert_eq!(candidate(text).actions, []);
    }
}

#[test]
fn sessions_are_logged_by_the_lines_of_ikev2_until_one_takes_that_away_and_by_others_on_demand() {
    let logging = |text: &str| {
        let logging = snapshot(text).ikev2.logging;
        (logging.ikev2, logging.session)
    };
    let (ikev2, session) = ("crypto logging ikev2", "crypto logging session");
    for (text, ikev2, session) in [
        (String::new(), true, false),
        (format!("no {ikev2}"), false, false),
        (format!("no {ikev2}\n{session}"), false, true),
        (format!("no {ikev2}\n{session}\n{ikev2}"), true, true),
        (format!("no {ikev2}\ndefault {ikev2}"), true, false),
        (format!("{session}\nno {ikev2}\nno {session}"), false, false),
        (format!("{session}\ndefault {session}"), true, false),
    ] {
        assert_eq!(logging(&text), (ikev2, session), "{text}");
        // Only what a router that was told nothing would not do is written.
        let written = render(&candidate(&text));
        assert_eq!(written.contains("\nno crypto logging ikev2\n"), !ikev2);
        assert_eq!(written.contains("\ncrypto logging session\n"), session);
        assert_eq!(
            written.matches("crypto logging").count(),
            usize::from(!ikev2) + usize::from(session)
        );
        assert_eq!(logging(&written), (ikev2, session), "{written}");
    }
}

#[test]
fn an_admission_limit_is_a_limit_of_ikev2() {
    let limits = |text: &str| {
        let limits = snapshot(text).ikev2.limits;
        (limits.most_sas(), limits.most_negotiating())
    };
    let both = "crypto call admission limit ike sa 20000\n\
        crypto call admission limit ike in-negotiation-sa 500\n";
    assert_eq!(limits(both), (Some(20_000), Some(500)));
    let less = format!(
        "{both}crypto ikev2 limit max-sa 30\ncrypto ikev2 limit max-in-negotation-sa 600\n"
    );
    assert_eq!(limits(&less), (Some(30), Some(500)));
    let none = (None, Some(DEFAULT_NEGOTIATING));
    assert_eq!(limits("crypto call admission limit ike sa 0"), none);
    let undone = format!(
        "{both}no crypto call admission limit ike sa\nno crypto call admission limit ike in-negotiation-sa 500\n"
    );
    assert_eq!(limits(&undone), none);
    let written = render(&candidate(both));
    assert!(both.lines().all(|line| written.contains(line)), "{written}");
}

#[test]
fn a_passphrase_may_follow_its_file_at_once() {
    for line in [
        "crypto pki import T pkcs12 bootflash:a.p12 hunter2",
        "crypto pki import T pkcs12 bootflash:a.p12 password hunter2",
        "crypto pki import T pkcs12 bootflash:a.p12 pass hunter2",
        "crypto pki import T pkcs12 bootflash:a.p12 p hunter2",
    ] {
        let candidate = candidate(line);
        let Action::ImportPkcs12 { password, .. } = &candidate.actions[0].value else {
            panic!("an import")
        };
        assert_eq!(password.reveal(), "hunter2");
    }
    // Alone, and as no abbreviation, a word is the passphrase.
    for passphrase in ["pass", "pass1 hunter2"] {
        let candidate = candidate(&format!(
            "crypto pki import T pkcs12 bootflash:a.p12 {passphrase}"
        ));
        let Action::ImportPkcs12 { password, .. } = &candidate.actions[0].value else {
            panic!("an import")
        };
        assert_eq!(password.reveal(), passphrase);
    }
}

#[test]
fn lines_without_effect_say_so() {
    assert_eq!(
        warnings("crypto ikev2 http-url cert"),
        [(
            1,
            "certificates that clients name by a URL are not fetched".to_owned()
        )]
    );
    assert_eq!(warnings("no crypto ikev2 http-url cert"), []);
    assert_eq!(warnings(""), []);
    let routes = "routes that clients send are not installed".to_owned();
    for accept in ["route accept any", "route accept any tag 7 distance 9"] {
        let text = format!("crypto ikev2 authorization policy A\n {accept}");
        assert_eq!(warnings(&text), [(2, routes.clone())]);
    }
    // Nobody wrote the smart default's own line.
    assert_eq!(
        warnings("crypto ikev2 authorization policy default\n pfs"),
        []
    );
    assert_eq!(
        warnings("interface GigabitEthernet1\n shutdown"),
        [(
            1,
            "GigabitEthernet1 is a device of Linux, which `shutdown` does not take down".to_owned()
        )]
    );
    let vlan = "interface GigabitEthernet0/0/1.100";
    assert_eq!(
        warnings(vlan),
        [(
            1,
            "GigabitEthernet0/0/1.100 is a sub-interface, which the headend does not make: VLANs are devices of Linux, and tied to \
             none it has no effect"
                .to_owned()
        )]
    );
    assert_eq!(warnings(&format!("{vlan}\n device eth0.100")), []);
    for (interface, told) in [
        (
            "GigabitEthernet1",
            "GigabitEthernet1 is a device of Linux, whose MTU `ip mtu` does not set",
        ),
        (
            "Loopback7",
            "`ip mtu` below Loopback7 has no effect: what tunnels carry is that of their Virtual-Template",
        ),
    ] {
        let text = format!("interface {interface}\n ip mtu 1300");
        assert_eq!(warnings(&text), [(1, told.to_owned())]);
    }
}

#[test]
fn the_profile_of_a_template_that_is_shut_down_takes_its_clients_and_refuses_them() {
    // Another profile takes the same clients, to the same template or to one that is up.
    let second = |template: u32| {
        let begin = EXAMPLE.find("crypto ikev2 profile ").unwrap();
        let (_, block) = EXAMPLE.split_at(begin);
        let end = block.find("\n!").unwrap();
        let (block, _) = block.split_at(end);
        block
            .replace("profile AnyConnect-EAP", "profile SECOND")
            .replace(
                "virtual-template 100",
                &format!("virtual-template {template}"),
            )
    };
    let begin = EXAMPLE.find("interface Virtual-Template100").unwrap();
    let (_, interface) = EXAMPLE.split_at(begin);
    let (interface, _) = interface.split_at(interface.find("\n!").unwrap());
    let other = interface.replace("Virtual-Template100", "Virtual-Template101");
    let two = format!("{EXAMPLE}\n{other}\n!\n{}\n", second(101));
    let down = "\ninterface Virtual-Template100\n shutdown\n";
    let shadowed = "the profile `SECOND` matches an identity that `AnyConnect-EAP` matches first";
    let shut = "Virtual-Template100 is shut down, so the profile `AnyConnect-EAP` takes its clients and refuses them";
    for (text, is_shut) in [(two.clone(), false), (format!("{two}{down}"), true)] {
        let read = snapshot(&text);
        let profile = read.profile_for(HERE, ANYCONNECT).unwrap();
        assert_eq!(profile.name.as_str(), "AnyConnect-EAP");
        assert_eq!(profile.virtual_template.interface.shutdown, is_shut);
        let told = |what: &str| read.warnings.iter().any(|one| one.message == what);
        assert_eq!(told(shut), is_shut, "{:?}", read.warnings);
        // The second one is never reached, whether the first one's template is up or not.
        assert!(told(shadowed), "{:?}", read.warnings);
    }
    // A profile that is shut down itself is as good as not there.
    let read = snapshot(&format!(
        "{two}\ncrypto ikev2 profile AnyConnect-EAP\n shutdown\n{down}"
    ));
    let profile = read.profile_for(HERE, ANYCONNECT).unwrap();
    assert_eq!(profile.name.as_str(), "SECOND");
    let told = |what: &str| read.warnings.iter().any(|one| one.message == what);
    assert!(!told(shadowed) && !told(shut), "{:?}", read.warnings);
}
