//! Who asks, who is gone, and whose disk does not answer.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Instant,
};

use super::{super::configure::Work, *};

/// A socket that serves, and work that somebody has been given to do at it: it begins, waits for a word and is done.
fn at_work() -> (Serving, Sender<()>, Arc<AtomicBool>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let (requests, mut asked) = mpsc::channel(1);
    let listener = Listener::bind(&socket).unwrap();
    let serving = listener
        .serve_apart(requests, Default::default(), Default::default())
        .unwrap();
    thread::spawn(move || ask(net::UnixStream::connect(socket).unwrap(), "write memory"));
    let Some(Request::Exec { reply, .. }) = asked.blocking_recv() else {
        panic!("something else is asked")
    };
    let ((begins, begun), (go_on, word)): ((_, Receiver<()>), _) = (channel(), channel());
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let work = Work::new(move || {
        begins.send(()).unwrap();
        let _ = word.recv();
        is_done.store(true, Ordering::Relaxed);
        Ok(String::new())
    });
    assert!(reply.send(Outcome::Work(work)).is_ok());
    begun.recv().unwrap();
    (serving, go_on, done, folder)
}

#[test]
fn the_end_waits_for_a_file_that_is_being_written() {
    let (serving, go_on, done, _folder) = at_work();
    let disk = thread::spawn(move || {
        thread::sleep(FILES / 8);
        go_on.send(()).unwrap();
    });
    drop(serving);
    assert!(done.load(Ordering::Relaxed));
    disk.join().unwrap();
}

#[test]
fn the_end_does_not_wait_for_a_disk_that_does_not_answer() {
    let (serving, go_on, done, _folder) = at_work();
    let begun = Instant::now();
    drop(serving);
    let took = begun.elapsed();
    assert!((FILES..FILES * 4).contains(&took), "{took:?}");
    assert!(!done.load(Ordering::Relaxed));
    drop(go_on);
}

/// A socket that serves below a folder, and what it asks the loop.
fn serving(folder: &Path) -> (PathBuf, mpsc::Receiver<Request>, Serving) {
    let socket = folder.join("control");
    let (requests, asked) = mpsc::channel(1);
    let listener = Listener::bind(&socket).unwrap();
    (
        socket,
        asked,
        listener
            .serve_apart(requests, Default::default(), Default::default())
            .unwrap(),
    )
}

/// Asks and does not wait for the answer.
fn asking(socket: &Path, line: &str) -> net::UnixStream {
    use std::io::Write as _;
    let mut stream = net::UnixStream::connect(socket).unwrap();
    let question = serde_json::to_string(&Question::Exec(line.to_owned())).unwrap();
    writeln!(stream, "{question}").unwrap();
    stream
}

/// What is asked next.
fn next(asked: &mut mpsc::Receiver<Request>) -> (String, oneshot::Sender<Outcome>) {
    let begun = Instant::now();
    loop {
        match asked.try_recv() {
            Ok(Request::Exec { line, reply, .. }) => return (line, reply),
            Ok(_) => panic!("something else is asked"),
            Err(_) => assert!(begun.elapsed() < PATIENCE, "nothing is asked"),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until nobody waits for the answer any more.
fn is_given_up(reply: &oneshot::Sender<Outcome>) {
    let begun = Instant::now();
    while !reply.is_closed() {
        assert!(begun.elapsed() < PATIENCE, "it is waited for still");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn who_is_gone_is_not_answered_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, mut asked, _serving) = serving(folder.path());
    let stream = asking(&socket, "clear crypto session");
    let (_, reply) = next(&mut asked);
    assert!(!reply.is_closed());
    drop(stream);
    is_given_up(&reply);
}

// Until the loop knows of it, lines pass it by.
#[test]
fn who_watches_is_told_so_once_the_loop_knows_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, mut asked, _serving) = serving(folder.path());
    let watching = thread::spawn(move || {
        let stream = net::UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        monitor(stream, false).map(drop)
    });
    let Some(Request::Monitor(_, _lines, Watched::All, reply)) = asked.blocking_recv() else {
        panic!("something else is asked")
    };
    thread::sleep(Duration::from_millis(200));
    assert!(!watching.is_finished());
    reply.send(()).unwrap();
    watching.join().unwrap().unwrap();
}

// What it has begun to say after its request is nobody's then.
#[test]
fn who_is_gone_and_has_said_more_than_was_answered_is_not_answered_either() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let (socket, mut asked, _serving) = serving(folder.path());
    let mut stream = asking(&socket, "clear crypto session");
    let (_, reply) = next(&mut asked);
    stream.write_all(b"x").unwrap();
    // As long as it is there it is answered.
    thread::sleep(GONE * 2);
    assert!(!reply.is_closed());
    drop(stream);
    is_given_up(&reply);
}

// Each of them is gone, and its disk does not answer.
#[test]
fn files_that_hang_leave_room_for_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, mut asked, serving) = serving(folder.path());
    let (begins, begun) = channel();
    let mut words = Vec::new();
    let mut hang = |reply: oneshot::Sender<Outcome>| {
        let (go_on, word): (Sender<()>, _) = channel();
        words.push(go_on);
        let begins = begins.clone();
        let work = Work::new(move || {
            begins.send(()).unwrap();
            let _ = word.recv();
            Ok(String::new())
        });
        assert!(reply.send(Outcome::Work(work)).is_ok());
    };
    for _ in 0..MAX_CONNECTIONS {
        let stream = asking(&socket, "write memory");
        hang(next(&mut asked).1);
        begun.recv_timeout(PATIENCE).unwrap();
        drop(stream);
    }
    let stream = asking(&socket, "show clock");
    let (line, reply) = next(&mut asked);
    assert_eq!(line, "show clock");
    assert!(reply.send(Outcome::Done(Ok("now\n".into()))).is_ok());
    let mut answer = String::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    io::BufRead::read_line(&mut io::BufReader::new(stream), &mut answer).unwrap();
    assert!(answer.contains("now"), "{answer}");
    drop(words);
    drop(serving);
}

// All of them are there before anything is looked at.
#[test]
fn a_burst_of_who_says_nothing_ends_nobody_who_has_asked() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let listener = Listener::bind(&socket).unwrap();
    let _asking = asking(&socket, "show clock");
    let connect = |_| net::UnixStream::connect(&socket).unwrap();
    let _silent: Vec<_> = (0..MAX_CONNECTIONS * 2).map(connect).collect();
    let (requests, mut asked) = mpsc::channel(1);
    let _serving = listener
        .serve_apart(requests, Default::default(), Default::default())
        .unwrap();
    assert_eq!(next(&mut asked).0, "show clock");
}
