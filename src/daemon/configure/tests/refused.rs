//! What is said of lines that are refused, of what they may not take away, and of what comes back.

use super::*;
#[cfg(feature = "aws-lc")]
use crate::{
    clock,
    pki::{
        ServerIdentity,
        authority::{Authority, KeyAlgorithm, LeafRequest, Validity},
        write_pkcs12,
    },
};

#[test]
fn a_default_interface_is_told_of_and_stays() {
    let mut scene = Scene::new();
    let id = scene.begin(None);
    let said = scene.types(id, "default interface GigabitEthernet1");
    assert!(
        said.starts_with("% Interface GigabitEthernet1 set to default configuration\n"),
        "{said}"
    );
    assert!(
        scene
            .seen()
            .running_config
            .contains("interface GigabitEthernet1")
    );
}

#[test]
fn what_a_profile_must_have_is_told_where_that_is_missing() {
    const MUST: &str = "IKEv2 profile MUST have";
    let mut scene = Scene::new();
    let id = scene.begin(None);
    let said = scene.types(
        id,
        "crypto ikev2 profile NEW\n match identity remote any\n authentication local pre-share key k\n \
         authentication remote pre-share key k\nexit",
    );
    assert!(said.contains("inactive without: "), "{said}");
    assert!(said.contains("virtual-template"), "{said}");
    assert!(!said.contains(MUST), "{said}");
    let said = scene.types(
        id,
        "crypto ikev2 profile OTHER\n virtual-template 100\nexit",
    );
    assert!(said.contains(MUST), "{said}");
}

#[test]
fn a_profile_that_is_shut_down_no_more_is_told_of() {
    let mut scene = Scene::new();
    let id = scene.begin(None);
    scene.types(id, "crypto ikev2 profile AnyConnect-EAP\n shutdown");
    assert_eq!(
        scene.types(id, "no shutdown"),
        "% IKEv2 profile AnyConnect-EAP is active now\n"
    );
    scene.types(id, "shutdown");
    scene.end(id);
    let id = scene.begin(None);
    assert_eq!(
        scene.types(id, "crypto ikev2 profile AnyConnect-EAP\n no shutdown"),
        "% IKEv2 profile AnyConnect-EAP is active now\n"
    );
}

// ring makes no RSA keys.
#[cfg(feature = "aws-lc")]
#[test]
fn a_file_that_imports_what_is_there_changes_nothing() {
    let mut scene = Scene::new();
    let path = scene.folder.path().join("headend.conf");
    let replace = |scene: &mut Scene| {
        let reading = scene.replacement(&path.display().to_string()).unwrap();
        let replacing = Box::new(reading.read().unwrap());
        match scene.driver.configure(Ask::Replace(replacing)) {
            Ok(Answer::Done(said)) => said,
            _ => panic!("it was not replaced"),
        }
    };
    // What serves, without the snapshot that it serves by.
    let serving = |scene: &Scene| scene.serving().split_off(1);
    let before = serving(&scene);
    replace(&mut scene);
    assert_eq!(serving(&scene), before);
    // Another key by the same name is another.
    let validity = Validity::starting(clock::wall_clock(), Duration::from_secs(86_400));
    let root = Authority::root("Other CA", KeyAlgorithm::EcdsaP256, validity).unwrap();
    let names = [ServerIdentity::Dns("vpn.example.com".into())];
    let request = LeafRequest::server(&names, KeyAlgorithm::Rsa2048, validity);
    let identity = root.issue(&request).unwrap();
    let other = write_pkcs12(&identity, &[root.certificate()], "IKEv2-TP", "cisco123").unwrap();
    fs::write(scene.folder.path().join("IKEv2-TP.p12"), other).unwrap();
    replace(&mut scene);
    assert_ne!(serving(&scene), before);
}

#[test]
fn below_a_refused_line_the_prompt_is_a_router_s() {
    let mut scene = Scene::new();
    let id = scene.begin(None);
    for (line, mode, in_brackets) in [
        ("interface Loopback100", "Loopback", "config-if"),
        ("line vty 0 4", "Refused", "config-line"),
        (" description x", "Refused", "config-line"),
        ("hostname a", "Global", "config"),
        ("webvpn gateway A", "Refused", "config-other"),
    ] {
        let Ok(Answer::Taken(taken)) = scene.driver.configure(Ask::Lines(id, lines(line, false)))
        else {
            panic!("{line}")
        };
        let prompt = taken.prompts.last().unwrap();
        assert_eq!(
            (&*prompt.mode, prompt.in_brackets()),
            (mode, Some(in_brackets)),
            "{line}"
        );
    }
}
