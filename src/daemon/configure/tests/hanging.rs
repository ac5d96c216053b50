//! What becomes of lines and commands while others wait for a disk that does not answer.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::Shutdown,
    sync::mpsc::{Sender, channel},
};

use tokio::sync::oneshot;

use super::*;
use crate::daemon::{
    bootflash::Present,
    control::{self, Outcome, Question},
};

/// Lines of which the second is carried out elsewhere, and a third one.
const LINES: &str = "hostname Taken\ncrypto pki authenticate IKEv2-TP pem bootflash:sub.pem\nip local pool late 192.168.40.1 192.168.40.9";

/// A session whose last line is being carried out; one of those before it has brought keys. With what there was before it.
fn with_a_line_away() -> (Scene, u64, Box<Errand>, Seen) {
    let mut scene = Scene::new();
    let before = scene.seen();
    let id = scene.begin(None);
    let text = "crypto pki trustpoint OTHER\nexit\ncrypto pki authenticate OTHER pem bootflash:sub.pem\n\
         hostname Taken\ncrypto pki authenticate IKEv2-TP pem bootflash:sub.pem";
    let away = scene.driver.configure(Ask::Lines(id, lines(text, false)));
    let Ok(Answer::Away(mut first)) = away else {
        panic!("it was not sent away")
    };
    first.carry_out();
    let away = scene.driver.configure(Ask::Resume(id, first));
    let Ok(Answer::Away(second)) = away else {
        panic!("it was not sent away")
    };
    (scene, id, second, before)
}

#[test]
fn lines_that_were_taken_stay_when_their_person_goes_while_another_hangs() {
    for is_carried_out in [false, true] {
        let (mut scene, id, mut errand, before) = with_a_line_away();
        if is_carried_out {
            errand.carry_out();
        }
        scene.end(id);
        assert!(scene.driver.at_configuration().is_none());
        let after = scene.seen();
        assert!(after.running_config.contains("hostname Taken\n"));
        assert!(
            after
                .running_config
                .contains("crypto pki trustpoint OTHER\n")
        );
        let store = &scene.driver.house.configure.store;
        assert!(store.load("OTHER").unwrap().is_some());
        // The one that hangs is taken as a whole or not at all.
        let changed = |seen: &Seen| {
            let authorities = |(path, _): &(&String, _)| path.ends_with("IKEv2-TP/ca.pem");
            let found = seen.keys.iter().find(authorities);
            found.map(|(_, octets)| octets.clone())
        };
        assert_eq!(changed(&after) != changed(&before), is_carried_out);
        // It comes back too late, and others have their turn.
        errand.carry_out();
        assert!(scene.driver.configure(Ask::Resume(id, errand)).is_err());
        assert_eq!(scene.seen(), after);
        let id = scene.begin(None);
        let said = scene.types(id, KEYS);
        assert!(!said.contains("taken back"), "{said}");
        scene.end(id);
    }
}

/// A socket all of whose places at files are taken by commands that go on until the words are dropped.
fn with_files_that_hang(
    scene: &Scene,
) -> (mpsc::Receiver<Request>, Serving, Vec<Sender<()>>, PathBuf) {
    let (requests, mut asked) = mpsc::channel(8);
    let socket = scene.folder.path().join("socket");
    let serving = Listener::bind(&socket)
        .and_then(|listener| listener.serve_apart(requests, Default::default(), Default::default()))
        .unwrap();
    let (begins, begun) = channel();
    let mut words = Vec::new();
    for _ in 0..16 {
        let stream = asks(&socket, "write memory");
        let Some(Request::Exec { reply, .. }) = asked.blocking_recv() else {
            panic!("something else is asked")
        };
        let (go_on, word): (Sender<()>, _) = channel();
        words.push(go_on);
        let begins = begins.clone();
        let work = Work::new(move || {
            begins.send(()).unwrap();
            let _ = word.recv();
            Ok(String::new())
        });
        assert!(reply.send(Outcome::Work(work)).is_ok());
        begun.recv_timeout(PATIENCE).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
    (asked, serving, words, socket)
}

/// Asks and does not wait for the answer.
fn asks(socket: &Path, line: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let question = serde_json::to_string(&Question::Exec(line.to_owned())).unwrap();
    writeln!(stream, "{question}").unwrap();
    stream
}

/// Does the command line that is asked next.
fn carries_out(scene: &mut Scene, asked: &mut mpsc::Receiver<Request>) {
    let (line, reply): (String, oneshot::Sender<Outcome>) = match asked.blocking_recv() {
        Some(Request::Exec { line, reply, .. }) => (line, reply),
        _ => panic!("it is asked for something else"),
    };
    let outcome = control::execute(&mut scene.driver, &line, Scene::tester(), Present::Replaced);
    assert!(reply.send(outcome).is_ok());
}

#[test]
fn what_is_confirmed_is_said_so_whoever_waits_for_a_disk() {
    let mut scene = Scene::new();
    let id = scene.begin(Some(5));
    scene.types(id, KEYS);
    scene.end(id);
    let (mut asked, _serving, _words, socket) = with_files_that_hang(&scene);
    let answer = |stream: UnixStream| {
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    };
    // Another one finds no place.
    let stream = asks(&socket, "write memory");
    carries_out(&mut scene, &mut asked);
    let refused = answer(stream);
    assert!(refused.contains("wait for a disk already"), "{refused}");
    let stream = asks(&socket, "configure confirm");
    carries_out(&mut scene, &mut asked);
    assert_eq!(answer(stream).trim_end(), r#"{"status":0,"output":""}"#);
    assert!(scene.driver.house.configure.revert.is_none());
}

#[test]
fn a_line_that_finds_no_place_at_files_is_refused_alone() {
    let mut scene = Scene::new();
    let (mut asked, _serving, _words, socket) = with_files_that_hang(&scene);
    let typing = thread::spawn(move || {
        let stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut session = Session::begin(stream, Begin::default()).unwrap();
        let taken = session.take(&lines(LINES, false));
        (taken, session)
    });
    // It begins, its lines are taken, and the one that was refused comes back.
    for _ in 0..3 {
        scene.answers(&mut asked);
    }
    let (taken, _session) = typing.join().unwrap();
    let taken = taken.unwrap();
    assert_eq!(taken.taken, 3);
    let refused: Vec<_> = taken.said.iter().filter(|said| said.refused).collect();
    assert!(
        refused.len() == 1
            && refused[0].line == 1
            && refused[0].text == "% 16 commands wait for a disk already\n",
        "{:?}",
        taken.said
    );
    assert!(scene.driver.at_configuration().is_some());
    let running = &scene.driver.house.running_config;
    assert!(running.contains("hostname Taken\n") && running.contains("ip local pool late "));
}

/// Has something done while the configuration file is about to take its place, on a disk that does not answer.
fn while_the_file_takes_its_place<T>(scene: &mut Scene, done: impl FnOnce(&mut Scene) -> T) -> T {
    let held = scene.driver.house.configure.held.clone();
    let (begins, begun) = channel();
    let (go_on, word) = channel::<()>();
    let moving = thread::spawn(move || {
        let changes = held.lock();
        begins.send(()).unwrap();
        let _ = word.recv_timeout(PATIENCE);
        drop(changes);
    });
    begun.recv_timeout(PATIENCE).unwrap();
    let since = std::time::Instant::now();
    let done = done(scene);
    let took = since.elapsed();
    drop(go_on);
    moving.join().unwrap();
    assert!(took < Duration::from_secs(5), "{took:?}");
    done
}

#[test]
fn nobody_waits_for_a_file_that_is_taking_its_place() {
    let mut scene = Scene::new();
    let before = scene.seen();
    let id = scene.begin(Some(5));
    scene.types(id, KEYS);
    scene.end(id);
    let changed = scene.seen();
    let late = scene.driver.clock.now().after(Duration::from_secs(301));
    let answers = while_the_file_takes_its_place(&mut scene, |scene| {
        // Another writing waits where nobody else does.
        let _writing = scene.driver.write_configuration();
        let confirmed = scene
            .driver
            .confirm_configuration(&Scene::tester())
            .err()
            .unwrap();
        let reverted = scene.driver.revert_configuration().unwrap_err();
        let id = scene.begin(None);
        let third = "crypto pki trustpoint THIRD\nexit\ncrypto pki authenticate THIRD pem bootflash:sub.pem";
        let typed = scene.types(id, third);
        scene.end(id);
        scene.driver.keep_configuring(late);
        [confirmed, reverted, typed]
    });
    for answer in answers {
        assert!(
            answer.contains("configuration file is being written: try again"),
            "{answer}"
        );
    }
    assert_eq!(scene.seen(), changed);
    // The timer looks again at once.
    scene.driver.keep_configuring(late.after(TOGETHER));
    assert_eq!(scene.seen(), before);
    assert!(scene.driver.house.configure.revert.is_none());
    // A new one holds what is there when it begins, and does not begin before that is known.
    let begun = while_the_file_takes_its_place(&mut scene, |scene| {
        scene.driver.configure(Ask::Begin(Scene::tester(), Some(5)))
    });
    let refused = begun.err().unwrap();
    assert!(refused.contains("is being written: try again"), "{refused}");
    assert!(scene.driver.at_configuration().is_none());
}

#[test]
fn a_line_that_comes_back_without_having_been_carried_out_is_refused_alone() {
    let (mut scene, id, errand, _) = with_a_line_away();
    let Ok(Answer::Taken(taken)) = scene.driver.configure(Ask::Resume(id, errand)) else {
        panic!("they were not taken")
    };
    let refused = taken.said.iter().filter(|said| said.refused);
    let refused: Vec<&str> = refused.map(|said| &*said.text).collect();
    assert_eq!(refused, ["% It was not carried out\n"]);
    scene.end(id);
    let running = &scene.driver.house.running_config;
    assert!(running.contains("hostname Taken\n") && running.contains("trustpoint OTHER\n"));
}

#[test]
fn a_line_whose_carrying_out_panics_is_given_up_and_the_log_says_so() {
    let (mut scene, id, errand, before) = with_a_line_away();
    let keys = errand.keys.clone();
    let carrying = thread::spawn(move || {
        let _keys = keys.lock();
        panic!("as it is to be");
    });
    assert!(carrying.join().is_err());
    let (sending, mut told) = mpsc::channel(8);
    scene
        .driver
        .watch_log(Scene::tester(), sending, Watched::All);
    scene.end(id);
    assert!(scene.driver.at_configuration().is_none());
    let line = told.try_recv().unwrap();
    assert!(
        line.contains("which is given up; those before it stay"),
        "{line}"
    );
    let after = scene.seen();
    assert!(after.running_config.contains("hostname Taken\n"));
    assert_ne!(after.keys, before.keys);
    // It can be done again.
    drop(errand);
    let id = scene.begin(None);
    assert!(!scene.types(id, KEYS).contains("taken back"));
    scene.end(id);
}
