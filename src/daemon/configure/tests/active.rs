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

/// A mask where a wildcard belongs, in the list of the networks that clients are told of.
const TYPO: &str = "ip access-list standard split_tunnel\n permit 10.0.0.0 255.0.0.0";

const STOPPED: &str = "% IKEv2 profile AnyConnect-EAP serves nobody any more: ";

/// A client that the example's profile serves.
fn serve_somebody(scene: &mut Scene) {
    let house = &mut scene.driver.house;
    let sa = ironflex_ikev2::event::SaId::from_spi(1);
    let profile = house.plan.profiles.values().next().cloned();
    house.sessions.open(sa).profile = profile;
    let who = super::super::super::session::Who::of_user("test", None);
    house.sessions.authenticate(sa, who);
}

#[test]
fn whoever_takes_what_a_profile_needs_is_told_that_it_serves_nobody_any_more_and_why() {
    let mut scene = Scene::new();
    let id = scene.begin(None);
    let said = scene.types(id, TYPO);
    let why = format!(
        "{STOPPED}`crypto ikev2 authorization policy ikev2-auth-policy` cannot be used: `split_tunnel` cannot be used for split \
         tunnelling"
    );
    assert!(said.contains(&why), "{said}");
    // Once, for as long as it is so.
    let said = scene.types(id, "hostname Other");
    assert_eq!(said, "");
    let said = scene.types(
        id,
        "ip access-list standard split_tunnel\n no permit 10.0.0.0 255.0.0.0",
    );
    assert!(said.contains(ACTIVE), "{said}");
    assert!(scene.types(id, TYPO).contains(STOPPED));
    // Whoever comes later was not there when it served.
    scene.end(id);
    let id = scene.begin(None);
    assert_eq!(scene.types(id, "hostname Another"), "");
    // One that its own lines take away is nobody's surprise.
    scene.types(
        id,
        "ip access-list standard split_tunnel\n no permit 10.0.0.0 255.0.0.0",
    );
    let profile = "crypto ikev2 profile AnyConnect-EAP";
    assert_eq!(scene.types(id, &format!("{profile}\n shutdown")), "");
    assert_eq!(scene.types(id, "no shutdown"), ACTIVE);
    let said = scene.types(id, &format!("no {profile}"));
    assert!(!said.contains("serves nobody"), "{said}");
}

#[test]
fn a_profile_that_stops_serving_below_its_own_lines_is_told_of_at_once() {
    let mut scene = Scene::new();
    serve_somebody(&mut scene);
    let id = scene.begin(None);
    let said = scene.types(id, "crypto ikev2 profile AnyConnect-EAP\n lifetime 28800");
    assert!(
        said.contains("AnyConnect-EAP has changed (lifetime); sessions go on"),
        "{said}"
    );
    let said = scene.types(id, "no match identity remote key-id *$AnyConnectClient$*");
    assert!(said.contains(STOPPED), "{said}");
    assert!(
        said.contains("; sessions go on as they came up: "),
        "{said}"
    );
    let said = scene.types(id, "lifetime 28801");
    assert!(!said.contains("serves nobody"), "{said}");
    assert_eq!(
        scene.types(id, "match identity remote key-id *$AnyConnectClient$*"),
        ACTIVE
    );
    let said = scene.types(id, "no match identity remote key-id *$AnyConnectClient$*");
    assert!(said.contains(STOPPED), "{said}");
}

#[test]
fn lines_of_a_file_that_make_a_profile_serve_nobody_say_so() {
    let mut scene = Scene::new();
    fs::write(scene.folder.path().join("other.conf"), TYPO).unwrap();
    let name = ironflex_profiles::model::name::FileName::new("bootflash:other.conf").unwrap();
    let merging = scene.driver.merging(crate::cli::exec::Source::File(name));
    let merging = Box::new(merging.unwrap().read().unwrap());
    let Ok(Answer::Done(said)) = scene.driver.configure(Ask::Replace(merging)) else {
        panic!("it was not merged")
    };
    assert!(said.contains(STOPPED), "{said}");
}

#[test]
fn a_profile_that_serves_nobody_is_shown_with_the_reason() {
    let mut scene = Scene::new();
    let id = scene.begin(None);
    let shown = |scene: &mut Scene| {
        let kind = crate::cli::exec::ObjectKind::Ikev2Profile;
        let what = crate::cli::exec::Show::Object { kind, name: None };
        let facts = crate::daemon::show::facts(&mut scene.driver, what);
        facts.text().unwrap()
    };
    let before = shown(&mut scene);
    assert!(!before.contains("nobody"), "{before}");
    scene.types(id, TYPO);
    let why = " Shutdown : No\n Serves nobody: `crypto ikev2 authorization policy ikev2-auth-policy` cannot be used: `split_tunnel` ";
    assert!(shown(&mut scene).contains(why));
    // One that is shut down says so already.
    scene.types(id, "crypto ikev2 profile AnyConnect-EAP\n shutdown");
    assert!(shown(&mut scene).contains(" Shutdown : Yes\n Ref Count: 1\n"));
}
