//! What configured objects look like.

use std::{collections::BTreeMap, fs, path::Path};

use ironflex_profiles::{Candidate, Snapshot, model::name::Name, parse, resolve};

use super::{
    ikev2_authorization_policy, ikev2_policy, ikev2_profile, ikev2_proposal, ipsec_profile,
    ipsec_transform_set, objects::profiles,
};

/// One object of each kind that says much, beside the lines of the example.
const RICH: &str = "\
crypto ikev2 proposal GCM
 encryption aes-gcm-256 aes-gcm-128
 prf sha384
 group 20 31
 pqc mlkem768 mlkem1024 optional
crypto ikev2 proposal OLD
 encryption aes-cbc-192
 integrity sha1 sha512
 group 14
crypto ikev2 policy RICH
 match fvrf any
 match address local 192.0.2.1
 proposal GCM
 proposal OLD
crypto ikev2 keyring KEYS
 peer one
  identity fqdn one.example.com
  pre-shared-key secret
crypto ikev2 profile RICH
 description all that there is
 shutdown
 match fvrf any
 match address local 192.0.2.1
 match identity remote address 192.0.2.0 255.255.255.0
 match identity remote fqdn domain example.com
 identity local fqdn vpn.example.com
 authentication local pre-share
 authentication remote pre-share
 authentication remote rsa-sig
 keyring local KEYS
 pki trustpoint IKEv2-TP verify
 lifetime 3600
 dpd 60 5 on-demand
 nat keepalive 20
 virtual-template 100
crypto ipsec transform-set GCM esp-gcm 256 esn
 mode transport
crypto ipsec profile RICH
 set transform-set GCM TS
 set security-association lifetime seconds 1800
 set security-association lifetime kilobytes disable
 set pfs group20
 responder-only
crypto ikev2 authorization policy RICH
 netmask 255.255.255.0
 route set remote ipv4 10.0.0.0 255.0.0.0
";

/// What lines say, and what they come to.
fn configured(lines: &str) -> (Candidate, Snapshot) {
    let parsed = parse(lines, "test");
    assert!(parsed.is_clean(), "{:?}", parsed.diagnostics);
    let resolved = resolve(&parsed.candidate).unwrap();
    (parsed.candidate, resolved)
}

const EXAMPLE: &str = include_str!("../../../examples/flexvpn-headend.conf");

fn both() -> (Candidate, Snapshot) {
    configured(&format!("{EXAMPLE}\n{RICH}"))
}

fn assert_golden(name: &str, actual: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/show");
    let file = folder.join(format!("{name}.txt"));
    if std::env::var_os("IRONFLEX_UPDATE_GOLDENS").is_some_and(|value| value == "1") {
        fs::write(&file, actual).unwrap();
    }
    let expected =
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(actual, expected, "{}", file.display());
}

#[test]
fn every_kind_of_object_has_the_layout_of_a_router() {
    let (all, resolved) = both();
    assert_golden("ikev2_proposal", &ikev2_proposal(&all, &resolved, None));
    assert_golden("ikev2_policy", &ikev2_policy(&all, &resolved, None));
    assert_golden(
        "ikev2_profile",
        &ikev2_profile(&all, &BTreeMap::new(), None),
    );
    assert_golden(
        "ikev2_authorization_policy",
        &ikev2_authorization_policy(&all, &resolved, None),
    );
    assert_golden(
        "ipsec_transform_set",
        &ipsec_transform_set(&all, &resolved, None),
    );
    assert_golden("ipsec_profile", &ipsec_profile(&all, &resolved, None));
}

#[test]
fn one_object_is_shown_by_its_name_and_nothing_by_another() {
    let (all, resolved) = both();
    let one = ikev2_proposal(&all, &resolved, Some("GCM"));
    assert!(one.starts_with(" IKEv2 proposal: GCM \n"), "{one}");
    assert_eq!(one.matches("IKEv2 proposal").count(), 1);
    assert_eq!(ikev2_proposal(&all, &resolved, Some("gcm")), "");
    assert_eq!(ikev2_profile(&all, &BTreeMap::new(), Some("default")), "");
}

#[test]
fn a_routers_own_objects_are_shown_until_a_line_changes_or_removes_them() {
    let own = |lines: &str| {
        let (lines, resolved) = configured(lines);
        [
            ikev2_proposal(&lines, &resolved, None),
            ikev2_policy(&lines, &resolved, None),
            ipsec_transform_set(&lines, &resolved, None),
            ipsec_profile(&lines, &resolved, None),
        ]
    };
    let [proposal, policy, set, profile] = own("");
    assert_eq!(
        proposal,
        " IKEv2 proposal: default \n     Encryption : AES-CBC-256\n     Integrity  : SHA512 SHA384\n     \
         PRF        : SHA512 SHA384\n     DH Group   : DH_GROUP_256_ECP/Group 19 DH_GROUP_2048_MODP/Group 14 DH_GROUP_521_ECP/Group 21\n"
    );
    assert!(policy.starts_with(" IKEv2 policy : default\n"), "{policy}");
    assert_eq!(
        set,
        "Transform set default: { esp-aes esp-sha-hmac  } \n   will negotiate = { Transport,  }, \n   \n"
    );
    assert!(profile.starts_with("IPSEC profile default\n"), "{profile}");
    assert!(profile.contains("\t\tdefault:  { esp-aes esp-sha-hmac  }"));
    let without = |line: &str| own(line).map(|shown| shown.is_empty());
    // A policy that had nothing to propose, and a profile without a transform set, go with it.
    assert_eq!(
        without("no crypto ikev2 proposal default\n"),
        [true, true, false, false]
    );
    assert_eq!(
        without("no crypto ikev2 policy default\n"),
        [false, true, false, false]
    );
    assert_eq!(
        without("no crypto ipsec transform-set default\n"),
        [false, false, true, true]
    );
    assert_eq!(
        without("no crypto ipsec profile default\n"),
        [false, false, false, true]
    );
    let (lines, _) = configured("");
    assert_eq!(ikev2_profile(&lines, &BTreeMap::new(), None), "");
}

#[test]
fn a_proposal_is_shown_as_it_is_offered() {
    let lines = "crypto ikev2 proposal GCM\n encryption aes-gcm-256\n integrity sha512\n prf sha256\n group 20\n\
                 crypto ikev2 proposal CBC\n encryption aes-cbc-256\n integrity sha384\n group 20\n";
    let (lines, resolved) = configured(lines);
    let of = |name| ikev2_proposal(&lines, &resolved, Some(name));
    let (gcm, cbc) = (of("GCM"), of("CBC"));
    assert!(
        gcm.contains("     Integrity  : none\n     PRF        : SHA256\n"),
        "{gcm}"
    );
    assert!(
        cbc.contains("     Integrity  : SHA384\n     PRF        : SHA384\n"),
        "{cbc}"
    );
}

#[test]
fn a_profile_is_shown_with_what_it_takes_from_the_whole() {
    let lines = "crypto ikev2 dpd 30 3 periodic\ncrypto ikev2 nat keepalive 15\n";
    let (lines, _) = configured(&format!("{EXAMPLE}\n{lines}"));
    let shown = ikev2_profile(&lines, &BTreeMap::new(), None);
    assert!(
        shown.contains(
            "\n DPD: interval 30, retry-interval 3, periodic\n NAT-keepalive: 15 seconds\n"
        ),
        "{shown}"
    );
}

#[test]
fn a_profile_that_serves_nobody_says_why_on_a_line_of_its_own() {
    let (lines, _) = configured(EXAMPLE);
    let profile = Name::new("AnyConnect-EAP").unwrap();
    let none = BTreeMap::new();
    let inactive = BTreeMap::from([(profile, "the pool\u{7} is gone".to_owned())]);
    let line = " Serves nobody: the pool. is gone\n";
    let shown = ikev2_profile(&lines, &inactive, None);
    assert!(
        shown.contains(&format!(" Shutdown : No\n{line}")),
        "{shown}"
    );
    // The others stand as they did.
    assert_eq!(shown.replace(line, ""), ikev2_profile(&lines, &none, None));
    let [facts, other] =
        [&inactive, &none].map(|one| profiles(&lines, one, None)[0].inactive.clone());
    assert_eq!(
        (facts.as_deref(), other),
        (Some("the pool\u{7} is gone"), None)
    );
}
