//! What typed lines come to.

use super::*;
use crate::parse;

fn typed(lines: &[&str]) -> (Typist, Candidate, Typed) {
    let mut typist = Typist::new("terminal");
    let mut candidate = Candidate::default();
    let mut last = Typed::Done;
    for line in lines {
        last = typist.line(&mut candidate, line);
    }
    (typist, candidate, last)
}

#[test]
fn lines_lead_into_modes_and_out_of_them() {
    let mut typist = Typist::new("terminal");
    let mut candidate = Candidate::default();
    for (line, mode) in [
        ("crypto ikev2 proposal P", ModeKind::Ikev2Proposal),
        ("encr aes-cbc-256", ModeKind::Ikev2Proposal),
        ("exit", ModeKind::Global),
        ("cry ikev key K", ModeKind::Ikev2Keyring),
        ("peer A", ModeKind::Ikev2KeyringPeer),
        ("exit", ModeKind::Ikev2Keyring),
        // A line of another mode leaves this one.
        ("crypto ikev2 proposal P", ModeKind::Ikev2Proposal),
        ("! a comment", ModeKind::Ikev2Proposal),
        ("", ModeKind::Ikev2Proposal),
        ("no crypto ikev2 proposal P", ModeKind::Global),
    ] {
        assert_eq!(typist.line(&mut candidate, line), Typed::Done, "{line}");
        assert_eq!(typist.mode(), mode, "{line}");
    }
    for line in ["exit", "end", "\u{1a}", "^Z"] {
        assert_eq!(typist.line(&mut candidate, line), Typed::Left, "{line:?}");
    }
    typist.line(&mut candidate, "crypto ikev2 keyring K");
    assert_eq!(typist.line(&mut candidate, "end"), Typed::Left);
}

#[test]
fn a_refused_line_changes_nothing_and_the_next_one_is_judged_by_itself() {
    let (mut typist, mut candidate, last) =
        typed(&["hostname a", "crypto isakmp policy 1", "encr aes"]);
    let Typed::Refused(fault) = last else {
        panic!("{last:?}")
    };
    assert_eq!((fault.fault, fault.at.line), (Fault::Unsupported, 3));
    let before = candidate.clone();
    let wrong = typist.line(&mut candidate, "crypto ikev2 window 900");
    assert!(matches!(wrong, Typed::Refused(_)));
    assert_eq!(candidate, before);
}

#[test]
fn a_line_that_is_refused_by_name_is_so_in_every_object() {
    const OBJECTS: [&str; 9] = [
        "hostname Router",
        "crypto ikev2 authorization policy A",
        "crypto ikev2 profile P",
        "crypto ikev2 keyring K",
        "crypto ikev2 proposal P",
        "crypto ipsec profile I",
        "interface GigabitEthernet1",
        "interface Virtual-Template1 type tunnel",
        "ip access-list standard L",
    ];
    let refusal = |object: &str, line: &str| match typed(&[object, line]) {
        (typist, _, Typed::Refused(fault)) => (typist.mode(), fault),
        (_, _, other) => panic!("{object}: {line}: {other:?}"),
    };
    for line in [
        "router ospf 1",
        "line vty 0 4",
        "ntp server 192.0.2.1",
        "snmp-server community x",
        "ip route 0.0.0.0 0.0.0.0 192.0.2.1",
        "crypto isakmp policy 1",
    ] {
        let (_, outside) = refusal("hostname Router", line);
        assert_eq!(outside.fault, Fault::Unsupported, "{line}");
        for object in OBJECTS {
            let (mode, inside) = refusal(object, line);
            assert_eq!(inside.message, outside.message, "{object}: {line}");
            // The next line belongs where this one stood, unless a router has lines below this one.
            let (typist, _, _) = typed(&[object]);
            let is_block = ["router", "line", "crypto"]
                .iter()
                .any(|word| line.starts_with(word));
            let expected = if is_block {
                ModeKind::Refused
            } else {
                typist.mode()
            };
            assert_eq!(mode, expected, "{object}: {line}");
            // So it is in a file, however it is written there.
            for indent in [" ", ""] {
                let parsed = parse(&format!("{object}\n{indent}{line}\n"), "file");
                let told = parsed.diagnostics.iter().map(|one| &*one.message);
                assert!(told.eq([&*outside.message]), "{object}: {line}");
            }
        }
    }
    // What belongs to another object is not taken for the beginning of such a line.
    let (_, inside) = refusal("crypto ikev2 profile P", "route set interface");
    assert_eq!(inside.fault, Fault::Unknown);
}

#[test]
fn what_is_to_be_taken_away_and_is_not_there_is_told_of() {
    let text = include_str!("../../../examples/flexvpn-headend.conf");
    let keyring = "crypto ikev2 keyring K\npeer A\naddress 192.0.2.1\nexit\nexit\n";
    let lines: Vec<&str> = text.lines().chain(keyring.lines()).collect();
    for (object, line, there) in [
        ("", "no ip local pool ACPool 10.9.9.1 10.9.9.9", false),
        (
            "",
            "no ip local pool ACPool 192.168.10.5 192.168.10.10",
            true,
        ),
        ("", "no ip local pool Other", false),
        ("", "no username nobody", false),
        ("", "no username test", true),
        ("", "no crypto ikev2 profile Other", false),
        ("", "no crypto ikev2 proposal Other", false),
        ("", "no crypto ikev2 proposal default", true),
        ("", "no interface Loopback9", false),
        ("", "no crypto ikev2 window 7", false),
        ("", "no aaa authentication login nobody", false),
        ("", "no ip access-list standard nobody", false),
        ("crypto ikev2 keyring K", "no peer B", false),
        ("crypto ikev2 keyring K", "no peer A", true),
        (
            "crypto ikev2 keyring K\npeer A",
            "no address 192.0.2.9",
            false,
        ),
        (
            "crypto ikev2 keyring K\npeer A",
            "no address 192.0.2.1",
            true,
        ),
        (
            "crypto ikev2 keyring K\npeer A",
            "no hostname a.example",
            false,
        ),
        (
            "crypto ikev2 keyring K\npeer A",
            "no identity key-id a",
            false,
        ),
        ("crypto ikev2 keyring K\npeer A", "no peer B", false),
        (
            "crypto ikev2 keyring K\npeer A",
            "no username nobody",
            false,
        ),
        (
            "crypto ikev2 profile AnyConnect-EAP",
            "no dpd 10 2 periodic",
            false,
        ),
        ("ip access-list standard split_tunnel", "no 999", false),
    ] {
        let (mut typist, mut candidate, _) = typed(&lines);
        for object in object.lines() {
            assert_eq!(typist.line(&mut candidate, object), Typed::Done, "{object}");
        }
        let before = candidate.clone();
        let said = typist.line(&mut candidate, line);
        let expected = if there { Typed::Done } else { Typed::Nothing };
        assert_eq!(said, expected, "{line}");
        assert_eq!(candidate != before, there, "{line}");
        // What has been taken away is not there a second time.
        if there && !line.ends_with("default") {
            assert_eq!(typist.line(&mut candidate, line), Typed::Nothing, "{line}");
        }
    }
    // Whoever only makes sure of how it is has not mistyped anything.
    for line in [
        "no ip http server",
        "no ip http secure-server",
        "no router ospf 1",
        "no aaa new-model",
        "no crypto logging session",
        "no hostname",
        "default crypto ikev2 window",
    ] {
        let (_, _, said) = typed(&[line]);
        assert_eq!(said, Typed::Done, "{line}");
    }
    let (_, _, said) = typed(&["interface GigabitEthernet1", "no shutdown"]);
    assert_eq!(said, Typed::Done);
}

#[test]
fn a_range_that_overlaps_another_of_its_pool_is_refused_with_what_makes_the_pool_grow() {
    let pool = "ip local pool P 10.0.0.5 10.0.0.10";
    for (line, growth) in [
        (
            "ip local pool P 10.0.0.1 10.0.0.20",
            "; to grow the pool, add `ip local pool P 10.0.0.1 10.0.0.4` and `ip local pool P 10.0.0.11 10.0.0.20`",
        ),
        (
            "ip local pool P 10.0.0.6 10.0.0.9",
            "; the pool has all of these addresses",
        ),
    ] {
        let (_, _, last) = typed(&[pool, line]);
        let Typed::Refused(fault) = last else {
            panic!("{last:?}")
        };
        let message =
            format!("the range overlaps 10.0.0.5 to 10.0.0.10, another of this pool{growth}");
        assert_eq!((fault.fault, fault.message), (Fault::Conflict, message));
    }
    let (_, _, last) = typed(&[pool, pool, "ip local pool P 10.0.0.11 10.0.0.20"]);
    assert_eq!(last, Typed::Done);
}

#[test]
fn an_object_that_is_gone_is_not_typed_into() {
    let (mut typist, mut candidate, _) = typed(&["crypto ikev2 policy P"]);
    candidate.policies.remove("P");
    let line = typist.line(&mut candidate, "proposal x");
    assert!(matches!(line, Typed::Refused(fault) if fault.fault == Fault::Unknown));
    assert_eq!(typist.mode(), ModeKind::Global);
}

#[test]
fn a_banner_is_typed_over_several_lines() {
    let lines = [
        "crypto ikev2 authorization policy p",
        "banner #one",
        "! two",
        "",
        "three#",
        "pfs",
    ];
    let (typist, candidate, last) = typed(&lines);
    assert_eq!(last, Typed::Done);
    assert!(!typist.is_in_text());
    assert_eq!(candidate, parse(&lines.join("\n"), "file").candidate);
    let (mut typist, mut candidate, _) = typed(&lines[..2]);
    assert!(typist.is_in_text());
    let mut last = Typed::Done;
    for _ in 0..60 {
        last = typist.line(&mut candidate, "more");
        if last != Typed::Done {
            break;
        }
    }
    assert!(matches!(last, Typed::Refused(fault) if fault.fault == Fault::Incomplete));
}

#[test]
fn what_is_typed_is_what_is_read_from_a_file() {
    let text = include_str!("../../../examples/flexvpn-headend.conf");
    let lines: Vec<&str> = text.lines().collect();
    let (_, mut candidate, last) = typed(&lines);
    candidate.settle();
    assert_eq!(last, Typed::Done);
    assert_eq!(candidate, parse(text, "file").candidate);
}

/// A refused line with lines of its own, and lines below it that must change nothing, in several hands.
const REFUSED: [(&str, &[&str], &[&str]); 8] = [
    (
        "interface Tunnel0",
        &["interface Loopback100"],
        &[
            "ip address 10.255.0.1 255.255.255.0",
            "tunnel mode ipsec ipv4",
            "shutdown",
        ],
    ),
    (
        "interface Vlan1",
        &[
            "interface Virtual-Template100 type tunnel",
            "ip unnumbered Loopback100",
        ],
        &[
            "description x",
            "no ip unnumbered",
            "no ip address",
            "shutdown",
        ],
    ),
    (
        "route-map X permit 10",
        &["crypto ikev2 profile P", "match identity remote any"],
        &["match address local 9.9.9.9", "set ip next-hop 10.0.0.1"],
    ),
    (
        "line vty 0 4",
        &["interface Loopback100", "description mine"],
        &[
            "description theirs",
            "transport input ssh",
            "no description",
        ],
    ),
    (
        "crypto pki certificate chain TP",
        &[],
        &[
            "certificate ca 01",
            "  30820321 30820209 A0030201 02020101",
            "  \tquit",
        ],
    ),
    (
        "vrf definition RED",
        &["crypto ikev2 keyring K", "peer A"],
        &[
            "rd 1:1",
            "address 192.0.2.1",
            "address-family ipv4",
            "exit-address-family",
        ],
    ),
    (
        "crypto ipsec transform-set OLD esp-3des esp-sha-hmac",
        &[
            "crypto ipsec transform-set NEW esp-gcm 256",
            "mode transport",
        ],
        &["mode tunnel"],
    ),
    (
        "crypto isakmp policy 10",
        &["crypto ikev2 proposal P"],
        &["encryption aes-cbc-256", "encr 3des", "group 14"],
    ),
];

#[test]
fn lines_below_a_refused_one_change_no_other_object() {
    for indent in ["", " "] {
        for (header, before, below) in REFUSED {
            let (mut typist, mut candidate, last) = typed(before);
            assert_eq!(last, Typed::Done, "{header}");
            let unchanged = candidate.clone();
            let refused = typist.line(&mut candidate, header);
            assert!(
                matches!(&refused, Typed::Refused(fault) if fault.fault == Fault::Unsupported),
                "{header}: {refused:?}"
            );
            assert_eq!(typist.mode(), ModeKind::Refused, "{header}");
            for line in below {
                let line = format!("{indent}{line}");
                match typist.line(&mut candidate, &line) {
                    Typed::Done => {}
                    Typed::Refused(fault) => {
                        assert_eq!(fault.fault, Fault::Unsupported, "{header}: {line}");
                    }
                    Typed::Left | Typed::Nothing | Typed::Told(_) => panic!("{header}: {line}"),
                }
                assert_eq!(candidate, unchanged, "{header}: {line}");
                assert_eq!(typist.mode(), ModeKind::Refused, "{header}: {line}");
            }
            // The next line that stands outside of every object is taken there.
            assert_eq!(typist.line(&mut candidate, "hostname next"), Typed::Done);
            assert_eq!(typist.mode(), ModeKind::Global, "{header}");
        }
    }
}

// A line on the left of a pasted configuration belongs to no object before it, whether it is known, mistyped, or one that this
// object has in another sense.
#[test]
fn a_line_on_the_left_of_a_paste_leaves_the_object_before_it() {
    for header in [
        "crypto map CM 10 ipsec-isakmp",
        "vrf definition MGMT",
        "ip vrf MGMT",
        "ipv6 router ospf 1",
        "ipv6 dhcp pool P",
        "zone security Z",
        "interface Serial0/1/0",
        "interface Loopback 300x",
        "interfce Loopback7",
        "template T",
        "bfd-template single-hop B",
    ] {
        for before in [
            &["interface GigabitEthernet2", " description LAN"][..],
            &["interface GigabitEthernet2", "description LAN", "!"],
        ] {
            let (mut typist, mut candidate, _) = typed(before);
            let expected = candidate.clone();
            for line in [header, " description T1", " no ip address", " shutdown"] {
                typist.line(&mut candidate, line);
            }
            assert_eq!(candidate, expected, "{header}");
        }
    }
    // Who types by hand stays where the mistake was made.
    let (typist, ..) = typed(&[
        "interface GigabitEthernet2",
        "description LAN",
        "desciption B",
    ]);
    assert_eq!(typist.mode(), ModeKind::GigabitEthernet);
}

#[test]
fn of_lines_below_a_refused_one_a_paste_is_told_once_and_a_typist_each_time() {
    let refusals = |lines: &[&str]| {
        let (mut typist, mut candidate, _) = typed(&[]);
        let mut told = Vec::new();
        for line in lines {
            if let Typed::Refused(fault) = typist.line(&mut candidate, line) {
                told.push((fault.at.line, fault.message));
            }
        }
        told
    };
    let pasted = refusals(&[
        "line vty 0 4",
        " exec-timeout 0 0",
        " password x",
        " login local",
        "!",
    ]);
    let typed = refusals(&[
        "line vty 0 4",
        "exec-timeout 0 0",
        "password x",
        "exit",
        "hostname a",
    ]);
    let below = "not supported by this headend: what stands below `line`";
    let lines = |told: &[(u32, String)]| told.iter().map(|(line, _)| *line).collect::<Vec<_>>();
    assert_eq!(lines(&pasted), [1, 2]);
    assert_eq!(lines(&typed), [1, 2, 3]);
    assert_eq!(pasted[1].1, below);
    assert_eq!(typed[2].1, below);
}

#[test]
fn a_refused_mode_is_left_like_any_other() {
    for (line, last, mode) in [
        ("exit", Typed::Done, ModeKind::Global),
        ("end", Typed::Left, ModeKind::Global),
        ("\u{1a}", Typed::Left, ModeKind::Refused),
        ("!", Typed::Done, ModeKind::Refused),
        ("", Typed::Done, ModeKind::Refused),
        ("interface Loopback1", Typed::Done, ModeKind::Loopback),
        (
            "no crypto ikev2 profile P",
            Typed::Nothing,
            ModeKind::Global,
        ),
    ] {
        let (mut typist, mut candidate, _) = typed(&["interface Tunnel0"]);
        assert_eq!(typist.line(&mut candidate, line), last, "{line:?}");
        assert_eq!(typist.mode(), mode, "{line:?}");
    }
    // The `exit` of a mode within it leaves nothing else.
    let nested = [
        "router bgp 1",
        " address-family ipv4",
        "  neighbor 192.0.2.1 activate",
        "  exit",
        " exit",
        "hostname a",
    ];
    let (typist, candidate, last) = typed(&nested);
    assert_eq!((typist.mode(), last), (ModeKind::Global, Typed::Done));
    assert!(candidate.hostname.is_some());
    // What is no line of its own is told of where it stands once the lines below are further to the right.
    let (typist, _, last) = typed(&["line vty 0 4", " login", "crpyto ikev2 profile P"]);
    assert!(matches!(last, Typed::Refused(fault) if fault.fault == Fault::Unknown));
    assert_eq!(typist.mode(), ModeKind::Global);
    // A line that is known outside and is wrong there is told of as well.
    let (typist, _, last) = typed(&["line vty 0 4", "crypto ikev2 window 900"]);
    assert!(matches!(last, Typed::Refused(fault) if fault.fault == Fault::Value));
    assert_eq!(typist.mode(), ModeKind::Global);
}

#[test]
fn a_line_that_is_mistyped_leads_nowhere() {
    for line in [
        "interface Loopbak1",
        "interface Virtual-Template0",
        "crypto ikev2 proposl P",
        "no interface Tunnel0",
        "default interface Tunnel0",
        "crypto isakmp key secret address 192.0.2.1",
        "ntp server 192.0.2.1",
    ] {
        let (mut typist, mut candidate, _) = typed(&["interface Loopback100"]);
        typist.line(&mut candidate, line);
        assert_ne!(typist.mode(), ModeKind::Refused, "{line}");
    }
}

#[test]
fn a_banner_that_is_refused_is_refused_to_its_end() {
    let lines = [
        "interface Loopback100",
        "banner motd ^C",
        "shutdown",
        "hostname mine",
        "^C",
        "description after",
    ];
    let (_, candidate, last) = typed(&lines);
    assert_eq!(last, Typed::Done);
    assert!(candidate.hostname.is_none());
    let (name, _) = candidate.interfaces.iter().next().unwrap();
    assert!(!candidate.interfaces[name].value.shutdown);
    for text in [
        lines.join("\n"),
        lines[1..]
            .join("\n")
            .replace("description after", "hostname a"),
    ] {
        let parsed = parse(&text, "file");
        assert_eq!(
            parsed.diagnostics.len(),
            1,
            "{text}: {:?}",
            parsed.diagnostics
        );
    }
    // One line holds all of it.
    let (_, candidate, last) = typed(&["banner login #no access#", "hostname a"]);
    assert_eq!(last, Typed::Done);
    assert!(candidate.hostname.is_some());
}

#[test]
fn no_text_below_a_refused_line_is_taken_for_lines() {
    let text = [
        "hostname mine",
        "username u password x",
        "interface Loopback7",
        "exit",
        "^C",
    ];
    for above in [
        &["control-plane", "!"][..],
        &["line vty 0 4", " login local"],
        &["line vty 0 4", "login local"],
        &["router bgp 1", " bgp log-neighbor-changes", "!"],
        &[
            "interface Tunnel0",
            " ip address 10.0.0.1 255.255.255.0",
            "!",
        ],
        &["crypto ikev2 authorization policy a b"],
        &["ip nat inside source list 1 interface Tunnel0 overload"],
        &["snmp-server community public"],
    ] {
        for begins in [
            "banner motd ^C",
            "banner ^C",
            " banner ^C",
            " banner login ^C",
        ] {
            let mut lines = above.to_vec();
            lines.push(begins);
            lines.extend(text);
            let last = ["!", "crypto ikev2 profile P"];
            lines.extend(last);
            let (_, candidate, _) = typed(&lines);
            let parsed = parse(&lines.join("\n"), "file");
            for candidate in [&candidate, &parsed.candidate] {
                assert!(candidate.hostname.is_none(), "{lines:?}");
                assert_eq!(
                    candidate.users.len() + candidate.interfaces.len(),
                    0,
                    "{lines:?}"
                );
                assert_eq!(candidate.profiles.len(), 1, "{lines:?}");
            }
        }
    }
    // A long one as well: nobody has to stay within what is kept of a text.
    let long = "hostname mine\n".repeat(150);
    let parsed = parse(
        &format!("banner motd ^C\n{long}^C\naaa new-model\n"),
        "file",
    );
    assert!(parsed.candidate.hostname.is_none() && parsed.candidate.aaa.new_model);
}

#[test]
fn what_is_refused_by_name_and_has_no_lines_of_its_own_leads_back_out() {
    let begun = ["interface GigabitEthernet2", " description LAN", "!"];
    for line in [
        "snmp-server community public RO",
        "ip nat inside source list 1 interface TenGigabitEthernet0/0/0 overload",
    ] {
        for before in [&[][..], &begun] {
            let (typist, ..) = typed(&[before, &[line]].concat());
            assert_eq!(typist.prompt(), "config", "{line}");
        }
    }
    assert_eq!(
        typed(&["interface TenGigabitEthernet0/0/0"]).0.prompt(),
        "config-if"
    );
}

#[test]
fn the_text_of_a_macro_is_passed_over_to_its_end_and_nothing_of_it_is_done() {
    let lines = [
        "interface Loopback100",
        "macro name port",
        "# for every port",
        "shutdown",
        "hostname mine",
        "username a@b password secret",
        "end",
        "@",
        "description after",
    ];
    let (mut typist, mut candidate, last) = typed(&lines[..2]);
    assert!(matches!(last, Typed::Refused(fault) if fault.fault == Fault::Unsupported));
    for line in &lines[2..8] {
        assert!(typist.is_in_text(), "{line}");
        assert_eq!(typist.line(&mut candidate, line), Typed::Done, "{line}");
    }
    assert!(!typist.is_in_text());
    assert_eq!(typist.line(&mut candidate, lines[8]), Typed::Done);
    let is_untouched = |candidate: &Candidate| {
        let (name, _) = candidate.interfaces.iter().next().unwrap();
        assert!(!candidate.interfaces[name].value.shutdown);
        assert!(candidate.hostname.is_none() && candidate.users.iter().next().is_none());
    };
    is_untouched(&candidate);
    // In a file as well, with the end behind the last line and with blanks around it.
    let file = lines
        .join("\n")
        .replace("description after", "aaa new-model");
    for text in [
        file.clone(),
        file.replace('\n', "\r\n").replace("\r\n@\r\n", " @\r\n"),
        file.replace("\n@\n", "\n  @ \n"),
    ] {
        let parsed = parse(&text, "file");
        assert_eq!(
            parsed.diagnostics.len(),
            1,
            "{text}: {:?}",
            parsed.diagnostics
        );
        is_untouched(&parsed.candidate);
    }
    // Other lines of macros have no text, and one that has no end does not go on for ever.
    for line in ["macro global apply port", "macro auto monitor"] {
        let (typist, _, last) = typed(&[line]);
        assert!(
            matches!(last, Typed::Refused(fault) if fault.fault == Fault::Unsupported),
            "{line}"
        );
        assert!(!typist.is_in_text(), "{line}");
    }
    let endless = format!("macro name port\n{}hostname a\n", "shutdown\n".repeat(200));
    assert!(parse(&endless, "file").candidate.hostname.is_some());
}

#[test]
fn a_refused_mode_has_the_prompt_of_a_router() {
    for (line, prompt) in [
        ("interface Tunnel0", "config-if"),
        ("line vty 0 4", "config-line"),
        ("router ospf 1", "config-router"),
        ("route-map X", "config-route-map"),
        ("crypto isakmp policy 1", "config-isakmp"),
        ("crypto ipsec transform-set T esp-3des", "cfg-crypto-trans"),
        ("crypto pki certificate chain TP", "config-cert-chain"),
        ("vrf definition A", "config-vrf"),
        ("ip dhcp pool A", "dhcp-config"),
        ("webvpn gateway A", "config-other"),
        ("hostname a", "config"),
        ("interface Loopback1", "config-if"),
    ] {
        assert_eq!(typed(&[line]).0.prompt(), prompt, "{line}");
    }
}

#[test]
fn an_interface_is_set_to_its_defaults_and_stays() {
    let (mut typist, mut candidate, _) = typed(&[
        "interface Loopback100",
        "ip address 192.0.2.1 255.255.255.255",
        "shutdown",
        "interface GigabitEthernet1",
        "device eth0",
        "description x",
        "interface Virtual-Template1 type tunnel",
        "ip unnumbered Loopback100",
    ]);
    for (line, said) in [
        (
            "default int lo100",
            "Interface Loopback100 set to default configuration",
        ),
        (
            "default interface GigabitEthernet1",
            "Interface GigabitEthernet1 set to default configuration",
        ),
        (
            "default interface vt1",
            "Interface Virtual-Template1 set to default configuration",
        ),
        (
            "default interface Loopback5",
            "Interface Loopback5 is not configured",
        ),
    ] {
        assert_eq!(
            typist.line(&mut candidate, line),
            Typed::Told(said.into()),
            "{line}"
        );
    }
    let text = crate::render(&candidate);
    // What stands for what is no line that a router would take away.
    assert_eq!(
        text.lines()
            .filter(|line| line.trim_start().starts_with("interface") || line.contains("device"))
            .collect::<Vec<_>>(),
        [
            "interface Loopback100",
            "interface GigabitEthernet1",
            " device eth0",
            "interface Virtual-Template1 type tunnel",
        ],
    );
    // What is a device is not removed; what is none, is.
    let refused = typist.line(&mut candidate, "no interface GigabitEthernet1");
    let Typed::Refused(fault) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        fault
            .message
            .starts_with("Removal of physical interfaces is not permitted")
    );
    for line in [
        "interface Gi1",
        "no device",
        "no interface Gi1",
        "no interface lo100",
    ] {
        assert_eq!(typist.line(&mut candidate, line), Typed::Done, "{line}");
    }
    assert_eq!(candidate.interfaces.len(), 1);
}
