//! The control socket: who may use it, and what it survives.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
};

use ironflex_xfrm::netlink::NetworkNamespace;

use crate::support::{
    PATIENCE,
    cases::Case,
    lab::{Lab, mode},
    process::Process,
};

pub(crate) const CASES: &[Case] = &[
    (
        "control::socket_and_keys_are_the_daemons_alone",
        socket_and_keys_are_the_daemons_alone,
    ),
    (
        "control::bad_requests_are_answered_and_harm_nobody",
        bad_requests_are_answered_and_harm_nobody,
    ),
    (
        "control::silent_connections_keep_nobody_waiting",
        silent_connections_keep_nobody_waiting,
    ),
    (
        "control::a_wrong_command_is_refused_as_a_router_does",
        a_wrong_command_is_refused_as_a_router_does,
    ),
    (
        "control::a_missing_daemon_is_named_by_its_socket",
        a_missing_daemon_is_named_by_its_socket,
    ),
];

fn socket_and_keys_are_the_daemons_alone() {
    let lab = Lab::new();
    let _headend = lab.start();
    assert_eq!(mode(&lab.path("state")), 0o700);
    assert_eq!(mode(&lab.control()), 0o600);
    let mut folders = vec![lab.path("state")];
    let mut keys = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                keys += 1;
            }
        }
    }
    assert!(keys > 0, "no key was stored");
}

/// Sends octets and returns the answer, which a connection that is cut off may not have.
fn send(lab: &Lab, octets: &[u8]) -> String {
    let mut stream = UnixStream::connect(lab.control()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A request that is too long is not read to its end.
    let _ = stream.write_all(octets);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn bad_requests_are_answered_and_harm_nobody() {
    let lab = Lab::new();
    let mut headend = lab.start();
    let mut oversized = br#"{"exec":""#.to_vec();
    oversized.resize(1 << 20, b'a');
    let requests: [&[u8]; 7] = [
        b"",
        b"\n",
        b"show crypto session\n",
        b"{\"exec\":\n",
        b"{\"exec\":42}\n",
        b"\xff\xfe\x00\n",
        &[b'['; 60_000],
    ];
    for request in requests {
        let answer = send(&lab, request);
        assert!(
            answer.starts_with(r#"{"status":1,"output":"not a request: "#),
            "{} octets: {answer}",
            request.len()
        );
    }
    let answer = send(&lab, &oversized);
    assert!(
        answer.is_empty() || answer.contains("not a request"),
        "{answer}"
    );
    assert!(
        lab.exec("show crypto session")
            .contains("Crypto session current status")
    );
    headend.lives();
}

fn silent_connections_keep_nobody_waiting() {
    let lab = Lab::new();
    let _headend = lab.start();
    let mut silent: Vec<UnixStream> = (0..8)
        .map(|_| UnixStream::connect(lab.control()).unwrap())
        .collect();
    for stream in silent.iter_mut().take(4) {
        stream.write_all(br#"{"exec":"sh"#).unwrap();
    }
    let started = std::time::Instant::now();
    assert!(
        lab.exec("show crypto session")
            .contains("Crypto session current status")
    );
    // They are cut off after 10 s: an answer that waited for them would be later than that.
    assert!(started.elapsed().as_secs() < 10);
}

fn a_wrong_command_is_refused_as_a_router_does() {
    let lab = Lab::new();
    let _headend = lab.start();
    let here = NetworkNamespace::current().unwrap();
    let state = lab.name("state");
    let words = ["exec", "--state-dir", &state, "show", "crypto", "sesion"];
    let mut process = Process::start(&here, &words, "");
    process.ends_with(1);
    assert_eq!(
        process.output(),
        "show crypto sesion\n               ^\n% Invalid input detected at '^' marker.\n"
    );
}

fn a_missing_daemon_is_named_by_its_socket() {
    let lab = Lab::new();
    let here = NetworkNamespace::current().unwrap();
    let state = lab.name("state");
    let mut process = Process::start(
        &here,
        &["exec", "--state-dir", &state, "show", "version"],
        "",
    );
    process.ends_with(1);
    process.line(&format!("no daemon answers at {}", lab.control().display()));
}
