//! What an operator does with files: shows, copies, deletes and erases them, and is asked at a terminal.

use std::fs;

use ironflex_xfrm::netlink::NetworkNamespace;
use nix::sys::signal::Signal;

use crate::{
    shell::{Shell, hang_up, lab},
    support::{
        cases::Case,
        lab::{Lab, USER, mode},
        process::Process,
    },
};

pub(crate) const CASES: &[Case] = &[
    (
        "flash::files_are_shown_and_deleted_and_those_of_the_configuration_stay",
        files_are_shown_and_deleted_and_those_of_the_configuration_stay,
    ),
    (
        "flash::what_is_written_or_deleted_is_asked_about_at_a_terminal",
        what_is_written_or_deleted_is_asked_about_at_a_terminal,
    ),
    (
        "flash::what_comes_at_once_answers_as_if_it_came_one_after_the_other",
        what_comes_at_once_answers_as_if_it_came_one_after_the_other,
    ),
    (
        "flash::what_waits_behind_a_line_answers_its_question_in_its_order",
        what_waits_behind_a_line_answers_its_question_in_its_order,
    ),
    (
        "flash::who_is_gone_while_being_asked_has_deleted_nothing",
        who_is_gone_while_being_asked_has_deleted_nothing,
    ),
    (
        "flash::an_erased_startup_config_is_kept_in_the_archive_and_starts_a_headend_that_serves_nobody",
        an_erased_startup_config_is_kept_in_the_archive_and_starts_a_headend_that_serves_nobody,
    ),
    (
        "flash::a_configuration_comes_from_memory_and_not_from_the_network",
        a_configuration_comes_from_memory_and_not_from_the_network,
    ),
];

const CTRL_C: &str = "\u{3}";

fn run(lab: &Lab, arguments: &[&str], input: &str, code: i32) -> String {
    let here = NetworkNamespace::current().unwrap();
    let state = lab.name("state");
    let mut all = vec!["exec", "--state-dir", &state];
    all.extend(arguments);
    let mut process = Process::start(&here, &all, input);
    process.ends_with(code);
    process.output()
}

fn files_are_shown_and_deleted_and_those_of_the_configuration_stay() {
    let lab = Lab::new();
    let mut headend = lab.start();
    let one = |line: &str| run(&lab, &[line], "", 0);
    let refused = |line: &str| run(&lab, &[line], "", 1);
    let file = fs::read_to_string(lab.config()).unwrap();
    // What a file says, and nothing around it.
    assert_eq!(one("more nvram:startup-config"), file);
    let running = lab.exec("show running-config");
    assert!(running.ends_with(&one("more system:running-config")));
    one("copy running-config bootflash:kept.cfg");
    assert!(running.ends_with(&one("more bootflash:kept.cfg")));
    assert_eq!(
        one("more flash:/kept.cfg | include ^hostname|^aaa new"),
        "aaa new-model\n"
    );
    fs::write(lab.path("boot/steers"), "a\u{1b}[2J\tb\r\n").unwrap();
    assert_eq!(one("more bootflash:steers"), "a.[2J\tb\n");
    assert!(refused("more bootflash:IKEv2-TP.p12").contains("(it is no text)"));
    assert!(refused("more bootflash:none").contains("%Error opening bootflash:none ("));
    assert!(run(&lab, &[], "disable\nmore bootflash:kept.cfg\n", 1).contains("% Invalid input"));
    // A copy is its owner's alone, whatever the file was.
    one("copy bootflash:IKEv2-TP.p12 bootflash:copy.p12");
    assert_eq!(
        fs::read(lab.path("boot/copy.p12")).unwrap(),
        fs::read(lab.identity()).unwrap()
    );
    assert_eq!(mode(&lab.path("boot/copy.p12")) & 0o777, 0o600);
    assert_eq!(
        one("show flash:").lines().count(),
        one("dir").lines().count()
    );
    assert!(one("show bootflash:").contains("copy.p12"));
    // What the configuration reads is nobody's to write or to delete.
    fs::write(lab.path("boot/acvpn.xml"), "<mine/>\n").unwrap();
    for (name, why) in [
        (
            "IKEv2-TP.p12",
            "startup-config names it: crypto pki import IKEv2-TP",
        ),
        (
            "acvpn.xml",
            "the configuration names it: crypto vpn anyconnect profile acvpn",
        ),
        ("flexvpn-headend.conf", "it is the startup-config"),
    ] {
        let before = fs::read(lab.path("boot").join(name)).unwrap();
        for line in [
            format!("delete bootflash:{name}"),
            format!("delete /force flash:/{name}"),
            format!("copy running-config bootflash:{name}"),
            format!("copy bootflash:kept.cfg bootflash:{name}"),
            format!("show clock | redirect bootflash:{name}"),
            format!("show clock | append bootflash:{name}"),
            format!("show clock | tee bootflash:{name}"),
        ] {
            let said = refused(&line);
            assert!(said.contains(why), "{line}: {said}");
        }
        assert_eq!(fs::read(lab.path("boot").join(name)).unwrap(), before);
    }
    // Nothing else is deleted than what is named.
    std::os::unix::fs::symlink(lab.path("ca.pem"), lab.path("boot/link")).unwrap();
    fs::create_dir(lab.path("boot/folder")).unwrap();
    for name in ["link", "folder", "../ca.pem", "folder/x", "none"] {
        refused(&format!("delete bootflash:{name}"));
    }
    assert!(lab.path("ca.pem").exists() && lab.path("boot/link").is_symlink());
    for name in ["kept.cfg", "copy.p12", "steers"] {
        assert_eq!(one(&format!("delete bootflash:{name}")), "");
        assert!(!lab.path("boot").join(name).exists());
    }
    headend.line("file bootflash:kept.cfg is to be deleted, as user '");
    // What the configuration goes back to reads it as well.
    let lines = "configure terminal revert timer 5\nno crypto vpn anyconnect profile acvpn\nend\n";
    run(&lab, &[], lines, 0);
    let said = refused("delete bootflash:acvpn.xml");
    assert!(
        said.contains("the configuration names it: crypto vpn anyconnect profile acvpn"),
        "{said}"
    );
    one("configure revert now");
    // Files of other machines come by other programs.
    let boot = lab.name("boot");
    for line in [
        "copy running-config tftp:",
        "copy scp://a@192.0.2.1/x running-config",
        "copy bootflash:kept.cfg https://192.0.2.1/x",
        "configure network",
    ] {
        let said = refused(line);
        assert!(
            said.contains(": not supported by this headend: ") && said.contains(&boot),
            "{line}: {said}"
        );
    }
    headend.lives();
}

fn what_is_written_or_deleted_is_asked_about_at_a_terminal() {
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    let file = |name: &str| fs::read_to_string(lab.path("boot").join(name)).ok();
    let (destination, over) = (
        "Destination filename [a]?",
        "Do you want to over write? [confirm]",
    );
    let warning = "%Warning:There is a file already existing with this name";
    // A new file: nobody is warned.
    shell.types("copy running-config bootflash:a\r", destination);
    let said = shell.types("\r", "Router#");
    assert!(said.contains(" bytes copied in "), "{said}");
    fs::write(lab.path("boot/a"), "mine\n").unwrap();
    // One that is there.
    for (key, left) in [("n", true), (CTRL_C, true), ("\r", false)] {
        shell.types("copy running-config bootflash:a\r", destination);
        let said = shell.types("\r", over);
        assert!(said.contains(warning), "{said}");
        shell.types(key, "Router#");
        assert_eq!(file("a").as_deref() == Some("mine\n"), left, "{key:?}");
    }
    // The name goes without saying, and so does where the file is.
    shell.types(
        "copy running-config bootflash:\r",
        "Destination filename [running-config]?",
    );
    shell.types("\r", "Router#");
    let said = shell.types("more running-config | include ^hostname\r", "Router#");
    assert_eq!(said, "hostname Router");
    // Another name, and what is none; Ctrl-C ends it.
    shell.types("copy running-config bootflash:a\r", destination);
    shell.types("b\r", "Router#");
    assert!(file("b").unwrap().contains("hostname Router\n"));
    shell.types("copy running-config bootflash:a\r", destination);
    let said = shell.types("../b\r", "Router#");
    assert!(
        said.contains("%Error opening ../b (a path that leaves bootflash:)"),
        "{said}"
    );
    shell.types(
        "do copy running-config bootflash:c\r",
        "Destination filename [c]?",
    );
    shell.types(CTRL_C, "Router#");
    assert_eq!(file("c"), None);
    // What a command says goes over a file by itself only where nobody sits at it.
    shell.types("show clock | redirect bootflash:b\r", over);
    shell.types("n", "Router#");
    assert!(file("b").unwrap().contains("hostname Router\n"));
    shell.types("show clock | tee bootflash:b\r", over);
    let said = shell.types("y", "Router#");
    assert!(
        said.contains(" UTC ") && file("b").unwrap().contains(" UTC "),
        "{said}"
    );
    shell.types("show clock | append bootflash:b\r", "Router#");
    assert_eq!(file("b").unwrap().matches(" UTC ").count(), 2);
    lab.exec("show clock | redirect bootflash:b");
    assert_eq!(file("b").unwrap().matches(" UTC ").count(), 1);
    // Deleting: the name, and then whether that is meant.
    let (which, sure) = ("Delete filename [a]?", "Delete bootflash:/a? [confirm]");
    for key in ["n", CTRL_C] {
        shell.types("delete bootflash:a\r", which);
        shell.types("\r", sure);
        shell.types(key, "Router#");
        assert!(file("a").is_some(), "{key:?}");
    }
    shell.types("delete flash:/a\r", which);
    shell.types(CTRL_C, "Router#");
    shell.types("delete bootflash:a\r", which);
    shell.types("b\r", "Delete bootflash:/b? [confirm]");
    shell.types("\r", "Router#");
    assert!(file("a").is_some() && file("b").is_none());
    // Typed ahead, the next line is the name.
    shell.types("delete bootflash:b\ra\r", sure);
    shell.types("y", "Router#");
    assert_eq!(file("a"), None);
    fs::write(lab.path("boot/a"), "mine\n").unwrap();
    shell.types("delete /force bootflash:a\r", "Router#");
    assert_eq!(file("a"), None);
    shell.types("delete bootflash:a\r", which);
    shell.types("\r", sure);
    let said = shell.types("y", "Router#");
    assert!(said.contains("%Error deleting bootflash:a ("), "{said}");
    assert!(said.contains("(No such file or directory)"), "{said}");
    let said = shell.types("more bootflash:absent\r", "Router#");
    assert_eq!(
        said.trim_end(),
        "%Error opening bootflash:absent (No such file or directory)"
    );
    // A line that names the file system alone.
    fs::write(lab.path("boot/merged"), "hostname Merged\n").unwrap();
    shell.types("copy flash: running-config\r", "Source filename []?");
    let destination = "Destination filename [running-config]?";
    shell.types("merged\r", destination);
    shell.types("\r", "Merged#");
    shell.types("copy flash:merged running-config\r", destination);
    let said = shell.types("x\r", "Merged#");
    assert!(said.contains("%Error opening system:x ("), "{said}");
    // The startup configuration, which `write memory` writes without a question.
    let destination = "Destination filename [startup-config]?";
    shell.types("copy running-config startup-config\r", destination);
    let said = shell.types("other\r", "Merged#");
    assert!(said.contains("%Error opening nvram:other ("), "{said}");
    let startup = || fs::read_to_string(lab.config()).unwrap();
    assert!(!startup().contains("hostname Merged"));
    shell.types("copy running-config startup-config\r", destination);
    shell.types("\r", "Merged#");
    assert!(startup().contains("hostname Merged"));
    shell.types("write memory\r", "Merged#");
    shell.types("delete flash:\r", "Delete filename []?");
    shell.types("merged\r", "Delete bootflash:/merged? [confirm]");
    shell.types("\r", "Merged#");
    assert_eq!(file("merged"), None);
    // Who configures.
    let said = shell.types("show configuration lock\r", "Merged#");
    assert!(said.contains("FREE"), "{said}");
    shell.types("configure terminal\r", "Merged(config)#");
    let said = shell.types(
        "do show configuration lock | include State\r",
        "Merged(config)#",
    );
    assert!(said.contains("State             : LOCKED"), "{said}");
    shell.types("hostname Router\r", "Router(config)#");
    shell.types("end\r", "Router#");
    // Pages, as of anything that is shown.
    shell.types("terminal length 4\r", "Router#");
    shell.types("more nvram:startup-config\r", " --More--");
    shell.sends("q");
    shell.until(|rows| rows.last().is_some_and(|row| row == "Router#"));
}

fn what_comes_at_once_answers_as_if_it_came_one_after_the_other() {
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open_privileged_wide(&lab, 120);
    let file = |name: &str| lab.path("boot").join(name).exists();
    // Where lines are gathered, an answer that comes with its Enter is one as well.
    shell.types("configure terminal\r", "Router(config)#");
    let destination = "Destination filename [a]?";
    shell.types("do copy running-config bootflash:a\r", destination);
    shell.types("b\r", "Router(config)#");
    assert!(file("b") && !file("a"));
    shell.types("do copy running-config bootflash:a\r", destination);
    shell.types("c\rhostname Pasted\rend\r", "Pasted#");
    assert!(file("c") && !file("a"));
    shell.types("configure terminal\r", "Pasted(config)#");
    let sure = "Delete bootflash:/c? [confirm]";
    shell.types("do delete bootflash:b\r", "Delete filename [b]?");
    shell.types("c\r", sure);
    shell.types("y", "Pasted(config)#");
    shell.types("end\r", "Pasted#");
    assert!(file("b") && !file("c"));
    // A paste that begins with the answer is longer than what is read at a time.
    shell.types("configure terminal\r", "Pasted(config)#");
    shell.types("do copy running-config bootflash:a\r", destination);
    let lines = format!("d\r{}hostname Again\rend\r", "! nothing\r".repeat(200));
    shell.types(&lines, "Again#");
    assert!(file("d") && !file("a"));
}

fn what_waits_behind_a_line_answers_its_question_in_its_order() {
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open_privileged_wide(&lab, 120);
    let startup = fs::read_to_string(lab.config()).unwrap();
    let level = "Current privilege level is 15";
    // Of more than is read at a time, what is read first.
    let paste = format!("write erase\r{}\rshow privilege\r", "!".repeat(1012));
    shell.sends(&paste);
    shell.until(|rows| rows.ends_with(&[level.to_owned(), "Router#".to_owned()]));
    assert_eq!(fs::read_to_string(lab.config()).unwrap(), startup);
    // The next line's first character, as on a router.
    let said = shell.types("write erase\rnshow privilege\r", "Router#");
    shell.until(|rows| rows.ends_with(&[level.to_owned(), "Router#".to_owned()]));
    assert_eq!(fs::read_to_string(lab.config()).unwrap(), startup, "{said}");
    // A line that ends with CR and LF has one end.
    let erase =
        "Erasing the nvram filesystem will remove all configuration files! Continue? [confirm]";
    shell.types("write erase\r\n", erase);
    shell.types("n", "Router#");
    assert_eq!(fs::read_to_string(lab.config()).unwrap(), startup);
    fs::write(lab.path("boot/a"), "mine\n").unwrap();
    shell.types(
        "delete bootflash:a\r\n\r\n",
        "Delete bootflash:/a? [confirm]",
    );
    shell.types("n", "Router#");
    shell.sends("configure terminal\r\n");
    shell.until(|rows| rows.last().is_some_and(|row| row == "Router(config)#"));
    shell.sends(
        "do write erase\r\nx\r\ndo delete bootflash:a\r\n\r\nx\r\nend\r\nshow privilege\r\n",
    );
    shell.until(|rows| rows.ends_with(&[level.to_owned(), "Router#".to_owned()]));
    assert_eq!(fs::read_to_string(lab.config()).unwrap(), startup);
    assert!(lab.path("boot/a").exists());
    shell.sends("clear logging\r\rshow privilege\r");
    shell.until(|rows| rows.ends_with(&[level.to_owned(), "Router#".to_owned()]));
    assert!(!lab.exec("show logging").contains(": ready\n"));
}

fn who_is_gone_while_being_asked_has_deleted_nothing() {
    let lab = lab();
    let mut headend = lab.start();
    fs::write(lab.path("boot/a"), "mine\n").unwrap();
    let file = fs::read_to_string(lab.config()).unwrap();
    let erase =
        "Erasing the nvram filesystem will remove all configuration files! Continue? [confirm]";
    for keys in [
        &[("delete bootflash:a\r", "Delete filename [a]?")][..],
        &[
            ("delete bootflash:a\r", "Delete filename [a]?"),
            ("\r", "Delete bootflash:/a? [confirm]"),
        ],
        &[("copy run bootflash:a\r", "Destination filename [a]?")],
        &[
            ("copy run bootflash:a\r", "Destination filename [a]?"),
            ("\r", "Do you want to over write? [confirm]"),
        ],
        &[("write erase\r", erase)],
    ] {
        let shell = Shell::open_privileged_wide(&lab, 120);
        for (typed, then) in keys {
            shell.types(typed, then);
        }
        hang_up(shell);
        assert_eq!(fs::read_to_string(lab.path("boot/a")).unwrap(), "mine\n");
        assert_eq!(fs::read_to_string(lab.config()).unwrap(), file);
    }
    headend.lives();
}

fn an_erased_startup_config_is_kept_in_the_archive_and_starts_a_headend_that_serves_nobody() {
    let lab = lab();
    let mut headend = lab.start();
    let file = fs::read_to_string(lab.config()).unwrap();
    let owner = mode(&lab.config());
    let shell = Shell::open_privileged_wide(&lab, 120);
    let question =
        "Erasing the nvram filesystem will remove all configuration files! Continue? [confirm]";
    for key in ["n", CTRL_C] {
        shell.types("write erase\r", question);
        shell.types(key, "Router#");
        assert_eq!(fs::read_to_string(lab.config()).unwrap(), file);
    }
    shell.types("erase startup-config\r", question);
    let said = shell.types("\r", "Router#");
    let archived = lab.name("state/archive/startup-config-1");
    for part in [
        "[OK]\nErase of nvram: complete\n",
        &format!("'configure replace {archived}' brings it back"),
    ] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    assert_eq!(fs::read_to_string(&archived).unwrap(), file);
    assert_eq!(fs::read_to_string(lab.config()).unwrap(), "");
    assert_eq!(mode(&lab.config()), owner);
    headend.line("configuration: startup-config is to be erased, as user '");
    // A script is not asked; there is nothing more to keep.
    assert_eq!(lab.exec("write erase"), "[OK]\nErase of nvram: complete\n");
    assert!(!lab.path("state/archive/startup-config-2").exists());
    assert_eq!(
        lab.exec("show startup-config"),
        "startup-config is not present\n"
    );
    // What runs goes on, and nothing takes it for a configuration without a line.
    let running = lab.exec("show running-config");
    for line in [
        "configure replace nvram:startup-config force",
        "configure memory",
        "copy startup-config running-config",
        "copy startup-config bootflash:x",
        "more nvram:startup-config",
    ] {
        let said = run(&lab, &[line], "", 1);
        assert!(
            said.contains("startup-config is not present"),
            "{line}: {said}"
        );
    }
    assert_eq!(lab.exec("show running-config"), running);
    drop(shell);
    headend.end_by(Signal::SIGTERM);
    let mut headend = lab.start();
    headend.line("nobody can log in: the configuration has no 'crypto ikev2 profile'");
    assert!(!lab.exec("show running-config").contains("crypto ikev2"));
    run(
        &lab,
        &["configure terminal", "hostname Again", "end"],
        "",
        0,
    );
    // It is undone by what the archive has.
    run(&lab, &[&format!("configure replace {archived}")], "", 0);
    lab.exec("write memory");
    assert_eq!(lab.exec("show running-config"), running);
    headend.end_by(Signal::SIGTERM);
    let _headend = lab.start();
    let client = lab.client();
    let (_process, _) = lab.log_in(&client, USER);
}

fn a_configuration_comes_from_memory_and_not_from_the_network() {
    let lab = lab();
    let _headend = lab.start();
    let change = |name: &str| {
        let hostname = format!("hostname {name}");
        run(&lab, &["configure terminal", &hostname, "end"], "", 0);
    };
    let is_back = || {
        lab.exec("show running-config")
            .contains("hostname Router\n")
    };
    for (lines, code) in [
        ("configure memory\n", 0),
        ("configure\nmemory\nshow clock\n", 0),
        ("configure\nmem\n", 0),
    ] {
        change("Other");
        let said = run(&lab, &[], lines, code);
        assert!(
            said.contains(" bytes copied in ") && is_back(),
            "{lines}: {said}"
        );
    }
    // What stands behind a refused `network` may be configuration, and is no command.
    let said = run(&lab, &[], "configure\nnetwork\nshow clock\n", 1);
    assert!(
        said.contains("% configure network: not supported by this headend")
            && !said.contains(" UTC "),
        "{said}"
    );
    // Of a macro nothing is done, in a paste as little as in a file.
    let lines = "configure terminal\nmacro name port\nhostname Macro\nend\nwrite erase\n@\nip local pool more 10.9.9.1 10.9.9.9\nend\n";
    let said = run(&lab, &[], lines, 1);
    assert!(said.contains("macros of commands") && is_back(), "{said}");
    assert!(lab.exec("show ip local pool").contains("more "));
    fs::write(
        lab.path("boot/pasted"),
        lines.replacen("configure terminal\n", "", 1),
    )
    .unwrap();
    run(&lab, &["copy bootflash:pasted running-config"], "", 1);
    assert!(is_back());
    assert!(!fs::read_to_string(lab.config()).unwrap().is_empty());
}
