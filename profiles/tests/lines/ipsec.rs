//! Transform sets, IPsec profiles and Virtual-Templates.

use super::*;

#[test]
fn esp_transforms_are_read_in_either_order() {
    for (line, transform) in [
        (
            "esp-aes esp-sha-hmac",
            EspTransform::Cbc(AesKey::Bits128, EspIntegrity::Sha1),
        ),
        (
            "esp-sha256-hmac esp-aes 256",
            EspTransform::Cbc(AesKey::Bits256, EspIntegrity::Sha256),
        ),
        ("esp-gcm", EspTransform::Gcm(GcmKey::Bits128)),
        ("esp-gcm 256", EspTransform::Gcm(GcmKey::Bits256)),
    ] {
        let candidate = candidate(&format!("crypto ipsec transform-set T {line}"));
        assert_eq!(
            candidate.transform_sets.get("T").unwrap().transform,
            transform
        );
    }
    assert_eq!(
        faults("crypto ipsec transform-set T esp-aes 256")[0].0,
        Fault::Unsupported
    );
    assert_eq!(
        faults("crypto ipsec transform-set T esp-gcm 256 esp-sha-hmac")[0].0,
        Fault::Unknown
    );
    assert_eq!(
        faults("crypto ipsec transform-set T esp-gcm 192")[0].0,
        Fault::Unsupported
    );
}

#[test]
fn a_virtual_template_is_one_object_however_it_is_spelt() {
    let candidate = candidate(EXAMPLE);
    let name = InterfaceName::virtual_template(100);
    let interface = &candidate.interfaces[&name].value;
    assert!(interface.tunnel_type && interface.nat.is_some());
    assert!(matches!(interface.addressing, Addressing::Unnumbered(_)));
}

// RFC 4303 §2.2.1: extended sequence numbers are a matter of the transform set; IOS-XE writes `esn` last.
#[test]
fn extended_sequence_numbers_stand_behind_the_transforms() {
    let text = "crypto ipsec transform-set A esp-gcm 256 esn\ncrypto ipsec transform-set B esp-gcm esn\n\
        crypto ipsec transform-set C esp-aes esp-sha256-hmac esn\ncrypto ipsec transform-set D esp-sha-hmac esp-aes 256 esn\n\
        crypto ipsec transform-set E esp-gcm 256\n";
    let candidate = candidate(text);
    let esn: Vec<bool> = candidate
        .transform_sets
        .iter()
        .map(|entry| entry.value.esn)
        .collect();
    assert_eq!(esn, [true, true, true, true, false]);
    let rendered = render(&candidate);
    for line in [
        "crypto ipsec transform-set A esp-gcm 256 esn\n",
        "crypto ipsec transform-set B esp-gcm esn\n",
        "crypto ipsec transform-set C esp-aes esp-sha256-hmac esn\n",
        "crypto ipsec transform-set D esp-aes 256 esp-sha-hmac esn\n",
        "crypto ipsec transform-set E esp-gcm 256\n",
    ] {
        assert!(rendered.contains(line), "{rendered}");
    }
    // The line said again without the word takes it away.
    let again = format!("{text}crypto ipsec transform-set A esp-gcm 256\n");
    let again = self::candidate(&again);
    assert!(!again.transform_sets.iter().next().unwrap().value.esn);
}

#[test]
fn an_ipsec_profile_has_a_group_for_rekeying_and_an_idle_time() {
    let pfs = |lines: &str| {
        let text = format!(
            "crypto ipsec security-association idle-time 600\ncrypto ipsec profile P\n{lines}"
        );
        let snapshot = snapshot(&text);
        let profile = &snapshot.ipsec_profiles[&name("P")];
        (profile.pfs, profile.idle_time)
    };
    assert_eq!(pfs(""), (None, Some(600)));
    assert_eq!(pfs(" set pfs\n"), (Some(Group::Group14), Some(600)));
    assert_eq!(pfs(" set pfs group20\n"), (Some(Group::Group20), Some(600)));
    assert_eq!(pfs(" set pfs group20\n no set pfs\n"), (None, Some(600)));
    for (line, printed) in [
        ("set pfs pqc mlkem768", "set pfs group14 pqc mlkem768"),
        (
            "set pfs group19 pqc mlkem1024",
            "set pfs group19 pqc mlkem1024",
        ),
        (
            "set pfs group19 pqc mlkem512\n set pfs group19",
            "set pfs group19",
        ),
    ] {
        let written = render(&candidate(&format!("crypto ipsec profile P\n {line}\n")));
        assert!(written.contains(&format!("\n {printed}\n")), "{written}");
    }
    let own = " set security-association idle-time 60\n";
    assert_eq!(pfs(own), (None, Some(60)));
    let text = "crypto ipsec profile P\n set pfs group2\n";
    assert_eq!(faults(text), [(Fault::Unsupported, 2, 2)]);
    let text = "crypto ipsec profile P\n set security-association idle-time 59\n";
    assert_eq!(faults(text).len(), 1);
}
