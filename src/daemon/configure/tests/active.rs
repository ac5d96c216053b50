//! What is said of profiles that serve nobody and then do.

use super::*;

const ACTIVE: &str = "% IKEv2 profile AnyConnect-EAP is active now\n";

/// Makes the example's profile serve nobody.
const WITHOUT: &str = "crypto ikev2 authorization policy ikev2-auth-policy\n pool NOPE\nexit";

const POOL: &str = "ip local pool NOPE 192.168.77.1 192.168.77.9";

#[test]
fn whoever_was_told_that_a_profile_is_inactive_is_told_once_that_it_is_active() {
    let mut scene = Scene::new();
    let id = scene.begin(None);
    let said = scene.types(id, WITHOUT);
    assert!(
        said.contains("nothing defines `ip local pool NOPE`"),
        "{said}"
    );
    assert_eq!(scene.types(id, POOL), ACTIVE);
    assert_eq!(scene.types(id, "hostname Other"), "");
    // So is whoever comes later.
    scene.types(id, &format!("no {POOL}"));
    scene.end(id);
    let id = scene.begin(None);
    assert_eq!(scene.types(id, "hostname Another"), "");
    assert_eq!(scene.types(id, POOL), ACTIVE);
    // One that is taken away, or shut down, is not active.
    for gone in [
        "no crypto ikev2 profile AnyConnect-EAP",
        "crypto ikev2 profile AnyConnect-EAP\n shutdown",
    ] {
        scene.types(id, &format!("no {POOL}"));
        let said = scene.types(id, &format!("{gone}\n{POOL}"));
        assert!(!said.contains("active now"), "{said}");
    }
}

#[test]
fn a_profile_that_is_being_typed_is_told_of_once_it_was_left_without_what_it_needs() {
    const LINES: [&str; 6] = [
        "match identity remote fqdn peer.example.com",
        "authentication local pre-share",
        "authentication remote pre-share",
        "keyring local KEYS",
        "aaa authorization group psk list a-eap-author-grp ikev2-auth-policy",
        "virtual-template 100",
    ];
    const KEYS: &str = "crypto ikev2 keyring KEYS\n peer X\n  address 0.0.0.0 0.0.0.0\n  pre-shared-key k\nexit\nexit";
    for is_whole in [true, false] {
        let mut scene = Scene::new();
        let id = scene.begin(None);
        if is_whole {
            scene.types(id, KEYS);
        }
        for line in ["crypto ikev2 profile NEW"].into_iter().chain(LINES) {
            let said = scene.types(id, line);
            assert!(!said.contains("active now"), "{line}: {said}");
        }
        assert_eq!(scene.types(id, "exit"), "");
        if !is_whole {
            assert_eq!(scene.types(id, KEYS), "% IKEv2 profile NEW is active now\n");
        }
        let serving = &scene.driver.house.plan.profiles;
        assert_eq!(serving.len(), 2);
    }
}

#[test]
fn a_file_that_makes_a_profile_serve_again_says_so() {
    let mut scene = Scene::new();
    let id = scene.begin(None);
    scene.types(id, WITHOUT);
    scene.end(id);
    let file = scene.folder.path().join("headend.conf");
    let replacing = scene.replacement(&file.display().to_string());
    let replacing = Box::new(replacing.unwrap().read().unwrap());
    let Ok(Answer::Done(said)) = scene.driver.configure(Ask::Replace(replacing)) else {
        panic!("it was not replaced")
    };
    assert!(said.contains(ACTIVE), "{said}");
}
