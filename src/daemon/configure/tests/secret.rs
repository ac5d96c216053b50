//! The secret behind the tokens for crashes, where a line wants tokens while clients are there.

use super::*;
use crate::daemon::crash_secret;

#[test]
fn a_secret_that_a_line_wants_is_kept_beside_the_loop() {
    const LINE: &str = "crypto ikev2 quick-crash-detection";
    let mut scene = Scene::new();
    let state = scene.folder.path().join("state");
    let path = state.join(crash_secret::NAME);
    let id = scene.begin(None);
    scene.types(id, &format!("no {LINE}"));
    assert!(!path.exists());
    assert_eq!(scene.types(id, LINE), "");
    // It is at work, whether the disk has it yet or not.
    let configure = &mut scene.driver.house.configure;
    assert!(configure.terms.secret.is_some());
    let clearing = std::mem::take(&mut configure.clearing);
    assert!(clearing.due.is_some());
    assert_eq!(clearing.finish(), Vec::<String>::new());
    assert!(path.exists());
    // One that is there is taken, and one that cannot be kept is told of in the log.
    let again = |scene: &mut Scene| {
        scene.types(id, &format!("no {LINE}"));
        scene.driver.house.configure.terms.secret = None;
        scene.types(id, LINE)
    };
    assert_eq!(again(&mut scene), "");
    assert!(scene.driver.house.configure.terms.secret.is_some());
    assert!(scene.driver.house.configure.clearing.due.is_none());
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("in the way")).unwrap();
    let said = again(&mut scene);
    assert!(
        said.contains("qcd-secret is replaced, for it is no file"),
        "{said}"
    );
    let clearing = std::mem::take(&mut scene.driver.house.configure.clearing);
    let failed = clearing.finish();
    assert!(
        failed
            .iter()
            .all(|one| one.starts_with("qcd-secret cannot be kept: ")),
        "{failed:?}"
    );
    assert_eq!(failed.len(), 1);
}
