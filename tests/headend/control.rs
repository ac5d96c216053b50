//! The control socket: who may use it, and what it survives.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use ironflex_xfrm::netlink::NetworkNamespace;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::support::{
    PATIENCE,
    cases::{Case, skip},
    lab::{HEADEND, Lab, USER, mode},
    process::Process,
    stranger::{Stranger, init},
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
        "control::who_reads_nothing_is_cut_off_and_holds_up_nobody",
        who_reads_nothing_is_cut_off_and_holds_up_nobody,
    ),
    (
        "control::a_terminal_that_reads_nothing_loses_lines_and_is_told_how_many",
        a_terminal_that_reads_nothing_loses_lines_and_is_told_how_many,
    ),
    (
        "control::who_has_no_permission_is_told_so",
        who_has_no_permission_is_told_so,
    ),
    (
        "control::a_wrong_command_is_refused_as_a_router_does",
        a_wrong_command_is_refused_as_a_router_does,
    ),
    (
        "control::several_commands_are_carried_out_and_the_end_says_whether_all_were",
        several_commands_are_carried_out_and_the_end_says_whether_all_were,
    ),
    (
        "control::a_refused_line_of_several_is_named_by_its_number_beside_the_answers",
        a_refused_line_of_several_is_named_by_its_number_beside_the_answers,
    ),
    (
        "control::of_a_refused_line_nothing_is_told_behind_the_word_that_is_wrong",
        of_a_refused_line_nothing_is_told_behind_the_word_that_is_wrong,
    ),
    (
        "control::refused_lines_have_their_numbers_whatever_stands_before_them",
        refused_lines_have_their_numbers_whatever_stands_before_them,
    ),
    (
        "control::a_script_that_asks_for_another_source_of_lines_configures_nothing",
        a_script_that_asks_for_another_source_of_lines_configures_nothing,
    ),
    (
        "control::a_word_of_a_command_is_never_more_than_a_word",
        a_word_of_a_command_is_never_more_than_a_word,
    ),
    (
        "control::output_is_filtered_and_redirected_by_who_asked",
        output_is_filtered_and_redirected_by_who_asked,
    ),
    (
        "control::what_a_stranger_has_laid_for_output_is_judged_by_the_kernel",
        what_a_stranger_has_laid_for_output_is_judged_by_the_kernel,
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
        for entry in fs::read_dir(folder).unwrap() {
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
    // Twice as many as there may be at a time (`ironflex::daemon::control`).
    let mut silent: Vec<UnixStream> = (0..32)
        .map(|_| UnixStream::connect(lab.control()).unwrap())
        .collect();
    for stream in silent.iter_mut().skip(28) {
        stream.write_all(br#"{"exec":"sh"#).unwrap();
    }
    let started = Instant::now();
    assert!(
        lab.exec("show crypto session")
            .contains("Crypto session current status")
    );
    // They are cut off after 10 s: an answer that waited for them would be later than that.
    assert!(started.elapsed().as_secs() < 10);
}

fn who_reads_nothing_is_cut_off_and_holds_up_nobody() {
    let lab = Lab::new();
    let client = lab.client();
    // An answer that no socket's buffer holds.
    let users = (0..20_000).map(|user| format!("username user{user} password secret{user}\n"));
    lab.add_lines(&users.collect::<String>());
    let _headend = lab.start();
    // As many as there may be at a time (`ironflex::daemon::control`).
    let mut deaf: Vec<UnixStream> = (0..16)
        .map(|_| {
            let mut stream = UnixStream::connect(lab.control()).unwrap();
            stream
                .write_all(b"{\"exec\":\"show running-config\"}\n")
                .unwrap();
            stream
        })
        .collect();
    // The peers are served meanwhile.
    let (_process, _) = lab.log_in(&client, USER);
    // They are cut off after 10 s.
    assert!(lab.exec("show crypto session").contains("UP-ACTIVE"));
    for stream in &mut deaf {
        // Whoever reads before that has its answer.
        let patience = PollTimeout::try_from(PATIENCE).unwrap();
        let mut ends = [PollFd::new(stream.as_fd(), PollFlags::empty())];
        assert_eq!(poll(&mut ends, patience).unwrap(), 1, "it is not cut off");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut came = Vec::new();
        let _ = stream.read_to_end(&mut came);
        assert!(
            !came.is_empty() && !came.ends_with(b"}\n"),
            "{}",
            came.len()
        );
    }
}

fn a_terminal_that_reads_nothing_loses_lines_and_is_told_how_many() {
    let lab = Lab::new();
    let hosts = [(); 6].map(|()| lab.client());
    let mut headend = lab.start();
    let mut slow = UnixStream::connect(lab.control()).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"{\"monitor\":{}}\n").unwrap();
    let mut one = [0];
    slow.read_exact(&mut one).unwrap();
    lab.exec("debug crypto ikev2");
    // More than its socket and its queue hold, from as many hosts as may begin without a cookie; whoever asks is answered
    // meanwhile.
    let strangers = hosts
        .each_ref()
        .map(|host| Stranger::new(&host.host.namespace, HEADEND));
    let mut begun = 0;
    let mut begin = |count: u64| {
        for _ in 0..count {
            begun += 1;
            let stranger = &strangers[usize::try_from(begun).unwrap() % strangers.len()];
            stranger.send(&init(begun));
        }
    };
    let logged = || {
        let json = lab.exec("show logging | json");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        json["log"]["logged"].as_u64().unwrap()
    };
    let end = Instant::now() + PATIENCE;
    while logged() < 1_500 {
        assert!(Instant::now() < end, "{} lines", logged());
        // A thousand lines a second are written of strangers, and a host that has begun enough is told of no more.
        begin(15);
        thread::sleep(std::time::Duration::from_millis(400));
    }
    // What it has lost it is told where the next line finds room.
    let reading = thread::spawn(move || {
        let mut lines = BufReader::new(slow).lines().map_while(Result::ok);
        lines.find(|line| line.contains(" lines were lost to this terminal"))
    });
    let end = Instant::now() + PATIENCE;
    while !reading.is_finished() {
        assert!(Instant::now() < end, "it is told of no loss");
        // A line of the log, which there are as many of as are asked for.
        begin(1);
        thread::sleep(std::time::Duration::from_millis(50));
    }
    let told = reading.join().unwrap().expect("it is not cut off");
    let number = told.split_once("% ").unwrap().1.split(' ').next().unwrap();
    assert!(number.parse::<u64>().unwrap() > 100, "{told}");
    headend.lives();
}

fn who_has_no_permission_is_told_so() {
    use std::os::unix::process::CommandExt;
    let lab = Lab::new();
    let _headend = lab.start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ironflex"));
    command.args(["exec", "--state-dir", &lab.name("state"), "show clock"]);
    let Ok(output) = command.uid(4321).gid(4321).output() else {
        skip("only who may become somebody else can see what that one is told");
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let socket = lab.control();
    let expected = format!("no permission to use {}", socket.display());
    assert!(said.contains(&expected), "{said}");
    assert!(output.stdout.is_empty() && output.status.code() == Some(1));
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

/// `ironflex exec` with these words and this input: what it says, and its errors.
fn script(lab: &Lab, words: &[&str], input: impl AsRef<[u8]>, status: i32) -> (String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ironflex"))
        .args(["exec", "--state-dir", &lab.name("state")])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.as_ref().to_vec();
    // It may end before it has read all of it.
    let writes = thread::spawn(move || drop(stdin.write_all(&input)));
    let ended = child.wait_with_output().unwrap();
    writes.join().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    assert_eq!(ended.status.code(), Some(status), "{words:?}");
    (text(ended.stdout), text(ended.stderr))
}

fn a_refused_line_of_several_is_named_by_its_number_beside_the_answers() {
    let lab = Lab::new();
    let _headend = lab.start();
    // Lines of configuration come together; those behind an `end` are commands again.
    let input = "show clock\nclear crypto sa spi\nconfigure terminal\n\
                 username eve passwrd hidden\nhostname A\nhostname\nend\nun\nconfigure\nterminal\n\
                 hostnme\ndo un\n  !\nhostname \u{1b}[2J\nend\nÿ\nshow clock\n";
    let (output, errors) = script(&lab, &[], input, 1);
    assert_eq!(output.matches(" UTC ").count(), 2, "{output}");
    assert_eq!(
        errors,
        "ironflex: line 2 was refused: clear crypto sa spi\n\
         ironflex: line 4 was refused: username eve passwrd …\n\
         ironflex: line 6 was refused: hostname\n\
         ironflex: line 8 was refused: un\n\
         ironflex: line 11 was refused: hostnme\n\
         ironflex: line 12 was refused: do un\n\
         ironflex: line 14 was refused: hostname . …\n\
         ironflex: line 16 was refused: ÿ\n"
    );
    let words = ["show clock", "sh vresion", "show clock"];
    let (_, errors) = script(&lab, &words, "", 1);
    assert_eq!(errors, "ironflex: line 2 was refused: sh vresion\n");
    // Of one command there is no question.
    assert_eq!(script(&lab, &["sh", "vresion"], "", 1).1, "");
    assert_eq!(script(&lab, &["sh vresion"], "", 1).1, "");
}

fn of_a_refused_line_nothing_is_told_behind_the_word_that_is_wrong() {
    let lab = Lab::new();
    let _headend = lab.start();
    let input = "configure terminal\nsnmp-server community Plant RO\nntp authentication-key 1 md5 Plant\n\
                 interface Virtual-Template1 type tunnel\n ip ospf authentication-key Plant\n\
                 tacacs-server key Plant\nenable secret Plant\nstandby 1 authentication Plant\n\
                 username eve secret Plant\nend\nsnmp-server community Plant RO\nno snmp-server community Plant\n\
                 show crypto sesion Plant\n";
    let (_, errors) = script(&lab, &[], input, 1);
    assert_eq!(
        errors,
        "ironflex: line 2 was refused: snmp-server …\n\
         ironflex: line 3 was refused: ntp …\n\
         ironflex: line 5 was refused: ip ospf …\n\
         ironflex: line 6 was refused: tacacs-server …\n\
         ironflex: line 7 was refused: enable …\n\
         ironflex: line 8 was refused: standby …\n\
         ironflex: line 9 was refused: username eve secret …\n\
         ironflex: line 11 was refused: snmp-server …\n\
         ironflex: line 12 was refused: no snmp-server …\n\
         ironflex: line 13 was refused: show crypto sesion …\n"
    );
}

fn refused_lines_have_their_numbers_whatever_stands_before_them() {
    let lab = Lab::new();
    let _headend = lab.start();
    let input = b"configure terminal\nhostname A\n\xff\nhostname\nhostname B\nend\nshow hostnme\n";
    let (output, errors) = script(&lab, &[], input, 1);
    assert_eq!(
        errors,
        "ironflex: line 3 was refused\nironflex: line 4 was refused: hostname\n\
         ironflex: line 7 was refused: show hostnme\n"
    );
    assert!(
        output.starts_with("% The line is not UTF-8\n% Incomplete command.\n"),
        "{output}"
    );
    // More than the daemon takes at once ends the session, and what is behind it is no command.
    let (some, many) = ("\u{1}".repeat(60_000), "\u{1}".repeat(125_000));
    let words = [
        "configure terminal",
        "hostname C",
        "do show clock",
        &some,
        &many,
        "sh vresion",
    ];
    let (_, errors) = script(&lab, &words, "", 1);
    assert_eq!(
        errors,
        "ironflex: line 4 and what follows it had no answer\n"
    );
}

fn a_script_that_asks_for_another_source_of_lines_configures_nothing() {
    let lab = Lab::new();
    let _headend = lab.start();
    let name = || lab.exec("show running-config | include ^hostname");
    let before = name();
    for (answer, says, refused) in [
        (
            "network",
            "% configure network: not supported by this headend: ",
            "line 2 was refused: configure network",
        ),
        (" MEM ", " bytes copied in ", "line 3 was refused: hostname"),
    ] {
        let input = format!("configure\n{answer}\nhostname Nobody\n");
        let (output, errors) = script(&lab, &[], input, 1);
        assert!(output.contains(says), "{answer}: {output}");
        assert!(
            errors.starts_with(&format!("ironflex: {refused}")),
            "{errors}"
        );
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert_eq!(name(), before, "{answer}");
    }
    // Many a script has no answer.
    for answer in ["", "terminal\n"] {
        let input = format!("configure\n{answer}hostname Some{}\n", answer.len());
        script(&lab, &[], input, 0);
        assert_eq!(name(), format!("hostname Some{}\n", answer.len()));
    }
}

fn several_commands_are_carried_out_and_the_end_says_whether_all_were() {
    let lab = Lab::new();
    let _headend = lab.start();
    let here = NetworkNamespace::current().unwrap();
    let state = lab.name("state");
    let exec = |words: &[&str], input: &str, status| script(&lab, words, input, status).0;
    let all_off = "All possible debugging has been turned off\n";
    assert_eq!(exec(&["undebug", "all"], "", 0), all_off);
    assert_eq!(exec(&["undebug all", "u all"], "", 0), all_off.repeat(2));
    let script = "! a comment\n\nterminal length 0\r\n undebug all\ndo u all\nend\n";
    assert_eq!(exec(&[], script, 0), all_off.repeat(2));
    // What is refused does not keep the rest from being done.
    let script = "undebug all\nun\nshow vresion\nundebug all\nundeb";
    assert_eq!(
        exec(&[], script, 1),
        format!(
            "{all_off}% Incomplete command.\nshow vresion\n      ^\n% Invalid input detected at '^' marker.\n{all_off}% Incomplete command.\n"
        )
    );
    // Without a word, and without a terminal, the same; the folder may stand in front.
    let mut process = Process::start(&here, &["--state-dir", &state], "undebug all\nexit\n");
    process.ends_with(0);
    assert_eq!(process.output(), all_off);
    let words = ["--state-dir", &state, "exec", "undebug", "all"];
    let mut process = Process::start(&here, &words, "");
    process.ends_with(0);
    assert_eq!(process.output(), all_off);
    let (said, why) = self::script(&lab, &[], "exit\nshow vresion\n", 1);
    assert_eq!(said, "");
    assert!(
        why.contains("line 2 and what follows it were not carried out"),
        "{why}"
    );
    // Nothing that matters is left out.
    assert_eq!(exec(&[], "exit\n!\n\nend\n", 0), "");
    let script = "configure terminal\nhostname a b\nend\nundebug all\n";
    let said = exec(&[], script, 1);
    assert!(
        said.contains("% Invalid input detected") && said.ends_with(all_off),
        "{said}"
    );
    let long = format!("{}\nundebug all\n", "show ".repeat(200_000));
    assert_eq!(
        exec(&[], &long, 1),
        format!("% Line is too long: it may have 8192 octets\n{all_off}")
    );
    assert_eq!(
        exec(&["terminal ?"], "", 0),
        "  default  Set a command to its defaults (not here)\n  \
           history  Enable and control the command history function\n  \
           length   Set number of lines on a screen\n  \
           monitor  Copy debug output to the current terminal line\n  \
           no       Negate a command or set its defaults\n  \
           width    Set width of the display terminal\n"
    );
}

// A script names somebody by the words of a command: whatever the name is, it is no more than that.
fn a_word_of_a_command_is_never_more_than_a_word() {
    let lab = Lab::new();
    let _headend = lab.start();
    let here = NetworkNamespace::current().unwrap();
    let state = lab.name("state");
    let exec = |words: &[&str], status| {
        let mut all = vec!["exec", "--state-dir", &state];
        all.extend(words);
        let mut process = Process::start(&here, &all, "");
        process.ends_with(status);
        process.output()
    };
    let named = |name: &str, status| exec(&["show", "crypto", "session", "username", name], status);
    let nobody = named("nobody", 0);
    assert!(!nobody.is_empty());
    for name in ["who?", "a|b", "a|count"] {
        assert_eq!(named(name, 0), nobody, "{name}");
    }
    assert_ne!(named("?", 0), nobody);
    let file = lab.path("written.txt");
    let written = file.display();
    for name in [
        "nobody\nundebug all",
        "nobody undebug",
        &format!("nobody | redirect {written}"),
        "|",
        "|count",
    ] {
        let said = named(name, 1);
        assert!(said.starts_with("% "), "{name:?}: {said}");
    }
    assert!(!file.exists());
    let all_off = "All possible debugging has been turned off\n";
    let filtered = ["show", "running-config", "|", "count", "ip local pool"];
    assert!(exec(&filtered, 0).starts_with("Number of lines"));
    // A line in one argument is as if it were typed, and so are several.
    assert_eq!(exec(&["undebug all\nundebug all"], 0), all_off.repeat(2));
    assert!(exec(&["enable", "undebug all"], 1).contains("of several commands the first"));
    assert_eq!(exec(&["undebug all", "enable"], 0), all_off);
    // Nothing that a path holds steers the terminal.
    let nowhere = format!("{}/no folder/\u{1b}[2J", lab.path("").display());
    let said = exec(&[&format!("show debugging | redirect {nowhere}")], 1);
    assert!(
        said.starts_with("% Error writing ") && said.contains("/.[2J ("),
        "{said:?}"
    );
}

fn output_is_filtered_and_redirected_by_who_asked() {
    let lab = Lab::new();
    let _headend = lab.start();
    assert_eq!(
        lab.exec("show running-config | include ^ip local pool"),
        lab.exec("show running-config")
            .lines()
            .filter(|line| line.starts_with("ip local pool"))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    );
    let section = lab.exec("show run | sec Virtual-Template100");
    assert!(
        section.starts_with("interface Virtual-Template100"),
        "{section}"
    );
    assert!(section.lines().skip(1).any(|line| line.starts_with(' ')));
    let file = lab.path("written.txt");
    let line = format!("show running-config | redirect {}", file.display());
    assert_eq!(lab.exec(&line), "");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        lab.exec("show running-config")
    );
    // The daemon writes no file for anybody.
    let other = lab.path("not written.txt");
    let request = format!(
        "{{\"exec\":\"show running-config | redirect {}\"}}\n",
        other.display()
    );
    assert!(send(&lab, request.as_bytes()).starts_with(r#"{"status":1,"#));
    assert!(!other.exists());
}

fn a_missing_daemon_is_named_by_its_socket() {
    let lab = Lab::new();
    let here = NetworkNamespace::current().unwrap();
    let state = lab.name("state");
    let mut process = Process::start(
        &here,
        &["exec", "--state-dir", &state, "show", "metrics"],
        "",
    );
    process.ends_with(1);
    let nobody = format!("no daemon answers at {}", lab.control().display());
    process.line(&nobody);
    // Even where nothing is asked.
    for words in [
        &["--state-dir", &state][..],
        &["exec", "--state-dir", &state],
    ] {
        let mut process = Process::start(&here, words, "");
        process.ends_with(1);
        process.line(&nobody);
    }
}

// In a folder of everybody's the kernel may refuse files and links of strangers (fs.protected_regular,
// fs.protected_symlinks); its word is this command's.
fn what_a_stranger_has_laid_for_output_is_judged_by_the_kernel() {
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};
    let lab = Lab::new();
    let _headend = lab.start();
    let here = NetworkNamespace::current().unwrap();
    let (state, public, target) = (lab.name("state"), lab.path("public"), lab.path("target"));
    fs::create_dir(&public).unwrap();
    fs::set_permissions(&public, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(&target, "").unwrap();
    let (file, link) = (public.join("file"), public.join("link"));
    fs::write(&file, "").unwrap();
    symlink(&target, &link).unwrap();
    for path in [&file, &link] {
        if lchown(path, Some(4321), Some(4321)).is_err() {
            skip("only who may give files away can lay them");
        }
        let kernel = fs::File::create(path).is_ok();
        let line = format!("show version | redirect {}", path.display());
        let words = ["exec", "--state-dir", &state, &line];
        let mut process = Process::start(&here, &words, "");
        assert_eq!(process.end() == Some(0), kernel, "{}", process.output());
        let written = fs::read_to_string(path).is_ok_and(|text| text.contains("ironflex"));
        assert_eq!(written, kernel);
    }
}
