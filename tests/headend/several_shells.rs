//! Several terminals at one headend, and what a terminal asks before it does something.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    shell::{Shell, lab},
    support::{PATIENCE, cases::Case},
};

pub(crate) const CASES: &[Case] = &[
    (
        "several_shells::the_prompt_follows_the_name_whoever_changes_it",
        the_prompt_follows_the_name_whoever_changes_it,
    ),
    (
        "several_shells::every_open_shell_is_among_the_users",
        every_open_shell_is_among_the_users,
    ),
    (
        "several_shells::whoever_confirms_the_change_of_another_is_told_whose_it_was",
        whoever_confirms_the_change_of_another_is_told_whose_it_was,
    ),
    (
        "several_shells::a_replacement_is_asked_about_at_a_terminal_and_a_pattern_at_a_page_is_no_command",
        a_replacement_is_asked_about_at_a_terminal_and_a_pattern_at_a_page_is_no_command,
    ),
];

/// A name that somebody else gives, or the timer takes back, is in the next prompt.
fn the_prompt_follows_the_name_whoever_changes_it() {
    let lab = lab();
    let _headend = lab.start();
    let one = Shell::open_privileged(&lab);
    let other = Shell::open_privileged(&lab);
    one.types("configure terminal revert timer 1\r", "Router(config)#");
    one.types("hostname TIMED\r", "TIMED(config)#");
    other.types("\r", "TIMED#");
    one.types("interface Loopback7\r", "TIMED(config-if)#");
    // Waited for no longer than a router's shortest timer.
    let end = Instant::now() + Duration::from_secs(90);
    while lab.exec("show running-config").contains("hostname TIMED") {
        assert!(Instant::now() < end, "it does not go back");
        thread::sleep(Duration::from_millis(200));
    }
    other.types("\r", "Router#");
    // What it stood in is gone with the change.
    one.types("\r", "Router(config)#");
}

fn every_open_shell_is_among_the_users() {
    let lab = lab();
    let _headend = lab.start();
    let shells: Vec<Shell> = (0..20).map(|_| Shell::open_privileged(&lab)).collect();
    let listed = || {
        let users = lab.exec("show users");
        let rows = users.lines().filter(|line| line.contains(" vty "));
        (rows.count(), users)
    };
    let (count, users) = listed();
    assert_eq!(count, shells.len(), "{users}");
    assert!(users.contains("/dev/pts/"), "{users}");
    let asked = shells[3].types("show users\r", "Router#");
    let own = asked.lines().filter(|line| line.starts_with('*'));
    assert_eq!(own.count(), 1, "{asked}");
    assert!(!asked.contains(" con 0"), "{asked}");
    drop(shells);
    let end = Instant::now() + PATIENCE;
    while listed().0 > 0 {
        assert!(Instant::now() < end, "{}", listed().1);
        thread::sleep(Duration::from_millis(50));
    }
}

fn whoever_confirms_the_change_of_another_is_told_whose_it_was() {
    let lab = lab();
    let _headend = lab.start();
    let one = Shell::open_privileged(&lab);
    one.types("configure terminal revert timer 5\r", "Router(config)#");
    one.types("end\r", "Router#");
    let timer = lab.exec("show archive config rollback timer");
    assert!(
        timer.contains("will be reverted in: 0") && timer.contains("/dev/pts/"),
        "{timer}"
    );
    one.types("configure revert timer 60\r", "Router#");
    let timer = lab.exec("show archive config rollback timer");
    assert!(
        timer.contains("reverted in: 59:") || timer.contains("reverted in: 60:"),
        "{timer}"
    );
    let other = Shell::open_privileged(&lab);
    let said = other.types("configure confirm\r", "Router#");
    assert!(
        said.contains("% Confirmed: the change of user '") && said.contains("/dev/pts/"),
        "{said}"
    );
    one.types("configure terminal revert timer 5\r", "Router(config)#");
    one.types("end\r", "Router#");
    let said = one.types("configure confirm\r", "Router#");
    assert!(!said.contains("% Confirmed"), "{said}");
}

fn a_replacement_is_asked_about_at_a_terminal_and_a_pattern_at_a_page_is_no_command() {
    let lab = lab();
    let _headend = lab.start();
    let shell = Shell::open_privileged(&lab);
    let question = "Destination filename [kept.cfg]?";
    shell.types("copy running-config bootflash:kept.cfg\r", question);
    shell.types("\r", "Router#");
    let question = "configuration. Enter Y if you are sure you want to proceed. ? [no]:";
    for (answer, done) in [("\r", false), ("n\r", false), ("Y\r", true)] {
        shell.types("configure replace bootflash:kept.cfg\r", question);
        let said = shell.types(answer, "Router#");
        assert_eq!(said.contains("Rollback Done"), done, "{answer:?}: {said}");
    }
    let said = shell.types("configure replace bootflash:kept.cfg force\r", "Router#");
    assert!(
        said.contains("Rollback Done") && !said.contains("proceed"),
        "{said}"
    );
    shell.types("terminal length 5\r", "Router#");
    shell.types("show running-config\r", " --More--");
    let begun = shell.rows().len();
    shell.sends("/^ip local pool\r");
    shell.until(|rows| {
        let new = rows.get(begun..).unwrap_or_default();
        new.iter().any(|row| row == "filtering...")
            && new.iter().any(|row| row.starts_with("ip local pool"))
    });
    shell.sends("q");
    shell.until(|rows| rows.last().is_some_and(|row| row == "Router#"));
    assert!(
        !shell
            .rows()
            .iter()
            .any(|row| row.contains("% Invalid input"))
    );
}
