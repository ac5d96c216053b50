//! What configured objects look like.

use std::{fs, path::Path};

use ironflex_profiles::{Candidate, parse};

use super::{
    ikev2_authorization_policy, ikev2_policy, ikev2_profile, ikev2_proposal, ipsec_profile,
    ipsec_transform_set,
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

fn configured(lines: &str) -> Candidate {
    let parsed = parse(lines, "test");
    assert!(parsed.is_clean(), "{:?}", parsed.diagnostics);
    parsed.candidate
}

fn both() -> Candidate {
    let example = include_str!("../../../examples/flexvpn-headend.conf");
    configured(&format!("{example}\n{RICH}"))
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
    let all = both();
    assert_golden("ikev2_proposal", &ikev2_proposal(&all, None));
    assert_golden("ikev2_policy", &ikev2_policy(&all, None));
    assert_golden("ikev2_profile", &ikev2_profile(&all, None));
    assert_golden(
        "ikev2_authorization_policy",
        &ikev2_authorization_policy(&all, None),
    );
    assert_golden("ipsec_transform_set", &ipsec_transform_set(&all, None));
    assert_golden("ipsec_profile", &ipsec_profile(&all, None));
}

#[test]
fn one_object_is_shown_by_its_name_and_nothing_by_another() {
    let all = both();
    let one = ikev2_proposal(&all, Some("GCM"));
    assert!(one.starts_with(" IKEv2 proposal: GCM \n"), "{one}");
    assert_eq!(one.matches("IKEv2 proposal").count(), 1);
    assert_eq!(ikev2_proposal(&all, Some("gcm")), "");
    assert_eq!(ikev2_profile(&all, Some("default")), "");
}

#[test]
fn a_routers_own_objects_are_shown_until_a_line_changes_or_removes_them() {
    let own = |lines: &str| ikev2_proposal(&configured(lines), None);
    assert_eq!(
        own(""),
        " IKEv2 proposal: default \n     Encryption : AES-CBC-256\n     Integrity  : SHA512 SHA384\n     \
         PRF        : SHA512 SHA384\n     DH Group   : DH_GROUP_256_ECP/Group 19 DH_GROUP_2048_MODP/Group 14 DH_GROUP_521_ECP/Group 21\n"
    );
    assert_eq!(own("no crypto ikev2 proposal default\n"), "");
    assert_eq!(
        ipsec_transform_set(&configured(""), None),
        "Transform set default: { esp-aes esp-sha-hmac  } \n   will negotiate = { Transport,  }, \n   \n"
    );
    assert_eq!(ikev2_profile(&configured(""), None), "");
}

#[test]
fn a_profile_is_shown_with_what_it_takes_from_the_whole() {
    let lines = "crypto ikev2 dpd 30 3 periodic\ncrypto ikev2 nat keepalive 15\n\
                 crypto ikev2 profile ONE\n match identity remote any\n";
    let shown = ikev2_profile(&configured(lines), None);
    assert!(
        shown.contains(
            "\n DPD: interval 30, retry-interval 3, periodic\n NAT-keepalive: 15 seconds\n"
        ),
        "{shown}"
    );
}
