//! A day at the headend, as somebody who has run a router's spends it: configure, let a client in, look, debug, and find out
//! why another one fails.
//!
//! `tests/golden/shell/day.txt` is what the operator sees at a terminal of 120 columns. What is another at every run is
//! replaced by something as long: times and ages by zeros; SPIs, ports and fingerprints by a number for each that is another.

use std::{collections::BTreeMap, fs};

use crate::{
    shell::{Shell, is_golden},
    support::{
        cases::Case,
        lab::{HEADEND, Lab, USER},
    },
};

pub(crate) const CASES: &[Case] = &[("day::at_the_headend", at_the_headend)];

const COLUMNS: u16 = 120;

const EXAMPLE: &str = include_str!("../../examples/flexvpn-headend.conf");

const CTRL_C: &str = "\u{3}";

fn at_the_headend() {
    let lab = Lab::new();
    // A router that nobody has configured yet, with what `crypto pki import` reads on its flash.
    fs::write(lab.config(), "hostname Router\n").unwrap();
    let _headend = lab.start();
    let shell = Shell::open_wide(&lab, COLUMNS);
    let types = |keys: &str| shell.types(keys, "Router#");
    types("en\r");
    types("terminal length 0\r");
    // Help at three depths, abbreviations, and what is none.
    shell.types("show ?", "Router#show");
    shell.types("crypto ?", "Router#show crypto");
    shell.types("session ?", "Router#show crypto session");
    shell.types(CTRL_C, "Router#");
    types("sh cry ses de\r");
    types("sh cry s\r");
    types("sh cry ik s\r");
    types("show crypto sesion\r");
    // The configuration, as it is in the document.
    shell.types("conf t\r", "Router(config)#");
    // Line by line: what waits while a line is taken is echoed by the terminal wherever it happens to come.
    for line in EXAMPLE.lines().chain(["end"]) {
        let before = shell.rows().len();
        shell.sends(&format!("{line}\r"));
        shell.until(|rows| {
            let prompt = |row: &String| row.starts_with("Router") && row.ends_with('#');
            rows.len() > before && rows.last().is_some_and(prompt)
        });
    }
    types("sh run | sec ^crypto ikev2 profile\r");
    types("sh run | count .\r");
    // Somebody comes.
    let (first, second) = (lab.client(), lab.client());
    let (_first, _) = lab.log_in(&first, USER);
    for line in [
        "sh cry ses",
        "sh cry ses de",
        "sh cry ses br",
        "sh cry ikev2 sa",
        "sh cry ikev2 sa det",
        "sh cry ikev2 session",
        "sh cry ips sa",
        "sh cry ips sa count",
        "sh ip local pool ACPool",
        "sh derived-config int vi1",
        "sh int vi1",
        "sh ip route",
        "sh aaa sessions",
        "sh users",
        "sh cry ses user test | count ^Peer",
        "sh cry pki trustpoints status",
    ] {
        types(&format!("{line}\r"));
    }
    // The next one is watched.
    types("debug crypto ikev2\r");
    types("sh deb\r");
    types("terminal monitor\r");
    let (_second, _) = lab.log_in(&second, USER);
    shell.until(|rows| {
        let up = |row: &String| row.contains("Crypto tunnel v2 is UP.");
        rows.iter().any(up) && rows.last().is_some_and(|row| row == "Router#")
    });
    types("terminal no monitor\r");
    types("u all\r");
    // One that has forgotten the password.
    let third = lab.client();
    let login = [USER, "not-the-password"];
    let mut process = lab.connect_to(&HEADEND.to_string(), &third, login, &[]);
    process.ends_with(4);
    types(&format!("sh cry ikev2 diagnose peer {}\r", third.outer));
    types("sh log | include LOGIN|DOWN\r");
    types("clear crypto session\r");
    types("sh ip local pool\r");
    shell.sends("exit\r");
    shell.until(|rows| rows.ends_with(&["Router#exit".to_owned(), String::new()]));
    let mut rows = with_the_remark_behind_the_paste(shell.rows());
    // On a machine with much to do a client asks again, which the diagnosis tells and the default debugging does not.
    rows.retain(|row| !(row.starts_with("  +") && row.contains(" s  request repeated ")));
    is_golden("day", &normalised(&(rows.join("\n") + "\n")));
}

/// What concerns the whole is said when no further line waits: within a paste that is wherever the terminal has been read to.
fn with_the_remark_behind_the_paste(mut rows: Vec<String>) -> Vec<String> {
    let begins = |row: &String| row.starts_with("% ip nat inside source list NAT ");
    let at = rows.iter().position(begins).unwrap();
    let remark: Vec<String> = rows.drain(at..at + 2).collect();
    // Further ones are the same.
    while let Some(at) = rows.iter().position(begins) {
        assert_eq!(rows.drain(at..at + 2).collect::<Vec<_>>(), remark);
    }
    let end = rows.iter().position(|row| row.ends_with(")#end")).unwrap();
    rows.splice(end + 1..end + 1, remark);
    rows
}

/// What something that is another at every run becomes.
#[derive(Clone, Copy)]
enum Becomes {
    /// Each digit a zero.
    Zeros,
    /// One zero, however long it was.
    Zero,
    /// Its number among those of its kind, as long as it was.
    Number,
    /// The same, for an SPI of ESP.
    Spi,
}

/// Whatever is another at every run, replaced by what is as long and always the same.
fn normalised(seen: &str) -> String {
    let mut known: BTreeMap<(usize, String), usize> = BTreeMap::new();
    let mut text = seen.to_owned();
    // What is found, and what its one part becomes.
    let rules: [(&str, Becomes); 12] = [
        (
            r"[A-Z][a-z]{2} [ \d]\d (\d\d:\d\d:\d\d\.\d{3})",
            Becomes::Zeros,
        ),
        (r"([A-Z][a-z]{2} [ \d]\d) 00:00:00", Becomes::Zeros),
        (r"\+ *(\d+\.\d{3}) s", Becomes::Zeros),
        (r"(\d\d:\d\d:\d\d)", Becomes::Zeros),
        (r"/dev/pts/(\d+)", Becomes::Zero),
        (r"86400/(\d+) sec", Becomes::Zero),
        (r"\(KB/Sec\) \d+/(\d+)", Becomes::Zeros),
        (r"\(k/sec\): \(\d+/(\d+)\)", Becomes::Zeros),
        (r"[Ss][Pp][Ii] ?: ([0-9A-F]{16})", Becomes::Number),
        (r"0x([0-9A-F]{1,8}(?:\(\d+\))?)", Becomes::Spi),
        (r"(?:port |198\.51\.100\.\d+[:/])(\d{5})\b", Becomes::Number),
        (r"((?:[0-9A-F]{8} ){4}[0-9A-F]{8})", Becomes::Number),
    ];
    for (kind, (pattern, becomes)) in rules.into_iter().enumerate() {
        let pattern = regex_lite::Regex::new(pattern).unwrap();
        let mut out = String::new();
        let mut rest = 0;
        for found in pattern.captures_iter(&text) {
            let part = found.get(1).unwrap();
            out += &text[rest..part.start()];
            let count = known.len() + 1;
            let mut number = |value: &str| *known.entry((kind, value.to_owned())).or_insert(count);
            let value = part.as_str();
            let replaced = match becomes {
                Becomes::Zero => "0".to_owned(),
                Becomes::Zeros => {
                    let zero = |c: char| if c.is_ascii_digit() { '0' } else { c };
                    value.chars().map(zero).collect()
                }
                Becomes::Number => format!("{:0width$}", number(value), width = part.len()),
                // Both forms of one are the same, and neither has a width.
                Becomes::Spi => match value.split_once('(') {
                    Some((hex, _)) => format!("{0:08X}({0})", number(hex)),
                    None => format!("{:08X}", number(value)),
                },
            };
            out += &replaced;
            rest = part.end();
        }
        out += &text[rest..];
        text = out;
    }
    let date = regex_lite::Regex::new(r"[A-Z][a-z]{2} [ 0]0 00:00:00").unwrap();
    date.replace_all(&text, "Jan  1 00:00:00").into_owned()
}
