//! The router's command line at a terminal.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ironflex_xfrm::netlink::NetworkNamespace;
use nix::sys::signal::Signal;

use crate::configure::until_free;
use crate::support::{
    PATIENCE,
    cases::Case,
    lab::{Lab, USER},
    process::Process,
    screen::rendered,
    terminal::Terminal,
};

pub(crate) const CASES: &[Case] = &[
    ("shell::a_conversation", a_conversation),
    (
        "shell::the_prompt_has_the_name_that_the_headend_gives_itself",
        the_prompt_has_the_name_that_the_headend_gives_itself,
    ),
    (
        "shell::a_router_asks_before_it_clears_and_where_a_configuration_comes_from",
        a_router_asks_before_it_clears_and_where_a_configuration_comes_from,
    ),
    (
        "shell::long_output_waits_for_a_key",
        long_output_waits_for_a_key,
    ),
    (
        "shell::the_log_comes_to_a_terminal_that_monitors",
        the_log_comes_to_a_terminal_that_monitors,
    ),
    (
        "shell::the_terminal_is_left_as_it_was_however_it_ends",
        the_terminal_is_left_as_it_was_however_it_ends,
    ),
    (
        "shell::ctrl_c_gives_the_prompt_back_wherever_it_comes",
        ctrl_c_gives_the_prompt_back_wherever_it_comes,
    ),
    (
        "shell::a_line_that_is_hung_up_ends_the_shell_and_what_it_held",
        a_line_that_is_hung_up_ends_the_shell_and_what_it_held,
    ),
    (
        "shell::bad_input_is_refused_and_the_next_line_is_not",
        bad_input_is_refused_and_the_next_line_is_not,
    ),
    (
        "shell::a_paste_looks_as_if_it_had_been_typed_and_costs_less",
        a_paste_looks_as_if_it_had_been_typed_and_costs_less,
    ),
    (
        "shell::a_headend_that_is_gone_is_named_and_the_next_one_answers",
        a_headend_that_is_gone_is_named_and_the_next_one_answers,
    ),
    (
        "shell::a_change_that_is_to_be_confirmed_reminds_its_terminal",
        a_change_that_is_to_be_confirmed_reminds_its_terminal,
    ),
    (
        "shell::what_is_recalled_can_be_typed_where_it_is",
        what_is_recalled_can_be_typed_where_it_is,
    ),
    (
        "shell::whoever_is_to_be_reminded_has_its_place_until_that_is_over",
        whoever_is_to_be_reminded_has_its_place_until_that_is_over,
    ),
];

/// A lab whose headend has a name.
pub(crate) fn lab() -> Lab {
    let lab = Lab::new();
    lab.add_lines("hostname Router\n");
    lab
}

const CTRL_C: &str = "\u{3}";
const CTRL_Z: &str = "\u{1a}";
const CTRL_D: &str = "\u{4}";

/// A shell at a terminal.
pub(crate) struct Shell {
    terminal: Terminal,
    columns: usize,
    process: Process,
}

impl Shell {
    /// Opens it, and waits for the prompt.
    fn open(lab: &Lab) -> Self {
        Self::open_at(lab, Terminal::open(), 80)
    }

    /// The same at a terminal of so many columns.
    pub(crate) fn open_wide(lab: &Lab, columns: u16) -> Self {
        Self::open_at(lab, Terminal::open_wide(columns), columns.into())
    }

    fn open_at(lab: &Lab, terminal: Terminal, columns: usize) -> Self {
        let here = NetworkNamespace::current().unwrap();
        let state = lab.name("state");
        let process = Process::start_within(&terminal, &here, &["--state-dir", &state]);
        let shell = Self {
            terminal,
            columns,
            process,
        };
        shell.until(|rows| rows.last().is_some_and(|row| row == "Router>"));
        shell
    }

    /// The same, with everything allowed.
    pub(crate) fn open_privileged(lab: &Lab) -> Self {
        let shell = Self::open(lab);
        shell.types("enable\r", "Router#");
        shell
    }

    /// The same at a terminal of so many columns.
    pub(crate) fn open_privileged_wide(lab: &Lab, columns: u16) -> Self {
        let shell = Self::open_wide(lab, columns);
        shell.types("enable\r", "Router#");
        shell
    }

    pub(crate) fn rows(&self) -> Vec<String> {
        rendered(self.columns, &self.terminal.screen())
    }

    /// Types, and waits for nothing.
    pub(crate) fn sends(&self, keys: &str) {
        self.terminal.sends(keys.as_bytes());
    }

    /// Waits until the screen is as `wanted`.
    pub(crate) fn until(&self, wanted: impl Fn(&[String]) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let rows = self.rows();
            if wanted(&rows) {
                return;
            }
            assert!(
                Instant::now() < end,
                "the screen does not come to what it should:\n{}\n{}",
                rows.join("\n"),
                self.process.output()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types, and waits until a further line is on the screen and the last one is `then`. Returns what came between.
    pub(crate) fn types(&self, keys: &str, then: &str) -> String {
        let before = self.rows().len();
        self.terminal.sends(keys.as_bytes());
        self.until(|rows| rows.len() > before && rows.last().is_some_and(|row| row == then));
        let rows = self.rows();
        rows[before..rows.len() - 1].join("\n")
    }
}

/// `tests/golden/shell/conversation.txt` is what the user sees.
fn a_conversation() {
    let lab = lab();
    let _headend = lab.start();
    let mut shell = Shell::open(&lab);
    shell.types("?", "Router>");
    shell.types("clear crypto session\r", "Router>");
    shell.types("en\r", "Router#");
    // Help at three depths, and of a word that is begun.
    shell.types("show ?", "Router#show");
    shell.types("crypto ?", "Router#show crypto");
    shell.types("ikev2 sa ?", "Router#show crypto ikev2 sa");
    shell.types(CTRL_C, "Router#");
    shell.types("sh?", "Router#sh");
    shell.types("ow crypto session | ?", "Router#show crypto session |");
    shell.types("count\r", "Router#");
    // Abbreviations, and what is none.
    shell.types("sh cry s\r", "Router#");
    shell.types("sh cry ses\r", "Router#");
    shell.types("SH RUN | i ^ip local|^hostname\r", "Router#");
    shell.types("sh run | sec ^aaa new\r", "Router#");
    shell.types("sh de\r", "Router#");
    shell.types("show crypto ikev2 proposal IKEv2-prop1\r", "Router#");
    shell.types("show crypto ipsec transform-set TS\r", "Router#");
    shell.types("sh vresion\r", "Router#");
    shell.types("show crypto\r", "Router#");
    shell.types("  do show ip local pol\r", "Router#");
    shell.types("show foo ?", "Router#show foo");
    shell.types(CTRL_C, "Router#");
    shell.types("show run | include (\r", "Router#");
    // Tab completes what is unique, and lists what is not.
    shell.types("sho\tcry\tik\tsa\t\r", "Router#");
    shell.types("show crypto ikev2 s\t", "Router#show crypto ikev2 s");
    shell.types(CTRL_C, "Router#");
    shell.types("! a comment\r", "Router#");
    shell.types("end\r", "Router#");
    // Configuration: modes, help and completion, what is refused, and what a router says of what is not whole.
    shell.types("conf t\r", "Router(config)#");
    shell.types("crypto ikev2 pro?", "Router(config)#crypto ikev2 pro");
    shell.types("po\tP\r", "Router(config-ikev2-proposal)#");
    shell.types("group ?", "Router(config-ikev2-proposal)#group");
    shell.types("19 ?", "Router(config-ikev2-proposal)#group 19");
    shell.types("\r", "Router(config-ikev2-proposal)#");
    shell.types(
        "do show cry ikev2 proposal P\r",
        "Router(config-ikev2-proposal)#",
    );
    shell.types("encryption rot13\r", "Router(config-ikev2-proposal)#");
    shell.types("exit\r", "Router(config)#");
    shell.types("crypto ikev2 policy Q\r", "Router(config-ikev2-policy)#");
    shell.types("proposal nowhere\r", "Router(config-ikev2-policy)#");
    shell.types("no crypto ikev2 policy Q\r", "Router(config)#");
    shell.types("no cry ikev2 proposal P\r", "Router(config)#");
    shell.types("vlan 7\r", "Router(config-vlan)#");
    shell.types("name x\r", "Router(config-vlan)#");
    shell.types("exit\r", "Router(config)#");
    shell.types("int vir?", "Router(config)#int vir");
    shell.types("\u{15}no interface loop\t7\r", "Router(config)#");
    shell.types("do sh int gi7\r", "Router(config)#");
    shell.types("sh ver\r", "Router(config)#");
    shell.types("hostname\r", "Router(config)#");
    shell.types("crypto ikev2 window 6\u{1a}", "Router#");
    shell.types("show run | include window\r", "Router#");
    shell.types("conf t\r", "Router(config)#");
    shell.types("hostname Other\r", "Other(config)#");
    shell.types("hostname Router\r", "Router(config)#");
    shell.types(CTRL_C, "Router#");
    shell.types("disable\r", "Router>");
    shell.terminal.sends(b"exit\r");
    shell.process.ends_with(0);
    // What it said last may still be on its way through the terminal.
    shell.until(|rows| rows.ends_with(&["Router>exit".to_owned(), String::new()]));
    is_golden("conversation", &(shell.rows().join("\n") + "\n"));
}

/// Compares what was seen with `tests/golden/shell/NAME.txt`; `IRONFLEX_UPDATE_GOLDENS=1` writes it anew.
pub(crate) fn is_golden(name: &str, seen: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/shell");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("IRONFLEX_UPDATE_GOLDENS").is_some_and(|value| value == "1") {
        std::fs::write(&path, seen).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        seen == expected,
        "{} says\n{expected}\nand this came\n{seen}",
        path.display()
    );
}

/// Lines of configuration are recalled there, and commands where those are typed.
fn what_is_recalled_can_be_typed_where_it_is() {
    const UP: &str = "\u{1b}[A";
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    let recalls = |line: &str| {
        shell.sends(UP);
        shell.until(|rows| rows.last().is_some_and(|row| row == line));
        shell.sends("\u{15}");
    };
    shell.types("show clock\r", "Router#");
    shell.types("conf t\r", "Router(config)#");
    shell.types("no ip http server\r", "Router(config)#");
    recalls("Router(config)#no ip http server");
    let said = shell.types("do show history\r", "Router(config)#");
    assert!(said.contains("  no ip http server\n"), "{said}");
    assert!(!said.contains("  conf t"), "{said}");
    shell.types("end\r", "Router#");
    recalls("Router#conf t");
    let said = shell.types("show history\r", "Router#");
    assert!(said.contains("  conf t\n  show history"), "{said}");
    assert!(!said.contains("http"), "{said}");
    shell.types("terminal history size 1\r", "Router#");
    let said = shell.types("show history\r", "Router#");
    assert!(
        said.ends_with("  show history") && !said.contains("clock"),
        "{said}"
    );
    let said = shell.types("show terminal\r", "Router#");
    assert!(
        said.contains("History is enabled, history size is 1."),
        "{said}"
    );
}

fn the_prompt_has_the_name_that_the_headend_gives_itself() {
    // No line names it.
    let lab = Lab::new();
    let _headend = lab.start();
    let shell = Shell::open(&lab);
    let answer = shell.types("show version\r", "Router>");
    assert!(answer.contains("Router uptime is "), "{answer}");
}

fn a_router_asks_before_it_clears_and_where_a_configuration_comes_from() {
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open(&lab);
    let level = |shell: &Shell, prompt| shell.types("show privilege | include level\r", prompt);
    assert_eq!(level(&shell, "Router>"), "Current privilege level is 1");
    shell.types("enable\r", "Router#");
    assert_eq!(level(&shell, "Router#"), "Current privilege level is 15");
    // Any key but Enter and `y` leaves everything as it is.
    let question = "Clear logging buffer [confirm]";
    for (key, left) in [
        ("n", true),
        (CTRL_C, true),
        ("\u{1b}[A", true),
        ("\r", false),
    ] {
        shell.types("clear logging\r", question);
        shell.types(key, "Router#");
        let log = lab.exec("show logging");
        assert_eq!(log.contains(": ready\n"), left, "{key:?}: {log}");
    }
    let question = "Clear \"show interface\" counters on all interfaces [confirm]";
    shell.types("do clear counters\r", question);
    shell.types("y", "Router#");
    let log = lab.exec("show logging");
    assert!(
        log.contains(": %CLEAR-5-COUNTERS: Clear counter on all interfaces by console\n"),
        "{log}"
    );
    // A script is not asked.
    lab.exec("clear logging");
    assert!(!lab.exec("show logging").contains("%CLEAR-5-COUNTERS"));
    let question = "Configuring from terminal, memory, or network [terminal]?";
    for answer in ["\r", "term\r"] {
        shell.types("configure\r", question);
        shell.types(answer, "Router(config)#");
        // Here it asks nothing.
        shell.types("do configure\r", "Router(config)#");
        shell.types("end\r", "Router#");
    }
    for (answer, says) in [
        ("memory\r", " bytes copied in "),
        (
            "network\r",
            "% configure network: not supported by this headend: ",
        ),
        ("x\r", "?Must be \"terminal\", \"memory\" or \"network\""),
        ("?", "?Must be \"terminal\", \"memory\" or \"network\""),
    ] {
        shell.types("configure\r", question);
        let said = shell.types(answer, "Router#");
        assert!(said.contains(says), "{answer:?}: {said}");
    }
    shell.types("configure\r", question);
    let said = shell.types(&format!("{}\r", "x".repeat(1030)), "Router#");
    assert!(said.contains("% Line is too long"), "{said}");
    for key in [CTRL_C, CTRL_Z] {
        shell.types("configure\r", question);
        shell.types(key, "Router#");
    }
    shell.sends("quit\r");
    let mut shell = shell;
    shell.process.ends_with(0);
}

fn long_output_waits_for_a_key() {
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    let whole = lab.exec("show running-config");
    let lines: Vec<&str> = whole.lines().map(str::trim_end).collect();
    shell.types("terminal length 5\r", "Router#");
    let begin = shell.rows().len();
    shell.types("show running-config\r", " --More--");
    assert_eq!(shell.rows()[begin..begin + 4], lines[..4]);
    shell.types("\r", " --More--");
    shell.types(" ", " --More--");
    let rows = shell.rows();
    assert_eq!(rows[begin..rows.len() - 1], lines[..9]);
    shell.terminal.sends(b"q");
    shell.until(|rows| rows.last().is_some_and(|row| row == "Router#"));
    assert_eq!(shell.rows().len(), rows.len());
    // An arrow leaves it too, and nothing of what it sends is in the next line.
    shell.types("show running-config\r", " --More--");
    shell.terminal.sends(b"\x1b[B");
    shell.until(|rows| rows.last().is_some_and(|row| row == "Router#"));
    let answer = shell.types("show clock\r", "Router#");
    assert!(answer.contains(" UTC "), "{answer}");
    // So does Ctrl-C, and not the shell.
    shell.types("show running-config\r", " --More--");
    shell.terminal.sends(CTRL_C.as_bytes());
    shell.until(|rows| rows.last().is_some_and(|row| row == "Router#"));
    shell.types("terminal length 0\r", "Router#");
    assert_eq!(
        shell.types("show running-config\r", "Router#"),
        lines.join("\n")
    );
}

fn the_log_comes_to_a_terminal_that_monitors() {
    let lab = lab();
    let client = lab.client();
    let _headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    shell.types("terminal monitor\r", "Router#");
    // What is being typed stays.
    shell.terminal.sends(b"show ip lo");
    shell.until(|rows| rows.last().is_some_and(|row| row == "Router#show ip lo"));
    let (_process, _) = lab.log_in(&client, USER);
    shell.until(|rows| {
        let up = rows.iter().any(|row| {
            row.starts_with('*')
                && row.contains(": %CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP.")
        });
        up && rows.last().is_some_and(|row| row == "Router#show ip lo")
    });
    shell.types("cal pool | count ACPool\r", "Router#");
    let monitors = "   1 vty 0     root       monitor              00:00:";
    assert!(lab.exec("show users").contains(monitors));
    let json: serde_json::Value = serde_json::from_str(&lab.exec("show users | json")).unwrap();
    assert_eq!(json["terminals"][0]["does"], "monitor");
    assert_eq!(json["sessions"][0]["user"], USER);
    shell.types("terminal no monitor\r", "Router#");
    let before = shell.rows().len();
    lab.exec("clear crypto session");
    shell.types("!\r", "Router#");
    assert_eq!(shell.rows().len(), before + 1);
    let end = Instant::now() + PATIENCE;
    while lab.exec("show users").contains(" monitor ") {
        assert!(Instant::now() < end, "{}", lab.exec("show users"));
        thread::sleep(Duration::from_millis(50));
    }
}

fn the_terminal_is_left_as_it_was_however_it_ends() {
    let lab = lab();
    let _headend = lab.start();
    let raw = |shell: &Shell| assert!(!shell.terminal.echoes(), "it is not at work");
    for end in ["exit\r", "logout\r", CTRL_D, "enable\rexit\r"] {
        let mut shell = Shell::open(&lab);
        raw(&shell);
        shell.terminal.sends(end.as_bytes());
        shell.process.ends_with(0);
        assert!(shell.terminal.is_as_it_was(), "after {end:?}");
    }
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let mut shell = Shell::open(&lab);
        raw(&shell);
        let code = shell.process.end_by(signal);
        assert_eq!(code, Some(128 + signal as i32));
        assert!(shell.terminal.is_as_it_was(), "after {signal}");
    }
    // While a page is shown.
    let mut shell = Shell::open_privileged(&lab);
    shell.types("terminal length 3\r", "Router#");
    shell.types("show running-config\r", " --More--");
    raw(&shell);
    shell.process.end_by(Signal::SIGTERM);
    assert!(shell.terminal.is_as_it_was());
    // While somebody configures: then others can, afterwards.
    let configuring = || {
        let shell = Shell::open_privileged(&lab);
        shell.types("configure terminal\r", "Router(config)#");
        shell.types("crypto ikev2 policy half\r", "Router(config-ikev2-policy)#");
        shell.terminal.sends(b"propos");
        shell
    };
    let mut shell = configuring();
    shell.process.end_by(Signal::SIGHUP);
    assert!(shell.terminal.is_as_it_was());
    until_free(&lab);
    let Shell {
        terminal,
        mut process,
        ..
    } = configuring();
    drop(terminal);
    process.end();
    until_free(&lab);
    // The terminal goes away.
    let Shell {
        terminal,
        mut process,
        ..
    } = Shell::open(&lab);
    drop(terminal);
    process.end();
}

fn ctrl_c_gives_the_prompt_back_wherever_it_comes() {
    let lab = lab();
    let mut headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    let prompts = |shell: &Shell, prompt: &str| {
        shell.until(|rows| rows.last().is_some_and(|row| row == prompt));
    };
    // In a line, behind help, in a page, and in a line of configuration.
    shell.types("show crypto ?", "Router#show crypto");
    shell.types(CTRL_C, "Router#");
    shell.types("terminal length 3\r", "Router#");
    shell.types("show running-config\r", " --More--");
    shell.sends(CTRL_C);
    prompts(&shell, "Router#");
    shell.types("conf t\r", "Router(config)#");
    shell.types(
        "crypto ikev2 proposal P\r",
        "Router(config-ikev2-proposal)#",
    );
    shell.sends("encryption aes-cbc-2");
    prompts(&shell, "Router(config-ikev2-proposal)#encryption aes-cbc-2");
    shell.types(CTRL_C, "Router#");
    assert!(!lab.exec("show running-config").contains("aes-cbc-2\n"));
    // While the headend does not answer: the shell is not what hangs.
    headend.signal(Signal::SIGSTOP);
    shell.types("show clock\r", "");
    shell.sends(CTRL_C);
    prompts(&shell, "Router#");
    headend.signal(Signal::SIGCONT);
    let answer = shell.types("show clock\r", "Router#");
    assert!(answer.contains(" UTC "), "{answer}");
    headend.lives();
}

/// Takes the terminal away, and waits for the end of the shell.
pub(crate) fn hang_up(shell: Shell) {
    let Shell {
        terminal,
        mut process,
        ..
    } = shell;
    drop(terminal);
    process.end();
}

fn a_line_that_is_hung_up_ends_the_shell_and_what_it_held() {
    let lab = lab();
    let mut headend = lab.start();
    // In a page.
    let shell = Shell::open_privileged(&lab);
    shell.types("terminal length 3\r", "Router#");
    shell.types("show running-config\r", " --More--");
    hang_up(shell);
    // In a line of configuration: what was taken stays, and the next one may configure.
    let shell = Shell::open_privileged(&lab);
    shell.types("conf t\r", "Router(config)#");
    shell.types("crypto ikev2 window 7\r", "Router(config)#");
    shell.sends("crypto ikev2 window 9");
    shell.until(|rows| rows.last().is_some_and(|row| row.ends_with("window 9")));
    hang_up(shell);
    let shell = Shell::open_privileged(&lab);
    shell.types("conf t\r", "Router(config)#");
    shell.types("end\r", "Router#");
    assert!(
        lab.exec("show running-config")
            .contains("crypto ikev2 window 7\n")
    );
    // While the log comes, and while an answer does not.
    shell.types("terminal monitor\r", "Router#");
    hang_up(shell);
    let shell = Shell::open_privileged(&lab);
    headend.signal(Signal::SIGSTOP);
    shell.types("show clock\r", "");
    hang_up(shell);
    headend.signal(Signal::SIGCONT);
    assert!(lab.exec("show clock").contains(" UTC "));
    headend.lives();
}

fn bad_input_is_refused_and_the_next_line_is_not() {
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    let long = format!("{}\r", "show ".repeat(200_000));
    shell.terminal.sends(long.as_bytes());
    shell.until(|rows| {
        let said = rows.iter().any(|row| row.contains("% Line is too long"));
        said && rows.last().is_some_and(|row| row == "Router#")
    });
    // A paste that ends in a question is no shorter for it; a line that has been shortened is what its user sees.
    let typed = "x".repeat(1030);
    let answer = shell.types(&format!("{typed}?\r"), "Router#");
    assert!(answer.contains("% Line is too long"), "{answer}");
    let shortened = format!("{typed}\u{15}show clock\r");
    let other = Shell::open_privileged(&lab);
    other.terminal.sends(shortened.as_bytes());
    other.until(|rows| rows.iter().any(|row| row.contains(" UTC ")));
    for (keys, said) in [
        ("\u{1}\u{0}\u{7}\u{1b}[Z\u{1f}\r", ""),
        (
            "show crypto session username Jürgen | count é\r",
            "Number of lines",
        ),
        (
            "show crypto session username 日本語 x\r",
            "% Invalid input detected",
        ),
        ("|\r", "% Invalid input detected"),
    ] {
        let answer = shell.types(keys, "Router#");
        assert!(answer.contains(said), "{keys:?}: {answer}");
    }
    // A paste of several lines, the last of which is not finished.
    shell.types(
        "undebug all\r! a comment\rshow crypto session | count x\rshow ip lo",
        "Router#show ip lo",
    );
    let answer = shell.types("cal pool nowhere\r", "Router#");
    assert!(!answer.contains("Invalid input"), "{answer}");
    shell.terminal.sends(b"show \xff\r");
    shell.until(|rows| rows.iter().any(|row| row.contains("UTF-8")));
    let mut shell = shell;
    shell.process.lives();
}

/// Lines of which many are wrong, in modes, in a text, and for the exec mode, some of them behind an `end`.
fn a_mixed_paste() -> String {
    let mut lines = String::new();
    for turn in 0..40 {
        lines.push_str(&format!(
            "hostname R{turn}\r\
             vlan {turn}\r\
             crypto ikev2 authorization policy P{turn}\r\
             \t dns 192.0.2.{turn}\r\
             \x20netmask 255.255.0.255\r\
             banner #first\r\
             do show clock\r\
             third#\r\
             pfs please\r\
             do show running-config | count ^hostname R{turn}$\r\
             exit\r\
             \r\
             ! of the {turn}th\r"
        ));
        if turn % 10 == 7 {
            lines.push_str(
                "end\rshow cock\rclear logging\r\rshow running-config\rconfigure terminal\r",
            );
        }
    }
    lines
}

/// What a paste costs is writing to the terminal: once a key where it is the editor that writes.
fn a_paste_looks_as_if_it_had_been_typed_and_costs_less() {
    let lab = lab();
    let headend = lab.start();
    let paste = a_mixed_paste();
    let configures = |shell: &Shell| {
        shell.types("configure terminal\r", "Router(config)#");
    };
    let typed = Shell::open_privileged(&lab);
    typed.types("terminal length 0\r", "Router#");
    configures(&typed);
    let begin = typed.rows().len();
    for line in paste.split_inclusive('\r') {
        // One after the other, each when the prompt is there. A tab completes where somebody sees it.
        let before = typed.rows().len();
        typed.sends(&line.replace('\t', " "));
        typed.until(|rows| {
            let last = rows.last().map_or("", |row| &**row);
            let in_text = line.starts_with("banner") || line == "do show clock\r";
            let waits = last.ends_with('#') || last.ends_with("[confirm]") || in_text;
            rows.len() > before && waits
        });
    }
    let last = typed.rows().last().cloned().unwrap();
    assert_eq!(last, "R39(config)#");
    let expected = typed.rows().split_off(begin);
    typed.types("no hostname\r", "Router(config)#");
    typed.types("end\r", "Router#");
    let configured = lab.exec("show running-config");
    // The same at once, to a configuration that is as it was.
    drop((typed, headend));
    let _headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    shell.types("terminal length 0\r", "Router#");
    configures(&shell);
    let writes = || shell.process.count_of("syscw");
    let before = writes();
    shell.sends(&paste);
    shell.until(|rows| rows.last() == Some(&last));
    let took = writes() - before;
    let seen = shell.rows().split_off(begin);
    for (line, (expected, seen)) in expected.iter().zip(&seen).enumerate() {
        assert_eq!(seen, expected, "line {line} of\n{seen:#?}");
    }
    assert_eq!(seen.len(), expected.len());
    shell.types("no hostname\r", "Router(config)#");
    shell.types("end\r", "Router#");
    assert_eq!(lab.exec("show running-config"), configured);
    // What is said of lines, and what the exec mode answers, is shown each by itself.
    let lines = u64::try_from(paste.matches('\r').count()).unwrap();
    assert!(took < 4 * lines, "{took} for {lines} lines");
}

fn a_headend_that_is_gone_is_named_and_the_next_one_answers() {
    let lab = lab();
    let client = lab.client();
    let mut headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    shell.types("terminal monitor\r", "Router#");
    headend.end_by(Signal::SIGTERM);
    shell.until(|rows| {
        let told = rows.iter().any(|row| row == "% terminal monitor has ended");
        told && rows.last().is_some_and(|row| row == "Router#")
    });
    let answer = shell.types("show crypto session\r", "Router#");
    assert!(answer.contains("% no daemon answers at "), "{answer}");
    let _headend = lab.start();
    let answer = shell.types("show crypto session\r", "Router#");
    assert!(answer.contains("Crypto session current status"), "{answer}");
    shell.types("terminal monitor\r", "Router#");
    let (_process, _) = lab.log_in(&client, USER);
    shell.until(|rows| {
        let mut rows = rows.iter();
        rows.any(|row| row.contains("%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is UP."))
    });
}

/// Nobody has to watch the log for that.
fn a_change_that_is_to_be_confirmed_reminds_its_terminal() {
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    let reminder = "Rollback will begin in one minute. Enter \"configure confirm\"";
    shell.sends("configure terminal revert timer 1\r");
    shell.until(|rows| rows.concat().contains(reminder));
    shell.until(|rows| rows.last().is_some_and(|row| row == "Router(config)#"));
    // Nobody else is, who wanted to make a change, too.
    let other = Shell::open_privileged(&lab);
    let said = other.types("configure terminal revert timer 1\r", "Router#");
    assert!(said.contains("is locked by"), "{said}");
    shell.types("end\r", "Router#");
    shell.types("configure confirm\r", "Router#");
    assert!(!shell.rows().concat().contains("terminal monitor has ended"));
    other.types("show clock\r", "Router#");
    assert!(!other.rows().concat().contains(reminder));
}

/// Asks for what becomes of a change that is to be confirmed. Returns the answer, which is empty where the daemon ended it at once,
/// and what may come further.
fn waits_for_rollback(lab: &Lab) -> (String, BufReader<UnixStream>) {
    let mut stream = UnixStream::connect(Path::new(&lab.name("state")).join("control")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"{\"monitor\":{\"rollback\":true}}\n")
        .unwrap();
    let mut stream = BufReader::new(stream);
    let mut answer = String::new();
    stream.read_line(&mut answer).unwrap();
    (answer, stream)
}

/// As many terminals may watch.
const MONITORS: usize = 8;

/// A terminal that shows the log is reminded once, and one that does not any more is reminded still.
fn whoever_is_to_be_reminded_has_its_place_until_that_is_over() {
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    shell.types("terminal monitor\r", "Router#");
    shell.sends("configure terminal revert timer 1\r");
    let reminder = "Rollback will begin in one minute.";
    shell.until(|rows| rows.concat().contains(reminder));
    shell.until(|rows| rows.last().is_some_and(|row| row == "Router(config)#"));
    // Lines of the log come when they come: this is the last one, and nothing that comes later is taken for an answer.
    shell.sends("end\r");
    shell.until(|rows| {
        let told = rows.iter().any(|row| row.contains("%SYS-5-CONFIG_I"));
        told && rows.last().is_some_and(|row| row == "Router#")
    });
    shell.types("terminal no monitor\r", "Router#");
    let mut others = Vec::new();
    let end = Instant::now() + PATIENCE;
    while others.len() < MONITORS - 1 {
        let (answer, stream) = waits_for_rollback(&lab);
        if answer.contains("\"status\":0") {
            others.push(stream);
        }
        assert!(Instant::now() < end, "{}: {answer}", others.len());
    }
    // The shell has the last place.
    let (answer, _) = waits_for_rollback(&lab);
    assert!(answer.contains("terminals monitor already"), "{answer}");
    assert_eq!(shell.rows().concat().matches(reminder).count(), 1);
    shell.types("configure confirm\r", "Router#");
    for mut other in others {
        other.read_to_end(&mut Vec::new()).unwrap();
    }
    let said = shell.types("terminal monitor\r", "Router#");
    assert_eq!(said, "");
}
