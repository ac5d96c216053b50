//! What single lines mean, and what the whole means: resolution, selection, smart defaults.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail by panicking"
)]

mod ipsec;
mod refusals;
mod router;

use std::net::{IpAddr, Ipv4Addr};

use ironflex_profiles::{
    Candidate, Diagnostic, Fault, PeerIdentity, Severity, Snapshot, check,
    model::{
        Action, HiddenDefaults,
        aaa::Method,
        acl::{AccessEntry, AddressMatch},
        ikev2::{
            AuthorizationFor, Dpd, DpdMode, Encryption, Group, IdentityMatch, Integrity,
            LocalIdentity, Prf, RemoteAuthentication, TrustpointUse,
        },
        interface::{Addressing, DeviceName, InterfaceName},
        ipsec::{AesKey, EspIntegrity, EspTransform, GcmKey, Mode},
        name::Name,
        net::Ipv4Net,
        pki::Enrollment,
    },
    parse, render, resolve,
    snapshot::{AnyConnectEap, LocalMethod, RemoteMethods, Trustpoint},
    tree::ModeKind,
    typing::{Typed, Typist},
};

/// The configuration of the public document, as it is shipped.
const EXAMPLE: &str = include_str!("../../../examples/flexvpn-headend.conf");

fn candidate(text: &str) -> Candidate {
    let parsed = parse(text, "t");
    assert_eq!(parsed.diagnostics, [], "{text}");
    parsed.candidate
}

fn faults(text: &str) -> Vec<(Fault, u32, u32)> {
    parse(text, "t")
        .diagnostics
        .iter()
        .map(|d| (d.fault, d.at.line, d.at.column))
        .collect()
}

fn snapshot(text: &str) -> Snapshot {
    resolve(&candidate(text)).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn refused(text: &str) -> Vec<Diagnostic> {
    resolve(&candidate(text)).unwrap_err()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn net(text: &str, length: u8) -> Ipv4Net {
    Ipv4Net::new(text.parse().unwrap(), length).unwrap()
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ANYCONNECT: PeerIdentity<'_> = PeerIdentity::KeyId(b"*$AnyConnectClient$*");

#[test]
fn the_example_resolves_to_what_its_document_describes() {
    let snapshot = snapshot(EXAMPLE);
    assert_eq!(snapshot.warnings, []);
    assert_eq!(snapshot.hostname, name("Router"));
    assert!(snapshot.ikev2.crash_detection);
    assert_eq!(
        (snapshot.ikev2.window, snapshot.ikev2.fragmentation_mtu),
        (5, None)
    );

    let profile = snapshot.profile_for(HERE, ANYCONNECT).unwrap();
    assert_eq!(profile.name, name("AnyConnect-EAP"));
    let sign = Trustpoint {
        name: name("IKEv2-TP"),
        enrollment: Some(Enrollment::Pkcs12),
    };
    assert_eq!(profile.local, LocalMethod::RsaSig(sign.into()));
    let login = AnyConnectEap {
        cert_request: false,
        list: name("a-eap-authen-local"),
        authentication: Method::Local,
    };
    assert_eq!(
        profile.remote,
        RemoteMethods {
            anyconnect_eap: Some(login),
            rsa_sig: false,
            ecdsa_sig: false,
            pre_share: None,
        }
    );
    assert_eq!(
        (profile.lifetime, profile.dpd, profile.nat_keepalive),
        (86_400, None, None)
    );
    let group = &profile.group_authorization[&AuthorizationFor::AnyConnectEap];
    assert_eq!(group.list, name("a-eap-author-grp"));
    let pool = group.policy.pool.as_ref().unwrap();
    assert_eq!(pool.ranges.iter().map(|range| range.size()).sum::<u64>(), 6);
    assert_eq!(group.policy.dns, [Ipv4Addr::new(10, 0, 1, 1)]);
    assert_eq!(group.policy.tunnelled_networks(), [net("10.0.0.0", 8)]);
    let template = &profile.virtual_template;
    assert_eq!(template.address, Some(Ipv4Addr::new(10, 0, 0, 1)));
    assert_eq!(template.interface.ip_mtu, Some(1400));
    assert_eq!(
        template.ipsec.transform_sets[0].transform,
        EspTransform::Cbc(AesKey::Bits256, EspIntegrity::Sha256)
    );
    assert_eq!(template.ipsec.lifetime_seconds, 3600);
    assert_eq!(template.ipsec.lifetime_kilobytes, Some(4_608_000));
    assert_eq!(template.ipsec.replay_window, Some(64));
    assert_eq!(
        profile.anyconnect_profile.as_ref().unwrap().file.path(),
        "acvpn.xml"
    );

    let policy = snapshot.policy_for(HERE).unwrap();
    assert_eq!(policy.name, name("IKEv2-pol"));
    assert_eq!(policy.proposals[0].encryption, [Encryption::AesCbc256]);
    assert_eq!(policy.proposals[0].prf, [Prf::Sha256]);
    assert_eq!(policy.proposals[0].group, [Group::Group14]);

    let rule = &snapshot.nat[0];
    assert_eq!(rule.networks, [net("192.168.10.0", 24)]);
    assert_eq!(rule.interface.device, None);
    assert_eq!(rule.inside, [InterfaceName::virtual_template(100)]);
    assert_eq!(snapshot.users[&name("test")].password.reveal(), "cisco123");
    assert!(snapshot.ssl_policies[&name("ssl-policy")].enabled);
}

#[test]
fn an_import_is_an_action_and_leaves_its_trustpoint() {
    let candidate = candidate("crypto pki import TP pkcs12 bootflash:a.p12 password two words");
    let [action] = &candidate.actions[..] else {
        panic!("one action")
    };
    let Action::ImportPkcs12 {
        trustpoint,
        file,
        password,
    } = &action.value
    else {
        panic!("an import")
    };
    assert_eq!((trustpoint.as_str(), file.path()), ("TP", "a.p12"));
    assert_eq!(password.reveal(), "two words");
    assert!(!format!("{candidate:?}").contains("two words"));
    assert!(!render(&candidate).contains("two words"));
    assert_eq!(
        candidate.trustpoints.get("TP").unwrap().enrollment,
        Some(Enrollment::Pkcs12)
    );
}

#[test]
fn no_debug_output_holds_a_secret() {
    let candidate = candidate(EXAMPLE);
    let snapshot = resolve(&candidate).unwrap();
    assert!(render(&candidate).contains("cisco123"));
    assert!(!format!("{candidate:?} {snapshot:?}").contains("cisco123"));
}

#[test]
fn an_authority_comes_from_a_pem_file() {
    let candidate = candidate("crypto pki authenticate CA pem bootflash:/keys/ca.pem");
    assert_eq!(candidate.actions.len(), 1);
    let Action::Authenticate { trustpoint, file } = &candidate.actions[0].value else {
        panic!("an authentication")
    };
    assert_eq!((trustpoint.as_str(), file.path()), ("CA", "keys/ca.pem"));
    assert_eq!(
        candidate.trustpoints.get("CA").unwrap().enrollment,
        Some(Enrollment::TerminalPem)
    );
}

// RFC 7296 §3.5#5-6, §4#10: identities of each kind are sent and accepted as configured.
#[test]
fn a_profile_holds_its_identities_and_methods() {
    let text = "crypto ikev2 profile P
 match identity remote address 192.0.2.9 255.255.255.0
 match identity remote address 192.0.2.1
 match identity remote fqdn a.example
 match identity remote fqdn domain example
 match identity remote email a@example
 match identity remote email domain example
 match identity remote key-id k
 match identity remote any
 identity local email head@example
 authentication remote rsa-sig
 authentication remote anyconnect-eap aggregate
 authentication remote anyconnect-eap aggregate cert-request
 pki trustpoint A sign
 pki trustpoint B verify
 pki trustpoint C
 dpd 10 2 on-demand";
    let candidate = candidate(text);
    let profile = candidate.profiles.get("P").unwrap();
    assert_eq!(
        profile.match_identity_remote,
        [
            IdentityMatch::Ipv4(net("192.0.2.0", 24)),
            IdentityMatch::Ipv4(net("192.0.2.1", 32)),
            IdentityMatch::Fqdn(name("a.example")),
            IdentityMatch::FqdnDomain(name("example")),
            IdentityMatch::Email(name("a@example")),
            IdentityMatch::EmailDomain(name("example")),
            IdentityMatch::KeyId(name("k")),
            IdentityMatch::Any,
        ]
    );
    assert_eq!(
        profile.identity_local,
        Some(LocalIdentity::Email(name("head@example")))
    );
    let methods: Vec<_> = profile
        .authentication_remote
        .iter()
        .map(|m| m.value.clone())
        .collect();
    assert_eq!(
        methods,
        [
            RemoteAuthentication::RsaSig,
            RemoteAuthentication::AnyConnectEap { cert_request: true }
        ]
    );
    let uses: Vec<_> = profile.trustpoints.iter().map(|t| t.purpose).collect();
    assert_eq!(
        uses,
        [Some(TrustpointUse::Sign), Some(TrustpointUse::Verify), None]
    );
    let dpd = Dpd {
        interval: 10,
        retry: 2,
        mode: DpdMode::OnDemand,
    };
    assert_eq!(profile.dpd, Some(dpd));
}

#[test]
fn no_takes_back_what_a_line_set() {
    for (mode, line, undo) in [
        ("", "hostname H", "no hostname"),
        ("", "username u password p", "no username u"),
        (
            "",
            "ip local pool P 10.0.0.1 10.0.0.2",
            "no ip local pool P 10.0.0.1 10.0.0.2",
        ),
        ("", "crypto ikev2 window 7", "no crypto ikev2 window"),
        (
            "",
            "crypto ikev2 cookie-challenge 7",
            "no crypto ikev2 cookie-challenge",
        ),
        (
            "",
            "crypto ikev2 limit max-in-negotation-sa 7",
            "no crypto ikev2 limit max-in-negotation-sa",
        ),
        (
            "",
            "crypto ikev2 limit max-in-negotation-sa 7 outgoing",
            "no crypto ikev2 limit max-in-negotation-sa 7 outgoing",
        ),
        (
            "",
            "crypto ikev2 redirect gateway init\ncrypto ikev2 redirect target 192.0.2.7",
            "no crypto ikev2 redirect gateway\nno crypto ikev2 redirect target",
        ),
        (
            "",
            "crypto ikev2 redirect client",
            "no crypto ikev2 redirect client max-redirects 7",
        ),
        (
            "crypto ikev2 profile P",
            "redirect gateway auth",
            "no redirect gateway auth",
        ),
        (
            "",
            "crypto ikev2 limit max-sa 7",
            "no crypto ikev2 limit max-sa 7",
        ),
        (
            "",
            "crypto ikev2 limit queue sa-init 700",
            "no crypto ikev2 limit queue sa-init",
        ),
        (
            "",
            "no crypto ikev2 http-url cert",
            "default crypto ikev2 http-url cert",
        ),
        (
            "",
            "no crypto ikev2 quick-crash-detection",
            "crypto ikev2 quick-crash-detection",
        ),
        (
            "",
            "no crypto ikev2 quick-crash-detection",
            "default crypto ikev2 quick-crash-detection",
        ),
        (
            "",
            "no crypto ikev2 proposal default",
            "default crypto ikev2 proposal",
        ),
        (
            "",
            "access-list 10 permit any",
            "no access-list 10 permit any",
        ),
        ("", "interface lo1", "no interface Loopback 1"),
        (
            "crypto ikev2 profile P",
            "match identity remote fqdn domain d",
            "no match id rem f domain d",
        ),
        (
            "crypto ikev2 profile P",
            "authentication remote rsa-sig",
            "no auth rem rsa-sig",
        ),
        (
            "crypto ikev2 profile P",
            "authentication local ecdsa-sig",
            "no auth local",
        ),
        ("crypto pki trustpoint T", "eckeypair T", "no eckeypair"),
        ("crypto ikev2 profile P", "shutdown", "no shutdown"),
        ("crypto ikev2 profile P", "dpd 10 2 periodic", "no dpd"),
        (
            "crypto ikev2 proposal P",
            "encryption aes-cbc-128",
            "no encryption",
        ),
        ("crypto ikev2 policy P", "proposal X", "no proposal X"),
        (
            "crypto ikev2 authorization policy P",
            "banner ^Cx^C",
            "no banner",
        ),
        (
            "crypto ikev2 authorization policy P",
            "split-dns a",
            "no split-dns a",
        ),
        (
            "crypto ikev2 authorization policy P",
            "route accept any tag 3",
            "no route accept",
        ),
        ("crypto ssl policy P", "no shutdown", "default shutdown"),
        (
            "interface Loopback1",
            "ip address 10.0.0.1 255.0.0.0",
            "no ip address",
        ),
        ("interface gi1", "ip nat outside", "no ip nat outside"),
        (
            "ip access-list standard A",
            "permit 10.0.0.0 0.0.0.255",
            "no permit 10.0.0.7 0.0.0.255",
        ),
        ("ip access-list standard A", "25 permit any", "no 25"),
    ] {
        let before = candidate(mode);
        assert_ne!(candidate(&format!("{mode}\n{line}")), before, "{line}");
        assert_eq!(
            candidate(&format!("{mode}\n{line}\n{undo}")),
            before,
            "{undo}"
        );
    }
}

#[test]
fn words_may_be_abbreviated_while_they_are_unique() {
    let short = "cry ikev prop P\n enc aes-cbc-128\n int sha1\n gr 14\nint gi1\n ip nat o";
    let long = "crypto ikev2 proposal P\n encryption aes-cbc-128\n integrity sha1\n group 14
interface GigabitEthernet1\n ip nat outside";
    assert_eq!(candidate(short), candidate(long));
    assert_eq!(candidate(&long.to_uppercase()), candidate(long));
    assert_eq!(faults("crypto ikev2 p X"), [(Fault::Ambiguous, 1, 14)]);
}

#[test]
fn a_line_of_the_global_mode_leaves_an_object() {
    let candidate = candidate(
        "interface gi1\nip nat inside source list A interface gi1 overload\n\
         crypto ikev2 profile P\naaa authentication anyconnect-eap L\n\
         aaa authentication login L local\nexit\nend",
    );
    assert_eq!(candidate.nat_rules.len(), 1);
    assert_eq!(
        candidate.interfaces.values().next().unwrap().value.nat,
        None
    );
    assert_eq!(candidate.aaa.authentication_login.len(), 1);
    assert!(
        candidate
            .profiles
            .get("P")
            .unwrap()
            .aaa_authentication_anyconnect_eap
            .is_some()
    );
}

#[test]
fn a_repeated_paste_changes_nothing() {
    let once = candidate(EXAMPLE);
    let twice = candidate(&format!("{EXAMPLE}\n{EXAMPLE}"));
    assert_eq!(render(&twice), render(&once));
}

#[test]
fn access_lists_are_held_as_a_router_prints_them() {
    let text = "access-list 10 permit 10.1.2.3 0.255.255.255\naccess-list 10 permit host 192.0.2.1
access-list 100 permit ip 10.0.0.0 0.0.0.255 any\naccess-list 10 remark two words\nhostname H";
    let candidate = candidate(text);
    let standard = candidate.access_lists.get("10").unwrap();
    assert_eq!(
        standard.entries.keys().copied().collect::<Vec<_>>(),
        [10, 20, 30]
    );
    let AccessEntry::Rule { source, .. } = &standard.entries[&10].value else {
        panic!("a rule")
    };
    let wildcard = Ipv4Addr::new(0, 255, 255, 255);
    assert_eq!(
        *source,
        AddressMatch::new(Ipv4Addr::new(10, 0, 0, 0), wildcard)
    );
    assert_eq!(
        standard.entries[&30].value,
        AccessEntry::Remark("two words".into())
    );
    assert_eq!(candidate.hostname, Some(name("H")));
    assert_eq!(
        candidate.access_lists.get("100").unwrap().networks(),
        Ok([net("10.0.0.0", 24)].into())
    );
}

// RFC 7296 §3.3.4#5: a proposal is configured by its algorithms.
#[test]
fn combined_mode_ciphers_need_a_prf_and_no_integrity() {
    // RFC 7296 §3.3: a combined-mode cipher goes without an integrity algorithm.
    let gcm = |lines: &str| EXAMPLE.replace(" encryption aes-cbc-256\n integrity sha256\n", lines);
    let found = refused(&gcm(" encryption aes-gcm-256\n integrity sha256\n"));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].fault, &found[0].expected[..]),
        (Fault::Incomplete, &["prf".into()][..])
    );
    let whole = snapshot(&gcm(
        " encryption aes-gcm-128 aes-gcm-256\n prf sha384\n integrity sha1\n",
    ));
    let proposal = &whole.policy_for(HERE).unwrap().proposals[0];
    assert_eq!(
        (&proposal.integrity[..], &proposal.prf[..]),
        (&[][..], &[Prf::Sha384][..])
    );
    assert_eq!(whole.warnings.len(), 1);
}

#[test]
fn smart_defaults_are_there_until_removed_and_can_be_edited() {
    let whole = snapshot("");
    let policy = whole.policy_for(HERE).unwrap();
    let proposal = &policy.proposals[0];
    assert_eq!(
        (policy.name.as_str(), proposal.name.as_str()),
        ("default", "default")
    );
    assert_eq!(proposal.encryption, [Encryption::AesCbc256]);
    assert_eq!(proposal.integrity, [Integrity::Sha512, Integrity::Sha384]);
    assert_eq!(proposal.prf, [Prf::Sha512, Prf::Sha384]);
    assert_eq!(
        proposal.group,
        [Group::Group19, Group::Group14, Group::Group21]
    );
    let set = &whole.ipsec_profiles[&name("default")].transform_sets[0];
    assert_eq!(
        set.transform,
        EspTransform::Cbc(AesKey::Bits128, EspIntegrity::Sha1)
    );
    assert_eq!(set.mode, Mode::Transport);
    assert!(
        whole.authorization_policies[&name("default")]
            .route_accept
            .is_some()
    );

    let removed =
        snapshot("no crypto ikev2 proposal default\nno crypto ipsec transform-set default");
    assert_eq!(removed.policy_for(HERE), None);
    assert!(!removed.ipsec_profiles.contains_key("default"));
    let edited = snapshot("crypto ikev2 proposal default\n group 31");
    let proposal = &edited.policy_for(HERE).unwrap().proposals[0];
    assert_eq!(proposal.group, [Group::Group31]);
    assert_eq!(proposal.encryption, [Encryption::AesCbc256]);
    let back = candidate("no crypto ikev2 policy default\ncrypto ikev2 policy default");
    assert_eq!(back.hidden_defaults, HiddenDefaults::default());
    let used = EXAMPLE.replace(" proposal IKEv2-prop1\n", " proposal default\n");
    assert_eq!(
        snapshot(&used).policy_for(HERE).unwrap().proposals[0].name,
        name("default")
    );
}

#[test]
fn a_policy_that_names_the_address_goes_first_and_the_default_last() {
    let text = "crypto ikev2 proposal P\n encryption aes-cbc-128\n integrity sha1\n group 14
crypto ikev2 policy A\n proposal P\ncrypto ikev2 policy B\n proposal P
 match address local 192.0.2.1\ncrypto ikev2 policy C\n proposal P\n match address local 192.0.2.1";
    let whole = snapshot(text);
    assert_eq!(whole.policy_for(HERE).unwrap().name, name("B"));
    assert_eq!(
        whole.policy_for("192.0.2.2".parse().unwrap()).unwrap().name,
        name("A")
    );
    let named = snapshot(&text.replace("crypto ikev2 policy A\n proposal P\n", ""));
    assert_eq!(
        named.policy_for("192.0.2.2".parse().unwrap()).unwrap().name,
        name("default")
    );
}

#[test]
fn the_most_exact_profile_is_taken() {
    let mut text = String::from(EXAMPLE);
    let parts = [
        ("any", "any"),
        ("net", "address 10.0.0.0 255.0.0.0"),
        ("host", "address 10.0.0.1"),
        ("domain", "fqdn domain example"),
        ("deeper", "fqdn domain a.example"),
        ("off", "key-id off\n shutdown"),
    ];
    for (profile, identity) in parts {
        text.push_str(&format!(
            "\ncrypto ikev2 profile {profile}\n match identity remote {identity}\n \
             authentication local rsa-sig\n authentication remote rsa-sig\n \
             pki trustpoint IKEv2-TP\n virtual-template 100\n"
        ));
    }
    let whole = snapshot(&text);
    let chosen = |peer| whole.profile_for(HERE, peer).unwrap().name.to_string();
    assert_eq!(chosen(ANYCONNECT), "AnyConnect-EAP");
    assert_eq!(
        chosen(PeerIdentity::Address("10.0.0.1".parse().unwrap())),
        "host"
    );
    assert_eq!(
        chosen(PeerIdentity::Address("10.0.0.2".parse().unwrap())),
        "net"
    );
    assert_eq!(
        chosen(PeerIdentity::Address("11.0.0.2".parse().unwrap())),
        "any"
    );
    assert_eq!(chosen(PeerIdentity::Fqdn("b.a.example")), "deeper");
    assert_eq!(chosen(PeerIdentity::Fqdn("b.example")), "domain");
    assert_eq!(chosen(PeerIdentity::KeyId(b"off")), "any");
    let elsewhere = EXAMPLE.replace(" match id", " match address local 192.0.2.7\n match id");
    assert_eq!(snapshot(&elsewhere).profile_for(HERE, ANYCONNECT), None);
}

#[test]
fn a_device_is_tied_by_a_line_or_from_outside() {
    let eth0 = DeviceName::new("eth0").unwrap();
    let gi1 = InterfaceName::parse("gi1").unwrap();
    let line = EXAMPLE.replace(" ip nat outside", " ip nat outside\n device eth0");
    assert_eq!(snapshot(&line).nat[0].interface.device, Some(eth0.clone()));
    let mut outside = candidate(EXAMPLE);
    outside.tie_device(gi1.clone(), eth0.clone());
    let tied = resolve(&outside).unwrap();
    assert_eq!(tied.interfaces[&gi1].device, Some(eth0.clone()));
    outside.tie_device(InterfaceName::parse("gi2").unwrap(), eth0);
    assert_eq!(resolve(&outside).unwrap_err()[0].fault, Fault::Conflict);
}
