//! What becomes of keys that a revert timer may take back, by what was written and confirmed since.

use super::*;

/// Keys of before, those that a change brings, and those that a later one brings.
const AUTHORITIES: &str = "IKEv2-TP/ca.pem";

/// A change of the keys that [`KEYS`] has changed before.
const LATER: &str = "crypto pki authenticate IKEv2-TP pem bootflash:root.pem";

/// A headend within a revert timer, and the authorities of before.
fn within_a_timer() -> (Scene, Vec<u8>) {
    let mut scene = Scene::new();
    let root = include_bytes!("../../../../tests/data/pki/p521.pem");
    fs::write(scene.folder.path().join("root.pem"), root).unwrap();
    let before = keys(&scene)[AUTHORITIES].clone();
    let id = scene.begin(Some(5));
    scene.end(id);
    (scene, before)
}

/// What the store has by its files' names.
fn keys(scene: &Scene) -> BTreeMap<String, Vec<u8>> {
    let mut keys = BTreeMap::new();
    files(&scene.folder.path().join("state/trustpoints"), &mut keys);
    let short = |(path, octets): (String, Vec<u8>)| {
        let (_, name) = path.split_once("trustpoints/").unwrap();
        (name.to_owned(), octets)
    };
    keys.into_iter().map(short).collect()
}

/// What a start after a crash has.
fn keys_after_a_crash(scene: &Scene) -> BTreeMap<String, Vec<u8>> {
    let store = Store::open(&scene.folder.path().join("state")).unwrap();
    store.draft().unwrap().take_back_unconfirmed().unwrap();
    keys(scene)
}

/// Has lines taken in a session of their own.
fn configures(scene: &mut Scene, lines: &str) {
    let id = scene.begin(None);
    let said = scene.types(id, lines);
    assert!(!said.contains("taken back"), "{said}");
    scene.end(id);
}

fn writes(scene: &mut Scene) {
    scene.driver.write_configuration().carry_out().unwrap();
}

#[test]
fn keys_that_are_changed_after_a_writing_are_not_covered_by_it() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    writes(&mut scene);
    let written = keys(&scene)[AUTHORITIES].clone();
    configures(&mut scene, LATER);
    assert_ne!(keys(&scene)[AUTHORITIES], written);
    let kept = keys_after_a_crash(&scene);
    assert_eq!(kept[AUTHORITIES], written);
    assert!(kept.contains_key("OTHER/ca.pem") && kept.contains_key("IKEv2-TP/key.pem"));
}

#[test]
fn a_writing_covers_the_keys_of_its_text_and_no_later_ones() {
    // It was begun before the keys were changed.
    let (mut scene, before) = within_a_timer();
    let writing = scene.driver.write_configuration();
    configures(&mut scene, KEYS);
    writing.carry_out().unwrap();
    let kept = keys_after_a_crash(&scene);
    assert_eq!(kept[AUTHORITIES], before);
    assert!(!kept.contains_key("OTHER/ca.pem"));
    // Or before they were changed again under another timer.
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    let confirmed = keys(&scene)[AUTHORITIES].clone();
    let writing = scene.driver.write_configuration();
    let confirming = scene.driver.confirm_configuration().unwrap();
    confirming.carry_out().unwrap();
    let id = scene.begin(Some(5));
    scene.types(id, LATER);
    scene.end(id);
    writing.carry_out().unwrap();
    let kept = keys_after_a_crash(&scene);
    assert_eq!(kept[AUTHORITIES], confirmed);
    assert!(kept.contains_key("OTHER/ca.pem"));
}

#[test]
fn the_timer_leaves_the_keys_that_the_written_file_needs() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    writes(&mut scene);
    let written = keys(&scene);
    let late = scene.driver.clock.now().after(Duration::from_secs(301));
    scene.driver.keep_configuring(late);
    assert!(
        !scene
            .driver
            .house
            .running_config
            .contains("trustpoint OTHER")
    );
    assert!(scene.driver.house.configure.revert.is_none());
    let kept = keys(&scene);
    assert_eq!(kept.get("OTHER/ca.pem"), written.get("OTHER/ca.pem"));
    assert_eq!(kept[AUTHORITIES], written[AUTHORITIES]);
}

#[test]
fn a_file_that_may_not_have_come_to_the_disk_covers_its_keys_all_the_same() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    let written = keys(&scene);
    scene.driver.house.configure.startup.sync = |_| Err(io::ErrorKind::StorageFull.into());
    let said = scene.driver.write_configuration().carry_out();
    assert!(said.unwrap_err().contains("is written, but"));
    let kept = keys_after_a_crash(&scene);
    assert_eq!(kept[AUTHORITIES], written[AUTHORITIES]);
    assert!(kept.contains_key("OTHER/ca.pem"));
}

// Nobody knows whether the line that it waited for ever comes back.
#[test]
fn who_goes_while_a_line_is_carried_out_ends_the_session() {
    let mut scene = Scene::new();
    let (requests, mut asked) = mpsc::channel(8);
    let socket = scene.folder.path().join("socket");
    let _serving = Listener::bind(&socket)
        .and_then(|listener| listener.serve_apart(requests))
        .unwrap();
    // Somebody else writes to the store, and does not end.
    let other = scene.driver.house.configure.store.draft().unwrap();
    let stream = UnixStream::connect(&socket).unwrap();
    let end = stream.try_clone().unwrap();
    let typing = thread::spawn(move || {
        let mut session = Session::begin(stream, Begin::default()).unwrap();
        session.take(&lines(LINE_OF_KEYS, false))
    });
    // It begins, and its line is taken.
    scene.answers(&mut asked);
    scene.answers(&mut asked);
    assert!(scene.driver.at_configuration().is_some());
    end.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(typing.join().unwrap().is_err());
    let limit = std::time::Instant::now() + Duration::from_secs(30);
    while scene.driver.at_configuration().is_some() {
        match asked.try_recv() {
            Ok(Request::Configure(ask, reply)) => {
                let _ = reply.send(scene.driver.configure(ask));
            }
            Ok(_) => panic!("it is asked for something else"),
            Err(_) => assert!(std::time::Instant::now() < limit, "it is locked still"),
        }
        thread::sleep(Duration::from_millis(1));
    }
    drop(other);
    configures(&mut scene, "hostname Another");
    assert!(
        scene
            .driver
            .house
            .running_config
            .contains("hostname Another\n")
    );
}

/// A line that is carried out elsewhere.
const LINE_OF_KEYS: &str = "crypto pki authenticate IKEv2-TP pem bootflash:sub.pem";
