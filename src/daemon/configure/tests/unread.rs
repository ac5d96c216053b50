//! Files that the loop does not read.

use super::*;

/// A change of how profiles serve, and not of what they prove themselves by, waits for no disk: what their trustpoints held is
/// known.
#[test]
fn a_profile_that_proves_itself_as_before_has_no_files_read() {
    let mut scene = Scene::new();
    let keys = |scene: &Scene| {
        let serving = scene.driver.house.plan.profiles.values().next().unwrap();
        Arc::as_ptr(&serving.credentials).addr()
    };
    let (before, serving) = (keys(&scene), scene.serving());
    let files = scene.folder.path().join("state/trustpoints");
    fs::rename(&files, scene.folder.path().join("gone")).unwrap();
    let id = scene.begin(None);
    for line in [
        "crypto ikev2 dpd 77 5 periodic",
        "crypto ikev2 profile AnyConnect-EAP\n lifetime 7777",
        "crypto ipsec security-association lifetime seconds 7777",
    ] {
        let said = scene.types(id, line);
        assert!(!said.contains("inactive"), "{said}");
        assert_eq!(keys(&scene), before, "{line}");
    }
    assert_ne!(scene.serving(), serving);
    // Whoever begins to serve has them read.
    let profile = "crypto ikev2 profile AnyConnect-EAP";
    scene.types(id, &format!("{profile}\n shutdown"));
    let said = scene.types(id, &format!("{profile}\n no shutdown"));
    assert!(scene.driver.house.plan.profiles.is_empty(), "{said}");
}
