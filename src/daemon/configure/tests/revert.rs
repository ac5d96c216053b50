//! What becomes of keys that a revert timer may take back, by what was written and confirmed since.

use std::cell::RefCell;

use super::*;
use crate::pki::STUCK;

/// Keys of before, those that a change brings, and those that a later one brings.
const AUTHORITIES: &str = "IKEv2-TP/ca.pem";

/// A change of the keys that [`KEYS`] has changed before.
const LATER: &str = "crypto pki authenticate IKEv2-TP pem bootflash:root.pem";

/// Keys of a trustpoint that there was not before.
const OTHER: &str =
    "crypto pki trustpoint OTHER\nexit\ncrypto pki authenticate OTHER pem bootflash:sub.pem";

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
    let confirming = scene
        .driver
        .confirm_configuration(&Scene::tester())
        .unwrap();
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

thread_local! {
    /// Looked at while the folder of the file that is written comes to the disk.
    static STORE: RefCell<Option<Store>> = const { RefCell::new(None) };
}

// That may take the disk seconds, in which the timer fires or the daemon is stopped.
#[test]
fn nothing_that_the_written_file_goes_with_is_held_by_the_time_it_comes_to_the_disk() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    let configure = &mut scene.driver.house.configure;
    assert!(configure.store.holds().unwrap());
    STORE.set(Some(configure.store.clone()));
    configure.startup.sync = |_| {
        let holds = STORE.with_borrow(|store| store.as_ref().unwrap().holds().unwrap());
        if holds {
            return Err(io::Error::other("it is held still"));
        }
        Ok(())
    };
    let said = scene.driver.write_configuration().carry_out().unwrap();
    assert!(said.contains("Keys that the file goes with are not taken back: IKEv2-TP, OTHER\n"));
}

#[test]
fn a_text_whose_keys_have_gone_back_does_not_come_into_the_file() {
    let timer = |scene: &mut Scene| {
        let late = scene.driver.clock.now().after(Duration::from_secs(301));
        scene.driver.keep_configuring(late);
    };
    let stop = |scene: &mut Scene| {
        let said = scene.driver.house.configure.end(PATIENCE);
        assert!(matches!(&*said, [Said::Done(_)]), "{said:?}");
    };
    for goes_back in [&timer as &dyn Fn(&mut Scene), &stop] {
        let (mut scene, before) = within_a_timer();
        configures(&mut scene, KEYS);
        let file = scene.driver.house.configure.startup.path().to_owned();
        let old = fs::read_to_string(&file).unwrap();
        let writing = scene.driver.write_configuration();
        goes_back(&mut scene);
        assert_eq!(keys(&scene)[AUTHORITIES], before);
        let refused = writing.carry_out().unwrap_err();
        assert!(
            refused.contains("has been taken back meanwhile; it is as it was"),
            "{refused}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), old);
        // What runs after that can be written.
        let said = scene.driver.write_configuration().carry_out();
        assert!(said.unwrap().contains("\n[OK]\n"));
    }
}

/// Has something done while the key store is not there.
fn without_its_store<T>(scene: &mut Scene, done: impl FnOnce(&mut Scene) -> T) -> T {
    let store = scene.folder.path().join("state/trustpoints");
    let aside = store.with_extension("aside");
    fs::rename(&store, &aside).unwrap();
    fs::write(&store, "").unwrap();
    let done = done(scene);
    fs::remove_file(&store).unwrap();
    fs::rename(&aside, &store).unwrap();
    done
}

#[test]
fn keys_that_could_not_be_forgotten_are_told_of_and_forgotten_with_the_next_writing() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    let written = keys(&scene)[AUTHORITIES].clone();
    let failed = without_its_store(&mut scene, |scene| {
        scene.driver.write_configuration().carry_out().unwrap_err()
    });
    assert!(!failed.contains("[OK]"), "{failed}");
    assert!(
        failed.starts_with(
            "% startup-config is written, but keys that it names still go back with the timer (IKEv2-TP, OTHER): write again. \
             The key store says: cannot read "
        ),
        "{failed}"
    );
    let file = scene.driver.house.configure.startup.read().unwrap();
    assert!(file.contains("crypto pki trustpoint OTHER\n"));
    assert!(scene.driver.house.configure.store.holds().unwrap());
    writes(&mut scene);
    let kept = keys_after_a_crash(&scene);
    assert_eq!(kept[AUTHORITIES], written);
    assert!(kept.contains_key("OTHER/ca.pem"));
}

#[test]
fn of_keys_some_of_which_could_not_be_forgotten_those_are_told_of() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    let writing = scene.driver.write_configuration();
    // One that is held beside those of the text.
    configures(
        &mut scene,
        "crypto pki trustpoint THIRD\nexit\ncrypto pki authenticate THIRD pem bootflash:sub.pem",
    );
    STUCK.set(scene.folder.path().join("state/trustpoints/.held/OTHER"));
    let failed = writing.carry_out().unwrap_err();
    STUCK.take();
    assert!(
        failed.contains("still go back with the timer (OTHER): write again"),
        "{failed}"
    );
    let left = fs::read_dir(scene.folder.path().join("state/trustpoints")).unwrap();
    let mut left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!left.any(|name| name.contains(".gone")));
}

// Its lines and keys are as they were; what is typed until the store has let go stays.
#[test]
fn a_store_that_does_not_let_go_of_what_went_back_keeps_nobody_from_configuring() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, OTHER);
    STUCK.set(scene.folder.path().join("state/trustpoints/.held/OTHER"));
    let said = scene.driver.revert_configuration().unwrap();
    assert!(
        said.contains("% The key store has not let go of what it held for this"),
        "{said}"
    );
    assert!(
        scene
            .driver
            .confirm_configuration(&Scene::tester())
            .is_err()
    );
    configures(&mut scene, "hostname Later");
    configures(&mut scene, OTHER);
    let said = scene.driver.write_configuration().carry_out().unwrap();
    assert!(!said.contains("not confirmed"), "{said}");
    let begun = scene.driver.clock.now();
    let due = |scene: &Scene| scene.driver.house.configure.due();
    // As often as it fails it is tried again.
    let first = due(&scene).unwrap();
    assert!(first <= begun.after(whole::REVERT_AGAIN), "{first:?}");
    STUCK.take();
    let store = scene.folder.path().join("state/trustpoints");
    STUCK.set(store.join(".held"));
    let late = begun.after(whole::REVERT_AGAIN);
    scene.driver.keep_configuring(late);
    assert!(scene.driver.house.configure.store.holds().unwrap());
    STUCK.take();
    scene
        .driver
        .keep_configuring(late.after(whole::REVERT_AGAIN));
    assert!(!scene.driver.house.configure.store.holds().unwrap());
    assert!(
        scene
            .driver
            .house
            .running_config
            .contains("hostname Later\n")
    );
    assert!(keys_after_a_crash(&scene).contains_key("OTHER/ca.pem"));
}

#[test]
fn a_stop_has_the_store_let_go_of_what_went_back() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, OTHER);
    STUCK.set(scene.folder.path().join("state/trustpoints/.held/OTHER"));
    scene.driver.revert_configuration().unwrap();
    STUCK.take();
    let configure = &mut scene.driver.house.configure;
    assert!(configure.store.holds().unwrap());
    assert_eq!(configure.end(PATIENCE), []);
    assert!(!configure.store.holds().unwrap());
}

thread_local! {
    /// Is put aside while the folder of the file that is written comes to the disk.
    static ASIDE: RefCell<PathBuf> = const { RefCell::new(PathBuf::new()) };
}

#[test]
fn keys_that_may_not_have_come_to_the_disk_are_told_of() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    ASIDE.set(scene.folder.path().join("state/trustpoints"));
    scene.driver.house.configure.startup.sync = |_| {
        ASIDE.with_borrow(|store| {
            fs::rename(store, store.with_extension("aside"))?;
            fs::write(store, "")
        })
    };
    let failed = scene.driver.write_configuration().carry_out().unwrap_err();
    assert!(
        failed.starts_with("% startup-config is written, but after a power cut the keys of before may be there again (IKEv2-TP, OTHER): "),
        "{failed}"
    );
}

#[test]
fn no_timer_begins_over_keys_that_an_earlier_one_has_left() {
    let mut scene = Scene::new();
    let begun = without_its_store(&mut scene, |scene| {
        scene.driver.configure(Ask::Begin(Scene::tester(), Some(5)))
    });
    let refused = begun.err().unwrap();
    assert!(refused.starts_with("% key store: "), "{refused}");
    assert!(scene.driver.at_configuration().is_none());
    assert!(scene.driver.house.configure.revert.is_none());
    scene.begin(Some(5));
}

#[test]
fn a_change_that_could_not_be_taken_back_at_once_keeps_its_time() {
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, "hostname Other\ncrypto ikev2 policy another");
    let configure = &scene.driver.house.configure;
    let due = |scene: &Scene| {
        let revert = scene.driver.house.configure.revert.as_ref().unwrap();
        (revert.at, revert.remind)
    };
    assert!(configure.revert.is_some());
    let first = due(&scene);
    scene.driver.house.journal.refuse();
    let refused = scene.driver.revert_configuration().unwrap_err();
    assert!(refused.contains("journal: "), "{refused}");
    assert_eq!(due(&scene), first);
    // The timer's own try comes again soon.
    let late = first.0;
    scene.driver.keep_configuring(late);
    let (again, remind) = due(&scene);
    assert!(again > late && again <= late.after(Duration::from_secs(60)));
    assert_eq!(remind, None);
}

#[test]
fn a_stop_while_somebody_else_writes_keys_says_what_the_next_start_puts_back() {
    let (mut scene, before) = within_a_timer();
    configures(&mut scene, KEYS);
    let configure = &mut scene.driver.house.configure;
    let other = configure.store.draft().unwrap();
    let said = configure.end(PATIENCE);
    assert!(
        matches!(&*said, [Said::Failed(why)] if why.contains("the next start puts back")),
        "{said:?}"
    );
    drop(other);
    assert_eq!(keys_after_a_crash(&scene)[AUTHORITIES], before);
}

#[test]
fn a_stop_over_a_timer_without_keys_does_not_ask_for_the_turn_to_write_them() {
    let (mut scene, _) = within_a_timer();
    let configure = &mut scene.driver.house.configure;
    let other = configure.store.draft().unwrap();
    assert_eq!(configure.end(PATIENCE), []);
    drop(other);
}

// They are its own, and go with it.
#[test]
fn a_stop_is_not_kept_from_the_keys_by_those_of_a_session_that_goes_with_it() {
    for is_back in [false, true] {
        let (mut scene, before) = within_a_timer();
        configures(&mut scene, KEYS);
        let id = scene.begin(None);
        let away = scene.driver.configure(Ask::Lines(id, lines(LATER, true)));
        let Ok(Answer::Away(mut errand)) = away else {
            panic!("it was not sent away")
        };
        errand.carry_out();
        let errand = if is_back {
            assert!(scene.driver.configure(Ask::Resume(id, errand)).is_ok());
            None
        } else {
            Some(errand)
        };
        let said = scene.driver.house.configure.end(PATIENCE);
        assert_eq!(
            said,
            [Said::Done(
                "configuration: the change was not confirmed, and its keys are taken back: IKEv2-TP, OTHER".into()
            )]
        );
        assert_eq!(keys(&scene)[AUTHORITIES], before);
        drop(errand);
    }
}

#[test]
fn a_text_goes_with_the_timer_that_it_was_taken_under() {
    // One that was confirmed comes into the file, whatever a later timer takes back.
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    let confirmed = keys(&scene)[AUTHORITIES].clone();
    let writing = scene.driver.write_configuration();
    let confirming = scene
        .driver
        .confirm_configuration(&Scene::tester())
        .unwrap();
    confirming.carry_out().unwrap();
    let id = scene.begin(Some(5));
    scene.types(id, LATER);
    scene.end(id);
    scene.driver.revert_configuration().unwrap();
    writing.carry_out().unwrap();
    let file = scene.driver.house.configure.startup.read().unwrap();
    assert!(file.contains("crypto pki trustpoint OTHER\n"));
    assert_eq!(keys(&scene)[AUTHORITIES], confirmed);
    // One that was taken back does not, whatever a later timer is about.
    let (mut scene, _) = within_a_timer();
    configures(&mut scene, KEYS);
    let writing = scene.driver.write_configuration();
    scene.driver.revert_configuration().unwrap();
    let id = scene.begin(Some(5));
    scene.types(id, LATER);
    scene.end(id);
    let refused = writing.carry_out().unwrap_err();
    assert!(
        refused.contains("has been taken back meanwhile"),
        "{refused}"
    );
}

// Nobody knows whether the line that it waited for ever comes back.
#[test]
fn who_goes_while_a_line_is_carried_out_ends_the_session() {
    let mut scene = Scene::new();
    let (requests, mut asked) = mpsc::channel(8);
    let socket = scene.folder.path().join("socket");
    let _serving = Listener::bind(&socket)
        .and_then(|listener| listener.serve_apart(requests, Default::default(), Default::default()))
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
